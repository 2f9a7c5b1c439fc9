"""Rules and thresholds that keep neurons at work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import (
    STDP,
    HardBounds,
    NoBounds,
    Normalised,
    SynapticScaling,
    replay,
)

DT = 0.5
STILL = STDP(0.0, 0.0, bounds=NoBounds())


def trains(seed, n, n_steps=400, p=0.05):
    return (np.random.default_rng(seed).random((n_steps, n)) < p).astype(float)


PRE, POST = trains(0, 3), trains(1, 2)
START = np.random.default_rng(2).uniform(0.2, 1.0, (3, 2))


@pytest.mark.parametrize("tau_integral", [None, 300.0])
def test_scaling_multiplies_by_the_error_of_the_rate(tau_integral):
    rule = SynapticScaling(STILL, 30.0, 500.0, tau_integral, 80.0, every=50.0)
    w = replay(rule, PRE, POST, DT, weights=START).weights
    t = np.arange(1, 401) * DT
    expected = START.copy()
    for j in range(2):
        spikes = t[POST[:, j] > 0]
        rate = lambda now, spikes=spikes: (
            30 * np.exp(-now / 80)
            + sum(np.exp(-(now - s) / 80) * 1000 / 80 for s in spikes if s <= now + 1e-9)
        )
        for now in (50.0, 100.0, 150.0, 200.0):
            error = 1 - rate(now) / 30
            if tau_integral:
                past = sum(1 - rate(s) / 30 for s in t if s <= now + 1e-9)
                error += past * DT / tau_integral
            expected[:, j] *= np.exp(50 / 500 * error)
    np.testing.assert_allclose(w, expected, rtol=1e-9)
    assert abs(w / START - 1).max() > 0.02


def test_scaling_keeps_the_rate_of_neurons_whose_drive_changes():
    """Two cells, one with twice the excitation: both come to 10 Hz and keep ratios of weights."""
    key = jax.random.key(1)
    rates = np.repeat([20.0, 40.0], 20)
    source = snn.Population(snn.inputs.poisson(rates, shape=(40,), key=key), 40)
    lif = snn.LIF(20.0, 10.0, -60.0, threshold=-50.0, v_reset=-60.0, t_ref=5.0)
    cells = snn.Population(lif, 2, snn.Exponential(5.0, e_rev=0.0))
    rule = SynapticScaling(STILL, 10.0, 3000.0, tau_rate=1000.0, every=20.0)
    pre, post = np.arange(40), np.repeat([0, 1], 20)
    strong = np.where(pre % 2, 1.5, 1.0)
    net = snn.Network(
        dict(s=source, c=cells),
        [
            snn.Projection(
                "s", "c", snn.connect.FromArrays(pre, post), weight=strong, learning=rule
            )
        ],
        key=key,
    )
    sol = snn.simulate(net, {}, DT, n_steps=80_000, record=snn.Trace(every=1))
    s = np.asarray(sol.ys)[:, 40:]
    before, after = s[:1000].sum(0) / 0.5, s[40_000:].sum(0) / 20.0  # Hz
    w = np.asarray(sol.final.learned["s->c"].weight)
    assert before.min() > 15 and before[1] > 1.2 * before[0]
    np.testing.assert_allclose(after, 10.0, rtol=0.1)
    np.testing.assert_allclose(w[1::2] / w[::2], 1.5, rtol=1e-9)


@pytest.mark.parametrize("every", [None, 25.0])
def test_normalised_weights_keep_their_sum(every):
    total = np.array([2.0, 0.7])
    rule = Normalised(STDP(0.1, 0.02, bounds=HardBounds(0, 9)), total, every)
    run = lambda rule: np.asarray(
        replay(rule, PRE, POST, DT, weights=START, history=True).history
    )
    history, plain = run(rule), run(rule.rule)
    at = np.arange(400) if every is None else np.arange(49, 400, 50)
    np.testing.assert_allclose(history[at].sum(1), np.tile(total, (len(at), 1)), rtol=1e-12)
    # From one scaling to the next the rule within is alone.
    k = 0 if every is None else 49
    np.testing.assert_allclose(history[k], plain[k] / plain[k].sum(0) * total, rtol=1e-12)
    if every is not None:
        np.testing.assert_allclose(history[:49], plain[:49], rtol=1e-12)
    assert np.abs(history[-1] - START / START.sum(0) * total).max() > 0.05


def test_normalised_weights_stay_within_bounds_and_zeros_are_left_alone():
    rule = Normalised(STDP(0.0, 0.0, bounds=HardBounds(0.0, 0.5)), 3.0)
    w = replay(
        rule, PRE, POST, DT, weights=np.array([[0.4, 0], [0.2, 0], [0.1, 0]])
    ).weights
    assert (w[:2, 0] == 0.5).all() and (w[:, 1] == 0).all() and np.isfinite(w).all()
    slope = jax.grad(lambda x: replay(rule, PRE, POST, DT, weights=x).weights.sum())
    assert np.isfinite(slope(jnp.zeros((3, 2)))).all()


def test_a_sparse_projection_is_normalised_and_scaled():
    wiring = snn.connect.FixedInDegree(3)
    source = snn.Population(snn.inputs.poisson(50.0, shape=(6,), key=jax.random.key(1)), 6)
    cells = snn.Population(snn.LIF(), 4, snn.Exponential(5.0))
    within = Normalised(STDP(0.1, 0.1, bounds=HardBounds(0, 9)), 6.0, 10.0)
    rule = SynapticScaling(within, 10.0, 1e3, every=100.0)
    join = snn.Projection("s", "c", wiring, weight=1.0, delay=2.0, learning=rule)
    net = snn.Network(dict(s=source, c=cells), [join], key=jax.random.key(0))
    sol = snn.simulate(net, {}, DT, n_steps=400)
    w, post = sol.final.learned["s->c"].weight, net.synapses["s->c"].post
    # After 200 ms first the one, then the other. Without a spike the average falls as known.
    expected = 6.0 * np.exp(100 / 1e3 * (1 - np.exp(-200 / 1e5)))
    np.testing.assert_allclose(np.bincount(post, w, 4), expected, rtol=1e-9)


def test_an_adaptive_threshold_is_homeostatic():
    """Drives that differ by a factor of 2 give rates that hardly do; theta is at balance."""
    current = snn.inputs.constant(np.array([300.0, 600.0]))
    plain = snn.LIF(10.0, 10.0, -65.0, threshold=-52.0, v_reset=-65.0, t_ref=5.0)
    parameters = dict(tau_m=10.0, g_l=10.0, e_l=-65.0, v_reset=-65.0, t_ref=5.0)
    cell = snn.AdaptiveLIF(**parameters, threshold=-52.0, beta=1.0, tau_adapt=5000.0)
    run = lambda model: snn.simulate(
        model, current, DT, n_steps=100_000, record=snn.Trace()
    )
    free, kept = run(plain), run(cell)
    hz = lambda sol: np.asarray(sol.ys)[60_000:].sum(0) / 20.0
    assert hz(free).min() > 60
    assert hz(kept).max() < 0.2 * hz(free).min()
    balance = 1.0 * 5.0 * hz(kept)  # beta times tau_adapt times the rate
    np.testing.assert_allclose(kept.final.theta, balance, rtol=0.1)
    np.testing.assert_allclose(balance, np.array([30.0, 60.0]) - 13.0, rtol=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normalised(STDP, 1.0), r"Normalised\.rule must be a learning rule"),
        (lambda: Normalised(STDP(), 0.0), r"Normalised\.total must be above 0"),
        (lambda: Normalised(STDP(), 1.0, 0.0), r"Normalised\.every must be above 0 ms"),
        (
            lambda: SynapticScaling(STDP(), 0.0),
            r"SynapticScaling\.rate_hz must be above 0 Hz",
        ),
        (
            lambda: SynapticScaling(STDP(), every=-1.0),
            r"SynapticScaling\.every must be above",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
