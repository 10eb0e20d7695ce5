"""The execution service: it charges requested payments in the background, and again as retry plans say (credits 8, D).

A charge is declined where the financial instrument declines; without one, the money is taken to come in (M). A retry is
a background job like the first: it comes when the world's processing lets it; `nextRequestTime` is when the plan would.
"""

from __future__ import annotations

from datetime import timedelta

from mockserver import wire
from mockserver.apis.credits import records, rules
from mockserver.apis.credits.payments import ENTITY
from mockserver.apis.credits.registry import WORKFLOWS
from mockserver.store import Record
from mockserver.work import Work

DECLINED = "The financial instrument declined the charge."


@WORKFLOWS.effect(ENTITY, "request")
def requested(work: Work, payment: Record) -> None:
    """Its execution is logged from here on."""
    work.put(ENTITY, {**_logged(work, payment, "requested"), "requestedBy": records.author(work)})


@WORKFLOWS.job("executePayment")
def execute(work: Work, payment: Record) -> None:
    """The service takes it up, unless it was cancelled or failed by hand meanwhile."""
    if payment["paymentState"] == "requested":
        taken = records.without(_logged(work, payment, "executing"), "nextRequestTime")
        work.fire(ENTITY, taken, "execute")
        work.later("chargePayment", ENTITY, payment["id"])


@WORKFLOWS.job("chargePayment")
def charge(work: Work, payment: Record) -> None:
    """The charge succeeds, is declined while retries remain, or fails for good."""
    if payment["paymentState"] != "executing":
        return
    if not _declines(work, payment):
        work.fire(ENTITY, _logged(work, payment, "posted"), "executed")
        return
    declined = _logged(work, payment, "declined", DECLINED)
    plan = work.need("Tenant", payment["tenantLocator"])["retryPlans"].get(payment.get("retryPlanName"))
    tried = sum(1 for entry in payment["executionLog"] if entry["event"] == "executing")
    if plan is None or tried >= rules.attempts(plan):
        work.fire(
            ENTITY,
            _logged(work, declined, "failed", f"Declined {tried} times, the last that the plan allows."),
            "giveUp",
        )
        return
    again = wire.instant(wire.moment(work.now) + timedelta(hours=int(plan["hours"])))
    work.fire(ENTITY, {**declined, "nextRequestTime": again}, "decline")


@WORKFLOWS.effect(ENTITY, "fail", "cancel")
def ended(work: Work, payment: Record) -> None:
    """Nothing is charged any more."""
    now = _logged(work, payment, payment["paymentState"])
    work.put(ENTITY, records.without(now, "nextRequestTime"))


def _declines(work: Work, payment: Record) -> bool:
    locator = payment.get("financialInstrumentLocator")
    if locator is None and payment.get("useDefaultFinancialInstrument"):
        locator = work.need("Account", payment["accountLocator"])["defaultInstrument"]
    return locator is not None and bool(work.need("FinancialInstrument", locator)["declines"])


def _logged(work: Work, payment: Record, event: str, message: str | None = None) -> dict[str, object]:
    """The payment with one more step of its execution."""
    entry = {"at": work.now, "event": event, **({"message": message} if message is not None else {})}
    return {**payment, "executionLog": [*payment["executionLog"], entry]}
