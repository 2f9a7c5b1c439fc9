"""Projections: axonal and dendritic delays, and autapses between parts."""

import numpy as np
import pytest

import snnjax as snn


def arrival(**delays):
    """Steps from a spike to the jump of its target."""
    populations = dict(
        a=snn.Population(snn.inputs.from_times([[1.0]]), 1),
        b=snn.Population(snn.LIF(threshold=0.0), 2, snn.Delta()),
    )
    spec = snn.Projection("a", "b", snn.connect.AllToAll(), 5.0, **delays)
    net = snn.Network(populations, [spec])
    sol = snn.simulate(net, {}, 0.1, n_steps=60, record=snn.Trace("a.spikes", "b.v"))
    sent = np.flatnonzero(sol.ys["a.spikes"][:, 0])
    assert len(sent) == 1
    return net, [int(np.flatnonzero(v > -74.9)[0] - sent[0]) for v in sol.ys["b.v"].T]


def test_a_spike_takes_the_sum_of_both_parts():
    assert arrival()[1] == [1, 1]
    assert arrival(delay=1.5)[1] == [15, 15]
    net, steps = arrival(delay=1.5, dendritic_delay=np.array([0.0, 0.7]))
    assert steps == [15, 22]
    synapses = net.synapses["a->b"]
    np.testing.assert_allclose(synapses.dendritic_delay, [0.0, 0.7], rtol=1e-6)
    np.testing.assert_allclose(synapses.delay, [1.5, 2.2], rtol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="the axonal part"):
        arrival(dendritic_delay=1.0)
    with pytest.raises(ValueError, match="must be at least 0 ms"):
        arrival(delay=1.0, dendritic_delay=-0.5)


def test_a_rule_without_autapses_refuses_parts_that_overlap():
    cells = snn.Population(snn.LIF(), 4, snn.Delta(), dict(a=2, b=2))
    rule = snn.connect.AllToAll(autapses=False)
    with pytest.raises(ValueError, match="to each part of the target"):
        snn.Network(dict(cells=cells), [snn.Projection("a", "cells", rule)])
    for source, target, n in (("a", "a", 2), ("a", "b", 4), ("cells", "cells", 12)):
        net = snn.Network(dict(cells=cells), [snn.Projection(source, target, rule)])
        assert net.synapses[f"{source}->{target}"].n_synapses == n
