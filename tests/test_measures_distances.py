from functools import cache

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.test_util import check_grads
from numpy.testing import assert_allclose

from snnjax import measures as ms

TAU, COST, SIGMA = 10.0, 0.15, 4.0
DISTANCES = {
    "van_rossum": jax.jit(lambda a, b: ms.van_rossum(a, b, TAU)),
    "victor_purpura": jax.jit(lambda a, b: ms.victor_purpura(a, b, COST)),
    "schreiber": jax.jit(lambda a, b: ms.schreiber(a, b, SIGMA)),
}
METRICS = [DISTANCES["van_rossum"], DISTANCES["victor_purpura"]]
trains = st.lists(st.integers(0, 400).map(lambda i: i / 4), max_size=6).map(
    lambda times: np.array(times + [np.nan] * (6 - len(times)))  # one shape, compiled once
)


def real(times):
    return np.sort(times[~np.isnan(times)])


def van_rossum_on_a_grid(a, b, tau):
    """Filtered trains on grid points that hold every spike, in exact steps of the filter."""
    dt, f, integral = 0.25 / 64, 0.0, 0.0
    a, b = (np.round(real(t) / dt).astype(int) for t in (a, b))
    n = int((100.0 + 20 * tau) / dt)
    push = np.bincount(a, minlength=n) - np.bincount(b, minlength=n)
    for k in range(n):
        f = f * np.exp(-dt / tau) + push[k]
        integral += f**2 * dt * (1 - dt / tau)  # trapezium of f^2 on a falling exponential
    return np.sqrt(integral / tau)


def victor_purpura_by_recursion(a, b, cost):
    """The cheapest of all ways to delete, insert or move the last spikes."""

    @cache
    def d(i, j):
        if i == 0 or j == 0:
            return i + j
        move = d(i - 1, j - 1) + cost * abs(a[i - 1] - b[j - 1])
        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, move)

    a, b = real(a), real(b)
    return d(len(a), len(b))


def schreiber_on_a_grid(a, b, sigma):
    t = np.arange(-60.0, 160.0, 0.05)
    smooth = lambda x: np.exp(-((t - real(x)[:, None]) ** 2) / (2 * sigma**2)).sum(0)
    a, b = smooth(a), smooth(b)
    return a @ b / np.sqrt(a @ a * (b @ b))


@given(trains, trains)
def test_victor_purpura_is_the_cheapest_edit(a, b):
    expected = victor_purpura_by_recursion(a, b, COST)
    assert_allclose(DISTANCES["victor_purpura"](a, b), expected, rtol=1e-13, atol=1e-14)


@given(trains, trains)
def test_schreiber_is_the_correlation_of_filtered_trains(a, b):
    r = DISTANCES["schreiber"](a, b)
    if len(real(a)) and len(real(b)):
        assert_allclose(r, schreiber_on_a_grid(a, b, SIGMA), rtol=1e-10, atol=1e-14)
    else:
        assert r == (len(real(a)) == len(real(b)))


@pytest.mark.parametrize("seed", range(4))
def test_van_rossum_is_the_distance_of_filtered_trains(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.round(rng.uniform(0, 100, n) * 4) / 4 for n in (12, 3 * seed))
    for tau in (2.0, 20.0):
        expected = van_rossum_on_a_grid(a, b, tau)
        assert_allclose(ms.van_rossum(a, b, tau), expected, rtol=1e-5)


@given(trains, trains)
def test_van_rossum_is_the_double_sum_of_the_kernel(a, b):
    inner = lambda x, y: np.exp(-np.abs(real(x)[:, None] - real(y)) / TAU).sum() / 2
    squared = inner(a, a) + inner(b, b) - 2 * inner(a, b)
    assert_allclose(DISTANCES["van_rossum"](a, b) ** 2, squared, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("d", METRICS)
@given(trains, trains, trains)
def test_the_distances_are_metrics(d, a, b, c):
    assert d(a, a) == 0
    assert (
        d(a, np.random.default_rng(0).permutation(a)) == 0
    )  # order and padding are nothing
    assert_allclose(d(a, b), d(b, a), rtol=1e-12)
    assert (d(a, b) > 0) == (real(a).tolist() != real(b).tolist())
    assert d(a, c) <= d(a, b) + d(b, c) + 1e-12


@given(trains, trains, st.floats(-500, 500))
def test_all_are_unmoved_by_a_shift_of_both_trains(a, b, shift):
    for d in DISTANCES.values():
        assert_allclose(d(a + shift, b + shift), d(a, b), rtol=1e-6, atol=1e-6)


@given(trains, trains)
def test_schreiber_is_a_correlation(a, b):
    r = DISTANCES["schreiber"]
    assert_allclose(r(a, a), 1, rtol=1e-12)
    assert_allclose(r(a, b), r(b, a), rtol=1e-12)
    assert 0 <= r(a, b) <= 1 + 1e-12


@pytest.mark.parametrize("shift", [0.01, 1.0, 30.0, 1e4])
def test_two_single_spikes(shift):
    a, b = [50.0], [50.0 + shift]
    assert_allclose(ms.van_rossum(a, b, TAU), np.sqrt(-np.expm1(-shift / TAU)), rtol=1e-9)
    assert_allclose(ms.victor_purpura(a, b, COST), min(2, COST * shift), rtol=1e-9)
    assert_allclose(
        ms.schreiber(a, b, SIGMA), np.exp(-((shift / 2 / SIGMA) ** 2)), atol=1e-15
    )


@pytest.mark.parametrize("empty", [[], [np.nan], [np.nan] * 3])
def test_empty_trains(empty):
    once, thrice = [7.0], [7.0, 1e6, 2e6]
    assert_allclose(ms.van_rossum(empty, once, TAU), np.sqrt(1 / 2))
    assert_allclose(ms.van_rossum(thrice, empty, TAU), np.sqrt(3 / 2))
    assert ms.victor_purpura(empty, thrice, COST) == 3
    assert ms.victor_purpura(thrice, empty, COST) == 3
    assert ms.schreiber(empty, once, SIGMA) == 0
    assert ms.schreiber(once, empty, SIGMA) == 0
    assert ms.spike_train_inner_product(once, empty, jnp.exp) == 0
    for other in ([], [np.nan]):
        assert ms.van_rossum(empty, other, TAU) == 0
        assert ms.victor_purpura(empty, other, COST) == 0
        assert ms.schreiber(empty, other, SIGMA) == 1


def test_limits_of_the_cost():
    a, b = np.array([1.0, 5.0, 9.0]), np.array([1.0, 5.5])
    assert ms.victor_purpura(a, b, 0.0) == 1  # the counts
    assert ms.victor_purpura(a, b, 1e6) == 3  # all but the spike at 1 ms


def test_inner_product_and_its_kernels():
    a, b = np.array([1.0, 4.0, np.nan]), np.array([2.0, np.nan])
    kernel = lambda s: jnp.exp(-jnp.abs(s) / 3.0)
    expected = np.exp(-1 / 3) + np.exp(-2 / 3)
    assert_allclose(ms.spike_train_inner_product(a, b, kernel), expected)
    assert ms.spike_train_inner_product(a, b, jnp.ones_like) == 2
    assert ms.spike_train_inner_product(a, b, lambda s: s) == (1 - 2) + (4 - 2)
    # The Gram matrix of a positive definite kernel has no negative eigenvalue.
    many = np.random.default_rng(0).uniform(0, 30, (8, 5))
    gram = [[ms.spike_train_inner_product(x, y, kernel) for x in many] for y in many]
    assert np.linalg.eigvalsh(np.array(gram)).min() > 0


@pytest.mark.parametrize("name", DISTANCES)
def test_jit_vmap_and_float32_agree(name):
    d = DISTANCES[name]
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 100, (2, 5, 9))
    a[1, 4:] = b[2, :] = a[3, :] = b[3, :] = np.nan
    eager = {
        "van_rossum": lambda x, y: ms.van_rossum(x, y, TAU),
        "victor_purpura": lambda x, y: ms.victor_purpura(x, y, COST),
        "schreiber": lambda x, y: ms.schreiber(x, y, SIGMA),
    }[name]
    expected = [eager(real(x), real(y)) for x, y in zip(a, b, strict=True)]
    assert_allclose(jax.vmap(d)(a, b), expected, rtol=1e-12)
    pairs = jax.vmap(jax.vmap(d, (None, 0)), (0, None))(a, b)
    assert_allclose(np.diag(pairs), expected, rtol=1e-12)
    with jax.enable_x64(False):
        single = jax.vmap(eager)(jnp.asarray(a), jnp.asarray(b))
        assert single.dtype == jnp.float32
        assert_allclose(single, expected, rtol=2e-5)


@pytest.mark.parametrize("name", DISTANCES)
def test_gradients(name):
    rng = np.random.default_rng(2)
    a, b = rng.uniform(0, 100, (2, 6))
    pad = lambda x: jnp.append(x, jnp.nan)
    d = {
        "van_rossum": lambda x, y, p: ms.van_rossum(pad(x), pad(y), p),
        "victor_purpura": lambda x, y, p: ms.victor_purpura(pad(x), pad(y), p / 100),
        "schreiber": lambda x, y, p: ms.schreiber(pad(x), pad(y), p),
    }[name]
    d = jax.jit(d)
    check_grads(d, (a, b, 7.0), order=1, rtol=1e-5)
    grads = jax.grad(d, (0, 1, 2))(jnp.asarray(a), jnp.asarray(a), 7.0)
    assert all(np.isfinite(g).all() for g in grads)  # equal trains
    nothing = jax.grad(lambda p: d(jnp.full(2, jnp.nan), jnp.full(2, jnp.nan), p))(7.0)
    assert nothing == 0


def test_a_long_train_keeps_its_digits():
    """Nearly equal trains: the double sum of the kernel would lose all digits in float32."""
    a = np.arange(1000.0) * 100.0
    b = a.copy()
    b[500] += 0.125
    expected = np.sqrt(-np.expm1(-0.125 / TAU))
    with jax.enable_x64(False):
        d = ms.van_rossum(jnp.asarray(a), jnp.asarray(b), TAU)
        assert_allclose(d, expected, rtol=1e-5)


T = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ms.van_rossum(T, T, 0.0), "van_rossum.tau must be above 0 ms, got 0"),
        (lambda: ms.van_rossum(T, T, -1), "van_rossum.tau must be above 0 ms, got -1"),
        (lambda: ms.van_rossum(T, 3.0, 1), r"van_rossum.times_b must be .* \[n\] in ms"),
        (lambda: ms.van_rossum(T[None], T, 1), r"times_a .* \(1, 2\). Use jax.vmap"),
        (lambda: ms.van_rossum(T, [np.inf], 1), "van_rossum.times_b must be finite in ms"),
        (
            lambda: ms.victor_purpura(T, T, -1),
            "victor_purpura.cost must be at least 0 per ms",
        ),
        (lambda: ms.victor_purpura(T, T, np.inf), "victor_purpura.cost must be finite"),
        (lambda: ms.schreiber(T, T, np.nan), "schreiber.sigma must be finite in ms"),
        (lambda: ms.schreiber(T, T, 0), "schreiber.sigma must be above 0 ms"),
        (
            lambda: ms.spike_train_inner_product(T[None], T, jnp.exp),
            "spike_train_inner_product.times_a must be the times of one train",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
