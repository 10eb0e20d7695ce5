"""Objects of the run's own that an operation can be done to, whatever it takes to make one."""

from __future__ import annotations

from contracts.existing import first
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe
from contracts.wire import Caller
from specs.tables import Operation

MAKING = ("create", "attach", "sync")


def subject(p: Probe, operation: Operation, maker: Caller | None = None) -> Thing | None:
    """What the path of an operation names, in a state in which it can be done; None where the path names nothing.

    maker: who makes it, where they may. Raises Nothing where the API has no way to make one, and Blocked.
    """
    if first(operation) is None or operation.does == "replace":
        return None
    entity = operation.entity if operation.key is not None or operation.below is None else operation.below
    machine = p.api.machines.get(entity)
    event = operation.event
    rows = [each for each in machine.rows if each.event == event and not each.system] if machine and event else []
    reason: Blocked | None = None
    for row, state in [(each, state) for each in rows for state in each.starts]:
        try:
            return p.stage.fit(entity, state, row, able(p, entity, maker))
        except Blocked as why:
            reason = reason or why
    if reason is not None:
        raise reason
    return make(p, entity, maker)


def make(p: Probe, entity: str, maker: Caller | None = None) -> Thing:
    """A new object, and what it lies below; one that another system hands over; a lent one where the API makes none."""
    makes = [each for each in p.api.operations.values() if each.does in MAKING and each.entity == entity]
    if not makes:
        lent = p.stage.lent(entity)
        if lent is not None:
            return lent
    for operation in makes:
        if operation.does == "create" and operation.below is None:
            break
        before = len(p.things)
        above = make(p, operation.below, maker) if operation.below is not None else None
        p.expect(p.stage.play(p.stage.case(operation, able(p, entity, maker), above)))
        return next(thing for _, thing in p.things[before:] if thing.entity == entity)
    try:
        return p.stage.make(entity, None, able(p, entity, maker))
    except Blocked as why:
        if not str(why).startswith("no operation creates"):
            raise
        raise Nothing(f"{why}, and none is lent") from None


def is_hidden(p: Probe, thing: Thing, caller: Caller) -> bool:
    """Whether a caller cannot be expected to see an object, as its record tells, or that of the one above it."""
    above = p.stage.above(thing)
    for entity, id in above.items() or [(thing.entity, thing.id)]:
        record = p.stage.look(thing if id == thing.id else Thing(entity, id, thing.caller))
        return p.facts.is_own(entity, record, caller) is False
    return False


def able(p: Probe, entity: str, maker: Caller | None) -> Caller | None:
    """The maker, if they may make such an object."""
    makes = [each for each in p.api.operations.values() if each.does in MAKING and each.entity == entity]
    return maker if maker is not None and any(maker.role in each.roles for each in makes) else None
