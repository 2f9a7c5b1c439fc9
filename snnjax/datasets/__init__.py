"""Data to train on: generated from a seed, or read from a path; nothing is downloaded."""

from snnjax.datasets.association import Association, spike_pattern_association
from snnjax.datasets.delayed_xor import delayed_xor
from snnjax.datasets.digits import digits
from snnjax.datasets.event_files import load_events
from snnjax.datasets.events import SpikeEvents, bin_events
from snnjax.datasets.mackey_glass import mackey_glass, prediction_windows
from snnjax.datasets.mnist import load_idx, load_mnist
from snnjax.datasets.randman import randman
from snnjax.datasets.shd import SpokenDigits, load_shd
from snnjax.datasets.split import Split
from snnjax.datasets.yin_yang import yin_yang

__all__ = [
    "Association",
    "SpikeEvents",
    "Split",
    "SpokenDigits",
    "bin_events",
    "delayed_xor",
    "digits",
    "load_events",
    "load_idx",
    "load_mnist",
    "load_shd",
    "mackey_glass",
    "prediction_windows",
    "randman",
    "spike_pattern_association",
    "yin_yang",
]
