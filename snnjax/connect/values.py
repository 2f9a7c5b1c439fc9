"""Weights and delays of synapses, from what a user writes."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from snnjax.connect.distributions import AbstractDistribution
from snnjax.connect.edges import Edges
from snnjax.core.checks import as_float, finite


def as_values(
    spec: Any,
    edges: Edges,
    *,
    key: Any = None,
    distances: Float[Array, "synapses"] | Callable[[Edges], Any] | None = None,
    name: str = "values",
    unit: str = "",
) -> Float[Array, ""] | Float[Array, "synapses"]:
    """`spec` as a scalar, which stands for all synapses, or as one value for each of `edges`.

    - `spec`: a number; an array with one value a synapse, in the order of `edges` or, for
      `FromArrays`, of its arrays; a matrix [n_pre, n_post], of which the synapses take their
      entries; a distribution such as `Normal(1.0, 0.1)`; or a function of an array of distances
      that gives one value for each.
    - `key`: for a distribution. `distances`: of the synapses, or the function of `edges` that
      gives them; for a function of distance. `name`, `unit`: for errors.
    """
    n = len(edges)
    if isinstance(spec, AbstractDistribution):
        if key is None and spec.random:
            raise ValueError(f"{name} is drawn from a distribution: give it a random key.")
        return spec.sample(key, (n,))
    if isinstance(spec, type):
        raise ValueError(
            f"{name} must be values or a distribution with its parameters, got the class "
            f"{spec.__name__}."
        )
    if callable(spec):
        if distances is None:
            raise ValueError(
                f"{name} is a function of distance, but the wiring has no positions: use "
                "DistanceDependent, or give an array made with connect.distances."
            )
        d = as_float(distances(edges) if callable(distances) else distances)
        values = finite(spec(d), name, unit)
        if values.shape not in ((), (n,)):
            raise ValueError(
                f"{name} must give one value for each of {n} distances, gave shape "
                f"{values.shape}."
            )
        return values
    values = finite(spec, name, unit)
    if values.ndim == 0:
        return values
    if values.shape == (edges.n_pre, edges.n_post):
        return values.at[edges.pre, edges.post].get(mode="clip")  # unused entries: any
    if values.shape == (n,):
        return values if edges.order is None else values[edges.order]
    raise ValueError(
        f"{name} must be a number, one value for each of {n} synapses, a matrix [n_pre, "
        f"n_post] = ({edges.n_pre}, {edges.n_post}), a distribution or a function of "
        f"distance, got an array of shape {values.shape}."
    )
