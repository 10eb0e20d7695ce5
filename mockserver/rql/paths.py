"""Where the paths of a query lead in a shape."""

from __future__ import annotations

from dataclasses import dataclass

from mockserver.rql.refusals import UNKNOWN_PATH, refusal, shown
from mockserver.rql.syntax import SELF
from specs.shapes import Property

LONGEST_LIST = 12


@dataclass(frozen=True, slots=True)
class Step:
    """One member on the way; `refers` if the value that it is read from is a reference to that entity."""

    name: str
    refers: str | None

    @property
    def away(self) -> bool:
        """Whether it may have to be read where the reference points at: of its own, that holds the id for certain."""
        return self.refers is not None and self.name != "id"


@dataclass(frozen=True, slots=True)
class Place:
    """What a path means: the way there, the property that it ends at, and whether its reader may know of it."""

    steps: tuple[Step, ...]
    target: Property
    hidden: bool

    @property
    def nullable(self) -> bool:
        """Only the identifier of the object itself is always there."""
        return tuple(step.name for step in self.steps) != ("id",)

    @property
    def direct(self) -> str | None:
        """The dotted path, if what it means is in the record itself; None where it lies behind a reference."""
        return None if any(step.away for step in self.steps) else ".".join(step.name for step in self.steps)


@dataclass(frozen=True, slots=True)
class Scope:
    """What paths start from: a record, or, within any and all, an element.

    hidden: dotted paths of the record, as the spec spells them
    above: where the element is in the record; () for the record itself
    """

    shape: Property
    hidden: frozenset[str]
    above: tuple[str, ...] = ()
    element: bool = False

    def inside(self, place: Place) -> Scope:
        """The scope of the elements of a collection."""
        item = place.target.item
        assert item is not None, "only collections have elements"
        return Scope(item, self.hidden, (*self.above, *(step.name for step in place.steps)), element=True)


def find(path: str, scope: Scope, *, at: int) -> Place:
    """Where a path leads; raises Invalid, keyed by the path, where it leads nowhere."""
    if path == SELF:
        if not scope.element:
            mend = "self() is the element within any(...) and all(...); there is none here."
            raise refusal(UNKNOWN_PATH, path, mend, at=at)
        return Place((), scope.shape, hidden=_hides(scope.hidden, scope.above))
    place = lead(path, scope)
    if place is None:
        raise refusal(UNKNOWN_PATH, path, _mend(path, scope), at=at)
    return place


def lead(path: str, scope: Scope) -> Place | None:
    """Where a path leads, or None."""
    steps: list[Step] = []
    here = scope.shape
    for name in path.split("."):
        member = here.members.get(name.casefold())
        if member is None:
            return None
        steps.append(Step(member.name, here.refers))
        here = member
    return Place(tuple(steps), here, _hides(scope.hidden, (*scope.above, *(step.name for step in steps))))


def _hides(hidden: frozenset[str], names: tuple[str, ...]) -> bool:
    return any(".".join(names[: length + 1]) in hidden for length in range(len(names)))


def _mend(path: str, scope: Scope) -> str:
    """What there is at the first name that leads nowhere, without naming what the reader may not see."""
    here, passed = scope.shape, list[str]()
    for name in path.split("."):
        member = here.members.get(name.casefold())
        if member is None:
            break
        here = member
        passed.append(member.name)
    if here.kind == "collection":
        return f"{'.'.join(passed)} is a collection; write any({'.'.join(passed)},...) or all(...)."
    if not here.members:
        return f"nothing lies below {'.'.join(passed) or SELF}."
    names = [
        member.name
        for member in here.members.values()
        if not _hides(scope.hidden, (*scope.above, *passed, member.name))
    ]
    if not names:
        return f"nothing that your role sees lies below {'.'.join(passed)}."
    listed = ", ".join(names[:LONGEST_LIST]) + (", ..." if len(names) > LONGEST_LIST else "")
    owner = f"{'.'.join(passed)} has" if passed else "there are"
    return f"there is no {shown(path.split('.')[len(passed)], most=40)!r}; {owner}: {listed}."
