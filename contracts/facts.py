"""What the deployment holds, as far as its lists tell: rows, whose they are, and ids that cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from contracts.wire import Caller, Exchange
from specs.tables import ALL, Operation

if TYPE_CHECKING:
    from contracts.probe import Probe

Row = Mapping[str, Any]
DEPTH = 3
"""Pages of a list that are read at most, to learn what there is."""
TRIES = 8
"""Objects that are looked below at most, to find the one that has most there."""
LONGEST = 60
"""The same, as long as none has anything."""
ENOUGH = 8
"""Rows of a list that are as good as more of them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list told. whole: its end was reached; exchange: the call that read its first page"""

    rows: list[Row]
    whole: bool
    exchange: Exchange


class Facts:
    """Rows read once and kept until something is written."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._rows: dict[tuple[str, str, str, str, int], Listed] = {}
        self._known: dict[tuple[str, str, str, frozenset[str]], tuple[str, ...]] = {}
        self._ghosts: dict[str, str] = {}
        self._first: dict[tuple[str, str], str] = {}
        self.faults: set[tuple[str, str]] = set()
        """(code, what it is about) of what was found already, for checks that would stumble over it again"""

    def forget(self) -> None:
        """Something was written; what was read may have changed."""
        self._rows.clear()
        self._known.clear()

    def chance(self, *names: str) -> Random:
        """Choices that are the same in every run with one seed, whatever else is run."""
        return Random("/".join((str(self._probe.settings.seed), self._probe.api.name, *names)))

    def first(self, code: str, subject: str, operation: Operation) -> str:
        """The operation at which something was found first that all operations share: the one that it is told of."""
        return self._first.setdefault((code, subject), operation.id)

    def as_first(self, name: str, code: str, operation: Operation) -> tuple[str, str]:
        """The code and the operation under which a fault of that name was told first."""
        found = self._first.setdefault(("", name), f"{code} {operation.id}").partition(" ")
        return found[0], found[2]

    def is_told(self, name: str) -> bool:
        """Whether a fault of that name was told."""
        return ("", name) in self._first

    def rows(
        self, operation: Operation, caller: Caller, params: Mapping[str, str] | None = None, query: str = ""
    ) -> list[Row]:
        """The rows of a list, of DEPTH pages at most. Raises Blocked where it is not answered."""
        return self.listed(operation, caller, params, query).rows

    def listed(
        self,
        operation: Operation,
        caller: Caller,
        params: Mapping[str, str] | None = None,
        query: str = "",
        *,
        pages: int = DEPTH,
    ) -> Listed:
        """The same of so many pages, with the call that told it, and whether that is all."""
        kept = (operation.id, caller.name, repr(sorted((params or {}).items())), query, pages)
        if kept not in self._rows:
            self._rows[kept] = self._read(operation, caller, params, query, pages)
        return self._rows[kept]

    def _read(
        self, operation: Operation, caller: Caller, params: Mapping[str, str] | None, query: str, pages: int
    ) -> Listed:
        p, paging = self._probe, self._probe.api.conventions.paging
        items, size = p.api.conventions.lists["items"], int(paging.get("cap", 100))
        rows: list[Row] = []
        first: Exchange | None = None
        for page in range(pages):
            asked = f"{paging['limit']}={size}&{paging['offset']}={page * size}" if paging else ""
            exchange = p.expect(p.call(operation, caller, params, query="&".join(filter(None, (query, asked)))), 200)
            first = first or exchange
            found = exchange.json.get(items) if isinstance(exchange.json, dict) else None
            found = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
            rows += found
            if len(found) < size or not paging:
                return Listed(rows, True, first)
        assert first is not None
        return Listed(rows, False, first)

    def seen(self, entity: str, caller: Caller) -> list[Row]:
        """The rows of an entity that a caller's own list shows; empty where the caller has none to ask."""
        operation = self._probe.lists(entity)
        if operation is None or caller.role not in operation.roles:
            return []
        return self.rows(operation, caller)

    def is_own(self, entity: str, row: Row, caller: Caller) -> bool | None:
        """Whether a row belongs to what the caller may see, by the member that says so; None where nothing says."""
        from contracts.probe import member

        told = self._probe.api.visibility[entity].told_by(caller.role)
        if told is None:
            return None
        if told == ALL:
            return True
        value = member(row, told)
        scope = self._probe.api.scope
        if scope is not None and scope.parameter == told:
            # Grants such as `any` name no value: with those, the path alone says whose rows are asked for.
            return None if value is None else value in caller.grants or None
        # What is not even a text names nobody; that is told of its shape.
        if not isinstance(value, str) or not (caller.account or caller.grants):
            return None
        return value == caller.account or value in caller.grants

    def foreign(self, entity: str, caller: Caller) -> list[Row]:
        """Rows that others' lists show and that are not the caller's."""
        p = self._probe
        found: dict[str, Row] = {}
        key = p.key(entity)
        own = {str(row.get(key)) for row in self.seen(entity, caller) if self.is_own(entity, row, caller) is not False}
        for other in p.callers:
            for row in self.seen(entity, other) if other is not caller else ():
                id = str(row.get(key))
                if self.is_own(entity, row, caller) is False or (
                    self.is_own(entity, row, caller) is None and id not in own
                ):
                    found.setdefault(id, row)
        return list(found.values())

    def named(self, caller: Caller, whose: str, entity: str) -> tuple[str, ...]:
        """Ids that the settings say a caller has (`own`) or must not see (`foreign`)."""
        said = self._probe.settings.known.get(self._probe.api.name, {}).get(caller.name, {})
        return tuple(map(str, said.get(whose, {}).get(entity, ())))

    def reaches(self, caller: Caller) -> list[dict[str, str]]:
        """The values of the API's scope that a caller may ask with; one, that says nothing, where paths have none."""
        p, scope = self._probe, self._probe.api.scope
        if scope is None or scope.parameter is None:
            return [{}]
        values = list(p.scope(caller).values())
        unbound = caller.role == scope.unbound or "any" in caller.grants
        every = [each for other in p.callers for each in other.grants] if unbound else list(caller.grants)
        values += [each for each in every if ":" not in each and each not in ("any", "all", "*")]
        return [{scope.parameter: value} for value in dict.fromkeys(values)]

    def parents(self, operation: Operation, caller: Caller, scope: Mapping[str, str]) -> list[dict[str, str]]:
        """Values of the path of a list below another object, for objects that the caller can be expected to reach."""
        if operation.below is None or operation.parent is None:
            return [dict(scope)]
        ids = self._ids(operation.below, caller, scope, frozenset())
        own = [id for id in ids if id in self.named(caller, "own", operation.below)]
        others = [id for id in ids if id not in own]
        self.chance("parents", operation.below, caller.account).shuffle(others)
        return [{**scope, operation.parent: id} for id in [*own, *others]]

    def fullest(self, operation: Operation, caller: Caller, scope: Mapping[str, str]) -> dict[str, str] | None:
        """Of TRIES objects the one below which the list shows most, or ENOUGH; None where there is no object."""
        from contracts.probe import Blocked

        best: tuple[int, dict[str, str]] | None = None
        refused: Blocked | None = None
        for tried, params in enumerate(self.parents(operation, caller, scope)[:LONGEST], start=1):
            try:
                found = len(self.rows(operation, caller, params))
            except Blocked as reason:
                # What one list shows and another does not know is for the checks of rows and objects to tell.
                refused = reason
                if tried >= TRIES:
                    break
                continue
            if best is None or found > best[0]:
                best = found, params
            if best[0] >= ENOUGH or (best[0] and tried >= TRIES):
                break
        if best is None and refused is not None:
            raise refused
        return best[1] if best is not None else None

    def ids(self, entity: str, caller: Caller, scope: Mapping[str, str] | None = None) -> Iterator[str]:
        """Ids of an entity that a caller can be expected to reach, each once. scope: instead of their own"""
        return iter(self._ids(entity, caller, self._probe.scope(caller) if scope is None else scope, frozenset()))

    def _ids(self, entity: str, caller: Caller, scope: Mapping[str, str], passed: frozenset[str]) -> tuple[str, ...]:
        """The same, kept as long as the rows that tell them. passed: lists that are not looked at again"""
        kept = (entity, caller.name, repr(sorted(scope.items())), passed)
        if kept not in self._known:
            self._known[kept] = tuple(dict.fromkeys(self._told(entity, caller, scope, passed)))
        return self._known[kept]

    def _told(self, entity: str, caller: Caller, scope: Mapping[str, str], passed: frozenset[str]) -> Iterator[str]:
        """Ids of an entity: those that the settings name, then what lists of its kind show, then what rows refer to."""
        p = self._probe
        yield from self.named(caller, "own", entity)
        schema = p.api.visibility[entity].schema
        for each in p.api.operations.values():
            if each.does != "list" or each.id in passed or p.api.visibility[each.entity].schema != schema:
                continue
            key = p.key(entity)
            for row in self._shown(each, caller, scope, passed | {each.id}):
                # An id that is no text is told of its shape: as one, it need not lead to the same.
                if self.is_own(each.entity, row, caller) is not False and isinstance(row.get(key), str):
                    yield row[key]
        # A member spelled as the parameter is, `accountLocator`, names one that no list may show.
        words = {each.parent for each in p.api.operations.values() if each.below == entity and each.parent}
        for each in p.api.operations.values():
            if each.does != "list" or each.below is not None or each.id in passed:
                continue
            named = words & p.schema_of(each.entity).get("properties", {}).keys() - {p.key(each.entity)}
            for row in self._shown(each, caller, scope, passed) if named else ():
                yield from (row[word] for word in sorted(named) if isinstance(row.get(word), str))

    def _shown(
        self, operation: Operation, caller: Caller, scope: Mapping[str, str], passed: frozenset[str]
    ) -> Iterator[Row]:
        """The rows of a list as the caller sees them, or, where that may not be asked, as another in the same scope."""
        from contracts.probe import Blocked

        p = self._probe
        may = [each for each in p.may(operation) if dict(scope) in self.reaches(each)]
        asker = caller if caller in may else next(iter(may), None)
        if asker is None:
            return
        if operation.below is None or operation.parent is None:
            above: list[dict[str, str]] = [dict(scope)]
        else:
            ids = self._ids(operation.below, asker, scope, passed)[:TRIES]
            above = [{**scope, operation.parent: id} for id in ids]
        for params in above:
            with suppress(*((Blocked,) if operation.below is not None else ())):
                yield from self.rows(operation, asker, params)

    def ghost(self, entity: str) -> str:
        """An id of the right form that cannot be, seen to be unknown. Raises Blocked if it is known after all."""
        from contracts.probe import Blocked

        if entity not in self._ghosts:
            id = self.shape(entity)
            self._prove(entity, id)
            self._ghosts[entity] = id
            self._probe.guard.ghosts.add(id)
        found = self._ghosts[entity]
        if found not in self._probe.guard.ghosts:
            raise Blocked(f"no id of {entity} could be shown to be unknown")
        return found

    def shape(self, entity: str) -> str:
        """An id of an entity's form whose digits nobody gives out."""
        p = self._probe
        known = p.api.conventions.ids.get(entity)
        if known is not None and known.form == "groups":
            return known.shape("0" * sum(known.groups))
        if known is not None and known.form == "digits":
            return "0" * known.length
        if known is not None and known.form == "uuid":
            return "00000000-0000-4000-8000-000000000000"
        if known is not None:
            return "00000000000000000000000000"
        for operation in p.api.operations.values():
            for said in p.spec(operation)["parameters"] if operation.entity == entity else ():
                schema = p.resolved(said.get("schema", {}))
                example = said.get("example", schema.get("example"))
                scoped = p.api.scope is not None and said["name"] == p.api.scope.parameter
                if said["in"] == "path" and not scoped and "enum" not in schema and isinstance(example, str):
                    return re.sub("[0-9]", "0", example)
        return "00000000000000000000000000"

    def _prove(self, entity: str, id: str) -> None:
        """Ask for the id, and see that nobody knows it."""
        from contracts.probe import Blocked

        p = self._probe
        operation = p.reads(entity)
        if operation is None or operation.key is None:
            return
        for caller in p.may(operation):
            exchange = p.call(operation, caller, {operation.key: id})
            if exchange.status == p.status("find", entity):
                return
        raise Blocked(f"{entity} {id}: no answer says that there is none, so nothing is written to it")
