"""Credits for tests of rights and machines: a scenario with more callers, and objects brought into states over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from mockserver import MockServer, create_app
from mockserver.scenario import HOME
from mockserver.world import World
from tests import rights
from tests.driver import Answer, Client
from tests.valid import Request

API = "credits"
STAGING = "10000000-0000-4000-8000-000000000001"
TRAINING = "10000000-0000-4000-8000-000000000002"
PRODUCTION = "10000000-0000-4000-8000-000000000003"
RETIRED = "10000000-0000-4000-8000-000000000009"
UNKNOWN = "99999999-0000-4000-8000-000000000009"
FOLDER = TemporaryDirectory(prefix="doubleentry-")
"""Where the scenario and the overlay are written; gone when the process ends."""
NOWHERE = "01KHDP1PM010000000000Z9999"

# Section 5.2 of the reference: what a caller holds, and what the four reads of the seed answer; * flips under `all`.
SEED = ("fetchCredits", "fetchShortfallCredit", "fetchMultipleShortfallCredits", "fetchCreditsForAnInvoice")
TABLE: Mapping[str, tuple[str, Sequence[str], str]] = {
    "everything": ("admin", (), "200 200 200 200"),
    "read-all": ("read-only", (), "200* 200 200* 200*"),
    "credits-both": ("", ("credits.read", "credits.list"), "200 403 403 403"),
    "credits-read": ("", ("credits.read",), "200* 403 403 403"),
    "credits-list": ("", ("credits.list",), "200* 403 403 403"),
    "shortfalls-both": ("", ("shortfall-credits.read", "shortfall-credits.list"), "403 200 200 403"),
    "shortfalls-read": ("", ("shortfall-credits.read",), "403 200 200* 403"),
    "shortfalls-list": ("", ("shortfall-credits.list",), "403 403 200* 403"),
    "invoices-both": ("", ("invoices.read", "invoices.list"), "403 403 403 200"),
    "invoices-read": ("", ("invoices.read",), "403 403 403 200*"),
    "invoices-list": ("", ("invoices.list",), "403 403 403 200*"),
    "credits-any": ("", ("credits.*",), "200 403 403 403"),
    "any-any": ("", ("*.*",), "200 200 200 200"),
    "movers": ("", ("payments.*", "credit-distributions.*"), "403 403 403 403"),
}

SCENARIO: dict[str, Any] = {
    "extends": str(HOME / "default.yaml"),
    "callers": {
        **{
            name: {
                "api": API,
                "token": f"{name}-token",
                "tenants": [STAGING],
                **({"role": role} if role else {"permissions": list(permissions)}),
            }
            for name, (role, permissions, _) in TABLE.items()
        },
        "elsewhere": {"api": API, "token": "elsewhere-token", "permissions": ["*.*"], "tenants": [TRAINING]},
        "nowhere": {"api": API, "token": "nowhere-token", "permissions": ["*.*"], "tenants": []},
        "tester": {"api": API, "token": "tester-token", "permissions": ["*.*"], "tenants": "type:test"},
        "retirer": {"api": API, "token": "retirer-token", "permissions": ["*.*"], "tenants": "type:retired"},
        "outdated": {"api": API, "token": "outdated-token", "permissions": ["*.*"], "tenants": "any", "expires": "+1h"},
        # A role, and rights beside it: a user has the union (credits 5, D).
        "both": {
            "api": API,
            "token": "both-token",
            "role": "billing-auditor",
            "tenants": [STAGING],
            "permissions": ["payments.*", "users.token"],
        },
        "useless": {"api": API, "token": "useless-token", "permissions": ["accounting.list"], "tenants": [STAGING]},
    },
    "pins": [
        {"api": API, **pin}
        for pin in (
            {"entity": "Tenant", "id": RETIRED, "name": "Lantern of old", "type": "retired"},
            {"entity": "Account", "id": "01JT2YS8M010000000000X0009", "name": "Old Mill", "tenant": "Lantern of old"},
            {"entity": "Invoice", "id": "01KHDP1PM010000000000X0091", "account": "Old Mill", "amount": "50.00"},
            # Three of each tenant to try things on: two that are owed, one that has nothing left to pay.
            *(
                {
                    "entity": "Invoice",
                    "id": f"01KHDP1PM010000000000X00{tenant}{number}",
                    "account": account,
                    "currency": "USD",
                    "at": f"-{26 - number}d",
                    **({"amount": "400.00"} if number < 3 else {"items": [{"amount": "9.00"}, {"amount": "-9.00"}]}),
                }
                for tenant, account in ((1, "Harbour & Finch Group"), (2, "Saltmarsh Farms"))
                for number in (1, 2, 3)
            ),
        )
    ],
}


@cache
def scenario() -> Path:
    """The scenario as a file."""
    path = Path(FOLDER.name) / "rights.yaml"
    path.write_text(yaml.safe_dump(SCENARIO, sort_keys=False), encoding="utf-8")
    return path


def default() -> Mapping[str, Any]:
    """The default scenario as its file says it."""
    return rights.plain(HOME / "default.yaml")


@cache
def overlay() -> Path:
    """The switch of section 5.1 turned the other way."""
    path = Path(FOLDER.name) / "all.yaml"
    path.write_text("credits:\n  rule: {is: all, reason: the other reading}\n", encoding="utf-8")
    return path


@cache
def built(processing: str = "manual", rule: str = "any") -> MockServer:
    """The application over the scenario, with another API beside it."""
    overlays = [overlay()] if rule == "all" else []
    return create_app("credits", "accounts", scenario=scenario(), overlay=overlays, processing=processing)


@dataclass(frozen=True)
class Caller:
    """One of the cast as the scenario's files say it."""

    name: str
    token: str
    rights: frozenset[str]
    tenants: tuple[str, ...]

    def may(self, needs: Sequence[str], rule: str = "any") -> bool:
        """Whether the rights are enough."""
        return rights.suffices(self.rights, needs, rule)

    def reaches(self, tenant: str) -> bool:
        """Whether the rights hold in a tenant (credits 5)."""
        kind = TYPES.get(tenant)
        return kind is not None and bool({tenant, "any", f"type:{kind}"} & set(self.tenants))


def _callers() -> dict[str, Caller]:
    permissions, found = rights.table(API)["roles"], {}
    for name, row in {**default()["callers"], **SCENARIO["callers"]}.items():
        if row.get("api") == API:
            held = {*row.get("permissions", ()), *permissions.get(row.get("role"), ())}
            tenants = row.get("tenants", [])
            tenants = [tenants] if isinstance(tenants, str) else tenants
            found[name] = Caller(name, row["token"], frozenset(held), tuple(NAMES.get(each, each) for each in tenants))
    return found


_TENANTS = [pin for pin in (*default()["pins"], *SCENARIO["pins"]) if pin["entity"] == "Tenant"]
TYPES: Mapping[str, str] = {pin["id"]: pin["type"] for pin in _TENANTS}
NAMES: Mapping[str, str] = {pin["name"]: pin["id"] for pin in _TENANTS}
CALLERS: Mapping[str, Caller] = _callers()
ACCOUNTS: Mapping[str, str] = {STAGING: "01JT2YS8M010000000000A0002", TRAINING: "01JT2YS8M010000000000A0006"}
INSTRUMENTS: Mapping[str, str] = {"good": "01JVPEQMM010000000000F0001", "bad": "01JVPEQMM010000000000F0002"}
FIELDS = {
    "Payment": "paymentState",
    "CreditDistribution": "creditDistributionState",
    "Disbursement": "disbursementState",
    "WriteOff": "writeOffState",
    "ShortfallCredit": "shortfallCreditState",
    "Invoice": "invoiceState",
}
PLURALS = {
    "Payment": "payments",
    "CreditDistribution": "creditDistributions",
    "Disbursement": "disbursements",
    "WriteOff": "writeOffs",
}
REASON = {"reversalType": "correction"}

# state -> the calls that lead there from the one that makes the object; `run` lets one background job run
WAYS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Payment": {
        "draft": (),
        "validated": ("validate",),
        "posted": ("validate", "post"),
        "requested": ("validate", "request"),
        "executing": ("validate", "request", "run"),
        "failed": ("validate", "request", "fail"),
        "cancelled": ("validate", "request", "cancel"),
        "discarded": ("discard",),
        "reversed": ("validate", "post", "reverse"),
    },
    "CreditDistribution": {
        "draft": (),
        "validated": ("validate",),
        "executed": ("validate", "execute"),
        "discarded": ("discard",),
        "reversed": ("validate", "execute", "reverse"),
    },
    "Disbursement": {
        "draft": (),
        "validated": ("validate",),
        "approved": ("validate", "approve"),
        "executed": ("validate", "approve", "execute"),
        "rejected": ("validate", "reject"),
        "discarded": ("discard",),
        "reversed": ("validate", "approve", "execute", "reverse"),
    },
    "WriteOff": {"distributed": (), "reversed": ("reverse",)},
}


def invoice(tenant: str, number: int) -> str:
    """The locator of one of the invoices that the scenario pins."""
    return f"01KHDP1PM010000000000X00{1 if tenant == STAGING else 2}{number}"


def body(entity: str, tenant: str) -> dict[str, Any]:
    """What makes an object of an entity."""
    account, target = ACCOUNTS[tenant], {"containerLocator": invoice(tenant, 1), "containerType": "invoice"}
    source = {"containerLocator": account, "containerType": "account"}
    return {
        "Payment": {
            "amount": 11,
            "type": "StandardPayment",
            "data": {},
            "accountLocator": account,
            "targets": [target],
        },
        "CreditDistribution": {"amount": 7, "accountLocator": account, "sources": [source], "targets": [target]},
        "Disbursement": {
            "amount": 5,
            "type": "StandardDisbursement",
            "useDefaultFinancialInstrument": False,
            "data": {},
            "accountLocator": account,
            "sources": [source],
        },
        "WriteOff": {"accountLocator": account, "targets": [{**target, "amount": 3}]},
    }[entity]


@dataclass
class Stage:
    """Brings objects of a tenant into a state, as somebody who may everything."""

    app: MockServer
    tenant: str = STAGING
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.app, CALLERS["admin"].token)

    @property
    def world(self) -> World:
        """Where they are."""
        return self.app.worlds[API]

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """A call that succeeds, below the tenant."""
        answer = self.client.request(method, f"//billing/{self.tenant}/{path}", body=body)
        assert answer.status == 200, (path, answer)
        return answer

    def fill(self, amount: float = 900) -> None:
        """Give the account a credit balance, by paying for nothing."""
        self.make("Payment", "posted", amount=amount, targets=[])

    def make(self, entity: str, state: str, **members: Any) -> str:
        """The locator of a new object in a state."""
        if entity in ("CreditDistribution", "Disbursement"):
            self.fill()
        locator = str(self.call("POST", PLURALS[entity], {**body(entity, self.tenant), **members}).json["locator"])
        for step in WAYS[entity][state]:
            self.step(entity, locator, step)
        assert self.state(entity, locator) == state
        return locator

    def step(self, entity: str, locator: str, step: str) -> None:
        """One of WAYS."""
        if step == "run":
            self.world.run(lambda job: job["subject"] == locator, limit=1)
            return
        reason = REASON if step == "reverse" and entity in ("Payment", "CreditDistribution") else None
        self.call("PATCH", f"{PLURALS[entity]}/{locator}/{step}", reason)

    def state(self, entity: str, locator: str) -> str:
        """The state of an object, as its record has it."""
        record = self.world.layer.get(entity, locator)
        assert record is not None, (entity, locator)
        return str(record[FIELDS[entity]])

    def shortfall(self) -> str:
        """The locator of a shortfall credit that was distributed."""
        payment = self.make("Payment", "posted", amount=399.5)
        (found,) = self.call("GET", f"payments/{payment}").json["shortfallCreditLocators"]
        return str(found)

    def object(self, id: str) -> str | None:
        """The locator of an object that an operation can be done to; None where it names none."""
        operation = rights.operations(API)[id]
        if not {"locator", "accountLocator", "refLocator"} & set(operation.params):
            return None
        if {"accountLocator", "refLocator"} & set(operation.params):
            return ACCOUNTS[self.tenant]
        entity = operation.row.get("below") or operation.row["entity"]
        if entity == "Invoice":
            return invoice(self.tenant, 3 if id == "settleNegativeOrZeroInvoice" else 1)
        if entity == "ShortfallCredit":
            return self.shortfall()
        return self.make(entity, FIT.get(id, next(iter(WAYS[entity]))))


# operation -> the state in which it can be done; what is not named can be done in the first
FIT: Mapping[str, str] = {
    "resetPayment": "validated",
    "postPayment": "validated",
    "executePayment": "validated",
    "failPayment": "requested",
    "cancelPayment": "requested",
    "reversePayment": "posted",
    "resetCreditDistribution": "validated",
    "executeCreditDistribution": "validated",
    "reverseCreditDistribution": "executed",
    "approveDisbursement": "validated",
    "executeDisbursement": "approved",
    "rejectDisbursement": "validated",
    "resetDisbursement": "validated",
    "reverseDisbursement": "executed",
    "reverseWriteOff": "distributed",
}
EMPTY = {"addTargets": [], "removeTargets": []}
MAKES = {
    "createPayment": "Payment",
    "createCreditDistribution": "CreditDistribution",
    "createOrReplaceCreditDistribution": "CreditDistribution",
    "createDisbursement": "Disbursement",
    "writeOff": "WriteOff",
}


def request(id: str, tenant: str, locator: str | None, home: str = STAGING) -> Request:
    """The request of an operation in a tenant on an object. home: whose accounts and invoices a body names"""
    operation = rights.operations(API)[id]
    params = {"tenantLocator": tenant, "refType": "accountCreditBalance"}
    params |= dict.fromkeys(("locator", "accountLocator", "refLocator"), locator or NOWHERE)
    sent: Any = None
    if id in MAKES:
        sent = body(MAKES[id], home)
    elif id in ("reversePayment", "reverseCreditDistribution"):
        sent = REASON
    elif id == "updatePayment":
        sent = {**EMPTY, "setData": {"channel": "branch"}, "removeData": {}}
    elif id == "updateCreditDistribution":
        sent = {**EMPTY, "addSources": [], "removeSources": [], "amount": 6}
    elif id == "createAuthToken":
        sent = {"name": "nightly", "tenants": [], "permissions": ["users.token"], "expiresAt": None}
    assert (sent is not None) == operation.has_body, id
    query = "?currency=USD" if id == "fetchLedgerAccount" else ""
    return Request(operation.method, operation.at(**params) + query, body=sent)
