"""One API, made ready to serve: its tables, its workflows, and everything compiled from its document once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain, islice
from types import ModuleType
from typing import Any

import jsonschema_rs

from mockserver import templates, wire
from mockserver.domain.errors import NotFound
from mockserver.listings import Listing, Slices
from mockserver.parameters import Parameters
from mockserver.problems import Problems
from mockserver.rql.query import Pick
from mockserver.store import EVERY, Place, Record, Row, at
from mockserver.validators import Validators
from mockserver.views import View
from mockserver.work import Work, Workflows, key_of
from specs.shapes import Property, shape
from specs.tables import ALL, DERIVED, Api, Capability, Operation

MULTIPART = "multipart/form-data"
LONGEST = 80
"""Characters of an id that a refusal repeats"""
OPENED = 64
"""Envelopes of a list that are kept as they were sent, found valid; one follows from the values that it tells"""


class BrokenPromise(Exception):
    """An answer that would not be valid against the spec: our fault, never the caller's."""


# Not frozen: making one that is takes three times as long, and every list makes some.
@dataclass(slots=True)
class Rows:
    """Some rows in their order, and how many they are, which is known without looking at each."""

    each: Iterable[Row]
    total: int

    def __iter__(self) -> Iterator[Row]:
        return iter(self.each)

    @classmethod
    def at(cls, work: Work, place: Place) -> Rows:
        """The rows of an index's bucket."""
        listing = Listing.of(work.layer, place)
        if listing is not None:
            return cls(listing, len(listing))
        return cls(work.layer.where(*place), work.layer.count(*place))

    def cut(self, first: int, last: int) -> list[Row]:
        """The rows from one place to before another; where it can be, those before them are not looked at."""
        if isinstance(self.each, Slices):
            return self.each.cut(first, last)
        if isinstance(self.each, list):
            return self.each[first:last]
        return list(islice(self.each, first, last))


Derived = Callable[[Work, Any], Rows | Sequence[Record]]  # Any: the record above, or None where there is none


@dataclass(frozen=True, slots=True)
class Plugin:
    """What is special to one API, in code: everything else is in its tables.

    workflows: what its events and jobs do
    indexes: entity -> the members that rows are found by
    derived: entity -> the records of it, below a parent if it has one, where they are made of others and not stored
    exports: media type -> how a list is written as a file of that type
    handlers: operationId -> handler, where the generic one is not enough
    sync: how documents of an entity are taken in bulk
    content: the bytes of a File, where they are not kept but follow from what it shows
    """

    workflows: Workflows = field(default_factory=Workflows)
    indexes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    derived: Mapping[str, Derived] = field(default_factory=dict)
    exports: Mapping[str, Callable[..., bytes]] = field(default_factory=dict)
    handlers: ModuleType | None = None
    sync: Callable[[Work, Sequence[Record], str], dict[str, Any]] | None = None
    content: Callable[[Record], bytes] = lambda file: bytes(file["content"])


class Endpoint:
    """One operation with its compiled readers and validators."""

    def __init__(
        self,
        operation: Operation,
        spec: Mapping[str, Any],
        validators: Validators,
        *,
        declared: Sequence[Mapping[str, Any]],
        envelope: templates.Filler,
        items: str,
    ) -> None:
        """declared: the parameters of path and operation
        envelope, items: what makes the envelope of a list, and the member of it that holds the rows
        """
        self.operation = operation
        self.id = operation.id
        self.is_closed = not operation.open
        self._validators = validators
        self._by_status: dict[int, jsonschema_rs.Draft202012Validator] = {}
        self.reasons: dict[tuple[str, str], str] = {}
        """Why it refuses a role one of its capabilities, by the id of that"""
        self._declared = declared
        self._fill, self._items = envelope, items
        self.opened = lru_cache(maxsize=OPENED)(self._opened)
        """What a list begins with, up to its first row"""
        self._responses = spec["responses"]
        self.success = min(int(status) for status in spec["responses"] if int(status) < 400)
        content = spec.get("requestBody", {}).get("content", {})
        self.has_body = bool(content)
        self.needs_body = bool(spec.get("requestBody", {}).get("required", False))
        self.multipart = MULTIPART in content
        self._body_schema = content.get("application/json", {}).get("schema")
        parts = content.get(MULTIPART, {}).get("schema")
        self._part_schema = validators.resolve(parts)["properties"].get("attachment", {}) if parts else {}
        self.documented = frozenset(int(status) for status in spec["responses"])
        self.offers = tuple(spec["responses"].get("200", {}).get("content", {}))

    @cached_property
    def parameters(self) -> Parameters:
        """The readers of what the path and the query may hold."""
        return Parameters(self._declared, self._validators)

    @cached_property
    def read(self) -> Callable[[Any], Any]:
        """The reader of a JSON body."""
        return self._validators.reader(self._body_schema)

    @cached_property
    def read_part(self) -> Callable[[Any], Any]:
        """The reader of the JSON part beside a file."""
        return self._validators.reader(self._part_schema)

    @cached_property
    def item(self) -> jsonschema_rs.Draft202012Validator:
        """The validator of the object that is answered, or of one element of the list."""
        return self._validators.compiled(self._item_schema)

    def _opened(self, values: tuple[tuple[str, Any], ...]) -> bytes:
        made = self._fill(dict(values))
        if not self._envelope.is_valid({**made, self._items: []}):
            raise BrokenPromise(f"{self.id}: the list's envelope is not valid: {made}")
        return wire.dump(made)[:-1] + b',"' + self._items.encode() + b'":['

    @cached_property
    def _envelope(self) -> jsonschema_rs.Draft202012Validator:
        """The validator of a list without its elements, which are validated one by one."""
        schema = dict(self._schema)
        members = schema["properties"] | {self._items: {"type": "array"}}
        return self._validators.compiled({**schema, "properties": members})

    def validator(self, status: int) -> jsonschema_rs.Draft202012Validator:
        """The validator of a JSON answer with this status."""
        if status not in self._by_status:
            schema = self._responses[str(status)]["content"]["application/json"]["schema"]
            self._by_status[status] = self._validators.compiled(schema)
        return self._by_status[status]

    @property
    def _schema(self) -> Mapping[str, Any]:
        return self._validators.resolve(self._responses[str(self.success)]["content"]["application/json"]["schema"])

    @property
    def _item_schema(self) -> Mapping[str, Any]:
        if self.operation.does != "list":
            return self._schema
        found: Mapping[str, Any] = self._schema["properties"][self._items]["items"]
        return found


class Service:
    """One API, ready: endpoints by operationId, and views by entity, role and selection."""

    def __init__(self, api: Api, plugin: Plugin) -> None:
        self.api = api
        self.plugin = plugin
        self.validators = Validators(api.document, exact=api.conventions.spelling == "exact")
        self.problems = Problems(api)
        envelope = templates.compiled(api.conventions.lists["envelope"])
        self.endpoints = {
            operation["operationId"]: Endpoint(
                api.operations[operation["operationId"]],
                operation,
                self.validators,
                declared=_declared(api.document, [*item.get("parameters", ()), *operation.get("parameters", ())]),
                envelope=envelope,
                items=api.conventions.lists["items"],
            )
            for item in api.document["paths"].values()
            for operation in item.values()
            if isinstance(operation, dict) and "operationId" in operation
        }
        _resolve_responses(api.document, self.endpoints)
        self._shapes: dict[str, Property] = {}
        self._views: dict[tuple[str, str, str], View] = {}

    def shape(self, entity: str) -> Property:
        """What an entity's properties are."""
        if entity not in self._shapes:
            table = self.api.visibility.get(entity)
            schema = entity if table is None else table.schema
            self._shapes[entity] = shape(self.api.document, schema, self.api.conventions.references)
        return self._shapes[entity]

    def hidden(self, entity: str, role: str) -> frozenset[str]:
        """Dotted members of an entity that a role may not see; none for what has no table entry."""
        table = self.api.visibility.get(entity)
        return table.hidden(role) if table is not None else frozenset()

    def view(self, entity: str, role: str, kind: str, select: tuple[Pick, ...], work: Work) -> View:
        """How records of an entity look to a role, in a list or by id; kept where nothing was selected."""
        if select:
            return self._view(entity, role, kind, select, work)
        key = (entity, role, kind)
        if key not in self._views:
            self._views[key] = self._view(entity, role, kind, (), None)
        return self._views[key]

    def _view(self, entity: str, role: str, kind: str, select: tuple[Pick, ...], work: Work | None) -> View:
        return View(
            self.shape(entity),
            hidden=self.hidden(entity, role),
            omitted=self.api.visibility[entity].omits[kind],
            select=select,
            expand=self.expand(work, role) if work is not None else _nothing,
            references=self.api.conventions.references,
            hidden_of=lambda other: self.hidden(other, role),
        )

    def expand(self, work: Work, role: str) -> Callable[[str, str], Record | None]:
        """How filters and selections reach through references: only to what the caller may see."""

        def reach(entity: str, id: str) -> Record | None:
            record = work.get(entity, id)
            if record is None:
                return None
            if entity in self.api.visibility:
                return record if self.sees(work, entity, record) else None
            # What has no operations of its own shows what conventions.yaml makes public, and nothing else.
            shown = self.api.conventions.public.get(entity, ())
            return {name: record[name] for name in shown if name in record}

        return reach

    # Rows

    def sees(self, work: Work, entity: str, record: Record) -> bool:
        """Whether the actor of the work may see this record at all."""
        table = self.api.visibility[entity]
        if isinstance(table.rows, str):
            return True  # found below one that was looked up first, or made by the API's code
        member = table.told_by(work.actor.role)
        return member == ALL or (member is not None and at(record, member) in work.realm)

    def is_derived(self, operation: Operation) -> bool:
        """Whether what the path speaks of is made by the API's code, so that there is nothing to find."""
        return self.api.visibility[operation.entity].rows == DERIVED and operation.below is None

    def rows(self, work: Work, entity: str) -> Rows:
        """The rows of an entity that the actor may see, oldest first."""
        derived = self.plugin.derived.get(entity)
        if derived is not None:
            return _rows(derived(work, None))
        member, layer = self.api.visibility[entity].told_by(work.actor.role), work.layer
        if member is None:
            return Rows((), 0)
        if member == ALL:
            return Rows.at(work, (entity, EVERY, None))
        if len(work.realm) == 1:
            return Rows.at(work, (entity, member, work.realm[0]))
        parts = [layer.where(entity, member, value) for value in work.realm]
        return Rows(chain.from_iterable(parts), sum(layer.count(entity, member, value) for value in work.realm))

    def below(self, work: Work, entity: str, parent_entity: str, parent: Record) -> Rows:
        """The rows of an entity that lie below a parent, stored or derived."""
        derived = self.plugin.derived.get(entity)
        if derived is not None:
            return _rows(derived(work, parent))
        return Rows.at(work, (entity, f"{key_of(parent_entity)}.id", parent["id"]))

    def find(self, work: Work, operation: Operation, params: Mapping[str, str]) -> tuple[Record | None, Row | None]:
        """(parent, row) that a path speaks of. Raises NotFound for what is missing, foreign or below another parent."""
        entity, id = operation.entity, params.get(operation.key or "")
        if operation.below is None:
            if id is None:
                return None, None
            if operation.does == "replace" and work.row(entity, id) is None:
                return None, None
            return None, self._own(work, entity, id)
        parent = self._own(work, operation.below, params[operation.parent or ""]).record
        if id is None:
            return parent, None
        if entity in self.plugin.derived:
            row = next(
                (row for row in self.below(work, entity, operation.below, parent) if row.record["id"] == id), None
            )
        else:
            row = work.row(entity, id)
        home = f"{key_of(operation.below)}.id"
        if row is None or at(row.record, home) != parent["id"]:
            raise NotFound(f"no {_words(entity)} {id[:LONGEST]} below {parent['id']}.", entity)
        return parent, row

    def _own(self, work: Work, entity: str, id: str) -> Row:
        row = work.row(entity, id)
        if row is None or not self.sees(work, entity, row.record):
            raise NotFound(f"no {_words(entity)} {id[:LONGEST]}.", entity)
        return row

    def capability(self, operation: Operation, chosen: str | None) -> Capability:
        """The capability that a media type asks for: an operation may carry two, told apart by Accept."""
        if chosen not in (None, "application/json") and len(operation.capabilities) > 1:
            return operation.capabilities[1]
        return operation.capabilities[0]


def _rows(made: Rows | Sequence[Record]) -> Rows:
    return made if isinstance(made, Rows) else Rows([Row(record) for record in made], len(made))


def _declared(document: Mapping[str, Any], parameters: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    shared = document["components"].get("parameters", {})
    return [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in parameters]


def _words(entity: str) -> str:
    return "".join(f" {each.lower()}" if each.isupper() else each for each in entity).strip()


def _nothing(entity: str, id: str) -> None:
    return None


def _resolve_responses(document: Mapping[str, Any], endpoints: Mapping[str, Endpoint]) -> None:
    """Put what responses refer to in their place: only the shared error responses are references."""
    shared = document["components"].get("responses", {})
    for endpoint in endpoints.values():
        endpoint._responses = {
            status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
            for status, response in endpoint._responses.items()
        }
