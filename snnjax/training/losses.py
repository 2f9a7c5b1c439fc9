"""What training makes small, and what it is judged by."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


def rate_cross_entropy(
    outputs: Float[Array, "time batch classes"], labels: Int[Array, " batch"]
) -> Float[Array, ""]:
    """Cross-entropy of the outputs' mean over time, averaged over the batch, in nats."""
    logits = outputs.mean(0)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def accuracy(
    outputs: Float[Array, "time batch classes"], labels: Int[Array, " batch"]
) -> Float[Array, ""]:
    """Fraction of the batch whose largest mean output is that of its label."""
    return jnp.mean(outputs.mean(0).argmax(-1) == labels)
