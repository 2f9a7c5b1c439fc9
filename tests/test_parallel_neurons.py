"""Neurons that are parallel in time: the same as sums and loops in NumPy, and as stepped."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

STEPS, BATCH, N = 13, 4, 3


@pytest.fixture(scope="module")
def inputs():
    return np.asarray(jax.random.normal(jax.random.key(5), (STEPS, BATCH, N)))


def stepped(model, inputs, dt=1.0):
    """(outputs, last state) of `model.step` in a loop."""
    state, outputs = model.init(inputs.shape[1:], dt=dt), []
    step = jax.jit(lambda state, x: model.step(state, x, dt))
    for x in inputs:
        state, y = step(state, x)
        outputs.append(y)
    return np.array(outputs), state


def assert_unrolls_as_it_steps(model, inputs, dt=1.0, cut=5):
    by_step, end = stepped(model, inputs, dt)
    for whole in (
        snn.unroll(model, inputs, dt),
        jax.jit(lambda x: snn.unroll(model, x, dt))(inputs),
        snn.unroll(model, inputs, dt, remat=4),  # 4, 4, 4 and 1
    ):
        np.testing.assert_array_equal(whole.outputs, by_step)
        for x, y in zip(*map(jax.tree.leaves, (whole.state, end)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)
    first = snn.unroll(model, inputs[:cut], dt)
    rest = snn.unroll(model, inputs[cut:], dt, state=first.state)
    np.testing.assert_array_equal(jnp.concatenate([first.outputs, rest.outputs]), by_step)


# ParallelLIF


TAU_M = np.array([4.0, 10.0, 30.0])


@pytest.mark.parametrize("dt", [pytest.param(0.1, marks=pytest.mark.slow), 20.0])
def test_parallel_lif_is_the_lif_without_reset(inputs, dt):
    drive = 250 + (4000 if dt < 1 else 400) * inputs
    cell = snn.ParallelLIF(tau_m=TAU_M, g_l=8.0, e_l=-70.0, threshold=-60.0)
    lif = snn.LIF(
        tau_m=TAU_M, g_l=8.0, e_l=-70.0, threshold=-60.0, t_ref=None, reset_mode="none"
    )
    assert_unrolls_as_it_steps(cell, drive, dt)
    expected, end = stepped(lif, drive, dt)
    got = snn.unroll(cell, drive, dt)
    np.testing.assert_array_equal(got.outputs, expected)
    np.testing.assert_allclose(got.state.v, end.v, rtol=1e-13)
    assert 0 < np.mean(expected) < 1


def test_parallel_lif_starts_where_it_is_put(inputs):
    """And v is the closed form, a sum over all inputs so far."""
    cell = snn.ParallelLIF(tau_m=TAU_M, threshold=1e3)
    start = cell.init((BATCH, N))._replace(v=jnp.full((BATCH, N), -60.0))
    drive, dt, a = 100 * inputs, 2.0, np.exp(-2.0 / TAU_M)
    v = -75 + 15 * a**STEPS
    for k, x in enumerate(drive):
        v = v + a ** (STEPS - 1 - k) * (1 - a) * x / 10.0
    end, spikes = cell.unroll(start, drive, dt)
    np.testing.assert_allclose(end.v, v, rtol=1e-13)
    assert not np.any(spikes)


def test_parallel_lif_broadcasts_one_current_over_its_neurons():
    cell, drive = snn.ParallelLIF(tau_m=TAU_M), np.linspace(0, 500, STEPS)
    state, spikes = cell.unroll(cell.init(), drive, 1.0)
    assert spikes.shape == (STEPS, N) and state.v.shape == (N,)
    np.testing.assert_array_equal(spikes, stepped(cell, drive)[0])


def test_parallel_lif_of_a_decay(inputs):
    cell = snn.ParallelLIF.from_decay(0.8, threshold=0.5)
    u, spikes = np.zeros((BATCH, N)), []
    for x in inputs:
        u = 0.8 * u + x
        spikes.append(u >= 0.5)
    np.testing.assert_array_equal(snn.unroll(cell, inputs).outputs, spikes)
    assert not set(dict.fromkeys(snn.named_leaves(cell))) & {"v_reset", "t_ref"}


def test_gradients_are_those_of_the_lif_stepped(inputs):
    """Of weights before it, and of its own parameters, through the surrogate."""
    surrogate = snn.Threshold(1.0, snn.SuperSpike(2.0))

    def network(cell):
        keys = jax.random.split(jax.random.key(0), 2)
        return snn.Sequential(
            snn.Linear(N, 6, key=keys[0]), cell, snn.Linear(6, 2, key=keys[1])
        )

    def gradient(cell, run):
        net = network(cell)
        names = ["*weight", "*tau_m", "*g_l", "*threshold.level"]
        params, build = snn.trainable(net, names)
        target = jnp.asarray([1.0, -1.0])
        loss = lambda params: jnp.mean((run(build(params)) - target) ** 2)
        return jax.jit(jax.grad(loss))(params)

    same = dict(threshold=surrogate)
    parallel = gradient(
        snn.ParallelLIF.from_decay(**same), lambda net: snn.unroll(net, inputs).outputs
    )
    serial = gradient(
        snn.LIF.from_decay(reset_mode="none", **same),
        lambda net: snn.simulate(net, inputs, 1.0, throw=False).ys,
    )
    assert parallel.keys() == serial.keys()
    for name, g in parallel.items():
        assert np.any(g != 0), name
        np.testing.assert_allclose(g, serial[name], rtol=1e-11, err_msg=name)


# PSN and SlidingPSN


def test_psn_is_a_matrix_over_time(key, inputs):
    level = np.linspace(-0.5, 0.5, STEPS)
    psn = snn.PSN(STEPS, key=key, threshold=level)
    h = np.einsum("ts,sbn->tbn", np.asarray(psn.weight), inputs)
    expected = h >= level[:, None, None]
    np.testing.assert_array_equal(snn.unroll(psn, inputs).outputs, expected)
    np.testing.assert_array_equal(
        snn.unroll(psn, inputs[:, 0, 0]).outputs, expected[:, 0, 0]
    )
    assert 0 < expected.mean() < 1 and psn.spiking and not psn.causal
    later = inputs.copy()
    later[-1] += 10.0  # the last input changes earlier spikes: it looks ahead
    assert np.any(snn.unroll(psn, later).outputs[0] != expected[0])


def brute_masked(psn, order, masking, inputs):
    spikes = np.zeros(inputs.shape)
    for t in range(STEPS):
        h = 0
        for s in range(STEPS):
            kept = t - order < s <= t
            h = h + psn.weight[t, s] * inputs[s] * (1 if kept else 1 - masking)
        spikes[t] = h >= psn.threshold.level[t]
    return spikes


@pytest.mark.parametrize("order", [1, 4, STEPS])
def test_masked_psn_is_a_sum_over_its_window(key, inputs, order):
    psn = snn.PSN(STEPS, key=key, order=order, threshold=np.linspace(-0.3, 0.3, STEPS))
    assert psn.causal
    expected = brute_masked(psn, order, 1.0, inputs)
    np.testing.assert_array_equal(snn.unroll(psn, inputs).outputs, expected)
    assert_unrolls_as_it_steps(psn, inputs)
    assert 0 < expected.mean() < 1


@pytest.mark.parametrize("masking", [0.0, 0.3])
def test_a_mask_comes_in_by_degrees(key, inputs, masking):
    full = snn.PSN(STEPS, key=key, threshold=0.2)
    half = full.masked(4, masking)
    assert not half.causal
    expected = brute_masked(full, 4, masking, inputs)
    np.testing.assert_array_equal(snn.unroll(half, inputs).outputs, expected)
    if masking == 0:
        np.testing.assert_array_equal(expected, snn.unroll(full, inputs).outputs)
    last = half.masked(4)
    assert last.causal
    np.testing.assert_array_equal(last.weight, full.weight)
    np.testing.assert_array_equal(last.threshold.level, full.threshold.level)


@pytest.mark.parametrize("order", [1, 4, STEPS + 3])
def test_sliding_psn_is_a_sum_over_its_window(inputs, order):
    psn = snn.SlidingPSN(order, threshold=0.6)
    weight = jax.random.normal(jax.random.key(1), (order,))
    psn = eqx.tree_at(lambda p: p.weight, psn, weight)
    h = np.zeros(inputs.shape)
    for t in range(STEPS):
        for i in range(order):
            if t - order + 1 + i >= 0:
                h[t] += weight[i] * inputs[t - order + 1 + i]
    np.testing.assert_array_equal(snn.unroll(psn, inputs).outputs, h >= 0.6)
    assert_unrolls_as_it_steps(psn, inputs)
    assert 0 < np.mean(h >= 0.6) < 1 and psn.spiking


def test_they_start_as_in_the_authors_code():
    np.testing.assert_array_equal(snn.SlidingPSN(4).weight, [1 / 8, 1 / 4, 1 / 2, 1])
    assert snn.SlidingPSN(4).threshold.level == 1
    n = 400
    psn = snn.PSN(n, key=jax.random.key(2))
    np.testing.assert_array_equal(psn.threshold.level, np.ones(n))
    w = np.asarray(psn.weight) * n**0.5
    assert w.min() > -1 and w.max() < 1
    # 99.99 %: 3.9 standard errors of the mean and of the mean square of U(-1, 1)
    assert abs(w.mean()) < 3.9 * np.sqrt(1 / 3) / n
    assert abs((w**2).mean() - 1 / 3) < 3.9 * np.sqrt(4 / 45) / n


KINDS = {
    "full": lambda key: snn.PSN(STEPS, key=key),
    "masked": lambda key: snn.PSN(STEPS, key=key, order=3),
    "sliding": lambda key: snn.SlidingPSN(3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences_where_spikes_are_smooth(kind, inputs):
    keys = jax.random.split(jax.random.key(3), 3)
    layer = KINDS[kind](keys[0])
    layer = eqx.tree_at(lambda p: p.threshold.surrogate, layer, snn.Sigmoid(3.0))
    net = snn.relax(
        snn.Sequential(snn.Linear(N, 4, key=keys[1]), layer, snn.Linear(4, 2, key=keys[2]))
    )
    params, build = snn.trainable(net, ["*weight", "*threshold.level"])
    loss = jax.jit(lambda p: jnp.sum(jnp.sin(snn.unroll(build(p), inputs).outputs)))
    grads, h = jax.jit(jax.grad(loss))(params), 1e-5
    rng = np.random.default_rng(0)
    for name, g in grads.items():
        assert np.all(np.isfinite(g)) and np.any(g != 0), name
        way = rng.normal(size=g.shape)
        moved = lambda s, name=name, way=way: loss({**params, name: params[name] + s * way})
        difference = (moved(h) - moved(-h)) / (2 * h)
        assert float(np.sum(g * way)) == pytest.approx(float(difference), rel=1e-6), name


def test_they_keep_float32_and_take_spikes_of_any_type(key, inputs):
    with jax.enable_x64(False):
        for make in KINDS.values():
            rollout = snn.unroll(make(key), inputs > 0)
            assert rollout.outputs.dtype == jnp.float32
            assert all(
                x.dtype in (jnp.float32, jnp.int32) for x in jax.tree.leaves(rollout)
            )


def test_a_neuron_that_looks_ahead_cannot_be_stepped(key, inputs):
    words = (
        r"takes whole sequences of 13 steps, got 1\. It looks ahead and cannot be stepped"
    )
    for psn in (snn.PSN(STEPS, key=key), snn.PSN(STEPS, key=key, order=4, masking=0.5)):
        with pytest.raises(ValueError, match=words):
            psn.step(psn.init((N,)), inputs[0, 0], 1.0)
        net = snn.Sequential(psn)  # in a container it is refused as it runs
        assert snn.unroll(net, inputs).outputs.shape == inputs.shape
        with pytest.raises(RuntimeError, match=words):
            snn.simulate(net, inputs, 1.0)
        for pieces in (dict(remat=5), dict(max_memory=2e3)):
            with pytest.raises(
                ValueError, match=r"PSN needs all of it at once|whole sequences of 13"
            ):
                snn.unroll(net, inputs, **pieces)
        with pytest.raises(ValueError, match="whole sequences of 13 steps, got 12"):
            snn.unroll(psn, inputs[:-1])


def test_a_psn_beyond_its_last_step_is_refused_or_nan(key, inputs):
    psn = snn.PSN(STEPS - 1, key=key, order=4)
    with pytest.raises(ValueError, match="takes at most 12 steps, got 13"):
        snn.unroll(psn, inputs)
    spikes = snn.simulate(psn, inputs, 1.0, throw=False).ys
    assert np.isfinite(spikes[:-1]).all() and np.isnan(spikes[-1]).all()


def test_they_refuse(key):
    for bad in (0, 2.5, -1):
        with pytest.raises(ValueError, match=r"PSN\.n_steps must be a whole number"):
            snn.PSN(bad, key=key)
        with pytest.raises(ValueError, match=r"SlidingPSN\.order must be a whole number"):
            snn.SlidingPSN(bad)
        with pytest.raises(ValueError, match=r"PSN\.order must be a whole number"):
            snn.PSN(5, key=key, order=bad)
    with pytest.raises(ValueError, match=r"PSN\.order must be at most n_steps=5, got 6"):
        snn.PSN(5, key=key, order=6)
    for bad, words in ((-0.1, "at least 0"), (1.1, "at most 1")):
        with pytest.raises(ValueError, match=rf"PSN\.masking must be {words}"):
            snn.PSN(5, key=key, order=2, masking=bad)
    with pytest.raises(ValueError, match=r"level must be one value or one for each of 5"):
        snn.PSN(5, key=key, threshold=np.ones(4))
    psn = lambda threshold: snn.PSN(5, key=key, threshold=threshold)
    for make in (psn, lambda threshold: snn.SlidingPSN(2, threshold=threshold)):
        with pytest.raises(
            ValueError, match=r"PSN\.threshold must be a Threshold or a num"
        ):
            make("high")
