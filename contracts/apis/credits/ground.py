"""What a deployment's credits offer to try things on: a tenant, words that it has configured, accounts and invoices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from contracts.findings import Finding
from contracts.probe import Blocked, Nothing, Probe
from contracts.settings import Mode
from contracts.wire import Caller, Exchange
from specs.tables import Operation

Row = Mapping[str, Any]
ZERO = Decimal(0)
APIS = ("credits",)
SPEC = "specs/credits/openapi.yaml"
LOOK = 12
"""Accounts that are looked into at most, to learn what there is"""
PAGE, PAGES = 1000, 5


class Ground:
    """Read once where it stays as it is: which tenant, who calls there, and what bodies name.

    What nobody can tell from the wire is said under [values.credits] of contracts.toml: `tenantLocator`, `paymentType`,
    `disbursementType`, `reversalType`, `tolerances` (currency -> what may be missing of a lent invoice), and
    `declining` ({account, instrument, retryPlan, attempts}: a card that refuses every charge).
    """

    def __init__(self, p: Probe) -> None:
        self.p = p
        self._told: dict[tuple[str, str], Exchange] = {}
        self.spoiled: set[str] = set()
        """lent invoices that owe something else than before; what is seen on them is not to be trusted"""
        self.values: Mapping[str, Any] = p.settings.values.get(p.api.name, {})

    # Where, and who

    @cached_property
    def home(self) -> dict[str, str]:
        """The path parameter of the tenant that most callers work in. Raises Blocked if none is known."""
        scopes = Counter(tuple(self.p.scope(each).items()) for each in self.p.callers)
        if not scopes:
            raise Blocked("no caller; give one a token")
        return dict(scopes.most_common(1)[0][0])

    def reader(self, operation: Operation | str) -> Caller:
        """Somebody who may, and who works in that tenant. Raises Blocked."""
        for each in self.p.may(operation):
            if self.p.scope(each) == self.home:
                return each
        name = self.p.operation(operation).id
        raise Blocked(f"no caller in tenant {', '.join(self.home.values())} may {name}; give one a token")

    def read(self, operation: str, locator: str = "", query: str = "", **params: str) -> Any:
        """What a reading answers, as JSON. Raises Blocked where it is no success."""
        found = self.p.operation(operation)
        first = found.parent or found.key
        named = {first: locator} if first is not None and locator else {}
        exchange = self.p.call(found, self.reader(found), {**self.home, **named, **params}, query=query)
        self._told[operation, locator or params.get("refLocator", "")] = exchange
        return self.p.expect(exchange, 200).json

    def told(self, operation: str, locator: str = "") -> Exchange:
        """The last call of a reading."""
        return self._told[operation, locator]

    def tell(self, operation: str, locator: str) -> Exchange:
        """Read once more, and hand over the call."""
        self.read(operation, locator)
        return self.told(operation, locator)

    def wrong(
        self,
        code: str,
        operation: str,
        subject: str,
        expected: str,
        came: str,
        source: str,
        *,
        at: str = "",
        beside: Iterable[str] = (),
    ) -> Finding:
        """A finding about something that was read.

        at: the locator that it was read of; beside: other lists that were read to tell
        """
        before = [self._told[each, ""] for each in beside if (each, "") in self._told]
        return self.p.finding(
            code,
            self._told.get((operation, at)),
            operation=operation,
            subject=subject,
            expected=expected,
            came=came,
            source=source,
            place=SPEC,
            steps=before,
        )

    def finds(self, operation: str, locator: str) -> bool:
        """Whether something is there by its locator, in the tenant of most callers."""
        found = self.p.operation(operation)
        return self.p.call(found, self.reader(found), {**self.home, "locator": locator}).status == 200

    def is_elsewhere(self, operation: str, locator: str) -> bool:
        """Whether a caller finds it in a tenant of another."""
        found = self.p.operation(operation)
        others = (each for each in self.p.may(found) if self.p.scope(each) != self.home)
        return any(self.p.call(found, each, {"locator": locator}).status == 200 for each in others)

    def rows(self, operation: str, locator: str = "", query: str = "") -> list[Row]:
        """All rows of a list. Raises Blocked where there are more than can be read, or the list is none."""
        rows: list[Row] = []
        for page in range(PAGES):
            asked = f"count={PAGE}&offset={page * PAGE}"
            body = self.read(operation, locator, f"{query}&{asked}" if query else asked)
            items = body.get("items") if isinstance(body, dict) else None
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise Blocked(f"{operation}: no list of items came")
            rows += items
            if len(items) < PAGE:
                return rows
        raise Nothing(f"{operation}: more than {PAGE * PAGES} rows; sums over all of them are not made")

    # Words

    @cached_property
    def payment_type(self) -> str:
        """The type of payments, as values say or an existing one shows. Raises Blocked."""
        return self._word("paymentType", "fetchMultiplePayments", "type")

    @cached_property
    def disbursement_type(self) -> str:
        return self._word("disbursementType", "fetchMultipleDisbursements", "type")

    @cached_property
    def reason(self) -> str:
        """A reversal type that is good for payments and distributions."""
        return self._word("reversalType", "fetchMultiplePayments", "reversalReason")

    def _word(self, name: str, operation: str, member: str) -> str:
        if name in self.values:
            return str(self.values[name])
        for row in self.rows(operation):
            if isinstance(row.get(member), str):
                return str(row[member])
        raise Blocked(f"no {name} is known; name one under [values.{self.p.api.name}] in contracts.toml")

    def tolerance(self, currency: str) -> Decimal:
        """What may be missing of a lent invoice. Raises Blocked if nobody says."""
        said = self.values.get("tolerances", {})
        if currency not in said:
            raise Blocked(
                f"the shortfall tolerance for {currency} is not known; "
                f"say it under [values.{self.p.api.name}.tolerances] in contracts.toml"
            )
        return money(said[currency])

    # Things

    def lent(self, entity: str) -> list[str]:
        """What the run may change though it did not make it; nothing but in full mode."""
        return list(self.p.guard.lent.get(entity, ())) if self.p.mode is Mode.FULL else []

    def invoice(self, locator: str) -> Row:
        """An invoice as it is now."""
        found = self.read("getInvoiceWithItems", locator)
        if not isinstance(found, dict):
            raise Blocked(f"invoice {locator} is no object")
        return found

    @cached_property
    def owners(self) -> dict[str, tuple[str, str]]:
        """lent invoice -> its account and currency, of those that are to be had."""
        found = {}
        for each in self.lent("Invoice"):
            read = self.invoice(each)
            found[each] = str(read.get("accountLocator")), str(read.get("currency"))
        return found

    @cached_property
    def items(self) -> dict[str, str]:
        """item -> lent invoice that it is a line of."""
        return {
            str(item.get("locator")): each
            for each in self.owners
            for item in self.invoice(each).get("invoiceItems", ())
        }

    def owing(self, currency: str | None = None, least: Decimal = ZERO) -> list[Row]:
        """Lent invoices that owe more than so much now, the one that owes most first; their account is lent, too."""
        accounts = self.lent("Account")
        found = [
            self.invoice(each)
            for each, (account, coin) in self.owners.items()
            if account in accounts and currency in (None, coin)
        ]
        found = [each for each in found if each.get("invoiceState") == "open" and remains(each) > least]
        found = [each for each in found if str(each["locator"]) not in self.spoiled]
        return sorted(found, key=lambda each: (-remains(each), str(each["locator"])))

    @cached_property
    def account(self) -> str:
        """The account of what the run makes: of the lent invoice that owes most, else lent, else one that has paid."""
        for each in self.owing():
            return str(each["accountLocator"])
        for locator in [*self.lent("Account"), *self.p.settings.lend.get(self.p.api.name, {}).get("Account", ())]:
            return locator
        return self.payers[0]

    @cached_property
    def payers(self) -> list[str]:
        """Accounts that have credits. Raises Nothing if there is none."""
        rows = self.rows("fetchMultiplePayments")
        found = Counter(str(row["accountLocator"]) for row in rows if "accountLocator" in row)
        if not found:
            raise Nothing("no payment shows an account; lend one under [lend.credits] in contracts.toml")
        return [each for each, _ in found.most_common(LOOK)]

    @cached_property
    def target(self) -> Row:
        """An invoice that drafts name: one that owes something. Raises Nothing."""
        for each in self.owing():
            return each
        for account in dict.fromkeys([self.account, *self.payers]):
            for row in self.rows("fetchInvoicesForAccount", account):
                if row.get("invoiceState") == "open" and remains(row) > 1:
                    return row
        raise Nothing("no invoice owes anything")

    @cached_property
    def currency(self) -> str:
        return str(self.target["currency"])

    def balance(self, account: str, currency: str) -> Decimal:
        """What a credit balance holds now."""
        found = self.read(
            "fetchLedgerAccount",
            query=f"currency={currency}&size=1",
            refType="accountCreditBalance",
            refLocator=account,
        )
        return money(found.get("balance") if isinstance(found, dict) else None)

    @cached_property
    def rich(self) -> tuple[str, str, str]:
        """(account, currency, open invoice) where a distribution is valid without being made so. Raises Nothing."""
        for account in self.payers:
            for row in self.rows("fetchInvoicesForAccount", account):
                if row.get("invoiceState") == "open" and remains(row) > 1:
                    currency = str(row["currency"])
                    if self.balance(account, currency) >= 1:
                        return account, currency, str(row["locator"])
                    break
        raise Nothing("no account has both a credit balance and an invoice that owes something")


def money(value: Any) -> Decimal:
    """An amount as it was sent: a double's shortest text is the number that the sender wrote. Raises Blocked."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Blocked(f"{value!r} is no amount")
    return Decimal(str(value))


def plain(amount: Decimal) -> float | int:
    """An amount as JSON has it."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def remains(invoice: Row) -> Decimal:
    """What an invoice still owes."""
    return money(invoice.get("totalRemainingAmount"))
