"""Resonate-and-fire neuron."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Exact
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold


class ResonateAndFireState(NamedTuple):
    u: Float[Array, "*n"]  # Re z, current-like
    v: Float[Array, "*n"]  # Im z, voltage-like, after any reset
    refractory: Float[Array, "*n"] | None  # ms left to wait; None unless t_ref is given


class ResonateAndFire(AbstractFiringNeuron[ResonateAndFireState]):
    r"""Resonate-and-fire neuron: a damped oscillator with a threshold.

    $$dz/dt = (b + i w) z + I, \quad z = u + i v, \quad
    v \ge 1 : \quad z \leftarrow i$$

    Its rest is a focus: a pulse moves u, v follows a quarter of a period later, and whether
    the next pulse adds to it depends on the phase. Two pulses fire it at the interval of its
    period $2 \pi / w$, not at half of it; inhibition fires it half a period before
    excitation. Between spikes the step is exact for constant current.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `b`: damping, 1/ms; below 0 for a stable rest. `w`: angular frequency, rad/ms, above 0.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; level and v after a spike are both 1, and u after it is 0, so
      that the neuron starts on the threshold and on its way down.

    Input: current, 1/ms; a pulse of area A moves u by A.
    Izhikevich 2001, Neural Netw. 14:883.
    """

    b: Float[Array, "..."] = parameter(-0.1, "1/ms")
    w: Float[Array, "..."] = parameter(1.0, "rad/ms", above=0)
    threshold: Threshold = fires_at(1.0)
    v_reset: Float[Array, "..."] = parameter(1.0, "", kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Exact)

    def rest(self) -> ResonateAndFireState:
        zero = jnp.zeros_like(self.b)
        return ResonateAndFireState(zero, zero, self.free_to_fire())

    def derivative(self, state, current):
        u, v = state.u, state.v
        return {"u": self.b * u - self.w * v + current, "v": self.w * u + self.b * v}

    def solution(self, state, current, dt):
        """u and v after dt (ms) of constant current: a turn about the equilibrium."""
        scale = current / (self.b**2 + self.w**2)
        u_inf, v_inf = -self.b * scale, self.w * scale
        u, v = state.u - u_inf, state.v - v_inf
        decay = jnp.exp(self.b * dt)
        cos, sin = decay * jnp.cos(self.w * dt), decay * jnp.sin(self.w * dt)
        return {"u": u_inf + cos * u - sin * v, "v": v_inf + sin * u + cos * v}

    def jumps(self, state):
        return {"u": jnp.zeros_like(state.u)}
