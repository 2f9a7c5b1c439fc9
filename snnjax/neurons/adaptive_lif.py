"""Leaky integrate-and-fire neuron with an adaptive threshold."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.neurons.lif import AbstractLeakyNeuron, unit_of_decay


class AdaptiveLIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    theta: Float[Array, "*n"]  # mV, how far the threshold is raised
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class AdaptiveLIF(AbstractLeakyNeuron[AdaptiveLIFState]):
    r"""Leaky integrate-and-fire neuron whose threshold rises at each spike (ALIF).

    $$\tau_m \, dv/dt = -(v - e_l) + I / g_l, \quad \tau_{adapt} \, d\theta/dt = -\theta$$

    It fires where v reaches $level + \theta$; then $\theta \leftarrow \theta + \beta$ beside
    the reset. A long `tau_adapt` gives spike-frequency adaptation (and the memory of
    recurrent networks trained by gradient), one of a few ms relative refractoriness: soon
    after a spike only a stronger stimulus fires. Both variables advance exactly for constant
    current.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_adapt`: time constant of the threshold, ms, above 0.
    - `beta`: rise of the threshold at a spike, mV.
    - `tau_m`, `g_l`, `e_l`, `threshold`, `v_reset`, `t_ref` and resets: as `LIF`;
      `threshold.level` is what the threshold falls back to.

    Input: current, pA.
    Bellec et al. 2018, NeurIPS; Bellec et al. 2020, Nat. Commun. 11:3625.
    """

    tau_adapt: Float[Array, "..."] = parameter(100.0, "ms", above=0, kw_only=True)
    beta: Float[Array, "..."] = parameter(2.0, "mV", kw_only=True)

    @classmethod
    def relative_refractory(cls, **parameters) -> "AdaptiveLIF":
        """A `LIF` with 2 ms of absolute and some 15 ms of relative refractoriness."""
        return cls(**{"tau_adapt": 5.0, "beta": 15.0, **parameters})

    @classmethod
    def from_decay(
        cls, decay: float = 0.9, *, dt: float = 1.0, **changes: Any
    ) -> "AdaptiveLIF":
        """The unit of machine learning as of `LIF.from_decay`; its threshold rises by 0.1."""
        unit = unit_of_decay(decay, dt, "AdaptiveLIF")
        return cls(**{**unit, "beta": 0.1, **changes})

    def rest(self) -> AdaptiveLIFState:
        return AdaptiveLIFState(self.e_l, jnp.zeros_like(self.beta), self.free_to_fire())

    def level(self, state):
        return self.threshold.level + state.theta

    def derivative(self, state, current):
        return super().derivative(state, current) | {"theta": -state.theta / self.tau_adapt}

    def solution(self, state, current, dt):
        theta = state.theta * jnp.exp(-dt / self.tau_adapt)
        return super().solution(state, current, dt) | {"theta": theta}

    def jumps(self, state):
        return {"theta": state.theta + self.beta}
