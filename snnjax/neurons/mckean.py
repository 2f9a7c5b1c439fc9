"""McKean neuron: FitzHugh-Nagumo with a piecewise-linear cubic."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Exact
from snnjax.core.neuron import AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import upward_crossing
from snnjax.neurons.piecewise_linear import piecewise_flow, piecewise_linear


class McKeanState(NamedTuple):
    v: Float[Array, "*n"]  # fast: the membrane potential
    w: Float[Array, "*n"]  # slow: recovery


class McKean(AbstractNeuron[McKeanState]):
    r"""McKean's piecewise-linear caricature of the FitzHugh-Nagumo neuron.

    $$\dot v = f(v) - w + I, \quad \dot w = \varepsilon (v - \gamma w), \quad
    f(v) = \begin{cases} -v & v < a / 2 \\ v - a & a / 2 \le v \le (1 + a) / 2 \\
    1 - v & v > (1 + a) / 2 \end{cases}$$

    The step is exact for constant current: in each piece the equations are linear, and
    crossings of the borders are located within the step. All is dimensionless, dt and
    durations too. Starts at rest without current, v = w = 0, and fires once for each time v
    rises through `spike_level`.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `a`: the middle zero of f, the threshold of v alone, above 0 and below 1.
    - `eps`: how slow w is, above 0. `gamma`: decay of w.

    Input: current, dimensionless. McKean 1970, Adv. Math. 4:209; Tonnelier & Gerstner 2003,
    Phys. Rev. E 67:021908.
    """

    a: Float[Array, "..."] = parameter(0.25, above=0, at_most=1)
    eps: Float[Array, "..."] = parameter(0.01, above=0)
    gamma: Float[Array, "..."] = parameter(0.5, at_least=0)
    spike_level: Float[Array, "..."] = parameter(0.5)
    integrator: AbstractIntegrator = integrate_with(Exact)

    def pieces(self):
        one = jnp.ones_like(self.a)
        borders = (0.5 * self.a, 0.5 * (1 + self.a))
        return borders, (-one, one, -one), self.eps, self.eps * self.gamma

    def rest(self) -> McKeanState:
        zero = jnp.zeros_like(self.a)
        return McKeanState(zero, zero)

    def derivative(self, state, current):
        borders, slopes, _, _ = self.pieces()
        return {
            "v": piecewise_linear(state.v, borders, slopes) - state.w + current,
            "w": self.eps * (state.v - self.gamma * state.w),
        }

    def solution(self, state, current, dt):
        """v and w after dt of constant current."""
        return piecewise_flow(self, state, current, dt)

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, self.spike_level)
