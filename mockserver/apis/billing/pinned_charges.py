"""Pinned charges: the lines that make them, their ids, and what is done to them under review."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from mockserver import ids
from mockserver.apis.billing.stage import Stage
from mockserver.apis.billing.usage import Line, Source
from mockserver.apis.billing.wishes import Bundle, Wish
from mockserver.store import Record

# Charges count in hundreds; a pinned id beyond this line is given to a charge by renaming it, not by so many lines.
STEP = 100
FURTHEST = 500
SHARES = 2

IN_LINE = ("externalIds", "search", "period", "quantity", "price", "description", "segment")
SOURCES = ("subscription", "asset", "agreement")


class PinnedCharges:
    """Has pinned charges come about in a journal or custom ledger."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def lines(self, bundle: Bundle, authorization: Record) -> Iterable[Line]:
        """The lines of a journal's file that pinned charges come from."""
        for wish in bundle.charges:
            said = self._stage.said[wish]
            number, share = self._place(wish, bundle)
            source = self._source(wish, authorization, is_split=share > 0 or wish.status == "Split")
            members: dict[str, Any] = {name: said[name] for name in IN_LINE if name in said}
            if "order" in said:
                order = {"criteria": "order.id", "value": said["order"]["id"]}
                members["search"] = {**members.get("search", {}), "order": order}
            yield Line(source, number, wish.status == "Error", members)

    def rows(self, bundle: Bundle, agreement: Record) -> Iterable[Line]:
        """The rows of a custom ledger's sheet that pinned charges come from."""
        for wish in bundle.charges:
            said = self._stage.said[wish]
            source = self._stage.history.usage.source(said.get("agreement", agreement), whole=True)
            item = said.get("item", source.item)
            yield Line(Source(source.kind, source.record, source.agreement, item), None, wish.status == "Error", said)

    def _place(self, wish: Wish, bundle: Bundle) -> tuple[int | None, int]:
        """(the line that a charge's id stands for, which share of it); (None, 0) where a charge must be renamed."""
        digits = ids.digits(wish.id or "")
        if not digits.startswith(ids.digits(bundle.id)):
            return None, 0
        line, share = divmod(int(digits[-12:]), STEP)
        return (line, share) if 1 <= line <= FURTHEST and share <= SHARES else (None, 0)

    def _source(self, wish: Wish, authorization: Record, *, is_split: bool) -> Source:
        """What a pinned charge bills, which must be under the journal's authorization."""
        said, usage, catalog = self._stage.said[wish], self._stage.history.usage, self._stage.catalog
        arrangements = self._stage.arrangements
        named = next((name for name in SOURCES if name in said), None)
        if named is not None:
            record = said[named]
            owner = record if named == "agreement" else self._stage.history.get("Agreement", record["agreement"]["id"])
            source = Source(named.capitalize(), record, owner, catalog.item(owner))
        elif is_split:
            source = usage.source(arrangements.split(authorization), whole=True)
        elif wish.status == "Skipped":
            source = usage.source(arrangements.overridden(authorization))
        elif wish.status == "Error":
            # A subscription of its own, because it is gone from the catalog for a while.
            agreement = arrangements.any_plain(authorization)
            record = catalog.make("Subscription", {"agreement": agreement})
            source = Source("Subscription", record, agreement, catalog.item(agreement))
        else:
            source = usage.source(arrangements.any_plain(authorization))
        under = source.agreement["authorization"]["id"]
        if under != authorization["id"]:
            what = f"bills {source.record['id']}, which is under {under}; its journal is under {authorization['id']}."
            raise wish.fault(what)
        return Source(source.kind, source.record, source.agreement, said.get("item", source.item))

    def rename(self, bundle: Bundle) -> None:
        """Give the ids that no line number leads to, to charges that no pin speaks of."""
        path = "journal.id" if bundle.entity == "Journal" else "customLedger.id"
        named = {wish.id for wish in bundle.charges}
        for wish in bundle.charges:
            if wish.id is None or self._stage.layer.get("Charge", wish.id) is not None:
                continue
            charges = self._stage.history.where("Charge", path, bundle.id)
            found = next((each for each in charges if each["id"] not in named and self._fits(each, wish)), None)
            if found is not None:
                self._rename(found, wish.id)

    def _fits(self, charge: Record, wish: Wish) -> bool:
        """Whether a charge can be the wished one. What is ignored or taken back later on is ready now."""
        said, status = self._stage.said[wish], charge["processing"]["status"]
        is_alike = all(charge.get(name, {}).get("id") == said[name]["id"] for name in SOURCES if name in said)
        wanted = "Ready" if wish.status in (None, "Ignored", "Reconciling") else wish.status
        return "parent" not in charge and is_alike and status == wanted

    def _rename(self, charge: Record, id: str) -> None:
        layer = self._stage.layer
        layer.remove("Charge", charge["id"])
        layer.put("Charge", {**charge, "id": id})
        for child in self._stage.history.where("Charge", "parent.id", charge["id"]):
            layer.put("Charge", {**child, "parent": {**child["parent"], "id": id}})

    def regenerate_without(self, bundle: Bundle, hidden: Sequence[Source]) -> None:
        """Regenerate a journal while what some lines bill is not in the catalog, so that these charges are in error."""
        history = self._stage.history
        with ExitStack() as gone:
            for source in {source.record["id"]: source for source in hidden}.values():
                gone.enter_context(history.without(source.kind, source.record["id"]))
            self._stage.attempt(bundle, lambda: history.rebuild(bundle.id))

    def reconcile(self, bundle: Bundle, status: str) -> None:
        """Ignore the charges that must be ignored, and take back those that must be under reconciliation."""
        history, attempt = self._stage.history, self._stage.attempt
        for wish in bundle.charges:
            if wish.status not in ("Ignored", "Reconciling") or self._stage.layer.get("Charge", wish.id or "") is None:
                continue
            body = {"reason": "Billed twice by the vendor."}
            attempt(bundle, partial(history.charge_event, str(wish.id), "ignore", body))
            if wish.status == "Reconciling":
                attempt(bundle, partial(history.charge_event, str(wish.id), "reset", {}))
        if history.get("Journal", bundle.id)["status"] == "Reconciling" and status != "Reconciling":
            attempt(bundle, lambda: history.recalculate(bundle.id))
