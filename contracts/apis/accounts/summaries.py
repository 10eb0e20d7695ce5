"""Billing summaries of accounts: the window of 12 months, months chosen in it, and what invoices say of themselves."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any

from contracts.apis.accounts.stage import LOOK, Stage, rows
from contracts.findings import Finding
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.wire import Caller, Exchange

APIS = ("accounts",)
OPERATION = "getFinanceAccount"
SPEC = "specs/accounts/openapi.yaml"
DATED = {"invoices": "invoiceId", "payments": "paymentId"}
"""What has dates -> the member that tells one from another"""


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last of that month where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def holder(p: Probe) -> tuple[Stage, Caller]:
    """Who sees most accounts. Raises Nothing."""
    assert isinstance(p.stage, Stage)
    stage = p.stage
    found = sorted(p.may(OPERATION), key=lambda each: -len(stage.numbers(each)))
    if not found or not stage.numbers(found[0]):
        raise Nothing("no caller has an account")
    return stage, found[0]


def read(p: Probe) -> Iterator[Exchange]:
    """The summaries of what one caller may see."""
    stage, caller = holder(p)
    for number in stage.numbers(caller)[:LOOK]:
        yield p.expect(p.call(OPERATION, caller, {"accountNumber": number}), 200)


def _days(record: Any) -> Iterator[tuple[str, str, date]]:
    """(member, id, day) of every invoice and payment. Raises Blocked for what is no date."""
    for member, key in DATED.items():
        for each in rows(record, member) if isinstance(record, dict) else ():
            try:
                yield member, str(each.get(key)), date.fromisoformat(str(each.get("date")))
            except ValueError:
                raise Blocked(f"{each.get('date')!r} is no date; the schema says what is") from None


@check(
    "accounts.window",
    proves="invoices and payments are those of the past 12 months, from the same day a year ago to today",
    codes=("M607",),
    apis=APIS,
)
def window(p: Probe, case: str) -> Iterator[Finding]:
    months = int(p.api.conventions.rules["months"])
    summaries = list(read(p))
    shown = [(each, *one) for each in summaries for one in _days(each.json)]
    if not shown:
        raise Nothing("no account has an invoice or a payment")
    newest = max(day for *_, day in shown)
    today = _today(p, summaries)
    # Whatever the day is there, it is not before the newest that is shown.
    first = months_before(max(newest, today) if today is not None else newest, months)
    for exchange, member, id, day in shown:
        late = today is not None and day > today
        if day < first or late:
            expected = f"nothing {'after ' + str(today) if late else 'before ' + str(first)}"
            yield _wrong(p, "M607", exchange, "window", expected, f"{member} {id} of {day}", "S, M")
            return
    if today is not None:
        yield from _edges(p, today, months)


def _today(p: Probe, summaries: list[Exchange]) -> date | None:
    """The deployment's day: as values say, or its own answers; None where nothing tells."""
    said = p.settings.values.get(p.api.name, {}).get("today")
    if said is not None:
        return date.fromisoformat(str(said))
    stamp = summaries[0].answer.headers.get("date")
    try:
        return parsedate_to_datetime(stamp).date() if stamp else None
    except ValueError:
        return None


def _edges(p: Probe, today: date, months: int) -> Iterator[Finding]:
    """Invoices that are known to be there, with their days: the window shows them, or it does not."""
    _, caller = holder(p)
    for number, known in p.settings.values.get(p.api.name, {}).get("invoices", {}).items():
        exchange = p.expect(p.call(OPERATION, caller, {"accountNumber": number}), 200)
        there = {id for member, id, _ in _days(exchange.json) if member == "invoices"}
        for id, said in known.items():
            day = date.fromisoformat(str(said))
            right = months_before(today, months) <= day <= today
            if (id in there) is not right:
                expected = f"invoice {id} of {day} {'shown' if right else 'not shown'} on {today}"
                yield _wrong(p, "M607", exchange, "window", expected, "it is" if not right else "it is not", "S, M")
                return


@check(
    "accounts.months",
    proves="months choose the invoices and payments of these months, whatever the day, and change nothing else",
    codes=("Q505", "Q506", "Q507"),
    apis=APIS,
)
def months(p: Probe, case: str) -> Iterator[Finding]:
    stage, caller = holder(p)
    number, whole = _busiest(p, stage, caller)
    days = sorted({day for _, _, day in _days(whole)})
    there = sorted({(day.year, day.month) for day in days})
    first, last = date(*there[0], 1), date(*there[-1], 1)
    outside = months_before(first, 30)
    for name, asked in (
        ("one month", [first]),
        ("two months", [first, last]),
        ("two months, the other way round", [last, first]),
        ("the last day of a month", [first.replace(day=monthrange(first.year, first.month)[1])]),
        ("one month twice", [last, last]),
        ("a month beyond the window", [outside]),
        ("every month", [date(year, month, 1) for year, month in there]),
        ("none", []),
    ):
        query = "months=" + ",".join(map(str, asked))
        exchange = p.expect(p.call(OPERATION, caller, {"accountNumber": number}, query=query), 200)
        chosen = {(each.year, each.month) for each in asked}
        wanted = {each[:2] for each in _days(whole) if not asked or (each[2].year, each[2].month) in chosen}
        found = {each[:2] for each in _days(exchange.json)}
        if found - wanted:
            came = ", ".join(id for _, id in sorted(found - wanted)[:2])
            yield _wrong(
                p, "Q505", exchange, f"months: {name}", f"those of {query} alone", f"{came} beside them", "S, M"
            )
            return
        if wanted - found:
            came = ", ".join(id for _, id in sorted(wanted - found)[:2])
            yield _wrong(p, "Q506", exchange, f"months: {name}", f"all of {query}", f"{came} missing", "S, M")
            return
        rest = {name: value for name, value in whole.items() if name not in DATED}
        if isinstance(exchange.json, dict) and {n: v for n, v in exchange.json.items() if n not in DATED} != rest:
            yield _wrong(p, "Q507", exchange, f"months: {name}", "an account that is as it was", "it is not", "S, M")
            return


def _busiest(p: Probe, stage: Stage, caller: Caller) -> tuple[str, Mapping[str, Any]]:
    """The account with the most months. Raises Nothing."""
    found = {number: stage.summary(number, caller) for number in stage.numbers(caller)[:LOOK]}
    counted = {number: len({(day.year, day.month) for *_, day in _days(each)}) for number, each in found.items()}
    number = max(counted, key=lambda each: counted[each])
    if counted[number] < 2:
        raise Nothing("no account has invoices or payments of two months")
    return number, found[number]


@check(
    "accounts.invoices",
    proves="invoices and payments stand newest first, are told apart, and have the sign of their type; documents match",
    codes=("Q503", "M601", "M606"),
    apis=APIS,
)
def invoices(p: Probe, case: str) -> Iterator[Finding]:
    for exchange in read(p):
        record = exchange.json if isinstance(exchange.json, dict) else {}
        for member, key in DATED.items():
            order = [(-day.toordinal(), id) for name, id, day in _days(record) if name == member]
            if order != sorted(order):
                came = ", ".join(str(each.get("date")) for each in rows(record, member)[:6])
                yield _wrong(p, "Q503", exchange, "date", "the newest first, then by id", f"{member} of {came}", "M")
            ids = [str(each.get(key)) for each in rows(record, member)]
            if len(set(ids)) != len(ids):
                yield _wrong(p, "M606", exchange, key, f"a {key} that is one's own", "one stands twice", "S, M")
        for invoice in rows(record, "invoices"):
            yield from _invoice(p, exchange, invoice)
        for payment in rows(record, "payments"):
            if isinstance(payment.get("amount"), (int, float)) and payment["amount"] <= 0:
                came = f"{payment['amount']} of {payment.get('paymentId')}"
                yield _wrong(p, "M601", exchange, "payments amount", "above 0", came, "S")


def _invoice(p: Probe, exchange: Exchange, invoice: Mapping[str, Any]) -> Iterator[Finding]:
    type, amount, id = invoice.get("type"), invoice.get("amount"), invoice.get("invoiceId")
    if isinstance(amount, (int, float)) and amount and (amount < 0) is not (type == "CREDIT_MEMO"):
        yield _wrong(p, "M601", exchange, "invoices amount", f"{type} with its sign", f"{amount} of {id}", "S, M")
    if invoice.get("transactionNumber") != id:
        came = f"{invoice.get('transactionNumber')} of {id}"
        yield _wrong(p, "M606", exchange, "transactionNumber", "the invoiceId", came, "S")
    documents = rows(invoice, "documents")
    if any(each.get("type") != type for each in documents):
        yield _wrong(p, "M606", exchange, "documents type", f"{type}, as its invoice", f"another of {id}", "S")
    if len({each.get("documentId") for each in documents}) != len(documents):
        yield _wrong(p, "M606", exchange, "documentId", "unique within its invoice", f"one stands twice in {id}", "S")


def _wrong(p: Probe, code: str, exchange: Exchange, subject: str, expected: str, came: str, source: str) -> Finding:
    return p.finding(code, exchange, expected=expected, came=came, source=source, place=SPEC, subject=subject)
