"""A whole sequence of a neuron, and its gradient, in little memory.

Autodiff of a scan would keep every array that a step makes. Of a linear neuron the way back
needs one trace: the state before any reset. Spikes and surrogate slopes follow from it, and
the inputs need not be kept.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from snnjax.core.backend import trace_dtype
from snnjax.core.base import AbstractDynamics


def unroll(neuron: Any, state: Any, inputs: Any, dt: Any, feedback: Any = None) -> Any:
    """The method `unroll` of neurons: the leanest way there is for this one.

    `feedback`, a layer without a state, adds what it makes of each step's spikes to the next
    step's input; `state` is then (neuron's, spikes of the step before).
    """
    own = state if feedback is None else state[0]
    plain = feedback is None or not jax.tree.leaves(feedback.init(state[1].shape))
    linear = getattr(neuron, "linear_advance", False) and not neuron.stochastic
    if linear and plain and own.refractory is None and _fits(inputs, own.v):
        n_steps, *shape = inputs.shape
        ones = (1,) * (own.v.ndim - len(shape))
        inputs = inputs.reshape(n_steps, *ones, *shape).astype(own.v.dtype)
        inputs = jnp.broadcast_to(inputs, (n_steps, *own.v.shape))
        return _by_trace(neuron, feedback, dt, state, inputs)
    return _recomputed(neuron, feedback, dt, state, inputs)


def step(neuron: Any, feedback: Any, dt: Any, state: Any, input: Any) -> tuple[Any, Any]:
    """One step of `neuron`, whose own spikes come back to it through `feedback`, if any."""
    if feedback is None:
        return neuron.step(state, input, dt)
    own, spikes = state
    own, spikes = neuron.step(own, input + _through(feedback, spikes, dt), dt)
    return (own, spikes), spikes


def _through(feedback: AbstractDynamics, spikes: Any, dt: Any) -> Any:
    return feedback.unroll((), spikes[None], dt)[1][0]


def _fits(inputs, v) -> bool:
    if not eqx.is_array(inputs):
        return False
    try:
        return np.broadcast_shapes(inputs.shape[1:], v.shape) == v.shape
    except ValueError:
        return False  # refused by name where it is used


def _recomputed(neuron, feedback, dt, state, inputs):
    """A scan of `step`; the gradient keeps states and inputs, and runs each step again."""
    one = jax.checkpoint(lambda s, x: step(neuron, feedback, dt, s, x), prevent_cse=False)
    return lax.scan(one, state, inputs)


def _by_trace(neuron, feedback, dt, state, inputs):
    """The same for a neuron whose `advance` is linear in state and input.

    It has reverse mode only. The gradient of the neuron's own parameters, if one is asked for,
    comes from `_recomputed`.
    """
    args = (neuron, feedback, jnp.asarray(dt, inputs.dtype), state, inputs)
    arrays, static = eqx.partition(args, eqx.is_inexact_array)

    @jax.custom_vjp
    def run(arrays):
        return _forward(*eqx.combine(arrays, static))[:2]

    def forward(arrays):
        perturbed = jax.tree.map(lambda x: x.perturbed, arrays)
        arrays = jax.tree.map(lambda x: x.value, arrays)
        if any(jax.tree.leaves((perturbed[0], perturbed[2]))):
            return jax.vjp(lambda arrays: _recomputed(*eqx.combine(arrays, static)), arrays)
        state, spikes, trace = _forward(*eqx.combine(arrays, static))
        last = None if feedback is None else (arrays[3][1], spikes)
        return (state, spikes), (*arrays[:3], trace, last)

    def backward(kept, grads):
        grads = jax.tree.map(_zeros, grads, is_leaf=lambda g: isinstance(g, SymbolicZero))
        if callable(kept):
            return kept(grads)
        neuron, feedback, dt = eqx.combine(kept[:3], static[:3])
        g_state, g_inputs, g_feedback = _backward(neuron, feedback, dt, *kept[3:], *grads)
        zeros = jax.tree.map(jnp.zeros_like, (kept[0], kept[2]))
        return ((zeros[0], g_feedback, zeros[1], g_state, g_inputs),)

    run.defvjp(forward, backward, symbolic_zeros=True)
    return run(arrays)


def _zeros(g):
    return jnp.zeros(g.shape, g.dtype) if isinstance(g, SymbolicZero) else g


def _forward(neuron, feedback, dt, state, inputs):
    """Last state, spikes, and every state before its reset."""
    dtype = trace_dtype(getattr(neuron, "trace_dtype", None), inputs.dtype)
    narrow = dtype != inputs.dtype

    def body(state, x):
        own, last = (state, None) if feedback is None else state
        if feedback is not None:
            x = x + _through(feedback, last, dt)
        # Written to memory once: without the barrier XLA computes it again for each use.
        free = lax.optimization_barrier(neuron.advance(own, x, dt))
        own, spikes = neuron.fire(free, free, dt)
        kept = _shifted(neuron, free, -1) if narrow else free
        kept = jax.tree.map(lambda x: x.astype(dtype), kept)
        return own if feedback is None else (own, spikes), (spikes, kept)

    state, (spikes, trace) = _scan(body, state, inputs)
    return state, spikes, trace


def _backward(neuron, feedback, dt, trace, spikes, g_state, g_spikes):
    """Gradients of the first state, of the inputs and of `feedback`."""
    dtype = g_spikes.dtype
    narrow = trace.v.dtype != dtype

    def body(g_state, kept):
        free, g_s = kept
        if narrow:
            free = jax.tree.map(lambda x: x.astype(dtype), free)
            free = _shifted(neuron, free, 1)
        g_own, g_last = (g_state, None) if feedback is None else g_state
        if feedback is not None:
            g_s = g_s + g_last
        _, fire_back = jax.vjp(lambda free: neuron.fire(free, free, dt), free)
        (g_free,) = lax.optimization_barrier(fire_back((g_own, g_s)))
        # Linear, so it does not matter where: any state and input will do.
        _, advance_back = jax.vjp(lambda s, x: neuron.advance(s, x, dt), free, free.v)
        g_own, g_x = advance_back(g_free)
        if feedback is None:
            return g_own, g_x
        _, through_back = jax.vjp(lambda s: _through(feedback, s, dt), g_s)
        return (g_own, *through_back(g_x)), g_x

    g_state, g_inputs = _scan(body, g_state, (trace, g_spikes), reverse=True)
    if feedback is None:
        return g_state, g_inputs, None
    # What the weights get is one product over time and batch, not one in each step.
    first, rest = spikes
    before = jnp.concatenate([first[None], rest[:-1]])
    arrays, static = eqx.partition(feedback, eqx.is_inexact_array)
    sent = lambda arrays: eqx.combine(arrays, static).unroll((), before, dt)[1]
    _, weights_back = jax.vjp(sent, arrays)
    return g_state, g_inputs, weights_back(g_inputs)[0]


def _shifted(neuron, free, sign):
    """`free` with v counted from the threshold, where rounding cannot turn its sign."""
    return free._replace(v=free.v + sign * neuron.threshold.level)


def _scan(body, carry, xs, reverse=False):
    """As `lax.scan`, without the copies that it costs to start every output from zeros.

    XLA makes one array of equal zeros, and a copy of it for each output. Here no two outputs
    start from the same value.
    """
    leaves = jax.tree.leaves(xs)
    if any(axis is not None for axis in jax.typeof(leaves[0]).sharding.spec):
        return lax.scan(body, carry, xs, reverse=reverse)  # types that name devices
    n_steps = len(leaves[0])
    read = lambda t: jax.tree.map(
        lambda x: lax.dynamic_index_in_dim(x, t, 0, keepdims=False), xs
    )
    rows, tree = jax.tree.flatten(jax.eval_shape(lambda c: body(c, read(0))[1], carry))
    # What comes last: on the way back, gradients, before which no memory is to be taken.
    corner = (slice(1),) * leaves[-1].ndim
    start = leaves[-1][corner].sum()  # a population may be empty
    ys = [
        jnp.full((n_steps, *row.shape), start + i, row.dtype) for i, row in enumerate(rows)
    ]

    def step(i, carry):
        carry, ys = carry
        t = n_steps - 1 - i if reverse else i
        carry, new = body(carry, read(t))
        write = lambda y, row: lax.dynamic_update_index_in_dim(y, row, t, 0)
        return carry, [*map(write, ys, jax.tree.leaves(new))]

    carry, ys = lax.fori_loop(0, n_steps, step, (carry, ys))
    return carry, jax.tree.unflatten(tree, ys)
