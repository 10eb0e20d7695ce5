"""Credits: a summary of every payment, distribution, disbursement, write-off and shortfall credit (credits 1, 7).

There is no table of them. A credit is made of the version of the record that it sums up, and kept beside it, so it can
never say anything else.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from mockserver.service import Rows
from mockserver.store import Record, Row
from mockserver.work import Work

TENANT, ACCOUNT = "tenantLocator", "accountLocator"


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
SAME = ("id", "locator", TENANT, ACCOUNT, "currency", "amount", "createdAt", "reversalReason", "reversedAt")


def credits(work: Work, invoice: Record | None) -> Rows:
    """Every credit of the tenant, or those that were applied to an invoice, oldest first (credits 2.3)."""
    if invoice is not None:
        found = [of(work, entity, row) for entity, row in applied(work, invoice)]
        return Rows(found, len(found))
    (tenant,) = work.realm
    if (account := work.query.get(ACCOUNT)) is not None:
        # Only a short cut, for whoever lists filters by the account anyway. Sorted, as a draft may change its account.
        owner = work.get("Account", account)
        is_here = owner is not None and owner[TENANT] == tenant
        own = [each for entity in KINDS for each in _credits(work, entity, ACCOUNT, account)] if is_here else []
        return Rows(sorted(own, key=_age), len(own))
    tables = (_credits(work, entity, TENANT, tenant) for entity in KINDS)
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


def of(work: Work, entity: str, row: Row) -> Row:
    """The credit that sums up one version of a record."""
    kept: Row | None = row.kept(Kind)
    if kept is not None:
        return kept
    kind, record = KINDS[entity], row.record
    made = {name: record[name] for name in SAME if name in record}
    made |= {"creditType": kind.type, "creditState": record[work.api.machines[entity].field]}
    if kind.realized in record:
        made["realizedAt"] = record[kind.realized]
    summary = Row(made)
    row.keep(Kind, summary)
    return summary


def _credits(work: Work, entity: str, path: str, value: str) -> Iterator[Row]:
    return (of(work, entity, row) for row in work.layer.where(entity, path, value))


def _age(row: Row) -> tuple[str, str]:
    return row.record["createdAt"], row.record["id"]
