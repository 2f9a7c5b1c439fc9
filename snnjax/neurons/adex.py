"""Adaptive exponential integrate-and-fire neuron."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Heun
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold
from snnjax.neurons.exponential_if import spike_pull


class _Preset(NamedTuple):
    c_m: float  # pF
    g_l: float  # nS
    e_l: float  # mV
    a: float  # nS
    tau_w: float  # ms
    b: float  # pA
    v_reset: float  # mV
    current: float  # pA, with which the pattern shows


# Naud et al. 2008, Biol. Cybern. 99:335, table 1; v_t is -50 mV and delta_t 2 mV throughout.
_NAUD = {
    "tonic": _Preset(200, 10, -70, 2, 30, 0, -58, 500),
    "adaptation": _Preset(200, 12, -70, 2, 300, 60, -58, 500),
    "initial_burst": _Preset(130, 18, -58, 4, 150, 120, -50, 400),
    "regular_bursting": _Preset(200, 10, -58, 2, 120, 100, -46, 210),
    "delayed_accelerating": _Preset(200, 12, -70, -10, 300, 0, -58, 300),
    "delayed_regular_bursting": _Preset(100, 10, -65, -10, 90, 30, -47, 110),
    "transient": _Preset(100, 10, -65, 10, 90, 100, -47, 180),
    "irregular": _Preset(100, 12, -60, -11, 130, 30, -48, 160),
}

ADEX_CURRENTS = {name: float(p.current) for name, p in _NAUD.items()}  # pA


class AdExState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    w: Float[Array, "*n"]  # pA, the adaptation current
    refractory: Float[Array, "*n"] | None  # ms left to wait; None unless t_ref is given


class AdEx(AbstractFiringNeuron[AdExState]):
    r"""Adaptive exponential integrate-and-fire neuron.

    $$C \, dv/dt = -g_l (v - e_l) + g_l \Delta_T e^{(v - v_T) / \Delta_T} - w + I, \quad
    \tau_w \, dw/dt = a (v - e_l) - w$$

    $$v \ge \text{threshold} : \quad v \leftarrow v_{reset}, \quad w \leftarrow w + b$$

    So that nothing overflows, slopes are those at the threshold wherever v is above it (in
    the stages of a step, as its end is reset), and the exponent is at most 30.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `c_m`: capacitance, pF. `g_l`: leak conductance, nS. Both above 0.
    - `e_l`: leak reversal, mV. `v_t`: where the exponential balances the leak's slope, mV.
    - `delta_t`: sharpness of the onset of a spike, mV, above 0.
    - `a`: adaptation to the potential, nS. `tau_w`: its time constant, ms, above 0.
    - `b`: what a spike adds to w, pA.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; the peak of the spike, 0 mV, -70.6 mV, no refractory time.

    Input: current, pA. The class methods are the eight patterns of Naud et al. 2008, Biol.
    Cybern. 99:335, each under the current of `ADEX_CURRENTS`; the defaults are those of the
    source, Brette & Gerstner 2005, J. Neurophysiol. 94:3637.
    """

    c_m: Float[Array, "..."] = parameter(281.0, "pF", above=0)
    g_l: Float[Array, "..."] = parameter(30.0, "nS", above=0)
    e_l: Float[Array, "..."] = parameter(-70.6, "mV")
    v_t: Float[Array, "..."] = parameter(-50.4, "mV")
    delta_t: Float[Array, "..."] = parameter(2.0, "mV", above=0)
    a: Float[Array, "..."] = parameter(4.0, "nS")
    tau_w: Float[Array, "..."] = parameter(144.0, "ms", above=0)
    b: Float[Array, "..."] = parameter(80.5, "pA")
    threshold: Threshold = fires_at(0.0)
    v_reset: Float[Array, "..."] = parameter(-70.6, "mV", kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Heun)

    @classmethod
    def _naud(cls, name: str, changes) -> "AdEx":
        table = _NAUD[name]._asdict()
        del table["current"]
        return cls(**{**table, **dict(v_t=-50.0, delta_t=2.0), **changes})

    @classmethod
    def tonic(cls, **changes) -> "AdEx":
        """Regular spikes at 500 pA, as a fast-spiking cell."""
        return cls._naud("tonic", changes)

    @classmethod
    def adaptation(cls, **changes) -> "AdEx":
        """Interspike intervals that grow from 11 to 76 ms at 500 pA."""
        return cls._naud("adaptation", changes)

    @classmethod
    def initial_burst(cls, **changes) -> "AdEx":
        """A burst, then single spikes, at 400 pA."""
        return cls._naud("initial_burst", changes)

    @classmethod
    def regular_bursting(cls, **changes) -> "AdEx":
        """Bursts of two spikes at 210 pA."""
        return cls._naud("regular_bursting", changes)

    @classmethod
    def delayed_accelerating(cls, **changes) -> "AdEx":
        """Interspike intervals that shrink from 21 to 10 ms at 300 pA."""
        return cls._naud("delayed_accelerating", changes)

    @classmethod
    def delayed_regular_bursting(cls, **changes) -> "AdEx":
        """Bursts of four spikes at 110 pA."""
        return cls._naud("delayed_regular_bursting", changes)

    @classmethod
    def transient(cls, **changes) -> "AdEx":
        """A single spike at the onset of 180 pA."""
        return cls._naud("transient", changes)

    @classmethod
    def irregular(cls, **changes) -> "AdEx":
        """Deterministic chaos at 160 pA: stuttering groups of spikes, CV about 0.6."""
        return cls._naud("irregular", changes)

    def rest(self) -> AdExState:
        return AdExState(self.e_l, jnp.zeros_like(self.b), self.free_to_fire())

    def derivative(self, state, current):
        v = jnp.minimum(state.v, self.level(state))
        pull = -(v - self.e_l) + spike_pull(v, self.v_t, self.delta_t)
        return {
            "v": (self.g_l * pull - state.w + current) / self.c_m,
            "w": (self.a * (v - self.e_l) - state.w) / self.tau_w,
        }

    def jumps(self, state):
        return {"w": state.w + self.b}
