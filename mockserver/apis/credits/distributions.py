"""Credit distributions: money out of a credit balance, or of a negative invoice, to invoices (credits 8, 9, 11.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mockserver.apis.credits import (
    balances,
    containers,
    drafts,
    invoices,
    moves,
    records,
    reversals,
    rules,
    shortfalls,
    validation,
)
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.domain.errors import Conflict, NotFound
from mockserver.domain.machine import transition
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "CreditDistribution"
KIND = "creditDistribution"


@WORKFLOWS.maker(ENTITY)
def make(work: Work) -> Record:
    """A draft out of the body, at the locator of the path if there is one. Raises Invalid, NotFound or Conflict."""
    tenant, locator = drafts.tenant(work), work.params.get("locator")
    if locator is not None:
        _check_free(work, tenant["id"], locator)
    draft = records.new(work, ENTITY, tenant["id"], _said(work, tenant["id"]), id=locator)
    return work.create(ENTITY, drafts.agreed(work, {**draft, "shortfallCreditLocators": []}))


def _check_free(work: Work, tenant: str, locator: str) -> None:
    taken = records.at(work, locator)
    if taken is None:
        return
    if taken["tenantLocator"] != tenant:
        # In the words for a distribution of another tenant: what is there, nobody learns (credits 5, 11.5 no. 14).
        raise NotFound(f"no credit distribution {locator}.", ENTITY)
    raise Conflict(f"{locator} is taken already; choose another locator.")


def _said(work: Work, tenant: str) -> dict[str, Any]:
    """What a request that creates or replaces says."""
    body = work.body
    return {
        "amount": rules.money(body["amount"]),
        **{side: containers.read(work, tenant, body[side], side) for side in drafts.SIDES},
        **{name: body[name] for name in ("accountLocator", "currency") if name in body},
    }


@WORKFLOWS.effect(ENTITY, "edit")
def edited(work: Work, distribution: Record) -> None:
    """What the update request says, in a draft only."""
    made = drafts.edited(work, distribution, work.body, members=("accountLocator", "currency"))
    if "amount" in work.body:
        made["amount"] = rules.money(work.body["amount"])
    work.put(ENTITY, drafts.agreed(work, made))


@WORKFLOWS.guard(ENTITY, "update")
def may_replace(work: Work, distribution: Record) -> None:
    """A draft can be replaced, as it can be edited."""
    transition(work.api.machines[ENTITY], distribution, "edit")


@WORKFLOWS.effect(ENTITY, "update")
def replaced(work: Work, distribution: Record) -> None:
    """Everything that the request says, and nothing else of what was said before."""
    kept = records.without(drafts.as_said(distribution), *drafts.TOLD, *drafts.SIDES)
    work.put(ENTITY, drafts.agreed(work, kept | _said(work, distribution["tenantLocator"])))


# Validated


@WORKFLOWS.effect(ENTITY, "validate")
def validated(work: Work, distribution: Record) -> None:
    """With every amount computed it can be executed, or stays the draft that it was and says why not."""
    filled, stuck = moves.tried(work, ENTITY, distribution)
    faults = list(_faults(work, filled, stuck))
    validation.conclude(work, ENTITY, distribution if faults else filled, faults)


def _faults(work: Work, distribution: Record, stuck: Iterable[validation.Fault]) -> Iterator[validation.Fault]:
    yield from validation.owner(work, KIND, distribution, drafts.SIDES)
    for side in drafts.SIDES:
        yield from validation.standing(work, distribution, side)
        yield from validation.sums(KIND, distribution, side)
    yield from stuck
    sources = {item["containerLocator"] for item in distribution["sources"]}
    for item in distribution["targets"]:
        if item["containerLocator"] in sources:
            yield validation.of_item(item, "is source and target; leave one out.")


@WORKFLOWS.effect(ENTITY, "reset")
def was_reset(work: Work, distribution: Record) -> None:
    """A draft again, as it was."""
    work.put(ENTITY, drafts.as_asked(distribution))


# Executed


@WORKFLOWS.effect(ENTITY, "execute")
def executed(work: Work, distribution: Record) -> None:
    """The money moves (credits 11.3). Raises Conflict where what was validated does not hold any more."""
    mend = "reset the distribution and validate it again."
    drawn, paid = (moves.done(work, ENTITY, distribution, side, mend) for side in drafts.SIDES)
    fed = drawn.fed + paid.fed
    balances.change(work, distribution["accountLocator"], distribution["currency"], fed)
    now = {**records.without(distribution, "asked"), "executedAt": work.now, "fed": fed}
    work.put(ENTITY, {**now, "shortfallCreditLocators": shortfalls.forgive(work, now, paid.invoices)})


# Reversed


@WORKFLOWS.guard(ENTITY, "reverse")
def may_reverse(work: Work, distribution: Record) -> None:
    """For a reason that the tenant has for distributions."""
    reversals.check_type(work, distribution, rules.DISTRIBUTION)


@WORKFLOWS.effect(ENTITY, "reverse")
def reversed_(work: Work, distribution: Record) -> None:
    """The money returns to its sources, its shortfall credits go with it (credits 11.4)."""
    reversals.take_back(work, ENTITY, distribution)


def settle(work: Work, invoice: Record) -> list[Record]:
    """Settle an invoice that owes nothing or less: what it is owed goes to the credit balance of its account (11.4, D).

    Returns the distribution that moved it; none where there was nothing to move. Raises Conflict for an account that
    has no credits.
    """
    if not invoices.is_overdrawn(invoice):
        invoices.close(work, invoice)
        return []
    validation.check_account(work, invoice["accountLocator"])
    amount = -invoice["totalRemainingAmount"]
    side = {
        "sources": [{"containerLocator": invoice["id"], "containerType": "invoice", "amount": amount}],
        "targets": [{"containerLocator": invoice["accountLocator"], "containerType": "account", "amount": amount}],
    }
    members = {
        "amount": amount,
        "currency": invoice["currency"],
        "accountLocator": invoice["accountLocator"],
        "shortfallCreditLocators": [],
        **side,
    }
    made = work.create(ENTITY, records.new(work, ENTITY, invoice["tenantLocator"], members))
    return [work.fire(ENTITY, work.fire(ENTITY, made, "validate"), "execute")]
