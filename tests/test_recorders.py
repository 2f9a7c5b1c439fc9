"""Each recorder against NumPy on the dense trace."""

import functools
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import snnjax as snn
from tests.toys import Echo, Held, PassThrough

simulate = snn.simulate
STEPS, CELLS = 24, 5  # one shape for all examples, so that each recorder compiles once


def rasters():
    return hnp.arrays(np.float64, (STEPS, CELLS), elements=st.sampled_from([0.0, 0.0, 1.0]))


def traces():
    return hnp.arrays(np.float64, (STEPS, CELLS), elements=st.floats(-100, 100, width=32))


def record(recorder, x, dt=0.5, **kwargs):
    return simulate(PassThrough(), x, dt, record=recorder, **kwargs).ys


def bins(x, every):
    return x.reshape(-1, every, *x.shape[1:])


@given(traces())
def test_statistics_of_the_whole_run(x):
    got = record(
        {
            "sum": snn.Sum("v"),
            "mean": snn.Mean("v"),
            "variance": snn.Variance("v"),
            "min": snn.Minimum("v"),
            "max": snn.Maximum("v"),
        },
        x,
    )
    np.testing.assert_allclose(got["sum"], x.sum(0), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(got["mean"], x.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got["variance"], x.var(0), rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(got["min"], x.min(0))
    np.testing.assert_array_equal(got["max"], x.max(0))


@given(traces())
def test_statistics_of_bins_begin_anew(x):
    kinds = dict(
        sum=snn.Sum, mean=snn.Mean, var=snn.Variance, min=snn.Minimum, max=snn.Maximum
    )
    got = record({k: kind("v", every=6) for k, kind in kinds.items()}, x)
    for name, values in got.items():
        expected = getattr(bins(x, 6), name)(1)
        np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)


def test_variance_is_accurate_far_from_zero():
    x = 1e8 + np.random.default_rng(0).normal(size=(1000, 3))
    np.testing.assert_allclose(record(snn.Variance("v"), x), x.var(0), rtol=1e-6)


@given(rasters())
def test_spike_counts(x):
    got = record(dict(whole=snn.SpikeCount(), bins=snn.SpikeCount(every=4)), x)
    np.testing.assert_array_equal(got["whole"], x.sum(0))
    np.testing.assert_array_equal(got["bins"], bins(x, 4).sum(1))


@given(rasters())
def test_first_and_last_spike(x):
    def times(x, end):
        at = [np.flatnonzero(column) for column in x.T]
        return [0.5 * (a[end] + 1) if len(a) else np.nan for a in at]

    got = record(
        dict(
            first=snn.FirstSpike(),
            last=snn.LastSpike(),
            bins=snn.FirstSpike(every=8),
            lasts=snn.LastSpike(every=8),
        ),
        x,
    )
    np.testing.assert_array_equal(got["first"], times(x, 0))
    np.testing.assert_array_equal(got["last"], times(x, -1))
    for b in range(3):
        only = np.where((np.arange(STEPS) // 8 == b)[:, None], x, 0)
        np.testing.assert_array_equal(got["bins"][b], times(only, 0))
        np.testing.assert_array_equal(got["lasts"][b], times(only, -1))


def test_silent_neurons_have_no_spike_time():
    got = record(dict(a=snn.FirstSpike(), b=snn.LastSpike()), np.zeros((4, 3)))
    assert np.isnan(got["a"]).all() and np.isnan(got["b"]).all()


@given(rasters(), st.sampled_from([7, 200]))
@pytest.mark.filterwarnings("ignore::snnjax.LostSpikesWarning")
def test_raster_is_the_list_of_spikes_in_order(x, capacity):
    events = record(
        snn.SpikeRaster(capacity, negative_v), x * (1 + np.arange(STEPS))[:, None]
    )
    steps, cells = np.nonzero(x)
    kept = min(len(steps), capacity)
    assert events.count == len(steps) and events.lost == len(steps) - kept
    np.testing.assert_array_equal(events.times[:kept], 0.5 * (steps[:kept] + 1))
    np.testing.assert_array_equal(events.indices[:kept], cells[:kept])
    np.testing.assert_array_equal(events.values[:kept], -1.0 - steps[:kept])
    assert np.isnan(events.times[kept:]).all() and np.all(events.indices[kept:] == -1)
    assert np.isnan(events.values[kept:]).all()
    times, indices = events.trimmed()
    np.testing.assert_array_equal(times, 0.5 * (steps[:kept] + 1))
    np.testing.assert_array_equal(indices, cells[:kept])


def negative_v(state, output):
    return -state.v


def test_lost_spikes_are_told_and_not_silent():
    x = np.ones((4, 3))
    with pytest.warns(
        snn.LostSpikesWarning, match=r"7 spikes .*capacity=5: give it at least 12"
    ):
        events = record(snn.SpikeRaster(5), x)
    assert (events.count, events.lost) == (12, 7)
    assert events.values is None
    record(snn.SpikeRaster(12), x)  # fits: a warning would be an error
    with pytest.warns(snn.LostSpikesWarning, match="4 spikes"):
        binned = record(snn.SpikeRaster(4, every=2), x)
    np.testing.assert_array_equal(binned.count, [6, 6])
    np.testing.assert_array_equal(binned.indices, [[0, 1, 2, 0]] * 2)
    np.testing.assert_array_equal(binned.times, [[0.5] * 3 + [1.0], [1.5] * 3 + [2.0]])


def test_raster_counts_neurons_in_the_flattened_population():
    x = np.zeros((3, 2, 4))
    x[1, 1, 2] = 1
    events = record(snn.SpikeRaster(3), x)
    assert events.indices[0] == np.ravel_multi_index((1, 2), (2, 4))
    single = simulate(
        PassThrough(), np.array([0.0, 1.0, 1.0]), 0.5, record=snn.SpikeRaster(3)
    ).ys
    np.testing.assert_array_equal(single.times[:2], [1.0, 1.5])
    np.testing.assert_array_equal(single.indices[:2], [0, 0])


@pytest.mark.parametrize("capacity", [0, -1, 2.5])
def test_refuses_a_capacity_that_is_no_number_of_spikes(capacity):
    with pytest.raises(
        ValueError, match=r"SpikeRaster\.capacity must be a whole number above 0"
    ):
        snn.SpikeRaster(capacity)


@given(traces())
def test_a_reduction_of_ones_own(x):
    def function(carry, now, state, output):
        return {
            "weighted": carry["weighted"] + now.time * state.v.sum(),
            "steps": carry["steps"] + now.step,
        }

    start = dict(weighted=0.0, steps=0)
    got = record(snn.Reduce(FUNCTION.setdefault("f", function), start, every=12), x)
    time = 0.5 * np.arange(1, STEPS + 1)
    np.testing.assert_allclose(
        got["weighted"], bins(time * x.sum(1), 12).sum(1), rtol=1e-9, atol=1e-8
    )
    np.testing.assert_array_equal(got["steps"], bins(np.arange(STEPS), 12).sum(1))
    assert got["steps"].dtype == jnp.asarray(0).dtype  # as it began


FUNCTION = {}  # one function for all examples: a new one compiles anew


def test_reduction_may_finish_otherwise_than_it_runs():
    add = lambda carry, now, state, output: carry + state.v
    x = np.arange(8.0)
    got = record(snn.Reduce(add, 0.0, finish=lambda c: (c / 4, -c), every=4), x)
    np.testing.assert_array_equal(got[0], [1.5, 5.5])
    np.testing.assert_array_equal(got[1], [-6, -22])


@given(traces())
def test_traces(x):
    got = record(
        [
            snn.Trace("v"),
            snn.Trace("v", "output", every=3),
            snn.Trace(negative_v, every=12),
            snn.Trace(),
        ],
        x,
    )
    np.testing.assert_array_equal(got[0], x)
    np.testing.assert_array_equal(got[1]["v"], x[2::3])
    np.testing.assert_array_equal(got[1]["output"], x[2::3])
    np.testing.assert_array_equal(got[2], -x[11::12])
    np.testing.assert_array_equal(got[3], x)


def test_a_name_reaches_into_parts_of_a_state():
    from snnjax.core.recorders import pick

    state = dict(exc=Held(jnp.ones(2)), inh=Held(dict(fast=jnp.zeros(3))))
    assert pick("exc.v", state, None).shape == (2,)
    assert pick("inh.v.fast", state, None).shape == (3,)
    with pytest.raises(ValueError, match=r"no 'exc\.w' to record.* Known: v, output"):
        pick("exc.w", state, None)
    with pytest.raises(ValueError, match="Did you mean 'inh'"):
        pick("ihn", state, None)


def test_small_dtypes_are_summed_in_float32():
    x = jnp.ones((1000, 2), jnp.bfloat16)
    sums = lambda recorder: recorder.update(
        recorder.init(Held(x[0]), x[0]), None, Held(x[0]), x[0]
    )
    assert sums(snn.SpikeCount()).dtype == jnp.float32
    assert sums(snn.Maximum("v")).dtype == jnp.float32


def test_counts_carry_the_gradient_of_the_dense_spikes():
    recorders = [snn.Trace(), snn.SpikeCount(), snn.SpikeCount(every=10), snn.Sum("output")]

    def totals(current):
        lif = snn.LIF(detach_reset=False)
        ys = simulate(lif, jnp.full((60, 3), current), 0.5, record=recorders).ys
        return jnp.stack([jnp.sum(y * jnp.array([1.0, 2.0, 3.0])) for y in ys])

    dense, *counts = jax.jit(jax.jacrev(totals))(250.0)
    assert abs(dense) > 1e-3
    np.testing.assert_allclose(counts, dense, rtol=1e-12)


def test_traces_are_no_buffers_of_the_carry():
    """Reverse mode needs memory in proportion to the run, also where traces are thinned."""

    def temporary_bytes(n_steps, every):
        def loss(current):
            record = [snn.Trace("v", every=every), snn.SpikeCount(every=every)]
            v, n = simulate(snn.LIF(), current, 0.5, record=record, throw=False).ys
            return jnp.sum(v**2) + jnp.sum(n)

        current = jax.ShapeDtypeStruct((n_steps, 50), jnp.float64)
        compiled = jax.jit(jax.grad(loss)).lower(current).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    short, long = temporary_bytes(200, 10), temporary_bytes(2000, 10)
    assert 5 < long / short < 15
    assert long < 1.5 * temporary_bytes(2000, 1)


def test_output_of_any_tree_is_recorded():
    x = dict(a=np.arange(6.0), b=[np.ones((6, 2))])
    sol = simulate(Echo(), x, 0.5, record=snn.Trace(every=2))
    np.testing.assert_array_equal(sol.ys["a"], [1, 3, 5])
    assert sol.ys["b"][0].shape == (3, 2)


# Parts of a network, and some neurons of a population


class Slots(NamedTuple):
    """The state of a toy network: parts side by side in one flat vector, and weights."""

    v: Any
    weights: Any

    sizes = (("exc", 3), ("inh", 2))
    parts = ("exc", "inh")

    def part(self, name, output):
        start = 0
        for known, size in self.sizes:
            if known == name:
                here = slice(start, start + size)
                return Held(self.v[here]), output[here]
            start += size
        raise KeyError(name)


class Learner(snn.AbstractDynamics[Slots]):
    """Puts out its input, and adds what each pair of neurons did together to a matrix."""

    def init(self, shape=(), *, key=None, dt=None):
        return Slots(jnp.zeros(5), jnp.zeros((5, 5)))

    def step(self, state, input, dt):
        together = state.weights + input[:, None] * input
        return Slots(2 * input, together), input


class Nested(NamedTuple):
    column: Any
    clock: Any

    parts = ("column",)

    def part(self, name, output):
        return dict(column=(self.column, output["column"]))[name]


def learn(recorder, x, **kwargs):
    return simulate(Learner(), x, 0.5, record=recorder, **kwargs).ys


X = (np.random.default_rng(1).random((STEPS, CELLS)) < 0.3).astype(float)
EXC, INH = X[:, :3], X[:, 3:]


def test_parts_of_a_network_go_by_their_names():
    got = learn(
        dict(
            v=snn.Trace("exc.v", "inh.v", "inh.spikes", "exc.output", every=2),
            one=snn.Trace("inh.v", index=1),
            count=snn.SpikeCount(of="inh"),
            sum=snn.Sum("exc.v"),
            first=snn.FirstSpike(of="inh"),
            last=snn.LastSpike(of="exc", every=12),
            rate=snn.PopulationRate(of="exc", every=4),
            whole=snn.PopulationRate(of="inh"),
            raster=snn.SpikeRaster(100, "v", of="inh"),
        ),
        X,
    )
    np.testing.assert_array_equal(got["v"]["exc.v"], 2 * EXC[1::2])
    np.testing.assert_array_equal(got["v"]["inh.spikes"], INH[1::2])
    np.testing.assert_array_equal(got["v"]["exc.output"], EXC[1::2])
    np.testing.assert_array_equal(got["one"], 2 * INH[:, 1])
    np.testing.assert_array_equal(got["count"], INH.sum(0))
    np.testing.assert_array_equal(got["sum"], 2 * EXC.sum(0))
    np.testing.assert_array_equal(got["first"], 0.5 * (INH.argmax(0) + 1))
    assert got["last"].shape == (2, 3)
    hz = bins(EXC, 4).mean((1, 2)) / 0.5 * 1e3
    np.testing.assert_allclose(got["rate"], hz, rtol=1e-12)
    np.testing.assert_allclose(got["whole"], INH.mean() / 0.5 * 1e3, rtol=1e-12)
    steps, cells = np.nonzero(INH)
    times, indices = got["raster"].trimmed()
    np.testing.assert_array_equal(times, 0.5 * (steps + 1))
    np.testing.assert_array_equal(indices, cells)
    np.testing.assert_array_equal(got["raster"].values[: len(times)], 2.0)


def test_names_reach_parts_of_parts_and_beside_them():
    from snnjax.core.recorders import pick

    state = Nested(Slots(jnp.arange(5.0), jnp.ones((5, 5))), dict(t=jnp.float32(3.0)))
    output = dict(column=jnp.arange(5) > 2)
    np.testing.assert_array_equal(pick("column.inh.v", state, output), [3, 4])
    np.testing.assert_array_equal(pick("column.exc.spikes", state, output), [0, 0, 0])
    np.testing.assert_array_equal(pick("column.spikes", state, output), output["column"])
    assert pick("column.weights", state, output).shape == (5, 5)
    assert pick("clock.t", state, output) == 3.0
    refuses = functools.partial(pytest.raises, ValueError)
    with refuses(match=r"no 'column\.ihn\.v'.*Did you mean 'inh'\? Known: exc, inh, v"):
        pick("column.ihn.v", state, output)
    with refuses(match="no 'colum.v'.*Did you mean 'column'"):
        pick("colum.v", state, output)
    with refuses(match=r"no 'clock\.spikes'"):  # a clock has no output of its own
        pick("clock.spikes", state, output)
    with refuses(match=r"no 'exd\.output' to record\. Did you mean 'exc'"):
        learn(snn.SpikeCount(of="exd"), X)


def test_weights_over_time():
    got = learn(dict(w=snn.Trace("weights", every=6), row=snn.Trace("weights", index=2)), X)
    so_far = np.cumsum(X[:, :, None] * X[:, None, :], 0)
    np.testing.assert_array_equal(got["w"], so_far[5::6])
    np.testing.assert_array_equal(got["row"], so_far[:, 2])


MASK = np.array([True, False, False, True, True])


@pytest.mark.parametrize("index", [-2, [4, 1], slice(None, None, 2), MASK], ids=str)
def test_recorders_of_some_neurons(index):
    got = record(
        dict(
            trace=snn.Trace("v", every=2, index=index),
            both=snn.Trace("v", "output", index=index),
            count=snn.SpikeCount(index=index),
            mean=snn.Mean("v", index=index, every=4),
            largest=snn.Maximum(negative_v, index=index),
            first=snn.FirstSpike(index=index),
            rate=snn.PopulationRate(index=index),
            raster=snn.SpikeRaster(200, "v", index=index),
        ),
        X,
    )
    part = X[:, index]
    np.testing.assert_array_equal(got["trace"], part[1::2])
    np.testing.assert_array_equal(got["both"]["output"], part)
    np.testing.assert_array_equal(got["count"], part.sum(0))
    np.testing.assert_allclose(got["mean"], bins(part, 4).mean(1))
    np.testing.assert_array_equal(got["largest"], (-part).max(0))
    np.testing.assert_array_equal(got["first"], 0.5 * (part.argmax(0) + 1))
    np.testing.assert_allclose(got["rate"], part.mean() * 2000)
    numbers = np.atleast_1d(np.arange(CELLS)[index])
    steps, places = np.nonzero(part.reshape(STEPS, -1))
    times, indices = got["raster"].trimmed()
    np.testing.assert_array_equal(times, 0.5 * (steps + 1))
    np.testing.assert_array_equal(indices, numbers[places])


def test_some_rows_of_a_grid_keep_their_numbers():
    x = np.zeros((3, 4, 2))
    x[1, 2, 1] = x[2, 3, 0] = x[2, 0, 0] = 1
    got = record(
        dict(n=snn.SpikeCount(index=[3, 2]), r=snn.SpikeRaster(9, index=[3, 2])), x
    )
    np.testing.assert_array_equal(got["n"], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(got["r"].trimmed()[1], [5, 6])


def test_refuses_neurons_that_are_not_there():
    for index in (5, [0, -6]):
        with pytest.raises(ValueError, match=r"out of range: there are 5 neurons, 0 to 4"):
            record(snn.SpikeCount(index=index), X)
    with pytest.raises(ValueError, match=r"slice\(7, 9, None\) picks none of the 5"):
        record(snn.Trace("v", index=slice(7, 9)), X)
    for index in (1.5, "exc", [], [[1, 2]]):
        with pytest.raises(ValueError, match="index must be a whole number, a list"):
            snn.SpikeCount(index=index)
    with pytest.raises(ValueError, match="and this is one value"):
        record(snn.SpikeCount(index=0), X[:, 0])


def test_a_rate_is_that_of_the_time_simulated():
    run = lambda dt: record(snn.PopulationRate(every=8), X, dt)
    np.testing.assert_allclose(run(0.1), 5 * run(0.5), rtol=1e-12)
    single = jax.tree.map(jnp.float32, X)
    with jax.enable_x64(False):
        assert record(snn.PopulationRate(), single).dtype == jnp.float32


# Lists of spikes, by each of the ways to make them

RASTER = lambda x: record(snn.SpikeRaster(20, "v"), x, throw=False)


@pytest.mark.parametrize("n", [1, 32, 70])
@pytest.mark.filterwarnings("ignore::snnjax.LostSpikesWarning")
def test_a_raster_is_the_same_one_by_one_and_in_a_batch(n):
    uniform = np.random.default_rng(n).random((6, n))
    xs = np.array([uniform < p for p in (0.0, 0.02, 1.0)], float)
    batch = jax.vmap(RASTER)(xs)
    for k, x in enumerate(xs):
        one = RASTER(x)
        jax.tree.map(lambda a, b, k=k: np.testing.assert_array_equal(a, b[k]), one, batch)
        steps, cells = np.nonzero(x)
        assert one.count == len(steps)
        np.testing.assert_array_equal(one.trimmed()[1], cells[:20])
        np.testing.assert_array_equal(one.trimmed()[0], 0.5 * (steps[:20] + 1))


def test_a_raster_lets_gradients_pass_by():
    def total(current, raster):
        lif = snn.LIF(detach_reset=False)
        records = [snn.Trace(), *[snn.SpikeRaster(50, "v")] * raster]
        spikes = simulate(lif, jnp.full((60, 3), current), 0.5, record=records).ys[0]
        return jnp.sum(spikes * jnp.array([1.0, 2.0, 3.0]))

    slope = lambda raster: jax.jit(jax.grad(lambda i: total(i, raster)))(250.0)
    assert abs(slope(False)) > 1e-3
    assert float(slope(True)) == pytest.approx(float(slope(False)), rel=1e-12)


def test_a_step_without_spikes_costs_a_raster_little():
    """No scatter and no prefix sum over the population in what is compiled for a CPU."""
    if jax.default_backend() != "cpu":
        pytest.skip("of the form for a CPU")
    run = lambda x: record(snn.SpikeRaster(50), x, throw=False)
    text = jax.jit(run).lower(jnp.zeros((8, 4000))).as_text()
    assert "stablehlo.while" in text
    assert "scatter" not in text and "reduce_window" not in text


def test_a_raster_exports_for_all_platforms():
    x = (np.random.default_rng(0).random((6, 40)) < 0.05).astype(float)
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    flat = lambda x: jax.tree.leaves(RASTER(x))
    exported = jax.export.export(jax.jit(flat), platforms=("cpu", "cuda", "tpu"))(shape)
    for a, b in zip(exported.call(x), flat(x), strict=True):
        np.testing.assert_array_equal(a, b)
