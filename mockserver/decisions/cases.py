"""What an explanation is made of: the request as far as the journal kept it, and the sandbox as it is now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import unquote

from mockserver import gate
from mockserver.auth import Caller
from mockserver.domain import errors
from mockserver.exchange import Exchange
from mockserver.recording import Call, Refused
from mockserver.sandboxes import Sandbox
from specs.tables import Api, Capability, Operation

MOST = 3
"""Ids, names and paths that a mend offers"""


@dataclass
class Why:
    """What decided.

    because, mend: a sentence each; facts: what there is to say beside them, by name
    """

    because: str
    mend: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What an explanation is made of; x: the request as far as the journal kept it, None where it was no operation's"""

    call: Call
    refused: Refused
    api: Api
    sandbox: Sandbox
    x: Exchange | None

    @property
    def operation(self) -> Operation | None:
        return None if self.x is None else self.x.operation

    @property
    def cast(self) -> Iterator[Caller]:
        """Who may call the API, but for those whose tokens have expired."""
        return (each for each in self.sandbox.base.callers[self.api.name].values() if each.expires is None)


def plainly(case: Case) -> Why:
    """What the refusal itself says."""
    return Why(case.refused.said)


def exchange(call: Call, sandbox: Sandbox, caller: Caller | None = None) -> Exchange | None:
    """The request once more, as far as the checks need it; as somebody else if `caller` says so."""
    side = sandbox.sides[call.api or ""]
    endpoint = side.service.endpoints.get(call.operation or "")
    if endpoint is None:
        return None
    params = _params(endpoint.operation, call.path)
    scope = {"query_string": call.query.encode("latin-1", "replace"), "headers": []}
    x = Exchange(scope, {}, side.service, endpoint, params, sandbox, side, b"")
    cast = sandbox.base.callers[call.api or ""].values()
    found = caller or next((each for each in cast if each.name == call.caller), None)
    if found is not None and endpoint.is_closed:
        x.caller, x.role = found, found.role
        x.begin()
        x.role = call.role if caller is None and call.role is not None else x.role
    else:
        x.work = x.world.work()
        x.work.params = params
    return x


def _params(operation: Operation, path: str) -> dict[str, str]:
    """The parameters of a path."""
    named, given = segments(operation.path), segments(path)
    # Of a path that was cut the end is not known; what is missing stands for nothing that there is.
    given += [""] * (len(named) - len(given))
    pairs = zip(named, given, strict=False)
    return {name[1:-1]: unquote(value) for name, value in pairs if name.startswith("{")}


def segments(path: str) -> list[str]:
    """The segments of a path, the slashes around it left out."""
    return path.strip("/").split("/")


def passes(case: Case, caller: Caller, *steps: Callable[[Exchange], None]) -> bool:
    """Whether somebody else would come through these checks, and have the role."""
    x = exchange(case.call, case.sandbox, caller)
    if x is None:
        return False
    scope = case.api.scope
    is_scoped = scope is not None and scope.parameter is not None and scope.parameter in x.params
    try:
        for step in steps:
            if step is not gate.scope or is_scoped:
                step(x)
    except errors.Refusal:
        return False
    return x.role in x.operation.roles


def capability_of(api: Api, cell: str | None) -> Capability | None:
    """The capability whose cell was looked up."""
    return next((each for each in api.capabilities if each.id == cell), None)


def names(all: Iterable[str]) -> str:
    """A few of them, in words."""
    shown = list(islice(all, MOST + 1))
    return ", ".join(shown[:MOST]) + (", ..." if len(shown) > MOST else "")


def sentence(text: str) -> str:
    """The text with a capital in front, unless its first word is a name."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text
