"""What requests to billing must know: files that can be read, parties that belong together, charges under review."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mockserver.service import Endpoint
from mockserver.store import at
from specs.tables import Operation
from tests.driver import Client
from tests.objects import objects, variables
from tests.schemathesis.guides import plain
from tests.schemathesis.guides.plain import Target

FILES = Path(__file__).parents[3] / "fixtures" / "charges"
AUTHORIZATION = "AUT-1000-0001"
"""The authorization of the pinned journals, of which charges are matched; pinned in fixtures/default.yaml."""


class Guide(plain.Guide):
    """Knows which members of bodies go together by business rules."""

    def settle(self) -> None:
        """Statements to combine, a journal to complete, and a subscription to match charges with."""
        operations = Client(self.app, self.app.token("operations"))
        generated = operations.get("/statements?eq(status,Generated)&eq(billingType,Automated)&limit=2&order=id").json[
            "data"
        ]
        shells = []
        for each in generated:
            operations.post(f"/statements/{each['id']}/queue")
            alike = {name: {"id": each[name]["id"]} for name in ("buyer", "seller", "vendor")}
            alike["price"] = {"currency": {name: each["price"]["currency"][name] for name in ("purchase", "sale")}}
            shells.append(operations.post("/statements", alike).json["id"])
        operations.post(f"/statements/{shells[1]}/children", {"id": generated[1]["id"]})
        # A journal whose ledgers are complete completes by itself; one that did not is what `complete` is for.
        done = self.world.layer.get("Journal", "BJO-1000-0012")
        assert done is not None
        self.world.layer.put("Journal", {**done, "status": "Queued"})
        self._fits = {
            "completeJournal": {"id": done["id"]},
            "addStatementChild": {"id": shells[0]},
            "removeStatementChild": {"id": shells[1], "childId": generated[1]["id"]},
        }
        self.world.settle_seed()
        work = self.world.work()
        sold = next(
            row.record
            for row in work.layer.all("Subscription")
            if row.record["authorization"]["id"] == AUTHORIZATION
            and not row.record.get("split", {}).get("active")
            and "markup" in work.need("Agreement", row.record["agreement"]["id"])
        )
        self._sound: dict[str, dict[str, Any]] = {
            "createJournal": {"authorization": {"id": AUTHORIZATION}},
            "createManualOverride": {"client": {"id": "ACC-1000-0007"}, "vendor": {"id": "ACC-1000-0004"}},
            "createCustomLedger": {"vendor": {"id": "ACC-1000-0002"}},
            "createConsolidatedStatement": {"vendor": {"id": "ACC-1000-0002"}},
            "addStatementChild": {"id": generated[0]["id"]},
            "matchJournalCharge": {"subscription": {"id": sold["id"]}},
        }

    def found(self, operation: Operation) -> Iterator[Target]:
        """As the API lists it, the pinned first."""
        if not variables(operation.path) or self.caller is None:
            return
        found = objects(self.app, self.caller.name, operation)
        for path, record, parent in sorted(found, key=lambda each: "-1000-" not in each[1]["id"]):
            yield Target(path, record, parent)

    def targets(self, endpoint: Endpoint) -> tuple[list[Target], list[Target]]:
        """Where what fits was made for the operation, that and nothing else."""
        fits, others = super().targets(endpoint)
        made = self._fits.get(endpoint.id)
        return ([Target(made, {}, {})] if made is not None else fits), others

    def is_fit(self, endpoint: Endpoint, target: Target) -> bool:
        """A charge must be of a journal that is being reconciled, and what is deleted nothing at all."""
        operation, record, parent = endpoint.operation, target.record, target.parent
        if operation.event is None:
            is_there = not record.get("isDeleted")
            return is_there and (operation.does != "delete" or record["type"] == "Attachment")
        fit = super().is_fit(endpoint, target)
        if operation.entity != "Charge":
            return fit
        return (
            fit
            and parent["status"] in ("Review", "Reconciling")
            and parent["authorization"]["id"] == AUTHORIZATION
            and (operation.event != "reset" or at(record, "reconciliation.type") in ("Match", "Ignore"))
        )

    def body(self, body: Any, endpoint: Endpoint, target: Target | None) -> Any:
        """The body with a file of its kind, or with every reference to something that exists."""
        if endpoint.multipart:
            name = "custom-ledger.xlsx" if endpoint.id == "uploadCustomLedgerCharges" else "journal.jsonl"
            return {**body, "file": (FILES / name).read_bytes()} if "file" in body else body
        sound = {name: value for name, value in self._sound.get(endpoint.id, {}).items() if name in body}
        return {**self._existing(body), **sound}

    def _existing(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._existing(each) for each in value]
        if not isinstance(value, dict):
            return value
        made = {}
        for name, member in value.items():
            entity = self.service.api.conventions.references.get(name)
            row = next(self.world.layer.all(entity), None) if entity is not None else None
            if row is not None and isinstance(member, dict) and "id" in member:
                made[name] = {**member, "id": row.record["id"]}
            else:
                made[name] = self._existing(member)
        return made
