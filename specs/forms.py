"""The form of every table, as JSON Schemas: which entries there are and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specs.documents import METHODS
from specs.permissions import RULES

DOES = ("list", "read", "create", "update", "delete", "act", "upload", "sync", "attach", "download", "replace", "own")
CHECKS = ("token", "scope", "role", "query", "find", "accept", "media", "body", "state")
QUERIES = ("rql", "parameters")
# How an id may be formed -> the entries that say more of it.
IDENTIFIERS: Mapping[str, tuple[str, ...]] = {
    "groups": ("prefix", "groups"),
    "digits": ("length",),
    "ulid": (),
    "uuid": (),
}
# What a text that begins with `$` may stand for: in the envelope of a list, in a refusal, in each fault of a refusal.
LIST_VALUES = ("offset", "limit", "total", "omitted", "completed", "previous", "self", "next")
ERROR_VALUES = ("status", "title", "code", "detail", "errors", "type", "trace", "ticket", "uuid")
FAULT_VALUES = ("message", "fields")

Schema = dict[str, Any]


def _one_of(names: tuple[str, ...]) -> Schema:
    return {"enum": list(names)}


def _row(required: tuple[str, ...], properties: Schema) -> Schema:
    """A row with these entries and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def _each(value: Schema) -> Schema:
    """A mapping whose keys are free, if they are words."""
    return {"type": "object", "propertyNames": {"pattern": r"^\S+$"}, "additionalProperties": value}


_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "uniqueItems": True}
_SOME_TEXTS: Schema = _TEXTS | {"minItems": 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SIZE: Schema = {"type": "integer", "minimum": 1}
_IDENTIFIER: Schema = {
    "prefix": _TEXT,
    "groups": {"type": "array", "items": _SIZE, "minItems": 1},
    "length": _SIZE,
    "from": _SOME_TEXTS,
    "step": _SIZE,
    "source": _TEXT,
}

_FREE: Schema = {"type": "object"}
_STATUS: Schema = {"type": "integer", "minimum": 400, "maximum": 499}

_ACCESS = _row(
    ("roles", "refusals", "operations"),
    {
        # Names, or what each is a set of.
        "roles": _each(_TEXTS) | _SOME_TEXTS | {"type": ["array", "object"], "minProperties": 1},
        "rule": _one_of(RULES),
        "scope": _row(
            ("grants", "entity"),
            {"grants": _TEXT, "entity": _TEXT, "parameter": _TEXT, "kinds": _TEXT, "empty": _TEXT, "unbound": _TEXT},
        ),
        "matrix": _TEXT,
        "refusals": {
            "type": "array",
            "items": _row(
                ("check", "status", "source"),
                {
                    "check": _one_of(CHECKS),
                    "status": _STATUS,
                    "of": _each(_STATUS),
                    "source": _TEXT,
                },
            ),
        },
        "operations": _each(
            _row(
                (),
                {
                    "does": _one_of(DOES),
                    "entity": _TEXT,
                    "below": _TEXT,
                    "event": _TEXT,
                    "who": _TEXTS,
                    "needs": _TEXTS,
                    "open": {"const": True},
                    "filters": _each(_TEXT),
                    "source": _TEXT,
                    "at": _TEXT,
                    "media": _one_of(("file",)),
                },
            )
            | {"oneOf": [{"required": ["does", "entity"]}, {"required": ["at", "media"]}]}
        ),
    },
)

_MACHINES = _each(
    _row(
        ("initial", "final", "rows"),
        {
            "field": _TEXT,
            "initial": _TEXT,
            "final": _TEXTS,
            "audit": {"type": "boolean"},
            "rows": {
                "type": "array",
                "items": _row(
                    ("id", "event", "from", "to", "source"),
                    {
                        "id": _TEXT,
                        "event": _TEXT,
                        "from": _SOME_TEXTS,
                        "to": _TEXT,
                        "by": _one_of(("system",)),
                        "then": _TEXT,
                        "else": _TEXT,
                        "when": _FREE,
                        "silent": {"type": "boolean"},
                        "source": _TEXT,
                    },
                ),
            },
        },
    )
)

_VISIBILITY = _each(
    _row(
        ("rows", "omits", "source"),
        {
            "schema": _TEXT,
            # `parent`: the row is seen as the object above it; `derived`: code makes it of other rows.
            "rows": {"type": ["object", "string"], "additionalProperties": _TEXT, "pattern": "^(parent|derived)$"},
            "only": _each(_SOME_TEXTS),
            "omits": _row(("list", "read"), {"list": _TEXTS, "read": _TEXTS}),
            "writes": _each(_SOME_TEXTS),
            "source": _TEXT,
        },
    )
)

_CONVENTIONS = _row(
    ("title", "bases", "query", "lists", "errors", "ids"),
    {
        "title": _TEXT,
        "bases": _SOME_TEXTS | {"items": _TEXT | {"pattern": r"^(/[^/\s]+)+$"}},
        "query": _one_of(QUERIES),
        "paging": _row(
            ("offset", "limit", "default", "cap"), {"offset": _TEXT, "limit": _TEXT, "default": _SIZE, "cap": _SIZE}
        ),
        "lists": _row(("items", "envelope"), {"items": _TEXT, "envelope": _FREE, "made": _TEXT}),
        "links": _row(("parameters",), {"parameters": _TEXTS}),
        "spelling": _one_of(("exact", "loose")),
        "sorts": _row(("parameter", "ties", "members"), {"parameter": _TEXT, "ties": _TEXT, "members": _each(_TEXT)}),
        "errors": _row(
            ("media", "body"),
            {
                "media": _TEXT,
                "titles": _each(_TEXT),
                "codes": _each(_TEXT),
                "unreadable": _TEXT,
                "body": _FREE,
                "bodies": _each(_FREE),
            },
        ),
        # The rows of IDENTIFIERS, each with its own entries; which of them a row has is known by its `form`.
        "ids": _each(_row(("source",), {"form": _one_of(tuple(IDENTIFIERS)), **_IDENTIFIER})),
        "stamps": {"type": "boolean"},
        "rules": _FREE,
        "references": _each(_TEXT),
        "core": _each(_SOME_TEXTS),
        "public": _each(_SOME_TEXTS),
        "money": _each(_COUNT),
        "uploads": _each(_row(("accepts", "source"), {"accepts": _SOME_TEXTS, "source": _TEXT})),
        "attachments": _row(
            ("limit", "link", "accepts"),
            {
                "limit": _SIZE,
                "link": _SIZE,
                "accepts": _SOME_TEXTS,
                "members": _each(_FREE),
                "copies": _each(_SOME_TEXTS),
            },
        ),
    },
)

# Of OpenAPI only what is read here: the rest is for those who validate documents.
_SCHEMA: Schema = {"$ref": "#/$defs/schema"}
_CONTENT: Schema = {"type": "object", "additionalProperties": {"type": "object", "properties": {"schema": _SCHEMA}}}
_RESPONSE: Schema = {"type": "object", "properties": {"content": _CONTENT}}
_PARAMETER: Schema = {
    "type": "object",
    "properties": {"name": _TEXT, "in": _TEXT, "schema": _SCHEMA},
    "oneOf": [{"required": ["$ref"]}, {"required": ["name", "in"]}],
}
_PARAMETERS: Schema = {"type": "array", "items": _PARAMETER}
_OPERATION: Schema = {
    "type": "object",
    "properties": {
        "tags": _SOME_TEXTS,
        "security": {"type": "array"},
        "parameters": _PARAMETERS,
        "requestBody": {"type": "object", "properties": {"content": _CONTENT}},
        "responses": {"type": "object", "additionalProperties": _RESPONSE},
    },
}
_DOCUMENT: Schema = {
    "type": "object",
    "required": ["openapi", "info"],
    "properties": {
        "openapi": _TEXT | {"pattern": r"^3\.0\.\d"},
        "info": {"type": "object", "required": ["title", "version"], "properties": {"title": _TEXT, "version": _TEXT}},
        "security": {"type": "array"},
        "paths": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"parameters": _PARAMETERS, **dict.fromkeys(METHODS, _OPERATION)},
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {"type": "object", "additionalProperties": _SCHEMA},
                "responses": {"type": "object", "additionalProperties": _RESPONSE},
                "parameters": {"type": "object", "additionalProperties": _PARAMETER},
            },
        },
    },
    "$defs": {
        "schema": {
            "type": "object",
            "properties": {
                "properties": {"type": "object", "additionalProperties": _SCHEMA},
                "required": {"type": "array", "items": _TEXT},
                "enum": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}},
                "items": _SCHEMA,
                "allOf": {"type": "array", "items": _SCHEMA},
            },
        }
    },
}

FORMS: Mapping[str, Schema] = {
    "access": _ACCESS,
    "machines": _MACHINES,
    "visibility": _VISIBILITY,
    "conventions": _CONVENTIONS,
    "openapi": _DOCUMENT,
}
_NAMES = {"object": "names and their values", "array": "a list", "string": "a text", "integer": "a whole number"}


def faults(table: str, content: Any) -> list[str]:
    """What is wrong with the form of a table, a sentence each: the entry, what it says, what would be right."""
    import jsonschema_rs

    try:
        errors = list(jsonschema_rs.Draft202012Validator(FORMS[table]).iter_errors(content))
    except ValueError as error:
        # YAML reads a bare 2024-01-01 as a date, which no entry is.
        return [f"the whole file: {error}; put quotes round it."]
    # A name spelled wrong is one too many and one too few; the one that is there helps more.
    errors.sort(key=lambda error: error.schema_path[-1] != "additionalProperties")
    return [_fault(FORMS[table], error) for error in errors]


def _fault(schema: Schema, error: Any) -> str:  # Any: the compiled library declares its errors in no importable place
    where = ".".join(" ".join(str(step).split()) for step in error.instance_path) or "the whole file"
    *above, keyword = error.schema_path
    owner: Any = schema
    for step in above:
        owner = owner[step]
        if isinstance(owner, dict) and "$ref" in owner:
            owner = schema["$defs"]["schema"]
    if keyword == "additionalProperties":
        there = f"there are: {', '.join(owner['properties'])}"
        return f"{where}: no {', '.join(map(repr, error.kind.unexpected))} belongs here; {there}."
    if keyword == "required":
        return f"{where}: no {error.kind.property!r}; add it."
    if keyword == "oneOf":
        return f"{where}: say either {' or '.join(' and '.join(each['required']) for each in owner['oneOf'])}."
    if keyword == "enum":
        return f"{where}: no {error.instance!r}; there are: {', '.join(owner['enum'])}."
    if keyword == "type":
        wanted = [owner["type"]] if isinstance(owner["type"], str) else owner["type"]
        return f"{where}: say {' or '.join(_NAMES.get(each, each) for each in wanted)}."
    if keyword == "const":
        return f"{where}: say {str(owner['const']).lower()}, or leave it out."
    if keyword == "uniqueItems":
        return f"{where}: says one thing twice; drop one."
    return f"{where}: {error.message}; mend it."
