import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import snnjax as snn
from snnjax.neurons import McKean, PiecewiseLinearIF
from snnjax.neurons.piecewise_linear import _integrated_exp, piecewise_linear

BURST = dict(a=1 / 75, b=1.2, d=4.0, left=-0.35, v_reset=20.0)


def located(current, duration, a, b, d, left, v_reset, level=60.0):
    """Spike times of the integrate-and-fire model; corners and spikes are located events."""
    t, y, side, times = 0.0, np.zeros(2), 1, []
    while t < duration:
        k = 1.0 if side > 0 else left

        def slopes(t, y, k=k):
            drive = current(t) if callable(current) else current
            return [k * y[0] - y[1] + drive, a * (b * y[0] - y[1])]

        corner = lambda t, y: y[0]
        corner.terminal, corner.direction = True, -side
        peak = lambda t, y: y[0] - level
        peak.terminal, peak.direction = True, 1
        part = solve_ivp(
            slopes,
            (t, duration),
            y,
            "DOP853",
            rtol=1e-11,
            atol=1e-11,
            events=[corner, peak],
        )
        t, y = part.t[-1], part.y[:, -1]
        if part.status != 1:
            break
        if len(part.t_events[1]):
            times.append(t)
            y = np.array([v_reset, y[1] + d])
            side = 1 if v_reset >= 0 else -1
        else:
            side = -side
    return np.array(times)


def spike_times(neuron, current, dt, duration):
    sol = snn.simulate(neuron, current, dt, duration=duration)
    return sol.ts[np.flatnonzero(sol.ys)]


def bursts(times, gap=20.0):
    """Spikes of each burst but the first and the last, which may be cut."""
    parts = np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) > gap) + 1)
    return [len(p) for p in parts[1:-1]]


# The flow


@pytest.mark.parametrize("t", [1e-4, 0.1, 1.0, 4.0])
@pytest.mark.parametrize(
    "matrix",
    [
        [[-1, -1], [0.01, -0.005]],  # a node
        [[1, -1], [0.01, -0.02]],  # unstable
        [[0.1, -1], [1, -0.1]],  # a focus
        [[1, -1], [1, -1]],  # defective, and 0 twice as its eigenvalue
        [[1, -1], [0.5, -0.5]],  # singular
        [[0, 0], [0, 0]],
    ],
)
def test_integral_of_the_matrix_exponential(matrix, t):
    a = np.array(matrix, float)
    block = np.zeros((4, 4))
    block[:2, :2], block[:2, 2:] = a * t, np.eye(2) * t
    expected = expm(block)[:2, 2:]
    x, y = _integrated_exp(np.trace(a), np.linalg.det(a), jnp.asarray(t))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(x * np.eye(2) + y * a, expected, rtol=0, atol=1e-12 * scale)


def test_piecewise_linear_function():
    v = np.linspace(-3, 3, 601)
    got = piecewise_linear(v, (0.125, 0.625), (-1.0, 1.0, -1.0))
    expected = np.where(v < 0.125, -v, np.where(v <= 0.625, v - 0.25, 1 - v))
    np.testing.assert_allclose(got, expected, atol=1e-14)
    np.testing.assert_allclose(
        piecewise_linear(v, (-1.0,), (-0.5, 2.0)), np.where(v < -1, -0.5 * v - 2.5, 2 * v),
        atol=1e-14,
    )  # fmt: skip


def test_mckean_steps_of_any_length_agree_with_diffrax():
    from diffrax import Dopri8, ODETerm, PIDController, SaveAt, diffeqsolve

    def reference(eps, current):
        neuron = McKean(eps=eps)
        state = neuron.init()

        def field(t, y, args):
            slopes = neuron.derivative(state._replace(v=y[0], w=y[1]), current)
            return jnp.stack([slopes["v"], slopes["w"]])

        # Small steps: the scheme does not know of the corners.
        control = PIDController(rtol=1e-12, atol=1e-13, dtmax=0.05)
        return diffeqsolve(
            ODETerm(field), Dopri8(), 0.0, 120.0, None, jnp.zeros(2),
            stepsize_controller=control, saveat=SaveAt(ts=jnp.arange(1, 121.0)),
            max_steps=100_000,
        ).ys  # fmt: skip

    eps, current = jnp.array([0.01, 0.01, 0.5, 0.5]), jnp.array([0.2, 0.8, 0.2, 0.8])
    expected = jax.jit(jax.vmap(reference, out_axes=1))(eps, current)
    # With eps = 0.5 a step of 4 is half a cycle, in which v meets more borders than two.
    for dt, cases in ((0.1, slice(4)), (1.0, slice(4)), (4.0, slice(2))):
        record = snn.Trace("v", "w", every=round(max(1.0, 1 / dt)))
        n = round(120 / dt)
        sol = snn.simulate(
            McKean(eps=eps[cases]), jnp.tile(current[cases], (n, 1)), dt, record=record
        )
        at = np.round(sol.ts).astype(int) - 1
        np.testing.assert_allclose(sol.ys["v"], expected[at, cases, 0], atol=2e-8)
        np.testing.assert_allclose(sol.ys["w"], expected[at, cases, 1], atol=2e-8)


def test_rounding_is_all_that_depends_on_dt():
    """Two kinds of steps of the closed form, through ten passages of all three pieces."""
    fine, coarse = (
        snn.simulate(
            McKean(eps=0.05), 0.5, dt, duration=400.0, record=snn.Trace("v", every=k)
        )
        for dt, k in ((0.02, 100), (2.0, 1))
    )
    assert np.sum((coarse.ys[:-1] < 0.5) & (coarse.ys[1:] >= 0.5)) > 4
    np.testing.assert_allclose(fine.ys, coarse.ys, atol=1e-11)


def test_float32_stays_close():
    run = lambda: snn.simulate(
        McKean(eps=0.05), 0.5, 0.1, duration=60.0, record=snn.Trace("v")
    )
    expected = run().ys
    with jax.enable_x64(False):
        got = run().ys
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, expected, atol=2e-4)


# McKean


def test_mckean_oscillates_between_its_knees():
    counts = {
        i: int(snn.simulate(McKean(), i, 0.1, duration=3000.0).ys[5000:].sum())
        for i in (0.05, 0.5, 1.2)
    }
    assert counts[0.05] == 0  # rest on the left branch
    assert counts[0.5] > 5
    assert counts[1.2] == 0  # rest on the right branch
    rest = snn.simulate(McKean(), 0.05, 0.1, duration=3000.0).final
    np.testing.assert_allclose(rest.v, 0.05 / (1 + 1 / 0.5), rtol=1e-9)


def test_mckean_threshold_is_a():
    """A kick of v alone is answered by a spike where it lands beyond the middle zero."""
    for kick, fires in ((0.2, 0), (0.3, 1)):
        neuron = McKean(eps=1e-3)
        state = neuron.init()._replace(v=jnp.asarray(kick))
        sol = snn.simulate(neuron, 0.0, 0.1, duration=100.0, state=snn.RunState(state))
        assert sol.ys.sum() == fires


# Integrate-and-fire


def test_intrinsic_bursting_against_located_spikes():
    expected = located(5.0, 400.0, **BURST)
    times = spike_times(PiecewiseLinearIF(), 5.0, 0.001, 400.0)
    assert set(bursts(expected)) == {5}
    assert bursts(times) == bursts(expected)
    assert len(times) == len(expected)
    assert np.abs(times - expected).max() < 0.1


@pytest.mark.parametrize("dt", [0.01, 0.05, 0.1])
def test_between_spikes_dt_does_not_matter(dt):
    neuron = PiecewiseLinearIF()
    first = located(5.0, 30.0, **BURST)[0]
    assert first <= spike_times(neuron, 5.0, dt, 30.0)[0] <= first + dt + 1e-9


def test_bursts_grow_spike_by_spike_with_the_reset():
    """The bifurcation diagram: period adding, against located spikes at some resets."""
    v_reset = jnp.arange(-10.0, 46.0, 2.5)
    current = jnp.full((40_000, len(v_reset)), 5.0)
    spikes = np.asarray(snn.simulate(PiecewiseLinearIF(v_reset=v_reset), current, 0.02).ys)
    sizes = []
    for s in spikes.T:
        times = (np.flatnonzero(s) + 1) * 0.02
        sizes.append(int(np.median(bursts(times[times > 100], gap=15.0))))
    assert sizes[0] == 1 and sizes[-1] == 11
    assert set(np.diff(sizes)) == {0, 1}
    for k in (2, 10, 18):
        times = located(5.0, 600.0, **{**BURST, "v_reset": float(v_reset[k])})
        assert np.median(bursts(times[times > 100], gap=15.0)) == sizes[k]


def test_forced_bursting():
    """No bursts under constant current, one a cycle under a slow sine, as located ones."""
    forced = dict(a=1 / 75, b=1.2, d=1.0, left=-0.35, v_reset=-10.0)
    neuron = PiecewiseLinearIF.forced()
    for current in (2.0, 5.0, 10.0):
        isi = np.diff(spike_times(neuron, current, 0.05, 1000.0))[10:]
        assert np.ptp(isi) < 0.02 * isi.mean()
    omega = 2 * np.pi / 400
    drive = lambda i, dt: -2 + 8 * jnp.sin(omega * (i + 0.5) * dt)
    times = spike_times(neuron, drive, 0.01, 2000.0)
    expected = located(lambda t: -2 + 8 * np.sin(omega * t), 2000.0, **forced)
    assert bursts(times, gap=100.0) == bursts(expected, gap=100.0) == [12] * 4
    assert np.abs(times - expected[: len(times)]).max() < 2.0


# Both


def test_mckean_gradients_through_crossings():
    def v_end(a, eps, gamma, current):
        neuron = McKean(a, eps, gamma)
        return snn.simulate(neuron, jnp.full(40, current), 0.5, throw=False).final.v

    args = (0.25, 0.01, 0.5, 0.8)
    value, gradient = jax.jit(v_end), jax.jit(jax.grad(v_end, (0, 1, 2, 3)))(*args)
    for k, g in enumerate(gradient):
        up, down = (value(*args[:k], args[k] + h, *args[k + 1 :]) for h in (1e-6, -1e-6))
        np.testing.assert_allclose(g, (up - down) / 2e-6, rtol=1e-5, atol=1e-8)


def test_gradients_through_spikes_are_finite_in_float32():
    with jax.enable_x64(False):

        def rate(a, d, slope_left, current):
            neuron = PiecewiseLinearIF(a, d=d, slope_left=slope_left)
            return snn.simulate(neuron, jnp.full(400, current), 0.05, throw=False).ys.mean()

        args = [jnp.asarray(x) for x in (1 / 75, 4.0, -0.35, 5.0)]
        value, gradients = jax.jit(jax.value_and_grad(rate, (0, 1, 2, 3)))(*args)
        assert value > 0 and np.isfinite(gradients).all()
        assert gradients[0] != 0 and gradients[1] != 0 and gradients[3] != 0


@pytest.mark.parametrize("model", [McKean, PiecewiseLinearIF])
def test_population_equals_its_neurons_run_alone_and_exports(model, key):
    scale = 1.0 if model is McKean else 8.0
    current = scale * (0.5 + 0.3 * jax.random.normal(key, (400, 3)))
    first = jnp.array([0.2, 0.3, 0.4]) if model is McKean else jnp.array([0.01, 0.02, 0.03])
    f = lambda x, i: snn.simulate(model(x), i, 0.3, throw=False).ys
    together = f(first, current)
    assert together.sum() > 1
    np.testing.assert_array_equal(together, jax.vmap(f, (0, 1), 1)(first, current))
    exported = jax.export.export(jax.jit(f), platforms=("cpu", "cuda", "tpu"))(
        first, current
    )
    np.testing.assert_array_equal(exported.call(first, current), together)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"McKean.a must be above 0"):
        McKean(a=0.0)
    with pytest.raises(ValueError, match=r"PiecewiseLinearIF.a must be above 0 1/ms"):
        PiecewiseLinearIF(a=-0.1)
