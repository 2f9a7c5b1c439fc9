"""Hindmarsh-Rose neuron."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import RK4, AbstractIntegrator
from snnjax.core.neuron import AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import upward_crossing
from snnjax.neurons.equilibrium import lowest_root


class HindmarshRoseState(NamedTuple):
    v: Float[Array, "*n"]  # the paper's x: membrane potential
    y: Float[Array, "*n"]  # fast recovery
    z: Float[Array, "*n"]  # slow adaptation, which ends a burst


class HindmarshRose(AbstractNeuron[HindmarshRoseState]):
    r"""Hindmarsh-Rose neuron: bursts from three smooth equations.

    $$\dot v = y - a v^3 + b v^2 - z + I, \quad \dot y = c - d v^2 - y, \quad
      \dot z = \varepsilon [s (v - v_r) - z]$$

    All is dimensionless, dt and durations too. Starts at rest and fires once for each time
    v rises through `spike_level`. At the defaults I = 2 gives bursts of three spikes, 3.25
    chaos, 4 tonic firing.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `a`, `b`: of the cubic; `c`, `d`: of the parabola to which y relaxes.
    - `s`, `v_r`: strength of the adaptation and the v at which it is 0; `eps`: how slow it is.

    Input: current, dimensionless. Hindmarsh & Rose 1984, Proc. R. Soc. Lond. B 221:87.
    """

    a: Float[Array, "..."] = parameter(1.0, above=0)
    b: Float[Array, "..."] = parameter(3.0)
    c: Float[Array, "..."] = parameter(1.0)
    d: Float[Array, "..."] = parameter(5.0)
    s: Float[Array, "..."] = parameter(4.0)
    v_r: Float[Array, "..."] = parameter(-1.6)
    eps: Float[Array, "..."] = parameter(0.005, above=0)
    spike_level: Float[Array, "..."] = parameter(1.0)
    integrator: AbstractIntegrator = integrate_with(RK4)

    def rest(self) -> HindmarshRoseState:
        # All roots of a cubic lie within this distance of 0 (Cauchy).
        others = (
            jnp.abs(self.d - self.b),
            jnp.abs(self.s),
            jnp.abs(self.c + self.s * self.v_r),
        )
        bound = 1 + jnp.maximum(jnp.maximum(*others[:2]), others[2]) / self.a
        v = lowest_root(self.steady_current, -bound, bound)
        return HindmarshRoseState(v, *self._settled(v))

    def derivative(self, state, current):
        v, y, z = state
        y_inf, z_inf = self._settled(v)
        return {
            "v": y - self.a * v**3 + self.b * v**2 - z + current,
            "y": y_inf - y,
            "z": self.eps * (z_inf - z),
        }

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, self.spike_level)

    def steady_current(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The current that holds the cell at `v`; 0 at rest."""
        return -self.derivative(HindmarshRoseState(v, *self._settled(v)), 0.0)["v"]

    def _settled(self, v):
        return self.c - self.d * v**2, self.s * (v - self.v_r)
