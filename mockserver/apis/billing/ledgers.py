"""Ledgers: the part of a journal that one seller bills, turned into statements (billing c.4, d.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockserver import ids
from mockserver.apis.billing import statements, summaries
from mockserver.apis.billing.files import remove_attachments
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.apis.billing.shared import clear_error, error, without
from mockserver.domain.errors import Conflict
from mockserver.store import Record
from mockserver.work import Work


def generate(work: Work, journal: Record, charges: Sequence[Record]) -> summaries.Summary:
    """Make the ledger of one seller's charges and link them to it (J10, L1, L2). Raises Conflict."""
    seller = charges[0]["seller"]
    if work.get("Seller", seller["id"]) is None:
        raise Conflict(f"seller {seller['id']} does not exist any more; recalculate the journal.")
    id = work.api.conventions.ids["Ledger"].shape(ids.digits(journal["id"]) + ids.digits(seller["id"]))
    if work.get("Ledger", id) is not None:
        raise Conflict(f"ledger {id} exists already; reset the journal.")
    summary = summaries.summed(charges)
    ledger: dict[str, Any] = {
        "id": id,
        "journal": work.ref("Journal", journal),
        "status": "Review",
        **{name: journal[name] for name in ("authorization", "product", "owner")},
        "seller": seller,
        **summaries.priced(work, journal["price"]["currency"], summary),
    }
    made = work.create("Ledger", ledger)
    if (wrong := _rating_error(work, made)) is not None:
        work.fire("Ledger", {**made, "error": error("BLE:0001", wrong)}, "failed")
    ref = work.ref("Ledger", made)
    for charge in charges:
        work.put("Charge", {**charge, "ledger": ref})
    return summary


def _rating_error(work: Work, ledger: Record) -> str | None:
    """Why a ledger cannot be billed as things stand, though each of its charges can; None: it can (L2, L4; M)."""
    seller = work.get("Seller", ledger["seller"]["id"])
    if seller is None:
        return f"seller {ledger['seller']['id']} does not exist any more."
    if (status := seller.get("status", "Active")) != "Active":
        return f"seller {seller['id']} is {status}; it must be Active to bill."
    return None


def discard(work: Work, journal: str) -> None:
    """Remove the ledgers of a journal with their statements; their charges are free again (J7, J20, L11)."""
    for ledger in list(work.where("Ledger", "journal.id", journal)):
        for statement in list(work.where("Statement", "ledger.id", ledger["id"])):
            statements.discard(work, statement)
        remove_attachments(work, "Ledger", ledger["id"])
        for charge in list(work.where("Charge", "ledger.id", ledger["id"])):
            work.put("Charge", without(charge, "ledger", "statement"))
        work.remove("Ledger", ledger["id"])


@WORKFLOWS.effect("Ledger", "recalculate")
def recalculating(work: Work, ledger: Record) -> None:
    """The current error is cleared (L3)."""
    clear_error(work, "Ledger", ledger)


@WORKFLOWS.job("rateLedger")
def rate(work: Work, ledger: Record) -> None:
    """Counts and totals anew (L4)."""
    summary = summaries.summed(work.where("Charge", "ledger.id", ledger["id"]))
    now = {**ledger, **summaries.priced(work, ledger["price"]["currency"], summary)}
    wrong = _rating_error(work, ledger)
    if wrong is None and summary.wrong:
        wrong = f"{summary.wrong} of {summary.processing['total']} charges are in error."
    if wrong is None:
        work.fire("Ledger", without(now, "error"), "rated")
    else:
        work.fire("Ledger", {**now, "error": error("BLE:0001", wrong)}, "ratingFailed")


@WORKFLOWS.effect("Ledger", "accept")
def accepted(work: Work, ledger: Record) -> None:
    """The error of an earlier try is cleared (L5)."""
    clear_error(work, "Ledger", ledger)


@WORKFLOWS.job("generateStatements")
def generate_statements(work: Work, ledger: Record) -> None:
    """One statement for each agreement and buyer (L6, Q30). Raises Conflict, and then nothing of it is kept (L7)."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for charge in work.where("Charge", "ledger.id", ledger["id"]):
        groups.setdefault((charge["agreement"]["id"], charge["buyer"]["id"]), []).append(charge)
    if not groups:
        raise Conflict(f"ledger {ledger['id']} has no charges; reset the journal.")
    for charges in groups.values():
        statements.generate(work, charges, {"ledger": work.ref("Ledger", ledger)}, billing_type="Automated")
    work.fire("Ledger", ledger, "generated")


@WORKFLOWS.effect("Ledger", "generated")
def generated(work: Work, ledger: Record) -> None:
    """The last ledger to get there takes the journal along (J12)."""
    journal = work.need("Journal", ledger["journal"]["id"])
    if journal["status"] == "Generated" and _all(work, journal, "Generated"):
        work.fire("Journal", journal, "accepted")


@WORKFLOWS.effect("Ledger", "queue")
def queued(work: Work, ledger: Record) -> None:
    """Its statements go to the ERP, and the journal follows (L8, J13)."""
    for statement in list(work.where("Statement", "ledger.id", ledger["id"])):
        if statement["status"] == "Generated":
            work.fire("Statement", statement, "queue")
    journal = work.need("Journal", ledger["journal"]["id"])
    if journal["status"] in ("Generated", "Accepted"):
        work.fire("Journal", journal, "queued")
    statements.settle(work, "Ledger", ledger["id"])


@WORKFLOWS.effect("Ledger", "completed")
def completed(work: Work, ledger: Record) -> None:
    """The last ledger to get there lets the system complete the journal, or Operations before it does (J14, J15)."""
    journal = work.need("Journal", ledger["journal"]["id"])
    if journal["status"] == "Queued" and _all(work, journal, "Completed"):
        work.later("completeJournal", "Journal", journal["id"])


def _all(work: Work, journal: Record, status: str) -> bool:
    return all(ledger["status"] == status for ledger in work.where("Ledger", "journal.id", journal["id"]))
