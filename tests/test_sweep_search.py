"""Search and sensitivity on top of sweeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

sweeps = snn.sweeps


def ishigami(x, y, z):
    """Ishigami & Homma 1990, whose indices are known."""
    return jnp.sin(x) + 7 * jnp.sin(y) ** 2 + 0.1 * z**4 * jnp.sin(x)


RANGES = dict.fromkeys("xyz", (-np.pi, np.pi))


def test_sobol_indices_of_a_function_that_has_a_closed_form(tmp_path):
    v_1 = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2
    v_2, v_13 = 7**2 / 8, 0.1**2 * np.pi**8 * (1 / 18 - 1 / 50)
    whole = v_1 + v_2 + v_13
    found = sweeps.sobol_indices(ishigami, 4096, seed=0, **RANGES)
    first = dict(x=v_1, y=v_2, z=0.0)
    total = dict(x=v_1 + v_13, y=v_2, z=v_13)
    for name in "xyz":
        row = found.of(name)
        np.testing.assert_allclose(row.first, first[name] / whole, atol=0.02)
        np.testing.assert_allclose(row.total, total[name] / whole, atol=0.02)
        low, high = row.total_interval
        assert low < row.total < high and high - low < 0.1
    for _ in range(2):
        stored = sweeps.sobol_indices(ishigami, 4096, seed=0, store=tmp_path, **RANGES)
        assert stored == found
    assert (tmp_path / "sweep.json").exists()
    assert "ishigami" in str(found) and "0.3" in str(found)


def test_of_several_features_and_of_a_model():
    feature = lambda cell, current: dict(
        rheobase=cell.g_l * (cell.threshold.level - cell.e_l), mixed=cell.g_l * current
    )
    ranges = {"g_l": (8.0, 12.0), "e_l": (-80.0, -70.0), "current": (0.0, 1e-3)}
    found = sweeps.sobol_indices(feature, 512, seed=1, model=snn.LIF(), **ranges)
    assert len(found) == 6
    assert found.of("current", "rheobase").total < 1e-6
    assert found.of("current", "mixed").total > 0.8
    assert found.of("e_l", "rheobase").first > found.of("g_l", "rheobase").first > 0.05
    with pytest.raises(ValueError, match="needs one of the features"):
        found.of("g_l")
    with pytest.raises(ValueError, match=r"of: feature must be .* Did you mean 'mixed'"):
        found.of("g_l", "mixd")


def test_local_slopes_at_every_point():
    """Forward mode inside, points outside."""
    slope = jax.jacfwd(lambda x: ishigami(x, 1.0, 2.0))
    x = np.linspace(-1.0, 1.0, 7)
    found = snn.sweep(slope, dict(x=x))["value"].values
    np.testing.assert_allclose(found, np.cos(x) * (1 + 0.1 * 2.0**4), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sweeps.sobol_indices(ishigami, 64, seed=0), "at least one range"),
        (lambda: sweeps.sobol_indices(ishigami, 60, seed=0, **RANGES), "power of 2"),
        (
            lambda: sweeps.sobol_indices(jnp.log, 64, seed=0, x=(-1, 1)),
            "points failed.* x=-",
        ),
        (
            lambda: sweeps.sobol_indices(lambda x: 0 * x, 64, seed=0, x=(0, 1)),
            "0 everywhere",
        ),
        (
            lambda: sweeps.sobol_indices(lambda x: x * jnp.ones(2), 64, seed=0, x=(0, 1)),
            r"single numbers, but 'value' has shape \(2,\)",
        ),
        (
            lambda: sweeps.sobol_indices(ishigami, 64, seed=0, x=(2, 1)),
            r"x must be \(low, h",
        ),
    ],
)
def test_indices_that_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def score(x, y, key, epochs):
    """Noise that falls with the budget; NaN in a corner."""
    noise = jax.random.normal(key) / epochs
    return jnp.where(x + y > 1.7, jnp.nan, (x - 0.3) ** 2 + (y - 0.7) ** 2 + noise)


def halve(**changes):
    points = sweeps.sobol(64, seed=2, x=(0.0, 1.0), y=(0.0, 1.0))
    arguments = dict(
        budget="epochs", budgets=[10, 100, 10_000], eta=4, key=jax.random.key(0)
    )
    return sweeps.successive_halving(score, points, **arguments | changes)


def test_successive_halving():
    found = halve()
    assert [len(rung.points) for rung in found.rungs] == [64, 16, 4]
    for few, many in zip(found.rungs[1:], found.rungs, strict=False):
        scores = many["score"].values
        kept = np.argsort(np.where(np.isfinite(scores), scores, np.inf))[: len(few.points)]
        np.testing.assert_array_equal(few.points.numbers, many.points.numbers[kept])
    last = found.rungs[-1]
    assert found.score == np.nanmin(last["score"].values) and found.best == last.best()
    assert abs(found.best["x"] - 0.3) < 0.2 and abs(found.best["y"] - 0.7) < 0.2
    assert "64 points" in str(found) and "best: x=" in str(found)
    assert any(f.reason == "score is not finite" for f in found.rungs[0].failed)


def test_rungs_are_stored(tmp_path):
    first = halve(store=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rung-0", "rung-1", "rung-2"]
    (tmp_path / "rung-2" / "batch-000000.npz").unlink()
    assert halve(store=tmp_path).best == first.best


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(eta=1.0), "eta must be above 1"),
        (dict(budgets=[]), "budgets needs at least one"),
        (dict(budget="x"), "budget='x' is swept as well"),
        (dict(budget="epoch"), "and budget names 'epoch'.* Did you mean 'epochs'"),
    ],
)
def test_halving_that_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        halve(**changes)


def test_a_search_that_is_finite_nowhere_is_said():
    with pytest.raises(ValueError, match="finite at no point: value is not finite"):
        sweeps.successive_halving(
            lambda x, n: x * jnp.nan, dict(x=[1.0, 2.0]), budget="n", budgets=[1]
        )
