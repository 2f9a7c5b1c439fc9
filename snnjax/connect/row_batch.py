"""The rows of a matrix for all items of a batch, as the rows of one."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from snnjax.connect import bits
from snnjax.connect.rows import AbstractRows, DenseRows, at


class DenseBatch(AbstractRows):
    """Row `k * n + i` is row i of item k, and its buffer begins at place `k * places`.

    Words are those of one item after the other, so that nothing is packed anew.

    `own`: whether each item has weights of its own, along a first axis.
    """

    rows: DenseRows
    size: int = eqx.field(static=True)
    places: int = eqx.field(static=True)
    own: bool = eqx.field(static=True)

    @property
    def n(self):
        return self.size * self.rows.n

    @property
    def wraps(self):
        return self.rows.wraps

    @property
    def _words(self):
        return -(-self.rows.n // bits.BITS)

    def _item(self, number):
        n = np.uint32(self.rows.n)
        return number // n, number % n

    def row_of(self, bit):
        # Bit b of word w is row b * words + w of an item (see `bits.pack`).
        words, all_words = np.uint32(self._words), np.uint32(self.size * self._words)
        b, word = bit // all_words, bit % all_words
        return word // words * np.uint32(self.rows.n) + b * words + word % words

    def unpack(self, words):
        each = words.reshape(self.size, self._words)
        return jax.vmap(partial(bits.unpack, n=self.rows.n))(each).ravel()

    def _of(self, k, weight):
        return at(weight, k) if self.own else weight

    def _first(self, k, shift):
        return k * np.uint32(self.places) + self.rows.first(shift, self.places)

    def add(self, buffer, number, amount, weight, shift):
        k, i = self._item(number)
        first, columns = self._first(k, shift), self.rows.shape[1]
        old = lax.dynamic_slice_in_dim(buffer, first, columns)
        new = old + amount * self.rows.row(i, self._of(k, weight))
        return lax.dynamic_update_slice_in_dim(buffer, new, first, 0)

    def dot(self, buffer, number, weight, shift):
        k, i = self._item(number)
        first, columns = self._first(k, shift), self.rows.shape[1]
        seen = lax.dynamic_slice_in_dim(buffer, first, columns)
        return jnp.sum(self.rows.row(i, self._of(k, weight)) * seen)

    def gather(self, total, buffer, number, amount, shift):
        k, i = self._item(number)
        first, columns = self._first(k, shift), self.rows.shape[1]
        seen = amount * lax.dynamic_slice_in_dim(buffer, first, columns)
        if self.rows.counts is not None:
            one = jnp.sum(at(self.rows.counts, i) * seen)
            if not self.own:
                return total + one
            return lax.dynamic_update_index_in_dim(total, at(total, k) + one, k, 0)
        where = (k, i, np.uint32(0)) if self.own else (i, np.uint32(0))
        seen = seen.reshape((1,) * (total.ndim - 1) + (columns,))
        old = lax.dynamic_slice(total, where, seen.shape)
        return lax.dynamic_update_slice(total, old + seen, where)

    def piece(self, buffer, shift):
        first, columns = self.rows.first(shift, self.places), self.rows.shape[1]
        return lax.dynamic_slice_in_dim(self._items(buffer), first, columns, 1)

    def put(self, buffer, piece, shift):
        first = self.rows.first(shift, self.places)
        items = lax.dynamic_update_slice_in_dim(self._items(buffer), piece, first, 1)
        return items.reshape(buffer.shape)

    def send_all(self, amount, weight):
        amount = amount.reshape(self.size, self.rows.n)
        if self.rows.counts is not None:
            weight = weight[:, None] if self.own else weight
            return weight * (amount @ self.rows.counts.astype(amount.dtype))
        if self.own:
            return jnp.einsum("bi,bij->bj", amount, weight)
        return amount @ weight

    def _items(self, flat):
        return flat.reshape(self.size, self.places)
