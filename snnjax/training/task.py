"""One update of the parameters, one epoch of updates, and how a network is judged."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.cores import first_devices
from snnjax.core.trainable import trainable
from snnjax.core.unroll import unroll


class Moving(NamedTuple):
    """What training changes."""

    params: dict[str, Array]  # of `trainable`
    absorbed: dict[str, Array]  # leaves that a run changes itself, such as running averages
    opt_state: Any


class Step(NamedTuple):
    """What one update tells."""

    loss: Float[Array, ""]
    penalty: Float[Array, ""]
    squares: dict[str, Float[Array, ""]]  # of the gradient's norm, by leaf


class Task(eqx.Module):
    """What stays the same over a training: the network, how it is fed, run and judged.

    All but the arrays of `model`, `encode` and `augment` is part of the key under which jax
    keeps what it has compiled, so that an equal task compiles nothing.
    """

    model: Any  # its trained and absorbed leaves are those of the start
    encode: Callable | None
    augment: Callable | None
    loss: Callable
    regularisers: tuple[Callable, ...]
    score: Callable | None
    optimizer: optax.GradientTransformation | None
    names: tuple[str, ...] = eqx.field(static=True)  # of the leaves trained
    dt: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    remat: int | Literal["sqrt"] | None = eqx.field(static=True, default=None)
    max_memory: float | None = eqx.field(static=True, default=None)
    mesh: Mesh | None = eqx.field(static=True, default=None)

    def network(self, moving: Moving, *, inference: bool) -> Any:
        """The model with what has moved put in."""
        net = trainable(self.model, self.names).build(moving.params)
        net = jax.tree_util.tree_map_with_path(
            lambda path, x: moving.absorbed.get(leaf_name(path), x), net
        )
        return eqx.nn.inference_mode(net, inference)

    def inputs(self, x: Any, key: Any) -> Any:
        """Floats [time, batch, ...] from samples `x` [batch, ...]."""
        if self.encode is None:
            inputs = jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), x)
        else:
            inputs = self.encode(x, key)
        return self.split(jax.tree.map(checks.as_float, inputs), 1)

    def split(self, tree: Any, axis: int) -> Any:
        """`tree` with its batch `axis` divided among the devices, if it can be."""
        if self.mesh is None:
            return tree
        sharding = NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "batch"))
        put = lambda x: (
            x
            if x.shape[axis] % self.mesh.size
            else jax.lax.with_sharding_constraint(x, sharding)
        )
        return jax.tree.map(put, tree)

    def run(self, net: Any, inputs: Any, *, state: Any = None, key: Any = None) -> Any:
        """`Rollout` of `net`, with the outputs of every part if a regulariser looks at them."""
        return unroll(
            net,
            inputs,
            self.dt,
            state=state,
            key=key,
            layers=bool(self.regularisers),
            remat=self.remat,
            max_memory=self.max_memory,
        )

    def update(
        self, moving: Moving, inputs: Any, y: Any, *, state: Any = None, key: Any = None
    ) -> tuple[Moving, Step, Any]:
        """One step of the optimiser; also the state of the network after its run."""

        def objective(params):
            net = self.network(moving._replace(params=params), inference=False)
            run = self.run(net, inputs, state=state, key=key)
            loss = self.loss(run.outputs, y)
            penalty = sum((r(run.layers) for r in self.regularisers), jnp.zeros_like(loss))
            after = named_arrays(net.absorb(run.state))
            absorbed = {name: after[name] for name in moving.absorbed}
            return loss + penalty, (loss, penalty, absorbed, run.state)

        (total, aux), grads = jax.value_and_grad(objective, has_aux=True)(moving.params)
        loss, penalty, absorbed, state = aux
        update = optax.with_extra_args_support(self.optimizer).update
        updates, opt_state = update(grads, moving.opt_state, moving.params, value=total)
        params = optax.apply_updates(moving.params, updates)
        squares = jax.tree.map(lambda g: jnp.sum(jnp.square(g)), grads)
        return Moving(params, absorbed, opt_state), Step(loss, penalty, squares), state


# What is handed over anew each time is donated; the task and the data come first and stay.
@eqx.filter_jit(donate="all-except-first")
def epoch(fixed: tuple[Task, Any, Any], moving: Moving) -> tuple[Moving, Step]:
    """One pass over whole batches of `fixed` = (task, (x, y), key) in a random order."""
    task, (x, y), key = fixed
    n, size = length(x), task.batch_size
    order_key, batch_key = jax.random.split(key)
    order = jax.random.permutation(order_key, n)[: n // size * size].reshape(-1, size)

    def batch(moving, now):
        i, rows = now
        take = lambda tree: task.split(jax.tree.map(lambda a: a[rows], tree), 0)
        vary_key, encode_key, run_key = jax.random.split(
            jax.random.fold_in(batch_key, i), 3
        )
        seen = take(x) if task.augment is None else task.augment(take(x), vary_key)
        inputs = task.inputs(seen, encode_key)
        moving, step, _ = task.update(moving, inputs, take(y), key=run_key)
        return moving, step

    return jax.lax.scan(batch, moving, (jnp.arange(len(order)), order))


@eqx.filter_jit
def judge(
    task: Task, moving: Moving, data: tuple[Any, Any], key: Any, with_outputs: bool = False
) -> tuple[Array, Array, Any]:
    """(loss, score, outputs or None) in inference mode, in batches; means over the samples."""
    net = task.network(moving, inference=True)
    n, size = length(data[0]), min(task.batch_size, length(data[0]))
    whole = n // size * size

    def batch(_, now):
        i, (x, y) = now
        encode_key, run_key = (
            (None, None) if key is None else jax.random.split(jax.random.fold_in(key, i))
        )
        inputs = task.inputs(task.split(x, 0), encode_key)
        outputs = unroll(net, inputs, task.dt, key=run_key).outputs
        loss, score = task.loss(outputs, y), jnp.nan
        if task.score is not None:
            score = task.score(outputs, y)
        pair = jnp.stack([jnp.asarray(a, jnp.result_type(float)) for a in (loss, score)])
        return None, (pair, outputs if with_outputs else None)

    cut = lambda a: a[:whole].reshape(whole // size, size, *a.shape[1:])
    batches = (jnp.arange(whole // size), jax.tree.map(cut, data))
    _, (pairs, outputs) = jax.lax.scan(batch, None, batches)
    pair = pairs.mean(0)
    join = lambda a: jnp.moveaxis(a, 0, 1).reshape(a.shape[1], whole, *a.shape[3:])
    outputs = jax.tree.map(join, outputs)
    if whole < n:
        last = (whole // size, jax.tree.map(lambda a: a[whole:], data))
        _, (rest, more) = batch(None, last)
        pair = (pair * whole + rest * (n - whole)) / n
        both = lambda a, b: jnp.concatenate([a, b], 1)
        outputs = jax.tree.map(both, outputs, more)
    return pair[0], pair[1], outputs


def length(tree: Any) -> int:
    """How many samples there are."""
    return jax.tree.leaves(tree)[0].shape[0]


def leaf_name(path: Any) -> str:
    """Dotted name of a leaf, such as "layers.0.weight"."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def named_arrays(model: Any) -> dict[str, Array]:
    """All arrays of `model` by dotted name."""
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {leaf_name(path): x for path, x in leaves if eqx.is_array(x)}


def owned(tree: Any) -> Any:
    """A copy of the arrays of `tree`, to be given away; none of them is weakly typed."""
    return jax.tree.map(lambda x: jnp.array(x, x.dtype) if eqx.is_array(x) else x, tree)


def mesh_of(devices: int | Sequence[Any] | None, batch_size: int) -> Mesh | None:
    """The devices that share each batch, or None for the usual one."""
    if devices is None:
        return None
    if not isinstance(devices, Sequence):
        devices = first_devices(devices, "fit.devices", jax.devices())
    if not devices or batch_size % len(devices):
        raise ValueError(
            f"fit.batch_size={batch_size} must be a multiple of the {len(devices)} devices that "
            "share a batch."
        )
    return Mesh(np.array(devices), ("batch",))


def replicated(tree: Any, mesh: Mesh | None) -> Any:
    """`tree` with its arrays on every device of `mesh`."""
    if mesh is None:
        return tree
    return eqx.filter_shard(tree, NamedSharding(mesh, PartitionSpec()))
