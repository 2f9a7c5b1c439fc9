"""The arrays that measures take: time first, then any neurons."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Shaped

from snnjax.core.checks import finite


def over_neurons(f: Callable[[Array], Any], x: Shaped[Array, "T *n"]) -> Any:
    """`f` of each `x[:, ...]`, with the axes behind the first kept behind those of `f`."""
    for _ in range(x.ndim - 1):
        f = jax.vmap(f, in_axes=-1, out_axes=-1)
    return f(x)


def raster(spikes: Shaped[ArrayLike, "T *n"], name: str) -> Shaped[Array, "T *n"]:
    """`spikes` as an array with a time axis; refuses a scalar, NaN and infinity."""
    spikes = jnp.asarray(spikes)
    if spikes.ndim == 0:
        raise ValueError(f"{name} must be a raster [T, ...], got the scalar {spikes}.")
    return finite(spikes, name) if jnp.issubdtype(spikes.dtype, jnp.inexact) else spikes


def kept_steps(
    spikes: Shaped[Array, "T *n"], dt: Float[Array, ""], discard: Float[Array, ""]
) -> Bool[Array, "T"]:
    """The steps that start at `discard` ms or later, with half a step of slack."""
    return (jnp.arange(len(spikes)) + 0.5) * dt > discard
