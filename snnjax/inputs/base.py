"""What drives a model: a value for each step, and how such inputs are combined."""

import abc
import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from snnjax.core.checks import (
    as_float,
    count,
    finite,
    is_key,
    is_traced,
    random_key,
    whole_steps,
)
from snnjax.core.draws import Draws, Generator


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

    def slice(self, start: Int[ArrayLike, ""], size: int) -> "AbstractInput":
        """The input of neurons `start` .. `start + size - 1` of a population (its first axis).

        It has the values that these have in the whole, those of noise included, and draws no
        others. `start` may be traced, as in one program for many devices. What is common to
        all neurons stays so.
        """
        size = count(size, "slice.size")
        shape = _shape(self)
        if not shape:
            return self
        if not is_traced(start) and not 0 <= start <= shape[0] - size:
            raise ValueError(
                f"slice.start={start} with size={size} must lie in a population of {shape[0]}."
            )
        return self._part(start, size, len(shape))

    def _part(self, start: Any, size: int, ndim: int) -> "AbstractInput":
        """`slice` of an input that is broadcast against others to values of `ndim` axes."""
        shape = _shape(self)
        return _Part(self, start, size) if len(shape) == ndim and shape[0] > 1 else self

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

    def _part(self, start, size, ndim):
        return Constant(rows(self.level, start, size, ndim))


class AbstractRandomInput(AbstractInput):
    """An input that draws: from its key, the step and the number of the neuron.

    - `shape`: of the draws. `offset`: number of the first of them in a larger population.
    - `generator`: see `core.draws.Draws`.
    """

    shape: eqx.AbstractVar[tuple[int, ...]]
    key: eqx.AbstractVar[Any]
    generator: eqx.AbstractVar[Generator]
    offset: eqx.AbstractVar[Int[Array, ""]]

    @abc.abstractmethod
    def _rows(self, start: Any, size: int) -> dict[str, Any]:
        """The fields that hold something for each neuron, of `size` of them."""

    def draws(self, i: Int[ArrayLike, ""]) -> Draws:
        """The random numbers of step `i`."""
        return Draws(self.key, i, self.shape, self.offset, self.generator)

    def _part(self, start, size, ndim):
        if len(self.shape) != ndim or self.shape[0] == 1:
            return self
        inner = self.shape[1:]
        offset = self.offset + start * math.prod(inner)
        fields = self._rows(start, size)
        return dataclasses.replace(self, shape=(size, *inner), offset=offset, **fields)


class _Part(AbstractInput):
    whole: AbstractInput
    start: Int[Array, ""] = eqx.field(converter=jnp.asarray)
    size: int = eqx.field(static=True)

    @property
    def duration(self):
        return self.whole.duration

    def __call__(self, i, dt):
        value = self.whole(i, dt)
        return rows(value, self.start, self.size, value.ndim)


class _Combined(AbstractInput):
    function: Callable = eqx.field(static=True)
    parts: tuple[AbstractInput, ...]

    @property
    def duration(self):
        return _shortest(self.parts)

    def _part(self, start, size, ndim):
        parts = tuple(part._part(start, size, ndim) for part in self.parts)
        return _Combined(self.function, parts)

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


def _shape(input: AbstractInput) -> tuple[int, ...]:
    return eqx.filter_eval_shape(input, jnp.int32(0), as_float(1.0)).shape


def rows(x: Array, start: Any, size: int, ndim: int) -> Array:
    """`x[start : start + size]`, or `x` where it is the same for all in `ndim` axes."""
    if x.ndim < ndim or x.shape[0] == 1:
        return x
    return jax.lax.dynamic_slice_in_dim(x, start, size)


def first_element() -> Any:
    """The field `offset` of an input that draws; an array, so that parts share a program."""
    return eqx.field(default=0, converter=lambda i: jnp.asarray(i, jnp.int32))


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
    """`key`, or a `ValueError` where there is none, or more than one."""
    if key is None:
        raise ValueError(f"{name} is stochastic: give it key=jax.random.key(seed).")
    key = random_key(key, f"{name}.key")
    if key.ndim != (0 if is_key(key) else 1):
        raise ValueError(
            f"{name}.key must be one random key, got an array of them of shape {key.shape}: "
            "take one, or map over them with jax.vmap."
        )
    return key
