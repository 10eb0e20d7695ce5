"""Shortfall credits: what is forgiven of an invoice that a credit has almost settled (credits 11.1, 11.2)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mockserver.apis.credits import invoices, records, rules
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "ShortfallCredit"


def forgive(work: Work, parent: Record, paid: Iterable[str]) -> list[str]:
    """Write off what little remains of the invoices that a credit went to; the locators of the shortfall credits."""
    made = []
    for id in dict.fromkeys(paid):
        invoice = work.need(invoices.ENTITY, id)
        amount = rules.shortfall(invoice["totalRemainingAmount"], tolerance(work, invoice))
        # One live shortfall credit an invoice (invariant 4): where an earlier credit was taken back, the one that came
        # with a later credit stays, and what remains is not forgiven twice.
        if amount and not _is_forgiven(invoice):
            made.append(_distribute(work, parent, invoice, amount)["id"])
    return made


def tolerance(work: Work, invoice: Record) -> Decimal | None:
    """What may be forgiven of an invoice: by the plan of its account, its products or its tenant (credits 11.2, D)."""
    tenant = work.need("Tenant", invoice["tenantLocator"])
    account = work.need("Account", invoice["accountLocator"])
    default = "defaultShortfallTolerancePlan"
    products = (tenant["products"].get(name, {}).get(default) for name in invoice.get("products", ()))
    plan = rules.tolerance_plan(account.get("shortfallTolerancePlanName"), products, tenant.get(default))
    return rules.tolerance(tenant["shortfallTolerancePlans"], plan, invoice["currency"])


def reverse(work: Work, parent: Record) -> None:
    """Take back what was forgiven with a credit that was reversed, for the same reason (credits 11.4, I)."""
    for id in parent["shortfallCreditLocators"]:
        credit = work.need(ENTITY, id)
        taken = {**credit, "reversalReason": parent["reversalReason"], "reversedAt": parent["reversedAt"]}
        work.fire(ENTITY, taken, "reverse")


def _is_forgiven(invoice: Record) -> bool:
    return any(entry["live"] and entry["entity"] == ENTITY for entry in invoice["entries"])


def _distribute(work: Work, parent: Record, invoice: Record, amount: Decimal) -> Record:
    members = {
        "accountLocator": invoice["accountLocator"],
        "parentCreditLocator": parent["id"],
        "currency": invoice["currency"],
        "amount": amount,
        "creditType": "shortfallWriteOff",
        "targets": [{"containerLocator": invoice["id"], "containerType": "invoice", "amount": amount}],
    }
    credit = records.new(work, ENTITY, invoice["tenantLocator"], members)
    return work.fire(ENTITY, work.create(ENTITY, {**credit, "createdBy": records.author(work, parent)}), "distribute")


@WORKFLOWS.effect(ENTITY, "distribute")
def distributed(work: Work, credit: Record) -> None:
    """The invoice settles (credits 11.1 rule 3)."""
    for target in credit["targets"]:
        invoices.apply(work, target["containerLocator"], (ENTITY, credit["id"]), target["amount"])
    work.put(ENTITY, {**credit, "distributedAt": work.now})


@WORKFLOWS.effect(ENTITY, "reverse")
def reversed_(work: Work, credit: Record) -> None:
    """The invoice owes it again."""
    for target in credit["targets"]:
        invoices.undo(work, target["containerLocator"], credit["id"])
