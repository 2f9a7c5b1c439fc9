"""Synapses that rise and decay."""

import abc
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import phi1
from snnjax.core.linear import divided_exp
from snnjax.core.parameters import parameter
from snnjax.synapses.kinetic import AbstractKineticReceptor, held_share


class DualExponentialState(NamedTuple):
    rise: Float[Array, "*n"]  # what arrived and decays, unit as s
    s: Float[Array, "*n"]  # pA, or nS with a reversal potential


class AbstractDualExponential(AbstractKineticReceptor[DualExponentialState]):
    """What receptors share that rise with one time constant and decay with another."""

    port = "rise"

    @abc.abstractmethod
    def time_constants(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Of rise and of decay, ms. They may be equal, and the order does not matter."""

    def time_to_peak(self) -> Float[Array, "..."]:
        """From the arrival of a spike to the peak of s, ms."""
        rise, decay = self.time_constants()
        # ln(x) / (1 - 1 / x) of x = decay / rise, which is 0 / 0 where they are equal.
        return rise / phi1(-jnp.log(decay / rise))

    def feed(self) -> Float[Array, "..."]:
        """The rate at which `rise` feeds s, 1/ms, so that a weight of 1 peaks at 1."""
        rise, decay = self.time_constants()
        return jnp.exp(self.time_to_peak() / rise) / decay

    def init(
        self, shape: tuple[int, ...] = (), *, key=None, dt=None
    ) -> DualExponentialState:
        return DualExponentialState(self.zeros(shape), self.zeros(shape))

    def advance(self, state, dt):
        rise, decay = (-dt / tau for tau in self.time_constants())
        fed = self.feed() * dt * divided_exp(rise, decay)
        return DualExponentialState(
            state.rise * jnp.exp(rise), state.s * jnp.exp(decay) + state.rise * fed
        )

    def held(self, state, dt, tau_m):
        rise, decay = self.time_constants()
        fed = self.feed() * held_share(dt, tau_m, rise, decay)
        return state.s * held_share(dt, tau_m, decay) + state.rise * fed


class DualExponential(AbstractDualExponential):
    r"""Exponential rise and exponential decay, of a current or a conductance.

    $$\tau_{rise} \, dr/dt = -r, \quad
    \tau_{decay} \, ds/dt = -s + \tau_{decay} k r, \quad r \leftarrow r + w \text{ at a spike}$$

    A weight w peaks at w, by $k = e^{t_p / \tau_{rise}} / \tau_{decay}$, after $t_p =
    \frac{\tau_{decay} \tau_{rise}}{\tau_{decay} - \tau_{rise}} \ln(\tau_{decay} / \tau_{rise})$:
    $$s(t) = w \, \frac{e^{-t / \tau_{decay}} - e^{-t / \tau_{rise}}}
    {e^{-t_p / \tau_{decay}} - e^{-t_p / \tau_{rise}}}$$
    Equal time constants are no special case and give an `Alpha`.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_rise`, `tau_decay`: time constants, ms, above 0.
    - `e_rev`: reversal potential, mV, of a conductance with weights in nS; None is a current
      with weights in pA.

    Roth & van Rossum 2009, in De Schutter (ed.), Computational Modeling Methods for
    Neuroscientists, ch. 6.
    """

    tau_rise: Float[Array, "..."] = parameter(0.5, "ms", above=0)
    tau_decay: Float[Array, "..."] = parameter(5.0, "ms", above=0)

    def time_constants(self):
        return self.tau_rise, self.tau_decay
