"""Access, strangers, scope and order of refusals: silent on the sound server, and each finds what it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.findings import Verdict
from contracts.wire import Caller
from mockserver import MockServer
from specs.expand import cells
from specs.tables import load, names
from tests.contracts.driver import said, silent, told, verify
from tests.faulty.defects import Defect
from tests.faulty.rights import DEFECTS

MOST = 350
"""Requests that the given matrix of billing may take: 67 rows, three roles, no token and a garbage one"""
# What a token that was issued with fewer rights may do, is the matter of the API that issues such tokens.
OWN = ("issued-rights-forgotten", "issued-grants-forgotten")


def callers_of(api: str) -> list[Caller]:
    return [each for each in said().callers if each.api == api]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_on_the_sound_server(api: str, seed: int, sound_app: MockServer) -> None:
    result = verify(sound_app, api, only=["access.*"], seed=seed)

    assert silent(result) == []


def test_the_given_matrix_takes_few_requests(sound_app: MockServer, capsys: pytest.CaptureFixture[str]) -> None:
    result = verify(sound_app, "billing", only=["check:access.matrix", "source:RM"])

    with capsys.disabled():
        print(f"\nbilling, the given matrix: {result.requests} requests, {result.seconds:.2f} s")
    assert {each.capability for each in result.cells} == {
        each.id for each in load("billing").capabilities if each.source == "RM"
    }
    assert result.requests <= MOST


@pytest.mark.parametrize("api", names())
def test_every_cell_gets_the_verdict_that_the_tables_have(api: str, sound_app: MockServer) -> None:
    result = verify(sound_app, api, only=["access.matrix"])

    verdicts = {(each.capability, each.caller): each.verdict for each in result.cells}
    for cell in cells(load(api)):
        expected = Verdict.ALLOWED if cell.allowed else Verdict.DENIED
        assert verdicts[cell.capability.id, cell.caller] is expected, cell


@pytest.mark.parametrize("api", names())
def test_without_a_token_for_a_role_its_cells_are_skipped_with_the_reason(api: str, sound_app: MockServer) -> None:
    role = load(api).roles[0]
    callers = tuple(each for each in callers_of(api) if each.role != role)

    result = verify(sound_app, api, only=["access.matrix"], callers=callers)

    lacking = [each for each in result.cells if each.caller == role]
    assert lacking and all(each.verdict is Verdict.SKIPPED and "no caller" in each.reason for each in lacking)


@pytest.mark.slow
@pytest.mark.parametrize("api", names())
def test_every_allowed_cell_succeeds_for_real(api: str, sound_app: MockServer) -> None:
    result = verify(sound_app, api, only=["access.allowed"], mode="full")

    assert told(result.findings) == []
    assert [each for each in result.unchecked if each.fatal] == []


def test_a_redirection_that_the_spec_has_is_a_success(sound_of: Callable[..., MockServer]) -> None:
    wanted = ["access.allowed", "operation:getJournalAttachment"]
    result = verify(sound_of("billing"), "billing", mode="own", only=wanted)

    assert silent(result) == []


@pytest.mark.parametrize("defect", [each for each in DEFECTS if each.name not in OWN], ids=lambda each: each.name)
def test_a_planted_defect_is_found_under_its_code_and_nothing_else(defect: Defect) -> None:
    result = verify(defect.plant(), defect.api, only=["access.*", "objects.missing"])

    codes = Counter(each.code for each in result.findings)
    assert codes.keys() & set(defect.codes), told(result.findings)
    # A status that the spec does not have is told beside what it was wrongly sent for.
    assert codes.keys() <= {*defect.codes, "S301"}, told(result.findings)
    assert not defect.at or any(defect.at in (each.operation, each.cell.partition("/")[0]) for each in result.findings)


def test_a_door_that_stands_open_everywhere_is_one_finding() -> None:
    defect = next(each for each in DEFECTS if each.name == "any-token-will-do")

    result = verify(defect.plant(), defect.api, only=["access.matrix"])

    assert [(each.code, each.subject) for each in result.findings] == [("A105", "garbage everywhere")]
    assert result.findings[0].also > 90


def test_a_door_that_stands_open_once_is_named() -> None:
    defect = next(each for each in DEFECTS if each.name == "no-token-needed")

    result = verify(defect.plant(), defect.api, only=["access.matrix"])

    assert [(each.code, each.subject) for each in result.findings] == [("A104", "getInvoice/nobody")]


def test_tokens_never_reach_the_wire_log(sound_of: Callable[..., MockServer], tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"

    verify(sound_of("billing"), "billing", only=["access.strangers"], wire=wire)

    text = wire.read_text()
    assert [each.name for each in callers_of("billing") if each.token and each.token in text] == []
