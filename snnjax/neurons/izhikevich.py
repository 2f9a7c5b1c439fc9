"""Izhikevich's simple model of spiking neurons."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, SequentialEuler
from snnjax.core.neuron import AbstractFiringNeuron, fires_at
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold

# The two published orders of update. Neither tests for a spike between its half steps.
IZHIKEVICH_2003 = SequentialEuler(("v", "v", "u"))
IZHIKEVICH_2004 = SequentialEuler(("v", "u"))


class IzhikevichState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    u: Float[Array, "*n"]  # mV/ms, recovery: activated K and inactivated Na current
    refractory: Float[Array, "*n"] | None  # ms left to wait; None unless t_ref is given


class Izhikevich(AbstractFiringNeuron[IzhikevichState]):
    r"""Izhikevich's simple model: a quadratic integrate-and-fire neuron with recovery.

    $$dv/dt = 0.04 v^2 + 5 v + 140 - u + I, \quad du/dt = a (b v - u)$$

    $$v \ge 30 : \quad v \leftarrow c, \quad u \leftarrow u + d$$

    u lumps the activation of K+ and the inactivation of Na+ currents. In general, as the
    2004 paper needs for three of its twenty patterns,

    $$dv/dt = k_2 v^2 + k_1 v + k_0 - u + I, \quad du/dt = a (b (v - v_u) - \lambda u)$$

    **Arguments**, each a scalar or an array with one value a neuron:

    - `a`: rate of recovery, 1/ms. `b`: its sensitivity to v, 1/ms.
    - `c`: v after a spike, mV (also read as `v_reset`). `d`: what a spike adds to u, mV/ms.
    - `quadratic`, `linear`, `constant`: $k_2$ 1/(mV ms), $k_1$ 1/ms, $k_0$ mV/ms.
    - `v_u`: $v_u$, mV. `u_decay`: $\lambda$; 0 leaves out -u (accommodation in the 2004 paper).
    - `v_start`: v at the start, mV; above $I$ = 4 there is no rest. `u_start`: u at the start,
      mV/ms; None is $b\,$ `v_start`.
    - `threshold`, `t_ref`, `reset_mode`, `detach_reset`: see `AbstractFiringNeuron`; the peak
      of the spike, 30 mV, and no refractory time.
    - `integrator`: `IZHIKEVICH_2004` (Euler, v first, then u with the new v), the scheme of
      the published scripts, by default; `IZHIKEVICH_2003` is that of the network paper
      (two half steps of v, then u, at dt = 1 ms). Counts of spikes belong to scheme and dt.
      The scripts of 2004 test v > 30, the network paper v >= 30, as here: v met 30 exactly
      in none of their runs.

    Input: current, mV/ms (the papers give no unit).
    Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569; 2004, ibid. 15:1063.
    """

    a: Float[Array, "..."] = parameter(0.02, "1/ms")
    b: Float[Array, "..."] = parameter(0.2, "1/ms")
    c: Float[Array, "..."] = parameter(-65.0, "mV")
    d: Float[Array, "..."] = parameter(8.0, "mV/ms")
    quadratic: Float[Array, "..."] = parameter(0.04, "1/(mV ms)", kw_only=True)
    linear: Float[Array, "..."] = parameter(5.0, "1/ms", kw_only=True)
    constant: Float[Array, "..."] = parameter(140.0, "mV/ms", kw_only=True)
    v_u: Float[Array, "..."] = parameter(0.0, "mV", kw_only=True)
    u_decay: Float[Array, "..."] = parameter(1.0, "", kw_only=True)
    v_start: Float[Array, "..."] = parameter(-70.0, "mV", kw_only=True)
    u_start: Float[Array, "..."] | None = parameter(None, "mV/ms", kw_only=True)
    threshold: Threshold = fires_at(30.0)
    integrator: AbstractIntegrator = eqx.field(default=IZHIKEVICH_2004, kw_only=True)

    # The reset potential has one name here, c, and is one leaf.
    v_reset: ClassVar[Any] = property(lambda self: self.c)  # pyright: ignore

    @classmethod
    def regular_spiking(cls, **changes) -> "Izhikevich":
        """The most common excitatory cell of the cortex: spikes with adaptation."""
        return cls(**{**dict(a=0.02, b=0.2, c=-65.0, d=8.0), **changes})

    @classmethod
    def intrinsically_bursting(cls, **changes) -> "Izhikevich":
        """A burst at the onset of a current, then single spikes."""
        return cls(**{**dict(a=0.02, b=0.2, c=-55.0, d=4.0), **changes})

    @classmethod
    def chattering(cls, **changes) -> "Izhikevich":
        """Bursts of closely spaced spikes, one after the other."""
        return cls(**{**dict(a=0.02, b=0.2, c=-50.0, d=2.0), **changes})

    @classmethod
    def fast_spiking(cls, **changes) -> "Izhikevich":
        """An inhibitory cell that fires at high rate without adaptation."""
        return cls(**{**dict(a=0.1, b=0.2, c=-65.0, d=2.0), **changes})

    @classmethod
    def low_threshold_spiking(cls, **changes) -> "Izhikevich":
        """An inhibitory cell with a low threshold and adaptation."""
        return cls(**{**dict(a=0.02, b=0.25, c=-65.0, d=2.0, v_start=-64.0), **changes})

    @classmethod
    def resonator(cls, **changes) -> "Izhikevich":
        """A cell with damped oscillations below threshold."""
        return cls(**{**dict(a=0.1, b=0.26, c=-65.0, d=2.0, v_start=-62.0), **changes})

    @classmethod
    def thalamo_cortical(cls, **changes) -> "Izhikevich":
        """Tonic firing when depolarised, a rebound burst after hyperpolarisation."""
        return cls(**{**dict(a=0.02, b=0.25, c=-65.0, d=0.05, v_start=-64.0), **changes})

    @classmethod
    def excitatory(cls, r, **changes) -> "Izhikevich":
        """The excitatory cells of the 2003 network: `r` in 0..1, one a neuron.

        From regular spiking (r = 0) to chattering (r = 1), with the network's scheme.
        """
        c, d = -65.0 + 15.0 * r**2, 8.0 - 6.0 * r**2
        scheme = dict(v_start=-65.0, integrator=IZHIKEVICH_2003)
        return cls(**{**dict(a=0.02, b=0.2, c=c, d=d), **scheme, **changes})

    @classmethod
    def inhibitory(cls, r, **changes) -> "Izhikevich":
        """The inhibitory cells of the 2003 network: `r` in 0..1, one a neuron.

        From low-threshold spiking (r = 0) to fast spiking (r = 1), with the network's scheme.
        """
        a, b = 0.02 + 0.08 * r, 0.25 - 0.05 * r
        scheme = dict(v_start=-65.0, integrator=IZHIKEVICH_2003)
        return cls(**{**dict(a=a, b=b, c=-65.0, d=2.0), **scheme, **changes})

    def rest(self) -> IzhikevichState:
        u = self.b * self.v_start if self.u_start is None else self.u_start
        return IzhikevichState(self.v_start, u, self.free_to_fire())

    def derivative(self, state, current):
        v, u = state.v, state.u
        parabola = self.quadratic * v * v + self.linear * v + self.constant
        recovery = self.b * (v - self.v_u) - self.u_decay * u
        return {"v": parabola - u + current, "u": self.a * recovery}

    def jumps(self, state):
        return {"u": state.u + self.d}
