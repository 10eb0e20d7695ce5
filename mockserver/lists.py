"""Which rows a list shows, in which order, and where its other pages are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mockserver.paging import Pagination
from mockserver.rql import ordering, predicate
from mockserver.service import Rows
from mockserver.store import at

if TYPE_CHECKING:
    from mockserver.exchange import Exchange


def found(x: Exchange) -> Rows:
    """The rows that the query asks for, of those that the caller may see."""
    operation, service, work, query = x.operation, x.service, x.work, x.query
    entity = operation.entity
    if operation.below is None:
        rows = service.rows(work, entity)
    else:
        assert x.parent is not None
        rows = service.below(work, entity, operation.below, x.parent)
    if x.said:
        rows = _declared(x, rows)
    if query.filter is None and not query.order:
        return rows
    shape, hidden, expand = service.shape(entity), service.hidden(entity, x.role), service.expand(work, x.role)
    chosen = list(rows)
    if query.filter is not None:
        keeps = predicate(query.filter, shape, hidden=hidden, expand=expand)
        chosen = [row for row in chosen if keeps(row.record)]
    if query.order:
        by_id = {row.record["id"]: row for row in chosen}
        sort = ordering(query.order, shape, hidden=hidden, expand=expand)
        chosen = [by_id[record["id"]] for record in sort([row.record for row in chosen])]
    return Rows(chosen, len(chosen))


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


def links_of(x: Exchange, at: Pagination) -> dict[str, str | None]:
    """Where the page before, this one and the next one are; None where there is none (conventions.yaml, `links`)."""
    conventions, said = x.service.api.conventions, x.said
    links, paging = conventions.links, conventions.paging
    path = str(x.scope["path"]).removeprefix(conventions.base).rstrip("/")
    more = "".join(f"&{name}={quote(str(said[name]), safe='')}" for name in links["parameters"] if name in said.sent)

    def link(offset: int) -> str:
        return f"{path}?{paging['limit']}={at.limit}&{paging['offset']}={offset}{more}"

    return {
        "previous": link(max(0, at.offset - at.limit)) if at.offset > 0 and at.limit else None,
        "self": link(at.offset),
        "next": link(at.offset + at.limit) if at.offset + at.limit < at.total and at.limit else None,
    }
