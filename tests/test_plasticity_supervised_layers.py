"""ReSuMe through a hidden layer: inputs, hidden LIF neurons and an output that learns a train."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.measures import padded_spike_times, schreiber
from snnjax.plasticity import MultilayerReSuMe, hidden_error
from snnjax.plasticity.rule import Signals

N_IN, N_HIDDEN, STEPS, DT, EPOCHS, SEEDS = 60, 30, 100, 1.0, 200, 8
CELL = snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0)
HIDDEN, OUT = (snn.Population(CELL, n, snn.Exponential(5.0)) for n in (N_HIDDEN, 1))


def task(seed):
    """(inputs, a target of 3 spikes in 100 ms, weights of both layers)."""
    rng = np.random.default_rng(seed)
    x = (rng.random((STEPS, N_IN)) < 0.02).astype(float)
    y = np.zeros((STEPS, 1))
    y[rng.choice(np.arange(20, 95, 8), 3, replace=False)] = 1
    w = rng.normal(1.5, 1.5, (N_IN, N_HIDDEN)), rng.normal(3, 2, (N_HIDDEN, 1))
    return x, y, *w


def learner(rate):
    return MultilayerReSuMe(0.05 * rate, 1.2 * rate, 0.5 * rate)


def correlations(x, y, w, v, hidden_rate, rate):
    """Of output and target (Schreiber, sigma 2 ms), epoch by epoch."""
    below, above = learner(hidden_rate), learner(rate)

    def advance(cells, state, arriving):
        ((port, receptor),) = cells.receptors.items()
        here = receptor.arrive(state.receptors[port], arriving)
        state, fired = cells.step(state._replace(receptors={port: here}), [], DT)
        return state, fired.spikes

    def step(carry, now):
        (hidden, out), (below_state, above_state), (w, v), (to_hidden, to_out) = carry
        x, y = now
        hidden, h = advance(HIDDEN, hidden, to_hidden)
        out, z = advance(OUT, out, to_out)
        error = y - z
        told = {"error": hidden_error(error, v, absolute=True)}
        below_state, new_w = below.step(below_state, Signals(x, h, w, told), DT)
        told = {"error": error}
        above_state, new_v = above.step(above_state, Signals(h, z, v, told), DT)
        learned = (below_state, above_state), (new_w, new_v)
        return ((hidden, out), *learned, (x @ w, h @ v)), z

    def epoch(weights, _):
        w, v = weights
        cells = HIDDEN.init((), dt=DT), OUT.init((), dt=DT)
        rules = below.init(w.shape, dt=DT), above.init(v.shape, dt=DT)
        nothing = jnp.zeros(N_HIDDEN), jnp.zeros(1)
        (*_, weights, _), z = jax.lax.scan(step, (cells, rules, (w, v), nothing), (x, y))
        out, target = (padded_spike_times(s[:, 0], DT, 30) for s in (z, y))
        return weights, schreiber(out, target, 2.0)

    return jax.lax.scan(epoch, (w, v), length=EPOCHS)[1]


@pytest.fixture(scope="module")
def run():
    data = [np.stack(x) for x in zip(*map(task, range(SEEDS)), strict=True)]
    each = jax.jit(jax.vmap(correlations, (0, 0, 0, 0, None, None)))
    return lambda hidden_rate, rate: np.asarray(each(*data, hidden_rate, rate))


def test_a_hidden_layer_that_learns_beats_one_that_does_not(run):
    """The mean of the last 20 epochs; the output alone at the best of 3 rates."""
    late = lambda r: r[:, -20:].mean(1)
    both = run(40.0, 10.0)
    alone = np.stack([late(run(0.0, rate)) for rate in (3.0, 10.0, 30.0)])
    assert np.median(both[:, 0]) < 0.5 and np.median(late(both)) >= 0.95
    assert np.median(alone, 1).max() <= 0.85
    best = alone[np.median(alone, 1).argmax()]
    assert (late(both) > best - 1e-6).sum() >= 7 and (late(both) > best + 0.05).sum() >= 5
