"""A leaky integrator, whose potential is read out."""

from typing import NamedTuple

from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, ExponentialEuler
from snnjax.core.neuron import AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter


class LeakyIntegratorState(NamedTuple):
    v: Float[Array, "*n"]


class LeakyIntegrator(AbstractNeuron[LeakyIntegratorState]):
    r"""A membrane that never fires, $\tau_m \, dv/dt = -v + I$; its output is v.

    The usual readout of a spiking classifier. Exact for constant input at any dt.

    - `tau_m`: time constant, ms.
    """

    tau_m: Float[Array, "..."] = parameter(20.0, "ms", above=0)
    integrator: AbstractIntegrator = integrate_with(ExponentialEuler)

    @property
    def spiking(self) -> bool:
        return False

    def rest(self):
        return LeakyIntegratorState(0 * self.tau_m)

    def derivative(self, state, current):
        return {"v": (current - state.v) / self.tau_m}

    def spikes(self, before, after, dt):
        del before, dt
        return after.v
