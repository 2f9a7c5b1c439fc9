"""Gap junctions: both ways, against scipy, and by name in a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import snnjax as snn

N = 5
REST = np.linspace(-75.0, -60.0, N)
PRE, POST = np.array([0, 1, 1, 3]), np.array([1, 2, 4, 0])
WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])


def coupled(weight=WEIGHT):
    cell = snn.LIF(tau_m=10.0, g_l=10.0, e_l=REST, threshold=100.0)
    gap = snn.GapJunction("a", "a", snn.connect.FromArrays(PRE, POST), weight)
    return snn.Network(dict(a=snn.Population(cell, N)), [gap])


def reference(duration):
    def slopes(_, v):
        current = np.zeros(N)
        for i, j, w in zip(PRE, POST, WEIGHT, strict=True):
            current[i] += w * (v[j] - v[i])
            current[j] += w * (v[i] - v[j])
        return (REST - v + current / 10.0) / 10.0

    return solve_ivp(slopes, (0, duration), REST, rtol=1e-11, atol=1e-11).y[:, -1]


def error(dt):
    last = snn.Trace("a.v", every=round(20.0 / dt))
    sol = snn.simulate(coupled(), {}, dt, duration=20.0, record=last)
    return np.abs(sol.ys[-1] - reference(20.0)).max()


def test_potentials_converge_to_the_coupled_equations_with_order_1():
    errors = [error(dt) for dt in (0.4, 0.2, 0.1)]
    assert errors[-1] < 1e-3
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 1.0, atol=0.05)


def test_gradient_of_conductances_agrees_with_finite_differences():
    def v_end(weight):
        sol = snn.simulate(coupled(weight), {}, 0.1, duration=5.0, throw=False)
        return sol.final.populations["a"].neuron.v[1]

    step = 1e-5 * np.eye(4)
    expected = [(v_end(WEIGHT + e) - v_end(WEIGHT - e)) / 2e-5 for e in step]
    np.testing.assert_allclose(jax.grad(v_end)(jnp.asarray(WEIGHT)), expected, rtol=1e-6)


def test_parts_of_two_populations_and_a_batch():
    """A junction between the last of one population and the first part of another."""
    cell = snn.LIF(tau_m=10.0, g_l=10.0, e_l=-70.0, threshold=100.0)
    warm = snn.LIF(tau_m=10.0, g_l=10.0, e_l=-60.0, threshold=100.0)
    populations = dict(
        a=snn.Population(cell, 3, parts=dict(low=2, high=1)),
        b=snn.Population(warm, 4, parts=dict(near=1, far=3)),
    )
    net = snn.Network(
        populations, [snn.GapJunction("high", "near", snn.connect.OneToOne(), 10.0)]
    )
    last = snn.Trace("a.v", "b.v", every=2000)
    sol = snn.simulate(net, {}, 0.1, n_steps=2000, record=last, shape=(2,))
    # Two equal leaks of 10 nS joined by 10 nS: each end a third of the way to the other.
    for batch in range(2):
        a, b = sol.ys["a.v"][0, batch], sol.ys["b.v"][0, batch]
        np.testing.assert_allclose(a, [-70, -70, -70 + 10 / 3], atol=1e-6)
        np.testing.assert_allclose(b, [-60 - 10 / 3, -60, -60, -60], atol=1e-6)


def test_two_coupled_cells_fire_together():
    """Driven alike from unlike potentials, coupled cells lock; uncoupled ones do not."""

    def spread(weight):
        cell = snn.LIF(tau_m=10.0, g_l=10.0, e_l=-75.0, t_ref=2.0)
        gap = snn.GapJunction("a", "a", snn.connect.FromArrays([0], [1]), weight)
        net = snn.Network(dict(a=snn.Population(cell, 2)), [gap])
        state = net.init(dt=0.1)
        cells = state.populations["a"]
        cells = cells._replace(neuron=cells.neuron._replace(v=jnp.array([-75.0, -60.0])))
        state = snn.RunState(
            snn.networks.NetworkState(
                {"a": cells}, {}, {}, state.step, state.overflowed, None, state.places
            )
        )
        sol = snn.simulate(net, 220.0, 0.1, duration=2000.0, state=state)
        return np.diff(np.flatnonzero(sol.ys.sum(1))[-6:]).min()

    assert spread(20.0) > 200  # both in one step, then a whole interval
    assert spread(0.0) < 200


def test_bad_input():
    cell = snn.Population(snn.LIF(), 2)
    rule = snn.connect.AllToAll()
    with pytest.raises(ValueError, match="Did you mean 'cells'"):
        snn.Network(dict(cells=cell), [snn.GapJunction("cell", "cells", rule)])
    with pytest.raises(ValueError, match="Projection or a GapJunction"):
        snn.Network(dict(cells=cell), [rule])
