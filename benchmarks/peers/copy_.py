"""No peer: how fast this machine copies an array of the size of the input, on all cores."""

import concurrent.futures

import numpy as np
import side
from side import CORES, Side


def build(work, data):
    source, target = np.ones(work.shape, np.float32), np.zeros(work.shape, np.float32)
    pool = concurrent.futures.ThreadPoolExecutor(CORES)
    parts = [np.array_split(x, CORES) for x in (target, source)]
    return Side({"copy": lambda: list(pool.map(np.copyto, *parts))}, lambda: (0.0, {}))


if __name__ == "__main__":
    side.main(build, "numpy")
