"""Learning by the gradient of the likelihood of a target train."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import phi1
from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.potentials import Potential, check_order
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen


class LikelihoodTraces(NamedTuple):
    x: Potential  # of the source
    low: Float[Array, "n_post"]  # earlier target spikes, as the potential remembers them
    target: Float[Array, "n_post"]  # target spikes of this step


class LikelihoodGradient(AbstractRule):
    r"""Ascent of the likelihood that a neuron with escape noise fires the target train.

    $$\Delta w = \eta \frac{d \log L}{d w}, \qquad
      \log L = \sum_{\hat t} \log \rho(\hat t) - \int \rho \, dt, \qquad
      \rho = \rho_0 e^{(u - \mathrm{level}) / \delta}$$

    of a spike response model that has fired the target train so far,

    $$u(t) = \sum_j w_j \, \epsilon \sum_{t_j < t} K(t - t_j)
      - \mathrm{reset} \sum_{\hat t < t} e^{-(t - \hat t) / \tau_m},$$

    K being $e^{-s / \tau_m} - e^{-s / \tau_s}$ scaled to a peak of 1. Step by step, with
    the probability $1 - e^{-\rho \, dt}$ of a spike in a step,

    $$\Delta w_j = \frac{\eta}{\delta} \Bigl[ \frac{\rho \, dt}{e^{\rho \, dt} - 1} \hat S -
      \rho \, dt \, (1 - \hat S) \Bigr] \epsilon K_j(t), \qquad \hat S \in \{0, 1\}.$$

    A pair of an input spike and a target spike thus makes a window: K where the input comes
    first, over a depression that the reset holds off for some time after the target spike. What the
    neuron itself fires does not count.

    - `eta`: squared units of the weight. `epsilon`: peak of a potential for a weight of 1, mV.
    - `rho_0`: hazard at `level`, 1/ms, above 0. `delta`: width of the soft threshold, mV,
      above 0. `level`: mV above rest. `reset`: mV, at least 0.
    - `tau_m`, `tau_s`: of the membrane and of the synaptic current, ms; 0 < `tau_s` < `tau_m`.

    The modulator "target" holds the wanted spikes, one value a target neuron.

    Pfister, Toyoizumi, Barber & Gerstner 2006, Neural Comput. 18:1318.
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)

    eta: Float[Array, ""] = parameter(0.01, per_neuron=False)
    epsilon: Float[Array, ""] = parameter(1.0, "mV", per_neuron=False)
    rho_0: Float[Array, ""] = parameter(0.1, "1/ms", above=0, per_neuron=False)
    delta: Float[Array, ""] = parameter(2.0, "mV", above=0, per_neuron=False)
    level: Float[Array, ""] = parameter(20.0, "mV", per_neuron=False)
    reset: Float[Array, ""] = parameter(20.0, "mV", at_least=0, per_neuron=False)
    tau_m: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    tau_s: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def __check_init__(self):
        check_order(self)

    def traces(self, pre, post, dt):
        return LikelihoodTraces(Potential(pre, pre), post, post)

    def own(self, w):
        """What each synapse makes of the potential now, for a weight of 1."""
        return jnp.zeros_like(w)

    def observe(self, traces: LikelihoodTraces, signals, dt):
        x = traces.x.decay(self, dt)
        low = (traces.low + traces.target) * jnp.exp(-dt / self.tau_m)
        target = signals.modulators["target"]
        seen = Seen(None, None, self.epsilon * x.value(self), ())
        return seen, LikelihoodTraces(x.add(signals.pre), low, target)

    def change(self, own, w, seen, dt):
        return jnp.broadcast_to(seen.pre, w.shape), w

    def settle(self, state: RuleState, w, pairs: Any, dt):
        traces: LikelihoodTraces = state.traces
        u = pairs.onto_post(w * state.own) - self.reset * traces.low
        # Beyond 40 widths a spike is certain, and larger numbers would overflow.
        x = jnp.minimum((u - self.level) / self.delta, 40)
        expected = self.rho_0 * jnp.exp(x) * dt
        slope = traces.target / phi1(expected) - (1 - traces.target) * expected
        change = self.eta / self.delta * pairs.of_post(slope) * state.own
        return state, self.bounds.apply(w, change)
