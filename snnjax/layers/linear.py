"""A fully connected layer of weights."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.backend import merge_leading_axes
from snnjax.layers.stateless import AbstractStateless, require_last_axis


class Linear(AbstractStateless):
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
        shape = (out_features, in_features)
        self.weight = normal_weight(key, shape, in_features, gain, "Linear")
        self.bias = jnp.zeros(out_features) if bias else None

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        require_last_axis(jnp.shape(x), self.weight.shape[1], "Linear")
        out = times(x, self.weight)
        return out if self.bias is None else out + self.bias


def times(
    x: Float[Array, "... in"], weight: Float[Array, "out in"]
) -> Float[Array, "... out"]:
    """W x for every x."""
    if x.ndim < 3 or not merge_leading_axes():
        return x @ weight.T
    flat = x.reshape(-1, x.shape[-1]) @ weight.T
    return flat.reshape(*x.shape[:-1], -1)


def normal_weight(key, shape: tuple[int, ...], fan_in: int, gain, name: str) -> Array:
    """Weights of layer `name`, drawn from N(0, (gain / sqrt(fan_in))^2)."""
    scale = checks.positive(gain, f"{name}.gain")
    return scale * jax.random.normal(key, shape) / fan_in**0.5
