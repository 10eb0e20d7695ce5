"""A small world behind the credits, once for the model and once as the server wants it told."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mockserver import MockServer, create_app
from mockserver.world import Processing
from tests.credits_model import DISBURSEMENT, DISTRIBUTION, PAYMENT, Account, Caller, Invoice, Item, Tenant

START = datetime(2026, 3, 16, 9, tzinfo=UTC)
HOME, AWAY, NOWHERE = (f"10000000-0000-4000-8000-00000000000{each}" for each in (1, 2, 9))
UNKNOWN = "01JT2YS8M0100000000000ZZZZ"
TENANTS = (
    Tenant(
        HOME,
        "USD",
        {PAYMENT: ("Cash", "Card"), DISBURSEMENT: ("Cheque",)},
        {"nsf": PAYMENT, "misapplied": DISTRIBUTION, "correction": "any"},
        {"standard": {"USD": 100, "EUR": 90}, "generous": {"USD": 500}, "strict": {"USD": 50, "CAD": 0}},
        "standard",
        {"Home": None, "Motor": "generous"},
        {"daily": 2, "never": 0},
    ),
    Tenant(
        AWAY,
        "EUR",
        {PAYMENT: ("Cash",), DISBURSEMENT: ("Cheque",)},
        {"nsf": PAYMENT, "correction": "any"},
        {"thin": {"USD": 5}},
        None,
        {"Home": None},
        {},
    ),
)


def ulid(letter: str, number: int) -> str:
    return f"01JT2YS8M010000000000{letter}{number:04d}"


ACCOUNTS = (
    Account(ulid("A", 1), HOME, instrument=ulid("F", 1)),
    Account(ulid("A", 2), HOME, plan="strict", instrument=ulid("F", 3)),
    Account(ulid("A", 3), HOME, state="draft"),
    Account(ulid("A", 4), AWAY, plan="thin"),
)
# locator -> (account, whether it declines)
INSTRUMENTS = {
    ulid("F", 1): (ulid("A", 1), False),
    ulid("F", 2): (ulid("A", 1), True),
    ulid("F", 3): (ulid("A", 2), True),
    ulid("F", 4): (ulid("A", 4), False),
}
# account, currency, items in cents, products, hours until it is due
BILLED: Sequence[tuple[int, str, tuple[int, ...], tuple[str, ...], int]] = (
    (1, "USD", (10000,), (), 0),
    (1, "USD", (2090,), (), 0),
    (1, "USD", (6000, 4000), ("Home",), 0),
    (1, "USD", (8000, -1550, 3550), ("Home", "Motor"), 0),
    (1, "USD", (-4200,), (), 3),
    (1, "USD", (2000, -2000), (), 0),
    (1, "USD", (1200,), (), 0),
    (1, "EUR", (5000,), (), 0),
    (1, "EUR", (-2500, 1500), (), 0),
    (1, "CAD", (3000,), (), 0),
    (1, "USD", (80,), (), 0),
    (2, "USD", (7500,), (), 0),
    (2, "USD", (1001, 2), ("Motor",), 0),
    (2, "CAD", (1000,), (), 0),
    (3, "USD", (500,), (), 0),
    (3, "USD", (-500,), (), 0),
    (4, "USD", (4000,), (), 0),
    (4, "EUR", (1001, 2), ("Home",), 0),
    (4, "EUR", (-2000,), (), 2),
)
DISCARDED = ulid("N", 7)
CALLERS = (
    Caller("admin", "Mira", frozenset({"*.*"}), frozenset({"any"})),
    Caller(
        "clerk",
        "Jonas",
        frozenset(
            f"{group}.{action}"
            for group in ("payments", "invoices", "credit-distributions")
            for action in ("read", "list", "write")
        ),
        frozenset({HOME, AWAY}),
    ),
    Caller(
        "treasurer",
        "Tamsin",
        frozenset(
            [f"{group}.{action}" for group in ("disbursements", "write-offs") for action in ("read", "list", "write")]
            + ["accounting.read"]
        ),
        frozenset({HOME, AWAY}),
    ),
    Caller("keeper", "Ines", frozenset({"payments.*", "invoices.write", "users.token"}), frozenset({HOME})),
    Caller("auditor-other", "Odd", frozenset({"credits.read", "invoices.read", "invoices.list"}), frozenset({AWAY})),
)
ROLES = {"admin": "admin", "clerk": "billing-clerk", "treasurer": "treasury"}
USERS = {each.user: f"20000000-0000-4000-8000-00000000000{at}" for at, each in enumerate(CALLERS, 1)}


def small_invoices() -> list[Invoice]:
    made = []
    for at, (account, currency, amounts, products, due) in enumerate(BILLED, 1):
        home = ACCOUNTS[account - 1]
        items = [Item(ulid("T", 10 * at + place), amount) for place, amount in enumerate(amounts)]
        locator = ulid("N", at)
        found = Invoice(locator, home.tenant, home.locator, currency, items, products, due, locator == DISCARDED)
        made.append(found)
    return made


def _scenario() -> dict[str, Any]:
    """The same world as the server wants it told."""
    pins: list[dict[str, Any]] = [{"entity": "User", "id": id, "name": name} for name, id in USERS.items()]
    for tenant in TENANTS:
        plans = {name: {key: value / 100 for key, value in plan.items()} for name, plan in tenant.plans.items()}
        pin = {
            "entity": "Tenant",
            "id": tenant.locator,
            "name": f"Tenant {tenant.locator[-1]}",
            "defaultCurrency": tenant.currency,
            "paymentTypes": list(tenant.types[PAYMENT]),
            "disbursementTypes": list(tenant.types[DISBURSEMENT]),
            "reversalTypes": dict(tenant.reversals),
            "shortfallTolerancePlans": plans,
            "products": {
                name: {"defaultShortfallTolerancePlan": plan} if plan else {} for name, plan in tenant.products.items()
            },
            "retryPlans": {name: {"retries": count, "hours": 24} for name, count in tenant.retries.items()},
        }
        pins.append(pin | ({"defaultShortfallTolerancePlan": tenant.default} if tenant.default else {}))
    for account in ACCOUNTS:
        pin = {"entity": "Account", "id": account.locator, "name": account.locator, "accountState": account.state}
        pin |= {"tenant": f"Tenant {account.tenant[-1]}"}
        pins.append(pin | ({"shortfallTolerancePlanName": account.plan} if account.plan else {}))
    defaults = {account.instrument for account in ACCOUNTS}
    for locator, (owner, declines) in INSTRUMENTS.items():
        flags = {"declines": declines, "default": locator in defaults}
        pins.append({"entity": "FinancialInstrument", "id": locator, "account": owner, **flags})
    for at, invoice in enumerate(small_invoices()):
        pins.append(
            {
                "entity": "Invoice",
                "id": invoice.locator,
                "account": invoice.account,
                "currency": invoice.currency,
                "at": f"-{90 - at}d",
                "dueTime": f"2026-03-16T{8 + invoice.due:02d}:30:00Z",
                "products": list(invoice.products),
                "items": [{"id": item.locator, "amount": item.amount / 100} for item in invoice.items],
            }
            | ({"status": "discarded"} if invoice.discarded else {})
        )
    callers = {}
    for caller in CALLERS:
        callers[caller.name] = {
            "api": "credits",
            "token": f"{caller.name}-token",
            "user": caller.user,
            "tenants": [each if each == "any" else f"Tenant {each[-1]}" for each in sorted(caller.tenants)],
        } | ({"role": ROLES[caller.name]} if caller.name in ROLES else {"permissions": sorted(caller.rights)})
    return {
        "now": f"{START:%Y-%m-%dT%H:%M:%SZ}",
        "seed": 1,
        "locale": ["en_GB"],
        "sizes": {"credits": {"accounts": 0, "invoices": 0, "payments": 0}},
        "callers": callers,
        "pins": [{"api": "credits", **pin} for pin in pins],
    }


@cache
def app(processing: str) -> MockServer:
    """One application for each way of processing, a process; its clock stands still in all of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.yaml")
        path.write_text(yaml.safe_dump(_scenario()))
        made = create_app("credits", scenario=path, processing="manual")
    made.world.processing = Processing.parse(processing)
    made.world.settle_seed()  # a reset returns to this way, too
    return made
