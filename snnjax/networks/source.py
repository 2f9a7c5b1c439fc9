"""Spikes that come from outside a network, as a population of it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics
from snnjax.core.checks import as_float
from snnjax.inputs.base import AbstractInput
from snnjax.inputs.poisson import AHEAD, PoissonAhead


class SourceState(NamedTuple):
    step: Int[Array, ""]  # how many steps were taken
    fired: Float[Array, "*n"]  # the spikes of the last
    drawn: UInt32[Array, "words *n"] | None  # spikes that were drawn ahead


class RelayState(NamedTuple):
    fired: Float[Array, "*n"]  # the spikes of the last step


class Source(AbstractDynamics[SourceState]):
    """An input that gives spikes, as a model: its output is that of `spikes(step, dt)`.

    A batch gets the same spikes. What drives it is ignored: a source has no receptors.
    """

    spikes: AbstractInput

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> SourceState:
        drawn = None
        if isinstance(self.spikes, PoissonAhead):
            drawn = jnp.zeros((AHEAD // 32, *self.spikes.shape), jnp.uint32)
        return SourceState(jnp.int32(0), jnp.zeros(shape, model_dtype(self)), drawn)

    def step(self, state: SourceState, input: Any, dt) -> tuple[SourceState, Array]:
        del input
        drawn, source = state.drawn, self.spikes
        if isinstance(source, PoissonAhead):
            # A loop of one turn or none: under vmap, `lax.cond` would always go both ways.
            draw = lambda carry: (False, source.drawn(state.step, dt))
            begin = state.step % AHEAD == 0, drawn
            drawn = jax.lax.while_loop(lambda carry: carry[0], draw, begin)[1]
            spikes = source.now(drawn, state.step, dt)
        else:
            spikes = source(state.step, dt)
        spikes = jnp.broadcast_to(spikes.astype(state.fired.dtype), state.fired.shape)
        return SourceState(state.step + 1, spikes, drawn), spikes

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the spikes of a step."""
        return eqx.filter_eval_shape(self.spikes, jnp.int32(0), as_float(1.0)).shape

    @property
    def spiking(self) -> bool:
        return True


class Relay(AbstractDynamics[RelayState]):
    """A neuron that fires what it is told: its output is its input.

        images = snn.Population(snn.networks.Relay(), 64)

    As a population of a `Network` it takes the spikes of each step as that population's input,
    which, other than those of a `Population(inputs.poisson(...), n)`, may differ from item to
    item of a batch and be made outside.
    """

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> RelayState:
        return RelayState(jnp.zeros(shape))

    def step(self, state: RelayState, input: Any, dt) -> tuple[RelayState, Array]:
        del dt
        spikes = jnp.broadcast_to(input, state.fired.shape).astype(state.fired.dtype)
        return RelayState(spikes), spikes

    @property
    def spiking(self) -> bool:
        return True
