"""What drives a model: a value for each step, and how such inputs are combined."""

import abc
import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from snnjax.core.checks import as_float, finite, is_traced, whole_steps


class AbstractInput(eqx.Module):
    """Called as `input(i, dt)`, gives the value that is held over step i.

    Step i covers [i dt, (i + 1) dt). All numbers are leaves: other values do not compile
    anew, `vmap` runs over them and `grad` reaches amplitudes. A vector holds one value a
    neuron. Inputs are combined as `a + b`, `a - b`, `a * b`, `2.0 * a`, `a / 2.0`, `-a` and
    `a.clip(low, high)`; a number or an array in their place is constant in time.
    """

    __array_ufunc__ = None  # NumPy arrays leave `array * input` to the input

    @abc.abstractmethod
    def __call__(self, i: Int[ArrayLike, ""], dt: Float[ArrayLike, ""]) -> Array:
        """The value of step `i` of length `dt` (ms)."""

    @property
    def duration(self) -> Array | None:
        """How long it lasts, ms; None if it has no end."""
        return None

    def array(self, dt: float, n_steps: int | None = None) -> Float[Array, "T *n"]:
        """All steps of length `dt` (ms) as one array, time first.

        `n_steps` may be left out where the input has a `duration`, which `dt` must divide.
        """
        if n_steps is None:
            if self.duration is None or is_traced((self.duration, dt)):
                raise ValueError(
                    f"{type(self).__name__}.array needs n_steps=, as the input has no "
                    "concrete duration."
                )
            n_steps = whole_steps(self.duration, dt, "duration")
        return _all_steps(self, as_float(dt), n_steps)

    def clip(self, low: ArrayLike | None = None, high: ArrayLike | None = None):
        """The input, held between `low` and `high`."""
        low = -jnp.inf if low is None else finite(low, "clip.low")
        high = jnp.inf if high is None else finite(high, "clip.high")
        return _combine(jnp.clip, self, Constant(as_float(low)), Constant(as_float(high)))

    def __add__(self, other):
        return _combine(operator.add, self, other)

    def __radd__(self, other):
        return _combine(operator.add, other, self)

    def __sub__(self, other):
        return _combine(operator.sub, self, other)

    def __rsub__(self, other):
        return _combine(operator.sub, other, self)

    def __mul__(self, other):
        return _combine(operator.mul, self, other)

    def __rmul__(self, other):
        return _combine(operator.mul, other, self)

    def __truediv__(self, other):
        return NotImplemented if isinstance(other, AbstractInput) else self * (1 / other)

    def __neg__(self):
        return _combine(operator.neg, self)


class AbstractWaveform(AbstractInput):
    """A deterministic input, which is a function of continuous time as well.

    A step takes what varies smoothly at its left edge, i dt, as published loops do, and what
    jumps at its middle: a pulse covers the steps whose middle lies in [start, stop). On the
    grid of dt that is start inclusive, stop exclusive; off the grid, start and stop go to the
    nearest edge of a step, and a pulse shorter than a step can vanish. Times of jumps have no
    gradient. In float32 edges are found without fail over 10^6 steps.
    """

    @abc.abstractmethod
    def value(self, t: Float[Array, ""], now: Float[Array, ""]) -> Array:
        """The value at `t` (ms), with jumps decided at `now` (ms)."""

    @property
    def edges(self) -> Float[Array, "edges"]:
        """Times at which the value or its slope jumps, ms, in order; inf is never."""
        return jnp.zeros(0)

    def at(self, t: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """The value at the times `t` (ms); at a jump, the one after it."""
        t = as_float(t)
        value = lambda t: self.value(t, t)
        for _ in range(t.ndim):
            value = jax.vmap(value)
        return value(t)

    def __call__(self, i, dt):
        i, dt = jnp.asarray(i), as_float(dt)
        return self.value(i * dt, (i + 0.5) * dt)


class Constant(AbstractWaveform):
    """One value for all time."""

    level: Float[Array, "*n"]

    def value(self, t, now):
        return self.level


class _Combined(AbstractInput):
    function: Callable = eqx.field(static=True)
    parts: tuple[AbstractInput, ...]

    @property
    def duration(self):
        return _shortest(self.parts)

    def __call__(self, i, dt):
        return self.function(*(part(i, dt) for part in self.parts))


class _CombinedWaveform(AbstractWaveform):
    function: Callable = eqx.field(static=True)
    parts: tuple[AbstractWaveform, ...]

    @property
    def duration(self):
        return _shortest(self.parts)

    @property
    def edges(self):
        return jnp.sort(jnp.concatenate([part.edges for part in self.parts]))

    def value(self, t, now):
        return self.function(*(part.value(t, now) for part in self.parts))


@eqx.filter_jit
def _all_steps(input: AbstractInput, dt: Array, n_steps: int) -> Array:
    return jax.lax.map(lambda i: input(i, dt), jnp.arange(n_steps, dtype=jnp.int32))


def _shortest(parts: tuple[AbstractInput, ...]) -> Array | None:
    durations = [part.duration for part in parts if part.duration is not None]
    return jnp.min(jnp.stack(durations)) if durations else None


def _combine(function: Callable, *parts: Any) -> Any:
    inputs = []
    for part in parts:
        if not isinstance(part, AbstractInput):
            if callable(part) or isinstance(part, str):
                return NotImplemented
            part = Constant(finite(part, "What an input is combined with"))
        inputs.append(part)
    smooth = all(isinstance(part, AbstractWaveform) for part in inputs)
    return (_CombinedWaveform if smooth else _Combined)(function, tuple(inputs))


def population(name: str, shape: tuple[int, ...] | int, **values: Any) -> tuple[int, ...]:
    """`shape` broadcast against arrays that hold one value a neuron."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    for argument, value in values.items():
        try:
            shape = np.broadcast_shapes(shape, np.shape(value))
        except ValueError:
            raise ValueError(
                f"{name}.{argument} of shape {np.shape(value)} does not fit a population of "
                f"shape {shape}: give a scalar or one value a neuron."
            ) from None
    return shape


def require_key(key: Any, name: str) -> Any:
    """`key`, or a `ValueError` where there is none."""
    if key is None:
        raise ValueError(f"{name} is stochastic: give it key=jax.random.key(seed).")
    return key


def uniform(key: Any, shape: tuple[int, ...], dtype: Any) -> Float[Array, "*n"]:
    """Uniform in (0, 1), in multiples of 2^-32: fine enough for rare events in float32.

    `jax.random.uniform` has a grid of 2^-23 there, which puts a probability of 1e-5 off by
    up to one percent.
    """
    bits = jax.random.bits(key, shape, jnp.uint32)
    u = (bits.astype(dtype) + 0.5) * jnp.asarray(2.0**-32, dtype)
    return jnp.minimum(
        u, 1 - jnp.finfo(dtype).epsneg
    )  # float32 rounds the last ones up to 1
