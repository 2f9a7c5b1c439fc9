"""What `check_gradients` finds, and how it prints."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


class Agreement(NamedTuple):
    """How a gradient compares with the one it is held against."""

    cosine: float  # 1 where it points the same way
    ratio: float  # of its norm to the norm of the other

    @classmethod
    def of(cls, gradient: Array, reference: Array) -> "Agreement":
        """NaN where one of them is 0 and has no direction."""
        a, b = np.ravel(gradient), np.ravel(reference)
        with np.errstate(invalid="ignore", divide="ignore"):
            norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
            return cls(float(a @ b / (norm_a * norm_b)), float(norm_a / norm_b))


class LeafGradient(NamedTuple):
    """The gradient of one trained leaf; see `check_gradients`."""

    size: int
    norm: float  # of the gradient that training uses
    spiking: Agreement  # of that gradient with the smoothed loss's
    relaxed: (
        Agreement  # of the relaxed network's as trained (resets detached, or not) with it
    )
    error: float  # of autodiff on the relaxed network against finite differences, relative
    stepwise: (
        float  # of `unroll` against `step` in a loop, relative; NaN where none can step
    )
    exact: Agreement | None  # of the gradient that training uses with the exact one


class GradientReport(NamedTuple):
    """The certificate of `check_gradients`; prints as a table.

    `ok` says that no problem was found. Warnings are what may hinder learning with a gradient
    that is right.
    """

    leaves: dict[str, LeafGradient]
    rates: dict[str, float]  # spikes per step of every spiking layer
    depth: float  # rms gradient of the first trained weight over that of the last
    growth: float  # of the gradient to the inputs: first over last quarter of the duration
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        width = max(4, *map(len, self.leaves))
        exact = any(leaf.exact is not None for leaf in self.leaves.values())
        lines = [
            f"{'':<{width}}  {'':>8}  {'':>9}  {'spiking':^14}  {'relaxed':^14}  "
            f"{'autodiff':>9}  {'unroll':>9}" + "  " * exact + f"{'exact':^14}" * exact,
            f"{'leaf':<{width}}  {'size':>8}  {'norm':>9}  {'cosine':>6}  {'ratio':>6}  "
            f"{'cosine':>6}  {'ratio':>6}  {'error':>9}  {'error':>9}"
            + f"  {'cosine':>6}  {'ratio':>6}"
            * exact,
        ]
        for name, x in self.leaves.items():
            row = f"{name:<{width}}  {x.size:>8}  {x.norm:>9.2e}  {_pair(x.spiking)}  "
            row += f"{_pair(x.relaxed)}  {x.error:>9.1e}  {x.stepwise:>9.1e}"
            if exact:
                row += f"  {_pair(x.exact)}"
            lines.append(row)
        rates = ", ".join(f"{name} {rate:.3g}" for name, rate in self.rates.items())
        lines.append(f"spikes per step: {rates or 'nothing spikes'}")
        lines.append(
            f"first / last layer: {self.depth:.2g}   "
            f"first / last quarter of the time: {self.growth:.2g}"
        )
        lines += [f"PROBLEM: {x}" for x in self.problems]
        lines += [f"warning: {x}" for x in self.warnings]
        lines.append("ok" if self.ok else "not ok")
        return "\n".join(lines)


def _pair(agreement: Agreement | None) -> str:
    if agreement is None:
        return f"{'-':>6}  {'-':>6}"
    return f"{agreement.cosine:>6.3f}  {agreement.ratio:>6.3g}"


def relative(difference: Array, reference: Array) -> float:
    """Norm of `difference` over that of `reference`; 0 where both are 0."""
    a, b = (float(jnp.linalg.norm(jnp.ravel(x))) for x in (difference, reference))
    return a / b if b else (0.0 if a == 0 else np.inf)
