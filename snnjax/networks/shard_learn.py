"""Plastic projections of a sharded network: each device has the weights onto its own targets."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from snnjax.connect.events import Weights
from snnjax.core.checks import is_traced
from snnjax.networks.learning import Learned
from snnjax.networks.projection import Synapses
from snnjax.networks.shard_cut import Rows, cut_synapses, placed
from snnjax.plasticity.wiring import Listed, Scattered


class Plastic(eqx.Module):
    """A plastic projection as it was before it was cut, and as the devices learn it.

    - `whole`: for its rule and the start of its weights. `cut`: likewise, by device.
    - `places`: the synapse that each place of a device has, or `none`.
    """

    whole: Synapses
    cut: Synapses
    places: Int[Array, "devices synapses"]

    @classmethod
    def of(cls, s: Synapses, rows: Rows, size: int, n: int, sharding: NamedSharding):
        """See `ShardedNetwork.cut`; also the synapses that spikes pass, without a rule."""
        if is_traced((s.post, s.indptr)):
            raise ValueError(
                "Network.shard needs to know the wiring: cut the network outside of jit."
            )
        if s.own_delays:
            raise ValueError(
                f"Network.shard cannot cut a projection whose rule, {type(s.learning).__name__}, "
                "has delays of its own. Run the network on one device."
            )
        whole = s if s.post is not None else _as_list(s)
        static = dataclasses.replace(whole, learning=None, by_target=None)
        numbered = dataclasses.replace(
            static, weight=jnp.arange(1, s.n_synapses + 1), delay=None, dendritic_delay=None
        )
        places = np.asarray(cut_synapses(numbered, rows, size, n).weight) - 1
        places = np.where(places < 0, s.n_synapses, places)  # beyond: none
        take = lambda x, fill: np.append(np.asarray(x), x.dtype.type(fill))[places]
        late = lambda x: x if x is None or jnp.ndim(x) == 0 else take(x, 0)
        pre = take(jnp.asarray(whole.by_target.pre), 0)
        listed = Scattered(pre, take(whole.post, s.shape[1]), s.shape)
        cut = dataclasses.replace(
            whole,
            by_target=placed(listed, sharding),
            delay=placed(late(s.delay), sharding),
            dendritic_delay=placed(late(s.dendritic_delay), sharding),
            **dict(weight=jnp.zeros(()), post=jnp.zeros(0, jnp.uint32), indptr=None),
        )
        own = cut_synapses(static, rows, size, n)
        return cls(s, cut, placed(places.astype(np.int32), sharding)), own

    def open(self, learned: Learned, sharding: NamedSharding) -> Learned:
        """What a state has learned, by device."""

        def each(x):
            lead = self._lead(x)
            x = x.reshape(*lead, self.whole.n_synapses)
            x = x.at[..., self.places].get(mode="fill", fill_value=0)
            spec = PartitionSpec(*[None] * len(lead), *sharding.spec)
            return jax.lax.with_sharding_constraint(x, NamedSharding(sharding.mesh, spec))

        return _of_synapses(each, learned)

    def close(self, learned: Learned) -> Learned:
        """The inverse of `open`."""
        n = self.whole.n_synapses

        def each(x):
            lead = x.shape[:-2]
            flat = jnp.zeros((*lead, n), x.dtype).at[..., self.places].set(x, mode="drop")
            return flat.reshape(*lead, *self._shape)

        return _of_synapses(each, learned)

    @property
    def _shape(self) -> tuple[int, ...]:
        s = self.whole
        return s.shape if s.post is None else (s.n_synapses,)

    def _lead(self, x: Array) -> tuple[int, ...]:
        return x.shape[: x.ndim - len(self._shape)]


def with_learned(pushes: dict[str, Any], learned: dict[str, Learned]) -> dict[str, Any]:
    """What devices push, with the weights that were learned: devices are their first axis."""
    first = lambda w: Weights.of(jnp.moveaxis(w, -2, 0))
    return {**pushes, **{k: (first(at.weight), pushes[k][1]) for k, at in learned.items()}}


def _of_synapses(f: Any, learned: Learned) -> Learned:
    """`learned` with each of its arrays that has one value a synapse as `f` of it."""
    rule = learned.rule._replace(own=jax.tree.map(f, learned.rule.own))
    return learned._replace(weight=f(learned.weight), rule=rule)


def _as_list(s: Synapses) -> Synapses:
    """Synapses of all pairs as a list."""
    n_pre, n_post = s.shape
    post = np.tile(np.arange(n_post, dtype=np.uint32), n_pre)
    indptr = np.arange(0, n_pre * n_post + 1, n_post, dtype=np.uint32)
    return dataclasses.replace(
        s,
        post=jnp.asarray(post),
        indptr=jnp.asarray(indptr),
        operator="sparse",
        longest=n_post,
        by_target=Listed.of(jnp.asarray(indptr), jnp.asarray(post), n_post),
    )
