"""FitzHugh-Nagumo neuron."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import RK4, AbstractIntegrator
from snnjax.core.neuron import AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import upward_crossing
from snnjax.neurons.equilibrium import lowest_root


class FitzHughNagumoState(NamedTuple):
    v: Float[Array, "*n"]  # fast: the membrane potential
    w: Float[Array, "*n"]  # slow: recovery


class FitzHughNagumo(AbstractNeuron[FitzHughNagumoState]):
    r"""FitzHugh-Nagumo (Bonhoeffer-van der Pol) neuron, the plainest excitable system.

    $$\dot v = k (v - v_-)(v - a)(v_+ - v) - w + I, \quad
      \dot w = \varepsilon (v + b - \gamma w)$$

    The default is $\dot v = v (v - a)(1 - v) - w + I$, $\dot w = \varepsilon (v - \gamma w)$;
    `classic()` is FitzHugh's form. All is dimensionless, dt and durations too. Starts at
    rest and fires once for each time v rises through `spike_level`.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `a`: middle root of the cubic, the threshold of v alone; `low`, `high`: the outer roots
      $v_-$ and $v_+$; `gain`: k.
    - `eps`: how slow w is. `shift`: b. `gamma`: decay of w.

    Input: current, dimensionless. FitzHugh 1961, Biophys. J. 1:445; Nagumo et al. 1962,
    Proc. IRE 50:2061.
    """

    a: Float[Array, "..."] = parameter(0.1)
    eps: Float[Array, "..."] = parameter(0.01, above=0)
    gamma: Float[Array, "..."] = parameter(0.5, at_least=0)
    shift: Float[Array, "..."] = parameter(0.0)
    low: Float[Array, "..."] = parameter(0.0)
    high: Float[Array, "..."] = parameter(1.0)
    gain: Float[Array, "..."] = parameter(1.0, above=0)
    spike_level: Float[Array, "..."] = parameter(0.5)
    integrator: AbstractIntegrator = integrate_with(RK4)

    @classmethod
    def classic(cls, **changes) -> "FitzHughNagumo":
        r"""FitzHugh 1961: $\dot v = v - v^3/3 - w + I$, $\dot w = 0.08 (v + 0.7 - 0.8 w)$.

        His a is `shift` 0.7, his b is `gamma` 0.8.
        """
        own = {"gain": 1 / 3, "low": -(3**0.5), "a": 0.0, "high": 3**0.5, "eps": 0.08}
        return cls(**{**own, "shift": 0.7, "gamma": 0.8, "spike_level": 0.0, **changes})

    def cubic(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """What v alone does: the v-nullcline is w = cubic(v) + I."""
        return self.gain * (v - self.low) * (v - self.a) * (self.high - v)

    def rest(self) -> FitzHughNagumoState:
        ends = (self.low, self.a, self.high, -self.shift)
        low, high = functools.reduce(jnp.minimum, ends), functools.reduce(jnp.maximum, ends)
        v = lowest_root(self._off_balance, low, high)
        return FitzHughNagumoState(v, self.cubic(v))

    def derivative(self, state, current):
        v, w = state.v, state.w
        return {
            "v": self.cubic(v) - w + current,
            "w": self.eps * (v + self.shift - self.gamma * w),
        }

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, self.spike_level)

    def _off_balance(self, v):
        return v + self.shift - self.gamma * self.cubic(v)
