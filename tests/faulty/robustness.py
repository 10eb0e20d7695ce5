"""Odd requests that make the server fail instead of being refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockserver.domain.errors import Invalid, NotAcceptable, NotFound
from mockserver.exchange import Exchange
from mockserver.gate import Step
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Check, Server, Spoil, checked, during


class Failed(Exception):
    """What nobody thought of."""


def _fails(kind: type[Exception], condition: Callable[[Exchange], bool] = lambda x: True) -> Check:
    """A check that fails where it should refuse."""

    def check(x: Exchange, step: Step) -> None:
        try:
            step(x)
        except kind:
            if not condition(x):
                raise
            raise Failed from None

    return check


def _failing(right: Any) -> Any:
    """A function that fails where it should refuse."""

    def call(*given: Any, **said: Any) -> Any:
        try:
            return right(*given, **said)
        except Invalid:
            raise Failed from None

    return call


def _body(operations: str, condition: Callable[[Any], bool]) -> Spoil:
    """A body that the server fails on."""

    def spoil(server: Server) -> None:
        for operation in operations.split() if operations != "*" else list(server.service.endpoints):
            endpoint = server.service.endpoints[operation]
            if endpoint._body_schema is None:
                continue
            right = endpoint.read

            def read(value: Any, right: Any = right) -> Any:
                if condition(value):
                    raise Failed
                return right(value)

            endpoint.__dict__["read"] = read

    return spoil


def _deep(value: Any, depth: int = 0) -> bool:
    if depth > 8:
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_deep(each, depth + 1) for each in inner)


def _huge(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, int | float) and abs(value) > 10**12) or any(map(_huge, inner))


def _empty_name(value: Any) -> bool:
    return isinstance(value, dict) and value.get("name") == ""


def _key_is(condition: Callable[[str], bool]) -> Callable[[Exchange], bool]:
    return lambda x: any(condition(value) for value in x.params.values())


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "fails-on-broken-json",
        "S305",
        "",
        "A body that is no JSON makes the server fail.",
        during("mockserver.bodies:json", _failing),
    ),
    (
        B,
        "fails-on-broken-filter",
        "S305",
        "",
        "A filter that cannot be read makes the server fail.",
        checked("query", _fails(Invalid)),
    ),
    (
        B,
        "fails-on-long-id",
        "S305",
        "",
        "An id of more than 60 characters makes the server fail.",
        checked("find", _fails(NotFound, _key_is(lambda value: len(value) > 60))),
    ),
    (
        B,
        "fails-on-odd-id",
        "S305",
        "",
        "An id with a quote, a NUL or a letter that is not English makes the server fail.",
        checked("find", _fails(NotFound, _key_is(lambda value: not value.isascii() or "'" in value or "\0" in value))),
    ),
    (
        B,
        "fails-on-list",
        "S305",
        "",
        "A list where an object is asked for makes the server fail.",
        _body(
            "createJournal createCustomLedger createManualOverride updateJournal updateLedger updateInvoice",
            lambda value: isinstance(value, list),
        ),
    ),
    (
        B,
        "fails-on-empty-name",
        "S305",
        "createJournal",
        "An empty name makes the server fail.",
        _body("createJournal", _empty_name),
    ),
    (
        B,
        "fails-on-deep-body",
        "S305",
        "",
        "A body of many objects in each other makes the server fail.",
        _body("*", _deep),
    ),
    (
        B,
        "fails-on-other-types",
        "S305",
        "",
        "An Accept header of which nothing can be sent makes the server fail.",
        checked("accept", _fails(NotAcceptable)),
    ),
    (
        C,
        "credits-fail-on-broken-json",
        "S305",
        "",
        "A body that is no JSON makes the server fail.",
        during("mockserver.bodies:json", _failing),
    ),
    (
        C,
        "credits-fail-on-huge-amount",
        "S305",
        "",
        "An amount of more than a thousand billions makes the server fail.",
        _body("*", _huge),
    ),
    (
        C,
        "credits-fail-on-wrong-query",
        "S305",
        "",
        "A wrong parameter makes the server fail.",
        checked("query", _fails(Invalid)),
    ),
    (
        A,
        "accounts-fail-on-wrong-month",
        "S305",
        "getFinanceAccount",
        "A month that is none makes the server fail.",
        checked("query", _fails(Invalid), "getFinanceAccount"),
    ),
    (
        A,
        "accounts-fail-on-empty-body",
        "S305",
        "GetOAuth2AccessToken",
        "A request for a token without a client makes the server fail.",
        _body("GetOAuth2AccessToken", lambda value: isinstance(value, dict) and "client_id" not in value),
    ),
)

DEFECTS = catalog("robustness", ROWS)
