"""Reference solutions: the same equations, solved by adaptive high-order schemes."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.integrators import flow
from snnjax.core.neuron import AbstractNeuron
from snnjax.core.provenance import provenance
from snnjax.core.run import RunState
from snnjax.core.simulate import Solution
from snnjax.core.trajectory import Problem


def solve(
    model: AbstractNeuron,
    current: Any,
    duration: float,
    *,
    dt: float | None = None,
    ts: Any = None,
    state: RunState | None = None,
    shape: tuple[int, ...] = (),
    rtol: float = 1e-10,
    atol: float = 1e-10,
    solver: Any = None,
    max_spikes: int = 1000,
    max_steps: int = 100_000,
    throw: bool = True,
) -> Solution:
    """Solve the equations of a neuron to a tolerance, with spikes located between steps.

    Uses the model's own `derivative`, `level` and `reset`, never its `integrator`: this is
    what `simulate` converges to as dt goes to 0. Each neuron takes steps of its own.

    - `current`: in the model's unit; a constant (one value, or one a neuron), a function of
      the time in ms, or an input with `at(t)` and `edges`. A function should be smooth: a
      jump that is not in `edges` costs many steps.
    - `duration`: ms. `dt` or `ts`: where to keep values, each dt ms or at rising times; only
      at the end without either. The solver steps onto these times, since interpolating
      would be less accurate than the tolerance.
    - `state`: `Solution.state` of an earlier run; time starts at 0 again. `shape`: of the
      population.
    - `rtol`, `atol`: relative and absolute tolerance of a step, the latter in the unit of
      each variable. `solver`: of diffrax, `diffrax.Dopri8()` by default.
    - `max_spikes`: of one neuron; 0 leaves out thresholds and spike times.
    - `max_steps`: between two kept times or spikes.
    - `throw`: raise where the solve did not get to the end; else NaN is what comes after.

    `ys` of the result holds each continuous variable by name, time first; `stats` holds
    `spike_times` (ms, filled up with NaN to `[max_spikes, *shape]`), `n_spikes`, and the
    time `reached` (ms).

    A neuron with a reset fires when v reaches its level, is reset, and waits with v held for
    its refractory time; one without fires at each upward crossing. Differentiable in forward
    mode (`jax.jvp`, `jax.jacfwd`), spike times included; with `max_spikes=0` in reverse mode.
    """
    checks.positive(duration, "solve.duration", "ms")
    duration, ts = float(duration), _kept_times(dt, ts, duration)
    current, edges = _as_function(current)
    shape = np.broadcast_shapes(shape, _shape(current))
    if state is not None and not isinstance(state, RunState):
        raise ValueError(
            f"solve.state must be the `state` of a Solution, got {type(state).__name__}. "
            "Wrap a model's own state as RunState(state)."
        )
    _refuse(model, max_spikes)
    start = model.init(model.shape(shape)) if state is None else state.model
    dtype = jnp.result_type(start.v)
    least = 4 * float(jnp.finfo(dtype).eps)
    if not rtol >= least:
        raise ValueError(
            f"solve.rtol must be at least {least:.2g} in {dtype}, got {rtol:g}. Give larger "
            "rtol and atol" + (", or set jax_enable_x64." if dtype == jnp.float32 else ".")
        )
    checks.positive(atol, "solve.atol")
    more = bool(ts[-1] < duration)
    problem = Problem(
        current,
        edges,
        jnp.asarray(np.append(ts, duration) if more else ts, dtype=float),
        *(rtol, atol, solver, max_spikes, max_steps),
    )
    end, ys, times, count, reached = problem(model, start)
    if throw:
        ys, times = _require_end(ys, times, model, problem, count, reached, duration)
    ys = {name: y[:-1] for name, y in ys.items()} if more else ys
    stats = {"spike_times": times, "n_spikes": count, "reached": reached}
    return Solution(ts, ys, RunState(end), stats, provenance(model, dtype))


class _Constant(eqx.Module):
    value: Array

    def __call__(self, t: Any) -> Array:
        return self.value


class _At(eqx.Module):
    input: Any

    def __call__(self, t: Any) -> Any:
        return self.input.at(t)


def _as_function(current: Any) -> tuple[Callable[[Any], Any], Array | None]:
    """`current` as a function of time, and the times of its jumps."""
    if hasattr(current, "at") and hasattr(current, "edges"):
        edges = jnp.sort(jnp.ravel(jnp.asarray(current.edges, dtype=float)))
        return _At(current), edges if edges.size else None
    if callable(current):
        needed = [
            p
            for p in inspect.signature(current).parameters.values()
            if p.default is p.empty
            and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        if len(needed) != 1:
            raise ValueError(
                "solve.current must be a function of the time in ms, or an input with at(t); "
                "a function input(i, dt) of the step is for simulate."
            )
        return current, None
    return _Constant(checks.finite(current, "solve.current")), None


def _shape(current: Callable[[Any], Any]) -> tuple[int, ...]:
    now = eqx.filter_eval_shape(current, jnp.zeros(()))
    return getattr(now, "shape", ())


def _kept_times(dt: Any, ts: Any, duration: Any) -> np.ndarray:
    if dt is not None and ts is not None:
        raise ValueError("solve takes dt= or ts= (ms), not both.")
    if dt is not None:
        checks.positive(dt, "solve.dt", "ms")
        n = checks.whole_steps(float(duration), float(dt), "solve.duration")
        return np.arange(1, n + 1) * float(dt)
    if ts is None:
        return np.array([float(duration)])
    ts = np.atleast_1d(np.asarray(ts, dtype=float))
    rising = ts.ndim == 1 and ts.size and bool((np.diff(ts) > 0).all())
    if not rising or not ts[0] >= 0 or not ts[-1] <= duration:
        raise ValueError(
            f"solve.ts must rise from 0 or more to at most duration={duration:g} ms, got {ts}."
        )
    return ts


def _refuse(model: AbstractNeuron, max_spikes: int) -> None:
    name = type(model).__name__
    if not isinstance(model, AbstractNeuron):
        raise ValueError(f"solve.model must be a neuron with a `derivative`, got {name}.")
    if model.stochastic:
        raise ValueError(f"{name} is stochastic here and has no solution: use simulate.")
    if "v" not in flow(model, model.init(), jnp.zeros(()))[1]:
        raise ValueError(
            f"{name}.derivative gives no slope of v, so solve cannot follow it."
        )
    if max_spikes and getattr(model, "reset_mode", None) == "none":
        raise ValueError(
            f"{name}.reset_mode='none' fires at each step, however short, and has no limit: "
            "give solve max_spikes=0 for v alone."
        )


def _require_end(ys, times, model, problem, count, reached, duration):
    """Raise if some neuron stopped early: at once, or at run time if that is traced."""
    name = type(model).__name__
    lost = jnp.any(count > problem.max_spikes)
    failed = jnp.any(reached < duration * (1 - 1e-6))
    messages = [
        f"{name} fires more often than solve.max_spikes={problem.max_spikes}. Give more.",
        f"{name} could not be solved to the end: its state is no longer finite, or needs more "
        f"than solve.max_steps={problem.max_steps}. Give more, or a larger rtol and atol.",
    ]
    if checks.is_traced((lost, failed)):
        which = jnp.where(lost, 0, 1)
        return checks.raise_if((ys, times), lost | failed, which, messages)
    if lost or failed:
        at = f" It happened at {float(jnp.min(reached)):g} ms; throw=False keeps what was found."
        raise ValueError(messages[0 if lost else 1] + at)
    return ys, times
