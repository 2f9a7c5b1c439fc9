"""snn.sweep: every point as a loop over calls gives it, labelled, and nothing lost."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.core import backend
from snnjax.sweeps.bind import bind
from snnjax.sweeps.program import Compiled, Program

sweeps = snn.sweeps


def product(a, b=3.0):
    return dict(product=a * b, powers=jnp.stack([a, a**2, a**3]))


def count(g_na, current):
    return snn.firing_rate(snn.HodgkinHuxley(g_na=g_na), current, dt=0.05, duration=20.0)


@pytest.fixture(scope="module")
def hodgkin_huxley():
    over = dict(g_na=np.linspace(90.0, 150.0, 4), current=np.linspace(0.0, 40.0, 7))
    return over, snn.sweep(count, over)


def test_a_grid_is_a_loop_over_its_points(hodgkin_huxley):
    over, result = hodgkin_huxley
    rate = jax.jit(count)
    expected = [[float(rate(g, i)) for i in over["current"]] for g in over["g_na"]]
    np.testing.assert_array_equal(result["count"].values, expected)
    assert np.unique(expected).size > 1
    assert result["count"].dims == ("g_na", "current")
    np.testing.assert_array_equal(
        result.parameters["g_na"], np.indices((4, 7))[0] * 20.0 + 90
    )
    assert not result.failed and result.ok.all()


@pytest.mark.parametrize("batch", [1, 4, 5, 100, "auto"])
def test_batches_are_the_same_whatever_their_size(batch):
    over = dict(a=np.arange(1.0, 4.0), b=np.arange(3.0))
    result = snn.sweep(product, over, batch=batch)
    a, b = np.meshgrid(over["a"], over["b"], indexing="ij")
    np.testing.assert_array_equal(result["product"].values, a * b)
    np.testing.assert_array_equal(result["powers"].values, np.stack([a, a**2, a**3], -1))
    assert result["powers"].dims == ("a", "b", "powers_0")


def test_the_program_is_traced_and_compiled_once(monkeypatch):
    traces, sizes = [], []
    monkeypatch.setattr(
        Compiled, "__init__", counted(Compiled.__init__, lambda args: sizes.append(args[2]))
    )

    def f(x):
        traces.append(x)
        return x + 1

    result = snn.sweep(f, dict(x=np.arange(10.0)), batch=4)
    np.testing.assert_array_equal(result["f"].values, np.arange(10.0) + 1)
    assert sizes == [4] and len(traces) == 2  # once for shapes, once to compile


def counted(function, note):
    def call(*args):
        note(args)
        return function(*args)

    return call


def test_memory_decides_the_batch(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        Compiled, "__init__", counted(Compiled.__init__, lambda args: sizes.append(args[2]))
    )
    trace = lambda x: jnp.sin(x * jnp.arange(1000.0))
    over, itemsize = dict(x=np.arange(2000.0)), np.dtype(float).itemsize
    result = snn.sweep(trace, over, max_memory=100e3 * itemsize)
    assert sizes[-1] <= 100 and 2000 % sizes[-1] == 0
    np.testing.assert_array_equal(result["value"].values.shape, (2000, 1000))
    # What lies between is counted as well: each point holds 1000 numbers on its way.
    sizes.clear()
    held = lambda x: jnp.sort(jnp.sin(x * jnp.arange(1000.0)))[500]
    snn.sweep(held, over, max_memory=100e3 * itemsize)
    assert len(sizes) > 1 and sizes[-1] <= 100
    assert backend.sweep_batch() >= 2000  # it was memory


def test_points_side_by_side_and_products():
    a, b = np.arange(4.0), np.arange(4.0)[::-1]
    result = snn.sweep(product, sweeps.zipped(a=a, b=b))
    np.testing.assert_array_equal(result["product"].values, a * b)
    both = sweeps.zipped(a=a) * sweeps.grid(b=[1.0, 2.0])
    result = snn.sweep(product, both)
    assert result.points.dims == {"point": 4, "b": 2}
    np.testing.assert_array_equal(result["product"].values, a[:, None] * [1.0, 2.0])


def test_keys_belong_to_points():
    draw = lambda x, key: x + jax.random.normal(key)
    over, key = dict(x=np.zeros(20)), jax.random.key(3)
    whole = snn.sweep(draw, over, key=key)["value"].values
    np.testing.assert_array_equal(
        snn.sweep(draw, over, key=key, batch=3)["value"].values, whole
    )
    assert np.unique(whole).size == 20
    assert np.all(snn.sweep(draw, over, key=jax.random.key(4))["value"].values != whole)
    part = sweeps.grid(**over).part([7, 2])
    np.testing.assert_array_equal(
        snn.sweep(draw, part, key=key)["value"].values, whole[[7, 2]]
    )
    with pytest.raises(ValueError, match=r"sweep.key is needed: .* jax.random.key"):
        snn.sweep(draw, over)
    # A key that is optional may be left out.
    assert not snn.sweep(lambda x, key=None: x, over)["value"].values.any()


def test_leaves_of_a_model_by_path():
    lif = snn.LIF()
    peak = lambda cell, current: snn.simulate(
        cell, current, 0.1, duration=5.0, record=snn.Trace("v"), throw=False
    ).ys.max()
    over = {
        "tau_m": [5.0, 10.0],
        "threshold.level": [-50.0, 0.0],
        "current": [100.0, 300.0],
    }
    result = snn.sweep(peak, over, model=lif)
    for i, tau in enumerate(over["tau_m"]):
        for j, level in enumerate(over["threshold.level"]):
            cell = snn.LIF(tau_m=tau, threshold=level)
            found = [peak(cell, current) for current in over["current"]]
            np.testing.assert_allclose(result["value"].values[i, j], found, rtol=1e-12)
    assert lif.tau_m == snn.LIF().tau_m


@pytest.mark.parametrize("old", [3.0, np.array(3.0), jnp.ones(2)])
def test_a_model_may_be_a_tree_of_numbers(old):
    result = snn.sweep(lambda m: m["a"] * 1, dict(a=[1, 2]), model=dict(a=old, b=7.0))
    expected = np.broadcast_to([[1.0], [2.0]], (2, 2)) if np.ndim(old) else [1.0, 2.0]
    np.testing.assert_array_equal(result["value"].values, expected)
    assert result["value"].values.dtype == float


def test_seeds_of_wiring_and_keys_of_a_model():
    def targets(seed):
        wiring = snn.connect.FixedOutDegree(3)
        net = snn.networks.Network(
            dict(a=snn.networks.Population(snn.LIF(), 20, dict(a=snn.Exponential(5.0)))),
            [snn.networks.Projection("a", "a", wiring, 1.0, operator="sparse")],
            key=jax.random.key(seed),
        )
        return net.synapses["a->a"].post

    seeds = [0, 1, 5]
    found = snn.sweep(targets, dict(seed=seeds))["targets"].values
    np.testing.assert_array_equal(found, [targets(seed) for seed in seeds])
    assert np.any(found[0] != found[1])
    noise = snn.inputs.white_noise(0.0, 1.0, key=jax.random.key(0))
    first = lambda noise: jax.random.key_data(noise.key)[0]
    keys = jax.random.split(jax.random.key(5), 3)
    result = snn.sweep(first, {"key": keys}, model=noise)
    np.testing.assert_array_equal(result["value"].values, jax.random.key_data(keys)[:, 0])


def test_static_choices_loop_outside():
    def v(dt, integrator, current):
        cell = snn.FitzHughNagumo(integrator=integrator)
        sol = snn.simulate(cell, current, dt, duration=2.0, throw=False)
        return sol.final.v

    over = dict(
        dt=sweeps.static([0.1, 0.2]),
        integrator=[snn.RK4(), snn.Euler()],
        current=[0.0, 1.0],
    )
    result = snn.sweep(v, over)
    for i, dt in enumerate(over["dt"]):
        for j, integrator in enumerate(over["integrator"]):
            found = [v(dt, integrator, current) for current in over["current"]]
            np.testing.assert_allclose(result["v"].values[i, j], found, rtol=1e-12)
    assert np.unique(result["v"].values[..., 1]).size == 4
    assert result.coords["integrator"].tolist() == ["RK4()", "Euler()"]
    one = result.sel(dt=0.2, integrator="RK4()")
    np.testing.assert_array_equal(one["v"].values, result["v"].values[1, 0])


def test_parts_of_a_model_by_path():
    def v(cell, current):
        return snn.simulate(cell, current, 0.2, duration=2.0, throw=False).final.v

    over = {
        "integrator": [snn.RK4(), snn.Euler()],
        "current": [0.5, 1.0],
        "a": [0.7, 0.9],
    }
    result = snn.sweep(v, over, model=snn.FitzHughNagumo())
    for i, integrator in enumerate(over["integrator"]):
        for j, a in enumerate(over["a"]):
            cell = snn.FitzHughNagumo(integrator=integrator, a=a)
            found = [v(cell, current) for current in over["current"]]
            np.testing.assert_allclose(result["v"].values[i, :, j], found, rtol=1e-12)
    assert np.unique(result["v"].values).size == 8
    levels = [snn.Threshold(-50.0), snn.Threshold(-40.0)]
    layers = dict(model=[snn.LIF(), dict(b=snn.LIF())])
    level = lambda m: m["model"][1]["b"].threshold.level
    deep = snn.sweep(level, {"model.1.b.threshold": levels}, model=layers)
    np.testing.assert_array_equal(deep["value"].values, [-50, -40])
    for name in ("model.2", "model.1.b.step", "model.1.b.thresold", "model.x", "mod"):
        with pytest.raises(ValueError, match="nor a leaf of a model"):
            snn.sweep(level, {name: levels}, model=layers)


def test_equal_static_values_share_a_program(monkeypatch):
    made = []
    monkeypatch.setattr(
        Compiled, "__init__", counted(Compiled.__init__, lambda args: made.append(args[1]))
    )
    n = sweeps.static([2, 3, 2, 2])
    f = lambda n, x: x * jnp.ones(n).sum()
    result = snn.sweep(f, sweeps.zipped(n=n, x=np.arange(4.0)))
    np.testing.assert_array_equal(result["value"].values, [0, 3, 4, 6])
    assert len(made) == 2
    kind = lambda n: jnp.asarray(isinstance(n, float))
    found = snn.sweep(kind, dict(n=sweeps.static([1, 1.0])))
    np.testing.assert_array_equal(found["value"].values, [False, True])


def test_integers_stay_so_and_trees_have_names():
    f = lambda n: (n + 1, dict(x=[n / 2]))
    result = snn.sweep(f, dict(n=np.arange(3)))
    assert list(result.arrays) == ["0", "1.x.0"]
    assert result["0"].values.dtype.kind == "i" and result["1.x.0"].values.dtype.kind == "f"
    partial = functools.partial(product, b=2.0)
    assert list(snn.sweep(lambda a: partial(a)["product"], dict(a=[1.0])).arrays) == [
        "value"
    ]
    assert list(snn.sweep(partial, dict(a=[1.0])).arrays) == ["powers", "product"]
    scalar = functools.partial(lambda a, b: a * b, b=2.0)
    assert list(snn.sweep(scalar, dict(a=[1.0])).arrays) == ["value"]


def root(x):
    """NaN below 0, and refused above 9."""
    return jnp.sqrt(eqx.error_if(x, x > 9, "x is beyond 9"))


def test_points_that_fail_are_recorded():
    x = np.arange(-2.0, 12.0)
    result = snn.sweep(root, dict(x=x), batch=5)
    np.testing.assert_array_equal(result["root"].values[2:12], np.sqrt(x[2:12]))
    assert np.isnan(result["root"].values[[0, 1, 12, 13]]).all()
    assert [f.number for f in result.failed] == [0, 1, 12, 13]
    assert [f.parameters["x"] for f in result.failed] == [-2, -1, 10, 11]
    reasons = ["root is not finite"] * 2 + ["x is beyond 9"] * 2
    assert [f.reason for f in result.failed] == reasons
    np.testing.assert_array_equal(result.ok, (x >= 0) & (x <= 9))
    assert "failed: 4 points" in repr(result)


def test_a_point_that_raises_is_found_by_small_batches(monkeypatch):
    points, run = [], Compiled.__call__

    def counted(self, numbers):
        points.append(self.size)
        return run(self, numbers)

    monkeypatch.setattr(Compiled, "__call__", counted)
    x = (
        np.arange(1000.0) % 100 - 90
    )  # ten of them are refused, as each lot of 100 has a 9.5
    x[x == 9] = 9.5
    result = snn.sweep(root, dict(x=x), batch=1000)
    np.testing.assert_array_equal(result.ok, (x >= 0) & (x <= 9))
    assert sum(f.reason == "x is beyond 9" for f in result.failed) == 10
    assert points.count(1000) == 1 and sum(points) < 5 * 1000


def test_failed_points_run_again_alone():
    draw = lambda x, key, limit=2.0: (
        jnp.where(x < limit, x, jnp.nan) + jax.random.uniform(key)
    )
    over, key = dict(x=np.arange(4.0), y=np.arange(2.0)), jax.random.key(0)
    cut = lambda x, y, key: draw(x, key) + y
    free = lambda x, y, key: draw(x, key, 9.0) + y
    result = snn.sweep(cut, over, key=key)
    assert len(result.failed) == 4
    again = snn.sweep(free, result.failed_points(), key=key)
    mended = result.mended(again)
    assert not mended.failed
    np.testing.assert_array_equal(
        mended["value"].values, snn.sweep(free, over, key=key)["value"].values
    )
    with pytest.raises(ValueError, match="4 failed_points"):
        result.mended(snn.sweep(free, over, key=key))
    others = sweeps.grid(**over).part([0, 1, 2, 3])
    with pytest.raises(ValueError, match="over 4 other points"):
        result.mended(snn.sweep(free, others, key=key))
    with pytest.raises(
        ValueError, match=r"value is float64\[\] at each point, got .*\[4\]"
    ):
        result.mended(snn.sweep(lambda x, y: x + jnp.ones(4), result.failed_points()))


def test_one_that_fails_may_be_raised():
    with pytest.raises(
        sweeps.SweepError, match=r"failed at x=10.0: x is beyond 9\. on_error"
    ):
        snn.sweep(root, dict(x=np.arange(14.0)), on_error="raise", batch=3)
    with pytest.raises(sweeps.SweepError, match=r"x=-1.0: root is not finite") as caught:
        snn.sweep(root, dict(x=np.array([1.0, -1.0])), on_error="raise")
    assert caught.value.failure.number == 1


def test_a_choice_that_raises_is_recorded():
    def f(kind, x):
        if kind == "bad":
            raise RuntimeError("no such kind")
        return x

    over = dict(kind=["good", "bad"], x=[1.0, 2.0])
    result = snn.sweep(f, over)
    np.testing.assert_array_equal(result["f"].values, [[1, 2], [np.nan, np.nan]])
    assert {f.reason for f in result.failed} == {"no such kind"}
    first = snn.sweep(f, dict(over, kind=["bad", "good"]))
    np.testing.assert_array_equal(first["f"].values, [[np.nan, np.nan], [1, 2]])
    with pytest.raises(RuntimeError, match="no such kind"):
        snn.sweep(f, over, on_error="raise")
    with pytest.raises(RuntimeError, match="no such kind"):
        snn.sweep(f, dict(kind=["bad"], x=[1.0]))


def test_ctrl_c_keeps_what_there_is(monkeypatch):
    calls, run = [], Compiled.__call__

    def stopped(self, numbers):
        calls.append(numbers)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(self, numbers)

    monkeypatch.setattr(Compiled, "__call__", stopped)
    with pytest.warns(UserWarning, match="6 of 10 points not run"):
        result = snn.sweep(product, dict(a=np.arange(10.0)), batch=2)
    np.testing.assert_array_equal(result["product"].values[:4], 3 * np.arange(4.0))
    assert [f.number for f in result.failed] == list(range(4, 10))
    mended = result.mended(snn.sweep(product, result.failed_points()))
    np.testing.assert_array_equal(mended["product"].values, 3 * np.arange(10.0))
    calls[:] = [0, 0]
    with pytest.raises(KeyboardInterrupt):
        snn.sweep(product, dict(a=np.arange(10.0)), batch=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snn.sweep(product, dict(aa=[1.0])), r"'aa'.* Did you mean 'a'\?"),
        (
            lambda: snn.sweep(product, dict(b=[1.0])),
            "no value for a, which the function needs",
        ),
        (lambda: snn.sweep(product, dict(a=[])), "a has no values"),
        (lambda: snn.sweep(product, {}), "grid needs at least one parameter"),
        (lambda: snn.sweep(product, [1.0]), "over must be a dictionary"),
        (lambda: snn.sweep(product, dict(a=1.0)), "a must be an array of values, got 1.0"),
        (
            lambda: snn.sweep(product, dict(a="abc")),
            "a must be an array of values, got 'abc'",
        ),
        (lambda: snn.sweep(product, dict(a=[np.nan])), "a must be finite"),
        (
            lambda: snn.sweep(product, dict(a=jnp.array(1.0))),
            "a must be an array of values",
        ),
        (
            lambda: snn.sweep(product, dict(a=[np.ones(2), np.ones(3)])),
            "a must be of one shape",
        ),
        (lambda: snn.sweep(product, sweeps.grid(a=[1.0]).part(range(0))), "has no points"),
        (lambda: sweeps.zipped(a=[1, 2], b=[1]), "a has 2, b has 1"),
        (lambda: sweeps.grid(a=[1]) * sweeps.grid(a=[1]), "a is given on both sides"),
        (lambda: sweeps.zipped(a=[1]) * sweeps.zipped(b=[1]), "at most one side"),
        (lambda: snn.sweep(3, dict(a=[1.0])), "function must be a function, got 3"),
        (lambda: snn.sweep(lambda a: None, dict(a=[1.0])), "returns nothing"),
        (lambda: snn.sweep(lambda a: "x", dict(a=[1.0])), "must return arrays"),
        (lambda: snn.sweep(jax.random.key, dict(seed=[1])), "got a random key"),
        (
            lambda: snn.sweep(lambda a: {"x.y": a, "x": dict(y=a)}, dict(a=[1.0])),
            "results of the same name.*: x.y, x.y",
        ),
        (lambda: snn.sweep(product, dict(a=[1.0]), batch=0), "sweep.batch"),
        (
            lambda: snn.sweep(product, dict(a=[1.0]), batch="Auto"),
            "where it is not 'auto'.* got 'Auto'",
        ),
        (
            lambda: snn.sweep(product, dict(a=[1.0]), max_memory="2GB"),
            "sweep.max_memory must be a number .* bytes",
        ),
        (
            lambda: snn.sweep(product, dict(a=[1.0]), devices=[]),
            r"sweep.devices must be some of jax.local_devices\(\)",
        ),
        (
            lambda: snn.sweep(product, dict(a=[1.0]), devices=99),
            "sweep.devices=99, but jax sees",
        ),
        (
            lambda: snn.sweep(product, dict(a=[1.0]), key=3),
            "sweep.key must be a random key",
        ),
        (lambda: snn.sweep(product, dict(a=[1.0]), on_error="drop"), "sweep.on_error"),
        (lambda: snn.sweep(lambda: 1.0, {"g_l": [1.0]}, model=snn.LIF()), "first argument"),
        (lambda: snn.sweep(lambda m: 1.0, {"tau": [1.0]}, model=snn.LIF()), "'tau_m'"),
        (
            lambda: snn.sweep(lambda m: 1.0, {"tau_m": [-1.0]}, model=snn.LIF()),
            "tau_m .* ms",
        ),
        (
            lambda: snn.sweep(
                lambda m: 1.0, dict(tau_m=sweeps.static([2.0, -1.0])), model=snn.LIF()
            ),
            "tau_m .* ms",
        ),
        (
            lambda: snn.sweep(lambda m: m["n"], dict(n=[0.5]), model=dict(n=jnp.array(3))),
            "n of the model is int.*, got float",
        ),
        (
            lambda: snn.sweep(lambda n: jnp.ones(n), dict(n=[1, 2])),
            "one of n, as snn.sweeps.st",
        ),
        (
            lambda: snn.sweep(jnp.ones, dict(shape=sweeps.static([1, 2]))),
            r"the same shapes.*: float\d+\[1\] at .*\[2\] at",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused_before_it_runs(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_not_inside_of_jit():
    with pytest.raises(ValueError, match="a is traced"):
        jax.jit(lambda a: snn.sweep(product, dict(a=a))["product"].values)(jnp.ones(3))


def test_a_progress_bar(capsys):
    snn.sweep(product, dict(a=np.arange(10.0)), batch=2, progress=True)
    assert "10" in capsys.readouterr().err


def test_a_batch_exports_for_accelerators():
    points = sweeps.grid(g_na=[100.0, 120.0], current=[0.0, 10.0])
    program = Program(bind(count, points.axes, None, "sweep"), {}, points, None)
    arguments = *program.arguments(np.arange(4)), None
    batch = jax.jit(jax.vmap(program.at_point, in_axes=(0, 0, None)))
    exported = jax.export.export(batch, platforms=("cpu", "cuda", "tpu"))(*arguments)
    found = exported.call(*arguments)["count"]
    np.testing.assert_array_equal(found, snn.sweep(count, points)["count"].values.ravel())
