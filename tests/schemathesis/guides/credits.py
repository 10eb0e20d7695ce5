"""What requests to credits must know: what belongs to one account, rights that are held, what follows on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.case import Case

from mockserver import wire
from mockserver.service import Endpoint
from mockserver.store import Record
from mockserver.work import key_of
from specs.tables import Operation
from tests.schemathesis.guides import plain
from tests.schemathesis.guides.plain import Target, is_right

SIDES = ("sources", "targets")
KINDS = {"Payment": "payment", "CreditDistribution": "creditDistribution"}
"""What reversal types are for."""
LINKED = {
    "Payment": "Payment",
    "InvoicePayment": "Payment",
    "CreditDistribution": "CreditDistribution",
    "InvoiceCreditDistribution": "CreditDistribution",
    "Disbursement": "Disbursement",
    "WriteOff": "WriteOff",
    "ShortfallCredit": "ShortfallCredit",
    "PaymentShortfallCredit": "ShortfallCredit",
    "AccountInvoice": "Invoice",
    "PaymentInvoice": "Invoice",
}
"""What is answered, and what that is."""
PINNED = "M010000000000"
"""A part of the locators that fixtures/default.yaml pins: those are made to be acted on."""


@dataclass(frozen=True)
class Purse:
    """What one credit may name: an account, and in one currency its invoices and their items."""

    account: str
    currency: str
    invoices: Sequence[str]
    items: Sequence[str]

    def container(self, kind: str, turn: int) -> str | None:
        """One of this kind; None where there is none."""
        known = {"account": [self.account], "invoice": self.invoices, "invoiceItem": self.items}.get(kind, ())
        return known[turn % len(known)] if known else None


class Guide(plain.Guide):
    """Knows what goes together; requests of wrong states and of other accounts' things are left to chance."""

    def settle(self) -> None:
        """Know the tenant, and the accounts that credits can be made for."""
        tenant = self.world.layer.get("Tenant", self.realm[0]) if self.realm else None
        assert tenant is not None, "give the caller a tenant"
        self._tenant: Record = tenant
        accounts = [each for each in self._rows("Account") if each["accountState"] == "validated"]
        purses = [self._purse(each["id"], each["currency"]) for each in accounts]
        self._purses = [purse for purse in purses if purse.invoices]
        self._instruments = [each["id"] for each in self._rows("FinancialInstrument")]

    def _purse(self, account: str, currency: str) -> Purse:
        mine = [
            each
            for each in self._rows("Invoice")
            if each["accountLocator"] == account and each["currency"] == currency and each["totalRemainingAmount"] > 0
        ]
        items = [item for each in mine for item in each["invoiceItems"] if item["remainingAmount"] > 0]
        return Purse(account, currency, [each["id"] for each in mine], [item["locator"] for item in items])

    def _rows(self, entity: str) -> Iterator[Record]:
        """Those of the tenant, whether or not an operation shows them."""
        if entity in self.service.api.visibility:
            yield from super()._rows(entity)
            return
        for row in self.world.layer.all(entity):
            if row.record.get("tenantLocator") in self.realm:
                yield row.record

    def link(self, document: dict[str, Any]) -> None:
        """What an operation answers, others on its kind take; the tool goes by `id`, which is `locator` here."""
        operations = self.service.api.operations
        for item in document["paths"].values():
            for source in item.values():
                id = source.get("operationId") if isinstance(source, dict) else None
                if id is None or operations[id].entity not in LINKED:
                    continue
                place = "items/0/locator" if operations[id].does == "list" else "locator"
                source["responses"]["200"]["links"] = {
                    other.id: {
                        "operationId": other.id,
                        "parameters": {
                            "tenantLocator": "$request.path.tenantLocator",
                            other.parent or other.key or "": f"$response.body#/{place}",
                        },
                    }
                    for other in operations.values()
                    if other.id != id and LINKED[operations[id].entity] == (other.below or (other.key and other.entity))
                }

    def found(self, operation: Operation) -> Iterator[Target]:
        """The pinned first; ledger accounts are of kinds."""
        if operation.entity != "LedgerAccount":
            yield from sorted(super().found(operation), key=lambda each: PINNED not in str(each.record["id"]))
            return
        for purse in self._purses:
            known = {
                "accountCreditBalance": [purse.account],
                "invoiceCreditBalance": purse.invoices[:1],
                "invoiceItem": purse.items[:1],
            }
            for kind, locators in known.items():
                for locator in locators:
                    yield Target({"refType": kind, "refLocator": locator}, {}, {})

    def is_fit(self, endpoint: Endpoint, target: Target) -> bool:
        """What is written off must be owed, what is settled not, and what is previewed or replaced not done yet."""
        record = target.record
        if endpoint.id == "writeOffInvoice":
            return bool(record["invoiceState"] == "open" and record["totalRemainingAmount"] > 0)
        if endpoint.id == "settleNegativeOrZeroInvoice":
            is_due = wire.moment(record["dueTime"]) <= self.world.clock.now()
            return bool(record["invoiceState"] == "open" and record["totalRemainingAmount"] <= 0 and is_due)
        if endpoint.id == "previewPaymentPost":
            return record["paymentState"] in ("draft", "validated")
        if endpoint.operation.does == "replace":
            return bool(record["creditDistributionState"] == "draft")
        return super().is_fit(endpoint, target)

    def query(self, query: dict[str, Any], endpoint: Endpoint, target: Target | None) -> dict[str, Any]:
        """The query, naming containers that are targets of payments."""
        found = super().query(query, endpoint, target)
        if "targetContainerLocator" in found and next(self.turns) % 2:
            return {**found, "targetContainerLocator": self._turn(self._purses).invoices[0]}
        return found

    def body(self, body: Any, endpoint: Endpoint, target: Target | None) -> Any:
        """The body with one account's things, with rights that the caller has, with reasons that the tenant has."""
        if endpoint.id == "createAuthToken":
            return self._token(body)
        purse = self._turn(self._purses)
        if target is not None and "accountLocator" in target.record:
            purse = self._purse(target.record["accountLocator"], target.record["currency"])
        known: dict[str, Any] = {
            "accountLocator": purse.account,
            "currency": purse.currency,
            "financialInstrumentLocator": self._turn(self._instruments),
        }
        if "reversalType" in body:
            wanted = {"any", KINDS.get(endpoint.operation.entity, "")}
            known["reversalType"] = self._turn(
                [name for name, kind in self._tenant["reversalTypes"].items() if kind in wanted]
            )
        types = self._tenant.get(f"{key_of(endpoint.operation.entity)}Types")
        if types and next(self.turns) % 2:
            known["type"] = self._turn(types)
        made = {name: known.get(name, value) for name, value in body.items()}
        for side in SIDES:
            for name in (side, f"add{side.title()}"):
                if isinstance(made.get(name), list):
                    made[name] = [self._item(each, purse) for each in made[name]]
            removes, there = made.get(f"remove{side.title()}"), target.record.get(side, ()) if target else ()
            if isinstance(removes, list):
                made[f"remove{side.title()}"] = [each["containerLocator"] for each in there][: len(removes)]
        return made

    def chain(self, case: Case[Any], endpoint: Endpoint) -> None:
        """Containers, rights and reasons cannot be learned from answers."""
        if isinstance(case.body, dict) and is_right(case, ParameterLocation.BODY):
            id = (case.path_parameters or {}).get(endpoint.operation.key or "")
            record = self.world.layer.get(endpoint.operation.entity, id) if isinstance(id, str) else None
            target = None if record is None else Target({}, record, record)
            case.body = self.body(case.body, endpoint, target)

    def _item(self, item: Any, purse: Purse) -> Any:
        if not isinstance(item, dict) or not isinstance(item.get("containerType"), str):
            return item
        turn = next(self.turns)
        locator = purse.container(item["containerType"], turn)
        # Amounts are far from what is owed, so every other one is left to be computed.
        made = {name: value for name, value in item.items() if name != "amount" or turn % 2}
        if locator is None and item["containerType"] in ("invoice", "invoiceItem"):
            return {**made, "containerLocator": purse.account, "containerType": "account"}
        return made if locator is None else {**made, "containerLocator": locator}

    def _token(self, body: dict[str, Any]) -> dict[str, Any]:
        assert self.caller is not None
        held = sorted(self.service.api.permissions[self.caller.role])
        made = dict(body)
        if isinstance(made.get("permissions"), list):
            made["permissions"] = [held[at % len(held)] for at in range(len(made["permissions"]))]
        if isinstance(made.get("tenants"), list):
            made["tenants"] = [self.realm[0]] * len(made["tenants"])
        if made.get("expiresAt") is not None:
            made["expiresAt"] = wire.instant(self.world.clock.now() + timedelta(days=1 + next(self.turns) % 30))
        return made

    def _turn(self, values: Sequence[Any]) -> Any:
        return values[next(self.turns) % len(values)]
