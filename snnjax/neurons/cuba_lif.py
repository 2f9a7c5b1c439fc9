"""Leaky integrate-and-fire neuron with current-based synapses."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.linear import divided_exp
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold
from snnjax.neurons.lif import AbstractLeakyNeuron


class CubaLIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    i_syn: Float[Array, "*n"]  # pA
    i_inh: Float[Array, "*n"] | None  # pA; None with one synaptic current
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class CubaLIF(AbstractLeakyNeuron[CubaLIFState]):
    r"""Leaky integrate-and-fire neuron with exponential synaptic currents (CUBA).

    $$\tau_m \, dv/dt = -(v - e_l) + (I_{syn} + I_{bias}) / g_l, \quad
    \tau_{syn} \, dI_{syn}/dt = -I_{syn}$$

    An arriving spike of weight w (pA) adds w to $I_{syn}$ at the start of its step. Potential
    and current advance together, exactly for any dt, and also where the time constants are
    equal: after s ms that spike has moved v by
    $\frac{w}{g_l} \frac{\tau_{syn}}{\tau_m - \tau_{syn}} (e^{-s/\tau_m} - e^{-s/\tau_{syn}})$,
    at most after $\frac{\tau_m \tau_{syn}}{\tau_m - \tau_{syn}} \ln (\tau_m / \tau_{syn})$.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_syn`: synaptic time constant, ms. `tau_inh`: of a second, inhibitory current, ms;
      None leaves it out. Both above 0.
    - `bias`: constant current, pA.
    - `tau_m`, `g_l`, `e_l`, `threshold`, `v_reset`, `t_ref` and resets: as `LIF`.

    Input: the summed weights of the spikes that arrive in the step, pA; with `tau_inh` a pair
    of these, the first for `tau_syn` (inhibitory weights are negative).
    Rotter & Diesmann 1999, Biol. Cybern. 81:381; Brette et al. 2007, J. Comput. Neurosci.
    23:349.
    """

    tau_syn: Float[Array, "..."] = parameter(3.0, "ms", above=0, kw_only=True)
    tau_inh: Float[Array, "..."] | None = parameter(None, "ms", above=0, kw_only=True)
    bias: Float[Array, "..."] = parameter(0.0, "pA", kw_only=True)

    @classmethod
    def vogels_abbott(cls, **changes) -> "CubaLIF":
        """The neuron of the CUBA benchmark: rest above threshold, excitation and inhibition.

        Its weights of 1.62 and -9 mV are 16.2 and -90 pA at the `g_l` of 10 nS. Vogels &
        Abbott 2005, J. Neurosci. 25:10786, as in Brette et al. 2007.
        """
        cell = dict(tau_m=20.0, g_l=10.0, e_l=-49.0, v_reset=-60.0, t_ref=5.0)
        synapses = dict(tau_syn=5.0, tau_inh=10.0, threshold=Threshold(-50.0))
        return cls(**{**cell, **synapses, **changes})

    def rest(self) -> CubaLIFState:
        none = jnp.zeros_like(self.bias)
        i_inh = None if self.tau_inh is None else none
        return CubaLIFState(self.e_l, none, i_inh, self.free_to_fire())

    def _synapses(self, state: CubaLIFState) -> dict[str, tuple[Any, Any]]:
        """Each synaptic current, by name, with its time constant."""
        currents = {"i_syn": (state.i_syn, self.tau_syn)}
        if self.tau_inh is not None:
            currents["i_inh"] = (state.i_inh, self.tau_inh)
        return currents

    def derivative(self, state, current):
        synapses = self._synapses(state)
        total = current + sum(i for i, _ in synapses.values())
        decay = {name: -i / tau for name, (i, tau) in synapses.items()}
        return super().derivative(state, total) | decay

    def solution(self, state, current, dt):
        after = super().solution(state, current, dt)
        for name, (i, tau) in self._synapses(state).items():
            reached = dt / self.tau_m * divided_exp(-dt / tau, -dt / self.tau_m)
            after["v"] = after["v"] + i / self.g_l * reached
            after[name] = i * jnp.exp(-dt / tau)
        return after

    def advance(self, state, input, dt):
        """The state `dt` (ms) after the arrival of `input` (pA), before any spike."""
        if self.tau_inh is None:
            arrived = state._replace(i_syn=state.i_syn + input)
        else:
            exc, inh = input
            arrived = state._replace(i_syn=state.i_syn + exc, i_inh=state.i_inh + inh)
        return super().advance(arrived, self.bias, dt)
