"""Search by successive halving: many points for a short time, few for a long one."""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snnjax.sweeps.bind import bind
from snnjax.sweeps.call import sweep
from snnjax.sweeps.points import points_of
from snnjax.sweeps.result import SweepResult


class Halving(NamedTuple):
    """What `successive_halving` found.

    - `best`: the parameters of the best point of the last rung, and `score` what it had.
    - `rungs`: the `SweepResult` of each rung; `budgets`: what each point of it was given.
    """

    best: dict[str, Any]
    score: float
    rungs: tuple[SweepResult, ...]
    budgets: tuple[Any, ...]

    def __str__(self) -> str:
        best = [float(np.nanmin(_scores(rung))) for rung in self.rungs]
        rows = [
            f"  {budget!s:>10} {len(rung.points):>8} points, best {x:g}"
            for budget, rung, x in zip(self.budgets, self.rungs, best, strict=True)
        ]
        plain = lambda x: f"{x:g}" if isinstance(x, float) else str(x)
        found = ", ".join(f"{n}={plain(x)}" for n, x in self.best.items())
        return "\n".join(["    budget", *rows, f"best: {found}"])


def successive_halving(
    score: Callable,
    over: Any,
    *,
    budget: str,
    budgets: Sequence[Any],
    eta: float = 3.0,
    store: Any = None,
    **options: Any,
) -> Halving:
    """The point with the least `score(**parameters)`, by giving more to those that do well.

        found = snn.sweeps.successive_halving(
            loss, snn.sweeps.sobol(256, seed=0, rate=loguniform(1e-4, 1e-1), tau_m=(2, 50)),
            budget="epochs", budgets=[1, 4, 16], key=key)
        found.best

    All points are run with the first of `budgets`, the best 1 / `eta` of them with the second,
    and so on. With one budget this is random search.

    - `score`: of the parameters and the argument named `budget`, such as a number of epochs or
      a duration, which decides the program; gives one number, less is better, and NaN is worst.
    - `over`: as for `sweep`; mostly samples. `eta`: above 1.
    - `store`: a folder, in which each rung has one. `options`: of `sweep`. A point has the same
      random key in all rungs.

    Jamieson & Talwalkar 2016, AISTATS.
    """
    points = points_of(over)
    if not eta > 1:
        raise ValueError(f"successive_halving.eta must be above 1, got {eta}.")
    if not len(budgets):
        raise ValueError(
            "successive_halving.budgets needs at least one, such as [1, 4, 16]."
        )
    if budget in points.axes:
        raise ValueError(f"successive_halving.budget={budget!r} is swept as well.")
    names, called = [*points.axes, budget], ("score", "over and budget")
    choices = [n for n, axis in points.axes.items() if axis.static]
    bind(score, names, options.get("model"), "successive_halving", called, choices)
    rungs = []
    for k, given in enumerate(budgets):
        function = functools.partial(score, **{budget: given})
        folder = None if store is None else Path(store) / f"rung-{k}"
        rung = sweep(function, points, store=folder, **options)
        rungs.append(rung)
        order = _order(rung)
        points = points.part(order[: max(1, math.ceil(len(points) / eta))])
    best = {n: x[0] for n, x in points.take(np.zeros(1, int)).items()}
    return Halving(best, float(_scores(rung)[order[0]]), tuple(rungs), tuple(budgets))


def _scores(rung: SweepResult) -> np.ndarray:
    (name, *more) = rung.arrays
    if more or rung.arrays[name].shape != rung.points.shape:
        raise ValueError("successive_halving.score must give one number a point.")
    return rung.arrays[name].ravel()


def _order(rung: SweepResult) -> np.ndarray:
    """From the best point to the worst; those that failed are last."""
    x = _scores(rung)
    if not rung.ok.any():
        raise ValueError(
            f"successive_halving.score is finite at no point: {rung.failed[0].reason}."
        )
    return np.argsort(np.where(rung.ok.ravel(), x, np.inf), kind="stable")
