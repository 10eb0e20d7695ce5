"""The arithmetic of billing: the reference's own numbers, and the laws that hold for all numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.billing import rules

amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=8, allow_nan=False)
positive = st.decimals(min_value=Decimal("0.0001"), max_value=10**9, places=6, allow_nan=False)
percents = st.decimals(min_value=Decimal("-99"), max_value=1000, places=6, allow_nan=False)


@pytest.mark.parametrize(
    ("cost", "sale", "markup", "margin"),
    [
        ("5170.20", "5620.44", "8.7083671812", "8.0107607234"),
        ("20.00", "30.00", "50.0000000000", "33.3333333333"),
        ("738.60", "802.92", "8.7083671812", "8.0107607234"),
        ("92.09375679688615", "101.30313247657476", "10.0000000000", "9.0909090909"),
        ("-100", "-150", "50.0000000000", "33.3333333333"),
    ],
)
def test_markup_and_margin_follow_from_both_sides(cost: str, sale: str, markup: str, margin: str) -> None:
    found = rules.percentages(Decimal(cost), Decimal(sale))
    assert found["markup"] == pytest.approx(Decimal(markup), abs=Decimal("1e-9"))
    assert found["margin"] == pytest.approx(Decimal(margin), abs=Decimal("1e-9"))


@pytest.mark.parametrize(("cost", "sale"), [("0", "5"), ("5", "0"), ("0", "0")])
def test_markup_and_margin_are_left_out_where_one_side_is_nothing(cost: str, sale: str) -> None:
    assert rules.percentages(Decimal(cost), Decimal(sale)) == {}


@pytest.mark.parametrize(
    ("purchase", "sale"),
    [("92.09375679688615", "101.303132476574765"), ("184.1875135937723", "202.60626495314953")],
)
def test_a_sale_price_is_exact(purchase: str, sale: str) -> None:
    assert rules.times(Decimal(purchase), rules.factor(Decimal(10), Decimal(1))) == Decimal(sale)


def test_a_sale_price_is_converted_after_the_markup() -> None:
    assert rules.times(Decimal(100), rules.factor(Decimal(25), Decimal("0.8"))) == Decimal(100)


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        ("0.000005", 5, "0.00001"),
        ("-0.000005", 5, "-0.00001"),
        ("0.0000049", 5, "0.00000"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
    ],
)
def test_halves_are_rounded_away_from_zero(value: str, places: int, shown: str) -> None:
    assert str(rules.rounded(Decimal(value), places)) == shown


def test_no_money_is_a_debit() -> None:
    assert [rules.sign(Decimal(amount)) for amount in ("0", "-0.00001", "50")] == ["Debit", "Credit", "Debit"]


def test_a_line_is_taxed_after_its_discount() -> None:
    amount = rules.line_amount(Decimal(2), Decimal(10), Decimal(5))
    assert (amount, rules.with_tax(amount, Decimal(9))) == (Decimal(15), Decimal("16.35"))


@pytest.mark.parametrize(
    ("purchase", "sale", "rate"),
    [(None, None, "1"), ("2", None, "2"), (None, "4", "0.25"), ("3", "2", "1.5"), ("0", "-1", "1")],
)
def test_two_worths_make_a_rate(purchase: str | None, sale: str | None, rate: str) -> None:
    worths = [None if worth is None else Decimal(worth) for worth in (purchase, sale)]
    assert rules.conversion(*worths) == Decimal(rate)


@given(amounts, st.lists(st.integers(min_value=1, max_value=10**6), min_size=1, max_size=20))
@example(Decimal("0.00000001"), [1, 1, 1])
def test_shares_of_percentages_that_add_up_add_up_to_the_whole(amount: Decimal, weights: list[int]) -> None:
    whole = sum(weights)
    parts = [rules.rounded(Decimal(100 * weight) / whole, 2) for weight in weights[:-1]]
    parts.append(rules.total((rules.HUNDRED, *(-part for part in parts))))
    assert rules.shares_add_up(parts)
    assert rules.total(rules.share(amount, part) for part in parts) == amount


@given(positive, percents)
def test_a_markup_can_be_read_back_from_the_price(cost: Decimal, percent: Decimal) -> None:
    sale = rules.times(cost, rules.factor(percent, Decimal(1)))
    assert rules.markup(cost, sale) == percent


@given(percents)
def test_the_margin_of_a_markup_is_the_margin_of_the_price(percent: Decimal) -> None:
    sale = rules.times(Decimal(80), rules.factor(percent, Decimal(1)))
    of = rules.margin_of(percent)
    assert of is not None
    assert rules.margin(Decimal(80), sale) == pytest.approx(of, abs=Decimal("1e-60"))


@given(st.lists(st.tuples(amounts, amounts), max_size=30))
def test_totals_do_not_depend_on_how_charges_are_grouped(pairs: list[tuple[Decimal, Decimal]]) -> None:
    each = [rules.Totals(cost, sale, sale, cost) for cost, sale in pairs]
    half = len(each) // 2
    assert sum(each, rules.Totals()) == sum(each[:half], rules.Totals()) + sum(each[half:], rules.Totals())


def test_a_summary_has_five_places_and_percentages_ten() -> None:
    members = rules.Totals(Decimal("1.0000051"), Decimal(3), Decimal(3), Decimal("1.0000051")).members()
    shown = {name: -value.as_tuple().exponent for name, value in members.items()}  # type: ignore[operator]  # finite
    assert shown == {"totalPP": 5, "totalSP": 5, "totalBSP": 5, "markup": 10, "margin": 10}
