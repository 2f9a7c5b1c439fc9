"""Spikes that come from outside a network, as a population of it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics
from snnjax.core.checks import as_float
from snnjax.inputs.base import AbstractInput


class SourceState(NamedTuple):
    step: Int[Array, ""]  # how many steps were taken
    fired: Float[Array, "*n"]  # the spikes of the last


class Source(AbstractDynamics[SourceState]):
    """An input that gives spikes, as a model: its output is that of `spikes(step, dt)`.

    A batch gets the same spikes. What drives it is ignored: a source has no receptors.
    """

    spikes: AbstractInput

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> SourceState:
        return SourceState(jnp.int32(0), jnp.zeros(shape, model_dtype(self)))

    def step(self, state: SourceState, input: Any, dt) -> tuple[SourceState, Array]:
        del input
        spikes = self.spikes(state.step, dt).astype(state.fired.dtype)
        spikes = jnp.broadcast_to(spikes, state.fired.shape)
        return SourceState(state.step + 1, spikes), spikes

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the spikes of a step."""
        return eqx.filter_eval_shape(self.spikes, jnp.int32(0), as_float(1.0)).shape

    @property
    def spiking(self) -> bool:
        return True
