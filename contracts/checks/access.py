"""The whole role matrix: every capability for every role, without a token and with one that nobody issued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from contracts.existing import first, path, required_query
from contracts.findings import Finding, Verdict
from contracts.guard import Unsafe
from contracts.harmless import accepting, harmless, reading, refusals
from contracts.likeness import difference
from contracts.probe import Blocked, Nothing, Probe
from contracts.reach import everywhere, others
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import Case
from contracts.subjects import is_hidden, subject
from contracts.wire import Caller, Exchange
from specs.expand import successes
from specs.tables import Api, Capability, Operation


def capabilities(api: Api) -> Sequence[str]:
    return [each.id for each in api.capabilities]


@check(
    "access.matrix",
    proves="every cell of the matrix: who may gets past the check of roles, who may not gets its status",
    codes=("A101", "A102", "A103", "A104", "A105", "A107"),
    cases=capabilities,
)
def matrix(p: Probe, case: str) -> Iterator[Finding]:
    capability = _capability(p, case)
    operation, blocked = p.operation(capability.operation), list[Blocked]()
    # Those who may come first: what they are answered shows whether another refusal is that of a missing right.
    let: Exchange | None = None
    for role in sorted(p.api.roles, key=lambda role: role not in capability.roles):
        try:
            exchange = _asked(p, capability, role)
        except Blocked as reason:
            blocked += [reason] if _skip(p, capability, role, reason) else []
            continue
        if operation.open or role in capability.roles:
            yield from _allowed(p, capability, exchange)
            let = let or exchange
        else:
            yield from _denied(p, capability, exchange, let)
    yield from _stranger(p, capability, operation, p.nobody, "A104")
    if not operation.open:
        yield from _stranger(p, capability, operation, p.garbage, "A105")
    for each in blocked:
        raise each


@check(
    "access.allowed",
    proves="every cell that may is done for real, on an object made for it, and succeeds",
    codes=("A101",),
    mode=Mode.OWN,
    cases=capabilities,
)
def allowed(p: Probe, case: str) -> Iterator[Finding]:
    capability = _capability(p, case)
    operation, blocked = p.operation(capability.operation), list[Blocked]()
    for role in p.api.roles:
        if role not in capability.roles and not operation.open:
            continue
        try:
            exchange = _played(p, capability, p.who(role))
            if exchange.status in refusals(p):
                yield _may(p, capability, exchange, role)
            else:
                p.expect(exchange, *successes(p.api, operation.id))
        except Unsafe as reason:
            blocked.append(Nothing(str(reason)))
        except Blocked as reason:
            blocked += [reason] if "no caller" not in str(reason) else []
    for each in blocked:
        raise each


def _capability(p: Probe, id: str) -> Capability:
    return next(each for each in p.api.capabilities if each.id == id)


def _played(p: Probe, capability: Capability, caller: Caller) -> Exchange:
    """The capability used for real: a reading on what is there, if something is, all else on an object made for it."""
    operation = p.operation(capability.operation)
    headers = accepting(p, capability)
    if operation.method == "GET" and operation.does != "own":
        try:
            params, query = path(p, operation, caller), required_query(p, operation)
            return p.call(operation, caller, params, query=query, headers=headers)
        except Nothing:
            pass
    made = _case(p, operation, caller)
    return p.call(
        operation,
        caller,
        made.params,
        query=made.query,
        body=made.body,
        content=made.content,
        headers={**made.headers, **headers},
    )


def _case(p: Probe, operation: Operation, caller: Caller) -> Case:
    """A right request for an operation, on an object that this caller can see."""
    if operation.does == "own":
        return p.stage.case(operation, caller)  # what it is done to is the API's own matter
    try:
        thing = subject(p, operation, caller)
    except Blocked:
        if operation.method != "GET":
            raise
        return p.stage.case(operation, caller)
    if thing is not None and is_hidden(p, thing, caller):
        raise Nothing(f"what could be made for {operation.id} is not {caller.name}'s")
    return p.stage.case(operation, caller, thing)


def _asked(p: Probe, capability: Capability, role: str) -> Exchange:
    """A role's harmless request, answered. Raises Blocked where nobody has the role, or nothing harmless would tell."""
    caller = p.who(role)
    return p.send(capability.operation, caller, *harmless(p, capability, caller))


def _skip(p: Probe, capability: Capability, role: str, reason: Blocked) -> bool:
    """Note a cell that could not be looked at; whether that is to be told as unchecked."""
    absent = "no caller" in str(reason)
    verdict = Verdict.SKIPPED if absent or isinstance(reason, Nothing) else Verdict.BLOCKED
    may = role in capability.roles or p.operation(capability.operation).open
    expected = "let through" if may else str(p.status("role"))
    p.verdict(capability.id, role, role, verdict, expected=expected, source=capability.source, reason=str(reason))
    return not absent


def _allowed(p: Probe, capability: Capability, exchange: Exchange) -> Iterator[Finding]:
    role, through = exchange.caller.role, exchange.status not in refusals(p)
    verdict = Verdict.ALLOWED if through else Verdict.UNEXPECTED_DENY
    _note(p, capability, exchange, verdict, "let through", capability.source)
    if not through:
        yield _may(p, capability, exchange, role)


def _may(p: Probe, capability: Capability, exchange: Exchange, role: str) -> Finding:
    cell = f"{capability.id}/{role}"
    expected = f"{role} may: anything but {', '.join(map(str, sorted(refusals(p))))}"
    return p.finding("A101", exchange, expected=expected, source=capability.source, subject=cell, cell=cell)


def _denied(p: Probe, capability: Capability, exchange: Exchange, let: Exchange | None) -> Iterator[Finding]:
    """let: what a caller was answered who may, to the same request"""
    cell, expected = f"{capability.id}/{exchange.caller.role}", str(p.status("role"))
    verdict, code, source, subject, operation = Verdict.UNEXPECTED_ALLOW, "A102", capability.source, cell, ""
    if exchange.status == p.status("role"):
        if not _looked_up(p, capability, exchange):
            _note(p, capability, exchange, Verdict.DENIED, expected, capability.source)
            return
    elif exchange.status >= 400 and not _is_let(p, exchange, let):
        verdict, code, source = Verdict.WRONG, "A103", p.source("role")
        if everywhere(p, f"A103 {exchange.status}", _same(p, capability, exchange)):
            subject = f"{exchange.status} for a missing right"
            operation = p.facts.first("A103", subject, p.operation(capability.operation))
    elif (late := _late(p, capability, exchange)) is not None:
        exchange, verdict, code, source, subject = late, Verdict.WRONG, "A107", p.source("role"), "role before find"
    _note(p, capability, exchange, verdict, expected, capability.source)
    yield p.finding(code, exchange, expected=expected, source=source, subject=subject, cell=cell, operation=operation)


def _same(p: Probe, capability: Capability, exchange: Exchange) -> Iterator[bool]:
    """Whether a caller is refused with the same wrong status elsewhere."""
    caller = exchange.caller
    for each in others(p, capability):
        if caller.role not in each.roles:
            with suppress(Nothing):
                yield p.send(each.operation, caller, *harmless(p, each, caller)).status == exchange.status


def _is_let(p: Probe, exchange: Exchange, let: Exchange | None) -> bool:
    """Whether a refusal is the one that those get, too, who may: of the missing object, or of the body."""
    if let is None:
        return exchange.status in (p.status("find"), p.status("body"), p.status("query"))
    return not difference(exchange.answer, let.answer, exchange.caller.name, let.caller.name)


def _late(p: Probe, capability: Capability, exchange: Exchange) -> Exchange | None:
    """The same exchange, if the role is asked for after all, once the object has been found."""
    operation = p.operation(capability.operation)
    if operation.method != "GET" or first(operation) is None or exchange.status != p.status("find", operation.entity):
        return None
    try:
        real = p.send(operation, exchange.caller, *reading(p, capability, exchange.caller))
    except Blocked:
        return None
    return exchange if real.status == p.status("role") else None


def _looked_up(p: Probe, capability: Capability, exchange: Exchange) -> bool:
    """Whether a refusal tells of the object instead of the role, where both have one status.

    That is so if it reads as those who may are refused for an object that is not there, and otherwise than this caller
    is refused elsewhere. Where one text stands for both, nothing tells them apart, and nobody gets in.
    """
    operation, caller = p.operation(capability.operation), exchange.caller
    start = first(operation)
    if start is None or p.status("find", start[1]) != p.status("role"):
        return False
    others = (each for each in p.api.operations.values() if each.method == "GET" and first(each) is None)
    elsewhere = next((each for each in others if not each.open and caller.role not in each.roles), None)
    may = next(iter(p.may(operation)), None)
    if elsewhere is None or may is None:
        return False
    query = required_query(p, operation)
    unknown = p.call(operation, may, p.ghosts(operation), query=query)
    refused = p.call(elsewhere, caller)
    if refused.status != p.status("role"):
        return False
    names = (operation.id, elsewhere.id)
    return not difference(unknown.answer, exchange.answer, *names) and bool(
        difference(refused.answer, exchange.answer, *names)
    )


def _stranger(p: Probe, capability: Capability, operation: Operation, stranger: Caller, code: str) -> Iterator[Finding]:
    cell = f"{capability.id}/{stranger.name}"
    try:
        exchange = p.send(operation, stranger, *harmless(p, capability, stranger))
    except Nothing as reason:
        p.verdict(capability.id, stranger.name, "", Verdict.SKIPPED, reason=str(reason))
        return
    if operation.open:
        through = exchange.status not in refusals(p)
        _note(p, capability, exchange, Verdict.ALLOWED if through else Verdict.UNEXPECTED_DENY, "let through", "")
        if not through:
            said = f"nobody is asked for a token: anything but {', '.join(map(str, sorted(refusals(p))))}"
            yield p.finding("A101", exchange, expected=said, source=capability.source, subject=cell, cell=cell)
        return
    expected, source = p.status("token"), p.source("token")
    through = exchange.status not in refusals(p)
    verdict = Verdict.UNEXPECTED_ALLOW if through else Verdict.WRONG
    _note(p, capability, exchange, Verdict.DENIED if exchange.status == expected else verdict, str(expected), source)
    if exchange.status != expected:
        yield let_in(p, capability, exchange, code, stranger)


def let_in(
    p: Probe, capability: Capability, exchange: Exchange, code: str, stranger: Caller, said: str = ""
) -> Finding:
    """A stranger who was not refused as such, at one operation or at all of them. said: what is wrong with the token"""
    name = {"A104": "nobody", "A105": "garbage", "A106": "expired"}[code]
    cell, operation = f"{capability.id}/{name}", ""
    subject, header = cell, exchange.request.headers.get("authorization")

    def elsewhere() -> Iterator[bool]:
        for each in others(p, capability):
            with suppress(Nothing):
                request, params = harmless(p, each, stranger)
                sent = request if header is None else request.with_headers(authorization=header)
                yield p.send(each.operation, stranger, sent, params).status != p.status("token")

    if everywhere(p, f"{code} {said}", elsewhere()):
        subject = f"{name} everywhere"
        operation = p.facts.first(code, subject, p.operation(capability.operation))
    return p.finding(
        code,
        exchange,
        expected=f"{p.status('token')} ({said})" if said else str(p.status("token")),
        source=p.source("token"),
        subject=subject,
        cell=cell,
        operation=operation,
    )


def _note(p: Probe, capability: Capability, exchange: Exchange, verdict: Verdict, expected: str, source: str) -> None:
    who = exchange.caller.role or exchange.caller.name
    p.verdict(
        capability.id,
        who,
        exchange.caller.role,
        verdict,
        expected=expected,
        came=str(exchange.status),
        source=source or capability.source,
    )
