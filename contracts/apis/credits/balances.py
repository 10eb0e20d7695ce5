"""Sums over all credits of a tenant: what accounts have left, and what invoices owe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from contracts.apis.credits.books import ON_INVOICES, Books, need, total
from contracts.apis.credits.ground import APIS, ZERO, Ground, Row, money, remains
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.probe import Blocked, Probe
from contracts.registry import check
from contracts.wire import Exchange

MOST = 1000
"""Lines that are asked for, as many as may be"""
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
    need(books.accounts or books.unsound or books.moved)
    for account in books.accounts:
        for currency in books.currencies(account):
            wanted = sum((each.fed() for each in books.of(account) if each.row.get("currency") == currency), ZERO)
            ledger = _read(ground, account, currency)
            yield from _ledger(books, ledger, account, currency, wanted)
            yield from _lines_of(books, ledger, account, currency)
    for account in sorted(books.moved):
        # What this run moved there is judged where it was moved; the lines must tell it all the same.
        for currency in books.currencies(account):
            yield from _lines_of(books, _read(ground, account, currency), account, currency)
    books.judged()


def _read(ground: Ground, account: str, currency: str) -> Row:
    query = f"currency={currency}&size={MOST}"
    found = ground.read("fetchLedgerAccount", query=query, refType="accountCreditBalance", refLocator=account)
    if not isinstance(found, dict) or not isinstance(found.get("lines"), list):
        raise Blocked(f"the ledger account of {account} in {currency} has no lines")
    return found


def _ledger(books: Books, ledger: Row, account: str, currency: str, wanted: Decimal) -> Iterator[Finding]:
    ground = books.ground
    found = money(ledger.get("balance"))
    where = f"of {account} in {currency}"
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


def _lines_of(books: Books, ledger: Row, account: str, currency: str) -> Iterator[Finding]:
    """The lines of each credit are what it did to the balance, and nothing in all once it is reversed."""
    lines: dict[str, list[Row]] = {}
    for each in ledger["lines"]:
        lines.setdefault(str(each.get("creditLocator")), []).append(each)
    known = {each.locator: each for each in books.every if each.row.get("accountLocator") == account}
    summed_up = {str(each.get("locator")) for each in books.ground.rows("fetchCredits")}
    for locator in lines:
        entry = known.get(locator)
        if entry is None and locator in summed_up:
            continue  # its own list leaves it out, which is told of that list
        if entry is None or any(each.get("creditType") != entry.kind.type for each in lines[locator]):
            said, came = "a credit of the account", f"{lines[locator][0].get('creditType')} {locator}"
            yield books.ground.wrong("M606", "fetchLedgerAccount", "creditLocator", said, came, "I, M", at=account)
            return
    for locator, entry in known.items() if len(ledger["lines"]) < MOST else ():
        wanted = entry.fed() if entry.is_live and entry.row.get("currency") == currency else ZERO
        found = total(lines.get(locator, ()))
        if found != wanted:
            said = f"lines of {wanted} for {entry.name}, which is {entry.state}"
            wrong = books.ground.wrong("M605", "fetchLedgerAccount", "lines", said, str(found), "I, M", at=account)
            yield replace(wrong, steps=(*_done(books, locator), *wrong.steps))
            return


def _done(books: Books, locator: str) -> Sequence[Exchange]:
    """What the run did to a credit of its own: where a step of it went wrong, its lines follow from that."""
    stage = books.ground.p.stage
    assert isinstance(stage, Stage)
    return stage.done_to(locator)


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
