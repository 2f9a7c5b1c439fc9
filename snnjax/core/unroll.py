"""A whole sequence at once, for training: batched, and within a bound of memory."""

import math
from collections import OrderedDict
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model


class Rollout(NamedTuple):
    """What `unroll` returns; all of it time first."""

    outputs: Any  # [time, ...]
    layers: dict[str, Any]  # of every part by dotted name, in order, if asked for
    state: Any  # after the last step


def unroll(
    model: AbstractDynamics,
    inputs: Any,
    dt: Any = 1.0,
    *,
    state: Any = None,
    key: Any = None,
    layers: bool = False,
    remat: int | Literal["sqrt"] | None = None,
    max_memory: float | None = None,
) -> Rollout:
    """Run `model` on `inputs` [time, ...] layer by layer, to be differentiated.

    The numbers are those of `model.step` in a loop, to rounding. Use `simulate` for long runs,
    recorders and progress; this is the function inside a loss.

    - `dt`: ms. `state`: where to start; by default `model.init`, given `key`.
    - `layers`: also return the outputs of every part.
    - `remat`: keep the state only once every so many steps and run the part between again on
      the way back; "sqrt" is every sqrt(time) steps. One forward run more, for memory of
      order `remat + time / remat` instead of `time`.
    - `max_memory`: bytes that what is kept for the gradient may take; chooses `remat`, none
      if all fits. It counts what autodiff stores and as much again for the gradients of that,
      not `inputs` and `outputs` themselves.
    """
    require_model(model, "unroll.model")
    n_steps = _length(inputs)
    if state is None:
        shape = _batch(inputs) if model.sized else _shape(inputs)
        state = model.init(shape, key=key, dt=dt)
    dt = jnp.asarray(dt, jnp.result_type(float))
    method = _with_layers(model) if layers else _without_layers(model)
    every = _every(method, state, inputs, dt, n_steps, remat, max_memory)
    if every is None or every >= n_steps:
        state, outputs = method(state, inputs, dt)
    else:
        _require_pieces(model)
        state, outputs = _in_pieces(method, state, inputs, dt, n_steps, every)
    return Rollout(list(outputs.values())[-1], outputs if layers else {}, state)


def _require_pieces(model) -> None:
    whole = lambda x: isinstance(x, AbstractDynamics) and x.whole_sequence
    for part in jax.tree.leaves(model, is_leaf=whole):
        if whole(part):
            raise ValueError(
                f"unroll.remat or max_memory cuts the sequence into pieces, but "
                f"{type(part).__name__} needs all of it at once. Leave them out, or use a "
                "smaller batch."
            )


def _length(inputs) -> int:
    lengths = {x.shape[0] if jnp.ndim(x) else 0 for x in jax.tree.leaves(inputs)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "unroll.inputs must be arrays [time, ...] of the same, nonzero number of steps, got "
            f"shapes {[jnp.shape(x) for x in jax.tree.leaves(inputs)]}."
        )
    return lengths.pop()


def _shape(inputs):
    """The shape of one step's input; one a name where inputs are named."""
    if isinstance(inputs, dict):
        return {name: _shape(x) for name, x in inputs.items()}
    return jax.tree.leaves(inputs)[0].shape[1:]


def _batch(inputs) -> tuple[int, ...]:
    """The axes between time and neurons."""
    return np.broadcast_shapes(*(x.shape[1:-1] for x in jax.tree.leaves(inputs)))


def _with_layers(model):
    def method(state, inputs, dt):
        state, outputs = model.unroll_all(state, inputs, dt)
        # Out of scan and jit a plain dict comes sorted by name, and the whole is the last.
        return state, OrderedDict(outputs)

    return method


def _without_layers(model):
    def method(state, inputs, dt):
        state, outputs = model.unroll(state, inputs, dt)
        return state, {"": outputs}

    return method


def _in_pieces(method, state, inputs, dt, n_steps, every):
    again = jax.checkpoint(lambda state, part: method(state, part, dt), prevent_cse=False)
    whole = n_steps // every * every
    cut = lambda x: x[:whole].reshape(whole // every, every, *x.shape[1:])
    state, outputs = jax.lax.scan(again, state, jax.tree.map(cut, inputs))
    outputs = jax.tree.map(lambda x: x.reshape(whole, *x.shape[2:]), outputs)
    if whole < n_steps:
        state, rest = again(state, jax.tree.map(lambda x: x[whole:], inputs))
        outputs = jax.tree.map(lambda *xs: jnp.concatenate(xs), outputs, rest)
    return state, outputs


def _every(method, state, inputs, dt, n_steps, remat, max_memory) -> int | None:
    if remat is not None and max_memory is not None:
        raise ValueError("unroll takes remat or max_memory, not both.")
    if remat == "sqrt":
        return math.isqrt(n_steps - 1) + 1
    if remat is not None:
        return checks.count(remat, "unroll.remat")
    if max_memory is None:
        return None
    with jax.ensure_compile_time_eval():  # a number, under jit too
        budget = float(checks.positive(max_memory, "unroll.max_memory", "bytes"))
    kept, held = _bytes(method, state, inputs, dt)
    if kept * n_steps <= budget:
        return None
    need = lambda every: kept * every + held * math.ceil(n_steps / every)
    fits = [every for every in range(n_steps, 0, -1) if need(every) <= budget]
    if not fits:
        best = min(range(1, n_steps + 1), key=need)
        raise ValueError(
            f"unroll.max_memory={max_memory:g} bytes is too little: with the state kept every "
            f"{best} of {n_steps} steps the gradient still needs {need(best):g} bytes. Give "
            "that much, a smaller batch or fewer steps."
        )
    return fits[0]


def _bytes(method, state, inputs, dt) -> tuple[float, float]:
    """Bytes that the gradient needs for one step, and those of one state."""

    def kept(n):
        part = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((n, *x.shape[1:]), x.dtype), inputs
        )
        residuals = jax.eval_shape(
            lambda state, part: jax.vjp(method, state, part, dt)[1], state, part
        )
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(residuals))

    held = sum(x.nbytes for x in jax.tree.leaves(state) if hasattr(x, "nbytes"))
    return max(kept(4) - kept(2), 1), held  # of two steps: one for what passes back
