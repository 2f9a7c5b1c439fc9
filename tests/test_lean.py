"""The memory-lean whole-sequence form of neurons: the same numbers and gradients as a scan."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
import snnjax.core.backend
from snnjax.core.base import AbstractDynamics

UNIT = dict(tau_m=9.0, g_l=0.2, e_l=0.1, v_reset=0.05, t_ref=None, threshold=1.0)
NEURONS = {
    "decay": snn.LIF.from_decay(0.9),
    "value": snn.LIF(**UNIT),
    "value attached": snn.LIF(**UNIT, detach_reset=False),
    "none": snn.LIF(**UNIT, reset_mode="none"),
    "subtract attached": snn.LIF(**UNIT, reset_mode="subtract", detach_reset=False),
    "one tau each": snn.LIF(**{**UNIT, "tau_m": np.linspace(3, 9, 4)}),
    "adaptive": snn.AdaptiveLIF(**UNIT, beta=0.2),
    "synaptic": snn.CubaLIF(**UNIT, bias=0.05, detach_reset=False),
    "smooth": snn.relax(snn.LIF(**UNIT, detach_reset=False)),
    "refractory": snn.LIF(**{**UNIT, "t_ref": 2.0}),
    "izhikevich": snn.Izhikevich.fast_spiking(),
}
PARTS = {"inputs": (2,), "state and inputs": (1, 2), "all": (0, 1, 2)}


def scanned(model, state, inputs):
    return AbstractDynamics.unroll(model, state, inputs, jnp.asarray(1.0))


def lean(model, state, inputs):
    return model.unroll(state, inputs, jnp.asarray(1.0))


def loss(method, model, state, inputs):
    state, spikes = method(model, state, inputs)
    last = sum(jnp.sum(x**2) for x in jax.tree.leaves(state))
    return jnp.sum(jnp.cumsum(spikes, 0) ** 2) / 10 + last


def close(actual, expected):
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        scale = np.abs(e).max() + 1e-30
        np.testing.assert_allclose(a / scale, e / scale, atol=1e-11)


@pytest.fixture
def inputs(key):
    return jax.random.normal(key, (33, 3, 4))


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("part", PARTS)
def test_a_neuron_has_the_gradients_of_a_scan(name, part, inputs):
    neuron = NEURONS[name]
    inputs = inputs * (20 if name == "izhikevich" else 1)
    args = neuron, neuron.init((3, 4)), inputs
    spikes = lean(*args)[1]
    assert spikes.sum() > 5
    np.testing.assert_array_equal(spikes, scanned(*args)[1])
    grad = lambda method: jax.jit(jax.grad(lambda *args: loss(method, *args), PARTS[part]))
    expected = grad(scanned)(*args)
    assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(expected[-1])) > 0
    close(grad(lean)(*args), expected)


def recurrent(key, structured):
    weight = 0.6 * jax.random.normal(key, (4, 4))
    if not structured:
        return snn.Recurrent(NEURONS["adaptive"], weight)
    conv = snn.Conv1d(1, 1, 3, padding="same", key=key, bias=False)
    along = snn.Stateless(lambda x: conv(x[..., None])[..., 0])
    return snn.Recurrent(NEURONS["adaptive"], along)


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_a_recurrent_layer_has_the_gradients_of_a_scan(key, structured, part, inputs):
    model = recurrent(key, structured)
    start = model.init((3, 4))._replace(spikes=jnp.ones((3, 4)))
    args = model, start, inputs
    np.testing.assert_array_equal(lean(*args)[1], scanned(*args)[1])
    grad = lambda method: jax.jit(jax.grad(lambda *args: loss(method, *args), PARTS[part]))
    close(grad(lean)(*args), grad(scanned)(*args))


def test_weights_alone_are_trained_without_touching_the_neuron(key, inputs):
    model = recurrent(key, False)
    params, build = snn.trainable(model, "weight")
    start = model.init((3, 4))
    grad = lambda method: jax.grad(lambda p: loss(method, build(p), start, inputs))(params)
    expected = grad(scanned)
    assert np.abs(expected["weight"]).min() > 0
    close(grad(lean), expected)


def test_structured_feedback_is_what_the_layer_makes_of_the_last_spikes(key):
    model = snn.Recurrent(snn.LIF.from_decay(0.5), snn.Linear(3, 3, key=key))
    first = jnp.asarray([1.0, 0.0, 1.0])
    state = model.init((3,))._replace(spikes=first)
    state, _ = model.step(state, jnp.full(3, -0.5), 1.0)
    expected = np.asarray(model.weight.weight).sum(1, where=np.asarray(first) > 0) - 0.5
    free = np.where(expected >= 1, expected - 1, expected)
    np.testing.assert_allclose(state.neuron.v, free, rtol=1e-12)


def test_a_layer_with_a_state_or_of_another_shape_cannot_feed_back(key):
    cell = snn.LIF.from_decay()
    with pytest.raises(
        ValueError, match=r"Recurrent\.weight must be a layer without a state"
    ):
        snn.Recurrent(cell, snn.LeakyIntegrator()).init((3,))
    with pytest.raises(ValueError, match=r"into an input of shape \(2,\)"):
        snn.Recurrent(cell, snn.Linear(3, 2, key=key)).init((3,))


def test_inputs_of_another_type_or_shape_are_taken(key):
    neuron = snn.LIF(**{**UNIT, "tau_m": np.linspace(3, 9, 4)})
    for x in (np.full(9, 2), np.ones((9, 1), bool), jnp.ones((9, 4), jnp.float32)):
        x = jnp.asarray(x)
        state = neuron.init((4,))
        close(neuron.unroll(state, x, 1.0), scanned(neuron, state, x))


class OwnState(NamedTuple):
    v: Any
    refractory: Any


class OwnNeuron(snn.AbstractFiringNeuron):
    """A leaky neuron as a user would write it, and say that it is linear."""

    linear_advance: ClassVar[bool] = True

    def rest(self):
        return OwnState(jnp.asarray(0.0), self.free_to_fire())

    def derivative(self, state, current):
        return {"v": (current - state.v) / 5}


def test_a_neuron_of_ones_own_may_be_linear(inputs):
    neuron = OwnNeuron(threshold=1.0, v_reset=0.0)
    args = neuron, neuron.init((3, 4)), 5 * inputs
    assert lean(*args)[1].sum() > 5
    grad = lambda method: jax.grad(lambda x: loss(method, *args[:2], x))(args[2])
    close(grad(lean), grad(scanned))


def test_an_empty_population_is_run():
    neuron = NEURONS["decay"]
    inputs = jnp.zeros((5, 2, 0))
    args = neuron, neuron.init((2, 0)), inputs
    assert lean(*args)[1].shape == (5, 2, 0)
    assert jax.grad(lambda x: loss(lean, *args[:2], x))(inputs).shape == (5, 2, 0)


def test_a_batch_of_networks_by_vmap(key, inputs):
    neuron, weights = NEURONS["decay"], jnp.asarray([0.5, 1.0, 2.0])

    def total(method, w):
        return loss(method, neuron, neuron.init((3, 4)), w * inputs)

    for method in (lean, scanned):
        grads = jax.vmap(jax.grad(lambda w, m=method: total(m, w)))(weights)
        one_by_one = [jax.grad(lambda w: total(scanned, w))(w) for w in weights]
        np.testing.assert_allclose(grads, one_by_one, rtol=1e-11)


@pytest.mark.parametrize("name", ["value", "adaptive"])
def test_a_narrow_trace_has_nearly_the_gradient(name, inputs, monkeypatch):
    wide = NEURONS[name]
    narrow = dataclasses.replace(wide, trace_dtype=jnp.bfloat16)
    with pytest.warns(UserWarning, match="bfloat16 is slower than float64 on cpu"):
        gradient_of_inputs(narrow, inputs)
    monkeypatch.setattr(snnjax.core.backend, "WIDE_TRACES", set())
    exact, rounded = gradient_of_inputs(wide, inputs), gradient_of_inputs(narrow, inputs)
    assert 0 < np.abs(exact - rounded).max() < 0.02 * np.abs(exact).max()


def gradient_of_inputs(neuron, inputs):
    return jax.grad(lambda x: loss(lean, neuron, neuron.init((3, 4)), x))(inputs)


def kept_arrays(method, neuron, n_steps):
    """Temporary memory of a compiled gradient, in arrays of the size of the input."""
    x = jax.ShapeDtypeStruct((n_steps, 4, 64), jnp.result_type(float))

    def gradient(x, cotangent):
        spikes = lambda x: method(neuron, neuron.init((4, 64)), x)[1]
        return jax.vjp(spikes, x)[1](cotangent)

    compiled = jax.jit(gradient).lower(x, x).compile()
    size = n_steps * 4 * 64 * x.dtype.itemsize
    return compiled.memory_analysis().temp_size_in_bytes / size


def test_the_gradient_keeps_one_trace_and_the_spikes():
    by_trace, by_scan = (kept_arrays(m, NEURONS["value"], 500) for m in (lean, scanned))
    assert by_trace < 2.1 and by_scan > 1.4 * by_trace, (by_trace, by_scan)
