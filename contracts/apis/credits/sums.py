"""Sums over all credits of a tenant: what accounts have left, and what invoices owe."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from contracts.apis.credits.books import ON_INVOICES, Books, need, total
from contracts.apis.credits.ground import APIS, ZERO, Ground, Row, money, remains
from contracts.findings import Finding
from contracts.probe import Blocked, Probe
from contracts.registry import check

SEEN = 24
"""Invoices that are read one by one, at most"""


@check(
    "credits.balances",
    proves="the credit balance of an account is what its credits fed and drew, told line by line, and never below 0",
    codes=("M605", "M606"),
    apis=APIS,
)
def balances(p: Probe, case: str) -> Iterator[Finding]:
    ground = Ground(p)
    books = Books(ground)
    need(books.accounts or books.unsound)
    for account in books.accounts:
        for currency in books.currencies(account):
            query = f"currency={currency}&size=1000"
            ledger = ground.read("fetchLedgerAccount", query=query, refType="accountCreditBalance", refLocator=account)
            wanted = sum((each.fed() for each in books.of(account) if each.row.get("currency") == currency), ZERO)
            yield from _ledger(books, ledger, account, currency, wanted)
    books.judged()


def _ledger(books: Books, ledger: Row, account: str, currency: str, wanted: Decimal) -> Iterator[Finding]:
    ground = books.ground
    found, lines = money(ledger.get("balance")), ledger.get("lines")
    where = f"of {account} in {currency}"
    if not isinstance(lines, list):
        raise Blocked(f"the ledger account {where} has no lines")
    if found != wanted:
        yield ground.wrong(
            "M605",
            "fetchLedgerAccount",
            "balance",
            f"{wanted} {where}, as the credits have it",
            str(found),
            "D, I",
            at=account,
        )
    elif found < 0:
        yield ground.wrong(
            "M605", "fetchLedgerAccount", "below 0", f"no balance below 0 {where}", str(found), "D, I", at=account
        )
    elif len(lines) < 1000 and total(lines) != found:
        yield ground.wrong(
            "M605",
            "fetchLedgerAccount",
            "lines",
            f"lines that add up to {found} {where}",
            str(total(lines)),
            "I, M",
            at=account,
        )
    for line in lines:
        entry = books.entries.get(str(line.get("creditLocator")))
        if entry is None or entry.kind.type != line.get("creditType"):
            came = f"{line.get('creditType')} {line.get('creditLocator')}"
            yield ground.wrong(
                "M606", "fetchLedgerAccount", "creditLocator", "a credit of the account", came, "I, M", at=account
            )
            return


@check(
    "credits.invoices",
    proves="an invoice owes its total less what was applied to it, and is settled when nothing remains",
    codes=("M605", "M601", "W406"),
    apis=APIS,
)
def invoices(p: Probe, case: str) -> Iterator[Finding]:
    ground = Ground(p)
    books = Books(ground)
    need(books.accounts or books.unsound)
    read = 0
    for account in books.accounts:
        rows = ground.rows("fetchInvoicesForAccount", account)
        applied, items = _applied(books, account)
        for row in rows:
            # One by one is read what an item of is named, and a few more.
            whole = ground.invoice(str(row.get("locator"))) if items or read < SEEN else None
            read += whole is not None
            own = {str(each.get("locator")) for each in (whole or {}).get("invoiceItems", ())}
            put = applied.get(str(row.get("locator")), ZERO) + sum((items[each] for each in own & items.keys()), ZERO)
            yield from _owed(ground, account, row, put)
            if whole is not None:
                yield from _lines(ground, whole)
    books.judged()


def _applied(books: Books, account: str) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What live credits of an account put on each invoice and on each item, less what they drew out of it."""
    found: tuple[dict[str, Decimal], dict[str, Decimal]] = ({}, {})
    for entry in books.of(account):
        for sign, side in ((1, "targets"), (-1, "sources")):
            for item in entry.items(side):
                if item.get("containerType") in ON_INVOICES and "amount" in item:
                    place = found[ON_INVOICES.index(item["containerType"])]
                    locator = str(item.get("containerLocator"))
                    place[locator] = place.get(locator, ZERO) + sign * money(item["amount"])
    return found


def _owed(ground: Ground, account: str, row: Row, put: Decimal) -> Iterator[Finding]:
    whole, left, state = money(row.get("totalAmount")), remains(row), row.get("invoiceState")
    name = f"invoice {row.get('locator')}"
    operation = "fetchInvoicesForAccount"
    if left != whole - put:
        expected = f"{whole - put}: {whole} less {put} applied to {name}"
        yield ground.wrong("M605", operation, "totalRemainingAmount", expected, str(left), "I, D", at=account)
    elif (state == "settled") is not (left == 0) and state != "discarded" and (whole or state == "settled"):
        yield ground.wrong(
            "W406",
            operation,
            "invoiceState",
            "settled just when nothing remains",
            f"{name} is {state}, {left} remain",
            "D, I",
        )
    elif (state == "settled") is not ("settledTime" in row):
        yield ground.wrong(
            "W406", operation, "settledTime", "a time just of what is settled", f"{name} is {state}", "D, I", at=account
        )


def _lines(ground: Ground, invoice: Row) -> Iterator[Finding]:
    items = invoice.get("invoiceItems")
    if not isinstance(items, list):
        return
    name, operation = f"invoice {invoice.get('locator')}", "getInvoiceWithItems"
    if total(items) != money(invoice.get("totalAmount")):
        came = f"{total(items)} in {name}"
        yield ground.wrong(
            "M601",
            operation,
            "totalAmount",
            f"items of {invoice.get('totalAmount')}",
            came,
            "O, I",
            at=str(invoice.get("locator")),
        )
        return
    left = sum((money(each["remainingAmount"]) for each in items if "remainingAmount" in each), ZERO)
    if left != remains(invoice):
        came = f"{left} in {name}"
        yield ground.wrong(
            "M601",
            operation,
            "totalRemainingAmount",
            f"items that owe {remains(invoice)}",
            came,
            "O, I",
            at=str(invoice.get("locator")),
        )
