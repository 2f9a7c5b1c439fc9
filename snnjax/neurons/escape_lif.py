"""Leaky integrate-and-fire neuron with escape noise."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.neuron import Noise
from snnjax.core.parameters import parameter
from snnjax.neurons.lif import AbstractLeakyNeuron


class EscapeLIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire
    noise: Noise | None


class EscapeLIF(AbstractLeakyNeuron[EscapeLIFState]):
    r"""Leaky integrate-and-fire neuron that fires at random, the likelier the higher v is.

    $$\tau_m \, dv/dt = -(v - e_l) + I / g_l, \quad
    \rho(v) = \rho_0 \, e^{(v - level) / \delta}, \quad p = 1 - e^{-\rho(v) \, dt}$$

    with hazard $\rho$ and p the probability of a spike in a step that ends at v: at a held v
    the spikes of any dt are those of the same Poisson process. `delta` to 0 with a large
    `rho_0` is a `LIF`.

    The gradient of a spike is that of its mean, $\partial p / \partial v = (1 - p) \rho \, dt
    / \delta$, without a surrogate (straight-through): with a detached reset it is unbiased
    for one step, and leaves out how a spike changes later ones. Under `relax` the output is
    p itself, the mean spike of the step.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `rho_0`: hazard at the threshold, 1/ms. `delta`: width of the soft threshold, mV. Both
      above 0.
    - `tau_m`, `g_l`, `e_l`, `threshold`, `v_reset`, `t_ref` and resets: as `LIF`; the
      threshold's surrogate is not used.

    Input: current, pA. Needs a key.
    Gerstner & van Hemmen 1992, Network 3:139; Plesser & Gerstner 2000, Neural Comput.
    12:367; Jolivet et al. 2006, J. Comput. Neurosci. 21:35.
    """

    rho_0: Float[Array, "..."] = parameter(1.0, "1/ms", above=0, kw_only=True)
    delta: Float[Array, "..."] = parameter(2.0, "mV", above=0, kw_only=True)

    stochastic = True

    def rest(self) -> EscapeLIFState:
        return EscapeLIFState(self.e_l, self.free_to_fire(), None)

    def hazard(self, state: EscapeLIFState) -> Float[Array, "*n"]:
        """Spikes per ms at the voltage of `state`, were it free to fire."""
        # Beyond 40 widths any step fires for certain, and a gradient would be 0 times infinity.
        x = jnp.minimum((state.v - self.level(state)) / self.delta, 40.0)
        return self.rho_0 * jnp.exp(x)

    def chance(self, state: EscapeLIFState, dt) -> Float[Array, "*n"]:
        """The probability p of a spike in a step of `dt` (ms) that ends at `state`."""
        return -jnp.expm1(-self.hazard(state) * dt)

    def emitted(self, before, after, dt):
        chance = self.chance(after, dt)
        if self.threshold.smooth:
            return chance
        draw = jax.random.uniform(before.noise.now(), chance.shape, chance.dtype)
        spikes = (draw < chance).astype(chance.dtype)
        return spikes + (chance - jax.lax.stop_gradient(chance))
