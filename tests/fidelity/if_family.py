"""Relatives of the leaky integrate-and-fire neuron."""

import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from tests.fidelity import row


@row(
    "PerfectIF",
    reference="closed form",
    check="running count of spikes under random current: whole part of charge / c_m 20 mV",
    unit="spikes",
    bound=0,
)
def perfect_charge():
    current = np.random.default_rng(0).uniform(0, 200, 400)
    n = np.cumsum(snn.simulate(snn.PerfectIF(reset_mode="subtract"), current, 1.0).ys)
    return np.max(np.abs(n - np.floor(np.cumsum(current) / 2000.0)))


def _psp(s, tau_s):
    if tau_s == 10.0:
        return s / 10.0 * np.exp(-s / 10.0)
    return tau_s / (10.0 - tau_s) * (np.exp(-s / 10.0) - np.exp(-s / tau_s))


@row(
    "CubaLIF",
    reference="closed form",
    check="PSP of 10 mV, steps of 0.1, 1 and 4 ms, tau_syn 3 and 10 (= tau_m) ms",
    unit="mV",
    bound=1e-12,
)
def cuba_psp():
    arriving, error = np.zeros(20), 0.0
    arriving[0] = 100.0
    for tau_s in (3.0, 10.0):
        for dt in (0.1, 1.0, 4.0):
            neuron = snn.CubaLIF(tau_syn=tau_s)
            sol = snn.simulate(neuron, arriving, dt, record=snn.Trace("v"))
            error = max(error, np.max(np.abs(sol.ys + 75.0 - 10.0 * _psp(sol.ts, tau_s))))
    return error


@row(
    "CubaLIF",
    reference="closed form, 30/7 ln(10/3) = 5.160 ms",
    check="time of the peak of a PSP, tau_m 10, tau_syn 3 ms, dt 0.001 ms",
    unit="ms",
    bound=0.001,
)
def cuba_peak():
    arriving = np.zeros(8000)
    arriving[0] = 50.0
    sol = snn.simulate(snn.CubaLIF(), arriving, 0.001, record=snn.Trace("v"))
    return abs(sol.ts[np.argmax(sol.ys)] - 30 / 7 * np.log(10 / 3))


@row(
    "AdaptiveLIF",
    reference="closed form of the steady state",
    check="interval at 400 pA, dt 0.01 ms (at most one step late in v and theta)",
    unit="ms",
    bound=0.02,
)
def adaptive_steady_state():
    sol = snn.simulate(snn.AdaptiveLIF(), 400.0, 0.01, duration=2000.0)
    period = np.diff(np.flatnonzero(sol.ys))[-10:].mean() * 0.01
    theta = 2.0 / (np.exp(period / 100.0) - 1)
    return abs(period - (2.0 + 10.0 * np.log(40.0 / (20.0 - theta))))


@row(
    "GeneralisedIF",
    reference="Mihalas & Niebur 2009, by matrix exponential",
    check="spike times of its twenty patterns, dt 0.1 ms",
    unit="ms",
    bound=1e-9,
)
def mihalas_niebur():
    from scipy.linalg import expm

    error, dt, longest = 0.0, 0.1, 10_000
    for name in snn.MIHALAS_NIEBUR_PATTERNS:
        p = snn.mihalas_niebur_pattern(name, dt)
        a, jumps, n = float(p.neuron.a), np.asarray(p.neuron.jump), len(p.current)
        slopes = np.zeros((5, 5))
        slopes[0] = [-0.05, 0, 0.01, 0.01, 0.01]
        slopes[1, :2] = [a, -0.01]
        slopes[[2, 3], [2, 3]] = [-0.2, -0.02]
        move = expm(slopes * dt)
        y, times = np.array([p.state.v + 70, p.state.theta + 50, *p.state.currents, 0]), []
        for i, x in enumerate(p.current):
            y[4] = x
            y = move @ y
            if y[0] - 70 >= y[1] - 50:
                times.append((i + 1) * dt)
                y = np.array([0.0, max(-10.0, y[1]), jumps[0], y[3] + jumps[1], x])
        current = np.pad(p.current, (0, longest - n))  # one length: compiled once
        spikes = snn.simulate(p.neuron, current, dt, state=snn.RunState(p.state)).ys[:n]
        ours = (np.flatnonzero(spikes) + 1) * dt
        if len(ours) != len(times):
            return np.inf
        error = max(error, np.max(np.abs(ours - times)))
    return error


@row(
    "SpikeResponse",
    reference="LIF, reset to a value, t_ref 2 ms",
    check="spikes of 20 neurons in 400 ms of white noise that differ, matching kernels",
    unit="spikes",
    bound=0,
)
def srm_equals_lif():
    current = 230.0 + 1500.0 * np.random.default_rng(0).standard_normal((4000, 20))
    lif = snn.LIF()
    one, other = (
        snn.simulate(x, current, 0.1).ys for x in (lif, snn.SpikeResponse.of_lif(lif))
    )
    return float(jnp.sum(one != other))


@row(
    "EscapeLIF",
    reference="survivor function, exp(-integral of the hazard)",
    check="first spikes of 4000 neurons from rest, largest distance (99.9 %: below 0.031)",
    bound=0.031,
)
def escape_survivor():
    dt, n = 0.05, 4000
    neuron = snn.EscapeLIF(rho_0=0.2)
    record, key = snn.FirstSpike(), jax.random.key(0)
    sol = snn.simulate(neuron, 230.0, dt, duration=60.0, shape=(n,), key=key, record=record)
    t = np.arange(1, 1201) * dt
    v = -75.0 + 23.0 * (1 - np.exp(-t / 10.0))
    survive = np.exp(-np.cumsum(0.2 * np.exp((v + 55.0) / 2.0)) * dt)
    first = np.nan_to_num(np.asarray(sol.ys), nan=np.inf)
    return np.max(np.abs((first > t[:, None] + dt / 2).mean(1) - survive))


@row(
    "EscapeLIF",
    reference="closed form, (1 - p) rho dt / delta",
    check="gradient of a spike to v, relative",
    bound=1e-6,
)
def escape_gradient():
    neuron = snn.EscapeLIF(rho_0=1e9, e_l=-57.0, t_ref=None)
    start = neuron.init(key=jax.random.key(0))
    spike = lambda v: neuron.step(start._replace(v=v), 0.0, 1e-9)[1]
    rho = np.exp(-1.0)
    return abs(jax.grad(spike)(jnp.asarray(-57.0)) / (np.exp(-rho) * rho / 2.0) - 1)


@row(
    "McCullochPitts",
    reference="truth tables",
    check="and, or, not, and exclusive or by two layers",
    unit="outputs",
    bound=0,
)
def logic():
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    gates = snn.McCullochPitts
    hidden = gates(jnp.ones((2, 2)), snn.Threshold(jnp.array([1.0, 2.0])))
    exclusive = gates(jnp.array([1.0, -1.0])).step((), hidden.step((), x, 1.0)[1], 1.0)[1]
    found = [gates.logic_and().step((), x, 1.0)[1], gates.logic_or().step((), x, 1.0)[1]]
    found += [gates.logic_not().step((), x[:, :1], 1.0)[1], exclusive]
    truth = [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]]
    return np.sum(np.array(found) != np.array(truth))
