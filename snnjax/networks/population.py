"""A population: neurons of one kind with their receptors."""

from collections import OrderedDict
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from snnjax.core import checks
from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.integrators import Exact
from snnjax.core.neuron import AbstractNeuron, waiting
from snnjax.inputs.base import AbstractInput
from snnjax.networks.source import Source
from snnjax.synapses import AbstractReceptor, Delta


class PopulationState(NamedTuple):
    neuron: Any
    receptors: dict[str, Any]


class Fired(NamedTuple):
    """What a step of a population gives."""

    spikes: Float[Array, "*n"]
    support: Bool[Array, "*n"]  # where the spikes depend on the potential


class Population(eqx.Module):
    """Neurons of one kind, and the receptors on them.

    - `neuron`: a model such as `LIF()`, its parameters scalars or one value a neuron; or an
      input that gives spikes, such as `inputs.poisson(10.0)`, for a population of sources.
    - `size`: number of neurons.
    - `receptors`: by name, such as `dict(ampa=Exponential(2.0), gaba=Exponential(8.0))`; one
      may be given without a name, and is then called "synapse".
    - `parts`: names of consecutive parts of the population with their sizes, which add up to
      `size`: `dict(exc=3200, inh=800)`. A projection may start or end at a part.
    """

    neuron: AbstractDynamics
    receptors: dict[str, AbstractReceptor]
    size: int = eqx.field(static=True)
    parts: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def __init__(self, neuron: Any, size: int, receptors: Any = None, parts: Any = None):
        if isinstance(neuron, AbstractInput):
            neuron = Source(neuron)
        require_model(neuron, "Population.neuron")
        if not neuron.spiking:
            raise ValueError(
                f"Population.neuron must give spikes, which {type(neuron).__name__} does not."
            )
        self.neuron, self.size = neuron, checks.count(size, "Population.size")
        if isinstance(neuron, Source) and neuron.shape != (self.size,):
            raise ValueError(
                f"Population.neuron gives spikes of shape {neuron.shape}, but "
                f"size={self.size}: make the input with shape=({self.size},)."
            )
        if isinstance(receptors, AbstractReceptor):
            receptors = {"synapse": receptors}
        self.receptors = OrderedDict(receptors or {})  # of a plain one jax sorts the names
        for name, receptor in self.receptors.items():
            if not isinstance(receptor, AbstractReceptor):
                raise ValueError(
                    f"Population.receptors[{name!r}] must be a receptor such as "
                    f"Exponential(5.0), got {receptor!r}."
                )
        for name in self.receptors:
            if not name or "." in name:
                raise ValueError(
                    f"Population.receptors must have names without a dot, got {name!r}."
                )
        self.parts = tuple(
            (name, checks.count(n, f"Population.parts[{name!r}]"))
            for name, n in (parts or {}).items()
        )
        if parts and sum(n for _, n in self.parts) != self.size:
            raise ValueError(
                f"Population.parts {dict(parts)} must add up to size={self.size}."
            )

    def init(self, shape: tuple[int, ...], *, key=None, dt=None) -> PopulationState:
        """At rest, with `shape` leading axes; refuses parameters of other sizes."""
        shape = (*shape, self.size)
        neuron = self.neuron.init(shape, key=key, dt=dt)
        own = jnp.shape(getattr(neuron, "v", jnp.zeros(shape)))
        if own != shape:
            raise ValueError(
                f"Population.neuron has parameters for {own}, but size={self.size}."
            )
        clash = set(self.receptors) & set(getattr(neuron, "_fields", ()))
        if clash:
            raise ValueError(
                f"Population.receptors must not be named as what {type(self.neuron).__name__} "
                f"has in its state: {', '.join(sorted(clash))}."
            )
        receptors = {name: r.init(shape, dt=dt) for name, r in self.receptors.items()}
        # Receptors without parameters, such as Delta, know no dtype of their own.
        dtype = model_dtype(self)
        cast = lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x
        return jax.tree.map(cast, PopulationState(neuron, receptors))

    @property
    def tau_m(self) -> Any:
        """The time constant of a linear membrane, ms, where it and all receptors are linear."""
        exact = isinstance(getattr(self.neuron, "integrator", None), Exact)
        held = all(getattr(r, "e_rev", None) is None for r in self.receptors.values())
        return getattr(self.neuron, "tau_m", None) if exact and held else None

    def step(
        self, state: PopulationState, currents: list[Any], dt: Float[ArrayLike, ""]
    ) -> tuple[PopulationState, Fired]:
        """`dt` (ms) from a state in which what is due has arrived, under further `currents`.

        Each is a current (pA) or a function of v (mV) that gives it.
        """
        neuron, drives = state.neuron, list(currents)
        for name, receptor in self.receptors.items():
            at = state.receptors[name]
            if isinstance(receptor, Delta):
                neuron = _jumped(neuron, at.jump, dt)
            else:
                drives.append(receptor.drive(at, dt, self.tau_m))
        neuron, fired = self._fire(neuron, _together(drives), dt)
        # Receptors decay only now, so that XLA can overwrite them.
        held = neuron, fired.spikes, state.receptors
        neuron, spikes, receptors = _in_order(held)
        advance = {
            name: self.receptors[name].advance(r, dt) for name, r in receptors.items()
        }
        return PopulationState(neuron, advance), fired._replace(spikes=spikes)

    def _fire(self, before: Any, drive: Any, dt) -> tuple[Any, Fired]:
        """A step of the neurons, and the neurons through which a gradient can pass."""
        model: Any = self.neuron
        if type(model).step is not AbstractNeuron.step:
            after, spikes = model.step(before, drive, dt)
            return after, Fired(spikes, jnp.ones(jnp.shape(spikes), bool))
        free = _in_order(model.advance(before, drive, dt))
        after, spikes = model.fire(before, free, dt)
        spikes_at = lambda v: model.spikes(before, free._replace(v=v), dt)
        _, slope = jax.jvp(spikes_at, (free.v,), (jnp.ones_like(free.v),))
        return after, Fired(spikes, jax.lax.stop_gradient(slope) != 0)


def _in_order(tree: Any) -> Any:
    """`tree`, with its arrays computed once and before all that reads them from here.

    XLA would compute the potential again for each of its uses, of which packing alone has 32.
    """
    arrays, rest = eqx.partition(tree, eqx.is_inexact_array)
    return eqx.combine(jax.lax.optimization_barrier(arrays), rest)


def _jumped(neuron: Any, jump: Float[Array, "*n"], dt) -> Any:
    """The neurons' state with v moved by `jump` (mV), where they are not refractory."""
    if getattr(neuron, "refractory", None) is not None:
        jump = jnp.where(waiting(neuron, dt), 0, jump)
    return neuron._replace(v=neuron.v + jump)


def _together(drives: list[Any]) -> Any:
    """One input for a neuron: a current, or a function of v if a conductance is among them."""
    held = [d for d in drives if not callable(d)]
    current = sum(held[1:], held[0]) if held else 0.0
    conductances = [d for d in drives if callable(d)]
    if not conductances:
        return current
    return lambda v: sum((g(v) for g in conductances), current)
