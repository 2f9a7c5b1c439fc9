"""Which neurons each synapse joins, in the two forms that learning runs on."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32


class Pairs(eqx.Module):
    """Every source with every target: weights are a matrix [n_pre, n_post]."""

    shape: tuple[int, int] = eqx.field(static=True)

    def of_pre(self, x: Array) -> Array:
        """One value a source [n_pre], spread over the synapses."""
        return x[..., :, None]

    def of_post(self, x: Array) -> Array:
        return x[..., None, :]

    def onto_post(self, w: Array) -> Array:
        """The sum of one value a synapse over those of each target."""
        return w.sum(-2)


class Listed(eqx.Module):
    """A list of synapses, ordered by source: weights are an array [synapses].

    `indptr`, `post` as in `connect/rows.py`. `order` lists the synapses by target, those of
    target j from `starts[j]` to `starts[j + 1]`, and `pre` is the source of each.
    """

    indptr: UInt32[Array, "n_pre_and_1"]
    post: UInt32[Array, "synapses"]
    pre: UInt32[Array, "synapses"]
    order: UInt32[Array, "synapses"]
    starts: UInt32[Array, "n_post_and_1"]

    @classmethod
    def of(cls, indptr: Array, post: Array, n_post: int) -> "Listed":
        n_pre, n = indptr.shape[0] - 1, post.shape[0]
        sources = jnp.arange(n_pre, dtype=jnp.uint32)
        pre = jnp.repeat(sources, jnp.diff(indptr), total_repeat_length=n)
        order = jnp.argsort(post, stable=True).astype(jnp.uint32)
        targets = jnp.arange(n_post + 1, dtype=post.dtype)
        starts = jnp.searchsorted(post[order], targets).astype(jnp.uint32)
        return cls(indptr, post, pre, order, starts)

    @property
    def shape(self) -> tuple[int, int]:
        return self.indptr.shape[0] - 1, self.starts.shape[0] - 1

    def of_pre(self, x: Array) -> Array:
        """One value a source [n_pre], for each synapse."""
        return x[..., self.pre]

    def of_post(self, x: Array) -> Array:
        # Synapses that no row reaches (of wirings drawn within jit) have no target.
        return x.at[..., self.post].get(mode="clip")

    def onto_post(self, w: Array) -> Array:
        """The sum of one value a synapse over those of each target."""
        zeros = jnp.zeros((*w.shape[:-1], self.shape[1]), w.dtype)
        return zeros.at[..., self.post].add(w, mode="drop")


def size_of(pairs: Pairs | Listed) -> int:
    """How many synapses there are."""
    return int(np.prod(pairs.shape)) if isinstance(pairs, Pairs) else pairs.post.shape[0]
