"""Workflows: every declared step is walked and arrives, every other is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from contracts.comparing import difference
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.registry import check
from contracts.routes import outcomes
from contracts.settings import Mode
from contracts.wire import Caller, Exchange
from specs.tables import Api, Machine, Operation, Transition

WALKED = ("broken", "arrived", "refused")
"""What can become of a step that was tried; where it was tried in several ways, the first of these is told."""


def others(p: Probe) -> set[int]:
    """Statuses of refusals that are other checks' matter: of tokens, rights and files."""
    return {p.status(each) for each in ("token", "role", "media")} - {p.status("state"), p.status("find")}


def driven(api: Api) -> Iterator[tuple[Operation, Machine]]:
    """Every operation that causes an event of a machine."""
    for operation in api.operations.values():
        machine = api.machines.get(operation.entity)
        if operation.event is not None and machine is not None:
            yield operation, machine


def events(api: Api) -> Sequence[str]:
    """A case for each way that an operation leads along: `acceptJournal from Review`."""
    return list(
        dict.fromkeys(
            f"{operation.id} from {state}"
            for operation, machine in driven(api)
            for row in machine.rows
            if row.event == operation.event and not row.system
            for state in row.starts
        )
    )


def states(api: Api) -> Sequence[str]:
    """A case for each state of each entity that operations move: `Journal in Draft`."""
    moved = {machine.entity: machine for _, machine in driven(api)}
    return [f"{entity} in {state}" for entity, machine in moved.items() for state in machine.states]


@check(
    "machines.declared",
    proves="every step that a machine declares is done, by every role that may, and arrives where the table says",
    codes=("W401", "W402", "W408"),
    mode=Mode.OWN,
    cases=events,
)
def declared(p: Probe, case: str) -> Iterator[Finding]:
    id, _, state = case.split(" ", 2)
    operation = p.operation(id)
    assert operation.event is not None
    machine = p.api.machines[operation.entity]
    rows = [row for row in machine.rows if row.event == operation.event and state in row.starts and not row.system]
    done = []
    for row in rows:
        for caller in _each_role(p, operation):
            try:
                done.append((yield from _walked(p, operation, machine, row, state, caller)))
            except Nothing as reason:
                done.append(str(reason))
        thing = p.stage.unmet(machine.entity, state, row)
        if thing is not None:
            done.append((yield from _guarded(p, operation, row, state, thing)))
    said = next((each for each in WALKED if each in done), done[0] if done else "no caller may")
    p.walked(machine.entity, state, operation.event, said)
    if said not in WALKED:
        raise Nothing(said)


def _guarded(
    p: Probe, operation: Operation, row: Transition, state: str, thing: Thing
) -> Generator[Finding, None, str]:
    """Try a step whose guard is not met. Returns what became of it: `refused` or `broken`."""
    exchange = p.stage.play(p.stage.case(operation, p.stage.acting(operation, thing), thing))
    wanted = p.status("state", operation.entity)
    if exchange.status == wanted:
        return "refused"
    code = "W403" if exchange.status < 300 else "W404"
    expected = f"{wanted}: more than {state} is needed for {row.event}"
    yield p.finding(
        code, exchange, expected=expected, source=row.source, place="machines", subject=f"{state} {row.event}"
    )
    return "broken"


def _each_role(p: Probe, operation: Operation) -> list[Caller]:
    """One caller of each role that may."""
    return list({each.role: each for each in reversed(p.may(operation))}.values())


def _walked(
    p: Probe, operation: Operation, machine: Machine, row: Transition, state: str, caller: Caller
) -> Generator[Finding, None, str]:
    """Do one step. Returns what became of it: `arrived` or `broken`."""
    stage = p.stage
    thing = stage.fit(machine.entity, state, row, caller)
    if thing.caller.role == caller.role:
        caller = thing.caller
    if thing.id in p.guard.lent.get(machine.entity, ()):
        # It will not be in this state again, so what is refused there is tried first.
        yield from refused(p, machine, state, elsewhere(p.api, machine, state))
    if stage.state(thing) != state:
        raise Blocked(f"{machine.entity} {thing.id} does not stay in {state}")
    exchange = stage.play(stage.case(operation, caller, thing))
    subject = f"{state} {row.event}"
    if exchange.status in others(p):
        raise Blocked(f"{operation.id}: it is refused before the state is asked for ({exchange.status})")
    if exchange.status == p.status("state", machine.entity) and stage.state(thing) != state:
        raise Nothing(f"{machine.entity} leaves {state} by itself before anybody can {row.event} it")
    if exchange.status >= 300:
        yield p.finding(
            "W401",
            exchange,
            expected=f"{machine.entity} {state} to {row.end}",
            source=row.source,
            place="machines",
            subject=subject,
        )
        return "broken"
    ends = outcomes(machine, row)
    told = stage.told(thing, exchange)
    wanted = stage.outcome(thing, row)
    if told is not None and told not in {row.end, *ends}:
        wrong = told
    elif row.end in machine.final and operation.does == "delete":
        return "arrived"  # that it is gone is another check's matter
    else:
        arrived = stage.arrive(thing, *({row.end} - ends))
        wrong = "" if arrived in ({wanted} if wanted is not None else ends) else arrived
        if wrong == state and told is not None and stage.state(thing) != wrong:
            yield from _late(p, exchange, thing, wrong)
            return "arrived"
    if not wrong:
        return "arrived"
    yield p.finding(
        "W402",
        exchange,
        expected=f"{machine.entity} {state} to {wanted or row.end}",
        came=f"it is {wrong}",
        source=row.source,
        place="machines",
        subject=subject,
    )
    return "broken"


def _late(p: Probe, exchange: Exchange, thing: Thing, state: str) -> Iterator[Finding]:
    """The first reading after a step told of the time before it, the second did not."""
    p.stage.stale.add(thing.entity)
    yield p.finding(
        "W408",
        exchange,
        expected="the next reading tells what the answer told",
        came=f"it was {state} still",
        source="INF",
        operation=p.stage.reader(thing).id,
        subject=thing.entity,
    )


@check(
    "machines.undeclared",
    proves="every step that a machine does not declare is refused as `state` says, and leaves everything as it was",
    codes=("W403", "W404", "W405"),
    mode=Mode.OWN,
    cases=states,
)
def undeclared(p: Probe, case: str) -> Iterator[Finding]:
    entity, _, state = case.split(" ", 2)
    machine = p.api.machines[entity]
    operations = elsewhere(p.api, machine, state)
    if not operations or (entity, state) in p.stage.swept:
        return
    try:
        yield from refused(p, machine, state, operations)
    except Nothing as reason:
        for operation in operations:
            p.walked(entity, state, str(operation.event), str(reason))
        raise


def elsewhere(api: Api, machine: Machine, state: str) -> list[Operation]:
    """The operations whose events are not declared in a state."""
    allowed = machine.events_from(state)
    return [operation for operation, found in driven(api) if found is machine and operation.event not in allowed]


def refused(p: Probe, machine: Machine, state: str, operations: Sequence[Operation]) -> Iterator[Finding]:
    """Try events where they are not declared, on one object as long as it stays what it was."""
    stage, thing = p.stage, None
    tried: list[Operation] = []
    for operation in operations:
        if thing is None:
            thing, tried = _one(p, machine, state), []
            before = _there(p, machine, state, thing)
            hung = {} if before is None else stage.around(thing)
        try:
            found = yield from _tried(p, machine, state, operation, thing, before)
        except Nothing as reason:
            p.walked(machine.entity, state, str(operation.event), str(reason))
            continue
        tried.append(operation)
        if found:
            thing = None
    if thing is not None and before is not None:
        after = stage.around(thing)
        if after != hung:
            yield from _hung(p, machine, state, tried)
    stage.swept.add((machine.entity, state))


def _one(p: Probe, machine: Machine, state: str) -> Thing:
    return p.stage.held(machine.entity, state)


def _there(p: Probe, machine: Machine, state: str, thing: Thing) -> Mapping[str, Any] | None:
    """The object in its state, None for one that is gone. Raises Blocked where it is not as it was brought to be."""
    if _is_gone(machine, state, p):
        operation = p.stage.reader(thing)
        exchange = p.call(operation, p.stage.acting(operation, thing), p.stage.params(operation, thing))
        p.expect(exchange, p.status("find", machine.entity))
        return None
    record = p.stage.look(thing, whole=True)
    if member(record, machine.field) != state:
        raise Blocked(f"{machine.entity} {thing.id} does not stay in {state}")
    return record


def _is_gone(machine: Machine, state: str, p: Probe) -> bool:
    """Whether an object in a state is not there any more: what deletes it leads there."""
    return any(
        (operation.entity, operation.does) == (machine.entity, "delete")
        and any(row.event == operation.event and row.end == state for row in machine.rows)
        for operation in p.api.operations.values()
    )


def _tried(
    p: Probe, machine: Machine, state: str, operation: Operation, thing: Thing, before: Mapping[str, Any] | None
) -> Generator[Finding, None, bool]:
    """Try one event. Returns whether the object is of no more use."""
    stage, event = p.stage, str(operation.event)
    subject, wanted = f"{state} {event}", p.status("state", machine.entity)
    source = p.source("state")
    if before is None:
        wanted, source = p.status("find", machine.entity), p.source("find")
    exchange = stage.play(stage.case(operation, stage.acting(operation, thing), thing))
    if exchange.status in others(p) - {wanted}:
        p.walked(machine.entity, state, event, f"it is refused before the state is asked for ({exchange.status})")
        return False
    p.walked(machine.entity, state, event, "refused" if exchange.status >= 400 else "accepted")
    if exchange.status < 300:
        yield p.finding(
            "W403",
            exchange,
            expected=f"{wanted}: no {event} from {state}",
            source=source,
            place="machines",
            subject=subject,
        )
        return True
    if exchange.status != wanted:
        yield p.finding("W404", exchange, expected=str(wanted), source=source, place="access", subject=subject)
    after = None if before is None else stage.look(thing, whole=True)
    if after != before:
        yield p.finding(
            "W405",
            exchange,
            expected="an object that is as it was",
            came=difference(before, after),
            source=p.source("state"),
            place="machines",
            subject=subject,
        )
        return True
    return False


def _hung(p: Probe, machine: Machine, state: str, operations: Sequence[Operation]) -> Iterator[Finding]:
    """Something below an object changed though every event was refused: which of them did it."""
    stage = p.stage
    for operation in operations:
        thing = _one(p, machine, state)
        before = stage.around(thing)
        exchange = stage.play(stage.case(operation, stage.acting(operation, thing), thing))
        after = stage.around(thing)
        if exchange.status >= 400 and after != before:
            yield p.finding(
                "W405",
                exchange,
                expected="all that belongs to the object is as it was",
                came=difference(before, after),
                source=p.source("state"),
                place="machines",
                subject=f"{state} {operation.event}",
            )
