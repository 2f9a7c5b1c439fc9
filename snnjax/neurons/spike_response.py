"""Spike response model."""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import one_of
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, waiting
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold
from snnjax.neurons.lif import LIF


class SpikeResponseState(NamedTuple):
    v: Float[Array, "*n"]  # mV, the sum of the responses
    h: Float[Array, "*n"]  # mV, response to the current and the slow part of PSPs
    eta: Float[Array, "*n"]  # mV, response to the neuron's own spikes
    fast: Float[Array, "*n"] | None  # mV, the part of PSPs that decays with tau_syn
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class SpikeResponse(AbstractFiringNeuron[SpikeResponseState]):
    r"""Spike response model (SRM) with exponential kernels.

    $$v(t) = e_l + \sum_f \eta(t - t_f) + \sum_j w_j \, \varepsilon(t - t_j)
    + \int_0^\infty \kappa(s) I(t - s) ds$$

    $$\eta(s) = \eta_0 e^{-s / \tau_\eta}, \quad
    \varepsilon(s) = e^{-s / \tau_m} - e^{-s / \tau_{syn}}, \quad
    \kappa(s) = e^{-s / \tau_m} / (\tau_m g_l)$$

    with own spikes $t_f$ and arriving spikes $t_j$. Each sum is carried as one variable that
    decays, which is exact for any dt; a spike leaves v where the kernels put it. `memory`
    says what becomes of the past at a spike:

    - `"all"`: nothing is forgotten, and $\eta$ sums over all own spikes.
    - `"last"`: $\eta$ counts from the last spike alone (SRM0).
    - `"reset"`: so it does, and the other kernels forget what came before the last spike and
      its refractory time; $\eta_0$ is then v just after a spike, from `e_l`.

    `SpikeResponse.of_lif` chooses the kernels with which it fires like a `LIF`, spike for
    spike: all with a reset by subtraction, reset with one to a value.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_m`: membrane time constant, ms. `g_l`: leak conductance, nS. Both above 0. `e_l`: mV.
    - `eta_0`: $\eta_0$, mV. `tau_eta`: its time constant, ms, above 0.
    - `tau_syn`: rise time constant of the PSP, ms, above 0; None leaves synapses out.
    - `threshold`, `t_ref`, `detach_reset`: see `AbstractFiringNeuron`; -55 mV, None. Nothing
      fires within `t_ref`, but only `memory="reset"` holds v.

    Input: current, pA; with `tau_syn` a pair, the current and the summed weights (mV) of the
    spikes that arrive at the start of the step.
    Gerstner & Kistler 2002, Spiking Neuron Models, ch. 4; Gerstner et al. 2014, Neuronal
    Dynamics, ch. 6.
    """

    tau_m: Float[Array, "..."] = parameter(10.0, "ms", above=0)
    g_l: Float[Array, "..."] = parameter(10.0, "nS", above=0)
    e_l: Float[Array, "..."] = parameter(-75.0, "mV")
    eta_0: Float[Array, "..."] = parameter(-20.0, "mV", kw_only=True)
    tau_eta: Float[Array, "..."] = parameter(10.0, "ms", above=0, kw_only=True)
    tau_syn: Float[Array, "..."] | None = parameter(None, "ms", above=0, kw_only=True)
    memory: Literal["all", "last", "reset"] = eqx.field(
        default="all", static=True, kw_only=True
    )
    threshold: Threshold = fires_at(-55.0)

    # What a spike does to v is said by the kernels.
    v_reset: ClassVar[None] = None
    reset_mode: ClassVar[str] = "none"

    def __check_init__(self):
        one_of(self.memory, ["all", "last", "reset"], "SpikeResponse.memory")

    @classmethod
    def of_lif(cls, lif: LIF, **changes) -> "SpikeResponse":
        """The kernels with which it fires as `lif` does, spike for spike."""
        one_of(
            lif.reset_mode, ["value", "subtract"], "SpikeResponse.of_lif: lif.reset_mode"
        )
        value = lif.reset_mode == "value"
        if not value and lif.t_ref is not None:
            raise ValueError(
                "SpikeResponse.of_lif: a LIF with reset_mode='subtract' must have t_ref=None, "
                f"got {lif.t_ref} ms: kernels that forget nothing cannot hold v."
            )
        membrane = dict(tau_m=lif.tau_m, g_l=lif.g_l, e_l=lif.e_l, tau_eta=lif.tau_m)
        spike = dict(
            eta_0=lif.v_reset - (lif.e_l if value else lif.threshold.level),
            memory="reset" if value else "all",
        )
        firing = dict(
            threshold=lif.threshold, t_ref=lif.t_ref, detach_reset=lif.detach_reset
        )
        return cls(**{**membrane, **spike, **firing, **changes})

    def rest(self) -> SpikeResponseState:
        zero = jnp.zeros_like(self.e_l)
        fast = None if self.tau_syn is None else zero
        return SpikeResponseState(self.e_l, zero, zero, fast, self.free_to_fire())

    def derivative(self, state, current):
        slopes = {
            "h": (current / self.g_l - state.h) / self.tau_m,
            "eta": -state.eta / self.tau_eta,
        }
        if self.tau_syn is not None:
            slopes["fast"] = -state.fast / self.tau_syn
        return slopes

    def total(self, h, eta, fast):
        """v as the sum of the responses, mV."""
        return self.e_l + h + eta - (0 if fast is None else fast)

    def adjust(self, before, after, dt):
        h, eta, fast = after.h, after.eta, after.fast
        if self.memory == "reset" and before.refractory is not None:
            wait = waiting(before, dt)
            h = jnp.where(wait, self.forgotten(after), h)
            eta = jnp.where(wait, before.eta, eta)
        return after._replace(v=self.total(h, eta, fast), h=h, eta=eta)

    def forgotten(self, state):
        """h without the input so far: what arrives as PSPs from now on cancels `fast`."""
        return jnp.zeros_like(state.h) if state.fast is None else state.fast

    def jumps(self, state):
        h = self.forgotten(state) if self.memory == "reset" else state.h
        eta = (
            state.eta if self.memory == "all" else jnp.zeros_like(state.eta)
        ) + self.eta_0
        return {"v": self.total(h, eta, state.fast), "h": h, "eta": eta}

    def step(self, state, input, dt):
        """Advance by `dt` (ms) with `input` as the class says: (new state, spikes)."""
        if self.tau_syn is None:
            return super().step(state, input, dt)
        current, arriving = input
        arrived = state._replace(h=state.h + arriving, fast=state.fast + arriving)
        return super().step(arrived, current, dt)
