"""STDP by a window of any form; what all rules of pairs and triplets have in common."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import (
    STDP,
    InhibitorySTDP,
    NoBounds,
    RickerWindow,
    TriphasicWindow,
    TripletSTDP,
    WindowSTDP,
    replay,
)
from tests.spike_pairs import DT, each, trains


def pair(gap, dt=DT, stop=400.0):
    """Trains of one spike each, the second `gap` ms after the first."""
    pre, post = np.zeros((2, round(stop / dt)))
    pre[round(stop / 2 / dt)] = post[round((stop / 2 + gap) / dt)] = 1
    return pre, post


# Windows


def triphasic(lag):
    return 0.23 * np.exp(-((lag - 15) ** 2) / 200) - 0.15 * np.exp(
        -((lag - 20) ** 2) / 2000
    )


def ricker(lag):
    return 0.02 * (1 - (lag / 8) ** 2) * np.exp(-(lag**2) / (2 * 8**2))


WINDOWS = {
    "triphasic": (TriphasicWindow(), triphasic),
    "ricker": (RickerWindow(0.02, 8), ricker),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_pairing_experiment_measures_the_window(name):
    window, expected = WINDOWS[name]
    rule = WindowSTDP(window, 60.0, NoBounds())
    gaps = np.array([-60.5, -60.0, -30.0, -0.5, 0.0, 0.5, 4.5, 15.0, 24.5, 60.0, 60.5])
    pre, post = (np.stack(x, 1) for x in zip(*map(pair, gaps), strict=True))
    measured = np.diag(replay(rule, pre, post, DT).weights)
    within = np.where(abs(gaps) <= 60, expected(gaps), 0.0)
    np.testing.assert_allclose(measured, within, rtol=1e-12, atol=1e-16)


def test_the_triphasic_window_changes_sign_twice():
    window, lags = TriphasicWindow(), np.arange(-40, 80, 0.01)
    change = np.flatnonzero(np.diff(np.sign(window(lags))))
    np.testing.assert_allclose(lags[change], [4.54, 24.35], atol=0.011)
    assert window(15.0) > 0 > max(window(-5.0), window(40.0))


@pytest.mark.parametrize(("name", "lazy"), [("triphasic", True), ("ricker", False)])
def test_many_spikes_add_up_over_pairs(name, lazy):
    window, expected = WINDOWS[name]
    pre, post = trains(0, 4), trains(1, 3)

    def one(first, second):
        lag = second[:, None] - first[None, :]
        return np.where(abs(lag) <= 60.2, expected(lag), 0).sum()

    rule = WindowSTDP(window, 60.0, NoBounds(), lazy=lazy)
    got = replay(rule, pre, post, DT).weights
    assert abs(got).min() > 1e-4
    np.testing.assert_allclose(got, each(pre, post, one), rtol=1e-9, atol=1e-12)


def test_a_window_of_ones_own_and_its_gradient():
    pre, post = trains(2, 3, 200), trains(3, 2, 200)
    pre, post = pre * (1 - post.max(1, keepdims=True)), post  # no two spikes in one step

    def change(tau):
        window = lambda lag: jnp.where(lag > 0, 0.01, -0.012) * jnp.exp(-abs(lag) / tau)
        return replay(WindowSTDP(window, 400.0, NoBounds()), pre, post, DT).weights.sum()

    by_traces = lambda tau: replay(
        STDP(0.01, 0.012, tau, tau, NoBounds()), pre, post, DT
    ).weights.sum()
    np.testing.assert_allclose(change(20.0), by_traces(20.0), rtol=1e-9)
    np.testing.assert_allclose(jax.grad(change)(20.0), jax.grad(by_traces)(20.0), rtol=1e-9)


def test_windows_see_late_spikes_of_a_delayed_projection():
    def run(rule):
        cells = snn.Population(
            snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0), 3, snn.Exponential(5.0)
        )
        sources = snn.Population(
            snn.inputs.poisson(40.0, shape=(4,), key=jax.random.key(1)), 4
        )
        net = snn.Network(
            dict(inputs=sources, cells=cells),
            [
                snn.Projection(
                    "inputs", "cells", snn.connect.AllToAll(), delay=3.0, learning=rule
                )
            ],
            key=jax.random.key(0),
        )
        drive = {"cells": snn.inputs.constant(np.array([11.0, 13.0, 16.0]))}
        sol = snn.simulate(net, drive, DT, n_steps=400, record=snn.Trace())
        (w,) = (x.weight for x in sol.final.learned.values())
        return np.asarray(w).reshape(4, 3), np.asarray(sol.ys)

    w, s = run(WindowSTDP(TriphasicWindow(), 60.0, NoBounds()))
    late = np.concatenate([np.zeros((5, 4)), s[:-5, :4]])  # k - 1 steps
    expected = replay(WindowSTDP(TriphasicWindow(), 60.0, NoBounds()), late, s[:, 4:], DT)
    np.testing.assert_allclose(w, 1 + expected.weights, rtol=1e-9)
    assert abs(expected.weights).min() > 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WindowSTDP(TriphasicWindow), r"WindowSTDP\.window must be a function"),
        (
            lambda: WindowSTDP(TriphasicWindow(), 0.0),
            r"WindowSTDP\.reach must be above 0 ms",
        ),
        (lambda: RickerWindow(s=0.0), r"RickerWindow\.s must be above 0 ms"),
        (lambda: TripletSTDP(pairing="pre"), r"TripletSTDP\.pairing must be one of"),
        (lambda: TripletSTDP(tau_x=-1.0), r"TripletSTDP\.tau_x must be above 0 ms"),
        (
            lambda: InhibitorySTDP(rate_hz=-1.0),
            r"InhibitorySTDP\.rate_hz must be at least 0",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


RULES = [WindowSTDP(TriphasicWindow(), 20.0), TripletSTDP(), InhibitorySTDP()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_dtypes_batches_and_gradients(rule):
    pre = np.stack([trains(s, 4, 60, 0.1) for s in (0, 1)])
    post = np.stack([trains(s, 3, 60, 0.1) for s in (2, 3)])

    @jax.jit
    def run(rule, pre, post):
        return replay(rule, pre, post, DT, weights=jnp.asarray(0.5, pre.dtype)).weights

    together = jax.vmap(run, (None, 0, 0))(rule, pre, post)
    grads = jax.tree.leaves(jax.grad(lambda rule: run(rule, pre[1], post[1]).mean())(rule))
    assert all(np.isfinite(g).all() for g in grads) and any(abs(g) > 0 for g in grads)
    rule = jax.tree.map(lambda x: x.astype(jnp.float32), rule)
    narrow = run(rule, pre[1].astype("f4"), post[1].astype("f4"))
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(together[1], narrow, rtol=1e-5)
