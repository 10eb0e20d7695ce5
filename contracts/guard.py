"""What may be sent in which mode. Every call of a run passes here, and goes out with the reason why it may."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from contracts.settings import Mode
from contracts.wire import Request
from specs.tables import Api, Operation

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CREATES = frozenset({"create", "attach", "sync", "replace", "own"})


class Unsafe(Exception):
    """A call that the mode does not allow; `str()` says which, and why not. It is not sent."""


class Beyond(Unsafe):
    """A call for which the mode is too small; one that allows more would send it."""


@dataclass(slots=True)
class Guard:
    """Knows what cannot exist, what the run made, and what it was lent.

    made, lent: entity -> ids; ghosts: ids that were asked for and not found
    minted: ids that the run drew for objects that it names itself, and that were not found
    lasting: operationIds whose effect nothing takes back
    """

    api: Api
    mode: Mode
    ghosts: set[str] = field(default_factory=set)
    made: dict[str, set[str]] = field(default_factory=dict)
    lent: Mapping[str, Iterable[str]] = field(default_factory=dict)
    minted: set[str] = field(default_factory=set)
    lasting: frozenset[str] = frozenset()

    def reason(self, operation: Operation | None, params: Mapping[str, str], request: Request) -> str:
        """Why the call may be sent. Raises Unsafe."""
        if request.method in SAFE:
            return "read"
        scope = None if self.api.scope is None else self.api.scope.parameter
        named = [value for name, value in params.items() if name != scope]
        # Putting something under an id that is free makes it, so there only a body that makes nothing will do.
        puts = operation is not None and operation.does == "replace"
        if any(value in self.ghosts for value in named) and not (puts and request.content and not _unreadable(request)):
            return "ghost"
        if operation is None:
            raise Unsafe(f"{request.method} {request.path}: no operation of {self.api.name}; only on a ghost.")
        if operation.key is None and operation.parent is None and self._needs_body(operation) and _unreadable(request):
            return "unreadable"
        if not self.mode.writes:
            raise Unsafe(f"{operation.id}: a write on what may exist; {self.mode} sends none.")
        if self.mode is Mode.OWN and operation.id in self.lasting:
            raise Beyond(f"{operation.id}: nothing takes it back; only --mode full may call it.")
        return self._owned(operation, params)

    def allow(self, operation: Operation, touched: Mapping[str, Iterable[str]]) -> None:
        """See that what a body names, and the call would change, is the run's own or lent to it. Raises Unsafe."""
        for entity, ids in touched.items():
            for id in ids:
                lent = self.mode is Mode.FULL and id in self.lent.get(entity, ())
                if id not in self.made.get(entity, ()) and not lent:
                    raise Unsafe(
                        f"{operation.id}: its body would change {entity} {id}, which this run neither made nor was "
                        f"lent; lend one under [lend.{self.api.name}] in contracts.toml."
                    )

    def _owned(self, operation: Operation, params: Mapping[str, str]) -> str:
        first, entity = operation.parent or operation.key, operation.below or operation.entity
        if first is None:
            return "create"
        value = params.get(first, "")
        if operation.does == "replace" and value in self.minted:
            return "create"
        if value in self.made.get(entity, ()):
            return "own"
        if self.mode is Mode.FULL and value in self.lent.get(entity, ()):
            return "lent"
        raise Unsafe(f"{operation.id}: {entity} {value} was not made by this run, nor lent to it.")

    def _needs_body(self, operation: Operation) -> bool:
        path = operation.path.removeprefix(str(self.api.document["servers"][0]["url"]).rstrip("/"))
        said = self.api.document["paths"][path][operation.method.lower()].get("requestBody", {})
        while "$ref" in said:
            said = self.api.document["components"]["requestBodies"][said["$ref"].rpartition("/")[2]]
        return bool(said.get("required")) and "multipart/form-data" not in said["content"]


def _unreadable(request: Request) -> bool:
    """Whether the body is sent as JSON and cannot be read as such by anybody."""
    if not request.content or "json" not in request.headers.get("content-type", ""):
        return False
    try:
        json.loads(request.content)
    except (ValueError, RecursionError):
        return True
    return False
