"""Escape noise: the hazard, its statistics, its gradient, and its draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

DT = 0.1


def held(v, **kwargs):
    """A neuron whose v stays at `v`, so that its spikes are a Poisson process."""
    free = dict(e_l=v, reset_mode="none", t_ref=None)
    return snn.EscapeLIF(**{**free, **kwargs})


class TestHazard:
    def test_closed_form(self):
        neuron = snn.EscapeLIF(rho_0=0.5, delta=3.0)
        state = neuron.rest()._replace(v=jnp.asarray(-58.0))
        assert neuron.hazard(state) == pytest.approx(0.5 * np.exp(-1.0), rel=1e-14)
        chance = 1 - np.exp(-0.5 * np.exp(-1.0) * 0.2)
        assert neuron.chance(state, 0.2) == pytest.approx(chance, rel=1e-14)

    @pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
    @pytest.mark.parametrize("v", [-1e4, -75.0, 0.0, 1e4])
    def test_far_from_threshold_all_is_finite(self, v, dtype):
        neuron = jax.tree.map(lambda x: x.astype(dtype), snn.EscapeLIF(delta=0.5))
        chance = lambda v: neuron.chance(
            neuron.rest()._replace(v=v), jnp.asarray(DT, dtype)
        )
        p, slope = jax.value_and_grad(chance)(jnp.asarray(v, dtype))
        assert p.dtype == dtype and jnp.isfinite(slope)
        assert (p > 0.999) if v > -55 else (p < 1e-7)


class TestStatistics:
    @pytest.mark.parametrize("dt", [0.1, 2.0])
    def test_at_a_held_v_the_rate_is_that_of_any_dt(self, dt, key):
        # Neuron-steps with a spike are binomial; 3.3 standard errors hold 99.9 % of means.
        n_steps, n = int(500 / dt), 200
        sol = snn.simulate(
            held(-57.0),
            0.0,
            dt,
            n_steps=n_steps,
            shape=(n,),
            key=key,
            record=snn.SpikeCount(),
        )
        p = 1 - np.exp(-np.exp(-1.0) * dt)
        error = 3.3 * np.sqrt(p * (1 - p) / (n_steps * n))
        assert float(sol.ys.mean()) / n_steps == pytest.approx(p, abs=error)
        variance = n_steps * p * (1 - p)
        assert float(sol.ys.var()) == pytest.approx(variance, rel=3.3 * np.sqrt(2 / n))

    def test_intervals_follow_the_survivor_function(self, key):
        """Driven from reset: P(interval > t) = exp(-integral of the hazard)."""
        dt, n = 0.05, 4000
        neuron = snn.EscapeLIF(rho_0=0.2, t_ref=1.0)
        sol = snn.simulate(
            neuron, 230.0, dt, duration=60.0, shape=(n,), key=key, record=snn.FirstSpike()
        )
        t = np.arange(1, 1201) * dt
        v = -75.0 + 23.0 * (1 - np.exp(-t / 10.0))
        survive = np.exp(-np.cumsum(0.2 * np.exp((v + 55.0) / 2.0)) * dt)
        measured = (
            np.nan_to_num(np.asarray(sol.ys), nan=np.inf) > t[:, None] + dt / 2
        ).mean(1)
        # Kolmogorov-Smirnov: 99.9 % of the largest distances are below 1.95 / sqrt(n).
        assert np.abs(measured - survive).max() < 1.95 / np.sqrt(n)

    def test_nothing_fires_while_refractory(self, key):
        neuron = held(0.0, t_ref=3.0)  # fires whenever it may
        spikes = snn.simulate(neuron, 0.0, DT, duration=31.0, key=key).ys
        assert set(np.diff(np.flatnonzero(spikes))) == {31}

    def test_without_width_it_is_a_lif(self, key):
        current = 260.0 + 300.0 * np.random.default_rng(0).standard_normal((2000, 5))
        noisy = snn.EscapeLIF(delta=1e-6, rho_0=1e4)
        one = snn.simulate(noisy, current, DT, key=key).ys
        np.testing.assert_array_equal(one, snn.simulate(snn.LIF(), current, DT).ys)
        assert one.sum() > 20


class TestDraws:
    def test_are_those_of_key_and_step(self, key):
        neuron = held(-57.0)
        spikes = snn.simulate(neuron, 0.0, 1.0, n_steps=20, shape=(5,), key=key).ys
        p = 1 - np.exp(-np.exp(-1.0))
        for i in range(20):
            draw = jax.random.uniform(jax.random.fold_in(key, i), (5,))
            np.testing.assert_array_equal(spikes[i], draw < p)

    def test_differ_between_keys(self, key):
        run = lambda k: snn.simulate(held(-57.0), 0.0, 1.0, n_steps=200, key=k).ys
        assert np.any(run(key) != run(jax.random.key(1)))

    def test_a_missing_key_is_named(self):
        with pytest.raises(ValueError, match="EscapeLIF is stochastic and needs a key"):
            snn.simulate(snn.EscapeLIF(), 0.0, DT, n_steps=5)

    def test_resumed_runs_go_on_with_the_draws(self, key):
        neuron = snn.EscapeLIF()
        whole = snn.simulate(neuron, 300.0, DT, n_steps=400, key=key).ys
        first = snn.simulate(neuron, 300.0, DT, n_steps=200, key=key)
        second = snn.simulate(neuron, 300.0, DT, n_steps=200, state=first.state)
        np.testing.assert_array_equal(whole, np.concatenate([first.ys, second.ys]))


class TestGradient:
    def test_of_a_spike_is_that_of_its_mean(self, key):
        # Over so short a step v stays; a hazard as large keeps p well above 0.
        neuron = held(-57.0, rho_0=1e9)
        start = neuron.init(key=key)
        spike = jax.jit(lambda v: neuron.step(start._replace(v=v), 0.0, 1e-9)[1])
        rho = np.exp(-1.0)
        slope = np.exp(-rho) * rho / 2.0  # (1 - p) rho dt / delta
        assert jax.grad(spike)(jnp.asarray(-57.0)) == pytest.approx(slope, rel=1e-7)

    def test_the_spike_itself_stays_0_or_1(self, key):
        spikes = snn.simulate(held(-57.0), 0.0, 1.0, n_steps=500, key=key).ys
        assert set(np.unique(spikes)) == {0.0, 1.0}

    def test_of_the_mean_number_of_spikes_is_unbiased_without_reset(self, key):
        """The mean gradient over neurons against that of the expected count."""
        expected = lambda i: 50 * (1 - jnp.exp(-jnp.exp((i / 10.0 - 20.0) / 2.0)))

        def count(i):
            neuron = held(-75.0)
            steady = snn.RunState(
                neuron.init((2000,), key=key)._replace(v=jnp.full(2000, -75 + i / 10))
            )
            return (
                snn.simulate(
                    neuron, i, 1.0, n_steps=50, state=steady, shape=(2000,)
                ).ys.sum()
                / 2000
            )

        # v starts at its steady state for i, so that all steps are alike.
        assert float(jax.grad(count)(180.0)) == pytest.approx(
            float(jax.grad(expected)(180.0)), rel=1e-9
        )

    def test_relaxed_it_is_the_mean_and_agrees_with_finite_differences(self, key):
        def mean(level, delta):
            neuron = snn.EscapeLIF(
                delta=delta, threshold=snn.Threshold(level), detach_reset=False, t_ref=None
            )
            return snn.simulate(
                snn.relax(neuron), 230.0, 0.5, n_steps=80, key=key
            ).ys.mean()

        value, grads = jax.jit(jax.value_and_grad(mean, (0, 1)))(-55.0, 2.0)
        f, h = jax.jit(mean), 1e-5
        assert 0.01 < value < 0.5
        d_level = (f(-55.0 + h, 2.0) - f(-55.0 - h, 2.0)) / (2 * h)
        d_delta = (f(-55.0, 2.0 + h) - f(-55.0, 2.0 - h)) / (2 * h)
        np.testing.assert_allclose(grads, [d_level, d_delta], rtol=1e-6)
