"""`snnjax sweep` runs `snn.sweep`: traces, samples, stores, and the homework in one line."""

import subprocess
import sys

import numpy as np
import pytest

import snnjax as snn
from snnjax import sweeps
from snnjax.cli import sweep as command
from tests.test_cli import call, refused, swept

LIF = ["LIF", "--duration", "60", "--dt", "0.1"]


def test_the_homework_in_one_line(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("snnjax.plot.save", lambda axes, *_, **__: drawn.append(axes))
    # Temperature factors 1, 2, 3, 4 and that of 25 degrees, where no spike is left.
    warm = 6.3 + 10 * np.log([1.0, 2.0, 3.0, 4.0]) / np.log(3)
    over = "temperature=" + ",".join(map(str, [*warm, 25.0]))
    run = ["--current", "15", "--duration", "10", "--integrator", "rk4", "--dt", "0.005"]
    run += ["--measure", "peak,half_width,spike_count", "--traces", "--plot", "hh.png"]
    data = swept(tmp_path, "HodgkinHuxley", "--over", over, *run)
    np.testing.assert_allclose(data["peak"], [40.9, 37.0, 32.7, 28.1, 7.9], atol=0.1)
    width = [1.48, 0.76, 0.52, 0.41, np.nan]
    np.testing.assert_allclose(data["half_width"], width, atol=0.011)
    np.testing.assert_array_equal(data["spike_count"] > 0, [1, 1, 1, 1, 0])
    assert data["v"].shape == (5, 2000) and data["t"][-1] == pytest.approx(10)
    np.testing.assert_allclose(data["v"].max(1), data["peak"], rtol=1e-6)
    one = snn.HodgkinHuxley(temperature=warm[1], integrator=snn.RK4())
    v = snn.simulate(one, 15.0, 0.005, duration=10.0, record=snn.Trace("v"))
    np.testing.assert_allclose(data["v"][1], v.ys, rtol=1e-6)
    np.testing.assert_allclose(data["t"], v.ts)
    traces, *measures = drawn[0]
    for line, y in zip(traces.lines, data["v"], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), y)
        np.testing.assert_array_equal(line.get_xdata(), data["t"])
    assert (traces.get_xlabel(), traces.get_ylabel()) == ("time (ms)", "v (mV)")
    labels = [ax.get_ylabel() for ax in measures]
    assert labels == ["peak (mV)", "half width (ms)", "spike count"]
    assert measures[-1].get_xlabel() == "temperature (degrees C)"


@pytest.mark.parametrize("method", ["latin-hypercube", "sobol", "uniform"])
def test_samples_are_drawn_from_ranges(method, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("snnjax.plot.save", lambda axes, *_, **__: drawn.append(axes))
    run = [*LIF, "--samples", "8", "--method", method, "--over", "current=200:400"]
    run += ["--over", "tau_m=5:20", "--seed", "3", "--measure", "peak,latency"]
    data = swept(tmp_path, *run, "--plot", tmp_path / "a.png")
    draw = getattr(sweeps, method.replace("-", "_"))
    points = draw(8, seed=3, current=(200.0, 400.0), tau_m=(5.0, 20.0)).take(np.arange(8))
    for name, values in points.items():
        np.testing.assert_array_equal(data[name], values)
    for k in range(8):
        cell = snn.LIF(tau_m=points["tau_m"][k])
        current = snn.inputs.step(points["current"][k])
        v = snn.simulate(cell, current, 0.1, duration=60.0, record=snn.Maximum("v")).ys
        np.testing.assert_allclose(data["peak"][k], v, rtol=1e-6)
    np.testing.assert_array_equal(drawn[0][1].lines[0].get_ydata(), data["peak"])
    assert drawn[0][3].get_xlabel() == "tau_m (ms)"
    text = call("sweep", *run).stdout.splitlines()
    assert text[0].startswith("LIF, 8 runs") and len(text) == 11
    call("sweep", *run, "--save", tmp_path / "a.csv")
    rows = np.genfromtxt(tmp_path / "a.csv", delimiter=",", skip_header=3)
    np.testing.assert_array_equal(rows[:, 1], data["tau_m"])


@pytest.mark.filterwarnings("always:sweep was interrupted")
def test_an_interrupted_sweep_goes_on_from_its_store(tmp_path, monkeypatch):
    run = [*LIF, "--over", "current=200:400:10", "--measure", "firing_rate,peak"]
    whole = swept(tmp_path, *run)
    monkeypatch.setattr("snnjax.sweeps.program.sweep_batch", lambda: 4)
    attempt, calls = sweeps.program.Compiled.__call__, []

    def interrupted(self, numbers):
        calls.append(numbers)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return attempt(self, numbers)

    monkeypatch.setattr(sweeps.program.Compiled, "__call__", interrupted)
    stored = [*run, "--store", tmp_path / "store"]
    result = call("sweep", *stored, "--save", tmp_path / "cut.npz", status=130)
    assert not result.stdout and not (tmp_path / "cut.npz").exists()
    assert "points not run. The same call goes on from here." in result.stderr
    again = swept(tmp_path, *stored)
    assert len(calls) == 4  # of three batches the first was there
    for name in ("firing_rate", "peak"):
        np.testing.assert_allclose(again[name], whole[name], rtol=1e-6)
    swept(tmp_path, *stored)
    assert len(calls) == 4
    words = refused("sweep", *stored, "--stop", "30", status=1)
    assert "is of another sweep: its function differs" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--over", "g_l=1:2", "--plot", "a.png"], "NAME=A,B,C without --samples"),
        (["--over", "g_l=1:2:3", "--samples", "4"], "form NAME=START:STOP with --samples"),
        (["--over", "g_l=1:2", "--samples", "0"], "0 is not in the range"),
        (["--over", "g_l=1:2", "--samples", "4", "--method", "best"], "'best' is not one"),
        (["--over", "g_l=1:2:3", "--traces"], "is for --plot, or --save of .npz"),
        (["--over", "g_l=1:2:3", "--traces", "--save", "a.csv"], "has no room"),
        (["--over", "g_l=1:2:101", "--traces", "--save", "a.npz"], "at most 100 values"),
        (
            ["--over", "g_l=1,2", "--over", "e_l=-70,-60", "--traces", "--plot", "a.png"],
            "takes one --over",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_run(arguments, words):
    assert words in refused("sweep", *LIF, *arguments)


def test_a_store_of_other_things_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    words = refused("sweep", *LIF, "--over", "g_l=8,9", "--store", tmp_path, status=1)
    assert "holds other files" in words


@pytest.mark.parametrize(("told", "expected"), [(None, 3), ("2", 2)])
def test_all_cores_are_used_unless_jax_was_told(told, expected, monkeypatch):
    code = (
        "import os, sys, jax\nfrom snnjax.cli import main\nos.cpu_count = lambda: 3\n"
        "main(sys.argv[1:], standalone_mode=False)\nprint(jax.local_device_count())"
    )
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    if told is not None:
        monkeypatch.setenv("JAX_NUM_CPU_DEVICES", told)
    run = [sys.executable, "-c", code, "sweep", *LIF, "--over", "current=200,250,300,350"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(expected)


def test_cores_are_no_more_than_points(monkeypatch):
    given = []
    monkeypatch.setattr(command, "use_cores", given.append)
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setenv("XLA_FLAGS", "")
    command._use_cores(1000)
    command._use_cores(5)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    command._use_cores(1000)
    assert given == [16, 5]
