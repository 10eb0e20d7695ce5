"""Values in bodies: what one is made of, whether an answer kept it, and what every change moves by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

MOVING = frozenset({"$meta", "audit", "revision"})
"""Members that every change moves."""


def leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything in an object that is no object itself."""
    for name, each in value.items():
        here = f"{path}.{name}" if path else name
        if isinstance(each, Mapping) and each:
            yield from leaves(each, here)
        else:
            yield here, each


def nested(path: str, value: Any) -> dict[str, Any]:
    """An object with this value at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def masked(record: Any) -> Any:
    """An object without what every change moves."""
    return (
        {name: each for name, each in record.items() if name not in MOVING} if isinstance(record, Mapping) else record
    )


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: numbers by amount, instants by time, all else as it stands."""
    if one == other:
        return True
    instants = [instant(each) for each in (one, other)]
    return instants[0] is not None and instants[0] == instants[1]


def is_kept(wanted: Any, shown: Any) -> bool:
    """Whether a value that was sent is shown; of an object, each of its members, and more may stand beside them."""
    if isinstance(wanted, Mapping):
        return isinstance(shown, Mapping) and all(is_kept(each, shown.get(name)) for name, each in wanted.items())
    if isinstance(wanted, list):
        alike = isinstance(shown, list) and len(shown) == len(wanted)
        return alike and all(is_kept(one, other) for one, other in zip(wanted, shown, strict=True))
    return same(wanted, shown)


def instant(value: Any) -> datetime | None:
    """The instant that a text tells, aware, UTC where it says no offset; None where it tells none."""
    if not isinstance(value, str) or len(value) < 10 or value[4:5] != "-":
        return None
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
