"""SPAN: the delta rule on spike trains that a kernel has made continuous."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.rule import AbstractRule, Seen


class Train(NamedTuple):
    """Sums over earlier spikes at lag s."""

    sum: Array  # of exp(-s / tau)
    lagged: Array  # of s exp(-s / tau), ms

    def decay(self, tau, dt):
        kept = jnp.exp(-dt / tau)
        return Train(self.sum * kept, (self.lagged + dt * self.sum) * kept)

    def add(self, spikes):
        return Train(self.sum + spikes, self.lagged)


class SpanTraces(NamedTuple):
    x: Train  # of the source
    y: Train  # of target less output spikes


class SPAN(AbstractRule):
    r"""Spike pattern association: the delta rule of filtered trains.

    $$\Delta w = \eta \int (k * x)(k * y_d - k * y_o) \, dt, \qquad
      k(t) = \frac{e}{\tau} t \, e^{-t / \tau}$$

    The integral is taken exactly, at any step, as the sum over pairs of an input spike with a
    target spike (and less that over pairs with an output spike) at distance d,

    $$\Delta w = \eta \Bigl( \frac{e}{2} \Bigr)^2 \sum (|d| + \tau) e^{-|d| / \tau},$$

    each added as the later one comes; here pairs at zero lag count too.

    - `eta`: units of the weight per ms. `tau`: ms, above 0.

    The modulator "target" holds the wanted spikes, one value a target neuron.

    Mohemmed, Schliebs, Matsuda & Kasabov 2012, Int. J. Neural Syst. 22:1250012.
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)

    eta: Float[Array, ""] = parameter(1e-3, "1/ms", per_neuron=False)
    tau: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def traces(self, pre, post, dt):
        return SpanTraces(Train(pre, pre), Train(post, post))

    def observe(self, traces: SpanTraces, signals, dt):
        error = signals.modulators["target"] - signals.post
        x = traces.x.decay(self.tau, dt).add(signals.pre)
        y = traces.y.decay(self.tau, dt)
        # One side with the present spikes and one without: a pair at zero lag counts once.
        return Seen(signals.pre, error, x, y), SpanTraces(x, y.add(error))

    def on_pre(self, w, pre, post):
        return self.window(post)

    def on_post(self, w, pre, post):
        return self.window(pre)

    def window(self, other: Train) -> Array:
        """What a spike makes of those of the other side before it."""
        return self.eta * (jnp.e / 2) ** 2 * (other.lagged + self.tau * other.sum)
