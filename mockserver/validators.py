"""JSON Schema validators of an OpenAPI 3.0 document, each compiled once, and readers of request bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import jsonschema_rs

from mockserver import wire
from mockserver.domain.errors import Invalid

Schema = Mapping[str, Any]
_BOUNDS = {"int32": 2**31, "int64": 2**63}
_LONGEST = 200


class Validators:
    """Compiles schemas of one document on first use."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = {name: plain(schema) for name, schema in document["components"]["schemas"].items()}

    def compiled(self, schema: Schema) -> jsonschema_rs.Draft202012Validator:
        """The validator of a schema that may refer to the document's components."""
        whole = {**plain(schema), "components": {"schemas": self._schemas}}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, behind any references."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def reader(self, schema: Schema) -> Callable[[Any], Any]:
        """A function from a parsed JSON body to canonical, valid values.

        Names match whatever their case, unknown members are dropped, dates become canonical instants and fractional
        numbers Decimal. Raises Invalid, keyed by property path.
        """
        validator = self.compiled(schema)

        def read(value: Any) -> Any:
            named = self._named(schema, value)
            problems = dict(_problems(validator, named))
            if problems:
                raise Invalid("The body is not valid; see errors.", problems)
            return self._valued(schema, named, "")

        return read

    def _named(self, schema: Schema, value: Any) -> Any:
        """The value with members named as the schema spells them, unknown ones left out."""
        schema = self._branch(schema, value)
        if isinstance(value, list) and "items" in schema:
            return [self._named(schema["items"], each) for each in value]
        if not isinstance(value, dict) or "properties" not in schema:
            return value
        known = {name.casefold(): name for name in schema["properties"]}
        named = {}
        for name, member in value.items():
            # An exact spelling wins over one that differs in case.
            right = name if name in schema["properties"] else known.get(name.casefold())
            if right is not None and (right == name or right not in value):
                named[right] = self._named(schema["properties"][right], member)
        return named

    def _branch(self, schema: Schema, value: Any) -> Schema:
        """The alternative of a oneOf that fits the value's kind: an object or an array."""
        schema = self.resolve(schema)
        for each in schema.get("oneOf", ()):
            branch = self.resolve(each)
            if branch.get("type") == ("array" if isinstance(value, list) else "object"):
                return branch
        return schema

    def _valued(self, schema: Schema, value: Any, path: str) -> Any:
        schema = self._branch(schema, value)
        if isinstance(value, list):
            return [self._valued(schema.get("items", {}), each, f"{path}[{n}]") for n, each in enumerate(value)]
        if isinstance(value, dict):
            members = schema.get("properties", {})
            return {name: self._valued(members.get(name, {}), member, f"{path}.{name}") for name, member in value.items()}
        if isinstance(value, str) and _is_date(schema):
            try:
                return wire.parse_instant(value)
            except ValueError as error:
                raise Invalid("The body is not valid; see errors.", {path.lstrip("."): [f"{error}."]}) from None
        if isinstance(value, float):
            return Decimal(repr(value))
        return value


def plain(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type, integer formats become bounds."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: plain(value) for key, value in schema.items() if key not in ("nullable", "example")}
    # A member of an object may itself be called `nullable` or `example`; those maps are not schemas.
    if isinstance(schema.get("properties"), Mapping):
        made["properties"] = {name: plain(member) for name, member in schema["properties"].items()}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    if schema.get("type") == "integer" and (bound := _BOUNDS.get(str(schema.get("format")))) is not None:
        made.setdefault("minimum", -bound)
        made.setdefault("maximum", bound - 1)
    return made


def _is_date(schema: Schema) -> bool:
    formats = [schema.get("format"), *(each.get("format") for each in schema.get("anyOf", ()))]
    return "date-time" in formats


def _problems(validator: jsonschema_rs.Draft202012Validator, value: Any) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for error in validator.iter_errors(value):
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path).lstrip(".")
        message = error.message
        if error.kind.name == "required":
            missing = getattr(error.kind, "property", "")
            path = f"{path}.{missing}".lstrip(".")
            message = f"{missing[:1].upper()}{missing[1:]} is required."
        if len(message) > _LONGEST:
            message = message[: _LONGEST - 3] + "..."
        found.setdefault(path or "body", []).append(message)
    yield from found.items()
