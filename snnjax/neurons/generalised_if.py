"""Generalised integrate-and-fire neuron: moving threshold and spike-induced currents."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Exact
from snnjax.core.linear import divided_exp
from snnjax.core.neuron import AbstractFiringNeuron, integrate_with, waiting
from snnjax.core.parameters import parameter


class GeneralisedIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    theta: Float[Array, "*n"]  # mV, the threshold where it stands
    currents: Float[Array, "k *n"]  # pA, one row a spike-induced current
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class GeneralisedIF(AbstractFiringNeuron[GeneralisedIFState]):
    r"""Generalised linear integrate-and-fire neuron (GLIF, Mihalas-Niebur).

    $$c_m \, dv/dt = -g_l (v - e_l) + I + \sum_j I_j, \quad \tau_j \, dI_j/dt = -I_j$$

    $$d\theta/dt = a (v - e_l) - (\theta - level) / \tau_\theta$$

    It fires where v reaches $\theta$; then $v \leftarrow v_{reset}$,
    $\theta \leftarrow \max(\theta_{reset}, \theta + \Delta\theta)$ and
    $I_j \leftarrow R_j I_j + A_j$. All variables advance together exactly for constant
    current, also where rates are equal. With $A_j < 0$ a slow current adapts, with
    $A_j > 0$ a fast one bursts, and a > 0 makes the threshold follow v (phasic and rebound
    firing); `mihalas_niebur_pattern` has the twenty patterns of the paper.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `c_m`: membrane capacitance, pF. `g_l`: leak conductance, nS. Both above 0. `e_l`: mV.
    - `a`: coupling of the threshold to v, 1/ms. `tau_theta`: its time constant, ms, above 0.
    - `theta_reset`: the least threshold after a spike, mV. `theta_jump`: what a spike adds
      to the threshold, mV.
    - `threshold.level`: the threshold at rest, mV. `v_reset`, `t_ref`, `reset_mode`,
      `detach_reset`: see `AbstractFiringNeuron`; -70 mV, None.

    and with one value a current, shape (k,) or (k, n):

    - `tau_currents`: time constants, ms, above 0. `jump`: $A_j$, pA. `keep`: $R_j$, the
      share of a current that outlasts a spike.

    Input: current, pA.
    Mihalas & Niebur 2009, Neural Comput. 21:704; Teeter et al. 2018, Nat. Commun. 9:709.
    """

    c_m: Float[Array, "..."] = parameter(100.0, "pF", above=0)
    g_l: Float[Array, "..."] = parameter(5.0, "nS", above=0)
    e_l: Float[Array, "..."] = parameter(-70.0, "mV")
    a: Float[Array, "..."] = parameter(0.0, "1/ms", kw_only=True)
    tau_theta: Float[Array, "..."] = parameter(100.0, "ms", above=0, kw_only=True)
    theta_reset: Float[Array, "..."] = parameter(-60.0, "mV", kw_only=True)
    theta_jump: Float[Array, "..."] = parameter(0.0, "mV", kw_only=True)
    tau_currents: Float[Array, "k ..."] = parameter(
        (5.0, 50.0), "ms", above=0, terms=True, kw_only=True
    )
    jump: Float[Array, "k ..."] = parameter((0.0, 0.0), "pA", terms=True, kw_only=True)
    keep: Float[Array, "k ..."] = parameter((0.0, 1.0), "", terms=True, kw_only=True)
    v_reset: Float[Array, "..."] = parameter(-70.0, "mV", kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Exact)

    def __check_init__(self):
        counts = {n: getattr(self, n).shape[:1] for n in ("tau_currents", "jump", "keep")}
        if len(set(counts.values())) > 1 or () in counts.values():
            raise ValueError(
                "GeneralisedIF.tau_currents (ms), jump (pA) and keep must hold one value a "
                f"current each, got lengths {counts}."
            )

    def rest(self) -> GeneralisedIFState:
        return GeneralisedIFState(
            self.e_l, self.threshold.level, jnp.zeros_like(self.c_m), self.free_to_fire()
        )

    def init(self, shape=(), *, key=None, dt=None):
        state = super().init(shape, key=key, dt=dt)
        rows = (len(self.jump), *state.v.shape)
        return state._replace(currents=jnp.zeros(rows, state.v.dtype))

    def level(self, state):
        return state.theta

    def derivative(self, state, current):
        x = state.v - self.e_l
        total = current + jnp.sum(state.currents, 0)
        back = (state.theta - self.threshold.level) / self.tau_theta
        return {
            "v": (total - self.g_l * x) / self.c_m,
            "theta": self.a * x - back,
            "currents": -state.currents / _row(self.tau_currents, state),
        }

    def solution(self, state, current, dt):
        """The continuous variables after dt (ms) of constant current, without a spike."""
        # A chain: what flows in (the input with decay 0) drives v, and v drives theta.
        inflow = jnp.concatenate(
            [jnp.broadcast_to(current, state.v.shape)[None], state.currents]
        )
        decay = -dt / _row(self.tau_currents, state)
        decay = jnp.broadcast_to(decay, state.currents.shape)
        decay = jnp.concatenate([jnp.zeros_like(decay[:1]), decay])
        leak, back = -dt * self.g_l / self.c_m, -dt / self.tau_theta
        x, raised = state.v - self.e_l, state.theta - self.threshold.level
        to_v = dt / self.c_m * divided_exp(decay, leak)
        to_theta = self.a * dt**2 / self.c_m * divided_exp(decay, leak, back)
        v = x * jnp.exp(leak) + jnp.sum(inflow * to_v, 0)
        theta = raised * jnp.exp(back) + jnp.sum(inflow * to_theta, 0)
        theta = theta + x * self.a * dt * divided_exp(leak, back)
        return {
            "v": self.e_l + v,
            "theta": self.threshold.level + theta,
            "currents": state.currents * jnp.exp(decay[1:]),
        }

    def adjust(self, before, after, dt):
        after = super().adjust(before, after, dt)
        if before.refractory is None:
            return after
        # While v is held, the threshold relaxes to where that v holds it.
        goal = self.threshold.level + self.a * self.tau_theta * (before.v - self.e_l)
        theta = goal + (before.theta - goal) * jnp.exp(-dt / self.tau_theta)
        return after._replace(theta=jnp.where(waiting(before, dt), theta, after.theta))

    def jumps(self, state):
        keep, jump = _row(self.keep, state), _row(self.jump, state)
        return {
            "theta": jnp.maximum(self.theta_reset, state.theta + self.theta_jump),
            "currents": keep * state.currents + jump,
        }


def _row(value: Array, state: GeneralisedIFState) -> Array:
    """`value`, one a current, shaped to broadcast against the rows of `state.currents`."""
    return value.reshape(value.shape + (1,) * (state.currents.ndim - value.ndim))
