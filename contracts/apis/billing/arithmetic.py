"""The arithmetic of billing: on what a deployment has, and on charges made so that every rounding shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from contracts.apis.billing import money
from contracts.apis.billing.effects import BILLING, staged
from contracts.apis.billing.ground import Row, below, exact, listing, of, read
from contracts.apis.billing.money import Wrong
from contracts.apis.billing.stage import Stage
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Nothing, Probe, member
from contracts.registry import check
from contracts.routes import passes
from contracts.settings import Mode
from contracts.wire import Exchange

PRICED = ("Journal", "Ledger", "CustomLedger", "Statement")
BUYERS = Decimal("0.001")
"""Rates nearer to one than this cannot be told from what they are upside down."""
SAMPLE = 4
"""Objects of an entity that are worked out anew."""
SOURCE = "DOC, INF (f)"


def _found(p: Probe, wrongs: Iterator[Wrong], exchange: Exchange, thing: str, entity: str) -> Iterator[Finding]:
    """A finding for each thing that does not add up; the place is the member, not the object."""
    for each in wrongs:
        yield p.finding(
            each.code,
            exchange,
            expected=f"{each.what} of {thing}: {each.expected}",
            came=each.came,
            source=SOURCE,
            place="conventions",
            subject=f"{entity} {each.what}",
        )


def _total_places(p: Probe) -> int:
    return p.api.conventions.money["totals"]


def _percent_places(p: Probe) -> int:
    return p.api.conventions.money["percentages"]


@check(
    "billing.totals",
    proves="totals, counts, markup and margin of what is there follow from its charges",
    codes=("M601", "M602", "M603", "M604"),
    cases=lambda api: PRICED,
    apis=BILLING,
)
def existing(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.lists(case)
    assert operation is not None
    rows = listing(p, operation.id).rows
    # What this run has made, it works out where it makes it.
    others = [row for row in rows if str(row["id"]) not in p.guard.made.get(case, ())]
    fit = [row for row in others if not passes(p.api.machines[case], str(row.get("status")))]
    if not fit:
        raise Nothing(f"there is no {case}")
    for row in _varied(p, fit):
        thing = Thing(case, str(row["id"]), p.who("operations"), {"id": str(row["id"])})
        yield from priced(p, thing)


def _varied(p: Probe, rows: Sequence[Row]) -> list[Row]:
    """A few rows, of as many states and kinds as there are."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        kinds.setdefault((str(row.get("status")), str(row.get("billingType"))), []).append(row)
    firsts = [p.random.choice(each) for each in kinds.values()]
    return p.random.sample(firsts, min(SAMPLE, len(firsts)))


def priced(p: Probe, thing: Thing) -> Iterator[Finding]:
    """Findings about the price of one object and of its charges."""
    parent, seen = read(p, thing)
    charges = below(p, thing)
    consolidated = parent.get("billingType") == "Consolidated"
    if not consolidated:
        yield from _found(p, _charges(p, charges.rows), charges.exchange, thing.id, "Charge")
    if not charges.rows and thing.entity in ("Ledger", "Statement") and not consolidated:
        return  # that its charges are not linked to it is another check's matter
    wrongs = list(_whole(p, parent, charges.rows, consolidated=consolidated))
    if not wrongs:
        wrongs = list(_ratios(p, parent, charges.rows, consolidated=consolidated))
    yield from _found(p, iter(wrongs), seen, thing.id, thing.entity)


def _charges(p: Probe, rows: Sequence[Row]) -> Iterator[Wrong]:
    for row in rows:
        yield from money.charge(row, _percent_places(p))
        children = [each for each in rows if member(each, "parent.id") == row["id"]]
        if children:
            yield from money.shares(row, children)


def _whole(p: Probe, parent: Row, charges: Sequence[Row], *, consolidated: bool) -> Iterator[Wrong]:
    ledgers = of(p, "Ledger", "journal", str(parent["id"])).rows if str(parent["id"]).startswith("BJO-") else ()
    if consolidated:
        yield from money.parts(parent, of(p, "Statement", "parent", str(parent["id"])).rows, "children")
    elif ledgers:
        yield from money.parts(parent, ledgers, "ledgers")
        yield from money.counts(parent, charges)
    else:
        yield from money.totals(parent, charges, _total_places(p))
        yield from money.counts(parent, charges)
    yield from money.taxed(parent["price"])


def _ratios(p: Probe, parent: Row, charges: Sequence[Row], *, consolidated: bool) -> Iterator[Wrong]:
    """markup, margin and type follow from the totals beside them; the purchase side is converted charge by charge."""
    yield from _type(parent)
    net, gross = money.amount(parent, "price.totalPP"), money.amount(parent, "price.totalSP")
    rates = {money.amount(row, "price.currency.rate") for row in charges if member(row, "processing.status") == "Ready"}
    if net is None or gross is None or consolidated:
        return
    if rates <= {Decimal(1)}:
        yield from money.percentages(parent["price"], net, gross, _percent_places(p))
    elif not member(parent, "journal") and not str(parent["id"]).startswith("BJO-"):
        converted = money.rounded(money.cost(charges), _total_places(p))
        yield from money.percentages(parent["price"], converted, gross, _percent_places(p))


def _type(parent: Row) -> Iterator[Wrong]:
    net = money.amount(parent, "price.totalSP")
    if parent.get("type") in ("Debit", "Credit") and net is not None:
        wanted = "Credit" if net < 0 else "Debit"
        if parent["type"] != wanted:
            yield Wrong("M602", "type", f"{wanted}, by the sign of totalSP", str(parent["type"]))


@check(
    "billing.documents.totals",
    proves="lines, taxes and totals of invoices and credit memos add up",
    codes=("M601", "M602", "M603"),
    cases=lambda api: ("Invoice", "CreditMemo"),
    apis=BILLING,
)
def documents(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.lists(case)
    assert operation is not None
    rows = listing(p, operation.id, query="select=lines").rows
    if not rows:
        raise Nothing(f"there is no {case}")
    for row in p.random.sample(rows, min(SAMPLE, len(rows))):
        thing = Thing(case, str(row["id"]), p.who("operations"), {"id": str(row["id"])})
        reader = p.stage.reader(thing)
        exchange = p.expect(p.call(reader, p.who("operations"), {"id": thing.id}, query="select=lines"), 200)
        yield from _found(p, _document(p, exact(exchange)), exchange, thing.id, case)


def _document(p: Probe, row: Row) -> Iterator[Wrong]:
    price = row["price"]
    lines = [each.get("price", {}) if "price" in each else each for each in row.get("lines", ())]
    yield from money.taxed(price)
    yield from money.document(price, lines)
    for each in lines:
        yield from money.line(each)
    net, gross = money.amount(price, "totalPP"), money.amount(price, "totalSP")
    if net is not None and gross is not None:
        yield from money.percentages(price, net, gross, _percent_places(p))


# Five places are shown of a total: these come to half of the last one, above zero and below, alone and together.
AMOUNTS = {
    "half": ("0.000025",),
    "minus half": ("-0.000025",),
    "thirds": ("0.000004", "0.000004", "0.000004"),
    "plain": ("100.01", "33.33333", "1234.56789"),
    "netted": ("200", "-150"),
    "nothing": ("100", "-100"),
}


@check(
    "billing.amounts",
    proves="charges of known amounts come to exact totals on their journal, ledger and statement, rounded once",
    codes=("M601", "M602", "M603", "M604", "F703"),
    mode=Mode.OWN,
    cases=lambda api: tuple(AMOUNTS),
    apis=BILLING,
)
def amounts(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    journal = stage.journal([stage.line(stage.plain()[0], each) for each in AMOUNTS[case]])
    yield from priced(p, journal)
    yield from _given(p, journal, [Decimal(each) for each in AMOUNTS[case]])
    yield from _down(p, stage, journal)


def _given(p: Probe, journal: Thing, wanted: Sequence[Decimal]) -> Iterator[Finding]:
    """Every charge has the amount of its line."""
    charges = below(p, journal)
    own = [row for row in charges.rows if "parent" not in row]
    shown = [money.amount(row, "price.PPx1") for row in own]
    if len(shown) == len(wanted):
        for one, other in zip(wanted, shown, strict=True):
            if other is None or not money.near(one, other, money.DOUBLE):
                yield p.finding(
                    "F703",
                    charges.exchange,
                    expected=f"PPx1 {one:f}",
                    came=str(other),
                    source="CLI, DOC",
                    subject="PPx1",
                )


def _down(p: Probe, stage: Stage, journal: Thing) -> Iterator[Finding]:
    """The same from the journal down to the statements."""
    stage.bring(journal, "Generated")
    yield from priced(p, journal)
    for ledger in stage.ledgers(journal):
        yield from priced(p, ledger)
        stage.bring(ledger, "Generated")
        for statement in stage.statements(ledger):
            yield from priced(p, statement)


@check(
    "billing.shares",
    proves="a split charge is shared out by percentages, converted and unrounded, and its shares alone are billed",
    codes=("M601", "M602", "M603", "M604"),
    mode=Mode.OWN,
    cases=lambda api: ("split", "converted", "buyer"),
    apis=BILLING,
)
def shares(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    source = stage.one("Split") if case == "split" else stage.abroad(buyer=case == "buyer")
    lines = [stage.line(source, each) for each in ("1234.56789", "0.00007", "33.33")]
    journal = stage.journal(lines, authorization=source.authorization)
    charges = below(p, journal)
    if case != "split":
        yield from _found(p, _buyer_side(source.buyer_rate, charges.rows), charges.exchange, journal.id, "Charge")
    yield from priced(p, journal)
    yield from _down(p, stage, journal)


# (quantity, purchase, sale) of each row that Operations bill by hand: examples of section f, and halves of last places.
ROWS = {
    "vectors": (("1", "5170.20", "5620.44"),),
    "weighted": (("1", "100", "200"), ("1", "900", "900")),
    "half": (("1", "256", "256.00001"),),
    "quantity": (("3", "33.333", "44.444"), ("2.5", "10.01", "12.02")),
    "nothing": (("1", "0", "10"),),
}


@check(
    "billing.manual.amounts",
    proves="rows of a custom ledger come to exact totals, and their markup and margin follow from both sides",
    codes=("M601", "M602", "M603"),
    mode=Mode.OWN,
    cases=lambda api: tuple(ROWS),
    apis=BILLING,
)
def by_hand(p: Probe, case: str) -> Iterator[Finding]:
    stage = staged(p)
    rows = [stage.row(unit, sale, Quantity=Decimal(quantity)) for quantity, unit, sale in ROWS[case]]
    rows += [stage.row("40", "50", **{"Document Type": "Credit Memo"})] if case == "weighted" else []
    ledger = stage.custom_ledger(rows)
    yield from priced(p, ledger)
    charges = below(p, ledger)
    yield from _found(p, _buyer_side(stage.manual.buyer_rate, charges.rows), charges.exchange, ledger.id, "Charge")
    for row, given in zip(charges.rows, ROWS[case], strict=False):
        for name, told in zip(("unitPP", "unitSP"), given[1:], strict=True):
            shown = money.amount(row, f"price.{name}")
            if shown is None or not money.near(Decimal(told), shown, money.DOUBLE):
                yield p.finding(
                    "F703", charges.exchange, expected=f"{name} {told}", came=str(shown), source="DOC", subject=name
                )
    for row in charges.rows[len(ROWS[case]) :]:
        shown = money.amount(row, "price.PPx1")
        if shown != -40:
            yield p.finding(
                "M602",
                charges.exchange,
                expected="PPx1 -40: a credit memo gives back",
                came=str(shown),
                source="INF",
                subject="Credit Memo",
            )


def _buyer_side(rate: Decimal, charges: Sequence[Row]) -> Iterator[Wrong]:
    """The buyer's currency is worth what it was in earlier charges, or has moved; it is not turned upside down."""
    for row in charges:
        sale, buyer = money.amount(row, "price.SPx1"), money.amount(row, "price.BSPx1")
        if abs(rate - 1) > BUYERS and sale and buyer and money.near(sale, buyer * rate, money.SHOWN):
            yield Wrong("M604", "price.BSPx1", f"{sale * rate:f}, at {rate:f}", f"{buyer:f}")
            return
