"""Journals: made, filled from a file, reviewed, turned into ledgers (billing c.1, c.3, d.1)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from mockserver.apis.billing import building, ledgers, summaries
from mockserver.apis.billing.charges import Processor
from mockserver.apis.billing.files import Uploads, attach_upload, remove_attachments
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.apis.billing.shared import clear_error, error, own_keys, without
from mockserver.domain.errors import Conflict, UnsupportedMedia
from mockserver.store import Record
from mockserver.work import Upload, Work

if TYPE_CHECKING:
    from mockserver.apis.billing.charge_files import Kind

MEDIA = {
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}
TEXTS = ("description", "notes", "dueDate")
CHARGES = ("Charge", "journal.id")
WORKFLOWS.removes("Journal", "upload", "regenerate", "delete", rows=CHARGES)


@WORKFLOWS.maker("Journal")
def make(work: Work) -> Record:
    """A journal in Draft; vendor, product, owner and currency are those of its authorization (J1)."""
    reference = work.refer("Authorization", work.body.get("authorization"), "authorization")
    authorization = work.need("Authorization", reference["id"])
    if work.actor.role == "vendor" and authorization["vendor"]["id"] != work.actor.account:
        # Another vendor's authorization reads like one that does not exist.
        raise work.unknown("Authorization", authorization["id"], "authorization")
    journal: dict[str, Any] = {
        "id": work.new_id("Journal"),
        "name": work.body["name"],
        **{name: work.body[name] for name in TEXTS if name in work.body},
        "externalIds": own_keys(work, work.body.get("externalIds")),
        "status": "Draft",
        "authorization": reference,
        **{name: authorization[name] for name in ("vendor", "product", "owner")},
        **summaries.unpriced(work, authorization["currency"]),
    }
    return work.create("Journal", journal)


@WORKFLOWS.preparer("Journal")
def prepare(work: Work, journal: Record, upload: Upload) -> Generator[None, None, building.Ahead]:
    """Read the file and make its charges while others are answered (J2)."""
    return building.build_ahead(work, journal, upload.content, _kind(work, upload))


@WORKFLOWS.loader("Journal")
def load(work: Work, journal: Record, upload: Upload) -> Record:
    """Keep the file and drop the old charges; it is refused now if it cannot be read, the job does the rest (J2)."""
    kind = _kind(work, upload)
    if upload.ahead is None:
        from mockserver.apis.billing.charge_files import read_lines

        read_lines(upload.content, kind)
    discard_charges(work, journal["id"])
    file = attach_upload(
        work,
        "Journal",
        journal,
        filename=upload.filename,
        media=MEDIA[kind],
        content=upload.content,
    )
    building.taken(work, upload.ahead, Uploads.keep(work, journal["id"], file["id"], kind))
    return emptied(work, journal)


def _kind(work: Work, upload: Upload) -> Kind:
    """How to read a file. Raises UnsupportedMedia."""
    from mockserver.apis.billing.charge_files import kind

    found = kind(upload.content_type, upload.filename)
    if MEDIA[found] not in work.api.conventions.uploads["uploadJournalCharges"]["accepts"]:
        raise UnsupportedMedia(f"{MEDIA[found]} is not read here; see uploads in conventions.yaml.")
    return found


def emptied(work: Work, journal: Record) -> dict[str, Any]:
    """The journal as it is without charges, and without error."""
    return without(journal, "error") | summaries.unpriced(work, journal["price"]["currency"])


def discard_charges(work: Work, id: str) -> None:
    """Remove every charge of a journal."""
    work.clear(*CHARGES, id)


@WORKFLOWS.job("validateJournal")
def validate(work: Work, journal: Record) -> None:
    """The uploaded file becomes charges; any of them in error makes the journal so (J3, J4)."""
    summary = _build(work, journal)
    now = {**journal, **summaries.journal(work, journal, summary)}
    if summary.wrong:
        message = (
            f"{summary.wrong} of {summary.processing['total']} charges are in error; mend the file and upload it again."
        )
        work.fire("Journal", {**now, "error": error("BJO:0001", message)}, "rejected")
    else:
        work.fire("Journal", now, "validated")


@WORKFLOWS.job("rebuildJournal")
def rebuild(work: Work, journal: Record) -> None:
    """The stored file becomes charges anew; whatever comes of it, the journal is under review again (J7, J8)."""
    summary = _build(work, journal)
    work.fire("Journal", {**journal, **summaries.journal(work, journal, summary)}, "reviewed")


def _build(work: Work, journal: Record) -> summaries.Summary:
    note = Uploads.find(work, journal["id"])
    if note is None:
        return summaries.NOTHING
    built = building.built(work, journal, note)
    work.put(Uploads.ENTITY, {**note, "faults": built.faults})
    work.add(built.charges)
    return built.summary


@WORKFLOWS.job("recalculateJournal")
def recalculate(work: Work, journal: Record) -> None:
    """The status and price of every charge as they come out today; what was reconciled stays so (J18, J8)."""
    note: Mapping[str, Any] = work.get(Uploads.ENTITY, journal["id"]) or {"faults": {}}
    processor = Processor(work, journal)
    charges: list[Record] = []
    for charge in list(work.where("Charge", "journal.id", journal["id"])):
        now = processor.again(charge, note["faults"].get(charge["id"], ()))
        for each in now:
            if each is not charge:
                work.put("Charge", each)
        charges += now
    summary = summaries.summed(charges)
    work.fire("Journal", {**journal, **summaries.journal(work, journal, summary)}, "reviewed")


@WORKFLOWS.guard("Journal", "regenerate")
def may_regenerate(work: Work, journal: Record) -> None:
    """There must be a file to build from (J7)."""
    if Uploads.find(work, journal["id"]) is None:
        raise Conflict(f"cannot regenerate {journal['id']}: no charge file was uploaded for it.")


@WORKFLOWS.effect("Journal", "regenerate")
def regenerated(work: Work, journal: Record) -> None:
    """Charges, ledgers and statements go; the job rebuilds the charges (J7, Q38)."""
    ledgers.discard(work, journal["id"])
    discard_charges(work, journal["id"])
    work.put("Journal", emptied(work, journal))


@WORKFLOWS.guard("Journal", "accept")
def may_accept(work: Work, journal: Record) -> None:
    """At least one charge must be billable (J9)."""
    if not journal["processing"]["ready"]:
        raise Conflict(
            f"cannot accept {journal['id']}: none of its {journal['processing']['total']} charges is billable."
        )


@WORKFLOWS.job("generateLedgers")
def generate_ledgers(work: Work, journal: Record) -> None:
    """One ledger for each seller that has billable charges (J10). Raises Conflict, which undoes all of it (J11)."""
    by_seller: dict[str, list[Record]] = {}
    for charge in work.where("Charge", "journal.id", journal["id"]):
        if summaries.is_billable(charge):
            by_seller.setdefault(charge["seller"]["id"], []).append(charge)
    parts = [ledgers.generate(work, journal, charges) for charges in by_seller.values()]
    price = summaries.added(work, journal["price"]["currency"], parts)
    work.fire("Journal", {**without(journal, "error"), "price": price}, "generated")


@WORKFLOWS.effect("Journal", "submit", "enquire", "accept")
def moved_on(work: Work, journal: Record) -> None:
    """What went wrong before no longer counts."""
    clear_error(work, "Journal", journal)


@WORKFLOWS.job("resetJournal")
def reset(work: Work, journal: Record) -> None:
    """Ledgers and statements go, the charges stay and are free again (J20)."""
    ledgers.discard(work, journal["id"])
    summary = summaries.summed(work.where("Charge", "journal.id", journal["id"]))
    work.fire("Journal", {**journal, **summaries.journal(work, journal, summary)}, "wasReset")


@WORKFLOWS.guard("Journal", "complete")
def may_complete(work: Work, journal: Record) -> None:
    """Every ledger must be Completed (J15)."""
    waiting = [
        ledger for ledger in work.where("Ledger", "journal.id", journal["id"]) if ledger["status"] != "Completed"
    ]
    if waiting:
        first = waiting[0]
        raise Conflict(
            f"cannot complete {journal['id']}: {len(waiting)} of its ledgers are not Completed, "
            f"the first is {first['id']}, which is {first['status']}."
        )


@WORKFLOWS.job("completeJournal")
def complete(work: Work, journal: Record) -> None:
    """The end of the roll-up (J14), unless Operations were faster (J15)."""
    if journal["status"] == "Queued":
        work.fire("Journal", journal, "completed")


@WORKFLOWS.effect("Journal", "delete")
def deleted(work: Work, journal: Record) -> None:
    """The journal goes, with its charges and attachments (J16, Q25)."""
    discard_charges(work, journal["id"])
    remove_attachments(work, "Journal", journal["id"])
    Uploads.forget(work, journal["id"])
    work.remove("Journal", journal["id"])


def journal_sellers(work: Work, journal: Record) -> list[Record]:
    """The distinct sellers of a journal's charges, in the order in which the charges name them (c.3)."""
    ref = work.ref("Journal", journal)
    found: dict[str, Record] = {}
    for charge in work.where("Charge", "journal.id", journal["id"]):
        seller = charge.get("seller")
        if seller is not None and seller["id"] not in found:
            found[seller["id"]] = {**seller, **(work.get("Seller", seller["id"]) or {}), "journal": ref}
    return list(found.values())
