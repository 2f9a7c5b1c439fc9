"""Leaky integrate-and-fire neuron."""

from typing import Any, ClassVar, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.integrators import AbstractIntegrator, Exact, phi1
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold

S = TypeVar("S", bound=Any)


class AbstractLeakyNeuron(AbstractFiringNeuron[S]):
    """The membrane that `LIF` and its relatives share; see there for the parameters."""

    linear_advance: ClassVar[bool] = True

    tau_m: Float[Array, "..."] = parameter(10.0, "ms", above=0)
    g_l: Float[Array, "..."] = parameter(10.0, "nS", above=0)
    e_l: Float[Array, "..."] = parameter(-75.0, "mV")
    threshold: Threshold = fires_at(-55.0)
    v_reset: Float[Array, "..."] = parameter(-75.0, "mV", kw_only=True)
    t_ref: Float[Array, "..."] | None = parameter(2.0, "ms", at_least=0, kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Exact)
    trace_dtype: Any = eqx.field(default=None, static=True, kw_only=True)

    def pull(self, state: S, current: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """How far v is from where it is driven to, mV."""
        # By an array: jax 0.12 divides by a scalar through its reciprocal, a bit off.
        g_l = jnp.broadcast_to(self.g_l, jnp.shape(state.v))
        return -(state.v - self.e_l) + current / g_l

    def derivative(self, state, current):
        return {"v": self.pull(state, current) / self.tau_m}

    def solution(self, state, current, dt):
        """The continuous variables after dt (ms) of constant current, without a spike."""
        kept, reached = jnp.exp(-dt / self.tau_m), -jnp.expm1(-dt / self.tau_m)
        # Parameters are divided by each other, and not the current in every step.
        driven = self.e_l * reached + current * (reached / self.g_l)
        return {"v": state.v * kept + driven}


def unit_of_decay(decay: Any, dt: float, name: str) -> dict[str, Any]:
    r"""The parameters of class `name` with which $u_t = decay \cdot v_{t-1} + x_t$."""
    decay = checks.proper_decay(decay, f"{name}.from_decay.decay")
    tau_m = -dt / jnp.log(decay)
    # As `solution` has it, so that an input of 1 counts as 1 to the last bit.
    membrane = dict(tau_m=tau_m, g_l=-jnp.expm1(-dt / tau_m), e_l=0.0, v_reset=0.0)
    return membrane | dict(threshold=1.0, t_ref=None, reset_mode="subtract")


class LIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class LIF(AbstractLeakyNeuron[LIFState]):
    r"""Leaky integrate-and-fire neuron with an absolute refractory period.

    $$\tau_m \, dv/dt = -(v - e_l) + I / g_l$$

    At threshold it emits a spike, and v stays at `v_reset` for `t_ref`; a refractoriness that
    wears off by and by is `AdaptiveLIF.relative_refractory()`. Between spikes the step is
    exact for constant current (Rotter & Diesmann 1999, Biol. Cybern. 81:381): dt limits the
    precision of spike times, not of v. The defaults are those of the Neuromatch Academy
    tutorial; `integrator=TutorialEuler()` repeats its loop bit for bit.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_m`: membrane time constant, ms. `g_l`: leak conductance, nS. Both above 0.
    - `e_l`: leak reversal, mV.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; -55 mV, -75 mV, 2 ms.
    - `trace_dtype`: in what dtype `unroll` keeps v for a gradient, such as jnp.bfloat16, which
      halves that memory; by default that of v. Not on CPUs, where it is slower, with a warning.

    Input: current, pA. Under constant current above `g_l (level - e_l)` it fires at
    $1 / (t_{ref} + \tau_m \ln \frac{e_l + I/g_l - v_{reset}}{e_l + I/g_l - level})$, which
    starts from 0 Hz (class 1) and stays below $1 / t_{ref}$.
    Lapicque 1907, J. Physiol. Pathol. Gen. 9:620.
    """

    @classmethod
    def from_decay(cls, decay: float = 0.9, *, dt: float = 1.0, **changes) -> "LIF":
        r"""The unit of machine learning, $u_t = decay \cdot v_{t-1} + x_t$.

        Without units: it fires at $u \ge 1$, is reset by subtraction, and does not wait.
        `decay` in 0 .. 1 is that of one step of `dt` ms, so that `tau_m` is -dt / ln(decay);
        all else is as in `LIF` and can be changed.
        """
        return cls(**{**unit_of_decay(decay, dt, "LIF"), **changes})

    def rest(self) -> LIFState:
        return LIFState(self.e_l, self.free_to_fire())

    def conducted(self, state, current, dt):
        """As `solution`, for a current that is a function of v, exact if that is linear."""
        i, slope = jax.jvp(current, (state.v,), (jnp.ones_like(state.v),))
        per_leak, steps = 1 / self.g_l, dt / self.tau_m  # so that no loop divides by them
        pull = self.e_l - state.v + i * per_leak
        return {"v": state.v + steps * phi1(steps * (slope * per_leak - 1)) * pull}


class TutorialEuler(AbstractIntegrator):
    """Forward Euler in the order of operations of the Neuromatch Academy LIF tutorial.

    Run step by step in float64 it repeats that loop bit for bit; compiled, to 1e-12.
    """

    explicit = True

    def __call__(self, neuron, state, current, dt):
        return state._replace(v=state.v + neuron.pull(state, current) * (dt / neuron.tau_m))
