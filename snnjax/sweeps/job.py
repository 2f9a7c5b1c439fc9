"""Running the batches of a sweep: what fails, what is kept, what others do."""

import dataclasses
import logging
import math
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from snnjax.core.progress import StepBar
from snnjax.core.provenance import version
from snnjax.sweeps import share
from snnjax.sweeps.points import Points
from snnjax.sweeps.program import PARTS, Compiled, Program, fitting
from snnjax.sweeps.result import Failure, SweepResult, failure, not_finite
from snnjax.sweeps.store import Store

NOT_RUN = "not run: the sweep was interrupted"


class SweepError(RuntimeError):
    """A point of a sweep failed, and `on_error` is "raise". `failure` says which, and why."""

    def __init__(self, failure: Failure):
        self.failure = failure
        at = ", ".join(f"{n}={x}" for n, x in failure.parameters.items())
        super().__init__(
            f"sweep: the function failed at {at}: {failure.reason}. "
            'on_error="record" goes on, and lists such points in result.failed.'
        )


@dataclasses.dataclass
class Job:
    """What is asked of a sweep: programs, and the points of each."""

    points: Points
    programs: list[Program]
    numbers: list[np.ndarray]
    devices: Sequence[Any]
    store: Store | None
    on_error: str

    def run(self, batch: Any, max_memory: float, progress: bool) -> SweepResult:
        outputs = next(p.outputs for p in self.programs if p.outputs)
        n = len(self.points)
        self.arrays, self.reasons = outputs.empty(n), {}
        self.done, self.n_batches = np.zeros(n, bool), 0
        with StepBar(n, 0, progress, "sweep", unit="point") as self.bar:
            self.sizes = [] if self.store is None else self.store.begin()
            share.wait_for_all("begins")
            try:
                for k in range(len(self.programs)):
                    self._program(k, batch, max_memory)
            except KeyboardInterrupt:
                self._interrupted()
        share.exchange(self.arrays, self.done, self.reasons)
        self._raise(self.reasons)
        arrays = {
            name: x.reshape(*self.points.shape, *x.shape[1:])
            for name, x in self.arrays.items()
        }
        failed = tuple(self._failure(k) for k in sorted(self.reasons))
        return SweepResult(self.points, arrays, failed, self._made())

    def _program(self, k: int, batch: Any, max_memory: float) -> None:
        """All batches of one program, compiled if one of them has to be run."""
        program, numbers = self.programs[k], self.numbers[k]
        if program.outputs is None:
            if k == len(self.sizes):
                self.sizes.append(0)  # no batches
            self._keep(numbers, {}, dict.fromkeys(numbers.tolist(), _reason(program.error)))
            return
        compiled = None
        if k == len(self.sizes):
            compiled = fitting(program, len(numbers), batch, max_memory, self.devices)
            self.sizes.append(share.least(compiled.size))
            if self.store is not None:
                self.store.found(self.sizes)
        for first in range(0, len(numbers), self.sizes[k]):
            part, at = numbers[first : first + self.sizes[k]], self.n_batches
            self.n_batches += 1
            if not share.mine(at):
                continue
            if self.store is not None and self.store.has(at):
                arrays, reasons = self.store.read(at)
                self._refuse(reasons)
            else:
                compiled = compiled or program.compile(self.sizes[k], self.devices)
                arrays, reasons = self._attempt(compiled, part)
                if self.store is not None:
                    self.store.write(at, arrays, reasons)
            self._keep(part, arrays, reasons)

    def _attempt(self, compiled: Compiled, numbers: np.ndarray) -> Any:
        """(results, reasons by point). One that raises takes its batch with it, so that smaller
        ones are tried until it is alone."""
        arrays, raised = _tried(compiled, numbers)
        if raised and len(numbers) == 1:
            reasons = {int(numbers[0]): raised}
            self._refuse(reasons)
            return compiled.program.outputs.empty(1), reasons
        if raised:
            smaller = compiled.smaller
            size = min(smaller.size, math.ceil(len(numbers) / PARTS))
            parts = np.split(numbers, range(size, len(numbers), size))
            tries = [self._attempt(smaller, part) for part in parts]
            arrays = {n: np.concatenate([a[n] for a, _ in tries]) for n in tries[0][0]}
            return arrays, {k: why for _, reasons in tries for k, why in reasons.items()}
        reasons = {}
        for name, x in arrays.items():
            bad = ~np.isfinite(x.reshape(len(numbers), -1)).all(1)
            for number in numbers[bad].tolist():
                reasons.setdefault(number, not_finite(name))
        self._refuse(reasons)
        return arrays, reasons

    def _refuse(self, reasons: dict[int, str]) -> None:
        """Of several processes none stops alone, as the others would wait for it."""
        if jax.process_count() == 1:
            self._raise(reasons)

    def _raise(self, reasons: dict[int, str]) -> None:
        if reasons and self.on_error == "raise":
            self.reasons |= reasons
            raise SweepError(self._failure(min(reasons)))

    def _keep(self, numbers: np.ndarray, arrays: Any, reasons: dict[int, str]) -> None:
        for name, x in arrays.items():
            self.arrays[name][numbers] = x
        self.reasons |= reasons
        self.done[numbers] = True
        self.bar.reach(int(self.done.sum()))

    def _interrupted(self) -> None:
        """Keep what there is, where one process has all of it and some of it is done."""
        if jax.process_count() > 1 or not self.done.any():
            raise
        left = np.flatnonzero(~self.done).tolist()
        self.reasons |= dict.fromkeys(left, NOT_RUN)
        again = (
            "The same call goes on from here" if self.store else "failed_points() has them"
        )
        warnings.warn(
            f"sweep was interrupted with {len(left)} of {len(self.done)} points not run. "
            f"{again}.",
            stacklevel=4,
        )

    def _failure(self, number: int) -> Failure:
        return failure(self.points, number, self.reasons[number])

    def _made(self) -> str:
        kind = f"{len(self.devices)} x {self.devices[0].device_kind}"
        float_type = jax.dtypes.canonicalize_dtype(float)
        return (
            f"{self.programs[0].name} at {len(self.points)} points in {self.n_batches} batches, "
            f"snnjax {version()}, jax {jax.__version__}, {kind}, {float_type}"
        )


def _tried(compiled: Compiled, numbers: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
    """(results, ""), or ({}, what was raised)."""
    log = logging.getLogger(
        "jax._src.callback"
    )  # writes each error out, before it is raised
    was, log.disabled = log.disabled, True
    try:
        return compiled(numbers), ""
    except RuntimeError as error:  # of the device, and of checks under jit
        return {}, _reason(error)
    finally:
        log.disabled = was


def _reason(error: BaseException) -> str:
    """What an error says, without the trace that the device adds."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    marks = [line.split("Error: ", 1)[1] for line in lines if "Error: " in line]
    return (marks or lines or [type(error).__name__])[-1]
