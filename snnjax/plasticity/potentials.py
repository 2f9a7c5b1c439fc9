"""The potential that spikes of a source would make: what several rules go by."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks


class Potential(NamedTuple):
    """Sums over spikes of the two exponentials of a postsynaptic potential."""

    slow: Float[Array, "n_pre"]
    fast: Float[Array, "n_pre"]

    def decay(self, rule: Any, dt: Any) -> "Potential":
        """`dt` (ms) later."""
        return Potential(
            self.slow * jnp.exp(-dt / rule.tau_m), self.fast * jnp.exp(-dt / rule.tau_s)
        )

    def add(self, spikes: Array) -> "Potential":
        return Potential(self.slow + spikes, self.fast + spikes)

    def value(self, rule: Any) -> Array:
        r"""$V_0 \sum (e^{-s / \tau_m} - e^{-s / \tau_s})$, which peaks at 1 for one spike."""
        return peak_one(rule) * (self.slow - self.fast)


def peak_one(rule: Any) -> Array:
    """$V_0$, with which the potential of one spike peaks at 1."""
    x = rule.tau_m / rule.tau_s
    return x ** (x / (x - 1)) / (x - 1)


def check_order(rule: Any) -> None:
    """Refuse a potential that would rise more slowly than it decays."""
    if checks.is_traced((rule.tau_s, rule.tau_m)):
        return
    if not float(rule.tau_s) < float(rule.tau_m):
        name = type(rule).__name__
        raise ValueError(
            f"{name}.tau_s={float(rule.tau_s):g} ms must be below {name}.tau_m="
            f"{float(rule.tau_m):g} ms: swap them, or move them apart."
        )
