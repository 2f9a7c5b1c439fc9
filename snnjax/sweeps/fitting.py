"""Fitting parameters to data by gradient, and what the data say of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.trainable import Bounded, Constraint, Positive
from snnjax.sweeps.bind import bind
from snnjax.sweeps.fisher import Fisher, fisher
from snnjax.sweeps.fit_arguments import rules_of, start_points, start_values, with_data
from snnjax.sweeps.least_squares import (
    SOLVERS,
    Problem,
    Starts,
    jacobian_at,
    search,
)

SURE = 0.1  # relative standard error up to which a parameter counts as determined


class ParameterFit(NamedTuple):
    """What `fit_parameters` found; printed, a table.

    - `parameters`: the best, by name. `model`: the one given, with these in it.
    - `loss`: half the sum of squared residuals there. `n_data`: how many were measured.
    - `noise`: standard deviation of the residuals, estimated; 1.0 if the noise was given.
    - `fisher`: what the data say of each parameter; see `Fisher`.
    - `starts`: all of them; see `Starts`. `at_bound`: names that ended at a bound.
    """

    parameters: dict[str, Array]
    model: Any
    loss: float
    n_data: int
    noise: float
    fisher: Fisher
    starts: Starts
    at_bound: tuple[str, ...]

    @property
    def determined(self) -> dict[str, bool]:
        """By name, whether the standard error is below a tenth of the value."""
        errors = self.fisher.relative_errors < SURE
        return dict(zip(self.fisher.names, errors.tolist(), strict=True))

    @property
    def converged(self) -> bool:
        """Whether the best start ended by itself."""
        return bool(self.starts.converged[np.argmin(self.starts.loss)])

    def __str__(self) -> str:
        from snnjax.sweeps.fit_table import table

        return table(self)


def fit_parameters(
    predict: Callable,
    data: Any,
    start: Mapping[str, Any] | Iterable[str],
    *,
    model: Any = None,
    bounds: Mapping[str, Any] | None = None,
    noise: Any = None,
    residual: Callable | None = None,
    starts: int = 1,
    spread: float = 0.5,
    key: Any = None,
    method: Any = "lm",
    steps: int = 100,
) -> ParameterFit:
    r"""Find the parameters whose prediction is closest to `data`, and how sure they are.

    $$\hat\theta = \arg\min_\theta \tfrac{1}{2} \sum_i r_i(\theta)^2, \quad
      r_i = (\text{predict}(\theta)_i - \text{data}_i) / \text{noise}_i$$

        fit = snn.fit_parameters(
            lambda model: simulate(model, current, dt, record=Trace("v"), throw=False).ys,
            data=v, model=snn.HodgkinHuxley(), start={"g_na": 84.0, "g_k": 25.0}, noise=0.5,
        )
        print(fit)

    - `predict(**parameters)`: a tree of arrays of the shape of `data`: a voltage trace, spike
      times, rates, an f-I curve, features. With `model`, `predict(model, **rest)`: what is no
      argument of it is a leaf of the model, by path ("g_na", "threshold.level"). It must be
      differentiable in forward mode; `throw=False` in runs lets one start fail alone. If it
      takes a `key`, it gets the same one always.
    - `data`: NaN is not measured, and left out.
    - `start`: values by name, or names alone of leaves that start as they are in the model.
    - `bounds`: by name (low, high), (low, None), a `Bounded` or `Positive`, or None for no
      bounds. By default what the model declares of its parameters.
    - `noise`: standard deviation of the data, in their unit: a number, or a tree like `data`.
      None: one number, estimated from the residuals that are left.
    - `residual(prediction, data)`: residuals of your own, in units of the noise.
    - `starts`: how many searches, all at once: one from `start`, others from a Latin
      hypercube drawn with `key`. It fills two-sided bounds, and else reaches `spread` of the
      value of `start` to each side. The best is returned, all are reported.
    - `method`: "lm" (Levenberg-Marquardt), "dogleg", or a least-squares solver of optimistix,
      at most `steps` steps; or an optimiser of optax, which takes all of them. They move
      logits between two bounds, logarithms above one.

    Spiking traces are rugged: see `nudged` for a voltage that leads the search. A `predict`
    that is the same function compiles once for all data of a shape; arrays that it needs
    besides go in by `jax.tree_util.Partial(predict, v=v)`.

    `fisher` is that of Gaussian noise, independent in each sample and of the size given.

    Raises `ValueError` for names, shapes and bounds that do not fit, and where nothing finite
    is predicted at `start`.
    """
    values = start_values(start, model)
    bound = bind(predict, values, model, "fit_parameters", ("predict", "start"))
    if starts != 1 or bound.needs_key:
        if key is None:
            raise ValueError(
                f"fit_parameters.key is needed for starts={starts}, or a predict that takes a "
                "key: give key=jax.random.key(seed)."
            )
        key = checks.random_key(key, "fit_parameters.key")
    starts, steps = (
        checks.count(n, f"fit_parameters.{name}")
        for n, name in ((starts, "starts"), (steps, "steps"))
    )
    if isinstance(method, str):
        checks.one_of(method, SOLVERS, "fit_parameters.method")
    rules = rules_of(bound, values, bounds or {})
    draws, runs = (None, None) if key is None else jax.random.split(key)
    problem = Problem(
        predict=bound,
        rules=rules,
        scale={n: jnp.where(x == 0, 1, jnp.abs(x)) for n, x in values.items()},
        data=None,
        noise=None,
        compare=residual,
        key=runs,
    )
    problem, n_data = with_data(problem, values, data, noise)
    points = start_points(values, rules, starts, spread, draws)
    found = search(problem, points, method, steps)
    return _best(problem, found, n_data, noise is None and residual is None)


def _best(problem: Problem, found: Starts, n_data: int, estimate: bool) -> ParameterFit:
    i = int(np.argmin(found.loss))
    best = {n: jnp.asarray(x[i]) for n, x in found.parameters.items()}
    names = [
        n + (f"[{','.join(map(str, at))}]" if at else "")
        for n, x in sorted(best.items())  # the order in which a dict is flattened
        for at in np.ndindex(x.shape)
    ]
    jacobian = np.asarray(jacobian_at(problem, best))
    if not np.isfinite(jacobian).all():
        raise ValueError(
            "fit_parameters.predict has a slope that is not finite at "
            f"{ {n: x.tolist() for n, x in best.items()} }, from which no search goes on. "
            "Start elsewhere, or keep 0 from the argument of a sqrt or log by jnp.where."
        )
    flat = np.concatenate([np.ravel(x) for _, x in sorted(best.items())])
    noise, loss = 1.0, float(found.loss[i])
    if estimate:
        free = n_data - len(names)
        noise = float(np.sqrt(2 * loss / free)) if free > 0 else np.inf
    if noise > 0:  # 0: the data are met exactly, and there is no scale to measure with
        jacobian = jacobian / noise
    bound = problem.predict
    model = None
    if bound.model is not None:
        model = bound._replace(function=lambda model, **_: model)(best)
    return ParameterFit(
        best,
        model,
        loss,
        n_data,
        noise,
        fisher(jacobian, flat, names),
        found,
        tuple(
            n for n, x in best.items() if _at_bound(problem.rules.get(n), x, found.start[n])
        ),
    )


def _at_bound(rule: Constraint | None, x: Array, starts: Array) -> bool:
    """To a thousandth of the way between two bounds, or from the start to the only one."""
    if isinstance(rule, Bounded):
        near = jnp.minimum(x - rule.low, rule.high - x) < 1e-3 * (rule.high - rule.low)
    elif isinstance(rule, Positive):
        near = x - rule.bound < 1e-3 * (starts[0] - rule.bound)
    else:
        return False
    return bool(near.any())
