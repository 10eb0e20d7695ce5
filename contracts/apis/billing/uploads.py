"""Files as vendors and Operations hand them in: charge files in JSON Lines and XLSX, the ERP's import sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.forms import exact

JSONL = "application/jsonl"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

# The columns of the "Journal template v2.0", A to R (billing e.1).
COLUMNS: Mapping[str, str] = {
    "Entry ID": "externalIds.vendor",
    "External Reference": "externalIds.reference",
    "Vendor Invoice Reference": "externalIds.invoice",
    "Source": "search.source.type",
    "Source Criteria": "search.source.criteria",
    "Source Value": "search.source.value",
    "Order Search Criteria": "search.order.criteria",
    "Order Search Value": "search.order.value",
    "Item Search Criteria": "search.item.criteria",
    "Item Search Value": "search.item.value",
    "Usage Start Time": "period.start",
    "Usage End Time": "period.end",
    "Quantity": "quantity",
    "Purchase Price": "price.unitPP",
    "Total Purchase Price": "price.PPx1",
    "Description1": "description.value1",
    "Description2": "description.value2",
    "Market Segment": "segment",
}
# Column number, header and format of the "Sales Document Import Template" (billing e.5).
SHEET: Sequence[tuple[int, str, str]] = (
    (1, "Document No.", "Length = 20"),
    (2, "Document Type", "Option"),
    (3, "Order Type", "Option"),
    (11, "Type", "Option"),
    (12, "No.", "Length = 20"),
    (13, "Description", "Length = 60"),
    (14, "Description 2", "Length = 60"),
    (15, "Quantity", "Decimal"),
    (16, "Sales Currency Code", "Length = 10"),
    (17, "Unit Price", "Decimal"),
    (18, "Purchase Currency Code", "Length = 10"),
    (19, "Purchase Price", "Decimal"),
    (22, "External Document No.", "Length = 20"),
    (23, "External Document No. 2", "Length = 20"),
    (24, "Your Reference", "Length = 50"),
    (40, "Startdate", "Date"),
    (41, "Enddate", "Date"),
    (49, "Vendor Invoice Reference", "Length = 20"),
)
NUMBERED = 73
BOOKS = 256
"""Workbooks that are kept, as each takes longer to write than a dozen calls"""
_books: dict[str, bytes] = {}


def jsonl(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """Lines of charges as JSON Lines, amounts as exact as they are."""
    return b"".join(exact(line).encode() + b"\n" for line in lines)


def workbook(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """Lines of charges as the XLSX template for journals."""
    rows = [list(COLUMNS), *([_cell(line, path) for path in COLUMNS.values()] for line in lines)]
    return _book(rows)


def table(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """Lines of charges as CSV under the headers of that template."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(line, path) for path in COLUMNS.values()] for line in lines)
    return text.getvalue().encode()


def sheet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows of charges, keyed by header, as the import template for custom ledgers; data begins in the sixth row."""
    numbers = list(range(1, NUMBERED + 1))
    table: list[Sequence[Any]] = [["Sales Document Import Template"], [], numbers]
    for told in (1, 2):
        named = {each[0]: each[told] for each in SHEET}
        table.append([named.get(number) for number in numbers])
    for row in rows:
        places = {number: row.get(header) for number, header, _ in SHEET}
        table.append([places.get(number) for number in numbers])
    return _book(table)


def _cell(line: Mapping[str, Any], path: str) -> Any:
    value: Any = line
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _book(rows: Sequence[Sequence[Any]]) -> bytes:
    # The next run with this seed hands in the same. What is equal need not be written alike: 1, 1.0 and True are equal.
    told = repr(rows)
    if told not in _books:
        if len(_books) >= BOOKS:
            _books.clear()
        _books[told] = _written(rows)
    return _books[told]


def _written(rows: Sequence[Sequence[Any]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    page = book.create_sheet("Sheet1")
    for row in rows:
        page.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()
