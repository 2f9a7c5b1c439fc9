"""Global sensitivity: which parameters make a feature vary, by Sobol's indices."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from snnjax.core import checks
from snnjax.sweeps.call import sweep
from snnjax.sweeps.points import zipped
from snnjax.sweeps.sampling import inverse


class SobolIndex(NamedTuple):
    """How much of the variance of a feature comes from one parameter, with 95 % intervals."""

    feature: str
    parameter: str
    first: float  # by itself
    first_interval: tuple[float, float]
    total: float  # with all its interactions
    total_interval: tuple[float, float]


class SobolIndices(tuple[SobolIndex, ...]):
    """Rows of `SobolIndex`, which print as a table."""

    def of(self, parameter: str, feature: str | None = None) -> SobolIndex:
        """The row of a parameter; `feature` may be left out if there is one."""
        if feature is not None:
            known = dict.fromkeys(row.feature for row in self)
            checks.one_of(feature, known, "SobolIndices.of: feature")
        rows = [row for row in self if feature in (None, row.feature)]
        checks.one_of(
            parameter, [row.parameter for row in rows], "SobolIndices.of: parameter"
        )
        found = [row for row in rows if row.parameter == parameter]
        if len(found) > 1:
            known = [row.feature for row in found]
            raise ValueError(f"SobolIndices.of needs one of the features {known}.")
        return found[0]

    def __str__(self) -> str:
        width = max(len(row.parameter) for row in self)
        lines = []
        for feature in dict.fromkeys(row.feature for row in self):
            lines.append(f"{feature:<{width}}   first order (95 %)      total (95 %)")
            lines += [
                f"{row.parameter:<{width}}  {_cell(row.first, row.first_interval)}  "
                f"{_cell(row.total, row.total_interval)}"
                for row in self
                if row.feature == feature
            ]
        return "\n".join(lines)


def _cell(x: float, interval: tuple[float, float]) -> str:
    return f"{x:6.3f} ({interval[0]:.3f} .. {interval[1]:.3f})"


def sobol_indices(
    function: Callable,
    n: int,
    *,
    seed: int,
    model: Any = None,
    key: Any = None,
    store: Any = None,
    progress: bool = False,
    **ranges: Any,
) -> SobolIndices:
    r"""Parts of the variance of each feature, over ranges of parameters.

        print(snn.sweeps.sobol_indices(rate, 1024, seed=0, g_na=(100, 140), g_k=(30, 42)))

    $$S_i = \frac{\mathrm{Var}(E[y | x_i])}{\mathrm{Var}(y)}, \qquad
      S_{Ti} = 1 - \frac{\mathrm{Var}(E[y | x_{\sim i}])}{\mathrm{Var}(y)}$$

    A parameter with a total index near 0 does not matter anywhere in the ranges; one whose
    total is above its first order acts together with others.

    - `function`, `model`, `key`, `store`, `progress`: as for `sweep`; the function gives
      numbers, each a feature. With a `key` every evaluation has its own noise, which counts as
      interaction of all parameters.
    - `n`: a power of two; `n (d + 2)` evaluations are made for d parameters.
    - `ranges`: (low, high) of each, uniform, or a distribution of `scipy.stats`; independent.

    Estimates are those of `scipy.stats.sobol_indices`, intervals their bootstrap: Saltelli et al.
    2010, Comput. Phys. Commun. 181:259; Sobol 1993, Math. Model. Comput. Exp. 1:407.

    Raises `ValueError` where a feature is not finite at some point, with the first such point.
    """
    from scipy import stats

    if not ranges:
        raise ValueError("sobol_indices needs at least one range, such as g_na=(60, 180).")
    names, quantiles = (
        list(ranges),
        [inverse(r, f"sobol_indices.{p}") for p, r in ranges.items()],
    )
    asked: list[np.ndarray] = []

    def note(x: np.ndarray) -> np.ndarray:
        """What scipy wants evaluated [parameters, points], all of it run in one sweep later."""
        asked.append(x)
        return np.random.default_rng(0).random((2, x.shape[1]))

    uniform = [stats.uniform()] * len(names)
    arguments = dict(n=n, dists=uniform, rng=np.random.default_rng(seed))
    stats.sobol_indices(func=note, **arguments)
    at = np.concatenate(asked, 1)
    values = {p: np.asarray(q(x)) for p, q, x in zip(names, quantiles, at, strict=True)}
    options = dict(model=model, key=key, store=store, progress=progress)
    found = sweep(function, zipped(**values), **options)
    if found.failed:
        where = ", ".join(f"{p}={x:g}" for p, x in found.failed[0].parameters.items())
        raise ValueError(
            f"sobol_indices: {len(found.failed)} of {len(found.points)} points failed, the first "
            f"at {where}: {found.failed[0].reason}. Narrow the ranges, or give a feature that "
            "is defined everywhere."
        )
    for feature, y in found.arrays.items():
        if y.ndim > 1:
            raise ValueError(
                f"sobol_indices.function must give single numbers, but {feature!r} has shape "
                f"{y.shape[1:]}."
            )
        if np.ptp(y) == 0:
            raise ValueError(f"sobol_indices: {feature!r} is {y[0]:g} everywhere.")
    # One more feature, as scipy drops the axis of a single one.
    y = np.stack([*found.arrays.values(), *found.arrays.values()]).astype(float)
    a, b, ab = np.split(y, [n, 2 * n], axis=1)
    ab = np.moveaxis(ab.reshape(len(y), n, -1), -1, 0)

    def indices(at: np.ndarray) -> np.ndarray:
        """[first order or total, feature, parameter] from those of the n samples."""
        found = stats.sobol_indices(
            func=dict(f_A=a[:, at], f_B=b[:, at], f_AB=ab[..., at]), n=n
        )
        both = found.first_order, found.total_order
        return np.stack([np.reshape(x, (len(y), len(names))) for x in both])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an index of exactly 0 has no spread
        spread = stats.bootstrap(
            [np.arange(n)], indices, vectorized=False, method="percentile", n_resamples=999,
            rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
    values = np.moveaxis(np.stack([indices(np.arange(n)), spread.low, spread.high]), 0, -1)
    return SobolIndices(
        SobolIndex(
            feature, p, *(part for x in values[:, i, k] for part in _with_interval(*x))
        )
        for i, feature in enumerate(found.arrays)
        for k, p in enumerate(names)
    )


def _with_interval(x: Any, low: Any, high: Any) -> tuple[float, tuple[float, float]]:
    return float(x), (float(low), float(high))
