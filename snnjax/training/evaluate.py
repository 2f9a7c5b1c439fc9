"""What a trained network does with data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.training.losses import accuracy, rate_cross_entropy
from snnjax.training.rehearsal import rehearse, samples
from snnjax.training.task import Moving, Task, judge, length


class Evaluation(NamedTuple):
    """What `evaluate` returns."""

    outputs: Any  # [time, n, ...]
    loss: Any
    score: Any  # nan without score


def evaluate(
    model: AbstractDynamics,
    data: tuple[Any, Any],
    *,
    encode: Callable | None = None,
    key: Any = None,
    loss: Callable = rate_cross_entropy,
    score: Callable | None = accuracy,
    dt: float = 1.0,
    batch_size: int | None = None,
) -> Evaluation:
    """Outputs, loss and score of `model` on `data` = (x, y), in inference mode.

    Arguments as in `fit`. `key` is for a random `encode` and stochastic models, and may be
    left out where there is neither. `batch_size`: by default all at once; in batches, loss and
    score are means over the samples.
    """
    require_model(model, "evaluate.model")
    if key is not None:
        checks.random_key(key, "evaluate.key")
    data = samples(data, "evaluate.data")
    size = length(data[0]) if batch_size is None else batch_size
    size = checks.count(size, "evaluate.batch_size")
    still = eqx.nn.inference_mode(model)
    task = Task(still, encode, None, loss, (), score, None, (), float(dt), size)
    rehearse(task, data, key, "evaluate")
    found, scored, outputs = judge(task, Moving({}, {}, ()), data, key, with_outputs=True)
    return Evaluation(outputs, found, scored)
