"""Who reaches whom: wiring rules, where neurons are, and distributions of weights and delays.

Rules are named as in NEST and give `Edges`; see `AbstractRule`.
"""

from snnjax.connect.arrays import FromArrays, FromSparse
from snnjax.connect.convolution import Convolution
from snnjax.connect.distributions import (
    AbstractDistribution,
    Constant,
    ExponentialDistribution,
    LogNormal,
    Normal,
    Uniform,
)
from snnjax.connect.edges import Edges
from snnjax.connect.kernels import (
    AbstractKernel,
    BoxKernel,
    ExponentialKernel,
    GaussianKernel,
    LinearKernel,
)
from snnjax.connect.positions import distances, grid, random_positions, ring
from snnjax.connect.random_rules import (
    FixedInDegree,
    FixedOutDegree,
    FixedTotalNumber,
    PairwiseBernoulli,
    SymmetricPairwiseBernoulli,
)
from snnjax.connect.rules import AbstractRule, AllToAll, OneToOne
from snnjax.connect.small_world import SmallWorld
from snnjax.connect.spatial import DistanceDependent
from snnjax.connect.values import as_values

__all__ = [
    "AbstractDistribution",
    "AbstractKernel",
    "AbstractRule",
    "AllToAll",
    "BoxKernel",
    "Constant",
    "Convolution",
    "DistanceDependent",
    "Edges",
    "ExponentialDistribution",
    "ExponentialKernel",
    "FixedInDegree",
    "FixedOutDegree",
    "FixedTotalNumber",
    "FromArrays",
    "FromSparse",
    "GaussianKernel",
    "LinearKernel",
    "LogNormal",
    "Normal",
    "OneToOne",
    "PairwiseBernoulli",
    "SmallWorld",
    "SymmetricPairwiseBernoulli",
    "Uniform",
    "as_values",
    "distances",
    "grid",
    "random_positions",
    "ring",
]
