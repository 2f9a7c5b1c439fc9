"""Spike sources without memory: Bernoulli, Poisson and compound Poisson.

The output of a step is the number of its spikes, 0.0 or 1.0 where not said otherwise. Each
draw is a function of the source's key, the step and the neuron, so that runs in chunks and
resumed runs see the same spikes. Spikes carry no gradient to the rate.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, UInt32

from snnjax.core.checks import as_float, at_least, is_traced, one_of
from snnjax.core.draws import GENERATORS, Generator
from snnjax.inputs.base import (
    AbstractInput,
    AbstractRandomInput,
    Constant,
    first_element,
    population,
    require_key,
)
from snnjax.inputs.currents import from_function

AHEAD, BITS = 128, 32  # steps that are drawn at once; of a word


def bernoulli(
    rate_hz: Any,
    *,
    shape: tuple[int, ...] = (),
    key: Any = None,
    generator: Generator = "hash",
) -> AbstractInput:
    r"""A spike in each step with probability $p = r \, dt$: the usual fixed-step generator.

    It keeps the rate, but is no Poisson process: counts have a Fano factor of $1 - r \, dt$
    and intervals a CV of $\sqrt{1 - r \, dt}$. Where $r \, dt$ exceeds 1, every step has its
    one spike and the rate is not reached.

    - `rate_hz`: Hz; a number, one value a neuron, a function of time `f(t)` (t in ms), or an
      input such as `10 + sine(5, 8)`. A negative rate gives no spikes.
    - `shape`: of the population; `()` gives all of it the same spikes. `key`: of this source.
    - `generator`: "hash", or "threefry", jax's own, which takes longer; see `core.draws`.
    """
    return _source(Bernoulli, "bernoulli", rate_hz, shape, key, generator)


def poisson(
    rate_hz: Any,
    *,
    shape: tuple[int, ...] = (),
    key: Any = None,
    counts: bool = False,
    ahead: bool = False,
    generator: Generator = "hash",
) -> AbstractInput:
    r"""A Poisson process in steps: a spike where there is at least one event.

    That has probability $1 - e^{-r \, dt}$, exactly. With `counts=True` the output is the
    number of events, $P(n) = e^{-r \, dt} (r \, dt)^n / n!$, which keeps the rate for any dt.
    An inhomogeneous process takes its rate at the left edge of each step.

    Spikes are where the counts of the same key are not 0.

    - `rate_hz`, `shape`, `key`, `generator`: as for `bernoulli`.
    - `ahead`: draw 128 steps at once, from waiting times: the same law, other spikes. As a
      `Population` of low rate it takes a fraction of the time. Constant rates only.
    """
    if ahead:
        if counts:
            raise ValueError("poisson.ahead=True gives spikes: leave counts=True out.")
        return _source(PoissonAhead, "poisson", rate_hz, shape, key, generator)
    kind = PoissonCounts if counts else Poisson
    return _source(kind, "poisson", rate_hz, shape, key, generator)


def compound_poisson(
    rate_hz: Any,
    probabilities: ArrayLike,
    interval: ArrayLike = 0.0,
    *,
    shape: tuple[int, ...] = (),
    key: Any = None,
    generator: Generator = "hash",
) -> AbstractInput:
    r"""Bursts: events of a Poisson process, each with 0, 1, 2, ... spikes.

    Over windows much longer than a burst, counts have the rate $r \, E k$ and the Fano factor
    $E k^2 / E k$ for k spikes an event.

    - `rate_hz`: Hz, of events; as for `bernoulli`.
    - `probabilities`: of 0, 1, 2, ... spikes in an event; they add up to 1.
    - `interval`: ms between the spikes of an event, rounded to whole steps; 0 puts all in one
      step. The output is a number of spikes: `.clip(0, 1)` merges those of one step.
    - `shape`, `key`, `generator`: as for `bernoulli`. Bursts that began before the first step
      are there.

    Each step draws the events of as many steps as a burst can have spikes.
    """
    p = at_least(probabilities, 0, "compound_poisson.probabilities")
    if p.ndim != 1 or len(p) < 2:
        raise ValueError(
            "compound_poisson.probabilities must be those of 0, 1, ... spikes, got "
            f"an array of shape {p.shape}."
        )
    if not is_traced(p) and abs(np.asarray(p).sum() - 1) > 1e-5:
        raise ValueError(f"compound_poisson.probabilities must add up to 1, got {p}.")
    interval = at_least(interval, 0, "compound_poisson.interval", "ms")
    name = "compound_poisson"
    return _source(CompoundPoisson, name, rate_hz, shape, key, generator, p, interval)


class _AbstractSource(AbstractRandomInput):
    """`rate_hz` is an input itself."""

    rate_hz: eqx.AbstractVar[AbstractInput]

    @property
    def duration(self):
        return self.rate_hz.duration

    def expected(self, i, dt) -> Float[Array, "..."]:
        """Events that step `i` has on average; broadcasts against the population."""
        rate_hz = jax.lax.stop_gradient(self.rate_hz(i, dt))
        return jnp.maximum(rate_hz, 0) * dt / 1000

    def _rows(self, start, size):
        return dict(rate_hz=self.rate_hz._part(start, size, len(self.shape)))


class Bernoulli(_AbstractSource):
    """See `bernoulli`."""

    rate_hz: AbstractInput
    shape: tuple[int, ...] = eqx.field(static=True)
    key: Any
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __call__(self, i, dt):
        return self.draws(i).coin(self.expected(i, dt))


class Poisson(_AbstractSource):
    """See `poisson`."""

    rate_hz: AbstractInput
    shape: tuple[int, ...] = eqx.field(static=True)
    key: Any
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __call__(self, i, dt):
        return self.draws(i).coin(-jnp.expm1(-self.expected(i, dt)))


class PoissonCounts(_AbstractSource):
    """See `poisson`."""

    rate_hz: AbstractInput
    shape: tuple[int, ...] = eqx.field(static=True)
    key: Any
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __call__(self, i, dt):
        return self.draws(i).poisson(self.expected(i, dt))


class PoissonAhead(_AbstractSource):
    """See `poisson`."""

    rate_hz: AbstractInput
    shape: tuple[int, ...] = eqx.field(static=True)
    key: Any
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __check_init__(self):
        if not isinstance(self.rate_hz, Constant):
            raise ValueError(
                "poisson.ahead=True needs a constant rate_hz, a number or one value a neuron, "
                f"got {type(self.rate_hz).__name__}. Leave it out for one that changes."
            )

    def __call__(self, i, dt):
        return self.now(self.drawn(i, dt), i, dt)

    def now(self, drawn: UInt32[Array, "words *n"], i, dt) -> Float[Array, "*n"]:
        """The spikes of step `i`, as they were `drawn`."""
        word, bit = jnp.divmod(jnp.asarray(i) % AHEAD, BITS)
        words = jax.lax.dynamic_index_in_dim(drawn, word, keepdims=False)
        spikes = words >> bit.astype(jnp.uint32) & 1
        return spikes.astype(self.expected(i, dt).dtype)

    def drawn(self, i, dt) -> UInt32[Array, "words *n"]:
        """The spikes of the `AHEAD` steps that step `i` is one of, a bit each."""
        draws = self.draws(jnp.asarray(i) // AHEAD)
        mean = 1 / self.expected(i, dt)  # of steps from spike to spike

        def empty(k):  # steps before the next spike, a geometric number
            waiting = -jnp.log(draws.uniform(mean.dtype, k)) * mean
            return jnp.minimum(waiting, AHEAD).astype(jnp.int32)

        def spike(carry):
            k, at, words = carry
            bit = jnp.uint32(1) << (at % BITS).astype(jnp.uint32)
            rows = [w | jnp.where(at // BITS == row, bit, 0) for row, w in enumerate(words)]
            return k + 1, at + 1 + empty(k), rows

        rows = [jnp.zeros(self.shape, jnp.uint32)] * (AHEAD // BITS)
        start = jnp.int32(1), empty(jnp.int32(0)), rows
        more = lambda carry: jnp.any(carry[1] < AHEAD)
        return jnp.stack(jax.lax.while_loop(more, spike, start)[2])


class CompoundPoisson(_AbstractSource):
    """See `compound_poisson`."""

    rate_hz: AbstractInput
    shape: tuple[int, ...] = eqx.field(static=True)
    key: Any
    probabilities: Float[Array, "k"]
    interval: Float[Array, ""]
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __call__(self, i, dt):
        most = len(self.probabilities) - 1
        gap = jnp.round(self.interval / dt).astype(jnp.int32)
        spike = jnp.arange(most)
        # Spike j of a burst is due in this step if the burst began j gaps ago and is longer.
        begun = jax.vmap(lambda j: self._events(i - j * gap, dt))(spike)
        due = spike[None, :] >= spike[:, None]
        return jnp.einsum("jk,jk...->...", due.astype(begun.dtype), begun)

    def _events(self, i, dt) -> Float[Array, "k *n"]:
        """Events that begin in step `i`, by their number of spikes from 1 on.

        Events of different sizes are independent Poisson processes.
        """
        expected, draws = self.expected(i, dt), self.draws(i)
        of_size = lambda size, p: draws.poisson(p * expected, stream=size)
        p = self.probabilities[1:]
        return jax.vmap(of_size)(jnp.arange(len(p), dtype=jnp.int32), p)


def _source(
    kind: Any, name: str, rate_hz: Any, shape: Any, key: Any, generator: Any, *more: Any
) -> AbstractInput:
    if not isinstance(rate_hz, AbstractInput):
        if callable(rate_hz):
            rate_hz = from_function(rate_hz)
        else:
            rate_hz = Constant(at_least(rate_hz, 0, f"{name}.rate_hz", "Hz"))
    one = eqx.filter_eval_shape(rate_hz, jnp.int32(0), as_float(1.0))
    shape = population(name, shape, rate_hz=one)
    one_of(generator, GENERATORS, f"{name}.generator")
    return kind(rate_hz, shape, require_key(key, name), *more, generator)
