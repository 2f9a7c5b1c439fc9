"""What drives a model: currents and spike sources.

Lower-case functions make inputs, which are called as `input(i, dt)` and are combined with
`+`, `*` and `clip`. `OrnsteinUhlenbeck` has a state and is a model that stands before another.
"""

from snnjax.inputs.base import AbstractInput, AbstractWaveform
from snnjax.inputs.currents import (
    chirp,
    constant,
    from_function,
    pulse_train,
    pulses,
    ramp,
    sections,
    sine,
    step,
)
from snnjax.inputs.noise import OrnsteinUhlenbeck, WhiteNoise, white_noise
from snnjax.inputs.poisson import bernoulli, compound_poisson, poisson
from snnjax.inputs.renewal import (
    gamma_train,
    poisson_train,
    refractory_poisson_train,
    regular_train,
)
from snnjax.inputs.samples import from_array, from_file
from snnjax.inputs.trains import SpikeTrain, from_times

__all__ = [
    "AbstractInput",
    "AbstractWaveform",
    "OrnsteinUhlenbeck",
    "SpikeTrain",
    "WhiteNoise",
    "bernoulli",
    "chirp",
    "compound_poisson",
    "constant",
    "from_array",
    "from_file",
    "from_function",
    "from_times",
    "gamma_train",
    "poisson",
    "poisson_train",
    "pulse_train",
    "pulses",
    "ramp",
    "refractory_poisson_train",
    "regular_train",
    "sections",
    "sine",
    "step",
    "white_noise",
]
