"""Which rows of a list one answer carries."""

from __future__ import annotations

from dataclasses import dataclass

from mockserver.rql import Query


@dataclass(frozen=True, slots=True)
class Pagination:
    """The effective values, which clients compute the next page from.

    total: rows before paging
    """

    offset: int
    limit: int
    total: int

    @property
    def end(self) -> int:
        """The first place after the page."""
        return self.offset + self.limit


def page(query: Query, total: int, *, default: int, cap: int) -> Pagination:
    """Where a page begins and how long it is.

    default: the limit of a query without one
    cap: the largest limit; a larger one is lowered to it, and the answer says so
    A limit of 0 gives no rows and the total: the way to count.
    """
    return Pagination(query.offset or 0, min(default if query.limit is None else query.limit, cap), total)
