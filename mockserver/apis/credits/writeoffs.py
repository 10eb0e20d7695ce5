"""Write-offs: debt that nobody will pay, settled at once, taken back whole or not at all (credits 8, 9)."""

from __future__ import annotations

from collections.abc import Sequence

from mockserver.apis.credits import containers, drafts, records, reversals, rules, validation
from mockserver.apis.credits.containers import Item
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.apis.credits.rules import ZERO
from mockserver.domain.errors import Conflict, Invalid
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "WriteOff"


@WORKFLOWS.maker(ENTITY)
def make(work: Work) -> Record:
    """A write-off out of the body. Raises Invalid or Conflict."""
    tenant = drafts.tenant(work)["id"]
    return write_off(
        work, tenant, work.body["accountLocator"], containers.read(work, tenant, work.body["targets"], "targets")
    )


def write_off(work: Work, tenant: str, account: str, targets: Sequence[Item]) -> Record:
    """Settle what the targets owe, in their order; one without an amount with all that it owes (credits 10, D).

    Raises Invalid for targets that do not go together, Conflict for one that owes less than is to be written off and
    for an account that has no credits.
    """
    found = containers.needed(work, tenant, targets)
    for at, (target, container) in enumerate(zip(targets, found, strict=True)):
        if container.invoice is None or container.account != account:
            place = f"targets[{at}].containerLocator"
            raise Invalid(
                f"{place}: {target['containerLocator']} is no invoice of account {account}, and no item of one.",
                {place: [f"Name an invoice of account {account}, or an item of one."]},
            )
    draft = {"accountLocator": account, "tenantLocator": tenant, "targets": list(targets)}
    if not targets:
        raise Invalid("targets: there is nothing to write off.", {"targets": ["Name an invoice, or an item of one."]})
    members = {**drafts.agreed(work, draft), "amount": ZERO, "creditType": "writeOff"}
    validation.check_account(work, account)
    made = work.create(ENTITY, records.new(work, ENTITY, tenant, members))
    return work.fire(ENTITY, made, "distribute")


@WORKFLOWS.effect(ENTITY, "distribute")
def distributed(work: Work, credit: Record) -> None:
    """The targets owe it no more."""
    targets = []
    for target, container in list(validation.named(work, credit, "targets")):
        if container.record(work)["invoiceState"] == "discarded":
            raise Conflict(f"invoice {container.invoice} is discarded; nothing is written off.")
        owed = container.owes(work)
        amount = target.get("amount", owed)
        if not owed or amount > owed:
            asked = f", not {amount}" if amount else ""
            raise Conflict(
                f"{target['containerType']} {target['containerLocator']} owes {owed}{asked}; nothing is written off."
            )
        container.take(work, (ENTITY, credit["id"]), amount)
        targets.append({**target, "amount": amount})
    whole = rules.total(each["amount"] for each in targets)
    work.put(ENTITY, {**credit, "targets": targets, "amount": whole, "distributedAt": work.now})


@WORKFLOWS.effect(ENTITY, "reverse")
def reversed_(work: Work, credit: Record) -> None:
    """All of it is owed again (credits 11.4, D)."""
    reversals.take_back(work, ENTITY, credit)
