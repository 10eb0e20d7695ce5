"""What is asked of every server: the calls that are measured, found in the world that our server serves."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

CONNECTIONS = 16
# More objects than connections, so that two requests for one object are never under way at once and none meets a
# state that another is about to leave.
MOVED = 2 * CONNECTIONS


class Unfit(Exception):
    """A server or its world cannot be measured; `str()` is one line that tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; the path is below the API's base."""

    method: str
    path: str
    token: str | None = None
    body: bytes | None = None

    def raw(self, port: int, base: str) -> bytes:
        """The bytes on the wire, keep-alive."""
        lines = [f"{self.method} {base}{self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/json"]
        lines += [f"Authorization: Bearer {self.token}"] if self.token is not None else []
        body = self.body or b""
        if self.body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kind of request, under its name in the table; several requests are sent in turn.

    wanted: how many times the requests per second of Prism, or None where nothing is asked
    stateless: whether a server that keeps no state and knows no roles can answer it
    undo: what makes the first request possible again, where it is not
    """

    name: str
    requests: Sequence[Request]
    status: int
    wanted: float | None = None
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
    """The calls, and what the bare server needs to answer them alike."""

    calls: Sequence[Call]
    plan: dict[str, Any] = field(repr=False)


def ask(port: int, base: str, request: Request) -> Answer:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Accept": "application/json"}
        if request.token is not None:
            headers["Authorization"] = f"Bearer {request.token}"
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(request.method, base + request.path, request.body, headers)
        response = connection.getresponse()
        media = response.headers.get("Content-Type", "").partition(";")[0]
        return Answer(status=response.status, media=media, body=response.read())
    finally:
        connection.close()


def find(port: int, base: str, tokens: dict[str, str], routes: Sequence[tuple[str, str, Sequence[str]]]) -> Asked:
    """The calls for the world behind `port`, which is ours; asking may change it.

    tokens: role -> token; routes: method, path and roles of every operation
    """
    vendor, client, operations = tokens["vendor"], tokens["client"], tokens["operations"]

    def get(path: str, token: str) -> dict[str, Any]:
        answer = ask(port, base, Request(method="GET", path=path, token=token))
        if answer.status != 200:
            raise Unfit(f"our own server answers {answer.status} to GET {path}: {answer.body[:200].decode()}")
        found: dict[str, Any] = answer.value
        return found

    journals = get("/journals?limit=10", vendor)
    if len(journals["data"]) < 10:
        raise Unfit(f"the vendor has {len(journals['data'])} journals; ten are needed.")
    first = journals["data"][0]["id"]
    reading = Request(method="GET", path=f"/journals/{first}", token=vendor)
    journal = get(reading.path, vendor)

    everything = get("/journals?limit=100", vendor)["data"]
    largest = max(everything, key=lambda each: each.get("upload", {}).get("total", 0))["id"]
    charges_path = f"/journals/{largest}/charges"
    charges = get(f"{charges_path}?limit=100", vendor)

    new = {
        "name": "Usage of March",
        "authorization": {"id": journal["authorization"]["id"]},
        "dueDate": "2026-04-30",
        "externalIds": {"vendor": "usage-03"},
        "notes": "Sent by the benchmark",
    }
    create = Request(method="POST", path="/journals", token=vendor, body=json.dumps(new).encode())
    wrong = replace(create, body=json.dumps({**new, "name": 17, "authorization": "none"}).encode())

    calls = [
        Call(name="read a journal", requests=[reading], status=200, wanted=5),
        Call(name="list 10 journals", requests=[replace(reading, path="/journals?limit=10")], status=200, wanted=2.5),
        Call(
            name=f"list {len(charges['data'])} charges",
            requests=[replace(reading, path=f"{charges_path}?limit=100")],
            status=200,
        ),
        Call(name="invalid create", requests=[wrong], status=400),
        Call(name="refused by role", requests=[replace(reading, token=client)], status=403, stateless=False),
        Call(name="no token", requests=[replace(reading, token=None)], status=401),
    ]
    refusals = {each.status: ask(port, base, each.requests[0]) for each in calls if each.status >= 400}

    # Queued, then in error, then queued again: every request moves a state.
    statements = [
        each
        for status in ("Generated", "Error")
        for each in get(f"/statements?limit=100&status={status}", operations)["data"]
        if each["billingType"] != "Consolidated"
    ][:MOVED]
    said = json.dumps({"statusNotes": {"message": "No such customer in the ERP"}}).encode()
    moves = [
        Request(method="POST", path=f"/statements/{each['id']}/{event}", token=operations, body=body)
        for event, body in (("queue", None), ("error", said))
        for each in statements
    ]
    moved = [get(f"/statements/{each['id']}", operations) for each in statements]
    if len(statements) > CONNECTIONS:
        calls.append(Call(name="move a statement", requests=moves, status=200, undo=moves[len(statements)]))

    # Last, since it makes the world grow.
    calls.append(Call(name="valid create", requests=[create], status=201, wanted=5))
    made = ask(port, base, create)
    if made.status != 201:
        raise Unfit(f"our own server answers {made.status} to a create: {made.body[:200].decode()}")

    plan = {
        "tokens": {token: role for role, token in tokens.items()},
        "routes": routes,
        "lists": {
            f"{base}/journals": {"rows": everything, "$meta": journals["$meta"]},
            f"{base}{charges_path}": {"rows": charges["data"], "$meta": charges["$meta"]},
        },
        "items": {f"{base}/journals": [journal], f"{base}/statements": moved},
        "events": {"queue": [["Generated", "Error"], "Queued"], "error": [["Queued"], "Error"]},
        "created": made.value,
        "refusals": {status: answer.body.decode() for status, answer in refusals.items()},
        "media": next(iter(refusals.values())).media,
    }
    return Asked(calls=calls, plan=plan)
