"""Requests that change nothing, whoever sends them, and that only rights can refuse as such."""

from __future__ import annotations

from contracts.existing import first, ghosts, path, required_query
from contracts.probe import Nothing, Probe
from contracts.wire import Caller, Request
from specs.tables import Capability

UNREADABLE = b'{"'
"""Nobody can read this as JSON, so nobody can act upon it."""
UNTRIED = "can be tried on real objects alone; needs --mode own"


def refusals(p: Probe) -> set[int]:
    """Statuses that say that a caller may not."""
    scoped = p.api.scope is not None and p.api.scope.parameter is not None
    return {p.status("token"), p.status("role")} | ({p.status("scope")} if scoped else set())


def harmless(p: Probe, capability: Capability, caller: Caller) -> tuple[Request, dict[str, str]]:
    """A request for a capability that changes nothing, whoever sends it, and that only rights can refuse as such.

    A write goes to an object that cannot be, or has a body that nobody can read; a reading goes there, too, where the
    answer of a missing object differs from that of a missing right, and else to an object that is there.
    Raises Nothing where that cannot be.
    """
    operation = p.operation(capability.operation)
    start = first(operation)
    if start is not None and not _tells(p, start[1]):
        if operation.method != "GET":
            raise Nothing(f"{operation.id}: a missing object is answered before, or as, a missing right; {UNTRIED}")
        return reading(p, capability, caller)
    params, headers, content = ghosts(p, operation), accepting(p, capability), None
    # What could create needs a body that cannot be read, wherever its path leads.
    if operation.method != "GET" and (operation.does in ("create", "sync", "own", "replace") or start is None):
        if start is None and not operation.open and not _precedes(p, "role", "body"):
            raise Nothing(f"{operation.id}: the body is judged before the role; {UNTRIED}")
        content, headers["content-type"] = UNREADABLE, "application/json"
    query = required_query(p, operation)
    return p.request(operation, caller, params, query=query, content=content, headers=headers), params


def reading(p: Probe, capability: Capability, caller: Caller) -> tuple[Request, dict[str, str]]:
    """A reading of what is there: of the caller's own if they see any, else of somebody's who may."""
    operation = p.operation(capability.operation)
    found: dict[str, str] | None = None
    for reader in sorted(p.may(operation), key=lambda each: each.name != caller.name):
        try:
            found = path(p, operation, reader)
            break
        except Nothing:
            start = first(operation)
            assert start is not None
            if operation.key != start[0] and (id := next(p.facts.ids(start[1], reader), None)):
                found = {**p.ghosts(operation), start[0]: id}
                break
    if found is None:
        raise Nothing(f"nobody sees anything that {operation.id} could be called on")
    query = required_query(p, operation)
    return p.request(operation, caller, found, query=query, headers=accepting(p, capability)), found


def _tells(p: Probe, entity: str) -> bool:
    """Whether a missing object tells who may from who may not."""
    return p.status("find", entity) not in refusals(p) and _precedes(p, "role", "find")


def _precedes(p: Probe, one: str, other: str) -> bool:
    """Whether a check comes before another in the order of refusals."""
    order = [row["check"] for row in p.api.refusals]
    return one not in order or other not in order or order.index(one) < order.index(other)


def accepting(p: Probe, capability: Capability) -> dict[str, str]:
    """The header that chooses a capability, where one operation carries several."""
    if capability.media is None:
        return {}
    answers = p.spec(capability.operation)["responses"]
    content = p.resolved(answers.get("200", {})).get("content", {})
    return {"accept": next((media for media in content if "json" not in media), "text/csv")}
