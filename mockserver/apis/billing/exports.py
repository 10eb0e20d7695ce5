"""Files with charges: the same charges as CSV, XLSX or JSON Lines; the same input gives the same bytes.

The columns are those of a portal export (billing b.9, PROP). Where a figure has a sale and a purchase side, the file
shows the sale side to whoever may see it and the purchase side to the others, so that a row never mixes the two (M).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mockserver import wire
from mockserver.domain.errors import TooLarge

SHEET_ROWS = 1_048_576  # what a worksheet can hold, its header row included
CELL_TEXT = 32_767  # the longest text that a cell can hold
FIRST_DATE = datetime(1900, 3, 1, tzinfo=UTC)  # Excel counts a 29 February 1900; before that its dates are off by one


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file with charges.

    path: property of a charge, dotted
    """

    header: str
    path: str


# Of several paths the first that the reader may see is shown.
COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Charge ID", ("id",)),
    ("Agreement ID", ("agreement.id",)),
    ("Agreement Name", ("agreement.name",)),
    ("Subscription ID", ("subscription.id",)),
    ("Subscription Name", ("subscription.name",)),
    ("Item ID", ("item.id",)),
    ("Item Name", ("item.name",)),
    ("Vendor Item ID", ("item.externalIds.vendor",)),
    ("Start Date", ("period.start",)),
    ("End Date", ("period.end",)),
    ("Description", ("description.value1",)),
    ("Description 2", ("description.value2",)),
    ("Split Billing Allocation %", ("split.allocation", "split.percentage")),
    ("Quantity", ("quantity",)),
    ("Unit Price", ("price.unitSP", "price.unitPP")),
    ("Total", ("price.SPx1", "price.PPx1")),
    ("Currency", ("price.currency.sale", "price.currency.purchase")),
    ("Status", ("processing.status", "upload.status")),
)


def columns(hidden: frozenset[str]) -> tuple[Column, ...]:
    """The columns for a reader from whom the `hidden` paths, and all below them, are kept."""
    found = []
    for header, paths in COLUMNS:
        shown = next((path for path in paths if not _is_hidden(path, hidden)), None)
        if shown is not None:
            found.append(Column(header, shown))
    return tuple(found)


def charges_csv(charges: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> bytes:
    """RFC 4180: UTF-8, comma, CRLF, a header line.

    Text that starts with = + - or @ gets a leading ', because spreadsheets run such cells as formulas; numbers do not.
    """
    file = io.BytesIO()
    # Written as bytes as it goes: to encode a whole file would keep other threads waiting.
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(column.header for column in columns)
    readers = [_reader(column.path) for column in columns]
    for charge in charges:
        writer.writerow([_csv_cell(read(charge)) for read in readers])
    text.flush()
    return file.getvalue()


def charges_xlsx(charges: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, created: datetime) -> bytes:
    """One sheet with a header row; numbers as numbers, dates as dates in UTC.

    Raises TooLarge where the charges are more than a worksheet can hold.
    """
    readers = [_reader(column.path) for column in columns]
    dates = [column.path.startswith("period.") for column in columns]

    def rows() -> Iterator[Sequence[object]]:
        yield [column.header for column in columns]
        for charge in charges:
            values = (read(charge) for read in readers)
            yield [date(value) if is_date else value for value, is_date in zip(values, dates, strict=True)]

    return workbook(rows(), sheet="Charges", created=created)


def charges_jsonl(views: Iterable[Mapping[str, Any]]) -> bytes:
    """One charge per line, as the caller's view shows it; no envelope."""
    return b"".join(wire.dump(view) + b"\n" for view in views)


def workbook(rows: Iterable[Sequence[object]], *, sheet: str, created: datetime) -> bytes:
    """An XLSX file of one sheet; text stays text (never a formula), None leaves the cell empty.

    created: stands in the file's properties; no other time gets into it
    """
    import xlsxwriter  # type: ignore[import-untyped, unused-ignore]  # xlsxwriter carries no annotations

    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"})
    book.set_properties({"created": created.astimezone(UTC).replace(tzinfo=None)})
    page = book.add_worksheet(sheet)
    for index, row in enumerate(rows):
        if index >= SHEET_ROWS:
            raise TooLarge(f"a worksheet holds {SHEET_ROWS:,} rows and this is more; ask for text/csv, or filter.")
        for place, value in enumerate(row):
            if value is None or value == "":
                continue
            if isinstance(value, Decimal | int | float):
                page.write_number(index, place, float(value))
            elif isinstance(value, datetime):
                page.write_datetime(index, place, value.replace(tzinfo=None))
            else:
                page.write_string(index, place, str(value)[:CELL_TEXT])
    book.close()
    return target.getvalue()


def _is_hidden(path: str, hidden: frozenset[str]) -> bool:
    steps = path.split(".")
    return any(".".join(steps[:depth]) in hidden for depth in range(1, len(steps) + 1))


def _reader(path: str) -> Callable[[Mapping[str, Any]], Any]:
    steps = path.split(".")

    def read(charge: Mapping[str, Any]) -> Any:
        value: Any = charge
        for step in steps:
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
        return value

    return read


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal | float):
        return wire.digits(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    # Spreadsheets also look past leading white space, so the first visible character counts.
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} else text


def date(value: Any) -> Any:
    """The instant behind canonical text, for a cell; the text itself where a cell can show no such date."""
    try:
        moment = wire.moment(value)
    except (TypeError, ValueError):
        return value
    return moment if moment >= FIRST_DATE else value
