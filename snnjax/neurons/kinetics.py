"""Kinetics of ion channels as data: rates, gates made of rates, and the sets of papers."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from snnjax.core.checks import as_float, is_traced, positive
from snnjax.core.integrators import phi1
from snnjax.core.parameters import check_parameters, parameter

Curve = Callable[[Float[Array, "*n"]], Float[Array, "*n"]]


class AbstractRate(eqx.Module):
    """A function of the voltage, rate x shape((v - midpoint) / scale).

    - `rate`: 1/ms (or 1 for a steady state). `midpoint`, `scale`: mV; a negative `scale`
      makes the function fall.
    """

    rate: Float[Array, "..."] = parameter(unit="1/ms")
    midpoint: Float[Array, "..."] = parameter(unit="mV")
    scale: Float[Array, "..."] = parameter(unit="mV")

    def __check_init__(self):
        check_parameters(self)
        if not is_traced(self.scale) and not np.all(self.scale):
            raise ValueError(
                f"{type(self).__name__}.scale must not be 0 mV, got {self.scale}: it is the "
                "voltage over which the rate changes, negative where it falls."
            )

    @abc.abstractmethod
    def shape(self, x: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The form of the function, of a number."""

    def __call__(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        # By the reciprocal, which leaves a loop over steps, as a division would not.
        return self.rate * self.shape((v - self.midpoint) * (1 / self.scale))


class Exponential(AbstractRate):
    r"""$r \, e^x$ with $x = (v - v_0) / s$; `rate` r is the value at the `midpoint` $v_0$."""

    def shape(self, x):
        return jnp.exp(x)


class Logistic(AbstractRate):
    r"""$r / (1 + e^{-x})$ with $x = (v - v_0) / s$; r is the limit, r / 2 at the midpoint.

    With `rate` 1 it is the Boltzmann curve of a steady state.
    """

    def shape(self, x):
        return jax.nn.sigmoid(x)


class LinearExponential(AbstractRate):
    r"""$r \, x / (1 - e^{-x})$ with $x = (v - v_0) / s$; r is the value at the midpoint.

    There the formula is 0/0; value and gradient are exact. Far above, it grows as r x.
    """

    def shape(self, x):
        # Below -80 the value is under 1e-32, and in float32 the gradient would overflow.
        return 1 / phi1(-jnp.maximum(x, -80))


class AbstractGate(eqx.Module):
    """A gating variable between 0 and 1; `power` of them sit in one channel.

    An `instantaneous` gate is always at its steady state and takes no place in the state.
    """

    power: int = eqx.field(default=1, static=True, kw_only=True)
    instantaneous: bool = eqx.field(default=False, static=True, kw_only=True)

    @abc.abstractmethod
    def rates(self, v: Float[Array, "*n"]) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        """(opening, closing) rate at `v` (mV), 1/ms."""

    @abc.abstractmethod
    def steady_state(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Where the gate settles at `v` (mV)."""

    @abc.abstractmethod
    def time_constant(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """How fast it settles there, ms."""

    def slope(self, x: Float[Array, "*n"], v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """dx/dt at `v` (mV), 1/ms."""
        alpha, beta = self.rates(v)
        return alpha * (1 - x) - beta * x


class Gate(AbstractGate):
    r"""$\dot x = \alpha(v) (1 - x) - \beta(v) x$, from its opening and closing rates.

    - `alpha`, `beta`: functions of v (mV) that give 1/ms, such as an `Exponential`.
    - `power`: of x in the conductance. `instantaneous`: x stays at its steady state.
    """

    alpha: Curve
    beta: Curve

    def rates(self, v):
        return self.alpha(v), self.beta(v)

    def steady_state(self, v):
        alpha, beta = self.rates(v)
        return alpha / (alpha + beta)

    def time_constant(self, v):
        alpha, beta = self.rates(v)
        return 1 / (alpha + beta)


def _number_or_function(tau: Any) -> Any:
    return tau if tau is None or callable(tau) else as_float(tau)


class SteadyStateGate(AbstractGate):
    r"""$\dot x = (x_\infty(v) - x) / \tau(v)$, from its steady state and time constant.

    - `x_inf`: function of v (mV), between 0 and 1, such as `Logistic(1, midpoint, scale)`.
    - `tau`: ms, a number or a function of v; None where the gate is `instantaneous`.
    - `power`: of x in the conductance. `instantaneous`: x stays at its steady state.
    """

    x_inf: Curve
    tau: Curve | Float[Array, "..."] | None = eqx.field(
        default=None, converter=_number_or_function
    )

    def __check_init__(self):
        if (self.tau is None) != self.instantaneous:
            raise ValueError(
                "SteadyStateGate needs either tau= (ms) or instantaneous=True, got "
                f"tau={self.tau} and instantaneous={self.instantaneous}."
            )
        if self.tau is not None and not callable(self.tau):
            positive(self.tau, "SteadyStateGate.tau", "ms")

    def rates(self, v):
        tau = self.time_constant(v)
        return self.x_inf(v) / tau, (1 - self.x_inf(v)) / tau

    def steady_state(self, v):
        return self.x_inf(v)

    def time_constant(self, v):
        if self.tau is None:
            return jnp.zeros_like(v)
        return self.tau(v) if callable(self.tau) else jnp.broadcast_to(self.tau, v.shape)


Kinetics = dict[str, dict[str, AbstractGate]]  # channel -> gate name -> gate


def hodgkin_huxley_1952(v_rest=-65.0) -> Kinetics:
    r"""Sodium (m^3 h) and potassium (n^4) of the squid axon at 6.3 degrees C.

    With $u = v - v_{rest}$ in mV, rates in 1/ms:

    $$\alpha_m = \frac{0.1 (25 - u)}{e^{(25 - u)/10} - 1}, \quad \beta_m = 4 e^{-u/18}$$
    $$\alpha_h = 0.07 e^{-u/20}, \quad \beta_h = \frac{1}{e^{(30 - u)/10} + 1}$$
    $$\alpha_n = \frac{0.01 (10 - u)}{e^{(10 - u)/10} - 1}, \quad \beta_n = 0.125 e^{-u/80}$$

    - `v_rest`: mV; 0 in the paper, -65 in absolute voltage.

    Hodgkin & Huxley 1952, J. Physiol. 117:500.
    """
    m = Gate(
        LinearExponential(1.0, v_rest + 25, 10.0), Exponential(4.0, v_rest, -18.0), power=3
    )
    h = Gate(Exponential(0.07, v_rest, -20.0), Logistic(1.0, v_rest + 30, 10.0))
    n = Gate(
        LinearExponential(0.1, v_rest + 10, 10.0),
        Exponential(0.125, v_rest, -80.0),
        power=4,
    )
    return {"na": {"m": m, "h": h}, "k": {"n": n}}


def traub_miles(v_t=-63.0) -> Kinetics:
    r"""Sodium (m^3 h) and potassium (n^4) of hippocampal pyramidal cells.

    With $u = v - v_t$ in mV, rates in 1/ms:

    $$\alpha_m = \frac{0.32 (13 - u)}{e^{(13 - u)/4} - 1}, \quad
      \beta_m = \frac{0.28 (u - 40)}{e^{(u - 40)/5} - 1}$$
    $$\alpha_h = 0.128 e^{(17 - u)/18}, \quad \beta_h = \frac{4}{1 + e^{(40 - u)/5}}$$
    $$\alpha_n = \frac{0.032 (15 - u)}{e^{(15 - u)/5} - 1}, \quad
      \beta_n = 0.5 e^{(10 - u)/40}$$

    - `v_t`: mV; shifts the threshold, which lies near it.

    Traub & Miles 1991, Neuronal Networks of the Hippocampus, in the form of Brette et al.
    2007, J. Comput. Neurosci. 23:349.
    """
    m = Gate(
        LinearExponential(1.28, v_t + 13, 4.0),
        LinearExponential(1.4, v_t + 40, -5.0),
        power=3,
    )
    h = Gate(Exponential(0.128, v_t + 17, -18.0), Logistic(4.0, v_t + 40, 5.0))
    n = Gate(
        LinearExponential(0.16, v_t + 15, 5.0), Exponential(0.5, v_t + 10, -40.0), power=4
    )
    return {"na": {"m": m, "h": h}, "k": {"n": n}}


def wang_buzsaki(phi=5.0) -> Kinetics:
    r"""Sodium (instantaneous m^3, h) and potassium (n^4) of fast-spiking interneurons.

    Rates in 1/ms, those of h and n times $\phi$:

    $$\alpha_m = \frac{-0.1 (v + 35)}{e^{-0.1 (v + 35)} - 1}, \quad
      \beta_m = 4 e^{-(v + 60)/18}$$
    $$\alpha_h = 0.07 e^{-(v + 58)/20}, \quad \beta_h = \frac{1}{e^{-0.1 (v + 28)} + 1}$$
    $$\alpha_n = \frac{-0.01 (v + 34)}{e^{-0.1 (v + 34)} - 1}, \quad
      \beta_n = 0.125 e^{-(v + 44)/80}$$

    Wang & Buzsaki 1996, J. Neurosci. 16:6402.
    """
    m = Gate(
        LinearExponential(1.0, -35.0, 10.0),
        Exponential(4.0, -60.0, -18.0),
        power=3,
        instantaneous=True,
    )
    h = Gate(Exponential(0.07 * phi, -58.0, -20.0), Logistic(phi, -28.0, 10.0))
    n = Gate(
        LinearExponential(0.1 * phi, -34.0, 10.0),
        Exponential(0.125 * phi, -44.0, -80.0),
        power=4,
    )
    return {"na": {"m": m, "h": h}, "k": {"n": n}}
