"""What there is to call operations on, as the API itself lists it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mockserver import MockServer
from specs.tables import Operation
from tests.driver import Client

Found = tuple[dict[str, str], dict[str, Any], dict[str, Any]]
"""Path parameters, and the records of the object and of its parent, or of the object twice."""


def objects(app: MockServer, caller: str, operation: Operation) -> Iterator[Found]:
    """What `caller` can see that the operation could be called on, oldest first."""
    client, service = Client(app, app.token(caller)), app.services["billing"]
    role = app.callers[caller].role
    names = variables(operation.path)

    def listed(entity: str, below: str | None = None, parent: str = "") -> list[dict[str, Any]]:
        found = next(
            (
                each
                for each in service.api.operations.values()
                if (each.does, each.entity, each.below) == ("list", entity, below) and role in each.roles
            ),
            None,
        )
        if found is None:
            return []
        path = found.path.removeprefix(service.api.conventions.base)
        for name in variables(path):
            path = path.replace(f"{{{name}}}", parent)
        records: list[dict[str, Any]] = client.get(f"{path}?limit=100").json["data"]
        return records

    if operation.below is None:
        for record in listed(operation.entity):
            yield {"id": record["id"]}, record, record
        return
    for parent in listed(operation.below):
        if operation.does in ("list", "attach"):
            yield {names[0]: parent["id"]}, parent, parent
        else:
            for record in listed(operation.entity, operation.below, parent["id"]):
                yield {names[0]: parent["id"], "id": record["id"]}, record, parent


def variables(path: str) -> list[str]:
    """The names of a path template's variables."""
    return [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]


def filled(path: str, params: dict[str, str]) -> str:
    """A path template with its variables in place."""
    for name, value in params.items():
        path = path.replace(f"{{{name}}}", value)
    return path
