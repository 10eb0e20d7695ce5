"""What a tenant has configured: types, plans and numbers, as its pin says them or as nearly every tenant has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockserver.apis.credits import pinning, rules
from mockserver.apis.credits.pinning import Said
from mockserver.scenario import nearest

TYPES = ("test", "production", "retired", "deleted")

# What a tenant has configured where its pin says nothing else (credits 10, 11.2; the names, M). CAD has no tolerance.
CONFIGURATION: Mapping[str, Any] = {
    "type": "test",
    "defaultCurrency": "USD",
    "paymentTypes": ["StandardPayment", "CheckPayment"],
    "disbursementTypes": ["StandardDisbursement", "RefundDisbursement"],
    "reversalTypes": {
        "nsf": "payment",
        "chargeback": "payment",
        "misapplied": "creditDistribution",
        "correction": "any",
    },
    "shortfallTolerancePlans": {"standard": {"USD": "1.00", "EUR": "0.90"}, "generous": {"USD": "5.00", "EUR": "4.50"}},
    "defaultShortfallTolerancePlan": "standard",
    "products": {"Home": {}, "Motor": {"defaultShortfallTolerancePlan": "generous"}},
    "retryPlans": {"daily": {"retries": 2, "hours": 24}},
    "numbering": {"payment": "PMT-", "disbursement": "DSB-", "invoice": "INV-"},
}
DEFAULT = "defaultShortfallTolerancePlan"
REVERSIBLE = (rules.PAYMENT, rules.DISTRIBUTION, rules.ANY)


def configured(said: Said | None) -> dict[str, Any]:
    """The whole configuration; None: of a tenant that nobody pinned. Raises ScenarioError."""
    given: Mapping[str, Any] = {} if said is None else said.pin.members
    made = {name: given.get(name, value) for name, value in CONFIGURATION.items()}
    if said is not None:
        _check(said)
    made["shortfallTolerancePlans"] = plans = _plans(said, made["shortfallTolerancePlans"])
    if DEFAULT not in given and made[DEFAULT] not in plans:
        del made[DEFAULT]  # the plans are others, and none of them was said to be the default
    elif said is not None:
        said.word(DEFAULT, plans, made[DEFAULT])
    for name, product in made["products"].items():
        if said is not None and product.get(DEFAULT) not in (None, *plans):
            raise said.pin.fault(
                f"no {product[DEFAULT]!r}; {nearest(str(product[DEFAULT]), plans)}", f"products.{name}"
            )
    return made


def _check(said: Said) -> None:
    said.word("type", TYPES, "test")
    said.text("defaultCurrency", "USD")
    for member in ("paymentTypes", "disbursementTypes"):
        if member in said and not said.texts(member):
            raise said.pin.fault("is empty; name one at least.", member)
    for member in ("shortfallTolerancePlans", "products", "retryPlans"):
        for name, each in said.mapping(member).items():
            if not isinstance(each, Mapping):
                raise said.pin.fault("is a mapping; write it as {name: value}.", f"{member}.{name}")
    for name, kind in said.mapping("reversalTypes").items():
        if kind not in REVERSIBLE:
            raise said.pin.fault(f"no {kind!r}; {nearest(str(kind), REVERSIBLE)}", f"reversalTypes.{name}")
    for name, plan in said.mapping("retryPlans").items():
        if set(plan) != {"retries", "hours"} or not all(type(each) is int and each >= 0 for each in plan.values()):
            raise said.pin.fault("says no retries and hours; write {retries: 2, hours: 24}.", f"retryPlans.{name}")
    for name, prefix in said.mapping("numbering").items():
        if name not in CONFIGURATION["numbering"] or not isinstance(prefix, str):
            known = CONFIGURATION["numbering"]
            raise said.pin.fault(f"no plan of numbers; {nearest(name, known)} Each is a text.", f"numbering.{name}")


def _plans(said: Said | None, plans: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tolerances as amounts."""
    made: dict[str, dict[str, Any]] = {}
    for name, plan in plans.items():
        place = f"shortfallTolerancePlans.{name}"
        made[name] = {
            currency: rules.money(value) if said is None else pinning.money(said.pin, value, f"{place}.{currency}")
            for currency, value in plan.items()
        }
    return made
