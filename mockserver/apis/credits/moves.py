"""How money moves from sources to targets: one way, tried when a draft is validated and gone when it is executed.

So whatever is found valid can be executed, as long as nothing else has happened since (credits 8, 11.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mockserver.apis.credits import drafts, rules, validation
from mockserver.apis.credits.rules import ZERO
from mockserver.apis.credits.validation import Fault
from mockserver.domain.errors import Conflict
from mockserver.store import Changes, Record
from mockserver.work import Work

SOURCES, TARGETS = drafts.SIDES


@dataclass(frozen=True, slots=True)
class Moved:
    """One side of a credit whose money has moved.

    items: its sources or targets, each with its amount
    fed: by how much the credit balance of its account is to change
    invoices: locators of those that were settled or drawn from, in order
    faults: what could not be moved, and was left where it was
    """

    items: Sequence[Mapping[str, Any]]
    fed: Decimal
    invoices: Sequence[str]
    faults: Sequence[Fault]


def dry(work: Work) -> Work:
    """A unit of work on top of this one, to try things in; it is never kept."""
    made = work.world.work(work.actor)
    made.layer = Changes(work.layer)  # type: ignore[arg-type]  # it only reads what is below, and both read alike
    return made


def tried(work: Work, entity: str, draft: Record) -> tuple[dict[str, Any], list[Fault]]:
    """The draft with every missing amount computed, and what would keep its money from moving now.

    Without a source, the credit balance of its account is one (M). What was asked for is kept, for when it is a draft
    again.
    """
    made: dict[str, Any] = {**draft, "asked": {side: draft[side] for side in drafts.SIDES if side in draft}}
    if not made[SOURCES] and "accountLocator" in made:
        made[SOURCES] = [{"containerLocator": made["accountLocator"], "containerType": "account"}]
    trial, faults = dry(work), list[Fault]()
    for side in made["asked"]:
        moved = move(trial, entity, made, side)
        made[side] = moved.items
        faults += moved.faults
    return made, faults


def done(work: Work, entity: str, credit: Record, side: str, mend: str) -> Moved:
    """What was validated, moved. Raises Conflict where it does not hold any more, with what would mend that."""
    moved = move(work, entity, credit, side)
    for kind, locator, error in moved.faults:
        raise Conflict(f"{kind} {locator} {error.removesuffix('.')}; {mend}")
    return moved


def move(work: Work, entity: str, credit: Record, side: str) -> Moved:
    """Draw from the sources, or settle the targets, in their order; balances are left for the caller to change.

    One without an amount gets what is left by those that state one, bounded by what it holds or owes by then (credits
    3.4, O; 11.3, M).
    """
    items, invoices, faults, fed = list[Mapping[str, Any]](), list[str](), list[Fault](), ZERO
    sign, verb = (-1, "holds") if side == SOURCES else (1, "owes")
    left = credit["amount"] - rules.total(item["amount"] for item in credit[side] if "amount" in item)
    for item, container in list(validation.named(work, credit, side)):
        room = container.holds(work, credit["currency"]) if side == SOURCES else container.owes(work)
        if (amount := item.get("amount")) is None:
            amount = rules.taken(None, room, left)
            left -= amount
        items.append({**item, "amount": amount})
        if room is not None and amount > room:
            faults.append(validation.of_item(item, f"{verb} {room} {credit['currency']}, not {amount}."))
        elif container.invoice is None:
            fed += sign * amount
        elif amount:
            container.take(work, (entity, credit["id"]), sign * amount)
            invoices.append(container.invoice)
    return Moved(items, fed, invoices, faults)
