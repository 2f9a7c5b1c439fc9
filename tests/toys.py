"""Small models and inputs for the tests of the core."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from snnjax.core.base import AbstractDynamics
from snnjax.core.integrators import RK4, AbstractIntegrator, ExponentialEuler
from snnjax.core.neuron import AbstractFiringNeuron, AbstractNeuron, integrate_with
from snnjax.core.parameters import parameter


class Held(NamedTuple):
    v: Any


class PassThrough(AbstractDynamics[Held]):
    """Puts out its input, which is its state too: what recorders see is what was given."""

    def init(self, shape=(), *, key=None, dt=None):
        return Held(jnp.zeros(shape))

    def step(self, state, input, dt):
        return Held(input), input


class Echo(AbstractDynamics[tuple[()]]):
    """Puts out its input, any tree of arrays, and has no state."""

    def init(self, shape=(), *, key=None, dt=None):
        return ()

    def step(self, state, input, dt):
        return state, input


class Oscillation(NamedTuple):
    v: Any
    w: Any


class Oscillator(AbstractNeuron[Oscillation]):
    """FitzHugh-Nagumo: smooth, nonlinear, coupled. Counts how often it is traced."""

    gain: Any = parameter(1.0, "", above=0)
    integrator: AbstractIntegrator = integrate_with(RK4)

    traces = [0]  # noqa: RUF012

    def rest(self):
        return Oscillation(0 * self.gain - 1.2, 0 * self.gain - 0.6)

    def derivative(self, state, current):
        self.traces[0] += 1
        v, w = state
        return {
            "v": self.gain * (v - v**3 / 3 - w + current),
            "w": 0.08 * (v + 0.7 - 0.8 * w),
        }

    def spikes(self, before, after, dt):
        return ((before.v < 1) & (after.v >= 1)).astype(after.v.dtype)


class Relaxation(AbstractNeuron[Held]):
    """tau dv/dt = current - v: linear, with a closed form, and never fires."""

    tau: Any = parameter(10.0, "ms", above=0)
    integrator: AbstractIntegrator = integrate_with(ExponentialEuler)

    def rest(self):
        return Held(0 * self.tau)

    def derivative(self, state, current):
        return {"v": (current - state.v) / self.tau}

    def solution(self, state, current, dt):
        return {"v": current + (state.v - current) * jnp.exp(-dt / self.tau)}

    def spikes(self, before, after, dt):
        return jnp.zeros_like(after.v)


class NoisyState(NamedTuple):
    v: Any
    refractory: Any
    noise: Any


class NoisyNeuron(AbstractFiringNeuron[NoisyState]):
    """A leaky integrator with membrane noise, reset and refractory time."""

    sigma: Any = parameter(3.0, "mV", at_least=0)
    t_ref: Any = parameter(2.0, "ms", at_least=0, kw_only=True)
    stochastic = True

    def rest(self):
        return NoisyState(self.v_reset, self.free_to_fire(), None)

    def derivative(self, state, current):
        return {"v": (-65.0 - state.v + current) / 10.0}

    def adjust(self, before, after, dt):
        xi = jax.random.normal(before.noise.now(), after.v.shape, after.v.dtype)
        noisy = after._replace(v=after.v + self.sigma * jnp.sqrt(dt / 10.0) * xi)
        return super().adjust(before, noisy, dt)


class WhiteInput(eqx.Module):
    """Gaussian white noise about a mean, drawn by key and step."""

    mean: float
    sigma: float
    key: Any
    shape: tuple[int, ...] = eqx.field(static=True, default=())

    def __call__(self, i, dt):
        xi = jax.random.normal(jax.random.fold_in(self.key, i), self.shape)
        return self.mean + self.sigma * xi / jnp.sqrt(dt)
