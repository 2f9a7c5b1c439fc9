"""Gradients through networks: against a plain network, finite differences and forward mode."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.connect import Edges, FixedInDegree
from snnjax.networks import Network, Population, Projection
from snnjax.synapses import Delta, Exponential, TsodyksMarkram

DT, N, STEPS, SLOTS = 0.5, 12, 60, 8
DRIVE = 210.0 + 8 * jnp.arange(N)
COEFFICIENTS = jnp.cos(jnp.arange(float(STEPS)))[:, None] * jnp.arange(1.0, N + 1)
SURROGATES = [snn.SuperSpike(1.0), snn.Triangle(4.0)]


def wiring():
    post = np.random.default_rng(1).integers(0, N, 4 * N)
    with jax.ensure_compile_time_eval():  # known under jit, too
        return Edges(np.repeat(np.arange(N), 4), post, N, N)


def parameters():
    rng = np.random.default_rng(2)
    return dict(
        weight=jnp.asarray(rng.normal(20.0, 30.0, 4 * N)),
        delay=jnp.asarray(rng.uniform(DT, SLOTS * DT, 4 * N)).at[:3].set(3 * DT),
        tau_m=jnp.asarray(rng.uniform(9.0, 14.0, N)),
        tau_syn=jnp.asarray(4.0),
        level=jnp.asarray(-57.0),
    )


def build(p, surrogate, interpolate=True, operator="auto", **neuron):
    threshold = snn.Threshold(p["level"], surrogate)
    cell = snn.LIF(tau_m=p["tau_m"], threshold=threshold, **{"t_ref": 1.0, **neuron})
    cells = Population(cell, N, Exponential(p["tau_syn"]))
    # Room for delays that a step of a check takes beyond the longest of them.
    options = dict(interpolate=interpolate, operator=operator, max_delay=SLOTS * DT)
    return Network(
        dict(cells=cells),
        [Projection("cells", "cells", wiring(), p["weight"], p["delay"], **options)],
    )


def loss_of(v, spikes):
    return jnp.sum(COEFFICIENTS * spikes) + 0.01 * jnp.sum(jnp.square(v + 60.0))


def network_loss(p, surrogate, **options):
    network = build(p, surrogate, **options)
    inputs = {"cells": jnp.broadcast_to(DRIVE, (STEPS, N))}
    state, spikes = network.unroll(network.init(dt=DT), inputs, DT)
    return loss_of(state.populations["cells"].neuron.v, spikes)


def plain_loss(p, surrogate):
    """The same equations, with a history of spikes from which each synapse takes its own."""
    threshold, edges = snn.Threshold(p["level"], surrogate), wiring()
    whole = jnp.floor(jax.lax.stop_gradient(p["delay"]) / DT + 1e-9).astype(int)
    share = p["delay"] / DT - whole
    tau_m, tau = p["tau_m"], p["tau_syn"]
    psp = tau / (tau_m - tau) * (jnp.exp(-DT / tau_m) - jnp.exp(-DT / tau)) / 10.0

    def step(carry, _):
        v, s, wait, history = carry
        v_inf = -75.0 + DRIVE / 10.0
        free = v_inf + (v - v_inf) * jnp.exp(-DT / tau_m) + s * psp
        free = jnp.where(wait > 0, v, free)
        spikes = jnp.where(wait > 0, 0, threshold(free))
        fired = jax.lax.stop_gradient(spikes) > 0.5
        history = jnp.concatenate(
            [spikes[None], history[:-1]]
        )  # history[k - 1]: k steps ago
        sent = (1 - share) * history[whole - 1, edges.pre] + share * history[
            whole, edges.pre
        ]
        s = (s * jnp.exp(-DT / tau)).at[edges.post].add(p["weight"] * sent)
        wait = jnp.where(fired, 2, jnp.maximum(wait - 1, 0))
        return (jnp.where(fired, -75.0, free), s, wait, history), spikes

    start = jnp.full(N, -75.0), jnp.zeros(N), jnp.zeros(N, int), jnp.zeros((SLOTS + 1, N))
    (v, *_), spikes = jax.lax.scan(step, start, None, length=STEPS)
    return loss_of(v, spikes)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_gradients_are_those_of_a_plain_network(surrogate):
    p = parameters()
    value, ours = jax.jit(jax.value_and_grad(partial(network_loss, surrogate=surrogate)))(p)
    plain = jax.jit(jax.value_and_grad(partial(plain_loss, surrogate=surrogate)))
    expected, plain = plain(p)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for name in p:
        scale = jnp.abs(plain[name]).max()
        assert scale > 0
        np.testing.assert_allclose(
            ours[name], plain[name], atol=1e-10 * scale, err_msg=name
        )


def test_gradients_of_a_relaxed_network_are_its_finite_differences():
    free = dict(t_ref=None, detach_reset=False)

    def loss(p):
        network = snn.relax(build(p, snn.SuperSpike(0.5), **free))
        inputs = {"cells": jnp.broadcast_to(DRIVE, (STEPS, N))}
        state, spikes = network.unroll(network.init(dt=DT), inputs, DT)
        return loss_of(state.populations["cells"].neuron.v, spikes)

    p = parameters()
    p["delay"] = p["delay"].at[:3].add(0.1)  # a delay of whole steps is a corner
    loss, grad = jax.jit(loss), jax.jit(jax.grad(loss))(p)
    for name, eps in dict(
        weight=1e-4, delay=1e-6, tau_m=1e-6, tau_syn=1e-6, level=1e-6
    ).items():
        along = jax.random.normal(jax.random.key(3), p[name].shape)
        moved = [loss({**p, name: p[name] + sign * eps * along}) for sign in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * eps)
        assert abs(slope) > 1e-3
        np.testing.assert_allclose(
            jnp.vdot(grad[name], along), slope, rtol=1e-5, err_msg=name
        )


def test_rounded_delays_have_no_gradient():
    grad = jax.grad(partial(network_loss, surrogate=SURROGATES[0], interpolate=False))
    got = jax.jit(grad)(parameters())
    assert np.all(got["delay"] == 0) and np.all(got["tau_m"] != 0)


def test_forward_mode_is_reverse_mode():
    def rate(x):
        p = parameters()
        p["weight"], p["tau_m"] = p["weight"] * x[0], p["tau_m"] * x[1]
        network = build(p, SURROGATES[0])
        inputs = {"cells": jnp.broadcast_to(DRIVE, (STEPS, N))}
        return network.unroll(network.init(dt=DT), inputs, DT)[1].mean()

    both = jax.jit(lambda x: (jax.jacfwd(rate)(x), jax.jacrev(rate)(x)))
    forward, reverse = both(jnp.ones(2))
    assert np.all(np.abs(forward) > 1e-3)
    np.testing.assert_allclose(forward, reverse, rtol=1e-10)


def test_operators_have_the_same_gradient():
    def loss(x, operator):
        p = {**parameters(), "weight": x[0], "delay": 3 * DT, "level": x[1]}
        return network_loss(p, SURROGATES[1], interpolate=False, operator=operator)

    at = jnp.array([40.0, -57.0])
    grads = [
        jax.jit(jax.grad(partial(loss, operator=o)))(at)
        for o in ("sparse", "counts", "dense")
    ]
    assert np.all(grads[0] != 0)
    np.testing.assert_allclose(grads[1], grads[0], rtol=1e-10)
    np.testing.assert_allclose(grads[2], grads[0], rtol=1e-10)


def test_a_batch_has_the_gradients_of_its_runs():
    drives = DRIVE + 3.0 * jnp.arange(3)[:, None]

    def loss(weight, drive):
        network = build({**parameters(), "weight": weight}, SURROGATES[0])
        state = network.init(drive.shape[:-1], dt=DT)
        inputs = {"cells": jnp.broadcast_to(drive, (STEPS, *drive.shape))}
        state, spikes = network.unroll(state, inputs, DT)
        return jnp.sum(jnp.moveaxis(spikes, 0, -2) * COEFFICIENTS)

    weight = parameters()["weight"]
    alone = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(weight, drives)
    batch, mapped = (
        jax.jit(jax.grad(f))(weight, drives)
        for f in (loss, lambda w, d: jax.vmap(loss, (None, 0))(w, d).sum())
    )
    scale = np.abs(alone).max()
    np.testing.assert_allclose(batch, alone.sum(0), atol=1e-10 * scale)
    np.testing.assert_allclose(mapped, alone.sum(0), atol=1e-10 * scale)


def test_gradients_pass_through_releases_and_jumps():
    cells = Population(snn.LIF(t_ref=None, detach_reset=False), N, Delta())

    def loss(x):
        release = TsodyksMarkram(u=x[0], tau_rec=x[1], tau_facil=30.0)
        to = Projection("cells", "cells", wiring(), x[2], release=release)
        network = snn.relax(Network(dict(cells=cells), [to]))
        inputs = {"cells": jnp.broadcast_to(DRIVE, (40, N))}
        return jnp.sum(
            COEFFICIENTS[:40] * network.unroll(network.init(dt=DT), inputs, DT)[1]
        )

    x, loss = jnp.array([0.4, 60.0, 2.0]), jax.jit(loss)
    grad = jax.jit(jax.grad(loss))(x)
    for i, eps in enumerate((1e-6, 1e-4, 1e-6)):
        step = jnp.zeros(3).at[i].set(eps)
        slope = (loss(x + step) - loss(x - step)) / (2 * eps)
        np.testing.assert_allclose(grad[i], slope, rtol=1e-5)
        assert abs(slope) > 1e-4


def test_a_release_of_everything_has_the_gradient_of_none():
    """Also where no neuron fires, but might have."""
    full = TsodyksMarkram(u=1.0, tau_rec=1e-3)  # recovered in each step

    def loss(level, release):
        threshold = snn.Threshold(level, SURROGATES[1])
        cells = Population(snn.LIF(threshold=threshold), N, Exponential(4.0))
        to = Projection("cells", "cells", wiring(), 60.0, release=release)
        network = Network(dict(cells=cells), [to])
        inputs = {"cells": jnp.broadcast_to(DRIVE, (STEPS, N))}
        state, spikes = network.unroll(network.init(dt=DT), inputs, DT)
        return loss_of(state.populations["cells"].neuron.v, spikes)

    grads = [jax.jit(jax.grad(partial(loss, release=r)))(-57.0) for r in (full, None)]
    assert abs(grads[1]) > 1
    np.testing.assert_allclose(*grads, rtol=1e-10)


def test_memory_does_not_grow_with_synapses_times_steps(key):
    """8,000 synapses, 64 kB: a step may keep some arrays of 100 neurons."""
    n = 100
    cells = Population(snn.LIF(), n, Exponential(5.0))
    weight = jnp.ones(80 * n)
    to = Projection("cells", "cells", FixedInDegree(80), weight, 1.0, operator="sparse")
    network = Network(dict(cells=cells), [to], key=key)
    where = lambda net: net.synapses["cells->cells"].weight
    record = snn.PopulationRate(every=10)

    def rate(weight, n_steps):
        net = eqx.tree_at(where, network, weight)
        run = partial(snn.simulate, n_steps=n_steps, record=record, throw=False)
        return run(net, {"cells": 300.0}, DT).ys.mean()

    def temporary(n_steps):
        run = jax.jit(partial(jax.grad(rate), n_steps=n_steps))
        return run.lower(weight).compile().memory_analysis().temp_size_in_bytes

    assert temporary(1000) - temporary(10) < 990 * 12 * n * 8
