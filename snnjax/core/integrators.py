"""How a neuron's continuous variables advance over one step."""

import abc
import math
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Variables = dict[str, Array]
Slopes = Callable[[Variables], Variables]


class AbstractIntegrator(eqx.Module):
    """Advances the variables that a neuron's `derivative` names; the rest of the state stays."""

    explicit: ClassVar[bool]  # unstable where dt times a slope exceeds 2

    @abc.abstractmethod
    def __call__(self, neuron: Any, state: Any, current: Any, dt) -> Any:
        """The state after `dt` (ms) without spike or reset, `current` held constant."""


def flow(neuron: Any, state: Any, current: Any) -> tuple[Slopes, Variables]:
    """The slopes of `neuron` as a function of its continuous variables, and their values.

    `current` may be a function of the voltage, as a conductance synapse gives: it is then
    evaluated wherever the slopes are.
    """

    def slopes(y: Variables) -> Variables:
        at = state._replace(**y)
        return neuron.derivative(at, current(at.v) if callable(current) else current)

    names = jax.eval_shape(lambda: slopes({}))
    return slopes, {name: getattr(state, name) for name in names}


def own_slopes(slopes: Slopes, y: Variables) -> tuple[Variables, Variables]:
    """Slopes, and the derivative of each with respect to its own variable.

    One tangent of ones a variable gives row sums, which are the diagonal as long as no
    neuron's slope depends on another neuron: such terms have to come in through the input.
    """
    f, own = {}, {}
    for name, value in y.items():
        alone = lambda x, name=name: slopes({**y, name: x})[name]
        f[name], own[name] = jax.jvp(alone, (value,), (jnp.ones_like(value),))
    return f, own


@jax.custom_jvp
def phi1(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """(exp(x) - 1) / x, accurate in value and gradient near x = 0."""
    near = jnp.abs(x) < 0.3  # a series there: expm1 costs more than it and exp together
    far = jnp.where(near, 1, x)
    terms = 13 if jnp.finfo(x.dtype).bits > 32 else 7
    series = jnp.zeros_like(x)
    for k in range(terms, 0, -1):
        series = series * x + 1 / math.factorial(k)
    return jnp.where(near, series, jnp.exp(far) - 1) / far  # one division, also in 1 / phi1


@phi1.defjvp
def _phi1_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    y = phi1(x)
    near = jnp.abs(x) < 1  # where the closed form of the slope cancels
    far = jnp.where(near, 1, x)
    series = jnp.zeros_like(x)
    for k in range(18, 0, -1):
        series = series * x + k / math.factorial(k + 1)
    return y, jnp.where(near, series, (jnp.exp(far) - y) / far) * dx


def _plus(y: Variables, dt, f: Variables) -> Variables:
    return {name: y[name] + dt * f[name] for name in y}


class Euler(AbstractIntegrator):
    """Forward Euler, order 1: all variables from the old ones."""

    explicit = True

    def __call__(self, neuron, state, current, dt):
        slopes, y = flow(neuron, state, current)
        return state._replace(**_plus(y, dt, slopes(y)))


class SequentialEuler(AbstractIntegrator):
    """Forward Euler one variable after the other, each from the newest values, order 1.

    - `order`: names of variables. One named k times takes k steps of dt / k, so that
      `("v", "v", "u")` is the half-step scheme of Izhikevich 2003.
    """

    order: tuple[str, ...] = eqx.field(static=True, converter=tuple)
    explicit = True

    def __call__(self, neuron, state, current, dt):
        slopes, y = flow(neuron, state, current)
        if set(self.order) != set(y):
            raise ValueError(
                f"SequentialEuler.order={self.order} must name each variable of "
                f"{type(neuron).__name__}: {tuple(y)}."
            )
        for name in self.order:
            y = {**y, name: y[name] + dt / self.order.count(name) * slopes(y)[name]}
        return state._replace(**y)


class ExponentialEuler(AbstractIntegrator):
    """Each variable follows its own linearised equation exactly, order 1.

    Stable where a variable relaxes fast, and exact for a single linear equation, but less
    accurate than `Euler` where variables are strongly coupled (Hodgkin-Huxley: tenfold).
    """

    explicit = False

    def __call__(self, neuron, state, current, dt):
        slopes, y = flow(neuron, state, current)
        f, own = own_slopes(slopes, y)
        return state._replace(**{k: y[k] + dt * phi1(dt * own[k]) * f[k] for k in y})


class Heun(AbstractIntegrator):
    """Explicit trapezoidal rule, order 2."""

    explicit = True

    def __call__(self, neuron, state, current, dt):
        slopes, y = flow(neuron, state, current)
        f = slopes(y)
        g = slopes(_plus(y, dt, f))
        return state._replace(**{k: y[k] + dt / 2 * (f[k] + g[k]) for k in y})


class Midpoint(AbstractIntegrator):
    """Explicit midpoint rule, order 2."""

    explicit = True

    def __call__(self, neuron, state, current, dt):
        slopes, y = flow(neuron, state, current)
        return state._replace(**_plus(y, dt, slopes(_plus(y, dt / 2, slopes(y)))))


class RK4(AbstractIntegrator):
    """The classical Runge-Kutta scheme, order 4."""

    explicit = True

    def __call__(self, neuron, state, current, dt):
        slopes, y = flow(neuron, state, current)
        k1 = slopes(y)
        k2 = slopes(_plus(y, dt / 2, k1))
        k3 = slopes(_plus(y, dt / 2, k2))
        k4 = slopes(_plus(y, dt, k3))
        mean = {k: (k1[k] + 2 * (k2[k] + k3[k]) + k4[k]) / 6 for k in y}
        return state._replace(**_plus(y, dt, mean))


class Exact(AbstractIntegrator):
    """The closed form that a linear neuron gives as `solution(state, current, dt)`.

    Where `current` is a function of the voltage, the one it gives as `conducted(state, current,
    dt)` takes its place, or `ExponentialEuler`, which is the same with more divisions.
    """

    explicit = False

    def __call__(self, neuron, state, current, dt):
        if not hasattr(neuron, "solution"):
            raise ValueError(
                f"{type(neuron).__name__}.integrator=Exact() needs a closed form `solution`, "
                "which this model does not have. Use ExponentialEuler() or RK4()."
            )
        if callable(current):
            if not hasattr(neuron, "conducted"):
                return ExponentialEuler()(neuron, state, current, dt)
            return state._replace(**neuron.conducted(state, current, dt))
        return state._replace(**neuron.solution(state, current, dt))
