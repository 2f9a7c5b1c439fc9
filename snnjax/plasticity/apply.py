r"""A learning rule on all synapses: for every one in each step, or row and column by event.

Both give the same weights. By event a step costs in proportion to the spikes: an event of a
source touches its row, one of a target its column. Derivatives are those of the form that
visits every synapse, and so is a batch.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax import lax
from jaxtyping import Array

from snnjax.connect import bits
from snnjax.connect.rows import at
from snnjax.core.backend import learn_by_event
from snnjax.plasticity.wiring import AbstractList, Listed, Pairs, size_of


def update(rule: Any, pairs: Pairs | AbstractList, own: Any, w: Array, seen: Any, dt: Any):
    """(own, weights) after a step in which synapses see `seen`."""
    if rule.by_event and pairs.by_event and learn_by_event(size_of(pairs)):
        return own, _by_event(rule, pairs, w, seen, dt)
    return _each(rule, pairs, own, w, seen, dt)


def _each(rule, pairs, own, w, seen, dt):
    """Every synapse, whether it has an event or not."""
    return rule.change(own, w, spread(pairs, seen), dt)


def spread(pairs: Pairs | AbstractList, seen: Any) -> Any:
    """What is seen of each side, for each synapse."""
    pre = jax.tree.map(pairs.of_pre, (seen.pre_event, seen.pre))
    post = jax.tree.map(pairs.of_post, (seen.post_event, seen.post))
    return type(seen)(pre[0], post[0], pre[1], post[1])


def _by_event(rule, pairs, w, seen, dt):
    """Weights alone: no `own`, no `drift`."""
    leaves, static = eqx.partition((rule, pairs, w, seen, dt), eqx.is_array_like)
    leaves, tree = jax.tree.flatten(leaves)
    whole = lambda leaves: eqx.combine(jax.tree.unflatten(tree, leaves), static)

    def every(*leaves):
        rule, pairs, w, seen, dt = whole(leaves)
        return _each(rule, pairs, None, w, seen, dt)[1]

    @jax.custom_batching.custom_vmap
    def events(*leaves):
        rule, pairs, w, seen, _ = whole(leaves)
        run = _listed_events if isinstance(pairs, Listed) else _matrix_events
        return run(rule, pairs, w, seen)

    @events.def_vmap
    def _(size, batched, *leaves):
        del size
        axes = [0 if b else None for b in batched]
        return jax.vmap(every, in_axes=axes)(*leaves), True

    @jax.custom_jvp
    def differentiable(*leaves):
        return events(*leaves)

    @differentiable.defjvp
    def _(primals, tangents):
        return differentiable(*primals), jax.jvp(every, primals, tangents)[1]

    return differentiable(*leaves)


def _matrix_events(rule, pairs, w, seen):
    """Rows of active sources, then columns of active targets."""
    n_pre, n_post = pairs.shape

    def row(w, i):
        old = lax.dynamic_slice(w, (i, np.uint32(0)), (1, n_post))
        pre = jax.tree.map(lambda x: at(x, i), seen.pre)
        change = at(seen.pre_event, i) * rule.on_pre(old, pre, _row(seen.post))
        new = rule.bounds.apply(old, change)
        return lax.dynamic_update_slice(w, new, (i, np.uint32(0)))

    def column(w, j):
        old = lax.dynamic_slice(w, (np.uint32(0), j), (n_pre, 1))
        post = jax.tree.map(lambda x: at(x, j), seen.post)
        change = at(seen.post_event, j) * rule.on_post(old, _column(seen.pre), post)
        new = rule.bounds.apply(old, change)
        return lax.dynamic_update_slice(w, new, (np.uint32(0), j))

    if rule.on_pre is not None:
        w = bits.for_each(bits.pack(seen.pre_event != 0), row, w)
    if rule.on_post is not None:
        w = bits.for_each(bits.pack(seen.post_event != 0), column, w)
    return w


_row = partial(jax.tree.map, lambda x: x[None, :])
_column = partial(jax.tree.map, lambda x: x[:, None])


def _listed_events(rule, pairs, w, seen):
    """The synapses of active sources, then those of active targets."""

    def one(w, k, i, j, happens, event):
        old = at(w, k)
        pre = jax.tree.map(lambda x: at(x, i), seen.pre)
        post = jax.tree.map(lambda x: at(x, j), seen.post)
        new = rule.bounds.apply(old, event * happens(old, pre, post))
        return lax.dynamic_update_index_in_dim(w, new, k, 0)

    def row(w, i):
        event = at(seen.pre_event, i)
        visit = lambda k, w: one(w, k, i, at(pairs.post, k), rule.on_pre, event)
        return lax.fori_loop(
            at(pairs.indptr, i), at(pairs.indptr, i + np.uint32(1)), visit, w
        )

    def column(w, j):
        event = at(seen.post_event, j)

        def visit(place, w):
            k = at(pairs.order, place)
            return one(w, k, at(pairs.pre, k), j, rule.on_post, event)

        first, end = at(pairs.starts, j), at(pairs.starts, j + np.uint32(1))
        return lax.fori_loop(first, end, visit, w)

    if rule.on_pre is not None:
        w = bits.for_each(bits.pack(seen.pre_event != 0), row, w)
    if rule.on_post is not None:
        w = bits.for_each(bits.pack(seen.post_event != 0), column, w)
    return w
