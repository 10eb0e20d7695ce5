"""What the ERP sent for issued statements, pinned or not, and the files attached to anything."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from mockserver import ids, wire
from mockserver.apis.billing.stage import Stage
from mockserver.apis.billing.wishes import PARENTS, Wish
from mockserver.store import Record
from mockserver.work import key_of

# Older invoices are paid by now, or overdue.
SETTLED = timedelta(days=40)


class Documents:
    """Bills statements, and attaches files."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def bill_journal(self, journal: str) -> None:
        """Have the ERP send documents for what is issued of a journal."""
        for ledger in self._stage.history.where("Ledger", "journal.id", journal):
            self.bill(self._stage.history.where("Statement", "ledger.id", ledger["id"]))

    def bill(self, statements: Iterable[Record]) -> None:
        """Have the ERP send documents for those that are issued and have none, nor a pinned one to come."""
        wished = {wish.said.get("statement") for wish in self._stage.wishes.of("Invoice", "CreditMemo")}
        for statement in statements:
            has_one = "invoice" in statement or "creditMemo" in statement or statement["id"] in wished
            if statement["status"] == "Issued" and not has_one:
                id = self._stage.history.bill(statement)
                if statement["type"] == "Debit":
                    self._settle(id)

    def _settle(self, id: str) -> None:
        """Most of the older invoices were paid, some were not in time."""
        created = self._stage.history.get("Invoice", id)["audit"]["created"]["at"]
        draw = self._stage.making.random.random()
        if self._stage.making.start - wire.moment(created) > SETTLED and draw < 0.9:
            self._stage.history.reach("Invoice", id, "Paid" if draw < 0.65 else "Overdue")

    def make(self, wish: Wish) -> None:
        """The pinned invoice or credit memo of its statement. Raises ScenarioError."""
        said, history = self._stage.said[wish], self._stage.history
        statement = history.get("Statement", str(said["statement"]))
        wanted = "Credit" if wish.entity == "CreditMemo" else "Debit"
        if statement["type"] != wanted or statement["status"] not in ("Pending", "Issued"):
            what = f"a {statement['type']} and {statement['status']}"
            why = f"its statement {statement['id']} is {what}; it must be a {wanted}, Pending or Issued."
            raise wish.fault(why, "statement")
        body = {"name": said["name"]} if "name" in said else {}
        id = history.bill(statement, number=said.get("documentNo"), country=said.get("countryCode"), said=body)
        if wish.status is not None:
            self._stage.reach(wish, wish.entity, id, wish.status)
        if wish.id is not None and wish.id != id:
            self._rename(wish.entity, id, wish.id)
        wish.id = wish.id or id

    def _rename(self, entity: str, old: str, new: str) -> None:
        """A document under a pinned id, with its lines and what refers to it."""
        layer, history, member = self._stage.layer, self._stage.history, key_of(entity)
        record = history.get(entity, old)
        digits = ids.digits(new)[:12]
        lines = [
            {**line, "id": self._stage.shaped(f"{entity}Line", digits + ids.digits(line["id"])[-4:])}
            for line in record["lines"]
        ]
        layer.remove(entity, old)
        layer.put(entity, {**record, "id": new, "lines": lines})
        # So that the ERP's next word on this document finds it, whose id does not follow from its number.
        layer.put("Renamed", {"id": old, "to": new})
        statement = history.get("Statement", record["statement"]["id"])
        layer.put("Statement", {**statement, member: {**statement[member], "id": new}})
        for attachment in history.where(f"{entity}Attachment", f"{member}.id", old):
            named = {name: attachment[name].replace(old, new) for name in ("name", "filename")}
            layer.put(f"{entity}Attachment", {**attachment, **named, member: {**attachment[member], "id": new}})

    def attach(self, wish: Wish) -> None:
        """A pinned file, on its parent, or on the newest object that could be. Raises ScenarioError."""
        parent_entity = PARENTS[wish.entity]
        member = key_of(parent_entity)
        id = self._stage.wishes.word(wish, member, parent_entity)
        rows = [self._stage.layer.row(parent_entity, id)] if id else list(self._stage.layer.all(parent_entity))[-1:]
        parent = next((row.record for row in rows if row is not None), None)
        if parent is None:
            raise wish.fault(f"there is no {parent_entity} to attach it to; name one, as its {member}.", member)
        self._stage.history.attach(parent_entity, parent, wish.said, id=wish.id)
