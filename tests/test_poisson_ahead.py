"""Poisson spikes that are drawn many steps at once: their law, and that they are one source."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import snnjax as snn
from snnjax.inputs import poisson
from snnjax.inputs.poisson import AHEAD


def source(rate=50.0, n=40, seed=0):
    return poisson(rate, shape=(n,), key=jax.random.key(seed), ahead=True)


@pytest.mark.parametrize(("rate", "dt"), [(15.0, 0.1), (200.0, 1.0), (2000.0, 1.0)])
def test_steps_are_independent_with_the_probability_of_an_event(rate, dt):
    """Intervals are geometric, spikes of one step binomial: each p > 1e-4."""
    n, n_steps = 200, 40 * AHEAD
    spikes = np.asarray(source(rate, n).array(dt, n_steps))
    p = -np.expm1(-rate * dt / 1000)
    assert stats.binomtest(int(spikes.sum()), spikes.size, p).pvalue > 1e-4
    gaps = np.concatenate([np.diff(np.flatnonzero(x)) for x in spikes.T])
    if rate > 15:  # at low rates long intervals do not fit into the run
        edges = np.unique(stats.geom.ppf(np.linspace(0, 1, 12)[1:-1], p)).astype(int)
        seen = np.bincount(np.searchsorted(edges, gaps), minlength=len(edges) + 1)
        law = np.diff(np.concatenate([[0], stats.geom.cdf(edges, p), [1]]))
        assert stats.chisquare(seen, law * len(gaps)).pvalue > 1e-4
    by_place = spikes.reshape(-1, AHEAD, n).sum((0, 2))  # no step of a block is special
    expected = np.full(AHEAD, by_place.mean())
    assert stats.chisquare(by_place, expected).statistic < stats.chi2.ppf(1 - 1e-4, AHEAD)


def test_rates_of_each_neuron_and_none():
    rates = np.array([0.0, 10.0, 100.0, 1e6])
    counts = np.asarray(source(rates, 4).array(1.0, 20_000)).sum(0)
    assert counts[0] == 0 and counts[3] == 20_000
    p = -np.expm1(-rates[1:3] / 1000)
    assert np.all(np.abs(counts[1:3] - 20_000 * p) < 4 * np.sqrt(20_000 * p * (1 - p)))


def test_a_population_fires_what_the_input_gives():
    cells = snn.Population(source(), 40)
    net = snn.Network(dict(inputs=cells))
    n_steps = 3 * AHEAD + 17
    whole = snn.simulate(net, {}, 0.5, n_steps=n_steps)
    np.testing.assert_array_equal(whole.ys, source().array(0.5, n_steps))
    first = snn.simulate(net, {}, 0.5, n_steps=AHEAD + 5)
    rest = snn.simulate(net, {}, 0.5, n_steps=n_steps - AHEAD - 5, state=first.state)
    np.testing.assert_array_equal(np.concatenate([first.ys, rest.ys]), whole.ys)
    assert 0 < np.asarray(whole.ys).mean() < 0.05


def test_parts_and_batches_see_their_own_spikes():
    whole = source().array(0.5, 300)
    np.testing.assert_array_equal(source().slice(7, 9).array(0.5, 300), whole[:, 7:16])

    def run(key):
        cells = snn.Population(poisson(50.0, shape=(40,), key=key, ahead=True), 40)
        return snn.simulate(snn.Network(dict(a=cells)), {}, 0.5, n_steps=300).ys

    both = jax.vmap(run)(jax.random.split(jax.random.key(1), 2))
    assert (both[0] != both[1]).any()
    np.testing.assert_array_equal(both[1], run(jax.random.split(jax.random.key(1), 2)[1]))
    assert jnp.issubdtype(source()(0, jnp.float32(0.1)).dtype, jnp.floating)


def test_refusals():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="constant rate_hz"):
        poisson(lambda t: 10.0 + t, shape=(3,), key=key, ahead=True)
    with pytest.raises(ValueError, match="leave counts=True out"):
        poisson(10.0, shape=(3,), key=key, ahead=True, counts=True)
