"""Learning target spike trains by a local rule, trial after trial."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.core import checks
from snnjax.core.arguments import model_dtype
from snnjax.measures import padded_spike_times, schreiber
from snnjax.networks.population import Population
from snnjax.plasticity.rule import AbstractRule, RuleState, Signals
from snnjax.plasticity.wiring import Pairs

MOST_SPIKES = 64  # of a train, that its correlation is taken of


class Trials(NamedTuple):
    """What `learn_trials` returns."""

    weights: Float[Array, "n_in n_out"]  # at the end
    correlation: Float[Array, "epochs trials n_out"]  # of output and target train
    spikes: Float[Array, "epochs trials steps n_out"]  # of the outputs


def learn_trials(
    rule: AbstractRule,
    cells: Population,
    inputs: Float[ArrayLike, "trials steps n_in"],
    targets: Float[ArrayLike, "trials steps n_out"],
    dt: float,
    *,
    epochs: int,
    weights: Float[ArrayLike, "n_in n_out"],
    sigma: float = 2.0,
    **modulators: Any,
) -> Trials:
    """Weights onto `cells` after `epochs` of presenting all trials to a learning rule.

        cells = snn.Population(snn.LIF(...), 1, snn.Exponential(5.0))
        task = snn.datasets.spike_pattern_association()
        result = snn.learn_trials(
            snn.plasticity.ReSuMe(), cells, task.inputs, task.targets, 1.0,
            epochs=100, weights=w,
        )

    Each trial begins at rest, with traces at rest, and goes on with the weights of the one
    before. An input spike has the delay of one step: it arrives as the next step begins, as
    in a `Network` without delays. The outputs are those of the learning neuron.

    - `cells`: one output a neuron, with the one receptor that inputs arrive at.
    - `inputs`, `targets`: spikes of each step, 0.0 or 1.0. `dt`: ms.
    - `weights`: at the start.
    - `sigma`: ms, of the correlation, `measures.schreiber` of the first 64 spikes.
    - Others by name: what the rule needs beside "target" and "end", such as `label=`:
      [trials], [trials, n_out] or one for each step too.

    It can be vmapped over all arrays, as over seeds.
    """
    dtype = jnp.result_type(model_dtype(rule), model_dtype(cells.neuron))
    given = (("inputs", inputs), ("targets", targets), ("weights", weights))
    inputs, targets, w = (
        checks.finite(x, f"learn_trials.{name}").astype(dtype) for name, x in given
    )
    expected = (*inputs.shape[:2], cells.size)
    if inputs.ndim != 3 or targets.shape != expected:
        raise ValueError(
            "learn_trials.inputs must be spikes [trials, steps, inputs] and targets spikes "
            f"[trials, steps, {cells.size}], got shapes {inputs.shape} and {targets.shape}."
        )
    if w.shape != (inputs.shape[2], cells.size):
        raise ValueError(
            f"learn_trials.weights must be {(inputs.shape[2], cells.size)}, one from each "
            f"input to each output, got shape {w.shape}."
        )
    if len(cells.receptors) != 1:
        raise ValueError(
            f"learn_trials.cells must have one receptor, got {sorted(cells.receptors)}."
        )
    checks.above(dt, 0, "learn_trials.dt", "ms")
    checks.positive(sigma, "learn_trials.sigma", "ms")
    epochs = checks.count(epochs, "learn_trials.epochs")
    each = {"target": targets, "end": jnp.zeros(expected, dtype).at[:, -1].set(1)}
    for name, x in modulators.items():
        x = checks.finite(x, f"learn_trials.{name}").astype(dtype)
        x = x if x.ndim == 3 else x.reshape(len(x), 1, -1)
        each[name] = jnp.broadcast_to(x, expected)
    return _learn(rule, cells, inputs, targets, w, each, dt, sigma, epochs)


@eqx.filter_jit
def _learn(rule, cells, inputs, targets, w, modulators, dt, sigma, epochs) -> Trials:
    (port,) = cells.receptors
    receptor = cells.receptors[port]
    width = dt
    dt = jnp.asarray(dt, w.dtype)
    begin = rule.begin(w, inputs.shape[2:], targets.shape[2:], width)

    def step(carry, now):
        state, rule_state, w, arriving = carry
        pre, modulators = now
        here = receptor.arrive(state.receptors[port], arriving)
        state, fired = cells.step(state._replace(receptors={port: here}), [], dt)
        v = getattr(state.neuron, "v", None)
        signals = Signals(pre, fired.spikes, w, modulators, v)
        rule_state, learned = rule.step(rule_state, signals, dt)
        late = rule.late(rule_state.own)
        sent = pre @ w if late is None else Pairs(w.shape).onto_post(w * late)
        return (state, rule_state, learned, sent), fired.spikes

    def trial(carry, data):
        own, w = carry
        inputs, targets, modulators = data
        rest = cells.init((), dt=width), RuleState(begin.traces, own), w
        nothing = jnp.zeros_like(targets[0])
        (_, rule_state, w, _), spikes = jax.lax.scan(
            step, (*rest, nothing), (inputs, modulators)
        )
        r = jax.vmap(similarity, 1)(spikes, targets)
        return (rule_state.own, w), (r, spikes)

    def similarity(spikes, target):
        times = [padded_spike_times(x, dt, MOST_SPIKES) for x in (spikes, target)]
        return schreiber(*times, sigma)

    def epoch(carry, _):
        return jax.lax.scan(trial, carry, (inputs, targets, modulators))

    (_, w), (r, spikes) = jax.lax.scan(epoch, (begin.own, w), length=epochs)
    return Trials(w, r, spikes)
