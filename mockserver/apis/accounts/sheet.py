"""What a document shows, before it becomes a PDF or a workbook: words, facts, a table and a total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from mockserver.apis.accounts.lines import by_site, lines
from mockserver.apis.accounts.words import WORDS, Words

Value = str | int | Decimal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table; figures stand at the right."""

    heading: str
    is_figure: bool

    def text(self, value: Value) -> str:
        """How a value is printed: amounts with their two places, as the JSON has them."""
        return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One document, in one language."""

    words: Words
    title: str
    subtitle: str
    number: str
    day: date
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    total_label: str
    total: Decimal
    currency: str


TITLES = {
    "INVOICE": "invoice",
    "CREDIT_MEMO": "credit_memo",
    "MANUAL_INVOICE": "manual_invoice",
    "STATEMENT": "statement",
}
FREQUENCIES = {"MONTHLY": "monthly", "QUARTERLY": "quarterly", "ANNUALLY": "annually"}


def detailed(invoice: Mapping[str, Any], account: Mapping[str, Any], language: str) -> Sheet:
    """Every line: what, where, how many, at which price."""
    words = WORDS[language]
    columns = (
        *(Column(heading, False) for heading in (words.site, words.description)),
        *(Column(heading, True) for heading in (words.quantity, words.price, words.amount)),
    )
    rows = [
        (line.site, words.products[line.product], line.quantity, line.price, line.amount)
        for line in _lines(invoice, account, words)
    ]
    return _sheet(invoice, account, words, words.details, columns, rows)


def summary(invoice: Mapping[str, Any], account: Mapping[str, Any], language: str) -> Sheet:
    """What each site comes to."""
    words = WORDS[language]
    found = _lines(invoice, account, words)
    columns = (Column(words.site, False), Column(words.lines, True), Column(words.amount, True))
    rows = [(site, sum(line.site == site for line in found), amount) for site, amount in by_site(found).items()]
    return _sheet(invoice, account, words, words.summary, columns, rows)


def _lines(invoice: Mapping[str, Any], account: Mapping[str, Any], words: Words) -> list[Any]:
    return lines(invoice["id"], invoice["amount"], account.get("accountIbxs", ()), len(words.products))


def _sheet(
    invoice: Mapping[str, Any],
    account: Mapping[str, Any],
    words: Words,
    subtitle: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Value]],
) -> Sheet:
    contact = account.get("billingContact", {})
    facts = (
        (words.number, invoice["id"]),
        (words.date, invoice["date"]),
        (words.account, account["id"]),
        (words.customer, account["accountName"]),
        (words.parent, account.get("parentAccountNumber", "")),
        (words.frequency, getattr(words, FREQUENCIES[account["billingFrequency"]])),
        (words.contact, " ".join(contact[name] for name in ("firstName", "lastName", "email") if name in contact)),
    )
    amount = invoice["amount"]
    return Sheet(
        words=words,
        title=getattr(words, TITLES[invoice["type"]]),
        subtitle=subtitle,
        number=invoice["id"],
        day=date.fromisoformat(invoice["date"]),
        facts=[(label, value) for label, value in facts if value],
        columns=columns,
        rows=rows,
        total_label=words.credit if amount < 0 else words.total,
        total=amount,
        currency=account["currencyCode"],
    )
