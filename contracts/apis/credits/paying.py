"""Stories of payments: posted short, in part and beyond, charged and declined, reversed; and their previews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from contracts.apis.credits.bodies import item
from contracts.apis.credits.ground import ZERO, Row, money, plain, remains
from contracts.apis.credits.scenes import Scene, Stagehand, Target, children, paid
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe

CENT = Decimal("0.01")


def _posted(hand: Stagehand, amount: Decimal, targets: Sequence[Target], tolerance: Decimal) -> Iterator[Finding]:
    """Post a payment, see what it did and that its preview told it, and take it back."""
    before = hand.scene()
    thing = hand.payment(amount, *targets)
    hand.do(thing, "validate")
    preview = hand.ground.read("previewPaymentPost", thing.id)
    if hand.scene() != before:
        hand.steps.append(hand.ground.told("previewPaymentPost", thing.id))
        yield hand.wrong(
            "W405", "previewPaymentPost", "preview", "a preview that changes nothing", "money moved", "O, M"
        )
        return
    row = hand.do(thing, "post")
    wanted, now = paid(before, amount, targets, tolerance), hand.scene()
    found = [
        *hand.took("postPayment", row, wanted.taken),
        *hand.forgiven("postPayment", row, wanted.forgiven),
        *hand.tells(thing, row),
    ] or list(hand.lies("postPayment", wanted, now))
    yield from found
    if not found:
        yield from _told(hand, thing, preview, row, now)
        yield from hand.taken_back(thing, before, now, *children(row))
    hand.stage.end(thing)


def _told(hand: Stagehand, thing: Thing, preview: Row, row: Row, now: Scene) -> Iterator[Finding]:
    """The preview told what came, and the credit is among those of its invoices."""
    operation = "previewPaymentPost"
    named = [each.get("containerLocator") for each in row.get("targets", ())]
    said = {
        "credits": sorted(str(money(each.get("amount"))) for each in preview.get("credits", ())),
        "shortfallCredits": len(preview.get("shortfallCredits", ())),
        "invoices": {str(each.get("locator")): remains(each) for each in preview.get("invoices", ())},
    }
    forgiven = children(row)
    amounts = [money(hand.ground.read("fetchShortfallCredit", each).get("amount")) for each in forgiven]
    came = {
        "credits": sorted(map(str, [money(row.get("amount")), *amounts])),
        "shortfallCredits": len(forgiven),
        "invoices": {each: now.owes(each) for each in now.invoices if each in named},
    }
    for name, wanted in came.items():
        if said[name] != wanted:
            hand.steps.append(hand.ground.told(operation, thing.id))
            yield hand.wrong("M605", operation, name, f"{name} as posting left them: {wanted}", str(said[name]), "O, M")
            return
    for locator in came["invoices"] if isinstance(came["invoices"], dict) else ():
        below = {str(each.get("locator")) for each in hand.ground.rows("fetchCreditsForAnInvoice", locator)}
        if thing.id not in below and any(
            each.get("amount") for each in row["targets"] if each.get("containerLocator") == locator
        ):
            yield hand.ground.wrong(
                "M606",
                "fetchCreditsForAnInvoice",
                "rows",
                f"payment {thing.id} below {locator}",
                "it is missing",
                "S, M",
                at=locator,
            )
            return


def owed(hand: Stagehand, at: int = 0) -> Decimal:
    """What an invoice of the story owes now."""
    return remains(hand.ground.invoice(hand.target(at)))


def short(p: Probe) -> Iterator[Finding]:
    """By just the tolerance: the rest is forgiven."""
    hand, tolerance = tolerant(p)
    yield from _posted(hand, owed(hand) - tolerance, [(hand.target(), None)], tolerance)


def beyond(p: Probe) -> Iterator[Finding]:
    """By a cent more than the tolerance: nothing is forgiven."""
    hand, tolerance = tolerant(p)
    yield from _posted(hand, owed(hand) - tolerance - CENT, [(hand.target(), None)], tolerance)


def untolerated(p: Probe) -> Iterator[Finding]:
    """In a currency without a tolerance: nothing is forgiven, however little it is."""
    for currency, tolerance in p.settings.values.get(p.api.name, {}).get("tolerances", {}).items():
        if not tolerance:
            hand = Stagehand(p, currency=currency)
            yield from _posted(hand, owed(hand) - CENT, [(hand.target(), None)], ZERO)
            return
    raise Nothing("no currency without a tolerance is named under [values.credits.tolerances] in contracts.toml")


def too_much(p: Probe) -> Iterator[Finding]:
    """More than is owed: the rest goes to the credit balance."""
    hand = Stagehand(p)
    yield from _posted(hand, owed(hand) + 20, [(hand.target(), None)], ZERO)


def several(p: Probe) -> Iterator[Finding]:
    """One target states less than it owes, the other takes all that it owes; what is left is the account's."""
    hand = Stagehand(p, invoices=2)
    first, second = hand.target(0), hand.target(1)
    tolerance = hand.ground.tolerance(hand.currency)
    yield from _posted(hand, owed(hand, 1) + 7, [(first, Decimal(5)), (second, None)], tolerance)


def in_order(p: Probe) -> Iterator[Finding]:
    """Not enough for both: the first target is paid whole, the second gets what is left."""
    hand = Stagehand(p, invoices=2)
    first, second = hand.target(0), hand.target(1)
    tolerance = hand.ground.tolerance(hand.currency)
    yield from _posted(hand, owed(hand, 0) + 2, [(first, None), (second, None)], tolerance)


def tolerant(p: Probe) -> tuple[Stagehand, Decimal]:
    """A lent invoice in a currency that has a tolerance."""
    for currency, said in p.settings.values.get(p.api.name, {}).get("tolerances", {}).items():
        if said:
            return Stagehand(p, money(said) + 10, currency=currency), money(said)
    raise Nothing("no tolerance is named under [values.credits.tolerances] in contracts.toml")


def spent(p: Probe) -> Iterator[Finding]:
    """What a payment fed is paid out: it cannot be taken back until that is."""
    hand = Stagehand(p)
    thing = hand.fed(Decimal(30))
    before = hand.scene()
    out = hand.create("createDisbursement", disbursement(hand, before.balance))
    hand.do(out, "validate", "approve", "execute")
    was = hand.scene()
    if was.balance or ("reversePayment", "balance") in hand.stage.wrongs:
        raise Blocked("balances are not what was moved, so nothing can be seen to be spent; see M605")
    operation = hand.stage.by_event("Payment", "reverse")
    hand.steps.append(hand.stage.play(hand.stage.case(operation, None, thing)))
    if hand.steps[-1].status != p.status("state", "Payment"):
        expected = f"{p.status('state', 'Payment')}: its money has been paid out"
        yield hand.wrong("W403", operation.id, "spent", expected, f"{hand.steps[-1].status}", "M")
    elif hand.scene() != was:
        yield hand.wrong("W405", operation.id, "spent", "a refusal that changes nothing", "money moved", "M")
    else:
        yield from hand.taken_back(out, before, was)
    hand.stage.end(out)
    hand.stage.end(thing)


def unreasoned(p: Probe) -> Iterator[Finding]:
    """For a reason that nobody has configured."""
    hand = Stagehand(p)
    thing = hand.fed(Decimal(3))
    operation = hand.stage.by_event("Payment", "reverse")
    body = {"reversalType": f"no such reason {p.tag}"}
    hand.steps.append(p.call(operation, hand.stage.acting(operation, thing), thing.params, body=body))
    if hand.steps[-1].status != p.status("body"):
        expected, came = f"{p.status('body')}: no such reversal type", str(hand.steps[-1].status)
        yield hand.wrong("S306", operation.id, "reversalType", expected, came, "O, M")
    hand.stage.end(thing)


def elsewhere(p: Probe) -> Iterator[Finding]:
    """In another currency than the balance that is looked at, which has nothing to do with it."""
    hand = Stagehand(p)
    known = {str(each.get("currency")) for each in hand.ground.rows("fetchCredits")} - {hand.currency}
    if not known:
        raise Nothing(f"no credit is in another currency than {hand.currency}")
    before, amount = hand.scene(), Decimal(9)
    thing = hand.payment(amount, currency=min(known))
    hand.do(thing, "validate", "post")
    now = hand.scene()
    if now.balance != before.balance:
        expected = f"{before.balance} {hand.currency}, as {amount} {min(known)} were paid"
        yield hand.wrong("M605", "postPayment", "currency", expected, str(now.balance), "I, M")
    hand.stage.end(thing)


# The execution service


def charged(p: Probe) -> Iterator[Finding]:
    """It posts what it could charge, step by step."""
    hand = Stagehand(p)
    before, amount = hand.scene(), Decimal(7)
    thing = hand.payment(amount)
    hand.do(thing, "validate", "request")
    state = hand.stage.arrive(thing, "requested")
    if state != "posted":
        raise Blocked(f"a requested payment should be posted in the end; it is {state}")
    row = _looked(hand, thing)
    yield from _logged(hand, row, ["requested", "executing", "posted"])
    p.walked("Payment", "requested", "execute", "arrived")
    p.walked("Payment", "executing", "executed", "arrived")
    now = hand.scene()
    found = list(hand.lies("executePayment", paid(before, amount, [], ZERO), now))
    yield from found
    if not found:
        yield from hand.taken_back(thing, before, now)
    hand.stage.end(thing)


def declined(p: Probe) -> Iterator[Finding]:
    """A charge that is declined is tried as often as the plan says, and moves nothing."""
    said = p.settings.values.get(p.api.name, {}).get("declining", {})
    hand = Stagehand(p)
    stage = hand.stage
    for plan, tries in ((None, 1), (said.get("retryPlan"), int(said.get("attempts", 0)))):
        if not tries:
            continue
        members = {} if plan is None else {"retryPlanName": plan}
        before = hand.ground.balance(str(said.get("account")), hand.currency) if said else ZERO
        thing, state = stage.charged(**members, currency=hand.currency)
        hand.steps = [hand.ground.tell("fetchPayment", thing.id)]
        if state != "failed":
            yield hand.wrong("W402", "executePayment", "declined", "failed: its card is declined", state, "D")
            stage.end(thing)
            return
        again = ["executing", "declined"] * tries
        yield from _logged(hand, hand.steps[0].json, ["requested", *again, "failed"])
        p.walked("Payment", "executing", "giveUp", "arrived")
        if tries > 1:
            p.walked("Payment", "executing", "decline", "arrived")
        now = hand.ground.balance(str(said["account"]), hand.currency)
        if now != before:
            yield hand.wrong("M605", "executePayment", "balance", f"{before}: nothing was charged", str(now), "D, I")


def _looked(hand: Stagehand, thing: Thing) -> Row:
    hand.steps.append(hand.ground.tell("fetchPayment", thing.id))
    row = hand.steps[-1].json
    assert isinstance(row, dict)
    return row


def _logged(hand: Stagehand, row: Row, wanted: list[str]) -> Iterator[Finding]:
    log = row.get("executionLog")
    found = [str(each.get("event")) for each in log if isinstance(each, dict)] if isinstance(log, list) else []
    if found != wanted:
        code = "W407" if len(found) > len(wanted) else "W406"
        yield hand.wrong(code, "executePayment", "executionLog", ", ".join(wanted), ", ".join(found), "D, M")


def disbursement(hand: Stagehand, amount: Decimal) -> dict[str, Any]:
    return {
        "amount": plain(amount),
        "type": hand.ground.disbursement_type,
        "useDefaultFinancialInstrument": False,
        "data": {"mark": hand.p.tag},
        "currency": hand.currency,
        "accountLocator": hand.account,
        "sources": [item("account", hand.account)],
    }
