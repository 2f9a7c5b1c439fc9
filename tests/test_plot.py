"""Figures show the data they were given, with labels and units, where they were told to."""

import types

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

import snnjax as snn
from snnjax import analysis, inputs, plot
from snnjax.core.spike_recorders import Events


@pytest.fixture(autouse=True)
def a_figure_of_the_user():
    """Figures are left open and settings alone; what a test opened is closed after it."""
    mine, settings = plt.figure(), dict(mpl.rcParams)
    yield
    assert plt.fignum_exists(mine.number)
    assert dict(mpl.rcParams) == settings
    plt.close("all")


def of_ax(call, n=1):
    """The axes of `call`, which draws on those it is given and on no others."""
    figure, axes = plt.subplots(n, squeeze=False)
    before = plt.get_fignums()
    given = axes[0, 0] if n == 1 else axes.ravel()
    back = call(ax=given)
    assert plt.get_fignums() == before
    back = np.ravel(np.asarray(back, dtype=object))
    assert len(back) == n and all(a is b for a, b in zip(back, axes.ravel(), strict=True))
    new = np.ravel(np.asarray(call(), dtype=object))
    assert len(new) == n and all(isinstance(a, Axes) for a in new)
    assert new[0].figure is not figure
    for a in back:
        assert not a.spines["top"].get_visible() and not a.spines["right"].get_visible()
    return list(back)


def lines(ax):
    return [np.asarray(line.get_ydata()) for line in ax.lines]


def legend(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


@pytest.fixture(scope="module")
def spike():
    cell, pulse = snn.HodgkinHuxley(integrator=snn.RK4()), inputs.step(10.0, 2.0, 6.0)
    record = snn.Trace("v", "m", "h", "n")
    return cell, pulse, snn.simulate(cell, pulse, 0.02, duration=20.0, record=record)


def test_traces_draw_each_variable_and_the_current(spike):
    _, pulse, sol = spike
    unit = {"current": "$I$ (µA/cm$^2$)"}
    v, gates, current = of_ax(
        lambda **kw: plot.traces(sol, current=pulse, labels=unit, **kw), 3
    )
    np.testing.assert_array_equal(lines(v)[0], sol.ys["v"])
    np.testing.assert_array_equal(v.lines[0].get_xdata(), sol.ts)
    by_name = dict(zip(legend(gates), lines(gates), strict=True))
    assert by_name.keys() == {"m", "h", "n"}
    for name, drawn in by_name.items():
        np.testing.assert_array_equal(drawn, sol.ys[name])
    np.testing.assert_array_equal(lines(current)[0], pulse.at(sol.ts))
    labels = [
        v.get_ylabel(),
        gates.get_ylabel(),
        current.get_ylabel(),
        current.get_xlabel(),
    ]
    assert labels == ["$v$ (mV)", "gates", "$I$ (µA/cm$^2$)", "time (ms)"]


def test_traces_of_a_population_are_lines_in_their_colours():
    ts, v = np.arange(1.0, 6.0), np.arange(15.0).reshape(5, 3)
    drive = inputs.step(np.array([1.0, 2.0, 3.0]), 2.0)
    panels = of_ax(lambda **kw: plot.traces({"v": v}, ts=ts, current=drive, **kw), 2)
    for panel, expected in zip(panels, (v, drive.at(ts)), strict=True):
        np.testing.assert_array_equal(np.stack(lines(panel), 1), expected)
        assert [to_hex(x.get_color()).upper() for x in panel.lines] == list(
            plot.COLOURS[:3]
        )


def test_traces_draw_what_solve_gives():
    sol = snn.solve(snn.LIF(), 100.0, 10.0, dt=1.0, max_spikes=0)
    np.testing.assert_array_equal(lines(plot.traces(sol))[0], sol.ys["v"])


def test_traces_are_called_what_was_recorded():
    def run(record, model=None):
        neuron = snn.LIF() if model is None else model
        return snn.simulate(neuron, 300.0, 0.1, n_steps=4, record=record)

    def double(state, output):
        return 2 * state.v

    v, u = snn.Trace("v"), snn.Trace("u")
    assert plot.traces(run(v)).get_ylabel() == "$v$ (mV)"
    assert plot.traces(run(u, snn.Izhikevich())).get_ylabel() == "u"
    assert plot.traces(run(snn.Trace("m"), snn.HodgkinHuxley())).get_ylabel() == "m"
    assert plot.traces(run(snn.Trace(double))).get_ylabel() == "double"
    assert plot.traces(run(snn.SpikeCount(every=2))).get_ylabel() == "SpikeCount"
    assert run([v, snn.Trace("v", "refractory")]).recorded == "v, v, refractory"
    jitted = jax.jit(lambda x: snn.simulate(snn.LIF(), x, 0.1, n_steps=4, record=v))
    assert jitted(300.0).recorded == "v"
    for record in (None, snn.Trace("output"), snn.Trace("spikes")):
        for draw in (plot.traces, plot.action_potential):
            with pytest.raises(ValueError, match=r"only its output.*record=Trace\('v'\)"):
                draw(run(record))
    with pytest.raises(ValueError, match=r"has no v.*u"):
        plot.action_potential(run(u, snn.Izhikevich()))


def test_membrane_shows_gates_conductances_and_currents(spike):
    cell, pulse, sol = spike
    v, gates, g, i, current = of_ax(
        lambda **kw: plot.membrane(cell, sol, current=pulse, **kw), 5
    )
    np.testing.assert_array_equal(lines(v)[0], sol.ys["v"])
    assert legend(gates) == ["$h$", "$m$", "$n$"]
    for panel, of in ((g, cell.conductances), (i, cell.currents)):
        assert legend(panel) == ["Na", "K", "leak"]
        for drawn, expected in zip(lines(panel), of(sol.ys).values(), strict=True):
            np.testing.assert_allclose(drawn, expected, rtol=1e-12, atol=1e-12)
    assert "mS/cm$^2$" in g.get_ylabel() and "µA/cm$^2$" in i.get_ylabel()
    assert (v.get_ylabel(), current.get_xlabel()) == ("$v$ (mV)", "time (ms)")


def test_membrane_of_another_model():
    cell, record = snn.MorrisLecar(), snn.Trace("v", "n")
    sol = snn.simulate(cell, 60.0, 0.1, duration=30.0, record=record)
    unit = {"current": "$I$"}
    v, gates, i, _ = of_ax(
        lambda **kw: plot.membrane(cell, sol, current=60.0, labels=unit, **kw), 4
    )
    np.testing.assert_array_equal(lines(v)[0], sol.ys["v"])
    np.testing.assert_array_equal(lines(gates)[0], sol.ys["n"])
    assert legend(i) == ["Ca", "K", "leak"]
    state = cell.rest()._replace(**sol.ys)
    net = cell.c * cell.derivative(state, 60.0)["v"]
    np.testing.assert_allclose(60 - sum(lines(i)), net, rtol=1e-9, atol=1e-9)
    labels = [ax.get_ylabel() for ax in plot.membrane(cell, sol, current=60.0)]
    assert labels[2:] == ["ionic current\n(µA/cm$^2$)", "input\n(µA/cm$^2$)"]
    assert plot.membrane(cell, sol, current=60.0, labels=unit)[3].get_ylabel() == "$I$"


def test_membrane_says_what_it_lacks(spike):
    cell, _, sol = spike
    only_v = snn.simulate(cell, 0.0, 0.02, n_steps=4, record=snn.Trace("v"))
    words = r"HodgkinHuxley, and m, h, n are not .*record=Trace\('v', 'm', 'h', 'n'\)"
    with pytest.raises(ValueError, match=words):
        plot.membrane(cell, only_v)
    for model in (snn.CubaLIF(), snn.LIF()):
        with pytest.raises(ValueError, match=r"no method currents.*plot\.traces"):
            plot.membrane(model, sol)


def test_action_potential_names_its_phases(spike):
    *_, sol = spike
    (ax,) = of_ax(lambda **kw: plot.action_potential(sol, **kw))
    assert legend(ax) == [
        "resting potential",
        "depolarisation",
        "repolarisation",
        "hyperpolarisation",
    ]
    phases = dict(zip(legend(ax), ax.lines, strict=False))
    v = np.asarray(sol.ys["v"])
    peak, at = v.max(), sol.ts[v.argmax()]
    for name in ("depolarisation", "repolarisation"):
        assert phases[name].get_ydata().max() == peak
    rise, fall = (phases[k].get_xdata() for k in ("depolarisation", "repolarisation"))
    assert rise[0] < at and rise[-1] <= at + 0.041 and fall[0] >= at - 0.041
    assert phases["hyperpolarisation"].get_ydata()[2:].max() < v[0] + 0.5
    texts = " ".join(t.get_text() for t in ax.texts)
    assert "threshold −5" in texts and "rest −65 mV" in texts and f"{peak:.0f} mV" in texts
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "$v$ (mV)")
    with pytest.raises(ValueError, match="never rises through level=60 mV"):
        plot.action_potential(sol, level=60.0)


@pytest.mark.parametrize(
    ("spikes", "options"),
    [
        (
            Events(np.array([1.0, 2.5, 9.0, np.nan]), np.array([0, 3, 1, -1]), None, 3, 0),
            {},
        ),
        ((np.array([1.0, 2.5, 9.0]), np.array([0, 3, 1])), {}),
        (
            np.eye(4)[[0, 2, 2, 3, 2, 2, 2, 2, 1]][:, [0, 1, 2, 3]] * [1, 1, 0, 1],
            {"dt": 1.0},
        ),
    ],
    ids=["events", "times", "array"],
)
def test_raster_is_a_dot_for_each_spike_in_the_colour_of_its_population(spikes, options):
    populations = {"first": 2, "second": 2}
    draw = lambda **kw: plot.raster(
        spikes, n=4, populations=populations, rate_bin=3.0, **options, **kw
    )
    ax, rate = of_ax(draw, 2)
    dots = [np.asarray(c.get_offsets()) for c in ax.collections]
    second = 4.0 if options else 2.5
    np.testing.assert_allclose(dots[0], [[1.0, 0], [9.0, 1]])
    np.testing.assert_allclose(dots[1], [[second, 3]])
    assert [to_hex(c.get_facecolor()[0]).upper() for c in ax.collections] == list(
        plot.COLOURS[:2]
    )
    # Two cells in 3 ms: one spike is 1 / (2 * 0.003 s).
    first, _ = rate.patches
    np.testing.assert_allclose(first.get_data().values, [1 / 0.006, 0, 1 / 0.006])
    assert legend(rate) == ["first", "second"]
    labels = (ax.get_ylabel(), rate.get_ylabel(), rate.get_xlabel())
    assert labels == ("neuron", "rate (Hz)", "time (ms)")


def test_rate_of_a_last_bin_that_is_cut_off():
    _, rate = plot.raster(np.ones((5, 2)), dt=1.0, rate_bin=2.0)
    np.testing.assert_allclose(rate.patches[0].get_data().values, 1000.0)
    np.testing.assert_allclose(rate.patches[0].get_data().edges, [0, 2, 4, 5])


def test_intervals():
    times = np.cumsum([3.0, 5.0, 5.0, 9.0])
    draw = lambda **kw: plot.isi_histogram(times, bins=[4, 6, 8, 10], **kw)
    (ax,) = of_ax(draw)
    assert [p.get_height() for p in ax.patches] == [2, 0, 1]
    assert ax.get_xlabel() == "interspike interval (ms)" and ax.get_ylabel()


def test_fi_curve_of_numbers_and_of_the_analysis():
    current = np.array([1.0, 2.0, 3.0])
    (ax,) = of_ax(lambda **kw: plot.fi_curve(current, 10 * current, unit="nA", **kw))
    np.testing.assert_array_equal(lines(ax)[0], 10 * current)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("current (nA)", "rate (Hz)")
    curve = analysis.FICurve(current, 2 * current, 3 * current, 1 * current)
    ax = plot.fi_curve(curve)
    assert legend(ax) == ["first interval", "last interval"]
    np.testing.assert_array_equal(lines(ax), [3 * current, current])
    with pytest.raises(ValueError, match="needs rate="):
        plot.fi_curve(current)


def test_spectrum():
    (ax,) = of_ax(
        lambda **kw: plot.spectrum(np.arange(3.0), np.array([1.0, 9.0, 2.0]), **kw)
    )
    np.testing.assert_array_equal(lines(ax)[0], [1.0, 9.0, 2.0])
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "frequency (Hz)"
    assert ax.get_ylabel() == "power (Hz$^2$/Hz)"


@pytest.mark.parametrize("unit", ["mV", ""])
def test_phase_plane_shows_nullclines_equilibria_and_trajectory(unit):
    model = snn.MorrisLecar() if unit else snn.FitzHughNagumo.classic()
    current, y, bounds = (30.0, "n", ((-70, 50), (-0.1, 0.7))) if unit else (
        0.0, "w", ((-2.5, 2.5), (-1.5, 2.0)))  # fmt: skip
    plane = analysis.phase_plane(
        model, current, points=60, **dict(zip(("v", y), bounds, strict=True))
    )
    path = {"v": np.array([-1.0, 0.0, 1.0]), y: np.array([0.0, 0.1, 0.0])}
    (ax,) = of_ax(lambda **kw: plot.phase_plane(plane, path, **kw))
    curves = [c for c in ax.collections if isinstance(c, LineCollection)]
    for drawn, expected in zip(curves, plane.nullclines.values(), strict=True):
        np.testing.assert_array_equal(drawn.get_segments(), expected)
    points = {x.get_label(): x for x in ax.lines if not x.get_label().startswith("_")}
    assert points.keys() == {p.kind for p in plane.fixed_points}
    for p in plane.fixed_points:
        drawn = points[p.kind]
        assert (drawn.get_xdata()[0], drawn.get_ydata()[0]) == (p.values["v"], p.values[y])
        assert drawn.get_markerfacecolor() == ("black" if p.stable else "white")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), path["v"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), path[y])
    assert (
        ax.get_xlabel() == ("$v$ (mV)" if unit else "$v$") and ax.get_ylabel() == f"${y}$"
    )
    assert legend(ax)[:2] == ["$dv/dt = 0$", f"$d{y}/dt = 0$"]
    with pytest.raises(ValueError, match="a trajectory must hold"):
        plot.phase_plane(plane, {"v": path["v"]})


def test_arrows_point_where_the_field_does():
    plane = analysis.phase_plane(snn.MorrisLecar(), 30.0, points=10, arrows=3,
                                 v=(-70, 50), n=(-0.1, 0.7))  # fmt: skip
    ax = plot.phase_plane(plane)
    (arrows,) = [c for c in ax.collections if hasattr(c, "U")]
    np.testing.assert_array_equal(np.sign(arrows.U), np.sign(plane.field["v"]).ravel())
    np.testing.assert_array_equal(np.sign(arrows.V), np.sign(plane.field["n"]).ravel())
    np.testing.assert_allclose(np.hypot(arrows.U, arrows.V), 1)


def test_steady_states():
    v = np.linspace(-80, 20, 11)
    x, tau = {"m": v / 100, "h": -v / 100}, {"m": v + 90, "h": v + 100}
    top, bottom = of_ax(lambda **kw: plot.steady_states(v, x, tau, **kw), 2)
    np.testing.assert_array_equal(lines(top), list(x.values()))
    np.testing.assert_array_equal(lines(bottom), list(tau.values()))
    assert bottom.get_xlabel() == "$v$ (mV)" and "(ms)" in bottom.get_ylabel()
    assert legend(top) == ["$m_\\infty$", "$h_\\infty$"]


def test_heatmap_has_each_value_at_its_place():
    values = np.arange(6.0).reshape(2, 3)
    axis = dict(x=[1, 2, 3], y=[10, 20], xlabel="x (pA)", ylabel="y (nS)", label="z (Hz)")
    (ax,) = of_ax(lambda **kw: plot.heatmap(values, **axis, **kw))
    (mesh,) = ax.collections
    np.testing.assert_array_equal(mesh.get_array(), values)
    assert ax.get_xlim() == (0.5, 3.5) and ax.get_ylim() == (5, 25)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (pA)", "y (nS)")
    assert mesh.colorbar.ax.get_ylabel() == "z (Hz)"
    with pytest.raises(ValueError, match="transpose"):
        plot.heatmap(values.T, **axis)


def test_training():
    accuracy = np.array([0.1, 0.8, 0.7])
    history = types.SimpleNamespace(
        loss=np.array([3.0, 2, 1]), validation_loss=np.array([4.0, 3, 3.5]),
        validation_score=accuracy, best_epoch=1,
    )  # fmt: skip
    top, bottom = of_ax(lambda **kw: plot.learning_curve(history, **kw), 2)
    np.testing.assert_array_equal(lines(top), [history.loss, history.validation_loss])
    np.testing.assert_array_equal(lines(bottom)[0], 100 * accuracy)
    assert (bottom.lines[1].get_xdata(), bottom.lines[1].get_ydata()) == ([2], [80.0])
    assert bottom.get_xlabel() == "epoch" and "(%)" in bottom.get_ylabel()
    top, bottom = plot.learning_curve(history, score="F1")
    assert bottom.get_ylabel() == "validation F1" and top.get_ylabel() == "loss"
    np.testing.assert_array_equal(lines(bottom)[0], accuracy)
    plt.close(bottom.figure)
    (ax,) = of_ax(lambda **kw: plot.confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], **kw))
    np.testing.assert_array_equal(ax.images[0].get_array(), [[1, 1], [0, 2]])
    assert [t.get_text() for t in ax.texts] == ["1", "1", "2"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")


def test_layers_draw_an_example_on_its_way():
    image, readout = np.eye(4), np.arange(15.0).reshape(5, 3)
    spikes = {"input": np.eye(5), "hidden": np.ones((5, 2))}
    draw = lambda **kw: plot.layers(image, spikes, readout, dt=2.0, label=7, answer=1, **kw)
    shown, first, second, last = of_ax(draw, 4)
    np.testing.assert_array_equal(shown.images[0].get_array(), image)
    assert shown.get_title() == "a 7" and last.get_title() == "readout: 1"
    assert (first.get_title(), second.get_title()) == (
        "input, 5 spikes",
        "hidden, 10 spikes",
    )
    np.testing.assert_array_equal(np.stack(lines(last), 1), readout)
    np.testing.assert_array_equal(last.lines[0].get_xdata(), [2, 4, 6, 8, 10])
    assert [line.get_linewidth() == 2 for line in last.lines] == [False, True, False]
    with pytest.raises(ValueError, match="4 axes for these 4 panels, got 1"):
        draw(ax=plt.subplots()[1])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "jpg"])
def test_save_writes_says_how_and_closes(suffix, tmp_path):
    ax, file = plt.subplots()[1], tmp_path / f"a.{suffix}"
    assert plot.save(ax, file, "title", about="by hand" * (suffix != "jpg")) == file.name
    assert not plt.fignum_exists(ax.figure.number)
    assert ax.figure.get_suptitle() == "title"
    content = file.read_bytes().replace(b"\0", b"")
    assert (b"by hand" in content) == (suffix != "jpg")


def test_circuit_names_every_branch_with_its_value():
    (ax,) = of_ax(lambda **kw: plot.circuit(snn.HodgkinHuxley(), **kw))
    texts = " ".join(t.get_text() for t in ax.texts)
    for part in ("1 µF/cm$^2$", "120 mS/cm$^2$", "−77 mV", "−54.39 mV", "$E_{Na}$\n50 mV"):
        assert part in texts
    arrows = sum(isinstance(t, Annotation) for t in ax.texts)
    assert arrows == 2  # sodium and potassium vary, the leak does not
    assert "100 pF" in " ".join(t.get_text() for t in plot.circuit(snn.LIF()).texts)
    with pytest.raises(ValueError, match="no equivalent circuit"):
        plot.circuit(snn.FitzHughNagumo())


def test_bad_input_is_refused(spike):
    *_, sol = spike
    with pytest.raises(ValueError, match="give ts="):
        plot.traces({"v": np.zeros(3)})
    with pytest.raises(ValueError, match="v has shape"):
        plot.traces({"v": np.zeros(3)}, ts=np.arange(4.0))
    with pytest.raises(ValueError, match="2 axes for these 2 panels, got 1"):
        plot.traces(sol, ax=plt.subplots()[1])
    with pytest.raises(ValueError, match="needs dt="):
        plot.raster(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="concrete values"):
        jax.jit(lambda x: plot.spectrum(x, x).get_ylim())(np.ones(3))


def test_colours_are_those_of_okabe_and_ito():
    published = {
        "#000000",
        "#E69F00",
        "#56B4E9",
        "#009E73",
        "#0072B2",
        "#D55E00",
        "#CC79A7",
    }
    assert set(plot.COLOURS) == published  # yellow is left out: too light for a line
