"""Whose rows lists show: own ones and no others, none left out, counted, and as a reading by id has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from contracts.facts import Row
from contracts.findings import Finding
from contracts.listing import Listing, leaves, listings, operations
from contracts.probe import Nothing, Probe, member
from contracts.readings import differs, read, reading, texts
from contracts.registry import check
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation

SPOKEN = 5
"""Objects that other lists speak of and that are asked for by id."""
SAMPLE = 2
"""Rows of a list that are read by id, too."""


@check(
    "rows.lists",
    proves="every list, below other objects too, shows the caller's own rows, all of them, and counts no others",
    codes=("R201", "R202", "R203"),
    cases=operations,
)
def lists(p: Probe, case: str) -> Iterator[Finding]:
    made = listings(p, case)
    foreign = list(_foreign(p, made)) or list(_slipped(p, made))
    yield from foreign
    if foreign:
        p.facts.faults.add(("R201", case))
    else:
        yield from _missing(p, made)
        yield from _totals(p, made)


def _foreign(p: Probe, made: Sequence[Listing]) -> Iterator[Finding]:
    """R201, once for each role."""
    for listing in made:
        for row in listing.all():
            why = _stranger(p, listing, row) or _elsewhere(p, listing, row, made)
            if why is not None:
                expected, came, steps = why
                yield p.finding(
                    "R201",
                    listing.first,
                    expected=expected,
                    came=f"{listing.id(row)}: {came}",
                    source=p.api.visibility[listing.operation.entity].source,
                    place="visibility",
                    subject=listing.caller.role,
                    steps=steps,
                )
                break


def _slipped(p: Probe, made: Sequence[Listing]) -> Iterator[Finding]:
    """R201: rows that the list as a whole does not show, and another page or another question does."""
    told: set[str] = set()
    for listing in made:
        if listing.sees_all or listing.operation.below is not None or not listing.whole or listing.caller.role in told:
            continue
        for query in _questions(p, listing):
            exchange = p.expect(listing.ask(query), 200)
            over = [id for id in listing.ids(listing.shown(exchange)) if id not in listing.ids(listing.all())]
            if over:
                told.add(listing.caller.role)
                yield p.finding(
                    "R201",
                    exchange,
                    expected="no rows but those that the list shows as a whole",
                    came=f"{over[0]}, and {len(over) - 1} more" if over[1:] else over[0],
                    source=p.api.visibility[listing.operation.entity].source,
                    place="visibility",
                    subject=listing.caller.role,
                    steps=(listing.first,),
                )
                break


def _questions(p: Probe, listing: Listing) -> list[str]:
    """What is asked for otherwise: a later page, and, where there are such, a filter and an order."""
    paging = p.api.conventions.paging
    size = f"{paging['limit']}={paging['cap']}" if paging else ""
    queries = [f"{size}&{paging['offset']}=1"] if paging else []
    if p.api.conventions.query == "rql":
        queries.append(f"ne({listing.key},'x')&order=-{listing.key}&{size}")
    for name, path in listing.operation.filters.items():
        value = next((value for row in listing.all() for value in leaves(row, path)), None)
        queries += [f"{name}={value}&{size}"] if value is not None else []
    return queries


Reason = tuple[str, str, Sequence[Exchange]]


def _stranger(p: Probe, listing: Listing, row: Row) -> Reason | None:
    """Why a row is not the caller's, told by the row itself: what is expected, what came."""
    entity, caller = listing.operation.entity, listing.caller
    if listing.id(row) in p.facts.named(caller, "foreign", entity):
        return f"nothing that contracts.toml names as foreign to {caller.name}", "is one of those", ()
    told = p.api.visibility[entity].told_by(caller.role)
    if told is not None and p.facts.is_own(entity, row, caller) is False:
        mine = caller.account or ", ".join(caller.grants)
        return f"rows of {caller.name} alone, whose {told} is {mine}", f"{told} is {member(row, told)}", ()
    if told is not None and not listing.sees_all and not caller.account and not caller.grants and p.api.scope is None:
        # Nobody said who the caller is: the first row does, and all others have to agree.
        first = member(listing.all()[0], told)
        if member(row, told) != first:
            return f"rows of one {told} alone (inferred: {first})", f"{told} is {member(row, told)}", ()
    above = _above(p, listing, row)
    if above is not None:
        name, value = above
        return f"rows below {listing.params[listing.operation.parent or '']} alone", f"{name} is {value}", ()
    return None


def _above(p: Probe, listing: Listing, row: Row) -> tuple[str, Any] | None:
    """The member of a row that names another object above it than the path did."""
    operation = listing.operation
    if operation.below is None or operation.parent is None:
        return None
    word = operation.below[:1].lower() + operation.below[1:]
    for name in (f"{word}.{p.key(operation.below)}", operation.parent):
        value = member(row, name)
        if name != listing.key and isinstance(value, str) and value != listing.params[operation.parent]:
            return name, value
    return None


def _elsewhere(p: Probe, listing: Listing, row: Row, made: Sequence[Listing]) -> Reason | None:
    """A row that is shown in two places of the API's scope, of which it can be in one alone."""
    scope = p.api.scope.parameter if p.api.scope is not None else None
    if scope is None:
        return None
    for other in made:
        if other.params[scope] != listing.params[scope] and listing.id(row) in other.ids(other.all()):
            where = f"is shown in {other.params[scope]}, too"
            return f"rows of {listing.params[scope]} alone", where, (other.first,)
    return None


def _missing(p: Probe, made: Sequence[Listing]) -> Iterator[Finding]:
    """R202, once for each role: what the settings name, and what another's list of the same shows."""
    for listing in made:
        shown = set(listing.ids(listing.all()))
        lost = _lost(p, listing, shown, made) if listing.whole else None
        if lost is not None:
            id, who, steps = lost
            yield p.finding(
                "R202",
                listing.first,
                expected=f"{id}, which is {listing.caller.name}'s: {who}",
                came=f"{len(shown)} rows without it",
                source=p.api.visibility[listing.operation.entity].source,
                place="visibility",
                subject=listing.caller.role,
                steps=steps,
            )


def _lost(
    p: Probe, listing: Listing, shown: set[str], made: Sequence[Listing]
) -> tuple[str, str, Sequence[Exchange]] | None:
    entity, caller = listing.operation.entity, listing.caller
    if listing.operation.below is None:
        told = p.api.visibility[entity].told_by(caller.role)
        granted = caller.grants if told == listing.key else ()
        for id in (*p.facts.named(caller, "own", entity), *(each for each in granted if ":" not in each)):
            if id not in shown:
                return id, "its settings name it", ()
    referred = _referred(p, listing, shown)
    if referred is not None:
        return referred
    for other in made:
        if other.caller is caller or other.params != listing.params:
            continue
        for row in other.all():
            own = p.facts.is_own(entity, row, caller)
            same = own is None and _same_rows(p, listing, other.caller)
            if (own or same) and other.id(row) not in shown:
                return other.id(row), f"{other.caller.name} is shown it", (other.first,)
    return None


def _referred(p: Probe, listing: Listing, shown: set[str]) -> tuple[str, str, Sequence[Exchange]] | None:
    """An object that other lists of the caller's speak of, that is there by id, and that the list does not show."""
    found = p.reads(listing.operation.entity)
    if listing.operation.below is not None or found is None or found.key is None or listing.caller not in p.may(found):
        return None
    spoken = dict.fromkeys(id for id in _spoken_of(p, listing) if id not in shown)
    for id in list(spoken)[:SPOKEN]:
        exchange = read(p, found, listing.caller, {**listing.params, found.key: id})
        if (
            exchange.status == 200
            and p.facts.is_own(listing.operation.entity, exchange.json, listing.caller) is not False
        ):
            return id, "it is there by id", (exchange,)
    return None


def _spoken_of(p: Probe, listing: Listing) -> Iterator[str]:
    """Ids of the list's entity in rows of other lists: told by their form, or by a row that says what it sums up."""
    entity, api = listing.operation.entity, p.api
    form = api.conventions.ids.get(entity)
    pattern = re.compile(form.pattern) if form is not None and form.form == "groups" else None
    word = entity[:1].lower() + entity[1:]
    for each in api.operations.values():
        if each.does != "list" or each.below is not None or each.entity == entity or listing.caller not in p.may(each):
            continue
        for row in p.facts.rows(each, listing.caller, listing.params):
            if pattern is not None:
                yield from (text for text in texts(row) if pattern.fullmatch(text))
            elif word in row.values() and isinstance(row.get(listing.key), str):
                yield row[listing.key]


def _same_rows(p: Probe, listing: Listing, other: Caller) -> bool:
    """Whether two callers who may both ask are to see the same: below one object, or in one place of the scope."""
    scope = p.api.scope.parameter if p.api.scope is not None else None
    return scope in listing.params or (
        listing.operation.below is not None and isinstance(p.api.visibility[listing.operation.entity].rows, str)
    )


def total_is_of(made: Sequence[Listing]) -> str:
    """R203 where a total counts rows that are hidden from the caller; Q502 where it is wrong for whoever sees all."""
    for listing in made:
        if listing.sees_all and listing.whole and listing.told(listing.first).get("total") != len(listing.all()):
            return "Q502"
    return "R203"


def _totals(p: Probe, made: Sequence[Listing]) -> Iterator[Finding]:
    if total_is_of(made) != "R203":
        return
    for listing in made:
        total, shown = listing.told(listing.first).get("total"), len(listing.all())
        if not listing.sees_all and listing.whole and isinstance(total, int) and total > shown:
            yield p.finding(
                "R203",
                listing.first,
                expected=f"a total of {shown}, as many rows as {listing.caller.name} may see",
                came=f"a total of {total}",
                source=p.api.visibility[listing.operation.entity].source,
                place="visibility",
                subject=listing.caller.role,
            )


def with_reading(api: Api) -> Sequence[str]:
    """Lists whose rows can be read by id, too."""
    return [id for id in operations(api) if reading(api, api.operations[id]) is not None]


@check(
    "rows.readings",
    proves="a row of a list is what a reading by its id tells, in whatever both have",
    codes=("R212",),
    cases=with_reading,
)
def readings(p: Probe, case: str) -> Iterator[Finding]:
    found = reading(p.api, p.operation(case))
    assert found is not None
    made = [each for each in listings(p, case) if each.all() and each.caller in p.may(found)]
    for listing in {each.caller.name: each for each in reversed(made)}.values():
        yield from _differing(p, listing, found, made)
    if not made:
        raise Nothing(f"{case} shows no rows to anybody who may ask for them by id")


def _differing(p: Probe, listing: Listing, found: Operation, made: Sequence[Listing]) -> Iterator[Finding]:
    rows = [
        row for row in listing.all() if _stranger(p, listing, row) is None and _elsewhere(p, listing, row, made) is None
    ]
    chosen = p.facts.chance("readings", listing.operation.id, listing.caller.name).sample(rows, min(SAMPLE, len(rows)))
    assert found.key is not None
    answers = [read(p, found, listing.caller, {**listing.params, found.key: listing.id(row)}) for row in chosen]
    missing = p.status("find", found.entity)
    known = [each for each in answers if each.status == 200]
    for row, exchange in zip(chosen, answers, strict=True):
        # Where a missing right has the same status, it explains the refusal unless others are answered.
        if exchange.status == missing and (known or missing != p.status("role")):
            came, name = f"{exchange.status} for {listing.id(row)}", "there"
        else:
            p.expect(exchange, 200)
            difference = differs(row, exchange.json)
            if difference is None:
                continue
            name, one, other = difference
            came = f"{name}: {one!r} in the list, {other!r} by id"
        yield p.finding(
            "R212",
            exchange,
            expected=f"{listing.id(row)} as {listing.operation.id} shows it",
            came=came[:300],
            source=p.api.visibility[found.entity].source,
            place="visibility",
            operation=listing.operation.id,
            subject=f"{name} {found.id}",
            steps=(listing.first,),
        )
