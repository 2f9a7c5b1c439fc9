"""The smooth reduced models against their literature and a second implementation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import snnjax as snn
from tests import reference_neurons as reference
from tests.reference_neurons import crossings, solve

RINZEL = {"e": (-60, 120, -84), "v14": (-1.2, 18, 12, 17.4)}
HOPF = {"g_ca": 4.4, "e": (-60, 120, -84), "v14": (-1.2, 18, 2, 30), "rate": 0.04}
MODELS = {
    "reduced": (snn.ReducedHodgkinHuxley, reference.reduced_squid, 10.0, 30.0, 0.0025),
    "morris_lecar": (snn.MorrisLecar, reference.morris_lecar, 40.0, 150.0, 0.05),
    "hopf": (
        snn.MorrisLecar.hopf,
        functools.partial(reference.morris_lecar, **HOPF),
        100.0,
        150.0,
        0.05,
    ),
    "snic": (
        snn.MorrisLecar.snic,
        functools.partial(reference.morris_lecar, rate=1 / 15, **RINZEL),
        50.0,
        150.0,
        0.05,
    ),
    "homoclinic": (
        snn.MorrisLecar.homoclinic,
        functools.partial(reference.morris_lecar, rate=0.23, **RINZEL),
        40.5,
        400.0,
        0.05,
    ),
    "fitzhugh": (snn.FitzHughNagumo, reference.fitzhugh_nagumo, 0.5, 250.0, 0.05),
    "classic": (
        snn.FitzHughNagumo.classic,
        reference.classic_fitzhugh_nagumo,
        0.5,
        100.0,
        0.02,
    ),
    "hindmarsh_rose": (snn.HindmarshRose, reference.hindmarsh_rose, 4.0, 100.0, 0.02),
}


def make(name):
    return MODELS[name][0](integrator=snn.RK4())


def hold(current):
    current = jnp.asarray(current, float)
    return lambda i, dt: current


def run(model, current, duration, dt, state=None):
    """v[t, k] from the start on, one cell a current."""
    sol = snn.simulate(
        model, hold(current), dt, duration=duration, record=snn.Trace("v"),
        shape=np.shape(current), state=state,
    )  # fmt: skip
    return np.asarray(sol.ys)


def spike_times(v, dt, level):
    t = np.arange(1, len(v) + 1) * dt
    return [crossings(t, x, level) for x in v.T]


@pytest.mark.parametrize("name", MODELS)
def test_equals_the_second_implementation(name):
    _, field, current, duration, dt = MODELS[name]
    model = make(name)
    start = [float(x) for x in model.init()]
    _, y = solve(field, start, ((duration, current),), dt)
    sol = snn.simulate(
        model, current, dt, duration=duration, record=snn.Trace("v", "output")
    )
    np.testing.assert_allclose(sol.ys["v"], y[1:, 0], atol=1e-4 * np.ptp(y[:, 0]))
    assert np.ptp(y[:, 0]) > 1
    level = float(model.full.spike_level if name == "reduced" else model.spike_level)
    risen = (y[:-1, 0] < level) & (y[1:, 0] >= level)
    np.testing.assert_array_equal(sol.ys["output"], risen)
    assert risen.sum() >= 2


@pytest.mark.parametrize("name", MODELS)
def test_starts_at_rest(name):
    model = make(name)
    slopes = model.derivative(model.rest(), 0.0)
    assert max(abs(float(x)) for x in slopes.values()) < 1e-12
    end = snn.simulate(model, 0.0, 0.05, n_steps=200, record=snn.SpikeCount())
    assert end.ys == 0
    assert end.final.v == pytest.approx(float(model.rest().v), abs=1e-9)


# Morris-Lecar.


def test_morris_lecar_rests_fires_and_rests_again():
    v = run(snn.MorrisLecar(), [0, 30, 40, 60, 80, 100], 1000.0, 0.05)
    periods = [np.diff(t)[-1:] for t in spike_times(v, 0.05, 0.0)]
    np.testing.assert_allclose(np.concatenate(periods[2:5]), [59.7, 32.2, 25.5], atol=0.05)
    late = np.ptp(v[10_000:], axis=0)
    np.testing.assert_array_equal(late > 10, [0, 0, 1, 1, 1, 0])
    assert v[-1, 1] < -25 and v[-1, 5] > 5  # at rest, and depolarised for good


def test_morris_lecar_has_three_equilibria_at_30():
    v = jnp.linspace(-70.0, 100.0, 17_001)
    count = lambda i: int(
        np.sum(np.diff(np.sign(snn.MorrisLecar().steady_current(v) - i)) != 0)
    )
    assert [count(i) for i in (30.0, 40.0, 100.0)] == [3, 1, 1]


def test_potassium_of_morris_lecar_is_slow_in_ms_not_in_s():
    cell = snn.MorrisLecar()
    state = cell.rest()._replace(v=cell.v3, n=jnp.asarray(0.0))
    assert cell.derivative(state, 0.0)["n"] == pytest.approx(0.5 * 0.1)  # tau_n = 10 ms


def test_three_ways_to_begin_firing():
    snic = run(snn.MorrisLecar.snic(), [39.9, 40.0, 41.0, 50.0], 3000.0, 0.1)
    times = spike_times(snic, 0.1, 0.0)
    assert len(times[0]) == 0  # the rate grows from 0:
    np.testing.assert_allclose(
        [np.diff(t)[-1] for t in times[1:]], [943.7, 195.8, 75.5], rtol=2e-3
    )
    hopf = run(snn.MorrisLecar.hopf(), [80.0, 100.0, 220.0], 1000.0, 0.1)
    times = spike_times(hopf, 0.1, 0.0)
    assert len(times[0]) < 2 and len(times[2]) < 2  # from a finite rate:
    assert np.diff(times[1])[-1] == pytest.approx(85.29, abs=0.02)


@pytest.mark.parametrize(("name", "current"), [("hopf", 90.0), ("homoclinic", 38.0)])
def test_morris_lecar_can_rest_or_fire(name, current):
    cell = make(name)
    count = lambda state: (
        snn.simulate(
            cell, current, 0.05, duration=500.0, record=snn.SpikeCount(), state=state
        ).ys
    )
    v = jnp.linspace(-84.0, 120.0, 200_001)
    at = v[jnp.argmax(cell.steady_current(v) > current)]
    at_rest = snn.MorrisLecarState(at, cell.n_inf(at))
    kicked = snn.MorrisLecarState(jnp.asarray(0.0), jnp.asarray(0.1))
    assert count(snn.RunState(at_rest)) == 0
    assert count(snn.RunState(kicked)) > 3


# FitzHugh-Nagumo.


def test_fitzhugh_nagumo_periods():
    v = run(snn.FitzHughNagumo(), [0.0, 0.1, 0.2, 0.5], 800.0, 0.05)
    times = spike_times(v, 0.05, 0.5)
    assert len(times[0]) == 0 and len(times[1]) == 1
    np.testing.assert_allclose(
        [np.diff(t)[-1] for t in times[2:]], [113.5, 91.2], atol=0.05
    )
    classic = run(snn.FitzHughNagumo.classic(), [0.5], 400.0, 0.02)
    period = np.diff(spike_times(classic, 0.02, 0.0)[0])[-1]
    assert period == pytest.approx(39.47, abs=0.005)


@pytest.mark.parametrize(("v", "current"), [(-1, 0.3313), (1, 1.4187)])
def test_classic_fitzhugh_nagumo_loses_rest_at_two_hopf_points(v, current):
    # There the trace vanishes: 1 - v^2 = 0.08 * 0.8.
    cell = snn.FitzHughNagumo.classic()
    v = v * jnp.sqrt(1 - 0.064)
    w = (v + 0.7) / 0.8
    slopes = lambda y, i: jnp.stack(
        list(cell.derivative(snn.FitzHughNagumoState(*y), i).values())
    )
    held = -slopes(jnp.stack([v, w]), 0.0)[0]
    assert held == pytest.approx(current, abs=5e-5)
    roots = np.linalg.eigvals(jax.jacfwd(slopes)(jnp.stack([v, w]), held))
    np.testing.assert_allclose(roots.real, 0, atol=1e-12)
    assert np.all(np.abs(roots.imag) > 0.1)


def test_fitzhugh_nagumo_is_a_cubic_and_a_line():
    a, v = 0.1, jnp.linspace(-0.5, 1.5, 9)
    cell = snn.FitzHughNagumo(a=a)
    np.testing.assert_allclose(cell.cubic(v), v * (v - a) * (1 - v), atol=1e-15)
    classic = snn.FitzHughNagumo.classic()
    np.testing.assert_allclose(classic.cubic(v), v - v**3 / 3, atol=1e-15)
    van_der_pol = snn.FitzHughNagumo.classic(gamma=0.0)  # a vertical line
    assert van_der_pol.rest().v == pytest.approx(-0.7)


# Hindmarsh-Rose.


def bursts(times, gap):
    """Spikes in each whole burst, as groups apart by more than `gap`."""
    ends = np.flatnonzero(np.diff(times) > gap)
    return np.diff(ends)[1:]


def test_hindmarsh_rose_bursts():
    eps = np.array([0.005, 0.005, 0.001, 0.005, 0.005])
    current = np.array([2.0, 2.5, 2.0, 3.25, 4.0])
    v = run(snn.HindmarshRose(eps=eps), current, 3000.0, 0.05)
    times = spike_times(v, 0.05, 1.0)
    assert set(bursts(times[0], 60)) == {3}
    assert set(bursts(times[1], 60)) == {4}
    assert set(bursts(times[2], 150)) == {9}
    chaotic = bursts(times[3], 40)
    assert chaotic.min() >= 2 and chaotic.max() <= 5 and len(set(chaotic)) > 1
    late = np.diff(times[4])[-20:]
    np.testing.assert_allclose(late, 20.24, atol=0.01)


# The reduced Hodgkin-Huxley neuron.


def test_reduced_overlays_the_full_neuron():
    t = np.arange(3000) * 0.01 + 1e-9
    current = np.where((t >= 5) & (t < 10), 10.0, 0.0)
    full, reduced = snn.HodgkinHuxley(), snn.ReducedHodgkinHuxley()
    record = snn.Trace("v", "output")
    ours = snn.simulate(reduced, current, 0.01, record=record).ys
    theirs = snn.simulate(full, current, 0.01, record=record).ys
    assert ours["output"].sum() == theirs["output"].sum() == 1
    assert abs(float(ours["v"].max() - theirs["v"].max())) < 10
    assert abs(float(ours["v"].min() - theirs["v"].min())) < 3
    apart = np.argmax(ours["output"]) - np.argmax(theirs["output"])
    assert -100 < apart < 0  # without the delay of m it is at most 1 ms earlier


def test_reduced_is_the_full_field_on_its_manifold():
    reduced = snn.ReducedHodgkinHuxley(0.83, g_na=110.0, temperature=16.3)
    state = snn.ReducedHodgkinHuxley().rest()._replace(v=jnp.asarray(-30.0))
    x = reduced.expand(state)
    assert x.h + x.n == pytest.approx(0.83)
    full = snn.HodgkinHuxley(g_na=110.0, temperature=16.3)
    ours, theirs = reduced.derivative(state, 3.0), full.derivative(x, 3.0)
    assert ours["v"] == pytest.approx(float(theirs["v"]))
    assert ours["n"] == pytest.approx(float(theirs["n"]))
    assert theirs["m"] == pytest.approx(0, abs=1e-12)


def test_h_plus_n_is_nearly_constant_in_the_full_neuron():
    ys = snn.simulate(
        snn.HodgkinHuxley(), 10.0, 0.01, duration=60.0, record=snn.Trace("h", "n")
    ).ys
    total = np.asarray(ys["h"] + ys["n"])[2000:]
    assert total.mean() == pytest.approx(0.8, abs=0.04)
    assert np.ptp(total) < 0.3 < np.ptp(ys["n"][2000:])


# As models of the library.


@pytest.mark.parametrize("name", ["reduced", "morris_lecar", "fitzhugh", "hindmarsh_rose"])
def test_runs_in_any_shape_and_precision_and_has_gradients(name):
    kind, _, current, _, dt = MODELS[name]
    field = {
        "reduced": "g_na", "morris_lecar": "g_ca", "fitzhugh": "a", "hindmarsh_rose": "b"
    }[name]  # fmt: skip
    base = {"g_na": 120.0, "g_ca": 4.0, "a": 0.1, "b": 3.0}[field]

    start = {"v_init": -65.0} if name == "reduced" else {}

    @jax.jit
    def v_end(x, i):  # built inside jit, from a traced parameter
        model = kind(**{field: x}, **start, integrator=snn.RK4())
        sol = snn.simulate(model, i, dt, n_steps=40, record=snn.Trace("v", every=40))
        return sol.ys[-1]

    check_grads(v_end, (base, current), order=1, modes=["rev"], eps=1e-4, rtol=1e-4)
    x = base * jnp.array([0.9, 1.0, 1.1])
    together = kind(**{field: x}).init()
    assert together.v.shape == (3,)
    alone = [kind(**{field: y}).init().v for y in x]
    np.testing.assert_allclose(together.v, alone, atol=1e-10)
    model = kind(**start, integrator=snn.RK4())
    single = jax.tree.map(lambda y: y.astype(jnp.float32), model)
    sol = snn.simulate(single, current, dt, n_steps=40, record=snn.Trace("v"))
    assert {y.dtype for y in jax.tree.leaves(sol.final)} == {jnp.dtype("float32")}
    assert sol.ys[-1] == pytest.approx(float(v_end(base, current)), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["reduced", "morris_lecar", "fitzhugh", "hindmarsh_rose"])
def test_exports_for_every_platform(name):
    count = lambda i: (
        snn.simulate(
            make(name), i, 0.01, n_steps=20, record=snn.SpikeCount(), throw=False
        ).ys
    )
    exported = jax.export.export(jax.jit(count), platforms=("cpu", "cuda", "tpu"))
    assert exported(jax.ShapeDtypeStruct((), jnp.float64)).platforms == (
        "cpu",
        "cuda",
        "tpu",
    )


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match=r"MorrisLecar\.v4 must be above 0 mV"):
        snn.MorrisLecar(v4=0.0)
    with pytest.raises(ValueError, match=r"FitzHughNagumo\.eps must be above 0"):
        snn.FitzHughNagumo(eps=-1.0)
    with pytest.raises(ValueError, match=r"HindmarshRose\.a must be above 0"):
        snn.HindmarshRose(a=0.0)
    with pytest.raises(ValueError, match="Did you mean 'g_na'"):
        snn.ReducedHodgkinHuxley(gna=1.0)
    with pytest.raises(ValueError, match="not both"):
        snn.ReducedHodgkinHuxley(full=snn.HodgkinHuxley(), g_na=1.0)
    with pytest.raises(ValueError, match="must be deterministic"):
        snn.ReducedHodgkinHuxley(area=10.0)
