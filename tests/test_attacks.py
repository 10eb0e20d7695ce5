"""What somebody might send who means harm: refused early and cheaply, and nothing of it runs, leaks or lasts."""

from __future__ import annotations

import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn

from mockserver import MockServer, bodies, create_app
from tests import make_files
from tests.driver import BASE, XLSX, Answer
from tests.raw import Body, ask, assert_problem, file_part, form, json_

DRAFT = "/journals/BJO-1000-0001"
UPLOAD = DRAFT + "/upload"
ATTACHMENTS = "/journals/BJO-1000-0005/attachments"
FORM = b"multipart/form-data; boundary=edge"
MIB = 2**20
PATIENCE = 2.0
"""Seconds of computing that any one of these may take; what is refused early takes milliseconds."""


@contextmanager
def cheap(*, memory: int | None = None, seconds: float = PATIENCE) -> Iterator[None]:
    """Fails if what is done within takes long, or more memory than `memory` bytes."""
    if memory is not None:
        tracemalloc.start()
    # Time of this process, not of the clock on the wall, which also counts what others do on a busy machine.
    started = time.process_time()
    try:
        yield
        took = time.process_time() - started
        if memory is not None:
            assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    # Tracing every allocation slows what is measured.
    assert took < seconds * (4 if memory is not None else 1)


def upload(
    app: MockServer, content: bytes, *, kind: bytes = FORM, caller: str = "vendor", path: str = UPLOAD
) -> Answer:
    return ask(app, "POST", path, caller=caller, headers=[(b"content-type", kind)], body=content)


def attach(app: MockServer, content: bytes, **described: bytes) -> Answer:
    kind, body = form(file_part(content, **described))
    return upload(app, body, kind=kind, path=ATTACHMENTS)


def endless(piece: bytes, first: bytes = b"") -> Body:
    """A body that would go on for a terabyte."""

    def pieces() -> Iterator[bytes]:
        yield first
        for _ in range(2**40 // len(piece)):
            yield piece

    return Body(pieces())


# Sizes


@pytest.mark.parametrize("length", [b"10000001", b"1000000000000", b"9" * 400])
def test_a_body_declared_too_large_is_refused_before_a_byte_of_it_is_read(app: MockServer, length: bytes) -> None:
    body = endless(b"x" * 1000)
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    with cheap(memory=MIB):
        answer = ask(app, "PUT", DRAFT, caller="vendor", headers=headers, body=body)
    assert_problem(app, answer, 413)
    assert body.read == 0


def test_a_form_declared_too_large_is_refused_before_a_byte_of_it_is_read(app: MockServer) -> None:
    body = endless(b"x" * 1000)
    headers = [(b"content-type", FORM), (b"content-length", b"501000001")]
    with cheap():
        assert_problem(app, ask(app, "POST", UPLOAD, caller="vendor", headers=headers, body=body), 413)
    assert body.read == 0


@pytest.mark.parametrize("length", [None, b"10", b"0x10", b"-1", b"1e3", b"\xd9\xa3", b"", b"12, 13"])
def test_a_body_without_end_is_cut_off_at_the_limit_whatever_it_declares(app: MockServer, length: bytes | None) -> None:
    body = endless(b" " * 65_536)
    declared = [(b"transfer-encoding", b"chunked")] if length is None else [(b"content-length", length)]
    with cheap(memory=3 * bodies.JSON_LIMIT):
        headers = [(b"content-type", b"application/json"), *declared]
        answer = ask(app, "PUT", DRAFT, caller="vendor", headers=headers, body=body)
    assert_problem(app, answer, 413)
    assert body.read <= bodies.JSON_LIMIT + 65_536


def test_a_file_without_end_is_cut_off_at_the_limit(app: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.services["billing"].api.conventions.attachments, "limit", 2 * MIB)
    head, _ = file_part(b"")
    body = endless(b"x" * 65_536, b"--edge\r\n" + head + b"\r\n\r\n")
    with cheap(memory=16 * MIB):
        answer = ask(app, "POST", UPLOAD, caller="vendor", headers=[(b"content-type", FORM)], body=body)
    assert_problem(app, answer, 413)
    assert body.read <= 2 * MIB + bodies.FRAMING + 2 * 65_536


def test_a_client_that_goes_away_midway_leaves_nothing_behind(app: MockServer) -> None:
    class Gone(Body):
        def next(self) -> dict[str, Any]:
            return super().next() if self.read == 0 else {"type": "http.disconnect"}

    before = ask(app, "GET", DRAFT).content
    for path, kind in ((DRAFT, b"application/json"), (UPLOAD, FORM)):
        method = "PUT" if path == DRAFT else "POST"
        answer = ask(
            app, method, path, caller="vendor", headers=[(b"content-type", kind)], body=Gone([b'{"name": "half'])
        )
        assert answer.status == 400
    assert ask(app, "GET", DRAFT).content == before


def test_who_may_not_call_is_refused_before_a_byte_is_read(app: MockServer) -> None:
    for caller, status in ((None, 401), ("client", 403)):
        body = endless(b"x" * 1000)
        assert_problem(
            app, ask(app, "POST", UPLOAD, caller=caller, headers=[(b"content-type", FORM)], body=body), status
        )
        assert body.read == 0


# Forms

HEAD, _ = file_part(b"")
PART = b"--edge\r\n" + HEAD + b"\r\n\r\n"
BROKEN_FORMS: dict[str, tuple[bytes, bytes]] = {
    "no boundary": (b"multipart/form-data", PART + b"x\r\n--edge--\r\n"),
    "an empty boundary": (b"multipart/form-data; boundary=", PART + b"x\r\n--edge--\r\n"),
    "another boundary": (b"multipart/form-data; boundary=other", PART + b"x\r\n--edge--\r\n"),
    "a boundary of 100 KB": (b"multipart/form-data; boundary=" + b"e" * 100_000, PART),
    "a charset that is none": (
        FORM + b"; charset=nonsense",
        b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--edge--\r\n',
    ),
    "nothing": (FORM, b""),
    "no end": (FORM, PART + b"x"),
    "no end of the headers": (FORM, b"--edge\r\nContent-Disposition: form-data"),
    "bare newlines": (FORM, (PART + b"x\r\n--edge--\r\n").replace(b"\r\n", b"\n")),
    "a header of 1 MB": (FORM, b"--edge\r\nX: " + b"y" * MIB + b"\r\n\r\nx\r\n--edge--\r\n"),
    "50,000 headers": (FORM, b"--edge\r\n" + b"X: y\r\n" * 50_000 + b"\r\nx\r\n--edge--\r\n"),
    "a header without a colon": (FORM, b"--edge\r\nnonsense\r\n\r\nx\r\n--edge--\r\n"),
    "51 files": form(*[file_part(b"x")] * 51),
    "10,000 texts": form(*[(b'Content-Disposition: form-data; name="t%d"' % n, b"x") for n in range(10_000)]),
    "a text of 2 MB": form((b'Content-Disposition: form-data; name="attachment"', b"x" * 2 * MIB)),
    "a form in a form": form(file_part(form(file_part(b"x"))[1], media=b"multipart/mixed; boundary=edge")),
    "no name": form((b"Content-Disposition: form-data", b"x")),
    "no disposition": form((b"Content-Type: text/plain", b"x")),
    "a million boundaries": (FORM, b"--edge\r\n" * 100_000),
}


@pytest.mark.parametrize("kind", BROKEN_FORMS)
def test_a_broken_or_swollen_form_is_refused(app: MockServer, kind: str) -> None:
    header, content = BROKEN_FORMS[kind]
    before = ask(app, "GET", DRAFT).content
    with cheap():
        for path in (UPLOAD, ATTACHMENTS):
            answer = upload(app, content, kind=header, path=path)
            assert answer.status in (400, 413, 415), answer
            assert_problem(app, answer, answer.status)
    assert ask(app, "GET", DRAFT).content == before


def test_of_many_parts_only_so_many_are_taken(app: MockServer) -> None:
    body = endless(b'--edge\r\nContent-Disposition: form-data; name="t"\r\n\r\nx\r\n' * 100)
    with cheap(memory=8 * MIB):
        answer = ask(app, "POST", UPLOAD, caller="vendor", headers=[(b"content-type", FORM)], body=body)
    assert_problem(app, answer, 400)
    assert body.read < 100_000


NAMES = [
    b"../../../../etc/passwd",
    b"..\\\\..\\\\windows\\\\system.ini",
    b"/etc/passwd",
    b"C:\\\\x.txt",
    b"x\x00.txt",
    b"x\r\nX-Injected: 1",
    b"x%0d%0aX-Injected: 1",
    b"x\\\"; filename*=UTF-8''evil.exe",
    b"<script>alert(1)</script>.txt",
    b"a" * 5000 + b".txt",
    "Größe \N{RIGHT-TO-LEFT OVERRIDE}txt.exe".encode(),
    b"\xff\xfe.txt",
    b".",
    b"~",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_is_a_name_and_never_a_path_or_a_header(app: MockServer, name: bytes) -> None:
    answer = attach(app, b"hello", name=name, media=b"text/plain")
    assert answer.status in (201, 400), answer
    assert "x-injected" not in answer.headers
    if answer.status == 400:
        assert_problem(app, answer, 400)
        return
    served = follow(app, answer.json["id"])
    assert served.content == b"hello"
    assert set(served.headers) <= {"content-disposition", "content-type", "content-length", "x-content-type-options"}
    disposition = served.headers["content-disposition"]
    assert re.fullmatch(r"attachment; filename=\"[^\"\\\r\n\0]*\"(; filename\*=UTF-8''[A-Za-z0-9%._~-]+)?", disposition)


def location(
    app: MockServer, id: str, *, parent: str = ATTACHMENTS, headers: list[tuple[bytes, bytes]] | None = None
) -> str:
    answer = ask(app, "GET", f"{parent}/{id}", headers=[(b"accept", b"*/*"), *(headers or [])])
    assert answer.status == 301, answer
    return answer.headers["location"]


def follow(app: MockServer, id: str) -> Answer:
    path = location(app, id).removeprefix("http://127.0.0.1:8000")
    raw, _, query = path.partition("?")
    return ask(app, "GET", "/" + raw, caller=None, query=query.encode())


# Workbooks and other charge files


def refused_file(app: MockServer, content: bytes, media: str = XLSX, name: bytes = b"c.xlsx") -> Answer:
    kind, body = form(file_part(content, media=media.encode(), name=name))
    before = ask(app, "GET", DRAFT).content
    answer = upload(app, body, kind=kind)
    assert answer.status in (400, 413), answer
    assert_problem(app, answer, answer.status)
    assert ask(app, "GET", DRAFT).content == before
    return answer


def test_a_zip_bomb_is_refused_without_unpacking_it(app: MockServer) -> None:
    content = make_files.bomb(unpacked=2 * 2**30)
    with cheap(memory=64 * MIB):
        refused_file(app, content)


def test_a_zip_bomb_whose_directory_lies_is_refused(app: MockServer) -> None:
    content = make_files.bomb(unpacked=2 * 2**30, declared=1000)
    with cheap(memory=64 * MIB):
        refused_file(app, content)


def test_a_sheet_of_16384_columns_is_refused(app: MockServer) -> None:
    content = make_files.workbook(make_files.inline((f"c{n}" for n in range(16_384)), row=1))
    with cheap():
        refused_file(app, content)
    line = ",".join(f"c{n}" for n in range(16_384)).encode()
    refused_file(app, line + b"\n" + line, "text/csv", b"c.csv")


def test_entities_in_a_workbook_are_not_expanded(app: MockServer) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    outside = '<!ENTITY x SYSTEM "file:///etc/passwd">'
    for entities, use in ((f'<!ENTITY l0 "ha">{laughs}', "&l9;"), (outside, "&x;")):
        xml = f"<?xml version='1.0'?><!DOCTYPE worksheet [{entities}]>"
        row = f'<row r="1"><c t="inlineStr"><is><t>{use}</t></is></c></row>'
        xml += f'<worksheet xmlns="{make_files.SHEET}"><sheetData>{row}</sheetData></worksheet>'
        content = make_files.package({"xl/worksheets/sheet1.xml": xml.encode()})
        with cheap(memory=32 * MIB):
            assert "root:" not in refused_file(app, content).text


LINES: dict[str, bytes] = {
    "a line of 9 MB": b'{"a": "' + b"x" * 9 * MIB + b'"}',
    "a deep line": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "numbers without end": b'{"quantity": ' + b"9" * 500_000 + b"}",
    "an exponent without end": b'{"quantity": 1e999999999, "price": {"unitPP": -1e999999999, "PPx1": 1e-999999999}}',
    "an exponent as a text": b'{"description": {"value1": 1e999999999}, "externalIds": {"vendor": 1e-999999999}}',
    "an exponent as a date": b'{"period": {"start": 1e999999999, "end": -1e999999999}, "segment": 1e99999}',
    "not UTF-8": b'{"a": "\xff"}\n' * 1000,
    "zeros": b"\x00" * 100_000,
}


@pytest.mark.parametrize("kind", LINES)
def test_hostile_lines_are_refused_or_marked_and_take_no_time(app: MockServer, kind: str) -> None:
    header, body = form(file_part(LINES[kind]))
    with cheap(memory=128 * MIB):
        answer = upload(app, body, kind=header)
    assert answer.status in (200, 400, 413), answer
    settled = ask(app, "GET", DRAFT)
    assert settled.status == 200
    # A file that was taken has no good line in it.
    assert settled.json["status"] == ("Error" if answer.status == 200 else "Draft")


def test_numbers_of_a_workbook_without_end_take_no_time(app: MockServer) -> None:
    header = "Subscription Search Criteria,Subscription Search Value,Item Search Criteria,Item Search Value,"
    header += "Quantity,Start Date,Unit PP"
    numbers = ("1e999999999", "-1e999999999", "1e-999999999", "1e308", "NaN")
    cells = "".join(f"<c><v>{number}</v></c>" for number in numbers * 3)
    content = make_files.workbook(make_files.inline(header.split(","), row=1) + f'<row r="2">{cells}</row>')
    kind, body = form(file_part(content, media=XLSX.encode(), name=b"c.xlsx"))
    with cheap(memory=64 * MIB):
        answer = upload(app, body, kind=kind)
        assert answer.status in (200, 400), answer
    with cheap(memory=64 * MIB):
        answer = upload(app, body, kind=kind, caller="operations", path="/custom-ledgers/CLE-1000-0001/upload")
        assert answer.status in (200, 400), answer
    assert ask(app, "GET", "/custom-ledgers/CLE-1000-0001").status == 200


# Queries

QUERIES: dict[str, str] = {
    "not in not": "not(" * 2000 + "eq(id,1)" + ")" * 2000,
    "and in or": "and(or(" * 1000 + "eq(id,1)" + "))" * 1000,
    "open brackets": "(" * 8000,
    "closed brackets": ")" * 8000,
    "any in any": "any(lines," * 700 + "eq(id,1)" + ")" * 700,
    "commas": "," * 8000,
    "alternating separators": "eq(id,1)|" * 800 + "eq(id,1)",
    "9 KB": "eq(name," + "x" * 9000 + ")",
    "a million characters": "x" * 1_000_000,
    "10,000 values": "in(id,(" + ",".join(f"B{n}" for n in range(10_000)) + "))",
    "1,300 values": "in(id,(" + ",".join(f"B{n}" for n in range(1300)) + "))",
    "stars": "like(name,'" + "*a" * 3000 + "')",
    "stars alone": "ilike(name,'" + "*" * 8000 + "')",
    "a pattern of groups": "like(name,'*(a+)+$(a|a)*[[]{1,9999}*')",
    "deep path": "eq(" + ".".join(["authorization"] * 500) + ",1)",
    "a cycle of references": "eq(" + ".".join(["ledger.journal"] * 300) + ".id,1)",
    "dots": "eq(" + "." * 8000 + ",1)",
    "a float beyond": "eq(revision,1e999999999)",
    "a decimal beyond": "gt(price.totalPP,1e999999999)",
    "a decimal below": "lt(price.totalPP,-1e-999999999)",
    "many digits": "eq(revision," + "9" * 8000 + ")",
    "NaN": "gt(price.totalPP,NaN)",
    "infinity": "gt(price.totalPP,-Infinity)",
    "a date beyond": "gt(audit.created.at,99999-12-31)",
    "a date that is none": "lt(dueDate,2026-02-30T25:61:61.999999999Z)",
    "wide brackets": "eq（id，1）",
    "wide letters": "ｅｑ(id,1)",
    "a dotted I": "İN(id,(1))",
    "right to left": "\u202eeq(id,1)",
    "zero bytes": "eq(name,'\x00')",
    "surrogates": "eq(name,'\ud83d')",
    "an open quote": "eq(name,'" + "\\" * 4000,
    "quotes": "\"'" * 4000,
    "code": "eq(__class__.__mro__,1)&__import__('os')",
    "sql": "eq(name,'x');DROP TABLE journals--",
    "a template": "eq(name,'{{7*7}}${7*7}')",
    "select of thousands": "select=" + ",".join(f"+n{n}" for n in range(1300)),
    "select of a cycle": "select=" + ",".join(["+" + ".".join(["ledger.journal"] * 40)] * 10),
    "select of everything everywhere": "select=*,*.*,*.*.*,authorization.*,vendor.*",
    "order of thousands": "order=" + ",".join(["id"] * 2500),
    "order of nothing": "order=" + "+-" * 4000,
    "segments": "&" * 8000,
    "equals": "=" * 8000,
    "limits": "&".join(["limit=1"] * 1000),
}


@pytest.mark.parametrize("kind", QUERIES)
def test_a_hostile_query_is_answered_at_once(app: MockServer, kind: str) -> None:
    query = quote(QUERIES[kind].encode("utf-8", "surrogatepass"), safe="()=&,'*+-.|").encode()
    for path in ("/statements", "/journals", "/journals/BJO-1000-0005/charges"):
        with cheap():
            answer = ask(app, "GET", path, query=query)
        assert answer.status in (200, 400), answer
        if answer.status == 400:
            assert_problem(app, answer, 400)
            assert len(answer.content) < 3000, "an error repeats what was sent only in part"


def test_a_query_is_read_in_memory_that_its_length_bounds(app: MockServer) -> None:
    with cheap(memory=16 * MIB):
        for kind in ("not in not", "any in any", "1,300 values", "a million characters"):
            ask(app, "GET", "/journals", query=quote(QUERIES[kind], safe="(),").encode())


# Hosts, links and pages

HOSTS = [
    b"evil.example/@127.0.0.1",
    b"user:pass@evil.example",
    b"evil.example\r\nX-Injected: 1",
    b"evil.example#",
    b"evil.example?x=",
    b"evil example",
    b"",
    b"127.0.0.1:8000, evil.example",
    b"127.0.0.1:99999999",
    b"[::1",
    b"\xff\xfe",
    b"a" * 300,
    b"javascript:alert(1)",
    b"//evil.example",
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_never_reaches_a_link(app: MockServer, host: bytes) -> None:
    found = location(app, "JOA-1000-0001", headers=[(b"host", host)])
    assert re.match(r"http://127\.0\.0\.1:8000/files/billing/JOA-1000-0001\?expires=\d+&signature=[0-9a-f]{64}$", found)


def test_headers_of_proxies_are_not_believed(app: MockServer) -> None:
    headers = [(name, b"evil.example") for name in (b"x-forwarded-host", b"x-host", b"forwarded", b"x-original-url")]
    headers += [(b"x-forwarded-proto", b"javascript"), (b"x-rewrite-url", b"/admin")]
    assert location(app, "JOA-1000-0001", headers=headers).startswith("http://127.0.0.1:8000/files/")


def test_a_header_cannot_turn_a_read_into_a_write(app: MockServer) -> None:
    for name in (b"x-http-method-override", b"x-http-method", b"x-method-override"):
        assert ask(app, "GET", DRAFT, caller="vendor", headers=[(name, b"DELETE")]).status == 200
    assert ask(app, "GET", DRAFT, caller="vendor", query=b"_method=DELETE").status in (200, 400)
    assert ask(app, "GET", DRAFT).json["status"] == "Draft"


TAMPER: dict[str, Callable[[str], str]] = {
    "another file": lambda link: link.replace("JOA-1000-0001", "JOA-1000-0003"),
    "a longer life": lambda link: re.sub(r"expires=\d+", "expires=9999999999", link),
    "no expiry": lambda link: re.sub(r"expires=\d+&", "", link),
    "no signature": lambda link: link.partition("&signature")[0],
    "an empty signature": lambda link: link.partition("signature=")[0] + "signature=",
    "half a signature": lambda link: link[:-32],
    "a long signature": lambda link: link + "0" * 100_000,
    "a signature in capitals": lambda link: link[:-64] + link[-64:].upper() + "A",
    "a unicode signature": lambda link: link[:-64] + quote("ü" * 64),
    "digits of another script": lambda link: re.sub(r"expires=\d+", "expires=" + quote("١٢٣"), link),
    "a superscript digit": lambda link: re.sub(r"expires=\d+", "expires=" + quote("²"), link),
    "a negative expiry": lambda link: re.sub(r"expires=", "expires=-", link),
    "a float": lambda link: re.sub(r"expires=\d+", "expires=1e99", link),
    "an expiry without end": lambda link: re.sub(r"expires=\d+", "expires=" + "9" * 5000, link),
    "another API": lambda link: link.replace("/files/billing/", "/files/credits/"),
    "no API": lambda link: link.replace("/files/billing/", "/files//"),
    "a path in the id": lambda link: link.replace("JOA-1000-0001", "..%2f..%2fetc%2fpasswd"),
    "a path beside the id": lambda link: link.replace("JOA-1000-0001", "x/../JOA-1000-0001"),
    "expiry twice": lambda link: link + "&expires=9999999999",
}


@pytest.mark.parametrize("kind", TAMPER)
def test_a_tampered_link_opens_nothing(app: MockServer, kind: str) -> None:
    link = location(app, "JOA-1000-0001").removeprefix("http://127.0.0.1:8000")
    raw, _, query = TAMPER[kind](link).partition("?")
    answer = ask(app, "GET", "/" + raw, caller=None, query=query.encode())
    assert answer.status in (403, 404), answer
    assert answer.json["status"] == answer.status
    raw, _, query = link.partition("?")
    assert ask(app, "GET", "/" + raw, caller=None, query=query.encode()).status == 200


def test_a_single_wrong_digit_anywhere_spoils_a_signature(app: MockServer) -> None:
    raw, _, query = location(app, "JOA-1000-0001").removeprefix("http://127.0.0.1:8000").partition("?")
    for place in range(len(query) - 64, len(query)):
        wrong = query[:place] + ("0" if query[place] != "0" else "1") + query[place + 1 :]
        assert ask(app, "GET", "/" + raw, caller=None, query=wrong.encode()).status == 403


@pytest.mark.parametrize(
    "name",
    [
        "..%2fapp.py",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..",
        "../app.py",
        "swagger-ui.css%00",
        "swagger-ui.css/",
        "/etc/passwd",
        "%5c..%5c",
        "index.html",
        "a" * 5000,
    ],
)
def test_the_pages_serve_their_own_assets_and_nothing_else(app: MockServer, name: str) -> None:
    answer = ask(app, "GET", f"//docs/{name}", caller=None)
    assert answer.status in (307, 404), answer
    assert b"import" not in answer.content
    assert b"root:" not in answer.content
    assert ask(app, "GET", "//docs/swagger-ui.css", caller=None).status == 200


def test_names_of_a_scenario_cannot_run_on_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--"
    scenario = tmp_path / "evil.yaml"
    scenario.write_text(
        f"extends: default\ncallers:\n  '{evil}': {{token: evil-token, role: vendor, account: Tidewater Software}}\n"
    )
    page = ask(create_app("billing", scenario=scenario), "GET", "//docs", caller=None)
    assert page.status == 200
    assert "alert(1)" in page.text
    assert "</script><script>alert" not in page.text
    assert "<!--" not in page.text


@pytest.mark.parametrize("media", [b"text/html", b"application/xml", b"text/xml", b"text/html; charset=utf-7"])
def test_an_attached_page_comes_back_as_a_download_that_nobody_sniffs(app: MockServer, media: bytes) -> None:
    made = attach(app, b"<script>alert(document.domain)</script>", name=b"x.html", media=media)
    assert made.status == 201, made
    served = follow(app, made.json["id"])
    assert served.status == 200
    assert served.headers["content-disposition"].startswith("attachment; ")
    assert served.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "media", [b"image/svg+xml", b"text/javascript", b"application/x-msdownload", b"text/html\x0bx", b"*/*"]
)
def test_what_runs_elsewhere_is_not_even_taken(app: MockServer, media: bytes) -> None:
    assert_problem(app, attach(app, b"x", name=b"x", media=media), 415)


def test_html_in_what_is_echoed_stays_json(app: MockServer) -> None:
    for path in ("/<script>alert(1)</script>", "/journals/<img src=x onerror=alert(1)>"):
        answer = ask(app, "GET", path)
        assert_problem(app, answer, 404)
    assert_problem(app, ask(app, "GET", "/journals", query=b"<script>(id,1)"), 400)


# Tokens

TOKENS: dict[str, bytes] = {
    "an expired one": b"Bearer expired-token",
    "a forged one": b"Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoib3BlcmF0aW9ucyJ9.",
    "a prefix": b"Bearer operations-toke",
    "more behind it": b"Bearer operations-tokenx",
    "other case": b"Bearer OPERATIONS-TOKEN",
    "two in one": b"Bearer vendor-token operations-token",
    "two with a comma": b"Bearer vendor-token,operations-token",
    "another scheme": b"Basic b3BlcmF0aW9uczo=",
    "no scheme": b"operations-token",
    "no token": b"Bearer ",
    "null": b"Bearer null",
    "quotes": b'Bearer "operations-token"',
    "a zero byte": b"Bearer operations-token\x00",
    "a newline": b"Bearer operations-token\n",
    "bytes": b"Bearer \xff\xfe\xfd",
    "1 MB": b"Bearer " + b"x" * MIB,
    "a megabyte of spaces": b"Bearer" + b" " * MIB,
    "sql": b"Bearer ' OR 1=1 --",
    "a name": b"Bearer operations",
    "a role": b"operations",
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_is_not_known_opens_nothing(app: MockServer, kind: str) -> None:
    with cheap():
        answer = ask(app, "GET", "/journals", caller=None, headers=[(b"authorization", TOKENS[kind])])
    assert_problem(app, answer, 401)
    assert len(answer.content) < 1000
    assert "operations-token" not in answer.text


def test_a_token_elsewhere_than_in_the_header_is_not_looked_for(app: MockServer) -> None:
    headers = [
        (b"cookie", b"token=operations-token; Authorization=Bearer operations-token"),
        (b"x-api-key", b"operations-token"),
    ]
    for query in (b"", b"access_token=operations-token", b"token=operations-token"):
        assert_problem(app, ask(app, "GET", "/journals", caller=None, query=query, headers=headers), 401)


def test_two_authorization_headers_that_differ_open_nothing(app: MockServer) -> None:
    pair = [(b"authorization", b"Bearer vendor-token"), (b"authorization", b"Bearer operations-token")]
    for headers in (pair, pair[::-1]):
        assert_problem(app, ask(app, "GET", "/ledgers", caller=None, headers=headers), 401)


def test_thousands_of_guessed_tokens_leave_nothing_behind(app: MockServer) -> None:
    with cheap(memory=4 * MIB):
        for guess in range(1000):
            headers = [(b"authorization", b"Bearer guess-%d" % guess), (b"accept", b"text/x%d" % guess)]
            assert ask(app, "GET", "/journals", caller=None, headers=headers).status == 401


# Over a socket


@pytest.fixture(scope="module")
def address(built: MockServer) -> Iterator[tuple[str, int]]:
    """The application behind a real server, on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(built, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[:2]
    server.should_exit = True
    thread.join(10)
    listener.close()


def talk(address: tuple[str, int], *pieces: bytes) -> bytes:
    """What a server answers to bytes on a connection, until it closes or has answered."""
    with socket.create_connection(address, timeout=5) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It has heard enough; what it said may be there to read.
        received = b""
        try:
            while b"\r\n\r\n" not in received:
                piece = connection.recv(65_536)
                if not piece:
                    break
                received += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def head(method: str, path: str, *headers: str, token: str = "vendor-token") -> bytes:
    lines = [f"{method} {BASE}{path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def assert_alive(address: tuple[str, int]) -> None:
    assert talk(address, head("GET", "/journals?limit=0")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=edge"])
def test_over_a_socket_a_huge_declared_body_is_refused_at_once(address: tuple[str, int], kind: str) -> None:
    method, path = ("PUT", DRAFT) if kind == "application/json" else ("POST", UPLOAD)
    with cheap():
        answer = talk(address, head(method, path, f"Content-Type: {kind}", "Content-Length: 999999999999"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert_alive(address)


def test_over_a_socket_a_chunked_body_without_end_is_cut_off(address: tuple[str, int]) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        yield head("PUT", DRAFT, "Content-Type: application/json", "Transfer-Encoding: chunked")
        piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
        for _ in range(64):
            sent += len(piece)
            yield piece

    with cheap(seconds=10):
        answer = talk(address, *chunks())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert_alive(address)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /public/v1/billing/journals HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
        b"GET /public/v1/billing/journals HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /public/v1/billing/journals HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n",
        b"POST /public/v1/billing/journals HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET " + b"/a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_over_a_socket_nonsense_is_refused_and_the_server_lives(address: tuple[str, int], request_: bytes) -> None:
    with cheap(seconds=8):
        answer = talk(address, request_ + b"\r\n\r\n")
    assert not answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 5"))
    assert b"Traceback" not in answer
    assert_alive(address)


def test_over_a_socket_a_client_that_hangs_up_midway_hurts_nobody(address: tuple[str, int]) -> None:
    for _ in range(20):
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(head("PUT", DRAFT, "Content-Type: application/json", "Content-Length: 5000") + b'{"name')
    assert_alive(address)


def test_a_lone_surrogate_never_gets_in(app: MockServer) -> None:
    assert_problem(app, json_(app, "PUT", DRAFT, b'{"name": "\\udc00"}', caller="vendor"), 400, "body")
