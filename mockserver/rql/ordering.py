"""What an order means for the records of one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from mockserver.rql.code import Compiled, Expand, Record, Writer, alone, read
from mockserver.rql.paths import Scope, find
from mockserver.rql.refusals import NO_ORDERING, refusal
from mockserver.rql.syntax import Sort
from specs.shapes import Property


def ordering(
    sorts: tuple[Sort, ...], shape: Property, *, hidden: frozenset[str] = frozenset(), expand: Expand = alone
) -> Callable[[Iterable[Record]], list[Record]]:
    """Puts records in order; equal ones keep theirs. Rows without the property come first, or last when descending.

    hidden: as for `predicate`
    Raises Invalid, keyed by the path.
    """
    keys = [
        (compiled.function(expand), sort.descending)
        for compiled, sort in zip(_compiled(sorts, shape, hidden), sorts, strict=True)
    ]

    def ordered(records: Iterable[Record]) -> list[Record]:
        rows = list(records)
        # The last key first: every later sort is stable and keeps what the earlier ones did.
        for key, descending in reversed(keys):
            absent = [row for row in rows if key(row) is None]
            present = [row for row in rows if key(row) is not None] if absent else rows
            present.sort(key=key, reverse=descending)
            rows = present + absent if descending else absent + present
        return rows

    return ordered


@lru_cache(maxsize=512)
def _compiled(sorts: tuple[Sort, ...], shape: Property, hidden: frozenset[str]) -> tuple[Compiled, ...]:
    return tuple(_key(sort, Scope(shape, hidden)) for sort in sorts)


def _key(sort: Sort, scope: Scope) -> Compiled:
    place = find(sort.path, scope, at=sort.at)
    if place.hidden:
        mend = "your role does not see it; leave it out of the order."
        raise refusal(NO_ORDERING, sort.path, mend, at=sort.at)
    if place.target.kind in ("object", "collection"):
        mend = f"it is of kind {place.target.kind}; order by a property below it."
        raise refusal(NO_ORDERING, sort.path, mend, at=sort.at)
    return Writer().compiled(read(place, "r"))
