"""Inputs under jit, vmap, grad and export, in chunks, and in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax import inputs

DT, STEPS = 0.5, 20
KEY = 7


class Echo(snn.AbstractDynamics):
    """Gives back its input; `traced` has an entry for each time its step was traced."""

    traced = []  # noqa: RUF012

    def init(self, shape=(), *, key=None, dt=None):
        return ()

    def step(self, state, input, dt):
        self.traced.append(1)
        return state, input


def run(sources, **options):
    """The values of a tree of inputs in each step."""
    return snn.simulate(Echo(), sources, DT, n_steps=STEPS, **options).ys


# Each input as a function of a number x near 1 and of a key, for 3 neurons. `SOURCES` draw.
V = np.array([1.0, 2.0, 3.0])
CURRENTS = {
    "constant": lambda x, k: inputs.constant(x * V),
    "step": lambda x, k: inputs.step(x * V, 2 * x, 6 * x, -x),
    "ramp": lambda x, k: inputs.ramp(x * V, x, 5 * x),
    "sections": lambda x, k: inputs.sections([0, x * V], x * np.array([3, 2])),
    "pulses": lambda x, k: inputs.pulses(x * V, x * np.array([3, 6]), x),
    "pulse_train": lambda x, k: inputs.pulse_train(x * V, 3 * x, x, 2),
    "sine": lambda x, k: inputs.sine(x * V, 50 * x, x, x),
    "chirp": lambda x, k: inputs.chirp(x * V, 9 * x, 99 * x, 8 * x, sweep="log"),
    "from_array": lambda x, k: inputs.from_array(x * np.ones((20, 3)), x),
    "sum": lambda x, k: (2 * inputs.step(x, x) + inputs.sine(x * V, 9.0)).clip(0, 4 * x),
}
SOURCES = {
    "white_noise": lambda x, k: inputs.white_noise(x, x * V, key=k),
    "bernoulli": lambda x, k: inputs.bernoulli(300 * x * V, key=k),
    "poisson": lambda x, k: inputs.poisson(300 * x * inputs.sine(V, 99.0), key=k),
    "compound": lambda x, k: inputs.compound_poisson(
        300 * x, [0.5, 0.5], x, shape=(3,), key=k
    ),
    "from_times": lambda x, k: inputs.from_times(x * np.array([[1, 2, 3.0], [4, 5, 9]])),
    "poisson_train": lambda x, k: inputs.poisson_train(
        200 * x * V, 20 * x, key=k, capacity=40
    ),
    "gamma_train": lambda x, k: inputs.gamma_train(
        200 * x, 2 * x, 20 * x, key=k, capacity=30, shape=(3,)
    ),
    "refractory": lambda x, k: inputs.refractory_poisson_train(
        400 * x * V, x, 20 * x, key=k, capacity=40
    ),
    "regular": lambda x, k: inputs.regular_train(
        200 * x * V, 20 * x, jitter=x, key=k, capacity=40
    ),
    "noisy step": lambda x, k: inputs.step(x * V, 2) + inputs.white_noise(0, x, key=k),
}
ALL = {**CURRENTS, **SOURCES}


def make(x, key, names=ALL):
    return {name: ALL[name](x, key) for name in names}


@pytest.fixture(scope="module")
def whole():
    return run(make(1.2, jax.random.key(KEY)))


def test_other_values_do_not_compile_anew(whole):
    traced = len(Echo.traced)
    other = run(make(1.0, jax.random.key(1)))
    assert len(Echo.traced) == traced > 0
    for name in ALL:
        assert whole[name].shape == (STEPS, 3)
        assert np.isfinite(whole[name]).all()
        assert not np.array_equal(whole[name], other[name])
    run(inputs.constant(1.0))  # which is another program, and is noticed
    assert len(Echo.traced) > traced


def test_runs_in_chunks_see_the_same(whole):
    chunks = run(make(1.2, jax.random.key(KEY), SOURCES), chunk=5)
    for name in SOURCES:
        np.testing.assert_array_equal(chunks[name], whole[name], err_msg=name)


def test_vmap_is_one_by_one_and_all_is_exported(whole):
    def outputs(x, data):
        return run(make(x, jax.random.wrap_key_data(data)), throw=False)

    x = jnp.array([1.2, 1.0])
    keys = jnp.stack([jax.random.key(KEY), jax.random.key(1)])
    batch = jax.jit(jax.vmap(outputs))  # inputs are built inside, from traced values
    together = batch(x, jax.random.key_data(keys))
    other = run(make(1.0, jax.random.key(1)))
    close = lambda a, b, name: np.testing.assert_allclose(
        a, b, rtol=1e-12, atol=1e-12, err_msg=name
    )
    for name in ALL:
        close(together[name][0], whole[name], name)
        close(together[name][1], other[name], name)
    platforms = ("cpu", "cuda", "tpu")
    exported = jax.export.export(batch, platforms=platforms)(x, jax.random.key_data(keys))
    assert exported.platforms == platforms


def test_gradient_is_finite_and_spikes_have_none():
    def totals(x):
        ys = run(make(x, jax.random.key(KEY)), throw=False)
        return {name: y.sum() for name, y in ys.items()}

    slopes = jax.jit(jax.jacrev(totals))(1.01)
    for name, slope in slopes.items():
        assert np.isfinite(slope)
        draws_spikes = name in SOURCES and name not in ("white_noise", "noisy step")
        assert (slope == 0) == draws_spikes, name


def test_float32(whole):
    trains = ("poisson_train", "regular", "white_noise")  # which draw other numbers
    same = [*CURRENTS, "bernoulli", "poisson", "from_times"]
    with jax.enable_x64(False):
        ys = run(make(1.2, jax.random.key(KEY), [*same, *trains]))
    for name in ys:
        assert ys[name].dtype == jnp.float32
        assert np.isfinite(ys[name]).all()
        if name in same:
            np.testing.assert_allclose(ys[name], whole[name], atol=2e-4, err_msg=name)
