"""Convolutions, channels last."""

import math
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.backend import convolve_by_rows
from snnjax.layers.linear import normal_weight
from snnjax.layers.spatial import per_axis, require_room
from snnjax.layers.stateless import AbstractStateless, require_last_axis

Padding = int | Literal["valid", "same"]


class AbstractConv(AbstractStateless):
    """A convolution over the axes before the last; see `Conv2d`."""

    weight: Float[Array, "*kernel in_per_group out"]
    bias: Float[Array, " out"] | None
    stride: tuple[int, ...] = eqx.field(static=True)
    padding: Padding = eqx.field(static=True)
    groups: int = eqx.field(static=True)

    spatial: ClassVar[str]  # the letters of its axes in jax's layouts

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        *,
        key,
        stride: int | tuple[int, ...] = 1,
        padding: Padding = "valid",
        groups: int = 1,
        gain: float = 1.0,
        bias: bool = True,
    ):
        name, n = type(self).__name__, len(self.spatial)
        groups = checks.count(groups, f"{name}.groups")
        channels = {"in_channels": in_channels, "out_channels": out_channels}
        for which, size in channels.items():
            if checks.count(size, f"{name}.{which}") % groups:
                raise ValueError(f"{name}.groups={groups} must divide {which}={size}.")
        kernel = per_axis(kernel_size, n, f"{name}.kernel_size")
        shape = (*kernel, in_channels // groups, out_channels)
        fan_in = math.prod(shape[:-1])
        self.weight = normal_weight(key, shape, fan_in, gain, name)
        self.bias = jnp.zeros(out_channels) if bias else None
        self.stride = per_axis(stride, n, f"{name}.stride")
        self.padding = _padding(padding, f"{name}.padding")
        self.groups = groups

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        name, n, shape = type(self).__name__, len(self.spatial), jnp.shape(x)
        *kernel, in_per_group, _ = self.weight.shape
        border = self.padding if isinstance(self.padding, int) else 0
        window = (1,) * n if self.padding == "same" else tuple(kernel)
        require_room(shape, window, name, border)
        require_last_axis(shape, in_per_group * self.groups, name)
        leading, sample = shape[: -n - 1], shape[-n - 1 :]
        dtype = jnp.result_type(x, self.weight)
        layout = f"N{self.spatial}C"
        x = jnp.asarray(x, dtype).reshape(math.prod(leading), *sample)
        padding = jax.lax.padtype_to_pads(
            sample[:-1], kernel, self.stride, "SAME"
        ) if self.padding == "same" else [(border, border)] * n  # fmt: skip
        whole = self.stride == (1, 1) and self.groups == 1
        if whole and convolve_by_rows(sample[-1], sample[-2], kernel[-1]):
            x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
            out = _by_rows(x, self.weight.astype(dtype))
        else:
            out = jax.lax.conv_general_dilated(
                x,
                self.weight.astype(dtype),
                self.stride,
                padding,
                dimension_numbers=(layout, f"{self.spatial}IO", layout),
                feature_group_count=self.groups,
            )
        out = out.reshape(*leading, *out.shape[1:])
        return out if self.bias is None else out + self.bias


class Conv1d(AbstractConv):
    """Convolution along one axis, [..., width, channels]; all else as in `Conv2d`.

    The width is space (such as electrodes or frequencies): time is never convolved.
    """

    spatial = "W"


class Conv2d(AbstractConv):
    r"""Convolution of images [..., height, width, channels], without a state.

    $$y_{i, j, o} = b_o + \sum_{k, l, c} W_{k, l, c, o} \, x_{s i + k, \, s j + l, \, c}$$

    as deep learning has it, that is, the kernel is not flipped. The kernel is drawn from
    N(0, (gain / sqrt(fan_in))^2), fan_in = kernel height * width * in_channels / groups, b
    starts at 0. A whole sequence is one convolution over time and batch.

    - `in_channels`, `out_channels`: sizes of the last axis of input and output.
    - `kernel_size`, `stride` (s): one number, or one an axis.
    - `padding`: "valid" none; "same" as many zeros as make the output ceil(size / stride); a
      number is so many zeros on each side.
    - `groups`: parts of the channels that do not see each other; `in_channels` for a
      depth-wise convolution.
    - `key`: `jax.random.key(seed)`. `gain`: scale of the weights. `bias`: whether to add b.
    """

    spatial = "HW"


def _by_rows(
    x: Float[Array, "n height width in"], kernel: Float[Array, "h w in out"]
) -> Float[Array, "n *size out"]:
    """The convolution without padding, as rows of `x` times a banded matrix."""
    n, height, width, channels = x.shape
    h, w, _, features = kernel.shape
    rows, columns = height - h + 1, width - w + 1
    at = np.arange(width)[:, None] - np.arange(columns)  # of the kernel, in the band
    inside = ((at >= 0) & (at < w))[:, :, None, None]
    band = jnp.where(
        inside, kernel[:, np.clip(at, 0, w - 1)], 0
    )  # [h, width, columns, ...]
    matrix = jnp.swapaxes(band, 2, 3).reshape(h * width * channels, columns * features)
    lines = x.reshape(n, height, width * channels)
    seen = jnp.concatenate([lines[:, i : i + rows] for i in range(h)], -1)
    out = seen.reshape(n * rows, -1) @ matrix
    return out.reshape(n, rows, columns, features)


def _padding(padding: Any, name: str) -> Padding:
    if isinstance(padding, str):
        return checks.one_of(padding, ["valid", "same"], name)
    if not isinstance(padding, int) or padding < 0:
        raise ValueError(
            f"{name} must be 'valid', 'same' or a whole number from 0, got {padding!r}."
        )
    return padding
