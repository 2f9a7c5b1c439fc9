"""What running a network costs: synaptic operations, and an estimate of energy."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.trainable import named_leaves
from snnjax.core.unroll import unroll
from snnjax.layers.recurrent import Recurrent
from snnjax.layers.stateless import AbstractStateless


class Energy(NamedTuple):
    """Energy of one sample, nJ."""

    spiking: float  # over the whole duration
    dense: float  # of one pass of the same network without spikes


class LayerOperations(NamedTuple):
    """What one layer of weights does for one sample, on average over a batch."""

    spikes: (
        float  # into the layer, over the whole duration; inputs not 0 if they are graded
    )
    density: float  # of the inputs that are not 0
    operations: float  # synaptic operations over the whole duration
    macs: int  # multiply-accumulates of one step of the same layer in a dense network
    binary: bool  # whether it got spikes, and so only adds


class SynapticOperations(NamedTuple):
    """What `synaptic_operations` returns; prints as a table."""

    layers: dict[str, LayerOperations]
    n_steps: int

    @property
    def total(self) -> float:
        """Synaptic operations of one sample, all layers."""
        return sum(layer.operations for layer in self.layers.values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step of the same dense network."""
        return sum(layer.macs for layer in self.layers.values())

    def energy(self, accumulate: float = 0.9, multiply: float = 4.6) -> Energy:
        """What the operations alone take: an estimate to compare networks, not chips, by.

        - `accumulate`, `multiply`: pJ for one addition, as a spike causes, and for one
          multiplication and addition, as graded values need; 32-bit floating point at 45 nm
          (Horowitz 2014, ISSCC, 10).

        Assumes that nothing else costs: neither moving weights and states, which on real
        hardware outweighs arithmetic, nor the update of the neurons, nor steps without
        spikes, nor layers without weights. The dense network is counted for one pass (times
        `n_steps` if it, too, would run at each step).
        """
        each = [
            layer.operations * (accumulate if layer.binary else multiply)
            for layer in self.layers.values()
        ]
        return Energy(1e-3 * sum(each), 1e-3 * multiply * self.macs)

    def __str__(self) -> str:
        width = max(5, *map(len, self.layers))
        head = f"{'layer':<{width}}  {'spikes in':>11}  {'density':>8}  {'operations':>12}"
        lines = [f"{head}  {'dense MACs':>12}  kind"]
        for name, x in self.layers.items():
            lines.append(
                f"{name:<{width}}  {x.spikes:>11.1f}  {x.density:>8.2%}  "
                f"{x.operations:>12.1f}  {x.macs:>12}  {'AC' if x.binary else 'MAC'}"
            )
        lines.append(
            f"{'total':<{width}}  {'':>11}  {'':>8}  {self.total:>12.1f}  {self.macs:>12}"
        )
        e = self.energy()
        lines.append(
            f"One sample of {self.n_steps} steps: {e.spiking:.4g} nJ; dense, one pass: "
            f"{e.dense:.4g} nJ, one a step: {e.dense * self.n_steps:.4g} nJ\n"
            "(0.9 pJ an AC, 4.6 pJ a MAC: 45 nm, arithmetic alone, Horowitz 2014)."
        )
        return "\n".join(lines)


def synaptic_operations(
    model: AbstractDynamics, inputs: Any, dt: float = 1.0, *, key: Any = None
) -> SynapticOperations:
    """Operations that the spikes in `model` cause for `inputs` [time, batch, ...]: a report.

    A synaptic operation is one spike at one synapse: spikes times fan-out, counted exactly,
    with what falls beyond the border of a convolution left out. A weight of exactly 0 is no
    synapse. Counted are `Linear`, convolutions and any stateless layer with one leaf `weight`
    of two or more axes that is linear in its input, in any container, and the weights of
    `Recurrent`. An input of whole numbers stands for so many spikes (a sum-pooled one); other
    graded ones are counted where they are not 0 and marked as MACs.

    How: the layer is run on the spikes with every weight replaced by 1 and no bias, so that
    its outputs sum to the number of operations; on ones, to the MACs of a dense network.
    """
    require_model(model, "synaptic_operations.model")
    inputs = jax.tree.map(jnp.asarray, inputs)
    shape = jax.tree.leaves(inputs)[0].shape
    if len(shape) < 3:
        raise ValueError(
            f"synaptic_operations.inputs must be [time, batch, ...], got shape {shape}."
        )
    found = []
    counting = _count_in(model, "", found)
    if not found:
        raise ValueError("synaptic_operations.model has no layer of weights to count in.")
    counts = _run(counting, inputs, dt, key)
    layers = {}
    for name in found:
        entry = f"{name}._count".lstrip(".")
        if entry not in counts:
            raise ValueError(
                f"{name} is run step by step by the layer around it, so that its operations "
                "cannot be counted. Count those of that layer's parts on their own."
            )
        count = jax.tree.map(np.asarray, counts[entry])
        per_sample = lambda x: float(x.sum(dtype=np.int64) / shape[1])
        layers[name or "model"] = LayerOperations(
            per_sample(count.spikes),
            float(count.density.mean()),
            per_sample(count.operations),
            int(count.macs[0]),
            bool(count.binary.all()),
        )
    return SynapticOperations(layers, shape[0])


@eqx.filter_jit
def _run(model, inputs, dt, key):
    outputs = unroll(model, inputs, dt, key=key, layers=True).layers
    return {name: x for name, x in outputs.items() if isinstance(x, _Count)}


class _Count(NamedTuple):
    """All of it time first, as the outputs of a part are."""

    spikes: Any  # [time, batch]
    density: Any  # [time]
    operations: Any  # [time, batch]
    macs: Any  # [time]
    binary: Any  # [time]


class _Counting(AbstractDynamics):
    """A layer that also puts out the operations of its weights, as a part called "_count"."""

    layer: AbstractDynamics

    def init(self, shape=(), *, key=None, dt=None):
        return self.layer.init(shape, key=key, dt=dt)

    def step(self, state, input, dt):
        return self.layer.step(state, input, dt)

    def unroll(self, state, inputs, dt):
        return self.layer.unroll(state, inputs, dt)

    def unroll_all(self, state, inputs, dt):
        new, outputs = self.layer.unroll_all(state, inputs, dt)
        layer, spikes = self.layer, inputs
        synapses = lambda weight, x: _replaced(layer, weight)(x)
        if isinstance(layer, Recurrent):
            own, matrix = list(outputs.values())[-1], layer.weight
            spikes = jnp.concatenate([state.spikes[None], own[:-1]])
            synapses = lambda weight, x: x @ weight(matrix).T
        return new, {"_count": _counted(synapses, spikes), **outputs}

    @property
    def spiking(self) -> bool:
        return self.layer.spiking


def _counted(synapses, x) -> _Count:
    present = lambda w: (w != 0).astype(w.dtype)
    inside = tuple(range(1, x.ndim))
    whole = jnp.all((x >= 0) & (x == jnp.round(x)), inside, keepdims=True)
    events = jnp.where(whole, x, (x != 0).astype(x.dtype))
    # One output is a sum that float32 holds exactly; the sum of all may be beyond 2^24.
    total = lambda y: y.astype(jnp.int32).reshape(*y.shape[:2], -1).sum(-1)
    macs = total(synapses(jnp.ones_like, jnp.ones_like(x[:1, :1])))[0, 0]
    return _Count(
        spikes=total(events),
        density=(x != 0).mean(inside),
        operations=total(synapses(present, events)),
        macs=jnp.full(len(x), macs),
        binary=whole.reshape(-1),
    )


def _replaced(layer, f):
    """`layer` with every weight w as `f(w)`, and no bias."""

    def one(path, x):
        if not eqx.is_inexact_array(x):
            return x
        return f(x) if _is_weight(jax.tree_util.keystr(path, simple=True)) else 0 * x

    return jax.tree_util.tree_map_with_path(one, layer)


def _is_weight(name: str) -> bool:
    return name.endswith("weight")


def _count_in(x: Any, name: str, found: list[str]) -> Any:
    """`x` with each layer of weights in it wrapped, and its name appended to `found`."""
    inside = lambda key: f"{name}.{key}" if name else str(key)
    if isinstance(x, AbstractDynamics):
        parts = {f.name: getattr(x, f.name) for f in dataclasses.fields(x)}
        new = {
            key: part
            for key, old in parts.items()
            if (part := _count_in(old, inside(key), found)) is not old
        }
        for key, part in new.items():
            x = eqx.tree_at(lambda net, key=key: getattr(net, key), x, part)
        if isinstance(x, Recurrent) or (not new and _has_weights(x)):
            found.append(name)
            return _Counting(x)
        return x
    if isinstance(x, dict):
        new = {key: _count_in(part, inside(key), found) for key, part in x.items()}
        return new if any(new[key] is not x[key] for key in x) else x
    if isinstance(x, list | tuple):
        new = [_count_in(part, inside(i), found) for i, part in enumerate(x)]
        same = all(a is b for a, b in zip(new, x, strict=True))
        return x if same else type(x)(new)
    return x


def _has_weights(layer) -> bool:
    weights = [w for n, w in named_leaves(layer).items() if _is_weight(n) and w.ndim > 1]
    stateless = isinstance(layer, AbstractStateless)
    if stateless and len(weights) > 1:
        raise ValueError(
            f"{type(layer).__name__} has {len(weights)} weights: operations are counted in "
            "layers of one weight each. Make it a stack of layers."
        )
    return stateless and bool(weights)
