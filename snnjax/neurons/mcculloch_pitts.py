"""McCulloch-Pitts neuron."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.base import AbstractDynamics
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold, as_threshold


class McCullochPitts(AbstractDynamics[tuple[()]]):
    r"""McCulloch-Pitts neuron: a weighted sum and a step, without time.

    $$y = 1 \text{ if } \sum_i w_i x_i \ge level \text{ else } 0$$

    It has no state: each step looks at its own input only. In contrast, a spiking neuron sums
    over time, and says by its rate or by the time of its spikes how strong the input is.

    **Arguments**, without units:

    - `weights`: one a pre-synaptic input, shape (pre,); or for several neurons (pre, post).
    - `threshold`: level, one value or one a neuron, and surrogate gradient of the step; 1.

    Input: x, shape (..., pre). Output: 0.0 or 1.0, shape (...) or (..., post).
    McCulloch & Pitts 1943, Bull. Math. Biophys. 5:115.
    """

    weights: Float[Array, "pre ..."] = parameter(unit="", per_neuron=False)
    threshold: Threshold = eqx.field(
        default_factory=lambda: Threshold(1.0), converter=as_threshold
    )

    @classmethod
    def logic_and(cls, n: int = 2) -> "McCullochPitts":
        """Fires if all of `n` binary inputs are on."""
        return cls(jnp.ones(n), Threshold(float(n)))

    @classmethod
    def logic_or(cls, n: int = 2) -> "McCullochPitts":
        """Fires if any of `n` binary inputs is on."""
        return cls(jnp.ones(n), Threshold(1.0))

    @classmethod
    def logic_not(cls) -> "McCullochPitts":
        """Fires if its one binary input is off."""
        return cls(-jnp.ones(1), Threshold(0.0))

    def __check_init__(self):
        if self.weights.ndim not in (1, 2):
            raise ValueError(
                "McCullochPitts.weights must have shape (pre,) or (pre, post), got "
                f"{self.weights.shape}."
            )

    def init(self, shape=(), *, key=None, dt=None) -> tuple[()]:
        del shape, key, dt
        return ()

    def step(self, state, input, dt):
        """(), and the output for `input`; `dt` plays no part."""
        del dt
        return state, self.threshold(jnp.asarray(input) @ self.weights)

    def unroll(self, state, inputs, dt):
        return self.step(state, inputs, dt)  # all of time as one matrix product
