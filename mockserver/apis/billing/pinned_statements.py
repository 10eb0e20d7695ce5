"""Pinned ledgers and statements, below a journal or custom ledger that has got so far."""

from __future__ import annotations

from typing import Any

from mockserver.apis.billing.stage import Stage
from mockserver.apis.billing.wishes import Bundle, Wish
from mockserver.store import Record


class PinnedStatements:
    """Brings pinned ledgers and statements to their states."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def line(self, wish: Wish) -> dict[str, Any]:
        """What the line of a wished statement says where it must come out as a credit."""
        if wish.said.get("type") != "Credit":
            return {}
        product = self._stage.own[wish]["product"]["name"]
        return {"description": {"value1": f"Credit for {product}"[:60]}}

    def sign(self, wish: Wish) -> int | None:
        """Whether everything that a wished statement bills costs (1) or gives money back (-1); None if that is open."""
        return {"Debit": 1, "Credit": -1}.get(wish.said.get("type", ""))

    def signs(self, bundle: Bundle) -> dict[str, int]:
        """Agreement id -> sign, of the wished statements for which it matters."""
        own = {self._stage.own[wish]["id"]: self.sign(wish) for wish in bundle.statements}
        return {id: sign for id, sign in own.items() if sign is not None}

    def ledgers(self, bundle: Bundle) -> None:
        """Bring the pinned ledgers of a journal to their states. Raises ScenarioError."""
        for wish in bundle.ledgers:
            wish.id = self._ledger(bundle, wish, self._stage.seller(wish))
            if wish.status is not None:
                self._stage.reach(wish, "Ledger", wish.id, wish.status)

    def _ledger(self, bundle: Bundle, wish: Wish, seller: Record) -> str:
        id = self._stage.ledger_id(bundle.id, seller)
        if self._stage.layer.get("Ledger", id) is None:
            state = self._stage.history.get("Journal", bundle.id)["status"]
            raise wish.fault(f"its journal is {state} and has no ledgers; let it be Generated.")
        return id

    def statements(self, bundle: Bundle) -> None:
        """Find the statements that are pinned, give them their ids, and bring them to their states."""
        named = {wish.id for wish in bundle.statements}
        for wish in bundle.statements:
            agreement = self._stage.own[wish]["id"]
            found = [each for each in self._below(bundle, wish) if each["agreement"]["id"] == agreement]
            free = next((each for each in found if each["id"] not in named), None)
            if free is None:
                raise wish.fault(
                    f"no statement of {agreement} came of {bundle.id}; let that be Generated or further on."
                )
            self._rename(free, str(wish.id))
        for wish in bundle.statements:
            if wish.said.get("billingType") == "Consolidated":
                self._consolidate(wish)
            elif wish.status is not None:
                self._stage.reach(wish, "Statement", str(wish.id), wish.status)

    def _below(self, bundle: Bundle, wish: Wish) -> list[Record]:
        history = self._stage.history
        if bundle.entity == "CustomLedger":
            return history.where("Statement", "customLedger.id", bundle.id)
        ledger = self._ledger(bundle, wish, self._stage.own[wish]["seller"])
        if history.get("Ledger", ledger)["status"] == "Review":
            self._stage.reach(wish, "Ledger", ledger, "Generated")
        return history.where("Statement", "ledger.id", ledger)

    def _rename(self, statement: Record, id: str) -> None:
        layer = self._stage.layer
        layer.remove("Statement", statement["id"])
        layer.put("Statement", {**statement, "id": id})
        for charge in self._stage.history.where("Charge", "statement.id", statement["id"]):
            layer.put("Charge", {**charge, "statement": {"id": id}})

    def _consolidate(self, wish: Wish) -> None:
        """A consolidated statement under the wished id; the statement made for the wish becomes its child."""
        id, child = str(wish.id), self._stage.making.draw("Statement")
        history = self._stage.history
        self._rename(history.get("Statement", id), child)
        history.shell(history.get("Statement", child), id)
        self._stage.reach(wish, "Statement", child, "Consolidating")
        if wish.status is not None:
            self._stage.reach(wish, "Statement", id, wish.status)
