"""The arithmetic of billing: markup and margin, prices, shares, totals, tax. Pure: amounts in, amounts out.

Amounts are exact `Decimal`; nothing is rounded on the way. `rounded` is for what is put out: totals and percentages,
half away from zero (billing f, Q37). Percentages are percent: 25 means a quarter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

# The longest product is an amount of 28 digits x markup x rate x rate x percentage, each of some 14: all of it fits.
EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)
HUNDRED = Decimal(100)

Sign = Literal["Debit", "Credit"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Places after the point of what is put out (conventions.yaml, `money`)."""

    totals: int = 5
    percentages: int = 10
    rates: int = 10
    vat: int = 2


SCALE = Scale()


def scale(money: Mapping[str, int]) -> Scale:
    """The places that the conventions give."""
    return Scale(**money)


def rounded(value: Decimal, places: int) -> Decimal:
    """The value at so many places, half away from zero."""
    return value.quantize(Decimal(1).scaleb(-places), context=EXACT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    sum = ZERO
    for amount in amounts:
        sum = EXACT.add(sum, amount)
    return sum


def markup(cost: Decimal, sale: Decimal) -> Decimal | None:
    """(SP - PP) / PP, percent, unrounded; None where nothing was paid. Source: billing f (DOC)."""
    return _ratio(EXACT.subtract(sale, cost), cost)


def margin(cost: Decimal, sale: Decimal) -> Decimal | None:
    """(SP - PP) / SP, percent, unrounded; None where nothing is earned. Source: billing f (DOC)."""
    return _ratio(EXACT.subtract(sale, cost), sale)


def margin_of(markup: Decimal) -> Decimal | None:
    """The margin that a markup means; None for a markup of -100, a sale price of nothing."""
    return _ratio(markup, EXACT.add(HUNDRED, markup))


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return EXACT.divide(EXACT.multiply(part, HUNDRED), whole) if whole else None


def factor(markup: Decimal, rate: Decimal) -> Decimal:
    """What a purchase price is multiplied by to give the sale price: (1 + markup/100) x rate (billing e.4 step 3)."""
    return EXACT.multiply(EXACT.add(HUNDRED, markup).scaleb(-2, EXACT), rate)


def times(amount: Decimal, by: Decimal) -> Decimal:
    """The exact product."""
    return EXACT.multiply(amount, by)


def share(amount: Decimal, percentage: Decimal) -> Decimal:
    """A percentage of an amount (billing e.3)."""
    return EXACT.multiply(amount, percentage).scaleb(-2, EXACT)


def sign(amount: Decimal) -> Sign:
    """Credit for less than nothing, else Debit (billing c.6, e.4 step 6)."""
    return "Credit" if amount < 0 else "Debit"


def conversion(purchase: Decimal | None, sale: Decimal | None, *, scale: Scale = SCALE) -> Decimal:
    """One unit of the purchase currency in the sale currency, out of what each is worth in the ERP's own (Q34; M).

    A rate that is not given, or not positive, counts as 1.
    """
    worth = purchase if purchase is not None and purchase > 0 else Decimal(1)
    per = sale if sale is not None and sale > 0 else Decimal(1)
    return rounded(EXACT.divide(worth, per), scale.rates)


def inverse(rate: Decimal, *, scale: Scale = SCALE) -> Decimal:
    """The rate the other way round."""
    return rounded(EXACT.divide(Decimal(1), rate), scale.rates)


def line_amount(quantity: Decimal, unit: Decimal, discount: Decimal) -> Decimal:
    """quantity x unitPrice - discountAmount (billing f)."""
    return EXACT.subtract(EXACT.multiply(quantity, unit), discount)


def with_tax(amount: Decimal, vat: Decimal) -> Decimal:
    """amountIncludingVat = amount x (1 + vatPercent/100) (billing f)."""
    return EXACT.add(amount, share(amount, vat))


def shares_add_up(percentages: Sequence[Decimal]) -> bool:
    """Whether the allocations of a split make up the whole (billing e.3)."""
    return total(percentages) == HUNDRED


@dataclass(frozen=True, slots=True)
class Totals:
    """What charges come to, exactly.

    pp: in the purchase currency; sp: in the sale currency; bsp: in the buyers' currencies
    cost: the purchase side in the sale currency, which markup and margin are measured against; pp where the rate is 1
    """

    pp: Decimal = ZERO
    sp: Decimal = ZERO
    bsp: Decimal = ZERO
    cost: Decimal = ZERO

    def __add__(self, other: Totals) -> Totals:
        add = EXACT.add
        return Totals(
            add(self.pp, other.pp), add(self.sp, other.sp), add(self.bsp, other.bsp), add(self.cost, other.cost)
        )

    def shown(self, scale: Scale = SCALE) -> Totals:
        """The totals as they are put out."""
        return Totals(*(rounded(amount, scale.totals) for amount in (self.pp, self.sp, self.bsp, self.cost)))

    def members(self, scale: Scale = SCALE) -> dict[str, Decimal]:
        """The members of a price summary; the percentages follow from the totals that stand beside them (billing f)."""
        shown = self.shown(scale)
        summary = {"totalPP": shown.pp, "totalSP": shown.sp, "totalBSP": shown.bsp}
        return summary | percentages(shown.cost, shown.sp, scale=scale)


def percentages(cost: Decimal, sale: Decimal, *, scale: Scale = SCALE) -> dict[str, Decimal]:
    """markup and margin as they are put out, both or neither (billing f: undefined when PP or SP is nothing)."""
    up, of = markup(cost, sale), margin(cost, sale)
    if up is None or of is None:
        return {}
    return {"markup": rounded(up, scale.percentages), "margin": rounded(of, scale.percentages)}
