"""How a finding of each code looks, for `contracts explain`: one row a code, in the words of a real one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from contracts.findings import Finding, Result
from contracts.wire import Answer, Caller, Exchange, Request
from specs.tables import Api, load

TARGET = "https://billing.example.org"
_NAMES = re.compile(r"{(\w+)}")
# First letter of a code -> the table or spec that most findings of its group point at.
_PLACES = {"A": "access", "R": "visibility", "S": "openapi", "W": "machines"}

# Code -> API, operation, who calls, query, what was expected, the mark of the fact, the status that came, what came.
EXAMPLES: Mapping[str, tuple[str, str, str, str, str, str, int, str]] = MappingProxyType({
    "A101": ("billing", "createJournal", "vendor", "", "let through", "RM", 403, "not for vendor"),
    "A102": ("billing", "acceptJournal", "client", "", "403", "RM", 200, '{"status": "Generating"}'),
    "A103": ("billing", "acceptJournal", "client", "", "403", "M", 404, "no such journal"),
    "A104": ("billing", "listJournals", "nobody", "", "401", "D", 200, '{"data": [...]}'),
    "A105": ("billing", "listJournals", "garbage", "", "401", "D", 200, '{"data": [...]}'),
    "A106": ("billing", "listStatements", "expired", "", "401", "D", 200, '{"data": [...]}'),
    "A107": ("billing", "createJournal", "client", "", "403, before the body is read", "M", 400, "name is required"),
    "A108": ("credits", "fetchCredits", "auditor-other", "", "403: the tenant is not one of the caller's", "D", 200,
             '{"items": [...]}'),
    "A109": ("billing", "getStatement", "client-other", "", "404: it is another client's", "D", 200, '{"id": ...}'),
    "A110": ("billing", "getStatement", "client-other", "", "what a missing one is answered with", "M", 403,
             "not yours; a missing one: 404"),
    "A111": ("billing", "getJournal", "vendor", "", "404", "D", 500, "NoneType has no attribute"),
    "R201": ("billing", "listStatements", "client", "", "rows with client.id ACC-1000-0005 alone", "D", 200,
             "a row with client.id ACC-1000-0006"),
    "R202": ("billing", "listJournals", "vendor", "", "every journal that the vendor reads by id", "D", 200,
             "BJO-1000-0001 is not among the rows"),
    "R203": ("billing", "listStatements", "client", "limit=0", "total 14, the rows there are", "M", 200, "total 61"),
    "R204": ("billing", "getStatement", "client", "", "no price.totalPP", "D", 200, "price.totalPP 118.20"),
    "R205": ("billing", "listStatements", "client", "", "no price.totalPP", "D", 200, "price.totalPP in 14 rows"),
    "R206": ("billing", "listStatements", "client", "gt(price.totalPP,100)", "400: unknown to client", "M", 200,
             "9 of 14 rows"),
    "R207": ("billing", "listStatementCharges", "client", "", "no column of purchase prices", "D", 200,
             "a column unitPP"),
    "R208": ("billing", "getStatement", "client", "", "price.totalSP", "D", 200, "no price.totalSP"),
    "R209": ("billing", "listJournals", "vendor", "", "no audit unless selected, and $meta.omitted says so", "D", 200,
             "audit in every row"),
    "R210": ("billing", "updateInvoice", "client", "", "externalIds.erp as it was", "M", 200, "externalIds.erp X-1"),
    "R211": ("billing", "updateJournal", "operations", "", "notes as sent", "M", 200, "notes as before"),
    "R212": ("billing", "listJournals", "vendor", "", "status Validated, as getJournal reads it", "M", 200,
             "status Draft"),
    "S301": ("billing", "getJournal", "vendor", "", "an answer as the spec has it", "spec", 418, ""),
    "S302": ("billing", "getJournal", "vendor", "", "application/json", "spec", 200, "text/html"),
    "S303": ("billing", "createJournalAttachment", "vendor", "", "a header Location", "spec", 201, "none"),
    "S304": ("billing", "getJournal", "vendor", "", "an answer as the spec has it", "spec", 200,
             "status: 'Open' is not one of 'Draft', 'Validating', ..."),
    "S305": ("billing", "listJournals", "vendor", "order=price.totalPP", "no failure of the server", "spec", 500,
             "internal server error"),
    "S306": ("billing", "createJournal", "vendor", "", "400: name is required", "spec", 201, '{"id": ...}'),
    "S307": ("billing", "createJournal", "vendor", "", "201: the body fits the spec", "spec", 400, "notes: too long"),
    "S308": ("billing", "listJournals", "vendor", "", "405, and Allow: GET, POST", "M", 404, ""),
    "S309": ("billing", "getJournal", "vendor", "", "status, title, detail and traceId", "D", 404, "not found"),
    "S310": ("billing", "createJournal", "vendor", "", "an id like BJO-0000-0000", "D", 201, '{"id": "17"}'),
    "W401": ("billing", "submitJournal", "vendor", "", "Validated -> Review", "D", 409, "not in this state"),
    "W402": ("billing", "submitJournal", "vendor", "", "Validated -> Review", "D", 200, "Accepted"),
    "W403": ("billing", "acceptJournal", "operations", "", "409: Draft allows no accept", "D", 200, "Generating"),
    "W404": ("billing", "acceptJournal", "operations", "", "409", "M", 400, "wrong state"),
    "W405": ("billing", "acceptJournal", "operations", "", "the journal as it was before it was refused", "M", 409,
             "status was Draft, and is Generating"),
    "W406": ("billing", "acceptJournal", "operations", "", "a ledger for each of 2 sellers", "D", 200, "1 ledger"),
    "W407": ("billing", "acceptLedger", "operations", "", "a statement for each of 3 agreements", "D", 200,
             "6 statements"),
    "W408": ("billing", "updateJournal", "vendor", "", "name as written", "M", 200, "the next reading has the old one"),
    "W409": ("billing", "submitJournal", "vendor", "", "audit.review: by whom, and when", "D", 200, "no audit.review"),
    "W410": ("billing", "updateJournal", "operations", "", "name of one change and notes of the other", "M", 200,
             "notes alone"),
    "W411": ("billing", "submitJournal", "vendor", "", "one 200, and 409 for the others", "M", 200, "200 four times"),
    "W412": ("billing", "regenerateJournal", "operations", "", "charges as before the reset", "D", 200, "no charges"),
    "W413": ("billing", "createJournal", "vendor", "", "name 'February'", "D", 201, "name ''"),
    "W414": ("billing", "getJournal", "vendor", "", "404 after deleteJournal", "D", 200, '{"id": ...}'),
    "W415": ("billing", "updateJournal", "vendor", "", "notes as before: the body does not name them", "D", 200,
             "notes null"),
    "Q501": ("billing", "listJournals", "vendor", "limit=10&offset=10", "none of the first ten rows", "M", 200,
             "BJO-1000-0007 is on both pages"),
    "Q502": ("billing", "listJournals", "vendor", "limit=0", "total 22, the rows there are", "D", 200, "total 20"),
    "Q503": ("billing", "listJournals", "vendor", "order=-audit.created.at", "the newest first", "D", 200,
             "2026-01-04 before 2026-03-02"),
    "Q504": ("billing", "listJournals", "vendor", "order=status", "the same order twice", "M", 200,
             "rows 4 and 5 change places"),
    "Q505": ("billing", "listJournals", "vendor", "eq(status,Draft)", "rows in Draft alone", "D", 200,
             "a row in Review"),
    "Q506": ("billing", "listJournals", "vendor", "in(status,(Draft,Review))", "all 5 rows that fit", "D", 200,
             "3 rows"),
    "Q507": ("billing", "listJournals", "vendor", "not(eq(status,Draft))", "22 - 3 rows", "D", 200, "22 rows"),
    "Q508": ("billing", "listJournals", "vendor", "select=audit", "audit in every row", "D", 200, "no audit"),
    "Q509": ("billing", "listJournals", "vendor", "select=-price", "no price", "D", 200, "price in every row"),
    "Q510": ("billing", "listJournals", "vendor", "limit=0", "no rows, and the total", "D", 200, "100 rows"),
    "Q511": ("billing", "listJournals", "vendor", "limit=5", "5 rows at most", "D", 200, "10 rows"),
    "Q512": ("billing", "listJournals", "vendor", "limit=-1", "400", "M", 200, '{"data": [...]}'),
    "Q513": ("billing", "listJournals", "vendor", "eq(stauts,Draft)", "400: no such member", "M", 200, "22 rows"),
    "Q514": ("accounts", "listFinanceAccounts", "finance", "limit=5", "links.next to the sixth account", "D", 200,
             "links.next repeats the page"),
    "M601": ("billing", "getStatement", "operations", "", "price.totalSP 118.20, the sum of 4 charges", "D", 200,
             "118.19"),
    "M602": ("billing", "getStatement", "operations", "", "price.markup 10.00: (SP - PP) / PP", "D", 200, "9.09"),
    "M603": ("billing", "getStatementCharge", "operations", "", "0.13: half away from zero", "M", 200, "0.12"),
    "M604": ("billing", "getStatementCharge", "operations", "", "86.21: 100.00 at a rate of 1.16", "D", 200, "116.00"),
    "M605": ("credits", "getInvoiceWithItems", "auditor", "", "totalRemainingAmount 0.60, after 99.40 of 100.00", "D",
             200, "0.50"),
    "M606": ("billing", "getStatement", "operations", "", "ledger.id of a ledger that lists the statement", "D", 200,
             "BLE-1000-0010-1000-0001, which has it not"),
    "M607": ("accounts", "getFinanceAccount", "finance", "", "documents of the last 12 months", "D", 200,
             "one of 13 months ago"),
    "F701": ("billing", "getJournalAttachment", "vendor", "", "the 2,048 bytes that were sent", "D", 200,
             "2,063 bytes: line ends were changed"),
    "F702": ("billing", "getJournalAttachment", "vendor", "", "filename usage.csv", "D", 200, "filename file"),
    "F703": ("billing", "listJournalCharges", "vendor", "", "4 charges, one a line of the file", "D", 200, "3 charges"),
    "F704": ("accounts", "downloadInvoiceDocument", "finance", "", "%PDF-, as the type says", "D", 200, "<html>"),
    "F705": ("billing", "listJournalCharges", "vendor", "", "the rows of the list", "M", 200, "one row less"),
    "F706": ("billing", "uploadJournalCharges", "vendor", "", "415: no charge file", "D", 200, "Validating"),
    "F707": ("billing", "uploadJournalCharges", "vendor", "", "200: a file as the facts have it", "D", 415, ""),
})  # fmt: skip


def example(code: str, check: str) -> tuple[Finding, Result]:
    """A finding of this code as a check would tell it, and the run it is of. Raises KeyError for a code without one."""
    name, operation, caller, query, expected, source, status, came = EXAMPLES[code]
    api = load(name)
    who = Caller(caller, name, caller, None if caller == "nobody" else f"{caller}-token")
    request = Request(api.operations[operation].method, _path(api, operation), query)
    exchange = Exchange(1, name, operation, who, request, Answer(status, {}, b""), check, "read")
    place = f"{api.home}/{_PLACES.get(code[0], 'conventions')}.yaml"
    finding = Finding(
        code=code,
        api=name,
        operation=operation,
        subject="",
        expected=expected,
        came=f"{status} {came}".strip(),
        source=source,
        place=place,
        check=check,
        caller=caller,
        role=caller,
        steps=(exchange,),
    )
    return finding, Result(TARGET, "read-only", 1, (name,), findings=[finding], callers=(who,))


def _path(api: Api, id: str) -> str:
    """The operation's path with ids of the right form in it."""
    operation = api.operations[id]
    scope = api.scope.parameter if api.scope is not None else None

    def value(found: re.Match[str]) -> str:
        if found[1] == scope:
            return "10000000-0000-4000-8000-000000000001"
        entity = operation.below if found[1] == operation.parent and operation.below else operation.entity
        known = api.conventions.ids.get(entity)
        if known is not None and known.form == "groups":
            return known.shape("".join(f"{1000 if at == 0 else at:0{size}}" for at, size in enumerate(known.groups)))
        return "700100" if known is not None and known.form == "digits" else "01KGKY2GM010000000000N0001"

    return _NAMES.sub(value, operation.path)
