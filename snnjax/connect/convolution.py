"""Convolutions: images of neurons joined by one kernel that all places share."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from snnjax.connect.distributions import AbstractDistribution
from snnjax.connect.rows import AbstractRows, place
from snnjax.connect.rules import AbstractProposal
from snnjax.core import checks


class Convolution(AbstractProposal):
    r"""Each target sees the sources around its own place, through one kernel for all places.

    $$\text{target}_{y x o} = \sum_{j k c} K_{j k c o} \,
      \text{source}_{y + j - h, \, x + k - w, \, c}$$

    for a kernel of 2 h + 1 by 2 w + 1 places; what lies outside of the image is nothing. The
    source has `shape[0] * shape[1] * shape[2]` neurons, in the order (row, column, channel), and
    the target `shape[0] * shape[1] * channels`. The weight of the projection is the kernel
    [2 h + 1, 2 w + 1, channels of the source, channels]: one number, an array or a distribution.

    - `shape`: (rows, columns, channels) of the source. `kernel`: its side or (rows, columns),
      odd. `channels`: of the target.
    """

    random: ClassVar[bool] = False

    shape: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    kernel: tuple[int, ...] = eqx.field(
        static=True, converter=lambda k: (k, k) if isinstance(k, int) else tuple(k)
    )
    channels: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        for name, sizes in (("shape", self.shape), ("kernel", self.kernel)):
            for n in sizes:
                checks.count(n, f"Convolution.{name}")
        checks.count(self.channels, "Convolution.channels")
        if len(self.shape) != 3 or any(n % 2 == 0 for n in self.kernel):
            raise ValueError(
                "Convolution needs a shape (rows, columns, channels) and a kernel with odd "
                f"sides, got {self.shape} and {self.kernel}."
            )

    @property
    def weights(self) -> tuple[int, ...]:
        """The shape of the kernel."""
        return (*self.kernel, self.shape[2], self.channels)

    def kernel_of(self, spec: Any, key: Any) -> Float[Array, "..."]:
        """The kernel from what a user gives as weight; a number stays one."""
        if isinstance(spec, AbstractDistribution):
            if key is None and spec.random:
                raise ValueError(
                    "Projection.weight is drawn from a distribution: give a key."
                )
            return spec.sample(key, self.weights)
        kernel = checks.finite(spec, "Projection.weight")
        if kernel.shape not in ((), self.weights):
            raise ValueError(
                f"Projection.weight must be a number or a kernel {self.weights} (rows, columns, "
                f"channels of the source, channels), got shape {kernel.shape}."
            )
        return kernel

    def check(self, n_pre, n_post, same):
        rows, columns, channels = self.shape
        own = rows * columns * channels, rows * columns * self.channels
        if (n_pre, n_post) != own:
            raise ValueError(
                f"Convolution of {self.shape} with {self.channels} channels joins {own[0]} to "
                f"{own[1]} neurons, got {n_pre} and {n_post}."
            )

    def propose(self, n_pre, n_post, key, same):
        pre, post, _ = self._synapses()
        return pre, post

    def entries(self) -> Int[np.ndarray, "synapses"]:
        """Which entry of the flat kernel is the weight of each synapse, in their order."""
        pre, post, entry = self._synapses()
        return entry[np.lexsort((post, pre))]

    def _synapses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns, channels = self.shape
        sides = (rows, columns, *self.weights)
        y, x, j, k, c, o = (i.ravel() for i in np.indices(sides, dtype=np.int32))
        at_y, at_x = y + j - self.kernel[0] // 2, x + k - self.kernel[1] // 2
        there = (at_y >= 0) & (at_y < rows) & (at_x >= 0) & (at_x < columns)
        pre = (at_y * columns + at_x) * channels + c
        post = (y * columns + x) * self.channels + o
        entry = np.ravel_multi_index((j, k, c, o), self.weights)
        return pre[there], post[there], entry[there]


class ConvolutionRows(AbstractRows):
    """Row i is the kernel around the place of source i, in a buffer from `start` on."""

    rule: Convolution
    start: Any = 0
    wraps: bool = eqx.field(static=True, default=False)

    @property
    def n(self):
        return int(np.prod(self.rule.shape))

    @property
    def image(self) -> tuple[int, ...]:
        """The shape of the target."""
        return (*self.rule.shape[:2], self.rule.channels)

    def _first(self, buffer, shift):
        return place(self.start + shift, buffer.shape[0], self.wraps)

    def piece(self, buffer, shift):
        """The part of the buffer that is the target."""
        first, size = self._first(buffer, shift), int(np.prod(self.image))
        return lax.dynamic_slice_in_dim(buffer, first, size)

    def put(self, buffer, piece, shift):
        """`buffer` with another `piece`."""
        first = self._first(buffer, shift)
        return lax.dynamic_update_slice_in_dim(buffer, piece, first, 0)

    def send_all(self, amount, weight):
        """What all sources send: one number a target."""
        image = amount.reshape(1, *self.rule.shape)
        kernel = jnp.broadcast_to(weight, self.rule.weights).astype(amount.dtype)
        layout = ("NHWC", "HWIO", "NHWC")
        sent = lax.conv_general_dilated(
            image, kernel, (1, 1), "SAME", dimension_numbers=layout
        )
        return sent.ravel()

    def _window(self, i):
        """(channel of source i, first place of the window of targets it reaches, how far that
        is from the one around its own place, as at the edges)."""
        rows, columns, channels = self.rule.shape
        i = i.astype(jnp.int32)
        c, x, y = i % channels, i // channels % columns, i // channels // columns
        window = [min(k, n) for k, n in zip(self.rule.kernel, (rows, columns), strict=True)]
        centred = y - self.rule.kernel[0] // 2, x - self.rule.kernel[1] // 2
        first = [
            jnp.clip(at, 0, n - w)
            for at, n, w in zip(centred, (rows, columns), window, strict=True)
        ]
        off = [at - f for at, f in zip(centred, first, strict=True)]
        return c, first, off, window

    def _kernel(self, weight, c, off, window) -> Float[Array, "rows columns channels"]:
        """Weights from channel `c` onto the window: the kernel turned round, and shifted."""
        pads = [k - 1 for k in self.rule.kernel]
        full = jnp.broadcast_to(weight, self.rule.weights)
        one = lax.dynamic_index_in_dim(full, c, 2, keepdims=False)[::-1, ::-1]
        padded = jnp.pad(one, [(p, p) for p in pads] + [(0, 0)])
        start = (*(p - o for p, o in zip(pads, off, strict=True)), jnp.int32(0))
        return lax.dynamic_slice(padded, start, (*window, self.rule.channels))

    def add(self, buffer, i, amount, weight, shift):
        c, first, off, window = self._window(i)
        image = self.piece(buffer, shift).reshape(self.image)
        at = (*first, jnp.int32(0))
        old = lax.dynamic_slice(image, at, (*window, self.rule.channels))
        new = old + amount * self._kernel(weight, c, off, window)
        image = lax.dynamic_update_slice(image, new, at)
        return self.put(buffer, image.ravel(), shift)

    def dot(self, buffer, i, weight, shift):
        piece = self.piece(buffer, shift).reshape(self.image)
        c, first, off, window = self._window(i)
        at = (*first, jnp.int32(0))
        seen = lax.dynamic_slice(piece, at, (*window, self.rule.channels))
        return jnp.sum(seen * self._kernel(weight, c, off, window))

    def gather(self, total, buffer, i, amount, shift):
        piece = self.piece(buffer, shift).reshape(self.image)
        c, first, off, window = self._window(i)
        at = (*first, jnp.int32(0))
        seen = lax.dynamic_slice(piece, at, (*window, self.rule.channels))
        pads = [k - 1 for k in self.rule.kernel]
        padded = jnp.pad(seen, [(p, p) for p in pads] + [(0, 0)])
        start = (*(p + o for p, o in zip(pads, off, strict=True)), jnp.int32(0))
        size = (*self.rule.kernel, self.rule.channels)
        one = amount * lax.dynamic_slice(padded, start, size)[::-1, ::-1]
        if not total.ndim:
            return total + one.sum()
        old = lax.dynamic_index_in_dim(total, c, 2, keepdims=False)
        return lax.dynamic_update_index_in_dim(total, old + one, c, 2)
