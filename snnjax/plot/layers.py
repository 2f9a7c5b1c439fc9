"""Spikes on their way through a network."""

import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from snnjax.plot.spikes import raster
from snnjax.plot.style import array, colour, panels


def layers(
    image: Any,
    spikes: dict[str, Any],
    readout: Any,
    *,
    dt: float,
    label: Any,
    answer: int,
    ax: Any = None,
) -> np.ndarray:
    """One example through a classifier: the image, a raster a layer, the readout.

    - `image`: [height, width]. `spikes`: by name of the layer, [time, n]. `readout`:
      [time, classes]. `dt`: ms. `label`: what it is; `answer`: the class that was chosen.
    - `ax`: as many axes as there are layers, and two more.
    """
    n = len(spikes) + 2
    if ax is None:
        _, ax = plt.subplots(
            1, n, figsize=(1 + 2 * n, 3), layout="constrained",
            width_ratios=[1, *[2] * (n - 1)],
        )  # fmt: skip
    axes = panels(ax, n)
    axes[0].imshow(array(image), cmap="gray_r")
    axes[0].set_axis_off()
    axes[0].set_title(f"a {label}", fontsize="medium")
    for ax, (name, x) in zip(axes[1:-1], spikes.items(), strict=True):
        raster(x, dt=dt, ax=ax)
        ax.set_title(f"{name}, {array(x).sum():.0f} spikes", fontsize="medium")
    last, ts = axes[-1], (1 + np.arange(len(array(readout)))) * dt
    for k, v in enumerate(array(readout).T):
        chosen = k == answer
        style = (
            dict(color=colour(1), lw=2)
            if chosen
            else dict(color="black", lw=0.8, alpha=0.4)
        )
        last.plot(ts, v, **style)
    last.set_title(f"readout: {answer}", fontsize="medium")
    last.set_xlabel("time (ms)")
    last.set_ylabel("$v$ of each class")
    return axes


def save(axes: Any, path: str | os.PathLike, title: str = "", about: str = "") -> str:
    """Write the figure of `axes` to `path` and close it; returns the name of the file.

    `about`: how it was made, to be kept in a .png, .svg or .pdf.
    """
    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    if title:
        figure.suptitle(title, fontsize="medium")
    path = Path(path)
    key = "Subject" if path.suffix.lower() == ".pdf" else "Description"
    figure.savefig(path, dpi=150, metadata={key: about} if about else None)
    plt.close(figure)
    return path.name
