"""Yin-Yang: a small task that a linear readout cannot solve."""

import numpy as np

from snnjax.datasets.split import Split, three_sizes


def yin_yang(
    seed: int = 0,
    n_train: int = 5000,
    n_validation: int = 1000,
    n_test: int = 1000,
    *,
    r_small: float = 0.1,
    r_big: float = 0.5,
) -> Split:
    r"""Points of the yin-yang symbol: yin (0), yang (1) or one of its two dots (2).

    The symbol is the disc of radius R = `r_big` about (R, R). With the distances $d_l$ and
    $d_r$ from the centres (R/2, R) and (3R/2, R) of its two dots of radius r = `r_small`,

    - dot: $d_l < r$ or $d_r < r$;
    - yang: of the others, $d_l \le R / 2$, or $y > R$ and $d_r > R / 2$;
    - yin: the rest, which is yang turned by half a turn.

    Points are uniform over each class, and the classes equally frequent to one point (by
    rejection). Each part is (x [n, 4], labels [n]); the features are (x, y, 2R - x, 2R - y),
    all in 0 .. 1 at the default size, so that the mean drive is the same for all points.
    A linear classifier is right for about two thirds. Kriener, Göltz & Petrovici 2022, NICE: 107.
    """
    if not 0 < r_small <= r_big / 2:
        raise ValueError(
            f"yin_yang.r_small must be above 0 and at most r_big / 2, got r_small={r_small} "
            f"and r_big={r_big}."
        )
    sizes = three_sizes("yin_yang", n_train, n_validation, n_test)
    streams = np.random.default_rng(seed).spawn(3)
    parts = zip(sizes, streams, strict=True)
    return Split(*(_points(rng, n, r_small, r_big) for n, rng in parts))


def _points(rng, n, r_small, r_big) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.permutation(np.arange(n) % 3).astype(np.int32)
    points = np.empty((n, 2))
    for label in range(3):
        rows = np.flatnonzero(labels == label)
        while len(rows):
            tried = rng.uniform(0, 2 * r_big, (20 * len(rows), 2))
            inside = np.hypot(*(tried - r_big).T) <= r_big
            kept = tried[inside & (_class(tried, r_small, r_big) == label)][: len(rows)]
            points[rows[: len(kept)]] = kept
            rows = rows[len(kept) :]
    features = np.concatenate([points, 2 * r_big - points], axis=1)
    return features.astype(np.float32), labels


def _class(points, r_small, r_big) -> np.ndarray:
    x, y = points.T
    left = np.hypot(x - 0.5 * r_big, y - r_big)
    right = np.hypot(x - 1.5 * r_big, y - r_big)
    dot = (left < r_small) | (right < r_small)
    yang = (left <= 0.5 * r_big) | ((y > r_big) & (right > 0.5 * r_big))
    return np.where(dot, 2, yang)
