"""Handwritten digits by surrogate gradient: two hidden layers of 256 LIF, rate code, five seeds.

What `snnjax train digits` trains: split 60/20/20 by seed, the epoch chosen on the validation
set.
"""

import platform
import time

import jax
import numpy as np

import snnjax as snn
from snnjax.cli.digits import train_digits


def main(seeds=range(5)):
    print(
        f"snnjax {snn.__version__}, jax {jax.__version__}, Python {platform.python_version()}, "
        f"{jax.devices()[0].platform}, {np.dtype(jax.numpy.result_type(float))}"
    )
    found = []
    for seed in seeds:
        start = time.perf_counter()
        result = train_digits(seed=seed, progress=False)
        found.append(100 * result.test_accuracy)
        print(
            f"seed {seed}: test {found[-1]:.2f} %, validation "
            f"{100 * result.validation_accuracy:.2f} % at epoch {result.history.best_epoch}, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
    print(
        f"test accuracy {np.mean(found):.2f} +- {np.std(found):.2f} % over {len(found)} seeds"
    )


if __name__ == "__main__":
    main()
