"""What was asked for: whether it is there for the caller, and what its state allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mockserver import gate
from mockserver.auth import Caller
from mockserver.decisions.cases import Case, Why, names, passes, plainly
from mockserver.domain import errors
from mockserver.domain.machine import state_of
from mockserver.exchange import Exchange
from mockserver.recording import Refused
from mockserver.store import Record, at
from mockserver.work import key_of
from specs.tables import Api, Machine, Operation


def find(case: Case) -> Why:
    """Whether what was not found is missing, foreign, below another parent, or there for all that the tables say."""
    x, operation = case.x, case.operation
    if x is None or operation is None:
        return plainly(case)
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


def _lost(case: Case, x: Exchange, operation: Operation, entity: str) -> Why:
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
        whose = f"sees those whose {member} is {names(x.work.realm) or 'nothing'}; this one has {thing['has']}"
    others = names(each.name for each in case.cast if _finds(case, each))
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
    named = names(ids)
    return f"take one that is there: {named}." if named else "there is none that this caller sees; make one first."


def _finds(case: Case, caller: Caller) -> bool:
    return passes(case, caller, gate.scope, gate.find)


def state(case: Case) -> Why:
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


def _state_now(case: Case, machine: Machine) -> str | None:
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
