"""Tokens for credentials and for refresh tokens: the right ones work as their user's, the wrong ones are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from contracts.apis.accounts.stage import ISSUE, Stage
from contracts.apis.accounts.summaries import APIS, SPEC
from contracts.findings import Finding
from contracts.probe import Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.wire import Caller, Exchange

Body = dict[str, Any]
RENEW = "RefreshOAuth2AccessToken"


@check(
    "accounts.tokens",
    proves="credentials and refresh tokens get a token of their user's, and wrong ones get none",
    codes=("A101", "A105", "R212", "S306", "S304"),
    mode=Mode.OWN,
    cases=lambda api: [ISSUE, RENEW],
    apis=APIS,
)
def tokens(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    known = [each for each in p.callers if each.credentials and each.role in p.operation("listFinanceAccounts").roles]
    if not known:
        raise Nothing("no caller's credentials are known; name them beside its token in contracts.toml")
    operation = p.operation(case)
    for caller in known[:2]:
        right = p.stage.body(operation, caller, {}, None).json
        issued = p.expect(p.call(case, p.nobody, body=right), 200)
        yield from _works(p, caller, issued)
        for subject, body in _wrong_ones(p, case, right, [each for each in known if each is not caller]):
            exchange = p.call(case, p.nobody, body=body)
            if exchange.status != p.status("body"):
                expected = f"{p.status('body')}: {subject}"
                first = p.facts.first("S306", subject, operation)
                yield p.finding(
                    "S306", exchange, operation=first, expected=expected, source="O", place=SPEC, subject=subject
                )
                return


def _works(p: Probe, caller: Caller, issued: Exchange) -> Iterator[Finding]:
    """The token is its user's: it shows what the user's own shows."""
    assert isinstance(p.stage, Stage)
    said = issued.json if isinstance(issued.json, dict) else {}
    if not str(said.get("token_timeout", "")).isdecimal():
        came = f"{said.get('token_timeout')!r}"
        yield _said(p, "S304", issued, "token_timeout", "seconds, as text", came)
    has_refresh = "refresh_token" in said or "refresh_token_timeout" in said
    if issued.operation == ISSUE and has_refresh:
        yield _said(p, "S304", issued, "refresh_token", "none for client_credentials", "one")
    token = replace(caller, name=f"{caller.name}-issued", token=str(said.get("access_token")))
    listed = p.call("listFinanceAccounts", token, query="limit=100")
    own = p.call("listFinanceAccounts", caller, query="limit=100")
    if listed.status != 200:
        came = f"{listed.status}"
        yield _said(p, "A101", listed, f"token of {issued.operation}", "200: it was issued just now", came, issued)
    elif listed.json != own.json:
        expected, came = f"what {caller.name}'s own token shows", "something else"
        yield _said(p, "R212", listed, f"token of {issued.operation}", expected, came, issued)


def _wrong_ones(
    p: Probe, case: str, right: dict[str, Any], others: list[Caller]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is wrong, and the body that is."""
    yield "an unknown client", {**right, "client_id": f"no-such-client-{p.tag}"}
    yield "a wrong secret", {**right, "client_secret": f"no-such-secret-{p.tag}"}
    if case == RENEW:
        yield "an unknown refresh token", {**right, "refresh_token": f"no-such-token-{p.tag}"}
        for each in others[:1]:
            if "refreshToken" in each.credentials:
                yield "a refresh token of another client", {**right, "refresh_token": each.credentials["refreshToken"]}
        return
    if "password" not in p.api.conventions.rules["grants"]:
        yield "the grant password, past its end of life", {**right, "grant_type": "password"}
        yield "no grant, which means password", {name: value for name, value in right.items() if name != "grant_type"}
    yield "a grant that there is not", {**right, "grant_type": "implicit"}


def _said(
    p: Probe, code: str, exchange: Exchange, subject: str, expected: str, came: str, *before: Exchange
) -> Finding:
    return p.finding(
        code, exchange, expected=expected, came=came, source="O", place=SPEC, subject=subject, steps=before
    )
