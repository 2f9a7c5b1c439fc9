"""Epoch after epoch: run, judge, keep the best, write, report."""

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from snnjax.core import checks
from snnjax.core.progress import bar
from snnjax.core.provenance import provenance
from snnjax.training.checkpoint import Checkpoint
from snnjax.training.history import Epoch, History, best_of, history
from snnjax.training.task import Moving, Step, Task, epoch, judge, length, owned, replicated


class _Stand(NamedTuple):
    """How far a training is; replaced as a whole, so that Ctrl-C finds it consistent."""

    moving: Moving
    best: Moving  # without the optimiser's state
    rows: list[dict]


class Training(NamedTuple):
    """A training that has been checked, before it begins."""

    task: Task
    data: Any
    held_out: Any  # or None
    key: Any
    epochs: int
    patience: int | None
    callbacks: tuple[Callable, ...]

    def run(
        self, moving: Moving, saved: Checkpoint | None, every: int, progress: bool
    ) -> tuple[Any, History]:
        """Train from `moving`, or from where `saved` stands; see `fit`."""
        stand, stopped = _Stand(moving, moving._replace(opt_state=()), []), ""
        if saved is not None:
            stand, stopped = saved.restore(stand)
        begun = len(stand.rows)
        # The parts of `moving` are given away, and may be the caller's own arrays.
        place = lambda tree: owned(replicated(tree, self.task.mesh))
        stand = _Stand(place(stand.moving), place(stand.best), stand.rows)
        fixed = replicated((self.task, self.data, self.held_out, self.key), self.task.mesh)
        stopped = (stopped if self.callbacks else "") or self._end(stand.rows)
        left = range(begun, begun if stopped else self.epochs)
        bars = bar(
            left, progress, "training", unit="epoch", initial=begun, total=self.epochs
        )
        try:
            for number in bars:
                stand = self._epoch(fixed, stand, number)
                stopped = self._end(stand.rows)
                if saved is not None and (stopped or (number + 1) % every == 0):
                    saved.save(stand, "")
                if self._called(stand) and not stopped:
                    stopped = "callback"
                    if saved is not None:
                        saved.save(stand, stopped)
                _show(bars, stand.rows[-1])
                if stopped in ("patience", "callback"):
                    break
        except KeyboardInterrupt:
            if not stand.rows:
                raise
            stopped = "interrupted"
            warnings.warn(
                f"fit was interrupted after {len(stand.rows)} of {self.epochs} epochs; the best "
                f"one so far, {self._best(stand.rows)}, is returned.",
                stacklevel=3,
            )
        made = self._made(begun)
        return self._model(stand.best), history(
            stand.rows, self._best(stand.rows), stopped, made
        )

    def _epoch(self, fixed: Any, stand: _Stand, number: int) -> _Stand:
        start = time.perf_counter()
        task, data, held_out, key = fixed
        judge_key, key = jax.random.split(key)
        moving, steps = epoch((task, data, jax.random.fold_in(key, number)), stand.moving)
        judged = (np.nan, np.nan)
        if held_out is not None:
            judged = judge(task, moving, held_out, judge_key)[:2]
        row = _row(number, task.names, steps, *map(float, judged))
        self._require_finite(row, steps, moving, stand.rows)
        row["seconds"] = time.perf_counter() - start
        rows = [*stand.rows, row]
        best = stand.best
        if self._best(rows) == number:
            best = owned(moving._replace(opt_state=()))
        return _Stand(moving, best, rows)

    def _best(self, rows: list[dict]) -> int:
        return best_of(rows, self.held_out is not None)

    def _end(self, rows: list[dict]) -> str:
        """Why there is no further epoch, or nothing."""
        waited = len(rows) - 1 - self._best(rows) if rows else 0
        if self.patience is not None and waited >= self.patience:
            return "patience"
        return "epochs" if len(rows) >= self.epochs else ""

    def _called(self, stand: _Stand) -> bool:
        row = stand.rows[-1]
        best = self._best(stand.rows) == row["epoch"]
        now = Epoch(**row, best=best, model=lambda: self._model(owned(stand.moving)))
        answers = [callback(now) for callback in self.callbacks]
        return any(answer is True for answer in answers)

    def _model(self, moving: Moving) -> Any:
        if self.task.mesh is not None:  # back from all devices to the usual one
            moving = jax.tree.map(jnp.asarray, jax.device_get(moving))
        return self.task.network(moving, inference=True)

    def _require_finite(self, row, steps: Step, moving: Moving, rows: list[dict]) -> None:
        losses = np.asarray(steps.loss + steps.penalty)
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            what = f"The loss is no longer finite in epoch {row['epoch']}: {losses[bad[0]]:g} in "
            what += f"batch {bad[0]} of training."
        elif np.isnan(row["validation_loss"]) and self.held_out is not None:
            what = (
                f"The loss is no longer finite in epoch {row['epoch']}: nan in validation."
            )
        else:
            lost = [n for n, x in moving.params.items() if not bool(jnp.isfinite(x).all())]
            if not lost:
                return
            what = f"{lost[0]} is no longer finite after epoch {row['epoch']}."
        raise ValueError(
            f"{what} Try a smaller learning rate or optax.clip_by_global_norm."
            + (f" The best epoch until then was {self._best(rows)}." if rows else "")
        )

    def _made(self, begun: int) -> str:
        task, key = self.task, self.key
        seed = np.asarray(jax.random.key_data(key) if checks.is_key(key) else key).tolist()
        dtype = jax.tree.leaves(eqx.filter(task.model, eqx.is_inexact_array))[0].dtype
        n = length(self.data[0]) // task.batch_size
        return (
            f"{provenance(task.model, dtype)}, optax {optax.__version__}; key {seed}, "
            f"{n} batches of {task.batch_size} an epoch, dt {task.dt:g} ms, trained "
            f"{', '.join(task.names)}"
            + (f"; resumed after epoch {begun - 1}" if begun else "")
        )


def _row(
    number: int, names: tuple, steps: Step, validation_loss: float, validation_score: float
) -> dict:
    mean = lambda x: float(np.mean(np.asarray(x, float)))
    return dict(
        epoch=number,
        loss=mean(steps.loss),
        penalty=mean(steps.penalty),
        validation_loss=validation_loss,
        validation_score=validation_score,
        seconds=0.0,
        gradient_norms={n: mean(steps.squares[n]) ** 0.5 for n in names},
    )


def _show(bars: Any, row: dict) -> None:
    note = getattr(bars, "set_postfix", None)
    if note is None:
        return
    shown = dict(loss=f"{row['loss']:.3f}")
    for name, value in (
        ("score", row["validation_score"]),
        ("loss", row["validation_loss"]),
    ):
        if not np.isnan(value):
            shown[f"validation {name}"] = f"{value:.3f}"
    note(shown)
