"""Layers without memory: one function, for one time or for all times at once."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics


class AbstractStateless(AbstractDynamics[tuple[()]]):
    """A layer whose output depends on the input of this very step alone.

    A subclass writes `__call__` and inherits the rest: the state is `()`, and `unroll` is one
    call on the whole sequence, time being one more leading axis.

        class Rectify(snn.AbstractStateless):
            def __call__(self, x):
                return jax.nn.relu(x)
    """

    @abc.abstractmethod
    def __call__(self, x: Array) -> Array:
        """The output for `x` [..., *sample], with any number of leading axes.

        Raises `ValueError` if the trailing axes are not those it takes.
        """

    def init(self, shape=(), *, key=None, dt=None):
        """No state; refuses a `shape` that `__call__` does not take."""
        del key, dt
        try:
            jax.eval_shape(lambda: self(jnp.zeros(shape, model_dtype(self))))
        except TypeError as error:
            raise ValueError(
                f"{type(self).__name__} does not take inputs of shape {tuple(shape)}: {error}"
            ) from error
        return ()

    def step(self, state, input, dt):
        del dt
        return state, self(input)

    def unroll(self, state, inputs, dt):
        return self.step(state, inputs, dt)


class Stateless(AbstractStateless):
    """A function of one sample as a layer, such as a layer of `equinox.nn`.

    `f` sees one sample without time and batch: it is mapped over all but the last `axes` axes
    of its input. Convolutions and poolings of equinox want channels first, [channels, height,
    width], unlike the layers of snnjax.

        snn.Stateless(eqx.nn.MLP(10, 10, 32, 2, key=key))
        snn.Stateless(lambda image: image[::2, ::2], axes=3)

    - `f`: takes and returns one array.
    - `axes`: how many trailing axes one sample has. By default what `f` says, if it is one of
      equinox.nn's Linear, MLP, Conv, Pool, LayerNorm or RMSNorm, and 1 for a plain function.

    Raises `ValueError` for layers that equinox gives a state or a key at each call.
    """

    f: Any  # Array -> Array
    axes: int = eqx.field(static=True)

    def __init__(self, f: Callable[[Array], Array], axes: int | None = None):
        _refuse(f)
        if axes is None:
            axes = _sample_axes(f)
        if not isinstance(axes, int) or axes < 0:
            raise ValueError(f"Stateless.axes must be a whole number from 0, got {axes!r}.")
        # A plain function is no leaf that jax could trace; a Partial holds it as structure.
        self.f = f if isinstance(f, eqx.Module) else jax.tree_util.Partial(f)
        self.axes = axes

    def __call__(self, x):
        f, leading = self.f, jnp.ndim(x) - self.axes
        if leading < 0:
            raise ValueError(
                f"Stateless({_name(f)}) takes samples of {self.axes} axes, got shape "
                f"{jnp.shape(x)}."
            )
        for _ in range(leading):
            f = jax.vmap(f)
        try:
            return f(jnp.asarray(x))
        except TypeError as error:
            raise ValueError(
                f"Stateless({_name(self.f)}) does not take samples of shape "
                f"{jnp.shape(x)[leading:]}: {error}"
            ) from error


def as_layer(x: Any, name: str) -> AbstractDynamics:
    """`x` if it is a model or a layer; otherwise, if it can be called, as `Stateless(x)`."""
    if isinstance(x, AbstractDynamics):
        return x
    if isinstance(x, type) or not callable(x):
        raise ValueError(f"{name} must be a model or layer, got {x!r}.")
    try:
        return Stateless(x)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def require_last_axis(shape: tuple[int, ...], features: int, name: str) -> None:
    """Refuse inputs whose last axis is not as long as layer `name` has features."""
    if tuple(shape)[-1:] != (features,):
        raise ValueError(
            f"{name} takes inputs whose last axis has {features} features, "
            f"got shape {tuple(shape)}."
        )


def output_shape(
    layer: AbstractDynamics, state: Any, shape: tuple[int, ...], dt: Any
) -> tuple[int, ...]:
    """Shape of what `layer` puts out at each step for inputs of `shape`; computes nothing."""
    dtype = model_dtype(layer)
    # A sequence of one step: in training some layers take nothing less than a sequence.
    one = jax.ShapeDtypeStruct((1, *shape), dtype)
    # Neither may change the float type of the state.
    dt = jnp.asarray(dt, dtype) if checks.is_traced(dt) else float(dt or 1.0)
    run = lambda state, inputs: layer.unroll(state, inputs, dt)[1]
    return jax.eval_shape(run, state, one).shape[1:]


def _sample_axes(f) -> int:
    match f:
        case eqx.nn.Linear(in_features="scalar") | eqx.nn.MLP(in_size="scalar"):
            return 0
        case eqx.nn.Linear() | eqx.nn.MLP():
            return 1
        case eqx.nn.Conv() | eqx.nn.ConvTranspose() | eqx.nn.Pool():
            return f.num_spatial_dims + 1
        case eqx.nn.LayerNorm() | eqx.nn.RMSNorm():
            return len(f.shape)
        case eqx.nn.Lambda():
            return 1
        case eqx.Module():
            raise ValueError(
                f"Stateless({_name(f)}) needs axes=, the number of trailing axes of one sample."
            )
    return 1


def _refuse(f) -> None:
    if isinstance(f, type) or not callable(f):
        raise ValueError(
            f"Stateless.f must be a function or a layer of equinox, got {f!r}."
        )
    special = (eqx.nn.Dropout, eqx.nn.BatchNorm, eqx.nn.StateIndex)
    for part in jax.tree.leaves(f, is_leaf=lambda x: isinstance(x, special)):
        match part:
            case eqx.nn.Dropout(p=0):
                pass
            case eqx.nn.Dropout():
                raise ValueError(
                    "eqx.nn.Dropout would draw another mask at each step: use snn.Dropout(p), "
                    "which keeps one over the whole sequence."
                )
            case eqx.nn.BatchNorm():
                raise ValueError(
                    "eqx.nn.BatchNorm needs an eqx.nn.State beside its input: use "
                    "snn.BatchNorm(features), which normalises over time and batch."
                )
            case eqx.nn.StateIndex():
                raise ValueError(
                    f"{_name(f)} needs an eqx.nn.State beside its input and is not stateless: "
                    "write it as a layer of its own, with init and step."
                )


def _name(f) -> str:
    if isinstance(f, jax.tree_util.Partial):
        f = f.func
    return getattr(f, "__name__", type(f).__name__)
