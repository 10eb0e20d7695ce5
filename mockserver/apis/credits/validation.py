"""What the platform answers to a validation: a result in the body, never a refusal (credits 6, D)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mockserver.apis.credits import containers, rules
from mockserver.apis.credits.containers import Container, Item
from mockserver.domain.errors import Conflict
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
    if (error := unfit(work, account)) is not None:
        yield "account", account, error
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


def unfit(work: Work, account: str) -> str | None:
    """What keeps an account from having credits; None if nothing does."""
    state = work.need("Account", account)["accountState"]
    return None if state == "validated" else f"is {state}; only a validated account has credits."


def check_account(work: Work, account: str) -> None:
    """What is made without a validation asks the same of its account (M). Raises Conflict."""
    if (error := unfit(work, account)) is not None:
        raise Conflict(f"account {account} {error}")


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


def named(work: Work, record: Record, side: str) -> Iterator[tuple[Item, Container]]:
    """The items of one side of a credit, each with what it names."""
    items = record.get(side, ())
    yield from zip(items, containers.needed(work, record["tenantLocator"], items), strict=True)


def of_item(item: Item, error: str) -> Fault:
    """What is wrong with a source or target."""
    return item["containerType"], item["containerLocator"], error
