"""Wiring by chance: pairwise Bernoulli, fixed in-degree, out-degree and total number."""

import math
from typing import Any

import equinox as eqx
import jax
import numpy as np

from snnjax.connect import draws
from snnjax.connect.edges import size
from snnjax.connect.rules import AbstractProposal, candidates, flat, skip_self


def probability(p: Any, name: str) -> float:
    """`p` as a float from 0 to 1; refuses others, and what is not known while tracing."""
    try:
        value = float(p)
    except (TypeError, ValueError, jax.errors.ConcretizationTypeError):
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability, a number from 0 to 1, got {p!r}.")
    return value


def synapses(n: Any, name: str) -> int:
    """`n` as a number of synapses."""
    return size(n, name, "a number of synapses")


def room(n: Any, name: str) -> int | None:
    """`n` as `max_synapses`."""
    return None if n is None else synapses(n, f"{name}.max_synapses")


def enough(mean: float, variance: float, pairs: int) -> int:
    """Synapses that suffice but once in 10^9 wirings, of `pairs` that may be."""
    return min(math.ceil(mean + 6 * math.sqrt(variance) + 6), pairs)


class PairwiseBernoulli(AbstractProposal):
    """Each pair of a source and a target is connected with probability `p`, independently.

    Drawn source by source: the binomial number of its targets, then which; the cost is that of
    the synapses, not of the pairs. There are no multapses.

    - `p`: probability, 0 to 1. `autapses`: whether a neuron may reach itself.
    - `max_synapses`: static size of the arrays. By default as many as there are synapses and,
      where the key is traced, a number that is exceeded once in 10^9 wirings.
    """

    p: float = eqx.field(static=True)
    autapses: bool = eqx.field(static=True)
    max_synapses: int | None = eqx.field(static=True)

    def __init__(self, p: float, *, autapses: bool = True, max_synapses: int | None = None):
        self.p = probability(p, "PairwiseBernoulli.p")
        self.autapses = autapses
        self.max_synapses = room(max_synapses, "PairwiseBernoulli")

    def propose(self, n_pre, n_post, key, same):
        n = candidates(n_post, same, self.autapses)
        k_count, k_which = draws.split(key)
        counts, most = draws.binomial(k_count, n_pre, n, self.p)
        post = draws.without_replacement(k_which, counts, most, n)
        source = np.arange(n_pre, dtype=np.int32)[:, None]
        pre = draws.numpy_or_jax(key).where(post < n, source, n_pre)
        return flat(pre, skip_self(source, post, same, self.autapses))

    def most(self, n_pre, n_post, same):
        pairs = n_pre * candidates(n_post, same, self.autapses)
        most = enough(pairs * self.p, pairs * self.p * (1 - self.p), pairs)
        return most if self.max_synapses is None else self.max_synapses


class SymmetricPairwiseBernoulli(AbstractProposal):
    """Each two neurons of a population are connected with probability `p`, in both directions.

    There are no autapses and no multapses.

    - `p`, `max_synapses`: as for `PairwiseBernoulli`.
    """

    p: float = eqx.field(static=True)
    max_synapses: int | None = eqx.field(static=True)

    def __init__(self, p: float, *, max_synapses: int | None = None):
        self.p = probability(p, "SymmetricPairwiseBernoulli.p")
        self.max_synapses = room(max_synapses, "SymmetricPairwiseBernoulli")

    def check(self, n_pre, n_post, same):
        if not same:
            raise ValueError(
                "SymmetricPairwiseBernoulli connects a population with itself: source and "
                "target must be one (same=True)."
            )

    def propose(self, n_pre, n_post, key, same):
        # On a ring each pair is met once, from one of its ends at most half way round; where
        # the size is even, the pairs right across are left to the first half.
        xp, half = draws.numpy_or_jax(key), n_pre // 2
        k_count, k_which = draws.split(key)
        counts, most = draws.binomial(k_count, n_pre, half, self.p)
        step = 1 + draws.without_replacement(k_which, counts, most, half)
        one = np.arange(n_pre, dtype=np.int32)[:, None]
        twice = (n_pre % 2 == 0) & (step == half) & (one >= half)
        used = (step <= half) & ~twice
        other = xp.where(used, (one + step) % n_pre, n_pre)
        one, other = flat(xp.where(used, one, n_pre), other)
        return xp.concatenate([one, other]), xp.concatenate([other, one])

    def most(self, n_pre, n_post, same):
        pairs = n_pre * (n_pre - 1) // 2
        most = 2 * enough(pairs * self.p, pairs * self.p * (1 - self.p), pairs)
        return most if self.max_synapses is None else self.max_synapses


class FixedInDegree(AbstractProposal):
    """Each target is reached by `n` synapses from sources drawn at random.

    - `n`: synapses a target. `autapses`: whether a neuron may reach itself.
    - `multapses`: whether a source may be drawn more than once.
    """

    n: int = eqx.field(static=True)
    autapses: bool = eqx.field(static=True)
    multapses: bool = eqx.field(static=True)

    def __init__(self, n: int, *, autapses: bool = True, multapses: bool = True):
        self.n = synapses(n, "FixedInDegree.n")
        self.autapses, self.multapses = autapses, multapses

    def check(self, n_pre, n_post, same):
        _enough_partners(self, n_pre, "n_pre", same)

    def propose(self, n_pre, n_post, key, same):
        post, pre = _fixed_degree(self, n_post, n_pre, key, same)
        return pre, post


class FixedOutDegree(AbstractProposal):
    """Each source reaches targets drawn at random by `n` synapses.

    - `n`: synapses a source. `autapses`, `multapses`: as for `FixedInDegree`.
    """

    n: int = eqx.field(static=True)
    autapses: bool = eqx.field(static=True)
    multapses: bool = eqx.field(static=True)

    def __init__(self, n: int, *, autapses: bool = True, multapses: bool = True):
        self.n = synapses(n, "FixedOutDegree.n")
        self.autapses, self.multapses = autapses, multapses

    def check(self, n_pre, n_post, same):
        _enough_partners(self, n_post, "n_post", same)

    def propose(self, n_pre, n_post, key, same):
        return _fixed_degree(self, n_pre, n_post, key, same)


class FixedTotalNumber(AbstractProposal):
    """`n` synapses between sources and targets drawn at random.

    - `n`: synapses in all. `autapses`: whether a neuron may reach itself.
    - `multapses`: whether a pair may be drawn more than once. Without, each set of `n` pairs
      is as likely as any other.
    """

    n: int = eqx.field(static=True)
    autapses: bool = eqx.field(static=True)
    multapses: bool = eqx.field(static=True)

    def __init__(self, n: int, *, autapses: bool = True, multapses: bool = True):
        self.n = synapses(n, "FixedTotalNumber.n")
        self.autapses, self.multapses = autapses, multapses

    def check(self, n_pre, n_post, same):
        pairs = n_pre * candidates(n_post, same, self.autapses)
        if self.n and (pairs == 0 or (not self.multapses and self.n > pairs)):
            raise ValueError(
                f"FixedTotalNumber.n={self.n} synapses do not fit {n_pre} x {n_post} "
                f"neurons with {pairs} pairs: {_ways_out(self)}."
            )

    def propose(self, n_pre, n_post, key, same):
        n = candidates(n_post, same, self.autapses)
        if self.multapses:
            k_pre, k_post = draws.split(key)
            pre = draws.below(draws.words(k_pre, 1, self.n)[0], n_pre)
            post = draws.below(draws.words(k_post, 1, self.n)[0], n)
            return pre, skip_self(pre, post, same, self.autapses)
        # Given their number, pairs of a Bernoulli wiring are a random set of that size, and so
        # is what is left when some drawn at random are taken out: draw a few too many.
        k_pairs, k_out = draws.split(key)
        rule = PairwiseBernoulli(self._surplus(n_pre * n), autapses=self.autapses)
        pre, post = rule.propose(n_pre, n_post, k_pairs, same)
        xp, used = draws.numpy_or_jax(key), pre < n_pre
        number = xp.cumsum(used, dtype=np.int32)
        too_many = xp.maximum(number[-1:] - self.n, 0)
        most = rule.most(n_pre, n_post, same) - self.n
        out = draws.without_replacement(k_out, too_many, most, len(pre), number[-1])
        taken_out = draws.put(xp.zeros(len(pre) + 1, bool), out[0], True)[number - 1]
        return xp.where(used & ~taken_out, pre, n_pre), post

    def most(self, n_pre, n_post, same):
        return self.n

    def _surplus(self, pairs: int) -> float:
        """Probability at which `n` pairs or more come about but once in 10^14 wirings.

        The upper bound of Wilson's score interval at z = 8.
        """
        z2, share = 64.0, self.n / pairs
        spread = math.sqrt(z2 * (self.n * (1 - share) + z2 / 4))
        return min((self.n + z2 / 2 + spread) / (pairs + z2), 1.0) if share < 1 else 1.0


def _fixed_degree(rule: Any, rows: int, others: int, key: Any, same: bool):
    """Each of `rows` neurons with `rule.n` of the `others`."""
    n = candidates(others, same, rule.autapses)
    row = np.arange(rows, dtype=np.int32)
    if rule.multapses:
        other = draws.below(draws.words(key, rows, rule.n), n)
    else:
        other = draws.without_replacement(key, np.full_like(row, rule.n), rule.n, n)
    row = row[:, None]
    return flat(row, skip_self(row, other, same, rule.autapses))


def _enough_partners(rule: Any, others: int, name: str, same: bool) -> None:
    n = candidates(others, same, rule.autapses)
    if rule.n and (n == 0 or (not rule.multapses and rule.n > n)):
        raise ValueError(
            f"{type(rule).__name__}.n={rule.n} needs more than the {n} neurons there are to "
            f"connect with ({name}={others}): {_ways_out(rule)}."
        )


def _ways_out(rule: Any) -> str:
    ways = ["lower n"]
    if not rule.multapses:
        ways.append("allow multapses=True")
    if not rule.autapses:
        ways.append("allow autapses=True")
    return " or ".join(ways)
