"""Whose rows and which members: silent on the sound server, and each planted leak or loss is found where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.readings import differs
from mockserver import MockServer
from specs.tables import names
from tests.contracts.driver import settings, silent, told, verify
from tests.faulty import rows, visibility
from tests.faulty.defects import Defect

ONLY = ("rows.*", "visibility.*", "views.*")
# What the seed of a run happens to look below may have nothing there; told as unchecked, and no reason to fail.
NOTHING = ("list", "fetch")
CODES = {"R201", "R203", "R205", "R206", "R207", "R208", "R209", "R212"}
# Told only by what a run makes or changes for itself, or by laws of the API's own.
OTHERS = (
    "foreign-charges",
    "foreign-attachments",
    "foreign-invoice-credits",
    "notes-hidden",
    "credit-differs-from-payment",
)


def planted() -> list[Any]:
    found = [each for each in (*rows.DEFECTS, *visibility.DEFECTS) if CODES & set(each.codes)]
    found = [each for each in found if each.name not in OTHERS]
    # Each takes a whole run of these checks; every second is enough to see at once that something broke.
    marks = (() if at % 2 == 0 else (pytest.mark.slow,) for at in range(len(found)))
    return [pytest.param(each, id=each.name, marks=mark) for each, mark in zip(found, marks, strict=True)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_on_the_sound_server(api: str, seed: int, sound_app: MockServer) -> None:
    assert silent(verify(sound_app, api, only=ONLY, seed=seed), expecting=NOTHING) == []


@pytest.mark.parametrize("defect", planted())
def test_a_planted_leak_or_loss_is_found_alone(defect: Defect) -> None:
    result = verify(defect.plant(), defect.api, only=ONLY)

    found = [each for each in result.findings if each.code in defect.codes]
    assert found, told(result.findings)
    assert [each for each in result.findings if each.code not in defect.codes] == [], told(result.findings)
    if defect.at:
        assert any(defect.at in place for each in found for place in (each.operation, each.cell)), told(found)


def test_who_a_caller_is_is_inferred_where_nobody_says_it() -> None:
    defect = next(each for each in rows.DEFECTS if each.name == "journals-of-all-vendors")
    callers = tuple(replace(each, account="") for each in settings(None, "billing").callers)

    result = verify(defect.plant(), "billing", only=["rows.lists", "operation:listJournals"], callers=callers)

    found = [each for each in result.findings if each.code == "R201"]
    assert [each.operation for each in found] == ["listJournals"]
    assert "inferred" in found[0].expected


def test_what_the_settings_name_as_own_or_foreign_is_held_against_lists(sound_app: MockServer) -> None:
    known = {"billing": {"vendor": {"own": {"Journal": ["BJO-9999-9999"]}, "foreign": {"Journal": ["BJO-1000-0001"]}}}}
    only = ["rows.lists", "operation:listJournals"]

    foreign = verify(sound_app, "billing", only=only, known=known)
    own = verify(
        sound_app, "billing", only=only, known={"billing": {"vendor": {"own": known["billing"]["vendor"]["own"]}}}
    )

    assert [(each.code, each.subject) for each in foreign.findings] == [("R201", "vendor")]
    assert [(each.code, each.expected[:13]) for each in own.findings] == [("R202", "BJO-9999-9999")]


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ({"id": "a", "audit": 1}, {"id": "a", "more": 2}, None),
        ({"price": {"sum": 1, "rate": 2}}, {"price": {"sum": 1, "rate": 3}}, "price.rate"),
        ({"lines": [{"no": 1}, {"no": 2}]}, {"lines": [{"no": 1}, {"no": 3}]}, "lines.no"),
        ({"lines": []}, {"lines": [1]}, "lines"),
        ({"id": "a", "$meta": 1}, {"id": "a", "$meta": 2}, None),
    ],
)
def test_two_tellings_of_an_object_differ_in_what_both_have(one: object, other: object, where: str | None) -> None:
    found = differs(one, other)

    assert (found[0] if found is not None else None) == where
