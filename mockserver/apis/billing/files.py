"""Files that belong to a record: registered as its attachments, found again, removed with it."""

from __future__ import annotations

from typing import Any

from mockserver import wire
from mockserver.attachments import described
from mockserver.store import Record
from mockserver.work import Work, key_of


def content(file: Record) -> bytes:
    """The bytes of a File: those that are kept, or the PDF of what it shows, drawn when it is asked for.

    A world full of documents starts at once that way, and is plain data.
    """
    if "content" in file:
        return bytes(file["content"])
    from mockserver.apis.billing.documents import credit_memo_pdf, invoice_pdf

    pdf = {"Invoice": invoice_pdf, "CreditMemo": credit_memo_pdf}[file["draws"]]
    return pdf(file["shows"], created=wire.moment(file["created"]))


def _drawn(work: Work, entity: str, id: str, record: Record) -> dict[str, Any]:
    return {"id": id, "draws": entity, "shows": record, "created": work.now}


def attach_upload(work: Work, parent: str, record: Record, *, filename: str, media: str, content: bytes) -> Record:
    """Register an uploaded file of charges: type Input, named as the file (c.0)."""
    entity = f"{parent}Attachment"
    attachment = described(work, entity, parent, record, type="Input", filename=filename, media=media)
    work.put("File", {"id": attachment["id"], "content": content})
    return work.create(entity, {**attachment, "size": len(content)})


def attach_document(work: Work, parent: str, record: Record) -> Record:
    """Register the PDF of an invoice or credit memo: type Output, named by the id (c.0).

    It has no size: the document is the ERP's, and nobody has fetched it yet.
    """
    entity = f"{parent}Attachment"
    name = f"{record['id']}.pdf"
    attachment = described(work, entity, parent, record, type="Output", filename=name, media="application/pdf")
    work.put("File", _drawn(work, parent, attachment["id"], record))
    return work.create(entity, {**attachment, "isExternal": True})


def redraw_document(work: Work, parent: str, attachment: Record, record: Record) -> None:
    """Have the PDF drawn anew: what it shows has changed."""
    work.put("File", _drawn(work, parent, attachment["id"], record))
    work.change(f"{parent}Attachment", attachment)


def remove_attachments(work: Work, parent: str, id: str) -> None:
    """Remove the attachments of a record that goes, with their files (d.9)."""
    entity = f"{parent}Attachment"
    for attachment in list(work.where(entity, f"{key_of(parent)}.id", id)):
        if work.get("File", attachment["id"]) is not None:
            work.remove("File", attachment["id"])
        work.remove(entity, attachment["id"])


class Uploads:
    """Which file a journal's or custom ledger's charges come from, and what was wrong with its lines.

    Kept apart from the record, because nobody sees it: {id, attachment, kind, faults: charge id -> messages}.
    """

    ENTITY = "Uploaded"

    @classmethod
    def keep(cls, work: Work, id: str, attachment: str, kind: str) -> Record:
        """Note the file to build from; returns the note."""
        return work.put(cls.ENTITY, {"id": id, "attachment": attachment, "kind": kind, "faults": {}})

    @classmethod
    def find(cls, work: Work, id: str) -> Record | None:
        """The note on the file to build from, if one was uploaded and is still there."""
        note = work.get(cls.ENTITY, id)
        return note if note is not None and work.get("File", note["attachment"]) is not None else None

    @classmethod
    def content(cls, work: Work, note: Record) -> bytes:
        """The bytes of the file that was noted."""
        return bytes(work.need("File", note["attachment"])["content"])

    @classmethod
    def forget(cls, work: Work, id: str) -> None:
        """Drop the note, if there is one."""
        if work.get(cls.ENTITY, id) is not None:
            work.remove(cls.ENTITY, id)
