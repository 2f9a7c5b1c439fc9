"""Planar piecewise-linear neurons: their exact flow, and the integrate-and-fire model."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, Exact
from snnjax.core.neuron import AbstractFiringNeuron, fires_at, integrate_with
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold

# Ten terms of a series over 1/16 of the step: good to 1e-16 up to dt |A| = 2, 1e-11 to 8.
_TERMS = 10
_DOUBLINGS = 4
_NEWTON_STEPS = 12


class _Plane(NamedTuple):
    """v and w, or their slopes."""

    v: Float[Array, "*n"]
    w: Float[Array, "*n"]


def piecewise_linear(v, borders, slopes) -> Float[Array, "*n"]:
    """The continuous function, 0 at v = 0, with these `slopes` between rising `borders`."""
    value = slopes[0] * v
    for border, before, after in zip(borders, slopes[:-1], slopes[1:], strict=True):
        bend = jnp.maximum(v - border, 0) - jnp.maximum(-border, 0)
        value = value + (after - before) * bend
    return value


def piecewise_flow(neuron: Any, state: Any, current, dt) -> dict[str, Array]:
    """v and w after dt of constant current, exactly, piece after piece.

    For $dv/dt = f(v) - w + I$, $dw/dt = p v - q w$ with f piecewise linear. `neuron` gives
    its `derivative`, and as `pieces()` the borders and slopes of f, and p and q. In each
    piece the closed form holds; where v crosses a border within the step, the crossing is
    located to rounding, and gradients pass through its time. A step may cross as many
    borders as there are. A visit to a piece that begins and ends within the step is missed.
    """
    borders, slopes, p, q = neuron.pieces()
    low, high = (-jnp.inf, *borders), (*borders, jnp.inf)
    field = lambda y: _Plane(**neuron.derivative(state._replace(**y._asdict()), current))

    def leg(i, carry):
        """On through one piece, up to its border or to the end of the step."""
        y, piece, left = carry
        k, bottom, top = (_of_piece(piece, x) for x in (slopes, low, high))
        f = field(y)
        end = _advance(y, f, k, p, q, left)
        up, down = (end.v > top) & (i < len(borders)), (end.v < bottom) & (i < len(borders))
        crosses = up | down
        border = jnp.where(up, top, jnp.where(down, bottom, end.v))
        t, at = _crossing(y, f, k, p, q, left, border, crosses)
        y = _Plane(*(jnp.where(crosses, a, b) for a, b in zip(at, end, strict=True)))
        return y, piece + up - down, jnp.where(crosses, left - t, 0)

    shapes = map(jnp.shape, (state.v, current, dt, *borders, *slopes, p, q))
    shape, dtype = jnp.broadcast_shapes(*shapes), state.v.dtype
    y = _Plane(jnp.broadcast_to(state.v, shape), jnp.broadcast_to(state.w, shape))
    piece = sum((y.v >= border).astype(jnp.int32) for border in borders)
    left = jnp.broadcast_to(jnp.asarray(dt, dtype), shape)
    y, _, _ = jax.lax.fori_loop(0, len(slopes), leg, (y, piece, left))
    return y._asdict()


def _of_piece(piece, values):
    """Of `values`, one a piece, that of each neuron's piece."""
    out = jnp.broadcast_to(
        values[0], jnp.broadcast_shapes(piece.shape, jnp.shape(values[0]))
    )
    for i, value in enumerate(values[1:], start=1):
        out = jnp.where(piece == i, value, out)
    return out


def _advance(y: _Plane, f: _Plane, k, p, q, t) -> _Plane:
    r"""y + F f with $F = \int_0^t e^{A s} ds$, A = [[k, -1], [p, -q]]: y after time t."""
    f0, f1 = _integrated_exp(k - q, p - k * q, t)
    return _Plane(
        y.v + f0 * f.v + f1 * (k * f.v - f.w), y.w + f0 * f.w + f1 * (p * f.v - q * f.w)
    )


def _integrated_exp(trace, det, t):
    r"""x, y of $\int_0^t e^{A s} ds = x + y A$, for a 2x2 matrix A of this trace and det.

    Since $A^2 = \mathrm{tr} A - \det$, such pairs are closed under products. That needs no
    eigenvalues, so that singular, defective and oscillating A are no special cases.
    """
    times_a = lambda x, y: (-det * y, x + trace * y)
    h = t / 2**_DOUBLINGS
    x, y = jnp.ones_like(h), jnp.zeros_like(h)
    for n in range(_TERMS, 1, -1):  # 1 + h A / 2 (1 + h A / 3 (1 + ...))
        x, y = times_a(h / n * x, h / n * y)
        x = x + 1
    x, y = h * x, h * y
    for _ in range(_DOUBLINGS):  # F(2 h) = F (2 + A F)
        m, n = times_a(x, y)
        m = m + 2
        x, y = x * m - det * y * n, x * n + y * m + trace * y * n
    return x, y


def _crossing(y, f, k, p, q, left, border, crosses):
    """When and where v gets to `border`, if it `crosses` it within `left`."""

    def at_time(y, f, k, p, q, t):
        at = _advance(y, f, k, p, q, t)
        v, w = at.v - y.v, at.w - y.w
        rise = f.v + k * v - w
        slope = _Plane(jnp.where(crosses & (rise != 0), rise, 1), f.w + p * v - q * w)
        return at, slope

    fixed = jax.lax.stop_gradient((y, f, k, p, q))
    left, level, rises = jax.lax.stop_gradient((left, border, border > y.v))

    def closer(_, bracket):  # Newton's method, within a bracket
        low, high, t = bracket
        at, slope = at_time(*fixed, t)
        beyond = jnp.where(rises, at.v >= level, at.v <= level)
        low, high = jnp.where(beyond, low, t), jnp.where(beyond, t, high)
        t = t - (at.v - level) / slope.v
        return low, high, jnp.where((t >= low) & (t <= high), t, 0.5 * (low + high))

    # No step is taken where nobody crosses.
    n = jnp.where(crosses.any(), _NEWTON_STEPS, 0)
    _, _, t = jax.lax.fori_loop(0, n, closer, (jnp.zeros_like(left), left, 0.5 * left))
    # t is right to rounding. What is missing is 0, and its gradient is that of t.
    at, slope = at_time(y, f, k, p, q, t)
    missing = (border - at.v) / slope.v
    return t + missing, _Plane(border, at.w + slope.w * missing)


class PiecewiseLinearIFState(NamedTuple):
    v: Float[Array, "*n"]  # after any reset
    w: Float[Array, "*n"]  # recovery
    refractory: Float[Array, "*n"] | None  # ms left to wait; None unless t_ref is given


class PiecewiseLinearIF(AbstractFiringNeuron[PiecewiseLinearIFState]):
    r"""Planar piecewise-linear integrate-and-fire neuron, which can burst.

    $$dv/dt = f(v) - w + I, \quad dw/dt = a (b v - w), \quad
    f(v) = s_- v \ (v < 0), \ s_+ v \ (v \ge 0)$$

    $$v \ge 60 : \quad v \leftarrow v_{reset}, \quad w \leftarrow w + d$$

    Izhikevich's model with the parabola replaced by a corner, so that flow and spikes have
    closed forms. The step is exact for constant current: dt limits the precision of spike
    times, not of v and w. With a high `v_reset` it bursts by itself: spikes raise w until
    the reset falls to the left branch of the v-nullcline, where w recovers. With a low one
    (`forced()`) it fires single spikes under constant current, and bursts where a slow
    current forces it to.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `a`: rate of recovery, 1/ms, above 0. `b`: its sensitivity to v, 1/ms.
    - `d`: what a spike adds to w.
    - `slope_left`, `slope_right`: $s_-$ and $s_+$, 1/ms.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; 60, 20, no refractory time.

    v has no unit; w and the input, a current, are per ms. Starts at the corner, v = w = 0.
    Coombes, Thul & Wedgwood 2012, Physica D 241:2042; Tonnelier & Gerstner 2003, Phys. Rev.
    E 67:021908. The defaults are ours: bursts of five spikes at a current of 5.
    """

    a: Float[Array, "..."] = parameter(1 / 75, "1/ms", above=0)
    b: Float[Array, "..."] = parameter(1.2, "1/ms")
    d: Float[Array, "..."] = parameter(4.0, "1/ms")
    slope_left: Float[Array, "..."] = parameter(-0.35, "1/ms")
    slope_right: Float[Array, "..."] = parameter(1.0, "1/ms")
    threshold: Threshold = fires_at(60.0)
    v_reset: Float[Array, "..."] = parameter(20.0, "", kw_only=True)
    integrator: AbstractIntegrator = integrate_with(Exact)

    @classmethod
    def forced(cls, **changes) -> "PiecewiseLinearIF":
        """Single spikes under constant current, bursts under a slow one."""
        return cls(**{**dict(v_reset=-10.0, d=1.0), **changes})

    def pieces(self):
        borders = (jnp.zeros_like(self.slope_left),)
        return borders, (self.slope_left, self.slope_right), self.a * self.b, self.a

    def rest(self) -> PiecewiseLinearIFState:
        zero = jnp.zeros_like(self.a)
        return PiecewiseLinearIFState(zero, zero, self.free_to_fire())

    def derivative(self, state, current):
        borders, slopes, _, _ = self.pieces()
        fast = piecewise_linear(state.v, borders, slopes)
        return {
            "v": fast - state.w + current,
            "w": self.a * (self.b * state.v - state.w),
        }

    def solution(self, state, current, dt):
        """v and w after dt (ms) of constant current, without a spike."""
        return piecewise_flow(self, state, current, dt)

    def jumps(self, state):
        return {"w": state.w + self.d}
