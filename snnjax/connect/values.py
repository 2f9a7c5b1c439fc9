"""Weights and delays of synapses, from what a user writes."""

from typing import Any

from snnjax.connect.edges import Edges
from snnjax.core.checks import as_float


def as_values(spec: Any, edges: Edges, key: Any = None, distances: Any = None, name: str = ""):
    """A scalar, or one value a synapse."""
    del edges, key, distances, name
    return as_float(spec)
