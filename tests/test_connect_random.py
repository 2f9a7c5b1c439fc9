"""Random wiring against the laws it is drawn from.

Small populations are wired many times, and the number of times that each wiring came about is
held to its probability by a chi-square test. All tests are at p > 1e-3 with fixed keys.
"""

import itertools
import math

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.sparse.csgraph import shortest_path

from snnjax import connect

MANY = 6000


def matrices(rule, n_pre, n_post, key, same):
    """Numbers of synapses, [wirings, n_pre, n_post], of `MANY` wirings."""

    def one(key):
        edges = rule(n_pre, n_post, key=key, same=same)
        zeros = np.zeros((n_pre, n_post), np.int32)
        return jax.numpy.asarray(zeros).at[edges.pre, edges.post].add(1, mode="drop")

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(key, MANY)))


def assert_law(found, law):
    """`found` [wirings, ...] are distributed as `law`: (outcome, probability) pairs."""
    names, counts = np.unique(found.reshape(len(found), -1), axis=0, return_counts=True)
    seen = {tuple(map(int, name)): n for name, n in zip(names, counts, strict=True)}
    p: dict = {}
    for outcome, probability in law:
        name = tuple(np.ravel(outcome).astype(int).tolist())
        p[name] = p.get(name, 0) + probability
    assert sum(p.values()) == pytest.approx(1) and seen.keys() <= p.keys()
    expected = np.array([p[name] for name in p]) * len(found)
    assert expected.min() > 4
    observed = np.array([seen.get(name, 0) for name in p])
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def sets(cells, k):
    """All sets of `k` of `cells`, as 0 or 1 a cell, equally likely."""
    p = 1 / math.comb(cells, k)
    for chosen in itertools.combinations(range(cells), k):
        outcome = np.zeros(cells)
        outcome[list(chosen)] = 1
        yield outcome, p


def draws(cells, k):
    """`k` draws with replacement: how often each of `cells` was drawn."""
    for chosen in itertools.product(range(cells), repeat=k):
        yield np.bincount(chosen, minlength=cells), cells**-k


def coins(cells, p):
    for outcome in itertools.product((0, 1), repeat=cells):
        yield outcome, p ** sum(outcome) * (1 - p) ** (cells - sum(outcome))


def test_pairwise_bernoulli_law(key):
    found = matrices(connect.PairwiseBernoulli(0.3), 2, 3, key, False)
    assert_law(found, coins(6, 0.3))
    own = matrices(connect.PairwiseBernoulli(0.6, autapses=False), 3, 3, key, True)
    assert not own[:, *np.diag_indices(3)].any()
    assert_law(own[:, ~np.eye(3, dtype=bool)], coins(6, 0.6))


@pytest.mark.parametrize("n", [3, 4])
def test_symmetric_bernoulli_law(n, key):
    found = matrices(connect.SymmetricPairwiseBernoulli(0.4), n, n, key, True)
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    assert not found[:, *np.diag_indices(n)].any()
    assert_law(found[:, *np.triu_indices(n, 1)], coins(n * (n - 1) // 2, 0.4))


@pytest.mark.parametrize("side", ["in", "out"])
def test_fixed_degree_laws(side, key):
    make = {"in": connect.FixedInDegree, "out": connect.FixedOutDegree}[side]
    first = lambda x: x[:, :, 0] if side == "in" else x[:, 0, :]
    found = matrices(make(2, multapses=False), 5, 5, key, True)
    np.testing.assert_array_equal(found.sum(1 if side == "in" else 2), 2)
    assert_law(first(found), sets(5, 2))
    # Rows are independent of one another.
    together = np.stack([found[:, 0, 0], found[:, 1, 1], found[:, 0, 1], found[:, 1, 0]], 1)
    half = matrices(make(1), 2, 2, key, False)
    assert_law(half if side == "out" else half.swapaxes(1, 2), rows_of(draws(2, 1), 2))
    assert together.max() == 1
    found = matrices(make(3), 3, 3, key, False)
    assert_law(first(found), draws(3, 3))
    found = matrices(make(2, autapses=False), 4, 4, key, True)
    assert not found[:, *np.diag_indices(4)].any()
    assert_law(first(found)[:, 1:], draws(3, 2))


def rows_of(law, n):
    for rows in itertools.product(list(law), repeat=n):
        yield np.concatenate([row for row, _ in rows]), math.prod(p for _, p in rows)


def test_fixed_total_number_law(key):
    found = matrices(connect.FixedTotalNumber(3, multapses=False), 2, 3, key, False)
    assert_law(found, sets(6, 3))
    found = matrices(connect.FixedTotalNumber(3), 2, 2, key, False)
    assert_law(found, draws(4, 3))
    rule = connect.FixedTotalNumber(4, multapses=False, autapses=False)
    own = matrices(rule, 3, 3, key, True)
    assert not own[:, *np.diag_indices(3)].any()
    assert_law(own[:, ~np.eye(3, dtype=bool)], sets(6, 4))


def test_small_world_law(key):
    """The first neuron's targets, by all ways that its synapses may be moved."""
    n, k, p = 7, 4, 0.4

    def ways(s, targets, probability):
        if s == k:
            yield np.isin(np.arange(n), targets), probability
            return
        yield from ways(s + 1, targets, probability * (1 - p))
        free = [i for i in range(1, n) if i not in targets]
        for i in free:
            moved = [*targets[:s], i, *targets[s + 1 :]]
            yield from ways(s + 1, moved, probability * p / len(free))

    found = matrices(connect.SmallWorld(k, p), n, n, key, True)
    assert_law(found[:, 0], ways(0, [1, n - 1, 2, n - 2], 1.0))


@pytest.mark.parametrize("p", [0.01, 0.3])
def test_degrees_of_pairwise_bernoulli_are_binomial(p, key):
    n_pre, n_post = 4000, 1500
    edges = connect.PairwiseBernoulli(p)(n_pre, n_post, key=key)
    for degrees, n in ((edges.out_degrees(), n_post), (edges.in_degrees(), n_pre)):
        # Discrete values: spread each over its step to compare with a uniform law.
        u = np.random.default_rng(0).random(len(degrees))
        law = stats.binom(n, p)
        cdf = law.cdf(np.asarray(degrees) - 1) + u * law.pmf(degrees)
        assert stats.kstest(cdf, "uniform").pvalue > 1e-3
    targets = np.asarray(edges.post)
    assert stats.chisquare(np.bincount(targets, minlength=n_post)).pvalue > 1e-3


@pytest.mark.parametrize("multapses", [True, False])
def test_fixed_degrees_are_exact_and_the_others_binomial(multapses, key):
    n, k = 3000, 200  # rows long enough for a table
    for make, exact, free in (
        (connect.FixedInDegree, "in_degrees", "out_degrees"),
        (connect.FixedOutDegree, "out_degrees", "in_degrees"),
    ):
        edges = make(k, multapses=multapses, autapses=False)(n, n, key=key, same=True)
        np.testing.assert_array_equal(getattr(edges, exact)(), k)
        degrees = np.asarray(getattr(edges, free)())
        p = k / (n - 1)
        variance = k * (1 - 1 / (n - 1)) if multapses else k * (1 - p)
        chi2 = np.sum((degrees - k) ** 2) / variance
        assert 1e-3 < stats.chi2(n - 1).cdf(chi2) < 1 - 1e-3
        assert np.all(np.asarray(edges.pre) != np.asarray(edges.post))
        matrix = edges.to_sparse()
        matrix.sum_duplicates()
        assert (matrix.nnz == len(edges)) != multapses


def clustering(matrix):
    """Mean share of connections among the neighbours of a neuron."""
    shares = []
    for i in range(len(matrix)):
        near = np.flatnonzero(matrix[i])
        shares.append(matrix[np.ix_(near, near)].sum() / (len(near) * (len(near) - 1)))
    return np.mean(shares)


def path_length(matrix):
    return shortest_path(matrix, unweighted=True)[~np.eye(len(matrix), dtype=bool)].mean()


def test_small_world(key):
    """Clustering and path length of the ring, the random network and what lies between."""
    n, k = 600, 10
    found = {}
    for p in (0.0, 0.03, 1.0):
        edges = connect.SmallWorld(k, p)(n, n, key=key, same=True)
        np.testing.assert_array_equal(edges.out_degrees(), k)
        matrix = edges.to_sparse().toarray()
        assert matrix.max() == 1 and not matrix.diagonal().any()
        found[p] = clustering(matrix), path_length(matrix)
        steps = np.asarray(edges.post) - np.asarray(edges.pre)
        near = np.abs((steps + n // 2) % n - n // 2) <= k // 2
        stays = 1 - p + p * (k / n)  # a synapse may move onto a place left free
        assert near.mean() == pytest.approx(stays, abs=4 * 0.5 / np.sqrt(n * k))
    assert found[0.0][0] == pytest.approx(3 * (k - 2) / (4 * (k - 1)))  # the lattice
    assert found[0.0][1] == pytest.approx(n / (2 * k), rel=0.02)
    assert found[1.0][0] == pytest.approx(k / n, rel=0.15)  # random
    assert found[1.0][1] == pytest.approx(np.log(n) / np.log(k), rel=0.1)
    c, l = np.array(found[0.03]) / np.array(found[0.0])
    assert c > 0.85 and l < 0.35


def test_wirings_of_different_keys_share_only_what_chance_has_them_share(key):
    n, p = 1000, 0.1
    keys = jax.random.split(key)
    a, b = (connect.PairwiseBernoulli(p)(n, n, key=k).to_sparse() for k in keys)
    shared = a.multiply(b).nnz
    assert shared == pytest.approx(n * n * p**2, abs=4 * n * p)
