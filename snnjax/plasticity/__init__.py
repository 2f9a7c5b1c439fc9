"""Local learning rules: how weights change by the spikes of both sides."""

from snnjax.plasticity.bounds import AbstractBounds, HardBounds, NoBounds, SoftBounds
from snnjax.plasticity.chronotron import ChronotronE, ChronotronI
from snnjax.plasticity.clopath import Clopath
from snnjax.plasticity.dl_resume import DLReSuMe
from snnjax.plasticity.homeostasis import Normalised, SynapticScaling
from snnjax.plasticity.likelihood import LikelihoodGradient
from snnjax.plasticity.offset_stdp import OffsetSTDP
from snnjax.plasticity.psd import PSD
from snnjax.plasticity.rate import BCM, Hebb, Oja
from snnjax.plasticity.replay import Replayed, replay
from snnjax.plasticity.resume import MultilayerReSuMe, ReSuMe, hidden_error
from snnjax.plasticity.reward import RewardModulated
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen, Signals
from snnjax.plasticity.span import SPAN
from snnjax.plasticity.stdp import STDP
from snnjax.plasticity.structural import StructuralPlasticity
from snnjax.plasticity.supervised_hebb import SupervisedHebb, TeacherForced
from snnjax.plasticity.swat import SWAT
from snnjax.plasticity.tempotron import Tempotron
from snnjax.plasticity.three_factor import ThreeFactor
from snnjax.plasticity.triplet import TripletSTDP
from snnjax.plasticity.vogels import InhibitorySTDP
from snnjax.plasticity.window import RickerWindow, TriphasicWindow, WindowSTDP
from snnjax.plasticity.wrapped import AbstractWrappedRule

__all__ = [
    "BCM",
    "PSD",
    "SPAN",
    "STDP",
    "SWAT",
    "AbstractBounds",
    "AbstractRule",
    "AbstractWrappedRule",
    "ChronotronE",
    "ChronotronI",
    "Clopath",
    "DLReSuMe",
    "HardBounds",
    "Hebb",
    "InhibitorySTDP",
    "LikelihoodGradient",
    "MultilayerReSuMe",
    "NoBounds",
    "Normalised",
    "OffsetSTDP",
    "Oja",
    "ReSuMe",
    "Replayed",
    "RewardModulated",
    "RickerWindow",
    "RuleState",
    "Seen",
    "Signals",
    "SoftBounds",
    "StructuralPlasticity",
    "SupervisedHebb",
    "SynapticScaling",
    "TeacherForced",
    "Tempotron",
    "ThreeFactor",
    "TriphasicWindow",
    "TripletSTDP",
    "WindowSTDP",
    "hidden_error",
    "replay",
]
