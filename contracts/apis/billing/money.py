"""The formulas of billing, worked out anew from what a deployment shows. Amounts in, what is wrong out; no calls.

Totals have five places and percentages ten, rounded half away from zero; the prices of charges are not rounded, and
may come as doubles (billing f).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from contracts.probe import member

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
HUNDRED = Decimal(100)
DOUBLE = Decimal("1e-12")
"""How far a price that went through a double may be off, of itself."""
SHOWN = Decimal("1e-10")
"""How far a price may be off that was made with a percentage of which ten places are shown."""
TOTALS = {"totalPP": "PPx1", "totalSP": "SPx1", "totalBSP": "BSPx1"}
COUNTED = ("ready", "error", "split", "skipped", "ignored")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that does not add up. what: the member; code: of contracts/codes.py"""

    code: str
    what: str
    expected: str
    came: str


def rounded(value: Decimal, places: int) -> Decimal:
    """Half away from zero."""
    return value.quantize(Decimal(1).scaleb(-places), context=EXACT)


def amount(row: Any, path: str) -> Decimal | None:
    """A number of a row; None where there is none."""
    found = member(row, path)
    return found if isinstance(found, Decimal) else Decimal(found) if isinstance(found, int) else None


def near(one: Decimal, other: Decimal, share: Decimal) -> bool:
    """Whether two amounts differ by no more than a share of the larger."""
    return abs(one - other) <= share * max(abs(one), abs(other))


def summed(charges: Sequence[Row], path: str) -> Decimal:
    """The exact sum over what is billed: charges that are Ready."""
    billed = (row for row in charges if member(row, "processing.status") == "Ready")
    return sum((amount(row, f"price.{path}") or Decimal(0) for row in billed), Decimal(0))


def cost(charges: Sequence[Row]) -> Decimal:
    """The purchase side in the sale currency, charge by charge at its own rate."""
    total = Decimal(0)
    for row in charges:
        if member(row, "processing.status") == "Ready":
            rate = amount(row, "price.currency.rate") or Decimal(1)
            total += EXACT.multiply(amount(row, "price.PPx1") or Decimal(0), rate)
    return total


def totals(parent: Row, charges: Sequence[Row], places: int) -> Iterator[Wrong]:
    """The totals of an object are those of its charges, rounded once."""
    for total, part in TOTALS.items():
        shown, whole = amount(parent, f"price.{total}"), summed(charges, part)
        wanted = rounded(whole, places)
        if shown is not None and shown != wanted:
            # Where the sum lies so near to half of the last place that doubles decide, either neighbour is right.
            code = "M603" if abs(shown - wanted) <= Decimal(1).scaleb(-places) else "M601"
            if code == "M603" and abs(abs(whole - shown) - Decimal(5).scaleb(-places - 1)) <= abs(whole) * DOUBLE:
                exactly_half = whole == whole.quantize(Decimal(1).scaleb(-places - 1))
                if not exactly_half:
                    continue
            yield Wrong(code, f"price.{total}", f"{wanted:f}, the sum of {part} over its charges", f"{shown:f}")


def parts(parent: Row, rows: Sequence[Row], what: str) -> Iterator[Wrong]:
    """The totals of an object are those of its parts, as these show them."""
    for total in TOTALS:
        shown = amount(parent, f"price.{total}")
        wanted = sum((amount(row, f"price.{total}") or Decimal(0) for row in rows), Decimal(0))
        if shown is not None and shown != wanted:
            yield Wrong("M601", f"price.{total}", f"{wanted:f}, the sum over its {what}", f"{shown:f}")


def counts(parent: Row, charges: Sequence[Row]) -> Iterator[Wrong]:
    """Each charge is counted once, by its status."""
    for kind in ("processing", "upload"):
        shown = member(parent, kind)
        if not isinstance(shown, Mapping):
            continue
        states = [str(member(row, f"{kind}.status")).lower() for row in charges]
        for name in ("total", *COUNTED):
            if name in shown:
                wanted = len(states) if name == "total" else states.count(name)
                if shown[name] != wanted:
                    yield Wrong("M601", f"{kind}.{name}", str(wanted), str(shown[name]))


def percentages(price: Row, net: Decimal, gross: Decimal, places: int, where: str = "price") -> Iterator[Wrong]:
    """markup and margin follow from a purchase side, in the sale currency, and a sale side; none of nothing."""
    for name, whole in (("markup", net), ("margin", gross)):
        shown = amount(price, name)
        if not net or not gross:
            if shown is not None:
                yield Wrong("M602", f"{where}.{name}", "none, for there is nothing to measure it by", f"{shown:f}")
            continue
        exact = EXACT.divide(EXACT.multiply(gross - net, HUNDRED), whole)
        wanted = rounded(exact, places)
        if shown is None:
            yield Wrong("M602", f"{where}.{name}", f"{wanted:f}", "nothing")
        elif shown != wanted:
            code = "M603" if abs(shown - exact) <= Decimal(1).scaleb(-places) else "M602"
            yield Wrong(code, f"{where}.{name}", f"{wanted:f}", f"{shown:f}")


def charge(row: Row, places: int) -> Iterator[Wrong]:
    """The prices of one charge that was billed, by the formulas of its billing type."""
    price = member(row, "price")
    if member(row, "processing.status") not in ("Ready", "Split", "Skipped") or not isinstance(price, Mapping):
        return
    rate = amount(price, "currency.rate")
    if rate is None or amount(price, "SPx1") is None:
        return
    if member(price, "currency.purchase") == member(price, "currency.sale") and rate != 1:
        yield Wrong("M604", "price.currency.rate", "1 within one currency", f"{rate:f}")
    if row.get("billingType") == "Manual":
        yield from _by_hand(row, price, rate, places)
    else:
        yield from _by_markup(row, price, rate, places)
    yield from _buyer_side(price)


def _by_markup(row: Row, price: Row, rate: Decimal, places: int) -> Iterator[Wrong]:
    """SP = PP x (1 + markup/100) x rate; margin = markup / (100 + markup) x 100."""
    markup, margin = amount(price, "markup"), amount(price, "margin")
    if markup is None:
        yield Wrong("M602", "price.markup", "the markup that the sale price was made with", "nothing")
        return
    factor = EXACT.multiply((HUNDRED + markup) / HUNDRED, rate)
    for bought, sold in (("unitPP", "unitSP"), ("PPx1", "SPx1")):
        given, shown = amount(price, bought), amount(price, sold)
        if given is not None and shown is not None:
            wanted = EXACT.multiply(given, factor)
            if not near(wanted, shown, SHOWN):
                unconverted = near(EXACT.divide(wanted, rate), shown, SHOWN) or near(wanted * rate, shown, SHOWN)
                code = "M604" if rate != 1 and unconverted else "M602"
                yield Wrong(code, f"price.{sold}", f"{wanted:f}, {bought} with {markup:f} % at {rate:f}", f"{shown:f}")
    if markup != -HUNDRED:
        wanted = rounded(EXACT.divide(markup * HUNDRED, HUNDRED + markup), places)
        if margin is not None and abs(margin - wanted) > Decimal(1).scaleb(-places):
            yield Wrong("M602", "price.margin", f"{wanted:f}", f"{margin:f}")
        elif margin is not None and margin != wanted and markup == rounded(markup, 2):
            yield Wrong("M603", "price.margin", f"{wanted:f}", f"{margin:f}")
    wanted_type = "Credit" if (amount(price, "PPx1") or 0) < 0 else "Debit"
    if row.get("statementType") != wanted_type:
        yield Wrong("M602", "statementType", f"{wanted_type}, by the sign of PPx1", str(row.get("statementType")))


def _by_hand(row: Row, price: Row, rate: Decimal, places: int) -> Iterator[Wrong]:
    """Line = unit x quantity on both sides; markup and margin follow from them."""
    quantity = amount(row, "quantity")
    for unit, line in (("unitPP", "PPx1"), ("unitSP", "SPx1")):
        given, shown = amount(price, unit), amount(price, line)
        if given is not None and shown is not None and quantity is not None:
            wanted = EXACT.multiply(given, quantity)
            if not near(wanted, shown, DOUBLE):
                yield Wrong("M601", f"price.{line}", f"{wanted:f}, {unit} x quantity", f"{shown:f}")
    net, gross = amount(price, "PPx1"), amount(price, "SPx1")
    if net is not None and gross is not None and net == rounded(net, 5) and gross == rounded(gross, 5):
        yield from percentages(price, EXACT.multiply(net, rate), gross, places)


def _buyer_side(price: Row) -> Iterator[Wrong]:
    """The buyer's side is converted by one rate, for the unit as for the line."""
    unit, unit_buyer = amount(price, "unitSP"), amount(price, "unitBSP")
    line, line_buyer = amount(price, "SPx1"), amount(price, "BSPx1")
    if unit and line and unit_buyer is not None and line_buyer is not None:
        wanted = EXACT.divide(EXACT.multiply(line, unit_buyer), unit)
        if not near(wanted, line_buyer, SHOWN):
            yield Wrong("M604", "price.BSPx1", f"{wanted:f}, at the rate of unitBSP", f"{line_buyer:f}")


def shares(parent: Row, children: Sequence[Row]) -> Iterator[Wrong]:
    """The shares of a split charge make up the whole, each by its percentage."""
    percents = [amount(child, "split.percentage") or Decimal(0) for child in children]
    if sum(percents) != HUNDRED:
        yield Wrong("M601", "split.percentage", "100 for all shares together", f"{sum(percents):f}")
    for name in ("unitPP", "PPx1", "unitSP", "SPx1"):
        whole = amount(parent, f"price.{name}")
        for child, percent in zip(children, percents, strict=True):
            shown = amount(child, f"price.{name}")
            if whole is not None and shown is not None:
                wanted = EXACT.divide(EXACT.multiply(whole, percent), HUNDRED)
                if not near(wanted, shown, DOUBLE):
                    said = f"{wanted:f}, {percent:f} % of {whole:f}"
                    yield Wrong("M601", f"price.{name} of a share", said, f"{shown:f}")
                    break
    for child in children:
        if member(child, "split.allocation") not in (None, member(child, "split.percentage")):
            yield Wrong(
                "M601",
                "split.allocation",
                f"{member(child, 'split.percentage')}, as split.percentage",
                str(member(child, "split.allocation")),
            )


def taxed(price: Row) -> Iterator[Wrong]:
    """totalGT = totalSP + totalST."""
    net, tax, gross = (amount(price, name) for name in ("totalSP", "totalST", "totalGT"))
    if net is not None and tax is not None and gross is not None and gross != net + tax:
        yield Wrong("M601", "price.totalGT", f"{net + tax:f}, totalSP + totalST", f"{gross:f}")


def line(row: Row) -> Iterator[Wrong]:
    """lineAmount = quantity x unitPrice - discountAmount; amountIncludingVat = amount with vatPercent, to the cent."""
    quantity, unit, shown = amount(row, "quantity"), amount(row, "unitPrice"), amount(row, "lineAmount")
    if quantity is not None and unit is not None and shown is not None:
        wanted = quantity * unit - (amount(row, "discountAmount") or Decimal(0))
        if rounded(wanted, 5) != shown:
            yield Wrong("M601", "lineAmount", f"{wanted:f}, quantity x unitPrice - discountAmount", f"{shown:f}")
    net, vat, gross = amount(row, "amount"), amount(row, "vatPercent"), amount(row, "amountIncludingVat")
    if net is not None and vat is not None and gross is not None:
        wanted = net * (1 + vat / HUNDRED)
        # What the ERP sends is money; what is worked out here has five places.
        if gross not in (rounded(wanted, 2), rounded(wanted, 5)):
            yield Wrong("M601", "amountIncludingVat", f"{wanted:f}, amount with {vat:f} %", f"{gross:f}")


def document(price: Row, lines: Sequence[Row]) -> Iterator[Wrong]:
    """The totals of a document are those of its lines."""
    if not lines or any(amount(each, "amount") is None for each in lines):
        return
    for total, name in (("totalSP", "amount"), ("totalGT", "amountIncludingVat")):
        shown = amount(price, total)
        wanted = sum((amount(each, name) or amount(each, "amount") or Decimal(0) for each in lines), Decimal(0))
        if shown is not None and shown != wanted:
            yield Wrong("M601", f"price.{total}", f"{wanted:f}, the sum of {name} over its lines", f"{shown:f}")
