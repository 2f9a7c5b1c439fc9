"""Event propagation: values and every derivative against a plain scatter, in both forms."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.connect import bits
from snnjax.connect.events import Weights, push
from snnjax.connect.rows import DenseRows, SparseRows

N, TARGETS, SLOTS = 37, 11, 3
KINDS = ["sparse", "one weight", "ring", "matrix", "counts", "matrix in a ring"]


class Case:
    """Rows, and the same map as a list of pairs: source `pre` reaches place `at`."""

    def __init__(self, kind, capacity=3, longest=None):
        rng = np.random.default_rng(KINDS.index(kind))
        wraps = "ring" in kind
        self.size = TARGETS * (SLOTS if wraps else 1)
        self.shift = 2 * TARGETS if wraps else 0
        if kind in ("matrix", "counts", "matrix in a ring"):
            columns = 5 if kind == "matrix" else TARGETS
            start = {"matrix": 4, "counts": 0, "matrix in a ring": 2 * TARGETS}[kind]
            shape, one = (N, columns), kind == "counts"
            counts = rng.integers(0, 3, shape) if one else None
            ours = jnp.asarray(counts, jnp.int8) if one else None
            self.rows = DenseRows(shape, jnp.uint32(start), ours, wraps)
            self.pre, column = (x.ravel() for x in np.indices(shape))
            place, self.times = (
                start + column,
                counts.ravel() if one else np.ones(N * columns),
            )
        else:
            degrees = rng.integers(0, 6, N)
            degrees[[3, 20]] = 0, 40  # one without synapses, one with more than targets
            place, indptr = (
                rng.integers(0, self.size, degrees.sum()),
                np.r_[0, degrees.cumsum()],
            )
            longest = int(degrees.max()) if longest is None else longest
            arrays = jnp.asarray(indptr, jnp.uint32), jnp.asarray(place, jnp.uint32)
            self.rows = SparseRows(*arrays, longest, capacity, wraps)
            self.pre, self.times = np.repeat(np.arange(N), degrees), np.ones(len(place))
            shape, one = place.shape, kind == "one weight"
        self.at = (place + self.shift) % self.size
        self.active, self.support = rng.random(N) < 0.5, rng.random(N) < 0.6
        quarters = lambda shape: rng.choice([-1, 1], shape) * rng.integers(1, 8, shape) / 4
        self.buffer, self.weight = quarters(self.size), quarters(() if one else shape)
        self.amount = np.where(self.active, quarters(N), 0)

    def arguments(self, dtype=float):
        return tuple(jnp.asarray(x, dtype) for x in (self.buffer, self.amount, self.weight))

    def push(self, form):
        words = bits.pack(jnp.asarray(self.active)), bits.pack(jnp.asarray(self.support))
        return lambda b, a, w: push(b, a, w, *words, self.shift, self.rows, form)

    def buffer_of(self, form):
        return lambda b, a, w: self.push(form)(b, a, Weights.of(w))[0]

    def plain(self, buffer, amount, weight):
        """The same as a scatter that jax differentiates."""
        held = jax.lax.stop_gradient(amount)
        sent = jnp.where(self.active, held, 0) + self.support * (amount - held)
        flat = weight.ravel() if weight.ndim else weight
        return buffer.at[self.at].add(sent[self.pre] * flat * self.times)


def bent(f):
    """A scalar of what `f` gives that has derivatives of any order."""
    scalar = lambda x: jnp.sin(x) @ jnp.arange(1.0, 1 + len(x))
    return lambda *args: scalar(f(*args))


def assert_same(ours, plain):
    close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)
    jax.tree.map(close, ours, plain)


@pytest.fixture(params=["loop", "list"])
def form(request):
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_active_neurons_are_added(kind, form):
    case = Case(kind)
    expected, weight = case.buffer.copy(), np.ravel(case.weight)
    for k, (i, at, n) in enumerate(zip(case.pre, case.at, case.times, strict=True)):
        if case.active[i]:
            expected[at] += case.amount[i] * weight[min(k, len(weight) - 1)] * n
    for dtype in (jnp.float32, jnp.float64):
        *others, weight = case.arguments(dtype)
        got, same = jax.jit(case.push(form))(*others, Weights.of(weight))
        assert got.dtype == same.credited.dtype == dtype
        np.testing.assert_array_equal(got, expected)  # dyadic: no order of adding rounds
        np.testing.assert_array_equal(same.read, case.weight)
        np.testing.assert_array_equal(same.credited, case.weight)


def derivatives(f):
    """First and second order, by forward mode, reverse mode and both."""
    every = (0, 1, 2)

    def all_of(tangents, *args):
        grad = jax.grad(bent(f), every)
        dots = lambda *args: map(jnp.vdot, grad(*args), tangents)
        return dict(
            jvp=jax.jvp(f, args, tangents)[1],
            grad=grad(*args),
            reverse_over_reverse=jax.grad(lambda *args: sum(dots(*args)), every)(*args),
            forward_over_reverse=jax.jvp(grad, args, tangents)[1],
        )

    return jax.jit(all_of)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ring", "loop"),
        ("one weight", "loop"),
        ("counts", "loop"),
        ("matrix in a ring", "loop"),
        ("ring", "list"),
        ("counts", "list"),
    ],
)
def test_derivatives_of_any_order_are_those_of_a_scatter(kind, form):
    case = Case(kind)
    args = case.arguments()
    tangents = tuple(
        jnp.cos(1.0 + jnp.arange(float(x.size))).reshape(x.shape) for x in args
    )
    ours = derivatives(case.buffer_of(form))(tangents, *args)
    assert_same(ours, derivatives(case.plain)(tangents, *args))


@pytest.mark.parametrize("kind", ["ring", "counts"])
def test_only_neurons_of_the_support_pass_gradient(kind, form):
    case = Case(kind)
    got = jax.jit(jax.grad(bent(case.buffer_of(form)), 1))(*case.arguments())
    assert np.all(got[~case.support] == 0)
    reached = np.isin(np.arange(N), case.pre[case.times > 0])
    assert np.all(np.asarray(got)[case.support & reached] != 0)
    assert np.any(case.support & ~case.active) and np.any(case.active & ~case.support)


@pytest.mark.parametrize(
    ("kind", "form", "mapped"),
    [
        ("ring", "loop", (0, 1, None)),
        ("ring", "list", (1, 0, None)),
        ("one weight", "loop", (None, None, 0)),
        ("counts", "loop", (1, 0, 0)),
        ("counts", "list", (0, 0, None)),
        ("matrix", "list", (None, 0, -1)),
        ("matrix", "loop", (0, None, -1)),
        ("matrix in a ring", "loop", (1, 0, None)),
        ("matrix in a ring", "list", (None, None, 0)),
    ],
)
def test_a_batch_is_its_elements(kind, form, mapped):
    case = Case(kind)
    scale = 1 + jnp.arange(3) / 2
    batch = lambda x, axis: x if axis is None else jnp.stack([x * s for s in scale], axis)
    args = tuple(batch(x, a) for x, a in zip(case.arguments(), mapped, strict=True))
    both = lambda f: lambda *xs: (f(*xs), jax.grad(bent(f), (0, 1, 2))(*xs))
    total = lambda f: lambda *xs: jax.vmap(bent(f), mapped)(*xs).sum()
    run = lambda f: jax.jit(
        lambda *xs: (jax.vmap(both(f), mapped)(*xs), jax.grad(total(f), (0, 1, 2))(*xs))
    )(*args)
    assert_same(run(case.buffer_of(form)), run(case.plain))


@pytest.mark.parametrize("kind", ["ring", "matrix in a ring", "counts"])
def test_batches_of_spikes_and_weights_nest(form, kind):
    case = Case(kind)
    words = bits.pack(jnp.asarray(np.random.default_rng(9).random((2, 3, N)) < 0.5))
    buffer, amount, weight = case.arguments()
    weights = jnp.stack([weight, -weight])

    def one(words, weight):
        weights = Weights.of(weight)
        return push(buffer, amount, weights, words, words, case.shift, case.rows, form)[0]

    nested = jax.vmap(jax.vmap(one, (0, None)))(words, weights)
    for i, k in itertools.product(range(2), range(3)):
        np.testing.assert_array_equal(nested[i, k], one(words[i, k], weights[i]))


def test_batches_of_shifts_nest(form):
    case = Case("ring")
    active = np.random.default_rng(9).random((2, 3, N)) < 0.5
    shift = jnp.array([0, 2 * TARGETS, TARGETS])
    buffer, amount, weight = case.arguments()
    weights = jnp.stack([weight, -weight])

    def one(words, shift, weight):
        weights = Weights.of(weight)
        return push(buffer, amount, weights, words, words, shift, case.rows, form)[0]

    words = bits.pack(jnp.asarray(active))
    nested = jax.vmap(jax.vmap(one, (0, 0, None)), (0, None, 0))(words, shift, weights)
    for i, k in itertools.product(range(2), range(3)):
        here = Case("ring")
        here.active = here.support = active[i, k]
        here.at = (here.at - here.shift + int(shift[k])) % here.size
        np.testing.assert_array_equal(nested[i, k], here.plain(buffer, amount, weights[i]))


@pytest.mark.parametrize(
    ("kind", "form", "checkpointed"),
    [("ring", "loop", True), ("counts", "loop", False), ("one weight", "list", False)],
)
def test_gradients_through_a_loop_over_time(kind, form, checkpointed):
    case = Case(kind)

    def run(step):
        def f(buffer, amount, weight):
            def one(carry, _):
                buffer, weights = carry
                buffer, weights = step(jnp.tanh(buffer), amount, weights)
                return (buffer, weights), buffer.sum()

            one = jax.checkpoint(one) if checkpointed else one
            (buffer, _), sums = jax.lax.scan(one, (buffer, Weights.of(weight)), None, 4)
            return jnp.sum(jnp.cos(buffer)) + jnp.sum(jnp.sin(sums))

        every = (0, 1, 2)
        both = lambda *args: (jax.grad(f, every)(*args), jax.jacfwd(f, every)(*args))
        return jax.jit(both)(*case.arguments())

    ours = run(case.push(form))
    assert_same(ours, run(lambda b, a, w: (case.plain(b, a, w.read), w)))
    assert_same(*ours)


@pytest.mark.parametrize(("capacity", "longest"), [(1, 40), (3, 7)])
def test_lists_that_overflow_lose_nothing(capacity, longest):
    """More active rows than fit, and rows longer than a piece, take further rounds."""
    case = Case("ring", capacity, longest)
    case.active[:], case.support[:], case.amount = True, True, np.full(N, 0.25)
    args = case.arguments()
    both = lambda f: jax.jit(lambda *xs: (f(*xs), jax.grad(bent(f), (0, 1, 2))(*xs)))(*args)
    ours, plain = both(case.buffer_of("list")), both(case.plain)
    np.testing.assert_array_equal(ours[0], plain[0])
    assert_same(ours, plain)


def test_no_active_neuron_changes_nothing(form):
    case = Case("ring")
    case.active[:] = False
    np.testing.assert_array_equal(case.buffer_of(form)(*case.arguments()), case.buffer)


def test_the_form_is_that_of_the_device():
    case = Case("sparse")
    text = lambda form: jax.jit(case.buffer_of(form)).lower(*case.arguments()).as_text()
    assert text(None) == text("loop") != text("list")
    assert "scatter" in text("list") and "scatter" not in text("loop")


@pytest.mark.parametrize("kind", ["ring", "counts"])
def test_exports_for_accelerators(kind):
    case = Case(kind)
    f = jax.jit(jax.vmap(jax.value_and_grad(bent(case.buffer_of(None)), (0, 1, 2))))
    args = tuple(jnp.stack([x, x]) for x in case.arguments())
    exported = jax.export.export(f, platforms=("cpu", "cuda", "tpu"))(*args)
    assert_same(exported.call(*args), f(*args))


def test_gradients_keep_nothing_of_the_synapses_for_each_step():
    """Compiled memory: 1000 steps of 20,000 synapses would be 160 MB."""
    n, degree = 100, 200
    index = np.random.default_rng(0).integers(0, n, n * degree)
    indptr = jnp.arange(n + 1, dtype=jnp.uint32) * degree
    rows = SparseRows(indptr, jnp.asarray(index, jnp.uint32), degree, 8)

    def f(weight, n_steps):
        def one(carry, _):
            v, weights = carry
            sent = jax.nn.sigmoid(v)
            active = bits.pack(jax.lax.stop_gradient(sent) > 0.5)
            every = bits.pack(jnp.ones(n, bool))
            return push(jnp.tanh(v), sent, weights, active, every, 0, rows), None

        start = jnp.zeros(n), Weights.of(weight)
        return jax.lax.scan(one, start, None, length=n_steps)[0][0].sum()

    def temporary(n_steps):
        run = jax.jit(partial(jax.grad(f), n_steps=n_steps))
        compiled = run.lower(jnp.ones(n * degree)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary(1000) - temporary(10) < 990 * 10 * n * 8  # arrays of neurons only


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65, 1000])
def test_bits_hold_what_was_packed(n):
    active = np.random.default_rng(n).random((2, 3, n)) < 0.5
    active[0, 0], active[0, 1] = True, False
    words = bits.pack(jnp.asarray(active))
    assert words.shape == (2, 3, -(-n // 32)) and words.dtype == jnp.uint32
    np.testing.assert_array_equal(bits.count(words), active.sum(-1))
    unpack = jax.vmap(jax.vmap(lambda w: bits.unpack(w, n)))
    np.testing.assert_array_equal(unpack(words), active)
    visit = lambda seen, i: seen.at[i].add(1)
    seen = [bits.for_each(w, visit, jnp.zeros(n, int)) for w in words.reshape(6, -1)]
    np.testing.assert_array_equal(seen, active.reshape(6, n))
