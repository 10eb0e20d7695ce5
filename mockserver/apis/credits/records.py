"""Records as this API keeps them: `id` is the locator, each knows its tenant, its birth and its author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockserver.store import Record
from mockserver.work import Work
from mockserver.world import SYSTEM


def new(work: Work, entity: str, tenant: str, members: Mapping[str, Any], *, id: str | None = None) -> dict[str, Any]:
    """A new record of an entity, in the first state of its machine if it has one; not stored yet."""
    locator = id or work.new_id(entity)
    machine = work.api.machines.get(entity)
    return {
        "id": locator,
        "locator": locator,
        "tenantLocator": tenant,
        **({machine.field: machine.initial} if machine is not None else {}),
        **members,
        "createdAt": work.now,
        "createdBy": author(work),
    }


def at(work: Work, locator: str) -> Record | None:
    """What has this locator already, of whatever kind and in whatever tenant; None if it is free."""
    kinds = (entity for entity, shape in work.api.conventions.ids.items() if shape.form == "ulid")
    return next((found for entity in kinds if (found := work.get(entity, locator)) is not None), None)


def author(work: Work, cause: Record | None = None) -> str:
    """The user who acts; for background work whoever caused it, as the record tells (credits 3.3, M)."""
    if work.actor is SYSTEM and cause is not None:
        return str(cause.get("requestedBy", cause["createdBy"]))
    return work.actor.ref["id"]


def without(record: Record, *names: str) -> dict[str, Any]:
    """A copy of the record that lacks some members."""
    return {name: value for name, value in record.items() if name not in names}


def number(work: Work, tenant: Record, kind: str) -> dict[str, str]:
    """The next number of a tenant's plan, as the member that holds it; nothing where it has no such plan."""
    plan = tenant.get("numbering", {}).get(kind)
    if plan is None:
        return {}
    count = work.count(f"{tenant['id']}/{kind}")
    return {f"{kind}Number": f"{plan}{count:06d}"}
