"""Learning rules: their windows, and what synapses have come to look like."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from snnjax.plasticity import AbstractRule, replay
from snnjax.plot.style import SEQUENTIAL, array, colour, legend, one


def stdp_window(
    rule: AbstractRule | dict[str, AbstractRule],
    *,
    reach: float = 80.0,
    dt: float = 1.0,
    weight: float = 0.5,
    ax: Axes | None = None,
    **modulators: Any,
) -> Axes:
    """The change of a weight by one pair of spikes, measured, against the time between them.

    - `rule`: one, or several by name. `reach`: ms on each side. `weight`: before the pair.
    - `modulators`: what the rule needs, such as `reward=1.0`, constant in time.
    """
    n = round(reach / dt)
    gaps = jnp.arange(-n, n + 1)

    def change(rule, gap):
        at = lambda step: jnp.zeros(4 * n + 2).at[step].set(1.0)
        w = replay(rule, at(2 * n), at(2 * n + gap), dt, weights=weight, **modulators)
        return w.weights[0, 0] - weight

    ax = one(ax)
    named = rule if isinstance(rule, dict) else {None: rule}
    for i, (name, each) in enumerate(named.items()):
        changes = jax.vmap(lambda gap, each=each: change(each, gap))(gaps)
        ax.plot(array(gaps) * dt, array(changes), color=colour(i), label=name, lw=1.5)
    ax.axhline(0, color="0.6", lw=0.8, zorder=0)
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set_xlabel("$t_{post} - t_{pre}$ (ms)")
    ax.set_ylabel("change of weight")
    legend(ax)
    return ax


def receptive_fields(
    fields: Any, *, columns: int | None = None, ax: Axes | None = None
) -> Axes:
    """Weights of many cells as a mosaic of images, each scaled by itself.

    - `fields`: [cells, height, width]. `columns`: cells in a row, by default as in a square.
    """
    x = array(fields)
    if x.ndim != 3:
        raise ValueError(
            f"receptive_fields.fields must be [cells, height, width], got shape {x.shape}."
        )
    n, h, w = x.shape
    columns = int(np.ceil(np.sqrt(n))) if columns is None else columns
    rows = -(-n // columns)
    low = x.min((1, 2), keepdims=True)
    x = (x - low) / np.maximum(x.max((1, 2), keepdims=True) - low, 1e-12)
    mosaic = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1), np.nan)
    for k in range(n):
        i, j = divmod(k, columns)
        mosaic[i * (h + 1) :, j * (w + 1) :][:h, :w] = x[k]
    size = 0.5 + 4.0 * columns / max(rows, columns), 0.5 + 4.0 * rows / max(rows, columns)
    ax = one(ax, size)
    ax.imshow(mosaic, cmap=SEQUENTIAL)
    ax.set_axis_off()
    return ax
