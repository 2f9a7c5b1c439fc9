"""What the devices of a sharded network tell each other: who fired, as bits of words."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, UInt32

from snnjax.connect import bits
from snnjax.networks.shard_lineup import Lineup

pack = jax.jit(bits.pack)  # many operations, so traced once for a shape


class Emitted(NamedTuple):
    """What a population, or a projection with a release, sends; as `Sent`, before it is packed."""

    amount: Float[Array, "*n"]
    support: Bool[Array, "*n"]  # where the amount may have a tangent


class Received(NamedTuple):
    """The same of all devices, by emitter, in the order of its `Lineup`."""

    amount: dict[str, Float[Array, "*n"]]
    active: dict[str, UInt32[Array, "*words"]]  # bits of those whose amount is not 0
    support: dict[str, UInt32[Array, "*words"]]


class Exchange(NamedTuple):
    """How the devices of `axis` put together what they emitted.

    - `lineups`: by emitter. `spikes`: emitters whose amount is 0 or 1: of them the bits say all.
      Others send their amounts too.
    """

    lineups: dict[str, Lineup]
    spikes: frozenset[str]
    axis: str

    def amounts(self, own: dict[str, Emitted]) -> dict[str, Array]:
        """What each sends, where it is active."""
        return {
            name: (_ones if name in self.spikes else _whole)(
                e.amount, self.lineups[name], self.axis
            )
            for name, e in own.items()
        }

    def active(self, own: dict[str, Emitted]) -> dict[str, Array]:
        """Who sends something, in one gather of words."""
        fired = {name: lax.stop_gradient(e.amount) != 0 for name, e in own.items()}
        return _words(fired, self.axis)

    def support(self, own: dict[str, Emitted]) -> dict[str, Array]:
        """Whose amount may have a tangent, likewise; nothing but a gradient needs it."""
        return _words({name: e.support for name, e in own.items()}, self.axis)


def _whole(x: Array, lineup: Lineup, axis: str) -> Array:
    x = lineup.as_words(x)
    whole = lax.all_gather(x, axis, axis=x.ndim - 1)
    return whole.reshape(*x.shape[:-2], lineup.n)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _ones(spikes: Array, lineup: Lineup, axis: str) -> Array:
    """`_whole` of spikes, for where it is looked at only if there is one; all its tangents."""
    del axis
    # A constant would be made again for each word of a loop over spikes.
    return lax.optimization_barrier(jnp.ones((*spikes.shape[:-1], lineup.n), spikes.dtype))


@_ones.defjvp
def _ones_jvp(lineup, axis, primals, tangents):
    return _ones(*primals, lineup, axis), _whole(*tangents, lineup, axis)


def _words(masks: dict[str, Any], axis: str) -> dict[str, Any]:
    if not masks:
        return {}
    words = {name: pack(x) for name, x in masks.items()}
    every = lax.all_gather(jnp.concatenate(list(words.values()), -1), axis)
    every, whole, first = jnp.moveaxis(every, 0, -2), {}, 0  # [..., devices, words]
    for name, x in words.items():
        n = x.shape[-1]
        whole[name] = every[..., first : first + n].reshape(*x.shape[:-1], -1)
        first += n
    return whole
