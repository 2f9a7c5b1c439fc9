"""The networks: what each is, and which script of which peer runs it."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class Definition(NamedTuple):
    """One network, its scripts by peer (arguments included), and how it is measured."""

    text: str
    scripts: dict[str, str]
    seeds: int = 10
    skip: float = 200.0  # ms left out of the statistics
    duration: float = 1000.0  # ms after that
    rate_bin: float = 1.0  # ms; of the spectrum of the population rate


def both(name: str, arguments: str = "") -> dict[str, str]:
    """Scripts of the two peers that take the same arguments."""
    return {peer: f"{peer}_{name}.py {arguments}".strip() for peer in ("brian2", "nest")}


CUBA = (
    "LIF, tau_m 20 ms, E_L -49, V_t -50, V_r -60 mV, refractory 5 ms, 80 % excitatory; "
    "exponential currents, tau 5 / 10 ms, weights 1.62 / -9 mV; V(0) uniform in -60..-50 mV"
)
COBA = (
    "as CUBA, but exponential conductances relative to the leak, weights 0.6 / 6.7, E 0 / -80 "
    "mV; g_e(0) = N(4, 1.5) in 0..20, g_i(0) = N(20, 12) in 0..100"
)
SPARSE = "p 0.02"
IN_DEGREE = "in-degree 64 + 16, multapses allowed"
BRUNEL = (
    "10,000 + 2500 LIF, tau_m 20 ms, threshold 20, reset 10 mV, refractory 2 ms, in-degree "
    "1000 + 250 with multapses, delay 1.5 ms, PSP peak 0.1 mV, g {g}, eta {eta}, {synapse}; v(0) 0"
)
DELTA = "delta synapses, external Poisson input of {rate:g} spikes per 0.1 ms"
ALPHA = (
    "alpha synapses, tau_syn 0.5 ms, external Poisson rate eta times the one whose mean input "
    "reaches threshold"
)


def brunel(g: float, eta: float, alpha=False, duration=1000.0) -> Definition:
    """Brunel's network at one point of its phase diagram."""
    synapse = ALPHA if alpha else DELTA.format(rate=eta)
    text = BRUNEL.format(g=g, eta=eta, synapse=synapse)
    arguments = f"--g {g} --eta {eta}" + (" --alpha" if alpha else "")
    return Definition(text, both("brunel", arguments), 5, duration=duration, rate_bin=0.5)


IZHIKEVICH = (
    "800 + 200 in proportion, dt 1 ms, two half steps of v, noise of 5 / 2 per step, {}; "
    "u(0) = b v(0), v(0) -65 mV"
)
NETWORKS = {
    "izhikevich_1000": Definition(
        IZHIKEVICH.format("all to all, weights uniform in 0..0.5 and -1..0"),
        both("izhikevich"),
    ),
    "izhikevich_4000": Definition(
        IZHIKEVICH.format("in-degree 80 + 20 with multapses, weights 4 times as large"),
        both("izhikevich", "--n 4000 --sparse"),
    ),
    "cuba_4000": Definition(f"{CUBA}; {SPARSE}", both("cuba")),
    "cuba_16000": Definition(f"{CUBA}; {IN_DEGREE}", both("cuba", "--n 16000"), 5),
    "cuba_delays": Definition(
        f"{CUBA}; {SPARSE}; a delay for each synapse, 1..20 steps of 0.1 ms",
        both("cuba", "--delays"),
    ),
    "coba_4000": Definition(f"{COBA}; {SPARSE}", both("coba")),
    "coba_16000": Definition(f"{COBA}; {IN_DEGREE}", both("coba", "--n 16000"), 5),
    "cobahh": Definition(
        "3200 + 800 Hodgkin-Huxley cells of Traub & Miles, p 0.02, conductances tau 5 / 10 ms, "
        "weights 6 / 67 nS, E 0 / -80 mV; m(0) = h(0) = n(0) = 0 (Brette et al. 2007); "
        "exponential Euler in Brian2, adaptive Runge-Kutta in NEST, where a spike is a maximum "
        "above -33 mV instead of a crossing of -20 mV",
        both("cobahh"),
        5,
    ),
    "brunel_ai": brunel(5.0, 2.0),
    "brunel_ai_alpha": brunel(5.0, 2.0, alpha=True, duration=500.0),
    "brunel_si_slow": brunel(4.5, 0.9),
    "brunel_si_fast": brunel(6.0, 4.0, duration=500.0),
    "brunel_sr": brunel(3.0, 2.0, duration=300.0),
    "potjans_diesmann_10": Definition(
        "Potjans & Diesmann 2014 with 10 % of the neurons and 10 % of the in-degrees, weights "
        "over sqrt(0.1) and a current that keeps the mean input; Poisson background",
        {"nest": "nest_microcircuit.py"},
    ),
    "potjans_diesmann_10_full_in_degree": Definition(
        "Potjans & Diesmann 2014 with 10 % of the neurons, which keep all in-degrees and "
        "weights; Poisson background",
        {"nest": "nest_microcircuit.py --in-degree 1.0"},
        5,
    ),
}  # fmt: skip


def interpreters(parser) -> None:
    """The options of a parser that name the networks and each peer's Python."""
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    for peer in ("brian2", "nest"):
        default = ROOT / ".peers" / peer / "bin" / "python"
        parser.add_argument(f"--{peer}", default=default, help=f"Python with {peer}")


def launch(python, script: str, *options) -> dict:
    """The answer of one run of `script`."""
    name, *arguments = script.split()
    run = subprocess.run(
        [python, HERE / name, *arguments, *map(str, options)],
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise RuntimeError(f"{script}: {run.stderr.strip() or run.stdout[-2000:]}")
    return json.loads(run.stdout.strip().splitlines()[-1])
