"""Arrays that are spread over devices and processes, brought together."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import is_key, is_traced


def to_host(x: Any) -> Any:
    """An array as NumPy's, whole in every process, which all have to ask for it; keys stay."""
    if is_key(x):
        return x  # NumPy holds no keys
    if isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated):
        from jax.experimental.multihost_utils import process_allgather

        x = process_allgather(x, tiled=True)
    return np.asarray(x)


def gather(tree: Any) -> Any:
    """`tree` with each of its arrays whole, in every process, and tied to no device.

    So what a run on many devices gave (`gather(sol.ys)`, `gather(sol.state)`) can be looked at
    by each process of several, and a run go on with another number of devices.
    """

    def one(x):
        if not isinstance(x, jax.Array) or is_traced(x):
            return x
        if is_key(x):
            data = one(jax.random.key_data(x))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
        return jnp.asarray(to_host(x))

    return jax.tree.map(one, tree)
