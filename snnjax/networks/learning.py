"""Plastic projections: their weights are state, changed in each step by a learning rule."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.networks.population import Fired
from snnjax.networks.projection import Synapses
from snnjax.networks.send import after
from snnjax.networks.state import NetworkState
from snnjax.plasticity.apply import update
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen, Signals
from snnjax.plasticity.wiring import AbstractList, Pairs


class Learned(NamedTuple):
    """What a plastic projection has learned, and what its rule keeps.

    - `weight`: one a synapse, [synapses], or [source, target] where all are joined.
    - `rule`: traces. `ring`: what synapses see later than it happens, [steps, neurons].
    """

    weight: Float[Array, "..."]
    rule: RuleState
    ring: tuple[Any, Any]

    @property
    def traces(self) -> Any:
        return self.rule.traces


def begin_all(
    synapses: dict[str, Synapses], shape: tuple[int, ...], dt: Any, dtype: Any
) -> dict[str, Learned]:
    """Before anything is learned, by projection, with `shape` leading axes."""
    plastic = {name: s for name, s in synapses.items() if s.learning is not None}
    return {name: _begin(s, shape, dt, dtype) for name, s in plastic.items()}


def learn(
    network: Any,
    state: NetworkState,
    fired: dict[str, Fired],
    signals: dict[str, dict[str, Any]],
    dt: Any,
) -> NetworkState:
    """`state` of a `Network` in which populations `fired`, after its plastic projections learn.

    What rules with delays of their own send arrives now.
    """
    before, populations = state.learned, state.populations
    synapses = {name: network.synapses[name] for name in before}
    sent = [network.arrived(populations, s.ends.port) for s in synapses.values()]
    late = after(sent, jnp.asarray(dt, sent[0].dtype))
    learned = learn_all(synapses, state, fired, signals, dt, late)
    for name, s in synapses.items():
        if s.own_delays:
            rule: Any = s.learning
            late = before[name].weight * rule.late(learned[name].rule.own)
            c, d = s.ends.target_slice
            x = network.arrived(populations, s.ends.port)
            x = x.at[..., c:d].add(_pairs(s).onto_post(late))
            populations = network.with_arrived(populations, s.ends.port, x)
    return dataclasses.replace(state, populations=populations, learned=learned)


def learn_all(
    synapses: dict[str, Synapses],
    state: NetworkState,
    fired: dict[str, Fired],
    signals: dict[str, dict[str, Any]],
    dt: Any,
    late: Any = None,
) -> dict[str, Learned]:
    """What has been learned after a step in which populations `fired`, and `state` came of it.

    `late`: dt, as traces are to be seen `after` all that was sent.
    """
    times = dt, dt if late is None else late
    return {
        name: _learn(synapses[name], at, state, fired, signals[name], times)
        for name, at in state.learned.items()
    }


def absorb(
    synapses: dict[str, Synapses], learned: dict[str, Learned]
) -> dict[str, Synapses]:
    """Synapses that start with the weights that were `learned`."""
    weights = {name: jnp.ravel(at.weight) for name, at in learned.items()}
    if any(w.size != synapses[name].n_synapses for name, w in weights.items()):
        raise ValueError(
            "Network.absorb takes one set of weights: of a batch, choose an item or a mean."
        )
    where = lambda synapses: [synapses[name].weight for name in weights]
    return eqx.tree_at(where, synapses, list(weights.values()))


def _begin(s: Synapses, shape: tuple[int, ...], dt: Any, dtype: Any) -> Learned:
    rule: Any = s.learning
    w = s.start().astype(dtype)
    n_pre, n_post = s.shape
    state = rule.begin(w, (n_pre,), (n_post,), dt)
    rings = _rings(s, state, dt, w.dtype)
    each = lambda x: jnp.broadcast_to(x, (*shape, *jnp.shape(x)))
    learned = jax.tree.map(each, Learned(w, state, rings))
    return learned._replace(weight=w) if s.shared else learned


def _learn(
    s: Synapses,
    learned: Learned,
    state: NetworkState,
    fired: dict[str, Fired],
    modulators: dict[str, Any],
    times: tuple[Any, Any],
) -> Learned:
    """Leading axes are a batch."""
    (a, b), (c, d) = s.ends.source_slice, s.ends.target_slice
    pre, post = fired[s.ends.source].spikes[..., a:b], fired[s.ends.target].spikes[..., c:d]
    v = getattr(state.populations[s.ends.target].neuron, "v", None)
    v = None if v is None else v[..., c:d]
    each = {
        name: jnp.broadcast_to(jnp.asarray(x, post.dtype), post.shape)
        for name, x in modulators.items()
    }
    signals = Signals(pre, post, learned.weight, each, v)
    of_weight = None if s.shared else 0
    of_item = Signals(0, 0, of_weight, 0, None if v is None else 0)
    rule: Any = s.learning
    settles = type(rule).settle is not AbstractRule.settle
    for part in (_change, _settle) if settles else (_change,):
        one = partial(part, s, step=state.step - 1, times=times)
        for _ in range(pre.ndim - 1):
            one = jax.vmap(one, in_axes=(Learned(of_weight, 0, 0), of_item))
        learned = one(learned, signals)
        if s.shared:
            w = learned.weight.mean(tuple(range(pre.ndim - 1)))
            learned = learned._replace(weight=w)
    return learned


def _change(
    s: Synapses, learned: Learned, signals: Signals, step: Any, times: tuple[Any, Any]
) -> Learned:
    rule, pairs = s.learning, _pairs(s)
    dt, late = times
    rule.require(signals.modulators, signals.v)
    seen, traces = rule.observe(learned.rule.traces, signals, late)
    pre, post = (seen.pre_event, seen.pre), (seen.post_event, seen.post)
    lags = _lags(s, dt)
    ends = (pairs.pre, pairs.post) if isinstance(pairs, AbstractList) else (None, None)
    pre_ring, pre = _later(learned.ring[0], pre, lags[0], step, ends[0])
    post_ring, post = _later(learned.ring[1], post, lags[1], step, ends[1])
    seen = Seen(pre[0], post[0], pre[1], post[1])
    own, w = learned.rule.own, learned.weight
    if jnp.ndim(lags[0]) or jnp.ndim(lags[1]):
        spread = lambda of, lag, x: x if jnp.ndim(lag) else jax.tree.map(of, x)
        pre = spread(pairs.of_pre, lags[0], pre)
        post = spread(pairs.of_post, lags[1], post)
        own, w = rule.change(own, w, Seen(pre[0], post[0], pre[1], post[1]), dt)
    else:
        own, w = update(rule, pairs, own, w, seen, dt)
    return Learned(w, RuleState(traces, own), (pre_ring, post_ring))


def _settle(
    s: Synapses, learned: Learned, signals: Signals, step: Any, times: tuple[Any, Any]
) -> Learned:
    del signals, step
    rule: Any = s.learning
    state, w = rule.settle(learned.rule, learned.weight, _pairs(s), times[0])
    return learned._replace(weight=w, rule=state)


def _lags(s: Synapses, dt: Any) -> tuple[Any, Any]:
    """How many steps after its spikes a synapse sees its source, and its target.

    A spike reaches the synapse after the axonal part of the delay. That of the target is seen
    after the dendritic part.
    """
    total = s.steps(dt) - 1
    if s.dendritic_delay is None:
        return total, jnp.int32(0)
    post = jnp.round(jax.lax.stop_gradient(s.dendritic_delay) / dt).astype(jnp.int32)
    return jnp.maximum(total - post, 0), post


def _rings(s: Synapses, state: RuleState, dt: Any, dtype: Any) -> tuple[Any, Any]:
    """Room for what synapses see later, None where they see it at once."""
    if s.delay is None:
        return None, None
    n_pre, n_post = s.shape
    zeros = lambda n: jnp.zeros(n, dtype)
    modulators = {name: zeros(n_post) for name in s.learning.needs}
    signals = Signals(zeros(n_pre), zeros(n_post), state, modulators, zeros(n_post))
    seen, _ = jax.eval_shape(
        lambda traces: s.learning.observe(traces, signals, jnp.asarray(dt, dtype)),
        state.traces,
    )
    longest = s.slots(dt)
    dendritic = (
        0.0 if s.dendritic_delay is None else float(np.max(np.asarray(s.dendritic_delay)))
    )
    rows = longest, round(dendritic / checks.decimal(dt)) + 1
    sides = (seen.pre_event, seen.pre), (seen.post_event, seen.post)
    ring = lambda n, side: jax.tree.map(lambda x: jnp.zeros((n, *x.shape), x.dtype), side)
    return tuple(
        ring(n, side) if n > 1 else None for n, side in zip(rows, sides, strict=True)
    )


def _later(ring: Any, now: Any, lag: Any, step: Any, index: Any) -> tuple[Any, Any]:
    """(the ring with what is seen `now`, what is seen `lag` steps later than it happens)."""
    if ring is None:
        if jnp.ndim(lag):  # all are 0
            return None, jax.tree.map(lambda x: x[index], now)
        return None, now

    def put(ring, x):
        return jax.lax.dynamic_update_index_in_dim(ring, x, step % ring.shape[0], 0)

    def read(ring):
        row = (step - lag) % ring.shape[0]
        if jnp.ndim(lag):
            return ring.at[row, index].get(mode="clip")
        return jax.lax.dynamic_index_in_dim(ring, row, keepdims=False)

    ring = jax.tree.map(put, ring, now)
    return ring, jax.tree.map(read, ring)


def _pairs(s: Synapses) -> Pairs | AbstractList:
    return Pairs(s.shape) if s.post is None else s.by_target
