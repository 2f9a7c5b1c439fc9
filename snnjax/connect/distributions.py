"""Distributions of weights and delays."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import finite, is_traced
from snnjax.core.parameters import check_parameters, parameter


class AbstractDistribution(eqx.Module):
    """Values to draw, one a synapse; `factor * distribution` and `-distribution` scale them.

    Where bounds `low` and `high` are given, the distribution is cut off there, as if each value
    outside were drawn again; no values pile up at a bound, and mean and standard deviation are
    those before the cut.
    """

    random: ClassVar[bool] = True  # whether `sample` needs a key

    __array_ufunc__ = None  # NumPy numbers leave `number * distribution` to it

    def __check_init__(self):
        check_parameters(self)
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        given = low is not None and high is not None and not is_traced((low, high))
        if given and not np.all(np.asarray(low) < np.asarray(high)):
            name = type(self).__name__
            raise ValueError(f"{name}.low={low} must be below {name}.high={high}.")

    @abc.abstractmethod
    def sample(self, key: Any, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Independent values."""

    def __mul__(self, factor: ArrayLike) -> "AbstractDistribution":
        return Scaled(self, factor)

    __rmul__ = __mul__

    def __neg__(self) -> "AbstractDistribution":
        return Scaled(self, -1.0)


class Scaled(AbstractDistribution):
    """See `AbstractDistribution`: values of `distribution`, times `factor`."""

    distribution: AbstractDistribution
    factor: Float[Array, ""] = eqx.field(converter=lambda x: finite(x, "factor"))

    def sample(self, key, shape):
        return self.factor * self.distribution.sample(key, shape)


class Constant(AbstractDistribution):
    """`value` for each synapse, as a parameter of its own that can be trained apart.

    A bare number stays one number for all synapses of a projection.
    """

    value: Float[Array, ""] = parameter()
    random: ClassVar[bool] = False

    def sample(self, key, shape):
        del key
        return jnp.full(shape, self.value)


class Uniform(AbstractDistribution):
    """Uniform from `low` to `high`."""

    low: Float[Array, ""] = parameter()
    high: Float[Array, ""] = parameter()

    def sample(self, key, shape):
        u = jax.random.uniform(key, shape, _dtype(self))
        return self.low + (self.high - self.low) * u


class Normal(AbstractDistribution):
    """Normal with `mean` and standard deviation `std`.

    - `low`, `high`: bounds; the distribution is cut off there (drawn again). With `clip=True`
      values outside are set to the bound instead.
    """

    mean: Float[Array, ""] = parameter()
    std: Float[Array, ""] = parameter(at_least=0)
    low: Float[Array, ""] | None = parameter(None)
    high: Float[Array, ""] | None = parameter(None)
    clip: bool = eqx.field(default=False, static=True)

    def sample(self, key, shape):
        low, high = (None, None) if self.clip else (self.low, self.high)
        values = _cut_normal(self, key, shape, self.mean, self.std, low, high)
        return jnp.clip(values, self.low, self.high) if self.clip else values


class LogNormal(AbstractDistribution):
    r"""Log-normal with `mean` and standard deviation `std`, which are those of the values.

    The logarithm has the variance $\sigma^2 = \ln(1 + (std / mean)^2)$ and the mean
    $\mu = \ln mean - \sigma^2 / 2$.

    - `low`, `high`: bounds, from 0 on; the distribution is cut off there.
    """

    mean: Float[Array, ""] = parameter(above=0)
    std: Float[Array, ""] = parameter(at_least=0)
    low: Float[Array, ""] | None = parameter(None, at_least=0)
    high: Float[Array, ""] | None = parameter(None, at_least=0)

    def sample(self, key, shape):
        variance = jnp.log1p((self.std / self.mean) ** 2)
        mean, std = jnp.log(self.mean) - variance / 2, jnp.sqrt(variance)
        low, high = (None if x is None else jnp.log(x) for x in (self.low, self.high))
        return jnp.exp(_cut_normal(self, key, shape, mean, std, low, high))


class ExponentialDistribution(AbstractDistribution):
    """Exponential with `mean`; no value is below 0.

    - `low`, `high`: bounds, from 0 on; the distribution is cut off there.
    """

    mean: Float[Array, ""] = parameter(above=0)
    low: Float[Array, ""] | None = parameter(None, at_least=0)
    high: Float[Array, ""] | None = parameter(None, at_least=0)

    def sample(self, key, shape):
        low = 0.0 if self.low is None else self.low
        inside = -1.0 if self.high is None else jnp.expm1((low - self.high) / self.mean)
        u = jax.random.uniform(key, shape, _dtype(self))
        return low - self.mean * jnp.log1p(u * inside)


def _cut_normal(
    distribution: Any, key: Any, shape: tuple[int, ...], mean, std, low, high
) -> Float[Array, "*shape"]:
    """Normal values between `low` and `high`, by inversion of the distribution."""
    dtype = _dtype(distribution)
    if low is None and high is None:
        return mean + std * jax.random.normal(key, shape, dtype)
    unit = jnp.where(std > 0, std, 1)
    below = -jnp.inf if low is None else (low - mean) / unit
    above = jnp.inf if high is None else (high - mean) / unit
    return mean + std * jax.random.truncated_normal(key, below, above, shape, dtype)


def _dtype(distribution: AbstractDistribution) -> Any:
    leaves = jax.tree.leaves(eqx.filter(distribution, eqx.is_inexact_array))
    return jnp.result_type(*leaves)
