"""The resting potential of a neuron, found rather than typed."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_CELLS = 128
_HALVINGS = 64


@eqx.filter_jit
def lowest_root(
    f: Callable[[Float[Array, "*n"]], Float[Array, "*n"]],
    low: Float[Array, "..."],
    high: Float[Array, "..."],
) -> Float[Array, "*n"]:
    """The lowest x between `low` and `high` at which `f` rises through 0.

    - `f`: elementwise, at most 0 at `low` and at least 0 at `high`. A bound method of a
      module: its parameters then get gradients, and a second call compiles nothing.

    Roots closer than 1/128 of the interval may be taken for none.
    """
    frozen = jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, f)
    low, high = jax.lax.stop_gradient((low, high))
    shape = jax.eval_shape(lambda: low + high + f(low)).shape
    low, cell = jnp.broadcast_to(low, shape), (high - low) / _CELLS

    def march(k, carry):
        left, below = carry
        x = low + k * cell
        below = below & (frozen(x) < 0)
        return jnp.where(below, x, left), below

    def halve(_, bracket):
        left, right = bracket
        middle = 0.5 * (left + right)
        below = frozen(middle) < 0
        return jnp.where(below, middle, left), jnp.where(below, right, middle)

    left, _ = jax.lax.fori_loop(1, _CELLS, march, (low, jnp.ones(shape, bool)))
    _, root = jax.lax.fori_loop(0, _HALVINGS, halve, (left, left + cell))
    # Newton's steps hardly move the root: they carry its first and second derivatives.
    for _ in range(2):
        value, slope = jax.jvp(f, (root,), (jnp.ones_like(root),))
        root = root - value / jnp.where(slope > 0, slope, jnp.inf)
    return root
