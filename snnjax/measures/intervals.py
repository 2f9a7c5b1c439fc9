"""Interspike intervals and their variability, from times or from a raster in one pass.

`isi`, `cv` and `cv2` take times and intervals with NaN for none, run under `jit` and
`vmap`, and stay in NumPy, and so in float64, when given NumPy. The running statistics are
for sweeps, where no list of times fits.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Shaped

from snnjax.core.checks import at_least, is_traced, positive
from snnjax.measures.shapes import kept_steps, raster


def isi(times: Shaped[ArrayLike, "spikes *n"]) -> Float[Array, "spikes-1 *n"]:
    """Interspike intervals in ms of spike `times` in ms, in any order; NaN is no spike."""
    times, xp = _padded(times, "isi.times", "ms")
    return xp.diff(xp.sort(times, axis=0), axis=0)


def cv(intervals: Shaped[ArrayLike, "intervals *n"], ddof: int = 0) -> Float[Array, "*n"]:
    """Coefficient of variation along the first axis; 1 for a Poisson process.

    `intervals`: from `isi`, in any unit; NaN is no interval. Standard deviation (`ddof=1`
    for the unbiased variance) over mean; NaN for fewer than two intervals.
    """
    x, xp = _padded(intervals, "cv.intervals", "ms")
    valid = ~xp.isnan(x)
    n = valid.sum(0)
    x = xp.where(valid, x, 0)
    mean = x.sum(0) / xp.maximum(n, 1)
    var = xp.where(valid, (x - mean) ** 2, 0).sum(0) / xp.maximum(n - ddof, 1)
    varies = var > 0  # keeps the gradient of a regular train finite
    sd = xp.where(varies, xp.sqrt(xp.where(varies, var, 1)), 0)
    return xp.where(n < 2, xp.nan, sd / xp.where(mean > 0, mean, 1))


def cv2(intervals: Shaped[ArrayLike, "intervals *n"]) -> Float[Array, "*n"]:
    r"""Local variability along the first axis, little moved by a drifting rate.

    $$CV_2 = \langle 2 |I_{k+1} - I_k| / (I_{k+1} + I_k) \rangle$$

    1 for a Poisson process, 0 for a regular train. `intervals`: from `isi`, in any unit and
    in order; NaN is no interval. NaN for fewer than two intervals (Holt et al. 1996, J.
    Neurophysiol. 75:1806).
    """
    x, xp = _padded(intervals, "cv2.intervals", "ms")
    a, b = x[:-1], x[1:]
    valid = ~xp.isnan(a + b)
    total = xp.where(valid & (a + b > 0), a + b, 1)
    local = xp.where(valid, 2 * xp.abs(b - a) / total, 0)
    n = valid.sum(0)
    return xp.where(n < 1, xp.nan, local.sum(0) / xp.maximum(n, 1))


class RunningISI(NamedTuple):
    """What must be remembered of the past of each neuron; intervals in steps."""

    n_spikes: Int[Array, "*n"]
    since: Int[Array, "*n"]  # steps since the last spike
    last: Float[Array, "*n"]  # the interval before
    mean: Float[Array, "*n"]  # of the intervals so far
    m2: Float[Array, "*n"]  # sum of their squared deviations from the mean
    cv2: Float[Array, "*n"]  # sum of the CV2 of neighbours


class ISIStatistics(NamedTuple):
    """Interspike intervals of each neuron: how many, their mean in ms, their CV and CV2."""

    n: Int[Array, "*n"]
    mean: Float[Array, "*n"]  # ms; NaN without an interval
    cv: Float[Array, "*n"]  # NaN below two intervals
    cv2: Float[Array, "*n"]  # NaN below two intervals


def running_isi(shape: tuple[int, ...] = ()) -> RunningISI:
    """The running interval statistic of neurons of `shape` before any spike."""
    count, zero = jnp.zeros(shape, jnp.int32), jnp.zeros(shape)
    return RunningISI(count, count, zero, zero, zero, zero)


def update_isi(state: RunningISI, spikes: Shaped[ArrayLike, "*n"]) -> RunningISI:
    """Take in one step: `spikes` is above 0 where a neuron fired. The body of a scan.

    The mean and the squares are those of Welford 1962, Technometrics 4:419, which keeps its
    digits in float32 where a sum of squares does not.
    """
    fired = jnp.asarray(spikes) > 0
    since = state.since + 1
    interval = since.astype(state.mean.dtype)
    ends = fired & (state.n_spikes > 0)  # the first spike ends no interval
    delta = interval - state.mean
    mean = state.mean + delta / jnp.maximum(state.n_spikes, 1)
    local = 2 * jnp.abs(interval - state.last) / (interval + state.last)
    return RunningISI(
        n_spikes=state.n_spikes + fired,
        since=jnp.where(fired, 0, since),
        last=jnp.where(ends, interval, state.last),
        mean=jnp.where(ends, mean, state.mean),
        m2=jnp.where(ends, state.m2 + delta * (interval - mean), state.m2),
        cv2=jnp.where(ends & (state.n_spikes > 1), state.cv2 + local, state.cv2),
    )


def finish_isi(state: RunningISI, dt: Float[ArrayLike, ""]) -> ISIStatistics:
    """Mean interval in ms, CV and CV2 from a running statistic of steps of `dt` ms."""
    dt = positive(dt, "finish_isi.dt", "ms")
    n = jnp.maximum(state.n_spikes - 1, 0)
    cv = jnp.sqrt(state.m2 / jnp.maximum(n, 1)) / jnp.where(n > 0, state.mean, 1)
    return ISIStatistics(
        n=n,
        mean=jnp.where(n > 0, state.mean * dt, jnp.nan),
        cv=jnp.where(n > 1, cv, jnp.nan),
        cv2=jnp.where(n > 1, state.cv2 / jnp.maximum(n - 1, 1), jnp.nan),
    )


def isi_statistics(
    spikes: Shaped[ArrayLike, "T *n"],
    dt: Float[ArrayLike, ""],
    discard: Float[ArrayLike, ""] = 0.0,
) -> ISIStatistics:
    """Mean interval, CV and CV2 of each neuron of a raster, under `jit` and `vmap`.

    `spikes`: raster; any value above 0 is one spike, so that no gradient flows. `dt`: ms.
    `discard`: ms at the start whose spikes are left out. Equal to
    `cv(isi(spike_times(...)))` and `cv2(...)`, with a memory of six numbers per neuron
    instead of a list of times.
    """
    spikes = raster(spikes, "isi_statistics.spikes")
    dt = positive(dt, "isi_statistics.dt", "ms")
    keep = kept_steps(spikes, dt, at_least(discard, 0, "isi_statistics.discard", "ms"))
    return finish_isi(_scan_isi(spikes > 0, keep), dt)


@jax.jit  # or each call would compile its scan anew
def _scan_isi(spikes: Array, keep: Array) -> RunningISI:
    def step(state, x):
        fired, keep = x
        return update_isi(state, fired & keep), None

    return jax.lax.scan(step, running_isi(spikes.shape[1:]), (spikes, keep))[0]


def _padded(x: Any, name: str, unit: str) -> tuple[Any, Any]:
    """Float array and the module it belongs to. NaN is allowed, infinity is not."""
    xp = jnp if isinstance(x, Array) else np
    x = xp.asarray(x, dtype=float) if xp is np else x
    if x.ndim == 0:
        raise ValueError(f"{name} must have a first axis of spikes, got the scalar {x}.")
    if not is_traced(x) and bool(xp.isinf(x).any()):
        raise ValueError(f"{name} must be finite in {unit}, or NaN for none, got {x}.")
    return x, xp
