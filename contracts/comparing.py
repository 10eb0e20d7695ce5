"""What differs between two readings of the same thing, in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted path, value before, value after) of what is not the same; None stands for what is not there."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            yield from differences(before.get(name), after.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif before != after:
        yield path, before, after


def difference(before: Any, after: Any) -> str:
    """The first difference as one line, and how many there are."""
    found = list(differences(before, after))
    if not found:
        return "no difference"
    path, one, other = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{path or 'it'} was {_short(one)}, is {_short(other)}{more}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} rows" if len(value) != 1 else "1 row"
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
