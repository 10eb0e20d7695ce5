"""What can be drafted and is found not valid: the call succeeds, it stays a draft, and says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from contracts.apis.credits.bodies import item
from contracts.apis.credits.ground import APIS, SPEC, plain
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.probe import Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from specs.tables import Api

HUGE = Decimal(900_000_000)
"""More than any balance holds, and less than an amount may be"""
Made = Callable[[Stage], tuple[str, Any]]
"""The operation that drafts it, and the body"""


def _payment(stage: Stage, **members: Any) -> tuple[str, Any]:
    return "createPayment", stage.bodies.payment(**members)


def _target(stage: Stage, amount: int) -> dict[str, Any]:
    return {**item("invoice", stage.ground.target["locator"]), "amount": amount}


def asks_more(stage: Stage) -> tuple[str, Any]:
    return _payment(stage, amount=3, targets=[_target(stage, 4)])


def twice(stage: Stage) -> tuple[str, Any]:
    return _payment(stage, targets=[_target(stage, 1), _target(stage, 2)])


def untyped(stage: Stage) -> tuple[str, Any]:
    return _payment(stage, type=f"no such type {stage.p.tag}")


def unplanned(stage: Stage) -> tuple[str, Any]:
    return _payment(stage, retryPlanName=f"no such plan {stage.p.tag}")


def of_another(stage: Stage) -> tuple[str, Any]:
    """A payment of one account for the invoice of another."""
    owner = stage.ground.target["accountLocator"]
    for each in stage.ground.payers:
        if each != owner:
            return _payment(stage, accountLocator=each)
    raise Nothing("only one account is known")


def of_draft(stage: Stage) -> tuple[str, Any]:
    """A payment of an account that is no more than a draft."""
    account = stage.ground.values.get("draftAccount")
    if account is None:
        raise Nothing("no account is named that is a draft: draftAccount under [values.credits] in contracts.toml")
    return _payment(stage, accountLocator=account, targets=[])


def beyond_balance(stage: Stage) -> tuple[str, Any]:
    body = stage.bodies.distribution()
    return "createCreditDistribution", {
        **body,
        "amount": plain(HUGE),
        "targets": [item("invoice", stage.ground.target["locator"])],
    }


def uneven(stage: Stage) -> tuple[str, Any]:
    """Sources of less than the amount."""
    body = stage.bodies.distribution()
    source = {**body["sources"][0], "amount": 0.01}
    return "createCreditDistribution", {**body, "amount": 0.02, "sources": [source]}


def paid_beyond(stage: Stage) -> tuple[str, Any]:
    return "createDisbursement", {**stage.bodies.disbursement(), "amount": plain(HUGE)}


INVALID: Mapping[str, Made] = {
    "validatePayment whose targets ask for more": asks_more,
    "validatePayment with a target twice": twice,
    "validatePayment of no type": untyped,
    "validatePayment with no such plan": unplanned,
    "validatePayment of another account": of_another,
    "validatePayment of a draft account": of_draft,
    "validateCreditDistribution beyond the balance": beyond_balance,
    "validateCreditDistribution of uneven sides": uneven,
    "validateDisbursement beyond the balance": paid_beyond,
}


def cases(api: Api) -> Sequence[str]:
    return list(INVALID)


@check(
    "credits.validity",
    proves="what cannot be carried out is found not valid: the call succeeds, the draft stays one and says why",
    codes=("W402", "W406"),
    mode=Mode.OWN,
    cases=cases,
    apis=APIS,
)
def validity(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    stage, ground = p.stage, p.stage.ground
    create, body = INVALID[case](stage)
    made = p.expect(p.call(create, stage.actor(p.operation(create)), ground.home, body=body))
    thing = p.things[-1][1]
    operation = stage.by_event(thing.entity, "validate")
    exchange = p.expect(stage.play(stage.case(operation, None, thing)))
    row = exchange.json
    state = stage.told(thing, exchange)
    result = row.get("validationResult") if isinstance(row, dict) else None
    p.walked(thing.entity, "draft", "invalid", "arrived" if state == "draft" else "broken")
    code, expected, came = "", "", ""
    if state != "draft":
        code, expected, came = "W402", "draft, since it is not valid", f"it is {state}"
    elif not isinstance(result, dict) or result.get("success") is not False or not result.get("validationItems"):
        code, expected, came = "W406", "a validationResult that says why", f"{result}"
    if code:
        subject = case.partition(" ")[2]
        yield p.finding(
            code, exchange, expected=expected, came=came, source="D, M", place=SPEC, subject=subject, steps=[made]
        )
    stage.end(thing)


@check(
    "credits.refused",
    proves="a draft in several currencies, or as an aggregate, is refused",
    codes=("S306",),
    mode=Mode.OWN,
    cases=lambda api: list(REFUSED),
    apis=APIS,
)
def refused(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    stage = p.stage
    operation = p.operation(case.partition(" ")[0])
    exchange = p.call(operation, stage.actor(operation), stage.ground.home, body=REFUSED[case](stage))
    if exchange.status != p.status("body"):
        expected, came = f"{p.status('body')}: {case.partition(' ')[2]}", f"{exchange.status} {exchange.answer.said}"
        subject = case.partition(" ")[2]
        yield p.finding("S306", exchange, expected=expected, came=came, source="M", place=SPEC, subject=subject)
    if exchange.status < 300:
        stage.end(p.things[-1][1])


def _mixed(stage: Stage) -> Any:
    currency = stage.ground.currency
    other = next(each for each in ("USD", "EUR") if each != currency)
    return stage.bodies.payment(currency=other)


REFUSED: Mapping[str, Callable[[Stage], Any]] = {
    "createPayment in two currencies": _mixed,
    "createPayment as an aggregate": lambda stage: stage.bodies.payment(paymentMode="aggregate"),
}
EMPTY: Mapping[str, Callable[[Stage], Any]] = {
    "createPayment": lambda stage: {**stage.bodies.payment(), "targets": [], "data": {}},
    "createCreditDistribution": lambda stage: {**stage.bodies.distribution(), "sources": [], "targets": []},
    "createDisbursement": lambda stage: {**stage.bodies.disbursement(), "sources": [], "data": {}},
}


@check(
    "credits.empty",
    proves="collections that a draft must have may be empty",
    codes=("S307",),
    mode=Mode.OWN,
    cases=lambda api: list(EMPTY),
    apis=APIS,
)
def empty(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    operation = p.operation(case)
    exchange = p.call(operation, p.stage.actor(operation), p.stage.ground.home, body=EMPTY[case](p.stage))
    if exchange.status >= 300:
        expected = "a draft: what is required may be empty"
        yield p.finding("S307", exchange, expected=expected, source="D", place=SPEC, subject="empty collections")
    else:
        p.stage.end(p.things[-1][1])
