"""What the arguments of `simulate` mean, and refusing those that mean nothing."""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.recorders import AbstractRecorder, Trace
from snnjax.core.run import RunState


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
    return state


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
    floats = [x.dtype for x in jax.tree.leaves(model) if eqx.is_inexact_array(x)]
    return jnp.result_type(*floats) if floats else jax.dtypes.canonicalize_dtype(float)


def step_count(drive, n_steps, duration, dt, recorders) -> int:
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
    periods = sorted({r.every for r in recorders if r.every})
    for r in recorders:
        if r.every and n_steps % r.every:
            raise ValueError(
                f"{type(r).__name__}.every={r.every} must divide n_steps={n_steps}."
            )
    for short, long in itertools.pairwise(periods):
        if long % short:
            raise ValueError(
                f"Of the recorders' every={short} and every={long}, one must "
                "divide the other."
            )
    return n_steps


def chunk_size(chunk, progress, n_steps, recorders) -> int:
    """How many steps to run at a time."""
    period = math.lcm(*(r.every or 1 for r in recorders))
    if chunk is None:
        # About fifty moves of the bar, each a multiple of every bin.
        return max(2, n_steps // (50 * period)) * period if progress else n_steps
    if chunk % period or chunk < 2:
        raise ValueError(
            f"simulate.chunk={chunk} must be above 1 and a multiple of {period}, "
            "the longest every= of its recorders."
        )
    return int(min(chunk, n_steps))
