"""Invoices and credit memos as PDF documents, as the ERP would send them; the same input gives the same bytes.

Every figure is the one of the JSON, never rounded to another, so that a document can be checked against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from mockserver import wire
from mockserver.latin import latin

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = "Helvetica"
MARGIN = 18
WIDTH = 210 - 2 * MARGIN
BOTTOM = 297 - 22
LONGEST = 120  # characters of a line outside the table; names can hold thousands
NO_DATE = "1753-01-01"  # how the ERP writes that there is no date


@dataclass(frozen=True, slots=True)
class Kind:
    title: str
    total: str
    details: tuple[tuple[str, str], ...]


INVOICE = Kind(
    "Invoice",
    "Total",
    (
        ("Invoice number", "erpData.documentNo"),
        ("Invoice date", "erpData.documentDate"),
        ("Posting date", "erpData.postingDate"),
        ("Due date", "erpData.dueDate"),
        ("Order number", "erpData.referenceNumber.orderNo"),
        ("Quote number", "erpData.referenceNumber.quoteNo"),
        ("Your reference", "erpData.yourReference"),
        ("Statement", "statement.id"),
        ("Agreement", "agreement.id"),
    ),
)
CREDIT_MEMO = Kind(
    "Credit memo",
    "Total credit",
    (
        ("Credit memo number", "erpData.documentNo"),
        ("Document date", "erpData.documentDate"),
        ("Posting date", "erpData.postingDate"),
        ("Applies to", "erpData.appliesToDocNo"),
        ("VAT registration", "erpData.vatRegistrationNo"),
        ("Your reference", "erpData.yourReference"),
        ("Statement", "statement.id"),
        ("Agreement", "agreement.id"),
    ),
)
# Heading, width in mm, member of a line; the prices of a credit memo's lines lie below `price`, an invoice's do not.
# `{}` is the currency.
TABLE = (
    ("No.", 12, "lineNo"),
    ("Description", 50, "description"),
    ("Quantity", 20, "quantity"),
    ("Unit price {}", 28, "unitPrice"),
    ("VAT %", 14, "vatPercent"),
    ("VAT {}", 22, "vat"),
    ("Amount {}", 28, "amount"),
)
LEFT = {"No.", "Description"}
ADDRESSES = (("billTo", "Bill to"), ("sellTo", "Sell to"), ("licenseTo", "Licence to"), ("shipTo", "Ship to"))


def invoice_pdf(invoice: Mapping[str, Any], *, created: datetime) -> bytes:
    """The document of an invoice.

    created: the aware instant that the file says it was made; no other time gets into it
    """
    return _document(invoice, INVOICE, created)


def credit_memo_pdf(memo: Mapping[str, Any], *, created: datetime) -> bytes:
    """The document of a credit memo; `created` as in `invoice_pdf`."""
    return _document(memo, CREDIT_MEMO, created)


def money(amount: Any, currency: str) -> str:
    """An amount as documents show it: at least two decimals, its currency behind."""
    return f"{_figure(amount)} {currency}".rstrip()


def _document(record: Mapping[str, Any], kind: Kind, created: datetime) -> bytes:
    number = _number(record)
    pdf = _paper(f"{kind.title} {number}", created)
    currency = _text(record, "price.currency") or _text(record, "erpData.currencyCode")
    _head(pdf, kind, number)
    _parties(pdf, record)
    _details(pdf, kind, record, number)
    _table(pdf, record.get("lines") or (), currency)
    _totals(pdf, kind, record, currency)
    _payment(pdf, record, currency)
    return bytes(pdf.output())


def _paper(title: str, created: datetime) -> FPDF:
    # Imported on first use: it takes longer to load than the rest of the server.
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font(FONT, size=8)
            self.cell(WIDTH, 5, f"{title} - page {self.page_no()} of {{nb}}", align="C")

    pdf = Paper(format="A4")
    pdf.set_creation_date(created)
    pdf.set_title(title)
    pdf.set_margin(MARGIN)
    pdf.set_auto_page_break(True, margin=297 - BOTTOM)
    pdf.add_page()
    return pdf


def _head(pdf: FPDF, kind: Kind, number: str) -> None:
    pdf.set_font(FONT, "B", 18)
    _row(pdf, kind.title, 10)
    pdf.set_font(FONT, "B", 11)
    _row(pdf, _fitted(pdf, number, WIDTH), 6)
    pdf.ln(4)


def _parties(pdf: FPDF, record: Mapping[str, Any]) -> None:
    seller = [_text(record, "seller.name"), *_address(_member(record, "seller.address"))]
    country = _text(record, "countryCode") or _text(record, "erpData.navisionCountryCode")
    blocks = [("Seller", [*seller, country])]
    seen: list[list[str]] = []
    for name, heading in ADDRESSES:
        lines = _address(_member(record, f"erpData.addresses.{name}"))
        if lines and lines not in seen:
            seen.append(lines)
            blocks.append((heading, lines))
    if not seen:
        blocks.append(("Bill to", [_text(record, "buyer.name"), *_address(_member(record, "buyer.address"))]))
    for left in range(0, len(blocks), 2):
        _side_by_side(pdf, blocks[left : left + 2])


def _address(address: Any) -> list[str]:
    """The lines of an address: an ERP one, or one of the catalog, which spells its post code differently."""
    if not isinstance(address, Mapping):
        return []
    place = " ".join(filter(None, (_text(address, "postCode") or _text(address, "postcode"), _text(address, "city"))))
    lines = [_text(address, name) for name in ("name", "name2", "addressLine1", "addressLine2", "addressLine3")]
    lines += [place, _text(address, "county") or _text(address, "state"), _text(address, "country")]
    customer = _text(address, "customerNo")
    return [line for line in [*lines, f"Customer {customer}" if customer else ""] if line]


def _side_by_side(pdf: FPDF, blocks: Sequence[tuple[str, Sequence[str]]]) -> None:
    top, lowest = pdf.get_y(), 0.0
    for column, (heading, lines) in enumerate(blocks):
        left = MARGIN + column * WIDTH / 2
        pdf.set_xy(left, top)
        pdf.set_font(FONT, "B", 9)
        pdf.cell(WIDTH / 2, 5, heading)
        pdf.set_font(FONT, size=9)
        for index, line in enumerate(filter(None, lines), 1):
            pdf.set_xy(left, top + 5 * index)
            pdf.cell(WIDTH / 2, 5, _fitted(pdf, line, WIDTH / 2 - 4))
        lowest = max(lowest, pdf.get_y() + 5)
    pdf.set_xy(MARGIN, lowest + 4)


def _details(pdf: FPDF, kind: Kind, record: Mapping[str, Any], number: str) -> None:
    for label, path in kind.details:
        value = _text(record, path) or (number if path == "erpData.documentNo" else "")
        if path.endswith("Date"):
            value = _day(value)
        if value:
            pdf.set_font(FONT, "B", 9)
            pdf.cell(45, 5, label)
            pdf.set_font(FONT, size=9)
            _row(pdf, _fitted(pdf, value, WIDTH - 47))
    pdf.ln(4)


def _table(pdf: FPDF, lines: Sequence[Mapping[str, Any]], currency: str) -> None:
    _table_head(pdf, currency)
    for position, line in enumerate(lines, 1):
        under = _under(line)
        if pdf.get_y() + (10 if under else 5) > BOTTOM:
            pdf.add_page()
            _table_head(pdf, currency)
        pdf.set_font(FONT, size=8)
        for (heading, width, _), value in zip(TABLE, _cells(line, position), strict=True):
            if heading in LEFT:
                pdf.cell(width, 5, _fitted(pdf, value, width - 2))
            else:
                # A figure is never cut: one too long for its column is set smaller.
                pdf.set_font_size(min(8, 8 * (width - 2) / max(pdf.get_string_width(value), 1)))
                pdf.cell(width, 5, value, align="R")
                pdf.set_font_size(8)
        pdf.ln(5)
        if under:
            pdf.set_font(FONT, size=7)
            pdf.cell(TABLE[0][1], 5, "")
            _row(pdf, _fitted(pdf, under, WIDTH - TABLE[0][1] - 2))
    pdf.line(MARGIN, pdf.get_y(), MARGIN + WIDTH, pdf.get_y())
    pdf.ln(3)


def _table_head(pdf: FPDF, currency: str) -> None:
    if pdf.get_y() + 18 > BOTTOM:
        pdf.add_page()
    pdf.set_font(FONT, "B", 8)
    for heading, width, _ in TABLE:
        pdf.cell(width, 6, heading.format(currency).strip(), align="L" if heading in LEFT else "R", border="B")
    pdf.ln(7)


def _cells(line: Mapping[str, Any], position: int) -> Iterator[str]:
    prices = {**line, **(line.get("price") or {})}
    amount, gross = prices.get("amount"), prices.get("amountIncludingVat")
    for _, _, name in TABLE:
        value = prices.get(name)
        if name == "lineNo":
            yield str(position)
        elif name == "description":
            yield latin(value or "")
        elif name == "vat":
            yield "" if amount is None or gross is None else _difference(gross, amount)
        elif name == "quantity":
            yield "" if value is None else f"{_decimal(value):f}"
        else:
            yield "" if value is None else _figure(value)


def _under(line: Mapping[str, Any]) -> str:
    """The small print below a line: its item, unit, second description and period."""
    start, end = _day(_text(line, "period.start")), _day(_text(line, "period.end"))
    unit = _text(line, "unitOfMeasure") or _text(line, "erpData.unitOfMeasure")
    period = f"{start} to {end}" if start and end else ""
    return " | ".join(filter(None, (_text(line, "itemNo"), unit, _text(line, "description2"), period)))


def _totals(pdf: FPDF, kind: Kind, record: Mapping[str, Any], currency: str) -> None:
    invoice_total = _member(record, "erpData.invoiceTotal")
    total = _member(record, "price.totalGT")
    rows = [
        ("Net", _member(record, "price.totalSP")),
        ("VAT", _member(record, "price.totalST")),
        (kind.total, invoice_total if total is None else total),
    ]
    if pdf.get_y() + 6 * len(rows) > BOTTOM:
        pdf.add_page()
    for label, amount in rows:
        if amount is not None:
            pdf.set_font(FONT, "B" if label == kind.total else "", 10)
            pdf.cell(WIDTH - 60, 6, "")
            pdf.cell(25, 6, label)
            pdf.cell(35, 6, money(amount, currency), align="R")
            pdf.ln(6)
    pdf.ln(4)


def _payment(pdf: FPDF, record: Mapping[str, Any], currency: str) -> None:
    balance = _member(record, "erpData.balanceDue")
    rows = [
        ("Payment terms", _text(record, "erpData.payment.termsCode")),
        ("Payment method", _text(record, "erpData.payment.methodCode")),
        ("Balance due", "" if balance is None else money(balance, currency)),
    ]
    for label, value in rows:
        if value:
            pdf.set_font(FONT, "B", 9)
            pdf.cell(45, 5, label)
            pdf.set_font(FONT, size=9)
            _row(pdf, _fitted(pdf, value, WIDTH - 47))


def _row(pdf: FPDF, text: str, height: float = 5) -> None:
    """One cell to the right margin, then a new line."""
    pdf.cell(0, height, text)
    pdf.ln(height)


def _fitted(pdf: FPDF, text: str, width: float) -> str:
    """The text, cut so that it fits."""
    if pdf.get_string_width(text) <= width:
        return text
    while text and pdf.get_string_width(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def _number(record: Mapping[str, Any]) -> str:
    return _text(record, "documentNo") or _text(record, "erpData.documentNo") or _text(record, "id")


def _member(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(record: Mapping[str, Any], path: str) -> str:
    value = _member(record, path)
    return "" if value is None else latin(str(value)[:LONGEST])


def _day(instant: str) -> str:
    day = instant[:10]
    return "" if day == NO_DATE else day


def _decimal(amount: Any) -> Decimal:
    """The number that the JSON shows."""
    return Decimal(wire.digits(amount))


def _difference(one: Any, other: Any) -> str:
    with localcontext() as context:
        context.prec = 60
        return _figure(_decimal(one) - _decimal(other))


def _figure(amount: Any) -> str:
    """The number that the JSON shows, with two decimals or as many more as it has: sums hold as they are printed."""
    whole, _, decimals = f"{_decimal(amount):f}".partition(".")
    return f"{whole}.{decimals:0<2}"
