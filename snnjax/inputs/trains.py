"""Spikes at given times."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import as_float, is_traced
from snnjax.inputs.base import AbstractInput, rows
from snnjax.measures.shapes import over_neurons


class SpikeTrain(AbstractInput):
    """Spikes at given times: 1.0 in the step that contains a time, else 0.0.

    A time t belongs to the step with i dt <= t < (i + 1) dt, and is on the grid if it is so
    within rounding. As every spike it is reported at the end of its step, (i + 1) dt: up to dt
    after t. Several spikes of a train in one step count as one, unless `counts` is set.

    - `sorted_times`: ms, in order along the first axis; inf is no spike.
    - `until`: ms; up to where the train is known. Later steps give NaN, so that a run which
      outlasts the train does not take it for silent.
    """

    sorted_times: Float[Array, "spikes *n"]
    until: Float[Array, "*n"]
    counts: bool = eqx.field(static=True)

    @property
    def times(self) -> Float[Array, "spikes *n"]:
        """Spike times in ms, filled up with NaN, as `snnjax.measures` take them."""
        t = self.sorted_times
        return jnp.where((t >= 0) & (t < self.until), t, jnp.nan)

    @property
    def duration(self):
        shortest = jnp.min(self.until)
        endless = not is_traced(shortest) and bool(jnp.isinf(shortest))
        return None if endless else shortest

    def __call__(self, i, dt):
        i, dt = jnp.asarray(i), as_float(dt)
        dtype = jnp.result_type(self.sorted_times, dt)
        # t, dt and their quotient are rounded: what reaches an edge to 4 eps lies on it.
        edge = lambda i: i * dt * (1 - 4 * jnp.finfo(dtype).eps)
        before = lambda i: over_neurons(
            lambda times: jnp.searchsorted(times, edge(i)), self.sorted_times
        )
        n = before(i + 1) - before(i)
        spikes = (n if self.counts else n > 0).astype(dtype)
        return jnp.where(edge(i + 1) <= self.until, spikes, jnp.nan)

    def _part(self, start, size, ndim):
        if self.sorted_times.ndim - 1 != ndim:
            return self
        of_rows = lambda x: rows(x, start, size, ndim)
        times = jax.vmap(of_rows)(self.sorted_times)
        return SpikeTrain(times, of_rows(self.until), self.counts)


def from_times(
    times: Any,
    indices: ArrayLike | None = None,
    n: int | None = None,
    *,
    counts: bool = False,
) -> SpikeTrain:
    """Spikes at `times` (ms); see `SpikeTrain` for how they fall into steps.

    - `times`: `[spikes]` for one train, `[spikes, ...n]` for several (filled up with NaN), or
      a list of arrays, one a neuron; in any order, at least 0. With `indices`, `times` is a
      list of events, each with the number of its neuron out of `n`.
    - `counts`: give the number of spikes in a step instead of 1.0.
    """
    if indices is not None:
        times = _by_neuron(times, indices, n)
    if isinstance(times, list | tuple) and any(np.ndim(train) for train in times):
        times = _padded(times)
    times = as_float(times)
    if times.ndim == 0:
        raise ValueError(f"from_times.times must be a list of times in ms, got {times}.")
    if not is_traced(times) and np.any(np.isinf(times) | (np.asarray(times) < 0)):
        raise ValueError(
            f"from_times.times must be finite and at least 0 ms (NaN for none), got {times}."
        )
    times = jnp.sort(jnp.where(jnp.isnan(times), jnp.inf, times), axis=0)
    return SpikeTrain(times, jnp.full(times.shape[1:], jnp.inf, times.dtype), counts)


def _by_neuron(times: Any, indices: Any, n: int | None) -> list[np.ndarray]:
    times, indices = np.asarray(times), np.asarray(indices)
    if n is None or times.shape != indices.shape or times.ndim != 1:
        raise ValueError(
            "from_times.indices needs one neuron's number for each of times, and n=, got "
            f"times of shape {times.shape}, indices of shape {indices.shape} and n={n}."
        )
    if indices.size and not (indices.min() >= 0 and indices.max() < n):
        raise ValueError(
            f"from_times.indices must lie in 0 .. {n - 1} for n={n}, got "
            f"{indices.min()} .. {indices.max()}."
        )
    return [times[indices == k] for k in range(n)]


def _padded(trains: Any) -> np.ndarray:
    trains = [np.asarray(train, dtype=float) for train in trains]
    for k, train in enumerate(trains):
        if train.ndim != 1:
            raise ValueError(
                f"from_times.times[{k}] must be a list of times in ms, got {train}."
            )
    padded = np.full((max(map(len, trains)), len(trains)), np.nan)
    for k, train in enumerate(trains):
        padded[: len(train), k] = train
    return padded
