"""Changes of tables: each makes one row say something else, or takes it away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from specs.tables import Api, Capability, Transition, Visibility

Laid = Callable[[Api], Api]


def may(capability: str, *roles: str) -> Laid:
    """Roles that may call it beside those that should."""
    return _capability(capability, lambda each: replace(each, roles=each.roles | frozenset(roles)))


def may_not(capability: str, *roles: str) -> Laid:
    """Roles that should be able to call it, and are not."""
    return _capability(capability, lambda each: replace(each, roles=each.roles - frozenset(roles)))


def _capability(id: str, change: Callable[[Capability], Capability]) -> Laid:
    def lay(api: Api) -> Api:
        assert any(each.id == id for each in api.capabilities), id
        return replace(
            api,
            operations={
                name: replace(
                    operation,
                    capabilities=tuple(change(each) if each.id == id else each for each in operation.capabilities),
                )
                for name, operation in api.operations.items()
            },
        )

    return lay


def refused(check: str, **changed: Any) -> Laid:
    """A check that refuses otherwise: `status`, or `of` of some entities."""
    return lambda api: replace(
        api, refusals=tuple({**row, **changed} if row["check"] == check else row for row in api.refusals)
    )


def ordered(*checks: str) -> Laid:
    """The checks in another order."""
    return lambda api: replace(api, refusals=tuple(sorted(api.refusals, key=lambda row: checks.index(row["check"]))))


def leads(entity: str, row: str, **changed: Any) -> Laid:
    """A way of a machine that leads from or to somewhere else: `starts`, `end`."""
    return _ways(entity, lambda each: [replace(each, **changed)] if each.id == row else [each])


def also_from(entity: str, row: str, *starts: str) -> Laid:
    """A way of a machine that is open from more states."""
    return _ways(entity, lambda each: [replace(each, starts=(*each.starts, *starts)) if each.id == row else each])


def not_from(entity: str, row: str, *starts: str) -> Laid:
    """A way of a machine that is closed from a state."""

    def change(each: Transition) -> list[Transition]:
        if each.id != row:
            return [each]
        assert set(starts) <= set(each.starts), (entity, row)
        left = tuple(start for start in each.starts if start not in starts)
        return [replace(each, starts=left)] if left else []

    return _ways(entity, change)


def _ways(entity: str, change: Callable[[Transition], list[Transition]]) -> Laid:
    def lay(api: Api) -> Api:
        machine = api.machines[entity]
        made = tuple(way for each in machine.rows for way in change(each))
        assert made != machine.rows, entity
        return replace(api, machines={**api.machines, entity: replace(machine, rows=made)})

    return lay


def unstamped(entity: str) -> Laid:
    """A machine whose states are not written into the audit."""
    return lambda api: replace(
        api, machines={**api.machines, entity: replace(api.machines[entity], audit=not api.machines[entity].audit)}
    )


def seen(entity: str, change: Callable[[Visibility], Visibility]) -> Laid:
    """Another visibility of an entity."""
    return lambda api: replace(api, visibility={**api.visibility, entity: change(api.visibility[entity])})


def writes(entity: str, path: str, *roles: str) -> Laid:
    """A member that is written by these roles, and no others."""
    return seen(entity, lambda table: replace(table, writes={**table.writes, path: frozenset(roles)}))


def omits(entity: str, kind: str, *names: str) -> Laid:
    """What a view leaves out until it is selected."""
    return seen(entity, lambda table: replace(table, omits={**table.omits, kind: names}))


def hides(entity: str, path: str, *roles: str) -> Laid:
    """A member that only these roles see."""
    return seen(entity, lambda table: replace(table, only={**table.only, path: frozenset(roles)}))


def conventions(**changed: Mapping[str, Any]) -> Laid:
    """Parts of the conventions laid over what they are."""

    def lay(api: Api) -> Api:
        now = api.conventions
        # Any: of whichever of the conventions is named.
        made: dict[str, Any] = {name: {**getattr(now, name), **value} for name, value in changed.items()}
        return replace(api, conventions=replace(now, **made))

    return lay
