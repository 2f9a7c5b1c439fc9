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


# Flags that XLA does not know end the process as it starts, so that they are set for releases
# that were tried.
NEWEST_TRIED = Version("0.13.dev0")


def set_xla_flags(version: str) -> None:
    """Put `xla_flags` into the environment, where jax reads them as it starts.

    So they take effect if snnjax is imported before the first array is made.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = xla_flags(version, flags)
    if wanted != flags:
        os.environ["XLA_FLAGS"] = wanted


def xla_flags(version: str, flags: str) -> str:
    """`flags` with those that make loops over time quick on a CPU; what is set stays.

    - Vectors as wide as the processor has: XLA takes half of those of AVX-512, which costs a
      Hodgkin-Huxley cell, mostly exponentials, 1.9 times the time.
    - Releases of jax before 0.11 compile a loop over synapses as one native function, as later
      ones do; else they interpret a loop whose arrays pass one megabyte, at fifty times the
      time a synapse.
    """
    release, added = Version(version), []
    if release < Version("0.11"):
        option = f"xla_cpu_small_while_loop_byte_threshold={2**30}"
        added.append(f"--xla_backend_extra_options={option}")
    if release < NEWEST_TRIED:
        added.append("--xla_cpu_prefer_vector_width=512")
    new = [flag for flag in added if flag.split("=")[0] not in flags]
    return " ".join([*flags.split(), *new])
