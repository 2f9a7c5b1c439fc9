"""Randman: classes that are smooth random manifolds of spike times."""

import math

import numpy as np

from snnjax.core import checks
from snnjax.datasets.split import Split, cut, three_sizes


def randman(
    seed: int = 0,
    n_classes: int = 10,
    n_units: int = 100,
    dimension: int = 1,
    alpha: float = 2.0,
    *,
    n_train: int = 8000,
    n_validation: int = 1000,
    n_test: int = 1000,
) -> Split:
    r"""One spike a unit, at times that lie on a smooth random manifold, one a class.

    Unit i of a class fires at $f_i(x)$, where x is uniform in the `dimension` D-dimensional
    unit cube and

    $$f_i(x) = \prod_{j=1}^{D} \sum_{k=1}^{K} \frac{\theta_{ijk}}{k^\alpha}
    \sin (2 \pi (k x_j \chi_{ijk} + \psi_{ijk})),$$

    with $\theta, \chi, \psi$ uniform in 0 .. 1 and drawn by `seed`. Larger `alpha` (above 0)
    is smoother. The sum ends where $k^{-\alpha}$ falls below 1e-3, at K = 1000 at the latest.
    Then, over all samples of a class, the times of each unit are scaled to 0 .. 1, so that
    neither its mean nor its range tells the class. All units fire once: counts tell nothing.

    Each part is (times [n, n_units] in 0 .. 1, labels [n]), float32 and int32; the classes
    of all samples together are equally frequent to one sample. `SpikeTimeCode(n_steps)` bins
    them into [n_steps, n, n_units]. Zenke & Vogels 2021, Neural Comput. 33:899.
    """
    sizes = three_sizes("randman", n_train, n_validation, n_test)
    for name, value in dict(
        n_classes=n_classes, n_units=n_units, dimension=dimension
    ).items():
        checks.count(value, f"randman.{name}")
    checks.positive(alpha, "randman.alpha")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(sum(sizes)) % n_classes).astype(np.int32)
    times = np.empty((sum(sizes), n_units), np.float32)
    for label, stream in enumerate(rng.spawn(n_classes)):
        rows = np.flatnonzero(labels == label)
        times[rows] = _standardised(_manifold(stream, len(rows), n_units, dimension, alpha))
    return cut(times, labels, sizes)


def _manifold(rng, n, n_units, dimension, alpha) -> np.ndarray:
    """f of n random points, [n, n_units]."""
    n_harmonics = min(math.ceil(1e-3 ** (-1 / alpha)), 1000)
    theta, chi, psi = rng.random((3, n_harmonics, dimension, n_units))
    x = rng.random((n, dimension, 1))
    total = np.zeros((n, dimension, n_units))
    for k in range(1, n_harmonics + 1):  # all at once would take K times the memory
        phase = k * x * chi[k - 1] + psi[k - 1]
        total += theta[k - 1] / k**alpha * np.sin(2 * np.pi * phase)
    return total.prod(1)


def _standardised(times) -> np.ndarray:
    low, high = times.min(0, initial=np.inf), times.max(0, initial=-np.inf)
    return (times - low) / np.where(high > low, high - low, 1)
