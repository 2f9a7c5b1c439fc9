"""Bounds of weights, and how changes depend on the weight near them."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import at_least, at_most, is_traced
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

    def check(self, w: Any, name: str) -> None:
        """Refuse concrete weights `w` outside the bounds."""
        low, high = self.limits
        name = f"{name}, within {type(self).__name__},"
        for check, bound in ((at_least, low), (at_most, high)):
            if not is_traced((w, bound)):
                check(w, float(bound), name)


class NoBounds(AbstractBounds):
    """Weights of any size and sign: changes are added as they are."""

    def apply(self, w, change):
        return w + change


class AbstractRange(AbstractBounds):
    """Weights that stay between `w_min` and `w_max`."""

    w_min: Float[Array, ""] = parameter(0.0, per_neuron=False)
    w_max: Float[Array, ""] = parameter(1.0, per_neuron=False)

    def __check_init__(self):
        if is_traced((self.w_min, self.w_max)):
            return
        if not float(self.w_min) < float(self.w_max):
            name = type(self).__name__
            raise ValueError(
                f"{name}.w_min={float(self.w_min):g} must be below "
                f"{name}.w_max={float(self.w_max):g}: swap them, or widen the range."
            )

    @property
    def limits(self):
        return self.w_min, self.w_max

    def within(self, w: Array) -> Array:
        """`w`, cut at the bounds."""
        return jnp.minimum(jnp.maximum(w, self.w_min), self.w_max)


class HardBounds(AbstractRange):
    r"""Changes are added, and weights cut at the bounds (additive learning).

    $$w \leftarrow \min(\max(w + \Delta w, w_{min}), w_{max})$$
    """

    def apply(self, w, change):
        return self.within(w + change)


class SoftBounds(AbstractRange):
    r"""Changes shrink towards the bound they lead to.

    With $r = w_{max} - w_{min}$, a change upwards is multiplied by $((w_{max} - w) / r)^\mu$, one
    downwards by $((w - w_{min}) / r)^\mu$. `mu` 1 is multiplicative learning, values between 0
    and 1 the power law of Guetig, Aharonov, Rotter & Sompolinsky 2003, J. Neurosci. 23:3697.
    """

    mu: Float[Array, ""] = parameter(1.0, at_least=0, per_neuron=False)

    def apply(self, w, change):
        r = self.w_max - self.w_min
        room = jnp.where(change > 0, self.w_max - w, w - self.w_min) / r
        # The power of 0 has an infinite slope below 1: keep away from it in both branches.
        share = jnp.where(room > 0, jnp.where(room > 0, room, 1) ** self.mu, 0)
        return self.within(w + change * share)
