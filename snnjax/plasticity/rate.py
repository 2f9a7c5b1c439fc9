"""Rules of rates: Hebb, Oja, and Bienenstock, Cooper & Munro."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds, NoBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals


class Rates(NamedTuple):
    x: Float[Array, "n_pre"]  # Hz, of the source
    y: Float[Array, "n_post"]  # of the target


class AbstractRateRule(AbstractRule):
    r"""A rule of rates: a `drift` of the weight by x and y, in Hz.

    Rates are exponential averages of spikes, $\tau \, dx/dt = -x + S(t)$: each spike adds
    $1 / \tau$. A rule shows `Rates` and a `drift` of them.
    """

    tau: eqx.AbstractVar[Float[Array, ""]]

    def traces(self, pre, post, dt):
        return Rates(pre, post)

    def observe(self, traces: Rates, signals: Signals, dt):
        rates = self.rates(traces, signals, dt)
        return Seen(None, None, rates.x, rates.y), rates

    def rates(self, before: Rates, signals: Signals, dt) -> Rates:
        decay, jump = jnp.exp(-dt / self.tau), 1000 / self.tau
        return Rates(
            before.x * decay + signals.pre * jump, before.y * decay + signals.post * jump
        )


class Hebb(AbstractRateRule):
    r"""Hebbian learning: weights grow with the product of the rates.

    $$dw/dt = \eta \, x \, y$$

    Nothing but the bounds ends the growth: see `Oja`, `BCM`, `Normalised`.

    - `eta`: weight per ms and Hz^2. `tau`: of the rates, ms, above 0.

    Hebb 1949, The Organization of Behavior; Gerstner & Kistler 2002, Biol. Cybern. 87:404.
    """

    eta: Float[Array, ""] = parameter(1e-8, "1/(ms Hz^2)", per_neuron=False)
    tau: Float[Array, ""] = parameter(100.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)

    def drift(self, w, pre, post):
        return self.eta * pre * post


class Oja(AbstractRateRule):
    r"""Oja's rule: Hebbian growth with a decay that bounds the sum of squares.

    $$dw/dt = \eta \, (x y - y^2 w)$$

    Of a target with the rate $y = \sum_i w_i x_i$ the weights go to the first principal component
    of x (its eigenvector of $\langle x x^T \rangle$), of length 1; with $y = g \sum_i w_i x_i$, of
    length $1 / \sqrt g$.

    - `eta`: 1/(ms Hz^2). `tau`: of the rates, ms, above 0.

    Oja 1982, J. Math. Biol. 15:267.
    """

    eta: Float[Array, ""] = parameter(1e-8, "1/(ms Hz^2)", per_neuron=False)
    tau: Float[Array, ""] = parameter(100.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=NoBounds)

    def drift(self, w, pre, post):
        return self.eta * post * (pre - post * w)


class BCMTraces(NamedTuple):
    rates: Rates
    theta: Float[Array, "n_post"]  # Hz


class BCM(AbstractRateRule):
    r"""The rule of Bienenstock, Cooper & Munro, with a sliding threshold.

    $$dw/dt = \eta \, x \, y \, (y - \theta), \qquad
      \tau_\theta \, d\theta/dt = -\theta + y^2 / y_0$$

    A source potentiates where the target fires above $\theta$ and depresses where it fires below.
    The threshold follows the square of the rate, so neither lasts, and the target becomes
    selective: of patterns that come with probability p each, linear targets end up with the rate
    $y_0 / p$ at one and 0 at the others.

    - `eta`: 1/(ms Hz^3). `rate_hz`: $y_0$, Hz, above 0. `tau`: of the rates, ms, above 0.
    - `tau_theta`: of the threshold, ms, above 0: long against the time of a pattern, short
      against that of learning.

    Bienenstock, Cooper & Munro 1982, J. Neurosci. 2:32; Cooper & Bear 2012, Nat. Rev. Neurosci.
    13:798.
    """

    eta: Float[Array, ""] = parameter(1e-10, "1/(ms Hz^3)", per_neuron=False)
    rate_hz: Float[Array, ""] = parameter(5.0, "Hz", above=0, per_neuron=False)
    tau: Float[Array, ""] = parameter(100.0, "ms", above=0, per_neuron=False)
    tau_theta: Float[Array, ""] = parameter(5000.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)

    def traces(self, pre, post, dt):
        return BCMTraces(Rates(pre, post), post)

    def observe(self, traces: BCMTraces, signals: Signals, dt):
        rates = self.rates(traces.rates, signals, dt)
        goal = rates.y**2 / self.rate_hz
        theta = goal + (traces.theta - goal) * jnp.exp(-dt / self.tau_theta)
        return Seen(None, None, rates.x, (rates.y, theta)), BCMTraces(rates, theta)

    def drift(self, w, pre, post):
        y, theta = post
        return self.eta * pre * y * (y - theta)
