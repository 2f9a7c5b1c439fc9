"""Generated data against their definitions, their symmetries and finer numbers."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp
from sklearn.linear_model import LogisticRegression

import snnjax as snn
from snnjax import datasets

GENERATORS = {
    "yin_yang": lambda seed: datasets.yin_yang(seed, 60, 40, 50),
    "randman": lambda seed: datasets.randman(seed, 3, 8, n_train=60, n_validation=40, n_test=50),
    "delayed_xor": lambda seed: datasets.delayed_xor(seed, 60, 40, 50, delay=20, cue=10),
}  # fmt: skip


@pytest.mark.parametrize("name", GENERATORS)
def test_splits_are_of_the_asked_sizes_and_decided_by_the_seed(name):
    parts = GENERATORS[name](3)
    assert isinstance(parts, datasets.Split)
    assert [len(y) for _, y in parts] == [60, 40, 50]
    for x, y in parts:
        assert x.dtype == np.float32 and y.dtype == np.int32 and len(x) == len(y)
    again, other = GENERATORS[name](3), GENERATORS[name](4)
    for a, b in zip(np.ravel(parts[2][0]), np.ravel(again[2][0]), strict=True):
        assert a == b
    assert not np.array_equal(parts.test[0], other.test[0])
    assert not np.array_equal(parts.train[0][:40], parts.validation[0])
    with pytest.raises(ValueError, match=rf"{name}\.n_test must be a whole number above 0"):
        getattr(datasets, name)(n_test=0)


# Yin-Yang


def in_words(x, y):
    """The class of a point of the unit disc's symbol, in the words of the definition."""
    for dot in (0.25, 0.75):
        if (x - dot) ** 2 + (y - 0.5) ** 2 < 0.1**2:
            return 2
    if (x - 0.25) ** 2 + (y - 0.5) ** 2 <= 0.25**2:
        return 1
    if (x - 0.75) ** 2 + (y - 0.5) ** 2 <= 0.25**2:
        return 0
    return int(y > 0.5)


def test_yin_yang_is_labelled_by_its_geometry():
    parts = datasets.yin_yang(0)
    assert [len(y) for _, y in parts] == [5000, 1000, 1000]
    x, y = parts.train
    np.testing.assert_allclose(x[:, :2] + x[:, 2:], 1, atol=1e-7)
    assert np.all(np.hypot(x[:, 0] - 0.5, x[:, 1] - 0.5) <= 0.5 + 1e-7)
    assert [in_words(*point) for point in x[:, :2].astype(float)] == y.tolist()
    for _, labels in parts:
        assert np.ptp(np.bincount(labels)) <= 1
    assert np.any(y[:-1] != y[1:]) and stats.ttest_1samp(np.diff(y), 0).pvalue > 1e-4
    assert len(np.unique(np.concatenate([x for x, _ in parts]), axis=0)) == 7000
    assert 0.55 < LogisticRegression().fit(x, y).score(*parts.test) < 0.72


def test_yin_yang_is_uniform_over_each_class():
    x, y = datasets.yin_yang(1, 9000).train
    dots = x[y == 2][:, :2].astype(float)
    side = dots[:, 0] > 0.5
    assert stats.binomtest(int(side.sum()), 3000).pvalue > 1e-4
    r = np.hypot(dots[:, 0] - np.where(side, 0.75, 0.25), dots[:, 1] - 0.5)
    assert stats.kstest((r / 0.1) ** 2, "uniform").pvalue > 1e-4
    # Of the 0.36128 of a class, pi / 32 less a dot lies in the small half disc of its side.
    area = (np.pi / 4 - 2 * np.pi * 0.01) / 2
    for label, centre in ((0, 0.75), (1, 0.25)):
        points = x[y == label][:, :2].astype(float)
        near = np.hypot(points[:, 0] - centre, points[:, 1] - 0.5) <= 0.25
        p = (np.pi / 16 - np.pi * 0.01) / area
        assert stats.binomtest(int(near.sum()), 3000, p).pvalue > 1e-4
    turned = 1 - x[y == 0][:, :2]
    for axis in range(2):
        assert stats.ks_2samp(turned[:, axis], x[y == 1][:, axis]).pvalue > 1e-4


def test_yin_yang_refuses_dots_that_do_not_fit():
    with pytest.raises(ValueError, match=r"r_small must be above 0 and at most r_big / 2"):
        datasets.yin_yang(0, r_small=0.3)


# Randman


def test_randman_times_are_standardised_and_balanced():
    parts = datasets.randman(0, 4, 12, 2, n_train=300, n_validation=52, n_test=48)
    times = np.concatenate([x for x, _ in parts])
    labels = np.concatenate([y for _, y in parts])
    assert times.shape == (400, 12) and np.all(np.bincount(labels) == 100)
    for label in range(4):
        np.testing.assert_allclose(times[labels == label].min(0), 0, atol=1e-6)
        np.testing.assert_allclose(times[labels == label].max(0), 1, atol=1e-6)


def test_randman_is_the_sum_of_its_definition():
    from snnjax.datasets.randman import _manifold

    n, units, dimension, alpha = 6, 3, 2, 1.5
    f = _manifold(np.random.default_rng(5), n, units, dimension, alpha)
    rng = np.random.default_rng(5)
    harmonics = 100  # k^-1.5 reaches 1e-3 there
    theta, chi, psi = rng.random((3, harmonics, dimension, units))
    x = rng.random((n, dimension))
    for s, i in np.ndindex(n, units):
        product = 1.0
        for j in range(dimension):
            product *= sum(
                theta[k - 1, j, i] / k**alpha
                * np.sin(2 * np.pi * (k * x[s, j] * chi[k - 1, j, i] + psi[k - 1, j, i]))
                for k in range(1, harmonics + 1)
            )  # fmt: skip
        assert f[s, i] == pytest.approx(product, rel=1e-9)


def intrinsic_dimension(times):
    """From the ratio of the distances to the two nearest others (Facco et al. 2017)."""
    d = np.linalg.norm(times[:, None] - times[None], axis=-1) + 9 * np.eye(len(times))
    nearest = np.sort(d, 1)
    return 1 / np.mean(np.log(nearest[:, 1] / nearest[:, 0]))


def test_randman_manifolds_have_the_stated_dimension_and_smoothness():
    one_class = dict(n_classes=1, n_units=30, n_train=600, n_validation=1, n_test=1)
    for dimension in (1, 2):
        x = datasets.randman(0, dimension=dimension, **one_class).train[0].astype(float)
        # 99.99 % of the estimate's spread, d / sqrt(n), and the curvature at n = 600
        assert intrinsic_dimension(x) == pytest.approx(dimension, rel=0.25)

    def roughness(alpha):
        x = datasets.randman(0, alpha=alpha, **one_class).train[0].astype(float)
        d = np.linalg.norm(x[:, None] - x[None], axis=-1) + 9 * np.eye(len(x))
        return d.min(1).mean()

    assert roughness(1.0) > 2 * roughness(3.0)


def test_randman_classes_differ_in_more_than_their_means():
    parts = datasets.randman(0, n_units=20, n_train=2000, n_validation=10, n_test=500)
    x, y = parts.train
    from sklearn.neighbors import KNeighborsClassifier

    assert KNeighborsClassifier(3).fit(x, y).score(*parts.test) > 0.95
    spikes = snn.SpikeTimeCode(100)(parts.test[0])
    assert spikes.shape == (100, 500, 20)
    np.testing.assert_array_equal(spikes.sum(0), 1)
    at = np.asarray(spikes).argmax(0)
    np.testing.assert_allclose(at / 100, parts.test[0], atol=0.0101)


# Delayed XOR


def groups(x, start, stop):
    """Spikes of the two groups of channels between two times, [n, 2]."""
    during = x[:, start:stop, :20].sum(1)
    return np.stack([during[:, :10].sum(1), during[:, 10:].sum(1)], 1)


@pytest.mark.parametrize("go", [False, True])
def test_delayed_xor_labels_are_the_xor_of_the_cues(go):
    x, y = datasets.delayed_xor(0, 400, go=go).train
    n_steps = 550 if go else 350
    assert x.shape == (400, n_steps, 20 + go) and set(np.unique(x)) == {0, 1}
    first, second = groups(x, 0, 50), groups(x, 250, 300)
    assert np.all((first > 0).sum(1) == 1) and np.all((second > 0).sum(1) == 1)
    np.testing.assert_array_equal((first.argmax(1) + second.argmax(1)) % 2, y)
    assert x[:, 50:250].sum() == 0 and x[:, 300 : n_steps - 50].sum() == 0
    if go:
        assert x[:, :500, 20].sum() == 0 and np.all(x[:, 500:, 20].sum(1) >= 0)
        assert x[:, 500:, 20].mean() > 0.05
    else:
        assert x[:, 300:].sum() == 0
    p = 1 - np.exp(-0.1)
    total = first.sum()  # 400 cues of 10 channels and 50 steps
    assert stats.binomtest(int(total), 400 * 500, p).pvalue > 1e-4
    pairs = np.bincount(2 * first.argmax(1) + second.argmax(1), minlength=4)
    assert stats.chisquare(pairs).pvalue > 1e-4


def test_regular_cues_tell_nothing_of_earlier_ones():
    """5.5 periods a cue: a phase that went on from cue to cue would tell the label."""
    settings = dict(cue=55.0, delay=20.0, poisson=False)
    x = datasets.delayed_xor(0, 200, **settings).train[0]
    second = x[:, 75:130]
    for bit in range(2):
        same = second[second[:, :, 10 * bit].any(1)]
        assert len(same) > 50 and np.all(same == same[0])
        np.testing.assert_array_equal(
            np.flatnonzero(same[0, :, 10 * bit]), range(9, 55, 10)
        )


def test_delayed_xor_generalises_to_parity_with_a_background():
    x, y = datasets.delayed_xor(
        1, 300, n_cues=3, delay=30.0, dt=0.5, n_channels=4, background_hz=20.0
    ).train
    assert x.shape == (300, 2 * (50 + 30 + 50 + 30 + 50 + 50), 8)
    bits = [x[:, s : s + 100].sum(1) @ np.repeat([-1, 1], 4) > 0 for s in (0, 160, 320)]
    assert np.mean(np.sum(bits, 0) % 2 == y) > 0.95
    quiet = x[:, 100:160]
    p = 1 - np.exp(-0.01)
    assert stats.binomtest(int(quiet.sum()), quiet.size, p).pvalue > 1e-4
    with pytest.raises(ValueError, match=r"delayed_xor\.delay=0\.7 ms must be a whole"):
        datasets.delayed_xor(delay=0.7)
    with pytest.raises(ValueError, match=r"delayed_xor\.n_cues must be a whole number"):
        datasets.delayed_xor(n_cues=0)


def test_a_memoryless_layer_is_at_chance_and_one_with_memory_is_not():
    """Leaky traces of the spikes, tau_m = delay / 10 or longer, read in the response."""
    from sklearn.neighbors import KNeighborsClassifier

    parts = datasets.delayed_xor(2, 600, 10, 400, poisson=False)

    def traces(x, tau):
        v = 0
        for now in x.swapaxes(0, 1):
            v = v * np.exp(-1 / tau) + now.astype(float)
        return v.round(6)  # what is far below the noise of any network counts for nothing

    def score(tau):
        (x, y), (x_test, y_test) = parts.train, parts.test
        near = KNeighborsClassifier(15).fit(traces(x, tau), y)
        return near.score(traces(x_test, tau), y_test)

    assert score(200.0) > 0.99
    v = traces(parts.test[0], 20.0).round(3)
    assert len(np.unique(v, axis=0)) == 2  # the second cue is all there is to see


# Spike patterns


def test_association_has_targets_as_asked_for():
    data = datasets.spike_pattern_association(0, 50, n_outputs=2)
    assert data.inputs.shape == (50, 400, 400) and data.targets.shape == (50, 400, 2)
    assert data.target_times.shape == (50, 2, 5)
    assert {part.dtype for part in data} == {np.dtype("float32")}
    assert np.all(np.diff(data.target_times, axis=-1) >= 20)
    for i, j in np.ndindex(50, 2):
        at = np.flatnonzero(data.targets[i, :, j])
        np.testing.assert_array_equal(at + 1, data.target_times[i, j])  # ends of steps
    p = 1 - np.exp(-0.005)
    assert stats.binomtest(int(data.inputs.sum()), data.inputs.size, p).pvalue > 1e-4
    again = datasets.spike_pattern_association(0, 50, n_outputs=2)
    np.testing.assert_array_equal(data.inputs, again.inputs)
    assert not np.array_equal(data.inputs[0], data.inputs[1])


def test_every_allowed_target_train_is_equally_likely():
    data = datasets.spike_pattern_association(
        1, 6000, 1, duration=9.0, n_spikes=2, min_interval=3.0, earliest=2.0
    )
    trains, seen = np.unique(data.target_times[:, 0], axis=0, return_counts=True)
    allowed = [(a, b) for a in range(3, 10) for b in range(a + 3, 10)]
    assert [tuple(map(int, t)) for t in trains] == allowed
    assert stats.chisquare(seen).pvalue > 1e-4


def test_association_refuses():
    with pytest.raises(
        ValueError, match=r"5 target spikes at least 100 ms apart do not fit"
    ):
        datasets.spike_pattern_association(min_interval=100.0)
    fits = datasets.spike_pattern_association(duration=81.0, n_inputs=2)
    np.testing.assert_array_equal(fits.target_times[0, 0], [1, 21, 41, 61, 81])
    with pytest.raises(ValueError, match=r"duration=400\.5 ms must be a whole number"):
        datasets.spike_pattern_association(duration=400.5)
    with pytest.raises(ValueError, match=r"n_inputs must be a whole number above 0"):
        datasets.spike_pattern_association(n_inputs=0)


# Mackey-Glass


def mackey_glass(substeps, n_samples=60, **kwargs):
    from snnjax.datasets.mackey_glass import _integrate

    h = 1 / substeps
    x = _integrate(1.2, 17 * substeps, (n_samples - 1) * substeps, h, 0.2, 0.1, 10.0)
    return x[::substeps]


def test_mackey_glass_converges_with_order_four():
    fine = mackey_glass(64)
    errors = [np.abs(mackey_glass(k) - fine).max() for k in (2, 4, 8)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(orders > 3.7), orders
    assert np.abs(mackey_glass(10, 101) - mackey_glass(80, 101)).max() < 1e-8


def test_mackey_glass_in_its_first_delays():
    """A constant past makes it linear at first, and then an equation with a known drive."""
    x = datasets.mackey_glass(n_samples=35, start=0.9, discard=0.0)
    t = np.arange(18)
    limit = 0.2 * 0.9 / (1 + 0.9**10) / 0.1
    first = lambda t: limit + (0.9 - limit) * np.exp(-0.1 * t)
    np.testing.assert_allclose(x[:18], first(t), rtol=1e-6)
    drive = lambda t: 0.2 * first(t - 17) / (1 + first(t - 17) ** 10)
    second = solve_ivp(
        lambda t, x: drive(t) - 0.1 * x, (17, 34), [first(17.0)],
        t_eval=np.arange(17, 35), rtol=1e-11, atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(x[17:], second.y[0], rtol=1e-6)


def test_mackey_glass_is_chaotic_and_on_its_attractor():
    x = datasets.mackey_glass(0, 2000)
    assert x.shape == (2000,) and x.dtype == np.float32
    assert 0.2 < x.min() < 0.5 and 1.2 < x.max() < 1.45
    assert not np.array_equal(x, datasets.mackey_glass(1, 2000))
    np.testing.assert_array_equal(x[:50], datasets.mackey_glass(0, 50))
    tail = datasets.mackey_glass(0, 50, discard=310.0)
    np.testing.assert_array_equal(x[10:60], tail)
    settled = datasets.mackey_glass(0, 50, beta=0.05, discard=500.0)
    assert np.all(settled < 1e-5)  # decay beats production


def test_mackey_glass_refuses():
    with pytest.raises(
        ValueError, match=r"mackey_glass\.tau=17\.03 must be a whole number"
    ):
        datasets.mackey_glass(tau=17.03)
    with pytest.raises(
        ValueError, match=r"mackey_glass\.discard=0\.5 must be a whole number"
    ):
        datasets.mackey_glass(discard=0.5)
    with pytest.raises(ValueError, match=r"mackey_glass\.start must be at least 0"):
        datasets.mackey_glass(start=-1.0)


def test_prediction_windows():
    series = np.arange(10.0)
    x, y = datasets.prediction_windows(series, 4, horizon=2, stride=2)
    assert x.shape == y.shape == (3, 4, 1)
    np.testing.assert_array_equal(x[..., 0], [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]])
    np.testing.assert_array_equal(y, x + 2)
    two = np.stack([series, -series], 1)
    x, y = datasets.prediction_windows(two, 9)
    assert x.shape == (1, 9, 2)
    np.testing.assert_array_equal(y[0], two[1:])
    with pytest.raises(ValueError, match=r"at least length \+ horizon = 11 steps"):
        datasets.prediction_windows(series, 10)
