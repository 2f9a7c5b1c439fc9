"""Small worlds: rings of neighbours with some long connections."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.connect import draws
from snnjax.connect.random_rules import probability, synapses
from snnjax.connect.rules import AbstractProposal, flat


class SmallWorld(AbstractProposal):
    """A ring on which each neuron reaches its `k` nearest, with synapses moved by chance.

    Each synapse is, with probability `p`, moved to a target drawn uniformly among the neurons
    that its source does not reach at that moment, nearest neighbours first: the construction
    of Watts & Strogatz 1998 (Nature 393:440), for synapses, which have a direction, in place
    of edges, which have none. All neurons keep `k` synapses out; p = 0 is the regular ring,
    p = 1 near to a random network. There are no autapses and no multapses.

    - `k`: synapses a neuron, even, half to either side. `p`: probability, 0 to 1.
    """

    k: int = eqx.field(static=True)
    p: float = eqx.field(static=True)

    def __init__(self, k: int, p: float):
        self.k = synapses(k, "SmallWorld.k")
        if self.k % 2:
            raise ValueError(
                f"SmallWorld.k must be even, half to either side of a neuron, got {k}."
            )
        self.p = probability(p, "SmallWorld.p")

    def check(self, n_pre, n_post, same):
        if not same:
            raise ValueError(
                "SmallWorld connects a population with itself: source and target must be "
                "one (same=True)."
            )
        if self.k >= n_pre:
            raise ValueError(
                f"SmallWorld.k={self.k} must be below the size of the population, {n_pre}."
            )

    def propose(self, n_pre, n_post, key, same):
        xp, n = draws.numpy_or_jax(key), n_pre
        near = np.arange(1, self.k // 2 + 1, dtype=np.int32)
        steps = np.stack([near, -near], -1).ravel()
        free = n - 1 - self.k  # neurons that a source does not reach, at any moment
        k_move, k_where = draws.split(key)

        def targets(sources):
            sources = sources.astype(np.int32)
            moves = draws.coin(draws.words(k_move, sources, self.k), self.p).T & (free > 0)
            rank = draws.below(draws.words(k_where, sources, self.k), max(free, 1)).T

            def move(s, taken):
                target = _free(xp, rank[s], taken)
                return draws.put(taken, s, xp.where(moves[s], target, taken[s]))

            ring = (steps[:, None] + sources) % n
            taken = xp.concatenate([ring, sources[None]])  # of each source, and itself
            return draws.loop(xp, self.k, move, taken)[:-1].T

        sources = np.arange(n, dtype=np.int32)
        post = draws.by_rows(xp, targets, 2 * self.k, n)
        return flat(sources[:, None], post)


def _free(xp: Any, rank: Any, taken: Any):
    """By column, the number of this `rank`, from 0 on, among those that are not `taken`."""
    further = lambda number: rank + xp.sum(taken <= number, 0, dtype=np.int32)
    if xp is np:
        number = rank
        while np.any(number != (number := further(number))):
            pass
        return number
    return jax.lax.while_loop(
        lambda number: jnp.any(number != further(number)), further, rank
    )
