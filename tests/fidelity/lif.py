"""Leaky integrate-and-fire neuron."""

import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from tests.fidelity import row


@row(
    "LIF",
    reference="closed form",
    check="v under 120 pA for 50 ms in steps of 1 ms",
    unit="mV",
    bound=1e-12,
)
def subthreshold_response():
    sol = snn.simulate(snn.LIF(), np.full(50, 120.0), 1.0, record=snn.Trace("v"))
    return np.max(np.abs(sol.ys - (-75.0 + 12.0 * (1 - np.exp(-sol.ts / 10.0)))))


@row(
    "LIF",
    reference="closed form",
    check="period at 201, 250, 300 and 500 pA, dt 0.01 ms (at most one step late)",
    unit="ms",
    bound=0.01,
)
def period():
    currents = np.array([201.0, 250.0, 300.0, 500.0])
    record = {"first": snn.FirstSpike(), "last": snn.LastSpike(), "n": snn.SpikeCount()}
    drive = np.tile(currents, (50_000, 1))
    ys = snn.simulate(snn.LIF(), drive, 0.01, record=record).ys
    measured = (ys["last"] - ys["first"]) / (ys["n"] - 1)
    climb = 10.0 * np.log(currents / (currents - 200.0))
    return np.max(np.abs(np.asarray(measured) - (2.0 + climb)))


@row(
    "LIF",
    reference="Neuromatch Academy tutorial, its loop",
    check="v over 400 ms of white noise, compiled, TutorialEuler, dt 0.1 ms",
    unit="mV",
    bound=1e-12,
)
def tutorial_loop():
    dt, n = 0.1, 4000
    current = 260.0 + 900.0 * np.random.default_rng(1).standard_normal(n)
    v, tr = np.full(n + 1, -75.0), 0.0
    for i in range(n):
        if tr > 0:
            v[i], tr = -75.0, tr - 1
        elif v[i] >= -55.0:
            v[i], tr = -75.0, 2.0 / dt
        v[i + 1] = v[i] + (-(v[i] + 75.0) + current[i] / 10.0) * (dt / 10.0)
    lif = snn.LIF(integrator=snn.TutorialEuler())
    ys = snn.simulate(lif, current, dt, record=snn.Trace("v")).ys
    return np.max(np.abs(ys[:-1] - v[1:-1]))


@row(
    "LIF",
    reference="Neuromatch Academy tutorial, its loop",
    check="spikes in 400 ms at 250, 300, 400 and 500 pA: 22, 30, 45, 56",
    unit="spikes",
    bound=0,
)
def tutorial_counts():
    drive = np.tile([250.0, 300.0, 400.0, 500.0], (4000, 1))
    lif = snn.LIF(integrator=snn.TutorialEuler())
    n = snn.simulate(lif, drive, 0.1, record=snn.SpikeCount()).ys
    return np.max(np.abs(n - np.array([22, 30, 45, 56])))


@row(
    "LIF",
    reference="finite differences of the relaxed neuron",
    check="gradient of the mean spike to tau_m, relative",
    bound=1e-6,
)
def relaxed_gradient():
    def mean_spike(tau_m):
        threshold = snn.Threshold(-55.0, snn.SuperSpike(normalize="area"))
        lif = snn.LIF(tau_m=tau_m, threshold=threshold, detach_reset=False, t_ref=None)
        return snn.simulate(snn.relax(lif), 260.0, 0.5, n_steps=60).ys.mean()

    f = jax.jit(jax.value_and_grad(mean_spike))
    h = 1e-5
    difference = (f(jnp.asarray(10.0 + h))[0] - f(jnp.asarray(10.0 - h))[0]) / (2 * h)
    return abs(f(jnp.asarray(10.0))[1] / difference - 1)
