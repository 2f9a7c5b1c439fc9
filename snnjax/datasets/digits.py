"""Handwritten digits, 8 x 8 pixels."""

import numpy as np

from snnjax.datasets.split import Split


def digits(seed: int = 0) -> Split:
    """The 1797 handwritten digits that scikit-learn ships, split 60/20/20.

    Each part is (x [n, 64] in 0 .. 1, labels [n] in 0 .. 9), stratified by label and drawn by
    `seed`. From Alpaydin & Kaynak 1998, UCI "Optical Recognition of Handwritten Digits"; no
    download.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16.0).astype(np.float32), y.astype(np.int32)
    x_train, x_rest, y_train, y_rest = train_test_split(
        x, y, test_size=0.4, stratify=y, random_state=seed
    )
    x_val, x_test, y_val, y_test = train_test_split(
        x_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=seed
    )
    return Split((x_train, y_train), (x_val, y_val), (x_test, y_test))
