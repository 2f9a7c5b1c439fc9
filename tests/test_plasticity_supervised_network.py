"""Supervised rules on projections: sparse ones, and delays of one value or one a synapse."""

import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import (
    SPAN,
    SWAT,
    ChronotronE,
    ChronotronI,
    DLReSuMe,
    LikelihoodGradient,
    MultilayerReSuMe,
    NoBounds,
    SupervisedHebb,
    Tempotron,
    replay,
)

DT, STEPS = 0.5, 200
RNG = np.random.default_rng(0)
PRE = (RNG.random((STEPS, 6)) < 0.05).astype(float)
W = RNG.uniform(4, 12, (6, 4))
END = np.zeros((STEPS, 4))
END[[99, 199]] = 1
SIGNALS = dict(
    target=(RNG.random((STEPS, 4)) < 0.02).astype(float),
    error=RNG.normal(size=(STEPS, 4)) * (RNG.random((STEPS, 4)) < 0.05),
    label=np.tile([0.0, 1.0, 0.0, 1.0], (STEPS, 1)),
    training=np.repeat(RNG.random((STEPS, 1)) < 0.03, 4, 1).astype(float),
    end=END,
)
COUPLED = [  # with more than traces of both sides
    *(Tempotron(0.5), ChronotronE(max_spikes=2), LikelihoodGradient()),
    DLReSuMe(max_delay=5.0),
]
RULES = [
    *(MultilayerReSuMe(), SPAN(0.01), SupervisedHebb(), ChronotronI()),
    *(SWAT(a=0.1, bounds=NoBounds()), *COUPLED),
]
name_of = lambda rule: type(rule).__name__
NAME = "inputs->cells"


def learned(rule, wiring, weight=W, **kwargs):
    """(weights, spikes of the targets, their potential)."""
    cells = snn.Population(
        snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0), 4, snn.Exponential(5.0)
    )
    inputs = snn.Population(snn.inputs.from_array(PRE, DT), 6)
    spec = snn.Projection("inputs", "cells", wiring, weight, learning=rule, **kwargs)
    net = snn.Network(dict(inputs=inputs, cells=cells), [spec])
    given = {f"{NAME}.{n}": snn.inputs.from_array(SIGNALS[n], DT) for n in rule.needs}
    record = dict(s=snn.Trace(), v=snn.Trace("cells.v"))
    sol = snn.simulate(net, given, DT, n_steps=STEPS, record=record)
    w = sol.final.learned[NAME].weight
    return np.asarray(w), np.asarray(sol.ys["s"])[:, 6:], np.asarray(sol.ys["v"])


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_projection_learns_as_given_trains_do(rule):
    w, post, v = learned(rule, snn.connect.AllToAll(), delay=2.0)
    assert post.sum() > 3
    later = np.concatenate([np.zeros((3, 6)), PRE[:-3]])  # 4 steps, one of which all have
    needed = {name: SIGNALS[name] for name in rule.needs}
    if rule.needs_v:
        needed["v"] = v
    alone = replay(rule, later, post, DT, weights=W, **needed).weights
    np.testing.assert_allclose(w.reshape(W.shape), alone, rtol=1e-9, atol=1e-12)
    assert np.abs(w.reshape(W.shape) - W).max() > 1e-3


@pytest.mark.parametrize("rule", COUPLED, ids=name_of)
def test_a_list_of_synapses_with_delays_of_their_own(rule):
    """The same delay for all, held once or for each synapse, and for a matrix or a list."""
    pre, post = np.nonzero(np.ones((6, 4)))
    some = RNG.random(24) < 0.7
    pairs = snn.connect.FromArrays(pre[some], post[some])
    w = W[pre[some], post[some]]
    each = learned(rule, pairs, w, delay=np.full(len(w), 2.0))[0]
    np.testing.assert_allclose(each, learned(rule, pairs, w, delay=2.0)[0], rtol=1e-9)
    assert np.abs(each - w).max() > 1e-4
