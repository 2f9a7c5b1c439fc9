"""Train a spiking network on the handwritten digits."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.base import AbstractDynamics
from snnjax.core.files import load, save
from snnjax.core.surrogates import SuperSpike
from snnjax.core.threshold import Threshold
from snnjax.core.unroll import unroll
from snnjax.datasets import Split, digits
from snnjax.layers import LeakyIntegrator, Linear, Sequential
from snnjax.neurons import LIF
from snnjax.training import BernoulliCode, History, LatencyCode, evaluate, fit


class DigitsResult(NamedTuple):
    """A trained network, how it came about, and what it does with the test set."""

    network: Sequential
    history: History
    data: Split
    encode: Any
    outputs: np.ndarray  # [time, n_test, 10]
    validation_accuracy: float  # at the epoch chosen
    test_accuracy: float
    layer_outputs: list[np.ndarray]  # of each layer for the first test digit, [time, n]
    inputs: np.ndarray  # its spikes, [time, 64]
    reloaded_identical: (
        bool  # whether the network, saved and loaded, gives the same outputs
    )

    @property
    def predicted(self) -> np.ndarray:
        """The label that each test digit was given."""
        return self.outputs.mean(0).argmax(-1)


def digits_network(hidden: int, key: Any) -> Sequential:
    """64 pixels -> LIF -> LIF -> 10 leaky integrators, `hidden` neurons in each LIF layer."""
    k1, k2, k3 = jax.random.split(key, 3)

    def lif() -> LIF:
        # Potentials count in thresholds, and an input of 1 for 1 ms moves v by about 1.
        surrogate = SuperSpike(beta=10.0)
        return LIF(
            tau_m=20.0,
            g_l=1 / 20.0,
            e_l=0.0,
            v_reset=0.0,
            t_ref=None,
            threshold=Threshold(1.0, surrogate),
            reset_mode="subtract",
        )

    return Sequential(
        Linear(64, hidden, key=k1),
        lif(),
        Linear(hidden, hidden, key=k2),
        lif(),
        Linear(hidden, 10, key=k3),
        LeakyIntegrator(tau_m=20.0),
    )


def train_digits(
    *,
    seed: int = 0,
    epochs: int = 30,
    hidden: int = 256,
    n_steps: int = 32,
    code: str = "rate",
    learning_rate: float = 3e-3,
    batch_size: int = 64,
    checkpoint: Any = None,
    progress: bool = True,
) -> DigitsResult:
    """Train on the digits split by `seed`; the epoch is chosen on the validation set.

    `code` is "rate" (each step a spike with the probability of the pixel's brightness) or
    "latency" (one spike a pixel, bright ones first), over `n_steps` steps of 1 ms; the loss is
    the cross-entropy of the mean output, and `learning_rate` falls to 0 as a cosine.
    `checkpoint`: a folder to go on from after an interruption, as in `fit`.
    """
    import optax

    codes = {"latency": LatencyCode, "rate": BernoulliCode}
    if code not in codes:
        raise ValueError(f"code must be one of {sorted(codes)}, got {code!r}.")
    encode, data = codes[code](n_steps), digits(seed)
    network_key, fit_key, test_key = jax.random.split(jax.random.key(seed), 3)
    n_updates = epochs * (len(data.train[0]) // batch_size)
    schedule = optax.cosine_decay_schedule(learning_rate, n_updates)
    network, history = fit(
        digits_network(hidden, network_key),
        data.train,
        validation=data.validation,
        encode=encode,
        optimizer=optax.adamw(schedule, weight_decay=1e-3),
        key=fit_key,
        epochs=epochs,
        batch_size=batch_size,
        checkpoint=checkpoint,
        progress=progress,
    )
    tested = evaluate(network, data.test, encode=encode, key=test_key)
    inputs = encode(jnp.asarray(data.test[0][:1]), test_key)
    layers = unroll(network, inputs, layers=True).layers
    again = evaluate(_saved_and_loaded(network), data.test, encode=encode, key=test_key)
    return DigitsResult(
        network,
        history,
        data,
        encode,
        np.asarray(tested.outputs),
        float(history.validation_score[history.best_epoch]),
        float(tested.score),
        [np.asarray(x[:, 0]) for x in layers.values()],
        np.asarray(inputs[:, 0]),
        bool(np.array_equal(tested.outputs, again.outputs)),
    )


def _saved_and_loaded(network: AbstractDynamics) -> AbstractDynamics:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.eqx"
        save(path, network)
        blank = jax.tree.map(lambda x: 0 * x if eqx.is_inexact_array(x) else x, network)
        return load(path, blank)
