"""Disbursements: credit balance that is paid out, validated and approved before (credits 8, 9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mockserver.apis.credits import balances, containers, drafts, moves, records, reversals, rules, validation
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "Disbursement"
KIND = "disbursement"

# What a request may say beside amount, data and sources.
MEMBERS = (
    *("type", "accountLocator", "currency", "useDefaultFinancialInstrument", "financialInstrumentLocator"),
    *("transactionMethod", "transactionNumber"),
)


@WORKFLOWS.maker(ENTITY)
def make(work: Work) -> Record:
    """A draft out of the body. Raises Invalid."""
    body, tenant = work.body, drafts.tenant(work)
    members = {
        **{name: body[name] for name in MEMBERS if name in body},
        "amount": rules.money(body["amount"]),
        "data": dict(body["data"]),
        "sources": containers.read(work, tenant["id"], body["sources"], "sources"),
    }
    draft = drafts.agreed(work, {**members, "tenantLocator": tenant["id"]})
    return work.create(ENTITY, records.new(work, ENTITY, tenant["id"], draft | records.number(work, tenant, KIND)))


@WORKFLOWS.effect(ENTITY, "validate")
def validated(work: Work, disbursement: Record) -> None:
    """With every amount computed it can be approved, or stays the draft that it was and says why not."""
    filled, stuck = moves.tried(work, ENTITY, disbursement)
    faults = list(_faults(work, filled, stuck))
    validation.conclude(work, ENTITY, disbursement if faults else filled, faults)


def _faults(work: Work, disbursement: Record, stuck: Iterable[validation.Fault]) -> Iterator[validation.Fault]:
    tenant = work.need("Tenant", disbursement["tenantLocator"])
    yield from validation.configured(KIND, disbursement, tenant["disbursementTypes"])
    yield from validation.owner(work, KIND, disbursement, ["sources"])
    yield from validation.standing(work, disbursement, "sources")
    yield from validation.sums(KIND, disbursement, "sources")
    yield from stuck
    for item in disbursement["sources"]:
        if item["containerType"] != "account":
            # A negative invoice settles into the balance first; it is never refunded by itself (credits 11.4, D).
            yield validation.of_item(item, "is no account; only credit balances are paid out.")


@WORKFLOWS.effect(ENTITY, "reset")
def was_reset(work: Work, disbursement: Record) -> None:
    """A draft again, as it was."""
    work.put(ENTITY, drafts.as_asked(disbursement))


@WORKFLOWS.effect(ENTITY, "execute")
def executed(work: Work, disbursement: Record) -> None:
    """The balance is paid out. Raises Conflict where it holds less by now."""
    mend = "reset the disbursement and lower it, or reject it."
    fed = moves.done(work, ENTITY, disbursement, moves.SOURCES, mend).fed
    balances.change(work, disbursement["accountLocator"], disbursement["currency"], fed)
    work.put(ENTITY, {**records.without(disbursement, "asked"), "executedAt": work.now, "fed": fed})


@WORKFLOWS.effect(ENTITY, "reverse")
def reversed_(work: Work, disbursement: Record) -> None:
    """The balance has it again."""
    reversals.take_back(work, ENTITY, disbursement)
