"""Refusing, before anything is compiled, what cannot be trained."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.parameters import parameters
from snnjax.core.trainable import named_leaves, trainable
from snnjax.training.losses import (
    accuracy,
    first_spike_cross_entropy,
    last_step_cross_entropy,
    max_cross_entropy,
    rate_cross_entropy,
    spike_count_mse,
)
from snnjax.training.task import Moving, Task, length, named_arrays

# What takes one class label a sample, as such or through functools.partial.
LABELLED = (
    accuracy,
    first_spike_cross_entropy,
    last_step_cross_entropy,
    max_cross_entropy,
    rate_cross_entropy,
    spike_count_mse,
)


def samples(data: Any, name: str, what: str = "samples") -> tuple[Any, Any]:
    """`data` = (x, y) as arrays on the device; refuses unequal lengths and what is no number."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError(f"{name} must be a pair (x, y), got {type(data).__name__}.")
    x, y = (jax.tree.map(jnp.asarray, part) for part in data)
    shapes = [leaf.shape for leaf in jax.tree.leaves((x, y))]
    if len({shape[:1] for shape in shapes}) != 1 or shapes[0][:1] in ((), (0,)):
        raise ValueError(
            f"{name} must hold x and y of the same number of {what}, at least one, along "
            f"their first axis; got shapes {shapes}."
        )
    # A time of infinity is a spike that is not to be, so targets may be infinite.
    for part, bad, word in (
        (x, lambda a: ~jnp.isfinite(a), "finite"),
        (y, jnp.isnan, "numbers"),
    ):
        for leaf in jax.tree.leaves(part):
            if jnp.issubdtype(leaf.dtype, jnp.inexact):
                rows = bad(leaf).reshape(len(leaf), -1).any(1)
                if rows.any():
                    which = "x" if part is x else "y"
                    raise ValueError(
                        f"{name}: {which} must be {word}, number {int(rows.argmax())} is not "
                        f"({int(rows.sum())} of {len(leaf)})."
                    )
    return x, y


def weights_and_biases(model: Any) -> list[str]:
    """The leaves named `weight...` or `bias...` that are not parameters of a neuron."""
    declared = {name for name, _, _ in parameters(model)}
    own = lambda name: name.rsplit(".", 1)[-1].startswith(("weight", "bias"))
    names = [n for n in named_leaves(model) if own(n) and n not in declared]
    if not names:
        raise ValueError(
            "where=None trains weights and biases, and this model has none. Name what to "
            f"train; it has {', '.join(named_leaves(model))}."
        )
    return names


def changed_leaves(model: Any, state: Any) -> list[str]:
    """Names of the arrays of `model` that a run which ended in `state` has changed itself."""
    before, after = named_arrays(model), named_arrays(model.absorb(state))
    return [name for name in before if after[name] is not before[name]]


def begin(task: Task, where: Any, changing: list[str], who: str) -> tuple[Task, Moving]:
    """The task with the names of the leaves it trains, and where these start from.

    What a run changes itself (`changing`) is not trained.
    """
    chosen = weights_and_biases(task.model) if where is None else where
    params = trainable(task.model, chosen).params
    params = {name: x for name, x in params.items() if name not in changing}
    if not params:
        raise ValueError(
            f"{who}.where names only {', '.join(changing)}, which the run itself changes: "
            "there is nothing to train."
        )
    arrays = named_arrays(task.model)
    absorbed = {name: arrays[name] for name in changing}
    moving = Moving(params, absorbed, task.optimizer.init(params))
    return dataclasses.replace(task, names=tuple(params)), moving


def rehearse(task: Task, data: tuple[Any, Any], key: Any, who: str) -> list[str]:
    """Run one batch without numbers; names of the leaves that a run itself changes.

    Refuses an `encode`, `augment`, loss, score or regulariser whose result has the wrong
    shape, and labels that are none.
    """
    size = min(task.batch_size, length(data[0]))
    part = jax.tree.map(lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype), data)
    changed: list[str] = []
    classes: list[int] = []

    def once(task, x, y, key):
        net = task.model
        if task.augment is not None:
            varied = task.augment(x, key)
            _same_length(varied, x, size, f"{who}.augment")
            x = varied
        flat = task.encode is None and any(a.ndim < 2 for a in jax.tree.leaves(x))
        inputs = x if flat else task.inputs(x, key)
        shapes = [a.shape for a in jax.tree.leaves(inputs)]
        if any(len(s) < 2 or s[1] != size for s in shapes):
            raise ValueError(
                f"{who}.{'encode' if task.encode else 'data'} must give inputs "
                f"[time, batch, ...] with a batch of {size}, got shapes {shapes}."
                + (" Without encode, x is [n, time, ...]." if task.encode is None else "")
            )
        run = task.run(net, inputs, key=key)
        changed.extend(changed_leaves(net, run.state))
        classes.extend(a.shape[-1] for a in jax.tree.leaves(run.outputs)[:1] if a.ndim > 2)
        _labels(task, data[1], classes, who)
        scalars = {f"{who}.loss": task.loss(run.outputs, y)}
        for i, regulariser in enumerate(task.regularisers):
            scalars[f"{who}.regularisers.{i}"] = regulariser(run.layers)
        if task.score is not None:
            scalars[f"{who}.score"] = task.score(run.outputs, y)
        for name, value in scalars.items():
            if jnp.shape(value) != ():
                raise ValueError(
                    f"{name} must give one number, got shape {jnp.shape(value)}."
                )

    eqx.filter_eval_shape(once, task, *part, key)
    return changed


def _same_length(got: Any, x: Any, size: int, name: str) -> None:
    shapes = [jnp.shape(a) for a in jax.tree.leaves(got)]
    if any(s[:1] != (size,) for s in shapes):
        raise ValueError(f"{name} must keep the {size} samples of a batch, got {shapes}.")


def _labels(task: Task, y: Any, classes: list[int], who: str) -> None:
    used = [getattr(f, "func", f) for f in (task.loss, task.score)]
    names = [f.__name__ for f in used if f in LABELLED]
    if not names:
        return
    leaves = jax.tree.leaves(y)
    if (
        len(leaves) != 1
        or leaves[0].ndim != 1
        or not jnp.issubdtype(leaves[0].dtype, jnp.integer)
    ):
        raise ValueError(
            f"{who}: {names[0]} takes labels, whole numbers [n], got y of "
            f"{[(a.shape, str(a.dtype)) for a in leaves]}. Give integers, or another loss and "
            "score (score=None judges by the validation loss)."
        )
    labels = np.asarray(leaves[0])
    if classes and (labels.min() < 0 or labels.max() >= classes[0]):
        raise ValueError(
            f"{who}: labels must be in 0 .. {classes[0] - 1}, as the network has {classes[0]} "
            f"outputs; got {labels.min()} .. {labels.max()}."
        )
