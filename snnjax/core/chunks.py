"""A run chunk after chunk: stopped by a condition, by Ctrl-C or by numbers not finite."""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import is_traced
from snnjax.core.gather import to_host
from snnjax.core.progress import StepBar
from snnjax.core.provenance import provenance
from snnjax.core.recorders import AbstractRecorder
from snnjax.core.run import Run, RunState, finite_leaves, non_finite_message
from snnjax.core.solution import (
    InterruptedRun,
    LostSpikesWarning,
    NonFiniteError,
    Solution,
    recorded,
    run_stats,
    times,
)
from snnjax.core.spike_recorders import Events


class Job(NamedTuple):
    """What is asked of a run: `n_steps`, of which the first `skip` are not recorded."""

    run: Run
    tree: Any  # of the request
    start: RunState
    n_steps: int
    skip: int
    until: Callable[[Any, Any], Any] | None
    throw: bool


class Reached(NamedTuple):
    """How far a job has come."""

    state: RunState
    done: int  # steps, those not recorded included
    stopped: bool  # whether `until` held


class InMemory:
    """What the chunks of a job gave, in the memory of the host."""

    def __init__(self, job: Job, chunk: int):
        self.job, self.chunked = job, chunk < job.n_steps - job.skip
        cut = self.chunked or job.skip or job.until
        start = begun(job) if cut else job.start  # it costs a small compilation
        self.pieces, self.stands = [], (0, Reached(start, 0, False))

    def begin(self) -> Reached:
        return self.stands[1]

    def add(self, ys: list[Any] | None, reached: Reached) -> None:
        """Keep the results `ys` of a chunk, None of one that was not recorded."""
        if ys is not None:
            self.pieces.append(jax.tree.map(to_host, ys) if self.chunked else ys)
        # One assignment, so that Ctrl-C finds results and state of the same step.
        self.stands = len(self.pieces), reached

    def solution(self) -> Solution:
        n_pieces, reached = self.stands
        pieces, run = self.pieces[:n_pieces], self.job.run
        ys = join(run.recorders, pieces) if pieces else run.nothing(reached.state)
        return solution(self.job, reached, ys)


def begun(job: Job) -> RunState:
    """The start of a job with the recorders' carries in it, as each chunk has them."""
    start = job.start
    return job.run.opened(RunState(start.model, start.step) if job.skip else start)


def run_chunks(job: Job, keep: Any, chunk: int, show: bool) -> Solution:
    """Run a job in chunks, with results kept by `keep`."""
    reached = keep.begin()
    try:
        with StepBar(job.n_steps, reached.done, show, type(job.run.model).__name__) as bar:
            while reached.done < job.n_steps and not reached.stopped:
                reached = _advance(job, reached, chunk, keep)
                if show:
                    jax.block_until_ready(reached.state)
                bar.reach(reached.done)
    except KeyboardInterrupt:
        kept = keep.solution()
        n = kept.stats["n_steps"]
        raise InterruptedRun(
            f"The run was stopped after {n} of {job.n_steps} steps. What was recorded is in "
            "`solution` of this exception, and `solution.state` is where to go on.",
            kept,
        ) from None
    return keep.solution()


def run_traced(job: Job) -> Solution:
    """A job within jit, vmap or grad, in one piece."""
    run, state = job.run, job.start
    if job.skip:
        state, _, _ = part_of(run, 0, job.skip).with_recorders([])(
            RunState(state.model, state.step), job.skip
        )
        state = RunState(state.model, state.step)
        run = part_of(run, job.skip, job.n_steps - job.skip)
    state, ys, _ = run(state, job.n_steps - job.skip)
    return solution(job, Reached(state, job.n_steps, False), ys)


def _advance(job: Job, reached: Reached, chunk: int, keep: Any) -> Reached:
    """Run and keep one more chunk."""
    state, done, _ = reached
    stopped, quiet = False, done < job.skip
    size = min(chunk, (job.skip if quiet else job.n_steps) - done)
    part = part_of(job.run, done, size)
    if quiet:
        new, ys, ok = part.with_recorders([])(RunState(state.model, state.step), size)
        new, ys = RunState(new.model, new.step, state.bins), None
    elif job.until is None:
        new, ys, ok = part(state, size)
    else:
        new, ys, ok, hit = _watched(part, job.until, state, size)
        if hit >= 0:
            stopped, size = True, hit - int(state.step) + 1
            new, ys, ok = _exactly(part, state, size)
    if job.throw and not bool(ok):
        _raise_non_finite(part, job, reached, size, keep)
    reached = Reached(new, done + size, stopped)
    keep.add(ys, reached)
    return reached


class _Watch(AbstractRecorder):
    """The first step after which a condition holds; -1 before."""

    until: Any
    every = None

    def init(self, state, output):
        return jnp.int32(-1)

    def update(self, carry, now, state, output):
        holds = jnp.asarray(self.until(state, output), bool)
        if holds.ndim:
            raise ValueError(
                "simulate.until must give one True or False of (state, output), got "
                f"shape {holds.shape}. Reduce it with .any() or .all()."
            )
        return jnp.where((carry < 0) & holds, now.step, carry)

    def result(self, carry, now, state, output):
        return carry


def part_of(run: Run, first: int, n_steps: int) -> Run:
    """The part of `n_steps` steps of `run` that begins with step `first`."""
    return eqx.tree_at(lambda r: r.drive, run, run.drive.chunk(first, n_steps))


def watched(run: Run, until: Any) -> Run:
    """`run` with one more recorder, that of the condition; the same where there is none."""
    return run if until is None else run.with_recorders([*run.recorders, _Watch(until)])


def _watched(run, until, state, n_steps):
    """(state, results, whether all is finite, first step after which `until` holds or -1)."""
    run = watched(run, until)
    bins = [*state.bins[1], jnp.int32(-1)]
    new, ys, ok = run(RunState(state.model, state.step, (run.recorders, bins)), n_steps)
    recorders, bins = (x[:-1] for x in new.bins)
    return RunState(new.model, new.step, (recorders, bins)), ys[:-1], ok, int(ys[-1])


def _exactly(run, state, n_steps):
    """(state, results, whether all is finite) after `n_steps` that bins need not divide.

    Of a recorder with `every` these are the whole bins; what was begun of one is dropped.
    """
    recorders, bins = state.bins
    bins, found, done, ok = list(bins), [[y] for y in run.nothing(state)], 0, True
    for period in sorted({1, *(r.every or 1 for r in recorders)}, reverse=True):
        size = (n_steps - done) // period * period
        if not size:
            continue
        live = [k for k, r in enumerate(recorders) if (r.every or 1) <= period]
        some = [recorders[k] for k in live]
        here = RunState(state.model, state.step, (some, [bins[k] for k in live]))
        state, ys, fine = part_of(run, done, size).with_recorders(some)(here, size)
        for k, y, held in zip(live, ys, state.bins[1], strict=True):
            found[k].append(y)
            bins[k] = held
        done, ok = done + size, ok and bool(fine)
    found = [[jax.tree.map(to_host, y) for y in ys] for ys in found]
    ys = [_along_time(r, ys) for r, ys in zip(recorders, found, strict=True)]
    return RunState(state.model, state.step, (recorders, bins)), ys, ok


def _along_time(recorder, pieces):
    if recorder.every is None or len(pieces) == 1:
        return pieces[-1]
    joined = lambda *xs: (np if isinstance(xs[0], np.ndarray) else jnp).concatenate(xs)
    return jax.tree.map(joined, *pieces)


def join(recorders: list[AbstractRecorder], pieces: list[list[Any]]) -> list[Any]:
    """The results of one chunk after the other as those of one run."""
    return [_along_time(r, [p[k] for p in pieces]) for k, r in enumerate(recorders)]


def _raise_non_finite(part, job, reached, size, keep):
    """Find the step, compute again what came before it, and raise."""
    state, done, _ = reached
    good, finite = part.first_bad_step(state, size)
    good = max(int(good), 0)
    names = [
        n for n, ok in zip(finite_leaves(state.model)[1], finite, strict=True) if not ok
    ]
    whole = good - good % math.lcm(*(r.every or 1 for r in job.run.recorders))
    if done >= job.skip and whole:
        new, ys, _ = part_of(part, 0, whole)(state, whole)
        keep.add(ys, Reached(new, done + whole, False))
        done += whole
    kept = keep.solution() if done > job.skip else None
    step = int(state.step) + good
    bad = part.drive.not_finite(good, step, job.run.dt)
    what = non_finite_message(", ".join(names), type(job.run.model).__name__, bad)
    at = (
        f" It happened in step {step}, which ends at {(step + 1) * float(job.run.dt):g} ms."
    )
    raise NonFiniteError(what + at, step, kept)


def solution(job: Job, reached: Reached, ys: list[Any]) -> Solution:
    """The `Solution` of a job that has come so far with these results."""
    run, skipped = job.run, min(job.skip, reached.done)
    start = job.start.step + skipped
    ts = [times(r, start, run.dt, reached.done - skipped) for r in run.recorders]
    for r, y in zip(run.recorders, ys, strict=True):
        warn_of_lost_spikes(r, y)
    unflatten = lambda leaves: jax.tree.unflatten(job.tree, leaves)
    found = run_stats(
        reached.done, run.dt, skipped, None if job.until is None else reached.stopped
    )
    made = provenance(run.model, run.drive.dtype)
    names = recorded(run.recorders)
    return Solution(unflatten(ts), unflatten(ys), reached.state, found, made, names)


def warn_of_lost_spikes(recorder: Any, y: Any) -> None:
    """Warn if `y` is a raster that could not keep all spikes."""
    if not isinstance(y, Events) or is_traced(y.lost):
        return
    lost = np.asarray(y.lost)
    if np.any(lost > 0):
        warnings.warn(
            f"{int(lost.sum())} spikes did not fit into SpikeRaster.capacity="
            f"{recorder.capacity}: give it at least {int(np.max(np.asarray(y.count)))}.",
            LostSpikesWarning,
            stacklevel=4,
        )
