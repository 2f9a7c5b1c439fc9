"""`Edges`, rules without chance, and what all rules share: sizes, order, jit, vmap, errors."""

import zlib

import equinox as eqx
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import snnjax as snn
from snnjax import connect
from snnjax.connect import draws

N = 40
GRID = connect.grid(8, 5)

RULES = {
    "all_to_all": connect.AllToAll(),
    "all_to_all_no_autapses": connect.AllToAll(autapses=False),
    "one_to_one": connect.OneToOne(),
    "bernoulli": connect.PairwiseBernoulli(0.3),
    "bernoulli_no_autapses": connect.PairwiseBernoulli(0.3, autapses=False),
    "bernoulli_0": connect.PairwiseBernoulli(0.0),
    "bernoulli_1": connect.PairwiseBernoulli(1.0),
    "symmetric": connect.SymmetricPairwiseBernoulli(0.2),
    "in": connect.FixedInDegree(7),
    "in_strict": connect.FixedInDegree(39, autapses=False, multapses=False),
    "out": connect.FixedOutDegree(7, autapses=False),
    "out_all": connect.FixedOutDegree(40, multapses=False),
    "total": connect.FixedTotalNumber(300, autapses=False),
    "total_strict": connect.FixedTotalNumber(300, multapses=False),
    "total_all": connect.FixedTotalNumber(1560, autapses=False, multapses=False),
    "small_world": connect.SmallWorld(6, 0.3),
    "distance": connect.DistanceDependent(connect.GaussianKernel(0.2), GRID, extent=1.0),
    "distance_no_autapses": connect.DistanceDependent(
        lambda d: jnp.exp(-d), GRID, autapses=False
    ),
    "arrays": connect.FromArrays([3, 1, 2, 1, 3], [0, 5, 1, 2, 0]),
    "sparse": connect.FromSparse(np.eye(N)[::-1]),
}
SWEPT = ["bernoulli_no_autapses", "symmetric", "in", "in_strict", "out_all", "total"]
SWEPT += ["total_strict", "small_world", "distance"]
NO_AUTAPSES = ["symmetric", "small_world", "in_strict", "out", "total", "total_all"]
MULTAPSES = ["in", "out", "total", "arrays"]


def pairs(edges):
    n = int(edges.count)
    return np.stack([edges.pre, edges.post], -1)[:n]


@pytest.mark.parametrize("name", RULES)
def test_edges_are_in_order(name, key):
    rule = RULES[name]
    edges = rule(N, N, key=key, same=True)
    found = pairs(edges)
    assert len(edges) == edges.count == len(found) and edges.lost == 0
    assert edges.pre.dtype == edges.post.dtype == jnp.int32
    np.testing.assert_array_equal(found, found[np.lexsort(found.T[::-1])])
    assert len(found) == 0 or (found.min() >= 0 and found.max() < N)
    if name.endswith("no_autapses") or name in NO_AUTAPSES:
        assert np.all(found[:, 0] != found[:, 1])
    if name not in MULTAPSES:
        assert len(np.unique(found, axis=0)) == len(found)

    # A key that is known is not traced inside of jit, and no entry is unused.
    known = jax.jit(lambda: rule(N, N, key=key, same=True).post)()
    np.testing.assert_array_equal(known, edges.post)


@pytest.mark.parametrize("name", SWEPT)
def test_seeds_are_swept_inside_jit(name, key):
    rule = RULES[name]
    keys = jax.random.split(key, 3)
    wire = lambda key: rule(N, N, key=key, same=True)
    measures = lambda e: (e, e.indptr, e.in_degrees(), e.out_degrees(), e.count)
    swept = jax.jit(jax.vmap(lambda key: measures(wire(key))))(keys)
    alone = [wire(k) for k in keys]
    for i, edges in enumerate(alone):
        inside, *measured = jax.tree.map(lambda x: x[i], swept)  # noqa: B023
        n = len(edges)
        np.testing.assert_array_equal(inside.pre[:n], edges.pre)
        np.testing.assert_array_equal(inside.post[:n], edges.post)
        assert np.all(inside.pre[n:] == N) and np.all(inside.post[n:] == N)
        assert inside.lost == 0
        for a, b in zip(measured, measures(edges)[1:], strict=True):
            np.testing.assert_array_equal(a, b)
    if name not in ("in_strict", "out_all"):
        assert len({zlib.crc32(pairs(e).tobytes()) for e in alone}) == 3


@pytest.mark.parametrize("name", ["all_to_all", "arrays", "in", "bernoulli"])
def test_edges_may_leave_jit(name, key):
    """Of arrays that are traced, too."""
    rule = RULES[name]
    edges = rule(N, N, key=key)
    inside = eqx.filter_jit(lambda rule, key: rule(N, N, key=key))(rule, key)
    np.testing.assert_array_equal(pairs(inside), pairs(edges))
    if name == "arrays":
        np.testing.assert_array_equal(inside.order, edges.order)


def test_threefry_is_that_of_jax():
    key = np.array([123, 2**32 - 5], np.uint32)
    first, second = np.arange(5, dtype=np.uint32), np.arange(5, dtype=np.uint32) * 2**29
    expected = jax.extend.random.threefry_2x32(key, np.concatenate([first, second]))
    for k in (key, jnp.asarray(key)):
        np.testing.assert_array_equal(
            np.concatenate(draws.threefry(k, first, second)), expected
        )
    # Known answer of the reference implementation, Random123.
    a, b = draws.threefry(np.zeros(2, np.uint32), *np.zeros((2, 1), np.uint32))
    assert (int(a[0]), int(b[0])) == (0x6B200159, 0x99BA4EFE)


def test_numbers_below_a_bound():
    word = np.random.default_rng(0).integers(2**32, size=1000, dtype=np.uint32)
    word[:3] = 0, 1, 2**32 - 1
    for n in (1, 7, 12_500, 2**20 + 1, 2**31 - 1):
        expected = [int(w) * n >> 32 for w in word]
        np.testing.assert_array_equal(draws.below(word, n), expected)
        np.testing.assert_array_equal(draws.below(jnp.asarray(word), n), expected)


@pytest.mark.parametrize(
    ("rule", "crc"),
    [
        (connect.PairwiseBernoulli(0.1), 1430100686),
        (connect.SymmetricPairwiseBernoulli(0.1), 3347170081),
        (connect.FixedInDegree(20), 3765320939),
        (connect.FixedInDegree(20, multapses=False, autapses=False), 822372962),
        (connect.FixedOutDegree(100, multapses=False), 2773508772),
        (connect.FixedTotalNumber(2000), 549748358),
        (connect.FixedTotalNumber(2000, multapses=False), 3498519125),
        (connect.SmallWorld(10, 0.2), 948439234),
    ],
)
@pytest.mark.parametrize("x64", [False, True])
def test_wiring_is_that_of_its_key(rule, crc, x64):
    """Pinned: the same in each version of jax, on each backend and in each precision."""
    with jax.enable_x64(x64):
        edges = rule(200, 200, key=jax.random.key(5), same=True)
    assert zlib.crc32(np.asarray(pairs(edges), "<i4").tobytes()) == crc


def test_degrees_row_pointers_and_matrix():
    edges = connect.FromArrays([2, 0, 2, 2], [1, 3, 1, 0])(3, 4)
    np.testing.assert_array_equal(edges.pre, [0, 2, 2, 2])
    np.testing.assert_array_equal(edges.post, [3, 0, 1, 1])
    np.testing.assert_array_equal(edges.indptr, [0, 1, 1, 4])
    np.testing.assert_array_equal(edges.out_degrees(), [1, 0, 3])
    np.testing.assert_array_equal(edges.in_degrees(), [1, 2, 0, 1])
    np.testing.assert_array_equal(
        edges.to_sparse().toarray(), [[0, 0, 0, 1], [0, 0, 0, 0], [1, 2, 0, 0]]
    )
    values = edges.to_sparse(np.array([1.0, 2.0, 3.0, 4.0])).toarray()
    np.testing.assert_array_equal(values, [[0, 0, 0, 1], [0, 0, 0, 0], [2, 7, 0, 0]])


def test_all_to_all_and_one_to_one():
    np.testing.assert_array_equal(connect.AllToAll()(2, 3).to_sparse().toarray(), 1)
    other = connect.AllToAll(autapses=False)
    np.testing.assert_array_equal(other(3, 3).to_sparse().toarray(), 1)
    np.testing.assert_array_equal(
        other(3, 3, same=True).to_sparse().toarray(), 1 - np.eye(3)
    )
    np.testing.assert_array_equal(connect.OneToOne()(3, 3).to_sparse().toarray(), np.eye(3))


@pytest.mark.parametrize("form", ["csr_array", "coo_array", "csc_matrix", "coo_matrix"])
def test_a_sparse_matrix_comes_back(form):
    matrix = scipy.sparse.random_array((30, 50), density=0.1, rng=1)
    rule = connect.FromSparse(getattr(scipy.sparse, form)(matrix))
    edges = rule(30, 50)
    assert len(edges) == matrix.nnz
    back = edges.to_sparse(connect.as_values(rule.weights, edges))
    np.testing.assert_array_equal(back.toarray(), matrix.toarray())


def test_a_sparse_matrix_keeps_zeros_and_adds_what_is_stored_twice():
    entries = ([1.0, 2.0, 0.0], ([1, 1, 0], [0, 0, 2]))
    rule = connect.FromSparse(scipy.sparse.coo_array(entries, shape=(2, 3)))
    edges = rule(2, 3)
    np.testing.assert_array_equal(pairs(edges), [[0, 2], [1, 0]])
    np.testing.assert_array_equal(rule.weights, [0.0, 3.0])
    assert len(connect.FromSparse(np.diag([1.0, 0.0]))(2, 2)) == 1


@pytest.mark.parametrize("name", ["all_to_all", "bernoulli", "in", "out", "total_strict"])
def test_empty_populations(name, key):
    for n_pre, n_post in ((0, 5), (5, 0), (0, 0)):
        edges = RULES[name](n_pre, n_post, key=key)
        assert len(edges) == 0 == edges.count
        assert edges.in_degrees().shape == (n_post,)
        assert edges.out_degrees().shape == (n_pre,)
        traced = jax.jit(lambda k: RULES[name](n_pre, n_post, key=k))(key)  # noqa: B023
        assert len(traced) == 0


def test_no_synapses_between_neurons(key):
    for rule in (
        connect.FixedInDegree(0),
        connect.FixedTotalNumber(0),
        connect.FixedOutDegree(0, multapses=False),
        connect.FixedTotalNumber(0, multapses=False),
        connect.SmallWorld(0, 0.5),
        connect.FromArrays([], []),
        connect.PairwiseBernoulli(0),
    ):
        assert len(rule(3, 3, key=key, same=True)) == 0
        assert jax.jit(lambda k: rule(3, 3, key=k, same=True))(key).count == 0  # noqa: B023


@pytest.mark.parametrize("name", ["bernoulli", "symmetric", "distance"])
def test_room_for_synapses(name, key):
    """Arrays of a given size: spare entries, and, inside jit, a count of what was lost."""
    kwargs = dict(max_synapses=700)
    make = {
        "bernoulli": lambda **k: connect.PairwiseBernoulli(0.3, **k),
        "symmetric": lambda **k: connect.SymmetricPairwiseBernoulli(0.2, **k),
        "distance": lambda **k: connect.DistanceDependent(
            connect.GaussianKernel(0.2), GRID, extent=1.0, **k
        ),
    }[name]
    full = RULES[name](N, N, key=key, same=True)
    n = len(full)
    for edges in (
        make(**kwargs)(N, N, key=key, same=True),
        jax.jit(lambda key: make(**kwargs)(N, N, key=key, same=True))(key),
    ):
        assert len(edges) == 700 and edges.count == n and edges.lost == 0
        np.testing.assert_array_equal(pairs(edges), pairs(full))
    few = make(max_synapses=100)
    edges = jax.jit(lambda key: few(N, N, key=key, same=True))(key)
    assert len(edges) == 100 and edges.lost == n - 100
    np.testing.assert_array_equal(pairs(edges), pairs(full)[:100])
    with pytest.raises(ValueError, match=rf"drew {n} synapses, .* max_synapses=100"):
        few(N, N, key=key, same=True)


def test_export(key):
    """No host callback where the key is traced."""
    for name in ("total_strict", "small_world", "distance"):
        wire = lambda k: RULES[name](N, N, key=k, same=True)  # noqa: B023
        f = jax.jit(lambda data: wire(jax.random.wrap_key_data(data)).post)  # noqa: B023
        exported = jax.export.export(f, platforms=("cpu", "cuda", "tpu"))(
            jax.random.key_data(key)
        )
        n = len(wire(key))
        np.testing.assert_array_equal(
            exported.call(jax.random.key_data(key))[:n], wire(key).post
        )


def test_edges_refuse():
    edges = lambda pre, post: connect.Edges(pre, post, 3, 4)
    assert edges([0, 2, 3], [3, 0, 4]).count == 2  # the last entry is unused
    with pytest.raises(ValueError, match=r"Edges\.pre must number .* 0 to 2, got 3"):
        edges([0, 3], [0, 0])
    with pytest.raises(ValueError, match=r"Edges\.post must number .* 0 to 3, got -1"):
        edges([0, 1], [0, -1])
    with pytest.raises(ValueError, match="ascending order; the rule FromArrays"):
        edges([1, 0], [0, 0])
    with pytest.raises(ValueError, match=r"one entry a synapse each, .* \(2,\) and \(1,\)"):
        edges([0, 0], [1])
    with pytest.raises(ValueError, match=r"Edges\.pre must be whole numbers, .* float"):
        edges([0.5], [1])
    with pytest.raises(ValueError, match=r"Edges\.n_pre must be a number of neurons"):
        connect.Edges([0], [0], -1, 3)


def test_rules_refuse(key):
    with pytest.raises(ValueError, match=r"FixedInDegree is random: give it key="):
        connect.FixedInDegree(3)(5, 5)
    with pytest.raises(ValueError, match="FixedInDegree: key must be a random key"):
        connect.FixedInDegree(3)(5, 5, key=3)
    with pytest.raises(ValueError, match=r"one size, got n_pre=5 and n_post=6"):
        connect.AllToAll()(5, 6, same=True)
    with pytest.raises(ValueError, match="AllToAll: n_post must be a number of neurons"):
        connect.AllToAll()(5, 2.5)
    with pytest.raises(ValueError, match=r"same size, got n_pre=5 and n_post=6"):
        connect.OneToOne()(5, 6)
    with pytest.raises(ValueError, match=r"FromArrays\.post must number .* to 3, got 4"):
        connect.FromArrays([0], [4])(4, 4)
    with pytest.raises(ValueError, match=r"FromArrays\.pre must be whole numbers"):
        connect.FromArrays([0.0], [4])
    with pytest.raises(ValueError, match="one entry a synapse each"):
        connect.FromArrays([0, 1], [4])
    with pytest.raises(ValueError, match="has 1 synapses, but connects 0 and 4"):
        connect.FromArrays([0], [3])(0, 4)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), but connects 3 and 2"):
        connect.FromSparse(np.ones((2, 3)))(3, 2)
    with pytest.raises(
        ValueError, match=r"matrix must be a SciPy sparse matrix .* got 'x'"
    ):
        connect.FromSparse("x")
    with pytest.raises(ValueError, match="matrix must be a SciPy sparse matrix"):
        connect.FromSparse(np.ones(3))


@pytest.mark.parametrize("make", [connect.FixedInDegree, connect.FixedOutDegree])
def test_degrees_refuse(make, key):
    wire = lambda *args, n=5, **k: make(*args, **k)(n, n, key=key, same=True)
    name = make.__name__
    assert len(wire(9)) == 45  # multapses are allowed
    with pytest.raises(ValueError, match=rf"{name}\.n=6 needs .* the 5 .* multapses=True"):
        wire(6, multapses=False)
    with pytest.raises(ValueError, match=rf"{name}\.n=5 needs .* the 4 .* autapses=True"):
        wire(5, multapses=False, autapses=False)
    with pytest.raises(ValueError, match=rf"{name}\.n=1 needs .* the 0 neurons"):
        wire(1, autapses=False, n=1)
    for bad in (-1, 2.5, "x"):
        with pytest.raises(ValueError, match=rf"{name}\.n must be a number of synapses"):
            make(bad)


def test_numbers_and_probabilities_refuse(key):
    with pytest.raises(ValueError, match=r"n=21 synapses do not fit 4 x 5 .* 20 pairs"):
        connect.FixedTotalNumber(21, multapses=False)(4, 5, key=key)
    for make in (
        connect.PairwiseBernoulli,
        connect.SymmetricPairwiseBernoulli,
        lambda p: connect.SmallWorld(2, p),
    ):
        for bad in (-0.1, 1.1, np.nan, "x"):
            with pytest.raises(ValueError, match=r"\.p must be a probability"):
                make(bad)
        with pytest.raises(ValueError, match=r"\.p must be a probability"):
            jax.jit(lambda p: make(p)(4, 4, key=key, same=True))(0.5)  # noqa: B023
    with pytest.raises(ValueError, match=r"SmallWorld\.k must be even"):
        connect.SmallWorld(3, 0.1)
    with pytest.raises(ValueError, match=r"SmallWorld\.k=6 must be below"):
        connect.SmallWorld(6, 0.1)(6, 6, key=key, same=True)
    for rule in (connect.SmallWorld(2, 0.1), connect.SymmetricPairwiseBernoulli(0.1)):
        with pytest.raises(ValueError, match="connects a population with itself"):
            rule(6, 6, key=key)
    with pytest.raises(ValueError, match=r"max_synapses must be a number of synapses"):
        connect.PairwiseBernoulli(0.1, max_synapses=-1)


def test_the_room_is_a_namespace():
    assert snn.connect is connect and not hasattr(snn, "FixedInDegree")
