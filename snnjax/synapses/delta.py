"""A synapse without time course: a jump of the membrane potential."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.synapses.base import AbstractReceptor


class DeltaState(NamedTuple):
    jump: Float[Array, "*n"]  # mV, of v at the start of this step


class Delta(AbstractReceptor[DeltaState]):
    r"""Moves the potential itself: a spike of weight w (mV) takes v to v + w.

    The network adds `jump` to v at the start of the step in which spikes arrive, except where
    the neuron is refractory; `drive` gives no current, and the jump is used up in one step.
    """

    port = "jump"

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> DeltaState:
        return DeltaState(self.zeros(shape))

    def advance(self, state, dt):
        return DeltaState(jnp.zeros_like(state.jump))

    def drive(self, state, dt, tau_m=None):
        return jnp.zeros_like(state.jump)
