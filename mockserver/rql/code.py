"""A filter becomes one Python function: written as source, compiled, and kept.

One compiled expression answers a row in about half the time of a tree of closures. Nothing of the caller's ever stands
in the source: constants go in beside it, by name; what is written are names of the spec, operators and variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from types import CodeType
from typing import Any, Protocol, TypeVar

from mockserver.rql.paths import Place, Step

Record = Mapping[str, Any]
Expand = Callable[[str, str], Record | None]
"""(entity, id) -> the whole record behind a reference, or None where there is none."""


RECORD = "r"
"""The variable of the record in an expression"""


def alone(entity: str, id: str) -> None:
    """An Expand for records that refer to nothing."""


class Holder(Protocol):
    """What has a record, such as a stored version of one."""

    record: Record


H = TypeVar("H", bound=Holder)


@dataclass(frozen=True, slots=True)
class Member:
    """What an expression reads of the record itself: its variable there, its dotted path, and how it is read."""

    variable: str
    path: str
    source: str

    @property
    def value(self) -> Callable[[Record], Any]:
        """Reads it of a record."""
        function: Callable[[Record], Any] = eval(_code(f"lambda r: {self.source}"), dict(_NAMES))
        return function


Members = tuple[Member, ...]
Columns = Sequence[Sequence[Any]]
"""For each member of an expression its values, one a record, in the same order"""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression over members of the record `r`, and the constants that it names."""

    expression: str
    members: Members
    constants: Mapping[str, Any]

    def function(self, expand: Expand) -> Callable[[Record], Any]:
        """The function of one record, with the world that it reads references from."""
        source = self.expression
        if self.members:
            source = f"(lambda {self._names}: {source})({', '.join(member.source for member in self.members)})"
        function: Callable[[Record], Any] = self._evaluated(f"lambda r: {source}", expand)
        return function

    def sieve(self, expand: Expand) -> Callable[[Iterable[H]], list[H]]:
        """What leaves those over whose record the expression is true: without a call for each, in half the time."""
        read = " ".join(f"for {member.variable} in [{member.source}]" for member in self.members)
        source = f"lambda rows: [row for row in rows for r in [row.record] {read} if {self.expression}]"
        sieve: Callable[[Iterable[H]], list[H]] = self._evaluated(source, expand)
        return sieve

    def places(self, expand: Expand) -> Callable[[int, Columns], list[int]]:
        """What gives the places where the expression is true, of columns whose first place is given, too."""
        each = f"for place, ({self._names},) in enumerate(zip(*columns), first)"
        source = f"lambda first, columns: [place {each} if {self.expression}]"
        places: Callable[[int, Columns], list[int]] = self._evaluated(source, expand)
        return places

    @property
    def _names(self) -> str:
        return ", ".join(member.variable for member in self.members)

    def _evaluated(self, source: str, expand: Expand) -> Any:
        # The source is ours, see above; eval is how a compiled expression becomes a function.
        return eval(_code(source), {**_NAMES, **self.constants, "reach": partial(_reach, expand)})


@lru_cache(maxsize=512)  # queries differ in their constants, which stand beside the source, more often than in form
def _code(source: str) -> CodeType:
    return compile(source, "<query>", "eval")


class Writer:
    """Collects the constants, variables and members of one expression while it is written."""

    def __init__(self) -> None:
        self._constants: dict[str, Any] = {}
        self._members: dict[str, Member] = {}
        self._variables = 0

    def constant(self, value: Any) -> str:
        """The name under which the expression finds a value."""
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def variable(self) -> str:
        """A name that nothing else in the expression has."""
        self._variables += 1
        return f"v{self._variables}"

    def read(self, place: Place, start: str) -> str:
        """An expression for the value behind a path, None where it is absent; it assigns no variable.

        start: the variable that the path begins at; what lies in the record itself becomes a member
        """
        if start != RECORD:
            return _read(place.steps, start)
        # What a reference holds beside its id may have to be read where it lives, each time anew.
        own = next((at for at, step in enumerate(place.steps) if step.away), len(place.steps))
        path = ".".join(step.name for step in place.steps[:own])
        if path not in self._members:
            self._members[path] = Member(f"m{len(self._members)}", path, _read(place.steps[:own], RECORD))
        return _read(place.steps[own:], self._members[path].variable, own)

    def compiled(self, expression: str) -> Compiled:
        """`expression`, ready to be used."""
        return Compiled(expression, tuple(self._members.values()), self._constants)


def meant(place: Place) -> Compiled:
    """What a path means of a record, ready to be used."""
    return Compiled(_read(place.steps, RECORD), (), {})


def _read(steps: Sequence[Step], start: str, passed: int = 0) -> str:
    """passed: the steps that lead to `start`, which is there itself only if there are none"""
    expression = start
    for number, step in enumerate(steps, passed):
        if step.away:
            expression = f"reach({expression}, {step.refers!r}, {step.name!r})"
        elif number == 0:
            expression = f"{expression}.get({step.name!r})"
        else:
            expression = f"({expression} or NOTHING).get({step.name!r})"
    return expression


def _reach(expand: Expand, snapshot: Record | None, entity: str, name: str) -> Any:
    """A member of what a reference points at: records hold its core members only, the rest is read where it lives."""
    if snapshot is None:
        return None
    if name in snapshot:
        return snapshot[name]
    whole = expand(entity, snapshot["id"]) if "id" in snapshot else None
    return None if whole is None else whole.get(name)


_NAMES: Mapping[str, Any] = {
    "__builtins__": {"any": any, "all": all, "bool": bool, "enumerate": enumerate, "zip": zip},
    "NOTHING": {},
}
