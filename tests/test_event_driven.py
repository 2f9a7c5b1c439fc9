"""`simulate_events`: against closed forms, a heap of events in NumPy, and the clocked step."""

import heapq
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import snnjax as snn
from snnjax.connect.edges import Edges
from snnjax.core.run import RunState
from snnjax.core.solve import solve
from snnjax.networks.event_crossing import time_to_threshold
from snnjax.networks.event_driven import Arrivals, simulate_events


def spikes(*args, **kwargs):
    return simulate_events(*args, **kwargs).ys.trimmed()


# --- an independent reference: a heap of events -----------------------------------------


class Cell:
    """A neuron of the reference; currents (pA) by time constant, v in mV."""

    def __init__(self, neuron, current, i):
        pick = lambda x: float(np.ravel(x)[i % np.size(x)])
        self.leaky = hasattr(neuron, "tau_m")
        self.level, self.v_reset = pick(neuron.threshold.level), pick(neuron.v_reset)
        self.t_ref = 0.0 if neuron.t_ref is None else pick(neuron.t_ref)
        self.subtract = neuron.reset_mode == "subtract"
        self.taus, self.i = [], []
        if self.leaky:
            self.tau_m, self.g_l = pick(neuron.tau_m), pick(neuron.g_l)
            self.v = pick(neuron.e_l)
            bias = current + pick(getattr(neuron, "bias", 0.0))
            self.v_inf = self.v + bias / self.g_l
            for name in ("tau_syn", "tau_inh"):
                if getattr(neuron, name, None) is not None:
                    self.taus.append(pick(getattr(neuron, name)))
                    self.i.append(0.0)
        else:
            self.v, self.slope = self.v_reset, current / pick(neuron.c_m)
        self.t, self.free, self.version = 0.0, -np.inf, 0

    def at(self, s):
        if not self.leaky:
            return self.v + self.slope * s
        v = self.v_inf + (self.v - self.v_inf) * np.exp(-s / self.tau_m)
        for i, tau in zip(self.i, self.taus, strict=True):
            shape = np.exp(-s / self.tau_m) - np.exp(-s / tau)
            v = v + i / self.g_l * tau / (self.tau_m - tau) * shape
        return v

    def move(self, t):
        held = max(min(self.free, t) - self.t, 0.0)
        for s, hold in ((held, True), (t - self.t - held, False)):
            v = self.v if hold else self.at(s)
            self.i = [
                i * np.exp(-s / tau) for i, tau in zip(self.i, self.taus, strict=True)
            ]
            self.v = v
        self.t = t

    def receive(self, t, w):
        self.move(t)
        if self.taus:
            self.i[len(self.taus) - 1 if w < 0 else 0] += w
        elif t >= self.free:
            self.v += w

    def fire(self, t):
        self.move(t)
        self.v = self.v - (self.level - self.v_reset) if self.subtract else self.v_reset
        self.free = t + self.t_ref if self.t_ref else -np.inf

    def next_spike(self, end):
        ahead = Cell.__new__(Cell)
        ahead.__dict__ = dict(self.__dict__)
        start = max(self.t, self.free)
        ahead.move(start)
        gap = lambda s: ahead.at(s) - ahead.level
        if gap(0.0) >= 0:
            return start
        if end <= start:
            return np.inf
        grid = np.concatenate([[0], np.geomspace(1e-7, end - start, 3000)])
        values = gap(grid)
        first = np.argmax(values >= 0) if (values >= 0).any() else len(grid)
        for k in np.flatnonzero(
            (values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])
        ):
            if k + 2 < first and -values[k + 1] < 0.1:
                box = (grid[k], grid[k + 2])
                top = minimize_scalar(lambda s: -gap(s), bounds=box, method="bounded").x
                if gap(top) > 0:
                    return start + brentq(gap, grid[k], top, xtol=1e-14, rtol=1e-15)
        if first == len(grid):
            return np.inf
        return start + brentq(gap, grid[first - 1], grid[first], xtol=1e-14, rtol=1e-15)


def reference(neuron, pre, post, weight, delay, current, external, duration, n):
    """Spikes (times, indices) from a heap of (time, kind, number, what)."""
    cells = [Cell(neuron, current[i], i) for i in range(n)]
    out = [np.flatnonzero(pre == i) for i in range(n)]
    heap, number, found = [], itertools.count(), []
    for t, i, w in external:
        heapq.heappush(heap, (t, 0, next(number), (i, w)))

    def plan(i):
        cells[i].version += 1
        t = cells[i].next_spike(duration)
        if t < duration:
            heapq.heappush(heap, (t, 1, i, cells[i].version))

    for i in range(n):
        plan(i)
    while heap:
        t, kind, key, what = heapq.heappop(heap)
        if t >= duration:
            break
        if kind == 0:
            i, w = what
            cells[i].receive(t, w)
            plan(i)
        elif what == cells[key].version:
            cells[key].fire(t)
            found.append((t, key))
            for e in out[key]:
                arrival = (t + delay[e], 0, next(number), (post[e], weight[e]))
                heapq.heappush(heap, arrival)
            plan(key)
    return np.array([t for t, _ in found]), np.array([i for _, i in found])


def network(seed, n, p, scale, inhibition=0.3):
    rng = np.random.default_rng(seed)
    pre, post = np.divmod(np.sort(rng.choice(n * n, int(p * n * n), replace=False)), n)
    weight = scale * rng.uniform(0.2, 1.0, len(pre)) * np.where(pre < inhibition * n, -3, 1)
    external = (rng.uniform(0, 90, 40), rng.integers(0, n, 40), 2 * scale)
    return pre, post, weight, rng.uniform(0.05, 6.0, len(pre)), rng, external


CELLS = {
    "LIF": (lambda n: snn.LIF(tau_m=np.linspace(8, 25, n)), 2.0, 20),
    "no waiting": (lambda n: snn.LIF(t_ref=None, reset_mode="subtract"), 1.0, 50),
    "PerfectIF": (lambda n: snn.PerfectIF(t_ref=np.linspace(0.5, 3, n)), 2.0, 20),
    "CubaLIF": (
        lambda n: snn.CubaLIF(
            tau_syn=np.linspace(1, 6, n), bias=20.0, reset_mode="subtract"
        ),
        60.0,
        20,
    ),
    "two currents": (lambda n: snn.CubaLIF(tau_inh=6.0, tau_syn=2.0), 60.0, 40),
    "slow currents": (lambda n: snn.CubaLIF(5.0, tau_inh=7.0, tau_syn=12.0), 40.0, 40),
}


@pytest.mark.parametrize("name", CELLS)
def test_random_networks_equal_a_heap_of_events(name):
    make, scale, n = CELLS[name]
    pre, post, weight, delay, rng, (times, targets, w) = network(n, n, 0.15, scale)
    high = 150.0 if name == "PerfectIF" else 350.0
    current = rng.uniform(-20.0, high, n)
    duration = 100.0
    found = spikes(
        make(n),
        (pre, post),
        weight,
        delay,
        n=n,
        duration=duration,
        current=current,
        arrivals=Arrivals(times, w, targets),
    )
    external = zip(times, targets, np.full(40, w), strict=True)
    t, i = reference(make(n), pre, post, weight, delay, current, external, duration, n)
    assert 30 < len(t) < 3000 and len(set(i)) > n // 3
    np.testing.assert_array_equal(found[1], i)
    np.testing.assert_allclose(found[0], t, rtol=0, atol=1e-9)


# --- closed forms -----------------------------------------------------------------------


@pytest.mark.parametrize("t_ref", [None, 0.0, 2.0])
def test_intervals_of_single_neurons_are_their_closed_forms(t_ref):
    wait = t_ref or 0.0
    climb = 10 * np.log(25 / 5)
    times, _ = spikes(snn.LIF(t_ref=t_ref), duration=150.0, current=250.0)
    expected = climb + (climb + wait) * np.arange(len(times))
    np.testing.assert_allclose(times, expected, rtol=0, atol=1e-11)
    assert expected[-1] + climb + wait >= 150.0
    cell = snn.PerfectIF(t_ref=t_ref, c_m=[100.0, 50.0], reset_mode="subtract")
    times, indices = spikes(cell, duration=150.0, current=100.0)
    for i, climb in enumerate([20.0, 10.0]):
        own = times[indices == i]
        np.testing.assert_allclose(own, climb + (climb + wait) * np.arange(len(own)))
        assert own[-1] + climb + wait >= 150.0


def test_a_ring_with_delays_by_hand():
    # 0 is started from outside at 0.7, each fires the next at once when its spike arrives.
    edges, delay = ([0, 1, 2], [1, 2, 0]), np.array([1.3, 0.21, 2.7])
    times, indices = spikes(
        snn.LIF(t_ref=1.0), edges, 25.0, delay, n=3, duration=12.0,
        arrivals=Arrivals([0.7], 30.0, [0]),
    )  # fmt: skip
    hops = 0.7 + np.cumsum([0, *np.tile(delay, 5)])
    hops = hops[hops < 12.0]
    np.testing.assert_array_equal(indices, np.arange(len(hops)) % 3)
    np.testing.assert_allclose(times, hops, rtol=1e-14)


def test_two_neurons_that_inhibit_each_other_by_hand():
    # Each climbs 1 mV/ms from -75 to -55; arrivals of -4 mV set the other back by 4 ms.
    cell = snn.PerfectIF()
    state = RunState(cell.init((2,))._replace(v=jnp.array([-65.0, -75.0])))
    times, indices = spikes(
        cell, ([0, 1], [1, 0]), -4.0, [1.0, 2.5], duration=60.0, current=100.0, state=state
    )
    # 0 at 10; 1 would at 20, set back at 11 to 24; 0 would at 30, set back at 26.5 to 34; ...
    np.testing.assert_allclose(times, [10, 24, 34, 48, 58])
    np.testing.assert_array_equal(indices, [0, 1, 0, 1, 0])


def first_spike(w, tau_syn, level=-65.0):
    cell = snn.CubaLIF(tau_m=10.0, tau_syn=tau_syn, threshold=level, t_ref=100.0)
    arrivals = Arrivals([1.5], jnp.reshape(w, 1), [0])
    return simulate_events(cell, duration=50.0, arrivals=arrivals, throw=False).ts[0]


def test_spike_times_and_gradients_are_those_of_goeltz():
    w = 600.0  # pA: 60 mV of drive, the level is 10 mV up
    # tau_m = 2 tau_s: v = 60 (x - x^2) with x = exp(-t / tau_m).
    half = lambda w: 1.5 - 10 * jnp.log((1 + jnp.sqrt(1 - 4 * 10.0 / (w / 10))) / 2)
    np.testing.assert_allclose(first_spike(w, 5.0), half(w), rtol=1e-14)
    slope = jax.jvp(lambda w: first_spike(w, 5.0), (w,), (1.0,))[1]
    np.testing.assert_allclose(slope, jax.grad(half)(w), rtol=1e-12)
    # tau_m = tau_s: v = 60 t / tau exp(-t / tau), by Lambert's W.
    from scipy.special import lambertw

    t = -10 * lambertw(-10.0 / 60).real
    np.testing.assert_allclose(first_spike(w, 10.0), 1.5 + t, rtol=1e-14)
    rise = 60 / 10 * np.exp(-t / 10) * (1 - t / 10)
    slope = jax.jvp(lambda w: first_spike(w, 10.0), (w,), (1.0,))[1]
    np.testing.assert_allclose(slope, -(10.0 / w) / rise, rtol=1e-12)


def test_a_crossing_however_short_is_found():
    # The PSP peaks at 10 mV, after tau ln 2, with a weight of 4 g_l 10 mV.
    for shift in (1e-3, 1e-6, 1e-10):
        assert np.isnan(first_spike(400 * (1 - shift), 5.0))
        t = first_spike(400 * (1 + shift), 5.0) - 1.5
        assert abs(t - 10 * np.log(2)) < 20 * np.sqrt(shift)


@pytest.mark.parametrize("two", [pytest.param(False, marks=pytest.mark.slow), True])
def test_first_crossings_of_random_sums_of_exponentials(two):
    rng = np.random.default_rng(3)
    n, horizon = 600, 300.0
    tau_m, tau_s, tau_i = np.exp(rng.uniform(np.log(0.5), np.log(40), (3, n)))
    tau_s[:50] = tau_m[:50]
    tau_i[25:75] = tau_s[25:75]
    i_syn, i_inh = 1000 * rng.standard_normal((2, n)) * np.exp(rng.normal(0, 1, (2, n)))
    v, bias = rng.uniform(-90, -55.0, n), rng.uniform(0, 230, n)
    cell = snn.CubaLIF(tau_m=tau_m, tau_syn=tau_s, tau_inh=tau_i if two else None)
    state = cell.init((n,))._replace(v=v, i_syn=i_syn, i_inh=i_inh if two else None)
    alone = lambda tm, ts, ti, state, bias: time_to_threshold(
        snn.CubaLIF(tau_m=tm, tau_syn=ts, tau_inh=ti if two else None),
        state._replace(refractory=None), bias, jnp.asarray(horizon),
    )  # fmt: skip
    found = np.asarray(jax.jit(jax.vmap(alone))(tau_m, tau_s, tau_i, state, bias))
    grid = np.geomspace(1e-6, horizon, 5000)
    path = jax.vmap(lambda s: cell.solution(state, bias, s)["v"])(grid)
    above = np.asarray(path) >= -55.0
    first = np.where(above.any(0), above.argmax(0), len(grid) - 1)
    crosses = np.isfinite(found)
    assert 100 < crosses.sum() < 500
    # The grid misses only a crossing that is shorter than its step.
    assert not (above.any(0) & ~crosses).any()
    assert (found[crosses] <= grid[first][crosses] * (1 + 1e-12)).all()
    seen = crosses & above.any(0) & (first > 0)
    late = seen & (found < grid[np.maximum(first - 1, 0)])
    assert (crosses & ~above.any(0)).sum() + late.sum() <= 2
    at = lambda s: cell.solution(state, bias, jnp.where(crosses, s, 0))["v"]
    np.testing.assert_allclose(at(found)[crosses & (found > 0)], -55.0, atol=1e-9)


def test_one_neuron_agrees_with_solve():
    cell = snn.CubaLIF(tau_inh=8.0, bias=[190.0, 230.0, 260.0])
    start = cell.init((3,))
    start = start._replace(i_syn=start.i_syn + 500.0, i_inh=start.i_inh - 200.0)
    exact = solve(cell, cell.bias, 60.0, state=RunState(start), rtol=1e-12, atol=1e-12)
    sol = simulate_events(cell, duration=60.0, state=RunState(start))
    times, indices = sol.ys.trimmed()
    assert len(times) == int(exact.stats["n_spikes"].sum()) > 3
    for i in range(3):
        own = np.asarray(exact.stats["spike_times"])[:, i]
        np.testing.assert_allclose(times[indices == i], own[~np.isnan(own)], atol=1e-8)
    for name in ("v", "i_syn", "i_inh", "refractory"):
        here, there = (getattr(x, name) for x in (sol.final.neurons, exact.final))
        np.testing.assert_allclose(here, there, rtol=1e-7, atol=1e-7)


# --- the clocked simulation -------------------------------------------------------------


def clocked(neuron, pre, post, weight, steps, current, external, n_steps, dt, n):
    """Spikes (times, indices) of the neuron's own `step`; arrivals jump at its start."""
    length = int(max(steps, default=1)) + 1
    outside = np.zeros((n_steps, n))
    for i, k, w in external:
        outside[i, k] += w
    cells = neuron.init((n,))

    def one(carry, now):
        state, ring = carry
        i, extra = now
        due = ring[i % length] + extra
        ring = ring.at[i % length].set(0.0)
        if neuron.t_ref is not None:
            due = jnp.where(state.refractory > 0.5 * dt, 0.0, due)
        state, out = neuron.step(state._replace(v=state.v + due), current, dt)
        ring = ring.at[(i + steps) % length, post].add(weight * out[pre])
        return (state, ring), out

    start = (cells, jnp.zeros((length, n)))
    _, out = jax.lax.scan(one, start, (jnp.arange(n_steps), outside))
    i, k = np.nonzero(out)
    return (i + 1) * dt, k


@pytest.mark.parametrize("t_ref", [pytest.param(None, marks=pytest.mark.slow), 1.0])
def test_on_a_grid_neurons_that_fire_at_arrivals_fire_the_same_when_clocked(t_ref):
    # Dyadic times and weights; arrivals of one time add up first. A clocked spike is reported
    # at the end of its step, from where it waits, so the exact one waits dt longer.
    dt, n, n_steps = 0.125, 30, 1600
    rng = np.random.default_rng(5)
    pre, post = np.nonzero(rng.random((n, n)) < 0.3)
    weight = rng.integers(-12, 20, len(pre)) / 2
    steps = rng.integers(1, 12, len(pre))
    external = [
        (rng.integers(n_steps), rng.integers(n), rng.integers(10, 30)) for _ in range(900)
    ]
    at, to, w = (np.array(x) for x in zip(*external, strict=True))
    cell = lambda wait: snn.PerfectIF(t_ref=wait)
    times, indices = clocked(
        cell(t_ref), pre, post, weight, steps, 0.0, external, n_steps, dt, n
    )
    sol = simulate_events(
        cell(None if t_ref is None else t_ref + dt), (pre, post), weight, steps * dt, n=n,
        duration=n_steps * dt, arrivals=Arrivals(at * dt, w, to),
    )  # fmt: skip
    assert len(times) > 300
    found = sol.ys.trimmed()
    np.testing.assert_array_equal(found[0], times - dt)
    # Within a step the clocked list goes by neuron, and so do exact spikes of one time.
    np.testing.assert_array_equal(found[1], indices)


def test_the_clocked_simulation_converges_to_it_in_first_order():
    n = 12
    rng = np.random.default_rng(2)
    pre, post = np.nonzero(rng.random((n, n)) < 0.4)
    weight, delay = rng.uniform(-1.0, 1.0, len(pre)), 0.2 * rng.integers(1, 20, len(pre))
    current = rng.uniform(190, 330, n)
    cell = snn.LIF(t_ref=2.0)
    exact = spikes(cell, (pre, post), weight, delay, duration=60.0, current=current, n=n)
    errors = []
    for dt in (0.1, 0.01):
        steps = np.rint(delay / dt).astype(int)
        times, indices = clocked(
            cell, pre, post, weight, steps, current, [], round(60 / dt), dt, n
        )
        off = []
        for i in range(n):
            own, there = times[indices == i], exact[0][exact[1] == i]
            off.extend((own - there[: len(own)])[:2])
            # The first spikes have nothing before them but the grid.
            if len(there) and there[0] < exact[0].min() + delay.min():
                assert 0 <= own[0] - there[0] <= dt * (1 + 1e-9)
        errors.append(np.mean(np.abs(off)))
        assert np.max(np.abs(off)) < 4 * dt
    order = np.log10(errors[0] / errors[1])
    assert 0.8 < order < 1.25


# --- events at one time -----------------------------------------------------------------


def test_arrivals_of_one_time_add_up_before_the_threshold_is_looked_at():
    cell = snn.PerfectIF(t_ref=1.0)
    one = lambda times, weights: spikes(
        cell, duration=9.0, n=1, arrivals=Arrivals(times, weights, [0] * len(times))
    )[0]
    np.testing.assert_array_equal(one([1.0, 1.0], [25.0, -10.0]), [])
    np.testing.assert_array_equal(one([1.0, 1.5], [25.0, -10.0]), [1.0])
    np.testing.assert_array_equal(one([1.0, 1.0], [12.0, 8.0]), [1.0])
    # One within the refractory time is lost, one at its end counts.
    np.testing.assert_array_equal(one([1.0, 1.875], [25.0, 25.0]), [1.0])
    np.testing.assert_array_equal(one([1.0, 2.0], [25.0, 25.0]), [1.0, 2.0])


def test_an_arrival_at_the_time_of_a_crossing_comes_first():
    cell = snn.PerfectIF()  # 1 mV/ms, at the level at 20
    run = lambda w: spikes(
        cell, duration=30.0, current=100.0, arrivals=Arrivals([20.0], w, [0])
    )[0]
    np.testing.assert_allclose(run(-2.0), [22.0])
    np.testing.assert_allclose(run(2.0), [20.0])


def test_currents_flow_and_arrive_while_the_neuron_waits():
    cell = snn.CubaLIF(t_ref=3.0)
    arrivals = Arrivals([0.0, 4.0], [1200.0, 500.0], [0, 0])
    sol = simulate_events(cell, duration=5.0, arrivals=arrivals)
    (t,) = sol.ys.trimmed()[0]
    assert 1.5 < t < 3.9
    end = sol.final.neurons
    i_syn = 1200 * np.exp(-5 / 3) + 500 * np.exp(-1 / 3)
    np.testing.assert_allclose(end.i_syn, [i_syn], rtol=1e-13)
    np.testing.assert_array_equal(end.v, [-75.0])
    np.testing.assert_allclose(end.refractory, [t + 3.0 - 5.0], rtol=1e-12)


# --- capacity and going on --------------------------------------------------------------

RING = dict(edges=([0, 1, 2, 0], [1, 2, 0, 2]), weight=25.0, delay=[1.3, 0.2, 2.7, 9.0])
BUSY = dict(n=3, arrivals=Arrivals([0.7, 1.1], 30.0, [0, 1]))


@pytest.mark.parametrize(
    ("few", "message"),
    [
        (dict(max_spikes=5), "More spikes than simulate_events.max_spikes=5"),
        (dict(max_pending=2), "More spikes on their way .*max_pending=2"),
        (dict(n_events=7), "More events than simulate_events.n_events=7"),
    ],
)
def test_no_event_is_lost_where_there_is_no_room(few, message):
    cell = snn.LIF(t_ref=1.0)
    run = lambda **kwargs: simulate_events(cell, **RING, **BUSY, **kwargs)
    whole = run(duration=20.0)
    with pytest.raises(ValueError, match=message):
        run(duration=20.0, **few)
    part = run(duration=20.0, throw=False, **few)
    reached, count = float(part.stats["reached"]), int(part.stats["n_spikes"])
    assert 0 < reached < 20.0 and 0 < count < int(whole.stats["n_spikes"])
    assert int(part.ys.lost) == ("max_spikes" in few)
    rest = run(duration=20.0 - reached, state=part.state)
    both = [
        np.concatenate(x) for x in zip(part.ys.trimmed(), rest.ys.trimmed(), strict=True)
    ]
    np.testing.assert_allclose(both[0], whole.ys.trimmed()[0], rtol=1e-12)
    np.testing.assert_array_equal(both[1], whole.ys.trimmed()[1])
    assert int(part.stats["n_events"] + rest.stats["n_events"]) == int(
        whole.stats["n_events"]
    )
    np.testing.assert_allclose(rest.final.neurons.v, whole.final.neurons.v, atol=1e-9)


def test_traced_runs_raise_too():
    run = lambda w, throw: simulate_events(
        snn.LIF(), *RING.values(), **BUSY, duration=w, max_spikes=4, throw=throw
    )
    np.testing.assert_array_equal(jax.jit(lambda w: run(w, False).ys.lost)(20.0), 1)
    with pytest.raises(RuntimeError, match="max_spikes=4"):
        jax.block_until_ready(jax.jit(lambda w: run(w, True).ts)(20.0))
    late = lambda d: simulate_events(snn.LIF(), ([0], [0]), 1.0, d, duration=5.0, n=1).ts
    with pytest.raises(RuntimeError, match="delay must be"):
        jax.block_until_ready(jax.jit(late)(0.0))


# --- gradients and transformations ------------------------------------------------------


def spike_times(params, cell, n_events=None):
    pre, post = np.array([0, 1, 2, 3, 0, 2]), np.array([1, 2, 3, 0, 2, 1])
    start = cell.init((4,))
    start = start._replace(v=start.v + params["v"])
    cell = jax.tree.map(lambda x: x, cell)
    object.__setattr__(cell, "v_reset", params["v_reset"])
    sol = simulate_events(
        cell, (pre, post), params["weight"], params["delay"], duration=60.0,
        current=params["current"], state=RunState(start), max_spikes=30, throw=False,
        arrivals=Arrivals(params["times"], params["in"], [0, 3, 1]), n_events=n_events,
    )  # fmt: skip
    v = jnp.nan_to_num(sol.final.neurons.v)
    return jnp.concatenate([jnp.nan_to_num(sol.ts), v]), sol.stats["n_spikes"]


SLOW = pytest.mark.slow


def problem(name):
    scale = 1.0 if name in ("LIF", "PerfectIF") else 40.0
    params = dict(
        weight=scale * np.array([6.0, 4.0, -3.0, 5.0, 7.0, 2.5]),
        delay=np.array([0.5, 1.7, 2.2, 0.9, 3.1, 1.3]),
        current=np.array([260.0, 210.0, 245.0, 180.0]),
        v=np.array([0.5, 2.0, 4.0, 1.0]),
        v_reset=np.array(-74.0),
        times=np.array([3.3, 11.0, 20.0]),
    )
    params["in"] = scale * np.array([24.0, 8.0, -6.0])
    cells = {
        "LIF": snn.LIF(t_ref=1.5),
        "PerfectIF": snn.PerfectIF(reset_mode="subtract"),
        "CubaLIF": snn.CubaLIF(t_ref=1.5),
        "two currents": snn.CubaLIF(tau_inh=6.0, reset_mode="subtract", t_ref=None),
    }
    return jax.tree.map(jnp.asarray, params), cells[name]


@pytest.mark.parametrize(
    "name",
    [
        "LIF",
        *(pytest.param(x, marks=SLOW) for x in ("PerfectIF", "CubaLIF", "two currents")),
    ],
)
def test_gradients_of_spike_times_are_finite_differences(name):
    params, cell = problem(name)
    run = jax.jit(lambda p: spike_times(p, cell))
    assert 8 < int(run(params)[1]) <= 30
    forward = jax.jit(jax.jacfwd(lambda p: spike_times(p, cell)[0]))(params)
    for key, x in params.items():
        for place in np.ndindex(x.shape):
            h = 1e-5 * max(1.0, abs(float(x[place])))
            up, down = (
                run({**params, key: x.at[place].add(sign * h)})[0] for sign in (1, -1)
            )
            slope = (up - down) / (2 * h)
            here = forward[key][(slice(None), *place)]
            np.testing.assert_allclose(here, slope, rtol=2e-5, atol=1e-6, err_msg=key)
        assert np.abs(forward[key]).max() > 1e-3


@pytest.mark.parametrize("name", ["LIF", pytest.param("two currents", marks=SLOW)])
def test_reverse_mode_of_a_bounded_number_of_events_is_forward_mode(name):
    params, cell = problem(name)
    mix = jnp.sin(jnp.arange(34.0))
    loss = lambda n_events: lambda p: mix @ spike_times(p, cell, n_events)[0]
    forward = jax.jit(jax.jacfwd(loss(None)))(params)
    reverse = jax.jit(jax.grad(loss(150)))(params)
    for key in params:
        np.testing.assert_allclose(reverse[key], forward[key], rtol=1e-9, atol=1e-12)


def test_jitted_batched_and_eager_runs_agree():
    params, cell = problem("LIF")
    run = lambda w: spike_times({**params, "weight": w}, cell)[0]
    weights = params["weight"] * jnp.array([[1.0], [0.9], [0.0]])
    batched = jax.jit(jax.vmap(run))(weights)
    for w, row in zip(weights, batched, strict=True):
        np.testing.assert_allclose(row, run(w), rtol=1e-12, atol=1e-12)
    assert not np.allclose(batched[0], batched[1])


def test_float32_stays_float32_and_is_near():
    params, cell = problem("CubaLIF")
    single = jax.tree.map(lambda x: x.astype(jnp.float32), cell)
    kwargs = dict(duration=60.0, current=params["current"])
    args = ([0, 1, 2], [1, 2, 3]), params["weight"][:3], params["delay"][:3]
    low, high = (
        simulate_events(single, *args, **kwargs),
        simulate_events(cell, *args, **kwargs),
    )
    assert low.ts.dtype == low.final.neurons.v.dtype == jnp.float32
    assert len(high.ys.trimmed()[0]) > 5
    np.testing.assert_array_equal(low.ys.indices, high.ys.indices)
    np.testing.assert_allclose(low.ts, high.ts, atol=2e-3)


def test_it_exports():
    pytest.importorskip("flatbuffers")
    platforms = ("cpu", "cuda", "tpu")
    params, cell = problem("two currents")
    run = jax.jit(lambda p: spike_times(p, cell)[0])
    assert jax.export.export(run, platforms=platforms)(params).serialize()
    params, cell = problem("LIF")
    run = jax.jit(lambda p: spike_times(p, cell)[0])
    exported = jax.export.export(run, platforms=platforms)(params)
    back = jax.export.deserialize(exported.serialize())
    np.testing.assert_allclose(back.call(params), run(params), rtol=1e-9)


# --- arguments --------------------------------------------------------------------------


def test_columns_of_arrivals_are_neurons():
    train = snn.inputs.from_times([[1.0, 3.0], [2.0]])
    times, indices = spikes(
        snn.LIF(t_ref=0.5), duration=5.0, arrivals=Arrivals(train.times, 25.0), n=2
    )
    np.testing.assert_array_equal(times, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(indices, [0, 1, 0])


def test_edges_of_a_rule_are_taken_with_their_unused_entries():
    n = 6
    used, spare = Edges([0, 2, 4], [1, 3, 5], n, n), Edges([0, 2, 4, n], [1, 3, 5, n], n, n)
    run = lambda edges: spikes(
        snn.LIF(), edges, 25.0, 0.5, duration=4.0, arrivals=Arrivals([1, 2], 30.0, [2, 0])
    )
    for edges in (used, spare):
        times, indices = run(edges)
        np.testing.assert_array_equal(times, [1.0, 1.5, 2.0, 2.5])
        np.testing.assert_array_equal(indices, [2, 3, 0, 1])
    with pytest.raises(ValueError, match=r"edges\.n_post of shape"):
        run(Edges([0], [1], 6, 5))


PAIR = ([0], [1])


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((snn.Izhikevich(),), {}, "must be LIF"),
        ((snn.LIF,), {}, "must be LIF"),
        ((snn.LIF(reset_mode="none"),), {}, "reset_mode='none'"),
        ((snn.LIF(v_reset=-50.0),), {}, "v_reset must lie below"),
        ((snn.LIF(), PAIR, 1.0, 0.0), dict(n=2), "delay must be above 0 ms"),
        ((snn.LIF(), PAIR, np.nan), dict(n=2), "weight must be finite"),
        ((snn.LIF(), PAIR, [1.0, 2.0]), dict(n=2), "one a synapse, of which there are 1"),
        ((snn.LIF(), PAIR), {}, "n must say how many"),
        ((snn.LIF(), ([0, 1], [1])), dict(n=2), "two lists of one length"),
        ((snn.LIF(), PAIR), dict(n=1), "edges.post must lie in 0 .. 0"),
        ((snn.LIF(), PAIR), dict(n=2, current=[1.0, 2.0, 3.0]), "current of shape"),
        ((snn.LIF(),), dict(current=np.ones((2, 2))), "one axis of neurons"),
        ((snn.LIF(),), dict(duration=-1.0), "duration must be above 0 ms"),
        ((snn.LIF(),), dict(max_spikes=0), "max_spikes must be a whole number"),
        ((snn.LIF(),), dict(n_events=1.5), "n_events must be a whole number"),
        ((snn.LIF(),), dict(state=snn.LIF().init((1,))), "Wrap neurons' own state"),
        ((snn.LIF(),), dict(arrivals=Arrivals([1.0], 1.0)), "Arrivals.times must have"),
        ((snn.LIF(),), dict(arrivals=Arrivals([-1.0], 1.0, [0])), "at least 0 ms"),
        ((snn.LIF(),), dict(arrivals=Arrivals([1.0], 1.0, [1])), "arrivals.indices"),
    ],
)
def test_bad_input_is_refused(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        simulate_events(*args, **{"duration": 10.0, **kwargs})
