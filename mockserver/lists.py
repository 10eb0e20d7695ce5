"""Which rows a list shows, in which order, and where its other pages are.

What a query asks for is found through what a bucket keeps by the members that it names, where there are many rows; what
is not found so is looked for in all of them. Either is done in portions, so that others are answered meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mockserver.buckets import PORTION, Ordered, in_order
from mockserver.listings import Listing, Picked
from mockserver.paging import Pagination, span
from mockserver.reply import JSON
from mockserver.service import Rows
from mockserver.store import Row, at

if TYPE_CHECKING:
    from mockserver.exchange import Exchange
    from mockserver.rql.code import Compiled, Expand, Record
    from mockserver.rql.filtering import Term
    from mockserver.rql.ordering import Key

MANY = 500
"""From so many rows on what a query names is looked up"""
LONG = 4_000
"""From so many rows on others are answered while a query is"""
FEW = 8
"""Where a filter leaves less than this part of all rows, these are sorted; else the order of all is gone through"""

Found = Generator[None, None, Rows]


def found(x: Exchange) -> Rows:
    """The rows that the query asks for, of those that the caller may see. Raises Invalid."""
    return _at_once(_found(x, _rows(x)))


def prepare(x: Exchange) -> Generator[None, None, None] | None:
    """Find the rows ahead, in portions where there are many to look at. Raises Invalid."""
    rows = _rows(x)
    if x.query.filter is None and not x.query.order:
        x.found = rows
        return None
    if rows.total >= LONG:
        return _prepared(x, rows)
    x.found = _at_once(_found(x, rows))
    return None


def _at_once(steps: Found) -> Rows:
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            rows: Rows = ended.value
            return rows


def _prepared(x: Exchange, rows: Rows) -> Generator[None, None, None]:
    x.found = yield from _found(x, rows)


def _rows(x: Exchange) -> Rows:
    operation, service, work = x.operation, x.service, x.work
    if operation.below is None:
        rows = service.rows(work, operation.entity)
    else:
        assert x.parent is not None
        rows = service.below(work, operation.entity, operation.below, x.parent)
    return _declared(x, rows) if x.said else rows


def _found(x: Exchange, rows: Rows) -> Found:
    service, query = x.service, x.query
    if query.filter is None and not query.order:
        return rows
    # Imported when the first query comes.
    from mockserver.rql.filtering import compiled, sieve, terms
    from mockserver.rql.ordering import keys

    entity = x.operation.entity
    shape, hidden = service.shape(entity), service.hidden(entity, x.role)
    expand = _once(service.expand(x.work, x.role))
    listing = rows.each
    if not isinstance(listing, Listing) or rows.total < MANY:
        sift = list if query.filter is None else sieve(query.filter, shape, hidden=hidden, expand=expand)
        by = keys(query.order, shape, hidden=hidden, expand=expand)
        chosen = yield from _sorted(sift(rows), by)
        return Rows(chosen, len(chosen))
    read = None if query.filter is None else compiled(query.filter, shape, hidden=hidden)
    index = Index(listing, keys(query.order, shape, hidden=hidden, expand=expand))
    if read is None or query.filter is None:
        return (yield from index.sorted())
    paging = service.api.conventions.paging
    offset, limit = span(query, default=paging["default"], cap=paging["cap"])
    # A file has all the rows, so that there is no page to stop at.
    end = offset + limit if x.media in (None, JSON) else None
    filter = Filter(read, expand, *terms(query.filter, shape, hidden))
    return (yield from index.filtered(filter, end=end))


def _once(expand: Expand) -> Expand:
    """The same, asking but once for each: many rows refer to few."""
    known: dict[tuple[str, str], Record | None] = {}

    def reach(entity: str, id: str) -> Record | None:
        try:
            return known[entity, id]
        except KeyError:
            made = known[entity, id] = expand(entity, id)
            return made

    return reach


def _sorted(rows: list[Row], by: Sequence[Key]) -> Generator[None, None, list[Row]]:
    """The rows in an order; the last key first: every later sort is stable and keeps what the earlier ones did."""
    for key in reversed(by):
        value = _of_row(key.value)
        absent, present = list[Row](), list[Row]()
        for first in range(0, len(rows), PORTION):
            for row in rows[first : first + PORTION]:
                (absent if value(row) is None else present).append(row)
            yield
        present = yield from in_order(present, value, descending=key.descending)
        rows = present + absent if key.descending else absent + present
    return rows


def _of_row(value: Callable[[Record], Any]) -> Callable[[Row], Any]:
    return lambda row: value(row.record)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a query lets through.

    read, expand: the filter as it was read, and what leads behind references
    terms, whole: what an index can answer of it, and whether that is all of it
    """

    read: Compiled
    expand: Expand
    terms: Sequence[Term]
    whole: bool


class Index:
    """A listing of many rows, asked by what it keeps of their members.

    by: the order that is asked for
    """

    def __init__(self, listing: Listing, by: Sequence[Key]) -> None:
        self._listing = listing
        self._by = by

    def sorted(self) -> Found:
        """All the rows, in the order."""
        ordered = yield from self._order()
        if ordered is not None:
            return Rows(Picked(self._listing, ordered.cut), len(ordered))
        rows = yield from self._kept(None, None)
        rows = yield from _sorted(rows, self._by)
        return Rows(rows, len(rows))

    def filtered(self, filter: Filter, *, end: int | None) -> Found:
        """The rows that pass a filter, in the order. end: where the page ends: rows after it are only counted"""
        narrowest = yield from self._narrowest(filter.terms)
        if narrowest is not None and filter.whole and narrowest.answers(filter.terms):
            return (yield from self._exact(filter, narrowest, end))
        if narrowest is not None and len(narrowest) * FEW <= len(self._listing):
            rows = yield from self._kept(filter, narrowest.places())
        else:
            found = yield from self._places(filter)
            if not self._by:
                return self._at(found)
            rows = yield from self._kept(None, found)
        rows = yield from _sorted(rows, self._by)
        return Rows(rows, len(rows))

    def _exact(self, filter: Filter, narrowed: Narrowed, end: int | None) -> Found:
        """The rows of a filter that the index answers wholly."""
        count = len(narrowed)
        if not self._by and narrowed.ascending is not None:
            return self._at(narrowed.ascending)
        if end is not None and count * FEW > len(self._listing):
            order = yield from self._order()
            if order is not None or not self._by:
                rows = yield from self._until(filter, order, end)
                return Rows(rows, count)
        if not self._by:
            return self._at(narrowed.places())
        rows = yield from self._kept(None, narrowed.places())
        rows = yield from _sorted(rows, self._by)
        return Rows(rows, len(rows))

    def _at(self, places: Sequence[int]) -> Rows:
        """The rows at some places, of which only those are looked up that a page shows."""
        return Rows(Picked(self._listing, lambda first, last: places[first:last]), len(places))

    def _places(self, filter: Filter) -> Generator[None, None, list[int]]:
        """The places of the rows that pass a filter, of whose members the columns are gone through."""
        columns: list[list[Any]] = []
        for member in filter.read.members:
            made = yield from self._listing.column(member.path, member.value)
            columns.append(made.values)
        found: list[int] = []
        find = filter.read.places(filter.expand)
        for first in range(0, len(self._listing), LONG):
            found += find(first, [column[first : first + LONG] for column in columns])
            yield
        return found

    def _order(self) -> Generator[None, None, Ordered | None]:
        """The places in the order that is asked for, where one member of the record itself says it."""
        if len(self._by) != 1 or self._by[0].path is None:
            return None
        (key,) = self._by
        assert key.path is not None
        return (yield from self._listing.ordered(key.path, key.value, descending=key.descending))

    def _narrowest(self, parts: Sequence[Term]) -> Generator[None, None, Narrowed | None]:
        """The fewest places that an index leaves of a filter's terms."""
        found: list[Narrowed] = []
        for path in dict.fromkeys(part.path for part in parts):
            named = [part for part in parts if part.path == path]
            equal = next((part for part in named if part.operator == "in"), None)
            if equal is not None:
                grouped = yield from self._listing.grouped(path, equal.key)
                found.append(Narrowed([equal], grouped.of(equal.values), None))
            elif self._listing.is_worth(path):
                ordered = yield from self._listing.ordered(path, named[0].key)
                spans = [ordered.between(part.operator, part.values[0]) for part in named]
                first, last = max(first for first, _ in spans), min(last for _, last in spans)
                found.append(Narrowed(named, None, ordered.places[first : max(first, last)]))
        return min(found, key=len, default=None)

    def _kept(self, filter: Filter | None, places: Sequence[int] | None) -> Generator[None, None, list[Row]]:
        """The rows at some places, or at all, that pass a filter."""
        rows: list[Row] = []
        sift = list if filter is None else filter.read.sieve(filter.expand)
        for portion in self._listing.portions(places):
            rows += sift(portion)
            yield
        return rows

    def _until(self, filter: Filter, order: Ordered | None, end: int) -> Generator[None, None, list[Row]]:
        """The rows that pass, in the order of the places or another, as many as a page and those before it need."""
        rows: list[Row] = []
        sift = filter.read.sieve(filter.expand)
        first, size = 0, max(2 * end, 64)
        while len(rows) < end and first < len(self._listing):
            span = (first, first + size)
            portion = self._listing.cut(*span) if order is None else self._listing.at(order.cut(*span))
            rows += sift(portion)[: end - len(rows)]
            first, size = first + size, min(2 * size, LONG)
            yield
        return rows


class Narrowed:
    """Places that an index leaves of a filter: in their own order, or as the index has them."""

    __slots__ = ("_found", "_terms", "ascending")

    def __init__(self, terms: Sequence[Term], ascending: Sequence[int] | None, found: Sequence[int] | None) -> None:
        self._terms = terms
        self.ascending = ascending
        self._found = found

    def __len__(self) -> int:
        return len(self.ascending if self.ascending is not None else self._found or ())

    def answers(self, terms: Sequence[Term]) -> bool:
        """Whether it is what all the terms leave."""
        return all(term in self._terms for term in terms)

    def places(self) -> Sequence[int]:
        """The places, in their own order."""
        return self.ascending if self.ascending is not None else sorted(self._found or ())


def _declared(x: Exchange, rows: Rows) -> Rows:
    """Those of the rows that the declared parameters ask for, in the order that they ask for."""
    filters, sorts = x.operation.filters, x.service.api.conventions.sorts
    wanted = [(member, x.said[name]) for name, member in filters.items() if name in x.said]
    if wanted:
        kept = [row for row in rows if all(value in _held(row.record, member) for member, value in wanted)]
        rows = Rows(kept, len(kept))
    if sorts and (chosen := x.said.get(sorts["parameter"])):
        member = sorts["members"][chosen.removeprefix("-")]
        # Ties stay in one order whichever way the rest goes, and what has no value is after all that has one.
        ordered = sorted(rows, key=lambda row: str(at(row.record, sorts["ties"])))
        ordered.sort(key=lambda row: _place(at(row.record, member)), reverse=chosen.startswith("-"))
        rows = Rows(ordered, len(ordered))
    return rows


def _place(value: Any) -> tuple[bool, Any]:
    """What a value sorts by: itself, after all others where there is none."""
    return (True, 0) if value is None else (False, value)


def _held(record: Any, path: str) -> list[Any]:
    """Every value behind a dotted path that may lead through lists."""
    found = [record]
    for name in path.split("."):
        found = [
            inner
            for each in found
            if isinstance(each, Mapping) and name in each
            for inner in (each[name] if isinstance(each[name], list) else [each[name]])
        ]
    return found


def links_of(x: Exchange, at: Pagination) -> tuple[tuple[str, str | None], ...]:
    """Where the page before, this one and the next one are; None where there is none (conventions.yaml, `links`)."""
    conventions, said = x.service.api.conventions, x.said
    links, paging = conventions.links, conventions.paging
    path = str(x.scope["path"]).removeprefix(conventions.base).rstrip("/")
    more = "".join(f"&{name}={quote(str(said[name]), safe='')}" for name in links["parameters"] if name in said.sent)

    def link(offset: int) -> str:
        return f"{path}?{paging['limit']}={at.limit}&{paging['offset']}={offset}{more}"

    return (
        ("previous", link(max(0, at.offset - at.limit)) if at.offset > 0 and at.limit else None),
        ("self", link(at.offset)),
        ("next", link(at.offset + at.limit) if at.offset + at.limit < at.total and at.limit else None),
    )
