"""Custom ledger upload: the ERP's sales document template."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import openpyxl  # type: ignore[import-untyped, unused-ignore]  # openpyxl carries no annotations
import pytest

from mockserver.apis.billing.custom_ledger_files import FIELDS, Row, custom_ledger_template, read_rows
from mockserver.domain.errors import Invalid, TooLarge
from tests import make_files

TITLE, ORDER, CREDIT = make_files.custom_ledger_rows(["SKU-9"], ["AGR-1000-2000-3000"])


def edited(**cells: object) -> bytes:
    """A file of one title, one order (row 7) and one credit memo (row 8), with these cells changed."""
    book = openpyxl.load_workbook(io.BytesIO(custom_ledger_template([TITLE, ORDER, CREDIT])))
    for name, value in cells.items():
        book.worksheets[0][name] = value
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_item_rows_become_charges_and_title_rows_are_skipped() -> None:
    assert read_rows(custom_ledger_template([TITLE, ORDER, CREDIT])) == [Row(7, ORDER), Row(8, CREDIT)]
    assert read_rows(edited()) == [Row(7, ORDER), Row(8, CREDIT)]


def test_every_column_that_matters_has_its_place() -> None:
    data: dict[str, Any] = {
        "documentNumber": "AGR-1",
        "statementType": "Debit",
        "orderType": "VAR_Direct",
        "sellTo": "CH-SCU-111111",
        "billTo": "CH-SCU-222222",
        "licenseContact": "LC-1",
        "item": "SKU-9",
        "description": {"value1": "one", "value2": "two"},
        "quantity": Decimal(3),
        "saleCurrency": "CHF",
        "purchaseCurrency": "EUR",
        "unitSP": Decimal("802.92"),
        "unitPP": Decimal("738.6"),
        "contractNo": "CH-CCO-111111",
        "externalDocumentNo": "E1",
        "externalDocumentNo2": "AGR-2",
        "yourReference": "PO 1",
        "saleRate": Decimal("1.25"),
        "purchaseRate": Decimal("0.8"),
        "start": "2025-12-01T00:00:00.000Z",
        "end": "2025-12-31T00:00:00.000Z",
        "country": "CH",
        "vendorInvoice": "VI-1",
    }
    content = custom_ledger_template([data])
    assert read_rows(content) == [Row(6, data)]
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    found = {field.column: sheet[f"{field.column}6"].value for field in FIELDS if field.path}
    assert (found["A"], found["B"], found["Q"], found["S"], found["AW"]) == ("AGR-1", "Order", 802.92, 738.6, "VI-1")


def test_the_template_numbers_all_columns_and_hints_at_their_format() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(custom_ledger_template())).worksheets[0]
    assert sheet["A1"].value == "Sales Document Import Template"
    assert [cell.value for cell in sheet[3]] == list(range(1, 74))
    assert [sheet[f"{column}4"].value for column in ("A", "O", "AN", "U")] == [
        "Document No.",
        "Quantity",
        "Startdate",
        None,
    ]
    assert [sheet[f"{column}5"].value for column in ("A", "B", "AN", "O", "AD")] == [
        "Length = 20",
        "Option",
        "Date",
        "Decimal",
        "Decimal",
    ]


def test_serials_are_dates_and_numbers_in_text_columns_are_text() -> None:
    [row, _] = read_rows(edited(AN7=45992, AO7="2025-12-31", A7=4711))
    assert row.errors == ()
    assert (row.data["start"], row.data["end"]) == ("2025-12-01T00:00:00.000Z", "2025-12-31T00:00:00.000Z")
    assert row.data["documentNumber"] == "4711"


def test_blank_rows_are_skipped_and_unknown_columns_ignored() -> None:
    rows = read_rows(edited(G7="T", BU7="anything", A12="  "))
    assert [(row.number, row.errors) for row in rows] == [(7, ()), (8, ())]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"A7": None}, 'column A "Document No.": is missing'),
        ({"A7": "x" * 21}, 'column A "Document No.": has 21 characters; 20 is the most'),
        ({"X7": "x" * 51}, 'column X "Your Reference": has 51 characters; 50 is the most'),
        ({"B7": "Quote"}, 'column B "Document Type": must be Order or Credit Memo, found "Quote"'),
        ({"K7": "Resource"}, 'column K "Type": must be Title or Item, found "Resource"'),
        ({"K7": None}, 'column K "Type": must be Title or Item, found nothing'),
        ({"O7": "many"}, "column O \"Quantity\": must be a number like 1234.50, found 'many'"),
        ({"S7": None}, 'column S "Purchase Price": is missing'),
        ({"AD7": 0}, 'column AD "Sales Exchange Rate": must be above 0, found 0'),
        (
            {"AO7": "2025-05-01"},
            'column AO "Enddate": 2025-05-01T00:00:00.000Z is before the start, 2026-02-01T00:00:00.000Z',
        ),
        (
            {"G7": "soon"},
            "column G \"Posting Date\": must be a date like 2025-06-30 or 2025-06-30T23:59:59Z, found 'soon'",
        ),
    ],
)
def test_a_wrong_row_names_the_column(cells: dict[str, object], message: str) -> None:
    wrong, right = read_rows(edited(**cells))
    assert (wrong.number, wrong.errors, right.errors) == (7, (message,), ())


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (make_files.workbook(make_files.inline(["x"], row=1)), "row 4: no headers"),
        (make_files.workbook(make_files.inline(["x"], row=6)), "row 4: no headers"),
        (edited(O4="Qty"), 'row 4, column O: expected "Quantity", found "Qty".'),
        (edited(L4=None), 'row 4, column L: expected "No.", found nothing.'),
        (custom_ledger_template(), "holds no Item rows"),
        (custom_ledger_template([TITLE]), "holds no Item rows"),
        (b"Document No.,Type\n", "not an XLSX file"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_not_the_template_says_where(content: bytes, place: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_rows(content)
    assert place in " ".join(caught.value.errors["file"])


def test_a_bomb_is_refused() -> None:
    with pytest.raises(TooLarge):
        read_rows(make_files.bomb())


def test_the_sample_is_valid() -> None:
    rows = read_rows((make_files.FOLDER / "custom-ledger.xlsx").read_bytes())
    assert {row.data["statementType"] for row in rows} == {"Debit", "Credit"}
    assert not any(row.errors for row in rows)
