"""The synapses of a projection as rows, one row a source neuron, in three forms.

A row is a linear map from its weights to a flat buffer. What it can do is add itself to a
buffer, and the two ways in which that is transposed: be dotted with a buffer, and gather from
it what belongs to each of its weights. `connect/events.py` loops over rows.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, UInt32

from snnjax.connect import bits


class AbstractRows(eqx.Module):
    """Rows of synapses. Their `weight` is apart: one a synapse, or one number for all.

    `shift` is added to each position in the buffer, and positions beyond its end go on at its
    start, if `wraps`.
    """

    wraps: eqx.AbstractVar[bool]

    at_once: ClassVar[bool] = (
        False  # whether `add_several` is better than `add` after `add`
    )

    @property
    @abc.abstractmethod
    def n(self) -> int:
        """How many rows there are."""

    def row_of(self, bit):
        """The row that a bit of packed words stands for, counted as `bits.for_each` does."""
        return bit

    def unpack(self, words):
        """Which rows are active."""
        return bits.unpack(words, self.n)

    @abc.abstractmethod
    def add(self, buffer, i, amount, weight, shift):
        """`buffer` with `amount` times row i added."""

    def add_several(self, buffer, some, amounts, weight, shift):
        """`buffer` with the rows `some` added, which are `SEVERAL`, times `amounts`."""
        for i, amount in zip(some, amounts, strict=True):
            buffer = self.add(buffer, i, amount, weight, shift)
        return buffer

    @abc.abstractmethod
    def dot(self, buffer, i, weight, shift):
        """Row i times `buffer`, summed."""

    @abc.abstractmethod
    def gather(self, total, buffer, i, amount, shift):
        """`total`, of the shape of the weights, with `amount` times row i's part of `buffer`."""


# Rows of a matrix that are added at once: each pass over the buffer costs as much as a row.
SEVERAL = 8

# Synapses in one turn of a loop: a turn costs as much as two synapses.
UNROLL = 8


def at(x, i):
    """x[i] for an unsigned `i` that is in range: indexing would look for negative ones."""
    return lax.dynamic_index_in_dim(x, i, keepdims=False)


def place(position, size: int, wraps: bool):
    return jnp.where(position >= size, position - size, position) if wraps else position


class SparseRows(AbstractRows):
    """Row i has the synapses `indptr[i] .. indptr[i + 1]`, at the positions `start + index`.

    For lists (`connect/lists.py`): of how many rows (`capacity`) how many synapses each
    (`longest`) are added at once.
    """

    indptr: UInt32[Array, "rows_and_1"]
    index: UInt32[Array, "synapses"]
    longest: int = eqx.field(static=True)
    capacity: int = eqx.field(static=True)
    wraps: bool = eqx.field(static=True, default=False)
    start: Any = 0

    @property
    def n(self):
        return self.indptr.shape[0] - 1

    def place(self, index, shift, size: int):
        return place(index + (self.start + shift), size, self.wraps)

    def _each(self, i, visit, carry):
        """`carry = visit(k, carry)` for each synapse k of row i, several in one turn."""
        first, end = at(self.indptr, i), at(self.indptr, i + np.uint32(1))

        def several(turn, carry):
            for k in range(UNROLL):
                carry = visit(first + turn * np.uint32(UNROLL) + np.uint32(k), carry)
            return carry

        turns = (end - first) // np.uint32(UNROLL)
        carry = lax.fori_loop(np.uint32(0), turns, several, carry)
        return lax.fori_loop(first + turns * np.uint32(UNROLL), end, visit, carry)

    def _place(self, k, shift, buffer):
        return self.place(at(self.index, k), shift, buffer.shape[0])

    def add(self, buffer, i, amount, weight, shift):
        def synapse(k, buffer):
            where = self._place(k, shift, buffer)
            new = at(buffer, where) + amount * (at(weight, k) if weight.ndim else weight)
            return lax.dynamic_update_index_in_dim(buffer, new, where, 0)

        return self._each(i, synapse, buffer)

    def dot(self, buffer, i, weight, shift):
        def synapse(k, total):
            one = at(buffer, self._place(k, shift, buffer))
            return total + one * (at(weight, k) if weight.ndim else weight)

        return self._each(i, synapse, jnp.zeros((), buffer.dtype))

    def gather(self, total, buffer, i, amount, shift):
        def synapse(k, total):
            one = amount * at(buffer, self._place(k, shift, buffer))
            if not total.ndim:
                return total + one
            return lax.dynamic_update_index_in_dim(total, at(total, k) + one, k, 0)

        return self._each(i, synapse, total)


class DenseRows(AbstractRows):
    """Row i is row i of a matrix, and lies in one piece in the buffer, from `start` on.

    `counts`: how many synapses each pair has, where one number is the weight of all; without
    it the matrix is the weight itself.
    """

    shape: tuple[int, int] = eqx.field(static=True)
    start: Any = 0
    counts: Int[Array, "rows columns"] | None = None
    wraps: bool = eqx.field(static=True, default=False)

    at_once: ClassVar[bool] = True

    @property
    def n(self):
        return self.shape[0]

    def row(self, i, weight):
        return at(weight, i) if self.counts is None else weight * at(self.counts, i)

    def first(self, shift, size: int):
        """Where the row begins in a buffer of `size` places."""
        return place(self.start + shift, size, self.wraps)

    def piece(self, buffer, shift):
        """The part of the buffer that rows are added to."""
        first = self.first(shift, buffer.shape[0])
        return lax.dynamic_slice_in_dim(buffer, first, self.shape[1])

    def put(self, buffer, piece, shift):
        """`buffer` with another `piece`."""
        first = self.first(shift, buffer.shape[0])
        return lax.dynamic_update_slice_in_dim(buffer, piece, first, 0)

    def add(self, buffer, i, amount, weight, shift):
        new = self.piece(buffer, shift) + amount * self.row(i, weight)
        return self.put(buffer, new, shift)

    def send_all(self, amount, weight):
        """What all sources send: one number a target."""
        if self.counts is None:
            return amount @ weight
        return weight * (amount @ self.counts.astype(amount.dtype))

    def add_several(self, buffer, some, amounts, weight, shift):
        old = self.piece(buffer, shift)
        if self.counts is None:
            rows = [a * at(weight, i) for i, a in zip(some, amounts, strict=True)]
            new = old + sum(rows[1:], rows[0])
        else:
            rows = [a * at(self.counts, i) for i, a in zip(some, amounts, strict=True)]
            new = old + weight * sum(rows[1:], rows[0])
        return self.put(buffer, new, shift)

    def dot(self, buffer, i, weight, shift):
        return jnp.sum(self.row(i, weight) * self.piece(buffer, shift))

    def gather(self, total, buffer, i, amount, shift):
        piece = amount * self.piece(buffer, shift)
        if not total.ndim:
            return total + jnp.sum(at(self.counts, i) * piece)
        return lax.dynamic_update_index_in_dim(total, at(total, i) + piece, i, 0)
