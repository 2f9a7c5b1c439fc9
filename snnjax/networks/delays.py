"""Delays of a projection, as a user says them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from snnjax.core import checks


def draw_delays(spec: Any, values: Callable, key: Any, own: Any) -> tuple[Any, Any, Any]:
    """(delay, its dendritic part, the longest that a buffer has room for) of a `Projection`, ms.

    `values(x, key, name)` draws one a synapse, delays by the key `own` and dendritic ones by
    another of `key`. All are None where there is no delay.
    """
    if spec.delay is None and spec.dendritic_delay is not None:
        raise ValueError(
            "Projection.dendritic_delay needs Projection.delay, the axonal part (ms)."
        )
    if spec.delay is None:
        return None, None, None
    delay = values(spec.delay, own, "Projection.delay")
    checks.above(delay, 0, "Projection.delay", "ms")
    dendritic = None
    if spec.dendritic_delay is not None:
        own = None if key is None else checks.early(jax.random.fold_in, key, 3)
        dendritic = values(spec.dendritic_delay, own, "Projection.dendritic_delay")
        checks.at_least(dendritic, 0, "Projection.dendritic_delay", "ms")
        delay = delay + dendritic
    return delay, dendritic, _longest(delay, spec.max_delay)


def _longest(delay: Float[Array, "..."], max_delay: float | None) -> float:
    """The longest delay that a buffer has room for, ms."""
    if checks.is_traced(delay):
        if max_delay is None:
            raise ValueError(
                "Projection.max_delay (ms) must be given where delays are traced, such as when "
                "they are drawn by a traced key: the longest one sets the size of a buffer."
            )
        return float(max_delay)
    longest = float(np.max(np.asarray(delay), initial=0))
    if max_delay is not None and longest > max_delay:
        raise ValueError(
            f"Projection.max_delay={max_delay:g} ms is below a delay of {longest:g} ms."
        )
    return longest if max_delay is None else float(max_delay)
