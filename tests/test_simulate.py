"""`simulate`: time, inputs, shapes, resumption, compilation, transforms and refusals."""

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.core.neuron import integrate_with
from snnjax.core.parameters import parameter
from tests.toys import (
    Echo,
    NoisyNeuron,
    Oscillation,
    Oscillator,
    PassThrough,
    Relaxation,
    WhiteInput,
)

simulate, Trace = snn.simulate, snn.Trace


def same(a, b):
    """Every leaf the same, bit for bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    bits = lambda x: (
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    )
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(bits(jnp.asarray(x)), bits(jnp.asarray(y)))


# Time and inputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_times_are_the_ends_of_steps(dtype):
    record = dict(a=Trace("v"), b=Trace("v", every=5), c=snn.SpikeCount())
    raster = np.zeros((20, 2), dtype)
    first = simulate(PassThrough(), raster, dtype(0.1), record=record)
    again = simulate(PassThrough(), raster, dtype(0.1), record=record, state=first.state)
    dt = float(dtype(0.1))
    np.testing.assert_allclose(first.ts["a"], dt * np.arange(1, 21), rtol=1e-15)
    np.testing.assert_allclose(first.ts["b"], dt * np.array([5, 10, 15, 20]), rtol=1e-15)
    assert first.ts["c"] == pytest.approx(20 * dt)
    np.testing.assert_allclose(again.ts["a"], dt * np.arange(21, 41), rtol=1e-15)
    assert again.ts["c"] == pytest.approx(40 * dt)
    assert again.state.step == 40


def test_times_of_a_float32_model_are_not_those_of_float32():
    model = jax.tree.map(lambda x: x.astype(jnp.float32), snn.LIF())
    with jax.enable_x64(False):
        sol = simulate(model, 0.0, 0.1, n_steps=1000)
    assert sol.ys.dtype == jnp.float32
    np.testing.assert_array_equal(sol.ts, 0.1 * np.arange(1, 1001))


def test_arrays_scalars_functions_and_trees_are_inputs():
    run = lambda inputs, n: simulate(Echo(), inputs, 0.5, n_steps=n).ys
    array = np.arange(12).reshape(6, 2)  # whole numbers become floats
    np.testing.assert_array_equal(run(array, None), array)
    assert run(array, 6).dtype == jnp.float64
    np.testing.assert_array_equal(run(3, 6), np.full(6, 3.0))
    ramp = lambda i, dt: 2 * i * dt  # the start of step i
    np.testing.assert_array_equal(run(ramp, 4), [0, 1, 2, 3])
    tree = run(dict(a=array, b=[ramp, 7.0]), 6)
    np.testing.assert_array_equal(tree["a"], array)
    np.testing.assert_array_equal(tree["b"][0], np.arange(6.0))
    np.testing.assert_array_equal(tree["b"][1], np.full(6, 7.0))


def test_inputs_are_cast_to_the_dtype_of_the_model():
    model = jax.tree.map(lambda x: x.astype(jnp.float32), snn.LIF())
    for inputs in (np.full(5, 300.0), 300, lambda i, dt: 300.0 * jnp.ones(())):
        sol = simulate(model, inputs, 0.1, n_steps=5, record=Trace("v", "output"))
        assert {y.dtype for y in sol.ys.values()} == {jnp.dtype(jnp.float32)}


def test_resumed_run_goes_on_in_the_time_of_its_inputs():
    clock = lambda i, dt: i * dt
    first = simulate(PassThrough(), clock, 0.5, n_steps=4)
    then = simulate(PassThrough(), clock, 0.5, n_steps=4, state=first.state)
    np.testing.assert_array_equal(then.ys, [2.0, 2.5, 3.0, 3.5])


def test_duration_is_steps_times_dt():
    run = lambda **kwargs: simulate(snn.LIF(), 300.0, 0.1, **kwargs)
    same(run(duration=0.3).ys, run(n_steps=3).ys)  # though 0.3 / 0.1 is 2.9999999999999996
    assert run(duration=0.3).stats["n_steps"] == 3
    assert len(run(duration=12.7).ys) == 127


def test_shape_of_the_population():
    def shape(model, inputs, **kwargs):
        run = lambda: simulate(model, inputs, 0.1, n_steps=4, **kwargs).ys
        return jax.eval_shape(run).shape[1:]  # traced, but not compiled

    rows = np.zeros((4, 3))
    assert shape(snn.LIF(), 0.0) == ()
    assert shape(snn.LIF(), rows) == (3,)
    assert shape(snn.LIF(tau_m=[5.0, 6.0, 7.0]), 0.0) == (3,)
    assert shape(snn.LIF(tau_m=[[5.0], [6.0]]), rows) == (2, 3)
    assert shape(snn.LIF(), lambda i, dt: jnp.zeros((2, 3))) == (2, 3)
    assert shape(snn.LIF(), 0.0, shape=(5, 2)) == (5, 2)
    assert shape(snn.LIF(), rows, shape=(5, 3)) == (5, 3)
    assert shape(snn.LIF(threshold=snn.Threshold([-50.0, -51.0])), 0.0) == (2,)


def test_result_mirrors_its_request():
    raster = np.eye(6)
    record = {"a": [Trace("v"), (snn.SpikeCount(),)], "b": Trace("v", "output", every=2)}
    sol = simulate(PassThrough(), raster, 1.0, record=record)
    np.testing.assert_array_equal(sol.ys["a"][0], raster)
    np.testing.assert_array_equal(sol.ys["a"][1][0], np.ones(6))
    assert list(sol.ys["b"]) == ["output", "v"] or list(sol.ys["b"]) == ["v", "output"]
    np.testing.assert_array_equal(sol.ys["b"]["v"], raster[1::2])
    assert jax.tree.structure(sol.ts) == jax.tree.structure(
        record, is_leaf=lambda r: isinstance(r, snn.AbstractRecorder)
    )
    np.testing.assert_array_equal(simulate(PassThrough(), raster, 1.0).ys, raster)
    assert simulate(PassThrough(), raster, 1.0, record={}).ys == {}


def test_solution_says_how_it_was_made():
    sol = simulate(snn.LIF(), 0.0, 0.1, n_steps=3)
    assert sol.made.startswith("LIF by Exact, snnjax ")
    assert f"jax {jax.__version__}, {jax.default_backend()}, float64" in sol.made
    assert simulate(PassThrough(), np.ones(2), 0.1).made.startswith("PassThrough, snnjax")
    assert sol.stats["n_steps"] == 3 and float(sol.stats["dt"]) == 0.1
    same(sol.final, sol.state.model)


# The same numbers, however a run is cut


def everything():
    return dict(
        v=Trace("v"),
        v5=Trace("v", "output", every=5),
        count=snn.SpikeCount(),
        bins=snn.SpikeCount(every=50),
        mean=snn.Mean("v"),
        variance=snn.Variance("v", every=50),
        first=snn.FirstSpike(),
        raster=snn.SpikeRaster(100, "v"),
        own=snn.Reduce(_longest_silence, (jnp.zeros(4), jnp.zeros(4))),
    )


def _longest_silence(carry, now, state, output):
    silent, longest = carry
    silent = jnp.where(output > 0, 0, silent + now.dt)
    return silent, jnp.maximum(longest, silent)


def stochastic_run(key, **kwargs):
    drive = WhiteInput(25.0, 5.0, jax.random.fold_in(key, 1), (4,))
    return simulate(
        NoisyNeuron(),
        drive,
        0.1,
        record=everything(),
        key=jax.random.fold_in(key, 2),
        **kwargs,
    )


@pytest.fixture(scope="module")
def whole():
    return stochastic_run(jax.random.key(7), n_steps=400)


def test_the_stochastic_run_has_spikes_to_lose(whole):
    assert whole.ys["count"].min() > 1
    assert len(set(np.asarray(whole.ys["first"]))) > 1


@pytest.mark.parametrize("chunk", [100, 300])
def test_chunked_is_whole_bit_for_bit(whole, chunk):
    sol = stochastic_run(jax.random.key(7), n_steps=400, chunk=chunk)
    same((sol.ts, sol.ys, sol.state), (whole.ts, whole.ys, whole.state))


def test_a_run_with_a_bar_is_the_same_bit_for_bit(whole, capsys):
    sol = stochastic_run(jax.random.key(7), n_steps=400, progress=True)
    same((sol.ts, sol.ys, sol.state), (whole.ts, whole.ys, whole.state))
    assert "NoisyNeuron: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("on_disk", [False, True])
def test_resumed_is_whole_bit_for_bit(whole, on_disk, tmp_path):
    state, along_time = None, []
    for _ in range(4):
        sol = stochastic_run(jax.random.key(7), n_steps=100, state=state)
        along_time.append({k: sol.ys[k] for k in ("v", "v5", "bins", "variance")})
        state = sol.state
        if on_disk:
            snn.save(tmp_path / "state.eqx", state)
            other = stochastic_run(jax.random.key(8), n_steps=100)
            state = snn.load(tmp_path / "state.eqx", other.state)
    same(sol.state, whole.state)
    for k in ("count", "mean", "first", "raster", "own"):
        same(sol.ys[k], whole.ys[k])
    for k in along_time[0]:
        joined = jax.tree.map(lambda *xs: jnp.concatenate(xs), *(p[k] for p in along_time))
        same(joined, whole.ys[k])


def test_an_array_drive_is_cut_into_the_same_chunks(key):
    current = 250 + 100 * jax.random.normal(key, (50, 3))
    run = lambda **kwargs: simulate(snn.LIF(), current, 0.1, record=Trace("v"), **kwargs)
    for chunk in (20, 49):  # 49 leaves a single step over
        same(run(chunk=chunk).ys, run().ys)


def test_a_run_with_other_recorders_begins_them_anew():
    ones = np.ones((10, 2))
    first = simulate(PassThrough(), ones, 1.0, record=snn.SpikeCount())
    go_on = lambda r: simulate(PassThrough(), ones, 1.0, record=r, state=first.state).ys
    np.testing.assert_array_equal(go_on(snn.SpikeCount()), [20, 20])
    np.testing.assert_array_equal(go_on(snn.Sum("v")), [10, 10])


def test_a_state_of_ones_own_starts_a_run():
    start = Relaxation().init((2,))._replace(v=jnp.array([5.0, -3.0]))
    sol = simulate(
        Relaxation(), 0.0, 0.5, n_steps=8, state=snn.RunState(start), record=Trace("v")
    )
    np.testing.assert_allclose(sol.ys, [5, -3] * np.exp(-sol.ts[:, None] / 10), rtol=1e-13)


# The same numbers, however a run is executed


def test_nested_periods_are_slices_of_the_dense_trace(key):
    x = np.asarray(jax.random.normal(key, (100, 3)))
    record = {k: Trace("v", every=k) for k in (1, 5, 50)}
    record |= {-k: snn.Sum("v", every=k) for k in (1, 5, 50, 100)}
    sol = simulate(PassThrough(), x, 0.2, record=record)
    for k in (1, 5, 50):
        np.testing.assert_array_equal(sol.ys[k], x[k - 1 :: k])
        np.testing.assert_allclose(sol.ts[k], 0.2 * np.arange(k, 101, k), rtol=1e-14)
    for k in (1, 5, 50, 100):
        bins = x.reshape(-1, k, 3).sum(1)
        np.testing.assert_allclose(sol.ys[-k], bins, rtol=1e-12, atol=1e-13)


def test_scan_is_a_loop_over_steps():
    neuron, dt = Oscillator(), 0.2
    current = np.linspace(0.0, 1.0, 40)
    sol = simulate(neuron, current, dt, record=Trace("v", "w"))
    state, vs, ws = neuron.init(), [], []
    for i in current:
        state, _ = neuron.step(state, jnp.asarray(i), jnp.asarray(dt))
        vs.append(state.v)
        ws.append(state.w)
    np.testing.assert_allclose(sol.ys["v"], vs, atol=1e-13)
    np.testing.assert_allclose(sol.ys["w"], ws, atol=1e-13)
    with jax.disable_jit():
        eager = simulate(neuron, current[:8], dt, record=Trace("v", "w", every=4))
    np.testing.assert_allclose(eager.ys["v"], vs[3:8:4], rtol=1e-12)


def test_unroll_is_simulate(key):
    current = 250 + 100 * jax.random.normal(key, (60, 3))
    state, spikes = snn.LIF().unroll(snn.LIF().init((3,)), current, jnp.asarray(0.5))
    sol = simulate(snn.LIF(), current, 0.5)
    np.testing.assert_array_equal(spikes, sol.ys)
    np.testing.assert_allclose(state.v, sol.final.v, rtol=1e-12)


def trajectory(gain, current, dt=0.2, throw=True):
    neuron, record = Oscillator(gain=gain), Trace("v", every=10)
    return simulate(neuron, current, dt, n_steps=30, record=record, throw=throw).ys


GAINS, CURRENTS = jnp.linspace(0.8, 1.3, 3), jnp.linspace(0.5, 0.9, 3)


def test_inside_jit_is_outside():
    outside = trajectory(1.2, 0.8)
    np.testing.assert_allclose(jax.jit(trajectory)(1.2, 0.8, 0.2), outside, rtol=1e-12)
    noisy = lambda key: simulate(NoisyNeuron(), 20.0, 0.1, n_steps=50, key=key).final.v
    key = jax.random.key(3)
    np.testing.assert_allclose(jax.jit(noisy)(key), noisy(key), rtol=1e-12)


def test_vmap_is_one_run_after_the_other():
    one_by_one = [trajectory(g, i) for g, i in zip(GAINS, CURRENTS, strict=True)]
    batch = jax.jit(jax.vmap(trajectory))(GAINS, CURRENTS)
    np.testing.assert_allclose(batch, one_by_one, rtol=1e-11)
    population = simulate(
        Oscillator(gain=GAINS),
        CURRENTS[None].repeat(30, 0),
        0.2,
        record=Trace("v", every=10),
    )
    np.testing.assert_allclose(population.ys.T, one_by_one, rtol=1e-11)


def test_gradients_in_both_modes_are_finite_differences():
    batch, h = jax.jit(jax.vmap(trajectory)), 1e-5
    slope = (batch(GAINS + h, CURRENTS) - batch(GAINS - h, CURRENTS)) / (2 * h)
    assert np.all(np.abs(slope) > 1e-3)
    forwards = jax.jit(jax.vmap(jax.jacfwd(trajectory)))(GAINS, CURRENTS)
    np.testing.assert_allclose(forwards, slope, rtol=1e-7)
    end = lambda gain, current: trajectory(gain, current)[-1]
    backwards = jax.jit(jax.vmap(jax.grad(end)))(GAINS, CURRENTS)
    np.testing.assert_allclose(backwards, slope[:, -1], rtol=1e-7)
    assert float(jax.grad(end)(GAINS[1], CURRENTS[1])) == pytest.approx(float(backwards[1]))


def test_checks_change_no_number():
    same(trajectory(1.2, 0.8, throw=True), trajectory(1.2, 0.8, throw=False))
    one = lambda gain, throw: (jnp.sum(ys := trajectory(gain, 0.8, throw=throw)), ys)
    checked, free = (
        jax.jit(jax.value_and_grad(lambda g, t=throw: one(g, t), has_aux=True))(1.2)
        for throw in (True, False)
    )
    same(checked[0], free[0])
    np.testing.assert_allclose(checked[1], free[1], rtol=1e-13)


# Compilation


def test_only_shapes_compile_anew():
    def run(gain=1.0, current=0.5, dt=0.1, n=3, **kwargs):
        before = Oscillator.traces[0]
        neuron = Oscillator(gain=gain)
        fresh = dict(v=Trace("v", every=5), n=snn.SpikeCount())
        sol = simulate(neuron, np.full((20, n), current), dt, record=fresh, **kwargs)
        return sol, Oscillator.traces[0] - before

    first, traces = run()
    assert traces > 0
    for changed in (dict(gain=1.1), dict(current=0.7), dict(dt=0.05), dict(gain=2)):
        assert run(**changed)[1] == 0, changed
    own = snn.RunState(jax.tree.map(lambda x: x + 0.1, first.final))
    assert run(state=own)[1] == 0
    resumed, traces = run(
        state=first.state
    )  # the open bins come in as arguments: once anew
    assert traces > 0
    assert run(state=resumed.state, gain=1.3)[1] == 0
    assert run(n=4)[1] > 0
    assert run(gain=[1.0, 1.1, 1.2])[1] > 0


def test_stochastic_inputs_and_keys_compile_once(key):
    class Counted(WhiteInput):
        def __call__(self, i, dt):
            calls[0] += 1
            return super().__call__(i, dt)

    calls = [0]

    def run(seed, mean):
        keys = jax.random.split(jax.random.key(seed))
        drive = Counted(jnp.asarray(mean), jnp.asarray(5.0), keys[0], (2,))
        shape = (2,)  # given, as to infer it takes a look at the function in each call
        return simulate(
            NoisyNeuron(), drive, 0.1, n_steps=20, shape=shape, key=keys[1]
        ).final.v

    a = run(0, 10.0)
    traced = calls[0]
    b = run(1, 12.0)
    assert calls[0] == traced
    assert np.all(a != b)


# Numbers that are no longer finite


class Poison(eqx.Module):
    """0, but for infinity in one step."""

    step: int

    def __call__(self, i, dt):
        return jnp.where(i == self.step, jnp.inf, 0.0)


@pytest.mark.parametrize("kwargs", [{}, dict(chunk=20)])
@pytest.mark.parametrize("step", [0, 20, 37])
def test_a_run_that_turns_non_finite_keeps_what_came_before(step, kwargs):
    record = dict(v=Trace("v", "w"), n=snn.Sum("w"))
    run = lambda step: simulate(
        Oscillator(), Poison(step), 0.1, n_steps=40, record=record, **kwargs
    )
    with pytest.raises(snn.NonFiniteError) as caught:
        run(step)
    error = caught.value
    assert error.step == step
    words = (
        "The state v.* of Oscillator is no longer finite, as the input was not: got inf. "
        rf"Correct.*step {step}, which ends at "
    )
    assert re.search(words, str(error))
    assert f"{(step + 1) * 0.1:g} ms" in str(error)
    if step == 0:
        assert error.solution is None
        return
    kept, well = error.solution, run(100)
    assert kept.stats["n_steps"] == kept.state.step == step
    np.testing.assert_array_equal(kept.ts["v"], well.ts["v"][:step])
    for name in ("v", "w"):
        np.testing.assert_allclose(
            kept.ys["v"][name], well.ys["v"][name][:step], rtol=1e-12
        )
    assert float(kept.ys["n"]) == pytest.approx(float(np.sum(well.ys["v"]["w"][:step])))


def test_what_is_kept_ends_with_a_bin():
    record = [Trace("v", every=5), snn.SpikeCount(every=10)]
    with pytest.raises(snn.NonFiniteError) as caught:
        simulate(Oscillator(), Poison(37), 0.1, n_steps=40, record=record)
    assert caught.value.step == 37
    kept = caught.value.solution
    assert [len(y) for y in kept.ys] == [len(t) for t in kept.ts] == [6, 3]
    assert kept.stats["n_steps"] == kept.state.step == 30


def test_the_step_of_a_resumed_run_counts_from_its_beginning():
    first = simulate(Oscillator(), 0.0, 0.1, n_steps=30)
    with pytest.raises(snn.NonFiniteError) as caught:
        simulate(Oscillator(), Poison(37), 0.1, n_steps=30, state=first.state)
    assert caught.value.step == 37
    assert caught.value.solution.ts[0] == pytest.approx(3.1)


class TwoParts(snn.AbstractNeuron):
    """v grows as v^2 does, w stays."""

    start: Any = parameter((0.1, 1.0))
    integrator: snn.AbstractIntegrator = integrate_with(snn.RK4)

    def rest(self):
        return Oscillation(self.start, 0 * self.start)

    def derivative(self, state, current):
        return {"v": state.v**2, "w": current - state.w}

    def spikes(self, before, after, dt):
        return jnp.zeros_like(after.v)


def test_only_the_state_that_blew_up_is_named():
    words = "The state v of TwoParts is no longer finite. Try a smaller dt"
    with pytest.raises(snn.NonFiniteError, match=words) as caught:
        simulate(TwoParts(), 0.0, 0.1, n_steps=100)
    v = np.array([0.1, 1.0])  # the same scheme in NumPy
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(100):  # noqa: B007
            k1 = v**2
            k2 = (v + 0.05 * k1) ** 2
            k3 = (v + 0.05 * k2) ** 2
            k4 = (v + 0.1 * k3) ** 2
            v = v + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            if not np.isfinite(v).all():
                break
    assert caught.value.step == step


@pytest.mark.parametrize("chunk", [None, 10])
def test_what_is_kept_saw_its_own_part_of_an_array(chunk):
    current = np.sin(np.arange(20.0))
    with pytest.raises(snn.NonFiniteError) as caught:
        simulate(TwoParts(), current, 0.1, record=Trace("w"), chunk=chunk)
    kept = caught.value.solution.ys
    alone = simulate(Relaxation(1.0, integrator=snn.RK4()), current, 0.1, record=Trace("v"))
    np.testing.assert_allclose(kept[:, 0], alone.ys[: len(kept)], rtol=1e-11, atol=1e-14)
    assert len(kept) == caught.value.step == 12


def test_non_finite_under_jit_is_a_runtime_error():
    run = lambda step: simulate(Oscillator(), Poison(step), 0.1, n_steps=20).ys
    assert np.isfinite(eqx.filter_jit(run)(jnp.int32(50))).all()
    words = "The state v of Oscillator is no longer finite"
    with pytest.raises(eqx.EquinoxRuntimeError, match=words):
        eqx.filter_jit(run)(jnp.int32(7))
    with pytest.raises(Exception, match=words):
        jax.block_until_ready(jax.jit(run)(jnp.int32(7)))
    silent = lambda step: (
        simulate(
            Oscillator(), Poison(step), 0.1, n_steps=20, record=Trace("v"), throw=False
        ).ys
    )
    v = jax.jit(silent)(jnp.int32(7))
    assert np.isfinite(v[:7]).all() and not np.isfinite(v[7:]).any()


def test_a_traced_dt_that_is_no_step_is_a_runtime_error():
    run = lambda dt, throw: simulate(snn.LIF(), 300.0, dt, n_steps=3, throw=throw).ys
    assert run(jnp.asarray(0.1), True).shape == (3,)
    for dt in (0.0, -0.1, jnp.nan, jnp.inf):
        with pytest.raises(
            eqx.EquinoxRuntimeError, match=r"simulate\.dt must be .*above 0 ms"
        ):
            eqx.filter_jit(run)(jnp.asarray(dt), True)
    eqx.filter_jit(run)(jnp.asarray(-0.1), False)


def test_a_solution_comes_out_of_jit_and_vmap():
    run = lambda i: simulate(
        snn.LIF(), i, 0.1, n_steps=20, record=[Trace("v"), snn.SpikeCount()]
    )
    sol, outside = jax.jit(run)(300.0), run(300.0)
    np.testing.assert_allclose(sol.ys[0], outside.ys[0], rtol=1e-12)
    np.testing.assert_allclose(sol.ts[0], outside.ts[0], rtol=1e-12)
    assert jax.jit(jax.vmap(run))(jnp.array([300.0, 400.0])).final.v.shape == (2,)
    then = simulate(
        snn.LIF(),
        300.0,
        0.1,
        n_steps=20,
        record=[Trace("v"), snn.SpikeCount()],
        state=sol.state,
    )
    assert then.ts[0][-1] == pytest.approx(4.0)


def test_traced_parameters_out_of_bounds_are_runtime_errors():
    run = eqx.filter_jit(
        lambda tau, throw: simulate(snn.LIF(tau_m=tau), 0.0, 0.1, n_steps=3, throw=throw).ys
    )
    assert run(jnp.array([5.0, 6.0]), True).shape == (3, 2)
    words = "LIF.tau_m is out of bounds: it must be finite, in ms above 0"
    with pytest.raises(eqx.EquinoxRuntimeError, match=words):
        run(jnp.array([5.0, -6.0]), True)
    with pytest.raises(eqx.EquinoxRuntimeError, match=words):
        run(jnp.array([5.0, jnp.nan]), True)
    run(jnp.array([5.0, -6.0]), False)
    beta = lambda beta: (
        simulate(
            snn.LIF(threshold=snn.Threshold(-50.0, snn.SuperSpike(beta))),
            0.0,
            0.1,
            n_steps=3,
        ).ys
    )
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"threshold\.surrogate\.beta"):
        eqx.filter_jit(beta)(jnp.asarray(-1.0))


# Stiffness


def relaxation(ratio, integrator):
    """dt times the slope of v is `ratio`."""
    return simulate(
        Relaxation(tau=[4.0, 1.0], integrator=integrator), 0.0, ratio, n_steps=2
    )


EXPLICIT = [snn.Euler(), snn.Heun(), snn.Midpoint(), snn.RK4(), snn.SequentialEuler(("v",))]


@pytest.mark.parametrize("integrator", EXPLICIT, ids=lambda i: type(i).__name__)
def test_explicit_schemes_warn_where_a_step_exceeds_two(integrator):
    relaxation(1.99, integrator)  # a warning is an error here
    with pytest.warns(
        snn.StiffnessWarning, match="the own slope of v is 2.01 at the start"
    ):
        relaxation(2.01, integrator)


@pytest.mark.parametrize("integrator", [snn.ExponentialEuler(), snn.Exact()])
def test_other_schemes_never_warn(integrator):
    relaxation(100.0, integrator)


def test_the_state_and_input_at_the_start_are_what_counts():
    """A conductance of 5/ms at dt = 0.5 ms is too much; the same current is not."""
    pull = lambda g: simulate(
        Relaxation(tau=1.0, integrator=snn.Euler()),
        lambda i, dt: lambda v: -g * v,
        0.5,
        n_steps=2,
    )
    pull(2.9)
    with pytest.warns(snn.StiffnessWarning):
        pull(3.1)
    with pytest.warns(snn.StiffnessWarning):  # own slope of v at v = 5: 1 - 25
        simulate(
            Oscillator(),
            0.0,
            0.1,
            n_steps=1,
            state=snn.RunState(Oscillator().init()._replace(v=jnp.asarray(5.0))),
        )


def test_throw_false_does_not_warn():
    simulate(Relaxation(tau=1.0, integrator=snn.Euler()), 0.0, 3.0, n_steps=2, throw=False)


# Refusals


def refuses(words, inputs=0.0, dt=0.1, model=None, **kwargs):
    with pytest.raises(ValueError, match=words):
        simulate(snn.LIF() if model is None else model, inputs, dt, **kwargs)


def test_refuses_inputs_that_are_not_finite():
    x = np.zeros((10, 3))
    x[4, 2] = np.nan
    x[7, 0] = np.inf
    refuses(r"got nan \(2 of 30 values are not\) at step 4, index \(2,\)", x)
    refuses("must be finite, got inf", np.inf, n_steps=3)
    refuses("must be finite, got nan", dict(a=1.0, b=np.nan), model=Echo(), n_steps=3)


def test_lists_of_numbers_are_arrays():
    for x in ([1.0, 2, np.float32(3.0)], [[1, 2.0], [3, 4]]):
        sol = simulate(PassThrough(), x, 0.1)
        np.testing.assert_array_equal(sol.ys, np.array(x))
    tree = simulate(Echo(), [np.ones(2), 3.0], 0.1).ys
    np.testing.assert_array_equal(tree[1], [3, 3])
    refuses(
        "input must be numbers.*time first.*got \\[\\[1.0, 2.0\\], \\[3.0\\]\\]",
        [[1.0, 2.0], [3.0]],
    )
    refuses("input must be numbers", "ramp", n_steps=3)


def test_refuses_what_is_no_model():
    no = lambda words, *args: pytest.raises(ValueError, match=words)
    with no(r"simulate\.model must be an instance, got the class LIF\. Write LIF\(\)"):
        simulate(snn.LIF, 300.0, 0.1, n_steps=3)
    with no(r"simulate\.model must be a model.*got 300\.0.*order .* model, inputs, dt"):
        simulate(300.0, snn.LIF(), 0.1, n_steps=3)


@pytest.mark.parametrize("key", [0, np.uint32(3), np.arange(2), "seed"])
def test_refuses_a_key_that_is_none(key):
    refuses(
        r"simulate\.key must be a random key, jax\.random\.key\(seed\), got",
        model=NoisyNeuron(),
        n_steps=3,
        key=key,
    )


def test_a_raw_key_is_a_key():
    sol = simulate(NoisyNeuron(), 0.0, 0.1, n_steps=3, key=jax.random.PRNGKey(0))
    assert sol.final.noise.count == 3


def test_refuses_more_steps_than_int32_counts():
    words = rf"n_steps must be below 2\*\*31 = {2**31}.*got"
    refuses(f"{words} {2**31}", n_steps=2**31)
    refuses(f"{words} {10**13}", duration=1e12)


def test_refuses_lengths_that_do_not_fit():
    refuses("needs n_steps= or duration=")
    refuses("n_steps= or duration=, not both", n_steps=3, duration=0.3)
    refuses(
        r"has 7 steps, but n_steps=10: time comes first.*inputs\.constant",
        np.ones(7),
        n_steps=10,
    )
    refuses(r"have \[3, 4\] steps", [np.ones(3), np.ones(4)], model=Echo())
    refuses("whole number above 0, got 0", n_steps=0)
    refuses("whole number above 0, got 2.5", n_steps=2.5)
    refuses("whole number above 0, got '3'", n_steps="3")
    refuses("duration=0.25 ms must be a whole number of steps of 0.1 ms", duration=0.25)
    refuses("duration=-1 ms", duration=-1.0)
    refuses("duration=inf ms", duration=np.inf)
    with pytest.raises(ValueError, match="duration needs a concrete dt"):
        jax.jit(lambda dt: simulate(snn.LIF(), 0.0, dt, duration=1.0).ys)(0.1)


@pytest.mark.parametrize("dt", [0.0, -0.1, np.nan, np.inf, "fast", [0.1, 0.2]])
def test_refuses_a_dt_that_is_no_step(dt):
    refuses("simulate.dt", dt=dt, n_steps=3)


def test_refuses_shapes_that_do_not_fit():
    rows = np.ones((5, 2))
    refuses(
        r"LIF\.tau_m of shape \(3,\) does not fit a population of shape \(2,\)",
        rows,
        model=snn.LIF([1.0, 2.0, 3.0]),
    )
    refuses("Check state= and shape=", rows, shape=(3,))
    refuses("do not broadcast", [np.ones((5, 2)), np.ones((5, 3))], model=Echo())
    refuses("LIF", dict(current=1.0), n_steps=3)
    refuses("LIF", None, n_steps=3)
    assert simulate(snn.LIF(), 0.0, 0.1, n_steps=5, shape=3).ys.shape == (5, 3)


@pytest.mark.parametrize("integrator", [snn.Exact(), snn.Euler()])
def test_refuses_states_that_do_not_fit(integrator):
    lif, rows = snn.LIF(integrator=integrator), np.ones((5, 2))
    no = lambda words, state: refuses(words, rows, model=lif, state=state)
    no("state must be the `state` of a Solution, got LIFState.*RunState", lif.init((2,)))
    words = r"LIF has the state LIFState\(v, refractory\), got Held\(v\)\. Check state="
    no(words, snn.RunState(Relaxation().init((2,))))
    hh = snn.HodgkinHuxley().init((2,))
    no(r"another model: LIF.*got HodgkinHuxleyState\(v, m, h, n\)", snn.RunState(hh))
    no("another model: LIF.*got Oscillation", snn.RunState(Oscillation(*lif.init((2,)))))
    no("another model: LIF", snn.RunState(lif.init((2,))._replace(refractory=None)))
    no("LIF.*Check state=", snn.RunState(3.0))
    no("LIF.*Check state=", snn.RunState(lif.init((3,))))
    no(r"v float64\[\] -> float64\[2\].*Check state=", snn.RunState(lif.init()))
    single = jax.tree.map(lambda x: x.astype(jnp.float32), lif.init((2,)))
    no(r"v float32\[2\] -> float64\[2\].*Check state=", snn.RunState(single))


def test_refuses_records_that_do_not_fit():
    no = lambda words, record, **kwargs: refuses(words, n_steps=12, record=record, **kwargs)
    no(r"record must be a recorder or a tree of them, got 'v'.*Trace\('v'\)", "v")
    no(
        "no 'refractry' to record. Did you mean 'refractory'\\? Known: v, refractory, output",
        Trace("refractry"),
    )
    no("Trace.every=7 must divide n_steps=12", [Trace("v"), Trace("v", every=7)])
    no(
        "every=3 and every=4, one must divide the other",
        [Trace("v", every=3), Trace(every=4)],
    )
    no("chunk=5 must be above 1 and a multiple of 2", Trace(every=2), chunk=5)
    no("chunk=1 must be above 1", None, chunk=1)
    for every in (0, -1, 1.5, True, "a", np.inf, (2,)):
        with pytest.raises(
            ValueError, match="every must be a whole number of steps above 0"
        ):
            Trace("v", every=every)


def test_refuses_a_stochastic_model_without_a_key():
    refuses(
        "NoisyNeuron is stochastic and needs a key: give key=",
        model=NoisyNeuron(),
        n_steps=3,
    )


def test_refuses_the_state_of_another_model_under_jit(key):
    lif = simulate(snn.LIF(), 0.0, 0.1, n_steps=3).state
    run = lambda state: simulate(snn.HodgkinHuxley(), 0.0, 0.01, n_steps=3, state=state).ys
    with pytest.raises(ValueError, match="another model: HodgkinHuxley has the state"):
        jax.jit(run)(lif)
    refuses("another model: NoisyNeuron", model=NoisyNeuron(), state=lif, n_steps=3)


def test_refuses_chunks_under_jit():
    for kwargs in (dict(chunk=2), dict(progress=True)):
        with pytest.raises(ValueError, match="chunk= and progress= need a run outside jit"):
            jax.jit(lambda i, k=kwargs: simulate(snn.LIF(), i, 0.1, n_steps=4, **k).ys)(1.0)


def test_refuses_parameters_by_name():
    with pytest.raises(
        ValueError, match=r"LIF has no parameter 'tau'\. Did you mean 'tau_m'"
    ):
        snn.LIF(tau=3.0)
    with pytest.raises(
        ValueError, match=r"LIF\.tau_m must be above 0 ms, got \[10\.  0\.\]"
    ):
        snn.LIF(tau_m=[10.0, 0.0])
    with pytest.raises(ValueError, match=r"LIF\.e_l must be finite in mV, got nan"):
        snn.LIF(e_l=np.nan)
    with pytest.raises(
        ValueError, match=r"LIF\.g_l must be a number or an array in nS, got 'x'"
    ):
        snn.LIF(g_l="x")
    with pytest.raises(
        ValueError, match=r"LIF\.reset_mode must be 'value', 'subtract' or 'none'"
    ):
        snn.LIF(reset_mode="zero")
    assert snn.LIF(tau_m=10).tau_m.dtype == jnp.float64  # whole numbers become floats
