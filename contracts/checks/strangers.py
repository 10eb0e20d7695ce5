"""Whoever is a stranger: tokens that have expired, are another API's or travel otherwise, and the tenants of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from contracts import reach
from contracts.checks.access import let_in
from contracts.findings import Finding, Verdict
from contracts.harmless import harmless
from contracts.likeness import difference
from contracts.probe import Blocked, Probe
from contracts.registry import check
from contracts.wire import Caller, Exchange
from specs.tables import Api, Capability, Operation


def guarded(api: Api) -> Sequence[str]:
    """Capabilities that ask for a token."""
    return [each.id for each in api.capabilities if not api.operations[each.operation].open]


def scoped(api: Api) -> Sequence[str]:
    """Operations whose path names what the caller's rights hold in."""
    if api.scope is None or api.scope.parameter is None:
        return ()
    return [each.id for each in api.operations.values() if f"{{{api.scope.parameter}}}" in each.path]


@check(
    "access.strangers",
    proves="tokens that have expired, are another API's, or come in another form are refused as no token is",
    codes=("A104", "A105", "A106"),
    cases=guarded,
)
def strangers(p: Probe, case: str) -> Iterator[Finding]:
    capability = next(each for each in p.api.capabilities if each.id == case)
    operation = p.operation(capability.operation)
    if p.expired is not None:
        exchange = p.send(operation, p.expired, *harmless(p, capability, p.expired))
        denied = exchange.status == p.status("token")
        p.verdict(
            capability.id,
            "expired",
            "",
            Verdict.DENIED if denied else Verdict.UNEXPECTED_ALLOW,
            expected=str(p.status("token")),
            came=str(exchange.status),
            source=p.source("token"),
        )
        if not denied:
            yield let_in(p, capability, exchange, "A106", p.expired, "the token has expired")
    yield from _forms(p, capability, operation)


def _forms(p: Probe, capability: Capability, operation: Operation) -> Iterator[Finding]:
    """One way of coming without a right token for each operation; all of them are tried in the whole of a run."""
    caller = next(iter(p.may(operation)), None)
    if caller is None:
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")
    ways = _ways(p, caller)
    turn = (list(guarded(p.api)).index(capability.id) + p.settings.seed) % len(ways)
    code, said, stranger, header = ways[turn]
    request, params = harmless(p, capability, stranger)
    if header is not None:
        request = request.with_headers(authorization=header)
    exchange = p.send(operation, stranger, request, params)
    if exchange.status != p.status("token"):
        # Told as the matrix tells it, so that a door that stands open for all is one finding.
        yield let_in(p, capability, exchange, code, stranger, said)


def _ways(p: Probe, caller: Caller) -> list[tuple[str, str, Caller, str | None]]:
    """(code, what is wrong, who calls, the header in the place of the caller's own)"""
    token = caller.token or ""
    # The token travels in a header of its own making; as a credential it is still known for a secret.
    bare = replace(caller, token=None, credentials={**caller.credentials, "token": token}, kind="nobody")
    other = next((each for each in p.settings.callers if each.api != p.api.name and each.kind == "known"), None)
    ways: list[tuple[str, str, Caller, str | None]] = [
        ("A104", "a right token behind the word Basic", bare, f"Basic {token}"),
        ("A104", "the word Bearer without a token", p.nobody, "Bearer"),
        ("A104", "an empty header", p.nobody, ""),
        ("A104", "a right token without the word Bearer", bare, token),
        ("A105", "a right token with another behind it", bare, f"Bearer {token}, Bearer {p.garbage.token}"),
        ("A105", "a right token with a letter more", bare, f"Bearer {token}x"),
    ]
    if other is not None:
        ways.append(("A105", f"a token of {other.api}", replace(other, role="", api=p.api.name, kind="other"), None))
    return ways


@check(
    "access.scope",
    proves="rights hold in nothing but what was granted, and what is not there answers like what is another's",
    codes=("A108", "A110"),
    cases=scoped,
)
def scope(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    caller, others = _outsider(p, operation)
    answers = [(value, _in_scope(p, operation, caller, value)) for value in (*others, _nowhere(p))]
    (nowhere, missing), expected = answers[-1], p.status("scope")
    if others and answers[0][1].status == expected:
        if told := difference(answers[0][1].answer, missing.answer, *others, nowhere):
            said = f"one answer to a {_entity(p)} of another and to one that is not there"
            yield _told(p, missing, "A110", _entity(p), nowhere, expected=said, came=told, steps=(answers[0][1],))
        return
    for value, exchange in answers:
        if exchange.status != expected:
            what = f"{_entity(p)} {'that is not there' if exchange is missing else 'of another'}"
            yield _told(p, exchange, "A108", what, value, expected=f"{expected} (a {what})")
            return


def _told(
    p: Probe,
    exchange: Exchange,
    code: str,
    subject: str,
    value: str,
    *,
    expected: str,
    came: str = "",
    steps: Sequence[Exchange] = (),
) -> Finding:
    """A finding about the scope: of one operation, or of all of them. value: what was asked for"""
    operation, caller = p.operation(exchange.operation), exchange.caller

    def elsewhere() -> Iterator[bool]:
        for each in reach.others(p, operation.capabilities[0]):
            other = p.operation(each.operation)
            if other.id in scoped(p.api) and caller.role in other.roles:
                yield _in_scope(p, other, caller, value).status != p.status("scope")

    name = operation.id
    if reach.everywhere(p, f"{code} {subject}", elsewhere()):
        name, subject = p.facts.first(code, subject, operation), f"{subject}, everywhere"
    source = p.source("scope")
    return p.finding(
        code, exchange, expected=expected, came=came, source=source, subject=subject, operation=name, steps=steps
    )


def _outsider(p: Probe, operation: Operation) -> tuple[Caller, tuple[str, ...]]:
    """A caller who may, and a value of the scope that others were granted and they were not, if there is one."""
    plain = {each for other in p.callers for each in other.grants if _is_plain(each)}
    found: tuple[Caller, tuple[str, ...]] | None = None
    for caller in p.may(operation):
        foreign = sorted(plain - set(caller.grants))
        if all(map(_is_plain, caller.grants)) and caller.grants and foreign:
            return caller, (foreign[0],)
        found = found or (caller, ())
    if found is None:
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")
    return found


def _is_plain(grant: str) -> bool:
    """Whether a grant is a value of the scope, and no word for several."""
    return grant != "any" and ":" not in grant


def _in_scope(p: Probe, operation: Operation, caller: Caller, value: str) -> Exchange:
    assert p.api.scope is not None and p.api.scope.parameter is not None
    request, params = harmless(p, operation.capabilities[0], caller)
    params = {**params, p.api.scope.parameter: value}
    elsewhere = p.request(
        operation, caller, params, query=request.query, content=request.content, headers=request.headers
    )
    return p.send(operation, caller, elsewhere, params)


def _nowhere(p: Probe) -> str:
    """A value of the scope's form that cannot be."""
    assert p.api.scope is not None
    return p.facts.shape(p.api.scope.entity)


def _entity(p: Probe) -> str:
    assert p.api.scope is not None
    return p.api.scope.entity.lower()
