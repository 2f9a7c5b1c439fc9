"""Point neurons, one model a file."""

from snnjax.neurons import kinetics
from snnjax.neurons.adaptive_lif import AdaptiveLIF, AdaptiveLIFState
from snnjax.neurons.adex import ADEX_CURRENTS, AdEx, AdExState
from snnjax.neurons.channels import Channel
from snnjax.neurons.cuba_lif import CubaLIF, CubaLIFState
from snnjax.neurons.escape_lif import EscapeLIF, EscapeLIFState
from snnjax.neurons.exponential_if import ExponentialIF, ExponentialIFState
from snnjax.neurons.fitzhugh_nagumo import FitzHughNagumo, FitzHughNagumoState
from snnjax.neurons.generalised_if import GeneralisedIF, GeneralisedIFState
from snnjax.neurons.generalised_if_patterns import (
    MIHALAS_NIEBUR_PATTERNS,
    MihalasNieburPattern,
    mihalas_niebur_pattern,
)
from snnjax.neurons.hindmarsh_rose import HindmarshRose, HindmarshRoseState
from snnjax.neurons.hodgkin_huxley import HodgkinHuxley, HodgkinHuxleyState
from snnjax.neurons.izhikevich import (
    IZHIKEVICH_2003,
    IZHIKEVICH_2004,
    Izhikevich,
    IzhikevichState,
)
from snnjax.neurons.izhikevich_patterns import (
    IZHIKEVICH_PATTERNS,
    IzhikevichPattern,
    izhikevich_pattern,
)
from snnjax.neurons.lif import LIF, LIFState, TutorialEuler
from snnjax.neurons.mcculloch_pitts import McCullochPitts
from snnjax.neurons.mckean import McKean, McKeanState
from snnjax.neurons.morris_lecar import MorrisLecar, MorrisLecarState
from snnjax.neurons.parallel_lif import ParallelLIF
from snnjax.neurons.perfect_if import PerfectIF, PerfectIFState
from snnjax.neurons.piecewise_linear import PiecewiseLinearIF, PiecewiseLinearIFState
from snnjax.neurons.quadratic_if import QuadraticIF, QuadraticIFState
from snnjax.neurons.reduced_hh import ReducedHodgkinHuxley, ReducedHodgkinHuxleyState
from snnjax.neurons.resonate_and_fire import ResonateAndFire, ResonateAndFireState
from snnjax.neurons.spike_response import SpikeResponse, SpikeResponseState

__all__ = [
    "ADEX_CURRENTS",
    "IZHIKEVICH_2003",
    "IZHIKEVICH_2004",
    "IZHIKEVICH_PATTERNS",
    "LIF",
    "MIHALAS_NIEBUR_PATTERNS",
    "AdEx",
    "AdExState",
    "AdaptiveLIF",
    "AdaptiveLIFState",
    "Channel",
    "CubaLIF",
    "CubaLIFState",
    "EscapeLIF",
    "EscapeLIFState",
    "ExponentialIF",
    "ExponentialIFState",
    "FitzHughNagumo",
    "FitzHughNagumoState",
    "GeneralisedIF",
    "GeneralisedIFState",
    "HindmarshRose",
    "HindmarshRoseState",
    "HodgkinHuxley",
    "HodgkinHuxleyState",
    "Izhikevich",
    "IzhikevichPattern",
    "IzhikevichState",
    "LIFState",
    "McCullochPitts",
    "McKean",
    "McKeanState",
    "MihalasNieburPattern",
    "MorrisLecar",
    "MorrisLecarState",
    "ParallelLIF",
    "PerfectIF",
    "PerfectIFState",
    "PiecewiseLinearIF",
    "PiecewiseLinearIFState",
    "QuadraticIF",
    "QuadraticIFState",
    "ReducedHodgkinHuxley",
    "ReducedHodgkinHuxleyState",
    "ResonateAndFire",
    "ResonateAndFireState",
    "SpikeResponse",
    "SpikeResponseState",
    "TutorialEuler",
    "izhikevich_pattern",
    "kinetics",
    "mihalas_niebur_pattern",
]
