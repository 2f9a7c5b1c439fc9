"""snnjax on as many host devices as there are cores, the batch divided among them."""

import functools

import side

import snnjax as snn

snn.use_cores(side.CORES)  # before the first array

if __name__ == "__main__":
    import jax
    import numpy as np
    from jax.sharding import Mesh
    from snnjax_ import build

    mesh = Mesh(np.array(jax.devices()), ("batch",))
    side.main(functools.partial(build, mesh=mesh), "jax", "equinox")
