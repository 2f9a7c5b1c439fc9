"""Files of events, from silicon retinas and cochleas among others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from snnjax.core import checks
from snnjax.datasets.events import SpikeEvents

MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
NAMES = {
    "time": ("time", "times", "t", "ts", "timestamp", "timestamps"),
    "channel": ("channel", "channels", "c", "unit", "units", "neuron"),
    "x": ("x",),
    "y": ("y",),
    "polarity": ("polarity", "p", "pol", "on"),
}
USUAL = {
    2: ("time", "channel"),
    3: ("time", "channel", "polarity"),
    4: ("time", "x", "y", "polarity"),
}


def load_events(
    paths: str | Path | Iterable[str | Path],
    shape: tuple[int, ...] | None = None,
    *,
    time_unit: str = "us",
    columns: Iterable[str] | None = None,
) -> SpikeEvents:
    """Event files, each a recording: .npy, .npz, .csv, or .bin as in N-MNIST.

    Events have a time, either a channel or a pixel (x, y), and may have a polarity. In a
    structured array, an .npz of one array for each, or a .csv with a header they are found by
    name (time, channel, x, y, polarity, or a usual short form such as t, p). Plain columns
    are by default (time, channel), (time, channel, polarity) or (time, x, y, polarity).
    .bin is 5 bytes an event: x, y, one bit of polarity and 23 of time in us (Orchard et al.
    2015, Front. Neurosci. 9:437).

    - `paths`: one or several.
    - `shape`: of the sensor: (channels,) or (height, width), followed by 2 if there is
      polarity, OFF first. By default what holds all events of these files; state it where
      several sets of files belong together.
    - `time_unit`: of the files' times: "s", "ms", "us" or "ns".
    - `columns`: the names of plain columns, where they are others than those above.
    """
    checks.one_of(time_unit, MS, "load_events.time_unit")
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    named = None if columns is None else tuple(columns)
    files = [(Path(path), _read(Path(path), named)) for path in paths]
    if not files:
        raise ValueError("load_events.paths must name at least one file.")
    times, places = [], []
    for path, events in files:
        unit = MS["us" if path.suffix == ".bin" else time_unit]
        times.append(np.asarray(events["time"], float) * unit)
        places.append(_places(path, events))
    axes = {len(p) for p in places}
    if len(axes) > 1 or (shape is not None and len(shape) not in axes):
        raise ValueError(
            f"load_events.shape={shape} does not fit events with {sorted(axes)} coordinates."
        )
    if shape is None:
        shape = tuple(int(max(m)) + 1 for m in zip(*map(_largest, places), strict=True))
        has_polarity = ["polarity" in events for _, events in files]
        shape = (*shape[:-1], 2) if all(has_polarity) else shape
    for (path, _), place in zip(files, places, strict=True):
        low, high = [p.min(initial=0) for p in place], _largest(place)
        if any(i < 0 for i in low) or any(i >= n for i, n in zip(high, shape, strict=True)):
            raise ValueError(
                f"load_events.shape={tuple(shape)} does not hold the events of {str(path)!r}, "
                f"which reach from {tuple(map(int, low))} to {tuple(map(int, high))}."
            )
    channels = [np.ravel_multi_index(place, shape) for place in places]
    return SpikeEvents.of(times, channels, tuple(shape))


def _largest(place):
    return [p.max(initial=0) for p in place]


def _places(path: Path, events: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    names = ["channel"] if "channel" in events else ["y", "x"]
    missing = [n for n in ["time", *names] if n not in events]
    if missing:
        raise ValueError(
            f"load_events.paths: {str(path)!r} has no {missing[0]} among {list(events)}; "
            "events need a time and a channel, or a time, x and y. Name plain columns= so."
        )
    place = [np.asarray(events[n]).astype(np.int64) for n in names]
    if "polarity" in events:
        place.append((np.asarray(events["polarity"]) > 0).astype(np.int64))
    return tuple(place)


def _read(path: Path, columns: tuple[str, ...] | None) -> dict[str, np.ndarray]:
    where = f"load_events.paths: {str(path)!r}"
    readers = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv, ".bin": _read_bin}
    if path.suffix not in readers:
        raise ValueError(f"{where} must end in one of {', '.join(readers)}.")
    try:
        found = readers[path.suffix](path)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{where} cannot be read: {error}") from None
    if isinstance(found, np.ndarray):
        found = _by_name(found, columns, where)
    known = {alias: name for name, aliases in NAMES.items() for alias in aliases}
    events = {known[n.lower()]: x for n, x in found.items() if n.lower() in known}
    if len({np.shape(x) for x in events.values()}) > 1 or any(
        np.ndim(x) != 1 for x in events.values()
    ):
        raise ValueError(f"{where} must hold one number of each kind for each event.")
    return events


def _by_name(values: np.ndarray, columns, where: str) -> dict[str, np.ndarray]:
    if values.dtype.names:
        return {name: values[name] for name in values.dtype.names}
    names = USUAL.get(values.shape[-1]) if columns is None else columns
    if values.ndim != 2 or names is None or len(names) != values.shape[1]:
        raise ValueError(
            f"{where} must be a structured array or columns [events, 2 .. 4] named by "
            f"columns=, got shape {values.shape} and columns={columns}."
        )
    return dict(zip(names, values.T, strict=True))


def _read_npy(path: Path) -> Any:
    return np.load(path, allow_pickle=False)


def _read_npz(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _read_csv(path: Path) -> Any:
    with path.open(encoding="utf-8-sig") as file:
        first = [cell.strip() for cell in file.readline().split(",")]
    header = any(cell.lstrip("+-")[:1].isalpha() for cell in first)
    values = np.loadtxt(
        path, delimiter=",", skiprows=int(header), ndmin=2, encoding="utf-8-sig"
    )
    values = values.reshape(-1, len(first))
    return dict(zip(first, values.T, strict=True)) if header else values


def _read_bin(path: Path) -> dict[str, np.ndarray]:
    data = np.fromfile(path, np.uint8)
    if len(data) % 5:
        raise ValueError(f"{len(data)} bytes are no whole number of events of 5 bytes")
    x, y, high, middle, low = data.reshape(-1, 5).T.astype(np.int64)
    time = (high & 0x7F) << 16 | middle << 8 | low
    carry = y == 240  # no pixel: the sensor's 13-bit clock has run over
    time = time + 2**13 * np.cumsum(carry)
    events = {"time": time, "x": x, "y": y, "polarity": high >> 7}
    return {name: values[~carry] for name, values in events.items()}
