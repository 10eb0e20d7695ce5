"""What makes a spec one that cannot be served."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from specs.documents import METHODS
from specs.forms import faults
from specs.places import file as file_of
from specs.places import parameters
from specs.tables import TableError


def document(home: str, content: Any) -> None:
    """The spec has what its readers rely on: names of operations, a success each, references that lead somewhere."""
    file = file_of(home, "openapi")
    for word, kind in {"servers": list, "paths": dict, "components": dict}.items():
        if not isinstance(content, dict) or not isinstance(content.get(word), kind) or not content[word]:
            raise TableError(f"{file}: no {word}; an OpenAPI document needs them.")
    if not isinstance(content["servers"][0], dict) or not isinstance(content["servers"][0].get("url"), str):
        raise TableError(f"{file}: servers: the first has no url; say what all paths begin with.")
    homes: dict[str, str] = {}
    for path, item in content["paths"].items():
        if not isinstance(item, dict):
            raise TableError(f"{file}: {path}: say which methods there are.")
        for method in filter(item.__contains__, METHODS):
            place = f"{method.upper()} {path}"
            id = _operation(f"{file}: {place}", item[method])
            if id in homes:
                raise TableError(f"{file}: {place}: {id} is the operationId of {homes[id]} too; give each its own.")
            homes[id] = place
    for fault in faults("openapi", content):
        raise TableError(f"{file}: {fault}")
    for reference in sorted(set(re.findall(rb'"\$ref":"([^"]+)"', orjson.dumps(content)))):
        _leads_somewhere(file, content, reference.decode())
    for path, item in content["paths"].items():
        for method in filter(item.__contains__, METHODS):
            _path(f"{file}: {method.upper()} {path}", path, parameters(content, item, item[method], "path"))


def _operation(place: str, operation: Any) -> str:
    """The operationId of an operation that has all that is read of it."""
    for word, kind in {"operationId": str, "tags": list, "summary": str, "responses": dict}.items():
        if not isinstance(operation, dict) or not isinstance(operation.get(word), kind) or not operation[word]:
            raise TableError(f"{place}: no {word}; add it.")
    for status in operation["responses"]:
        if not re.fullmatch("[1-5][0-9][0-9]", status):
            raise TableError(f"{place}: responses: {status!r} is no status; name each one that it answers.")
    if not any(status < "400" for status in operation["responses"]):
        raise TableError(f"{place}: responses: no success; add the status below 400 that it answers.")
    return str(operation["operationId"])


def _path(place: str, path: str, declared: Mapping[str, Any]) -> None:
    """What stands in braces in a path is declared as a parameter, and the other way round."""
    keys = re.findall(r"\{([^{}]*)\}", path)
    for key in keys:
        if key not in declared:
            raise TableError(f"{place}: no path parameter {key!r} is declared; add it.")
    for name in declared:
        if name not in keys:
            raise TableError(
                f"{place}: the path parameter {name!r} is declared and not in the path; mend one of the two."
            )


def _leads_somewhere(file: str, content: Mapping[str, Any], reference: str) -> None:
    passed = set()
    while True:
        found: Any = content
        # Assembled, a document refers to itself alone; anything else is a site that nobody reads.
        for step in reference.removeprefix("#/").split("/") if reference.startswith("#/") else [reference]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or step not in found:
                raise TableError(f"{file}: the reference {reference} leads nowhere; mend it, or add what it names.")
            found = found[step]
        passed.add(reference)
        if not isinstance(found, dict) or not isinstance(found.get("$ref"), str):
            return
        reference = found["$ref"]
        if reference in passed:
            raise TableError(f"{file}: the reference {reference} leads back to itself; say what it is.")
