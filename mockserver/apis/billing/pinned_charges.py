"""Pinned charges: the lines that make them, their ids, and what is done to them under review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from mockserver import ids
from mockserver.apis.billing.charges import JOURNAL_STEP as STEP
from mockserver.apis.billing.custom_ledgers import STEP as ROW_STEP
from mockserver.apis.billing.shared import without
from mockserver.apis.billing.stage import Stage
from mockserver.apis.billing.usage import Line, Source
from mockserver.apis.billing.wishes import Bundle, Wish
from mockserver.scenario import nearest
from mockserver.store import Record

IN_LINE = ("externalIds", "search", "period", "quantity", "price", "description", "segment")
SOURCES = ("subscription", "asset", "agreement")
# What a charge may be in error for want of, under review.
GONE = ("source", "agreement", "item", "order", "allocations")


class PinnedCharges:
    """Has pinned charges come about in a journal or custom ledger."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._wishes: dict[Line, Sequence[Wish]] = {}
        self._renamed: dict[str, dict[str, str]] = {}

    def lines(self, bundle: Bundle, authorization: Record) -> list[Line]:
        """The lines of a journal's file that pinned charges come from; shares come from the line that is split."""
        rows: dict[object, list[Wish]] = {}
        for wish in bundle.charges:
            rows.setdefault(wish if wish.id is None else _place(wish.id) // STEP, []).append(wish)
        return [self._line(wishes, authorization) for wishes in rows.values()]

    def _line(self, wishes: Sequence[Wish], authorization: Record) -> Line:
        """The line of a charge, of some of its shares, or of both. Raises ScenarioError."""
        shares = [wish for wish in wishes if wish.id is not None and _place(wish.id) % STEP]
        wish = next((wish for wish in wishes if wish not in shares), wishes[0])
        said = {name: value for each in (*shares, wish) for name, value in self._stage.said[each].items()}
        source = self._source(wish, said, authorization, is_split=bool(shares) or wish.status == "Split")
        parts = self._parts(source) if wish in shares or wish.status in (None, "Split") else 0
        for share in shares:
            if _place(str(share.id)) % STEP > parts:
                whole = self._stage.shaped("Charge", f"{int(ids.digits(str(share.id))) // STEP * STEP:020d}")
                why = f"and {whole} is split into {parts}" if parts else f"but {whole} is not split"
                raise share.fault(f"{share.id} is a share by its last digits, {why}; pin {whole}.", "id")
        members: dict[str, Any] = {name: said[name] for name in IN_LINE if name in said}
        if "order" in said:
            order = {"criteria": "order.id", "value": said["order"]["id"]}
            members["search"] = {**members.get("search", {}), "order": order}
        line = Line(source, None, wish.status == "Error", members, self._gone(wish, said, source))
        self._wishes[line] = wishes
        return line

    def check_gone(self, bundle: Bundle, *, is_reviewed: bool) -> None:
        """See that nothing is gone where nobody would find it missing. Raises ScenarioError."""
        for wish in bundle.charges:
            if "gone" in wish.said and not is_reviewed:
                raise wish.fault("is missed under review only; let its journal be in Review, or further on.", "gone")

    def _gone(self, wish: Wish, said: Mapping[str, Any], source: Source) -> str:
        """What of a charge in error is gone from the catalog, if the pin says so. Raises ScenarioError."""
        gone = str(said.get("gone", ""))
        if gone and gone not in GONE:
            raise wish.fault(f"{gone[:40]!r} cannot go; {nearest(gone, GONE)}", "gone")
        if gone and wish.status != "Error":
            raise wish.fault("what misses something is in error; say status: Error, too.", "gone")
        if gone == "order" and "order" not in said:
            raise wish.fault("it names no order; name the one that is gone, as its order.", "gone")
        if gone == "allocations" and not self._parts(source):
            raise wish.fault(f"{source.record['id']} is not split; name a source that is.", "gone")
        return gone

    def _parts(self, source: Source) -> int:
        """How many shares a charge of this source has."""
        splits = (record.get("split", {}) for record in (source.record, source.agreement))
        return next((len(each["allocations"]) for each in splits if each.get("active")), 0)

    def rows(self, bundle: Bundle, agreement: Record) -> Iterable[Line]:
        """The rows of a custom ledger's sheet that pinned charges come from."""
        for wish in bundle.charges:
            said = self._stage.said[wish]
            source = self._stage.history.usage.source(said.get("agreement", agreement), whole=True)
            item = said.get("item", source.item)
            line = Line(Source(source.kind, source.record, source.agreement, item), None, wish.status == "Error", said)
            self._wishes[line] = [wish]
            yield line

    def placed(self, bundle: Bundle, lines: Sequence[Line], total: int) -> list[Line]:
        """The lines, those of pinned charges with their numbers: as their ids tell, or else the first free ones."""
        step = STEP if bundle.entity == "Journal" else ROW_STEP
        numbers: dict[Line, int] = {}
        for line in lines:
            id = next((wish.id for wish in self._wishes.get(line, ()) if wish.id is not None), None)
            number, rest = divmod(_place(id), step) if id is not None else (0, 0)
            if 1 <= number <= total and number not in numbers.values() and (step == STEP or not rest):
                numbers[line] = number
        free = (number for number in range(1, total + 1) if number not in set(numbers.values()))
        made = []
        for line in lines:
            wishes = self._wishes.get(line)
            if wishes is None:
                made.append(line)
                continue
            number = numbers[line] if line in numbers else next(free)
            made.append(replace(line, number=number))
            native = self._stage.shaped("Charge", f"{ids.digits(bundle.id)}{number * step:012d}")
            for wish in wishes:
                wish.id = wish.id or native
            whole = str(wishes[0].id)
            share = _place(whole) % STEP if step == STEP else 0
            whole = self._stage.shaped("Charge", f"{int(ids.digits(whole)) - share:020d}")
            if whole != native:
                self._renamed.setdefault(bundle.id, {})[native] = whole
        return made

    def _source(self, wish: Wish, said: Mapping[str, Any], authorization: Record, *, is_split: bool) -> Source:
        """What a pinned charge bills, which must be under the journal's authorization."""
        usage, catalog = self._stage.history.usage, self._stage.catalog
        arrangements = self._stage.arrangements
        named = next((name for name in SOURCES if name in said), None)
        if named is not None:
            record = said[named]
            owner = record if named == "agreement" else self._stage.layer.get("Agreement", record["agreement"]["id"])
            if owner is None:
                raise wish.fault(f"{record['agreement']['id']} is gone by then; name another, or none.", named)
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
        """Give charges the pinned ids that their line numbers do not lead to."""
        for native, id in self._renamed.get(bundle.id, {}).items():
            charge = self._stage.layer.get("Charge", native)
            if charge is not None:
                self._rename(charge, id)

    def _rename(self, charge: Record, id: str) -> None:
        layer = self._stage.layer
        layer.remove("Charge", charge["id"])
        layer.put("Charge", {**charge, "id": id})
        for child in self._stage.history.where("Charge", "parent.id", charge["id"]):
            layer.remove("Charge", child["id"])
            share = int(ids.digits(id)) + _place(child["id"]) % STEP
            parent = {**child["parent"], "id": id}
            layer.put("Charge", {**child, "id": self._stage.shaped("Charge", f"{share:020d}"), "parent": parent})

    def regenerate_without(self, bundle: Bundle, hidden: Sequence[Line]) -> None:
        """Regenerate a journal while what some lines bill is not in the catalog, so that these charges are in error.

        What a pin says is gone stays so; the source of any other line is back afterwards.
        """
        history = self._stage.history
        for line in hidden:
            if line.gone:
                self._lose(line)
        with ExitStack() as gone:
            for source in {line.source.record["id"]: line.source for line in hidden if not line.gone}.values():
                gone.enter_context(history.without(source.kind, source.record["id"]))
            self._stage.attempt(bundle, lambda: history.rebuild(bundle.id))
        self.rename(bundle)

    def _lose(self, line: Line) -> None:
        """Take from the catalog what a line is in error for; an item and an order stay, since others may show them."""
        layer, source = self._stage.layer, line.source
        if line.gone == "source":
            layer.remove(source.kind, source.record["id"])
        elif line.gone == "agreement":
            layer.remove("Agreement", source.agreement["id"])
        elif line.gone == "item":
            layer.put("Item", without(source.item, "product"))
        elif line.gone == "order":
            order = self._stage.history.get("Order", line.said["search"]["order"]["value"])
            layer.put("Order", without(order, "authorization"))
        else:
            own = source.record.get("split", {}).get("active")
            kind, owner = (source.kind, source.record) if own else ("Agreement", source.agreement)
            layer.put(kind, {**owner, "split": {**owner["split"], "allocations": []}})

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


def _place(id: str) -> int:
    """The part of a charge's id that counts, behind its parent's digits (billing b.12)."""
    return int(ids.digits(id)[8:])
