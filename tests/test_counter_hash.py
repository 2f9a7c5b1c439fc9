"""The hash behind noise and drive: its words, what is made of them, and that parts agree.

`benchmarks/random_battery.py` runs the same battery on a hundred times as many words.
"""

import importlib
import pathlib
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import snnjax as snn
from snnjax import inputs
from snnjax.core import draws
from snnjax.core.counter_hash import hashed
from snnjax.core.draws import Draws

GENERATORS = ["hash", "threefry"]


@pytest.fixture
def random_battery(monkeypatch):
    folder = pathlib.Path(__file__).parent.parent / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module("random_battery")


def refused_at(p, confidence=1e-3):
    """Tests whose p-value is too small for as many tests (Bonferroni)."""
    return {name: x for name, x in p.items() if x < confidence / len(p)}


def test_hash_passes_the_battery(random_battery):
    p = random_battery.battery("hash", 200, 1000, 2**13)
    assert len(p) > 70 and not refused_at(p)
    # Where all is well, p-values are uniform themselves (they are independent but for a few).
    assert stats.kstest(list(p.values()), "uniform").pvalue > 1e-4


def test_battery_refuses_lesser_generators(random_battery):
    battery = random_battery
    assert set(refused_at(battery.battery("permutation", 20, 1000, 2**10))) == {
        "repeats in one long step"
    }
    lcg = lambda key, step, element, stream=0: (
        (1664525 * (step[:, None] * 1000 + element).astype(np.uint32) + 7) & 0xFFFFFFFF
    ).astype(np.uint32)
    sums = battery.Sums()
    sums.add(lcg((0, 0), np.arange(100), np.arange(1000)))
    assert "correlation over 1 elements" in refused_at(dict(sums.p_values()))


@pytest.mark.slow
def test_hash_passes_the_battery_at_length(random_battery):
    assert not refused_at(random_battery.battery("hash", 4000, 5000, 2**17))


M = 0xFFFFFFFF


def mixed(x, a, b, last):
    x = (x ^ x >> 16) * a & M
    x = (x ^ x >> 15) * b & M
    return x ^ x >> last


def reference(key, stream, step, element):
    """In whole numbers of Python."""
    first = lambda x: mixed(x, 0x7FEB352D, 0x846CA68B, 16)
    second = lambda x: mixed(x, 0x21F0AAAD, 0xD35A2D97, 15)
    words = [w & M for w in (*key, stream, step)]
    x = sum(first(w + 0x9E3779B9 * k & M) for k, w in enumerate(words, 1)) & M
    y = sum(second(w + 0x85EBCA77 * k & M) for k, w in enumerate(words, 1)) & M
    return first(element ^ second(x)) ^ second(element ^ first(y))


@pytest.mark.parametrize("seed", [0, 2**40 + 3])
def test_words_are_those_of_whole_numbers(seed):
    key = jax.random.key(seed)
    words = [int(w) for w in jax.random.key_data(key)]
    element = jnp.array([0, 1, 12_499, 2**31 - 1])
    for stream, step in ((0, 0), (3, 9999), (1 << 20, -1)):
        expected = [reference(words, stream, step, int(e)) for e in element]
        np.testing.assert_array_equal(hashed(key, step, element, stream), expected)
        raw = jax.random.key_data(key)
        np.testing.assert_array_equal(jax.jit(hashed)(raw, step, element, stream), expected)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_threefry_words_are_those_of_jax(impl):
    key = jax.random.key(5, impl=impl)
    data = jax.random.key_data(jax.random.fold_in(key, 7))[:2]
    expected = jax.random.bits(jax.random.wrap_key_data(data), (3, 4), jnp.uint32)
    whole = Draws(key, 7, (3, 4), 0, "threefry")
    np.testing.assert_array_equal(whole.bits(), expected)
    np.testing.assert_array_equal(
        Draws(key, 7, (4,), 8, "threefry").bits(), whole.bits()[2]
    )
    assert not np.any(whole.bits() == whole.bits(1))


@pytest.mark.parametrize("generator", GENERATORS)
def test_both_precisions_have_the_same_numbers(key, generator):
    d = Draws(key, 11, (20_000,), 0, generator)
    eps = np.finfo(np.float32).eps
    np.testing.assert_allclose(d.uniform(jnp.float32), d.uniform(jnp.float64), rtol=eps)
    z = np.asarray(d.normal(jnp.float64))
    # Rounding of the probability beyond |z|, seen through the slope of its inverse.
    slack = 1e-6 * (1 + np.abs(z)) + eps / stats.norm.pdf(z)
    assert np.all(np.abs(d.normal(jnp.float32) - z) < slack)
    for mean in (0.3, 2.0, 9.0):
        short, long = d.poisson(jnp.float32(mean)), d.poisson(jnp.float64(mean))
        assert short.dtype == jnp.float32
        assert np.mean(short != long) < 1e-3 and np.all(np.abs(short - long) <= 1)


def test_normal_numbers_are_the_quantiles_of_their_words(key):
    d = Draws(key, 0, (10_000,))
    word = np.asarray(d.bits()).view(np.int32).astype(float)
    expected = stats.norm.ppf((word + 0.5) * 2.0**-32 + 0.5)
    np.testing.assert_allclose(d.normal(jnp.float64), expected, rtol=1e-9, atol=1e-12)
    extremes = jnp.array([0, 2**31 - 1, 2**31, 2**32 - 1], jnp.uint32)
    for dtype in (jnp.float32, jnp.float64):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Draws, "bits", lambda self, stream: extremes)
            z, u = d.normal(dtype), d.uniform(dtype)
        assert np.isfinite(z).all() and z[1] == -z[2] > 5
        assert np.all((u > 0) & (u < 1))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.7, 2.0, draws._PIECE])
def test_poisson_numbers_invert_their_law(dtype, mean):
    """Down to the rarest: u is compared with P(n >= k), not with 1 less a sum near 1."""
    k = np.arange(1, 18)
    tail = stats.poisson.sf(k - 1, float(dtype(mean)))
    tail = tail[tail > 2.0**-32]
    assert tail[0] == pytest.approx(-np.expm1(-float(dtype(mean))))
    assert stats.poisson.sf(draws._MOST, mean) < 2.0**-33  # no word would tell
    slack = 40 * np.finfo(dtype).eps * tail + 2.0**-33
    above, below = (
        draws._inverted(jnp.asarray(u, dtype), dtype(mean))
        for u in (tail + slack, tail - slack)
    )
    np.testing.assert_array_equal(above, np.arange(len(tail)))
    np.testing.assert_array_equal(below, np.arange(len(tail)) + 1)


@pytest.mark.parametrize("mean", [draws._BIG, 1e3, 1e5])
def test_large_poisson_numbers_invert_their_law(mean):
    """Between n and n + 1 it changes where their law does, but for the next term."""
    law = stats.poisson(mean)
    n = np.arange(law.ppf(0.002), law.ppf(0.998), np.ceil(mean / 1e4))
    z = jnp.asarray(stats.norm.ppf(law.cdf(n)))
    next_term = 0.35 * mean**-1.5
    for shift, expected in ((-next_term, n), (next_term, n + 1)):
        got = draws._expanded(z + shift / np.sqrt(mean), jnp.asarray(mean))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("mean", [9.0, 200.0, 2000.0])
def test_large_poisson_numbers(key, mean):
    mean = jnp.float32(mean)
    n = np.asarray(Draws(key, 3, (20_000,)).poisson(mean))
    assert abs(n.mean() - mean) < 4 * np.sqrt(mean / n.size)
    assert abs(n.var() / mean - 1) < 4 * np.sqrt((2 + 1 / mean) / n.size)
    law = stats.poisson(float(mean))
    edges = np.unique(law.ppf(np.linspace(0.01, 0.99, 12)))
    expected = np.diff(law.cdf(np.concatenate([[-1], edges, [np.inf]])))
    seen = np.bincount(np.searchsorted(edges, n), minlength=len(expected))
    assert stats.chisquare(seen, expected * n.size).pvalue > 1e-4


def test_poisson_numbers_under_vmap_and_where_means_differ(key):
    means = jnp.array([0.0, 0.5, 30.0, 700.0])
    one = lambda mean: Draws(key, 3, (50,)).poisson(mean)
    many = jax.vmap(one)(means)
    for mean, n in zip(means, many, strict=True):
        np.testing.assert_array_equal(n, one(mean))
    assert not many[0].any()
    mixed = np.asarray(Draws(key, 3, (4000, 3)).poisson(jnp.array([0.02, 3.0, 90.0])))
    for n, mean in zip(mixed.T, (0.02, 3.0, 90.0), strict=True):
        assert abs(n.mean() - mean) < 4 * np.sqrt(mean / len(n))
    assert Draws(key, 3, (0,)).poisson(jnp.zeros(0)).shape == (0,)
    silent = Draws(key, 3, (4,)).poisson(jnp.array([jnp.nan, 0.0, -1.0, jnp.nan]))
    assert not silent.any()


RATES = np.linspace(0.0, 9e4, 12)
SOURCES = {
    "spikes": lambda k, g: inputs.poisson(RATES, key=k, generator=g),
    "bernoulli": lambda k, g: inputs.bernoulli(900.0, shape=(12,), key=k, generator=g),
    "counts": lambda k, g: inputs.poisson(RATES, key=k, counts=True, generator=g),
    "of time": lambda k, g: inputs.poisson(
        lambda t: 900 + t * jnp.arange(12), key=k, counts=True, generator=g
    ),
    "bursts": lambda k, g: inputs.compound_poisson(
        500.0, [0.2, 0.5, 0.3], 0.2, shape=(12,), key=k, generator=g
    ),
    "noise": lambda k, g: inputs.white_noise(RATES, 3.0, key=k, generator=g),
    "common": lambda k, g: inputs.white_noise(0.0, 3.0, key=k, generator=g) + 1.0,
    "sum": lambda k, g: (
        2 * inputs.white_noise(1.0, RATES, key=k, generator=g)
        + inputs.poisson(20.0, shape=(1,), key=k, generator=g).clip(0, 0.5)
        + RATES
    ),
    "columns": lambda k, g: (
        inputs.white_noise(0.0, RATES[:, None], shape=(12, 3), key=k, generator=g)
        * RATES[:3]
    ),
}


@pytest.mark.parametrize(
    ("name", "generator"),
    [*((name, "hash") for name in SOURCES), ("counts", "threefry"), ("sum", "threefry")],
)
def test_part_of_a_population_draws_what_the_whole_does(key, name, generator):
    whole = SOURCES[name](key, generator)
    array = eqx.filter_jit(
        lambda source: jax.lax.map(lambda i: source(i, 0.1), jnp.arange(30))
    )
    values = np.asarray(array(whole))
    assert values.std() > 0
    for start in (0, 4, 8):
        expected = values if name == "common" else values[:, start : start + 4]
        parts = array(whole.slice(start, 4)), array(whole.slice(jnp.int32(start), 4))
        for part in parts:
            np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-12)
    if name in ("columns", "counts"):
        again = array(whole.slice(3, 6).slice(1, 4))
        np.testing.assert_allclose(again, values[:, 4:8], rtol=1e-12, atol=1e-12)


def test_part_of_given_values(key):
    train = inputs.poisson_train(100.0, 20.0, shape=(6,), key=key)
    wave = inputs.sine(np.arange(6.0), 50.0)
    samples = inputs.from_array(np.random.default_rng(0).normal(size=(20, 6)), 1.0)
    for whole in (train, wave, samples, wave * train + 1.0):
        part = whole.slice(2, 3)
        np.testing.assert_array_equal(part.array(1.0, 20), whole.array(1.0, 20)[:, 2:5])
        assert part.duration == whole.duration
    assert inputs.step(3.0, 5).slice(7, 9)(6, 1.0) == 3.0  # common to all
    for start, size in ((4, 3), (-1, 2)):
        with pytest.raises(ValueError, match="must lie in a population of 6"):
            train.slice(start, size)
    with pytest.raises(ValueError, match="size must be a whole number above 0"):
        train.slice(0, 0)


def test_coloured_noise_of_a_part(key):
    whole = inputs.OrnsteinUhlenbeck(sigma=3.0).array(0.1, 20, shape=(8,), key=key)
    part = inputs.OrnsteinUhlenbeck(sigma=3.0, offset=5)
    np.testing.assert_array_equal(part.array(0.1, 20, shape=(3,), key=key), whole[:, 5:])
    other = inputs.OrnsteinUhlenbeck(sigma=3.0, generator="threefry")
    assert not np.any(other.array(0.1, 20, shape=(8,), key=key) == whole)


@pytest.mark.parametrize("name", ["counts", "noise"])
def test_whole_chunked_and_resumed_runs_draw_the_same(key, name):
    drive = 1e-3 * SOURCES[name](key, "hash")
    lif, dt = snn.LIF(), jnp.asarray(0.1)
    run = lambda **more: snn.simulate(lif, drive, dt, record=snn.Trace("v"), **more)
    whole = run(n_steps=60)
    np.testing.assert_array_equal(run(n_steps=60, chunk=20).ys, whole.ys)
    first = run(n_steps=20)
    second = run(n_steps=40, chunk=20, state=first.state)
    np.testing.assert_array_equal(np.concatenate([first.ys, second.ys]), whole.ys)


@pytest.mark.parametrize("generator", GENERATORS)
def test_keys_are_told_apart(generator):
    seeds = jnp.arange(5)
    draw = lambda seed: inputs.white_noise(
        0.0, 1.0, shape=(40,), key=jax.random.key(seed), generator=generator
    ).array(1.0, 50)
    batch = jax.vmap(draw)(seeds)
    for seed in seeds:
        np.testing.assert_allclose(batch[seed], draw(seed), rtol=1e-12)
    r = np.corrcoef(batch.reshape(5, -1))[np.triu_indices(5, 1)]
    assert np.abs(r).max() < 4 / np.sqrt(2000)
    raw = lambda seed: inputs.white_noise(
        0.0, 1.0, shape=(40,), key=jax.random.PRNGKey(seed), generator=generator
    )
    np.testing.assert_allclose(raw(3).array(1.0, 50), batch[3], rtol=1e-12)


SHARDS = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, PartitionSpec as P
from snnjax import inputs
mesh = Mesh(np.array(jax.devices()), "n")
for generator in ("hash", "threefry"):
    for whole in (
        inputs.poisson(20_000.0, shape=(80,), key=jax.random.key(0), counts=True,
            generator=generator),
        inputs.white_noise(jnp.arange(80.0), 2.0, key=jax.random.key(0),
            generator=generator),
    ):
        def shard():
            part = whole.slice(20 * jax.lax.axis_index("n"), 20)
            return part.array(0.1, 30)
        # Loops over steps of a part begin alike on all devices, and then differ.
        run = jax.shard_map(shard, mesh=mesh, in_specs=(), out_specs=P(None, "n"),
            check_vma=False)
        np.testing.assert_allclose(jax.jit(run)(), whole.array(0.1, 30), atol=1e-4)
print(jax.device_count())
"""


def test_shards_on_several_devices_draw_what_one_does():
    run = subprocess.run(
        [sys.executable, "-c", SHARDS], capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "4", run.stderr[-2000:]


def test_drive_exports_for_all_platforms(key):
    pytest.importorskip("flatbuffers")
    both = SOURCES["counts"](key, "hash") + SOURCES["noise"](key, "hash")
    run = jax.jit(lambda dt: jax.lax.map(lambda i: both(i, dt), jnp.arange(20)))
    exported = jax.export.export(run, platforms=("cpu", "cuda", "tpu"))(0.1)
    back = jax.export.deserialize(exported.serialize())
    np.testing.assert_allclose(back.call(0.1), run(0.1), rtol=1e-12)
    np.testing.assert_allclose(run(0.1)[7], both(7, 0.1), rtol=1e-12)  # eager


def test_counts_have_no_gradient_and_let_others_pass(key):
    def loss(rate_hz, weight):
        drive = weight * inputs.poisson(rate_hz, shape=(5,), key=key, counts=True)
        return jnp.sum(drive.array(1.0, 20) ** 2)

    rate, weight = jax.jit(jax.grad(loss, (0, 1)))(2000.0, 3.0)
    assert rate == 0 and weight == pytest.approx(2 * loss(2000.0, 3.0) / 3.0)


def test_other_rates_and_parts_need_no_new_program(key):
    traces = []

    @eqx.filter_jit
    def run(source):
        traces.append(1)
        return source(3, 0.1)

    whole = inputs.poisson(RATES, key=key, counts=True)
    for source in (whole.slice(0, 4), whole.slice(4, 4)):
        run(source)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda k: inputs.poisson(1.0, key=k, generator="hsah"),
            "poisson.generator must be one of .*Did you mean 'hash'",
        ),
        (lambda k: inputs.white_noise(0, 1, key=k, generator="x"), "white_noise.generator"),
        (lambda k: inputs.bernoulli(1.0, key=k, generator=1), "bernoulli.generator"),
        (
            lambda k: inputs.compound_poisson(1.0, [0, 1], key=k, generator=1),
            "compound_poisson.generator",
        ),
        (
            lambda k: inputs.OrnsteinUhlenbeck(generator="x"),
            "OrnsteinUhlenbeck.generator must be one of",
        ),
        (
            lambda k: inputs.poisson(1.0, key=jax.random.split(k, 3)),
            r"poisson.key must be one random key, got an array of them of shape \(3,\)",
        ),
        (lambda k: inputs.poisson(1.0, key=3), "poisson.key must be a random key"),
    ],
)
def test_bad_values_are_refused_by_name(key, make, message):
    with pytest.raises(ValueError, match=message):
        make(key)
