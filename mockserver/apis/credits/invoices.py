"""Invoices: what they owe, item by item, and what each credit has settled of it.

An invoice keeps an entry for every credit that was applied to it, with the share of each item, so that any of them can
be taken back, in whatever order, and what remains is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mockserver.apis.credits import records, rules
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.apis.credits.rules import ZERO
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "Invoice"


def issue(work: Work, tenant: Record, members: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Record:
    """A new invoice with its items, whose amounts make up its total; the API itself has no operation for it."""
    id = work.new_id(ENTITY)
    made = [_item(work, id, each, members["timezone"]) for each in items]
    total = rules.total(each["amount"] for each in made)
    invoice = records.new(
        work,
        ENTITY,
        tenant["id"],
        {
            "invoiceType": "normal",
            **members,
            **records.number(work, tenant, "invoice"),
            "generatedTime": work.now,
            "invoiceItems": made,
            "totalAmount": total,
            "totalRemainingAmount": total,
            "entries": [],
        },
        id=id,
    )
    for each in made:
        work.put("InvoiceItem", {"id": each["locator"], "tenantLocator": tenant["id"], "invoice": id})
    return work.create(ENTITY, invoice)


def _item(work: Work, invoice: str, said: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    amount = rules.money(said["amount"])
    return {
        "installmentItemLocators": [],
        "transactionLocators": [],
        **said,
        "locator": said.get("locator") or work.new_id("InvoiceItem"),
        "invoiceLocator": invoice,
        "timezone": timezone,
        "amount": amount,
        "remainingAmount": amount,
    }


def remaining(invoice: Record) -> list[Decimal]:
    """What each item still owes."""
    return [item["remainingAmount"] for item in invoice["invoiceItems"]]


def position(invoice: Record, item: str) -> int:
    """Where an item stands in its invoice."""
    return next(at for at, each in enumerate(invoice["invoiceItems"]) if each["locator"] == item)


def apply(work: Work, id: str, credit: tuple[str, str], amount: Decimal, only: int | None = None) -> None:
    """Let a credit settle so much of an invoice, or of one item of it; negative: draw so much out of a negative one.

    credit: entity and id of what does it
    """
    invoice = work.need(ENTITY, id)
    shares = rules.spread(amount, remaining(invoice), only)
    entry = {"entity": credit[0], "credit": credit[1], "amount": amount, "shares": shares, "live": True}
    _moved(work, {**invoice, "entries": [*invoice["entries"], entry]}, shares)


def undo(work: Work, id: str, credit: str) -> None:
    """Give an invoice back what it owed but for a credit."""
    invoice = work.need(ENTITY, id)
    for at, entry in enumerate(invoice["entries"]):
        if entry["credit"] == credit and entry["live"]:
            entries = list(invoice["entries"])
            entries[at] = {**entry, "live": False}
            invoice = _moved(work, {**invoice, "entries": entries}, [-share for share in entry["shares"]])


def close(work: Work, invoice: Record) -> None:
    """Settle an invoice that owes nothing in all: its items against each other (invariants 6 and 7 of credits 11.5)."""
    _moved(work, invoice, remaining(invoice))


def _moved(work: Work, invoice: Record, shares: Sequence[Decimal]) -> Record:
    """Take the shares from what the items owe, and settle or reopen what that settles or reopens."""
    items = [_settled(work, item, share) for item, share in zip(invoice["invoiceItems"], shares, strict=True)]
    left = rules.total(item["remainingAmount"] for item in items)
    now = {**invoice, "invoiceItems": items, "totalRemainingAmount": left}
    if invoice["invoiceState"] == "open" and not left:
        return work.fire(ENTITY, now, "settle")
    if invoice["invoiceState"] == "settled" and left:
        return work.fire(ENTITY, now, "unsettle")
    return work.put(ENTITY, now)


def _settled(work: Work, item: Mapping[str, Any], share: Decimal) -> Mapping[str, Any]:
    if not share:
        return item
    left = item["remainingAmount"] - share
    now = {**item, "remainingAmount": left}
    if not left:
        return {**now, "settlementTime": work.now}
    if not item["remainingAmount"]:
        return {**records.without(now, "settlementTime"), "unsettledTime": work.now}
    return now


@WORKFLOWS.effect(ENTITY, "settle")
def settled(work: Work, invoice: Record) -> None:
    """It says since when nothing remains (invariant 6 of credits 11.5)."""
    work.put(ENTITY, {**invoice, "settledTime": work.now})


@WORKFLOWS.effect(ENTITY, "unsettle")
def unsettled(work: Work, invoice: Record) -> None:
    """It says since when something remains again (invariant 6 of credits 11.5)."""
    work.put(ENTITY, {**records.without(invoice, "settledTime"), "unsettledTime": work.now})


def is_overdrawn(invoice: Record) -> bool:
    """Whether it owes less than nothing, so that it can be a source of money."""
    return bool(invoice["totalRemainingAmount"] < ZERO)
