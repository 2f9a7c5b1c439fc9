"""Receptors that are a current or, with a reversal potential, a conductance."""

import abc
from typing import Any, TypeVar

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.linear import divided_exp
from snnjax.core.parameters import parameter
from snnjax.synapses.base import AbstractReceptor

S = TypeVar("S", bound=Any)


class AbstractKineticReceptor(AbstractReceptor[S]):
    r"""A receptor whose current or conductance follows a time course of its own.

    - `e_rev`: reversal potential, mV. With it the state is a conductance $g$ (nS, as are the
      weights), and the neuron gets $g (e_{rev} - v)$ as a function of v, so that its
      integrator sees the slope. With None the state is a current (pA, as are the weights;
      those of inhibition are negative).
    """

    e_rev: Float[Array, "..."] | None = parameter(None, "mV", kw_only=True)

    @abc.abstractmethod
    def held(
        self, state: S, dt: Float[ArrayLike, ""], tau_m: Float[ArrayLike, "*n"] | None
    ) -> Float[Array, "*n"]:
        """The current (pA) or conductance (nS) held over the step; see `drive`."""

    def drive(self, state, dt, tau_m=None):
        if self.e_rev is None:
            return self.held(state, dt, tau_m)
        g, e_rev = self.held(state, dt, None), self.e_rev
        return lambda v: g * (e_rev - v)


def held_share(
    dt: Float[ArrayLike, ""],
    tau_m: Float[ArrayLike, "*n"] | None,
    *tau: Float[Array, "..."],
) -> Float[Array, "..."]:
    r"""The constant $c$ that counts over a step as the decay of a chain of time constants.

    A chain of one or two equations with `tau` (ms) starts at 1 in its first member and feeds
    the next at rate 1 / ms; on a membrane of `tau_m` (ms; None has no leak, so that c is a
    mean) its last member does over `dt` (ms) what c does. In divided differences of exp,
    $$c = dt^{n-1} \frac{\exp[-dt/\tau_1, .., -dt/\tau_n, -dt/\tau_m]}{\exp[-dt/\tau_m, 0]}$$
    """
    points = [-dt / t for t in tau]
    leak = jnp.zeros_like(points[0]) if tau_m is None else -dt / tau_m
    constant = divided_exp(leak, jnp.zeros_like(leak))
    return dt ** (len(tau) - 1) * divided_exp(*points, leak) / constant
