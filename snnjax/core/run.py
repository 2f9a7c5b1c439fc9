"""The compiled part of a run: nested scans over one model's `step`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.drive import Drive
from snnjax.core.parameters import guard_parameters
from snnjax.core.recorders import AbstractRecorder, Now


class RunState(eqx.Module):
    """Where a run stands: pass it to `simulate` as `state=` to go on from there.

    - `model`: the model's state. `step`: how many steps were taken, for inputs that depend on
      time. `bins`: what recorders hold; a run with the same recorders goes on with them, one
      with others begins anew.

    `RunState(model_state)` starts a run from a state of one's own.
    """

    model: Any
    step: Int[Array, ""] = eqx.field(
        default=0, converter=lambda i: jnp.asarray(i, jnp.int32)
    )
    bins: Any = None


class Run(eqx.Module):
    """All of a run but its state and length."""

    model: AbstractDynamics
    drive: Drive
    dt: Any
    recorders: list[AbstractRecorder]
    guarded: bool = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, state: RunState, n_steps: int) -> tuple[RunState, list[Any], Any]:
        """(state after `n_steps`, what each recorder emitted, whether all is finite)."""
        run = self
        if self.guarded:
            bad = ~((self.dt > 0) & jnp.isfinite(self.dt))
            message = "simulate.dt must be finite and above 0 ms."
            dt = checks.raise_if(self.dt, bad, jnp.int32(0), [message])
            run = eqx.tree_at(lambda r: r.dt, self, guard_parameters(self.model, dt))
        output, bins = run.open_bins(state)
        opened = run.model.open(state.model, run.dt.astype(run.drive.dtype))
        carry = (opened, state.step, output, bins)
        periods = sorted({r.every for r in run.recorders if r.every})
        carry, ys = run.block(carry, run.drive.arrays, n_steps, periods)
        (model_state, i, output, bins) = carry
        model_state = run.model.close(model_state)
        now = Now(i - 1, run.dt)
        for k, r in enumerate(run.recorders):
            if r.every is None:
                ys[k] = r.result(bins[k], now, model_state, output)
        finite, names = finite_leaves(model_state)
        if self.guarded and names:
            name = type(run.model).__name__
            messages = [non_finite_message(n, name) for n in names]
            model_state, ys = checks.raise_if(
                (model_state, ys), ~finite.all(), jnp.argmin(finite), messages
            )
        final = RunState(model_state, i, (run.recorders, bins))
        return final, [ys[k] for k in range(len(run.recorders))], finite.all()

    def with_recorders(self, recorders: list[AbstractRecorder]) -> "Run":
        """The same run with other recorders."""
        return Run(self.model, self.drive, self.dt, recorders, self.guarded)

    def step_function(self, state: RunState) -> tuple[Any, Any]:
        """Shapes of one step's (state, output); refuses a step that changes the state's."""
        self.require_own(state)
        dt = self.dt.astype(self.drive.dtype)
        slices = [None if x is None else x[0] for x in self.drive.arrays]
        first = lambda: self.model.step(
            state.model, self.drive.at(slices, state.step, self.dt), dt
        )
        with _refusing(self.model):
            new, output = jax.eval_shape(first)
        _require_same(state.model, new, type(self.model).__name__)
        return new, output

    def require_own(self, state: RunState) -> None:
        """Refuse a state of another type than the model's own."""
        try:
            own = jax.eval_shape(
                lambda: self.model.init(
                    self.drive.shape(self.dt), key=jax.random.key(0), dt=self.dt
                )
            )
        except (TypeError, ValueError):
            return  # such as for a population of another shape than its input
        if jax.tree.structure(state.model) != jax.tree.structure(own):
            raise ValueError(
                f"simulate.state is of another model: {type(self.model).__name__} has the "
                f"state {_outline(own)}, got {_outline(state.model)}. Check state=: give "
                "what a run of this model ended with, or RunState(model.init(shape))."
            )

    @eqx.filter_jit
    def opened(self, state: RunState) -> RunState:
        """`state` with the recorders' carries in it, as every chunk but the first has it."""
        bins = (self.recorders, self.open_bins(state)[1])
        return RunState(state.model, state.step, bins)

    @eqx.filter_jit
    def nothing(self, state: RunState) -> list[Any]:
        """What the recorders give of no step at all."""
        output, bins = self.open_bins(state)
        now = Now(state.step - 1, self.dt)
        ys = [
            r.result(held, now, state.model, output)
            for r, held in zip(self.recorders, bins, strict=True)
        ]
        none = lambda y: jnp.asarray(y)[None][:0]
        return [
            y if r.every is None else jax.tree.map(none, y)
            for r, y in zip(self.recorders, ys, strict=True)
        ]

    def open_bins(self, state: RunState) -> tuple[Any, list[Any]]:
        """(an output of zeros, the carries: of `state` if it has those of the recorders)."""
        _, output = self.step_function(state)
        output = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), output)
        if state.bins is not None:
            recorders, bins = state.bins
            if jax.tree.structure(recorders) == jax.tree.structure(self.recorders):
                return output, bins
        return output, [r.init(state.model, output) for r in self.recorders]

    def one(self, carry: Any, slices: list[Any]) -> tuple[Any, dict[int, Any]]:
        """One step of model and recorders."""
        state, i, _, bins = carry
        input = self.drive.at(slices, i, self.dt)
        state, output = self.model.step(state, input, self.dt.astype(self.drive.dtype))
        now = Now(i, self.dt)
        bins = [
            r.update(b, now, state, output)
            for r, b in zip(self.recorders, bins, strict=True)
        ]
        return (state, i + 1, output, bins), {}

    def block(
        self, carry: Any, arrays: Any, n: int, periods: list[int]
    ) -> tuple[Any, dict]:
        """`n` steps as nested scans, one level a period: (carry, emitted by recorder)."""
        if not periods:
            if n == 1:
                return self.one(carry, jax.tree.map(lambda x: x[0], arrays))
            # A plain function: jax hashes what it scans, and a bound method holds tracers.
            one = lambda carry, slices: self.one(carry, slices)
            return jax.lax.scan(one, carry, arrays, length=n)
        *inner, period = periods

        def body(carry, arrays):
            carry, ys = self.block(carry, arrays, period, inner)
            state, i, output, bins = carry
            bins, now = list(bins), Now(i - 1, self.dt)
            for k, r in enumerate(self.recorders):
                if r.every == period:
                    ys[k] = r.result(bins[k], now, state, output)
                    bins[k] = r.init(state, output)
            return (state, i, output, bins), ys

        split = lambda x: x.reshape(n // period, period, *x.shape[1:])
        carry, ys = jax.lax.scan(
            body, carry, jax.tree.map(split, arrays), length=n // period
        )
        join = lambda x: x.reshape(-1, *x.shape[2:])
        nested = {
            k: jax.tree.map(join, y)
            for k, y in ys.items()
            if self.recorders[k].every != period
        }
        return carry, {**ys, **nested}

    @eqx.filter_jit
    def first_bad_step(self, state: RunState, n_steps: int) -> tuple[Any, Any]:
        """(steps that went well, which leaves of the state are finite after the next)."""
        dt = self.dt.astype(self.drive.dtype)

        def more(carry):
            i, state = carry
            return (i < n_steps) & finite_leaves(state)[0].all()

        def step(carry):
            i, at = carry
            slices = [None if x is None else x[i] for x in self.drive.arrays]
            input = self.drive.at(slices, state.step + i, self.dt)
            return i + 1, self.model.step(at, input, dt)[0]

        i, last = jax.lax.while_loop(more, step, (jnp.int32(0), state.model))
        return i - 1, finite_leaves(last)[0]

    @eqx.filter_jit
    def stiffness(self, state: RunState) -> dict[str, Any]:
        self.require_own(state)
        slices = [None if x is None else x[0] for x in self.drive.arrays]
        input = self.drive.at(slices, state.step, self.dt)
        with _refusing(self.model):
            return self.model.stiffness(
                state.model, input, self.dt.astype(self.drive.dtype)
            )


def non_finite_message(leaf: str, model: str, input: Any = None) -> str:
    """`input`: the value that is not finite in the input of the step, if there is one."""
    state = f"The state {leaf} of {model} is no longer finite"
    if input is None:
        return f"{state}. Try a smaller dt, or throw=False."
    return f"{state}, as the input was not: got {input}. Correct the input of this step."


def finite_leaves(state: Any) -> tuple[Any, list[str]]:
    """(whether each float leaf of `state` is finite throughout, their names)."""
    leaves = [
        (jax.tree_util.keystr(path, simple=True, separator="."), x)
        for path, x in jax.tree_util.tree_leaves_with_path(state)
        if eqx.is_inexact_array(x)
    ]
    if not leaves:
        return jnp.ones(1, bool), []
    return jnp.stack([jnp.isfinite(x).all() for _, x in leaves]), [n for n, _ in leaves]


@contextlib.contextmanager
def _refusing(model: AbstractDynamics) -> Iterator[None]:
    """What goes wrong in the first look at a step is a state or input of the wrong form."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__} cannot step from this state with this input ({error}). "
            "Check state= and shape= against the model and the shape of one step's input."
        ) from error


def _outline(state: Any) -> str:
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(state)]
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path in paths]
    return f"{type(state).__name__}({', '.join(names)})"


def _require_same(old: Any, new: Any, model: str) -> None:
    describe = lambda tree: {
        jax.tree_util.keystr(p, simple=True, separator="."): f"{x.dtype}{list(x.shape)}"
        for p, x in jax.tree_util.tree_leaves_with_path(tree)
    }
    old, new = describe(old), describe(new)
    if old != new:
        changed = [
            f"{k} {old.get(k, '-')} -> {new.get(k, '-')}"
            for k in {**old, **new}
            if old.get(k) != new.get(k)
        ]
        raise ValueError(
            f"The state of {model} does not fit its input: one step changes {'; '.join(changed)}. "
            "Check state= and shape= against the shape of one step's input."
        )
