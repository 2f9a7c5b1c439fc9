"""Training that is interrupted, killed, resumed, stopped early or watched."""

import json
import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn
from tests.test_training import HELD_OUT, TRAIN


def adam(rate=0.05):
    """Which climbs the loss after the second of the epochs, so that the last is not the best."""
    return optax.adam(lambda step: jnp.where(step < 14, rate, -0.2))


ADAM, STILL = adam(), snn.LatencyCode(6)  # STILL: without a random encoder


def network():
    """A single layer, which is quickly compiled: how it is run is not what is tested here."""
    return snn.Linear(6, 2, key=jax.random.key(3))


def train(model=None, data=TRAIN, **kwargs):
    settings = dict(
        validation=HELD_OUT, encode=snn.BernoulliCode(6), optimizer=ADAM, epochs=4,
        key=jax.random.key(2), batch_size=10, progress=False,
    )  # fmt: skip
    return snn.fit(network() if model is None else model, data, **{**settings, **kwargs})


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def same_history(a, b):
    for name in ("loss", "validation_loss", "validation_score", "penalty"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    same(a.gradient_norms, b.gradient_norms)
    assert a.best_epoch == b.best_epoch


@pytest.fixture(scope="module")
def whole():
    return train()


def stop_after(n):
    return lambda epoch: epoch.epoch == n - 1


class Halt(Exception):
    pass


def halt_after(n):
    def callback(epoch):
        if epoch.epoch == n - 1:
            raise Halt

    return callback


# Checkpoints


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_resumed_training_has_the_same_numbers_bit_for_bit(whole, tmp_path, every):
    with pytest.raises(Halt):
        train(
            callbacks=[halt_after(3)], checkpoint=tmp_path / "run", checkpoint_every=every
        )
    seen = []
    net, history = train(checkpoint=tmp_path / "run", callbacks=[lambda e: seen.append(e)])
    assert [e.epoch for e in seen] == list(range(3 // every * every, 4))
    assert f"resumed after epoch {3 // every * every - 1}" in history.made
    assert history.best_epoch < 2
    same(net, whole[0])
    same_history(history, whole[1])
    again = train(checkpoint=tmp_path / "run")  # nothing left to do
    same(again[0], net)
    same_history(again[1], history)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "fit-00004.eqx",
        "fit.json",
    ]


def test_more_epochs_go_on_from_a_finished_training(whole, tmp_path):
    _, short = train(epochs=2, checkpoint=tmp_path)
    assert short.stopped == "epochs" and len(short.loss) == 2
    net, history = train(epochs=4, checkpoint=tmp_path)
    same(net, whole[0])
    same_history(history, whole[1])


SCRIPT = """
import os, signal, sys
import snnjax as snn
from tests.test_fit_resume import train

class Killer:  # from within the epoch, as the batch is being run
    def __call__(self, epoch):
        if epoch.epoch == 1:
            import threading
            threading.Timer(0.0, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()

train(checkpoint=sys.argv[1], epochs=4000, callbacks=[Killer()])
"""


def test_a_killed_process_goes_on_where_it_stood(whole, tmp_path):
    env = {**os.environ, "JAX_ENABLE_X64": "1", "PYTHONPATH": os.getcwd()}
    run = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], env=env, check=False)
    assert run.returncode == -signal.SIGKILL
    note = json.loads((tmp_path / "fit.json").read_text())
    assert 2 <= len(note["rows"]) < 100
    if len(note["rows"]) > 4:  # the kill came late: compare as far as it went
        whole = train(epochs=len(note["rows"]))
    net, history = train(epochs=len(whole[1].loss), checkpoint=tmp_path)
    same(net, whole[0])
    same_history(history, whole[1])


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (dict(model=jax.tree.map(lambda x: 2 * x if x is not None else x, network())), "model"),
        (dict(data=(TRAIN[0] + 0.01, TRAIN[1])), "data"),
        (dict(validation=(HELD_OUT[0], 1 - HELD_OUT[1])), "validation"),
        (dict(optimizer=adam(0.06)), "optimizer"),
        (dict(optimizer=optax.adam(optax.cosine_decay_schedule(0.05, 5000))), "optimizer"),
        (dict(optimizer=optax.sgd(0.05)), "optimizer"),
        (dict(key=jax.random.key(3)), "key"),
        (dict(where="*weight"), "where"),
        (dict(batch_size=11), "batch_size"),
        (dict(dt=0.5), "dt"),
        (dict(loss=snn.max_cross_entropy), "loss"),
        (dict(encode=snn.BernoulliCode(6, max_probability=0.9)), "encode"),
        (dict(score=None), "score"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)  # fmt: skip
def test_a_checkpoint_of_another_training_is_refused(other, name, old, tmp_path):
    with pytest.raises(ValueError, match=rf"belongs to a training with another {name}\. "):
        train(**other, checkpoint=old)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    train(epochs=1, checkpoint=folder)
    return folder


def test_the_same_optimiser_made_anew_is_accepted(old):
    _, history = train(epochs=1, checkpoint=old, optimizer=adam())
    assert len(history.loss) == 1


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(
        ValueError, match=r"fit\.checkpoint=.*must be a folder, it is a file"
    ):
        train(checkpoint=tmp_path / "x")


# Stopping, and being watched


def test_patience_ends_a_training_that_no_longer_improves(whole, tmp_path):
    # After one epoch nothing moves any more.
    frozen = optax.adam(lambda step: jnp.where(step < 7, 0.05, 0.0))
    seen = []
    run = lambda: train(
        optimizer=frozen,
        epochs=50,
        patience=3,
        checkpoint=tmp_path,
        callbacks=[seen.append],
    )
    _, history = run()
    assert history.stopped == "patience"
    assert len(history.loss) == history.best_epoch + 4
    n = len(seen)
    _, again = run()
    assert len(seen) == n and again.stopped == "patience"
    with pytest.raises(ValueError, match=r"fit\.patience needs validation"):
        train(patience=2, validation=None)


def test_a_callback_sees_every_epoch_and_may_stop(whole, tmp_path):
    seen, models = [], []

    def watch(epoch):
        seen.append(epoch)
        models.append(epoch.model())
        return epoch.epoch == 2

    run = lambda: train(callbacks=[watch], checkpoint=tmp_path)
    net, history = run()
    assert history.stopped == "callback"
    assert [e.epoch for e in seen] == [0, 1, 2]
    np.testing.assert_array_equal([e.loss for e in seen], history.loss)
    np.testing.assert_array_equal(history.loss, whole[1].loss[:3])
    bests = [e.epoch for e in seen if e.best]
    assert bests[0] == 0 and bests[-1] == history.best_epoch < 2
    same(models[history.best_epoch], net)
    assert np.any(models[0].weight != models[2].weight)
    same(run()[0], net)  # it has ended
    assert len(seen) == 3
    same(train(checkpoint=tmp_path)[0], whole[0])  # without the callback it goes on


def test_ctrl_c_returns_the_best_so_far(whole):
    def interrupt(epoch):
        if epoch.epoch == 1:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted after 2 of 4 epochs; the best"):
        net, history = train(callbacks=[interrupt])
    assert history.stopped == "interrupted" and len(history.loss) == 2
    expected, _ = train(epochs=2)
    same(net, expected)

    def at_once(x, key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(augment=at_once)


def test_an_error_says_when_and_how_good_it_had_been():
    rate = lambda step: jnp.where(step < 14, 0.05, jnp.inf)
    with pytest.raises(
        ValueError,
        match=r"no longer finite in epoch 2: .* in batch \d.*The best epoch until",
    ):
        train(optimizer=optax.sgd(rate), encode=STILL)


# Not compiled twice


def test_nothing_is_compiled_again(tmp_path):
    count = 0

    def loss(outputs, labels):
        nonlocal count
        count += 1
        return snn.rate_cross_entropy(outputs, labels)

    def traces(**kwargs):
        nonlocal count
        count = 0
        train(loss=loss, encode=STILL, **kwargs)
        return count

    rehearsals = 2  # training and validation, without numbers
    first = traces(epochs=3)
    assert first > rehearsals
    assert traces(epochs=5, model=jax.tree.map(lambda x: 2 * x, network())) == rehearsals
    assert traces(epochs=2, key=jax.random.key(8), checkpoint=tmp_path) == rehearsals
    assert traces(epochs=4, key=jax.random.key(8), checkpoint=tmp_path) == rehearsals
    assert traces(epochs=1, optimizer=optax.adam(0.05)) == first  # another object
