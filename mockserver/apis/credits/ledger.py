"""Ledger accounts: a balance, and the movements of the credits that made it (credits 9; what is kept of them, M)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mockserver.apis.credits import credits, rules
from mockserver.domain.errors import NotFound
from mockserver.store import Record
from mockserver.work import Work

Line = Mapping[str, Any]


def account(work: Work, tenant: str, kind: str, locator: str, currency: str) -> list[Line]:
    """Every movement of a ledger account in one currency, newest first; its balance is their sum.

    Raises NotFound for what is not there, and for kinds of which no facts are known.
    """
    if kind not in KINDS:
        raise NotFound(f"no ledger accounts of type {kind} are kept; there are: {', '.join(KINDS)}.")
    entity, lines = KINDS[kind]
    found = work.get(entity, locator)
    if found is None or found["tenantLocator"] != tenant:
        raise NotFound(f"no {entity.lower()} {locator} in the tenant.")
    return sorted(lines(work, found, currency), key=lambda line: line["at"], reverse=True)


def _of_account(work: Work, account: Record, currency: str) -> Iterator[Line]:
    """What fed and drew the credit balance of an account."""
    for entity in credits.KINDS:
        for row in work.layer.where(entity, "accountLocator", account["id"]):
            if row.record.get("fed") and row.record["currency"] == currency:
                yield from _lines(entity, row.record, row.record["fed"])


def _of_invoice(work: Work, invoice: Record, currency: str) -> Iterator[Line]:
    """What was drawn out of a negative invoice, after what it was owed."""
    if invoice["currency"] != currency:
        return
    for entry in invoice["entries"]:
        if entry["amount"] < 0:
            yield from _lines(entry["entity"], work.need(entry["entity"], entry["credit"]), entry["amount"])


def _of_item(work: Work, item: Record, currency: str) -> Iterator[Line]:
    """What settled one item of an invoice."""
    invoice = work.need("Invoice", item["invoice"])
    if invoice["currency"] != currency:
        return
    at = next(at for at, each in enumerate(invoice["invoiceItems"]) if each["locator"] == item["id"])
    for entry in invoice["entries"]:
        if entry["shares"][at]:
            yield from _lines(entry["entity"], work.need(entry["entity"], entry["credit"]), entry["shares"][at])


def _lines(entity: str, credit: Record, amount: Decimal) -> Iterator[Line]:
    kind = credits.KINDS[entity]
    line = {"creditLocator": credit["id"], "creditType": kind.type}
    yield {**line, "amount": amount, "at": credit[kind.realized]}
    if "reversedAt" in credit:
        yield {**line, "amount": -amount, "at": credit["reversedAt"]}


def balance(lines: list[Line]) -> Decimal:
    """What the movements come to."""
    return rules.total(line["amount"] for line in lines)


KINDS = {
    "accountCreditBalance": ("Account", _of_account),
    "invoiceCreditBalance": ("Invoice", _of_invoice),
    "invoiceItem": ("InvoiceItem", _of_item),
}
