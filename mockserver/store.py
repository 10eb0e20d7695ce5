"""Where a world keeps its records: layers, each over the one below, so that a unit of work is a layer dropped or absorbed.

A layer holds only what changed in it. Reading falls through to the layer below; a removed row is remembered as such.
Rows come in the order in which they were first put.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

Record = Mapping[str, Any]


class Row:
    """One stored version of a record, and the bytes of its views, which stay valid as long as the version does."""

    __slots__ = ("record", "views")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.views: dict[Any, bytes] = {}


def at(record: Record, path: str) -> Any:
    """The value behind a dotted path, or None."""
    value: Any = record
    for name in _steps(path):
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


@cache
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


class Layer:
    """Records by entity and id, with hash indexes on some dotted members.

    indexes: entity -> dotted members to index; the same for every layer of a stack
    """

    __slots__ = ("_buckets", "_rows", "below", "indexes")

    def __init__(self, indexes: Mapping[str, Sequence[str]], below: Layer | None = None) -> None:
        self.indexes = indexes
        self.below = below
        self._rows: dict[str, dict[str, Row | None]] = {}
        self._buckets: dict[tuple[str, str], dict[Any, dict[str, None]]] = {}

    def row(self, entity: str, id: str) -> Row | None:
        """The stored version of a record, or None if there is none."""
        layer: Layer | None = self
        while layer is not None:
            rows = layer._rows.get(entity)
            if rows is not None and id in rows:
                return rows[id]
            layer = layer.below
        return None

    def get(self, entity: str, id: str) -> Record | None:
        """A record by id, or None."""
        row = self.row(entity, id)
        return None if row is None else row.record

    def put(self, entity: str, record: Record) -> None:
        """Store a new version of a record, by its `id`."""
        self._set(entity, record["id"], Row(record))

    def remove(self, entity: str, id: str) -> None:
        """Forget a record."""
        self._set(entity, id, None)
        if self.below is None:
            del self._rows[entity][id]

    def all(self, entity: str) -> Iterator[Row]:
        """Every row of an entity."""
        own = self._rows.get(entity, {})
        if self.below is not None:
            for row in self.below.all(entity):
                if row.record["id"] not in own:
                    yield row
                elif (changed := own[row.record["id"]]) is not None:
                    yield changed
        for id, each in own.items():
            if each is not None and (self.below is None or self.below.row(entity, id) is None):
                yield each

    def where(self, entity: str, path: str, value: Any) -> Iterator[Row]:
        """The rows whose indexed member `path` equals `value`. KeyError if it is not indexed."""
        if path not in self.indexes.get(entity, ()):
            raise KeyError(f"{entity}.{path} is not indexed")
        own = self._rows.get(entity, {})
        mine = self._buckets.get((entity, path), {}).get(value, {})
        if self.below is None:
            for id in mine:
                row = own[id]
                if row is not None:
                    yield row
            return
        seen = set()
        for row in self.below.where(entity, path, value):
            id = row.record["id"]
            if id not in own:
                yield row
            elif id in mine:
                seen.add(id)
                changed = own[id]
                if changed is not None:
                    yield changed
        for id in mine:
            row_ = own[id]
            if id not in seen and row_ is not None:
                yield row_

    def changed(self) -> Iterator[tuple[str, str, Row | None]]:
        """(entity, id, row or None if removed) of everything this layer holds."""
        for entity, rows in self._rows.items():
            for id, row in rows.items():
                yield entity, id, row

    def absorb(self, upper: Layer) -> None:
        """Take over what changed in the layer above: the commit of a unit of work."""
        for entity, id, row in upper.changed():
            if row is None:
                self.remove(entity, id)
            else:
                self._set(entity, id, row)

    def _set(self, entity: str, id: str, row: Row | None) -> None:
        rows = self._rows.setdefault(entity, {})
        old = rows.get(id)
        rows[id] = row
        for path in self.indexes.get(entity, ()):
            before = None if old is None else at(old.record, path)
            after = None if row is None else at(row.record, path)
            # A row keeps its place in a bucket as long as its value stays, so lists keep their order.
            if before == after:
                continue
            if before is not None:
                self._unindex(entity, path, before, id)
            if after is not None:
                self._buckets.setdefault((entity, path), {}).setdefault(after, {})[id] = None

    def _unindex(self, entity: str, path: str, value: Any, id: str) -> None:
        bucket = self._buckets[entity, path][value]
        del bucket[id]
        if not bucket:
            del self._buckets[entity, path][value]
