"""Walks that nobody wrote: silent on a sound server, nearly everywhere, and short where they find something."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from contracts.run import running
from contracts.walks.journey import Journey
from contracts.walks.walk import carried
from mockserver import MockServer
from specs.tables import load
from tests.contracts.driver import settings, silent, told, verify
from tests.faulty import DEFECTS

Sound = Callable[..., MockServer]
WALKS = "journeys.walks"
REACHED = {
    # What needs a consolidated statement, or an upload that fails, no walk of sound files comes to.
    "billing": {"Journal": 13, "Ledger": 3, "CustomLedger": 6, "Statement": 10, "ManualOverride": 2},
    "credits": {"Payment": 9, "CreditDistribution": 7, "Disbursement": 10, "WriteOff": 1},
}
"""API -> entity -> pairs of state and event that ten walks do at least, whatever the seed"""


class Remembers:
    """A server that refuses to submit a journal for which a file was handed in twice."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.uploads: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        steps = scope.get("path", "").split("/")
        owner = b"vendor-token" in dict(scope.get("headers", ())).get(b"authorization", b"")
        if len(steps) == 7 and steps[4] == "journals" and owner:
            self.uploads[steps[5]] += steps[6] == "upload"
            if steps[6] == "submit" and self.uploads[steps[5]] > 1:
                said = {"type": "x", "title": "Conflict", "status": 409, "detail": "no", "traceId": "0", "errors": {}}
                headers = [(b"content-type", b"application/json")]
                await send({"type": "http.response.start", "status": 409, "headers": headers})
                await send({"type": "http.response.body", "body": json.dumps(said).encode()})
                return
        await self.app(scope, receive, send)


@pytest.mark.parametrize("api", REACHED)
def test_walks_on_a_sound_server_find_nothing(sound_of: Sound, api: str) -> None:
    result = verify(sound_of(api), api, mode="full", only=[WALKS], seed=3)
    assert silent(result) == []
    assert result.requests < 4000


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("api", "entity"), [(api, entity) for api in REACHED for entity in REACHED[api]])
def test_walks_go_nearly_everywhere(sound_of: Sound, api: str, entity: str, seed: int) -> None:
    with running(settings(sound_of(api), api, mode="full", seed=seed)) as made:
        p = made.probes[api]
        journey = Journey(p, p.api.machines[entity])
        journey.run()
        assert journey.found == {}
        assert len(journey.tried) >= REACHED[api][entity], journey.tried
    walked = {(state, event) for of, name, state, event in made.result.transitions if (of, name) == (api, entity)}
    assert set(journey.tried) <= walked


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_only_a_history_shows_is_told_as_the_shortest_one(sound_of: Sound, seed: int) -> None:
    app = Remembers(sound_of("billing"))
    result = verify(app, "billing", mode="full", only=[WALKS, "entity:Journal"], seed=seed)
    (found,) = result.findings
    assert (found.code, found.operation) == ("W412", "submitJournal")
    assert found.subject == "Validated submit: upload by vendor, upload by vendor, submit by vendor"
    assert [(each.caller.name, each.operation) for each in found.steps] == [
        ("vendor", "uploadJournalCharges"),
        ("vendor", "uploadJournalCharges"),
        ("vendor", "submitJournal"),
    ]


@pytest.mark.parametrize(
    ("name", "entity", "code", "operation", "subject"),
    [
        ("submit-a-draft", "Journal", "W403", "submitJournal", "Draft submit"),
        ("delete-error-refused", "CustomLedger", "W401", "deleteCustomLedger", "Error delete"),
        ("approve-arrives-elsewhere", "Disbursement", "W402", "approveDisbursement", "validated approve"),
        ("stale-journal", "Journal", "W408", "getJournal", "Journal"),
        ("stale-list", "CustomLedger", "W408", "listCustomLedgers", "CustomLedger"),
    ],
)
def test_what_one_step_shows_is_told_as_the_checks_of_single_steps_tell_it(
    name: str, entity: str, code: str, operation: str, subject: str
) -> None:
    defect = next(each for each in DEFECTS if each.name == name)
    result = verify(defect.plant(), defect.api, mode="full", only=[WALKS, f"entity:{entity}"])
    identities = {each.identity for each in result.findings}
    assert identities == {(code, defect.api, operation, subject)}, told(result.findings)


def test_one_defect_is_one_finding_however_many_checks_see_it() -> None:
    defect = next(each for each in DEFECTS if each.name == "submit-a-draft")
    result = verify(defect.plant(), "billing", mode="full", only=["machines.*", WALKS, "entity:Journal"])
    (found,) = result.findings
    assert (found.check, found.subject) == ("machines.undeclared", "Draft submit")
    assert found.also


def test_the_same_seed_walks_the_same_way(sound_of: Sound) -> None:
    tried = []
    for _ in range(2):
        with running(settings(sound_of("credits"), "credits", mode="full", seed=5)) as made:
            p = made.probes["credits"]
            journey = Journey(p, p.api.machines["Disbursement"])
            journey.run(walks=3)
            tried.append(journey.tried)
    assert tried[0] == tried[1]


def test_background_work_may_carry_an_object_on() -> None:
    payment = load("credits").machines["Payment"]
    assert carried(payment, "requested") == {"requested", "executing", "posted", "failed"}
    assert carried(payment, "draft") == {"draft"}
