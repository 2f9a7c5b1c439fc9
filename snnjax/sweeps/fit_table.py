"""A fit of parameters, as a table to read."""

from typing import Any

import numpy as np


def table(fit: Any) -> str:
    """The lines that `print(fit)` shows, of a `ParameterFit`."""
    f, starts = fit.fisher, fit.starts
    n = len(starts.loss)
    free = fit.n_data - len(f.names)
    lines = [
        f"{len(f.names)} parameters, {fit.n_data} data: "
        + (
            f"chi2 per degree of freedom {2 * fit.loss / free:.3g}"
            if free > 0
            else "no rest"
        )
        + f"; best of {n} start{'s' * (n > 1)}, {int(starts.converged.sum())} converged"
        + ("" if fit.converged else "; THE BEST HAS NOT CONVERGED, give more steps="),
        f"{'parameter':<20}{'value':>14}{'standard error':>18}{'relative':>12}  verdict",
    ]
    values = np.concatenate([np.ravel(x) for _, x in sorted(fit.parameters.items())])
    rows = zip(f.names, values, f.standard_errors, f.relative_errors, strict=True)
    for name, value, error, relative in rows:
        shown = "-" if not np.isfinite(error) else f"{error:.3g}"
        part = "-" if not np.isfinite(relative) else f"{relative:.2%}"
        row = f"{name:<20}{value:>14.6g}{shown:>18}{part:>12}"
        lines.append(f"{row}  {_verdict(fit, name, error)}")
    if f.open:
        lines.append(
            "The information matrix is singular: the data are the same whatever is added, in "
            "these proportions, to the logarithms of"
        )
        lines += [f"    {text}" for text in f.open_combinations]
        lines.append("Fix one parameter of each, or measure something else.")
    for word, i in (("Stiffest", 0), ("Sloppiest", len(f.names) - f.open - 1)):
        if len(f.names) - f.open > 1:
            error = f.eigenvalues[i] ** -0.5
            lines.append(f"{word}, to {100 * error:.2g}%: {f.combination(i)}")
    size = "as given" if fit.noise == 1.0 else f"estimated as {fit.noise:.3g}"
    lines.append(
        "Standard errors are the Cramer-Rao bound, if the noise is Gaussian, independent in "
        f"each sample, and of the size {size}."
    )
    return "\n".join(lines)


def _verdict(fit: Any, name: str, error: float) -> str:
    if name in fit.at_bound or name.split("[")[0] in fit.at_bound:
        return "at its bound: look there again"
    if not np.isfinite(error):
        return "not determined: another makes up for it"
    return "determined" if fit.determined[name] else "hardly determined"
