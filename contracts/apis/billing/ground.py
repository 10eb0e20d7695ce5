"""Readings that the checks of billing share: whole lists, exact amounts, and findings about a step."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.wire import Caller, Exchange

Row = Mapping[str, Any]
LONGEST = 100
"""Pages of a list that are read at most; what is said of a whole list is not said of a longer one."""


def exact(exchange: Exchange) -> Any:
    """The body with all its numbers as they stand there. Raises Blocked where it is none."""
    try:
        return json.loads(exchange.answer.content, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        raise Blocked(f"{exchange.operation}: the body is not JSON") from None


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole list, and the call that showed the last page of it."""

    rows: tuple[Row, ...]
    exchange: Exchange

    def ids(self) -> list[str]:
        return [str(row["id"]) for row in self.rows]


def listing(
    p: Probe, operation: str, params: Mapping[str, str] | None = None, query: str = "", caller: Caller | None = None
) -> Listing:
    """Every row of a list, as Operations see it unless somebody else is named.

    Raises Blocked, also where page after page is the same, and Nothing where the list is too long to be read whole.
    """
    who, rows, before = caller or p.who("operations"), list[Row](), list[str]()
    size = int(p.api.conventions.paging["cap"])
    for _ in range(LONGEST):
        asked = "&".join(filter(None, (query, f"limit={size}&offset={len(rows)}")))
        exchange = p.expect(p.call(operation, who, params, query=asked), 200)
        page = exact(exchange).get("data")
        found = [row for row in page if isinstance(row, Mapping)] if isinstance(page, list) else []
        ids = [str(row.get("id")) for row in found]
        if ids and ids == before:
            raise Blocked(f"{operation} shows one page twice; see paging.pages")
        rows, before = rows + found, ids
        if len(found) < size:
            return Listing(tuple(rows), exchange)
    raise Nothing(f"{operation} has more than {len(rows):,} rows there; none are added up")


def below(p: Probe, thing: Thing) -> Listing:
    """The charges below a journal, ledger, custom ledger or statement."""
    operation = p.lists("Charge", thing.entity)
    assert operation is not None and operation.parent is not None
    return listing(p, operation.id, {operation.parent: thing.id})


def of(p: Probe, entity: str, reference: str, id: str) -> Listing:
    """The rows of a list whose reference is this id."""
    operation = p.lists(entity)
    assert operation is not None
    found = listing(p, operation.id, query=f'eq({reference}.id,"{id}")')
    return Listing(tuple(pointing(found.rows, reference, id)), found.exchange)


def pointing(rows: Iterable[Row], reference: str, id: str) -> list[Row]:
    """The rows that say themselves that they belong to an object.

    What a broken filter lets through besides is neither blamed on whatever made it, nor taken for the run's own.
    """
    return [row for row in rows if member(row, f"{reference}.id") == id]


def read(p: Probe, thing: Thing, *, audit: bool = False) -> tuple[Row, Exchange]:
    """An object as Operations read it, amounts exact. Raises Blocked."""
    operation = p.stage.reader(thing)
    query = "select=audit" if audit else ""
    for _ in range(2 if thing.entity in p.stage.stale else 1):
        exchange = p.call(operation, p.who("operations"), p.stage.params(operation, thing), query=query)
    p.expect(exchange, 200)
    found = exact(exchange)
    if not isinstance(found, Mapping):
        raise Blocked(f"{operation.id}: no object")
    return found, exchange


@dataclass(frozen=True, slots=True)
class Follow:
    """What must follow from a step: findings name the step's operation, and show the reading behind it.

    cause: the step; source: the mark of the facts
    """

    p: Probe
    cause: Exchange
    source: str = "CAN"

    def wrong(self, code: str, subject: str, expected: str, came: str, seen: Exchange) -> Finding:
        return self.p.finding(
            code,
            seen,
            expected=expected,
            came=came,
            source=self.source,
            place="machines",
            operation=self.cause.operation,
            subject=subject,
            steps=(self.cause,),
        )

    def equal(self, subject: str, wanted: Any, found: Any, seen: Exchange, code: str = "W406") -> Iterator[Finding]:
        """A finding unless a value is as it must be."""
        if found != wanted:
            yield self.wrong(code, subject, f"{subject}: {_told(wanted)}", _told(found), seen)

    def each_once(self, subject: str, wanted: Iterable[Any], found: Iterable[Any], seen: Exchange) -> Iterator[Finding]:
        """Findings unless each of the wanted is there, once, and nothing else."""
        wanted, there = list(wanted), list(found)
        missing = [each for each in dict.fromkeys(wanted) if there.count(each) < wanted.count(each)]
        if missing:
            yield self.wrong("W406", subject, f"{subject}: {_told(wanted)}", f"none for {_told(missing)}", seen)
        more = [each for each in dict.fromkeys(there) if there.count(each) > wanted.count(each)]
        if more:
            yield self.wrong("W407", subject, f"{subject}: {_told(wanted)}", f"too many: {_told(more)}", seen)

    def links(self, subject: str, rows: Iterable[Row], path: str, wanted: str, seen: Exchange) -> Iterator[Finding]:
        """A finding unless the reference of every row is this id."""
        for row in rows:
            found = member(row, path)
            if found != wanted:
                expected = f"{path} of {row.get('id')}: {wanted}"
                yield self.wrong("M606", subject, expected, _told(found), seen)
                return


def first(findings: Iterator[Finding]) -> Generator[Finding, None, bool]:
    """Yield the first finding, and return whether there was one: what follows from it is not told again."""
    for each in findings:
        yield each
        return True
    return False


def _told(value: Any) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(_told, value)) or "none"
    return "nothing" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)
