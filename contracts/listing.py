"""Lists as callers ask for them: whose, below what, with which rows; and what the words around the rows say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from contracts.facts import Listed, Row
from contracts.probe import Nothing, Probe
from contracts.wire import Caller, Exchange
from specs.shapes import Property, shape
from specs.tables import ALL, Api, Operation

_MARKS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_MARK = re.compile(r"[A-Z][A-Z0-9]*")


def operations(api: Api) -> Sequence[str]:
    """The lists of an API: what checks of lists are split into."""
    return [each.id for each in api.operations.values() if each.does == "list"]


def with_rql(api: Api) -> Sequence[str]:
    """Those that take filters, orders and selections in the query string itself."""
    return operations(api) if api.conventions.query == "rql" else []


@dataclass(frozen=True)
class Listing:
    """One list as one caller asks for it. params: what its path names"""

    p: Probe
    operation: Operation
    caller: Caller
    params: Mapping[str, str]

    def ask(self, query: str = "", accept: str = "") -> Exchange:
        """The answer to a query, whatever it is."""
        return self.p.call(
            self.operation,
            self.caller,
            self.params,
            query=escaped(query),
            headers={"accept": accept} if accept else None,
        )

    def rows(self, query: str = "") -> list[Row]:
        """The rows that one call with this query shows. Raises Blocked where it is refused."""
        return self.shown(self.p.expect(self.ask(query), 200))

    def shown(self, exchange: Exchange) -> list[Row]:
        """The rows of an answer."""
        found = exchange.json.get(self.p.api.conventions.lists["items"]) if isinstance(exchange.json, dict) else None
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def all(self) -> list[Row]:
        """Every row, read page by page as far as contracts.facts goes."""
        return self.p.facts.rows(self.operation, self.caller, self.params)

    def every(self, query: str) -> Listed:
        """What a query shows, read page by page as that."""
        return self.p.facts.listed(self.operation, self.caller, self.params, escaped(query))

    @property
    def first(self) -> Exchange:
        """The call that read the first page of them."""
        return self.p.facts.listed(self.operation, self.caller, self.params).exchange

    @property
    def whole(self) -> bool:
        """Whether they are all there are."""
        return self.p.facts.listed(self.operation, self.caller, self.params).whole

    @cached_property
    def key(self) -> str:
        return self.p.key(self.operation.entity)

    def id(self, row: Row) -> str:
        return str(row.get(self.key))

    def ids(self, rows: Iterable[Row]) -> list[str]:
        return [self.id(row) for row in rows]

    def told(self, exchange: Exchange) -> dict[str, Any]:
        """What the words around the rows say: `total`, `limit`, `next` and whatever else the API's lists tell."""
        return dict(_values(self.p.api.conventions.lists["envelope"], exchange.json))

    @property
    def sees_all(self) -> bool:
        """Whether the role sees every row there is, so that nothing is left out for whose it is."""
        return sees_all(self.p, self.operation, self.caller)

    @cached_property
    def shape(self) -> Property:
        return shape_of(self.p.api, self.operation.entity)

    @property
    def hidden(self) -> frozenset[str]:
        """Dotted members that the caller may not see."""
        return self.p.api.visibility[self.operation.entity].hidden(self.caller.role)


def shape_of(api: Api, entity: str) -> Property:
    """What an entity is made of, and where its members lead."""
    return shape(api.document, api.visibility[entity].schema, api.conventions.references)


def sees_all(p: Probe, operation: Operation, caller: Caller) -> bool:
    """Whether a role sees every row of a list, or every object above it."""
    seen = p.api.visibility[operation.entity]
    if isinstance(seen.rows, str) and operation.below is not None:
        seen = p.api.visibility[operation.below]
    return not isinstance(seen.rows, str) and seen.told_by(caller.role) == ALL


def listings(p: Probe, operation: Operation | str) -> list[Listing]:
    """A list as each caller who may asks for it; below objects, several callers look below the same ones.

    Raises Blocked where it is refused, Nothing where there is no object to look below.
    """
    found = p.operation(operation)
    made: list[Listing] = []
    # Who sees least chooses what is looked below; who sees more can look there, too.
    for caller in sorted(p.may(found), key=lambda each: sees_all(p, found, each)):
        for scope in p.facts.reaches(caller):
            made += [Listing(p, found, caller, params) for params in _below(p, found, caller, scope, made)]
    if not made:
        raise Nothing(f"nothing is known that {found.id} could be asked for below; name one in contracts.toml")
    return made


def _below(
    p: Probe, operation: Operation, caller: Caller, scope: Mapping[str, str], made: Sequence[Listing]
) -> Iterator[Mapping[str, str]]:
    if operation.below is None:
        yield scope
        return
    shared = [
        each.params
        for each in made
        if (scope and scope.items() <= each.params.items()) or (not scope and sees_all(p, operation, caller))
    ]
    if not shared:
        best = p.facts.fullest(operation, caller, scope)
        shared = [best] if best is not None else []
    for at, params in enumerate(shared):
        if params not in shared[:at]:
            yield params


def widest(p: Probe, operation: Operation | str) -> Listing:
    """The list as it shows most. Raises Nothing where it shows nobody anything."""
    found = max(listings(p, operation), key=lambda each: (len(each.all()), each.sees_all))
    if not found.all():
        raise Nothing(f"{found.operation.id} shows no rows to anybody")
    return found


def escaped(query: str) -> str:
    """A query as it is sent: what structures it stays as it is."""
    return quote(query, safe="()=&,;'*+-.:!$/")


def parameter(p: Probe, operation: Operation, name: str) -> Mapping[str, Any]:
    """What the spec says of a query parameter; empty where it has none of that name."""
    said: Iterable[Mapping[str, Any]] = p.spec(operation)["parameters"]
    return next((each for each in said if each["in"] == "query" and each["name"] == name), {})


def marks(text: str, otherwise: str = "M") -> str:
    """The source marks that a description carries in brackets."""
    found = [mark for part in _MARKS.findall(text) for mark in re.split(r"[,;\s]+", part) if _MARK.fullmatch(mark)]
    return ", ".join(dict.fromkeys(found)) or otherwise


def leaves(record: Any, path: str) -> list[Any]:
    """Every value behind a dotted path that may lead through lists; what is unset is left out."""
    found = [record]
    for name in path.split("."):
        inner = [each.get(name) for each in found if isinstance(each, dict)]
        found = [value for each in inner for value in (each if isinstance(each, list) else [each]) if value is not None]
    return found


def first(found: Iterable[Any], suits: Callable[[Any], bool]) -> Any:
    """The first that suits, or None."""
    return next((each for each in found if suits(each)), None)


def _values(template: Any, body: Any) -> Iterator[tuple[str, Any]]:
    """The values that stand in a body where the template has their names."""
    if isinstance(template, str) and template.startswith("$"):
        if body is not None:
            yield template[1:], body
    elif isinstance(template, Mapping) and isinstance(body, Mapping):
        for name, inner in template.items():
            yield from _values(inner, body.get(name))
