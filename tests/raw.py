"""Requests as bytes, right or wrong, handed to the application; a body may come in pieces made as they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mockserver import MockServer
from tests.driver import BASE, Answer


@dataclass
class Body:
    """Pieces of a body, and how much of them was read."""

    pieces: Iterable[bytes]
    read: int = 0
    _left: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._left = iter(self.pieces)

    def next(self) -> dict[str, Any]:
        """The next ASGI message."""
        piece = next(self._left, None)
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        self.read += len(piece)
        return {"type": "http.request", "body": piece, "more_body": True}


def ask(
    app: MockServer,
    method: str,
    path: bytes | str,
    *,
    caller: str | None = "operations",
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes | Body = b"",
) -> Answer:
    """One request. path: below the billing base, or from the root with two slashes in front"""
    raw = path.encode() if isinstance(path, str) else path
    raw = raw[1:] if raw.startswith(b"//") else BASE.encode() + raw
    sent = [(b"host", b"127.0.0.1:8000"), *headers]
    if caller is not None:
        sent.append((b"authorization", f"Bearer {app.token(caller)}".encode()))
    pieces = body if isinstance(body, Body) else Body([body] if body else [])
    if isinstance(body, bytes) and body and not any(name == b"content-length" for name, _ in sent):
        sent.append((b"content-length", b"%d" % len(body)))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw.decode("utf-8", "replace"),
        "raw_path": raw,
        "root_path": "",
        "query_string": query,
        "headers": sent,
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 9),
        "extensions": {},
    }
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return pieces.next()

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    # A loop of its own: big uploads are spooled to disk by threads.
    asyncio.run(app(scope, receive, send))
    start = messages[0]
    found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    assert len(found) == len(start["headers"]), "a header was sent twice"
    content = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(start["status"], found, content)


def json_(app: MockServer, method: str, path: str, content: bytes, **options: Any) -> Answer:
    """A request with a body that claims to be JSON."""
    return ask(app, method, path, headers=[(b"content-type", b"application/json")], body=content, **options)


def form(*parts: tuple[bytes, bytes], boundary: bytes = b"edge") -> tuple[bytes, bytes]:
    """(Content-Type, body) of a multipart form out of (headers, content) pairs."""
    body = b"".join(b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return b"multipart/form-data; boundary=" + boundary, body + b"--" + boundary + b"--\r\n"


def file_part(
    content: bytes, *, name: bytes = b"charges.jsonl", media: bytes = b"application/jsonl"
) -> tuple[bytes, bytes]:
    """The part `file` of a form."""
    return (
        b'Content-Disposition: form-data; name="file"; filename="' + name + b'"\r\nContent-Type: ' + media,
        content,
    )


def assert_problem(app: MockServer, answer: Answer, status: int, place: str | None = None) -> None:
    """The answer is a problem as the contract says, tells nothing of the inside, and names what is wrong."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].partition(";")[0] in ("application/json", "application/problem+json")
    problem = answer.json
    schema = {"$ref": "#/components/schemas/Problem"}
    errors = list(app.services["billing"].validators.compiled(schema).iter_errors(problem))
    assert not errors, (problem, errors)
    assert problem["status"] == status
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    if place is not None:
        assert place in problem["errors"], problem
