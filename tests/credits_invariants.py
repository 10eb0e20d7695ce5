"""The fifteen invariants of credits 11.5, by the records of a world alone; `check` raises with the broken one.

Nothing here asks the server's own arithmetic: balances and what invoices owe are added up anew, out of the credits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from mockserver.apis.credits.credits import credits
from mockserver.world import World

Record = Mapping[str, Any]
ZERO = Decimal(0)

STATES = {
    "Payment": ("paymentState", "posted", "payment", "postedAt"),
    "CreditDistribution": ("creditDistributionState", "executed", "creditDistribution", "executedAt"),
    "Disbursement": ("disbursementState", "executed", "disbursement", None),
    "WriteOff": ("writeOffState", "distributed", "writeOff", None),
    "ShortfallCredit": ("shortfallCreditState", "distributed", "shortfallWriteOff", None),
}
INVOICES = ("invoice", "invoiceItem")


class Broken(AssertionError):
    """An invariant that does not hold; its number is the first word."""


class Books:
    """A world's records, put together as the invariants want them."""

    def __init__(self, world: World) -> None:
        self.world = world

    def all(self, entity: str) -> list[Record]:
        return [row.record for row in self.world.layer.all(entity)]

    def get(self, entity: str, id: str) -> Record:
        record = self.world.layer.get(entity, id)
        assert record is not None, f"no {entity} {id}"
        return record

    @cached_property
    def credits(self) -> list[tuple[str, Record]]:
        """(entity, record) of all that there is a credit of."""
        return [(entity, record) for entity in STATES for record in self.all(entity)]

    @cached_property
    def by_id(self) -> dict[str, tuple[str, Record]]:
        return {record["id"]: (entity, record) for entity, record in self.credits}

    @cached_property
    def effective(self) -> list[tuple[str, Record]]:
        return [(entity, record) for entity, record in self.credits if state(entity, record) == STATES[entity][1]]

    @cached_property
    def on_invoices(self) -> dict[str, Decimal]:
        """invoice -> what effective credits have put on it, less what they have drawn out of it."""
        found: dict[str, Decimal] = {}
        for _, record in self.effective:
            for sign, side in ((1, "targets"), (-1, "sources")):
                for item in record.get(side, ()):
                    if item["containerType"] in INVOICES:
                        id = self.invoice(item)["id"]
                        found[id] = found.get(id, ZERO) + sign * item["amount"]
        return found

    @cached_property
    def balances(self) -> dict[tuple[str, str], Decimal]:
        """(account, currency) -> what effective credits have left there (invariant 8)."""
        found: dict[tuple[str, str], Decimal] = {}
        for entity, record in self.effective:
            change = ZERO
            for sign, side in ((1, "targets"), (-1, "sources")):
                change += sum(
                    (sign * i["amount"] for i in record.get(side, ()) if i["containerType"] == "account"), ZERO
                )
            if entity == "Payment":
                change += record["amount"] - total(record["targets"])
            if change:
                key = record["accountLocator"], record["currency"]
                found[key] = found.get(key, ZERO) + change
        return found

    def invoice(self, item: Record) -> Record:
        id = item["containerLocator"]
        return self.get("Invoice", id if item["containerType"] == "invoice" else self.get("InvoiceItem", id)["invoice"])

    def containers(self, record: Record) -> Iterator[Record]:
        """The invoices and accounts that a credit names."""
        for side in ("sources", "targets"):
            for item in record.get(side, ()):
                is_account = item["containerType"] == "account"
                yield self.get("Account", item["containerLocator"]) if is_account else self.invoice(item)

    def view(self, tenant: str, invoice: Record | None = None, **query: Any) -> list[Record]:
        """What C1, or C4 of an invoice, would show."""
        work = self.world.work()
        work.realm, work.query = (tenant,), query
        rows = credits(work, invoice)
        found = [row.record for row in rows]
        assert rows.total == len(found)
        return found


def check(world: World) -> None:
    """All fifteen. Raises Broken with the number and the record."""
    books = Books(world)
    for number, invariant in INVARIANTS.items():
        for wrong in invariant(books):
            raise Broken(f"{number}: {invariant.__name__}: {wrong}")


def state(entity: str, record: Record) -> str:
    return str(record[STATES[entity][0]])


def total(items: Any) -> Decimal:
    return sum((item["amount"] for item in items), ZERO)


def distributions_move_as_much_as_they_say(books: Books) -> Iterator[Any]:
    for record in books.all("CreditDistribution"):
        is_fixed = record["creditDistributionState"] in ("validated", "executed", "reversed")
        if is_fixed and not total(record["sources"]) == total(record["targets"]) == record["amount"]:
            yield record


def payments_are_used_up(books: Books) -> Iterator[Any]:
    for record in books.all("Payment"):
        if record["paymentState"] not in ("posted", "reversed"):
            continue
        if total(record["targets"]) + record["rest"] != record["amount"] or record["rest"] < 0:
            yield record


def shortfalls_forgive_what_remained_within_the_tolerance(books: Books) -> Iterator[Any]:
    for record in books.all("ShortfallCredit"):
        (target,) = record["targets"]
        invoice = books.invoice(target)
        if not 0 < record["amount"] == total(record["targets"]) <= tolerance(books, invoice):
            yield record
        before = ZERO
        for entry in invoice["entries"]:
            if entry["credit"] == record["id"]:
                break
            credit = books.by_id[entry["credit"]][1]
            if credit.get("reversedAt", "9") > record["createdAt"]:
                before += entry["amount"]
        if invoice["totalAmount"] - before != record["amount"]:
            yield record, invoice


def tolerance(books: Books, invoice: Record) -> Decimal:
    account, tenant = books.get("Account", invoice["accountLocator"]), books.get("Tenant", invoice["tenantLocator"])
    named = [account.get("shortfallTolerancePlanName")]
    named += [tenant["products"][each].get("defaultShortfallTolerancePlan") for each in invoice["products"]]
    named += [tenant.get("defaultShortfallTolerancePlan")]
    plan = next((name for name in named if name), None)
    return Decimal(tenant["shortfallTolerancePlans"].get(plan, {}).get(invoice["currency"], ZERO))


def shortfalls_are_one_an_invoice_and_go_with_their_parent(books: Books) -> Iterator[Any]:
    live = Counter()
    for record in books.all("ShortfallCredit"):
        entity, parent = books.by_id[record["parentCreditLocator"]]
        if entity not in ("Payment", "CreditDistribution") or record["id"] not in parent["shortfallCreditLocators"]:
            yield record
        is_live = record["shortfallCreditState"] == "distributed"
        if state(entity, parent) != (STATES[entity][1] if is_live else "reversed"):
            yield record, parent
        if not is_live and (record.get("reversedAt"), record.get("reversalReason")) != (
            parent.get("reversedAt"),
            parent.get("reversalReason"),
        ):
            yield record, parent
        live[record["targets"][0]["containerLocator"]] += is_live
    yield from (invoice for invoice, count in live.items() if count > 1)


def invoices_owe_what_credits_leave(books: Books) -> Iterator[Any]:
    for invoice in books.all("Invoice"):
        left = invoice["totalRemainingAmount"]
        if left != invoice["totalAmount"] - books.on_invoices.get(invoice["id"], ZERO):
            yield invoice
        if (left < 0 < invoice["totalAmount"]) or (left > 0 > invoice["totalAmount"]):
            yield invoice


def invoices_are_settled_when_nothing_remains(books: Books) -> Iterator[Any]:
    for invoice in books.all("Invoice"):
        is_settled = invoice["invoiceState"] == "settled"
        if is_settled is not ("settledTime" in invoice) or (is_settled and invoice["totalRemainingAmount"]):
            yield invoice
        if is_settled and any(item["remainingAmount"] for item in invoice["invoiceItems"]):
            yield invoice
        # One that never owed anything stays open until it is settled by name.
        if invoice["invoiceState"] == "open" and not invoice["totalRemainingAmount"] and invoice["totalAmount"]:
            yield invoice
        was_settled = any(item.get("unsettledTime") for item in invoice["invoiceItems"])
        if "unsettledTime" in invoice and not was_settled:
            yield invoice


def invoices_are_the_sum_of_their_items(books: Books) -> Iterator[Any]:
    for invoice in books.all("Invoice"):
        items = invoice["invoiceItems"]
        if total(items) != invoice["totalAmount"]:
            yield invoice
        if sum((item["remainingAmount"] for item in items), ZERO) != invoice["totalRemainingAmount"]:
            yield invoice
        for item in items:
            low, high = sorted((ZERO, item["amount"]))
            if not low <= item["remainingAmount"] <= high:
                yield invoice
            if ("settlementTime" in item) is not (not item["remainingAmount"] and bool(item["amount"])):
                yield invoice


def balances_are_what_credits_left_there(books: Books) -> Iterator[Any]:
    kept = {(each["account"], each["currency"]): each["amount"] for each in books.all("Balance")}
    for key in kept.keys() | books.balances.keys():
        if kept.get(key, ZERO) != books.balances.get(key, ZERO) or kept.get(key, ZERO) < 0:
            yield key, kept.get(key), books.balances.get(key)


def credits_have_one_currency_and_one_account(books: Books) -> Iterator[Any]:
    for entity, record in books.credits:
        for container in books.containers(record):
            if "currency" in container and "invoiceItems" in container and container["currency"] != record["currency"]:
                yield entity, record
            owner = container.get("accountLocator", container["id"])
            # A draft may still name what its validation will refuse.
            if state(entity, record) not in ("draft", "discarded") and owner != record["accountLocator"]:
                yield entity, record


def reversals_and_realizations_say_when(books: Books) -> Iterator[Any]:
    for tenant in books.all("Tenant"):
        for credit in books.view(tenant["id"]):
            is_reversed = credit["creditState"] == "reversed"
            if ("reversedAt" in credit, "reversalReason" in credit) != (is_reversed, is_reversed):
                yield credit
            is_real = is_reversed or credit["creditState"] == STATES[books.by_id[credit["id"]][0]][1]
            if ("realizedAt" in credit) is not is_real:
                yield credit


def every_entity_is_one_credit(books: Books) -> Iterator[Any]:
    shown = [credit for tenant in books.all("Tenant") for credit in books.view(tenant["id"])]
    if Counter(credit["id"] for credit in shown) != Counter(record["id"] for _, record in books.credits):
        yield "C1 is not the union of the entities"
    for credit in shown:
        entity, record = books.by_id[credit["id"]]
        said = (credit["creditType"], credit["creditState"], credit["amount"])
        if said != (STATES[entity][2], state(entity, record), record["amount"]) or credit["amount"] <= 0:
            yield credit
    for tenant in books.all("Tenant"):
        ages = [(credit["createdAt"], credit["id"]) for credit in books.view(tenant["id"])]
        if ages != sorted(ages):
            yield "C1 is not in order"


def shortfalls_are_the_credits_of_that_type(books: Books) -> Iterator[Any]:
    for tenant in books.all("Tenant"):
        typed = {each["id"] for each in books.view(tenant["id"]) if each["creditType"] == "shortfallWriteOff"}
        own = {each["id"] for each in books.all("ShortfallCredit") if each["tenantLocator"] == tenant["id"]}
        if typed != own:
            yield typed ^ own


def credits_of_an_invoice_are_credits(books: Books) -> Iterator[Any]:
    for tenant in books.all("Tenant"):
        every = {each["id"]: each for each in books.view(tenant["id"])}
        for invoice in books.all("Invoice"):
            if invoice["tenantLocator"] != tenant["id"]:
                continue
            some = {each["id"]: each for each in books.view(tenant["id"], invoice)}
            more = {each["id"]: each for each in books.view(tenant["id"], invoice, includeReversed=True)}
            beyond = [each for id, each in more.items() if id not in some]
            if not (some.items() <= more.items() and all(every.get(id) == each for id, each in more.items())):
                yield invoice
            if any(each["creditState"] != "reversed" for each in beyond):
                yield invoice
            if any(each["creditState"] not in ("posted", "executed", "distributed") for each in some.values()):
                yield invoice


def nothing_crosses_tenants(books: Books) -> Iterator[Any]:
    for tenant in books.all("Tenant"):
        yield from (each for each in books.view(tenant["id"]) if each["tenantLocator"] != tenant["id"])
    for entity, record in books.credits:
        if any(each["tenantLocator"] != record["tenantLocator"] for each in books.containers(record)):
            yield entity, record


def only_effective_credits_have_effects(books: Books) -> Iterator[Any]:
    real = {record["id"] for _, record in books.effective}
    for invoice in books.all("Invoice"):
        if any(entry["live"] is not (entry["credit"] in real) for entry in invoice["entries"]):
            yield invoice
    for entity, record in books.credits:
        if state(entity, record) in ("failed", "cancelled", "discarded", "rejected", "draft") and "fed" in record:
            yield entity, record


INVARIANTS: dict[int, Callable[[Books], Iterator[Any]]] = {
    1: distributions_move_as_much_as_they_say,
    2: payments_are_used_up,
    3: shortfalls_forgive_what_remained_within_the_tolerance,
    4: shortfalls_are_one_an_invoice_and_go_with_their_parent,
    5: invoices_owe_what_credits_leave,
    6: invoices_are_settled_when_nothing_remains,
    7: invoices_are_the_sum_of_their_items,
    8: balances_are_what_credits_left_there,
    9: credits_have_one_currency_and_one_account,
    10: reversals_and_realizations_say_when,
    11: every_entity_is_one_credit,
    12: shortfalls_are_the_credits_of_that_type,
    13: credits_of_an_invoice_are_credits,
    14: nothing_crosses_tenants,
    15: only_effective_credits_have_effects,
}
