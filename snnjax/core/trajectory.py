"""One neuron solved from spike to spike; `solve` is how to call it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from snnjax.core.integrators import flow
from snnjax.core.neuron import AbstractFiringNeuron, AbstractNeuron
from snnjax.core.parameters import map_parameters, parameters

FIRST_STEP = 1e-3  # ms; adapted from there


class Problem(eqx.Module):
    """All of a solve but the model and its state."""

    current: Callable[[Any], Any]
    edges: Float[Array, "edges"] | None
    ts: Float[Array, "T"]
    rtol: float
    atol: float
    solver: Any
    max_spikes: int = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, model: AbstractNeuron, start: Any) -> Any:
        """(last state, values, spike times, how many, time reached), neurons last."""
        shape = start.v.shape
        if shape == ():
            return Cell(self, model, start, self.current).run()
        # A value for each neuron in every parameter, and the neurons last in every array.
        terms = {name: spec.terms for name, _, spec in parameters(model) if spec.per_neuron}

        def spread(name, x):
            if name not in terms:
                return x
            lead, own = x.shape[: terms[name]], x.shape[terms[name] :]
            x = x.reshape(*lead, *(1,) * (len(shape) - len(own)), *own)
            return jnp.broadcast_to(x, lead + shape).reshape(*lead, -1)

        each = map_parameters(spread, model)
        axes = map_parameters(
            lambda name, _: -1 if name in terms else None, model, lambda _: None
        )
        one = lambda model, start, i: Cell(
            self, model, start, _One(self.current, i, shape)
        ).run()
        states = jax.tree.map(
            lambda x: x.reshape(*x.shape[: x.ndim - len(shape)], -1), start
        )
        index = jnp.arange(start.v.size)
        result = eqx.filter_vmap(one, in_axes=(axes, -1, 0), out_axes=-1)(
            each, states, index
        )
        return jax.tree.map(lambda x: x.reshape(*x.shape[:-1], *shape), result)


class Cell(eqx.Module):
    """One neuron on its way from one kept time, or spike, to the next."""

    problem: Problem
    model: Any  # a neuron
    start: Any
    current: Callable[[Any], Any]

    def run(self) -> Any:
        return self.from_time_to_time() if self.problem.max_spikes else self.smooth()

    @property
    def fires(self) -> bool:
        """Whether it is reset at a level, in contrast to rising through one."""
        return isinstance(self.model, AbstractFiringNeuron)

    def state(self, y: dict[str, Array]) -> Any:
        return self.start._replace(**y)

    def slopes(self, t: Any, y: dict[str, Array], held: Any = False) -> dict[str, Array]:
        slopes = flow(self.model, self.start, self.current(t))[0](y)
        slopes = {
            k: jnp.broadcast_to(slopes[k], x.shape).astype(x.dtype) for k, x in y.items()
        }
        return {**slopes, "v": jnp.where(held, 0, slopes["v"])}

    def gap(self, y: dict[str, Array], level: Any) -> Float[Array, ""]:
        """How far v is above the level at which the neuron fires."""
        return y["v"] - (self.model.level(self.state(y)) if self.fires else level)

    def gap_and_rate(self, t: Any, y: dict[str, Array], level: Any) -> Any:
        return jax.jvp(lambda y: self.gap(y, level), (y,), (self.slopes(t, y),))

    def solve(self, t0, t1, y, dt0, held=False, quiet=False, step_ts=None, **kwargs):
        import diffrax

        p = self.problem
        control = diffrax.PIDController(p.rtol, p.atol, norm=error_norm)
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: args[0].slopes(t, y, args[1])),
            diffrax.Dopri8() if p.solver is None else p.solver,
            *(t0, t1, dt0, y, (self, held, quiet)),
            stepsize_controller=diffrax.ClipStepSizeController(control, step_ts, p.edges),
            max_steps=p.max_steps,
            throw=False,
            **kwargs,
        )

    def smooth(self) -> Any:
        """Without threshold: a single solve."""
        import diffrax

        ts = self.problem.ts
        _, y = flow(self.model, self.start, self.current(0.0))
        keep = diffrax.SaveAt(ts=ts)
        sol = self.solve(0.0, ts[-1], y, FIRST_STEP, step_ts=ts, saveat=keep)
        ok = jnp.isfinite(sol.ys["v"])
        ys = {k: jnp.where(jnp.isfinite(y), y, jnp.nan) for k, y in sol.ys.items()}
        end = self.state({k: y[-1] for k, y in ys.items()})
        reached = jnp.max(jnp.where(ok, ts, 0))
        return end, ys, jnp.zeros(0, ts.dtype), jnp.int32(0), reached

    def from_time_to_time(self) -> Any:
        """With spikes, each located and followed by the model's own reset."""
        p, start, model = self.problem, self.start, self.model
        ts, dtype = p.ts, p.ts.dtype
        level = None if self.fires else _crossing_level(model, start)
        _, y = flow(model, start, self.current(0.0))
        wait = getattr(start, "refractory", None) if self.fires else None

        def goes_on(c):
            return (c["kept"] < len(ts)) & (c["count"] <= p.max_spikes) & c["good"]

        def go(c):
            t0, y = c["t"], c["y"]
            held = t0 < c["free_at"]
            target = jnp.maximum(ts[c["kept"]], t0)
            target = jnp.where(held, jnp.minimum(target, c["free_at"]), target)
            # Where a start lies above the level, or the level came down to a held v.
            gap, rate = self.gap_and_rate(t0, y, level)
            at_once = self.fires & ~held & ((gap > 0) | ((gap == 0) & (rate > 0)))
            target = jnp.where(at_once, t0, target)
            t, y, crossed, good, dt0 = self.advance(
                t0, target, y, c["dt0"], held, c["above"], level
            )
            fired = at_once | (crossed & ~c["above"])
            arrived = ~crossed & ~at_once & (target >= ts[c["kept"]])
            free_at = c["free_at"]
            if self.fires:
                state = self.state(y)
                after = model.reset(state, state, jnp.ones_like(state.v), 0.0)
                y = {k: jnp.where(fired, getattr(after, k), x) for k, x in y.items()}
                if wait is not None:
                    free_at = jnp.where(fired, t + after.refractory, free_at)
            return dict(
                t=t,
                y=y,
                ys={k: _put(c["ys"][k], c["kept"], y[k], arrived & good) for k in y},
                kept=c["kept"] + arrived,
                times=_put(c["times"], c["count"], t, fired),
                count=c["count"] + fired,
                free_at=free_at,
                above=c["above"] if self.fires else c["above"] ^ crossed,
                dt0=dt0,
                good=good,
            )

        zero, empty = (
            jnp.zeros((), dtype),
            lambda n, x: jnp.full((n, *x.shape), jnp.nan, x.dtype),
        )
        c = dict(
            t=zero,
            y=y,
            ys={k: empty(len(ts), x) for k, x in y.items()},
            kept=jnp.int32(0),
            times=empty(p.max_spikes, zero),
            count=jnp.int32(0),
            free_at=zero if wait is None else wait.astype(dtype),
            above=jnp.asarray(False) if self.fires else self.gap(y, level) >= 0,
            dt0=zero + FIRST_STEP,
            good=jnp.asarray(True),
        )
        c = jax.lax.while_loop(goes_on, go, c)
        end = self.state(c["y"])
        if wait is not None:
            left = jnp.maximum(c["free_at"] - c["t"], 0)
            end = end._replace(refractory=left.astype(wait.dtype))
        return end, c["ys"], c["times"], c["count"], c["t"]

    def advance(self, t0, t1, y0, dt0, held, above, level):
        """To t1 or the next crossing: (time, values, crossed?, ok?, a first step to try)."""
        import diffrax

        sign = jnp.where(above, -1.0, 1.0)

        def ahead(t, y, args, **_):
            cell, _, quiet = args
            return jnp.where(quiet, -1.0, sign * cell.gap(y, level))

        event = diffrax.Event(ahead, direction=True)
        options = dict(saveat=diffrax.SaveAt(t1=True), adjoint=diffrax.ForwardMode())

        def attempt(c):
            """Solve up to `goal`; past a crossing, set the next one by Newton's method.

            Each from t0, as the solver's interpolation is a thousand times less accurate.
            """
            quiet = held | c["crossed"]
            sol = self.solve(t0, c["goal"], y0, dt0, held, quiet, event=event, **options)
            y = {k: x[-1] for k, x in sol.ys.items()}
            crossed = c["crossed"] | sol.event_mask
            t = jnp.where(crossed, jax.lax.stop_gradient(sol.ts[-1]), t1)
            value, rate = self.gap_and_rate(t, y, level)
            moves = sign * rate > 0
            step = jnp.where(moves, -value / jnp.where(moves, rate, 1), jnp.inf)
            low = jnp.where(sign * value < 0, t, c["low"])
            high = jnp.where(sign * value < 0, c["high"], t)
            trust = (
                (low <= t + step) & (t + step <= high) & (2 * jnp.abs(step) <= c["jump"])
            )
            goal = jax.lax.stop_gradient(jnp.where(trust, t + step, (low + high) / 2))
            eps = 4 * jnp.finfo(c["t"].dtype).eps
            near = c["crossed"] & (jnp.abs(step) <= jnp.maximum(1e-9, eps * t))
            good = jnp.isfinite(y["v"]) & (
                crossed | (sol.result == diffrax.RESULTS.successful)
            )
            n = jnp.maximum(sol.stats["num_accepted_steps"], 1)
            return dict(
                t=t,
                y=y,
                goal=goal,
                low=low,
                high=high,
                step=jnp.where(near, step, 0),
                jump=jnp.abs(goal - t),
                crossed=crossed,
                good=good,
                more=good & crossed & ~near & (c["tries"] < 80),
                tries=c["tries"] + 1,
                dt0=jnp.where(good, 4 * (sol.ts[-1] - t0) / n, dt0),
            )

        t0, t1, dt0 = (jnp.asarray(t, self.problem.ts.dtype) for t in (t0, t1, dt0))
        no, yes = jnp.asarray(False), jnp.asarray(True)
        c: dict[str, Any] = dict(
            t=t0, y=y0, goal=t1, low=t0, high=t1, step=0 * t0, jump=0 * t0 + jnp.inf
        )
        c |= dict(crossed=no, good=yes, more=yes, tries=jnp.int32(0), dt0=dt0)
        c = jax.lax.while_loop(lambda c: c["more"], attempt, c)
        # The times tried are constants; the last of Newton's steps hardly moves anything,
        # and carries the derivatives of the time of the spike.
        slopes = self.slopes(c["t"], c["y"])
        step = jnp.where(c["crossed"], c["step"], 0)
        y = {k: x + step * slopes[k] for k, x in c["y"].items()}
        dt0 = jax.lax.stop_gradient(jnp.where(c["dt0"] > 0, c["dt0"], dt0))
        return jnp.where(c["good"], c["t"] + step, t0), y, c["crossed"], c["good"], dt0


class _One(eqx.Module):
    """The current of neuron `i` of a population."""

    current: Callable[[Any], Any]
    i: Array
    shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, t: Any) -> Any:
        return jnp.broadcast_to(self.current(t), self.shape).reshape(-1)[self.i]


def error_norm(error: Any) -> Array:
    """Root mean square, where inf / inf is too large and not undefined.

    A step into overflow would otherwise be tried again and again, never shorter.
    """
    import optimistix

    size = optimistix.rms_norm(error)
    return jnp.where(jnp.isnan(size), jnp.inf, size)


def _crossing_level(model: AbstractNeuron, state: Any) -> Float[Array, ""]:
    """Where a neuron without reset fires, read off its own `spikes`."""
    far = jnp.full_like(state.v, 1e6)
    fires = lambda v: model.spikes(state._replace(v=-far), state._replace(v=v), 0.0) > 0

    def halve(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        return jnp.where(fires(middle), low, middle), jnp.where(fires(middle), middle, high)

    return jax.lax.stop_gradient(jax.lax.fori_loop(0, 80, halve, (-far, far))[1])


def _put(buffer: Array, i: Any, x: Array, on: Bool[Array, ""]) -> Array:
    return buffer.at[jnp.where(on, i, len(buffer))].set(x, mode="drop")
