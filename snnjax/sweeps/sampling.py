"""Samples of parameters: at random, by Latin hypercube, by Sobol's sequence."""

from typing import Any

import numpy as np

from snnjax.core import checks
from snnjax.sweeps.points import POINT, Axis, Points


def uniform(n: int, *, seed: int, **ranges: Any) -> Points:
    """`n` points drawn independently; see `latin_hypercube` for the arguments."""
    n = checks.count(n, "uniform.n")
    return _scaled(np.random.default_rng(seed).random((n, len(ranges))), ranges, "uniform")


def latin_hypercube(n: int, *, seed: int, **ranges: Any) -> Points:
    """`n` points, of which each of n equal slices of each parameter has one.

        snn.sweeps.latin_hypercube(1000, seed=0, g_na=(60, 180), g_l=loguniform(0.1, 1))

    - a range is (low, high), or a distribution of `scipy.stats`, such as `norm(120, 10)`.
    - `seed`: decides the points.

    McKay, Beckman & Conover 1979, Technometrics 21:239.
    """
    return _drawn("LatinHypercube", n, seed, ranges, "latin_hypercube")


def sobol(n: int, *, seed: int, **ranges: Any) -> Points:
    """`n` points of a scrambled Sobol sequence; `n` is a power of two.

    They fill the ranges more evenly than random points do: the error of a mean over them falls
    nearly as 1/n. Arguments are those of `latin_hypercube`. Owen 1998, J. Complexity 14:466.
    """
    n = checks.count(n, "sobol.n")
    if n & (n - 1):
        raise ValueError(
            f"sobol.n must be a power of two to be balanced, got {n}. "
            f"Take {1 << n.bit_length() - 1} or {1 << n.bit_length()}."
        )
    return _drawn("Sobol", n, seed, ranges, "sobol")


def _drawn(name: str, n: int, seed: int, ranges: dict[str, Any], what: str) -> Points:
    from scipy.stats import qmc

    n = checks.count(n, f"{what}.n")
    if not ranges:
        return _scaled(np.zeros((n, 0)), ranges, what)
    return _scaled(getattr(qmc, name)(len(ranges), rng=seed).random(n), ranges, what)


def _scaled(unit: np.ndarray, ranges: dict[str, Any], what: str) -> Points:
    """`unit` [points, parameters] of 0 .. 1 as values, through each inverse distribution."""
    if not ranges:
        raise ValueError(f"{what} needs at least one range, such as g_na=(60, 180).")
    quantiles = {n: inverse(r, f"{what}.{n}") for n, r in ranges.items()}
    columns = zip(quantiles.items(), unit.T, strict=True)
    return Points({n: Axis(POINT, np.asarray(f(x))) for (n, f), x in columns})


def inverse(given: Any, name: str) -> Any:
    """The quantiles of a range."""
    if hasattr(given, "ppf"):
        return given.ppf
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high or not np.isfinite([low, high]).all():
        raise ValueError(
            f"{name} must be (low, high) with low below high, or a distribution of "
            f"scipy.stats, got {given!r}."
        )
    return lambda x: low + (high - low) * x
