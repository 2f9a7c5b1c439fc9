"""Wiring that is given: as arrays of synapses, or as a matrix."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from snnjax.connect.edges import Edges, in_range, indices
from snnjax.connect.rules import AbstractRule
from snnjax.core.checks import as_float, is_traced


class FromArrays(AbstractRule):
    """Synapse s runs from neuron pre[s] to neuron post[s]; in any order, multapses included.

    Weights and delays given as arrays with one value a synapse are in this same order.

    - `pre`, `post`: whole numbers from 0 on, [synapses].
    """

    random: ClassVar[bool] = False

    pre: Int[Array, "synapses"] = eqx.field(
        converter=lambda x: indices(x, "FromArrays.pre")
    )
    post: Int[Array, "synapses"] = eqx.field(
        converter=lambda x: indices(x, "FromArrays.post")
    )

    def __check_init__(self):
        if self.pre.ndim != 1 or self.pre.shape != self.post.shape:
            raise ValueError(
                "FromArrays.pre and FromArrays.post must have one entry a synapse each, got "
                f"shapes {self.pre.shape} and {self.post.shape}."
            )

    def empty(self, n_pre, n_post):
        if len(self.pre):
            raise ValueError(
                f"FromArrays has {len(self.pre)} synapses, but connects {n_pre} and "
                f"{n_post} neurons."
            )
        return Edges(self.pre, self.post, n_pre, n_post, order=self.pre)

    def wire(self, n_pre, n_post, key, same):
        if not is_traced(self):
            return self._wire_on_host(n_pre, n_post)
        entry = jnp.arange(len(self.pre), dtype=jnp.int32)
        pre, post, order = jax.lax.sort((self.pre, self.post, entry), num_keys=2)
        return Edges(pre, post, n_pre, n_post, order=order)

    def _wire_on_host(self, n_pre, n_post):
        pre, post = np.asarray(self.pre), np.asarray(self.post)
        in_range(pre, n_pre, "FromArrays.pre")
        in_range(post, n_post, "FromArrays.post")
        order = np.argsort(pre.astype(np.int64) * n_post + post, kind="stable")
        place = jnp.asarray(order, dtype=jnp.int32)
        return Edges(pre[order], post[order], n_pre, n_post, order=place)


class FromSparse(AbstractRule):
    """A synapse for each stored entry of a SciPy sparse matrix, [n_pre, n_post].

    Of an array, for each entry that is not 0. Entries stored twice are added up. `weights` has
    their values in the order of the synapses:

        wiring = FromSparse(matrix)
        Projection("exc", "exc", wiring, wiring.weights)
    """

    random: ClassVar[bool] = False

    pre: Int[Array, "synapses"]
    post: Int[Array, "synapses"]
    weights: Float[Array, "synapses"]
    shape: tuple[int, int] = eqx.field(static=True)

    def __init__(self, matrix: Any):
        import scipy.sparse

        shape = tuple(getattr(matrix, "shape", np.shape(matrix)))
        if len(shape) != 2:
            raise ValueError(
                "FromSparse.matrix must be a SciPy sparse matrix or an array, "
                f"[n_pre, n_post], got {matrix!r}."
            )
        rows = scipy.sparse.csr_array(matrix, copy=True)
        rows.sum_duplicates()  # puts each row in order, too
        pre = np.repeat(np.arange(shape[0]), np.diff(rows.indptr))
        self.pre = indices(pre, "FromSparse.pre")
        self.post = indices(rows.indices, "FromSparse.post")
        self.weights = as_float(rows.data)
        self.shape = int(shape[0]), int(shape[1])

    def empty(self, n_pre, n_post):
        self.check(n_pre, n_post, False)
        return Edges(self.pre, self.post, n_pre, n_post)

    def check(self, n_pre, n_post, same):
        if self.shape != (n_pre, n_post):
            raise ValueError(
                f"FromSparse has a matrix of shape {self.shape}, but connects {n_pre} and "
                f"{n_post} neurons."
            )

    def wire(self, n_pre, n_post, key, same):
        return Edges(self.pre, self.post, n_pre, n_post)
