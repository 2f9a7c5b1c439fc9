"""ReSuMe that learns delays too."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen


class DelayedTraces(NamedTuple):
    spikes: tuple[Array, ...]  # of the source, the latest first, [n_pre] each
    error: Float[Array, "n_post"]  # target less output spikes of this step


class Delayed(NamedTuple):
    """What each synapse keeps; `x` and `last` are without what arrives in this step."""

    delay: Array  # ms
    moved: Array  # 1.0 once the delay has been set
    arrived: Array  # spikes, delayed
    x: Array  # of all spikes that have arrived
    last: Array  # of the last one alone


class DLReSuMe(AbstractRule):
    r"""Delay-learning ReSuMe: weights as `ReSuMe`, and input spikes moved to where they help.

    $$\frac{dw}{dt} = [S_d(t) - S_o(t)] \Bigl[ a + \int_0^\infty A e^{-s / \tau}
      S_{in}(t - d - s) \, ds \Bigr]$$

    with a delay d of each synapse, 0 at the start. Where a target spike is missing, the
    excitatory synapse (weight of 0 or more) whose spike came last before it is delayed, and
    where an output spike is not wanted the inhibitory one (weight below 0): by

    $$\Delta d = s - \mathrm{lead}, \qquad s = - \tau \ln x,$$

    x being the trace of its last spike, s ms ago. Each delay is set once; those that `lead`
    or `max_delay` does not leave room for stay free, and synapses with the same s move together.

    - `a`, `amplitude`, `tau`: as in `ReSuMe`, weights having a sign.
    - `lead`: ms, at least 0, that a moved spike keeps before the target, for its potential to rise.
    - `max_delay`: ms.

    The modulators are "target", the wanted spikes, and "end", 1 in the last step of a trial and
    0 elsewhere; weights and delays last beyond it, and spikes that would arrive in that step are
    lost. In a `Network` spikes take the learned delay after that of the projection; it is in
    `state.learned["projection"].rule.own.delay`.

    Taherkhani, Belatreche, Li & Maguire 2015, IEEE Trans. Neural Netw. Learn. Syst. 26:3137.
    """

    needs: ClassVar[tuple[str, ...]] = ("target", "end")

    a: Float[Array, ""] = parameter(0.01, per_neuron=False)
    amplitude: Float[Array, ""] = parameter(0.05, per_neuron=False)
    tau: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    lead: Float[Array, ""] = parameter(3.0, "ms", at_least=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()
    max_delay: float = eqx.field(default=10.0, static=True, kw_only=True)

    def __check_init__(self):
        checks.at_least(self.max_delay, 0, "DLReSuMe.max_delay", "ms")

    def traces(self, pre, post, dt):
        n = checks.whole_steps(self.max_delay, dt, "DLReSuMe.max_delay")
        return DelayedTraces((pre,) * n, post)

    def own(self, w):
        zero = jnp.zeros_like(w)
        return Delayed(zero, zero, zero, zero, zero)

    def observe(self, traces: DelayedTraces, signals, dt):
        target, end = (signals.modulators[name] for name in self.needs)
        error = target - signals.post
        spikes = (signals.pre, *traces.spikes)
        return Seen(None, error, spikes, end), DelayedTraces(spikes[:-1], error)

    def change(self, own: Delayed, w, seen, dt):
        kept = jnp.exp(-dt / self.tau)
        x, last = (own.x + own.arrived) * kept, jnp.maximum(own.last, own.arrived) * kept
        w = self.bounds.apply(w, seen.post_event * (self.a + self.amplitude * x))
        steps = jnp.round(own.delay / dt)
        arrived = sum(jnp.where(steps == k, spike, 0) for k, spike in enumerate(seen.pre))
        own = own._replace(arrived=arrived, x=x, last=last)
        end = jnp.broadcast_to(seen.post > 0, w.shape)
        nothing = own._replace(arrived=0 * w, x=0 * w, last=0 * w)
        return jax.tree.map(lambda a, b: jnp.where(end, a, b), nothing, own), w

    def settle(self, state: RuleState, w, pairs: Any, dt):
        own: Delayed = state.own
        error = pairs.of_post(state.traces.error)
        helps = jnp.where(w >= 0, error > 0, error < 0)
        some = own.last > 0
        shift = -self.tau * jnp.log(jnp.where(some, own.last, 1)) - self.lead
        # Delays are whole steps: what rounding leaves of none is none.
        free = some & (own.moved == 0) & (shift > dt / 2)
        free = free & (own.delay + shift < self.max_delay + dt / 2) & helps
        x = jnp.where(free, own.last, 0)
        chosen = free & (x == pairs.of_post(pairs.largest_onto_post(x)))
        delay = own.delay + jnp.where(chosen, jnp.round(shift / dt) * dt, 0)
        moved = jnp.maximum(own.moved, chosen)
        own = own._replace(delay=delay, moved=moved.astype(w.dtype))
        return state._replace(own=own), w

    def late(self, own: Delayed):
        return own.arrived
