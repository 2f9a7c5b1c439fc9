"""snnjax with `remat="sqrt"`: less memory for one forward run more."""

import functools

import side
from snnjax_ import build

if __name__ == "__main__":
    side.main(functools.partial(build, remat="sqrt"), "jax", "equinox")
