"""Song & Abbott's neuron: step by step in NumPy, and its statistics over 100 s in Brian2."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import snnjax as snn

NAME = "inputs->cells"
PEERS = Path(__file__).parents[1] / "benchmarks" / "plasticity" / "peers"
G_MAX = 0.01


def numpy_run(pre, w, dt):
    """(v, spikes, weights) under given input spikes; changes are sums over earlier spikes."""
    pre = pre > 0
    v, g, w = -60.0, 0.0, w.copy()
    arrived, fired, course = 0.0, [], []
    for t, now in enumerate(pre):
        g += arrived
        mean = g * 5.0 / dt * (1 - np.exp(-dt / 5.0))
        settles, tau = -74.0 / (1 + mean), 10.0 / (1 + mean)
        v = settles + (v - settles) * np.exp(-dt / tau)
        g *= np.exp(-dt / 5.0)
        arrived = w[now].sum()
        after = np.exp(-(t - np.array(fired)) * dt / 20.0).sum()
        w[now] = np.maximum(w[now] - 0.0105 * G_MAX * after, 0)
        if v >= -54.0:
            v = -60.0
            steps, sources = np.nonzero(pre[:t])
            before = np.zeros(len(w))
            np.add.at(before, sources, np.exp(-(t - steps) * dt / 20.0))
            w = np.minimum(w + 0.01 * G_MAX * before, G_MAX)
            fired.append(t)
        course.append(v)
    return np.array(course), np.array(fired), w


def test_it_is_the_loop_over_steps_and_pairs():
    net, drive, state = snn.networks.song_abbott(300, key=jax.random.key(0), rate_hz=50.0)
    w = np.asarray(net.synapses[NAME].weight)
    record = dict(v=snn.Trace("cells.v"), s=snn.Trace())
    sol = snn.simulate(net, drive, 0.1, duration=800.0, state=state, record=record)
    spikes = np.asarray(sol.ys["s"])
    v, fired, expected = numpy_run(spikes[:, :300], w, 0.1)
    np.testing.assert_array_equal(np.flatnonzero(spikes[:, 300]), fired)
    np.testing.assert_allclose(np.ravel(sol.ys["v"]), v, rtol=1e-9)
    learned = np.ravel(sol.final.learned[NAME].weight)
    np.testing.assert_allclose(learned, expected, rtol=1e-9, atol=1e-14)
    assert len(fired) > 8 and (learned == 0).any()


def test_cells_that_share_inputs_are_each_as_if_alone():
    key = jax.random.key(3)
    net, drive, state = snn.networks.song_abbott(200, key=key, n_cells=4, rate_hz=80.0)
    run = dict(duration=300.0, record=snn.Trace())
    together = snn.simulate(net, drive, 0.1, state=state, **run)
    w = np.asarray(net.synapses[NAME].weight).reshape(200, 4)
    spikes = np.asarray(together.ys)
    for k in range(4):
        _, fired, expected = numpy_run(spikes[:, :200], w[:, k], 0.1)
        np.testing.assert_array_equal(np.flatnonzero(spikes[:, 200 + k]), fired)
        learned = together.final.learned[NAME].weight[:, k]
        np.testing.assert_allclose(learned, expected, rtol=1e-9, atol=1e-14)


def hundred_seconds(seed):
    net, drive, state = snn.networks.song_abbott(key=jax.random.key(seed))
    record = snn.SpikeCount()
    sol = snn.simulate(net, drive, 0.1, duration=1e5, state=state, record=record)
    w = np.ravel(sol.final.learned[NAME].weight) / G_MAX
    counts = np.asarray(sol.ys)
    return dict(
        input_hz=counts[:1000].mean() / 100,
        rate_hz=counts[1000] / 100,
        mean_weight=w.mean(),
        below_fifth=(w < 0.2).mean(),
        above_four_fifths=(w > 0.8).mean(),
    )


@pytest.mark.slow
def test_100_seconds_are_those_of_brian2():
    """Means over 5 seeds, within 4 standard errors of the difference: 3e-4 each by chance."""
    stored = json.loads((PEERS / "song_abbott.json").read_text())
    found = [hundred_seconds(seed) for seed in range(5)]
    for name, expected in stored["alike"].items():
        error = expected["sd"] * np.sqrt(1 / 5 + 1 / stored["seeds"])
        mean = np.mean([one[name] for one in found])
        assert abs(mean - expected["mean"]) < 4 * error, name
    # Bimodal: a uniform law has a fifth of the weights in each of these.
    assert min(one["below_fifth"] for one in found) > 0.3
    assert min(one["above_four_fifths"] for one in found) > 0.23
