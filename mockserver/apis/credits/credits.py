"""Credits: a summary of every payment, distribution, disbursement, write-off and shortfall credit (credits 1, 7).

There is no table of them. A credit is made of the version of the record that it sums up, and kept beside it, so it can
never say anything else.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from mockserver.service import Rows
from mockserver.store import Record, Row
from mockserver.work import Work

TENANT = "tenantLocator"


@dataclass(frozen=True, slots=True)
class Kind:
    """How an entity becomes a credit.

    type: its creditType; effective: the state in which its money has moved; realized: the member that says since when
    """

    type: str
    effective: str
    realized: str


KINDS = {
    "Payment": Kind("payment", "posted", "postedAt"),
    "CreditDistribution": Kind("creditDistribution", "executed", "executedAt"),
    "Disbursement": Kind("disbursement", "executed", "executedAt"),
    "WriteOff": Kind("writeOff", "distributed", "distributedAt"),
    "ShortfallCredit": Kind("shortfallWriteOff", "distributed", "distributedAt"),
}
SAME = ("id", "locator", TENANT, "accountLocator", "currency", "amount", "createdAt", "reversalReason", "reversedAt")


def credits(work: Work, invoice: Record | None) -> Rows:
    """Every credit of the tenant, or those that were applied to an invoice, oldest first (credits 2.3)."""
    if invoice is not None:
        found = [of(work, entity, row) for entity, row in applied(work, invoice)]
        return Rows(found, len(found))
    (tenant,) = work.realm
    tables = (_credits(work, entity, tenant) for entity in KINDS)
    total = sum(work.layer.count(entity, TENANT, tenant) for entity in KINDS)
    # Each table is in the order of its making already, so that a page costs no more than the pages before it.
    return Rows(heapq.merge(*tables, key=_age), total)


def applied(work: Work, invoice: Record, *wanted: str) -> list[tuple[str, Row]]:
    """(entity, row) of what was applied to an invoice; reversed ones where the query asks for them (credits 2.3)."""
    all_of_them = bool(work.query.get("includeReversed", False))
    named = dict.fromkeys(
        (entry["entity"], entry["credit"])
        for entry in invoice["entries"]
        # A negative invoice that money was drawn out of is a source: nothing was applied to it.
        if entry["amount"] > 0 and (entry["live"] or all_of_them) and (not wanted or entry["entity"] in wanted)
    )
    rows = [(entity, row) for entity, id in named if (row := work.row(entity, id)) is not None]
    return sorted(rows, key=lambda pair: _age(pair[1]))


def is_taken(work: Work, locator: str) -> bool:
    """Whether there is a credit of this locator, of whatever kind."""
    return any(work.row(entity, locator) is not None for entity in KINDS)


def of(work: Work, entity: str, row: Row) -> Row:
    """The credit that sums up one version of a record."""
    views: dict[Any, Any] = row.views  # Any: kept there beside the bytes of the record's own views
    if (kept := views.get(Kind)) is not None:
        return cast(Row, kept)
    kind, record = KINDS[entity], row.record
    made = {name: record[name] for name in SAME if name in record}
    made |= {"creditType": kind.type, "creditState": record[work.api.machines[entity].field]}
    if kind.realized in record:
        made["realizedAt"] = record[kind.realized]
    summary = views[Kind] = Row(made)
    return summary


def _credits(work: Work, entity: str, tenant: str) -> Iterator[Row]:
    return (of(work, entity, row) for row in work.layer.where(entity, TENANT, tenant))


def _age(row: Row) -> tuple[str, str]:
    return row.record["createdAt"], row.record["id"]
