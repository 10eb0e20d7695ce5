"""Shapes: members, types, enums, forms, statuses, content types, headers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mockserver.exchange import Exchange
from mockserver.reply import Reply
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Asgi, Receive, Send, Server, Spoil, answered, at, dropped, put, replied, rows, told


def _status(wrong: int) -> Any:
    return lambda reply, x: replace(reply, status=wrong) if reply.status < 300 else reply


def _media(wrong: str) -> Any:
    return lambda reply, x: replace(reply, media=wrong)


def _only_last(value: Any, x: Exchange) -> None:
    if value["data"]:
        value["data"][-1]["price"] = "none"


def _bare(value: Any, x: Exchange) -> Any:
    return value["data"]


def _day_first(text: str) -> str:
    return f"{text[8:10]}/{text[5:7]}/{text[:4]}"


def _without_header(name: str) -> Any:
    def change(reply: Reply, x: Exchange) -> Reply:
        kept = {each: value for each, value in reply.headers.items() if each != name}
        return replace(reply, headers=kept)

    return change


def _nulls(value: Any, x: Exchange) -> None:
    value["id"] = None


def _method_unknown(status: int, *, allow: bool = True) -> Spoil:
    """A method that a path has not is answered otherwise."""

    def wrapped(app: Asgi) -> Asgi:
        async def call(scope: Any, receive: Receive, send: Send) -> None:
            async def changed(message: Any) -> None:
                if message["type"] == "http.response.start" and message["status"] == 405:
                    headers = [pair for pair in message["headers"] if allow or pair[0] != b"allow"]
                    message = {**message, "status": status, "headers": headers}
                await send(message)

            await app(scope, receive, changed)

        return call

    def spoil(server: Server) -> None:
        server.wrap(wrapped)

    return spoil


def _short_id(server: Server) -> None:
    """New objects get ids of another form."""
    conventions = server.api.conventions
    form = replace(conventions.ids["CustomLedger"], prefix="CUL")
    ids = {**conventions.ids, "CustomLedger": form}
    server.lay(replace(server.api, conventions=replace(conventions, ids=ids)))


def _invoice_days(value: Any, x: Exchange) -> None:
    for each in value["invoices"]:
        each["date"] = _day_first(each["date"])


def _quantity_text(value: Any, x: Exchange) -> None:
    if (amount := at(value, "quantity")) is not None:
        put(value, "quantity", str(amount))


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "id-missing",
        "S304",
        "getCustomLedger",
        "A custom ledger has no id.",
        answered("getCustomLedger", dropped("id")),
    ),
    (B, "id-null", "S304", "getManualOverride", "An override's id is null.", answered("getManualOverride", _nulls)),
    (
        B,
        "amounts-as-text",
        "S304",
        "listStatements",
        "Amounts in a list are texts.",
        rows("listStatements", told("price.totalSP", str)),
    ),
    (
        B,
        "quantity-as-text",
        "S304",
        "getLedgerCharge",
        "The quantity of a charge is a text.",
        answered("getLedgerCharge", _quantity_text),
    ),
    (
        B,
        "status-in-small",
        "S304",
        "getStatement",
        "The status of a statement is written in small letters.",
        answered("getStatement", told("status", str.lower)),
    ),
    (
        B,
        "date-day-first",
        "S304",
        "getLedger",
        "A time in the audit has its day first.",
        answered("getLedger", told("audit.created.at", _day_first)),
    ),
    (
        B,
        "last-row-broken",
        "S304",
        "listLedgerCharges",
        "The last row of a page has no price.",
        answered("listLedgerCharges", _only_last),
    ),
    (
        B,
        "bare-list",
        "S304",
        "listManualOverrides",
        "A list comes without its envelope.",
        answered("listManualOverrides", _bare),
    ),
    (
        B,
        "total-missing",
        "S304",
        "listJournalSellers",
        "A list does not say its total.",
        answered("listJournalSellers", dropped("$meta.pagination.total")),
    ),
    (
        B,
        "accepted-202",
        "S301",
        "submitJournal",
        "A submission answers 202, which the spec does not have.",
        replied("submitJournal", _status(202)),
    ),
    (
        B,
        "created-200",
        "S301",
        "createCustomLedger",
        "A creation answers 203, which the spec does not have.",
        replied("createCustomLedger", _status(203)),
    ),
    (
        B,
        "html-journal",
        "S302",
        "getJournal",
        "A journal is told to be HTML.",
        replied("getJournal", _media("text/html; charset=utf-8")),
    ),
    (
        B,
        "text-ledgers",
        "S302",
        "listLedgers",
        "A list is told to be plain text.",
        replied("listLedgers", _media("text/plain")),
    ),
    (
        B,
        "location-missing",
        "S303 F702 F701",
        "getJournalAttachment",
        "The way to a file is not told.",
        replied("getJournalAttachment", _without_header("Location")),
    ),
    (
        B,
        "id-of-another-form",
        "S310 S304",
        "createCustomLedger",
        "A new custom ledger gets an id of another form.",
        _short_id,
    ),
    (B, "method-404", "S308", "", "A method that a path has not answers 404.", _method_unknown(404)),
    (
        B,
        "allow-missing",
        "S308 S303",
        "",
        "405 does not say which methods there are.",
        _method_unknown(405, allow=False),
    ),
    (
        C,
        "payment-amount-as-text",
        "S304",
        "fetchPayment",
        "The amount of a payment is a text.",
        answered("fetchPayment", told("amount", str)),
    ),
    (
        C,
        "completed-missing",
        "S304",
        "fetchCredits",
        "A list does not say whether it is complete.",
        answered("fetchCredits", dropped("listCompleted")),
    ),
    (
        C,
        "created-without-zone",
        "S304",
        "fetchDisbursement",
        "A time has no zone.",
        answered("fetchDisbursement", told("createdAt", lambda text: text[:19])),
    ),
    (
        C,
        "credit-type-unknown",
        "S304",
        "fetchCredits",
        "A credit is of a type that there is not.",
        rows("fetchCredits", told("creditType", str.upper)),
    ),
    (
        C,
        "payment-201",
        "S301",
        "createPayment",
        "A new payment answers 201, which the spec does not have.",
        replied("createPayment", _status(201)),
    ),
    (
        C,
        "locator-in-small",
        "S310 S304",
        "fetchWriteOff",
        "The locator of a write-off is written in small letters.",
        answered("fetchWriteOff", told("locator", str.lower)),
    ),
    (
        A,
        "page-total-as-text",
        "S304",
        "listFinanceAccounts",
        "The total of a page is a text.",
        answered("listFinanceAccounts", told("page.total", str)),
    ),
    (
        A,
        "account-number-as-number",
        "S304",
        "listFinanceAccounts",
        "Account numbers are numbers.",
        rows("listFinanceAccounts", told("accountNumber", int)),
    ),
    (
        A,
        "invoice-date-day-first",
        "S304",
        "getFinanceAccount",
        "Dates of invoices have their day first.",
        answered(
            "getFinanceAccount",
            _invoice_days,
        ),
    ),
    (
        A,
        "timeout-as-number",
        "S304",
        "GetOAuth2AccessToken",
        "The timeout of a token is a number.",
        answered("GetOAuth2AccessToken", told("token_timeout", int)),
    ),
)

DEFECTS = catalog("schema", ROWS)
