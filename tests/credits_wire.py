"""How calls of the credits API go over the wire, and what of an answer and of the model is to be the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.credits_model import (
    CREATES,
    DISBURSEMENT,
    DISTRIBUTION,
    PAYMENT,
    SHORTFALL,
    WRITE_OFF,
    Credit,
    Invoice,
    Model,
    Part,
    Step,
)
from tests.credits_small import HOME, START, USERS

_PATHS = {"payments": "Payment", "creditDistributions": "CreditDistribution", "disbursements": "Disbursement"}
ROUTES: dict[str, tuple[str, str]] = {
    **{
        f"{verb}{name}": ("PATCH", f"/{path}/{{id}}/{verb}")
        for path, name in _PATHS.items()
        for verb in (
            *("validate", "reset", "post", "fail", "cancel", "discard", "reverse", "execute", "approve", "reject"),
        )
    },
    "executePayment": ("PATCH", "/payments/{id}/request"),
    "reverseWriteOff": ("PATCH", "/writeOffs/{id}/reverse"),
    "createPayment": ("POST", "/payments"),
    "createCreditDistribution": ("POST", "/creditDistributions"),
    "createDisbursement": ("POST", "/disbursements"),
    "writeOff": ("POST", "/writeOffs"),
    "updatePayment": ("PATCH", "/payments/{id}"),
    "updateCreditDistribution": ("PATCH", "/creditDistributions/{id}"),
    "createOrReplaceCreditDistribution": ("PUT", "/creditDistributions/{id}"),
    "writeOffInvoice": ("PATCH", "/invoices/{id}/writeOff"),
    "settleNegativeOrZeroInvoice": ("POST", "/invoices/{id}/settle"),
    "getInvoiceWithItems": ("GET", "/invoices/{id}"),
    "previewPaymentPost": ("GET", "/payments/{id}/previewPost"),
    "fetchCredits": ("GET", "/credits/list"),
}
WORDS = {
    "amount": "amount",
    "account": "accountLocator",
    "currency": "currency",
    "type": "type",
    "plan": "retryPlanName",
    "instrument": "financialInstrumentLocator",
    "use_default": "useDefaultFinancialInstrument",
    "mode": "paymentMode",
    "reason": "reversalType",
    "sources": "sources",
    "targets": "targets",
    "add_sources": "addSources",
    "remove_sources": "removeSources",
    "add_targets": "addTargets",
    "remove_targets": "removeTargets",
    "name": "name",
    "tenants": "tenants",
    "permissions": "permissions",
}
HAVE_BODIES = {*CREATES, "updatePayment", "updateCreditDistribution", "createOrReplaceCreditDistribution"}
HAVE_BODIES |= {"reversePayment", "reverseCreditDistribution", "createAuthToken"}
LISTS = {
    PAYMENT: ("payments", "paymentState"),
    DISTRIBUTION: ("creditDistributions", "creditDistributionState"),
    DISBURSEMENT: ("disbursements", "disbursementState"),
    WRITE_OFF: ("writeOffs", "writeOffState"),
    SHORTFALL: ("shortfallCredits", "shortfallCreditState"),
}
QUIET = f"//billing/{HOME}/creditDistributions/list?count=1"  # a call that looks at no payment
CURRENCIES = ("USD", "EUR", "CAD")


def body(step: Step) -> dict[str, Any] | None:
    if step.operation not in HAVE_BODIES:
        return None
    said: dict[str, Any] = {
        WORDS[name]: _plain(value) for name, value in step.args.items() if name in WORDS and value is not None
    }
    if step.operation in ("createPayment", "createDisbursement"):
        said["data"] = {}
    if step.operation == "createDisbursement":
        said.setdefault("useDefaultFinancialInstrument", False)
    if step.operation == "updatePayment":
        said |= {"setData": {"note": "edited"}, "removeData": {}}
    if step.operation == "createAuthToken":
        until = step.args["until"]
        said["expiresAt"] = None if until is None else f"{START + timedelta(hours=until):%Y-%m-%dT%H:%M:%SZ}"
    broken: Mapping[str, Any] = step.args.get("broken", {})
    return {**said, **broken}


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        amount = {} if value.amount is None else {"amount": value.amount / 100}
        return {"containerLocator": value.locator, "containerType": value.type, **amount}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value / 100 if type(value) is int else value


# What is compared: the same of an answer and of the model.


def cents(value: Any) -> int:
    """An amount of an answer, which must have two decimals at most."""
    exact = Decimal(str(value)) * 100
    assert exact == int(exact), value
    return int(exact)


def _parts(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, int | None]]:
    return [
        (each["containerLocator"], each["containerType"], cents(each["amount"]) if "amount" in each else None)
        for each in found
    ]


def said(kind: str, found: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        "state": found[LISTS[kind][1]],
        "amount": cents(found["amount"]),
        "currency": found["currency"],
        "account": found.get("accountLocator"),
        "by": found["createdBy"],
    }
    for side in ("sources", "targets"):
        if side in found:
            made[side] = _parts(found[side])
    if kind != DISBURSEMENT:
        made["reason"] = found.get("reversalReason")
    if kind in (PAYMENT, DISTRIBUTION, WRITE_OFF):
        made["reversed"] = "reversedAt" in found
    if kind in (PAYMENT, DISTRIBUTION):
        made["real"] = "postedAt" in found or "executedAt" in found
        made["shortfalls"] = set(found["shortfallCreditLocators"])
        assert len(found["shortfallCreditLocators"]) == len(made["shortfalls"])
    if kind == PAYMENT:
        made |= {
            "type": found["type"],
            "plan": found.get("retryPlanName"),
            "remaining": cents(found["remainingAmount"]),
        }
        made |= {"log": [each["event"] for each in found["executionLog"]], "reverser": found.get("reversedBy")}
        made["again"] = "nextRequestTime" in found
        assert found["subpayments"] == []
    if kind == SHORTFALL:
        made |= {"parent": found["parentCreditLocator"], "type": found["creditType"]}
    return made


def meant(credit: Credit, children: Iterable[Credit]) -> dict[str, Any]:
    kind = credit.kind
    made: dict[str, Any] = {
        "state": credit.state,
        "amount": credit.amount,
        "currency": credit.currency,
        "account": credit.account,
        "by": USERS[credit.by],
    }
    for side in ("sources", "targets"):
        if kind == DISTRIBUTION or (side == "sources") == (kind == DISBURSEMENT):
            made[side] = [(part.locator, part.type, part.amount) for part in getattr(credit, side)]
    if kind != DISBURSEMENT:
        made["reason"] = credit.reason
    if kind in (PAYMENT, DISTRIBUTION, WRITE_OFF):
        made["reversed"] = credit.state == "reversed"
    if kind in (PAYMENT, DISTRIBUTION):
        made |= {"real": credit.is_real, "shortfalls": {each.locator for each in children}}
    if kind == PAYMENT:
        made |= {"type": credit.type, "plan": credit.plan, "remaining": 0 if credit.is_real else credit.amount}
        made |= {"log": credit.log, "reverser": USERS.get(credit.reversed_by or "")}
        made["again"] = credit.state == "requested" and credit.log[-1] == "declined"
    if kind == SHORTFALL:
        assert credit.parent is not None
        made |= {"parent": credit.parent.locator, "type": SHORTFALL}
    return made


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("creditType", "creditState", "currency", "accountLocator", "reversalReason")
    made = {name: found.get(name) for name in names} | {"amount": cents(found["amount"])}
    return made | {name: name in found for name in ("realizedAt", "reversedAt")}


def summed(credit: Credit) -> dict[str, Any]:
    """3.1, 11.5 10."""
    return {
        "creditType": credit.kind,
        "creditState": credit.state,
        "currency": credit.currency,
        "accountLocator": credit.account,
        "reversalReason": credit.reason,
        "amount": credit.amount,
        "realizedAt": credit.is_real,
        "reversedAt": credit.state == "reversed",
    }


def shown_invoice(found: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        "state": found["invoiceState"],
        "total": cents(found["totalAmount"]),
        "left": cents(found["totalRemainingAmount"]),
        "settled": "settledTime" in found,
        "reopened": "unsettledTime" in found,
    }
    for each in found.get("invoiceItems", ()):
        made[each["locator"]] = cents(each["remainingAmount"]), "settlementTime" in each, "unsettledTime" in each
    return made


def timeless(value: Any) -> Any:
    """An invoice without the times at which it was settled and reopened; anything else as it is."""
    if not isinstance(value, dict) or "row" not in value:
        return value
    items = {key: each[0] for key, each in value.items() if isinstance(each, tuple)}
    return items | {name: value[name] for name in ("state", "total", "left")}


def billed(model: Model, invoice: Invoice, *, items: bool) -> dict[str, Any]:
    state = model.state(invoice)
    made: dict[str, Any] = {
        "state": state,
        "total": invoice.total,
        "left": model.owes(invoice),
        "settled": state == "settled",
        "reopened": invoice.reopened,
    }
    for each in invoice.items if items else ():
        left = model.left(each)
        made[each.locator] = left, left == 0, each.reopened
    return made
