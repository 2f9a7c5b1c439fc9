"""Deterministic inputs: steps, ramps, pulses and oscillations.

Amplitudes are in the unit of the model's input: pA for a point neuron, uA/cm2 per area.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import above, at_least, finite, is_traced, one_of, positive
from snnjax.core.integrators import phi1
from snnjax.inputs.base import AbstractInput, AbstractWaveform, Constant


def constant(value: ArrayLike) -> AbstractWaveform:
    """The same `value` in every step, one for all neurons or one a neuron."""
    return Constant(finite(value, "constant.value"))


def step(
    amplitude: ArrayLike,
    start: ArrayLike = 0.0,
    stop: ArrayLike | None = None,
    baseline: ArrayLike = 0.0,
) -> AbstractWaveform:
    """`amplitude` from `start` to `stop`, `baseline` before and after.

    `start`, `stop`: ms, start inclusive, stop exclusive; without `stop` it stays on. All may
    hold one value a neuron.
    """
    start = finite(start, "step.start", "ms")
    stop = _stop(stop, start, "step")
    amplitude = finite(amplitude, "step.amplitude")
    return Step(amplitude, start, stop, finite(baseline, "step.baseline"))


def ramp(
    amplitude: ArrayLike,
    start: ArrayLike,
    stop: ArrayLike,
    baseline: ArrayLike = 0.0,
) -> AbstractWaveform:
    """`baseline` up to `start`, on a straight line to `amplitude` at `stop`, and stays there.

    `start`, `stop`: ms. A ramp of slope k from `start` on is `ramp(k * T, start, start + T)`.
    """
    start = finite(start, "ramp.start", "ms")
    stop = _stop(finite(stop, "ramp.stop", "ms"), start, "ramp")
    amplitude = finite(amplitude, "ramp.amplitude")
    return Ramp(amplitude, start, stop, finite(baseline, "ramp.baseline"))


def sections(values: Sequence[ArrayLike], durations: Sequence[float]) -> AbstractWaveform:
    """Each of `values` for its duration, one after the other; 0 after the last.

    `values`: one per section, each a number or one value a neuron. `durations`: ms, above 0.
    `sections([0, [1, 2, 4], 0], [10, 2, 25]).array(dt)` has shape (37 ms / dt, 3).
    """
    lengths = positive(durations, "sections.durations", "ms")
    parts = [finite(value, "sections.values") for value in values]
    if not parts or lengths.shape != (len(parts),):
        raise ValueError(
            "sections.values and sections.durations must be as many, got "
            f"{len(parts)} values and durations of shape {lengths.shape}."
        )
    levels = jnp.stack(jnp.broadcast_arrays(*parts))
    ends = jnp.cumsum(lengths)
    begin, end = jnp.zeros_like(ends[:1]), jnp.zeros_like(levels[:1])
    return Sections(jnp.concatenate([begin, ends]), jnp.concatenate([end, levels, end]))


def pulses(amplitude: ArrayLike, times: ArrayLike, width: ArrayLike) -> AbstractWaveform:
    """A rectangular pulse of `amplitude` from each of `times` on for `width`; else 0.

    `times`: ms, in any order, for all neurons. `width`: ms, above 0. Pulses that overlap
    merge: they do not add.
    """
    times = finite(times, "pulses.times", "ms")
    if times.ndim != 1 or not times.size:
        raise ValueError(f"pulses.times must be a list of times in ms, got {times}.")
    width = positive(width, "pulses.width", "ms")
    if width.ndim:
        raise ValueError(f"pulses.width must be one number in ms, got {width}.")
    return Pulses(finite(amplitude, "pulses.amplitude"), jnp.sort(times), width)


def pulse_train(
    amplitude: ArrayLike,
    period: ArrayLike,
    width: ArrayLike,
    n_pulses: int,
    start: ArrayLike = 0.0,
) -> AbstractWaveform:
    """`n_pulses` pulses of `amplitude` and `width`, one each `period` from `start` on.

    `period`, `width`, `start`: ms.
    """
    period = positive(period, "pulse_train.period", "ms")
    if not is_traced(n_pulses) and (int(n_pulses) != n_pulses or n_pulses < 1):
        raise ValueError(
            f"pulse_train.n_pulses must be a whole number above 0, got {n_pulses}."
        )
    start = finite(start, "pulse_train.start", "ms")
    return pulses(amplitude, start + period * jnp.arange(n_pulses), width)


def sine(
    amplitude: ArrayLike,
    frequency_hz: ArrayLike,
    phase: ArrayLike = 0.0,
    offset: ArrayLike = 0.0,
) -> AbstractWaveform:
    r"""$\mathrm{offset} + A \sin(2 \pi f t + \mathrm{phase})$.

    `frequency_hz`: Hz, at least 0. `phase`: rad.
    """
    amplitude = finite(amplitude, "sine.amplitude")
    frequency_hz = at_least(frequency_hz, 0, "sine.frequency_hz", "Hz")
    phase = finite(phase, "sine.phase", "rad")
    return Sine(amplitude, frequency_hz, phase, finite(offset, "sine.offset"))


def chirp(
    amplitude: ArrayLike,
    f0_hz: ArrayLike,
    f1_hz: ArrayLike,
    duration: ArrayLike,
    start: ArrayLike = 0.0,
    sweep: Literal["linear", "log"] = "linear",
) -> AbstractWaveform:
    """A sine whose frequency goes from `f0_hz` to `f1_hz`, from `start` on; 0 before and after.

    `f0_hz`, `f1_hz`: Hz; above 0 where `sweep` is "log". `duration`, `start`: ms. The
    frequency grows by the same amount ("linear") or the same factor ("log") per ms; the
    phase is its integral.
    """
    one_of(sweep, ["linear", "log"], "chirp.sweep")
    check = above if sweep == "log" else at_least
    f0_hz = check(f0_hz, 0, "chirp.f0_hz", "Hz")
    f1_hz = check(f1_hz, 0, "chirp.f1_hz", "Hz")
    length = positive(duration, "chirp.duration", "ms")
    start = finite(start, "chirp.start", "ms")
    amplitude = finite(amplitude, "chirp.amplitude")
    return Chirp(amplitude, f0_hz, f1_hz, length, start, sweep == "log")


def from_function(function: Callable[[Any], Any]) -> AbstractWaveform:
    """An input from a function of time, `function(t)` with t in ms, which has no jumps.

    The function is part of the compiled program: make it once, or make it an `eqx.Module`
    with `__call__(self, t)`, whose arrays then are leaves.
    """
    if not callable(function) or isinstance(function, AbstractInput):
        raise ValueError(
            f"from_function.function must be a function of t, got {function!r}."
        )
    return _Function(function)


class Step(AbstractWaveform):
    """See `step`."""

    amplitude: Float[Array, "*n"]
    start: Float[Array, "*n"]
    stop: Float[Array, "*n"]
    baseline: Float[Array, "*n"]

    @property
    def edges(self):
        return jnp.sort(jnp.append(self.start, self.stop))

    def value(self, t, now):
        on = (now >= self.start) & (now < self.stop)
        return jnp.where(on, self.amplitude, self.baseline)


class Ramp(AbstractWaveform):
    """See `ramp`."""

    amplitude: Float[Array, "*n"]
    start: Float[Array, "*n"]
    stop: Float[Array, "*n"]
    baseline: Float[Array, "*n"]

    @property
    def edges(self):
        return jnp.sort(jnp.append(self.start, self.stop))

    def value(self, t, now):
        slope = (self.amplitude - self.baseline) / (self.stop - self.start)
        return self.baseline + slope * (jnp.clip(t, self.start, self.stop) - self.start)


class Sections(AbstractWaveform):
    """See `sections`. `values[k]` lasts up to `ends[k]`, and the last one for ever."""

    ends: Float[Array, "k"]
    values: Float[Array, "k+1 *n"]

    @property
    def duration(self):
        return self.ends[-1]

    @property
    def edges(self):
        return self.ends

    def value(self, t, now):
        return self.values[jnp.searchsorted(self.ends, now, side="right")]


class Pulses(AbstractWaveform):
    """See `pulses`."""

    amplitude: Float[Array, "*n"]
    times: Float[Array, "k"]  # in order
    width: Float[Array, ""]

    @property
    def edges(self):
        return jnp.sort(jnp.append(self.times, self.times + self.width))

    def value(self, t, now):
        begun = jnp.searchsorted(self.times, now, side="right")
        last = self.times[jnp.maximum(begun - 1, 0)]
        on = (begun > 0) & (now < last + self.width)
        return jnp.where(on, self.amplitude, 0)


class Sine(AbstractWaveform):
    """See `sine`."""

    amplitude: Float[Array, "*n"]
    frequency_hz: Float[Array, "*n"]
    phase: Float[Array, "*n"]
    offset: Float[Array, "*n"]

    def value(self, t, now):
        angle = 2 * jnp.pi * (self.frequency_hz / 1000 * t) + self.phase
        return self.offset + self.amplitude * jnp.sin(angle)


class Chirp(AbstractWaveform):
    """See `chirp`."""

    amplitude: Float[Array, "*n"]
    f0_hz: Float[Array, "*n"]
    f1_hz: Float[Array, "*n"]
    length: Float[Array, "*n"]
    start: Float[Array, "*n"]
    log: bool = eqx.field(static=True)

    @property
    def edges(self):
        return jnp.sort(jnp.append(self.start, self.start + self.length))

    def value(self, t, now):
        s = t - self.start
        if self.log:
            mean_hz = self.f0_hz * phi1(jnp.log(self.f1_hz / self.f0_hz) * s / self.length)
        else:
            mean_hz = self.f0_hz + (self.f1_hz - self.f0_hz) * s / (2 * self.length)
        on = (now >= self.start) & (now < self.start + self.length)
        return jnp.where(on, self.amplitude * jnp.sin(2 * jnp.pi * mean_hz / 1000 * s), 0)


class _Function(AbstractWaveform):
    function: Callable

    def value(self, t, now):
        return jnp.asarray(self.function(t))


def _stop(stop: ArrayLike | None, start: Array, name: str) -> Array:
    if stop is None:
        return jnp.full_like(start, jnp.inf)
    stop = finite(stop, f"{name}.stop", "ms")
    if not is_traced((start, stop)) and not np.all(np.asarray(stop) > np.asarray(start)):
        raise ValueError(
            f"{name}.stop must lie after {name}.start={start} ms, got {stop} ms."
        )
    return stop
