"""Filters: every operator lets through what fits and nothing else, and what is no question is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contracts.facts import ENOUGH, Row
from contracts.findings import Finding
from contracts.listing import Listing, leaves, listings, marks, operations, parameter, widest, with_rql
from contracts.probe import Blocked, Nothing, Probe
from contracts.queries import Known, Question
from contracts.questions import elements, joined, singles
from contracts.readings import texts
from contracts.registry import check
from contracts.wire import Exchange
from specs.tables import Api, Operation

TRIED = 8
"""Objects that are looked below to find rows that a parameter tells apart."""
VALUES = 8
"""Values of a parameter that are asked for."""
FEW = 8
"""Questions that are asked of a list of a few rows, which cannot tell much."""


@check(
    "filters.operators",
    proves="every operator, alone and joined with others, shows the rows that fit, all of them and no others",
    codes=("Q505", "Q506", "Q507"),
    cases=with_rql,
)
def operators(p: Probe, case: str) -> Iterator[Finding]:
    known = Known.of(widest(p, case))
    chance = p.facts.chance("filters", case)
    many = len(known.rows) >= ENOUGH
    asked = list(singles(known, chance))
    if not many:
        asked = chance.sample(asked, min(FEW, len(asked)))
    wrong = [found for each in asked for found in _answered(p, known, each)]
    if wrong:
        yield from _summed_up(p, known.listing, wrong, len(asked))
        return
    # What joins questions can be told only from parts that are right by themselves, the simple before the rest.
    for questions in joined(asked, chance):
        for question in questions if many else questions[:2]:
            found = next(_answered(p, known, question), None)
            wrong += [found] if found is not None else []
        if wrong:
            yield from wrong
            return
    yield from _collections(p, known.listing)


def _summed_up(p: Probe, listing: Listing, wrong: Sequence[Finding], asked: int) -> Iterator[Finding]:
    """One fault, one finding: a list that takes no filter, an operator that is wrong for every kind, or the reverse."""
    p.facts.faults.add(("Q505", listing.operation.id))
    by_operator: dict[str, list[Finding]] = {}
    by_kind: dict[str, list[Finding]] = {}
    for each in wrong:
        operator, _, kind = each.subject.partition(" ")
        by_operator.setdefault(operator, []).append(each)
        by_kind.setdefault(kind, []).append(each)
    if len(wrong) * 4 >= asked * 3 and len(by_operator) > 2:
        groups = {"filters": list(wrong)}
    elif len(by_kind) == 1 and len(by_operator) > 1:
        groups = by_kind
    else:
        groups = by_operator
    for subject, found in groups.items():
        name = subject if len(found) > 1 or p.facts.is_told(f"filter {subject}") else found[0].subject
        code, operation = p.facts.as_first(f"filter {name}", found[0].code, listing.operation)
        yield replace(found[0], code=code, subject=name, operation=operation)


def _answered(p: Probe, known: Known, question: Question) -> Iterator[Finding]:
    exchange = known.ask(question.text)
    if exchange.status == p.status("query"):
        yield _finding(p, known.listing, exchange, question, "Q506", f"{len(known.holding(question.holds))} rows", "")
        return
    shown = known.ids(exchange)
    came, wanted = set(shown), known.holding(question.holds)
    if came == wanted:
        total = known.listing.told(exchange).get("total")
        if total is not None and total != len(shown) and ("Q502", "total of a page") not in p.facts.faults:
            yield _finding(
                p,
                known.listing,
                exchange,
                replace(question, name="total"),
                "Q502",
                f"a total of {len(shown)}",
                f"{total}",
            )
        return
    over, lost = sorted(came - wanted), sorted(wanted - came)
    code = "Q507" if question.name == "not" else "Q505" if over else "Q506"
    said = [f"{over[0]}, which does not fit"] if over else []
    said += [f"not {lost[0]}, which fits"] if lost else []
    yield _finding(
        p, known.listing, exchange, question, code, f"{len(wanted)} rows", f"{len(came)} rows: {'; '.join(said)}"
    )


def _finding(
    p: Probe, listing: Listing, exchange: Exchange, question: Question, code: str, expected: str, came: str
) -> Finding:
    code, operation = p.facts.as_first(f"filter {question.name}", code, listing.operation)
    return p.finding(
        code,
        exchange,
        expected=f"{expected} for {question.text}"[:300],
        came=came,
        source=question.source,
        place="conventions",
        operation=operation,
        subject=question.name,
        steps=(listing.first,) if came else (),
    )


def _collections(p: Probe, listing: Listing) -> Iterator[Finding]:
    """Elements of a collection, which rows show when it is selected."""
    names = [each.name for each in listing.shape.members.values() if each.kind == "collection"]
    names = [name for name in names if name not in listing.hidden]
    if not names:
        return
    known = Known.of(listing, ",".join(f"+{name}" for name in names))
    for name in names:
        lists = [row.get(name) for row in known.rows]
        held = [each for found in lists if isinstance(found, list) for each in found]
        if not any(isinstance(found, list) for found in lists):
            # Nobody shows it, selected or not: no telling what a filter should find.
            continue
        for question in elements(listing, name, held, p.facts.chance("elements", listing.operation.id, name)):
            yield from _answered(p, known, question)


# What is no question


@check(
    "filters.refused",
    proves="a member that is not there, an operator that is none, and whatever cannot be read is refused",
    codes=("Q513",),
    cases=with_rql,
)
def refused(p: Probe, case: str) -> Iterator[Finding]:
    made = listings(p, case)
    listing = max(made, key=lambda each: len(each.all()))
    for name, query in _wrong(p, listing).items():
        if ("Q503" if "order" in query else "Q505", case) in p.facts.faults:
            # A list that takes no order, or no filter, refuses none either.
            continue
        exchange = listing.ask(query)
        if exchange.status != p.status("query"):
            yield p.finding(
                "Q513",
                exchange,
                expected=f"{p.status('query')}: {name}",
                source="DOC",
                place="conventions",
                operation=p.facts.first("Q513", name, listing.operation),
                subject=name,
            )


def _wrong(p: Probe, listing: Listing) -> dict[str, str]:
    """What is wrong with a question -> the question; what only readers of queries know is asked of one list alone."""
    key = listing.key
    found = {
        "no such member": "eq(noSuchMember,'x')",
        "no such member to order by": "order=noSuchMember",
        "no such operator": f"near({key},'x')",
    }
    if listing.operation.id != with_rql(p.api)[0]:
        return found
    number = next((each for each in listing.shape.members.values() if each.kind == "integer"), None)
    collection = next((each for each in listing.shape.members.values() if each.kind == "collection"), None)
    found |= {
        "no such member below another": f"eq({key}.noSuchMember,'x')",
        "too few arguments": f"eq({key})",
        "too many arguments": f"eq({key},'x','y')",
        "not of two": f"not(eq({key},'x'),eq({key},'y'))",
        "an empty group": "and()",
        "an empty list": f"in({key},())",
        "a parenthesis left open": f"and(eq({key},'x')",
        "a quote left open": f"eq({key},'x)",
        "rql= before a filter": f"rql=eq({key},'x')",
        "null of what is never unset": f"eq({key},null())",
        "an order by nothing": "order=",
        "any of what is no collection": f"any({key})",
    }
    if number is not None:
        found["a text for a number"] = f"eq({number.name},'x')"
        found["like of a number"] = f"like({number.name},'1*')"
    if collection is not None:
        found["eq of a collection"] = f"eq({collection.name},'x')"
    return found


# Declared parameters


def declared(api: Api) -> Sequence[str]:
    """Lists with parameters that choose among their rows."""
    return [id for id in operations(api) if api.operations[id].filters or _includes(api, api.operations[id])]


def _includes(api: Api, operation: Operation) -> list[str]:
    """Parameters that bring in what is left out without them: `includeReversed`, `includeDeleted`."""
    path = operation.path.removeprefix(str(api.document["servers"][0]["url"]).rstrip("/"))
    item = api.document["paths"][path]
    said = [*item.get("parameters", ()), *item[operation.method.lower()].get("parameters", ())]
    found = [
        api.document["components"]["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in said
    ]
    return [each["name"] for each in found if each["in"] == "query" and each["name"].startswith("include")]


@check(
    "filters.parameters",
    proves="declared parameters show the rows that have the value, all of them and no others",
    codes=("Q505", "Q506"),
    cases=declared,
)
def parameters(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    blocked: Blocked | None = None
    for name, path in operation.filters.items():
        try:
            yield from _filtered(p, widest(p, case), name, path)
        except Nothing as reason:
            blocked = reason
    for name in _includes(p.api, operation):
        yield from _included(p, operation, name)
    if blocked is not None:
        raise blocked


def _filtered(p: Probe, listing: Listing, name: str, path: str) -> Iterator[Finding]:
    rows = listing.all()
    values = sorted({str(value) for row in rows for value in leaves(row, path)})
    if not values or not listing.whole:
        raise Nothing(f"no row of {listing.operation.id} has a {path} to filter by")
    said = parameter(p, listing.operation, name)
    unknown = _unknown(values, p.resolved(said.get("schema", {})))
    chosen = p.facts.chance(name, listing.operation.id).sample(values, min(VALUES, len(values)))
    for value in (*chosen, *unknown):
        found = listing.every(f"{name}={value}")
        came = set(listing.ids(found.rows))
        wanted = {listing.id(row) for row in rows if value in map(str, leaves(row, path))}
        if came != wanted:
            yield p.finding(
                "Q505" if came - wanted else "Q506",
                found.exchange,
                expected=f"{len(wanted)} rows whose {path} is {value}",
                came=f"{len(came)} rows, {len(came - wanted)} that do not fit, without {len(wanted - came)} that fit",
                source=marks(str(said.get("description", ""))),
                place="access",
                subject=name,
                steps=(listing.first,),
            )
            return


def _unknown(values: Sequence[str], schema: Any) -> list[str]:
    """A value of the right form that no row has; none where the values are told one by one."""
    if "enum" in schema:
        return [str(each) for each in schema["enum"] if str(each) not in values][:1]
    last = values[0]
    made = [last[:-1] + digit for digit in "0123456789" if last[:-1] + digit not in values]
    return made[:1]


def _included(p: Probe, operation: Operation, name: str) -> Iterator[Finding]:
    """Without it, nothing in that state; with it, that too, and nothing of the rest is lost."""
    state = name.removeprefix("include").casefold()
    tells = _has_state(p, operation, state)
    ignored: tuple[Listing, Exchange] | None = None
    for listing in _tried(p, operation, state):
        without, both = listing.all(), listing.every(f"{name}=true")
        if not listing.whole or not both.whole:
            # What is lost, or more, cannot be told from rows that were not read.
            continue
        more = [row for row in both.rows if listing.id(row) not in listing.ids(without)]
        found = [row for row in without if _in(row, state)] if tells else []
        others = [row for row in more if not _in(row, state)] if tells else []
        lost = set(listing.ids(without)) - set(listing.ids(both.rows))
        if found or lost or others:
            came = f"without it {len(found)} {state}; with it {len(lost)} less, {len(others)} others"
            shown = listing.first if found else both.exchange
            yield _not_included(p, listing, shown, name, "Q505" if found or others else "Q506", came)
            return
        if more:
            return
        if tells and ignored is None and _named_by(_in_state(p, operation, _scope(listing), state), listing):
            ignored = listing, both.exchange
    if ignored is None:
        raise Nothing(f"nothing {state} was found below {TRIED} objects of {operation.id}")
    yield _not_included(p, *ignored, name, "Q506", f"no more rows with {name}=true than without it")


def _not_included(p: Probe, listing: Listing, exchange: Exchange, name: str, code: str, came: str) -> Finding:
    state = name.removeprefix("include").casefold()
    return p.finding(
        code,
        exchange,
        expected=f"nothing {state} without {name}=true; what is {state}, and that alone, is added with it",
        came=came,
        source=marks(str(parameter(p, listing.operation, name).get("description", ""))),
        place="access",
        subject=name,
        steps=(listing.first,),
    )


def _has_state(p: Probe, operation: Operation, state: str) -> bool:
    """Whether rows can be in that state themselves; else it is about what leads to them."""
    enums = [p.resolved(each).get("enum", ()) for each in p.schema_of(operation.entity).get("properties", {}).values()]
    return any(state == str(text).casefold() for enum in enums for text in enum)


def _tried(p: Probe, operation: Operation, state: str) -> Iterator[Listing]:
    """The list below some objects, those first that something in that state names."""
    passed: list[dict[str, str]] = []
    for each in listings(p, operation):
        scope = _scope(each)
        if scope not in passed:
            passed.append(scope)
            above = p.facts.parents(operation, each.caller, scope)
            below = [Listing(p, operation, each.caller, params) for params in above]
            there = _in_state(p, operation, scope, state) if below else []
            yield from sorted(below, key=lambda one: not _named_by(there, one))[:TRIED]


@dataclass(frozen=True, slots=True)
class Placed:
    """What a list shows in some state. texts: all that stands in it; fits: it is of the kind that another list shows"""

    id: str
    texts: frozenset[str]
    fits: bool


def _in_state(p: Probe, operation: Operation, scope: Mapping[str, str], state: str) -> list[Placed]:
    """What is in that state, of all lists that are below nothing; beside it whether `operation` shows such things."""
    schema = p.api.visibility[operation.entity].schema
    found = []
    for each in p.api.operations.values():
        if each.does != "list" or each.below is not None:
            continue
        asker = next((one for one in p.may(each) if scope in p.facts.reaches(one)), None)
        rows = p.facts.rows(each, asker, scope) if asker is not None else []
        key, fits = p.key(each.entity), p.api.visibility[each.entity].schema == schema
        found += [Placed(str(row.get(key)), frozenset(texts(row)), fits) for row in rows if _in(row, state)]
    return found


def _named_by(there: Sequence[Placed], listing: Listing) -> bool:
    """Whether something of these names the object above the list, and is of the kind that the list shows."""
    above = listing.params[listing.operation.parent or ""]
    naming = {each.id for each in there if above in each.texts}
    return any(each.fits and each.id in naming for each in there)


def _scope(listing: Listing) -> dict[str, str]:
    return {name: value for name, value in listing.params.items() if name != listing.operation.parent}


def _in(row: Row, state: str) -> bool:
    return any(isinstance(value, str) and value.casefold() == state for value in row.values())
