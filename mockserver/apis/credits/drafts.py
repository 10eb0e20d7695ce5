"""What payments, distributions and disbursements have in common as drafts: whose they are, and in what currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockserver.apis.credits import containers, records
from mockserver.domain.errors import Invalid
from mockserver.store import Record
from mockserver.work import Work

SIDES = ("sources", "targets")
TOLD = ("accountLocator", "currency")
"""What the containers tell where the request does not"""


def tenant(work: Work) -> Record:
    """The tenant of the path."""
    return work.need("Tenant", work.params["tenantLocator"])


def agreed(work: Work, record: Mapping[str, Any]) -> dict[str, Any]:
    """The draft with its currency and account, which its containers tell where it does not; `told` says which.

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
        "told": [member for member in TOLD if member not in record],
    }


def as_said(draft: Record) -> dict[str, Any]:
    """The draft without what its containers told: that follows them when they change (M)."""
    return records.without(draft, "validationResult", "told", *draft["told"])


def edited(work: Work, draft: Record, body: Mapping[str, Any], *, members: Sequence[str]) -> dict[str, Any]:
    """The draft with containers added and removed, and plain members laid over it, as an update request says.

    Raises Invalid for what cannot be added or removed.
    """
    made = as_said(draft)
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
        check_number(work, len(kept) if adds else 0, side, f"add{side.title()}")
        if side in draft or kept:
            made[side] = kept
    return {**made, **{name: body[name] for name in members if name in body}}


def check_number(work: Work, count: int, member: str, place: str) -> None:
    """A draft grows by edits to no more than a request may hold at once (M). Raises Invalid."""
    most = int(work.api.conventions.rules["drafts"][member])
    if count > most:
        mend = f"makes {count} in {member}, where there may be {most}; remove some, or add fewer."
        raise Invalid(f"{place}: {mend}", {place: [f"It {mend}"]})


def as_asked(draft: Record) -> dict[str, Any]:
    """A draft again, with its containers as they were before their missing amounts were computed."""
    return {**records.without(draft, "validationResult", "asked"), **draft.get("asked", {})}


def _words(entity: str) -> str:
    return "account" if entity == "Account" else "financial instrument"
