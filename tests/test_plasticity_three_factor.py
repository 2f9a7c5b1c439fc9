"""The three-factor rule is the gradient of one layer, summed up on the way forwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.connect import AllToAll
from snnjax.plasticity import ThreeFactor

N_PRE, N_POST, STEPS, DT = 6, 3, 80, 0.5
SURROGATE = snn.SuperSpike(beta=0.5)


def task(seed=0):
    rng = np.random.default_rng(seed)
    pre = jnp.asarray(rng.random((STEPS, N_PRE)) < 0.15, float)
    error = jnp.asarray(rng.normal(size=(STEPS, N_POST)))
    return pre, error, jnp.asarray(rng.uniform(2, 8, (N_PRE, N_POST)))


def network(w, rule=None):
    cell = snn.LIF(
        *(8.0, 1.0, -65.0), threshold=snn.Threshold(-55.0, SURROGATE), v_reset=-65.0,
        reset_mode="subtract", detach_reset=True, t_ref=None,
    )  # fmt: skip
    return snn.Network(
        {
            "in": snn.Population(snn.networks.Relay(), N_PRE),
            "cells": snn.Population(cell, N_POST, snn.Delta()),
        },
        [snn.Projection("in", "cells", AllToAll(), w, learning=rule)],
    )


@pytest.mark.parametrize("tau_out", [None, 6.0])
def test_it_is_the_gradient_of_one_layer(tau_out):
    pre, error, w = task()

    def loss(w):
        sol = snn.simulate(network(w), {"in": pre}, DT, record=snn.Trace("cells.spikes"))
        keep = 0.0 if tau_out is None else jnp.exp(-DT / tau_out)
        filtered = lambda y, s: (y := keep * y + s, y)
        return (error * jax.lax.scan(filtered, jnp.zeros(N_POST), sol.ys)[1]).sum()

    rule = ThreeFactor(0.01, 8.0, tau_out, -55.0, 10.0, SURROGATE)
    # The weights that act stay: the changes are of a copy that no spike goes by.
    sol = snn.simulate(
        network(w),
        {"in": pre},
        DT,
        record=(snn.Trace("cells.spikes"), snn.Trace("cells.v")),
    )
    spikes, v = sol.ys
    learned = snn.plasticity.replay(rule, pre, spikes, DT, weights=w, v=v, error=error)
    assert spikes.sum() > 20
    np.testing.assert_allclose((w - learned.weights) / 0.01, jax.grad(loss)(w), rtol=1e-9)


def test_a_network_learns_by_it():
    """Told how far its rates are from those wanted, it moves them there."""
    pre, _, w = task(1)
    pre, wanted = jnp.tile(pre, (40, 1)), jnp.array([0.02, 0.05, 0.1])  # spikes a step
    rule = ThreeFactor(0.02, 8.0, None, -55.0, 10.0, SURROGATE)
    errors = []
    for _ in range(8):
        run = dict(record=snn.Trace("cells.spikes"))
        error = snn.simulate(network(w), {"in": pre}, DT, **run).ys.mean(0) - wanted
        errors.append(float(jnp.abs(error).max()))
        told = {"in": pre, "in->cells.error": jnp.tile(error, (len(pre), 1))}
        w = snn.simulate(network(w, rule), told, DT).final.learned["in->cells"].weight
    assert errors[-1] < 0.3 * errors[0]
