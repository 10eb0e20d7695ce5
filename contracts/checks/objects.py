"""Objects that are not the caller's, or not there: unknown alike, for readings and for writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice

from contracts.existing import children, first, ghosts, paths, required_query
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.harmless import refusals
from contracts.journal import Thing
from contracts.likeness import difference
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.subjects import is_hidden, subject
from contracts.wire import Caller, Exchange
from specs.tables import ALL, Api, Operation

TRIED = 2
"""Foreign objects that are asked for, of each operation and role."""
MALFORMED = ("x", "%00", "' or 1=1 --", "0" * 300, "é")


def readings(api: Api) -> Sequence[str]:
    """Readings whose path names an object that somebody must not see, or one object below another."""
    found = [each for each in api.operations.values() if each.method == "GET" and first(each) is not None]
    return [each.id for each in found if _hides(api, each) or (each.parent is not None and each.key is not None)]


def writes(api: Api) -> Sequence[str]:
    """Writes whose path names an object that somebody who may must not see."""
    found = [each for each in api.operations.values() if each.method != "GET" and each.does != "replace"]
    return [each.id for each in found if first(each) is not None and _hides(api, each)]


def _hides(api: Api, operation: Operation) -> bool:
    """Whether the object of a path may be hidden from somebody who may call the operation."""
    start = first(operation)
    assert start is not None
    if api.scope is not None and api.scope.parameter is not None:
        return f"{{{api.scope.parameter}}}" in operation.path
    seen = api.visibility[start[1]]
    return any(seen.told_by(role) not in (None, ALL) for role in operation.roles)


def named(api: Api) -> Sequence[str]:
    """Operations whose path names an object that must be there."""
    return [each.id for each in api.operations.values() if first(each) is not None and each.does != "replace"]


@check(
    "objects.foreign",
    proves="another's object, asked for by its id, is unknown, and cannot be told apart from one that is not there",
    codes=("A109", "A110"),
    cases=readings,
)
def foreign(p: Probe, case: str) -> Iterator[Finding]:
    operation, tried = p.operation(case), set[str]()
    for caller in p.may(operation):
        # One caller of a role will do, as long as there is something that they must not see.
        for params in islice(_foreign(p, operation, caller), TRIED) if caller.role not in tried else ():
            tried.add(caller.role)
            yield from _read(p, operation, caller, params)
    if operation.key is not None and operation.parent is not None:
        for caller, params in _crossed(p, operation):
            tried.add(caller.role)
            yield from _read(p, operation, caller, params, "child of another")
    if not tried:
        raise Nothing(f"no caller is known to have an object that another may not see and {operation.id} could name")


def _foreign(p: Probe, operation: Operation, caller: Caller) -> Iterator[dict[str, str]]:
    """Values of a path to what is another's; below an object that holds others, a real one if somebody can list it."""
    start = first(operation)
    assert start is not None
    parameter, entity = start
    for id, owner, scope in foreign_ids(p, entity, caller):
        found = {**ghosts(p, operation), parameter: id}
        if operation.key is not None and operation.key != parameter and owner is not None:
            below = children(p, operation, owner, {**scope, parameter: id})
            found |= {operation.key: below[0]} if below else {}
        # A question that needs more than ids may be wrong for another reason: its owner must get an answer.
        query = required_query(p, operation)
        if not query or owner is None or p.call(operation, owner, {**found, **scope}, query=query).status < 400:
            yield found


def foreign_ids(p: Probe, entity: str, caller: Caller) -> Iterator[tuple[str, Caller | None, Mapping[str, str]]]:
    """(id, who can see it if anybody does, in which scope) of objects that a caller must not reach."""
    for id in p.facts.named(caller, "foreign", entity):
        yield id, None, {}
    scope = p.scope(caller)
    if scope:
        for other in p.callers:
            for reach in p.facts.reaches(other):
                if reach != scope:
                    yield from ((id, other, reach) for id in p.facts.ids(entity, other, reach))
        return
    if p.api.visibility[entity].told_by(caller.role) in (None, ALL):
        return
    seeing = [each for each in p.callers if each is not caller]
    for row in p.facts.foreign(entity, caller):
        id = str(row.get(p.key(entity)))
        yield id, next((each for each in seeing if row in p.facts.seen(entity, each)), None), {}


def _crossed(p: Probe, operation: Operation) -> Iterator[tuple[Caller, dict[str, str]]]:
    """A caller, and a path of one object of theirs with what lies below another."""
    assert operation.parent is not None and operation.key is not None
    parent, key, query = operation.parent, operation.key, required_query(p, operation)
    for role in sorted(operation.roles):
        for caller in [each for each in p.may(operation) if each.role == role][:1]:
            one, of = "", set[str]()
            for other, below in groupby(paths(p, operation, caller), lambda each: each[parent]):
                found = {each[key] for each in below}
                there = (
                    of and found - of and p.call(operation, caller, {parent: other, key: min(found - of)}, query=query)
                )
                if there and there.status < 400:
                    yield caller, {parent: one, key: min(found - of)}
                    break
                one, of = (other, found) if not of else (one, of)


def _read(
    p: Probe, operation: Operation, caller: Caller, params: Mapping[str, str], what: str = ""
) -> Iterator[Finding]:
    query, start = required_query(p, operation), first(operation)
    assert start is not None
    absent = ghosts(p, operation)
    if what and operation.key is not None:
        absent = {**params, operation.key: absent[operation.key]}
    missing = p.call(operation, caller, absent, query=query)
    exchange = p.call(operation, caller, params, query=query)
    unlike = exchange.status != missing.status
    if unlike and not what and p.scope(caller) and params[start[0]] in p.facts.ids(start[1], caller):
        raise Blocked(f"a {start[1]} that another's list shows is shown by {caller.name}'s own, too")
    yield from _judged(p, exchange, missing, caller, [*params.values(), *absent.values()], what)


def _judged(
    p: Probe, exchange: Exchange, missing: Exchange, caller: Caller, names: Sequence[str], what: str = ""
) -> Iterator[Finding]:
    """A foreign object's answer held against that of a missing one."""
    subject = " ".join(filter(None, (caller.role, what)))
    if exchange.status < 400:
        yield p.finding(
            "A109",
            exchange,
            expected=f"{missing.status}, as for one that is not there",
            source=p.source("find"),
            place="visibility",
            subject=subject,
        )
    elif said := difference(exchange.answer, missing.answer, *names):
        yield p.finding(
            "A110",
            exchange,
            expected="the answer that an object gets that is not there",
            came=said,
            source=p.source("find"),
            subject=subject,
            steps=(missing,),
        )


@check(
    "objects.untouched",
    proves="another's object cannot be changed by its id, nor what lies below it, by whoever has the same role",
    codes=("A109", "A110"),
    mode=Mode.OWN,
    cases=writes,
)
def untouched(p: Probe, case: str) -> Iterator[Finding]:
    operation, blocked, tried = p.operation(case), list[Blocked](), False
    for caller, maker, scope in _pairs(p, operation):
        try:
            yield from _written(p, operation, caller, subject(p, operation, maker), scope)
            tried = True
        except Unsafe as reason:
            blocked.append(Nothing(str(reason)))
        except Blocked as reason:
            blocked.append(reason)
    for each in blocked:
        raise each
    if not tried:
        raise Nothing(f"no two callers may {operation.id}, each for objects that the other does not see")


def _pairs(p: Probe, operation: Operation) -> Iterator[tuple[Caller, Caller, Mapping[str, str]]]:
    """(who tries it, who has made the object, the scope that is asked in), once for each role that may."""
    start = first(operation)
    assert start is not None
    for role in sorted(operation.roles):
        callers = [each for each in p.callers if each.role == role]
        told = p.api.visibility[start[1]].told_by(role)
        for maker in callers[:1]:
            if home := p.scope(maker):
                ways = ((each, reach) for each in callers for reach in p.facts.reaches(each) if reach != home)
                yield from ((each, maker, reach) for each, reach in islice(ways, 1))
            elif told not in (None, ALL):
                others = [each for each in callers if each.account and each.account != maker.account]
                yield from ((each, maker, {}) for each in others[:1])


def _written(
    p: Probe, operation: Operation, caller: Caller, thing: Thing | None, scope: Mapping[str, str]
) -> Iterator[Finding]:
    assert thing is not None
    case = p.stage.case(operation, thing.caller if thing.caller.role in operation.roles else None, thing)
    if not scope and not is_hidden(p, thing, caller):
        raise Nothing(f"{thing.entity} {thing.id} is not known to be hidden from {caller.name}")
    params, absent = {**case.params, **scope}, {**p.ghosts(operation), **scope}
    missing = p.call(operation, caller, absent, body=case.body, content=case.content, headers=case.headers)
    exchange = p.call(operation, caller, params, body=case.body, content=case.content, headers=case.headers)
    yield from _judged(p, exchange, missing, caller, [*params.values(), *absent.values()])


@check(
    "objects.missing",
    proves="an id that is not there, or is none at all, is answered as unknown",
    codes=("A111",),
    cases=named,
)
def missing(p: Probe, case: str) -> Iterator[Finding]:
    operation, start = p.operation(case), first(p.operation(case))
    assert start is not None
    caller = next(iter(p.may(operation)), None)
    if caller is None:
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")
    query, unknown = required_query(p, operation), ghosts(p, operation)
    yield from _unknown(p, p.call(operation, caller, unknown, query=query), {p.status("find", start[1])})
    if operation.method != "GET":
        return
    if operation.key is not None and operation.parent is not None:
        for above in islice(p.facts.ids(start[1], caller), 1):
            params = {**unknown, start[0]: above}
            yield from _unknown(
                p, p.call(operation, caller, params, query=query), {p.status("find", operation.entity)}, "below"
            )
    # What is no id at all may be told as such where the spec says how ids look.
    either = {p.status("find", start[1])} | ({p.status("query")} if _has_form(p, operation, start[0]) else set())
    wrong = MALFORMED[list(named(p.api)).index(case) % len(MALFORMED)]
    params = {**unknown, start[0]: wrong}
    yield from _unknown(p, p.call(operation, caller, params, query=query), either, "malformed")


def _unknown(p: Probe, exchange: Exchange, expected: set[int], what: str = "") -> Iterator[Finding]:
    if exchange.status in refusals(p) - expected:
        raise Blocked(f"{exchange.operation} as {exchange.caller.name}, who may: {exchange.status}")
    if exchange.status not in expected:
        yield p.finding(
            "A111",
            exchange,
            expected=" or ".join(map(str, sorted(expected))),
            source=p.source("find"),
            subject=what or "missing",
        )


def _has_form(p: Probe, operation: Operation, parameter: str) -> bool:
    """Whether the spec says how the ids of a path look."""
    said = next(each for each in p.spec(operation)["parameters"] if each["name"] == parameter)
    return bool({"pattern", "format", "minLength", "maxLength", "enum"} & p.resolved(said.get("schema", {})).keys())
