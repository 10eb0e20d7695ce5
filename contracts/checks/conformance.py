"""The spec, tried as a whole: what Schemathesis generates from it, and how ids look."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.conformance.accepted import accepted
from contracts.conformance.aiming import as_meant, fitted, offered, request, seen
from contracts.conformance.generating import about, generated, grafted
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.journal import Thing
from contracts.oracle import answered, failures
from contracts.probe import UNSET, Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import Case
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation, Transition

READS = 24
"""Generated requests of a reading, at most."""
WRONG, RIGHT = 60, 12
"""Generated requests of a write that break the spec, and that fit it, at most."""
STEPS = 2
"""Right requests of an operation that moves a state, at most: each needs an object of its own, or leaves one behind."""
EXAMPLES = 2
"""Requests of each kind that are drawn at random, beside those that are enumerated."""
CODES = {"AcceptedNegativeData": "S306", "MissingHeaderNotRejected": "S306", "RejectedPositiveData": "S307"}
JSON = "application/json"
_CLASH = re.compile(r"Invalid component:\s*(.*)", re.DOTALL)


def readings(api: Api) -> Sequence[str]:
    return [each.id for each in api.operations.values() if each.method == "GET"]


def writes(api: Api) -> Sequence[str]:
    return [each.id for each in api.operations.values() if each.method != "GET"]


@check(
    "conformance.reads",
    proves="readings that Schemathesis generates, right and wrong, are answered as the spec says",
    codes=("S306", "S307"),
    cases=readings,
)
def reads(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    callers = p.may(operation)
    if not callers:
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")
    rng = random.Random(f"{p.settings.seed}/{p.api.name}/{case}")
    right, wrong = generated(p.oracle, case, rng, examples=EXAMPLES)
    paths = {each.name: seen(p, operation, each) for each in callers}
    half = READS // 2
    chosen = [*right.first(READS - len(wrong.first(half))), *wrong.first(READS - len(right.first(half)))]
    offers = offered(p, operation)
    for number, each in enumerate(chosen):
        turn, at = divmod(number, len(callers))
        caller = callers[at]
        if len(offers) > 1:
            each.headers["Accept"] = offers[turn % len(offers)]
        yield from _tried(p, operation, caller, each, paths[caller.name][turn % len(paths[caller.name])])


@check(
    "conformance.writes",
    proves="writes that Schemathesis generates, right and wrong, are answered as the spec says",
    codes=("S306", "S307"),
    mode=Mode.OWN,
    cases=writes,
)
def changes(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    if p.mode is Mode.OWN and operation.id in p.stage.LASTING:
        raise Nothing(f"{operation.id}: nothing takes it back; needs --mode full")
    base = based(p, operation)
    rng = random.Random(f"{p.settings.seed}/{p.api.name}/{case}")
    right, wrong = generated(p.oracle, case, rng, examples=EXAMPLES)
    model = right.enumerated[0].body if right.enumerated else None
    for each in wrong.first(WRONG):
        yield from _tried(p, operation, base.caller, each, base.params, base=base, model=model)
    moves = operation.event is not None or operation.does in ("act", "delete")
    few = moves or operation.id in p.stage.LASTING
    came: dict[int, Exchange] = {}
    found = False
    # What is drawn at random names nothing that there is: whatever it is refused for, nobody can tell.
    for each in right.enumerated[: STEPS if few else RIGHT]:
        fresh = based(p, operation) if moves else base
        for told in _tried(p, operation, fresh.caller, each, fresh.params, base=fresh, model=model, came=came):
            found = True
            yield told
    if came and min(came) >= 400 and base.content is not None:
        # To a schema any bytes are a file; the stage knows files that are what they say.
        whole = p.stage.play(based(p, operation))
        came[whole.status] = whole
    if came and min(came) >= 400 and not found:
        # Whatever was refused before may have been refused for the same reason.
        reason = f"{operation.id}: no right request succeeds, all are answered {', '.join(map(str, sorted(came)))}"
        raise p.stage.refused(came[min(came)], reason)


def based(p: Probe, operation: Operation) -> Case:
    """A right request for a write, on an object of the run's own that it can be done to. Raises Blocked."""
    machine = p.api.machines.get(operation.entity)
    rows = machine.rows if machine is not None and operation.event is not None else ()
    row = next((each for each in rows if each.event == operation.event and not each.system), None)
    if row is not None:
        thing = _fit(p, operation, row)
    elif operation.key is not None and operation.below is not None:
        thing = p.stage.make(operation.entity)
    else:
        return p.stage.case(operation)
    return p.stage.case(operation, p.stage.acting(operation, thing), thing)


def _fit(p: Probe, operation: Operation, row: Transition) -> Thing:
    """An object in the first of a row's states in which one can be had. Raises Blocked."""
    for start in row.starts[:-1]:
        try:
            return p.stage.fit(operation.entity, start, row)
        except Nothing:
            continue
    return p.stage.fit(operation.entity, row.starts[-1], row)


def identified(api: Api) -> Sequence[str]:
    """The lists whose rows have ids of a form."""
    return [each.id for each in api.operations.values() if each.does == "list" and each.entity in api.conventions.ids]


@check(
    "conformance.ids",
    proves="ids are of their entity's form, in rows and where rows refer to something, and so are those of new objects",
    codes=("S310",),
    cases=identified,
)
def ids(p: Probe, case: str) -> Iterator[Finding]:
    listing = p.operation(case)
    key = p.key(listing.entity)
    for caller in p.may(listing):
        for params in seen(p, listing, caller):
            if listing.parent is not None and not params:
                continue
            rows = p.facts.rows(listing, caller, params)
            named = [(listing.entity, row.get(key)) for row in rows]
            named += [each for row in rows for each in _references(p.api, row)]
            wrong = {entity: id for entity, id in named if not _is_formed(p.api, entity, id)}
            if wrong:
                exchange = p.call(listing, caller, params)
            for entity, id in wrong.items():
                yield _formless(p, entity, str(id), exchange)
            if rows:
                break
    made = [thing for _, thing in p.things if thing.entity == listing.entity]
    for thing in made:
        reading = p.reads(listing.entity)
        if reading is not None and not _is_formed(p.api, thing.entity, thing.id):
            yield _formless(p, thing.entity, thing.id, p.call(reading, thing.caller, thing.params))
            return


def _references(api: Api, value: Any) -> Iterator[tuple[str, Any]]:
    """(entity, id) of whatever a value refers to, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from _references(api, each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            entity = api.conventions.references.get(name)
            if entity is not None and isinstance(each, Mapping) and "id" in each:
                yield entity, each["id"]
            yield from _references(api, each)


def _is_formed(api: Api, entity: str, id: Any) -> bool:
    form = api.conventions.ids.get(entity)
    return form is None or not isinstance(id, str) or re.fullmatch(form.pattern, id) is not None


def _formless(p: Probe, entity: str, id: str, exchange: Exchange) -> Finding:
    form = p.api.conventions.ids[entity]
    # Wherever it is seen, it is what makes them that gives them their form.
    makes = (each.id for each in p.api.operations.values() if (each.does, each.entity) == ("create", entity))
    return p.finding(
        "S310",
        exchange,
        operation=next(makes, exchange.operation),
        expected=f"ids of {entity} as {form.pattern}",
        came=f"{id[:60]!r}",
        source=form.source,
        place="conventions",
        subject=entity,
    )


def _tried(
    p: Probe,
    operation: Operation,
    caller: Caller,
    case: Any,
    params: Mapping[str, str],
    *,
    base: Case | None = None,
    model: Any = None,
    came: dict[int, Exchange] | None = None,
) -> Iterator[Finding]:
    """Send one case and hold the answer against what the case was generated as.

    base: the right request that a write differs from; model: the generated body that bodies are changes of
    came: takes the answer, by its status
    """
    where = about(case, model)
    if base is not None and base.body is not UNSET and case.media_type == JSON:
        case.body = grafted(base.body, model, case.body)
    filled = fitted(p, caller, case, params)
    if filled is None or (base is not None and any(filled.get(name, value) != value for name, value in params.items())):
        return
    try:
        exchange = p.send(operation, caller, request(p, operation, caller, case, filled), filled)
    except Unsafe:
        return
    except Blocked:
        # It failed, which is told already; the next case may tell something else.
        return
    if came is not None:
        came[exchange.status] = exchange
    yield from _judged(p, exchange, case, where)


def _judged(p: Probe, exchange: Exchange, case: Any, where: str) -> Iterator[Finding]:
    from schemathesis.specs.openapi import checks

    asked = (checks.negative_data_rejection, checks.positive_data_acceptance, checks.missing_required_header)
    response = answered(as_meant(exchange.request, case), exchange.answer)
    for failure in failures(asked, p.oracle.context, response, case):
        if accepted(p.api.name, failure, case, response) is not None:
            continue
        code = CODES[type(failure).__name__]
        clash = _CLASH.search(failure.message)
        wrong = " ".join(clash[1].split())[:200] if clash is not None else "it breaks the spec"
        expected = f"a refusal: {wrong}" if code == "S306" else "no 400: it fits the spec"
        yield p.finding(code, exchange, expected=expected, source="spec", place="openapi", subject=where)
