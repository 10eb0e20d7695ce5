"""What makes a machine wrong."""

from __future__ import annotations

from typing import Any

from specs.places import file, known
from specs.places import member as member_of
from specs.tables import Api, Machine, TableError, Transition


def machines(api: Api) -> None:
    """Every state can be reached, and left unless it is final, and no event is torn between two ends."""
    for entity, machine in api.machines.items():
        place = f"{file(api.home, 'machines')}: {entity}"
        state = _member(api, entity, machine.field)
        if state is None:
            raise TableError(f"{place}: the schema has no member {machine.field}; mend the name, here or in the spec.")
        if "enum" in state:
            known(f"{place}: states", machine.states, state["enum"])
        for row in machine.rows:
            for member, value in row.when.items():
                kind = _member(api, entity, member)
                if kind is None:
                    raise TableError(f"{place}: {row.id}: when: the schema has no member {member}; mend the name.")
                known(f"{place}: {row.id}: when: {member}", [value], kind.get("enum", [value]))
            _otherwise(f"{place}: {row.id}", machine, row)
        _no_dead_ends(place, machine)
        _no_doubt(place, machine)
    _fired(api)


def _fired(api: Api) -> None:
    """Operations fire events that there are, and every event that is not the system's has an operation."""
    fired = set()
    for operation in api.operations.values():
        owner = api.machines.get(operation.entity)
        place = f"{file(api.home, 'access')}: {operation.id}"
        if operation.event is None:
            continue
        if owner is None:
            raise TableError(f"{place}: {operation.entity} has no machine; drop `event` or add one to machines.yaml.")
        known(f"{place}: event", [operation.event], dict.fromkeys(row.event for row in owner.rows if not row.system))
        fired.add((operation.entity, operation.event))
    for entity, machine in api.machines.items():
        for row in machine.rows:
            if not row.system and (entity, row.event) not in fired:
                place = f"{file(api.home, 'machines')}: {entity}: {row.id}"
                raise TableError(f"{place}: no operation fires {row.event!r}; say `by: system`, or mend access.yaml.")


def _no_dead_ends(place: str, machine: Machine) -> None:
    left = {start for row in machine.rows for start in row.starts}
    reached, size = {machine.initial}, 0
    while size < len(reached):
        size = len(reached)
        reached |= {row.end for row in machine.rows if reached.intersection(row.starts)}
    for state in machine.states:
        if state not in left and state not in machine.final:
            raise TableError(f'{place}: no way out of "{state}"; add a row from it, or list it under final.')
        if state not in reached:
            raise TableError(f'{place}: no way from "{machine.initial}" to "{state}"; add a row, or drop the state.')
    for row in machine.rows:
        for start in row.starts:
            if start in machine.final:
                raise TableError(f'{place}: {row.id} leaves "{start}", which is final; drop one of the two.')


def _no_doubt(place: str, machine: Machine) -> None:
    for number, row in enumerate(machine.rows):
        for other in machine.rows[:number]:
            if row.id == other.id:
                raise TableError(f"{place}: two rows called {row.id}; rename one.")
            both = [start for start in row.starts if start in other.starts]
            # Two conditions exclude each other only where they want different values of one member.
            apart = any(other.when.get(member, value) != value for member, value in row.when.items())
            if row.event == other.event and both and not apart:
                raise TableError(f'{place}: {other.id} and {row.id} both lead {row.event} from "{both[0]}"; keep one.')


def _otherwise(place: str, machine: Machine, row: Transition) -> None:
    """What happens when the job of a row fails is an event of the system's that leaves the row's end."""
    if row.otherwise is None:
        return
    if row.then is None:
        raise TableError(f"{place}: `else` without `then`; name the job that may fail, or drop it.")
    ways = [each.event for each in machine.rows if each.system and row.end in each.starts]
    known(f"{place}: else", [row.otherwise], ways)


def _member(api: Api, entity: str, path: str) -> dict[str, Any] | None:
    shown = api.visibility.get(entity)
    return member_of(api.document, shown.schema if shown is not None else entity, path)
