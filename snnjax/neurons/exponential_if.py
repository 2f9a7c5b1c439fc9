"""Exponential integrate-and-fire neuron."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Heun
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold

# exp(30) = 1e13: v is then 1e-13 tau_m away from infinity, and float32 far from its end.
LARGEST_EXPONENT = 30.0


def spike_pull(v, v_t, delta_t) -> Float[Array, "*n"]:
    r"""$\Delta_T \exp((v - v_T) / \Delta_T)$, mV, with an exponent of at most 30."""
    return delta_t * jnp.exp(jnp.minimum((v - v_t) / delta_t, LARGEST_EXPONENT))


class ExponentialIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class ExponentialIF(AbstractFiringNeuron[ExponentialIFState]):
    r"""Exponential integrate-and-fire neuron: a leak and the onset of the Na+ current.

    $$\tau_m \, dv/dt = -(v - e_l) + \Delta_T e^{(v - v_T) / \Delta_T} + I / g_l$$

    v fires at `threshold`, far above $v_T$, where the upstroke takes no time any more. So
    that nothing overflows, slopes are those at the threshold wherever v is above it (in the
    stages of a step, as its end is reset), and the exponent is at most 30.
    As $\Delta_T \to 0$ it becomes the leaky integrate-and-fire neuron with threshold $v_T$.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_m`: membrane time constant, ms. `g_l`: leak conductance, nS. Both above 0.
    - `e_l`: leak reversal, mV. `v_t`: where the slope of the I-V curve is 0, mV.
    - `delta_t`: sharpness of the onset of a spike, mV, above 0.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; the peak of the spike, -30 mV, -68 mV, 1.7 ms.

    Input: current, pA. The defaults are the fit to a Wang-Buzsaki cell in the source:
    Fourcaud-Trocme et al. 2003, J. Neurosci. 23:11628.
    """

    tau_m: Float[Array, "..."] = parameter(10.0, "ms", above=0)
    g_l: Float[Array, "..."] = parameter(10.0, "nS", above=0)
    e_l: Float[Array, "..."] = parameter(-65.0, "mV")
    v_t: Float[Array, "..."] = parameter(-59.9, "mV")
    delta_t: Float[Array, "..."] = parameter(3.48, "mV", above=0)
    threshold: Threshold = fires_at(-30.0)
    v_reset: Float[Array, "..."] = parameter(-68.0, "mV", kw_only=True)
    t_ref: Float[Array, "..."] | None = parameter(1.7, "ms", at_least=0, kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Heun)

    def rest(self) -> ExponentialIFState:
        return ExponentialIFState(self.e_l, self.free_to_fire())

    def derivative(self, state, current):
        v = jnp.minimum(state.v, self.level(state))
        leak = -(v - self.e_l)
        pull = leak + spike_pull(v, self.v_t, self.delta_t) + current / self.g_l
        return {"v": pull / self.tau_m}
