"""What breaks the spec, what keeps it in another way, and what nobody sends on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from contracts import mutations
from mockserver import MockServer
from specs.tables import names
from tests.contracts.driver import silent, told, verify
from tests.faulty import refusals, robustness, schema, validation
from tests.faulty.defects import Defect

PARTS = ("validation.*", "shape.*")
FOUND = {
    *("name-not-needed", "name-may-be-number", "thirtieth-of-february", "status-unknown", "two-targets"),
    *("seller-unknown", "long-name-refused", "foreign-letters-refused", "null-refused", "unknown-member-refused"),
    *("negative-payment", "thirds-of-cents", "account-unknown", "months-unreadable", "method-404", "allow-missing"),
    *("fails-on-broken-json", "fails-on-broken-filter", "fails-on-long-id", "fails-on-odd-id", "fails-on-list"),
    *("fails-on-empty-name", "fails-on-deep-body", "credits-fail-on-huge-amount", "credits-fail-on-wrong-query"),
    *("status-of-body-differs", "another-title", "faults-untold", "another-code", "plain-text-404"),
}
"""Defects that these checks are for; others break what no schema says"""


def planted() -> list[Defect]:
    every = [*validation.DEFECTS, *robustness.DEFECTS, *refusals.DEFECTS, *schema.DEFECTS]
    return [each for each in every if each.name in FOUND]


def plain(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_on_the_sound_server(api: str, seed: int, sound_app: MockServer) -> None:
    result = verify(sound_app, api, only=PARTS, seed=seed)

    assert told(result.findings) == []
    assert [each for each in result.unchecked if each.fatal] == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["own", "full"])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_where_bodies_are_sent(api: str, mode: str, sound_app: MockServer) -> None:
    result = verify(sound_app, api, only=PARTS, mode=mode)

    assert told(result.findings) == []
    assert [each for each in result.unchecked if each.fatal] == []


@pytest.mark.slow
@pytest.mark.parametrize("defect", planted(), ids=lambda each: each.name)
def test_a_planted_defect_is_found_under_its_code_and_nothing_else(defect: Defect) -> None:
    result = verify(defect.plant(), defect.api, only=PARTS, mode="full")

    assert {each.code for each in result.findings} & set(defect.codes), told(result.findings)
    assert {each.code for each in result.findings} <= set(defect.codes), told(result.findings)
    assert not defect.at or defect.at in {each.operation for each in result.findings}


def test_every_defect_that_is_named_here_is_planted() -> None:
    assert {each.name for each in planted()} == FOUND


def test_fixed_modes_send_no_bodies_that_could_be_read(sound_app: MockServer) -> None:
    result = verify(sound_app, "billing", only=["validation.bodies", "validation.variants", "validation.odd"])

    assert result.requests == 0
    assert silent(result) == []


PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "born": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]},
        "kind": {"enum": ["a", "b"]},
        "height": {"type": "number", "minimum": 0, "multipleOf": 0.01},
        "made": {"type": "string", "readOnly": True},
    },
}


def test_each_rule_of_a_schema_is_broken_by_itself() -> None:
    body = {"name": "Ada", "born": "1815-12-10", "height": 1.6, "made": "now"}

    broken = {(each.member, each.rule) for each in mutations.wrong(plain, PERSON, body)}

    assert broken == {
        ("body", "type"),
        ("name", "required"),
        ("name", "type"),
        ("name", "minLength"),
        ("name", "maxLength"),
        ("born", "type"),
        ("born", "format"),
        ("kind", "enum"),
        ("height", "type"),
        ("height", "minimum"),
        ("height", "multipleOf"),
    }


def test_a_broken_body_differs_from_the_right_one_in_that_place_alone() -> None:
    body = {"name": "Ada", "height": 1.6}

    for each in mutations.wrong(plain, PERSON, body):
        if each.member != "body":
            rest = {name: value for name, value in each.body.items() if name != each.member}
            assert rest == {name: value for name, value in body.items() if name != each.member}


def test_words_that_a_deployment_knows_are_not_lengthened() -> None:
    right = list(mutations.right(plain, PERSON, {"name": "Ada", "kind": "a"}, "tag"))

    assert {(each.member, each.rule) for each in right} == {("x-unknown", "unknown member")}


def test_ids_are_replaced_one_at_a_time() -> None:
    body = {"seller": {"id": "SEL-1"}, "lines": [{"item": "ITM-1"}]}

    found = list(mutations.unknown(body, lambda text: "GHOST" if "-" in text else None))

    assert [each.member for each in found] == ["seller.id", "lines.0.item"]
    assert found[0].body == {"seller": {"id": "GHOST"}, "lines": [{"item": "ITM-1"}]}


def test_a_beginning_and_its_end_change_places() -> None:
    body = {"billingStartDate": "2026-01-01", "billingEndDate": "2026-02-01"}

    (found,) = mutations.swapped(body)

    assert found.body == {"billingStartDate": "2026-02-01", "billingEndDate": "2026-01-01"}
