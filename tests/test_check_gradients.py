"""The certificate of gradients: right ones pass, planted faults are named."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

STEPS, BATCH = 10, 4
INPUTS = (np.random.default_rng(0).random((STEPS, BATCH, 3)) < 0.5).astype(np.float32)
LABELS = np.array([0, 1, 1, 0])
SIGMOID = snn.Sigmoid(4.0, normalize="area")


def lif(level=1.0, surrogate=SIGMOID, **kwargs):
    return snn.LIF.from_decay(0.9, threshold=snn.Threshold(level, surrogate), **kwargs)


def network(*first, cell=None, n=4):
    keys = jax.random.split(jax.random.key(1), 2)
    return snn.Sequential(
        *first, snn.Linear(3, n, key=keys[0], gain=2.0), lif() if cell is None else cell,
        snn.Linear(n, 2, key=keys[1], bias=False),
    )  # fmt: skip


def check(net, **kwargs):
    return snn.check_gradients(net, (INPUTS, LABELS), **{"directions": 4, **kwargs})


# Right gradients


@pytest.fixture(scope="module")
def attached():
    return check(network(cell=lif(detach_reset=False)))


def test_a_right_gradient_passes(attached):
    assert attached.ok and attached.problems == ()
    assert list(attached.leaves) == ["layers.0.weight", "layers.0.bias", "layers.2.weight"]
    for name, leaf in attached.leaves.items():
        assert leaf.error < 1e-6 and leaf.stepwise < 1e-9, name
        assert leaf.relaxed == pytest.approx((1, 1), abs=1e-6), name
        assert 0.3 < leaf.spiking.cosine < 1 - 1e-6, name  # spikes are not their relaxation
        assert leaf.exact is None
    assert attached.rates.keys() == {"layers.1"} and attached.rates["layers.1"] > 0


def test_it_prints_as_a_table(attached):
    lines = str(attached).splitlines()
    assert lines[-1] == "ok" and "cosine" in lines[1] and "exact" not in str(attached)
    assert [line.split()[0] for line in lines[2:5]] == list(attached.leaves)
    assert f"{attached.rates['layers.1']:.3g}" in str(attached)


def in_numpy(weight, relaxed):
    """(loss, its surrogate gradient with resets detached) of Linear and LIF, by loop."""
    sigmoid = lambda x: 1 / (1 + np.exp(-4.0 * x))
    v, trace = np.zeros((BATCH, 2)), np.zeros((BATCH, 3))
    rates, d_rates = 0, 0
    for x in INPUTS.astype(float):
        u, trace = 0.9 * v + x @ weight.T, 0.9 * trace + x
        s = sigmoid(u - 1) if relaxed else (u >= 1).astype(float)
        slope = 4 * sigmoid(u - 1) * (1 - sigmoid(u - 1))
        rates, d_rates = rates + s, d_rates + slope[:, :, None] * trace[:, None, :]
        v = u - s  # by subtraction, as the potential that is reset has no say in it
    rates, d_rates = rates / STEPS, d_rates / STEPS
    p = np.exp(rates) / np.exp(rates).sum(1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(BATCH), LABELS]))
    error = (p - np.eye(2)[LABELS]) / BATCH
    return loss, np.einsum("bo,boi->oi", error, d_rates)


def test_its_numbers_are_those_of_a_loop_in_numpy():
    linear = snn.Linear(3, 2, key=jax.random.key(2), gain=1.5, bias=False)
    net = snn.Sequential(linear, lif())
    weight = np.asarray(linear.weight, float)
    _, surrogate = in_numpy(weight, relaxed=False)
    _, as_trained = in_numpy(weight, relaxed=True)
    smooth = np.zeros_like(weight)
    for i in np.ndindex(weight.shape):
        step = np.zeros_like(weight)
        step[i] = 1e-5
        up, down = (in_numpy(weight + x, relaxed=True)[0] for x in (step, -step))
        smooth[i] = (up - down) / 2e-5
    norm, cosine = np.linalg.norm, lambda a, b: (a * b).sum() / norm(a) / norm(b)
    for directions in (4, 6):  # at random, and along every coordinate
        leaf = check(net, directions=directions).leaves["layers.0.weight"]
        assert leaf.size == 6 and leaf.norm == pytest.approx(norm(surrogate), rel=1e-6)
        for found, gradient in ((leaf.spiking, surrogate), (leaf.relaxed, as_trained)):
            assert found.cosine == pytest.approx(cosine(gradient, smooth), abs=1e-6)
            assert found.ratio == pytest.approx(norm(gradient) / norm(smooth), rel=1e-6)
        assert leaf.error < 1e-6
        assert leaf.relaxed.cosine < 1 - 1e-4  # what detaching takes away


def test_exact_gradients_are_compared_by_name():
    net = network()

    def exact(model, batch):
        inputs, labels = batch

        def loss(weight):
            build = snn.trainable(model, "layers.2.weight").build
            run = snn.unroll(build({"layers.2.weight": weight}), inputs)
            return snn.rate_cross_entropy(run.outputs, labels)

        return {"layers.2.weight": 2 * jax.grad(loss)(model.layers[2].weight)}

    report = check(net, exact=exact, where="*weight")
    assert list(report.leaves) == ["layers.0.weight", "layers.2.weight"]
    assert report.leaves["layers.2.weight"].exact == pytest.approx((1, 0.5))
    assert report.leaves["layers.0.weight"].exact is None
    assert "exact" in str(report)
    with pytest.raises(ValueError, match=r"gives 'layers\.2\.wieght', .* Did you mean"):
        check(net, exact=lambda model, batch: {"layers.2.wieght": 0}, where="*weight")


# Wrong ones


@jax.custom_jvp
def halved(x):
    return x


@halved.defjvp
def _halved_jvp(primals, tangents):
    return primals[0], 0.5 * tangents[0]


class WrongGradient(snn.AbstractDynamics):
    """A LIF with half of the gradient; `where` says whether in `step`, `unroll` or both."""

    cell: snn.LIF = dataclasses.field(default_factory=lif)

    spiking = True

    def init(self, shape=(), *, key=None, dt=None):
        return self.cell.init(shape, key=key, dt=dt)

    def step(self, state, input, dt):
        return self.cell.step(state, halved(input), dt)


class WrongUnroll(WrongGradient):
    """As hand-written backward passes are, used for spikes only: relaxed, all is right."""

    def step(self, state, input, dt):
        return self.cell.step(state, input, dt)

    def unroll(self, state, inputs, dt):
        smooth = self.cell.threshold.smooth
        return self.cell.unroll(state, inputs if smooth else halved(inputs), dt)


def test_a_wrong_custom_gradient_is_caught_in_the_layers_before_it():
    report = check(network(cell=WrongGradient()))
    assert not report.ok
    for name in ("layers.0.weight", "layers.0.bias"):
        assert report.leaves[name].error == pytest.approx(1, rel=1e-5)
        assert any(name in x and "custom_vjp" in x for x in report.problems)
    assert report.leaves["layers.2.weight"].error < 1e-6
    assert not any("layers.2" in x for x in report.problems)
    assert str(report).endswith("not ok") and "PROBLEM: layers.0.weight" in str(report)


def test_a_wrong_backward_pass_of_unroll_is_caught_though_the_relaxed_one_is_right():
    report = check(network(cell=WrongUnroll()), where="*weight")
    assert not report.ok
    leaf = report.leaves["layers.0.weight"]
    assert leaf.error < 1e-6 and leaf.stepwise == pytest.approx(1)
    (problem,) = report.problems
    assert problem.startswith("layers.0.weight: the gradient of unroll is off by 1 ")


def test_dead_layers_are_named_with_a_remedy():
    report = check(network(cell=lif(50.0, snn.Boxcar(1.0))), where="*weight")
    assert not report.ok and report.rates == {"layers.1": 0}
    text = " ".join(report.problems)
    assert "layers.1 is dead: no neuron of it fires. Raise the gain" in text
    assert "layers.0.weight is dead: its gradient is 0" in text
    assert report.leaves["layers.0.weight"].norm == 0
    assert np.isnan(report.leaves["layers.0.weight"].spiking.cosine)


def test_exploding_recurrent_gradients_are_warned_of():
    cell = lif(surrogate=snn.Sigmoid(1.0))
    weight = 6 * np.random.default_rng(1).normal(size=(4, 4))
    report = check(network(cell=snn.Recurrent(cell, weight)), where="layers.0.weight")
    tame = check(network(cell=snn.Recurrent(cell, 0.1 * weight)), where="layers.0.weight")
    assert report.growth > 1e3 > tame.growth
    assert any("explode from the end back to the start" in x for x in report.warnings)
    assert tame.warnings == () and tame.ok and report.ok  # right, if of no use


def test_what_takes_sequences_only_is_not_stepped():
    net = snn.Sequential(
        snn.Linear(3, 4, key=jax.random.key(0)), snn.BatchNorm(4), lif(),
        snn.Linear(4, 2, key=jax.random.key(1)),
    )  # fmt: skip
    report = check(net, where=["layers.1.*weight", "layers.3.weight"], directions=2)
    assert report.ok and all(np.isnan(x.stepwise) for x in report.leaves.values())


def test_float32_sessions_get_the_same_certificate(attached):
    net = network(cell=lif(detach_reset=False))
    with jax.enable_x64(False):
        net = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float32), net)
        report = check(net)
        assert jnp.ones(()).dtype == jnp.float32
    assert report.ok
    for name, leaf in report.leaves.items():
        assert leaf.error < 1e-6
        assert leaf.norm == pytest.approx(attached.leaves[name].norm, rel=1e-4)


def test_check_gradients_refuses():
    with pytest.raises(ValueError, match=r"check_gradients\.model must be an instance"):
        check(snn.LIF)
    with pytest.raises(ValueError, match=r"directions must be a whole number above 0"):
        check(network(), directions=0)
    with pytest.raises(ValueError, match=r"StraightThrough has no relaxation"):
        check(network(cell=lif(surrogate=snn.StraightThrough())))
