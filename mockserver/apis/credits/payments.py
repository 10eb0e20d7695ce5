"""Payments: drafted, validated, posted by hand or charged by the execution service, reversed (credits 8, 9, 11.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mockserver.apis.credits import balances, containers, drafts, records, reversals, rules, shortfalls, validation
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.domain.errors import Invalid
from mockserver.handlers import dense
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "Payment"
KIND = "payment"

# What a request may say beside amount, data and targets.
MEMBERS = (
    *("type", "accountLocator", "currency", "useDefaultFinancialInstrument", "financialInstrumentLocator"),
    *("transactionMethod", "transactionNumber", "paymentMode", "retryPlanName"),
)


@WORKFLOWS.maker(ENTITY)
def make(work: Work) -> Record:
    """A draft out of the body. Raises Invalid."""
    body, tenant = work.body, drafts.tenant(work)
    _check_mode(body)
    amount = rules.money(body["amount"])
    members = {
        "paymentMode": "normal",
        **{name: body[name] for name in MEMBERS if name in body},
        "amount": amount,
        "remainingAmount": amount,
        "data": dict(body["data"]),
        "targets": containers.read(work, tenant["id"], body["targets"], "targets"),
        "executionLog": [],
        "shortfallCreditLocators": [],
        "subpayments": [],
    }
    draft = drafts.agreed(work, {**members, "tenantLocator": tenant["id"]})
    return work.create(ENTITY, records.new(work, ENTITY, tenant["id"], draft | records.number(work, tenant, KIND)))


def _check_mode(body: Mapping[str, Any]) -> None:
    # What an aggregate payment is made of is told nowhere (credits 7), so none can be made.
    if body.get("paymentMode") == "aggregate":
        raise Invalid(
            "paymentMode: aggregate payments are not made here; leave it out, or say normal.",
            {"paymentMode": ["Must be normal."]},
        )


@WORKFLOWS.effect(ENTITY, "edit")
def edited(work: Work, payment: Record) -> None:
    """What the update request says, in a draft only (credits 8, D)."""
    body = work.body
    _check_mode(body)
    made = drafts.edited(work, payment, body, members=(*MEMBERS, "nextRequestTime"))
    kept = {name: value for name, value in made["data"].items() if name not in body["removeData"]}
    # As in a new payment: what has no value is not kept, however deep it lies.
    made["data"] = {**kept, **dense(body["setData"])}
    drafts.check_number(work, len(made["data"]), "data", "setData")
    work.put(ENTITY, drafts.agreed(work, made))


# Validated


@WORKFLOWS.effect(ENTITY, "validate")
def validated(work: Work, payment: Record) -> None:
    """It can be posted, or stays a draft that says why not (credits 8)."""
    validation.conclude(work, ENTITY, payment, list(_faults(work, payment)))


def _faults(work: Work, payment: Record) -> Iterator[validation.Fault]:
    tenant = work.need("Tenant", payment["tenantLocator"])
    yield from validation.configured(KIND, payment, tenant["paymentTypes"])
    yield from validation.configured(KIND, payment, tuple(tenant["retryPlans"]), "retryPlanName")
    yield from validation.owner(work, KIND, payment, ["targets"])
    yield from validation.standing(work, payment, "targets")
    stated = rules.total(target["amount"] for target in payment["targets"] if "amount" in target)
    if stated > payment["amount"]:
        yield KIND, payment["id"], f"targets ask for {stated}, which is more than its amount {payment['amount']}."


@WORKFLOWS.effect(ENTITY, "reset")
def was_reset(work: Work, payment: Record) -> None:
    """A draft again, as it was."""
    work.put(ENTITY, drafts.as_asked(payment))


# Posted


@WORKFLOWS.effect(ENTITY, "post", "executed")
def posted(work: Work, payment: Record) -> None:
    """The money goes to the targets in their order, the rest to the account's credit balance (credits 11.1)."""
    left, fed, paid, targets = payment["amount"], rules.ZERO, [], []
    for target, container in list(validation.named(work, payment, "targets")):
        taken = rules.taken(target.get("amount"), container.owes(work), left)
        left -= taken
        targets.append({**target, "amount": taken})
        if container.invoice is None:
            fed += taken
        else:
            paid.append(container.invoice)
            if taken:
                container.take(work, (ENTITY, payment["id"]), taken)
    fed += left
    balances.change(work, payment["accountLocator"], payment["currency"], fed)
    now = {
        **records.without(payment, "nextRequestTime"),
        "targets": targets,
        "postedAt": work.now,
        "remainingAmount": rules.ZERO,
        "rest": left,
        "fed": fed,
    }
    work.put(ENTITY, {**now, "shortfallCreditLocators": shortfalls.forgive(work, now, paid)})


@WORKFLOWS.guard(ENTITY, "reverse")
def may_reverse(work: Work, payment: Record) -> None:
    """For a reason that the tenant has for payments."""
    reversals.check_type(work, payment, rules.PAYMENT)


@WORKFLOWS.effect(ENTITY, "reverse")
def reversed_(work: Work, payment: Record) -> None:
    """Invoices reopen, what it fed is taken out of the balance, its shortfall credits go with it (credits 11.4)."""
    reversals.take_back(work, ENTITY, payment, reversedBy=records.author(work))
