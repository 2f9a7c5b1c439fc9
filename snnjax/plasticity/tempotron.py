"""The tempotron: to fire or not to fire, decided at the peak of the potential."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.potentials import Potential, check_order
from snnjax.plasticity.rule import AbstractRule, Seen


class TempotronTraces(NamedTuple):
    x: Potential  # of the source
    begun: Float[Array, "n_post"]  # 0.0 in the first step of a trial, then 1.0
    peak: Float[Array, "n_post"]  # the largest v of the trial, mV
    fired: Float[Array, "n_post"]  # 1.0 once it has


class AtPeak(NamedTuple):
    """What a target shows."""

    new: Bool[Array, "n_post"]  # where v is larger than before in this trial
    wrong: Float[Array, "n_post"]  # at the end: 1 if it should have fired, -1 if not
    end: Float[Array, "n_post"]


class Tempotron(AbstractRule):
    r"""Tempotron: a neuron learns to fire at patterns of one class and to be silent at others.

    At the end of a trial that went wrong,

    $$\Delta w = \pm \eta \sum_{t_i < t_{max}} K(t_{max} - t_i), \qquad
      K(s) = V_0 (e^{-s / \tau_m} - e^{-s / \tau_s})$$

    over the spikes of the source, + if the neuron should have fired and did not, - if it fired
    and should not have. $t_{max}$ is where v was largest, which is the first spike if there was
    one. $V_0$ lets K peak at 1. With the time constants of the neuron and its receptor this is
    the gradient of the potential's maximum.

    - `eta`: units of the weight.
    - `tau_m`, `tau_s`: of the membrane and of the synaptic current, ms; 0 < `tau_s` < `tau_m`.

    The modulators are "label", 1 where the neuron should fire and 0 where not, and "end", 1 in
    the last step of a trial and 0 elsewhere. It goes by the potential of the targets.

    Guetig & Sompolinsky 2006, Nat. Neurosci. 9:420.
    """

    needs: ClassVar[tuple[str, ...]] = ("label", "end")
    needs_v: ClassVar[bool] = True

    eta: Float[Array, ""] = parameter(0.01, per_neuron=False)
    tau_m: Float[Array, ""] = parameter(15.0, "ms", above=0, per_neuron=False)
    tau_s: Float[Array, ""] = parameter(3.75, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def __check_init__(self):
        check_order(self)

    def traces(self, pre, post, dt):
        return TempotronTraces(Potential(pre, pre), post, post, post)

    def own(self, w):
        """What the source had contributed where v was largest."""
        return jnp.zeros_like(w)

    def observe(self, traces: TempotronTraces, signals, dt):
        label, end = (signals.modulators[name] for name in self.needs)
        x = traces.x.decay(self, dt)
        new = (signals.v > traces.peak) | (traces.begun == 0) | (signals.post > 0)
        new = new & (traces.fired == 0)
        fired = jnp.maximum(traces.fired, signals.post)
        seen = Seen(None, None, x.value(self), AtPeak(new, end * (label - fired), end))
        peak = jnp.where(new, signals.v, traces.peak)
        go_on = 1 - end
        return seen, TempotronTraces(x.add(signals.pre), go_on, peak * go_on, fired * go_on)

    def change(self, own, w, seen, dt):
        own = jnp.where(seen.post.new, seen.pre, own)
        w = self.bounds.apply(w, self.eta * seen.post.wrong * own)
        return own * (1 - seen.post.end), w
