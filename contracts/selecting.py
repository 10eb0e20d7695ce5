"""What `--only` and `--skip` choose: checks, operations, cells, entities, sources, codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from contracts.registry import Check
from specs.tables import Api

KINDS = ("check", "operation", "cell", "entity", "source", "code")


@dataclass(frozen=True, slots=True)
class Selection:
    """`kind:pattern` texts; of one kind any suffices, of several kinds each must fit.

    A case is the name of a capability or operation, alone or before a slash or a blank; what has no such name is
    chosen by its check alone.
    """

    only: tuple[tuple[str, str], ...] = ()
    skip: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, only: Sequence[str], skip: Sequence[str]) -> Selection:
        """The selection that these texts name."""
        return cls(tuple(map(_split, only)), tuple(map(_split, skip)))

    def takes_check(self, check: Check) -> bool:
        if any(kind == "check" and fnmatchcase(check.id, pattern) for kind, pattern in self.skip):
            return False
        wanted = [pattern for kind, pattern in self.only if kind == "check"]
        return not wanted or any(fnmatchcase(check.id, pattern) for pattern in wanted)

    def takes_case(self, api: Api, case: str) -> bool:
        if any(
            self._fits(api, case, kind, pattern)
            for kind, pattern in self.skip
            if kind in ("operation", "entity", "source")
        ):
            return False
        for kind in ("operation", "entity", "source"):
            wanted = [pattern for each, pattern in self.only if each == kind]
            if wanted and not any(self._fits(api, case, kind, pattern) for pattern in wanted):
                return False
        cells = [pattern.partition("/")[0] for kind, pattern in self.only if kind == "cell"]
        return not cells or any(fnmatchcase(_name(case), pattern) for pattern in cells)

    def takes_cell(self, capability: str, role: str) -> bool:
        """Whether a cell is looked at: the capability's case and this caller of it."""
        cell = f"{capability}/{role}"
        if any(kind == "cell" and fnmatchcase(cell, pattern) for kind, pattern in self.skip):
            return False
        wanted = [pattern for kind, pattern in self.only if kind == "cell"]
        return not wanted or any(fnmatchcase(cell, pattern) for pattern in wanted)

    def takes_code(self, code: str) -> bool:
        if any(kind == "code" and fnmatchcase(code, pattern) for kind, pattern in self.skip):
            return False
        wanted = [pattern for kind, pattern in self.only if kind == "code"]
        return not wanted or any(fnmatchcase(code, pattern) for pattern in wanted)

    def _fits(self, api: Api, case: str, kind: str, pattern: str) -> bool:
        name = _name(case)
        found = next((each for each in api.capabilities if each.id == name), None)
        operation = api.operations.get(found.operation if found is not None else name)
        if kind == "operation":
            return fnmatchcase(name, pattern) or (operation is not None and fnmatchcase(operation.id, pattern))
        if kind == "entity":
            return fnmatchcase(operation.entity if operation is not None else name, pattern)
        return found is not None and fnmatchcase(found.source, pattern)


def _split(text: str) -> tuple[str, str]:
    kind, _, pattern = text.partition(":")
    return kind, pattern


def _name(case: str) -> str:
    return case.replace("/", " ").split(" ")[0]
