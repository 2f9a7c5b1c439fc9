"""Probability of a synapse as a function of distance."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import check_parameters, parameter


class AbstractKernel(eqx.Module):
    """Called with distances, gives probabilities; any function may stand in its place.

    A kernel is made of its parameters; lengths are in the unit of the positions.
    """

    def __check_init__(self):
        check_parameters(self)

    @abc.abstractmethod
    def __call__(self, d: Float[Array, "..."]) -> Float[Array, "..."]:
        """Probabilities at the distances `d`."""


def _peak(default: float = 1.0):
    return parameter(default, at_least=0, at_most=1)


class GaussianKernel(AbstractKernel):
    r"""$p(d) = p \, e^{-d^2 / 2 \sigma^2}$, `p` at distance 0."""

    sigma: Float[Array, ""] = parameter(above=0)
    p: Float[Array, ""] = _peak()

    def __call__(self, d):
        return self.p * jnp.exp(-((d / self.sigma) ** 2) / 2)


class ExponentialKernel(AbstractKernel):
    r"""$p(d) = p \, e^{-d / \lambda}$, `p` at distance 0; $\lambda$ is `length`."""

    length: Float[Array, ""] = parameter(above=0)
    p: Float[Array, ""] = _peak()

    def __call__(self, d):
        return self.p * jnp.exp(-d / self.length)


class LinearKernel(AbstractKernel):
    r"""$p(d) = p \, (1 - d / r)$ up to the radius r, 0 beyond; `p` at distance 0."""

    radius: Float[Array, ""] = parameter(above=0)
    p: Float[Array, ""] = _peak()

    def __call__(self, d):
        return self.p * jnp.maximum(1 - d / self.radius, 0)


class BoxKernel(AbstractKernel):
    r"""`p` up to the radius, which is included, and 0 beyond.

    The radius is taken 1e-5 of it larger, so that rounding takes no neighbour from a grid.
    """

    radius: Float[Array, ""] = parameter(above=0)
    p: Float[Array, ""] = _peak()

    def __call__(self, d):
        return jnp.where(d <= self.radius * (1 + 1e-5), self.p, 0)
