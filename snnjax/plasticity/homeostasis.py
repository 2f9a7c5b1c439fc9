"""Rules that keep neurons at work: synaptic scaling, and a constant sum of weights.

An intrinsic threshold that rises with each spike and falls slowly, as of Diehl & Cook 2015, is a
property of the neuron: `AdaptiveLIF(beta=0.05, tau_adapt=1e7)`.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from snnjax.core.parameters import parameter
from snnjax.plasticity.rule import AbstractRule
from snnjax.plasticity.wrapped import (
    AbstractWrappedRule,
    at_times,
    check_every,
    due,
    within,
)


class Activity(NamedTuple):
    rate: Float[Array, "n_post"]  # Hz
    error: Float[Array, "n_post"]  # ms, the relative error summed over time
    steps: Int[Array, ""]


class SynapticScaling(AbstractWrappedRule):
    r"""Synaptic scaling around a rule: a neuron scales all its synapses to keep a rate.

    With the relative error $\epsilon = 1 - r / r_0$ of a slow average r of the target's rate,

    $$dw/dt = \frac{w}{\tau_w} \left( \epsilon + \frac{1}{\tau_i} \int \epsilon \, dt \right),
      \qquad \tau_r \, dr/dt = -r + S_{post}(t)$$

    It multiplies, so ratios of weights, which the rule within learns, last. The integral takes
    away the error that a rule within would leave. In the terms of van Rossum, Bi & Turrigiano,
    $\beta = 1 / (\tau_w r_0)$ and $\gamma = \beta / \tau_i$.

    - `rule`: what else the synapses learn by, such as `STDP()`; `STDP(0.0, 0.0)` for nothing.
      Weights keep its bounds.
    - `rate_hz`: $r_0$, the target rate, Hz, above 0. `tau`: $\tau_w$, ms, above 0.
    - `tau_integral`: $\tau_i$, ms, or None for no integral. `tau_rate`: $\tau_r$, ms, above 0;
      short against `tau`, or the rate swings.
    - `every`: ms from one scaling to the next.

    Turrigiano et al. 1998, Nature 391:892; van Rossum, Bi & Turrigiano 2000, J. Neurosci.
    20:8812.
    """

    rule: AbstractRule
    rate_hz: Float[Array, "..."] = parameter(10.0, "Hz", above=0)
    tau: Float[Array, ""] = parameter(2.5e6, "ms", above=0, per_neuron=False)
    tau_integral: Float[Array, ""] | None = parameter(None, "ms", above=0, per_neuron=False)
    tau_rate: Float[Array, ""] = parameter(1e5, "ms", above=0, per_neuron=False)
    every: float = eqx.field(default=100.0, static=True)

    def __check_init__(self):
        check_every(self.every, "SynapticScaling")

    def mine(self, pre, post):
        # The average starts at its goal, so that nothing changes before there were spikes.
        start = post + self.rate_hz.astype(post.dtype)
        return Activity(start, post, jnp.zeros(post.shape[:-1], jnp.int32))

    def follow(self, mine: Activity, signals, dt):
        rate = (
            mine.rate * jnp.exp(-dt / self.tau_rate) + signals.post * 1000 / self.tau_rate
        )
        error = mine.error + dt * (1 - rate / self.rate_hz)
        return Activity(rate, error, mine.steps + 1)

    def settle(self, state, w, pairs, dt):
        state, w = super().settle(state, w, pairs, dt)
        mine: Activity = state.traces.mine
        error = 1 - mine.rate / self.rate_hz
        if self.tau_integral is not None:
            error = error + mine.error / self.tau_integral
        factor = jnp.exp(self.every / self.tau * error)
        scaled = lambda w: within(self.bounds, w * pairs.of_post(factor).astype(w.dtype))
        return state, at_times(due(mine.steps, self.every, dt), scaled, w)


class Normalised(AbstractWrappedRule):
    r"""A rule whose weights are scaled so that those of each target keep a sum.

    $$w_{ij} \leftarrow w_{ij} \, W / \sum_k |w_{kj}|$$

    Synapses of a neuron compete: what one gains, all others lose. Targets all of whose weights
    are 0 stay so, and weights keep the bounds of the rule, even where that changes the sum.

    - `rule`: what the synapses learn by, such as `STDP()`.
    - `total`: W, above 0, in units of the weight; one number or one a target.
    - `every`: ms from one scaling to the next; None is each step.

    von der Malsburg 1973, Kybernetik 14:85; Diehl & Cook 2015, Front. Comput. Neurosci. 9:99.
    """

    rule: AbstractRule
    total: Float[Array, "..."] = parameter(1.0, above=0)
    every: float | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        if self.every is not None:
            check_every(self.every, "Normalised")

    def mine(self, pre, post):
        return None if self.every is None else jnp.zeros(post.shape[:-1], jnp.int32)

    def follow(self, mine: Any, signals, dt):
        return None if mine is None else mine + 1

    def settle(self, state, w, pairs, dt):
        state, w = super().settle(state, w, pairs, dt)

        def scaled(w):
            sums = pairs.onto_post(abs(w))
            factor = jnp.where(sums > 0, self.total / jnp.where(sums > 0, sums, 1), 1)
            return within(self.bounds, w * pairs.of_post(factor).astype(w.dtype))

        if self.every is None:
            return state, scaled(w)
        return state, at_times(due(state.traces.mine, self.every, dt), scaled, w)
