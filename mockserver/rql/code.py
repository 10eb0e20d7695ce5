"""A filter becomes one Python function: written as source, compiled, and kept.

One compiled expression answers a row in about half the time of a tree of closures. Nothing of the caller's ever stands
in the source: constants go in beside it, by name; what is written are names of the spec, operators and variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any

from mockserver.rql.paths import Place

Record = Mapping[str, Any]
Expand = Callable[[str, str], Record | None]
"""(entity, id) -> the whole record behind a reference, or None where there is none."""


def alone(entity: str, id: str) -> None:
    """An Expand for records that refer to nothing."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression over the record `r`, and the constants that it names."""

    code: CodeType
    constants: Mapping[str, Any]

    def function(self, expand: Expand) -> Callable[[Record], Any]:
        """The function of one record, with the world that it reads references from."""
        names = {**_NAMES, **self.constants, "reach": partial(_reach, expand)}
        # The source is ours, see above; eval is how a compiled expression becomes a function.
        function: Callable[[Record], Any] = eval(self.code, names)
        return function


class Writer:
    """Collects the constants and variables of one expression while it is written."""

    def __init__(self) -> None:
        self._constants: dict[str, Any] = {}
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

    def compiled(self, expression: str) -> Compiled:
        """`expression`, ready to be used."""
        return Compiled(compile(f"lambda r: {expression}", "<query>", "eval"), self._constants)


def read(place: Place, start: str) -> str:
    """An expression for the value behind a path, None where it is absent; it assigns no variable."""
    expression = start
    for number, step in enumerate(place.steps):
        if step.refers is not None and step.name != "id":
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


_NAMES: Mapping[str, Any] = {"__builtins__": {"any": any, "all": all, "bool": bool}, "NOTHING": {}}
