"""A sandbox as one document that any server which serves the same APIs can load.

It holds whole worlds, not what differs from a seed, so that it depends on nothing that the loading server has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import orjson

from mockserver import scenario, wire
from mockserver.auth import Caller
from mockserver.domain.errors import Invalid
from mockserver.members import Members
from mockserver.portions import Portions, at_once
from mockserver.sandboxes import Base, Sandbox
from mockserver.service import Service
from mockserver.snapshots import set_clock
from mockserver.store import EVERY, Layer, Record, Row, at
from mockserver.values import Unreadable, is_same, tagged, untagged
from mockserver.world import Held, Processing, World

FORMAT = "doubleentry-world"
VERSION = 1
MOST = 2_000_000
"""Records of one API that are read."""
PORTION = 500
"""Records that are written before others have their turns"""


@dataclass(frozen=True, slots=True)
class Portable:
    """What a document says, read and found fit.

    worlds: API -> its world; callers: API -> token -> caller
    base: the one whose seeds the worlds lie over; None: over none, each is one layer
    """

    scenario: str
    seed: int
    now: datetime
    running: bool
    worlds: Mapping[str, Held]
    callers: Mapping[str, Mapping[str, Caller]]
    base: Base | None = None


# Writing


def export(sandbox: Sandbox) -> bytes:
    """The sandbox as a JSON document."""
    return at_once(_exporting(sandbox))


def exporting(sandbox: Sandbox) -> Portions[bytes]:
    """`export`, in portions; all at once where anything has changed meanwhile."""
    since = [(world, world.commits) for world in sandbox.worlds.values()]
    document = yield from _exporting(sandbox)
    return document if all(world.is_as(commits) for world, commits in since) else export(sandbox)


def _exporting(sandbox: Sandbox) -> Portions[bytes]:
    first = next(iter(sandbox.worlds.values()))
    head = {
        "format": FORMAT,
        "version": VERSION,
        "scenario": sandbox.base.scenario,
        "seed": first.seed,
        "now": wire.instant(sandbox.clock.now()),
        "running": sandbox.clock.runs,
        "processing": str(first.processing),
    }
    # Joined once, since it may be hundreds of megabytes.
    parts = [orjson.dumps(head)[:-1], b',"apis":{']
    for number, (api, world) in enumerate(sandbox.worlds.items()):
        parts.append(b"%b%b:{" % (b"," if number else b"", orjson.dumps(api)))
        parts.append(b'"refusals":%d,"rows":{' % world.refusals)
        # Named though there be none, so that one left out by a slip is told from one that nobody may call.
        for place, entity in enumerate(sorted({*world.layer.entities(), "Caller"})):
            parts.append(b"%b%b:[" % (b"," if place else b"", orjson.dumps(entity)))
            yield from _write(parts, world.layer, entity)
            parts.append(b"]")
        order = yield from _order(world.layer)
        parts.append(b'},"order":%b}' % orjson.dumps(order))
    parts.append(b"}}")
    return b"".join(parts)


def _write(parts: list[bytes], layer: Layer, entity: str) -> Portions[None]:
    """Add the rows of an entity, as the members of a JSON list."""
    ids = list(layer.bucket((entity, EVERY, None)))
    for first in range(0, len(ids), PORTION):
        rows = layer.at(entity, ids[first : first + PORTION])
        parts.append((b"," if first else b"") + orjson.dumps([tagged(row.record) for row in rows])[1:-1])
        yield


def _order(layer: Layer) -> Portions[list[dict[str, Any]]]:
    """The lists that the rows do not give in their own order: a row that moved to another list stands last there."""
    found = []
    for entity in layer.entities():
        for path in layer.indexes.get(entity, ()):
            plainly: dict[Any, list[str]] = {}
            ids = list(layer.bucket((entity, EVERY, None)))
            for first in range(0, len(ids), PORTION):
                for row in layer.at(entity, ids[first : first + PORTION]):
                    plainly.setdefault(at(row.record, path), []).append(row.record["id"])
                yield
            plainly.pop(None, None)
            for value, each in plainly.items():
                listed = list(layer.bucket((entity, path, value)))
                if listed != each:
                    found.append({"entity": entity, "member": path, "value": value, "ids": listed})
    return found


# Reading


def read(document: Any, services: Mapping[str, Service], *, trusted: bool = False) -> Portable:
    """What a document says. Raises Invalid, one line with the place; until `adopt` nothing has changed.

    trusted: it is this server's own, so that its records need not be held to what they may be
    """
    return at_once(reading(document, services, trusted=trusted))


def reading(document: Any, services: Mapping[str, Service], *, trusted: bool = False) -> Portions[Portable]:
    """`read`, in portions."""
    try:
        return (yield from _read(document, services, trusted))
    except Unreadable as error:
        place = error.place or "body"
        said = str(error)
        raise Invalid(f"nothing was loaded; {place}: {said}", {place: [f"{said[:1].upper()}{said[1:]}"]}) from None


def _read(document: Any, services: Mapping[str, Service], trusted: bool) -> Portions[Portable]:
    kinds = {
        "format": str,
        "version": int,
        "scenario": str,
        "seed": int,
        "now": str,
        "running": bool,
        "processing": str,
        "apis": dict,
    }
    _members(document, kinds, "")
    if (document["format"], document["version"]) != (FORMAT, VERSION):
        raise Unreadable("format", f"must be {FORMAT}, version {VERSION}; GET /__mock__/export makes such a document.")
    if not 0 <= document["seed"] < 2**63:
        raise Unreadable("seed", "must be a whole number from 0 on.")
    if not 0 < len(document["scenario"]) <= 1_000 or not document["scenario"].isprintable():
        mend = scenario.nearest(document["scenario"][:80], scenario.names())
        raise Unreadable("scenario", f"must be the name of a scenario or a file, of 1 to 1000 characters; {mend}")
    try:
        now = wire.moment(document["now"])
        canonical = now.tzinfo is not None and wire.instant(now) == document["now"] and scenario.is_in_range(now)
    except (ValueError, OverflowError):
        canonical = False
    if not canonical:
        raise Unreadable("now", "is no instant such as 2026-03-16T09:00:00.000Z, in the range of a scenario's.")
    try:
        processing = Processing.parse(document["processing"])
    except ValueError as error:
        raise Unreadable("processing", str(error)) from None
    if document["apis"].keys() != services.keys():
        there = " ".join(name[:40] for name in list(document["apis"])[:20])
        mend = f"this server's are {' '.join(services)}; start one that serves the same."
        raise Unreadable("apis", f"are {there}, {mend}")
    worlds, callers = {}, {}
    for name, service in services.items():
        place = f"apis.{name}"
        said = document["apis"][name]
        _members(said, {"refusals": int, "rows": dict, "order": list}, place)
        if not 0 <= said["refusals"] < 2**53:
            raise Unreadable(f"{place}.refusals", "must be a whole number from 0 on.")
        layer = Layer(service.plugin.indexes)
        members = None if trusted else Members.of(service)
        if members is not None and "Caller" not in said["rows"]:
            raise Unreadable(f"{place}.rows.Caller", f"is missing; list who may call {name}, or [] if nobody may.")
        yield from _rows(layer, said["rows"], members, f"{place}.rows")
        if members is not None:
            yield from _parents(layer, said["rows"], members, f"{place}.rows")
        yield from _reorder(layer, said["order"], f"{place}.order")
        worlds[name] = Held(layer, said["refusals"], processing)
        callers[name] = yield from _callers(layer, service, f"{place}.rows.Caller")
    if not any(callers.values()):
        raise Unreadable("apis", "nobody could call any of them; list one caller at least, in rows.Caller of its API.")
    return Portable(document["scenario"], document["seed"], now, document["running"], worlds, callers)


def _members(value: Any, kinds: Mapping[str, type], place: str) -> None:
    """See that an object has just these members, of these kinds."""
    dot = f"{place}." if place else ""
    if type(value) is not dict:
        raise Unreadable(place, f"must be an object with {', '.join(kinds)}.")
    for name in value:
        if name not in kinds:
            raise Unreadable(f"{dot}{name[:80]}", f"unknown; {scenario.nearest(name[:80], kinds)}")
    for name, kind in kinds.items():
        if type(value.get(name)) is not kind:
            what = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}
            raise Unreadable(f"{dot}{name}", f"must be {what[kind]}.")


def _rows(layer: Layer, said: Mapping[str, Any], members: Members | None, above: str) -> Portions[None]:
    for entity, records in said.items():
        place = f"{above}.{entity[:80]}"
        if members is not None and (mend := members.unknown(entity)):
            raise Unreadable(place, mend)
        if type(records) is not list or len(records) > MOST:
            raise Unreadable(place, f"must be a list of at most {MOST} records.")
        for number, each in enumerate(records):
            at_ = f"{place}[{number}]"
            record = untagged(each, at_)
            if type(record) is not dict or not isinstance(record.get("id"), str):
                raise Unreadable(at_, "must be an object with an id.")
            if layer.row(entity, record["id"]) is not None:
                raise Unreadable(f"{at_}.id", f"{record['id'][:80]!r} stands twice.")
            try:
                if members is not None:
                    _check(layer, members, entity, record)
            except Unreadable as error:
                raise Unreadable(f"{at_}.{error.place}".rstrip("."), str(error)) from None
            layer.set(entity, record["id"], Row(record))
            yield


def _check(layer: Layer, members: Members, entity: str, record: Record) -> None:
    members.check(entity, record)
    for path in layer.indexes.get(entity, ()):
        if not isinstance(at(record, path) or "", str):
            raise Unreadable(path, "must be a text.")


def _parents(layer: Layer, entities: Iterable[str], members: Members, above: str) -> Portions[None]:
    """See that what lies below another does."""
    for entity in entities:
        parents = members.parents(entity)
        for number, row in enumerate(layer.all(entity) if parents else ()):
            ids = {parent: at(row.record, path) for parent, path in parents.items()}
            for parent, id in ids.items():
                if id is not None and layer.row(parent, str(id)) is None:
                    raise Unreadable(f"{above}.{entity}[{number}].{parents[parent]}", f"there is no {parent} {id!r}.")
            if all(id is None for id in ids.values()):
                raise Unreadable(f"{above}.{entity}[{number}]", f"names no {' or '.join(parents)} that it lies below.")
            yield


def _reorder(layer: Layer, said: Sequence[Any], above: str) -> Portions[None]:
    for number, each in enumerate(said):
        place = f"{above}[{number}]"
        _members(each, {"entity": str, "member": str, "value": str, "ids": list}, place)
        entity, lists = each["entity"][:80], layer.indexes.get(each["entity"])
        if lists is None:
            raise Unreadable(f"{place}.entity", f"no lists of {entity!r}; {scenario.nearest(entity, layer.indexes)}")
        if each["member"] not in lists:
            mend = scenario.nearest(each["member"][:80], lists)
            raise Unreadable(f"{place}.member", f"no list of {entity} by {each['member'][:80]!r}; {mend}")
        if not all(isinstance(id, str) for id in each["ids"]):
            raise Unreadable(f"{place}.ids", "must be a list of ids.")
        try:
            layer.reorder(each["entity"], each["member"], each["value"], each["ids"])
        except ValueError as error:
            raise Unreadable(f"{place}.ids", f"{error}.") from None
        yield


_TEXTS = {"name", "token", "role", "account", "token_id", "api"}


def _callers(layer: Layer, service: Service, above: str) -> Portions[dict[str, Caller]]:
    made: dict[str, Caller] = {}
    names = {each.name for each in fields(Caller)}
    for number, row in enumerate(layer.all("Caller")):
        place, said = f"{above}[{number}].caller", row.record.get("caller")
        if not isinstance(said, dict) or said.keys() != names:
            raise Unreadable(place, f"must be an object with {', '.join(sorted(names))}.")
        for name, value in said.items():
            if name in _TEXTS and not isinstance(value, str):
                raise Unreadable(f"{place}.{name}", "must be a text.")
        user = said["user"]
        if not isinstance(user, dict) or not {"id", "name"} <= user.keys():
            raise Unreadable(f"{place}.user", "must be an object with id and name.")
        if not isinstance(said["more"], dict):
            raise Unreadable(f"{place}.more", "must be an object.")
        caller = Caller(**said)
        if caller.role not in (*service.api.roles, ""):
            mend = scenario.nearest(caller.role[:80], service.api.roles)
            raise Unreadable(f"{place}.role", f"no role {caller.role[:80]!r}; {mend}")
        if (caller.name, caller.api) != (row.record["id"], service.api.name) or caller.token in made:
            raise Unreadable(place, "must bear the record's id as its name, the API's name, and a token of its own.")
        if not caller.token.isascii() or not caller.token.isprintable() or set(" @") & set(caller.token):
            raise Unreadable(f"{place}.token", "must be letters, digits and signs without space or @.")
        made[caller.token] = caller
        yield
    return made


def laying(portable: Portable, base: Base) -> Portions[Portable]:
    """The same over the seeds of a base, if it began there: what is as the seed has it is the seed's own."""
    if not _began(portable, base):
        return portable
    worlds = {}
    for api, held in portable.worlds.items():
        layer = yield from _over(base.worlds[api]._seed[0].layer, held.layer)
        worlds[api] = replace(held, layer=layer)
    return replace(portable, worlds=worlds, base=base)


def _began(portable: Portable, base: Base) -> bool:
    """Whether reset leads from there back to the base."""
    first = next(iter(base.worlds.values()))
    return (base.scenario, first.seed, base.callers) == (portable.scenario, portable.seed, portable.callers)


def _over(seed: Layer, layer: Layer) -> Portions[Layer]:
    """What a layer shows as one over a seed, which holds only what is not as it is there."""
    made = Layer(seed.indexes, seed)
    entities = sorted({*seed.entities(), *layer.entities()})
    for entity in entities:
        for row in seed.all(entity):
            if layer.row(entity, row.record["id"]) is None:
                made.remove(entity, row.record["id"])
            yield
        for row in layer.all(entity):
            old = seed.get(entity, row.record["id"])
            if old is None or not is_same(old, row.record):
                made.set(entity, row.record["id"], row)
            yield
        for path in (EVERY, *seed.indexes.get(entity, ())):
            values: dict[Any, None] = {}
            for row in layer.all(entity):
                values[None if path == EVERY else at(row.record, path)] = None
                yield
            for value in values:
                ids = [row.record["id"] for row in layer.where(entity, path, value)]
                if ids != [row.record["id"] for row in made.where(entity, path, value)]:
                    made.reorder(entity, path, value, ids)
                yield
    return made


def adopt(sandbox: Sandbox, portable: Portable) -> None:
    """Have the sandbox be what a document says.

    Where its scenario, seed and callers are those of the sandbox, reset leads back to the sandbox's own seed as before.
    Else the document is a scenario of its own, and reset leads back to it as it came.
    """
    if portable.base is not sandbox.base:
        # Not laid over the seed yet, or the sandbox was given another one since.
        portable = at_once(laying(portable, sandbox.base))
    if portable.base is not sandbox.base:
        sandbox.reset(based(sandbox, portable))
    set_clock(sandbox.clock, portable.now, running=portable.running)
    for api, world in sandbox.worlds.items():
        world.restore(portable.worlds[api])


def based(sandbox: Sandbox, portable: Portable) -> Base:
    """What a document says as a scenario of its own, which sandboxes can begin at."""
    clock = sandbox.clock.another(portable.now)
    made = {}
    for api, held in portable.worlds.items():
        old = sandbox.worlds[api]
        world = World(
            seed=portable.seed,
            clock=clock,
            indexes=held.layer.indexes,
            api=old.api,
            workflows=old.workflows,
            processing=held.processing,
        )
        world.layer = held.layer
        world.settle_seed()
        made[api] = world
    return Base.of(portable.scenario, made, portable.callers)
