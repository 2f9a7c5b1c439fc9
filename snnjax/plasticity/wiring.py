"""Which neurons each synapse joins, in the two forms that learning runs on."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32


class Pairs(eqx.Module):
    """Every source with every target: weights are a matrix [n_pre, n_post]."""

    shape: tuple[int, int] = eqx.field(static=True)

    by_event: ClassVar[bool] = True  # whether `apply.py` can loop over rows and columns

    def of_pre(self, x: Array) -> Array:
        """One value a source [n_pre], spread over the synapses."""
        return x[..., :, None]

    def of_post(self, x: Array) -> Array:
        return x[..., None, :]

    def onto_post(self, w: Array) -> Array:
        """The sum of one value a synapse over those of each target."""
        return w.sum(-2)

    def largest_onto_post(self, x: Array) -> Array:
        """The largest of one value a synapse, at least 0, over those of each target."""
        return x.max(-2, initial=0)


class AbstractList(eqx.Module):
    """Synapses with a source `pre` and a target `post` each; a target n_post is none."""

    pre: eqx.AbstractVar[UInt32[Array, "*synapses"]]
    post: eqx.AbstractVar[UInt32[Array, "*synapses"]]
    shape: eqx.AbstractVar[tuple[int, int]]

    by_event: ClassVar[bool]

    def of_pre(self, x: Array) -> Array:
        """One value a source [n_pre], for each synapse."""
        return x[..., self.pre]

    def of_post(self, x: Array) -> Array:
        return x.at[..., self.post].get(mode="clip")

    def onto_post(self, w: Array) -> Array:
        """The sum of one value a synapse over those of each target."""
        lead = w.shape[: w.ndim - self.post.ndim]
        zeros = jnp.zeros((*lead, self.shape[1]), w.dtype)
        return zeros.at[..., self.post].add(w, mode="drop")

    def largest_onto_post(self, x: Array) -> Array:
        """The largest of one value a synapse, at least 0, over those of each target."""
        zeros = jnp.zeros((*x.shape[:-1], self.shape[1]), x.dtype)
        return zeros.at[..., self.post].max(x, mode="drop")


class Listed(AbstractList):
    """A list of synapses, ordered by source: weights are an array [synapses].

    `indptr`, `post` as in `connect/rows.py`. `order` lists the synapses by target, those of
    target j from `starts[j]` to `starts[j + 1]`.
    """

    indptr: UInt32[Array, "n_pre_and_1"]
    post: UInt32[Array, "synapses"]
    pre: UInt32[Array, "synapses"]
    order: UInt32[Array, "synapses"]
    starts: UInt32[Array, "n_post_and_1"]
    shape: tuple[int, int] = eqx.field(static=True)

    by_event: ClassVar[bool] = True

    @classmethod
    def of(cls, indptr: Array, post: Array, n_post: int) -> "Listed":
        n_pre, n = indptr.shape[0] - 1, post.shape[0]
        sources = jnp.arange(n_pre, dtype=jnp.uint32)
        pre = jnp.repeat(sources, jnp.diff(indptr), total_repeat_length=n)
        order = jnp.argsort(post, stable=True).astype(jnp.uint32)
        targets = jnp.arange(n_post + 1, dtype=post.dtype)
        starts = jnp.searchsorted(post[order], targets).astype(jnp.uint32)
        return cls(indptr, post, pre, order, starts, (n_pre, n_post))


class Scattered(AbstractList):
    """Synapses in any order and shape, which are only visited all at once."""

    pre: UInt32[Array, "*synapses"]
    post: UInt32[Array, "*synapses"]
    shape: tuple[int, int] = eqx.field(static=True)

    by_event: ClassVar[bool] = False


def size_of(pairs: Pairs | AbstractList) -> int:
    """How many synapses there are."""
    return int(np.prod(pairs.shape)) if isinstance(pairs, Pairs) else pairs.post.size
