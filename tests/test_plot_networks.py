"""Figures of networks show each connected pair and each value, where it belongs."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

import snnjax as snn
from snnjax import plot
from snnjax.connect import AllToAll, FixedInDegree, FromArrays, OneToOne
from tests.test_plot import a_figure_of_the_user, legend, of_ax  # noqa: F401


def a_network():
    """Eight neurons: parts e (3) and i (2), and a population b (3)."""
    cells = snn.Population(snn.LIF(), 5, snn.Exponential(3.0), parts=dict(e=3, i=2))
    other = snn.Population(snn.LIF(), 3, snn.Exponential(3.0))
    projections = [
        snn.Projection("e", "i", FromArrays([0, 0, 2], [1, 1, 0]), [1.0, 2.0, 3.0]),
        snn.Projection("e", "b", OneToOne(), 1.0, operator="counts"),
        snn.Projection("b", "i", AllToAll(), -1.0),
        snn.Projection("i", "cells", FixedInDegree(1), -1.0, 1.0),
    ]
    return snn.Network(dict(cells=cells, b=other), projections, key=jax.random.key(0))


def dots(ax):
    return {c.get_label(): c for c in ax.collections}


def test_connectivity_has_a_dot_for_each_connected_pair():
    network = a_network()
    (ax,) = of_ax(lambda **kw: plot.connectivity(network, **kw))
    drawn = {name: np.asarray(c.get_offsets()) for name, c in dots(ax).items()}
    # (target, source), numbered through the network
    into_i = {(t, s) for t in (3, 4) for s in (5, 6, 7)}
    assert set(drawn) == {"e", "i", "b"}
    assert {tuple(p) for p in drawn["e"]} == {(4, 0), (3, 2), (5, 0), (6, 1), (7, 2)}
    assert {tuple(p) for p in drawn["b"]} == into_i
    own = np.asarray(network.synapses["i->cells"].matrix())
    sources, targets = np.nonzero(own)
    expected = set(zip(targets, sources + 3, strict=True))
    assert {tuple(p) for p in drawn["i"]} == expected and len(expected) == 5
    colours = [to_hex(c.get_facecolor()[0]).upper() for c in dots(ax).values()]
    assert colours == list(plot.COLOURS[:3])
    assert ax.get_xlim() == (-0.5, 7.5) and ax.get_ylim() == (7.5, -0.5)  # downwards
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("target neuron", "source neuron")


def test_connectivity_picks_neurons_at_equal_distances():
    cells = snn.Population(snn.LIF(), 101, snn.Exponential(3.0))
    network = snn.Network(dict(a=cells), [snn.Projection("a", "a", OneToOne())])
    ax = plot.connectivity(network, most=11)
    at = np.asarray(dots(ax)["a"].get_offsets())
    np.testing.assert_array_equal(at, np.arange(0, 101, 10)[:, None] * [1, 1])
    assert ax.get_xlim() == (-0.5, 100.5)


def test_histogram_counts_all_values_in_common_bins():
    values = dict(exc=np.array([0.1, 0.2, 0.9]), inh=np.array([[2.0], [1.9]]))
    draw = lambda **kw: plot.histogram(values, xlabel="delay (ms)", bins=4, **kw)
    (ax,) = of_ax(draw)
    exc, inh = (p.get_data() for p in ax.patches)
    np.testing.assert_allclose(exc.edges, np.linspace(0.1, 2.0, 5))
    np.testing.assert_array_equal(inh.edges, exc.edges)
    np.testing.assert_array_equal(exc.values, [2, 1, 0, 0])
    np.testing.assert_array_equal(inh.values, [0, 0, 0, 2])
    assert legend(ax) == ["exc", "inh"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("delay (ms)", "synapses")


@pytest.mark.parametrize("bins", [3, np.array([0.0, 1.0, 2.0, 4.0])])
def test_histogram_of_one_array_has_no_legend(bins):
    ax = plot.histogram([0.5, 1.5, 3.5], xlabel="weight (mV)", bins=bins, ylabel="pairs")
    assert ax.get_legend() is None and ax.get_ylabel() == "pairs"
    np.testing.assert_array_equal(ax.patches[0].get_data().values, [1, 1, 1])
    plt.close(ax.figure)
