"""Networks against a plain NumPy simulation, and what is the same however they are run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.connect import AllToAll, Edges, FromArrays, OneToOne
from snnjax.networks import Network, Population, Projection
from snnjax.synapses import Delta, Exponential, Graded, Instantaneous, TsodyksMarkram
from tests import reference_network as reference

DT = 0.25
N, EXC = 40, 30


def edges(n_pre, n_post, out_degree, seed):
    """Multapses and autapses among them."""
    rng = np.random.default_rng(seed)
    pre = np.repeat(np.arange(n_pre), out_degree)
    return Edges(pre, rng.integers(0, n_post, n_pre * out_degree), n_pre, n_post)


def drawn(shape, seed, low, high):
    return np.random.default_rng(seed).integers(low, high, shape)


def current(seed=5):
    return 230.0 + 4 * drawn(N, seed, 0, 20)  # 200 pA is the threshold


def sparse_network(seed, delays, kind="current"):
    """(network, the same for NumPy): excitation and inhibition of one population."""
    wiring = edges(EXC, N, 6, seed), edges(N - EXC, N, 10, seed + 1)
    scale = dict(current=(64.0, -32.0), conductance=(2.0, 2.0), delta=(2.0, -1.0))[kind]
    weights = [
        c * drawn(len(w.pre), seed + 2, 1, 9) / 4
        for c, w in zip(scale, wiring, strict=True)
    ]
    steps = [drawn(len(w.pre), seed + 3, *delays) for w in wiring]
    e_rev = (0.0, -80.0) if kind == "conductance" else (None, None)
    taus = 3.0, 6.0
    if kind == "delta":
        receptors = dict(exc=Delta(), inh=Delta())
        plain = dict(exc=("delta", 1.0, None), inh=("delta", 1.0, None))
    else:
        receptors = {
            name: Exponential(tau, e_rev=e)
            for name, tau, e in zip(("exc", "inh"), taus, e_rev, strict=True)
        }
        plain = {
            name: ("exp", tau, e)
            for name, tau, e in zip(receptors, taus, e_rev, strict=True)
        }
    cells = Population(snn.LIF(), N, receptors, parts=dict(e=EXC, i=N - EXC))
    one = delays == (1, 2)
    projections = [
        Projection(s, "cells", w, x, None if one else d * DT, receptor=r)
        for s, w, x, d, r in zip("ei", wiring, weights, steps, receptors, strict=True)
    ]
    listed = [
        ("cells", first, "cells", r, np.asarray(w.pre), np.asarray(w.post), x, d)
        for first, w, x, d, r in zip(
            (0, EXC), wiring, weights, steps, receptors, strict=True
        )
    ]
    numpy = {"cells": reference.Cells(N, plain, current=current())}, listed
    return Network(dict(cells=cells), projections), numpy


def spikes_of(network, n_steps=240, inputs=None, **options):
    inputs = {"cells": snn.inputs.constant(current())} if inputs is None else inputs
    return snn.simulate(network, inputs, DT, n_steps=n_steps, **options)


@pytest.mark.parametrize(
    ("kind", "delays"),
    [("current", (1, 2)), ("current", (1, 9)), ("conductance", (3, 4)), ("delta", (2, 6))],
)
def test_spikes_are_those_of_a_plain_simulation(kind, delays):
    for seed in (0, 7):
        network, (populations, projections) = sparse_network(seed, delays, kind)
        record = snn.Trace("output", "cells.v", "cells.exc", "i.v")
        ours = spikes_of(network, record=record).ys
        spikes, received, v = reference.run(populations, projections, 240, DT)
        np.testing.assert_array_equal(ours["output"] > 0, spikes["cells"])
        np.testing.assert_allclose(ours["cells.v"], v["cells"], atol=1e-9)
        np.testing.assert_array_equal(ours["i.v"], ours["cells.v"][:, EXC:])
        port = "jump" if kind == "delta" else "s"
        np.testing.assert_allclose(
            getattr(ours["cells.exc"], port), received["cells"]["exc"], atol=1e-9
        )
        count = spikes["cells"].sum(0)
        assert count.sum() > 2.5 * N and count.max() > count.min() + 2


def test_an_order_of_events_as_stated():
    """A spike of step i, sent with a delay of k steps, arrives at the start of step i + k."""
    fires_in = 3
    pulse = jnp.zeros((12, 1)).at[fires_in].set(1e5)
    source = Population(snn.LIF(), 1)
    for delay, k in ((None, 1), (DT, 1), (2 * DT, 2), (5 * DT, 5), (2.4 * DT, 2)):
        target = Population(snn.LIF(), 1, Exponential(4.0))
        to = Projection("a", "b", OneToOne(), 32.0, delay)
        record = snn.Trace("a.spikes", "b.synapse.s", "b.v")
        network = Network(dict(a=source, b=target), [to])
        ys = snn.simulate(network, dict(a=pulse), DT, record=record).ys
        assert list(np.flatnonzero(ys["a.spikes"])) == [fires_in]
        expected = np.zeros(12)  # recorded at the end of step i + k - 1, after arrivals
        later = np.arange(12) - (fires_in + k - 1)
        expected[later >= 0] = 32.0 * np.exp(-later[later >= 0] * DT / 4.0)
        np.testing.assert_allclose(ys["b.synapse.s"][:, 0], expected, rtol=1e-12)
        moved = np.flatnonzero(np.asarray(ys["b.v"])[:, 0] != -75.0)
        assert moved[0] == fires_in + k  # v at the end of the step in which it arrives


@pytest.mark.parametrize("delay", [0.1, 0.3])
def test_an_interpolated_delay_of_whole_steps_is_as_one_that_is_rounded(delay):
    """Of these delays some are a bit less than whole when divided by 0.1."""
    cells = dict(a=Population(snn.LIF(), 1), b=Population(snn.LIF(), 1, Delta()))
    inputs = dict(a=jnp.zeros((15, 1)).at[2].set(1e5))
    v = []
    for interpolate in (False, True):
        to = Projection("a", "b", OneToOne(), 1.0, delay, interpolate=interpolate)
        v.append(
            snn.simulate(Network(cells, [to]), inputs, 0.1, record=snn.Trace("b.v")).ys
        )
    np.testing.assert_allclose(v[1], v[0], rtol=1e-12)
    assert np.flatnonzero(v[0][:, 0] != -75.0)[0] == 2 + round(delay / 0.1)


def test_each_synapse_has_its_delay():
    steps = np.array([1, 2, 5, 3])
    wiring = FromArrays([0, 0, 0, 0], [3, 2, 1, 0])
    target = Population(snn.LIF(), 4, Delta())
    to = Projection("a", "b", wiring, 1.0, steps * DT)
    network = Network(dict(a=Population(snn.LIF(), 1), b=target), [to])
    inputs = dict(a=jnp.zeros((10, 1)).at[2].set(1e5))
    v = snn.simulate(network, inputs, DT, record=snn.Trace("b.v")).ys
    np.testing.assert_array_equal((np.asarray(v) != -75.0).argmax(0), 2 + steps[::-1])


def test_a_jump_of_a_refractory_neuron_is_lost():
    cells = Population(snn.LIF(t_ref=4 * DT), 1, Delta())
    network = Network(dict(cells=cells))
    fires = jnp.zeros((12, 1)).at[1].set(1e5)
    jumps = jnp.ones((12, 1))
    record = snn.Trace("v", "output")
    inputs = {"cells": fires, "cells.synapse": jumps}
    ys = snn.simulate(network, inputs, DT, record=snn.Trace("cells.v", "output")).ys
    v, kept, expected = -75.0, np.exp(-DT / 10.0), []
    for i in range(12):
        if 2 <= i < 6:
            v = -75.0
        else:
            v = -75.0 + (v + 1.0 + 75.0) * kept if i != 1 else -75.0
        expected.append(v)
    del record
    np.testing.assert_allclose(ys["cells.v"][:, 0], expected, rtol=1e-12)
    assert ys["output"].sum() == 1


def test_parts_of_a_population_are_as_populations_of_their_own():
    e, i = edges(EXC, N, 6, 0), edges(N - EXC, N, 10, 1)
    receptors = dict(exc=Exponential(3.0), inh=Exponential(6.0))
    cells = Population(snn.LIF(), N, receptors, parts=dict(e=EXC, i=N - EXC))
    whole = Network(
        dict(cells=cells),
        [
            Projection("e", "cells", e, 128.0, 4 * DT, receptor="exc"),
            Projection("i", "cells", i, -64.0, receptor="inh"),
        ],
    )
    apart, cut = dict(e=(0, EXC), i=(EXC, N)), []
    for source, wiring, w, d, receptor in (
        ("e", e, 128.0, 4 * DT, "exc"),
        ("i", i, -64.0, None, "inh"),
    ):
        for target, (first, last) in apart.items():
            pre, post = np.asarray(wiring.pre), np.asarray(wiring.post)
            here = (post >= first) & (post < last)
            rule = FromArrays(pre[here], post[here] - first)
            cut.append(Projection(source, target, rule, w, d, receptor=receptor))
    several = Network(
        {name: Population(snn.LIF(), b - a, receptors) for name, (a, b) in apart.items()},
        cut,
    )
    one = spikes_of(whole).ys
    inputs = {name: snn.inputs.constant(current()[a:b]) for name, (a, b) in apart.items()}
    by_part = spikes_of(whole, inputs=inputs).ys
    np.testing.assert_array_equal(by_part, one)
    np.testing.assert_array_equal(spikes_of(several, inputs=inputs).ys, one)
    assert one.sum() > 2 * N
    split = several.split(one)
    np.testing.assert_array_equal(split["i"], whole.split(one)["i"])
    assert split["e"].shape == (240, EXC)


def test_populations_keep_their_order_under_jit():
    names = ["b", "c", "a"]
    cells = {name: Population(snn.LIF(), 1 + k) for k, name in enumerate(names)}
    network = Network(cells, [])
    inputs = dict(a=jnp.zeros(3), b=jnp.zeros(1), c=jnp.full(2, 1e5))
    step = lambda network, state: network.step(state, inputs, DT)[1]
    spikes = step(network, network.init(dt=DT))
    np.testing.assert_array_equal(spikes, [0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(jax.jit(step)(network, network.init(dt=DT)), spikes)
    record = [snn.SpikeCount(of=name) for name in names]
    counts = snn.simulate(network, {"c": 1e5}, DT, n_steps=1, record=record).ys
    assert [list(n) for n in counts] == [[0], [1, 1], [0, 0, 0]]


def with_operator(operator, delay):
    wiring = edges(N, N, 8, 3)
    cells = Population(snn.LIF(), N, Exponential(3.0))
    to = Projection("cells", "cells", wiring, 16.0, delay, operator=operator)
    return Network(dict(cells=cells), [to])


def test_operators_give_the_same_spikes():
    spikes = [spikes_of(with_operator(o, 3 * DT)).ys for o in ("sparse", "counts", "dense")]
    assert spikes[0].sum() > 2 * N
    np.testing.assert_array_equal(spikes[1], spikes[0])
    np.testing.assert_array_equal(spikes[2], spikes[0])


def test_the_operator_suits_the_wiring():
    cells = dict(a=Population(snn.LIF(), 20), b=Population(snn.LIF(), 20, Exponential(3.0)))

    def chosen(wiring, weight=1.0, delay=None, **options):
        to = Projection("a", "b", wiring, weight, delay, **options)
        return Network(cells, [to]).synapses["a->b"].operator

    few, many = (
        edges(20, 20, 1, 0),
        FromArrays(np.repeat(np.arange(20), 5), np.tile(np.arange(20), 5)),
    )
    with_delays = np.full(400, 1.0)
    assert chosen(AllToAll()) == chosen(AllToAll(), np.ones((20, 20))) == "dense"
    assert chosen(AllToAll(), delay=with_delays) == "sparse"
    assert chosen(AllToAll(), delay=1.0, interpolate=True) == "sparse"
    assert chosen(many) == "counts" and chosen(many, np.ones(100)) == "sparse"
    assert chosen(OneToOne()) == chosen(few) == "counts"  # 5 %
    # Equal degrees are not all-to-all: here each source reaches one target 20 times.
    repeated = Edges(np.repeat(np.arange(20), 20), np.repeat(np.arange(20), 20), 20, 20)
    to = Projection("a", "b", repeated, np.ones(400), operator="dense")
    np.testing.assert_array_equal(
        Network(cells, [to]).synapses["a->b"].matrix(), 20 * np.eye(20)
    )


def unrolled(network, inputs, n_steps=240):
    run = jax.jit(lambda state: network.unroll(state, inputs, DT))
    return run(network.init(dt=DT))


@pytest.mark.parametrize("operator", ["sparse", "dense"])
def test_lists_and_loops_give_the_same_spikes(monkeypatch, operator):
    inputs = {"cells": jnp.broadcast_to(current(), (240, N))}
    one, spikes = unrolled(with_operator(operator, 3 * DT), inputs)
    push = snn.networks.send.push
    listed = lambda *args: push(*args, form="list")
    monkeypatch.setattr(snn.networks.send, "push", listed)
    monkeypatch.setattr(snn.networks.projection, "list_capacity", lambda n: 2)
    two, again = unrolled(with_operator(operator, 3 * DT), inputs)
    np.testing.assert_array_equal(again, spikes)
    np.testing.assert_array_equal(
        two.waiting["cells.synapse"], one.waiting["cells.synapse"]
    )
    assert one.overflowed == 0
    overflowed = (spikes.sum(1) > 2).sum()
    assert overflowed > 5 and two.overflowed == (overflowed if operator == "sparse" else 0)


def test_runs_are_the_same_whole_in_chunks_resumed_unrolled_and_stepped():
    network, _ = sparse_network(0, (1, 9))
    record = dict(
        spikes=snn.Trace("output"),
        s=snn.Trace("cells.exc.s"),
        rate=snn.PopulationRate(every=40, of="i"),
    )
    whole = spikes_of(network, record=record)
    assert whole.ys["rate"].shape == (6,) and whole.ys["rate"].max() > 0
    chunked = spikes_of(network, record=record, chunk=80)
    first = spikes_of(network, 120, record=record)
    second = spikes_of(network, 120, record=record, state=first.state)
    resumed = jax.tree.map(lambda *x: jnp.concatenate(x), first.ys, second.ys)
    for ys in (chunked.ys, resumed):
        jax.tree.map(np.testing.assert_array_equal, ys, whole.ys)
    for state in (chunked.state, second.state):
        jax.tree.map(np.testing.assert_array_equal, state.model, whole.state.model)
    inputs = {"cells": jnp.broadcast_to(current(), (240, N))}
    last, spikes = unrolled(network, inputs)
    np.testing.assert_array_equal(spikes, whole.ys["spikes"])
    step = jax.jit(lambda *args: network.step(*args))
    state = network.init(dt=DT)
    for i in range(60):
        state, out = step(state, {"cells": inputs["cells"][i]}, DT)
        np.testing.assert_array_equal(out, whole.ys["spikes"][i])
        np.testing.assert_allclose(
            state.populations["cells"].receptors["exc"].s, whole.ys["s"][i], rtol=1e-12
        )
    assert state.step == 60 and last.opened is None and last.step == 240


def test_short_term_plasticity_and_graded_release():
    wiring = edges(N, N, 8, 3)
    cells = Population(snn.LIF(), N, dict(ampa=Exponential(3.0), graded=Instantaneous()))
    depressing = TsodyksMarkram(u=0.5, tau_rec=80.0, tau_facil=20.0)
    graded = Graded(v_half=-60.0, slope=2.0)
    few = edges(N, N, 1, 9)
    network = Network(
        dict(cells=cells),
        [
            Projection(
                "cells", "cells", wiring, 256.0, 3 * DT, receptor="ampa", release=depressing
            ),
            Projection("cells", "cells", few, 8.0, receptor="graded", release=graded),
        ],
    )
    x, u = np.ones(N), np.zeros(N)

    def plastic(spikes, v):
        nonlocal x, u
        x = 1 - (1 - x) * np.exp(-DT / 80.0)
        u = u * np.exp(-DT / 20.0)
        u = np.where(spikes, u + 0.5 * (1 - u), u)
        amount = np.where(spikes, u * x, 0)
        x = x - amount
        return amount

    sigmoid = lambda spikes, v: 1 / (1 + np.exp(-(v + 60.0) / 2.0))
    plain = dict(ampa=("exp", 3.0, None), graded=("pulse", 1.0, None))
    populations = {"cells": reference.Cells(N, plain, current=current())}
    pairs = lambda w: (np.asarray(w.pre), np.asarray(w.post))
    count = len(wiring.pre)
    projections = [
        (
            "cells",
            0,
            "cells",
            "ampa",
            *pairs(wiring),
            np.full(count, 256.0),
            np.full(count, 3),
        ),
        ("cells", 0, "cells", "graded", *pairs(few), np.full(N, 8.0), np.ones(N, int)),
    ]
    spikes, received, v = reference.run(
        populations, projections, 240, DT, {0: plastic, 1: sigmoid}
    )
    record = snn.Trace("output", "cells.v", "cells.ampa.s", "cells.graded.s")
    ours = spikes_of(network, record=record).ys
    np.testing.assert_allclose(ours["cells.v"], v["cells"], atol=1e-9)
    np.testing.assert_array_equal(ours["output"] > 0, spikes["cells"])
    np.testing.assert_allclose(ours["cells.ampa.s"], received["cells"]["ampa"], atol=1e-9)
    np.testing.assert_allclose(
        ours["cells.graded.s"], received["cells"]["graded"], atol=1e-9
    )
    assert spikes["cells"].sum() > N and x.min() < 0.8


def test_sources_drive_a_population(key):
    train = snn.inputs.poisson(400.0, shape=(20,), key=key)
    wiring = edges(20, N, 5, 2)
    cells = Population(snn.LIF(), N, Delta())
    to = Projection("noise", "cells", wiring, 0.5, 2 * DT)
    network = Network(dict(noise=Population(train, 20), cells=cells), [to])
    record = dict(noise=snn.Trace("noise.spikes"), v=snn.Trace("cells.v"))
    sol = snn.simulate(network, {}, DT, n_steps=200, record=record)
    expected = np.array([train(i, DT) for i in range(200)])
    np.testing.assert_array_equal(sol.ys["noise"], expected)
    populations = {
        "noise": Played(expected),
        "cells": reference.Cells(N, dict(synapse=("delta", 1.0, None))),
    }
    n = len(wiring.pre)
    listed = (
        "noise",
        0,
        "cells",
        "synapse",
        *(np.asarray(x) for x in (wiring.pre, wiring.post)),
    )
    plain = reference.run(populations, [(*listed, np.full(n, 0.5), np.full(n, 2))], 200, DT)
    np.testing.assert_allclose(sol.ys["v"], plain[2]["cells"], atol=1e-9)
    assert np.ptp(sol.ys["v"]) > 2
    more = snn.simulate(network, {}, DT, n_steps=5, state=sol.state, record=record["noise"])
    np.testing.assert_array_equal(more.ys, [train(i, DT) for i in range(200, 205)])


class Played:
    def __init__(self, spikes):
        self.spikes, self.i, self.n = spikes, -1, spikes.shape[1]
        self.receptors, self.s, self.v = {}, {}, None

    def step(self, dt):
        self.i += 1
        return self.spikes[self.i] > 0
