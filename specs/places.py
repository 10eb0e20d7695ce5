"""Where a check looks, and how a message names it: files of an API's folder, and members of the schemas it declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from specs.tables import TableError

JSON = "application/json"
# Parsed YAML, which may hold anything.
Schema = Mapping[str, Any]


def file(home: str, table: str) -> str:
    """A table of the API in the folder `home`, as messages name it."""
    return f"{home}/{table}.yaml"


def known(place: str, found: Iterable[str], right: Iterable[str]) -> None:
    """Raises TableError, with those that there are, for what is found and not among them."""
    right = list(right)
    for each in found:
        if each not in right:
            raise TableError(f"{place}: no {each!r}; there are: {', '.join(right) or 'none'}.")


def whole(document: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """What a schema says, with references and `allOf` followed; of two that say the same, the outer one counts."""
    made: dict[str, Any] = {}
    for part in _parts(document["components"].get("schemas", {}), schema, frozenset()):
        properties = {**part.get("properties", {}), **made.get("properties", {})}
        required = [*made.get("required", ()), *part.get("required", ())]
        made = {**part, **made}
        if properties:
            made["properties"] = properties
        if required:
            made["required"] = required
    return made


def _parts(schemas: Mapping[str, Any], schema: Schema, passed: frozenset[str]) -> Iterator[Schema]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in passed and name in schemas:
            yield from _parts(schemas, schemas[name], passed | {name})
        return
    yield schema
    for part in schema.get("allOf", ()):
        yield from _parts(schemas, part, passed)


def member(document: Mapping[str, Any], name: str, path: str) -> dict[str, Any] | None:
    """The schema of a dotted member of a component's schema, looking through arrays; None if there is none."""
    found = whole(document, document["components"].get("schemas", {}).get(name, {}))
    for step in path.split("."):
        if found.get("type") == "array":
            found = whole(document, found.get("items", {}))
        if step not in found.get("properties", {}):
            return None
        found = whole(document, found["properties"][step])
    return found


def answers(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each status that an operation documents, with the media types that answer it."""
    shared = document["components"].get("responses", {})
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            answer = shared[answer["$ref"].rpartition("/")[2]]
        yield int(status), answer.get("content", {})


def parameters(
    document: Mapping[str, Any], item: Mapping[str, Any], operation: Mapping[str, Any], kind: str
) -> dict[str, dict[str, Any]]:
    """The schemas of the parameters of one kind (`query`, `path`) that an operation and its path declare, by name."""
    shared = document["components"].get("parameters", {})
    found = {}
    for each in (*item.get("parameters", ()), *operation.get("parameters", ())):
        declared = shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        if declared.get("in") == kind:
            found[declared["name"]] = whole(document, declared.get("schema", {}))
    return found
