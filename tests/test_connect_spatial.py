"""Wiring by distance: positions, periodic distances, kernels, and the law of the synapses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from snnjax import connect
from snnjax.connect import spatial


def brute_distances(pre, post, extent):
    """By looking at all images of each target."""
    axes = pre.shape[1]
    shifts = [[-1, 0, 1] if np.isfinite(length) else [0] for length in extent]
    images = np.stack(np.meshgrid(*shifts, indexing="ij"), -1).reshape(-1, axes)
    images = images * np.where(np.isfinite(extent), extent, 0)
    d = pre[:, None, None] - post[None, :, None] + images
    return np.sqrt((d**2).sum(-1)).min(-1)


@pytest.mark.parametrize(
    "extent", [(2.0,), (1.0, 3.0), (np.inf, 1.5), (1.0, 2.0, 0.5), (np.inf, np.inf, np.inf)]
)
def test_distances(extent, key):
    axes = len(extent)
    k_pre, k_post = jax.random.split(key)
    box = np.where(np.isfinite(extent), extent, 1.0)
    pre = connect.random_positions(13, axes, key=k_pre, extent=box)
    post = connect.random_positions(17, axes, key=k_post, extent=box)
    edges = connect.AllToAll()(13, 17)
    found = connect.distances(edges, pre, post, extent)
    expected = brute_distances(np.asarray(pre), np.asarray(post), np.array(extent))
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-12)
    rule = connect.DistanceDependent(lambda d: d < 0.4, pre, post, extent=extent)
    near = rule(13, 17, key=key)
    np.testing.assert_array_equal(near.to_sparse().toarray(), expected < 0.4)
    np.testing.assert_allclose(rule.distances(near), expected[expected < 0.4])


def test_positions():
    np.testing.assert_allclose(
        connect.grid(2, 3, extent=(2.0, 3.0)),
        [[0.5, 0.5], [0.5, 1.5], [0.5, 2.5], [1.5, 0.5], [1.5, 1.5], [1.5, 2.5]],
    )
    assert connect.grid(2, 3, 4).shape == (24, 3)
    x = np.asarray(connect.ring(8, circumference=4.0))
    assert x.shape == (8, 1)
    np.testing.assert_allclose(np.diff(x[:, 0]), 0.5)
    x = np.asarray(connect.random_positions(5000, 3, key=jax.random.key(1), extent=2.0))
    for axis in x.T:
        assert stats.kstest(axis / 2, "uniform").pvalue > 1e-3
    assert connect.grid(0, 3).shape == (0, 2)


def test_a_ring_has_neighbours_across_its_seam(key):
    n = 10
    rule = connect.DistanceDependent(
        connect.BoxKernel(0.2), connect.ring(n), extent=1.0, autapses=False
    )
    edges = rule(n, n, key=key, same=True)
    np.testing.assert_array_equal(edges.out_degrees(), 4)  # the radius is included
    steps = (np.asarray(edges.post) - np.asarray(edges.pre)) % n
    assert set(steps.tolist()) == {1, 2, 8, 9}
    with jax.enable_x64(False):
        rule = connect.DistanceDependent(
            connect.BoxKernel(0.2), connect.ring(n), extent=1.0, autapses=False
        )
        np.testing.assert_array_equal(rule(n, n, key=key, same=True).pre, edges.pre)


def test_kernels():
    d = np.linspace(0, 3, 50)
    for kernel, expected in (
        (connect.GaussianKernel(0.7, 0.9), 0.9 * np.exp(-(d**2) / (2 * 0.49))),
        (connect.ExponentialKernel(0.7, 0.5), 0.5 * np.exp(-d / 0.7)),
        (connect.LinearKernel(2.0), np.clip(1 - d / 2, 0, None)),
        (connect.BoxKernel(1.0, 0.3), 0.3 * (d <= 1)),
    ):
        np.testing.assert_allclose(kernel(d), expected, rtol=1e-12)


def test_synapses_follow_the_kernel(key, monkeypatch):
    """By distance, at p > 1e-3, in several chunks of rows."""
    n, kernel = 400, connect.GaussianKernel(0.15, 0.8)
    x = connect.grid(20, 20)
    rule = connect.DistanceDependent(kernel, x, extent=1.0)
    edges = rule(n, n, key=key, same=True)
    d = brute_distances(np.asarray(x), np.asarray(x), np.ones(2))
    connected = edges.to_sparse().toarray() > 0
    bins = np.digitize(d, np.linspace(0.0, 0.5, 8))
    chi2, used = 0.0, 0
    for b in np.unique(bins):
        p = np.asarray(kernel(d[bins == b]))
        variance = np.sum(p * (1 - p))
        if variance > 20:
            chi2 += (connected[bins == b].sum() - p.sum()) ** 2 / variance
            used += 1
    assert used >= 6 and 1e-3 < stats.chi2(used).cdf(chi2) < 1 - 1e-3
    monkeypatch.setattr(spatial, "_PAIRS", 100 * n + 7)  # 4 chunks, as one before
    traces = []
    count = lambda d: (traces.append(d), kernel(d))[1]
    again = connect.DistanceDependent(count, x, extent=1.0)
    again(n, n, key=key, same=True)
    assert len(traces) == 1  # for all chunks
    inside = jax.jit(lambda k: again(n, n, key=k, same=True))(key)
    for other in (again(n, n, key=key, same=True), inside):
        np.testing.assert_array_equal(other.pre[: len(edges)], edges.pre)
        np.testing.assert_array_equal(other.post[: len(edges)], edges.post)
        assert other.count == len(edges) and other.lost == 0


def test_traced_positions(key):
    x = connect.grid(6, 6)

    def wire(x, **kwargs):
        rule = connect.DistanceDependent(connect.GaussianKernel(0.2), x, **kwargs)
        return rule(36, 36, key=key)

    edges = wire(x)
    inside = jax.jit(lambda x: wire(x, max_synapses=600))(x)
    np.testing.assert_array_equal(inside.post[: len(edges)], edges.post)
    with pytest.raises(ValueError, match="needs max_synapses= where its positions"):
        jax.jit(wire)(x)


def test_gradient_of_distances():
    """Finite where two neurons are at one place."""
    edges = connect.FromArrays([0, 0, 1, 2], [0, 1, 2, 1])(3, 3)
    x = jnp.array([[0.1, 0.9], [0.2, 0.1], [0.6, 0.4]])
    check_grads(
        lambda x: connect.distances(edges, x, extent=1.0)[1:], (x,), order=1, eps=1e-6
    )
    slope = jax.grad(lambda x: connect.distances(edges, x)[0])(x)
    np.testing.assert_array_equal(slope, 0)


def test_distance_dependent_refuses(key):
    x = connect.grid(4, 4)
    make = connect.DistanceDependent
    kernel = connect.GaussianKernel(0.1)
    with pytest.raises(ValueError, match=r"positions of 16 sources and 16 .* 16 and 9"):
        make(kernel, x)(16, 9, key=key)
    with pytest.raises(ValueError, match="sources have 2 axes and those of targets 1"):
        make(kernel, x, connect.ring(3))
    with pytest.raises(ValueError, match=r"positions_pre must be \[neurons, axes\]"):
        make(kernel, np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"extent must be one length or one for each of 2"):
        make(kernel, x, extent=(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match=r"extent must be above 0"):
        make(kernel, x, extent=0.0)
    for bad in (0.3, connect.GaussianKernel):
        with pytest.raises(ValueError, match="kernel must be a function of distances"):
            make(bad, x)
    with pytest.raises(ValueError, match="must give probabilities, 0 to 1"):
        make(lambda d: 2 - d, x)(16, 16, key=key)
    with pytest.raises(ValueError, match=r"GaussianKernel\.sigma must be above 0"):
        connect.GaussianKernel(0.0)
    with pytest.raises(ValueError, match=r"BoxKernel\.p must be at most 1"):
        connect.BoxKernel(1.0, 1.5)
    with pytest.raises(ValueError, match="along 1, 2 or 3 axes"):
        connect.grid(2, 2, 2, 2)
    with pytest.raises(ValueError, match="ring takes a number of neurons"):
        connect.ring(2.5)
    with pytest.raises(ValueError, match=r"positions_pre has 16 positions for 3 neurons"):
        connect.distances(connect.AllToAll()(3, 16), x)
    assert len(make(kernel, connect.grid(0), x[:, 0])(0, 16, key=key)) == 0
