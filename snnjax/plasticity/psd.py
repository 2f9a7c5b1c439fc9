"""Precise-spike-driven plasticity."""

from typing import ClassVar

from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.potentials import Potential, check_order
from snnjax.plasticity.rule import AbstractRule, Seen


class PSD(AbstractRule):
    r"""Precise-spike-driven rule: target and output spikes read the postsynaptic current.

    $$\frac{dw}{dt} = \eta [S_d(t) - S_o(t)] I_{PSC}(t), \qquad I_{PSC}(t) = V_0 \sum_{t_i < t}
      \bigl( e^{-(t - t_i) / \tau_m} - e^{-(t - t_i) / \tau_s} \bigr)$$

    over the spikes of the source, with $V_0$ such that one spike peaks at 1.

    - `eta`: units of the weight.
    - `tau_m`, `tau_s`: of the slow decay and of the fast rise, ms; 0 < `tau_s` < `tau_m`.

    The modulator "target" holds the wanted spikes, one value a target neuron.

    Yu, Tang, Tan & Li 2013, PLoS ONE 8:e78318.
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)

    eta: Float[Array, ""] = parameter(0.01, per_neuron=False)
    tau_m: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    tau_s: Float[Array, ""] = parameter(2.5, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def __check_init__(self):
        check_order(self)

    def traces(self, pre, post, dt):
        return Potential(pre, pre)

    def observe(self, traces: Potential, signals, dt):
        x = traces.decay(self, dt)
        error = signals.modulators["target"] - signals.post
        return Seen(None, error, x.value(self), ()), x.add(signals.pre)

    def on_post(self, w, pre, post):
        return self.eta * pre
