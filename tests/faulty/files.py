"""Files that come in and go out: bytes, names, types, lengths, lines, exports."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any

from mockserver import negotiation
from mockserver.domain.errors import UnsupportedMedia
from mockserver.exchange import Exchange
from mockserver.reply import Reply
from mockserver.work import Upload
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Around, Handler, Server, Spoil, during, handled, loader, replied, tables
from tests.faulty.tables import conventions

JSONL_MEDIA = "application/jsonl"
ATTACH = "createJournalAttachment createInvoiceAttachment createCustomLedgerAttachment"


def _uploaded(change: Any) -> Around:
    """A file that is kept otherwise than it came."""

    def around(x: Exchange, go: Handler) -> Reply:
        assert x.file is not None
        x.file = change(x.file)
        return go(x)

    return around


def _described(change: Any) -> Around:
    """What is known of a file is something else than what it is."""

    def around(x: Exchange, go: Handler) -> Reply:
        reply = go(x)
        for entity, id, row in list(x.work.layer.changed()):
            if row is not None and entity == x.operation.entity:
                x.work.put(entity, {**row.record, **change(row.record)})
                made = x.work.row(entity, id)
                assert made is not None
                value = x.service.view(entity, x.role, "read", (), x.work).project(made.record, meta=True)
                from mockserver import wire

                reply = replace(reply, body=wire.dump(value))
        return reply

    return around


def _ascii(file: Upload) -> Upload:
    return replace(file, filename=file.filename.encode("ascii", "ignore").decode() or "file")


def _text(file: Upload) -> Upload:
    return replace(file, content=file.content.decode("utf-8", "replace").encode())


def _one_ending(file: Upload) -> Upload:
    return replace(file, content=file.content.replace(b"\r\n", b"\n"))


def _kilobyte(file: Upload) -> Upload:
    return replace(file, content=file.content[:1024])


def _all_but_last(right: Any) -> Any:
    return lambda *given, **said: right(*given, **said)[:-1]


def _portions(make: Any) -> Any:
    """What is done to the lines of a charge file as a whole; they are read a few at a time."""

    def spoil(right: Any) -> Any:
        whole = make(lambda *given, **said: list(chain.from_iterable(right(*given, **said))))
        return lambda *given, **said: iter([whole(*given, **said)])

    return spoil


def _lines(change: Any) -> Any:
    """Lines of a charge file that say something else."""

    def make(right: Any) -> Any:
        def read(*given: Any, **said: Any) -> Any:
            return [replace(each, data=change(dict(each.data))) for each in right(*given, **said)]

        return read

    return make


def _whole_quantity(data: dict[str, Any]) -> dict[str, Any]:
    if "quantity" in data:
        data["quantity"] = Decimal(int(data["quantity"]))
    return data


def _no_description(data: dict[str, Any]) -> dict[str, Any]:
    data.pop("description", None)
    return data


def _not_read(media: str) -> Any:
    def load(right: Any, work: Any, record: Any, upload: Upload) -> Any:
        if upload.content_type.startswith(media):
            raise UnsupportedMedia(f"{media} is not read here.")
        return right(work, record, upload)

    return load


def _broken_is_empty(right: Any) -> Any:
    """A file that cannot be read has no lines."""
    from mockserver.domain.errors import Invalid

    def read(*given: Any, **said: Any) -> Any:
        try:
            return right(*given, **said)
        except Invalid:
            return []

    return read


def _exported(media: str, change: Any) -> Spoil:
    """A file that holds other charges than the list."""

    def spoil(server: Server) -> None:
        plugin = server.service.plugin
        write = plugin.exports[media]
        exports = {**plugin.exports, media: lambda charges, hidden, now: write(change(charges), hidden, now)}
        server.service.plugin = replace(plugin, exports=exports)

    return spoil


def _in_cents(charges: Any) -> Any:
    def cents(price: Any) -> Any:
        return {
            name: value.quantize(Decimal(1)) if isinstance(value, Decimal) else value for name, value in price.items()
        }

    return [{**each, "price": cents(each["price"])} for each in charges]


def _unfiltered(x: Exchange, go: Handler) -> Reply:
    if x.media in (None, negotiation.JSON):
        return go(x)
    x.query = replace(x.query, filter=None)
    return go(x)


def _one_page(x: Exchange, go: Handler) -> Reply:
    """The lines of a file are those of the first page."""
    reply = go(x)
    if reply.media != negotiation.JSONL:
        return reply
    return replace(reply, body=b"".join(reply.body.splitlines(keepends=True)[:10]))


def _content(change: Any) -> Spoil:
    """Documents that are drawn otherwise."""

    def spoil(server: Server) -> None:
        right = server.service.plugin.content
        server.service.plugin = replace(server.service.plugin, content=lambda file: change(right(file)))

    return spoil


def _short(reply: Reply, x: Exchange) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2]) if reply.status == 200 else reply


def _always_pdf(reply: Reply, x: Exchange) -> Reply:
    return replace(reply, media=negotiation.PDF) if reply.media == negotiation.XLSX else reply


def _another_name(reply: Reply, x: Exchange) -> Reply:
    if "Content-Disposition" not in reply.headers:
        return reply
    return replace(reply, headers={**reply.headers, "Content-Disposition": 'attachment; filename="download"'})


def _more_total(right: Any) -> Any:
    """The total that is printed is not the invoice's."""
    return lambda paper, sheet: right(paper, replace(sheet, total=sheet.total + 1))


def _file_stays(x: Exchange, go: Handler) -> Reply:
    """A deleted attachment does not say so."""
    assert x.row is not None
    record = x.row.record
    reply = go(x)
    x.work.put(x.operation.entity, record)
    return reply


B, A = "billing", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "bytes-as-text",
        "F701",
        "Attachment",
        "Files are kept as text; what is none is damaged.",
        handled(ATTACH, _uploaded(_text)),
    ),
    (
        B,
        "line-endings-changed",
        "F701",
        "Attachment",
        "Line endings of files are changed.",
        handled(ATTACH, _uploaded(_one_ending)),
    ),
    (
        B,
        "first-kilobyte",
        "F701",
        "Attachment",
        "Of files no more than a kilobyte is kept.",
        handled(ATTACH, _uploaded(_kilobyte)),
    ),
    (
        B,
        "name-in-small-letters",
        "F702",
        "Attachment",
        "Names of files are written in small letters.",
        handled(ATTACH, _uploaded(lambda file: replace(file, filename=file.filename.lower()))),
    ),
    (
        B,
        "name-in-ascii",
        "F702",
        "Attachment",
        "Names of files lose letters that are not English.",
        handled(ATTACH, _uploaded(_ascii)),
    ),
    (
        B,
        "type-forgotten",
        "F702",
        "Attachment",
        "The type of files is not kept.",
        handled(ATTACH, _described(lambda record: {"contentType": "text/plain"})),
    ),
    (
        B,
        "size-one-off",
        "F702",
        "Attachment",
        "The size of files is one too low.",
        handled(ATTACH, _described(lambda record: {"size": record["size"] - 1})),
    ),
    (
        B,
        "program-accepted",
        "F706",
        "Attachment",
        "A program is taken for an attachment.",
        tables(
            conventions(
                attachments={
                    "accepts": [
                        "application/x-msdownload",
                        "application/octet-stream",
                        "application/x-sh",
                        "application/javascript",
                        "video/mp4",
                        "audio/mpeg",
                        "application/pdf",
                        "image/png",
                        "text/plain",
                        "image/jpeg",
                        "application/json",
                        "text/csv",
                        "application/msword",
                        "application/vnd.ms-excel",
                        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                        "application/rtf",
                        "text/rtf",
                        "image/tiff",
                        "application/jsonl",
                        "text/html",
                        "application/xml",
                        "text/xml",
                        "application/zip",
                        "application/x-7z-compressed",
                        "application/gzip",
                    ]
                }
            )
        ),
    ),
    (
        B,
        "picture-refused",
        "F707",
        "Attachment",
        "No attachment but a PDF is taken.",
        tables(conventions(attachments={"accepts": ["application/pdf"]})),
    ),
    (
        B,
        "deleted-attachment-there",
        "W414",
        "Attachment",
        "A deleted attachment does not say so.",
        handled("deleteJournalAttachment deleteInvoiceAttachment", _file_stays),
    ),
    (
        B,
        "last-line-dropped",
        "F703",
        "",
        "The last line of a charge file is dropped.",
        during("mockserver.apis.billing.charge_files:portions", _portions(_all_but_last)),
    ),
    (
        B,
        "last-row-dropped",
        "F703",
        "",
        "The last row of a custom ledger's file is dropped.",
        during("mockserver.apis.billing.custom_ledger_files:read_rows", _all_but_last),
    ),
    (
        B,
        "whole-quantities",
        "F703",
        "",
        "Quantities of charges are cut to whole numbers.",
        during("mockserver.apis.billing.charge_files:portions", _portions(_lines(_whole_quantity))),
    ),
    (
        B,
        "descriptions-dropped",
        "F703",
        "",
        "Descriptions of charges are dropped.",
        during("mockserver.apis.billing.charge_files:portions", _portions(_lines(_no_description))),
    ),
    (
        B,
        "jsonl-refused",
        "F707",
        "uploadJournalCharges",
        "A charge file of JSON Lines is refused.",
        loader("Journal", _not_read(JSONL_MEDIA)),
    ),
    (
        B,
        "xlsx-refused",
        "F707",
        "uploadJournalCharges",
        "A charge file of XLSX is refused.",
        loader("Journal", _not_read(negotiation.XLSX)),
    ),
    (
        B,
        "broken-file-accepted",
        "F706",
        "uploadJournalCharges",
        "A charge file that cannot be read is taken for an empty one.",
        during("mockserver.apis.billing.charge_files:portions", _portions(_broken_is_empty)),
    ),
    (
        B,
        "csv-without-last",
        "F705",
        "",
        "The CSV of charges leaves out the last.",
        _exported(negotiation.CSV, lambda charges: charges[:-1]),
    ),
    (
        B,
        "xlsx-in-whole",
        "F705",
        "",
        "Amounts in the XLSX of charges are whole numbers.",
        _exported(negotiation.XLSX, _in_cents),
    ),
    (
        B,
        "file-unfiltered",
        "F705",
        "",
        "Files of charges ignore the filter.",
        handled("listJournalCharges listLedgerCharges", _unfiltered),
    ),
    (
        B,
        "file-of-one-page",
        "F705",
        "",
        "Files of charges hold the first page alone.",
        handled("listJournalCharges", _one_page),
    ),
    (
        B,
        "pdf-is-none",
        "F704",
        "getInvoiceAttachment",
        "The document of an invoice is no PDF.",
        _content(lambda content: b"not found"),
    ),
    (
        A,
        "document-cut",
        "F704",
        "downloadInvoiceDocument",
        "A document is cut in half.",
        replied("downloadInvoiceDocument", _short),
    ),
    (
        A,
        "workbook-as-pdf",
        "F702 F704",
        "downloadInvoiceDocument",
        "A workbook is told to be a PDF.",
        replied("downloadInvoiceDocument", _always_pdf),
    ),
    (
        A,
        "document-without-name",
        "F702",
        "downloadInvoiceDocument",
        "A document has another name than its own.",
        replied("downloadInvoiceDocument", _another_name),
    ),
    (
        A,
        "printed-total-differs",
        "F705 M601",
        "downloadInvoiceDocument",
        "The total that is printed is not the invoice's.",
        during("mockserver.apis.accounts.pdfs:_total", _more_total),
    ),
)

DEFECTS = catalog("files", ROWS)
