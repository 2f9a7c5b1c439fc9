"""Learning forwards in time: where it is exact, backpropagation through time says the same."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn

STEPS, BATCH, N_IN, N, N_OUT = 30, 3, 4, 6, 2
SURROGATE = snn.SuperSpike(2.0)
THRESHOLD = snn.Threshold(1.0, SURROGATE)
UNIT = dict(tau_m=10.0, g_l=0.1, e_l=0.0, v_reset=0.0, threshold=THRESHOLD)


def square(output, target):
    return jnp.sum((output - target) ** 2)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = (rng.random((STEPS, BATCH, N_IN)) < 0.4).astype(float)
    return x, rng.normal(size=(STEPS, BATCH, N_OUT)), rng.normal(size=(STEPS, BATCH, N))


def alif(**changes):
    changes = dict(beta=0.4, tau_adapt=30.0, t_ref=None, reset_mode="subtract") | changes
    return snn.AdaptiveLIF(**UNIT, **changes)


def network(hidden, gain=2.5):
    keys = jax.random.split(jax.random.key(1), 3)
    lines = [snn.Linear(N_IN, N, key=keys[0], gain=gain), snn.Linear(N, N_OUT, key=keys[1])]
    biased = [
        jax.tree.map(lambda x: x + 0.05 * (x.ndim == 1), line)  # a bias that is not 0
        for line in lines
    ]
    return snn.Sequential(biased[0], hidden, biased[1], snn.LeakyIntegrator(8.0))


def recurrent(neuron):
    weight = 0.5 * np.random.default_rng(3).normal(size=(N, N))
    return snn.Recurrent(neuron, weight)


def through_time(net, data, where, cut=True, feedback=None, loss=square):
    """Loss and gradient by a plain loop; with `cut`, spikes that come back are given."""
    params, build = snn.trainable(net, where)

    def total(params):
        model = build(params)
        state = jax.lax.stop_gradient(model.init(data[0].shape[1:], dt=1.0))

        def step(state, now):
            x, target = now
            new = []
            for i, (layer, s) in enumerate(zip(model.layers, state, strict=True)):
                if cut and isinstance(layer, snn.Recurrent):
                    s = s._replace(spikes=jax.lax.stop_gradient(s.spikes))
                if i == 2 and feedback is not None:  # forwards W s, backwards B
                    stop = jax.lax.stop_gradient
                    _, out = layer.step(s, stop(x), 1.0)
                    by = x @ feedback.T
                    x = out + by - stop(by)
                else:
                    s, x = layer.step(s, x, 1.0)
                new.append(s)
            return tuple(new), loss(x, target)

        return jax.lax.scan(step, state, data)[1].mean()

    return jax.jit(jax.value_and_grad(total))(params)


def online(net, data, method, where, loss=square, **kwargs):
    run = lambda net: snn.online_gradient(
        net, *data, loss, 1.0, method=method, where=where, **kwargs
    )
    return jax.jit(run)(net)


def assert_same(learned, reference, rtol=1e-10):
    value, grads = reference
    assert float(learned.loss) == pytest.approx(float(value), rel=1e-12)
    assert learned.gradients.keys() == grads.keys()
    for name, expected in grads.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(
            learned.gradients[name], expected, atol=rtol * scale, err_msg=name
        )


# Exact: the last layer of neurons, whatever they are


NEURONS = {
    "LIF": (snn.LIF.from_decay(0.9, threshold=THRESHOLD), 1.0),
    "LIF, attached": (snn.LIF(**UNIT, t_ref=2.0, detach_reset=False), 1.0),
    "AdaptiveLIF, attached": (alif(detach_reset=False, beta=np.linspace(0.1, 1, N)), 1.0),
    "CubaLIF": (snn.CubaLIF(), 500.0),
    "Izhikevich": (snn.Izhikevich(detach_reset=False), 20.0),
    "ResonateAndFire": (snn.ResonateAndFire(detach_reset=False), 5.0),
}


@pytest.mark.parametrize("name", NEURONS)
def test_diagonal_rtrl_of_one_layer_is_exact_for_any_neuron_and_all_its_parameters(
    name, data
):
    neuron, gain = NEURONS[name]
    net = snn.Sequential(network(neuron, gain).layers[0], neuron)
    run = data[0], data[2]
    reference = through_time(net, run, "*")
    assert_same(online(net, run, "d-rtrl", "*"), reference)


# Exact: one recurrent layer and a leaky readout, with the recurrent spikes as given

WEIGHTS = ["*weight", "*bias"]
HIDDEN = {
    "LIF": snn.LIF.from_decay(0.9, threshold=THRESHOLD),
    "AdaptiveLIF": alif(detach_reset=False, beta=np.linspace(0.1, 0.5, N)),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_eprop_is_backpropagation_without_the_path_through_recurrent_spikes(name, data):
    net, run = network(recurrent(HIDDEN[name])), data[:2]
    where = [*WEIGHTS, "*tau_m"]  # the readout's among them, and all above 0
    reference = through_time(net, run, where)
    assert_same(online(net, run, "eprop", where), reference)
    name = "layers.1.weight"
    other = through_time(net, run, where, cut=False)[1][name]  # what is left out matters
    assert np.abs(other - reference[1][name]).max() > 0.01 * np.abs(other).max()


def test_random_eprop_takes_the_errors_back_through_its_feedback(data):
    net, run = network(recurrent(HIDDEN["LIF"])), data[:2]
    feedback = jax.random.normal(jax.random.key(5), (N_OUT, N))
    reference = through_time(net, run, WEIGHTS, feedback=feedback)
    assert_same(online(net, run, snn.EProp(feedback), WEIGHTS), reference)
    symmetric = online(net, run, "eprop", WEIGHTS)
    assert_same(
        online(net, run, snn.EProp(net.layers[2].weight), WEIGHTS), symmetric[1::-1]
    )
    name = "layers.0.weight"
    assert np.any(np.abs(symmetric.gradients[name] - reference[1][name]) > 1e-3)


def test_eprop_of_an_adaptive_neuron_is_its_two_traces_in_numpy(data):
    """Bellec et al. 2020, eqs. 23-28, with the gradient through the reset as well."""
    hidden = alif(detach_reset=False)
    net, (x, targets) = network(recurrent(hidden)), data[:2]
    w_in, w_rec = np.asarray(net.layers[0].weight), np.asarray(net.layers[1].weight)
    w_out, bias = np.asarray(net.layers[2].weight), np.asarray(net.layers[0].bias)
    alpha, rho, kappa, beta = np.exp(-0.1), np.exp(-1 / 30), np.exp(-1 / 8), 0.4
    grad = {"layers.0.weight": np.zeros((N, N_IN)), "layers.1.weight": np.zeros((N, N))}
    for b in range(BATCH):
        v, theta, z, y = np.zeros(N), np.zeros(N), np.zeros(N), np.zeros(N_OUT)
        trace = {name: np.zeros((3, *g.shape)) for name, g in grad.items()}
        for t in range(STEPS):
            pre = {"layers.0.weight": x[t, b], "layers.1.weight": z}
            v = alpha * v + (1 - alpha) / 0.1 * (w_in @ x[t, b] + bias + w_rec @ z)
            theta = rho * theta
            z = (v >= 1 + theta).astype(float)
            psi = 1 / (1 + 2 * np.abs(v - 1 - theta)) ** 2
            y = kappa * y + (1 - kappa) * (w_out @ z + np.asarray(net.layers[2].bias))
            signal = w_out.T @ (2 * (y - targets[t, b]))
            for name in grad:
                for j in range(N):
                    for i in range(len(pre[name])):
                        e_v, e_theta, low = trace[name][:, j, i]
                        e_v = alpha * e_v + (1 - alpha) / 0.1 * pre[name][i]
                        e_theta = rho * e_theta
                        e = psi[j] * (e_v - e_theta)
                        low = kappa * low + (1 - kappa) * e
                        grad[name][j, i] += signal[j] * low / STEPS
                        e_v = e_v - e * (1 + theta[j]) - z[j] * e_theta
                        e_theta = e_theta + beta * e
                        trace[name][:, j, i] = e_v, e_theta, low
            v, theta = v - z * (1 + theta), theta + beta * z
    learned = online(net, (x, targets), "eprop", list(grad)).gradients
    for name in grad:
        np.testing.assert_allclose(learned[name], grad[name], rtol=1e-9, err_msg=name)


def test_diagonal_rtrl_of_a_recurrent_layer_leaves_out_its_spikes_only(data):
    net = snn.Sequential(*network(recurrent(HIDDEN["AdaptiveLIF"])).layers[:2])
    run = data[0], data[2]
    where = ["*weight", "layers.1.neuron.beta", "layers.1.neuron.threshold.level"]
    assert_same(online(net, run, "d-rtrl", where), through_time(net, run, where))


# OTTT


def test_ottt_of_one_layer_is_exact_with_a_detached_reset(data):
    neuron = snn.LIF.from_decay(0.8, threshold=THRESHOLD)
    net = snn.Sequential(network(neuron).layers[0], neuron)
    run = data[0], data[2]
    assert_same(online(net, run, "ottt", WEIGHTS), through_time(net, run, WEIGHTS))


def test_ottt_of_two_layers_is_the_papers_equations_in_numpy(data):
    neuron = snn.LIF.from_decay(0.8, threshold=THRESHOLD)
    lines = network(neuron).layers[0::2]
    net = snn.Sequential(lines[0], neuron, lines[1], neuron)
    (w, c), (u, d) = ((np.asarray(line.weight), np.asarray(line.bias)) for line in lines)
    v, r = np.zeros((BATCH, N)), np.zeros((BATCH, N_OUT))
    a, b, one = np.zeros((BATCH, N_IN)), np.zeros((BATCH, N)), 0.0
    expected = {f"layers.{i}.{part}": 0.0 for i in (0, 2) for part in ("weight", "bias")}
    slope = lambda v: 1 / (1 + 2 * np.abs(v - 1)) ** 2
    for x, target in zip(*data[:2], strict=True):
        v = 0.8 * v + x @ w.T + c
        s = (v >= 1).astype(float)
        r = 0.8 * r + s @ u.T + d
        z = (r >= 1).astype(float)
        a, b, one = 0.8 * a + x, 0.8 * b + s, 0.8 * one + 1
        upper = 2 * (z - target) * slope(r)
        lower = upper @ u * slope(v)
        for i, g, trace in ((0, lower, a), (2, upper, b)):
            expected[f"layers.{i}.weight"] += g.T @ trace / STEPS
            expected[f"layers.{i}.bias"] += g.sum(0) * one / STEPS
        v, r = v - s, r - z
    learned = online(net, data[:2], "ottt", WEIGHTS).gradients
    for name, value in expected.items():
        np.testing.assert_allclose(learned[name], value, rtol=1e-9, err_msg=name)


def test_ottt_trains_convolutions(key):
    neuron = snn.LIF.from_decay(0.9, threshold=THRESHOLD)
    keys = jax.random.split(key, 3)
    x = 1.0 * jax.random.bernoulli(keys[0], 0.4, (STEPS, BATCH, 8, 2))
    net = snn.Sequential(snn.Conv1d(2, 3, 3, key=keys[1]), neuron)
    shape = snn.unroll(net, x).outputs.shape
    run = x, jax.random.normal(keys[2], shape)
    assert_same(online(net, run, "ottt", WEIGHTS), through_time(net, run, WEIGHTS))


# All rules


METHODS = ["eprop", "ottt", "d-rtrl"]
STACK = network(snn.LIF.from_decay(0.9, threshold=THRESHOLD))


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_time(method):
    def temporary(gradient, n_steps):
        shape = lambda n: jax.ShapeDtypeStruct((n_steps, BATCH, n), np.float32)
        compiled = jax.jit(gradient).lower(STACK, shape(N_IN), shape(N_OUT)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    run = lambda net, x, y: snn.online_gradient(net, x, y, square, method=method)[:2]
    assert temporary(run, 100) == temporary(run, 10_000) < 40_000

    def backwards(net, x, y):
        params, build = snn.trainable(net, WEIGHTS)
        error = lambda p: square(snn.unroll(build(p), x, 1.0).outputs, y)
        return jax.grad(error)(params)

    if method == "ottt":  # once: what the rules are there for
        assert temporary(backwards, 10_000) > 50 * temporary(backwards, 100)


@pytest.fixture(scope="module")
def whole(data):
    return {m: online(STACK, data[:2], m, WEIGHTS) for m in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_a_sequence_in_two_parts_is_the_whole(method, data, whole):
    part = lambda now: [x[now] for x in data[:2]]
    first = online(STACK, part(slice(10)), method, WEIGHTS)
    rest = snn.online_gradient(  # not under jit
        STACK, *part(slice(10, None)), square, method=method, state=first.state
    )
    for name, total in whole[method].gradients.items():
        parts = 10 * first.gradients[name] + (STEPS - 10) * rest.gradients[name]
        np.testing.assert_allclose(parts / STEPS, total, rtol=1e-10, atol=1e-13)
    total = 10 * first.loss + (STEPS - 10) * rest.loss
    assert float(total) == pytest.approx(STEPS * float(whole[method].loss), rel=1e-12)
    ends = jax.tree.leaves(rest.state), jax.tree.leaves(whole[method].state)
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_updates_in_every_step_are_those_of_a_loop(method, data):
    x, y = data[0][:5], data[1][:5]
    optimizer = optax.adam(0.02)
    learn = jax.jit(
        lambda net: snn.online_update(net, x, y, square, optimizer, method=method)[:2]
    )
    learned, loss = learn(STACK)
    params, build = snn.trainable(STACK, WEIGHTS)
    go_on = jax.jit(
        lambda params, x, y, state: snn.online_gradient(
            build(params), x, y, square, method=method, state=state
        )
    )
    opt_state, state, losses = optimizer.init(params), None, []
    for t in range(5):
        step = go_on(params, x[t : t + 1], y[t : t + 1], state)
        updates, opt_state = optimizer.update(step.gradients, opt_state, params)
        params, state = optax.apply_updates(params, updates), step.state
        losses.append(float(step.loss))
    for name, value in params.items():
        np.testing.assert_allclose(snn.named_leaves(learned)[name], value, rtol=1e-9)
        assert np.abs(value - snn.named_leaves(STACK)[name]).max() > 1e-3
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_float32_stays_float32_and_agrees(method, data, whole):
    single = lambda x: np.asarray(x, np.float32)
    with jax.enable_x64(False):
        net = jax.tree.map(single, STACK)
        learned = online(net, [single(part) for part in data[:2]], method, WEIGHTS)
        assert {x.dtype for x in jax.tree.leaves(learned)} == {np.dtype(np.float32)}
    for name, g in whole[method].gradients.items():
        scale = np.abs(g).max()
        np.testing.assert_allclose(learned.gradients[name], g, atol=1e-4 * scale)


@pytest.mark.parametrize(
    "method",
    [
        "eprop",
        pytest.param("random", marks=pytest.mark.slow),
        "adaptive",
        "ottt",
        pytest.param("d-rtrl", marks=pytest.mark.slow),
    ],
)
def test_a_network_learns_to_compare_what_was_with_what_is(method):
    """Exclusive or of two channels, of which the second is active after the first."""
    n_steps, n = 16, 60
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (2, n))
    labels = bits[0] ^ bits[1]
    x = np.zeros((n_steps, n, 4))
    for k, part in enumerate((slice(0, 6), slice(7, 13))):
        x[part, np.arange(n), 2 * k + bits[k]] = rng.random((6, n)) < 0.7
    keys = jax.random.split(jax.random.key(0), 2)
    hidden = snn.LIF.from_decay(0.9, threshold=THRESHOLD)
    if method != "ottt":
        hidden = snn.Recurrent(hidden, 0.1 * rng.normal(size=(40, 40)))
    net = snn.Sequential(
        snn.Linear(4, 40, key=keys[0]), hidden,
        snn.Linear(40, 2, key=keys[1]), snn.LeakyIntegrator(5.0),
    )  # fmt: skip

    def loss(output, target):
        label, counts = target
        error = optax.softmax_cross_entropy_with_integer_labels(5 * output, label)
        return counts * error.mean() * n_steps / 6

    targets = np.tile(labels, (n_steps, 1)), 1.0 * (np.arange(n_steps) >= 10)
    feedback = rng.normal(size=(2, 40)) / 6
    taken_back = method in ("random", "adaptive")
    where = WEIGHTS if taken_back else ["layers.0.*", "layers.1.weight"]
    params, build = snn.trainable(net, where[:1] if method == "ottt" else where)
    optimizer = optax.adam(0.03)

    @jax.jit
    def train(params, feedback):
        def epoch(carry, _):
            params, opt_state, feedback = carry
            learned = snn.online_gradient(
                build(params), x, targets, loss, where=list(params),
                method=snn.EProp(feedback) if taken_back else method,
            )  # fmt: skip
            updates, opt_state = optimizer.update(learned.gradients, opt_state)
            params = optax.apply_updates(params, updates)
            if method == "adaptive":  # the same updates, and both decay
                name = "layers.2.weight"
                params[name] = 0.95 * params[name]
                feedback = 0.95 * (feedback + updates[name])
            return (params, opt_state, feedback), learned.loss

        start = params, optimizer.init(params), feedback
        return jax.lax.scan(epoch, start, length=80)

    (params, _, after), losses = train(params, jnp.asarray(feedback))
    outputs = snn.unroll(build(params), x, 1.0).outputs[10:].mean(0)
    assert losses[0] > 0.6
    assert losses[-1] < 0.3
    assert np.mean(outputs.argmax(-1) == labels) > 0.9
    if method == "adaptive":
        cosine = lambda a, b: np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
        assert cosine(feedback, net.layers[2].weight) < 0.3
        assert cosine(after, params["layers.2.weight"]) > 0.9


def test_online_gradient_refuses(data):
    x, y = data[:2]
    learn = lambda net, **kwargs: snn.online_gradient(net, x, y, square, **kwargs)
    with pytest.raises(ValueError, match=r"method must be one of .*'e-prop'.*mean 'eprop'"):
        learn(STACK, method="e-prop")
    with pytest.raises(ValueError, match="must be a Sequential, got LIF"):
        learn(snn.LIF())
    deep = snn.Sequential(STACK.layers[0], snn.LIF(), snn.Linear(N, N, key=jax.random.key(0)),
                          *STACK.layers[1:])  # fmt: skip
    with pytest.raises(ValueError, match=r"one layer of neurons, .* method='d-rtrl'"):
        learn(deep, method="eprop")
    with pytest.raises(ValueError, match=r"layers\.2\.weight is not"):
        learn(snn.Sequential(*STACK.layers[:3]), method="d-rtrl")
    with pytest.raises(ValueError, match=r"'ottt' trains .* layers\.1\.tau_m is not"):
        learn(STACK, method="ottt", where="layers.1.tau_m")
    with pytest.raises(ValueError, match=r"no variable but v, got AdaptiveLIF"):
        learn(network(alif()), method="ottt")
    with pytest.raises(ValueError, match="one value of each parameter and not Recurrent"):
        learn(network(recurrent(snn.LIF())), method="ottt", where="layers.0.weight")
    two = snn.Sequential(*STACK.layers[:3], snn.LeakyIntegrator([3.0, 4.0]))
    with pytest.raises(ValueError, match=r"needs one tau_m for the readout, got 2"):
        learn(two, method="eprop")
    with pytest.raises(ValueError, match=r"shape of the readout's weight, \(2, 6\), got"):
        learn(STACK, method=snn.EProp(jnp.ones((6, 2))))
