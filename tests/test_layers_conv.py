"""Convolution, pooling and flattening, against loops in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import snnjax as snn


def draw(seed, *shape):
    return np.asarray(jax.random.normal(jax.random.key(seed), shape))


def windows(x, size, stride):
    """(index of the output, the window [*size, channels]) of one sample [*spatial, channels]."""
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape, size, stride, strict=False)]
    for index in itertools.product(*map(range, counts)):
        cut = [slice(i * s, i * s + k) for i, s, k in zip(index, stride, size, strict=True)]
        yield index, x[tuple(cut)]


def convolved(x, weight, bias, stride, border, groups):
    """A convolution of one sample [*spatial, channels], window by window."""
    *size, per_group, n_out = weight.shape
    x = np.pad(x, [*border, (0, 0)])
    out = {}
    for index, window in windows(x, size, stride):
        for o in range(n_out):
            first = o // (n_out // groups) * per_group
            seen = window[..., first : first + per_group]
            out[*index, o] = np.sum(seen * weight[..., o]) + bias[o]
    result = np.zeros(np.max(list(out), axis=0) + 1)
    for index, value in out.items():
        result[index] = value
    return result


CASES = {
    "plain": dict(size=(3, 3)),
    "oblong": dict(size=(2, 4), stride=(3, 1)),
    "padded": dict(size=(3, 2), padding=2),
    "same": dict(size=(3, 4), padding="same"),
    "same, stride": dict(size=(3, 3), stride=(2, 2), padding="same"),
    "groups": dict(size=(3, 3), groups=2),
    "depth-wise": dict(size=(1, 3), groups=4),
    "one channel": dict(size=(3, 2), channels=1),
    "one channel, padded": dict(size=(3, 2), channels=1, padding=1),
    "one channel, same": dict(size=(2, 4), channels=1, padding="same"),
    "one channel, stride": dict(size=(2, 3), channels=1, stride=(1, 2)),
    "line": dict(size=(3,)),
    "line, all": dict(size=(4,), stride=(2,), padding=1, groups=2),
    "line, same": dict(size=(5,), stride=(3,), padding="same"),
}


def border_of(padding, shape, size, stride):
    if padding == "same":  # the output has ceil(n / stride) pixels; an odd zero goes last
        need = [
            max((-(-n // s) - 1) * s + k - n, 0)
            for n, k, s in zip(shape, size, stride, strict=False)
        ]
        return [(n // 2, n - n // 2) for n in need]
    return [(padding, padding)] * len(size)


@pytest.mark.parametrize("case", CASES)
def test_a_convolution_is_a_loop_over_windows(case, key):
    defaults = {"size": 0, "stride": 0, "padding": 0, "groups": 1, "channels": 4}
    size, stride, padding, groups, channels = (defaults | CASES[case]).values()
    n = len(size)
    stride = stride or (1,) * n
    make = {1: snn.Conv1d, 2: snn.Conv2d}[n]
    layer = make(
        channels, 8, size, key=key, stride=stride, padding=padding or "valid", groups=groups
    )
    layer = jax.tree.map(lambda x: x + 0.25, layer)  # a bias that is not 0
    x = draw(1, 2, 3, *(7, 9)[:n], channels)  # [time, batch, *spatial, channels]
    state = layer.init(x.shape[1:])
    assert state == ()
    _, ys = layer.unroll(state, x, 1.0)
    weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
    border = border_of(padding, x.shape[2:], size, stride)
    for t, b in np.ndindex(2, 3):
        expected = convolved(x[t, b], weight, bias, stride, border, groups)
        np.testing.assert_allclose(ys[t, b], expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(layer.step(state, x[1], 1.0)[1], ys[1], rtol=1e-12)


def test_one_number_is_the_size_of_every_axis(key):
    a = snn.Conv2d(1, 2, 3, key=key, stride=2)
    b = snn.Conv2d(1, 2, (3, 3), key=key, stride=(2, 2))
    np.testing.assert_array_equal(a.weight, b.weight)
    assert a.weight.shape == (3, 3, 1, 2) and a.stride == b.stride == (2, 2)
    assert snn.Conv2d(1, 2, 3, key=key, bias=False).bias is None
    assert snn.AveragePool2d(2).stride == (2, 2)
    assert snn.AveragePool2d((3, 2), 1).stride == (1, 1)


def test_kernels_have_the_spread_they_are_drawn_with(key):
    layer = snn.Conv2d(40, 60, (5, 3), key=key, gain=3.0, groups=2)
    weight = np.asarray(layer.weight)
    n, sigma = weight.size, 3.0 / np.sqrt(5 * 3 * 20)
    # 99.99 %: 3.9 standard errors of a mean and of a standard deviation
    assert abs(weight.mean()) < 3.9 * sigma / np.sqrt(n)
    assert abs(weight.std() / sigma - 1) < 3.9 / np.sqrt(2 * n)
    assert not np.any(layer.bias)


POOLS = {
    "AveragePool": np.mean,
    "SumPool": np.sum,
    "MaxPool": np.max,
}


@pytest.mark.parametrize(
    ("size", "stride", "shape"),
    [
        ((2, 2), None, (6, 4)),
        ((3, 2), None, (6, 4)),
        ((2, 3), None, (7, 8)),  # a rest of one row and of two columns is dropped
        ((3, 2), (2, 1), (7, 6)),
        ((1, 2), (2, 2), (5, 5)),
        ((2,), None, (6,)),
        ((3,), None, (8,)),
        ((3,), (1,), (6,)),
    ],
)
@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_is_a_loop_over_windows(pool, size, stride, shape):
    layer = getattr(snn, f"{pool}{len(size)}d")(size, stride)
    x = draw(2, 2, *shape, 3)
    y = layer(x)
    for b in range(2):
        seen = dict(windows(x[b], size, stride or size))
        for index, window in seen.items():
            expected = POOLS[pool](window, axis=tuple(range(len(size))))
            np.testing.assert_allclose(y[b][index], expected, rtol=1e-12)
        assert y[b].size == 3 * len(seen)
    assert layer.init(x.shape) == ()


def test_a_maximum_of_spikes_is_a_spike_where_any_fired():
    x = np.zeros((4, 4, 1))
    x[0, 1], x[2, 2], x[3, 3] = 1, 1, 1
    np.testing.assert_array_equal(snn.MaxPool2d(2)(x)[..., 0], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(snn.MaxPool2d(2)(x > 0)[..., 0], [[1, 0], [0, 1]])
    share = jax.grad(lambda x: snn.MaxPool2d(2)(x).sum())(x)[2:, 2:, 0]
    np.testing.assert_array_equal(share, [[0.5, 0], [0, 0.5]])
    first = jax.grad(lambda x: snn.MaxPool2d(2, 1)(x)[2, 2, 0])(x)[2:, 2:, 0]
    np.testing.assert_array_equal(first, [[1, 0], [0, 0]])


def test_flatten_merges_the_axes_of_a_sample():
    x = draw(3, 5, 4, 2, 3, 2)
    np.testing.assert_array_equal(snn.Flatten()(x), x.reshape(5, 4, 12))
    np.testing.assert_array_equal(snn.Flatten(axes=2)(x), x.reshape(5, 4, 2, 6))
    np.testing.assert_array_equal(snn.Flatten()(x[0, 0]), x[0, 0].ravel())
    np.testing.assert_array_equal(snn.Flatten(1)(x), x)


def test_gradients_of_a_convolution_are_those_of_finite_differences(key):
    x = jnp.asarray(draw(4, 2, 5, 6, 4))
    for case in (dict(stride=2, padding="same"), dict(padding=1, groups=2)):
        layer = snn.Conv2d(4, 2, (3, 2), key=key, **case)
        params, build = snn.trainable(layer, "*")
        f = jax.jit(lambda p, x, build=build: jnp.tanh(build(p)(x)))
        check_grads(f, (params, x), order=1, modes=["rev"], rtol=1e-6)


def test_the_way_chosen_for_a_backend_changes_nothing(key, monkeypatch):
    layer = snn.Conv2d(1, 4, (3, 2), key=key, padding=1)
    x, g = draw(2, 3, 7, 9, 1), draw(3, 3, 7, 10, 4)
    pull = lambda: jax.vjp(lambda layer, x: layer(x), layer, x)
    by_rows, back = pull()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    by_window, other_back = pull()
    assert jax.make_jaxpr(layer)(x).pretty_print().count("conv_general_dilated") == 1
    for a, b in zip(
        jax.tree.leaves((by_rows, back(g))),
        jax.tree.leaves((by_window, other_back(g))),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_convolutional_network_is_the_same_stepped_unrolled_and_alone(key):
    keys = jax.random.split(key, 3)
    net = snn.Sequential(
        snn.Conv2d(1, 3, 3, key=keys[0], gain=4.0),
        snn.LIF.from_decay(0.9),
        snn.AveragePool2d(2),
        snn.Conv2d(3, 4, 2, key=keys[1], gain=3.0),
        snn.LIF.from_decay(0.9),
        snn.MaxPool2d(2, 1),
        snn.Flatten(),
        snn.Linear(4, 5, key=keys[2]),
    )
    x = (draw(5, 12, 3, 8, 8, 1) > 1).astype(float)
    out = jax.jit(lambda x: snn.unroll(net, x, layers=True))(x)
    shapes = [y.shape[2:] for y in out.layers.values()]
    assert shapes == [
        *[(6, 6, 3)] * 2, (3, 3, 3), *[(2, 2, 4)] * 2, (1, 1, 4), (4,), (5,)
    ]  # fmt: skip
    assert all(0.02 < out.layers[f"layers.{i}"].mean() < 0.9 for i in (1, 4))
    by_step = snn.simulate(net, x, 1.0).ys
    np.testing.assert_allclose(out.outputs, by_step, rtol=1e-10, atol=1e-13)
    alone = jax.jit(lambda x: snn.unroll(net, x).outputs)(
        x[:, 1]
    )  # one sample is as good as a batch
    np.testing.assert_allclose(out.outputs[:, 1], alone, rtol=1e-10, atol=1e-13)


def refusals(key):
    conv = lambda **kwargs: snn.Conv2d(4, 6, 3, key=key, **kwargs)
    yield (
        lambda: snn.Conv2d(0, 6, 3, key=key),
        r"Conv2d\.in_channels must be a whole number",
    )
    yield (
        lambda: snn.Conv1d(4, 6, 2.5, key=key),
        r"Conv1d\.kernel_size must be a whole numb",
    )
    yield lambda: snn.Conv1d(4, 6, (2, 2), key=key), r"Conv1d\.kernel_size .* 1 of them"
    yield lambda: conv(stride=0), r"Conv2d\.stride must be a whole number above 0, got 0"
    yield lambda: conv(groups=4), r"Conv2d\.groups=4 must divide out_channels=6"
    yield lambda: conv(groups=3), r"Conv2d\.groups=3 must divide in_channels=4"
    yield lambda: conv(padding="Same"), r"Conv2d\.padding must be one of .*'same'\?"
    yield lambda: conv(padding=-1), r"Conv2d\.padding must be 'valid', 'same' or .*got -1"
    yield lambda: conv(gain=0), r"Conv2d\.gain must be above 0"
    yield (
        lambda: conv().init((9, 4)),
        r"\[\.\.\., height, width, channels\], got shape \(9, 4\)",
    )
    yield lambda: conv().init((8, 8, 3)), r"Conv2d .* 4 features, got shape \(8, 8, 3\)"
    yield lambda: conv().init((8, 2, 4)), r"window of \(3, 3\), larger .* shape \(8, 2, 4\)"
    yield lambda: snn.MaxPool2d(0), r"MaxPool2d\.size must be a whole number above 0, got 0"
    yield lambda: snn.SumPool1d(2, 0), r"SumPool1d\.stride must be a whole number above 0"
    yield lambda: snn.SumPool1d(2).init((4,)), r"SumPool1d takes .*width, channels\], got"
    yield (
        lambda: snn.AveragePool2d(5).init((4, 9, 1)),
        r"AveragePool2d has a window of \(5, 5\)",
    )
    yield lambda: snn.Flatten(0), r"Flatten\.axes must be a whole number above 0"
    yield (
        lambda: snn.Flatten().init((4, 3)),
        r"Flatten merges the last 3 axes, got .*\(4, 3\)",
    )


def test_what_does_not_fit_is_refused(key):
    for make, message in refusals(key):
        with pytest.raises(ValueError, match=message):
            make()
    conv = snn.Conv2d(4, 6, 3, key=key, padding="same")
    assert conv.init((1, 2, 4)) == ()  # padding makes room
    assert snn.Conv2d(4, 6, 3, key=key, padding=1).init((1, 1, 4)) == ()
    net = snn.Sequential(conv, snn.Flatten(), snn.Linear(10, 2, key=key))
    with pytest.raises(ValueError, match=r"Sequential\.layers\.2: Linear .* shape \(48,\)"):
        net.init((2, 4, 4))
