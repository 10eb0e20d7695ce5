"""Sessions of calls whose answers are written down: one line a call, told in words, with a digest of its answer.

A session is a function that is handed a Recorder: the server as seen from one sandbox. Whatever it calls is recorded,
in the order of the calls. `tests/test_recorded.py` compares the lines with those of `tests/recorded/NAME.txt`.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from mockserver import MockServer, create_app
from mockserver.domain.errors import NotFound
from mockserver.sandboxes import Sandbox
from mockserver.world import World
from tests.driver import Answer, Client

HERE = Path(__file__).parent
NOBODY = "nobody"
DIGITS = 12
TOLD = 72
"""Characters of a body that a line shows"""
PLAIN_HEADERS = frozenset({"host", "authorization", "content-type", "content-length", "mock-sandbox"})
"""Request headers that a line leaves out; Content-Type, where it is JSON's or a form's"""
_PLAIN_TYPES = ("application/json", "multipart/form-data; boundary=----doubleentry")
_VARIES = (
    (re.compile(rb'("seconds":)[0-9.e-]+'), rb"\1"),
    (re.compile(rb'(spreadsheetml\.sheet"(?:(?!"contentType").)*?"size":)\d+'), rb"\1"),
    (re.compile(rb'(":")UEsDB[A-Za-z0-9+/=]*'), rb"\1"),  # a packed file in base64
)
"""What is left out of JSON, and what stays of each"""
_STREAM = re.compile(rb"/Length \d+(.*?)stream\n(.*?)\nendstream", re.DOTALL)

SESSIONS: dict[str, Callable[[list[Call]], None]] = {}
"""Name -> what makes the calls anew, and puts them into the list that it is handed"""


@dataclass(frozen=True)
class Call:
    """A call that was made, in words, and its answer."""

    words: str
    answer: Answer

    @property
    def line(self) -> str:
        return f"{digest(self.answer)} {self.answer.status} {self.words}"


class Recorder:
    """A sandbox of a server, as clients of tests take a server; what it is asked is written down.

    calls: where it is written
    """

    def __init__(self, app: MockServer, box: str, calls: list[Call]) -> None:
        self._app, self._box, self._calls = app, box, calls
        self._names = {each.token: name for name, each in self.callers.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    @property
    def sandbox(self) -> Sandbox:
        return self._app.sandbox(self._box)

    @property
    def worlds(self) -> Mapping[str, World]:
        return self.sandbox.worlds

    @property
    def world(self) -> World:
        """That of billing, where it is served."""
        return self.worlds["billing"] if "billing" in self.worlds else next(iter(self.worlds.values()))

    @property
    def callers(self) -> dict[str, Any]:
        return {each.name: each for cast in self.sandbox.base.callers.values() for each in cast.values()}

    def token(self, name: str) -> str:
        return str(self.callers[name].token)

    def reset(self) -> None:
        """Back to the seed, without a call."""
        self.sandbox.reset()

    def as_(self, name: str) -> Client:
        """A client for one of the cast, for NOBODY without a token, or for whoever bears what is no caller's name."""
        if name == NOBODY:
            return Client(self, None)
        return Client(self, self.token(name) if name in self.callers else name)

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        body = bytearray()
        answered: list[Any] = []

        async def heard() -> Any:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def told(message: Any) -> None:
            answered.append(message)
            await send(message)

        headers = [*scope["headers"], (b"mock-sandbox", self._box.encode())]
        await self._app({**scope, "headers": headers}, heard, told)
        start, *rest = answered
        # Names as they were sent: how they are spelled is part of the answer.
        found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        answer = Answer(start["status"], found, b"".join(each.get("body", b"") for each in rest))
        self._calls.append(Call(self._words(scope, bytes(body)), answer))

    def _words(self, scope: Any, body: bytes) -> str:
        sent = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        shown = [self._caller(sent.get("authorization")), scope["method"], _cut(path, 240)]
        said = {name: value for name, value in sent.items() if name not in PLAIN_HEADERS}
        if sent.get("content-type", _PLAIN_TYPES[0]) not in _PLAIN_TYPES:
            said["content-type"] = sent["content-type"]
        shown += [f"{name}: {_cut(value, 60)}" for name, value in sorted(said.items())]
        if body:
            # Packed files differ in length where they are packed by another library.
            shown.append(
                "a form" if sent.get("content-type") == _PLAIN_TYPES[1] else _cut(body.decode("latin-1"), TOLD)
            )
        return " ".join(each.encode("ascii", "backslashreplace").decode() for each in shown if each)

    def _caller(self, authorization: str | None) -> str:
        if authorization is None:
            return NOBODY
        token = authorization.removeprefix("Bearer ").partition("@")[0]
        return self._names.get(token, "stranger")


Session = Callable[[Recorder], None]


@cache
def server() -> MockServer:
    """The server that all sessions share; each has a sandbox of its own."""
    return create_app()


def session(
    name: str, scenario: str | None = None, *, app: Callable[[], MockServer] = server
) -> Callable[[Session], Session]:
    """Registers a session: its name is that of its file and of its sandbox."""

    def registered(function: Session) -> Session:
        def recorded(calls: list[Call]) -> None:
            served = app()
            with suppress(NotFound):
                served.sandboxes.drop(name)
            served.sandboxes.create(name, served.base(scenario or served.sandboxes.default.base.scenario))
            function(Recorder(served, name, calls))

        SESSIONS[name] = recorded
        return function

    return registered


def digest(answer: Answer) -> str:
    """Of status, headers and body; equal where they are, byte for byte, but for what the machine decides."""
    body, headers = _stable(answer)
    said = repr((answer.status, sorted(headers.items()))).encode()
    return sha256(said + b"\n" + body).hexdigest()[:DIGITS]


def _stable(answer: Answer) -> tuple[bytes, Mapping[str, str]]:
    """The body as it is, and the headers; without what differs from machine to machine.

    How well a file is packed is up to zlib, of which some builds of Python have another one; how long a call took is up
    to the machine. The length goes with either.
    """
    body = answer.content
    if body.startswith(b"%PDF-"):
        body = _inflated(body)
    elif zipfile.is_zipfile(io.BytesIO(body)):
        body = _unpacked(body)
    else:
        for varies, stays in _VARIES:
            body = varies.sub(stays, body)
    if body == answer.content:
        return body, answer.headers
    return body, {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}


def _unpacked(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return b"\n".join(
            f"{each.filename} {each.date_time}\n".encode() + packed.read(each) for each in packed.filelist
        )


def _inflated(content: bytes) -> bytes:
    # Where each object begins, which stands behind `xref`, follows from how long the streams are.
    return _STREAM.sub(lambda found: found[1] + zlib.decompress(found[2]), content.partition(b"\nxref\n")[0])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
