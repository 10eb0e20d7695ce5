"""Documents of invoices: every type that is listed is what it says it is, under its name, and the same each time."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree

from contracts.apis.accounts.stage import Stage, rows
from contracts.apis.accounts.summaries import APIS, SPEC, holder
from contracts.findings import Finding
from contracts.probe import Nothing, Probe
from contracts.registry import check
from contracts.wire import Caller, Exchange

OPERATION = "downloadInvoiceDocument"
PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OCTETS = "application/octet-stream"
TYPES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("PDF_DETAILS", "PDF_SUMMARY", "INVOICE_PDF", "BOLETO_PDF"), (PDF, "pdf")),
    **dict.fromkeys(("EXCEL_DETAILS", "EXCEL_SUMMARY"), (XLSX, "xlsx")),
    "NF_URL": ("text/plain", ""),
}
"""fileType -> media type, and the end of the file's name; "" where there is no file"""
_CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}c"
_VALUE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}v"
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_FIGURE = re.compile(rb"\((-?[0-9]+\.[0-9]{2})(?: [A-Z]{3})?\) ?Tj")
Listed = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""Account, invoice and document, as its summary lists them"""


@check(
    "accounts.documents",
    proves="documents of every type are what they say: media type, name, length, bytes, and the invoice's figures",
    codes=("F701", "F702", "F704", "F705"),
    cases=lambda api: list(TYPES),
    apis=APIS,
)
def documents(p: Probe, case: str) -> Iterator[Finding]:
    stage, caller = holder(p)
    found = _listed(stage, caller, case)
    if not found:
        raise Nothing(f"no document of the type {case} is listed")
    for each in found:
        yield from _judged(p, caller, each)


def _listed(stage: Stage, caller: Caller, kind: str) -> list[Listed]:
    """One document of the type for each type of invoice, of invoices of several lines as their amounts suggest."""
    found: dict[str, Listed] = {}
    for number, invoice in stage.invoices(caller):
        for document in rows(invoice, "documents"):
            known = found.get(str(invoice.get("type")))
            if document.get("fileType") == kind and (known is None or _size(invoice) > _size(known[1])):
                found[str(invoice.get("type"))] = (number, invoice, document)
    return list(found.values())


def _size(invoice: Mapping[str, Any]) -> float:
    amount = invoice.get("amount")
    return abs(amount) if isinstance(amount, (int, float)) else 0.0


def _judged(p: Probe, caller: Caller, listed: Listed) -> Iterator[Finding]:
    number, invoice, document = listed
    kind, id = str(document.get("fileType")), str(document.get("documentId"))
    params = {"accountNumber": number, "invoiceId": str(invoice.get("invoiceId"))}
    query = f"documentId={id}"
    exchange = p.expect(p.call(OPERATION, caller, params, query=query), 200)
    media, suffix = TYPES[kind]
    name = f"{invoice.get('invoiceId')}_{id}.{suffix}"
    answer = exchange.answer
    told = _name(answer.headers.get("content-disposition", ""))
    length = answer.headers.get("content-length")
    if answer.media != media:
        yield _wrong(p, "F702", exchange, "type", media, answer.media or "none", "M")
    elif suffix and told != name:
        yield _wrong(p, "F702", exchange, "name", name, told or "none", "M")
    elif length is not None and length != str(len(answer.content)):
        yield _wrong(p, "F702", exchange, "length", length, f"{len(answer.content)} bytes", "M")
    elif (wrong := fault(kind, answer.content)) is not None:
        yield _wrong(p, "F704", exchange, "bytes", f"a document of {media}", f"{kind}: {wrong}", "M")
    elif (total := TOTALS.get(suffix, _none)(answer.content)) not in (None, _amount(invoice)):
        yield _wrong(
            p, "F705", exchange, "total", f"{_amount(invoice)}, as the invoice has it", f"{kind}: {total}", "M"
        )
    else:
        yield from _again(p, caller, exchange, params, query, kind)


def _again(
    p: Probe, caller: Caller, exchange: Exchange, params: Mapping[str, str], query: str, kind: str
) -> Iterator[Finding]:
    """The same once more, and as plain bytes."""
    again = p.expect(p.call(OPERATION, caller, params, query=query), 200)
    if again.answer.content != exchange.answer.content:
        yield _wrong(p, "F701", again, "again", "the same bytes as before", "others", "M", exchange)
        return
    plain = p.expect(p.call(OPERATION, caller, params, query=query, headers={"accept": OCTETS}), 200)
    if plain.answer.content != exchange.answer.content:
        yield _wrong(p, "F701", plain, "as bytes", "the same bytes as before", "others", "M", exchange)
    elif plain.answer.media != OCTETS:
        yield _wrong(p, "F702", plain, "as bytes", OCTETS, plain.answer.media, "M")


def _name(disposition: str) -> str:
    found = re.search(r'filename="?([^";]+)"?', disposition)
    return found[1] if found else ""


def _amount(invoice: Mapping[str, Any]) -> Decimal:
    """Without its sign: whether that is right is told of the summary."""
    return abs(Decimal(str(invoice.get("amount"))))


def fault(kind: str, content: bytes) -> str | None:
    """What keeps a document from being of its type; None if nothing does."""
    media, _ = TYPES[kind]
    if not content:
        return "nothing"
    if media == PDF:
        if not content.startswith(b"%PDF-"):
            return f"bytes that begin with {content[:8]!r}"
        return None if b"%%EOF" in content[-1024:] else "a PDF that is cut off"
    if media == XLSX:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                whole = book.testzip() is None and "xl/workbook.xml" in book.namelist()
        except zipfile.BadZipFile:
            return "no workbook"
        return None if whole else "a workbook that is damaged"
    text = content.decode("utf-8", "replace").strip()
    return None if re.fullmatch(r"https?://\S+", text) else f"{text[:60]!r}, which is no address"


def _none(content: bytes) -> Decimal | None:
    return None


def _total(content: bytes) -> Decimal | None:
    """The last figure of a workbook's first page, which is its total; None where there is no figure."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        page = min(each for each in book.namelist() if each.startswith("xl/worksheets/"))
        root = ElementTree.fromstring(book.read(page))
    figures = [cell.findtext(_VALUE) for cell in root.iter(_CELL) if cell.get("t", "n") == "n"]
    return _money([each for each in figures if each is not None])


def _printed(content: bytes) -> Decimal | None:
    """The last amount that a PDF prints as plain text; None where there is none, as in one of glyphs alone."""
    texts = []
    for packed in _STREAM.findall(content):
        try:
            texts.append(zlib.decompress(packed))
        except zlib.error:
            continue
    return _money([each.decode() for each in _FIGURE.findall(b"\n".join(texts))])


def _money(figures: list[str]) -> Decimal | None:
    try:
        return abs(Decimal(figures[-1]).quantize(Decimal("0.01")))
    except (IndexError, InvalidOperation):
        return None


TOTALS = {"xlsx": _total, "pdf": _printed}


def _wrong(
    p: Probe, code: str, exchange: Exchange, subject: str, expected: str, came: str, source: str, *before: Exchange
) -> Finding:
    return p.finding(
        code, exchange, expected=expected, came=came, source=source, place=SPEC, subject=subject, steps=before
    )
