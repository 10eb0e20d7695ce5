"""The arithmetic of credits: laws by Hypothesis, and the examples of the reference."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockserver.apis.credits import rules
from mockserver.apis.credits.rules import ZERO

amounts = st.integers(1, 10_000_00).map(lambda cents: Decimal(cents) / 100).map(rules.money)
some = st.one_of(st.none(), amounts)
items = st.lists(
    st.integers(-500_00, 1_000_00).map(lambda cents: rules.money(Decimal(cents) / 100)), min_size=1, max_size=6
)


def D(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(("value", "shown"), [(20, "20.00"), (Decimal("99.4"), "99.40"), ("0.6", "0.60")])
def test_money_has_two_places(value, shown):
    assert str(rules.money(value)) == shown


@pytest.mark.parametrize(
    ("stated", "owed", "left", "taken"),
    [
        (None, "100.00", "99.40", "99.40"),
        (None, "100.00", "120.00", "100.00"),
        ("30.00", "100.00", "120.00", "30.00"),
        ("130.00", "100.00", "120.00", "100.00"),
        (None, None, "20.00", "20.00"),
        ("5.00", None, "20.00", "5.00"),
        (None, "0.00", "20.00", "0.00"),
    ],
)
def test_a_target_takes_what_is_stated_and_never_more_than_it_owes_or_is_left(stated, owed, left, taken):
    assert rules.taken(stated and D(stated), owed and D(owed), D(left)) == D(taken)


@given(some, some, amounts)
def test_what_is_taken_is_within_every_bound(stated, owed, left):
    taken = rules.taken(stated, owed, left)
    assert ZERO <= taken <= left
    assert all(bound is None or taken <= bound for bound in (stated, owed))
    assert taken in (stated, owed, left)


@given(items, amounts)
def test_what_an_invoice_takes_falls_on_its_items_to_the_cent(remaining, amount):
    owed = rules.owed(remaining)
    assume(owed > 0)
    amount = min(amount, owed)
    shares = rules.spread(amount, remaining)
    assert rules.total(shares) == amount
    left = [owes - share for owes, share in zip(remaining, shares, strict=True)]
    assert all(ZERO <= after <= before for before, after in zip(remaining, left, strict=True) if before >= 0)
    assert all(before <= after <= ZERO for before, after in zip(remaining, left, strict=True) if before < 0)
    if amount == owed:
        assert not any(left), "an invoice that owes nothing has no item that does"


@given(items, amounts)
def test_what_is_drawn_out_of_a_negative_invoice_mirrors_what_a_positive_one_takes(remaining, amount):
    mirrored = [-each for each in remaining]
    assume(rules.owed(mirrored) > 0)
    amount = min(amount, rules.owed(mirrored))
    assert rules.spread(-amount, remaining) == tuple(-each for each in rules.spread(amount, mirrored))


@given(items, st.data())
def test_one_item_takes_no_more_than_it_and_the_invoice_owe(remaining, data):
    only = data.draw(st.integers(0, len(remaining) - 1))
    owed = rules.owed(remaining, only)
    assert ZERO <= owed <= rules.owed(remaining)
    assume(owed > 0)
    shares = rules.spread(owed, remaining, only)
    assert rules.total(shares) == owed
    if owed != rules.total(remaining):
        assert [at for at, share in enumerate(shares) if share] == [only]


def test_reductions_settle_with_the_last_cent_of_their_invoice():
    assert rules.spread(D("50.00"), [D("110.00"), D("-10.00")]) == (D("50.00"), ZERO)
    assert rules.spread(D("50.00"), [D("60.00"), D("-10.00")]) == (D("60.00"), D("-10.00"))


@pytest.mark.parametrize(
    ("remaining", "tolerance", "forgiven"),
    [
        ("0.60", "1.00", "0.60"),
        ("1.00", "1.00", "1.00"),
        ("1.01", "1.00", "0.00"),
        ("2.00", "1.00", "0.00"),
        ("0.00", "1.00", "0.00"),
        ("-0.50", "1.00", "0.00"),
        ("0.10", None, "0.00"),
        ("0.10", "0.00", "0.00"),
    ],
)
def test_a_shortfall_is_all_that_remains_within_the_tolerance(remaining, tolerance, forgiven):
    assert rules.shortfall(D(remaining), tolerance and D(tolerance)) == D(forgiven)


@given(amounts, some)
def test_a_shortfall_is_never_above_its_tolerance(remaining, tolerance):
    forgiven = rules.shortfall(remaining, tolerance)
    assert forgiven in (ZERO, remaining)
    assert forgiven <= (tolerance or ZERO)


@pytest.mark.parametrize(
    ("account", "products", "tenant", "plan"),
    [
        ("mine", ["home"], "all", "mine"),
        (None, ["home", "motor"], "all", "home"),
        (None, [None, "motor"], "all", "motor"),
        (None, [None], "all", "all"),
        (None, [], None, None),
    ],
)
def test_the_plan_is_the_accounts_then_a_products_then_the_tenants(account, products, tenant, plan):
    assert rules.tolerance_plan(account, products, tenant) == plan


def test_a_plan_without_an_entry_for_the_currency_forgives_nothing():
    plans = {"standard": {"USD": D("1.00")}}
    assert rules.tolerance(plans, "standard", "USD") == D("1.00")
    assert rules.tolerance(plans, "standard", "CAD") is None
    assert rules.tolerance(plans, None, "USD") is None
    assert rules.tolerance(plans, "gone", "USD") is None


@pytest.mark.parametrize(
    ("name", "kind", "may"),
    [
        ("nsf", "payment", True),
        ("nsf", "creditDistribution", False),
        ("moved", "creditDistribution", True),
        ("moved", "payment", False),
        ("mistake", "payment", True),
        ("mistake", "creditDistribution", True),
        ("unheard", "payment", False),
    ],
)
def test_a_reversal_type_is_for_its_own_kind_or_for_any(name, kind, may):
    assert rules.may_reverse({"nsf": "payment", "moved": "creditDistribution", "mistake": "any"}, name, kind) is may


def test_a_payment_is_charged_once_more_for_each_retry():
    assert rules.attempts(None) == 1
    assert rules.attempts({"retries": 2}) == 3
