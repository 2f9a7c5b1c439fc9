"""Plasticity by the potential of the target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import Clopath, HardBounds, NoBounds, replay

DT, STEPS = 0.5, 300
RNG = np.random.default_rng(0)
PRE = (RNG.random((STEPS, 3)) < 0.05).astype(float)
POST = (RNG.random((STEPS, 2)) < 0.03).astype(float)
V = (
    -60
    + 15 * np.sin(np.arange(STEPS)[:, None] * [0.05, 0.08])
    + RNG.normal(0, 3, (STEPS, 2))
)


learn = jax.jit(lambda rule, pre, post, v: replay(rule, pre, post, DT, v=v).weights)


def brute_force(pre, post, v, u_ref=None, delay=5.0):
    """By sums over all earlier steps and spikes."""
    held, late = round(2.0 / DT), round(delay / DT)
    n_post = v.shape[1]
    w = np.zeros((pre.shape[1], n_post))
    for j in range(n_post):
        u = v[:, j].copy()
        for k in np.flatnonzero(post[:, j]):
            u[k : k + held] = 33.0

        def filtered(x, start, tau, k):
            """Before step k."""
            d = np.exp(-DT / tau)
            return start * d**k + (1 - d) * sum(d ** (k - 1 - m) * x[m] for m in range(k))

        for i in range(pre.shape[1]):
            spikes = np.flatnonzero(pre[:, i])
            for k in spikes:
                ltd = 14e-5 * max(filtered(u, -70.6, 10.0, max(k - late, 0)) + 70.6, 0)
                if u_ref is not None:
                    ltd *= (filtered(u + 70.6, 0.0, 40.0, k) / u_ref) ** 2
                w[i, j] -= ltd
            for k in np.flatnonzero(u > -45.3):
                x = sum(np.exp(-(k - m) * DT / 15) / 15 for m in spikes if m < k)
                plus = max(filtered(u, -70.6, 7.0, max(k - late, 0)) + 70.6, 0)
                w[i, j] += DT * 8e-5 * x * (u[k] + 45.3) * plus
    return w


@pytest.mark.parametrize("u_ref", [None, 8.0])
def test_it_is_the_sum_over_spikes_and_steps(u_ref):
    rule = Clopath(u_ref=u_ref, tau_mean=40.0, bounds=NoBounds())
    w = replay(rule, PRE, POST, DT, v=V).weights
    np.testing.assert_allclose(w, brute_force(PRE, POST, V, u_ref), rtol=1e-9, atol=1e-14)
    assert abs(w).min() > 1e-3


def test_a_potential_with_spikes_of_its_own_is_taken_as_it_is():
    rule = Clopath(t_peak=0.0, delay=0.0, bounds=NoBounds())
    w = replay(rule, PRE, POST, DT, v=V + 20).weights
    expected = brute_force(PRE, np.zeros_like(POST), V + 20, delay=0.0)
    np.testing.assert_allclose(w, expected, rtol=1e-9, atol=1e-14)


def pairings(frequency, gap, n=20):
    """The change by `n` pairs; each spike leaves the target depolarised by 15 mV, for 40 ms."""
    pre, post = np.zeros((2, 80_100))  # of one size, so compiled once
    at = np.rint(np.arange(n) * 1000 / frequency / DT).astype(int) + 40
    pre[at] = post[at + round(gap / DT)] = 1
    after = 15 * np.exp(-np.arange(800) * DT / 40)
    v = -70.6 + np.convolve(post, after)[: len(post)]
    return float(learn(Clopath(bounds=NoBounds()), pre, post, v)[0, 0])


def test_pairs_potentiate_only_at_high_frequency():
    """A lone pair of +10 ms finds the filters at rest; one of -10 ms depresses."""
    assert pairings(0.5, 10.0) == pytest.approx(0.0, abs=1e-6)
    assert pairings(0.5, -10.0) < -5e-3
    assert 0.005 < pairings(10, 10.0) < pairings(20, 10.0) < pairings(50, 10.0)
    assert pairings(20, -10.0) < -0.05 and pairings(50, -10.0) > 0.2


def test_a_network_gives_the_potential():
    source = snn.Population(snn.inputs.poisson(60.0, shape=(4,), key=jax.random.key(1)), 4)
    lif = snn.LIF(10.0, 10.0, -70.6, threshold=-55.0, v_reset=-70.6, t_ref=3.0)
    rule = Clopath(bounds=HardBounds(0.0, 9.0))
    net = snn.Network(
        dict(s=source, c=snn.Population(lif, 2, snn.Exponential(5.0))),
        [snn.Projection("s", "c", snn.connect.AllToAll(), 3.0, learning=rule)],
        key=jax.random.key(0),
    )
    drive = {"c": snn.inputs.constant(np.array([150.0, 220.0]))}
    record = dict(s=snn.Trace(), v=snn.Trace("c.v"))
    sol = snn.simulate(net, drive, DT, n_steps=STEPS, record=record)
    s, v = np.asarray(sol.ys["s"]), np.asarray(sol.ys["v"])
    expected = replay(rule, s[:, :4], s[:, 4:], DT, v=v, weights=3.0).weights
    got = np.asarray(sol.final.learned["s->c"].weight).reshape(4, 2)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert s[:, 5].sum() > 5 and abs(got - 3.0).max() > 1e-3


def test_gradients_dtypes_and_batches():
    names = ("a_ltd", "a_ltp", "theta_plus", "tau_x", "tau_minus", "tau_plus", "u_ref")
    values = np.array([2e-4, 1e-4, -45.0, 15.0, 10.0, 7.0, 8.0])

    @jax.jit
    def run(values, pre, v):
        rule = Clopath(**dict(zip(names, values, strict=True)), bounds=NoBounds())
        rule = jax.tree.map(lambda x: x.astype(pre.dtype), rule)
        return replay(rule, pre, POST.astype(pre.dtype), DT, v=v).weights.mean()

    grad = jax.grad(run)(values, PRE, V)
    for k in range(len(names)):
        h = 1e-6 * abs(values[k]) * np.eye(len(names))[k]
        slope = (run(values + h, PRE, V) - run(values - h, PRE, V)) / (2 * h[k])
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-4), names[k]
    narrow = run(values.astype("f4"), PRE.astype("f4"), V.astype("f4"))
    assert float(narrow) == pytest.approx(float(run(values, PRE, V)), rel=1e-4)
    batch = jax.vmap(run, (None, 0, None))(values, np.stack([PRE, PRE[::-1]]), V)
    np.testing.assert_allclose(batch[1], run(values, PRE[::-1].copy(), V), rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clopath(tau_x=0.0), r"Clopath\.tau_x must be above 0 ms"),
        (lambda: Clopath(delay=-1.0), r"Clopath\.delay must be at least 0 ms"),
        (lambda: Clopath(u_ref=0.0), r"Clopath\.u_ref must be above 0 mV"),
        (lambda: replay(Clopath(), PRE, POST, DT), "Clopath needs the potential v"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_results_keep_float32():
    rule = jax.tree.map(lambda x: x.astype(jnp.float32), Clopath())
    narrow = [jnp.asarray(x, jnp.float32) for x in (PRE, POST, V)]
    w = replay(rule, *narrow[:2], DT, v=narrow[2], weights=jnp.float32(0.5)).weights
    assert w.dtype == jnp.float32
