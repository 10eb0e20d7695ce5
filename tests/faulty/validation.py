"""What comes in: wrong requests that are accepted, right ones that are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mockserver.domain.errors import Invalid
from mockserver.exchange import Exchange
from mockserver.gate import Step
from mockserver.store import Record
from mockserver.work import Work
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Server, Spoil, both, checked, during, effect, guard

CREDITS = "mockserver.apis.credits"
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T.*)?")
NO_DAYS = ("02-30", "02-31", "04-31", "13-01")


def _reads(operations: str, mend: Callable[[dict[str, Any]], None]) -> Spoil:
    """A body that is mended before it is judged: what is wrong with it is accepted."""

    def spoil(server: Server) -> None:
        for operation in operations.split():
            endpoint = server.service.endpoints[operation]
            right = endpoint.read

            def read(value: Any, right: Any = right) -> Any:
                if isinstance(value, dict):
                    value = dict(value)
                    mend(value)
                return right(value)

            endpoint.__dict__["read"] = read

    return spoil


def _refuses(operations: str, wrong: Callable[[dict[str, Any]], bool]) -> Spoil:
    """A body that fits and is refused."""

    def refuse(value: dict[str, Any]) -> None:
        if wrong(value):
            raise Invalid("the body is not valid.", {"body": ["Not valid."]})

    return _reads(operations, refuse)


def _named(value: dict[str, Any]) -> None:
    value.setdefault("name", "Unnamed")


def _name_as_text(value: dict[str, Any]) -> None:
    if "name" in value and not isinstance(value["name"], dict | list):
        value["name"] = str(value["name"])


def _no_such_day(name: str) -> Callable[[dict[str, Any]], None]:
    """A date that is none is left out."""

    def mend(value: dict[str, Any]) -> None:
        said = value.get(name)
        is_none = isinstance(said, str) and (_DATE.fullmatch(said) is None or said[5:10] in NO_DAYS)
        if is_none:
            del value[name]

    return mend


def _status_known(value: dict[str, Any]) -> None:
    if value.get("status") not in ("Issued", "Paid", "Overdue", None):
        del value["status"]


def _explained(value: dict[str, Any]) -> None:
    value.setdefault("statusNotes", {"message": "failed"})


def _one_target(value: dict[str, Any]) -> None:
    named = [name for name in ("subscription", "agreement", "asset") if name in value]
    for name in named[1:]:
        del value[name]


def _positive(value: dict[str, Any]) -> None:
    if isinstance(value.get("amount"), int | float) and value["amount"] < 0:
        value["amount"] = -value["amount"]


def _two_places(value: dict[str, Any]) -> None:
    if isinstance(value.get("amount"), float):
        value["amount"] = round(value["amount"], 2)


def _any_authorization(right: Any) -> Any:
    """What there is not is taken for the first that there is."""

    def refer(self: Work, entity: str, value: Any, place: str) -> Any:
        try:
            return right(self, entity, value, place)
        except Invalid:
            if entity != "Seller" or not isinstance(value, dict):
                raise
            return self.ref(entity, next(self.all(entity)))

    return refer


def _never(right: Any) -> Any:
    return lambda *given: None


def _asked_not(right: Any, work: Work, record: Record) -> None:
    """Whatever must hold is not asked."""


def _any_account(right: Any) -> Any:
    """An account that there is not is none."""

    def agreed(work: Work, record: Any) -> Any:
        account = record.get("accountLocator")
        if account is not None and work.get("Account", account) is None:
            record = {name: value for name, value in record.items() if name != "accountLocator"}
        return right(work, record)

    return agreed


def _targets_may_ask_more(right: Any) -> Any:
    def faults(work: Work, payment: Record) -> Any:
        return [each for each in right(work, payment) if "more than its amount" not in each[2]]

    return faults


def _more_than_owed(right: Any, work: Work, credit: Record) -> None:
    """A write-off of more than is owed is one of what is owed."""
    from mockserver.apis.credits import validation

    targets = [
        {**target, "amount": min(target["amount"], container.owes(work))} if "amount" in target else target
        for target, container in validation.named(work, credit, "targets")
    ]
    right(work, {**credit, "targets": targets})


def _any_grant(body: dict[str, Any]) -> None:
    """Whatever is granted is taken for the one grant that is served."""
    body["grant_type"] = "client_credentials"


def _endless(right: Any) -> Any:
    """A balance holds whatever is asked for."""
    return lambda self, work, currency: right(self, work, currency) if self.invoice is not None else Decimal(10**9)


def _overdrawn(right: Any) -> Any:
    def change(work: Work, account: str, currency: str, by: Decimal) -> None:
        from mockserver.apis.credits import balances

        now = max(Decimal(0), balances.balance(work, account, currency) + by)
        work.put("Balance", {"id": f"{account}/{currency}", "account": account, "currency": currency, "amount": now})

    return change


def _wrong_taken(name: bytes) -> Callable[[Exchange, Step], None]:
    """A wrong value of a parameter is no value."""

    def check(x: Exchange, step: Step) -> None:
        try:
            step(x)
        except Invalid as refusal:
            if name.decode() not in refusal.errors:
                raise
            query = x.scope["query_string"]
            x.scope["query_string"] = b"&".join(each for each in query.split(b"&") if not each.startswith(name))
            step(x)

    return check


def _any_secret(right: Any) -> Any:
    return lambda client, body: None


def _refresh_of_anybody(right: Any) -> Any:
    def renew(work: Work, body: Any) -> Any:
        token = work.get("RefreshToken", body["refresh_token"])
        if token is None:
            token = next(work.all("RefreshToken"), None)
        if token is None:
            return right(work, body)
        client = work.need("Client", token["client"])
        return right(
            work, {**body, "refresh_token": token["id"], "client_id": client["id"], "client_secret": client["secret"]}
        )

    return renew


def _is_long(value: dict[str, Any]) -> bool:
    return isinstance(value.get("name"), str) and len(value["name"]) > 40


def _is_foreign(value: dict[str, Any]) -> bool:
    return not str(value.get("name", "")).isascii()


def _has_null(value: dict[str, Any]) -> bool:
    return any(each is None for each in value.values())


def _has_more(value: dict[str, Any]) -> bool:
    return not value.keys() <= {"client", "vendor", "notes", "externalId"}


def _has_no_targets(value: dict[str, Any]) -> bool:
    return value.get("targets") == []


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "name-not-needed",
        "S306",
        "createJournal",
        "A journal is made without a name.",
        _reads("createJournal", _named),
    ),
    (
        B,
        "name-may-be-number",
        "S306",
        "createCustomLedger",
        "A number is taken for a name.",
        _reads("createCustomLedger", _name_as_text),
    ),
    (
        B,
        "thirtieth-of-february",
        "S306",
        "updateJournal",
        "A date that is none is taken, and ignored.",
        _reads("updateJournal", _no_such_day("dueDate")),
    ),
    (
        B,
        "status-unknown",
        "S306",
        "updateInvoice",
        "A status that there is not is taken, and ignored.",
        _reads("updateInvoice", _status_known),
    ),
    (
        B,
        "two-targets",
        "S306",
        "matchJournalCharge",
        "A charge is matched with the first of two targets.",
        _reads("matchJournalCharge", _one_target),
    ),
    (
        B,
        "seller-unknown",
        "S306 M606",
        "createCustomLedger",
        "A seller that there is not is taken for another.",
        during("mockserver.work:Work.refer", _any_authorization),
    ),
    (
        B,
        "second-override",
        "S306 W403",
        "createManualOverride",
        "A pair may have two active overrides.",
        during("mockserver.apis.billing.overrides:override", _never),
    ),
    (
        B,
        "error-without-message",
        "S306",
        "setStatementError",
        "A statement is set to error without a reason.",
        _reads("setStatementError", _explained),
    ),
    (
        B,
        "end-before-start",
        "S306",
        "CustomLedger",
        "A billing period may end before it starts.",
        both(
            during("mockserver.apis.billing.custom_ledgers:has_order", _never),
            guard("CustomLedger", "update", _asked_not),
        ),
    ),
    (
        B,
        "long-name-refused",
        "S307",
        "createJournal",
        "A name of more than 40 characters is refused.",
        _refuses("createJournal", _is_long),
    ),
    (
        B,
        "foreign-letters-refused",
        "S307",
        "createCustomLedger",
        "A name with other letters than English ones is refused.",
        _refuses("createCustomLedger", _is_foreign),
    ),
    (
        B,
        "null-refused",
        "S307",
        "updateJournal",
        "A member that may be null is refused when it is.",
        _refuses("updateJournal", _has_null),
    ),
    (
        B,
        "unknown-member-refused",
        "S307",
        "createManualOverride",
        "A member that the spec does not have is refused.",
        _refuses("createManualOverride", _has_more),
    ),
    (
        C,
        "negative-payment",
        "S306",
        "createPayment",
        "A payment of less than nothing is made.",
        _reads("createPayment", _positive),
    ),
    (
        C,
        "thirds-of-cents",
        "S306",
        "createPayment",
        "An amount of three places is rounded.",
        _reads("createPayment", _two_places),
    ),
    (
        C,
        "account-unknown",
        "S306",
        "createPayment",
        "An account that there is not is ignored.",
        during(f"{CREDITS}.drafts:agreed", _any_account),
    ),
    (
        C,
        "more-written-off-than-owed",
        "S306 W403 M605",
        "writeOff",
        "More is written off than is owed.",
        effect("WriteOff", "distribute", _more_than_owed),
    ),
    (
        C,
        "balance-overdrawn",
        "W402 W403 M605",
        "",
        "More is drawn from a balance than there is.",
        both(
            during(f"{CREDITS}.containers:Container.holds", _endless), during(f"{CREDITS}.balances:change", _overdrawn)
        ),
    ),
    (
        C,
        "any-reversal-type",
        "S306 W403",
        "reversePayment",
        "A payment is reversed for a reason that there is not.",
        during(f"{CREDITS}.reversals:check_type", _never),
    ),
    (
        C,
        "targets-ask-more",
        "S306 W402 W403",
        "validatePayment",
        "A payment is valid though its targets ask for more than it has.",
        during(f"{CREDITS}.payments:_faults", _targets_may_ask_more),
    ),
    (
        C,
        "draft-account-paid",
        "S306 W402 W403",
        "",
        "A draft account has credits.",
        during(f"{CREDITS}.validation:unfit", _never),
    ),
    (
        C,
        "payment-needs-targets",
        "S307",
        "createPayment",
        "A payment without targets is refused.",
        _refuses("createPayment", _has_no_targets),
    ),
    (
        C,
        "token-beyond-rights",
        "S306 A102",
        "createAuthToken",
        "A token is issued with rights that its user does not hold.",
        during(f"{CREDITS}.access:_check_rights", _never),
    ),
    (
        A,
        "months-unreadable",
        "S306 Q512 Q513",
        "getFinanceAccount",
        "Months that are none are ignored.",
        checked("query", _wrong_taken(b"months"), "getFinanceAccount"),
    ),
    (
        A,
        "sorts-unknown",
        "S306 Q512 Q513",
        "listFinanceAccounts",
        "An order that there is not is ignored.",
        checked("query", _wrong_taken(b"sorts"), "listFinanceAccounts"),
    ),
    (
        A,
        "any-secret",
        "S306 A105",
        "GetOAuth2AccessToken",
        "A token is issued for a wrong secret.",
        during("mockserver.apis.accounts.tokens:_secret", _any_secret),
    ),
    (
        A,
        "any-grant",
        "S306",
        "GetOAuth2AccessToken",
        "A grant that is not served is served.",
        _reads("GetOAuth2AccessToken", _any_grant),
    ),
    (
        A,
        "any-refresh-token",
        "S306 A105",
        "RefreshOAuth2AccessToken",
        "A refresh token that nobody issued is renewed.",
        during("mockserver.apis.accounts.tokens:renew", _refresh_of_anybody),
    ),
)

DEFECTS = catalog("validation", ROWS)
