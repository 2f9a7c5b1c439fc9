"""How a result was made."""

import importlib.metadata
from typing import Any

import jax


def version() -> str:
    """The installed version of snnjax, or "source tree" when run without installation."""
    try:
        return importlib.metadata.version("snnjax")
    except importlib.metadata.PackageNotFoundError:
        return "source tree"


def provenance(model: Any, dtype: Any) -> str:
    """One line: model, versions, device and dtype."""
    name = type(model).__name__
    if hasattr(model, "integrator"):
        name += f" by {type(model.integrator).__name__}"
    backend = jax.default_backend()
    return f"{name}, snnjax {version()}, jax {jax.__version__}, {backend}, {dtype}"
