"""The benchmark networks: what they are made of, and how they fire."""

import ast
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import snnjax as snn
from snnjax import networks
from snnjax.connect import Normal, Uniform
from snnjax.measures import population_statistics
from snnjax.networks import izhikevich_2003, verify
from snnjax.networks.brunel_2000 import alpha_peak
from snnjax.networks.potjans_diesmann_2014 import LAYERS, NEURONS, RATES, Column

FAST = ["izhikevich_1000", "cuba_4000"]


def agree(name, seeds):
    peers = verify.references()[name]["peers"]
    ways = {peer if verify.changes(name, peer) else "" for peer in peers}
    runs = {
        way: [verify.measured(name, seed, peer=way) for seed in range(seeds)]
        for way in ways
    }
    what = verify.compared(name)
    among = len(what) * len(peers)
    for group, statistic in what:
        for peer, stored in peers.items():
            run_alike = runs.get(peer, runs.get(""))
            values = [getattr(run[group], statistic) for run in run_alike]
            found = verify.compare(values, statistic, stored, group, 1.0, among)
            assert found is None or found.ok, (group, statistic, peer, found)


@pytest.mark.parametrize("name", FAST)
def test_statistics_are_those_of_brian2_and_nest(name):
    agree(name, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in verify.NETWORKS if n not in FAST])
def test_statistics_of_the_large_ones(name):
    if name not in verify.references():
        pytest.skip("no stored statistics")
    agree(name, 2)


# Where a network starts


def pair():
    cells = snn.Population(snn.LIF(), 6, snn.Exponential(5.0), dict(a=4, b=2))
    return snn.Network(dict(cells=cells, more=snn.Population(snn.LIF(), 3)))


def test_a_state_is_set_by_name(key):
    values = {"a.v": -60.0, "b.synapse": [1.0, 2.0], "more.v": Uniform(-58.0, -57.0)}
    state = networks.initial_state(pair(), values, dt=0.1, key=key).model
    np.testing.assert_array_equal(
        state.populations["cells"].neuron.v, [-60, -60, -60, -60, -75, -75]
    )
    np.testing.assert_array_equal(
        state.populations["cells"].receptors["synapse"].s, [0, 0, 0, 0, 1, 2]
    )
    v = state.populations["more"].neuron.v
    assert len(set(v.tolist())) == 3 and ((v > -58) & (v < -57)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell.v": 1.0}, "Did you mean 'cells'"),
        ({"cells.w": 1.0}, "there is no field or receptor 'w'"),
        ({"cells.synapsis": 1.0}, "Did you mean 'synapse'"),
        ({"b.v": [1.0, 2.0, 3.0]}, "for 2 neurons, got shape \\(3,\\)"),
        ({"b.v": Normal(0.0, 1.0)}, "drawn from a distribution: give key="),
        ({"b.v": float("nan")}, "'b.v' must be finite"),
    ],
)
def test_a_wrong_start_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        networks.initial_state(pair(), values, dt=0.1)


# CUBA, COBA, COBAHH


def test_cuba_is_the_published_one(key):
    network, inputs, state = networks.cuba(key=key)
    assert inputs == {} and network.n_neurons == 4000
    exc, inh = network.synapses.values()
    assert (float(exc.weight), float(inh.weight)) == (pytest.approx(1.62), -9.0)
    for s, n in ((exc, 3200), (inh, 800)):
        pairs = n * 4000
        assert abs(s.n_synapses - 0.02 * pairs) < 5 * np.sqrt(0.0196 * pairs)
    v = np.asarray(state.model.populations["cells"].neuron.v)
    assert v.min() >= -60 and v.max() <= -50
    assert v.mean() == pytest.approx(-55, abs=5 * 10 / np.sqrt(12 * 4000))


def test_fixed_in_degrees_and_delays(key):
    network, _, state = networks.cuba(1000, key=key, fixed=True, delays=True)
    for s, degree in zip(network.synapses.values(), (64, 16), strict=True):
        np.testing.assert_array_equal(np.bincount(s.post, minlength=1000), degree)
        steps = np.asarray(s.steps(0.1))
        assert (steps.min(), steps.max()) == (1, 20)
        assert steps.mean() == pytest.approx(10.5, abs=0.15)
    assert state.model.waiting["cells.ampa"].size == 20 * 1000


def test_cobahh_converts_whole_cells_to_area(key):
    network, _, state = networks.cobahh(key=key)
    area = 20_000 * 1e-8  # cm2
    exc, inh = network.synapses.values()
    assert float(exc.weight) == pytest.approx(6e-6 / area)  # nS to mS
    assert float(inh.weight) == pytest.approx(67e-6 / area)
    cell = network.populations["cells"].neuron
    assert float(cell.g_l) * area == pytest.approx(10e-6)
    assert float(cell.c) * area == pytest.approx(200e-6)  # uF
    at = state.model.populations["cells"]
    g = np.asarray(at.receptors["ampa"].s) * area
    assert g.mean() == pytest.approx(40e-6, rel=0.05)
    assert (g.std(), np.asarray(at.neuron.v).std()) == (
        pytest.approx(15e-6, rel=0.1),
        pytest.approx(5.0, rel=0.1),
    )
    assert float(jnp.abs(at.neuron.m).max()) == 0


# Brunel


def test_a_psp_of_the_alpha_form_has_its_peak(key):
    network, inputs, _ = networks.brunel(5.0, 2.0, key=key, n=10, in_degree=5, alpha=True)
    weight = float(network.synapses["exc->cells"].weight)
    one = snn.Population(network.populations["cells"].neuron, 1, snn.Alpha(0.5))
    arrives = jnp.zeros(40_000).at[0].set(weight)[:, None]
    alone = snn.Network(dict(cells=one))
    v = snn.simulate(
        alone, {"cells.synapse": arrives}, 0.005, record=snn.Trace("cells.v")
    ).ys
    assert float(v.max()) == pytest.approx(0.1, rel=1e-4)
    assert alpha_peak() == pytest.approx(0.1 / weight)
    # Its area, by which the external rate is set, holds the mean at eta times threshold.
    drive = inputs["cells.synapse"]
    rate = np.mean([drive(i, 1.0).mean() for i in range(200)]) / weight  # spikes a ms
    assert rate * float(v.sum()) * 0.005 == pytest.approx(2 * 20.0, rel=0.15)


def regime(g, eta, key, n=5000, stop=400.0):
    network, inputs, state = networks.brunel(g, eta, key=key, n=n)
    raster = snn.SpikeRaster(int(n * 0.4 * stop))
    sol = snn.simulate(
        network, inputs, 0.1, duration=stop, skip=100.0, state=state, record=raster
    )
    bins = dict(rate_bin=0.5, segment=150.0)
    return population_statistics(*sol.ys.trimmed(), n, start=100.0, stop=stop, **bins)


@pytest.mark.slow
def test_four_regimes_are_told_apart(key):
    """5000 neurons with all inputs: less sparse than published, in the same regimes."""
    sr, ai = regime(3.0, 2.0, key, stop=250.0), regime(5.0, 2.0, key)
    fast, slow = regime(6.0, 4.0, key), regime(4.5, 0.9, key)
    assert sr.rate > 250 and sr.cv < 0.05  # near the refractory limit, as clocks
    assert 35 < ai.rate < 41 and ai.cv > 0.3
    assert 54 < fast.rate < 64 and fast.cv > 0.5
    assert 4 < slow.rate < 9
    # Synchrony: the population's own rhythm, over that of independent neurons of the rate.
    assert sr.peak_power > 20 * ai.peak_power
    assert fast.peak_power > 3 * ai.peak_power and 150 < fast.peak < 200
    assert slow.correlation > 3 * ai.correlation and slow.peak < 40
    # Its frequency is far above the rate of a neuron in the fast one.
    assert fast.peak > 2.5 * fast.rate


@pytest.mark.slow
def test_asynchronous_irregular_firing_is_that_of_theory(key):
    theory = snn.analysis.self_consistent_rates(
        [[0.1, -0.5]] * 2, [[1000, 250]] * 2, 40.0, 2.0
    )
    found = regime(5.0, 2.0, key, n=12_500, stop=1100.0)
    assert found.rate == pytest.approx(float(theory[0]), rel=0.03)


# Izhikevich


def test_the_sparse_form_keeps_the_mean_input(key):
    network, _ = izhikevich_2003(key=key, n_exc=3200, n_inh=800, in_degree=100)
    whole, _ = izhikevich_2003(key=key)
    for (name, s), w in zip(network.synapses.items(), whole.synapses.values(), strict=True):
        per_cell = {"exc->cells": 80, "inh->cells": 20}[name]
        np.testing.assert_array_equal(np.bincount(s.post, minlength=4000), per_cell)
        mean = float(s.weight.mean())
        assert mean == pytest.approx(4 * float(w.weight.mean()), rel=0.02)


# Potjans & Diesmann


def test_the_whole_column_has_the_published_numbers():
    whole = Column.scaled(1.0, 1.0, "poisson")
    assert whole.neurons.sum() == 77_169
    assert whole.synapses.sum() == pytest.approx(0.3e9, rel=0.01)
    assert whole.weight_drive == pytest.approx(87.8, abs=0.05)  # pA, as in table 5
    np.testing.assert_allclose(whole.current, 0, atol=1e-9)
    assert whole.weight[0, 2] == 2 * whole.weight[0, 0]
    assert whole.weight[3, 1] == -4 * whole.weight[3, 0]


@pytest.mark.parametrize("drive", ["poisson", "dc"])
def test_a_smaller_column_keeps_the_mean_and_the_variance(drive):
    whole, small = (Column.scaled(0.1, k, drive) for k in (1.0, 0.1))

    def moments(column):
        per_ms = column.synapses / column.neurons[:, None] * RATES * 1e-3
        outside = column.drive * 1e-3
        mean = 0.5 * ((column.weight * per_ms).sum(1) + outside * column.weight_drive)
        noise = (column.weight**2 * per_ms).sum(1) + outside * column.weight_drive**2
        return mean + column.current, noise

    for a, b in zip(moments(whole), moments(small), strict=True):
        np.testing.assert_allclose(a, b, rtol=0.01)  # numbers of synapses are whole


@pytest.mark.slow
def test_a_tenth_of_the_column_fires_as_it_should(key):
    network, inputs, state = networks.potjans_diesmann(key=key)
    (s,) = network.synapses.values()
    parts = dict(network.populations["cells"].parts)
    np.testing.assert_array_equal([parts[x] for x in LAYERS], np.rint(NEURONS * 0.1))
    assert s.n_synapses == pytest.approx(3.0e6, rel=0.01)
    exc = s.pre()[:, None] < np.cumsum([*parts.values()])
    is_inh = (np.argmax(exc, 1) % 2).astype(bool)
    weight, delay = np.asarray(s.weight), np.asarray(s.delay)
    assert (weight[is_inh] < 0).all() and (weight[~is_inh] > 0).all()
    assert delay.min() == pytest.approx(0.1)
    # A normal distribution, cut at 0: its mean is 1.0276 times as long.
    assert delay[~is_inh].mean() == pytest.approx(1.541, abs=0.005)
    assert delay[is_inh].mean() == pytest.approx(0.772, abs=0.005)
    count = snn.SpikeCount()
    run = dict(duration=700.0, skip=200.0, state=state, record=count)
    counts = network.split(snn.simulate(network, inputs, 0.1, **run).ys)
    rates = np.array([2 * counts[x].mean() for x in LAYERS])
    # Rates of the whole column to half of each: fewer inputs, larger ones.
    assert (np.abs(rates - RATES) < 0.5 * RATES + 0.2).all(), rates
    assert rates[0] < rates[2] < rates[4] and rates[6] < 2  # L23E < L4E < L5E, L6E low


def test_a_share_above_one_is_refused(key):
    with pytest.raises(ValueError, match=r"scale must be a share, above 0 and at most 1"):
        networks.potjans_diesmann(10.0, key=key)
    with pytest.raises(ValueError, match=r"potjans_diesmann\.drive"):
        networks.potjans_diesmann(0.1, key=key, drive="pois")


# Ring attractor


def cued(angle, key, seconds):
    network, inputs, _ = networks.ring_attractor(angle, key=key)
    record = snn.SpikeCount(of="exc", every=1000)
    run = dict(duration=300.0 + 1000 * seconds, skip=300.0, record=record)
    counts = np.asarray(snn.simulate(network, inputs, 0.1, **run).ys)
    return counts, *map(np.asarray, networks.direction(counts))


@pytest.mark.parametrize("angle", [10.0, pytest.param(250.0, marks=pytest.mark.slow)])
def test_a_bump_stays_where_it_was_cued(angle, key):
    counts, at, sharpness = cued(angle, key, 1.5)
    away = (at - angle + 180) % 360 - 180
    assert np.abs(away).max() < 15
    assert sharpness.min() > 0.85
    assert counts[-1].max() > 8 and np.median(counts[-1]) <= 1  # of 100 ms


def test_without_a_cue_there_is_no_bump(key):
    counts, _, sharpness = cued(None, key, 1.0)
    assert sharpness.max() < 0.6
    assert 0.5 < 10 * counts.mean() < 2  # Hz


def test_direction_of_a_population_vector():
    one = jnp.zeros((2, 8)).at[0, 1].set(5.0).at[1].set(1.0)
    at, sharpness = networks.direction(one)
    assert float(at[0]) == pytest.approx(1.5 * 45)
    np.testing.assert_allclose(sharpness, [1, 0], atol=1e-6)


# Liquid state machine


@pytest.mark.slow
def test_a_linear_readout_of_the_liquid_remembers(key):
    rng = np.random.default_rng(0)
    patterns = rng.random((2, 100, 4)) < 0.02
    which = rng.integers(0, 2, (240, 3))
    clean = patterns[which].reshape(240, 300, 4)
    spikes = clean & (rng.random(clean.shape) < 0.95)  # one in twenty fails
    liquid, w_in = networks.liquid_state_machine(n_inputs=4, key=key)
    states = np.asarray(networks.liquid_states(liquid, w_in, spikes))
    assert states.shape == (240, 3, 135)

    def correct(features, label):
        readout = LogisticRegression(C=0.03, max_iter=3000).fit(features[:180], label[:180])
        return readout.score(features[180:], label[180:])

    assert correct(states[:, -1], which[:, -1]) > 0.95  # what comes in
    assert correct(states[:, -1], which[:, -2]) > 0.85  # what came before
    assert correct(spikes[:, -100:].sum(1), which[:, -2]) < 0.7  # is not in the input
    # Separation: states are further apart than two runs of one pattern are.
    apart = lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1).mean()
    one, two = (states[which[:, 0] == k, 0] for k in (0, 1))
    assert apart(one, two) > 1.5 * max(apart(one, one), apart(two, two))


def test_the_liquid_is_wired_by_distance(key):
    liquid, w_in = networks.liquid_state_machine(key=key)
    n = {name: s.n_synapses for name, s in liquid.synapses.items()}
    assert n["exc->exc"] > n["inh->exc"] > n["exc->inh"] > n["inh->inh"]
    assert set(np.unique(w_in)) == {0.0, 9.0, 18.0}
    assert (np.asarray(liquid.synapses["inh->exc"].weight) < 0).all()


# Line budgets of the definitions, without docstrings, comments and blank lines


def code_lines(*functions):
    total = 0
    for function in functions:
        lines = inspect.getsource(function).splitlines()
        (tree,) = ast.parse("\n".join(lines)).body
        doc = tree.body[0] if ast.get_docstring(tree) else None
        skip = range(doc.lineno, doc.end_lineno + 1) if doc else ()
        code = (x.strip() for i, x in enumerate(lines, 1) if i not in skip)
        total += sum(bool(x) and not x.startswith("#") for x in code)
    return total


def test_definitions_are_short():
    assert code_lines(networks.cuba) <= 20
    assert code_lines(networks.cobahh) <= 30
    assert code_lines(networks.brunel, alpha_peak) <= 45
    assert code_lines(izhikevich_2003) <= 15


def test_same_key_same_network():
    one, two = (networks.cuba(key=jax.random.key(3), delays=True) for _ in range(2))
    assert eqx.tree_equal(one, two)
