"""What nobody sends on purpose: bodies and queries that no rule foresees. They are refused like any other mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.existing import first, required_query
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.wire import Caller, Request
from specs.tables import Api, Operation

DEEP = 200
LONG = 9_000
SHOWN = 1_900
"""Letters of a body that the wire log shows whole, so that everybody can see that nobody could read it."""
TURNS = 4
"""Oddities of each kind that are tried on one operation; those of the others differ."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something odd. content: a body that nobody can read; query, path: what stands in a reading's address"""

    name: str
    content: bytes = b""
    query: str = ""
    path: str = ""
    refused: bool = True
    """it can be nothing but a mistake"""


BODIES = (
    Oddity("a body that is not UTF-8", b'{"name": "\xff\xfe"}'),
    Oddity("a body that ends in the middle of a number", b'{"amount": 1e'),
    Oddity("a body of brackets that never close", b"[" * DEEP),
    Oddity("a body that is nested without end", b'{"a":' * DEEP),
    Oddity("a body of zero bytes", b"\x00" * 64),
    Oddity("a text that never ends", b'{"name": "' + b"x" * SHOWN),
)
QUERIES = (
    Oddity("a query of 9,000 letters", query="x" * LONG, refused=False),
    Oddity("a query with a broken escape", query="%zz=1", refused=False),
    Oddity("a query that is not UTF-8", query="%ff%fe=%ff", refused=False),
    Oddity("a query with a zero byte", query="a%00b=%00", refused=False),
    Oddity("a query of brackets", query="(" * DEEP, refused=False),
    Oddity("a number of 400 digits", query="{limit}=" + "9" * 400, refused=False),
    Oddity("an offset of 400 digits", query="{offset}=" + "9" * 400, refused=False),
    Oddity("an id of 9,000 letters", path="x" * LONG),
    Oddity("an id with a zero byte", path="%00"),
    Oddity("an id that is not UTF-8", path="%ff%fe"),
    Oddity("an id with a broken escape", path="%zz"),
    Oddity("an id of dots and slashes", path="..%2F..%2F"),
)


def operations(api: Api) -> Sequence[str]:
    return list(api.operations)


@check(
    "validation.robust",
    proves="what cannot be read is refused with 4xx, and nothing makes the server fail",
    codes=("S305", "S306"),
    cases=operations,
)
def robust(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    caller = next(iter(p.may(operation)), None)
    if caller is None:
        raise Blocked(f"no caller may {operation.id}; give one of {', '.join(sorted(operation.roles))} a token")
    start = first(operation)
    named = start is not None and start[0] in p.ghosts(operation)
    oddities = [each for each in QUERIES if named or not each.path] if operation.method == "GET" else list(BODIES)
    at = (list(p.api.operations).index(case) + p.settings.seed) * TURNS
    tried = 0
    for odd in [oddities[(at + turn) % len(oddities)] for turn in range(TURNS)]:
        try:
            yield from _odd(p, operation, caller, odd)
            tried += 1
        except (Unsafe, Nothing):
            continue
        except Blocked:
            tried += 1  # the failure of the server is told as such
    if not tried:
        raise Nothing(f"{operation.id} could do something with whatever it is sent")


def _odd(p: Probe, operation: Operation, caller: Caller, odd: Oddity) -> Iterator[Finding]:
    request, params = _request(p, operation, caller, odd)
    # What stands in the address may make it another one, about which the spec says nothing.
    exchange = p.raw(caller, request, params) if odd.path else p.send(operation, caller, request, params)
    if exchange.status >= 500:
        yield p.finding(
            "S305",
            exchange,
            expected=f"4xx: {odd.name}",
            source="spec",
            place="openapi",
            operation=operation.id,
            subject=odd.name,
        )
    if exchange.status < 400 and odd.refused:
        yield p.finding(
            "S306",
            exchange,
            expected=f"4xx: {odd.name}",
            source="spec",
            place="openapi",
            operation=operation.id,
            subject=odd.name,
        )


def _request(p: Probe, operation: Operation, caller: Caller, odd: Oddity) -> tuple[Request, Mapping[str, str]]:
    params, paging = p.ghosts(operation), p.api.conventions.paging
    query = odd.query.replace("{limit}", paging.get("limit", "x")).replace("{offset}", paging.get("offset", "x"))
    query = "&".join(filter(None, (required_query(p, operation), query)))
    if operation.method != "GET":
        headers = {"content-type": "application/json"}
        return p.request(operation, caller, params, content=odd.content, headers=headers), params
    request = p.request(operation, caller, params, query=query)
    start = first(operation)
    if not odd.path or start is None:
        return request, params
    path = request.path.replace(params[start[0]], odd.path, 1)
    return Request(request.method, path, query, request.headers), params
