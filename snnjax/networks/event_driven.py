"""Networks of integrate-and-fire neurons solved exactly, from event to event."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from snnjax.core import checks
from snnjax.core.arguments import model_dtype
from snnjax.core.parameters import guard_parameters, map_parameters, parameters
from snnjax.core.provenance import provenance
from snnjax.core.run import RunState
from snnjax.core.simulate import Solution
from snnjax.core.spike_recorders import Events
from snnjax.networks.event_loop import EventLoop, EventState, External, Pending, Synapses
from snnjax.neurons import LIF, CubaLIF, PerfectIF


class Arrivals(NamedTuple):
    """Spikes from outside, for `simulate_events`.

    - `times`: ms, when they arrive: `[spikes, n]` with a column for each neuron, such as
      `inputs.from_times(...).times`, or `[spikes]` with `indices`. NaN is no spike.
    - `weight`: of each, or one for all; mV onto `LIF` and `PerfectIF`, pA onto `CubaLIF`.
    - `indices`: which neuron each arrives at.
    """

    times: ArrayLike
    weight: ArrayLike
    indices: ArrayLike | None = None


def simulate_events(
    neuron: Any,
    edges: Any = None,
    weight: ArrayLike = 0.0,
    delay: ArrayLike = 1.0,
    *,
    duration: Any,
    current: ArrayLike = 0.0,
    arrivals: Arrivals | None = None,
    n: int | None = None,
    state: RunState | None = None,
    max_spikes: int = 10_000,
    max_pending: int = 1000,
    n_events: int | None = None,
    throw: bool = True,
) -> Solution:
    r"""Run a network of integrate-and-fire neurons exactly, without a time step.

    Between events every neuron follows its closed form, so that spikes and arrivals have no
    grid and what is left is rounding: this is what `simulate` converges to as dt goes to 0.

    - `LIF`, $\tau_m dv/dt = -(v - e_l) + I / g_l$, and `PerfectIF`, $c_m dv/dt = I$: an
      arrival makes v jump by its weight (mV), unless the neuron is refractory.
    - `CubaLIF`: an arrival adds its weight (pA) to the synaptic current, refractory or not, and
      with `tau_inh` negative weights go to the inhibitory one. It is `LIF` with current-based
      exponential receptors.

    A neuron fires when v rises to its level, which is a logarithm or, with synaptic currents, a
    bracketed zero of a sum of exponentials; no crossing is missed, however short. Reset is by
    value or subtraction. **Events at one time** are taken in this order: arrivals from outside,
    arrivals over synapses, then spikes, by rising number of the neuron. So arrivals add up
    before the threshold is looked at, what they carry over it fires at that very time, and one
    at the end of the refractory time counts. One time means equal numbers: delays on a grid
    meet exactly if it is dyadic, such as 1/8 ms, and within rounding if not.

    **Arguments**

    - `neuron`: with parameters for all or one value a neuron. Its `integrator` is not used.
    - `edges`: the synapses, as `pre` and `post` (an `Edges` or a pair of index arrays); None
      for unconnected neurons. `weight`: of each synapse. `delay`: ms, above 0, of each synapse.
    - `duration`: ms; events before its end count.
    - `current`: pA, constant, one value or one a neuron. `arrivals`: spikes from outside.
    - `n`: how many neurons, where neither edges, parameters nor current say so.
    - `state`: `RunState` of neuron states (to start elsewhere than at rest), or the
      `Solution.state` of an earlier run over the same synapses. Time goes on from there, for
      `duration` more; `arrivals` count from time 0 and those of the past are left out.
    - `max_spikes`: to be kept. `max_pending`: spikes on their way at one time. A run that
      needs more stops before the event for which there is no room; nothing is lost.
    - `n_events`: None takes as many events as come. A number takes at most as many, in a loop
      that also has reverse mode; its memory and time are in proportion to it.
    - `throw`: raise where a run had to stop early; with False see `stats`.

    The result's `ys` are the spikes as `Events` (`times` in ms are also `ts`; `lost` is 1 where
    one too many stopped the run), `final` an `EventState`: the time, the neurons' states and the
    spikes on their way. `stats` holds `n_spikes`, `n_events`, and the time `reached` (ms), which
    is short of the duration where the run had to stop.

    **Cost**: an event takes time in proportion to `max_pending` and the number of neurons, and
    each arrival is an event of its own; meant for up to some thousand neurons. Compute in
    float64 where it is to be a reference.

    **Gradients**, in forward mode (`jax.jvp`, `jax.jacfwd`), are exact for a fixed order of
    events: spike times by the implicit function, $dt = -dv / (dv/dt)$, and all that follows
    from them, with respect to weights, delays, currents, parameters, and times of arrivals.
    They grow without limit where v only just reaches its level; first order only.

    Mattia & Del Giudice 2000, Neural Comput. 12:2305 (delays and queues); Brette 2006, Neural
    Comput. 18:2004 (exact crossings); Morrison et al. 2007, Neural Comput. 19:47 (spikes off
    the grid); Goeltz et al. 2021, Nat. Mach. Intell. 3:823 (gradients of spike times).
    """
    _refuse(neuron)
    max_spikes = checks.count(max_spikes, "simulate_events.max_spikes")
    max_pending = checks.count(max_pending, "simulate_events.max_pending")
    if n_events is not None:
        n_events = checks.count(n_events, "simulate_events.n_events")
    dtype = jnp.promote_types(model_dtype(neuron), jnp.float32)
    number = lambda x, name, unit="": checks.finite(
        x, f"simulate_events.{name}", unit
    ).astype(dtype)
    duration = checks.positive(duration, "simulate_events.duration", "ms").astype(dtype)
    current = number(current, "current", "pA")
    pre, post = _pair(edges)
    start = None if state is None else _model_state(state)
    n = _size(neuron, current, edges, start, n)
    if not hasattr(edges, "n_pre"):  # its unused entries have the number n
        _indices(pre, n, "edges.pre")
        _indices(post, n, "edges.post")
    delay = checks.positive(delay, "simulate_events.delay", "ms").astype(dtype)
    weight, delay = (
        _each(x, len(pre), name)
        for x, name in ((number(weight, "weight"), "weight"), (delay, "delay"))
    )
    outside = _external(arrivals, n, dtype)
    arguments = (neuron, (pre, post, weight, delay), outside, current, duration, start)
    sizes = (n, max_spikes, max_pending, n_events)
    guarded = throw and checks.is_traced(arguments)
    end, out, bad, which = _run(*arguments, sizes, guarded)
    messages = _messages(neuron, max_spikes, max_pending, n_events)
    if guarded:
        end, out = checks.raise_if((end, out), bad, which, messages)
    elif throw and bad:
        at = f" It stopped at {float(out['reached']):g} ms; throw=False keeps what was found."
        raise ValueError(messages[int(which)] + at)
    lost = out["full"].astype(jnp.int32)
    events = Events(out["times"], out["indices"], None, out["count"] + lost, lost)
    stats = dict(n_spikes=out["count"], n_events=out["events"], reached=out["reached"])
    made = provenance(neuron, dtype)
    return Solution(events.times, events, RunState(end), stats, made, "spikes")


@eqx.filter_jit
def _run(neuron: Any, edges, outside, current, duration, start, sizes, guarded):
    """(the end, what was kept, whether it is no good, why)."""
    n, max_spikes, max_pending, n_events = sizes
    spread = lambda x: jnp.broadcast_to(x, n)
    dtype = duration.dtype
    _, _, _, delay = edges
    duration = guard_parameters(neuron, duration) if guarded else duration
    own = {name for name, _, spec in parameters(neuron) if spec.per_neuron}
    each: Any = map_parameters(lambda name, x: spread(x) if name in own else x, neuron)
    if start is None:
        start = each.init((n,))
    synapses = Synapses.ordered(*edges, n)
    if not isinstance(start, EventState):
        start = jax.tree.map(lambda x: spread(x).astype(dtype), start)
        nowhere = jnp.full(max_pending, synapses.none, synapses.first.dtype)
        pending = Pending(jnp.zeros(max_pending, dtype), nowhere)
        start = EventState(jnp.zeros((), dtype), start, pending)
    current = spread(current) + getattr(each, "bias", jnp.zeros((), dtype))
    loop = EventLoop(
        each,
        current,
        synapses,
        External.ordered(*outside, start.t, n),
        jax.lax.stop_gradient(start.t + duration),
        max_spikes,
        max_pending,
        n_events,
    )
    end, out = loop.run(start)
    endless = jnp.any(each.v_reset >= each.threshold.level)
    early = jnp.any(delay <= 0) | jnp.any(~jnp.isfinite(delay))
    bad = early | endless | out["early"]
    which = jnp.where(out["full"], 2, jnp.where(out["crowded"], 3, 4))
    return end, out, bad, jnp.where(early, 0, jnp.where(endless, 1, which))


def _messages(neuron, max_spikes, max_pending, n_events) -> list[str]:
    name = type(neuron).__name__
    return [
        "simulate_events.delay must be finite and above 0 ms.",
        f"{name}.v_reset must lie below the threshold, or it fires without end.",
        f"More spikes than simulate_events.max_spikes={max_spikes}. Give more.",
        f"More spikes on their way than simulate_events.max_pending={max_pending}. Give more.",
        f"More events than simulate_events.n_events={n_events}. Give more.",
    ]


def _refuse(neuron: Any) -> None:
    if not isinstance(neuron, LIF | PerfectIF | CubaLIF):
        raise ValueError(
            "simulate_events.neuron must be LIF(...), PerfectIF(...) or CubaLIF(...), whose "
            f"closed forms it follows, got {neuron!r}. Use simulate, or solve for one neuron."
        )
    if neuron.reset_mode == "none":
        raise ValueError(
            f"{type(neuron).__name__}.reset_mode='none' fires without end in "
            "simulate_events. Use 'value' or 'subtract'."
        )


def _pair(edges: Any) -> tuple[Array, Array]:
    if edges is None:
        edges = ([], [])
    pre, post = (edges.pre, edges.post) if hasattr(edges, "pre") else edges
    pre, post = (jnp.asarray(x, jnp.int32) for x in (pre, post))
    if pre.ndim != 1 or pre.shape != post.shape:
        raise ValueError(
            "simulate_events.edges must be two lists of one length, pre and post, got shapes "
            f"{pre.shape} and {post.shape}."
        )
    return pre, post


def _model_state(state: Any) -> Any:
    if not isinstance(state, RunState):
        raise ValueError(
            "simulate_events.state must be the `state` of a Solution, got "
            f"{type(state).__name__}. Wrap neurons' own state as RunState(state)."
        )
    return state.model


def _size(neuron: Any, current: Array, edges: Any, start: Any, n: int | None) -> int:
    """How many neurons there are, from whatever says so."""
    shape = () if n is None else (checks.count(n, "simulate_events.n"),)
    neurons = start.neurons if isinstance(start, EventState) else start
    says = {"current": current.shape, "state": () if start is None else neurons.v.shape}
    if hasattr(edges, "n_pre"):
        says |= {"edges.n_pre": (edges.n_pre,), "edges.n_post": (edges.n_post,)}
    shape = neuron.shape(shape)
    for name, own in says.items():
        try:
            shape = np.broadcast_shapes(shape, own)
        except ValueError:
            raise ValueError(
                f"simulate_events.{name} of shape {own} does not fit {shape} neurons."
            ) from None
    if not shape and edges is not None:
        raise ValueError(
            "simulate_events.n must say how many neurons there are: neither edges, "
            "parameters, current nor state do."
        )
    if len(shape) > 1:
        raise ValueError(
            f"simulate_events takes one axis of neurons, got shape {shape}. Ravel it, or vmap."
        )
    return shape[0] if shape else 1


def _indices(x: Array, n: int, name: str) -> None:
    if not checks.is_traced(x) and x.size and not (x.min() >= 0 and x.max() < n):
        raise ValueError(
            f"simulate_events.{name} must lie in 0 .. {n - 1} for {n} neurons, got "
            f"{int(x.min())} .. {int(x.max())}."
        )


def _each(x: Array, n: int, name: str) -> Array:
    if x.shape not in ((), (n,)):
        raise ValueError(
            f"simulate_events.{name} must be one number or one a synapse, of which there are "
            f"{n}, got shape {x.shape}."
        )
    return jnp.broadcast_to(x, n)


def _external(arrivals: Arrivals | None, n: int, dtype: Any) -> tuple[Array, Array, Array]:
    """(times, targets, weights) as flat lists."""
    times, weight, indices = Arrivals([], 0.0, []) if arrivals is None else arrivals
    times, weight = checks.as_float(times), checks.finite(weight, "Arrivals.weight")
    if indices is None and times.ndim == 2 and times.shape[1] == n:
        indices = jnp.arange(n)
    elif indices is None or times.ndim != 1 or np.shape(indices) != times.shape:
        raise ValueError(
            f"Arrivals.times must have shape [spikes, {n}], or [spikes] with as many indices, "
            f"got shapes {times.shape} and {None if indices is None else np.shape(indices)}."
        )
    indices = jnp.asarray(indices, jnp.int32)
    _indices(indices, n, "arrivals.indices")
    if not checks.is_traced(times) and np.any(np.asarray(times) < 0):
        raise ValueError(
            f"Arrivals.times must be at least 0 ms (NaN for none), got {times}."
        )
    flat = lambda x: jnp.broadcast_to(x, times.shape).ravel()
    return flat(times).astype(dtype), flat(indices), flat(weight).astype(dtype)
