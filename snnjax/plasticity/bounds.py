"""Bounds of weights, and how changes depend on the weight near them."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import check_parameters, parameter


class AbstractBounds(eqx.Module):
    """What becomes of a change of a weight."""

    def __check_init__(self):
        check_parameters(self)

    @abc.abstractmethod
    def apply(self, w: Array, change: Array) -> Array:
        """The weights `w` after a `change` was asked for."""

    @property
    def limits(self) -> tuple[Array, Array]:
        """(least, largest) weight that is kept."""
        return jnp.float32(-jnp.inf), jnp.float32(jnp.inf)


class NoBounds(AbstractBounds):
    """Weights of any size and sign: changes are added as they are."""

    def apply(self, w, change):
        return w + change


class HardBounds(AbstractBounds):
    r"""Changes are added, and weights cut at the bounds (additive learning).

    $$w \leftarrow \min(\max(w + \Delta w, w_{min}), w_{max})$$
    """

    w_min: Float[Array, ""] = parameter(0.0, per_neuron=False)
    w_max: Float[Array, ""] = parameter(1.0, per_neuron=False)

    def __check_init__(self):
        _ordered(self)

    @property
    def limits(self):
        return self.w_min, self.w_max

    def apply(self, w, change):
        return jnp.minimum(jnp.maximum(w + change, self.w_min), self.w_max)


class SoftBounds(AbstractBounds):
    r"""Changes shrink towards the bound they lead to.

    With $r = w_{max} - w_{min}$, a change upwards is multiplied by $((w_{max} - w) / r)^\mu$, one
    downwards by $((w - w_{min}) / r)^\mu$. `mu` 1 is multiplicative learning, values between 0
    and 1 the power law of Guetig, Aharonov, Rotter & Sompolinsky 2003, J. Neurosci. 23:3697.
    """

    w_min: Float[Array, ""] = parameter(0.0, per_neuron=False)
    w_max: Float[Array, ""] = parameter(1.0, per_neuron=False)
    mu: Float[Array, ""] = parameter(1.0, at_least=0, per_neuron=False)

    def __check_init__(self):
        _ordered(self)

    @property
    def limits(self):
        return self.w_min, self.w_max

    def apply(self, w, change):
        r = self.w_max - self.w_min
        room = jnp.where(change > 0, self.w_max - w, w - self.w_min) / r
        # The power of 0 has an infinite slope below 1: keep away from it in both branches.
        share = jnp.where(room > 0, jnp.where(room > 0, room, 1) ** self.mu, 0)
        w = w + change * share
        return jnp.minimum(jnp.maximum(w, self.w_min), self.w_max)


def _ordered(bounds) -> None:
    from snnjax.core.checks import is_traced

    if is_traced((bounds.w_min, bounds.w_max)):
        return
    if not float(bounds.w_min) < float(bounds.w_max):
        name = type(bounds).__name__
        raise ValueError(
            f"{name}.w_min={float(bounds.w_min):g} must be below "
            f"{name}.w_max={float(bounds.w_max):g}: swap them, or widen the range."
        )
