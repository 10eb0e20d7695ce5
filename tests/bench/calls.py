"""What is asked of every server: the calls that are measured, found in the worlds that our server serves."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import Any

CONNECTIONS = 16
PROCESSES = 2
"""Of our own generator: each has its part of the connections, and of the objects that are moved."""
# More objects than connections, so that two requests for one object are never under way at once and none meets a
# state that another is about to leave.
MOVED = 2 * CONNECTIONS
STARTED = ("Queued", "Pending")
"""States in which a statement cannot be queued before it has been in error."""
PAGE = 100
PRISM, WIREMOCK, BARE, OWN_READ = "Prism", "WireMock", "bare Starlette", "own read"
"""With whom ours is compared."""
# How many times the requests per second of each are wanted.
READ: Mapping[str, float] = {PRISM: 10, WIREMOCK: 1.5, BARE: 0.85}
LIST: Mapping[str, float] = {PRISM: 6, BARE: 0.8}
REFUSAL: Mapping[str, float] = {OWN_READ: 1}
BILLING, ACCOUNTS, CREDITS = "billing", "accounts", "credits"
BOUNDARY = "a-boundary-of-the-benchmark"
JSON, FORM = "application/json", f"multipart/form-data; boundary={BOUNDARY}"


class Unfit(Exception):
    """A server or its world cannot be measured; `str()` is one line that tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; the path is below the base of billing, or whole where it begins with two slashes."""

    method: str
    path: str
    token: str | None = None
    body: bytes | None = None
    media: str = JSON

    def target(self, base: str) -> str:
        """Path and query as they are sent."""
        return self.path[1:] if self.path.startswith("//") else base + self.path

    def raw(self, port: int, base: str) -> bytes:
        """The bytes on the wire, keep-alive."""
        lines = [f"{self.method} {self.target(base)} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/json"]
        lines += [f"Authorization: Bearer {self.token}"] if self.token is not None else []
        body = self.body or b""
        if self.body is not None:
            lines += [f"Content-Type: {self.media}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kind of request, under its name in the table; several requests are sent in turn.

    api: whose operation it is
    wanted: how many times the requests per second of each peer
    stateless: whether a server that keeps no state and knows no roles can answer it
    undo: what makes the first request possible again, where it is not
    """

    name: str
    requests: Sequence[Request]
    status: int
    wanted: Mapping[str, float]
    api: str = BILLING
    stateless: bool = True
    undo: Request | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said to one request."""

    status: int
    media: str
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The calls, in order.

    prepare: what our server is asked after its start, so that the world has what the calls speak of
    plan: what the bare server needs to answer alike
    """

    calls: Sequence[Call]
    prepare: Sequence[Request]
    plan: dict[str, Any] = field(repr=False)


def ask(port: int, base: str, request: Request, *, patience: float = 10) -> Answer:
    """Send one request on a connection of its own; patience: seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        headers = {"Accept": "application/json"}
        if request.token is not None:
            headers["Authorization"] = f"Bearer {request.token}"
        if request.body is not None:
            headers["Content-Type"] = request.media
        connection.request(request.method, request.target(base), request.body, headers)
        response = connection.getresponse()
        media = response.headers.get("Content-Type", "").partition(";")[0]
        return Answer(status=response.status, media=media, body=response.read())
    finally:
        connection.close()


def find(
    port: int,
    base: str,
    cast: Sequence[Mapping[str, Any]],
    routes: Sequence[tuple[str, str, Sequence[str]]],
) -> Asked:
    """The calls for the worlds behind `port`, which are ours, just started; asking changes them as `prepare` says.

    cast: what is told of those who can log in; routes: method, path and roles of every operation of billing
    """
    tokens = roles(cast, BILLING)
    vendor, operations = tokens["vendor"], tokens["operations"]

    def answer(request: Request, status: int = 200) -> Any:
        found = ask(port, base, request)
        if found.status != status:
            said = found.body[:300].decode(errors="replace")
            raise Unfit(f"our own server answers {found.status} to {request.method} {request.path}: {said}")
        return found.value

    def get(path: str, token: str = vendor) -> Any:
        return answer(Request(method="GET", path=path, token=token))

    # A journal with a page full of charges, which are those of the largest one over and over, and statements enough.
    largest = max(get("/journals?limit=100")["data"], key=lambda each: each.get("upload", {}).get("total", 0))
    new = {
        "name": "Usage of March",
        "authorization": {"id": largest["authorization"]["id"]},
        "dueDate": "2026-04-30",
        "externalIds": {"vendor": "usage-03"},
        "notes": "Sent by the benchmark",
    }
    create = Request(method="POST", path="/journals", token=vendor, body=json.dumps(new).encode())
    filled = answer(create, 201)["id"]
    lines = _lines(get(f"/journals/{largest['id']}/charges?limit=100")["data"])
    upload = Request(method="POST", path=f"/journals/{filled}/upload", token=vendor, body=form(lines), media=FORM)
    answer(upload)
    statements = [
        each
        for status in ("Generated", "Error", "Queued", "Pending")
        for each in get(f"/statements?limit=100&status={status}", operations)["data"]
        if each["billingType"] != "Consolidated"
    ]
    # As many for each process of our own generator.
    statements = statements[: min(MOVED, len(statements) // PROCESSES * PROCESSES)]
    # Queued, then in error, then queued again: every request moves a state.
    said = json.dumps({"statusNotes": {"message": "No such customer in the ERP"}}).encode()
    moves = [
        Request(method="POST", path=f"/statements/{each['id']}/{event}", token=operations, body=body)
        for event, body in (("queue", None), ("error", said))
        for each in statements
    ]
    started = [
        move for move, each in zip(moves[len(statements) :], statements, strict=True) if each["status"] in STARTED
    ]
    for request in started:
        answer(request)

    journals = get("/journals?limit=100")
    reading = Request(method="GET", path=f"/journals/{journals['data'][0]['id']}", token=vendor)
    journal = get(reading.path)
    charges_path = f"/journals/{filled}/charges"
    charges = get(f"{charges_path}?limit=100")
    if len(journals["data"]) < 10 or len(charges["data"]) < PAGE or len(statements) <= CONNECTIONS:
        counts = f"{len(journals['data'])} journals, {len(charges['data'])} charges, {len(statements)} statements"
        raise Unfit(f"the world is too small: {counts}; 10, {PAGE} and {CONNECTIONS + 1} are needed.")
    beside, plan_beside = _beside(cast, get)
    wrong = replace(create, body=json.dumps({**new, "name": 17, "authorization": "none"}).encode())
    calls = [
        Call(name="read a journal", requests=[reading], status=200, wanted=READ),
        Call(name="list 10 journals", requests=[replace(reading, path="/journals?limit=10")], status=200, wanted=LIST),
        Call(
            name=f"list {PAGE} charges",
            requests=[replace(reading, path=f"{charges_path}?limit={PAGE}")],
            status=200,
            wanted=LIST,
        ),
        *beside,
        Call(name="invalid create", requests=[wrong], status=400, wanted={PRISM: 5}),
        Call(
            name="refused by role",
            requests=[replace(reading, token=tokens["client"])],
            status=403,
            wanted=REFUSAL,
            stateless=False,
        ),
        Call(name="no token", requests=[replace(reading, token=None)], status=401, wanted=REFUSAL),
        Call(name="move a statement", requests=moves, status=200, wanted={PRISM: 5}, undo=moves[len(statements)]),
        # Last, since it makes the world grow.
        Call(name="valid create", requests=[create], status=201, wanted={PRISM: 7}),
    ]
    refusals = {each.status: ask(port, base, each.requests[0]) for each in calls if each.status >= 400}
    plan = {
        "tokens": {each["token"]: each["role"] for each in cast},
        "routes": routes,
        "lists": {f"{base}/journals": journals, f"{base}{charges_path}": charges},
        "items": {
            f"{base}/journals": [journal],
            f"{base}/statements": [get(f"/statements/{each['id']}", operations) for each in statements],
        },
        "mover": get(f"/statements/{statements[0]['id']}", operations)["audit"]["created"]["by"],
        "events": {"queue": [["Generated", "Error"], "Queued"], "error": [["Queued"], "Error"]},
        "created": answer(create, 201),
        "refusals": {status: found.body.decode() for status, found in refusals.items()},
        "media": next(iter(refusals.values())).media,
        **plan_beside,
    }
    return Asked(calls=calls, prepare=[create, upload, *started], plan=plan)


def _beside(cast: Sequence[Mapping[str, Any]], get: Callable[[str, str], Any]) -> tuple[list[Call], dict[str, Any]]:
    """One read of each other API, and what the bare server needs for it: the account that was billed most often, and
    the first credits of a tenant.
    """
    holder = next(each for each in cast if each["api"] == ACCOUNTS and each["grants"])
    found = [get(f"//v1/finance/accounts/{number}", holder["token"]) for number in holder["grants"]]
    account = max(found, key=lambda each: len(each["invoices"]))
    summary = Request(method="GET", path=f"//v1/finance/accounts/{account['accountNumber']}", token=holder["token"])
    auditor = next(each for each in cast if each["api"] == CREDITS and each["role"] == "billing-auditor")
    path = f"//billing/{auditor['grants'][0]}/credits/list"
    credits = get(f"{path}?count=100", auditor["token"])["items"]
    if len(account["invoices"]) < 10 or len(credits) < 10:
        counts = f"{len(account['invoices'])} invoices of an account, {len(credits)} credits"
        raise Unfit(f"the world is too small: {counts}; 10 of each are needed.")
    listing = Request(method="GET", path=f"{path}?count=10", token=auditor["token"])
    calls = [
        Call(name="read an account", requests=[summary], status=200, wanted=READ, api=ACCOUNTS),
        Call(name="list 10 credits", requests=[listing], status=200, wanted=LIST, api=CREDITS),
    ]
    plan = {
        "account": {"role": holder["role"], "path": summary.path[1:], "record": account},
        "credits": {"role": auditor["role"], "rows": credits},
    }
    return calls, plan


def stubs(said: Sequence[tuple[Request, Answer]], base: str) -> list[dict[str, Any]]:
    """What a server of canned replies needs to give the same answers to the same requests, by method, URL, token and
    body.
    """
    found = []
    for request, answer in said:
        token = {"absent": True} if request.token is None else {"equalTo": f"Bearer {request.token}"}
        matched: dict[str, Any] = {
            "method": request.method,
            "url": request.target(base),
            "headers": {"Authorization": token},
        }
        if request.body is not None:
            matched["bodyPatterns"] = [{"equalTo": request.body.decode()}]
        reply = {"status": answer.status, "headers": {"Content-Type": answer.media}, "body": answer.body.decode()}
        found.append({"request": matched, "response": reply})
    return found


def roles(cast: Sequence[Mapping[str, Any]], api: str) -> dict[str, str]:
    """Role -> the token of its first caller."""
    return {each["role"]: each["token"] for each in reversed(cast) if each["api"] == api}


def _lines(charges: Sequence[dict[str, Any]]) -> bytes:
    """A page of lines of a charge file, made of charges that are known to be right."""
    lines = [
        {
            **{name: each[name] for name in ("search", "period", "quantity", "description") if name in each},
            "externalIds": {**each["externalIds"], "vendor": f"line-{number}"},
            "price": {name: each["price"][name] for name in ("unitPP", "PPx1")},
        }
        for number, each in enumerate(islice(cycle(charges), PAGE))
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def form(content: bytes, kind: str = "jsonl", media: str = "application/jsonl") -> bytes:
    """A form with one charge file."""
    head = f'Content-Disposition: form-data; name="file"; filename="charges.{kind}"\r\nContent-Type: {media}'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
