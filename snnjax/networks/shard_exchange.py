"""What the devices of a sharded network tell each other: who fired, as bits of words."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from snnjax.connect import bits

pack = jax.jit(bits.pack)  # many operations, so traced once for a shape


class Emitted(NamedTuple):
    """What a population, or a projection with a release, sends; as `Sent`, before it is packed."""

    amount: Float[Array, "*n"]
    support: Bool[Array, "*n"]  # where the amount may have a tangent


class Received(NamedTuple):
    """The same of all devices, by emitter, with who is active apart."""

    amount: dict[str, Float[Array, "*n"]]
    active: dict[str, Bool[Array, "*n"]]
    support: dict[str, Bool[Array, "*n"]]


class Exchange(NamedTuple):
    """How the devices of `axis` put together what they emitted, in the order of the neurons.

    - `sizes`: of the whole, by emitter. `spikes`: emitters whose amount is 0 or 1: of them the
      bits say all. Others send their amounts too.
    """

    sizes: dict[str, int]
    spikes: frozenset[str]
    axis: str

    def amounts(self, own: dict[str, Emitted]) -> dict[str, Array]:
        """What each sends, where it is active."""
        whole = lambda name: _ones if name in self.spikes else _whole
        return self._cut({n: whole(n)(e.amount, self.axis) for n, e in own.items()})

    def active(self, own: dict[str, Emitted]) -> dict[str, Array]:
        """Who sends something, in one gather of words."""
        fired = {name: lax.stop_gradient(e.amount) != 0 for name, e in own.items()}
        return self._cut(_whole_bits(fired, self.axis))

    def support(self, own: dict[str, Emitted]) -> dict[str, Array]:
        """Whose amount may have a tangent, likewise; nothing but a gradient needs it."""
        return self._cut(_whole_bits({n: e.support for n, e in own.items()}, self.axis))

    def _cut(self, whole: dict[str, Array]) -> dict[str, Array]:
        return {name: x[..., : self.sizes[name]] for name, x in whole.items()}


def _whole(x: Array, axis: str) -> Array:
    return lax.all_gather(x, axis, axis=x.ndim - 1, tiled=True)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _ones(spikes: Array, axis: str) -> Array:
    """`_whole` of spikes, for where it is looked at only if there is one; all its tangents."""
    n = spikes.shape[-1] * lax.axis_size(axis)
    # A constant would be made again for each word of a loop over spikes.
    return lax.optimization_barrier(jnp.ones((*spikes.shape[:-1], n), spikes.dtype))


@_ones.defjvp
def _ones_jvp(axis, primals, tangents):
    return _ones(*primals, axis), _whole(*tangents, axis)


def _whole_bits(masks: dict[str, Any], axis: str) -> dict[str, Any]:
    if not masks:
        return {}
    words = {name: pack(x) for name, x in masks.items()}
    every = lax.all_gather(jnp.concatenate(list(words.values()), -1), axis)
    every = jnp.moveaxis(every, 0, -2)  # [..., devices, words]
    whole, first = {}, 0
    for name, x in masks.items():
        n = words[name].shape[-1]
        unpack = partial(bits.unpack, n=x.shape[-1])
        unpack = jnp.vectorize(unpack, signature="(w)->(n)")
        mask = unpack(every[..., first : first + n])
        whole[name] = mask.reshape(*x.shape[:-1], -1)
        first += n
    return whole
