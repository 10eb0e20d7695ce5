"""HTTP/1.1 as our own protocol speaks it: to the byte as uvicorn's does, or as a test of its own says."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from mockserver.connections import UNREAD, UVICORN, Connection

LOOPS = ["asyncio", "uvloop"]
SEEN: list[Any] = []
"""What the application was told, in the order it was told"""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers as its path says; what it was asked is in the body."""
    await PATHS.get(scope["path"], echo)(scope, receive, send)


async def reply(send: Any, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    length = (b"Content-Length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def content(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            SEEN.append("gone")
            return b""
        parts.append(message["body"])
        more = message["more_body"]
    return b"".join(parts)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = await content(receive)
    told = {key: value for key, value in scope.items() if key not in ("client", "server", "asgi", "state")}
    told["client"] = scope["client"][0]
    said = json.dumps(
        {**told, "body": len(body), "start": body[:20]}, default=lambda each: each.decode("latin-1"), sort_keys=True
    )
    await reply(send, said.encode(), (b"x-body", b"%d" % len(body)))


async def unread(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, b"refused before anything was read", status=403)


async def late(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0.05)
    await echo(scope, receive, send)


async def later(scope: Any, receive: Any, send: Any) -> None:
    """Something is done after the answer is complete."""
    await reply(send, b"complete")
    await asyncio.sleep(0.01)
    SEEN.append((await receive())["type"])


async def pieces(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for piece in (b"one", b"", b"three"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def empty(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def closing(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, b"the last", (b"Connection", b"close"))


async def large(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"20000000")]})
    for _ in range(20):
        await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def odd(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, b"a status of nobody's", status=599)


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("broken")


async def broken_late(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    raise ValueError("broken")


async def broken_half(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("broken")


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """Never answers."""


async def too_long(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"longer"})


async def split(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, b"", (b"x-name", b"one\r\nx-other: two"))


async def split_name(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, b"", (b"x-name: one\r\nx-other", b"two"))


async def awkward(scope: Any, receive: Any, send: Any) -> None:
    """Begins with a body."""
    await send({"type": "http.response.body", "body": b"x"})


async def held(scope: Any, receive: Any, send: Any) -> None:
    """Lets nobody else have a turn for as long as a connection may be idle, and longer."""
    time.sleep(1.6)
    await reply(send, b"")


PATHS = {
    f"/{each.__name__.replace('_', '-')}": each
    for each in (
        *(unread, late, later, pieces, empty, closing, large, odd, broken, broken_late, broken_half, silent),
        *(too_long, split, split_name, awkward, held),
    )
}
HOST = b"Host: here\r\n"
GET = b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n"


def get(path: str, *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    return b"".join((method, b" ", path.encode(), b" HTTP/", version, b"\r\n", HOST, *lines, b"\r\n"))


def post(body: bytes, path: str = "/echo") -> bytes:
    return get(path, b"Content-Length: %d\r\n" % len(body), method=b"POST") + body


LAST = get("/closing")
CHUNKS = b"Transfer-Encoding: chunked\r\n"
TALKS: dict[str, list[bytes]] = {
    "one": [GET, LAST],
    "two in one piece": [GET + get("/late") + LAST],
    "many in one piece": [GET * 200 + LAST],
    "a late one before others": [get("/late") + GET + get("/late") + post(b"x") + LAST],
    "byte for byte": [bytes([each]) for each in post(b"{}") + LAST],
    "names and values": [get("/echo", b"X-One:  a b \r\n", b"x-TWO: \xe9\r\n", b"X-One: c\r\n"), LAST],
    "a query": [get("/a%20b/%C3%A9?x=%20&y#z"), LAST],
    "an absolute address": [get("http://there:80/echo?x=1"), LAST],
    "two slashes": [get("//box/echo"), LAST],
    "a body": [post(b"x" * 1_000), LAST],
    "a body that comes late": [post(b"x" * 1_000)[:-400], b"x" * 400 + LAST],
    "a body in chunks": [get("/echo", CHUNKS, method=b"POST") + b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n" + LAST],
    "a body of nothing": [post(b"") + LAST],
    "a large body": [post(b"x" * 3_000_000), LAST],
    "a body that nobody reads": [post(b"x" * 1_000, "/unread")[:-10], b"x" * 10 + GET + LAST],
    "a large body that nobody reads": [post(b"x" * 3_000_000, "/unread"), GET + LAST],
    "no body to read": [get("/later") + GET, LAST],
    "the head alone": [get("/echo", method=b"HEAD") + get("/pieces", method=b"HEAD") + GET + LAST],
    "an older client": [get("/echo", version=b"1.0")],
    "an older client that would stay": [get("/echo", b"Connection: keep-alive\r\n", version=b"1.0")],
    "a client that goes": [get("/late", b"Connection: close\r\n") + GET],
    "pieces": [get("/pieces") + LAST],
    "no content": [get("/empty") + LAST],
    "much": [get("/large") + LAST],
    "an odd status": [get("/odd") + LAST],
    "behind a proxy": [get("/echo", b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 10.0.0.1\r\n") + GET + LAST],
    "broken": [get("/broken")],
    "broken late": [get("/broken-late")],
    "broken in the midst": [get("/broken-half")],
    "silent": [get("/silent")],
    "a body first": [get("/awkward")],
    "no HTTP": [b"hello\r\n\r\n"],
    "no such version": [b"GET / HTTP/9.9\r\n\r\n"],
    "a broken header": [get("/echo", b"no colon\r\n")],
    "two lengths": [get("/echo", b"Content-Length: 1\r\nContent-Length: 2\r\n", method=b"POST") + b"xx"],
    "a length and chunks": [get("/echo", b"Content-Length: 1\r\n", CHUNKS, method=b"POST") + b"0\r\n\r\n"],
    "a length that is none": [get("/echo", b"Content-Length: -1\r\n", method=b"POST")],
    "a broken chunk": [get("/echo", CHUNKS, method=b"POST") + b"zz\r\n"],
    "no path": [b"GET * HTTP/1.1\r\nHost: here\r\n\r\n"],
    "an authority": [b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\n\r\n"],
    "a path beyond ASCII": ["GET /é HTTP/1.1\r\nHost: here\r\n\r\n".encode()],
    "a good one before a bad one": [GET, b"hello\r\n\r\n"],
}


@contextmanager
def server(loop: str, **options: Any) -> Iterator[tuple[tuple[str, int], uvicorn.Server]]:
    """The application on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = uvicorn.Server(uvicorn.Config(application, loop=loop, **{**UVICORN, "log_config": None, **options}))
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[:2], served
    finally:
        served.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module", params=LOOPS)
def addresses(request: pytest.FixtureRequest) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """Ours, and the one of uvicorn that it stands for."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())
    with server(request.param) as (ours, _), server(request.param, http="httptools") as (theirs, _):
        yield ours, theirs


@pytest.fixture
def ours(addresses: tuple[tuple[str, int], tuple[str, int]]) -> tuple[str, int]:
    return addresses[0]


def talk(address: tuple[str, int], pieces: list[bytes]) -> bytes:
    """All that is answered until the server closes the connection."""
    with socket.create_connection(address) as caller:
        caller.settimeout(10)
        writer = threading.Thread(target=_say, args=(caller, pieces), daemon=True)
        writer.start()
        heard = b""
        try:
            while part := caller.recv(1_000_000):
                heard += part
        except ConnectionResetError:
            pass  # closed with something unread, which says the same
        writer.join(10)
    return heard


def _say(caller: socket.socket, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            caller.sendall(piece)
            if len(pieces) < 10:
                time.sleep(0.02)  # so that it comes in a segment of its own
    except OSError:
        pass  # the server has heard enough


@pytest.mark.parametrize("name", TALKS)
def test_it_speaks_as_uvicorn_does(addresses: tuple[tuple[str, int], tuple[str, int]], name: str) -> None:
    here, there = (talk(address, TALKS[name]) for address in addresses)
    assert here
    assert here == there


@pytest.mark.parametrize("path", ["/too-long", "/split", "/split-name"])
def test_an_answer_that_cannot_be_sent_is_a_fault_of_the_server_not_a_broken_answer(
    ours: tuple[str, int], path: str
) -> None:
    heard = talk(ours, [get(path)])
    assert heard.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert heard.endswith(b"\r\n\r\nInternal Server Error")


def test_a_caller_who_asks_whether_to_go_on_is_told_so_once_the_body_is_wanted(ours: tuple[str, int]) -> None:
    with socket.create_connection(ours) as caller:
        caller.settimeout(10)
        caller.sendall(get("/echo", b"Expect: 100-continue\r\nContent-Length: 2\r\n", method=b"POST"))
        assert caller.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(b"{}" + LAST)
        assert b"x-body: 2\r\n" in caller.recv(1_000)
    # Refused before: nobody is asked for a body that is not read.
    refused = get("/unread", b"Expect: 100-continue\r\nContent-Length: 2\r\n", method=b"POST")
    with socket.create_connection(ours) as caller:
        caller.settimeout(10)
        caller.sendall(refused)
        assert caller.recv(100).startswith(b"HTTP/1.1 403 Forbidden\r\n")


WISH = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [get("/echo", WISH, method=b"GET") + GET + LAST],
        [get("/echo", WISH, b"Content-Length: 51\r\n", method=b"POST") + b"x" * 51 + GET + LAST],
        [get("/echo", WISH, b"Content-Length: 51\r\n", method=b"POST"), b"x" * 51, GET + LAST],
        [get("/echo", WISH, CHUNKS, method=b"POST") + b"33\r\n", b"x" * 51 + b"\r\n0\r\n\r\n" + GET + LAST],
        [get("/echo", WISH)[:40], get("/echo", WISH)[40:] + GET, LAST],
    ],
)
def test_a_wish_to_speak_otherwise_is_passed_over_and_the_request_read_whole(
    ours: tuple[str, int], pieces: list[bytes]
) -> None:
    heard = talk(ours, pieces)
    assert heard.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert (b"x-body: 51\r\n" in heard) == (b"POST" in pieces[0])
    assert heard.endswith(b"the last")


@pytest.mark.parametrize("between", [0, 0.02])
def test_what_came_before_a_broken_request_is_answered_whole(ours: tuple[str, int], between: float) -> None:
    pieces = [get("/late"), b"\0junk\r\n\r\n"]
    heard = talk(ours, pieces if between else [b"".join(pieces)])
    first, _, rest = heard.partition(b"}")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_web_socket_is_refused(ours: tuple[str, int]) -> None:
    heard = talk(ours, [get("/echo", b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n")])
    assert heard.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"\r\nconnection: close\r\n" in heard


def test_a_head_without_end_is_refused(ours: tuple[str, int]) -> None:
    line = b"X-One: " + b"x" * 10_000 + b"\r\n"
    assert b"x-body" in talk(ours, [get("/echo", line * 20), LAST])
    heard = talk(ours, [get("/echo", line * (UNREAD // 10_000 + 20))[:-2]])
    assert heard.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


@pytest.mark.parametrize("start", [b"0\r\nX-One: ", b"1;x=", b"1\r\na\r\n0\r\nX-One: "])
def test_a_body_in_chunks_whose_lines_have_no_end_is_refused(ours: tuple[str, int], start: bytes) -> None:
    heard = talk(ours, [get("/unread", CHUNKS, method=b"POST") + start + b"x" * (UNREAD + 100_000)])
    assert b"HTTP/1.1 431 Request Header Fields Too Large\r\n" in heard


def test_what_stands_behind_a_body_is_no_header_of_the_request() -> None:
    async def run() -> None:
        connection, transport = await _connection(application)
        connection.data_received(get("/late", CHUNKS, method=b"POST") + b"0\r\nX-Trailer: x\r\n\r\n")
        await asyncio.gather(*connection.state.tasks)
        assert b"x-trailer" not in transport.heard[0].lower()

    asyncio.run(run())


def test_a_caller_who_goes_is_noticed_by_who_still_reads(ours: tuple[str, int]) -> None:
    SEEN.clear()
    with socket.create_connection(ours) as caller:
        caller.sendall(post(b"x" * 100)[:-1])
        time.sleep(0.05)
    waited = time.monotonic() + 10
    while not SEEN and time.monotonic() < waited:
        time.sleep(0.01)
    assert SEEN == ["gone"]


def test_a_connection_that_is_not_used_is_closed_and_one_that_is_stays() -> None:
    with server("asyncio", timeout_keep_alive=1) as (address, _), socket.create_connection(address) as caller:
        caller.settimeout(10)
        begun = time.monotonic()
        for _ in range(6):
            caller.sendall(GET)
            assert caller.recv(1_000)
            time.sleep(0.25)
        last = time.monotonic()
        assert caller.recv(1) == b""
        assert last - begun > 1.2
        assert 0.5 < time.monotonic() - last < 5


@pytest.mark.parametrize("loop", LOOPS)
def test_what_comes_in_time_is_answered_though_the_server_was_held_up(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    with (
        server(loop, timeout_keep_alive=1) as (address, _),
        socket.create_connection(address) as caller,
        socket.create_connection(address) as long,
    ):
        caller.settimeout(10)
        caller.sendall(GET)
        assert caller.recv(1_000)
        for _ in range(2):
            long.sendall(get("/held"))
            time.sleep(0.2)
            caller.sendall(get("/late"))
            assert caller.recv(1_000).startswith(b"HTTP/1.1 200 OK")
            assert long.recv(1_000)
        assert caller.recv(1) == b"", "and closed when it is not used"


def test_a_server_that_ends_lets_what_is_under_way_be_answered_and_closes_what_is_not_used() -> None:
    with server("asyncio") as (address, served), socket.create_connection(address) as idle:
        idle.settimeout(10)
        idle.sendall(GET)
        assert idle.recv(1_000)
        with socket.create_connection(address) as caller:
            caller.settimeout(10)
            caller.sendall(post(b"x" * 10)[:-1])
            time.sleep(0.1)
            served.should_exit = True
            assert idle.recv(1) == b""
            caller.sendall(b"x" + GET)
            heard = b""
            while part := caller.recv(10_000):
                heard += part
        assert b"connection: close\r\n" in heard
        assert heard.count(b"HTTP/1.1 200 OK") == 1


class Transport(asyncio.Transport):
    """Hears what is written, and whether more is read."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.heard: list[bytes] = []
        self.reads = True

    def write(self, data: Any) -> None:
        self.heard.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.heard.extend(map(bytes, list_of_data))

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False


async def _connection(app: Any) -> tuple[Connection, Transport]:
    config = uvicorn.Config(app, **UVICORN)
    config.load()
    state = uvicorn.server.ServerState()
    connection, transport = Connection(config, state, {}), Transport()
    connection.connection_made(transport)
    return connection, transport


def test_what_does_not_wait_is_answered_at_once_in_one_piece_and_without_a_task() -> None:
    async def run() -> None:
        connection, transport = await _connection(application)
        connection.data_received(post(b"{}"))
        (heard,) = transport.heard
        assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
        assert heard.endswith(b"}")
        assert not connection.state.tasks
        connection.data_received(get("/late"))
        assert len(connection.state.tasks) == 1
        await asyncio.gather(*connection.state.tasks)
        assert len(transport.heard) == 2

    asyncio.run(run())


def test_what_was_set_for_one_request_is_not_seen_by_the_next() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            who.set("late")
            await asyncio.sleep(0)
            assert who.get() == "late"
        body = who.get().encode()
        who.set(scope["path"])
        await reply(send, body)

    async def run() -> None:
        connection, transport = await _connection(app)
        for path in ("/one", "/two", "/late", "/three"):
            connection.data_received(get(path))
            await asyncio.gather(*connection.state.tasks)
        told = [each.rpartition(b"\r\n")[2] for each in transport.heard]
        assert told == [b"nobody", b"nobody", b"late", b"nobody"]

    asyncio.run(run())


def test_a_flood_of_requests_in_one_piece_is_not_read_further_and_takes_turns_with_others() -> None:
    async def run() -> None:
        connection, transport = await _connection(application)
        connection.data_received(GET * 100)
        assert not transport.reads
        assert len(transport.heard) == 1
        turns = 0
        while len(transport.heard) < 100:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 90
        assert transport.reads

    asyncio.run(run())


def test_a_head_is_sent_before_a_wait_that_comes_between_it_and_the_body() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"{}"})

    async def run() -> None:
        connection, transport = await _connection(app)
        connection.data_received(GET)
        await asyncio.sleep(0)
        assert transport.heard == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]
        await asyncio.gather(*connection.state.tasks)
        assert transport.heard[1:] == [b"{}"]

    asyncio.run(run())


def test_who_reads_slowly_is_not_written_ahead_of_without_bound() -> None:
    async def run() -> None:
        connection, transport = await _connection(application)
        connection.pause_writing()
        connection.data_received(get("/large"))
        for step in range(1, 4):
            for _ in range(5):
                await asyncio.sleep(0)
            # A head and its piece are two.
            assert len(transport.heard) == step + 1
            connection.resume_writing()
            connection.pause_writing()
        connection.resume_writing()
        await asyncio.gather(*connection.state.tasks)
        assert sum(map(len, transport.heard)) > 20_000_000

    asyncio.run(run())
