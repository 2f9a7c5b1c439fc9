"""Convolution as a projection: its kernel against scipy, and against the same synapses apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

import snnjax as snn
from snnjax.connect import Convolution, bits
from snnjax.connect.convolution import ConvolutionRows
from snnjax.connect.events import Weights, push
from snnjax.connect.rows import SparseRows

RULES = [
    Convolution((6, 7, 2), (3, 5), 3),
    Convolution((3, 2, 1), 5, 2),  # a kernel that is larger than the image
    Convolution((4, 4, 1), 1),
]


def sources_and_targets(rule):
    rows, columns, channels = rule.shape
    return rows * columns * channels, rows * columns * rule.channels


@pytest.fixture(params=RULES, ids=str)
def case(request):
    rule, rng = request.param, np.random.default_rng(0)
    n, m = sources_and_targets(rule)
    kernel = jnp.asarray(rng.normal(size=rule.weights))
    sent = jnp.asarray((rng.random(n) < 0.4) * rng.normal(size=n))
    buffer = jnp.asarray(rng.normal(size=2 * m + 5))
    return rule, kernel, sent, buffer


def by_kernel(rule, kernel, sent, buffer, form):
    every = bits.pack(jnp.ones(sent.shape, bool))
    rows = ConvolutionRows(rule, jnp.uint32(5), True)
    weights = Weights.of(kernel)
    return push(buffer, sent, weights, bits.pack(sent != 0), every, 0, rows, form)[0]


def by_synapses(rule, kernel, sent, buffer):
    edges = rule(*sources_and_targets(rule))
    every = bits.pack(jnp.ones(sent.shape, bool))
    place = edges.post.astype(jnp.uint32) + np.uint32(5)
    rows = SparseRows(edges.indptr.astype(jnp.uint32), place, 100, 4, True)
    weights = Weights.of(kernel.ravel()[rule.entries()])
    return push(buffer, sent, weights, bits.pack(sent != 0), every, 0, rows)[0]


@pytest.mark.parametrize("form", ["loop", "list"])
def test_what_is_sent_is_a_correlation_with_the_kernel(case, form):
    rule, kernel, sent, _ = case
    rows, columns, channels = rule.shape
    image = np.asarray(sent).reshape(rule.shape)
    expected = np.zeros((rows, columns, rule.channels))
    for c in range(channels):
        for o in range(rule.channels):
            h, w = (k // 2 for k in rule.kernel)
            padded = np.pad(image[..., c], ((h, h), (w, w)))
            expected[..., o] += correlate2d(padded, kernel[:, :, c, o], "valid")
    buffer = jnp.zeros(2 * expected.size + 5)
    found = by_kernel(rule, kernel, sent, buffer, form)[5 : 5 + expected.size]
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-12)


@pytest.mark.parametrize("form", ["loop", "list"])
def test_value_and_gradients_are_those_of_its_synapses(case, form):
    rule, kernel, sent, buffer = case
    kernel_form = lambda k, s, b: jnp.sum(jnp.sin(by_kernel(rule, k, s, b, form)))
    synapse_form = lambda k, s, b: jnp.sum(jnp.sin(by_synapses(rule, k, s, b)))
    args = kernel, sent, buffer
    assert float(kernel_form(*args)) == pytest.approx(float(synapse_form(*args)), rel=1e-12)
    found = jax.grad(kernel_form, (0, 1, 2))(*args)
    expected = jax.grad(synapse_form, (0, 1, 2))(*args)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-12)
    # One number for the whole kernel.
    one = jax.grad(lambda k: by_kernel(rule, k, sent, buffer, form).sum())(jnp.array(0.3))
    every = jax.grad(lambda k: by_kernel(rule, k, sent, buffer, form).sum())(kernel)
    assert float(one) == pytest.approx(float(every.sum()), rel=1e-12)


def image_network(operator, weight, delay=None):
    rule = Convolution((5, 5, 1), 3, 2)
    populations = dict(
        retina=snn.Population(snn.LIF(), 25),
        maps=snn.Population(snn.LIF(), 50, snn.Exponential(3.0)),
    )
    spec = snn.Projection("retina", "maps", rule, weight, delay, operator=operator)
    return snn.Network(populations, [spec])


@pytest.mark.parametrize("delay", [None, 0.5])
def test_in_a_network_it_gives_the_spikes_of_the_other_operators(delay):
    rng = np.random.default_rng(1)
    kernel = rng.integers(0, 64, (3, 3, 1, 2)) * 8.0  # dyadic: sums are exact
    current = 200.0 + 100.0 * rng.random(25)
    runs = [
        snn.simulate(
            image_network(operator, kernel, delay),
            {"retina": snn.inputs.constant(current)},
            0.1,
            duration=60.0,
        ).ys
        for operator in ("convolution", "sparse", "dense")
    ]
    assert runs[0][:, 25:].sum() > 50
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_auto_takes_it_and_bad_input_is_refused():
    assert image_network("auto", 1.0).synapses["retina->maps"].operator == "convolution"
    assert image_network("auto", 1.0).synapses["retina->maps"].weight.shape == ()
    with pytest.raises(ValueError, match="odd"):
        Convolution((5, 5, 1), 4)
    with pytest.raises(ValueError, match="kernel \\(3, 3, 1, 2\\)"):
        image_network("auto", np.ones((3, 3)))
    with pytest.raises(ValueError, match="joins 25 to 50"):
        Convolution((5, 5, 1), 3, 2)(25, 49)
    with pytest.raises(ValueError, match="needs wiring by a Convolution"):
        snn.Network(
            dict(a=snn.Population(snn.LIF(), 3, snn.Delta())),
            [snn.Projection("a", "a", snn.connect.AllToAll(), operator="convolution")],
        )
    with pytest.raises(ValueError, match="one delay"):
        image_network("convolution", 1.0, snn.connect.Constant(0.5))
