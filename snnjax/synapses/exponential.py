"""Exponential synapse."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.synapses.kinetic import AbstractKineticReceptor, held_share


class ExponentialState(NamedTuple):
    s: Float[Array, "*n"]  # pA, or nS with a reversal potential


class Exponential(AbstractKineticReceptor[ExponentialState]):
    r"""Instantaneous rise and exponential decay, of a current or a conductance.

    $$\tau_{syn} \, ds/dt = -s, \quad s \leftarrow s + w \text{ at a spike}$$

    On a linear membrane a current of weight w has, after t ms, moved v by
    $\frac{w}{g_l} \frac{\tau_{syn}}{\tau_m - \tau_{syn}} (e^{-t/\tau_m} - e^{-t/\tau_{syn}})$,
    at most after $\frac{\tau_m \tau_{syn}}{\tau_m - \tau_{syn}} \ln (\tau_m / \tau_{syn})$.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_syn`: time constant, ms, above 0.
    - `e_rev`: reversal potential, mV, of a conductance with weights in nS; None is a current
      with weights in pA.

    Rotter & Diesmann 1999, Biol. Cybern. 81:381; Brette et al. 2007, J. Comput. Neurosci.
    23:349.
    """

    port = "s"

    tau_syn: Float[Array, "..."] = parameter(5.0, "ms", above=0)

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> ExponentialState:
        return ExponentialState(self.zeros(shape))

    def advance(self, state, dt):
        return ExponentialState(state.s * jnp.exp(-dt / self.tau_syn))

    def held(self, state, dt, tau_m):
        return state.s * held_share(dt, tau_m, self.tau_syn)
