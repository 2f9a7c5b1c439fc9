"""Eligibility propagation."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from snnjax.layers import LeakyIntegrator, Linear
from snnjax.training.eligibility import (
    AbstractRule,
    DiagonalRTRL,
    advance,
    contract,
    is_cell,
    route,
)


class EProp(AbstractRule):
    r"""Eligibility propagation: one layer of neurons, recurrent or not, and a leaky readout.

    $$dE/d\theta_j \approx \sum_t L_j^t \, F_\kappa(e_j^t), \quad
    e_j^t = d s_j^t / d\theta_j, \quad L_j^t = \sum_k B_{kj} \, \partial E_t / \partial y_k^t$$

    e is that of `DiagonalRTRL`; $F_\kappa$ is the low-pass filter that the readout is, so its
    memory counts in full. With B the readout's weight (`feedback=None`: symmetric e-prop) the
    gradient is that of backpropagation through time with the recurrent spikes taken as
    given.

    - `feedback`: B [outputs, neurons]. Kept as it is, it makes random e-prop. Moved by the
      updates of the readout's weight while both decay, it makes adaptive e-prop.

    The trace of an adaptive threshold takes `AdaptiveLIF(detach_reset=False)`: else no
    gradient reaches the rise of the threshold at a spike.
    Bellec et al. 2020, Nat. Commun. 11:3625.
    """

    feedback: Array | None = None

    def init(self, model, names, step):
        hidden = self._hidden(model, names)
        if self.feedback is not None:
            line: Any = model.layers[-2]
            shape = line.weight.shape
            if jnp.shape(self.feedback) != shape:
                raise ValueError(
                    f"EProp.feedback must have the shape of the readout's weight, "
                    f"{shape}, got {jnp.shape(self.feedback)}."
                )
        traces = DiagonalRTRL().init(model, names, step)
        readout, width = model.layers[-1], step.signals[len(model.layers) - 3].shape
        count = lambda name: jax.tree.leaves(traces[name])[0].shape[0]
        filtered = {n: readout.init((count(n), *width)) for n in hidden}
        return traces, filtered

    def step(self, model, names, traces, step):
        cell, readout = len(model.layers) - 3, model.layers[-1]
        line: Any = model.layers[-2]
        back = line.weight if self.feedback is None else self.feedback
        signals = {cell: step.signals[-1] @ back, cell + 2: step.signals[-1]}
        (traces, filtered), grads = traces, {}
        traces, slopes = advance(model, names, traces, step)
        filtered = dict(filtered)
        for name in filtered:  # the readout is linear: it filters slopes as it does spikes
            filtered[name], slopes[name] = readout.step(
                filtered[name], slopes[name], step.dt
            )
        for name in names:
            signal = signals[route(model, name).cell]
            grads[name] = contract(model, name, signal, slopes[name])
        return (traces, filtered), grads

    def _hidden(self, model, names):
        layers = model.layers
        form = len(layers) >= 3 and isinstance(layers[-1], LeakyIntegrator)
        form = form and isinstance(layers[-2], Linear) and is_cell(layers[-3])
        if not form or any(is_cell(layer) for layer in layers[:-3]):
            raise ValueError(
                "method='eprop' takes one layer of neurons, Linear and LeakyIntegrator as the "
                "last three layers, such as Sequential(Linear, Recurrent(LIF, ...), Linear, "
                "LeakyIntegrator()). Use method='d-rtrl' for other models."
            )
        if layers[-1].tau_m.size != 1:
            raise ValueError(
                f"method='eprop' needs one tau_m for the readout, got "
                f"{layers[-1].tau_m.size}. Use method='d-rtrl'."
            )
        cell = len(layers) - 3
        return [n for n in names if route(model, n).cell == cell]
