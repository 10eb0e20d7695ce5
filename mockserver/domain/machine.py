"""What an event does to a state: nothing but the rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockserver.domain.errors import NoSuchTransition
from specs.tables import Machine, Transition


def state_of(machine: Machine, record: Mapping[str, Any]) -> str:
    """The state that a record is in."""
    value: Any = record
    for name in machine.field.split("."):
        value = value[name]
    return str(value)


def transition(machine: Machine, record: Mapping[str, Any], event: str) -> Transition:
    """The row that says where `event` leads from the record's state.

    Raises NoSuchTransition, which lists the events that the state does allow.
    """
    state = state_of(machine, record)
    for row in machine.rows:
        if (
            row.event == event
            and state in row.starts
            and all(record.get(key) == value for key, value in row.when.items())
        ):
            return row
    raise NoSuchTransition(event, state, allowed=machine.events_from(state), final=state in machine.final)
