"""SWAT: STDP whose window a sliding threshold moulds, learned by a training neuron."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen


class SwatTraces(NamedTuple):
    x: Float[Array, "n_pre"]  # of the source
    y: Float[Array, "n_post"]  # of the training neuron
    c: Float[Array, "n_post"]  # its activity


class SwatPost(NamedTuple):
    y: Float[Array, "n_post"]
    a_plus: Float[Array, "n_post"]
    label: Float[Array, "n_post"]


class SWAT(AbstractRule):
    r"""Synaptic weight association training: STDP under a sliding threshold.

    $$\Delta w = A_+ e^{-\Delta t / \tau_+} \; (\Delta t > 0), \qquad
      -A_- e^{\Delta t / \tau_-} \; (\Delta t < 0),$$
    $$A_+ = \frac{a}{1 + \theta_m}, \qquad A_- = a - A_+, \qquad
      \theta_m = \Bigl( \frac{c}{c_0} \Bigr)^\alpha c$$

    The more active the neuron, the lower is the window's side of potentiation and the
    deeper that of depression, so that weights find a balance: the rule of Bienenstock, Cooper
    and Munro for the height of a window. $\Delta t$ counts from a spike of the source to one of a
    training neuron, which all classes are shown to; what it learns goes to the weights of the
    output neuron of the class on show, and to no other.

    - `a`: height of both sides together, in units of the weight.
    - `tau_plus`, `tau_minus`: ms, above 0. `c_0`, `alpha`: of the threshold, above 0.
    - `tau_c`: ms, above 0: the activity c is the number of the training neuron's spikes, each
      counted as $e^{-s / \tau_c}$ after s ms.

    The modulators, one value an output neuron, are "training", the spikes of the training neuron
    (the same for all), and "label", 1 for the output of the present class and 0 for others.

    Wade, McDaid, Santos & Sayers 2010, IEEE Trans. Neural Netw. 21:1817; Bienenstock, Cooper &
    Munro 1982, J. Neurosci. 2:32.
    """

    needs: ClassVar[tuple[str, ...]] = ("training", "label")

    a: Float[Array, ""] = parameter(0.02, per_neuron=False)
    tau_plus: Float[Array, ""] = parameter(20.0, "ms", above=0, per_neuron=False)
    tau_minus: Float[Array, ""] = parameter(20.0, "ms", above=0, per_neuron=False)
    c_0: Float[Array, ""] = parameter(5.0, above=0, per_neuron=False)
    alpha: Float[Array, ""] = parameter(2.0, above=0, per_neuron=False)
    tau_c: Float[Array, ""] = parameter(1000.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)

    def traces(self, pre, post, dt):
        return SwatTraces(pre, post, post)

    def observe(self, traces: SwatTraces, signals, dt):
        training, label = (signals.modulators[name] for name in self.needs)
        x = traces.x * jnp.exp(-dt / self.tau_plus)
        y = traces.y * jnp.exp(-dt / self.tau_minus)
        c = traces.c * jnp.exp(-dt / self.tau_c)
        post = SwatPost(y, self.a / (1 + self.threshold(c)), label)
        seen = Seen(signals.pre, training * label, x, post)
        return seen, SwatTraces(x + signals.pre, y + training, c + training)

    def threshold(self, c: Array) -> Array:
        r"""$\theta_m$ at an activity `c`."""
        active = c > 0  # a power of 0 has no derivative to alpha
        return jnp.where(active, (jnp.where(active, c, 1) / self.c_0) ** self.alpha * c, 0)

    def on_pre(self, w, pre, post: SwatPost):
        return -(self.a - post.a_plus) * post.y * post.label

    def on_post(self, w, pre, post: SwatPost):
        return post.a_plus * pre
