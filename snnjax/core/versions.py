"""What releases of jax differ in: wrong numbers of some, slow loops of others."""

import importlib.metadata
import os
import warnings

from packaging.requirements import Requirement
from packaging.version import Version


class MiscompilingJaxWarning(UserWarning):
    """The installed jax is a release that snnjax excludes: its numbers may be wrong."""


def jax_requirement(distribution: str = "snnjax") -> Requirement | None:
    """The range of jax that `distribution` asks for, or None if it is not installed."""
    try:
        requires = importlib.metadata.requires(distribution) or ()
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return None
    # Parsing is slow, and extras ask for jax once more: look for the plain name first.
    named = (Requirement(line) for line in requires if line.startswith("jax"))
    return next((r for r in named if r.name == "jax" and r.marker is None), None)


def warn_if_miscompiling(version: str, distribution: str = "snnjax") -> None:
    """Warn once if `version` of jax is one that `distribution` excludes by name (`!=`).

    On CPU the releases from 0.9.1 to 0.10 compute a jitted, vmapped small matrix-vector
    product followed by a reduction wrongly beyond some 32,768 rows, without an error.
    """
    required = jax_requirement(distribution)
    if required is None:
        return
    excluded = [clause for clause in required.specifier if clause.operator == "!="]
    if all(clause.contains(version, prereleases=True) for clause in excluded):
        return
    warnings.warn(
        f"jax {version} is a release that {distribution} excludes: on CPU it can compute "
        f"wrong numbers without an error. Install another: pip install '{required}'",
        MiscompilingJaxWarning,
        stacklevel=3,  # whoever imports snnjax
    )


def compile_loops_whole(version: str) -> None:
    """Let releases of jax before 0.11 compile a loop over synapses as one native function.

    Later ones do; these interpret a loop whose arrays pass one megabyte, at fifty times the
    time a synapse. The option is read from the environment when jax starts, so that it takes
    effect if snnjax is imported before the first array is made. Extra options of the user's own
    in `XLA_FLAGS` are left as they are.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if Version(version) >= Version("0.11") or "xla_backend_extra_options" in flags:
        return
    option = f"xla_cpu_small_while_loop_byte_threshold={2**30}"
    os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_extra_options={option}".strip()
