"""Workflows, changes, audits and races: silent on the sound server, and each planted defect found under its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.findings import Result
from contracts.reports.coverage import coverage
from mockserver import MockServer
from tests.contracts.driver import said, silent, told, verify
from tests.faulty import DEFECTS
from tests.faulty.defects import Defect

SoundOf = Callable[..., MockServer]
BY_NAME = {each.name: each for each in DEFECTS}
# defect -> the checks that are to find it
FOUND = {
    "submit-a-draft": "machines.undeclared",
    "cancel-issued": "machines.undeclared",
    "refusal-moves-ledger": "machines.undeclared",
    "delete-error-refused": "machines.declared",
    "enquire-arrives-elsewhere": "machines.declared",
    "stale-journal": "machines.declared",
    "complete-with-open-ledgers": "machines.declared",
    "name-cut": "changes.created",
    "journal-born-validated": "changes.created",
    "update-clears-others": "changes.updated",
    "update-not-kept": "changes.updated",
    "refused-update-kept": "changes.updated",
    "assignee-by-vendor": "changes.updated",
    "deleted-journal-there": "changes.deleted",
    "created-overwritten": "effects.audit",
    "disabled-by-system": "effects.audit",
    "invoice-points-nowhere": "effects.references",
    "journal-update-lost": "concurrency.updates",
    "submitted-twice": "concurrency.events",
    "bytes-as-text": "files.attachments",
    "name-in-ascii": "files.attachments",
    "program-accepted": "files.types",
}


def rightly(defect: Defect, result: Result) -> tuple[list[str], list[str]]:
    """Findings that name the defect, and the others."""
    right = [
        each
        for each in result.findings
        if each.code in defect.codes and (not defect.at or defect.at in f"{each.operation} {each.subject} {each.cell}")
    ]
    return told(right), told(each for each in result.findings if each not in right)


def test_every_pair_of_state_and_event_is_tried_on_the_sound_server(sound_of: SoundOf) -> None:
    result = verify(sound_of("billing"), "billing", mode="full", only=["machines.*"])
    assert told(result.findings) == []
    assert not any(each.fatal for each in result.unchecked)
    (found,) = coverage(result)
    assert [(each.group, each.name) for each in found.transitions.missing] == []


@pytest.mark.parametrize("mode", ["own", "full"])
def test_changes_and_races_are_silent_on_the_sound_server(sound_of: SoundOf, mode: str) -> None:
    only = ["changes.*", "effects.*", "concurrency.*", "files.*"]
    result = verify(sound_of("billing"), "billing", mode=mode, only=only)
    assert told(result.findings) == []
    assert not any(each.fatal for each in result.unchecked), silent(result)


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_defect_is_found_alone(name: str) -> None:
    defect = BY_NAME[name]
    result = verify(defect.plant(), defect.api, mode="full", only=[FOUND[name]], patience=0.3)
    right, others = rightly(defect, result)
    assert right
    assert others == []


@pytest.mark.parametrize("roles", [("client", "vendor", "operations"), ("client", "vendor")], ids="-".join)
def test_nobody_is_asked_for_what_another_alone_may_see(roles: tuple[str, ...], sound_of: SoundOf) -> None:
    by_role = {each.role: each for each in reversed(said().callers) if each.api == "billing" and each.kind == "known"}
    # A token is all that is known of them: nothing says whose rows are theirs.
    callers = tuple(replace(by_role[role], account="", grants=()) for role in roles)

    for seed in (1, 2, 3):
        only = ["effects.references", "operation:listStatementCharges", "operation:listJournalCharges"]
        result = verify(sound_of("billing"), "billing", only=only, callers=callers, known={}, lend={}, seed=seed)

        assert told(result.findings) == []
        closed = [each.case for each in result.unchecked if "no caller sees all of it" in each.reason]
        assert bool(closed) is ("operations" not in roles)


def test_a_reference_to_nothing_names_the_call_that_found_nothing() -> None:
    result = verify(BY_NAME["invoice-points-nowhere"].plant(), "billing", mode="full", only=["effects.references"])

    for finding in result.findings:
        last = finding.steps[-1]
        assert f"{last.request.method} {last.request.path} as {last.caller.name}" in finding.came
    assert result.findings
