"""The past that nobody pinned: overrides, and a year of journals and custom ledgers, most of them billed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from mockserver.apis.billing.history import Plan
from mockserver.apis.billing.pinned_documents import Documents
from mockserver.apis.billing.pinned_journals import MOST_ROWS
from mockserver.apis.billing.stage import Stage
from mockserver.domain.errors import Refusal
from mockserver.store import Record

# The states of the newest journals; all older ones are Completed.
LIVE = ("Queued", "Accepted", "Generated", "Review", "Validated")


class Past:
    """Lets a year go by.

    since, until: when it begins and ends
    """

    def __init__(self, stage: Stage, documents: Documents, since: datetime, until: datetime) -> None:
        self._stage = stage
        self._documents = documents
        self._since = since
        self._until = until

    def overrides(self) -> None:
        """The pinned overrides, then others up to the scenario's size. Raises ScenarioError."""
        stage, catalog = self._stage, self._stage.catalog
        for wish in stage.wishes.of("ManualOverride"):
            said = stage.said[wish]
            client = said.get("client") or catalog.account("Client")
            vendor = said.get("vendor") or catalog.account("Vendor")
            body: dict[str, Any] = {name: said[name] for name in ("externalId", "notes") if name in said}
            try:
                stage.history.override(client, vendor, at=self._since, id=wish.id, said=body or None)
            except Refusal as refusal:
                raise wish.fault(f"cannot be: {refusal}") from None
            if wish.status is not None:
                stage.reach(wish, "ManualOverride", str(wish.id), wish.status)
        overrides = [row.record for row in stage.layer.all("ManualOverride")]
        taken = {(each["client"]["id"], each["vendor"]["id"]) for each in overrides}
        # From the last client on, so that the first ones, who are of the cast, keep their automated billing.
        clients, vendors = reversed(catalog.accounts("Client")), catalog.accounts("Vendor")
        pairs = [(client, vendor) for client in clients for vendor in vendors]
        free = [(client, vendor) for client, vendor in pairs if (client["id"], vendor["id"]) not in taken]
        for client, vendor in free[: max(0, stage.making.size("overrides") - len(overrides))]:
            stage.history.override(client, vendor, at=self._since)

    def happen(self) -> None:
        """The journals and custom ledgers, evenly spread."""
        count = self._stage.making.size("journals")
        if count:
            self._deleted()
        for number in range(count):
            self._journal(number, count)
        wanted = self._stage.making.size("customLedgers")
        for number in range(wanted):
            at = self._since + (self._until - self._since) * (2 * number + 1) / (2 * wanted)
            self._custom_ledger(at)

    def _journal(self, number: int, count: int) -> None:
        history = self._stage.history
        at = self._since + (self._until - self._since) * number / count
        left = count - number - 1
        status = LIVE[left] if left < min(len(LIVE), count // 3) else "Completed"
        authorization = self._stage.catalog.any("Authorization")
        plain = [each["id"] for each in self._stage.arrangements.plain(authorization)]
        # In two journals of three, half the agreements get money back.
        signs = {id: -1 if at % 2 == number % 2 else 1 for at, id in enumerate(plain)} if number % 3 else {}
        said = {"authorization": authorization}
        plan = Plan(at=at, status=status, said=said, count=self._stage.count(), signs=signs)
        # What is pinned may not be billable (a currency without rate, say); such a journal stays where it gets stuck.
        with suppress(Refusal):
            self._documents.bill_journal(history.journal(plan))

    def _custom_ledger(self, at: datetime) -> None:
        history = self._stage.history
        agreements = self._stage.arrangements.manual({})
        plan = Plan(at=at, status="Completed", count=self._stage.count(MOST_ROWS))
        with suppress(Refusal):
            self._documents.bill(history.where("Statement", "customLedger.id", history.custom_ledger(plan, agreements)))

    def _deleted(self) -> None:
        """A journal and a custom ledger that were deleted: gone, but for their numbers (billing Q25)."""
        history = self._stage.history
        said: dict[str, Record] = {"authorization": self._stage.catalog.any("Authorization")}
        history.delete("Journal", history.journal(Plan(at=self._since, status="Draft", said=said)))
        draft = Plan(at=self._since + timedelta(hours=4), status="Draft")
        history.delete("CustomLedger", history.custom_ledger(draft, self._stage.arrangements.manual({})))
