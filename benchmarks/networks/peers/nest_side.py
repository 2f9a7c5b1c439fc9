"""What the NEST scripts share: kernel, recorder of spikes, the answer.

NEST's least delay is one step, after which a spike acts from the second step after its own
(from the next one on `izhikevich`, whose input is read while it steps).
"""

import time

import nest
import numpy as np
import side


def start(dt_ms: float, **own):
    """The arguments, after the kernel, the seed and the threads are set."""
    asked = side.arguments(**own)
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution = dt_ms
    nest.local_num_threads = asked.threads
    nest.rng_seed = asked.seed + 1
    return asked


def connect(source, target, rule: dict, weight, delay) -> None:
    """One projection of static synapses; `weight` in the unit of the target's model."""
    synapse = {"synapse_model": "static_synapse", "weight": weight, "delay": delay}
    nest.Connect(source, target, rule, synapse)


def balanced(asked, cells, weight_exc: float, weight_inh: float, delay=0.1) -> None:
    """The wiring of CUBA and COBA: p 0.02 for 4000 cells, otherwise in-degree 64 + 16."""
    n_exc = len(cells) * 4 // 5
    for part, weight, degree in (
        (cells[:n_exc], weight_exc, 64),
        (cells[n_exc:], weight_inh, 16),
    ):
        rule = {"rule": "fixed_indegree", "indegree": degree}
        if len(cells) == 4000:
            rule = {"rule": "pairwise_bernoulli", "p": 0.02}
        connect(part, cells, rule, weight, delay)


def run(asked, populations: dict) -> None:
    """Run the network of `populations`, which follow one another; answer."""
    recorders = {
        name: nest.Create("spike_recorder") for name in populations if asked.spikes
    }
    for name, recorder in recorders.items():
        nest.Connect(populations[name], recorder)
    nest.Prepare()
    begin = time.perf_counter()
    nest.Run(asked.duration)
    run_s = time.perf_counter() - begin
    nest.Cleanup()
    first = min(int(np.min(p.tolist())) for p in populations.values())
    counts = {"all": (nest.local_spike_counter, sum(map(len, populations.values())))}
    if asked.spikes:
        events = [r.events for r in recorders.values()]
        join = lambda field: np.concatenate([e[field] for e in events])
        np.savez(asked.spikes, times=join("times"), indices=join("senders") - first)
        counts = {
            k: (len(e["times"]), len(populations[k]))
            for k, e in zip(recorders, events, strict=True)
        }
    side.answer(
        asked,
        counts,
        run_s,
        peer="nest",
        dt_ms=nest.resolution,
        dtype="float64",
        versions={"nest": nest.__version__},
    )
