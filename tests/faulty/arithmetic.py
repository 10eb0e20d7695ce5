"""Sums, ratios, rounding, conversion, balances, links and windows of dates."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Any

from mockserver.apis.accounts.rules import Window
from mockserver.exchange import Exchange
from mockserver.store import Record
from mockserver.work import Work
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import (
    Spoil,
    answered,
    at,
    both,
    during,
    effect,
    maker,
    put,
    rows,
    tables,
)
from tests.faulty.tables import conventions

CENT = Decimal("0.01")
BILLING = "mockserver.apis.billing"
CREDITS = "mockserver.apis.credits"


def _totals(change: Any) -> Spoil:
    """Other members of what charges come to."""

    def make(right: Any) -> Any:
        def members(totals: Any, scale: Any) -> dict[str, Any]:
            made = dict(right(totals, scale))
            change(made)
            return made

        return members

    return during(f"{BILLING}.summaries:_members", make)


def _swapped(made: dict[str, Any]) -> None:
    if "markup" in made:
        made["markup"], made["margin"] = made["margin"], made["markup"]


def _margin_is_markup(made: dict[str, Any]) -> None:
    if "markup" in made:
        made["margin"] = made["markup"]


def _a_cent_more(made: dict[str, Any]) -> None:
    if made["totalSP"]:
        made["totalSP"] += CENT


def _cents_only(made: dict[str, Any]) -> None:
    for name in ("totalSP", "totalBSP"):
        made[name] = made[name].quantize(CENT, rounding=ROUND_DOWN)


def _two_places(made: dict[str, Any]) -> None:
    for name in ("markup", "margin"):
        if name in made:
            made[name] = made[name].quantize(CENT)


def _uncached(right: Any) -> Any:
    """What was worked out before was worked out rightly, and the other way round."""
    return right.__wrapped__


def _half_even(right: Any) -> Any:
    return lambda value, places: value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def _parents_too(right: Any) -> Any:
    """A charge that was split counts beside its shares."""

    def summed(charges: Any) -> Any:
        return right(
            {**each, "processing": {"status": "Ready"}}
            if each["processing"]["status"] == "Split" and "PPx1" in each["price"] and "SPx1" in each["price"]
            else each
            for each in charges
        )

    return summed


def _shares_left_out(right: Any) -> Any:
    """Shares of split charges are not added up."""
    return lambda charges: right(each for each in charges if "parent" not in each)


def _refunds_left_out(right: Any) -> Any:
    """What gives money back is not added up."""
    return lambda charges: right(each for each in charges if each["price"].get("PPx1", 1) >= 0)


def _buyer_side_divided(right: Any) -> Any:
    """Amounts in the buyer's currency are divided by the rate."""

    def priced(given: Any, match: Any, side: Any) -> Any:
        if side is not None and side.rate:
            side = replace(side, rate=1 / side.rate)
        return right(given, match, side)

    return priced


def _unconverted(right: Any) -> Any:
    """A sale price is not converted into the sale currency."""
    return lambda markup, rate: right(markup, Decimal(1))


def _markup_of_sale(right: Any) -> Any:
    """A markup is taken of the sale price, as if it were a margin."""
    return lambda markup, rate: Decimal(100) / (Decimal(100) - markup) * rate


def _whole_to_each(right: Any) -> Any:
    """Every share of a split charge has all of its price."""

    def shares(self: Any, charge: Any, match: Any) -> Any:
        for child in right(self, charge, match):
            yield {**child, "price": charge["price"] | {"currency": child["price"]["currency"]}}

    return shares


def _first_child_only(right: Any) -> Any:
    """A consolidated statement comes to what its first child comes to."""

    def consolidate(work: Work, parent: Record) -> None:
        right(work, parent)
        children = list(work.where("Statement", "parent.id", parent["id"]))
        if len(children) > 1:
            now = work.need("Statement", parent["id"])
            first = {name: children[0]["price"][name] for name in ("totalPP", "totalSP", "totalBSP")}
            work.put("Statement", {**now, "price": {**now["price"], **first}})

    return consolidate


def _linked(change: Any) -> Spoil:
    """What a statement learns of its invoice or credit memo, changed."""

    def make(right: Any) -> Any:
        def link(work: Work, kind: Any, statement: Record, record: Record) -> None:
            right(work, kind, statement, record)
            work.put("Statement", change(work.need("Statement", statement["id"]), kind))

        return link

    return during(f"{BILLING}.erp:_link", make)


def _without_tax(statement: Record, kind: Any) -> Record:
    price = statement["price"]
    return {**statement, "price": {**price, "totalGT": price["totalSP"]}}


def _tax_turned(statement: Record, kind: Any) -> Record:
    price = statement["price"]
    tax = abs(price["totalST"])
    return {**statement, "price": {**price, "totalST": tax, "totalGT": price["totalSP"] + tax}}


def _not_linked_back(statement: Record, kind: Any) -> Record:
    return {name: value for name, value in statement.items() if name != kind.link}


def _net_is_gross(right: Any) -> Any:
    def price(*given: Any) -> Any:
        made = dict(right(*given))
        made["totalGT"] = made["totalSP"]
        return made

    return price


def _quantity_forgotten(right: Any) -> Any:
    """The price of a row is that of one piece."""

    def price(self: Any, data: Any, *more: Any) -> Any:
        return right(self, {**data, "quantity": Decimal(1)} if "quantity" in data else data, *more)

    return price


def _credit_not_turned(right: Any) -> Any:
    """What a row gives back counts as what it asks for."""
    return lambda self, data, *more: right(self, {**data, "statementType": "Debit"}, *more)


def _fed(change: Any) -> Any:
    """The balance that a payment or distribution feeds is changed by something else than it says."""

    def happen(right: Any, work: Work, record: Record) -> None:
        from mockserver.apis.credits import balances

        right(work, record)
        entity = (
            "Payment"
            if "paymentState" in record
            else "Disbursement"
            if "disbursementState" in record
            else "CreditDistribution"
        )
        now = work.need(entity, record["id"])
        by = change(now)
        if by:
            balances.change(work, now["accountLocator"], now["currency"], by)

    return happen


def _items_untouched(right: Any) -> Any:
    """What an invoice owes goes down, and what its items owe does not."""

    def moved(work: Work, invoice: Record, shares: Any) -> Record:
        made = right(work, invoice, shares)
        return work.put("Invoice", {**work.need("Invoice", made["id"]), "invoiceItems": invoice["invoiceItems"]})

    return moved


def _tolerance(change: Any) -> Spoil:
    return during(f"{CREDITS}.shortfalls:tolerance", lambda right: lambda work, invoice: change(right(work, invoice)))


def _nothing_forgiven(right: Any) -> Any:
    return lambda work, parent, paid: []


def _whole_invoice(right: Any, work: Work, credit: Record) -> None:
    """A write-off says the amount of the invoice, whatever was still owed."""
    right(work, credit)
    now = work.need("WriteOff", credit["id"])
    first = next((each for each in now["targets"] if each["containerType"] == "invoice"), None)
    if first is not None:
        work.put("WriteOff", {**now, "amount": work.need("Invoice", first["containerLocator"])["totalAmount"]})


def _one_line(right: Any) -> Any:
    """Reversals are no movements."""
    return lambda entity, credit, amount: list(right(entity, credit, amount))[:1]


def _last_target_first(right: Any) -> Any:
    return lambda work, record, side: reversed(list(right(work, record, side)))


def _nothing_settled(value: Any, x: Exchange) -> None:
    for invoice in value["invoices"]:
        put(invoice, "totalRemainingAmount", invoice["totalAmount"])


def _parent_is_invoice(right: Any) -> Any:
    def distribute(work: Work, parent: Record, invoice: Record, amount: Any) -> Any:
        return right(work, {**parent, "id": invoice["id"]}, invoice, amount)

    return distribute


def _one_purse(right: Any) -> Any:
    return lambda account, currency: f"{account}/all"


def _rounded_up(right: Any, work: Work) -> Any:
    """Cents of a new payment are dropped."""
    work.body = {**work.body, "amount": Decimal(int(work.body["amount"]))}
    return right(work)


def _never_restored(right: Any) -> Any:
    return lambda work, credit: None


def _without_first_day(right: Any) -> Any:
    def window(today: Any, months: int) -> Window:
        found = right(today, months)
        return Window(found.first + "~", found.last)

    return window


def _another_journal(row: Any, x: Exchange) -> None:
    if "ledger" in row:
        put(row, "ledger.id", "BLE-0000-0000-0000-0000")


def _own_id(row: Any, x: Exchange) -> None:
    if at(row, "statement.id") is not None:
        put(row, "statement.id", "SOM-0000-0000-0000-0000")


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "split-counted-twice",
        "M601",
        "",
        "A split charge counts beside its shares.",
        during(f"{BILLING}.summaries:summed", _parents_too),
    ),
    (
        B,
        "shares-not-counted",
        "M601",
        "",
        "Shares of split charges are not added up.",
        during(f"{BILLING}.summaries:summed", _shares_left_out),
    ),
    (
        B,
        "refunds-not-counted",
        "M601",
        "",
        "Charges that give money back are not added up.",
        during(f"{BILLING}.summaries:summed", _refunds_left_out),
    ),
    (B, "a-cent-more", "M601", "", "Totals are a cent too high.", _totals(_a_cent_more)),
    (B, "totals-cut-to-cents", "M603 M601", "", "Totals are cut off after two places.", _totals(_cents_only)),
    (B, "markup-and-margin-swapped", "M602", "", "Markup and margin stand in each other's place.", _totals(_swapped)),
    (B, "margin-is-markup", "M602", "", "The margin is the markup.", _totals(_margin_is_markup)),
    (B, "percentages-of-two-places", "M603 M602", "", "Percentages are rounded to two places.", _totals(_two_places)),
    (
        B,
        "half-to-even",
        "M603",
        "",
        "Halves are rounded to the even digit.",
        both(during(f"{BILLING}.rules:rounded", _half_even), during(f"{BILLING}.summaries:_members", _uncached)),
    ),
    (
        B,
        "buyer-side-divided",
        "M604",
        "",
        "Amounts in the buyer's currency are divided by the rate.",
        during(f"{BILLING}.charges:priced", _buyer_side_divided),
    ),
    (
        B,
        "sale-not-converted",
        "M604 M602",
        "",
        "Sale prices are not converted into the sale currency.",
        during(f"{BILLING}.rules:factor", _unconverted),
    ),
    (
        B,
        "markup-of-sale-price",
        "M602",
        "",
        "A markup is taken of the sale price.",
        during(f"{BILLING}.rules:factor", _markup_of_sale),
    ),
    (
        B,
        "whole-price-to-each-share",
        "M601 M602",
        "",
        "Every share of a split charge has all of its price.",
        during(f"{BILLING}.charges:Processor._shares", _whole_to_each),
    ),
    (
        B,
        "first-child-only",
        "M601",
        "",
        "A consolidated statement comes to what its first child comes to.",
        during(f"{BILLING}.statements:_consolidate", _first_child_only),
    ),
    (
        B,
        "grand-total-without-tax",
        "M601",
        "",
        "The grand total of a statement leaves out the tax of its invoice.",
        _linked(_without_tax),
    ),
    (B, "tax-of-memo-turned", "M601", "", "The tax of a credit memo is added to its statement.", _linked(_tax_turned)),
    (
        B,
        "invoice-total-without-tax",
        "M601",
        "",
        "The grand total of an invoice leaves out its tax.",
        during(f"{BILLING}.erp:_price", _net_is_gross),
    ),
    (
        B,
        "discount-forgotten",
        "M601 M602",
        "",
        "The discount of an invoice line is not taken off.",
        during(
            f"{BILLING}.rules:line_amount",
            lambda right: lambda quantity, unit, discount: right(quantity, unit, Decimal(0)),
        ),
    ),
    (
        B,
        "quantity-forgotten",
        "M601 M602 F703",
        "",
        "The amount of a custom ledger's row is that of one piece.",
        during(f"{BILLING}.custom_ledgers:Processor._price", _quantity_forgotten),
    ),
    (
        B,
        "credit-not-turned",
        "M601 M602 F703",
        "",
        "What a custom ledger's row gives back counts as asked for.",
        during(f"{BILLING}.custom_ledgers:Processor._price", _credit_not_turned),
    ),
    (B, "invoice-not-linked-back", "M606", "", "A statement does not point to its invoice.", _linked(_not_linked_back)),
    (
        B,
        "charge-points-nowhere",
        "M606",
        "listLedgerCharges",
        "Charges point to a ledger that there is not.",
        rows("listLedgerCharges", _another_journal),
    ),
    (
        B,
        "invoice-points-nowhere",
        "M606",
        "listInvoices",
        "Invoices point to a statement that there is not.",
        rows("listInvoices", _own_id),
    ),
    (
        C,
        "rest-lost",
        "M605",
        "postPayment",
        "What a payment leaves over is lost.",
        effect("Payment", "post executed", _fed(lambda now: -now["rest"])),
    ),
    (
        C,
        "disbursed-from-nothing",
        "M605",
        "executeDisbursement",
        "A disbursement leaves the balance as it was.",
        effect("Disbursement", "execute", _fed(lambda now: -now["fed"])),
    ),
    (
        C,
        "distributed-twice",
        "M605",
        "executeCreditDistribution",
        "A distribution draws half as much again from the balance.",
        effect("CreditDistribution", "execute", _fed(lambda now: now["fed"] / 2 if now["fed"] < 0 else 0)),
    ),
    (
        C,
        "reversal-without-balance",
        "M605",
        "",
        "A reversal leaves the balance as it was.",
        during(f"{CREDITS}.balances:restore", _never_restored),
    ),
    (
        C,
        "items-untouched",
        "M601 M605",
        "",
        "An invoice is paid, and its items are not.",
        during(f"{CREDITS}.invoices:_moved", _items_untouched),
    ),
    (
        C,
        "too-tolerant",
        "W406 W407 M605",
        "",
        "Three times as much is forgiven as the plan says.",
        _tolerance(lambda right: None if right is None else right * 3),
    ),
    (
        C,
        "nothing-forgiven",
        "W406 M605",
        "",
        "What little remains is not forgiven.",
        during(f"{CREDITS}.shortfalls:forgive", _nothing_forgiven),
    ),
    (
        C,
        "whole-invoice-written-off",
        "M601 M605",
        "",
        "A write-off says the amount of the invoice, not what was owed.",
        effect("WriteOff", "distribute", _whole_invoice),
    ),
    (
        C,
        "ledger-balance-off",
        "M605",
        "fetchLedgerAccount",
        "The balance of a ledger account is not what its lines come to.",
        answered("fetchLedgerAccount", lambda value, x: put(value, "balance", value["balance"] + 1)),
    ),
    (
        C,
        "reversals-no-movement",
        "M605",
        "fetchLedgerAccount",
        "The lines of a ledger account leave out reversals.",
        during(f"{CREDITS}.ledger:_lines", _one_line),
    ),
    (
        C,
        "last-target-first",
        "M605 W406 M601",
        "",
        "A payment goes to its last target first.",
        during(f"{CREDITS}.validation:named", _last_target_first),
    ),
    (
        C,
        "preview-settles-nothing",
        "M605 M601 W412",
        "previewPaymentPost",
        "A preview shows invoices as they are.",
        answered("previewPaymentPost", _nothing_settled),
    ),
    (
        C,
        "shortfall-of-invoice",
        "M606 W406",
        "",
        "A shortfall credit names an invoice as its parent.",
        during(f"{CREDITS}.shortfalls:_distribute", _parent_is_invoice),
    ),
    (
        C,
        "one-balance-for-all-currencies",
        "M605 M604",
        "",
        "All currencies of an account share one balance.",
        during(f"{CREDITS}.balances:_id", _one_purse),
    ),
    (
        C,
        "cents-dropped",
        "W413 M603",
        "createPayment",
        "Cents of a new payment are dropped.",
        maker("Payment", _rounded_up),
    ),
    (
        A,
        "thirteen-months",
        "M607",
        "getFinanceAccount",
        "Invoices of thirteen months are shown.",
        tables(conventions(rules={"months": 13})),
    ),
    (
        A,
        "eleven-months",
        "M607",
        "getFinanceAccount",
        "Invoices of eleven months are shown.",
        tables(conventions(rules={"months": 11})),
    ),
    (
        A,
        "first-day-left-out",
        "M607",
        "getFinanceAccount",
        "The first day of the window is left out.",
        during("mockserver.apis.accounts.summaries:window", _without_first_day),
    ),
)

DEFECTS = catalog("arithmetic", ROWS)
