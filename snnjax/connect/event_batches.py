"""Batches of `connect/events.py`: in one loop over the events of all items, or item by item."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from snnjax.connect.row_batch import DenseBatch
from snnjax.connect.rows import DenseRows


def batch(primitive: Any, arguments: str, results: str, args, dims, *, tree, form):
    """The rule of `primitive` for `vmap`.

    `arguments`, `results`: what each is, the words "buffer", "amount", "weight" (or what has
    its shape), "words" and "shift"; leaves of the rows follow the arguments. A
    "weight" that comes out is the last of those that go in.
    """
    kinds = arguments.split()
    rows = jax.tree.unflatten(tree, args[len(kinds) :])
    if isinstance(rows, DenseRows) and all(d is None for d in dims[len(kinds) - 1 :]):
        return _as_one(primitive, kinds, results.split(), rows, args, dims, form)
    return _one_by_one(primitive, kinds, results.split(), args, dims, tree=tree, form=form)


def _as_one(primitive, kinds, results, rows: DenseRows, args, dims, form):
    """Only for rows that all items have in common, and one shift."""
    size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
    # A total that each item adds to is its own, whether it begins as one or not.
    own = results == ["weight"] or any(
        d is not None for kind, d in zip(kinds, dims, strict=False) if kind == "weight"
    )

    def whole(kind, x, d):
        if kind == "shift" or (kind == "weight" and not own):
            return x
        x = jnp.broadcast_to(x, (size, *x.shape)) if d is None else jnp.moveaxis(x, d, 0)
        return x if kind == "weight" else x.ravel()

    given = [whole(*of) for of in zip(kinds, args, dims, strict=False)]
    places = given[kinds.index("buffer")].size // size
    leaves, tree = jax.tree.flatten(DenseBatch(rows, size, places, own))
    found = primitive.bind(*given, *leaves, tree=tree, form=form)
    apart = [
        x if kind == "weight" else x.reshape(size, -1)
        for kind, x in zip(results, found, strict=True)
    ]
    return apart, [None if kind == "weight" and not own else 0 for kind in results]


def _one_by_one(primitive, kinds, results, args, dims, **params):
    """What is threaded through, and is not batched, stays so."""
    mapped = [d is not None for d in dims]
    xs = [
        jnp.moveaxis(a, d, 0) if m else None
        for a, d, m in zip(args, dims, mapped, strict=True)
    ]
    carried = {}
    if results == ["buffer", "weight"]:
        last = len(kinds) - 1 - kinds[::-1].index("weight")
        carried = {} if mapped[last] else {last: 1}

    def one(carry, slices):
        given = dict(zip(carried, carry, strict=True))
        call = [
            s if m else given.get(k, a)
            for k, (a, s, m) in enumerate(zip(args, slices, mapped, strict=True))
        ]
        out = primitive.bind(*call, **params)
        return [out[o] for o in carried.values()], [
            None if k in carried.values() else x for k, x in enumerate(out)
        ]

    carry, ys = lax.scan(one, [args[k] for k in carried], xs)
    after = dict(zip(carried.values(), carry, strict=True))
    outputs = [after.get(k, y) for k, y in enumerate(ys)]
    return outputs, [None if k in after else 0 for k in range(len(ys))]
