"""Decoders and losses against scikit-learn, loops in NumPy and the measures of spike trains."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from sklearn.metrics import accuracy_score, log_loss

import snnjax as snn

STEPS, BATCH, CLASSES = 12, 20, 4
LABELS = np.random.default_rng(0).integers(0, CLASSES, BATCH)
POTENTIALS = 3 * np.random.default_rng(1).normal(size=(STEPS, BATCH, CLASSES))
SPIKES = (np.random.default_rng(2).random((STEPS, BATCH, CLASSES)) < 0.15).astype(float)


def cross_entropy(scores, labels=LABELS):
    p = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return log_loss(labels, p, labels=range(scores.shape[-1]))


def first_steps(spikes):
    """By loop: the step of the first spike, or the number of steps."""
    flat = spikes.reshape(len(spikes), -1)
    found = [np.flatnonzero(train) for train in flat.T]
    return np.reshape([f[0] if len(f) else len(spikes) for f in found], spikes.shape[1:])


# Cross-entropies

SCORES = {
    snn.rate_cross_entropy: lambda x: x.mean(0),
    snn.max_cross_entropy: lambda x: x.max(0),
    snn.last_step_cross_entropy: lambda x: x[-1],
}


@pytest.mark.parametrize("loss", SCORES, ids=lambda f: f.__name__)
def test_cross_entropies_are_those_of_scikit_learn(loss):
    expected = cross_entropy(SCORES[loss](POTENTIALS))
    assert float(jax.jit(loss)(POTENTIALS, LABELS)) == pytest.approx(expected, rel=1e-12)
    check_grads(lambda x: loss(x, LABELS), (POTENTIALS,), order=1, modes=["rev"])


def test_rate_cross_entropy_has_its_gradient():
    mean = POTENTIALS.mean(0)
    p = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    expected = (p - np.eye(CLASSES)[LABELS]) / BATCH / STEPS
    grad = jax.grad(snn.rate_cross_entropy)(POTENTIALS, LABELS)
    np.testing.assert_allclose(grad, np.broadcast_to(expected, grad.shape), atol=1e-15)


def test_the_maximum_alone_gets_the_gradient_of_max_cross_entropy():
    grad = np.asarray(jax.grad(snn.max_cross_entropy)(POTENTIALS, LABELS))
    np.testing.assert_array_equal((grad != 0).sum(0), 1)
    np.testing.assert_array_equal(np.abs(grad).argmax(0), POTENTIALS.argmax(0))


def test_per_step_cross_entropy_averages_over_steps_and_takes_changing_labels():
    expected = np.mean([cross_entropy(x) for x in POTENTIALS])
    assert float(snn.per_step_cross_entropy(POTENTIALS, LABELS)) == pytest.approx(expected)
    changing = np.random.default_rng(3).integers(0, CLASSES, (STEPS, BATCH))
    expected = np.mean(
        [cross_entropy(*xy) for xy in zip(POTENTIALS, changing, strict=True)]
    )
    found = snn.per_step_cross_entropy(POTENTIALS, changing)
    assert float(found) == pytest.approx(expected)


def test_first_spike_cross_entropy_is_a_softmax_of_minus_the_times():
    times = 0.5 * first_steps(SPIKES)  # ms
    assert np.any(times == 0.5 * STEPS)  # some never fire
    expected = cross_entropy(-times / 3.0)
    loss = jax.jit(partial(snn.first_spike_cross_entropy, tau=3.0, dt=0.5))
    assert float(loss(SPIKES, LABELS)) == pytest.approx(expected, rel=1e-12)


def test_one_sample_is_as_good_as_a_batch():
    for loss in (*SCORES, snn.per_step_cross_entropy, snn.spike_count_mse):
        each = [float(loss(SPIKES[:, i], LABELS[i])) for i in range(BATCH)]
        assert float(loss(SPIKES, LABELS)) == pytest.approx(np.mean(each)), loss.__name__


# The first spike


def test_first_spike_is_minus_its_step():
    np.testing.assert_array_equal(snn.first_spike(SPIKES), -first_steps(SPIKES))
    train = jnp.zeros((5, 3)).at[0, 0].set(1).at[4, 1].set(1)
    np.testing.assert_array_equal(snn.first_spike(train), [0, -4, -5])


def test_first_spike_of_probabilities_is_the_expected_step():
    p = np.random.default_rng(4).random(6)
    survives = np.concatenate([[1], np.cumprod(1 - p)])
    expected = sum(t * survives[t] * p[t] for t in range(6)) + 6 * survives[6]
    assert -float(snn.first_spike(p)) == pytest.approx(expected, rel=1e-14)
    check_grads(snn.first_spike, (p,), order=1)


@pytest.mark.parametrize("fired", [(), (3,), (3, 4), (2, 6), (0,), (7,)])
def test_first_spike_gradient_is_what_adding_or_removing_a_spike_changes(fired):
    train = np.zeros(8)
    train[list(fired)] = 1
    grad = jax.grad(snn.first_spike)(train)
    expected = []
    for t in range(8):  # linear in each spike, so that the difference is the derivative
        on, off = train.copy(), train.copy()
        on[t], off[t] = 1, 0
        expected.append(first_steps(off[:, None])[0] - first_steps(on[:, None])[0])
    np.testing.assert_array_equal(grad, expected)
    if not fired:
        np.testing.assert_array_equal(grad, 8 - np.arange(8))


def test_silent_neurons_learn_to_fire_first():
    grad = jax.jit(jax.grad(snn.first_spike_cross_entropy))(
        jnp.zeros((6, 1, 3)), jnp.array([1])
    )
    assert np.all(grad[:, 0, 1] < 0)  # more spikes of the right one
    assert np.all(grad[:, 0, [0, 2]] > 0)


# Counts


def test_spike_count_mse_is_a_loop_in_numpy():
    loss = partial(snn.spike_count_mse, correct=0.5, incorrect=0.1)
    total = 0
    for i in range(BATCH):
        for c in range(CLASSES):
            wanted = STEPS * (0.5 if c == LABELS[i] else 0.1)
            total += ((SPIKES[:, i, c].sum() - wanted) / STEPS) ** 2
    expected = total / (BATCH * CLASSES)
    assert float(jax.jit(loss)(SPIKES, LABELS)) == pytest.approx(expected, rel=1e-12)
    check_grads(lambda x: loss(x, LABELS), (SPIKES,), order=1, modes=["rev"])
    perfect = np.zeros((10, 1, 2))
    perfect[:8, 0, 1] = perfect[:2, 0, 0] = 1
    assert float(snn.spike_count_mse(perfect, [1])) == pytest.approx(0, abs=1e-30)


# Spike trains


def test_van_rossum_loss_is_the_distance_of_the_spike_times():
    rng = np.random.default_rng(5)
    a, b = (rng.random((2, 40, 3)) < 0.2).astype(float)
    dt, tau = 0.5, 7.0
    times = lambda train: dt * (np.flatnonzero(train) + 1.0)
    distances = [
        float(snn.measures.van_rossum(times(x), times(y), tau))
        for x, y in zip(a.T, b.T, strict=True)
    ]
    loss = jax.jit(partial(snn.van_rossum_loss, tau=tau, dt=dt))
    assert float(loss(a, b)) == pytest.approx(np.mean(np.square(distances)), rel=1e-12)
    assert float(loss(a, a)) == 0
    np.testing.assert_array_equal(jax.grad(loss)(a, a), 0)
    check_grads(lambda x: loss(x, b), (a,), order=1, modes=["rev"])


def test_van_rossum_loss_of_one_spike_too_many_and_of_a_late_one():
    one = np.zeros((20, 1))
    one[4] = 1
    assert float(snn.van_rossum_loss(one, 0 * one)) == pytest.approx(0.5, rel=1e-14)
    late = np.roll(one, 3, axis=0)
    found = float(snn.van_rossum_loss(late, one, tau=6.0, dt=2.0))
    assert found == pytest.approx(1 - np.exp(-3 * 2.0 / 6.0), rel=1e-14)


def test_spike_train_mse_without_tolerance_is_the_mean_squared_error():
    a, b = SPIKES[:, :10], SPIKES[:, 10:]
    assert float(snn.spike_train_mse(a, b)) == pytest.approx(np.mean((a - b) ** 2))


@pytest.mark.parametrize("tolerance", [0.5, 1.0])
def test_spike_train_mse_with_tolerance_is_a_loop_in_numpy(tolerance):
    soft = np.random.default_rng(6).random((STEPS, BATCH))
    targets, reach = SPIKES[..., 0], round(tolerance / 0.5)
    total = 0
    for i in range(BATCH):
        at = np.flatnonzero(targets[:, i])
        for t in range(STEPS):
            if not len(at) or np.abs(at - t).min() > reach:
                total += soft[t, i] ** 2
        for t in at:
            total += (soft[max(t - reach, 0) : t + reach + 1, i].sum() - 1) ** 2
    loss = jax.jit(partial(snn.spike_train_mse, tolerance=tolerance, dt=0.5))
    assert float(loss(soft, targets)) == pytest.approx(total / soft.size, rel=1e-12)
    check_grads(lambda x: loss(x, targets), (soft,), order=1, modes=["rev"])


def test_spike_train_mse_forgives_within_the_tolerance_only():
    target = np.zeros((20, 1))
    target[10] = 1
    loss = partial(snn.spike_train_mse, tolerance=2.0)
    for shift in range(-2, 3):
        assert float(loss(np.roll(target, shift, 0), target)) == 0
    for shift in (-3, 3):
        assert float(loss(np.roll(target, shift, 0), target)) == pytest.approx(2 / 20)
    twice = np.roll(target, 1, 0) + np.roll(target, -1, 0)
    assert float(loss(twice, target)) == pytest.approx(1 / 20)


# All of them

CALLS = [
    *((loss, LABELS) for loss in (*SCORES, snn.per_step_cross_entropy)),
    (snn.first_spike_cross_entropy, LABELS),
    (snn.spike_count_mse, LABELS),
    (snn.van_rossum_loss, SPIKES),
    (partial(snn.spike_train_mse, tolerance=1.0), SPIKES),
]


@pytest.mark.parametrize(("loss", "targets"), CALLS)
def test_losses_keep_the_dtype_and_are_the_same_mapped(loss, targets):
    outputs = jnp.asarray(SPIKES[:, ::-1], jnp.float32)
    value, grad = jax.jit(jax.value_and_grad(loss))(outputs, targets)
    assert value.dtype == grad.dtype == jnp.float32
    assert np.all(np.isfinite(grad)) and np.any(grad != 0)
    batched = jax.jit(jax.vmap(loss, (0, None)))(jnp.stack([outputs, outputs]), targets)
    np.testing.assert_allclose(batched, value, rtol=1e-6)
    with jax.enable_x64(False):
        single = jnp.asarray(np.asarray(outputs))
        targets = targets.astype(np.int32 if targets.ndim == 1 else np.float32)
        np.testing.assert_allclose(loss(single, targets), value, rtol=1e-5)


def test_accuracy_is_that_of_scikit_learn_for_every_decoder():
    for decode, scores in (
        (snn.mean_over_time, SPIKES.mean(0)),
        (snn.max_over_time, SPIKES.max(0)),
        (snn.last_step, SPIKES[-1]),
        (snn.first_spike, -first_steps(SPIKES)),
    ):
        expected = accuracy_score(LABELS, scores.argmax(1))
        assert float(snn.accuracy(SPIKES, LABELS, decode)) == pytest.approx(expected)
    found = float(snn.accuracy(SPIKES, LABELS))
    assert found == float(snn.accuracy(SPIKES, LABELS, snn.mean_over_time))


def test_losses_refuse():
    with pytest.raises(ValueError, match=r"labels must be in 0 \.\. 3, .* got 0 \.\. 4"):
        snn.rate_cross_entropy(SPIKES, np.where(LABELS == 3, 4, LABELS))
    with pytest.raises(ValueError, match=r"labels must be whole numbers of shape \(20,\)"):
        snn.max_cross_entropy(SPIKES, LABELS[:5])
    with pytest.raises(ValueError, match=r"spike_count_mse\.labels must be whole numbers"):
        snn.spike_count_mse(SPIKES, LABELS.astype(float))
    with pytest.raises(ValueError, match=r"spike_count_mse\.correct must be at most 1"):
        snn.spike_count_mse(SPIKES, LABELS, correct=60)
    with pytest.raises(ValueError, match=r"first_spike_cross_entropy\.tau must be above 0"):
        snn.first_spike_cross_entropy(SPIKES, LABELS, tau=0)
    with pytest.raises(ValueError, match=r"van_rossum_loss\.targets must be spike trains"):
        snn.van_rossum_loss(SPIKES, LABELS)
    with pytest.raises(ValueError, match=r"van_rossum_loss\.tau must be above 0 ms"):
        snn.van_rossum_loss(SPIKES, SPIKES, tau=-1.0)
    with pytest.raises(
        ValueError, match=r"spike_train_mse\.tolerance=0.7 ms must be a whole"
    ):
        snn.spike_train_mse(SPIKES, SPIKES, tolerance=0.7)
    with pytest.raises(
        ValueError, match=r"accuracy\.decode must be a function .* got 'max'"
    ):
        snn.accuracy(SPIKES, LABELS, "max")
