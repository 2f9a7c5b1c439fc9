r"""What a learning rule is.

A rule says what each side of a synapse keeps (traces of its spikes), and how a weight changes
from what both sides show at that moment. It is written for one synapse; `apply.py` runs it on
matrices, on lists of synapses, by event or for all at once.
"""

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.base import AbstractDynamics
from snnjax.plasticity.apply import update
from snnjax.plasticity.bounds import AbstractBounds
from snnjax.plasticity.wiring import Pairs


class Signals(NamedTuple):
    """What a rule is given in a step.

    - `pre`, `post`: spikes of the sources and of the targets, [n_pre] and [n_post].
    - `weights`: [n_pre, n_post]. `modulators`: by name, such as a reward or target spikes.
    - `v`: potential of the targets before the step's reset, mV, or None.
    """

    pre: Float[Array, "n_pre"]
    post: Float[Array, "n_post"]
    weights: Float[Array, "n_pre n_post"]
    modulators: dict[str, Any] | None = None
    v: Float[Array, "n_post"] | None = None


class Seen(NamedTuple):
    """What synapses see of their two sides in a step.

    - `pre_event`: where `on_pre` happens, and times what, [n_pre]: most often the spikes.
      `post_event`: likewise, [n_post].
    - `pre`, `post`: pytrees of arrays [n_pre] and [n_post].
    """

    pre_event: Array | None
    post_event: Array | None
    pre: Any
    post: Any


class RuleState(NamedTuple):
    traces: Any  # of both sides
    own: Any  # of each synapse


class AbstractRule(AbstractDynamics[RuleState]):
    """A learning rule: traces of both sides, and what a synapse makes of them.

    A rule of one's own gives `bounds`, `traces`, `observe`, and of the three that follow those
    that it needs:

    - `on_pre(w, pre, post)`: the change of a weight at an event of its source.
    - `on_post(w, pre, post)`: at an event of its target. Both in one step: first `on_pre`.
    - `drift(w, pre, post)`: the change per ms of all weights, all the time.

    `w` and the leaves of `pre` and `post` have the shape of the weights, or spread to it.
    """

    bounds: eqx.AbstractVar[AbstractBounds]

    needs: ClassVar[tuple[str, ...]] = ()  # names of modulators
    needs_v: ClassVar[bool] = False

    on_pre: ClassVar[Any] = None
    on_post: ClassVar[Any] = None
    drift: ClassVar[Any] = None

    @abc.abstractmethod
    def traces(self, pre: Array, post: Array, dt: Any) -> Any:
        """What both sides keep at rest; `pre` and `post` are zeros, one a neuron."""

    @abc.abstractmethod
    def observe(self, traces: Any, signals: Signals, dt: Any) -> tuple[Seen, Any]:
        """(what synapses see in this step, the traces after it)."""

    def own(self, w: Array) -> Any:
        """What each synapse keeps at rest, beside its weight `w`."""
        del w

    def change(self, own: Any, w: Array, seen: Seen, dt: Any) -> tuple[Any, Array]:
        """(own, weights) of synapses after a step; `seen` is spread to their shape."""
        if self.on_pre is not None:
            w = self.bounds.apply(w, seen.pre_event * self.on_pre(w, seen.pre, seen.post))
        if self.on_post is not None:
            w = self.bounds.apply(w, seen.post_event * self.on_post(w, seen.pre, seen.post))
        if self.drift is not None:
            w = self.bounds.apply(w, dt * self.drift(w, seen.pre, seen.post))
        return own, w

    def late(self, own: Any) -> Array | None:
        """Spikes that reach each synapse in a step, of a rule that has delays of its own."""
        del own

    def settle(self, state: RuleState, w: Array, pairs: Any, dt: Any) -> tuple[Any, Array]:
        """(state, weights) once a step, where weights of a neuron depend on each other."""
        del pairs, dt
        return state, w

    @property
    def delayed(self) -> bool:
        """Whether what it shows of a side may be seen later than it happens."""
        return True

    @property
    def own_delays(self) -> bool:
        """Whether spikes have its delays beside those of their projection."""
        return type(self).late is not AbstractRule.late

    @property
    def by_event(self) -> bool:
        """Whether weights change only where one side has an event."""
        return type(self).change is AbstractRule.change and self.drift is None

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> RuleState:
        """At rest, for weights of `shape` (..., n_pre, n_post)."""
        del key
        if len(shape) < 2:
            raise ValueError(
                f"{type(self).__name__}.init needs the shape of the weights, (..., n_pre, "
                f"n_post), got {shape}."
            )
        *lead, n_pre, n_post = shape
        return self.begin(jnp.zeros(shape), (*lead, n_pre), (*lead, n_post), dt)

    def begin(self, w: Array, pre: tuple, post: tuple, dt: Any) -> RuleState:
        """At rest, for weights `w` between neurons of the shapes `pre` and `post`."""
        zeros = lambda shape: jnp.zeros(shape, w.dtype)
        return RuleState(self.traces(zeros(pre), zeros(post), dt), self.own(w))

    def step(self, state: RuleState, input: Signals, dt) -> tuple[RuleState, Array]:
        """(state, weights) after `dt` ms; all axes before the last are a batch."""
        if input.pre.ndim > 1:
            one = lambda state, input: self.step(state, input, dt)
            shared = jax.tree.map(lambda x: 0 if jnp.ndim(x) else None, input)
            return jax.vmap(one, in_axes=(0, shared))(state, input)
        self.require(input.modulators or {}, input.v)
        pairs = Pairs(input.weights.shape)
        seen, traces = self.observe(state.traces, input, dt)
        own, w = update(self, pairs, state.own, input.weights, seen, dt)
        return self.settle(RuleState(traces, own), w, pairs, dt)

    def require(self, modulators: dict[str, Any], v: Any) -> None:
        """Refuse a step without what the rule needs."""
        name = type(self).__name__
        for needed in self.needs:
            if needed not in modulators:
                raise ValueError(
                    f"{name} needs {needed!r} in each step, and got {sorted(modulators)}. In a "
                    f"Network it is an input: {{'projection.{needed}': ...}}."
                )
        if self.needs_v and v is None:
            raise ValueError(f"{name} needs the potential v of the targets (mV).")
