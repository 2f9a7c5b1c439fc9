"""The host as several devices, a batch split over them, and a compilation that is kept."""

import json
import os
import subprocess
import sys

import pytest

import snnjax as snn

ROOT = os.getcwd()


def python(code, *arguments):
    env = {**os.environ, "JAX_ENABLE_X64": "1", "PYTHONPATH": ROOT}
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


SHARDED = """
import json
import snnjax as snn
snn.use_cores(8)
import jax, numpy as np, optax
assert len(jax.devices()) == 8
snn.use_cores(8)  # again the same is no matter

keys = jax.random.split(jax.random.key(0), 2)
def network():
    return snn.Sequential(
        snn.Linear(5, 12, key=keys[0], gain=2.0), snn.BatchNorm(12), snn.LIF.from_decay(0.8),
        snn.Dropout(0.3), snn.Linear(12, 3, key=keys[1]), snn.LeakyIntegrator(4.0),
    )
rng = np.random.default_rng(0)
y = rng.integers(0, 3, 70)
x = rng.random((70, 5)) * (1 + y[:, None])/3
held_out = x[:27], y[:27]  # the last batch is no multiple of 8

# Adam divides by the gradient's size, and so blows up the rounding of small ones.
sgd = optax.sgd(0.3, momentum=0.9)
def run(devices, **kwargs):
    net, history = snn.fit(
        network(), (x, y), validation=held_out, encode=snn.BernoulliCode(10),
        regularisers=[lambda layers: layers["layers.2"].mean()], optimizer=sgd,
        key=jax.random.key(1), epochs=2, batch_size=16, progress=False, devices=devices, **kwargs,
    )
    return net, history

one, first = run(None)
many, history = run(8)
two, _ = run(jax.devices()[2:4])
leaves = lambda net: [np.asarray(a) for a in jax.tree.leaves(net) if hasattr(a, "shape")]
assert all(len(a.devices()) == 1 for a in jax.tree.leaves(many) if hasattr(a, "devices"))
snn.evaluate(many, held_out, encode=snn.LatencyCode(10))  # and goes with other arrays
away = lambda a, b: max(float(np.abs(p - q).max()) for p, q in zip(leaves(a), leaves(b)))
moved = away(one, network())
errors = []
for wrong in (dict(devices=9), dict(devices=5), dict(devices=())):
    try:
        run(**wrong)
    except ValueError as error:
        errors.append(str(error))
try:
    snn.use_cores(4)
except ValueError as error:
    errors.append(str(error))

# The work is split: each device holds two samples of a batch of 16.
shards = []
def loss(outputs, labels):
    note = lambda sharding: shards.append(sharding.shard_shape(outputs.shape))
    jax.debug.inspect_array_sharding(outputs, callback=note)
    return snn.rate_cross_entropy(outputs, labels)
snn.fit(
    snn.Linear(5, 3, key=keys[0]), (x, y), loss=loss, encode=snn.LatencyCode(10), optimizer=sgd,
    key=keys[1], epochs=1, batch_size=16, progress=False, devices=8,
)
print(json.dumps(dict(
    shards=shards, many=away(one, many), two=away(one, two), moved=moved, errors=errors,
    loss=[first.loss.tolist(), history.loss.tolist()],
    judged=[first.validation_loss.tolist(), history.validation_loss.tolist()],
)))
"""


def test_eight_devices_give_the_numbers_of_one():
    found = python(SHARDED)
    assert found["moved"] > 0.01
    assert found["many"] < 1e-9
    assert found["shards"] and all(shape == [10, 2, 3] for shape in found["shards"])
    assert found["two"] < 1e-9
    for a, b in (found["loss"], found["judged"]):
        assert a == pytest.approx(b, rel=1e-9)
    few, odd, none, late = found["errors"]
    assert "fit.devices=9, but jax sees 8" in few and "use_cores(9)" in few
    assert "fit.batch_size=16 must be a multiple of the 5 devices" in odd
    assert "multiple of the 0 devices" in none
    assert "use_cores(4) comes too late: jax has started with 8 device(s)" in late


def test_use_cores_comes_too_late_here():
    import jax

    n = jax.local_device_count(backend="cpu")
    snn.use_cores(n)  # what there is
    with pytest.raises(ValueError, match=rf"use_cores\({n + 1}\) comes too late"):
        snn.use_cores(n + 1)
    for wrong in (0, 1.5, "x"):
        with pytest.raises(
            ValueError, match=r"use_cores\.n must be a whole number above 0"
        ):
            snn.use_cores(wrong)


CACHED = """
import json, sys
import jax, jax.numpy as jnp
import snnjax as snn
early = jnp.ones(3) + 1  # compiled before there is a cache
snn.compilation_cache(sys.argv[1])
events = []
jax.monitoring.register_event_listener(lambda name, **kwargs: events.append(name))
jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((3, 3))).block_until_ready()
print(json.dumps(dict(
    hits=sum(name.endswith("cache_hits") for name in events),
    misses=sum(name.endswith("cache_misses") for name in events),
)))
"""


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    first = python(CACHED, tmp_path / "cache")
    assert first["misses"] > 0 and first["hits"] == 0
    assert any((tmp_path / "cache").iterdir())
    second = python(CACHED, tmp_path / "cache")
    assert second["misses"] == 0 and second["hits"] == first["misses"]


def test_a_cache_is_a_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match=r"compilation_cache\.folder=.*must be a folder"):
        snn.compilation_cache(tmp_path / "x")
