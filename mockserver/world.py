"""A world: the records, the clock and the jobs that wait, behind one API."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mockserver.clock import Clock
from mockserver.domain.errors import Refusal
from mockserver.portions import Portions, by_and_by
from mockserver.store import Changes, Layer, Record, Replaced, Row
from mockserver.work import Actor, Work, Workflows
from specs.tables import Api

SYSTEM = Actor(ref={"id": "USR-0000-0000", "name": "System"}, role="system", account="")
"""The author of automatic events (billing b.12)."""
PORTION = 1_000
"""Rows that are forgotten before others have their turns"""


@dataclass(frozen=True, slots=True)
class Processing:
    """When background jobs run.

    immediate       before the next request: the action's answer shows the transient state, the next call the settled
    after:SECONDS   when so much time has passed on the world's clock
    reads:N         after the transient state was read N times
    manual          when released by hand
    """

    mode: str = "immediate"
    seconds: float = 0.0
    reads: int = 0

    @classmethod
    def parse(cls, text: str) -> Processing:
        """Read `immediate`, `after:SECONDS`, `reads:N` or `manual`. Raises ValueError, which tells the mend."""
        if text in ("immediate", "manual"):
            return cls(text)
        if match := re.fullmatch(r"after:(\d{1,9}(?:\.\d{1,3})?)", text, re.ASCII):
            return cls("after", seconds=float(match[1]))
        if match := re.fullmatch(r"reads:(\d{1,9})", text, re.ASCII):
            return cls("reads", reads=int(match[1]))
        raise ValueError(f"processing {text!r}: say immediate, after:SECONDS (after:2.5), reads:N (reads:3) or manual.")

    def __str__(self) -> str:
        if self.mode == "after":
            return f"after:{self.seconds:.3f}".rstrip("0").rstrip(".")
        return f"reads:{self.reads}" if self.mode == "reads" else self.mode

    def due(self, now: datetime) -> datetime | None:
        """The instant from which a job made now may run by itself; None: not by time."""
        if self.mode == "immediate":
            return now
        return now + timedelta(seconds=self.seconds) if self.mode == "after" else None


Keeper = Callable[["World", Changes, bool], None]
"""Told of changes before they are made: the world, what changes, whether its clock ticks after them."""


@dataclass(frozen=True, slots=True)
class Held:
    """A world as it was at one time: its records, how many requests it had refused, how its jobs ran."""

    layer: Layer
    refusals: int
    processing: Processing


class World:
    """An isolated world of one API: data, id counters and waiting jobs, on a clock that other worlds may share."""

    def __init__(
        self,
        *,
        seed: int,
        clock: Clock,
        indexes: Mapping[str, Sequence[str]],
        api: Api,
        workflows: Workflows,
        processing: Processing | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.layer = Layer(indexes)
        self._seeded: tuple[Held, datetime] | None = None
        self.api = api
        self.workflows = workflows
        self.processing = processing or Processing()
        self.commits = 0
        """How many units of work were kept; tells whether anything may have changed since"""
        self.waiting = False
        """Whether any job waits; kept so that a request with none to run pays nothing."""
        self.refusals = 0
        """How many requests were refused: what trace ids are told apart by"""
        self.turns = 0
        """How often the world became another as a whole: by reset, restore or import"""
        self.replaced: Replaced = {}
        """What the rows that the last change has made were before: a stale reading shows them again"""
        self.prepared: Any = None
        """What was last worked out ahead for a job that waits; forgotten when the world becomes another"""
        self._touched: dict[str, int] = {}
        self._turned = 0
        self.keeper: Keeper | None = None
        """Who is told of changes first; what it raises, nothing was changed"""

    def settle_seed(self) -> None:
        """Make what the world holds now its seed: what happens from here on lies in a layer above it."""
        self._seeded = (Held(self.layer, 0, self.processing), self.clock.now())
        self.layer = Layer(self.layer.indexes, self.layer)

    @property
    def _seed(self) -> tuple[Held, datetime]:
        if self._seeded is None:
            raise RuntimeError("a world without a seed cannot be reset or forked; call settle_seed() first")
        return self._seeded

    def reset(self) -> None:
        """Return to the seed: its records, its clock, its counters; nothing waits."""
        held, start = self._seed
        self.clock.restart(start)
        self.restore(held)

    def held(self) -> Held:
        """The world as it is now, which what happens from here on does not change; the clock is not the world's own."""
        layer = self.layer.frozen(self._seed[0].layer)
        self.layer = Layer(layer.indexes, layer)
        return Held(layer, self.refusals, self.processing)

    def restore(self, held: Held) -> None:
        """Become as the world was when it was held."""
        self.end()
        self.layer = Layer(held.layer.indexes, held.layer)
        self.replaced, self.prepared = {}, None
        self.refusals, self.processing = held.refusals, held.processing
        self.commits += 1
        self.turns += 1
        self._touched, self._turned = {}, self.commits
        self.waiting = next(self.jobs(), None) is not None

    def end(self) -> None:
        """Let go of what happened since the world was last held: nobody will ask for it again."""
        _let_go(self.replaced)
        _let_go(self.layer.own)

    @property
    def changes(self) -> int:
        """Records that are not as the seed has them."""
        return sum(1 for _ in self.layer.rows_above(self._seed[0].layer))

    def fork(self, clock: Clock) -> World:
        """Another world over the same seed, in which nothing has happened yet, on a clock that is given to it."""
        held, _ = self._seed
        made = World(
            seed=self.seed,
            clock=clock,
            indexes=held.layer.indexes,
            api=self.api,
            workflows=self.workflows,
            processing=held.processing,
        )
        made._seeded, made.layer = self._seeded, Layer(held.layer.indexes, held.layer)
        made.waiting = next(made.jobs(), None) is not None
        return made

    def fresh_clock(self) -> Clock:
        """A clock of its own that starts where this world's did."""
        return self.clock.another(self._seed[1])

    def keep(self, changes: Changes, *, ticks: bool = True) -> None:
        """Make changes, whole or not at all. ticks: a millisecond passes on a standing clock"""
        if self.keeper is not None:
            self.keeper(self, changes, ticks)
        replaced = self.layer.absorb(changes)
        self._touched.update(dict.fromkeys(changes.rows, self.commits + 1))
        if ticks:
            _let_go(self.replaced)
            self.replaced = replaced
            self.clock.tick()

    def is_as(self, commits: int, entities: Iterable[str] | None = None) -> bool:
        """Whether all records of these entities, or of all, are those that there were after so many commits."""
        if entities is None:
            return self._turned <= commits and all(each <= commits for each in self._touched.values())
        return all(self._touched.get(entity, self._turned) <= commits for entity in entities)

    def work(self, actor: Actor = SYSTEM) -> Work:
        """A new unit of work on this world."""
        return Work(self, self.api, self.workflows, actor)

    def jobs(self) -> Iterator[Record]:
        """The jobs that wait, oldest first."""
        return (row.record for row in self.layer.all("Job"))

    def settle(self) -> int:
        """Run every job that is due, and those that they start if these are due, too; how many ran."""
        return self.run(self._is_due)

    def seen(self, entity: str, id: str) -> None:
        """Note that a record was read: `reads:N` counts it for the jobs that wait on it."""
        if self.processing.mode != "reads":
            return
        read = [job for job in self.jobs() if (job["entity"], job["subject"]) == (entity, id) and job["reads"] > 0]
        if read:
            changes = Changes(self.layer)
            for job in read:
                changes.put("Job", {**job, "reads": job["reads"] - 1})
            self.keep(changes, ticks=False)

    def run(self, wanted: Callable[[Record], bool] = lambda job: True, *, limit: int = 10_000) -> int:
        """Run the waiting jobs that are wanted, oldest first, whatever their time; how many ran."""
        ran = 0
        while ran < limit and (job := next((job for job in self.jobs() if wanted(job)), None)) is not None:
            self._run(job)
            ran += 1
        self.waiting = next(self.jobs(), None) is not None
        return ran

    def _is_due(self, job: Record) -> bool:
        from mockserver import wire

        if self.processing.mode == "reads":
            return int(job["reads"]) <= 0
        return "due" in job and job["due"] <= wire.instant(self.clock.now())

    def _run(self, job: Record) -> None:
        """Do one job in a unit of work of its own; what it cannot do becomes the event named by `otherwise`."""
        work = self._without(job)
        subject = work.get(job["entity"], job["subject"])
        if subject is not None:  # else it was removed while the job waited
            try:
                work.workflows.jobs[job["job"]](work, subject)
            except Exception as failure:
                work = self._without(job)
                self._failed(work, job, subject, failure)
        work.commit()

    def _without(self, job: Record) -> Work:
        work = self.work()
        work.remove("Job", job["id"])
        return work

    def _failed(self, work: Work, job: Record, subject: Record, failure: Exception) -> None:
        """A job that failed is not tried again: it would fail every request after it."""
        if not isinstance(failure, Refusal):
            traceback.print_exception(failure, file=sys.stderr)
        if "otherwise" not in job:
            return
        code = f"{subject['id'][:3]}:0002"
        message = str(failure) if isinstance(failure, Refusal) else f"{job['job']} failed."
        work.fire(job["entity"], {**subject, "error": {"id": code, "code": code, "message": message}}, job["otherwise"])


def _let_go(replaced: Replaced) -> None:
    """Forget rows that nobody sees any more; of many a portion at a time, since giving back memory takes long."""
    many = [rows for rows in replaced.values() if isinstance(rows, dict) and len(rows) >= PORTION]
    if many:
        by_and_by(_forgotten([row for rows in many for row in rows.values()]))


def _forgotten(rows: list[Row | None]) -> Portions[None]:
    while rows:
        del rows[-PORTION:]
        yield
