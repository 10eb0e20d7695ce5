"""Ways through a machine: the fewest steps between two states, and which states pass by themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from specs.tables import Machine, Transition


def route(machine: Machine, start: str, state: str, avoid: Collection[str] = ()) -> list[Transition] | None:
    """The fewest steps from one state to another; None where there is no way.

    avoid: ids of rows that are not to be taken
    """
    if start == state:
        return []
    ways: deque[tuple[str, list[Transition]]] = deque([(start, [])])
    seen = {start}
    while ways:
        here, taken = ways.popleft()
        for row in machine.rows:
            if here not in row.starts or row.end in seen or row.id in avoid:
                continue
            if row.end == state:
                return [*taken, row]
            seen.add(row.end)
            ways.append((row.end, [*taken, row]))
    return None


def passes(machine: Machine, state: str) -> bool:
    """Whether a state ends by itself: background work leads out of it, and nothing that a caller does."""
    works = any(row.end == state and row.then is not None for row in machine.rows)
    return works and not machine.events_from(state)


def outcomes(machine: Machine, row: Transition) -> frozenset[str]:
    """The states that the background work of a row can end in; the row's own end where it starts none."""
    if row.then is None:
        return frozenset({row.end})
    return frozenset(each.end for each in machine.rows if each.system and row.end in each.starts) or frozenset(
        {row.end}
    )


def born(machine: Machine) -> tuple[str, ...]:
    """The states that a new object may be seen in: the first, or where the system leads it on at once."""
    return (machine.initial, *(row.end for row in machine.rows if row.system and machine.initial in row.starts))
