"""Validators hold what they need of a document, and compile it when it is needed."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.validators import Validators
from specs import tables


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: dict[str, Any] = {
    "Tree": {
        "type": "object",
        "required": ["leaf"],
        "properties": {"leaf": reference("Leaf"), "below": {"type": "array", "items": reference("Tree")}},
    },
    "Leaf": {"type": "string", "nullable": True, "example": {"$ref": "no reference"}},
    "Part": {"type": "object", "properties": {"leaf": reference("Tree/properties/leaf")}},
    "Words": {"type": "object", "enum": [{"$ref": "#/components/schemas/Nothing"}]},
    "Apart": {"type": "array", "items": reference("Gone")},
}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("Tree", {"leaf": None, "below": [{"leaf": "green"}]}, {"leaf": "green", "below": [{"leaf": 1}]}),
        ("Part", {"leaf": "green"}, {"leaf": 1}),
        ("Words", {"$ref": "#/components/schemas/Nothing"}, {"$ref": "#/components/schemas/Tree"}),
    ],
)
def test_a_validator_follows_references_however_deep(name: str, right: object, wrong: object) -> None:
    validator = Validators({"components": {"schemas": SCHEMAS}}).compiled(reference(name))
    assert validator.is_valid(right)
    assert not validator.is_valid(wrong)


def test_a_schema_that_cannot_be_compiled_is_in_nobody_s_way() -> None:
    validators = Validators({"components": {"schemas": SCHEMAS}})
    assert validators.compiled(reference("Leaf")).is_valid("green")
    with pytest.raises(ValueError, match="Gone"):
        validators.compiled(reference("Apart"))


@pytest.mark.parametrize("api", tables.names())
def test_every_schema_of_an_api_compiles_by_itself(api: str) -> None:
    document = tables.load(api).document
    for name in document["components"]["schemas"]:
        assert Validators(document).compiled(reference(name)) is not None
