"""From proposed synapses to `Edges`: drop the unused, put them in order, fit the size."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from snnjax.connect.edges import Edges


def edges_on_host(
    pre: np.ndarray,
    post: np.ndarray,
    n_pre: int,
    n_post: int,
    max_synapses: int | None,
    name: str,
    ordered: bool = False,
) -> Edges:
    """`Edges` of concrete synapses; those with pre >= n_pre are unused.

    Without `max_synapses` the arrays have as many entries as there are synapses.
    """
    used = pre < n_pre
    if not used.all():
        pre, post = pre[used], post[used]
    if not ordered:
        # One key a synapse: NumPy sorts 32-bit words in a third of the time of 64-bit ones.
        word = np.uint32 if n_pre * n_post <= 2**32 else np.uint64
        keys = pre.astype(word) * word(n_post) + post.astype(word)
        keys.sort()
        pre, post = np.divmod(keys, word(n_post))
    if max_synapses is not None:
        spare = max_synapses - len(pre)
        if spare < 0:
            raise ValueError(
                f"{name} drew {len(pre)} synapses, more than max_synapses={max_synapses}: "
                "give a larger max_synapses, or, outside of jit, none."
            )
        pre = np.concatenate([pre, np.full(spare, n_pre, pre.dtype)])
        post = np.concatenate([post, np.full(spare, n_post, post.dtype)])
    return Edges(pre, post, n_pre, n_post)


def edges_traced(
    pre: Int[Array, "slots"],
    post: Int[Array, "slots"],
    n_pre: int,
    n_post: int,
    max_synapses: int | None,
    ordered: bool = False,
) -> Edges:
    """The same for traced synapses, in arrays of `max_synapses` or, if None, of their own size.

    Synapses that find no room are the last ones in order.
    """
    used = pre < n_pre
    pre, post = jnp.where(used, pre, n_pre), jnp.where(used, post, n_post)
    if not ordered:
        pre, post = jax.lax.sort((pre, post), num_keys=2)
    if max_synapses is None:
        return Edges(pre, post, n_pre, n_post)
    lost = jnp.maximum(jnp.sum(used, dtype=jnp.int32) - max_synapses, 0)
    spare = max(max_synapses - len(pre), 0)
    pre = jnp.pad(pre, (0, spare), constant_values=n_pre)[:max_synapses]
    post = jnp.pad(post, (0, spare), constant_values=n_post)[:max_synapses]
    return Edges(pre, post, n_pre, n_post, lost)
