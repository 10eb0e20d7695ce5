"""Ledger accounts: a balance, and the movements of the credits that made it (credits 9; what is kept of them, M)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mockserver.apis.credits import balances, credits, invoices, rules
from mockserver.apis.credits.containers import Container
from mockserver.apis.credits.rules import ZERO
from mockserver.domain.errors import NotFound
from mockserver.store import Record
from mockserver.work import Work

Line = Mapping[str, Any]
Told = tuple[Decimal, Sequence[tuple[str, Record, Decimal]]]
"""A balance, and the credits that moved it: entity, record, and by how much."""


def account(work: Work, tenant: str, kind: str, locator: str, currency: str) -> tuple[Decimal, list[Line]]:
    """The balance of a ledger account in one currency, and every movement of it, newest first.

    Raises NotFound for what is not there, and for kinds of which no facts are known.
    """
    if kind not in KINDS:
        raise NotFound(f"no ledger accounts of type {kind} are kept; there are: {', '.join(KINDS)}.")
    entity, told = KINDS[kind]
    found = work.get(entity, locator)
    if found is None or found["tenantLocator"] != tenant:
        raise NotFound(f"no {entity.lower()} {locator} in the tenant.")
    balance, moves = told(work, found, currency)
    lines = [line for entity, credit, amount in moves if amount for line in _lines(entity, credit, amount)]
    return balance, sorted(lines, key=lambda line: line["at"], reverse=True)


def _of_account(work: Work, account: Record, currency: str) -> Told:
    """What an account has to spend, and what fed and drew it."""
    moves = [
        (entity, row.record, row.record.get("fed", ZERO))
        for entity in credits.KINDS
        for row in work.layer.where(entity, "accountLocator", account["id"])
        if row.record["currency"] == currency
    ]
    return balances.balance(work, account["id"], currency), moves


def _of_invoice(work: Work, invoice: Record, currency: str) -> Told:
    """What can still be drawn out of a negative invoice, and what was; what it was owed at first, no credit tells."""
    if invoice["currency"] != currency:
        return ZERO, []
    moves = [(*_credit(work, entry), min(entry["amount"], ZERO)) for entry in invoice["entries"]]
    return Container(invoice["accountLocator"], invoice["id"]).holds(work, currency), moves


def _of_item(work: Work, item: Record, currency: str) -> Told:
    """What has settled one item of an invoice; the balance is the sum of it."""
    invoice = work.need("Invoice", item["invoice"])
    if invoice["currency"] != currency:
        return ZERO, []
    at = invoices.position(invoice, item["id"])
    moves = [(*_credit(work, entry), entry["shares"][at]) for entry in invoice["entries"]]
    settled = rules.total(entry["shares"][at] for entry in invoice["entries"] if entry["live"])
    return settled, moves


def _credit(work: Work, entry: Mapping[str, Any]) -> tuple[str, Record]:
    return entry["entity"], work.need(entry["entity"], entry["credit"])


def _lines(entity: str, credit: Record, amount: Decimal) -> Iterator[Line]:
    kind = credits.KINDS[entity]
    line = {"creditLocator": credit["id"], "creditType": kind.type}
    yield {**line, "amount": amount, "at": credit[kind.realized]}
    if "reversedAt" in credit:
        yield {**line, "amount": -amount, "at": credit["reversedAt"]}


KINDS = {
    "accountCreditBalance": ("Account", _of_account),
    "invoiceCreditBalance": ("Invoice", _of_invoice),
    "invoiceItem": ("InvoiceItem", _of_item),
}
