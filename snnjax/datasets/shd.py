"""Spoken digits as spikes, in the format of the Heidelberg data sets."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snnjax.datasets.events import SpikeEvents


class SpokenDigits(NamedTuple):
    """Recordings with their labels, and what else the file says of them."""

    events: SpikeEvents
    labels: np.ndarray  # [n], int32
    extra: dict[
        str, np.ndarray
    ]  # such as "speaker" [n] and "keys", the names of the labels


def load_shd(path: str | Path, n_channels: int = 700) -> SpokenDigits:
    """Spiking Heidelberg Digits, or Spiking Speech Commands, from an unzipped .h5 file.

    The file holds spikes/times (s) and spikes/units, an array for each recording, labels, and
    a group extra. Times become ms, float32. Use `to_dense` or `batches` of the events, or
    `padded` with `EventCode`, to make steps of them.

    - `n_channels`: of the sensor.

    Needs h5py: `pip install "snnjax[datasets]"`. Cramer, Stradmann, Schemmel & Zenke 2022,
    IEEE Trans. Neural Netw. Learn. Syst. 33:2744. No download.
    """
    try:
        import h5py
    except ImportError:
        raise ImportError(
            'load_shd needs h5py. Install it with: pip install "snnjax[datasets]"'
        ) from None

    where = f"load_shd.path={str(path)!r}"
    try:
        file: Any = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{where} cannot be read: {error}") from None
    with file:
        for name in ("spikes/times", "spikes/units", "labels"):
            if name not in file:
                raise ValueError(f"{where} has no {name}; it has {list(file)}.")
        seconds, units = file["spikes/times"][:], file["spikes/units"][:]
        labels = file["labels"][:].astype(np.int32)
        group = file.get("extra", {})
        extra = {k: x[()] for k, x in group.items() if isinstance(x, h5py.Dataset)}
    if not len(seconds) == len(units) == len(labels):
        raise ValueError(
            f"{where} has {len(seconds)} times, {len(units)} units and {len(labels)} labels: "
            "there must be one of each for each recording."
        )
    times = [np.asarray(t, np.float32) * np.float32(1000) for t in seconds]
    try:
        events = SpikeEvents.of(times, units, (n_channels,))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return SpokenDigits(events, labels, extra)
