"""Values for bodies out of the spec alone: its own examples, and where there are none, what its schemas ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.probe import Probe


def examples(p: Probe, content: Mapping[str, Any]) -> Iterator[Any]:
    """The examples of a body, those beside the schema first."""
    if "example" in content:
        yield content["example"]
    for each in content.get("examples", {}).values():
        yield p.resolved(each).get("value")
    schema = p.resolved(content.get("schema", {}))
    if "example" in schema:
        yield schema["example"]


def made(p: Probe, schema: Mapping[str, Any]) -> Any:
    """A value that a schema allows: what is required, as its own examples say."""
    schema = p.resolved(schema)
    if "example" in schema:
        return schema["example"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("allOf", "oneOf", "anyOf"):
        if word in schema:
            return made(p, schema[word][0])
    kind = schema.get("type", "object")
    if kind == "object":
        members = schema.get("properties", {})
        return {name: made(p, members.get(name, {"type": "string"})) for name in schema.get("required", ())}
    if kind == "array":
        return [made(p, schema.get("items", {})) for _ in range(int(schema.get("minItems", 0)))]
    if kind in ("integer", "number"):
        return max(1, int(schema.get("minimum", 1)))
    if kind == "boolean":
        return True
    return p.tag[: int(schema.get("maxLength", 40))].ljust(int(schema.get("minLength", 1)), "x")
