"""Supervised rules on given trains: against sums over pairs of spikes, and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.core import backend
from snnjax.plasticity import (
    PSD,
    SPAN,
    STDP,
    MultilayerReSuMe,
    NoBounds,
    ReSuMe,
    SupervisedHebb,
    TeacherForced,
    hidden_error,
    replay,
)

DT = 0.5
PRE, OUT, TARGET = [5, 12, 30, 33, 61, 80, 104], [9, 31.5, 40, 62, 63, 100], [9, 35, 60, 90]


def train(times, stop=120.0):
    """The spikes of each step of one neuron, [steps, 1]."""
    x = np.zeros((round(stop / DT), 1))
    x[np.rint(np.asarray(times) / DT).astype(int)] = 1
    return x


def trains(seed, n, n_steps=300, p=0.03):
    return (np.random.default_rng(seed).random((n_steps, n)) < p).astype(float)


def times(x):
    return [np.flatnonzero(column) * DT for column in np.asarray(x).T]


def over_pairs(pre, others, window):
    """Sum of `window(pre spike time, other spike time)`, [n_pre, n_post]."""
    return np.array(
        [
            [sum(window(s, t) for s in a for t in b) for b in times(others)]
            for a in times(pre)
        ]
    )


PRES, OUTS, TARGETS = trains(0, 5), trains(1, 3), trains(2, 3)


def run(rule, pre=PRES, out=OUTS, target=TARGETS, **kwargs):
    return np.asarray(replay(rule, pre, out, DT, target=target, **kwargs).weights)


@pytest.mark.parametrize("most", [0, 10**6])
@pytest.mark.parametrize("make", [ReSuMe, ReSuMe.inhibitory])
def test_resume_is_the_sum_over_pairs_of_spikes(make, most, monkeypatch):
    monkeypatch.setattr(backend, "EACH_UP_TO", most)
    window = lambda s, t: 0.05 * np.exp(-(t - s) / 5) * (s < t)
    counts = 0.01 * (TARGETS.sum(0) - OUTS.sum(0))
    expected = counts + over_pairs(PRES, TARGETS, window) - over_pairs(PRES, OUTS, window)
    sign = 1 if make is ReSuMe else -1
    np.testing.assert_allclose(run(make()), sign * expected, rtol=1e-10, atol=1e-14)


def test_resume_stops_where_the_target_is_met():
    assert np.abs(run(ReSuMe(), target=OUTS)).max() == 0
    one = lambda lag: run(ReSuMe(), train([50]), train([]), train([50 + lag]))[0, 0]
    assert one(7.5) == pytest.approx(0.01 + 0.05 * np.exp(-1.5), rel=1e-12)
    assert one(0.0) == one(-3.0) == pytest.approx(0.01)  # zero lag counts as nothing


def test_multilayer_resume_is_the_sum_over_pairs_of_spikes():
    error = np.random.default_rng(3).normal(size=OUTS.shape) * (TARGETS + OUTS)
    rule = MultilayerReSuMe(0.02, 0.3, 0.2, 6.0, 9.0)
    w = replay(rule, PRES, OUTS, DT, error=error).weights
    expected = np.zeros((5, 3))
    for i, j in np.ndindex(5, 3):
        for step in np.flatnonzero(error[:, j]):
            e, t = error[step, j], step * DT
            lag = t - times(PRES)[i]
            expected[i, j] += e * (0.02 + 0.3 * np.exp(-lag[lag > 0] / 6).sum())
            expected[i, j] -= e * 0.2 * np.exp(lag[lag < 0] / 9).sum()
    np.testing.assert_allclose(w, expected / 5, rtol=1e-10, atol=1e-14)


def test_hidden_errors_are_the_derivative_of_the_output_to_hidden_spikes():
    w = np.random.default_rng(4).normal(size=(4, 3))
    error = TARGETS - OUTS
    expected = np.zeros((len(error), 4))
    for h in range(4):
        for o in range(3):
            expected[:, h] += w[h, o] * error[:, o] / 4
    np.testing.assert_allclose(hidden_error(error, w), expected, atol=1e-15)
    sizes = hidden_error(error, w, absolute=True)
    np.testing.assert_allclose(sizes, hidden_error(error, np.abs(w)), atol=1e-15)
    assert np.abs(sizes - expected).max() > 0.1


def difference(window):
    return over_pairs(PRES, TARGETS, window) - over_pairs(PRES, OUTS, window)


def test_span_is_the_closed_form_at_zero_lag_too():
    window = lambda s, t: (np.e / 2) ** 2 * (abs(s - t) + 5) * np.exp(-abs(s - t) / 5)
    assert (PRES[:, :, None] * TARGETS[:, None]).sum() > 0
    np.testing.assert_allclose(run(SPAN(0.01)), 0.01 * difference(window), rtol=1e-9)


def test_span_is_the_integral_of_the_filtered_trains():
    t = np.arange(0, 300, 0.01)
    kernel = lambda lag: np.where(lag > 0, np.e / 4 * lag * np.exp(-np.abs(lag) / 4), 0)
    filtered = lambda x: sum((kernel(t - s) for s in times(x)[0]), np.zeros(len(t)))
    x, y = filtered(train(PRE)), filtered(train(TARGET)) - filtered(train(OUT))
    expected = 0.02 * (x * y).sum() * 0.01
    got = run(SPAN(0.02, 4.0), train(PRE), train(OUT), train(TARGET))[0, 0]
    assert got == pytest.approx(expected, rel=1e-4)


def test_psd_is_the_sum_over_pairs_of_spikes():
    norm = 4 ** (4 / 3) / 3  # of 10 and 2.5 ms
    psc = lambda s, t: (s < t) * norm * (np.exp((s - t) / 10) - np.exp((s - t) / 2.5))
    assert max(psc(0, t) for t in np.arange(0.01, 20, 0.01)) == pytest.approx(1, abs=1e-6)
    expected = 0.03 * difference(psc)
    np.testing.assert_allclose(run(PSD(0.03)), expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("out", "target", "expected"),
    [
        ([40], [30], [1.0, 1.0, 0.0]),  # late: sources before 40 ms
        ([30], [40], [-1.0, -1.0, 0.0]),  # early
        ([40, 70], [30, 90], [1.0, 1.0, 0.0]),  # first spikes count
        ([], [30], [9.0, 9.0, 9.0]),  # silent: as if at the end of 120 ms
        ([40], [], [-8.0, -8.0, -8.0]),
        ([], [], [0.0, 0.0, 0.0]),
        ([30], [30], [0.0, 0.0, 0.0]),
    ],
)
def test_supervised_hebb_shifts_the_first_spike(out, target, expected):
    pre = np.concatenate([train([10, 60]), train([35]), train([50])], 1)
    end = np.arange(240) == 239  # 119.5 ms, half a step from 120
    run = lambda *x: replay(
        SupervisedHebb(), *x[:2], DT, target=x[2], end=x[3].astype(float)
    )
    w = run(pre, train(out), train(target), end).weights[:, 0]
    np.testing.assert_allclose(w, expected, atol=0.051)
    if out and target:
        np.testing.assert_allclose(w, expected, atol=1e-12)
    twice = [np.concatenate([x, x]) for x in (pre, train(out), train(target), end)]
    np.testing.assert_allclose(run(*twice).weights[:, 0], 2 * w, atol=1e-12)


@pytest.mark.parametrize("pairing", ["all", "pre_centred"])
def test_a_teacher_takes_the_place_of_the_neuron(pairing):
    rule = STDP(bounds=NoBounds(), pairing=pairing)
    expected = replay(rule, PRES, TARGETS, DT).weights
    np.testing.assert_array_equal(run(TeacherForced(rule)), expected)
    assert np.abs(run(TeacherForced(ReSuMe()), target=TARGETS)).max() == 0
    assert TeacherForced(STDP()).by_event


RULES = [ReSuMe, SPAN, PSD]


@pytest.mark.parametrize("rule", RULES)
def test_gradients_to_the_constants_are_finite_differences(rule):
    leaves, tree = jax.tree.flatten(rule())
    x = np.array([float(leaf) for leaf in leaves])
    loss = lambda x: jnp.sum(
        jnp.sin(
            replay(jax.tree.unflatten(tree, list(x)), PRES, OUTS, DT, target=TARGETS)[0]
        )
    )
    grad = jax.grad(loss)(x)
    for k, h in enumerate(1e-6 * np.eye(len(x))):
        slope = (loss(x + h) - loss(x - h)) / 2e-6
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-6, abs=1e-9)
        assert float(grad[k]) != 0


@pytest.mark.parametrize("rule", RULES)
def test_dtypes_batches_and_jit(rule):
    single = jax.tree.map(lambda x: x.astype(jnp.float32), rule())
    args = [jnp.asarray(x, jnp.float32) for x in (PRES, OUTS, TARGETS)]
    w = replay(single, args[0], args[1], DT, target=args[2], weights=jnp.float32(0)).weights
    assert w.dtype == jnp.float32
    np.testing.assert_allclose(w, run(rule()), rtol=1e-4, atol=1e-5)
    stacked = [np.stack([x, x[::-1]]) for x in (PRES, OUTS, TARGETS)]
    one = lambda p, o, t: replay(rule(), p, o, DT, target=t).weights
    together = jax.jit(jax.vmap(one))(*stacked)
    for k in range(2):
        np.testing.assert_allclose(
            together[k], one(*(x[k] for x in stacked)), rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReSuMe(tau=0.0), r"ReSuMe\.tau must be above 0 ms"),
        (lambda: PSD(tau_s=10.0), r"PSD\.tau_s=10 ms must be below PSD\.tau_m=10 ms"),
        (
            lambda: replay(TeacherForced(STDP()), PRES, OUTS, DT),
            "TeacherForced needs 'target'",
        ),
        (lambda: replay(ReSuMe(), PRES, OUTS, DT), "ReSuMe needs 'target' in each step"),
        (
            lambda: replay(MultilayerReSuMe(), PRES, OUTS, DT),
            "MultilayerReSuMe needs 'error'",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
