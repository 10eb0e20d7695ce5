"""Which rows of a list one answer carries."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from mockserver.rql.query import Query

Row = TypeVar("Row")


class Cuttable(Protocol[Row]):
    """Rows of which any span can be had."""

    def cut(self, first: int, last: int) -> list[Row]:
        """The rows from one place to before another; fewer where there are no more."""


class Pagination(NamedTuple):
    """The effective values, which clients compute the next page from.

    total: rows before paging
    """

    offset: int
    limit: int
    total: int


def span(query: Query, *, default: int, cap: int) -> tuple[int, int]:
    """(offset, limit) of a page.

    default: the limit of a query without one
    cap: the largest limit; a larger one is lowered to it
    """
    return query.offset or 0, min(default if query.limit is None else query.limit, cap)


def page(rows: Cuttable[Row], total: int, query: Query, *, default: int, cap: int) -> tuple[list[Row], Pagination]:
    """The rows from `offset` on, `limit` of them at most, and what the answer says of them. default, cap: see `span`

    A limit of 0 gives no rows and the total: the way to count.
    """
    offset, limit = span(query, default=default, cap=cap)
    return rows.cut(offset, offset + limit), Pagination(offset, limit, total)
