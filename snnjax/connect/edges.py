"""What a wiring rule gives: one entry a synapse, ordered by source neuron."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int

from snnjax.core.checks import is_traced


def indices(x: Any, name: str) -> Int[Array, "..."]:
    """`x` as an int32 array; refuses what is not whole numbers."""
    # An empty list is no float array, though NumPy makes one of it.
    dtype = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
    if not jnp.issubdtype(dtype, jnp.integer) and np.size(x):
        raise ValueError(f"{name} must be whole numbers, got an array of {dtype}.")
    return jnp.asarray(x, dtype=jnp.int32)


def size(n: Any, name: str, what: str = "a number of neurons") -> int:
    """`n` as an int of at least 0; refuses what is not whole or not known while tracing."""
    try:
        whole = int(n)
        if whole == n and whole >= 0:
            return whole
    except (TypeError, ValueError, OverflowError, jax.errors.ConcretizationTypeError):
        pass
    raise ValueError(f"{name} must be {what}, a whole number from 0 on, got {n!r}.")


class Edges(eqx.Module):
    """The synapses from `n_pre` to `n_post` neurons: synapse s runs from pre[s] to post[s].

    Entries are in the order of `pre`, and those that the rules make, of `post` within `pre`;
    equal entries are separate synapses (multapses). Where the number of synapses is random
    and the size of the arrays must not be (under `jit` and `vmap`, or with `max_synapses=`),
    unused entries come last, with pre = n_pre and post = n_post.

    - `pre`, `post`: numbers of neurons from 0 on, int32. `n_pre`, `n_post`: static.
    - `lost`: synapses that were drawn and found no room in arrays of a fixed size; 0 outside
      of `jit`, where this is an error.
    - `order`: where the rule was given arrays of synapses, the place that each entry had
      there, so that other arrays in the order of the user can follow; else None.
    """

    pre: Int[Array, "synapses"] = eqx.field(converter=lambda x: indices(x, "Edges.pre"))
    post: Int[Array, "synapses"] = eqx.field(converter=lambda x: indices(x, "Edges.post"))
    n_pre: int = eqx.field(static=True, converter=lambda n: size(n, "Edges.n_pre"))
    n_post: int = eqx.field(static=True, converter=lambda n: size(n, "Edges.n_post"))
    lost: Int[Array, ""] = eqx.field(
        default=0, converter=lambda x: indices(x, "Edges.lost")
    )
    order: Int[Array, "synapses"] | None = None

    def __check_init__(self):
        if self.pre.ndim != 1 or self.pre.shape != self.post.shape:
            raise ValueError(
                "Edges.pre and Edges.post must have one entry a synapse each, got shapes "
                f"{self.pre.shape} and {self.post.shape}."
            )
        if is_traced((self.pre, self.post)):
            return
        pre, post = np.asarray(self.pre), np.asarray(self.post)
        unused = (pre == self.n_pre) & (post == self.n_post)
        in_range(pre, self.n_pre, "Edges.pre", unused)
        in_range(post, self.n_post, "Edges.post", unused)
        if np.any(pre[1:] < pre[:-1]):
            raise ValueError(
                "Edges.pre must be in ascending order; the rule FromArrays(pre, post) "
                "takes synapses in any order."
            )

    def __len__(self) -> int:
        """Entries of the arrays, unused ones included; see `count`."""
        return self.pre.shape[0]

    @property
    def indptr(self) -> Int[Array, "n_pre+1"]:
        """Row pointers (CSR): synapses of source i are indptr[i] .. indptr[i + 1] - 1."""
        xp, pre, _ = self._known()
        sources = np.arange(self.n_pre + 1, dtype=np.int32)
        return jnp.asarray(xp.searchsorted(pre, sources), dtype=jnp.int32)

    @property
    def count(self) -> Int[Array, ""]:
        """Number of synapses."""
        return self.indptr[-1]

    def out_degrees(self) -> Int[Array, "n_pre"]:
        """Synapses that leave each source."""
        return self.indptr[1:] - self.indptr[:-1]

    def in_degrees(self) -> Int[Array, "n_post"]:
        """Synapses that reach each target."""
        xp, _, post = self._known()
        if xp is np:  # the last place counts unused entries
            degrees = np.bincount(post, minlength=self.n_post + 1)[: self.n_post]
            return jnp.asarray(degrees, dtype=jnp.int32)
        return jnp.zeros(self.n_post, jnp.int32).at[post].add(1, mode="drop")

    def _known(self) -> tuple[Any, Any, Any]:
        """NumPy with NumPy arrays if nothing is traced, as there it has nothing to compile."""
        if is_traced((self.pre, self.post)):
            return jnp, self.pre, self.post
        return np, np.asarray(self.pre), np.asarray(self.post)

    def to_sparse(self, values: ArrayLike = 1.0) -> Any:
        """A `scipy.sparse.csr_array` [n_pre, n_post] with `values`, one or one a synapse.

        Multapses stay apart in it until SciPy adds them up.
        """
        import scipy.sparse

        n = int(self.count)
        values = np.broadcast_to(np.asarray(values), len(self))[:n]
        parts = (values, np.asarray(self.post)[:n], np.asarray(self.indptr))
        return scipy.sparse.csr_array(parts, shape=(self.n_pre, self.n_post), copy=True)


def in_range(x: np.ndarray, n: int, name: str, unused: Any = False) -> None:
    """Refuse numbers of neurons that a population of `n` does not have."""
    bad = ((x < 0) | (x >= n)) & ~np.asarray(unused)
    if np.any(bad):
        raise ValueError(
            f"{name} must number the neurons of a population of {n} from 0 to {n - 1}, "
            f"got {x[np.argmax(bad)]}."
        )
