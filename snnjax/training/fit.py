"""The training loop."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.progress import bar
from snnjax.core.trainable import Where, trainable
from snnjax.training.losses import accuracy, rate_cross_entropy

Data = tuple[Any, Any]
M = TypeVar("M", bound=AbstractDynamics)


class History(NamedTuple):
    """What happened in training, one entry an epoch."""

    loss: np.ndarray  # mean over the epoch's batches
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    seconds: np.ndarray  # the first epoch includes compilation
    best_epoch: int  # counted from 0; the one whose parameters were kept


class _Setup(eqx.Module):
    """What stays the same over all epochs: how to encode, run and judge the network."""

    build: Callable = eqx.field(static=True)
    encode: Any
    augment: Any
    loss: Callable = eqx.field(static=True)
    optimizer: optax.GradientTransformation = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    def outputs(self, params, x, key):
        encode_key, init_key = jax.random.split(key)
        return run(self.build(params), self.encode(x, encode_key), self.dt, init_key)

    def batch_loss(self, params, x, y, key):
        return self.loss(self.outputs(params, x, key), y)

    @eqx.filter_jit
    def epoch(self, params, opt_state, x, y, order, key):
        """One pass over the batches of `order` [n_batches, batch_size]."""

        def batch(carry, rows):
            params, opt_state, key = carry
            key, now, vary = jax.random.split(key, 3)
            varied_x = x[rows] if self.augment is None else self.augment(x[rows], vary)
            loss, grads = jax.value_and_grad(self.batch_loss)(
                params, varied_x, y[rows], now
            )
            updates, opt_state = self.optimizer.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state, key), loss

        (params, opt_state, _), losses = jax.lax.scan(
            batch, (params, opt_state, key), order
        )
        return params, opt_state, losses.mean()

    @eqx.filter_jit
    def validate(self, params, x, y, key):
        outputs = self.outputs(params, x, key)
        return self.loss(outputs, y), accuracy(outputs, y)


def run(model: AbstractDynamics, inputs: Any, dt: float, key: Any = None) -> Any:
    """Outputs [time, batch, ...] of `model` for `inputs` [time, batch, ...], from rest."""
    state = model.init(inputs.shape[1:], key=key, dt=dt)
    return model.unroll(state, inputs, jnp.asarray(dt, inputs.dtype))[1]


@eqx.filter_jit
def evaluate(
    model: AbstractDynamics, data: Data, *, encode: Any, key: Any, dt: float = 1.0
):
    """(outputs [time, n, classes], accuracy) of `model` on `data`, encoded by `key`."""
    x, y = jnp.asarray(data[0]), jnp.asarray(data[1])
    encode_key, init_key = jax.random.split(key)
    outputs = run(model, encode(x, encode_key), dt, init_key)
    return outputs, accuracy(outputs, y)


def fit(
    model: M,
    data: Data,
    *,
    validation: Data,
    encode: Any,
    optimizer: optax.GradientTransformation,
    key: Any,
    where: Where = "*",
    augment: Callable | None = None,
    loss: Callable = rate_cross_entropy,
    epochs: int = 10,
    batch_size: int = 64,
    dt: float = 1.0,
    progress: bool = True,
) -> tuple[M, History]:
    """Train `model` by gradient; returns it as it was at its best validation epoch.

    - `data`, `validation`: (x [n, ...], labels [n]). `encode(x, key)`: inputs [time, n, ...].
    - `optimizer`: of optax; gradient clipping and schedules are parts of it.
    - `where`: names or patterns of the leaves to train, as in `trainable`; parameters with
      bounds stay within them.
    - `augment(x, key)`: varies the x of each training batch; not those of the validation.
    - `loss(outputs, labels)`: by default the cross-entropy of the mean output.
    - `key`: decides the order of the batches and the encoding. What is left of an epoch
      beyond whole batches is another part in each epoch.
    - `dt`: ms.

    The best epoch is the one of highest validation accuracy; of several, that of lowest
    validation loss.
    """
    checks.random_key(key, "fit.key")
    if epochs < 1:
        raise ValueError(f"fit.epochs must be at least 1, got {epochs}.")
    x, y = jnp.asarray(data[0]), jnp.asarray(data[1])
    if not 1 <= batch_size <= len(x):
        raise ValueError(f"fit.batch_size must be in 1 .. {len(x)}, got {batch_size}.")
    params, build = trainable(model, where)
    setup = _Setup(build, encode, augment, loss, optimizer, float(dt))
    opt_state = optimizer.init(params)
    n_batches = len(x) // batch_size
    best, best_epoch, chosen, log = (-np.inf, -np.inf), 0, params, []
    validate_key, key = jax.random.split(key)
    bars = bar(range(epochs), progress, "training", unit="epoch")
    for epoch in bars:
        start = time.perf_counter()
        order_key, batch_key = jax.random.split(jax.random.fold_in(key, epoch))
        order = jax.random.permutation(order_key, len(x))[: n_batches * batch_size]
        params, opt_state, mean_loss = setup.epoch(
            params, opt_state, x, y, order.reshape(n_batches, batch_size), batch_key
        )
        held_out = jnp.asarray(validation[0]), jnp.asarray(validation[1])
        val_loss, val_accuracy = setup.validate(params, *held_out, validate_key)
        row = [float(mean_loss), float(val_loss), float(val_accuracy)]
        if not np.isfinite(row).all():
            raise ValueError(
                f"The loss is no longer finite in epoch {epoch}: {row[0]:g} in training. "
                "Try a smaller learning rate or optax.clip_by_global_norm."
            )
        log.append([*row, time.perf_counter() - start])
        score = (row[2], -row[1])
        if score > best:
            best, best_epoch, chosen = score, epoch, params
        note = getattr(bars, "set_postfix", None)
        if note is not None:
            note(loss=f"{row[0]:.3f}", validation=f"{100 * row[2]:.1f} %")
    return build(chosen), History(*np.array(log).T, best_epoch)
