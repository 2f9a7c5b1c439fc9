"""Random draws for wiring, in whole numbers: the same on every backend and in every precision.

Each function takes a key as two words (see `key_words`): in a NumPy array it draws by NumPy,
which has nothing to compile, in a jax array by jax, and the numbers are the same. A draw is a
function of the key, the row (a source or a target neuron) and its place in the row.
Probabilities are held to 2^-32, the resolution of one word.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, UInt32

_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
_BLOCK = 2**14  # words that NumPy makes at a time, for the sake of the cache


def numpy_or_jax(x: Any) -> Any:
    """The module that computes with `x`."""
    return np if isinstance(x, np.ndarray | np.generic) else jnp


def key_words(key: Any) -> UInt32[Array, "2"]:
    """The first two words of a key of any kind."""
    return jax.random.key_data(key)[..., :2]


def threefry(key: UInt32[Array, "2"], first: Any, second: Any) -> tuple[Any, Any]:
    """Two random words for each pair of words: Threefry-2x32 with 20 rounds.

    Salmon et al. 2011, Proc. SC'11, article 16; the generator of jax's own keys, written out
    so that wirings change neither with its version nor with its settings.
    """
    uint = np.uint32
    keys = [key[0], key[1], key[0] ^ key[1] ^ uint(0x1BD11BDA)]
    a, b = first + keys[0], second + keys[1]
    for i in range(5):
        for r in _ROTATIONS[i % 2]:
            a = a + b
            b = (b << uint(r)) | (b >> uint(32 - r))
            b = b ^ a
        a = a + keys[(i + 1) % 3]
        b = b + keys[(i + 2) % 3] + uint(i + 1)
    return a, b


def split(key: UInt32[Array, "2"]) -> tuple[UInt32[Array, "2"], UInt32[Array, "2"]]:
    """Two independent keys."""
    xp = numpy_or_jax(key)
    end = np.full(2, 2**32 - 1, np.uint32)  # no row has this number
    a, b = threefry(key, end, np.arange(2, dtype=np.uint32))
    return xp.stack([a[0], b[0]]), xp.stack([a[1], b[1]])


def words(
    key: UInt32[Array, "2"], rows: Int[Array, "rows"] | int, n: int
) -> UInt32[Array, "rows n"]:
    """`n` random words for each of `rows`, which are numbers or how many."""
    number: Any = np.arange(rows) if isinstance(rows, int) else rows
    row, place = number.astype(np.uint32)[:, None], np.arange(n, dtype=np.uint32)
    if numpy_or_jax(key) is jnp:
        return threefry(key, row, place)[0]
    out = np.empty((len(row), n), np.uint32)
    high = max(1, _BLOCK // max(n, 1))
    for i in range(0, len(row), high):
        for j in range(0, n, _BLOCK):
            some = slice(i, i + high), slice(j, j + _BLOCK)
            out[some] = threefry(key, row[some[0]], place[some[1]])[0]
    return out


def below(word: UInt32[Array, "..."], n: ArrayLike) -> Int[Array, "..."]:
    """Uniform in 0 .. n - 1: the upper half of the 64 bits of word * n.

    Numbers differ in probability by n / 2^32 of it at most.
    """
    if numpy_or_jax(word) is np:
        return ((word * np.asarray(n, np.uint64)) >> np.uint64(32)).astype(np.int32)
    n = jnp.asarray(n).astype(jnp.uint32)  # jax has no 64-bit integers by default
    low, high = word & 0xFFFF, word >> 16
    n_low, n_high = n & 0xFFFF, n >> 16
    middle = high * n_low + ((low * n_low) >> 16)
    carry = ((middle & 0xFFFF) + low * n_high) >> 16
    return (high * n_high + (middle >> 16) + carry).astype(jnp.int32)


def coin(word: UInt32[Array, "..."], p: float | Float[Array, "..."]) -> Bool[Array, "..."]:
    """True with probability `p`; below 0 and where it is NaN never, above 1 always."""
    if isinstance(p, float):  # not rounded to float32
        threshold = np.uint32(min(round(p * 2**32), 2**32 - 1))
    else:
        threshold = (jnp.where((p > 0) & (p < 1), p, 0) * 2.0**32).astype(jnp.uint32)
    return (word < threshold) | (p >= 1)


def binomial(
    key: UInt32[Array, "2"], rows: int, n: int, p: float
) -> tuple[Int[Array, "rows"], int]:
    """For each row, the number of successes in `n` trials; and the most there can be.

    By inversion of the distribution, tabulated in words. A number beyond the most has less
    than half a word's probability.
    """
    from scipy.special import bdtr

    xp = numpy_or_jax(key)
    cdf = bdtr(np.arange(n), n, p) if p < 1 else np.zeros(n)
    table = np.round(cdf * 2.0**32)
    table = table[table < 2.0**32].astype(np.uint32)
    if len(table) == 0:
        return xp.zeros(rows, xp.int32), 0
    counts = xp.searchsorted(table, words(key, rows, 1)[:, 0], side="right")
    return counts.astype(xp.int32), len(table)


def without_replacement(
    key: UInt32[Array, "2"],
    counts: Int[Array, "rows"],
    most: int,
    room: int,
    n: ArrayLike | None = None,
) -> Int[Array, "rows most"]:
    """For each row, `counts[row]` distinct numbers below `n`; the places left hold `room`.

    Floyd's algorithm (Bentley & Floyd 1987, Commun. ACM 30:754): each set of that size is as
    likely as any other, with one random word a number.

    - `most`: of the counts. `room`: at least n, which it is by default. Both static.
    """
    xp = numpy_or_jax(key)
    n = room if n is None else n
    if most == 0:
        return xp.zeros((len(counts), 0), xp.int32)
    # Whether a number was chosen before is looked up in the row's list of numbers while that
    # is short, else in a table of all numbers.
    short = most <= 16 or most**2 <= room

    def choose(rows, counts):
        word = words(key, rows, most).T
        each = np.arange(len(rows))

        def one(s, carry):
            chosen, table = carry
            last = xp.minimum(n - counts + s, n - 1)
            t = below(word[s], last + 1)
            seen = xp.any(chosen == t, 0) if short else table[each, t]
            t = xp.where(s < counts, xp.where(seen, last, t), room).astype(xp.int32)
            if not short:
                table = put(table, (each, t), True)
            return put(chosen, s, t), table

        chosen = xp.full((most, len(rows)), room, xp.int32)
        table = None if short else xp.zeros((len(rows), room + 1), bool)
        return loop(xp, most, one, (chosen, table))[0].T

    return by_rows(xp, choose, most if short else room // 4, len(counts), counts)


def loop(xp: Any, n: int, body: Callable, carry: Any) -> Any:
    """`carry` after `body(i, carry)` for i from 0 to n - 1."""
    if xp is jnp and n > 0:  # jax looks at the body even if it never runs
        return jax.lax.fori_loop(0, n, body, carry)
    for i in range(n):
        carry = body(i, carry)
    return carry


def put(x: Any, at: Any, values: Any) -> Any:
    """`x` with `values` in places `at`; NumPy puts them into `x` itself."""
    if numpy_or_jax(x) is jnp:
        return x.at[at].set(values)
    x[at] = values
    return x


def by_rows(xp: Any, f: Callable, width: int, n: int, *per_row: Array) -> Array:
    """`f(rows, *per_row)` for some of `n` rows at a time, so that rows * `width` stays small."""
    # Steps of NumPy cost the more, and want more rows. Of a lone row XLA would copy a table
    # at each step.
    most, fewest = (2**23, 2**10) if xp is np else (2**21, 2**6)
    chunks = -(-n // max(most // max(width, 1), fewest))
    each = max(-(-n // chunks), 2)
    if xp is np:
        cuts = [slice(i, min(i + each, n)) for i in range(0, n, each)]
        return np.concatenate([f(np.arange(n)[s], *(x[s] for x in per_row)) for s in cuts])
    pad = lambda x: jnp.pad(x, (0, chunks * each - n)).reshape(chunks, each)
    rows = np.arange(chunks * each).reshape(chunks, each)
    out = jax.lax.map(lambda args: f(*args), (rows, *map(pad, per_row)))
    return out.reshape(chunks * each, *out.shape[2:])[:n]
