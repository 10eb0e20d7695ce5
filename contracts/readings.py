"""One object, read by its id: by which operation, and what sets it apart from another telling of the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.probe import Probe
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation

JSON = "application/json"


def reading(api: Api, listed: Operation) -> Operation | None:
    """The operation that reads a row of a list by its id: of the same entity, else of one that has the same schema."""
    schema = api.visibility[listed.entity].schema
    same = [each for each in api.operations.values() if each.key is not None and _tells(api, each)]
    for each in same:
        if (each.entity, each.below) == (listed.entity, listed.below):
            return each
    return next((each for each in same if each.below is None and api.visibility[each.entity].schema == schema), None)


def _tells(api: Api, operation: Operation) -> bool:
    """Whether it answers with the object itself: a reading, or a download that can tell of the file, too."""
    if operation.does == "read":
        return True
    path = operation.path.removeprefix(str(api.document["servers"][0]["url"]).rstrip("/"))
    responses = api.document["paths"][path][operation.method.lower()]["responses"]
    return operation.does == "download" and JSON in responses.get("200", {}).get("content", {})


def read(p: Probe, operation: Operation, caller: Caller, params: Mapping[str, str], query: str = "") -> Exchange:
    """Read one object, whatever is answered."""
    return p.call(operation, caller, params, query=query, headers={"accept": JSON})


def differs(one: Any, other: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first member that both have with different values: its dotted name, and the two."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted((one.keys() & other.keys()) - {"$meta"}):
            found = differs(one[key], other[key], f"{name}.{key}" if name else key)
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for left, right in zip(one, other, strict=True):
            found = differs(left, right, name)
            if found is not None:
                return found
        return None
    return None if one == other else (name or "the whole", one, other)


def texts(value: Any) -> Iterator[str]:
    """Every text in what a body holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from (each,) if isinstance(each, str) else texts(each)
