"""What every neuron that snnjax exports must do, whatever its equations."""

import functools
import inspect
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import snnjax as snn
from snnjax import neurons
from snnjax.core.neuron import AbstractFiringNeuron

CLASSES = [
    value
    for value in (getattr(neurons, name) for name in neurons.__all__)
    if inspect.isclass(value) and issubclass(value, snn.AbstractNeuron)
]
every_neuron = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)

DT, N_STEPS = 0.05, 24
# An input that is well above rest for each, in the model's own unit; else 10.
INPUT = {
    **dict.fromkeys(
        ("LIF", "AdaptiveLIF", "EscapeLIF", "SpikeResponse", "PerfectIF"), 2000.0
    ),
    **dict.fromkeys(("GeneralisedIF", "AdEx", "ExponentialIF"), 2000.0),
    "CubaLIF": 200.0,
    **dict.fromkeys(("FitzHughNagumo", "McKean"), 0.5),
}


@functools.cache
def model_of(cls):
    return cls()


def loud(cls):
    return INPUT.get(cls.__name__, 10.0)


def floats(tree):
    return [x for x in jax.tree.leaves(tree) if eqx.is_inexact_array(x)]


def cast(tree, dtype):
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree)


def run(model, input, n_steps=N_STEPS, **kwargs):
    key = jax.random.key(0)
    return snn.simulate(model, input, DT, n_steps=n_steps, key=key, throw=False, **kwargs)


FIRING = [cls for cls in CLASSES if issubclass(cls, AbstractFiringNeuron)]


@pytest.mark.parametrize("cls", FIRING, ids=lambda cls: cls.__name__)
def test_a_number_is_the_level_of_a_threshold(cls):
    default = cls().threshold
    for level in (-50, np.array([1.0, 2.0])):
        threshold = cls(threshold=level).threshold
        assert isinstance(threshold, snn.Threshold)
        assert threshold.surrogate == default.surrogate
        np.testing.assert_array_equal(threshold.level, level)
    traced = jax.vmap(lambda x: cls(threshold=x).threshold.level)(jnp.ones(3))
    np.testing.assert_array_equal(traced, 1)
    for bad in ("high", None, snn.SuperSpike()):
        words = (
            rf"{cls.__name__}\.threshold must be a Threshold\(level\) or a level in mV, got"
        )
        with pytest.raises(ValueError, match=words):
            cls(threshold=bad)


class Redeclared(snn.LIF):
    threshold: snn.Threshold = snn.fires_at(3.0)


def test_a_threshold_declared_anew_takes_a_number_too():
    assert Redeclared().threshold.level == 3
    assert Redeclared(threshold=4).threshold.level == 4


RECORD = snn.Trace(lambda state, spikes: (state.v, floats(state), spikes))


@functools.cache
def whole(cls):
    """A population of three under inputs of different strength, all of it recorded."""
    drive = jnp.linspace(0.1, 1.0, 3) * loud(cls) * jnp.ones((N_STEPS, 1))
    return drive, run(model_of(cls), drive, record=RECORD)


def own_parameters(model):
    """Parameters that the constructor takes by name, with their values."""
    accepted = inspect.signature(type(model).__init__).parameters
    return {name: x for name, x, _ in snn.parameters(model) if name in accepted}


def test_there_is_something_to_test():
    assert len(CLASSES) >= 7


@every_neuron
def test_eager_equals_compiled(cls):
    drive, sol = whole(cls)
    model = model_of(cls)
    state = model.init((3,), key=jax.random.key(0))
    state, spikes = model.step(state, drive[0], jnp.asarray(DT))
    first = [y[0] for y in jax.tree.leaves(sol.ys)]
    for x, y in zip(jax.tree.leaves((state.v, floats(state), spikes)), first, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


@every_neuron
def test_chunked_equals_whole_bit_for_bit(cls):
    drive, sol = whole(cls)
    chunked = run(model_of(cls), drive, record=RECORD, chunk=12)
    equal = lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
    for x, y in zip(floats(chunked.ys), floats(sol.ys), strict=True):
        equal(x, y)
    for x, y in zip(floats(chunked.final), floats(sol.final), strict=True):
        equal(x, y)


@every_neuron
def test_spikes_are_0_or_1_and_all_is_finite(cls):
    _, sol = whole(cls)
    v, state, spikes = sol.ys
    assert spikes.shape == (N_STEPS, 3) and set(np.unique(spikes)) <= {0.0, 1.0}
    assert v.shape == (N_STEPS, 3)
    assert all(jnp.isfinite(x).all() for x in state)
    assert np.ptp(v) > 0  # the input matters


@every_neuron
def test_dtype_is_kept(cls):
    assert {x.dtype for x in floats(whole(cls)[1].final)} == {jnp.dtype(jnp.float64)}
    final = run(cast(model_of(cls), jnp.float32), loud(cls), 4).final
    assert {x.dtype for x in floats(final)} == {jnp.dtype(jnp.float32)}
    assert final.v.shape == ()


@every_neuron
def test_shapes(cls):
    model = model_of(cls)
    for shape in ((), (3,), (2, 3)):
        start = functools.partial(model.init, shape, key=jax.random.key(0))
        state = jax.eval_shape(start)
        new, spikes = jax.eval_shape(model.step, state, jnp.zeros(shape), DT)
        assert spikes.shape == new.v.shape == shape
        same = lambda x, y: x.shape == y.shape and x.dtype == y.dtype
        assert jax.tree.all(jax.tree.map(same, state, new))


@every_neuron
def test_built_inside_jit_and_mapped_over_a_parameter_it_equals_a_loop(cls):
    values = own_parameters(model_of(cls))
    name = next((k for k, x in values.items() if x.ndim == 0 and x != 0), None)
    factors = jnp.array([1.0, 1.01])

    @jax.jit
    @jax.vmap
    def mapped(factor):
        model = cls(**{**values, **({name: values[name] * factor} if name else {})})
        return run(model, loud(cls), 8).final.v

    changed = [dict(values), dict(values)]
    if name:
        changed[1][name] = values[name] * factors[1]
    alone = jnp.stack([run(cls(**v), loud(cls), 8).final.v for v in changed])
    np.testing.assert_allclose(mapped(factors), alone, rtol=1e-9, atol=1e-12)


@every_neuron
def test_gradients_are_finite_and_those_of_finite_differences(cls):
    arrays, static = eqx.partition(model_of(cls), eqx.is_inexact_array)
    x, unravel = ravel_pytree(arrays)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def v_end(x, input):
        sol = run(eqx.combine(unravel(x), static), input, 10, record=snn.SpikeCount())
        return sol.final.v, sol.ys

    weak, strong = 0.1 * loud(cls), loud(cls)
    assert np.isfinite(v_end(x, strong)[1]).all()
    (_, spikes), gradient = v_end(x, weak)
    assert spikes == 0  # so that the run is smooth
    h = 1e-5 * np.maximum(1.0, np.abs(x))
    v = lambda x: float(v_end(jnp.asarray(x), weak)[0][0])
    difference = np.array([v(x + e) - v(x - e) for e in np.diag(h)]) / (2 * h)
    scale = np.abs(difference).max()
    assert scale > 0
    np.testing.assert_allclose(gradient, difference, rtol=1e-5, atol=1e-7 * scale)


@every_neuron
def test_the_docstring_names_source_units_and_parameters(cls):
    doc = inspect.getdoc(cls)
    assert re.search(r"\b(18|19|20)\d\d\b", doc), "a paper"
    assert re.search(r"\b[Ii]nput\b", doc) and re.search(
        r"\b(ms|mV|pA|cm2)\b|dimensionless", doc
    )
    own = [n for n in inspect.get_annotations(cls) if n in own_parameters(model_of(cls))]
    missing = [n for n in own if f"`{n}`" not in doc]
    assert not missing, missing


@every_neuron
def test_it_exports_for_cpu_cuda_and_tpu(cls):
    leaves, tree = jax.tree.flatten(model_of(cls))

    @jax.jit
    def v_end(leaves, input, seed):
        model, key = jax.tree.unflatten(tree, leaves), jax.random.key(seed)
        return snn.simulate(model, input, DT, n_steps=4, key=key, throw=False).final.v

    platforms = ("cpu", "cuda", "tpu")
    exported = jax.export.export(v_end, platforms=platforms)(leaves, loud(cls), 0)
    assert exported.platforms == platforms
