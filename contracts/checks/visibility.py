"""Which members who sees: in lists, by id, through references, in files, and whether one can ask about the hidden ones."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.checks.rows import read, reading
from contracts.facts import Row
from contracts.findings import Finding
from contracts.listing import Listing, leaves, listings, operations, shape_of
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.wire import Caller, Exchange
from specs.shapes import Property
from specs.tables import Api, Operation

FILES = ("text/csv", "application/jsonl", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


def hiding(api: Api) -> Sequence[str]:
    """Lists of something that has hidden members, or, where views can be changed, leads to something that has."""
    return [id for id in operations(api) if _hides(api, api.operations[id])]


def _hides(api: Api, operation: Operation) -> bool:
    if any(_veil(api, operation.entity, role) for role in operation.roles):
        return True
    return api.conventions.query == "rql" and any(_led(api, operation.entity, role) for role in operation.roles)


def _veil(api: Api, entity: str, role: str) -> list[str]:
    return sorted(api.visibility[entity].hidden(role))


def _led(api: Api, entity: str, role: str) -> dict[str, list[str]]:
    """Members that refer to something of which a role may not see all -> the members that it may not see there.

    Of an entity that has rows for other roles alone, nothing but what a reference itself carries may be seen.
    """
    found: dict[str, list[str]] = {}
    for each in shape_of(api, entity).members.values():
        target = each.refers
        if target is None or target not in api.visibility:
            continue
        seen = api.visibility[target]
        if seen.told_by(role) is None and not isinstance(seen.rows, str):
            members = [inner.name for inner in shape_of(api, target).members.values()]
            hidden = [name for name in members if name.casefold() not in each.members]
        else:
            hidden = _veil(api, target, role)
        if hidden:
            found[each.name] = hidden
    return found


@check(
    "visibility.hidden",
    proves="what a role must not see is in no list, no reading by id, and behind no reference, even when it is asked for",
    codes=("R204", "R205"),
    cases=hiding,
)
def hidden(p: Probe, case: str) -> Iterator[Finding]:
    for listing in _one_each(p, case):
        api, entity, role = p.api, listing.operation.entity, listing.caller.role
        veil, led = _veil(api, entity, role), _led(api, entity, role)
        told = list(_shown(p, "R205", listing.operation, veil, listing.all(), listing.first))
        queries = _selections(veil, led) if api.conventions.query == "rql" else {}
        for what, query in queries.items() if not told else ():
            exchange = p.expect(listing.ask(query), 200)
            told += _everywhere(p, "R205", listing.operation, veil, led, listing.shown(exchange), exchange, what)
        found = reading(api, listing.operation)
        if found is None or found.key is None or listing.caller not in p.may(found) or told:
            # What lists show a reading shows, too: one fault.
            yield from told
            continue
        row = p.facts.chance("hidden", case, role).choice(listing.all())
        params = {**listing.params, found.key: listing.id(row)}
        for what, query in {"": "", **(queries if _takes_select(p, found) else {})}.items():
            exchange = read(p, found, listing.caller, params, query)
            if exchange.status == 200 and not told:
                told += _everywhere(p, "R204", found, veil, led, [exchange.json], exchange, what)
        yield from told


def _one_each(p: Probe, case: str) -> list[Listing]:
    """The list as the first caller of each role that sees rows of it."""
    found: dict[str, Listing] = {}
    for listing in listings(p, case):
        kept = found.get(listing.caller.role)
        if kept is None or len(kept.all()) < len(listing.all()):
            found[listing.caller.role] = listing
    made = [each for each in found.values() if each.all()]
    if not made:
        raise Nothing(f"{case} shows no rows to anybody")
    return made


def _takes_select(p: Probe, operation: Operation) -> bool:
    return any(each["name"] == "select" for each in p.spec(operation)["parameters"])


def _selections(veil: Sequence[str], led: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Queries that ask for what must not come: all of it, the hidden by name, and what lies behind references."""
    queries = {}
    if veil:
        queries["select"] = "select=" + ",".join(["*", *(f"+{path}" for path in veil)])
    if led:
        deeper = [f"+{name}.{path}" for name, paths in led.items() for path in paths]
        queries["references"] = "select=" + ",".join(f"+{name}" for name in led)
        queries["members of references"] = "select=" + ",".join(deeper)
    return queries


def _everywhere(
    p: Probe,
    code: str,
    operation: Operation,
    veil: Sequence[str],
    led: Mapping[str, Sequence[str]],
    rows: Sequence[Row],
    exchange: Exchange,
    what: str,
) -> Iterator[Finding]:
    shown = list(_shown(p, code, operation, veil, rows, exchange, what))
    yield from shown
    deeper = [f"{name}.{path}" for name, paths in led.items() for path in paths]
    yield from _shown(p, code, operation, deeper, rows, exchange, what) if not shown else ()


def _shown(
    p: Probe,
    code: str,
    operation: Operation,
    paths: Sequence[str],
    rows: Sequence[Row],
    exchange: Exchange,
    what: str = "",
) -> Iterator[Finding]:
    """One finding for all that an answer shows and should not. what: what had been asked for, if anything"""
    found = {path: value for path in paths for row in rows for value in leaves(row, path)[:1]}
    if not found:
        return
    role = exchange.caller.role
    came = "; ".join(f"{path}: {value!r}" for path, value in list(found.items())[:4])
    subject = f"{what} {role}" if what else f"{_named(found)} {role}"
    p.facts.faults |= {(operation.entity, f"{path} {role}") for path in found}
    yield p.finding(
        code,
        exchange,
        expected=f"no {_named(found)} for {role}",
        came=came[:300],
        source=p.api.visibility[operation.entity].source,
        place="visibility",
        # Selections are read alike for all lists: what they give away is told of the first.
        operation=p.facts.first(code, subject, operation) if what else operation.id,
        subject=subject,
    )


def _named(paths: Iterable[str]) -> str:
    named = list(paths)
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def asking(api: Api) -> Sequence[str]:
    """Lists that can be filtered by anything, of something that has hidden members."""
    return [id for id in hiding(api) if api.conventions.query == "rql"]


@check(
    "visibility.asked",
    proves="what a role must not see can be neither filtered nor ordered by, behind references neither",
    codes=("R206",),
    cases=asking,
)
def asked(p: Probe, case: str) -> Iterator[Finding]:
    ways = _refused_ways(p, case)
    for listing in _one_each(p, case):
        api, entity, role = p.api, listing.operation.entity, listing.caller.role
        questions = {path: _below(listing.shape, path) for path in _veil(api, entity, role)}
        for name, paths in _led(api, entity, role).items():
            target = listing.shape.members[name.casefold()].refers
            assert target is not None
            # One of them tells how they are treated.
            plain = ((path, _below(shape_of(api, target), path)) for path in paths)
            path, found = next(((path, found) for path, found in plain if found and found[1]), ("", None))
            if found is not None:
                questions[f"{name}.{path}"] = (f"{name}.{found[0]}", f"{name}.{found[1]}")
        yield from _told(p, listing, questions, ways)
    if len(ways) < 2:
        raise Blocked(f"{case} refuses no unknown members; hidden ones cannot be told from them")


def _refused_ways(p: Probe, case: str) -> list[str]:
    """How members that are not there are refused: in a filter, in an order. Where they are not, hidden ones tell nothing."""
    listing = _one_each(p, case)[0]
    asked = {"filter": "ne(noSuchMember,null())", "order": "order=noSuchMember"}
    return [way for way, query in asked.items() if listing.ask(query).status == p.status("query")]


def _told(
    p: Probe, listing: Listing, questions: Mapping[str, tuple[str, str] | None], ways: Sequence[str]
) -> Iterator[Finding]:
    """One finding for all that a role can ask about and should not."""
    entity, role = listing.operation.entity, listing.caller.role
    answered: dict[str, Exchange] = {}
    for path, question in questions.items():
        # What is shown can be asked about, too: one fault.
        if question is not None and (entity, f"{path} {role}") not in p.facts.faults:
            queries = {"filter": _unset(question[0]), "order": f"order={question[1]}" if question[1] else ""}
            for query in [queries[way] for way in ways if queries[way]]:
                exchange = listing.ask(f"{query}&{p.api.conventions.paging['limit']}=1")
                if exchange.status != p.status("query"):
                    answered.setdefault(path, p.expect(exchange, 200))
    if answered:
        yield p.finding(
            "R206",
            next(iter(answered.values())),
            expected=f"{p.status('query')}: {_named(answered)} unknown to {role}",
            source=p.api.visibility[entity].source,
            place="visibility",
            subject=f"{_named(answered)} {role}",
        )


def _below(shape: Property, path: str) -> tuple[str, str] | None:
    """A question about a hidden member that is right in every other respect: as path of a filter, and of an order.

    None where nothing with a value lies there; no order where the way leads through a collection, `any` in the filter.
    """
    here: Property = shape
    names: list[str] = []
    collection: list[str] = []
    for name in path.split("."):
        if here.kind == "collection":
            collection, names, here = names, [], here.item or here
        found = here.members.get(name.casefold())
        if found is None:
            return None
        names.append(found.name)
        here = found
    while here.kind == "object" and here.members:
        here = next(iter(here.members.values()))
        names.append(here.name)
    if here.kind in ("object", "collection"):
        return None
    if collection:
        return f"any({'.'.join(collection)},{'.'.join(names)})", ""
    return ".".join(names), ".".join(names)


def _unset(path: str) -> str:
    if not path.startswith("any("):
        return f"ne({path},null())"
    collection, _, inner = path[4:-1].partition(",")
    return f"any({collection},ne({inner},null()))"


def exporting(api: Api) -> Sequence[str]:
    """Lists that are told as files, too, of something that has hidden members."""
    return [
        id
        for id in operations(api)
        if any(each.media for each in api.operations[id].capabilities)
        and any(_veil(api, api.operations[id].entity, role) for role in api.operations[id].roles)
    ]


@check(
    "visibility.files",
    proves="a file of a list holds nothing that its reader must not see",
    codes=("R207",),
    cases=exporting,
)
def files(p: Probe, case: str) -> Iterator[Finding]:
    for listing in _one_each(p, case):
        role, veil = listing.caller.role, _veil(p.api, listing.operation.entity, listing.caller.role)
        whole = _by_id(p, listing)
        for media in FILES if veil else ():
            exchange = listing.ask(accept=media)
            if exchange.status != 200 or exchange.answer.media != media:
                # Which types there are, and for whom, is looked at elsewhere.
                continue
            table = _table(exchange, media)
            if media == "application/jsonl":
                leaks = [path for path in veil if any(leaves(row, path) for row in table)]
            else:
                leaks = _leaks(table, whole, veil)
            leaks = [path for path in leaks if (listing.operation.entity, f"{path} {role}") not in p.facts.faults]
            if leaks:
                capability = next(each.id for each in listing.operation.capabilities if each.media)
                yield p.finding(
                    "R207",
                    exchange,
                    expected=f"no {_named(leaks)} for {role}",
                    came=f"{_named(leaks)} in the file",
                    source=p.api.visibility[listing.operation.entity].source,
                    place="visibility",
                    subject=f"{media} {role}",
                    cell=f"{capability}/{role}",
                )


def _by_id(p: Probe, listing: Listing) -> dict[str, Row]:
    """The same rows as who sees most of them has them."""
    found: dict[str, Row] = {}
    for other in listings(p, listing.operation):
        if other.params == listing.params:
            for row in other.all():
                found[other.id(row)] = _merged(found.get(other.id(row), {}), row)
    return found


def _merged(one: Row, other: Row) -> Row:
    both = dict(one)
    for name, value in other.items():
        mine = both.get(name)
        both[name] = _merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return both


def _table(exchange: Exchange, media: str) -> list[Any]:
    """The rows of a file: objects of JSON Lines, cells of a table."""
    if media == "application/jsonl":
        return [json.loads(line) for line in exchange.answer.content.splitlines() if line.strip()]
    if media == "text/csv":
        return list(csv.reader(io.StringIO(exchange.answer.content.decode("utf-8-sig", "replace"))))
    from openpyxl import load_workbook

    sheet = load_workbook(io.BytesIO(exchange.answer.content), read_only=True, data_only=True).worksheets[0]
    return [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]


def _leaks(table: Sequence[Sequence[str]], whole: Mapping[str, Row], veil: Sequence[str]) -> list[str]:
    """Hidden members whose values stand in the cells of their rows, more than once and where no other member explains it."""
    found: Counter[str] = Counter()
    for cells in table:
        row = next((whole[cell] for cell in cells if cell in whole), None)
        if row is None:
            continue
        told = {_plain(value) for name, value in _scalars(row) if not _covers(veil, name)}
        shown = {_plain(cell) for cell in cells} - told
        for name, value in _scalars(row):
            if _covers(veil, name) and _plain(value) in shown:
                found[next(path for path in veil if _covers([path], name))] += 1
    return [path for path, times in found.items() if times > 1]


def _covers(veil: Sequence[str], name: str) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in veil)


def _scalars(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _scalars(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner, name)
    elif value is not None and value != "":
        yield name, value


def _plain(value: Any) -> str:
    """A cell or a value in one spelling: numbers without what does not count, texts as they are."""
    try:
        return f"{float(value):.9g}"
    except (TypeError, ValueError):
        return str(value)


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
        whole = _by_id(p, listing)
        veil = _veil(p.api, listing.operation.entity, listing.caller.role)
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
            whole = _merged(whole, exchange.json) if exchange.status == 200 else whole
        for exchange in answers:
            veil = _veil(p.api, found.entity, exchange.caller.role)
            lost = _lost(exchange.json, whole, veil) if exchange.status == 200 else None
            if lost is not None:
                yield _missing(p, found, exchange.caller, exchange, lost, shared[0])
        return


def _lost(row: Row, whole: Row, veil: Sequence[str]) -> str | None:
    """The first member that others are shown, that is not hidden, and that is missing."""
    for name, _ in _scalars({key: value for key, value in whole.items() if key != "$meta"}):
        if not _covers(veil, name) and not leaves(row, name):
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
