"""What an order means for the records of one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mockserver.rql.code import Compiled, Expand, Record, alone, meant
from mockserver.rql.paths import Scope, find
from mockserver.rql.query import Sort
from mockserver.rql.refusals import NO_ORDERING, refusal
from specs.shapes import Property


@dataclass(frozen=True, slots=True)
class Key:
    """What rows are sorted by: `value` reads it; rows without it come first, or last when `descending`.

    path: where it is in the record, dotted; None where it lies behind a reference
    """

    path: str | None
    value: Callable[[Record], Any]
    descending: bool


def keys(
    sorts: tuple[Sort, ...], shape: Property, *, hidden: frozenset[str] = frozenset(), expand: Expand = alone
) -> list[Key]:
    """What an order sorts by, the first one first. hidden: as for `predicate`. Raises Invalid, keyed by the path."""
    return [
        Key(path, compiled.function(expand), sort.descending)
        for (path, compiled), sort in zip(_compiled(sorts, shape, hidden), sorts, strict=True)
    ]


def ordering(
    sorts: tuple[Sort, ...], shape: Property, *, hidden: frozenset[str] = frozenset(), expand: Expand = alone
) -> Callable[[Iterable[Record]], list[Record]]:
    """Puts records in order; equal ones keep theirs. Rows without the property come first, or last when descending.

    hidden: as for `predicate`
    Raises Invalid, keyed by the path.
    """
    by = keys(sorts, shape, hidden=hidden, expand=expand)

    def ordered(records: Iterable[Record]) -> list[Record]:
        rows = list(records)
        # The last key first: every later sort is stable and keeps what the earlier ones did.
        for key in reversed(by):
            value = key.value
            absent = [row for row in rows if value(row) is None]
            present = [row for row in rows if value(row) is not None] if absent else rows
            present.sort(key=value, reverse=key.descending)
            rows = present + absent if key.descending else absent + present
        return rows

    return ordered


@lru_cache(maxsize=512)
def _compiled(
    sorts: tuple[Sort, ...], shape: Property, hidden: frozenset[str]
) -> tuple[tuple[str | None, Compiled], ...]:
    return tuple(_key(sort, Scope(shape, hidden)) for sort in sorts)


def _key(sort: Sort, scope: Scope) -> tuple[str | None, Compiled]:
    place = find(sort.path, scope, at=sort.at)
    if place.hidden:
        mend = "your role does not see it; leave it out of the order."
        raise refusal(NO_ORDERING, sort.path, mend, at=sort.at)
    if place.target.kind in ("object", "collection"):
        mend = f"it is of kind {place.target.kind}; order by a property below it."
        raise refusal(NO_ORDERING, sort.path, mend, at=sort.at)
    return place.direct, meant(place)
