"""Features of action potentials in a voltage trace, finer than a step and differentiable.

A trace `v` is time first, `[T, ...n]` in mV, at the ends of steps: `v[i]` is the voltage at
(i + 1) dt. Every function has a fixed shape, runs under `jit` and `vmap`, and gives NaN
where there is no spike. Extrema are those of the parabola through three samples, crossings
those of the line through two, so that a feature is a smooth function of the samples around
it and `jax.grad` of it with respect to a parameter exists. They are for traces that show
the spike; for neurons that are reset, take the times of the raster.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import at_least, finite, positive
from snnjax.measures.shapes import over_neurons


class APFeatures(NamedTuple):
    """Features of one spike, or of several on a first axis; NaN where undefined."""

    threshold: Float[Array, "*n"]  # mV, where dv/dt last rose through the criterion
    threshold_time: Float[Array, "*n"]  # ms
    peak: Float[Array, "*n"]  # mV
    peak_time: Float[Array, "*n"]  # ms
    trough: Float[Array, "*n"]  # mV, least v before the next spike
    trough_time: Float[Array, "*n"]  # ms
    amplitude: Float[Array, "*n"]  # mV, from the base to the peak
    half_width: Float[Array, "*n"]  # ms, between the crossings of half the amplitude
    upstroke: Float[Array, "*n"]  # mV/ms, largest dv/dt
    downstroke: Float[Array, "*n"]  # mV/ms, most negative dv/dt


def crossing_times(
    v: Float[ArrayLike, "T *n"],
    level: Float[ArrayLike, ""],
    dt: Float[ArrayLike, ""],
    max_spikes: int,
) -> Float[Array, "max_spikes *n"]:
    """Times in ms at which `v` rises through `level`, interpolated within the step.

    `v`: trace, mV. `level`: mV; a crossing is v[i - 1] < level <= v[i], so that a trace
    that starts above `level` has to come back first. `dt`: ms. Returns the first
    `max_spikes` crossings, filled up with NaN; a trace without a NaN at its end may have
    had more. Differentiable with respect to `v` and `level`; the number of crossings is
    not.
    """
    v = _trace(v, "crossing_times.v", 1)
    level = finite(level, "crossing_times.level", "mV")
    dt = positive(dt, "crossing_times.dt", "ms")
    at_least(max_spikes, 1, "crossing_times.max_spikes")
    return _crossing_times(v, level, dt, 0, max_spikes)


def latency(
    v: Float[ArrayLike, "T *n"],
    level: Float[ArrayLike, ""],
    dt: Float[ArrayLike, ""],
    start: Float[ArrayLike, ""] = 0.0,
) -> Float[Array, "*n"]:
    """Time from the `start` of a stimulus to the next upward crossing of `level`, in ms.

    `v`: trace, mV. `level`: mV. `dt`, `start`: ms. NaN without a crossing. Differentiable,
    as `crossing_times` is.
    """
    v = _trace(v, "latency.v", 1)
    level = finite(level, "latency.level", "mV")
    dt = positive(dt, "latency.dt", "ms")
    start = at_least(start, 0, "latency.start", "ms")
    return _crossing_times(v, level, dt, _sample(start, dt), 1)[0] - start


def ap_features(
    v: Float[ArrayLike, "T *n"],
    dt: Float[ArrayLike, ""],
    *,
    level: Float[ArrayLike, ""] = 0.0,
    slope: Float[ArrayLike, ""] = 20.0,
    base: Float[ArrayLike, ""] | None = None,
    start: Float[ArrayLike, ""] = 0.0,
    max_spikes: int | None = None,
) -> APFeatures:
    """Threshold, peak, trough, amplitude, half width and steepest slopes of a spike.

    **Arguments:**

    - `v`: trace, mV. `dt`: ms, small enough for several samples in the rise of a spike.
    - `level`: mV; a spike is an upward crossing of it.
    - `slope`: mV/ms; the threshold of a spike is v where dv/dt last rose through it before
      the steepest rise. A current alone, I / c_m, must stay below. 20 mV/ms suits cortical
      cells; slower spikes that never reach it have no threshold (Sekerli et al. 2004, IEEE
      Trans. Biomed. Eng. 51:1665).
    - `base`: mV; where amplitude and half width are counted from, such as the resting
      potential. By default the threshold.
    - `start`: ms; earlier samples are left out, as an artefact of the stimulus.
    - `max_spikes`: the features of so many spikes, on a first axis; by default those of the
      first spike, without that axis.

    The trough is the minimum between a peak and the next crossing of `level`; it is NaN if
    v still falls at the end of the trace. A spike whose peak is cut off by the end is none.
    Errors fall with dt^2. Each feature is differentiable; whether there is a spike is not.
    """
    v = _trace(v, "ap_features.v", 3)
    dt = positive(dt, "ap_features.dt", "ms")
    level = finite(level, "ap_features.level", "mV")
    slope = positive(slope, "ap_features.slope", "mV/ms")
    begin = _sample(at_least(start, 0, "ap_features.start", "ms"), dt)
    base = None if base is None else finite(base, "ap_features.base", "mV")
    n = 1 if max_spikes is None else max_spikes
    at_least(n, 1, "ap_features.max_spikes")
    features = _ap_features(v, dt, level, slope, base, begin, n)
    return jax.tree.map(lambda x: x[0], features) if max_spikes is None else features


@partial(jax.jit, static_argnums=4)
def _crossing_times(v, level, dt, begin, size):
    return over_neurons(lambda v: _crossings(v, level, dt, begin, size)[1], v)


@partial(jax.jit, static_argnums=6)
def _ap_features(v, dt, level, slope, base, begin, n):
    def one(v):
        # One crossing more than asked for ends the window of the last spike.
        up, _ = _crossings(v, level, dt, begin, n + 1)
        peak = jax.vmap(lambda up, end: _argmax(v, up, end))(up[:-1], up[1:])
        begins = jnp.append(begin, peak[:-1])
        single = lambda *window: _single(v, dt, slope, base, *window)
        return jax.vmap(single)(begins, up[:-1], peak, up[1:])

    return over_neurons(one, v)


def _single(v, dt, slope, base, begin, up, peak, end):
    """Features of the spike that crosses at sample `up`, from samples `begin` to `end`."""
    i = jnp.arange(len(v))
    is_spike = (up < len(v)) & (peak < len(v) - 1)
    rate = jnp.diff(v) / dt  # rate[j] is dv/dt halfway between samples j and j + 1

    peak_shift, peak_v = _vertex(v, peak)
    low = _argmax(-v, peak, end)
    low_shift, low_v = _vertex(v, low)
    falls = is_spike & (low > peak)
    has_trough = falls & (low < len(v) - 1)
    steep = _argmax(rate, begin, peak)
    fall = _argmax(-rate, peak, low)

    before = (i[:-1] >= begin) & (i[:-1] < steep) & (rate < slope)
    j = _last(before)
    has_threshold = is_spike & before.any() & (rate[steep] >= slope)
    # dv/dt as a line between midpoints, v as the parabola of which that line is the slope.
    x = _fraction(rate, j, slope, has_threshold) - 0.5  # samples after j + 1
    a, b, c = v[j], v[j + 1], v[j + 2]
    threshold = b + x * (c - a) / 2 + x**2 * (a - 2 * b + c) / 2

    has_base = is_spike if base is not None else has_threshold
    base = threshold if base is None else base
    half = (peak_v + base) / 2
    rising = (i >= begin) & (i < peak) & (v < half)
    falling = (i > peak) & (i < end) & (v < half)
    left, right = _last(rising), jnp.argmax(falling) - 1
    has_width = has_base & rising.any() & falling.any()
    part = lambda j: _fraction(v, j, half, has_width)
    width = (right - left) + (part(right) - part(left))

    def only(defined: Array, x: Array) -> Array:
        return jnp.where(defined, x, jnp.nan)

    return APFeatures(
        threshold=only(has_threshold, threshold),
        threshold_time=only(has_threshold, (j + 2 + x) * dt),
        peak=only(is_spike, peak_v),
        peak_time=only(is_spike, (peak + 1 + peak_shift) * dt),
        trough=only(has_trough, low_v),
        trough_time=only(has_trough, (low + 1 + low_shift) * dt),
        amplitude=only(has_base, peak_v - base),
        half_width=only(has_width, width * dt),
        upstroke=only(is_spike, _vertex(rate, steep)[1]),
        downstroke=only(falls, _vertex(rate, fall)[1]),
    )


def _crossings(v, level, dt, begin, size):
    """Samples at which v has just risen through level, len(v) for none, and the times."""
    crossed = (v[:-1] < level) & (v[1:] >= level) & (jnp.arange(len(v) - 1) >= begin)
    (j,) = jnp.nonzero(crossed, size=size, fill_value=len(v) - 1)
    real = j < len(v) - 1
    time = (j + 1 + _fraction(v, j, level, real)) * dt
    return j + 1, jnp.where(real, time, jnp.nan)


def _fraction(y: Array, j: Array, level: Array, real: Array) -> Array:
    """Where between samples j and j + 1 the line through them meets `level`, 0 to 1."""
    rise = jnp.where(real, y[j + 1] - y[j], 1)  # else unused gradients may be NaN
    return (level - y[j]) / rise


def _vertex(y: Array, i: Array) -> tuple[Array, Array]:
    """Shift in samples and value of the extremum near sample i of y."""
    a, b, c = y[i - 1], y[i], y[i + 1]
    slope, bend = (c - a) / 2, a - 2 * b + c
    # At the edge of a window sample i need be no extremum: its parabola's may be far away.
    inside = (i > 0) & (i < len(y) - 1) & ((b - a) * (b - c) >= 0) & (bend != 0)
    bend = jnp.where(inside, bend, 1)
    slope = jnp.where(inside, slope, 0)
    return -slope / bend, b - slope**2 / (2 * bend)


def _argmax(y: Array, begin: Array, end: Array) -> Array:
    i = jnp.arange(len(y))
    return jnp.argmax(jnp.where((i >= begin) & (i < end), y, -jnp.inf))


def _last(condition: Array) -> Array:
    return jnp.max(jnp.where(condition, jnp.arange(len(condition)), 0))


def _sample(start: Array, dt: Array) -> Array:
    """The first sample at `start` ms or later, with half a step of slack for rounding."""
    return jnp.maximum(jnp.ceil(start / dt - 1.5), 0).astype(int)


def _trace(v: ArrayLike, name: str, least: int) -> Array:
    v = finite(v, name, "mV")
    if v.ndim == 0 or len(v) < least:
        raise ValueError(
            f"{name} must be a trace [T, ...] of at least {least} samples in mV, got shape "
            f"{v.shape}."
        )
    return v
