"""What a filter means for the records of one shape, as one function.

Null, which is absence, equals only null: `ne` and `out` keep rows without the property, `gt` and `like` never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mockserver.rql.code import RECORD, Compiled, Expand, H, Record, Writer, alone, meant
from mockserver.rql.paths import Place, Scope, find, lead
from mockserver.rql.refusals import NO_FILTERING, NO_NULL, WRONG_ARGUMENT, WRONG_OPERATOR, refusal
from mockserver.rql.syntax import (
    COLLECTIONS,
    COMPARISONS,
    MEMBERSHIPS,
    PATTERNS,
    Among,
    And,
    Compare,
    Constant,
    Elements,
    Expr,
    Not,
    Or,
    Path,
    Value,
    Word,
)
from mockserver.rql.values import constant, pattern
from specs.shapes import Property

_SIGNS = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "in": "in", "out": "not in"}

_SCALAR = COMPARISONS | MEMBERSHIPS
_PERMITTED: dict[str, frozenset[str]] = {
    "string": _SCALAR | PATTERNS,
    "number": _SCALAR,
    "integer": _SCALAR,
    "date": _SCALAR,
    "boolean": _SCALAR,
    "enum": _SCALAR,
    "object": frozenset(),
    "collection": COLLECTIONS,
}

# Two properties can be compared when records hold the same type for both.
_FAMILY = {"string": "text", "enum": "text", "number": "number", "integer": "number", "date": "date", "boolean": "bool"}


def predicate(
    expr: Expr, shape: Property, *, hidden: frozenset[str] = frozenset(), expand: Expand = alone
) -> Callable[[Record], bool]:
    """Whether a record passes the filter.

    hidden: dotted paths, as the spec spells them, that the caller may not see, those through references among them; a
        filter that names one, or what lies below one, is refused, for its answer would tell the value
    Raises Invalid. The compiled form is kept, so asking again for the same filter costs little.
    """
    return _compiled(expr, shape, hidden).function(expand)


def sieve(
    expr: Expr, shape: Property, *, hidden: frozenset[str] = frozenset(), expand: Expand = alone
) -> Callable[[Iterable[H]], list[H]]:
    """What leaves those of some rows whose record passes the filter. hidden, raises: as for `predicate`"""
    return _compiled(expr, shape, hidden).sieve(expand)


@lru_cache(maxsize=512)
def _compiled(expr: Expr, shape: Property, hidden: frozenset[str]) -> Compiled:
    writer = Writer()
    return writer.compiled(_Filter(writer).written(expr, Scope(shape, hidden), RECORD))


def compiled(expr: Expr, shape: Property, *, hidden: frozenset[str] = frozenset()) -> Compiled:
    """A filter, ready to be made into what answers it over records, rows or columns. hidden, raises: as `predicate`"""
    return _compiled(expr, shape, hidden)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a filter that every record which passes it fulfils, and that an index can answer.

    path: of a member of the record itself, dotted; key: reads it
    operator: in, gt, ge, lt or le; values: what the member is compared with: one, but for `in`
    """

    path: str
    key: Callable[[Record], Any]
    operator: str
    values: tuple[Any, ...]


@lru_cache(maxsize=512)
def terms(expr: Expr, shape: Property, hidden: frozenset[str]) -> tuple[tuple[Term, ...], bool]:
    """The terms of a filter that `predicate` accepts, and whether it asks for nothing but them."""
    parts = expr.terms if isinstance(expr, And) else (expr,)
    found = [_term(part, Scope(shape, hidden)) for part in parts]
    return tuple(each for each in found if each is not None), None not in found


def _term(expr: Expr, scope: Scope) -> Term | None:
    if not isinstance(expr, Compare | Among):
        return None
    place = _place(expr, scope)
    if place.direct is None or expr.operator not in _INDEXED:
        return None
    if isinstance(expr, Compare) and _other(expr.value, place, scope) is not None:
        return None
    said = (expr.value,) if isinstance(expr, Compare) else expr.values
    values = tuple(_constant(value, place, expr.path) for value in said)
    return Term(place.direct, _key(place), _INDEXED[expr.operator], tuple(dict.fromkeys(values)))


@lru_cache(maxsize=512)
def _key(place: Place) -> Callable[[Record], Any]:
    return meant(place).function(alone)


_INDEXED = {"eq": "in", "in": "in", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}


class _Filter:
    """Writes the expression; `start` is the variable that paths begin at."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def written(self, expr: Expr, scope: Scope, start: str) -> str:
        match expr:
            case And(terms):
                return f"({' and '.join([self.written(term, scope, start) for term in terms])})"
            case Or(terms):
                return f"({' or '.join([self.written(term, scope, start) for term in terms])})"
            case Not(term):
                return f"(not {self.written(term, scope, start)})"
            case Compare():
                return self._compare(expr, scope, start)
            case Among():
                return self._among(expr, scope, start)
            case Elements():
                return self._elements(expr, scope, start)

    def _compare(self, expr: Compare, scope: Scope, start: str) -> str:
        place = _place(expr, scope)
        left = self._writer.read(place, start)
        other = _other(expr.value, place, scope) if expr.operator in COMPARISONS else None
        if other is not None:
            return self._both(_SIGNS[expr.operator], left, self._writer.read(other, start))
        value = _constant(expr.value, place, expr.path)
        if expr.operator in ("eq", "ne"):
            if value is None:
                return f"({left} is {'' if expr.operator == 'eq' else 'not '}None)"
            return f"({left} {_SIGNS[expr.operator]} {self._writer.constant(value)})"
        if value is None:
            mend = f"{expr.operator} does not take null(); only eq, ne, in and out do."
            raise refusal(WRONG_ARGUMENT, expr.operator, mend, at=expr.value.at)
        found = self._writer.variable()
        if expr.operator in PATTERNS:
            test = pattern(value, found, self._writer.constant, folded=expr.operator == "ilike")
            return f"(({found} := {left}) is not None and {test})"
        return f"(({found} := {left}) is not None and {found} {_SIGNS[expr.operator]} {self._writer.constant(value)})"

    def _both(self, sign: str, left: str, right: str) -> str:
        if sign in ("==", "!="):
            return f"({left} {sign} {right})"
        one, two = self._writer.variable(), self._writer.variable()
        return f"(({one} := {left}) is not None and ({two} := {right}) is not None and {one} {sign} {two})"

    def _among(self, expr: Among, scope: Scope, start: str) -> str:
        place = _place(expr, scope)
        values = frozenset(_constant(value, place, expr.path) for value in expr.values)
        return f"({self._writer.read(place, start)} {_SIGNS[expr.operator]} {self._writer.constant(values)})"

    def _elements(self, expr: Elements, scope: Scope, start: str) -> str:
        place = _place(expr, scope)
        elements = self._writer.read(place, start)
        if expr.inner is None:
            return f"bool({elements})"
        element = self._writer.variable()
        inner = self.written(expr.inner, scope.inside(place), element)
        return f"{expr.operator}({inner} for {element} in {elements} or ())"


def _place(expr: Compare | Among | Elements, scope: Scope) -> Place:
    """Where the path of a call leads, if the caller may filter by it, and in this way."""
    place = find(expr.path.text, scope, at=expr.path.at)
    if place.hidden:
        mend = "your role does not see it; leave it out of the filter."
        raise refusal(NO_FILTERING, expr.path.text, mend, at=expr.path.at)
    permitted = _PERMITTED[place.target.kind]
    if expr.operator not in permitted:
        mend = f"{expr.path.text} is of kind {place.target.kind}, which {_takes(permitted)}."
        raise refusal(WRONG_OPERATOR, expr.operator, mend, at=expr.at)
    return place


def _takes(permitted: frozenset[str]) -> str:
    if permitted:
        return f"takes {', '.join(sorted(permitted))}"
    return "takes none; filter by a property below it"


def _other(value: Value, place: Place, scope: Scope) -> Place | None:
    """The property that a bare right-hand side names; None if it is a constant.

    Many values are spelled like a property (`status=Error` beside `error`), so a word is a property only where the two
    can be compared, and never when it is a value that the enum on the left has. (M)
    """
    if not isinstance(value, Word) or value.quoted or value.text in place.target.enum:
        return None
    other = lead(value.text, scope)
    if other is None or _FAMILY.get(other.target.kind) != _FAMILY[place.target.kind]:
        return None
    if other.hidden:
        mend = "your role does not see it; put a text that only looks like it in quotes."
        raise refusal(NO_FILTERING, value.text, mend, at=value.at)
    return other


def _constant(value: Value, place: Place, path: Path) -> Any:
    if isinstance(value, Constant) and value.name == "null" and not place.nullable:
        raise refusal(NO_NULL, path.text, "every object has an id.", at=value.at)
    return constant(value, place.target, path)
