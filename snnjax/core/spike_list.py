"""Putting what belongs to the neurons that fired at the end of lists of fixed length."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Int

_BITS = 32


def append(
    count: Int[Array, ""], lists: Any, fired: Bool[Array, "n"], found: Any
) -> tuple[Int[Array, ""], Any]:
    """(count, lists) after `found[k]` of each neuron k that fired, in order.

    `lists` and `found` are trees of one structure, of arrays `[length]` and `[n]`; a scalar in
    `found` is that of all neurons. `count` goes on beyond the length; the last place of a list
    holds anything once it is full.
    """
    return _append(count, lists, fired, found)


@custom_vmap
def _append(count, lists, fired, found):
    return jax.lax.platform_dependent(
        count, lists, fired, found, cpu=_visit, default=_scatter
    )


@_append.def_vmap
def _append_batch(size, batched, *args):
    # Batched, the loops of `_visit` would select among whole lists in each turn.
    axes = jax.tree.map(lambda b: 0 if b else None, batched)
    out = jax.vmap(_scatter, axes)(*args)
    return out, jax.tree.map(lambda _: True, out)


def _scatter(count, lists, fired, found):
    place = count + jnp.cumsum(fired, dtype=jnp.int32) - 1

    def put(held, x):
        at = jnp.where(fired & (place < len(held)), place, len(held))  # outside: dropped
        return held.at[at].set(x, mode="drop")

    return count + fired.sum(dtype=jnp.int32), jax.tree.map(put, lists, found)


def _visit(count, lists, fired, found):
    """Pack the flags into words and visit their set bits, the lowest first."""
    n_words = -(-fired.size // _BITS)
    flags = jnp.pad(fired, (0, n_words * _BITS - fired.size)).reshape(n_words, _BITS)
    shifts = jnp.arange(_BITS, dtype=jnp.uint32)
    words = (flags.astype(jnp.uint32) << shifts).sum(1, dtype=jnp.uint32)

    def visit_word(w, carry):
        def visit_bit(carry):
            word, count, lists = carry
            bit = jax.lax.population_count((word & -word) - 1).astype(jnp.int32)

            def put(held, x):
                at = jnp.minimum(count, len(held) - 1)
                if x.ndim:
                    x = jax.lax.dynamic_index_in_dim(x, w * _BITS + bit, keepdims=False)
                return jax.lax.dynamic_update_index_in_dim(held, x, at, 0)

            return word & (word - 1), count + 1, jax.tree.map(put, lists, found)

        return jax.lax.while_loop(lambda c: c[0] != 0, visit_bit, (words[w], *carry))[1:]

    return jax.lax.fori_loop(0, n_words, visit_word, (count, lists))
