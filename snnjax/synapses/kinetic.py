"""Receptors that are a current or, with a reversal potential, a conductance."""

import abc
from typing import Any, TypeVar

from jaxtyping import Array, ArrayLike, Float

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
