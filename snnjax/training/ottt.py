"""Online training through time."""

import jax
import jax.numpy as jnp

from snnjax.core.neuron import AbstractNeuron
from snnjax.training.eligibility import AbstractRule, is_cell, leaf, place, put


class OTTT(AbstractRule):
    r"""Online training through time: presynaptic traces and backpropagation within the step.

    $$\hat a_t = \lambda \hat a_{t-1} + a_t, \quad
    dE/dW \approx \sum_t (\partial E_t / \partial x_t) \, \hat a_t^T$$

    a is what comes into the layer of weights, x what goes from there into the neurons, and
    $\lambda$ the decay of their v, without a spike, in a step. It leaves out resets, and the
    states of the layers above, and needs one trace an input, not one a weight. Layers of
    weights may be any that have no state (convolutions among them); it is meant for LIF, and
    exact for the last layer of those with detached, subtractive reset and no refractoriness.
    Xiao et al. 2022, NeurIPS.
    """

    def init(self, model, names, step):
        places = {place(n) for n in names}
        for name in names:
            i = place(name)
            if is_cell(model.layers[i]) or step.states[i] != ():
                raise ValueError(
                    f"method='ottt' trains layers of weights without a state, which "
                    f"{name} is not part of. Leave it out of where, or use method='d-rtrl'."
                )
            _decay(model, i, step.dt)
        return {
            i: (jnp.zeros_like(step.inputs[i]), jnp.zeros((), step.inputs[i].dtype))
            for i in sorted(places)
        }

    def step(self, model, names, traces, step):
        new, grads = {}, {}
        for i, (trace, count) in traces.items():
            decay = _decay(model, i, step.dt).astype(trace.dtype)
            trace, count = decay * trace + step.inputs[i], decay * count + 1
            new[i] = trace, count
            own = {n: leaf(model, n) for n in names if place(n) == i}

            # Weighted by `count`, an affine layer answers to the trace with a trace of itself.
            def answer(own, trace=trace, count=count, i=i):
                layer = put(model, own).layers[i]
                return count * layer.step((), trace / count, step.dt)[1]

            (more,) = jax.vjp(answer, own)[1](step.signals[i])
            grads |= more
        return new, grads


def _decay(model, i, dt):
    """What is left of v after a step, in the neurons that layer i drives."""
    cell = next((layer for layer in model.layers[i + 1 :] if is_cell(layer)), None)
    if not isinstance(cell, AbstractNeuron) or cell.shape() not in ((), (1,)):
        raise ValueError(
            "method='ottt' needs neurons above every trained layer, with one value of each "
            f"parameter and not Recurrent, got {cell!r}. Use method='d-rtrl'."
        )
    state = cell.init(cell.shape(), dt=dt)
    if set(cell.derivative(state, state.v)) != {"v"}:
        raise ValueError(
            f"method='ottt' needs neurons with no variable but v, got {type(cell).__name__}. "
            "Use method='d-rtrl'."
        )
    step = lambda v: cell.step(state._replace(v=v), jnp.zeros_like(v), dt)[0].v
    return jnp.sum(jax.jvp(step, (state.v,), (jnp.ones_like(state.v),))[1])
