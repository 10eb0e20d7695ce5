"""Workflows, changes, audits and races: silent on the sound server, and each planted defect found under its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.findings import Result
from contracts.reports.coverage import coverage
from mockserver import MockServer
from tests.contracts.driver import silent, told, verify
from tests.faulty import DEFECTS
from tests.faulty.defects import Defect

SoundOf = Callable[..., MockServer]
BY_NAME = {each.name: each for each in DEFECTS}
# Pairs that nothing on the default world leads to: a charge in error gets under review once, and is lent.
UNREACHED = {("Charge Error", "ignore"), ("Charge Error", "reset")}
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
    assert {(each.group, each.name) for each in found.transitions.missing} == UNREACHED


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
