"""How a run begins and ends: `skip=`, `until=`, Ctrl-C, and the bar that tells how long."""

import functools
import re
import signal

import jax
import numpy as np
import pytest

import snnjax as snn
from snnjax.core import chunks
from snnjax.core.progress import StepBar
from tests.test_simulate import Poison, same
from tests.test_store import loaded
from tests.toys import NoisyNeuron, Oscillator, PassThrough, WhiteInput

simulate, Trace = snn.simulate, snn.Trace


@pytest.fixture(autouse=True)
def sigint_raises():
    """Processes that a shell starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


RAMP = np.arange(40.0)[:, None] + np.array([0.0, 0.25])  # v after step i is i and i + 1/4


def ramp(**kwargs):
    kwargs = dict(record=Trace("v")) | kwargs
    return simulate(PassThrough(), RAMP, 0.5, **kwargs)


def stochastic_run(key, **kwargs):
    drive = WhiteInput(25.0, 5.0, jax.random.fold_in(key, 1), (4,))
    record = dict(
        v=Trace("v"),
        v5=Trace("v", "output", every=5),
        bins=snn.SpikeCount(every=50),
        count=snn.SpikeCount(),
        first=snn.FirstSpike(),
    )
    key = jax.random.fold_in(key, 2)
    return simulate(NoisyNeuron(), drive, 0.1, record=record, key=key, **kwargs)


@pytest.fixture(scope="module")
def whole():
    return stochastic_run(jax.random.key(7), n_steps=400)


# An initial transient


def test_what_is_skipped_is_run_and_not_recorded():
    record = dict(
        v=Trace("v", every=5), n=snn.Sum("v"), bins=snn.Sum("v", every=10), t=Trace()
    )
    sol = ramp(record=record, skip=5.0)
    np.testing.assert_array_equal(sol.ys["v"], RAMP[14::5])
    np.testing.assert_array_equal(sol.ys["t"], RAMP[10:])
    np.testing.assert_array_equal(sol.ts["v"], 0.5 * np.arange(15, 41, 5))
    np.testing.assert_array_equal(sol.ys["n"], RAMP[10:].sum(0))
    np.testing.assert_array_equal(sol.ys["bins"], RAMP[10:].reshape(3, 10, 2).sum(1))
    assert sol.ts["n"] == 20.0
    assert (sol.stats["n_steps"], sol.stats["skipped"], sol.state.step) == (40, 10, 40)
    traced = jax.jit(lambda x: simulate(PassThrough(), x, 0.5, record=record, skip=5.0))
    same(traced(RAMP).ys, sol.ys)
    assert "skipped" not in ramp().stats


@pytest.mark.parametrize("kwargs", [{}, dict(chunk=50), dict(progress=True), dict(store=1)])
def test_a_skipped_beginning_changes_nothing_that_comes_after(whole, kwargs, tmp_path):
    if "store" in kwargs:
        kwargs = dict(store=tmp_path / "r", chunk=100)
    sol = stochastic_run(jax.random.key(7), n_steps=400, skip=15.0, **kwargs)
    for k in ("v", "bins"):
        n = 150 // (400 // len(whole.ys[k]))
        np.testing.assert_array_equal(sol.ys[k], whole.ys[k][n:])
        np.testing.assert_allclose(sol.ts[k], whole.ts[k][n:])
    np.testing.assert_array_equal(sol.ys["count"], np.sum(whole.ys["bins"][3:], 0))
    same((sol.state.model, sol.state.step), (whole.state.model, whole.state.step))


def test_a_stored_run_goes_on_within_what_it_skips(whole, tmp_path, monkeypatch):
    run = functools.partial(
        stochastic_run, jax.random.key(7), n_steps=400, skip=15.0, store=tmp_path / "r"
    )
    stop_at(monkeypatch, 100)
    with pytest.raises(snn.InterruptedRun) as caught:
        run(chunk=50)
    assert caught.value.solution.stats["n_steps"] == 100
    assert caught.value.solution.ys["v"].shape == (0, 4)
    monkeypatch.undo()
    sol = run()
    np.testing.assert_array_equal(sol.ys["v"], whole.ys["v"][150:])
    same(sol.ys["count"], np.sum(whole.ys["bins"][3:], 0))


def test_refuses_to_skip_what_is_no_part_of_a_run():
    no = lambda words, **kwargs: pytest.raises(ValueError, match=words)
    for skip, words in [
        (0.7, r"simulate\.skip=0\.7 ms must be a whole number of steps of 0\.5 ms"),
        (-1.0, r"simulate\.skip=-1 ms must be a whole"),
        (20.0, "skip must leave a part of the run: it is 40 of 40 steps"),
        (np.nan, r"simulate\.skip must be finite in ms"),
    ]:
        with no(words):
            ramp(skip=skip)
    with no(r"every=20 must divide n_steps=40 less the 10 that are skipped"):
        ramp(skip=5.0, record=Trace(every=20))
    with no(r"skip needs a concrete dt"):
        jax.jit(lambda dt: simulate(PassThrough(), RAMP, dt, skip=1.0).ys)(0.5)


# A condition to stop at


def above(level):
    return lambda state, output: state.v[0] >= level


@pytest.mark.parametrize("chunk", [None, 10])
@pytest.mark.parametrize("last", [0, 9, 26, 39])
def test_a_run_ends_with_the_first_step_where_the_condition_holds(last, chunk):
    record = dict(
        v=Trace("v"),
        v5=Trace("v", every=5),
        bins=snn.Sum("v", every=10),
        sum=snn.Sum("v"),
        raster=snn.SpikeRaster(200),
    )
    n = last + 1
    sol = ramp(record=record, until=above(last), chunk=chunk)
    assert sol.stats["n_steps"] == sol.state.step == n and sol.stats["stopped"]
    np.testing.assert_array_equal(sol.ys["v"], RAMP[:n])
    np.testing.assert_array_equal(sol.ts["v"], 0.5 * np.arange(1, n + 1))
    np.testing.assert_array_equal(sol.ys["v5"], RAMP[4:n:5])
    np.testing.assert_array_equal(sol.ts["v5"], 2.5 * np.arange(1, n // 5 + 1))
    tens = RAMP[: n // 10 * 10].reshape(-1, 10, 2).sum(1)
    np.testing.assert_array_equal(sol.ys["bins"], tens)
    np.testing.assert_array_equal(sol.ys["sum"], RAMP[:n].sum(0))
    assert sol.ts["sum"] == 0.5 * n
    assert sol.ys["raster"].count == np.sum(RAMP[:n] > 0)
    np.testing.assert_array_equal(sol.final.v, RAMP[last])


def test_a_condition_that_never_holds_stops_nothing():
    sol = ramp(until=above(1000.0))
    assert sol.stats["n_steps"] == 40 and sol.stats["stopped"] is False
    np.testing.assert_array_equal(sol.ys, RAMP)


def test_the_condition_sees_the_output_and_not_what_is_skipped():
    below = lambda state, output: output.max() < 12
    assert ramp(until=below).stats["n_steps"] == 1
    assert ramp(until=below, skip=5.0).stats == dict(
        ramp().stats, n_steps=11, skipped=10, stopped=True
    )
    assert "stopped" not in ramp(skip=5.0, until=below, record={}).ts


def test_a_stopped_run_goes_on_bit_for_bit(whole):
    fired = lambda state, output: output.sum() > 0
    run = functools.partial(stochastic_run, jax.random.key(7))
    sol = run(n_steps=400, until=fired)
    n = sol.stats["n_steps"]
    assert n == round(float(np.nanmin(whole.ys["first"])) / 0.1)  # the first spike of all
    np.testing.assert_array_equal(sol.ys["v"], whole.ys["v"][:n])
    then = run(n_steps=150, state=sol.state)
    np.testing.assert_array_equal(then.ys["v"], whole.ys["v"][n : n + 150])
    np.testing.assert_array_equal(
        then.ys["bins"].sum(0), then.ys["count"] - sol.ys["count"]
    )


def test_a_stopped_run_that_is_stored_stays_stopped(tmp_path):
    until = above(26)
    run = lambda **kwargs: ramp(
        record=[Trace("v"), Trace("v", every=5)],
        until=until,
        store=tmp_path / "r",
        **kwargs,
    )
    for _ in range(2):
        sol = run(chunk=10)
        assert sol.stats["n_steps"] == 27 and sol.stats["stopped"]
        np.testing.assert_array_equal(sol.ys[0], RAMP[:27])
        np.testing.assert_array_equal(sol.ys[1], RAMP[4:27:5])
    assert snn.open_run(tmp_path / "r").stats == sol.stats


def test_numbers_not_finite_after_the_stop_do_no_harm():
    run = lambda until: simulate(
        Oscillator(), Poison(30), 0.1, n_steps=40, record=Trace("v"), until=until, chunk=40
    )
    assert run(lambda state, output: state.w < -0.601).stats["n_steps"] < 30
    with pytest.raises(snn.NonFiniteError) as caught:
        run(lambda state, output: state.v > 1e9)
    assert caught.value.step == 30 and len(caught.value.solution.ys) == 30


def test_refuses_a_condition_that_is_none():
    with pytest.raises(ValueError, match=r"one True or False.*got shape \(2,\).*any\(\)"):
        ramp(until=lambda state, output: state.v > 3)
    with pytest.raises(ValueError, match=r"simulate\.until must be a function"):
        ramp(until=3.0)
    with pytest.raises(ValueError, match=r"until=.*need a run outside jit"):
        jax.jit(lambda x: simulate(PassThrough(), x, 0.5, until=above(3)).ys)(RAMP)


# Ctrl-C


def stop_at(monkeypatch, step):
    """A real SIGINT once the bar is to move to `step`."""
    move = StepBar.reach

    def stop(bar, done):
        if done == step:
            signal.raise_signal(signal.SIGINT)
        move(bar, done)

    monkeypatch.setattr(StepBar, "reach", stop)


@pytest.mark.parametrize("stored", [False, True])
def test_ctrl_c_keeps_what_was_recorded(whole, stored, tmp_path, monkeypatch):
    kwargs = dict(store=tmp_path / "r") if stored else {}
    run = functools.partial(stochastic_run, jax.random.key(7), chunk=50, **kwargs)
    stop_at(monkeypatch, 150)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(n_steps=400)
    monkeypatch.undo()
    error = caught.value
    assert isinstance(error, snn.InterruptedRun)
    assert "stopped after 150 of 400 steps" in str(error)
    kept = error.solution
    assert kept.stats["n_steps"] == kept.state.step == 150
    names = ("v", "v5", "bins")
    until, before = whole.between(0.0, 15.0), loaded((kept.ts, kept.ys))
    for got, expected in zip(before, until, strict=True):
        same({k: got[k] for k in names}, loaded({k: expected[k] for k in names}))
    if stored:
        sol = run(n_steps=400)
        same(loaded(sol.ys), loaded(whole.ys))
    else:
        sol = run(n_steps=250, state=kept.state)
        np.testing.assert_array_equal(sol.ys["v"], whole.ys["v"][150:])
        for k in ("count", "first"):
            same(loaded(sol.ys[k]), loaded(whole.ys[k]))
    same(sol.state, whole.state)


def test_ctrl_c_in_the_midst_of_a_chunk_keeps_those_before(whole, monkeypatch):
    """Results of the third chunk are there, its state is not yet: neither is kept."""

    def stop(self, name, value):
        if name == "stands" and len(self.pieces) == 3:
            signal.raise_signal(signal.SIGINT)
        object.__setattr__(self, name, value)

    monkeypatch.setattr(chunks.InMemory, "__setattr__", stop)
    with pytest.raises(snn.InterruptedRun) as caught:
        stochastic_run(jax.random.key(7), n_steps=400, chunk=50)
    kept = caught.value.solution
    assert kept.stats["n_steps"] == kept.state.step == len(kept.ys["v"]) == 100
    np.testing.assert_array_equal(kept.ys["v"], whole.ys["v"][:100])


def test_ctrl_c_before_the_first_chunk_leaves_the_start(whole, monkeypatch):
    stop = lambda *args: signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(chunks, "_advance", stop)
    with pytest.raises(snn.InterruptedRun) as caught:
        stochastic_run(jax.random.key(7), n_steps=400)
    monkeypatch.undo()
    kept = caught.value.solution
    assert kept.stats["n_steps"] == 0 and kept.ys["v"].shape == (0, 4)
    assert kept.ys["v5"]["v"].shape == (0, 4) and np.all(kept.ys["count"] == 0)
    sol = stochastic_run(jax.random.key(7), n_steps=400, state=kept.state)
    same(sol.ys, whole.ys)


# How long it will take


def test_the_time_left_is_told_without_that_of_compilation(capsys, monkeypatch):
    from tqdm.auto import tqdm

    clock = [0.0]
    monkeypatch.setattr(tqdm, "_time", staticmethod(lambda: clock[0]), raising=False)
    with StepBar(1000, 0, True, "LIF") as bar:
        bar.bar._time = lambda: clock[0]
        bar.bar.start_t = bar.bar.last_print_t = 0.0
        clock[0] = 60.0  # the first chunk compiles
        bar.reach(100)
        clock[0] = 61.0
        bar.reach(200)
        told = bar.bar.format_dict
        rate = told["rate"] or (told["n"] - told["initial"]) / told["elapsed"]
        assert rate == pytest.approx(100.0)
    text = capsys.readouterr().err
    assert re.search(r"LIF:\s+20%.*200/1\.00k \[00:01<00:08, 100step/s\]", text)


def test_a_bar_that_goes_on_begins_where_the_run_does(tmp_path, capsys):
    run = lambda n: stochastic_run(
        jax.random.key(7), n_steps=n, store=tmp_path / "r", chunk=50, progress=True
    )
    run(300)
    capsys.readouterr()
    run(400)
    text = capsys.readouterr().err
    assert "75%" in text and "100%" in text and " 0%" not in text
