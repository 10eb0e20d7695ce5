"""The past that nobody pinned: invoices that are paid, paid short, overpaid, written off, taken back, or left open."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from mockserver import wire
from mockserver.apis.credits import balances, invoices, rules, shortfalls
from mockserver.apis.credits.agenda import Agenda
from mockserver.apis.credits.catalog import Catalog
from mockserver.apis.credits.pinned import period, settle
from mockserver.apis.credits.rules import ZERO
from mockserver.store import Record

OLDEST, NEWEST = timedelta(days=230), timedelta(days=3)
OLDEST_ONES = 6
"""Of so many invoices that wait for longest, one is paid next."""

CHARGES = (
    ("premium", "basePremium", 60, 900),
    ("premium", "liabilityPremium", 20, 240),
    ("tax", "premiumTax", 5, 90),
    ("fee", "policyFee", 5, 40),
)
ZONES = {"USD": "America/New_York", "EUR": "Europe/Amsterdam", "CAD": "America/Toronto"}


class History:
    """Plans a past for the tenants: most of it in the first, a little in the others."""

    def __init__(self, agenda: Agenda, catalog: Catalog) -> None:
        self._agenda = agenda
        self._catalog = catalog
        self._random = agenda.making.random
        self._open: dict[str, deque[str]] = {}
        # How often a payment goes which way.
        self._stories: tuple[tuple[int, Callable[[Record], None]], ...] = (
            (44, self._pay),
            (12, self._pay_short),
            (9, self._overpay),
            (8, self._pay_in_part),
            (7, self._bounce),
            (5, self._charge),
            (4, self._write_off),
            (4, self._draft),
            (4, self._validate_only),
            (3, self._discard),
        )

    def plan(self) -> None:
        """Put as many invoices and payments on the agenda as the scenario wants."""
        making = self._agenda.making
        issued, paid = making.size("invoices"), making.size("payments")
        span = OLDEST - NEWEST
        for tenant in self._catalog.tenants:
            home = self._catalog.drawn(tenant)
            for _ in range(issued if home else 0):
                self._plan(span * self._random.random(), self._issuer(tenant, home))
            for _ in range(paid if home else 0):
                # Nothing is paid before there are some invoices.
                self._plan(span / 12 + span * 11 / 12 * self._random.random(), self._payer(tenant))
            issued, paid = issued // 10, paid // 10

    def _plan(self, age: timedelta, action: Callable[[], None]) -> None:
        moment = self._agenda.making.start - OLDEST + age
        self._agenda.add(moment.replace(microsecond=moment.microsecond // 1000 * 1000), action)

    # Invoices

    def _issuer(self, tenant: Record, accounts: list[Record]) -> Callable[[], None]:
        def issue() -> None:
            account = self._random.choice(accounts)
            work = self._agenda.work(tenant["id"])
            currency = account["currency"]
            members = {
                "accountLocator": account["id"],
                "currency": currency,
                "products": [self._random.choice(list(tenant["products"]))] if tenant["products"] else [],
                **period(wire.moment(work.now), ZONES.get(currency, "UTC")),
            }
            sign = -1 if self._random.random() < 0.06 else 1
            invoice = invoices.issue(work, tenant, members, [*self._items(sign)])
            work.commit()
            if sign < 0:
                # Negative ones settle into the credit balance when they are made (credits 11.4, D).
                self._agenda.after(lambda: settle(self._agenda, invoice), minutes=5)
                self._agenda.after(lambda: self._spend(invoice), days=9)
            else:
                self._open.setdefault(tenant["id"], deque()).append(invoice["id"])

        return issue

    def _items(self, sign: int) -> list[dict[str, Any]]:
        count = self._random.choice((1, 1, 2, 3, 4))
        return [
            {
                "amount": rules.money(sign * Decimal(self._random.randint(least * 100, most * 100)) / 100),
                "chargeCategory": category,
                "chargeType": kind,
            }
            # What is given back is less than what is charged.
            for category, kind, least, most in (CHARGES[:count] if sign > 0 else CHARGES[1:2])
        ]

    # Payments

    def _payer(self, tenant: Record) -> Callable[[], None]:
        def pay() -> None:
            stories = [story for _, story in self._stories]
            (story,) = self._random.choices(stories, [weight for weight, _ in self._stories])
            invoice = self._pick(tenant)
            if invoice is not None:
                story(invoice)

        return pay

    def _pick(self, tenant: Record) -> Record | None:
        """One of the oldest invoices that are still open."""
        oldest: list[str] = []
        waiting = self._open.setdefault(tenant["id"], deque())
        while waiting and len(oldest) < OLDEST_ONES:
            id = waiting.popleft()
            oldest += [id] if self._is_open(id) else []
        waiting.extendleft(reversed(oldest))
        return self._agenda.get("Invoice", self._random.choice(oldest)) if oldest else None

    def _is_open(self, id: str) -> bool:
        return bool(self._agenda.get("Invoice", id)["invoiceState"] == "open")

    def _draft_of(self, invoice: Record, amount: Decimal, **more: Any) -> Record:
        tenant = self._agenda.get("Tenant", invoice["tenantLocator"])
        body = {
            "amount": max(rules.money(amount), rules.CENT),
            "type": self._random.choice(tenant["paymentTypes"]),
            "data": {},
            "accountLocator": invoice["accountLocator"],
            "currency": invoice["currency"],
            "targets": [{"containerLocator": invoice["id"], "containerType": "invoice"}],
            **more,
        }
        return self._agenda.make("Payment", tenant["id"], body)

    def _post(self, invoice: Record, amount: Decimal) -> Record:
        payment = self._agenda.fire("Payment", self._draft_of(invoice, amount), "validate")
        return self._agenda.fire("Payment", payment, "post")

    def _pay(self, invoice: Record) -> None:
        self._post(invoice, invoice["totalRemainingAmount"])

    def _pay_short(self, invoice: Record) -> None:
        """Within the tolerance, so that the rest is forgiven; where there is none, short all the same."""
        owed = invoice["totalRemainingAmount"]
        least = shortfalls.tolerance(self._agenda.making.work(), invoice) or Decimal(1)
        short = rules.money(Decimal(self._random.randint(1, int(least * 100))) / 100)
        self._post(invoice, owed - short)

    def _overpay(self, invoice: Record) -> None:
        self._post(invoice, invoice["totalRemainingAmount"] + self._random.randint(5, 60))
        self._agenda.after(lambda: self._spend(invoice), days=6)

    def _pay_in_part(self, invoice: Record) -> None:
        self._post(invoice, invoice["totalRemainingAmount"] * self._random.randint(30, 70) / 100)

    def _bounce(self, invoice: Record) -> None:
        payment, reasons = self._post(invoice, invoice["totalRemainingAmount"]), self._reasons(invoice)
        if reasons:
            reason = {"reversalType": self._random.choice(reasons)}
            self._agenda.after(lambda: self._reverse(payment, reason), days=4)

    def _reasons(self, invoice: Record) -> list[str]:
        types = self._agenda.get("Tenant", invoice["tenantLocator"])["reversalTypes"]
        return [name for name in types if rules.may_reverse(types, name, rules.PAYMENT)]

    def _reverse(self, payment: Record, reason: dict[str, str]) -> None:
        self._agenda.fire("Payment", payment, "reverse", reason)

    def _charge(self, invoice: Record) -> None:
        """By the execution service."""
        draft = self._draft_of(invoice, invoice["totalRemainingAmount"], transactionMethod="ach")
        self._agenda.fire("Payment", self._agenda.fire("Payment", draft, "validate"), "request")
        self._agenda.making.run()

    def _draft(self, invoice: Record) -> None:
        self._draft_of(invoice, invoice["totalRemainingAmount"])

    def _validate_only(self, invoice: Record) -> None:
        self._agenda.fire("Payment", self._draft_of(invoice, invoice["totalRemainingAmount"]), "validate")

    def _discard(self, invoice: Record) -> None:
        self._agenda.fire("Payment", self._draft_of(invoice, invoice["totalRemainingAmount"]), "discard")

    def _write_off(self, invoice: Record) -> None:
        body = {
            "accountLocator": invoice["accountLocator"],
            "targets": [{"containerLocator": invoice["id"], "containerType": "invoice"}],
        }
        self._agenda.make("WriteOff", invoice["tenantLocator"], body)

    # Credit balances

    def _spend(self, cause: Record) -> None:
        """What an account has to its credit goes to another of its invoices, or is paid out, or waits."""
        account, currency = cause["accountLocator"], cause["currency"]
        held = balances.balance(self._agenda.making.work(), account, currency)
        source = [{"containerLocator": account, "containerType": "account"}]
        if held <= ZERO or self._random.random() < 0.3:
            return
        work = self._agenda.making.work()
        owing = next((each for each in work.where("Invoice", "accountLocator", account) if _owes(each, currency)), None)
        if owing is None:
            self._pay_out({"amount": held, "accountLocator": account, "currency": currency, "sources": source}, cause)
            return
        amount = min(held, owing["totalRemainingAmount"])
        target = [{"containerLocator": owing["id"], "containerType": "invoice"}]
        body = {"amount": amount, "accountLocator": account, "currency": currency, "sources": source, "targets": target}
        made = self._agenda.make("CreditDistribution", cause["tenantLocator"], body)
        self._agenda.fire("CreditDistribution", self._agenda.fire("CreditDistribution", made, "validate"), "execute")

    def _pay_out(self, body: dict[str, Any], cause: Record) -> None:
        tenant = self._agenda.get("Tenant", cause["tenantLocator"])
        said = {"type": tenant["disbursementTypes"][0], "data": {}, "useDefaultFinancialInstrument": False, **body}
        made = self._agenda.make("Disbursement", tenant["id"], said)
        for event in ("validate", "approve", "execute"):
            made = self._agenda.fire("Disbursement", made, event)


def _owes(invoice: Record, currency: str) -> bool:
    return bool(invoice["currency"] == currency and invoice["totalRemainingAmount"] > ZERO)
