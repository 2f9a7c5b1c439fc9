"""Sweeps and training."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snnjax.plot.style import SEQUENTIAL, array, colour, legend, one, stacked


def heatmap(
    values: Any,
    *,
    x: Any,
    y: Any,
    xlabel: str,
    ylabel: str,
    label: str,
    ax: Axes | None = None,
) -> Axes:
    """A measure over two swept parameters, as colours with a scale beside them.

    - `values`: [len(y), len(x)]. `xlabel`, `ylabel`, `label`: with units.
    """
    values, x, y = array(values), array(x), array(y)
    if values.shape != (len(y), len(x)):
        raise ValueError(
            f"plot.heatmap: values have shape {values.shape}, but [len(y), len(x)] is "
            f"{(len(y), len(x))}. Give their transpose, or swap x and y."
        )
    ax = one(ax, (5.2, 4.0))
    mesh = ax.pcolormesh(x, y, values, cmap=SEQUENTIAL, shading="nearest", rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label=label)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return ax


def learning_curve(history: Any, *, score: str = "accuracy", ax: Any = None) -> np.ndarray:
    """Loss and validation score against the epoch; two panels. `history`: of `fit`.

    - `score`: what the score is called; "accuracy" is drawn in percent.
    """
    top, bottom = axes = stacked(ax, 2, size=(6.0, 4.2))
    epochs = np.arange(1, len(history.loss) + 1)
    top.semilogy(epochs, history.loss, color=colour(0), label="training")
    top.semilogy(epochs, history.validation_loss, color=colour(1), label="validation")
    top.set_ylabel("loss (nats)" if score == "accuracy" else "loss")
    scores = history.validation_score * (100 if score == "accuracy" else 1)
    bottom.plot(epochs, scores, color=colour(1))
    best = history.best_epoch
    bottom.plot(best + 1, scores[best], "o", color=colour(2), label="chosen")
    unit = " (%)" if score == "accuracy" else ""
    bottom.set_ylabel(f"validation {score}{unit}")
    bottom.set_xlabel("epoch")
    legend(top)
    legend(bottom, loc="lower right")
    return axes


def confusion_matrix(labels: Any, predicted: Any, *, ax: Axes | None = None) -> Axes:
    """How many of each true label (rows) were given which label (columns)."""
    from sklearn.metrics import confusion_matrix as count

    counts = count(array(labels), array(predicted))
    ax = one(ax, (4.8, 4.4))
    ax.imshow(counts, cmap=SEQUENTIAL)
    for (i, j), c in np.ndenumerate(counts):
        if c:
            light = c < counts.max() / 2
            ax.text(j, i, str(c), ha="center", va="center", fontsize="small",
                    color="white" if light else "black")  # fmt: skip
    names = np.unique(np.concatenate([array(labels), array(predicted)]))
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return ax
