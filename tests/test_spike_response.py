"""Spike response model: kernels as sums over spikes, and equality with LIF and CubaLIF."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

DT = 0.1


def noisy(n, shape=(), seed=0, mean=260.0, sd=1500.0):
    return mean + sd * np.random.default_rng(seed).standard_normal((n, *shape))


class TestKernels:
    def test_v_is_the_sum_of_the_kernels(self):
        """Each sum written out over all spikes, at the end of every step."""
        n, e_l, tau_m, g_l, eta_0, tau_eta, tau_s = 300, -70.0, 12.0, 8.0, -15.0, 30.0, 4.0
        neuron = snn.SpikeResponse(
            tau_m, g_l, e_l, eta_0=eta_0, tau_eta=tau_eta, tau_syn=tau_s
        )
        current = noisy(n, seed=1, mean=100.0)
        arriving = np.where(np.random.default_rng(2).random(n) < 0.2, 6.0, 0.0)
        record = {"v": snn.Trace("v"), "s": snn.Trace()}
        ys = snn.simulate(neuron, (current, arriving), DT, record=record).ys
        own = np.flatnonzero(ys["s"])
        assert len(own) > 3
        for k in range(n):
            t = (k + 1) * DT
            s = t - np.arange(k + 1) * DT  # since the start of each step
            psp = arriving[: k + 1] @ (np.exp(-s / tau_m) - np.exp(-s / tau_s))
            held = np.exp(-(s - DT) / tau_m) - np.exp(-s / tau_m)  # kappa over each step
            after = t - (own[own <= k] + 1) * DT
            eta = eta_0 * np.exp(-after / tau_eta).sum()
            expected = e_l + psp + current[: k + 1] @ held / g_l + eta
            assert float(ys["v"][k]) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize(("memory", "after"), [("all", -90.0), ("last", -75.0)])
    def test_what_the_after_potential_remembers(self, memory, after):
        neuron = snn.SpikeResponse(e_l=-70.0, eta_0=-20.0, memory=memory, tau_eta=1e9)
        state = neuron.init()._replace(h=jnp.asarray(40.0), eta=jnp.asarray(-15.0))
        state, spike = neuron.step(state, 400.0, DT)  # which holds h at 40 mV
        assert spike == 1 and state.h == pytest.approx(40.0)
        assert state.eta == pytest.approx({"all": -35.0, "last": -20.0}[memory])
        assert state.v == pytest.approx(-70.0 + 40.0 + state.eta)

    def test_nothing_fires_within_the_refractory_time(self):
        for memory in ("all", "last", "reset"):
            neuron = snn.SpikeResponse(t_ref=2.0, memory=memory, eta_0=0.0)
            n = snn.simulate(neuron, 1e5, DT, duration=42.0, record=snn.SpikeCount()).ys
            # With "reset", v starts anew from rest and crosses in the step after the wait.
            assert n == 20

    def test_a_wrong_memory_is_refused(self):
        with pytest.raises(ValueError, match="memory must be one of"):
            snn.SpikeResponse(memory="none")


class TestEqualToLIF:
    @pytest.mark.parametrize("t_ref", [None, 2.0, 5.0])
    @pytest.mark.parametrize("v_reset", [-75.0, -65.0])
    def test_with_reset_to_a_value(self, t_ref, v_reset):
        lif = snn.LIF(t_ref=t_ref, v_reset=v_reset)
        self.same_spikes(lif, snn.SpikeResponse.of_lif(lif))

    def test_with_reset_by_subtraction(self):
        lif = snn.LIF(reset_mode="subtract", t_ref=None, v_reset=-70.0)
        srm = snn.SpikeResponse.of_lif(lif)
        assert float(srm.eta_0) == -15.0 and srm.memory == "all"
        self.same_spikes(lif, srm)

    def test_with_reset_to_a_value_summed_over_all_spikes_as_dt_goes_to_0(self):
        """The kernel of the textbook, -(level - v_reset) e^{-s / tau}, has no overshoot."""
        lif = snn.LIF(t_ref=None)
        srm = snn.SpikeResponse()
        error = []
        for dt in (0.02, 0.01, 0.005):
            t = [
                np.flatnonzero(snn.simulate(x, 260.0, dt, duration=100.0).ys) * dt
                for x in (lif, srm)
            ]
            assert len(t[0]) == len(t[1]) > 5
            error.append(np.abs(t[0] - t[1]).max())
        assert error[-1] < 0.03 and error[-1] <= error[0] / 2

    def same_spikes(self, lif, srm):
        current = noisy(4000, (20,), mean=230.0)
        record = {"v": snn.Trace("v"), "s": snn.Trace()}
        one, other = (snn.simulate(x, current, DT, record=record).ys for x in (lif, srm))
        np.testing.assert_array_equal(one["s"], other["s"])
        np.testing.assert_allclose(one["v"], other["v"], rtol=0, atol=1e-9)
        assert one["s"].sum() > 100

    @pytest.mark.parametrize("mode", ["value", "subtract"])
    def test_with_synapses_equal_to_cuba(self, mode):
        tau_s, w = 3.0, 120.0
        cuba = snn.CubaLIF(
            tau_syn=tau_s, reset_mode=mode, t_ref=2.0 if mode == "value" else None
        )
        srm = snn.SpikeResponse.of_lif(cuba, tau_syn=tau_s)
        arriving = np.where(np.random.default_rng(0).random((4000, 20)) < 0.06, 1.0, 0.0)
        amplitude = w / 10.0 * tau_s / (10.0 - tau_s)  # of w pA, in mV
        one = snn.simulate(cuba, w * arriving, DT).ys
        other = snn.simulate(srm, (np.zeros_like(arriving), amplitude * arriving), DT).ys
        np.testing.assert_array_equal(one, other)
        assert one.sum() > 100

    @pytest.mark.parametrize(
        ("lif", "message"),
        [
            (dict(reset_mode="none"), "reset_mode must be one of"),
            (dict(reset_mode="subtract"), "must have t_ref=None"),
        ],
    )
    def test_a_lif_without_matching_kernels_is_refused(self, lif, message):
        with pytest.raises(ValueError, match=message):
            snn.SpikeResponse.of_lif(snn.LIF(**lif))


def test_gradients_of_the_relaxed_model_against_finite_differences():
    def mean_spikes(eta_0, tau_eta, tau_syn):
        surrogate = snn.SuperSpike(normalize="area")
        neuron = snn.SpikeResponse(
            eta_0=eta_0,
            tau_eta=tau_eta,
            tau_syn=tau_syn,
            threshold=snn.Threshold(-55.0, surrogate),
            detach_reset=False,
        )
        current = jnp.asarray(noisy(60))
        return snn.simulate(snn.relax(neuron), (current, jnp.ones(60)), 0.5).ys.mean()

    x = np.array([-20.0, 8.0, 3.0])
    grads = jax.jit(jax.grad(mean_spikes, (0, 1, 2)))(*x)
    value = jax.jit(mean_spikes)
    for k, e in enumerate(1e-5 * np.eye(3)):
        difference = (value(*(x + e)) - value(*(x - e))) / 2e-5
        assert float(grads[k]) == pytest.approx(float(difference), rel=1e-6)
