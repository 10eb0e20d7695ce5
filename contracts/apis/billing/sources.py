"""What a charge may be for: subscriptions, items and the like, found in charges that a deployment has already.

Nothing else tells: the API shows no catalog. contracts.toml may name them instead, under [values.billing].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contracts.probe import Nothing, Probe, member
from contracts.wire import Caller

JOURNALS = 4
"""Journals of an authorization that are read at most, to learn what may be charged for."""
KINDS = ("subscription", "asset", "agreement")


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that charges are for, and what becomes of them.

    kind: subscription, asset or agreement; id, item: its id, and that of an item sold with it
    outcome: the state of its charges: Ready, Split or Skipped
    buyer_rate: one unit of the sale currency in the buyer's, when last seen
    """

    authorization: str
    kind: str
    id: str
    item: str
    outcome: str
    agreement: str
    seller: str
    client: str
    vendor: str
    purchase: str = ""
    sale: str = ""
    buyer_rate: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Manual:
    """What Operations can bill by hand.

    item: the vendor's own number of it; buyer_rate: one unit of the sale currency in the buyer's, when last seen
    """

    seller: str
    vendor: str
    client: str
    agreement: str
    item: str
    purchase: str
    sale: str
    buyer_rate: Decimal = Decimal(1)


def sources(p: Probe, vendor: Caller) -> dict[str, list[Source]]:
    """What a vendor can charge for, by authorization: the one that is named goes first, else the one with the most.

    Those of different sellers come first. Raises Nothing where nothing is known.
    """
    said = p.settings.values.get(p.api.name, {})
    wanted = said.get("authorization")
    found: dict[str, dict[tuple[str, str], Source]] = {}
    for journal in _journals(p, vendor):
        for charge in p.facts.rows(
            p.operation("listJournalCharges"), p.who("operations"), {"journalId": journal["id"]}
        ):
            source = _source(charge, str(member(journal, "authorization.id")))
            if source is not None:
                found.setdefault(source.authorization, {}).setdefault((source.kind, source.id), source)
    for line in said.get("lines", ()):
        source = _named(str(wanted), vendor, line)
        found.setdefault(source.authorization, {}).setdefault((source.kind, source.id), source)
    if not found:
        raise Nothing(
            "no charge tells what may be charged for; name an authorization and lines under [values.billing] "
            "in contracts.toml"
        )
    # Under several authorizations, the one with the most sellers makes the most of a journal.
    sellers = {id: len({one.seller for one in each.values() if one.outcome == "Ready"}) for id, each in found.items()}
    order = sorted(found, key=lambda id: (id != wanted, -sellers[id]))
    return {id: _apart(list(found[id].values())) for id in order}


def _journals(p: Probe, vendor: Caller) -> Iterator[Mapping[str, Any]]:
    """The latest journals of a vendor that have charges, a few of each authorization."""
    taken: dict[str, int] = {}
    for journal in reversed(p.facts.rows(p.operation("listJournals"), vendor)):
        id = str(member(journal, "authorization.id"))
        if member(journal, "upload.total") and taken.get(id, 0) < JOURNALS:
            taken[id] = taken.get(id, 0) + 1
            yield journal


def _source(charge: Mapping[str, Any], authorization: str) -> Source | None:
    """What a charge is for; None for the share of a split one, and for one that tells not enough."""
    kind = next((each for each in KINDS if member(charge, f"{each}.id") is not None), None)
    outcome = member(charge, "processing.status")
    item = member(charge, "item.id")
    if kind is None or item is None or "parent" in charge or outcome not in ("Ready", "Split", "Skipped"):
        return None
    if charge.get("reconciliation"):
        return None
    names = ("agreement", "seller", "client", "vendor")
    agreement, seller, client, vendor = (str(member(charge, f"{name}.id")) for name in names)
    id = str(member(charge, f"{kind}.id"))
    purchase, sale = (str(member(charge, f"price.currency.{side}")) for side in ("purchase", "sale"))
    rate = _buyer_rate(charge)
    return Source(authorization, kind, id, str(item), outcome, agreement, seller, client, vendor, purchase, sale, rate)


def _buyer_rate(charge: Mapping[str, Any]) -> Decimal:
    sale, buyer = member(charge, "price.SPx1"), member(charge, "price.BSPx1")
    return Decimal(str(buyer)) / Decimal(str(sale)) if sale and buyer else Decimal(1)


def _named(authorization: str, vendor: Caller, line: Mapping[str, Any]) -> Source:
    kind = next(each for each in KINDS if each in line)
    names = ("agreement", "seller", "client")
    agreement, seller, client = (str(line.get(name, "")) for name in names)
    outcome = str(line.get("outcome", "Ready"))
    return Source(
        authorization, kind, str(line[kind]), str(line["item"]), outcome, agreement, seller, client, vendor.account
    )


def _apart(found: Sequence[Source]) -> list[Source]:
    """Subscriptions before others, and one of each seller before the second of any."""
    ordered = sorted(found, key=lambda each: KINDS.index(each.kind))
    count: dict[str, int] = {}
    placed = []
    for each in ordered:
        count[each.seller] = count.get(each.seller, 0) + 1
        placed.append((count[each.seller], each))
    return [each for _, each in sorted(placed, key=lambda pair: pair[0])]


def manuals(p: Probe) -> Iterator[Manual]:
    """What can be billed by hand, as existing custom ledgers show it; pairs that are billed so today come first."""
    operations = p.who("operations")
    active = {
        (member(row, "client.id"), member(row, "vendor.id"))
        for row in p.facts.rows(p.operation("listManualOverrides"), operations)
        if row.get("status") == "Active"
    }
    later = []
    for ledger in p.facts.rows(p.operation("listCustomLedgers"), operations):
        if member(ledger, "processing.ready"):
            charges = p.facts.rows(p.operation("listCustomLedgerCharges"), operations, {"customLedgerId": ledger["id"]})
            found = next(filter(None, (_manual(ledger, charge) for charge in charges)), None)
            if found is not None and (found.client, found.vendor) in active:
                yield found
            elif found is not None:
                later.append(found)
    yield from later


def _manual(ledger: Mapping[str, Any], charge: Mapping[str, Any]) -> Manual | None:
    paths = ("seller.id", "vendor.id", "client.id", "agreement.id", "item.externalIds.vendor")
    told = [member(charge, path) for path in paths]
    currencies = [member(ledger, f"price.currency.{side}") for side in ("purchase", "sale")]
    if member(charge, "processing.status") != "Ready" or None in told or None in currencies:
        return None
    rate = _buyer_rate(charge)
    seller, vendor, client, agreement, item = map(str, told)
    return Manual(seller, vendor, client, agreement, item, str(currencies[0]), str(currencies[1]), rate)
