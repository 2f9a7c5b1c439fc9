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


class StepBar:
    """A tqdm bar of steps, from `done` to `total`, with the time that is left.

    That of the first chunk is left out of the estimate: most of it is compilation.
    """

    def __init__(self, total: int, done: int, show: bool, what: str, unit: str = "step"):
        self.total, self.done, self.show = total, done, show
        self.what, self.unit = what, unit
        self.first = True

    def __enter__(self) -> "StepBar":
        if self.show:
            from tqdm.auto import tqdm

            self.bar = tqdm(
                total=self.total,
                initial=self.done,
                desc=self.what,
                unit=self.unit,
                unit_scale=True,
            )
        return self

    def __exit__(self, *_: Any) -> None:
        if self.show:
            self.bar.close()

    def reach(self, done: int) -> None:
        """Move to `done` steps."""
        if not self.show:
            return
        if self.first:
            # The clock and the count of tqdm's rate begin here.
            self.bar.unpause()
            self.bar.initial = self.bar.n = self.bar.last_print_n = done
            self.bar.refresh()
            self.first = False
        else:
            self.bar.update(done - self.bar.n)
