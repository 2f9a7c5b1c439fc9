"""What is best on one kind of device and not on another: stated here and nowhere else."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp

# Kinds of device on which a narrow trace is slower: on a CPU, storing bfloat16 from inside a
# scan took 13 times as long as storing float32.
WIDE_TRACES = {"cpu"}


def trace_dtype(asked: Any, dtype: Any) -> Any:
    """In what dtype to keep the trace of a state of `dtype`, where `asked` was asked for."""
    if asked is None or jnp.dtype(asked) == dtype:
        return dtype
    if jax.default_backend() in WIDE_TRACES:
        warnings.warn(
            f"trace_dtype={jnp.dtype(asked).name} is slower than {jnp.dtype(dtype).name} on "
            f"{jax.default_backend()}, so the trace stays {jnp.dtype(dtype).name} there.",
            stacklevel=2,
        )
        return dtype
    return jnp.dtype(asked)


def merge_leading_axes() -> bool:
    """Whether a product over time and batch takes them as one axis.

    The product of its gradient is faster so (12 against 19 ms for [100, 128, 700] x [700, 256]
    on two cores). With several devices it would undo the split of the batch among them.
    """
    return jax.device_count() == 1


def convolve_by_rows(in_channels: int, width: int, kernel_width: int) -> bool:
    """Whether a convolution of images is best a product of rows by a banded matrix.

    On a CPU, with one channel: forwards the same, the gradient of the kernel in half the time,
    although up to `width / kernel_width` times the sums are made. No clear gain with two
    channels, slower with more.
    """
    return (
        jax.default_backend() == "cpu" and in_channels == 1 and width <= 10 * kernel_width
    )


# From this density on, a byte for each pair of neurons is cheaper to add to a buffer than a list
# of targets. And how many pairs may be kept so.
COUNTS_FROM = 0.04
MOST_PAIRS = 2**30


def list_capacity(n: int) -> int:
    """How many active rows of `n` a device with lists adds in one round."""
    return max(32, n // 50)


# Up to so many synapses a learning rule visits them all faster than by event.
EACH_UP_TO = 64


def learn_by_event(n_synapses: int) -> bool:
    """Whether a learning rule loops over rows and columns with spikes, or visits all synapses."""
    return jax.default_backend() == "cpu" and n_synapses > EACH_UP_TO


def sweep_batch() -> int:
    """How many points of a sweep a device takes at once, where memory allows it.

    On a CPU as many as keep what a step reads and writes in the fastest cache.
    """
    return 2048 if jax.default_backend() == "cpu" else 65536
