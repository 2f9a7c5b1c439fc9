"""How often a neuron fires, as a function of the current."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from snnjax import inputs
from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.recorders import AbstractRecorder
from snnjax.core.simulate import simulate


def firing_rate(
    model: AbstractDynamics,
    current: Any,
    dt: float,
    duration: float,
    discard: float = 0.0,
    *,
    throw: bool = False,
    **kwargs: Any,
) -> Float[Array, "*n"]:
    """Spikes per second of each neuron, in Hz, after the first `discard` ms.

    Keeps a count and no trace, so that a sweep is `vmap` over ten thousand cells:

        rate = lambda g_na, i: snn.firing_rate(snn.HodgkinHuxley(g_na=g_na), i, 0.01, 500.0)
        jax.jit(jax.vmap(rate))(g_na, current)

    - `current`: what `simulate` takes, in the model's unit: a constant, an array with time
      first, an input. `dt`: ms. `duration`: ms in all, of which `discard` are not counted.
    - `throw`: raise where the state leaves the finite numbers; otherwise the rate is NaN.
    - further arguments: of `simulate`, such as `key` and `shape`.

    A count has no gradient that means anything: differentiate intervals or voltages.
    """
    n_steps, first = _window(dt, duration, discard, "firing_rate")
    record = _Count(jnp.int32(first))
    sol = simulate(
        model, current, dt, n_steps=n_steps, record=record, throw=throw, **kwargs
    )
    return _rate(sol.ys, sol.final, (n_steps - first) * dt)


class FICurve(NamedTuple):
    """Firing against a constant current; rates in Hz, 0 without an interval to take it from."""

    current: Float[Array, "k"]  # unit of the model's input
    rate: Float[Array, "k *n"]  # mean: spikes per second
    initial: Float[Array, "k *n"]  # from the first interval
    steady: Float[Array, "k *n"]  # from the last interval


def fi_curve(
    model: AbstractDynamics,
    currents: Float[ArrayLike, "k"],
    dt: float,
    duration: float,
    discard: float = 0.0,
    *,
    throw: bool = False,
    **kwargs: Any,
) -> FICurve:
    """The f-I curve: firing under each of `currents`, switched on at 0 ms and held.

    `currents`: in the model's unit. `dt`: ms. `duration`: ms in all, of which `discard` are
    not counted; with adaptation, leave `discard` at 0 and compare `initial` with `steady`.
    Other arguments are those of `firing_rate`. Runs all currents at once, by `vmap`.
    """
    currents = checks.finite(currents, "fi_curve.currents")
    if currents.ndim != 1:
        raise ValueError(f"fi_curve.currents must be a list, got shape {currents.shape}.")
    n_steps, first = _window(dt, duration, discard, "fi_curve")
    span = (n_steps - first) * dt

    def one(current):
        drive, record = inputs.constant(current), _Ends(jnp.int32(first))
        sol = simulate(
            model, drive, dt, n_steps=n_steps, record=record, throw=throw, **kwargs
        )
        f = sol.ys
        rate = _rate(f.count, sol.final, span)

        def of(steps):
            interval = jnp.where(f.count > 1, steps * dt, jnp.inf)
            return jnp.where(jnp.isnan(rate), rate, 1e3 / interval)

        return rate, of(f.second - f.first), of(f.last - f.before)

    return FICurve(currents, *jax.vmap(one)(currents))


def rheobase(
    model: AbstractDynamics,
    bracket: tuple[Any, Any],
    dt: float,
    duration: float,
    discard: float = 0.0,
    *,
    width: float | None = None,
    n_spikes: int = 1,
    tolerance: float = 1e-3,
) -> Float[Array, "*n"]:
    """The least current that makes each neuron fire, to within `tolerance`.

    - `bracket`: a current at which it is silent and one at which it fires, in the model's
      unit; all between the rheobase and the latter should fire too.
    - `width`: ms of the pulse from 0 ms on; None holds the current throughout.
    - `dt`, `duration`: ms. It fires if there are `n_spikes` spikes after the first `discard`
      ms, so that `discard` tells repetitive firing from a single spike at the onset.

    Halves the interval by sixteenths, all at once by `vmap`. Runs under `jit` and `vmap`,
    where a bracket that does not hold the rheobase gives NaN; else it raises `ValueError`.
    """
    for name, x in (("bracket", bracket), ("tolerance", tolerance)):
        if checks.is_traced(x):
            raise ValueError(
                f"rheobase.{name} must be concrete, as it says how often to halve. Give it "
                "from outside jit, vmap and grad."
            )
    with jax.ensure_compile_time_eval():  # under jit, jax would trace constants too
        low, high = (checks.finite(x, "rheobase.bracket") for x in bracket)
        checks.positive(tolerance, "rheobase.tolerance")
        gap = checks.positive(high - low, "rheobase.bracket: high - low")
    widest = float(np.asarray(gap).max())
    rounds = max(1, int(np.ceil(np.log(widest / tolerance) / np.log(_PARTS))))
    n_steps, first = _window(dt, duration, discard, "rheobase")
    found, ok = _narrow(model, low, high, width, dt, first, (n_steps, n_spikes, rounds))
    if not checks.is_traced(ok) and not bool(ok.all()):
        raise ValueError(
            f"rheobase.bracket=({low}, {high}) must be silent at its first current and fire "
            f"at its second, within {duration:g} ms: widen it."
        )
    return jnp.where(ok, found, jnp.nan)


_PARTS = 16


@eqx.filter_jit
def _narrow(model, low, high, width, dt, first, static):
    n_steps, n_spikes, rounds = static

    def fires(current):
        drive = inputs.step(current, 0.0, width)
        record = _Count(jnp.asarray(first, jnp.int32))
        sol = simulate(model, drive, dt, n_steps=n_steps, record=record, throw=False)
        return sol.ys >= n_spikes

    def narrow(_, carry):
        low, high, ok = carry
        parts = jnp.arange(_PARTS + 1).reshape(-1, *(1,) * low.ndim) / _PARTS
        grid = low + (high - low) * parts
        fired = jax.vmap(fires)(grid)
        k = jnp.argmax(fired, 0)[None]
        at = lambda k: jnp.take_along_axis(grid, jnp.clip(k, 0, _PARTS), 0)[0]
        return at(k - 1), at(k), ok & ~fired[0] & fired[-1]

    shape = model.shape(np.broadcast_shapes(low.shape, high.shape))
    low, high = jnp.broadcast_to(low, shape), jnp.broadcast_to(high, shape)
    _, high, ok = jax.lax.fori_loop(0, rounds, narrow, (low, high, jnp.ones(shape, bool)))
    return high, ok


def _window(dt: Any, duration: Any, discard: Any, name: str) -> tuple[int, int]:
    """(steps in all, steps not counted)."""
    checks.positive(dt, f"{name}.dt", "ms")
    checks.at_least(discard, 0, f"{name}.discard", "ms")
    n_steps = checks.whole_steps(duration, dt, f"{name}.duration")
    first = checks.whole_steps(discard, dt, f"{name}.discard")
    if first >= n_steps:
        raise ValueError(
            f"{name}.discard={discard:g} ms leaves nothing of duration={duration:g} ms."
        )
    return n_steps, first


def _rate(count: Any, state: Any, span: float) -> Array:
    """Hz over `span` ms; NaN where the state of a neuron is not finite."""
    rate = checks.as_float(count) * (1e3 / span)
    v = getattr(state, "v", None)
    return rate if jnp.shape(v) != rate.shape else jnp.where(jnp.isfinite(v), rate, jnp.nan)


class _Count(AbstractRecorder):
    """How often each neuron fired from the step `start` on."""

    start: Int[Array, ""]
    every: int | None = eqx.field(default=None, static=True)

    def init(self, state, output):
        return jnp.zeros(jnp.shape(output), jnp.int32)

    def update(self, carry, now, state, output):
        return carry + ((output > 0) & (now.step >= self.start))

    def result(self, carry, now, state, output):
        return carry


class _Spikes(NamedTuple):
    count: Int[Array, "*n"]
    first: Int[Array, "*n"]  # steps, here and below
    second: Int[Array, "*n"]
    before: Int[Array, "*n"]  # the last but one
    last: Int[Array, "*n"]


class _Ends(AbstractRecorder):
    """The first two and the last two spikes from the step `start` on, and their number."""

    start: Int[Array, ""]
    every: int | None = eqx.field(default=None, static=True)

    def init(self, state, output):
        none = jnp.zeros(jnp.shape(output), jnp.int32)
        return _Spikes(none, none, none, none, none)

    def update(self, carry, now, state, output):
        fired = (output > 0) & (now.step >= self.start)
        return _Spikes(
            count=carry.count + fired,
            first=jnp.where(fired & (carry.count == 0), now.step, carry.first),
            second=jnp.where(fired & (carry.count == 1), now.step, carry.second),
            before=jnp.where(fired, carry.last, carry.before),
            last=jnp.where(fired, now.step, carry.last),
        )

    def result(self, carry, now, state, output):
        return carry
