"""Access tokens with rights of their own, tenants by kind, and what a caller is told of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from contracts.apis.credits.ground import APIS, SPEC
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.wire import Caller, Exchange
from specs.permissions import EVERYTHING
from specs.tables import Operation

OPERATION = "createAuthToken"
HELD, READ, LACKING = "users.token", "credits.read", "payments.read"


@check(
    "credits.tokens",
    proves="an access token has the rights and tenants that it was issued with, and a user has few of them",
    codes=("A101", "A102", "A108", "S306"),
    mode=Mode.FULL,
    apis=APIS,
)
def tokens(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    issuer = _issuer(p)
    issued = _issue(p, issuer, permissions=[HELD, READ])
    if issued.status >= 300 or not isinstance(issued.json, str):
        raise p.stage.unissued(issued)
    token = replace(issuer, name=f"{issuer.name}-token", token=issued.json, grants=tuple(p.stage.ground.home.values()))
    found = list(_rights(p, token, issued))
    room = p.stage.tokens < int(p.api.conventions.rules["tokens"]["most"])
    yield from found or (_beyond(p, token, issued) if room else ())
    yield from _number(p, issuer)
    if not room and not found:
        raise Nothing("this run issued as many tokens as a user may have; one more refusal would say nothing of rights")


def _issuer(p: Probe) -> Caller:
    """Who holds all that is given away here."""
    for each in p.may(OPERATION):
        if EVERYTHING in p.api.permissions.get(each.role, ()):
            return each
    raise Nothing(f"no caller may {OPERATION} and holds every right")


def _issue(p: Probe, caller: Caller, **said: Any) -> Exchange:
    assert isinstance(p.stage, Stage)
    body = {**p.stage.bodies.token(caller), **said}
    return p.call(OPERATION, caller, body=body)


def _rights(p: Probe, token: Caller, issued: Exchange) -> Iterator[Finding]:
    """What it may, what it may not, and where."""
    assert isinstance(p.stage, Stage)
    home = p.stage.ground.home
    read = p.call("fetchCredits", token, home, query="count=1")
    if read.status != 200:
        yield _wrong(p, "A101", read, issued, "rights", f"200: it has {READ}")
    lacking = p.call("fetchMultiplePayments", token, home, query="count=1")
    if lacking.status != p.status("role"):
        yield _wrong(p, "A102", lacking, issued, "rights", f"{p.status('role')}: it has not {LACKING}")
    scopes = [p.scope(each) for each in p.callers if each.role and p.scope(each) != home]
    for other in scopes[:1]:
        away = p.call("fetchCredits", token, other, query="count=1")
        if away.status != p.status("scope"):
            _scoped(p, p.operation("fetchCredits"))
            yield _wrong(p, "A108", away, issued, "tenants", f"{p.status('scope')}: it was issued for another tenant")


def _beyond(p: Probe, token: Caller, issued: Exchange) -> Iterator[Finding]:
    """It cannot give away what it has not got, nor what is no right."""
    for subject, said in (
        ("permissions", {"permissions": [LACKING]}),
        ("tenants", {"permissions": [READ], "tenants": ["any"]}),
        ("*.write", {"permissions": ["*.write"]}),
        ("expiresAt", {"permissions": [READ], "expiresAt": "2001-01-01T00:00:00Z"}),
    ):
        exchange = _issue(p, token, **said)
        if exchange.status != p.status("body"):
            yield _wrong(
                p,
                "S306",
                exchange,
                issued,
                subject,
                f"{p.status('body')}: {subject} beyond what its user holds, or no such",
            )
            return


def _number(p: Probe, issuer: Caller) -> Iterator[Finding]:
    """As many as a user may have, and one more."""
    assert isinstance(p.stage, Stage)
    most = int(p.api.conventions.rules["tokens"]["most"])
    steps: list[Exchange] = []
    while p.stage.tokens <= most:
        steps.append(_issue(p, issuer, permissions=[READ]))
        if steps[-1].status >= 300:
            return
    yield p.finding(
        "S306",
        steps[-1],
        expected=f"{p.status('state')}: a user has {most} access tokens at most",
        source="D",
        place="conventions",
        subject="number",
        steps=steps,
    )


def _wrong(p: Probe, code: str, exchange: Exchange, issued: Exchange, subject: str, expected: str) -> Finding:
    return p.finding(
        code, exchange, expected=expected, source="D", place=SPEC, subject=f"issued token {subject}", steps=[issued]
    )


@check(
    "credits.whoami",
    proves="a caller is told the role, the rights and the tenants that it has",
    codes=("R212",),
    apis=APIS,
)
def whoami(p: Probe, case: str) -> Iterator[Finding]:
    for caller in p.callers:
        exchange = p.expect(p.call("whoami", caller), 200)
        said = exchange.json if isinstance(exchange.json, dict) else {}
        for name, wanted in (
            ("roles", [caller.role]),
            ("permissions", sorted(p.api.permissions.get(caller.role, ()))),
            ("tenants", sorted(caller.grants)),
        ):
            if wanted and sorted(map(str, said.get(name, ()))) != wanted:
                came = ", ".join(map(str, said.get(name, ())))
                yield p.finding(
                    "R212",
                    exchange,
                    expected=", ".join(wanted),
                    came=came,
                    source="O, M",
                    subject=f"{caller.role} {name}",
                )


@check(
    "credits.tenants",
    proves="who is assigned tenants by their kind, or any, reaches those of the kind and no others",
    codes=("A108",),
    apis=APIS,
)
def tenants(p: Probe, case: str) -> Iterator[Finding]:
    known = p.settings.values.get(p.api.name, {}).get("tenants", {})
    if not known:
        raise Nothing("no tenants are named with their kinds: tenants under [values.credits] in contracts.toml")
    scope = p.api.scope
    assert scope is not None and scope.parameter is not None
    for caller in p.callers:
        kinds = {each for each in caller.grants if each == "any" or each.startswith("type:")}
        for tenant, kind in known.items() if kinds else ():
            reaches = tenant in caller.grants or bool({"any", f"type:{kind}"} & kinds)
            exchange = p.call(_listing(p, caller), caller, {scope.parameter: tenant}, query="count=1")
            if (exchange.status == p.status("scope")) is reaches:
                _scoped(p, _listing(p, caller))
                right = "let through" if reaches else p.status("scope")
                expected = f"{right}: assigned {', '.join(caller.grants)}, the tenant is {kind}"
                yield p.finding("A108", exchange, expected=expected, source="D", subject=f"{caller.role} {kind}")


def _listing(p: Probe, caller: Caller) -> Operation:
    """A list that a caller may ask for."""
    for each in p.api.operations.values():
        if each.does == "list" and each.below is None and caller.role in each.roles:
            return each
    raise Nothing(f"{caller.name} may list nothing")


def _scoped(p: Probe, operation: Operation) -> None:
    """Raise Blocked where nobody's rights to an operation are bound to tenants: that is another check's matter."""
    for caller in p.may(operation):
        plain = caller.grants and not any(each == "any" or ":" in each for each in caller.grants)
        others = [p.scope(each) for each in p.callers if not set(p.scope(each).values()) & set(caller.grants)]
        for other in others[:1] if plain else ():
            if p.call(operation, caller, other, query="count=1").status == p.status("scope"):
                return
    raise Blocked("rights hold in tenants that nobody was assigned; see access.scope")


@check(
    "credits.ledgers",
    proves="an account's balance is not told in another tenant, whoever asks",
    codes=("A109",),
    apis=APIS,
)
def ledgers(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage) and p.api.scope is not None and p.api.scope.parameter is not None
    ground, operation, parameter = p.stage.ground, p.operation("fetchLedgerAccount"), p.api.scope.parameter
    said = {"refType": "accountCreditBalance", "refLocator": ground.payers[0]}
    for caller in p.may(operation):
        for tenant in p.settings.values.get(p.api.name, {}).get("tenants", {}):
            if tenant in ground.home.values():
                continue
            exchange = p.call(operation, caller, {**said, parameter: tenant}, query=f"currency={ground.currency}")
            if exchange.status not in (p.status("scope"), p.status("find")):
                expected = f"{p.status('find')}: the account is another tenant's"
                yield p.finding("A109", exchange, expected=expected, source="M", subject="another tenant")
                return
