"""Spikes that come from outside a network, as a population of it."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int

from snnjax.core.base import AbstractDynamics
from snnjax.inputs.base import AbstractInput


class SourceState(NamedTuple):
    step: Int[Array, ""]  # how many steps were taken


class Source(AbstractDynamics[SourceState]):
    """An input that gives spikes, as a model: its output is that of `spikes(step, dt)`.

    What drives it is ignored: a source has no receptors.
    """

    spikes: AbstractInput

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> SourceState:
        return SourceState(jnp.int32(0))

    def step(self, state: SourceState, input: Any, dt) -> tuple[SourceState, Array]:
        del input
        return SourceState(state.step + 1), self.spikes(state.step, dt)

    @property
    def spiking(self) -> bool:
        return True
