"""From images to vectors."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from snnjax.core import checks
from snnjax.layers.stateless import AbstractStateless


class Flatten(AbstractStateless):
    """Merges the last `axes` axes, those of one sample, into one; time and batch stay.

    - `axes`: 3 for images [..., height, width, channels], 2 for [..., width, channels]. It
      must be said, since a batch looks like one more axis.
    """

    axes: int = eqx.field(
        default=3, static=True, converter=lambda n: checks.count(n, "Flatten.axes")
    )

    def __call__(self, x: Array) -> Array:
        shape = jnp.shape(x)
        if len(shape) < self.axes:
            raise ValueError(
                f"Flatten merges the last {self.axes} axes, got shape {shape}: give axes= as "
                "many as one sample has."
            )
        return jnp.reshape(
            x, (*shape[: -self.axes], math.prod(shape[len(shape) - self.axes :]))
        )
