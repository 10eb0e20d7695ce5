"""Where a world keeps its records: a layer over its seed, and over that what a unit of work changes, until it ends.

Reading falls through to what lies below; a removed row is remembered as such. Rows come in the order in which they were
first put.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mockserver.buckets import PORTION, Bucket, left
from mockserver.portions import Portions, at_once

Record = Mapping[str, Any]
Replaced = Mapping[str, Mapping[str, "Row | None"]]
"""By entity and id: the row that was there before a change, or None"""
EVERY = ""
"""As an index path: the bucket of all rows of an entity."""
MANY = 100
"""From so many rows on that a change removes they are removed all at once"""
HIGHEST = 16
"""Layers over the seed before they become one."""


class Row:
    """One stored version of a record, and what is made of it (the bytes of its views), valid as long as the version."""

    __slots__ = ("_made", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._made: dict[Hashable, Any] | None = None

    def kept(self, key: Hashable) -> Any:  # Any: whatever was kept under that key
        """What was made of the record and kept, or None."""
        return None if self._made is None else self._made.get(key)

    def keep(self, key: Hashable, made: Any) -> None:
        """Keep what was made of the record."""
        if self._made is None:
            self._made = {key: made}
        else:
            self._made[key] = made

    def forget(self, key: Hashable) -> None:
        """Keep something no longer."""
        if self._made is not None:
            self._made.pop(key, None)
            self._made = self._made or None


def at(record: Record, path: str) -> Any:
    """The value behind a dotted path, or None."""
    value: Any = record
    for name in _steps(path):
        if value is None:
            return None
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


@cache
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


Place = tuple[str, str, Any]
"""Where a bucket is: entity, indexed member, value."""


class Layer:
    """Records by entity and id, with hash indexes on some dotted members.

    indexes: entity -> dotted members to index; the same for every layer of a stack
    below: the layer that shows through, which must not change any more

    A bucket is copied from the layer below when it first changes here, so that reading one never merges two.
    """

    __slots__ = ("_buckets", "_rows", "_watched", "below", "indexes")

    def __init__(self, indexes: Mapping[str, Sequence[str]], below: Layer | None = None) -> None:
        self.indexes = indexes
        self.below = below
        self._rows: dict[str, dict[str, Row | None]] = {}
        self._buckets: dict[Place, Bucket] = {}
        self._watched: set[str] = set()

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
        self.set(entity, record["id"], Row(record))

    def remove(self, entity: str, id: str) -> None:
        """Forget a record."""
        self.set(entity, id, None)

    def all(self, entity: str) -> Iterator[Row]:
        """Every row of an entity."""
        return self._listed(entity, self.bucket((entity, EVERY, None)))

    def where(self, entity: str, path: str, value: Any) -> Iterator[Row]:
        """The rows whose indexed member `path` equals `value`. KeyError if it is not indexed."""
        if path != EVERY and path not in self.indexes.get(entity, ()):
            raise KeyError(f"{entity}.{path} is not indexed")
        return self._listed(entity, self.bucket((entity, path, value)))

    def count(self, entity: str, path: str = EVERY, value: Any = None) -> int:
        """How many rows `all` or `where` would give, without looking at them."""
        return len(self.bucket((entity, path, value)))

    def level(self, entity: str) -> Layer:
        """The lowest layer that shows the rows of an entity as this one does: what it keeps all above it can share."""
        layer = self
        while entity not in layer._rows and layer.below is not None:
            layer = layer.below
        return layer

    def at(self, entity: str, ids: Iterable[str]) -> list[Row]:
        """The rows with these ids, which there are."""
        rows = self._rows.get(entity, {})
        if self.below is None:
            return [row for id in ids if (row := rows.get(id)) is not None]
        own, below = rows.get, self.below.row
        return [row for id in ids if (row := own(id) or below(entity, id)) is not None]

    def bucket(self, place: Place) -> Bucket:
        """The bucket at a place, whichever layer has it; it must not be changed."""
        layer: Layer | None = self
        while layer is not None:
            found = layer._buckets.get(place)
            if found is not None:
                return found
            layer = layer.below
        return Bucket()

    def watched(self, place: Place) -> Bucket:
        """The bucket at a place as this layer has it, which hears of each change here."""
        self._watched.add(place[0])
        return self._owned(place)

    def _owned(self, place: Place) -> Bucket:
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = Bucket(self.below.bucket(place) if self.below is not None else ())
        return bucket

    @property
    def own(self) -> Replaced:
        """What this layer itself holds, by entity and id: a row, or None of what is removed."""
        return self._rows

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
            made._buckets.update((place, Bucket(bucket)) for place, bucket in each._buckets.items())
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
        names = set[str]()
        layer: Layer | None = self
        while layer is not None:
            names |= layer._rows.keys()
            layer = layer.below
        return sorted(name for name in names if self.count(name))

    def reorder(self, entity: str, path: str, value: Any, ids: Sequence[str]) -> None:
        """Have `where` give the same rows in another order. ValueError if they are not the same."""
        bucket = self.bucket((entity, path, value))
        if len(ids) != len(bucket) or set(ids) != set(bucket):
            raise ValueError(f"lists other ids than the rows whose {path} is {value!r}")
        self._rows.setdefault(entity, {})  # from here on this layer shows them otherwise than those below
        self._buckets[entity, path, value] = Bucket(ids)

    def absorb(self, changes: Changes) -> Replaced:
        """Take over what a unit of work changed: its commit. What was there before."""
        return {entity: self._take(entity, rows, changes.batches.get(entity)) for entity, rows in changes.rows.items()}

    def _take(
        self, entity: str, rows: Mapping[str, Row | None], batch: Batch | Removal | None
    ) -> Mapping[str, Row | None]:
        if isinstance(batch, Removal):
            return self._clear(batch)
        if batch is not None and self._lacks(batch):
            return self._add(batch)
        if len(rows) >= MANY and not any(rows.values()):
            return self._clear(at_once(self.removal(entity, rows)))
        return {id: self.set(entity, id, row) for id, row in rows.items()}

    def removal(self, entity: str, ids: Iterable[str]) -> Portions[Removal]:
        """What many rows can be removed with in next to no time, as long as nothing of their entity changes."""
        made = Removal(entity, self.indexes)
        for count, id in enumerate(ids):
            made.add(id, self.row(entity, id))
            if not count % PORTION:
                yield
        return made

    def _clear(self, removal: Removal) -> Mapping[str, Row | None]:
        """Forget many rows, as `set` would one after another."""
        entity, own = removal.entity, self._rows.get(removal.entity, {})
        if self.below is not None and self.below.has_any(entity, removal.gone):
            own.update(removal.gone)
        elif removal.ids:
            own = {id: own[id] for id in left(list(own), removal.ids)}
        self._rows[entity] = own
        for place, ids in removal.buckets.items():
            if ids:
                self._owned(place).clear(ids)
        return removal.rows

    def has_any(self, entity: str, ids: Mapping[str, Any]) -> bool:
        """Whether anything is remembered of any of these ids, if only that it was removed."""
        layer: Layer | None = self
        while layer is not None:
            # Both as views, so that it is the fewer that are looked for among the others.
            if not layer._rows.get(entity, {}).keys().isdisjoint(ids.keys()):
                return True
            layer = layer.below
        return False

    def _lacks(self, batch: Batch) -> bool:
        """Whether there is no row with any of the ids of a batch."""
        # What is remembered may be that they were removed: a file that comes again makes charges with the old ids.
        return not self.has_any(batch.entity, batch.rows) or all(self.row(batch.entity, id) is None for id in batch.ids)

    def _add(self, batch: Batch) -> Mapping[str, None]:
        """Take over many rows, all of which are new, as `set` would one after another."""
        rows, own = batch.rows, self._rows.get(batch.entity, {})
        if len(own) < len(rows):
            rows.update({id: row for id, row in own.items() if id not in rows})
            self._rows[batch.entity] = rows
        else:
            own.update(rows)
        for place, ids in batch.buckets.items():
            self._owned(place).extend(ids, rows)
        return _Nothing(batch.ids)

    def set(self, entity: str, id: str, row: Row | None) -> Row | None:
        """Store a version as it is, or forget it. What was there before."""
        old = self.row(entity, id)
        if row is None and (self.below is None or self.below.row(entity, id) is None):
            self._rows.get(entity, {}).pop(id, None)
        else:
            self._rows.setdefault(entity, {})[id] = row
        if (old is None) is not (row is None):
            self._move(entity, EVERY, None, id, row)
        elif old is not None and row is not None and entity in self._watched:
            self._change((entity, EVERY, None), old, row)
        for path in self.indexes.get(entity, ()):
            before = None if old is None else at(old.record, path)
            after = None if row is None else at(row.record, path)
            # A row keeps its place in a bucket as long as its value stays, so lists keep their order.
            if before != after:
                if before is not None:
                    self._move(entity, path, before, id, None)
                if after is not None:
                    self._move(entity, path, after, id, row)
            elif old is not None and row is not None and entity in self._watched:
                self._change((entity, path, after), old, row)
        return old

    def _move(self, entity: str, path: str, value: Any, id: str, row: Row | None) -> None:
        """Have a row come into a bucket, or go out of it where there is none."""
        bucket = self._owned((entity, path, value))
        if row is None:
            bucket.remove(id)
        else:
            bucket.append(id, row.record)

    def _change(self, place: Place, old: Row, row: Row) -> None:
        if (own := self._buckets.get(place)) is not None:
            own.change(old.record, row.record)

    def _listed(self, entity: str, bucket: Iterable[str]) -> Iterator[Row]:
        for id in bucket:
            row = self.row(entity, id)
            if row is not None:
                yield row


class Sorting:
    """The ids of many rows of one entity, sorted by the buckets that they belong to."""

    __slots__ = ("_paths", "buckets", "entity", "ids")

    def __init__(self, entity: str, indexes: Mapping[str, Sequence[str]]) -> None:
        self.entity = entity
        self.ids: list[str] = []
        self.buckets: dict[Place, list[str]] = {(entity, EVERY, None): self.ids}
        # Neighbours mostly share the member that an index looks into, so that it need not be looked up again.
        self._paths: list[_Sorted] = [_Sorted(path) for path in indexes.get(entity, ())]

    def sort(self, id: str, record: Record) -> None:
        """Take in the id of a row. No other may have it."""
        self.ids.append(id)
        for each in self._paths:
            if (member := record.get(each.head)) is not each.last:
                value, each.last = at(record, each.path), member
                each.ids = None if value is None else self.buckets.setdefault((self.entity, each.path, value), [])
            if each.ids is not None:
                each.ids.append(id)


class Batch(Sorting):
    """Many new rows of one entity, sorted as they come.

    So that they can be taken over all at once, in next to no time, where that could be prepared in portions.
    """

    __slots__ = ("rows",)

    def __init__(self, entity: str, indexes: Mapping[str, Sequence[str]]) -> None:
        super().__init__(entity, indexes)
        self.rows: dict[str, Row | None] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, record: Record) -> None:
        """Take in a row. No other may have its id."""
        id = record["id"]
        self.rows[id] = Row(record)
        self.sort(id, record)


class Removal(Sorting):
    """Many rows of one entity that are to go, sorted ahead as those of a batch.

    rows: as they are; gone: their ids, as changes tell them
    """

    __slots__ = ("gone", "rows")

    def __init__(self, entity: str, indexes: Mapping[str, Sequence[str]]) -> None:
        super().__init__(entity, indexes)
        self.rows: dict[str, Row | None] = {}
        self.gone: dict[str, Row | None] = {}

    def add(self, id: str, row: Row | None) -> None:
        """Take in a row, or that there is none with this id."""
        self.rows[id] = row
        if row is not None:
            self.gone[id] = None
            self.sort(id, row.record)


class _Sorted:
    """Where the last row of a batch belongs by one index: what its path begins at, and the ids of that bucket."""

    __slots__ = ("head", "ids", "last", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.head = path.partition(".")[0]
        self.last: Any = None
        self.ids: list[str] | None = None


class _Nothing(Mapping[str, None]):
    """That there was nothing before, at each of some ids."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids

    def __getitem__(self, id: str) -> None:
        return None

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


class Changes:
    """What one unit of work changes, over a layer that it does not touch until it is absorbed."""

    __slots__ = ("batches", "below", "rows")

    def __init__(self, below: Layer) -> None:
        self.below = below
        self.rows: dict[str, dict[str, Row | None]] = {}
        """By entity and id: the new version, or None of what is removed"""
        self.batches: dict[str, Batch | Removal] = {}
        """By entity, where its rows are those of a batch, or of a removal, and nothing else"""

    @property
    def indexes(self) -> Mapping[str, Sequence[str]]:
        """The members by which `where` finds rows."""
        return self.below.indexes

    def level(self, entity: str) -> Layer | None:
        """The lowest layer that shows the rows of an entity as this does; None where it changes some itself."""
        return None if entity in self.rows else self.below.level(entity)

    def row(self, entity: str, id: str) -> Row | None:
        """The stored version of a record, or None if there is none."""
        rows = self.rows.get(entity)
        if rows is not None and id in rows:
            return rows[id]
        return self.below.row(entity, id)

    def get(self, entity: str, id: str) -> Record | None:
        """A record by id, or None."""
        row = self.row(entity, id)
        return None if row is None else row.record

    def put(self, entity: str, record: Record) -> None:
        """Store a new version of a record, by its `id`."""
        rows = self._own(entity) if self.batches else self.rows.get(entity)
        if rows is None:
            rows = self.rows[entity] = {}
        rows[record["id"]] = Row(record)

    def remove(self, entity: str, id: str) -> None:
        """Forget a record."""
        self._own(entity)
        self.rows.setdefault(entity, {})[id] = None

    def clear(self, entity: str, path: str, value: Any, removal: Removal | None = None) -> Collection[str]:
        """Forget the rows whose indexed member `path` equals `value`; their ids.

        removal: what was made of just these rows ahead, none of which has changed since
        """
        if removal is not None and entity not in self.rows:
            self.rows[entity], self.batches[entity] = removal.gone, removal
            return removal.gone.keys()
        if self._own(entity):
            ids: Iterable[str] = [row.record["id"] for row in self.where(entity, path, value)]
        else:
            ids = self.below.bucket((entity, path, value))
        gone: dict[str, Row | None] = dict.fromkeys(ids)
        self.rows.setdefault(entity, {}).update(gone)
        return gone.keys()

    def add(self, batch: Batch) -> None:
        """Store many new rows, which nobody may add to any more."""
        rows = self._own(batch.entity)
        if rows:
            rows.update(batch.rows)
        else:
            self.rows[batch.entity] = batch.rows
            self.batches[batch.entity] = batch

    def _own(self, entity: str) -> dict[str, Row | None] | None:
        """The rows of an entity, which are about to become others than those of a batch."""
        if self.batches.pop(entity, None) is not None:
            self.rows[entity] = dict(self.rows[entity])
        return self.rows.get(entity)

    def all(self, entity: str) -> Iterator[Row]:
        """Every row of an entity."""
        own = self.rows.get(entity)
        found = self.below.all(entity)
        return found if not own else self._merged(entity, found, own, lambda row: True)

    def where(self, entity: str, path: str, value: Any) -> Iterator[Row]:
        """The rows whose indexed member `path` equals `value`. KeyError if it is not indexed."""
        own = self.rows.get(entity)
        found = self.below.where(entity, path, value)
        return found if not own else self._merged(entity, found, own, lambda row: at(row.record, path) == value)

    def count(self, entity: str, path: str = EVERY, value: Any = None) -> int:
        """How many rows `all` or `where` would give."""
        if not self.rows.get(entity):
            return self.below.count(entity, path, value)
        return sum(1 for _ in (self.all(entity) if path == EVERY else self.where(entity, path, value)))

    def changed(self) -> Iterator[tuple[str, str, Row | None]]:
        """(entity, id, row or None if removed) of everything that changed."""
        for entity, rows in self.rows.items():
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


class Noting(Changes):
    """Changes that note of which entities anything is read through them."""

    __slots__ = ("read",)

    def __init__(self, below: Layer) -> None:
        super().__init__(below)
        self.read: set[str] = set()

    def level(self, entity: str) -> Layer | None:
        self.read.add(entity)
        return super().level(entity)

    def row(self, entity: str, id: str) -> Row | None:
        self.read.add(entity)
        return super().row(entity, id)

    def all(self, entity: str) -> Iterator[Row]:
        self.read.add(entity)
        return super().all(entity)

    def where(self, entity: str, path: str, value: Any) -> Iterator[Row]:
        self.read.add(entity)
        return super().where(entity, path, value)

    def count(self, entity: str, path: str = EVERY, value: Any = None) -> int:
        self.read.add(entity)
        return super().count(entity, path, value)
