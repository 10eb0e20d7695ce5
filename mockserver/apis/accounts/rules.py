"""Which invoices and payments an account shows: a window that moves with the day, and months chosen in it.

Dates are texts `YYYY-MM-DD`, so that text order is time order.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Window:
    """Two days and all between them."""

    first: str
    last: str

    def __contains__(self, day: str) -> bool:
        return self.first <= day <= self.last


def window(today: date, months: int) -> Window:
    """From the same day `months` ago to today, both included.

    Source: accounts 7 (S); the bounds are ours (M)
    """
    return Window(months_before(today, months).isoformat(), today.isoformat())


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last of that month where it is shorter (29 February, M)."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def chosen(wanted: Collection[str]) -> Callable[[str], bool]:
    """Whether a day lies in the month of one of the wanted days; no wanted day at all means any (accounts 7, S)."""
    if not wanted:
        return lambda day: True
    months = frozenset(day[:7] for day in wanted)
    return lambda day: day[:7] in months


def newest_first(items: Iterable[Item], record: Callable[[Item], Mapping[str, Any]]) -> list[Item]:
    """The items by the date of their records, the newest first, then by id (accounts 7, M)."""
    by_id = sorted(items, key=lambda item: record(item)["id"])
    return sorted(by_id, key=lambda item: record(item)["date"], reverse=True)
