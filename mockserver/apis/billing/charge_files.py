"""Journal upload: a file of charges (JSON Lines, XLSX or CSV) as checked lines.

The columns are those of the "Journal template v2.0" (billing e.1). The vendor's platform answers 415 to CSV; reading
it is an addition of this server (M). A file that cannot be read at all is refused with its place; a line that is wrong
comes back with its errors and whatever of it could be read, because it still becomes a charge.
"""

from __future__ import annotations

import codecs
import csv
import functools
import io
import itertools
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
from mockserver.apis.billing.recall import Recall
from mockserver.apis.billing.sheets import Cell, Fault, letter, sheet_portions
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
ALIASES = {"attributes.segment": "segment", **OLD_SOURCE}
COLUMNS = (*(field.path for field in FIELDS), *ALIASES)
"""What a value can be for, by its place in a line: the template's columns, and behind them what stands for some."""
CRITERIA = COLUMNS.index("search.source.criteria")
SEGMENT = COLUMNS.index("segment")
SEGMENTS = ("COM", "GOV", "EDU")
SOURCES = {name.lower(): name for name in ("Subscription", "Agreement", "Asset")}
PATHS_BY_NAME = {path.lower(): path for path in COLUMNS}
JSON_LABELS = {field.path: field.path for field in FIELDS}


@dataclass(frozen=True, slots=True)
class Part:
    """The columns that make up one member of a line's data.

    place: where their values stand in a line
    below: where in the member each of them goes; empty where the member is the value
    recurs: whether lines of a file tend to say it alike
    """

    name: str
    fields: tuple[Field, ...]
    place: slice
    below: tuple[str, ...]
    recurs: bool


def _parts() -> Iterator[Part]:
    first = 0
    for name, group in itertools.groupby(FIELDS, key=lambda field: field.path.partition(".")[0]):
        fields = tuple(group)
        below = tuple(field.path.partition(".")[2] for field in fields)
        yield Part(name, fields, slice(first, first + len(fields)), below, name not in UNIQUE)
        first += len(fields)


UNIQUE = ("externalIds", "quantity", "price")
PARTS = tuple(_parts())
PORTION = 100
"""Lines that are read before others have their turn: some milliseconds."""
CHECKED = 1_000_000
"""Bytes of a text that are decoded before others have their turn"""
PIECE = 65_536
"""Bytes of a text that are split into lines at a time"""
_TEXTS = frozenset({str, type(None)})
_NONE: Mapping[str, Any] = {}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MOST = Decimal(10**15)
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
    return list(itertools.chain.from_iterable(portions(content, kind, limits=limits)))


def portions(content: bytes, kind: Kind, *, limits: Limits = LIMITS) -> Iterator[list[Line]]:
    """The same lines a few at a time, or none, each read in some milliseconds; it raises when it comes to the place."""
    check_size(content, limits)
    readers = {"jsonl": _json_lines, "xlsx": _sheet_lines, "csv": _csv_lines}
    is_empty = True
    for lines in readers[kind](content, limits):
        is_empty = is_empty and not lines
        yield lines
    if is_empty:
        raise unreadable("The file holds no charges; add at least one line.")


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


class _Lines:
    """Makes the lines of one file.

    What its lines have in common is read once, and is the same object in all of them: nobody may change it.

    strict: numbers are numbers and texts are texts, as in JSON; in a table either may stand for the other
    """

    def __init__(self, labels: Mapping[str, str], limits: Limits, *, strict: bool = False) -> None:
        self._labels = labels
        self._limits = limits
        self._strict = strict
        self._texts: dict[str, str] = {}
        self._amounts: dict[str, Decimal] = {}
        self._parts: list[tuple[Part, Recall[Any, tuple[Any, Sequence[str]]]]] = [(part, Recall()) for part in PARTS]

    def line(self, number: int, values: list[Any], errors: Sequence[str] = ()) -> Line:
        """The line that raw values make up, which stand in the order of COLUMNS; `errors` are those found before."""
        if values[len(FIELDS) :] != _NO_ALIASES:
            _translate(values)
        data: dict[str, Any] = {}
        wrong = list(errors)
        for part, known in self._parts:
            raw = values[part.place]
            # Only texts are recalled: numbers that are equal may be written otherwise, as 1 and 1.0, or 0 and -0.
            if part.recurs and _TEXTS.issuperset(map(type, raw)):
                key = tuple(raw)
                found = known.get(key) or known.keep(key, self._read(part, raw))
            else:
                found = self._read(part, raw)
            member, faults = found
            if member is not None:
                data[part.name] = member
            if faults:
                wrong += faults
        self._compare(data, wrong)
        return Line(number, data, tuple(wrong))

    def _read(self, part: Part, values: Sequence[Any]) -> tuple[Any, Sequence[str]]:
        """What a part of a line says, None for nothing, and what is wrong with it."""
        made: dict[str, Any] = {}
        errors: list[str] = []
        for field, below, raw in zip(part.fields, part.below, values, strict=True):
            if type(raw) is str:
                raw = raw.strip()
            if raw is None or raw == "":
                if field.required:
                    errors.append(f"{self._labels[field.path]}: is missing")
                continue
            try:
                value = self._value(raw, field.form)
            except ValueError as problem:
                errors.append(f"{self._labels[field.path]}: {problem}")
                continue
            if "." in below:
                put(made, below, value)
            else:
                made[below] = value
        return made.get("", made or None), errors

    def _value(self, raw: Any, form: str) -> str | Decimal:
        kind = type(raw)
        # Nearly all values go one of these two ways; the longer one takes thrice the time.
        if form == "text" and kind is str and len(raw) <= self._limits.text and raw.isprintable():
            return self._texts.setdefault(raw, raw)
        if form == "decimal" and (kind is float or kind is int):
            text = repr(raw)
            known = self._amounts.get(text)
            if known is None:
                # What is neither huge nor tiny has few digits: a float is spelled with 17 at most.
                amount = Decimal(text)
                known = self._amounts[text] = amount if 1e-20 < abs(raw) < 1e15 else _within_bounds(amount)
            return known
        if self._strict and isinstance(raw, str) is (form == "decimal"):
            raise ValueError(f"must be {'a number' if isinstance(raw, str) else 'text'}, found {_said(raw)}")
        value = read_value(raw, form, self._limits)
        return self._amounts.setdefault(str(value), value) if isinstance(value, Decimal) else value

    def _compare(self, data: Mapping[str, Any], wrong: list[str]) -> None:
        """Add what is wrong with members that are right by themselves."""
        period, order = data.get("period"), data.get("search", _NONE).get("order")
        if period and "start" in period and "end" in period and period["end"] < period["start"]:
            wrong.append(f"{self._labels['period.end']}: {period['end']} is before the start, {period['start']}")
        if order and len(order) == 1:
            given, absent = ("criteria", "value") if "criteria" in order else ("value", "criteria")
            name = self._labels[f"search.order.{absent}"]
            wrong.append(f"{name}: is missing, although the order {given} is given; give both or none")


def _translate(values: list[Any]) -> None:
    """Put what stands in the columns of old, or under another name, where it belongs."""
    segment, *search = values[len(FIELDS) :]
    if values[SEGMENT] is None:
        values[SEGMENT] = segment
    if search != [None, None] and values[CRITERIA : CRITERIA + 2] == [None, None]:
        values[CRITERIA - 1 : CRITERIA + 2] = "Subscription", *search


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
    return _within_bounds(value)


def _within_bounds(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("must be a finite number")
    # Not abs(): that is arithmetic, which a number like 1e999999999 overflows.
    if value.copy_abs() > _MOST:
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
    above, last = _steps(path)
    for step in above:
        inner = data.get(step)
        if inner is None:
            inner = data[step] = {}
        data = inner
    data[last] = value


@functools.cache
def _steps(path: str) -> tuple[tuple[str, ...], str]:
    *above, last = path.split(".")
    return tuple(above), last


def member(data: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = data
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _said(raw: object) -> str:
    return _KINDS.get(type(raw), "a number")


# -- JSON Lines --------------------------------------------------------------------------------------------------------

Tree = dict[str, "int | Tree"]
"""Names of members -> the place of the value in a line, or what lies below; names also in lower case."""


def _tree(paths: Sequence[str]) -> Tree:
    tree: Tree = {}
    for place, path in enumerate(paths):
        put(tree, path.lower(), place)
    for path in paths:
        _add_spelling(tree, *path.split("."))
    return tree


def _add_spelling(tree: Tree, name: str, *below: str) -> None:
    found = tree[name] = tree[name.lower()]
    if isinstance(found, dict):
        _add_spelling(found, *below)


_TREE = _tree(COLUMNS)
_NOTHING: list[Any] = [None] * len(COLUMNS)
_NO_ALIASES = _NOTHING[len(FIELDS) :]


def _json_lines(content: bytes, limits: Limits) -> Iterator[list[Line]]:
    feeds = returns = 0
    for piece in _utf8(content):
        feeds, returns = feeds + piece.count(b"\n"), returns + piece.count(b"\r")
        yield []
    if max(feeds, returns) > limits.rows:
        raise TooLarge(f"the file has more than {limits.rows:,} lines; split it.")
    lines, made = _Lines(JSON_LABELS, limits, strict=True), list[Line]()
    for number, raw in enumerate(_split(content), 1):
        if len(raw) > limits.line_bytes:
            raise TooLarge(f"line {number} is longer than {limits.line_bytes:,} bytes.")
        if raw and not raw.isspace():
            values, errors = _NOTHING.copy(), list[str]()
            _gather(_json_object(raw, number, limits), _TREE, values, errors, "")
            made.append(lines.line(number, values, errors))
        if not number % PORTION:
            yield made
            made = []
    yield made


def _split(content: bytes) -> Iterator[bytes]:
    """The lines of a text, of which a piece is taken apart at a time."""
    start = _start(content)
    while start < len(content):
        least = start + PIECE
        end = content.find(b"\n", least) + 1 or content.find(b"\r", least) + 1 or len(content)
        yield from content[start:end].splitlines()
        start = end


# Every digit is the same to what looks for many of them.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
# What numbers look like that the fast parser would round or refuse; a line with one goes to the exact one.
_INEXACT = (b"0" * 15, b"0e", b"0E", b"NaN", b"Infinity")


def _needs_exactness(raw: bytes) -> bool:
    return any(map(raw.translate(_DIGITS).__contains__, _INEXACT))


def _json_object(raw: bytes, number: int, limits: Limits) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") > limits.nesting:
        _check_nesting(raw, number, limits)
    try:
        if _needs_exactness(raw):
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


def _gather(record: Mapping[str, Any], tree: Tree, values: list[Any], errors: list[str], above: str) -> None:
    """Collect the known members of a JSON object, whatever the case of their names."""
    for name, value in record.items():
        branch = tree.get(name)
        if branch is None:
            branch = tree.get(name.lower())
        if branch is None or value is None:
            continue
        if isinstance(branch, int):
            values[branch] = value
        elif isinstance(value, dict):
            _gather(value, branch, values, errors, f"{above}{name}.")
        else:
            errors.append(f"{above}{name}: must be an object, found {_said(value)}")


def _start(content: bytes) -> int:
    """Where a text begins: behind a byte order mark."""
    return len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0


def _utf8(content: bytes) -> Iterator[bytes]:
    """The content behind a byte order mark, a piece at a time, each once it is known to be UTF-8. Raises Invalid."""
    decoder, start = codecs.getincrementaldecoder("utf-8")(), _start(content)
    for first in range(start, len(content), CHECKED):
        piece, (held, _) = content[first : first + CHECKED], decoder.getstate()
        try:
            decoder.decode(piece, first + CHECKED >= len(content))
        except UnicodeDecodeError as problem:
            at = first - len(held) + problem.start
            line, place = content.count(b"\n", 0, at) + 1, at - start
            raise unreadable(f"line {line}: byte {place} of the file is not UTF-8; save it as UTF-8.") from None
        yield piece


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _csv_lines(content: bytes, limits: Limits) -> Iterator[list[Line]]:
    for _ in _utf8(content):
        yield []
    header: list[str] = []
    columns = lines = None
    made = list[Line]()
    for count, (number, row) in enumerate(_csv_rows(content, _delimiter(content), limits)):
        if not _has_values(row):
            pass
        elif lines is None or columns is None:
            header, columns = row, _columns(dict(enumerate(row)), number)
            lines = _Lines(columns.labels, limits)
        else:
            errors = []
            if _has_values(row[len(header) :]):
                errors = [
                    f"has {len(row)} values, the header names {len(header)}; quote values that hold the separator"
                ]
            made.append(lines.line(number, columns.values(dict(enumerate(row))), errors))
        if not count % PORTION:
            yield made
            made = []
    if lines is None:
        _columns({}, 1)
    yield made


def _has_values(row: Sequence[str]) -> bool:
    return any(cell and not cell.isspace() for cell in row)


def _delimiter(content: bytes) -> str:
    """Comma or semicolon: the one under which the first line names more of the known columns."""
    start = _start(content)
    text = content[start : start + 4 * 65_536].decode(errors="ignore")[:65_536]
    header = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> int:
        return sum(_column_name(cell.strip('"')) is not None for cell in header.split(delimiter))

    return max(",;", key=known)


def _csv_rows(content: bytes, delimiter: str, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of the line it starts on."""
    taken = 0
    stream = io.BytesIO(content)
    stream.seek(_start(content))

    def lines() -> Iterator[str]:
        nonlocal taken
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline=""):
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
        yield start, row


def _column_name(header: str) -> str | None:
    """The path that a column header stands for: a template header or a dotted path, whatever case and spaces."""
    return _HEADERS.get("".join(header.split()).lower())


_HEADERS = {"".join(field.header.split()).lower(): field.path for field in FIELDS} | PATHS_BY_NAME


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the header row says.

    places: where in a row each of COLUMNS is; None: nowhere
    labels: how messages name each path
    implied: the values that all lines have, by their place in COLUMNS
    """

    places: list[int | None]
    labels: dict[str, str]
    implied: dict[int, str]

    def values(self, cells: Mapping[Any, Cell]) -> list[Any]:
        """The values of a line, in the order of COLUMNS, out of those of a row by their place there."""
        values = list(map(cells.get, self.places))
        for place, value in self.implied.items():
            values[place] = value
        return values


def _columns(header: Mapping[int, str], row: int) -> _Columns:
    """Raises Invalid where a required column is missing or stands twice."""
    places: dict[str, int] = {}
    labels: dict[str, str] = {}
    for place, name in header.items():
        path = _column_name(name)
        if path is None:
            continue
        label = f'column {letter(place)} "{name.strip()}"'
        if path in labels:
            raise unreadable(f"row {row}: {label} and {labels[path]} are the same column; remove one.")
        places[path], labels[path] = place, label
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
    implied = {} if SOURCE in labels else {COLUMNS.index(SOURCE): "Subscription"}
    return _Columns([places.get(path) for path in COLUMNS], JSON_LABELS | labels, implied)


# -- XLSX ------------------------------------------------------------------------------------------------------------


def _sheet_lines(content: bytes, limits: Limits) -> Iterator[list[Line]]:
    columns = lines = None
    for rows in sheet_portions(content, limits=limits):
        if lines is None or columns is None:
            if not rows:
                yield []
                continue
            (number, header), *rows = rows
            columns = _header(number, header)
            lines = _Lines(columns.labels, limits)
        yield [lines.line(number, columns.values(cells)) for number, cells in rows]
    if lines is None:
        _header(1, {})


def _header(number: int, cells: Mapping[int, Cell]) -> _Columns:
    """What the first row of a sheet that holds anything says of the columns. Raises Invalid."""
    if number != 1:
        raise unreadable(f"row 1: no header row; the first row with values is {number}.")
    return _columns({place: str(cell) for place, cell in cells.items()}, number)
