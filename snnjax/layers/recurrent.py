"""A layer of neurons that drive each other."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks, lean
from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics
from snnjax.layers.linear import times
from snnjax.layers.stateless import AbstractStateless, output_shape


class RecurrentState(NamedTuple):
    neuron: Any
    spikes: Float[Array, "... n"]  # of the step before


class Recurrent(AbstractDynamics[RecurrentState]):
    r"""A population whose spikes come back to it one step later.

    $$I_i(t) = x_i(t) + \sum_j W_{ij} \, s_j(t - dt)$$

    Where a gradient is taken of a LIF or its relatives without refractory time, that of W is
    one product over time and batch after the loop, not one in each step.

    - `neuron`: any model of n neurons that spikes.
    - `weight`: W [n, n], from column to row, in the unit of the neuron's input: what one
      spike adds to the input of the next step. Or, for structured connections, a layer
      without a state (`Linear`, `Conv2d`, ...) whose output has the shape of its input.
    """

    neuron: AbstractDynamics
    weight: Float[Array, "n n"] | AbstractDynamics

    def __init__(self, neuron: AbstractDynamics, weight: Any):
        self.neuron = neuron
        if isinstance(weight, AbstractDynamics):
            self.weight = weight
            return
        self.weight = checks.finite(weight, "Recurrent.weight")
        if self.weight.ndim != 2 or self.weight.shape[0] != self.weight.shape[1]:
            raise ValueError(
                f"Recurrent.weight must be square, [n, n], got shape {self.weight.shape}."
            )

    @property
    def feedback(self) -> AbstractDynamics:
        """The layer that spikes come back through."""
        if isinstance(self.weight, AbstractDynamics):
            return self.weight
        return AllToAll(self.weight)

    def init(self, shape=(), *, key=None, dt=None):
        shape, feedback = tuple(shape), self.feedback
        if isinstance(feedback, AllToAll):
            shape = feedback.population(shape)
        if jax.tree.leaves(feedback.init(shape)):
            raise ValueError(
                f"Recurrent.weight must be a layer without a state, got {self.weight}."
            )
        state = self.neuron.init(shape, key=key, dt=dt)
        dtype = model_dtype(self.weight)
        one, input = jnp.ones((), dtype), jnp.zeros(shape, dtype)
        spikes = jax.eval_shape(self.neuron.step, state, input, one)[1]
        back = output_shape(feedback, (), spikes.shape, dt)
        if back != spikes.shape:
            raise ValueError(
                f"Recurrent.weight turns spikes of shape {spikes.shape} into an input of shape "
                f"{back}: it must be that of the neurons."
            )
        return RecurrentState(state, jnp.zeros(spikes.shape, spikes.dtype))

    def step(self, state, input, dt):
        """`input` [..., n] from outside. Returns the new state and the spikes [..., n]."""
        state, spikes = lean.step(self.neuron, self.feedback, dt, tuple(state), input)
        return RecurrentState(*state), spikes

    def unroll(self, state, inputs, dt):
        state, spikes = lean.unroll(self.neuron, tuple(state), inputs, dt, self.feedback)
        return RecurrentState(*state), spikes

    @property
    def spiking(self) -> bool:
        return self.neuron.spiking

    def absorb(self, state):
        neuron = self.neuron.absorb(state.neuron)
        return eqx.tree_at(lambda net: net.neuron, self, neuron)


class AllToAll(AbstractStateless):
    """The matrix of a `Recurrent` as a layer."""

    weight: Float[Array, "n n"]

    def population(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the neurons for inputs of `shape`, one value for all of them included."""
        n = self.weight.shape[0]
        if shape[-1:] not in ((), (1,), (n,)):
            raise ValueError(f"Recurrent has {n} neurons, got an input of shape {shape}.")
        return (*shape[:-1], n)

    def __call__(self, x):
        return times(x, self.weight)
