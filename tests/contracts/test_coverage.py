"""A full run of our own server looks at everything: each operation, each cell, each pair of state and event."""

from __future__ import annotations

import pytest

from contracts.findings import Result, Verdict
from contracts.reports.coverage import coverage
from mockserver import create_app
from specs.expand import cells
from specs.tables import load
from tests.contracts.driver import silent, verify

pytestmark = pytest.mark.slow

# Where background work is done at once, a journal completes before anybody can complete it.
TOO_LATE = {"completeJournal"}
# What cannot be, and why; everything else is looked at.
NEVER = {("WriteOff", "draft", "reverse"): "a write-off is distributed when it is made; none rests in draft"}


@pytest.fixture(scope="module", params=["billing", "accounts", "credits"])
def whole(request: pytest.FixtureRequest) -> Result:
    """The result of a full run."""
    return verify(create_app(request.param), request.param, mode="full")


def test_nothing_is_found_and_nothing_is_left_unchecked_without_a_reason(whole: Result) -> None:
    assert silent(whole, expecting=tuple({each.reason for each in whole.unchecked if not each.fatal})) == []
    assert whole.exit_status == 0
    assert all(each.reason for each in whole.unchecked)


def test_every_operation_succeeds_once(whole: Result) -> None:
    (api,) = whole.apis
    succeeded = {id for (_, id), seen in whole.statuses.items() if any(status < 400 for status in seen)}
    assert set(load(api).operations) - succeeded == TOO_LATE & load(api).operations.keys()


def test_a_journal_is_completed_by_hand_where_background_work_takes_its_time() -> None:
    app = create_app("billing", processing="reads:3")
    result = verify(app, "billing", mode="full", only=["machines.declared", "operation:completeJournal"])
    assert silent(result, expecting=tuple({each.reason for each in result.unchecked if not each.fatal})) == []
    assert result.statuses["billing", "completeJournal"].get(200)
    assert result.transitions["billing", "Journal", "Queued", "complete"] == "arrived"


def test_every_cell_of_the_matrix_has_a_verdict_that_is_expected(whole: Result) -> None:
    (api,) = whole.apis
    roles = {(cell.capability.id, cell.caller) for cell in cells(load(api)) if cell.caller != "nobody"}
    found = {(each.capability, each.role) for each in whole.cells if each.verdict in (Verdict.ALLOWED, Verdict.DENIED)}
    assert roles <= found


def test_every_pair_of_state_and_event_is_walked_or_refused(whole: Result) -> None:
    (api,) = whole.apis
    tables = load(api)
    events = {(each.entity, each.event) for each in tables.operations.values() if each.event is not None}
    pairs = {
        (entity, state, event)
        for entity, machine in tables.machines.items()
        for state in machine.states
        for named, event in events
        if named == entity
    }
    done = {
        (entity, state, event)
        for (_, entity, state, event), outcome in whole.transitions.items()
        if outcome in ("arrived", "refused")
    }
    assert pairs - done == pairs & NEVER.keys()


def test_statuses_that_were_not_seen_are_listed_by_name(whole: Result) -> None:
    (one,) = coverage(whole)
    assert len(one.statuses.missing) == one.statuses.whole - one.statuses.done
    assert all(each.name for each in one.statuses.missing)
