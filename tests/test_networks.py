"""The 1000-neuron network against a plain loop and its published rhythms."""

import jax
import numpy as np
import pytest

import snnjax as snn


def weights(network):
    """[target, source] of all pairs."""
    return np.concatenate([np.asarray(s.matrix()) for s in network.synapses.values()]).T


def test_a_step_is_that_of_the_published_script(key):
    network, drive = snn.networks.izhikevich_2003(key=key, n_exc=40, n_inh=10)
    sol = snn.simulate(
        network, drive, 1.0, n_steps=200, record=snn.Trace("cells.v", "output")
    )
    p = network.populations["cells"].neuron
    a, b, c, d = (np.asarray(x) for x in (p.a, p.b, p.c, p.d))
    v, weight = np.full(50, -65.0), weights(network)
    u, fired = b * v, np.zeros(50, bool)
    for i in range(200):
        current = np.asarray(drive(i, 1.0)) + weight[:, fired].sum(1)
        for _ in range(2):
            v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u = u + a * (b * v - u)
        fired = v >= 30  # the script looks at the start of the next step, which is here
        v, u = np.where(fired, c, v), np.where(fired, u + d, u)
        np.testing.assert_allclose(sol.ys["cells.v"][i], v, rtol=1e-9)
        np.testing.assert_array_equal(sol.ys["output"][i] > 0, fired)


def test_excitatory_weights_are_positive_and_come_first(key):
    network, _ = snn.networks.izhikevich_2003(key=key)
    weight = weights(network)
    assert weight.shape == (1000, 1000)
    assert (weight[:, :800] >= 0).all() and weight[:, :800].max() <= 0.5
    assert (weight[:, 800:] <= 0).all() and weight[:, 800:].min() >= -1
    assert weight[:, :800].mean() == pytest.approx(0.25, abs=0.002)


def test_two_rhythms(key):
    network, drive = snn.networks.izhikevich_2003(key=key)
    spikes = snn.simulate(network, drive, 1.0, duration=8000.0).ys
    f, power = snn.measures.power_spectrum(snn.measures.population_rate(spikes, 1.0), 1.0)
    band = lambda low, high: power[(f >= low) & (f < high)].mean()
    assert band(6, 11) > 2 * band(12, 20)  # alpha
    assert band(25, 38) > 1.2 * band(12, 20)  # gamma
    assert band(25, 38) > 3 * band(60, 80)


def test_same_key_same_network():
    one, two = (snn.networks.izhikevich_2003(key=jax.random.key(3))[0] for _ in range(2))
    np.testing.assert_array_equal(weights(one), weights(two))
