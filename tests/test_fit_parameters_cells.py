"""Cells from their own traces, starting 30 % off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import snnjax as snn

HH_DT, HH_NAMES = 0.05, ("g_na", "g_k", "g_l", "e_l", "c")
HH_CURRENT = jnp.where(jnp.arange(600) * HH_DT > 3.0, 10.0, 0.0)  # uA/cm2
HH = snn.HodgkinHuxley(v_init=-65.0)

ADEX_DT = 0.1
ADEX_NAMES = ("c_m", "g_l", "e_l", "v_t", "delta_t", "a", "tau_w", "b", "v_reset")
_T = jnp.arange(3000) * ADEX_DT
ADEX_CURRENT = 300.0 * ((_T > 20) & (_T < 60)) + 800.0 * ((_T > 90) & (_T < 270))  # pA
ADEX = snn.AdEx()
SEEN = -40.0  # mV; above, v runs away to the threshold and says little


def off(model, names, seed):
    """Each parameter 30 % higher or lower."""
    signs = np.random.default_rng(seed).choice([-1, 1], len(names))
    return {
        n: float(getattr(model, n)) * (1 + 0.3 * s)
        for n, s in zip(names, signs, strict=True)
    }


def worst(fit, model):
    return max(
        abs(float(x) / float(getattr(model, n)) - 1) for n, x in fit.parameters.items()
    )


def recorded(model, current, dt):
    record = {"v": snn.Trace("v"), "spikes": snn.Trace(lambda state, spike: spike)}
    return snn.simulate(model, current, dt, record=record).ys


@pytest.fixture(scope="module")
def hh():
    return recorded(HH, HH_CURRENT, HH_DT)


@pytest.fixture(scope="module")
def adex():
    return recorded(ADEX, ADEX_CURRENT, ADEX_DT)


def hh_trace(model, v, gain):
    return snn.nudged(model, HH_CURRENT, v, HH_DT, gain=gain)


def adex_trace(model, v, spikes):
    v = snn.nudged(model, ADEX_CURRENT, v, ADEX_DT, gain=10.0, spikes=spikes)
    return jnp.minimum(v, SEEN)


def fit_adex(adex, seed):
    predict = Partial(adex_trace, v=adex["v"], spikes=adex["spikes"])
    true = {n: float(getattr(ADEX, n)) for n in ADEX_NAMES}
    return snn.fit_parameters(
        predict,
        jnp.minimum(adex["v"], SEEN),
        off(ADEX, ADEX_NAMES, seed),
        model=ADEX,
        bounds={n: sorted((x / 2, 1.5 * x)) for n, x in true.items()},
        noise=0.5,
        starts=8,
        key=jax.random.key(seed),
        steps=60,
    )


def test_hodgkin_huxley_from_its_own_trace(hh):
    predict = Partial(hh_trace, v=hh["v"], gain=jnp.asarray(10.0))
    assert hh["spikes"].sum() == 2
    for seed in range(10):
        start = off(HH, HH_NAMES, seed)
        fit = snn.fit_parameters(predict, hh["v"], start, model=HH, noise=0.5)
        assert worst(fit, HH) < 1e-6, start


def test_noise_of_the_data_is_dealt_with_by_a_second_fit_without_pull(hh, key):
    """The pull brings noise into the cell; the fit without it is as sure as the bound says."""
    data = hh["v"] + 0.5 * jax.random.normal(key, hh["v"].shape)
    ask = lambda start, gain: snn.fit_parameters(
        Partial(hh_trace, v=data, gain=jnp.asarray(gain)), data, start, model=HH, noise=0.5
    )
    led = ask(off(HH, HH_NAMES, 0), 10.0)
    fit = ask(led.parameters, 0.0)
    assert fit.converged
    true = np.array([float(getattr(HH, n)) for n in fit.fisher.names])
    values = np.array([float(fit.parameters[n]) for n in fit.fisher.names])
    # Five normal deviates: one seed in 1000 has one beyond 3.7.
    assert abs((values - true) / fit.fisher.standard_errors).max() < 3.7
    assert fit.fisher.relative_errors.max() < 0.05
    assert 2 * fit.loss == pytest.approx(600 - 5, abs=3.3 * np.sqrt(2 * 595))


def test_adex_from_its_own_trace(adex):
    assert adex["spikes"].sum() >= 4
    fit = fit_adex(adex, 0)
    assert worst(fit, ADEX) < 1e-6
    assert fit.starts.loss[0] < 1e-6 or fit.starts.loss[1:].min() < 1e-6


@pytest.mark.slow
def test_adex_from_ten_seeds(adex):
    good = [worst(fit_adex(adex, seed), ADEX) < 0.01 for seed in range(10)]
    assert sum(good) >= 9


@pytest.mark.slow
def test_spike_times_of_a_lif_by_solve():
    """The run is longer than the data, so that cells which fire less have as many spikes."""

    def times(model):
        solution = snn.solve(
            model, drive, 40.0, max_spikes=8, rtol=1e-8, atol=1e-8, throw=False
        )
        return solution.stats["spike_times"][:3]

    drive = jnp.array([300.0, 420.0])  # pA
    k = np.arange(1, 4)[:, None]
    # Each interval climbs 20 mV towards current / g_l, then waits 2 ms.
    climb = 9.0 * np.log(np.asarray(drive) / (np.asarray(drive) - 160.0))
    data = k * climb + (k - 1) * 2.0
    model = snn.LIF(tau_m=10.0, g_l=8.5)
    fit = snn.fit_parameters(
        times, data, ["tau_m", "g_l"], model=model, noise=0.1, steps=20
    )
    assert float(fit.parameters["tau_m"]) == pytest.approx(9.0, rel=1e-5)
    assert float(fit.parameters["g_l"]) == pytest.approx(8.0, rel=1e-5)


@pytest.mark.parametrize("gain", [0.0, 0.3, jnp.inf])
def test_at_the_true_parameters_the_pull_does_nothing(hh, adex, gain):
    v = hh_trace(HH, hh["v"], gain)
    np.testing.assert_allclose(v, hh["v"], rtol=1e-9)
    v = snn.nudged(
        *(ADEX, ADEX_CURRENT, adex["v"], ADEX_DT), gain=gain, spikes=adex["spikes"]
    )
    np.testing.assert_allclose(v, adex["v"], rtol=1e-9)


def test_without_pull_it_is_the_cell_alone(hh):
    other = snn.HodgkinHuxley(v_init=-65.0, g_na=100.0)
    alone = snn.simulate(other, HH_CURRENT, HH_DT, record=snn.Trace("v")).ys
    np.testing.assert_allclose(hh_trace(other, hh["v"], 0.0), alone, rtol=1e-9)
    unseen = jnp.full_like(hh["v"], jnp.nan)
    np.testing.assert_allclose(hh_trace(other, unseen, jnp.inf), alone, rtol=1e-9)


def test_the_pull_is_exponential():
    """Of a perfect integrator without input, whose voltage nothing else moves."""
    cell = snn.PerfectIF(threshold=50.0)
    start = float(cell.init().v)
    v = jnp.full(40, start + 8.0)
    found = snn.nudged(cell, 0.0, v, 0.5, gain=0.2, spikes=0.0)
    steps = np.arange(40)  # the first has no earlier sample to be pulled to
    np.testing.assert_allclose(found, start + 8.0 * (1 - np.exp(-0.2 * 0.5 * steps)))
    ahead = snn.nudged(cell, 0.0, v, 0.5, gain=jnp.inf, spikes=0.0)
    np.testing.assert_allclose(ahead[1:], start + 8.0)


def test_slope_of_a_led_trace_is_that_of_finite_differences(adex):
    @jax.jit
    def trace(b):
        model = snn.AdEx(b=b, g_l=33.0)
        args = (model, ADEX_CURRENT, adex["v"], ADEX_DT)
        return jnp.minimum(snn.nudged(*args, gain=0.1, spikes=adex["spikes"]), SEEN)

    slope = jax.jit(jax.jacfwd(trace))(80.0)
    differences = (trace(80.0 + 1e-3) - trace(80.0 - 1e-3)) / 2e-3
    assert abs(slope).max() > 1e-3
    np.testing.assert_allclose(slope, differences, atol=1e-6 * abs(slope).max())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "HH"}, "nudged.model must be a neuron, got str"),
        ({"model": snn.LIF()}, "nudged.spikes is needed: LIF is reset"),
        ({"gain": -1.0}, "nudged.gain must be at least 0"),
        ({"v": jnp.zeros((3, 2))}, r"one trace \[T\] in mV, got shape \(3, 2\)"),
        ({"current": jnp.zeros(4)}, "nudged.current must be one value, or one for each of"),
        ({"spikes": jnp.zeros(2), "model": snn.LIF()}, "nudged.spikes must be one value"),
    ],
)
def test_nudged_refuses_bad_input(change, words):
    asked = {"model": HH, "current": 0.0, "v": jnp.zeros(3), "gain": 1.0, **change}
    with pytest.raises(ValueError, match=words):
        snn.nudged(**asked, dt=0.1)
