"""What a `select` says about each name, as a tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from mockserver.rql.query import Pick

Base = Literal["default", "all", "nothing"]

DEEPEST = 16
"""Names in one path. No object is as deep; only references that lead in circles could be followed further."""


@dataclass(slots=True)
class Choice:
    """What was said about one name, and, in `below`, about names below it (casefolded).

    whole: it was asked for by its own name
    removed: it was taken away
    bare: it was taken away first, so that of its own members only those asked for later are shown
    """

    whole: bool = False
    removed: bool = False
    bare: bool = False
    below: dict[str, Choice] = field(default_factory=dict)

    @property
    def adds(self) -> bool:
        """Whether it, or anything below it, was asked for."""
        return not self.removed and (self.whole or any(choice.adds for choice in self.below.values()))

    def add(self, names: Iterable[str]) -> None:
        """Ask for the last of these names, each below the one before."""
        here = self
        for name in names:
            here = here.below.setdefault(name, Choice())
            if here.removed:
                here.removed, here.bare = False, True
        here.whole, here.bare, here.below = True, False, {}

    def remove(self, names: Iterable[str]) -> None:
        """Take the last of these names away."""
        here = self
        for name in names:
            here = here.below.setdefault(name, Choice())
            if here.removed:
                return
        here.whole, here.removed, here.below = False, True, {}


def choices(select: Iterable[Pick]) -> tuple[Base, Choice]:
    """What the view starts from, and what is said about names; read from left to right, the last word counts.

    A star says where to start, wherever it stands: `id,-*` shows the id.
    """
    base: Base = "default"
    root = Choice()
    for pick in select:
        names = pick.path.casefold().split(".")
        if pick.path == "*":
            base = "nothing" if pick.remove else "all"
        elif len(names) <= DEEPEST:
            (root.remove if pick.remove else root.add)(names)
    return base, root
