"""`simulate(store=)` and `open_run`: streamed to disk, read lazily, gone on with."""

import errno
import functools
import os
import pathlib
import re
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from tests.test_simulate import Poison, same, stochastic_run
from tests.toys import Echo, Held, Oscillator, PassThrough

simulate, Trace = snn.simulate, snn.Trace


def loaded(tree):
    """A tree with its stored arrays read."""
    return jax.tree.map(np.asarray, tree, is_leaf=lambda x: isinstance(x, snn.StoredArray))


@pytest.fixture(scope="module")
def whole():
    return stochastic_run(jax.random.key(7), n_steps=400)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "a run"
    return path, stochastic_run(jax.random.key(7), n_steps=400, store=path, chunk=100)


def test_a_stored_run_is_the_whole_run_bit_for_bit(whole, stored):
    path, sol = stored
    same(loaded((sol.ts, sol.ys)), loaded((whole.ts, whole.ys)))
    same((sol.state, sol.final), (whole.state, whole.final))
    assert sol.stats == whole.stats
    assert (sol.made, sol.recorded) == (whole.made, whole.recorded)
    again = snn.open_run(path)
    same(loaded((again.ts, again.ys)), loaded((whole.ts, whole.ys)))
    assert again.stats == whole.stats and again.made == whole.made
    same(again.ys["raster"].trimmed(), whole.ys["raster"].trimmed())
    names = {p.suffix for p in path.rglob("*") if p.is_file()}
    assert names == {".json", ".npy", ".npz"} and not list(path.glob("*.part"))


# Reading


def test_a_stored_array_is_sliced_as_numpy_slices(whole, stored):
    x, v = stored[1].ys["v"], np.asarray(whole.ys["v"])
    assert isinstance(x, snn.StoredArray) and repr(x) == "StoredArray(float64[400, 4])"
    assert (x.shape, x.ndim, x.size, len(x), x.nbytes) == (
        v.shape,
        2,
        v.size,
        400,
        v.nbytes,
    )
    rng = np.random.default_rng(0)
    ends = [None, 0, 1, 99, 100, 101, 250, 399, 400, 999, -1, -100, -401]
    for _ in range(300):
        step = rng.choice([None, 1, 2, 7, 100, 150, -1, -3, -130])
        at = slice(*(None if e is None else int(e) for e in (*rng.choice(ends, 2), step)))
        np.testing.assert_array_equal(x[at], v[at])
        np.testing.assert_array_equal(x[at, 1:3], v[at, 1:3])
    for index in (
        0,
        -1,
        100,
        np.int64(299),
        (250, 2),
        (Ellipsis, 1),
        [3, 350],
        v[:, 0] > -60,
    ):
        np.testing.assert_array_equal(x[index], v[index])
    with pytest.raises(IndexError):
        x[400]
    np.testing.assert_array_equal(list(x), v)
    np.testing.assert_array_equal(np.concatenate(list(x.pieces())), v)
    np.testing.assert_array_equal(np.asarray(x, np.float32), v.astype(np.float32))
    assert float(jnp.sum(jnp.asarray(x))) == pytest.approx(v.sum())
    assert x[:0].shape == (0, 4) and x[:0].dtype == x.dtype


def test_a_slice_within_a_chunk_is_mapped_and_not_read(stored):
    def in_file(x):
        while isinstance(x, np.ndarray):
            if isinstance(x, np.memmap):
                return True
            x = x.base
        return False

    assert in_file(stored[1].ys["v"][110:190, 2])
    assert not in_file(stored[1].ys["v"][90:110])


def test_between_cuts_by_time(whole, stored):
    for sol in (whole, stored[1]):
        ts, ys = sol.between(10.0, 25.0)
        np.testing.assert_allclose(ts["v"], 0.1 * np.arange(101, 251))
        np.testing.assert_array_equal(ys["v"], whole.ys["v"][100:250])
        np.testing.assert_array_equal(ys["v5"]["output"], whole.ys["v5"]["output"][20:50])
        np.testing.assert_array_equal(ys["bins"], whole.ys["bins"][2:5])
        np.testing.assert_array_equal(ys["count"], whole.ys["count"])
    assert len(whole.between(50.0, 60.0)[0]["v"]) == 0


def test_the_state_of_a_stored_run_by_name_and_by_type(whole, stored):
    path = stored[0]
    by_name = snn.open_run(path).final
    assert list(by_name) == ["v", "refractory", "noise.key", "noise.count"]
    np.testing.assert_array_equal(by_name["v"], whole.final.v)
    like = snn.open_run(path, whole.final)
    same((like.final, like.state.step), (whole.final, whole.state.step))
    go_on = functools.partial(stochastic_run, jax.random.key(7), n_steps=50)
    same(go_on(state=like.state).ys["v"], go_on(state=whole.state).ys["v"])
    with pytest.raises(ValueError, match=r"like has v, but .*refractory.* Give a state of"):
        snn.open_run(path, Held(1.0))


class Odd(NamedTuple):
    left: Any
    right: Any


def both(state, output):
    return Odd(state.v, [output, (output + 1,)])


def test_any_request_comes_back_in_its_shape(tmp_path):
    x = np.arange(24.0).reshape(8, 3)
    record = {
        "a/b c": [Trace(both, every=2), None],
        "n": {3: (snn.SpikeRaster(12, every=4),)},
    }
    sol = simulate(PassThrough(), x, 0.5, record=record, store=tmp_path / "r", chunk=4)
    plain = simulate(PassThrough(), x, 0.5, record=record)
    got = snn.open_run(tmp_path / "r").ys
    assert type(got["a/b c"][0]).__name__ == "Odd" and got["a/b c"][1] is None
    np.testing.assert_array_equal(got["a/b c"][0].right[1][0], x[1::2] + 1)
    assert isinstance(got["n"][3][0], snn.Events)
    same(loaded(got["n"][3][0]), loaded(plain.ys["n"][3][0]))
    same(got["n"][3][0].trimmed(), plain.ys["n"][3][0].trimmed())
    assert len(got["n"][3][0].trimmed()[0]) == 23
    assert sol.ys["n"][3][0].times.shape == (2, 12)


def test_arrays_of_all_dtypes(tmp_path):
    x = dict(half=jnp.arange(6).astype(jnp.bfloat16), flag=jnp.arange(6) > 2, whole=0.0)
    kinds = lambda state, output: dict(
        half=output["half"].astype(jnp.bfloat16), flag=output["flag"] > 0
    )
    sol = simulate(Echo(), x, 0.5, record=Trace(kinds), store=tmp_path / "r", chunk=2)
    assert (sol.ys["half"].dtype, sol.ys["flag"].dtype) == (jnp.bfloat16, bool)
    np.testing.assert_array_equal(sol.ys["half"][1:5].astype(float), [1, 2, 3, 4])
    np.testing.assert_array_equal(sol.ys["flag"], np.arange(6) > 2)
    empty = simulate(Echo(), x, 0.5, record={}, store=tmp_path / "nothing")
    assert empty.ys == {} and snn.open_run(tmp_path / "nothing").stats["n_steps"] == 6


# Going on


def test_the_same_call_goes_on_and_may_ask_for_more(whole, tmp_path):
    run = functools.partial(stochastic_run, jax.random.key(7), store=tmp_path / "r")
    assert run(n_steps=100, chunk=50).stats["n_steps"] == 100
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "r").rglob("*.npy")}
    run(n_steps=100)  # all there
    assert files == {p: p.stat().st_mtime_ns for p in (tmp_path / "r").rglob("*.npy")}
    sol = run(n_steps=400, chunk=150)
    same(loaded((sol.ts, sol.ys)), loaded((whole.ts, whole.ys)))
    same(sol.state, whole.state)
    with pytest.raises(ValueError, match="holds 400 steps already, more than n_steps=300"):
        run(n_steps=300)


def test_a_run_from_a_state_is_stored_in_its_own_time(whole, tmp_path):
    first = stochastic_run(jax.random.key(7), n_steps=100)
    run = functools.partial(stochastic_run, jax.random.key(7), state=first.state)
    run(n_steps=100, store=tmp_path / "r", chunk=50)
    sol = run(n_steps=300, store=tmp_path / "r", chunk=100)
    np.testing.assert_array_equal(sol.ts["v"], whole.ts["v"][100:])
    same(loaded(sol.ys["v"]), loaded(whole.ys["v"][100:]))
    for k in ("count", "mean", "first", "raster", "own"):
        same(sol.ys[k], loaded(whole.ys[k]))
    assert sol.stats["n_steps"] == 300 and sol.state.step == 400


KILLED = """
import os, signal, sys
import jax, numpy as np
from tests.test_simulate import stochastic_run

save, calls = np.savez, [0]

def die(*args):
    save(*args)
    calls[0] += 1
    if calls[0] == 4:  # within the third chunk, after that of no step
        os.kill(os.getpid(), signal.SIGKILL)

np.savez = die
stochastic_run(jax.random.key(7), n_steps=400, store=sys.argv[1], chunk=50)
"""


def in_python(code, *args):
    root = str(pathlib.Path(__file__).parents[1])
    env = os.environ | dict(PYTHONPATH=root, JAX_ENABLE_X64="1")
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, env=env, cwd=root, capture_output=True, text=True)


def test_a_killed_run_keeps_its_chunks_and_goes_on_bit_for_bit(whole, tmp_path):
    path = tmp_path / "r"
    ended = in_python(KILLED, path)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(list(path.glob("*.part"))) == 1  # killed in the act
    kept = snn.open_run(path)
    assert kept.stats["n_steps"] == 100
    same(loaded(kept.ys["v"]), loaded(whole.ys["v"][:100]))
    assert np.all(kept.ys["count"] <= whole.ys["count"])
    sol = stochastic_run(jax.random.key(7), n_steps=400, store=path, chunk=100)
    same(loaded((sol.ts, sol.ys)), loaded((whole.ts, whole.ys)))
    same(sol.state, whole.state)
    assert not list(path.glob("*.part"))


GROWTH = """
import resource, sys
import jax, snnjax as snn
from tests.toys import PassThrough

def peak(n_steps, name):
    drive = lambda i, dt: jax.numpy.full(2000, i * dt)
    record = dict(v=snn.Trace("v"), n=snn.SpikeCount())
    snn.simulate(PassThrough(), drive, 0.1, n_steps=n_steps, record=record, store=name)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

short = peak(1000, sys.argv[1])
print(peak(8000, sys.argv[2]) - short)
"""


def test_memory_does_not_grow_with_a_stored_run(tmp_path):
    """112 MB more results take no more memory."""
    pytest.importorskip("resource")
    code = "from snnjax.core import arguments; arguments.CHUNK_BYTES = 2**23\n" + GROWTH
    ended = in_python(code, tmp_path / "short", tmp_path / "long")
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) < 30  # MB
    assert snn.open_run(tmp_path / "long").ys["v"].nbytes == 8000 * 2000 * 8


# Refusals


GAIN = 2.0


def double(i, dt):
    return GAIN * i * jnp.ones(3)


def test_refuses_the_store_of_another_run_by_what_differs(tmp_path):
    def run(name="r", model=None, inputs=0.5, dt=0.1, record=None, **kwargs):
        model = Oscillator() if model is None else model
        record = Trace("v") if record is None else record
        kwargs = dict(n_steps=20, shape=(2,), chunk=10) | kwargs
        return simulate(model, inputs, dt, record=record, store=tmp_path / name, **kwargs)

    def refuses(words, name="r", **kwargs):
        with pytest.raises(
            ValueError, match=rf"{name}'? belongs to a run with another {words}"
        ):
            run(name, **kwargs)

    run()
    refuses(r"model\. Give what it was made with", model=Oscillator(gain=1.1))
    refuses("model", model=snn.FitzHughNagumo())
    refuses("inputs", inputs=0.6)
    refuses(r"dt\. dt was 0\.1, is 0\.2", dt=0.2)
    refuses("recorders", record=Trace("w"))
    refuses("recorders", record=Trace("v", every=2))
    refuses("state, key or shape", shape=(3,))
    refuses(r"dt, another skip.*skip was 0, is 5", dt=0.2, skip=1.0)
    run("f", inputs=lambda i, dt: 0.5 * jnp.ones(2))
    run("f", inputs=lambda i, dt: 0.5 * jnp.ones(2))  # does the same
    refuses("function in inputs", "f", inputs=lambda i, dt: 0.6 * jnp.ones(2))
    table = np.arange(20.0)
    run("t", inputs=lambda i, dt: jnp.asarray(table)[i])
    run("t", inputs=lambda i, dt: jnp.asarray(table.copy())[i])
    refuses("function", "t", inputs=lambda i, dt: jnp.asarray(2 * table)[i])
    run("u", until=lambda state, output: state.v.max() > 9.0)
    refuses("function", "u", until=lambda state, output: state.v.max() > 8.0)


def test_refuses_folders_that_are_no_store(tmp_path):
    run = lambda path: simulate(PassThrough(), 0.0, 0.1, n_steps=4, store=path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="file' must be a folder"):
        run(tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match=r"new or empty folder.* it has 'thesis\.tex'"):
        run(tmp_path / "other")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ValueError, match=r"is no folder that simulate\(store=\)"):
            snn.open_run(path)
    with pytest.raises(ValueError, match=r"store=.*need a run outside jit"):
        jax.jit(lambda x: simulate(PassThrough(), x, 0.1, n_steps=4, store="s").ys)(1.0)


def test_a_store_that_cannot_be_written_is_refused_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("snnjax.core.run.Run.__call__", None)  # would fail if it ran
    (tmp_path / "file").write_text("x")
    run = lambda path: simulate(PassThrough(), 0.0, 0.1, n_steps=4, store=path)
    with pytest.raises(
        snn.StoreError, match=r"file/run' cannot be written.*Not a directory"
    ):
        run(tmp_path / "file" / "run")

    open_file = pathlib.Path.open

    def read_only(path, *args, **kwargs):
        if not path.is_relative_to(tmp_path):  # others read and write where they may
            return open_file(path, *args, **kwargs)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(pathlib.Path, "open", read_only)
    with pytest.raises(
        OSError, match=r"run' cannot be written.*Read-only file system"
    ) as e:
        run(tmp_path / "run")
    assert e.value.solution is None


@pytest.mark.parametrize("what", ["save", "savez"])
def test_a_full_disk_loses_nothing_that_was_recorded(whole, what, tmp_path, monkeypatch):
    write = getattr(np, what)

    def full(file, *args):
        if "chunk-000000004" in file.name:
            file.write(b"half of")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, *args)

    run = functools.partial(stochastic_run, jax.random.key(7), store=tmp_path / "r")
    with monkeypatch.context() as broken:
        broken.setattr(np, what, full)
        with pytest.raises(snn.StoreError) as caught:
            run(n_steps=400, chunk=50)
    words = (
        r"r' cannot be written: .*No space left on device.* Nothing up to step 150 is lost"
    )
    assert re.search(words, str(caught.value))
    kept = caught.value.solution
    assert kept.stats["n_steps"] == kept.state.step == 150
    same(loaded(kept.ys["v"]), loaded(whole.ys["v"][:150]))
    assert not list((tmp_path / "r").glob("*.part"))  # its space is free again
    sol = run(n_steps=400, chunk=50)
    same(loaded((sol.ts, sol.ys, sol.state.step)), loaded((whole.ts, whole.ys, 400)))


def test_a_stored_run_that_turns_non_finite_keeps_what_came_before(tmp_path):
    run = functools.partial(
        simulate, Oscillator(), dt=0.1, n_steps=40, record=[Trace("v", every=5)], chunk=10
    )
    with pytest.raises(snn.NonFiniteError) as caught:
        run(Poison(37), store=tmp_path / "r")
    assert caught.value.step == 37
    kept = snn.open_run(tmp_path / "r")
    assert kept.stats["n_steps"] == caught.value.solution.stats["n_steps"] == 35
    np.testing.assert_array_equal(kept.ys[0], run(0.0).ys[0][:7])


@pytest.mark.filterwarnings("ignore::snnjax.LostSpikesWarning")
def test_lost_spikes_are_told_of_a_stored_run_too(tmp_path):
    run = lambda **kwargs: simulate(
        PassThrough(), np.ones((8, 3)), 0.1, chunk=4, store=tmp_path / "r", **kwargs
    )
    with pytest.warns(snn.LostSpikesWarning, match="4 spikes .*give it at least 12"):
        run(record=snn.SpikeRaster(10, every=4))
