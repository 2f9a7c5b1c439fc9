"""The form of a data set: what is trained on, chosen by and tested on."""

from typing import NamedTuple

import numpy as np

from snnjax.core import checks


class Split(NamedTuple):
    """Inputs and labels of training, validation and test set."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def cut(x: np.ndarray, y: np.ndarray, sizes: tuple[int, int, int]) -> Split:
    """The first rows of `x` and `y` as training set, the next to validate, the rest to test."""
    ends = np.cumsum(sizes)[:-1]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return Split(*parts)


def three_sizes(name: str, n_train: int, n_validation: int, n_test: int):
    """The sizes of the three parts as whole numbers above 0."""
    sizes = dict(n_train=n_train, n_validation=n_validation, n_test=n_test)
    return tuple(checks.count(n, f"{name}.{part}") for part, n in sizes.items())
