"""Deterministic inputs against their formulas, and where they jump."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from snnjax import inputs

TIMES = np.linspace(-5, 60, 1301)  # ms

# Input, its value as a function of time, its edges. Written independently.
CURRENTS = {
    "constant": (inputs.constant(3.0), lambda t: 0 * t + 3, []),
    "step": (
        inputs.step(10.0, start=10, stop=15),
        lambda t: np.where((t >= 10) & (t < 15), 10.0, 0.0),
        [10, 15],
    ),
    "step for ever": (
        inputs.step(1.0, 20, baseline=-2.0),
        lambda t: np.where(t >= 20, 1.0, -2.0),
        [20, np.inf],
    ),
    "ramp": (
        inputs.ramp(5.0, 10, 30, baseline=1.0),
        lambda t: np.interp(t, [10, 30], [1.0, 5.0]),
        [10, 30],
    ),
    "sections": (
        inputs.sections([0.0, 4.0, -1.0], [10, 2, 25]),
        lambda t: np.select([t < 0, t < 10, t < 12, t < 37], [0, 0, 4.0, -1.0], 0),
        [0, 10, 12, 37],
    ),
    "pulses": (
        inputs.pulses(2.0, [40, 10, 11], 3.0),
        lambda t: 2.0 * (((t >= 10) & (t < 14)) | ((t >= 40) & (t < 43))),
        [10, 11, 13, 14, 40, 43],
    ),
    "pulse_train": (
        inputs.pulse_train(2.0, period=20, width=5, n_pulses=2, start=5),
        lambda t: 2.0 * ((t >= 5) & (t < 45) & ((t - 5) % 20 < 5)),
        [5, 10, 25, 30],
    ),
    "sine": (
        inputs.sine(3.0, 40.0, phase=0.5, offset=1.0),
        lambda t: 1 + 3 * np.sin(2 * np.pi * 0.04 * t + 0.5),
        [],
    ),
    "linear chirp": (
        inputs.chirp(2.0, 10.0, 90.0, duration=40, start=5),
        lambda t: np.where(
            (t >= 5) & (t < 45),
            2 * np.sin(2 * np.pi * (0.01 * (t - 5) + 0.001 * (t - 5) ** 2)),
            0,
        ),
        [5, 45],
    ),
    "logarithmic chirp": (
        inputs.chirp(2.0, 10.0, 90.0, duration=40, start=5, sweep="log"),
        lambda t: np.where(
            (t >= 5) & (t < 45),
            2 * np.sin(2 * np.pi * 0.01 * 40 / np.log(9) * (9 ** ((t - 5) / 40) - 1)),
            0,
        ),
        [5, 45],
    ),
    "from_function": (inputs.from_function(jnp.cos), np.cos, []),
    "from_array": (
        inputs.from_array(np.arange(6.0), 10.0),
        lambda t: np.where((t >= 0) & (t < 60), t // 10, np.nan),
        [0, 10, 20, 30, 40, 50, 60],
    ),
    "repeated": (
        inputs.from_array(np.arange(3.0), 10.0, repeat=True),
        lambda t: t // 10 % 3,
        [0, 10, 20, 30],
    ),
    "clipped sum": (
        (2.0 * inputs.step(1.0, 10, 20) - inputs.sine(3.0, 40.0) / 2).clip(-1, 2),
        lambda t: np.clip(
            2.0 * ((t >= 10) & (t < 20)) - 1.5 * np.sin(0.08 * np.pi * t), -1, 2
        ),
        [10, 20],
    ),
}


@pytest.mark.parametrize("name", CURRENTS)
def test_value_at_any_time(name):
    current, expected, edges = CURRENTS[name]
    np.testing.assert_allclose(current.at(TIMES), expected(TIMES), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(current.edges, edges)


@pytest.mark.parametrize("name", CURRENTS)
def test_step_takes_smooth_parts_at_its_left_edge_and_jumps_at_its_middle(name):
    current, expected, _ = CURRENTS[name]
    dt = 0.25  # divides all edges, so that left edges tell the pieces too
    got = current.array(dt, 240)
    np.testing.assert_allclose(got, expected(dt * np.arange(240)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dt", [0.1, 0.01])
def test_start_is_inclusive_and_stop_exclusive_in_float32(dt):
    k = jnp.concatenate([jnp.arange(1, 100_001), jnp.arange(999_000, 1_000_000)])
    edge = (np.asarray(k) * dt).astype(np.float32)
    short, one = jnp.float32(dt), jnp.float32(1)

    def around(k, edge):
        on = inputs.step(one, edge, baseline=0 * one)
        off = inputs.step(one, -one, edge, baseline=0 * one)
        pulse = inputs.pulses(one, edge[None], short)
        ends = jnp.stack([edge, edge + short])
        section = inputs.currents.Sections(ends, jnp.float32([0, 1, 0]))
        row = [f(i, short) for f in (on, off, pulse, section) for i in (k - 1, k)]
        return jnp.stack(row)

    rows = jax.jit(jax.vmap(around))(k, edge)
    assert rows.dtype == jnp.float32
    assert bool((rows == jnp.array([0, 1, 1, 0, 0, 1, 0, 1])).all())


@pytest.mark.parametrize(("start", "first"), [(0.76, 1), (0.74, 1), (0.51, 1), (1.26, 3)])
def test_start_off_the_grid_goes_to_the_nearest_edge(start, first):
    assert np.flatnonzero(inputs.step(1.0, start).array(0.5, 10))[0] == round(start / 0.5)
    assert round(start / 0.5) in (first, first + 1)


@pytest.mark.parametrize("dt", [0.1, 0.01])
def test_samples_with_the_step_of_the_run_are_taken_one_by_one_in_float32(dt):
    x = jnp.arange(100_000, dtype=jnp.float32)
    dt = jnp.float32(dt)
    np.testing.assert_array_equal(inputs.from_array(x, dt).array(dt, 100_000), x)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_samples_with_another_step_than_the_run(dtype):
    x = jnp.arange(1000, dtype=dtype)
    samples = inputs.from_array(x, dtype(0.1))
    i = np.arange(500)
    # Twice as long: the middle of the step is where the second of its samples begins.
    np.testing.assert_array_equal(samples.array(dtype(0.2), 500), 2 * i + 1)
    np.testing.assert_array_equal(samples.array(dtype(0.05), 500), i // 2)
    np.testing.assert_array_equal(samples.array(dtype(0.3), 300), 3 * i[:300] + 1)
    assert bool(jnp.isnan(samples(1000, dtype(0.1))))


def test_vector_sections_are_the_whole_protocol():
    amplitudes = [1.0, 2.0, 4.0, 8.0, 10.0, 15.0]
    current = inputs.sections([0.0, amplitudes, 0.0], [10.0, 2.0, 25.0]).array(0.01)
    expected = np.zeros((3700, 6))
    expected[1000:1200] = amplitudes
    np.testing.assert_array_equal(current, expected)


def test_values_and_starts_of_one_neuron_each():
    current = inputs.step([1.0, 2.0], start=[0.0, 1.0], stop=2.0)
    np.testing.assert_array_equal(
        current.array(0.5, 5), [[1, 0], [1, 0], [1, 2], [1, 2], [0, 0]]
    )
    assert inputs.ramp([1.0, 2.0], 0, 1).at(np.zeros((4, 5))).shape == (4, 5, 2)


def test_operators():
    a, b = inputs.step(3.0, 1, 3), inputs.ramp(4.0, 0, 4)
    x, y = np.array([0, 3, 3, 0.0]), np.arange(4.0)
    v = np.array([1.0, 2.0])
    for current, expected in [
        (a + b, x + y),
        (a - b, x - y),
        (a * b, x * y),
        (1 + a, 1 + x),
        (1 - a, 1 - x),
        (-a, -x),
        (a / 2, x / 2),
        (b.clip(1), np.maximum(y, 1)),
        (b.clip(high=2), np.minimum(y, 2)),
        (v * a, v * x[:, None]),
        (jnp.asarray(v) * a, v * x[:, None]),
        (a + v, v + x[:, None]),
    ]:
        assert isinstance(current, inputs.AbstractWaveform)
        np.testing.assert_array_equal(current.array(1.0, 4), expected)
    with pytest.raises(TypeError):
        a + "1"
    with pytest.raises(TypeError):
        a / b
    with pytest.raises(ValueError, match="combined with must be finite"):
        a + np.nan


def test_sum_lasts_as_long_as_its_shortest_part():
    a = inputs.sections([1.0], [4.0]) + inputs.from_array(np.ones(3), 1.0)
    assert a.array(0.5).shape == (6,)
    with pytest.raises(ValueError, match="needs n_steps="):
        inputs.step(1.0).array(0.1)
    with pytest.raises(ValueError, match="whole number of steps"):
        a.array(0.7)


def test_gradients():
    i = jnp.arange(40)

    def charge(amplitude, baseline, frequency, f1):
        x = inputs.step(amplitude, 10, 30, baseline) * inputs.sine(1.0, frequency)
        x = x + inputs.ramp(amplitude, 5, 20, baseline) + inputs.pulses(baseline, [3], 2)
        x = x + inputs.sections([amplitude, baseline], [10, 10])
        x = x + inputs.chirp(amplitude, 20.0, f1, 30, sweep="log")
        x = x + inputs.from_array(jnp.full(40, baseline), 1.0)
        return jnp.sum(jax.vmap(lambda i: x(i, 1.0))(i) ** 2)

    charge = jax.jit(charge)
    check_grads(charge, (2.0, 0.5, 30.0, 60.0), order=1)
    # A chirp that stands still is a removable singularity.
    slope = jax.grad(charge, 3)
    assert slope(2.0, 0.5, 30.0, 20.0) == pytest.approx(
        float(slope(2.0, 0.5, 30.0, 20.001)), rel=1e-3
    )
    assert jax.grad(lambda s: inputs.step(1.0, s, 8.0)(4, 1.0))(4.0) == 0.0


def test_function_with_arrays_of_its_own_is_a_leaf():
    class Decay(eqx.Module):
        tau: jax.Array

        def __call__(self, t):
            return jnp.exp(-t / self.tau)

    slope = jax.grad(lambda tau: inputs.from_function(Decay(tau)).at(2.0))(4.0)
    assert slope == pytest.approx(np.exp(-0.5) * 2 / 16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: inputs.constant(np.inf), "constant.value must be finite"),
        (lambda: inputs.step(np.nan), "step.amplitude must be finite"),
        (lambda: inputs.step(1, 5, 5), r"step.stop must lie after step.start=5.0 ms"),
        (lambda: inputs.ramp(1, 5, 4), "ramp.stop must lie after"),
        (lambda: inputs.ramp(1, 5, np.inf), "ramp.stop must be finite in ms"),
        (lambda: inputs.sections([1, 2], [1]), "must be as many, got 2 values"),
        (lambda: inputs.sections([1], [0]), "sections.durations must be above 0 ms"),
        (lambda: inputs.pulses(1, [], 1), "pulses.times must be a list"),
        (lambda: inputs.pulses(1, [1], 0), "pulses.width must be above 0 ms"),
        (lambda: inputs.pulses(1, [1], [1, 2]), "pulses.width must be one number"),
        (lambda: inputs.pulse_train(1, 0, 1, 1), "pulse_train.period must be above 0"),
        (lambda: inputs.pulse_train(1, 5, 1, 0), "n_pulses must be a whole number"),
        (lambda: inputs.sine(1, -3), "sine.frequency_hz must be at least 0 Hz"),
        (lambda: inputs.chirp(1, 0, 5, 10, sweep="log"), "chirp.f0_hz must be above 0 Hz"),
        (lambda: inputs.chirp(1, 1, 5, 10, sweep="lin"), "Did you mean 'linear'"),
        (lambda: inputs.from_function(3.0), "must be a function of t"),
        (lambda: inputs.from_array(1.0, 0.1), r"must be samples \[T"),
        (lambda: inputs.from_array([1.0], 0), "from_array.dt must be above 0 ms"),
        (lambda: inputs.from_array([np.nan], 1), "from_array.values must be finite"),
    ],
)
def test_bad_values_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_files(tmp_path):
    x = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "a.npz", x=x)
    np.savez(tmp_path / "two.npz", x=x, y=x[:, 0])
    np.savetxt(tmp_path / "a.csv", x, delimiter=",", header="# by hand\na,b,c", comments="")
    np.savetxt(tmp_path / "a.txt", x)
    np.savetxt(tmp_path / "one.csv", x[:, 0])
    for file, name, expected in [
        ("a.npy", None, x),
        ("a.npz", None, x),
        ("two.npz", "y", x[:, 0]),
        ("a.csv", None, x),
        ("a.txt", None, x),
        ("one.csv", None, x[:, 0]),
    ]:
        current = inputs.from_file(tmp_path / file, 0.5, name=name)
        np.testing.assert_array_equal(current.array(0.5), expected)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.npy", None, "there is no such file"),
        ("a.mat", "", "must end in one of .npy, .npz, .csv, .txt"),
        ("a.npy", "abc", "cannot be read"),
        ("a.npz", "abc", "cannot be read"),
        ("a.csv", "i\n1\nx\n", "line 3 is not numbers: 'x'"),
        ("a.csv", "1,2\n1\n", "line 2 has 1 columns, those before 2"),
        ("a.txt", "1\nnan\n", r"must be finite: sample \(1,\) is nan"),
        ("a.csv", "i\n", r"must be samples \[T"),
    ],
)
def test_bad_files_are_refused(tmp_path, file, content, message):
    if content is not None:
        (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        inputs.from_file(tmp_path / file, 0.1)


def test_arrays_of_a_file_are_chosen_by_name(tmp_path):
    np.savez(tmp_path / "two.npz", x=np.zeros(2), y=np.zeros(3), z=np.array(["a"]))
    with pytest.raises(
        ValueError, match=r"give name= as one of its arrays \['x', 'y', 'z'\]"
    ):
        inputs.from_file(tmp_path / "two.npz", 0.1)
    with pytest.raises(ValueError, match="must hold real numbers"):
        inputs.from_file(tmp_path / "two.npz", 0.1, name="z")
    with pytest.raises(ValueError, match=r"is for \.npz files only"):
        inputs.from_file(tmp_path / "two.npy", 0.1, name="x")
