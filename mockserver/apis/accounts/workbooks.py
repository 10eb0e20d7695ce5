"""Invoices as XLSX: the same invoice gives the same bytes; amounts are numbers, dates are dates."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from mockserver.apis.accounts.sheet import Sheet, Value


def workbook(sheet: Sheet) -> bytes:
    """One page: heading, facts, the table, the total below the last column."""
    import xlsxwriter

    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    # No other time gets into the file, so that the same request is answered with the same bytes.
    book.set_properties({"title": f"{sheet.title} {sheet.number}", "created": datetime.combine(sheet.day, time())})
    page = book.add_worksheet(sheet.number[:31])
    styles = {
        "bold": book.add_format({"bold": True}),
        "money": book.add_format({"num_format": "0.00"}),
        "total": book.add_format({"num_format": "0.00", "bold": True}),
        "date": book.add_format({"num_format": "yyyy-mm-dd", "align": "left"}),
    }
    page.set_column(0, len(sheet.columns), 22)
    page.write_string(0, 0, sheet.title, styles["bold"])
    page.write_string(0, 1, sheet.subtitle)
    at = 2
    for label, fact in sheet.facts:
        page.write_string(at, 0, label, styles["bold"])
        if label == sheet.words.date:
            page.write_datetime(at, 1, date.fromisoformat(fact), styles["date"])
        else:
            page.write_string(at, 1, fact)
        at += 1
    at += 1
    for place, column in enumerate(sheet.columns):
        page.write_string(at, place, column.heading, styles["bold"])
    for row in sheet.rows:
        at += 1
        for place, value in enumerate(row):
            _cell(page, at, place, value, styles)
    at += 1
    page.write_string(at, 0, sheet.total_label, styles["bold"])
    page.write_number(at, len(sheet.columns) - 1, float(sheet.total), styles["total"])
    page.write_string(at, len(sheet.columns), sheet.currency, styles["bold"])
    book.close()
    return target.getvalue()


def _cell(page: Any, at: int, place: int, value: Value, styles: dict[str, Any]) -> None:
    """Text stays text, so that no name is run as a formula."""
    if isinstance(value, Decimal):
        page.write_number(at, place, float(value), styles["money"])
    elif isinstance(value, int):
        page.write_number(at, place, value)
    else:
        page.write_string(at, place, value)
