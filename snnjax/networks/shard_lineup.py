"""The order of neurons in which the words of many devices are words of the whole."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from snnjax.connect.bits import BITS


def block(size: int, n_devices: int) -> int:
    """Neurons of a population of `size` on each device; the last ones may have fewer."""
    return -(-size // n_devices)


class Lineup(NamedTuple):
    """`size` neurons in blocks on `n_devices`, and places for those that fill up words.

    Each device packs its block into words, and the words of one device follow those of the
    other. That is `bits.pack` of the neurons in another order, which this is. To take spikes
    in it costs nothing; in the order of the neurons they have to be unpacked.
    """

    size: int
    n_devices: int

    @property
    def words(self) -> int:
        """Of each device."""
        return -(-block(self.size, self.n_devices) // BITS)

    @property
    def n(self) -> int:
        """Places of all."""
        return BITS * self.n_devices * self.words

    def places(self) -> Int[np.ndarray, "size"]:
        """The place of each neuron."""
        per_device = block(self.size, self.n_devices)
        device, own = np.divmod(np.arange(self.size), per_device)
        bit, word = np.divmod(own, self.words)
        return (bit * self.n_devices + device) * self.words + word

    def as_words(self, x: Array) -> Array:
        """The block of one device as [bits, words]."""
        room = BITS * self.words - x.shape[-1]
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, room)])
        return x.reshape(*x.shape[:-1], BITS, self.words)

    def in_order(self, x: Array) -> Array:
        """[..., places] as [..., neurons]."""
        lead, per_device = x.shape[:-1], block(self.size, self.n_devices)
        x = jnp.moveaxis(x.reshape(*lead, BITS, self.n_devices, self.words), -2, -3)
        x = x.reshape(*lead, self.n_devices, -1)[..., :per_device]
        return x.reshape(*lead, -1)[..., : self.size]
