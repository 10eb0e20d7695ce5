"""What a tenant has configured: types, plans and numbers, as its pin says them or as nearly every tenant has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockserver.apis.credits import pinning, rules
from mockserver.apis.credits.pinning import CURRENCY, Said
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

# How each is written, for messages.
TOLERANCES, RETRIES = "{USD: 1.00, EUR: 0.90}", "{retries: 2, hours: 24}"
EXAMPLES: Mapping[str, str] = {
    "paymentTypes": "[StandardPayment, CheckPayment]",
    "disbursementTypes": "[StandardDisbursement]",
    "reversalTypes": "{nsf: payment, correction: any}",
    "shortfallTolerancePlans": f"{{standard: {TOLERANCES}}}",
    "products": f"{{Home: {{}}, Motor: {{{DEFAULT}: standard}}}}",
    "retryPlans": f"{{daily: {RETRIES}}}",
    "numbering": "{payment: PMT-, invoice: INV-}",
}


def configured(said: Said | None) -> dict[str, Any]:
    """The whole configuration; None: of a tenant that nobody pinned. Raises ScenarioError."""
    given: Mapping[str, Any] = {} if said is None else said.pin.members
    made = {name: given.get(name, value) for name, value in CONFIGURATION.items()}
    if said is not None:
        _check(said)
    made["shortfallTolerancePlans"] = plans = _plans(said, made["shortfallTolerancePlans"])
    # What is not said follows what is: where the plans are others, no default speaks of those that are not there.
    if DEFAULT not in given and made[DEFAULT] not in plans:
        del made[DEFAULT]
    elif said is not None:
        said.word(DEFAULT, plans, made[DEFAULT])
    if said is not None and "products" in said:
        _check_products(said, plans)
    else:
        made["products"] = {name: _without(product, plans) for name, product in made["products"].items()}
    return made


def _without(product: Mapping[str, Any], plans: Mapping[str, Any]) -> dict[str, Any]:
    """A product that names no plan unless it is there."""
    return {name: value for name, value in product.items() if name != DEFAULT or value in plans}


def _check(said: Said) -> None:
    said.word("type", TYPES, "test")
    said.currency("defaultCurrency", "USD")
    for member in ("paymentTypes", "disbursementTypes"):
        if member in said and not said.texts(member, EXAMPLES[member]):
            raise said.pin.fault(f"is empty; name one at least: {EXAMPLES[member]}.", member)
    for name, kind in said.mapping("reversalTypes", EXAMPLES["reversalTypes"]).items():
        if kind not in REVERSIBLE:
            raise said.pin.fault(f"no {kind!r}; {nearest(str(kind), REVERSIBLE)}", f"reversalTypes.{name}")
    for name, plan in said.mapping("retryPlans", EXAMPLES["retryPlans"]).items():
        if not _is_retry_plan(plan):
            raise said.pin.fault(f"says no retries and hours; write {RETRIES}.", f"retryPlans.{name}")
    for name, prefix in said.mapping("numbering", EXAMPLES["numbering"]).items():
        if name not in CONFIGURATION["numbering"]:
            raise said.pin.fault(
                f"no plan of numbers; {nearest(name, CONFIGURATION['numbering'])}", f"numbering.{name}"
            )
        if not isinstance(prefix, str):
            raise said.pin.fault(
                f"{prefix!r} is no text; write what numbers begin with, like PMT-.", f"numbering.{name}"
            )


def _is_retry_plan(plan: Any) -> bool:
    is_whole = isinstance(plan, Mapping) and all(type(each) is int and each >= 0 for each in plan.values())
    return is_whole and set(plan) == {"retries", "hours"}


def _check_products(said: Said, plans: Mapping[str, Any]) -> None:
    """That each product names one of the plans, or none."""
    example = f"{{}} or {{{DEFAULT}: {next(iter(plans), 'standard')}}}"
    for name, product in said.mapping("products", EXAMPLES["products"]).items():
        place = f"products.{name}"
        if not isinstance(product, Mapping):
            raise said.pin.fault(f"is a mapping; write {example}.", place)
        for member, plan in product.items():
            if member != DEFAULT:
                raise said.pin.fault(f"unknown; write {example}.", f"{place}.{member}")
            if plan not in tuple(plans):
                raise said.pin.fault(f"no {plan!r}; {nearest(str(plan), plans)}", place)


def _plans(said: Said | None, plans: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tolerances as amounts."""
    if said is None:
        return {name: {each: rules.money(value) for each, value in plan.items()} for name, plan in plans.items()}
    said.mapping("shortfallTolerancePlans", EXAMPLES["shortfallTolerancePlans"])
    return {name: _tolerances(said, f"shortfallTolerancePlans.{name}", plan) for name, plan in plans.items()}


def _tolerances(said: Said, place: str, plan: Any) -> dict[str, Any]:
    if not isinstance(plan, Mapping):
        raise said.pin.fault(f"is a mapping of currencies to amounts; write {TOLERANCES}.", place)
    made = {}
    for currency, value in plan.items():
        if not CURRENCY.fullmatch(currency):
            raise said.pin.fault(f"{currency!r} is no currency; write {TOLERANCES}.", f"{place}.{currency}")
        made[currency] = pinning.money(said.pin, value, f"{place}.{currency}")
        if made[currency] < 0:
            raise said.pin.fault(f"{value} is below 0; a tolerance is 0 or more.", f"{place}.{currency}")
    return made
