"""What convolution and pooling share: sizes along each spatial axis, and their errors."""

from typing import Any

from snnjax.core import checks

LAYOUT = {1: "[..., width, channels]", 2: "[..., height, width, channels]"}


def per_axis(value: Any, n: int, name: str) -> tuple[int, ...]:
    """One whole number above 0 for each of `n` axes, from one for all or from a tuple."""
    values = value if isinstance(value, tuple | list) else (value,) * n
    if len(values) != n:
        raise ValueError(f"{name} must be a number or {n} of them, got {value!r}.")
    return tuple(checks.count(v, name) for v in values)


def require_room(
    shape: tuple[int, ...], window: tuple[int, ...], name: str, padding: int = 0
) -> None:
    """Refuse inputs with too few axes, or in which a `window` of layer `name` has no place."""
    layout = LAYOUT[len(window)]
    if len(shape) <= len(window):
        raise ValueError(f"{name} takes inputs {layout}, got shape {shape}.")
    spatial = shape[-len(window) - 1 : -1]
    if any(n + 2 * padding < k for n, k in zip(spatial, window, strict=True)):
        raise ValueError(
            f"{name} has a window of {window}, larger than its input {layout} of shape "
            f"{shape}: make the window smaller or pad the input."
        )
