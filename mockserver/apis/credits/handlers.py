"""What the generic handlers cannot do: each is named as its operation, and answers one request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mockserver.apis.credits import (
    access,
    credits,
    distributions,
    invoices,
    ledger,
    moves,
    payments,
    validation,
    writeoffs,
)
from mockserver.domain.errors import Conflict
from mockserver.domain.machine import transition
from mockserver.exchange import Exchange
from mockserver.handlers import NO_STORE, answer
from mockserver.reply import Reply
from mockserver.store import Record, Row
from mockserver.work import Work


def writeOffInvoice(x: Exchange) -> Reply:
    """All that an invoice still owes is written off."""
    invoice = _row(x)
    target = {"containerLocator": invoice["id"], "containerType": "invoice"}
    made = writeoffs.write_off(x.work, invoice["tenantLocator"], invoice["accountLocator"], [target])
    return answer(x, _shown(x, "WriteOff", [made])[0])


def settleNegativeOrZeroInvoice(x: Exchange) -> Reply:
    """What an invoice is owed goes to its account's credit balance, once it is due or where that is forced (M)."""
    invoice, work = _row(x), x.work
    if invoice["invoiceState"] == "settled":
        raise Conflict("cannot settle when settled; from settled: nothing, until a credit that settled it is reversed.")
    transition(work.api.machines[invoices.ENTITY], invoice, "settle")
    if invoice["totalRemainingAmount"] > 0:
        owed = f"{invoice['totalRemainingAmount']} {invoice['currency']}"
        raise Conflict(f"invoice {invoice['id']} owes {owed}; only one that owes nothing or less is settled like this.")
    if invoice["dueTime"] > work.now and not work.query.get("forced"):
        raise Conflict(f"invoice {invoice['id']} is due at {invoice['dueTime']}; send forced=true to settle it before.")
    made = distributions.settle(work, invoice)
    return answer(x, {"listCompleted": True, "items": _shown(x, distributions.ENTITY, made)})


def previewPaymentPost(x: Exchange) -> Reply:
    """What posting would leave behind, done in a unit of work that is dropped."""
    assert x.parent is not None
    dry = moves.dry(x.work)
    payment = _posted(dry, x.parent)
    forgiven = [dry.need("ShortfallCredit", id) for id in payment["shortfallCreditLocators"]]
    named = dict.fromkeys(each.invoice for _, each in validation.named(dry, payment, "targets"))
    made = [(payments.ENTITY, payment), *(("ShortfallCredit", each) for each in forgiven)]
    shown = {
        "credits": _shown(x, "Credit", (credits.of(dry, entity, Row(each)).record for entity, each in made)),
        "shortfallCredits": _shown(x, "ShortfallCredit", forgiven),
        "invoices": _shown(x, "Invoice", (dry.need("Invoice", id) for id in named if id is not None)),
    }
    return answer(x, shown)


def _posted(work: Work, payment: Record) -> Record:
    """The payment posted, from a draft too if it is a valid one. Raises Conflict."""
    if payment["paymentState"] == "draft":
        payment = work.fire(payments.ENTITY, payment, "validate")
        if payment["paymentState"] == "draft":
            first = payment["validationResult"]["validationItems"][0]
            raise Conflict(f"payment {payment['id']} is not valid: {first['elementType']} {first['errors'][0]}")
    return work.fire(payments.ENTITY, payment, "post")


def fetchLedgerAccount(x: Exchange) -> Reply:
    """A balance and the newest of its movements."""
    work, query = x.work, x.work.query
    kind, locator = work.params["refType"], work.params["refLocator"]
    balance, lines = ledger.account(work, work.params["tenantLocator"], kind, locator, query["currency"])
    found = {"refType": kind, "refLocator": locator, "currency": query["currency"], "balance": balance}
    return answer(x, {**found, "lines": lines[: query["size"]]})


def createAuthToken(x: Exchange) -> Reply:
    """An access token, shown this once."""
    return answer(x, access.issue(x.work, x.caller, x.cast.grants(x.caller)), headers=NO_STORE)


def whoami(x: Exchange) -> Reply:
    """The caller."""
    return answer(x, access.whoami(x.work, x.caller, x.cast.grants(x.caller)))


def _row(x: Exchange) -> Record:
    assert x.row is not None
    return x.row.record


def _shown(x: Exchange, entity: str, found: Iterable[Record]) -> list[dict[str, Any]]:
    """Records as the caller sees them by id."""
    view = x.service.view(entity, x.role, "read", (), x.work)
    return [view.project(each) for each in found]
