"""Where neurons are, and how far from each other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.connect.edges import Edges
from snnjax.core.checks import as_float, finite, is_traced, random_key


def grid(*sizes: int, extent: ArrayLike = 1.0) -> Float[Array, "n axes"]:
    """Positions on a grid of `sizes` neurons along its 1, 2 or 3 axes, the last one fastest.

    Neurons are at the middles of equal cells, so that a grid with the same `extent` as the
    period of a torus is even across its edge.

    - `extent`: length of all axes, or of each; in the unit that the kernel takes.
    """
    if not 1 <= len(sizes) <= 3 or not all(_is_count(n) for n in sizes):
        raise ValueError(
            f"grid takes the number of neurons along 1, 2 or 3 axes, got {sizes!r}."
        )
    lengths = _lengths(extent, len(sizes), "grid.extent")
    axes = [(jnp.arange(n) + 0.5) / n for n in sizes]
    cells = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(sizes))
    return cells * lengths


def ring(n: int, circumference: ArrayLike = 1.0) -> Float[Array, "n 1"]:
    """`n` positions at equal distances along a ring, for rules with extent=circumference."""
    if not _is_count(n):
        raise ValueError(f"ring takes a number of neurons, got {n!r}.")
    return grid(n, extent=circumference)


def random_positions(
    n: int, axes: int = 2, *, key: Any, extent: ArrayLike = 1.0
) -> Float[Array, "n axes"]:
    """`n` positions drawn uniformly from the box [0, extent) with 1, 2 or 3 `axes`."""
    if not _is_count(n) or axes not in (1, 2, 3):
        raise ValueError(
            "random_positions takes a number of neurons and 1, 2 or 3 axes, got "
            f"n={n!r} and axes={axes!r}."
        )
    key = random_key(key, "random_positions: key")
    return jax.random.uniform(key, (int(n), axes)) * _lengths(
        extent, axes, "random_positions.extent"
    )


def positions(x: Any, name: str) -> Float[Array, "n axes"]:
    """`x` as positions [n, axes], from one coordinate a neuron or from all."""
    x = finite(x, name)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] not in (1, 2, 3):
        raise ValueError(
            f"{name} must be [neurons, axes] with 1, 2 or 3 axes, got shape {x.shape}."
        )
    return x


def period(extent: Any, axes: int, name: str) -> Float[Array, "axes"] | None:
    """`extent` as the period along each axis: inf for an axis that is open, None for all."""
    return None if extent is None else _lengths(extent, axes, name)


def separation(
    a: Float[Array, "... axes"],
    b: Float[Array, "... axes"],
    extent: Float[Array, "axes"] | None = None,
) -> Float[Array, "..."]:
    """Euclidean distance between `a` and `b`; the shorter way round where space is periodic."""
    d = a - b
    if extent is not None:
        closed = jnp.isfinite(extent)
        length = jnp.where(closed, extent, 1)
        d = jnp.where(closed, d - length * jnp.round(d / length), d)
    squared = jnp.sum(d**2, -1)
    apart = squared > 0  # the root has no slope at 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)


def distances(
    edges: Edges, positions_pre: Any, positions_post: Any = None, extent: Any = None
) -> Float[Array, "synapses"]:
    """The distance that each synapse spans.

    Arguments are those of `DistanceDependent`. For weights and delays that depend on distance
    in a network wired by another rule.
    """
    pre = positions(positions_pre, "distances.positions_pre")
    post = pre
    if positions_post is not None:
        post = positions(positions_post, "distances.positions_post")
    for x, n, side in ((pre, edges.n_pre, "pre"), (post, edges.n_post, "post")):
        if x.shape[0] != n:
            raise ValueError(
                f"distances.positions_{side} has {x.shape[0]} positions for {n} neurons."
            )
    extent = period(extent, pre.shape[1], "distances.extent")
    return separation(pre[edges.pre], post[edges.post], extent)


def _lengths(extent: Any, axes: int, name: str) -> Float[Array, "axes"]:
    lengths = as_float(extent)
    if lengths.shape not in ((), (axes,)):
        raise ValueError(
            f"{name} must be one length or one for each of {axes} axes, got shape "
            f"{lengths.shape}."
        )
    if not is_traced(lengths) and not np.all(np.asarray(lengths) > 0):
        raise ValueError(f"{name} must be above 0, got {lengths}.")
    return jnp.broadcast_to(lengths, (axes,))


def _is_count(n: Any) -> bool:
    return isinstance(n, int | np.integer) and n >= 0
