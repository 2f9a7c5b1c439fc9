"""`unroll`: the numbers of a stepped network, and gradients within a bound of memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn


@pytest.fixture
def net(key):
    k = jax.random.split(key, 3)
    return snn.Sequential(
        snn.Linear(7, 8, key=k[0], gain=3.0),
        snn.LIF.from_decay(0.9),
        snn.Recurrent(snn.LIF.from_decay(0.8), jax.random.normal(k[1], (8, 8)) / 3),
        snn.Linear(8, 3, key=k[2]),
        snn.LeakyIntegrator(tau_m=5.0),
    )


@pytest.fixture
def inputs(key):
    return jax.random.bernoulli(key, 0.3, (53, 5, 7)).astype(float)


def squares(net, inputs, **options):
    return (snn.unroll(net, inputs, 1.0, **options).outputs ** 2).sum()


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10)


def test_it_steps_the_network(net, inputs):
    rollout = snn.unroll(net, inputs, 0.5, layers=True)
    state, outputs = net.init((5, 7), dt=0.5), []
    step = jax.jit(lambda *args: net.step(*args))
    for x in inputs:
        state, y = step(state, x, jnp.asarray(0.5))
        outputs.append(y)
    same(rollout.outputs, jnp.stack(outputs))
    same(rollout.state, state)
    assert list(rollout.layers) == [f"layers.{i}" for i in range(5)]
    np.testing.assert_array_equal(rollout.layers["layers.4"], rollout.outputs)


def test_a_state_goes_on_where_a_run_ended(net, inputs):
    whole = snn.unroll(net, inputs)
    first = snn.unroll(net, inputs[:20])
    second = snn.unroll(net, inputs[20:], state=first.state)
    same(jnp.concatenate([first.outputs, second.outputs]), whole.outputs)
    same(second.state, whole.state)


def test_what_is_run_again_gives_the_same_gradient(net, inputs):
    def layers_and_gradient(**options):
        gradient = jax.grad(lambda net: squares(net, inputs, **options))
        run = lambda net: snn.unroll(net, inputs, layers=True, **options).layers
        return jax.jit(lambda net: (run(net), gradient(net)))(net)

    plain = layers_and_gradient()
    for options in (
        dict(remat="sqrt"),
        dict(remat=10),
        dict(remat=99),
        dict(max_memory=3e4),
    ):
        same(layers_and_gradient(**options), plain)


def temporary_bytes(net, n_steps, **options):
    params, build = snn.trainable(net, "*weight")
    x = jax.ShapeDtypeStruct((n_steps, 16, 7), bool)
    loss = lambda params, x: squares(build(params), x, **options) / n_steps
    compiled = jax.jit(jax.grad(loss)).lower(params, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_memory_grows_as_the_root_of_time(net):
    short, long = (temporary_bytes(net, n, remat="sqrt") for n in (400, 6400))
    outputs = 8 * 16 * 3 * (6400 - 400)  # and their gradient, which the loss itself keeps
    assert long - 3 * outputs < 6 * short, (short, long)
    assert temporary_bytes(net, 6400) > 8 * long


def test_a_budget_is_kept(net):
    budget = 1.5e6
    plain = temporary_bytes(net, 3200)
    bounded = temporary_bytes(net, 3200, max_memory=budget)
    outputs = 8 * 16 * 3 * 3200
    assert plain > 3 * budget
    assert bounded < budget + 4 * outputs, (plain, bounded)


def test_bad_options_are_refused(net, inputs):
    grad = lambda **options: jax.grad(lambda net: squares(net, inputs, **options))(net)
    with pytest.raises(
        ValueError, match=r"max_memory=10 bytes is too little: .* needs \d+"
    ):
        grad(max_memory=10)
    with pytest.raises(ValueError, match="remat or max_memory, not both"):
        grad(remat=3, max_memory=1e6)
    with pytest.raises(ValueError, match=r"unroll\.remat must be a whole number above 0"):
        grad(remat=0)
    with pytest.raises(ValueError, match=r"unroll\.max_memory must be above 0 bytes"):
        grad(max_memory=-1)
    for x in (jnp.zeros((0, 5, 7)), jnp.asarray(1.0)):
        with pytest.raises(ValueError, match="same, nonzero number of steps"):
            snn.unroll(net, x)


@pytest.mark.parametrize("part", ["BatchNorm", "PSN"])
def test_a_part_that_needs_the_whole_sequence_is_not_cut(key, inputs, part):
    layer = snn.BatchNorm(7) if part == "BatchNorm" else snn.PSN(53, key=key)
    with pytest.raises(ValueError, match=f"{part} needs all of it at once"):
        snn.unroll(snn.Sequential(layer), inputs, remat=10)
