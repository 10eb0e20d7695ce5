"""Requests with several faults at once: the one that comes first in the order of refusals is the one answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.existing import first, ghosts, path, required_query
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.harmless import UNREADABLE
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation

MEDIA = "text/no-json"
"""Is no type that an operation reads, though nobody could mistake it for something to act upon."""
ACCEPT = "application/x-nothing"
BROKEN = "eq("
"""No filter."""


@dataclass(frozen=True)
class Faults:
    """What is wrong with a request, in the order in which it must be refused."""

    names: tuple[str, ...]

    def __contains__(self, name: object) -> bool:
        return name in self.names


@dataclass
class Parts:
    """A request that is put together fault by fault."""

    params: dict[str, str]
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


def operations(api: Api) -> Sequence[str]:
    return [each.id for each in api.operations.values() if not each.open]


@check(
    "access.order",
    proves="of several faults in one request the first in the order of refusals is answered",
    codes=("A107",),
    cases=operations,
)
def order(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    faults = possible(p, operation)
    for at, name in enumerate(faults[:-1]):
        later = faults[at + 1 :]
        if all(_status(p, operation, each) == _status(p, operation, name) for each in later):
            continue
        if name in ("token", "role") and later in (("find",), ("body",), ("role", "find"), ("role", "body")):
            continue  # the matrix asks just that
        try:
            exchange = asked(p, operation, Faults(faults[at:]))
            expected = _status(p, operation, name)
            if exchange.status == expected:
                continue
            alone = asked(p, operation, _alone(operation, name))
        except (Nothing, Unsafe):
            continue
        if alone.status != expected:
            raise Blocked(f"{operation.id}: a wrong {name} alone is answered {alone.status}, not {expected}")
        taken = next((each for each in later if _status(p, operation, each) == exchange.status), "another fault")
        yield p.finding(
            "A107",
            exchange,
            expected=f"{expected}: {name} comes before {', '.join(later)}",
            source=p.source(name),
            subject=f"{name} before {taken}",
            steps=(alone,),
        )
        return


def _alone(operation: Operation, name: str) -> Faults:
    """One fault; of a write, on what is not there, which comes after those for which the caller is at fault."""
    ghost = name in ("token", "scope", "role") and operation.method != "GET" and first(operation) is not None
    return Faults((name, "find") if ghost else (name,))


def possible(p: Probe, operation: Operation) -> tuple[str, ...]:
    """The faults that a request for this operation can have, in the order of refusals."""
    said = p.spec(operation)
    body = p.resolved(said.get("requestBody", {}))
    scoped = p.api.scope is not None and p.api.scope.parameter is not None
    there = {
        "token": not operation.open,
        "scope": scoped and f"{{{p.api.scope.parameter if p.api.scope else ''}}}" in operation.path,
        "role": not operation.open and any(each.role not in operation.roles for each in p.callers),
        "query": bool(_wrong_query(p, operation)),
        # What replaces creates, too, where there is nothing.
        "find": first(operation) is not None and operation.does != "replace",
        "accept": operation.does == "download" or len(_media(p, operation)) > 1,
        "media": list(body.get("content", {})) == ["application/json"],
        "body": list(body.get("content", {})) == ["application/json"],
    }
    return tuple(row["check"] for row in p.api.refusals if there.get(row["check"]))


def _media(p: Probe, operation: Operation) -> Mapping[str, object]:
    """The types that the operation's success can have."""
    content: Mapping[str, object] = p.resolved(p.spec(operation)["responses"].get("200", {})).get("content", {})
    return content


def _status(p: Probe, operation: Operation, name: str) -> int:
    start = first(operation)
    return p.status(name, start[1] if name == "find" and start is not None else None)


def _wrong_query(p: Probe, operation: Operation) -> str:
    """A query that must be refused, "" where there is none."""
    if operation.method != "GET":
        return ""
    if p.api.conventions.query == "rql":
        return BROKEN if operation.does == "list" else ""
    for said in p.spec(operation)["parameters"]:
        schema = p.resolved(said.get("schema", {}))
        if said["in"] == "query" and (schema.get("type") in ("integer", "boolean") or "enum" in schema):
            return f"{said['name']}=x"
        if said["in"] == "query" and schema.get("type") == "array" and "format" in schema.get("items", {}):
            return f"{said['name']}=x"
        if said["in"] == "query" and said.get("required"):
            return f"{said['name']}="
    return ""


def asked(p: Probe, operation: Operation, faults: Faults) -> Exchange:
    """The answer to a request with these faults and no other. Raises Nothing, or Unsafe, where it cannot be sent."""
    caller = _caller(p, operation, faults)
    parts = Parts(_params(p, operation, caller, faults))
    if p.api.scope is not None and p.api.scope.parameter is not None and "scope" in faults:
        parts.params[p.api.scope.parameter] = p.facts.shape(p.api.scope.entity)
    parts.query = _wrong_query(p, operation) if "query" in faults else required_query(p, operation)
    if "accept" in faults:
        parts.headers["accept"] = ACCEPT
    if operation.method != "GET":
        _write(p, operation, parts, faults)
    return p.call(operation, caller, parts.params, query=parts.query, content=parts.content, headers=parts.headers)


def _write(p: Probe, operation: Operation, parts: Parts, faults: Faults) -> None:
    """Give a write its body: one that nobody can read, wherever it could do something else."""
    said = p.resolved(p.spec(operation).get("requestBody", {}))
    if "body" in faults or "media" in faults or (said and operation.does in ("create", "sync", "own", "replace")):
        parts.content = UNREADABLE
        parts.headers["content-type"] = MEDIA if "media" in faults else "application/json"


def _caller(p: Probe, operation: Operation, faults: Faults) -> Caller:
    if "token" in faults:
        return p.nobody
    wrong = "role" in faults
    for each in p.callers:
        if (each.role not in operation.roles) == wrong:
            return each
    raise Nothing(f"no caller {'without' if wrong else 'with'} the right to {operation.id}")


def _params(p: Probe, operation: Operation, caller: Caller, faults: Faults) -> dict[str, str]:
    """A path to what cannot be; to what is there where that must not be at fault, for readings alone."""
    if "find" in faults or first(operation) is None:
        return ghosts(p, operation)
    if operation.method != "GET":
        raise Nothing(f"{operation.id} would be done to an object that is there")
    for reader in [caller, *p.may(operation)]:
        if reader.role in operation.roles:
            return path(p, operation, reader)
    raise Nothing(f"nobody may {operation.id}")
