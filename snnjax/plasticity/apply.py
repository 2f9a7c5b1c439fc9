r"""A learning rule on all synapses: for every one in each step, or row and column by event.

Both give the same weights. By event a step costs in proportion to the spikes: an event of a
source touches its row, one of a target its column. Derivatives are those of the form that
visits every synapse, and so are batches of lists, and batches of batches.
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
        if isinstance(pairs, Listed):
            return _listed_events(rule, pairs, w, seen)
        one = jax.tree.map(lambda x: x[None], (w, seen.pre_event, seen.post_event))
        return _matrix_events(lambda _: (rule, seen), *one)[0]

    @events.def_vmap
    def _(size, batched, *leaves):
        if not isinstance(pairs, Listed):
            return _batch(
                every, partial(_batched_events, whole, size, batched), batched, leaves
            )
        return _vmapped(every, batched)(*leaves), True

    @jax.custom_jvp
    def differentiable(*leaves):
        return events(*leaves)

    @differentiable.defjvp
    def _(primals, tangents):
        return differentiable(*primals), jax.jvp(every, primals, tangents)[1]

    return differentiable(*leaves)


def _vmapped(function, batched):
    return jax.vmap(function, in_axes=[0 if b else None for b in batched])


def _batch(every, events, batched, leaves):
    """By event, or for each synapse where the batch is one of batches."""
    once = jax.custom_batching.custom_vmap(events)

    @once.def_vmap
    def _(size, again, *leaves):
        del size
        return _vmapped(_vmapped(every, batched), again)(*leaves), True

    return once(*leaves), True


def _batched_events(whole, size, batched, *leaves):
    """By event in all items of a batch."""

    def item(k):
        rule, _, _, seen, _ = whole(
            [at(x, k) if b else x for x, b in zip(leaves, batched, strict=True)]
        )
        return rule, seen

    def arrays(*leaves):
        _, _, w, seen, _ = whole(leaves)
        return w, seen.pre_event, seen.post_event

    axes = [0 if b else None for b in batched]
    return _matrix_events(item, *jax.vmap(arrays, axes, axis_size=size)(*leaves))


def _matrix_events(item, w, pre_event, post_event):
    """Rows of active sources, then columns of active targets.

    `w` [items, n_pre, n_post]; `item(k)` gives the rule and what is seen in item k.
    """
    n_items, n_pre, n_post = w.shape
    zero = np.uint32(0)

    def place(number, n):
        number_of = lambda n: (number // np.uint32(n), number % np.uint32(n))
        return (zero, number) if n_items == 1 else number_of(n)

    def row(w, number):
        k, i = place(number, n_pre)
        rule, seen = item(k)
        old = lax.dynamic_slice(w, (k, i, zero), (1, 1, n_post))
        pre = jax.tree.map(lambda x: at(x, i), seen.pre)
        change = at(seen.pre_event, i) * rule.on_pre(old[0], pre, _row(seen.post))
        new = rule.bounds.apply(old[0], change)[None]
        return lax.dynamic_update_slice(w, new, (k, i, zero))

    def column(w, number):
        k, j = place(number, n_post)
        rule, seen = item(k)
        old = lax.dynamic_slice(w, (k, zero, j), (1, n_pre, 1))
        post = jax.tree.map(lambda x: at(x, j), seen.post)
        change = at(seen.post_event, j) * rule.on_post(old[0], _column(seen.pre), post)
        new = rule.bounds.apply(old[0], change)[None]
        return lax.dynamic_update_slice(w, new, (k, zero, j))

    rule, _ = item(zero)
    if rule.on_pre is not None:
        w = bits.for_each(bits.pack(pre_event.reshape(-1) != 0), row, w)
    if rule.on_post is not None:
        w = bits.for_each(bits.pack(post_event.reshape(-1) != 0), column, w)
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
