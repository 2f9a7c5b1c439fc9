"""snnjax: spiking neurons and networks in JAX, simulated, swept, differentiated and trained."""

from importlib import import_module as _import_module

import jax as _jax

from snnjax import connect, datasets, inputs, measures, networks, plasticity, sweeps
from snnjax.core.base import AbstractDynamics
from snnjax.core.cores import compilation_cache, use_cores
from snnjax.core.estimate import Estimate, estimate
from snnjax.core.files import load, save
from snnjax.core.integrators import (
    RK4,
    AbstractIntegrator,
    Euler,
    Exact,
    ExponentialEuler,
    Heun,
    Midpoint,
    SequentialEuler,
)
from snnjax.core.neuron import (
    AbstractFiringNeuron,
    AbstractNeuron,
    Noise,
    fires_at,
    integrate_with,
)
from snnjax.core.parameters import parameter, parameters
from snnjax.core.provenance import version as _version
from snnjax.core.recorders import (
    AbstractRecorder,
    Maximum,
    Mean,
    Minimum,
    Now,
    Reduce,
    SpikeCount,
    Sum,
    Trace,
    Variance,
)
from snnjax.core.run import RunState
from snnjax.core.simulate import simulate
from snnjax.core.solution import (
    InterruptedRun,
    LostSpikesWarning,
    NonFiniteError,
    Solution,
    StiffnessWarning,
)
from snnjax.core.spike_recorders import (
    Events,
    FirstSpike,
    LastSpike,
    PopulationRate,
    SpikeRaster,
)
from snnjax.core.store import StoreError
from snnjax.core.stored import StoredArray, open_run
from snnjax.core.surrogates import (
    AbstractSurrogate,
    Arctan,
    Boxcar,
    Gaussian,
    Laplace,
    MultiGaussian,
    Sigmoid,
    StraightThrough,
    SuperSpike,
    Triangle,
)
from snnjax.core.threshold import Threshold, relax, upward_crossing
from snnjax.core.trainable import Bounded, Positive, named_leaves, trainable
from snnjax.core.unroll import Rollout, unroll
from snnjax.core.versions import set_xla_flags as _set_xla_flags
from snnjax.core.versions import warn_if_miscompiling as _warn_if_miscompiling
from snnjax.layers import *  # noqa: F403
from snnjax.networks import (
    Arrivals,
    GapJunction,
    Network,
    Population,
    Projection,
    simulate_events,
)
from snnjax.neurons import *  # noqa: F403
from snnjax.sweeps import sweep
from snnjax.synapses import *  # noqa: F403
from snnjax.training import *  # noqa: F403

__version__ = _version()
_warn_if_miscompiling(_jax.__version__)
_set_xla_flags(_jax.__version__)


def __getattr__(name: str):
    """Rooms that bring heavy imports along, loaded when first used."""
    if name in ("analysis", "plot"):
        return _import_module(f"snnjax.{name}")
    if name in ("firing_rate", "solve"):
        room = {"firing_rate": "snnjax.analysis", "solve": "snnjax.core.solve"}[name]
        return getattr(_import_module(room), name)
    if name in ("ParameterFit", "fit_parameters", "nudged"):
        return getattr(_import_module("snnjax.sweeps"), name)
    raise AttributeError(f"module 'snnjax' has no attribute {name!r}")
