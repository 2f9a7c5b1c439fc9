"""Structural plasticity: synapses are pruned and grown."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from snnjax.core import checks
from snnjax.core.parameters import parameter
from snnjax.plasticity.rule import AbstractRule, RuleState
from snnjax.plasticity.wiring import AbstractList, Pairs
from snnjax.plasticity.wrapped import AbstractWrappedRule, check_every, due


class Rewired(NamedTuple):
    rule: Any  # what the rule within keeps of each synapse
    there: Bool[Array, "..."]  # whether there is a synapse


class StructuralPlasticity(AbstractWrappedRule):
    r"""A rule on a part of all pairs: weak synapses are pruned and as many grown elsewhere.

    The pairs that a projection joins are places, all of `AllToAll` or fewer. There is a synapse
    where the weight is not 0 at the start; other places are free, and their weights 0. Each
    `every` ms, synapses with $|w| < threshold$ go, and their target grows as many at places drawn
    at random, first of those that were free, with the weight `start`. So each target keeps its
    number of synapses. Items of a batch are rewired each by its own weights, or all alike by those
    they share.

        rule = StructuralPlasticity(STDP(), key=jax.random.key(0))
        weight = rule.draw(n_pre, n_post, n_synapses)  # of each target
        Projection("inputs", "cells", AllToAll(), weight.ravel(), learning=rule)

    - `rule`: what the synapses learn by, such as `STDP()`. What it keeps of a synapse is not
      reset as one is grown in its place.
    - `threshold`: at least 0, `start`: above `threshold`, in units of the weight.
    - `every`: ms. `key`: of where synapses grow; draws are functions of it and the time.

    Butz, Woergoetter & van Ooyen 2009, Brain Res. Rev. 60:287; at constant number as in Bellec,
    Kappel, Maass & Legenstein 2018, ICLR (deep rewiring).
    """

    rule: AbstractRule
    threshold: Float[Array, ""] = parameter(0.05, at_least=0, per_neuron=False)
    start: Float[Array, ""] = parameter(0.1, per_neuron=False)
    every: float = eqx.field(default=1000.0, static=True)
    key: Any = eqx.field(default=None, kw_only=True)

    def __check_init__(self):
        check_every(self.every, "StructuralPlasticity")
        if self.key is None:
            raise ValueError(
                "StructuralPlasticity.key must be a random key, jax.random.key(seed), by which "
                "it draws where synapses grow."
            )
        checks.random_key(self.key, "StructuralPlasticity.key")
        given = self.start, self.threshold
        if not checks.is_traced(given) and not abs(self.start) > self.threshold:
            raise ValueError(
                f"StructuralPlasticity.start={float(self.start):g} must be above the threshold, "
                f"{float(self.threshold):g}, or what has grown is pruned at once."
            )
        self.rule.bounds.check(self.start, "StructuralPlasticity.start")

    def draw(
        self, n_pre: int, n_post: int, n_synapses: int
    ) -> Float[Array, "n_pre n_post"]:
        """Weights of `start` at `n_synapses` random places of each target, and 0 elsewhere."""
        checks.at_most(n_synapses, n_pre, "StructuralPlasticity.draw: n_synapses")
        score = jax.random.uniform(jax.random.fold_in(self.key, 0), (n_pre, n_post))
        return jnp.where(_rank(score, Pairs(score.shape)) < n_synapses, self.start, 0)

    @property
    def by_event(self):
        return False

    def mine(self, pre, post):
        return jnp.zeros(post.shape[:-1], jnp.int32)

    def follow(self, mine: Int[Array, ""], signals, dt):
        return mine + 1

    def own(self, w):
        return Rewired(self.rule.own(w), w != 0)

    def late(self, own: Rewired):
        return self.rule.late(own.rule)

    def change(self, own: Rewired, w, seen, dt):
        kept, learned = self.rule.change(own.rule, w, seen, dt)
        return own._replace(rule=kept), jnp.where(own.there, learned, 0)

    def settle(self, state: RuleState, w, pairs: Pairs | AbstractList, dt):
        own: Rewired = state.own
        state, w = super().settle(state._replace(own=own.rule), w, pairs, dt)
        steps, start = state.traces.mine, self.start.astype(w.dtype)

        def rewire(there_and_w):
            there, w = there_and_w
            weak = there & (abs(w) < self.threshold)
            # Ranked by chance: free places, then those just left, then what is taken.
            score = jax.random.uniform(jax.random.fold_in(self.key, steps), w.shape)
            rank = _rank(score + weak + 2 * (there & ~weak), pairs)
            grown = rank < pairs.of_post(pairs.onto_post(weak.astype(rank.dtype)))
            w = jnp.where(weak, 0, w)
            return there & ~weak | grown, jnp.where(grown, start, w)

        now = due(steps, self.every, dt)
        there, w = jax.lax.cond(now, rewire, lambda x: x, (own.there, w))
        return state._replace(own=Rewired(state.own, there)), w


def _rank(score: Float[Array, "..."], pairs: Pairs | AbstractList) -> Int[Array, "..."]:
    """The place of each synapse in the order of its target's scores."""
    if isinstance(pairs, Pairs):
        return jnp.argsort(jnp.argsort(score, axis=-2), axis=-2)
    post = pairs.post.ravel()
    order = jnp.lexsort((score.ravel(), post))
    first = jnp.searchsorted(post[order], post)
    return (jnp.argsort(order) - first).reshape(score.shape)
