"""Settings of jax that are made once, before it starts."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from snnjax.core import checks


def use_cores(n: int) -> None:
    """Let jax see the host as `n` devices, which `fit(devices=n)` splits a batch over.

    To be called before jax starts: before the first array is made. Each device runs its own
    loop over time, so that on a CPU, where such a loop keeps one core busy, n of them run at
    once; n is sensibly the number of cores. Raises `ValueError` if jax has already started
    with another number.
    """
    n = checks.count(n, "use_cores.n")
    try:
        jax.config.update("jax_num_cpu_devices", n)
    except RuntimeError as error:
        started = jax.local_device_count(backend="cpu")
        if started != n:
            raise ValueError(
                f"use_cores({n}) comes too late: jax has started with {started} device(s) on "
                "the host. Call it first, right after the imports and before the first array "
                "is made; in a notebook, restart the kernel."
            ) from error


def first_devices(n: Any, name: str, there: Sequence[Any]) -> list[Any]:
    """The first `n` of the devices that are `there`; refuses more. `name`: of the argument."""
    n = checks.count(n, name)
    if n > len(there):
        raise ValueError(
            f"{name}={n}, but jax sees {len(there)}. On a CPU call snnjax.use_cores({n}) before "
            "jax starts."
        )
    return list(there[:n])


def compilation_cache(folder: str | os.PathLike) -> None:
    """Keep what jax compiles in `folder`, so that the next process need not compile it again.

    Everything is kept, however quick it was to compile; the folder is made if it is not
    there, and may be deleted at any time.
    """
    from jax.experimental.compilation_cache import compilation_cache as cache

    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise ValueError(f"compilation_cache.folder={str(folder)!r} must be a folder.")
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path.resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    cache.reset_cache()  # jax decides at its first compilation whether it has a cache
