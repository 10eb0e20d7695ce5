"""What roles may not see, told from the tables, and one object as all who see it have it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from contracts.facts import Row
from contracts.listing import Listing, listings, shape_of
from contracts.probe import Probe
from specs.tables import Api


def veil_of(api: Api, entity: str, role: str) -> list[str]:
    return sorted(api.visibility[entity].hidden(role))


def led_to(api: Api, entity: str, role: str) -> dict[str, list[str]]:
    """Members that refer to something of which a role may not see all -> the members that it may not see there.

    Of an entity that has rows for other roles alone, nothing but what a reference itself carries may be seen.
    """
    found: dict[str, list[str]] = {}
    for each in shape_of(api, entity).members.values():
        target = each.refers
        if target is None or target not in api.visibility:
            continue
        seen = api.visibility[target]
        if seen.told_by(role) is None and not isinstance(seen.rows, str):
            members = [inner.name for inner in shape_of(api, target).members.values()]
            hidden = [name for name in members if name.casefold() not in each.members]
        else:
            hidden = veil_of(api, target, role)
        if hidden:
            found[each.name] = hidden
    return found


def together(p: Probe, listing: Listing) -> dict[str, Row]:
    """The same rows as who sees most of them has them."""
    found: dict[str, Row] = {}
    for other in listings(p, listing.operation):
        if other.params == listing.params:
            for row in other.all():
                found[other.id(row)] = merged(found.get(other.id(row), {}), row)
    return found


def merged(one: Row, other: Row) -> Row:
    both = dict(one)
    for name, value in other.items():
        mine = both.get(name)
        both[name] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return both


def covers(veil: Sequence[str], name: str) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in veil)


def scalars(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from scalars(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner, name)
    elif value is not None and value != "":
        yield name, value
