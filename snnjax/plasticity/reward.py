"""Rules that wait for a reward: eligibility traces and dopamine."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import NoBounds
from snnjax.plasticity.rule import AbstractRule
from snnjax.plasticity.wrapped import AbstractWrappedRule, WrappedTraces


class Eligible(NamedTuple):
    rule: Any  # what the rule within keeps of each synapse
    e: Float[Array, "..."]  # eligibility, in units of the weight


class RewardModulated(AbstractWrappedRule):
    r"""A rule whose changes wait, as eligibility, for a reward.

    What the rule within would add to a weight, before bounds, adds to the eligibility e of its
    synapse, and reward R lets the weight follow:

    $$de/dt = -e / \tau_e + \Delta w_{rule}, \qquad dw/dt = R \, e$$

    With `tau_reward`, R is the concentration of dopamine: a value r of the signal adds r to it in
    that step, and it falls by $dR/dt = -R / \tau_R$. Without, R is the signal. Within a step e and
    R change exactly; spikes and pulses come at its end.

    - `rule`: what makes synapses eligible, such as `STDP()`. Its bounds are those of the weights.
    - `tau_e`: ms, above 0. `tau_reward`: $\tau_R$, ms, above 0, or None.

    It needs the signal "reward" in each step, 1/ms, of any sign: one number, or one a target.

    Izhikevich 2007, Cereb. Cortex 17:2443 (`tau_e` 1000, `tau_reward` 200); Florian 2007, Neural
    Comput. 19:1468.
    """

    rule: AbstractRule
    tau_e: Float[Array, ""] = parameter(200.0, "ms", above=0, per_neuron=False)
    tau_reward: Float[Array, ""] | None = parameter(None, "ms", above=0, per_neuron=False)

    def __check_init__(self):
        if "bounds" not in {field.name for field in dataclasses.fields(self.rule)}:
            name = type(self.rule).__name__
            raise ValueError(
                f"RewardModulated.rule must be a rule with bounds of its own, got {name}. Put "
                f"{name} around: {name}(RewardModulated(...), ...)."
            )

    @property
    def needs(self):
        return ("reward", *self.rule.needs)

    @property
    def by_event(self):
        return False

    def mine(self, pre, post):
        return None if self.tau_reward is None else post  # dopamine, 1/ms

    def observe(self, traces: WrappedTraces, signals, dt):
        seen, after = self.rule.observe(traces.rule, signals, dt)
        reward = signals.modulators["reward"] + jnp.zeros_like(signals.post)
        if self.tau_reward is None:
            shown, dopamine = reward, None
        else:
            shown = traces.mine
            dopamine = traces.mine * jnp.exp(-dt / self.tau_reward) + reward
        return seen._replace(post=(seen.post, shown)), WrappedTraces(after, dopamine)

    def own(self, w):
        return Eligible(self.rule.own(w), jnp.zeros_like(w))

    def late(self, own: Eligible):
        return self.rule.late(own.rule)

    def change(self, own: Eligible, w, seen, dt):
        within, reward = seen.post
        rate = 1 / self.tau_e
        if self.tau_reward is not None:
            rate = rate + 1 / self.tau_reward
        gain = -jnp.expm1(-dt * rate) / rate  # of R e, over a step in which both fall
        after = self.bounds.apply(w, gain * reward * own.e)
        free = eqx.tree_at(lambda rule: rule.bounds, self.rule, NoBounds())
        kept, asked = free.change(own.rule, w, seen._replace(post=within), dt)
        e = own.e * jnp.exp(-dt / self.tau_e) + (asked - w)
        return Eligible(kept, e), after
