"""One walk: objects of an entity, what is done to them, and what a model made of the tables says of each answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from contracts.comparing import difference
from contracts.facts import DEPTH
from contracts.journal import Thing
from contracts.probe import Nothing, Probe, member
from contracts.routes import outcomes
from contracts.wire import Caller, Exchange
from specs.tables import ALL, Machine, Operation, Transition


@dataclass(frozen=True, slots=True)
class Step:
    """One event, done to one of the objects by somebody."""

    at: int
    event: str
    caller: str


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that the rules do not allow.

    code: what a single step would be told as; exchange: the call that shows it, None where a later reading did
    """

    code: str
    state: str
    event: str
    expected: str
    came: str
    source: str
    operation: str
    cell: str = ""
    exchange: Exchange | None = None

    @property
    def subject(self) -> str:
        return self.cell or f"{self.state} {self.event}".strip()

    @property
    def kind(self) -> tuple[str, str, str]:
        """What makes it the same breach as another."""
        return self.code, self.operation, self.cell or self.event


@dataclass
class Model:
    """What is known of one object: the thing, its state, and how it was last read. None: it is gone."""

    thing: Thing
    state: str
    record: Mapping[str, Any] | None


@dataclass
class Walk:
    """Objects of one entity, and what was done to them."""

    p: Probe
    machine: Machine
    models: list[Model] = field(default_factory=list)
    starts: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def begin(self, *states: str) -> None:
        """Make the objects, in these states as far as they can be had, else in their first one. Raises Blocked."""
        self.starts = states
        for state in states:
            self.add(self._made(state))

    def add(self, thing: Thing) -> None:
        """Take an object into the walk."""
        self.models.append(self.read(thing))

    def _made(self, state: str) -> Thing:
        for each in (state, self.machine.initial):
            try:
                return self.p.stage.make(self.machine.entity, each)
            except Nothing:
                continue
        return self.p.stage.make(self.machine.entity)

    def read(self, thing: Thing) -> Model:
        record = self.p.stage.look(thing, whole=True)
        return Model(thing, str(member(record, self.machine.field)), record)

    # What may be done

    @property
    def operations(self) -> Mapping[str, Operation]:
        """event -> the operation that causes it."""
        every = self.p.api.operations.values()
        return {each.event: each for each in every if each.entity == self.machine.entity and each.event is not None}

    def legal(self, at: int) -> list[Transition]:
        """The steps that the machine declares for an object now, and that the run can do."""
        model = self.models[at]
        if model.record is None:
            return []
        return [
            row
            for row in self.machine.rows
            if not row.system
            and model.state in row.starts
            and row.event in self.operations
            and row.id not in self.p.stage.SHUN
            and all(member(model.record, path) == value for path, value in row.when.items())
            and self.p.stage.allows(model.thing, row)
        ]

    def strays(self, at: int) -> list[str]:
        """The events that nothing declares for an object now."""
        declared = {row.event for row in self.machine.rows if self.models[at].state in row.starts and not row.system}
        return [event for event in self.operations if event not in declared]

    def actors(self, at: int, operation: Operation) -> list[Caller]:
        """Who may do something to an object: who made it, and who sees everybody's."""
        thing, seen = self.models[at].thing, self.p.api.visibility.get(self.machine.entity)
        may = self.p.may(operation)
        return [
            each for each in may if each == thing.caller or (seen is not None and seen.told_by(each.role) == ALL)
        ] or may[:1]

    def strangers(self, operation: Operation) -> list[Caller]:
        return [each for each in self.p.callers if each.role not in operation.roles]

    # Doing it

    def step(self, step: Step) -> Iterator[Breach]:
        """Do one step and say what is wrong with what came of it. Raises Blocked."""
        self.steps.append(step)
        model, operation = self.models[step.at], self.operations[step.event]
        self._drift(model)
        caller = next(each for each in self.p.callers if each.name == step.caller)
        rows = [row for row in self.legal(step.at) if row.event == step.event]
        stage = self.p.stage
        exchange = stage.play(stage.case(operation, caller, model.thing))
        self.exchanges.append(exchange)
        if caller.role not in operation.roles:
            yield from self._denied(model, operation, step, exchange)
        elif rows:
            yield from self._done(model, operation, rows[0], exchange)
        elif step.event in self.strays(step.at):
            yield from self._refused(model, operation, step, exchange)

    def _drift(self, model: Model) -> None:
        """What works in the background may have moved an object on, along the rows of the system."""
        if model.record is None:
            return
        now = self.read(model.thing)
        if now.state in carried(self.machine, model.state):
            model.state, model.record = now.state, now.record

    def _denied(self, model: Model, operation: Operation, step: Step, exchange: Exchange) -> Iterator[Breach]:
        wanted = self.p.status("role")
        role = exchange.caller.role
        if exchange.status != wanted:
            code, source = "A102" if exchange.status < 300 else "A103", operation.capabilities[0].source
            yield self._breach(code, model, operation, str(wanted), exchange, source, cell=f"{operation.id}/{role}")
        else:
            yield from self._unchanged(model, operation, exchange)

    def _refused(self, model: Model, operation: Operation, step: Step, exchange: Exchange) -> Iterator[Breach]:
        check = "state" if model.record is not None else "find"
        wanted = self.p.status(check, self.machine.entity)
        if exchange.status < 300:
            expected = f"{wanted}: no {step.event} from {model.state}"
            yield self._breach("W403", model, operation, expected, exchange, self.p.source(check))
            return
        if exchange.status != wanted:
            yield self._breach("W404", model, operation, str(wanted), exchange, self.p.source(check))
        yield from self._unchanged(model, operation, exchange)

    def _unchanged(self, model: Model, operation: Operation, exchange: Exchange) -> Iterator[Breach]:
        if model.record is None:
            return
        now = self.read(model.thing)
        if now.record != model.record:
            came = difference(model.record, now.record)
            expected = "an object that is as it was"
            yield self._breach("W405", model, operation, expected, exchange, self.p.source("state"), came=came)

    def _done(self, model: Model, operation: Operation, row: Transition, exchange: Exchange) -> Iterator[Breach]:
        start = model.state
        if exchange.status >= 300:
            expected = f"{self.machine.entity} {start} to {row.end}"
            yield self._breach("W401", model, operation, expected, exchange, row.source)
            return
        if operation.does == "delete":
            model.state, model.record = row.end, None
            return
        stage, ends = self.p.stage, outcomes(self.machine, row)
        wanted = stage.outcome(model.thing, row)
        right = (
            {wanted} if wanted is not None else carried(self.machine, row.end) if row.then is not None else {row.end}
        )
        told = stage.told(model.thing, exchange)
        arrived = stage.arrive(model.thing, *({row.end} - ends))
        wrong = told if told is not None and told not in {row.end, *ends, *right} else arrived
        if wrong not in right and stage.state(model.thing) in right:
            reading, entity = stage.reader(model.thing).id, self.machine.entity
            expected, came = f"{entity} as {row.end} at once", f"{arrived} at first, and right when read again"
            yield Breach("W408", start, "", expected, came, row.source, reading, entity, exchange)
        elif wrong not in right:
            expected = f"{self.machine.entity} {start} to {row.end}"
            yield self._breach("W402", model, operation, expected, exchange, row.source, came=f"it is {wrong}")
        now = self.read(model.thing)
        model.state, model.record = now.state, now.record

    def _breach(
        self,
        code: str,
        model: Model,
        operation: Operation,
        expected: str,
        exchange: Exchange,
        source: str,
        cell: str = "",
        came: str = "",
    ) -> Breach:
        said = came or f"{exchange.status} {exchange.answer.said}"
        return Breach(code, model.state, str(operation.event), expected, said, source, operation.id, cell, exchange)

    def ended(self) -> Iterator[Breach]:
        """What must hold when a walk is over: every object is where its own steps led it, and lists have it once."""
        for model in self.models:
            reading = self.p.stage.reader(model.thing)
            if model.record is None:
                continue
            before = model.state
            self._drift(model)
            now = self.p.stage.state(model.thing)
            if now != model.state:
                expected = f"{self.machine.entity} in {before}, where its own steps led it"
                yield Breach("W412", before, "", expected, f"it is {now}", "spec", reading.id)
        yield from self._listed()
        yield from (
            Breach("W412", "", "", said, "it does not hold", "spec", "", cell=said.partition(":")[0])
            for said in laws(self.p, [model.thing for model in self.models if model.record is not None])
        )

    def _listed(self) -> Iterator[Breach]:
        entity = self.machine.entity
        listing = self.p.lists(entity)
        for model in self.models if listing is not None else ():
            assert listing is not None
            caller = model.thing.caller
            if model.record is None or caller.role not in listing.roles or not self.p.api.conventions.paging:
                continue
            self.p.facts.forget()
            rows = self.p.facts.rows(listing, caller, self._above(listing, model.thing))
            key = self.p.key(entity)
            mine = [row for row in rows if str(row.get(key)) == model.thing.id]
            states = {str(member(row, self.machine.field)) for row in mine}
            # A list that is longer than what is read of it may have the object where nobody looked.
            whole = len(rows) < DEPTH * int(self.p.api.conventions.paging.get("cap", 100))
            if len(mine) > 1 or (states != {model.state} and (states or whole)):
                self.exchanges.append(self.p.call(listing, caller, self._above(listing, model.thing)))
                came = f"{len(mine)} times{''.join(f', as {each}' for each in sorted(states))}"
                expected, code = f"{entity} once, as {model.state}", "W412" if len(mine) > 1 else "W408"
                yield Breach(code, model.state, "", expected, came, "spec", listing.id, entity, self.exchanges[-1])

    def _above(self, listing: Operation, thing: Thing) -> dict[str, str]:
        return {name: value for name, value in thing.params.items() if name == listing.parent}


def carried(machine: Machine, state: str) -> set[str]:
    """A state, and those to which background work may carry an object on from there."""
    reached, more = {state}, [state]
    while more:
        here = more.pop()
        ends = {row.end for row in machine.rows if row.system and here in row.starts} - reached
        reached |= ends
        more += ends
    return reached


def laws(p: Probe, things: Sequence[Thing]) -> Iterator[str]:
    """What an API of its own says must hold of these objects and does not: `laws` of contracts/apis/<name>/walks.py."""
    name = f"contracts.apis.{p.api.name}"
    try:
        there = find_spec(f"{name}.walks")
    except ModuleNotFoundError:
        there = None
    if there is not None:
        yield from import_module(f"{name}.walks").laws(p, things)
