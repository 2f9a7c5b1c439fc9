"""Several processes, each with its share of the batches."""

import json

import jax
import numpy as np


def mine(number: int) -> bool:
    """Whether this process runs batch `number`."""
    return number % jax.process_count() == jax.process_index()


def wait_for_all(what: str) -> None:
    """Until every process is here."""
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(f"snnjax.sweep {what}")


def least(size: int) -> int:
    """The smallest `size` of all processes, so that they count batches alike."""
    return size if jax.process_count() == 1 else int(_gather(np.array(size)).min())


def exchange(
    arrays: dict[str, np.ndarray], done: np.ndarray, reasons: dict[int, str]
) -> None:
    """Put into `arrays` and `reasons` what the other processes did at the points they did."""
    if jax.process_count() == 1:
        return
    theirs = _gather(done)
    most = theirs.sum(1).max()
    for name, x in arrays.items():
        own = np.resize(x[done], (most, *x.shape[1:]))  # filled up; not all points of each
        for part, did in zip(_gather(own), theirs, strict=True):
            arrays[name][did] = part[: did.sum()]
    text = np.frombuffer(json.dumps(reasons).encode(), np.uint8)
    lengths = _gather(np.array(text.size))
    padded = np.zeros(lengths.max(), np.uint8)
    padded[: text.size] = text
    for part, length in zip(_gather(padded), lengths, strict=True):
        found = json.loads(part[:length].tobytes().decode())
        reasons.update({int(k): reason for k, reason in found.items()})
    done |= theirs.any(0)


def _gather(x: np.ndarray) -> np.ndarray:
    """That of each process, along a first axis, bit for bit."""
    from jax.experimental.multihost_utils import process_allgather

    x = np.asarray(x)
    bits = np.frombuffer(x.tobytes(), np.uint8)
    found = np.asarray(process_allgather(bits))
    return np.stack([part.view(x.dtype).reshape(x.shape) for part in found])
