"""What lies below payments, invoices and accounts: found by targets, not by a member of its own (credits 9)."""

from __future__ import annotations

from mockserver.apis.credits import credits, validation
from mockserver.service import Rows
from mockserver.store import Record, Row
from mockserver.work import Work


def invoices_of_account(work: Work, account: Record) -> Rows:
    """Every invoice of an account."""
    found = "Invoice", "accountLocator", account["id"]
    return Rows(work.layer.where(*found), work.layer.count(*found))


def payments_of_invoice(work: Work, invoice: Record) -> Rows:
    """The payments that were applied to an invoice."""
    return _counted([row for _, row in credits.applied(work, invoice, "Payment")])


def distributions_of_invoice(work: Work, invoice: Record) -> Rows:
    """The distributions that were applied to an invoice."""
    return _counted([row for _, row in credits.applied(work, invoice, "CreditDistribution")])


def invoices_of_payment(work: Work, payment: Record) -> Rows:
    """The invoices that a payment targets, itself or by an item; of a reversed one where the query asks for it (M)."""
    if payment["paymentState"] == "reversed" and not work.query.get("includeReversed"):
        return Rows((), 0)
    named = dict.fromkeys(each.invoice for _, each in validation.named(work, payment, "targets"))
    rows = [row for id in named if id is not None and (row := work.row("Invoice", id)) is not None]
    return _counted(sorted(rows, key=lambda row: (row.record["createdAt"], row.record["id"])))


def shortfalls_of_payment(work: Work, payment: Record) -> Rows:
    """What was forgiven with a payment."""
    found = (work.row("ShortfallCredit", id) for id in payment["shortfallCreditLocators"])
    return _counted([row for row in found if row is not None])


def _counted(rows: list[Row]) -> Rows:
    return Rows(rows, len(rows))
