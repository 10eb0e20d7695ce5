"""What refusals say: plain words, and never more than the caller may know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from mockserver import MockServer
from mockserver.domain.errors import Invalid
from mockserver.parameters import Parameters
from mockserver.validators import Validators
from tests.driver import Client

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "notes": {"type": "string", "nullable": True},
        "count": {"type": "integer", "format": "int32"},
        "price": {"type": "number"},
        "open": {"type": "boolean"},
        "buyer": {"type": "object", "properties": {"id": {"type": "string"}}},
        "lines": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "status": {"type": "string", "enum": ["Issued", "Paid"]},
        "kind": {"type": "string", "enum": ["A", "B"], "nullable": True},
        "due": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]},
    },
}
DATE = "is no date or date-time, such as 2026-03-31 or 2026-03-31T09:00:00.000Z"


@pytest.mark.parametrize(
    ("members", "place", "said"),
    [
        ({"name": None}, "name", "must be a string, not null"),
        ({"name": ""}, "name", "must not be empty"),
        ({"notes": 4}, "notes", "must be a string or null, not 4"),
        ({"count": 1.5}, "count", "must be a whole number, not 1.5"),
        ({"count": "4"}, "count", "must be a whole number, not a string"),
        ({"price": True}, "price", "must be a number, not true"),
        ({"open": []}, "open", "must be true or false, not a list"),
        ({"buyer": "BUY-1"}, "buyer", "must be an object, not a string"),
        ({"buyer": {"id": {}}}, "buyer.id", "must be a string, not an object"),
        ({"lines": []}, "lines", "must not be empty"),
        ({"lines": ["a", 1]}, "lines[1]", "must be a string, not 1"),
        ({"status": "paid"}, "status", "must be one of Issued, Paid"),
        ({"kind": "C"}, "kind", "must be one of A, B, null"),
        ({"due": "soon"}, "due", DATE),
        ({"due": 45992}, "due", DATE),
    ],
)
def test_a_wrong_member_is_told_in_plain_words(members: dict[str, Any], place: str, said: str) -> None:
    read = Validators({"components": {"schemas": {}}}).reader(SCHEMA)
    with pytest.raises(Invalid) as refused:
        read({"name": "x", **members})
    assert refused.value.errors == {place: [said]}


FORMS: dict[str, Any] = {
    "Code": {"type": "string", "pattern": "^[A-Z]{3}$", "example": "EUR"},
    "Id": {
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f-]{36}$",
        "example": "10000000-0000-4000-8000-000000000001",
    },
}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"$ref": "#/components/schemas/Code"}, "eur", '"eur" is not of the right form, such as EUR.'),
        (
            {"$ref": "#/components/schemas/Id"},
            "x" * 300,
            f'"{"x" * 60}..." is not of the right form, such as 10000000-0000-4000-8000-000000000001.',
        ),
        ({"type": "string", "pattern": "^a$"}, "b", '"b" is not of the right form.'),
        ({"type": "string", "format": "date"}, "2026-02", '"2026-02" is no date, such as 2026-03-31.'),
        (
            {"type": "string", "format": "date-time"},
            "soon",
            '"soon" is no date-time, such as 2026-03-31T09:00:00.000Z.',
        ),
    ],
)
def test_a_wrong_form_is_told_once_and_by_an_example(schema: dict[str, Any], value: str, said: str) -> None:
    read = Validators({"components": {"schemas": FORMS}}).reader({"type": "object", "properties": {"it": schema}})
    with pytest.raises(Invalid) as refused:
        read({"it": value})
    assert refused.value.errors == {"it": [said]}


@pytest.mark.parametrize(
    ("more", "value", "said"),
    [
        ({"example": "ABC"}, "x", '"x" is not of the right form, such as ABC.'),
        ({"examples": {"one": {"value": "ABC"}}}, "x", '"x" is not of the right form, such as ABC.'),
        ({}, "x", '"x" is not of the right form, such as EUR.'),
    ],
)
def test_a_wrong_parameter_is_told_by_its_own_example_first(more: dict[str, Any], value: str, said: str) -> None:
    declared = {"name": "code", "in": "path", "schema": {"$ref": "#/components/schemas/Code"}, **more}
    with pytest.raises(Invalid) as refused:
        Parameters([declared], Validators({"components": {"schemas": FORMS}})).read_path({"code": value})
    assert refused.value.errors == {"code": [said]}


def test_a_missing_member_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        Validators({"components": {"schemas": {}}}).reader(SCHEMA)({"status": 7})
    assert refused.value.errors["name"] == ["Name is required."]
    assert refused.value.errors["status"][0].startswith("must be ")


def test_anothers_authorization_reads_like_none_at_all(as_: Callable[[str], Client]) -> None:
    vendor, operations = as_("vendor"), as_("operations")
    mine = vendor.post("/journals", {"name": "x", "authorization": {"id": "AUT-1000-0001"}}).json["vendor"]["id"]
    listed = operations.get("/journals?limit=1000&select=authorization,vendor").json["data"]
    foreign = next(each["authorization"]["id"] for each in listed if each["vendor"]["id"] != mine)
    answers = []
    for id in (foreign, "AUT-0000-0000"):
        answer = vendor.post("/journals", {"name": "x", "authorization": {"id": id}})
        assert answer.status == 400
        answers.append({name: str(value).replace(id, "") for name, value in answer.json.items() if name != "traceId"})
    assert answers[0] == answers[1]


@pytest.mark.parametrize("id", ["%25b", "%25(detail)s", "%22%5C", "%C3%BF", "$trace", "{0}"])
def test_what_a_refusal_repeats_stands_there_as_it_came(app: MockServer, id: str) -> None:
    for _ in range(2):
        answer = Client(app, "vendor-token").get(f"/journals/{id}")
        assert answer.status == 404
        assert answer.json["detail"] == f"No journal {unquote(id)}."
        assert answer.json["traceId"].startswith("00-")
