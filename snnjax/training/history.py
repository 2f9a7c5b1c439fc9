"""What happened in a training, epoch by epoch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Epoch(NamedTuple):
    """One finished epoch, as a callback of `fit` is given it."""

    epoch: int  # counted from 0
    loss: float  # of the loss function alone, mean over the epoch's batches
    penalty: float  # sum of the regularisers, likewise
    validation_loss: float  # nan without validation
    validation_score: float  # nan without validation or score
    seconds: float
    gradient_norms: dict[str, float]  # of each trained leaf
    best: bool  # whether it is the best one so far
    model: Callable[[], Any]  # makes the network as it is now, in inference mode


class History(NamedTuple):
    """What happened in training, one entry an epoch.

    Losses are means over the epoch's batches, taken while the parameters moved. Without
    validation its two fields are nan, and the score is where there is none.
    """

    loss: np.ndarray  # of the loss function alone; the optimiser sees it plus `penalty`
    validation_loss: np.ndarray
    validation_score: np.ndarray
    seconds: np.ndarray  # the first epoch of a process includes compilation
    best_epoch: int  # counted from 0; the one whose parameters were kept
    penalty: np.ndarray | None = None  # sum of the regularisers
    gradient_norms: dict[str, np.ndarray] | None = (
        None  # by leaf, root mean square of batches
    )
    stopped: str = "epochs"  # why: "epochs", "patience", "callback" or "interrupted"
    made: str = ""  # model, versions, device, dtype, seed and settings

    @property
    def gradient_norm(self) -> np.ndarray:
        """Norm of the whole gradient, root mean square over the batches of each epoch."""
        squares = [np.square(x) for x in (self.gradient_norms or {}).values()]
        return np.sqrt(np.sum(squares, axis=0))


def history(rows: list[dict], best_epoch: int, stopped: str, made: str) -> History:
    """A `History` of `rows`, one an epoch, each with the numbers of an `Epoch`."""
    column = lambda name: np.array([row[name] for row in rows])
    names = rows[0]["gradient_norms"]
    return History(
        column("loss"),
        column("validation_loss"),
        column("validation_score"),
        column("seconds"),
        best_epoch,
        column("penalty"),
        {n: np.array([row["gradient_norms"][n] for row in rows]) for n in names},
        stopped,
        made,
    )


def rank(row: dict, validated: bool) -> tuple[float, float, int]:
    """What the best epoch has most of: score, then least validation loss, or is the last."""
    if not validated:
        return 0.0, 0.0, row["epoch"]
    score = row["validation_score"]
    return 0.0 if np.isnan(score) else score, -row["validation_loss"], -row["epoch"]


def best_of(rows: list[dict], validated: bool) -> int:
    """The epoch to keep."""
    return max(rows, key=lambda row: rank(row, validated))["epoch"]
