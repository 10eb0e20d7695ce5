"""Rows of a workbook, one at a time, with every limit checked as it is reached.

Read with expat, a piece at a time. A reader that builds the whole grid (calamine does) takes 2 GB for a file of 5 KB
with two cells far apart; this one keeps a row.
"""

from __future__ import annotations

import functools
import io
import itertools
import posixpath
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
from zlib import error as DeflateError

from mockserver.apis.billing.limits import LIMITS, NUMBER, Limits, check_size, short, unreadable
from mockserver.domain.errors import TooLarge

Cell = str | Decimal | bool


class Fault(str):
    """What a spreadsheet shows where a formula failed, such as #N/A."""

    __slots__ = ()


OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how an old .xls starts, and any workbook under a password


Cells = dict[int, Cell]


def sheet_rows(content: bytes, *, limits: Limits = LIMITS) -> Iterator[tuple[int, Cells]]:
    """The rows of a workbook's first sheet that hold anything: row number (from 1), values by column (from 0).

    Numbers and dates come as Decimal (dates as the days they are stored as), what a formula failed with as Fault.
    Raises Invalid and TooLarge.
    """
    return itertools.chain.from_iterable(sheet_portions(content, limits=limits))


def sheet_portions(content: bytes, *, limits: Limits = LIMITS) -> Iterator[list[tuple[int, Cells]]]:
    """The same rows a few at a time, or none, each read in some milliseconds."""
    package = _Package(content, limits)
    sheet, strings_part = package.first_sheet()
    grid = _Grid(sheet, limits)
    strings: list[str] | None = None
    for _ in package.run(sheet, grid.start, grid.end, grid.characters):
        # Read only now, so that a sheet that is too wide is refused before its texts are unpacked.
        if strings is None and grid.done:
            strings = []
            for _ in package.strings(strings_part, strings) if strings_part else ():
                yield []
        yield []
        rows = []
        for number, raw in grid.done:
            cells = {place: _cell(number, place, kind, text, strings or []) for place, (kind, text) in raw.items()}
            if any(not isinstance(cell, str) or cell.strip() for cell in cells.values()):
                rows.append((number, cells))
        grid.done.clear()
        yield rows


class _Grid:
    """Collects the rows of a sheet from the events of its XML; `done` holds those that are whole.

    A row has some forty elements: what `_Package.parse` does for others, it does by itself.
    """

    __slots__ = ("_cells", "_depth", "_kind", "_limits", "_listens", "_part", "_place", "_row", "_text", "done")

    def __init__(self, part: str, limits: Limits) -> None:
        self.done: list[tuple[int, dict[int, tuple[str, str]]]] = []
        self._part = part
        self._limits = limits
        self._depth = 0
        self._row, self._place, self._kind = 0, -1, "n"
        self._cells: dict[int, tuple[str, str]] = {}
        self._text: list[str] = []
        self._listens = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > self._limits.nesting:
            raise _too_deep(self._part, self._limits)
        name = tag if tag in _NAMES else tag.rpartition(":")[2]
        if name == "c":
            reference = attributes.get("r")
            place = self._place + 1 if reference is None else _PLACES.get(reference.rstrip(_DIGITS))
            if place is None or place >= self._limits.columns:
                place = self._far(place, reference)
            self._place = place
            self._kind, self._text = attributes.get("t", "n"), []
        elif name == "v" or name == "t":
            self._listens = True
        elif name == "rPh":  # how a text is pronounced; no part of it
            self._kind = "phonetic"
        elif name == "row":
            self._begin_row(attributes.get("r", ""))

    def end(self, tag: str) -> None:
        self._depth -= 1
        name = tag if tag in _NAMES else tag.rpartition(":")[2]
        if name == "v" or name == "t":
            self._listens = False
        elif name == "c":
            if self._text:
                self._cells[self._place] = (self._kind, "".join(self._text))
                self._text = []
        elif name == "rPh":
            self._kind = "inlineStr"
        elif name == "row" and self._cells:
            self.done.append((self._row, self._cells))

    def characters(self, text: str) -> None:
        if self._listens and self._kind != "phonetic":
            self._text.append(text)

    def _far(self, place: int | None, reference: str | None) -> int:
        """The place of a cell that is not among the usual columns. Raises TooLarge and Invalid."""
        place = _place(reference or "") if place is None else place
        if place >= self._limits.columns:
            raise TooLarge(
                f"row {self._row} has a column {letter(place)}; {self._limits.columns} columns are the most."
            )
        return place

    def _begin_row(self, written: str) -> None:
        number = int(written) if _ROW.fullmatch(written) else self._row + 1
        if number > self._limits.rows:
            raise TooLarge(f"the sheet has a row {number:,}; {self._limits.rows:,} rows are the most.")
        if number <= self._row:
            raise unreadable(f"row {number} of the sheet comes after row {self._row}; save the file anew.")
        self._row, self._place, self._cells = number, -1, {}


_NAMES = frozenset({"row", "c", "v", "is", "t", "f"})
_DIGITS = "0123456789"
_ROW = re.compile("[0-9]{1,9}", re.ASCII)
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


def _cell(row: int, place: int, kind: str, text: str, strings: Sequence[str]) -> Cell:
    if kind == "s":
        try:
            return strings[int(text)]
        except (ValueError, IndexError):
            raise unreadable(f"cell {letter(place)}{row}: refers to a text that the file does not hold.") from None
    if kind == "n":
        number = _number(text.strip())
        if number is None:
            raise unreadable(f"cell {letter(place)}{row}: {short(text.strip())} is stored as a number, and is none.")
        return number
    if kind == "b":
        return text.strip() == "1"
    return Fault(text) if kind == "e" else _unescape(text)


@functools.lru_cache(maxsize=4096)  # sheets say the same few numbers over and over
def _number(text: str) -> Decimal | None:
    if not NUMBER.fullmatch(text):
        return None
    if text.isdigit():
        return Decimal(text)
    # Sheets hold binary numbers, written with 17 digits: 4.35 as 4.3499999999999996. The shortest spelling is meant.
    number = Decimal(repr(float(text)))
    return number.quantize(Decimal(1)) if number == number.to_integral_value() and abs(number) < 10**15 else number


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _place(reference: str) -> int:
    letters = reference.rstrip(_DIGITS)
    if not 1 <= len(letters) <= 3 or not (letters.isascii() and letters.isalpha() and letters.isupper()):
        raise unreadable(f"the sheet has a cell named {short(reference)}; save the file anew.")
    place = 0
    for one in letters:
        place = place * 26 + ord(one) - 64
    return place - 1


class _Package:
    """The zip archive of a workbook; what its directory says is checked first, and again while unpacking."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        check_size(content, limits)
        self._limits = limits
        self._most = self._left = min(limits.unpacked_bytes, 2**20 + limits.ratio * len(content))
        _check_directory(content, limits)
        try:
            self._zip = ZipFile(io.BytesIO(content))
        except (BadZipFile, NotImplementedError, ValueError, OverflowError) as problem:
            raise unreadable(f"not an XLSX file: {problem}.") from None
        if sum(info.file_size for info in self._zip.infolist()) > self._most:
            raise self._too_large()

    def first_sheet(self) -> tuple[str, str | None]:
        """The part with the first worksheet, and the one with its shared texts."""
        book = next((target for _, kind, target in self._relations("") if kind == "officeDocument"), "xl/workbook.xml")
        relations = list(self._relations(book))
        sheets = {name: target for name, kind, target in relations if kind == "worksheet"}
        strings = next((target for _, kind, target in relations if kind == "sharedStrings"), None)
        found = None
        for tag, attributes in self._elements(book):
            if tag == "workbookPr" and attributes.get("date1904", "0") not in {"0", "false"}:
                raise unreadable("The file counts its days from 1904; switch that off in the options of the workbook.")
            if tag == "sheet" and found is None:
                found = sheets.get(next((value for name, value in attributes.items() if name.endswith(":id")), ""))
        if found is None:
            raise unreadable("The file is a workbook without a worksheet.")
        return found, strings

    def strings(self, part: str, found: list[str]) -> Iterator[None]:
        """Add the shared texts, in order, a piece at a time."""
        pieces: list[str] = []
        state = {"listens": False, "phonetic": False}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "si":
                pieces.clear()
            elif tag == "t":
                state["listens"] = not state["phonetic"]
            elif tag == "rPh":
                state["phonetic"] = True

        def end(tag: str) -> None:
            if tag == "t":
                state["listens"] = False
            elif tag == "rPh":
                state["phonetic"] = False
            elif tag == "si":
                found.append(_unescape("".join(pieces)))
                if len(found) > self._limits.strings:
                    raise TooLarge(f"the workbook has more than {self._limits.strings:,} different texts.")

        def characters(text: str) -> None:
            if state["listens"]:
                pieces.append(text)

        return self.parse(part, start, end, characters)

    def parse(
        self,
        part: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        characters: Callable[[str], None],
    ) -> Iterator[None]:
        """Run the XML of a part through the handlers, which get names without prefix; yields after each piece."""
        depth = 0

        def opened(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > self._limits.nesting:
                raise _too_deep(part, self._limits)
            start(tag.rpartition(":")[2] if ":" in tag else tag, attributes)

        def closed(tag: str) -> None:
            nonlocal depth
            depth -= 1
            end(tag.rpartition(":")[2] if ":" in tag else tag)

        return self.run(part, opened, closed, characters)

    def run(
        self,
        part: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        characters: Callable[[str], None],
    ) -> Iterator[None]:
        """The same for handlers that get names as they are written, and see themselves that nothing nests too deep."""

        def doctype(*_: object) -> None:
            raise unreadable(f"{part} declares a document type, which no workbook does; entities are not expanded.")

        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, doctype
        fed = 0
        try:
            for piece in self._inflate(part):
                parser.Parse(piece)
                fed += len(piece)
                # The parser looks at an unfinished tag anew with each piece; a tag of megabytes would take minutes.
                if fed - parser.CurrentByteIndex > self._limits.line_bytes:
                    raise TooLarge(f"{part} has a tag longer than {self._limits.line_bytes:,} bytes.")
                yield
            parser.Parse(b"", True)
        except (expat.ExpatError, LookupError, ValueError) as problem:  # the last two for encodings it does not know
            raise unreadable(f"{part}: not valid XML: {problem}.") from None
        yield

    def _inflate(self, part: str) -> Iterator[bytes]:
        try:
            info = self._zip.getinfo(part)
            if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
                raise unreadable(f"{part} is packed in a way that workbooks do not use.")
            with self._zip.open(info) as stream:
                while piece := stream.read(65_536):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise self._too_large()
                    yield piece
        except KeyError:
            raise unreadable(f"not an XLSX file: no part {part!r}; is it a workbook?") from None
        except (BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, DeflateError) as problem:
            raise unreadable(f"{part} cannot be unpacked: {problem or 'it is cut off'}.") from None

    def _elements(self, part: str) -> list[tuple[str, dict[str, str]]]:
        found: list[tuple[str, dict[str, str]]] = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            found.append((tag, attributes))
            if len(found) > 2 * self._limits.parts:
                raise TooLarge(f"{part} has more than {2 * self._limits.parts:,} elements.")

        for _ in self.parse(part, start, lambda tag: None, lambda text: None):
            pass
        return found

    def _relations(self, part: str) -> Iterator[tuple[str, str, str]]:
        """The id, kind and target part of each relation that a part has; "" is the package itself."""
        folder, name = posixpath.split(part)
        for tag, attributes in self._elements(posixpath.join(folder, "_rels", f"{name}.rels")):
            if tag == "Relationship":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
                yield attributes.get("Id", ""), attributes.get("Type", "").rpartition("/")[2], target

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the file unpacks to more than {self._most:,} bytes; that is the most for one of its size.")


def _check_directory(content: bytes, limits: Limits) -> None:
    """Refuse a zip archive whose directory is missing or too long, before it is read whole."""
    if content.startswith(OLE):
        raise unreadable("The file is an old .xls file or is protected by a password; save it as .xlsx without one.")
    end = len(content) - 22
    if not (content[end : end + 4] == b"PK\5\6" and content.endswith(b"\0\0")):
        end = content.rfind(b"PK\5\6", max(0, len(content) - 65_557))
    if not content.startswith(b"PK") or end < 0 or end + 22 > len(content):
        raise unreadable("not an XLSX file: no zip archive, or cut off.")
    entries, length = struct.unpack_from("<HI", content, end + 10)
    if entries > limits.parts or length > 256 * limits.parts:
        raise TooLarge(f"the workbook has more than {limits.parts:,} parts.")
    # The directory of an archive over 4 GB: it would replace the one checked here.
    if content[max(0, end - 20) : max(0, end - 16)] == b"PK\6\7":
        raise unreadable("The file is a ZIP64 archive; save it with a spreadsheet program.")


def letter(place: int) -> str:
    """The name of a column, from 0: A, B, ..., Z, AA."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(65 + rest) + name
    return name


def _too_deep(part: str, limits: Limits) -> TooLarge:
    return TooLarge(f"{part} nests deeper than {limits.nesting} levels.")


_PLACES = {letter(place): place for place in range(LIMITS.columns)}
