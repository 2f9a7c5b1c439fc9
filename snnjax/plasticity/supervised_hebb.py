"""Supervised Hebbian learning: by the time of the first spike, or with a teacher's spikes."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.rule import AbstractRule, Seen
from snnjax.plasticity.wrapped import AbstractWrappedRule


class First(NamedTuple):
    """The first spike of a trial."""

    fired: Array  # 1.0 once it has come
    age: Array  # ms since then, 0 before

    def step(self, spikes: Array, dt: Any) -> "First":
        return First(jnp.maximum(self.fired, spikes), self.age + dt * self.fired)

    def clear(self, end: Array) -> "First":
        return First(self.fired * (1 - end), self.age * (1 - end))


class HebbTraces(NamedTuple):
    pre: First
    out: First
    target: First


class SupervisedHebb(AbstractRule):
    r"""Supervised Hebbian learning of the time of one spike.

    At the end of a trial of duration T, where an output neuron first fired at $t_o$ and should
    have at $t_d$,

    $$\Delta w = \eta (t_o - t_d)$$

    for all sources that first fired before the later of the two: a spike that is late gets
    stronger inputs, and one that is early weaker ones. A spike that did not come, or is not
    wanted, counts as one at T, so that a silent neuron learns to fire.

    - `eta`: units of the weight per ms.

    The modulators are "target", the wanted spikes, and "end", 1 in the last step of a trial
    and 0 elsewhere.

    Ruf & Schmitt 1997, Neural Process. Lett. 5:9.
    """

    needs: ClassVar[tuple[str, ...]] = ("target", "end")

    eta: Float[Array, ""] = parameter(0.1, "1/ms", per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def traces(self, pre, post, dt):
        return HebbTraces(First(pre, pre), First(post, post), First(post, post))

    def observe(self, traces: HebbTraces, signals, dt):
        target, end = (signals.modulators[name] for name in self.needs)
        pre = traces.pre.step(signals.pre, dt)
        out = traces.out.step(signals.post, dt)
        wanted = traces.target.step(target, dt)
        late = wanted.age - out.age
        seen = Seen(None, end * late, pre.age, jnp.minimum(wanted.age, out.age))
        # Sources have no `end` of their own: it is that of all targets together.
        after = HebbTraces(pre.clear(jnp.max(end)), out.clear(end), wanted.clear(end))
        return seen, after

    def on_post(self, w, pre, post):
        return self.eta * (pre > post)


class TeacherForced(AbstractWrappedRule):
    r"""Any rule, with a teacher's spikes in the place of those of the target neurons.

        TeacherForced(STDP())

    The teacher's train is the modulator "target". A strong current at the same times lets the
    neuron fire with it; without one, weights learn what they would if it did.

    - `rule`: the rule that learns.

    Legenstein, Naeger & Maass 2005, Neural Comput. 17:2337.
    """

    rule: AbstractRule

    @property
    def needs(self):
        return ("target", *self.rule.needs)

    def observe(self, traces, signals, dt):
        taught = signals._replace(post=signals.modulators["target"])
        return super().observe(traces, taught, dt)
