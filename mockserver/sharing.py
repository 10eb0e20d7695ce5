"""Which API each caller, pin and size of a scenario is for: one file speaks for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from mockserver.scenario import Part, Pin, Scenario, ScenarioError, nearest
from specs import tables
from specs.tables import Api


def share(scenario: Scenario, served: Mapping[str, Api]) -> dict[str, Scenario]:
    """What the scenario says of each API that is served; what it says of others is left out.

    Raises ScenarioError where it speaks of an API, a role or an entity that is none, or leaves open which is meant.
    """
    known = _Known(served)
    for name in scenario.sizes:
        if name not in known.names:
            raise scenario.fault(f"sizes.{name}", f"no such API; {nearest(name, known.names)}")
    callers = [(_home_of_caller(part, known), part) for part in scenario.callers]
    pins = [(_home_of_pin(pin, known), pin) for pin in scenario.pins]
    if callers and not any(home in served for home, _ in callers):
        raise ScenarioError(
            f"{scenario.name}: callers: nobody could call {', '.join(served)}; "
            "name one with a role of it, in a scenario of your own."
        )
    return {
        name: replace(
            scenario,
            sizes={name: scenario.sizes.get(name, {})},
            callers=tuple(part for home, part in callers if home == name),
            pins=tuple(pin for home, pin in pins if home == name),
        )
        for name in served
    }


class _Known:
    """Every API there is. Those that are not served are read only where a scenario cannot be understood without."""

    def __init__(self, served: Mapping[str, Api]) -> None:
        self.names = tuple(dict.fromkeys([*tables.names(), *served]))
        self.served = {name: served[name] for name in self.names if name in served}

    @cached_property
    def others(self) -> dict[str, Api]:
        return {name: tables.load(name) for name in self.names if name not in self.served}


def _home_of_caller(part: Part, known: _Known) -> str | None:
    """The API that a caller is for; None: one that is not served."""
    if part.api is not None:
        if part.api not in known.names:
            raise part.fault(f"no API {part.api!r}; {nearest(part.api, known.names)}", "api")
        api = known.served.get(part.api)
        if api is not None and not _takes(api, part):
            raise part.fault(f"{part.api}: {_no_role(part, [api])}")
        return part.api
    home = next((name for name, api in known.served.items() if _takes(api, part)), None)
    if home is None and not any(_takes(api, part) for api in known.others.values()):
        raise part.fault(_no_role(part, known.served.values()))
    return home


def _takes(api: Api, part: Part) -> bool:
    return part.role in api.roles if part.role else bool(api.permissions)


def _no_role(part: Part, apis: Iterable[Api]) -> str:
    if not part.role:
        return "no role; add one."
    return f"no role {part.role!r}; {nearest(part.role, {role for api in apis for role in api.roles})}"


def _home_of_pin(pin: Pin, known: _Known) -> str | None:
    """The API that a pin is for; None: one that is not served.

    Where several know the entity, the form of its id decides, then which of them is served.
    """
    if pin.api is not None:
        if pin.api not in known.names:
            raise pin.fault(f"no API {pin.api!r}; {nearest(pin.api, known.names)}", "api")
        if pin.api in known.served and pin.entity not in known.served[pin.api].conventions.ids:
            raise _no_entity(pin, [known.served[pin.api]])
        return pin.api
    served = [name for name, api in known.served.items() if pin.entity in api.conventions.ids]
    fitting = [name for name in served if _fits(known.served[name], pin)]
    if len(fitting) == 1:
        return fitting[0]
    if len(fitting) > 1:
        raise pin.fault(f"several APIs have an entity {pin.entity}; say `api: {fitting[0]}`, or {_rest(fitting)}.")
    others = [name for name, api in known.others.items() if pin.entity in api.conventions.ids]
    if any(_fits(known.others[name], pin) for name in others):
        return None
    if len(served) > 1:
        raise pin.fault(
            f"{pin.id!r} is no {pin.entity} id of {' or '.join(served)}; mend it, or say `api: {served[0]}`."
        )
    if not served and not others:
        raise _no_entity(pin, known.served.values())
    return served[0] if served else None


def _fits(api: Api, pin: Pin) -> bool:
    return pin.id is None or re.fullmatch(api.conventions.ids[pin.entity].pattern, pin.id, re.ASCII) is not None


def _rest(names: list[str]) -> str:
    return " or ".join(names[1:])


def _no_entity(pin: Pin, apis: Iterable[Api]) -> ScenarioError:
    known = {entity for api in apis for entity in api.conventions.ids}
    return pin.fault(f"no entity {pin.entity!r}; {nearest(pin.entity, known)}", "entity")
