"""What a run keeps: traces, counts and running statistics."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from snnjax.core.checks import count
from snnjax.core.pick import What, as_index, index_field, of_field, output_of, pick


class Now(NamedTuple):
    """The end of step `step` of length `dt`, where recorders look."""

    step: Int[Array, ""]  # counted from the start of the run, resumed ones included
    dt: Float[Array, ""]  # ms

    @property
    def time(self) -> Float[Array, ""]:
        return (self.step + 1) * self.dt


class AbstractRecorder(eqx.Module):
    """Reduces (state, output) of every step to what is kept.

    `every=k` gives one result each k steps, stacked along a leading time axis; None gives one
    at the end of the run. What a recorder needs in between is its carry.
    """

    every: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def init(self, state: Any, output: Any) -> Any:
        """An empty carry, for a state and output of these shapes and dtypes."""

    @abc.abstractmethod
    def update(self, carry: Any, now: Now, state: Any, output: Any) -> Any:
        """The carry after one more step."""

    @abc.abstractmethod
    def result(self, carry: Any, now: Now, state: Any, output: Any) -> Any:
        """What is kept, from the carry and the last step."""


def every_field(default=None) -> Any:
    """The field `every` of a recorder: a whole number of steps, or None."""

    def whole(every):
        if every is None:
            return None
        try:
            if isinstance(every, bool):
                raise ValueError
            return count(every, "every")
        except ValueError:
            raise ValueError(
                f"every must be a whole number of steps above 0, or None, got {every!r}."
            ) from None

    return eqx.field(default=default, static=True, converter=whole, kw_only=True)


class Trace(AbstractRecorder):
    """Values as they are at the end of every `every`-th step: `Trace("v", "m", every=10)`.

    - `what`: names of state fields ("v"), "output" (the spikes), those of a part of a network
      ("exc.v", "exc.spikes"), or one function `f(state, output)`; several names give a
      dictionary. A function is part of the compiled program: make it once, as each new one
      compiles anew.
    - `index`: only these neurons: a number, a list of them, a slice or a mask, along the first
      axis of the population.
    """

    what: tuple[What, ...] = eqx.field(static=True)
    every: int | None = every_field(1)
    index: Any = index_field()

    def __init__(self, *what: What, every: int = 1, index: Any = None):
        self.what = what or ("output",)
        self.every = every
        self.index = as_index(index)

    def init(self, state, output):
        return ()

    def update(self, carry, now, state, output):
        return ()

    def result(self, carry, now, state, output):
        return pick(self.what, state, output, self.index)


class _Running(AbstractRecorder):
    """Shared by running statistics of one value."""

    what: eqx.AbstractVar[What]
    index: eqx.AbstractVar[Any]

    def value(self, state, output):
        x = jnp.asarray(pick(self.what, state, output, self.index))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))  # bfloat16 stops at 256


def _what(default: What = "output") -> Any:
    return eqx.field(default=default, static=True)


class _AbstractSum(_Running):
    def init(self, state, output):
        return jnp.zeros_like(self.value(state, output))

    def update(self, carry, now, state, output):
        return carry + self.value(state, output)

    def result(self, carry, now, state, output):
        return carry


class SpikeCount(_AbstractSum):
    """Number of spikes of each neuron: per bin of `every` steps, or of the whole run.

    - `of`: a part of a network, such as "exc". `index`: only these neurons (see `Trace`).
    """

    every: int | None = every_field()
    of: str | None = of_field()
    index: Any = index_field()

    @property
    def what(self):
        return output_of(self.of)


class Sum(_AbstractSum):
    """Sum over steps of a value; `what` and `index` as of a `Trace`."""

    what: What = _what("v")
    every: int | None = every_field()
    index: Any = index_field()


class Mean(_Running):
    """Mean over steps of a value."""

    what: What = _what("v")
    every: int | None = every_field()
    index: Any = index_field()

    def init(self, state, output):
        return jnp.int32(0), jnp.zeros_like(self.value(state, output))

    def update(self, carry, now, state, output):
        count, mean = carry
        count = count + 1
        return count, mean + (self.value(state, output) - mean) / count

    def result(self, carry, now, state, output):
        return carry[1]


class Variance(_Running):
    """Variance over steps of a value, divided by the number of steps (Welford 1962)."""

    what: What = _what("v")
    every: int | None = every_field()
    index: Any = index_field()

    def init(self, state, output):
        zero = jnp.zeros_like(self.value(state, output))
        return jnp.int32(0), zero, zero

    def update(self, carry, now, state, output):
        count, mean, square = carry
        x, count = self.value(state, output), count + 1
        new = mean + (x - mean) / count
        return count, new, square + (x - mean) * (x - new)

    def result(self, carry, now, state, output):
        return carry[2] / carry[0]


class Minimum(_Running):
    """Smallest value over steps."""

    what: What = _what("v")
    every: int | None = every_field()
    index: Any = index_field()

    def init(self, state, output):
        return jnp.full_like(self.value(state, output), jnp.inf)

    def update(self, carry, now, state, output):
        return jnp.minimum(carry, self.value(state, output))

    def result(self, carry, now, state, output):
        return carry


class Maximum(_Running):
    """Largest value over steps."""

    what: What = _what("v")
    every: int | None = every_field()
    index: Any = index_field()

    def init(self, state, output):
        return jnp.full_like(self.value(state, output), -jnp.inf)

    def update(self, carry, now, state, output):
        return jnp.maximum(carry, self.value(state, output))

    def result(self, carry, now, state, output):
        return carry


class Reduce(AbstractRecorder):
    """A reduction of one's own: `carry = function(carry, now, state, output)` at each step.

    - `function`: pure; `now.step` and `now.dt` tell the time.
    - `start`: the carry to begin with, a tree of arrays.
    - `finish`: what is kept of a carry; by default the carry itself.
    """

    function: Callable[[Any, Now, Any, Any], Any] = eqx.field(static=True)
    start: Any
    finish: Callable[[Any], Any] | None = eqx.field(default=None, static=True)
    every: int | None = every_field()

    def init(self, state, output):
        return jax.tree.map(jnp.asarray, self.start)

    def update(self, carry, now, state, output):
        new = self.function(carry, now, state, output)
        return jax.tree.map(lambda x, old: jnp.asarray(x, old.dtype), new, carry)

    def result(self, carry, now, state, output):
        return carry if self.finish is None else self.finish(carry)
