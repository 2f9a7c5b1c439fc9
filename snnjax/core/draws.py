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
_BIG = 500.0  # mean from which `jax.random.poisson` is quicker than the sum of pieces


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
        """Poisson numbers of mean `expected`, a scalar or of `shape`.

        By inversion, from one word where no mean is above 2. Larger ones are the sum of equal
        pieces of at most 2, and where any is above 500 all are from `jax.random.poisson`.
        """
        largest = jnp.max(jnp.where(expected > 0, expected, 0), initial=0)
        big = largest > _BIG
        pieces = jnp.where(big, 1, jnp.ceil(largest / _PIECE)).astype(jnp.int32)
        mean = expected / jnp.maximum(pieces, 1).astype(expected.dtype)

        def piece(j):
            u = self.uniform(expected.dtype, stream + (j << 16))
            return _inverted(lax.optimization_barrier(u), mean)

        more = lambda carry: (carry[0] + 1, carry[1] + piece(carry[0]))
        start = jnp.int32(1), piece(jnp.int32(0))
        _, n = lax.while_loop(lambda carry: carry[0] < pieces, more, start)
        # A loop of one turn or none: under vmap, `lax.cond` would always go both ways.
        rejection = lambda carry: (jnp.zeros_like(big), self._rejection(expected, stream))
        return lax.while_loop(lambda carry: carry[0], rejection, (big, n))[1]

    def _rejection(self, expected, stream):
        words = jnp.stack([self.bits(stream), self.bits(stream + (1 << 16))], -1)
        keys = jax.random.wrap_key_data(words.reshape(-1, 2), impl="threefry2x32")
        flat = jnp.broadcast_to(expected, self.shape).ravel()
        n = jax.vmap(lambda key, mean: jax.random.poisson(key, mean))(keys, flat)
        return n.reshape(self.shape).astype(expected.dtype)


def _inverted(u: Float[Array, "*n"], mean: Float[Array, "..."]) -> Float[Array, "*n"]:
    r"""How many k have $u < P(n \ge k)$, for k from 1 on; with rare events from small u.

    $P(n \ge k) = p_k (1 + \frac{m}{k + 1} (1 + \frac{m}{k + 2} (1 + \dots)))$ for mean m: sums
    of positive terms, so that the smallest is as accurate as the largest.
    """
    series = [jnp.ones_like(mean)]
    for k in range(_MOST, 1, -1):
        series.append(1 + mean / k * series[-1])
    p, n = jnp.exp(-mean), jnp.zeros(u.shape, jnp.int32)
    for k in range(1, _MOST + 1):
        p = p * mean / k
        n = n + (u < p * series[_MOST - k]).astype(jnp.int32)
    return n.astype(u.dtype)


def _threefry(key: Any, element: UInt32[Array, "n"], stream: Any) -> UInt32[Array, "n"]:
    stream = jnp.broadcast_to(jnp.asarray(stream).astype(jnp.uint32), element.shape)
    key = jax.random.key_data(key)[:2]  # one of "rbg" repeats these
    words = jax.extend.random.threefry_2x32(key, jnp.concatenate([stream, element]))
    return jnp.bitwise_xor(*jnp.split(words, 2))


def _below_1(dtype: Any) -> Any:
    return 1 - jnp.finfo(dtype).epsneg
