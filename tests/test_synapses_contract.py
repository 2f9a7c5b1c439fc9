"""What every receptor and every release that snnjax exports must do."""

import inspect
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax import synapses

CLASSES = [
    cls
    for cls in (getattr(synapses, name) for name in synapses.__all__)
    if inspect.isclass(cls) and issubclass(cls, snn.AbstractDynamics)
    and not inspect.isabstract(cls)
]  # fmt: skip
RECEPTORS = [cls for cls in CLASSES if issubclass(cls, snn.AbstractReceptor)]
RELEASES = [cls for cls in CLASSES if issubclass(cls, snn.AbstractRelease)]
MODELS = {cls.__name__: cls() for cls in CLASSES}
for cls in (snn.Exponential, snn.Instantaneous):  # NMDA is that of the dual exponential
    MODELS[f"{cls.__name__}, conductance"] = cls(e_rev=-10.0)
MODELS["TsodyksMarkram, facilitating"] = snn.TsodyksMarkram.facilitating()
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
N, DT, N_STEPS = 3, 0.25, 30


def cast(tree, dtype):
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree)


def inputs(model, dtype=float, shape=(N,)):
    """Arrivals, or spikes and potentials of the sources, time first."""
    spikes = np.zeros((N_STEPS, *shape))
    spikes[::7] = 1.0
    if isinstance(model, snn.AbstractReceptor):
        return jnp.asarray(3.0 * spikes, dtype)
    v = -60.0 + 50.0 * np.sin(np.arange(N_STEPS))
    v = np.broadcast_to(v.reshape(-1, *[1] * len(shape)), spikes.shape)
    return jnp.asarray(spikes, dtype), jnp.asarray(v, dtype)


def step(model, state, input, dt):
    """One step, with the current at -50 mV where it depends on v."""
    state, output = model.step(state, input, dt)
    return state, output(jnp.asarray(-50.0, input.dtype)) if callable(output) else output


def run(model, inputs, dt=DT, shape=(N,)):
    body = lambda state, input: step(model, state, input, dt)
    return jax.lax.scan(body, model.init(shape, dt=dt), inputs)[1]


compiled = jax.jit(run, static_argnames="shape")


def run_all(models, dt=DT):
    """Every model in one program, each with the inputs of its dtype."""
    dtype = jnp.result_type(dt)
    return {name: run(m, inputs(m, dtype), dt) for name, m in models.items()}


def test_there_is_something_to_test():
    assert len(RECEPTORS) == 6 and len(RELEASES) == 3
    assert {cls for cls in CLASSES if not issubclass(cls, snn.AbstractReceptor)} == set(
        RELEASES
    )
    for name in synapses.__all__:
        assert getattr(snn, name) is getattr(synapses, name)


@every_model
def test_port_and_event_are_what_they_say(model):
    if isinstance(model, snn.AbstractReceptor):
        state = model.init((N,))
        weights = jnp.array([1.0, -2.0, 0.5])
        arrived = model.arrive(model.arrive(state, weights), weights)
        for name in state._fields:
            expected = 2 * weights if name == model.port else 0 * weights
            np.testing.assert_array_equal(getattr(arrived, name), expected)
    else:
        _, v = inputs(model)
        silent = compiled(model, (jnp.zeros_like(v), v))
        assert model.event == bool((silent == 0).all())


@every_model
def test_eager_equals_compiled(model):
    x, state, eager = inputs(model), model.init((N,)), []
    for i in range(9):
        state, y = step(model, state, jax.tree.map(lambda x: x[i], x), DT)  # noqa: B023
        eager.append(y)
    together = compiled(model, x)
    np.testing.assert_allclose(eager, together[:9], rtol=1e-13, atol=1e-300)
    assert np.ptp(together) > 0 or isinstance(model, snn.Delta)


def test_built_inside_jit_equals_built_outside():
    values = {
        name: {k: x for k, x, _ in snn.parameters(model)} for name, model in MODELS.items()
    }
    build = lambda values: {k: type(MODELS[k])(**v) for k, v in values.items()}
    inside = jax.jit(lambda values: run_all(build(values)))(values)
    for name, model in MODELS.items():
        y = compiled(model, inputs(model))
        np.testing.assert_allclose(inside[name], y, rtol=1e-14, err_msg=name)


def test_float32_stays_float32_and_is_close():
    small, dt = cast(MODELS, jnp.float32), jnp.float32(DT)
    got = jax.jit(run_all)(small, dt)
    for name, model in MODELS.items():
        if jax.tree.leaves(model):
            assert got[name].dtype == jnp.float32, name
            states = jax.tree.leaves(small[name].init((N,)))
            assert all(x.dtype == jnp.float32 for x in states), name
        y = compiled(model, inputs(model))
        np.testing.assert_allclose(got[name], y, rtol=2e-5, atol=1e-6, err_msg=name)


@every_model
@pytest.mark.parametrize("shape", [(), (2, N)])
def test_every_shape(model, shape):
    many = jax.tree.map(lambda x: jnp.full(N, x), model)
    for each in (model, many) if shape else (model,):
        f = lambda model: run(model, inputs(model, shape=shape), shape=shape)
        assert jax.eval_shape(f, each).shape == (N_STEPS, *shape)
    if jax.tree.leaves(many):
        assert all(x.shape == (N,) for x in jax.tree.leaves(many.init()))


def test_a_batch_of_parameters_is_a_population():
    having = {name: model for name, model in MODELS.items() if jax.tree.leaves(model)}
    many = jax.tree.map(lambda x: x * jnp.array([0.6, 0.9, 1.0]), having)

    @jax.jit
    def both(many):
        alone = lambda model, x: run(model, x, shape=())
        batched = lambda model: jax.vmap(alone, (0, 1), 1)(model, inputs(model))
        return run_all(many), {name: batched(model) for name, model in many.items()}

    together, batch = both(many)
    for name in many:
        np.testing.assert_allclose(together[name], batch[name], rtol=1e-12, err_msg=name)
        assert len(np.unique(batch[name][7])) == 3, name


def test_gradients_equal_finite_differences():
    weigh = jnp.cos(jnp.arange(N_STEPS * N).reshape(N_STEPS, N))
    given = {
        name: (model, inputs(model), jnp.asarray(DT)) for name, model in MODELS.items()
    }
    losses = jax.jit(lambda g: {k: jnp.sum(weigh * run(*args)) for k, args in g.items()})
    slopes = jax.jit(jax.grad(lambda g: sum(losses(g).values())))(given)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(slopes))
    flat = {name: jax.tree.flatten(args) for name, args in given.items()}
    for k in range(max(len(leaves) for leaves, _ in flat.values())):
        steps = {}

        def nudged(sign, k=k, steps=steps):  # the k-th leaf of every model at once
            out = {}
            for name, (leaves, build) in flat.items():
                leaves = list(leaves)
                if k < len(leaves):
                    at = (0,) * leaves[k].ndim
                    steps[name] = 1e-5 * max(1.0, abs(float(leaves[k][at])))
                    leaves[k] = leaves[k].at[at].add(sign * steps[name])
                out[name] = jax.tree.unflatten(build, leaves)
            return losses(out)

        high, low = nudged(1), nudged(-1)
        for name, h in steps.items():
            slope = float(jnp.ravel(jax.tree.leaves(slopes[name])[k])[0])
            difference = float(high[name] - low[name]) / (2 * h)
            assert difference == pytest.approx(slope, rel=1e-5, abs=1e-7), (name, k)


def test_they_export():
    pytest.importorskip("flatbuffers")
    platforms = ("cpu", "cuda", "tpu")
    leaves, build = jax.tree.flatten(cast(MODELS, jnp.float32))
    f = jax.jit(lambda leaves, dt: run_all(jax.tree.unflatten(build, leaves), dt))
    dt = jnp.float32(DT)
    exported = jax.export.export(f, platforms=platforms)(leaves, dt)
    back = jax.export.deserialize(exported.serialize())
    assert back.platforms == platforms
    for name, y in back.call(leaves, dt).items():
        np.testing.assert_allclose(y, f(leaves, dt)[name], rtol=1e-6, err_msg=name)


HOT = [snn.Exponential(), snn.Alpha(), snn.DualExponential(), snn.Exponential(e_rev=0.0)]
HOT.append(snn.Alpha(jnp.linspace(1.0, 2.0, N)))


@pytest.mark.parametrize("tau_m", [None, 10.0])
@pytest.mark.parametrize("receptor", HOT)
def test_no_coefficient_is_computed_in_the_loop(receptor, tau_m):
    def run(receptor, arrived, dt):
        def body(state, arrived):
            state = receptor.arrive(state, arrived)
            current = receptor.drive(state, dt, tau_m)
            return receptor.advance(state, dt), current(-50.0) if callable(
                current
            ) else current

        return jax.lax.scan(body, receptor.init((N,)), arrived)[1]

    text = jax.jit(run).lower(receptor, inputs(receptor), DT).compile().as_text()
    parts = re.split(r"\n\}\n", text)
    part = {
        m.group(1): p
        for p in parts
        if (m := re.search(r"^(?:ENTRY )?%?([\w.-]+) \(", p, re.M))
    }
    todo, inside = re.findall(r"body=%?([\w.-]+)", text), ""
    while todo:
        inside += part[name := todo.pop()]
        todo += re.findall(r"(?:calls|to_apply|body)=%?([\w.-]+)", part[name])
    assert "multiply(" in inside and "exponential(" in text
    assert not re.search(r"(exponential|exponential-minus-one|divide|log)\(", inside)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_bad_parameters_are_refused(cls):
    for name, value, spec in snn.parameters(cls()):
        bad = {"above": spec.above, "at_least": spec.at_least}
        for kind, bound in bad.items():
            if bound is not None:
                wrong = bound - (kind == "at_least")
                with pytest.raises(
                    ValueError, match=rf"{cls.__name__}\.{name} must be .*got"
                ):
                    cls(**{name: wrong})
        with pytest.raises(ValueError, match=rf"{cls.__name__}\.{name} must be finite"):
            cls(**{name: np.nan})
        many = cls(**{name: np.full(2, value)})
        with pytest.raises(
            ValueError, match=rf"{cls.__name__}\.{name} of shape \(2,\) does"
        ):
            many.init((3,))
    with pytest.raises(ValueError, match=f"{cls.__name__} has no parameter 'tau_sin'"):
        cls(tau_sin=3.0)


def test_what_else_is_refused():
    with pytest.raises(ValueError, match=r"TsodyksMarkram\.u must be at most 1, got 1\.5"):
        snn.TsodyksMarkram(1.5)
    with pytest.raises(
        ValueError, match=r"NMDA\.e_rev must be a potential in mV, got None"
    ):
        snn.NMDA(e_rev=None)
    with pytest.raises(ValueError, match=r"Exponential\.tau_syn must be .*got 'fast'"):
        snn.Exponential("fast")
