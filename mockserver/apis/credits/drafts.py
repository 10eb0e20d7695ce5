"""What payments, distributions and disbursements have in common as drafts: whose they are, and in what currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockserver.apis.credits import containers, records, rules
from mockserver.domain.errors import Invalid
from mockserver.store import Record
from mockserver.work import Work

SIDES = ("sources", "targets")


def tenant(work: Work) -> Record:
    """The tenant of the path."""
    return work.need("Tenant", work.params["tenantLocator"])


def agreed(work: Work, record: Mapping[str, Any]) -> dict[str, Any]:
    """The draft with its currency and account, which its containers tell where it does not.

    Raises Invalid for an account or instrument that is not there, and for mixed currencies (credits 6, M).
    """
    home = record["tenantLocator"]
    for member, entity in (("accountLocator", "Account"), ("financialInstrumentLocator", "FinancialInstrument")):
        found = work.get(entity, record[member]) if member in record else None
        if member in record and (found is None or found["tenantLocator"] != home):
            raise Invalid(
                f"{member}: no {_words(entity)} {record[member]} in the tenant.",
                {member: [f"No {_words(entity)} with this locator; name one that there is."]},
            )
    named = [each for side in SIDES for each in containers.needed(work, home, record.get(side, ()))]
    stated = [record["currency"]] if "currency" in record else []
    currencies = dict.fromkeys([*stated, *(each.currency for each in named if each.currency is not None)])
    if len(currencies) > 1:
        mixed = " and ".join(currencies)
        raise Invalid(f"currency: {mixed} are mixed; a credit has one.", {"currency": [f"{mixed} are mixed."]})
    owner = record.get("accountLocator") or next((each.account for each in named), None)
    return {
        **record,
        "currency": next(iter(currencies), None) or work.need("Tenant", home)["defaultCurrency"],
        **({"accountLocator": owner} if owner is not None else {}),
    }


def edited(work: Work, draft: Record, body: Mapping[str, Any], *, members: Sequence[str]) -> dict[str, Any]:
    """The draft with containers added and removed, and plain members laid over it, as an update request says.

    Raises Invalid for what cannot be added or removed.
    """
    made = records.without(draft, "validationResult")
    for side in SIDES:
        adds, removes = body.get(f"add{side.title()}", ()), body.get(f"remove{side.title()}", ())
        kept = list(made.get(side, ()))
        for locator in removes:
            if all(item["containerLocator"] != locator for item in kept):
                place = f"remove{side.title()}"
                raise Invalid(
                    f"{place}: {locator} is none of the {side}.", {place: [f"{locator} is none of the {side}."]}
                )
        kept = [item for item in kept if item["containerLocator"] not in removes]
        kept += containers.read(work, draft["tenantLocator"], adds, f"add{side.title()}")
        if side in draft or kept:
            made[side] = kept
    return {**made, **{name: body[name] for name in members if name in body}}


def filled(work: Work, draft: Record) -> dict[str, Any]:
    """The draft with every missing amount computed; without a source, the credit balance of its account is one (M).

    What was asked for is kept, for when it is a draft again.
    """
    made: dict[str, Any] = {**draft, "asked": {side: draft[side] for side in SIDES if side in draft}}
    if not made["sources"] and "accountLocator" in made:
        made["sources"] = [{"containerLocator": made["accountLocator"], "containerType": "account"}]
    for side in made["asked"]:
        found = containers.needed(work, draft["tenantLocator"], made[side])
        room = [each.holds(work, draft["currency"]) if side == "sources" else each.owes(work) for each in found]
        amounts = rules.filled(draft["amount"], [item.get("amount") for item in made[side]], room)
        made[side] = [{**item, "amount": amount} for item, amount in zip(made[side], amounts, strict=True)]
    return made


def as_asked(draft: Record) -> dict[str, Any]:
    """A draft again, with its containers as they were before their missing amounts were computed."""
    return {**records.without(draft, "validationResult", "asked"), **draft.get("asked", {})}


def _words(entity: str) -> str:
    return "account" if entity == "Account" else "financial instrument"
