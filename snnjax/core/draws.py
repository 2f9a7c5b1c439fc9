"""Random numbers of a step, each a function of key, step, element and stream."""

import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.extend
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int, UInt32

from snnjax.core.counter_hash import hashed

Generator = Literal["hash", "threefry"]
GENERATORS = ("hash", "threefry")

_PIECE = 2.05  # mean up to which a Poisson number is drawn in one go ...
_MOST = 16  # ... as one of more events is rarer than one word in 2^33
_BIG = 256.0  # mean from which an expansion is as exact as float32


class Draws(eqx.Module):
    """Random numbers of step `step` for elements `offset`, `offset` + 1, ... of a whole.

    Chunks, batches and shards that name their key, step and elements see the same numbers as
    the whole does. Each rests on one word of 32 bits, in both precisions.

    - `shape`: of what is drawn; elements are numbered in C order.
    - `generator`: "hash" is `core.counter_hash`; "threefry" is that of `jax.random`, whose
      `bits(fold_in(key, step), shape)` are stream 0. It is ten times slower.

    Streams up to 2^16 tell several numbers of one element apart.
    """

    key: Any
    step: Int[Array, ""] = eqx.field(converter=jnp.asarray)
    shape: tuple[int, ...] = eqx.field(static=True)
    offset: Int[Array, ""] = eqx.field(default=0, converter=jnp.asarray)
    generator: Generator = eqx.field(static=True, default="hash")

    @eqx.filter_jit
    def bits(self, stream: Int[ArrayLike, ""] = 0) -> UInt32[Array, "*n"]:
        """Random words."""
        element = lax.iota(jnp.uint32, math.prod(self.shape))
        element = element + self.offset.astype(jnp.uint32)
        if self.generator == "threefry":
            words = _threefry(jax.random.fold_in(self.key, self.step), element, stream)
        else:
            words = hashed(self.key, self.step, element, stream)
        return words.reshape(self.shape)

    def uniform(self, dtype: Any, stream: Int[ArrayLike, ""] = 0) -> Float[Array, "*n"]:
        """In (0, 1), in multiples of 2^-32: fine enough for rare events in float32.

        `jax.random.uniform` has a grid of 2^-23 there, which puts a probability of 1e-5 off by
        up to one percent.
        """
        u = (self.bits(stream).astype(dtype) + 0.5) * jnp.asarray(2.0**-32, dtype)
        return jnp.minimum(u, _below_1(dtype))  # float32 rounds the last ones up to 1

    def normal(self, dtype: Any, stream: Int[ArrayLike, ""] = 0) -> Float[Array, "*n"]:
        """Of mean 0 and variance 1: up to 5.4 in float32 and 6.3 in float64."""
        bits = lax.bitcast_convert_type(self.bits(stream), jnp.int32)
        x = (bits.astype(dtype) + 0.5) * jnp.asarray(2.0**-31, dtype)
        # Without the barrier XLA computes the word again for each of its uses.
        x = lax.optimization_barrier(jnp.clip(x, -_below_1(dtype), _below_1(dtype)))
        return jnp.asarray(2**0.5, dtype) * lax.erf_inv(x)

    def coin(self, p: Float[Array, "..."]) -> Float[Array, "*n"]:
        """1.0 with probability `p`, else 0.0."""
        return (self.uniform(p.dtype) < p).astype(p.dtype)

    @eqx.filter_jit  # outside of a run, loops would be compiled anew in each step
    def poisson(
        self, expected: Float[Array, "..."], stream: Int[ArrayLike, ""] = 0
    ) -> Float[Array, "*n"]:
        """Poisson numbers of mean `expected`, a scalar or of `shape`; none where it is NaN.

        By inversion, from one word for a mean up to 2. A larger one is the sum of equal pieces
        of at most 2; one above 256 comes from an expansion that is exact to 2^-24.
        """
        expected = jnp.where(expected > 0, expected, 0)
        big = expected > _BIG
        pieces = jnp.where(big, 0, jnp.ceil(expected / _PIECE))
        mean = expected / jnp.maximum(pieces, 1)
        most = jnp.max(pieces, initial=0).astype(jnp.int32)

        def piece(j):
            u = self.uniform(expected.dtype, stream + (j << 16))
            return _inverted(lax.optimization_barrier(u), jnp.where(j < pieces, mean, 0))

        more = lambda carry: (carry[0] + 1, carry[1] + piece(carry[0]))
        start = jnp.int32(1), piece(jnp.int32(0))
        _, n = lax.while_loop(lambda carry: carry[0] < most, more, start)
        # A loop of one turn or none: under vmap, `lax.cond` would always go both ways.
        large = lambda: _expanded(self.normal(expected.dtype, stream), expected)
        once = lambda carry: (jnp.zeros_like(carry[0]), jnp.where(big, large(), carry[1]))
        return lax.while_loop(lambda carry: carry[0], once, (jnp.any(big), n))[1]


def _inverted(u: Float[Array, "*n"], mean: Float[Array, "..."]) -> Float[Array, "*n"]:
    r"""How many k have $u < P(n \ge k)$, for k from 1 on; with rare events from small u.

    $P(n \ge k) = p_k (1 + \frac{m}{k + 1} (1 + \frac{m}{k + 2} (1 + \dots)))$ for mean m: sums
    of positive terms, so that small ones are as accurate as large ones. What is left out is
    rarer than one word.
    """
    series = [jnp.ones_like(mean)]
    for k in range(_MOST, 1, -1):
        series.append(1 + mean / k * series[-1])
    p, n = jnp.exp(-mean), jnp.zeros(u.shape, jnp.int32)
    for k in range(1, _MOST + 1):
        p = p * mean / k
        n = n + (u < p * series[_MOST - k]).astype(jnp.int32)
    return n.astype(u.dtype)


def _expanded(z: Float[Array, "*n"], mean: Float[Array, "..."]) -> Float[Array, "*n"]:
    """Poisson numbers of a large mean from normal ones, by the inverse of their law.

    Giles 2016, ACM Trans. Math. Softw. 42:7: three terms, off by 5e-8 in probability at 256.
    """
    root, z2 = jnp.sqrt(mean), z * z
    series = 1 / 3 + z2 / 6 - z * (2 + z2) / (72 * root)
    series = series + (-8 / 405 + z2 * (7 / 810 + z2 / 270)) / mean
    return jnp.floor(mean + (root * z + series))


def _threefry(key: Any, element: UInt32[Array, "n"], stream: Any) -> UInt32[Array, "n"]:
    stream = jnp.broadcast_to(jnp.asarray(stream).astype(jnp.uint32), element.shape)
    key = jax.random.key_data(key)[:2]  # one of "rbg" repeats these
    words = jax.extend.random.threefry_2x32(key, jnp.concatenate([stream, element]))
    return jnp.bitwise_xor(*jnp.split(words, 2))


def _below_1(dtype: Any) -> Any:
    return 1 - jnp.finfo(dtype).epsneg
