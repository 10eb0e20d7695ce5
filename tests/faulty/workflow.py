"""States and what follows from them: ways that are open or closed, effects that are missing or doubled, stale reads."""

from __future__ import annotations

from typing import Any

from mockserver.domain.errors import Conflict, Invalid
from mockserver.exchange import Exchange
from mockserver.reply import Reply
from mockserver.store import Changes, Record
from mockserver.work import Work
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import (
    Around,
    Handler,
    Server,
    Spoil,
    during,
    effect,
    guard,
    handled,
    job,
    kept,
    loader,
    maker,
    refusing,
    tables,
)
from tests.faulty.tables import also_from, leads, not_from, refused


def _forgotten(x: Exchange, go: Handler) -> Reply:
    """Answered as if done, and nothing of it kept."""
    reply = go(x)
    x.work.layer = Changes(x.world.layer)
    return reply


def _nothing(right: Any, work: Work, record: Record) -> None:
    """It does nothing."""


def _stale(operation: str) -> Spoil:
    """The answer before this one, to the same caller about the same thing."""

    def spoil(server: Server) -> None:
        answers: dict[Any, Reply] = {}

        def previous(x: Exchange, go: Handler) -> Reply:
            key = (x.caller.name, x.scope["path"], x.scope["query_string"], x.media)
            now = go(x)
            before = answers.get(key, now)
            answers[key] = now
            return before

        handled(operation, previous)(server)

    return spoil


def _first_for_ever(operation: str) -> Spoil:
    """The first answer to each question is given for ever."""

    def spoil(server: Server) -> None:
        answers: dict[Any, Reply] = {}

        def first(x: Exchange, go: Handler) -> Reply:
            key = (x.caller.name, x.scope["query_string"])
            if key not in answers:
                answers[key] = go(x)
            return answers[key]

        handled(operation, first)(server)

    return spoil


def _moved_by_refusal(state: str) -> Around:
    """A refusal that leaves the object in another state."""

    def around(x: Exchange, go: Handler) -> Reply:
        def leave(refusal: Any) -> Reply:
            if isinstance(refusal, Conflict) and x.row is not None:
                kept(x, (x.operation.entity, {**x.row.record, x.work.api.machines[x.operation.entity].field: state}))
            raise refusal

        return refusing(x, go, leave)

    return around


def _kept_by_refusal(x: Exchange, go: Handler) -> Reply:
    """A refused update whose other members are kept."""

    def leave(refusal: Any) -> Reply:
        if isinstance(refusal, Invalid) and x.row is not None and "notes" in x.body:
            kept(x, (x.operation.entity, {**x.row.record, "notes": x.body["notes"]}))
        raise refusal

    return refusing(x, go, leave)


def _still_there(x: Exchange, go: Handler) -> Reply:
    """What is deleted stays, for reads by id and in lists."""
    assert x.row is not None
    record = x.row.record
    reply = go(x)
    x.work.put(x.operation.entity, record)
    return reply


def _charges_stay(right: Any, work: Work, journal: Record, upload: Any) -> Any:
    """A second file is added to the first."""
    before = list(work.where("Charge", "journal.id", journal["id"]))
    made = right(work, journal, upload)
    for charge in before:
        work.put("Charge", charge)
    return made


def _ledgers_of_one_seller(right: Any, work: Work, journal: Record) -> None:
    """Only the first seller of a journal gets a ledger; the charges of the others wait for ever."""
    charges = [each for each in work.where("Charge", "journal.id", journal["id"]) if "seller" in each]
    first = charges[0]["seller"]["id"] if charges else ""
    others = [each for each in charges if each["seller"]["id"] != first]
    for charge in others:
        work.remove("Charge", charge["id"])
    right(work, journal)
    for charge in others:
        work.put("Charge", charge)


def _statements_twice(right: Any, work: Work, ledger: Record) -> None:
    """Every statement of a ledger is made twice."""
    from mockserver.apis.billing import statements

    right(work, ledger)
    member = {"ledger": {"id": ledger["id"]}}
    for statement in list(work.where("Statement", "ledger.id", ledger["id"])):
        charges = list(work.where("Charge", "statement.id", statement["id"]))
        if charges:
            statements.generate(work, charges, member, billing_type="Automated")


def _one_statement_a_ledger(right: Any, work: Work, ledger: Record) -> None:
    """All of a ledger goes into one statement, whatever the agreement."""
    charges = list(work.where("Charge", "ledger.id", ledger["id"]))
    for charge in charges:
        work.put("Charge", {**charge, "agreement": charges[0]["agreement"], "buyer": charges[0]["buyer"]})
    right(work, ledger)
    for charge in charges:
        now = work.need("Charge", charge["id"])
        work.put("Charge", {**charge, **{name: now[name] for name in ("ledger", "statement") if name in now}})


def _initial(state: str) -> Any:
    def make(right: Any, work: Work) -> Any:
        made = right(work)
        entity = next(name for name, each in work.api.machines.items() if work.get(name, made["id"]) is not None)
        return work.put(entity, {**made, work.api.machines[entity].field: state})

    return make


def _cut(right: Any, work: Work) -> Any:
    """A name is cut to ten characters."""
    work.body = {**work.body, "name": work.body["name"][:10]}
    return right(work)


def _notes_lost(right: Any, work: Work) -> Any:
    work.body = {name: value for name, value in work.body.items() if name != "notes"}
    return right(work)


def _cleared(right: Any) -> Any:
    """What a body does not name is cleared."""

    def written(x: Exchange, record: Record) -> dict[str, Any]:
        made = dict(right(x, record))
        if x.operation.id == "updateJournal":
            for name in ("description", "notes"):
                if isinstance(x.body, dict) and name not in x.body:
                    made.pop(name, None)
        return made

    return written


def _never_blocked(right: Any) -> Any:
    return lambda work, statement: False


def _without_child(right: Any, work: Work, parent: Record) -> None:
    """A child is taken in by the totals, but stays as it was."""
    child = work.need("Statement", work.body["id"])
    right(work, parent)
    work.put("Statement", child)


def _children_stay(right: Any, work: Work, statement: Record) -> None:
    children = list(work.where("Statement", "parent.id", statement["id"]))
    right(work, statement)
    for child in children:
        work.put("Statement", child)


def _journal_stays(right: Any, work: Work, charge: Record) -> None:
    journal = work.need("Journal", charge["journal"]["id"])
    right(work, charge)
    work.put("Journal", journal)


def _original_lost(right: Any, work: Work, charge: Record) -> None:
    right(work, charge)
    now = work.need("Charge", charge["id"])
    work.put("Charge", {**now, **{name: charge[name] for name in ("subscription", "agreement") if name in charge}})


def _ledgers_stay(right: Any, work: Work, journal: Record) -> None:
    ledgers = list(work.where("Ledger", "journal.id", journal["id"]))
    statements = [each for ledger in ledgers for each in work.where("Statement", "ledger.id", ledger["id"])]
    right(work, journal)
    for entity, records in (("Ledger", ledgers), ("Statement", statements)):
        for record in records:
            work.put(entity, record)


def _refused_never(right: Any, work: Work, record: Record) -> None:
    """Whatever must hold is not asked."""


def _early(x: Exchange, go: Handler) -> Reply:
    x.work.query = {**x.work.query, "forced": True}
    return go(x)


def _invoices_stay(right: Any, work: Work, payment: Record) -> None:
    from mockserver.apis.credits import validation

    named = [each.invoice for _, each in validation.named(work, payment, "targets") if each.invoice is not None]
    before = [work.need("Invoice", id) for id in named]
    right(work, payment)
    for invoice in before:
        work.put("Invoice", invoice)


def _shortfalls_stay(right: Any) -> Any:
    return lambda work, parent: None


def _replaced_in_part(right: Any, work: Work, distribution: Record) -> None:
    """A replacement leaves the targets as they were."""
    right(work, distribution)
    now = work.need("CreditDistribution", distribution["id"])
    work.put("CreditDistribution", {**now, "targets": distribution["targets"]})


def _data_not_removed(right: Any, work: Work, payment: Record) -> None:
    work.body = {**work.body, "removeData": []}
    right(work, payment)


B, C = "billing", "credits"

ROWS: tuple[Row, ...] = (
    # Ways that are open or closed
    (
        B,
        "submit-a-draft",
        "W403",
        "submitJournal",
        "A journal is submitted that nothing was uploaded for.",
        tables(also_from("Journal", "J5", "Draft")),
    ),
    (
        B,
        "upload-under-review",
        "W403",
        "uploadJournalCharges",
        "A file is taken while the journal is under review.",
        tables(also_from("Journal", "J2", "Review")),
    ),
    (
        B,
        "delete-under-review",
        "W403",
        "deleteJournal",
        "A journal is deleted while it is under review.",
        tables(also_from("Journal", "J16", "Review")),
    ),
    (
        B,
        "accept-while-enquiring",
        "W403",
        "acceptJournal",
        "A journal is accepted while there is a question about it.",
        tables(also_from("Journal", "J9", "Enquiring")),
    ),
    (
        B,
        "issue-from-queued",
        "W403",
        "issueStatement",
        "A statement is issued that is not pending.",
        tables(also_from("Statement", "S5", "Queued")),
    ),
    (
        B,
        "cancel-issued",
        "W403",
        "cancelStatement",
        "A statement is cancelled that was issued.",
        tables(also_from("Statement", "S12", "Issued")),
    ),
    (
        B,
        "disable-twice",
        "W403",
        "disableManualOverride",
        "An override is disabled that is disabled already.",
        tables(also_from("ManualOverride", "O2", "Disabled")),
    ),
    (
        B,
        "complete-with-open-ledgers",
        "W403",
        "completeJournal",
        "A journal is completed though its ledgers are not.",
        guard("Journal", "complete", _refused_never),
    ),
    (
        B,
        "regenerate-generated-refused",
        "W401",
        "regenerateJournal",
        "A journal with ledgers cannot be regenerated.",
        tables(not_from("Journal", "J7", "Generated")),
    ),
    (
        B,
        "cancel-pending-refused",
        "W401",
        "cancelStatement",
        "A pending statement cannot be cancelled.",
        tables(not_from("Statement", "S12", "Pending")),
    ),
    (
        B,
        "delete-error-refused",
        "W401",
        "deleteCustomLedger",
        "A custom ledger in error cannot be deleted.",
        tables(not_from("CustomLedger", "K9", "Error")),
    ),
    (
        B,
        "retry-arrives-elsewhere",
        "W402",
        "retryStatement",
        "A retried statement is generated, not queued.",
        tables(leads("Statement", "S7", end="Generated")),
    ),
    (
        B,
        "enquire-arrives-elsewhere",
        "W402",
        "enquireJournal",
        "A journal with a question is a draft again.",
        tables(leads("Journal", "J6", end="Draft")),
    ),
    (
        B,
        "enquire-without-effect",
        "W402 W408",
        "enquireJournal",
        "A journal is told to have a question, and has none.",
        handled("enquireJournal", _forgotten),
    ),
    (
        B,
        "wrong-state-is-wrong-request",
        "W404",
        "",
        "A wrong state answers 400 instead of 409.",
        tables(refused("state", status=400)),
    ),
    # What else a step does
    (
        B,
        "one-ledger-for-two-sellers",
        "W406",
        "",
        "Only one seller of a journal gets a ledger.",
        job("generateLedgers", _ledgers_of_one_seller),
    ),
    (
        B,
        "statements-doubled",
        "W407",
        "",
        "Every statement of a ledger is made twice.",
        job("generateStatements", _statements_twice),
    ),
    (
        B,
        "one-statement-for-two-agreements",
        "W406",
        "",
        "Several agreements of a ledger share a statement.",
        job("generateStatements", _one_statement_a_ledger),
    ),
    (
        B,
        "queue-leaves-statements",
        "W406",
        "queueLedger",
        "A queued ledger leaves its statements where they are.",
        effect("Ledger", "queue", _nothing),
    ),
    (
        B,
        "issue-leaves-ledger",
        "W406",
        "issueStatement",
        "The last statement that is issued does not complete its ledger.",
        effect("Statement", "issue", _nothing),
    ),
    (
        B,
        "override-without-effect",
        "W406",
        "",
        "Statements of a pair that is billed by hand are not cancelled.",
        during("mockserver.apis.billing.statements:_is_blocked", _never_blocked),
    ),
    (
        B,
        "child-does-not-join",
        "W406",
        "addStatementChild",
        "A child that is added stays as it was.",
        effect("Statement", "addChild", _without_child),
    ),
    (
        B,
        "cancel-keeps-children",
        "W406",
        "cancelStatement",
        "The children of a cancelled statement are not free again.",
        effect("Statement", "cancel", _children_stay),
    ),
    (
        B,
        "match-leaves-journal",
        "W406",
        "matchJournalCharge",
        "A journal is not being reconciled when a charge is matched.",
        effect("Charge", "match", _journal_stays),
    ),
    (
        B,
        "reset-keeps-match",
        "W406",
        "resetJournalCharge",
        "A charge that was reset stays matched.",
        effect("Charge", "reset", _original_lost),
    ),
    (
        B,
        "regenerate-keeps-ledgers",
        "W406",
        "regenerateJournal",
        "A regenerated journal keeps its ledgers and statements.",
        effect("Journal", "regenerate", _ledgers_stay),
    ),
    (
        B,
        "second-file-adds",
        "W407 F703 M601",
        "uploadJournalCharges",
        "A second file is added to the first instead of replacing it.",
        loader("Journal", _charges_stay),
    ),
    # What is read afterwards
    (B, "stale-journal", "W408", "getJournal", "A journal is read as it was the time before.", _stale("getJournal")),
    (
        B,
        "stale-list",
        "W408 R202 R212",
        "listCustomLedgers",
        "A list is kept from its first reading on.",
        _first_for_ever("listCustomLedgers"),
    ),
    (
        B,
        "refusal-moves-ledger",
        "W405",
        "acceptLedger",
        "A ledger whose acceptance is refused is in error.",
        handled("acceptLedger", _moved_by_refusal("Error")),
    ),
    (
        B,
        "refusal-moves-journal",
        "W405",
        "acceptJournal",
        "A journal whose acceptance is refused is a draft.",
        handled("acceptJournal", _moved_by_refusal("Draft")),
    ),
    (
        B,
        "refused-update-kept",
        "W405",
        "updateCustomLedger",
        "The notes of a refused update are kept.",
        handled("updateCustomLedger", _kept_by_refusal),
    ),
    (
        B,
        "deleted-journal-there",
        "W414",
        "deleteJournal",
        "A deleted journal is there still.",
        handled("deleteJournal", _still_there),
    ),
    (
        B,
        "deleted-ledger-there",
        "W414",
        "deleteCustomLedger",
        "A deleted custom ledger is there still.",
        handled("deleteCustomLedger", _still_there),
    ),
    (
        B,
        "journal-born-validated",
        "W413 W402",
        "createJournal",
        "A new journal is Validated at once.",
        maker("Journal", _initial("Validated")),
    ),
    (
        B,
        "name-cut",
        "W413",
        "createCustomLedger",
        "The name of a new custom ledger is cut.",
        maker("CustomLedger", _cut),
    ),
    (
        B,
        "notes-not-taken-over",
        "W413",
        "createManualOverride",
        "The notes of a new override are lost.",
        maker("ManualOverride", _notes_lost),
    ),
    (
        B,
        "update-clears-others",
        "W415",
        "updateJournal",
        "An update clears what it does not name.",
        during("mockserver.handlers:written", _cleared),
    ),
    (
        B,
        "update-not-kept",
        "W415 W408",
        "updateManualOverride",
        "An update of an override is not kept.",
        handled("updateManualOverride", _forgotten),
    ),
    # Credits
    (
        C,
        "post-a-draft",
        "W403",
        "postPayment",
        "A payment is posted that was not validated.",
        tables(also_from("Payment", "P5", "draft")),
    ),
    (
        C,
        "edit-validated",
        "W403",
        "updatePayment",
        "A payment is edited that is validated.",
        tables(also_from("Payment", "P2", "validated")),
    ),
    (
        C,
        "reset-executed",
        "W403",
        "resetDisbursement",
        "An executed disbursement is reset.",
        tables(also_from("Disbursement", "D5", "executed")),
    ),
    (
        C,
        "discard-validated-refused",
        "W401",
        "discardPayment",
        "A validated payment cannot be discarded.",
        tables(not_from("Payment", "P13", "validated")),
    ),
    (
        C,
        "reject-approved-refused",
        "W401",
        "rejectDisbursement",
        "An approved disbursement cannot be rejected.",
        tables(not_from("Disbursement", "D6", "approved")),
    ),
    (
        C,
        "approve-arrives-elsewhere",
        "W402",
        "approveDisbursement",
        "An approved disbursement is a draft again.",
        tables(leads("Disbursement", "D3", end="draft")),
    ),
    (
        C,
        "reset-without-effect",
        "W402 W408",
        "resetCreditDistribution",
        "A distribution is told to be a draft, and stays validated.",
        handled("resetCreditDistribution", _forgotten),
    ),
    (
        C,
        "stale-payment",
        "W408",
        "fetchPayment",
        "A payment is read as it was the time before.",
        _stale("fetchPayment"),
    ),
    (
        C,
        "refusal-discards",
        "W405",
        "executeCreditDistribution",
        "A distribution whose execution is refused is discarded.",
        handled("executeCreditDistribution", _moved_by_refusal("discarded")),
    ),
    (
        C,
        "reversal-leaves-invoice",
        "W406 M605",
        "reversePayment",
        "The invoice of a reversed payment stays paid.",
        effect("Payment", "reverse", _invoices_stay),
    ),
    (
        C,
        "reversal-leaves-shortfall",
        "W406 M605",
        "reversePayment",
        "What was forgiven with a reversed payment stays forgiven.",
        during("mockserver.apis.credits.shortfalls:reverse", _shortfalls_stay),
    ),
    (
        C,
        "settled-before-due",
        "W403 S306",
        "settleNegativeOrZeroInvoice",
        "An invoice that is not due yet is settled though nobody forced it.",
        handled("settleNegativeOrZeroInvoice", _early),
    ),
    (
        C,
        "replaced-in-part",
        "W415 W413",
        "createOrReplaceCreditDistribution",
        "A replaced distribution keeps its targets.",
        effect("CreditDistribution", "update", _replaced_in_part),
    ),
    (
        C,
        "data-not-removed",
        "W415",
        "updatePayment",
        "Data that an edit removes stays.",
        effect("Payment", "edit", _data_not_removed),
    ),
)

DEFECTS = catalog("workflow", ROWS)
