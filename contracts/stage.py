"""Requests that are right in every respect, and objects of the run's own in the states that a check needs.

What the tables tell is done here for every API; what they cannot (which values a body names, how a file looks) is the
Stage of contracts/apis/<name>/stage.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from contracts import samples
from contracts.journal import Thing
from contracts.probe import UNSET, Blocked, Nothing, Probe, member
from contracts.routes import born, passes, route
from contracts.settings import Mode
from contracts.wire import Caller, Exchange
from contracts.writing import Writing
from specs.tables import ALL, Machine, Operation, Transition


@dataclass(frozen=True, slots=True)
class Case:
    """A call of one operation that nothing but the rule under test can refuse.

    body: sent as JSON; content: sent as it is; thing: the object of the run's own that it is done to
    """

    operation: Operation
    caller: Caller
    params: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: Any = UNSET
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    thing: Thing | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries: JSON, or bytes with their headers, or nothing."""

    json: Any = UNSET
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


NO_BODY = Body()
FAR = 100
"""Pages of a list that are read at most to find what a run that was killed left."""


def replaced(case: Case, **members: Any) -> Case:
    """The same case with other members."""
    return replace(case, **members)


class Stage(Writing):
    """Makes things. An API of its own overrides what its tables cannot say.

    LASTING: operationIds whose effect nothing takes back; an `own` run does not call them
    SHUN: ids of the rows of machines that no way of the run's own takes
    """

    LASTING: frozenset[str] = frozenset()
    SHUN: frozenset[str] = frozenset()

    def __init__(self, p: Probe) -> None:
        super().__init__(p)
        p.guard.lasting = self.LASTING
        self._stuck: set[str] = set()
        """ids of the rows that the target was seen not to follow; nobody waits for them twice"""
        self.stale: set[str] = set()
        """entities whose first reading after a change was seen to tell of the time before it; they are read twice"""
        self.swept: set[tuple[str, str]] = set()
        """(entity, state) in which all that must be refused was tried"""
        self.fresh: dict[str, str] = {}
        """id -> state of what has just come to be, as the answer that told of it says"""

    # Requests

    def case(self, operation: Operation | str, caller: Caller | None = None, thing: Thing | None = None) -> Case:
        """A right request for an operation, on an object made for it where it needs one. Raises Blocked."""
        found = self.p.operation(operation)
        who = caller or self.actor(found)
        params: dict[str, str] = {}
        if thing is None and (found.key is not None or found.parent is not None):
            thing = self.subject(found, who)
        if thing is not None:
            params = self.params(found, thing)
        body = self.body(found, who, params, thing)
        return Case(found, who, params, "", body.json, body.content, body.headers, thing)

    def play(self, case: Case) -> Exchange:
        """Send a case. Raises Blocked; Nothing for what only a full run may do."""
        if not self._is_ghost(case):
            self.allowed(case.operation)
        return self.p.call(
            case.operation,
            case.caller,
            case.params,
            query=case.query,
            body=case.body,
            content=case.content,
            headers=case.headers,
        )

    def allowed(self, operation: Operation) -> None:
        """Raise Nothing for what only a full run may do."""
        if self.p.mode is Mode.OWN and operation.id in self.LASTING:
            raise Nothing(f"{operation.id}: nothing takes it back; needs --mode full")

    def refused(self, exchange: Exchange, reason: str) -> Blocked:
        """What the refusal of a right request is told as: Nothing where the API only has no more of what it gives."""
        return Blocked(reason)

    def _is_ghost(self, case: Case) -> bool:
        return any(value in self.p.guard.ghosts for value in case.params.values())

    def actor(self, operation: Operation) -> Caller:
        """Who calls an operation when nobody is named: the first caller who may. Raises Blocked."""
        for each in self.p.may(operation):
            return each
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")

    def subject(self, operation: Operation, caller: Caller) -> Thing:
        """The object that an operation is done to, in a state that allows it; for a list or a new one, its parent."""
        if operation.key is None:
            assert operation.below is not None
            return self.make(operation.below, caller=caller)
        machine = self.p.api.machines.get(operation.entity)
        if operation.event is not None and machine is not None:
            row = next(row for row in machine.rows if row.event == operation.event and not row.system)
            return self.fit(operation.entity, row.starts[0], row, caller)
        return self.make(operation.entity, caller=caller)

    def params(self, operation: Operation, thing: Thing) -> dict[str, str]:
        """The values of a path, for an object or its parent."""
        filled = dict(thing.params)
        first = operation.parent or operation.key
        if first is not None and (operation.below or operation.entity) == thing.entity:
            filled[first] = thing.id
        elif operation.key is not None and operation.entity == thing.entity:
            filled[operation.key] = thing.id
        return filled

    def body(self, operation: Operation, caller: Caller, params: Mapping[str, str], thing: Thing | None) -> Body:
        """What a request carries: the spec's own example. APIs override this."""
        said = self.p.resolved(self.p.spec(operation).get("requestBody", {}))
        content = said.get("content", {}).get("application/json")
        if content is None:
            return NO_BODY
        found = next(iter(samples.examples(self.p, content)), None)
        if found is None:
            return Body(samples.made(self.p, content["schema"])) if said.get("required") else NO_BODY
        return Body(found)

    def makes(self, operation: Operation) -> str:
        """The entity of what a creating call makes."""
        return operation.entity

    def created(self, operation: Operation, exchange: Exchange) -> list[str]:
        """Ids of what a creating call has made, as its answer tells."""
        record = exchange.json
        id = record.get(self.p.key(operation.entity)) if isinstance(record, dict) else None
        return [str(id)] if id is not None else []

    # Objects

    def make(self, entity: str, state: str | None = None, caller: Caller | None = None) -> Thing:
        """An object of the run's own, in a state (its first one if none is named).

        A state that passes by itself is looked for among what was lent: nothing but refusals can come of it there.
        Raises Blocked; Nothing where that only means that this deployment, in this mode, has none.
        """
        machine = self.p.api.machines.get(entity)
        if machine is None or state is None:
            return self.create(entity, caller)
        if passes(machine, state) or route(machine, machine.initial, state, self.SHUN) is None:
            found = self.lent(entity, state) if passes(machine, state) else None
            if found is None:
                raise Nothing(f"no {entity} in {state} can be made or held; lend one to --mode full in contracts.toml")
            return found
        thing = self.create(entity, caller)
        return self.bring(thing, state, here=self.fresh.pop(thing.id, None))

    def fit(self, entity: str, state: str, row: Transition, caller: Caller | None = None) -> Thing:
        """An object in a state, such that this step of its machine may be done to it. Raises Blocked."""
        return self.held(entity, state, caller)

    def held(self, entity: str, state: str, caller: Caller | None = None) -> Thing:
        """An object in a state: the run's own, or where no way leads there, one that was lent. Raises Blocked."""
        machine = self.p.api.machines[entity]
        is_reached = route(machine, machine.initial, state, self.SHUN) is not None
        return (None if is_reached else self.lent(entity, state)) or self.make(entity, state, caller)

    def unmet(self, entity: str, state: str, row: Transition) -> Thing | None:
        """An object in a state for which more than the state keeps a step from being done; None where nothing does."""
        return None

    def allows(self, thing: Thing, row: Transition) -> bool:
        """Whether nothing but its state could keep this step from being done to an object as it is now."""
        return True

    def tours(self, entity: str) -> Sequence[Sequence[str]]:
        """States to be visited one after the other by an object, beginning with a new one."""
        machine = self.p.api.machines[entity]
        return [[row.end] for row in machine.rows if machine.initial in row.starts and not row.system and not row.then]

    def outcome(self, thing: Thing, row: Transition) -> str | None:
        """The state that background work started by a right step must end in; None where several are right."""
        return None

    def create(self, entity: str, caller: Caller | None = None) -> Thing:
        """A new object. Raises Blocked where the API has no operation that makes one."""
        for operation in self.p.api.operations.values():
            if operation.entity == entity and operation.does in ("create", "attach", "sync"):
                case = self.case(operation, caller if caller in self.p.may(operation) else None)
                exchange = self.p.expect(self.play(case))
                thing = self.p.things[-1][1]
                self._is_new(thing, exchange)
                return thing
        raise Blocked(f"no operation creates a {entity}")

    def _is_new(self, thing: Thing, exchange: Exchange) -> None:
        """Raise Blocked where a new object is told to be in another state than the first."""
        machine = self.p.api.machines.get(thing.entity)
        state = member(exchange.json, machine.field) if machine is not None else None
        if machine is None or not isinstance(state, str):
            return
        if state not in born(machine):
            raise Blocked(f"a new {thing.entity} is {state}, not {machine.initial}")
        self.fresh[thing.id] = state

    def bring(self, thing: Thing, *states: str, avoid: Collection[str] = (), here: str | None = None) -> Thing:
        """Take an object of the run's own to another state, the nearest of these, step by step. Raises Blocked.

        avoid: ids of rows that are not to be taken; here: the state that it is in, where that was just read
        """
        machine = self.p.api.machines[thing.entity]
        avoid = {*self._stuck, *self.SHUN, *avoid}
        here = here or self.state(thing)
        while here not in states:
            ways = [way for state in states if (way := route(machine, here, state, avoid)) is not None]
            if not ways:
                wanted = " or ".join(states)
                raise Blocked(f"{thing.entity} {thing.id} could not be brought to {wanted}; it stays {here}")
            way = min(ways, key=len)
            row = way[0]
            told = self.advance(thing, row, way[1] if len(way) > 1 else None)
            is_over = row.end in machine.final and (row.system or told is None)
            arrived = row.end if is_over else told or self.state(thing)
            if arrived != row.end:
                avoid.add(row.id)
                if arrived == here and row.system:
                    self._stuck.add(row.id)
            here = arrived
        return thing

    def advance(self, thing: Thing, row: Transition, then: Transition | None = None) -> str | None:
        """Do one step; what background work must do is brought about and waited for.

        Returns the state after it, where that was told. Raises Blocked.
        then: the step that is to follow, where one is meant to
        """
        if row.system:
            self.cause(thing, row)
            state = self.arrive(thing, *(start for start in row.starts if start != row.end))
            # A reading may lag behind, which is for its own check to tell: where no such work leads, is looked again.
            return state if state in self._ends(thing.entity, row) else self.state(thing)
        operation = self.by_event(thing.entity, row.event)
        return self.told(thing, self.p.expect(self.play(self.case(operation, self.acting(operation, thing), thing))))

    def _ends(self, entity: str, row: Transition) -> set[str]:
        """The states that background work leads to from where this one begins."""
        rows = self.p.api.machines[entity].rows
        return {each.end for each in rows if each.system and not {*row.starts}.isdisjoint(each.starts)}

    def route(self, machine: Machine, start: str, state: str) -> list[Transition]:
        """The fewest steps from one state to another. Raises Blocked where there is no way."""
        found = route(machine, start, state)
        if found is None:
            raise Blocked(f"{machine.entity}: no way from {start} to {state}")
        return found

    def cause(self, thing: Thing, row: Transition) -> None:
        """Do elsewhere what makes a system event happen to an object; nothing where waiting is all there is."""

    def arrive(self, thing: Thing, *starts: str) -> str:
        """The state of an object once it is none of these, or once the run's patience is over."""
        clock = self.p.settings.clock
        deadline, pause = clock.now() + self.p.settings.patience, 0.02
        while True:
            state = self.state(thing)
            if state not in starts or clock.now() > deadline:
                return state
            clock.sleep(pause)
            pause = min(pause * 2, 1.0)

    def settle(self, thing: Thing) -> str:
        """The state of an object once no background work moves it any more, or the run's patience is over."""
        machine = self.p.api.machines[thing.entity]
        return self.arrive(thing, *(state for state in machine.states if passes(machine, state)))

    def told(self, thing: Thing, exchange: Exchange | None) -> str | None:
        """The state that the answer of a call on an object tells; None where it tells none."""
        found = None if exchange is None else member(exchange.json, self.p.api.machines[thing.entity].field)
        return found if isinstance(found, str) else None

    def by_event(self, entity: str, event: str) -> Operation:
        """The operation that causes an event. Raises Blocked."""
        for operation in self.p.api.operations.values():
            if (operation.entity, operation.event) == (entity, event):
                return operation
        raise Blocked(f"no operation causes {event} of {entity}")

    def lent(self, entity: str, state: str | None = None) -> Thing | None:
        """An object that was lent to a full run and is in a state now; None where there is none."""
        if self.p.mode is not Mode.FULL:
            return None
        for id in self.p.guard.lent.get(entity, ()):
            thing = self.known(entity, id)
            if thing is not None and (state is None or self.state(thing) == state):
                return thing
        return None

    def known(self, entity: str, id: str) -> Thing | None:
        """An object by its id, with the first caller who can read it; None where nobody can.

        Those who see their own rows alone are asked first: what only owners may do needs them.
        """
        operation = self.p.reads(entity)
        if operation is None or operation.key is None:
            return None
        seen = self.p.api.visibility.get(entity)
        may = self.p.may(operation)
        for caller in sorted(may, key=lambda each: seen is not None and seen.told_by(each.role) == ALL):
            if self.p.call(operation, caller, {operation.key: id}).status == 200:
                return Thing(entity, id, caller, {operation.key: id})
        return None

    def acting(self, operation: Operation, thing: Thing) -> Caller:
        """Who does something to an object: who made it, if they may. Raises Blocked."""
        return thing.caller if thing.caller in self.p.may(operation) else self.actor(operation)

    def look(self, thing: Thing, *, whole: bool = False) -> Mapping[str, Any]:
        """The object as its caller reads it now. Raises Blocked where it cannot be read.

        whole: with what a reading leaves out unless it is asked for
        """
        operation = self.reader(thing)
        omitted = self.p.api.visibility[thing.entity].omits.get("read", ()) if whole else ()
        query = "select=" + ",".join(omitted) if omitted and self.p.api.conventions.query == "rql" else ""
        headers = {"accept": "application/json"} if operation.does == "download" else None
        for _ in range(2 if thing.entity in self.stale else 1):
            exchange = self.p.call(
                operation, self.acting(operation, thing), self.params(operation, thing), query=query, headers=headers
            )
        found = self.p.expect(exchange, 200).json
        return found if isinstance(found, dict) else {}

    def look_as(self, thing: Thing, roles: Collection[str] | None) -> Mapping[str, Any]:
        """The object as a caller of one of these roles reads it; as its own caller, if none are named."""
        may = self.p.may(self.reader(thing))
        caller = next((each for each in may if roles and each.role in roles and each.role != thing.caller.role), None)
        return self.look(replace(thing, caller=caller) if caller is not None else thing, whole=True)

    def reader(self, thing: Thing) -> Operation:
        """The operation that reads an object by its id. Raises Blocked."""
        for operation in self.p.api.operations.values():
            reads = operation.does in ("read", "download") and operation.key is not None
            if reads and operation.entity == thing.entity and operation.parent in (None, *thing.params):
                return operation
        raise Blocked(f"no operation reads a {thing.entity}")

    def around(self, thing: Thing) -> Mapping[str, Any]:
        """operationId -> rows of every list below an object, as who may reads them: what hangs on it."""
        found = {}
        for operation in self.p.api.operations.values():
            if (operation.does, operation.below) == ("list", thing.entity):
                self.p.facts.forget()
                caller = self.acting(operation, thing)
                found[operation.id] = self.p.facts.rows(operation, caller, self.params(operation, thing))
        return found

    def state(self, thing: Thing) -> str:
        """The state that an object is in."""
        return str(member(self.look(thing), self.p.api.machines[thing.entity].field))

    # Afterwards

    def end(self, thing: Thing) -> bool:
        """Take an object away, or bring it to an end where the API deletes nothing; False where nothing ever can.

        Raises Blocked where it could be, and is not.
        """
        machine = self.p.api.machines.get(thing.entity)
        for operation in self.p.api.operations.values():
            if operation.entity == thing.entity and operation.does == "delete":
                exchange = self._delete(operation, thing)
                if not self._gone(exchange, thing) and machine is not None and operation.event is not None:
                    last = next(row for row in machine.rows if row.event == operation.event)
                    if not self._back(thing, last.starts):
                        return False
                    exchange = self._delete(operation, thing)
                if not self._gone(exchange, thing):
                    self.p.expect(exchange)
                return True
        if machine is None or not machine.final:
            return False
        return self._back(thing, machine.final)

    def _delete(self, operation: Operation, thing: Thing) -> Exchange:
        return self.p.call(operation, self.acting(operation, thing), self.params(operation, thing))

    def _gone(self, exchange: Exchange, thing: Thing) -> bool:
        return exchange.status < 300 or exchange.status == self.p.status("find", thing.entity)

    def is_missing(self, thing: Thing) -> bool:
        """Whether an object is answered as unknown, in the words of the API. Raises Blocked where none can read it."""
        operation = self.reader(thing)
        exchange = self.p.call(operation, self.acting(operation, thing), self.params(operation, thing))
        return exchange.status == self.p.status("find", thing.entity) and exchange.json is not None

    def _back(self, thing: Thing, states: Collection[str]) -> bool:
        """Bring an object to the nearest of some states by steps that leave nothing behind; whether there is a way.

        Raises Blocked where there is one that cannot be gone.
        """
        machine = self.p.api.machines[thing.entity]
        avoid = [row.id for row in machine.rows if self._lasts(thing.entity, row.event)]
        here, shunned = self.state(thing), {*self.SHUN, *avoid}
        if here not in states and all(route(machine, here, state, shunned) is None for state in states):
            return False
        self.bring(thing, *states, avoid=avoid, here=here)
        return True

    def _lasts(self, entity: str, event: str) -> bool:
        lasting = (self.p.api.operations[id] for id in self.LASTING if id in self.p.api.operations)
        return any((each.entity, each.event) == (entity, event) for each in lasting)

    def tagged(self, entity: str, caller: Caller, params: Mapping[str, str], tag: str) -> list[str]:
        """Ids of objects that bear the mark of a run, as a list of theirs shows; [] where no list shows them.

        Raises Blocked where the list goes on beyond what is read of it.
        """
        for operation in self.p.api.operations.values():
            if (operation.does, operation.entity) == ("list", entity) and caller.role in operation.roles:
                above = {name: value for name, value in params.items() if name == operation.parent}
                found = self.p.facts.listed(operation, caller, above, pages=FAR)
                ids = [str(row[self.p.key(entity)]) for row in found.rows if tag in json.dumps(row)]
                if not ids and not found.whole:
                    raise Blocked(f"{operation.id} shows more than {len(found.rows):,} rows; look for {tag} beyond")
                return ids
        return []

    def above(self, thing: Thing) -> dict[str, str]:
        """entity -> id of what an object lies below, as its path tells."""
        found: dict[str, str] = {}
        for operation in self.p.api.operations.values():
            if operation.entity == thing.entity and operation.below is not None and operation.parent is not None:
                id = thing.params.get(operation.parent)
                found |= {operation.below: id} if id is not None else {}
        return found

    def touches(self, operation: Operation, body: Any, params: Mapping[str, str]) -> Mapping[str, set[str]]:
        """entity -> ids of the objects beside its own that a call changes, as its body names them."""
        return {}


def stage(p: Probe) -> Stage:
    """The Stage of an API: its own, if contracts/apis has one, else the one that tables suffice for."""
    name = f"contracts.apis.{p.api.name}.stage"
    try:
        there = find_spec(name)
    except ModuleNotFoundError:
        there = None
    kind: type[Stage] = import_module(name).Stage if there is not None else Stage
    return kind(p)
