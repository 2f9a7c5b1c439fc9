"""The digits: their split, and what a spiking network makes of them."""

import jax
import numpy as np
import pytest

import snnjax as snn
from snnjax.cli.digits import train_digits


def test_split_is_stratified_and_by_seed():
    parts = snn.datasets.digits(seed=0)
    assert [len(y) for _, y in parts] == [1078, 359, 360]
    for x, y in parts:
        assert x.shape == (len(y), 64)
        assert x.min() == 0 and x.max() == 1
        assert np.ptp(np.bincount(y, minlength=10)) <= 0.2 * len(y) / 10
    rows = np.concatenate([x for x, _ in parts])
    assert len(np.unique(rows, axis=0)) == 1797  # no digit is in two parts
    again, other = snn.datasets.digits(seed=0), snn.datasets.digits(seed=1)
    np.testing.assert_array_equal(parts.test[0], again.test[0])
    assert not np.array_equal(parts.test[0], other.test[0])


@pytest.mark.parametrize(
    ("epochs", "accuracy"), [(8, 0.95), pytest.param(30, 0.96, marks=pytest.mark.slow)]
)
def test_spiking_network_learns_them(epochs, accuracy):
    with jax.enable_x64(False):  # as a user runs it
        result = train_digits(seed=0, epochs=epochs, progress=False)
    assert result.test_accuracy >= accuracy
    correct = np.mean(result.predicted == result.data.test[1])
    assert result.test_accuracy == pytest.approx(correct, abs=1e-6)
    best = result.history.best_epoch
    assert result.validation_accuracy == result.history.validation_score.max()
    assert result.history.validation_score[best] == result.validation_accuracy
    assert result.reloaded_identical
    spikes = result.layer_outputs[1]
    assert set(np.unique(spikes)) == {0.0, 1.0}
    assert 0.01 < spikes.mean() < 0.5
