"""A projection: how one population, or a part of one, reaches another."""

import math
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from snnjax.connect import propagation
from snnjax.connect.convolution import Convolution, ConvolutionRows
from snnjax.connect.edges import Edges
from snnjax.connect.events import Weights
from snnjax.connect.rows import AbstractRows, DenseRows, SparseRows
from snnjax.connect.values import as_values
from snnjax.core import checks
from snnjax.core.backend import list_capacity
from snnjax.networks.delays import draw_delays
from snnjax.networks.plastic import plastic_weight
from snnjax.plasticity.rule import AbstractRule
from snnjax.plasticity.wiring import AbstractList, Listed
from snnjax.synapses import AbstractRelease


class Projection(eqx.Module):
    """What a user says of a projection; `Network` draws its synapses.

    - `source`, `target`: names of populations or of parts of them.
    - `wiring`: a rule such as `connect.FixedInDegree(100)`, or `connect.Edges`.
    - `weight`: what a spike adds to the receptor (pA, nS or mV, as the receptor says): a
      number, an array with one value a synapse or a matrix [source, target], a distribution
      such as `connect.Normal(1.0, 0.1)`, or a function of distance.
    - `delay`: ms, likewise; a delay is rounded to the nearest step, and below dt is refused.
      None is one step. `dendritic_delay`: ms, likewise; what then passes from the synapse to the
      receptor's effect, so that `delay` is the axonal part and spikes take their sum.
    - `receptor`: on which receptor of the target; not needed if it has only one.
    - `release`: what the source sends at a spike, such as `TsodyksMarkram()`; by default 1.
    - `name`: by default "source->target".
    - `operator`: "sparse", "dense", "counts", "convolution" or "auto"; see
      `connect.propagation`.
    - `interpolate`: share each spike between the two steps next to its delay, so that delays
      have a gradient.
    - `max_delay`: ms; delays that change later, as in training, stay below it. By default the
      longest of those given.
    - `learning`: a rule such as `STDP()`, by which weights change as the network runs; `weight`
      is where they start. `shared`: whether the items of a batch (of a state with leading
      axes) change one set of weights, by the mean of their changes, or each have their own.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    wiring: Any
    weight: Any = 1.0
    delay: Any = None
    dendritic_delay: Any = eqx.field(default=None, kw_only=True)
    receptor: str | None = eqx.field(default=None, static=True, kw_only=True)
    release: AbstractRelease | None = eqx.field(default=None, kw_only=True)
    name: str | None = eqx.field(default=None, static=True, kw_only=True)
    operator: str = eqx.field(default="auto", static=True, kw_only=True)
    interpolate: bool = eqx.field(default=False, static=True, kw_only=True)
    max_delay: float | None = eqx.field(default=None, static=True, kw_only=True)
    learning: AbstractRule | None = eqx.field(default=None, kw_only=True)
    shared: bool = eqx.field(default=False, static=True, kw_only=True)


class Ends(NamedTuple):
    """Where a projection starts and ends: populations, and neurons from .. to in them."""

    source: str
    source_slice: tuple[int, int]
    target: str
    target_slice: tuple[int, int]
    receptor: str

    @property
    def port(self) -> str:
        return f"{self.target}.{self.receptor}"


class Synapses(eqx.Module):
    """The synapses of a projection, drawn: ordered by source, then as the wiring gave them.

    - `weight`: one a synapse, or one number for all, or the kernel of a convolution.
    - `delay`: ms, likewise, axonal and dendritic parts together; None is one step.
      `dendritic_delay`: what of it lies behind the synapse.
    - `post`, `indptr`: the synapses of source i are `indptr[i] .. indptr[i + 1]`, on the
      targets `post`; both None where every source reaches every target, or with `counts`.
    - `counts`: of synapses for each pair, where that is kept in their place. `convolution`: the
      rule, where that is.
    - `learning`: the rule by which weights change. `by_target`: the same synapses by target,
      which it needs.
    """

    weight: Float[Array, "..."]
    delay: Float[Array, "..."] | None
    dendritic_delay: Float[Array, "..."] | None
    post: UInt32[Array, "synapses"] | None
    indptr: UInt32[Array, "sources_and_1"] | None
    counts: Int[Array, "sources targets"] | None
    release: AbstractRelease | None
    ends: Ends = eqx.field(static=True)
    longest: int = eqx.field(static=True)
    n_synapses: int = eqx.field(static=True)
    operator: str = eqx.field(static=True)
    interpolate: bool = eqx.field(static=True)
    max_delay: float | None = eqx.field(static=True)  # ms
    convolution: Convolution | None = eqx.field(static=True)
    learning: AbstractRule | None = None
    by_target: AbstractList | None = None
    shared: bool = eqx.field(default=False, static=True)

    @classmethod
    def draw(cls, spec: Projection, ends: Ends, key: Any) -> "Synapses":
        """The synapses of `spec`, by `key`."""
        keys = (None, None, None) if key is None else checks.early(jax.random.split, key, 3)
        n_pre, n_post = (b - a for a, b in (ends.source_slice, ends.target_slice))
        edges: Any = spec.wiring
        if isinstance(edges, type) or not (callable(edges) or isinstance(edges, Edges)):
            raise ValueError(
                f"Projection {spec.source}->{spec.target}: wiring must be a rule such as "
                f"connect.FixedInDegree(100), or connect.Edges, got {edges!r}."
            )
        if not isinstance(edges, Edges):
            _require_autapses(spec, ends)
            edges = edges(n_pre, n_post, key=keys[0], same=spec.source == spec.target)
        if (edges.n_pre, edges.n_post) != (n_pre, n_post):
            raise ValueError(
                f"Projection {spec.source}->{spec.target} joins {n_pre} to {n_post} neurons, "
                f"but its wiring is for {edges.n_pre} to {edges.n_post}."
            )
        distances = getattr(spec.wiring, "distances", None)

        def values(x, key, what):
            if isinstance(x, int | float):  # known whatever the wiring is
                return checks.early(checks.finite, x, what)
            of = partial(as_values, distances=distances, name=what)
            return checks.early(of, x, edges, key=key)

        delay, dendritic, max_delay = draw_delays(spec, values, key, keys[2])
        rule = spec.wiring if isinstance(spec.wiring, Convolution) else None
        if rule is None:
            weight = values(spec.weight, keys[1], "Projection.weight")
        else:
            weight = checks.early(rule.kernel_of, spec.weight, keys[1])
        if spec.learning is not None:
            weight = plastic_weight(spec, weight, edges)
        operator = propagation.choose(
            spec.operator, edges, weight, delay, plain=not spec.interpolate, rule=rule
        )
        if rule is not None and operator != "convolution":
            weight = weight.ravel()[rule.entries()] if weight.ndim else weight
        degrees = checks.early(Edges.out_degrees, edges)
        traced = checks.is_traced(degrees)
        longest = n_post if traced else int(np.max(np.asarray(degrees), initial=0))
        post = indptr = counts = None
        if operator == "counts":
            counts = propagation.count_pairs(edges)
        elif operator != "convolution" and not propagation.all_to_all(edges, operator):
            # Unsigned, as `connect/rows.py` needs them: a run makes no others.
            post, indptr = (x.astype(jnp.uint32) for x in (edges.post, edges.indptr))
        listed = spec.learning is not None and post is not None
        return cls(
            *(weight, delay, dendritic, post, indptr, counts, spec.release, ends),
            *(longest, len(edges), operator, spec.interpolate, max_delay),
            convolution=rule if operator == "convolution" else None,
            learning=spec.learning,
            by_target=Listed.of(indptr, post, n_post) if listed else None,
            shared=spec.shared,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(sources, targets)."""
        (a, b), (c, d) = self.ends.source_slice, self.ends.target_slice
        return b - a, d - c

    @property
    def own_delays(self) -> bool:
        """Whether its spikes are sent by its learning rule; see `AbstractRule.late`."""
        return self.learning is not None and self.learning.own_delays

    def steps(self, dt) -> Int[Array, "..."]:
        """Delays in steps, at least 1."""
        if self.delay is None:
            return jnp.int32(1)
        whole = jnp.floor if self.interpolate else jnp.round
        steps = whole(jax.lax.stop_gradient(self.delay) / dt * (1 + 1e-6))
        return jnp.maximum(steps, 1).astype(jnp.int32)

    def slots(self, dt) -> int:
        """How many steps ahead a spike may arrive, for a concrete `dt`."""
        if self.delay is None:
            return 1
        if dt is None or checks.is_traced(dt):
            raise ValueError(
                f"Network.init needs dt (ms) as a number, got {dt}: the longest delay sets the "
                "size of a buffer. Make the state outside jit, or let dt be static there."
            )
        dt, longest = checks.decimal(dt), self.max_delay
        if not checks.is_traced(self.delay):
            delay = np.asarray(self.delay)
            longest = float(np.max(delay, initial=longest))
            shortest = np.min(delay, initial=np.inf)
            if shortest < dt * (1 - 1e-3):
                raise ValueError(
                    f"Projection {self.ends.source}->{self.ends.target} has a delay of "
                    f"{shortest:g} ms, below dt={dt:g} ms: a spike arrives in a later step "
                    "than it is sent. Use a smaller dt, or leave delay out for one step."
                )
        steps = longest / dt * (1 + 1e-6)
        return math.floor(steps) + 1 if self.interpolate else max(round(steps), 1)

    def rows(self, dt, n_target: int, n_slots: int) -> tuple[Weights, AbstractRows]:
        """(weights, rows) for a buffer of `n_slots` steps of `n_target` neurons each."""
        start = self.ends.target_slice[0]
        steps = jnp.minimum(self.steps(dt), max(n_slots - self.interpolate, 1))
        start = (start + n_target * (steps - 1)).astype(jnp.uint32)
        wraps = n_slots > 1
        weight = self.weight
        if self.operator == "sparse":
            index, indptr, longest = self.post, self.indptr, self.longest
            if start.ndim or self.interpolate:  # one number costs no memory
                index, start = index + start, jnp.uint32(0)
            if self.interpolate and self.delay is not None:
                share = jnp.broadcast_to(_within(self.delay / dt - steps), index.shape)
                index = jnp.stack([index, index + n_target], 1).ravel()
                weight = jnp.stack([weight * (1 - share), weight * share], 1).ravel()
                indptr, longest = 2 * indptr, 2 * longest
            capacity = list_capacity(self.shape[0])
            sparse = SparseRows(indptr, index, longest, capacity, wraps, start)
            return Weights.of(weight), sparse
        if self.operator == "dense":
            weight = self.matrix()
        if self.convolution is not None:
            return Weights.of(weight), ConvolutionRows(self.convolution, start, wraps)
        return Weights.of(weight), DenseRows(self.shape, start, self.counts, wraps)

    def start(self) -> Float[Array, "..."]:
        """Weights before anything is learned, one a synapse: a matrix if all are joined."""
        w = jnp.broadcast_to(self.weight, self.n_synapses)
        return w.reshape(self.shape) if self.post is None else w

    def matrix(self) -> Float[Array, "sources targets"]:
        """The weights of all pairs, summed over the synapses of each."""
        if self.counts is not None:
            return self.weight * self.counts
        if self.convolution is not None:
            edges = self.convolution(*self.shape)
            kernel = jnp.broadcast_to(self.weight, self.convolution.weights).ravel()
            zeros = jnp.zeros(self.shape, kernel.dtype)
            return zeros.at[edges.pre, edges.post].add(kernel[self.convolution.entries()])
        if self.post is None:
            return jnp.broadcast_to(self.weight, self.n_synapses).reshape(self.shape)
        pre = self.pre()
        zeros = jnp.zeros(self.shape, self.weight.dtype)
        return zeros.at[pre, self.post].add(self.weight, mode="drop")

    def pre(self) -> Int[Array, "synapses"]:
        """The source of each synapse."""
        sources = jnp.arange(self.shape[0], dtype=jnp.int32)
        degrees = jnp.diff(self.indptr)
        return jnp.repeat(sources, degrees, total_repeat_length=self.n_synapses)


def _require_autapses(spec: Projection, ends: Ends) -> None:
    """Refuse a rule without autapses between parts that overlap, whose neurons it cannot match."""
    (a, b), (c, d) = ends.source_slice, ends.target_slice
    overlap = ends.source == ends.target and max(a, c) < min(b, d)
    if overlap and (a, b) != (c, d) and not getattr(spec.wiring, "autapses", True):
        raise ValueError(
            f"Projection {spec.source}->{spec.target}: {type(spec.wiring).__name__}(autapses="
            "False) needs source and target to be the same or apart. Give one projection to "
            "each part of the target."
        )


def _within(share: Float[Array, "..."]) -> Float[Array, "..."]:
    """What of a spike goes a step further, 0 .. 1, with its slope also at 0 and 1."""
    share = jnp.where(share < -1e-3, 0, share)
    return jnp.where(share > 1 + 1e-3, 1, share)
