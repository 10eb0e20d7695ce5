"""Requests that are under way at the same time, on one object of the run's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from contracts import values
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.registry import check
from contracts.routes import outcomes
from contracts.settings import Mode
from contracts.values import is_kept
from contracts.wire import Exchange, Request
from specs.tables import Api, Machine, Operation, Transition

ROUNDS = 3
"""How often two requests are sent at once: over a network they may miss each other."""


def updates(api: Api) -> Sequence[str]:
    found = []
    for id, operation in api.operations.items():
        heads = {path.split(".")[0] for path in api.visibility[operation.entity].writes}
        if operation.does == "update" and operation.event is None and len(heads) > 1:
            found.append(id)
    return found


def once(api: Api) -> Sequence[str]:
    """Operations whose event cannot be done a second time, wherever its background work ends."""
    found = []
    for id, operation in api.operations.items():
        machine = api.machines.get(operation.entity)
        if operation.event is not None and machine is not None and operation.does in ("act", "delete"):
            rows = [row for row in machine.rows if row.event == operation.event and not row.system]
            if rows and not _again(machine, rows):
                found.append(id)
    return found


def _again(machine: Machine, rows: Sequence[Transition]) -> bool:
    """Whether an event is declared where it can have led to."""
    ends = {end for row in rows for end in (row.end, *outcomes(machine, row))}
    return any(rows[0].event in machine.events_from(end) for end in ends)


@check(
    "concurrency.updates",
    proves="of two updates at once that name different members, both are kept",
    codes=("W410",),
    mode=Mode.OWN,
    cases=updates,
)
def both_kept(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = p.stage, p.operation(case)
    caller = next(iter(p.may(operation)), None)
    names = [] if caller is None else _texts(p, operation, caller.role)
    if caller is None or len(names) < 2:
        raise Nothing(f"{operation.id} has no two members that could be written at once")
    thing = stage.subject(operation, caller)
    for _ in range(ROUNDS):
        before = stage.look(thing)
        bodies = [values.nested(name, stage.value(operation, name, member(before, name))) for name in names[:2]]
        exchanges = _at_once(p, operation, thing, bodies)
        after = stage.look(thing)
        for body, exchange in zip(bodies, exchanges, strict=True):
            if exchange.status < 300 and not is_kept(body, after):
                _one_by_one(p, operation, thing, bodies)
                yield p.finding(
                    "W410",
                    exchange,
                    expected=f"both kept: {bodies[0]} and {bodies[1]}",
                    came=", ".join(f"{name} {member(after, name)}" for name in names[:2]),
                    source="INF",
                    place="conventions",
                    subject=operation.entity,
                    steps=exchanges,
                )
                return


def _one_by_one(p: Probe, operation: Operation, thing: Thing, bodies: Sequence[Any]) -> None:
    """Raise Blocked where the updates are not kept even one after the other."""
    for body in bodies:
        p.expect(_at_once(p, operation, thing, [body])[0])
    after = p.stage.look(thing)
    if not all(is_kept(body, after) for body in bodies):
        raise Blocked(f"{operation.id}: updates are not kept, whether at once or not")


def _texts(p: Probe, operation: Operation, role: str) -> list[str]:
    """What a role may write and read, each below another member of the object, plain text first."""
    seen = p.api.visibility[operation.entity]
    found: dict[str, str] = {}
    for path in sorted(seen.written_by(role), key=lambda each: not _is_text(p, operation, each)):
        if path not in seen.hidden(role) and p.stage.value(operation, path, None) is not None:
            found.setdefault(path.split(".")[0], path)
    return list(found.values())


def _is_text(p: Probe, operation: Operation, path: str) -> bool:
    schema = p.stage.written(operation, path)
    return schema is not None and schema.get("type") == "string" and not {"format", "enum"} & schema.keys()


def _at_once(p: Probe, operation: Operation, thing: Thing, bodies: Sequence[Any]) -> list[Exchange]:
    caller, params = p.stage.acting(operation, thing), p.stage.params(operation, thing)
    calls = [(caller, p.request(operation, caller, params, body=body)) for body in bodies]
    return p.at_once(operation, calls, params)


@check(
    "concurrency.events",
    proves="of the same step twice at once, one is done and the other refused",
    codes=("W411",),
    mode=Mode.OWN,
    cases=once,
)
def done_once(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = p.stage, p.operation(case)
    for _ in range(ROUNDS):
        thing = stage.subject(operation, stage.actor(operation))
        asked = stage.case(operation, stage.acting(operation, thing), thing)
        request: Request = p.request(
            operation, asked.caller, asked.params, body=asked.body, content=asked.content, headers=asked.headers
        )
        stage.allowed(operation)
        exchanges = p.at_once(operation, [(asked.caller, request)] * 2, asked.params)
        done = [each for each in exchanges if each.status < 300]
        if len(done) > 1 and stage.play(asked).status < 300:
            raise Blocked(f"{operation.id} is done again and again, whether at once or not")
        if len(done) != 1:
            yield p.finding(
                "W411" if done else "W401",
                exchanges[-1],
                expected="one success",
                came=f"{len(done)} of {len(exchanges)} succeeded: {', '.join(str(each.status) for each in exchanges)}",
                source=p.source("state"),
                place="machines",
                subject=f"{operation.entity} {operation.event}",
                steps=exchanges,
            )
            return
