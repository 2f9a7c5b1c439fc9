"""Each recorder against NumPy on the dense trace."""

import jax
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
