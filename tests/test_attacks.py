"""What nobody may do to the server through its own pages: each is refused in one line, and nothing has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver import MockServer, create_app
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint

ADMIN = "admin-of-these-tests"
DEEP = "[" * 50_000 + "]" * 50_000
NAMES = [
    *("..", ".", "-x", "x-", "a b", "a" * 64, "ä", "a\x00b", "a;b", "<script>", "a%00b", "%2e%2e%2f", "%0d%0aX: y"),
    *("a\\b", "$(id)", "'", '"', "a\tb", "*", "?", "#", "~root"),
]
SCENARIOS = [
    *("../default", "/etc/passwd", "./default.yaml", "default.yaml", "default/../default", "file:///etc/passwd"),
    *("default+../x", "+", "a" * 200, "default\n", "http://127.0.0.1/x", "~/x", "", "+default", "x" * 201),
]
BODIES = [
    ("POST", "/sandboxes", "[]"),
    ("POST", "/sandboxes", '{"name": 7}'),
    ("POST", "/sandboxes", '{"name": "x", "path": "/etc"}'),
    ("POST", "/sandboxes", DEEP),
    ("POST", "/sandboxes", '{"name": "x"'),
    ("POST", "/sandboxes", "\x00"),
    ("POST", "/clock/advance", '{"seconds": -1}'),
    ("POST", "/clock/advance", '{"seconds": 1e308}'),
    ("POST", "/clock/advance", '{"seconds": 1e999}'),
    ("POST", "/clock/advance", '{"to": "9999-12-31T00:00:00Z"}'),
    ("POST", "/clock/advance", '{"by": "P999999999Y"}'),
    ("PUT", "/clock", '{"now": "1000-01-01T00:00:00Z"}'),
    ("PUT", "/processing", '{"processing": "after:-1"}'),
    ("POST", "/faults", '{"kind": "latency", "seconds": 1e9}'),
    ("POST", "/faults", '{"kind": "status", "status": 500, "headers": {"X-A": "a\\r\\nX-B: b"}}'),
    ("POST", "/faults", '{"kind": "status", "status": 500, "headers": {"X-A\\r\\nX-B": "b"}}'),
    ("POST", "/faults", '{"kind": "status", "status": 500, "headers": {"Content-Length": "0"}}'),
    ("POST", "/faults", json.dumps({"kind": "status", "status": 500, "body": "x" * 200_000})),
    ("POST", "/faults", '{"kind": "status", "status": 101}'),
    ("POST", "/faults", '{"kind": "slow", "bytesPerSecond": 0}'),
    ("POST", "/faults", '{"kind": "drop", "share": 2}'),
    ("PUT", "/journal", '{"most": 1000000000}'),
    ("POST", "/journal/verify", '{"match": {"path": "%s"}}' % ("*a" * 100_000)),
    ("POST", "/snapshots", '{"name": "../x"}'),
    ("POST", "/import", "{}"),
    ("POST", "/import", '{"format": "pickle", "version": 1}'),
    ("POST", "/import", DEEP),
    ("POST", "/import", "cos\nsystem\n(S'id'\ntR."),
    ("POST", "/import", "!!python/object/apply:os.system ['id']"),
]


@pytest.fixture(scope="module")
def app() -> MockServer:
    return create_app("billing")


@pytest.fixture
def anybody(app: MockServer) -> Client:
    return Client(app, None)


def refused(answer: Answer, app: MockServer, before: str, *, status: int | None = None) -> None:
    assert 400 <= answer.status < 500 if status is None else answer.status == status, answer
    assert "\n" not in answer.json["detail"] and len(answer.json["detail"]) < 1_000
    assert "Traceback" not in answer.text
    assert fingerprint(app.world) == before


def state(app: MockServer) -> str:
    return fingerprint(app.world)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_one_makes_no_sandbox(app: MockServer, anybody: Client, name: str) -> None:
    before, there = state(app), len(app.sandboxes)
    refused(anybody.post("//__mock__/sandboxes", {"name": name}), app, before)
    if name.isascii() and name.isprintable():
        sent = {"mock-sandbox": name}
        refused(Client(app, "vendor-token").get("/journals", headers=sent), app, before, status=400)
    assert len(app.sandboxes) == there


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_a_name_and_never_a_path(app: MockServer, anybody: Client, name: str) -> None:
    before = state(app)
    refused(anybody.post("//__mock__/reset", {"scenario": name}), app, before, status=400)
    refused(anybody.post("//__mock__/sandboxes", {"name": "made", "scenario": name}), app, before, status=400)


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=range(len(BODIES)))
def test_a_body_that_will_not_do_is_told(app: MockServer, anybody: Client, method: str, path: str, body: str) -> None:
    before, sent = state(app), {"content-type": "application/json"}
    refused(anybody.request(method, f"//__mock__{path}", content=body.encode(), headers=sent), app, before)


@pytest.mark.parametrize(
    "path", ["/state/../../etc", "/state/billing/..%2f..%2fetc", "/state/x/y/z/w", "/../docs", "/%"]
)
def test_a_path_leads_to_no_file(app: MockServer, anybody: Client, path: str) -> None:
    refused(anybody.get(f"//__mock__{path}"), app, state(app))


@pytest.mark.parametrize("entity", ["__class__", "Caller%00", "..", "Journal' OR 1=1", "A" * 5_000])
def test_an_entity_that_there_is_not_is_not_found(app: MockServer, anybody: Client, entity: str) -> None:
    refused(anybody.get(f"//__mock__/state/billing/{entity}"), app, state(app))


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=1e9", "limit=99999999999", "limit=x", "offset=-5", "x=1", "limit=1&limit=2"]
)
def test_a_page_of_records_is_bounded(app: MockServer, anybody: Client, query: str) -> None:
    refused(anybody.get(f"//__mock__/state/billing/Journal?{query}"), app, state(app), status=400)


def test_a_body_is_not_read_beyond_its_limit(app: MockServer, anybody: Client) -> None:
    sent = {"content-type": "application/json", "content-length": "99999999999999"}
    refused(anybody.request("POST", "//__mock__/sandboxes", content=b"{}", headers=sent), app, state(app), status=413)
    large = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    refused(anybody.request("POST", "//__mock__/sandboxes", content=large), app, state(app))


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/yaml"]
)
def test_what_a_form_on_a_page_could_send_is_not_taken_for_json(app: MockServer, anybody: Client, kind: str) -> None:
    sent = {"content-type": kind}
    answer = anybody.request("POST", "//__mock__/sandboxes", content=b'{"name": "x"}', headers=sent)
    refused(answer, app, state(app), status=415)


@pytest.mark.parametrize(
    "origin", ["https://example.org", "null", "http://127.0.0.1.example.org", "http://localhost.x"]
)
def test_a_page_of_another_host_may_not_steer_the_server(app: MockServer, anybody: Client, origin: str) -> None:
    refused(anybody.post("//__mock__/reset", headers={"origin": origin}), app, state(app), status=403)


def test_the_pages_of_this_machine_may(anybody: Client) -> None:
    for origin in ("http://127.0.0.1:8000", "http://localhost:3000", "http://[::1]:8000"):
        assert anybody.post("//__mock__/reset", headers={"origin": origin}).status == 200


@pytest.mark.parametrize("token", [None, "", "wrong", "vendor-token", ADMIN[:-1], ADMIN + "x", ADMIN + "@default"])
def test_whoever_has_not_the_admin_token_is_told_nothing(token: str | None) -> None:
    app = create_app("billing", admin=ADMIN)
    client, before = Client(app, token), state(app)
    for method, path in (("GET", "/sandboxes"), ("POST", "/reset"), ("GET", "/nothing"), ("GET", "/openapi.json")):
        if token == ADMIN + "@default":
            assert client.request(method, f"//__mock__{path}").status != 401  # the sandbox is not a part of the token
        else:
            refused(client.request(method, f"//__mock__{path}"), app, before, status=401)


def test_the_admin_token_opens_every_page_and_no_operation() -> None:
    app = create_app("billing", admin=ADMIN)
    assert Client(app, ADMIN).get("//__mock__/sandboxes").status == 200
    assert Client(app, ADMIN).get("/journals").status == 401
    assert Client(app, "vendor-token").get("/journals").status == 200


def test_however_many_sandboxes_are_named_only_so_many_are_kept() -> None:
    app = create_app("billing", sandboxes=20)
    for at in range(100):
        assert Client(app, f"vendor-token@box-{at}").get("/journals?limit=0").status == 200
    assert len(app.sandboxes) == 21
    assert [each.name for each in app.sandboxes][-1] == "box-99"


def test_whoever_is_not_known_makes_no_sandbox_and_pushes_none_out() -> None:
    app = create_app("billing", sandboxes=2)
    mine = Client(app, "vendor-token@mine")
    assert mine.delete("/journals/BJO-1000-0001").status == 204
    for at in range(10):
        assert Client(app, f"nobody@box-{at}").get("/journals").status == 401
        assert Client(app, "nobody").get(f"//@box-{at}/public/v1/billing/journals").status == 401
    assert [each.name for each in app.sandboxes] == ["default", "mine"]
    assert mine.get("/journals/BJO-1000-0001").status == 404


def test_a_flooded_journal_forgets_and_says_so() -> None:
    app = create_app("billing", journal=50)
    client: Any = Client(app, "vendor-token")
    for at in range(300):
        client.get(f"/journals/{'x' * 20_000}{at}")
    shown = client.get("//__mock__/journal?limit=1").json
    assert len(app.sandbox().journal) == 50 and shown
    assert len(json.dumps(shown)) < 20_000
