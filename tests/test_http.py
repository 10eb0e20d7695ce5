"""HTTP itself: paths, methods, headers, and bodies of every wrong kind; the answer is a clear one and never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.service import Endpoint
from specs.documents import METHODS, document
from tests.driver import Client
from tests.objects import filled, objects, variables
from tests.raw import ask, assert_problem, file_part, form, json_

PATHS: dict[str, set[str]] = {
    path: {method.upper() for method in item if method in METHODS}
    for path, item in document("billing")["paths"].items()
}
JOURNAL = "/journals/BJO-1000-0001"
"""A draft of the vendor's."""
ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "PROPFIND")


def some(path: str) -> str:
    return path.replace("{", "").replace("}", "")


# Paths and methods


@pytest.mark.parametrize(
    "path", ["//", "//nothing", "//public", "//public/v1", "//public/v1/billings", "//public/v1/accounts/x", "//%00"]
)
def test_a_path_outside_every_api_is_not_found(app: MockServer, path: str) -> None:
    answer = ask(app, "GET", path, caller=None)
    if path == "//":
        assert answer.status == 307  # to the docs
        return
    assert_problem(app, answer, 404)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing", "/journals/a/b", "/journals/a/charges/b/c/d", "/JOURNALS", "//public/v1/billing//journals"],
)
def test_a_path_inside_the_api_that_is_none_is_not_found(app: MockServer, path: str) -> None:
    assert_problem(app, ask(app, "GET", path), 404)


@pytest.mark.parametrize("path", PATHS)
def test_methods_that_a_path_does_not_have_are_refused_with_those_that_it_has(app: MockServer, path: str) -> None:
    allowed = PATHS[path] | {"OPTIONS"} | ({"HEAD"} if "GET" in PATHS[path] else set())
    for method in ALL_METHODS:
        if method in allowed:
            continue
        answer = ask(app, method, some(path), caller=None)
        if method == "HEAD":
            assert (answer.status, answer.content) == (405, b"")
        else:
            assert_problem(app, answer, 405)
        assert set(answer.headers["allow"].split(", ")) == allowed
    answer = ask(app, "OPTIONS", some(path), caller=None)
    assert (answer.status, answer.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("query", ["", "limit=0", "limit=100&select=audit"])
@pytest.mark.parametrize("path", [path for path, methods in PATHS.items() if "GET" in methods and "{" not in path])
def test_head_answers_as_get_without_the_body(app: MockServer, path: str, query: str) -> None:
    get, head = (ask(app, method, path, query=query.encode()) for method in ("GET", "HEAD"))
    assert get.status == 200
    assert get.content
    assert head.content == b""
    assert (head.status, head.headers) == (get.status, get.headers)
    assert int(head.headers["content-length"]) == len(get.content)


def test_head_refuses_as_get_does(app: MockServer) -> None:
    for caller, path, status in (
        (None, "/journals", 401),
        ("client", "/journals", 403),
        ("vendor", "/journals/BJO-0000-0000", 404),
    ):
        head = ask(app, "HEAD", path, caller=caller)
        assert (head.status, head.content) == (status, b"")


def test_one_slash_at_the_end_is_tolerated(app: MockServer) -> None:
    assert ask(app, "GET", "/journals/").content == ask(app, "GET", "/journals").content
    assert ask(app, "GET", JOURNAL + "/").status == 200
    assert ask(app, "GET", "/journals//").status == 404


def test_an_encoded_slash_belongs_to_the_id(app: MockServer) -> None:
    assert ask(app, "GET", "/journals/BJO-1000-0005%2Fcharges").status == 404
    assert "BJO-1000-0005/charges" in ask(app, "GET", "/journals/BJO-1000-0005%2Fcharges").json["detail"]
    assert ask(app, "GET", "/%6Aournals/BJO-1000-0005").status == 200


@pytest.mark.parametrize(
    "id",
    [
        "%FF%FE",
        "%C3%28",
        "%00",
        "%0d%0aX-Injected:%201",
        "..",
        "%2e%2e%2f%2e%2e%2fetc",
        "'",
        '"',
        "%F0%9F%92%A9",
        "{id}",
        "*",
        "a" * 5000,
        "%",
        "%zz",
    ],
)
def test_an_id_that_cannot_be_is_just_unknown(app: MockServer, id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = ask(app, method, f"/custom-ledgers/{id}")
        assert_problem(app, answer, 404)
        assert "x-injected" not in answer.headers
        assert len(answer.content) < 12_000


def test_a_query_that_is_not_utf_8_is_refused_whatever_the_method(app: MockServer) -> None:
    assert_problem(app, ask(app, "GET", "/journals", query=b"name=%FF"), 400, "query")
    assert_problem(app, ask(app, "GET", "/journals", query=b"name=\xff"), 400, "query")
    json_body = [(b"content-type", b"application/json")]
    answer = ask(app, "PUT", JOURNAL, caller="vendor", query=b"x=%C3%28", headers=json_body, body=b"{}")
    assert_problem(app, answer, 400, "query")


@pytest.mark.parametrize(
    "query",
    [
        b"limit=1&limit=2",
        b"limit=-1",
        b"limit=x",
        b"limit=",
        b"limit=9" * 40,
        b"offset=1e9",
        b"offset=99999999999",
        b"limit=%F0%9F%92%A9",
    ],
)
def test_paging_that_is_no_number_falls_back_to_the_default(app: MockServer, query: bytes) -> None:
    answer = ask(app, "GET", "/journals", query=query)
    assert answer.status == 200
    assert answer.json["$meta"]["pagination"]["limit"] <= 100


# Bodies


def test_a_body_that_is_not_utf_8_is_refused_with_its_place(app: MockServer) -> None:
    for content in (b'{"name": "\xff"}', b"\xff\xfe{\x00}\x00", b'{"name": "\xed\xa0\x80"}', b'{"name": "\\ud800"}'):
        assert_problem(app, json_(app, "PUT", JOURNAL, content, caller="vendor"), 400, "body")


def test_of_a_key_that_comes_twice_the_last_counts(app: MockServer) -> None:
    answer = json_(app, "PUT", JOURNAL, b'{"name": "first", "name": "last"}', caller="vendor")
    assert (answer.status, answer.json["name"]) == (200, "last")


def test_a_byte_order_mark_is_overlooked(app: MockServer) -> None:
    answer = json_(app, "PUT", JOURNAL, b'\xef\xbb\xbf{"name": "marked"}', caller="vendor")
    assert (answer.status, answer.json["name"]) == (200, "marked")
    assert_problem(app, json_(app, "PUT", JOURNAL, b"\xef\xbb\xbf" * 3 + b"{", caller="vendor"), 400, "body")
    assert_problem(app, json_(app, "PUT", JOURNAL, b"\xef\xbb\xbf" * 3_000_000, caller="vendor"), 400, "body")


NOT_JSON = {
    "nothing but space": b"   ",
    "cut off": b'{"name": "a',
    "trailing comma": b'{"name": "a",}',
    "single quotes": b"{'name': 'a'}",
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "a comment": b'{"name": "a" /* b */}',
    "two values": b"{}{}",
    "hex": b'{"name": 0x10}',
    "control character": b'{"name": "a\x01"}',
    "very deep lists": b"[" * 100_000,
    "very deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"externalIds":' * 5000 + b"1" + b"}" * 5000,
}


@pytest.mark.parametrize("kind", NOT_JSON)
def test_what_is_not_json_is_refused_as_unreadable(app: MockServer, kind: str) -> None:
    answer = json_(app, "PUT", JOURNAL, NOT_JSON[kind], caller="vendor")
    assert_problem(app, answer, 400, "body")
    assert answer.json["title"] == "Bad Request"


WRONG_JSON = {
    "null": b"null",
    "a list": b"[]",
    "lists in lists": b"[[[[]]]]",
    "a text": b'"name"',
    "true": b"true",
    "a number": b"12",
    "a huge integer": b"1" * 400,
    "a number beyond every float": b"1e400",
    "minus nothing": b"-0",
}


@pytest.mark.parametrize("kind", WRONG_JSON)
def test_json_that_is_no_object_is_refused(app: MockServer, kind: str) -> None:
    for method, path in (("PUT", JOURNAL), ("POST", "/journals"), ("POST", "/journals/BJO-1000-0003/submit")):
        assert_problem(app, json_(app, method, path, WRONG_JSON[kind], caller="vendor"), 400, "body")


NUMBERS = (
    b"1e400",
    b"-1e400",
    b"1" * 400,
    b"9223372036854775808",
    b"1e308",
    b"1e-400",
    b"-0.0",
    b"123456789012345678901234567890.5",
    b"1E+2",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_out_of_range_is_refused_or_kept_and_never_breaks_anything(app: MockServer, number: bytes) -> None:
    invoice = b'{"documentNo": "NL-PSI-777", "countryCode": "NL", "externalIds": {"customer": "x"}, '
    invoice += b'"price": {"totalSP": %s}, '
    invoice += b'"erpData": {"revision": %s, "balanceDue": %s}, "lines": [{"lineNo": %s, "quantity": %s}]}'
    answer = json_(app, "POST", "/invoices", invoice % ((number,) * 5))
    assert answer.status in (201, 400), answer
    if answer.status == 400:
        assert_problem(app, answer, 400)
    ledger = b'{"billingStartDate": %s, "price": {"markup": %s}, "assignee": {"id": %s}}' % ((number,) * 3)
    assert_problem(app, json_(app, "PUT", "/custom-ledgers/CLE-1000-0001", ledger), 400)


@pytest.mark.parametrize(
    "header",
    [
        b"text/plain",
        b"application/xml",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"",
        b";",
        b"application",
        b"application/json; charset=latin-1",
        b'application/json; charset="utf-16"',
        b"json",
        b"\xff\xfe",
        b"application/jsonp",
    ],
)
def test_a_body_of_another_type_is_not_taken(app: MockServer, header: bytes) -> None:
    answer = ask(app, "PUT", JOURNAL, caller="vendor", headers=[(b"content-type", header)], body=b'{"name": "x"}')
    assert_problem(app, answer, 415)


def test_a_body_without_a_type_is_not_taken(app: MockServer) -> None:
    assert_problem(app, ask(app, "PUT", JOURNAL, caller="vendor", body=b'{"name": "x"}'), 415)
    assert_problem(app, ask(app, "POST", "/journals/BJO-1000-0001/upload", caller="vendor", body=b"x"), 415)


@pytest.mark.parametrize(
    "header",
    [
        b"application/json",
        b"APPLICATION/JSON",
        b"application/json;charset=UTF-8",
        b'application/json; charset="utf8"',
        b"text/json",
        b"application/merge-patch+json",
        b" application/json ; x=y",
    ],
)
def test_json_under_any_of_its_names_is_taken(app: MockServer, header: bytes) -> None:
    answer = ask(app, "PUT", JOURNAL, caller="vendor", headers=[(b"content-type", header)], body=b'{"name": "x"}')
    assert (answer.status, answer.json["name"]) == (200, "x")


def test_an_empty_body_is_refused_only_where_one_is_needed(app: MockServer) -> None:
    for content in (b"", b"{}"):
        assert json_(app, "POST", "/journals/BJO-1000-0003/submit", content, caller="vendor").status == 200
        app.reset()
    assert ask(app, "POST", "/journals/BJO-1000-0003/submit", caller="vendor").status == 200
    assert_problem(app, json_(app, "POST", "/journals", b"", caller="vendor"), 400, "body")
    assert_problem(app, ask(app, "POST", "/journals", caller="vendor"), 400, "body")
    answer = json_(app, "POST", "/journals", b"{}", caller="vendor")
    assert_problem(app, answer, 400, "name")
    assert set(answer.json["errors"]) == {"name", "authorization"}
    assert answer.json["title"] == "One or more validation errors occurred."
    assert json_(app, "PUT", JOURNAL, b"{}", caller="vendor").status == 200


def test_errors_are_keyed_by_the_place_in_the_body(app: MockServer) -> None:
    body = {"name": 7, "authorization": {"id": []}, "dueDate": "soon", "externalIds": {"vendor": {}}}
    answer = json_(app, "POST", "/journals", json.dumps(body).encode(), caller="vendor")
    assert_problem(app, answer, 400)
    assert set(answer.json["errors"]) == {"name", "authorization.id", "dueDate", "externalIds.vendor"}
    body = {"documentNo": "1", "countryCode": "NL", "lines": [{}, {"lineNo": "one"}]}
    answer = json_(app, "POST", "/invoices", json.dumps(body).encode())
    assert_problem(app, answer, 400, "lines[1].lineNo")


def test_names_of_members_match_whatever_their_case(app: MockServer) -> None:
    content = b'{"NAME": "loud", "externalids": {"VENDOR": "x-9"}, "DueDate": "2026-04-01"}'
    answer = json_(app, "PUT", JOURNAL, content, caller="vendor")
    assert answer.status == 200
    assert answer.json["name"] == "loud"
    assert answer.json["externalIds"]["vendor"] == "x-9"
    assert answer.json["dueDate"] == "2026-04-01T00:00:00.000Z"
    answer = json_(app, "PUT", JOURNAL, b'{"NAME": "loud", "name": "exact"}', caller="vendor")
    assert answer.json["name"] == "exact"


def test_unknown_and_read_only_members_are_ignored(app: MockServer) -> None:
    before = ask(app, "GET", JOURNAL, caller="vendor").json
    content = {
        "id": "BJO-9",
        "status": "Completed",
        "revision": 99,
        "audit": {},
        "price": 1,
        "nonsense": [[]],
        "vendor": {"id": "ACC-1"},
        "": 1,
        "$meta": 5,
    }
    answer = json_(app, "PUT", JOURNAL, json.dumps(content | {"notes": "n"}).encode(), caller="vendor")
    assert answer.status == 200
    after = answer.json
    assert after.pop("notes") == "n"
    assert after.pop("revision") == before.pop("revision") + 1
    before.pop("notes", None)
    assert after == before


def test_null_clears_and_what_is_left_out_stays(app: MockServer) -> None:
    def put(body: dict[str, Any]) -> Any:
        return json_(app, "PUT", JOURNAL, json.dumps(body).encode(), caller="vendor").json

    full = put({"notes": "n", "description": "d", "externalIds": {"vendor": "v-1"}, "dueDate": "2026-05-01"})
    assert (full["notes"], full["description"], full["externalIds"]["vendor"]) == ("n", "d", "v-1")
    cleared = put({"notes": None, "dueDate": None, "externalIds": {"vendor": None}})
    assert not {"notes", "dueDate"} & set(cleared)
    assert "vendor" not in cleared["externalIds"]
    assert cleared["description"] == "d"
    assert_problem(app, json_(app, "PUT", JOURNAL, b'{"name": null}', caller="vendor"), 400, "name")


def test_an_external_id_called_vendor_is_no_reference_to_an_account(app: MockServer) -> None:
    answer = json_(app, "PUT", JOURNAL, b'{"externalIds": {"vendor": "USAGE-77"}}', caller="vendor")
    assert (answer.status, answer.json["externalIds"]["vendor"]) == (200, "USAGE-77")


def test_null_in_a_new_object_is_as_good_as_nothing(app: MockServer, operations: Client) -> None:
    children = operations.get("/statements?eq(status,Queued)&limit=1").json["data"][0]
    body = {name: {"id": children[name]["id"]} for name in ("buyer", "seller", "vendor")}
    body["price"] = {"currency": {"purchase": "EUR", "sale": "EUR"}}
    answer = operations.post("/statements", {**body, "externalIds": {"operations": None}})
    assert answer.status == 201, answer
    assert "operations" not in answer.json.get("externalIds", {})


# Everything, with everything


def with_bodies(app: MockServer, *, multipart: bool) -> Iterator[tuple[Endpoint, str]]:
    """Every operation that takes a body, and a path of an object that is there."""
    service = app.services["billing"]
    for endpoint in service.endpoints.values():
        if endpoint.has_body and endpoint.multipart == multipart:
            operation = endpoint.operation
            path = operation.path.removeprefix(service.api.conventions.base)
            if variables(path):
                params, _, _ = next(objects(app, caller_of(endpoint), operation))
                path = filled(path, params)
            yield endpoint, path


def caller_of(endpoint: Endpoint) -> str:
    return "operations" if "operations" in endpoint.operation.roles else "vendor"


HOSTILE = [
    *NOT_JSON.values(),
    *WRONG_JSON.values(),
    b"{}",
    b'{"id": null, "name": null, "externalIds": null, "price": null, "lines": null, "assignee": null}',
    b'{"id": {}, "name": {}, "externalIds": [], "price": [], "lines": {}, "assignee": []}',
    b'{"message": {}, "subscription": 5, "line": [], "reason": {}, "children": 1, "statusNotes": [], "countryCode": 1}',
    b'{"id": "\\u0000", "name": "\\u0000\\u202e", "notes": "\\uffff", "description": "\\n"}',
    b'{"name": "' + b"n" * 200_000 + b'"}',
    b"{" + b",".join(b'"k%d": %d' % (n, n) for n in range(20_000)) + b"}",
    b'[{"documentNo": null}, null, [], 7]',
    b'{"dueDate": "9999-12-31T23:59:59.999Z", "billingStartDate": "0001-01-01"}',
    b'{"dueDate": "9999-12-31T23:59:59-23:59", "billingEndDate": "0001-01-01T00:00:00+23:59"}',
    b'{"dueDate": "2026-02-30", "billingStartDate": "2026-01-01T25:00:00Z", "billingEndDate": 5}',
    b'{"dueDate": "2026-01-01T00:00:00.' + b"9" * 5000 + b'Z"}',
]


def test_no_json_breaks_any_operation(app: MockServer) -> None:
    tried = 0
    for endpoint, path in list(with_bodies(app, multipart=False)):
        for content in HOSTILE:
            answer = json_(app, endpoint.operation.method, path, content, caller=caller_of(endpoint))
            assert answer.status < 500, (endpoint.id, content[:80], answer)
            assert answer.status in endpoint.documented, (endpoint.id, content[:80], answer)
            if answer.status >= 400:
                assert_problem(app, answer, answer.status)
            tried += 1
        app.reset()
    assert tried > 1000


def test_no_form_breaks_any_operation(app: MockServer) -> None:
    described = b'Content-Disposition: form-data; name="attachment"'
    forms = [
        form(),
        form(file_part(b"")),
        form(file_part(b"\x00\xff" * 50)),
        form(file_part(b"x", name=b"")),
        form(file_part(b"{}", name="Größe \N{PILE OF POO}.txt".encode(), media=b"text/plain")),
        form(file_part(b"{}", media=b"\xff/\xfe")),
        form(file_part(b"{}"), file_part(b"[]")),
        *(form(file_part(b"x", media=b"text/plain"), (described, content)) for content in HOSTILE[:30]),
        form((b'Content-Disposition: form-data; name="file"', b"no file name")),
        form((b"Content-Disposition: form-data", b"no name")),
        form((b"X: y", b"no disposition")),
    ]
    for endpoint, path in list(with_bodies(app, multipart=True)):
        for kind, content in forms:
            answer = ask(app, "POST", path, caller=caller_of(endpoint), headers=[(b"content-type", kind)], body=content)
            assert answer.status in endpoint.documented, (endpoint.id, content[:200], answer)
            if answer.status >= 400:
                assert_problem(app, answer, answer.status)
        app.reset()


# Headers of answers


def test_answers_carry_type_and_length_and_those_without_a_body_neither(app: MockServer, vendor: Client) -> None:
    listed = vendor.get("/journals")
    assert listed.headers == {"content-type": "application/json", "content-length": str(len(listed.content))}
    made = vendor.post("/journals", {"name": "n", "authorization": {"id": "AUT-1000-0001"}})
    assert made.headers["content-length"] == str(len(made.content))
    gone = vendor.delete(f"/journals/{made.json['id']}")
    assert (gone.status, gone.headers, gone.content) == (204, {}, b"")


def test_a_refused_token_is_told_how_to_come_back(app: MockServer) -> None:
    answer = ask(app, "GET", "/journals", caller=None)
    assert_problem(app, answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["title"] == "Authentication Failed"


def test_a_trace_of_the_caller_is_carried_on_and_anything_else_is_not(app: MockServer) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = ask(app, "GET", "/nothing", headers=[(b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())])
    assert answer.json["traceId"].split("-")[1] == trace
    for wrong in (b"", b"\xff", b"00-" + b"g" * 32 + b"-1-1", b"-" * 5000, b'00-"<script>-a-b'):
        found = ask(app, "GET", "/nothing", headers=[(b"traceparent", wrong)])
        assert_problem(app, found, 404)
        assert len(found.json["traceId"]) == 55
