"""Recordings as lists of events, of very different lengths."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from snnjax.core import checks
from snnjax.training.encode_events import step_of


@dataclasses.dataclass(frozen=True, eq=False)
class SpikeEvents:
    """n recordings of events, one after the other in flat arrays.

    - `times`: ms, at least 0, [events]. `channels`: [events], numbers of places in `shape`,
      counted as `numpy.ravel_multi_index` does.
    - `offsets`: [n + 1]; recording i is the events offsets[i] .. offsets[i + 1] - 1.
    - `shape`: of the sensor: (channels,), (channels, 2) with polarity, (height, width, 2).

    `len(events)` is n, `events[i]` the (times, channels) of one recording, and `events[rows]`
    with a slice or an array of numbers the `SpikeEvents` of these.
    """

    times: np.ndarray
    channels: np.ndarray
    offsets: np.ndarray
    shape: tuple[int, ...]

    def __post_init__(self):
        _check("SpikeEvents", self.times, self.channels, self.shape)
        ends = np.asarray(self.offsets)
        if ends[0] != 0 or ends[-1] != len(self.times) or np.any(np.diff(ends) < 0):
            raise ValueError(
                f"SpikeEvents.offsets must rise from 0 to {len(self.times)}, got {ends}."
            )

    @classmethod
    def of(
        cls, times: Sequence[Any], channels: Sequence[Any], shape: tuple[int, ...]
    ) -> "SpikeEvents":
        """Of lists with an array for each recording."""
        lengths = [len(t) for t in times]
        if lengths != [len(c) for c in channels]:
            raise ValueError("SpikeEvents.of needs a channel for each time.")
        flat = lambda parts, dtype: np.concatenate([np.zeros(0, dtype), *parts])
        return cls(
            flat(times, np.float32),
            flat(channels, np.int32).astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            tuple(shape),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows) -> Any:
        if isinstance(rows, int | np.integer):
            row = range(len(self))[rows]
            part = slice(self.offsets[row], self.offsets[row + 1])
            return self.times[part], self.channels[part]
        chosen = [self[int(i)] for i in np.arange(len(self))[rows]]
        return SpikeEvents.of([t for t, _ in chosen], [c for _, c in chosen], self.shape)

    @property
    def duration(self) -> float:
        """The time of the last event of all, ms."""
        return float(self.times.max(initial=0))

    def to_dense(self, n_steps: int, dt: float, *, counts: bool = False) -> np.ndarray:
        """[n_steps, n, *shape], float32, of all recordings at once; see `bin_events`."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        shape = (len(self), math.prod(self.shape))
        at = np.ravel_multi_index((rows, self.channels), shape)
        dense = bin_events(self.times, at, n_steps, dt, (math.prod(shape),), counts=counts)
        return dense.reshape(n_steps, len(self), *self.shape)

    def batches(
        self,
        batch_size: int,
        n_steps: int,
        dt: float,
        *,
        seed: int | None = None,
        counts: bool = False,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields (rows, dense [n_steps, batch, *shape]); only one batch is dense at a time.

        `rows` are the numbers of the recordings, in order, or shuffled by `seed`. The last
        batch may be smaller.
        """
        checks.count(batch_size, "SpikeEvents.batches.batch_size")
        order = np.arange(len(self))
        order = order if seed is None else np.random.default_rng(seed).permutation(order)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows, self[rows].to_dense(n_steps, dt, counts=counts)

    def padded(self, max_events: int | None = None) -> np.ndarray:
        """[n, max_events, 2] of (time, channel), float32, filled up with NaN: for `EventCode`.

        `max_events` is by default that of the longest recording; a longer one than
        `max_events` is refused.
        """
        lengths = np.diff(self.offsets)
        longest = int(lengths.max(initial=0))
        width = longest if max_events is None else max_events
        if longest > width:
            raise ValueError(
                f"SpikeEvents.padded.max_events={max_events} is too few: recording "
                f"{int(lengths.argmax())} has {longest} events."
            )
        if math.prod(self.shape) > 2**24:
            raise ValueError("SpikeEvents.padded has more channels than float32 can count.")
        out = np.full((len(self), width, 2), np.nan, np.float32)
        there = np.arange(width) < lengths[:, None]
        out[there] = np.stack([self.times, self.channels], axis=1)
        return out


def bin_events(
    times: Any,
    channels: Any,
    n_steps: int,
    dt: float,
    shape: tuple[int, ...],
    *,
    counts: bool = False,
) -> np.ndarray:
    """One recording as a dense array [n_steps, *shape], float32.

    - `times`: ms, at least 0. Time t falls into step i where i dt <= t < (i + 1) dt; what
      reaches an edge within rounding lies on it. Events after the last step are dropped.
    - `channels`: numbers of places in `shape`, counted as `numpy.ravel_multi_index` does.
    - `dt`: ms, the width of a step.
    - `counts`: give the number of events in a step instead of 1.0 for one or more.
    """
    n_steps = checks.count(n_steps, "bin_events.n_steps")
    checks.positive(dt, "bin_events.dt", "ms")
    times, channels = np.asarray(times), np.asarray(channels)
    times = times if np.issubdtype(times.dtype, np.floating) else times.astype(float)
    _check("bin_events", times, channels, shape)
    size, step = math.prod(shape), step_of(times, dt)
    inside = step < n_steps
    at = step[inside].astype(np.int64) * size + channels[inside]
    dense = np.zeros(n_steps * size, np.float32)
    if counts:
        np.add.at(dense, at, 1)
    else:
        dense[at] = 1
    return dense.reshape(n_steps, *shape)


def _check(name: str, times: Any, channels: Any, shape: tuple[int, ...]) -> None:
    if times.shape != channels.shape or times.ndim != 1:
        raise ValueError(
            f"{name}.times and channels must be of the same length, got shapes {times.shape} "
            f"and {channels.shape}."
        )
    if not (np.isfinite(times) & (times >= 0)).all():
        raise ValueError(f"{name}.times must be finite and at least 0 ms.")
    size = math.prod(shape)
    if len(channels) and not (0 <= channels.min() <= channels.max() < size):
        raise ValueError(
            f"{name}.channels must lie in 0 .. {size - 1} for shape={tuple(shape)}, got "
            f"{channels.min()} .. {channels.max()}."
        )
