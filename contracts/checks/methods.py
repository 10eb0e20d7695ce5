"""Methods that a path does not have, and the words in which an API refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts import envelope
from contracts.checks.order import Faults, asked, possible
from contracts.existing import first
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.wire import Caller, Exchange, Request
from specs.tables import Api, Operation

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ALWAYS = frozenset({"HEAD", "OPTIONS"})
"""What a server may offer beside the spec."""
HTTP = "RFC 9110"
ENOUGH = 3
"""Operations that are looked at for each kind of refusal."""


def paths(api: Api) -> Sequence[str]:
    """One operation of each path."""
    return list({each.path: each.id for each in reversed(list(api.operations.values()))}.values())[::-1]


def refusals(api: Api) -> Sequence[str]:
    """The kinds of refusals that a request can be made to meet."""
    return [row["check"] for row in api.refusals if row["check"] != "state"]


@check(
    "shape.methods",
    proves="a method that a path does not have is answered 405 with Allow; HEAD and OPTIONS do no harm",
    codes=("S308", "S305"),
    cases=paths,
)
def methods(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    caller = next(iter(p.may(operation)), None)
    if caller is None:
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")
    there = {each.method for each in p.api.operations.values() if each.path == operation.path}
    ghost, params = first(operation) is not None, p.ghosts(operation)
    for method in METHODS:
        # On a path that leads to something, an unknown method could do something unknown.
        if method not in there and (ghost or method == "GET"):
            exchange = _sent(p, operation, caller, params, method)
            yield from _refused(p, exchange, operation, there)
    for method in sorted(ALWAYS):
        yield from _harmless(p, _sent(p, operation, caller, params, method), operation, there)


def _sent(p: Probe, operation: Operation, caller: Caller, params: dict[str, str], method: str) -> Exchange:
    request = p.request(operation, caller, params)
    return p.raw(caller, Request(method, request.path, "", request.headers), params)


def _refused(p: Probe, exchange: Exchange, operation: Operation, there: set[str]) -> Iterator[Finding]:
    allow = {each.strip().upper() for each in exchange.answer.headers.get("allow", "").split(",") if each.strip()}
    if exchange.status == 405 and there <= allow <= there | ALWAYS:
        if not p.misworded:
            yield from envelope.findings(p, exchange, operation=operation.id)
        return
    wrong = "Allow" if exchange.status == 405 else f"answered {exchange.status}"
    yield p.finding(
        "S308",
        exchange,
        expected=f"405 with Allow: {', '.join(sorted(there))}",
        came=f"{exchange.status} with {'Allow: ' + ', '.join(sorted(allow)) if allow else 'no Allow'}",
        source=HTTP,
        place="openapi",
        # One finding for an API: the methods of all paths are refused in one place.
        subject=wrong,
    )


def _harmless(p: Probe, exchange: Exchange, operation: Operation, there: set[str]) -> Iterator[Finding]:
    method = exchange.request.method
    if exchange.status >= 500:
        yield p.finding(
            "S305",
            exchange,
            expected="no failure of the server",
            source="spec",
            place="openapi",
            operation=operation.id,
            subject=f"{method} {exchange.status}",
        )
    elif method == "HEAD" and exchange.answer.content:
        yield p.finding(
            "S308",
            exchange,
            expected="no body, as HEAD never has one",
            came=f"{exchange.status} with {len(exchange.answer.content)} bytes",
            source=HTTP,
            place="openapi",
            subject="body of HEAD",
        )
    elif exchange.status == 405 and method not in there:
        yield from _refused(p, exchange, operation, there)


@check(
    "shape.errors",
    proves="every refusal comes in the API's own envelope, and says in its body what its status says",
    codes=("S309",),
    cases=refusals,
)
def errors(p: Probe, case: str) -> Iterator[Finding]:
    # Whatever is answered is held against the envelope on its way back; here each refusal is provoked on its own.
    tried = 0
    for operation in p.api.operations.values():
        if case not in possible(p, operation):
            continue
        try:
            exchange = asked(p, operation, Faults((case,)))
        except (Nothing, Unsafe):
            continue
        tried += 1
        if exchange.status >= 400 and tried >= ENOUGH:
            return
    if not tried:
        raise Nothing(f"nothing that could be sent harmlessly is refused for its {case}")
    yield from ()
