"""Training by gradient: what is asked for, checked and put together."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import numpy as np
import optax

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.trainable import Where
from snnjax.training.checkpoint import Checkpoint, digest, habits, name_of
from snnjax.training.history import Epoch, History
from snnjax.training.loop import Training
from snnjax.training.losses import accuracy, rate_cross_entropy
from snnjax.training.rehearsal import begin, rehearse, samples
from snnjax.training.task import Moving, Task, length, mesh_of

Data = tuple[Any, Any]
M = TypeVar("M", bound=AbstractDynamics)


def fit(
    model: M,
    data: Data,
    *,
    optimizer: optax.GradientTransformation,
    key: Any,
    loss: Callable = rate_cross_entropy,
    regularisers: Sequence[Callable] = (),
    validation: Data | None = None,
    score: Callable | None = accuracy,
    encode: Callable | None = None,
    augment: Callable | None = None,
    where: Where | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    dt: float = 1.0,
    patience: int | None = None,
    callbacks: Iterable[Callable[[Epoch], bool | None]] = (),
    checkpoint: Any = None,
    checkpoint_every: int = 1,
    devices: int | Sequence[Any] | None = None,
    remat: int | Literal["sqrt"] | None = None,
    max_memory: float | None = None,
    progress: bool = True,
) -> tuple[M, History]:
    r"""Train `model` by gradient; returns it as it was at its best epoch, and the history.

    Each batch moves what `where` names by `optimizer` along the gradient of
    `loss(outputs, y)` plus the regularisers, and what the run itself has changed (running
    averages: `model.absorb`) goes into the model. Training is in training mode whatever the
    `inference` fields of `model` say; validation and **the model returned are in inference
    mode** (`eqx.nn.inference_mode(model, False)` turns it back). `model` itself is not changed.

    **The data**

    - `data`, `validation`: (x, y), arrays or trees of arrays whose first axis counts samples.
    - `encode(x, key)`: inputs [time, batch, ...] of samples x [batch, ...]. None: x is
      [n, time, ...] already. What is not float becomes float, batch by batch.
    - `augment(x, key)`: varies the x of each training batch; not those of the validation.
    - `batch_size`: samples an update. What is left of an epoch beyond whole batches is left
      out, another part in each epoch; validation uses all, its last batch may be smaller.

    **What is minimised, and what chooses**

    - `loss(outputs, y)`: of outputs [time, batch, ...], a number; a mean over the batch.
    - `regularisers`: each a function of {name of a part: its outputs [time, batch, ...]}.
    - `optimizer`: of optax; gradient clipping and schedules are parts of it.
    - `where`: names or patterns of the leaves to train, as in `trainable`; None is all weights
      and biases. Parameters with bounds stay within them; leaves that a run changes itself
      are not trained, whatever `where` says.
    - `score(outputs, y)`: more is better. The best epoch has the highest validation score; of
      several, that of lowest validation loss, and then the earliest. `score=None`: that of
      lowest validation loss. Without validation the last epoch is kept.
    - `epochs`: at most. `patience`: stop after so many epochs without a better one.
    - `callbacks`: each is called with the `Epoch` just finished; one that returns True ends
      the training. What they raise is passed on.
    - `key`: decides order of batches, encoding, augmentation and masks. `dt`: ms.

    **Long and large**

    - `checkpoint`: a folder. After every `checkpoint_every` epochs all that training needs is
      written there; called again with the same arguments, also by another process after this
      one was killed, `fit` goes on behind the last epoch written, with the same numbers bit
      for bit. `epochs`, `patience`, `callbacks`, `devices`, `remat` and `max_memory` may
      differ; another model, data, key, loss, optimiser... is refused. Functions are told
      apart by name, optimisers by what they do.
    - Ctrl-C after a first whole epoch ends the training with a warning and returns the best
      model so far.
    - `devices`: how many, or which, to split each batch over; see `use_cores`. Data and
      parameters are on each. Must divide `batch_size`.
    - `remat`, `max_memory`: less memory for more time, as in `unroll`.

    A second call whose model, shapes and functions are the same compiles nothing; that takes
    the same `optimizer`, `loss`, ... objects: `optax.adam(1e-3)` written anew is another one.

    Raises `ValueError` for data, labels or functions that do not fit, and when the loss is no
    longer finite.
    """
    require_model(model, "fit.model")
    checks.random_key(key, "fit.key")
    epochs = _at_least_one(epochs, "epochs")
    every = _at_least_one(checkpoint_every, "checkpoint_every")
    if patience is not None:
        patience = _at_least_one(patience, "patience")
        if validation is None:
            raise ValueError("fit.patience needs validation=(x, y), which it waits for.")
    data = samples(data, "fit.data")
    held_out = None if validation is None else samples(validation, "fit.validation")
    n = length(data[0])
    if not 1 <= batch_size <= n:
        raise ValueError(
            f"fit.batch_size must be in 1 .. {n}, the number of samples, got {batch_size}."
        )
    task = Task(
        model=eqx.nn.inference_mode(model, False),
        encode=encode,
        augment=augment,
        loss=loss,
        regularisers=tuple(regularisers),
        score=score,
        optimizer=optimizer,
        names=(),  # not known yet
        dt=float(dt),
        batch_size=int(batch_size),
        remat=remat,
        max_memory=max_memory,
        mesh=mesh_of(devices, batch_size),
    )
    changing = rehearse(task, data, key, "fit")
    if held_out is not None:
        still = eqx.nn.inference_mode(model)
        judge = dataclasses.replace(task, model=still, augment=None, regularisers=())
        rehearse(judge, held_out, key, "fit.validation")
    task, moving = begin(task, where, changing, "fit")
    saved = None
    if checkpoint is not None:
        saved = Checkpoint(checkpoint, _made_by(task, moving, data, held_out, key))
    training = Training(task, data, held_out, key, epochs, patience, tuple(callbacks))
    return training.run(moving, saved, every, progress)


def _at_least_one(n: Any, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"fit.{name} must be at least 1, got {n}.")
    return int(n)


def _made_by(task: Task, moving: Moving, data, held_out, key) -> dict[str, Any]:
    """What decides the numbers of a training, by name, for its checkpoint."""
    return {
        "model": digest(task.model),
        "data": digest(data),
        "validation": digest(held_out),
        "key": np.asarray(_key_data(key)).tolist(),
        "optimizer": habits(task.optimizer, moving.params),
        "where": list(task.names),
        "batch_size": task.batch_size,
        "dt": task.dt,
        "loss": name_of(task.loss),
        "score": name_of(task.score),
        "regularisers": name_of(task.regularisers),
        "encode": name_of(task.encode),
        "augment": name_of(task.augment),
    }


def _key_data(key: Any) -> Any:
    return jax.random.key_data(key) if checks.is_key(key) else key
