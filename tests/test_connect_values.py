"""Weights and delays: what a user may write, and the laws of what is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from snnjax import connect
from snnjax.connect import as_values

N = 20_000


@pytest.fixture(scope="module")
def edges():
    return connect.FixedInDegree(5)(6, 4, key=jax.random.key(1))


def test_a_number_stays_one(edges):
    for spec in (2, 2.0, jnp.float32(2.0), np.array(2.0)):
        value = as_values(spec, edges)
        assert (
            value.shape == () and value == 2 and jnp.issubdtype(value.dtype, jnp.floating)
        )


def test_one_value_a_synapse(edges):
    values = np.arange(20.0)
    np.testing.assert_array_equal(as_values(values, edges), values)
    np.testing.assert_array_equal(as_values(list(range(20)), edges), values)


def test_a_matrix_is_taken_at_the_synapses(edges):
    matrix = np.arange(24.0).reshape(6, 4)
    expected = [matrix[i, j] for i, j in zip(edges.pre, edges.post, strict=True)]
    np.testing.assert_array_equal(as_values(matrix, edges), expected)


def test_values_follow_arrays_into_the_order_of_the_edges():
    """Synapse s of the user keeps its own value, which says where it runs."""
    rng = np.random.default_rng(0)
    pre, post = rng.integers(7, size=50), rng.integers(9, size=50)
    edges = connect.FromArrays(pre, post)(7, 9)
    values = np.asarray(as_values(10.0 * pre + post, edges))
    np.testing.assert_array_equal(values, 10 * edges.pre + edges.post)
    values = np.asarray(as_values(np.arange(50.0), edges)).astype(int)
    assert sorted(values) == list(range(50))
    np.testing.assert_array_equal(pre[values], edges.pre)
    inside = jax.jit(lambda pre, post, v: as_values(v, connect.FromArrays(pre, post)(7, 9)))
    np.testing.assert_array_equal(inside(pre, post, np.arange(50.0)), values)


def test_a_function_of_distance(key):
    x = connect.grid(4, 4)
    rule = connect.DistanceDependent(connect.BoxKernel(0.5), x)
    edges = rule(16, 16, key=key)
    d = np.linalg.norm(np.asarray(x)[edges.pre] - np.asarray(x)[edges.post], axis=1)
    f = lambda d: 1.0 + d / 0.3
    for distances in (rule.distances, rule.distances(edges)):
        found = as_values(f, edges, distances=distances)
        np.testing.assert_allclose(found, 1 + d / 0.3, rtol=1e-12)
    assert as_values(lambda d: 3.0, edges, distances=d).shape == ()


def cut(law, low, high):
    """`law` between bounds, as a distribution function."""
    a, b = law.cdf(low), law.cdf(high)
    return lambda x: np.clip((law.cdf(x) - a) / (b - a), 0, 1)


LOG = stats.lognorm(s=np.sqrt(np.log(1.25)), scale=2 / np.sqrt(1.25))  # mean 2, std 1
LAWS = {
    "uniform": (connect.Uniform(-1.0, 3.0), stats.uniform(-1, 4).cdf),
    "normal": (connect.Normal(2.0, 0.5), stats.norm(2, 0.5).cdf),
    "normal_cut": (
        connect.Normal(2.0, 0.5, low=1.8, high=3.0),
        cut(stats.norm(2, 0.5), 1.8, 3.0),
    ),
    "normal_low": (connect.Normal(0.0, 1.0, low=0.5), cut(stats.norm, 0.5, np.inf)),
    "lognormal": (connect.LogNormal(2.0, 1.0), LOG.cdf),
    "lognormal_cut": (connect.LogNormal(2.0, 1.0, low=0.0, high=3.0), cut(LOG, 0, 3)),
    "exponential": (connect.ExponentialDistribution(2.0), stats.expon(scale=2).cdf),
    "exponential_cut": (
        connect.ExponentialDistribution(2.0, low=0.5, high=4.0),
        cut(stats.expon(scale=2), 0.5, 4),
    ),
    "exponential_low": (
        connect.ExponentialDistribution(2.0, low=0.5),
        cut(stats.expon(scale=2), 0.5, np.inf),
    ),
    "scaled": (-(3 * connect.Normal(2.0, 0.5)), stats.norm(-6, 1.5).cdf),
    "scaled_by_numpy": (
        np.float64(2.0) * connect.Uniform(0.0, 1.0),
        stats.uniform(0, 2).cdf,
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_distributions(name, key):
    distribution, cdf = LAWS[name]
    edges = connect.OneToOne()(N, N)
    values = np.asarray(as_values(distribution, edges, key=key))
    assert values.shape == (N,) and values.dtype == np.float64
    assert stats.kstest(values, cdf).pvalue > 1e-3
    low, high = (getattr(distribution, k, None) for k in ("low", "high"))
    assert low is None or values.min() >= low
    assert high is None or values.max() <= high
    with jax.enable_x64(False):
        single = jax.tree.map(jnp.float32, distribution)
        values = np.asarray(jax.jit(lambda d: as_values(d, edges, key=key))(single))
        assert values.dtype == np.float32 and np.isfinite(values).all()
        assert stats.kstest(values.astype(float), cdf).pvalue > 1e-3


def test_mean_and_standard_deviation_of_the_log_normal_are_its_own(key):
    values = connect.LogNormal(2.0, 1.0).sample(key, (400_000,))
    assert values.mean() == pytest.approx(2.0, abs=4 / np.sqrt(400_000))
    assert values.std() == pytest.approx(1.0, rel=0.03)


def test_clipping_puts_values_at_the_bounds(key):
    clipped = connect.Normal(0.0, 1.0, low=-1.0, high=2.0, clip=True)
    values = np.asarray(clipped.sample(key, (N,)))
    for bound, p in ((-1.0, stats.norm.cdf(-1)), (2.0, stats.norm.sf(2))):
        share = np.mean(values == bound)
        assert share == pytest.approx(p, abs=4 * np.sqrt(p / N))
    free = np.asarray(connect.Normal(0.0, 1.0).sample(key, (N,)))
    np.testing.assert_array_equal(values, np.clip(free, -1, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda m: connect.Normal(m, 0.5),
        lambda m: connect.Normal(m, 0.5, low=0.5, high=2.5),
        lambda m: connect.LogNormal(m, 0.5),
        lambda m: connect.ExponentialDistribution(m, high=2.0),
        lambda m: connect.Normal(2.0, m, low=1.0),
    ],
)
def test_gradients_of_parameters(make, key):
    check_grads(lambda m: make(m).sample(key, (20,)), (jnp.array(1.5),), order=1, eps=1e-5)


def test_no_spread_is_the_mean(key):
    for distribution in (
        connect.Normal(2.0, 0.0),
        connect.Normal(2.0, 0.0, low=0.0),
        connect.LogNormal(2.0, 0.0),
    ):
        np.testing.assert_allclose(distribution.sample(key, (5,)), 2.0)


def test_values_refuse(edges, key):
    call = lambda spec, **k: as_values(spec, edges, name="Projection.weight", **k)
    with pytest.raises(ValueError, match=r"Projection\.weight is drawn .* a random key"):
        call(connect.Normal(1.0, 0.1))
    with pytest.raises(ValueError, match="got the class Normal"):
        call(connect.Normal)
    with pytest.raises(
        ValueError, match=r"weight is a function of distance, but the wiring"
    ):
        call(lambda d: d)
    with pytest.raises(ValueError, match=r"for each of 20 distances, gave shape \(3,\)"):
        call(lambda d: np.ones(3), distances=np.ones(20))
    with pytest.raises(
        ValueError, match=r"for each of 20 synapses, .* \(6, 4\), .* \(4, 6\)"
    ):
        call(np.ones((4, 6)))
    with pytest.raises(ValueError, match=r"Projection\.weight must be finite"):
        call(np.nan)
    with pytest.raises(
        ValueError, match=r"Projection\.weight must be a number or an array"
    ):
        call("x")
    with pytest.raises(ValueError, match=r"Normal\.std must be at least 0"):
        connect.Normal(1.0, -0.1)
    with pytest.raises(ValueError, match=r"LogNormal\.mean must be above 0"):
        connect.LogNormal(-1.0, 0.1)
    with pytest.raises(ValueError, match=r"Uniform\.low=3\.0 must be below .*high=1\.0"):
        connect.Uniform(3.0, 1.0)
