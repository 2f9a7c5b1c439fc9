"""A synapse without memory: its current or conductance is what arrives."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.synapses.kinetic import AbstractKineticReceptor


class InstantaneousState(NamedTuple):
    s: Float[Array, "*n"]  # pA, or nS with a reversal potential, of this step


class Instantaneous(AbstractKineticReceptor[InstantaneousState]):
    r"""What arrives is the current or conductance of this one step, and is then gone.

    $$s = \sum_j w_j a_j$$

    with the amounts $a_j$ that a release such as `Graded` gives in every step. Of a spike it
    makes a pulse of weight w that lasts dt, so that its effect depends on dt: for spikes there
    are `Delta` and `Exponential`.

    - `e_rev`: reversal potential, mV, of a conductance with weights in nS; None is a current
      with weights in pA. A scalar or an array with one value a neuron.
    """

    port = "s"

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> InstantaneousState:
        return InstantaneousState(self.zeros(shape))

    def advance(self, state, dt):
        return InstantaneousState(jnp.zeros_like(state.s))

    def held(self, state, dt, tau_m):
        return state.s
