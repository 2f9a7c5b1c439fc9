import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.neurons import ADEX_CURRENTS, LIF, AdEx, ExponentialIF, QuadraticIF


def spike_times(neuron, current, dt, duration):
    sol = snn.simulate(neuron, current, dt, duration=duration)
    return sol.ts[np.flatnonzero(sol.ys)]


# Quadratic


@pytest.mark.parametrize("current", [0.01, 1.0, 7.0])
@pytest.mark.parametrize("tau_m", [1.0, 12.0])
@pytest.mark.parametrize("steps", [20, 300])  # a period
def test_period_of_the_normal_form(current, tau_m, steps):
    theory = np.pi * tau_m / np.sqrt(current)
    dt = theory / (steps + 0.3)
    neuron = QuadraticIF.normal_form(tau_m, v_peak=1e6)
    sol = snn.simulate(neuron, current, dt, n_steps=12 * steps)
    isi = np.diff(np.flatnonzero(sol.ys)) * dt
    assert len(isi) > 8
    assert np.all((isi > theory - 1e-4 * theory) & (isi < theory + dt))


def exact_isi(neuron, current):
    middle, half = -57.5, 7.5
    drive = 0.1 * current - 0.07 * half**2
    s = np.sqrt(0.07 * drive)
    turn = lambda v: np.arctan(0.07 * (v - middle) / s)
    return 10.0 / s * (turn(-30.0) - turn(-60.0))


@pytest.mark.parametrize("current", [45.0, 80.0, 400.0])
def test_interspike_interval_of_the_general_form(current):
    isi = np.diff(spike_times(QuadraticIF(), current, 0.01, 500.0))
    theory = exact_isi(QuadraticIF(), current)
    assert len(isi) > 2
    assert np.all((isi > theory - 1e-9) & (isi < theory + 0.01 + 1e-9))


def test_rheobase_and_rest_of_the_general_form():
    rheobase = 0.07 * 15**2 / 4 / 0.1  # 39.375 pA
    assert len(spike_times(QuadraticIF(), 0.99 * rheobase, 0.1, 2000.0)) == 0
    assert len(spike_times(QuadraticIF(), 1.01 * rheobase, 0.1, 2000.0)) > 0
    v = snn.simulate(QuadraticIF(), 30.0, 0.1, duration=500.0).final.v
    np.testing.assert_allclose(v, -57.5 - np.sqrt(7.5**2 - 3.0 / 0.07), rtol=1e-12)


def test_quadratic_step_is_exact():
    from diffrax import ODETerm, PIDController, Tsit5, diffeqsolve

    def reference(v, current, dt):
        slope = lambda t, v, args: (0.07 * (v + 65) * (v + 50) + 0.1 * current) / 10
        control = PIDController(rtol=1e-11, atol=1e-11)
        return diffeqsolve(
            ODETerm(slope), Tsit5(), 0.0, dt, None, v, stepsize_controller=control,
            max_steps=100_000,
        ).ys[0]  # fmt: skip

    grid = [-90.0, -57.5, -52.0], [-300.0, 0.0, 39.375, 39.38, 120.0], [0.01, 1.0, 7.0]
    v, current, dt = (jnp.asarray(x.ravel()) for x in np.meshgrid(*grid))
    expected = jax.jit(jax.vmap(reference))(v, current, dt)
    assert np.all(expected < -30)
    state = QuadraticIF().init(v.shape)._replace(v=v)
    np.testing.assert_allclose(
        QuadraticIF().solution(state, current, dt)["v"], expected, rtol=1e-8
    )


@pytest.mark.parametrize("dt", [5.0, 50.0, 1e4])
def test_a_step_past_infinity_fires(dt):
    neuron = QuadraticIF()
    state = neuron.init()._replace(v=jnp.array([-40.0, -57.5, -120.0, -40.0, -35.0]))
    # The last comes back from below within 5 ms, beyond the middle.
    current = jnp.array([0.0, 5000.0, 5000.0, -20.0, 5000.0])
    after, spikes = neuron.step(state, current, dt)
    np.testing.assert_array_equal(spikes, 1.0)
    np.testing.assert_array_equal(after.v, -60.0)
    v = neuron.solution(state, current, dt)["v"]
    assert np.all((v >= -30.0) & (v <= -30 + 27.5 + 1e-9))


def assert_gradients_are_finite_differences(f, args, rtol=1e-5):
    value, gradient = jax.jit(f), jax.jit(jax.grad(f, tuple(range(len(args)))))(*args)
    for k, g in enumerate(gradient):
        h = 1e-5 * max(1.0, abs(args[k]))
        up, down = (value(*args[:k], args[k] + s, *args[k + 1 :]) for s in (h, -h))
        np.testing.assert_allclose(g, (up - down) / (2 * h), rtol=rtol)


@pytest.mark.parametrize("current", [10.0, 39.375, 60.0])
def test_quadratic_gradients(current):
    def v_end(tau_m, a0, v_crit, current):
        neuron = QuadraticIF(tau_m, a0, v_crit=v_crit)
        return snn.simulate(neuron, jnp.full(40, current), 0.1, throw=False).final.v

    assert_gradients_are_finite_differences(v_end, (10.0, 0.07, -50.0, current))


def test_quadratic_gradient_goes_smoothly_through_the_rheobase():
    near = lambda i: QuadraticIF().solution(QuadraticIF().init(), i, 0.1)["v"]
    slopes = jax.vmap(jax.grad(near))(39.375 + jnp.linspace(-1e-6, 1e-6, 5))
    assert np.ptp(slopes) < 1e-9 * slopes[0]


# Exponential


def test_exponential_rheobase():
    delta, v_t, e_l, g_l = 3.48, -59.9, -65.0, 10.0
    rheobase = g_l * (v_t - e_l - delta)  # the fold, where v = v_t
    assert rheobase == pytest.approx(16.2)
    assert len(spike_times(ExponentialIF(), 0.99 * rheobase, 0.1, 2000.0)) == 0
    assert len(spike_times(ExponentialIF(), 1.01 * rheobase, 0.1, 2000.0)) > 0


@pytest.mark.parametrize("current", [30.0, 100.0, 400.0])
def test_exponential_interspike_interval(current):
    from scipy.integrate import quad

    slope = lambda v: (-(v + 65) + 3.48 * np.exp((v + 59.9) / 3.48) + current / 10) / 10
    theory = 1.7 + quad(lambda v: 1 / slope(v), -68.0, -30.0, limit=200, epsrel=1e-10)[0]
    isi = np.diff(spike_times(ExponentialIF(), current, 0.01, 300.0))
    assert len(isi) > 2
    # The spike and the end of the wait are both put off to the end of their step.
    assert np.all((isi > theory - 0.01) & (isi < theory + 0.021))


def test_sharp_exponential_is_a_lif():
    lif = LIF(
        tau_m=10.0, e_l=-65.0, threshold=snn.Threshold(-59.9), v_reset=-68.0, t_ref=1.7
    )
    for current in (100.0, 250.0):
        sharp = spike_times(ExponentialIF(delta_t=0.02), current, 0.01, 200.0)
        np.testing.assert_allclose(
            np.diff(sharp), np.diff(spike_times(lif, current, 0.01, 200.0)), rtol=0.03
        )


@pytest.mark.parametrize("model", [ExponentialIF, AdEx])
@pytest.mark.parametrize(
    ("integrator", "x64"),
    [(snn.Euler(), False), (snn.Heun(), True), (snn.Heun(), False), (snn.RK4(), False)],
    ids=lambda x: type(x).__name__ if isinstance(x, snn.AbstractIntegrator) else f"x64={x}",
)
def test_nothing_overflows(model, integrator, x64):
    with jax.enable_x64(x64):

        def last(delta_t, current):
            neuron = model(
                delta_t=delta_t, integrator=integrator, threshold=snn.Threshold(30.0)
            )
            sol = snn.simulate(neuron, jnp.full(100, current), 1.0, throw=False)
            return sol.ys.sum() + sol.final.v, (sol.ys, sol.final)

        for delta_t, current in ((0.1, 3000.0), (2.0, 3000.0), (0.01, 1e6)):
            gradients, (spikes, final) = jax.grad(last, (0, 1), has_aux=True)(
                delta_t, current
            )
            assert spikes.sum() > 10
            assert np.isfinite(gradients).all()
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(final))
            if model is AdEx:  # one huge stage must not get into w
                assert -1000 < final.w < 80.5 * 100 + 2000


# AdEx

COUNTS = dict(
    tonic=62,
    adaptation=12,
    initial_burst=12,
    regular_bursting=11,
    delayed_accelerating=46,
    delayed_regular_bursting=32,
    transient=1,
    irregular=32,
)


def naud(name, dt=0.01, duration=600.0):
    return spike_times(getattr(AdEx, name)(), ADEX_CURRENTS[name], dt, duration)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_patterns_of_naud_2008(name, count):
    times = naud(name)
    isi = np.diff(times)
    assert abs(len(times) - count) <= (name == "irregular")  # chaotic: 32 or 33
    if name == "adaptation":
        np.testing.assert_allclose(isi[[0, -1]], [11.3, 75.9], atol=0.1)
        assert np.all(np.diff(isi) > -0.011)
    if name == "delayed_accelerating":
        np.testing.assert_allclose(isi[[0, -1]], [20.6, 10.3], atol=0.1)
        assert np.all(np.diff(isi) < 0.011)
    if name.endswith("regular_bursting"):
        bursts = np.split(np.arange(len(times)), np.flatnonzero(isi > 30) + 1)
        per_burst = 4 if name.startswith("delayed") else 2
        assert {len(b) for b in bursts[1:-1]} == {per_burst}


def test_irregular_pattern_has_cv_060():
    """Ten neurons that differ in the tenth digit, 6 s each: the chaos forgets the start."""
    neuron = AdEx.irregular(a=-11.0 + 1e-9 * jnp.arange(10))
    spikes = np.asarray(snn.simulate(neuron, 160.0, 0.02, duration=6000.0).ys)
    cv = []
    for s in spikes.T:
        isi = np.diff(np.flatnonzero(s))
        cv.append(isi.std() / isi.mean())
    assert abs(np.mean(cv) - 0.60) < 0.015
    assert len({tuple(np.flatnonzero(s)[-20:]) for s in spikes.T}) > 5


def test_adex_rebounds_after_inhibition():
    current = np.where(np.arange(30_000) < 20_000, -500.0, 0.0)  # pA, until 400 ms
    sol = snn.simulate(AdEx.transient(), current, 0.02)
    times = sol.ts[np.flatnonzero(sol.ys)]
    assert len(times) == 1
    assert 400 < times[0] < 430
    assert not snn.simulate(AdEx.tonic(), current, 0.02).ys.any()


@pytest.mark.parametrize("name", ["tonic", "adaptation", "initial_burst"])
def test_adex_spike_times_against_located_ones(name):
    times = naud(name, dt=0.002, duration=150.0)
    expected = located(name, len(times))
    # Each spike is put off to the end of its step, by 0.002 ms at most, and these add up.
    np.testing.assert_array_less(
        np.abs(times - expected), 0.004 * (1 + np.arange(len(times)))
    )


def located(name, n):
    from scipy.integrate import solve_ivp

    p, current = getattr(AdEx, name)(), ADEX_CURRENTS[name]
    c, g, e, a, tau, b, r = (
        float(x) for x in (p.c_m, p.g_l, p.e_l, p.a, p.tau_w, p.b, p.v_reset)
    )

    def slopes(t, y):
        v, w = y
        spike = g * 2.0 * np.exp((v + 50.0) / 2.0)
        return [(-g * (v - e) + spike - w + current) / c, (a * (v - e) - w) / tau]

    peak = lambda t, y: y[0] + 25.0  # from -25 to 0 mV takes less than 1e-4 ms
    peak.terminal, peak.direction = True, 1
    t, y, times = 0.0, [e, 0.0], []
    for _ in range(n):
        part = solve_ivp(
            slopes, (t, t + 500), y, "DOP853", rtol=1e-9, atol=1e-9, events=peak
        )
        t, y = part.t[-1], [r, part.y[1, -1] + b]
        times.append(t)
    return np.array(times)


def test_presets_take_changes_and_arrays():
    neuron = AdEx.tonic(b=jnp.array([0.0, 100.0]), v_reset=-60.0)
    counts = snn.simulate(neuron, 500.0, 0.1, duration=200.0, record=snn.SpikeCount()).ys
    assert counts[0] > 1.5 * counts[1] > 0
    assert set(ADEX_CURRENTS) == set(COUNTS)
    with pytest.raises(ValueError, match=r"AdEx.delta_t must be above 0 mV"):
        AdEx.tonic(delta_t=0.0)
    with pytest.raises(ValueError, match=r"no parameter 'taw_w'. Did you mean 'tau_w'"):
        AdEx(taw_w=3.0)


# All


@pytest.mark.parametrize(
    ("model", "name", "current"),
    [(QuadraticIF, "tau_m", 30.0), (ExponentialIF, "v_t", 15.0), (AdEx, "a", 300.0)],
)
def test_gradients_below_threshold(model, name, current):
    at = float(getattr(model(), name))

    def v_end(x, current):
        neuron = model(**{name: x})
        return snn.simulate(neuron, jnp.full(60, current), 0.2, throw=False).final.v

    assert_gradients_are_finite_differences(v_end, (at, current))


@pytest.mark.parametrize("model", [QuadraticIF, ExponentialIF, AdEx])
@pytest.mark.parametrize("x64", [True, False])
def test_gradients_through_spikes_are_finite(model, x64):
    with jax.enable_x64(x64):
        rate = lambda i: snn.simulate(
            model(detach_reset=False), jnp.full(300, i), 0.2, throw=False
        ).ys.mean()
        value, gradient = jax.value_and_grad(rate)(jnp.asarray(900.0))
        assert value > 0 and np.isfinite(gradient) and gradient != 0
        assert value.dtype == (jnp.float64 if x64 else jnp.float32)


@pytest.mark.parametrize("model", [QuadraticIF, ExponentialIF, AdEx])
def test_population_equals_its_neurons_run_alone_and_exports(model, key):
    current = 1500 + 300 * jax.random.normal(key, (300, 4))
    tau = jnp.linspace(5.0, 30.0, 4)
    build = lambda tau: model(**{"tau_w" if model is AdEx else "tau_m": tau})
    f = lambda tau, i: snn.simulate(build(tau), i, 0.1, throw=False).ys
    together = f(tau, current)
    assert together.sum() > 4
    np.testing.assert_array_equal(together, jax.vmap(f, (0, 1), 1)(tau, current))
    exported = jax.export.export(jax.jit(f), platforms=("cpu", "cuda", "tpu"))(tau, current)
    np.testing.assert_array_equal(exported.call(tau, current), together)
