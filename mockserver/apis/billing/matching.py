"""Finding what a line of a charge file means: source, item, order, and what follows from them (billing e.2 to e.4).

A matcher lives for one run over one journal. It asks the catalog once for each thing that the file names, so the
snapshots it hands out are shared between charges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mockserver.apis.billing import rules, summaries
from mockserver.apis.billing.recall import Recall
from mockserver.store import Record, at
from mockserver.work import Work

ONE = Decimal(1)
# The widest split that fits between the ids of two lines, which are a hundred apart (b.12).
MOST_ALLOCATIONS = 99


@dataclass(frozen=True, slots=True)
class Side:
    """Who pays: the buyer, how the ERP knows them, and one unit of the sale currency in theirs."""

    buyer: dict[str, Any]
    erp: dict[str, str]
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """One allocation of a split: who pays which part."""

    side: Side
    percentage: Decimal


@dataclass(frozen=True, slots=True)
class Match:
    """What a pair of source and item comes to; what could be found, where not all could be.

    refs: snapshots by member, as the charge keeps them
    currency, markup: the members of the charge's price that do not depend on its amount
    factor: sale price of one unit of purchase price; None where it cannot be told
    faults: what the vendor must mend in the file; problems: what Operations must mend in the catalog
    """

    refs: dict[str, Any]
    erp: dict[str, str]
    currency: dict[str, Any]
    markup: dict[str, Any] = field(default_factory=dict)
    factor: Decimal | None = None
    side: Side | None = None
    shares: tuple[Share, ...] = ()
    is_blocked: bool = False
    faults: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Target:
    """What a source alone comes to."""

    kind: str = ""
    record: Record = field(default_factory=dict)
    agreement: Record = field(default_factory=dict)
    refs: dict[str, Any] = field(default_factory=dict)
    currency: dict[str, Any] = field(default_factory=dict)
    rate: Decimal | None = None
    side: Side | None = None
    shares: tuple[Share, ...] = ()
    country: str | None = None
    is_blocked: bool = False
    faults: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Matcher:
    """Looks things up for the charges of one journal, each thing once."""

    def __init__(self, work: Work, journal: Record) -> None:
        self._work = work
        self._authorization = journal["authorization"]
        self._product = journal["product"]
        self._vendor = journal["vendor"]
        self._catalog = Catalog(work)
        self._targets: dict[tuple[str, str, str], _Target] = {}
        self._items: dict[tuple[str, str], tuple[Record | None, str | None]] = {}
        self._orders: dict[tuple[str, str], tuple[dict[str, Any] | None, str | None]] = {}
        self._matches: Recall[tuple[str, ...], Match] = Recall()

    def match(self, source: Mapping[str, str], item: Mapping[str, str], *, line: str = "") -> Match:
        """What these searches come to.

        source: {type, criteria, value}; item: {criteria, value}; line: the id of an agreement line chosen by hand
        """
        key = (source["type"], source["criteria"], source["value"], item["criteria"], item["value"], line)
        return self._matches.get(key) or self._matches.keep(key, self._match(*key))

    def faults(self, source: Mapping[str, str], item: Mapping[str, str]) -> tuple[str, ...]:
        """What is wrong with either search, where the other cannot be told; one that is not whole is passed over."""
        found: tuple[str, ...] = ()
        if {"type", "criteria", "value"} <= source.keys():
            found += self._target(source["type"], source["criteria"], source["value"]).faults
        if {"criteria", "value"} <= item.keys():
            fault = self._item(item["criteria"], item["value"])[1]
            found += (fault,) if fault else ()
        return found

    def order(self, search: Mapping[str, str]) -> tuple[dict[str, Any] | None, str | None]:
        """The order that a line names, or what is wrong with it."""
        key = (search["criteria"], search["value"])
        if key not in self._orders:
            found, fault = self._one("order", "Order", *key, "authorization.id", self._authorization["id"])
            self._orders[key] = (None if found is None else self._work.ref("Order", found), fault)
        return self._orders[key]

    def _match(self, kind: str, criteria: str, value: str, item_criteria: str, item_value: str, line: str) -> Match:
        target = self._target(kind, criteria, value)
        item, fault = self._item(item_criteria, item_value)
        faults = (*target.faults, *((fault,) if fault else ()))
        refs = dict(target.refs)
        if item is not None:
            refs["item"] = self._catalog.ref("Item", item)
        erp = self._erp(target, item)
        currency = target.currency or {"purchase": self._authorization["currency"]}
        if faults:
            return Match(refs, erp, currency, side=target.side, is_blocked=target.is_blocked, faults=faults)
        assert item is not None  # otherwise there is a fault
        chosen = self._line(target, item, line)
        if chosen is not None:
            refs["line"] = self._catalog.ref("AgreementLine", chosen)
        found = self._markup(target, chosen)
        problems = target.problems
        if found is None:
            problems += (
                f"no markup: neither line nor {target.kind.lower()} nor agreement {target.agreement['id']} has one.",
            )
        if found is None or target.rate is None:
            return Match(refs, erp, currency, side=target.side, is_blocked=target.is_blocked, problems=problems)
        percentage, of = found
        scale = summaries.scale(self._work)
        margin = rules.margin_of(percentage)
        markup = {
            "markup": rules.rounded(percentage, scale.percentages),
            **({} if margin is None else {"margin": rules.rounded(margin, scale.percentages)}),
            "markupSource": of,
        }
        factor = rules.factor(percentage, target.rate)
        return Match(refs, erp, currency, markup, factor, target.side, target.shares, target.is_blocked, (), problems)

    def _target(self, kind: str, criteria: str, value: str) -> _Target:
        key = (kind, criteria, value)
        target = self._targets.get(key)
        if target is None:
            target = self._targets[key] = self._find_target(*key)
        return target

    def _find_target(self, kind: str, criteria: str, value: str) -> _Target:
        """Subscription, asset or agreement under the authorization, and whom it belongs to (e.2 steps 1, 4)."""
        record, fault = self._one("source", kind, criteria, value, "authorization.id", self._authorization["id"])
        if record is None:
            return _Target(kind, faults=(fault or "",))
        work, ref = self._work, self._catalog.ref
        agreement = record if kind == "Agreement" else work.get("Agreement", at(record, "agreement.id") or "")
        if agreement is None:
            return _Target(
                kind, record, faults=(f"search.source: {kind.lower()} {record['id']} belongs to no agreement.",)
            )
        refs = {"agreement": ref("Agreement", agreement)}
        if kind != "Agreement":
            refs[kind.lower()] = ref(kind, record)
        refs |= {name: agreement[name] for name in ("licensee", "buyer", "seller", "client") if name in agreement}
        faults = tuple(
            f"agreement {agreement['id']} has no {name}." for name in ("buyer", "client") if name not in refs
        )
        seller = work.get("Seller", at(agreement, "seller.id") or "")
        if seller is None:
            faults += (f"agreement {agreement['id']} has no seller.",)
        if faults or seller is None:
            return _Target(kind, record, agreement, refs, faults=faults)
        purchase = self._authorization["currency"]
        sale = sale_currency(seller, purchase)
        rate = self._catalog.rate(purchase, sale)
        problems: list[str] = []
        if rate is None:
            problems.append(f"no exchange rate from {purchase} to {sale}.")
        side = self._side(agreement["buyer"], sale, purchase, problems)
        return _Target(
            kind,
            record,
            agreement,
            refs,
            {"purchase": purchase, "sale": sale, **({} if rate is None else {"rate": rate})},
            rate if side is not None else None,
            side,
            self._shares(record, agreement, sale, problems),
            seller.get("externalId"),
            override(work, agreement["client"]["id"], self._vendor["id"]) is not None,
            (),
            tuple(problems),
        )

    def _side(self, buyer: Mapping[str, Any], sale: str, purchase: str, problems: list[str]) -> Side | None:
        record = self._work.get("Buyer", buyer["id"])
        if record is None:
            problems.append(f"buyer {buyer['id']} does not exist.")
            return None
        rate = self._catalog.rate(sale, record.get("currency", sale), through=purchase)
        if rate is None:
            problems.append(
                f"no exchange rate from {sale} to {record['currency']}, the currency of buyer {buyer['id']}."
            )
            return None
        customer = at(record, "externalIds.erpCustomer")
        return Side(self._catalog.ref("Buyer", record), {} if customer is None else {"scu": customer}, rate)

    def _shares(self, record: Record, agreement: Record, sale: str, problems: list[str]) -> tuple[Share, ...]:
        """Who shares the amount where the subscription, or else the agreement, is split; a wrong split is a problem."""
        owner = next((each for each in (record, agreement) if at(each, "split.active")), None)
        if owner is None:
            return ()
        place = f"split billing of {owner['id']}"
        allocations = owner["split"].get("allocations", ())
        percentages = [Decimal(each["percentage"]) for each in allocations]
        if not allocations:
            problems.append(f"{place}: no split allocations were found.")
        elif not rules.shares_add_up(percentages):
            problems.append(
                f"{place}: the percentages add up to {rules.total(percentages).normalize(rules.EXACT):f}, not to 100."
            )
        elif agreement["buyer"]["id"] not in {each["buyer"]["id"] for each in allocations}:
            problems.append(f"{place}: the default buyer {agreement['buyer']['id']} has no share.")
        elif len(allocations) > MOST_ALLOCATIONS:
            problems.append(f"{place}: {len(allocations)} allocations; {MOST_ALLOCATIONS} is the most.")
        else:
            purchase = self._authorization["currency"]
            sides = [self._side(each["buyer"], sale, purchase, problems) for each in allocations]
            return tuple(Share(side, part) for side, part in zip(sides, percentages, strict=True) if side is not None)
        return ()

    def _item(self, criteria: str, value: str) -> tuple[Record | None, str | None]:
        key = (criteria, value)
        if key not in self._items:
            self._items[key] = self._one("item", "Item", criteria, value, "product.id", self._product["id"])
        return self._items[key]

    def _one(
        self, place: str, entity: str, criteria: str, value: str, scope: str, within: str
    ) -> tuple[Record | None, str | None]:
        """The only record of an entity that a search finds within a scope, or what is wrong (e.2 steps 1 to 3, 6)."""
        found = self._catalog.find(entity, _path(entity, criteria), value, scope, within)
        if len(found) == 1:
            return found[0], None
        what = f"with {criteria} {value!r} under {within}"
        if not found and (others := self._catalog.others(entity, _path(entity, criteria), scope, within)):
            wrong = f"{criteria!r} is no property of any {entity.lower()} here; criteria are {', '.join(others)}."
            return None, f"search.{place}.criteria: {wrong}"
        if found:
            many = f"{len(found)} {entity.lower()}s"
            return None, f"search.{place}: {many} {what}; search for what is unique."
        return None, f"search.{place}: no {entity.lower()} {what}."

    def _line(self, target: _Target, item: Record, chosen: str) -> Record | None:
        """The agreement line that a charge belongs to: the one chosen by hand, else the only one of target and item."""
        if chosen:
            return self._work.get("AgreementLine", chosen)
        lines = [
            line for line in self._catalog.lines(target.kind, target.record["id"]) if line["item"]["id"] == item["id"]
        ]
        return lines[0] if len(lines) == 1 else None

    def _markup(self, target: _Target, line: Record | None) -> tuple[Decimal, str] | None:
        """The first markup of line, subscription or asset, agreement, and where it came from (e.4 step 2)."""
        places = (("Line", line), (target.kind, target.record), ("Agreement", target.agreement))
        return next(((Decimal(each["markup"]), name) for name, each in places if each and "markup" in each), None)

    def _erp(self, target: _Target, item: Record | None) -> dict[str, str]:
        product = self._work.get("Product", self._product["id"]) or self._product
        members = {
            "scu": target.side.erp.get("scu") if target.side else None,
            "cco": target.agreement.get("contractNo"),
            "erpItemId": None if item is None else at(item, "externalIds.operations"),
            "erpCountryCode": target.country,
            "defaultErpProductId": at(product, "externalIds.operations"),
            "defaultErpProductName": product.get("name") if at(product, "externalIds.operations") else None,
        }
        return {name: value for name, value in members.items() if value is not None}


class Catalog:
    """Look-ups by any property, within a scope, each answered from an index."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._found: dict[tuple[str, ...], dict[str, list[Record]]] = {}
        self._refs: dict[tuple[str, str], dict[str, Any]] = {}
        self._others: dict[tuple[str, str, str, str], list[str]] = {}
        self._lines: dict[tuple[str, str], list[Record]] = {}

    def find(self, entity: str, path: str, value: str, scope: str, within: str) -> list[Record]:
        """The records whose property reads `value`, among those whose member `scope` (indexed) is `within`."""
        key = (entity, path, scope, within)
        if path == "id":
            record = self._work.get(entity, value)
            return [record] if record is not None and at(record, scope) == within else []
        if path in self._work.layer.indexes.get(entity, ()):
            return [record for record in self._work.where(entity, path, value) if at(record, scope) == within]
        if key not in self._found:
            by_value: dict[str, list[Record]] = {}
            for record in self._work.where(entity, scope, within):
                found = at(record, path)
                if found is not None and not isinstance(found, Mapping | list):
                    by_value.setdefault(str(found), []).append(record)
            self._found[key] = by_value
        return self._found[key].get(value, [])

    def others(self, entity: str, path: str, scope: str, within: str) -> list[str]:
        """What to search for within a scope where no record has this property; nothing if one has, or none is there."""
        key = (entity, path, scope, within)
        if key not in self._others:
            records = list(self._work.where(entity, scope, within))
            names: set[str] = set()
            if all(at(record, path) is None for record in records):
                for record in records:
                    names |= {name for name, value in record.items() if isinstance(value, str)}
                    names |= {f"externalIds.{name}" for name in record.get("externalIds", ())}
            # What names a record for certain comes first.
            self._others[key] = sorted(names, key=lambda name: (name != "id", "." not in name, name))
        return self._others[key]

    def lines(self, kind: str, id: str) -> list[Record]:
        """The agreement lines of a subscription, an asset or an agreement."""
        key = (kind, id)
        if key not in self._lines:
            self._lines[key] = list(self._work.where("AgreementLine", f"{kind.lower()}.id", id))
        return self._lines[key]

    def ref(self, entity: str, record: Record) -> dict[str, Any]:
        """A reference to a record, the same object each time."""
        key = (entity, record["id"])
        if key not in self._refs:
            self._refs[key] = self._work.ref(entity, record)
        return self._refs[key]

    def rate(self, start: str, end: str, *, through: str | None = None) -> Decimal | None:
        """One unit of a currency in another: as given, by way of a third, or the other way round; None if unknown."""
        if start == end:
            return ONE
        if (given := self._given(start, end)) is not None:
            return given
        if through is not None and (end_rate := self.rate(through, end)) and (start_rate := self.rate(through, start)):
            return rules.rounded(rules.EXACT.divide(end_rate, start_rate), summaries.scale(self._work).rates)
        back = self._given(end, start)
        return None if not back else rules.inverse(back, scale=summaries.scale(self._work))

    def _given(self, start: str, end: str) -> Decimal | None:
        record = self._work.get("ExchangeRate", f"{start}-{end}")
        return None if record is None else Decimal(record["rate"])


def sale_currency(seller: Record, purchase: str) -> str:
    """What a seller takes for what is bought in `purchase`: the same currency if they deal in it, else their first."""
    currencies = seller.get("currencies") or [purchase]
    return purchase if purchase in currencies else str(currencies[0])


def override(work: Work, client: str, vendor: str) -> Record | None:
    """The Active override that takes a pair out of the automated pipeline, if there is one (C5, S2)."""
    for record in work.where("ManualOverride", "client.id", client):
        if record["status"] == "Active" and record["vendor"]["id"] == vendor:
            return record
    return None


def _path(entity: str, criteria: str) -> str:
    """The property that a criterion names; the entity's name may stand before it: `item.externalIds.vendor` (e.2)."""
    head, dot, rest = criteria.partition(".")
    return rest if dot and head.lower() == entity.lower() else criteria
