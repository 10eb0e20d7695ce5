"""Charge files: what goes in comes out as charges, line by line; what comes out as a file is what the list shows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from contracts.apis.billing import uploads
from contracts.apis.billing.effects import BILLING, staged
from contracts.apis.billing.ground import LONGEST, Listing, Row, below, listing
from contracts.apis.billing.money import DOUBLE, near
from contracts.apis.billing.stage import Stage
from contracts.apis.billing.uploads import JSONL, XLSX
from contracts.findings import Finding
from contracts.forms import FORM, Part, form
from contracts.journal import Thing
from contracts.probe import Nothing, Probe, member
from contracts.registry import check
from contracts.settings import Mode
from contracts.values import same
from contracts.wire import Caller, Exchange

CSV = "text/csv"
NAMES = {"jsonl": JSONL, "xlsx": XLSX, "csv": CSV}
# What a charge shows of its line, as the file has it.
CARRIED = (
    "externalIds.vendor",
    "externalIds.invoice",
    "externalIds.reference",
    "search.source.type",
    "search.source.criteria",
    "search.source.value",
    "search.item.criteria",
    "search.item.value",
    "period.start",
    "period.end",
    "quantity",
    "price.unitPP",
    "price.PPx1",
    "description.value1",
    "description.value2",
    "segment",
)


def _upload(p: Probe, thing: Thing, content: bytes, filename: str, media: str) -> Exchange:
    operation = p.stage.by_event(thing.entity, "upload")
    return p.call(
        operation,
        p.stage.acting(operation, thing),
        p.stage.params(operation, thing),
        content=form(Part("file", content, filename, media)),
        headers={"content-type": FORM},
    )


@check(
    "billing.files.in",
    proves="a file of usage becomes one charge a line, in order, with the line's own values and its own errors",
    codes=("F703", "F706", "F707"),
    mode=Mode.OWN,
    cases=lambda api: tuple(NAMES),
    apis=BILLING,
)
def lines_in(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.create("Journal")
    lines = _lines(stage)
    content = {"jsonl": uploads.jsonl, "xlsx": uploads.workbook, "csv": uploads.table}[case](lines)
    exchange = _upload(p, journal, content, f"usage.{case}", NAMES[case])
    is_taken = NAMES[case] in p.api.conventions.uploads["uploadJournalCharges"]["accepts"]
    refused = p.api.conventions.uploads["uploadJournalCharges"].get("refused", {})
    if not is_taken or NAMES[case] in refused:
        if exchange.status != p.status("media"):
            yield _finding(p, "F706", exchange, str(p.status("media")), str(exchange.status), NAMES[case])
        return
    if exchange.status >= 300:
        yield _finding(p, "F707", exchange, "200", str(exchange.status), NAMES[case])
        return
    stage.settle(journal)
    charges = below(p, journal)
    own = [row for row in charges.rows if "parent" not in row]
    if len(own) != len(lines):
        yield _finding(p, "F703", exchange, f"{len(lines)} charges, one a line", str(len(own)), "lines")
        return
    for line, row in zip(lines, own, strict=True):
        yield from _as_written(p, exchange, line, row)


def _lines(stage: Stage) -> list[dict[str, Any]]:
    """Lines with values of many kinds, one of them in error, in an order that only the file has."""
    source = stage.plain()[0]
    lines = [
        stage.line(source, "12.345678", quantity=Decimal("2.5")),
        stage.line(source, "-7.5", description={"value1": "Größe – 数量", "value2": 'a "quoted", text'}),
        stage.wrong(source),
        stage.line(source, "0.01", segment="EDU"),
    ]
    lines[0]["price"] = {"unitPP": Decimal("4.938271"), "PPx1": Decimal("12.345678")}
    return lines


def _as_written(p: Probe, exchange: Exchange, line: Mapping[str, Any], row: Row) -> Iterator[Finding]:
    for path in CARRIED:
        wanted, shown = member(line, path), member(row, path)
        if wanted is not None and not _same(wanted, shown):
            yield _finding(p, "F703", exchange, f"{path} {wanted}", str(shown), path)
            return
    is_wrong = member(line, "search.item.value") == "Item Not Found"
    state = "Error" if is_wrong else "Ready"
    if member(row, "upload.status") != state:
        yield _finding(
            p, "F703", exchange, f"upload.status {state}", str(member(row, "upload.status")), "upload.status"
        )


def _same(wanted: Any, shown: Any) -> bool:
    if isinstance(wanted, Decimal | int) and isinstance(shown, Decimal | int):
        return near(Decimal(wanted), Decimal(shown), DOUBLE)
    return same(wanted, shown)


def _finding(p: Probe, code: str, exchange: Exchange, expected: str, came: str, what: str) -> Finding:
    return p.finding(
        code, exchange, expected=expected, came=came, source="CLI, DOC", place="conventions", subject=f"Charge {what}"
    )


@check(
    "billing.files.rows",
    proves="a sheet of the ERP becomes one charge a row, and nothing but such a sheet is taken",
    codes=("F703", "F706"),
    mode=Mode.OWN,
    apis=BILLING,
)
def rows_in(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    ledger = stage.create("CustomLedger")
    rows = [stage.row(*pair, Quantity=Decimal("1.5")) for pair in (("10.5", "12.25"), ("20", "30"), ("1", "2"))]
    exchange = stage.upload(ledger, rows)
    stage.settle(ledger)
    charges = below(p, ledger)
    if len(charges.rows) != len(rows):
        yield _finding(p, "F703", exchange, f"{len(rows)} charges, one a row", str(len(charges.rows)), "rows")
        return
    carried = {"Quantity": "quantity", "Purchase Price": "price.unitPP", "Unit Price": "price.unitSP"}
    carried |= {"Vendor Invoice Reference": "externalIds.invoice", "Description": "description.value1"}
    for given, row in zip(rows, charges.rows, strict=True):
        for header, path in carried.items():
            if not _same(given[header], member(row, path)):
                yield _finding(p, "F703", exchange, f"{path} {given[header]}", str(member(row, path)), path)
                return


# What is no charge file: name, content, media type and the check that refuses it.
UNFIT: Mapping[str, tuple[bytes, str, str]] = {
    "broken.jsonl": (b'{"externalIds": ', JSONL, "body"),
    "empty.jsonl": (b"", JSONL, "body"),
    "no-sheet.xlsx": (b"PK\x03\x04 no workbook", XLSX, "body"),
    "picture.png": (b"\x89PNG", "image/png", "media"),
}


@check(
    "billing.files.unfit",
    proves="a file that cannot be read as charges is refused, and leaves the object as it was",
    codes=("F706", "W405"),
    mode=Mode.OWN,
    cases=lambda api: ("uploadJournalCharges", "uploadCustomLedgerCharges"),
    apis=BILLING,
)
def unfit(p: Probe, case: str) -> Iterator[Finding]:
    thing = p.stage.create(p.operation(case).entity)
    before = p.stage.look(thing, whole=True)
    for name, (content, media, fault) in UNFIT.items():
        if thing.entity == "CustomLedger" and media == JSONL:
            fault = "media"
        exchange = _upload(p, thing, content, name, media)
        if exchange.status < 300:
            yield _finding(p, "F706", exchange, str(p.status(fault)), str(exchange.status), name)
            return
        if p.stage.look(thing, whole=True) != before:
            yield p.finding(
                "W405",
                exchange,
                expected="an object that is as it was",
                source=p.source("body"),
                came="it changed",
                subject=f"{thing.entity} {name}",
            )


# What a column of a file shows, as a member of the charge; of several, the first that the reader sees (b.9).
COLUMNS: Mapping[str, Sequence[str]] = {
    "Charge ID": ("id",),
    "Agreement ID": ("agreement.id",),
    "Subscription ID": ("subscription.id",),
    "Item ID": ("item.id",),
    "Description": ("description.value1",),
    "Quantity": ("quantity",),
    "Unit Price": ("price.unitSP", "price.unitPP"),
    "Total": ("price.SPx1", "price.PPx1"),
    "Currency": ("price.currency.sale", "price.currency.purchase"),
    "Status": ("processing.status", "upload.status"),
}
PARENTS = {"Journal": "listJournalCharges", "Ledger": "listLedgerCharges", "CustomLedger": "listCustomLedgerCharges"}


@check(
    "billing.files.out",
    proves="a file of charges holds what the list shows to the same caller: every row, every page, the same filter",
    codes=("F704", "F705"),
    cases=lambda api: tuple(f"{id} {kind}" for id in PARENTS.values() for kind in NAMES),
    apis=BILLING,
)
def exports(p: Probe, case: str) -> Iterator[Finding]:
    id, kind = case.split(" ")
    operation = p.operation(id)
    assert operation.below is not None and operation.parent is not None
    for caller in {each.role: each for each in reversed(p.may(operation))}.values():
        params = {operation.parent: _fullest(p, operation.below, caller)}
        whole = listing(p, id, params, caller=caller)
        yield from _exported(p, id, kind, caller, params, whole, "")
        status = "processing.status" if caller.role == "operations" else "upload.status"
        query = f"eq({status},Ready)"
        yield from _exported(p, id, kind, caller, params, listing(p, id, params, query, caller), query)


def _fullest(p: Probe, entity: str, caller: Caller) -> str:
    """The object of an entity that has the most charges: more than a page, if there is one. Raises Nothing."""
    operation = p.lists(entity)
    assert operation is not None
    rows = p.facts.listed(operation, caller, pages=LONGEST).rows
    counted = [(member(row, "processing.total") or member(row, "upload.total") or 0, str(row["id"])) for row in rows]
    if not counted or not max(counted)[0]:
        raise Nothing(f"no {entity} of {caller.name} has charges")
    return max(counted)[1]


def _exported(
    p: Probe, id: str, kind: str, caller: Caller, params: Mapping[str, str], wanted: Listing, query: str
) -> Iterator[Finding]:
    exchange = p.call(id, caller, params, query=query, headers={"accept": NAMES[kind]})
    if exchange.status == 406:
        raise Nothing(f"{id} gives no {NAMES[kind]}")
    p.expect(exchange, 200)
    what = f"{kind}, filtered" if query else kind
    try:
        rows = list({"jsonl": _of_jsonl, "xlsx": _of_xlsx, "csv": _of_csv}[kind](exchange.answer.content))
    except Exception as error:  # a library meets whatever the target sent, and raises whatever it likes
        yield _out(p, "F704", exchange, f"a file of {kind}", f"unreadable: {type(error).__name__}", what)
        return
    key = "id" if kind == "jsonl" else "Charge ID"
    shown = [str(row.get(key)) for row in rows]
    if shown != wanted.ids():
        expected = f"{len(wanted.rows)} rows, as the list has them"
        yield _out(p, "F705", exchange, expected, f"{len(shown)} rows, or in another order", what)
        return
    for row, charge in zip(rows, wanted.rows, strict=True):
        for name, of_file, of_list in _cells(kind, row, charge):
            if not _alike(of_list, of_file):
                yield _out(p, "F705", exchange, f"{name} {of_list} of {charge['id']}", str(of_file), what)
                return


def _out(p: Probe, code: str, exchange: Exchange, expected: str, came: str, what: str) -> Finding:
    return p.finding(
        code, exchange, expected=expected, came=came, source="CLI, INF", place="openapi", subject=f"Charge file {what}"
    )


def _cells(kind: str, row: Row, charge: Row) -> Iterator[tuple[str, Any, Any]]:
    """(name, value in the file, value in the list)"""
    if kind == "jsonl":
        for name in dict.fromkeys([*row, *charge]):
            if name != "$meta":
                yield name, row.get(name), charge.get(name)
        return
    for header, paths in COLUMNS.items():
        shown = [value for path in paths if (value := member(charge, path)) is not None]
        if header in row:
            yield header, row[header], shown[0] if shown else None


def _alike(of_list: Any, of_file: Any) -> bool:
    if of_list is None or of_file in (None, ""):
        return of_list in (None, "") and of_file in (None, "")
    if isinstance(of_list, Decimal | int) and not isinstance(of_list, bool):
        try:
            return near(Decimal(of_list), Decimal(str(of_file)), Decimal("1e-9"))
        except ArithmeticError:
            return False
    # Text that a spreadsheet would run as a formula is kept from it by a leading quote.
    return bool(of_list == of_file) or str(of_file) in (str(of_list), f"'{of_list}")


def _of_jsonl(content: bytes) -> Iterator[Row]:
    for line in content.decode().splitlines():
        yield json.loads(line, parse_float=Decimal, parse_int=Decimal)


def _of_csv(content: bytes) -> Iterator[Row]:
    yield from csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))


def _of_xlsx(content: bytes) -> Iterator[Row]:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    rows = book.worksheets[0].iter_rows(values_only=True)
    headers = [str(each) for each in next(rows)]
    for row in rows:
        yield {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in zip(headers, row, strict=False)
        }


@check(
    "billing.files.documents",
    proves="the document of an invoice or credit memo comes at once, and is the PDF that it says it is",
    codes=("F702", "F704"),
    cases=lambda api: ("getInvoiceAttachment", "getCreditMemoAttachment"),
    apis=BILLING,
)
def documents(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    assert operation.below is not None and operation.parent is not None and operation.key is not None
    listed, parents = p.lists(operation.entity, operation.below), p.lists(operation.below)
    assert listed is not None and parents is not None
    for parent in listing(p, parents.id).rows[:8]:
        above = {operation.parent: str(parent["id"])}
        for row in listing(p, listed.id, above).rows:
            if row.get("type") == "Output" and row.get("isExternal"):
                params = {**above, operation.key: str(row["id"])}
                exchange = p.call(operation, p.who("operations"), params, headers={"accept": str(row["contentType"])})
                if p.expect(exchange, 200).answer.content[:5] != b"%PDF-":
                    came = repr(exchange.answer.content[:12])
                    yield p.finding("F704", exchange, expected="a PDF", came=came, source="CAN", place="openapi")
                return
    raise Nothing(f"no {operation.below} has a document of the ERP")
