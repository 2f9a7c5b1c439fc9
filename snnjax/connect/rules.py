"""Wiring rules: which neuron reaches which. What all share, and those without chance."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from snnjax.connect import draws
from snnjax.connect.assemble import edges_on_host, edges_traced
from snnjax.connect.edges import Edges, size
from snnjax.core.checks import is_traced, random_key


class AbstractRule(eqx.Module):
    """Called as `rule(n_pre, n_post, key=key)`, gives the synapses as `Edges`.

    Rules are named as in NEST. Numbers and probabilities in a rule are static. With the same
    key a rule gives the same synapses on every backend, in float32 and in float64, inside and
    outside of `jit`. Inside, where the key is traced, a random number of synapses is held by
    arrays of a static size; see `Edges`.

    A rule may be called with an empty population, and then gives no synapses.
    """

    random: ClassVar[bool] = True  # needs a key

    def __call__(
        self, n_pre: int, n_post: int, *, key: Any = None, same: bool = False
    ) -> Edges:
        """The synapses from `n_pre` to `n_post` neurons.

        - `key`: of a random rule. `same`: source and target are one population, so that a
          synapse of a neuron onto itself is an autapse.
        """
        name = type(self).__name__
        n_pre, n_post = size(n_pre, f"{name}: n_pre"), size(n_post, f"{name}: n_post")
        if same and n_pre != n_post:
            raise ValueError(
                f"{name}: one population (same=True) has one size, got n_pre={n_pre} and "
                f"n_post={n_post}."
            )
        if not self.random:
            key = None
        elif key is None:
            raise ValueError(f"{name} is random: give it key=jax.random.key(seed).")
        else:
            key = random_key(key, f"{name}: key")
        if n_pre == 0 or n_post == 0:
            return self.empty(n_pre, n_post)
        self.check(n_pre, n_post, same)
        if is_traced((self, key)):
            key = None if key is None else draws.key_words(key)
            return self.wire(n_pre, n_post, key, same)
        with jax.ensure_compile_time_eval():  # inside of jit too, what is known is known
            key = None if key is None else np.asarray(draws.key_words(key))
            return self.wire(n_pre, n_post, key, same)

    def check(self, n_pre: int, n_post: int, same: bool) -> None:
        """Refuse populations that the rule cannot connect."""

    def empty(self, n_pre: int, n_post: int) -> Edges:
        """No synapses."""
        none = np.zeros(0, np.int32)
        return Edges(none, none, n_pre, n_post)

    @abc.abstractmethod
    def wire(self, n_pre: int, n_post: int, key: Any, same: bool) -> Edges:
        """The synapses, by the two words of a key: in a NumPy array, if nothing is traced."""


class AbstractProposal(AbstractRule):
    """A rule that proposes all its synapses at once."""

    ordered: ClassVar[bool] = False  # whether they come in the order of pre, then post

    @abc.abstractmethod
    def propose(
        self, n_pre: int, n_post: int, key: Any, same: bool
    ) -> tuple[Int[Array, "slots"], Int[Array, "slots"]]:
        """`pre` and `post` of the synapses; unused entries have pre >= n_pre."""

    def most(self, n_pre: int, n_post: int, same: bool) -> int | None:
        """Size of the arrays where the key is traced; None if that of `propose` is right."""
        del n_pre, n_post, same
        return None

    def wire(self, n_pre, n_post, key, same):
        pre, post = self.propose(n_pre, n_post, key, same)
        if draws.numpy_or_jax(pre) is jnp:
            most = self.most(n_pre, n_post, same)
            return edges_traced(pre, post, n_pre, n_post, most, self.ordered)
        most, name = getattr(self, "max_synapses", None), type(self).__name__
        return edges_on_host(pre, post, n_pre, n_post, most, name, self.ordered)


class AllToAll(AbstractProposal):
    """Each source reaches each target once.

    - `autapses`: whether a neuron of a population that is connected to itself reaches itself.
    """

    random: ClassVar[bool] = False
    ordered: ClassVar[bool] = True

    autapses: bool = eqx.field(default=True, static=True)

    def propose(self, n_pre, n_post, key, same):
        n = candidates(n_post, same, self.autapses)
        sources = np.arange(n_pre, dtype=np.int32)[:, None]
        targets = np.arange(n, dtype=np.int32)
        return flat(sources, skip_self(sources, targets, same, self.autapses))


class OneToOne(AbstractProposal):
    """Neuron i of the source reaches neuron i of the target, of the same size."""

    random: ClassVar[bool] = False
    ordered: ClassVar[bool] = True

    def check(self, n_pre, n_post, same):
        if n_pre != n_post:
            raise ValueError(
                "OneToOne connects populations of the same size, got n_pre="
                f"{n_pre} and n_post={n_post}."
            )

    def propose(self, n_pre, n_post, key, same):
        each = np.arange(n_pre, dtype=np.int32)
        return each, each


def candidates(n: int, same: bool, autapses: bool) -> int:
    """How many of `n` neurons one neuron may be connected with."""
    return n if autapses or not same else n - 1


def skip_self(
    row: Int[Array, "..."], x: Int[Array, "..."], same: bool, autapses: bool
) -> Int[Array, "..."]:
    """Candidate `x` of neuron `row` as the number of a neuron: itself is left out if need be."""
    return x if autapses or not same else x + (x >= row)


def flat(a: Int[Array, "..."], b: Int[Array, "..."]) -> tuple[Array, Array]:
    """Both, broadcast and in one dimension."""
    a, b = draws.numpy_or_jax(b).broadcast_arrays(a, b)
    return a.ravel(), b.ravel()
