"""Whose rows a caller sees and changes, in lists, by id, and below other objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from mockserver.domain.errors import Forbidden, NotFound, OutOfScope
from mockserver.exchange import Exchange
from mockserver.gate import Step
from mockserver.reply import Reply
from mockserver.service import Rows
from mockserver.store import EVERY, at
from mockserver.work import Work
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import (
    Check,
    Handler,
    checked,
    derived,
    handled,
    maker,
)


def _with_all(x: Exchange, go: Handler) -> Reply:
    """The list as if every row were the caller's."""
    right = x.service.rows
    x.service.rows = lambda work, entity: Rows(work.layer.where(entity, EVERY, None), work.layer.count(entity))  # type: ignore[method-assign]
    try:
        return go(x)
    finally:
        x.service.rows = right  # type: ignore[method-assign]


def _with_all_when(condition: Any) -> Any:
    return lambda x, go: _with_all(x, go) if condition(x) else go(x)


def _without(keeps: Any) -> Any:
    """The list without some rows of the caller's own."""

    def around(x: Exchange, go: Handler) -> Reply:
        right = x.service.rows

        def fewer(work: Work, entity: str) -> Rows:
            found = [row for row in right(work, entity) if keeps(row.record)]
            return Rows(found, len(found))

        x.service.rows = fewer  # type: ignore[method-assign]
        try:
            return go(x)
        finally:
            x.service.rows = right  # type: ignore[method-assign]

    return around


def _total_of_all(x: Exchange, go: Handler) -> Reply:
    reply = go(x)
    value = orjson.loads(reply.body)
    place = value["$meta"]["pagination"] if "$meta" in value else value["page"]
    place["total"] = x.work.layer.count(x.operation.entity)
    return replace(reply, body=orjson.dumps(value))


def _any_found(x: Exchange, step: Step) -> None:
    """Whatever there is, is found, whoever asks."""
    try:
        step(x)
    except NotFound:
        if not _takes(x):
            raise


def _takes(x: Exchange) -> bool:
    """Whether the objects of the path are there for anybody; they are found then."""
    operation = x.operation
    above = x.work.get(operation.below, x.params[operation.parent]) if operation.below and operation.parent else None
    key = x.params.get(operation.key or "")
    row = x.work.row(operation.entity, key) if key is not None else None
    if (operation.below and above is None) or (operation.key and row is None):
        return False
    if operation.below and row is not None and operation.below != operation.entity:
        home = f"{operation.below[0].lower()}{operation.below[1:]}.id"
        if at(row.record, home) != above["id"]:  # type: ignore[index]
            return False
    x.parent, x.row = above, row
    return True


def _below_any_parent(x: Exchange, step: Step) -> None:
    """An object is found below whatever stands before it in the path."""
    try:
        step(x)
    except NotFound:
        parent = x.service._own(x.work, str(x.operation.below), x.params[x.operation.parent or ""]).record
        row = x.work.row(x.operation.entity, x.params[x.operation.key or ""])
        if row is None:
            raise
        x.parent, x.row = parent, row


def _foreign_is(make: Any) -> Check:
    """What is another's is refused otherwise than what is not there."""

    def check(x: Exchange, step: Step) -> None:
        try:
            step(x)
        except NotFound:
            if _takes(x):
                raise make(x) from None
            raise

    return check


def _without_authorization(make: Any, work: Work) -> Any:
    """Any vendor's authorization will do for a new journal."""
    actor, named = work.actor, work.get("Authorization", work.body["authorization"]["id"])
    if named is not None:
        work.actor = replace(actor, account=named["vendor"]["id"])
    try:
        return make(work)
    finally:
        work.actor = actor


def _credits_of_all(make: Any, work: Work, invoice: Any) -> Any:
    if invoice is not None:
        return make(work, invoice)
    rows, realm = [], work.realm
    for tenant in work.all("Tenant"):
        work.realm = (tenant["id"],)
        rows += list(make(work, None))
    work.realm = realm
    return Rows(rows, len(rows))


def _unknown_tenant(x: Exchange, step: Step) -> None:
    """A tenant that there is not is told apart from one that is not assigned."""
    try:
        step(x)
    except OutOfScope:
        if x.work.get("Tenant", x.params["tenantLocator"]) is None:
            raise NotFound("no such tenant.", "Tenant") from None
        raise


def _ledger_of_any_tenant(x: Exchange, go: Handler) -> Reply:
    kinds = {"accountCreditBalance": "Account", "invoiceCreditBalance": "Invoice", "invoiceItem": "InvoiceItem"}
    found = x.work.get(kinds.get(x.params["refType"], "Account"), x.params["refLocator"])
    if found is not None:
        x.work.params = {**x.work.params, "tenantLocator": found["tenantLocator"]}
    return go(x)


def _account_found(x: Exchange, step: Step) -> None:
    try:
        step(x)
    except NotFound:
        number = x.params[x.operation.parent or x.operation.key or ""]
        x.row = x.work.row("Account", number)
        if x.row is None:
            raise


def _invoice_found(x: Exchange, step: Step) -> None:
    """A document of whichever account's invoice."""
    try:
        step(x)
    except NotFound as refusal:
        if refusal.entity != "Invoice":
            raise
        x.parent = x.service._own(x.work, "Account", x.params[x.operation.parent or ""]).record
        x.row = x.work.row("Invoice", x.params[x.operation.key or ""])
        if x.row is None:
            raise


def _told_apart(x: Exchange) -> Exception:
    return NotFound(f"{x.operation.entity} belongs to another account.", x.operation.entity)


def _forbidden(x: Exchange) -> Exception:
    return Forbidden("it belongs to another.")


def _granted_text(x: Exchange, step: Step) -> None:
    try:
        step(x)
    except NotFound as refusal:
        if x.work.get("Account", x.params[x.operation.key or ""]) is not None:
            raise NotFound("the account is there, but not granted to you.", refusal.entity) from None
        raise


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "journals-of-all-vendors",
        "R201",
        "listJournals",
        "A vendor lists the journals of all vendors.",
        handled("listJournals", _with_all),
    ),
    (
        B,
        "invoices-of-all-clients",
        "R201",
        "listInvoices",
        "A client lists the invoices of all clients.",
        handled("listInvoices", _with_all),
    ),
    (
        B,
        "foreign-rows-by-filter",
        "R201",
        "listStatements",
        "A list with a filter shows the rows of all clients.",
        handled("listStatements", _with_all_when(lambda x: x.query.filter is not None)),
    ),
    (
        B,
        "foreign-rows-by-page",
        "R201",
        "listCreditMemos",
        "Only the first page leaves out the rows of others.",
        handled("listCreditMemos", _with_all_when(lambda x: x.query.offset)),
    ),
    (
        B,
        "foreign-journal-by-id",
        "A109",
        "getJournal",
        "A vendor reads the journal of another by its id.",
        checked("find", _any_found, "getJournal"),
    ),
    (
        B,
        "foreign-statement-by-id",
        "A109",
        "getStatement",
        "A client reads the statement of another by its id.",
        checked("find", _any_found, "getStatement"),
    ),
    (
        B,
        "foreign-charges",
        "A109 R201",
        "listJournalCharges",
        "A vendor lists the charges of another's journal.",
        checked("find", _any_found, "listJournalCharges"),
    ),
    (
        B,
        "foreign-attachments",
        "A109 R201",
        "listInvoiceAttachments",
        "A client lists the attachments of another's invoice.",
        checked("find", _any_found, "listInvoiceAttachments"),
    ),
    (
        B,
        "foreign-line",
        "A109",
        "getStatementCharge",
        "A client reads a charge below another's statement.",
        checked("find", _any_found, "getStatementCharge"),
    ),
    (
        B,
        "charge-below-any-journal",
        "A109 A111",
        "getJournalCharge",
        "A charge is found below whichever journal stands in the path.",
        checked("find", _below_any_parent, "getJournalCharge"),
    ),
    (
        B,
        "foreign-journal-written",
        "A109",
        "updateJournal",
        "A vendor changes the journal of another.",
        checked("find", _any_found, "updateJournal"),
    ),
    (
        B,
        "foreign-journal-submitted",
        "A109",
        "submitJournal",
        "A vendor submits the journal of another.",
        checked("find", _any_found, "submitJournal"),
    ),
    (
        B,
        "foreign-journal-deleted",
        "A109",
        "deleteJournal",
        "A vendor deletes the journal of another.",
        checked("find", _any_found, "deleteJournal"),
    ),
    (
        B,
        "foreign-authorization",
        "A109 S306",
        "createJournal",
        "A vendor makes a journal under another's authorization.",
        maker("Journal", _without_authorization),
    ),
    (
        B,
        "foreign-is-forbidden",
        "A110",
        "getJournal",
        "Another's journal answers 403, one that is not there 404.",
        checked("find", _foreign_is(_forbidden), "getJournal"),
    ),
    (
        B,
        "foreign-is-told-in-words",
        "A110",
        "getInvoice",
        "The refusal of another's invoice says that it is another's.",
        checked("find", _foreign_is(_told_apart), "getInvoice"),
    ),
    (
        B,
        "drafts-lost",
        "R202 W408",
        "listJournals",
        "A list leaves out journals in Draft.",
        handled("listJournals", _without(lambda each: each["status"] != "Draft")),
    ),
    (
        B,
        "manual-statements-lost",
        "R202",
        "listStatements",
        "A list leaves out statements that are billed by hand.",
        handled("listStatements", _without(lambda each: each["billingType"] != "Manual")),
    ),
    (
        B,
        "total-of-all-vendors",
        "R203 Q502",
        "listJournals",
        "The total counts the journals of all vendors.",
        handled("listJournals", _total_of_all),
    ),
    (
        C,
        "payments-of-all-tenants",
        "R201",
        "fetchMultiplePayments",
        "A list shows the payments of every tenant.",
        handled("fetchMultiplePayments", _with_all),
    ),
    (
        C,
        "credits-of-all-tenants",
        "R201",
        "fetchCredits",
        "The summary shows the credits of every tenant.",
        derived("Credit", _credits_of_all),
    ),
    (
        C,
        "foreign-payment-by-locator",
        "A109",
        "fetchPayment",
        "A payment is found in whichever tenant.",
        checked("find", _any_found, "fetchPayment"),
    ),
    (
        C,
        "foreign-invoice-by-locator",
        "A109",
        "getInvoiceWithItems",
        "An invoice is found in whichever tenant.",
        checked("find", _any_found, "getInvoiceWithItems"),
    ),
    (
        C,
        "foreign-invoice-credits",
        "A109 R201",
        "fetchCreditsForAnInvoice",
        "The credits of another tenant's invoice are listed.",
        checked("find", _any_found, "fetchCreditsForAnInvoice"),
    ),
    (
        C,
        "foreign-payment-validated",
        "A109",
        "validatePayment",
        "A payment of another tenant is validated.",
        checked("find", _any_found, "validatePayment"),
    ),
    (
        C,
        "foreign-ledger-account",
        "A109",
        "fetchLedgerAccount",
        "The balance of another tenant's account is told.",
        handled("fetchLedgerAccount", _ledger_of_any_tenant),
    ),
    (
        C,
        "unknown-tenant-told",
        "A110 A108",
        "",
        "A tenant that is not there answers 404, one that is not assigned 403.",
        checked("scope", _unknown_tenant),
    ),
    (
        C,
        "reversed-payments-lost",
        "R202",
        "fetchMultiplePayments",
        "A list leaves out payments that were reversed.",
        handled("fetchMultiplePayments", _without(lambda each: each["paymentState"] != "reversed")),
    ),
    (
        A,
        "all-accounts-listed",
        "R201",
        "listFinanceAccounts",
        "Accounts are listed to whom they were not granted.",
        handled("listFinanceAccounts", _with_all),
    ),
    (
        A,
        "foreign-account",
        "A109",
        "getFinanceAccount",
        "An account is shown to whom it was not granted.",
        checked("find", _account_found, "getFinanceAccount"),
    ),
    (
        A,
        "document-of-another",
        "A109",
        "downloadInvoiceDocument",
        "A document is found below whichever account.",
        checked("find", _invoice_found, "downloadInvoiceDocument"),
    ),
    (
        A,
        "all-accounts-counted",
        "R203 Q502",
        "listFinanceAccounts",
        "The total counts accounts that were not granted.",
        handled("listFinanceAccounts", _total_of_all),
    ),
    (
        A,
        "ungranted-told-in-words",
        "A110",
        "getFinanceAccount",
        "The refusal tells an account that is there from one that is not.",
        checked("find", _granted_text, "getFinanceAccount"),
    ),
    (
        A,
        "child-accounts-lost",
        "R202",
        "listFinanceAccounts",
        "A list leaves out accounts below others.",
        handled("listFinanceAccounts", _without(lambda each: "parentAccountNumber" not in each)),
    ),
)

DEFECTS = catalog("rows", ROWS)
