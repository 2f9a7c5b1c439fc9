"""How the spikes of a projection are propagated, and which way is chosen."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from snnjax.connect.edges import Edges
from snnjax.core import checks
from snnjax.core.backend import COUNTS_FROM, MOST_PAIRS

OPERATORS = ("auto", "sparse", "counts", "dense", "convolution")


def choose(
    operator: str, edges: Edges, weight: Any, delay: Any, *, plain: bool, rule: Any = None
) -> str:
    """Which operator takes a projection; all give the same to rounding.

    - "sparse": a list of targets for each source.
    - "counts": the number of synapses of each pair in one byte, where one weight and one delay
      are those of all.
    - "dense": a matrix of weights, where one delay is that of all.
    - "convolution": a kernel, where the wiring is `rule`, a `Convolution`, and one delay is that
      of all. Its weights are shared; with the others each synapse has its own.

    "auto" takes "convolution" where it can, "dense" where every source reaches every target
    once, "counts" where it can and the density is from `core.backend.COUNTS_FROM` on, and else
    "sparse". `plain`: delays are not interpolated.
    """
    checks.one_of(operator, OPERATORS, "Projection.operator")
    pairs = edges.n_pre * edges.n_post
    one_delay = plain and (delay is None or np.ndim(delay) == 0)
    if operator == "auto" and rule is not None and one_delay:
        return "convolution"
    if operator == "convolution" and rule is None:
        raise ValueError("Projection.operator='convolution' needs wiring by a Convolution.")
    if operator == "auto":
        if checks.is_traced(edges) or not one_delay or pairs > MOST_PAIRS:
            return "sparse"
        if all_to_all(edges):
            return "dense"
        if np.ndim(weight) == 0 and len(edges) >= COUNTS_FROM * pairs and _fit(edges):
            return "counts"
        return "sparse"
    if operator in ("dense", "counts", "convolution") and not one_delay:
        raise ValueError(
            f"Projection.operator={operator!r} needs one delay for all synapses, without "
            "interpolation. Use 'sparse'."
        )
    if operator == "counts" and np.ndim(weight):
        raise ValueError(
            "Projection.operator='counts' needs one weight for all synapses. Use 'sparse'."
        )
    if operator == "counts" and checks.is_traced(edges):
        raise ValueError(
            "Projection.operator='counts' needs wiring that is known: build the network "
            "outside jit, or use 'sparse'."
        )
    if operator == "counts" and not _fit(edges):
        raise ValueError(
            "Projection.operator='counts' takes at most 127 synapses of one pair. Use 'sparse'."
        )
    return operator


def count_pairs(edges: Edges) -> Any:
    """[source, target], int8: synapses of each pair."""
    zeros = jnp.zeros((edges.n_pre, edges.n_post), jnp.int8)
    return zeros.at[edges.pre, edges.post].add(jnp.int8(1), mode="drop")


def all_to_all(edges: Edges, operator: str = "dense") -> bool:
    """Whether every source reaches every target once; of traced edges it is not known."""
    if operator != "dense":
        return False
    if checks.is_traced(edges) or len(edges) != edges.n_pre * edges.n_post:
        return False
    post = np.asarray(edges.post).reshape(edges.n_pre, edges.n_post)
    return bool(
        (np.asarray(edges.pre) == np.repeat(np.arange(edges.n_pre), edges.n_post)).all()
        and (post == np.arange(edges.n_post)).all()
    )


def _fit(edges: Edges) -> bool:
    """Whether no pair has more synapses than a byte counts."""
    pairs = np.asarray(edges.pre).astype(np.int64) * edges.n_post + np.asarray(edges.post)
    if np.all(pairs[1:] > pairs[:-1]):
        return True
    return bool(np.unique(pairs, return_counts=True)[1].max() < 128)
