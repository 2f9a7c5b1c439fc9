r"""Random words as a function of where they are used: no state, no sequence.

$$\text{word} = A(e \oplus a) \oplus B(e \oplus b), \quad
a = B\Big(\sum_k A(w_k + c_k)\Big), \quad b = A\Big(\sum_k B(w_k + d_k)\Big)$$

for element e, where the $w_k$ are the words of the key, the stream and the step. A and B are
permutations of the 32-bit words, of two multiplications each, from a search for the smallest
bias (Wellons 2018, Hash Prospector). Their sum is free of the one flaw each has alone: that
a permutation never repeats a word (Lucks 2000, EUROCRYPT, LNCS 1807:470).

It is for noise and drive, not for secrets. `benchmarks/random_battery.py` holds it and threefry
to the same 79 tests (moments, correlation over elements, steps, streams and keys, bits,
avalanche, repeats, laws): of 1.25e8 words, the smallest p-value is 1.3e-4 here and 7.5e-3
there, with 1.3e-5 the limit. That one, of the correlation over 16 elements of one key, was
chance: over 30 other keys, 3.75e9 words, it is off by 0.2 standard errors.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int, UInt32


def hashed(
    key: Any,
    step: Int[ArrayLike, ""],
    element: Int[Array, "*n"],
    stream: Int[ArrayLike, ""] = 0,
) -> UInt32[Array, "*n"]:
    """One random word for each number in `element`.

    - `key`: a random key, of any kind, typed or raw. `stream`: tells several words of one
      element and step apart.
    """
    a, b = _seed(key, stream, step)
    element = _word(element)
    return _mix_a(element ^ a) ^ _mix_b(element ^ b)


def _seed(key: Any, *words: Any) -> tuple[Array, Array]:
    """`step` comes last: the sum of what is before it, a loop over steps computes once.

    A chain through all words is as good, but the compiler of jax 0.9 can take hours over it:
    its time is exponential in the depth of what a short loop over elements has in common.
    """
    a = b = jnp.uint32(0)
    for k, word in enumerate((*jax.random.key_data(key), *words), 1):
        word = _word(word)
        a = a + _mix_a(word + jnp.uint32(k * 0x9E3779B9 % 2**32))
        b = b + _mix_b(word + jnp.uint32(k * 0x85EBCA77 % 2**32))
    return _mix_b(a), _mix_a(b)


def _word(x: Any) -> UInt32[Array, "..."]:
    return jnp.asarray(x).astype(jnp.uint32)


def _mix_a(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def _mix_b(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    x = (x ^ (x >> 16)) * jnp.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * jnp.uint32(0xD35A2D97)
    return x ^ (x >> 15)
