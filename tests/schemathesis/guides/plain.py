"""What random requests to any API cannot know: ids that exist, what a scope names, a world that starts anew."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.generation.meta import TestPhase

from mockserver import MockServer
from mockserver.auth import Caller
from mockserver.service import Endpoint, Service
from mockserver.store import Record, at
from mockserver.work import key_of
from specs.tables import ALL, PARENT, Operation

MOST = 24
"""Objects that an operation is tried on, at most."""


@dataclass(frozen=True)
class Target:
    """What an operation can be called on: path parameters, the object, and the one above it, or the object again."""

    path: Mapping[str, str]
    record: Record
    parent: Record


class Guide:
    """Fills what was generated rightly with things of one caller's world; leaves alone what was generated wrongly.

    caller: None = nobody, who has no token
    """

    def __init__(self, app: MockServer, api: str, caller: Caller | None) -> None:
        self.app = app
        self.service: Service = app.services[api]
        self.world = app.worlds[api]
        self.caller = caller
        self.turns = itertools.count()
        self._targets: dict[tuple[str, bool], Iterator[Target | None]] = {}
        self.settle()

    # What an API's own guide knows better

    def link(self, document: dict[str, Any]) -> None:
        """Say in the document how calls follow on each other, where the tool cannot tell by names."""

    def settle(self) -> None:
        """Add what the operations need beyond the default world."""

    def found(self, operation: Operation) -> Iterator[Target]:
        """What the caller can see that the operation could be called on."""
        above = operation.below
        if above is None and operation.key is None:
            return
        for record in self._rows(above or operation.entity):
            if above is None:
                yield Target({operation.key or "": record["id"]}, record, record)
                continue
            path = {operation.parent or "": record["id"]}
            if operation.key is None:
                yield Target(path, record, record)
                continue
            for row in self.world.layer.where(operation.entity, f"{key_of(above)}.id", record["id"]):
                yield Target({**path, operation.key: row.record["id"]}, row.record, record)

    def is_fit(self, endpoint: Endpoint, target: Target) -> bool:
        """Whether the operation can succeed on this."""
        operation = endpoint.operation
        machine = self.service.api.machines.get(operation.entity) if operation.event is not None else None
        if machine is None:
            return True
        starts = {start for row in machine.rows if row.event == operation.event for start in row.starts}
        return at(target.record, machine.field) in starts

    def query(self, query: dict[str, Any], endpoint: Endpoint, target: Target | None) -> dict[str, Any]:
        """The query with filters that find something, every other time."""
        filters = endpoint.operation.filters
        if not filters.keys() & query.keys() or next(self.turns) % 2:
            return query
        rows = list(self._rows(endpoint.operation.entity))
        known = {name: [value for row in rows if (value := at(row, member))] for name, member in filters.items()}
        turn = next(self.turns)
        return {
            name: values[turn % len(values)] if (values := known.get(name)) and isinstance(values[0], str) else value
            for name, value in query.items()
        }

    def body(self, body: Any, endpoint: Endpoint, target: Target | None) -> Any:
        """The body, speaking of things that there are."""
        return body

    def chain(self, case: Case[Any], endpoint: Endpoint) -> None:
        """Help a step of a chain of calls, which keeps its world and its ids."""

    # What is the same for all

    def prepare(self, case: Case[Any]) -> None:
        """Make the world new and the case refer to it."""
        # Not `case.meta`: that judges anew what was put in, and takes the bytes of a file for a mistake.
        meta = case._meta
        endpoint = self.service.endpoints[case.operation.definition.raw["operationId"]]
        if case.path_parameters:
            case.path_parameters = self._entered(case.path_parameters, endpoint)
        if meta is not None and meta.phase.name is TestPhase.STATEFUL:
            self.chain(case, endpoint)
            return
        self.app.reset()
        right = meta is None or meta.generation.mode is GenerationMode.POSITIVE
        target = None
        if case.path_parameters and is_right(case, ParameterLocation.PATH):
            # What is wrong with a request must not hide behind a refusal for the object's state.
            cycle = self._targets.setdefault((endpoint.id, right), self._cycle(endpoint, fit_only=not right))
            # What can be made under an id of one's own is made, every other time.
            target = None if endpoint.operation.does == "replace" and next(self.turns) % 2 else next(cycle)
            case.path_parameters = {**case.path_parameters, **(target.path if target is not None else {})}
        if case.query and is_right(case, ParameterLocation.QUERY):
            case.query = self.query(case.query, endpoint, target)
        if isinstance(case.body, dict) and is_right(case, ParameterLocation.BODY):
            case.body = self.body(case.body, endpoint, target)
        if right:
            self._ask(case, endpoint)
        # The case is as right or wrong as it was.
        case._record_starting_state()

    @property
    def realm(self) -> tuple[str, ...]:
        """What tells the rows of the caller: what the scope names, or the account."""
        scope, caller = self.service.api.scope, self.caller
        if caller is None:
            return ()
        if scope is None:
            return (caller.account,)
        record = self.world.layer.get("Grant", caller.name)
        grants = tuple(record["values"]) if record is not None else ()
        if scope.parameter is None:
            return grants
        # Where a grant is for a kind, the first of what there is may stand for it.
        known = [row.record for row in self.world.layer.all(scope.entity)]
        held = [
            each["id"]
            for each in known
            if {each["id"], "any", f"{scope.kinds}:{each.get(scope.kinds or '')}"}.intersection(grants)
        ]
        return tuple(held[:1])

    def _rows(self, entity: str) -> Iterator[Record]:
        """The stored records of an entity that the caller may see."""
        table, caller = self.service.api.visibility[entity], self.caller
        member = table.told_by(caller.role) if caller is not None and table.rows != PARENT else None
        realm = self.realm
        for row in self.world.layer.all(entity) if member is not None else ():
            if member == ALL or at(row.record, member or "") in realm:
                yield row.record

    def _entered(self, path: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
        """The path with what the caller's rights hold in, where it was not generated wrongly: else all is 403."""
        scope = self.service.api.scope
        name = scope.parameter if scope is not None else None
        if name is None or not self.realm or not endpoint.parameters.is_well_formed(name, path.get(name, "")):
            return path
        return {**path, name: self.realm[0]}

    def _ask(self, case: Case[Any], endpoint: Endpoint) -> None:
        """Ask for every media type in turn where there are several."""
        if len(endpoint.offers) > 1 or "301" in case.operation.definition.raw["responses"]:
            offers = [*endpoint.offers, "*/*"]
            case.headers["Accept"] = offers[next(self.turns) % len(offers)]

    def _cycle(self, endpoint: Endpoint, *, fit_only: bool) -> Iterator[Target | None]:
        """Every other one in a fit state, between them all other states."""
        fit, other = self.targets(endpoint)
        for n in itertools.count():
            if fit:
                yield fit[n % len(fit)]
            if other and not (fit and fit_only):
                yield other[n % len(other)]
            if not fit and not other:
                yield None

    def targets(self, endpoint: Endpoint) -> tuple[list[Target], list[Target]]:
        """What fits the operation, and a few that do not for each state."""
        operation = endpoint.operation
        machine = self.service.api.machines.get(operation.entity) if operation.event is not None else None
        fits, others, seen = [], [], Counter[Any]()
        for target in self.found(operation):
            state = at(target.record, machine.field) if machine is not None else target.record.get("type")
            if self.is_fit(endpoint, target):
                fits.append(target)
            elif seen[state] < 2:
                others.append(target)
            seen[state] += 1
        return fits[:MOST], others


def is_right(case: Case[Any], location: ParameterLocation) -> bool:
    """Whether this part of the case was generated as the specification says."""
    if case._meta is None:
        return True
    part = case._meta.components.get(location)
    return part is None or part.mode is GenerationMode.POSITIVE
