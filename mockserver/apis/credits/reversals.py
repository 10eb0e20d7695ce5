"""Reversal: what a credit moved goes back to where it came from, and its record stays, with a reason (credits 11.4)."""

from __future__ import annotations

from typing import Any

from mockserver.apis.credits import balances, drafts, invoices, rules, shortfalls, validation
from mockserver.domain.errors import Invalid
from mockserver.store import Record
from mockserver.work import Work

PLAIN = "reversed"
"""The reason where the request gives none: write-offs and disbursements are reversed without one (credits 9, M)."""


def check_type(work: Work, credit: Record, kind: str) -> None:
    """The reversal type of the body must be configured for this kind of credit (credits 10, O). Raises Invalid."""
    types = work.need("Tenant", credit["tenantLocator"])["reversalTypes"]
    name = work.body["reversalType"]
    if not rules.may_reverse(types, name, kind):
        known = sorted(each for each in types if rules.may_reverse(types, each, kind))
        raise Invalid(
            f"reversalType: {name!r} is not for a {kind}; there are: {', '.join(known)}.",
            {"reversalType": [f"Must be one of {', '.join(known)}."]},
        )


def take_back(work: Work, entity: str, credit: Record, **more: Any) -> Record:
    """Undo everything that a credit did. Raises Conflict where a balance that it fed has been spent.

    more: members that the record of this entity keeps of its reversal
    """
    now = {**credit, "reversedAt": work.now, "reversalReason": work.body.get("reversalType", PLAIN), **more}
    balances.restore(work, credit)
    named = [each for side in drafts.SIDES for _, each in validation.named(work, credit, side)]
    for id in dict.fromkeys(each.invoice for each in named):
        if id is not None:
            invoices.undo(work, id, credit["id"])
    if "shortfallCreditLocators" in credit:
        shortfalls.reverse(work, now)
    return work.put(entity, now)
