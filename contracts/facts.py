"""What the deployment holds, as far as its lists tell: rows, whose they are, and ids that cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contracts.wire import Caller
from specs.tables import ALL, Operation

if TYPE_CHECKING:
    from contracts.probe import Probe

Row = Mapping[str, Any]
DEPTH = 3
"""Pages of a list that are read at most, to learn what there is."""


class Facts:
    """Rows read once and kept until something is written."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._rows: dict[tuple[str, str, str, str], list[Row]] = {}
        self._ghosts: dict[str, str] = {}

    def forget(self) -> None:
        """Something was written; what was read may have changed."""
        self._rows.clear()

    def rows(
        self, operation: Operation, caller: Caller, params: Mapping[str, str] | None = None, query: str = ""
    ) -> list[Row]:
        """The rows of a list, of DEPTH pages at most. Raises Blocked where it is not answered."""
        kept = (operation.id, caller.name, repr(sorted((params or {}).items())), query)
        if kept not in self._rows:
            self._rows[kept] = self._read(operation, caller, params, query)
        return self._rows[kept]

    def _read(self, operation: Operation, caller: Caller, params: Mapping[str, str] | None, query: str) -> list[Row]:
        p, paging = self._probe, self._probe.api.conventions.paging
        items, size = p.api.conventions.lists["items"], int(paging.get("cap", 100))
        rows: list[Row] = []
        for page in range(DEPTH):
            asked = f"{paging['limit']}={size}&{paging['offset']}={page * size}" if paging else ""
            exchange = p.expect(p.call(operation, caller, params, query="&".join(filter(None, (query, asked)))), 200)
            found = exchange.json.get(items) if isinstance(exchange.json, dict) else None
            found = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
            rows += found
            if len(found) < size or not paging:
                break
        return rows

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
        if value is None or not (caller.account or caller.grants):
            return None
        return value == caller.account or value in caller.grants

    def foreign(self, entity: str, caller: Caller) -> list[Row]:
        """Rows that others' lists show and that are not the caller's."""
        p = self._probe
        found: dict[str, Row] = {}
        own = {
            str(row.get(p.key(entity)))
            for row in self.seen(entity, caller)
            if self.is_own(entity, row, caller) is not False
        }
        for other in p.callers:
            for row in self.seen(entity, other) if other is not caller else ():
                id = str(row.get(p.key(entity)))
                if self.is_own(entity, row, caller) is False or (
                    self.is_own(entity, row, caller) is None and id not in own
                ):
                    found.setdefault(id, row)
        return list(found.values())

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
                if said["in"] == "path" and "enum" not in schema and isinstance(example, str):
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
        raise Blocked(f"{entity} {id}: no answer says that there is none such; name no write will be tried on it")
