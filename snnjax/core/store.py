"""Writing a run to a folder, chunk by chunk, and going on with one that is there.

    run.json             what made the run, and what is where
    chunk-000000000/     of no step; then one folder a chunk
        0.v.npy          what the first recorder, "v", gave in this chunk
        0.v.ts.npy       ms, when
        end/             state and results of the whole run; only the newest chunks have it
            1.n.npy
            state.npz

A chunk's folder appears whole, by a rename: a process killed at any moment leaves the chunks
before. All arrays are in NumPy's own formats.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import decimal
from snnjax.core.chunks import Job, Reached, begun, warn_of_lost_spikes, watched
from snnjax.core.provenance import digest, program_digest, provenance
from snnjax.core.recorders import AbstractRecorder
from snnjax.core.run import RunState
from snnjax.core.solution import Solution, recorded, times
from snnjax.core.stored import (
    NOTE,
    Leaf,
    chunk_folders,
    named_leaves,
    open_run,
    outline,
    raw,
    read_state,
    state_note,
)


class StoreError(OSError):
    """A store could not be written. `solution` is what it holds, None if that is nothing.

    The same call of `simulate` goes on from there, once there is room.
    """

    def __init__(self, message: str, solution: Solution | None = None):
        super().__init__(message)
        self.solution = solution


class Store:
    """The folder of one run: keeps the chunks of a job."""

    def __init__(self, folder: Any, job: Job):
        self.folder, self.job, self.n_chunks = Path(folder), job, 0
        self.names = _names(job)

    def begin(self) -> Reached:
        """Where to begin: after the last chunk that the folder has, if it has one."""
        note = self.folder / NOTE
        self._refuse_other_files()
        made_by = _made_by(self.job)
        if note.exists():
            then = json.loads(note.read_text(encoding="utf-8"))["made_by"]
            _require_same(self.folder, then, made_by)
        self.reached = Reached(begun(self.job), 0, False)
        chunks = chunk_folders(self.folder)
        if chunks:
            self._go_on_from(chunks)
            return self.reached
        ys = self.job.run.nothing(self.reached.state)
        text = json.dumps(self._note(ys) | {"made_by": made_by}, indent=1)
        self._writing(lambda: self.folder.mkdir(parents=True, exist_ok=True))
        self._writing(lambda: _replace_text(note, text))
        self.add(ys, self.reached)
        return self.reached

    def add(self, ys: list[Any] | None, reached: Reached) -> None:
        """Write a chunk; `ys` is None if it was not recorded."""
        run, start = self.job.run, self.job.start.step
        first = min(max(self.reached.done, self.job.skip), reached.done)
        clocks = [
            times(r, start + first, run.dt, reached.done - first) for r in run.recorders
        ]
        ys = run.nothing(reached.state) if ys is None else ys
        files = {}
        for r, name, ts, y in zip(run.recorders, self.names, clocks, ys, strict=True):
            at = "end/" if r.every is None else ""
            files[f"{at}{_clock(name)}"] = np.asarray(ts)
            for path, leaf in named_leaves(y):
                files[f"{at}{_file(name, path)}"] = raw(leaf)
        state = [raw(x) for _, x in named_leaves(_state(reached))]
        self._writing(lambda: _write_chunk(self._chunk(self.n_chunks), files, state))
        # That before stays for whoever is reading it.
        shutil.rmtree(self._chunk(self.n_chunks - 2) / "end", ignore_errors=True)
        self.n_chunks, self.reached = self.n_chunks + 1, reached

    def solution(self) -> Solution:
        """What the folder holds, with the recorders' carries in its state."""
        found = open_run(self.folder)
        self._go_on_from(chunk_folders(self.folder))
        results = self.job.tree.flatten_up_to(found.ys)
        for r, y in zip(self.job.run.recorders, results, strict=True):
            warn_of_lost_spikes(r, y)
        return dataclasses.replace(found, state=self.reached.state)

    def _go_on_from(self, chunks: list[Path]) -> None:
        """Stand where the last of `chunks` ended."""
        note = json.loads((self.folder / NOTE).read_text(encoding="utf-8"))
        arrays = read_state(chunks[-1], note)
        tree = jax.tree.structure(_state(self.reached))
        found = jax.tree.unflatten(tree, arrays.values())
        bins = (self.job.run.recorders, found["bins"])
        state = RunState(found["model"], found["step"], bins)
        done = int(state.step) - int(self.job.start.step)
        if done > self.job.n_steps:
            raise ValueError(
                f"simulate.store={str(self.folder)!r} holds {done} steps already, more than "
                f"n_steps={self.job.n_steps}: read it by open_run, or give another folder."
            )
        self.n_chunks = int(chunks[-1].name.removeprefix("chunk-")) + 1
        self.reached = Reached(state, done, bool(found["stopped"]))

    def _chunk(self, k: int) -> Path:
        return self.folder / f"chunk-{k:09d}"

    def _note(self, ys: list[Any]) -> dict[str, Any]:
        """What `open_run` needs to know."""
        job, run = self.job, self.job.run

        def leaves(r: AbstractRecorder, name: str, y: Any) -> Any:
            clock = None if r.every is None else _clock(name)
            found = [
                Leaf(_file(name, path), raw(x).dtype.name, clock)
                for path, x in named_leaves(y)
            ]
            return jax.tree.unflatten(jax.tree.structure(y), found)

        per = list(zip(run.recorders, self.names, ys, strict=True))
        at = lambda r, name: None if r.every is None else _clock(name)
        ts = [Leaf(_clock(name), "float64", at(r, name)) for r, name, _ in per]
        unflatten = lambda leaves: jax.tree.unflatten(job.tree, leaves)
        return dict(
            ts=outline(unflatten(ts)),
            ys=outline(unflatten([leaves(*x) for x in per])),
            state=state_note(_state(self.reached)),
            start=int(job.start.step),
            dt=(decimal(run.dt), run.dt.dtype.name),
            skip=job.skip,
            until=job.until is not None,
            made=provenance(run.model, run.drive.dtype),
            recorded=recorded(run.recorders),
        )

    def _refuse_other_files(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"simulate.store={str(self.folder)!r} must be a folder.")
        if self.folder.is_dir() and not (self.folder / NOTE).exists():
            others = [p.name for p in self.folder.iterdir() if p.name != NOTE + ".part"]
            if others:
                raise ValueError(
                    f"simulate.store={str(self.folder)!r} must be a new or empty folder, or "
                    f"one that simulate stored: it has {others[0]!r}."
                )

    def _writing(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except OSError as error:
            kept = self.solution() if self.n_chunks else None
            safe = (
                f" Nothing up to step {kept.stats['n_steps']} is lost: free some space, and "
                "the same call goes on from there."
                if kept
                else ""
            )
            raise StoreError(
                f"simulate.store={str(self.folder)!r} cannot be written: {error}.{safe}",
                kept,
            ) from error


def _made_by(job: Job) -> dict[str, Any]:
    """What the numbers depend on, by name."""
    run, state = watched(job.run, job.until), job.start
    slices = [None if x is None else x[0] for x in run.drive.arrays]
    output, bins = run.open_bins(RunState(state.model, state.step))
    carry = (state.model, state.step, output, bins)
    one = lambda run, carry, slices: run.one(carry, slices)[0]
    return dict(
        model=digest(run.model),
        inputs=digest(run.drive),
        dt=decimal(run.dt),
        recorders=digest(job.run.recorders),
        skip=job.skip,
        start=digest((job.start.model, job.start.step)),
        functions=program_digest(one, run, carry, slices),
        jax=jax.__version__,
    )


_WORDS = {
    "start": "state, key or shape",
    "functions": "function in inputs, record, until or the model",
}


def _require_same(folder: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    other = [n for n in now if n != "jax" and then.get(n) != now[n]]
    if other != ["functions"]:
        other = [n for n in other if n != "functions"]  # the same difference
    elif then["jax"] != now["jax"]:
        other = []  # each version writes programs down in its own way
    if other:
        names = ", another ".join(_WORDS.get(n, n) for n in other)
        was = [f" {n} was {then[n]}, is {now[n]}." for n in other if n in ("dt", "skip")]
        raise ValueError(
            f"simulate.store={str(folder)!r} belongs to a run with another {names}."
            f"{''.join(was)} Give what it was made with, or another folder; delete it to "
            "begin anew."
        )


def _names(job: Job) -> list[str]:
    """A file name for each recorder: its number and its name in the request."""
    tree = jax.tree.unflatten(job.tree, range(job.tree.num_leaves))
    plain = lambda name: re.sub(r"[^\w.-]", "_", name)
    return [f"{k}.{plain(name)}".rstrip(".") for name, k in named_leaves(tree)]


def _clock(name: str) -> str:
    return f"{name}.ts.npy"


def _file(name: str, path: str) -> str:
    return f"{name}.ys.{re.sub(r'[^A-Za-z0-9_.-]', '_', path)}".rstrip(".") + ".npy"


def _state(reached: Reached) -> dict[str, Any]:
    """All that a run goes on from, but the recorders themselves."""
    state = reached.state
    return dict(
        bins=state.bins[1],
        model=state.model,
        step=state.step,
        stopped=jnp.asarray(reached.stopped),
    )


def _write_chunk(folder: Path, files: dict[str, np.ndarray], state: list[Any]) -> None:
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        (part / "end").mkdir(parents=True)
        for name, x in files.items():
            _write(part / name, lambda file, x=x: np.save(file, x))
        _write(part / "end" / "state.npz", lambda file: np.savez(file, *state))
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _replace_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    _write(part, lambda file: file.write(text.encode()))
    part.replace(path)


def _write(path: Path, write: Callable[[Any], Any]) -> None:
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
