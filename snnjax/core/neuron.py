"""A neuron states its equations; `step` is made from them here."""

import abc
from typing import Any, ClassVar, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from snnjax.core import lean
from snnjax.core.base import AbstractDynamics
from snnjax.core.integrators import AbstractIntegrator, ExponentialEuler, flow, own_slopes
from snnjax.core.parameters import parameter, parameters
from snnjax.core.threshold import ResetMode, Threshold, as_threshold, mix, mix_attached

S = TypeVar("S", bound=Any)


class Noise(NamedTuple):
    """Where a stochastic model draws from: its key and how many steps it has taken."""

    key: Any
    count: Int[Array, ""]

    def now(self) -> Any:
        """The key of this step."""
        return jax.random.fold_in(self.key, self.count)


def integrate_with(integrator: type[AbstractIntegrator], *args) -> Any:
    """The field `integrator` of a neuron, with its default."""
    return eqx.field(default_factory=lambda: integrator(*args), kw_only=True)


def fires_at(level: float) -> Any:
    """The field `threshold` of a neuron, with its default level in mV."""
    make = lambda: Threshold(level)
    return eqx.field(default_factory=make, converter=as_threshold, kw_only=True)


class AbstractNeuron(AbstractDynamics[S]):
    """A neuron from its equations: `rest`, `derivative`, `spikes` and, if it has one, `reset`.

    The state is a NamedTuple with the membrane potential as `v`. What `derivative` gives
    slopes for is continuous and advances by `integrator`; all other fields (countdowns,
    a `noise: Noise`) are moved by `adjust` and `reset`. One step is

        free   = integrator(state)           all of `derivative`, and nothing else
        free   = adjust(state, free)         refractory clamps, noise
        spikes = spikes(state, free)
        state  = reset(state, free, spikes)

    the first two of which are `advance`, the last two `fire`.
    """

    integrator: AbstractIntegrator = integrate_with(ExponentialEuler)

    stochastic: ClassVar[bool] = (
        False  # True: the state has a field `noise`, and init a key
    )

    @abc.abstractmethod
    def rest(self) -> S:
        """The state at the start, each field a scalar or as large as the parameters.

        A field `noise` is left None here; `init` fills it in.
        """

    @abc.abstractmethod
    def derivative(self, state: S, current: Float[Array, "*n"]) -> dict[str, Array]:
        """Slope, per ms, of each continuous field of `state`, by name."""

    @abc.abstractmethod
    def spikes(self, before: S, after: S, dt) -> Float[Array, "*n"]:
        """1.0 where a neuron fires on its way from `before` to `after`, else 0.0."""

    @property
    def spiking(self) -> bool:
        return True

    def adjust(self, before: S, after: S, dt) -> S:
        """What the integrator leaves out: refractory clamps and noise."""
        del before, dt
        return after

    def reset(self, before: S, after: S, spikes: Float[Array, "*n"], dt) -> S:
        """The state once `spikes` are out."""
        del before, spikes, dt
        return after

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> S:
        """`rest` for a population of `shape`, broadcast against the parameters."""
        del dt
        shape = self.shape(shape)
        if self.stochastic and key is None:
            raise ValueError(
                f"{type(self).__name__} is stochastic and needs a key: "
                "give key=jax.random.key(seed) to init or simulate."
            )
        state = _broadcast_rest(self, shape)
        return state._replace(noise=Noise(key, jnp.int32(0))) if self.stochastic else state

    def shape(self, shape: tuple[int, ...] = ()) -> tuple[int, ...]:
        """`shape` broadcast against every parameter that holds one value a neuron."""
        for name, value, spec in parameters(self):
            if spec.per_neuron:
                try:
                    shape = np.broadcast_shapes(shape, value.shape[spec.terms :])
                except ValueError:
                    raise ValueError(
                        f"{type(self).__name__}.{name} of shape {value.shape} does not fit a "
                        f"population of shape {shape}: give a scalar or one value a neuron."
                    ) from None
        return shape

    def step(
        self, state: S, input: Any, dt: Float[ArrayLike, ""]
    ) -> tuple[S, Float[Array, "*n"]]:
        """Advance by `dt` (ms): (new state, spikes 0.0 or 1.0).

        `input` is the current held over the step, or a function of v that gives it.
        """
        return self.fire(state, self.advance(state, input, dt), dt)

    def advance(self, state: S, input: Any, dt: Float[ArrayLike, ""]) -> S:
        """The state after `dt` (ms) as it is before any spike."""
        return self.adjust(state, self.integrator(self, state, input, dt), dt)

    def fire(
        self, before: S, after: S, dt: Float[ArrayLike, ""]
    ) -> tuple[S, Float[Array, "*n"]]:
        """Spikes on the way from `before` to `after`: (state once they are out, spikes)."""
        spikes = self.spikes(before, after, dt)
        state = self.reset(before, after, spikes, dt)
        if self.stochastic:
            state = state._replace(noise=Noise(before.noise.key, before.noise.count + 1))
        return state, spikes

    def unroll(self, state, inputs, dt):
        """As scanning `step`, in less memory where a gradient is taken.

        It keeps the states and the inputs and runs each step again; of a `linear_advance` model
        without refractory time it keeps one trace and the spikes, and has no forward mode.
        """
        return lean.unroll(self, state, inputs, dt)

    def stiffness(self, state: S, input: Any, dt: Float[ArrayLike, ""]) -> dict[str, Any]:
        """dt times each variable's own slope at `state`, if the scheme is an explicit one.

        A scheme is unstable where this exceeds 2.
        """
        if not self.integrator.explicit:
            return {}
        _, own = own_slopes(*flow(self, state, input))
        return {name: jnp.max(-dt * slope) for name, slope in own.items()}


@eqx.filter_jit
def _broadcast_rest(neuron: AbstractNeuron[S], shape: tuple[int, ...]) -> S:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, shape), neuron.rest())


class AbstractFiringNeuron(AbstractNeuron[S]):
    """A neuron that fires where v >= level after the step, is reset, and then waits.

    Its state has `v` and `refractory` (ms left to wait; None where `t_ref` is). Its other
    variables jump at a spike as `jumps` says.

    - `threshold`: level (mV) and surrogate gradient of the spike; a number is the level.
    - `v_reset`: mV. `t_ref`: absolute refractory time, ms, in which v is held and nothing
      fires; None leaves the countdown out.
    - `reset_mode`: "value" puts v at `v_reset`; "subtract" takes `level - v_reset` off, so
      that the overshoot stays; "none" leaves v alone.
    - `detach_reset`: whether gradients stop at the reset (Zenke & Vogels 2021, Neural
      Comput. 33:899) or pass through it.
    """

    linear_advance: ClassVar[bool] = (
        False  # True: `advance` is linear in state and input together
    )

    threshold: Threshold = fires_at(-50.0)
    v_reset: Float[Array, "..."] = parameter(-65.0, "mV", kw_only=True)
    t_ref: Float[Array, "..."] | None = parameter(None, "ms", at_least=0, kw_only=True)
    reset_mode: ResetMode = eqx.field(default="value", static=True, kw_only=True)
    detach_reset: bool = eqx.field(default=True, static=True, kw_only=True)

    def __check_init__(self):
        if not isinstance(self.threshold, Threshold):
            raise ValueError(
                f"{type(self).__name__}.threshold must be a Threshold(level) or a level in mV, "
                f"got {self.threshold!r}."
            )
        if self.reset_mode not in ("value", "subtract", "none"):
            raise ValueError(
                f"{type(self).__name__}.reset_mode must be 'value', 'subtract' or 'none', "
                f"got {self.reset_mode!r}."
            )

    def level(self, state: S) -> Float[Array, "..."]:
        """The firing threshold, mV; a model whose threshold moves overrides this."""
        del state
        return self.threshold.level

    def jumps(self, state: S) -> dict[str, Array]:
        """New values, by name, of variables other than v that change at a spike."""
        del state
        return {}

    def free_to_fire(self) -> Float[Array, "..."] | None:
        """The countdown `refractory` at rest: 0, or None without refractory time."""
        return None if self.t_ref is None else jnp.zeros_like(self.t_ref)

    def adjust(self, before: S, after: S, dt) -> S:
        if before.refractory is None:
            return after
        return after._replace(v=jnp.where(waiting(before, dt), before.v, after.v))

    def emitted(self, before: S, after: S, dt) -> Float[Array, "*n"]:
        """Spikes but for refractoriness; a model that fires at random overrides this."""
        del before, dt
        return self.threshold(after.v, self.level(after))

    def spikes(self, before: S, after: S, dt) -> Float[Array, "*n"]:
        spikes = self.emitted(before, after, dt)
        if before.refractory is None:
            return spikes
        return jnp.where(waiting(before, dt), 0, spikes)

    def reset(self, before: S, after: S, spikes: Float[Array, "*n"], dt) -> S:
        fired = dict(self.jumps(after))
        if self.reset_mode == "value":
            fired["v"] = jnp.broadcast_to(self.v_reset, after.v.shape)
        elif self.reset_mode == "subtract":
            fired["v"] = after.v - (self.level(after) - self.v_reset)
        blend, gate = mix_attached, spikes
        if self.detach_reset:
            blend, gate = mix, jax.lax.stop_gradient(spikes)
        new = {name: blend(gate, x, getattr(after, name)) for name, x in fired.items()}
        if before.refractory is not None:
            waited = jnp.maximum(before.refractory - dt, 0)
            new["refractory"] = jnp.where(spikes > 0.5, self.t_ref, waited)
        return after._replace(**new)


def waiting(state: Any, dt) -> Bool[Array, "*n"]:
    """Whether a neuron is still refractory in the step of `dt` (ms) that begins at `state`."""
    # Half a step of slack: 5 ms less 50 steps of 0.1 ms is 2.5e-6 in float32, not 0.
    return state.refractory > 0.5 * dt
