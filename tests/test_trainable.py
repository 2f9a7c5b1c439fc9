"""Which leaves an optimiser may change, and the bounds that hold while it does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn
from snnjax import Bounded, Positive, trainable


@pytest.fixture(scope="module")
def net():
    keys = jax.random.split(jax.random.key(0), 2)
    lif = snn.LIF(tau_m=[8.0, 9.0, 10.0, 11.0])
    return snn.Sequential(
        snn.Linear(3, 4, key=keys[0], gain=300.0), lif, snn.Linear(4, 2, key=keys[1]),
        snn.LeakyIntegrator(),
    )  # fmt: skip


def test_leaves_have_dotted_names(net):
    names = set(snn.named_leaves(net))
    assert {"layers.0.weight", "layers.1.tau_m", "layers.1.threshold.level"} <= names
    assert "layers.1.threshold.surrogate.beta" in names
    assert all(x.dtype == jnp.float64 for x in snn.named_leaves(net).values())


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("layers.0.weight", ["layers.0.weight"]),
        ("*weight", ["layers.0.weight", "layers.2.weight"]),
        (["*bias", "layers.1.tau*"], ["layers.0.bias", "layers.1.tau_m", "layers.2.bias"]),
        (lambda net: net.layers[1].tau_m, ["layers.1.tau_m"]),
        (
            lambda net: [net.layers[2].bias, net.layers[0].weight],
            ["layers.0.weight", "layers.2.bias"],
        ),
    ],
)
def test_leaves_are_chosen_by_name_pattern_or_function(net, where, names):
    assert list(trainable(net, where).params) == names


def test_building_from_the_start_gives_the_model_back(net):
    params, build = trainable(net, "*", constraints={"*t_ref": None})
    before, after = snn.named_leaves(net), snn.named_leaves(build(params))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-14, err_msg=name)
    np.testing.assert_array_equal(after["layers.0.weight"], before["layers.0.weight"])
    assert jax.tree.structure(build(params)) == jax.tree.structure(net)


def test_frozen_leaves_stay_as_they_are_under_weight_decay(net, key):
    inputs = jax.random.uniform(key, (20, 5, 3))

    def loss(params):
        cell = build(params)
        return jnp.mean(cell.unroll(cell.init((5, 3)), inputs, jnp.asarray(1.0))[1] ** 2)

    @jax.jit
    def update(_, carry):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    params, build = trainable(net, ["*weight", "layers.1.tau_m"])
    optimizer = optax.adamw(1e-2, weight_decay=0.1)
    new, _ = jax.lax.fori_loop(0, 100, update, (params, optimizer.init(params)))
    before, after = snn.named_leaves(net), snn.named_leaves(build(new))
    for name in before:
        if name in params:
            assert np.all(after[name] != before[name]), name
        else:
            np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert np.all(after["layers.1.tau_m"] > 0)


def test_bounds_that_are_declared_hold_unasked():
    model = snn.LIF(threshold=snn.Threshold(-50.0, snn.MultiGaussian()))
    params, build = trainable(model, ["tau_m", "t_ref", "*.h", "e_l"])
    for step in (-1e4, -30.0, 30.0):
        moved = build({k: jnp.asarray(step) for k in params})
        assert moved.tau_m > 0 and moved.t_ref > 0
        assert 0 < moved.threshold.surrogate.h < 0.9
        assert moved.e_l == step  # declares none


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize(
    "rule",
    [
        Positive(),
        Positive(-70.0),
        Positive(5),
        Bounded(0, 1),
        Bounded(-75, -50),
        Bounded(-1, 0),
    ],
)
def test_constraints_hold_strictly_whatever_the_step(rule, dtype):
    low = getattr(rule, "low", getattr(rule, "bound", None))
    high = getattr(rule, "high", np.inf)
    x = jax.jit(rule.bounded)(jnp.array([-1e5, -100, -40, -20, 0, 20, 40, 80], dtype))
    assert np.all(x > low) and np.all(x < high)
    assert np.all(np.diff(x) >= 0) and x.dtype == dtype
    inside = np.array([low + 0.3, low + 0.9], dtype)
    np.testing.assert_allclose(rule.bounded(rule.free(inside)), inside, rtol=1e-5)


def test_the_optimiser_moves_the_logarithm_of_the_distance():
    params, build = trainable(snn.LIF(tau_m=8.0), "tau_m")
    assert float(params["tau_m"]) == pytest.approx(np.log(8.0))
    slope = jax.jit(jax.grad(lambda p: build(p).tau_m ** 2))(params)["tau_m"]
    assert float(slope) == pytest.approx(2 * 8.0 * 8.0)  # chain rule: times tau_m
    params, build = trainable(
        snn.LIF(tau_m=8.0), "tau_m", constraints={"tau*": Bounded(5, 20)}
    )
    slope = jax.grad(lambda p: build(p).tau_m)(params)["tau_m"]
    assert float(slope) == pytest.approx((8 - 5) * (20 - 8) / (20 - 5))
    params, build = trainable(snn.LIF(tau_m=8.0), "tau_m", constraints={"tau_m": None})
    assert params["tau_m"] == 8.0 and build({"tau_m": jnp.asarray(-1.0)}).tau_m == -1


def test_a_model_of_traced_leaves_is_trainable_too():
    def end(tau):
        params, build = trainable(snn.LIF(tau_m=tau), "tau_m")
        return build(jax.tree.map(lambda x: x + 1, params)).tau_m

    assert float(jax.jit(end)(8.0)) == pytest.approx(8 * np.e)
    assert float(jax.grad(end)(8.0)) == pytest.approx(np.e)


def test_refuses_what_is_not_there(net):
    def no(words, *args, **kwargs):
        with pytest.raises(ValueError, match=words):
            trainable(*args, **kwargs)

    lif = snn.LIF()
    no(r"names 'tau', which is no float leaf.* Did you mean 'tau_m'\? It has ", lif, "tau")
    no(r"names '\*wieght'", net, ["*tau_m", "*wieght"])
    no(r"constraints names 'g_na'", lif, "tau_m", constraints={"g_na": Positive()})
    no("reset_mode|no array of floats", lif, lambda m: m.threshold)
    no(
        "tau_m must start inside its constraint Positive",
        lif,
        "tau_m",
        constraints={"tau_m": Positive(10.0)},
    )
    no("tau_m must start inside", lif, "tau_m", constraints={"tau_m": Bounded(11, 12)})
    no("t_ref must start inside", snn.LIF(t_ref=0.0), "t_ref")
    with pytest.raises(ValueError, match=r"Bounded\.low=2 must be below Bounded\.high=1"):
        Bounded(2, 1)
    params, build = trainable(lif, "tau_m")
    with pytest.raises(
        ValueError, match=r"params must hold \['tau_m'\], got \['tau_m', 'x'\]"
    ):
        build({**params, "x": 1.0})
