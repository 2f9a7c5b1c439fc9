"""Networks for `sharded.py`, and how they are run and compared."""

import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from snnjax.connect.edges import Edges
from snnjax.networks import Network, Population, Projection, gather
from snnjax.synapses import Alpha, Delta, Exponential, Graded, Instantaneous, TsodyksMarkram

DT = 0.125
N, EXC = 75, 60


def wiring(n_pre, n_post, p, seed):
    rng = np.random.default_rng(seed)
    pre, post = np.nonzero(rng.random((n_pre, n_post)) < p)
    return Edges(pre, post, n_pre, n_post)


def dyadic(edges, seed, scale=1.0):
    return scale * np.random.default_rng(seed).integers(-16, 33, len(edges)) / 16


def cuba(n=N, delay=None, neuron=None, operator="auto", weight=None):
    """Excitation and inhibition, with a weight of its own for each synapse."""
    exc = n * 4 // 5
    neuron = snn.LIF(tau_m=jnp.linspace(15, 25, n), t_ref=2.0) if neuron is None else neuron
    receptors = dict(ampa=Exponential(5.0), gaba=Exponential(jnp.linspace(8, 12, n)))
    cells = Population(neuron, n, receptors, parts=dict(exc=exc, inh=n - exc))
    edges = wiring(exc, n, 0.2, 0), wiring(n - exc, n, 0.3, 1)
    delays = [delay, delay]
    if delay == "each":
        rng = np.random.default_rng(2)
        delays = [rng.integers(4, 17, len(e)) * DT for e in edges]
    if weight is None:
        weight = dyadic(edges[0], 3, 30.0)
    weights = weight(edges[0]) if callable(weight) else weight, -64.0
    projections = [
        Projection(source, "cells", e, w, d, receptor=receptor, operator=operator)
        for source, e, w, d, receptor in zip(
            ("exc", "inh"), edges, weights, delays, ("ampa", "gaba"), strict=True
        )
    ]
    return Network(dict(cells=cells), projections)


def zoo(delayed):
    """Some of everything: sources, releases, receptors, operators, uneven populations."""
    d = (lambda k: k * DT) if delayed else (lambda k: None)
    cells = Population(
        snn.LIF(tau_m=jnp.linspace(15, 25, 43)),
        43,
        dict(ampa=Exponential(5.0, e_rev=0.0), kick=Delta(), gap=Instantaneous()),
        parts=dict(exc=30, inh=13),
    )
    other = Population(snn.Izhikevich(), 21, dict(alpha=Alpha(jnp.linspace(1, 3, 21))))
    noise = Population(snn.inputs.poisson(80.0, shape=30, key=jax.random.key(1)), 30)
    counts = snn.inputs.poisson(300.0, shape=9, key=jax.random.key(2), counts=True)
    e = wiring
    to_other, from_other = e(30, 21, 0.3, 4), e(21, 43, 0.4, 5)
    delays = np.random.default_rng(6).integers(3, 9, len(from_other)) * DT
    projections = [
        Projection("noise", "cells", e(30, 43, 0.3, 0), 8.0, d(6), receptor="ampa"),
        Projection("noise", "exc", e(30, 30, 1.1, 1), 0.25, d(4), receptor="kick"),
        Projection(
            "inh", "exc", e(13, 30, 0.6, 2), -0.5, d(3), receptor="kick", operator="counts"
        ),
        Projection(
            "counts", "inh", e(9, 13, 1.1, 3), dyadic(e(9, 13, 1.1, 3), 3), d(5),
            receptor="kick",
        ),
        Projection(
            "exc", "other", to_other, dyadic(to_other, 7, 4.0), d(7), release=TsodyksMarkram()
        ),
        Projection(
            "other", "cells", from_other, dyadic(from_other, 8),
            delays if delayed else None, receptor="ampa", operator="dense"
            if not delayed else "sparse",
        ),
        Projection(
            "other", "inh", e(21, 13, 0.5, 9), 2.0, d(3), receptor="gap",
            release=Graded(-50.0, 5.0),
        ),
    ]  # fmt: skip
    sizes = dict(cells=cells, other=other, noise=noise, counts=Population(counts, 9))
    return Network(sizes, projections)


CURRENT = {"cells": 240.0, "other": lambda i, dt: 5.0 + jnp.sin(i * dt / 10)}
SPIKES = snn.Trace("output")
RECORD = dict(
    spikes=SPIKES,
    v=snn.Trace("exc.v", index=slice(3, 9)),
    rate=snn.PopulationRate(of="inh"),
    raster=snn.SpikeRaster(5000),
)


def run(model, current=2000.0, n_steps=240, record=SPIKES, **kwargs):
    inputs = current if isinstance(current, dict) else {"cells": current}
    return snn.simulate(model, inputs, DT, n_steps=n_steps, record=record, **kwargs)


def same(a, b, rtol=0.0):
    a, b = (jax.tree.leaves(gather(x)) for x in (a, b))
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


def loss(net):
    """Of the potentials and of the spikes, each neuron with a weight of its own."""
    sol = run(net, 700.0, n_steps=112, record=dict(v=snn.Trace("cells.v"), s=SPIKES))
    mix = jnp.sin(jnp.arange(sol.ys["v"].shape[-1]))
    return jnp.sum(mix * (sol.ys["v"] / 50 + sol.ys["s"]))


at = lambda net: net.synapses["exc->cells"].weight


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12 * np.abs(b).max())
