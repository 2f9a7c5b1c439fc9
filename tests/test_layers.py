"""Layers: step by step, sequence by sequence and through `simulate`, the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from tests.toys import NoisyNeuron

DT, STEPS, BATCH = 0.5, 30, 4


def stack(key, **lif):
    keys = jax.random.split(key, 2)
    return snn.Sequential(
        snn.Linear(3, 6, key=keys[0], gain=1000.0),
        snn.LIF(tau_m=np.linspace(5, 15, 6), **lif),
        snn.Linear(6, 2, key=keys[1]),
        snn.LeakyIntegrator(),
    )


@pytest.fixture(scope="module")
def inputs():
    return np.asarray(jax.random.uniform(jax.random.key(1), (STEPS, BATCH, 3)))


def test_linear_is_a_matrix_product(key, inputs):
    linear = snn.Linear(3, 5, key=key)
    linear = jax.tree.map(lambda x: x + 0.25, linear)  # a bias that is not 0
    state, y = linear.step(linear.init((BATCH, 3)), inputs[0], DT)
    weight, bias = np.asarray(linear.weight), np.asarray(linear.bias)
    expected = np.einsum("oi,bi->bo", weight, inputs[0]) + bias
    np.testing.assert_allclose(y, expected, rtol=1e-13)
    assert state == ()
    _, ys = linear.unroll((), inputs, DT)
    np.testing.assert_allclose(ys[0], expected, rtol=1e-13)
    assert ys.shape == (STEPS, BATCH, 5)
    assert snn.Linear(3, 5, key=key, bias=False).bias is None


def test_linear_weights_have_the_spread_they_are_drawn_with(key):
    weight = np.asarray(snn.Linear(400, 500, key=key, gain=3.0).weight)
    n, sigma = weight.size, 3.0 / np.sqrt(400)
    # 99.99 %: 3.9 standard errors of a mean and of a standard deviation
    assert abs(weight.mean()) < 3.9 * sigma / np.sqrt(n)
    assert abs(weight.std() / sigma - 1) < 3.9 / np.sqrt(2 * n)
    other = snn.Linear(400, 500, key=jax.random.key(1), gain=3.0).weight
    assert abs(np.corrcoef(weight.ravel(), np.ravel(other))[0, 1]) < 3.9 / np.sqrt(n)


def test_linear_refuses(key):
    for size in (0, -1, 2.5):
        with pytest.raises(
            ValueError, match=r"Linear\.out_features must be a whole number"
        ):
            snn.Linear(3, size, key=key)
    with pytest.raises(ValueError, match=r"Linear\.gain must be above 0"):
        snn.Linear(3, 2, key=key, gain=0.0)
    with pytest.raises(ValueError, match=r"last axis has 3 features, got shape \(5, 4\)"):
        snn.Linear(3, 2, key=key).init((5, 4))


def test_leaky_integrator_has_its_closed_form():
    cells = snn.LeakyIntegrator(tau_m=[4.0, 20.0])
    for dt in (0.1, 7.0):
        sol = snn.simulate(cells, 3.0, dt, n_steps=5)
        expected = 3 * (1 - np.exp(-sol.ts[:, None] / np.array([4.0, 20.0])))
        np.testing.assert_allclose(sol.ys, expected, rtol=1e-13)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_units_of_machine_learning_are_their_recursions(key, decay):
    x = np.asarray(jax.random.uniform(key, (40, 6)))
    cell, integrator = snn.LIF.from_decay(decay), snn.LeakyIntegrator.from_decay(decay)
    spikes, read = snn.simulate(cell, x, 1.0).ys, snn.simulate(integrator, x, 1.0).ys
    v, r = np.zeros(6), np.zeros(6)
    for t in range(40):
        u, r = decay * v + x[t], decay * r + x[t]
        s = (u >= 1).astype(float)
        v = u - s
        np.testing.assert_array_equal(spikes[t], s)
        np.testing.assert_allclose(read[t], r, rtol=1e-12)
    np.testing.assert_allclose(snn.simulate(cell, x, 1.0).final.v, v, atol=1e-12)
    assert spikes.sum() > 50
    coarse = snn.LeakyIntegrator.from_decay(decay, dt=2.0)
    np.testing.assert_allclose(snn.simulate(coarse, x, 2.0).ys, read, rtol=1e-12)


def test_the_threshold_of_an_adaptive_unit_rises_with_its_spikes():
    cell = snn.AdaptiveLIF.from_decay(0.5, tau_adapt=20.0)
    x, v, theta = np.full(30, 0.8), 0.0, 0.0
    spikes = snn.simulate(cell, x, 1.0).ys
    for t in range(30):
        u, theta = 0.5 * v + x[t], theta * np.exp(-1 / 20)
        fires = u >= 1 + theta
        v, theta = (u - 1 - theta, theta + 0.1) if fires else (u, theta)
        assert spikes[t] == fires
    assert 3 < spikes.sum() < 15


@pytest.mark.parametrize("unit", [snn.LIF, snn.AdaptiveLIF, snn.LeakyIntegrator])
@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1])
def test_a_decay_is_between_0_and_1(unit, decay):
    with pytest.raises(ValueError, match=rf"{unit.__name__}\.from_decay\.decay must be"):
        unit.from_decay(decay)


def test_a_stack_is_the_same_stepped_unrolled_and_simulated(key, inputs):
    net = stack(key)
    start = net.init((BATCH, 3))
    dt = jnp.asarray(DT)
    end, outputs = jax.jit(lambda *args: net.unroll(*args))(start, inputs, dt)
    sol = snn.simulate(net, inputs, DT)
    state, by_step, step = start, [], jax.jit(lambda *args: net.step(*args))
    for x in inputs:
        state, y = step(state, x, dt)
        by_step.append(y)
    np.testing.assert_allclose(outputs, by_step, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(sol.ys, by_step, rtol=1e-11, atol=1e-14)
    for a, b, c in zip(*map(jax.tree.leaves, (end, state, sol.final)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(c, b, rtol=1e-11, atol=1e-14)


def test_unroll_all_gives_every_layer(key, inputs):
    net = stack(key)
    state, named = net.unroll_all(net.init((BATCH, 3)), inputs, jnp.asarray(DT))
    assert list(named) == [f"layers.{i}" for i in range(4)]
    layers = list(named.values())
    assert [y.shape[1:] for y in layers] == [(BATCH, 6), (BATCH, 6), (BATCH, 2), (BATCH, 2)]
    weight = net.layers[0].weight
    np.testing.assert_allclose(layers[0], inputs @ np.asarray(weight).T, rtol=1e-12)
    spikes = np.asarray(layers[1])
    assert set(np.unique(spikes)) == {0, 1} and spikes.sum() > 20
    alone = snn.simulate(net.layers[1], layers[0], DT).ys
    np.testing.assert_array_equal(spikes, alone)
    np.testing.assert_allclose(
        layers[2], spikes @ np.asarray(net.layers[2].weight).T, atol=1e-13
    )
    np.testing.assert_allclose(state[3].v, layers[3][-1], rtol=1e-13)


def test_a_stack_passes_spikes_on_within_the_step(key):
    cell = snn.LIF(t_ref=None, threshold=snn.Threshold(-75.0))  # fires in every step
    net = snn.Sequential(cell, snn.Linear(1, 1, key=key, bias=False))
    sol = snn.simulate(net, np.ones((2, 1)), 1.0)
    np.testing.assert_allclose(sol.ys[0], net.layers[1].weight[0])


def test_each_layer_draws_from_its_own_key(key):
    net = snn.Sequential(NoisyNeuron(), NoisyNeuron())
    states = net.init((5,), key=key)
    first, second = (jax.random.key_data(s.noise.key) for s in states)
    assert np.any(first != second)
    with pytest.raises(
        ValueError, match=r"Sequential\.layers\.0: NoisyNeuron is stochastic"
    ):
        net.init((5,))


def test_sequential_refuses(key):
    with pytest.raises(ValueError, match="Sequential needs at least one layer"):
        snn.Sequential()
    with pytest.raises(
        ValueError, match=r"Sequential\.layers\.1 must be a model or layer, got 3"
    ):
        snn.Sequential(snn.LIF(), 3)
    net = stack(key)
    with pytest.raises(
        ValueError, match=r"Sequential\.layers\.0: Linear takes .* 3 features"
    ):
        net.init((BATCH, 4))
    with pytest.raises(
        ValueError, match=r"Sequential\.layers\.3: Linear takes .* 6 features"
    ):
        snn.Sequential(*net.layers[:3], net.layers[2]).init((BATCH, 3))


def test_a_recurrent_layer_is_a_loop_in_numpy(key, inputs):
    n = 5
    weight = 150 * np.asarray(jax.random.normal(key, (n, n)))
    drive = 300 + 300 * np.asarray(jax.random.uniform(jax.random.key(2), (STEPS, BATCH, n)))
    layer = snn.Recurrent(snn.LIF(), weight)
    sol = snn.simulate(layer, drive, DT, record=[snn.Trace(), snn.Trace("neuron.v")])
    v, waiting, spikes = (
        np.full((BATCH, n), -75.0),
        np.zeros((BATCH, n)),
        np.zeros((BATCH, n)),
    )
    for k, x in enumerate(drive):
        target = -75 + (x + np.einsum("ij,bj->bi", weight, spikes)) / 10
        held = waiting > DT / 2
        v = np.where(held, v, target + (v - target) * np.exp(-DT / 10))
        spikes = np.where(held, 0, v >= -55).astype(float)
        waiting = np.where(spikes > 0, 2.0, np.maximum(waiting - DT, 0))
        v = np.where(spikes > 0, -75, v)
        np.testing.assert_array_equal(sol.ys[0][k], spikes)
        np.testing.assert_allclose(sol.ys[1][k], v, rtol=1e-11)
    assert np.sum(sol.ys[0]) > 20
    np.testing.assert_array_equal(sol.final.spikes, spikes)


def test_recurrent_layers_stack_and_refuse(key):
    layer = snn.Recurrent(snn.LIF(), np.eye(5))
    net = snn.Sequential(snn.Linear(3, 5, key=key), layer)
    assert net.init((BATCH, 3))[1].spikes.shape == (BATCH, 5)
    assert layer.init().spikes.shape == (5,)  # one value drives all
    with pytest.raises(
        ValueError, match=r"weight must be square, \[n, n\], got shape \(2, 3\)"
    ):
        snn.Recurrent(snn.LIF(), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"weight must be finite, got"):
        snn.Recurrent(snn.LIF(), np.full((2, 2), np.nan))
    with pytest.raises(
        ValueError, match=r"Recurrent has 5 neurons, got an input of shape \(4,\)"
    ):
        layer.init((4,))


def test_a_float32_network_stays_float32(key, inputs):
    with jax.enable_x64(False):
        sol = snn.simulate(stack(key), inputs, DT)
        assert {x.dtype for x in jax.tree.leaves((sol.ys, sol.final))} == {
            jnp.float32.dtype
        }
    double = snn.simulate(stack(key), inputs, DT)
    assert {x.dtype for x in jax.tree.leaves((double.ys, double.final))} == {
        jnp.float64.dtype
    }
