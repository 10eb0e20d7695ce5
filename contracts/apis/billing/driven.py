"""What follows on the way to the ERP and back: queues, completion, consolidation, overrides, documents. Nothing of it
can be taken back, so all of it needs a full run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from contracts.apis.billing.effects import BILLING, mixed, staged, statements_of
from contracts.apis.billing.ground import Follow, Row, below, first, listing, of, read
from contracts.apis.billing.stage import Stage
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Nothing, Probe, member
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import replaced
from contracts.wire import Exchange


@check(
    "billing.completion",
    proves="queueing a ledger queues its statements and its journal; when all are final, both are complete",
    codes=("W406", "W407"),
    mode=Mode.FULL,
    apis=BILLING,
)
def completion(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.journal(mixed(stage), "Accepted")
    parts = stage.ledgers(journal)
    for place, ledger in enumerate(parts, 1):
        follow = Follow(p, stage.do(ledger, "queue"))
        found = of(p, "Statement", "ledger", ledger.id)
        states = {str(row.get("status")) for row in found.rows}
        yield from follow.equal("statements of a queued ledger", {"Queued"}, states, found.exchange)
        yield from follow.equal(
            "journal of a queued ledger", "Queued", stage.arrive(journal, "Accepted"), found.exchange
        )
        if (yield from first(_ended(p, stage, ledger, cancel=place == 1))):
            return
        state = stage.arrive(journal, "Queued") if place == len(parts) else stage.state(journal)
        seen = read(p, journal)[1]
        wanted = "Completed" if place == len(parts) else "Queued"
        subject = "journal, all ledgers completed" if place == len(parts) else "journal, not all ledgers completed"
        yield from follow.equal(subject, wanted, state, seen)


def _ended(p: Probe, stage: Stage, ledger: Thing, *, cancel: bool) -> Iterator[Finding]:
    """Issue the statements of a ledger, or cancel the last; then it is complete, and not before."""
    own = stage.statements(ledger)
    for place, statement in enumerate(own, 1):
        is_last = place == len(own)
        stage.bring(statement, "Pending")
        follow = Follow(p, stage.do(statement, "cancel" if cancel and is_last else "issue"))
        state = stage.arrive(ledger, "Queued") if is_last else stage.state(ledger)
        wanted = "Completed" if is_last else "Queued"
        subject = "ledger, all statements final" if is_last else "ledger, not all statements final"
        yield from follow.equal(subject, wanted, state, read(p, ledger)[1])


@check(
    "billing.pending",
    proves="a statement that the ERP has taken in has its order number, and fails with the reason that was given",
    codes=("W406",),
    mode=Mode.FULL,
    apis=BILLING,
)
def pending(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    statement = stage.make("Statement", "Queued")
    follow = Follow(p, stage.do(statement, "error"))
    found, seen = read(p, statement)
    yield from follow.equal("statusNotes.message is kept", True, bool(member(found, "statusNotes.message")), seen)
    operation = stage.by_event("Statement", "error")
    again = stage.make("Statement", "Queued")
    for body in ({}, {"statusNotes": {"message": ""}}):
        exchange = stage.play(replaced(stage.case(operation, stage.operations, again), body=body))
        if exchange.status != p.status("body"):
            yield p.finding(
                "S306" if exchange.status < 300 else "W404",
                exchange,
                expected=f"{p.status('body')}: a statement in error says why",
                source="CAN",
                place="machines",
                subject="statusNotes.message",
            )


@check(
    "billing.manual",
    proves="accepting a custom ledger makes manual statements, queueing it queues them, and the last completes it",
    codes=("W406", "W407", "M606"),
    mode=Mode.FULL,
    apis=BILLING,
)
def manual(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    ledger = stage.custom_ledger([stage.row("100", "125"), stage.row("20", "30", **{"Document Type": "Credit Memo"})])
    follow = Follow(p, stage.do(ledger, "accept"))
    stage.settle(ledger)
    yield from statements_of(p, follow, ledger, manual=True)
    follow = Follow(p, stage.do(ledger, "queue"))
    found = of(p, "Statement", "customLedger", ledger.id)
    states = {str(row.get("status")) for row in found.rows}
    yield from follow.equal("statements of a queued custom ledger", {"Queued"}, states, found.exchange)
    yield from _ended(p, stage, ledger, cancel=False)


@check(
    "billing.overrides",
    proves="an Active override takes a pair out of automatic billing, a Disabled one gives it back; one at a time",
    codes=("W403", "W406", "W407"),
    mode=Mode.FULL,
    apis=BILLING,
)
def overrides(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    source = stage.plain()[0]
    accepted = stage.make("Ledger", "Review")
    case_of = replaced(
        stage.case("createManualOverride", stage.operations),
        body={"client": {"id": source.client}, "vendor": {"id": source.vendor}, "notes": p.tag},
    )
    cause = p.expect(stage.play(case_of))
    override = p.things[-1][1]
    stage.meant.add(override.id)
    follow = Follow(p, cause)
    try:
        again = stage.play(case_of)
        if again.status < 300:
            yield follow.wrong("W403", "Active overrides of a pair", "400: one", str(again.status), again)
            stage.do(p.things[-1][1], "disable")
        yield from _blocked(p, stage, follow, accepted)
    finally:
        cause = stage.do(override, "disable")
    yield from _freed(p, stage, Follow(p, cause), override)


@check(
    "billing.overrides.once",
    proves="of two overrides of one pair at once, one is made",
    codes=("W411",),
    mode=Mode.FULL,
    apis=BILLING,
)
def one_pair(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = staged(p), p.operation("createManualOverride")
    asked = stage.case(operation, stage.operations)
    request = p.request(operation, asked.caller, body=asked.body)
    exchanges = p.at_once(operation, [(asked.caller, request)] * 2, {})
    done = [each for each in exchanges if each.status < 300]
    stage.without_overrides()
    if len(done) != 1:
        yield p.finding(
            "W411",
            exchanges[-1],
            expected="one of the two is made",
            came=f"{len(done)} are",
            source="INF",
            place="machines",
            subject="ManualOverride of one pair",
            steps=exchanges,
        )


def _blocked(p: Probe, stage: Stage, follow: Follow, ledger: Thing) -> Iterator[Finding]:
    """New charges of the pair are skipped, and new statements cancelled."""
    journal = stage.create("Journal")
    stage.upload(journal, [stage.line(stage.plain()[0])])
    stage.settle(journal)
    charges = below(p, journal)
    states = [str(member(row, "processing.status")) for row in charges.rows]
    yield from follow.equal("charges of the pair", ["Skipped"], states, charges.exchange)
    stage.do(ledger, "accept")
    stage.settle(ledger)
    found = of(p, "Statement", "ledger", ledger.id)
    states = [str(row.get("status")) for row in found.rows]
    yield from follow.equal("statements of the pair", ["Cancelled"] * len(states), states, found.exchange)


def _freed(p: Probe, stage: Stage, follow: Follow, override: Thing) -> Iterator[Finding]:
    journal = stage.create("Journal")
    stage.upload(journal, [stage.line(stage.plain()[0])])
    stage.settle(journal)
    charges = below(p, journal)
    states = [str(member(row, "processing.status")) for row in charges.rows]
    yield from follow.equal("charges of the pair, billed again", ["Ready"], states, charges.exchange)


@check(
    "billing.consolidation",
    proves="a consolidated statement is the sum of its children, takes them along, and gives them back when cancelled",
    codes=("M601", "M606", "W403", "W404", "W406", "W407"),
    mode=Mode.FULL,
    apis=BILLING,
)
def consolidation(p: Probe, case: str) -> Iterator[Finding]:
    yield from first(_consolidated(p, staged(p)))


def _consolidated(p: Probe, stage: Stage) -> Iterator[Finding]:
    children = [stage.make("Statement", "Queued") for _ in range(2)]
    parent = stage.shell(children[0])
    for place, child in enumerate(children, 1):
        follow = Follow(p, stage.join(parent, child))
        yield from _joined(p, follow, parent, child, "Consolidating")
        yield from _sum_of(p, follow, parent, children[:place])
    yield from _refused(p, stage, parent, children[0], "a child that has a parent already")
    follow = Follow(p, _removed(stage, parent, children[1]))
    yield from _sum_of(p, follow, parent, children[:1])
    yield from _free(p, follow, children[1], "Generated", "a child that was removed")
    yield from _refused(p, stage, parent, children[1], "a child that is not Queued")
    follow = Follow(p, stage.do(parent, "queue"))
    yield from _joined(p, follow, parent, children[0], "Consolidated")
    follow = Follow(p, stage.do(parent, "cancel"))
    yield from _free(p, follow, children[0], "Queued", "a child of a cancelled one")


def _free(p: Probe, follow: Follow, child: Thing, state: str, what: str) -> Iterator[Finding]:
    found, seen = read(p, child)
    yield from follow.equal(what, state, found.get("status"), seen)
    yield from follow.equal(f"the parent of {what}", None, member(found, "parent.id"), seen)


def _removed(stage: Stage, parent: Thing, child: Thing) -> Exchange:
    case = stage.case("removeStatementChild", stage.operations, parent)
    return stage.p.expect(stage.play(replaced(case, params={**case.params, "childId": child.id})))


def _refused(p: Probe, stage: Stage, parent: Thing, child: Thing, what: str) -> Iterator[Finding]:
    case = replaced(stage.case("addStatementChild", stage.operations, parent), body={"id": child.id})
    exchange = stage.play(case)
    wanted = p.status("state", "Statement")
    if exchange.status != wanted:
        code = "W403" if exchange.status < 300 else "W404"
        yield p.finding(code, exchange, expected=f"{wanted}: {what}", source="CAN", place="machines", subject=what)


def _joined(p: Probe, follow: Follow, parent: Thing, child: Thing, state: str) -> Iterator[Finding]:
    found, seen = read(p, child)
    yield from follow.equal("a child that joined", state, found.get("status"), seen)
    yield from follow.links("child to its parent", [found], "parent.id", parent.id, seen)


def _sum_of(p: Probe, follow: Follow, parent: Thing, children: list[Thing]) -> Iterator[Finding]:
    """Totals and counts of a consolidated statement are those of its children together."""
    if not all(below(p, child).rows for child in children):
        return  # that charges are not linked is another check's matter
    found, seen = read(p, parent)
    rows = [read(p, child)[0] for child in children]
    yield from follow.equal("statistics.statements", len(rows), member(found, "statistics.statements"), seen)
    for name in ("totalPP", "totalSP", "totalBSP"):
        total = sum((Decimal(member(row, f"price.{name}") or 0) for row in rows), Decimal(0))
        yield from follow.equal(f"price.{name} of the children", total, member(found, f"price.{name}"), seen, "M601")


@check(
    "billing.documents",
    proves="a document of the ERP finds its statement, is linked both ways, taxes it, and is kept once a number",
    codes=("M601", "M606", "W406", "W407", "W415"),
    mode=Mode.FULL,
    cases=lambda api: ("createInvoices", "createCreditMemos"),
    apis=BILLING,
)
def documents(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = staged(p), p.operation(case)
    memo = operation.entity == "CreditMemo"
    journal = stage.journal([stage.line(stage.plain()[0], "-100" if memo else "100")], "Accepted")
    statement = stage.bring(stage.statements(stage.ledgers(journal)[0])[0], "Issued")
    record, _ = read(p, statement)
    order = member(record, "externalIds.erpId")
    if order is None:
        raise Nothing("an issued statement has no order number of the ERP")
    link, sign = ("creditMemo", -1) if memo else ("invoice", 1)
    body = _document(stage, record, str(order), memo=memo)
    follow = Follow(p, p.expect(stage.play(replaced(stage.case(operation, stage.operations), body=body))))
    document = p.things[-1][1]
    made, seen = read(p, document)
    yield from follow.links("document to its statement", [made], "statement.id", statement.id, seen)
    after, seen = read(p, statement)
    yield from follow.links("statement to its document", [after], f"{link}.id", document.id, seen)
    net, tax = Decimal(str(member(after, "price.totalSP") or 0)), Decimal("26.25")
    yield from follow.equal("price.totalST of the statement", sign * tax, member(after, "price.totalST"), seen, "M601")
    yield from follow.equal(
        "price.totalGT of the statement", net + sign * tax, member(after, "price.totalGT"), seen, "M601"
    )
    yield from _drawn(p, follow, document)
    yield from _once(p, stage, document, body)


# Lines as the ERP sends them, and what they come to: (quantity, unit price, discount, VAT) and (net, gross).
LINES = {("1", "15.00", "0", "9"): ("15", "16.35"), ("2", "10.005", "5.01", "21"): ("15", "18.15")}


@check(
    "billing.lines",
    proves="lines without amounts are worked out: discount taken off, tax put on, and summed up in their document",
    codes=("M601", "M602", "M603"),
    mode=Mode.FULL,
    cases=lambda api: ("createInvoices", "createCreditMemos"),
    apis=BILLING,
)
def lines(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = staged(p), p.operation(case)
    asked = stage.case(operation, stage.operations)
    given = [_line(each, memo=operation.entity == "CreditMemo") for each in LINES]
    cause = p.expect(stage.play(replaced(asked, body={**asked.body, "lines": given})))
    follow = Follow(p, cause, "DOC (f)")
    document = p.things[-1][1]
    listed = p.operation(f"list{operation.entity}Lines")
    assert listed.parent is not None
    found = listing(p, listed.id, {listed.parent: document.id})
    yield from follow.equal("lines", len(LINES), len(found.rows), found.exchange, "W406")
    for row, (net, gross) in zip(found.rows, LINES.values(), strict=False):
        priced = row.get("price", row)
        for name, wanted in (("lineAmount", net), ("amount", net), ("amountIncludingVat", gross)):
            yield from follow.equal(f"line {name}", Decimal(wanted), member(priced, name), found.exchange, "M601")
    record, seen = read(p, document)
    for name, wanted in (("totalSP", "30"), ("totalST", "4.5"), ("totalGT", "34.5")):
        yield from follow.equal(f"price.{name}", Decimal(wanted), member(record, f"price.{name}"), seen, "M601")


def _line(told: tuple[str, str, str, str], *, memo: bool) -> dict[str, Any]:
    names = ("quantity", "unitPrice", "discountAmount", "vatPercent")
    given = {name: int(text) if name == "quantity" else float(text) for name, text in zip(names, told, strict=True)}
    return {"description": "Seats", **({"price": given} if memo else given)}


def _document(stage: Stage, statement: Row, order: str, *, memo: bool) -> dict[str, Any]:
    version: Mapping[str, Any] = {"rowVersion": 7} if memo else {"revision": 7}
    total = float(abs(Decimal(str(member(statement, "price.totalSP")))))
    body: dict[str, Any] = {
        "documentNo": stage.document_number(),
        "countryCode": "NL",
        "buyer": {"id": member(statement, "buyer.id")},
        "seller": {"id": member(statement, "seller.id")},
        "externalIds": {"statement": order},
        "erpData": {**version, "yourReference": "first"},
        "price": {"currency": member(statement, "price.currency.sale"), "totalSP": total, "totalST": 26.25},
    }
    return body


def _drawn(p: Probe, follow: Follow, document: Thing) -> Iterator[Finding]:
    """The first sync leaves the document itself behind, as one Output."""
    operation = p.lists(f"{document.entity}Attachment", document.entity)
    assert operation is not None and operation.parent is not None
    found = listing(p, operation.id, {operation.parent: document.id})
    outputs = [row for row in found.rows if row.get("type") == "Output"]
    yield from follow.equal("Output attachments", 1, len(outputs), found.exchange)


def _once(p: Probe, stage: Stage, document: Thing, body: Mapping[str, Any]) -> Iterator[Finding]:
    """The same number again is the same document; older news is passed over, newer ones are taken in."""
    operation = next(
        each for each in p.api.operations.values() if (each.does, each.entity) == ("sync", document.entity)
    )
    name = "rowVersion" if document.entity == "CreditMemo" else "revision"
    for version, kept in ((6, "first"), (8, "second")):
        data = {name: version, "yourReference": "second"}
        case = replaced(stage.case(operation, stage.operations), body={**body, "erpData": data})
        follow = Follow(p, p.expect(stage.play(case)))
        p.adopt(document.entity, document.id)
        found, seen = read(p, document)
        subject = "a newer version" if version > 7 else "an older version"
        yield from follow.equal(subject, kept, member(found, "erpData.yourReference"), seen, "W415")
        number = str(body["documentNo"])
        operation_of_list = p.lists(document.entity)
        assert operation_of_list is not None
        rows = listing(p, operation_of_list.id, query=f'eq(documentNo,"{number}")')
        ids = [str(row["id"]) for row in rows.rows if row.get("documentNo") == number]
        yield from follow.each_once("documents of a number", [document.id], ids, rows.exchange)
