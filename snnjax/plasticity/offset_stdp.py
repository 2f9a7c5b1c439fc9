"""Learning at spikes of the target alone, towards the sources that took part."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals


class OffsetSTDP(AbstractRule):
    r"""STDP at spikes of the target, with an offset: inputs that were silent lose.

    $$\Delta w = \eta \, (x_{pre} - x_{tar}) \quad \text{at a spike of the target},$$

    where the trace x of a source is set to 1 by its spikes and falls with $\tau$. Weights go to
    the sources that fire before the target more than $x_{tar}$ says, and so become a mean of
    what it answers to. The power of $w_{max} - w$ in the paper is left to `bounds`.

    - `eta`: in units of the weight. `x_target`: 0 .. 1. `tau`: ms, above 0.

    Diehl & Cook 2015, Front. Comput. Neurosci. 9:99 (equation 1); Querlioz, Bichler, Dollfus &
    Gamrat 2013, IEEE Trans. Nanotechnol. 12:288.
    """

    eta: Float[Array, ""] = parameter(0.01, per_neuron=False)
    x_target: Float[Array, ""] = parameter(0.4, per_neuron=False)
    tau: Float[Array, ""] = parameter(20.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)

    def traces(self, pre, post, dt):
        return pre

    def observe(self, traces: Array, signals: Signals, dt):
        x = traces * jnp.exp(-dt / self.tau)
        after = x * (1 - signals.pre) + signals.pre
        return Seen(signals.pre, signals.post, after, None), after

    def on_post(self, w, pre, post):
        return self.eta * (pre - self.x_target)
