"""A sweep in a folder: killed and gone on with, refused where it is another's."""

import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.sweeps.program import Compiled

OVER = dict(x=np.linspace(0.0, 3.0, 23), y=np.arange(3.0))
KEY = jax.random.key(1)


def noisy(x, y, key):
    steps = jax.random.normal(key, (50,))
    return dict(end=jnp.sin(x) * y + steps.sum(), path=jnp.cumsum(steps)[::10])


def run(folder=None, **changes):
    arguments = dict(over=OVER, key=KEY, batch=8, store=folder)
    return snn.sweep(changes.pop("function", noisy), **arguments | changes)


def same(a, b):
    assert a.failed == b.failed
    for name, x in a.arrays.items():
        np.testing.assert_array_equal(x, b[name].values)


def files(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("batch-*.npz")}


def test_a_stored_sweep_is_read_back_and_not_run_again(tmp_path, monkeypatch):
    whole = run(tmp_path / "s")
    same(whole, run())
    assert len(files(tmp_path / "s")) == 9
    monkeypatch.setattr(Compiled, "__init__", None)  # nothing is compiled
    same(run(tmp_path / "s", batch="auto"), whole)


def test_any_result_is_stored_under_any_name(tmp_path):
    """As are those that np.savez has arguments for, and numbers that NumPy does not know."""
    odd = lambda x, y, key: dict(file=x, allow_pickle=y, low=x.astype(jnp.bfloat16))
    first = run(tmp_path, function=odd)
    same(run(tmp_path, function=odd), first)
    np.testing.assert_array_equal(first["allow_pickle"].values[0], OVER["y"])
    np.testing.assert_allclose(first["low"].values[:, 0], OVER["x"], rtol=1e-2)


def test_batches_that_are_missing_are_run(tmp_path):
    whole = run(tmp_path)
    for number in (0, 4, 8):
        (tmp_path / f"batch-{number:06d}.npz").unlink()
    before = files(tmp_path)
    same(run(tmp_path), whole)
    after = files(tmp_path)
    assert len(after) == 9 and {n: after[n] for n in before} == before


SCRIPT = """
import os, signal, sys
import jax
jax.config.update("jax_enable_x64", True)
from tests import test_sweep_store as t
from snnjax.sweeps.store import Store
write = Store.write
def kill_at_the_fourth(self, number, *args):
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, number, *args)
Store.write = kill_at_the_fourth
t.run(sys.argv[1])
"""


def test_a_killed_process_goes_on_with_the_same_bits(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    killed = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    before = files(tmp_path)
    assert len(before) == 4
    same(run(tmp_path), run())
    after = files(tmp_path)
    assert len(after) == 9 and {n: after[n] for n in before} == before


def test_failures_are_kept(tmp_path):
    cut = lambda x, y, key: jnp.where(x > 2.8, jnp.nan, x) * y
    first = run(tmp_path, function=cut)
    assert len(first.failed) == 6
    same(run(tmp_path, function=cut), first)
    with pytest.raises(snn.sweeps.SweepError, match="value is not finite"):
        run(tmp_path, function=cut, on_error="raise")


def other(x, y, key):
    return dict(noisy(x, y, key), end=jnp.sin(x) * y)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (dict(function=other), "function"),
        (dict(over=dict(x=OVER["x"] + 1e-9, y=OVER["y"])), "points"),
        (dict(over=dict(y=OVER["y"], x=OVER["x"])), "points"),
        (dict(key=jax.random.key(2)), "key"),
    ],
)
def test_another_sweep_is_refused(tmp_path, changes, what):
    run(tmp_path)
    before = files(tmp_path)
    with pytest.raises(ValueError, match=f"is of another sweep: its {what} differs"):
        run(tmp_path, **changes)
    assert files(tmp_path) == before


def test_a_constant_in_the_function_makes_another_sweep(tmp_path):
    scaled = lambda c: lambda x, y, key: c * x
    data = np.arange(3.0)
    weighed = lambda d: lambda x, y, key: (jnp.asarray(d) * x).sum()
    jitted = lambda d: jax.jit(weighed(d))  # a program within the program
    run(tmp_path / "a", function=scaled(2.0))
    run(tmp_path / "a", function=scaled(2.0))
    with pytest.raises(ValueError, match="its function differs"):
        run(tmp_path / "a", function=scaled(2.5))
    run(tmp_path / "b", function=weighed(data))
    with pytest.raises(ValueError, match="its function differs"):
        run(tmp_path / "b", function=weighed(data + 1))
    run(tmp_path / "c", function=jitted(data))
    run(tmp_path / "c", function=jitted(data.copy()))
    with pytest.raises(ValueError, match="its function differs"):
        run(tmp_path / "c", function=jitted(data + 1))


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("42")
    with pytest.raises(ValueError, match="holds other files"):
        run(tmp_path / "other")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".sweep.json.77").write_text("{")  # of a process that was killed
    same(run(tmp_path / "new"), run())
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="holds other files"):
        run(tmp_path / "file")
    with pytest.raises(ValueError, match="cannot be written"):
        run(tmp_path / "file" / "below")
    assert (tmp_path / "other" / "thesis.tex").read_text() == "42"


def test_a_full_disk_is_said_and_gone_on_from(tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) == 6:
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left.*goes on after the last batch"):
        run(tmp_path)
    assert 0 < len(files(tmp_path)) < 9
    assert not list(tmp_path.glob(".*"))
    same(run(tmp_path), run())
