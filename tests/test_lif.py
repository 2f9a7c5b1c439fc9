"""Leaky integrate-and-fire neuron: the tutorial's loop, theory, refractoriness, gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn


def tutorial_loop(current, dt=0.1):
    """The loop of the Neuromatch Academy tutorial: (v at each time, spike times in steps)."""
    v_th, v_reset, tau_m, g_l, e_l, tref = -55.0, -75.0, 10.0, 10.0, -75.0, 2.0
    v, spikes, tr = np.full(len(current), -75.0), [], 0.0
    for i in range(len(current) - 1):
        if tr > 0:
            v[i] = v_reset
            tr = tr - 1
        elif v[i] >= v_th:
            spikes.append(i)
            v[i] = v_reset
            tr = tref / dt
        v[i + 1] = v[i] + (-(v[i] - e_l) + current[i] / g_l) * (dt / tau_m)
    # The loop writes a clamp one step late, so that its last value is not final.
    return v[:-1], np.array(spikes)


def closed_form_rate(
    current, t_ref=2.0, tau=10.0, g_l=10.0, e_l=-75.0, v_r=-75.0, level=-55.0
):
    goal = e_l + current / g_l
    return 1e3 / (t_ref + tau * np.log((goal - v_r) / (goal - level)))


def spike_steps(sol):
    return np.flatnonzero(np.asarray(sol.ys))


class TestTutorial:
    def current(self, n, shape=()):
        return 260.0 + 900.0 * np.random.default_rng(1).standard_normal((n, *shape))

    def test_the_loop_bit_for_bit_step_by_step(self):
        # Another order of operations changes the last bit only now and then.
        current = self.current(300, (400,))
        loops = [tutorial_loop(x) for x in current.T]
        lif = snn.LIF(integrator=snn.TutorialEuler())
        state, v, spikes = lif.init((400,)), [], []
        for x in current[:-2]:
            state, s = lif.step(state, jnp.asarray(x), 0.1)
            v.append(state.v)
            spikes.append(s)
        np.testing.assert_array_equal(np.array(v).T, [loop[0][1:] for loop in loops])
        steps, index = np.nonzero(spikes)
        for k, (_, expected) in enumerate(loops):
            np.testing.assert_array_equal(steps[index == k] + 1, expected)
        assert len(steps) > 400

    def test_the_loop_compiled_to_rounding(self):
        current = self.current(8000)
        loop, spikes = tutorial_loop(current)
        lif = snn.LIF(integrator=snn.TutorialEuler())
        record = {"v": snn.Trace("v"), "s": snn.Trace()}
        sol = snn.simulate(lif, current[:-2], 0.1, record=record)
        np.testing.assert_allclose(sol.ys["v"], loop[1:], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(np.flatnonzero(sol.ys["s"]) + 1, spikes)

    def test_its_counts(self):
        # At 200 pA, v ends within rounding of the threshold: nothing to test there.
        currents = np.array([100.0, 250.0, 300.0, 400.0, 500.0])
        lif = snn.LIF(integrator=snn.TutorialEuler())
        sol = snn.simulate(
            lif, constant(currents), 0.1, duration=400.0, record=snn.SpikeCount()
        )
        np.testing.assert_array_equal(sol.ys, [0, 22, 30, 45, 56])
        np.testing.assert_array_equal(
            sol.ys, [len(tutorial_loop(np.full(4001, x))[1]) for x in currents]
        )

    def test_a_pulse_below_rheobase_stays_silent(self):
        pulse = np.zeros(4000)
        pulse[1000:3000] = 100.0  # 200 ms
        sol = snn.simulate(snn.LIF(), pulse, 0.1, record=snn.Maximum("v"))
        assert sol.ys == pytest.approx(-65.0, abs=1e-6)


def constant(values):
    return lambda i, dt: jnp.asarray(values)


class TestTheory:
    @pytest.mark.parametrize("dt", [0.01, 0.1, 1.0])
    def test_subthreshold_response_is_exact_for_any_dt(self, dt):
        current = np.full(int(50 / dt), 120.0)  # settles at -63 mV
        sol = snn.simulate(snn.LIF(), current, dt, record=snn.Trace("v"))
        expected = -75.0 + 12.0 * (1 - np.exp(-sol.ts / 10.0))
        np.testing.assert_allclose(sol.ys, expected, rtol=1e-12)

    @pytest.mark.parametrize("t_ref", [None, 0.0, 2.0, 5.0])
    def test_interspike_interval_matches_theory_to_one_step(self, t_ref):
        dt = 0.01
        spikes = spike_steps(snn.simulate(snn.LIF(t_ref=t_ref), np.full(20_000, 240.0), dt))
        isi = np.diff(spikes) * dt
        theory = 1e3 / closed_form_rate(240.0, t_ref or 0.0)
        assert len(isi) > 5
        assert np.all((isi > theory - 1e-9) & (isi < theory + dt))

    def test_f_i_curve(self):
        currents = np.array([201.0, 250.0, 300.0, 500.0])
        np.testing.assert_allclose(
            closed_form_rate(currents), [18.2, 55.3, 77.0, 140.7], atol=0.05
        )
        dt = 0.005
        record = {"first": snn.FirstSpike(), "last": snn.LastSpike(), "n": snn.SpikeCount()}
        drive = constant(currents)
        ys = snn.simulate(snn.LIF(), drive, dt, duration=500.0, record=record).ys
        period = (ys["last"] - ys["first"]) / (ys["n"] - 1)
        # A spike is seen at the end of its step, so a period is up to one step too long.
        late = np.asarray(period) - 1e3 / closed_form_rate(currents)
        assert np.all((late > -1e-9) & (late < dt))

    def test_rheobase(self):
        ys = snn.simulate(
            snn.LIF(),
            constant([199.99, 200.01]),
            0.1,
            duration=200.0,
            record=snn.SpikeCount(),
        ).ys
        np.testing.assert_array_equal(ys > 0, [False, True])

    def test_the_rate_stays_below_that_of_the_refractory_time(self):
        ys = snn.simulate(snn.LIF(), 1e6, 0.1, duration=1000.0, record=snn.SpikeCount()).ys
        # Each period is the 2 ms of waiting and one step to cross.
        assert ys == int(1000 / 2.1) + 1
        assert closed_form_rate(1e6) == pytest.approx(500.0, rel=1e-3)

    @pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
    def test_v_is_held_for_exactly_the_refractory_time(self, dtype):
        lif = jax.tree.map(lambda x: x.astype(dtype), snn.LIF(t_ref=5.0, v_reset=-70.0))
        v = snn.simulate(lif, 300.0, 0.1, n_steps=600, record=snn.Trace("v")).ys
        held = np.asarray(v) == -70.0
        runs = np.diff(np.flatnonzero(np.diff(np.r_[0, held, 0])))[::2]
        # The step of the spike, and 50 of waiting.
        assert len(runs) > 2 and set(runs) == {51}

    def test_reset_and_leak_may_differ(self):
        lif = snn.LIF(v_reset=-60.0, t_ref=None)
        isi = np.diff(spike_steps(snn.simulate(lif, np.full(20_000, 240.0), 0.01))) * 0.01
        theory = 1e3 / closed_form_rate(240.0, 0.0, v_r=-60.0)
        assert np.all(np.abs(isi - theory) < 0.0101)


MS, NEURONS = 4000.0, 200  # of the noisy population


@pytest.fixture(scope="module")
def intervals():
    """Interspike intervals (ms) of each of four (mu, sigma), in pA and pA sqrt(s)."""
    mu, sigma = np.array([[200.0, 2.5], [150.0, 5.0], [300.0, 1.0], [150.0, 0.0]]).T
    shape, key = (4, NEURONS), jax.random.key(0)

    def white(i, dt):
        xi = jax.random.normal(jax.random.fold_in(key, i), shape)
        return mu[:, None] + sigma[:, None] * xi / jnp.sqrt(dt / 1000)

    lif = snn.LIF(integrator=snn.TutorialEuler())
    record = snn.SpikeRaster(150_000)
    t, i = snn.simulate(lif, white, 0.1, duration=MS, record=record).ys.trimmed()
    order = np.lexsort((t, i))
    isi, same = np.diff(t[order]), np.diff(i[order]) == 0
    case = i[order][1:] // NEURONS
    return [isi[same & (case == k)] for k in range(4)]


class TestNoise:
    """The tutorial's noise, I = mu + sigma randn / sqrt(dt / 1000 ms)."""

    # From a NumPy loop of 1000 neurons for 20 s, with other draws.
    @pytest.mark.parametrize(
        ("case", "rate", "cv"), [(0, 29.79, 0.3487), (1, 14.66, 0.6982), (2, 76.94, 0.0512)]
    )
    def test_rate_and_cv(self, intervals, case, rate, cv):
        isi = intervals[case]
        # 99.9 % of means lie within 3.3 standard errors, CV / sqrt(n), and the CV's own error
        # is about as large. Of intervals cut off by the end of the run the long ones are
        # missing, in proportion to ISI / T.
        error = 3.3 * cv / np.sqrt(len(isi)) + np.mean(isi) / MS
        assert 1e3 / np.mean(isi) == pytest.approx(rate, rel=error)
        own = 3.3 / np.sqrt(len(isi))
        assert np.std(isi) / np.mean(isi) == pytest.approx(cv, rel=own + np.mean(isi) / MS)

    def test_below_rheobase_only_noise_makes_it_fire(self, intervals):
        assert len(intervals[3]) == 0 < len(intervals[1])


class TestPopulation:
    def test_it_equals_its_neurons_alone(self, key):
        tau_m = jnp.linspace(5.0, 30.0, 7)
        current = 250.0 + 1000.0 * jax.random.normal(key, (300, 7))
        together = snn.simulate(snn.LIF(tau_m=tau_m), current, 0.1).ys
        for k in (0, 3, 6):
            alone = snn.simulate(snn.LIF(tau_m=tau_m[k]), current[:, k], 0.1).ys
            np.testing.assert_array_equal(together[:, k], alone)
        assert together.sum() > 7

    def test_every_parameter_may_differ_from_neuron_to_neuron(self):
        levels = jnp.array([-60.0, -57.0, -55.0])
        lif = snn.LIF(
            tau_m=jnp.array([8.0, 10.0, 12.0]),
            g_l=jnp.array([9.0, 10.0, 11.0]),
            e_l=jnp.array([-76.0, -75.0, -74.0]),
            v_reset=jnp.array([-70.0, -75.0, -80.0]),
            t_ref=jnp.array([0.0, 2.0, 4.0]),
            threshold=snn.Threshold(levels),
        )
        dt = 0.01
        spikes = np.asarray(snn.simulate(lif, 300.0, dt, duration=300.0).ys)
        for k in range(3):
            isi = np.diff(np.flatnonzero(spikes[:, k])) * dt
            own = [
                float(x[k]) for x in (lif.t_ref, lif.tau_m, lif.g_l, lif.e_l, lif.v_reset)
            ]
            theory = 1e3 / closed_form_rate(300.0, *own, float(levels[k]))
            assert np.all((isi > theory - 1e-9) & (isi < theory + dt))

    def test_shapes_that_do_not_fit_are_refused_by_name(self):
        with pytest.raises(ValueError, match=r"LIF\.tau_m of shape \(3,\) does not fit"):
            snn.simulate(snn.LIF(tau_m=jnp.ones(3)), np.ones((5, 4)), 0.1)

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (dict(tau_m=0.0), r"LIF\.tau_m must be above 0 ms"),
            (dict(g_l=-1.0), r"LIF\.g_l must be above 0 nS"),
            (dict(t_ref=-1.0), r"LIF\.t_ref must be at least 0 ms"),
            (dict(e_l=np.nan), r"LIF\.e_l must be finite in mV"),
            (dict(reset_mode="hard"), "reset_mode must be 'value', 'subtract' or 'none'"),
            (dict(tau=1.0), "has no parameter 'tau'"),
        ],
    )
    def test_bad_parameters_are_refused(self, bad, message):
        with pytest.raises(ValueError, match=message):
            snn.LIF(**bad)


class TestReset:
    def after_one_spike(self, **kwargs):
        lif = snn.LIF(tau_m=10.0, **kwargs)
        state = lif.init()._replace(v=jnp.asarray(-50.0))
        return lif.step(state, 250.0, 1.0)  # driven to -50 mV, so that v stays there

    @pytest.mark.parametrize(
        ("mode", "v"), [("value", -75.0), ("subtract", -70.0), ("none", -50.0)]
    )
    def test_where_it_puts_v(self, mode, v):
        state, spike = self.after_one_spike(reset_mode=mode)
        assert spike == 1 and state.v == pytest.approx(v, abs=1e-12)
        assert state.refractory == 2.0

    def test_subtraction_keeps_the_overshoot(self):
        # Driven far above threshold, the mean rate is then near that of v without reset.
        count = lambda mode: (
            snn.simulate(
                snn.LIF(t_ref=None, reset_mode=mode),
                2000.0,
                1.0,
                n_steps=200,
                record=snn.SpikeCount(),
            ).ys
        )
        assert count("subtract") > count("value")


class TestGradients:
    def test_below_threshold_against_the_closed_form(self):
        v_end = lambda tau_m, i: (
            snn.simulate(snn.LIF(tau_m=tau_m), i, 0.1, n_steps=200).final.v
        )
        d_tau, d_i = jax.grad(v_end, (0, 1))(10.0, 120.0)
        assert d_i == pytest.approx((1 - np.exp(-2.0)) / 10.0, rel=1e-12)
        assert d_tau == pytest.approx(-12.0 * np.exp(-2.0) * 20.0 / 100.0, rel=1e-12)

    @pytest.mark.parametrize("mode", ["value", "subtract", "none"])
    @pytest.mark.parametrize("t_ref", [None, 1.0])
    def test_of_the_relaxed_neuron_against_finite_differences(self, mode, t_ref):
        def mean_spikes(tau_m, level):
            surrogate = snn.SuperSpike(normalize="area")
            lif = snn.LIF(
                tau_m=tau_m,
                threshold=snn.Threshold(level, surrogate),
                reset_mode=mode,
                detach_reset=False,
                t_ref=t_ref,
            )
            return snn.simulate(snn.relax(lif), 260.0, 0.5, n_steps=60).ys.mean()

        x = (10.0, -55.0)
        grads = jax.grad(mean_spikes, (0, 1))(*x)
        for k, h in enumerate((1e-5, 1e-5)):
            up, down = ([y + s * h * (j == k) for j, y in enumerate(x)] for s in (1, -1))
            difference = (mean_spikes(*up) - mean_spikes(*down)) / (2 * h)
            assert float(grads[k]) == pytest.approx(float(difference), rel=1e-6)
            assert abs(grads[k]) > 1e-4

    def test_a_detached_reset_is_held_constant(self):
        @functools.partial(jax.jit, static_argnums=1)
        def v_after(current, detach):
            lif = snn.LIF(reset_mode="subtract", detach_reset=detach)
            return lif.step(lif.init()._replace(v=jnp.asarray(-54.0)), current, 0.1)[0].v

        through_v = (1 - np.exp(-0.01)) / 10.0
        assert jax.grad(v_after)(250.0, True) == pytest.approx(through_v, rel=1e-12)
        v = -50.0 - 4.0 * np.exp(-0.01)
        slope = 1 / (1 + (v + 55.0)) ** 2
        attached = through_v * (1 - 20.0 * slope)  # 20 mV taken off, times the surrogate
        assert jax.grad(v_after)(250.0, False) == pytest.approx(attached, rel=1e-12)

    def test_surrogate_value(self):
        threshold = snn.Threshold(-55.0, snn.SuperSpike(beta=2.0))
        assert jax.grad(threshold)(-56.5) == pytest.approx(1 / (1 + 2.0 * 1.5) ** 2)
        spike = lambda v: snn.LIF().step(snn.LIF().init()._replace(v=v), 0.0, 0.1)[1]
        v = -75.0 + 18.5 * np.exp(-0.01)
        expected = np.exp(-0.01) / (1 + (-55.0 - v)) ** 2
        assert jax.grad(spike)(jnp.asarray(-56.5)) == pytest.approx(expected, rel=1e-12)
