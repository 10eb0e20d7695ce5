"""Which accounts and invoices a call moves money on, told before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.apis.credits.ground import Ground
from specs.tables import Operation

SIDES = ("sources", "targets")
ADDED = {"addSources": "sources", "addTargets": "targets"}
MOVES = frozenset({"postPayment", "executePayment", "executeCreditDistribution", "executeDisbursement"})
"""What moves the money of a credit that was drafted before"""
EDITS = frozenset({"updatePayment", "updateCreditDistribution", "createOrReplaceCreditDistribution"})


class Touching:
    """Remembers what credits name, from the requests that said so and the answers that showed it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._names: dict[str, dict[str, set[str]]] = {}

    def of(self, operation: Operation, body: Any, params: Mapping[str, str]) -> Mapping[str, set[str]]:
        """entity -> locators: those of the body, or of the credit that the call posts or executes."""
        said = body if isinstance(body, dict) else {}
        locator = params.get("locator", "")
        if operation.id == "writeOff":
            return self._named(said)
        if operation.id in EDITS:
            self.note(locator, {**said, **{side: said[name] for name, side in ADDED.items() if name in said}})
        if operation.id not in MOVES:
            return {}
        if locator not in self._names:
            reading = self._ground.p.reads(operation.entity)
            assert reading is not None
            self.note(locator, self._ground.read(reading.id, locator))
        return self._names[locator]

    def note(self, locator: str, record: Any) -> None:
        """Remember what a credit names; what an edit takes out again stays, which at worst asks for more to be lent."""
        if isinstance(record, dict):
            known = self._names.setdefault(locator, {})
            for entity, ids in self._named(record).items():
                known.setdefault(entity, set()).update(ids)

    def _named(self, record: Mapping[str, Any]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        if isinstance(record.get("accountLocator"), str):
            found.setdefault("Account", set()).add(record["accountLocator"])
        # A body that was drawn at random may have anything there.
        lists = [record[side] for side in SIDES if isinstance(record.get(side), list)]
        items = [each for some in lists for each in some if isinstance(each, dict)]
        for each in items:
            kind, id = str(each.get("containerType")), str(each.get("containerLocator"))
            if kind == "invoiceItem" and id in self._ground.items:
                kind, id = "invoice", self._ground.items[id]
            found.setdefault(kind[:1].upper() + kind[1:], set()).add(id)
        return found
