"""Journal upload: what is read, what is said of a line that is wrong, and what is refused."""

from __future__ import annotations

import codecs
import contextlib
import copy
import dataclasses
import io
import json
import time
import tracemalloc
from datetime import datetime
from decimal import Decimal
from typing import Any

import openpyxl  # type: ignore[import-untyped, unused-ignore]  # openpyxl carries no annotations
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.apis.billing import charge_files, sheets
from mockserver.apis.billing.charge_files import FIELDS, XLSX, Kind, Line, read_lines
from mockserver.apis.billing.limits import LIMITS, Limits
from mockserver.domain.errors import Invalid, Refusal, TooLarge, UnsupportedMedia
from tests import make_files

KINDS: tuple[Kind, ...] = ("jsonl", "xlsx", "csv")
WRITERS = {"jsonl": charge_files.write_jsonl, "xlsx": charge_files.write_xlsx, "csv": charge_files.write_csv}
[DATA] = make_files.journal_lines(["sub-77"], ["SKU-9"])
HEADERS = [field.header for field in FIELDS]


def jsonl(**changes: Any) -> bytes:
    """A one-line file; a change by dotted path (`__` for the dot), None takes the member out."""
    line = json.loads(charge_files.write_jsonl([DATA]))
    for path, value in changes.items():
        *above, last = path.split("__")
        at = line
        for step in above:
            at = at.setdefault(step, {})
        at.pop(last, None) if value is None else at.update({last: value})
    return json.dumps(line).encode()


def one(content: bytes, kind: Kind = "jsonl", **options: Any) -> Line:
    [line] = read_lines(content, kind, **options)
    return line


def table(*rows: list[object], headers: list[str] | None = None) -> bytes:
    """An XLSX file as openpyxl, another program than the server's own writer, makes it."""
    book = openpyxl.Workbook()
    for row in [headers or HEADERS, *rows]:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def row(**changes: object) -> list[object]:
    """The cells of DATA; a change by header with `_` for the space."""
    cells = {field.header: charge_files.member(DATA, field.path) for field in FIELDS}
    cells |= {name.replace("_", " "): value for name, value in changes.items()}
    return [float(cell) if isinstance(cell, Decimal) else cell for cell in cells.values()]


def refusal(content: bytes, kind: Kind, **options: Any) -> str:
    with pytest.raises(Invalid) as caught:
        read_lines(content, kind, **options)
    assert str(caught.value).startswith(
        ("The file cannot be read: ", "The file is ", "The file holds ", "The file counts ")
    )
    return " ".join(caught.value.errors["file"])


# -- which kind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "filename", "expected"),
    [
        ("application/jsonl", "anything.bin", "jsonl"),
        ("application/x-ndjson; charset=utf-8", None, "jsonl"),
        (XLSX, None, "xlsx"),
        ("text/csv", "charges.jsonl", "csv"),
        ("application/octet-stream", "charges.JSONL", "jsonl"),
        (None, "a.b.xlsx", "xlsx"),
        ("", "charges.csv", "csv"),
        ("application/vnd.ms-excel", "charges.csv", "csv"),
    ],
)
def test_the_content_type_decides_and_the_extension_where_it_says_nothing(
    content_type: str | None, filename: str | None, expected: str
) -> None:
    assert charge_files.kind(content_type, filename) == expected


@pytest.mark.parametrize(
    ("content_type", "filename"),
    [
        ("application/pdf", "charges.jsonl"),
        (None, "charges.xls"),
        (None, None),
        ("application/json", "charges.jsonl"),
        ("", "jsonl"),
    ],
)
def test_other_types_are_refused(content_type: str | None, filename: str | None) -> None:
    with pytest.raises(UnsupportedMedia, match="send application/jsonl"):
        charge_files.kind(content_type, filename)


# -- what is read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back(kind: Kind) -> None:
    lines = make_files.journal_lines(make_files.SUBSCRIPTIONS, make_files.ITEMS, count=7)
    read = read_lines(WRITERS[kind](lines), kind)
    first = 1 if kind == "jsonl" else 2
    assert read == [Line(number, data) for number, data in enumerate(lines, first)]


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(str.strip).filter(bool)
# Spreadsheet programs keep 15 digits.
amounts = (
    st.floats(-1e14, 1e14).map(lambda value: Decimal(f"{value:.15g}")).filter(lambda value: value.adjusted() > -12)
)


@pytest.mark.parametrize("kind", KINDS)
@given(name=words, item=words, price=amounts, total=amounts)
def test_any_text_and_amount_survives_every_kind_of_file(
    kind: Kind, name: str, item: str, price: Decimal, total: Decimal
) -> None:
    data = copy.deepcopy(DATA)
    data["description"]["value1"], data["search"]["item"]["value"] = name, item
    data["price"] = {"unitPP": price, "PPx1": total}
    line = one(WRITERS[kind]([data]), kind)
    assert line.errors == ()
    assert line.data == data


def test_names_match_whatever_their_case() -> None:
    content = charge_files.write_jsonl([DATA]).replace(b'"unitPP"', b'"UnitPP"').replace(b'"search"', b'"SEARCH"')
    assert one(content) == Line(1, DATA)


def test_the_older_subscription_search_is_translated() -> None:
    old = {"criteria": "subscription.externalIds.vendor", "value": "sub-1"}
    line = one(jsonl(search__source=None, search__subscription=old))
    assert line.errors == ()
    assert line.data["search"]["source"] == {"type": "Subscription", **old}


def test_the_newer_source_wins_over_the_older_one_and_is_not_completed_from_it() -> None:
    line = one(jsonl(search__source__type=None, search__subscription={"criteria": "id", "value": "old"}))
    assert line.errors == ("search.source.type: is missing",)
    assert line.data["search"]["source"]["value"] == "sub-77"


def test_the_newer_place_of_the_segment_is_read() -> None:
    assert one(jsonl(segment=None, attributes__segment="EDU")).data["segment"] == "EDU"


def test_unknown_members_are_ignored_and_blank_lines_skipped() -> None:
    content = b"\xef\xbb\xbf\r\n" + jsonl(error={"x": [1]}) + b"\r\n  \n" + jsonl()
    assert [(line.number, line.errors) for line in read_lines(content, "jsonl")] == [(2, ()), (4, ())]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-06-30", "2025-06-30T00:00:00.000Z"),
        ("2025-06-30T23:59:59.1234567+00:00", "2025-06-30T23:59:59.123Z"),
        ("2025-07-01T01:30:00+02:00", "2025-06-30T23:30:00.000Z"),
    ],
)
def test_instants_become_canonical(written: str, read: str) -> None:
    assert one(jsonl(period__end=written)).data["period"]["end"] == read


def test_numbers_keep_the_digits_that_were_written() -> None:
    content = jsonl().replace(b'"unitPP": 12.5', b'"unitPP": 92.0937567968861512345')
    assert one(content).data["price"]["unitPP"] == Decimal("92.0937567968861512345")
    assert one(jsonl(price__unitPP=0.1)).data["price"]["unitPP"] == Decimal("0.1")


def test_a_template_without_the_source_column_speaks_of_subscriptions() -> None:
    cells = dict(zip(HEADERS, row(), strict=True))
    del cells["Source"]
    line = one(table(list(cells.values()), headers=list(cells)), "xlsx")
    assert line.errors == ()
    assert line.data["search"]["source"]["type"] == "Subscription"


def test_dates_in_a_sheet_may_be_serials_or_date_cells_or_text() -> None:
    start, noon, text = 45992, datetime(2025, 12, 1, 12, 0, 0), "2025-12-31"
    lines = read_lines(
        table(
            row(Usage_Start_Time=start, Usage_End_Time=noon),
            row(Usage_Start_Time=45992.5, Usage_End_Time=text),
            row(Usage_Start_Time=45992.999988425925, Usage_End_Time=text),
        ),
        "xlsx",
    )
    assert [tuple(line.data["period"].values()) for line in lines] == [
        ("2025-12-01T00:00:00.000Z", "2025-12-01T12:00:00.000Z"),
        ("2025-12-01T12:00:00.000Z", "2025-12-31T00:00:00.000Z"),
        ("2025-12-01T23:59:59.000Z", "2025-12-31T00:00:00.000Z"),
    ]


def test_numbers_in_text_columns_of_a_sheet_are_text_and_text_in_number_columns_is_a_number() -> None:
    line = one(table(row(Entry_ID=1001, Quantity=" 2.50 ")), "xlsx")
    assert (line.data["externalIds"]["vendor"], line.data["quantity"]) == ("1001", Decimal("2.50"))


def test_headers_match_whatever_their_case_and_spaces_and_order() -> None:
    headers = [header.upper().replace(" ", "  ") for header in reversed(HEADERS)]
    line = one(table(list(reversed(row())), headers=headers), "xlsx")
    assert line == Line(2, DATA)


def test_a_csv_may_use_semicolons_and_dotted_paths_and_quotes() -> None:
    header = ";".join(field.path.upper() for field in FIELDS)
    cells = row(Description1='two\nlines; "quoted"')
    values = ";".join('"' + str("" if cell is None else cell).replace('"', '""') + '"' for cell in cells)
    lines = read_lines(f"{header}\n\n{values}\n;;;\n{values}\n".encode("utf-8-sig"), "csv")
    assert [(line.number, line.errors) for line in lines] == [(3, ()), (6, ())]
    assert lines[0].data["description"]["value1"] == 'two\nlines; "quoted"'


# -- what is said of a wrong line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"externalIds__vendor": None}, "externalIds.vendor: is missing"),
        ({"externalIds__invoice": "  "}, "externalIds.invoice: is missing"),
        ({"externalIds__vendor": 7}, "externalIds.vendor: must be text, found a number"),
        ({"quantity": "10"}, "quantity: must be a number, found text"),
        ({"quantity": True}, "quantity: must be a number, found a boolean"),
        ({"price__PPx1": [1]}, "price.PPx1: must be a number, found an array"),
        ({"period__start": 45992}, "period.start: must be text, found a number"),
        (
            {"period__start": "June"},
            "period.start: must be a date like 2025-06-30 or 2025-06-30T23:59:59Z, found 'June'",
        ),
        (
            {"period__end": "2025-05-31"},
            "period.end: 2025-05-31T00:00:00.000Z is before the start, 2026-02-01T00:00:00.000Z",
        ),
        (
            {"search__source__type": "Order"},
            "search.source.type: unknown source type 'Order'; one of Subscription, Agreement, Asset",
        ),
        (
            {"search__order": {"criteria": "order.id"}},
            "search.order.value: is missing, although the order criteria is given; give both or none",
        ),
        ({"description": "text"}, "description: must be an object, found text"),
        (
            {"description__value1": "a\x00b"},
            "description.value1: holds a control character or half a surrogate pair; take it out",
        ),
        ({"quantity": 10**16}, "quantity: is beyond 1,000,000,000,000,000"),
        ({"quantity": float("nan")}, "quantity: must be a finite number"),
        ({"quantity": float("-inf")}, "quantity: must be a finite number"),
    ],
)
def test_a_wrong_line_says_where_and_what(changes: dict[str, Any], message: str) -> None:
    assert one(jsonl(**changes)).errors == (message,)


@pytest.mark.parametrize(
    "number", ["1e400", "1e-400", "1e999999999999999999999", "0.12345678901234567890123456789", "9" * 5000, "-1e15000"]
)
def test_a_number_beyond_all_measure_is_an_error_of_its_line(number: str) -> None:
    content = jsonl() + b"\n" + jsonl().replace(b'"quantity": 2', f'"quantity": {number}'.encode()) + b"\n" + jsonl()
    good, bad, last = read_lines(content, "jsonl")
    assert (good.errors, last.errors) == ((), ())
    [message] = bad.errors
    assert message.startswith("quantity: ")


def test_a_wrong_line_keeps_what_is_right_and_names_every_error() -> None:
    line = one(jsonl(quantity=None, price=None, period__start="?"))
    assert [message.partition(":")[0] for message in line.errors] == [
        "period.start",
        "quantity",
        "price.unitPP",
        "price.PPx1",
    ]
    assert line.data["externalIds"]["vendor"] == "row-1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Quantity": "2,5"}, "column M \"Quantity\": must be a number like 1234.50, found '2,5'"),
        ({"Entry_ID": None}, 'column A "Entry ID": is missing'),
        (
            {"Usage_End_Time": 3},
            'column L "Usage End Time": must be a date; 3 is not the number of a day in a spreadsheet',
        ),
        ({"Entry_ID": True}, 'column A "Entry ID": must be text, found a boolean'),
        (
            {"Order_Search_Value": "ORD-1"},
            'column G "Order Search Criteria": is missing, although the order value is given; give both or none',
        ),
    ],
)
def test_an_error_in_a_table_names_the_column(changes: dict[str, object], message: str) -> None:
    assert one(table(row(**changes)), "xlsx").errors == (message,)


def test_a_failed_formula_is_an_error_of_its_line() -> None:
    headers = make_files.inline(HEADERS, row=1)
    content = make_files.workbook(f'{headers}<row r="2"><c r="M2" t="e"><v>#N/A</v></c></row>')
    assert any("the cell shows #N/A" in message for message in one(content, "xlsx").errors)


def test_a_csv_row_with_too_many_values_says_so() -> None:
    content = charge_files.write_csv([DATA]).removesuffix(b"\r\n") + b",surplus\r\n"
    assert one(content, "csv").errors == ("has 20 values, the header names 19; quote values that hold the separator",)


# -- what cannot be read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (jsonl() + b"\n{]\n", "line 2, column 2: not valid JSON"),
        (jsonl() + b"\n\n[1]", "line 3: must be a JSON object, found an array"),
        (b"null", "line 1: must be a JSON object, found null"),
        (b"{}\n\xff", "line 2: byte 3 of the file is not UTF-8"),
        (b"", "is empty"),
        (b"\n \n", "holds no charges"),
        (b'{"a": NaN, "b"}', "line 1, column 15: not valid JSON"),
    ],
)
def test_a_jsonl_file_that_cannot_be_read_says_where(content: bytes, place: str) -> None:
    assert place in refusal(content, "jsonl")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a,b\n1,2\n", "row 1: no header row"),
        (b"Entry ID,Quantity\n1,2\n", 'row 1: no column "Vendor Invoice Reference" (externalIds.invoice)'),
        (b"Entry ID,externalIds.vendor\n", 'column B "externalIds.vendor" and column A "Entry ID" are the same column'),
        (",".join(HEADERS).encode() + b'\n"x"y,1\n', "line 2: not valid CSV"),
        (",".join(HEADERS).encode() + b'\n"x\n', "line 2: not valid CSV"),
        (",".join(HEADERS).encode() + b"\n", "holds no charges"),
        (",".join(HEADERS).encode() + b"\n\xe9\n", "line 2: byte"),
    ],
)
def test_a_csv_file_that_cannot_be_read_says_where(content: bytes, place: str) -> None:
    assert place in refusal(content, "csv")


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1_000])
def test_what_is_not_utf8_is_found_wherever_a_text_is_cut(
    mark: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charge_files, "CHECKED", size)
    sound = '{"segment": "\N{EURO SIGN}\N{MUSICAL SYMBOL G CLEF}\N{LATIN SMALL LETTER E WITH ACUTE}"}'
    for wrong in (b"\xff", b"\xe2\x82\x7d", b"\xf0\x9d\x84", b"\x80\x80"):
        text = b"\n" + sound.encode("utf-8") + wrong
        with pytest.raises(UnicodeDecodeError) as whole:
            text.decode()
        assert f"line 2: byte {whole.value.start} of the file is not UTF-8" in refusal(mark + text, "jsonl")


@pytest.mark.parametrize(("kind", "content"), [("csv", b",\r\n"), ("jsonl", b" \n")])
def test_blank_lines_come_in_short_portions_too(kind: Kind, content: bytes) -> None:
    portions = charge_files.portions(content * 1_000, kind)
    assert [next(portions) for _ in range(9)] == [[]] * 9


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"no zip", "not an XLSX file: no zip archive"),
        (sheets.OLE + b"x" * 600, "protected by a password"),
        (table(row())[:-30], "cut off"),
        (make_files.package({}), "not an XLSX file: no part 'xl/worksheets/sheet1.xml'"),
        (make_files.workbook("<row><c"), "xl/worksheets/sheet1.xml: not valid XML"),
        (make_files.workbook(""), "row 1: no header row"),
        (make_files.workbook(make_files.inline(HEADERS, row=3)), "the first row with values is 3"),
        (make_files.workbook(make_files.inline(["x"], row=1)), "row 1: no header row"),
        (make_files.workbook('<row r="1"><c r="A1" t="s"><v>4</v></c></row>'), "cell A1: refers to a text"),
        (make_files.workbook('<row r="1"><c r="A1"><v>4x</v></c></row>'), "cell A1: '4x' is stored as a number"),
        (make_files.workbook('<row r="1"><c r="é1"><v>4</v></c></row>'), "a cell named"),
        (make_files.workbook('<row r="2"/><row r="2"/>'), "row 2 of the sheet comes after row 2"),
    ],
)
def test_a_workbook_that_cannot_be_read_says_where(content: bytes, place: str) -> None:
    assert place in refusal(content, "xlsx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_workbook_with_a_document_type_is_refused(encoding: str) -> None:
    xml = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE w [<!ENTITY a "b">]><worksheet>&a;</worksheet>'
    content = make_files.package({"xl/worksheets/sheet1.xml": xml.encode(encoding)})
    assert "declares a document type" in refusal(content, "xlsx")


@pytest.mark.parametrize("encoding", ["utf-9", "shift_jis", "é"])
def test_a_workbook_in_an_encoding_of_its_own_is_refused(encoding: str) -> None:
    xml = f'<?xml version="1.0" encoding="{encoding}"?><worksheet/>'.encode()
    assert "not valid XML" in refusal(make_files.package({"xl/worksheets/sheet1.xml": xml}), "xlsx")


def test_days_counted_from_1904_are_refused_rather_than_read_wrong() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    target = io.BytesIO()
    book.save(target)
    assert "1904" in refusal(target.getvalue(), "xlsx")


@given(st.binary(max_size=400), st.sampled_from(KINDS))
def test_no_bytes_at_all_bring_more_than_a_refusal(content: bytes, kind: Kind) -> None:
    with contextlib.suppress(Refusal):
        read_lines(content, kind)


GOOD_BOOK = table(row(), row())


@given(st.integers(0, len(GOOD_BOOK) - 1), st.binary(min_size=1, max_size=8))
def test_no_damage_to_a_workbook_brings_more_than_a_refusal(place: int, damage: bytes) -> None:
    content = GOOD_BOOK[:place] + damage + GOOD_BOOK[place + len(damage) :]
    with contextlib.suppress(Refusal):
        read_lines(content, "xlsx")


# -- what is too large -------------------------------------------------------------------------------------------------

SMALL = dataclasses.replace(LIMITS, file_bytes=5_000, rows=3, text=50, line_bytes=2_000, columns=20)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("jsonl", b" " * 5_001),
        ("jsonl", b"{}\n" * 5),
        ("csv", charge_files.write_csv([DATA]) + b"\n\n\n"),
        ("xlsx", make_files.workbook('<row r="4"><c><v>1</v></c></row>')),
        ("jsonl", jsonl(description__value1="x" * 51)),
        ("csv", charge_files.write_csv([DATA]).replace(b"Seats", b"S" * 51)),
        ("jsonl", b'{"x":"' + b"x" * 2_000 + b'"}'),
        ("csv", charge_files.write_csv([DATA]) + b'"' + b"x\n" * 1_000),
        ("csv", b"," * 20),
        ("xlsx", make_files.workbook('<row><c r="U1"/></row>')),
        ("xlsx", make_files.workbook(f"<row>{'<c/>' * 21}</row>")),
        ("jsonl", b'{"x":' + b"[" * 33 + b"]" * 33 + b"}"),
        ("jsonl", b'{"x":' + b"[" * 900),
    ],
)
def test_a_file_over_a_limit_is_too_large(kind: Kind, content: bytes) -> None:
    with pytest.raises(TooLarge):
        read_lines(content, kind, limits=SMALL)


def test_brackets_in_text_do_not_count_as_nesting() -> None:
    assert one(jsonl(description__value1='[{\\"' * 40)).errors == ()


def cheaply(content: bytes, limits: Limits = LIMITS) -> str:
    """The reason why a workbook is too large, which must be found with little memory and within a second or so."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(TooLarge) as caught:
            read_lines(content, "xlsx", limits=limits)
        assert tracemalloc.get_traced_memory()[1] < len(content) + 8 * 2**20
        assert time.process_time() - started < 5
    finally:
        tracemalloc.stop()
    return str(caught.value)


def test_a_bomb_of_ten_gigabytes_is_refused_by_its_directory() -> None:
    assert "unpacks to more than" in cheaply(make_files.bomb())


def test_a_bomb_whose_directory_lies_is_cut_short() -> None:
    assert "cannot be unpacked" in refusal(make_files.bomb(declared=1000), "xlsx")
    limits = dataclasses.replace(LIMITS, unpacked_bytes=2 * 2**20)
    assert "unpacks to more than" in cheaply(make_files.bomb(unpacked=64 * 2**20), limits)


def test_far_cells_of_a_small_file_take_no_memory() -> None:
    corner = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="IV1048576"><v>1</v></c></row>'
    tracemalloc.start()
    refusal(make_files.workbook(corner), "xlsx")
    rows = list(sheets.sheet_rows(make_files.workbook(corner)))
    assert [number for number, _ in rows] == [1, 1_048_576]
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_a_sheet_of_16384_columns_is_refused_after_its_first_cells() -> None:
    wide = "".join(f'<row r="{number}">{"<c><v>1</v></c>" * 16_384}</row>' for number in range(1, 40))
    limits = dataclasses.replace(LIMITS, ratio=10_000)
    # The texts are not even XML: they are never looked at.
    content = make_files.workbook(wide, strings="<")
    assert "256 columns are the most" in cheaply(content, limits)


@pytest.mark.parametrize(
    "inside",
    ["<x>" * 5_000_000, '<row r="' + "1" * 5_000_000 + '"/>', "<!--" + " " * 5_000_000 + "-->"],
    ids=["deep", "long tag", "long comment"],
)
def test_xml_that_is_costly_to_parse_is_refused(inside: str) -> None:
    cheaply(make_files.workbook(inside), dataclasses.replace(LIMITS, ratio=100_000))


def test_a_workbook_of_very_many_parts_is_refused() -> None:
    parts = {f"xl/media/{number}.png": b"" for number in range(5_000)}
    assert "parts" in cheaply(make_files.package(parts))


def test_many_lines_are_read() -> None:
    content = charge_files.write_jsonl(make_files.journal_lines(["sub"], ["item"], count=20_000))
    lines = read_lines(content, "jsonl")
    assert len(lines) == 20_000
    assert not any(line.errors for line in lines)


# -- the template and the samples --------------------------------------------------------------------------------------


def test_the_template_holds_the_headers_in_their_columns() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(charge_files.journal_template())).worksheets[0]
    assert [cell.value for cell in sheet[1]] == HEADERS
    assert (sheet["D1"].value, sheet["R1"].value) == ("Source", "Market Segment")
    assert "holds no charges" in refusal(charge_files.journal_template(), "xlsx")


@pytest.mark.parametrize("kind", KINDS)
def test_the_samples_are_valid(kind: Kind) -> None:
    lines = read_lines((make_files.FOLDER / f"journal.{kind}").read_bytes(), kind)
    assert lines
    assert [line.errors for line in lines] == [()] * len(lines)
