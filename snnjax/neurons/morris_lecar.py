"""Morris-Lecar neuron."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import RK4, AbstractIntegrator
from snnjax.core.neuron import AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import upward_crossing
from snnjax.neurons.equilibrium import lowest_root


class MorrisLecarState(NamedTuple):
    v: Float[Array, "*n"]  # mV
    n: Float[Array, "*n"]  # potassium activation


class MorrisLecar(AbstractNeuron[MorrisLecarState]):
    r"""Morris-Lecar neuron: instantaneous calcium, delayed potassium and leak.

    $$C \dot v = I - g_{Ca} m_\infty(v) (v - e_{Ca}) - g_K n (v - e_K) - g_l (v - e_l)$$
    $$\dot n = \phi \cosh\frac{v - v_3}{2 v_4} \, [n_\infty(v) - n]$$
    $$m_\infty = \frac12 \left[1 + \tanh\frac{v - v_1}{v_2}\right], \quad
      n_\infty = \frac12 \left[1 + \tanh\frac{v - v_3}{v_4}\right]$$

    Starts at rest and fires once for each time v rises through `spike_level`. `hopf()`,
    `snic()` and `homoclinic()` are the three ways in which firing begins.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `g_ca`, `g_k`, `g_l`: conductances, mS/cm2. `e_ca`, `e_k`, `e_l`: reversals, mV.
    - `c`: membrane capacitance, uF/cm2.
    - `v1`, `v3`: mV where half of calcium and potassium channels are open; `v2`, `v4`: mV,
      the width of these curves.
    - `phi`: least rate of n, 1/ms. `spike_level`: mV.

    Input: current, uA/cm2. Morris & Lecar 1981, Biophys. J. 35:193.
    """

    g_ca: Float[Array, "..."] = parameter(4.0, "mS/cm2", at_least=0)
    g_k: Float[Array, "..."] = parameter(8.0, "mS/cm2", at_least=0)
    g_l: Float[Array, "..."] = parameter(2.0, "mS/cm2", at_least=0)
    e_ca: Float[Array, "..."] = parameter(100.0, "mV")
    e_k: Float[Array, "..."] = parameter(-70.0, "mV")
    e_l: Float[Array, "..."] = parameter(-50.0, "mV")
    c: Float[Array, "..."] = parameter(20.0, "uF/cm2", above=0)
    v1: Float[Array, "..."] = parameter(0.0, "mV")
    v2: Float[Array, "..."] = parameter(15.0, "mV", above=0)
    v3: Float[Array, "..."] = parameter(10.0, "mV")
    v4: Float[Array, "..."] = parameter(10.0, "mV", above=0)
    phi: Float[Array, "..."] = parameter(0.1, "1/ms", above=0)
    spike_level: Float[Array, "..."] = parameter(0.0, "mV")
    integrator: AbstractIntegrator = integrate_with(RK4)

    @classmethod
    def hopf(cls, **changes) -> "MorrisLecar":
        """Firing begins at a finite rate, with a subcritical Hopf bifurcation near I = 94.

        Rinzel & Ermentrout 1998, Methods in Neuronal Modeling, 2nd ed., ch. 7.
        """
        own = {"g_ca": 4.4, "e_ca": 120.0, "e_k": -84.0, "e_l": -60.0, "phi": 0.04}
        return cls(**{**own, "v1": -1.2, "v2": 18.0, "v3": 2.0, "v4": 30.0, **changes})

    @classmethod
    def snic(cls, **changes) -> "MorrisLecar":
        """Firing begins at rate 0, with a saddle-node on an invariant circle near I = 40.

        Rinzel & Ermentrout 1998, as in `hopf`.
        """
        own = {"g_ca": 4.0, "v3": 12.0, "v4": 17.4, "phi": 1 / 15}
        return cls.hopf(**{**own, **changes})

    @classmethod
    def homoclinic(cls, **changes) -> "MorrisLecar":
        """As `snic`, but with a faster n: the cycle ends in a homoclinic orbit of the saddle.

        A cell can rest or fire at the same current. Rinzel & Ermentrout 1998, as in `hopf`.
        """
        return cls.snic(**{"phi": 0.23, **changes})

    def m_inf(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Open part of the calcium channels at `v` (mV)."""
        return 0.5 * (1 + jnp.tanh((v - self.v1) / self.v2))

    def n_inf(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Where n settles at `v` (mV)."""
        return 0.5 * (1 + jnp.tanh((v - self.v3) / self.v4))

    def rest(self) -> MorrisLecarState:
        e = (self.e_ca, self.e_k, self.e_l)
        low, high = functools.reduce(jnp.minimum, e), functools.reduce(jnp.maximum, e)
        v = lowest_root(self.steady_current, low, high)
        return MorrisLecarState(v, self.n_inf(v))

    def derivative(self, state, current):
        n_rate = self.phi * jnp.cosh((state.v - self.v3) / (2 * self.v4))
        return {
            "v": (current - sum(self.currents(state).values())) / self.c,
            "n": n_rate * (self.n_inf(state.v) - state.n),
        }

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, self.spike_level)

    def currents(self, state: Any) -> dict[str, Array]:
        """Outward current of each channel, uA/cm2, in a state or in traces by name."""
        x = state if isinstance(state, Mapping) else state._asdict()
        v, n = x["v"], x["n"]
        return {
            "ca": self.g_ca * self.m_inf(v) * (v - self.e_ca),
            "k": self.g_k * n * (v - self.e_k),
            "l": self.g_l * (v - self.e_l),
        }

    def steady_current(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The current that holds the cell at `v` (mV), uA/cm2; 0 at rest."""
        return sum(self.currents(MorrisLecarState(v, self.n_inf(v))).values())
