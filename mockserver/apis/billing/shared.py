"""What makers and workflows of several entities have in common."""

from __future__ import annotations

from typing import Any

from mockserver.domain.errors import Invalid
from mockserver.store import Record
from mockserver.work import Work

OWN_KEYS = ("client", "vendor", "operations")


def error(code: str, message: str) -> dict[str, str]:
    """A BillingError (Q17: id, message and code, which equals the id)."""
    return {"id": code, "message": message, "code": code}


def own_keys(work: Work, bag: Any) -> dict[str, Any]:
    """The keys of an externalIds bag that the actor writes: each role only its own (b.11)."""
    if not bag:
        return {}
    role = work.actor.role
    return {name: value for name, value in bag.items() if name == role or role not in OWN_KEYS}


def without(record: Record, *names: str) -> dict[str, Any]:
    """A copy of a record without some members."""
    return {name: value for name, value in record.items() if name not in names}


def clear_error(work: Work, entity: str, record: Record) -> Record:
    """The record without its error: a new start clears it (d.1, d.3)."""
    return work.put(entity, without(record, "error")) if "error" in record else record


def account(work: Work, value: Any, place: str, type: str) -> dict[str, Any]:
    """The reference to an account of a type. Raises Invalid, keyed `<place>.id`."""
    ref = work.refer("Account", value, place)
    if ref.get("type") != type:
        wrong = f"{ref['id']!r} is an account of type {ref.get('type')}; name one of type {type}."
        raise Invalid(f"{place}: not of type {type}.", {f"{place}.id": [wrong]})
    return ref
