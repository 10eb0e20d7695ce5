"""Where a world keeps its records: a layer over its seed, and over that what a unit of work changes, until it ends.

Reading falls through to what lies below; a removed row is remembered as such. Rows come in the order in which they were
first put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

Record = Mapping[str, Any]
EVERY = ""
"""As an index path: the bucket of all rows of an entity."""
HIGHEST = 16
"""Layers over the seed before they become one."""


class Row:
    """One stored version of a record, and what is made of it (the bytes of its views), valid as long as the version."""

    __slots__ = ("record", "views")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.views: dict[Any, Any] = {}


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
    below: the layer that shows through, which must not change any more

    A bucket is copied from the layer below when it first changes here, so that reading one never merges two.
    """

    __slots__ = ("_buckets", "_rows", "below", "indexes")

    def __init__(self, indexes: Mapping[str, Sequence[str]], below: Layer | None = None) -> None:
        self.indexes = indexes
        self.below = below
        self._rows: dict[str, dict[str, Row | None]] = {}
        self._buckets: dict[tuple[str, str, Any], dict[str, None]] = {}

    def row(self, entity: str, id: str) -> Row | None:
        """The stored version of a record, or None if there is none."""
        rows = self._rows.get(entity)
        if rows is not None and id in rows:
            return rows[id]
        return None if self.below is None else self.below.row(entity, id)

    def get(self, entity: str, id: str) -> Record | None:
        """A record by id, or None."""
        row = self.row(entity, id)
        return None if row is None else row.record

    def put(self, entity: str, record: Record) -> None:
        """Store a new version of a record, by its `id`."""
        self.set(entity, record["id"], Row(record))

    def remove(self, entity: str, id: str) -> None:
        """Forget a record."""
        self.set(entity, id, None)

    def all(self, entity: str) -> Iterator[Row]:
        """Every row of an entity."""
        return self._listed(entity, self._bucket(entity, EVERY, None))

    def where(self, entity: str, path: str, value: Any) -> Iterator[Row]:
        """The rows whose indexed member `path` equals `value`. KeyError if it is not indexed."""
        if path != EVERY and path not in self.indexes.get(entity, ()):
            raise KeyError(f"{entity}.{path} is not indexed")
        return self._listed(entity, self._bucket(entity, path, value))

    def count(self, entity: str, path: str = EVERY, value: Any = None) -> int:
        """How many rows `all` or `where` would give, without looking at them."""
        return len(self._bucket(entity, path, value))

    def changed(self) -> Iterator[tuple[str, str, Row | None]]:
        """(entity, id, row or None if removed) of everything this layer holds."""
        for entity, rows in self._rows.items():
            for id, row in rows.items():
                yield entity, id, row

    def frozen(self, seed: Layer) -> Layer:
        """What the layer shows, as a layer that nothing changes any more; `seed` is the lowest that it lies on.

        A layer that holds nothing adds nothing, and of a stack that grew high one is made, so that reading stays fast.
        """
        if not self._rows and self.below is not None:
            return self.below
        between: list[Layer] = []
        layer: Layer | None = self
        while layer is not None and layer is not seed:
            between.append(layer)
            layer = layer.below
        if len(between) <= HIGHEST or layer is None:
            return self
        made = Layer(self.indexes, seed)
        for each in reversed(between):
            for entity, rows in each._rows.items():
                made._rows.setdefault(entity, {}).update(rows)
            # A bucket is whole in each layer that has it, so the uppermost says all, its order too.
            made._buckets.update(each._buckets)
        return made

    def rows_above(self, seed: Layer | None) -> Iterator[tuple[str, str, Row | None]]:
        """(entity, id, row or None if removed) of everything that is held above a layer, each once."""
        seen: set[tuple[str, str]] = set()
        layer: Layer | None = self
        while layer is not None and layer is not seed:
            for entity, id, row in layer.changed():
                if (entity, id) not in seen:
                    seen.add((entity, id))
                    yield entity, id, row
            layer = layer.below

    def entities(self) -> list[str]:
        """The entities of which there are rows, by name."""
        names = {entity for entity, _, _ in self.rows_above(None)}
        return sorted(name for name in names if self.count(name))

    def buckets(self, entity: str, path: str) -> dict[Any, list[str]]:
        """The ids behind each value of an indexed member, in the order in which `where` gives them."""
        values = {at(row.record, path): None for row in self.all(entity)}
        return {value: list(self._bucket(entity, path, value)) for value in values if value is not None}

    def reorder(self, entity: str, path: str, value: Any, ids: Sequence[str]) -> None:
        """Have `where` give the same rows in another order. ValueError if they are not the same."""
        bucket = self._bucket(entity, path, value)
        if len(ids) != len(bucket) or set(ids) != set(bucket):
            raise ValueError(f"lists other ids than the rows whose {path} is {value!r}")
        self._buckets[entity, path, value] = dict.fromkeys(ids)

    def absorb(self, changes: Changes) -> None:
        """Take over what a unit of work changed: its commit."""
        for entity, id, row in changes.changed():
            self.set(entity, id, row)

    def set(self, entity: str, id: str, row: Row | None) -> None:
        """Store a version as it is, or forget it."""
        old = self.row(entity, id)
        if self.below is None and row is None:
            self._rows.get(entity, {}).pop(id, None)
        else:
            self._rows.setdefault(entity, {})[id] = row
        if (old is None) is not (row is None):
            self._move(entity, EVERY, None, id, row is not None)
        for path in self.indexes.get(entity, ()):
            before = None if old is None else at(old.record, path)
            after = None if row is None else at(row.record, path)
            # A row keeps its place in a bucket as long as its value stays, so lists keep their order.
            if before != after:
                if before is not None:
                    self._move(entity, path, before, id, False)
                if after is not None:
                    self._move(entity, path, after, id, True)

    def _move(self, entity: str, path: str, value: Any, id: str, into: bool) -> None:
        key = (entity, path, value)
        bucket = self._buckets.get(key)
        if bucket is None:
            shown = self.below._bucket(*key) if self.below is not None else {}
            bucket = self._buckets[key] = dict(shown)
        if into:
            bucket[id] = None
        else:
            bucket.pop(id, None)

    def _bucket(self, entity: str, path: str, value: Any) -> dict[str, None]:
        layer: Layer | None = self
        while layer is not None:
            bucket = layer._buckets.get((entity, path, value))
            if bucket is not None:
                return bucket
            layer = layer.below
        return {}

    def _listed(self, entity: str, bucket: Mapping[str, None]) -> Iterator[Row]:
        for id in bucket:
            row = self.row(entity, id)
            if row is not None:
                yield row


class Changes:
    """What one unit of work changes, over a layer that it does not touch until it is absorbed."""

    __slots__ = ("_rows", "below")

    def __init__(self, below: Layer) -> None:
        self.below = below
        self._rows: dict[str, dict[str, Row | None]] = {}

    @property
    def indexes(self) -> Mapping[str, Sequence[str]]:
        """The members by which `where` finds rows."""
        return self.below.indexes

    def row(self, entity: str, id: str) -> Row | None:
        """The stored version of a record, or None if there is none."""
        rows = self._rows.get(entity)
        if rows is not None and id in rows:
            return rows[id]
        return self.below.row(entity, id)

    def get(self, entity: str, id: str) -> Record | None:
        """A record by id, or None."""
        row = self.row(entity, id)
        return None if row is None else row.record

    def put(self, entity: str, record: Record) -> None:
        """Store a new version of a record, by its `id`."""
        rows = self._rows.get(entity)
        if rows is None:
            rows = self._rows[entity] = {}
        rows[record["id"]] = Row(record)

    def remove(self, entity: str, id: str) -> None:
        """Forget a record."""
        self._rows.setdefault(entity, {})[id] = None

    def all(self, entity: str) -> Iterator[Row]:
        """Every row of an entity."""
        own = self._rows.get(entity)
        found = self.below.all(entity)
        return found if not own else self._merged(entity, found, own, lambda row: True)

    def where(self, entity: str, path: str, value: Any) -> Iterator[Row]:
        """The rows whose indexed member `path` equals `value`. KeyError if it is not indexed."""
        own = self._rows.get(entity)
        found = self.below.where(entity, path, value)
        return found if not own else self._merged(entity, found, own, lambda row: at(row.record, path) == value)

    def count(self, entity: str, path: str = EVERY, value: Any = None) -> int:
        """How many rows `all` or `where` would give."""
        if not self._rows.get(entity):
            return self.below.count(entity, path, value)
        return sum(1 for _ in (self.all(entity) if path == EVERY else self.where(entity, path, value)))

    def changed(self) -> Iterator[tuple[str, str, Row | None]]:
        """(entity, id, row or None if removed) of everything that changed."""
        for entity, rows in self._rows.items():
            for id, row in rows.items():
                yield entity, id, row

    def _merged(
        self, entity: str, found: Iterator[Row], own: Mapping[str, Row | None], fits: Callable[[Row], bool]
    ) -> Iterator[Row]:
        """What lies below as it is now, each row in its place, then what is new here."""
        seen = set()
        for row in found:
            id = row.record["id"]
            if id not in own:
                yield row
                continue
            seen.add(id)
            changed = own[id]
            if changed is not None and fits(changed):
                yield changed
        for id, each in own.items():
            if each is not None and id not in seen and fits(each):
                yield each
