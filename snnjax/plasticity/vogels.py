"""Plasticity of inhibitory synapses that balances excitation."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals
from snnjax.plasticity.stdp import PairTraces


class InhibitorySTDP(AbstractRule):
    r"""Inhibitory plasticity by near-coincidence: it brings targets to a rate.

    With traces x and y of the spikes of source and target, which fall with $\tau$,

    $$\text{at a spike of the source: } w \leftarrow w + \eta (y - \alpha), \quad
      \text{of the target: } w \leftarrow w + \eta x, \qquad \alpha = 2 \rho_0 \tau.$$

    Each pair of spikes adds $\eta e^{-|\Delta t| / \tau}$, in whatever order, and each spike of
    the source takes away $\eta \alpha$. Uncorrelated spikes leave the weight on average where it
    is if the target fires at $\rho_0$; more of its spikes give more inhibition.

    - `eta`: in units of the weight, of synapses whose weight counts inhibition up from 0; of
      synapses that inhibit by weights below 0, a negative `eta` (and such `bounds`).
    - `tau`: ms, above 0. `rate_hz`: $\rho_0$, the target rate, Hz.

    Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569.
    """

    eta: Float[Array, ""] = parameter(0.01, per_neuron=False)
    tau: Float[Array, ""] = parameter(20.0, "ms", above=0, per_neuron=False)
    rate_hz: Float[Array, ""] = parameter(5.0, "Hz", at_least=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)

    @property
    def alpha(self) -> Float[Array, ""]:
        """What a spike of the source takes away, in units of eta."""
        return 2 * self.rate_hz * self.tau / 1000

    def traces(self, pre, post, dt):
        return PairTraces(pre, post)

    def observe(self, traces: PairTraces, signals: Signals, dt):
        decay = jnp.exp(-dt / self.tau)
        x, y = traces.x * decay, traces.y * decay
        after = PairTraces(x + signals.pre, y + signals.post)
        # The window has its peak at 0: two spikes in one step count, once.
        return Seen(signals.pre, signals.post, after.x, y), after

    def on_pre(self, w, pre, post):
        return self.eta * (post - self.alpha)

    def on_post(self, w, pre, post):
        return self.eta * pre
