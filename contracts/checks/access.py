"""The whole role matrix: every capability for every role, without a token and with one that nobody issued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.findings import Finding, Verdict
from contracts.probe import Blocked, Probe
from contracts.registry import check
from contracts.wire import Caller, Request
from specs.tables import Api, Capability, Operation

UNREADABLE = b'{"'
"""Nobody can read this as JSON, so nobody can act upon it."""


def capabilities(api: Api) -> Sequence[str]:
    return [each.id for each in api.capabilities]


@check(
    "access.matrix",
    proves="every cell of the matrix: who may gets past the check of roles, who may not gets its status",
    codes=("A101", "A102", "A103", "A104", "A105"),
    cases=capabilities,
)
def matrix(p: Probe, case: str) -> Iterator[Finding]:
    capability = next(each for each in p.api.capabilities if each.id == case)
    operation = p.operation(capability.operation)
    for role in p.api.roles:
        yield from _cell(p, capability, operation, role)
    for stranger, code in ((p.nobody, "A104"), (p.garbage, "A105")):
        yield from _stranger(p, capability, operation, stranger, code)


def _cell(p: Probe, capability: Capability, operation: Operation, role: str) -> Iterator[Finding]:
    cell = f"{capability.id}/{role}"
    allowed = role in capability.roles or operation.open
    expected = "let through" if allowed else str(p.status("role"))
    try:
        caller = p.who(role)
        exchange = p.send(operation, caller, *harmless(p, capability, caller))
    except Blocked as reason:
        verdict = Verdict.SKIPPED if "no caller" in str(reason) else Verdict.BLOCKED
        p.verdict(capability.id, role, role, verdict, expected=expected, source=capability.source, reason=str(reason))
        if verdict is Verdict.BLOCKED:
            raise
        return
    refusals = {p.status("token"), p.status("role")}
    if p.api.scope is not None and p.api.scope.parameter is not None:
        refusals.add(p.status("scope"))
    through = exchange.status not in refusals
    if allowed and not through:
        verdict, code = Verdict.UNEXPECTED_DENY, "A101"
    elif allowed:
        verdict, code = Verdict.ALLOWED, ""
    elif exchange.status == p.status("role"):
        verdict, code = Verdict.DENIED, ""
    elif through:
        verdict, code = Verdict.UNEXPECTED_ALLOW, "A102"
    else:
        verdict, code = Verdict.WRONG, "A103"
    p.verdict(
        capability.id, role, role, verdict, expected=expected, came=str(exchange.status), source=capability.source
    )
    if code:
        source = p.source("role") if code == "A103" else capability.source
        said = f"{role} may: anything but {', '.join(map(str, sorted(refusals)))}" if allowed else expected
        yield p.finding(code, exchange, expected=said, source=source, subject=cell, cell=cell)


def _stranger(p: Probe, capability: Capability, operation: Operation, stranger: Caller, code: str) -> Iterator[Finding]:
    cell = f"{capability.id}/{stranger.name}"
    expected = p.status("token")
    if operation.open:
        return
    exchange = p.send(operation, stranger, *harmless(p, capability, stranger))
    denied = exchange.status == expected
    verdict = Verdict.DENIED if denied else Verdict.UNEXPECTED_ALLOW
    p.verdict(
        capability.id,
        stranger.name,
        "",
        verdict,
        expected=str(expected),
        came=str(exchange.status),
        source=p.source("token"),
    )
    if not denied:
        yield p.finding(code, exchange, expected=str(expected), source=p.source("token"), subject=cell, cell=cell)


def harmless(p: Probe, capability: Capability, caller: Caller) -> tuple[Request, dict[str, str]]:
    """A request for a capability that changes nothing, whoever sends it: a reading, or a write that cannot be done."""
    operation = p.operation(capability.operation)
    params = p.ghosts(operation)
    headers = {}
    if capability.media is not None:
        headers["accept"] = "text/csv"
    content = None
    if operation.method not in ("GET", "HEAD") and (operation.does in ("create", "sync", "own") or params == {}):
        content, headers["content-type"] = UNREADABLE, "application/json"
    return p.request(operation, caller, params, content=content, headers=headers), params
