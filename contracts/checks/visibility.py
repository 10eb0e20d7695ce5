"""Which members who sees: in lists, by id, through references, in files, and what can be asked about hidden ones."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.facts import Row
from contracts.findings import Finding
from contracts.listing import Listing, leaves, listings, operations, shape_of
from contracts.probe import Blocked, Nothing, Probe
from contracts.readings import read, reading
from contracts.registry import check
from contracts.veils import covers, led_to, scalars, together, veil_of
from contracts.wire import Exchange
from specs.shapes import Property
from specs.tables import Api, Operation

FILES = ("text/csv", "application/jsonl", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


def hiding(api: Api) -> Sequence[str]:
    """Lists of something that has hidden members, or, where views can be changed, leads to something that has."""
    return [id for id in operations(api) if _hides(api, api.operations[id])]


def _hides(api: Api, operation: Operation) -> bool:
    if any(veil_of(api, operation.entity, role) for role in operation.roles):
        return True
    return api.conventions.query == "rql" and any(led_to(api, operation.entity, role) for role in operation.roles)


@check(
    "visibility.hidden",
    proves="what a role must not see is in no list, no reading and behind no reference, even when it is asked for",
    codes=("R204", "R205"),
    cases=hiding,
)
def hidden(p: Probe, case: str) -> Iterator[Finding]:
    for listing in _one_each(p, case):
        api, entity, role = p.api, listing.operation.entity, listing.caller.role
        veil, led = veil_of(api, entity, role), led_to(api, entity, role)
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
        questions = {path: _below(listing.shape, path) for path in veil_of(api, entity, role)}
        for name, paths in led_to(api, entity, role).items():
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
    """Where members that are not there are refused: in filters, in orders. Elsewhere hidden ones tell nothing."""
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
        and any(veil_of(api, api.operations[id].entity, role) for role in api.operations[id].roles)
    ]


@check(
    "visibility.files",
    proves="a file of a list holds nothing that its reader must not see",
    codes=("R207",),
    cases=exporting,
)
def files(p: Probe, case: str) -> Iterator[Finding]:
    for listing in _one_each(p, case):
        role, veil = listing.caller.role, veil_of(p.api, listing.operation.entity, listing.caller.role)
        whole = together(p, listing)
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
    """Hidden members whose values stand in the cells of their rows, more than once, and no other member explains it."""
    found: Counter[str] = Counter()
    for cells in table:
        row = next((whole[cell] for cell in cells if cell in whole), None)
        if row is None:
            continue
        told = {_plain(value) for name, value in scalars(row) if not covers(veil, name)}
        shown = {_plain(cell) for cell in cells} - told
        for name, value in scalars(row):
            if covers(veil, name) and _plain(value) in shown:
                found[next(path for path in veil if covers([path], name))] += 1
    return [path for path, times in found.items() if times > 1]


def _plain(value: Any) -> str:
    """A cell or a value in one spelling: numbers without what does not count, texts as they are."""
    try:
        return f"{float(value):.9g}"
    except (TypeError, ValueError):
        return str(value)
