"""The form of every table, as JSON Schemas: which entries there are and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOES = ("list", "read", "create", "update", "delete", "act", "upload", "sync", "attach", "download")
CHECKS = ("token", "role", "find", "accept", "media", "body", "state")

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

_ACCESS = _row(
    ("roles", "refusals", "operations"),
    {
        "roles": _SOME_TEXTS,
        "matrix": _TEXT,
        "refusals": {
            "type": "array",
            "items": _row(
                ("check", "status", "source"),
                {
                    "check": _one_of(CHECKS),
                    "status": {"type": "integer", "minimum": 400, "maximum": 499},
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
                        "when": {"type": "object"},
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
            # `parent`, the only text there is: the row is seen as the object above it.
            "rows": {"type": ["object", "string"], "additionalProperties": _TEXT, "pattern": "^parent$"},
            "only": _each(_SOME_TEXTS),
            "omits": _row(("list", "read"), {"list": _TEXTS, "read": _TEXTS}),
            "writes": _each(_SOME_TEXTS),
            "source": _TEXT,
        },
    )
)

_CONVENTIONS = _row(
    (
        *("title", "base", "paging", "errors", "ids", "references", "core", "public", "money", "uploads"),
        "attachments",
    ),
    {
        "title": _TEXT,
        "base": _TEXT | {"pattern": "^/"},
        "paging": _row(("default", "cap"), {"default": _SIZE, "cap": _SIZE}),
        "errors": _row(
            ("media", "titles", "unreadable"), {"media": _TEXT, "titles": _each(_TEXT), "unreadable": _TEXT}
        ),
        "ids": _each(
            _row(
                ("prefix", "groups", "source"),
                {
                    "prefix": _TEXT,
                    "groups": {"type": "array", "items": _SIZE, "minItems": 1},
                    "from": _SOME_TEXTS,
                    "step": _SIZE,
                    "source": _TEXT,
                },
            )
        ),
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
                "members": _each({"type": "object"}),
                "copies": _each(_SOME_TEXTS),
            },
        ),
    },
)

FORMS: Mapping[str, Schema] = {
    "access": _ACCESS,
    "machines": _MACHINES,
    "visibility": _VISIBILITY,
    "conventions": _CONVENTIONS,
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
    if keyword == "uniqueItems":
        return f"{where}: says one thing twice; drop one."
    return f"{where}: {error.message}; mend it."
