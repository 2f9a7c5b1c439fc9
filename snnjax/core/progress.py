"""Progress bars. They move between chunks of a run, never from inside the scan."""

from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def bar(items: Iterable[T], show: bool, what: str, **kwargs: Any) -> Iterable[T]:
    """`items`, with a tqdm bar named `what` on standard error if `show`."""
    if not show:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, **kwargs)
