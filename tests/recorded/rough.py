"""What nobody should send: malformed paths, queries, headers and bodies; each is answered, and always alike."""

from __future__ import annotations

from tests.driver import XLSX
from tests.recorded.recorder import NOBODY, Recorder, session

QUERIES = (
    *("foo(a,b)", "and(name=a,Foo(b))", "and()", "name=June&()", "eq(name)", "eq(name,a,b)", "not(name=a,name=b)"),
    *("any()", "all(lines)", "eq(name,null(x))", "in(name,())", "in(name,June)", "in(name,(a;b))", "eq(name,(June))"),
    *("gt(name,null())", "rql=eq(status,Draft)", "name=", "=June", "name", "nosuch=1", "limit=5&eq(seller.nosuch,1)"),
    *("eq('name',1)", "eq(self(),1)", "price=1", "any(name)", "like(revision,1)", "eq(revision,empty())", "id=null()"),
    *("price.markup=1", "gt(price.totalPP,price.markup)", "error.message=no", "revision=many", "revision=NaN"),
    *("revision=1_0", "status=draft", "dueDate=2025-13-01", "eq(name,'June", "name=O'Brien", "and(name=a", "name=a)"),
    *("eq(name,,a)", "name=a,", "null()", "name=%00", "name=%0A", "name=%ff", "order=", "order=%2B,-", "order=price"),
    *("order=nosuch", "order=price.markup", "select=nosuch", "select=,,", "select=audit.created.by.name", "limit=x"),
    *(
        "limit=-5",
        "limit=1e3",
        "offset=99999999999999999999",
        "offset=x&limit=2",
        "LIMIT=2&OFFSET=1",
        "limit=2&limit=3",
    ),
    *("a" * 9000, "not(" * 51 + ")" * 51, "&&", "?", "%", "render()&status=Draft", "eq(name,name)", "ne(id,name)"),
    *("name=june%20%26%20july", "%6eame=June", "eq%28name%2C%22June%22%29", "select=-id", "order=id&order=-id"),
)
BODIES = (
    *(b"", b"{", b"null", b"[]", b"3", b'"x"', b'{"name": }', b'{"name": "\xff"}', b"\xef\xbb\xbf{}", b"{}", b"{} {}"),
    *(
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": "a", "name": 3}',
        b"[" * 2000,
        b'{"a":' * 300 + b"1" + b"}" * 300,
    ),
    *(b'{"name": ""}', b'{"name": null}', b'{"authorization": {"id": "AUT-9999-9999"}, "name": "x"}'),
    *(b'{"NAME": "x", "Authorization": {"ID": "AUT-1000-0001"}}', b'{"name": "\\u0000", "authorization": {}}'),
    *(b'{"name": "x", "authorization": {"id": "AUT-1000-0003"}}', b'{"name": "x", "authorization": "AUT-1000-0001"}'),
    *(b'{"name": "x", "authorization": {"id": "AUT-1000-0001"}, "dueDate": "soon", "externalIds": {"vendor": 3}}',),
    *(b'{"name": "x", "authorization": {"id": "AUT-1000-0001"}, "status": "Completed", "revision": 7, "id": "BJO-1"}',),
)
TYPES = ("text/plain", "application/json; charset=latin-1", "application/merge-patch+json", "APPLICATION/JSON", "", "x")
PATHS = (
    *(
        "/journals/",
        "/journals//",
        "//journals",
        "/nothing",
        "/",
        "",
        "/journals/BJO-1000-0001/nothing",
        "/journals/...",
    ),
    *("/journals/%2e%2e", "/journals/BJO%2D1000%2D0001", "/journals/bjo-1000-0001", "/journals/a%2Fb", "/journals/%00"),
    *(
        "/journals/" + "x" * 3000,
        "/Journals",
        "/journals/%ff",
        "/journals/BJO-1000-0001/charges/CHG-1",
        "/openapi.json",
    ),
    *(
        "/journals/%E2%82%AC",
        "/journals/BJO-1000-0001;a=1",
        "/journals/BJO-1000-0001%20",
        "/journals/*",
        "/journals/null",
    ),
)
FILES = (
    ("x.jsonl", "application/jsonl", b""),
    ("x.jsonl", "application/jsonl", b"{broken"),
    ("x.jsonl", "application/jsonl", b'{"a": 1}\n\n[]\n'),
    ("x.jsonl", "application/jsonl", b"\xff\xfe\n"),
    ("x.jsonl", "application/pdf", b"{}"),
    ("x.xlsx", XLSX, b"PK\x03\x04nothing"),
    ("x.csv", "text/csv", b"a,b\n1\n"),
    ("x.csv", "text/csv", b'quantity\n"open\n'),
    ("../../x.csv", "text/csv", b"quantity,price.PPx1\n1,=2\n"),
    ("x", "application/octet-stream", b"\x00"),
)
TOKENS = (
    "Basic vendor-token",
    "Bearer",
    "Bearer  vendor-token",
    "bearer vendor-token",
    "Bearer vendor-token x",
    "Bearer é",
)
TRACES = (
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-x-y-z",
    "",
    "ff-0af7651916cd43dd8448eb211c80319c",
)


@session("rough")
def rough(r: Recorder) -> None:
    vendor, nobody = r.as_("vendor"), r.as_(NOBODY)
    for query in QUERIES:
        vendor.get(f"/journals?{query}")
    for query in QUERIES[::5]:
        vendor.get(f"/journals/BJO-1000-0001?{query}")
        r.as_("client").get(f"/invoices?{query}")
        r.as_("admin").get(f"//billing/10000000-0000-4000-8000-000000000001/payments/list?{query}")
        r.as_("finance").get(f"//v1/finance/accounts?{query}")
    for path in PATHS:
        vendor.get(path)
        nobody.request("DELETE", path)
    for method in ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"):
        for path in (
            "/journals",
            "/journals/BJO-1000-0001/submit",
            "/nowhere",
            "//auth/users/whoami",
            "//__mock__/clock",
        ):
            vendor.request(method, path)
    for body in BODIES:
        vendor.request("POST", "/journals", content=body, headers={"content-type": "application/json"})
        vendor.request("PUT", "/journals/BJO-1000-0001", content=body, headers={"content-type": "application/json"})
    for media in TYPES:
        vendor.request("POST", "/journals", content=b"{}", headers={"content-type": media})
    for name, media, content in FILES:
        vendor.upload("/journals/BJO-1000-0001/upload", content, name, media)
        vendor.upload("/journals/BJO-1000-0001/attachments", content, name, media, attachment='{"name": "n"}')
        vendor.get("/journals/BJO-1000-0001")
    for described in ("{", "[]", '{"name": 3}', '{"name": ""}', '{"name": "n", "more": 1}'):
        vendor.upload("/journals/BJO-1000-0001/attachments", b"x", "x.txt", "text/plain", attachment=described)
    for token in TOKENS:
        nobody.get("/journals/BJO-1000-0001", headers={"authorization": token})
    for trace in TRACES:
        vendor.get("/journals/BJO-9999-9999", headers={"traceparent": trace, "tracestate": "a=b"})
        vendor.get("/journals/BJO-1000-0001", headers={"traceparent": trace})
    for accept in ("text/html", "application/*", "*/*;q=0", "", "application/json;q=0.1, text/csv", "a/b/c", "x" * 900):
        for path in ("/journals", "/journals/BJO-1000-0005/charges", "/journals/BJO-1000-0001"):
            vendor.get(path, headers={"accept": accept})
    vendor.get("/journals?limit=1000&order=-name")
