"""A deployment on plain HTTP with nobody in between: connections that stay open, and nothing beside the call itself."""

from __future__ import annotations

import selectors
import socket
import time
import zlib
from http.client import HTTPConnection, HTTPException, IncompleteRead
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from contracts.target import LIMIT, Pooled, Unreachable
from contracts.wire import Answer, Request

SAFE = "".join(map(chr, range(0x21, 0x7F))).translate({ord(each): None for each in '"<>#'})
"""What a target may hold as it is; the rest cannot stand in the first line of a request."""


def reaches(address: str) -> bool:
    """Whether an address is called in plain HTTP, and not by way of a proxy that the environment names."""
    parts, proxies = urlsplit(address), getproxies()
    passes = ("http" in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")
    return parts.scheme == "http" and not passes


class Direct(Pooled):
    """A deployment at an address. timeout: seconds a call"""

    def __init__(self, address: str, *, timeout: float) -> None:
        self.address, self._timeout = address.rstrip("/"), timeout
        self._idle: list[HTTPConnection] = []

    def send(self, request: Request) -> Answer:
        began = time.perf_counter()
        connection = self._connection()
        try:
            answer = self._answer(connection, request, began)
        except (OSError, HTTPException) as error:
            connection.close()
            what = " ".join(str(error).split())[:120] or type(error).__name__
            raise Unreachable(f"target did not answer at {self.address} ({what}); is it running there?") from None
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def _answer(self, connection: HTTPConnection, request: Request, began: float) -> Answer:
        headers = {"accept": "*/*", "user-agent": "doubleentry", **request.headers}
        connection.request(request.method, quote(request.target, SAFE), request.content, headers)
        came = connection.getresponse()
        content = came.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise Unreachable(f"an answer of more than {LIMIT:,} bytes; that is no answer of this API.")
        if came.length and request.method != "HEAD":
            raise IncompleteRead(content, came.length)
        found: dict[str, str] = {}
        for name, value in came.getheaders():
            name = name.lower()
            found[name] = f"{found[name]}, {value}" if name in found else value
        if found.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip", "deflate"):
            content = _inflated(content)
        return Answer(came.status, found, content, time.perf_counter() - began)

    def _connection(self) -> HTTPConnection:
        """One that is open and at rest, else a new one."""
        while self._idle:
            found = self._idle.pop()
            # Closed here, or by the other side meanwhile: all that could be read now is its goodbye.
            if found.sock is not None and not _can_be_read(found.sock):
                return found
            found.close()
        parts = urlsplit(self.address)
        return HTTPConnection(parts.hostname or "", parts.port, timeout=self._timeout)

    def close(self) -> None:
        super().close()
        while self._idle:
            self._idle.pop().close()


def _inflated(content: bytes) -> bytes:
    """The answer of a server that packs though nobody has asked it to."""
    try:
        found = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, LIMIT + 1)
    except zlib.error as error:
        raise Unreachable(f"an answer that is not packed as it says ({error}).") from None
    if len(found) > LIMIT:
        raise Unreachable(f"an answer of more than {LIMIT:,} bytes; that is no answer of this API.")
    return found


def _can_be_read(there: socket.socket) -> bool:
    with selectors.DefaultSelector() as ready:
        ready.register(there, selectors.EVENT_READ)
        return bool(ready.select(0))
