"""What a network tells of itself."""

import jax
import numpy as np
import pytest

import snnjax as snn
from snnjax.connect import AllToAll, FixedInDegree, OneToOne
from snnjax.networks import Network, Population, Projection
from snnjax.synapses import Exponential, Graded


@pytest.fixture(scope="module")
def network():
    receptors = dict(ampa=Exponential(5.0), gaba=Exponential(10.0))
    cells = Population(snn.LIF(), 500, receptors, parts=dict(exc=400, inh=100))
    noise = Population(snn.inputs.poisson(5.0, shape=(50,), key=jax.random.key(1)), 50)
    delays = np.linspace(0.5, 2.0, 500 * 4)
    return Network(
        dict(noise=noise, cells=cells),
        [
            Projection(
                "exc", "cells", FixedInDegree(4), np.ones(2000), delays, receptor="ampa"
            ),
            Projection("inh", "cells", FixedInDegree(10), -9.0, 1.5, receptor="gaba"),
            Projection("noise", "exc", AllToAll(), 2.0, receptor="ampa"),
            Projection("exc", "exc", OneToOne(), receptor="ampa", release=Graded()),
        ],
        key=jax.random.key(0),
    )


def test_the_table_is_readable(network):
    text = str(network.summary(rate_hz=dict(cells=10.0, noise=5.0), dt=0.1))
    lines = [line.split() for line in text.splitlines()]
    assert lines[2][:8] == ["cells", "500", "LIF", "exc", "400,", "inh", "100", "ampa"]
    assert lines[1] == ["noise", "50", "Poisson"]
    synapses = next(line for line in lines if line[:1] == ["inh->cells"])
    assert synapses[:6] == ["inh->cells", "cells.gaba", "5,000", "50", "-9", "1.5"]
    assert "550 neurons, 27,400 synapses" in text and "synaptic events a step" in text
    assert max(map(len, text.splitlines())) < 130
    assert repr(network.summary()) == str(network.summary())


def test_numbers_are_those_of_the_arrays(network):
    summary = network.summary(
        rate_hz=dict(exc=10.0, inh=np.full(100, 20.0), noise=5.0), dt=0.1
    )
    exc, inh, noise, graded = summary.projections
    assert (exc.synapses, exc.out_degree, exc.operator) == (2000, 5.0, "sparse")
    assert exc.weight == "1" and exc.delay == "0.5 .. 2 ms"
    assert exc.bytes == 2000 * (8 + 8 + 4) + 401 * 4
    assert exc.bytes_per_synapse == pytest.approx(exc.bytes / 2000)
    assert inh.operator == "counts" and inh.bytes == 100 * 500 + 2 * 8
    assert noise.operator == "dense" and noise.delay == "1 step"
    assert noise.out_degree == 400 and noise.bytes == 8
    # 10 Hz of 0.1 ms is a spike of a neuron in 1000 steps.
    assert exc.events_per_step == pytest.approx(2000 * 1e-3)
    assert inh.events_per_step == pytest.approx(5000 * 2e-3)
    assert noise.events_per_step == pytest.approx(50 * 400 * 5e-4)
    assert graded.events_per_step == graded.synapses == 400
    assert summary.events_per_step == pytest.approx(2 + 10 + 10 + 400)
    assert summary.neurons == 550 and summary.bytes == sum(
        p.bytes for p in summary.projections
    )


def test_events_are_those_that_a_run_has():
    cells = Population(snn.LIF(), 60, Exponential(5.0))
    to = Projection("cells", "cells", FixedInDegree(10), 5.0, operator="sparse")
    network = Network(dict(cells=cells), [to], key=jax.random.key(0))
    count = snn.simulate(
        network, {"cells": 300.0}, 0.1, n_steps=1000, record=snn.SpikeCount()
    ).ys
    summary = network.summary(rate_hz=dict(cells=np.asarray(count) / 0.1), dt=0.1)
    degrees = np.diff(network.synapses["cells->cells"].indptr)
    assert summary.events_per_step == pytest.approx((count @ degrees) / 1000)


def test_without_rates_there_are_no_events(network):
    assert network.summary().events_per_step is None
    assert (
        network.summary(rate_hz=dict(exc=1.0), dt=0.1).projections[1].events_per_step != 0.0
    )
    assert "LIF" in str(Network(dict(a=Population(snn.LIF(), 2))).summary())


def test_refusals(network):
    with pytest.raises(ValueError, match=r"both rate_hz \(Hz\) and dt"):
        network.summary(rate_hz=3.0)
    with pytest.raises(ValueError, match="Did you mean 'exc'"):
        network.summary(rate_hz=dict(ex=3.0), dt=0.1)
    with pytest.raises(ValueError, match="at least 0 Hz"):
        network.summary(rate_hz=-1.0, dt=0.1)
    with pytest.raises(ValueError, match="each of 100 neurons, got shape"):
        network.summary(rate_hz=dict(inh=np.ones(3)), dt=0.1)
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda n: n.summary() and 0)(network)
