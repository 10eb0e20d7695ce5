"""Who may call what: rights dropped and granted, tokens, refusals and their order, scopes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mockserver import gate
from mockserver.auth import Caller
from mockserver.domain.errors import Invalid, NotFound, OutOfScope, Unauthenticated
from mockserver.exchange import Exchange
from mockserver.gate import Step
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Check, checked, during, tables
from tests.faulty.tables import may, may_not, ordered, refused


def _without_header_is(name: str) -> Check:
    def check(x: Exchange, step: Step) -> None:
        if b"authorization" in x.headers:
            step(x)
        else:
            _become(x, name)

    return check


def _become(x: Exchange, name: str) -> None:
    x.caller = x.cast._by_name[name]
    x.role = x.caller.role
    x.begin()


def _unknown_is(name: str) -> Check:
    """A token that nobody knows is taken for one of the cast; one that is missing or has expired is not."""

    def check(x: Exchange, step: Step) -> None:
        try:
            step(x)
        except Unauthenticated as refusal:
            if "unknown" not in str(refusal):
                raise
            _become(x, name)

    return check


def _never_expires(x: Exchange, step: Step) -> None:
    try:
        step(x)
    except Unauthenticated as refusal:
        if "expired" not in str(refusal):
            raise
        token = x.headers[b"authorization"].split()[-1].decode()
        found = x.cast._by_token.get(token) or x.cast._issued(token)
        if found is None:
            raise
        x.caller = found
        x.role = x.caller.role
        x.begin()


def _let_through(x: Exchange, step: Step) -> None:
    """The check is made, and its refusal ignored."""
    try:
        step(x)
    except (Unauthenticated, OutOfScope):
        raise
    except Exception:
        x.capability = x.operation.capabilities[0]


def _only_writes_asked(x: Exchange, step: Step) -> None:
    if x.operation.method == "GET":
        x.capability = x.operation.capabilities[0]
    else:
        step(x)


def _as_unauthenticated(x: Exchange, step: Step) -> None:
    try:
        step(x)
    except Exception:
        raise Unauthenticated("sign in again.") from None


def _not_at_all(x: Exchange, step: Step) -> None:
    """Nothing is checked."""


def _find_first(x: Exchange, step: Step) -> None:
    x.begin()
    gate.find(x)
    step(x)


def _body_first(x: Exchange, step: Step) -> None:
    if x.headers.get(b"content-type") == b"application/json" and x.role != "operations":
        raise Invalid("the body is not valid.", {"body": ["Not valid."]})
    step(x)


def _body_before_find(x: Exchange, step: Step) -> None:
    try:
        step(x)
    except NotFound:
        raise Invalid("the body is not valid.", {"body": ["Not valid."]}) from None


def _no_kinds(x: Exchange, step: Step) -> None:
    """Grants of a kind (`type:test`) are not understood."""
    if (
        x.params["tenantLocator"] not in {*x.cast.grants(x.caller)[0], "any"}
        and "any" not in x.cast.grants(x.caller)[0]
    ):
        raise OutOfScope("no rights there.")
    step(x)


def _own_rights_forgotten(right: Any) -> Any:
    """A token that was issued with fewer rights has all of its user's."""

    def issued(self: Any, token: str) -> Caller | None:
        found = right(self, token)
        return None if found is None else replace(found, rights=None)

    return issued


def _own_grants_forgotten(right: Any) -> Any:
    return lambda self, caller: right(self, caller)[:1]


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "accept-journal-by-vendor",
        "A102",
        "acceptJournal",
        "A vendor may accept a journal.",
        tables(may("acceptJournal", "vendor")),
    ),
    (
        B,
        "override-by-client",
        "A102",
        "createManualOverride",
        "A client may create manual overrides.",
        tables(may("createManualOverride", "client")),
    ),
    (
        B,
        "statements-for-vendor",
        "A102",
        "listStatements",
        "A vendor may list statements.",
        tables(may("listStatements", "vendor")),
    ),
    (
        B,
        "ledger-file-for-vendor",
        "A102",
        "getLedgerChargesFile",
        "A vendor may have the file of a ledger's charges, though not the list.",
        tables(may("getLedgerChargesFile", "vendor")),
    ),
    (
        B,
        "journal-by-operations",
        "A102",
        "createJournal",
        "Operations may create journals, which vendors alone may.",
        tables(may("createJournal", "operations")),
    ),
    (
        B,
        "delete-attachment-by-vendor",
        "A102",
        "deleteLedgerAttachment",
        "A vendor may delete attachments of ledgers.",
        tables(may("deleteLedgerAttachment", "vendor")),
    ),
    (
        B,
        "submit-lost",
        "A101",
        "submitJournal",
        "A vendor may not submit a journal.",
        tables(may_not("submitJournal", "vendor")),
    ),
    (
        B,
        "invoice-update-lost",
        "A101",
        "updateInvoice",
        "A client may not update an invoice.",
        tables(may_not("updateInvoice", "client")),
    ),
    (
        B,
        "journal-file-lost",
        "A101",
        "getJournalChargesFile",
        "Operations may not have the file of a journal's charges, though they may have the list.",
        tables(may_not("getJournalChargesFile", "operations")),
    ),
    (
        B,
        "rights-of-reads-unchecked",
        "A102",
        "getLedger",
        "Whoever has a token may read: only writes ask for the role.",
        checked("role", _only_writes_asked, "getLedger listLedgers"),
    ),
    (
        B,
        "role-unchecked",
        "A102",
        "queueStatement",
        "One operation asks for a token and for no role.",
        checked("role", _let_through, "queueStatement"),
    ),
    (
        B,
        "no-token-needed",
        "A104",
        "getInvoice",
        "One operation answers without a token.",
        checked("token", _without_header_is("operations"), "getInvoice"),
    ),
    (
        B,
        "any-token-will-do",
        "A105",
        "",
        "Any token that nobody knows is taken for one of Operations.",
        checked("token", _unknown_is("operations")),
    ),
    (B, "expired-token", "A106", "", "A token is good after it has expired.", checked("token", _never_expires)),
    (
        B,
        "missing-right-is-missing-object",
        "A103",
        "",
        "Whoever may not is answered 404 instead of 403.",
        tables(refused("role", status=404)),
    ),
    (
        B,
        "missing-right-is-missing-token",
        "A103",
        "enquireJournal",
        "One operation answers 401 to a role that may not call it.",
        checked("role", _as_unauthenticated, "enquireJournal"),
    ),
    (
        B,
        "find-before-role",
        # Whoever lacks the role sees no row, either: from outside it looks as if nobody asked for the role.
        "A107 A103 A102",
        "getCustomLedger",
        "An object is looked up before the role is asked for.",
        checked("role", _find_first, "getCustomLedger"),
    ),
    (
        B,
        "body-before-role",
        "A107 A103",
        "createCustomLedger",
        "The body is judged before the role is asked for.",
        checked("role", _body_first, "createCustomLedger"),
    ),
    (
        B,
        "body-before-find",
        "A107 A111",
        "updateLedger",
        "The body is judged before the object is looked up.",
        checked("find", _body_before_find, "updateLedger"),
    ),
    (
        C,
        "payments-of-reader",
        "A102",
        "postPayment",
        "Who may only read may post payments.",
        tables(may("postPayment", "read-only")),
    ),
    (
        C,
        "disbursement-by-clerk",
        "A102",
        "executeDisbursement",
        "A clerk may execute disbursements.",
        tables(may("executeDisbursement", "billing-clerk")),
    ),
    (
        C,
        "ledger-account-for-auditor",
        "A102",
        "fetchLedgerAccount",
        "An auditor may read ledger accounts.",
        tables(may("fetchLedgerAccount", "billing-auditor")),
    ),
    (
        C,
        "approval-lost",
        "A101",
        "approveDisbursement",
        "The treasurer may not approve disbursements.",
        tables(may_not("approveDisbursement", "treasury")),
    ),
    (
        C,
        "shortfalls-lost",
        "A101",
        "fetchShortfallCredit",
        "The auditor may not read shortfall credits.",
        tables(may_not("fetchShortfallCredit", "billing-auditor")),
    ),
    (C, "scope-unchecked", "A108", "", "Rights in one tenant hold in every other.", checked("scope", _not_at_all)),
    (
        C,
        "scope-unchecked-once",
        "A108",
        "fetchCredits",
        "One operation does not ask for the tenant.",
        checked("scope", _not_at_all, "fetchCredits"),
    ),
    (
        C,
        "scope-by-kind-lost",
        "A108 A101",
        "",
        "A grant for tenants of a kind is not understood.",
        checked("scope", _no_kinds),
    ),
    (
        C,
        "issued-rights-forgotten",
        "A102",
        "",
        "A token that was issued with few rights has all of its user's.",
        during("mockserver.auth:Cast._issued", _own_rights_forgotten),
    ),
    (
        C,
        "issued-grants-forgotten",
        "A108",
        "",
        "A token that was issued for one tenant holds in all of its user's.",
        during("mockserver.auth:Cast.grants", _own_grants_forgotten),
    ),
    (
        C,
        "expired-token-of-credits",
        "A106",
        "",
        "A token is good after it has expired.",
        checked("token", _never_expires),
    ),
    (
        A,
        "outsider-lists",
        "A102",
        "listFinanceAccounts",
        "Who has no account may list accounts.",
        tables(may("listFinanceAccounts", "outsider")),
    ),
    (
        A,
        "document-lost",
        "A101",
        "downloadInvoiceDocument",
        "Who has an account may not download its documents.",
        tables(may_not("downloadInvoiceDocument", "holder")),
    ),
    (
        A,
        "no-token-for-account",
        "A104",
        "getFinanceAccount",
        "An account is shown without a token.",
        checked("token", _without_header_is("finance"), "getFinanceAccount"),
    ),
    (
        A,
        "expired-token-of-accounts",
        "A106",
        "",
        "A token is good after it has expired.",
        checked("token", _never_expires),
    ),
    (
        A,
        "account-404",
        "A111 A110 S301",
        "getFinanceAccount",
        "An account that is not granted answers 404 instead of 403.",
        tables(refused("find", of={})),
    ),
    (
        A,
        "role-before-query",
        "A107",
        "",
        "The role is asked for before wrong parameters are refused.",
        tables(ordered("token", "role", "find", "media", "query", "body")),
    ),
)

DEFECTS = catalog("rights", ROWS)
