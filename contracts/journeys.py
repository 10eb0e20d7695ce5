"""Walks that nobody wrote: events drawn at random, done to objects of the run's own, beside a model made of the tables.

Hypothesis draws what to do; the model alone says who may, what is refused, and where an object arrives. What goes wrong
is cut down to the fewest steps that still show it, tried on objects made anew, since no target goes back to how it was.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from contracts.comparing import difference
from contracts.guard import Unsafe
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.routes import outcomes
from contracts.wire import Caller, Exchange
from specs.tables import ALL, Machine, Operation, Transition

WALKS, STEPS = 10, 12
"""Walks of an entity, and steps of a walk."""
OBJECTS = 2
"""Objects that a walk goes between: one must not feel what is done to the other."""
SPARING = 2
"""Walks of an entity whose objects come to no end; they have one each."""
STRAYS, STRANGERS = 4, 8
"""One step in so many is none that the machine declares; one in so many is tried by who may not."""
REPLAYS = 24
"""How often a walk is done again to cut it down."""


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
            self.models.append(self._read(self._made(state)))

    def _made(self, state: str) -> Thing:
        for each in (state, self.machine.initial):
            try:
                return self.p.stage.make(self.machine.entity, each)
            except Nothing:
                continue
        return self.p.stage.make(self.machine.entity)

    def _read(self, thing: Thing) -> Model:
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
        now = self._read(model.thing)
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
        now = self._read(model.thing)
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
        if wrong not in right:
            expected = f"{self.machine.entity} {start} to {row.end}"
            yield self._breach("W402", model, operation, expected, exchange, row.source, came=f"it is {wrong}")
        now = self._read(model.thing)
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
            if len(mine) > 1 or (states and states != {model.state}):
                came = f"{len(mine)} times, as {', '.join(sorted(states))}"
                expected = f"{entity} once, as {model.state}"
                yield Breach("W412", model.state, "", expected, came, "spec", listing.id, cell=f"{entity} in lists")

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


@dataclass
class Found:
    """A breach and the walk that came upon it."""

    breach: Breach
    starts: Sequence[str]
    steps: Sequence[Step]
    exchanges: Sequence[Exchange]


@dataclass
class Journey:
    """All walks of an entity: what was tried, and what was found.

    tried: (state, event) -> how often it was done as declared; found: kind of breach -> the first walk that met it
    """

    p: Probe
    machine: Machine
    tried: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: dict[tuple[str, str, str], Found] = field(default_factory=dict)
    stopped: BaseException | None = None
    walks: int = 0

    def starts(self) -> list[str]:
        """The states that the objects of the next walk begin in: the first one, and another one each time."""
        states = [each for each in self.machine.states if self.machine.events_from(each)]
        self.walks += 1
        others = [states[self.walks % len(states)] for _ in range(OBJECTS - 1)]
        return [self.machine.initial, *(others if self.machine.final else ())]

    def run(self, *, walks: int = WALKS, steps: int = STEPS) -> None:
        """Walk. Raises whatever ends a run; Blocked where no walk could be made."""
        from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
        from hypothesis import strategies as st

        # What is drawn does not depend on what is answered: Hypothesis would call a target that remembers flaky.
        draws = st.tuples(st.integers(0, OBJECTS - 1), st.integers(0, 63), st.integers(0, 255))

        @seed(random.Random(f"{self.p.settings.seed}/{self.p.api.name}/{self.machine.entity}").getrandbits(32))
        @settings(
            max_examples=walks if self.machine.final else min(walks, SPARING),
            phases=[Phase.generate],
            database=None,
            deadline=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(draws, min_size=steps, max_size=steps))
        def walk(drawn: list[tuple[int, int, int]]) -> None:
            if self.stopped is None:
                try:
                    self.walk(drawn)
                # Hypothesis would do again whatever raises; a run that ends here ends once.
                except Exception as reason:
                    self.stopped = reason

        walk()
        if self.stopped is not None and (not self.tried or not isinstance(self.stopped, (Blocked, Unsafe))):
            raise self.stopped

    def walk(self, drawn: Sequence[tuple[int, int, int]]) -> None:
        """One walk, which ends at the first breach. Raises Blocked."""
        walk = Walk(self.p, self.machine)
        walk.begin(*self.starts())
        for number, (at, how, pick) in enumerate(drawn):
            step = self.choose(walk, at % len(walk.models), how, pick, ends=number >= len(drawn) // 2)
            if step is not None and not self.take(walk, step):
                return
        self.keep(walk, list(walk.ended()))

    def choose(self, walk: Walk, at: int, how: int, pick: int, *, ends: bool) -> Step | None:
        """The step that these draws mean; the least tried ones first, so that few walks go everywhere.

        ends: whether it may bring an object to its end, if there is another way
        """
        legal = walk.legal(at)
        if not legal and len(walk.models) > 1:
            # What is over is left in peace as long as there is something to do elsewhere.
            at = at if how % STRAYS == STRAYS - 1 else (at + 1) % len(walk.models)
            legal = walk.legal(at)
        events, state = walk.strays(at), walk.models[at].state
        if legal and (how % STRAYS < STRAYS - 1 or not events):
            rows = [row for row in legal if ends or row.end not in self.machine.final] or legal
            least = min(self.tried[state, row.event] for row in rows)
            events = [row.event for row in rows if self.tried[state, row.event] == least]
        events = [each for each in events if not self._is_known(state, each)]
        if not events:
            return None
        operation = walk.operations[events[pick % len(events)]]
        strangers = walk.strangers(operation) if how % STRANGERS == STRANGERS - 2 else []
        callers = strangers or walk.actors(at, operation)
        return Step(at, str(operation.event), callers[pick % len(callers)].name) if callers else None

    def _is_known(self, state: str, event: str) -> bool:
        return any(each.breach.state == state and each.breach.event == event for each in self.found.values())

    def take(self, walk: Walk, step: Step) -> bool:
        """Do a step; whether the walk may go on."""
        state = walk.models[step.at].state
        declared = any(row.event == step.event for row in walk.legal(step.at))
        breaches = list(walk.step(step))
        caller = walk.exchanges[-1].caller
        if declared and caller.role in walk.operations[step.event].roles and not breaches:
            self.tried[state, step.event] += 1
            self.p.walked(self.machine.entity, state, step.event, "arrived")
        return not self.keep(walk, breaches)

    def keep(self, walk: Walk, breaches: Sequence[Breach]) -> bool:
        """Remember what was found, with the way there; whether there was anything."""
        for each in breaches:
            found = Found(each, walk.starts, tuple(walk.steps), tuple(walk.exchanges))
            self.found.setdefault(each.kind, found)
        return bool(breaches)

    # Telling it

    def alone(self, breach: Breach) -> Exchange | None:
        """The call that shows a breach without any way there, on an object brought to that state; None if none does."""
        if not breach.event or breach.cell:
            return breach.exchange if breach.cell and breach.exchange is not None else None
        walk, stage = Walk(self.p, self.machine), self.p.stage
        rows = [row for row in self.machine.rows if row.event == breach.event and breach.state in row.starts]
        try:
            make = (lambda: stage.fit(self.machine.entity, breach.state, rows[0])) if rows else None
            thing = make() if make is not None else stage.make(self.machine.entity, breach.state)
            walk.models.append(walk._read(thing))
            caller = walk.actors(0, walk.operations[breach.event])[0]
            again = list(walk.step(Step(0, breach.event, caller.name)))
        except (Blocked, Unsafe):
            return None
        return walk.exchanges[-1] if any(each.kind == breach.kind for each in again) else None

    def shortest(self, found: Found) -> Found:
        """The fewest steps of a walk that still come upon its breach, as far as REPLAYS tell."""
        best, at, left = found, len(found.steps) - 1, REPLAYS
        while at >= 0 and left:
            fewer = [*best.steps[:at], *best.steps[at + 1 :]]
            again = self.replayed(best.starts, fewer, found.breach) if fewer or not found.breach.event else None
            left -= 1
            if again is not None:
                best = again
            at = min(at, len(best.steps)) - 1
        return best

    def replayed(self, starts: Sequence[str], steps: Sequence[Step], breach: Breach) -> Found | None:
        """The walk that these steps make, if it comes upon the same breach."""
        walk = Walk(self.p, self.machine)
        try:
            walk.begin(*starts)
            for each in steps:
                for came in walk.step(each):
                    if came.kind == breach.kind:
                        return Found(came, walk.starts, tuple(walk.steps), tuple(walk.exchanges))
                    return None
            for came in walk.ended():
                if came.kind == breach.kind:
                    return Found(came, walk.starts, tuple(walk.steps), tuple(walk.exchanges))
        except (Blocked, Unsafe):
            return None
        return None
