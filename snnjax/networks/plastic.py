"""Which projections can learn, and what they start from."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.connect import propagation
from snnjax.connect.convolution import Convolution
from snnjax.connect.edges import Edges
from snnjax.plasticity.rule import AbstractRule


def plastic_weight(spec: Any, weight: Any, edges: Edges) -> Float[Array, "synapses"]:
    """Weights of a `Projection` that learns, one a synapse."""
    what, rule = f"Projection {spec.source}->{spec.target}", spec.learning
    if not isinstance(rule, AbstractRule):
        raise ValueError(
            f"{what}: learning must be a learning rule such as STDP(), got {rule!r}."
        )
    name = type(rule).__name__
    without_own = {
        "interpolate=True": spec.interpolate,
        "wiring by a Convolution": isinstance(spec.wiring, Convolution),
        f"operator={spec.operator!r}": spec.operator in ("counts", "convolution")
        or (spec.operator == "dense" and not propagation.all_to_all(edges, "dense")),
    }
    for given in [given for given, there in without_own.items() if there]:
        raise ValueError(
            f"{what}: {name} needs a weight of its own for each synapse, which {given} does "
            "not give. Leave that out."
        )
    if spec.delay is not None and not rule.delayed:
        raise ValueError(
            f"{what}: {name}(lazy=True) needs synapses that see both sides at once. Leave out "
            "lazy=True, or the delay."
        )
    beside = dict(release=spec.release, dendritic_delay=spec.dendritic_delay)
    for given in [given for given, x in beside.items() if x is not None]:
        if rule.own_delays:
            raise ValueError(
                f"{what}: {name} has delays of its own, which end at the receptor and carry "
                f"whole spikes. Leave out {given}."
            )
    rule.bounds.check(weight, f"{what}: weight")
    return jnp.broadcast_to(weight, len(edges))
