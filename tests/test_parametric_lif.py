"""LIF layers whose own parameters learn, and what a reset does to the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn

STEPS, BATCH = 40, 4
INPUTS = np.asarray(jax.random.uniform(jax.random.key(1), (STEPS, BATCH, 3)))
TARGET = jnp.array([0.3, -0.3])


# Parametric LIF


def parametric(**changes):
    keys = jax.random.split(jax.random.key(3), 2)
    threshold = snn.Threshold(jnp.ones(6), snn.Sigmoid(2.0))
    lif = dict(tau_m=jnp.full(6, 8.0), threshold=threshold, detach_reset=False)
    return snn.Sequential(
        snn.Linear(3, 6, key=keys[0], gain=2.0),
        snn.LIF.from_decay(**{**lif, **changes}),
        snn.Linear(6, 2, key=keys[1], gain=2.0),
        snn.LeakyIntegrator(5.0),
    )


LEARNED = ["*weight", "layers.1.tau_m", "*threshold.level", "*v_reset"]


@pytest.mark.parametrize("mode", ["subtract", "value"])
def test_gradients_of_a_parametric_lif_are_those_of_its_relaxation(mode):
    net = snn.relax(parametric(reset_mode=mode, v_reset=jnp.full(6, -0.2)))
    params, build = snn.trainable(net, LEARNED)
    assert len(params) == 5
    loss = lambda p: jnp.mean((snn.unroll(build(p), INPUTS).outputs - TARGET) ** 2)
    value, gradient = jax.jit(loss), jax.jit(jax.grad(loss))(params)
    rng, h = np.random.default_rng(0), 1e-5
    for name, g in gradient.items():
        way = rng.normal(size=g.shape)
        moved = lambda s, name=name, way=way: {**params, name: params[name] + s * way}
        difference = float(value(moved(h)) - value(moved(-h))) / (2 * h)
        assert float(np.sum(g * way)) == pytest.approx(difference, rel=1e-6), name
        assert abs(difference) > 1e-8, name


def test_a_parametric_lif_learns_within_its_bounds():
    """Time constants, thresholds and resets alone: the weights stay."""
    net = parametric(v_reset=jnp.zeros(6))
    bounds = {"*tau_m": snn.Bounded(2.0, 12.0), "*level": snn.Positive(0.1)}
    where = [name for name in LEARNED if name != "*weight"]
    params, build = snn.trainable(net, where, constraints=bounds)
    loss = lambda p: jnp.mean((snn.unroll(build(p), INPUTS).outputs - TARGET) ** 2)
    optimizer = optax.adam(0.1)

    @jax.jit
    def train(params):
        def update(carry, _):
            params, state = carry
            value, grads = jax.value_and_grad(loss)(params)
            updates, state = optimizer.update(grads, state)
            params = optax.apply_updates(params, updates)
            lif = build(params).layers[1]
            return (params, state), (value, lif.tau_m, lif.threshold.level, lif.v_reset)

        return jax.lax.scan(update, (params, optimizer.init(params)), length=60)[1]

    losses, tau_m, level, v_reset = map(np.asarray, train(params))
    assert losses[-5:].mean() < 0.7 * losses[0]
    assert tau_m.min() > 2 and tau_m.max() < 12 and level.min() > 0.1
    for x in (tau_m, level, v_reset):
        assert np.any(np.abs(x[-1] - x[0]) > 0.1)


# Resets: forward and backward written a second time


def by_hand(first, second, decay, beta, mode, attached, x, target):
    """(loss, gradient of both matrices) by backpropagation through time, in NumPy."""
    v, us, spikes = np.zeros((BATCH, len(first))), [], []
    for now in x:
        u = decay * v + now @ first.T
        s = (u >= 1).astype(float)
        v = {"subtract": u - s, "value": u * (1 - s), "none": u}[mode]
        us.append(u)
        spikes.append(s)
    mean = np.mean(spikes, 0)
    error = mean @ second.T - target
    d_second, d_first = error.T @ mean, np.zeros_like(first)
    d_v = np.zeros_like(v)
    for u, s, now in zip(us[::-1], spikes[::-1], x[::-1], strict=True):
        d_s = error @ second / len(x)
        if attached:
            d_s = d_s + d_v * {"subtract": -1.0, "value": -u, "none": 0.0}[mode]
        slope = 1 / (1 + beta * np.abs(u - 1)) ** 2
        d_u = d_s * slope + d_v * (1 - s if mode == "value" else 1)
        d_first += d_u.T @ now
        d_v = decay * d_u
    return 0.5 * np.sum(error**2), d_first, d_second


@pytest.mark.parametrize("mode", ["subtract", "value", "none"])
def test_resets_forward_and_backward_are_those_written_by_hand(mode):
    keys, beta, decay = jax.random.split(jax.random.key(4), 2), 1.5, 0.85
    target = np.random.default_rng(1).normal(size=(BATCH, 2))
    found = {}
    for detached in (True, False):
        lif = snn.LIF.from_decay(
            decay,
            threshold=snn.Threshold(1.0, snn.SuperSpike(beta)),
            reset_mode=mode,
            detach_reset=detached,
        )
        net = snn.Sequential(
            snn.Linear(3, 8, key=keys[0], gain=1.5, bias=False),
            lif,
            snn.Linear(8, 2, key=keys[1], bias=False),
        )
        params, build = snn.trainable(net, "*weight")

        @jax.jit
        @jax.value_and_grad
        def loss(params, build=build):
            mean = snn.unroll(build(params), INPUTS).outputs.mean(0)
            return 0.5 * jnp.sum((mean - target) ** 2)

        value, gradient = loss(params)
        first, second = (np.asarray(params[f"layers.{i}.weight"]) for i in (0, 2))
        expected = by_hand(first, second, decay, beta, mode, not detached, INPUTS, target)
        assert float(value) == pytest.approx(expected[0], rel=1e-12)
        for i, e in ((0, expected[1]), (2, expected[2])):
            np.testing.assert_allclose(gradient[f"layers.{i}.weight"], e, rtol=1e-9)
        found[detached] = gradient["layers.0.weight"]
    assert np.allclose(found[True], found[False]) == (mode == "none")
