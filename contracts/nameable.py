"""What [values] of contracts.toml may say of an API: the schemas `apis/*/values.yaml`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from contracts.mistakes import near
from specs.tables import Api

SCHEMAS = Path(__file__).parent / "apis"


def schema(api: Api) -> dict[str, Any]:
    """The JSON Schema of an API's values; of an API without one, its scope's parameter is all that can be said."""
    place = SCHEMAS / api.name / "values.yaml"
    if place.is_file():
        found: dict[str, Any] = yaml.safe_load(place.read_text(encoding="utf-8"))
        return found
    scope = api.scope.parameter if api.scope is not None else None
    said = {"type": "string", "minLength": 1, "description": "where most callers work"}
    return {"type": "object", "properties": {} if scope is None else {scope: said}}


def mistakes(api: Api, values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the values that somebody says of an API, a line each: name, what, and the mend."""
    known = schema(api)
    unknown = [name for name in values if name not in known["properties"]]
    for name in unknown:
        yield f".{name}: no such value; {near(name, known['properties'])}"
    try:
        # A day stands in TOML without quotes, too.
        plain = json.loads(json.dumps({name: values[name] for name in values if name not in unknown}, default=str))
        errors = list(jsonschema_rs.Draft202012Validator(known, validate_formats=True).iter_errors(plain))
    except ValueError as reason:  # what TOML can say, and JSON cannot
        yield f": {reason}"
        return
    for error in errors:
        at = "".join(f".{each}" for each in error.instance_path)
        described = known["properties"][error.instance_path[0]]["description"] if error.instance_path else ""
        yield f"{at}: {error.message}{f'; it is {described}' if described else ''}."
