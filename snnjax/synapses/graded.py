"""Graded release, by the potential of the source and not by its spikes."""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.synapses.base import AbstractRelease

S = TypeVar("S")


class AbstractGraded(AbstractRelease[S]):
    """Release that grows with the potential of the source."""

    event = False

    v_half: Float[Array, "..."] = parameter(0.0, "mV")
    slope: Float[Array, "..."] = parameter(2.0, "mV", above=0)

    def activation(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """From 0 to 1, a half at `v_half`."""
        return jax.nn.sigmoid((v - self.v_half) / self.slope)


class Graded(AbstractGraded[None]):
    r"""Transmission that follows the potential of the source at once.

    $$a = \frac{1}{1 + e^{-(v - v_{half}) / slope}}$$

    The amount a multiplies the weight, that of full activation, in every step, so that it goes
    with the receptor `Instantaneous`.

    **Arguments**, each a scalar or an array with one value a source neuron:

    - `v_half`: potential of half activation, mV. `slope`: width of the sigmoid, mV, above 0.

    Wang & Rinzel 1992, Neural Comput. 4:84.
    """

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> None:
        self.zeros(shape)  # which refuses a shape that does not fit

    def step(self, state, input, dt):
        """`input`: (spikes, v) of the sources. Returns no state and the amounts."""
        _, v = input
        return None, self.activation(v)


class GradedKineticsState(NamedTuple):
    s: Float[Array, "*n"]  # open receptors, 0 .. 1


class GradedKinetics(AbstractGraded[GradedKineticsState]):
    r"""Transmission that follows the potential of the source by first-order kinetics.

    $$ds/dt = \alpha F(v) (1 - s) - \beta s, \quad
    F(v) = \frac{1}{1 + e^{-(v - v_{half}) / slope}}$$

    The amount s multiplies the weight, that of all receptors open, in every step, so that it
    goes with the receptor `Instantaneous`. A step is exact for a held v, which is that of its
    end. With the defaults, those of Wang & Buzsaki 1996, an action potential opens most
    receptors, and the rest of the time s decays with $1 / \beta$.

    **Arguments**, each a scalar or an array with one value a source neuron:

    - `v_half`: potential of half activation, mV. `slope`: width of the sigmoid, mV, above 0.
    - `alpha`, `beta`: rates of opening and closing, 1/ms, above 0.

    Wang & Rinzel 1992, Neural Comput. 4:84; Wang & Buzsaki 1996, J. Neurosci. 16:6402.
    """

    alpha: Float[Array, "..."] = parameter(12.0, "1/ms", above=0)
    beta: Float[Array, "..."] = parameter(0.1, "1/ms", above=0)

    def init(
        self, shape: tuple[int, ...] = (), *, key=None, dt=None
    ) -> GradedKineticsState:
        return GradedKineticsState(self.zeros(shape))

    def step(self, state, input, dt):
        """`input`: (spikes, v) of the sources. Returns the new state and the amounts."""
        _, v = input
        opening = self.alpha * self.activation(v)
        rate = opening + self.beta
        s = state.s + (state.s - opening / rate) * jnp.expm1(-dt * rate)
        return GradedKineticsState(s), s
