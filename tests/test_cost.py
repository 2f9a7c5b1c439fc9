"""Synaptic operations, counted synapse by synapse in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

STEPS, BATCH = 6, 3


def bernoulli(seed, p, *shape):
    return (np.random.default_rng(seed).random(shape) < p).astype(np.float32)


def convolved(spikes, kernel, stride, pad):
    """Operations a sample, by loop: each spike at each place of the kernel that it lies in."""
    height, width, out = *spikes.shape[2:4], kernel.shape[-1]
    rows = (height + 2 * pad - kernel.shape[0]) // stride + 1
    columns = (width + 2 * pad - kernel.shape[1]) // stride + 1
    total = 0
    for _, _, y, x, c in np.argwhere(spikes):
        for i in range(rows):
            for j in range(columns):
                k, l = y + pad - stride * i, x + pad - stride * j
                if 0 <= k < kernel.shape[0] and 0 <= l < kernel.shape[1]:
                    total += np.count_nonzero(kernel[k, l, c])
    return total / spikes.shape[1], rows * columns * out


def test_linear_layers_count_spikes_times_fan_out(key):
    linear = snn.Linear(7, 5, key=key)
    weight = np.asarray(linear.weight).copy()
    weight[1:4, 2] = 0  # no synapses
    linear = snn.trainable(linear, "weight").build({"weight": jnp.asarray(weight)})
    spikes = bernoulli(0, 0.3, STEPS, BATCH, 7)
    fan_out = np.array([5, 5, 2, 5, 5, 5, 5])
    found = snn.synaptic_operations(linear, spikes)
    row = found.layers["model"]
    assert row.operations == pytest.approx((spikes * fan_out).sum() / BATCH, rel=1e-12)
    assert row.spikes == pytest.approx(spikes.sum() / BATCH)
    assert row.density == pytest.approx(spikes.mean(), rel=1e-6)
    assert row.macs == 35 and row.binary and found.n_steps == STEPS


@pytest.mark.parametrize(("stride", "padding"), [(1, "valid"), (2, 1), (1, 2), (1, "same")])
def test_convolutions_count_what_falls_inside_the_border(key, stride, padding):
    conv = snn.Conv2d(2, 4, 3, key=key, stride=stride, padding=padding)
    spikes = bernoulli(1, 0.2, STEPS, BATCH, 7, 6, 2)
    pad = {"valid": 0, "same": 1}.get(padding, padding)
    operations, places = convolved(spikes, np.asarray(conv.weight), stride, pad)
    row = snn.synaptic_operations(conv, spikes).layers["model"]
    assert row.operations == pytest.approx(operations, rel=1e-12)
    full, _ = convolved(np.ones((1, 1, 7, 6, 2)), np.ones((3, 3, 2, 4)), stride, pad)
    assert row.macs == full
    if pad == 0:
        assert row.macs == places * 18


def test_a_network_counts_the_spikes_of_its_own_layers(key):
    keys = jax.random.split(key, 3)
    net = snn.Sequential(
        snn.Linear(5, 6, key=keys[0], gain=3.0), snn.LIF.from_decay(),
        snn.Recurrent(snn.LIF.from_decay(), jax.random.normal(keys[1], (6, 6))),
        snn.Linear(6, 2, key=keys[2]), snn.LeakyIntegrator(),
    )  # fmt: skip
    inputs = bernoulli(2, 0.5, 20, BATCH, 5)
    layers = snn.unroll(net, inputs, layers=True).layers
    found = snn.synaptic_operations(net, inputs)
    hidden, loop = np.asarray(layers["layers.1"]), np.asarray(layers["layers.2"])
    expected = {
        "layers.0": 6 * inputs.sum() / BATCH,
        "layers.2": 6
        * loop[:-1].sum()
        / BATCH,  # a spike of the last step arrives too late
        "layers.3": 2 * loop.sum() / BATCH,
    }
    assert hidden.sum() > 0 and loop[-1].sum() > 0
    assert {n: x.operations for n, x in found.layers.items()} == pytest.approx(expected)
    assert found.total == pytest.approx(sum(expected.values()))
    assert found.macs == 30 + 36 + 12


def test_layers_are_found_in_any_container(key):
    body = snn.Sequential(snn.Linear(4, 4, key=key, gain=3.0), snn.LIF.from_decay())
    net = snn.Sequential(snn.Residual(body), snn.Linear(4, 2, key=key))
    inputs = bernoulli(3, 0.5, STEPS, BATCH, 4)
    found = snn.synaptic_operations(net, inputs).layers
    assert list(found) == ["layers.0.inner.layers.0", "layers.1"]
    sums = np.asarray(snn.unroll(net, inputs, layers=True).layers["layers.0"])
    assert sums.max() == 2  # two spikes that arrive together are two
    assert found["layers.1"].operations == pytest.approx(2 * sums.sum() / BATCH)
    assert found["layers.1"].binary


def test_feedback_in_a_graph_is_counted_step_by_step(key):
    nodes = {
        "current": (snn.Linear(5, 6, key=key, gain=3.0), "input"),
        "hidden": (snn.LIF.from_decay(), ["current", snn.Previous("back", 6)]),
        "back": (snn.Linear(6, 6, key=key), "hidden"),
    }
    net = snn.Graph(nodes, output="hidden")
    inputs = bernoulli(4, 0.5, 10, BATCH, 5)
    found = snn.synaptic_operations(net, inputs).layers
    spikes = np.asarray(snn.unroll(net, inputs).outputs)
    assert spikes.sum() > 0
    assert found["nodes.back"].operations == pytest.approx(6 * spikes.sum() / BATCH)
    assert found["nodes.current"].operations == pytest.approx(6 * inputs.sum() / BATCH)
    assert found["nodes.back"].macs == 36


def test_graded_inputs_are_multiplications(key):
    graded = bernoulli(5, 0.5, STEPS, BATCH, 4) * 0.25
    found = snn.synaptic_operations(snn.Linear(4, 2, key=key), graded)
    row = found.layers["model"]
    assert not row.binary
    assert row.operations == pytest.approx(2 * np.count_nonzero(graded) / BATCH)
    energy = found.energy()
    assert energy.spiking == pytest.approx(4.6e-3 * row.operations)


def test_energy_is_operations_times_their_price(key):
    spikes = bernoulli(6, 0.5, STEPS, BATCH, 4)
    found = snn.synaptic_operations(snn.Linear(4, 2, key=key), spikes)
    operations = 2 * spikes.sum() / BATCH
    energy = found.energy()
    assert energy.spiking == pytest.approx(0.9e-3 * operations)
    assert energy.dense == pytest.approx(4.6e-3 * 8)
    assert found.energy(accumulate=2.0).spiking == pytest.approx(2e-3 * operations)
    text = str(found)
    assert "layer" in text and f"{operations:.1f}" in text and "Horowitz 2014" in text


def test_counts_beyond_the_whole_numbers_of_float32_are_exact(key):
    linear = snn.Linear(2000, 3001, key=key)
    spikes = np.ones((3, 1, 2000), np.float32)
    found = snn.synaptic_operations(linear, spikes)
    assert found.total == 3 * 2000 * 3001 > 2**24


def test_cost_refuses(key):
    linear = snn.Linear(4, 2, key=key)
    with pytest.raises(ValueError, match=r"inputs must be \[time, batch, \.\.\.\], got"):
        snn.synaptic_operations(linear, np.ones((5, 4)))
    with pytest.raises(ValueError, match="has no layer of weights to count in"):
        snn.synaptic_operations(snn.LIF(), np.ones((5, 2, 4)))
