"""Orders: the one that is asked for, unset values in their place, and the same one whenever it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

from contracts.facts import ENOUGH
from contracts.findings import Finding
from contracts.listing import Listing, marks, operations, parameter, widest
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.queries import Known, Member, of_kind
from contracts.registry import check
from contracts.values import instant
from contracts.wire import Exchange

KINDS = ("string", "number", "date", "enum", "boolean")
FEW = 3
"""Members that a list of a few rows is ordered by."""
STAMP = "audit.created.at"


@check(
    "ordering.orders",
    proves="rows come in the order that is asked for, by any kind of member, up and down, unset ones in their place",
    codes=("Q503", "Q504"),
    cases=operations,
)
def orders(p: Probe, case: str) -> Iterator[Finding]:
    listing = widest(p, case)
    if len(listing.all()) < 2:
        raise Nothing(f"{case} shows nobody two rows")
    if p.api.conventions.query == "rql":
        yield from _by_query(p, listing)
    elif p.api.conventions.sorts and parameter(p, listing.operation, p.api.conventions.sorts["parameter"]):
        yield from _by_parameter(p, listing)
    else:
        yield from _by_itself(p, listing)


# In the query string


def _by_query(p: Probe, listing: Listing) -> Iterator[Finding]:
    known = Known.of(listing)
    chosen = _chosen(p, known)
    wrong = [found for each in chosen for found in _both_ways(p, known, each)]
    stamp = _stamp(p, listing)
    if stamp is not None and not wrong:
        wrong = list(_both_ways(p, *stamp))
    yield from _summed_up(p, listing, wrong)
    if not wrong and chosen:
        yield from _two_keys(p, known)
        yield from _steady(p, known, chosen)


def _summed_up(p: Probe, listing: Listing, wrong: Sequence[Finding]) -> Iterator[Finding]:
    """One fault, one finding: what is wrong with several kinds of members is told of one of them."""
    ways = {each.subject.rpartition(" ")[2] for each in wrong}
    if not wrong:
        return
    found = next((each for each in wrong if each.subject != "unset"), wrong[0])
    subject = found.subject
    if len(wrong) > 1 and subject != "unset":
        subject = "descending" if ways == {"descending"} else "any"
    p.facts.faults.add(("Q503", listing.operation.id))
    yield replace(found, subject=subject, operation=p.facts.first("Q503", subject, listing.operation))


def _chosen(p: Probe, known: Known) -> list[Member]:
    """A member of each kind with different values, and one that some rows are without."""
    chance = p.facts.chance("ordering", known.listing.operation.id)
    members, chosen = known.members(), []
    for kind in KINDS:
        several = of_kind(members, kind)
        if several:
            chosen.append(chance.choice(several))
    partly = [each for each in members if each.is_unset and each.set and each not in chosen]
    if partly:
        chosen.append(chance.choice(partly))
    # A list of a few rows cannot tell much of any order.
    return chosen if len(known.rows) >= ENOUGH else chance.sample(chosen, min(FEW, len(chosen)))


def _stamp(p: Probe, listing: Listing) -> tuple[Known, Member] | None:
    """When rows were made: clients order by it whether they select it or not."""
    if "audit" not in listing.shape.members:
        return None
    known = Known.of(listing, "+audit")
    return next(((known, each) for each in known.members() if each.path == STAMP and len(each.set) > 1), None)


def _ids(known: Known, exchange: Exchange) -> list[str]:
    """Ids as they come. Raises Blocked where a part of a list was asked for, and more came: filters tell of that."""
    found = known.ids(exchange)
    if known.more and not set(found) <= set(known.listing.ids(known.rows)):
        raise Blocked(f"{known.listing.operation.id} shows rows that were not asked for; no telling their order")
    return found


def _both_ways(p: Probe, known: Known, chosen: Member) -> Iterator[Finding]:
    up, down = known.ask(f"order={chosen.path}"), known.ask(f"order=-{chosen.path}")
    values = dict(zip(known.listing.ids(known.rows), chosen.values, strict=True))
    for exchange, descending in ((up, False), (down, True)):
        wrong = _disorder(_ids(known, exchange), values, chosen.kind, descending=descending, unset_last=descending)
        if wrong is not None:
            what, came = wrong
            yield _finding(p, known.listing, exchange, chosen, what, came, descending)
            return
    if chosen.kind == "enum" and _groups(_ids(known, up), values) != _groups(_ids(known, down), values)[::-1]:
        # In which order an enum's texts stand nobody says; but down is the other way round.
        yield _finding(p, known.listing, down, chosen, "values", "not the other way round", True, steps=(up,))


def _finding(
    p: Probe,
    listing: Listing,
    exchange: Exchange,
    chosen: Member,
    what: str,
    came: str,
    descending: bool,
    steps: Sequence[Exchange] = (),
) -> Finding:
    way = "descending" if descending else "ascending"
    subject = "unset" if what == "unset" else f"{chosen.kind} {way}"
    where = "last" if descending else "first"
    return p.finding(
        "Q503",
        exchange,
        expected=f"rows {way} by {chosen.path}, those without one {where}",
        came=came,
        # Where rows without a value stand is our reading; that the rest is in order is not.
        source="INF" if what == "unset" else "DOC",
        place="conventions",
        operation=listing.operation.id,
        subject=subject,
        steps=steps,
    )


def _groups(ids: Sequence[str], values: Mapping[str, Any]) -> list[Any]:
    return [value for value, _ in groupby(values[id] for id in ids) if value is not None]


def _disorder(
    ids: Sequence[str], values: Mapping[str, Any], kind: str, *, descending: bool, unset_last: bool
) -> tuple[str, str] | None:
    """What is out of order, `unset` or `values`, and how it shows; None if nothing is."""
    if sorted(ids) != sorted(values):
        return "values", f"{len(ids)} rows, of {len(values)}"
    found = [values[id] for id in ids]
    is_set = [value is not None for value in found]
    if is_set != sorted(is_set, reverse=unset_last):
        return (
            "unset",
            f"rows without one at {[at for at, there in enumerate(is_set) if not there][:5]} of {len(found)}",
        )
    ordered = [value for value in found if value is not None]
    if kind == "enum":
        right = len(list(groupby(ordered))) == len(set(ordered))
    else:
        # Which text comes first is a matter of the deployment's collation: with or without regard to case.
        keys: list[Callable[[Any], Any]] = [lambda value: value]
        keys += [str.casefold] if kind == "string" else []
        right = any(ordered == sorted(ordered, key=key, reverse=descending) for key in keys)
    return None if right else ("values", ", ".join(map(str, ordered[:6])))


def _two_keys(p: Probe, known: Known) -> Iterator[Finding]:
    """By a member of which several rows have the same value, then by id downwards."""
    plain = [each for each in known.members() if each.kind in ("string", "enum", "boolean") and not each.is_unset]
    tied = [each for each in plain if 1 < len(each.set) < len(each.values)]
    if not tied:
        return
    first = p.facts.chance("two keys", known.listing.operation.id).choice(tied)
    exchange = known.ask(f"order={first.path},-{known.listing.key}")
    ids = _ids(known, exchange)
    values = dict(zip(known.listing.ids(known.rows), first.values, strict=True))
    right = all(
        list(group) == sorted(group, reverse=True)
        for group in [list(each) for _, each in groupby(ids, key=lambda id: values[id])]
    )
    if not right or _disorder(ids, values, first.kind, descending=False, unset_last=False):
        yield p.finding(
            "Q503",
            exchange,
            expected=f"rows by {first.path}, equal ones by {known.listing.key} downwards",
            came=", ".join(f"{values[id]} {id}" for id in ids[:4]),
            source="DOC",
            place="conventions",
            operation=p.facts.first("Q503", "two keys", known.listing.operation),
            subject="two keys",
        )


def _steady(p: Probe, known: Known, chosen: Sequence[Member]) -> Iterator[Finding]:
    """The same question gives the same order, whole or in pages."""
    loose = min(chosen, key=lambda each: len(each.set))
    question = f"order={loose.path}"
    first = known.ask(question)
    ids, again = _ids(known, first), known.ask(question)
    paging = p.api.conventions.paging
    size = max(1, len(ids) // 2)
    last, steps = again, [first]
    came = _ids(known, again)
    if came == ids:
        halves = [
            known.listing.ask(f"{question}&{paging['limit']}={size}&{paging['offset']}={offset}{known.more}")
            for offset in range(0, len(ids), size)
        ]
        came = [id for half in halves for id in _ids(known, half)]
        last, steps = halves[-1], [first, *halves[:-1]]
    # Pages that do not make up the list are a matter of paging.
    if came != ids and sorted(came) == sorted(ids):
        yield p.finding(
            "Q504",
            last,
            expected=f"the same order by {loose.path} whenever it is asked for, whole and in pages of {size}",
            came=", ".join(came[:4]),
            source="DOC",
            place="conventions",
            operation=p.facts.first("Q504", "steady", known.listing.operation),
            subject="steady",
            steps=steps,
        )


# By a parameter of the spec


def _by_parameter(p: Probe, listing: Listing) -> Iterator[Finding]:
    sorts = p.api.conventions.sorts
    said = parameter(p, listing.operation, sorts["parameter"])
    schema, source = p.resolved(said["schema"]), marks(str(said.get("description", "")))
    if not listing.whole:
        raise Nothing(f"{listing.operation.id} shows more rows than are read to see their order")
    for value in schema["enum"]:
        found = listing.every(f"{sorts['parameter']}={value}")
        path, descending = sorts["members"][value.removeprefix("-")], value.startswith("-")
        wrong = _sorted(listing, found.rows, path, descending)
        if wrong is not None:
            code, came = wrong
            way = f"{'descending' if descending else 'ascending'} {'ties' if code == 'Q504' else ''}".strip()
            yield p.finding(
                code,
                found.exchange,
                expected=f"rows {'descending' if descending else 'ascending'} by {path}, equal ones by {sorts['ties']}",
                came=came,
                source="M" if code == "Q504" or came.startswith("unset") else source,
                place="conventions",
                subject=f"{sorts['parameter']} {way}",
            )
        elif value == schema.get("default") and listing.ids(found.rows) != listing.ids(listing.all()):
            yield p.finding(
                "Q503",
                listing.first,
                expected=f"the order of {value} where none is said",
                came=", ".join(listing.ids(listing.all())[:4]),
                source=source,
                place="conventions",
                subject="default",
                steps=(found.exchange,),
            )


def _sorted(listing: Listing, rows: Sequence[Any], path: str, descending: bool) -> tuple[str, str] | None:
    """The code and the sight of what is out of order; ties stay in one order whichever way the rest goes."""
    ids = listing.ids(rows)
    values = {listing.id(row): member(row, path) for row in rows}
    if sorted(ids) != sorted(listing.ids(listing.all())):
        return "Q503", f"{len(ids)} rows, of {len(listing.all())}"
    kind = "string" if any(isinstance(value, str) for value in values.values()) else "number"
    wrong = _disorder(ids, values, kind, descending=descending, unset_last=not descending)
    if wrong is not None:
        return "Q503", f"{wrong[0]}: {wrong[1]}"
    ties = listing.p.api.conventions.sorts["ties"]
    for _, group in groupby(rows, key=lambda row: member(row, path)):
        keys = [str(member(row, ties)) for row in group]
        if keys != sorted(keys):
            return "Q504", f"equal ones by {ties}: {', '.join(keys[:4])}"
    return None


# As it is


def _by_itself(p: Probe, listing: Listing) -> Iterator[Finding]:
    """Nothing can be asked for: oldest first, as far as rows or their ids tell, and the same when asked again."""
    if ("R201", listing.operation.id) in p.facts.faults:
        raise Blocked(f"{listing.operation.id} shows rows of others; what order those stand in nobody says")
    ids = listing.ids(listing.all())
    by, ages = _ages(p, listing)
    wrong = next((f"{id} before {other}" for (age, id), (later, other) in pairwise(ages) if age > later), None)
    if wrong is not None:
        yield p.finding(
            "Q503",
            listing.first,
            expected=f"rows by {by}",
            came=wrong,
            source="M",
            place="conventions",
            operation=p.facts.first("Q503", "by itself", listing.operation),
            subject="by itself",
        )
    paging = p.api.conventions.paging
    again = p.expect(listing.ask(f"{paging['limit']}={paging['cap']}" if paging else ""), 200)
    if listing.ids(listing.shown(again)) != ids[: int(paging.get("cap", len(ids)))]:
        yield p.finding(
            "Q504",
            again,
            expected="the same order whenever it is asked for",
            came=", ".join(listing.ids(listing.shown(again))[:4]),
            source="M",
            place="conventions",
            operation=p.facts.first("Q504", "steady", listing.operation),
            subject="steady",
            steps=(listing.first,),
        )


def _ages(p: Probe, listing: Listing) -> tuple[str, Sequence[tuple[Any, str]]]:
    """By what the age of rows is told, and (age, id) of the rows that tell it.

    An id tells an age only where the server gave it: clients name some objects themselves, in this run and before. So
    of rows that were made at once nobody can tell which must come first.
    """
    made, rows = p.api.conventions.lists.get("made"), listing.all()
    if made is not None and all(made in row for row in rows):
        times = [(instant(row[made]), f"{listing.id(row)} of {row[made]}") for row in rows]
        return made, [(time, id) for time, id in times if time is not None]
    forms = {each.form for each in p.api.conventions.ids.values()}
    ids = [each for each in listing.ids(rows) if each not in p.guard.minted] if "ulid" in forms else []
    return f"{listing.key}, which is by time", [(id, id) for id in ids]
