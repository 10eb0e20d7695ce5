"""Makes worlds out of a scenario, one an API: names by Faker, seeded, and each API's history, by its `seeding` module.

Nothing here depends on the machine's clock, on hash seeds or on what was built before: the same scenario, seed and
instant give the same worlds, whichever other APIs are served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any, ClassVar, Protocol

import orjson

from mockserver import kept, plugins, sharing
from mockserver import scenario as scenarios
from mockserver.auth import EVERYWHERE, Caller
from mockserver.clock import Clock
from mockserver.making import Draft, Making
from mockserver.scenario import CALLER, Part, Pin, Scenario, ScenarioError, nearest
from mockserver.service import Plugin
from mockserver.world import Processing, World
from specs.permissions import EVERYTHING, is_right
from specs.tables import Api, Scope

Rows = list[tuple[str, Any]]
"""(entity, record) of every record, in the order in which they were first put"""
LOG = logging.getLogger("mockserver.seed")


class Seeding(Protocol):
    """What `mockserver.apis.<api>.seeding.Seeding` is: an API's part in making a world.

    SIZES: what a scenario's `sizes` may count
    LONG: from how many on a world takes seconds to make, so that whoever waits is told (log level INFO)
    KEYS: what a scenario may say of a caller beside what every API knows: key -> `text` or `texts`;
        `part.more` holds them
    """

    SIZES: ClassVar[Sequence[str]]
    LONG: ClassVar[Mapping[str, int]]
    KEYS: ClassVar[Mapping[str, str]]

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None: ...

    def catalog(self) -> None:
        """Make the records that have no operations of their own."""

    def cast(self, part: Part) -> Caller:
        """Find or make the account, user and token of one of the cast."""

    def history(self) -> None:
        """Let happen what the scenario says has happened, through the API's own workflows."""


def build(
    scenario: Scenario,
    *,
    apis: Mapping[str, tuple[Api, Plugin]],
    seed: int | None = None,
    now: datetime | None = None,
    processing: Processing | None = None,
    running: bool | None = None,
) -> dict[str, World]:
    """The worlds that a scenario describes, one an API, at rest: no job waits, and their one clock stands at `now`.

    seed, now: instead of the scenario's own
    running: whether the clock runs along with real time; by default only where jobs wait for time to pass
    Raises ScenarioError.
    """
    seed = scenario.seed if seed is None else seed
    start = scenario.now if now is None else now
    if not scenarios.is_in_range(start):
        raise ScenarioError(f"now: {start.date()} will not do; {scenarios.RANGE}")
    processing = processing or Processing()
    clock = Clock(start, running=processing.mode == "after" if running is None else running)
    shares = sharing.share(scenario, {name: api for name, (api, _) in apis.items()})
    return {
        name: _world(shares[name], api, plugin, seed=seed, start=start, clock=clock, processing=processing)
        for name, (api, plugin) in apis.items()
    }


def callers(world: World) -> dict[str, Caller]:
    """The cast of a world: token -> caller, in the scenario's order."""
    cast = [Caller(**row.record["caller"]) for row in world.layer.all("Caller")]
    return {caller.token: caller for caller in cast}


def _world(
    share: Scenario, api: Api, plugin: Plugin, *, seed: int, start: datetime, clock: Clock, processing: Processing
) -> World:
    said = replace(share, name="", about="", places={})
    place = kept.place(f"world-{api.name}", said, seed, start, *_told(api))
    rows: Rows | None = kept.read(place)
    if rows is None:
        rows = _made(share, api, plugin, seed=seed, start=start)
        kept.write(place, rows)
    # Made now or kept from before, the rows go the same way, so that both worlds list them in the same order.
    world = World(
        seed=seed, clock=clock, indexes=plugin.indexes, api=api, workflows=plugin.workflows, processing=processing
    )
    for entity, record in rows:
        world.layer.put(entity, record)
    return world


def _told(api: Api) -> Iterator[object]:
    """What of an API's tables its world follows from; no sets, whose order is another in every process."""
    yield from (api.roles, api.scope, api.machines, api.conventions)
    yield {role: sorted(permissions) for role, permissions in api.permissions.items()}
    yield {entity: table.rows for entity, table in api.visibility.items()}
    yield blake2b(orjson.dumps(api.document)).hexdigest()


def _made(share: Scenario, api: Api, plugin: Plugin, *, seed: int, start: datetime) -> Rows:
    draft = Draft(
        seed=seed,
        clock=Clock(start),
        indexes=plugin.indexes,
        api=api,
        workflows=plugin.workflows,
        processing=Processing("manual"),
    )
    making = Making(share, draft, start)
    kind = _kind(api)
    for what in share.sizes[api.name]:
        if what not in kind.SIZES:
            raise share.fault(f"sizes.{api.name}.{what}", f"unknown; {nearest(what, kind.SIZES)}")
    for what, many in kind.LONG.items():
        if making.size(what) >= many:
            LOG.info("making %s %s of %s ...", f"{making.size(what):,}", what, api.name)
    seeding = kind(making, share.pins)
    seeding.catalog()
    for part in share.callers:
        part = _checked(part, kind.KEYS, api)
        making.cast.append(replace(seeding.cast(part), api=api.name))
        if api.scope is not None and api.scope.grants in kind.KEYS:
            _check_grants(part, api.scope)
        if api.scope is not None and draft.layer.get("Grant", part.name) is None:
            draft.layer.put("Grant", {"id": part.name, "values": list(part.more.get(api.scope.grants, ()))})
    seeding.history()
    for caller in making.cast:
        draft.layer.put("Caller", {"id": caller.name, "caller": asdict(caller)})
    return [(entity, row.record) for entity, _, row in draft.layer.changed() if row is not None]


def _kind(api: Api) -> type[Seeding]:
    """The API's own seeding, or else the one that serves every API."""
    module = plugins.brought(api.name, "seeding")
    if module is not None:
        found: type[Seeding] = module.Seeding
        return found
    from mockserver.seeding import seeding

    return seeding(api)


def _checked(part: Part, keys: Mapping[str, str], api: Api) -> Part:
    """The caller with what the file says of it beyond what every API knows, each as its API wants it."""
    more: dict[str, Any] = {}
    for key, value in part.more.items():
        if key not in keys:
            raise part.fault(f"unknown; {nearest(key, [*CALLER, *keys])}", key)
        if keys[key] == "texts":
            more[key] = (value,) if isinstance(value, str) else value
        elif isinstance(value, str):
            more[key] = value
        else:
            raise part.fault("is one text, not a list of some.", key)
    if (scope := api.scope) is not None and part.role == scope.unbound and not more.get(scope.grants):
        more[scope.grants] = (EVERYWHERE,)
    for right in more.get("permissions", ()):
        _check_right(part, right, api)
    return replace(part, more=more)


def _check_grants(part: Part, scope: Scope) -> None:
    """That it lists what its rights hold in, unless its role needs no list: left out by a slip, all it asks is 403."""
    if scope.grants not in part.more and part.role != scope.empty:
        raise part.fault(f"no {scope.grants}; list what it may see, or say {scope.grants}: [] if that is nothing.")


def _check_right(part: Part, right: str, api: Api) -> None:
    """That a right is one, and that both halves of it are words of the API's: a slip would open nothing, silently."""
    if not is_right(right):
        raise part.fault(f"{right!r} is no permission; write resource.action, resource.* or *.*.", "permissions")
    needed = {need for capability in api.capabilities for need in capability.needs}
    resources = {need.partition(".")[0] for need in needed}
    actions = {need.partition(".")[2] for need in needed}
    resource, _, action = right.partition(".")
    if resource not in {*resources, "*"} or action not in {*actions, "*"}:
        known = {*needed, *(f"{each}.*" for each in resources), EVERYTHING}
        raise part.fault(f"no operation knows {right!r}; {nearest(right, known)}", "permissions")
