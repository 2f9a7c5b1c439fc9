"""The one driver of all models: `simulate`."""

import os
import warnings
from collections.abc import Callable
from typing import Any

from snnjax.core import checks
from snnjax.core.arguments import chunk_in_memory, chunk_size, job_of
from snnjax.core.base import AbstractDynamics
from snnjax.core.chunks import InMemory, run_chunks, run_traced
from snnjax.core.run import Run, RunState
from snnjax.core.solution import Solution, StiffnessWarning
from snnjax.core.store import Store


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
    skip: float = 0.0,
    until: Callable[[Any, Any], Any] | None = None,
    chunk: int | None = None,
    store: str | os.PathLike | None = None,
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
    - `skip`: ms at the beginning, part of the duration, that are run but not recorded.
    - `until`: a condition `until(state, output)`, looked at after each step that is recorded:
      the run ends with the first step where it is True, `n_steps` or `duration` at the
      latest. Of a recorder with `every` the whole bins are kept. It costs its evaluation in
      each step, and the last chunk is run again up to its end, by a program compiled for it.
    - `chunk`: run this many steps at a time and keep results in host memory; bit for bit the
      same. `progress`: show a bar, which moves between chunks. Ctrl-C raises `InterruptedRun`
      after the chunk, which holds what was recorded and a state to go on from.
    - `store`: a folder to stream the results to, chunk by chunk, so that memory does not grow
      with the run; `open_run` reads it, also while it is written or after a crash. The same
      call again goes on with what is there, bit for bit, and may ask for more steps.
      `StoreError` where the disk takes no more.
    - `throw`: raise where parameters or the result are invalid; `jax.export` needs False.

    Without `chunk`, a run with `until`, `store` or `progress` is cut into about fifty.

    Bad input raises `ValueError`; a run that leaves the finite numbers `NonFiniteError`, which
    holds what was computed before; under jit both become equinox's run-time errors.
    """
    job = job_of(
        *(
            model,
            inputs,
            dt,
            n_steps,
            duration,
            record,
            state,
            shape,
            key,
            skip,
            until,
            throw,
        )
    )
    if checks.is_traced((job.run, job.start)):
        if chunk is not None or progress or store is not None or until is not None:
            raise ValueError(
                "until=, store=, chunk= and progress= need a run outside jit, vmap and grad."
            )
        return run_traced(job)
    run = job.run
    if throw:
        _warn_if_stiff(run, job.start)
    cut = progress or store is not None or until is not None
    size = chunk_size(chunk, cut, job.n_steps - job.skip, run.recorders)
    if store is None:
        return run_chunks(job, InMemory(job, size), size, progress)
    if chunk is None:
        size = chunk_in_memory(size, run, job.start)
    return run_chunks(job, Store(store, job), size, progress)


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
