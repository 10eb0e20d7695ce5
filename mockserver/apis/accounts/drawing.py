"""Accounts, invoices and payments that nobody pinned, or the members that a pin does not say; all of it is drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from mockserver.apis.accounts.catalog import document, documents
from mockserver.apis.accounts.countries import COUNTRIES, ELSEWHERE
from mockserver.apis.accounts.rules import months_before
from mockserver.making import Making
from mockserver.store import Record
from mockserver.work import Work

EVERY = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUALLY": 12}
"""Months between two invoices"""
MIDDLE = timedelta(days=13)
"""When in a month credit is given"""


class Drawing:
    """Draws what is not said, with the making's own random and names."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self._today = making.start.date()

    # Accounts

    def account(self, number: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """An account, with what is said of it."""
        making, random = self._making, self._making.random
        home = str(said.get("country") or random.choice(making.countries))
        country, fake = COUNTRIES.get(home, ELSEWHERE), making.fake(home)
        codes = {f"{random.choice(country.metros)}{random.randint(1, 12)}" for _ in range(random.randint(1, 3))}
        first, last = fake.first_name(), fake.last_name()
        drawn = {
            "accountName": fake.company(),
            "accountIbxs": sorted(codes),
            "billingFrequency": random.choices(tuple(EVERY), (8, 1, 1))[0],
            "currencyCode": country.currency,
            "invoiceLanguage": country.language,
            "invoiceFormat": random.choices(("PDF", "EXCEL"), (3, 1))[0],
            "country": home,
        }
        contact = {"firstName": first, "lastName": last, **said.get("billingContact", {})}
        contact.setdefault("email", f"{_plain(contact['firstName'])}.{_plain(contact['lastName'])}@example.org")
        return {**drawn, **said, "id": number, "accountNumber": number, "billingContact": contact}

    def child(self, parent: Record) -> dict[str, str]:
        """What is said of an account below another: its name tells where it is."""
        place = self._making.fake(parent["country"]).city()
        return {
            "accountName": f"{parent['accountName']} {place}",
            "parentAccountNumber": parent["id"],
            "country": parent["country"],
        }

    # What it was billed, and what it has paid

    def history(self, work: Work, account: Record, months: int) -> None:
        """The invoices of so many months before today, some credit, and the payments that came since."""
        random = self._making.random
        fee = Decimal(random.randint(40_000, 900_000)).scaleb(-2) * EVERY[account["billingFrequency"]]
        for day in self._days(EVERY[account["billingFrequency"]], months):
            amount = self._near(fee)
            self.invoice(work, account, {"date": day.isoformat(), "amount": amount, "type": "INVOICE"})
            credited = day + MIDDLE
            if random.random() < 0.15 and credited <= self._today:
                credit = -self._near(amount / 12)
                self.invoice(work, account, {"date": credited.isoformat(), "amount": credit, "type": "CREDIT_MEMO"})
                amount += credit
            paid = day + timedelta(days=random.randint(18, 40))
            if paid <= self._today:
                type = random.choices(("APPLIED", "UNAPPLIED"), (15, 1))[0]
                self.payment(work, account, {"date": paid.isoformat(), "amount": amount, "type": type})

    def _days(self, every: int, months: int) -> Iterator[date]:
        """The firsts of the months in which invoices come, the oldest first."""
        first = self._today.replace(day=1)
        for back in range(months, -1, -1):
            if back % every == months % every:
                yield months_before(first, back)

    def _near(self, amount: Decimal) -> Decimal:
        """About as much, in whole cents, and not nothing."""
        return max(Decimal("0.01"), round(amount * self._making.random.randint(92, 108) / 100, 2))

    # Records

    def invoice(self, work: Work, account: Record, said: Mapping[str, Any], id: str | None = None) -> None:
        """An invoice with what is said of it, and the documents that one of its type has."""
        type = str(said.get("type") or ("CREDIT_MEMO" if said.get("amount", 1) < 0 else "INVOICE"))
        amount = said.get("amount") or self._near(Decimal(1000)) * (-1 if type == "CREDIT_MEMO" else 1)
        if "documents" in said:
            listed = [document(each, type) for each in said["documents"]]
        else:
            names = {"format": "invoiceFormat", "language": "invoiceLanguage", "country": "country"}
            listed = list(documents(type, **{name: account[member] for name, member in names.items()}))
        number = id or work.new_id("Invoice")
        work.create(
            "Invoice",
            {
                "id": number,
                "invoiceId": number,
                "transactionNumber": number,
                "amount": amount,
                "date": said.get("date") or self._some_day(),
                "type": type,
                "documents": listed,
                "account": {"id": account["id"]},
            },
        )

    def payment(self, work: Work, account: Record, said: Mapping[str, Any], id: str | None = None) -> None:
        """A payment with what is said of it."""
        number = id or f"{work.api.conventions.rules['payment']}{work.new_id('Payment')}"
        work.create(
            "Payment",
            {
                "id": number,
                "paymentId": number,
                "amount": said.get("amount") or self._near(Decimal(1000)),
                "date": said.get("date") or self._some_day(),
                "type": said.get("type", "APPLIED"),
                "account": {"id": account["id"]},
            },
        )

    def _some_day(self) -> str:
        """A day of the past year."""
        return (self._today - timedelta(days=self._making.random.randint(0, 300))).isoformat()


def _plain(name: str) -> str:
    """A name as it stands in an address of e-mail."""
    letters = unicodedata.normalize("NFKD", name.lower())
    return "".join(each for each in letters if each.isascii() and each.isalnum()) or "billing"
