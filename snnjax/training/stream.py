"""Truncated backpropagation through time, for streams of any length."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import numpy as np
import optax

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.progress import bar
from snnjax.core.trainable import Where
from snnjax.training.rehearsal import begin, changed_leaves, samples
from snnjax.training.task import Moving, Task, length

M = TypeVar("M", bound=AbstractDynamics)


class StreamHistory(NamedTuple):
    """What happened along a stream, one entry a window."""

    loss: np.ndarray  # of the loss function alone, before the window's update
    penalty: np.ndarray  # sum of the regularisers
    gradient_norms: dict[str, np.ndarray]  # by leaf
    seconds: float
    state: Any  # of the network at the end, to go on from


def fit_stream(
    model: M,
    stream: tuple[Any, Any] | Iterable[tuple[Any, Any]],
    *,
    loss: Callable,
    optimizer: optax.GradientTransformation,
    key: Any,
    window: int | None = None,
    regularisers: Sequence[Callable] = (),
    where: Where | None = None,
    dt: float = 1.0,
    state: Any = None,
    remat: int | Literal["sqrt"] | None = None,
    max_memory: float | None = None,
    progress: bool = True,
) -> tuple[M, StreamHistory]:
    """Train `model` along a stream, an update a window, by truncated backpropagation.

    The network's state goes on from window to window, and the gradient stops at its start
    (Williams & Peng 1990, Neural Comput. 2:490, with h' = h = the window). Memory is that of one
    window however long the stream is. A window as long as the stream is full backpropagation.

    - `stream`: (inputs, targets), arrays or trees of arrays [time, ...], cut into windows of
      `window` steps, the last one shorter if need be; or, with `window=None`, any iterable of
      such pairs, one a window. Other axes than time are the network's: with a batch axis,
      [time, batch, ...], several streams are learned from at once.
    - `loss(outputs, targets)`: of one window, a number.
    - `state`: to start from, such as `history.state`; by default `model.init`, given `key`.
    - The others are as in `fit`. Training mode is on, and the model returned, that after the
      last window, is in inference mode.
    """
    require_model(model, "fit_stream.model")
    checks.random_key(key, "fit_stream.key")
    task = Task(
        model=eqx.nn.inference_mode(model, False),
        encode=None,
        augment=None,
        loss=loss,
        regularisers=tuple(regularisers),
        score=None,
        optimizer=optimizer,
        names=(),  # not known yet
        dt=float(dt),
        batch_size=1,
        remat=remat,
        max_memory=max_memory,
    )
    moving, steps, start = None, [], time.perf_counter()
    windows = stream if window is None else list(_cut(stream, window))
    for i, part in enumerate(bar(windows, progress, "training", unit="window")):
        inputs, targets = samples(part, f"fit_stream.stream, window {i}", "steps")
        if moving is None:
            task, moving = begin(task, where, _changing(task, inputs, key), "fit_stream")
        moving, step, state = _update(task, moving, inputs, targets, state, key)
        steps.append(jax.device_get(step))
        if not np.isfinite(steps[-1].loss + steps[-1].penalty):
            raise ValueError(
                f"The loss is no longer finite in window {i}: {steps[-1].loss:g}. Try a "
                "smaller learning rate, optax.clip_by_global_norm or a shorter window."
            )
    if moving is None:
        raise ValueError("fit_stream.stream holds no window.")
    columns = jax.tree.map(lambda *xs: np.array(xs), *steps)
    norms = {name: np.sqrt(columns.squares[name]) for name in task.names}
    seconds = time.perf_counter() - start
    history = StreamHistory(columns.loss, columns.penalty, norms, seconds, state)
    return task.network(moving, inference=True), history


@eqx.filter_jit
def _update(task: Task, moving: Moving, inputs: Any, targets: Any, state: Any, key: Any):
    inputs = jax.tree.map(checks.as_float, inputs)
    return task.update(moving, inputs, targets, state=state, key=key)


def _cut(stream: Any, window: int) -> Iterator[tuple[Any, Any]]:
    inputs, targets = samples(stream, "fit_stream.stream", "steps")
    every, n = checks.count(window, "fit_stream.window"), length(inputs)
    for i in range(0, n, every):
        yield jax.tree.map(lambda x, i=i: x[i : i + every], (inputs, targets))


def _changing(task: Task, inputs: Any, key: Any) -> list[str]:
    changed: list[str] = []

    def once(task, inputs, key):
        inputs = jax.tree.map(checks.as_float, inputs)
        changed.extend(
            changed_leaves(task.model, task.run(task.model, inputs, key=key).state)
        )

    eqx.filter_eval_shape(once, task, inputs, key)
    return changed
