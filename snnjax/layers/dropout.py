"""Dropout with one mask over time."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.layers.mode import in_training


class DropoutState(NamedTuple):
    kept: Bool[Array, "*n"] | None  # None in inference


class Dropout(AbstractDynamics[DropoutState]):
    r"""Silences each input with probability p for a whole sequence, and scales the others.

    $$y_i(t) = m_i \, x_i(t) / (1 - p), \quad m_i \sim \mathrm{Bernoulli}(1 - p)$$

    The mask m is drawn in `init` from its key, one value for each unit and sample, and stays
    the same at all times: a mask drawn anew at each step would be averaged out by the membrane
    (Lee et al. 2020, Front. Neurosci. 14:119). In inference y = x and no key is needed.

    - `p`: probability to be silenced, at least 0 and below 1.
    - `inference`: whether to pass everything; `eqx.nn.inference_mode(model)` sets it.
    """

    p: float = 0.5
    inference: bool = eqx.field(default=False, kw_only=True)

    def __check_init__(self):
        if not checks.is_traced(self.p) and not 0 <= self.p < 1:
            raise ValueError(f"Dropout.p must be at least 0 and below 1, got {self.p}.")

    def init(self, shape=(), *, key=None, dt=None):
        del dt
        if not in_training(self):
            return DropoutState(None)
        if key is None:
            raise ValueError(
                "Dropout draws a mask in training and needs a key: give key=jax.random.key(seed) "
                "to init, unroll or simulate. Without training, use "
                "eqx.nn.inference_mode(model)."
            )
        return DropoutState(jax.random.bernoulli(key, 1 - self.p, shape))

    def step(self, state, input, dt):
        """`input` of the shape given to `init`; returns the same state and the output."""
        del dt
        return state, self._drop(state, input, jnp.shape(input))

    def unroll(self, state, inputs, dt):
        del dt
        return state, self._drop(state, inputs, jnp.shape(inputs)[1:])

    def _drop(self, state, x, sample) -> Float[Array, "..."]:
        if not in_training(self):
            return jnp.asarray(x)
        if state.kept is None:
            raise ValueError(
                "Dropout is in training, but its state was made in inference and has no mask: "
                "make the state by init of this model."
            )
        if state.kept.shape != sample:
            raise ValueError(
                f"Dropout drew a mask of shape {state.kept.shape} in init, got inputs of "
                f"shape {sample}."
            )
        return jnp.where(state.kept, x / (1 - self.p), 0)
