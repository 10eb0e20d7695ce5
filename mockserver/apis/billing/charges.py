"""Charges: made from the lines of an uploaded file, and put right by hand (billing c.2, d.2, e.1 to e.4).

The same charge, under one id, is seen below its journal, its ledger and its statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext
from types import MappingProxyType
from typing import Any

from mockserver import ids
from mockserver.apis.billing import rules, summaries
from mockserver.apis.billing.matching import Match, Matcher, Side
from mockserver.apis.billing.recall import Recall
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.domain.errors import Conflict, Invalid
from mockserver.store import Record
from mockserver.work import Work

# Lines count in hundreds, which leaves room for the shares of a split one (b.12).
JOURNAL_STEP = 100
SOURCES = ("subscription", "agreement", "asset")
# What a match or an ignore changes, and a reset brings back (C8).
RECONCILED = (
    *("agreement", "subscription", "asset", "line", "licensee", "buyer", "seller", "client"),
    *("erpData", "price", "upload", "processing", "ledger", "statement"),
)
# What a line gives to its charge, beside its prices.
GIVEN = ("externalIds", "search", "period", "quantity", "description", "segment", "attributes")
# What a recalculation leaves as it is.
KEPT = ("parent", "split", "ledger", "statement", "reconciliation", "audit", "revision")
_SOURCE, _ORDER = ("type", "criteria", "value"), ("criteria", "value")
_NONE: Mapping[str, Any] = MappingProxyType({})
# Without these nothing can be found or priced.
NEEDED = (("search", "source"), ("search", "item"), ("price", "unitPP"), ("price", "PPx1"))


def charge_id(work: Work, parent: str, count: int) -> str:
    """The id of a charge below a journal or custom ledger: the parent's digits and a counter (b.12)."""
    return work.api.conventions.ids["Charge"].shape(f"{ids.digits(parent)}{count:012d}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What charges are that search for the same, beside their amounts.

    side: whose prices they get; None: they are in error
    rest: the members behind the price
    """

    match: Match
    side: Side | None
    rest: dict[str, Any]
    is_split: bool


def shared(work: Work, journal: Record) -> dict[str, Any]:
    """What all charges of a journal have of it, and all that they depend on of it."""
    return {
        "journal": work.ref("Journal", journal),
        **{name: journal[name] for name in ("authorization", "product", "vendor")},
    }


class Processor:
    """Makes the charges of one journal, in one run."""

    def __init__(self, work: Work, journal: Record) -> None:
        self._matcher = Matcher(work, journal)
        self._shared = shared(work, journal)
        self._shape = work.api.conventions.ids["Charge"].shape
        self._digits = ids.digits(journal["id"])
        self._frames: Recall[tuple[Any, ...], _Frame] = Recall()
        self._segments: Recall[tuple[Any, ...], dict[str, Any]] = Recall()

    def of_line(self, number: int, data: Mapping[str, Any], faults: Sequence[str]) -> list[Record]:
        """The charge that a line of a file makes, and behind it its shares.

        number: its place among the lines, from 1; data: what could be read of it; faults: what is wrong with it
        """
        return self._charges(self._charge_id(number * JOURNAL_STEP), data, faults)

    def again(self, charge: Record, faults: Sequence[str] = ()) -> list[Record]:
        """A charge as it comes out today, with the shares if it is now split; what was reconciled stays so (C9, J18).

        An ignored charge and a split one stay: only a reset, or a regenerated journal, undoes these (d.2, e.3).
        """
        status, hand = charge["processing"]["status"], charge.get("reconciliation", {})
        if status in ("Ignored", "Split") or ("parent" in charge and status == "Ready"):
            return [charge]
        if "parent" in charge and hand.get("type") != "Match":
            return [_revised(charge, {**charge, "processing": {"status": "Ready"}})]
        matched = hand.get("source", {}) if hand.get("type") == "Match" else {}
        with localcontext(rules.EXACT):
            first, *rest = self._charges(charge["id"], charge, faults, matched=matched, split="parent" not in charge)
        kept = {name: charge[name] for name in KEPT if name in charge}
        return [_revised(charge, {**first, **kept}), *rest]

    def _charge_id(self, count: int) -> str:
        return self._shape(f"{self._digits}{count:012d}")

    def _charges(
        self,
        id: str,
        data: Mapping[str, Any],
        faults: Sequence[str],
        *,
        matched: Mapping[str, Any] | None = None,
        split: bool = True,
    ) -> list[Record]:
        """The charge that a line makes, and behind it its shares.

        faults: what is wrong with the line itself; matched: what Operations said it is for
        """
        frame = self._frame(data.get("search", _NONE), faults or _missing(data), matched or _NONE, split)
        price = priced(data.get("price", _NONE), frame.match, frame.side)
        charge = {
            "id": id,
            **{name: data[name] for name in GIVEN if name in data},
            **self._segmented(data),
            "price": price,
            "billingType": "Automated",
            "statementType": rules.sign(price.get("PPx1", rules.ZERO)),
            **frame.rest,
        }
        return [charge, *self._shares(charge, frame.match)] if frame.is_split else [charge]

    def _frame(
        self, search: Mapping[str, Any], faults: Sequence[str], matched: Mapping[str, Any], split: bool
    ) -> _Frame:
        """What a line comes to beside its amounts; of lines that search for the same, it is made once."""
        source, line = _source(search, matched)
        item, order = search.get("item", _NONE), search.get("order", _NONE)
        if faults:
            # Whatever is wrong with a line is said at once, so that one round mends it.
            currency = {"purchase": self._shared["authorization"]["currency"]}
            return self._framed(Match({}, {}, currency), [*faults, *self._matcher.faults(source, item)], order, split)
        key = (*map(source.get, _SOURCE), *map(item.get, _ORDER), *map(order.get, _ORDER), line, split)
        if (known := self._frames.get(key)) is not None:
            return known
        match = self._matcher.match(source, item, line=line)
        return self._frames.keep(key, self._framed(match, list(match.faults), order, split))

    def _framed(self, match: Match, faults: list[str], order: Mapping[str, str], split: bool) -> _Frame:
        ref = None
        if len(order) == 2:
            ref, fault = self._matcher.order(order)
            faults += [fault] if fault else []
        outcome = _outcome(faults, match, is_split=split)
        rest = {
            **outcome,
            **self._shared,
            **match.refs,
            **({} if ref is None else {"order": ref}),
            **({"erpData": match.erp} if match.erp else {}),
            "revision": 1,
        }
        return _Frame(match=match, side=None if faults else match.side, rest=rest, is_split=outcome is _SPLIT)

    def _segmented(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The segment of a line in both places where charges have it."""
        attributes = data.get("attributes", _NONE)
        segment = data.get("segment") or attributes.get("segment")
        if not segment:
            return {}
        key = (segment, *attributes.items())
        return self._segments.get(key) or self._segments.keep(
            key, {"segment": segment, "attributes": {**attributes, "segment": segment}}
        )

    def _shares(self, charge: Record, match: Match) -> Iterator[Record]:
        """The children of a split charge: own buyer and share of the prices, all else as the parent (e.3)."""
        parent = {name: charge[name] for name in ("id", "externalIds") if name in charge}
        base = {name: value for name, value in charge.items() if name not in ("upload", "processing", "erpData")}
        number = int(ids.digits(charge["id"])[-12:])
        for place, part in enumerate(match.shares, 1):
            own = {name: rules.share(charge["price"][name], part.percentage) for name in ("unitPP", "PPx1")}
            erp = {**{name: value for name, value in match.erp.items() if name != "scu"}, **part.side.erp}
            child = {
                **base,
                "id": self._charge_id(number + place),
                "price": priced(own, match, part.side),
                **_READY,
                "parent": parent,
                "split": {"percentage": part.percentage, "allocation": part.percentage},
                "buyer": part.side.buyer,
            }
            yield child | ({"erpData": erp} if erp else {})


def priced(given: Mapping[str, Any], match: Match, side: Side | None) -> dict[str, Any]:
    """The price of a charge: purchase side as it came, sale side and buyer's side where they can be told (e.4)."""
    if match.factor is None or side is None:
        return {"currency": match.currency, **{name: given[name] for name in ("unitPP", "PPx1") if name in given}}
    times, rate = rules.EXACT.multiply, side.rate
    unit, line = times(given["unitPP"], match.factor), times(given["PPx1"], match.factor)
    same = rate == 1
    return {
        "currency": match.currency,
        "unitPP": given["unitPP"],
        "PPx1": given["PPx1"],
        "unitSP": unit,
        "SPx1": line,
        "unitBSP": unit if same else times(unit, rate),
        "BSPx1": line if same else times(line, rate),
        **match.markup,
    }


def _missing(data: Mapping[str, Any]) -> list[str]:
    """What a line lacks without which nothing can be found or priced."""
    return [f"{place}.{name}: is missing" for place, name in NEEDED if name not in data.get(place, _NONE)]


def _source(search: Mapping[str, Any], matched: Mapping[str, Any]) -> tuple[Mapping[str, str], str]:
    """What to search for, and the line to take: as the file says, unless Operations said otherwise."""
    for name in SOURCES:
        if name in matched:
            source = {"type": name.capitalize(), "criteria": "id", "value": matched[name]["id"]}
            return source, matched.get("line", {}).get("id", "")
    return search.get("source", {}), ""


_READY: dict[str, Any] = {"upload": {"status": "Ready"}, "processing": {"status": "Ready"}}
_SPLIT: dict[str, Any] = {"upload": {"status": "Split"}, "processing": {"status": "Split"}}
_SKIPPED: dict[str, Any] = {"upload": {"status": "Ready"}, "processing": {"status": "Skipped"}}


def _outcome(faults: list[str], match: Match, *, is_split: bool) -> dict[str, Any]:
    """How upload and processing went. What only Operations can mend is no fault of the upload (C2, C4; M)."""
    if faults:
        wrong = {"status": "Error", "errors": faults}
        return {"upload": wrong, "processing": wrong}
    if match.is_blocked:
        return _SKIPPED
    if match.problems:
        return {"upload": {"status": "Ready"}, "processing": {"status": "Error", "errors": list(match.problems)}}
    return _SPLIT if match.shares and is_split else _READY


def _revised(old: Record, new: dict[str, Any]) -> Record:
    """The new version of a charge, or the old one where nothing changed."""
    return old if new == old else {**new, "revision": old.get("revision", 0) + 1}


# Put right by hand


@WORKFLOWS.guard("Charge", "match")
def may_match(work: Work, charge: Record) -> None:
    """The target must be one that the journal could have meant, and that can be priced (C6)."""
    journal = _open_journal(work, charge, "match")
    entity, target, agreement = _chosen(work)
    name = entity.lower()
    errors: dict[str, list[str]] = {}
    if target["authorization"]["id"] != journal["authorization"]["id"]:
        wanted = journal["authorization"]["id"]
        errors[f"{name}.id"] = [f"{target['id']} is under another authorization; choose one under {wanted}."]
    elif entity == "Subscription" and target.get("split", {}).get("active"):
        errors[f"{name}.id"] = [f"{target['id']} has active split billing; choose one without."]
    elif "markup" not in agreement:
        errors[f"{name}.id"] = [f"agreement {agreement['id']} has no default markup; give it one, or choose another."]
    elif "line" in work.body:
        id = work.body["line"].get("id")
        line = work.get("AgreementLine", id) if isinstance(id, str) else None
        if line is None or line.get(name, {}).get("id") != target["id"]:
            errors["line.id"] = [f"{id!r} is no line of {target['id']}; choose one of its lines."]
    if errors:
        raise Invalid(f"cannot match {charge['id']}.", errors)


@WORKFLOWS.effect("Charge", "match")
def matched(work: Work, charge: Record) -> None:
    """The charge belongs to the target; it is priced when the journal is recalculated (J17)."""
    entity, target, agreement = _chosen(work)
    source = {entity.lower(): work.ref(entity, target)}
    if "line" in work.body:
        source["line"] = work.ref("AgreementLine", work.need("AgreementLine", work.body["line"]["id"]))
    refs = {"agreement": work.ref("Agreement", agreement), **source}
    refs |= {name: agreement[name] for name in ("licensee", "buyer", "seller", "client") if name in agreement}
    rest = {name: value for name, value in charge.items() if name not in (*SOURCES, "line")}
    price = {name: charge["price"][name] for name in ("unitPP", "PPx1") if name in charge["price"]}
    price["currency"] = {"purchase": charge["price"]["currency"]["purchase"]}
    _reconciled(work, charge, {**rest, **refs, "price": price}, {"type": "Match", "source": source})


@WORKFLOWS.guard("Charge", "ignore")
def may_ignore(work: Work, charge: Record) -> None:
    """Only while the journal is under review (C7)."""
    _open_journal(work, charge, "ignore")


@WORKFLOWS.effect("Charge", "ignore")
def ignored(work: Work, charge: Record) -> None:
    """The charge is left out of billing (C7)."""
    rest = {name: value for name, value in charge.items() if name not in ("ledger", "statement")}
    _reconciled(work, charge, rest, {"type": "Ignore"})


@WORKFLOWS.guard("Charge", "reset")
def may_reset(work: Work, charge: Record) -> None:
    """Only what was reconciled, and not yet reset (C8)."""
    _open_journal(work, charge, "reset")
    if charge.get("reconciliation", {}).get("type") not in ("Match", "Ignore"):
        raise Conflict(f"cannot reset {charge['id']}: it is neither matched nor ignored; match or ignore it first.")


@WORKFLOWS.effect("Charge", "reset")
def was_reset(work: Work, charge: Record) -> None:
    """What the charge was before is back; its status follows when the journal is recalculated (C8)."""
    original = charge["reconciliation"]["original"]
    rest = {name: value for name, value in charge.items() if name not in RECONCILED}
    restored = {
        **rest,
        **original,
        "processing": charge["processing"],
        "reconciliation": {"type": "Reset", **_reason(work)},
    }
    _keep(work, restored, "reset")


def _open_journal(work: Work, charge: Record, event: str) -> Record:
    journal = work.need("Journal", charge["journal"]["id"])
    if journal["status"] not in ("Review", "Reconciling"):
        raise Conflict(
            f"cannot {event} a charge when the journal is {journal['status']}; only in Review or Reconciling."
        )
    return journal


def _chosen(work: Work) -> tuple[str, Record, Record]:
    """The entity and record that the body matches a charge with, and its agreement. Raises Invalid."""
    named = [name for name in SOURCES if name in work.body]
    if len(named) != 1:
        raise Invalid(
            "name one target.",
            {name: ["Exactly one of subscription, agreement and asset."] for name in named or SOURCES},
        )
    name = named[0]
    entity = name.capitalize()
    work.refer(entity, work.body[name], name)
    target = work.need(entity, work.body[name]["id"])
    agreement = target if entity == "Agreement" else work.get("Agreement", target["agreement"]["id"])
    if agreement is None:
        raise Invalid(
            f"{name}: no agreement.", {f"{name}.id": [f"{target['id']} belongs to no agreement; choose another."]}
        )
    return entity, target, agreement


def _reconciled(work: Work, charge: Record, now: dict[str, Any], what: dict[str, Any]) -> None:
    """Keep a charge with what was done to it; the first version that was reconciled is what a reset brings back."""
    before = work.world.layer.get("Charge", charge["id"]) or charge
    earlier = charge.get("reconciliation", {})
    original = earlier.get("original") or {name: before[name] for name in RECONCILED if name in before}
    _keep(work, {**now, "reconciliation": {**what, **_reason(work), "original": original}}, "reconciled")


def _keep(work: Work, charge: Record, stamp: str) -> None:
    """Store a charge that an event moved, and let its journal follow (J17)."""
    by = {"at": work.now, "by": work.actor.ref}
    # A charge's audit tells of its reconciliation alone (c.2).
    audit = {name: value for name, value in charge.get("audit", {}).items() if name in ("reconciled", "reset")}
    work.put("Charge", {**charge, "audit": {**audit, stamp: by}})
    journal = work.need("Journal", charge["journal"]["id"])
    summary = summaries.summed(work.where("Charge", "journal.id", journal["id"]))
    work.fire("Journal", {**journal, **summaries.journal(work, journal, summary)}, "reconcile")


def _reason(work: Work) -> dict[str, str]:
    reason = work.body.get("reason")
    return {"reason": reason} if isinstance(reason, str) else {}
