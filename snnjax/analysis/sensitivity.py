"""How a feature of a model depends on each of its parameters."""

import csv
import io
from collections.abc import Callable
from os import PathLike
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from snnjax.core import checks
from snnjax.core.parameters import map_parameters, parameters


class Sensitivity(NamedTuple):
    """How one feature depends on one parameter."""

    feature: str
    value: float  # of the feature
    parameter: str  # "tau_m", or "tau_m[3]" for that neuron
    at: float  # the parameter's value
    unit: str  # of the parameter
    slope: float  # d feature / d parameter
    elasticity: float  # d log feature / d log parameter: % of the feature for 1 %


class Sensitivities(tuple[Sensitivity, ...]):
    """Rows of `Sensitivity`, which print as a table."""

    def of(self, feature: str | None = None) -> dict[str, float]:
        """The slopes by parameter; `feature` may be left out if there is one."""
        known = list(dict.fromkeys(row.feature for row in self))
        if feature is None and len(known) > 1:
            raise ValueError(f"Sensitivities.of needs one of the features {known}.")
        feature = checks.one_of(feature or known[0], known, "Sensitivities.of: feature")
        return {row.parameter: row.slope for row in self if row.feature == feature}

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name."""
        return {name: [getattr(row, name) for row in self] for name in Sensitivity._fields}

    def to_csv(self, file: str | PathLike | None = None) -> str:
        """The table as text, written to `file` too if that is given."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(Sensitivity._fields)
        writer.writerows(self)
        if file is not None:
            with open(file, "w", newline="", encoding="utf-8") as f:
                f.write(out.getvalue())
        return out.getvalue()

    def __str__(self) -> str:
        head = ("parameter", "value", "unit", "slope", "elasticity")
        blocks = []
        for feature in dict.fromkeys(row.feature for row in self):
            rows = [row for row in self if row.feature == feature]
            cells = [
                (
                    r.parameter,
                    f"{r.at:.6g}",
                    r.unit,
                    f"{r.slope:.6g}",
                    f"{r.elasticity:.4g}",
                )
                for r in rows
            ]
            widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head))]
            left = (True, False, True, False, False)
            line = lambda row: "  ".join(
                x.ljust(w) if to_left else x.rjust(w)
                for x, w, to_left in zip(row, widths, left, strict=True)  # noqa: B023
            ).rstrip()
            title = f"{feature} = {rows[0].value:.6g}"
            blocks.append("\n".join([title, *map(line, [head, *cells])]))
        return "\n\n".join(blocks)


def sensitivities(
    measure: Callable[[Any], Any], model: Any, which: Any = None
) -> Sensitivities:
    """The derivative of each feature with respect to each parameter, by forward mode.

    - `measure`: a function of the model that gives a number, or a dictionary of numbers; it
      must be smooth in the parameters, as voltages, interpolated crossing times and spike
      times of `solve` are, and counts of spikes are not.
    - `which`: names of parameters, as `snn.parameters(model)` lists them; all by default.
      One that is an array has a row for each element.

    Costs about one run of `measure` for each parameter, all at once by `vmap`.
    """
    specs = {name: (jnp.asarray(value), spec) for name, value, spec in parameters(model)}
    if which is not None:
        which = [which] if isinstance(which, str) else list(which)
        which = [checks.one_of(name, specs, "sensitivities.which") for name in which]
        specs = {name: specs[name] for name in which}
    if not specs:
        raise ValueError(f"{type(model).__name__} has no parameters to be sensitive to.")
    values = {name: value for name, (value, _) in specs.items()}

    def features(values: dict[str, Any]) -> Any:
        found = measure(map_parameters(lambda name, x: values.get(name, x), model))
        found = found if isinstance(found, dict) else {_name(measure): found}
        for name, x in found.items():
            if jnp.shape(x) != ():
                raise ValueError(
                    f"sensitivities.measure must give single numbers, but {name!r} has shape "
                    f"{jnp.shape(x)}."
                )
        return {name: checks.as_float(x) for name, x in found.items()}

    flat, unravel = ravel_pytree(values)
    push = lambda tangent: jax.jvp(lambda x: features(unravel(x)), (flat,), (tangent,))
    found, slopes = jax.jit(jax.vmap(push, out_axes=(None, 0)))(
        jnp.eye(flat.size, dtype=flat.dtype)
    )
    labels = unravel(np.arange(flat.size))
    rows = []
    for feature, x in found.items():
        for name, (value, spec) in specs.items():
            for place in np.ndindex(value.shape):
                slope = float(slopes[feature][int(labels[name][place])]) + 0.0  # no -0
                at, x = float(value[place]), float(x)
                index = f"[{','.join(map(str, place))}]" if place else ""
                elasticity = slope * at / x + 0.0 if x else np.nan
                rows.append(
                    Sensitivity(feature, x, name + index, at, spec.unit, slope, elasticity)
                )
    return Sensitivities(rows)


def _name(measure: Callable[[Any], Any]) -> str:
    name = getattr(measure, "__name__", "<lambda>")
    return "feature" if name == "<lambda>" else name
