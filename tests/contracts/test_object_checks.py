"""What is another's, or not there: silent on the sound server, and each planted way in is found."""

from __future__ import annotations

import pytest

from mockserver import MockServer
from specs.tables import names
from tests.contracts.driver import silent, told, verify
from tests.faulty.defects import Defect
from tests.faulty.rows import DEFECTS

ONLY = ("objects.*", "access.scope")
# Found by other checks: a body that names another's, or a path of words.
OTHERS = ("foreign-authorization", "foreign-ledger-account")
# What no caller of the default world's has two of; told as unchecked, and no reason to fail.
NOTHING = ("no caller is known", "nothing takes it back", "no operation makes", "no two callers")


def planted() -> list[Defect]:
    return [each for each in DEFECTS if {"A109", "A110"} & set(each.codes) and each.name not in OTHERS]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_on_the_sound_server(api: str, seed: int, sound_app: MockServer) -> None:
    assert silent(verify(sound_app, api, only=ONLY, seed=seed), expecting=NOTHING) == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["own", "full"])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_where_writes_are_tried(api: str, mode: str, sound_app: MockServer) -> None:
    result = verify(sound_app, api, only=["objects.untouched"], mode=mode)

    assert told(result.findings) == []
    assert [each.reason for each in result.unchecked if each.fatal] == []


@pytest.mark.parametrize("defect", planted(), ids=lambda each: each.name)
def test_a_planted_way_in_is_found_where_it_is(defect: Defect) -> None:
    writes = defect.at.startswith(("update", "submit", "delete", "validate"))
    result = verify(defect.plant(), defect.api, only=ONLY, mode="full" if writes else "read-only")

    found = {(each.code, each.operation) for each in result.findings if each.code in defect.codes}
    assert found, told(result.findings)
    assert not defect.at or {operation for _, operation in found} == {defect.at}
    assert {each.code for each in result.findings} <= {*defect.codes, "S301"}, told(result.findings)
