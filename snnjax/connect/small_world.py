"""Small worlds: rings of neighbours with some long connections."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

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
        n = n_pre
        near = jnp.arange(1, self.k // 2 + 1, dtype=jnp.int32)
        steps = jnp.stack([near, -near], -1).ravel()
        free = n - 1 - self.k  # neurons that a source does not reach, at any moment
        k_move, k_where = jax.random.split(key)

        def targets(source):
            moves = draws.coin(draws.words(k_move, source, self.k), self.p)
            rank = draws.below(draws.words(k_where, source, self.k), max(free, 1))

            def move(reached, s):
                target = _free(rank[s], jnp.append(reached, source))
                moved = reached.at[s].set(target)
                return jnp.where(moves[s] & (free > 0), moved, reached), None

            ring = (source + steps) % n
            return jax.lax.scan(move, ring, jnp.arange(self.k))[0]

        source = jnp.arange(n, dtype=jnp.int32)
        return flat(source[:, None], jax.vmap(targets)(source))


def _free(rank: Any, taken: Any):
    """The number of this `rank`, from 0 on, among those that are not `taken`."""

    def further(carry):
        number, _ = carry
        after = rank + jnp.sum(taken <= number, dtype=jnp.int32)
        return after, after != number

    return jax.lax.while_loop(lambda carry: carry[1], further, (rank, jnp.array(True)))[0]
