"""What containers share: starting their parts, naming them, and finding them by name."""

from typing import Any

from snnjax.core.base import AbstractDynamics
from snnjax.layers.stateless import output_shape


def init_part(
    part: AbstractDynamics, shape: tuple[int, ...], name: str, *, key=None, dt=None
) -> tuple[Any, tuple[int, ...]]:
    """(state, shape of one step's output) of `part` for inputs of `shape`.

    Where the part refuses, its `ValueError` says that it is the one called `name`.
    """
    try:
        state = part.init(shape, key=key, dt=dt)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return state, output_shape(part, state, shape, dt)


def named(part: str, inside: dict[str, Any]) -> dict[str, Any]:
    """The outputs `inside` a part called `part`, by their names as its container sees them."""
    return {f"{part}.{name}".rstrip("."): x for name, x in inside.items()}


def part_at(model: Any, name: str) -> Any:
    """The part of `model` that `unroll_all` calls `name`; None if there is none."""
    for step in name.split(".") if name else []:
        try:
            if isinstance(model, dict):
                model = model[step]
            elif isinstance(model, list | tuple):
                model = model[int(step)]
            else:
                model = getattr(model, step)
        except (KeyError, ValueError, IndexError, AttributeError):
            return None
    return model
