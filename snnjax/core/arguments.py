"""What the arguments of `simulate` mean, and refusing those that mean nothing."""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.chunks import Job
from snnjax.core.drive import Drive
from snnjax.core.recorders import AbstractRecorder, Trace
from snnjax.core.run import Run, RunState

CHUNK_BYTES = 2**26  # of results, where a run is stored


def job_of(
    model, inputs, dt, n_steps, duration, record, state, shape, key, skip, until, throw
) -> Job:
    """What the arguments of `simulate` ask for."""
    require_model(model, "simulate.model")
    if key is not None:
        checks.random_key(key, "simulate.key")
    if until is not None and not callable(until):
        raise ValueError(
            f"simulate.until must be a function of (state, output), got {until!r}."
        )
    recorders, tree = recorder_list(record)
    dtype = model_dtype(model)
    if not checks.is_traced(dt):
        checks.positive(dt, "simulate.dt", "ms")
    if np.ndim(dt):
        raise ValueError(f"simulate.dt must be one number in ms, got shape {np.shape(dt)}.")
    drive = Drive.of(inputs, dtype)
    skipped = skipped_steps(skip, dt)
    n_steps = step_count(drive, n_steps, duration, dt, recorders, skipped)
    time = jnp.promote_types(dtype, jnp.float32)
    dt = checks.early(lambda dt: checks.as_float(dt).astype(time), dt)  # sets sizes, too
    state = start_state(model, drive, dt, state, shape, key)
    traced = checks.is_traced((model, drive, dt, state))
    run = Run(model, drive, dt, recorders, guarded=throw and traced)
    return Job(run, tree, state, n_steps, skipped, until, throw)


def start_state(model, drive, dt, state, shape, key) -> RunState:
    """The state to run from, refusing what is no `RunState`."""
    if state is None:
        if shape is None:
            shape = () if model.sized else drive.shape(dt)
        shape = np.broadcast_shapes(shape)
        return RunState(model.init(shape, key=key, dt=dt))
    if not isinstance(state, RunState):
        raise ValueError(
            f"simulate.state must be the `state` of a Solution, got {type(state).__name__}. "
            "Wrap a model's own state as RunState(state)."
        )
    if model.sized and not checks.is_traced((model, dt)):
        _require_sizes(model, state.model, dt)
    return state


def _require_sizes(model, state, dt) -> None:
    """Refuse a state of a network of another size, or with room for other delays."""
    own = jax.eval_shape(lambda: model.init(key=jax.random.key(0), dt=dt))
    if jax.tree.structure(own) != jax.tree.structure(state):
        return  # which the first look at a step tells
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(own), jax.tree.leaves(state), strict=True
    ):
        if jnp.shape(y)[jnp.ndim(y) - x.ndim :] != x.shape:  # after any batch axes
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise ValueError(
                f"simulate.state is of another {type(model).__name__} or dt: its {name} has "
                f"shape {jnp.shape(y)} in place of {x.shape}. Delays in steps set that of "
                "what waits: go on with the same dt and delays."
            )


def recorder_list(record: Any) -> tuple[list[AbstractRecorder], Any]:
    """(the recorders of a request, the structure of the request)."""
    record = Trace("output") if record is None else record
    recorders, tree = jax.tree.flatten(
        record, is_leaf=lambda r: isinstance(r, AbstractRecorder)
    )
    for r in recorders:
        if not isinstance(r, AbstractRecorder):
            raise ValueError(
                f"simulate.record must be a recorder or a tree of them, got {r!r}. "
                "Record a state field as Trace('v')."
            )
    return recorders, tree


def model_dtype(model: AbstractDynamics) -> Any:
    """The float type that the model computes in."""
    real = (
        jax.dtypes.canonicalize_dtype
    )  # a leaf may be of NumPy, and wider than jax allows
    floats = [real(x.dtype) for x in jax.tree.leaves(model) if eqx.is_inexact_array(x)]
    return jnp.result_type(*floats) if floats else real(float)


def skipped_steps(skip, dt) -> int:
    """How many steps are not recorded at the beginning."""
    if not np.any(skip):
        return 0
    if checks.is_traced(dt):
        raise ValueError("simulate.skip needs a concrete dt.")
    checks.finite(skip, "simulate.skip", "ms")
    return checks.whole_steps(float(skip), dt, "simulate.skip")


def step_count(drive, n_steps, duration, dt, recorders, skipped=0) -> int:
    """How many steps to take, from whichever argument says so; checks every `every`."""
    given = drive.n_steps
    if duration is not None:
        if n_steps is not None:
            raise ValueError("Give simulate n_steps= or duration=, not both.")
        if checks.is_traced(dt):
            raise ValueError(
                "simulate.duration needs a concrete dt; give n_steps= instead."
            )
        n_steps = checks.whole_steps(duration, dt, "simulate.duration")
    if n_steps is None:
        n_steps = given
    if n_steps is None:
        raise ValueError(
            "simulate needs n_steps= or duration= (ms), as no input is an array of steps."
        )
    if given is not None and given != n_steps:
        raise ValueError(
            f"The input array has {given} steps, but n_steps={n_steps}: time comes first. "
            "For a current that is constant in time, one value a neuron, use "
            "inputs.constant(values)."
        )
    n_steps = checks.count(n_steps, "simulate.n_steps")
    if n_steps >= 2**31:
        raise ValueError(
            f"simulate.n_steps must be below 2**31 = {2**31}, as steps are counted in int32, "
            f"got {n_steps}. Use a longer dt or a shorter run."
        )
    if skipped >= n_steps:
        raise ValueError(
            f"simulate.skip must leave a part of the run: it is {skipped} of {n_steps} steps."
        )
    periods = sorted({r.every for r in recorders if r.every})
    for r in recorders:
        if r.every and (n_steps - skipped) % r.every:
            less = f" less the {skipped} that are skipped" if skipped else ""
            raise ValueError(
                f"{type(r).__name__}.every={r.every} must divide n_steps={n_steps}{less}."
            )
    for short, long in itertools.pairwise(periods):
        if long % short:
            raise ValueError(
                f"Of the recorders' every={short} and every={long}, one must "
                "divide the other."
            )
    return n_steps


def chunk_size(chunk, cut, n_steps, recorders) -> int:
    """How many steps to run at a time; all of them unless `chunk` or `cut` asks for less."""
    period = math.lcm(*(r.every or 1 for r in recorders))
    if chunk is None:
        return _even(max(2, n_steps // (50 * period)), n_steps, period) if cut else n_steps
    if chunk % period or chunk < 2:
        raise ValueError(
            f"simulate.chunk={chunk} must be above 1 and a multiple of {period}, "
            "the longest every= of its recorders."
        )
    return int(min(chunk, n_steps))


def chunk_in_memory(chunk, run, state) -> int:
    """At most `chunk` steps, fewer where their results would fill `CHUNK_BYTES`."""
    ys = jax.eval_shape(lambda: run.nothing(state))
    period = math.lcm(*(r.every or 1 for r in run.recorders))
    rows = [
        (period // r.every) * sum(math.prod(x.shape[1:]) * x.dtype.itemsize for x in leaves)
        for r, leaves in zip(run.recorders, map(jax.tree.leaves, ys), strict=True)
        if r.every
    ]
    most = max(1, CHUNK_BYTES // max(1, sum(rows))) * period
    return max(2, min(chunk, most)) if period == 1 else min(chunk, most)


def _even(periods: int, n_steps: int, period: int) -> int:
    """About `periods` of them, without a rest where possible: it would compile anew."""
    total = n_steps // period
    even = (n for n in range(periods, periods // 2, -1) if n > 1 and total % n == 0)
    return min(next(even, periods) * period, n_steps)
