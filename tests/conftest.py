"""Before anything else: float64, no window for a figure, and a fair share of the cores."""

import os

_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _workers > 1:  # read by XLA and by BLAS as they start
    _threads = str(max(1, (os.cpu_count() or 1) // _workers))
    for _name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, _threads)
os.environ.setdefault("MPLBACKEND", "Agg")

import gc

import hypothesis
import jax
import pytest

# What jax keeps of each program is walked by every collection, and there are thousands.
gc.set_threshold(50_000, 20, 20)

jax.config.update("jax_enable_x64", True)
# Programs without the Python lines they come from: 5 % of the time of all tests.
jax.config.update("jax_traceback_in_locations_limit", 0)

hypothesis.settings.register_profile(
    "snnjax", deadline=None, derandomize=True, max_examples=25, database=None
)
hypothesis.settings.load_profile("snnjax")


@pytest.fixture
def key():
    return jax.random.key(0)
