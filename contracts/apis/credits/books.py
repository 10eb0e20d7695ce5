"""All credits of a tenant as its lists show them, put together so that sums can be made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from contracts.apis.credits.ground import ZERO, Ground, Row, money
from contracts.probe import Blocked, Nothing

FEW = 3
"""So many of one sort are asked for by locator, to tell what the others are"""
ON_INVOICES = ("invoice", "invoiceItem")
REST = ("draft", "validated", "requested", "executing", "failed", "cancelled", "discarded")
"""States of a payment in which none of its money has gone anywhere"""


@dataclass(frozen=True, slots=True)
class Kind:
    """An entity that credits are a summary of.

    type: its creditType; state: the member that holds its state; effective: the state in which its money has moved
    realized: the member that says since when; None: it shows none
    """

    entity: str
    type: str
    listing: str
    reading: str
    state: str
    effective: str
    realized: str | None = None


KINDS = {
    each.entity: each
    for each in (
        Kind("Payment", "payment", "fetchMultiplePayments", "fetchPayment", "paymentState", "posted", "postedAt"),
        Kind(
            "CreditDistribution",
            "creditDistribution",
            "fetchMultipleCreditDistributions",
            "fetchCreditDistribution",
            "creditDistributionState",
            "executed",
            "executedAt",
        ),
        Kind(
            "Disbursement",
            "disbursement",
            "fetchMultipleDisbursements",
            "fetchDisbursement",
            "disbursementState",
            "executed",
        ),
        Kind("WriteOff", "writeOff", "fetchMultipleWriteOffs", "fetchWriteOff", "writeOffState", "distributed"),
        Kind(
            "ShortfallCredit",
            "shortfallWriteOff",
            "fetchMultipleShortfallCredits",
            "fetchShortfallCredit",
            "shortfallCreditState",
            "distributed",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A payment, distribution, disbursement, write-off or shortfall credit."""

    kind: Kind
    row: Row

    @property
    def locator(self) -> str:
        return str(self.row.get("locator"))

    @property
    def name(self) -> str:
        """How findings name it."""
        return f"{self.kind.entity} {self.locator}"

    @property
    def state(self) -> str:
        return str(self.row.get(self.kind.state))

    @property
    def is_live(self) -> bool:
        """Whether its money has moved, and was not taken back."""
        return self.state == self.kind.effective

    @property
    def amount(self) -> Decimal:
        return money(self.row.get("amount"))

    def items(self, *sides: str) -> list[Row]:
        """Its sources, targets, or both. Raises Blocked."""
        found: list[Row] = []
        for side in sides:
            items = self.row.get(side, [])
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise Blocked(f"{self.kind.entity} {self.locator}: {side} are no list of objects")
            found += items
        return found

    def parts(self) -> Iterator[tuple[str, Decimal, Decimal]]:
        """(member, what it should be or add up to, what it is)."""
        amount, state, entity = self.amount, self.state, self.kind.entity
        targets, sources = total(self.items("targets")), total(self.items("sources"))
        if entity == "Payment":
            if state in ("posted", "reversed"):
                # A payment may leave something for the balance, and never hands out more than it has.
                yield "targets", min(targets, amount), targets
            if "remainingAmount" in self.row:
                yield "remainingAmount", amount if state in REST else ZERO, money(self.row["remainingAmount"])
        elif entity == "CreditDistribution" and state in ("validated", "executed", "reversed"):
            yield "sources", amount, sources
            yield "targets", amount, targets
        elif entity == "Disbursement" and state in ("validated", "approved", "executed", "reversed"):
            yield "sources", amount, sources
        elif entity in ("WriteOff", "ShortfallCredit"):
            yield "targets", amount, targets

    def fed(self) -> Decimal:
        """By how much it changed the credit balance of its account, if it is live."""
        change = total(each for each in self.items("targets") if each.get("containerType") == "account")
        change -= total(each for each in self.items("sources") if each.get("containerType") == "account")
        return change + (self.amount - total(self.items("targets")) if self.kind.entity == "Payment" else ZERO)


class Books:
    """What the lists of a tenant hold, without what the run itself made: that is judged where it is made."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    @cached_property
    def every(self) -> list[Entry]:
        """All that the lists show, what the run itself made among it."""
        return [Entry(kind, row) for kind in KINDS.values() for row in self.ground.rows(kind.listing)]

    @cached_property
    def _own(self) -> frozenset[str]:
        """What this run made, and what came of that."""
        made = {id for ids in self.ground.p.guard.made.values() for id in ids}
        return frozenset(made | {each.locator for each in self.every if each.row.get("parentCreditLocator") in made})

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Everything that there is a credit of, by locator."""
        return {each.locator: each for each in self.every if each.locator not in self._own | self._strangers}

    @cached_property
    def _strangers(self) -> frozenset[str]:
        """What lists show, and neither the summary nor a reading knows: a leak, which is another check's matter."""
        shown = {each.get("locator") for each in self.credits}
        found: set[str] = set()
        for kind in KINDS.values():
            odd = [each.locator for each in self.every if each.kind is kind and each.locator not in shown | self._own]
            if odd and not any(self.ground.finds(kind.reading, each) for each in odd[:FEW]):
                found.update(odd)
        return frozenset(found)

    @cached_property
    def credits(self) -> list[Row]:
        """The summary of the whole tenant, in its order."""
        return [each for each in self.ground.rows("fetchCredits") if each.get("locator") not in self._own]

    @cached_property
    def moved(self) -> frozenset[str]:
        """Accounts that this run has moved money on."""
        made = self.ground.p.guard.made
        return frozenset(self.ground.lent("Account")) if any(made.get(entity) for entity in KINDS) else frozenset()

    def of(self, account: str) -> Iterator[Entry]:
        """The entries of an account that are live."""
        return (each for each in self.entries.values() if each.is_live and each.row.get("accountLocator") == account)

    @cached_property
    def accounts(self) -> list[str]:
        """Accounts whose sums can be made: the busiest, of those that this run has not moved money on."""
        return [each for each in self.ground.payers if each not in self.moved and each not in self.unsound]

    @cached_property
    def unsound(self) -> frozenset[str]:
        """Accounts of credits that do not add up in themselves, or that only one of two lists shows."""
        shown = {str(each.get("locator")): each for each in self.credits}
        odd = [each.row for each in self.entries.values() if any(wanted != found for _, wanted, found in each.parts())]
        odd += [each.row for locator, each in self.entries.items() if locator not in shown]
        odd += [each for locator, each in shown.items() if locator not in self.entries]
        return frozenset(str(each.get("accountLocator")) for each in odd)

    def judged(self) -> None:
        """Raise Blocked where there are accounts of which nothing was said, since others' findings stand in the way."""
        if self.unsound:
            raise Blocked(
                f"credits of {len(self.unsound)} account(s) do not add up, or are missing in a list; "
                "see credits.summary and credits.amounts"
            )

    def currencies(self, account: str) -> list[str]:
        """Currencies in which an account has credits."""
        return sorted(
            {
                str(each.row.get("currency"))
                for each in self.entries.values()
                if each.row.get("accountLocator") == account
            }
        )


def total(items: Any) -> Decimal:
    """The sum of what sources or targets say."""
    return sum((money(each.get("amount")) for each in items if "amount" in each), ZERO)


def need(found: object) -> None:
    """Raise Nothing where there is nothing."""
    if not found:
        raise Nothing("there is nothing yet that this could be seen of")
