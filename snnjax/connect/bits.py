"""Which of many neurons are active, as bits of 32-bit words."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int, UInt32

BITS = 32


def pack(active: Bool[Array, "... n"]) -> UInt32[Array, "... words"]:
    """Neuron i is bit `i // words` of word `i % words`: a layout that packs without shuffles."""
    *lead, n = active.shape
    words = -(-n // BITS)
    padded = jnp.pad(active, [(0, 0)] * len(lead) + [(0, words * BITS - n)])
    bits = padded.reshape(*lead, BITS, words).astype(jnp.uint32)
    packed = bits[..., 0, :]
    for b in range(1, BITS):  # a chain of slices: a reduction along an axis of 32 is slower
        packed = packed | (bits[..., b, :] << b)
    return packed


def unpack(words: UInt32[Array, "words"], n: int) -> Bool[Array, "n"]:
    """The inverse of `pack`, for `n` neurons."""
    bits = words >> jnp.arange(BITS, dtype=jnp.uint32)[:, None]
    return ((bits & 1) > 0).reshape(-1)[:n]


def count(words: UInt32[Array, "... words"]) -> Int[Array, "..."]:
    """How many are active."""
    return lax.population_count(words).astype(jnp.int32).sum(-1)


def for_each(words: UInt32[Array, "words"], visit, carry):
    """`carry = visit(carry, i)` for each active neuron i, a uint32: a loop over set bits.

    Neurons come in the order of words, then of bits; words without a bit cost next to nothing.
    """
    n_words = words.shape[0]
    groups = -(-n_words // BITS)
    full = jnp.pad(words != 0, (0, groups * BITS - n_words)).reshape(groups, BITS)
    shifts = jnp.arange(BITS, dtype=jnp.uint32)
    which = jnp.sum(full.astype(jnp.uint32) << shifts, axis=1, dtype=jnp.uint32)

    def group(j, carry):
        def word(carry, bit):
            k = j * np.uint32(BITS) + bit
            one = lambda carry, bit: visit(carry, bit * np.uint32(n_words) + k)
            return _each_bit(_at(words, k), one, carry)

        return _each_bit(_at(which, j), word, carry)

    return lax.fori_loop(np.uint32(0), np.uint32(groups), group, carry)


def _each_bit(word: UInt32[Array, ""], visit, carry):
    def lowest(left_and_carry):
        left, carry = left_and_carry
        bit = lax.population_count((left & (~left + 1)) - 1)
        return left & (left - 1), visit(carry, bit)

    return lax.while_loop(lambda c: c[0] != 0, lowest, (word, carry))[1]


def _at(x, i):
    return lax.dynamic_index_in_dim(x, i, keepdims=False)


def listed(words: UInt32[Array, "words"], n: int) -> tuple[UInt32[Array, "n"], Array]:
    """(the active ones of `n` neurons, then anything; how many they are)."""

    def put(list_and_count, i):
        numbers, k = list_and_count
        return lax.dynamic_update_index_in_dim(numbers, i, k, 0), k + np.uint32(1)

    return for_each(words, put, (jnp.zeros(n, jnp.uint32), jnp.uint32(0)))
