"""What a run gives back, whole or cut short."""

import bisect
from typing import Any

import equinox as eqx
import jax
import numpy as np

from snnjax.core import checks
from snnjax.core.recorders import AbstractRecorder, Trace
from snnjax.core.run import RunState


class Solution(eqx.Module):
    """What a run gives back; `ts` and `ys` have the shape of the `record=` request.

    - `ts`: ms, the ends of the steps at which `ys` were taken. `ys`: what was recorded.
    - `state`: the `RunState` at the end; `final`: the model's part of it.
    - `stats`: `n_steps` that were run, and `dt` (ms); `skipped`, how many of them were not
      recorded, if some were; `stopped`, whether `until=` held, if it was given.
    - `made`: model, versions, device and dtype.
    - `recorded`: what the recorders took, such as "v", also where `ys` is a bare array.

    Of a run with `store=`, the entries of `ts` and `ys` along time are `StoredArray`s, which
    read from the disk what is asked of them, and only that.
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

    def between(self, start: float, stop: float) -> tuple[Any, Any]:
        """(ts, ys) of what was taken at the ends of the steps from `start` to `stop` (ms).

        Results of the whole run, such as a `SpikeCount()`, are left as they are.
        """
        slack = 0.5 * float(self.stats["dt"])

        def cut(ts, ys):
            if not np.ndim(ts):
                return ts, ys
            here = slice(*(bisect.bisect(ts, x + slack) for x in (start, stop)))
            return ts[here], jax.tree.map(lambda y: y[here], ys)

        leaves, tree = jax.tree.flatten(self.ts)
        pairs = [
            cut(t, y) for t, y in zip(leaves, tree.flatten_up_to(self.ys), strict=True)
        ]
        return tuple(jax.tree.unflatten(tree, x) for x in zip(*pairs, strict=True))


class StiffnessWarning(UserWarning):
    """An explicit scheme takes steps in which some variable cannot be stable."""


class LostSpikesWarning(UserWarning):
    """A recorder of bounded capacity could not keep all spikes."""


class NonFiniteError(ValueError):
    """A run left the finite numbers. `solution` holds what was computed before `step`."""

    def __init__(self, message: str, step: int, solution: Solution | None):
        super().__init__(message)
        self.step = step
        self.solution = solution


class InterruptedRun(KeyboardInterrupt):
    """A run was stopped by Ctrl-C. `solution` holds what was recorded up to then.

    `solution.state` is where to go on, bit for bit, with `simulate(..., state=)`.
    """

    def __init__(self, message: str, solution: Solution):
        super().__init__(message)
        self.solution = solution


def times(recorder: AbstractRecorder, start: Any, dt: Any, n_steps: int) -> Any:
    """ms: when `recorder` took what it gives of the `n_steps` after step `start`."""
    if not checks.is_traced((start, dt)):
        start, dt = int(start), checks.decimal(dt)
    if recorder.every is None:
        return (start + n_steps) * dt
    return (start + recorder.every * np.arange(1, n_steps // recorder.every + 1)) * dt


def run_stats(n_steps: int, dt: Any, skipped: int, stopped: bool | None) -> dict[str, Any]:
    """The `Solution.stats` of a run."""
    found = {"n_steps": n_steps, "dt": dt}
    if skipped:
        found["skipped"] = skipped
    if stopped is not None:
        found["stopped"] = stopped
    return found


def recorded(recorders: list[AbstractRecorder]) -> str:
    """What `recorders` take, in words."""

    def what(recorder):
        names = recorder.what if isinstance(recorder, Trace) else (type(recorder),)
        return ", ".join(getattr(x, "__name__", str(x)) for x in names)

    return ", ".join(map(what, recorders))
