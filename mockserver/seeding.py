"""The seeding of an API that brings none: what is pinned becomes records as it is, and callers are who they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jsonschema_rs

from mockserver import wire
from mockserver.auth import Caller
from mockserver.making import Making, check_id
from mockserver.scenario import Part, Pin, nearest, resolve_expiry
from mockserver.store import Record, at
from mockserver.validators import Validators, problems
from mockserver.work import key_of
from specs.tables import ALL, DERIVED, Api, Machine


def seeding(api: Api) -> type[Seeding]:
    """The seeding for an API, which knows what may be said of its callers."""
    keys = {"permissions": "texts"} if api.permissions else {}
    if api.scope is not None:
        keys |= {api.scope.grants: "texts"}
    return type("Seeding", (Seeding,), {"KEYS": keys})


class Seeding:
    """Makes records out of pins, and nothing beside them."""

    SIZES: ClassVar[Sequence[str]] = ()
    LONG: ClassVar[Mapping[str, int]] = {}
    KEYS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None:
        self._making = making
        self._pins = pins
        for pin in pins:
            if pin.entity not in making.api.visibility:
                raise pin.fault(f"no operation shows a {pin.entity}; {nearest(pin.entity, making.api.visibility)}")
            if pin.id is not None:
                making.reserve(pin.entity, check_id(making.api, pin, pin.entity, pin.id))

    def catalog(self) -> None:
        """Every pin, in its order, so that what comes first is the oldest."""
        api = self._making.api
        kinds = {entity: Kind.of(api, entity) for entity in {pin.entity for pin in self._pins}}
        for pin in self._pins:
            self._make(pin, kinds[pin.entity])

    def cast(self, part: Part) -> Caller:
        """A caller with the account and the rights that the file says."""
        name = part.user or part.name
        return Caller(
            name=part.name,
            token=part.token,
            role=part.role,
            account=part.account or "",
            token_id=part.name,
            user={"id": name, "name": name},
            expires=resolve_expiry(part.expires, self._making.start) if part.expires else None,
            rights=tuple(part.more["permissions"]) if "permissions" in part.more else None,
            more=dict(part.more),
        )

    def history(self) -> None:
        """Nothing has happened yet."""

    def _make(self, pin: Pin, kind: Kind) -> None:
        work = self._making.work()
        id = pin.id or work.new_id(pin.entity)
        record: dict[str, Any] = {"id": id, **dict.fromkeys(kind.keys, id), **pin.members}
        for member in pin.members:
            if member not in kind.members:
                raise pin.fault(f"unknown; {nearest(member, kind.members)}", member)
        if kind.machine is not None:
            state = record.setdefault(kind.machine.field, kind.machine.initial)
            if state not in kind.machine.states:
                raise pin.fault(f"no state {state!r}; {nearest(str(state), kind.machine.states)}", kind.machine.field)
        for path in kind.told:
            if at(record, path) is None:
                raise pin.fault(f"no {path}; add one: it says whose the {pin.entity} is.")
        for parent in kind.parents:
            path = f"{key_of(parent)}.id"
            if (above := at(record, path)) is None or work.get(parent, above) is None:
                raise pin.fault(f"no {path} of a {parent} that is pinned before it; add one.")
        record = dict(work.create(pin.entity, record))
        for place, messages in kind.faults(record):
            raise pin.fault(f"{messages[0].rstrip('.')}; mend it as {kind.schema} in the spec says.", place)
        work.commit()


@dataclass(frozen=True)
class Kind:
    """What there is to know of an entity whose pins become records.

    schema: the name of what is shown of it
    members: what a pin may say
    keys: members that hold the id, too, since paths name it so
    told: dotted members that say whose a record is
    parents: entities below which it lies
    """

    schema: str
    members: frozenset[str]
    keys: tuple[str, ...]
    told: tuple[str, ...]
    parents: tuple[str, ...]
    machine: Machine | None
    validator: jsonschema_rs.Draft202012Validator
    shown: frozenset[str]

    @classmethod
    def of(cls, api: Api, entity: str) -> Kind:
        """The entity as the API's tables and its document know it."""
        table = api.visibility[entity]
        validators = Validators(api.document)
        reference = {"$ref": f"#/components/schemas/{table.schema}"}
        shown = frozenset(validators.resolve(reference).get("properties", ()))
        operations = [each for each in api.operations.values() if each.entity == entity]
        rows = {} if isinstance(table.rows, str) else table.rows
        told = tuple(dict.fromkeys(member for member in rows.values() if member != ALL))
        parents = tuple(dict.fromkeys(each.below for each in operations if each.below is not None))
        keys = {each.key for each in operations if each.key is not None and each.key in shown}
        beside = {path.partition(".")[0] for path in told} | {key_of(parent) for parent in parents}
        return cls(
            schema=table.schema,
            members=shown | beside,
            keys=tuple(sorted(keys)),
            told=told,
            parents=parents if table.rows != DERIVED else (),
            machine=api.machines.get(entity),
            validator=validators.compiled(reference),
            shown=shown,
        )

    def faults(self, record: Record) -> Iterator[tuple[str, list[str]]]:
        """What the spec finds wrong with what is shown of a record: place -> messages."""
        return problems(self.validator, wire.plain({name: record[name] for name in self.shown if name in record}))
