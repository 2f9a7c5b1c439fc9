"""The command line: each option changes what it should, and errors are one line."""

import csv
import inspect
import json
import subprocess
import sys

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from click.testing import CliRunner

import snnjax as snn
from snnjax import inputs
from snnjax.cli import discover, main, options
from snnjax.cli.app import Program
from snnjax.cli.digits import DigitsResult, train_digits
from snnjax.cli.files import Column
from snnjax.cli.report import report
from snnjax.measures import ap_features, cv, isi, spike_times
from snnjax.training import History

DRIVEN = ["LIF", "--current", "250", "--dt", "0.1", "--duration", "60"]


def call(*arguments, status=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    unexpected = result.exception and not isinstance(result.exception, SystemExit)
    assert not unexpected, result.exception
    assert result.exit_code == status, result.output
    return result


def refused(*arguments, status=2):
    """The one line that a wrong call prints."""
    result = call(*arguments, status=status)
    assert not result.stdout
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def simulated(folder, *arguments):
    """What `snnjax simulate` saves."""
    file = folder / "cell.npz"
    call("simulate", *arguments, "--save", file)
    with np.load(file) as data:
        return dict(data)


def swept(folder, *arguments):
    file = folder / "grid.npz"
    call("sweep", *arguments, "--save", file)
    with np.load(file) as data:
        return dict(data)


# The program


def test_a_real_process(monkeypatch):
    # jax refuses this setting once a device was touched.
    code = (
        "import sys, jax\nfrom snnjax.cli import main\n"
        "try:\n    main(sys.argv[1:], prog_name='snnjax')\n"
        "finally:\n    jax.config.update('jax_num_cpu_devices', 2)\n"
        "    late = {'matplotlib', 'scipy', 'sklearn', 'diffrax'} & set(sys.modules)\n"
        "    assert not late, late"
    )
    python = lambda *arguments: subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True
    )
    run = python("simulate", "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("Usage: snnjax simulate [OPTIONS] MODEL")
    run = python("simulate", "Lif", "--currant", "3")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    monkeypatch.setenv("JAX_PLATFORMS", "abacus")
    for command in (("simulate",), ("sweep", "--over", "current=1,2")):
        code = "import sys\nfrom snnjax.cli import main\nmain(sys.argv[1:])"
        run = python(*command, "LIF")
        assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
        assert run.stderr.startswith("Error: jax: Unable to initialize backend 'abacus'")


def test_version_and_help():
    assert call("--version").stdout == f"snnjax {snn.__version__}\n"
    assert call().stdout == call("--help").stdout == call("-h").stdout
    for name, command in main.commands.items():
        text = call(name, "--help").stdout
        assert name in ("demo", "train") or "Examples:" in text
        for option in command.params:
            assert isinstance(option, click.Argument) or option.help, option.opts


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (
            ValueError("LIF.tau_m must be\n above 0."),
            1,
            "Error: LIF.tau_m must be above 0.",
        ),
        (FileNotFoundError(2, "No such file", "x.npz"), 1, "x.npz"),
        (ImportError("install snnjax[sweep]"), 1, "Error: install snnjax[sweep]"),
        (MemoryError(), 1, "Error: MemoryError"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out\nof"), 1, "EXHAUSTED: out of"),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(error, status, words):
    program = Program("program", params=main.params)

    @program.command()
    def fail():
        raise error

    result = CliRunner().invoke(program, ["fail"])
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.strip() == "" if words is None else words in result.stderr
    assert result.stderr.count("\n") == 1
    if words is not None:
        shown = CliRunner().invoke(program, ["--traceback", "fail"])
        assert shown.exception is error


def test_a_mistake_in_the_program_is_not_hidden():
    program = Program("program", params=main.params)
    program.add_command(click.Command("fail", callback=lambda: {}["x"]))
    assert isinstance(CliRunner().invoke(program, ["fail"]).exception, KeyError)


# models


def test_models_lists_all_neurons():
    text = call("models").stdout
    names = [x for x in dir(snn) if isinstance(getattr(snn, x), type)]
    neurons = [x for x in names if getattr(snn, x).__module__.startswith("snnjax.neurons.")]
    dynamics = [x for x in neurons if issubclass(getattr(snn, x), snn.AbstractDynamics)]
    assert {"LIF", "HodgkinHuxley"} <= set(dynamics)
    for name in dynamics:
        (line,) = (x for x in text.splitlines() if x.split()[:1] == [name])
        assert len(line.split()) > 3


def test_models_prints_what_can_be_set():
    text = call("models", "HodgkinHuxley").stdout
    rows = {
        line.split()[0]: line.split(maxsplit=1)[1]
        for line in text.splitlines()
        if line[:2] == "  "
    }
    assert rows["g_na"].split() == ["120", "mS/cm2", "at", "least", "0"]
    assert rows["v_init"].split() == ["none", "mV"]
    assert rows["m"] == "sodium activation"
    assert "1952" in rows["rest_zero"]
    assert "J. Physiol. 117:500" in text
    assert "kinetics.na.m.alpha.rate" not in text
    assert "kinetics.na.m.alpha.rate" in call("models", "HodgkinHuxley", "--all").stdout
    options_of_lif = call("models", "LIF").stdout
    assert "value or subtract or none" in options_of_lif
    assert "threshold.level  -55" in options_of_lif


def test_models_of_a_preset_and_documentation():
    assert (
        "e_k          -12"
        in call("models", "HodgkinHuxley", "--preset", "rest-zero").stdout
    )
    assert r"dv/dt" not in call("models", "LIF").stdout
    assert r"\tau_m \, dv/dt" in call("models", "LIF", "--doc").stdout
    assert "needs" not in call("models", "McCullochPitts").stdout


@pytest.mark.parametrize(
    "name", ["hodgkin-huxley", "HODGKIN_HUXLEY", "hodgkinhuxley", "HodgkinHuxley"]
)
def test_names_are_matched_leniently(name):
    assert discover.find_model(name) is snn.HodgkinHuxley


@pytest.mark.parametrize("name", discover.models())
def test_every_model_can_be_listed_and_run(name, tmp_path):
    call("models", name, "--all")
    for preset in discover.presets(discover.find_model(name)):
        call("models", name, "--preset", preset)
    if name == "McCullochPitts":
        assert "from Python" in refused("simulate", name)
        return
    data = simulated(tmp_path, name, "--duration", "1", "--dt", "0.05")
    assert np.isfinite(data["v"]).all()
    if discover.input_unit(discover.find_model(name)) is not None:
        more = simulated(
            tmp_path, name, "--duration", "1", "--dt", "0.05", "--current", "9"
        )
        assert not np.array_equal(more["v"], data["v"])


def test_presets_are_those_that_return_an_instance():
    assert list(discover.presets(snn.HodgkinHuxley)) == [
        "rest_zero",
        "slide",
        "traub_miles",
        "wang_buzsaki",
    ]
    assert "of_lif" not in discover.presets(snn.SpikeResponse)


# simulate


def test_simulate_saves_what_the_library_gives(tmp_path):
    arguments = [
        *("HodgkinHuxley", "--set", "g_na=100", "--set", "e_k=-80", "--current", "10"),
        *("--start", "10", "--stop", "15", "--duration", "40", "--dt", "0.02"),
        *("--record", "v,m,h,n"),
    ]
    data = simulated(tmp_path, *arguments)
    sol = snn.simulate(
        snn.HodgkinHuxley(g_na=100.0, e_k=-80.0),
        inputs.step(10.0, start=10.0, stop=15.0),
        0.02,
        duration=40.0,
        record={"x": snn.Trace("v", "m", "h", "n"), "spikes": snn.Trace()},
    )
    np.testing.assert_array_equal(data["t"], sol.ts["x"])
    for name in "vmhn":
        np.testing.assert_array_equal(data[name], sol.ys["x"][name])
    np.testing.assert_array_equal(data["spikes"], sol.ys["spikes"])
    assert data["spikes"].sum() == 1
    on = np.flatnonzero(data["current"])
    assert (on[0], on[-1] + 1) == (500, 750)
    units = {
        "t": "ms",
        "v": "mV",
        "m": "",
        "h": "",
        "n": "",
        "spikes": "",
        "current": "uA/cm2",
    }
    assert json.loads(str(data["units"])) == units
    assert str(data["made"]) == sol.made
    assert str(data["command"]).startswith("snnjax simulate HodgkinHuxley --set g_na=100")


def test_csv_reads_back_the_same_numbers(tmp_path):
    file = tmp_path / "cell.csv"
    arguments = ["GeneralisedIF", "--current", "150", "--duration", "20", "--dt", "0.1"]
    arguments += ["--record", "v,currents"]
    call("simulate", *arguments, "--save", file)
    data = simulated(tmp_path, *arguments)
    lines = file.read_text().splitlines()
    notes = [line for line in lines if line.startswith("#")]
    assert notes[0] == f"# command: snnjax simulate {' '.join(arguments)} --save {file}"
    assert notes[1] == f"# made: {data['made']}"
    header, *rows = csv.reader(line for line in lines if not line.startswith("#"))
    names = [
        "t (ms)",
        "v (mV)",
        "currents_0 (pA)",
        "currents_1 (pA)",
        "spikes",
        "current (pA)",
    ]
    assert header == names
    columns = np.array(rows, float).T
    currents = data["currents"].T
    expected = [data["t"], data["v"], *currents, data["spikes"], data["current"]]
    np.testing.assert_array_equal(columns, np.array(expected))
    assert not list(tmp_path.glob("*.part"))


def test_the_table_of_simulate():
    text = call("simulate", *DRIVEN, "--duration", "100").stdout
    sol = snn.simulate(snn.LIF(), 250.0, 0.1, duration=100.0)
    times = spike_times(sol.ys, 0.1)
    rows = {line[2:17].strip(): line[17:] for line in text.splitlines() if line[:2] == "  "}
    assert rows["spikes"] == str(len(times)) == "5"
    assert rows["rate"].startswith("50 Hz")
    assert rows["first spike"] == f"{times[0]:g} ms"
    assert rows["mean interval"].startswith(f"{isi(times).mean():.4g} ms, CV 0.000")
    assert rows["v"].startswith("-75 to -55.")
    assert rows["made"] == sol.made
    silent = call("simulate", "LIF", "--duration", "1").stdout
    assert "no current" in silent
    assert "first spike" not in silent


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--set", "tau_m=20"], dict(model=snn.LIF(tau_m=20.0))),
        (["--set", "t_ref=none"], dict(model=snn.LIF(t_ref=None))),
        (
            ["--set", "threshold.level=-60"],
            dict(model=snn.LIF(threshold=snn.Threshold(-60))),
        ),
        (["--set", "threshold=-60"], dict(model=snn.LIF(threshold=snn.Threshold(-60)))),
        (["--set", "reset_mode=Subtract"], dict(model=snn.LIF(reset_mode="subtract"))),
        (["--integrator", "rk4"], dict(model=snn.LIF(integrator=snn.RK4()))),
        (
            ["--integrator", "tutorial-euler"],
            dict(model=snn.LIF(integrator=snn.TutorialEuler())),
        ),
        (["--current", "300"], dict(current=inputs.step(300.0))),
        (["--start", "7"], dict(current=inputs.step(250.0, start=7.0))),
        (["--stop", "9"], dict(current=inputs.step(250.0, stop=9.0))),
        (["--duration", "30"], dict(duration=30.0)),
        (["--dt", "0.05"], dict(dt=0.05)),
    ],
)
def test_each_option_of_simulate(option, expected, tmp_path):
    default = dict(model=snn.LIF(), current=inputs.step(250.0), dt=0.1, duration=60.0)
    wanted = default | expected
    data = simulated(tmp_path, *DRIVEN, *option)
    direct = snn.simulate(
        wanted["model"],
        wanted["current"],
        wanted["dt"],
        duration=wanted["duration"],
        record=snn.Trace("v"),
    )
    np.testing.assert_array_equal(data["v"], direct.ys)
    base = snn.simulate(
        snn.LIF(), default["current"], 0.1, duration=60.0, record=snn.Trace("v")
    )
    assert not np.array_equal(direct.ys, base.ys)


def test_presets_seeds_parts_and_lists(tmp_path):
    short = ["--duration", "20", "--dt", "0.05"]
    data = simulated(
        *(
            tmp_path,
            "Izhikevich",
            "--preset",
            "Fast-Spiking",
            "--set",
            "d=3",
            "--current",
            "10",
        ),
        *short,
    )
    fast = snn.Izhikevich.fast_spiking(d=3.0)
    run = lambda model, x: snn.simulate(
        model, x, 0.05, duration=20.0, record=snn.Trace("v"), key=jax.random.key(3)
    )
    np.testing.assert_array_equal(data["v"], run(fast, 10.0).ys)

    # A preset that needs an argument of its own.
    chosen = ["Izhikevich", "--preset", "excitatory", *short]
    assert "--set r=..." in refused("simulate", *chosen)
    data = simulated(tmp_path, *chosen, "--set", "r=0.5", "--set", "threshold=29")
    model = snn.Izhikevich.excitatory(0.5, threshold=snn.Threshold(29.0))
    np.testing.assert_array_equal(data["v"], run(model, 0.0).ys)

    noisy = ["EscapeLIF", "--current", "220", *short]
    one, two = (simulated(tmp_path, *noisy, "--seed", seed) for seed in (3, 4))
    np.testing.assert_array_equal(one["v"], run(snn.EscapeLIF(), 220.0).ys)
    assert not np.array_equal(one["v"], two["v"])

    # The last word of a dotted name is enough where there is only one such.
    data = simulated(tmp_path, "ReducedHodgkinHuxley", "--set", "g_na=100", *short)
    np.testing.assert_array_equal(
        data["v"], run(snn.ReducedHodgkinHuxley(g_na=100.0), 0.0).ys
    )

    lists = ["--set", "jump=-5,7", "--current", "150"]
    data = simulated(tmp_path, "GeneralisedIF", *lists, *short)
    np.testing.assert_array_equal(
        data["v"], run(snn.GeneralisedIF(jump=np.array([-5.0, 7.0])), 150.0).ys
    )


def test_a_model_with_synapses_runs_without_spikes(tmp_path):
    data = simulated(tmp_path, "CubaLIF", "--preset", "vogels_abbott", "--duration", "20")
    pair = (jnp.zeros(2000), jnp.zeros(2000))
    sol = snn.simulate(snn.CubaLIF.vogels_abbott(), pair, 0.01, record=snn.Trace("v"))
    np.testing.assert_array_equal(data["v"], sol.ys)
    assert "leave out --current" in refused("simulate", "CubaLIF", "--current", "3")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "HodgkinHuxly"], "Did you mean 'HodgkinHuxley'?"),
        (["simulate", "xyz"], "Known: AdaptiveLIF"),
        (["simulate"], "Missing argument 'MODEL'"),
        (["simulat"], "No such command 'simulat'"),
        (["simulate", "LIF", "--set", "tau_n=3"], "Did you mean 'tau_m'?"),
        (["simulate", "LIF", "--set", "tau_m"], "NAME=VALUE"),
        (
            ["simulate", "LIF", "--set", "tau_m=abc"],
            "'abc' for tau_m is not a finite number",
        ),
        (
            ["simulate", "LIF", "--set", "tau_m=1,2"],
            "'1,2' for tau_m is not a finite number",
        ),
        (["simulate", "LIF", "--set", "tau_m=none"], "'none' for tau_m"),
        (["simulate", "LIF", "--set", "tau_m=3", "--set", "tau_m=4"], "set twice"),
        (["simulate", "LIF", "--set", "reset_mode=up"], "value, subtract, none"),
        (["simulate", "HodgkinHuxley", "--set", "rate=1"], "say which"),
        (["simulate", "LIF", "--integrator", "rk5"], "Did you mean 'RK4'?"),
        (["simulate", "PerfectIF", "--preset", "x"], "no preset 'x'. Known: none."),
        (["simulate", "LIF", "--record", "v,w"], "no state of LIF called 'w'"),
        (["simulate", "LIF", "--dt", "0"], "is not above 0"),
        (["simulate", "LIF", "--dt", "nan"], "not a finite number"),
        (["simulate", "LIF", "--current", "inf"], "not a finite number"),
        (["simulate", "LIF", "--seed", "1.5"], "not a valid integer"),
        (["simulate", "LIF", "--save", "x.txt"], "must end in .npz or .csv"),
        (["simulate", "LIF", "--plot", "no/such/x.png"], "no folder 'no/such'"),
        (["sweep", "LIF"], "Missing option '--over'"),
        (["sweep", "LIF", "--over", "current=0:1"], "NAME=START:STOP:N"),
        (["sweep", "LIF", "--over", "current=0:1:0"], "'0' in 'current=0:1:0'"),
        (["sweep", "LIF", "--over", "current=a:1:2"], "'a' for current"),
        (["sweep", "LIF", "--over", "tau_n=1,2"], "Did you mean 'tau_m'?"),
        (["sweep", "LIF", "--over", "reset_mode=1,2"], "no number"),
        (["sweep", "LIF", "--over", "g_l=1", "--set", "g_l=2"], "g_l is given twice"),
        (["sweep", "LIF", "--over", "g_l=1", "--over", "g_l=2"], "g_l is given twice"),
        (
            ["sweep", "LIF", "--over", "current=1", "--current", "2"],
            "current is given twice",
        ),
        (["sweep", "LIF", "--over", "g_l=1", "--measure", "rate"], "Known: firing_rate"),
        (["sweep", "LIF", "--over", "g_l=1", "--measure", "half_width"], "v is reset"),
        (["sweep", "LIF", "--over", "g_l=1", "--discard", "500"], "leaves nothing"),
        (["sweep", "CubaLIF", "--over", "current=1,2"], "not driven by a current"),
        (
            ["simulate", "CubaLIF", "--current", "1"],
            "a pair of these, the first for `tau_syn` (inhibitory weights are negative). See",
        ),
        (["sweep", "LIF", "--over", "current=0:20:1000000000"], "more than 10000000."),
        (
            ["sweep", "LIF", "--over", "current=0:20:10001", "--over", "g_l=1:2:1001"],
            "A grid of 10011001 points is more than 10000000.",
        ),
        (["models", "--all"], "Say which MODEL"),
        (["train", "digits", "--epochs", "0"], "0 is not in the range"),
        (["train", "digits", "--code", "x"], "'latency', 'rate'"),
        (["bench", "single-cel"], "Did you mean 'single_cell'?"),
    ],
)
def test_what_makes_no_sense_is_refused_with_status_2(arguments, words):
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["simulate", "LIF", "--set", "tau_m=-3"],
            "LIF.tau_m must be above 0 ms, got -3.0.",
        ),
        (
            ["simulate", "LIF", "--duration", "1.005", "--dt", "0.01"],
            "whole number of steps",
        ),
        (["simulate", "LIF", "--dt", "1e-7", "--duration", "1e6"], "n_steps"),
        (["simulate", "LIF", "--start", "3", "--stop", "2"], "step.stop must lie after"),
        (["simulate", "HodgkinHuxley", "--integrator", "exact"], "needs a closed form"),
        (["sweep", "LIF", "--over", "g_l=-1:1:5"], "LIF.g_l must be above 0 nS, got -1.0."),
    ],
)
def test_what_the_library_refuses_has_status_1(arguments, words):
    assert words in refused(*arguments, status=1)


@pytest.mark.filterwarnings("default")
def test_a_run_that_explodes_warns_and_says_where():
    explode = ["HodgkinHuxley", "--integrator", "euler", "--dt", "0.5", "--duration", "50"]
    result = call("simulate", *explode, "--current", "10", status=1)
    warning, error = result.stderr.splitlines()
    assert warning.startswith("Warning: dt=0.5 ms is too long for HodgkinHuxley")
    assert error.startswith("Error: The state")
    assert error.partition("no longer finite. ")[2].startswith("Try a smaller --dt. It")


def test_a_file_that_cannot_be_written(tmp_path):
    file = tmp_path / "cell.csv.part"
    file.mkdir()
    result = call(
        "simulate", "LIF", "--duration", "1", "--save", tmp_path / "cell.csv", status=1
    )
    assert "cell.csv.part" in result.stderr
    assert result.stderr.count("\n") == 1


# sweep


def test_sweep_saves_what_the_library_gives(tmp_path):
    over = ["--over", "current=0:20:2", "--over", "g_na=90,120"]
    run = ["--duration", "60", "--dt", "0.02", "--start", "5"]
    names = "firing_rate,peak,minimum,half_width,spike_count,latency,cv"
    data = swept(tmp_path, "HodgkinHuxley", *over, *run, "--measure", names)
    np.testing.assert_array_equal(data["current"], [0.0, 20.0])
    np.testing.assert_array_equal(data["g_na"], [90.0, 120.0])
    units = json.loads(str(data["units"]))
    assert units["current"] == "uA/cm2"
    assert units["g_na"] == "mS/cm2"
    assert units["peak"] == "mV"
    assert units["firing_rate"] == "Hz"
    assert "--over g_na=90,120" in str(data["command"])
    for i, current in enumerate(data["current"]):
        for j, g_na in enumerate(data["g_na"]):
            model = snn.HodgkinHuxley(g_na=g_na)
            record = {"v": snn.Trace("v"), "spikes": snn.Trace()}
            step = inputs.step(current, start=5.0)
            sol = snn.simulate(model, step, 0.02, duration=60.0, record=record)
            v, times = sol.ys["v"], spike_times(sol.ys["spikes"], 0.02)
            rest = model.init(()).v
            expected = {
                "firing_rate": len(times) / 60e-3,
                "spike_count": len(times),
                "peak": v.max(),
                "minimum": v.min(),
                "latency": times[0] - 5.0 if len(times) else np.nan,
                "cv": cv(isi(times)),
                "half_width": ap_features(v, 0.02, level=20.0, base=rest).half_width,
            }
            for name, value in expected.items():
                # Batched runs differ by rounding, which a CV near 0 and a minimum see most.
                np.testing.assert_allclose(
                    data[name][i, j], value, 1e-6, 1e-9, err_msg=name
                )
    assert data["spike_count"].max() > 3


@pytest.mark.parametrize(
    ("option", "changed"),
    [
        (["--set", "tau_m=20"], {"peak", "latency", "firing_rate"}),
        (["--discard", "50"], {"firing_rate"}),
        (["--start", "20"], {"firing_rate"}),
        (["--stop", "30"], {"firing_rate"}),
        (["--duration", "55"], {"firing_rate"}),
        (["--integrator", "euler"], {"peak"}),
        (["--dt", "0.2"], {"peak"}),
    ],
)
def test_each_option_of_sweep(option, changed, tmp_path):
    run = ["LIF", "--over", "current=260:300:2", "--duration", "100", "--dt", "0.1"]
    run += ["--measure", "firing_rate,latency", "--measure", "peak"]
    before, after = swept(tmp_path, *run), swept(tmp_path, *run, *option)
    for name in changed:
        assert not np.array_equal(before[name], after[name])


def test_discard_leaves_out_the_beginning(tmp_path):
    # Alone for 100 ms it is silent, and the current begins at 60 ms.
    run = [
        "LIF",
        "--over",
        "current=300",
        "--duration",
        "100",
        "--dt",
        "0.1",
        "--stop",
        "60",
    ]
    names = ["--measure", "firing_rate,spike_count,peak,minimum,cv,latency"]
    data = swept(tmp_path, *run, *names, "--discard", "62")
    assert data["spike_count"] == data["firing_rate"] == 0
    assert data["peak"] < -55
    assert data["minimum"] > -75
    assert np.isnan(data["cv"])
    assert data["latency"] == pytest.approx(11.0)


def test_measures_begin_with_the_right_step(tmp_path):
    # A charge that fires in every step: 100 spikes, of which 40 are left out.
    run = ["PerfectIF", "--over", "current=25000", "--duration", "10", "--dt", "0.1"]
    data = swept(tmp_path, *run, "--discard", "4", "--measure", "spike_count,firing_rate")
    assert data["spike_count"] == 60
    assert data["firing_rate"] == pytest.approx(10_000.0)

    # A cell that fires by itself: the latency counts from the start of the current.
    run = [
        "LIF",
        "--set",
        "e_l=-50",
        "--over",
        "current=10",
        "--duration",
        "80",
        "--dt",
        "0.1",
    ]
    data = swept(tmp_path, *run, "--start", "30", "--measure", "latency")
    sol = snn.simulate(
        snn.LIF(e_l=-50.0), inputs.step(10.0, start=30.0), 0.1, duration=80.0
    )
    times = spike_times(sol.ys, 0.1)
    assert times[0] < 30
    assert data["latency"] == pytest.approx(times[times > 30][0] - 30)


def test_presets_and_seeds_of_sweep(tmp_path):
    run = ["--duration", "200", "--dt", "0.1", "--measure", "spike_count"]
    noisy = ["EscapeLIF", "--over", "current=200,200,200,200", *run]
    one, two = (swept(tmp_path, *noisy, "--seed", s)["spike_count"] for s in (0, 1))
    assert len(set(one)) > 1  # points draw their own noise
    assert not np.array_equal(one, two)
    counts = [
        swept(tmp_path, "Izhikevich", *preset, "--over", "current=10", *run)["spike_count"]
        for preset in ([], ["--preset", "fast_spiking"])
    ]
    assert counts[1] > 2 * counts[0]
    r = swept(
        tmp_path,
        "Izhikevich",
        "--preset",
        "excitatory",
        "--over",
        "r=0,1",
        "--current",
        "10",
        *run,
    )
    assert r["spike_count"][1] != r["spike_count"][0]


def test_sweep_csv_has_a_row_a_point(tmp_path):
    run = ["LIF", "--over", "current=250:350:3", "--over", "tau_m=8,12", "--dt", "0.1"]
    run += ["--duration", "50", "--measure", "latency"]
    call("sweep", *run, "--save", tmp_path / "grid.csv")
    rows = np.genfromtxt(tmp_path / "grid.csv", delimiter=",", comments="#", skip_header=3)
    data = swept(tmp_path, *run)
    assert rows.shape == (6, 3)
    np.testing.assert_array_equal(rows[:, 0].reshape(3, 2)[:, 0], data["current"])
    np.testing.assert_array_equal(rows[:2, 1], data["tau_m"])
    np.testing.assert_array_equal(rows[:, 2].reshape(3, 2), data["latency"])


def test_sweep_shows_a_bar():
    run = ["LIF", "--over", "current=0:500:601", "--duration", "20", "--dt", "0.1"]
    assert not call("sweep", *run, "--no-progress").stderr
    assert "601/601" in call("sweep", *run, "--progress").stderr


def test_the_report_of_sweep():
    run = ["LIF", "--duration", "100", "--dt", "0.1", "--measure", "firing_rate,latency"]
    few = call("sweep", *run, "--over", "current=200,300").stdout.splitlines()
    assert few[1].split("  ")[1:3] == ["current (pA)", "firing_rate (Hz)"]
    assert few[2].split() == ["200", "0", "nan"]
    assert few[3].split() == ["300", "70", "11"]
    x, y = np.meshgrid(np.linspace(0, 10, 101), [1.0, 2.0], indexing="ij")
    line = {"a": Column(x[:, 0], "mV")}
    grid = {"a": Column(x.ravel(), "mV"), "b": Column(y.ravel(), "")}
    z = np.where(x > 4, x * y, np.nan)
    text = report(line, {"peak": Column(z[:, 1], "mV")})
    assert text.startswith("  peak:  8.2 mV (a 4.1) to 20 mV (a 10), 41 empty\n\n  a (mV)")
    assert 20 < len(text.splitlines()) < 30
    text = report(
        grid, {"n": Column(z.ravel(), ""), "m": Column(0 * z.ravel() + np.nan, "")}
    )
    first, second = text.splitlines()
    assert first == "  n:  4.1 (a 4.1, b 1) to 20 (a 10, b 2), 82 empty"
    assert second.startswith("  m:  empty everywhere")


def test_runs_that_explode_are_empty_and_counted(tmp_path):
    run = ["HodgkinHuxley", "--integrator", "euler", "--dt", "0.1", "--duration", "20"]
    run += ["--over", "g_na=12,3000", "--current", "10", "--save", tmp_path / "grid.npz"]
    result = call("sweep", *run)
    assert "Warning: 1 of 2 runs did not stay finite" in result.stderr
    np.testing.assert_array_equal(
        np.isnan(np.load(tmp_path / "grid.npz")["firing_rate"]), [0, 1]
    )


# figures


def test_figures_hold_the_data_and_say_how_they_were_made(tmp_path, monkeypatch):
    drawn = []
    keep = lambda axes, path, about: drawn.append((axes, path, about))
    monkeypatch.setattr("snnjax.plot.save", keep)
    run = ["--duration", "20", "--dt", "0.1", "--current", "30", "--record", "v,n"]
    call("simulate", "MorrisLecar", *run, "--plot", tmp_path / "a.png")
    data = simulated(tmp_path, "MorrisLecar", *run)
    (axes, path, command), *_ = drawn
    assert path == tmp_path / "a.png"
    assert command.endswith("a.png")
    for ax, name in zip(axes, ["v", "n", "current"], strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), data[name])
    labels = [ax.get_ylabel() for ax in axes]
    assert labels == ["v (mV)", "n", "current (µA/cm$^2$)"]

    run = ["LIF", "--duration", "20", "--dt", "0.1", "--measure", "latency,peak"]
    over = ["--over", "current=250:300:3", "--over", "g_l=8,9"]
    call("sweep", *run, *over[:2], "--plot", "b.svg")
    call("sweep", *run, *over, "--plot", "c.pdf")
    curves, maps = (axes for axes, *_ in drawn[1:])
    line, data = curves[0].lines[0], swept(tmp_path, *run, *over)
    np.testing.assert_array_equal(line.get_xdata(), data["current"])
    assert [ax.get_ylabel() for ax in curves] == ["latency (ms)", "peak (mV)"]
    assert curves[-1].get_xlabel() == "current (pA)"
    colours = maps[0].collections[0].get_array()
    np.testing.assert_array_equal(colours.filled(np.nan), data["latency"].T)
    assert maps[0].get_ylabel() == "g_l (nS)"
    assert [ax.get_xlabel() for ax in maps] == ["", "current (pA)"]
    more = [*over, "--over", "e_l=-70,-75", "--plot", "d.png"]
    assert "one or two --over" in refused("sweep", *run, *more)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_figure_file_says_how_it_was_made(suffix, tmp_path):
    file, before = tmp_path / f"cell.{suffix}", plt.get_fignums()
    call("simulate", "LIF", "--duration", "1", "--dt", "0.1", "--plot", file)
    # PNG and SVG keep it as plain text; PDF in UTF-16 or plain, in its information.
    content = file.read_bytes().replace(b"\0", b"")
    assert b"snnjax simulate LIF --duration 1 --dt 0.1" in content
    assert plt.get_fignums() == before


# train, demo, bench


def test_train_digits_passes_its_options(tmp_path, monkeypatch):
    import snnjax.cli.train as room

    given = []
    network = snn.Sequential(snn.Linear(2, 3, key=jax.random.key(0)))
    history = History(*np.array([[2.0, 1.0], [2.0, 1.5], [0.5, 0.75], [1.0, 2.0]]), 1)

    def train(**options):
        given.append(options)
        nothing = dict.fromkeys(DigitsResult._fields)
        known = dict(network=network, history=history, outputs=np.zeros((1, 1, 10)))
        known |= dict(validation_accuracy=0.75, test_accuracy=0.725)
        return DigitsResult(**{**nothing, **known})

    monkeypatch.setattr(room, "train_digits", train)
    text = call("train", "digits").stdout
    known = inspect.signature(train_digits).parameters
    assert given[0] == {n: known[n].default for n in given[0]} | {"progress": False}
    assert "epoch chosen         2 of" in text
    assert "validation accuracy  75.00 %" in text
    assert "test accuracy        72.50 %" in text
    arguments = (
        "--epochs 7 --hidden 8 --steps 9 --code latency --learning-rate 0.1 --seed 3"
    )
    files = ["--save", tmp_path / "n.eqx", "--plot", tmp_path / "n.png"]
    files += ["--checkpoint", tmp_path / "run"]
    call("train", "digits", *arguments.split(), "--progress", *files)
    assert given[1] == dict(
        epochs=7,
        hidden=8,
        n_steps=9,
        code="latency",
        learning_rate=0.1,
        seed=3,
        checkpoint=tmp_path / "run",
        progress=True,
    )
    blank = snn.Sequential(snn.Linear(2, 3, key=jax.random.key(1)))
    again = snn.load(tmp_path / "n.eqx", blank)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), again, network))
    assert (tmp_path / "n.png").stat().st_size > 1000


@pytest.mark.slow
def test_train_digits_learns():
    run = ["--epochs", "3", "--hidden", "32", "--steps", "8", "--learning-rate", "0.01"]
    text = call("train", "digits", *run).stdout
    (line,) = (x for x in text.splitlines() if x.startswith("  test accuracy"))
    assert float(line.split()[2]) > 50


def test_bench_lists_and_runs(tmp_path, monkeypatch):
    assert "single_cell" in call("bench").stdout
    monkeypatch.setattr("snnjax.cli.bench.folder", lambda: tmp_path / "benchmarks")
    assert "pip install --editable" in refused("bench", status=1)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "benchmarks" / "one_two.py").write_text(
        '"""What it times."""\nopen("ran", "w")'
    )
    (tmp_path / "benchmarks" / "bad.py").write_text("raise SystemExit(3)")
    assert "one_two  What it times." in call("bench").stdout
    call("bench", "one-two")
    assert (tmp_path / "ran").exists()
    assert "bad.py ended with status 3" in call("bench", "bad", status=1).stderr


def test_demo_passes_its_options(tmp_path, monkeypatch):
    import snnjax.cli.demo as room

    calls = []
    monkeypatch.setattr(room, "run", lambda *given: calls.append(given))
    call("demo", "--out", tmp_path)
    call("demo", "--quick")
    assert calls[0] == (tmp_path, False)
    assert (str(calls[1][0]), calls[1][1]) == ("demo", True)


def test_a_bar_is_shown_to_a_terminal_unless_told():
    assert options.show_bar(True)
    assert not options.show_bar(False)
    assert not options.show_bar(None)  # pytest captures the error stream
