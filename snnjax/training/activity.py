"""Which layers are silent, which saturated, and what to do about it."""

from collections import OrderedDict
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.parameters import parameters
from snnjax.core.unroll import unroll
from snnjax.layers.parts import part_at


class LayerActivity(NamedTuple):
    """What one spiking layer did."""

    name: str  # as `unroll_all` has it
    neurons: int
    rate: float  # spikes per step, mean over time, batch and neurons
    rate_hz: float
    silent: float  # fraction of neurons without a single spike
    saturated: float  # fraction of neurons near the most spikes they can fire
    remedy: str  # "" if nothing is wrong


class ActivityReport(tuple[LayerActivity, ...]):
    """What `activity_report` returns: one `LayerActivity` a layer; printed, a table."""

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name."""
        return {name: [getattr(r, name) for r in self] for name in LayerActivity._fields}

    @property
    def silent(self) -> list[str]:
        """Names of the layers of which too many neurons never fire."""
        return [r.name for r in self if r.remedy.startswith("silent")]

    @property
    def saturated(self) -> list[str]:
        """Names of the layers of which too many neurons fire all the time."""
        return [r.name for r in self if r.remedy.startswith("saturated")]

    def __str__(self) -> str:
        head = ("layer", "neurons", "per step", "Hz", "silent", "saturated")
        cells = [
            (
                r.name or "(whole)",
                str(r.neurons),
                f"{r.rate:.4f}",
                f"{r.rate_hz:.1f}",
                f"{100 * r.silent:.1f} %",
                f"{100 * r.saturated:.1f} %",
            )
            for r in self
        ]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        line = lambda row: "  ".join(
            [row[0].ljust(widths[0])]
            + [x.rjust(w) for x, w in zip(row[1:], widths[1:], strict=True)]
        )
        advice = [f"{r.name or '(whole)'} is {r.remedy}" for r in self if r.remedy]
        return "\n".join([line(head), *map(line, cells), *advice])


def activity_report(
    model: AbstractDynamics,
    inputs: Any,
    dt: float = 1.0,
    *,
    key: Any = None,
    state: Any = None,
    batch_axes: int = 1,
    limit: float = 0.5,
    near: float = 0.9,
) -> ActivityReport:
    """How much each spiking layer of `model` fires for `inputs`, and what is wrong with that.

    A neuron is silent if it never fires in the whole batch, and saturated if it fires at
    `near` or more of the most it can: once a step, or with an absolute refractory time
    `t_ref` once in t_ref + dt. Neither has a useful surrogate gradient. A layer is named
    silent or saturated, with a remedy, if more than the fraction `limit` of its neurons is.

        print(snn.activity_report(net, batch))

    - `inputs`: [time, batch, ...]. `batch_axes`: how many axes after time are no neurons;
      0 for one sample without a batch.
    - `dt`: ms. `key`, `state`: as in `unroll`.
    """
    require_model(model, "activity_report.model")
    for name, x in (("limit", limit), ("near", near)):
        checks.at_most(
            checks.at_least(x, 0, f"activity_report.{name}"), 1, f"activity_report.{name}"
        )
    rows: list[LayerActivity] = []
    for name, rates in _mean_rates(model, inputs, dt, key, state, batch_axes).items():
        rates = np.asarray(rates)
        silent = float(np.mean(rates == 0))
        saturated = float(
            np.mean(rates >= near * _most(part_at(model, name), rates.shape, dt))
        )
        remedy = ""
        if silent > limit:
            remedy = _for_silence(silent, rows)
        elif saturated > limit:
            remedy = _for_saturation(saturated)
        rate = float(rates.mean())
        rows.append(
            LayerActivity(
                name, rates.size, rate, 1000 * rate / dt, silent, saturated, remedy
            )
        )
    return ActivityReport(rows)


def _mean_rates(model, inputs, dt, key, state, batch_axes) -> dict[str, Any]:
    """Spikes per step of each neuron of each spiking part, by name, in order."""

    @eqx.filter_jit
    def run(model, inputs, key, state):
        layers = unroll(model, inputs, dt, key=key, state=state, layers=True).layers
        spikes = {
            name: x
            for name, x in layers.items()
            if getattr(part_at(model, name), "spiking", False)
        }
        if not spikes:
            raise ValueError(
                f"activity_report.model has no spiking layer, among {', '.join(layers)}."
            )
        axes = tuple(range(1 + batch_axes))
        for name, x in spikes.items():
            if jnp.ndim(x) <= len(axes):
                raise ValueError(
                    f"activity_report.batch_axes={batch_axes} leaves no neurons in {name} of "
                    f"shape {x.shape}, time first. For one sample without a batch give 0."
                )
        return OrderedDict((name, x.mean(axes)) for name, x in spikes.items())

    return run(model, inputs, key, state)


def _most(part, shape, dt) -> np.ndarray:
    """The most spikes per step that each neuron of `part` can fire."""
    held = np.zeros(shape)
    for name, value, _ in parameters(part):
        if name.split(".")[-1] == "t_ref":
            # As the neurons count it down: a step is waited if more than half of it is left.
            held = np.maximum(held, np.ceil(np.asarray(value) / dt - 0.5))
    return 1 / (1 + held)


def _for_silence(silent: float, before: list[LayerActivity]) -> str:
    text = f"silent: {100 * silent:.0f} % of its neurons never fire. "
    if before and before[-1].remedy.startswith("silent"):
        return text + f"Its input is too: begin with {before[-1].name}."
    return text + (
        "Let `initialise(model, inputs)` scale the weights before it, raise their gain, lower "
        "its threshold, lengthen tau_m, or add a regulariser against low rates."
    )


def _for_saturation(saturated: float) -> str:
    return (
        f"saturated: {100 * saturated:.0f} % of its neurons fire nearly as often as they can. "
        "Let `initialise(model, inputs)` scale the weights before it, lower their gain or "
        "bias, raise its threshold, or add a regulariser against high rates."
    )
