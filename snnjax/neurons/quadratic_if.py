"""Quadratic integrate-and-fire neuron."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Exact
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold


class QuadraticIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    refractory: Float[Array, "*n"] | None  # ms left to wait; None unless t_ref is given


class QuadraticIF(AbstractFiringNeuron[QuadraticIFState]):
    r"""Quadratic integrate-and-fire neuron, the normal form of class 1 excitability.

    $$\tau_m \, dv/dt = a_0 (v - v_{rest}) (v - v_{crit}) + R I$$

    Above the rheobase, $R I > a_0 (v_{crit} - v_{rest})^2 / 4$, v runs to infinity in finite
    time, and fires at `threshold`. The step is exact for constant current: dt limits the
    precision of spike times, not of v. Where v reaches infinity within the step, it is put
    as far above the threshold as that is above the middle of $v_{rest}$ and $v_{crit}$.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_m`: membrane time constant, ms. `a0`: curvature, 1/mV. Both above 0.
    - `v_rest`: rest without current, mV. `v_crit`: mV; from above it v runs away.
    - `r_m`: input resistance, GOhm, above 0.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; the peak of the spike, -30 mV, and -60 mV.

    Input: current, pA. Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233; Latham et al.
    2000, J. Neurophysiol. 83:808.
    """

    tau_m: Float[Array, "..."] = parameter(10.0, "ms", above=0)
    a0: Float[Array, "..."] = parameter(0.07, "1/mV", above=0)
    v_rest: Float[Array, "..."] = parameter(-65.0, "mV")
    v_crit: Float[Array, "..."] = parameter(-50.0, "mV")
    r_m: Float[Array, "..."] = parameter(0.1, "GOhm", above=0)
    threshold: Threshold = fires_at(-30.0)
    v_reset: Float[Array, "..."] = parameter(-60.0, "mV", kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Exact)

    @classmethod
    def normal_form(cls, tau_m=1.0, v_peak=1000.0, **changes) -> "QuadraticIF":
        r"""$\tau_m \, dv/dt = v^2 + I$ without units, from `-v_peak` up to `v_peak`.

        Its period tends to $\pi \tau_m / \sqrt I$ as `v_peak` grows; it is shorter by about
        $2 \tau_m /$ `v_peak`.
        """
        unity = dict(tau_m=tau_m, a0=1.0, v_rest=0.0, v_crit=0.0, r_m=1.0)
        spike = dict(threshold=Threshold(v_peak), v_reset=-v_peak)
        return cls(**{**unity, **spike, **changes})

    def rest(self) -> QuadraticIFState:
        return QuadraticIFState(self.v_rest, self.free_to_fire())

    def derivative(self, state, current):
        parabola = self.a0 * (state.v - self.v_rest) * (state.v - self.v_crit)
        return {"v": (parabola + self.r_m * current) / self.tau_m}

    def solution(self, state, current, dt):
        """v after dt (ms) of constant current, without a spike."""
        middle = 0.5 * (self.v_rest + self.v_crit)
        drive = self.r_m * current - self.a0 * (0.5 * (self.v_crit - self.v_rest)) ** 2
        # x = v - middle follows tau_m x' = a0 x^2 + drive, a Riccati equation: its solution
        # turns about a circle above the rheobase and relaxes along a hyperbola below.
        x, t = state.v - middle, dt / self.tau_m
        cos, sinc = _cos_sinc(self.a0 * drive * t**2)
        above = x * cos + drive * t * sinc
        below = cos - self.a0 * x * t * sinc  # 0 where x gets to infinity
        level = self.level(state)
        highest = level + jnp.abs(level - middle) - middle
        # True as well where v has gone through infinity and comes back from below.
        gone = (above >= highest * below) | (self.a0 * drive * t**2 >= math.pi**2)
        return {"v": middle + jnp.where(gone, highest, above / jnp.where(gone, 1.0, below))}


def _cos_sinc(q):
    """cos r and sin(r) / r with r^2 = q; for q < 0 both divided by cosh |r|, so that none
    overflows."""
    near = jnp.abs(q) < 1e-3
    r = jnp.sqrt(jnp.where(near, 1.0, jnp.abs(q)))
    cos = jnp.where(q > 0, jnp.cos(r), 1.0)
    sinc = jnp.where(q > 0, jnp.sin(r), jnp.tanh(r)) / r
    cos_near = 1 - q / 2 * (1 - q / 12 * (1 - q / 30))
    sinc_near = 1 - q / 6 * (1 - q / 20 * (1 - q / 42))
    return jnp.where(near, cos_near, cos), jnp.where(near, sinc_near, sinc)
