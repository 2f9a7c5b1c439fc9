import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.neurons import (
    IZHIKEVICH_2003,
    IZHIKEVICH_2004,
    IZHIKEVICH_PATTERNS,
    Izhikevich,
    izhikevich_pattern,
)

COUNTS = dict(
    A=5, B=1, C=28, D=6, E=6, F=6, G=10, H=14, I=1, J=1, K=1, L=1, M=1, N=7, O=1, P=5, Q=1,
    R=1, S=3, T=12,
)  # fmt: skip


def script(pattern, *, strict=True, dtype=np.float64):
    """The 2004 script, in NumPy: v, then u with the new v, then the test. (v, u, spikes)"""
    p = pattern.neuron
    name = pattern.name[0]
    k2, k1, k0, a, b, c, d, v, u, dt = (
        dtype(x)
        for x in (p.quadratic, p.linear, p.constant, p.a, p.b, p.c, p.d, p.v_start,
                  -16.0 if name == "R" else p.b * p.v_start, pattern.dt)
    )  # fmt: skip
    trace = []
    for current in pattern.current.astype(dtype):
        v = v + dt * (k2 * v * v + k1 * v + k0 - u + current)
        u = u + dt * a * (b * (v + dtype(65)) if name == "R" else b * v - u)
        spike = v > 30 if strict else v >= 30
        if spike:
            v, u = c, u + d
        trace.append((v, u, float(spike)))
    return np.array(trace).T


def run(p, *what):
    """All patterns in arrays of one length, so that jax compiles once."""
    n = len(p.current)
    current = np.pad(p.current, (0, max(0, 1601 - n)), mode="edge")
    sol = snn.simulate(p.neuron, current, p.dt, record=snn.Trace(*what))
    return jax.tree.map(lambda x: x[:n], sol.ys)


@pytest.mark.parametrize("name", IZHIKEVICH_PATTERNS)
def test_published_counts_and_traces(name):
    p = izhikevich_pattern(name)
    ys = run(p, "v", "u", "spikes")
    v, u, spikes = script(p)
    assert ys["spikes"].sum() == p.count == COUNTS[name[0]]
    np.testing.assert_array_equal(ys["spikes"], spikes)
    # Each upstroke amplifies rounding some thousandfold: in digits, up to the second spike.
    few = np.cumsum(spikes) < 2
    np.testing.assert_allclose(ys["v"][few], v[few], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(ys["u"][few], u[few], rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(script(p, strict=False)[2], spikes)  # v is never 30


def test_published_counts_in_float32():
    with jax.enable_x64(False):
        for name in IZHIKEVICH_PATTERNS:
            p = izhikevich_pattern(name)
            spikes = run(p, "spikes")
            assert spikes.dtype == jnp.float32
            assert spikes.sum() == COUNTS[name[0]], name


def count(name, dt):
    p = izhikevich_pattern(name, dt)
    assert p.count is None
    return snn.simulate(p.neuron, p.current, dt, record=snn.SpikeCount()).ys


def test_small_steps_change_three_patterns():
    assert count("N", 0.005) == count("N", 0.001) == 14
    assert count("Q", 0.001) == count("Q", 0.0005) == 8
    t = [float(count("T", dt)) for dt in (0.5, 0.1, 0.05, 0.01)]
    assert t[0] == 12
    assert t[3] > 4 * t[2] > 7 * t[1] > 7000  # in proportion to 1 / dt: no limit


def test_what_the_patterns_show():
    def times(name):
        p = izhikevich_pattern(name)
        spikes = np.asarray(run(p, "spikes"))
        return np.flatnonzero(spikes) * p.dt

    assert np.all(np.diff(np.diff(times("F"))) > 0)  # intervals grow
    assert 25 < times("M")[0] < 80  # after the inhibition from 20 to 25 ms
    assert times("I")[0] > 25  # long after the pulse from 10 to 13 ms
    assert 80 < times("O")[0] < 100  # not at the first pulse
    assert 300 < times("R")[0] < 315  # on the fast ramp
    assert np.all((times("P") > 37.5) & (times("P") < 230))  # between the pulses
    for name in "ST":
        assert np.all((times(name) > 50) & (times(name) < 260))  # while at 75
    lowest = {name: 1000 / np.diff(times(name)).max() for name in "GH"}  # Hz
    assert lowest["G"] < 30  # class 1
    assert lowest["H"] > 45  # class 2


def test_stimuli_begin_and_end_as_in_the_script():
    """Pulses last for start < t < stop, so that neither edge belongs to them."""
    at = lambda name, *times: [
        float(izhikevich_pattern(name).current[round(t / izhikevich_pattern(name).dt)])
        for t in times
    ]
    assert at("A", 10, 10.25, 100) == [0, 14, 14]
    assert at("I", 10, 10.2, 12.8, 13) == [0, 7.04, 7.04, 0]
    assert at("G", 30, 31, 300) == pytest.approx([0, 0.075, 20.25])
    assert at("H", 0, 30, 130) == pytest.approx([-0.5, -0.5, 1.0])
    assert at("K", 42, 45, 62, 270, 282, 322) == [0.65, 0, 0.65, 0, 0.65, 0.65]
    assert at("L", 9.25, 12, 15, 71, 81) == [9, 0, 9, 9, 9]
    assert at("O", 12, 72, 82) == [1, -6, 1]
    assert at("P", 0, 40, 100, 218) == pytest.approx([0.24, 1.24, 0.24, 1.24])
    assert at("Q", 9, 9.1, 10.9, 11) == [0, 20, 20, 0]
    assert at("R", 100, 199.5, 200, 306.5, 312.5) == pytest.approx([4, 7.98, 0, 2.08, 0])
    assert at("S", 49.5, 50, 250, 250.5) == [80, 75, 75, 80]


def test_pattern_names():
    for name in ("A tonic spiking", "A", "a", "tonic spiking", "Tonic_Spiking"):
        assert izhikevich_pattern(name).name == "A tonic spiking"
    assert izhikevich_pattern("spike-frequency adaptation").name[0] == "F"
    with pytest.raises(ValueError, match="Did you mean 'tonic bursting'"):
        izhikevich_pattern("tonic burstin")
    with pytest.raises(ValueError, match=r"izhikevich_pattern.dt must be above 0 ms"):
        izhikevich_pattern("A", 0.0)


def test_twenty_patterns_differ_in_parameters_only():
    """All neurons as one population, each at its own step, with its own current."""
    patterns = [izhikevich_pattern(name) for name in IZHIKEVICH_PATTERNS]
    n_steps = max(len(p.current) for p in patterns)
    explicit = [
        Izhikevich(**{f: getattr(p.neuron, f) for f in FIELDS}, u_start=p.neuron.rest().u)
        for p in patterns
    ]
    neurons = jax.tree.map(lambda *x: jnp.stack(x), *explicit)
    currents = jnp.stack(
        [np.pad(p.current, (0, n_steps - len(p.current))) for p in patterns]
    )
    dts = jnp.array([p.dt for p in patterns])
    one = lambda neuron, current, dt: snn.simulate(neuron, current, dt, throw=False).ys
    spikes = jax.jit(jax.vmap(one))(neurons, currents, dts)
    for s, p in zip(spikes, patterns, strict=True):
        assert s[: len(p.current)].sum() == p.count, p.name


FIELDS = ("a", "b", "c", "d", "linear", "constant", "v_u", "u_decay", "v_start")

PRESETS = dict(
    regular_spiking=11,
    intrinsically_bursting=16,
    chattering=35,
    fast_spiking=50,
    low_threshold_spiking=33,
    resonator=69,
    thalamo_cortical=98,
)


@pytest.mark.parametrize(("preset", "expected"), PRESETS.items())
def test_cortical_presets(preset, expected):
    neuron = getattr(Izhikevich, preset)()
    current = np.where(np.arange(2000) * 0.25 >= 50, 10.0, 0.0)
    sol = snn.simulate(neuron, current, 0.25, record=snn.Trace("v", "spikes"))
    assert sol.ys["spikes"].sum() == expected
    before = np.abs(sol.ys["v"][:199] - neuron.v_start)
    assert before.max() < 6  # near its rest until the current comes


def test_rest_and_its_loss():
    state = Izhikevich().init()
    slopes = Izhikevich().derivative(state, 0.0)  # at -70, -14
    np.testing.assert_allclose([slopes["v"], slopes["u"]], 0.0, atol=1e-12)
    roots = lambda current: np.roots([0.04, 5 - 0.2, 140 + current])
    assert np.isreal(roots(3.99)).all() and not np.isreal(roots(4.01)).any()
    sol = lambda i: snn.simulate(Izhikevich(), i, 0.05, duration=3000.0).ys
    assert sol(4.2)[30_000:].sum() > 0
    assert sol(3.0)[30_000:].sum() == 0


def test_c_is_the_reset_potential():
    neuron = Izhikevich(c=jnp.array([-65.0, -50.0]))
    np.testing.assert_array_equal(neuron.v_reset, [-65.0, -50.0])
    state = neuron.init()._replace(v=jnp.array([40.0, 40.0]))
    after, spikes = neuron.step(state, 0.0, 1e-9)
    np.testing.assert_array_equal(spikes, [1.0, 1.0])
    np.testing.assert_array_equal(after.v, [-65.0, -50.0])
    np.testing.assert_allclose(after.u, -14.0 + 8.0, rtol=1e-7)
    with pytest.raises(ValueError, match="no parameter 'v_reset'"):
        Izhikevich(v_reset=-60.0)
    with pytest.raises(ValueError, match=r"Izhikevich.a must be finite in 1/ms"):
        Izhikevich(a=np.nan)


def test_half_steps_of_the_network_paper():
    neuron = Izhikevich(integrator=IZHIKEVICH_2003)
    current = 10 * np.sin(np.arange(1000) / 40.0) ** 2
    sol = snn.simulate(neuron, current, 1.0, record=snn.Trace("v", "u", "spikes"))
    v, u = -70.0, -14.0
    n = 0
    for i, current_now in enumerate(current):
        if v >= 30:  # the paper's script resets at the beginning of the next step
            v, u = -65.0, u + 8.0
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current_now)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current_now)
        u = u + 0.02 * (0.2 * v - u)
        n += v >= 30
        assert (sol.ys["spikes"][i] == 1) == (v >= 30)
        if v < 30:
            np.testing.assert_allclose(
                [sol.ys["v"][i], sol.ys["u"][i]], [v, u], rtol=1e-3, atol=1e-2
            )
    assert n > 8
    other = snn.simulate(Izhikevich(integrator=IZHIKEVICH_2004), current, 1.0).ys
    assert np.any(other != sol.ys["spikes"])


def network(rng):
    r_e, r_i = rng.random(800), rng.random(200)
    weights = np.hstack([0.5 * rng.random((1000, 800)), -rng.random((1000, 200))])
    return r_e, r_i, weights


def test_network_of_2003_repeats_the_script_and_its_rates():
    """800 + 200 neurons, all to all, thalamic noise 5 and 2, 1 s in steps of 1 ms."""
    rng = np.random.default_rng(1)
    r_e, r_i, weights = network(rng)
    noise = rng.standard_normal((1000, 1000)) * np.where(np.arange(1000) < 800, 5.0, 2.0)
    e, i = Izhikevich.excitatory(r_e), Izhikevich.inhibitory(r_i)
    cells = jax.tree.map(
        lambda x, y: jnp.concatenate([jnp.broadcast_to(x, 800), jnp.broadcast_to(y, 200)]),
        *((n.a, n.b, n.c, n.d) for n in (e, i)),
    )
    neuron = Izhikevich(*cells, v_start=-65.0, integrator=IZHIKEVICH_2003)

    @jax.jit
    def simulated(weights, noise):
        def one(carry, noise):
            state, spikes = carry
            carry = neuron.step(state, noise + weights @ spikes, 1.0)
            return carry, carry[1]

        return jax.lax.scan(one, (neuron.init(), jnp.zeros(1000)), noise)[1]

    spikes = np.asarray(simulated(weights, noise))

    a = np.r_[np.full(800, 0.02), 0.02 + 0.08 * r_i]
    b = np.r_[np.full(800, 0.2), 0.25 - 0.05 * r_i]
    c = np.r_[-65 + 15 * r_e**2, np.full(200, -65.0)]
    d = np.r_[8 - 6 * r_e**2, np.full(200, 2.0)]
    v = np.full(1000, -65.0)
    u = b * v
    for t in range(60):  # longer, and chaos amplifies rounding
        fired = v >= 30
        if t:
            np.testing.assert_array_equal(spikes[t - 1], fired)
        v, u = np.where(fired, c, v), np.where(fired, u + d, u)
        current = noise[t] + weights[:, fired].sum(1)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u = u + a * (b * v - u)
    assert spikes[:60].sum() > 100
    # Over ten networks 7.58 +- 0.20 and 7.23 +- 0.17 Hz: four standard deviations.
    assert abs(spikes[:, :800].mean() * 1000 - 7.58) < 0.8
    assert abs(spikes[:, 800:].mean() * 1000 - 7.23) < 0.68


def test_gradients_are_those_of_finite_differences():
    def v_end(b, current, linear):
        neuron = Izhikevich(b=b, linear=linear)
        return snn.simulate(neuron, jnp.full(80, current), 0.25, throw=False).final.v

    at = (0.2, 1.0, 5.0)  # stays below threshold
    for k, x in enumerate(at):
        f = lambda x, k=k: v_end(*at[:k], x, *at[k + 1 :])
        numeric = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
        assert jax.grad(f)(x) == pytest.approx(float(numeric), rel=1e-6)


@pytest.mark.parametrize("x64", [True, False])
def test_training_gradients_through_spikes_are_finite(x64):
    with jax.enable_x64(x64):

        def rate(a, b, c, d, current):
            neuron = Izhikevich(a, b, c, d, detach_reset=False)
            return snn.simulate(neuron, jnp.full(400, current), 0.25).ys.mean()

        args = [jnp.asarray(x) for x in (0.02, 0.2, -65.0, 8.0, 14.0)]
        value, gradients = jax.value_and_grad(rate, argnums=tuple(range(5)))(*args)
        assert value > 0
        assert np.isfinite(gradients).all() and all(g != 0 for g in gradients)


def test_population_equals_its_neurons_run_alone(key):
    d = jnp.linspace(2.0, 8.0, 5)
    current = 10 + 3 * jax.random.normal(key, (400, 5))
    together = snn.simulate(Izhikevich(d=d), current, 0.25).ys
    alone = jax.vmap(lambda d, i: snn.simulate(Izhikevich(d=d), i, 0.25).ys, (0, 1), 1)
    assert together.sum() > 10
    np.testing.assert_array_equal(together, alone(d, current))


def test_exports_for_every_backend():
    f = lambda a, i: snn.simulate(Izhikevich(a=a), i, 0.25, throw=False).ys
    args = jnp.full(3, 0.02), jnp.zeros((40, 3))
    exported = jax.export.export(jax.jit(f), platforms=("cpu", "cuda", "tpu"))(*args)
    np.testing.assert_array_equal(exported.call(*args), f(*args))
