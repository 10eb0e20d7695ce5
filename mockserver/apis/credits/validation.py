"""What the platform answers to a validation: a result in the body, never a refusal (credits 6, D)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mockserver.apis.credits import containers, rules
from mockserver.apis.credits.containers import Container, Item
from mockserver.store import Record
from mockserver.work import Work

Fault = tuple[str, str, str]
"""Element type, its locator, what is wrong with it."""


def conclude(work: Work, entity: str, record: Record, faults: Sequence[Fault]) -> None:
    """Keep what came of the validation of a record that has just become validated; with a fault it is a draft still."""
    if not faults:
        work.put(entity, {**record, "validationResult": {"success": True, "validationItems": []}})
        return
    machine = work.api.machines[entity]
    found = {**record, machine.field: machine.initial, "validationResult": _result(faults)}
    work.fire(entity, found, "invalid")


def _result(faults: Sequence[Fault]) -> dict[str, Any]:
    places: dict[tuple[str, str], list[str]] = {}
    for element, locator, error in faults:
        places.setdefault((element, locator), []).append(error)
    items = [{"elementType": place[0], "locator": place[1], "errors": errors} for place, errors in places.items()]
    return {"success": False, "validationItems": items}


def owner(work: Work, kind: str, record: Record, sides: Sequence[str]) -> Iterator[Fault]:
    """Whose it is: one account, which is in use, and everything that it names is that account's (invariant 9)."""
    account = record.get("accountLocator")
    if account is None:
        yield kind, record["id"], "belongs to no account; set accountLocator, or name a target or source."
        return
    state = work.need("Account", account)["accountState"]
    if state != "validated":
        yield "account", account, f"is {state}; only a validated account has credits."
    for side in sides:
        for item, each in named(work, record, side):
            if each.account != account:
                yield of_item(item, f"belongs to account {each.account}, not {account}.")
    instrument = work.get("FinancialInstrument", record.get("financialInstrumentLocator", ""))
    if instrument is not None and instrument["accountLocator"] != account:
        error = f"belongs to account {instrument['accountLocator']}, not {account}."
        yield "financialInstrument", instrument["id"], error
    asks = instrument is None and record.get("useDefaultFinancialInstrument")
    if asks and "defaultInstrument" not in work.need("Account", account):
        yield "account", account, "has no default financial instrument; set financialInstrumentLocator."


def configured(kind: str, record: Record, known: Sequence[str], member: str = "type") -> Iterator[Fault]:
    """What is named by a word: the tenant must have it configured."""
    if record.get(member) is not None and record[member] not in known:
        error = f"{member} {record[member]!r} is not configured; there are: {', '.join(sorted(known))}."
        yield kind, record["id"], error


def standing(work: Work, record: Record, side: str) -> Iterator[Fault]:
    """Each named once, and no invoice that was discarded."""
    seen = set()
    for item, each in named(work, record, side):
        if item["containerLocator"] in seen:
            yield of_item(item, f"stands twice among the {side}; keep one.")
        seen.add(item["containerLocator"])
        if each.invoice is not None and each.record(work)["invoiceState"] == "discarded":
            yield of_item(item, "is discarded; leave it out.")


def sums(kind: str, record: Record, side: str) -> Iterator[Fault]:
    """The amounts of one side make up the whole (invariant 1)."""
    found = rules.total(item["amount"] for item in record[side])
    if found != record["amount"]:
        yield kind, record["id"], f"{side} add up to {found}, not to {record['amount']}."
    for item in record[side]:
        if not item["amount"]:
            yield of_item(item, f"is left with nothing of {record['amount']}.")


def covered(work: Work, record: Record) -> Iterator[Fault]:
    """Every source holds what is to be drawn out of it (credits 11.3, M)."""
    for item, each in named(work, record, "sources"):
        held = each.holds(work, record["currency"])
        if item["amount"] > held:
            yield of_item(item, f"holds {held} {record['currency']}, not {item['amount']}.")


def owed(work: Work, record: Record) -> Iterator[Fault]:
    """No target is given more than it owes: a distribution has no rest that would go elsewhere (invariant 1)."""
    for item, each in named(work, record, "targets"):
        bound = each.owes(work)
        if bound is not None and item["amount"] > bound:
            yield of_item(item, f"owes {bound} {record['currency']}, not {item['amount']}.")


def named(work: Work, record: Record, side: str) -> Iterator[tuple[Item, Container]]:
    """The items of one side of a credit, each with what it names."""
    items = record.get(side, ())
    yield from zip(items, containers.needed(work, record["tenantLocator"], items), strict=True)


def of_item(item: Item, error: str) -> Fault:
    """What is wrong with a source or target."""
    return item["containerType"], item["containerLocator"], error
