"""Makes a world out of a scenario: names by Faker, seeded, and each API's history, by its `seeding` module.

Nothing here depends on the machine's clock, on hash seeds or on what was built before: the same scenario, seed and
instant give the same world.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from typing import ClassVar, Protocol

from mockserver import kept
from mockserver import scenario as scenarios
from mockserver.auth import Caller
from mockserver.clock import Clock
from mockserver.making import Draft, Making
from mockserver.scenario import Part, Pin, Scenario, ScenarioError, nearest
from mockserver.work import Workflows
from mockserver.world import Processing, World
from specs.tables import Api

LOG = logging.getLogger("mockserver.seed")
LONG = {"journals": 300, "lines": 300, "customLedgers": 300}
"""Sizes from which on a world takes some seconds to make, so that whoever waits is told (log level INFO)."""


class Seeding(Protocol):
    """What `mockserver.apis.<api>.seeding.Seeding` is: an API's part in making a world.

    SIZES: what a scenario's `sizes` may count
    """

    SIZES: ClassVar[Sequence[str]]

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
    apis: Mapping[str, tuple[Api, Workflows]],
    seed: int | None = None,
    now: datetime | None = None,
    processing: Processing | None = None,
    running: bool | None = None,
) -> World:
    """The world that a scenario describes, at rest: no job waits, and its clock stands at `now`.

    seed, now: instead of the scenario's own
    running: whether its clock runs along with real time; by default only where jobs wait for time to pass
    Raises ScenarioError.
    """
    seed = scenario.seed if seed is None else seed
    start = scenario.now if now is None else now
    if not scenarios.is_in_range(start):
        raise ScenarioError(f"now: {start.date()} will not do; {scenarios.RANGE}")
    processing = processing or Processing()
    indexes: dict[str, Sequence[str]] = {}
    for name in apis:
        indexes |= import_module(f"mockserver.apis.{name}").INDEXES
    place = kept.place(
        repr(scenario), seed, start, *(repr((api.machines, api.conventions)) for api, _ in apis.values())
    )
    clock = Clock(start, running=processing.mode == "after" if running is None else running)
    rows = kept.read(place)
    if rows is None:
        rows = _made(scenario, seed=seed, start=start, indexes=indexes, apis=apis)
        kept.write(place, rows)
    # Made now or kept from before, the rows go the same way, so that both worlds list them in the same order.
    world = World(seed=seed, clock=clock, indexes=indexes, apis=apis, processing=processing)
    for entity, record in rows:
        world.layer.put(entity, record)
    return world


def _made(
    scenario: Scenario,
    *,
    seed: int,
    start: datetime,
    indexes: Mapping[str, Sequence[str]],
    apis: Mapping[str, tuple[Api, Workflows]],
) -> kept.Rows:
    draft = Draft(seed=seed, clock=Clock(start), indexes=indexes, apis=apis, processing=Processing("manual"))
    making = Making(scenario, draft, start)
    kinds: dict[str, type[Seeding]] = {name: import_module(f"mockserver.apis.{name}.seeding").Seeding for name in apis}
    _check_sizes(scenario, kinds)
    pins = _by_api(scenario, apis)
    seedings: dict[str, Seeding] = {}
    for name, kind in kinds.items():
        making.api = name
        seedings[name] = kind(making, pins[name])
        seedings[name].catalog()
    for part in scenario.callers:
        making.api = _home(part, apis)
        making.cast.append(seedings[making.api].cast(part))
    for name, seeding in seedings.items():
        making.api = name
        for what in LONG:
            if making.size(what) >= LONG[what]:
                LOG.info("making %s %s of %s ...", f"{making.size(what):,}", what, name)
        seeding.history()
    for caller in making.cast:
        draft.layer.put("Caller", {"id": caller.name, "caller": asdict(caller)})
    return [(entity, row.record) for entity, _, row in draft.layer.changed() if row is not None]


def callers(world: World) -> dict[str, Caller]:
    """The cast of a world: token -> caller, in the scenario's order."""
    cast = [Caller(**row.record["caller"]) for row in world.layer.all("Caller")]
    return {caller.token: caller for caller in cast}


def _check_sizes(scenario: Scenario, kinds: Mapping[str, type[Seeding]]) -> None:
    for api, sizes in scenario.sizes.items():
        if api not in kinds:
            raise scenario.fault(f"sizes.{api}", f"no such API; {nearest(api, kinds)}")
        for what in sizes:
            if what not in kinds[api].SIZES:
                raise scenario.fault(f"sizes.{api}.{what}", f"unknown; {nearest(what, kinds[api].SIZES)}")


def _by_api(scenario: Scenario, apis: Mapping[str, tuple[Api, Workflows]]) -> dict[str, list[Pin]]:
    """The pins of each API; an entity that several know goes to the one the pin names, or to the first."""
    pins: dict[str, list[Pin]] = {name: [] for name in apis}
    for pin in scenario.pins:
        if pin.api is not None and pin.api not in apis:
            raise pin.fault(f"no API {pin.api!r}; {nearest(pin.api, apis)}", "api")
        home = next(
            (name for name in ([pin.api] if pin.api else apis) if pin.entity in apis[name][0].conventions.ids), None
        )
        if home is None:
            known = sorted({entity for tables, _ in apis.values() for entity in tables.conventions.ids})
            raise pin.fault(f"no entity {pin.entity!r}; {nearest(pin.entity, known)}", "entity")
        pins[home].append(pin)
    return pins


def _home(part: Part, apis: Mapping[str, tuple[Api, Workflows]]) -> str:
    """The API whose roles hold this one's."""
    for name, (tables, _) in apis.items():
        if part.role in tables.roles:
            return name
    roles = {role for tables, _ in apis.values() for role in tables.roles}
    raise part.fault(f"no role {part.role!r}; {nearest(part.role, roles)}")
