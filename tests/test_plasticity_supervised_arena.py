"""The rule arena of `benchmarks/rules.py`: a small version of it, and all of it if asked for."""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def arena(monkeypatch, request):
    """The module, made small unless the test is marked slow."""
    monkeypatch.syspath_prepend(str(FOLDER))
    slow = request.node.get_closest_marker("slow")
    monkeypatch.setattr(sys, "argv", ["rules.py"] if slow else ["rules.py", "--small"])
    spec = importlib.util.spec_from_file_location("rules", FOLDER / "rules.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_has_a_score_for_each_seed(arena):
    row = arena.associate("PSD")
    assert row.score.shape == row.epochs.shape == row.spikes.shape == (2,)
    assert np.all(np.isnan(row.epochs)) and row.temporary > 0
    made = arena.Row(np.array([0.5, 1.0]), np.array([np.nan, 7.0]), row.spikes, 1.5, 2**21)
    words = arena.line("PSD", made).split()
    assert words[:6] == ["PSD", "0.750", "[0.625,", "0.875]", "7", "(1)"]
    assert words[-2:] == ["1.50", "2.00"]


def test_all_learners_run_small(arena):
    tempotron = arena.classify("tempotron")
    assert set(tempotron.score * 10) <= set(range(11))
    x = np.zeros((2, 30, 4), np.float32)
    x[:, ::3] = 1
    y = np.zeros((2, 30, 1), np.float32)
    y[:, [10, 20]] = 1
    w = arena.weights(0, 4)
    w[:] = 6.0
    learned = arena.descend(x, y, w, 25)
    assert learned.weights.shape == w.shape and learned.spikes.shape == (25, 2, 30, 1)
    assert np.isfinite(learned.weights).all() and np.abs(learned.weights - w).min() > 0


def test_jitter_moves_spikes_of_each_pattern(arena):
    rng = np.random.default_rng(0)
    patterns = np.zeros((3, 200, 1), np.float32)
    patterns[0, 100] = patterns[2, 50] = 1
    made = arena.jittered(rng, patterns, 400).reshape(400, 3, 200)
    assert made.sum() == 800 and not made[:, 1].any()
    moved = made[:, 0].argmax(-1) - 100
    # 99.9 % of such means and deviations of 400 normal numbers, and the rounding
    assert abs(moved.mean()) < 3.3 * 2 / 20 and abs(moved.std() - 2.02) < 3.3 * 2 / 28.3


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ReSuMe", "SPAN", "PSD", "Chronotron E", "Chronotron I", "likelihood"]
)
def test_the_association_is_learned(arena, name):
    row = arena.associate(name)
    assert np.median(row.score) >= 0.95
    assert np.nanmedian(row.epochs) <= 60


@pytest.mark.slow
def test_the_tempotron_tells_unseen_copies_apart(arena):
    assert np.median(arena.classify("tempotron").score) >= 0.9
