"""Objects of a run's own: made, brought to any state that can be reached, and taken away again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.probe import Blocked, Nothing
from contracts.routes import outcomes, passes, route
from contracts.run import running
from mockserver import MockServer
from specs.tables import load
from tests.contracts.driver import settings, silent, verify

BILLING = load("billing")
SoundOf = Callable[..., MockServer]
REACHED = [
    *(("Journal", state) for state in ("Draft", "Validated", "Error", "Review", "Enquiring", "Reconciling")),
    *(("Journal", state) for state in ("Generated", "Accepted", "Queued", "Completed")),
    *(("Ledger", state) for state in ("Review", "Generated", "Queued", "Completed")),
    *(("CustomLedger", state) for state in ("Draft", "Validated", "Error", "Generated", "Queued", "Completed")),
    *(("Statement", state) for state in ("Generated", "Queued", "Pending", "Issued", "Error", "Cancelled")),
    *(("Statement", state) for state in ("Consolidating", "Consolidated")),
    *(("Charge", state) for state in ("Ready", "Split", "Skipped", "Ignored", "Reconciling")),
    *(("ManualOverride", state) for state in ("Active", "Disabled")),
]


def test_every_state_that_can_be_reached_is(sound_of: SoundOf) -> None:
    with running(settings(sound_of("billing"), "billing", mode="full")) as made:
        stage = made.probes["billing"].stage
        assert [(entity, stage.state(stage.make(entity, state))) for entity, state in REACHED] == REACHED


@pytest.mark.parametrize(("state", "readings"), [("Draft", 0), ("Validated", 1), ("Review", 1), ("Generated", 2)])
def test_an_object_is_read_only_where_background_work_has_moved_it(
    sound_of: SoundOf, state: str, readings: int
) -> None:
    with running(settings(sound_of("billing"), "billing", mode="own")) as made:
        made.probes["billing"].stage.make("Journal", state)
        assert made.result.statuses.get(("billing", "getJournal"), {}) == ({200: readings} if readings else {})


def test_what_was_made_is_among_the_ids_that_are_known_from_then_on(sound_of: SoundOf) -> None:
    with running(settings(sound_of("billing"), "billing", mode="own")) as made:
        p = made.probes["billing"]
        vendor = p.who("vendor")
        before = set(p.facts.ids("Journal", vendor))
        assert p.facts._ids("Journal", vendor, {}, frozenset()) is p.facts._ids("Journal", vendor, {}, frozenset())
        thing = p.stage.make("Journal")
        assert set(p.facts.ids("Journal", vendor)) - before == {thing.id}


@pytest.mark.parametrize("state", ["Validating", "Generating", "Resetting"])
def test_a_state_that_passes_is_found_among_what_was_lent(sound_of: SoundOf, state: str) -> None:
    with running(settings(sound_of("billing"), "billing", mode="full")) as made:
        stage = made.probes["billing"].stage
        assert stage.state(stage.make("Journal", state)) == state
    with running(settings(sound_of("billing"), "billing", mode="own")) as made:
        stage = made.probes["billing"].stage
        with pytest.raises(Nothing, match=f"no Journal in {state} can be made or held; lend one"):
            stage.make("Journal", state)


def test_an_own_run_does_nothing_that_nobody_takes_back_and_leaves_nothing(sound_of: SoundOf) -> None:
    only = ["machines.*", "changes.*", "concurrency.*", "files.*", "billing.*"]
    result = verify(sound_of("billing"), "billing", mode="own", only=only)
    assert silent(result) == [each for each in silent(result) if each.startswith("unchecked")]
    assert not any(each.fatal for each in result.unchecked)
    assert result.left == []
    from contracts.apis.billing.stage import Stage

    done = {id for (_, id), counts in result.statuses.items() if any(status < 300 for status in counts)}
    assert not done & Stage.LASTING


@pytest.mark.parametrize(("tidy", "status"), [(True, 404), (False, 200)])
def test_what_a_run_made_goes_with_it_unless_it_need_not_be_tidy(sound_of: SoundOf, tidy: bool, status: int) -> None:
    asked = settings(sound_of("billing"), "billing", mode="own", tidy=tidy)
    with running(asked) as made:
        thing = made.probes["billing"].stage.make("Journal")
    with running(asked) as made:
        assert made.probes["billing"].call("getJournal", thing.caller, thing.params).status == status


def test_lasting_steps_are_refused_before_they_are_sent(sound_of: SoundOf) -> None:
    with running(settings(sound_of("billing"), "billing", mode="own")) as made:
        stage = made.probes["billing"].stage
        with pytest.raises(Nothing, match="queueLedger: nothing takes it back; needs --mode full"):
            stage.make("Ledger", "Queued")


def test_a_server_that_stays_where_it_is_blocks_what_lies_behind_and_is_waited_for_once(sound_of: SoundOf) -> None:
    app = sound_of("billing")
    app.world.processing = type(app.world.processing).parse("manual")
    try:
        with running(settings(app, "billing", mode="own", patience=0.05)) as made:
            stage = made.probes["billing"].stage
            with pytest.raises(Blocked, match="could not be brought to Review; it stays Validating"):
                stage.make("Journal", "Review")
    finally:
        app.world.processing = type(app.world.processing)()


def test_work_in_the_background_is_waited_for() -> None:
    from mockserver import create_app

    app = create_app("billing", processing="reads:2")
    with running(settings(app, "billing", mode="own")) as made:
        stage = made.probes["billing"].stage
        assert stage.state(stage.make("Journal", "Accepted")) == "Accepted"


def test_the_shortest_way_leaves_out_what_is_to_be_avoided() -> None:
    machine = BILLING.machines["Journal"]
    assert [row.id for row in route(machine, "Review", "Deleted") or ()] == ["J6", "J16"]
    assert route(machine, "Review", "Deleted", ["J6"]) != route(machine, "Review", "Deleted")
    assert route(machine, "Completed", "Draft") is None
    assert route(machine, "Draft", "Draft") == []


def test_states_that_pass_are_those_of_background_work() -> None:
    passing = {
        entity: [each for each in machine.states if passes(machine, each)]
        for entity, machine in BILLING.machines.items()
    }
    assert passing["Journal"] == ["Validating", "Generating", "Resetting"]
    assert passing["Statement"] == ["Generating"]
    assert passing["ManualOverride"] == []
    upload = next(row for row in BILLING.machines["Journal"].rows if row.id == "J2")
    assert outcomes(BILLING.machines["Journal"], upload) == {"Validated", "Error", "Review"}
