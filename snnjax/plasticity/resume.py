"""Remote supervised learning: target spikes pull weights up, output spikes push them down."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.rule import AbstractRule, Seen


class ReSuMe(AbstractRule):
    r"""ReSuMe: the target train and the output train pull a weight to opposite sides.

    $$\frac{dw}{dt} = [S_d(t) - S_o(t)] \Bigl[ a + \int_0^\infty A e^{-s / \tau}
      S_{in}(t - s) \, ds \Bigr]$$

    Nothing changes where both trains are the same, whatever the neuron model.

    - `a`: of every target spike and, negative, of every output spike; it brings the rate
      about. `amplitude`: A, of an input spike just before. Both in units of the weight.
    - `tau`: ms, above 0.

    The paper's synapses are excitatory with `a` and `amplitude` above 0 and inhibitory with
    both below 0, and a weight is the strength of either. So it is here where an inhibitory
    weight is above 0, as that of a receptor with its own reversal potential: use `inhibitory`.
    Weights with a sign need no second set of constants.

    The modulator "target" holds the wanted spikes, one value a target neuron.

    Ponulak & Kasinski 2010, Neural Comput. 22:467.
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)

    a: Float[Array, ""] = parameter(0.01, per_neuron=False)
    amplitude: Float[Array, ""] = parameter(0.05, per_neuron=False)
    tau: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    @classmethod
    def inhibitory(cls, a: float = 0.01, amplitude: float = 0.05, *args, **kwargs):
        """For weights that are strengths of inhibition: both constants turned round."""
        return cls(-a, -amplitude, *args, **kwargs)

    def traces(self, pre, post, dt):
        return pre

    def observe(self, traces, signals, dt):
        x = traces * jnp.exp(-dt / self.tau)
        error = signals.modulators["target"] - signals.post
        return Seen(None, error, x, ()), x + signals.pre

    def on_post(self, w, pre, post):
        return self.a + self.amplitude * pre


class ErrorTraces(NamedTuple):
    x: Float[Array, "n_pre"]  # of earlier spikes of the source
    y: Float[Array, "n_post"]  # of earlier errors


class MultilayerReSuMe(AbstractRule):
    r"""ReSuMe of networks with hidden layers: errors, which may be parts of spikes, for targets.

    $$\frac{dw}{dt} = \frac{1}{n_{in}} \Bigl( e(t) \Bigl[ a + \int_0^\infty A_+ e^{-s / \tau_+}
      S_{in}(t - s) \, ds \Bigr] - S_{in}(t) \int_0^\infty A_- e^{-s / \tau_-} e(t - s) \, ds
      \Bigr)$$

    The modulator "error" is $e = S_d - S_o$ in the output layer, and in one below it what
    `hidden_error` makes of that.

    - `a`, `a_plus`, `a_minus`: in units of the weight; `tau_plus`, `tau_minus`: ms, above 0.

    Sporea & Gruening 2013, Neural Comput. 25:473.
    """

    needs: ClassVar[tuple[str, ...]] = ("error",)

    a: Float[Array, ""] = parameter(0.05, per_neuron=False)
    a_plus: Float[Array, ""] = parameter(1.2, per_neuron=False)
    a_minus: Float[Array, ""] = parameter(0.5, per_neuron=False)
    tau_plus: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    tau_minus: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def traces(self, pre, post, dt):
        return ErrorTraces(pre, post)

    def observe(self, traces: ErrorTraces, signals, dt):
        n = signals.pre.shape[-1]
        x = traces.x * jnp.exp(-dt / self.tau_plus)
        y = traces.y * jnp.exp(-dt / self.tau_minus)
        error = signals.modulators["error"]
        seen = Seen(signals.pre / n, error / n, x, y)
        return seen, ErrorTraces(x + signals.pre, y + error)

    def on_pre(self, w, pre, post):
        return -self.a_minus * post

    def on_post(self, w, pre, post):
        return self.a + self.a_plus * pre


def hidden_error(
    error: Float[Array, "*time n_out"],
    weights: Float[Array, "n_hidden n_out"],
    *,
    absolute: bool = False,
) -> Float[Array, "*time n_hidden"]:
    r"""The error of hidden neurons, for `MultilayerReSuMe` below them.

    $$e_h = \frac{1}{n_{hidden}} \sum_o w_{ho} e_o$$

    - `error`: of the layer above, target less output spikes. `weights`: from here to there.
    - `absolute`: go by the sizes of the weights, $|w_{ho}|$, so that a hidden neuron of
      either sign learns to fire at the targets.
    """
    weights = jnp.abs(weights) if absolute else weights
    return error @ weights.T / weights.shape[0]
