"""Noisy currents: white noise and the Ornstein-Uhlenbeck process."""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from snnjax.core.base import AbstractDynamics
from snnjax.core.checks import as_float, at_least, finite, one_of
from snnjax.core.draws import GENERATORS, Draws, Generator
from snnjax.core.neuron import Noise
from snnjax.core.parameters import parameter
from snnjax.inputs.base import (
    AbstractInput,
    AbstractRandomInput,
    first_element,
    population,
    require_key,
    rows,
)


def white_noise(
    mean: ArrayLike,
    sigma: ArrayLike,
    *,
    shape: tuple[int, ...] = (),
    key: Any = None,
    time_unit: Literal["ms", "s"] = "ms",
    generator: Generator = "hash",
) -> AbstractInput:
    r"""White Gaussian noise around `mean`: each step draws $\mu + \sigma \xi / \sqrt{dt}$.

    Scaled so, the membrane it drives varies by the same amount whatever dt is: that of a leaky
    integrator has the standard deviation $\sigma / (g_l \sqrt{2 \tau_m})$.

    - `mean`: pA. `sigma`: pA sqrt(ms), at least 0; with `time_unit="s"` pA sqrt(s), which is
      the scaling $\sigma \xi / \sqrt{dt / 1000}$ of the Neuromatch Academy tutorial.
    - `shape`: of the population; each of it gets its own noise, and `()` all the same.
    - `key`: of this source alone. Each draw is a function of key, step and neuron.
    - `generator`: "hash", or "threefry", jax's own, which takes longer; see `core.draws`.
    """
    mean = finite(mean, "white_noise.mean", "pA")
    sigma = at_least(sigma, 0, "white_noise.sigma", f"pA sqrt({time_unit})")
    one_of(time_unit, ["ms", "s"], "white_noise.time_unit")
    shape = population("white_noise", shape, mean=mean, sigma=sigma)
    if time_unit == "s":
        sigma = sigma * 1000**0.5
    one_of(generator, GENERATORS, "white_noise.generator")
    return WhiteNoise(mean, sigma, shape, require_key(key, "white_noise"), generator)


class WhiteNoise(AbstractRandomInput):
    """See `white_noise`; `sigma` in pA sqrt(ms)."""

    mean: Float[Array, "*n"]
    sigma: Float[Array, "*n"]
    shape: tuple[int, ...] = eqx.field(static=True)
    key: Any
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __call__(self, i, dt):
        xi = self.draws(i).normal(jnp.result_type(self.mean, self.sigma))
        return self.mean + self.sigma * xi / jnp.sqrt(dt)

    def _rows(self, start, size):
        ndim = len(self.shape)
        values = dict(mean=self.mean, sigma=self.sigma)
        return {name: rows(x, start, size, ndim) for name, x in values.items()}


class OUState(NamedTuple):
    x: Float[Array, "*n"]  # pA, at the end of the step
    noise: Noise


class OrnsteinUhlenbeck(AbstractDynamics[OUState]):
    r"""Coloured noise that is added to the input of the step.

    $$\tau \, dx = -(x - \mu) \, dt + \sigma \sqrt{2 \tau} \, dW$$

    Noise with a correlation time remembers its last value. It is therefore a model with a
    state, unlike the other inputs, which are functions of the step: put it before a neuron,
    as in `Sequential(OrnsteinUhlenbeck(...), LIF())`, or take a whole path from `array`. It
    starts in its stationary state, and the update is exact for any dt (Gillespie 1996, Phys.
    Rev. E 54:2084): the mean stays `mean`, the standard deviation `sigma`, and the correlation
    over a time s is exp(-s / tau). The value of a step is that at its left edge.

    - `mean`: pA. `sigma`: pA, at least 0. `tau`: ms, above 0.
    - `generator`: as for `white_noise`. `offset`: number of the first neuron in a larger
      population, a part of which this is.

    Input: current, pA; output: `input + x`. Uhlenbeck & Ornstein 1930, Phys. Rev. 36:823.
    """

    mean: Float[Array, "..."] = parameter(0.0, "pA")
    sigma: Float[Array, "..."] = parameter(1.0, "pA", at_least=0)
    tau: Float[Array, "..."] = parameter(5.0, "ms", above=0)
    generator: Generator = eqx.field(static=True, default="hash")
    offset: Int[Array, ""] = first_element()

    def __check_init__(self):
        one_of(self.generator, GENERATORS, "OrnsteinUhlenbeck.generator")

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> OUState:
        name = type(self).__name__
        shape = population(name, shape, mean=self.mean, sigma=self.sigma, tau=self.tau)
        noise = Noise(require_key(key, name), jnp.int32(0))
        return OUState(self.mean + self.sigma * self._draw(noise, shape), _next(noise))

    def step(self, state: OUState, input: Any, dt) -> tuple[OUState, Array]:
        x, noise = state
        decay = jnp.exp(-dt / self.tau)
        spread = self.sigma * jnp.sqrt(-jnp.expm1(-2 * dt / self.tau))
        xi = self._draw(noise, x.shape)
        new = self.mean + (x - self.mean) * decay + spread * xi
        return OUState(new, _next(noise)), input + x

    def array(
        self, dt: float, n_steps: int, *, shape: tuple[int, ...] = (), key: Any = None
    ) -> Float[Array, "T *n"]:
        """A path of `n_steps` steps of `dt` (ms), pA, time first: an input as an array."""
        state = self.init(shape, key=key)
        inputs = jnp.zeros((n_steps,), state.x.dtype)
        return eqx.filter_jit(self.unroll)(state, inputs, as_float(dt))[1]

    def _draw(self, noise: Noise, shape: tuple[int, ...]) -> Array:
        dtype = jnp.result_type(self.mean, self.sigma, self.tau)
        draws = Draws(noise.key, noise.count, shape, self.offset, self.generator)
        return draws.normal(dtype)


def _next(noise: Noise) -> Noise:
    return Noise(noise.key, noise.count + 1)
