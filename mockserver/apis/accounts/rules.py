"""Which invoices and payments an account shows: a window that moves with the day, and months chosen in it.

Dates are texts `YYYY-MM-DD`, so that text order is time order.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import lru_cache


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
