"""Least squares from many starts at once."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from snnjax.core.trainable import Constraint
from snnjax.sweeps.bind import Bound

SOLVERS = {"lm": "LevenbergMarquardt", "dogleg": "Dogleg"}


class Problem(eqx.Module):
    """Residuals of a prediction, as a function of numbers that have no bounds."""

    predict: Bound
    rules: dict[str, Constraint]
    scale: dict[str, Array]  # of parameters without a rule
    data: Any
    noise: Any
    compare: Any  # (prediction, data) -> residuals; None is (prediction - data) / noise
    key: Any

    def free(self, values: dict[str, Array]) -> dict[str, Array]:
        return {
            n: self.rules[n].free(x) if n in self.rules else x / self.scale[n]
            for n, x in values.items()
        }

    def values(self, free: dict[str, Array]) -> dict[str, Array]:
        return {
            n: self.rules[n].bounded(x) if n in self.rules else x * self.scale[n]
            for n, x in free.items()
        }

    def residuals(self, values: dict[str, Array]) -> Array:
        """In units of the noise, as a vector; 0 for what was not measured."""
        prediction = self.predict(values, self.key)
        if self.compare is not None:
            return ravel_pytree(self.compare(prediction, self.data))[0]
        return ravel_pytree(jax.tree.map(_residual, prediction, self.data, self.noise))[0]

    def loss(self, values: dict[str, Array]) -> Array:
        return 0.5 * jnp.sum(self.residuals(values) ** 2)


class Starts(NamedTuple):
    """Each start of a fit, on the first axis: where it began and where it came to.

    - `start`, `parameters`: by name. `loss`: half the sum of squared residuals.
    - `converged`: whether the search ended by itself; `steps`: how many it took.
    - `finite`: whether the prediction was finite at the start; else it was given up.
    """

    start: dict[str, Array]
    parameters: dict[str, Array]
    loss: Array
    converged: Array
    steps: Array
    finite: Array


def search(problem: Problem, starts: dict[str, Array], method: Any, steps: int) -> Starts:
    """All `starts` (values by name, stacked) fitted at once; the first must be finite."""
    finite = np.isfinite(losses_at(problem, starts))
    if not finite[0]:
        at = {n: x[0].tolist() for n, x in starts.items()}
        raise ValueError(
            f"fit_parameters.predict is not finite at start={at}. Start elsewhere, or mark "
            "what is never predicted with NaN in the data."
        )
    values, converged, taken = _search(problem, starts, method, steps)
    loss = np.nan_to_num(losses_at(problem, values), nan=np.inf, posinf=np.inf)
    converged = np.asarray(converged) & np.isfinite(loss)
    begun, values, taken = jax.tree.map(np.asarray, (starts, values, taken))
    return Starts(begun, values, loss, converged, taken, finite)


@eqx.filter_jit
def losses_at(problem: Problem, values: dict[str, Array]) -> Array:
    """Of each of the stacked `values`."""
    return jax.vmap(problem.loss)(values)


@eqx.filter_jit
def jacobian_at(problem: Problem, values: dict[str, Array]) -> Array:
    """Of the residuals, [samples, parameters]; forward mode, one pass a parameter."""
    flat, tree = ravel_pytree(values)
    return jax.jacfwd(lambda x: problem.residuals(tree(x)))(flat)


@eqx.filter_jit
def _search(problem, starts, method, steps):
    run = _descend if hasattr(method, "update") else _solve
    one = lambda x: run(problem, problem.free(x), method, steps)
    free, converged, taken = jax.vmap(one)(starts)
    return jax.vmap(problem.values)(free), converged, taken


def _solve(problem, free, method, steps):
    import optimistix

    if isinstance(method, str):
        tolerance = float(jnp.finfo(jnp.result_type(*free.values())).eps) ** 0.5
        method = getattr(optimistix, SOLVERS[method])(tolerance, tolerance)
    solution = optimistix.least_squares(
        lambda x, _: problem.residuals(problem.values(x)),
        *(method, free),
        options={"jac": "fwd"},
        max_steps=steps,
        throw=False,
    )
    converged = solution.result == optimistix.RESULTS.successful
    return solution.value, converged, solution.stats["num_steps"]


def _descend(problem, free, optimizer, steps):
    """The best point on the way: optimisers need not go down at each step."""
    flat, tree = ravel_pytree(free)

    def step(carry, _):
        x, state, best, least = carry
        residuals = lambda x: problem.residuals(problem.values(tree(x)))
        r, jacobian = residuals(x), jax.jacfwd(residuals)(x)
        loss = 0.5 * jnp.sum(r**2)
        best = jnp.where(loss < least, x, best)
        least = jnp.where(loss < least, loss, least)
        update, state = optimizer.update(r @ jacobian, state, x)
        return (x + update, state, best, least), least

    start = (flat, optimizer.init(flat), flat, jnp.asarray(jnp.inf, flat.dtype))
    (_, _, best, least), path = jax.lax.scan(step, start, length=steps)
    slack = 1e-3 * least + jnp.finfo(flat.dtype).eps ** 0.5
    settled = path[-1 - steps // 10] <= least + slack
    return tree(best), settled, steps


def _residual(prediction: Array, data: Array, noise: Array) -> Array:
    measured = ~jnp.isnan(data)
    return jnp.where(measured, (prediction - jnp.where(measured, data, 0)) / noise, 0)
