"""A gradient as a local rule: eligibility of a synapse, times an error that its target is told."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.core.surrogates import AbstractSurrogate, SuperSpike
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.rule import AbstractRule, Seen


class Slope(NamedTuple):
    """What a target shows."""

    psi: Float[Array, "n_post"]  # 1/mV, the slope of its spike
    error: Float[Array, "n_post"]


class ThreeFactor(AbstractRule):
    r"""Eligibility times an error signal: e-prop, or with `tau_out=None` OTTT.

    $$\Delta w_{ij} = - \eta \, L_j \, \bar e_{ij}, \qquad
      \bar e_{ij}(t) = e^{-dt / \tau_{out}} \, \bar e_{ij}(t - dt) + \psi_j \, x_i, \qquad
      \psi_j = \psi(v_j - level)$$

    in each step, x being the trace of the source's spikes, which falls with $\tau_m$ as the
    potential that each of them leaves, and $\psi$ the surrogate slope. For one layer of `LIF`
    with `Delta` receptors whose resets subtract and are detached it is the gradient of
    $\sum_t L(t) \cdot y(t)$, where y is the spikes, or their trace with `tau_out`. `EProp` and
    `OTTT` of `online_gradient` are the same for layers, with errors that they find themselves.

    - `eta`: mV, in units of the weight. `tau_m`, `tau_out`: ms, above 0; of the neuron, and of what
      reads it.
    - `level`: mV, the threshold. `drop`: mV, by how much a spike has lowered v by the end of its
      step; for a reset to a value about `level - v_reset`.
    - `surrogate`: of $\psi$.

    The modulator "error" is $L_j$, one value a target, such as by feedback weights from an output.

    Bellec et al. 2020, Nat. Commun. 11:3625 (e-prop); Xiao et al. 2022, NeurIPS (OTTT).
    """

    needs: ClassVar[tuple[str, ...]] = ("error",)
    needs_v: ClassVar[bool] = True

    eta: Float[Array, ""] = parameter(0.01, "mV", per_neuron=False)
    tau_m: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    tau_out: Float[Array, ""] | None = parameter(None, "ms", above=0, per_neuron=False)
    level: Float[Array, ""] = parameter(-55.0, "mV", per_neuron=False)
    drop: Float[Array, ""] = parameter(20.0, "mV", per_neuron=False)
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    bounds: AbstractBounds = eqx.field(default_factory=NoBounds)

    @property
    def by_event(self):
        return False

    def traces(self, pre, post, dt):
        return pre

    def own(self, w):
        return None if self.tau_out is None else jnp.zeros_like(w)

    def observe(self, traces: Array, signals, dt):
        x = traces * jnp.exp(-dt / self.tau_m)
        v = signals.v + self.drop * signals.post
        psi = self.surrogate.slope(v - self.level)
        seen = Seen(None, None, x, Slope(psi, signals.modulators["error"]))
        return seen, x + signals.pre

    def change(self, own, w, seen, dt):
        eligible = seen.post.psi * seen.pre
        if self.tau_out is not None:
            own = eligible = own * jnp.exp(-dt / self.tau_out) + eligible
        return own, self.bounds.apply(w, -self.eta * seen.post.error * eligible)
