"""The arithmetic of credits: what a target takes, how it falls on items, what is forgiven. Pure: values in, values out.

Amounts are `Decimal` of two places, in one currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

ZERO = Decimal("0.00")
CENT = Decimal("0.01")

PAYMENT, DISTRIBUTION, ANY = "payment", "creditDistribution", "any"


def money(value: Decimal | int | str) -> Decimal:
    """An amount at two places (credits 4; the scale is ours, M). What has more places was refused before."""
    return Decimal(value).quantize(CENT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, at two places."""
    return sum(amounts, ZERO)


def taken(stated: Decimal | None, owed: Decimal | None, left: Decimal) -> Decimal:
    """What a target gets: the amount that was stated for it, never above what it owes or what is left.

    stated: None = as much as it owes
    owed: None = no bound, as for an account's credit balance
    Source: credits 11.1 rules 1 and 2 (D; that payments follow write-offs in it, M).
    """
    bounds = [left, *(each for each in (stated, owed) if each is not None)]
    return max(ZERO, min(bounds))


def spread(amount: Decimal, remaining: Sequence[Decimal], only: int | None = None) -> tuple[Decimal, ...]:
    """How an amount that an invoice takes falls on its items; what falls on each is to be taken from its remaining.

    amount: at most what the invoice owes; negative where it is drawn out of a negative invoice
    remaining: what each item still owes; reductions owe less than nothing
    only: the index of the one item that was targeted
    Source: invariants 5 to 7 of credits 11.5; the order of the items is ours (M).
    """
    if amount == total(remaining):
        # All that is owed: reductions are settled against the other items with it.
        return tuple(remaining)
    if amount < 0:
        return tuple(-each for each in spread(-amount, [-each for each in remaining], only))
    shares, left = [], amount
    for at, owed in enumerate(remaining):
        share = ZERO if only not in (None, at) else taken(None, owed, left)
        left -= share
        shares.append(share)
    return tuple(shares)


def owed(remaining: Sequence[Decimal], only: int | None = None) -> Decimal:
    """What an invoice, or one item of it, can still take: never more than the whole invoice owes, nor below nothing."""
    whole = max(ZERO, total(remaining))
    return whole if only is None else max(ZERO, min(whole, remaining[only]))


def shortfall(remaining: Decimal, tolerance: Decimal | None) -> Decimal:
    """The amount to write off so that an almost paid invoice settles; 0 if none.

    tolerance: the plan's value for the invoice's currency; None = no plan, or no entry
    Source: credits 11.1 rule 3 (S, D); that an equal remainder counts, open question 9.
    """
    return remaining if tolerance is not None and ZERO < remaining <= tolerance else ZERO


def tolerance_plan(account: str | None, products: Iterable[str | None], tenant: str | None) -> str | None:
    """The name of the plan that counts: the account's, else of the first product that names one, else the tenant's.

    Source: credits 11.2 (D; the first product, M).
    """
    return next((name for name in (account, *products, tenant) if name is not None), None)


def tolerance(plans: Mapping[str, Mapping[str, Decimal]], name: str | None, currency: str) -> Decimal | None:
    """The plan's value for a currency; None where there is no plan or no entry, which forgive nothing alike."""
    return None if name is None else plans.get(name, {}).get(currency)


def may_reverse(types: Mapping[str, str], name: str, kind: str) -> bool:
    """Whether a configured reversal type is for this kind of credit, or for any (credits 10, O)."""
    return types.get(name) in (kind, ANY)


def attempts(plan: Mapping[str, Any] | None) -> int:
    """How often a payment is charged before it fails: once, and again as often as the plan retries (credits 8, D)."""
    return 1 + (int(plan["retries"]) if plan is not None else 0)
