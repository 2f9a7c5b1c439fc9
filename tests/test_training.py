"""Encoders, losses and the training loop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import accuracy_score, log_loss

import snnjax as snn

# Encoders


def test_bernoulli_code_fires_with_the_stated_probability(key):
    x = np.array([0.0, 0.1, 0.5, 1.0])
    code = snn.BernoulliCode(20_000, max_probability=0.4)
    spikes = np.asarray(code(x, key))
    assert spikes.shape == (20_000, 4) and set(np.unique(spikes)) == {0, 1}
    n, p = len(spikes), 0.4 * x
    # 99.99 % each: counts are binomial, and steps independent of one another
    assert np.all(np.abs(spikes.sum(0) - n * p) <= 3.9 * np.sqrt(n * p * (1 - p)))
    pairs = (spikes[1:] * spikes[:-1]).mean(0)
    assert np.all(np.abs(pairs - p**2) <= 3.9 * np.sqrt(3 * p**2 / n))
    windows = spikes[:, 2].reshape(-1, 20).sum(1)
    observed = np.bincount(windows.astype(int), minlength=21)
    expected = stats.binom.pmf(np.arange(21), 20, 0.2) * len(windows)
    few = expected < 5
    fold = lambda x: np.append(x[~few], x[few].sum())
    assert stats.chisquare(fold(observed), fold(expected)).pvalue > 1e-4
    assert np.all(np.asarray(snn.BernoulliCode(50)(x, key))[:, 3] == 1)  # at most always


def test_bernoulli_code_depends_on_its_key_alone(key):
    code, x = snn.BernoulliCode(50), np.full((3, 2), 0.5, np.float32)
    np.testing.assert_array_equal(code(x, key), code(x, key))
    assert np.any(code(x, key) != code(x, jax.random.key(1)))
    assert code(x, key).dtype == jnp.float32


VALUES = hnp.arrays(np.float64, (4, 6), elements=st.floats(0, 1, width=16))


@given(VALUES)
def test_latency_code_is_one_spike_the_earlier_the_larger_the_value(x):
    spikes = np.asarray(snn.LatencyCode(20)(x))
    fires = x > 0.05
    np.testing.assert_array_equal(spikes.sum(0), fires)
    at = spikes.argmax(0)
    expected = np.round((1 - x) / 0.95 * 19)
    np.testing.assert_array_equal(at[fires], expected[fires])
    order = np.argsort(x[fires], kind="stable")
    assert np.all(np.diff(at[fires][order]) <= 0)


def test_latency_code_spans_its_steps():
    code = snn.LatencyCode(11, smallest=0.2)
    x = jnp.array([1.0, 0.6, 0.2001, 0.2, 0.0])
    np.testing.assert_array_equal(code(x)[0], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(code(x)[5], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(code(x)[10], [0, 0, 1, 0, 0])
    assert code(x).sum() == 3


def test_encoders_refuse():
    with pytest.raises(
        ValueError, match=r"BernoulliCode\.max_probability must be at most 1"
    ):
        snn.BernoulliCode(10, max_probability=1.5)
    with pytest.raises(ValueError, match=r"LatencyCode\.smallest must be at least 0"):
        snn.LatencyCode(10, smallest=-0.1)
    for kind in (snn.BernoulliCode, snn.LatencyCode):
        for n_steps in (0, -3, 2.5):
            with pytest.raises(
                ValueError, match=r"Code\.n_steps must be a whole number above 0"
            ):
                kind(n_steps)


# Losses


def test_losses_are_those_of_scikit_learn(key):
    outputs = 3 * np.asarray(jax.random.normal(key, (7, 50, 4)))
    labels = np.random.default_rng(0).integers(0, 4, 50)
    mean = outputs.mean(0)
    p = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    loss = log_loss(labels, p, labels=range(4))
    value, grad = jax.jit(jax.value_and_grad(snn.rate_cross_entropy))(outputs, labels)
    assert float(value) == pytest.approx(loss, rel=1e-12)
    score = accuracy_score(labels, mean.argmax(1))
    assert float(snn.accuracy(outputs, labels)) == pytest.approx(score)
    expected = (p - np.eye(4)[labels]) / 50 / 7
    np.testing.assert_allclose(grad, np.broadcast_to(expected, grad.shape), atol=1e-15)


# The loop


def problem(seed, n):
    """Which half of the inputs is the stronger one."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = 0.3 * rng.random((n, 6)) + 0.5 * (np.arange(6) // 3 == y[:, None]) + 0.1
    return x, y


TRAIN, HELD_OUT = problem(0, 75), problem(1, 40)  # seven batches of 10, and 5 over


def network():
    keys = jax.random.split(jax.random.key(3), 2)
    threshold = snn.Threshold(1.0, snn.SuperSpike(5.0))
    lif = snn.LIF(5.0, g_l=0.2, e_l=0.0, v_reset=0.0, t_ref=None, threshold=threshold)
    return snn.Sequential(
        snn.Linear(6, 8, key=keys[0], gain=2.0), lif, snn.Linear(8, 2, key=keys[1]),
        snn.LeakyIntegrator(5.0),
    )  # fmt: skip


def train(seed=0, optimizer=None, **kwargs):
    settings = dict(epochs=5, batch_size=10, progress=False, where=["*weight", "*bias"])
    return snn.fit(
        network(), TRAIN, validation=HELD_OUT, encode=snn.LatencyCode(8), dt=1.0,
        optimizer=optax.adam(0.05) if optimizer is None else optimizer,
        **{"key": jax.random.key(seed), **settings, **kwargs},
    )  # fmt: skip


def evaluate(net, data=HELD_OUT):
    return snn.evaluate(net, data, encode=snn.LatencyCode(8), key=jax.random.key(9), dt=1.0)


@pytest.fixture(scope="module")
def trained():
    return train()


def test_fit_learns(trained):
    net, history = trained
    assert float(evaluate(network()).score) < 0.8
    assert float(evaluate(net).score) > 0.9
    assert history.loss[-1] < 0.7 * history.loss[0]
    assert all(len(entry) == 5 for entry in history[:4])
    assert np.all(history.seconds > 0)


def test_history_is_that_of_the_network_returned(trained):
    net, history = trained
    outputs, loss, accuracy = evaluate(net)
    best = history.best_epoch
    assert float(accuracy) == pytest.approx(history.validation_score[best])
    assert float(loss) == pytest.approx(float(snn.rate_cross_entropy(outputs, HELD_OUT[1])))
    assert float(loss) == pytest.approx(history.validation_loss[best], rel=1e-9)
    assert history.validation_score[best] == history.validation_score.max()
    assert accuracy_score(HELD_OUT[1], np.mean(outputs, 0).argmax(1)) == pytest.approx(
        float(accuracy)
    )


def test_only_what_is_asked_for_is_trained(trained):
    before, after = snn.named_leaves(network()), snn.named_leaves(trained[0])
    for name in before:
        if name.endswith(("weight", "bias")):
            assert np.any(after[name] != before[name]), name
        else:
            np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_fit_is_decided_by_its_key(trained):
    again = train()
    for a, b in zip(jax.tree.leaves(trained[0]), jax.tree.leaves(again[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again[1].loss, trained[1].loss)


def test_the_best_epoch_is_kept_when_later_ones_are_worse(trained):
    """After two epochs of seven batches the schedule climbs the loss instead."""
    schedule = lambda step: jnp.where(step < 14, 0.05, -0.5)
    net, history = train(seed=1, optimizer=optax.adam(schedule), epochs=4)
    assert history.best_epoch < 2
    best = history.validation_score[history.best_epoch]
    assert best > history.validation_score[2:].max()
    assert float(evaluate(net).score) == pytest.approx(best)
    assert history.loss[0] != trained[1].loss[0]  # another key, another order


def test_augmentation_varies_training_only_and_a_bar_shows_both(capsys):
    dark = lambda x, key: 0 * x
    _, history = train(augment=dark, epochs=1, optimizer=optax.sgd(0.0), progress=True)
    assert history.loss[0] == pytest.approx(np.log(2), rel=1e-6)  # nothing in, nothing out
    assert history.validation_loss[0] != pytest.approx(np.log(2), rel=1e-3)
    err = capsys.readouterr().err
    assert "training: 100%" in err and "validation score=" in err and "loss=0.693" in err


def test_fit_refuses():
    with pytest.raises(ValueError, match=r"fit\.epochs must be at least 1, got 0"):
        train(epochs=0)
    for key in (None, 0):
        with pytest.raises(ValueError, match=rf"fit\.key must be a random key.*got {key}"):
            train(key=key)
    for size in (0, 76):
        with pytest.raises(
            ValueError, match=rf"fit\.batch_size must be in 1 \.\. 75, .* got {size}"
        ):
            train(batch_size=size)
    with pytest.raises(ValueError, match=r"where names '\*wieght'"):
        train(where="*wieght")
    with pytest.raises(
        ValueError, match=r"no longer finite in epoch \d: .*clip_by_global_norm"
    ):
        train(optimizer=optax.sgd(np.inf))


def test_a_trained_network_comes_back_from_disk_with_identical_outputs(trained, tmp_path):
    snn.save(tmp_path / "net", trained[0])
    back = snn.load(tmp_path / "net", network())
    np.testing.assert_array_equal(evaluate(back)[0], evaluate(trained[0])[0])
