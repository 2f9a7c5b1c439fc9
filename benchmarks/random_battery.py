"""Is the hash that draws noise and drive random enough, and how much cheaper is it?

Each generator goes through the same tests, in the layout that a network uses: 12,500 elements
in each of 10,000 steps, 1.25e8 words. "permutation" is the hash without its second half and is
there to fail: it never repeats a word in a step. A generator passes if its smallest p-value
is above 1e-3 divided by the number of tests (Bonferroni), so that a perfect one fails once
in a thousand runs.

    python benchmarks/random_battery.py [--small]
"""

import collections
import math
import sys
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from _harness import header
from scipy import stats

from snnjax.core import counter_hash
from snnjax.core.draws import Draws

CONFIDENCE = 1e-3
KEY = (20, 26)  # the words of a raw key

Draw = Callable[
    ..., np.ndarray
]  # (key, first step, steps, elements, stream) -> uint32[T, n]


def draw_from(generator: str) -> Draw:
    """Words of many steps at once, from one compiled function a size."""

    def words(key, step, element, stream):
        if generator == "permutation":
            a, b = counter_hash._seed(key, stream, step)
            return counter_hash._mix_a(counter_hash._word(element) ^ a) ^ b
        return Draws(key, step, (), element, generator).bits(stream)

    flat = jax.jit(jax.vmap(words))

    def block(key, step, element, stream):
        row = lambda i: jax.vmap(lambda e: words(key, i, e, stream))(element)
        return jax.lax.map(row, step)

    block = jax.jit(block)

    def draw(key, step, element, stream=0):
        key = np.asarray(key, np.uint32)
        if key.ndim == 2:  # one key, step, element and stream a word
            return np.asarray(flat(key, step, element, stream))
        return np.asarray(block(key, np.asarray(step), np.asarray(element), stream))

    return draw


BITS = (np.arange(2**16)[:, None] >> np.arange(16)) & 1


def halves(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many words have each lower and each upper half."""
    low, high = (w & 0xFFFF).ravel(), (w >> 16).ravel()
    return np.bincount(low, minlength=2**16), np.bincount(high, minlength=2**16)


def ones(w: np.ndarray) -> np.ndarray:
    """How many words have each of the 32 bits set."""
    return np.concatenate([counts @ BITS for counts in halves(w)])


def from_z(z: np.ndarray | float) -> float:
    """p-value of independent standard normal numbers: of the sum of their squares."""
    return stats.chi2.sf(np.sum(np.square(z)), np.size(z))


def two_sided(count: float, mean: float) -> float:
    """p-value of a Poisson number."""
    law = stats.poisson(mean)
    return min(1.0, 2 * min(law.cdf(count), law.sf(count - 1)))


def chi_square(counts: np.ndarray) -> float:
    """p-value of equal counts, from both sides: too even is not random either."""
    p = stats.chisquare(counts.ravel()).pvalue
    return min(1.0, 2 * min(p, 1 - p))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """p-value of two arrays of uniform numbers being uncorrelated."""
    a, b = a - 0.5, b - 0.5
    return from_z(12 * np.vdot(a, b) / math.sqrt(a.size))


LAGS = (1, 2, 3, 5, 8, 16, 64, 100, 256, 1000)


class Sums:
    """Sums over blocks of words, from which the p-values of the large tests come."""

    def __init__(self):
        self.sums = collections.defaultdict(float)
        self.n = 0

    def add(self, w: np.ndarray) -> None:
        """`w`: words [T, n] of consecutive steps."""
        s, u = self.sums, (w + 0.5) * 2.0**-32
        self.n += w.size
        for k in range(1, 5):
            s["moment", k] += np.sum(u**k)
        for name, counts in zip(("low", "top"), halves(w), strict=True):
            s[f"{name} 16 bits"] = s[f"{name} 16 bits"] + counts
        for name, a, b in (
            ("elements", w[:, :-1], w[:, 1:]),
            ("steps", w[:-1], w[1:]),
        ):
            for part, shift in (("top", 24), ("low", 0)):
                pair = ((a >> shift) & 0xFF) << 8 | ((b >> shift) & 0xFF)
                s["pairs", name, part] = s["pairs", name, part] + np.bincount(
                    pair.ravel(), minlength=2**16
                )
            s["runs", name] = s["runs", name] + ones(a ^ b)
            s["runs n", name] += a.size
        u -= 0.5
        for lag in LAGS:
            for name, a, b in (
                ("elements", u[:, :-lag], u[:, lag:]),
                ("steps", u[:-lag], u[lag:]),
            ):
                if a.size and b.size:
                    s["lag", name, lag] += np.vdot(a, b)
                    s["lag n", name, lag] += a.size
        # Of each step: what a population's rate sees, which adds up the smallest dependence.
        s["sum of a step"] += np.sum(np.sum(u, 1) ** 2) * 12 / w.shape[1]
        s["sum of an element"] += np.sum(np.sum(u, 0) ** 2) * 12 / w.shape[0]
        s["steps"] += w.shape[0]
        s["elements"] += w.shape[1]
        w = np.sort(w, axis=1)
        s["repeats"] += np.count_nonzero(w[:, 1:] == w[:, :-1])
        s["repeats expected"] += w.shape[0] * math.comb(w.shape[1], 2) * 2.0**-32

    def p_values(self) -> Iterator[tuple[str, float]]:
        s, n = self.sums, self.n
        for k in range(1, 5):
            spread = math.sqrt(1 / (2 * k + 1) - 1 / (k + 1) ** 2)
            z = (s["moment", k] / n - 1 / (k + 1)) / spread * math.sqrt(n)
            yield f"moment {k} of uniform", from_z(z)
        for name in ("top 16 bits", "low 16 bits"):
            yield f"chi-square of {name}", chi_square(s[name])
        set_bits = np.concatenate([s[f"{name} 16 bits"] @ BITS for name in ("low", "top")])
        yield "bits: as many ones", from_z((set_bits - n / 2) / math.sqrt(n / 4))
        for axis in ("elements", "steps"):
            for part in ("top", "low"):
                yield f"pairs of {part} bytes, {axis}", chi_square(s["pairs", axis, part])
            n_runs = s["runs n", axis]
            z = (s["runs", axis] - n_runs / 2) / math.sqrt(n_runs / 4)
            yield f"runs of bits, {axis}", from_z(z)
            for lag in LAGS:
                if s["lag n", axis, lag]:
                    z = 12 * s["lag", axis, lag] / math.sqrt(s["lag n", axis, lag])
                    yield f"correlation over {lag} {axis}", from_z(z)
        for name, size in (("step", s["steps"]), ("element", s["elements"])):
            # A chi-square number but for the rounding of the central limit.
            p = stats.chi2.sf(s[f"sum of a{'n' * (name == 'element')} {name}"], size)
            yield f"variance of the sum of {name}s", min(1.0, 2 * min(p, 1 - p))
        yield "repeats in a step", two_sided(s["repeats"], s["repeats expected"])


def birthday_spacings(w: np.ndarray) -> tuple[int, float]:
    """Equal spacings of sorted words, and how many to expect (Marsaglia 1985); by row."""
    m = w.shape[1]
    spacing = np.sort(np.diff(np.sort(w, axis=1), axis=1), axis=1)
    return np.count_nonzero(spacing[:, 1:] == spacing[:, :-1]), w.shape[0] * m**3 / 2**34


def avalanche(draw: Draw, n: int) -> Iterator[tuple[str, float]]:
    """Each bit of key, step, element and stream turns each bit of the word half the time."""
    rng = np.random.default_rng(0)
    key = rng.integers(0, 2**32, (n, 2), np.uint32)
    step, element = rng.integers(0, 2**31, (2, n)).astype(np.int32)
    stream = rng.integers(0, 2**16, n).astype(np.int32)
    before = draw(key, step, element, stream)
    given = dict(key0=32, key1=32, step=31, element=31, stream=16)
    for name, n_bits in given.items():
        z = np.empty((n_bits, 32))
        for bit in range(n_bits):
            args = dict(key=key.copy(), step=step, element=element, stream=stream)
            if name[:3] == "key":
                args["key"][:, int(name[3])] ^= np.uint32(1 << bit)
            else:
                args[name] = args[name] ^ np.int32(1 << bit)
            z[bit] = (ones(before ^ draw(**args)) - n / 2) / math.sqrt(n / 4)
        yield f"avalanche of {name}: all", from_z(z)
        yield f"avalanche of {name}: worst", min(1.0, z.size * from_z(np.abs(z).max()))


def relatives(draw: Draw, steps: int, n: int) -> Iterator[tuple[str, float]]:
    """Blocks that must have nothing to do with each other."""
    step, element = np.arange(steps), np.arange(n)
    u = lambda *args: (draw(*args) + 0.5) * 2.0**-32
    base = u(KEY, step, element, 0)
    other = {
        "next seed": u((KEY[0], KEY[1] + 1), step, element, 0),
        "one bit of the key": u((KEY[0] ^ 1 << 31, KEY[1]), step, element, 0),
        "swapped words of the key": u(KEY[::-1], step, element, 0),
        "next stream": u(KEY, step, element, 1),
        "stream of another piece": u(KEY, step, element, 1 << 16),
        "steps far on": u(KEY, step + 2**20, element, 0),
        "elements far on": u(KEY, step, element + 2**20, 0),
        "step for element": u(KEY, element[:n], step, 0).T,
    }
    for name, x in other.items():
        yield f"correlation with {name}", correlation(base, x)
        cells = (base * 64).astype(int) * 64 + (x * 64).astype(int)
        yield f"pairs with {name}", chi_square(np.bincount(cells.ravel(), minlength=64**2))
    keys = np.stack([np.zeros(n, np.uint32), np.arange(n, dtype=np.uint32)], 1)
    same = lambda x: np.full(n, x, np.int32)
    first = (draw(keys, same(0), same(0), same(0)) + 0.5) * 2.0**-32
    yield "first words of seeds 0, 1, ...: KS", stats.kstest(first, "uniform").pvalue
    yield "first words of seeds 0, 1, ...: next", correlation(first[:-1], first[1:])


def laws(generator: str, n: int) -> Iterator[tuple[str, float]]:
    """Numbers that are made of the words, in float32."""
    steps = max(n // 12_500, 1)
    key = jnp.asarray(KEY, jnp.uint32)

    def all_steps(method, *args):
        one = lambda i: getattr(Draws(key, i, (12_500,), 0, generator), method)(*args)
        return np.asarray(jax.jit(lambda: jax.lax.map(one, jnp.arange(steps)))()).ravel()

    u = all_steps("uniform", jnp.float32)
    yield "uniform: KS", stats.kstest(u, "uniform").pvalue
    z = all_steps("normal", jnp.float32).astype(float)
    yield "normal: KS", stats.kstest(z, "norm").pvalue
    for k, (mean, square) in enumerate([(0, 1), (1, 3), (0, 15), (3, 105)], 1):
        spread = math.sqrt(square - mean**2)
        yield f"normal: moment {k}", from_z((np.mean(z**k) - mean) / spread * z.size**0.5)
    for level in (3, 4):
        expected = 2 * stats.norm.sf(level) * z.size
        yield f"normal: beyond {level}", two_sided(np.sum(np.abs(z) > level), expected)
    for p in (1e-5, 0.2):
        heads = all_steps("coin", jnp.float32(p)).sum(dtype=float)
        p = float(np.float32(p))
        yield f"coin of {p:.3g}", stats.binomtest(int(heads), z.size, p).pvalue
    for mean in (0.01, 2.0, 11.0):
        counts = all_steps("poisson", jnp.float32(mean)).astype(int)
        mean = float(np.float32(mean))
        law = stats.poisson(mean)
        top = int(law.isf(20 / z.size))
        seen = np.bincount(np.minimum(counts, top), minlength=top + 1)
        expected = z.size * np.append(law.pmf(np.arange(top)), law.sf(top - 1))
        first = int(np.argmax(expected > 5))  # cells of fewer are one with the next
        seen, expected = (
            np.append(x[: first + 1].sum(), x[first + 1 :]) for x in (seen, expected)
        )
        p = stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue
        yield f"Poisson numbers of mean {mean:.2g}", p


def battery(generator: str, steps: int, n: int, flips: int) -> dict[str, float]:
    """p-values by test, of `steps` times `n` words and `flips` words an avalanche."""
    draw, sums, rows = draw_from(generator), Sums(), min(steps, 1000)
    p = {}
    for first in range(0, steps, rows):
        sums.add(draw(KEY, np.arange(first, first + rows), np.arange(n)))
    p.update(sums.p_values())
    few = 2**12
    for name, step, element in (
        ("elements", np.arange(steps // 20), np.arange(few)),
        ("steps", np.arange(few), np.arange(steps // 20)),
    ):
        w = draw(KEY, step, element)
        w = w.T if name == "steps" else w
        p[f"birthday spacings of {name}"] = two_sided(*birthday_spacings(w))
    many = np.sort(draw(KEY, np.arange(1), np.arange(2**22))[0])
    repeats = np.count_nonzero(many[1:] == many[:-1])
    p["repeats in one long step"] = two_sided(repeats, many.size**2 / 2**33)
    p.update(avalanche(draw, flips))
    p.update(relatives(draw, max(rows // 10, 1), n))
    if generator != "permutation":
        p.update(laws(generator, steps * n // 10))
    return p


def cost() -> None:
    """ns of processor time a number, over a loop of steps, as compiled for a run."""
    steps, n = (1000, 1000) if SMALL else (10_000, 12_500)

    def seconds(generator, draw):
        def step(i, total):
            return total + draw(Draws(key, i, (n,), 0, generator))

        key = jnp.asarray(KEY, jnp.uint32)
        # All that a run has as arguments: what is known ahead could be folded.
        run = jax.jit(lambda k: jax.lax.fori_loop(0, steps, step, jnp.zeros(n)))
        run(key).block_until_ready()
        start = time.process_time()
        run(key).block_until_ready()
        return time.process_time() - start

    numbers = {
        "uniform": lambda d: d.uniform(jnp.float32),
        "coin": lambda d: d.coin(jnp.float32(0.2)),
        "normal": lambda d: d.normal(jnp.float32),
        "Poisson, mean 2": lambda d: d.poisson(jnp.float32(2.0)),
        "Poisson, mean 20": lambda d: d.poisson(jnp.float32(20.0)),
    }
    print(f"\nns of processor time a number, {n} in each step")
    for name, draw in numbers.items():
        ns = [seconds(g, draw) / steps / n * 1e9 for g in ("hash", "threefry")]
        print(f"{name:18s} hash {ns[0]:6.2f}   threefry {ns[1]:6.2f}")


if __name__ == "__main__":
    SMALL = "--small" in sys.argv
    size = (400, 2000, 2**16) if SMALL else (10_000, 12_500, 2**20)
    header(f"random battery, {size[0]} steps x {size[1]} elements")
    result = {g: battery(g, *size) for g in ("hash", "threefry", "permutation")}
    print(f"{'p-value of':44s}{'hash':>12s}{'threefry':>12s}{'permutation':>14s}")
    for test in result["hash"]:
        row = [result[g].get(test, math.nan) for g in result]
        print(f"{test:44s}{row[0]:12.4f}{row[1]:12.4f}{row[2]:14.3g}")
    for g, p in result.items():
        worst, level = min(p, key=p.__getitem__), CONFIDENCE / len(p)
        print(f"{g}: smallest of {len(p)} is {p[worst]:.2g} ({worst}), level {level:.1g}")
        assert (p[worst] > level) == (g != "permutation"), g
    cost()
