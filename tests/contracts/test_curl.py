"""The line of a report, pasted into bash, repeats the very request: method, target, headers, every byte of the body."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from contracts.redaction import Redaction
from contracts.wire import Answer, Caller, Exchange, Request, curl

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="bash and curl are what these lines are for"
)

TOKEN = "vendor-secret-7f3a"
VENDOR = Caller("vendor", "billing", "vendor", TOKEN, credentials={"clientSecret": "s3cr3t-pa/ss+word"})
NOBODY = Caller("nobody", "billing", "", None, kind="nobody")
GARBAGE = Caller("garbage", "billing", "", "not-a-token-91", kind="garbage")
VARIABLES = {"TOKEN_VENDOR": TOKEN, "SECRET_VENDOR_CLIENT_SECRET": "s3cr3t-pa/ss+word"}
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b1"}
MULTIPART = (
    b'--b1\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n\x00\xff\xfe\r\nend\n\r\n--b1--\r\n'
)


@dataclass
class Heard:
    """What the small server was sent last."""

    address: str = ""
    method: str = ""
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


@pytest.fixture(scope="module")
def heard() -> Iterator[Heard]:
    """A server that only listens."""
    last = Heard()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            last.method, last.target = self.command, self.path
            last.headers = {name.lower(): value for name, value in self.headers.items()}
            last.content = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    last.address = f"http://127.0.0.1:{server.server_port}"
    yield last
    server.shutdown()
    server.server_close()
    thread.join()


def made(caller: Caller, request: Request) -> Exchange:
    return Exchange(1, "billing", "", caller, request, Answer(500, {}, b""), "", "read")


def pasted(line: str) -> None:
    """Run a line as somebody who exported the variables would."""
    outcome = subprocess.run(
        ["bash", "-c", line],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "no_proxy": "*", **VARIABLES},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr.decode()


REQUESTS: Mapping[str, Request] = {
    "a reading": Request("GET", "/journals"),
    "quotes, blanks and letters beyond ASCII": Request("GET", "/j", 'eq(name,"Zoë & Søn")&like(a,*b c*)&x=$HOME'),
    "a query that is escaped already": Request("GET", "/j", "eq(name,%22a%20b%22)&limit=1%2C2"),
    "brackets and braces": Request("GET", "/j", "in(id,[1-9],{a,b})&select=-a,+b"),
    "dots in the path": Request("GET", "/a/../b/./c/%2e%2e/d"),
    "a head": Request("HEAD", "/journals"),
    "an event without a body": Request("POST", "/journals/1/submit"),
    "an empty body": Request("PUT", "/journals/1", headers=JSON, content=b""),
    "JSON": Request("POST", "/journals", headers=JSON, content=b'{"name": "it\'s \\"so\\" $HOME `id` \\\\ !x"}'),
    "JSON beyond ASCII": Request("PUT", "/journals/1", headers=JSON, content='{"name": "Zoë 漢字 🎉"}'.encode()),
    "lines": Request("POST", "/journals", headers={"content-type": "text/csv"}, content=b"a,b\n1,2\n\n"),
    "lines as others end them, and tabs": Request("POST", "/j", headers=JSON, content=b"a\tb\r\n1\t2\r\n"),
    "what looks like a file": Request("POST", "/j", headers=JSON, content=b"@/etc/passwd"),
    "broken JSON": Request("POST", "/journals", headers=JSON, content=b'{"'),
    "a file in parts": Request("POST", "/journals/1/upload", headers=FORM, content=MULTIPART),
    "bytes that are no text": Request("PUT", "/x", headers=JSON, content=bytes(range(256))),
    "a long body": Request("POST", "/x", headers=JSON, content=b'"' + b"x" * 2_000_000 + b'"'),
    "a reading with a body": Request("GET", "/journals", headers=JSON, content=b"{}"),
    "a body without a type": Request("POST", "/journals", content=b"{}"),
    "an empty header": Request("GET", "/journals", headers={"x-empty": "", "accept": "text/csv; q=0.5"}),
    "another method": Request("OPTIONS", "/journals"),
    "a deletion": Request("DELETE", "/journals/1"),
    "a secret in the body": Request("POST", "/t", headers=JSON, content=b'{"s": "s3cr3t-pa/ss+word", "b": "$x"}'),
    "a secret in bytes": Request("POST", "/t", headers=JSON, content=b"\xffs3cr3t-pa/ss+word\rvendor-secret-7f3a\xfe"),
    "a secret in the query": Request("GET", "/t", "token=vendor-secret-7f3a&a=[1]"),
    "a secret in a header": Request("GET", "/t", headers={"x-key": 'vendor-secret-7f3a9 "$x"'}),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_pasted_line_repeats_the_request(name: str, heard: Heard) -> None:
    request = REQUESTS[name]
    line = curl(made(VENDOR, request), heard.address)
    assert not any(secret in line for secret in VARIABLES.values())
    assert all(letter.isprintable() or letter == "\n" for letter in line), "a page or a terminal would change these"
    pasted(line)
    assert heard.method == request.method
    assert heard.target == request.target.replace('"', "%22").replace(" ", "%20").replace("ë", "%C3%AB").replace(
        "ø", "%C3%B8"
    )
    assert heard.content == (request.content or b"")
    assert heard.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers.items() <= heard.headers.items()
    assert ("content-type" in heard.headers) == ("content-type" in request.headers)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_line_made_of_a_cleaned_call_is_the_same(name: str) -> None:
    exchange = made(VENDOR, REQUESTS[name])
    assert curl(Redaction.of([VENDOR]).exchange(exchange), "http://h") == curl(exchange, "http://h")


@pytest.mark.parametrize(("caller", "sent"), [(NOBODY, None), (GARBAGE, "Bearer not-a-token-91")])
def test_nobody_sends_no_token_and_a_made_up_one_needs_no_variable(
    caller: Caller, sent: str | None, heard: Heard
) -> None:
    pasted(curl(made(caller, Request("GET", "/journals")), heard.address))
    assert heard.headers.get("authorization") == sent


def test_a_header_that_a_check_made_is_repeated_where_the_caller_has_no_token(heard: Heard) -> None:
    pasted(curl(made(NOBODY, Request("GET", "/journals", headers={"authorization": "Basic Og=="})), heard.address))
    assert heard.headers["authorization"] == "Basic Og=="


def test_a_body_too_long_for_a_line_is_told_as_a_file() -> None:
    noise = bytes((i * i * 31 + i // 7 * 17) % 251 for i in range(200_000))
    noise = b"".join(noise[i : i + 97] + str(i * 7919).encode() for i in range(0, len(noise), 97))
    line = curl(made(NOBODY, Request("POST", "/x", headers=JSON, content=os.urandom(100_000) + noise)), "http://h")
    assert "--data-binary @body.bin" in line and len(line) < 300
