"""Pinned journals and custom ledgers, with everything that is pinned below them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from mockserver.apis.billing.history import Plan
from mockserver.apis.billing.pinned_charges import PinnedCharges
from mockserver.apis.billing.pinned_statements import PinnedStatements
from mockserver.apis.billing.stage import Stage
from mockserver.apis.billing.usage import Line
from mockserver.apis.billing.wishes import Bundle
from mockserver.store import Record

# A custom ledger's sheet is short.
MOST_ROWS = 8
BEFORE_REVIEW = ("Draft", "Validating", "Validated", "Error")
UNREAD = ("Draft", "Validating", "Error")


class PinnedJournals:
    """Makes the journals and custom ledgers that are pinned, or that something pinned stands in."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._charges = PinnedCharges(stage)
        self._statements = PinnedStatements(stage)

    def make(self, bundle: Bundle, at: datetime) -> None:
        """Make it, and bring it and what is pinned below it to the wanted states. Raises ScenarioError."""
        if bundle.entity == "Journal":
            self._journal(bundle, at)
        else:
            self._custom_ledger(bundle, at)

    def _journal(self, bundle: Bundle, at: datetime) -> None:
        stage, history = self._stage, self._stage.history
        said = dict(stage.said[bundle.wish]) if bundle.wish else {}
        authorization = said["authorization"] = self._authorization(bundle, said)
        status = said.get("status") or self._least(bundle)
        self._charges.check_gone(bundle, is_reviewed=status not in BEFORE_REVIEW)
        lines = self._lines(bundle, authorization)
        if status == "Error" and not bundle.charges and not any(line.is_wrong for line in lines):
            lines.append(Line(history.usage.sources(authorization)[0], is_wrong=True))
        if status not in BEFORE_REVIEW and not lines:
            # Something must be billable, however few and whatever the drawn ones are.
            lines.append(Line(history.usage.source(stage.arrangements.any_plain(authorization))))
        count = self._count(bundle, said, lines)
        lines = self._charges.placed(bundle, lines, count)
        # A charge in error keeps a file from being found right; it gets into a journal under review because what it
        # bills is gone from the catalog while the journal is regenerated.
        hidden = [line for line in lines if line.is_wrong] if status not in UNREAD else []
        if hidden:
            lines = [replace(line, is_wrong=False) for line in lines]
        first = status if status in BEFORE_REVIEW else "Validated"
        plan = Plan(at, first, bundle.id, said, lines, count, self._statements.signs(bundle))
        stage.attempt(bundle, lambda: history.journal(plan))
        self._charges.rename(bundle)
        if status not in BEFORE_REVIEW:
            stage.attempt(bundle, lambda: history.reach("Journal", bundle.id, "Review"))
            if hidden:
                self._charges.regenerate_without(bundle, hidden)
            self._charges.reconcile(bundle, status)
            self._beyond_review(bundle, status)
        stage.arrived(bundle, status)

    def _count(self, bundle: Bundle, said: Mapping[str, Any], lines: list[Line], most: int | None = None) -> int:
        """How many lines the file has: as many as the pin asks for; where charges are pinned, no others."""
        if bundle.wish is not None and "lines" in said:
            if said["lines"] < len(lines):
                raise bundle.wish.fault(f"what is pinned below it takes {len(lines)}; ask for more.", "lines")
            return int(said["lines"])
        drawn = 0 if bundle.charges or (lines and not bundle.wish) else self._stage.count(most)
        return max(drawn, len(lines))

    def _beyond_review(self, bundle: Bundle, status: str) -> None:
        """What is below a journal is driven before the journal is, where that would take it along."""
        stage = self._stage
        before = "Accepted" if status in ("Queued", "Completed") else status
        if stage.history.get("Journal", bundle.id)["status"] != before:
            stage.attempt(bundle, lambda: stage.history.reach("Journal", bundle.id, before))
        self._statements.ledgers(bundle)
        self._statements.statements(bundle)
        if before != status:
            stage.attempt(bundle, lambda: stage.history.reach("Journal", bundle.id, status))

    def _authorization(self, bundle: Bundle, said: Mapping[str, Any]) -> Record:
        """The authorization that everything in a journal is under."""
        if "authorization" in said:
            vendor, own = said.get("vendor"), said["authorization"]
            if vendor is not None and bundle.wish is not None and vendor["id"] != own["vendor"]["id"]:
                why = f"{own['id']} is of {own['vendor'].get('name', own['vendor']['id'])}; mend one of them."
                raise bundle.wish.fault(f"{vendor['name']} cannot have it: the authorization {why}", "vendor")
            return dict(own)
        wishes = [self._stage.said[wish] for wish in bundle.wishes]
        for mine in wishes:
            source = mine.get("agreement") or mine.get("subscription") or mine.get("asset")
            if source is not None:
                return self._stage.history.get("Authorization", source["authorization"]["id"])
        vendor = next((mine["vendor"] for mine in wishes if "vendor" in mine), None)
        return self._stage.catalog.authorization(vendor)

    def _least(self, bundle: Bundle) -> str:
        """The earliest state of a journal in which everything wished below it can be."""
        if bundle.statements and not bundle.ledgers and all(wish.status == "Issued" for wish in bundle.statements):
            return "Completed"
        if bundle.ledgers or bundle.statements:
            return "Generated"
        states = {wish.status for wish in bundle.charges}
        if states & {"Ignored", "Reconciling"}:
            return "Reconciling"
        return "Error" if "Error" in states else "Validated" if bundle.charges else "Draft"

    def _lines(self, bundle: Bundle, authorization: Record) -> list[Line]:
        """The lines that must be in a journal's file: for its charges, its statements, and its sellers' ledgers."""
        stage, usage = self._stage, self._stage.history.usage
        lines = list(self._charges.lines(bundle, authorization))
        sellers = {stage.seller(wish)["id"]: wish for wish in bundle.ledgers}
        billed = {line.source.agreement["id"] for line in lines if not line.is_wrong}
        for wish in bundle.statements:
            agreement = stage.own[wish] = stage.agreement(wish, authorization)
            # Where the pin names an agreement that pinned charges bill, these are what the statement comes to.
            if "agreement" not in stage.said[wish] or agreement["id"] not in billed:
                lines.append(Line(usage.source(agreement), said=self._statements.line(wish)))
            sellers.pop(agreement["seller"]["id"], None)
        for wish in sellers.values():
            stage.own[wish] = stage.agreement(wish, authorization)
            lines.append(Line(usage.source(stage.own[wish])))
        return lines

    # Custom ledgers

    def _custom_ledger(self, bundle: Bundle, at: datetime) -> None:
        stage, history = self._stage, self._stage.history
        said = dict(stage.said[bundle.wish]) if bundle.wish else {}
        for wish in bundle.statements:
            said = {
                **{name: stage.said[wish][name] for name in ("client", "seller", "vendor") if name in stage.said[wish]},
                **said,
            }
        self._charges.check_gone(bundle, is_reviewed=False)
        agreements = stage.arrangements.manual(said)
        lines = [*self._charges.rows(bundle, agreements[0]), *self._statement_rows(bundle, agreements)]
        status = said.get("status") or self._least_manual(bundle)
        if status == "Error" and not bundle.charges and not any(line.is_wrong for line in lines):
            lines.append(Line(history.usage.source(agreements[0], whole=True), is_wrong=True))
        count = self._count(bundle, said, lines, MOST_ROWS)
        lines = self._charges.placed(bundle, lines, count)
        first = status if status in BEFORE_REVIEW else "Validated"
        before = "Generated" if status in ("Queued", "Completed") and bundle.statements else status
        plan = Plan(at, first, bundle.id, said, lines, count, self._statements.signs(bundle))
        stage.attempt(bundle, lambda: history.custom_ledger(plan, agreements))
        self._charges.rename(bundle)
        stage.attempt(bundle, lambda: history.reach("CustomLedger", bundle.id, before))
        self._statements.statements(bundle)
        stage.attempt(bundle, lambda: history.reach("CustomLedger", bundle.id, status))
        stage.arrived(bundle, status)

    def _statement_rows(self, bundle: Bundle, agreements: list[Record]) -> list[Line]:
        stage, rows = self._stage, []
        for wish in bundle.statements:
            free = [each for each in agreements if each not in stage.own.values()]
            agreement = stage.own[wish] = free[0] if free else stage.arrangements.another(agreements[0])
            rows.append(Line(stage.history.usage.source(agreement, whole=True), said=self._statements.line(wish)))
        return rows

    def _least_manual(self, bundle: Bundle) -> str:
        """The earliest state of a custom ledger in which everything wished below it can be."""
        if bundle.statements:
            return "Generated"
        if any(wish.status == "Error" for wish in bundle.charges):
            return "Error"
        return "Validated" if bundle.charges else "Draft"
