"""Surrogate gradients: smooth steps whose slope stands in for that of a spike."""

import abc
import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.parameters import check_parameters, parameter


class AbstractSurrogate(eqx.Module):
    r"""A relaxation of the step, from 0 to 1, times a scale: slope = scale x d relaxed / dx.

    x is the distance of the potential above the threshold, in the unit of the potential
    (mV, or 1 where the model is dimensionless), so that `beta` and its like are per that unit.
    `normalize="peak"` scales the slope to 1 at x = 0; `"area"` makes it integrate to 1, the
    slope of the relaxation itself; `None` leaves the form of the literature.
    """

    normalize: eqx.AbstractVar[Literal["peak", "area"] | None]

    def __check_init__(self):
        check_parameters(self)
        checks.one_of(
            self.normalize, ["peak", "area", None], f"{type(self).__name__}.normalize"
        )

    @abc.abstractmethod
    def relaxed(self, x: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The smooth step that rises from 0 to 1; autodiff supplies its slope."""

    @property
    def literature_scale(self):
        """Area under the slope in the form of the literature; 1 unless the class says so."""
        return 1.0

    @property
    def scale(self):
        """What the slope of `relaxed` is multiplied with; equals the area under the slope."""
        if self.normalize == "area":
            return 1.0
        if self.normalize == "peak":
            return 1 / _slope(self.relaxed, jnp.zeros(()))
        return self.literature_scale

    @property
    def area(self):
        """The integral of the slope over all x, in the unit of x."""
        return self.scale

    @property
    def peak(self):
        """The slope at the threshold, x = 0."""
        return self.slope(jnp.zeros(()))

    def slope(self, x: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The surrogate derivative of the spike at distance `x` above the threshold."""
        return self.scale * _slope(self.relaxed, x)


def _slope(f, x):
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def _normalize():
    return eqx.field(default=None, static=True, kw_only=True)


class SuperSpike(AbstractSurrogate):
    r"""Fast sigmoid, slope $1 / (1 + \beta |x|)^2$: peak 1, area $2 / \beta$.

    Zenke & Ganguli 2018, Neural Comput. 30:1514.
    """

    beta: Float[Array, ""] = parameter(1.0, "per unit of v", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    @property
    def literature_scale(self):
        return 2 / self.beta

    def relaxed(self, x):
        x = self.beta * x
        return 0.5 + 0.5 * x / (1 + jnp.abs(x))


class Sigmoid(AbstractSurrogate):
    r"""Logistic, slope $\beta \sigma(\beta x) (1 - \sigma(\beta x))$: peak $\beta / 4$, area 1."""

    beta: Float[Array, ""] = parameter(4.0, "per unit of v", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    def relaxed(self, x):
        return jax.nn.sigmoid(self.beta * x)


class Arctan(AbstractSurrogate):
    r"""Slope $(\alpha / 2) / (1 + (\pi \alpha x / 2)^2)$: peak $\alpha / 2$, area 1.

    Fang et al. 2021, ICCV.
    """

    alpha: Float[Array, ""] = parameter(2.0, "per unit of v", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    def relaxed(self, x):
        return 0.5 + jnp.arctan(0.5 * math.pi * self.alpha * x) / math.pi


class Triangle(AbstractSurrogate):
    r"""Piecewise linear, slope $\gamma \max(0, 1 - |x| / w)$: peak $\gamma$, area $\gamma w$.

    Bellec et al. 2018, NeurIPS, with $\gamma$ = 0.3 and w the distance of the threshold.
    """

    width: Float[Array, ""] = parameter(1.0, "unit of v", above=0, per_neuron=False)
    gamma: Float[Array, ""] = parameter(1.0, "", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    @property
    def literature_scale(self):
        return self.gamma * self.width

    def relaxed(self, x):
        x = jnp.clip(x / self.width, -1, 1)
        return 0.5 + x - 0.5 * x * jnp.abs(x)


class Boxcar(AbstractSurrogate):
    r"""Slope 1 where $|x| \le w / 2$, else 0: peak 1, area w.

    Courbariaux et al. 2016, arXiv:1602.02830; Wu et al. 2018, Front. Neurosci. 12:331.
    """

    width: Float[Array, ""] = parameter(1.0, "unit of v", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    @property
    def literature_scale(self):
        return self.width

    def relaxed(self, x):
        x = x / self.width
        inside = jnp.abs(x) <= 0.5
        return jnp.where(inside, x + 0.5, (x > 0).astype(x.dtype))


class Laplace(AbstractSurrogate):
    r"""Exponential, slope $e^{-\beta |x|}$: peak 1, area $2 / \beta$.

    Shrestha & Orchard 2018, NeurIPS.
    """

    beta: Float[Array, ""] = parameter(1.0, "per unit of v", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    @property
    def literature_scale(self):
        return 2 / self.beta

    def relaxed(self, x):
        x = self.beta * x
        # Not -|x|, which would have no slope at x = 0, where the peak is.
        tail = 0.5 * jnp.exp(jnp.where(x < 0, x, -x))
        return jnp.where(x < 0, tail, 1 - tail)


class Gaussian(AbstractSurrogate):
    r"""Slope of the normal density $N(x; 0, \sigma)$: peak $1 / (\sigma \sqrt{2 \pi})$, area 1.

    Its relaxation is $\mathrm{erfc}(-x / \sqrt 2 \sigma) / 2$.
    """

    sigma: Float[Array, ""] = parameter(0.4, "unit of v", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    def relaxed(self, x):
        return jax.scipy.stats.norm.cdf(x / self.sigma)


class MultiGaussian(AbstractSurrogate):
    r"""A Gaussian with negative sides,
    $(1 + h) N(x; 0, \sigma) - h N(x; \sigma, s \sigma) - h N(x; -\sigma, s \sigma)$.

    Area $1 - h$; peak $((1 + h) - 2 (h / s) e^{-1 / 2 s^2}) / (\sigma \sqrt{2 \pi})$. Its
    relaxation runs from 0 to 1 but overshoots on either side.
    Yin, Corradi & Bohte 2021, Nat. Mach. Intell. 3:905.
    """

    sigma: Float[Array, ""] = parameter(0.5, "unit of v", above=0, per_neuron=False)
    h: Float[Array, ""] = parameter(0.15, "", at_least=0, at_most=0.9, per_neuron=False)
    s: Float[Array, ""] = parameter(6.0, "", above=0, per_neuron=False)
    normalize: Literal["peak", "area"] | None = _normalize()

    @property
    def literature_scale(self):
        return 1 - self.h

    def relaxed(self, x):
        z, wide = x / self.sigma, jax.scipy.stats.norm.cdf
        sides = wide((z - 1) / self.s) + wide((z + 1) / self.s)
        return ((1 + self.h) * wide(z) - self.h * sides) / (1 - self.h)


class StraightThrough(AbstractSurrogate):
    """Slope 1 everywhere: peak 1, no finite area, and no relaxation between 0 and 1.

    Bengio, Leonard & Courville 2013, arXiv:1308.3432.
    """

    normalize: Literal["peak", "area"] | None = _normalize()

    def __check_init__(self):
        if self.normalize == "area":
            raise ValueError(
                "StraightThrough.normalize='area' is undefined: a slope of 1 everywhere has "
                "no finite area. Use normalize='peak' or another surrogate."
            )

    def relaxed(self, x):
        raise ValueError(
            "StraightThrough has no relaxation between 0 and 1, so a network with it cannot "
            "be smoothed. Use another surrogate, such as SuperSpike."
        )

    @property
    def scale(self):
        return 1.0

    @property
    def area(self):
        return math.inf

    def slope(self, x):
        return jnp.ones_like(x)
