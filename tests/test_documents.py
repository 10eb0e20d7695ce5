"""Invoices and credit memos as PDF."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.apis.billing.documents import credit_memo_pdf, invoice_pdf, money
from mockserver.latin import latin

NOW = datetime(2025, 7, 2, 8, 0, tzinfo=UTC)
ADDRESS = {"name": "Fenrir AS", "addressLine1": "Havnegata 7", "postCode": "0150", "city": "Oslo", "country": "NO"}
INVOICE: dict[str, Any] = {
    "id": "INV-4400-5500-6600-7700",
    "documentNo": "NL-PSI-330011",
    "countryCode": "NL",
    "seller": {"id": "SEL-1122-3344", "name": "SWO Nordland"},
    "buyer": {"id": "BUY-7007-8008", "name": "Fenrir AS"},
    "statement": {"id": "SOM-9000-1000-2000-3000"},
    "erpData": {
        "documentNo": "NL-PSI-330011",
        "documentDate": "2025-07-02T00:00:00.000Z",
        "postingDate": "1753-01-01T00:00:00.000Z",
        "dueDate": "2025-08-01T00:00:00.000Z",
        "balanceDue": Decimal("815"),
        "invoiceTotal": Decimal("1815"),
        "addresses": {"billTo": ADDRESS, "sellTo": ADDRESS, "shipTo": {**ADDRESS, "city": "Bergen"}},
        "payment": {"methodCode": "BANK", "termsCode": "30DAYS"},
    },
    "price": {
        "currency": "EUR",
        "totalSP": Decimal("1500.00000"),
        "totalST": Decimal("315.00000"),
        "totalGT": Decimal("1815.00000"),
    },
    "lines": [
        {
            "lineNo": 10000,
            "itemNo": "X900.00009.NL",
            "description": "Suite seat",
            "quantity": 10,
            "unitOfMeasure": "Pieces",
            "unitPrice": Decimal("150"),
            "amount": Decimal("1500"),
            "vatPercent": Decimal(21),
            "amountIncludingVat": Decimal("1815"),
            "period": {"start": "2025-06-01T00:00:00.000Z", "end": "2025-06-30T00:00:00.000Z"},
        }
    ],
}
MEMO: dict[str, Any] = {
    "id": "CRD-8100-8200-8300-8400",
    "documentNo": "NL-CM-100777",
    "seller": {"id": "SEL-1122-3344", "name": "SWO Nordland", "address": {"addressLine1": "Kade 1", "city": "Delft"}},
    "buyer": {"id": "BUY-7007-8008", "name": "Fenrir AS"},
    "erpData": {"documentNo": "NL-CM-100777", "appliesToDocNo": "NL-PSI-330011", "vatRegistrationNo": "NL001"},
    "price": {"currency": "EUR", "totalSP": 60.0, "totalST": 12.6, "totalGT": 72.6},
    "lines": [
        {
            "description": "Suite seat credit",
            "erpData": {"unitOfMeasure": "Pieces"},
            "period": {"start": "1753-01-01T00:00:00.000Z", "end": "1753-01-01T00:00:00.000Z"},
            "price": {"quantity": 4, "unitPrice": 15.0, "amount": 60.0, "amountIncludingVat": 72.6, "vatPercent": 21.0},
        }
    ],
}


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def test_an_invoice_shows_its_parties_dates_lines_and_figures() -> None:
    [text] = pages(invoice_pdf(INVOICE, created=NOW))
    for shown in (
        "NL-PSI-330011",
        "SWO Nordland",
        "Fenrir AS",
        "0150 Oslo",
        "0150 Bergen",
        "2025-07-02",
        "2025-08-01",
        "SOM-9000-1000-2000-3000",
        "Suite seat",
        "X900.00009.NL | Pieces | 2025-06-01 to 2025-06-30",
        "150.00",
        "21.00",
        "1500.00 EUR",
        "315.00 EUR",
        "1815.00 EUR",
        "815.00 EUR",
        "30DAYS",
        "BANK",
        "page 1 of 1",
    ):
        assert shown in text
    assert "1753" not in text
    assert text.count("Oslo") == 1  # the same address twice is one block


def test_a_credit_memo_shows_its_figures_from_below_price() -> None:
    [text] = pages(credit_memo_pdf(MEMO, created=NOW))
    for shown in ("Credit memo", "NL-CM-100777", "NL-PSI-330011", "NL001", "Delft", "15.00", "60.00 EUR", "72.60 EUR"):
        assert shown in text
    assert "1753" not in text


def test_many_lines_go_over_pages_and_each_has_the_headings() -> None:
    lines = [{**INVOICE["lines"][0], "description": f"Line number {number}"} for number in range(1, 201)]
    texts = pages(invoice_pdf({**INVOICE, "lines": lines}, created=NOW))
    assert len(texts) > 3
    whole = "\n".join(texts)
    assert all(f"Line number {number}\n" in whole or f"Line number {number} " in whole for number in range(1, 201))
    assert all("Unit price EUR" in text for text in texts[:-1])
    assert f"page {len(texts)} of {len(texts)}" in texts[-1]


def test_a_document_needs_no_more_than_its_id() -> None:
    assert "INV-1" in pages(invoice_pdf({"id": "INV-1"}, created=NOW))[0]
    assert "CRD-1" in pages(credit_memo_pdf({"id": "CRD-1"}, created=NOW))[0]


def test_the_same_invoice_gives_the_same_bytes_and_another_time_others() -> None:
    first = invoice_pdf(INVOICE, created=NOW)
    assert invoice_pdf(INVOICE, created=NOW) == first
    assert invoice_pdf(INVOICE, created=NOW.replace(year=2026)) != first
    metadata = pypdf.PdfReader(io.BytesIO(first)).metadata
    assert metadata is not None
    assert (metadata.title, metadata.creation_date) == ("Invoice NL-PSI-330011", NOW)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe Ñandú", "Größe Ñandú"),
        ("Łódź Čapek", "Lódz Capek"),
        ("5 € “net”\u2014now", '5 EUR "net"-now'),
        ("日本", "??"),
        ("a\x00b\nc\u200bd", "a b c d"),
        ("ﬁ 🎉", "fi ?"),
        (None, "None"),
    ],
)
def test_text_is_spelled_as_the_fonts_can_show_it(text: str, shown: str) -> None:
    assert latin(text) == shown


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    latin(text).encode("latin-1")


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=3000), st.decimals(-(10**15), 10**15, places=5))
def test_no_name_and_no_amount_breaks_a_document(name: str, amount: Decimal) -> None:
    line = {**INVOICE["lines"][0], "description": name, "amount": amount}
    invoice = INVOICE | {"buyer": {"id": "x", "name": name}, "erpData": {"yourReference": name}, "lines": [line]}
    invoice["price"] = {**INVOICE["price"], "totalGT": amount}
    text = "\n".join(pages(invoice_pdf(invoice, created=NOW)))
    assert money(amount, "EUR") in text


@settings(max_examples=15, deadline=None)
@given(st.lists(st.decimals(-(10**9), 10**9, places=5), min_size=1, max_size=4))
def test_the_printed_net_is_the_sum_of_the_printed_lines(amounts: list[Decimal]) -> None:
    lines = [{"unitPrice": Decimal(1), "amount": amount} for amount in amounts]
    invoice = {"id": "INV-1", "price": {"totalSP": sum(amounts)}, "lines": lines}
    [text] = pages(invoice_pdf(invoice, created=NOW))
    rows = text.split("\n")
    start = next(place for place, row in enumerate(rows) if row.startswith("Net"))
    net = " ".join(rows[start : start + 2]).split()[1]
    for amount in amounts:
        assert money(amount, "") in text
    assert Decimal(net) == sum(Decimal(money(amount, "")) for amount in amounts)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Decimal("0.005"), "0.005 EUR"),
        (Decimal("-0.00500"), "-0.005 EUR"),
        (72.6, "72.60 EUR"),
        (3, "3.00 EUR"),
        (Decimal("1E+3"), "1000.00 EUR"),
        (Decimal("12.34567"), "12.34567 EUR"),
        (1e-7, "0.0000001 EUR"),
    ],
)
def test_amounts_have_the_decimals_of_the_json_and_at_least_two(amount: Any, shown: str) -> None:
    assert money(amount, "EUR") == shown
