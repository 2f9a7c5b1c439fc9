"""When a neuron with a closed form next reaches its threshold."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import Exact, ExponentialEuler
from snnjax.core.linear import divided_exp

Scalar = Float[Array, ""]


def after(neuron: Any, state: Any, current: Scalar, s: Scalar) -> Any:
    """The state `s` ms on, without a spike; exact."""
    # Of a single linear equation, as that of PerfectIF, this scheme is the solution.
    scheme = Exact() if hasattr(neuron, "solution") else ExponentialEuler()
    return scheme(neuron, state, current, s)


def time_to_threshold(neuron: Any, state: Any, current: Scalar, horizon: Scalar) -> Scalar:
    r"""How long until v first reaches the level, ms; 0 if it is there, inf if not in time.

    No crossing is missed: v turns only at zeros of its slope, and these are known. The slope of
    a `LIF` keeps its sign, and the time is a logarithm. With synaptic currents
    $e^{t/\tau_m} dv/dt$ has the slope $-\sum_k \frac{I_k}{g_l \tau_m \tau_k}
    e^{(1/\tau_m - 1/\tau_k) t}$; of two terms that has at most one zero, a logarithm again,
    with at most one zero of dv/dt on each side of it. So the time up to `horizon` falls into
    at most four parts in each of which v only rises or only falls, and the first part at whose
    end v is at the level holds the crossing.

    Its derivative is that of the implicit function, $dt = -dv / (dv/dt)$ (first order; none
    where v touches the level without rising).
    """
    fixed = jax.tree.map(
        lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x,
        (neuron, state, current, horizon),
    )
    s = _search(*fixed)
    later = jnp.isfinite(s) & (s > 0)
    there = after(neuron, state, current, jnp.where(later, s, 0))
    gap = there.v - neuron.level(there)
    slope = jax.lax.stop_gradient(neuron.derivative(there, current)["v"])
    rises = later & (slope > 0)
    shift = (gap - jax.lax.stop_gradient(gap)) / jnp.where(rises, slope, 1)
    return jnp.where(rises, s - shift, s)


def _search(neuron: Any, state: Any, current: Scalar, horizon: Scalar) -> Scalar:
    gap = state.v - neuron.level(state)
    rate = neuron.derivative(state, current)["v"]
    if hasattr(state, "i_syn"):
        s = _of_exponentials(neuron, state, current, rate, jnp.maximum(horizon, 0))
    else:
        s = -gap / jnp.where(rate > 0, rate, 1)
        if hasattr(neuron, "tau_m"):
            part = s / neuron.tau_m  # of the way to where v is driven
            s = -neuron.tau_m * jnp.log1p(-jnp.where(part < 1, part, 0))
            rate = jnp.where(part < 1, rate, 0)
        s = jnp.where(rate > 0, s, jnp.inf)
    return jnp.where(gap >= 0, 0, s)


def _of_exponentials(neuron, state, current, rate, horizon) -> Scalar:
    """The search where dv/dt is a sum of two or three exponentials."""
    leak = 1 / neuron.tau_m
    decays = [1 / neuron.tau_syn]
    feeds = [state.i_syn * decays[0] * leak / neuron.g_l]
    if neuron.tau_inh is not None:
        decays.append(1 / neuron.tau_inh)
        feeds.append(state.i_inh * decays[1] * leak / neuron.g_l)
    slowest = jnp.stack([leak, *decays]).min()
    own = slowest - leak

    def gap(s):
        there = after(neuron, state, current, s)
        return there.v - neuron.level(there), neuron.derivative(there, current)["v"]

    def slope(s):
        """dv/dt over its slowest exponential, so that its sign outlasts underflow."""
        value = rate * jnp.exp(own * s)
        bend = jnp.zeros_like(s)
        for a, r in zip(feeds, decays, strict=True):
            value -= a * s * divided_exp((slowest - r) * s, own * s)
            bend -= a * jnp.exp((slowest - r) * s)
        return value, own * value + bend

    bounds = [jnp.zeros_like(horizon), horizon]
    if len(feeds) == 2:
        (a, b), (r, q) = feeds, decays
        ratio = -b / jnp.where(a == 0, 1, a)
        turns = (a != 0) & (ratio > 0) & (r != q)
        s = jnp.log(jnp.where(turns, ratio, 1)) / jnp.where(turns, q - r, 1)
        bounds.insert(1, jnp.clip(jnp.where(turns, s, horizon), 0, horizon))
    bounds = jnp.stack(bounds)
    tolerance = jnp.sqrt(jnp.finfo(horizon.dtype).eps) / (10 * slowest)
    signs = jax.vmap(slope)(bounds)[0] >= 0

    def turn(low, high, before, behind):
        changes = before != behind
        s = _zero(slope, low, jnp.where(changes, high, low), behind, tolerance)
        return jnp.where(changes, s, high)

    turns = jax.vmap(turn)(bounds[:-1], bounds[1:], signs[:-1], signs[1:])
    # Each turn, followed by the bound after it.
    ends = jnp.stack([turns, bounds[1:]], 1).ravel()
    reached = jax.vmap(gap)(ends)[0] >= 0
    part = jnp.argmax(reached)
    low = jnp.where(part == 0, 0, ends[part - 1])
    high = jnp.where(reached.any(), ends[part], low)
    s = _zero(gap, low, high, jnp.asarray(True), tolerance)
    return jnp.where(reached.any(), s, jnp.inf)


def _zero(f: Callable, low: Scalar, high: Scalar, rises: Any, tolerance: Scalar) -> Scalar:
    """Where `f`, which gives value and slope, changes its sign between `low` and `high`.

    Newton's method, with a bisection where a step leaves the bracket or does not halve the one
    before. A last step within `tolerance` leaves an error of its square.
    """
    sign = jnp.where(rises, 1, -1).astype(high.dtype)

    def closer(c):
        s, low, high, jump, _, n = c
        value, slope = (sign * x for x in f(s))
        low, high = jnp.where(value < 0, s, low), jnp.where(value < 0, high, s)
        goal = s - value / jnp.where(slope > 0, slope, 1)
        newton = (slope > 0) & (low <= goal) & (goal <= high)
        newton &= 2 * jnp.abs(goal - s) <= jump
        goal = jnp.where(newton, goal, (low + high) / 2)
        jump = jnp.abs(goal - s)
        narrow = high - low <= jnp.finfo(s.dtype).eps * high
        more = ~(narrow | (newton & (jump <= tolerance))) & (n < 200)
        return goal, low, high, jump, more, n + 1

    c = (low, low, high, jnp.full_like(low, jnp.inf), high > low, jnp.int32(0))
    return jax.lax.while_loop(lambda c: c[4], closer, c)[0]
