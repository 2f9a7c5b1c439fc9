"""Random draws for wiring, in whole numbers: the same on every backend and in every precision.

A draw is a function of the key, the row (a source or a target neuron) and its place in the
row, so that it does not depend on how many rows are drawn at a time. Probabilities are held
to 2^-32, the resolution of one random word.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, UInt32

_CHUNK = 2**23  # entries of the table of one chunk of rows: about what a cache holds
_ROWS = 1024


def words(key: Any, row: Int[ArrayLike, ""], n: int) -> UInt32[Array, "n"]:
    """`n` random words of a row."""
    return jax.random.bits(jax.random.fold_in(key, row), (n,), jnp.uint32)


def below(word: UInt32[Array, "..."], n: ArrayLike) -> Int[Array, "..."]:
    """Uniform in 0 .. n - 1: the upper half of the 64 bits of word * n.

    Without 64-bit integers, which jax has not by default. Numbers differ in probability by
    n / 2^32 of it at most.
    """
    n = jnp.asarray(n, jnp.uint32)
    low, high = word & 0xFFFF, word >> 16
    n_low, n_high = n & 0xFFFF, n >> 16
    middle = high * n_low + ((low * n_low) >> 16)
    carry = ((middle & 0xFFFF) + low * n_high) >> 16
    return (high * n_high + (middle >> 16) + carry).astype(jnp.int32)


def coin(word: UInt32[Array, "..."], p: float | Float[Array, "..."]) -> Bool[Array, "..."]:
    """True with probability `p`; below 0 and where it is NaN never, above 1 always."""
    if isinstance(p, float):  # not rounded to float32
        threshold = jnp.uint32(min(round(p * 2**32), 2**32 - 1))
    else:
        threshold = (jnp.where((p > 0) & (p < 1), p, 0) * 2.0**32).astype(jnp.uint32)
    return (word < threshold) | (p >= 1)


def with_replacement(key: Any, rows: int, k: int, n: int) -> Int[Array, "rows k"]:
    """For each row, `k` numbers below `n`."""
    return jax.vmap(lambda row: below(words(key, row, k), n))(jnp.arange(rows))


def without_replacement(
    key: Any, counts: Int[Array, "rows"], most: int, room: int, n: ArrayLike | None = None
) -> Int[Array, "rows most"]:
    """For each row, `counts[row]` distinct numbers below `n`; the places left hold `room`.

    Floyd's algorithm (Bentley & Floyd 1987, Commun. ACM 30:754): each set of that size is as
    likely as any other, with one random word a number.

    - `most`: of the counts. `room`: at least n, which it is by default. Both static.
    """
    n = room if n is None else n
    rows = counts.shape[0]
    if most == 0 or rows == 0:
        return jnp.zeros((rows, most), jnp.int32)
    # Whether a number was chosen before is looked up in the row's list of numbers while that
    # is short, else in a table of all numbers.
    short = most <= 64 or most**2 <= room

    def one(row, count):
        word = words(key, row, most)

        def body(s, carry):
            chosen, table = carry
            last = n - count + s
            t = below(word[s], last + 1)
            seen = jnp.any(chosen == t) if short else table[t]
            t = jnp.where(s < count, jnp.where(seen, last, t), room)
            if not short:
                table = table.at[t].set(True, mode="drop")
            return chosen.at[s].set(t), table

        chosen = jnp.full(most, room, jnp.int32)
        table = None if short else jnp.zeros(room, bool)
        return jax.lax.fori_loop(0, most, body, (chosen, table))[0]

    # In chunks of one size, as a smaller last one would be compiled as well, and of two rows at
    # least: of a lone row XLA copies the table at each step.
    chunks = -(-rows // min(_ROWS, max(64, _CHUNK // (4 * most if short else room))))
    each = max(-(-rows // chunks), 2)
    spare = chunks * each - rows
    row = jnp.arange(chunks * each).reshape(chunks, each)
    counts = jnp.pad(counts, (0, spare)).reshape(chunks, each)
    chosen = jax.lax.map(lambda x: jax.vmap(one)(*x), (row, counts))
    return chosen.reshape(-1, most)[:rows]


def binomial(key: Any, rows: int, n: int, p: float) -> tuple[Int[Array, "rows"], int]:
    """For each row, the number of successes in `n` trials; and the most there can be.

    By inversion of the distribution, tabulated in words. A number beyond the most has less
    than half a word's probability.
    """
    from scipy.special import bdtr

    with np.errstate(all="ignore"):
        cdf = bdtr(np.arange(n), n, p)
    cdf = np.where(p == 1, 0.0, cdf)
    table = np.round(cdf * 2.0**32)
    table = table[table < 2.0**32].astype(np.uint32)
    word = jax.random.bits(key, (rows,), jnp.uint32)
    counts = jnp.searchsorted(jnp.asarray(table), word, side="right")
    return counts.astype(jnp.int32), len(table)
