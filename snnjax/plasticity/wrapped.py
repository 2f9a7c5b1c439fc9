"""A rule around a rule."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from snnjax.core import checks
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen, Signals


class WrappedTraces(NamedTuple):
    rule: Any  # of the rule within
    mine: Any  # of the one around it


class AbstractWrappedRule(AbstractRule):
    """A rule that adds to what another one, its `rule`, does; by itself it adds nothing.

    One of one's own keeps `mine` beside the traces of the rule within, follows what happens by
    `follow(mine, signals, dt)`, and changes all weights at once in `settle`.
    """

    rule: eqx.AbstractVar[AbstractRule]

    def __check_init__(self):
        if not isinstance(self.rule, AbstractRule):
            raise ValueError(
                f"{type(self).__name__}.rule must be a learning rule such as STDP(), got "
                f"{self.rule!r}."
            )

    @property
    def bounds(self):
        return self.rule.bounds

    @property
    def needs(self):
        return self.rule.needs

    @property
    def needs_v(self):
        return self.rule.needs_v

    @property
    def delayed(self):
        return self.rule.delayed

    @property
    def own_delays(self):
        return self.rule.own_delays

    @property
    def by_event(self):
        return self.rule.by_event

    @property
    def on_pre(self):
        return self.rule.on_pre

    @property
    def on_post(self):
        return self.rule.on_post

    @property
    def drift(self):
        return self.rule.drift

    def mine(self, pre: Array, post: Array) -> Any:
        """What is kept at rest; `pre` and `post` are zeros, one a neuron."""
        return None

    def follow(self, mine: Any, signals: Signals, dt: Any) -> Any:
        """`mine` after a step."""
        return mine

    def traces(self, pre, post, dt):
        return WrappedTraces(self.rule.traces(pre, post, dt), self.mine(pre, post))

    def observe(self, traces: WrappedTraces, signals, dt) -> tuple[Seen, WrappedTraces]:
        seen, after = self.rule.observe(traces.rule, signals, dt)
        return seen, WrappedTraces(after, self.follow(traces.mine, signals, dt))

    def own(self, w):
        return self.rule.own(w)

    def change(self, own, w, seen, dt):
        return self.rule.change(own, w, seen, dt)

    def late(self, own):
        return self.rule.late(own)

    def settle(self, state: RuleState, w, pairs, dt):
        inner = RuleState(state.traces.rule, state.own)
        inner, w = self.rule.settle(inner, w, pairs, dt)
        return RuleState(state.traces._replace(rule=inner.traces), inner.own), w


def within(bounds: Any, w: Array) -> Array:
    """Weights cut at the bounds."""
    low, high = bounds.limits
    return jnp.clip(w, low.astype(w.dtype), high.astype(w.dtype))


def due(steps: Int[Array, ""], every: float, dt: Any) -> Array:
    """Whether after so many steps another `every` ms have passed."""
    return steps % jnp.maximum(jnp.round(every / dt), 1).astype(steps.dtype) == 0


def at_times(now: Array, change: Any, x: Any) -> Any:
    """`change(x)` if it is time, else `x`."""
    return lax.cond(now, change, lambda x: x, x)


def check_every(every: float, name: str) -> None:
    checks.above(every, 0, f"{name}.every", "ms")
