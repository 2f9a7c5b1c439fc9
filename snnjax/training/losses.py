"""Losses of classification, and the accuracy they are to raise.

Each is called as `loss(outputs, labels)`: outputs [time, batch, classes], labels [batch] whole
numbers from 0; any leading axes may stand for batch, or none. Others of their arguments are
set by `functools.partial(loss, ...)`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Int

from snnjax.core import checks
from snnjax.training.decode import first_spike, last_step, max_over_time, mean_over_time

Outputs = Float[Array, "time *batch classes"]
Labels = Int[ArrayLike, "*batch"]


def rate_cross_entropy(outputs: Outputs, labels: Labels) -> Float[Array, ""]:
    """Cross-entropy of the outputs' mean over time, averaged over the batch, in nats."""
    return _cross_entropy(mean_over_time(outputs), labels, "rate_cross_entropy")


def max_cross_entropy(outputs: Outputs, labels: Labels) -> Float[Array, ""]:
    """Cross-entropy of the outputs' maximum over time, averaged over the batch, in nats."""
    return _cross_entropy(max_over_time(outputs), labels, "max_cross_entropy")


def last_step_cross_entropy(outputs: Outputs, labels: Labels) -> Float[Array, ""]:
    """Cross-entropy of the last step's outputs, averaged over the batch, in nats."""
    return _cross_entropy(last_step(outputs), labels, "last_step_cross_entropy")


def per_step_cross_entropy(
    outputs: Outputs, labels: Int[ArrayLike, "*time_and_batch"]
) -> Float[Array, ""]:
    """Cross-entropy of every step's outputs, averaged over time and batch, in nats.

    As for membrane potentials that are to be right at all times. `labels` [batch], or
    [time, batch] where they change.
    """
    if np.ndim(labels) < outputs.ndim - 1:
        labels = jnp.broadcast_to(labels, (outputs.shape[0], *np.shape(labels)))
    return _cross_entropy(outputs, labels, "per_step_cross_entropy")


def first_spike_cross_entropy(
    spikes: Outputs, labels: Labels, *, tau: float = 5.0, dt: float = 1.0
) -> Float[Array, ""]:
    r"""Cross-entropy of the first spikes' times, averaged over the batch, in nats.

    $$-\log \frac{e^{-t_y / \tau}}{\sum_c e^{-t_c / \tau}}$$

    for label y (Goeltz et al. 2021, Nat. Mach. Intell. 3:823), t_c being the time before the
    first spike of class c, and the whole duration if there is none. `first_spike` says which
    gradient it has; neurons that do not fire receive one.

    - `tau`, `dt`: ms; the lead at which the decision is e : 1, and the step.
    """
    slow = checks.positive(tau, "first_spike_cross_entropy.tau", "ms")
    step = checks.positive(dt, "first_spike_cross_entropy.dt", "ms")
    scores = first_spike(spikes) * (step / slow).astype(spikes.dtype)
    return _cross_entropy(scores, labels, "first_spike_cross_entropy")


def spike_count_mse(
    spikes: Outputs, labels: Labels, *, correct: float = 0.8, incorrect: float = 0.2
) -> Float[Array, ""]:
    """Squared error of each neuron's spike count, over time squared, averaged over all.

    Shrestha & Orchard 2018, NeurIPS (SLAYER).

    - `correct`, `incorrect`: wanted spikes per step of the neuron of the label and of all
      others, 0 .. 1. 60 and 10 spikes in 300 steps are 0.2 and 1 / 30.
    """
    for name, rate in (("correct", correct), ("incorrect", incorrect)):
        checks.at_least(rate, 0, f"spike_count_mse.{name}", "spikes per step")
        checks.at_most(rate, 1, f"spike_count_mse.{name}", "spikes per step")
    rates = mean_over_time(spikes)
    labels = _checked(labels, rates, "spike_count_mse")
    wanted = jax.nn.one_hot(labels, rates.shape[-1], dtype=rates.dtype)
    wanted = incorrect + (correct - incorrect) * wanted
    return jnp.mean((rates - wanted) ** 2)


def accuracy(
    outputs: Outputs, labels: Labels, decode: Callable[[Array], Array] = mean_over_time
) -> Float[Array, ""]:
    """Fraction of the batch whose largest score is that of its label; of equals the first.

    - `decode`: gives the scores [batch, classes]: `mean_over_time`, `max_over_time`,
      `last_step`, `first_spike`, or any such function.
    """
    if not callable(decode):
        raise ValueError(
            f"accuracy.decode must be a function such as snn.max_over_time, got {decode!r}."
        )
    return jnp.mean(decode(outputs).argmax(-1) == labels)


def _cross_entropy(scores, labels, name) -> Float[Array, ""]:
    labels = _checked(labels, scores, name)
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()


def _checked(labels, scores, name) -> Labels:
    labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
    shape, classes = scores.shape[:-1], scores.shape[-1]
    if labels.shape != shape or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(
            f"{name}.labels must be whole numbers of shape {shape}, one for each of the "
            f"outputs' samples, got {labels.dtype} of shape {labels.shape}."
        )
    if not checks.is_traced(labels) and labels.size:
        values = np.asarray(labels)  # jax would trace the comparison
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(
                f"{name}.labels must be in 0 .. {classes - 1}, as the outputs have {classes} "
                f"classes, got {values.min()} .. {values.max()}."
            )
    return labels
