"""What views leave out until it is asked for, and what they say about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contracts.checks.rows import read, reading
from contracts.findings import Finding
from contracts.listing import Listing, leaves, listings, operations
from contracts.probe import Nothing, Probe, member
from contracts.registry import check
from contracts.wire import Exchange
from specs.tables import Api, Operation


def omitting(api: Api) -> Sequence[str]:
    """Lists whose rows, or whose readings by id, leave something out, or could."""
    return [
        id
        for id in operations(api)
        if any(api.visibility[api.operations[id].entity].omits.values()) or _tells_omitted(api)
    ]


def _tells_omitted(api: Api) -> bool:
    return "$omitted" in str(api.conventions.lists["envelope"])


@check(
    "views.omitted",
    proves="lists and readings leave out what the tables say and nothing else, and tell what they left out",
    codes=("R209",),
    cases=omitting,
)
def omitted(p: Probe, case: str) -> Iterator[Finding]:
    made = [each for each in listings(p, case) if each.all()]
    if not made:
        raise Nothing(f"{case} shows no rows to anybody")
    for listing in _one_a_role(made):
        omits = p.api.visibility[listing.operation.entity].omits
        left = [name for name in omits.get("list", ()) if name not in listing.hidden]
        yield from _left_out(p, listing.operation, left, listing.all(), listing.first)
        if _tells_omitted(p.api):
            yield from _told(p, listing.operation, left, listing.told(listing.first).get("omitted"), listing.first)
        yield from _by_id(p, listing)


def _one_a_role(made: Iterable[Listing]) -> list[Listing]:
    found: dict[str, Listing] = {}
    for listing in made:
        found.setdefault(listing.caller.role, listing)
    return list(found.values())


def _by_id(p: Probe, listing: Listing) -> Iterator[Finding]:
    found = reading(p.api, listing.operation)
    if found is None or found.key is None or listing.caller not in p.may(found):
        return
    row = listing.all()[0]
    exchange = read(p, found, listing.caller, {**listing.params, found.key: listing.id(row)})
    if exchange.status != 200:
        return
    omits = p.api.visibility[found.entity].omits
    left = [name for name in omits.get("read", ()) if name not in listing.hidden]
    yield from _left_out(p, found, left, [exchange.json], exchange)
    if _tells_omitted(p.api):
        said = member(exchange.json, "$meta.omitted")
        # That single objects have to tell is read out of those that do.
        yield from _told(p, found, left, said, exchange, source="INF" if said is None else "")
    yield from _kept_from_lists(p, listing, found, left, exchange)


def _left_out(
    p: Probe, operation: Operation, left: Sequence[str], rows: Sequence[Any], exchange: Exchange
) -> Iterator[Finding]:
    for name in left:
        if any(name in row for row in rows):
            yield _finding(p, operation, exchange, name, f"no {name} until it is selected", f"{name} in the answer")


def _told(
    p: Probe, operation: Operation, left: Sequence[str], said: Any, exchange: Exchange, source: str = ""
) -> Iterator[Finding]:
    if not isinstance(said, list) or sorted(map(str, said)) != sorted(left):
        if said is None and not left:
            return
        expected = f"told as left out: {', '.join(left) or 'nothing'}"
        yield _finding(p, operation, exchange, "told", expected, f"told as left out: {said}", source)


def _kept_from_lists(
    p: Probe, listing: Listing, found: Operation, left: Sequence[str], exchange: Exchange
) -> Iterator[Finding]:
    """What a list leaves out and a reading does not is there by id, if the object has it: a selection tells."""
    there = [name for name in p.api.visibility[listing.operation.entity].omits.get("list", ()) if name not in left]
    there = [name for name in there if name not in listing.hidden and not leaves(exchange.json, name)]
    if not there:
        return
    if p.api.conventions.query != "rql":
        required = p.schema_of(found.entity).get("required", ())
        lost = [name for name in there if name in required and name not in exchange.json]
    else:
        query = f"select={','.join(f'+{name}' for name in there)}&{p.api.conventions.paging['limit']}=1"
        selected = next(iter(listing.rows(query)), {})
        same = listing.id(selected) == str(exchange.json.get(listing.key))
        lost = [name for name in there if same and leaves(selected, name)]
    for name in lost:
        yield _finding(p, found, exchange, name, f"{name}, which only lists leave out", f"no {name}")


def _finding(
    p: Probe, operation: Operation, exchange: Exchange, name: str, expected: str, came: str, source: str = ""
) -> Finding:
    return p.finding(
        "R209",
        exchange,
        expected=expected,
        came=came,
        source=source or p.api.visibility[operation.entity].source,
        place="visibility",
        operation=operation.id,
        subject=name,
    )
