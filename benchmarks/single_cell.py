"""Sweeps of single cells: 10,000 Hodgkin-Huxley and 100,000 LIF, spike counts only.

`simulate` against a bare `lax.scan` over the same `step`, and against a scan that is split
by hand: gates and voltage each as x_inf + (x - x_inf) exp(-dt / tau), written out below.

    python benchmarks/single_cell.py [--small]
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from _harness import Entry, compare, header

import snnjax as snn

SMALL = "--small" in sys.argv
key = jax.random.key(0)


def near(x, n, stream):
    """`x` for n cells, each times 1 + 0.1 N(0, 1)."""
    return x * (1 + 0.1 * jax.random.normal(jax.random.fold_in(key, stream), (n,)))


def with_simulate(model, current, dt, n_steps):
    sol = snn.simulate(
        model, snn.inputs.constant(current), dt, n_steps=n_steps,
        record=snn.SpikeCount(), throw=False,
    )  # fmt: skip
    return sol.ys


def with_bare_scan(model, current, dt, n_steps):
    def one(carry, _):
        state, count = carry
        state, spikes = model.step(state, current, dt)
        return (state, count + spikes), None

    start = model.init(current.shape), jnp.zeros(current.shape)
    return jax.lax.scan(one, start, length=n_steps)[0][1]


def hh_by_hand(model, current, dt, n_steps):
    g_na, g_k, g_l = model.g_na, model.g_k, model.g_l

    def linear_exp(x):  # x / (1 - exp(-x))
        small = jnp.abs(x) < 1e-3
        safe = jnp.where(small, 1.0, x)
        return jnp.where(small, 1 + x / 2, safe / (1 - jnp.exp(-safe)))

    def relax(x, a, b):
        tau = 1 / (a + b)
        return a * tau + (x - a * tau) * jnp.exp(-dt / tau)

    def one(carry, _):
        v, m, h, n, count = carry
        new_m = relax(m, linear_exp((v + 40) / 10), 4 * jnp.exp(-(v + 65) / 18))
        new_h = relax(h, 0.07 * jnp.exp(-(v + 65) / 20), 1 / (1 + jnp.exp(-(v + 35) / 10)))
        new_n = relax(n, 0.1 * linear_exp((v + 55) / 10), 0.125 * jnp.exp(-(v + 65) / 80))
        na, k = g_na * m**3 * h, g_k * n**4
        g = na + k + g_l
        v_inf = (na * model.e_na + k * model.e_k + g_l * model.e_l + current) / g
        new_v = v_inf + (v - v_inf) * jnp.exp(-dt * g / model.c)
        count = count + ((v < model.spike_level) & (new_v >= model.spike_level))
        return (new_v, new_m, new_h, new_n, count), None

    state = model.init(current.shape)
    start = (state.v, state.m, state.h, state.n, jnp.zeros(current.shape))
    return jax.lax.scan(one, start, length=n_steps)[0][4]


def lif_by_hand(model, current, dt, n_steps):
    decay, v_inf = jnp.exp(-dt / model.tau_m), model.e_l + current / model.g_l

    def one(carry, _):
        v, wait, count = carry
        held = wait > 0.5 * dt
        v = jnp.where(held, v, v_inf + (v - v_inf) * decay)
        fired = ~held & (v >= model.threshold.level)
        v = jnp.where(fired, model.v_reset, v)
        wait = jnp.where(fired, model.t_ref, jnp.maximum(wait - dt, 0))
        return (v, wait, count + fired), None

    n = current.shape
    start = jnp.broadcast_to(model.e_l, n), jnp.zeros(n), jnp.zeros(n)
    return jax.lax.scan(one, start, length=n_steps)[0][2]


def run(title, model, current, dt, n_steps, by_hand, tolerance):
    header(title)

    def agree(counts, reference):
        off = np.abs(counts - reference)
        # Rounding moves a spike across the end of the run in a few cells.
        assert off.max() <= 1 and off.mean() <= tolerance, (off.max(), off.mean())

    duration_s = n_steps * dt / 1000
    one = lambda f: lambda m, i, d: f(m, i, d, n_steps)
    args = (model, current, jnp.asarray(dt))
    entries = [
        Entry("scan split by hand", one(by_hand), args),
        Entry("bare lax.scan over model.step", one(with_bare_scan), args),
        Entry("snnjax.simulate", one(with_simulate), args),
    ]
    median = compare(
        entries,
        updates=current.size * n_steps,
        agree=agree,
        describe=lambda c: f"mean rate {c.mean() / duration_s:.2f} Hz",
    )
    m = {e.name: median[e.name] for e in entries}
    print(f"simulate / bare scan {m[entries[2].name] / m[entries[1].name]:.3f}, "
          f"simulate / split by hand {m[entries[2].name] / m[entries[0].name]:.3f}")  # fmt: skip


def hodgkin_huxley(n, n_steps):
    model = snn.HodgkinHuxley(near(120.0, n, 0), near(36.0, n, 1), near(0.3, n, 2))
    current = jnp.linspace(0.0, 30.0, n)
    run(f"{n} Hodgkin-Huxley cells, {n_steps} steps of 0.01 ms, exponential Euler",
        model, current, 0.01, n_steps, hh_by_hand, 1e-2)  # fmt: skip


def lif(n, n_steps):
    model = snn.LIF(
        near(20.0, n, 3),
        g_l=1.0,
        e_l=0.0,
        v_reset=0.0,
        t_ref=2.0,
        threshold=snn.Threshold(1.0),
    )
    current = jnp.linspace(0.5, 3.0, n)
    run(f"{n} LIF neurons, {n_steps} steps of 0.1 ms, exact propagator",
        model, current, 0.1, n_steps, lif_by_hand, 1e-2)  # fmt: skip


def recompilation():
    """A repeated call with new values of everything but shapes must not trace again."""
    traces = 0

    class Counted(snn.AbstractNeuron):
        tau_m: jax.Array = snn.parameter(10.0, "ms", above=0)

        def rest(self):
            return snn.LIFState(0 * self.tau_m, None)

        def derivative(self, state, current):
            nonlocal traces
            traces += 1
            return {"v": (current - state.v) / self.tau_m}

        def spikes(self, before, after, dt):
            return snn.upward_crossing(before.v, after.v, 1.0)

    for tau_m, current, dt in ((10.0, 1.0, 0.1), (20.0, 2.0, 0.2), (30.0, 3.0, 0.3)):
        first = traces
        snn.simulate(Counted(tau_m), snn.inputs.constant(current), dt, n_steps=100)
        print(
            f"tau_m {tau_m}, current {current}, dt {dt}: derivative traced {traces - first} times"
        )
    assert traces == first, "a repeated call was traced again"


if __name__ == "__main__":
    hodgkin_huxley(*((1000, 1000) if SMALL else (10_000, 10_000)))
    lif(*((10_000, 1000) if SMALL else (100_000, 10_000)))
    header("Recompilation")
    recompilation()
