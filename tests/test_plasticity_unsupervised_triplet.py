"""STDP of triplets, and of inhibitory synapses."""

import jax
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import HardBounds, InhibitorySTDP, NoBounds, TripletSTDP, replay
from tests.spike_pairs import DT, each, trains

learn = jax.jit(lambda rule, pre, post, dt: replay(rule, pre, post, dt).weights)


# Triplets

SETS = {
    "minimal": TripletSTDP.visual_cortex(bounds=NoBounds()),
    "full": TripletSTDP.visual_cortex(full=True, bounds=NoBounds()),
    "hippocampus": TripletSTDP.hippocampus(bounds=NoBounds()),
    "nearest": TripletSTDP(1e-3, 5e-3, 7e-3, 2e-3, bounds=NoBounds(), pairing="nearest"),
}


@pytest.mark.parametrize("name", SETS)
def test_triplets_add_up_over_spikes(name):
    rule = SETS[name]
    p = {k: float(v) for k, v in vars(rule).items() if k.startswith(("a", "tau"))}

    def trace(spikes, t, tau):
        ago = t - spikes[spikes < t - 1e-9]
        ago = ago[-1:] if rule.pairing == "nearest" else ago
        return np.exp(-ago / tau).sum()

    def one(first, second):
        up = sum(
            trace(first, t, p["tau_plus"])
            * (p["a2_plus"] + p["a3_plus"] * trace(second, t, p["tau_y"]))
            for t in second
        )
        down = sum(
            trace(second, t, p["tau_minus"])
            * (p["a2_minus"] + p["a3_minus"] * trace(first, t, p["tau_x"]))
            for t in first
        )
        return up - down

    pre, post = trains(4, 3), trains(5, 2)
    expected = each(pre, post, one)
    np.testing.assert_allclose(learn(rule, pre, post, DT), expected, rtol=1e-9)


def test_the_sets_are_those_of_the_paper():
    names = ("a2_plus", "a3_plus", "a2_minus", "a3_minus", "tau_x", "tau_y")
    sets = {k: [float(getattr(SETS[k], name)) for name in names] for k in SETS}
    assert sets["minimal"] == [0, 6.5e-3, 7.1e-3, 0, 101, 114]
    assert sets["full"] == [5e-10, 6.2e-3, 7e-3, 2.3e-4, 101, 125]
    assert sets["hippocampus"] == [5.3e-3, 8e-3, 3.5e-3, 0, 946, 40]
    assert all(
        (float(r.tau_plus), float(r.tau_minus)) == (16.8, 33.7) for r in SETS.values()
    )


def pairings(rule, frequency, gap=10.0, dt=5.0, n=60):
    """The change by `n` pairs, the target `gap` ms after the source."""
    pre, post = np.zeros((2, 120_020))  # of one size, so compiled once
    steps = np.rint(np.arange(n) * 1000 / frequency / dt).astype(int) + 4
    pre[steps] = post[steps + round(gap / dt)] = 1
    return float(learn(rule, pre, post, dt)[0, 0])


@pytest.mark.parametrize(
    ("frequency", "expected"), [(0.1, 0.0), (10, 0.119), (40, 0.532), (50, 0.763)]
)
def test_what_pairing_does_depends_on_its_frequency(frequency, expected):
    assert pairings(SETS["minimal"], frequency) == pytest.approx(expected, abs=5e-4)


def test_post_before_pre_depresses_at_low_frequency_and_not_at_high():
    low, high = (pairings(SETS["minimal"], f, gap=-10.0) for f in (10, 50))
    assert low < -0.2 and high > 0.2


# Inhibition


def test_inhibitory_pairs_add_up():
    rule = InhibitorySTDP(0.03, 15.0, 8.0, bounds=NoBounds())

    def one(first, second):
        pairs = np.exp(-abs(first[:, None] - second[None, :]) / 15.0).sum()
        return 0.03 * (pairs - 2 * 8e-3 * 15.0 * len(first))

    pre, post = trains(6, 4), trains(7, 3)
    got = learn(rule, pre, post, DT)
    np.testing.assert_allclose(got, each(pre, post, one), rtol=1e-9, atol=1e-13)


def test_inhibition_brings_a_neuron_to_its_rate():
    """Excitation alone gives above 40 Hz; the plastic inhibition starts at 0."""
    rate = 10.0
    source = lambda n, hz, seed: snn.Population(
        snn.inputs.poisson(hz, shape=(n,), key=jax.random.key(seed)), n
    )
    receptors = dict(
        exc=snn.Exponential(5.0, e_rev=0.0), inh=snn.Exponential(10.0, e_rev=-80.0)
    )
    lif = snn.LIF(20.0, 10.0, -60.0, threshold=-50.0, v_reset=-60.0, t_ref=5.0)
    rule = InhibitorySTDP(0.005, 20.0, rate, bounds=HardBounds(0.0, 50.0))
    join = lambda source, **kwargs: snn.Projection(
        source, "cell", snn.connect.AllToAll(), **kwargs
    )
    net = snn.Network(
        dict(
            e=source(100, 10.0, 1),
            i=source(100, 20.0, 2),
            cell=snn.Population(lif, 1, receptors),
        ),
        [
            join("e", weight=1.0, receptor="exc"),
            join("i", weight=0.0, receptor="inh", learning=rule),
        ],
        key=jax.random.key(0),
    )
    spikes = np.asarray(snn.simulate(net, {}, DT, n_steps=100_000, record=snn.Trace()).ys)
    before, after = spikes[:2000, -1].sum() / 1.0, spikes[20_000:, -1].sum() / 40.0  # Hz
    assert before > 40
    assert after == pytest.approx(rate, rel=0.1)
