"""Learning trial after trial: as a network does it, and the association that ReSuMe learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import PSD, ReSuMe, Tempotron

CELL = snn.LIF(10.0, 1.0, 0.0, threshold=20.0, v_reset=0.0)


def cells(n=1):
    return snn.Population(CELL, n, snn.Exponential(5.0))


def task(seed, n_inputs=400, **kwargs):
    """(inputs, targets, weights) of the association task."""
    data = snn.datasets.spike_pattern_association(seed, n_inputs=n_inputs, **kwargs)
    shape = (n_inputs, data.targets.shape[2])
    w = np.random.default_rng(seed).uniform(0, 1600 / n_inputs, shape)
    return data.inputs, data.targets, w


def test_a_trial_is_a_run_of_a_network():
    x, y, w = task(0, 40, n_outputs=2)
    x, y = x.astype(float), y.astype(float)
    rule = ReSuMe(0.2, 1.5)
    result = snn.learn_trials(rule, cells(2), x, y, 1.0, epochs=1, weights=w)
    train = snn.inputs.from_array(x[0], 1.0)
    net = snn.Network(
        dict(inputs=snn.Population(train, 40), cells=cells(2)),
        [snn.Projection("inputs", "cells", snn.connect.AllToAll(), w, learning=rule)],
    )
    wanted = snn.inputs.from_array(y[0], 1.0)
    record = dict(s=snn.Trace(), w=snn.Trace("inputs->cells.weight", every=400))
    sol = snn.simulate(
        net, {"inputs->cells.target": wanted}, 1.0, n_steps=400, record=record
    )
    np.testing.assert_array_equal(sol.ys["s"][:, 40:], result.spikes[0, 0])
    np.testing.assert_allclose(sol.ys["w"][-1].reshape(w.shape), result.weights, rtol=1e-10)
    assert result.spikes.sum() > 5 and np.abs(result.weights - w).max() > 1


def test_trials_follow_each_other():
    x, y, w = task(1, 40, n_patterns=3)
    run = lambda x, y, w, epochs=1: snn.learn_trials(
        PSD(1.0), cells(), x, y, 1.0, epochs=epochs, weights=w
    )
    whole = run(x, y, w, epochs=2)
    for k in (0, 1, 2, 0, 1, 2):
        one = run(x[k : k + 1], y[k : k + 1], w)
        w = one.weights
    np.testing.assert_allclose(whole.weights, w, rtol=1e-5)
    np.testing.assert_array_equal(whole.spikes[1, 2], one.spikes[0, 0])
    assert whole.correlation.shape == (2, 3, 1)
    out, goal = (np.flatnonzero(s) + 1.0 for s in (whole.spikes[1, 2, :, 0], y[2, :, 0]))
    again = snn.measures.schreiber(jnp.asarray(out), jnp.asarray(goal), 2.0)
    assert float(whole.correlation[1, 2, 0]) == pytest.approx(float(again), rel=1e-5)


def test_resume_learns_the_association_in_the_median_of_20_seeds():
    data = [np.stack(x) for x in zip(*(task(seed) for seed in range(20)), strict=True)]
    one = lambda x, y, w: snn.learn_trials(
        ReSuMe(0.05, 0.5), cells(), x, y, 1.0, epochs=100, weights=w
    )
    result = jax.jit(jax.vmap(one))(*data)
    r = np.median(result.correlation[..., 0, 0], 0)
    assert r[0] < 0.3 and r[-1] >= 0.95, r
    assert np.abs(result.spikes[:, -1].sum((1, 2, 3)) - 5).mean() < 0.5


X, Y, W = task(0, 5, duration=200.0)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(targets=Y[:, :-1]), r"targets spikes \[trials, steps, 1\], got shapes"),
        (dict(weights=W[:-1]), r"weights must be \(5, 1\)"),
        (dict(epochs=0), "epochs must be a whole number above 0"),
        (dict(dt=0.0), "dt must be above 0 ms"),
        (dict(sigma=-1.0), "sigma must be above 0 ms"),
        (dict(cells=snn.Population(CELL, 1)), "must have one receptor"),
        (dict(rule=Tempotron()), "Tempotron needs 'label'"),
    ],
)
def test_bad_input_is_refused(kwargs, message):
    given = dict(rule=ReSuMe(), cells=cells(), inputs=X, targets=Y, dt=1.0, weights=W)
    with pytest.raises(ValueError, match=message):
        snn.learn_trials(**(dict(epochs=1) | given | kwargs))
