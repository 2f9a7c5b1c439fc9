"""A layer of neurons that drive each other."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics


class RecurrentState(NamedTuple):
    neuron: Any
    spikes: Float[Array, "... n"]  # of the step before


class Recurrent(AbstractDynamics[RecurrentState]):
    r"""A population whose spikes come back to it one step later through a dense matrix.

    $$I_i(t) = x_i(t) + \sum_j W_{ij} \, s_j(t - dt)$$

    - `neuron`: any model of n neurons that spikes.
    - `weight`: W [n, n], from column to row, in the unit of the neuron's input: what one
      spike adds to the input of the next step.
    """

    neuron: AbstractDynamics
    weight: Float[Array, "n n"]

    def __init__(self, neuron: AbstractDynamics, weight: Any):
        self.neuron = neuron
        self.weight = checks.finite(weight, "Recurrent.weight")
        if self.weight.ndim != 2 or self.weight.shape[0] != self.weight.shape[1]:
            raise ValueError(
                f"Recurrent.weight must be square, [n, n], got shape {self.weight.shape}."
            )

    def init(self, shape=(), *, key=None, dt=None):
        n = self.weight.shape[0]
        if shape[-1:] not in ((), (1,), (n,)):
            raise ValueError(
                f"Recurrent has {n} neurons, got an input of shape {tuple(shape)}."
            )
        shape = (*shape[:-1], n)
        state = self.neuron.init(shape, key=key, dt=dt)
        input = jnp.zeros(shape, self.weight.dtype)
        _, out = jax.eval_shape(
            self.neuron.step, state, input, jnp.ones((), self.weight.dtype)
        )
        return RecurrentState(state, jnp.zeros(out.shape, out.dtype))

    def step(self, state, input, dt):
        """`input` [..., n] from outside. Returns the new state and the spikes [..., n]."""
        neuron, spikes = self.neuron.step(
            state.neuron, input + state.spikes @ self.weight.T, dt
        )
        return RecurrentState(neuron, spikes), spikes

    @property
    def spiking(self) -> bool:
        return self.neuron.spiking

    def absorb(self, state):
        neuron = self.neuron.absorb(state.neuron)
        return eqx.tree_at(lambda net: net.neuron, self, neuron)
