r"""Random words as a function of where they are used: no state, no sequence.

$$\text{word} = A(e \oplus a) \oplus B(e \oplus b), \quad (a, b) = S(\text{key}, \text{stream},
\text{step})$$

for element e. A and B are permutations of the 32-bit words, two multiplications each, of
Wellons' search for the smallest bias (2018, Hash Prospector). Their sum is free of the one
flaw each has alone: that a permutation never repeats a word (Lucks 2000, EUROCRYPT, LNCS
1807:470). S is a Feistel network of the same two, a bijection of 64 bits for each word it
takes in, so that no two steps of a key share their (a, b).

It is for noise and drive, not for secrets. `benchmarks/random_battery.py` holds it to
threefry's standard.
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
    """`step` comes last: what is before it, a loop over steps computes once."""
    x, y = jnp.uint32(0x243F6A88), jnp.uint32(0x85A308D3)  # of the digits of pi
    for word in (*jax.random.key_data(key), *words, 0):
        x = x ^ _word(word)
        y = y ^ _mix_a(x)
        x = x ^ _mix_b(y)
    return x, y


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
