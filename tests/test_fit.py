"""The training loop: what it minimises, what it keeps, what it refuses."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn
from tests.test_training import HELD_OUT, TRAIN

KEY = jax.random.key(5)


def linear(**kwargs):
    return snn.Linear(6, 2, key=jax.random.key(3), **kwargs)


def leaky():
    return snn.Sequential(linear(), snn.LeakyIntegrator(5.0))


def sequences(data, n_steps=4):
    x, y = data
    return np.repeat(np.asarray(x)[:, None], n_steps, 1) * np.arange(n_steps)[:, None], y


SEQUENCES = sequences(TRAIN)


def train(model, data=SEQUENCES, **kwargs):
    settings = dict(optimizer=optax.sgd(0.3), key=KEY, batch_size=25, epochs=1)
    return snn.fit(model, data, progress=False, **{**settings, **kwargs})


# What is done, by hand


def by_hand(weight, bias, x, y, rate, tau=5.0):
    """One step of SGD on the cross-entropy of a leaky integrator's mean, in NumPy."""
    decay = np.exp(-1 / tau)
    v, mean, trace, pre = 0.0, 0.0, 0.0, 0.0
    for t in range(x.shape[1]):
        v = decay * v + (1 - decay) * (x[:, t] @ weight.T + bias)
        trace = decay * trace + (1 - decay) * x[:, t]
        pre = decay * pre + (1 - decay)
        mean = mean + v / x.shape[1]
    traces, pres = np.zeros_like(x[:, 0]), 0.0
    run, one = np.zeros_like(x[:, 0]), 0.0
    for t in range(x.shape[1]):
        run = decay * run + (1 - decay) * x[:, t]
        one = decay * one + (1 - decay)
        traces, pres = traces + run / x.shape[1], pres + one / x.shape[1]
    p = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    error = (p - np.eye(2)[y]) / len(y)
    d_weight, d_bias = error.T @ traces, pres * error.sum(0)
    return loss, weight - rate * d_weight, bias - rate * d_bias, d_weight, d_bias


def test_one_update_of_the_whole_set_is_that_of_numpy():
    net = leaky()
    after, history = train(net, batch_size=75)
    w, b = np.asarray(net.layers[0].weight), np.asarray(net.layers[0].bias)
    loss, w, b, d_weight, d_bias = by_hand(w, b, *SEQUENCES, 0.3)
    np.testing.assert_allclose(after.layers[0].weight, w, rtol=1e-11)
    np.testing.assert_allclose(after.layers[0].bias, b, rtol=1e-11, atol=1e-14)
    assert history.loss[0] == pytest.approx(loss, rel=1e-12)
    norms = {"layers.0.weight": d_weight, "layers.0.bias": d_bias}
    for name, grad in norms.items():
        assert history.gradient_norms[name][0] == pytest.approx(np.linalg.norm(grad))
    total = np.hypot(np.linalg.norm(d_weight), np.linalg.norm(d_bias))
    assert history.gradient_norm == pytest.approx([total])
    np.testing.assert_array_equal(net.layers[0].weight, leaky().layers[0].weight)


def test_each_sample_is_seen_at_most_once_an_epoch_and_others_each_time():
    # The weight moves by the sum of the samples seen, which binary digits identify.
    x = np.zeros((10, 1, 1)) + 2.0 ** np.arange(10)[:, None, None]
    net = snn.Linear(1, 1, key=KEY, bias=False)
    loss = lambda outputs, y: jnp.sum(outputs)
    run = functools.partial(
        train, net, (x, np.zeros(10, int)), loss=loss, score=None, batch_size=4,
        optimizer=optax.sgd(1.0),
    )  # fmt: skip
    seen, callback = (
        [float(net.weight[0, 0])],
        lambda e: seen.append(float(e.model().weight[0, 0])),
    )
    run(epochs=4, callbacks=[callback])
    for moved in -np.diff(seen):
        assert moved == pytest.approx(round(moved), abs=1e-9)
        assert bin(round(moved)).count("1") == 8
    assert len({round(moved) for moved in np.diff(seen)}) > 1


def test_regularisers_add_to_what_is_minimised_and_see_every_part():
    names = []

    def penalty(layers):
        names.extend(layers)
        return 0.5 * jnp.mean(layers["layers.1"] ** 2)

    plain, first = train(leaky(), batch_size=75, epochs=2)
    small, history = train(
        leaky(), regularisers=[penalty, penalty], batch_size=75, epochs=2
    )
    assert {"layers.0", "layers.1"} <= set(names)
    outputs = np.asarray(snn.unroll(leaky(), np.moveaxis(SEQUENCES[0], 1, 0)).outputs)
    assert history.penalty[0] == pytest.approx(np.mean(outputs**2))
    assert history.loss[0] == pytest.approx(first.loss[0]) and first.penalty[0] == 0
    assert np.linalg.norm(small.layers[0].weight) < np.linalg.norm(plain.layers[0].weight)


def test_an_optimiser_may_ask_for_the_loss():
    optimizer = optax.chain(optax.sgd(0.3), optax.contrib.reduce_on_plateau(patience=1))
    assert len(train(linear(), optimizer=optimizer, epochs=2)[1].loss) == 2


@pytest.mark.parametrize("kept", [dict(remat=2), dict(remat="sqrt"), dict(max_memory=1e9)])
def test_less_memory_gives_the_same_numbers(kept):
    plain, lean = train(leaky())[0], train(leaky(), **kept)[0]
    np.testing.assert_allclose(lean.layers[0].weight, plain.layers[0].weight, rtol=1e-12)


# Validation, choice of the epoch, mode


def test_validation_in_batches_is_that_of_the_whole_set():
    data, held_out = sequences(TRAIN), sequences(HELD_OUT)
    loss = functools.partial(train, linear(), data, validation=held_out, epochs=2)
    _, whole = loss(batch_size=40)  # 40 are held out
    for size in (15, 20):
        net, history = loss(batch_size=size, optimizer=optax.sgd(0.0))
        outputs, value, score = snn.evaluate(net, held_out)
        assert history.validation_loss == pytest.approx([float(value)] * 2, rel=1e-12)
        assert history.validation_score == pytest.approx([float(score)] * 2)
        parts = snn.evaluate(net, held_out, batch_size=size)
        np.testing.assert_allclose(parts.outputs, outputs, rtol=1e-12)
        assert outputs.shape == (4, 40, 2)
        assert float(parts.loss) == pytest.approx(float(value), rel=1e-12)
        assert float(parts.score) == pytest.approx(float(score))
    assert whole.validation_loss.shape == (2,)


def test_without_validation_the_last_epoch_is_kept():
    rate = lambda step: jnp.where(step < 3, 0.3, -0.3)  # the second epoch is worse
    nets = []
    net, history = train(
        linear(),
        epochs=2,
        optimizer=optax.sgd(rate),
        callbacks=[lambda e: nets.append(e.model())],
    )
    assert history.best_epoch == 1 and np.all(np.isnan(history.validation_loss))
    np.testing.assert_array_equal(net.weight, nets[1].weight)


def test_without_score_the_lowest_validation_loss_chooses():
    rate = lambda step: jnp.where(step < 6, 0.3, -3.0)
    _, history = train(
        linear(),
        epochs=4,
        score=None,
        optimizer=optax.sgd(rate),
        validation=sequences(HELD_OUT),
    )
    assert history.best_epoch == history.validation_loss.argmin() == 1
    assert np.all(np.isnan(history.validation_score))


def squared(outputs, y):
    return jnp.mean((outputs - jnp.moveaxis(y, 0, 1)) ** 2)


def test_targets_may_be_anything_and_integers_become_floats():
    x = np.random.default_rng(0).integers(0, 3, (40, 5, 6)).astype(np.uint8)
    y = x[..., :2] * 0.5
    net = snn.Linear(6, 2, key=KEY)
    net, history = train(
        net, (x, y), loss=squared, score=None, epochs=300, optimizer=optax.adam(0.03),
        validation=(x, y), batch_size=20,
    )  # fmt: skip
    expected = 0.5 * np.eye(2, 6)
    np.testing.assert_allclose(net.weight, expected, atol=0.02)
    assert history.validation_loss[-1] < 1e-4


def noisy():
    keys = jax.random.split(KEY, 2)
    return snn.Sequential(
        snn.Linear(6, 8, key=keys[0]), snn.BatchNorm(8), snn.Dropout(0.5),
        snn.Linear(8, 2, key=keys[1]),
    )  # fmt: skip


def test_training_and_inference_modes():
    seen = []
    net, _ = train(noisy(), callbacks=[lambda e: seen.append(e.model())], epochs=2)
    for model in (net, *seen):
        assert model.layers[1].inference and model.layers[2].inference
    # A model in inference mode is trained in training mode all the same.
    again, _ = train(eqx.nn.inference_mode(noisy()), epochs=2)
    for a, b in zip(*map(jax.tree.leaves, (net, again)), strict=True):
        np.testing.assert_array_equal(a, b)
    snn.evaluate(net, SEQUENCES)  # without a key
    assert np.any(
        snn.evaluate(noisy(), SEQUENCES).outputs != snn.evaluate(net, SEQUENCES)[0]
    )


@pytest.mark.parametrize("where", [None, "*"])
def test_running_averages_are_learned_but_not_trained(where):
    """With nothing else moving they approach the moments of what comes in."""
    net = snn.Sequential(snn.BatchNorm(6, momentum=0.5), snn.Linear(6, 2, key=KEY))
    after, history = train(
        net, where=where, optimizer=optax.sgd(0.0), batch_size=75, epochs=40,
        validation=SEQUENCES, score=None,
    )  # fmt: skip
    x = SEQUENCES[0].reshape(-1, 6)
    best = 1 - 0.5 ** (history.best_epoch + 1)
    norm = after.layers[0]
    np.testing.assert_allclose(norm.running_mean, best * x.mean(0), rtol=1e-9)
    variance = best * x.var(0) + (1 - best)
    np.testing.assert_allclose(norm.running_variance, variance, rtol=1e-9)
    assert not any("running" in name for name in history.gradient_norms)
    assert "running_mean" not in history.made


def test_by_default_weights_and_biases_are_trained_and_no_parameters_of_neurons():
    cells = snn.CubaLIF() if hasattr(snn, "CubaLIF") else snn.LIF()
    net = snn.Sequential(snn.Linear(6, 2, key=KEY), cells)
    _, history = train(net)
    assert list(history.gradient_norms) == ["layers.0.weight", "layers.0.bias"]
    _, history = train(linear(bias=False))
    assert list(history.gradient_norms) == ["weight"]
    with pytest.raises(
        ValueError, match=r"where=None trains weights and biases.*layers\.0\.tau"
    ):
        train(snn.Sequential(snn.LeakyIntegrator()))


def test_the_callers_arrays_live_on():
    net, x = linear(), jnp.asarray(SEQUENCES[0])
    first, _ = train(net, (x, SEQUENCES[1]), optimizer=optax.adam(0.1))
    second, _ = train(
        first, (x, SEQUENCES[1]), optimizer=optax.contrib.schedule_free_adamw()
    )
    for tree in (net, first, second, x):
        assert np.all(np.isfinite(jax.tree.leaves(tree)[0]))


def test_history_says_how_it_was_made():
    made = train(linear())[1].made
    for words in (
        "Linear",
        "jax 0.",
        "float64",
        "key [0, 5]",
        "3 batches of 25",
        "dt 1 ms",
    ):
        assert words in made


# Refusals


def refuses(match, model=None, data=SEQUENCES, **kwargs):
    with pytest.raises(ValueError, match=match):
        train(linear() if model is None else model, data, **kwargs)


def test_data_that_do_not_fit_are_refused():
    x, y = SEQUENCES
    refuses(r"fit\.data must be a pair", data=x)
    refuses(r"fit\.data must hold x and y of the same number of samples", data=(x, y[:-1]))
    hole = x.copy()
    hole[7, 1, 2] = np.nan
    refuses(r"fit\.data: x must be finite, number 7 is not \(1 of 75\)", data=(hole, y))
    refuses(
        r"fit\.validation: y must be numbers, number 0 is not", score=None, loss=squared,
        data=(x, x[..., :2]), validation=(x, np.nan * x[..., :2]),
    )  # fmt: skip
    refuses(
        r"labels must be in 0 \.\. 1, as the network has 2 outputs; got 0 \.\. 2",
        data=(x, 2 * y),
    )
    refuses(r"got -1 \.\. 0", data=(x, y - 1))
    refuses(r"rate_cross_entropy takes labels, whole numbers \[n\]", data=(x, y + 0.0))
    refuses(r"accuracy takes labels.*score=None", data=(x, x[..., :2]), loss=squared)
    refuses(r"fit\.validation: labels must be in 0 \.\. 1", validation=(x, y + 5))
    refuses(
        r"fit\.data must give inputs \[time, batch, \.\.\.\].*Without encode",
        data=(y + 0.5, y),
    )
    refuses(r"last axis has 6 features", data=(x[..., :5], y))


def test_functions_that_do_not_fit_are_refused():
    refuses(
        r"fit\.encode must give inputs \[time, batch, \.\.\.\] with a batch of 25",
        encode=lambda x, key: x[:, :3],
    )
    refuses(r"fit\.augment must keep the 25 samples", augment=lambda x, key: x[:3])
    refuses(
        r"fit\.loss must give one number, got shape \(4, 25\)", loss=lambda o, y: o[..., 0]
    )
    refuses(r"fit\.score must give one number", score=lambda o, y: y == 1)
    refuses(
        r"regularisers\.0 must give one number", regularisers=[lambda layers: jnp.ones(3)]
    )
    only = snn.Sequential(snn.BatchNorm(6), snn.Linear(6, 2, key=KEY))
    refuses(r"where names only .*running_mean", only, where="*running_mean")
    refuses(r"fit\.model must be a model", 3)
    refuses(r"fit\.devices=99, but jax sees", devices=99)
    with pytest.raises(ValueError, match=r"evaluate\.key must be a random key"):
        snn.evaluate(linear(), SEQUENCES, key=3)


def test_nothing_is_compiled_before_a_refusal():
    with jax.log_compiles(False):
        model = linear()
        before = jax.tree.leaves(model)[0]
        refuses(r"fit\.patience must be at least 1, got 0", model, patience=0)
        refuses(
            r"fit\.checkpoint_every must be at least 1, got 0", model, checkpoint_every=0
        )
        assert before is jax.tree.leaves(model)[0]
