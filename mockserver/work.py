"""A unit of work: everything that one request, or one background job, reads and changes, kept whole or not at all.

Workflows register here what an event does beside moving the state (`effect`) and what background jobs do (`job`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mockserver import ids, wire
from mockserver.domain.errors import Invalid, NotFound
from mockserver.domain.machine import state_of, transition
from mockserver.portions import Portions
from mockserver.store import Batch, Changes, Place, Record, Removal, Row

if TYPE_CHECKING:
    from mockserver.world import World
    from specs.tables import Api

REFERENCE = "reference"
"""What rows keep references to them under"""
Effect = Callable[["Work", Record], None]
Job = Callable[["Work", Record], None]
Maker = Callable[["Work"], Record]
Loader = Callable[["Work", Record, "Upload"], Record]
Preparer = Callable[["Work", Record, "Upload"], Generator[None, None, Any]]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came: name and type as the client said them, whole content.

    ahead: what the preparer has made of it, None where it was not asked
    """

    filename: str
    content_type: str
    content: bytes
    ahead: Any = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Rows that an event will remove, found ahead of it.

    since: how many commits there were when they were looked for
    """

    place: Place
    since: int
    removal: Removal

    def of(self, world: World, place: Place) -> Removal | None:
        """What removes the rows at a place; None where it is not made of those that are there now."""
        return self.removal if place == self.place and world.is_as(self.since, (place[0],)) else None


class Workflows:
    """What an API's events and jobs do, beside what its tables say; filled by the decorators below.

    The engine calls them with a unit of work, whose `body` and `params` are the request's. An update calls guard and
    effect under the event name `update`, with the record as it would be and as it is then.
    """

    def __init__(self) -> None:
        self.effects: dict[tuple[str, str], Effect] = {}
        self.guards: dict[tuple[str, str], Effect] = {}
        self.jobs: dict[str, Job] = {}
        self.makers: dict[str, Maker] = {}
        self.loaders: dict[str, Loader] = {}
        self.preparers: dict[str, Preparer] = {}
        self.removals: dict[tuple[str, str], tuple[str, str]] = {}

    def maker(self, entity: str) -> Callable[[Maker], Maker]:
        """Makes and stores a new record out of `work.body` (does: create, sync). Raises Invalid."""

        def register(function: Maker) -> Maker:
            self.makers[entity] = function
            return function

        return register

    def loader(self, entity: str) -> Callable[[Loader], Loader]:
        """Takes an uploaded file for a record (does: upload); the engine fires the event after it."""

        def register(function: Loader) -> Loader:
            self.loaders[entity] = function
            return function

        return register

    def preparer(self, entity: str) -> Callable[[Preparer], Preparer]:
        """Works out, a portion at a time and before the loader, what takes long of an uploaded file.

        Others are answered between two portions, so it changes nothing; what it returns the loader finds in the upload.
        """

        def register(function: Preparer) -> Preparer:
            self.preparers[entity] = function
            return function

        return register

    def removes(self, entity: str, *events: str, rows: tuple[str, str]) -> None:
        """Say that events `clear` what may be many rows, so that they are found ahead, while others are answered.

        rows: their entity, and the member of them that names the record
        """
        self.removals.update({(entity, event): rows for event in events})

    def guard(self, entity: str, *events: str) -> Callable[[Effect], Effect]:
        """What must hold before the event moves the record (as it is then); it raises Conflict or Invalid."""

        def register(function: Effect) -> Effect:
            for event in events:
                self.guards[entity, event] = function
            return function

        return register

    def effect(self, entity: str, *events: str) -> Callable[[Effect], Effect]:
        """What the event does after it moved the record (handed over as it is now)."""

        def register(function: Effect) -> Effect:
            for event in events:
                self.effects[entity, event] = function
            return function

        return register

    def job(self, name: str) -> Callable[[Job], Job]:
        """A background job, handed its subject as it is when the job runs."""

        def register(function: Job) -> Job:
            self.jobs[name] = function
            return function

        return register


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as `audit` shows it: `ref` is {id, name, icon?}; role and account decide what they see and write."""

    ref: Mapping[str, str]
    role: str
    account: str


class Work:
    """One unit of work on a world; `commit` keeps it, dropping it forgets it."""

    def __init__(self, world: World, api: Api, workflows: Workflows, actor: Actor) -> None:
        self.world = world
        self.api = api
        self.workflows = workflows
        self.actor = actor
        self.layer = Changes(world.layer)
        self.body: Mapping[str, Any] = {}
        """The request's body, canonical and valid; empty for jobs and where there is none"""
        self.params: Mapping[str, str] = {}
        """The path's parameters"""
        self.query: Mapping[str, Any] = {}
        """The query's parameters, where the API declares them, typed, with their defaults"""
        self.realm: tuple[str, ...] = (actor.account,)
        """What rows are told own by: the actor's account, or what access.yaml calls the scope"""
        self.prepared: Any = None
        """What was worked out ahead for a job that this unit starts; the world has it once this is kept"""
        self.leaving: Leaving | None = None
        """What `clear` is about to be asked to forget, found ahead"""
        self._now: str | None = None
        self._waits = False

    @property
    def now(self) -> str:
        """The instant at which this unit of work happens, the same for all of it."""
        if self._now is None:
            self._now = wire.instant(self.world.clock.now())
        return self._now

    # Reading

    def get(self, entity: str, id: str) -> Record | None:
        """A record by id, or None."""
        return self.layer.get(entity, id)

    def row(self, entity: str, id: str) -> Row | None:
        """A stored version by id, or None."""
        return self.layer.row(entity, id)

    def need(self, entity: str, id: str) -> Record:
        """A record by id. Raises NotFound."""
        record = self.layer.get(entity, id)
        if record is None:
            raise NotFound(f"no {entity} {id}.", entity)
        return record

    def all(self, entity: str) -> Iterator[Record]:
        """Every record of an entity, oldest first."""
        return (row.record for row in self.layer.all(entity))

    def where(self, entity: str, path: str, value: str) -> Iterator[Record]:
        """The records whose indexed member equals `value`, oldest first."""
        return (row.record for row in self.layer.where(entity, path, value))

    def ref(self, entity: str, record: Record) -> dict[str, Any]:
        """A reference to a record: the core members, as other records keep them."""
        return {name: record[name] for name in self.api.conventions.core[entity] if name in record}

    def refer(self, entity: str, value: Any, place: str) -> dict[str, Any]:
        """The reference that a body's `{"id": ...}` means. Raises Invalid, keyed `<place>.id`."""
        id = value.get("id") if type(value) is dict else None
        row = self.row(entity, id) if isinstance(id, str) else None
        if row is None:
            raise self.unknown(entity, id, place)
        # One for all that refer to this version.
        if (reference := row.kept(REFERENCE)) is None:
            row.keep(REFERENCE, reference := self.ref(entity, row.record))
        return cast("dict[str, Any]", reference)

    @staticmethod
    def unknown(entity: str, id: Any, place: str) -> Invalid:
        """The refusal of a reference to nothing; one to what the actor may not know of reads alike."""
        return Invalid(
            f"{place}: no such {entity}.", {f"{place}.id": [f"No {entity} {id!r} exists; name one that does."]}
        )

    # Changing

    def put(self, entity: str, record: Record) -> Record:
        """Store a version as it is, audit and revision untouched."""
        self.layer.put(entity, record)
        return record

    def batch(self, entity: str) -> Batch:
        """What many new records of an entity can be gathered in, for `add`."""
        return Batch(entity, self.layer.indexes)

    def add(self, batch: Batch) -> None:
        """Store many new records as they are."""
        self.layer.add(batch)

    def create(self, entity: str, record: Record) -> Record:
        """Store a new record; where the API stamps: revision 1, audit.created, and the audit key of its first state."""
        if not self.api.conventions.stamps:
            return self.put(entity, record)
        machine = self.api.machines.get(entity)
        stamp = {"at": self.now, "by": self.actor.ref}
        audit: dict[str, Any] = {"created": stamp}
        if machine is not None and machine.audit:
            audit[key_of(state_of(machine, record))] = stamp
        return self.put(entity, {**record, "revision": 1, "audit": audit})

    def change(self, entity: str, record: Record, *, stamp: str | None = None) -> Record:
        """Store a changed record; where the API stamps: revision + 1, audit.updated, and the key `stamp` if given."""
        if not self.api.conventions.stamps:
            return self.put(entity, record)
        by = {"at": self.now, "by": self.actor.ref}
        audit = {**record.get("audit", {}), "updated": by}
        if stamp is not None:
            audit[stamp] = by
        return self.put(entity, {**record, "revision": record.get("revision", 0) + 1, "audit": audit})

    def remove(self, entity: str, id: str) -> None:
        """Forget a record, and the jobs that wait to be done to it; what gets its id after it must not suffer them."""
        self.layer.remove(entity, id)
        self._call_off(entity, (id,))

    def clear(self, entity: str, path: str, value: str) -> None:
        """Forget the records whose indexed member equals `value`, as `remove` forgets one."""
        leaving = self.leaving
        removal = None if leaving is None else leaving.of(self.world, (entity, path, value))
        self._call_off(entity, self.layer.clear(entity, path, value, removal))

    def leave(self, place: Place) -> Portions[Leaving]:
        """Find ahead, a portion at a time, what `clear` will be asked to forget."""
        since = self.world.commits
        found = yield from self.world.layer.removal(place[0], self.world.layer.bucket(place).listed)
        return Leaving(place, since, found)

    def _call_off(self, entity: str, ids: Collection[str]) -> None:
        machine = self.api.machines.get(entity)
        if (self.world.waiting or self._waits) and machine is not None and any(row.then for row in machine.rows):
            for job in [job for job in self.all("Job") if job["entity"] == entity and job["subject"] in ids]:
                self.layer.remove("Job", job["id"])

    def fire(self, entity: str, record: Record, event: str) -> Record:
        """Move a record along its machine: guard, state, audit, the job that the row starts, then the event's effect.

        Returns the record as it is after all that. Raises NoSuchTransition or what the guard raises; the caller drops
        the unit of work then.
        """
        machine = self.api.machines[entity]
        row = transition(machine, record, event)
        if (guard := self.workflows.guards.get((entity, event))) is not None:
            guard(self, record)
        if row.silent:
            return record
        moved = self.change(
            entity, _set(record, machine.field, row.end), stamp=key_of(row.end) if machine.audit else None
        )
        if row.then is not None:
            self.later(row.then, entity, moved["id"], otherwise=row.otherwise)
        if (effect := self.workflows.effects.get((entity, event))) is not None:
            effect(self, moved)
        return self.layer.get(entity, moved["id"]) or moved

    def later(self, job: str, entity: str, id: str, *, otherwise: str | None = None) -> None:
        """Have a background job done to this record, when the world's processing says so."""
        number = self.count("Job")
        due = self.world.processing.due(self.world.clock.now())
        entry: dict[str, Any] = {
            "id": f"{number:012d}",
            "job": job,
            "entity": entity,
            "subject": id,
        }
        entry |= {"due": wire.instant(due)} if due is not None else {}
        entry |= {"otherwise": otherwise} if otherwise is not None else {}
        entry["reads"] = self.world.processing.reads
        self.put("Job", entry)
        self._waits = True

    # Ids

    def count(self, name: str) -> int:
        """The next number of a counter, from 1."""
        number = int((self.layer.get("Counter", name) or {"last": 0})["last"]) + 1
        self.layer.put("Counter", {"id": name, "last": number})
        return number

    def new_id(self, entity: str) -> str:
        """An id for a new record, never given before and not pinned by the scenario."""
        shape = self.api.conventions.ids[entity]
        while True:
            count, seed = self.count(entity), self.world.seed
            if shape.form == "ulid":
                id = ids.ulid(seed, entity, self.world.clock.now(), count)
            elif shape.form == "uuid":
                id = ids.uuid(seed, entity, count)
            elif shape.form == "digits":
                id = ids.spread(seed, entity, count, shape.length)
            else:
                id = shape.shape(ids.spread(seed, entity, count, sum(shape.groups)))
            if self.layer.get(entity, id) is None:
                return id

    def commit(self) -> None:
        """Keep what was done. On a standing clock one millisecond passes, if anything changed."""
        if self.layer.rows:
            self.world.keep(self.layer)
        if self.prepared is not None:
            self.world.prepared = self.prepared
        self.world.commits += 1
        self.world.waiting |= self._waits


def key_of(name: str) -> str:
    """The member that is named after a state or an entity: its name in camelCase."""
    return name[:1].lower() + name[1:]


def _set(record: Record, path: str, value: Any) -> dict[str, Any]:
    """A copy of the record with one dotted member set."""
    head, _, rest = path.partition(".")
    if not rest:
        return {**record, head: value}
    return {**record, head: _set(record.get(head, {}), rest, value)}
