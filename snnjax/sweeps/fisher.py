"""Which parameters data determine: the Fisher information of a fit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Fisher(NamedTuple):
    r"""The Fisher information of parameters, and what follows from it.

    $$F = J^T J, \quad J_{ij} = \partial r_i / \partial \theta_j, \quad
      \mathrm{cov}(\hat\theta) \ge F^{-1}$$

    of residuals r in units of the noise: that is the information if the noise is Gaussian,
    independent from sample to sample, and of the size that was stated. The second is the bound
    of Cramer and Rao on any unbiased estimate, which least squares reach with much data.

    - `names`: of the parameters; one entry of an array is "weight[2]".
    - `matrix`: F, in the units of the parameters. `relative`: of their logarithms,
      $\theta_i F_{ij} \theta_j$, without units; of a parameter that is 0, F itself.
    - `standard_errors`: the bound, in the unit of each; inf if the data leave it open.
      `relative_errors`: these over the value.
    - `correlation`: of the estimates; NaN for parameters left open.
    - `eigenvalues`: of `relative`, falling; `eigenvectors`: the columns. Data fix the
      combination of an eigenvector to a relative error of $1 / \sqrt\lambda$: the first are
      stiff, the last sloppy (Gutenkunst et al. 2007, PLoS Comput. Biol. 3:e189).
    - `open`: how many of the last eigenvalues are 0 to rounding. Along their eigenvectors
      parameters change and the prediction does not: no data of this kind can tell.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    relative: np.ndarray
    standard_errors: np.ndarray
    relative_errors: np.ndarray
    correlation: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    open: int

    def combination(self, i: int, least: float = 0.1) -> str:
        """Eigenvector `i` in words: its entries of at least `least`, largest first."""
        vector = self.eigenvectors[:, i]
        order = [j for j in np.argsort(-abs(vector)) if abs(vector[j]) >= least]
        sign = 1 if vector[order[0]] > 0 else -1
        return ", ".join(f"{self.names[j]} {sign * vector[j]:+.2f}" for j in order)

    @property
    def open_combinations(self) -> list[str]:
        """Relative changes, together, that leave the prediction as it is."""
        n = len(self.names)
        return [self.combination(i) for i in range(n - self.open, n)]


def fisher(jacobian: np.ndarray, values: np.ndarray, names: Sequence[str]) -> Fisher:
    """The `Fisher` information of residuals with this `jacobian` [samples, parameters]."""
    # In the precision of the simulation; the rest of the arithmetic is in float64.
    eps = np.finfo(jacobian.dtype).eps
    jacobian, values = np.asarray(jacobian, float), np.asarray(values, float)
    scale = np.where(values == 0, 1, abs(values))
    scaled = jacobian * np.where(values == 0, 1, values)
    # Not from the matrix: squared, small singular values would drown in rounding.
    _, s, vectors = np.linalg.svd(np.vstack([scaled, np.zeros((len(values),) * 2)]))
    vectors = vectors.T
    shut = s > np.sqrt(eps) * s[0]
    spread = vectors[:, shut] / s[shut]
    covariance = spread @ spread.T  # relative, of what is not open
    left_open = np.linalg.norm(vectors[:, ~shut], axis=1) > eps**0.25
    error = np.where(left_open, np.inf, np.sqrt(np.diag(covariance)))
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.where(left_open, np.nan, error)
        known = known * np.where(values < 0, -1, 1)  # its logarithm falls as it rises
        correlation = covariance / np.outer(known, known)
    return Fisher(
        tuple(names),
        jacobian.T @ jacobian,
        scaled.T @ scaled,
        error * scale,
        np.where(values == 0, np.inf, error),
        correlation,
        s**2,
        vectors,
        int((~shut).sum()),
    )
