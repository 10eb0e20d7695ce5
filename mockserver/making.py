"""A world in the making: names by Faker, ids that pins ask for, and a clock that goes back to when things happened."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from mockserver.auth import Caller
from mockserver.scenario import Pin, Scenario
from mockserver.store import Record
from mockserver.work import Actor, Work
from mockserver.world import SYSTEM, World
from specs.tables import Api, Identifier

if TYPE_CHECKING:
    from faker import Faker

# Faker's locales for countries that a scenario may name beside those of its own locales.
LOCALES = {
    "NO": "no_NO",
    "SE": "sv_SE",
    "DK": "da_DK",
    "FI": "fi_FI",
    "PL": "pl_PL",
    "CZ": "cs_CZ",
    "AT": "de_AT",
    "DE": "de_DE",
    "CH": "de_CH",
    "NL": "nl_NL",
    "BE": "nl_BE",
    "FR": "fr_FR",
    "IT": "it_IT",
    "ES": "es_ES",
    "PT": "pt_PT",
    "GB": "en_GB",
    "IE": "en_IE",
    "US": "en_US",
    "CA": "en_CA",
    "AU": "en_AU",
    "NZ": "en_NZ",
}


class Making:
    """A world in the making: the records so far, the means to draw more, and the time of what happens next."""

    def __init__(self, scenario: Scenario, world: Draft, start: datetime) -> None:
        self.scenario = scenario
        self.world = world
        self.start = start
        self.random = Random(f"{world.seed}/draws")
        self.cast: list[Caller] = []
        self._fakes: dict[str, Faker] = {}

    @property
    def api(self) -> Api:
        """The tables of the API whose world it is."""
        return self.world.api

    # Drawing

    @property
    def countries(self) -> tuple[str, ...]:
        """The countries of the scenario's locales."""
        return tuple(dict.fromkeys(locale.rpartition("_")[2] for locale in self.scenario.locales))

    def fake(self, country: str = "") -> Faker:
        """Faker for a country: of the scenario's locales, or one that is known for it, or else the first of them."""
        own = (each for each in self.scenario.locales if each.endswith(f"_{country}"))
        locale = next(own, LOCALES.get(country, self.scenario.locales[0]))
        if locale not in self._fakes:
            self._fakes[locale] = self._new_fake(locale)
        return self._fakes[locale]

    def _new_fake(self, locale: str) -> Faker:
        from mockserver import fakes

        try:
            return fakes.fake(locale, f"{self.world.seed}/{locale}")
        except AttributeError:
            raise self.scenario.fault(
                "locale", f"Faker has no {locale}; try en_GB, nl_NL, de_DE, fr_FR or en_US."
            ) from None

    def size(self, what: str, default: int = 0) -> int:
        """How many the scenario wants."""
        return self.scenario.sizes.get(self.api.name, {}).get(what, default)

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
        return self.world.work(actor)

    def find(self, entity: str, word: str) -> Record | None:
        """A record by id or by name."""
        found = self.world.layer.get(entity, word)
        if found is not None:
            return found
        return next((row.record for row in self.world.layer.all(entity) if row.record.get("name") == word), None)

    def reserve(self, entity: str, id: str) -> None:
        """Keep an id from being drawn: a pin names it."""
        self.world.reserved.add((entity, id))

    def draw(self, entity: str) -> str:
        """A new id that nothing else will get."""
        work = self.work()
        id = work.new_id(entity)
        work.commit()
        self.reserve(entity, id)
        return id

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


class Draft(World):
    """A world whose new records take the ids that pins ask for."""

    def __init__(self, **parts: Any) -> None:  # Any: handed through to World as they are
        super().__init__(**parts)
        self.wanted: dict[str, list[str]] = {}
        self.reserved: set[tuple[str, str]] = set()

    def work(self, actor: Actor = SYSTEM) -> Work:
        return Drafting(self, self.api, self.workflows, actor)


class Drafting(Work):
    """A unit of work that gives out pinned ids where they are asked for, and never by chance."""

    world: Draft

    def new_id(self, entity: str) -> str:
        if wanted := self.world.wanted.get(entity):
            return wanted.pop(0)
        while (entity, id := super().new_id(entity)) in self.world.reserved:
            pass
        return id


def check_id(tables: Api, pin: Pin, entity: str, id: str, member: str = "id") -> str:
    """The id, if it has the entity's shape. Raises ScenarioError."""
    shape = tables.conventions.ids[entity]
    if not re.fullmatch(shape.pattern, id, re.ASCII):
        raise pin.fault(f"{id!r} is no {entity} id; write it like {_like(shape)}.", member)
    return id


def _like(shape: Identifier) -> str:
    """An id of this shape, as an example."""
    digits = "1234567890" * 2
    if shape.form == "groups":
        return shape.shape(digits)
    return {"ulid": "01KKTVQ8C0ABCDEFGHJKMNPQRS", "uuid": "12345678-1234-4123-8123-123456789012"}.get(
        shape.form, digits[: shape.length]
    )
