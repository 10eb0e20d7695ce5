"""Calls over plain HTTP: answered as by way of httpx, which takes those behind TLS or a proxy."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.direct import Direct, reaches
from contracts.target import Http, InProcess, Unreachable, connect
from contracts.wire import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PACKED = gzip.compress(b"packed unasked", mtime=0)
KINDS: dict[str, Callable[[str], Any]] = {
    "direct": lambda address: Direct(address, timeout=5),
    "httpx": lambda address: Http(address, timeout=5),
}


class Server:
    """Answers each connection with these bytes a request, in order, and ends it after the last of them."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.came: list[bytes] = []
        self.ended: list[threading.Event] = []
        self.answers: list[list[bytes]] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                there, _ = self._listening.accept()
            except OSError:
                return
            ended = threading.Event()
            self.ended.append(ended)
            with there:
                for answer in self.answers.pop(0):
                    self.came.append(self._request(there))
                    there.sendall(answer)
            ended.set()

    def _request(self, there: socket.socket) -> bytes:
        found = b""
        while b"\r\n\r\n" not in found:
            found += there.recv(65536)
        head, _, body = found.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += there.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(params=list(KINDS))
def made(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    return KINDS[request.param]


@pytest.mark.parametrize(
    ("method", "answer", "status", "headers", "content"),
    [
        ("GET", OK, 200, {"content-type": "application/json", "content-length": "2"}, b"{}"),
        ("HEAD", OK[:-2], 200, {"content-type": "application/json", "content-length": "2"}, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, {}, b""),
        ("GET", b"HTTP/1.0 404 No\r\nX-A: 1\r\nX-a: 2\r\n\r\ntill the end", 404, {"x-a": "1, 2"}, b"till the end"),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
            200,
            {"transfer-encoding": "chunked"},
            b"abcd",
        ),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
            200,
            None,
            b"packed unasked",
        ),
        (
            "GET",
            b"HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            200,
            None,
            b"a",
        ),
        ("GET", b"HTTP/1.1 301 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", 301, None, b""),
    ],
)
def test_an_answer_is_read_as_it_came(
    server: Server, made: Any, method: str, answer: bytes, status: int, headers: dict[str, str] | None, content: bytes
) -> None:
    server.answers = [[answer]]
    target = made(server.address)
    came = target.send(Request(method, "/here"))
    target.close()
    assert (came.status, came.content) == (status, content)
    assert headers is None or came.headers == headers


def test_a_request_is_sent_as_it_is_said(server: Server, made: Any) -> None:
    server.answers = [[OK]]
    target = made(server.address)
    target.send(Request("POST", "/a%2Fb", 'eq(id,"x y")&é=1', {"content-type": "text/x", "accept": "b/c"}, b"body"))
    target.close()
    first, *lines = server.came[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    headers = dict(line.decode().lower().split(": ", 1) for line in lines)
    assert first == b"POST /a%2Fb?eq(id,%22x%20y%22)&%C3%A9=1 HTTP/1.1"
    assert headers["host"] == server.address.removeprefix("http://")
    assert (headers["content-type"], headers["accept"], headers["content-length"]) == ("text/x", "b/c", "4")
    assert headers["user-agent"] == "doubleentry"
    assert server.came[0].endswith(b"\r\n\r\nbody")


def test_a_connection_stays_open_and_a_new_one_is_made_where_it_was_ended(server: Server, made: Any) -> None:
    server.answers = [[OK, OK], [OK]]
    target = made(server.address)
    assert [target.send(Request("GET", "/")).status for _ in range(2)] == [200, 200]
    assert len(server.ended) == 1
    assert server.ended[0].wait(5)
    assert target.send(Request("GET", "/")).status == 200
    assert len(server.ended) == 2
    target.close()


def test_what_is_said_in_advance_is_not_told(server: Server, made: Any) -> None:
    server.answers = [[b"HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n" + OK]]
    target = made(server.address)
    assert "x-a" not in target.send(Request("GET", "/")).headers
    target.close()


@pytest.mark.parametrize("more", [b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx", b"{}"])
def test_what_follows_an_answer_is_no_answer_to_the_next_call(server: Server, more: bytes) -> None:
    server.answers = [[OK + more], [OK]]
    target = Direct(server.address, timeout=5)
    assert [target.send(Request("GET", "/")).content for _ in range(2)] == [b"{}", b"{}"]
    target.close()


def test_an_answer_without_body_leaves_its_connection_to_the_next_call(server: Server, made: Any) -> None:
    server.answers = [[OK[:-2], OK]]
    target = made(server.address)
    assert target.send(Request("HEAD", "/")).content == b""
    assert target.send(Request("GET", "/")).content == b"{}"
    target.close()


def test_a_header_of_two_lines_is_not_sent(server: Server, made: Any) -> None:
    server.answers = [[OK]]
    target = made(server.address)
    with pytest.raises((ValueError, Unreachable)):
        target.send(Request("GET", "/", "", {"x-a": "1\r\nx-b: 2"}))
    target.close()
    assert server.came == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nothing of the kind\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
    ],
)
def test_what_is_no_whole_answer_is_none(server: Server, made: Any, answer: bytes) -> None:
    server.answers = [[answer], [OK]]
    target = made(server.address)
    with pytest.raises(Unreachable, match=f"target did not answer at {server.address} .*; is it running there"):
        target.send(Request("GET", "/"))
    assert target.send(Request("GET", "/")).status == 200
    target.close()


def test_an_answer_without_end_is_broken_off(server: Server, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.target.LIMIT", 10)
    monkeypatch.setattr("contracts.direct.LIMIT", 10)
    server.answers = [[b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nabcdefghijk"]]
    target = made(server.address)
    with pytest.raises(Unreachable, match="an answer of more than 10 bytes"):
        target.send(Request("GET", "/"))
    target.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1234567890\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: " + b"x" * 200_000,
    ],
)
def test_headers_without_end_are_broken_off(server: Server, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr("contracts.direct.LIMIT", 10_000)
    server.answers = [[answer]]
    target = Direct(server.address, timeout=5)
    with pytest.raises(Unreachable, match="an answer of more than 10,000 bytes"):
        target.send(Request("GET", "/"))
    target.close()


def test_calls_at_once_have_a_connection_each(server: Server, made: Any) -> None:
    server.answers = [[OK.replace(b"Content-Type", b"Connection: close\r\nContent-Type")]] * 3
    target = made(server.address)
    assert [each.status for each in target.at_once([Request("GET", "/")] * 3)] == [200] * 3
    target.close()


@pytest.mark.parametrize(
    ("address", "environment", "kind"),
    [
        ("http://127.0.0.1:1", {}, Direct),
        ("https://127.0.0.1:1", {}, Http),
        ("http://127.0.0.1:1", {"http_proxy": "http://127.0.0.1:2"}, Http),
        ("http://127.0.0.1:1", {"all_proxy": "http://127.0.0.1:2"}, Http),
        ("http://127.0.0.1:1", {"http_proxy": "http://127.0.0.1:2", "no_proxy": "127.0.0.1"}, Direct),
    ],
)
def test_tls_and_proxies_are_left_to_httpx(
    address: str, environment: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    target = connect(address, None, timeout=1)
    assert type(target) is kind
    assert reaches(address) is (kind is Direct)
    target.close()


def test_an_application_is_called_in_this_process() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    target = connect("", app, timeout=1)
    assert isinstance(target, InProcess)
    target.close()


class Waiting(Server):
    """Answers a request once it may."""

    def __init__(self) -> None:
        self.asked, self.may = threading.Event(), threading.Event()
        super().__init__()

    def _request(self, there: socket.socket) -> bytes:
        found = super()._request(there)
        self.asked.set()
        assert self.may.wait(5)
        return found


def test_what_is_done_meanwhile_is_done_while_the_answer_is_under_way() -> None:
    server = Waiting()
    server.answers = [[OK]]
    done: list[bool] = []

    def meanwhile() -> None:
        done.append(server.asked.wait(5))
        server.may.set()

    target = Direct(server.address, timeout=5)
    assert target.send(Request("GET", "/a"), meanwhile).content == b"{}"
    assert done == [True]
    target.close()
    server.close()


def test_a_connection_is_not_used_again_where_what_is_done_meanwhile_fails(server: Server) -> None:
    server.answers = [[OK], [OK.replace(b"{}", b"[]")]]

    def meanwhile() -> None:
        raise RuntimeError

    target = Direct(server.address, timeout=5)
    with pytest.raises(RuntimeError):
        target.send(Request("GET", "/a"), meanwhile)
    assert target.send(Request("GET", "/b")).content == b"[]"
    target.close()
