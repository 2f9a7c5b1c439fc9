"""Wiring by distance."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from snnjax.connect import draws, positions
from snnjax.connect.assemble import edges_on_host
from snnjax.connect.edges import Edges
from snnjax.connect.random_rules import enough, room
from snnjax.connect.rules import AbstractRule
from snnjax.core.checks import is_traced

_PAIRS = 2**21  # looked at in one go


class DistanceDependent(AbstractRule):
    """Each pair is connected with a probability that is a function of its distance.

    All pairs are looked at, some rows at a time. The probability is a float: where rounding of
    the kernel differs between backends, or between float32 and float64, one pair in about
    10^7 may be connected on one and not on the other.

    - `kernel`: a kernel such as `GaussianKernel(0.1)`, or a function of an array of distances
      that gives probabilities, 0 to 1.
    - `positions_pre`, `positions_post`: [neurons, axes] or, on a line, [neurons]; see `grid`,
      `ring` and `random_positions`. The targets' are by default those of the sources.
    - `extent`: period of space along all axes, or along each (inf for an open one); None is
      open space.
    - `autapses`: whether a neuron may reach itself. There are no multapses.
    - `max_synapses`: static size of the arrays; as for `PairwiseBernoulli`. Must be given
      where the positions are traced.
    """

    kernel: Callable
    positions_pre: Float[Array, "n_pre axes"]
    positions_post: Float[Array, "n_post axes"]
    extent: Float[Array, "axes"] | None
    autapses: bool = eqx.field(static=True)
    max_synapses: int | None = eqx.field(static=True)

    def __init__(
        self,
        kernel: Callable,
        positions_pre: Any,
        positions_post: Any = None,
        *,
        extent: Any = None,
        autapses: bool = True,
        max_synapses: int | None = None,
    ):
        name = "DistanceDependent"
        if isinstance(kernel, type) or not callable(kernel):
            raise ValueError(
                f"{name}.kernel must be a function of distances such as "
                f"GaussianKernel(0.1), got {kernel!r}."
            )
        self.kernel = kernel
        pre = positions.positions(positions_pre, f"{name}.positions_pre")
        post = pre
        if positions_post is not None:
            post = positions.positions(positions_post, f"{name}.positions_post")
        if pre.shape[1] != post.shape[1]:
            raise ValueError(
                f"{name}: positions of sources have {pre.shape[1]} axes and those of "
                f"targets {post.shape[1]}."
            )
        self.positions_pre, self.positions_post = pre, post
        self.extent = positions.period(extent, pre.shape[1], f"{name}.extent")
        self.autapses = autapses
        self.max_synapses = room(max_synapses, name)

    def check(self, n_pre, n_post, same):
        sizes = len(self.positions_pre), len(self.positions_post)
        if sizes != (n_pre, n_post):
            raise ValueError(
                f"DistanceDependent has positions of {sizes[0]} sources and {sizes[1]} "
                f"targets, but connects {n_pre} and {n_post} neurons."
            )

    def distances(self, edges: Edges) -> Float[Array, "synapses"]:
        """The distance that each synapse spans."""
        return positions.distances(
            edges, self.positions_pre, self.positions_post, self.extent
        )

    def wire(self, n_pre, n_post, key, same):
        if draws.numpy_or_jax(key) is np:
            return self._wire_on_host(n_pre, n_post, key, same)
        most = self.max_synapses
        if most is None:
            if is_traced(self):
                raise ValueError(
                    "DistanceDependent needs max_synapses= where its positions are traced."
                )
            with jax.ensure_compile_time_eval():
                expected = sum(
                    float(_expected(self, np.array(i), same)) for i in range(self._chunks)
                )
            most = enough(expected, expected, n_pre * n_post)

        def body(i, carry):
            pre, post, count = carry
            connected, _ = self.look(key, i, same)
            place = count + jnp.cumsum(connected.ravel(), dtype=jnp.int32) - 1
            place = jnp.where(connected.ravel(), place, most)
            sources = jnp.broadcast_to(self._rows(i)[:, None], connected.shape).ravel()
            targets = jnp.broadcast_to(
                np.arange(n_post, dtype=np.int32), connected.shape
            ).ravel()
            pre = pre.at[place].set(sources, mode="drop")
            post = post.at[place].set(targets, mode="drop")
            return pre, post, count + jnp.sum(connected, dtype=jnp.int32)

        pre = jnp.full(most, n_pre, jnp.int32)
        post = jnp.full(most, n_post, jnp.int32)
        start = (pre, post, jnp.int32(0))
        pre, post, count = jax.lax.fori_loop(0, self._chunks, body, start)
        return Edges(pre, post, n_pre, n_post, jnp.maximum(count - most, 0))

    def _wire_on_host(self, n_pre, n_post, key, same):
        pre, post = [], []
        for i in range(self._chunks):
            connected, proper = _look(self, key, np.array(i), same)
            if not proper:
                raise ValueError(
                    "DistanceDependent.kernel must give probabilities, 0 to 1, at all "
                    "distances; it gave others."
                )
            source, target = np.divmod(np.flatnonzero(np.asarray(connected)), n_post)
            pre.append(source.astype(np.int32) + i * self._height)
            post.append(target.astype(np.int32))
        pre, post = np.concatenate(pre), np.concatenate(post)
        name, most = type(self).__name__, self.max_synapses
        return edges_on_host(pre, post, n_pre, n_post, most, name, ordered=True)

    @property
    def _height(self) -> int:
        """Rows in a chunk."""
        return max(1, min(_PAIRS // len(self.positions_post), len(self.positions_pre)))

    @property
    def _chunks(self) -> int:
        return -(-len(self.positions_pre) // self._height)

    def _rows(self, i) -> Int[Array, "rows"]:
        return i * self._height + np.arange(self._height, dtype=np.int32)

    def probabilities(self, i, same: bool) -> Float[Array, "rows n_post"]:
        """Of the pairs in chunk `i`."""
        rows, n_post = self._rows(i), len(self.positions_post)
        source = self.positions_pre[rows][:, None, :]
        p = self.kernel(positions.separation(source, self.positions_post, self.extent))
        p = jnp.broadcast_to(p, (len(rows), n_post))
        if same and not self.autapses:
            p = jnp.where(rows[:, None] == np.arange(n_post, dtype=np.int32), 0, p)
        return jnp.where(rows[:, None] < len(self.positions_pre), p, 0)

    def look(self, key, i, same: bool) -> tuple[Bool[Array, "rows n_post"], Any]:
        """Which pairs of chunk `i` are connected, and whether their probabilities are such."""
        p = self.probabilities(i, same)
        word = draws.words(key, self._rows(i), p.shape[1])
        return draws.coin(word, p), jnp.all((p >= 0) & (p <= 1))


@eqx.filter_jit
def _look(rule, key, i, same):
    return rule.look(key, i.astype(jnp.int32), same)


@eqx.filter_jit
def _expected(rule, i, same):
    return jnp.sum(rule.probabilities(i.astype(jnp.int32), same))
