"""Who did what, and when."""

from __future__ import annotations

from typing import Any

from mockserver.store import Record
from mockserver.work import Work
from mockserver.world import SYSTEM
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Spoil, answered, both, dropped, during, effect, rows, tables
from tests.faulty.tables import unstamped


def _stamped(entity: str, state: str, **changed: Any) -> Any:
    """An entry of the audit that says something else."""

    def happen(right: Any, work: Work, record: Record) -> None:
        right(work, record)
        now = work.need(entity, record["id"])
        audit = {**now["audit"], state: {**now["audit"][state], **changed}}
        work.put(entity, {**now, "audit": audit})

    return happen


def _without_entry(entity: str, state: str) -> Any:
    def happen(right: Any, work: Work, record: Record) -> None:
        right(work, record)
        now = work.need(entity, record["id"])
        work.put(entity, {**now, "audit": {name: each for name, each in now["audit"].items() if name != state}})

    return happen


def _not_updated(right: Any) -> Any:
    def change(self: Work, entity: str, record: Record, *, stamp: str | None = None) -> Any:
        made = dict(right(self, entity, record, stamp=stamp))
        if stamp is None and "audit" in made:
            made["audit"] = {name: each for name, each in made["audit"].items() if name != "updated"}
            self.put(entity, made)
        return made

    return change


def _born_again(right: Any) -> Any:
    """Every change is told to be the creation."""

    def change(self: Work, entity: str, record: Record, *, stamp: str | None = None) -> Any:
        made = right(self, entity, record, stamp=stamp)
        if "audit" not in made:
            return made
        return self.put(entity, {**made, "audit": {**made["audit"], "created": made["audit"]["updated"]}})

    return change


def _standing(right: Any) -> Any:
    """The revision stays as it was."""

    def change(self: Work, entity: str, record: Record, *, stamp: str | None = None) -> Any:
        made = right(self, entity, record, stamp=stamp)
        return self.put(entity, {**made, "revision": record["revision"]}) if "revision" in record else made

    return change


def _by_another(right: Any) -> Any:
    """A payment is told to be made by somebody else."""

    def new(work: Work, entity: str, *given: Any, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = right(work, entity, *given, **more)
        return {**made, "createdBy": "20000000-0000-4000-8000-000000000009"} if entity == "Payment" else made

    return new


def _untold(name: str, step: str) -> Spoil:
    """A member that no answer about payments tells."""
    return both(
        answered(f"{step} fetchPayment", dropped(name)),
        rows("fetchMultiplePayments fetchPaymentsForAnInvoice", dropped(name)),
    )


B, C = "billing", "credits"

ROWS: tuple[Row, ...] = (
    (
        B,
        "states-not-stamped",
        "W409",
        "Journal",
        "The audit of a journal does not name the states it entered.",
        tables(unstamped("Journal")),
    ),
    (
        B,
        "statement-not-stamped",
        "W409",
        "Statement",
        "The audit of a statement does not name the states it entered.",
        tables(unstamped("Statement")),
    ),
    (
        B,
        "disabled-by-system",
        "W409",
        "disableManualOverride",
        "The audit says that the system disabled an override.",
        effect("ManualOverride", "disable", _stamped("ManualOverride", "disabled", by=dict(SYSTEM.ref))),
    ),
    (
        B,
        "review-before-creation",
        "W409",
        "submitJournal",
        "The audit tells of a review before the journal was made.",
        effect("Journal", "submit", _stamped("Journal", "review", at="2020-01-01T00:00:00.000Z")),
    ),
    (
        B,
        "match-not-stamped",
        "W409",
        "matchJournalCharge",
        "The audit of a charge does not tell that it was matched.",
        effect("Charge", "match", _without_entry("Charge", "reconciled")),
    ),
    (
        B,
        "updates-not-stamped",
        "W409",
        "",
        "The audit does not tell of updates.",
        during("mockserver.work:Work.change", _not_updated),
    ),
    (
        B,
        "created-overwritten",
        "W409",
        "",
        "Every change overwrites who created the object.",
        during("mockserver.work:Work.change", _born_again),
    ),
    (
        B,
        "revision-stands",
        "W409 W415",
        "",
        "The revision of an object stays 1.",
        during("mockserver.work:Work.change", _standing),
    ),
    (
        C,
        "created-by-another",
        "W409",
        "createPayment",
        "A payment is told to be made by somebody else.",
        during("mockserver.apis.credits.records:new", _by_another),
    ),
    (
        C,
        "posting-not-told",
        "W409",
        "Payment",
        "A payment does not say when it was posted.",
        _untold("postedAt", "postPayment"),
    ),
    (
        C,
        "reversal-not-told",
        "W409",
        "Payment",
        "A payment does not say who reversed it.",
        _untold("reversedBy", "reversePayment"),
    ),
)

DEFECTS = catalog("audit", ROWS)
