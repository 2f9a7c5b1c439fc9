"""A leaky integrator, whose potential is read out."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import proper_decay
from snnjax.core.integrators import AbstractIntegrator, ExponentialEuler
from snnjax.core.neuron import AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter


class LeakyIntegratorState(NamedTuple):
    v: Float[Array, "*n"]


class LeakyIntegrator(AbstractNeuron[LeakyIntegratorState]):
    r"""A membrane that never fires, $\tau_m \, dv/dt = -v + r_m I$; its output is v.

    The usual readout of a spiking classifier. Exact for constant input at any dt.

    - `tau_m`: time constant, ms, above 0. `r_m`: resistance, v per input.
    """

    tau_m: Float[Array, "..."] = parameter(20.0, "ms", above=0)
    r_m: Float[Array, "..."] = parameter(1.0, "v per input")
    integrator: AbstractIntegrator = integrate_with(ExponentialEuler)

    @property
    def spiking(self) -> bool:
        return False

    @classmethod
    def from_decay(cls, decay: float = 0.9, *, dt: float = 1.0) -> "LeakyIntegrator":
        r"""The unit of machine learning, $v_t = decay \cdot v_{t-1} + x_t$ for steps of `dt`."""
        kept = proper_decay(decay, "LeakyIntegrator.from_decay.decay")
        return cls(tau_m=-dt / jnp.log(kept), r_m=1 / (1 - kept))

    def rest(self):
        return LeakyIntegratorState(0 * self.tau_m)

    def derivative(self, state, current):
        return {"v": (self.r_m * current - state.v) / self.tau_m}

    def spikes(self, before, after, dt):
        del before, dt
        return after.v
