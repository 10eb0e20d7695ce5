"""All walks of an entity: what is drawn for them, what they found, and the shortest way to see it again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.drawing import drawn
from contracts.guard import Unsafe
from contracts.probe import Blocked, Probe
from contracts.walks.walk import Breach, Step, Walk
from contracts.wire import Exchange
from specs.tables import Machine

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
    stopped: Exception | None = None
    walks: int = 0

    @property
    def states(self) -> list[str]:
        """Where something can be done to an object."""
        return [each for each in self.machine.states if self.machine.events_from(each)]

    def starts(self) -> list[str]:
        """The states that the objects of the next walk begin in: the first one, and another one each time."""
        self.walks += 1
        others = [self.states[self.walks % len(self.states)] for _ in range(OBJECTS - 1)]
        return [self.machine.initial, *(others if self.machine.final else ())]

    def run(self, *, walks: int = WALKS, steps: int = STEPS) -> None:
        """Walk. Raises whatever ends a run; what ends the walks alone is left in `stopped`."""
        from hypothesis import strategies as st

        seed = random.Random(f"{self.p.settings.seed}/{self.p.api.name}/{self.machine.entity}").getrandbits(32)
        draws = st.tuples(st.integers(0, OBJECTS - 1), st.integers(0, 63), st.integers(0, 255))
        number = walks if self.machine.final else min(walks, SPARING)
        for each in drawn(st.lists(draws, min_size=steps, max_size=steps), number, seed):
            try:
                self.walk(each)
            except (Blocked, Unsafe) as reason:
                self.stopped = reason
                return
            if any(code == "W408" for code, _, _ in self.found):
                # Where readings lag behind, nothing that is read says anything any more.
                return

    def walk(self, draws: Sequence[tuple[int, int, int]]) -> None:
        """One walk, which ends at the first breach. Raises Blocked."""
        walk = Walk(self.p, self.machine)
        walk.begin(*self.starts())
        # Ends come late, until objects have begun in every state.
        late = len(draws) // 2 if self.walks <= len(self.states) else 0
        for number, (at, how, pick) in enumerate(draws):
            step = self.choose(walk, at % len(walk.models), how, pick, ends=number >= late)
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
        if breach.cell or not breach.event:
            return breach.exchange
        walk, stage = Walk(self.p, self.machine), self.p.stage
        rows = [row for row in self.machine.rows if row.event == breach.event and breach.state in row.starts]
        try:
            entity, state = self.machine.entity, breach.state
            walk.add(stage.fit(entity, state, rows[0]) if rows else stage.make(entity, state))
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
