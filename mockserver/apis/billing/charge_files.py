"""Journal upload: a file of charges (JSON Lines, XLSX or CSV) as checked lines.

The columns are those of the "Journal template v2.0" (billing e.1). The vendor's platform answers 415 to CSV; reading
it is an addition of this server (M). A file that cannot be read at all is refused with its place; a line that is wrong
comes back with its errors and whatever of it could be read, because it still becomes a charge.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation, Overflow
from typing import Any, Literal

import orjson

from mockserver import wire
from mockserver.apis.billing import exports
from mockserver.apis.billing.limits import LIMITS, NUMBER, Limits, check_size, short, unreadable
from mockserver.apis.billing.sheets import Fault, letter, sheet_rows
from mockserver.domain.errors import TooLarge, UnsupportedMedia

Kind = Literal["jsonl", "xlsx", "csv"]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES: Mapping[str, Kind] = {
    "application/jsonl": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    XLSX: "xlsx",
    "text/csv": "csv",
}
EXTENSIONS: Mapping[str, Kind] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx", ".csv": "csv"}
# What senders say when they know no better; Windows calls every .csv a vnd.ms-excel where Excel is installed.
GENERIC = frozenset(
    {"", "*/*", "application/octet-stream", "binary/octet-stream", "text/plain", "application/vnd.ms-excel"}
)
TEMPLATE_CREATED = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One charge of a file.

    number: its line in the file, or its row in the sheet, from 1
    data: what could be read of it, in the newer JSON Lines shape (`search.source`); amounts are Decimal, instants
        canonical text
    errors: what is wrong with it, each naming the column or path; a good line has none
    """

    number: int
    data: dict[str, Any]
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    path: str
    header: str
    form: Literal["text", "decimal", "instant", "source", "segment"] = "text"
    required: bool = True


# In the order of the template's columns, A to R. Source: billing e.1.
FIELDS = (
    Field("externalIds.vendor", "Entry ID"),
    Field("externalIds.reference", "External Reference", required=False),
    Field("externalIds.invoice", "Vendor Invoice Reference"),
    Field("search.source.type", "Source", "source"),
    Field("search.source.criteria", "Source Criteria"),
    Field("search.source.value", "Source Value"),
    Field("search.order.criteria", "Order Search Criteria", required=False),
    Field("search.order.value", "Order Search Value", required=False),
    Field("search.item.criteria", "Item Search Criteria"),
    Field("search.item.value", "Item Search Value"),
    Field("period.start", "Usage Start Time", "instant"),
    Field("period.end", "Usage End Time", "instant"),
    Field("quantity", "Quantity", "decimal"),
    Field("price.unitPP", "Purchase Price", "decimal"),
    Field("price.PPx1", "Total Purchase Price", "decimal"),
    Field("description.value1", "Description1", required=False),
    Field("description.value2", "Description2", required=False),
    Field("segment", "Market Segment", "segment", required=False),
    Field("attributes.agreementVendorId", "Agreement Vendor ID", required=False),
)
SOURCE = "search.source.type"
# From before there were agreements and assets; it counts where a line does not use the newer shape as well.
OLD_SOURCE = {
    "search.subscription.criteria": "search.source.criteria",
    "search.subscription.value": "search.source.value",
}
ALIASES = {**OLD_SOURCE, "attributes.segment": "segment"}
SEGMENTS = ("COM", "GOV", "EDU")
SOURCES = {name.lower(): name for name in ("Subscription", "Agreement", "Asset")}
PATHS_BY_NAME = {
    **{field.path.lower(): field.path for field in FIELDS},
    **{alias.lower(): alias for alias in ALIASES},
}
JSON_LABELS = {field.path: field.path for field in FIELDS}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# Numbers that the fast parser would round or refuse; such a line goes to the exact one.
_EXACT = re.compile(rb"[0-9]{15}|[0-9][eE]|NaN|Infinity")
_KINDS = {str: "text", bool: "a boolean", dict: "an object", list: "an array", type(None): "null"}


def kind(content_type: str | None, filename: str | None) -> Kind:
    """How to read a file: by its content type, and by its extension where the type says nothing.

    Raises UnsupportedMedia.
    """
    media = (content_type or "").partition(";")[0].strip().lower()
    found = TYPES.get(media)
    if found is None and media in GENERIC:
        found = EXTENSIONS.get(posixpath.splitext(filename or "")[1].lower())
    if found is None:
        said = f"{media or 'no content type'}, named {filename!r}" if filename else media or "no content type"
        raise UnsupportedMedia(f"cannot read charges from {said}; send application/jsonl, {XLSX} or text/csv.")
    return found


def read_lines(content: bytes, kind: Kind, *, limits: Limits = LIMITS) -> list[Line]:
    """The charges of a file, in its order, blank lines left out.

    Raises Invalid, with the place, where the file as a whole cannot be read, and TooLarge.
    """
    check_size(content, limits)
    readers = {"jsonl": _json_lines, "xlsx": _sheet_lines, "csv": _csv_lines}
    lines = list(readers[kind](content, limits))
    if not lines:
        raise unreadable("The file holds no charges; add at least one line.")
    return lines


def journal_template() -> bytes:
    """The empty XLSX template: its header row."""
    return write_xlsx(())


def write_jsonl(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The `data` of lines as a JSON Lines file."""
    return b"".join(wire.dump(data) + b"\n" for data in lines)


def write_csv(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The `data` of lines as a CSV file under the template's headers."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_table(lines))
    return text.getvalue().encode()


def write_xlsx(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The `data` of lines as an XLSX file after the template."""
    return exports.workbook(_table(lines), sheet="Journal template v2.0", created=TEMPLATE_CREATED)


def _table(lines: Sequence[Mapping[str, Any]]) -> Iterator[list[object]]:
    yield [field.header for field in FIELDS]
    for data in lines:
        yield [member(data, field.path) for field in FIELDS]


# -- one line ----------------------------------------------------------------------------------------------------------


def _line(
    number: int,
    flat: dict[str, Any],
    labels: Mapping[str, str],
    limits: Limits,
    errors: list[str],
    *,
    strict: bool = False,
) -> Line:
    """The line that raw values by path make up; `errors` are those found before.

    strict: numbers are numbers and texts are texts, as in JSON; in a table either may stand for the other
    """
    if "attributes.segment" in flat:
        flat.setdefault("segment", flat["attributes.segment"])
    if not any(path in flat for path in OLD_SOURCE.values()):
        found = {path: flat[old] for old, path in OLD_SOURCE.items() if old in flat}
        flat |= found and {SOURCE: "Subscription", **found}
    data: dict[str, Any] = {}
    for field in FIELDS:
        path = field.path
        raw = flat.get(path)
        if type(raw) is str:
            raw = raw.strip()
            # Nearly all values go this way; the longer one below takes thrice the time.
            if field.form == "text" and raw and len(raw) <= limits.text and raw.isprintable():
                put(data, path, raw)
                continue
        if raw is None or raw == "":
            if field.required:
                errors.append(f"{labels.get(path, path)}: is missing")
            continue
        try:
            if strict and isinstance(raw, str) is (field.form == "decimal"):
                raise ValueError(f"must be {'a number' if isinstance(raw, str) else 'text'}, found {_said(raw)}")
            value = read_value(raw, field.form, limits)
        except ValueError as problem:
            errors.append(f"{labels.get(path, path)}: {problem}")
        else:
            put(data, path, value)
    period, order = data.get("period", {}), data.get("search", {}).get("order")
    if "start" in period and "end" in period and period["end"] < period["start"]:
        errors.append(f"{labels['period.end']}: {period['end']} is before the start, {period['start']}")
    if order and len(order) == 1:
        given, absent = ("criteria", "value") if "criteria" in order else ("value", "criteria")
        name = labels.get(f"search.order.{absent}", f"search.order.{absent}")
        errors.append(f"{name}: is missing, although the order {given} is given; give both or none")
    return Line(number, data, tuple(errors))


def read_value(raw: Any, form: str, limits: Limits = LIMITS) -> str | Decimal:
    """A raw value as the text, amount or instant that it stands for; raises ValueError with the reason.

    raw: text, or a number, boolean or Fault from a cell
    """
    if isinstance(raw, Fault):
        raise ValueError(f"the cell shows {raw}, an error of the spreadsheet; put a value there")
    if form == "decimal":
        return _decimal(raw)
    if form == "instant":
        return _instant_of_serial(raw) if isinstance(raw, Decimal) else _instant(_text(raw, limits, "a date"))
    text = _text(raw, limits, "text")
    if form == "source":
        if text.lower() not in SOURCES:
            raise ValueError(f"unknown source type {short(text)}; one of {', '.join(SOURCES.values())}")
        return SOURCES[text.lower()]
    if form == "segment":
        if text.upper() not in SEGMENTS:
            raise ValueError(f"unknown market segment {short(text)}; one of {', '.join(SEGMENTS)}")
        return text.upper()
    return text


def _text(raw: Any, limits: Limits, wanted: str) -> str:
    if isinstance(raw, Decimal):
        # 1e999999999 is short until it is written out.
        if not raw.is_finite() or abs(raw.adjusted()) > 400:
            raise ValueError(f"must be {wanted}, found {short(str(raw))}")
        return f"{raw:f}"
    if not isinstance(raw, str):
        raise ValueError(f"must be {wanted}, found {_said(raw)}")
    if len(raw) > limits.text:
        raise TooLarge(f"a text of {len(raw):,} characters; {limits.text:,} is the most.")
    if not raw.isprintable() and _CONTROL.search(raw):
        raise ValueError("holds a control character or half a surrogate pair; take it out")
    return raw.strip()


def _decimal(raw: Any) -> Decimal:
    if isinstance(raw, Decimal):
        value = raw
    elif isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError(f"must be a number, found {_said(raw)}")
    elif isinstance(raw, str):
        if not NUMBER.fullmatch(raw.strip()):
            raise ValueError(f"must be a number like 1234.50, found {short(raw)}")
        value = _parse_decimal(raw.strip())
    else:
        value = Decimal(repr(raw))
    if not value.is_finite():
        raise ValueError("must be a finite number")
    # Not abs(): that is arithmetic, which a number like 1e999999999 overflows.
    if value.copy_abs() > 10**15:
        raise ValueError("is beyond 1,000,000,000,000,000")
    # An exponent costs no digits but would have to be written out: 1e-400 is a number of 400 places.
    if len(value.as_tuple().digits) > 28 or value.adjusted() < -28:
        raise ValueError("has more than 28 digits")
    return value


def _parse_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what even Decimal knows
        return Decimal("Infinity")


@functools.lru_cache(maxsize=4096)
def _instant(text: str) -> str:
    try:
        return wire.parse_instant(text)
    except ValueError:
        raise ValueError(f"must be a date like 2025-06-30 or 2025-06-30T23:59:59Z, found {short(text)}") from None


@functools.lru_cache(maxsize=4096)
def _instant_of_serial(serial: Decimal) -> str:
    try:
        # Serials are binary fractions of a day; they mean whole milliseconds.
        since = timedelta(milliseconds=round(serial * 86_400_000))
        if serial < 61:  # 1900-03-01; Excel counts a 29 February 1900, so earlier serials are ambiguous
            raise OverflowError
        return wire.instant(datetime(1899, 12, 30, tzinfo=UTC) + since)
    except (OverflowError, InvalidOperation, Overflow):
        raise ValueError(f"must be a date; {str(serial)[:40]} is not the number of a day in a spreadsheet") from None


def put(data: dict[str, Any], path: str, value: object) -> None:
    """Set a dotted path in nested dicts, making those that are missing."""
    *above, last = path.split(".")
    for step in above:
        inner = data.get(step)
        if inner is None:
            inner = data[step] = {}
        data = inner
    data[last] = value


def member(data: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = data
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _said(raw: object) -> str:
    return _KINDS.get(type(raw), "a number")


# -- JSON Lines --------------------------------------------------------------------------------------------------------

Tree = dict[str, "str | Tree"]


def _tree(paths: Sequence[str]) -> Tree:
    tree: Tree = {}
    for path in paths:
        put(tree, path.lower(), path)
    return tree


_TREE = _tree([*JSON_LABELS, *ALIASES])


def _json_lines(content: bytes, limits: Limits) -> Iterator[Line]:
    content = _utf8(content)
    if content.count(b"\n") > limits.rows:
        raise TooLarge(f"the file has more than {limits.rows:,} lines; split it.")
    exact = _EXACT.search(content) is not None  # asked of the whole, since most files have no such number
    for number, raw in enumerate(content.splitlines(), 1):
        if len(raw) > limits.line_bytes:
            raise TooLarge(f"line {number} is longer than {limits.line_bytes:,} bytes.")
        if not raw or raw.isspace():
            continue
        record = _json_object(raw, number, limits, exact=exact)
        flat: dict[str, Any] = {}
        errors: list[str] = []
        _gather(record, _TREE, flat, errors, "")
        yield _line(number, flat, JSON_LABELS, limits, errors, strict=True)


def _json_object(raw: bytes, number: int, limits: Limits, *, exact: bool) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") > limits.nesting:
        _check_nesting(raw, number, limits)
    try:
        if exact and _EXACT.search(raw):
            record = json.loads(
                raw.decode(), parse_float=_parse_decimal, parse_int=_parse_decimal, parse_constant=Decimal
            )
        else:
            record = orjson.loads(raw)
    except json.JSONDecodeError as problem:
        raise unreadable(f"line {number}, column {problem.colno}: not valid JSON: {problem.msg}.") from None
    if not isinstance(record, dict):
        raise unreadable(f"line {number}: must be a JSON object, found {_said(record)}.")
    return record


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]')


def _check_nesting(raw: bytes, number: int, limits: Limits) -> None:
    """Refuse a line that nests too deep; done before it is parsed, which would cost a frame per level."""
    depth = 0
    for token in _TOKEN.finditer(raw):
        first = token[0][:1]
        depth += first in b"[{"
        depth -= first in b"]}"
        if depth > limits.nesting:
            raise TooLarge(f"line {number}, column {token.start() + 1}: nests deeper than {limits.nesting} levels.")


def _gather(record: Mapping[str, Any], tree: Tree, flat: dict[str, Any], errors: list[str], above: str) -> None:
    """Collect the known members of a JSON object by path, whatever the case of their names."""
    for name, value in record.items():
        branch = tree.get(name) or tree.get(name.lower())
        if branch is None or value is None:
            continue
        if isinstance(branch, dict):
            if isinstance(value, dict):
                _gather(value, branch, flat, errors, f"{above}{name}.")
            else:
                errors.append(f"{above}{name}: must be an object, found {_said(value)}")
        else:
            flat[branch] = value


def _utf8(content: bytes) -> bytes:
    """The content without a byte order mark, once it is known to be UTF-8."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise unreadable(f"line {line}: byte {problem.start} of the file is not UTF-8; save it as UTF-8.") from None
    return content


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _csv_lines(content: bytes, limits: Limits) -> Iterator[Line]:
    text = _utf8(content).decode()
    rows = _csv_rows(text, _delimiter(text), limits)
    number, header = next(rows, (1, []))
    columns = _columns(dict(enumerate(header)), number)
    for number, row in rows:
        flat = columns.implied | {path: row[place] for place, path in columns.places.items() if place < len(row)}
        extra = any(cell.strip() for cell in row[len(header) :])
        errors = [f"has {len(row)} values, the header names {len(header)}; quote values that hold the separator"]
        yield _line(number, flat, columns.labels, limits, errors if extra else [])


def _delimiter(text: str) -> str:
    """Comma or semicolon: the one under which the first line names more of the known columns."""
    header = next((line for line in text[:65_536].splitlines() if line.strip()), "")

    def known(delimiter: str) -> int:
        return sum(_column_name(cell.strip('"')) is not None for cell in header.split(delimiter))

    return max(",;", key=known)


def _csv_rows(text: str, delimiter: str, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of the line it starts on."""
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        for line in io.StringIO(text, newline=""):
            taken += len(line)
            # A quote that never closes makes one row of the rest of the file.
            if taken > limits.line_bytes:
                raise TooLarge(f"line {start}: the row is longer than {limits.line_bytes:,} characters.")
            yield line

    start = 1
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        start, taken = reader.line_num + 1, 0
        if start > limits.rows:
            raise TooLarge(f"the file has more than {limits.rows:,} lines; split it.")
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            if "field larger" in str(problem):
                raise TooLarge(f"line {start}: a value is longer than {limits.text:,} characters.") from None
            raise unreadable(f"line {start}: not valid CSV: {problem}.") from None
        if len(row) > limits.columns:
            raise TooLarge(f"line {start} has {len(row):,} columns; {limits.columns} is the most.")
        if any(cell and not cell.isspace() for cell in row):
            yield start, row


def _column_name(header: str) -> str | None:
    """The path that a column header stands for: a template header or a dotted path, whatever case and spaces."""
    return _HEADERS.get("".join(header.split()).lower())


_HEADERS = {"".join(field.header.split()).lower(): field.path for field in FIELDS} | PATHS_BY_NAME


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the header row says: the path at each place, how messages name each path, what all lines have in common."""

    places: dict[int, str]
    labels: dict[str, str]
    implied: dict[str, Any]


def _columns(header: Mapping[int, str], row: int) -> _Columns:
    """Raises Invalid where a required column is missing or stands twice."""
    places: dict[int, str] = {}
    labels: dict[str, str] = {}
    for place, name in header.items():
        path = _column_name(name)
        if path is None:
            continue
        label = f'column {letter(place)} "{name.strip()}"'
        if path in labels:
            raise unreadable(f"row {row}: {label} and {labels[path]} are the same column; remove one.")
        places[place], labels[path] = path, label
    if not places:
        raise unreadable(f"row {row}: no header row of the journal template; the first is {FIELDS[0].header!r}.")
    present = set(labels) | {ALIASES[path] for path in labels if path in ALIASES}
    missing = [
        f'row {row}: no column "{field.header}" ({field.path}); the template has it in column {letter(place)}.'
        for place, field in enumerate(FIELDS)
        # Templates from before there were agreements and assets have no such column: all lines are subscriptions.
        if field.required and field.path not in present and field.path != SOURCE
    ]
    if missing:
        raise unreadable(*missing)
    return _Columns(places, JSON_LABELS | labels, {} if SOURCE in labels else {SOURCE: "Subscription"})


# -- XLSX ------------------------------------------------------------------------------------------------------------


def _sheet_lines(content: bytes, limits: Limits) -> Iterator[Line]:
    rows = sheet_rows(content, limits=limits)
    number, header = next(rows, (1, {}))
    if number != 1:
        raise unreadable(f"row 1: no header row; the first row with values is {number}.")
    columns = _columns({place: str(cell) for place, cell in header.items()}, number)
    for number, cells in rows:
        flat = columns.implied | {path: cells[place] for place, path in columns.places.items() if place in cells}
        yield _line(number, flat, columns.labels, limits, [])
