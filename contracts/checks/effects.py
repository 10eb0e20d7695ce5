"""What follows from changes everywhere: the audit tells who entered which state when, and references lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.facts import Row
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.registry import check
from contracts.settings import Mode
from contracts.wire import Caller, Exchange
from specs.tables import ALL, Api, Machine, Operation

SAMPLE = 4
"""Rows of a list whose references are followed."""


def audited(api: Api) -> Sequence[str]:
    """Entities whose audit names the states that they entered."""
    moved = {operation.entity for operation in api.operations.values() if operation.event is not None}
    return [entity for entity, machine in api.machines.items() if machine.audit and entity in moved]


@check(
    "effects.audit",
    proves="the audit names every state that was entered, by whom and when, in order, and keeps what it told before",
    codes=("W409",),
    mode=Mode.OWN,
    cases=audited,
)
def audit(p: Probe, case: str) -> Iterator[Finding]:
    stage, machine = p.stage, p.api.machines[case]
    if not p.api.conventions.stamps:
        return
    for tour in stage.tours(case):
        thing = stage.create(case)
        before = stage.look(thing, whole=True)
        yield from _entered(p, machine, thing, {}, before, machine.initial)
        for state in tour:
            try:
                stage.bring(thing, state)
            except Nothing:
                break
            after = stage.look(thing, whole=True)
            if member(after, machine.field) != state:
                raise Blocked(f"{case} {thing.id} does not stay in {state}")
            yield from _entered(p, machine, thing, before, after, state)
            before = after


def _entered(
    p: Probe, machine: Machine, thing: Thing, before: Mapping[str, Any], after: Mapping[str, Any], state: str
) -> Iterator[Finding]:
    """The entry of a state that was just entered."""
    key = state[:1].lower() + state[1:]
    told, then = after.get("audit"), before.get("audit") or {}
    if not isinstance(told, Mapping):
        raise Blocked(f"{p.stage.reader(thing).id} shows no audit though it is selected; see selection.readings")
    at, by = member(told, f"{key}.at"), member(told, f"{key}.by.id")
    if not isinstance(at, str) or not isinstance(by, str):
        yield _wrong(p, thing, key, f"audit.{key} with at and by", str(told.get(key)))
        return
    latest = max([str(member(each, "at") or "") for each in then.values()], default=str(member(told, "created.at")))
    if at < latest:
        yield _wrong(p, thing, key, f"audit.{key} at {latest} or later", at)
    if then and told.get("created") != then.get("created"):
        yield _wrong(p, thing, "created", f"audit.created {then.get('created')}", str(told.get("created")))
    if then and str(member(told, "updated.at") or "") < at:
        yield _wrong(p, thing, "updated", f"audit.updated at {at} or later", str(member(told, "updated.at")))
    one, other = before.get("revision"), after.get("revision")
    if isinstance(one, int) and isinstance(other, int) and other <= one:
        yield _wrong(p, thing, "revision", f"more than {one}", str(other))
    if _by_maker(p, machine, thing, state) and by != member(told, "created.by.id"):
        yield _wrong(p, thing, key, f"audit.{key} by {member(told, 'created.by.id')}", by)


def _by_maker(p: Probe, machine: Machine, thing: Thing, state: str) -> bool:
    """Whether a state is entered by nobody but the caller who made the object."""
    rows = [row for row in machine.rows if row.end == state]
    if not rows or any(row.system for row in rows) or thing not in [each for _, each in p.things]:
        return False
    steps = [p.stage.by_event(machine.entity, row.event) for row in rows]
    return all(p.stage.acting(step, thing) is thing.caller for step in steps)


def _wrong(p: Probe, thing: Thing, key: str, expected: str, came: str) -> Finding:
    reader = p.stage.reader(thing)
    caller = p.stage.acting(reader, thing)
    exchange = p.call(reader, caller, p.stage.params(reader, thing), query="select=audit")
    return p.finding(
        "W409",
        exchange,
        expected=expected,
        came=came,
        source="DOC, CAN",
        place="machines",
        operation=_cause(p, thing, key),
        subject=f"{thing.entity} {key}",
    )


def _cause(p: Probe, thing: Thing, key: str) -> str:
    """The operation that enters a state, where one alone does."""
    machine = p.api.machines[thing.entity]
    events = {row.event for row in machine.rows if row.end[:1].lower() + row.end[1:] == key and not row.system}
    found = [each.id for each in p.api.operations.values() if each.entity == thing.entity and each.event in events]
    return found[0] if len(found) == 1 else p.stage.reader(thing).id


def listing(api: Api) -> Sequence[str]:
    """Lists of objects that name others."""
    return [id for id, operation in api.operations.items() if operation.does == "list" and api.conventions.references]


@check(
    "effects.references",
    proves="whatever a row refers to is there",
    codes=("M606",),
    cases=listing,
)
def references(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    callers = p.may(operation)
    if not callers:
        raise Nothing(f"no caller may {case}")
    seen = p.api.visibility[operation.entity]
    caller = next((each for each in callers if seen.told_by(each.role) == ALL), callers[0])
    known: dict[tuple[str, str], Exchange] = {}
    closed: dict[str, str] = {}
    for params in _parents(p, operation, caller):
        rows = p.facts.rows(operation, caller, params)
        for row in p.random.sample(rows, min(SAMPLE, len(rows))):
            yield from _followed(p, operation, caller, row, known, closed)
    if closed:
        led = ", ".join(f"{name} ({reader})" for name, reader in sorted(closed.items()))
        raise Nothing(f"{caller.name} may not read what rows refer to, and no caller sees all of it: {led}")


def _parents(p: Probe, operation: Operation, caller: Caller) -> list[dict[str, str]]:
    """Paths of a list: its own, or below a few objects."""
    if operation.below is None or operation.parent is None:
        return [{}]
    rows = p.facts.seen(operation.below, caller)
    chosen = p.random.sample(rows, min(SAMPLE, len(rows)))
    return [{operation.parent: str(row[p.key(operation.below)])} for row in chosen]


def _followed(
    p: Probe,
    operation: Operation,
    caller: Caller,
    row: Row,
    known: dict[tuple[str, str], Exchange],
    closed: dict[str, str],
) -> Iterator[Finding]:
    """known: what reading each object was answered; closed: reference -> its reading, where nobody can be asked"""
    for name, entity in p.api.conventions.references.items():
        id, reader = member(row, f"{name}.id"), p.reads(entity)
        if not isinstance(id, str) or reader is None or reader.key is None or reader.below is not None:
            continue
        who = _seeing(p, reader, caller)
        if who is None:
            closed[name] = reader.id
            continue
        if (entity, id) not in known:
            known[entity, id] = p.call(reader, who, {reader.key: id})
        exchange = known[entity, id]
        if exchange.status == p.status("find", entity):
            asked = f"{exchange.request.method} {exchange.request.path} as {who.name}"
            yield p.finding(
                "M606",
                exchange,
                expected=f"{name} {id} of {row.get(p.key(operation.entity))}, to {asked}",
                came=f"{exchange.status} to {asked}",
                source="CAN",
                place="conventions",
                operation=operation.id,
                subject=f"{operation.entity} {name}",
            )


def _seeing(p: Probe, reader: Operation, caller: Caller) -> Caller | None:
    """Who can be asked whether an object is there: who saw it named, or else a caller who sees every one of its kind.

    Any other caller may rightly be told that there is no such object: it may be another's.
    """
    may, seen = p.may(reader), p.api.visibility[reader.entity]
    if caller in may:
        return caller
    return next((each for each in may if seen.told_by(each.role) == ALL), None)
