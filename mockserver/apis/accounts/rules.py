"""Which invoices and payments an account shows: a window that moves with the day, and months chosen in it.

Dates are texts `YYYY-MM-DD`, so that text order is time order.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockserver.store import Row


@dataclass(frozen=True, slots=True)
class Window:
    """Two days and all between them."""

    first: str
    last: str

    def __contains__(self, day: str) -> bool:
        return self.first <= day <= self.last


@lru_cache(maxsize=16)  # the same all day long
def window(today: date, months: int) -> Window:
    """From the same day `months` ago to today, both included.

    Source: accounts 7 (S); the bounds are ours (M)
    """
    return Window(months_before(today, months).isoformat(), today.isoformat())


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last of that month where it is shorter (29 February, M)."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def within(rows: Iterable[Row], days: Window, wanted: Collection[str] = ()) -> list[Row]:
    """The rows of these days, and of the months that the wanted days lie in, if there are any (accounts 7, S)."""
    first, last, months = days.first, days.last, frozenset(day[:7] for day in wanted)
    return [row for row in rows if first <= (day := row.record["date"]) <= last and (not months or day[:7] in months)]


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """The rows by the date of their records, the newest first, then by id (accounts 7, M)."""
    by_id = sorted(rows, key=lambda row: row.record["id"])
    return sorted(by_id, key=lambda row: row.record["date"], reverse=True)
