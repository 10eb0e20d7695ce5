"""The arithmetic of the accounts API: window, months, order, lines of invoices, codes of payment slips."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.accounts.boleto import barcode, due, typed
from mockserver.apis.accounts.lines import MOST, by_site, lines
from mockserver.apis.accounts.rules import Window, months_before, window
from mockserver.apis.accounts.summaries import newest_first, within
from mockserver.store import Row

DAYS = st.dates(date(1971, 1, 1), date(2199, 12, 31))
AMOUNTS = st.decimals(Decimal("0.01"), Decimal(10) ** 12, places=2)
SITES = st.lists(st.sampled_from(["LD8", "AM3", "SP4", "FR5"]), unique=True, max_size=4)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        ("2026-03-16", 12, "2025-03-16"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2025-02-28", 12, "2024-02-28"),
        ("2024-02-29", 48, "2020-02-29"),
        ("2026-01-31", 2, "2025-11-30"),
        ("2026-01-01", 1, "2025-12-01"),
        ("2026-01-01", 0, "2026-01-01"),
    ],
)
def test_the_same_day_some_months_before(day: str, months: int, before: str) -> None:
    assert months_before(date.fromisoformat(day), months).isoformat() == before


@given(DAYS, st.integers(0, 240))
@example(date(2024, 2, 29), 12)
def test_going_back_month_by_month_lands_in_the_month_and_never_on_a_later_day(day: date, months: int) -> None:
    before = months_before(day, months)
    assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == months
    assert before.day <= day.day
    assert before.day == day.day or (before + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("day", "today", "shown"),
    [
        ("2026-03-16", "2026-03-16", True),
        ("2026-03-17", "2026-03-16", False),
        ("2025-03-16", "2026-03-16", True),
        ("2025-03-15", "2026-03-16", False),
        ("2023-02-28", "2024-02-29", True),
        ("2023-02-27", "2024-02-29", False),
        ("2024-02-29", "2025-02-28", True),
        ("2024-02-29", "2025-03-01", False),
    ],
)
def test_the_window_holds_both_its_ends(day: str, today: str, shown: bool) -> None:
    assert (day in window(date.fromisoformat(today), 12)) is shown


@given(DAYS, DAYS)
def test_what_has_left_the_window_never_comes_back(day: date, today: date) -> None:
    is_past = day <= today
    if is_past and day.isoformat() not in window(today, 12):
        assert day.isoformat() not in window(today + timedelta(days=1), 12)


def chosen(days: list[str], wanted: list[str]) -> list[str]:
    """Those of the days that lie in the wanted months."""
    rows = within([Row({"date": day}) for day in days], Window("1900-01-01", "2200-12-31"), wanted)
    return [row.record["date"] for row in rows]


@given(DAYS, st.lists(DAYS, max_size=30))
def test_all_months_of_the_window_together_are_the_window(today: date, days: list[date]) -> None:
    shown = [day.isoformat() for day in days if day.isoformat() in window(today, 12)]
    months = [months_before(today.replace(day=1), back).isoformat() for back in range(13)]
    assert chosen(shown, months) == shown
    assert sorted(day for month in months for day in chosen(shown, [month])) == sorted(shown)


@given(st.lists(DAYS.map(date.isoformat), min_size=1), DAYS.map(date.isoformat))
def test_several_months_are_their_union_and_repetitions_change_nothing(wanted: list[str], day: str) -> None:
    found = chosen([day], wanted)
    assert bool(found) is any(chosen([day], [each]) for each in wanted)
    assert chosen([day], wanted * 2) == found
    assert chosen([day], [f"{each[:7]}-01" for each in wanted]) == found


@given(DAYS.map(date.isoformat))
def test_no_month_at_all_is_every_month(day: str) -> None:
    assert chosen([day], []) == [day]


@given(st.lists(st.tuples(DAYS.map(date.isoformat), st.text("0123456789", min_size=9, max_size=9))))
def test_the_newest_comes_first_and_ids_break_ties(pairs: list[tuple[str, str]]) -> None:
    items: list[dict[str, Any]] = [{"date": day, "id": id} for day, id in pairs]
    ordered = [row.record for row in newest_first(map(Row, items))]
    assert sorted(map(str, ordered)) == sorted(map(str, items))
    for one, other in pairwise(ordered):
        assert one["date"] > other["date"] or (one["date"] == other["date"] and one["id"] <= other["id"])


@given(st.text("0123456789", min_size=9, max_size=9), AMOUNTS, SITES, st.sampled_from([1, -1]))
@example("810000001", Decimal("0.01"), [], -1)
@example("810000001", Decimal("0.02"), ["LD8"], 1)
def test_lines_add_up_to_the_amount_and_each_is_its_pieces(
    id: str, amount: Decimal, sites: list[str], sign: int
) -> None:
    found = lines(id, amount * sign, sites, 6)
    assert 1 <= len(found) <= MOST
    assert sum(line.amount for line in found) == amount * sign
    for line in found:
        assert line.quantity * line.price == line.amount
        assert line.amount * sign > 0
        assert round(line.price, 2) == line.price
        assert line.site in (sites or [""])
    assert sum(by_site(found).values()) == amount * sign
    assert lines(id, amount * sign, sites, 6) == found


def test_some_lines_have_more_than_one_piece() -> None:
    found = [line.quantity for number in range(50) for line in lines(str(number), Decimal("998.40"), ["LD8"], 6)]
    assert max(found) > 1


def weighed(digits: str) -> int:
    """The weighted sum of a bar code without its check digit; written anew, by the banks' description."""
    weights, total = [2, 3, 4, 5, 6, 7, 8, 9], 0
    for place, digit in enumerate(digits[::-1]):
        total += int(digit) * weights[place % 8]
    return total


def luhn(digits: str) -> bool:
    """Whether the last digit of a field checks the rest."""
    doubled = [int(each) * (2 if place % 2 else 1) for place, each in enumerate(digits[::-1])]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


@given(st.text("0123456789", min_size=9, max_size=9), AMOUNTS, DAYS)
@example("810000009", Decimal("8420.75"), date(2025, 2, 21))
@example("810000009", Decimal("8420.75"), date(2025, 2, 22))
def test_the_codes_of_a_slip_check_and_say_the_same(invoice: str, amount: Decimal, day: date) -> None:
    code = barcode(invoice, amount, day)
    assert len(code) == 44 and code.isdigit()
    check = 11 - weighed(code[:4] + code[5:]) % 11
    assert int(code[4]) == (check if 1 <= check <= 9 else 1)
    said = typed(code).replace(".", "").replace(" ", "")
    assert len(said) == 47
    for field in (said[:10], said[10:21], said[21:32]):
        assert luhn(field)
    assert said[:4] + said[32] + said[33:] + said[4:9] + said[10:20] + said[21:31] == code
    if amount < 10**8:
        assert Decimal(code[9:19]) / 100 == amount


def test_the_days_of_a_slip_begin_again_at_1000() -> None:
    # Known days: the last of the first round, and the first of the second.
    assert barcode("1", Decimal(1), date(2025, 2, 21))[5:9] == "9999"
    assert barcode("1", Decimal(1), date(2025, 2, 22))[5:9] == "1000"
    assert barcode("1", Decimal(1), date(2000, 7, 3))[5:9] == "1000"


def test_a_slip_is_due_thirty_days_after_its_invoice() -> None:
    assert due(date(2026, 2, 1)) == date(2026, 3, 3)
