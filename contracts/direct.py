"""A deployment on plain HTTP with nobody in between: connections that stay open, and nothing beside the call itself."""

from __future__ import annotations

import re
import selectors
import socket
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httptools

from contracts.target import LIMIT, Pooled, Unreachable, nothing
from contracts.wire import Answer, Request

CHUNK = 64 * 1024
"""Bytes that are read at a time"""
SAFE = "".join(map(chr, range(0x21, 0x7F))).translate({ord(each): None for each in '"<>#'})
"""What a target may hold as it is; the rest cannot stand in the first line of a request."""
BRINGING = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests say how long their body is, though it be none"""
BROKEN = re.compile(r"[\r\n\0]")
"""What no line of a request may have in it: it would be read as another one"""


def reaches(address: str) -> bool:
    """Whether an address is called in plain HTTP, and not by way of a proxy that the environment names."""
    parts, proxies = urlsplit(address), getproxies()
    passes = ("http" in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")
    return parts.scheme == "http" and not passes


class Direct(Pooled):
    """A deployment at an address. timeout: seconds until something must have come"""

    def __init__(self, address: str, *, timeout: float) -> None:
        self.address, self._timeout = address.rstrip("/"), timeout
        self._idle: list[Connection] = []

    def send(self, request: Request, meanwhile: Callable[[], None] = nothing) -> Answer:
        began = time.perf_counter()
        connection = None
        try:
            connection = self._connection()
            status, headers, content = connection.call(request, meanwhile)
            if headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip", "deflate"):
                content = _inflated(content)
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            what = " ".join(str(error).split())[:120] or type(error).__name__
            raise Unreachable(f"target did not answer at {self.address} ({what}); is it running there?") from None
        finally:
            if connection is not None and connection.is_open:
                self._idle.append(connection)
        return Answer(status, headers, content, time.perf_counter() - began)

    def _connection(self) -> Connection:
        """One that is open and at rest, else a new one."""
        with suppress(IndexError):
            while (found := self._idle.pop()).is_over():
                found.close()
            return found
        return Connection(self.address, self._timeout)

    def close(self) -> None:
        super().close()
        while self._idle:
            self._idle.pop().close()


class Connection:
    """A connection that one call after the other is sent on. is_open: whether it can take another"""

    def __init__(self, address: str, timeout: float) -> None:
        """Raises OSError."""
        parts = urlsplit(address)
        self._host = parts.netloc.encode("idna").decode()
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._socket, selectors.EVENT_READ)
        self.is_open = True

    def call(self, request: Request, meanwhile: Callable[[], None]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer, packed as it came. Raises OSError, HttpParserError, Unreachable."""
        reply = Reply(request.method)
        self.is_open = False
        try:
            self._socket.sendall(self._lines(request) + (request.content or b""))
            meanwhile()
            while not reply.is_whole:
                reply.take(self._socket.recv(CHUNK))
            self.is_open = reply.leaves_open
        finally:
            if not self.is_open:
                self.close()
        return reply.status, reply.headers, b"".join(reply.chunks)

    def _lines(self, request: Request) -> bytes:
        headers = {"host": self._host, "accept-encoding": "identity", "accept": "*/*", "user-agent": "doubleentry"}
        if request.content is not None or request.method in BRINGING:
            headers["content-length"] = str(len(request.content or b""))
        headers |= {name.lower(): value for name, value in request.headers.items()}
        lines = [f"{request.method} {quote(request.target, SAFE)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any(map(BROKEN.search, lines)):
            raise ValueError("a header of more than one line; no request can have it")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def is_over(self) -> bool:
        """Whether the other side has ended it meanwhile: all that could be read now is its goodbye."""
        return bool(self._ready.select(0))

    def close(self) -> None:
        self._ready.close()
        self._socket.close()


class Reply:
    """An answer as far as it came. method: what it answers"""

    def __init__(self, method: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.is_whole = self.leaves_open = False
        self._bare, self._length = method == "HEAD", 0
        self._unread = 0  # bytes that nothing was made of so far
        self._parser = httptools.HttpResponseParser(self)

    def take(self, came: bytes) -> None:
        """Read on; b"" is the end of all that comes. Raises HttpParserError, ConnectionError, Unreachable."""
        try:
            if came:
                self._unread += len(came)
                self._parser.feed_data(came)
            elif self.status and not {"content-length", "transfer-encoding"} & self.headers.keys():
                self.is_whole = True
            else:
                raise ConnectionError("it ended the connection in the middle of its answer")
        except httptools.HttpParserError:
            # What follows a whole answer is none: nothing else was asked.
            if not self.is_whole:
                raise
            self.leaves_open = False
        if max(self._length, self._unread) > LIMIT:
            raise Unreachable(f"an answer of more than {LIMIT:,} bytes; that is no answer of this API.")

    # What httptools tells

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise ConnectionError("an answer that nobody asked for")
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        self._length += len(name) + len(value)
        self._unread = 0

    def on_headers_complete(self) -> None:
        found = self._parser.get_status_code()
        # What is below 200 is said in advance, and the answer is yet to come.
        self.status = found if found >= 200 else 0
        self.leaves_open = self._parser.should_keep_alive()
        # What answers HEAD tells the length of a body, and has none.
        self.is_whole = self.status > 0 and self._bare

    def on_body(self, chunk: bytes) -> None:
        self._unread = 0
        if not self._bare:
            self.chunks.append(chunk)
            self._length += len(chunk)

    def on_message_complete(self) -> None:
        self.is_whole = self.status > 0


def _inflated(content: bytes) -> bytes:
    """The answer of a server that packs though nobody has asked it to."""
    try:
        found = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, LIMIT + 1)
    except zlib.error as error:
        raise Unreachable(f"an answer that is not packed as it says ({error}).") from None
    if len(found) > LIMIT:
        raise Unreachable(f"an answer of more than {LIMIT:,} bytes; that is no answer of this API.")
    return found
