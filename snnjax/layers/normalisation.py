"""Normalisation: over time and batch, and over features."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.layers.mode import in_training
from snnjax.layers.stateless import AbstractStateless, require_last_axis


class BatchNormState(NamedTuple):
    mean: Float[Array, " features"]  # running, as far as this run has brought them
    variance: Float[Array, " features"]


class BatchNorm(AbstractDynamics[BatchNormState]):
    r"""Normalises each feature over time, batch and space, relative to the threshold (tdBN).

    $$y = \lambda \, \alpha V_{th} \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta$$

    Threshold-dependent batch normalisation: its output, the input of spiking neurons, is
    N(0, (alpha V_th)^2) at first, so that layers neither fall silent nor saturate (Zheng et
    al. 2021, AAAI 35:11062). In training mu and sigma^2 are the mean and the (biased) variance
    of the whole sequence [time, ..., features] over all axes but the last, and gradients pass
    through them; therefore it takes sequences (`unroll`) and refuses single steps. In
    inference they are the running averages

    $$r \leftarrow m \, r + (1 - m) \, (\mu \text{ or } \sigma^2)$$

    which travel in the state and are taken into the model by `model.absorb(state)` after each
    run. They carry no gradient and are not to be trained: train "*weight" and "*bias", not
    "*", as weight decay would shrink them.

    - `features`: size of the last axis.
    - `threshold`: V_th, of the neurons that follow, less their resting potential.
    - `alpha`: 1; 1 / sqrt(n) where the outputs of n branches are added, as in residual blocks.
    - `momentum`: m, from 0 to below 1. `eps`: epsilon, above 0.
    - `inference`: whether to use the running averages; `eqx.nn.inference_mode(model)` sets it.

    `weight` is lambda, 1 at first; `bias` is beta, 0 at first.
    """

    weight: Float[Array, " features"]
    bias: Float[Array, " features"]
    running_mean: Float[Array, " features"]
    running_variance: Float[Array, " features"]
    threshold: float = eqx.field(static=True)
    alpha: float = eqx.field(static=True)
    momentum: float = eqx.field(static=True)
    eps: float = eqx.field(static=True)
    inference: bool

    def __init__(
        self,
        features: int,
        *,
        threshold: float = 1.0,
        alpha: float = 1.0,
        momentum: float = 0.9,
        eps: float = 1e-5,
        inference: bool = False,
    ):
        features = checks.count(features, "BatchNorm.features")
        self.weight = jnp.ones(features)
        self.bias = jnp.zeros(features)
        self.running_mean = jnp.zeros(features)
        self.running_variance = jnp.ones(features)
        self.threshold = _positive(threshold, "BatchNorm.threshold")
        self.alpha = _positive(alpha, "BatchNorm.alpha")
        if not 0 <= momentum < 1:
            raise ValueError(
                f"BatchNorm.momentum must be at least 0 and below 1, got {momentum}."
            )
        self.momentum = float(momentum)
        self.eps = _positive(eps, "BatchNorm.eps")
        self.inference = inference

    def init(self, shape=(), *, key=None, dt=None):
        """The running averages of the model."""
        del key, dt
        self._require(shape)
        return BatchNormState(self.running_mean, self.running_variance)

    @property
    def whole_sequence(self) -> bool:
        return in_training(self)

    def step(self, state, input, dt):
        """`input` [..., features]; in inference only."""
        if in_training(self):
            raise ValueError(
                "BatchNorm in training normalises by the statistics of a whole sequence and "
                "cannot go step by step: use unroll, or eqx.nn.inference_mode(model), which "
                "takes the running averages."
            )
        return self.unroll(state, input, dt)

    def unroll(self, state, inputs, dt):
        del dt
        self._require(jnp.shape(inputs))
        state = mean, variance = jax.lax.stop_gradient(state)
        if in_training(self):
            axes = tuple(range(jnp.ndim(inputs) - 1))
            mean, variance = jnp.mean(inputs, axes), jnp.var(inputs, axes)
            state = self._averaged(state, BatchNormState(mean, variance))
        scaled = jax.nn.standardize(inputs, mean=mean, variance=variance, epsilon=self.eps)
        return state, self.weight * (self.alpha * self.threshold * scaled) + self.bias

    def absorb(self, state):
        """The model with the running averages of `state`."""
        where = lambda layer: (layer.running_mean, layer.running_variance)
        return eqx.tree_at(where, self, tuple(state))

    def _averaged(self, old: BatchNormState, new: BatchNormState) -> BatchNormState:
        average = lambda r, x: (self.momentum * r + (1 - self.momentum) * x).astype(r.dtype)
        return jax.tree.map(average, old, jax.lax.stop_gradient(new))

    def _require(self, shape: tuple[int, ...]) -> None:
        require_last_axis(shape, self.weight.shape[0], "BatchNorm")


class LayerNorm(AbstractStateless):
    r"""Normalises each sample at each time over its features, the last axis.

    $$y_i = \lambda_i \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_i$$

    mu and sigma^2 being mean and (biased) variance over i (Ba, Kiros & Hinton 2016,
    arXiv:1607.06450). The same in training and inference.

    - `features`: size of the last axis. `eps`: epsilon, above 0.

    `weight` is lambda, 1 at first; `bias` is beta, 0 at first.
    """

    weight: Float[Array, " features"]
    bias: Float[Array, " features"]
    eps: float = eqx.field(static=True)

    def __init__(self, features: int, *, eps: float = 1e-5):
        features = checks.count(features, "LayerNorm.features")
        self.weight = jnp.ones(features)
        self.bias = jnp.zeros(features)
        self.eps = _positive(eps, "LayerNorm.eps")

    def __call__(self, x: Float[Array, "... features"]) -> Float[Array, "... features"]:
        require_last_axis(jnp.shape(x), self.weight.shape[0], "LayerNorm")
        mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
        scaled = jax.nn.standardize(x, mean=mean, variance=variance, epsilon=self.eps)
        return self.weight * scaled + self.bias


def _positive(x: float, name: str) -> float:
    # Not by `checks`, which makes arrays: inside jit they would be traced, and not static.
    if not 0 < x < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {x}.")
    return float(x)
