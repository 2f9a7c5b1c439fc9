"""What a run will take: bytes from its shapes and its program, time from a short run."""

import math
import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from snnjax.core import checks
from snnjax.core.arguments import job_of
from snnjax.core.base import AbstractDynamics
from snnjax.core.chunks import part_of
from snnjax.core.provenance import provenance
from snnjax.core.run import Run, RunState

MEASURED = 0.5  # s that the short runs take together
ONE_CALL = 0.05  # s that one of them takes at least, so that calling it costs little


class Estimate(NamedTuple):
    """What a run is estimated to take. `print` it for a table.

    - `n_steps`, `duration` (ms): of the run.
    - `parameters`, `inputs`, `state`, `results`: bytes; `state` with what recorders hold.
    - `temporary`: bytes beside these that the compiled program of the whole run asks for,
      None if the device does not say. A run in chunks needs less.
    - `compile_seconds`: measured. `step_seconds`: the median of `measured_steps` in short
      runs. `run_seconds`: `n_steps` times that.
    - `made`: model, versions, device and dtype. `summary`: what the model says of itself.
    """

    n_steps: int
    duration: float
    parameters: int
    inputs: int
    state: int
    results: int
    temporary: int | None
    compile_seconds: float
    step_seconds: float
    measured_steps: int
    run_seconds: float
    made: str
    summary: str

    def __str__(self) -> str:
        names = ("parameters", "inputs", "state", "results", "temporary")
        rows = [(n, _bytes(getattr(self, n))) for n in names]
        rows += [
            ("compilation", _seconds(self.compile_seconds)),
            ("run", f"{_seconds(self.run_seconds)}, {_seconds(self.step_seconds)} a step"),
        ]
        lines = [
            self.made,
            *[self.summary] * bool(self.summary),
            f"{self.n_steps} steps, {self.duration:g} ms",
            *(f"  {name:<12} {value}" for name, value in rows),
            f"Times are those of {self.measured_steps} steps from the state given.",
        ]
        return "\n".join(lines)


def estimate(
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
) -> Estimate:
    """What `simulate` with these arguments will take of memory and time, before it is run.

    Bytes come from shapes and from the compiled program of the whole run. Time is measured:
    the run is compiled, and a short part of it is run for about half a second, again and
    again from where it stopped. So it is the time at the activity of the first steps; give
    the `state` of an earlier run for that of later ones.
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
            None,
            False,
        )
    )
    if checks.is_traced((job.run, job.start)):
        raise ValueError("estimate runs the model, which cannot be done under jit or vmap.")
    run, start = job.run, job.run.opened(job.start)
    n_steps = job.n_steps - job.skip
    began = time.perf_counter()
    compiled = _compiled(run, start, n_steps)
    compile_seconds = time.perf_counter() - began
    memory = compiled.memory_analysis()
    results = jax.eval_shape(lambda: part_of(run, 0, n_steps)(start, n_steps)[1])
    step_seconds, measured = _step_seconds(run, start, n_steps)
    summary = getattr(model, "summary", None)
    return Estimate(
        n_steps=job.n_steps,
        duration=job.n_steps * checks.decimal(run.dt),
        parameters=_size(model),
        inputs=_size(run.drive),
        state=_size((start.model, start.bins[1])),
        results=_size(results),
        temporary=None if memory is None else memory.temp_size_in_bytes,
        compile_seconds=compile_seconds,
        step_seconds=step_seconds,
        measured_steps=measured,
        run_seconds=step_seconds * job.n_steps,
        made=provenance(model, run.drive.dtype),
        summary=str(summary()) if callable(summary) else "",
    )


def _compiled(run: Run, state: RunState, n_steps: int) -> Any:
    whole = eqx.filter_jit(lambda run, state: run(state, n_steps))
    return whole.lower(part_of(run, 0, n_steps), state).compile().compiled


def _step_seconds(run: Run, state: RunState, n_steps: int) -> tuple[float, int]:
    """(median over short runs of the time of a step, steps that were measured)."""
    period = math.lcm(*(r.every or 1 for r in run.recorders))
    most = n_steps // period

    def timed(state, n):
        began = time.perf_counter()
        state, ys, _ = part_of(run, 0, n)(state, n)
        jax.block_until_ready((state, ys))
        return state, time.perf_counter() - began

    n = min(most, max(2, 20 // period)) * period
    timed(state, n)  # compiles
    _, once = timed(state, n)
    longer = min(most, math.ceil(2 * ONE_CALL / once * n / period)) * period
    if once < ONE_CALL and longer > n:
        n = longer
        timed(state, n)
    times, spent = [], 0.0
    while spent < MEASURED or len(times) < 3:
        state, took = timed(state, n)
        times.append(took / n)
        spent += took
    return float(np.median(times)), n * len(times)


def _size(tree: Any) -> int:
    leaves = [
        jax.random.key_data(x) if checks.is_key(x) else x for x in jax.tree.leaves(tree)
    ]
    return sum(x.size * x.dtype.itemsize for x in leaves if hasattr(x, "dtype"))


def _bytes(n: float | None) -> str:
    if n is None:
        return "unknown"
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"


def _seconds(x: float) -> str:
    for unit, size in (("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3)):
        if x >= size:
            return f"{x / size:.3g} {unit}"
    return f"{x / 1e-6:.3g} us"
