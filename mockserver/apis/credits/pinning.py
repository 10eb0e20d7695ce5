"""What pins say of the world behind the credits, read member by member; a wrong one is told in one line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from mockserver import wire
from mockserver.apis.credits import rules
from mockserver.making import check_id
from mockserver.scenario import Pin, nearest, resolve_expiry
from specs.tables import Api

CURRENCY = re.compile("[A-Z]{3}", re.ASCII)
CREDIT = ("tenant", "account", "status", "at")

MEMBERS: Mapping[str, Sequence[str]] = {
    "Tenant": (
        *("name", "type", "defaultCurrency", "paymentTypes", "disbursementTypes", "reversalTypes", "retryPlans"),
        *("shortfallTolerancePlans", "defaultShortfallTolerancePlan", "products", "numbering"),
    ),
    "Account": (
        *("name", "tenant", "type", "accountState", "billingLevel", "currency"),
        *("shortfallTolerancePlanName", "excessCreditPlanName"),
    ),
    "FinancialInstrument": ("name", "account", "declines", "default"),
    "User": ("name",),
    "Invoice": ("tenant", "account", "status", "at", "currency", "amount", "items", "products", "timezone", "dueTime"),
    "InvoiceItem": ("amount", "chargeCategory", "chargeType"),
    "Payment": (
        *(*CREDIT, "amount", "type", "data", "currency", "targets", "shortfalls", "instrument", "retryPlanName"),
        *("transactionMethod", "reversalType"),
    ),
    "CreditDistribution": (*CREDIT, "amount", "currency", "sources", "targets", "shortfalls", "reversalType"),
    "Disbursement": (*CREDIT, "amount", "type", "data", "currency", "sources"),
    "WriteOff": (*CREDIT, "targets"),
}
"""entity -> what a pin of it may say; `status` is its state, `at` an instant or a span from the start (`-40d`)"""


class Said:
    """One pin, and its members as what they must be. Everything here raises ScenarioError."""

    def __init__(self, api: Api, pin: Pin) -> None:
        self.pin = pin
        self.entity = pin.entity
        if pin.entity not in MEMBERS:
            raise pin.fault(f"is not pinned by itself; these are: {', '.join(sorted(MEMBERS))}.", "entity")
        for member in pin.members:
            if member not in MEMBERS[pin.entity]:
                raise pin.fault(f"unknown; {nearest(member, MEMBERS[pin.entity])}", member)
        self.id = None if pin.id is None else check_id(api, pin, pin.entity, pin.id)

    def __contains__(self, member: str) -> bool:
        return member in self.pin.members

    def text(self, member: str, default: str | None = None) -> str:
        """A text, which must be there unless there is a default."""
        value = self.pin.members.get(member, default)
        if value is None:
            raise self.pin.fault(f"no {member}; add one.")
        if not isinstance(value, str):
            raise self.pin.fault(f"{value!r} is no text; write some, in quotes if it looks like a number.", member)
        return value

    def word(self, member: str, known: Collection[str], default: str | None = None) -> str:
        """A text that is one of these."""
        value = self.text(member, default)
        if value not in known:
            raise self.pin.fault(f"no {value!r}; {nearest(value, known)}", member)
        return value

    def amount(self, member: str = "amount") -> Decimal:
        """An amount of money."""
        if member not in self:
            raise self.pin.fault(f"no {member}; add one, e.g. {member}: 100.00.")
        return money(self.pin, self.pin.members[member], member)

    def flag(self, member: str) -> bool:
        """true or false; false if it is not said."""
        value = self.pin.members.get(member, False)
        if not isinstance(value, bool):
            raise self.pin.fault(f"{value!r} is neither true nor false.", member)
        return value

    def currency(self, member: str = "currency", default: str | None = None) -> str:
        """A currency, which must be there unless there is a default."""
        value = self.text(member, default)
        if not CURRENCY.fullmatch(value):
            raise self.pin.fault(f"{value!r} is no currency; write three letters, like EUR.", member)
        return value

    def texts(self, member: str, example: str = "[one, another]") -> list[str]:
        """A list of texts; none if it is not said."""
        value = self.pin.members.get(member, ())
        if (
            isinstance(value, str)
            or not isinstance(value, Sequence)
            or not all(isinstance(each, str) for each in value)
        ):
            raise self.pin.fault(f"is a list of texts; write {member}: {example}.", member)
        return list(value)

    def mapping(self, member: str, example: str = "{name: value}") -> Mapping[str, Any]:
        """A mapping; an empty one if it is not said."""
        value = self.pin.members.get(member, {})
        if not isinstance(value, Mapping):
            raise self.pin.fault(f"is a mapping; write {member}: {example}.", member)
        return value

    def rows(self, member: str) -> list[tuple[str, Mapping[str, Any]]]:
        """(place, mapping) of each in a list of mappings."""
        value = self.pin.members.get(member, ())
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            raise self.pin.fault("is a list; write each as `- {...}`.", member)
        for at, each in enumerate(value):
            if not isinstance(each, Mapping):
                raise self.pin.fault("is a mapping; write it as {name: value}.", f"{member}[{at}]")
        return [(f"{member}[{at}]", each) for at, each in enumerate(value)]

    def moment(self, start: datetime) -> datetime | None:
        """When it came to be; None if it is not said."""
        if "at" not in self:
            return None
        text = self.text("at")
        try:
            found = wire.moment(wire.parse_instant(resolve_expiry(text, start)))
        except ValueError:
            raise self.pin.fault(
                f"{text!r} is no instant; write one, or a span before the start like -40d.", "at"
            ) from None
        if found >= start:
            raise self.pin.fault(f"{text} is not before the world's start, {wire.instant(start)}.", "at")
        return found


def money(pin: Pin, value: Any, place: str) -> Decimal:
    """The amount that a pin writes. Raises ScenarioError."""
    try:
        exact = Decimal(str(value))
        if isinstance(value, bool) or not exact.is_finite() or exact != rules.money(exact):
            raise InvalidOperation
    except InvalidOperation:
        shown = repr(value) if isinstance(value, str) else value
        raise pin.fault(f"{shown} is no amount; write a number with two decimals at most.", place) from None
    return rules.money(exact)
