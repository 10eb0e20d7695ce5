"""Pages: the rows that one answer carries, and what it says about them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.paging import Pagination, page
from mockserver.rql.query import Query
from mockserver.rql.reading import parse

# The first example loads the grammar, and machines that build others have slow moments.
PATIENT = settings(deadline=None)

ROWS = list(range(25))


class Numbers(list[int]):
    """Rows that can be cut."""

    def cut(self, first: int, last: int) -> list[int]:
        return self[first:last]


@pytest.mark.parametrize(
    ("query", "rows", "limit"),
    [
        ("", ROWS[:10], 10),
        ("limit=3", ROWS[:3], 3),
        ("limit=0", [], 0),
        ("limit=20&offset=20", ROWS[20:], 20),
        ("offset=25", [], 10),
        ("limit=1000", ROWS[:20], 20),
        ("limit=-1", ROWS[:10], 10),
        ("limit=ten", ROWS[:10], 10),
        ("limit=2147483648", ROWS[:10], 10),
        ("offset=-5", ROWS[:10], 10),
        ("limit=", ROWS[:10], 10),
    ],
)
def test_a_page_has_the_rows_from_offset_on_and_reports_the_effective_limit(
    query: str, rows: list[int], limit: int
) -> None:
    shown, pagination = page(Numbers(ROWS), len(ROWS), parse(query), default=10, cap=20)
    assert shown == rows
    assert (pagination.limit, pagination.total) == (limit, 25)


def test_an_offset_beyond_the_end_is_reported_as_asked() -> None:
    assert page(Numbers(ROWS), 25, Query(offset=70), default=10, cap=20)[1] == Pagination(offset=70, limit=10, total=25)


def test_the_default_is_lowered_to_the_cap_as_well() -> None:
    assert page(Numbers(ROWS), len(ROWS), Query(), default=10, cap=5)[1].limit == 5


@PATIENT
@given(rows=st.lists(st.integers()), limit=st.integers(1, 40), cap=st.integers(1, 40))
def test_pages_that_follow_the_reported_limit_hold_every_row_once(rows: list[int], limit: int, cap: int) -> None:
    seen: list[int] = []
    offset = 0
    while True:
        shown, pagination = page(Numbers(rows), len(rows), Query(limit=limit, offset=offset), default=10, cap=cap)
        seen += shown
        offset += pagination.limit
        if offset >= pagination.total:
            break
    assert seen == rows
