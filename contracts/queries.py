"""Questions about lists and what answers them, told from the rows themselves: a writer and an evaluator of filters.

What is unset equals only null: `ne` and `out` keep such rows, `gt` and `like` never do (billing b.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.facts import Row
from contracts.listing import Listing
from contracts.probe import member
from contracts.wire import Exchange
from specs.shapes import Property

Test = Callable[[Row], bool]
SAMPLE = 60
"""Rows that are asked about where there are more than one page holds."""
DEEPEST = 3
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:-]*[A-Za-z0-9]")
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda one, other: bool(one > other),
    "ge": lambda one, other: bool(one >= other),
    "lt": lambda one, other: bool(one < other),
    "le": lambda one, other: bool(one <= other),
}


@dataclass(frozen=True)
class Member:
    """A member of a list's rows that has one value or none.

    values: of the rows, in their order, None where it is unset
    """

    path: str
    kind: str
    values: tuple[Any, ...]

    @property
    def set(self) -> list[Any]:
        """The different values, in order."""
        return sorted({value for value in self.values if value is not None})

    @property
    def is_unset(self) -> bool:
        """Whether some rows are without it."""
        return None in self.values


@dataclass(frozen=True)
class Known:
    """Rows that questions are about. more: what every question says beside itself, so that it is about no others"""

    listing: Listing
    rows: list[Row]
    more: str

    @classmethod
    def of(cls, listing: Listing, select: str = "") -> Known:
        """The rows of a list, or, where there are more than one page holds, some of them: an answer is one page.

        select: what to read beside what rows show anyway
        """
        rows, more = listing.all(), ""
        page = int(listing.p.api.conventions.paging["cap"])
        if not listing.whole or len(rows) > page:
            rows = rows[: min(SAMPLE, page)]
            more = f"&in({listing.key},({','.join(map(_quoted, listing.ids(rows)))}))"
        if select:
            limit = listing.p.api.conventions.paging["limit"]
            rows = listing.rows(f"select={select}&{limit}={len(rows)}{more}")
        return cls(listing, rows, more)

    def ask(self, question: str) -> Exchange:
        """The answer to a question, of ids alone: what else rows show is known."""
        paging = self.listing.p.api.conventions.paging
        asked = "&".join(
            filter(None, (question, f"select=-*,{self.listing.key}", f"{paging['limit']}={paging['cap']}"))
        )
        return self.listing.ask(asked + self.more)

    def ids(self, exchange: Exchange) -> list[str]:
        return self.listing.ids(self.listing.shown(self.listing.p.expect(exchange, 200)))

    def members(self) -> list[Member]:
        """What can be asked about: every member that some row has, and of which the caller may know."""
        found = list(_members(self.listing.shape, self.rows, self.listing.hidden))
        return [each for each in found if any(value is not None for value in each.values)]

    def holding(self, test: Test) -> set[str]:
        """Ids of the rows for which a test holds."""
        return {self.listing.id(row) for row in self.rows if test(row)}


def _members(
    shape: Property, parts: Sequence[Any], hidden: frozenset[str], above: tuple[str, ...] = ()
) -> Iterator[Member]:
    """parts: of each row what lies below `above`"""
    for each in shape.members.values():
        names = (*above, each.name)
        path = ".".join(names)
        if path in hidden or each.kind == "collection":
            continue
        values = tuple([part.get(each.name) if isinstance(part, dict) else None for part in parts])
        if each.kind == "object":
            if len(names) < DEEPEST:
                yield from _members(each, values, hidden, names)
            continue
        if not any(isinstance(value, (dict, list)) for value in values):
            yield Member(path, "number" if each.kind == "integer" else each.kind, values)


@dataclass(frozen=True)
class Question:
    """One filter. text: as it stands in the query; name: of what it shows, `like contains`; code: if it is wrong"""

    text: str
    holds: Test
    name: str
    source: str = "DOC"


def compare(operator: str, found: Member, value: Any) -> Question:
    """A member against a value."""
    text = f"{operator}({found.path},{literal(value, found.kind)})"
    if operator in _SIGNS:
        sign = _SIGNS[operator]
        return Question(
            text, lambda row: _is(member(row, found.path), lambda one: sign(one, value)), _name(operator, found)
        )
    if operator == "eq":
        return Question(text, lambda row: member(row, found.path) == value, _name(operator, found))
    return Question(text, lambda row: member(row, found.path) != value, _name(operator, found))


def among(operator: str, found: Member, values: Sequence[Any]) -> Question:
    """A member against a list of values."""
    text = f"{operator}({found.path},({','.join(literal(each, found.kind) for each in values)}))"
    inside = operator == "in"
    return Question(text, lambda row: (member(row, found.path) in values) is inside, _name(operator, found))


def unset(operator: str, found: Member) -> Question:
    """Rows without a value, or, for `ne`, with one."""
    wanted = operator == "eq"
    return Question(
        f"{operator}({found.path},null())",
        lambda row: (member(row, found.path) is None) is wanted,
        f"{operator} null()",
    )


def like(operator: str, found: Member, pattern: str, name: str) -> Question:
    """A text against a pattern, whose stars stand at its ends; `ilike` does not mind the case."""
    folded = operator == "ilike"
    body = (pattern.casefold() if folded else pattern).strip("*")

    def holds(row: Row) -> bool:
        value = member(row, found.path)
        if not isinstance(value, str):
            return False
        text = value.casefold() if folded else value
        if pattern.startswith("*") and pattern.endswith("*"):
            return body in text
        if pattern.endswith("*"):
            return text.startswith(body)
        return text.endswith(body) if pattern.startswith("*") else text == body

    return Question(f"{operator}({found.path},{_quoted(pattern)})", holds, f"{operator} {name}")


def both(one: Question, other: Question, text: str, name: str) -> Question:
    """Rows for which both hold, written as `text` says with {0} and {1} for the two."""
    return Question(text.format(one.text, other.text), lambda row: one.holds(row) and other.holds(row), name)


def either(one: Question, other: Question, text: str, name: str) -> Question:
    """Rows for which one of the two holds, or both."""
    return Question(text.format(one.text, other.text), lambda row: one.holds(row) or other.holds(row), name)


def negated(one: Question) -> Question:
    """Rows for which it does not hold."""
    return Question(f"not({one.text})", lambda row: not one.holds(row), "not")


def literal(value: Any, kind: str) -> str:
    """A value as clients write it: texts and dates in quotes, numbers and booleans bare."""
    if kind == "boolean":
        return str(value).lower()
    return repr(value) if kind == "number" else _quoted(str(value))


def writable(value: Any, kind: str) -> bool:
    """Whether a value can be written without doubt: a text without what queries are made of, a number in few digits."""
    if kind == "number":
        return "e" not in repr(value) and float(value) == round(float(value), 2)
    return kind == "boolean" or (isinstance(value, str) and _PLAIN.fullmatch(value) is not None)


def _quoted(text: str) -> str:
    return f"'{text}'"


def _is(value: Any, test: Callable[[Any], bool]) -> bool:
    return value is not None and test(value)


def _name(operator: str, found: Member) -> str:
    return f"{operator} {found.kind}"


def of_kind(members: Iterable[Member], kind: str, *, least: int = 2) -> list[Member]:
    """Members of a kind that have at least so many different values."""
    return [each for each in members if each.kind == kind and len(each.set) >= least]
