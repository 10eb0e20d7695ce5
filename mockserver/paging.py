"""Which rows of a list one answer carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from mockserver.rql import Query

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Pagination:
    """The effective values, which clients compute the next page from.

    total: rows before paging
    """

    offset: int
    limit: int
    total: int


def page(rows: Iterable[Row], total: int, query: Query, *, default: int, cap: int) -> tuple[list[Row], Pagination]:
    """The rows from `offset` on, `limit` of them at most; of the rows before it none is looked at.

    default: the limit of a query without one
    cap: the largest limit; a larger one is lowered to it, and the answer says so
    A limit of 0 gives no rows and the total: the way to count.
    """
    limit = min(default if query.limit is None else query.limit, cap)
    offset = query.offset or 0
    return list(islice(rows, offset, offset + limit)), Pagination(offset, limit, total)
