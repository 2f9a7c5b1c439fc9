"""The forms of `connect/events.py` for devices that do many things at once.

A list of fixed size of active rows is taken apart into synapses, which are added by one
scatter. More active rows than fit take further rounds, so that none is lost. Where rows are
those of a matrix or of a convolution, it is one product, and its transposes.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from snnjax.connect import bits
from snnjax.connect.rows import SparseRows


def listed_push(buffer, amount, weight, active, shift, rows: Any):
    """As `push`, without handing on the weights."""
    if not isinstance(rows, SparseRows):
        sent = rows.send_all(jnp.where(rows.unpack(active), amount, 0), weight)
        return rows.put(buffer, rows.piece(buffer, shift) + sent, shift)

    def some(buffer, i, synapse, at):
        one = amount.at[i].get(mode="fill", fill_value=0)[:, None] * _of(weight, synapse)
        return buffer.at[at].add(one, mode="drop")

    return _rounds(rows, active, shift, buffer.shape[0], some, buffer)


def listed_pull(buffer, weight, active, shift, rows: Any):
    """As `pull`."""
    if not isinstance(rows, SparseRows):
        back = jax.linear_transpose(
            lambda amount: rows.send_all(amount, weight), jnp.zeros(rows.n, buffer.dtype)
        )
        (pulled,) = back(rows.piece(buffer, shift))
        return jnp.where(rows.unpack(active), pulled, 0)

    def some(total, i, synapse, at):
        terms = buffer.at[at].get(mode="fill", fill_value=0) * _of(weight, synapse)
        return total.at[i].add(terms.sum(1), mode="drop")

    total = jnp.zeros(rows.n, buffer.dtype)
    return _rounds(rows, active, shift, buffer.shape[0], some, total)


def listed_credit(total, buffer, amount, active, shift, rows: Any):
    """As `credit`."""
    if not isinstance(rows, SparseRows):
        sent = jnp.where(rows.unpack(active), amount, 0)
        back = jax.linear_transpose(lambda weight: rows.send_all(sent, weight), total)
        return total + back(rows.piece(buffer, shift))[0]

    def some(total, i, synapse, at):
        sent = amount.at[i].get(mode="fill", fill_value=0)[:, None]
        terms = sent * buffer.at[at].get(mode="fill", fill_value=0)
        return (
            total.at[synapse].add(terms, mode="drop") if total.ndim else total + terms.sum()
        )

    return _rounds(rows, active, shift, buffer.shape[0], some, total)


def _of(weight, synapse):
    return weight.at[synapse].get(mode="fill", fill_value=0) if weight.ndim else weight


def _rounds(rows: SparseRows, active, shift, size: int, some, carry):
    """`carry = some(carry, rows, their synapses, places)`, `capacity` rows at a time.

    Rows longer than `longest` are taken in pieces, each in a round of its own. What is not
    there has an index beyond the end.
    """
    capacity, longest = min(rows.capacity, rows.n), max(rows.longest, 1)
    listed = jnp.nonzero(rows.unpack(active), size=rows.n, fill_value=rows.n)[0]
    listed = jnp.pad(listed, (0, -rows.n % capacity), constant_values=rows.n)
    n_synapses = rows.index.shape[0]
    pieces = jnp.max((jnp.diff(rows.indptr) + longest - 1) // longest).astype(jnp.int32)

    def one(k, carry):
        k, piece = k // pieces, k % pieces
        i = lax.dynamic_slice_in_dim(listed, k * capacity, capacity)
        first, end = rows.indptr[i], rows.indptr[jnp.minimum(i + 1, rows.n)]
        first = first + (piece * longest).astype(first.dtype)
        synapse = first[:, None] + jnp.arange(longest, dtype=first.dtype)
        there = synapse < end[:, None]
        synapse = jnp.where(there, synapse, n_synapses)
        at = rows.index.at[synapse].get(mode="fill", fill_value=0)
        at = jnp.where(there, rows.place(at, shift, size), size)
        return some(carry, i, synapse, at)

    n_rounds = (bits.count(active) + capacity - 1) // capacity
    return lax.fori_loop(0, n_rounds * pieces, one, carry)
