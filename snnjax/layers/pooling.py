"""Pooling of neighbouring pixels, channels last."""

import itertools
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from snnjax.layers.spatial import per_axis, require_room
from snnjax.layers.stateless import AbstractStateless


class AbstractPool(AbstractStateless):
    """One number from each window of pixels, in each channel, without a state.

    What is left beyond the last whole window is dropped.

    - `size`: of the window; one number, or one an axis.
    - `stride`: from one window to the next, by default `size`: windows side by side.
    """

    size: tuple[int, ...] = eqx.field(static=True)
    stride: tuple[int, ...] = eqx.field(static=True)

    spatial_axes: ClassVar[int]
    takes: ClassVar[Literal["mean", "sum", "max"]]

    def __init__(
        self, size: int | tuple[int, ...], stride: int | tuple[int, ...] | None = None
    ):
        name, n = type(self).__name__, self.spatial_axes
        self.size = per_axis(size, n, f"{name}.size")
        self.stride = self.size if stride is None else per_axis(stride, n, f"{name}.stride")

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        require_room(jnp.shape(x), self.size, type(self).__name__)
        x = jnp.asarray(x, jnp.result_type(x, float))
        return self._side_by_side(x) if self.stride == self.size else self._sliding(x)

    def _side_by_side(self, x):
        # Several times faster than a sliding window on a CPU, and as fast elsewhere.
        n = self.spatial_axes
        *leading, channels = x.shape
        leading, pixels = leading[:-n], leading[-n:]
        windows = [p // k for p, k in zip(pixels, self.size, strict=True)]
        whole = [slice(w * k) for w, k in zip(windows, self.size, strict=True)]
        split = itertools.chain(*zip(windows, self.size, strict=True))
        x = x[(..., *whole, slice(None))].reshape(*leading, *split, channels)
        return getattr(jnp, self.takes)(x, axis=tuple(range(-2 * n, 0, 2)))

    def _sliding(self, x):
        start, merge = (-np.inf, jax.lax.max) if self.takes == "max" else (0, jax.lax.add)
        ones = (1,) * (x.ndim - self.spatial_axes - 1)
        out = jax.lax.reduce_window(
            x,
            np.asarray(start, x.dtype),
            merge,
            (*ones, *self.size, 1),
            (*ones, *self.stride, 1),
            "VALID",
        )
        return out / np.prod(self.size) if self.takes == "mean" else out


class AveragePool1d(AbstractPool):
    """Mean of each window of [..., width, channels].

    - `size`, `stride`: as in `AveragePool2d`.
    """

    spatial_axes, takes = 1, "mean"


class AveragePool2d(AbstractPool):
    """Mean of each window of [..., height, width, channels]; the rest of an edge is dropped.

    - `size`: of the window; one number, or one an axis.
    - `stride`: from one window to the next, by default `size`: windows side by side.
    """

    spatial_axes, takes = 2, "mean"


class SumPool1d(AbstractPool):
    """Sum of each window of [..., width, channels], so that no spike is lost.

    - `size`, `stride`: as in `AveragePool2d`.
    """

    spatial_axes, takes = 1, "sum"


class SumPool2d(AbstractPool):
    """Sum of each window of [..., height, width, channels], so that no spike is lost.

    - `size`, `stride`: as in `AveragePool2d`.
    """

    spatial_axes, takes = 2, "sum"


class MaxPool1d(AbstractPool):
    """Maximum of each window of [..., width, channels], step by step; see `MaxPool2d`.

    - `size`, `stride`: as in `AveragePool2d`.
    """

    spatial_axes, takes = 1, "max"


class MaxPool2d(AbstractPool):
    """Maximum of each window of [..., height, width, channels], step by step.

    On spikes it is 1 where anything in the window fired. Equal maxima, which spikes mostly
    are, share the gradient where windows lie side by side; the first takes it where they
    overlap.

    - `size`, `stride`: as in `AveragePool2d`.
    """

    spatial_axes, takes = 2, "max"
