"""Gradients computed forwards in time, in memory that does not grow with it."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.trainable import Constraint, Where, named_leaves, trainable
from snnjax.layers import Sequential
from snnjax.training.eligibility import AbstractRule, DiagonalRTRL, Step
from snnjax.training.eprop import EProp
from snnjax.training.ottt import OTTT

Loss = Callable[[Any, Any], Array]
Method = Literal["eprop", "ottt", "d-rtrl"] | AbstractRule
WEIGHTS = ("*weight", "*bias")
RULES = {"eprop": EProp, "ottt": OTTT, "d-rtrl": DiagonalRTRL}


class OnlineState(NamedTuple):
    """Where the next part of a sequence goes on."""

    model: Any
    traces: Any


class OnlineGradient(NamedTuple):
    """What `online_gradient` returns."""

    gradients: dict[str, Array]  # of the mean loss; by name, as `trainable` names params
    loss: Array  # mean over time
    state: OnlineState


class OnlineUpdate(NamedTuple):
    """What `online_update` returns."""

    model: Any
    loss: Array  # mean over time
    opt_state: Any
    state: OnlineState


def online_gradient(
    model: AbstractDynamics,
    inputs: Any,
    targets: Any,
    loss: Loss,
    dt: Any = 1.0,
    *,
    method: Method = "eprop",
    where: Where = WEIGHTS,
    constraints: dict[str, Constraint | None] | None = None,
    state: OnlineState | None = None,
    key: Any = None,
) -> OnlineGradient:
    """The gradient of the mean over time of `loss`, summed up on the way forwards.

    - `model`: a `Sequential`. `inputs`, `targets`: [time, batch, ...], one of each a step;
      labels that stay are `jnp.tile(labels, (n_steps, 1))`.
    - `loss(output, target)`: of one step, a number.
    - `method`: "eprop", "ottt", "d-rtrl", or a rule with settings of its own: see `EProp`,
      `OTTT` and `DiagonalRTRL` for what is exact and what is left out. Memory is one trace a
      sample and weight, with "ottt" one a sample and input, for any number of steps.
    - `where`, `constraints`: what is trained, as in `trainable`; the gradients are those of
      its `params`.
    - `state`: of an earlier part of the same sequence; the very first is taken as given.
    - `key`: for `model.init`. `dt`: ms.

    A pure function, used as `jax.value_and_grad` is:

        params, build = snn.trainable(net, ["*weight", "*bias"])

        @jax.jit
        def learn(params, opt_state, x, y):
            learned = snn.online_gradient(build(params), x, y, loss, method="d-rtrl")
            updates, opt_state = optimizer.update(learned.gradients, opt_state, params)
            return optax.apply_updates(params, updates), opt_state, learned.loss

    Raises `ValueError` for a model or leaf that the method cannot train.
    """
    still = lambda tree: jax.tree.map(jnp.zeros_like, tree)
    add_up = lambda grads, sums, params: (still(grads), jax.tree.map(jnp.add, sums, grads))
    end = online_update(
        model, inputs, targets, loss, optax.GradientTransformation(still, add_up), dt,
        method=method, where=where, constraints=constraints, state=state, key=key,
    )  # fmt: skip
    grads = jax.tree.map(lambda x: x / len(inputs), end.opt_state)
    return OnlineGradient(grads, end.loss, end.state)


def online_update(
    model: AbstractDynamics,
    inputs: Any,
    targets: Any,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    dt: Any = 1.0,
    *,
    opt_state: Any = None,
    method: Method = "eprop",
    where: Where = WEIGHTS,
    constraints: dict[str, Constraint | None] | None = None,
    state: OnlineState | None = None,
    key: Any = None,
) -> OnlineUpdate:
    """Learn from a sequence while it runs: `optimizer` changes the model in every step.

    `opt_state`: of an earlier part; all else as in `online_gradient`.
    """
    if not isinstance(model, Sequential):
        raise ValueError(
            f"online_gradient.model must be a Sequential, got {type(model).__name__}. Put it "
            "into one."
        )
    rule = method
    if not isinstance(rule, AbstractRule):
        rule = RULES[checks.one_of(method, RULES, "online_gradient.method")]()
    params, build = trainable(model, where, constraints=constraints)
    names, dtype = list(params), jnp.result_type(*params.values())
    inputs, targets = jax.tree.map(jnp.asarray, (inputs, targets))
    begin = model.init(inputs.shape[1:], key=key, dt=dt) if state is None else state.model
    dt = jnp.asarray(dt, dtype)
    if state is None:
        first = jax.tree.map(lambda x: x[0], (inputs, targets))
        shapes = jax.eval_shape(lambda: _backward(model, begin, first, loss, dt)[2][1:3])
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        state = OnlineState(begin, rule.init(model, names, Step(begin, *zeros, dt)))

    def one(carry, now):
        params, opt_state, state, total = carry
        model = build(params)
        after, error, step = _backward(model, state.model, now, loss, dt)
        traces, grads = rule.step(model, names, state.traces, step)
        bounded = lambda params: {n: named_leaves(build(params))[n] for n in names}
        (grads,) = jax.vjp(bounded, params)[1](grads)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        return (params, opt_state, OnlineState(after, traces), total + error), None

    opt_state = optimizer.init(params) if opt_state is None else opt_state
    start = params, opt_state, state, jnp.zeros((), dtype)
    (params, opt_state, state, total), _ = jax.lax.scan(one, start, (inputs, targets))
    return OnlineUpdate(build(params), total / len(inputs), opt_state, state)


def _backward(model, states, now, loss, dt) -> tuple[Any, Array, Step]:
    """One step of the model, and backwards through its layers, not through time."""
    (x, target), inputs, pulls, after = now, [], [], []
    x = x.astype(dt.dtype)  # here, so that spikes wait as the bits they came as
    for layer, state in zip(model.layers, states, strict=True):
        inputs.append(x)
        run = lambda x, layer=layer, state=state: layer.step(state, x, dt)[::-1]
        x, pull, new = jax.vjp(run, x, has_aux=True)
        pulls.append(pull)
        after.append(new)
    error, signal = jax.value_and_grad(loss)(x, target)
    signals = [signal]
    for pull in reversed(pulls[1:]):
        signals.append(*pull(signals[-1]))
    return tuple(after), error, Step(states, tuple(inputs), tuple(signals[::-1]), dt)
