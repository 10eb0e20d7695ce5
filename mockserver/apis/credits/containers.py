"""What a credit goes to or comes from: an invoice, one item of it, or an account's credit balance (credits 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mockserver.apis.credits import balances, invoices, rules
from mockserver.domain.errors import Invalid
from mockserver.store import Record
from mockserver.work import Work

Item = Mapping[str, Any]
"""A CreditItem: containerLocator, containerType, amount?"""


@dataclass(frozen=True, slots=True)
class Container:
    """One thing that a credit names.

    account: locator of the account that it belongs to, or that it is
    invoice: the locator of the invoice; None for an account
    item: the locator of the one item that is meant
    currency: of the invoice; None for an account, which has a balance in each
    """

    account: str
    invoice: str | None = None
    item: str | None = None
    currency: str | None = None

    def record(self, work: Work) -> Record:
        """The invoice as it is now."""
        assert self.invoice is not None
        return work.need(invoices.ENTITY, self.invoice)

    def owes(self, work: Work) -> Decimal | None:
        """What it can still take; None = no bound: a balance takes everything."""
        if self.invoice is None:
            return None
        invoice = self.record(work)
        if invoice["invoiceState"] == "discarded":
            return rules.ZERO
        return rules.owed(invoices.remaining(invoice), self._position(invoice))

    def holds(self, work: Work, currency: str) -> Decimal:
        """What can be drawn out of it: a balance, or what a negative invoice owes its payer."""
        if self.invoice is None:
            return balances.balance(work, self.account, currency)
        invoice = self.record(work)
        if invoice["invoiceState"] == "discarded":
            return rules.ZERO
        return rules.owed([-each for each in invoices.remaining(invoice)], self._position(invoice))

    def take(self, work: Work, credit: tuple[str, str], amount: Decimal) -> None:
        """Settle so much of the invoice; negative: draw it out."""
        assert self.invoice is not None
        invoices.apply(work, self.invoice, credit, amount, self._position(self.record(work)))

    def _position(self, invoice: Record) -> int | None:
        return None if self.item is None else invoices.position(invoice, self.item)


def find(work: Work, tenant: str, item: Item) -> Container | None:
    """What a credit item names; None if the tenant has no such thing."""
    locator, kind = item["containerLocator"], item["containerType"]
    if kind == "account":
        account = _own(work, tenant, "Account", locator)
        return None if account is None else Container(account=locator)
    if kind == "invoice":
        return _invoice(work, tenant, locator)
    if kind == "invoiceItem":
        found = _own(work, tenant, "InvoiceItem", locator)
        return None if found is None else _invoice(work, tenant, found["invoice"], locator)
    return None


def needed(work: Work, tenant: str, items: Sequence[Item]) -> list[Container]:
    """What stored items name: all of it is there, or they would not have been stored."""
    found = [find(work, tenant, item) for item in items]
    return [each for each in found if each is not None]


def read(work: Work, tenant: str, items: Sequence[Item], place: str) -> list[dict[str, Any]]:
    """The items of a body as records keep them. Raises Invalid for a container that is not there (credits 6, M)."""
    made = []
    for at, item in enumerate(items):
        where = f"{place}[{at}].containerLocator"
        if item["containerType"] == "subpayment":
            # How a payment comes to have subpayments is told nowhere (credits 7), so there is none to name.
            raise Invalid(
                f"{where}: no subpayments are made here; name an invoice, an invoiceItem or an account.",
                {where: ["Name an invoice, an invoiceItem or an account."]},
            )
        if find(work, tenant, item) is None:
            raise Invalid(
                f"{where}: no {item['containerType']} {item['containerLocator']} in the tenant.",
                {where: [f"No {item['containerType']} with this locator; name one that there is."]},
            )
        made.append({**item, "amount": rules.money(item["amount"])} if "amount" in item else dict(item))
    return made


def _invoice(work: Work, tenant: str, locator: str, item: str | None = None) -> Container | None:
    invoice = _own(work, tenant, invoices.ENTITY, locator)
    if invoice is None:
        return None
    return Container(invoice["accountLocator"], locator, item, invoice["currency"])


def _own(work: Work, tenant: str, entity: str, locator: str) -> Record | None:
    record = work.get(entity, locator)
    return record if record is not None and record["tenantLocator"] == tenant else None
