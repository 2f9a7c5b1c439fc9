"""Perfect, synaptic, adaptive and generalised integrate-and-fire; McCulloch-Pitts."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy

import snnjax as snn


def times(sol):
    return np.asarray(sol.ts)[np.asarray(sol.ys) > 0]


def brute_force(f, y, jump, current, dt, substeps=1):
    """Euler in NumPy with `substeps` a step: spike times, ms. `jump(y)` is None if silent."""
    spikes, h = [], dt / substeps
    for i, x in enumerate(current):
        for _ in range(substeps):
            y = y + h * f(y, x)
        after = jump(y)
        if after is not None:
            spikes.append((i + 1) * dt)
            y = after
    return np.array(spikes)


def end_of(f, y0, t):
    """y at time t (ms) of dy/dt = f(y), to 1e-12."""
    y0 = np.atleast_1d(np.asarray(y0, float))
    sol = scipy.integrate.solve_ivp(
        lambda t, y: f(y), (0, t), y0, method="DOP853", rtol=1e-12, atol=1e-12
    )
    return sol.y[:, -1]


SILENT = snn.Threshold(0.0)  # mV, above all that the tests of single steps reach


class TestPerfectIF:
    @pytest.mark.parametrize("dt", [0.1, 1.0, 7.0])
    def test_subtraction_counts_charge_at_any_dt(self, dt):
        current = np.random.default_rng(0).uniform(0, 200, 400)
        neuron = snn.PerfectIF(reset_mode="subtract")
        n = np.cumsum(snn.simulate(neuron, current, dt).ys)
        charge = np.cumsum(current) * dt / 100.0 / 20.0  # in spikes of 20 mV x 100 pF
        if dt * 200 / 100 < 20:  # at most one spike a step
            np.testing.assert_array_equal(n, np.floor(charge))

    def test_rate(self):
        neuron = snn.PerfectIF(c_m=jnp.array([50.0, 100.0]), t_ref=2.0)
        spikes = np.asarray(snn.simulate(neuron, 130.0, 0.01, duration=500.0).ys)
        for k, c_m in enumerate((50.0, 100.0)):
            isi = np.diff(np.flatnonzero(spikes[:, k])) * 0.01
            theory = 2.0 + c_m * 20.0 / 130.0
            assert np.all((isi > theory - 1e-9) & (isi < theory + 0.01))

    def test_it_forgets_nothing(self):
        current = np.zeros(1000)
        current[0] = 1990.0  # 1.99 mV
        sol = snn.simulate(snn.PerfectIF(), current, 0.1, record=snn.Trace("v"))
        np.testing.assert_allclose(sol.ys, -75.0 + 1.99, rtol=1e-14)


class TestCubaLIF:
    def psp(self, s, tau_m, tau_s, weight, g_l=10.0):
        if tau_m == tau_s:
            return weight / g_l * s / tau_m * np.exp(-s / tau_m)
        difference = np.exp(-s / tau_m) - np.exp(-s / tau_s)
        return weight / g_l * tau_s / (tau_m - tau_s) * difference

    @pytest.mark.parametrize("tau_s", [0.5, 3.0, 9.99999, 10.0, 10.00001, 25.0])
    @pytest.mark.parametrize("dt", [0.1, 1.0, 4.0])
    def test_psp_is_its_closed_form_at_any_dt(self, tau_s, dt):
        arriving = np.zeros(20)
        arriving[0] = 50.0
        neuron = snn.CubaLIF(tau_syn=tau_s)
        sol = snn.simulate(neuron, arriving, dt, record=snn.Trace("v", "i_syn"))
        # The closed form itself cancels to 1e-10 where the time constants are close.
        near = 1e-8 if 0 < abs(tau_s - 10.0) < 1e-3 else 1e-12
        expected = -75.0 + self.psp(sol.ts, 10.0, tau_s, 50.0)
        np.testing.assert_allclose(sol.ys["v"], expected, rtol=0, atol=near)
        np.testing.assert_allclose(sol.ys["i_syn"], 50.0 * np.exp(-sol.ts / tau_s))

    def test_time_of_the_peak(self):
        dt, arriving = 0.001, np.zeros(8000)
        arriving[0] = 50.0
        sol = snn.simulate(snn.CubaLIF(), arriving, dt, record=snn.Trace("v"))
        assert sol.ts[np.argmax(sol.ys)] == pytest.approx(5.160, abs=0.001)

    def test_temporal_and_spatial_summation(self):
        weight, together = 30.0, [1, 2, 3, 4, 5, 6]
        runs = []
        for n in together:  # spikes at once, or 1 ms apart
            at_once, train = np.zeros(600), np.zeros(600)
            at_once[0], train[: 10 * n : 10] = n * weight, weight
            runs.append((at_once, train))
        inputs = np.moveaxis(np.array(runs), 2, 0)  # (time, n, kind)
        neuron = snn.CubaLIF(threshold=SILENT)
        peak = snn.simulate(neuron, inputs, 0.1, record=snn.Maximum("v")).ys + 75.0
        np.testing.assert_allclose(peak[:, 0], peak[0, 0] * np.array(together), rtol=1e-12)
        assert np.all(np.diff(peak[:, 1]) > 0) and np.all(peak[1:, 1] < peak[1:, 0])

    def test_gradients_at_equal_time_constants(self):
        def v_end(tau_syn, tau_m):
            neuron = snn.CubaLIF(tau_m=tau_m, tau_syn=tau_syn)
            arriving = jnp.zeros(10).at[0].set(50.0)
            return snn.simulate(neuron, arriving, 1.0).final.v

        grads = jax.jit(jax.grad(v_end, (0, 1)))(10.0, 10.0)
        h = 1e-4
        for k, e in enumerate(h * np.eye(2)):
            up, down = (v_end(*(np.array([10.0, 10.0]) + s * e)) for s in (1, -1))
            assert float(grads[k]) == pytest.approx(float(up - down) / (2 * h), rel=1e-7)

    def test_two_currents_and_a_bias_against_a_reference_solver(self):
        neuron = snn.CubaLIF(tau_syn=5.0, tau_inh=8.0, bias=20.0, threshold=SILENT)
        exc, inh = np.zeros((2, 30))
        exc[[0, 10]], inh[5] = 40.0, -90.0
        final = snn.simulate(neuron, (exc, inh), 0.7).final
        y = np.array([-75.0, 0.0, 0.0])
        f = lambda y: np.array(
            [(-(y[0] + 75) + (y[1] + y[2] + 20.0) / 10) / 10, -y[1] / 5, -y[2] / 8]
        )
        for start, stop in ((0, 5), (5, 10), (10, 30)):
            y = end_of(f, y + np.array([0, exc[start], inh[start]]), 0.7 * (stop - start))
        np.testing.assert_allclose([final.v, final.i_syn, final.i_inh], y, rtol=1e-9)

    def test_currents_go_on_while_v_is_held(self):
        neuron = snn.CubaLIF()
        state = neuron.init()._replace(
            i_syn=jnp.asarray(100.0), refractory=jnp.asarray(2.0), v=jnp.asarray(-70.0)
        )
        after, spike = neuron.step(state, 0.0, 0.5)
        assert after.v == -70.0 and spike == 0
        assert after.i_syn == pytest.approx(100.0 * np.exp(-0.5 / 3.0), rel=1e-14)

    def test_the_benchmark_neuron_fires_by_itself(self):
        neuron = snn.CubaLIF.vogels_abbott()
        spikes = times(snn.simulate(neuron, (0.0, 0.0), 0.01, duration=700.0))
        theory = 5.0 + 20.0 * np.log(11.0 / 1.0)  # from -60 towards -49 mV, threshold -50
        assert np.all(np.abs(np.diff(spikes) - theory) < 0.0101) and len(spikes) > 5


class TestAdaptiveLIF:
    def test_against_a_brute_force_run(self):
        neuron = snn.AdaptiveLIF(t_ref=None)
        current, dt = 300.0 + 100.0 * np.sin(np.arange(3000) / 150.0), 0.1
        spikes = times(snn.simulate(neuron, current, dt))
        f = lambda y, x: np.array([(-(y[0] + 75) + x / 10) / 10, -y[1] / 100])
        jump = lambda y: np.array([-75.0, y[1] + 2.0]) if y[0] >= -55 + y[1] else None
        expected = brute_force(f, np.array([-75.0, 0.0]), jump, current, dt, substeps=100)
        np.testing.assert_allclose(spikes, expected, atol=1e-9)
        assert len(spikes) > 10

    def test_the_threshold_is_exact_for_any_dt(self):
        neuron = snn.AdaptiveLIF()
        state = neuron.init()._replace(theta=jnp.asarray(7.0))
        for dt in (0.1, 30.0):
            after, _ = neuron.step(state, 0.0, dt)
            assert after.theta == pytest.approx(7.0 * np.exp(-dt / 100.0), rel=1e-14)

    def test_intervals_grow_to_a_steady_state(self):
        isi = np.diff(times(snn.simulate(snn.AdaptiveLIF(), 400.0, 0.01, duration=2000.0)))
        assert np.all(np.diff(isi[:5]) > 0) and isi[-1] > 1.5 * isi[0]
        # At the steady state theta gains at a spike what it loses in an interval T, and v
        # climbs from reset to the threshold so raised in T less 2 ms.
        period = isi[-10:].mean()
        theta = 2.0 / (np.exp(period / 100.0) - 1)
        climb = 10.0 * np.log(40.0 / (40.0 - 20.0 - theta))
        assert period == pytest.approx(2.0 + climb, abs=0.02)

    def test_relative_refractoriness(self):
        neuron = snn.AdaptiveLIF.relative_refractory()
        # A spike at once, then a pulse of one step of 0.1 ms at each of these delays, in ms.
        delays, sizes = (
            np.array([1.0, 3.0, 6.0, 12.0, 40.0]),
            np.linspace(20, 40, 201),
        )  # mV
        k = np.round(delays / 0.1).astype(int)
        per_mv = 10.0 / (1 - np.exp(-0.01))  # pA that move v by 1 mV in a step
        current = np.zeros((420, len(sizes), len(delays)))
        current[0] = 25.0 * per_mv
        current[k, :, np.arange(len(delays))] = sizes * per_mv
        n = np.asarray(snn.simulate(neuron, current, 0.1, record=snn.SpikeCount()).ys)
        weakest = np.where((n == 2).any(0), sizes[np.argmax(n == 2, 0)], np.inf)
        assert weakest[0] == np.inf  # within the absolute refractory time
        # Each pulse acts over the step that ends k steps after the end of the spike's.
        raised = 15.0 * np.exp(-(k * 0.1) / 5.0)
        np.testing.assert_allclose(weakest[1:], 20.0 + raised[1:], atol=0.1)

    def test_it_subtracts_what_the_threshold_then_is(self):
        neuron = snn.AdaptiveLIF(reset_mode="subtract", tau_m=1e9, tau_adapt=1e9)
        state = neuron.init()._replace(v=jnp.asarray(-45.0), theta=jnp.asarray(5.0))
        after, _ = neuron.step(state, 0.0, 0.1)
        assert after.v == pytest.approx(-45.0 - 25.0) and after.theta == pytest.approx(7.0)


class TestGeneralisedIF:
    def test_against_a_reference_solver_below_threshold(self):
        neuron = snn.GeneralisedIF(
            a=0.02,
            tau_currents=[5.0, 20.0, 60.0],  # the second is the membrane's own
            jump=[0.0] * 3,
            keep=[1.0] * 3,
            threshold=SILENT,
        )
        start = [-65.0, 3.0, 20.0, -15.0, 8.0]
        state = neuron.init()._replace(
            v=jnp.asarray(start[0]),
            theta=jnp.asarray(start[1]),
            currents=jnp.asarray(start[2:]),
        )
        rates = np.array([5.0, 20.0, 60.0])

        def f(y):
            v, theta, i = y[0], y[1], y[2:]
            slopes = [
                (30.0 + i.sum()) / 100 - 0.05 * (v + 70),
                0.02 * (v + 70) - theta / 100,
            ]
            return np.array([*slopes, *(-i / rates)])

        for dt in (0.1, 3.0, 40.0):
            after, spike = neuron.step(state, 30.0, dt)
            y = end_of(f, start, dt)
            np.testing.assert_allclose(
                [after.v, after.theta, *after.currents], y, rtol=1e-9
            )
            assert spike == 0

    def test_the_step_may_be_cut_anywhere(self):
        neuron = snn.GeneralisedIF(a=0.03, threshold=snn.Threshold(100.0))
        state = neuron.init()._replace(currents=jnp.array([50.0, -30.0]))
        whole, _ = neuron.step(state, 70.0, 13.0)
        half, _ = neuron.step(state, 70.0, 4.0)
        cut, _ = neuron.step(half, 70.0, 9.0)
        for x, y in zip(jax.tree.leaves(whole), jax.tree.leaves(cut), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12)

    @pytest.mark.parametrize("name", snn.MIHALAS_NIEBUR_PATTERNS)
    def test_patterns_against_a_matrix_exponential(self, name):
        dt = 0.1
        p = snn.mihalas_niebur_pattern(name, dt)
        sol = snn.simulate(p.neuron, p.current, dt, state=snn.RunState(p.state))
        a, jumps = float(p.neuron.a), np.asarray(p.neuron.jump)
        # Slopes of (v - e_l, theta - level, I_1, I_2, the input), and their propagator.
        slopes = np.zeros((5, 5))
        slopes[0] = [-0.05, 0, 0.01, 0.01, 0.01]
        slopes[1, :2] = [a, -0.01]
        slopes[[2, 3], [2, 3]] = [-0.2, -0.02]
        propagator = scipy.linalg.expm(slopes * dt)
        y = np.array([p.state.v + 70, p.state.theta + 50, *p.state.currents, 0.0])
        expected = []
        for i, x in enumerate(p.current):
            y[4] = x
            y = propagator @ y
            if y[0] - 70 >= y[1] - 50:
                expected.append((i + 1) * dt)
                y = np.array([0.0, max(-10.0, y[1]), jumps[0], y[3] + jumps[1], x])
        np.testing.assert_allclose(times(sol), expected, rtol=1e-12)
        assert len(expected) > 0

    def spikes(self, name):
        p = snn.mihalas_niebur_pattern(name, 0.05)
        sol = snn.simulate(p.neuron, p.current, 0.05, state=snn.RunState(p.state))
        return times(sol)

    def test_what_each_pattern_shows(self):
        t = {name[0]: self.spikes(name) for name in snn.MIHALAS_NIEBUR_PATTERNS}
        isi = {k: np.diff(x) for k, x in t.items()}
        assert len(t["A"]) == 9 and np.ptp(isi["A"]) < 0.11  # tonic
        assert isi["B"][0] > 200 and np.all(isi["H"] < 60)  # class 1 and class 2
        assert np.all(np.diff(isi["C"]) > 0)  # adaptation
        assert len(t["D"]) == 5 and t["D"][-1] < 250  # phasic
        assert len(t["E"]) == 3 and t["E"][-1] < 100  # accommodation
        assert len(t["F"]) == 1 and 250 < t["F"][0] < 275  # after inhibition only
        assert len(t["G"]) == 1 and t["G"][0] > 806  # rebound
        assert len(t["I"]) == 1 and t["I"][0] < 50  # the close doublet
        assert np.sum(t["J"] < 500) == 14 == len(t["J"])  # silent at 1.7 V/s from 600 ms on
        assert len(t["K"]) == 3 and len(t["L"]) == 13  # while inhibited
        assert np.sum(isi["L"] > 50) == 2  # as three bursts
        assert np.sum(isi["M"] > 50) == 3 and isi["M"].min() < 3  # tonic bursting
        assert len(t["N"]) == 7 and t["N"][-1] < 50  # one burst
        assert len(t["O"]) == 7 and np.all(t["O"] > 600)  # after inhibition
        assert isi["P"][:5].max() < 12 < 20 < isi["P"][10:].min()  # mixed mode
        assert len(t["Q"]) == 1
        assert np.sum((t["R"] > 20) & (t["R"] < 100)) > 10 and t["R"][-1] < 115  # bistable
        assert [np.sum(t["S"] < 400), np.sum(t["S"] >= 400)] == [1, 2]  # 50 ms, not 10
        assert len(t["T"]) == 1 and t["T"][0] > 12  # long after the pulse of 2 ms

    @pytest.mark.parametrize(
        "name", ["m", "tonic bursting", "tonic_bursting", "M tonic bursting"]
    )
    def test_patterns_by_any_of_their_names(self, name):
        assert snn.mihalas_niebur_pattern(name).name == "M tonic bursting"

    def test_a_pattern_that_does_not_exist(self):
        with pytest.raises(ValueError, match="Did you mean 'tonic spiking'"):
            snn.mihalas_niebur_pattern("tonic spikin")

    def test_a_population_with_parameters_of_its_own(self):
        jump = jnp.array([[1000.0, 0.0, 500.0], [-60.0, 0.0, -30.0]])
        a, current = jnp.array([0.005, 0.0, 0.005]), jnp.array([200.0, 150.0, 200.0])
        drive = lambda i, dt: current
        neuron = snn.GeneralisedIF(a=a, jump=jump)
        assert neuron.init((3,)).currents.shape == (2, 3)
        together = snn.simulate(
            neuron, drive, 0.1, n_steps=2000, record=snn.SpikeCount()
        ).ys
        for k in range(3):
            one = snn.GeneralisedIF(a=a[k], jump=jump[:, k])
            alone = snn.simulate(
                one, current[k], 0.1, n_steps=2000, record=snn.SpikeCount()
            ).ys
            assert together[k] == alone > 5

    def test_currents_of_different_number_are_refused(self):
        with pytest.raises(ValueError, match="one value a current each"):
            snn.GeneralisedIF(jump=[0.0, 1.0, 2.0])
        with pytest.raises(ValueError, match=r"GeneralisedIF\.jump of shape \(2, 3\)"):
            snn.GeneralisedIF(jump=np.zeros((2, 3))).init((4,))

    def test_the_threshold_follows_the_held_v_while_refractory(self):
        neuron = snn.GeneralisedIF(a=0.01, t_ref=5.0)
        state = neuron.init()._replace(
            v=jnp.asarray(-60.0), theta=jnp.asarray(-45.0), refractory=jnp.asarray(5.0)
        )
        after, _ = neuron.step(state, 1000.0, 4.0)
        (y,) = end_of(lambda y: 0.01 * 10.0 - (y + 50) / 100, -45.0, 4.0)
        assert after.v == -60.0
        assert float(after.theta) == pytest.approx(float(y), rel=1e-10)


class TestMcCullochPitts:
    INPUTS = np.array(list(itertools.product([0.0, 1.0], repeat=2)))

    @pytest.mark.parametrize(
        ("gate", "expected"),
        [
            (snn.McCullochPitts.logic_and, [0, 0, 0, 1]),
            (snn.McCullochPitts.logic_or, [0, 1, 1, 1]),
        ],
    )
    def test_gates(self, gate, expected):
        np.testing.assert_array_equal(snn.simulate(gate(), self.INPUTS, 1.0).ys, expected)

    def test_not(self):
        sol = snn.simulate(snn.McCullochPitts.logic_not(), np.array([[0.0], [1.0]]), 1.0)
        np.testing.assert_array_equal(sol.ys, [1, 0])

    def test_exclusive_or_needs_two_layers(self):
        hidden = snn.McCullochPitts(jnp.ones((2, 2)), snn.Threshold(jnp.array([1.0, 2.0])))
        output = snn.McCullochPitts(jnp.array([1.0, -1.0]), snn.Threshold(1.0))
        y = output.step((), hidden.step((), self.INPUTS, 1.0)[1], 1.0)[1]
        np.testing.assert_array_equal(y, [0, 1, 1, 0])

    def test_a_sequence_at_once_equals_its_steps(self, key):
        neuron = snn.McCullochPitts(jax.random.normal(key, (5, 3)), snn.Threshold(0.2))
        x = jax.random.normal(key, (40, 5))
        _, at_once = neuron.unroll((), x, 1.0)
        np.testing.assert_array_equal(at_once, snn.simulate(neuron, x, 1.0).ys)
        assert 0 < at_once.mean() < 1

    def test_its_gradient_is_the_surrogate_times_the_input(self):
        out = lambda w: snn.McCullochPitts(w).step((), jnp.array([1.0, 2.0]), 1.0)[1]
        slope = 1 / (1 + abs(0.5 * 1 + 1.0 * 2 - 1)) ** 2
        np.testing.assert_allclose(
            jax.grad(out)(jnp.array([0.5, 1.0])), slope * np.array([1, 2])
        )

    @pytest.mark.parametrize("weights", [1.0, np.ones((2, 2, 2))])
    def test_weights_of_a_wrong_shape_are_refused(self, weights):
        with pytest.raises(ValueError, match=r"McCullochPitts\.weights must have shape"):
            snn.McCullochPitts(weights)

    def test_the_rate_of_a_lif_has_the_shape_of_relu(self):
        current = np.linspace(0.0, 2000.0, 201)
        lif = snn.LIF(t_ref=None)
        rate = (
            np.asarray(
                snn.simulate(
                    lif,
                    lambda i, dt: jnp.asarray(current),
                    0.01,
                    duration=400.0,
                    record=snn.SpikeCount(),
                ).ys
            )
            / 0.4
        )
        assert np.all(rate[current <= 199] == 0)  # silent up to the rheobase
        assert np.all(np.diff(rate) >= 0) and rate[-1] > 800
        # Far above it, a straight line whose slope is 1 / (charge of 20 mV) = 0.5 Hz / pA.
        slope = np.polyfit(current[150:], rate[150:], 1)[0]
        assert slope == pytest.approx(1e3 / (10.0 * 10.0 * 20.0), rel=0.05)
