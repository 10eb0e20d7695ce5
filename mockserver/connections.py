"""HTTP/1.1 on one connection, in uvicorn's place for a protocol: what needs not wait is answered where it is read.

Uvicorn gives every request a task, an event and a turn of the loop of its own, which costs more than answering most
requests here does. This one drives the application itself, and makes a task only of what waits for something.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping
from functools import lru_cache
from http import HTTPStatus
from types import coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Work = Coroutine[Any, Any, None]
Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Work]

UNREAD = 262_144
"""Bytes that may come of which nothing can be made yet: a head, a trailer, a line before a chunk"""
AHEAD = 65_536
"""Bytes of a body that wait to be read before no more are taken from the network"""
TOGETHER = 65_536
"""Bytes of a body that leave in one piece with what stands before it; joining more costs more than it saves"""
HEADS = 1_000
"""Heads of answers that are kept as they were written; one depends on nothing but what it is made of"""
LOOK = 0.01
"""Seconds within which a loop surely sees what has come"""
FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NAME, VALUE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"), re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
STATUS = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}

log = logging.getLogger("uvicorn.error")


class Cycle:
    """One request on a connection, and the answer to it.

    disconnected: nobody waits for the answer any more
    """

    __slots__ = (
        "_awaited",
        "_chunked",
        "_head",
        "_left",
        "_waiting",
        "app",
        "body",
        "complete",
        "connection",
        "disconnected",
        "keep_alive",
        "more",
        "scope",
        "started",
        "transport",
    )

    def __init__(self, connection: Connection, app: Application, scope: Scope, *, keep_alive: bool) -> None:
        self.connection = connection
        self.app = app
        self.transport = connection.transport
        self.scope = scope
        self.keep_alive = keep_alive
        self.body, self.more = b"", True
        self.started = self.complete = self.disconnected = False
        self._awaited = False
        self._waiting: asyncio.Future[None] | None = None
        self._head: bytes | None = None
        self._left, self._chunked = 0, False

    async def receive(self) -> Message:
        """ASGI: the next part of the body, once it is there."""
        while self.more and not (self.body or self.disconnected or self.complete):
            if not self._awaited:
                self._awaited = True
                if not self.started and _has(self.scope, b"expect", b"100-continue"):
                    self.transport.write(CONTINUE)
            self._waiting = self.connection.loop.create_future()
            self.connection.resume_reading()
            await self._waiting
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": body, "more_body": self.more}

    def wake(self) -> None:
        """Tell who waits that something came, or that nothing will."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def send(self, message: Message) -> None:
        """ASGI: write a part of the answer."""
        if self.disconnected:
            return
        if not self.started:
            self._begin(message)
            return
        if self.complete or message["type"] != "http.response.body":
            raise RuntimeError(f"{message['type']} is not what comes next in an answer")
        more = message.get("more_body", False)
        self._write(message.get("body", b""), more)
        if more and self.connection.is_full:
            await self.connection.drained()

    def _begin(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"{message['type']} is not what an answer begins with")
        status, headers = message["status"], (*self.connection.state.default_headers, *message.get("headers", ()))
        has_body = status != 204 and status != 304 and self.scope["method"] != "HEAD"
        try:
            head = _head(status, headers, self.keep_alive, has_body)
        except TypeError:  # lists, where tuples are usual
            head = _head(
                status, tuple((bytes(name), bytes(value)) for name, value in headers), self.keep_alive, has_body
            )
        self._head, self._left, self._chunked, self.keep_alive = head
        self.started = True

    def _write(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body of the answer is not as long as its head says")
        head, self._head = self._head, None
        if head is None:
            self.transport.write(body)
        elif len(body) <= TOGETHER:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        if not more:
            self.complete = True
            self.connection.completed(self)

    @property
    def is_under_way(self) -> bool:
        """Whether anything of the answer was written."""
        return self.started and self._head is None

    def flush(self) -> None:
        """Write the head of an answer whose body is still to come."""
        if self._head is not None and not self.disconnected:
            self.transport.write(self._head)
            self._head = None


class Connection(asyncio.Protocol):
    """A connection of uvicorn's: `uvicorn.Config(..., http=Connection)`; it speaks neither TLS nor WebSocket."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.state = server_state
        self.is_full = False
        self.transport: asyncio.Transport
        self._behind_proxy: Application = config.loaded_app
        self._app: Application = getattr(config.loaded_app, "app", config.loaded_app)
        if not isinstance(config.loaded_app, ProxyHeadersMiddleware):
            self._app = config.loaded_app
        self._patience = config.timeout_keep_alive
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": config.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "root_path": config.root_path,
        }
        self._app_state = app_state
        self._parser = self._fresh_parser()
        self._queue: deque[Cycle] = deque()
        self._cycle: Cycle | None = None  # the one that is being answered
        self._read: Cycle | None = None  # the one whose body comes in
        self._unread = 0  # bytes that nothing was made of so far
        self._is_message = self._is_head = self._is_paused = self._is_forwarded = self._is_looked_for = False
        self._idle: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None
        self._last: tuple[int, bytes] | None = None  # what is said when all that came before is answered

    # As asyncio has a protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop has its own
        self.transport = transport
        self.state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names its own protocols there
        self._scope |= {"server": _address(transport, "sockname"), "client": _address(transport, "peername")}

    def connection_lost(self, exc: Exception | None) -> None:
        self.state.connections.discard(self)
        for each in (self._cycle, *self._queue):
            if each is not None and not each.complete:
                each.disconnected = True
                each.wake()
        self._queue.clear()
        self.resume_writing()
        if self._timer is not None:
            self._timer.cancel()
        del self._parser  # and with it the circle of the two

    def data_received(self, data: bytes) -> None:
        self._idle = None
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(400, b"Invalid HTTP request received.")
        if self._is_message:
            self._unread += len(data)
            if self._unread > UNREAD:
                self._refuse(431, b"A header of the request has no end, or there are too many.")
        self._next()

    def _parse(self, data: bytes) -> None:
        while data and self._last is None:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as asked:
                # Nothing else is spoken here, so the request counts without that wish. The parser has passed over its
                # body, which another one reads.
                self._parser = self._fresh_parser()
                data = self._plain + data[asked.args[0] :]

    def _fresh_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Otherwise what a caller sends after its last request would take away the answer to that.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # As uvicorn has a protocol

    def shutdown(self) -> None:
        """Close the connection as soon as nothing is being answered."""
        if self._cycle is None:
            self.transport.close()
        else:
            self._cycle.keep_alive = False

    # As httptools has a protocol

    def on_message_begin(self) -> None:
        self._is_message = self._is_head = True
        self._is_forwarded = False
        self._unread = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head:  # what stands behind a body in chunks is nobody's
            name = name.lower()
            if name in FORWARDED:
                self._is_forwarded = True
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_head, self._unread = False, 0
        parser, url = self._parser, httptools.parse_url(self._url)
        path, version = url.path.decode("ascii"), parser.get_http_version()
        scope = {
            **self._scope,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        if version != "1.1":
            scope["http_version"] = version
        if parser.should_upgrade():
            if _has(scope, b"upgrade", b"websocket"):
                self._refuse(403, b"")
            head = [b"%b %b HTTP/%b" % (parser.get_method(), self._url, version.encode())]
            head += [b"%b: %b" % each for each in self._headers if each[0] != b"upgrade"]
            self._plain = b"\r\n".join((*head, b"", b""))
            return
        app = self._behind_proxy if self._is_forwarded else self._app
        cycle = self._read = Cycle(self, app, scope, keep_alive=version != "1.0" and parser.should_keep_alive())
        if self._cycle is not None or self._queue:
            self._pause_reading()
        self._queue.append(cycle)

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        cycle = self._read
        if cycle is not None and not cycle.complete:
            cycle.body += body
            if len(cycle.body) > AHEAD:
                self._pause_reading()
            cycle.wake()

    def on_message_complete(self) -> None:
        self._is_message = False
        if self._read is not None:
            self._read.more = False
            self._read.wake()

    # Answering

    def _next(self) -> None:
        """Answer the next request, if there is one and none is being answered."""
        if self._cycle is not None or not self._queue:
            return
        cycle = self._cycle = self._queue.popleft()
        context = contextvars.copy_context()
        work = cycle.app(cycle.scope, cycle.receive, cycle.send)
        try:
            waited = context.run(work.send, None)
        except StopIteration:
            self._ended(cycle)
        except Exception as error:
            self._failed(cycle, error)
        else:
            task = self.loop.create_task(self._go_on(cycle, work, waited), context=context)
            self.state.tasks.add(task)
            task.add_done_callback(self.state.tasks.discard)

    async def _go_on(self, cycle: Cycle, work: Work, waited: Any) -> None:  # Any: what a coroutine waits for
        """Answer, as a task, a request that has to wait."""
        try:
            await _rest(cycle, work, waited)
        except asyncio.CancelledError:  # the server ends
            self.transport.close()
            raise
        except Exception as error:
            self._failed(cycle, error)
        else:
            self._ended(cycle)

    def completed(self, cycle: Cycle) -> None:
        """Go on with the next request, or wait for one."""
        self.state.total_requests += 1
        self._cycle = None
        if not cycle.keep_alive:
            self.transport.close()
        elif self._queue:
            self.loop.call_soon(self._next)
        elif self._last is not None:
            self._end(*self._last)
        elif not self.transport.is_closing():
            if self._is_paused:
                self.resume_reading()
            self._idle = self.loop.time()
            if self._timer is None:
                self._timer = self.loop.call_later(self._patience, self._tire)

    def _tire(self) -> None:
        """Close the connection if nothing came for so long."""
        self._timer = None
        if self._idle is None:
            self._is_looked_for = False
            return
        left = self._idle + self._patience - self.loop.time()
        if left <= 0 and self._is_looked_for:
            self.transport.close()
            return
        # A loop that was held up has not seen yet what came in time.
        self._is_looked_for = left <= 0
        self._timer = self.loop.call_later(max(left, LOOK), self._tire)

    def _ended(self, cycle: Cycle) -> None:
        if not (cycle.complete or cycle.disconnected):
            self._failed(cycle, None)

    def _failed(self, cycle: Cycle, error: Exception | None) -> None:
        log.error("The application did not answer %r.", cycle.scope["path"], exc_info=error)
        if cycle.is_under_way or cycle.disconnected:
            self.transport.close()
        else:
            self._end(500, b"Internal Server Error")

    def _refuse(self, status: int, said: bytes) -> None:
        """Answer what is no request for the application, once what came before it is answered, and read no further."""
        if self._last is not None:
            return
        self._last = status, said
        self._pause_reading()
        # Of a request that breaks off in its body, no more will come.
        if (self._read is not None and self._read.more) or (self._cycle is None and not self._queue):
            self._end(status, said)

    def _end(self, status: int, said: bytes) -> None:
        """Say the last, and close the connection."""
        self._queue.clear()
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(said)
        self.transport.write(STATUS[status] + head + said)
        self.transport.close()

    async def drained(self) -> None:
        """Wait until what was written is on its way."""
        if self.is_full:
            self._writable = self.loop.create_future()
            await self._writable

    def resume_reading(self) -> None:
        """Take more from the network."""
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()

    def _pause_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()


UVICORN: Mapping[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "lifespan": "off",
    "server_header": False,
    "date_header": False,
    "timeout_graceful_shutdown": 2,
    "http": Connection,
    "ws": "none",
}
"""What both the command and the server of a user's tests have uvicorn serve with"""


@lru_cache(maxsize=HEADS)
def _head(
    status: int, headers: tuple[tuple[bytes, bytes], ...], keep_alive: bool, has_body: bool
) -> tuple[bytes, int, bool, bool]:
    """What an answer begins with; how many bytes follow; or whether chunks do; whether the connection stays."""
    lines: list[bytes] = []
    length: int | None = None
    is_chunked = is_told = False
    for name, value in headers:
        if NAME.fullmatch(name) is None or VALUE.fullmatch(value) is None:
            raise RuntimeError(f"the answer's header {name!r} holds what no header may")
        name = name.lower()
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding" and value.lower() == b"chunked":
            is_chunked = True
        elif name == b"connection" and b"close" in value.lower():
            keep_alive, is_told = False, True
        lines += (name, b": ", value, b"\r\n")
    if not keep_alive and not is_told:
        lines.append(b"connection: close\r\n")
    if not has_body:
        is_chunked, length = False, 0
    elif length is None and not is_chunked:
        is_chunked = True
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return (STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status) + b"".join(lines), length or 0, is_chunked, keep_alive


@coroutine
def _rest(cycle: Cycle, work: Work, waited: Any) -> Generator[Any, Any, None]:
    """What is left of work that waits; what it has written so far is not held back any more."""
    while True:
        cycle.flush()
        try:
            try:
                result = yield waited
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                waited = work.throw(error)
            else:
                waited = work.send(result)
        except StopIteration:
            return


def _has(scope: Scope, name: bytes, value: bytes) -> bool:
    """Whether a request has a header with this value, in whatever case."""
    return any(key == name and said.lower() == value for key, said in scope["headers"])


def _address(transport: asyncio.Transport, kind: str) -> tuple[str, int] | None:
    """Host and port of one end."""
    told = transport.get_extra_info(kind)
    return (str(told[0]), int(told[1])) if isinstance(told, tuple) else None
