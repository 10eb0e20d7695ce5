"""Which members a caller sees, in bodies, lists, filters, orders, files and references, and which it writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from mockserver import negotiation
from mockserver.exchange import Exchange
from mockserver.reply import Reply
from mockserver.work import Work
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import (
    Server,
    Spoil,
    answered,
    during,
    of_record,
    put,
    replied,
    rows,
    tables,
)
from tests.faulty.tables import hides, omits, writes

PRICE = ("price.totalSP", "price.markup", "price.margin")


def _asked(place: str, *paths: str) -> Spoil:
    """A filter or an order that knows what is hidden."""

    def make(right: Any) -> Any:
        def told(what: Any, shape: Any, *, hidden: frozenset[str], **more: Any) -> Any:
            return right(what, shape, hidden=hidden - frozenset(paths), **more)

        return told

    return during(f"mockserver.rql.{place}", make)


def _in_files(media: str) -> Spoil:
    """A file that is written as if nothing were hidden."""

    def spoil(server: Server) -> None:
        plugin = server.service.plugin
        write = plugin.exports[media]
        exports = {**plugin.exports, media: lambda charges, hidden, now: write(charges, frozenset(), now)}
        server.service.plugin = replace(plugin, exports=exports)

    return spoil


def _in_lines(reply: Reply, x: Exchange) -> Reply:
    """Lines of JSON that hold what is hidden."""
    if reply.media != negotiation.JSONL or x.role != "vendor":
        return reply
    lines = []
    for line in reply.body.splitlines():
        value = orjson.loads(line)
        of_record("price.unitSP", "price.SPx1")(value, x)
        lines.append(orjson.dumps(value) + b"\n")
    return replace(reply, body=b"".join(lines))


def _view(condition: Any) -> Spoil:
    """Views that hide nothing where a condition holds."""

    def spoil(server: Server) -> None:
        service = server.service
        right, hidden = service._view, service.hidden

        def made(entity: str, role: str, kind: str, select: Any, work: Any) -> Any:
            if not condition(entity, select):
                return right(entity, role, kind, select, work)
            service.hidden = lambda entity, role: frozenset()  # type: ignore[method-assign]
            try:
                return right(entity, role, kind, select, work)
            finally:
                service.hidden = hidden  # type: ignore[method-assign]

        service._view = made  # type: ignore[method-assign]

    return spoil


def _references_clear(server: Server) -> None:
    """A reference that is expanded shows all that lies behind it."""
    from mockserver import service as services

    def make(right: Any) -> Any:
        return lambda *given, **said: right(*given, **{**said, "hidden_of": lambda entity: frozenset()})

    during(f"{services.__name__}:View", make)(server)


def _whole_bag(right: Any) -> Any:
    """Whoever updates writes the external ids of everybody."""

    def written(x: Exchange, record: Any) -> Any:
        made = right(x, record)
        if isinstance(x.body, dict) and isinstance(x.body.get("externalIds"), dict):
            made["externalIds"] = {**made.get("externalIds", {}), **x.body["externalIds"]}
        return made

    return written


def _all_keys(right: Any) -> Any:
    def own(work: Work, bag: Any) -> Any:
        return dict(bag or {})

    return own


def _untold(value: Any, x: Exchange) -> None:
    value.pop("$meta", None)


def _old_name(value: Any, x: Exchange) -> None:
    if "name" in value:
        put(value, "name", value["name"].upper())


B, C = "billing", "credits"

ROWS: tuple[Row, ...] = (
    (
        B,
        "markup-in-journal",
        "R204",
        "getJournal",
        "A vendor sees the sale price of a journal by its id.",
        answered("getJournal", of_record(*PRICE), role="vendor"),
    ),
    (
        B,
        "cost-in-statement",
        "R204",
        "getStatement",
        "A client sees what was paid for a statement by its id.",
        answered("getStatement", of_record("price.totalPP", "price.markup"), role="client"),
    ),
    (
        B,
        "markup-in-journals",
        "R205",
        "listJournals",
        "A vendor sees the sale prices of journals in the list.",
        rows("listJournals", of_record(*PRICE), role="vendor"),
    ),
    (
        B,
        "cost-in-charges",
        "R205",
        "listStatementCharges",
        "A client sees purchase prices of charges in the list.",
        rows("listStatementCharges", of_record("price.unitPP", "price.PPx1"), role="client"),
    ),
    (
        B,
        "margin-in-lines",
        "R205 R204",
        "InvoiceLine",
        "A client sees the margin of invoice lines.",
        tables(hides("InvoiceLine", "salesMargin", "client", "operations")),
    ),
    (
        B,
        "hidden-after-create",
        "R204",
        "createJournal",
        "The answer to a new journal shows its vendor what is hidden.",
        answered("createJournal", of_record("price.totalSP", "processing"), role="vendor"),
    ),
    (
        B,
        "hidden-after-update",
        "R204",
        "updateInvoice",
        "The answer to an update shows the client what is hidden.",
        answered("updateInvoice", of_record("price.totalPP", "price.markup", "price.margin"), role="client"),
    ),
    (
        B,
        "hidden-by-filter",
        "R206",
        "listJournals",
        "A vendor may filter by a sale price that it must not see.",
        _asked("filtering:sieve", *PRICE),
    ),
    (
        B,
        "hidden-by-order",
        "R206",
        "listStatements",
        "A client may order by a margin that it must not see.",
        _asked("ordering:keys", *PRICE),
    ),
    (
        B,
        "hidden-in-csv",
        "R207",
        "getJournalChargesFile",
        "The CSV of a journal shows its vendor sale prices.",
        _in_files(negotiation.CSV),
    ),
    (
        B,
        "hidden-in-xlsx",
        "R207",
        "getJournalChargesFile",
        "The XLSX of a journal shows its vendor sale prices.",
        _in_files(negotiation.XLSX),
    ),
    (
        B,
        "hidden-in-jsonl",
        "R207",
        "getJournalChargesFile",
        "The JSON Lines of a journal show its vendor sale prices.",
        replied("listJournalCharges", _in_lines),
    ),
    (
        B,
        "hidden-by-select",
        "R204 R205",
        "",
        "Whoever selects anything sees what is hidden.",
        _view(lambda entity, select: bool(select)),
    ),
    (
        B,
        "hidden-by-reference",
        "R205 R204",
        "",
        "A reference that is expanded shows what is hidden of its object.",
        _references_clear,
    ),
    (
        B,
        "notes-hidden",
        "R208",
        "Journal",
        "A vendor does not see the notes of its journals.",
        tables(hides("Journal", "notes", "operations")),
    ),
    (
        B,
        "sale-price-hidden",
        "R208",
        "Statement",
        "A client does not see what its statements come to.",
        tables(hides("Statement", "price.totalSP", "operations")),
    ),
    (
        B,
        "audit-in-list",
        "R209",
        "listLedgers",
        "A list shows the audit though nobody selected it.",
        tables(omits("Ledger", "list")),
    ),
    (
        B,
        "lines-in-invoice",
        "R209",
        "getInvoice",
        "An invoice shows its lines though nobody selected them.",
        tables(omits("Invoice", "read")),
    ),
    (
        B,
        "omitted-untold",
        "R209",
        "getJournal",
        "A journal does not say what it leaves out.",
        answered("getJournal", _untold),
    ),
    (
        B,
        "status-by-client",
        "R210",
        "updateInvoice",
        "A client sets the status of its invoice.",
        tables(writes("Invoice", "status", "client", "operations")),
    ),
    (
        B,
        "assignee-by-vendor",
        "R210",
        "updateJournal",
        "A vendor assigns its journal to somebody.",
        tables(writes("Journal", "assignee", "vendor", "operations")),
    ),
    (
        B,
        "keys-of-others",
        "R210",
        "updateJournal",
        "A vendor overwrites the key that Operations gave a journal.",
        during("mockserver.handlers:written", _whole_bag),
    ),
    (
        B,
        "notes-not-written",
        "R211 W415",
        "updateJournal",
        "The notes of Operations are not kept.",
        tables(writes("Journal", "notes", "vendor")),
    ),
    (
        B,
        "payment-not-written",
        "R211 W415",
        "updateInvoice",
        "What Operations write of the payment is not kept.",
        tables(writes("Invoice", "erpData.payment")),
    ),
    (
        B,
        "list-differs-from-id",
        "R212",
        "listCustomLedgers",
        "A list shows other names than the objects have.",
        rows("listCustomLedgers", _old_name),
    ),
    (
        C,
        "items-in-list",
        "R209",
        "fetchInvoicesForAccount",
        "A list of invoices shows their items.",
        tables(omits("AccountInvoice", "list")),
    ),
    (
        C,
        "credit-differs-from-payment",
        "R212 M605",
        "fetchCredits",
        "The summary shows another state than the payment is in.",
        rows(
            "fetchCredits", lambda row, x: put(row, "creditState", "draft") if row["creditType"] == "payment" else None
        ),
    ),
)

DEFECTS = catalog("visibility", ROWS)
