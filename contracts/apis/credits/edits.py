"""Drafts that are edited and replaced: what a request names is changed, all else stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from contracts.apis.credits.bodies import item
from contracts.apis.credits.ground import APIS, SPEC
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.wire import Exchange

Edited = tuple[Exchange, Mapping[str, Any]]
"""The call, and the members that the draft should have after it"""


def _payment(stage: Stage) -> Edited:
    """Members of `data` come and go, a target goes and another comes."""
    target = stage.ground.target["locator"]
    made = stage.bodies.payment(data={"stays": 1, "goes": 2, "changes": 3}, targets=[item("invoice", target)])
    thing = stage.draft("createPayment", made)
    account = item("account", stage.ground.target["accountLocator"])
    body = {
        "addTargets": [account],
        "removeTargets": [target],
        "setData": {"changes": 4, "comes": 5},
        "removeData": {"goes": None},
    }
    return _sent(stage, "updatePayment", thing, body), {
        "data": {"stays": 1, "changes": 4, "comes": 5},
        "targets": [account],
        "amount": made["amount"],
        "type": made["type"],
    }


def _distribution(stage: Stage) -> Edited:
    """The amount changes and a target goes; the sources stay."""
    made = stage.bodies.distribution()
    thing = stage.draft("createCreditDistribution", made)
    gone = [each["containerLocator"] for each in made["targets"]]
    body = {"addSources": [], "removeSources": [], "addTargets": [], "removeTargets": gone, "amount": 0.05}
    wanted = {"amount": 0.05, "sources": made["sources"], "targets": [], "currency": made["currency"]}
    return _sent(stage, "updateCreditDistribution", thing, body), wanted


def _replaced(stage: Stage) -> Edited:
    """All that the first request said goes."""
    made, operation = stage.bodies.distribution(), stage.p.operation("createOrReplaceCreditDistribution")
    thing = Thing("CreditDistribution", stage.p.mint("CreditDistribution"), stage.actor(operation), stage.ground.home)
    thing = Thing(thing.entity, thing.id, thing.caller, {**thing.params, "locator": thing.id})
    stage.p.expect(_sent(stage, operation.id, thing, made))
    body = {**made, "amount": 0.07, "targets": [], "sources": [{**made["sources"][0], "amount": 0.07}]}
    return _sent(stage, operation.id, thing, body), {name: body[name] for name in ("amount", "targets", "sources")}


def _sent(stage: Stage, id: str, thing: Thing, body: Any) -> Exchange:
    operation = stage.p.operation(id)
    return stage.p.call(operation, stage.acting(operation, thing), thing.params, body=body)


EDITS: Mapping[str, Callable[[Stage], Edited]] = {
    "updatePayment": _payment,
    "updateCreditDistribution": _distribution,
    "createOrReplaceCreditDistribution": _replaced,
}


@check(
    "credits.edits",
    proves="an edit of a draft adds, removes and sets what it names, a replacement leaves nothing of what was",
    codes=("W415",),
    mode=Mode.OWN,
    cases=lambda api: list(EDITS),
    apis=APIS,
)
def edits(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    exchange, wanted = EDITS[case](p.stage)
    row = p.expect(exchange).json
    for name, value in wanted.items():
        found = row.get(name) if isinstance(row, dict) else None
        if found != value:
            expected, came, subject = f"{name} {value!r}", f"{found!r}", f"draft {name}"
            yield p.finding("W415", exchange, expected=expected, came=came, source="O, D", place=SPEC, subject=subject)
            return
