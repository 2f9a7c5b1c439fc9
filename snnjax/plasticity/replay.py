"""What a rule does to weights under given spikes, without a network."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.plasticity.rule import AbstractRule, RuleState, Signals


class Replayed(NamedTuple):
    """What `replay` returns."""

    weights: Float[Array, "n_pre n_post"]  # at the end
    history: Float[Array, "steps n_pre n_post"] | None
    state: RuleState


def replay(
    rule: AbstractRule,
    pre: Any,
    post: Any,
    dt: Any,
    *,
    weights: Any = 0.0,
    v: Any = None,
    history: bool = False,
    **modulators: Any,
) -> Replayed:
    """Weights after a rule has seen given spikes.

        rule = snn.plasticity.STDP(bounds=snn.plasticity.NoBounds())
        change = snn.plasticity.replay(rule, pre, post, dt=0.1).weights

    - `pre`, `post`: spikes of each step, [steps, n_pre] and [steps, n_post], or [steps] of one
      neuron. `dt`: ms.
    - `weights`: at the start, a number or [n_pre, n_post]. `history`: also those after each step.
    - `v`: potential of the targets, mV, [steps, n_post]. Others by name: what the rule needs,
      such as `target=` or `reward=`: a number, or one or [n_post] values a step.
    """
    pre, post = (_columns(x, name) for x, name in ((pre, "pre"), (post, "post")))
    if pre.shape[0] != post.shape[0]:
        raise ValueError(
            f"replay.pre and replay.post must have as many steps, got {pre.shape[0]} and "
            f"{post.shape[0]}."
        )
    checks.above(dt, 0, "replay.dt", "ms")
    n_steps, shape = pre.shape[0], (pre.shape[1], post.shape[1])
    w = jnp.broadcast_to(checks.finite(weights, "replay.weights"), shape)
    rule.bounds.check(w, "replay.weights")
    dtype = jnp.result_type(w, pre, post)
    each = {name: _steps(x, post.shape, name) for name, x in modulators.items()}
    v = None if v is None else _steps(v, post.shape, "v")
    state = rule.begin(w.astype(dtype), pre.shape[1:], post.shape[1:], dt)

    def one(carry, now):
        state, w = carry
        state, w = rule.step(state, Signals(now[0], now[1], w, now[2], now[3]), dt)
        return (state, w), w if history else None

    dt = jnp.asarray(dt, dtype)
    start = state, w.astype(dtype)
    (state, w), told = jax.lax.scan(one, start, (pre, post, each, v), n_steps)
    return Replayed(w, told, state)


def _columns(x: Any, name: str) -> Array:
    x = checks.finite(x, f"replay.{name}")
    if x.ndim not in (1, 2):
        raise ValueError(
            f"replay.{name} must be spikes of each step, [steps, neurons], got shape {x.shape}."
        )
    return x[:, None] if x.ndim == 1 else x


def _steps(x: Any, shape: tuple[int, ...], name: str) -> Array:
    x = checks.finite(x, f"replay.{name}")
    x = x[:, None] if x.ndim == 1 and x.shape[0] == shape[0] else x
    return jnp.broadcast_to(x, shape)
