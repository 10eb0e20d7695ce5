"""Makes a world out of a scenario: names by Faker, seeded, and each API's history, by its `seeding` module.

Nothing here depends on the machine's clock, on hash seeds or on what was built before: the same scenario, seed and
instant give the same world.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mockserver.auth import Caller
from mockserver.clock import Clock
from mockserver.scenario import Part, Pin, Scenario, nearest, resolve_expiry
from mockserver.store import Record
from mockserver.work import Actor, Work, Workflows
from mockserver.world import SYSTEM, Processing, World
from specs.tables import Api

if TYPE_CHECKING:
    from faker import Faker

_PROVIDERS = ["faker.providers.person", "faker.providers.company", "faker.providers.address"]


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
    processing = processing or Processing()
    indexes: dict[str, Sequence[str]] = {}
    for name in apis:
        indexes |= import_module(f"mockserver.apis.{name}").INDEXES
    draft = _Draft(seed=seed, clock=Clock(start), indexes=indexes, apis=apis, processing=Processing("manual"))
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
        seeding.history()
    for caller in making.cast:
        draft.layer.put("Caller", {"id": caller.name, "caller": caller})
    return draft.finished(Clock(start, running=processing.mode == "after" if running is None else running), processing)


def callers(world: World) -> dict[str, Caller]:
    """The cast of a world: token -> caller, in the scenario's order."""
    cast = [row.record["caller"] for row in world.layer.all("Caller")]
    return {caller.token: caller for caller in cast}


class Making:
    """A world in the making: the records so far, the means to draw more, and the time of what happens next."""

    def __init__(self, scenario: Scenario, world: _Draft, start: datetime) -> None:
        self.scenario = scenario
        self.world = world
        self.start = start
        self.api = ""
        """The API that is being filled"""
        self.random = Random(f"{world.seed}/draws")
        self.cast: list[Caller] = []
        self._fakes: dict[str, Faker] = {}

    # Drawing

    @property
    def countries(self) -> tuple[str, ...]:
        """The countries of the scenario's locales."""
        return tuple(dict.fromkeys(locale.rpartition("_")[2] for locale in self.scenario.locales))

    def fake(self, country: str = "") -> Faker:
        """Faker for a country, or for the first locale where none of them is of that country."""
        locale = next(
            (each for each in self.scenario.locales if each.endswith(f"_{country}")), self.scenario.locales[0]
        )
        if locale not in self._fakes:
            self._fakes[locale] = self._new_fake(locale)
        return self._fakes[locale]

    def _new_fake(self, locale: str) -> Faker:
        from faker import Faker

        try:
            fake = Faker(locale, providers=_PROVIDERS)
        except AttributeError:
            raise self.scenario.fault(
                "locale", f"Faker has no {locale}; try en_GB, nl_NL, de_DE, fr_FR or en_US."
            ) from None
        fake.seed_instance(f"{self.world.seed}/{locale}")
        return fake

    def size(self, what: str, default: int = 0) -> int:
        """How many the scenario wants."""
        return self.scenario.sizes.get(self.api, {}).get(what, default)

    # Time

    def at(self, moment: datetime) -> None:
        """Go to an instant; what is done next happens then."""
        self.world.clock.set(moment)

    def later(self, **span: float) -> None:
        """Let time pass, but never up to the world's start: of what is left, at most half."""
        now = self.world.clock.now()
        self.world.clock.advance(max(timedelta(0), min(timedelta(**span), (self.start - now) / 2)))

    # Records

    def work(self, actor: Actor = SYSTEM) -> Work:
        """A unit of work on the world as it is now."""
        return self.world.work(self.api, actor)

    def find(self, entity: str, word: str) -> Record | None:
        """A record by id or by name."""
        found = self.world.layer.get(entity, word)
        if found is not None:
            return found
        return next((row.record for row in self.world.layer.all(entity) if row.record.get("name") == word), None)

    def reserve(self, entity: str, id: str) -> None:
        """Keep an id from being drawn: a pin names it."""
        self.world.reserved.add((entity, id))

    def next_id(self, entity: str, id: str | None) -> None:
        """Have the next new record of an entity take this id."""
        if id is not None:
            self.world.wanted.setdefault(entity, []).append(id)

    def run(self) -> None:
        """Do every job that waits, and those that they start."""
        self.world.run()

    def abandon(self) -> None:
        """Leave things as they are: the jobs that wait are taken away, so that transient states stay."""
        for job in list(self.world.jobs()):
            self.world.layer.remove("Job", job["id"])
        self.world.waiting = False


class _Draft(World):
    """A world whose new records take the ids that pins ask for."""

    def __init__(self, **parts: Any) -> None:  # Any: handed through to World as they are
        super().__init__(**parts)
        self.wanted: dict[str, list[str]] = {}
        self.reserved: set[tuple[str, str]] = set()

    def work(self, api: str, actor: Actor = SYSTEM) -> Work:
        tables, workflows = self.apis[api]
        return _Drafting(self, tables, workflows, actor)

    def finished(self, clock: Clock, processing: Processing) -> World:
        """The plain world with all this in it."""
        world = World(seed=self.seed, clock=clock, indexes=self.layer.indexes, apis=self.apis, processing=processing)
        world.layer = self.layer
        return world


class _Drafting(Work):
    """A unit of work that gives out pinned ids where they are asked for, and never by chance."""

    world: _Draft

    def new_id(self, entity: str) -> str:
        if wanted := self.world.wanted.get(entity):
            return wanted.pop(0)
        while (entity, id := super().new_id(entity)) in self.world.reserved:
            pass
        return id


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


def check_id(tables: Api, pin: Pin, entity: str, id: str, member: str = "id") -> str:
    """The id, if it has the entity's shape. Raises ScenarioError."""
    shape = tables.conventions.ids[entity]
    pattern = "-".join([shape.prefix, *(rf"\d{{{length}}}" for length in shape.groups)])
    if not re.fullmatch(pattern, id, re.ASCII):
        like = shape.shape("1234567890" * 2)
        raise pin.fault(f"{id!r} is no {entity} id; write it like {like}.", member)
    return id


def expiry(making: Making, part: Part) -> str | None:
    """When a caller's token expires in this world."""
    return None if part.expires is None else resolve_expiry(part.expires, making.start)
