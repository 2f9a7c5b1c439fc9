"""The releases of jax that compute wrong numbers, and the warning about them."""

import importlib.metadata
import os
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.core.versions import (
    MiscompilingJaxWarning,
    jax_requirement,
    warn_if_miscompiling,
    xla_flags,
)


@pytest.mark.parametrize("reduce", ["sum", "max"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_a_large_batch_are_right(dtype, reduce):
    # Fails in float32 on jax 0.9.1 to 0.10.2, first at row 32,768, and in float64 on 0.10.2,
    # first at row 16,384. See https://github.com/jax-ml/jax/issues/39103
    rng = np.random.default_rng(0)
    matrix = rng.integers(-8, 8, (3, 3)).astype(dtype)
    rows = rng.integers(-8, 8, (40_000, 3)).astype(dtype)  # whole numbers: no rounding
    with jax.default_device(jax.devices("cpu")[0]):
        of_row = lambda row: getattr(jnp, reduce)(matrix @ row)
        result = jax.jit(jax.vmap(of_row))(jnp.asarray(rows))
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, getattr(np, reduce)(rows @ matrix.T, axis=1))


@pytest.mark.parametrize("version", ["0.9.1", "0.9.2", "0.10.0", "0.10.2", "0.11.1"])
def test_an_excluded_release_is_warned_about_once(version):
    with pytest.warns(MiscompilingJaxWarning) as record:
        warn_if_miscompiling(version)
    assert len(record) == 1
    message = str(record[0].message)
    assert f"jax {version} " in message
    assert "pip install 'jax" in message
    assert f"!={'0.10.*' if version.startswith('0.10') else version}" in message
    assert ">=0.8" in message


@pytest.mark.parametrize(
    "version", ["0.8.0", "0.9.0.1", "0.11.0", "0.11.2", "0.12.0.1", "0.12.1.dev20261101"]
)
def test_a_sound_release_is_not_warned_about(version):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_miscompiling(version)


def test_the_range_is_read_from_the_installed_package():
    lines = importlib.metadata.requires("snnjax")
    required = jax_requirement()
    assert required is not None
    assert not required.extras  # the plain one, not jax[cuda12] of an extra
    assert any(required.specifier == type(required)(line).specifier for line in lines)
    assert jax.__version__ in required.specifier


def test_a_source_tree_that_is_not_installed_says_nothing():
    assert jax_requirement("no-such-distribution") is None
    warn_if_miscompiling("0.9.2", "no-such-distribution")


@pytest.mark.parametrize(("version", "warned"), [("0.9.2", True), ("0.11.2", False)])
def test_import_warns(version, warned):
    code = f"import jax; jax.__version__ = {version!r}; import snnjax"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("MiscompilingJaxWarning") == warned


def test_flags_of_xla():
    wide = "--xla_cpu_prefer_vector_width=512"
    assert xla_flags("0.12.0.1", "") == wide
    assert xla_flags("0.12.0.1", "--xla_dump_to=/x") == f"--xla_dump_to=/x {wide}"
    mine = "--xla_cpu_prefer_vector_width=256"
    assert xla_flags("0.12.0.1", mine) == mine
    older = xla_flags("0.9.0.1", "")
    assert older.startswith("--xla_backend_extra_options=xla_cpu_small") and wide in older
    assert xla_flags("0.9.0.1", older) == older
    assert xla_flags("0.13.0", "") == ""  # not tried: XLA ends at a flag it does not know


def test_flags_are_set_and_known():
    code = "import snnjax, os, jax.numpy as jnp; jnp.ones(3).sum(); print(os.environ['XLA_FLAGS'])"
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == xla_flags(jax.__version__, "").split()
