"""The one driver of all models: `simulate`."""

import math
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks
from snnjax.core.arguments import (
    chunk_size,
    model_dtype,
    recorder_list,
    start_state,
    step_count,
)
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.drive import Drive
from snnjax.core.files import is_key
from snnjax.core.progress import bar
from snnjax.core.provenance import provenance
from snnjax.core.recorders import AbstractRecorder, Trace
from snnjax.core.run import Run, RunState, finite_leaves, non_finite_message
from snnjax.core.spike_recorders import Events


class StiffnessWarning(UserWarning):
    """An explicit scheme takes steps in which some variable cannot be stable."""


class LostSpikesWarning(UserWarning):
    """A recorder of bounded capacity could not keep all spikes."""


class NonFiniteError(ValueError):
    """A run left the finite numbers. `solution` holds what was computed before `step`."""

    def __init__(self, message: str, step: int, solution: "Solution | None"):
        super().__init__(message)
        self.step = step
        self.solution = solution


class Solution(eqx.Module):
    """What a run gives back; `ts` and `ys` have the shape of the `record=` request.

    - `ts`: ms, the ends of the steps at which `ys` were taken. `ys`: what was recorded.
    - `state`: the `RunState` at the end; `final`: the model's part of it.
    - `stats`: `n_steps`, and `dt` (ms). `made`: model, versions, device and dtype.
    - `recorded`: what the recorders took, such as "v", also where `ys` is a bare array.
    """

    ts: Any
    ys: Any
    state: RunState
    stats: dict[str, Any]
    made: str = eqx.field(static=True)
    recorded: str = eqx.field(static=True, default="")

    @property
    def final(self) -> Any:
        """The model's state at the end."""
        return self.state.model


def simulate(
    model: AbstractDynamics,
    inputs: Any,
    dt: Any,
    *,
    n_steps: int | None = None,
    duration: float | None = None,
    record: Any = None,
    state: RunState | None = None,
    shape: tuple[int, ...] | None = None,
    key: Any = None,
    chunk: int | None = None,
    progress: bool = False,
    throw: bool = True,
) -> Solution:
    """Run `model` under `inputs` in steps of `dt` (ms).

    - `inputs`: what each step gets, in the model's unit (pA for a point neuron, uA/cm2 per
      area): an array or a list of numbers, time first; a scalar, held constant; a function
      `input(i, dt)` of the step; or a tree of these. Step i covers [i dt, (i+1) dt).
    - `n_steps` or `duration` (ms): how long; not needed with arrays.
    - `record`: a recorder or a tree of them, such as `Trace("v")` or `dict(n=SpikeCount())`.
      None keeps the output (for a neuron its spikes) of every step.
    - `state`: `Solution.state` of an earlier run, to go on where it stopped.
    - `shape`: of the population; by default that of one step's input.
    - `key`: `jax.random.key(seed)`, for stochastic models.
    - `chunk`: run this many steps at a time and keep results in host memory; bit for bit the
      same. `progress`: show a bar, which moves between chunks.
    - `throw`: raise where parameters or the result are invalid; `jax.export` needs False.

    Bad input raises `ValueError`; a run that leaves the finite numbers `NonFiniteError`, which
    holds what was computed before; under jit both become equinox's run-time errors.
    """
    require_model(model, "simulate.model")
    if key is not None:
        checks.random_key(key, "simulate.key")
    recorders, tree = recorder_list(record)
    dtype = model_dtype(model)
    if not checks.is_traced(dt):
        checks.positive(dt, "simulate.dt", "ms")
    if np.ndim(dt):
        raise ValueError(f"simulate.dt must be one number in ms, got shape {np.shape(dt)}.")
    drive = Drive.of(inputs, dtype)
    n_steps = step_count(drive, n_steps, duration, dt, recorders)
    dt = checks.as_float(dt).astype(jnp.promote_types(dtype, jnp.float32))
    state = start_state(model, drive, dt, state, shape, key)
    traced = checks.is_traced((model, drive, dt, state))
    run = Run(model, drive, dt, recorders, guarded=throw and traced)
    if traced:
        if chunk is not None or progress:
            raise ValueError("chunk= and progress= need a run outside jit, vmap and grad.")
        final, ys, _ = run(state, n_steps)
    else:
        if throw:
            _warn_if_stiff(run, state)
        chunk = chunk_size(chunk, progress, n_steps, recorders)
        final, ys = _chunks(run, state, n_steps, chunk, progress, throw, tree)
    return _solution(run, tree, state, final, ys, n_steps)


def _chunks(run, state, n_steps, chunk, progress, throw, tree):
    """Run chunk after chunk, with results kept in host memory: (last state, results)."""
    pieces, start, done = [], state, 0
    sizes = [chunk] * (n_steps // chunk) + [n_steps % chunk] * bool(n_steps % chunk)
    whole = len(sizes) == 1
    for size in bar(sizes, progress, type(run.model).__name__, unit="chunk"):
        part = run
        if not whole:
            part = eqx.tree_at(lambda r: r.drive, run, run.drive.chunk(done, size))
        if not whole and not done:
            state = part.opened(state)  # so that all chunks are one compiled program
        before = state
        state, ys, ok = part(before, size)
        if throw and not bool(ok):
            _raise_non_finite(part, run, start, before, done, size, pieces, tree)
        pieces.append(ys if whole else jax.tree.map(_to_host, ys))
        done += size
    return state, _join(run.recorders, pieces)


def _to_host(x):
    return x if is_key(x) else np.asarray(x)  # NumPy holds no keys


def _join(recorders, pieces):
    if len(pieces) == 1:
        return pieces[0]
    along_time = lambda *xs: (np if isinstance(xs[0], np.ndarray) else jnp).concatenate(xs)
    return [
        pieces[-1][k]
        if r.every is None
        else jax.tree.map(along_time, *(p[k] for p in pieces))
        for k, r in enumerate(recorders)
    ]


def _raise_non_finite(part, run, start, before, done, size, pieces, tree):
    """Find the step, compute again what came before it, and raise."""
    good, finite = part.first_bad_step(before, size)
    good = max(int(good), 0)
    names = [
        n for n, ok in zip(finite_leaves(before.model)[1], finite, strict=True) if not ok
    ]
    keep = good - good % math.lcm(*(r.every or 1 for r in run.recorders))
    state = before
    if keep:
        piece = eqx.tree_at(lambda r: r.drive, part, part.drive.chunk(0, keep))
        state, ys, _ = piece(before, keep)
        pieces = [*pieces, jax.tree.map(_to_host, ys)]
    solution = None
    if pieces:
        ys = _join(run.recorders, pieces)
        solution = _solution(run, tree, start, state, ys, done + keep)
    step = int(before.step) + good
    bad = part.drive.not_finite(good, before.step + good, run.dt)
    what = non_finite_message(", ".join(names), type(run.model).__name__, bad)
    at = f" It happened in step {step}, which ends at {(step + 1) * float(run.dt):g} ms."
    raise NonFiniteError(what + at, step, solution)


def _warn_if_stiff(run: Run, state: RunState) -> None:
    for name, x in run.stiffness(state).items():
        if float(x) > 2:
            warnings.warn(
                f"dt={float(run.dt):g} ms is too long for "
                f"{type(run.model).__name__}.integrator: dt times the own slope of {name} is "
                f"{float(x):.3g} at the start, and an explicit scheme is unstable above 2. "
                "Use a smaller dt or ExponentialEuler().",
                StiffnessWarning,
                stacklevel=3,
            )


def _solution(run, tree, start, final, ys, n_steps) -> Solution:
    ts = [_times(r, start.step, run.dt, n_steps) for r in run.recorders]
    for r, y in zip(run.recorders, ys, strict=True):
        if isinstance(y, Events) and not checks.is_traced(y.lost) and np.any(y.lost > 0):
            warnings.warn(
                f"{int(np.sum(y.lost))} spikes did not fit into SpikeRaster.capacity="
                f"{r.capacity}: give it at least {int(np.max(y.count))}.",
                LostSpikesWarning,
                stacklevel=3,
            )
    unflatten = lambda leaves: jax.tree.unflatten(tree, leaves)
    stats = {"n_steps": n_steps, "dt": run.dt}
    made = provenance(run.model, run.drive.dtype)
    recorded = ", ".join(map(_what, run.recorders))
    return Solution(unflatten(ts), unflatten(ys), final, stats, made, recorded)


def _what(recorder: AbstractRecorder) -> str:
    what = recorder.what if isinstance(recorder, Trace) else (type(recorder),)
    return ", ".join(getattr(x, "__name__", str(x)) for x in what)


def _times(recorder: AbstractRecorder, start: Any, dt: Any, n_steps: int) -> Any:
    if not checks.is_traced((start, dt)):
        start, dt = int(start), checks.decimal(dt)
    if recorder.every is None:
        return (start + n_steps) * dt
    return (start + recorder.every * np.arange(1, n_steps // recorder.every + 1)) * dt
