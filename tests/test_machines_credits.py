"""Every event in every state by every caller, over HTTP, and what the system does by itself (credits 8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from mockserver import MockServer, create_app
from mockserver.domain.errors import NoSuchTransition
from mockserver.domain.machine import transition
from tests import rights
from tests.credits_stage import (
    API,
    CALLERS,
    FIELDS,
    INSTRUMENTS,
    PLURALS,
    STAGING,
    TRAINING,
    WAYS,
    Stage,
    built,
    invoice,
    request,
    scenario,
)
from tests.driver import Client
from tests.rights import assert_documented, fingerprints

OPERATIONS = rights.operations(API)
ROWS = rights.table(API)["operations"]

# The ways between states as credits 8 states them, written down here once more: `from > event > to`. Events that no
# operation causes are in brackets; they come of background work, of a validation, or of what happens to another object.
TABLE = {
    "Payment": """
        draft > edit > draft
        draft > validate > validated
        draft > (invalid) > draft
        validated > reset > draft
        validated > post > posted
        validated > request > requested
        requested > (execute) > executing
        executing > (executed) > posted
        executing > (decline) > requested
        executing > (giveUp) > failed
        requested executing > fail > failed
        requested > cancel > cancelled
        draft validated > discard > discarded
        posted > reverse > reversed
    """,
    "CreditDistribution": """
        draft > edit > draft
        draft > validate > validated
        draft > (invalid) > draft
        validated > reset > draft
        validated > execute > executed
        draft validated > discard > discarded
        executed > reverse > reversed
    """,
    "Disbursement": """
        draft > validate > validated
        draft > (invalid) > draft
        validated > approve > approved
        approved > execute > executed
        validated approved > reset > draft
        validated approved > reject > rejected
        draft validated > discard > discarded
        executed > reverse > reversed
    """,
    "ShortfallCredit": """
        draft > (distribute) > distributed
        distributed > (reverse) > reversed
    """,
    "WriteOff": """
        draft > (distribute) > distributed
        distributed > reverse > reversed
    """,
    "Invoice": """
        open > (settle) > settled
        settled > (unsettle) > open
        open > (discard) > discarded
    """,
}
STATES = {
    "Payment": "draft validated requested executing posted failed cancelled reversed discarded",
    "CreditDistribution": "draft validated executed reversed discarded",
    "Disbursement": "draft validated approved executed reversed rejected discarded",
    "ShortfallCredit": "draft distributed reversed",
    "WriteOff": "draft distributed reversed",
    "Invoice": "open settled discarded",
}
TERMINAL = {"discarded", "rejected", "failed", "cancelled", "reversed"}
PASSING = {("ShortfallCredit", "draft"), ("WriteOff", "draft")}
"""States that nobody ever sees: what is made leaves them in the same step (credits 8, M)."""


def ways(entity: str) -> Iterator[tuple[str, str, str]]:
    """(from, event, to) as written above; brackets stay."""
    for line in TABLE[entity].strip().splitlines():
        starts, event, end = (part.strip() for part in line.split(">"))
        for start in starts.split():
            yield start, event, end


def end_of(entity: str, state: str, event: str) -> str | None:
    """Where an event leads; None if nowhere."""
    return next((end for start, named, end in ways(entity) if (start, named) == (state, event)), None)


@pytest.fixture
def app() -> Iterator[MockServer]:
    with rights.reset(built()) as app:
        yield app


# The tables


@pytest.mark.parametrize("entity", TABLE)
def test_the_table_of_a_machine_has_these_ways_and_no_others(entity: str) -> None:
    machine = rights.table(API, "machines")[entity]
    found = [
        (start, f"({row['event']})" if row.get("by") == "system" else row["event"], row["to"])
        for row in machine["rows"]
        for start in row["from"]
    ]
    assert sorted(found) == sorted(ways(entity))
    assert set(machine["final"]) == TERMINAL & set(STATES[entity].split())
    assert machine["field"] == FIELDS[entity]


@pytest.mark.parametrize("entity", TABLE)
def test_an_event_without_a_way_from_a_state_is_refused_there(app: MockServer, entity: str) -> None:
    machine = app.services[API].api.machines[entity]
    assert sorted(machine.states) == sorted(STATES[entity].split())
    there = {(start, event.strip("()")): end for start, event, end in ways(entity)}
    for state in STATES[entity].split():
        for event in {event for _, event in there} | {"explode"}:
            record = {"id": NOTHING, FIELDS[entity]: state}
            if (state, event) in there:
                assert transition(machine, record, event).end == there[state, event]
                continue
            with pytest.raises(NoSuchTransition, match=f"cannot {event} when {state}"):
                transition(machine, record, event)
            with pytest.raises(NoSuchTransition):
                app.worlds[API].work().fire(entity, record, event)


NOTHING = "01KHDP1PM010000000000Z9999"


@pytest.mark.parametrize("entity", TABLE)
def test_every_state_is_in_the_default_world_but_those_that_pass(entity: str) -> None:
    world = create_app("credits").world
    there = {row.record[FIELDS[entity]] for row in world.layer.all(entity)}
    assert {(entity, state) for state in STATES[entity].split()} - {(entity, state) for state in there} == {
        each for each in PASSING if each[0] == entity
    }


@pytest.mark.parametrize("tenant", [STAGING, TRAINING])
@pytest.mark.parametrize("entity", WAYS)
def test_every_state_is_reached_over_http(app: MockServer, entity: str, tenant: str) -> None:
    reached = {(entity, state) for state in WAYS[entity]}
    for _, state in reached:
        Stage(app, tenant).make(entity, state)
    assert {(entity, state) for state in STATES[entity].split()} - reached <= PASSING


# Every event in every state by every caller

EVENTS = {(row["entity"], row["event"]): id for id, row in ROWS.items() if row["does"] == "act"}
TRIPLES = [
    (entity, state, event)
    for entity, states in STATES.items()
    for state in states.split()
    for named, event in EVENTS
    if named == entity
]
CAST = [
    CALLERS[name] for name in ("admin", "clerk", "treasurer", "movers", "auditor", "reader", "useless", "elsewhere")
]


def in_state(app: MockServer, entity: str, state: str) -> str:
    """An object in a state; one of those that pass is put into it."""
    stage = Stage(app)
    if (entity, state) not in PASSING:
        return stage.make(entity, state)
    locator = stage.make(entity, "distributed")
    record = stage.world.layer.get(entity, locator)
    assert record is not None
    work = stage.world.work()
    work.put(entity, {**record, FIELDS[entity]: state})
    work.commit()
    return locator


def test_the_events_are_those_of_the_operations() -> None:
    assert len(TRIPLES) == 9 * 9 + 5 * 6 + 7 * 7 + 3
    for entity, event in EVENTS:
        assert event in {named for _, named, _ in ways(entity)}
        assert OPERATIONS[EVENTS[entity, event]].method == "PATCH"


@pytest.mark.parametrize(("entity", "state", "event"), TRIPLES)
def test_an_event_leads_where_it_is_declared_to_and_is_refused_elsewhere(
    app: MockServer, entity: str, state: str, event: str
) -> None:
    id = EVENTS[entity, event]
    locator, end = in_state(app, entity, state), end_of(entity, state, event)
    before, waiting = fingerprints(app), list(app.worlds[API].jobs())
    arrives = []
    for caller in CAST:
        may = caller.may(ROWS[id]["needs"])
        if may and caller.reaches(STAGING) and end is not None:
            arrives.append(caller)
            continue
        answer = request(id, STAGING, locator).send(Client(app, caller.token))
        assert answer.status == (400 if may and caller.reaches(STAGING) else 403), (caller.name, answer)
        assert_documented(app, API, OPERATIONS[id], answer)
        if answer.status == 400:
            assert f"cannot {event} when {state}".lower() in answer.json["message"].lower(), answer
    assert fingerprints(app) == before
    assert list(app.worlds[API].jobs()) == waiting
    assert bool(arrives) == (end is not None)
    for caller in arrives:
        app.reset()
        locator = in_state(app, entity, state)
        answer = request(id, STAGING, locator).send(Client(app, caller.token))
        assert answer.status == 200, (caller.name, answer)
        assert_documented(app, API, OPERATIONS[id], answer)
        assert answer.json[FIELDS[entity]] == end
        assert Stage(app).state(entity, locator) == end
        assert answer.json["locator"] == locator


@pytest.mark.parametrize("state", STATES["CreditDistribution"].split())
def test_a_distribution_is_replaced_as_a_draft_and_not_otherwise(app: MockServer, state: str) -> None:
    locator = in_state(app, "CreditDistribution", state)
    before = fingerprints(app)
    answer = request("createOrReplaceCreditDistribution", STAGING, locator).send(Client(app, "clerk-token"))
    if state == "draft":
        assert (answer.status, answer.json["creditDistributionState"]) == (200, "draft")
    else:
        assert answer.status == 400
        assert fingerprints(app) == before


@pytest.mark.parametrize("state", STATES["Payment"].split())
def test_a_preview_is_of_what_can_be_posted_and_changes_nothing(app: MockServer, state: str) -> None:
    locator = in_state(app, "Payment", state)
    before = fingerprints(app)
    answer = request("previewPaymentPost", STAGING, locator).send(Client(app, "clerk-token"))
    assert answer.status == (200 if state in ("draft", "validated") else 400), answer
    assert_documented(app, API, OPERATIONS["previewPaymentPost"], answer)
    assert fingerprints(app) == before


# What is not valid is no refusal: it succeeds, stays a draft and says why (credits 6, D)

TOO_MUCH = {"amount": 5000}


@pytest.mark.parametrize(
    ("entity", "members"),
    [
        ("Payment", {"type": "Unheard"}),
        ("CreditDistribution", TOO_MUCH),
        ("Disbursement", TOO_MUCH),
        ("Disbursement", {"type": "Unheard"}),
    ],
    ids=str,
)
def test_what_is_not_valid_stays_a_draft_and_says_so(app: MockServer, entity: str, members: dict[str, Any]) -> None:
    stage = Stage(app)
    locator = stage.make(entity, "draft", **members)
    answer = stage.call("PATCH", f"{PLURALS[entity]}/{locator}/validate").json
    assert answer[FIELDS[entity]] == stage.state(entity, locator) == "draft"
    assert answer["validationResult"]["success"] is False
    assert answer["validationResult"]["validationItems"]
    # It is a draft like any other.
    before = fingerprints(app)
    wanted = {"Payment": "post", "CreditDistribution": "execute", "Disbursement": "approve"}[entity]
    refused = request(EVENTS[entity, wanted], STAGING, locator).send(stage.client)
    assert refused.status == 400
    assert fingerprints(app) == before
    stage.call("PATCH", f"{PLURALS[entity]}/{locator}/discard")


# Invoices are opened and settled by what happens to credits


def test_an_invoice_is_settled_and_opened_again_by_what_pays_it(app: MockServer) -> None:
    stage, one = Stage(app), invoice(STAGING, 1)
    payment = stage.make("Payment", "posted", amount=400)
    assert stage.state("Invoice", one) == "settled"
    stage.step("Payment", payment, "reverse")
    assert stage.state("Invoice", one) == "open"
    written = stage.call("PATCH", f"invoices/{one}/writeOff").json["locator"]
    assert stage.state("Invoice", one) == "settled"
    stage.step("WriteOff", written, "reverse")
    shown = stage.call("GET", f"invoices/{one}").json
    assert (shown["invoiceState"], shown["totalRemainingAmount"]) == ("open", 400)
    assert "unsettledTime" in shown
    assert "settledTime" not in shown


@pytest.mark.parametrize("state", STATES["Invoice"].split())
@pytest.mark.parametrize("id", ["settleNegativeOrZeroInvoice", "writeOffInvoice"])
def test_an_invoice_is_settled_by_hand_and_written_off_when_open_alone(app: MockServer, id: str, state: str) -> None:
    stage = Stage(app)
    wants_debt = id == "writeOffInvoice"
    there = [
        row.record
        for row in stage.world.layer.all("Invoice")
        if row.record["tenantLocator"] == STAGING and row.record["invoiceState"] == state
    ]
    if state == "open":
        there = [each for each in there if (each["totalRemainingAmount"] > 0) == wants_debt]
    locator = there[0]["id"]
    before = fingerprints(app)
    sent = request(id, STAGING, locator)
    query = "?forced=true" if not wants_debt else ""
    answer = stage.client.request(sent.method, sent.path + query)
    if state == "open":
        assert answer.status == 200, answer
        assert stage.state("Invoice", locator) == "settled"
    else:
        assert answer.status == 400, answer
        assert fingerprints(app) == before
    assert_documented(app, API, OPERATIONS[id], answer)


@pytest.mark.parametrize("parent", ["Payment", "CreditDistribution"])
def test_a_shortfall_credit_comes_and_goes_with_its_parent(app: MockServer, parent: str) -> None:
    stage = Stage(app)
    end = "posted" if parent == "Payment" else "executed"
    locator = stage.make(parent, end, amount=399.5)
    (child,) = stage.call("GET", f"{PLURALS[parent]}/{locator}").json["shortfallCreditLocators"]
    shown = stage.call("GET", f"shortfallCredits/{child}").json
    assert (shown["shortfallCreditState"], shown["parentCreditLocator"], shown["amount"]) == (
        "distributed",
        locator,
        0.5,
    )
    stage.step(parent, locator, "reverse")
    shown = stage.call("GET", f"shortfallCredits/{child}").json
    assert (shown["shortfallCreditState"], shown["reversalReason"]) == ("reversed", "correction")


# The execution service, whichever way background work is done

OUTCOMES = {
    "a good instrument": ({"financialInstrumentLocator": INSTRUMENTS["good"]}, "posted"),
    "no instrument": ({}, "posted"),
    "a bad instrument": ({"financialInstrumentLocator": INSTRUMENTS["bad"]}, "failed"),
}
RETRIED = {"financialInstrumentLocator": INSTRUMENTS["bad"], "retryPlanName": "daily"}


@cache
def served(processing: str) -> MockServer:
    return create_app("credits", scenario=scenario(), processing=processing)


def requested(processing: str, members: dict[str, Any]) -> tuple[Stage, str]:
    """(stage, locator) of a payment that was just requested."""
    app = served(processing)
    app.reset()
    stage = Stage(app)
    locator = stage.make("Payment", "validated", **members)
    answer = stage.call("PATCH", f"payments/{locator}/request").json
    assert answer["paymentState"] == "requested"
    return stage, locator


def shown(stage: Stage, locator: str) -> str:
    """The state that a read shows."""
    return str(stage.call("GET", f"payments/{locator}").json["paymentState"])


def events(stage: Stage, locator: str) -> list[str]:
    return [entry["event"] for entry in stage.call("GET", f"payments/{locator}").json["executionLog"]]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_immediately_means_that_the_next_call_sees_what_came_of_it(outcome: str) -> None:
    members, end = OUTCOMES[outcome]
    stage, locator = requested("immediate", members)
    assert shown(stage, locator) == end
    assert events(stage, locator) == ["requested", "executing", *(["declined"] if end == "failed" else []), end]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_after_a_time_means_each_step_after_that_time_on_the_clock(outcome: str) -> None:
    members, end = OUTCOMES[outcome]
    stage, locator = requested("after:3600", members)
    clock = stage.world.clock
    assert shown(stage, locator) == "requested"
    clock.advance(timedelta(minutes=58))
    assert shown(stage, locator) == "requested"
    clock.advance(timedelta(minutes=2))
    assert shown(stage, locator) == "executing"
    clock.advance(timedelta(minutes=58))
    assert shown(stage, locator) == "executing"
    clock.advance(timedelta(minutes=2))
    assert shown(stage, locator) == end


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_after_so_many_reads_means_reads_of_this_payment(outcome: str) -> None:
    members, end = OUTCOMES[outcome]
    stage, locator = requested("reads:2", members)
    for _ in range(3):
        stage.call("GET", "disbursements/list")
        stage.call("GET", f"invoices/{invoice(STAGING, 2)}")
    assert [shown(stage, locator) for _ in range(5)] == ["requested", "requested", "executing", "executing", end]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_by_hand_means_when_it_is_released(outcome: str) -> None:
    members, end = OUTCOMES[outcome]
    stage, locator = requested("manual", members)
    stage.world.clock.advance(timedelta(days=9))
    assert [shown(stage, locator) for _ in range(3)] == ["requested"] * 3
    for state in ("executing", end):
        assert stage.client.post(f"//__mock__/jobs/release?subject={locator}").json == {"ran": 1}
        assert shown(stage, locator) == state
    assert stage.client.post(f"//__mock__/jobs/release?subject={locator}").status == 404


def test_a_declined_payment_is_tried_again_as_long_as_the_plan_says(app: MockServer) -> None:
    stage, locator = requested("manual", RETRIED)
    states = []
    while any(job["subject"] == locator for job in stage.world.jobs()):
        stage.step("Payment", locator, "run")
        states.append(shown(stage, locator))
    # Two retries after the first attempt.
    assert states == ["executing", "requested", "executing", "requested", "executing", "failed"]
    assert events(stage, locator) == ["requested", *["executing", "declined"] * 3, "failed"]


def test_all_retries_are_done_at_once_where_nothing_waits() -> None:
    stage, locator = requested("immediate", RETRIED)
    assert shown(stage, locator) == "failed"
    assert events(stage, locator) == ["requested", *["executing", "declined"] * 3, "failed"]


@pytest.mark.parametrize("processing", ["immediate", "after:60", "reads:1", "manual"])
def test_a_payment_that_failed_or_was_cancelled_is_not_charged_any_more(processing: str) -> None:
    for event, end in (("cancel", "cancelled"), ("fail", "failed")):
        app = served(processing)
        app.reset()
        stage = Stage(app)
        locator = stage.make("Payment", "validated")
        stage.call("PATCH", f"payments/{locator}/request")
        if processing == "immediate":
            refused = request(EVENTS["Payment", event], STAGING, locator).send(stage.client)
            assert refused.status == 400  # it was posted before
            assert shown(stage, locator) == "posted"
            continue
        stage.call("PATCH", f"payments/{locator}/{event}")
        stage.world.clock.advance(timedelta(hours=1))
        stage.world.run()
        for _ in range(3):
            assert shown(stage, locator) == end
        assert stage.call("GET", f"invoices/{invoice(STAGING, 1)}").json["totalRemainingAmount"] == 400


@pytest.mark.parametrize("processing", ["immediate", "manual"])
def test_nobody_needs_to_wait_for_anything_but_payments(processing: str) -> None:
    app = served(processing)
    app.reset()
    stage = Stage(app)
    before = len(list(stage.world.jobs()))
    for entity in ("CreditDistribution", "Disbursement", "WriteOff"):
        for state in WAYS[entity]:
            stage.make(entity, state)
    assert len(list(stage.world.jobs())) == before
