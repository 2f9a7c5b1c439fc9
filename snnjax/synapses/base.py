"""What a synapse is made of: a receptor on the target, and a release at the source."""

import abc
from typing import Any, ClassVar, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.base import AbstractDynamics
from snnjax.core.checks import as_float
from snnjax.core.parameters import parameters

S = TypeVar("S", bound=Any)


class _AbstractPart(AbstractDynamics[S]):
    """One state for a whole population: what its shape and dtype are."""

    def zeros(self, shape: tuple[int, ...]) -> Float[Array, "*n"]:
        """Zeros for a population of `shape`, in the dtype and shape of the parameters."""
        dtype = as_float(0.0).dtype
        held = [(name, x) for name, x, spec in parameters(self) if spec.per_neuron]
        if held:
            dtype = jnp.result_type(*(x.dtype for _, x in held))
        for name, value in held:
            try:
                shape = np.broadcast_shapes(shape, value.shape)
            except ValueError:
                raise ValueError(
                    f"{type(self).__name__}.{name} of shape {value.shape} does not fit a "
                    f"population of shape {shape}: give a scalar or one value a neuron."
                ) from None
        return jnp.zeros(shape, dtype)


class AbstractReceptor(_AbstractPart[S]):
    r"""What arrives at a target population, and the current that it makes there.

    Its kinetics are linear, so that one state serves all synapses of a kind onto a neuron: a
    spike adds its weight to the field `port` of the state at the start of the step in which
    it arrives. One step is

        state   = arrive(state, arrived)      the summed weights, onto the port
        current = drive(state, dt, tau_m)     what the neuron gets as its input
        state   = advance(state, dt)          dt later, exactly

    Units are those of a point neuron; for a neuron per membrane area (Hodgkin-Huxley) read
    uA/cm2 for pA and mS/cm2 for nS.
    """

    port: ClassVar[str]  # the field of the state that weights are added to

    def arrive(self, state: S, arrived: Float[ArrayLike, "*n"]) -> S:
        """The state once the summed weights `arrived` are in."""
        return state._replace(**{self.port: getattr(state, self.port) + arrived})

    @abc.abstractmethod
    def advance(self, state: S, dt: Float[ArrayLike, ""]) -> S:
        """The state `dt` (ms) later, if nothing arrives."""

    @abc.abstractmethod
    def drive(
        self,
        state: S,
        dt: Float[ArrayLike, ""],
        tau_m: Float[ArrayLike, "*n"] | None = None,
    ) -> Any:
        """The input of the neuron over the `dt` (ms) that begin at `state`, after arrivals.

        Either a current held over the step (pA) or, of a conductance, a function of v (mV)
        that gives it. The held current is the one that takes a linear membrane of time
        constant `tau_m` (ms) exactly where the true time course takes it, so that a PSP equals
        its closed form at any dt. Without `tau_m`, and for conductances, it is the mean over
        the step, with which v converges with order 2.
        """

    def step(
        self, state: S, input: Float[ArrayLike, "*n"], dt: Float[ArrayLike, ""]
    ) -> tuple[S, Any]:
        """`input` arrives, then `dt` (ms) pass: (new state, what `drive` gives)."""
        state = self.arrive(state, input)
        return self.advance(state, dt), self.drive(state, dt)


class AbstractRelease(_AbstractPart[S]):
    """What a source neuron sends: one state per source neuron of a projection.

    `step(state, (spikes, v), dt)` gives the new state and the amount that multiplies the
    weights in this step, from the spikes (0.0 or 1.0) and the potential (mV) at its end.
    """

    event: ClassVar[bool]  # whether the amount is 0 where there is no spike
