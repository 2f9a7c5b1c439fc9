"""A fully connected layer of weights."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics


class Linear(AbstractDynamics[tuple[()]]):
    r"""Weights from `in_features` to `out_features`: $y = W x + b$, without a state.

    W is drawn from N(0, (gain / sqrt(in_features))^2), b starts at 0. A whole sequence is one
    matrix product over time and batch.

    - `in_features`, `out_features`: sizes of the last axis of input and output.
    - `key`: `jax.random.key(seed)`. `gain`: scale of the weights. `bias`: whether to add b.
    """

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"] | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        key,
        gain: float = 1.0,
        bias: bool = True,
    ):
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            checks.count(size, f"Linear.{name}")
        scale = checks.positive(gain, "Linear.gain")
        self.weight = (
            scale * jax.random.normal(key, (out_features, in_features)) / in_features**0.5
        )
        self.bias = jnp.zeros(out_features) if bias else None

    def init(self, shape=(), *, key=None, dt=None):
        del key, dt
        if shape[-1:] != self.weight.shape[1:]:
            raise ValueError(
                f"Linear takes inputs whose last axis has {self.weight.shape[1]} features, "
                f"got shape {tuple(shape)}."
            )
        return ()

    def step(self, state, input, dt):
        """`input` [..., in_features] -> output [..., out_features]."""
        del dt
        out = input @ self.weight.T
        return state, out if self.bias is None else out + self.bias

    def unroll(self, state, inputs, dt):
        return self.step(state, inputs, dt)
