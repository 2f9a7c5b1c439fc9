"""`plot.sweep` draws each kind of sweep: lines, maps, dots, traces, with their parameters."""

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

import snnjax as snn
from snnjax import plot
from snnjax.sweeps import grid, latin_hypercube, static, zipped
from tests.test_plot import a_figure_of_the_user, legend  # noqa: F401


def lines(ax):
    return [(np.asarray(x.get_xdata()), np.asarray(x.get_ydata())) for x in ax.lines]


def both(a, b):
    return {"sum": a + b, "product": a * b}


def ramp(a):
    return {"v": a * np.arange(3.0), "end": 2 * a}


def test_one_parameter_is_a_line_an_output_in_order_of_its_values():
    result = snn.sweep(lambda a: {"x": a**2, "y": -a}, over={"a": [3.0, 1.0, 2.0]})
    x, y = plot.sweep(result, labels={"a": "$a$ (mV)", "x": "rate (Hz)"})
    np.testing.assert_allclose(lines(x)[0], [[1, 2, 3], [1, 4, 9]])
    np.testing.assert_allclose(lines(y)[0], [[1, 2, 3], [-1, -2, -3]])
    assert x.get_shared_x_axes().joined(x, y)
    assert [ax.get_ylabel() for ax in (x, y)] == ["rate (Hz)", "y"]
    assert (x.get_xlabel(), y.get_xlabel()) == ("", "$a$ (mV)")
    assert x.lines[0].get_color() != y.lines[0].get_color()
    assert not x.spines["top"].get_visible()


def test_it_draws_on_given_axes_what_is_named():
    result = snn.sweep(both, over={"a": np.arange(4.0), "b": [5.0]})
    _, given = plt.subplots()
    before = plt.get_fignums()
    assert plot.sweep(result, "product", ax=given) is given
    assert plt.get_fignums() == before
    np.testing.assert_allclose(lines(given)[0], [[0, 1, 2, 3], [0, 5, 10, 15]])
    assert (given.get_xlabel(), given.get_ylabel()) == ("a", "product")
    ax = plot.sweep(result.isel(a=[2]), ["sum"])  # one point is a dot
    np.testing.assert_allclose(lines(ax)[0], [[2], [7]])
    assert ax.get_xlabel() == "a"
    with pytest.raises(ValueError, match="ax= must hold 2 axes"):
        plot.sweep(result, ax=given)


def test_two_parameters_are_a_map_with_its_scale():
    a, b = np.array([2.0, 0.0, 1.0]), np.array([0.0, 10.0, 20.0, 40.0])
    axes = plot.sweep(snn.sweep(both, over={"a": a, "b": b}))
    for ax, of in zip(axes, (np.multiply, np.add), strict=True):
        (mesh,) = ax.collections
        np.testing.assert_allclose(mesh.get_array(), of.outer(b, np.sort(a)))
        corners = mesh.get_coordinates()
        np.testing.assert_allclose(corners[0, :, 0], [-0.5, 0.5, 1.5, 2.5])
        np.testing.assert_allclose(corners[:, 0, 1], [-5, 5, 15, 30, 50])
        assert ax.get_ylabel() == "b"
    assert [ax.get_xlabel() for ax in axes] == ["", "a"]
    scales = [ax.collections[0].colorbar.ax for ax in axes]
    assert [ax.get_ylabel() for ax in scales] == ["product", "sum"]


def test_a_trace_a_value_in_the_colour_of_the_value_beside_numbers():
    result = snn.sweep(ramp, over={"a": [0.0, 5.0, 10.0]})
    v, end = plot.sweep(result, ["end", "v"], ts=[0.1, 0.2, 0.3], labels={"a": "$a$ (nS)"})
    for k, (t, y) in enumerate(lines(v)):
        np.testing.assert_allclose(t, [0.1, 0.2, 0.3])
        np.testing.assert_allclose(y, 5 * k * np.arange(3))
    expected = [to_hex(plt.get_cmap("viridis")(x)) for x in (0.0, 0.5, 1.0)]
    assert [to_hex(x.get_color()) for x in v.lines] == expected
    assert (v.get_xlabel(), v.get_ylabel()) == ("time (ms)", "$v$ (mV)")
    np.testing.assert_allclose(lines(end)[0], [[0, 5, 10], [0, 10, 20]])
    scale = [ax for ax in v.figure.axes if ax.get_ylabel() == "$a$ (nS)"]
    assert len(scale) == 1 and scale[0].get_ylim() == (0, 10)
    assert v.get_position().x1 < end.get_position().x0
    alone = plot.sweep(result, "v", labels={"v": "potential"})
    assert (alone.get_xlabel(), alone.get_ylabel()) == ("sample", "potential")
    np.testing.assert_allclose(lines(alone)[1][0], [0, 1, 2])
    with pytest.raises(ValueError, match=r"3 times of v, ms, got shape \(2,\)"):
        plot.sweep(result, ts=[0.1, 0.2])


def test_samples_are_dots_over_each_parameter():
    points = latin_hypercube(20, seed=0, a=(0.0, 1.0), b=(10.0, 20.0))
    result = snn.sweep(both, over=points)
    axes = plot.sweep(result)
    at = result.parameters
    drawn = [lines(ax)[0] for ax in axes]
    for (x, y), name, over in zip(
        drawn, ["product"] * 2 + ["sum"] * 2, ["a", "b"] * 2, strict=True
    ):
        np.testing.assert_array_equal(x, at[over])
        np.testing.assert_array_equal(y, result[name].values)
    assert all(ax.lines[0].get_linestyle() == "None" for ax in axes)
    assert [ax.get_xlabel() for ax in axes] == ["", "", "a", "b"]
    assert [ax.get_ylabel() for ax in axes] == ["product", "", "sum", ""]


def test_choices_are_a_line_each_with_a_legend():
    power = lambda a, how, n: how(a) ** n
    over = dict(a=[0.5, 1.0], how=[jnp.sin, jnp.cos], n=static([1, 2]))
    ax = plot.sweep(snn.sweep(power, over=over))
    assert legend(ax) == [
        "how = sin, n = 1", "how = sin, n = 2", "how = cos, n = 1", "how = cos, n = 2",
    ]  # fmt: skip
    expected = [(f, n) for f in (np.sin, np.cos) for n in (1, 2)]
    for (x, y), (f, n) in zip(lines(ax), expected, strict=True):
        np.testing.assert_allclose(x, [0.5, 1.0])
        np.testing.assert_allclose(y, f(x) ** n)
    assert len({line.get_color() for line in ax.lines}) == 4
    samples = latin_hypercube(8, seed=0, a=(0, 1)) * grid(how=over["how"], n=[1.0])
    ax = plot.sweep(snn.sweep(power, over=samples))
    assert legend(ax) == ["how = sin", "how = cos"]
    np.testing.assert_allclose(lines(ax)[1][1], np.cos(lines(ax)[1][0]))


def test_choices_alone_are_the_axis_and_traces_are_named_by_them():
    def run(scheme, v0):
        return {"v": v0 * scheme(jnp.arange(4.0)), "last": v0 * scheme(3.0)}

    result = snn.sweep(run, over=dict(scheme=[jnp.cos, jnp.sin], v0=[2.0]))
    first, second = plot.sweep(result)
    assert legend(first) == ["cos", "sin"]
    assert first.get_legend().get_title().get_text() == "scheme"
    for (_, y), f in zip(lines(first), (np.cos, np.sin), strict=True):
        np.testing.assert_allclose(y, 2 * f(np.arange(4.0)))
    np.testing.assert_allclose(second.lines[0].get_ydata(), [2 * np.cos(3), 2 * np.sin(3)])
    assert list(second.lines[0].get_xdata()) == ["cos", "sin"]
    steps = snn.sweep(
        lambda dt, how: how(dt), over=dict(dt=static([0.1, 0.2]), how=[jnp.cos, jnp.sin])
    )
    ax = plot.sweep(steps)
    assert legend(ax) == ["how = cos", "how = sin"] and ax.get_xlabel() == "dt"
    np.testing.assert_allclose(lines(ax)[1], [[0.1, 0.2], np.sin([0.1, 0.2])])


def test_what_failed_leaves_a_gap():
    def f(a):
        a = eqx.error_if(a, a == 3, "no")
        return {"count": jnp.int32(a), "latency": jnp.where(a < 1, jnp.inf, a)}

    result = snn.sweep(f, over={"a": np.arange(5.0)})
    assert len(result.failed) == 2
    count, latency = plot.sweep(result)
    np.testing.assert_array_equal(lines(count)[0][1], [0, 1, 2, np.nan, 4])
    np.testing.assert_array_equal(lines(latency)[0][1], [np.nan, 1, 2, np.nan, 4])


def test_what_cannot_be_drawn_is_refused_with_a_way_out():
    cube = snn.sweep(lambda a, b, c: a + b + c, over={n: [1.0, 2.0] for n in "abc"})
    with pytest.raises(ValueError, match=r"this result has a, b, c\..*result\.sel"):
        plot.sweep(cube)
    assert len(plot.sweep(cube.sel(c=1.0)).collections) == 1
    with pytest.raises(ValueError, match="one point has nothing"):
        plot.sweep(cube.isel(a=0, b=0, c=0))
    with pytest.raises(ValueError, match=r"plot\.sweep\.name must be one of \['value'\]"):
        plot.sweep(cube, "rate")
    mixed = lambda a, how: how(a) * jnp.arange(3.0)
    choices = snn.sweep(mixed, over=dict(a=[1.0, 2.0], how=[jnp.sin, jnp.cos]))
    with pytest.raises(ValueError, match=r"traces \(value\).*not over a, choices"):
        plot.sweep(choices)
    pairs = snn.sweep(
        lambda a, b: a + b * jnp.arange(3.0), over=zipped(a=[1, 2.0], b=[3, 4.0])
    )
    with pytest.raises(ValueError, match=r"traces \(value\).*not over a, b"):
        plot.sweep(pairs)
    one = snn.sweep(ramp, over=zipped(a=[1.0, 2.0]))
    np.testing.assert_allclose(lines(plot.sweep(one, "v"))[1][1], [0, 2, 4])
    sheets = snn.sweep(lambda a: a * jnp.ones((2, 3)), over={"a": [1.0, 2.0]})
    with pytest.raises(ValueError, match="value has 2 axes at each point"):
        plot.sweep(sheets)
    both_kinds = latin_hypercube(4, seed=0, a=(0, 1)) * grid(b=[1.0, 2.0])
    with pytest.raises(ValueError, match="this result has point, b"):
        plot.sweep(snn.sweep(both, over=both_kinds))
