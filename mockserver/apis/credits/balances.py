"""Credit balances: what each account has in each currency, kept as a running sum of the credits that fed or drew it.

A credit that has moved money says in its own record by how much it changed the balance of its account (`fed`); the
running sum is what these add up to (invariant 8 of credits 11.5).
"""

from __future__ import annotations

from decimal import Decimal

from mockserver.apis.credits.rules import ZERO
from mockserver.domain.errors import Conflict
from mockserver.store import Record
from mockserver.work import Work

ENTITY = "Balance"


def balance(work: Work, account: str, currency: str) -> Decimal:
    """What an account has to spend in a currency."""
    kept = work.get(ENTITY, _id(account, currency))
    return ZERO if kept is None else Decimal(kept["amount"])


def change(work: Work, account: str, currency: str, by: Decimal) -> None:
    """Feed or draw a balance. Raises Conflict where there is less than is drawn: none is ever negative."""
    if not by:
        return
    now = balance(work, account, currency) + by
    if now < ZERO:
        raise Conflict(
            f"the credit balance of account {account} holds {now - by} {currency}, which is less than {-by}; "
            "reverse what has spent it first."
        )
    work.put(ENTITY, {"id": _id(account, currency), "account": account, "currency": currency, "amount": now})


def restore(work: Work, credit: Record) -> None:
    """Take back what a credit did to the balance of its account. Raises Conflict where it has been spent since."""
    if credit.get("fed"):
        change(work, credit["accountLocator"], credit["currency"], -credit["fed"])


def _id(account: str, currency: str) -> str:
    return f"{account}/{currency}"
