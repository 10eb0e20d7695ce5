"""What the steps of journals and ledgers do besides: ledgers by seller, statements by buyer, and back again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from contracts.apis.billing.ground import Follow, Listing, Row, below, first, listing, of, read
from contracts.apis.billing.stage import Stage
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Probe, member
from contracts.registry import check
from contracts.settings import Mode

BILLING = ("billing",)


def staged(p: Probe) -> Stage:
    assert isinstance(p.stage, Stage)
    return p.stage


def mixed(stage: Stage, *, sellers: int = 2) -> list[dict[str, Any]]:
    """Lines of several sellers, with one split and one skipped where there are such."""
    lines = [stage.line(each, "100.5") for each in stage.plain(sellers=sellers)]
    lines.append(stage.line(stage.plain()[0], "12.25"))
    return lines + [stage.line(each) for outcome in ("Split", "Skipped") for each in stage.of(outcome)[:1]]


@check(
    "billing.ledgers",
    proves="accepting a journal makes one ledger for each seller who has billable charges, and links it both ways",
    codes=("W406", "W407", "M606"),
    mode=Mode.OWN,
    apis=BILLING,
)
def ledgers(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.journal(mixed(stage))
    before = below(p, journal)
    follow = Follow(p, stage.do(journal, "accept"))
    stage.settle(journal)
    yield from _ledgers_of(p, follow, journal, before)
    yield from _sellers(p, follow, journal, before)


def _billable(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if member(row, "processing.status") == "Ready"]


def _ledgers_of(p: Probe, follow: Follow, journal: Thing, before: Listing) -> Iterator[Finding]:
    """One ledger a seller; its charges are exactly the billable ones of that seller."""
    found = of(p, "Ledger", "journal", journal.id)
    p.adopt("Ledger", *found.ids())
    sellers = dict.fromkeys(str(member(row, "seller.id")) for row in _billable(before.rows))
    told = [str(member(row, "seller.id")) for row in found.rows]
    if (yield from first(follow.each_once("a ledger for each seller", sellers, told, found.exchange))):
        return
    parent, _ = read(p, journal)
    for name in ("authorization", "product", "owner"):
        yield from follow.links(
            "ledger as its journal", found.rows, f"{name}.id", str(member(parent, f"{name}.id")), found.exchange
        )
    after = below(p, journal)
    yield from follow.each_once("charges of the journal", before.ids(), after.ids(), after.exchange)
    for ledger in found.rows:
        yield from follow.equal("status of a new ledger", "Review", ledger.get("status"), found.exchange)
        thing = Thing("Ledger", str(ledger["id"]), p.who("operations"), {"id": str(ledger["id"])})
        own = below(p, thing)
        mine = [row for row in _billable(before.rows) if member(row, "seller.id") == member(ledger, "seller.id")]
        wanted = [str(row["id"]) for row in mine]
        if (yield from first(follow.each_once("charges of a ledger", wanted, own.ids(), own.exchange))):
            return
        linked = [row for row in after.rows if str(row["id"]) in own.ids()]
        yield from follow.links("charge to its ledger", linked, "ledger.id", thing.id, after.exchange)
    free = [row for row in after.rows if member(row, "processing.status") != "Ready" and "ledger" in row]
    yield from follow.equal("charges that are not billed, in a ledger", 0, len(free), after.exchange)


def _sellers(p: Probe, follow: Follow, journal: Thing, before: Listing) -> Iterator[Finding]:
    found = listing(p, "listJournalSellers", {"journalId": journal.id})
    wanted = dict.fromkeys(str(member(row, "seller.id")) for row in before.rows if member(row, "seller.id") is not None)
    yield from follow.each_once("sellers of the journal", wanted, found.ids(), found.exchange)
    yield from follow.links("seller to its journal", found.rows, "journal.id", journal.id, found.exchange)
    for id in found.ids()[:1]:
        exchange = p.expect(p.call("getJournalSeller", p.who("operations"), {"journalId": journal.id, "id": id}), 200)
        yield from follow.equal("id of a seller", id, exchange.json.get("id"), exchange)


@check(
    "billing.statements",
    proves="accepting a ledger makes one statement for each agreement and buyer; the last one takes the journal along",
    codes=("W402", "W406", "W407", "M606"),
    mode=Mode.OWN,
    apis=BILLING,
)
def statements(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.journal(mixed(stage), "Generated")
    parts = stage.ledgers(journal)
    for place, ledger in enumerate(parts, 1):
        follow = Follow(p, stage.do(ledger, "accept"))
        stage.settle(ledger)
        yield from statements_of(p, follow, ledger)
        is_last = place == len(parts)
        state = stage.arrive(journal, "Generated") if is_last else stage.state(journal)
        seen = read(p, journal)[1]
        wanted = "Accepted" if is_last else "Generated"
        subject = "the journal after its last ledger" if is_last else "the journal before its last ledger"
        yield from follow.equal(subject, wanted, state, seen)


def statements_of(p: Probe, follow: Follow, ledger: Thing, *, manual: bool = False) -> Iterator[Finding]:
    """One statement for each agreement and buyer (and document, by hand), with exactly the charges of these."""
    parent = "customLedger" if manual else "ledger"
    charges, found = below(p, ledger), of(p, "Statement", parent, ledger.id)
    p.adopt("Statement", *found.ids())
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in _billable(charges.rows):
        groups.setdefault(_group(row, manual=manual), []).append(str(row["id"]))
    told = [f"{member(row, 'agreement.id')} {member(row, 'buyer.id')}" for row in found.rows]
    wanted = [" ".join(key[:2]) for key in groups]
    if (yield from first(follow.each_once("a statement for each agreement and buyer", wanted, told, found.exchange))):
        return
    for row in found.rows:
        thing = Thing("Statement", str(row["id"]), p.who("operations"), {"id": str(row["id"])})
        own = below(p, thing)
        matching = [ids for key, ids in groups.items() if key[:2] == _group(row, manual=False)]
        ids = next((each for each in matching if set(each) & set(own.ids())), matching[0] if matching else [])
        if (yield from first(follow.each_once("charges of a statement", ids, own.ids(), own.exchange))):
            return
        yield from follow.links("charge to its statement", own.rows, "statement.id", thing.id, own.exchange)
        kind = "Manual" if manual else "Automated"
        yield from follow.equal("billingType of a statement", kind, row.get("billingType"), found.exchange)
        for name in ("client", "vendor", "seller", "licensee", "product"):
            wanted_id = next((member(each, f"{name}.id") for each in own.rows if member(each, f"{name}.id")), None)
            if wanted_id is not None:
                yield from follow.links("statement as its charges", [row], f"{name}.id", wanted_id, found.exchange)
    yield from follow.links("statement to its ledger", found.rows, f"{parent}.id", ledger.id, found.exchange)


def _group(row: Row, *, manual: bool) -> tuple[str, ...]:
    key = (str(member(row, "agreement.id")), str(member(row, "buyer.id")))
    return (*key, str(member(row, "attributes.documentNumber"))) if manual else key


@check(
    "billing.undone",
    proves="resetting and regenerating a journal takes its ledgers and statements back and leaves the charges free",
    codes=("W406", "W407", "W414"),
    mode=Mode.OWN,
    cases=lambda api: ("resetJournal", "regenerateJournal"),
    apis=BILLING,
)
def undone(p: Probe, case: str) -> Iterator[Finding]:
    stage, event = staged(p), str(p.operation(case).event)
    journal = stage.journal(mixed(stage), "Generated")
    parts = stage.ledgers(journal)
    stage.bring(parts[0], "Generated")
    made = stage.statements(parts[0])
    before = below(p, journal)
    follow = Follow(p, stage.do(journal, event))
    stage.settle(journal)
    after = below(p, journal)
    yield from follow.each_once("charges of the journal", before.ids(), after.ids(), after.exchange)
    bound = [row for row in after.rows if "ledger" in row or "statement" in row]
    if (yield from first(follow.equal("charges that name a ledger or statement", 0, len(bound), after.exchange))):
        return
    left = of(p, "Ledger", "journal", journal.id)
    if (yield from first(follow.equal("ledgers that are left", 0, len(left.rows), left.exchange))):
        return
    for thing in (*parts[:1], *made[:1]):
        yield from gone(p, follow, thing)


def gone(p: Probe, follow: Follow, thing: Thing) -> Iterator[Finding]:
    """Findings unless an object is not there any more, by its id and in lists."""
    operation = p.stage.reader(thing)
    exchange = p.call(operation, p.stage.acting(operation, thing), p.stage.params(operation, thing))
    wanted = p.status("find", thing.entity)
    if exchange.status != wanted:
        yield follow.wrong("W414", thing.entity, f"{thing.entity}: {wanted}", str(exchange.status), exchange)
        return
    listed = p.lists(thing.entity)
    if listed is not None:
        found = listing(p, listed.id, query=f'eq(id,"{thing.id}")', caller=p.stage.acting(listed, thing))
        if thing.id in found.ids():
            yield follow.wrong("W414", f"{thing.entity} in lists", "no such row", "it is listed", found.exchange)


@check(
    "billing.rebuilt",
    proves="regenerating builds the charges anew from the file, recalculating keeps what was reconciled by hand",
    codes=("W406", "W407"),
    mode=Mode.OWN,
    apis=BILLING,
)
def rebuilt(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.journal([stage.line(stage.plain()[0], amount) for amount in ("10", "20", "30")])
    charge = stage.charges(journal)[1]
    stage.do(charge, "ignore")
    before = below(p, journal)
    follow = Follow(p, stage.do(journal, "recalculate"))
    stage.settle(journal)
    after = below(p, journal)
    yield from follow.each_once("charges of the journal", before.ids(), after.ids(), after.exchange)
    yield from follow.equal("an ignored charge", "Ignored", _status(after, charge), after.exchange)
    follow = Follow(p, stage.do(journal, "regenerate"))
    stage.settle(journal)
    again = below(p, journal)
    yield from follow.each_once("charges of the journal", before.ids(), again.ids(), again.exchange)
    yield from follow.equal("a charge that was ignored before", "Ready", _status(again, charge), again.exchange)


def _status(charges: Listing, charge: Thing) -> Any:
    return next((member(row, "processing.status") for row in charges.rows if row["id"] == charge.id), None)


@check(
    "billing.reconciled",
    proves="matching, ignoring and resetting a charge is noted on it, moves its journal, and decides what is billed",
    codes=("W406", "W407", "M606", "W409"),
    mode=Mode.OWN,
    cases=lambda api: ("matchJournalCharge", "ignoreJournalCharge", "resetJournalCharge"),
    apis=BILLING,
)
def reconciled(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.journal([stage.line(stage.plain()[0], amount) for amount in ("10", "20")])
    charge = stage.charges(journal)[0]
    before, _ = read(p, charge)
    if case == "resetJournalCharge":
        stage.do(charge, "match")
    event = str(p.operation(case).event)
    follow = Follow(p, stage.do(charge, event))
    found, seen = read(p, charge, audit=True)
    yield from follow.equal("reconciliation.type", event.capitalize(), member(found, "reconciliation.type"), seen)
    yield from follow.equal("the journal of the charge", "Reconciling", stage.state(journal), seen)
    key = "reset" if event == "reset" else "reconciled"
    if member(found, f"audit.{key}.by.id") is None:
        yield follow.wrong("W409", f"audit.{key}", f"audit.{key} with at and by", "nothing", seen)
    if event == "match":
        target = member(follow.cause.json, "reconciliation.source.subscription.id")
        yield from follow.links("the match", [found], "subscription.id", str(target), seen)
    if event == "reset":
        for name in ("subscription.id", "agreement.id", "buyer.id"):
            yield from follow.equal(f"{name}, restored", member(before, name), member(found, name), seen)
    if event == "ignore":
        yield from _ignored(p, stage, follow, journal, charge)


def _ignored(p: Probe, stage: Stage, follow: Follow, journal: Thing, charge: Thing) -> Iterator[Finding]:
    """What is ignored is in no ledger."""
    stage.do(journal, "recalculate")
    stage.settle(journal)
    stage.bring(journal, "Generated")
    charges = below(p, journal)
    bound = [row for row in charges.rows if row["id"] == charge.id and "ledger" in row]
    yield from follow.equal("ignored charges in a ledger", 0, len(bound), charges.exchange)


@check(
    "billing.uploads",
    proves="a new file replaces the charges, is kept as an Input that nobody deletes, and clears or sets the error",
    codes=("W406", "W407", "W403", "W404"),
    mode=Mode.OWN,
    cases=lambda api: ("uploadJournalCharges", "uploadCustomLedgerCharges"),
    apis=BILLING,
)
def uploaded(p: Probe, case: str) -> Iterator[Finding]:
    stage, entity = staged(p), p.operation(case).entity
    good: Callable[[], Mapping[str, Any]] = (
        stage.row if entity == "CustomLedger" else lambda: stage.line(stage.plain()[0])
    )
    thing = stage.create(entity)
    # The second file is the shorter one: what is left of the first would stand behind it.
    for lines, state in (([stage.wrong_of(thing), good(), good()], "Error"), ([good(), good()], "Validated")):
        follow = Follow(p, stage.upload(thing, lines))
        stage.settle(thing)
        found, seen = read(p, thing)
        yield from follow.equal("status", state, found.get("status"), seen)
        yield from follow.equal("an error", state == "Error", bool(found.get("error")), seen)
        charges = below(p, thing)
        code = "W407" if len(charges.rows) > len(lines) else "F703"
        if (
            yield from first(follow.equal("charges, one a line", len(lines), len(charges.rows), charges.exchange, code))
        ):
            return
        wrong = [row for row in charges.rows if member(row, "upload.status") == "Error"]
        yield from follow.equal("charges in error", int(state == "Error"), len(wrong), charges.exchange)
        silent = [row for row in wrong if not member(row, "upload.errors")]
        yield from follow.equal("charges in error that do not say why", 0, len(silent), charges.exchange)
    yield from _inputs(p, follow, thing)


def _inputs(p: Probe, follow: Follow, thing: Thing) -> Iterator[Finding]:
    """The files that came in are attachments; they are not the caller's to delete."""
    operation = p.lists(f"{thing.entity}Attachment", thing.entity)
    delete = next(
        each
        for each in p.api.operations.values()
        if (each.does, each.entity) == ("delete", f"{thing.entity}Attachment")
    )
    assert operation is not None and operation.parent is not None and delete.key is not None
    found = listing(p, operation.id, {operation.parent: thing.id}, caller=p.stage.acting(operation, thing))
    inputs = [row for row in found.rows if row.get("type") == "Input"]
    yield from follow.equal("files kept, one an upload", 2, len(inputs), found.exchange)
    for row in inputs[:1]:
        params = {operation.parent: thing.id, delete.key: str(row["id"])}
        exchange = p.call(delete, p.stage.acting(delete, thing), params)
        wanted = p.status("state", delete.entity)
        if exchange.status != wanted:
            code = "W403" if exchange.status < 300 else "W404"
            yield p.finding(
                code,
                exchange,
                expected=f"{wanted}: an Input is not deleted",
                source="CAN",
                place="machines",
                subject="Input delete",
            )


@check(
    "billing.deleted",
    proves="what is deleted takes its charges and attachments along",
    codes=("W414",),
    mode=Mode.OWN,
    cases=lambda api: ("deleteJournal", "deleteCustomLedger"),
    apis=BILLING,
)
def deleted(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = staged(p), p.operation(case)
    thing = stage.make(operation.entity, "Validated")
    charges = stage.charges(thing)
    attachment = stage.attached(thing)
    follow = Follow(p, stage.do(thing, "delete"))
    for each in (*charges[:1], attachment):
        reader = p.stage.reader(each)
        exchange = p.call(reader, p.stage.acting(reader, each), p.stage.params(reader, each))
        if exchange.status != p.status("find", each.entity):
            yield follow.wrong("W414", f"{each.entity} of it", "404", str(exchange.status), exchange)
