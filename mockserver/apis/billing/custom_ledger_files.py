"""Custom ledger upload: the ERP's "Sales Document Import Template", an XLSX file, as checked rows (billing e.5).

Row 1 is the title, 2 remarks, 3 column numbers, 4 headers, 5 format hints; data starts in row 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from mockserver.apis.billing import exports
from mockserver.apis.billing.charge_files import TEMPLATE_CREATED, member, put, read_value
from mockserver.apis.billing.limits import LIMITS, Limits, unreadable
from mockserver.apis.billing.sheets import Cell, Fault, letter, sheet_rows

HEADER_ROW = 4
FIRST_ROW = 6
NUMBERED_COLUMNS = 73
STATEMENT_TYPES = {"order": "Debit", "credit memo": "Credit"}
DOCUMENT_TYPES = {"Debit": "Order", "Credit": "Credit Memo"}


@dataclass(frozen=True, slots=True)
class Row:
    """One `Item` row.

    number: its row in the sheet, from 1
    data: what could be read of it, empty cells left out; amounts are Decimal, instants canonical text
    errors: what is wrong with it, each naming the column; a good row has none
    """

    number: int
    data: dict[str, Any]
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A column that matters.

    path: where it goes in `Row.data`; None = it is checked, and goes nowhere
    length: the most characters, as row 5 says
    required: on `Item` rows; the header of such a column must be there for the file to be the template
    """

    column: str
    header: str
    path: str | None
    form: Literal["text", "option", "date", "decimal", "rate"] = "text"
    length: int | None = None
    required: bool = False

    @property
    def place(self) -> int:
        """The column from 0."""
        place = 0
        for one in self.column:
            place = place * 26 + ord(one) - 64
        return place - 1

    @property
    def hint(self) -> str:
        """What row 5 says of the column."""
        if self.length is not None:
            return f"Length = {self.length}"
        return "Decimal" if self.form == "rate" else self.form.capitalize()


TYPE = Field("K", "Type", None, "option", required=True)
# Which columns must be filled is ours (M): those without which a charge has no amount, no item or no side.
FIELDS = (
    Field("A", "Document No.", "documentNumber", length=20, required=True),
    Field("B", "Document Type", "statementType", "option", required=True),
    Field("C", "Order Type", "orderType", "option"),
    Field("D", "Sell-to Customer No.", "sellTo", length=20),
    Field("E", "Bill-to Customer No.", "billTo", length=20),
    Field("F", "License Contact No.", "licenseContact", length=20),
    Field("G", "Posting Date", None, "date"),
    TYPE,
    Field("L", "No.", "item", length=20, required=True),
    Field("M", "Description", "description.value1", length=60),
    Field("N", "Description 2", "description.value2", length=60),
    Field("O", "Quantity", "quantity", "decimal", required=True),
    Field("P", "Sales Currency Code", "saleCurrency", length=10, required=True),
    Field("Q", "Unit Price", "unitSP", "decimal", required=True),
    Field("R", "Purchase Currency Code", "purchaseCurrency", length=10, required=True),
    Field("S", "Purchase Price", "unitPP", "decimal", required=True),
    Field("T", "Contract No.", "contractNo", length=20),
    Field("V", "External Document No.", "externalDocumentNo", length=20),
    Field("W", "External Document No. 2", "externalDocumentNo2", length=20),
    Field("X", "Your Reference", "yourReference", length=50),
    Field("AD", "Sales Exchange Rate", "saleRate", "rate"),
    Field("AE", "Purchase Exchange Rate", "purchaseRate", "rate"),
    Field("AN", "Startdate", "start", "date"),
    Field("AO", "Enddate", "end", "date"),
    Field("AP", "Country Usage", "country", length=10),
    Field("AW", "Vendor Invoice Reference", "vendorInvoice", length=20),
)
LABELS = {field.path: f'column {field.column} "{field.header}"' for field in FIELDS if field.path}


def read_rows(content: bytes, *, limits: Limits = LIMITS) -> list[Row]:
    """The `Item` rows of a file, in its order; `Title` rows, which carry text only, are left out.

    Raises Invalid, with the place, where the file is not this template, and TooLarge.
    """
    rows = sheet_rows(content, limits=limits)
    found = []
    header: Mapping[int, Cell] | None = None
    for number, cells in rows:
        if number == HEADER_ROW:
            header = cells
            _check_header(header)
        elif number >= FIRST_ROW:
            if header is None:
                break
            row = _row(number, cells, limits)
            if row is not None:
                found.append(row)
    if header is None:
        raise unreadable(f"row {HEADER_ROW}: no headers; is this the Sales Document Import Template?")
    if not found:
        raise unreadable(
            f"The file holds no Item rows; charges start in row {FIRST_ROW}, with Item in column {TYPE.column}."
        )
    return found


def custom_ledger_template(rows: Iterable[Mapping[str, Any]] = ()) -> bytes:
    """The template as an XLSX file: all numbered columns, headers where they are known.

    rows: each the `data` of a Row, or {"title": text} for a `Title` row
    """
    return exports.workbook(_sheet(rows), sheet="Sales Document Import", created=TEMPLATE_CREATED)


def _check_header(header: Mapping[int, Cell]) -> None:
    wrong = [
        f'row {HEADER_ROW}, column {field.column}: expected "{field.header}", found {_found(header.get(field.place))}.'
        for field in FIELDS
        if field.required and _plain(field.header) != _plain(str(header.get(field.place, "")))
    ]
    if wrong:
        raise unreadable(*wrong)


def _found(cell: Cell | None) -> str:
    return "nothing" if cell is None else f'"{str(cell)[:40]}"'


def _plain(header: str) -> str:
    return "".join(one for one in header.casefold() if one.isalnum())


def _row(number: int, cells: Mapping[int, Cell], limits: Limits) -> Row | None:
    kind = cells.get(TYPE.place)
    sort = kind.strip().casefold() if isinstance(kind, str) and not isinstance(kind, Fault) else ""
    if sort == "title":
        return None
    errors = []
    if sort != "item":
        errors.append(f'column {TYPE.column} "{TYPE.header}": must be Title or Item, found {_found(kind)}')
    data: dict[str, Any] = {}
    for field in FIELDS:
        if field is TYPE:
            continue
        raw = cells.get(field.place)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            if field.required:
                errors.append(f'column {field.column} "{field.header}": is missing')
            continue
        try:
            value = _value(field, raw, limits)
        except ValueError as problem:
            errors.append(f'column {field.column} "{field.header}": {problem}')
        else:
            if field.path is not None:
                put(data, field.path, value)
    errors.extend(_period_errors(data))
    return Row(number, data, tuple(errors))


def _period_errors(data: Mapping[str, Any]) -> Iterator[str]:
    start, end = data.get("start"), data.get("end")
    if start is not None and end is not None and end < start:
        yield f"{LABELS['end']}: {end} is before the start, {start}"


def _value(field: Field, raw: Cell, limits: Limits) -> str | Decimal:
    if field.form == "date":
        # The ERP's own shorthand for the day of posting; the column goes nowhere, so it needs no date.
        if field.path is None and str(raw).strip() == "T":
            return "T"
        return read_value(raw, "instant", limits)
    if field.form in {"decimal", "rate"}:
        value = read_value(raw, "decimal", limits)
        if field.form == "rate" and isinstance(value, Decimal) and value <= 0:
            raise ValueError(f"must be above 0, found {value}")
        return value
    text = str(read_value(raw, "text", limits))
    if field.length is not None and len(text) > field.length:
        raise ValueError(f"has {len(text)} characters; {field.length} is the most")
    if field.path == "statementType":
        side = STATEMENT_TYPES.get(text.casefold())
        if side is None:
            raise ValueError(f"must be Order or Credit Memo, found {_found(text)}")
        return side
    return text


def _sheet(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[object]]:
    yield ["Sales Document Import Template"]
    yield ["Rows of one document share their Document No.; Title rows carry text only, Item rows become charges."]
    yield list(range(1, NUMBERED_COLUMNS + 1))
    yield _spread({field.column: field.header for field in FIELDS})
    yield _spread({field.column: field.hint for field in FIELDS})
    for row in rows:
        if "title" in row:
            yield _spread({TYPE.column: "Title", "M": row["title"]})
        else:
            yield _spread(
                {TYPE.column: "Item"}
                | {field.column: _written(field, row) for field in FIELDS if field.path is not None}
            )


def _written(field: Field, row: Mapping[str, Any]) -> object:
    value = member(row, field.path or "")
    if value is not None and field.form == "date":
        return exports.date(value)
    return DOCUMENT_TYPES[value] if field.path == "statementType" and value is not None else value


def _spread(values: Mapping[str, object]) -> list[object]:
    """A row of the sheet, from values by column letter."""
    return [values.get(letter(place)) for place in range(NUMBERED_COLUMNS)]
