"""What views leave out until it is asked for, and what they say about it; and that they leave out nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contracts.facts import Row
from contracts.findings import Finding
from contracts.listing import Listing, leaves, listings, operations
from contracts.probe import Nothing, Probe, member
from contracts.readings import read, reading
from contracts.registry import check
from contracts.veils import covers, merged, scalars, together, veil_of
from contracts.wire import Caller, Exchange
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


@check(
    "visibility.shown",
    proves="what a role may see of an object is there for it, as it is for whoever sees more",
    codes=("R208",),
    cases=operations,
)
def shown(p: Probe, case: str) -> Iterator[Finding]:
    made = [each for each in listings(p, case) if each.all()]
    callers = {each.caller.name for each in made}
    if not made:
        raise Nothing(f"{case} shows no rows to anybody")
    if len(callers) < 2:
        return
    told: dict[tuple[str, str], Finding] = {}
    for listing in made:
        whole = together(p, listing)
        veil = veil_of(p.api, listing.operation.entity, listing.caller.role)
        for row in listing.all():
            lost = _lost(row, whole[listing.id(row)], veil)
            if lost is not None and (lost, listing.caller.role) not in told:
                found = _missing(p, listing.operation, listing.caller, listing.first, lost, listing.id(row))
                told[lost, listing.caller.role] = found
    yield from told.values()
    # What a list is without a reading is without, too: one fault.
    yield from _readings(p, made) if not told else ()


def _readings(p: Probe, made: Sequence[Listing]) -> Iterator[Finding]:
    """The same by id: one object that two callers of different roles may read."""
    found = reading(p.api, made[0].operation)
    if found is None or found.key is None:
        return
    for one in made:
        others = [each for each in made if each.caller.role != one.caller.role and each.params == one.params]
        shared = [id for id in one.ids(one.all()) if any(id in each.ids(each.all()) for each in others)]
        askers = {each.caller.name: each.caller for each in (one, *others) if each.caller in p.may(found)}
        if not shared or len(askers) < 2:
            continue
        params = {**one.params, found.key: shared[0]}
        answers = [read(p, found, caller, params) for caller in askers.values()]
        whole: Row = {}
        for exchange in answers:
            whole = merged(whole, exchange.json) if exchange.status == 200 else whole
        for exchange in answers:
            veil = veil_of(p.api, found.entity, exchange.caller.role)
            lost = _lost(exchange.json, whole, veil) if exchange.status == 200 else None
            if lost is not None:
                yield _missing(p, found, exchange.caller, exchange, lost, shared[0])
        return


def _lost(row: Row, whole: Row, veil: Sequence[str]) -> str | None:
    """The first member that others are shown, that is not hidden, and that is missing."""
    for name, _ in scalars({key: value for key, value in whole.items() if key != "$meta"}):
        if not leaves(row, name) and not covers(veil, name):
            return name
    return None


def _missing(p: Probe, operation: Operation, caller: Caller, exchange: Exchange, lost: str, id: str) -> Finding:
    return p.finding(
        "R208",
        exchange,
        expected=f"{lost} of {id}, which others are shown and which is not hidden from {caller.role}",
        came=f"no {lost}",
        source=p.api.visibility[operation.entity].source,
        place="visibility",
        operation=operation.id,
        subject=f"{lost} {caller.role}",
    )
