"""Stories of distributions, disbursements, write-offs and settlements: what they move, and give back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from contracts.apis.credits.bodies import item
from contracts.apis.credits.ground import ZERO, Row, money, plain, remains
from contracts.apis.credits.paying import disbursement, owed, tolerant
from contracts.apis.credits.scenes import Outcome, Scene, Stagehand, children, paid
from contracts.findings import Finding
from contracts.probe import Nothing, Probe

# Distributions and disbursements


def _distributed(hand: Stagehand, amount: Decimal, tolerance: Decimal) -> Iterator[Finding]:
    """Execute a distribution out of the balance, which was fed for it, and take it back."""
    feed = hand.fed(amount)
    before = hand.scene()
    thing = hand.create(
        "createCreditDistribution",
        {
            "amount": plain(amount),
            "currency": hand.currency,
            "accountLocator": hand.account,
            "sources": [item("account", hand.account)],
            "targets": [item("invoice", hand.target())],
        },
    )
    row = hand.do(thing, "validate", "execute")
    wanted = paid(Scene(before.balance - amount, before.invoices), amount, [(hand.target(), None)], tolerance)
    now, operation = hand.scene(), "executeCreditDistribution"
    found = [*hand.took(operation, row, wanted.taken), *hand.forgiven(operation, row, wanted.forgiven)]
    found += hand.tells(thing, row)
    found = found or list(hand.lies(operation, wanted, now))
    yield from found
    if not found:
        yield from hand.taken_back(thing, before, now, *children(row))
    hand.stage.end(thing)
    hand.stage.end(feed)


def distributed(p: Probe) -> Iterator[Finding]:
    """Some of the balance goes to an invoice."""
    yield from _distributed(Stagehand(p), Decimal(5), ZERO)


def distributed_short(p: Probe) -> Iterator[Finding]:
    """What is missing, within the tolerance, is forgiven."""
    hand, tolerance = tolerant(p)
    yield from _distributed(hand, owed(hand) - tolerance, tolerance)


def disbursed(p: Probe) -> Iterator[Finding]:
    """Some of the balance is paid out."""
    hand, amount = Stagehand(p), Decimal(5)
    feed = hand.fed(amount)
    before = hand.scene()
    thing = hand.create("createDisbursement", disbursement(hand, amount))
    hand.do(thing, "validate", "approve", "execute")
    wanted = Outcome(before.balance - amount, {each: before.owes(each) for each in before.invoices})
    now = hand.scene()
    found = list(hand.lies("executeDisbursement", wanted, now))
    yield from found
    if not found:
        yield from hand.taken_back(thing, before, now)
    hand.stage.end(thing)
    hand.stage.end(feed)


# Debt that nobody pays


def written_off(p: Probe) -> Iterator[Finding]:
    """A part of what an invoice owes."""
    hand, amount = Stagehand(p), Decimal(5)
    target = {**item("invoice", hand.target()), "amount": plain(amount)}
    yield from _forgone(hand, "writeOff", {"accountLocator": hand.account, "targets": [target]}, amount)


def written_off_whole(p: Probe) -> Iterator[Finding]:
    """All that an invoice owes, as no amount is said."""
    hand = Stagehand(p)
    body = {"accountLocator": hand.account, "targets": [item("invoice", hand.target())]}
    yield from _forgone(hand, "writeOff", body, owed(hand))


def written_off_by_name(p: Probe) -> Iterator[Finding]:
    """All that an invoice owes, by its own operation."""
    hand = Stagehand(p)
    yield from _forgone(hand, "writeOffInvoice", None, owed(hand))


def overwritten(p: Probe) -> Iterator[Finding]:
    """More than an invoice owes: refused."""
    hand = Stagehand(p)
    target = {**item("invoice", hand.target()), "amount": plain(owed(hand) + 1)}
    operation, before = p.operation("writeOff"), hand.scene()
    body = {"accountLocator": hand.account, "targets": [target]}
    hand.steps.append(p.call(operation, hand.stage.actor(operation), hand.ground.home, body=body))
    if hand.steps[-1].status != p.status("body"):
        expected = f"{p.status('body')}: it owes {before.owes(hand.target())}"
        yield hand.wrong("S306", operation.id, "amount", expected, str(hand.steps[-1].status), "M")
    if hand.steps[-1].status < 300:
        hand.stage.end(p.things[-1][1])


def _forgone(hand: Stagehand, operation: str, body: Any, amount: Decimal) -> Iterator[Finding]:
    before = hand.scene()
    if body is None:
        found = hand.p.operation(operation)
        params = {**hand.ground.home, "locator": hand.target()}
        hand.steps.append(hand.p.expect(hand.p.call(found, hand.stage.actor(found), params)))
        thing = hand.p.things[-1][1]
    else:
        thing = hand.create(operation, body)
    row = hand.steps[-1].json
    wanted = Outcome(
        before.balance,
        {**{each: before.owes(each) for each in before.invoices}, hand.target(): before.owes(hand.target()) - amount},
        [amount],
    )
    now = hand.scene()
    wrong = list(hand.took(operation, row, wanted.taken)) or list(hand.lies(operation, wanted, now))
    if not wrong and money(row.get("amount")) != amount:
        wrong = [hand.wrong("M601", operation, "amount", str(amount), str(row.get("amount")), "D, I")]
    yield from wrong
    if not wrong:
        yield from hand.taken_back(thing, before, now)
    hand.stage.end(thing)


# Invoices that owe nothing, or less


def _open(hand: Stagehand, below: bool) -> Row:
    for locator in hand.ground.owners:
        found = hand.ground.invoice(locator)
        whole = money(found.get("totalAmount"))
        if found.get("invoiceState") == "open" and (whole < 0 if below else whole == 0):
            return found
    raise Nothing(
        f"no open invoice {'below 0' if below else 'of 0'} is lent; name one under [lend.credits] in contracts.toml"
    )


def settled(p: Probe) -> Iterator[Finding]:
    """What an invoice below 0 is owed goes to the balance: not before it is due, unless that is forced."""
    hand = Stagehand(p)
    invoice = _open(hand, below=True)
    hand.account, hand.currency, hand.invoices = str(invoice["accountLocator"]), str(invoice["currency"]), [invoice]
    operation, id = p.operation("settleNegativeOrZeroInvoice"), "settleNegativeOrZeroInvoice"
    params, who = {**hand.ground.home, "locator": hand.target()}, hand.stage.actor(operation)
    before, known = hand.scene(), len(p.things)
    if str(invoice.get("dueTime")) > hand.stage.later(0):
        hand.steps.append(p.call(operation, who, params))
        if hand.steps[-1].status != p.status("state"):
            yield hand.wrong(
                "W403", id, "dueTime", f"{p.status('state')}: it is not due yet", f"{hand.steps[-1].status}", "M"
            )
            _end_since(hand, known)
            return
    hand.steps.append(p.expect(p.call(operation, who, params, query="forced=true")))
    owed, rows = -remains(invoice), hand.steps[-1].json.get("items", [])
    now = hand.scene()
    wanted = Outcome(before.balance + owed, {hand.target(): ZERO})
    found = list(hand.lies(id, wanted, now))
    if not found and [money(each.get("amount")) for each in rows] != [owed]:
        found = [hand.wrong("M601", id, "items", f"a distribution of {owed}", hand.steps[-1].answer.said, "O, D")]
    yield from found
    if not found:
        yield from hand.taken_back(p.things[-1][1], before, now)
    _end_since(hand, known)


def _end_since(hand: Stagehand, known: int) -> None:
    for _, thing in reversed(hand.p.things[known:]):
        hand.stage.end(thing)


def settled_zero(p: Probe) -> Iterator[Finding]:
    """The items of an invoice of 0 are settled against each other, for good."""
    hand = Stagehand(p)
    invoice = _open(hand, below=False)
    operation, locator = p.operation("settleNegativeOrZeroInvoice"), str(invoice["locator"])
    params = {**hand.ground.home, "locator": locator}
    exchange = p.call(operation, hand.stage.actor(operation), params, query="forced=true")
    hand.steps.append(p.expect(exchange))
    now = hand.ground.invoice(locator)
    left = [money(each.get("remainingAmount")) for each in now.get("invoiceItems", ())]
    if hand.steps[-1].json.get("items"):
        yield hand.wrong(
            "W407", operation.id, "items", "no distribution: there was nothing to move", exchange.answer.said, "O, M"
        )
    elif now.get("invoiceState") != "settled":
        yield hand.wrong("W406", operation.id, "invoiceState", "settled", f"{now.get('invoiceState')}", "O, M")
    elif any(left):
        yield hand.wrong(
            "M605", operation.id, "remainingAmount", "items that owe nothing", ", ".join(map(str, left)), "O, M"
        )
