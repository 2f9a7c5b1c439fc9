"""Firing patterns by name: "A tonic spiking", its letter, or its words."""

from collections.abc import Iterable

from snnjax.core.checks import nearest


def full_name(name: str, names: Iterable[str], what: str) -> str:
    """The one of `names` that `name` stands for; a `ValueError` suggests the nearest."""
    asked = " ".join(str(name).replace("_", " ").replace("-", " ").lower().split())
    known = {}
    for full in names:
        words = full.lower().replace("-", " ")
        known |= {words: full, words[2:]: full, words[0]: full}
    if asked not in known:
        raise ValueError(
            f"There is no {what} {name!r}.{nearest(asked, known)} Known: {', '.join(names)}."
        )
    return known[asked]
