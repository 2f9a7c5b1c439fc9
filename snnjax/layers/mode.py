"""Layers that do one thing in training and another in inference."""

from typing import Any

from snnjax.core import checks


def in_training(layer: Any) -> bool:
    """Whether `layer.inference` is off, as `eqx.nn.inference_mode` sets it."""
    if checks.is_traced(layer.inference):
        raise ValueError(
            f"{type(layer).__name__}.inference must be True or False, not traced: give the "
            "model to eqx.filter_jit instead of jax.jit, or close over it."
        )
    return not layer.inference
