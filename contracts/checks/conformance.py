"""The spec, tried as a whole: what Schemathesis generates from it, and how ids look."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.conformance.accepted import accepted
from contracts.conformance.aiming import as_meant, fitted, request, seen
from contracts.conformance.generating import changed, generated, grafted, is_enumerated, place
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.oracle import answered, failures
from contracts.probe import UNSET, Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import Case
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation

READS = 24
"""Generated requests of a reading, at most."""
WRONG, RIGHT = 24, 6
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
    chosen = [*right[: READS - min(half, len(wrong))], *wrong[: READS - min(half, len(right))]]
    for number, each in enumerate(chosen):
        turn, at = divmod(number, len(callers))
        caller = callers[at]
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
    if p.mode is Mode.OWN and operation.id in p.guard.lasting:
        raise Nothing(f"{operation.id}: nothing takes it back; needs --mode full")
    base = based(p, operation)
    rng = random.Random(f"{p.settings.seed}/{p.api.name}/{case}")
    right, wrong = generated(p.oracle, case, rng, examples=EXAMPLES)
    # What is drawn at random names nothing that there is: whatever it is refused for, nobody can tell.
    right = [each for each in right if is_enumerated(each)]
    model = right[0].body if right else None
    for each in wrong[:WRONG]:
        yield from _tried(p, operation, base.caller, each, base.params, base=base, model=model)
    moves = operation.event is not None or operation.does in ("act", "delete")
    few = moves or operation.id in p.guard.lasting
    for each in right[: STEPS if few else RIGHT]:
        fresh = based(p, operation) if moves else base
        yield from _tried(p, operation, fresh.caller, each, fresh.params, base=fresh, model=model)


def based(p: Probe, operation: Operation) -> Case:
    """A right request for a write, on an object of the run's own. Raises Blocked."""
    if operation.below is None or operation.key is None:
        return p.stage.case(operation)
    machine, thing = p.api.machines.get(operation.entity), None
    if machine is not None and operation.event is not None:
        for row in machine.rows:
            if row.event == operation.event and not row.system:
                thing = p.stage.fit(operation.entity, row.starts[0], row)
                break
    thing = thing or p.stage.make(operation.entity)
    return p.stage.case(operation, p.stage.acting(operation, thing), thing)


def _tried(
    p: Probe,
    operation: Operation,
    caller: Caller,
    case: Any,
    params: Mapping[str, str],
    *,
    base: Case | None = None,
    model: Any = None,
) -> Iterator[Finding]:
    """Send one case and hold the answer against what the case was generated as."""
    where = _where(case, model)
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


def _where(case: Any, model: Any) -> str:
    """What a case is about: a place in the body, or a parameter."""
    location = case.meta.phase.data.parameter_location
    if location is not None and location.name != "BODY":
        return f"{location.name.lower()} {place(case)}".strip()
    if case.media_type is None and location is None:
        return "query"
    return " ".join(("body", "/".join(changed(model, case.body)))).strip()
