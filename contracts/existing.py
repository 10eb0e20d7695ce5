"""What is there already: paths that lead to something a caller can read, and queries that nothing is wrong with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from contracts.probe import Blocked, Nothing, Probe
from contracts.wire import Caller
from specs.tables import Operation

TRIED = 8
"""So many objects are looked into for one that holds others."""


def first(operation: Operation) -> tuple[str, str] | None:
    """(path parameter, entity) of the object that is looked up first; None where the path names none."""
    if operation.parent is not None and operation.below is not None:
        return operation.parent, operation.below
    if operation.below is not None and operation.key is not None:
        return operation.key, operation.below
    return (operation.key, operation.entity) if operation.key is not None else None


def paths(p: Probe, operation: Operation, caller: Caller) -> Iterator[dict[str, str]]:
    """Values of a reading's path that lead to something this caller can read."""
    start = first(operation)
    if start is None:
        yield {}
        return
    parameter, entity = start
    for id in islice(p.facts.ids(entity, caller), TRIED):
        if operation.key is None or operation.key == parameter:
            yield {parameter: id}
        else:
            for child in children(p, operation, caller, {parameter: id}):
                yield {parameter: id, operation.key: child}


def path(p: Probe, operation: Operation, caller: Caller) -> dict[str, str]:
    """The first of them. Raises Nothing if there is none."""
    for found in paths(p, operation, caller):
        return found
    raise Nothing(f"{caller.name} sees nothing that {operation.id} could be called on")


def ghosts(p: Probe, operation: Operation) -> dict[str, str]:
    """Ids that cannot be, for a path; a reading gets them even where nothing has shown yet that they are unknown.

    Raises Blocked for a write that could meet something after all.
    """
    start = first(operation)
    try:
        return p.ghosts(operation)
    except Blocked:
        if operation.method != "GET" or start is None:
            raise
    found = {} if operation.key is None else {operation.key: p.facts.shape(operation.entity)}
    return {**found, start[0]: p.facts.shape(start[1])}


def children(p: Probe, operation: Operation, caller: Caller, above: Mapping[str, str]) -> list[str]:
    """Ids of what lies below an object, as its list shows to this caller, or the object itself where there is none.

    above: the values of its path
    """
    listing = p.lists(operation.entity, operation.below)
    if listing is None:
        return _within(p, operation, caller, above)
    if listing.parent is None or caller.role not in listing.roles:
        return []
    renamed = {listing.parent if name == operation.parent else name: value for name, value in above.items()}
    rows = p.facts.rows(listing, caller, renamed)
    return [str(row[p.key(operation.entity)]) for row in rows if p.key(operation.entity) in row]


def _within(p: Probe, operation: Operation, caller: Caller, above: Mapping[str, str]) -> list[str]:
    """The ids that the rows within an object have, under the name that the path has for them."""
    reading = p.reads(operation.below) if operation.below is not None else None
    if reading is None or reading.key is None or caller.role not in reading.roles:
        return []
    renamed = {reading.key if name == operation.parent else name: value for name, value in above.items()}
    record = p.expect(p.call(reading, caller, renamed), 200).json
    lists = [each for each in record.values() if isinstance(each, list)] if isinstance(record, dict) else []
    rows = [row for each in lists for row in each if isinstance(row, dict)]
    return [str(row[operation.key]) for row in rows if operation.key in row]


def required_query(p: Probe, operation: Operation) -> str:
    """The query parameters that an operation asks for, with values that the spec allows."""
    said = [each for each in p.spec(operation)["parameters"] if each["in"] == "query" and each.get("required")]
    return urlencode({each["name"]: spelled(right(p, each)) for each in said})


def right(p: Probe, parameter: Mapping[str, Any]) -> Any:
    """A value that a parameter allows. Raises Blocked where the spec gives none."""
    schema = p.resolved(parameter.get("schema", {}))
    for found in (parameter, schema):
        if "example" in found:
            return found["example"]
        for each in found.get("examples", {}).values() if isinstance(found.get("examples"), Mapping) else ():
            return p.resolved(each).get("value")
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    if schema.get("type") == "boolean":
        return True
    if schema.get("type") in ("integer", "number"):
        return schema.get("minimum", 1)
    raise Blocked(f"the spec has no example of {parameter['name']}; add one there")


def spelled(value: Any) -> str:
    """A value as a query has it."""
    if isinstance(value, list):
        return ",".join(map(spelled, value))
    return value if isinstance(value, str) else json.dumps(value)
