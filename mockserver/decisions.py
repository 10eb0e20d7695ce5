"""Why a request was answered as it was: the check, the cell, the row of the table that decided, and the mend.

Everything is worked out when it is asked for, of what the journal kept, the tables, and the sandbox as it is then. It
tells what callers must not learn, such as whether an object is missing or somebody else's: it is for whoever owns the
mock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice, zip_longest
from typing import Any
from urllib.parse import unquote

from mockserver import bodies, gate
from mockserver.auth import Caller
from mockserver.domain import errors
from mockserver.domain.machine import state_of
from mockserver.exchange import Exchange
from mockserver.problems import CHECKS, OTHERS
from mockserver.recording import Call, Refused
from mockserver.sandboxes import Sandbox
from mockserver.store import Record, at
from mockserver.work import key_of
from specs.permissions import suffices
from specs.tables import ALL, Api, Capability, Machine, Operation

MOST = 3
"""Ids, names and paths that a mend offers"""
HTTP = "HTTP"
"""The source of a status that no table has a row for"""


@dataclass
class Why:
    """What decided.

    because, mend: a sentence each; facts: what there is to say beside them, by name
    """

    because: str
    mend: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def decision(call: Call, sandbox: Sandbox) -> dict[str, Any]:
    """What decided, as JSON; `words` says all of it in a few sentences."""
    side = sandbox.sides.get(call.api or "")
    if side is None:
        why = _nowhere(call)
        return _told(call, "refused" if call.status >= 400 else "allowed", why)
    api = side.service.api
    if _is_fault(call, api):
        said = f"the fault {call.fault}, which was set in this sandbox, answered in the API's place."
        return _told(call, "fault", Why(said, "switch the fault off."))
    if call.refused is None:
        if call.status >= 500:
            return _told(call, "failed", Why("the server failed; its terminal says where.", "report it."))
        if call.status >= 400:
            return _told(call, "refused", _unrouted(call, api))
        return _told(call, "allowed", _allowed(call, api))
    x = _exchange(call, sandbox)
    check = _check(call, x, call.refused)
    why = EXPLAINED.get(check, _said)(_Case(call, call.refused, api, sandbox, x))
    place, told = _place(api, check, call.status)
    why.facts = {"check": place, **why.facts}
    return _told(call, "refused", why, told)


def _told(call: Call, verdict: str, why: Why, by: str = "") -> dict[str, Any]:
    words = [f"{call.status}{by}: {why.because}" if call.status else why.because]
    words += [why.mend] if why.mend else []
    if call.fault is not None and verdict != "fault":
        words.append(f"the fault {call.fault}, which was set in this sandbox, was in force.")
    made: dict[str, Any] = {"verdict": verdict, **why.facts}
    made |= {"because": why.because} | ({"mend": why.mend} if why.mend else {})
    return made | {"words": " ".join(_sentence(each) for each in words)}


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text


def _is_fault(call: Call, api: Api) -> bool:
    """Whether what was injected answered, and not just came beside the API's own answer."""
    if call.fault is None or 0 < call.status < 400:
        return False
    return call.refused is None or call.status not in _statuses(api, call.refused)


def _statuses(api: Api, refused: Refused) -> set[int]:
    """The statuses that a refusal may have."""
    kinds = refused.kind.__mro__
    checks = {CHECKS[kind] for kind in kinds if kind in CHECKS}
    return {api.status(check, refused.entity) for check in checks} | {OTHERS[kind] for kind in kinds if kind in OTHERS}


# Which check it was


def _check(call: Call, x: Exchange | None, refused: Refused) -> str:
    """The check of access.yaml that refused."""
    if issubclass(refused.kind, errors.TooLarge):
        return gate.BODY
    check = next((CHECKS[kind] for kind in refused.kind.__mro__ if kind in CHECKS), "")
    if check != "query" or x is None or not x.endpoint.has_body:
        return check
    # What is invalid may be so in the query or in the body, which is read after it: the query is read once more.
    try:
        gate.query(x)
    except errors.Invalid:
        return check
    return gate.BODY


def _place(api: Api, check: str, status: int) -> tuple[dict[str, Any], str]:
    """A check's place in the order of refusals, where it has its status from, and how that is told."""
    order = [row["check"] for row in api.refusals]
    row = next((row for row in api.refusals if row["check"] == check), None)
    place = {"name": check, "status": status, "order": order}
    if row is None or status not in (row["status"], *row.get("of", {}).values()):
        return {**place, "source": HTTP}, f" by `{check}`, as HTTP has it (no row of {api.home}/access.yaml says it)"
    number, source = order.index(check) + 1, str(row["source"])
    told = f" by `{check}`, check {number} of {len(order)} in {api.home}/access.yaml ({source})"
    return {**place, "number": number, "source": source}, told


# What there was to decide upon


@dataclass(frozen=True, slots=True)
class _Case:
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


def _exchange(call: Call, sandbox: Sandbox, caller: Caller | None = None) -> Exchange | None:
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
    named, given = _segments(operation.path), _segments(path)
    # Of a path that was cut the end is not known; what is missing stands for nothing that there is.
    given += [""] * (len(named) - len(given))
    pairs = zip(named, given, strict=False)
    return {name[1:-1]: unquote(value) for name, value in pairs if name.startswith("{")}


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _capability(api: Api, cell: str | None) -> Capability | None:
    return next((each for each in api.capabilities if each.id == cell), None)


def _names(names: Iterable[str], *, joint: str = ", ") -> str:
    """A few of them."""
    shown = list(islice(names, MOST + 1))
    return joint.join(shown[:MOST]) + (", ..." if len(shown) > MOST else "")


# What allowed it


def _allowed(call: Call, api: Api) -> Why:
    operation = api.operations.get(call.operation or "")
    if operation is None:
        return Why(f"{call.method} is answered for every path of the API.")
    if operation.open:
        source = operation.capabilities[0].source
        cell = {"capability": operation.id, "role": None, "allowed": True, "source": source}
        return Why(f"{operation.id} asks nobody for a token ({source}).", facts={"cell": cell})
    capability = _capability(api, call.cell)
    if capability is None or call.role is None:
        return Why("no cell was looked up.")
    cell, told = _cell(api, capability, call.role, allowed=True)
    rows = api.visibility[operation.entity].told_by(call.role) if operation.entity in api.visibility else None
    seen = ""
    if rows not in (None, ALL):
        seen = f" Of {operation.entity} it sees the rows whose {rows} is its own"
        seen += f" ({api.visibility[operation.entity].source})."
    return Why(f"allowed by {told}.{seen}", facts={"cell": cell})


def _cell(api: Api, capability: Capability, role: str, *, allowed: bool) -> tuple[dict[str, Any], str]:
    """A cell of the matrix, and how it is told."""
    reason = next((why for each, _, why in capability.overlays if each == role), None)
    cell: dict[str, Any] = {
        "capability": capability.id,
        "title": capability.title,
        "role": role,
        "allowed": allowed,
        "source": "overlay" if reason is not None else capability.source,
        "roles": [each for each in api.roles if each in capability.roles],
    }
    cell |= {"overlay": reason} if reason is not None else {}
    cell |= {"needs": list(capability.needs), "rule": api.rule} if capability.needs else {}
    mark = f"an overlay: {reason}" if reason is not None else capability.source
    return cell, f"the cell {capability.id} x {role or 'no role'} ({mark})"


# What refused it, check by check


def _said(case: _Case) -> Why:
    return Why(case.refused.said)


def _token(case: _Case) -> Why:
    operation = case.operation
    roles = operation.capabilities[0].roles if operation is not None else frozenset(case.api.roles)
    who = _names(each.name for each in case.cast if each.role in roles)
    mend = f"send `Authorization: Bearer <token>` with the token of {who}." if who else "give the scenario a caller."
    return Why(case.refused.said, f"{mend} `mockserver callers` lists them.")


def _scope(case: _Case) -> Why:
    scope, x = case.api.scope, case.x
    if scope is None or scope.parameter is None or x is None or not hasattr(x, "caller"):
        return _said(case)
    value = x.params[scope.parameter]
    record = x.work.get(scope.entity, value)
    thing: dict[str, Any] = {"entity": scope.entity, "id": value[:80], "is": "missing" if record is None else "foreign"}
    grants = [sorted(each) for each in x.cast.grants(x.caller)]
    held = " and ".join(", ".join(each) or "none" for each in grants)
    if record is None:
        there = _names(row.record["id"] for row in x.work.layer.all(scope.entity))
        return Why(f"there is no {scope.entity} {value[:80]}.", f"take one of: {there}.", {"object": thing})
    thing["grants"] = grants
    others = _names(each.name for each in case.cast if _passes(case, each, gate.scope))
    because = f"{scope.entity} {value[:80]} is there, but the rights of {x.caller.name} hold in {held}."
    if _passes(case, x.caller, gate.scope):
        because = f"{x.caller.name} has rights in {scope.entity} {value[:80]}, but the token was issued for less."
    return Why(
        because, f"ask as {others}, or name one of those." if others else "name one of those.", {"object": thing}
    )


def _role(case: _Case) -> Why:
    capability = _capability(case.api, case.call.cell)
    if capability is None and case.operation is not None:
        capability = case.operation.capabilities[0]
    role = case.call.role or ""
    if capability is None:
        return _said(case)
    cell, told = _cell(case.api, capability, role, allowed=role in capability.roles)
    own = ""
    if role in capability.roles:
        own = "; the token carries rights of its own, which are fewer than those of its role"
        mend = f"issue one that carries {' or '.join(capability.needs)}."
    else:
        may = _names(each.name for each in case.cast if each.role in capability.roles)
        where = f"overlay: {{{case.api.name}: {{grant: [{{operation: {capability.id}, role: {role}, reason: ...}}]}}}}"
        mend = f"ask as {may}, or grant the cell in an {where}." if may else f"grant the cell in an {where}."
        if "overlay" in cell:
            mend = f"leave the overlay out, or ask as {may}." if may else "leave the overlay out."
        elif capability.needs and role in case.api.permissions:
            held = case.api.permissions[role]
            cell["holds"] = sorted(held)
            cell["lacks"] = [each for each in capability.needs if not suffices(held, [each], "any")]
    verb = "says deny" if role not in capability.roles else "says allow"
    return Why(f"{case.refused.said} {_sentence(told)} {verb}{own}.", mend, {"cell": cell})


def _find(case: _Case) -> Why:
    """Whether what was not found is missing, foreign, below another parent, or there for all that the tables say."""
    x, operation = case.x, case.operation
    if x is None or operation is None:
        return _said(case)
    try:
        x.service.find(x.work, operation, x.params)
    except errors.NotFound as missing:
        return _lost(case, x, operation, missing.entity or operation.entity)
    if case.refused.entity not in (None, operation.entity, operation.below):
        return Why(
            case.refused.said,
            f"{operation.entity} {x.params.get(operation.key or '', '')[:80]} is there; ask what it has.",
            {"object": {"entity": case.refused.entity, "is": "missing"}},
        )
    because = f"{case.refused.said.rstrip('.')}, though the path names what is there now."
    mend = "it was not there then, or what was asked of it is not."
    return Why(because, mend, {"object": {"entity": operation.entity, "is": "there"}})


def _lost(case: _Case, x: Exchange, operation: Operation, entity: str) -> Why:
    is_parent = operation.below is not None and entity == operation.below
    id = x.params.get((operation.parent if is_parent else operation.key) or "", "")
    thing: dict[str, Any] = {"entity": entity, "id": id[:80], "is": "missing"}
    mend = _there(x, operation, is_parent)
    row = x.work.row(entity, id)
    if row is None:
        below = x.world.layer.below
        if below is not None and below.row(entity, id) is not None:
            thing["is"] = "removed"
            return Why(f"{entity} {id[:80]} was in the seed and has been removed.", mend, {"object": thing})
        return Why(f"there is no {entity} {id[:80]}.", mend, {"object": thing})
    if not is_parent and operation.below is not None:
        home = at(row.record, f"{key_of(operation.below)}.id")
        thing |= {"is": "elsewhere", "below": home}
        because = f"{entity} {id[:80]} is there, but below {home}, not below {x.params[operation.parent or '']}."
        return Why(because, f"take the path below {home}.", {"object": thing})
    member = case.api.visibility[entity].told_by(x.role) if entity in case.api.visibility else None
    source = case.api.visibility[entity].source if entity in case.api.visibility else ""
    thing |= {"is": "foreign", "told by": member, "source": source}
    whose = "sees none of them"
    if member is not None:
        thing |= {"has": at(row.record, member), "sees": list(x.work.realm)}
        whose = f"sees those whose {member} is {_names(x.work.realm) or 'nothing'}; this one has {thing['has']}"
    others = _names(each.name for each in case.cast if _finds(case, each))
    because = f"{entity} {id[:80]} is there, but {case.call.caller} {whose} ({source})."
    return Why(because, f"ask as {others}, or {mend}" if others else mend, {"object": thing})


def _there(x: Exchange, operation: Operation, is_parent: bool) -> str:
    """Ids that would do."""
    entity = operation.below if is_parent and operation.below is not None else operation.entity
    ids: Iterator[str] = iter(())
    with suppress(errors.Refusal, KeyError, AttributeError):
        if is_parent or operation.below is None:
            rows = x.service.rows(x.work, entity)
        else:
            parent = x.work.need(operation.below, x.params[operation.parent or ""])
            rows = x.service.below(x.work, entity, operation.below, parent)
        ids = (row.record["id"] for row in rows)
    named = _names(ids)
    return f"take one that is there: {named}." if named else "there is none that this caller sees; make one first."


def _finds(case: _Case, caller: Caller) -> bool:
    return _passes(case, caller, gate.scope, gate.find)


def _passes(case: _Case, caller: Caller, *steps: Callable[[Exchange], None]) -> bool:
    """Whether somebody else would come through these checks, and have the role."""
    x = _exchange(case.call, case.sandbox, caller)
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


def _accept(case: _Case) -> Why:
    offers = list(case.x.endpoint.offers) if case.x is not None else []
    return Why(case.refused.said, f"accept one of: {', '.join(offers)}." if offers else None, {"offers": offers})


def _media(case: _Case) -> Why:
    reads = [bodies.MULTIPART] if case.x is not None and case.x.endpoint.multipart else ["application/json"]
    return Why(case.refused.said, f"have Content-Type say {reads[0]}.", {"reads": reads})


def _invalid(case: _Case) -> Why:
    faults = [{"place": place, "said": said} for place, said in case.refused.faults]
    said = case.refused.said
    parts = (part.rstrip(".") for each in faults for part in each["said"].split("; "))
    told = " ".join(f"{each['place']}: {each['said'].rstrip('.')}." for each in faults)
    because = said if all(part.casefold() in said.casefold() for part in parts) else f"{said} {told}"
    places = _names(dict.fromkeys(f"`{each['place']}`" for each in faults))
    mend = f"mend {places}." if faults else None
    return Why(because, mend, {"faults": faults})


def _state(case: _Case) -> Why:
    """The rows of the machine that there are for the state and for the event."""
    operation = case.operation
    machine = _machine(case.api, operation, case.refused)
    if operation is None or machine is None:
        return Why(case.refused.said)
    now = _state_now(case, machine)
    state, event = case.refused.state or now, case.refused.event or operation.event
    there = [row for row in machine.rows if row.event == event]
    ways = [row for row in machine.rows if state in row.starts and not row.system]
    facts: dict[str, Any] = {
        "entity": machine.entity,
        "event": event,
        "state": state,
        "now": now,
        "rows": [
            {"id": row.id, "event": row.event, "from": list(row.starts), "to": row.end, "source": row.source}
            for row in there
        ],
        "allowed": [
            {"event": row.event, "to": row.end, "by": _by(case.api, machine.entity, row.event)} for row in ways
        ],
    }
    starts = dict.fromkeys(start for row in there for start in row.starts)
    rows = "; ".join(f"{row.id} {row.event} from {', '.join(row.starts)} ({row.source})" for row in there)
    if case.refused.state is None:
        # The machine has a way; a rule of the API's own code does not let it be gone.
        because = f"{case.refused.said} The state alone allows it" if state in starts else case.refused.said.rstrip(".")
        return Why(f"{because}{f': {rows}' if rows else ''}.", None, {"state": facts})
    because = f"{case.refused.said} {f'There is: {rows}.' if rows else f'No row of the machine has {event}.'}"
    mends = [f"{each['event']} ({', '.join(each['by'])})" for each in facts["allowed"] if each["by"]]
    mend = f"bring it to {' or '.join(starts)} first." if starts else "no state allows it."
    if mends:
        mend += f" From {state} lead: {'; '.join(mends)}."
    return Why(because, mend, {"state": facts})


def _machine(api: Api, operation: Operation | None, refused: Refused) -> Machine | None:
    """The machine that refused: the operation's own, unless its event was another's."""
    if operation is None:
        return None
    own = [api.machines[each] for each in (operation.entity, operation.below or "") if each in api.machines]
    fits = (each for each in [*own, *api.machines.values()] if refused.state in each.states)
    return next(fits, None) if refused.state is not None else next(iter(own), None)


def _state_now(case: _Case, machine: Machine) -> str | None:
    x, operation = case.x, case.operation
    assert x is not None and operation is not None
    id = x.params.get((operation.key if machine.entity == operation.entity else operation.parent) or "")
    record: Record | None = None if id is None else x.work.get(machine.entity, id)
    with suppress(KeyError, TypeError):
        return None if record is None else state_of(machine, record)
    return None


def _by(api: Api, entity: str, event: str) -> list[str]:
    """The operations that cause an event."""
    return [each.id for each in api.operations.values() if (each.entity, each.event) == (entity, event)]


EXPLAINED: Mapping[str, Callable[[_Case], Why]] = {
    "token": _token,
    "scope": _scope,
    "role": _role,
    "find": _find,
    "accept": _accept,
    "media": _media,
    "query": _invalid,
    "body": _invalid,
    "state": _state,
}


# What no check refused


def _unrouted(call: Call, api: Api) -> Why:
    """Why what no check refused was refused all the same."""
    if call.status == 405:
        allow = _methods(api, call.path)
        mend = f"there are: {', '.join(allow)}."
        return Why(f"{call.method} is not defined for this path.", mend, {"allow": allow})
    if call.operation is not None:
        if call.sent is None:
            return Why("the client went away before its request was read.", "send the whole body.")
        return Why(f"{call.operation} refused what it was sent, by a rule of its own.", "the answer says which.")
    if call.status == 404:
        paths = _near(api, call.path)
        mend = f"did you mean {' or '.join(paths)}?" if paths else f"{api.home}/openapi.yaml lists the paths."
        return Why(f"no operation of {api.name} has this path.", mend, {"near": paths})
    return Why("the request does not say plainly which sandbox it means.", "name one.")


def _near(api: Api, path: str) -> list[str]:
    """The paths of operations that are spelled nearly like this one, whatever the ids in it."""
    given = _segments(path)
    filled: dict[str, str] = {}
    for operation in api.operations.values():
        named = _segments(operation.path)
        shown = [value if name.startswith("{") else name for name, value in zip_longest(named, given, fillvalue="")]
        filled.setdefault("/".join(shown[: len(named)]), operation.path)
    return [filled[each] for each in get_close_matches("/".join(given), filled, MOST, 0.7)]


def _methods(api: Api, path: str) -> list[str]:
    given = _segments(path)
    fits = (each.method for each in api.operations.values() if _is_at(_segments(each.path), given))
    return list(dict.fromkeys(fits))


def _is_at(named: Sequence[str], given: Sequence[str]) -> bool:
    return len(named) == len(given) and all(
        name == value or name.startswith("{") for name, value in zip(named, given, strict=True)
    )


def _nowhere(call: Call) -> Why:
    if call.status >= 400:
        return Why("the path is none of an API that is served here.", "/docs shows those that are.")
    return Why("answered by the server itself, for no API.")
