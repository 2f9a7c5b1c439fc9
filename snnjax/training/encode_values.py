"""One value as the activity of a population."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.parameters import check_parameters, parameter


class PopulationCode(eqx.Module):
    r"""A population with Gaussian receptive fields for every value, then another code.

    Unit j, tuned to the centre $c_j$ with width $\sigma_j$, is excited by a value x to

    $$a_j = e^{-(x - c_j)^2 / 2 \sigma_j^2},$$

    which is 1 at its centre and is what `code` encodes: as latencies with `LatencyCode`, as
    rates with `PoissonCode` or `BernoulliCode`, as currents with `DirectCurrent`.

    - `code`: called as `code(a, key)`.
    - `centres`: c [units], in the unit of the values. `width`: sigma, one or [units].

    Called as `code(x, key)`, x [..., features], it gives [n_steps, ..., features * units],
    where the units of the first feature come first.
    Bohte, Kok & La Poutré 2002, Neurocomputing 48:17.
    """

    code: Callable
    centres: Float[Array, " units"] = parameter(unit="unit of the values")
    width: Float[Array, "..."] = parameter(unit="unit of the values", above=0)

    def __check_init__(self):
        check_parameters(self)
        shape = jnp.shape(self.centres)
        if len(shape) != 1 or jnp.shape(self.width) not in ((), shape):
            raise ValueError(
                "PopulationCode.centres must be [units] and width one value or [units], got "
                f"shapes {shape} and {jnp.shape(self.width)}."
            )

    @classmethod
    def bohte(
        cls,
        code: Callable,
        n_units: int,
        low: float = 0.0,
        high: float = 1.0,
        *,
        beta: float = 1.5,
    ) -> "PopulationCode":
        r"""The fields of Bohte et al. 2002 for values in `low` .. `high`.

        With $\Delta = (high - low) / (n - 2)$, the centres are
        $low + (j - 3/2) \Delta, j = 1 .. n$, the outer ones beyond the ends, and the width is
        $\Delta / \beta$. `n_units` is n, at least 3.
        """
        checks.above(n_units, 2, "PopulationCode.bohte.n_units")
        n = checks.count(n_units, "PopulationCode.bohte.n_units")
        span = checks.positive(high - low, "PopulationCode.bohte: high - low") / (n - 2)
        width = span / checks.positive(beta, "PopulationCode.bohte.beta")
        return cls(code, low + (jnp.arange(n) - 0.5) * span, width)

    def activations(self, x: Float[Array, "*n features"]) -> Float[Array, "*n out"]:
        """a of every unit, in 0 .. 1, [..., features * units]."""
        a = jnp.exp(-0.5 * ((x[..., None] - self.centres) / self.width) ** 2)
        return a.reshape(*x.shape[:-1], -1).astype(jnp.result_type(x, jnp.float32))

    def __call__(self, x, key=None):
        return self.code(self.activations(x), key)
