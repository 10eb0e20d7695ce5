"""Sandboxes over HTTP: how one is named, what it keeps apart, how it ends, and what is no way to name one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from mockserver import MockServer, create_app
from mockserver.sandboxes import Limits, Sandboxes
from tests.accounts import ACCOUNTS, TOKEN
from tests.credits_stage import STAGING
from tests.driver import BASE, Answer, Client
from tests.fingerprint import fingerprint
from tests.raw import ask

APIS = ("accounts", "billing", "credits")
PATHS = {"accounts": f"{ACCOUNTS}?limit=2", "billing": f"/{BASE}/journals?limit=2", "credits": f"//billing/{STAGING}"}
PATHS["credits"] += "/credits/list?count=2"
CALLERS = {"accounts": "finance", "billing": "vendor", "credits": "admin"}
BODIES: Mapping[str, Callable[[Any], str]] = {
    "accounts": lambda said: str(said["errors"][0]["message"]),
    "billing": lambda said: str(said["detail"]),
    "credits": lambda said: str(said["message"]),
}
"""Where each API's own envelope says what is wrong"""
JOURNAL = {"name": "One", "authorization": {"id": "AUT-1000-0001"}}


@cache
def served() -> MockServer:
    return create_app(*APIS)


@pytest.fixture
def app() -> Iterator[MockServer]:
    """All APIs in one server, with no sandbox but the default one, which is as seeded."""
    yield served()
    served().sandboxes.clear()
    served().reset()


@pytest.fixture
def anybody(app: MockServer) -> Client:
    return Client(app, None)


def names(app: MockServer) -> list[str]:
    return [each.name for each in app.sandboxes]


def prints(app: MockServer, name: str = "default") -> list[str]:
    return [fingerprint(world) for world in app.sandbox(name).worlds.values()]


def by_path(app: MockServer, caller: str, name: str) -> Callable[[str, str], Answer]:
    return lambda method, path: Client(app, app.token(caller)).request(method, f"//@{name}{path[1:]}")


def by_header(app: MockServer, caller: str, name: str) -> Callable[[str, str], Answer]:
    return lambda method, path: Client(app, app.token(caller)).request(method, path, headers={"Mock-Sandbox": name})


def by_token(app: MockServer, caller: str, name: str) -> Callable[[str, str], Answer]:
    return lambda method, path: Client(app, f"{app.token(caller)}@{name}").request(method, path)


WAYS = (by_path, by_header, by_token)


# Naming one


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_naming_one_leads_to_the_same_sandbox(app: MockServer, way: Any, api: str) -> None:
    plain = Client(app, app.token(CALLERS[api])).get(PATHS[api])
    assert names(app) == ["default"]
    answer = way(app, CALLERS[api], "box")("GET", PATHS[api])
    assert (answer.status, answer.headers, answer.content) == (200, plain.headers, plain.content)
    assert names(app) == ["default", "box"]


def test_whoever_says_the_same_name_in_every_way_is_understood(app: MockServer) -> None:
    client = Client(app, f"{app.token('vendor')}@box")
    assert client.get(f"//@box{BASE}/journals", headers={"Mock-Sandbox": "box"}).status == 200
    assert names(app) == ["default", "box"]


@pytest.mark.parametrize("way", WAYS)
def test_the_default_one_has_a_name_too(app: MockServer, way: Any) -> None:
    Client(app, app.token("vendor")).post("/journals", JOURNAL)
    listed = Client(app, app.token("vendor")).get("/journals?limit=100").content
    assert way(app, "vendor", "default")("GET", f"/{BASE}/journals?limit=100").content == listed
    assert names(app) == ["default"]


def test_what_is_done_in_one_is_seen_there_in_every_way_and_nowhere_else(app: MockServer) -> None:
    before = prints(app)
    id = Client(app, f"{app.token('vendor')}@box").post("/journals", JOURNAL).json["id"]
    path = f"/{BASE}/journals/{id}"
    for way in WAYS:
        assert way(app, "vendor", "box")("GET", path).json["name"] == "One"
        assert way(app, "vendor", "other")("GET", path).status == 404
    assert Client(app, app.token("vendor")).get(path).status == 404
    assert prints(app) == before == prints(app, "other")


def test_an_id_is_given_in_each_as_if_it_were_the_only_one(app: MockServer) -> None:
    made = [Client(app, f"{app.token('vendor')}@{name}").post("/journals", JOURNAL) for name in ("a", "b", "default")]
    assert len({each.content for each in made}) == 1


def test_a_token_that_is_issued_in_one_is_good_there_alone(app: MockServer, anybody: Client) -> None:
    sent = {"client_id": "finance-client", "client_secret": "finance-secret", "grant_type": "client_credentials"}
    token = anybody.post(f"//@box{TOKEN[1:]}", sent).json["access_token"]
    assert "@" not in token
    assert Client(app, f"{token}@box").get(ACCOUNTS).status == 200
    assert Client(app, token).get(f"//@box{ACCOUNTS[1:]}").status == 200
    for answer in (Client(app, token).get(ACCOUNTS), Client(app, f"{token}@other").get(ACCOUNTS)):
        assert answer.status == 401


def test_five_wrong_secrets_in_one_lock_nobody_elsewhere(app: MockServer, anybody: Client) -> None:
    right = {"client_id": "finance-client", "client_secret": "finance-secret", "grant_type": "client_credentials"}
    for _ in range(5):
        anybody.post(TOKEN, {**right, "client_secret": "guess"}, headers={"Mock-Sandbox": "box"})
    assert anybody.post(TOKEN, right, headers={"Mock-Sandbox": "box"}).status == 400
    assert anybody.post(TOKEN, right).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_link_to_a_file_names_the_sandbox_however_it_was_named(app: MockServer, way: Any, anybody: Client) -> None:
    vendor = Client(app, f"{app.token('vendor')}@box")
    id = vendor.get("/journals?limit=1").json["data"][0]["id"]
    path = f"/journals/{id}/attachments"
    made = vendor.upload(path, b"a,b\n", "note.csv", "text/csv", attachment='{"name": "note"}').json
    sent = {"accept": "text/csv"}
    if way is by_path:
        answer = Client(app, app.token("vendor")).get(f"//@box{BASE}{path}/{made['id']}", headers=sent)
    elif way is by_header:
        sent |= {"mock-sandbox": "box"}
        answer = Client(app, app.token("vendor")).get(f"{path}/{made['id']}", headers=sent)
    else:
        answer = vendor.get(f"{path}/{made['id']}", headers=sent)
    assert answer.status == 301
    link = "/" + answer.headers["location"].removeprefix("http://127.0.0.1:8000")
    assert link.startswith(f"//@box/files/billing/{made['id']}?")
    assert anybody.get(link).content == b"a,b\n"
    # Elsewhere there is no such file, though the signature is good.
    assert anybody.get(link.replace("/@box", "/@other")).status == 404
    assert anybody.get(link.replace("/@box", "")).status == 404


def test_links_of_a_list_lead_on_from_any_base(app: MockServer) -> None:
    client = Client(app, app.token("finance"))
    plain, boxed = client.get(f"{ACCOUNTS}?limit=2"), client.get(f"//@box{ACCOUNTS[1:]}?limit=2")
    assert boxed.content == plain.content
    there = boxed.json["_links"]["next"]["href"]
    following = client.get(f"//@box/v1/finance{there}")
    assert following.content == client.get(f"//v1/finance{there}").content
    assert following.json["page"]["offset"] == 2


def test_a_path_is_told_as_it_is_without_the_sandbox(app: MockServer) -> None:
    client = Client(app, app.token("vendor"))
    assert client.get(f"//@box{BASE}/nothing").content == client.get("/nothing").content


# Requests of other kinds


def test_head_options_and_a_method_that_is_not_there_are_answered_as_ever(app: MockServer) -> None:
    client = Client(app, app.token("vendor"))
    for method in ("HEAD", "OPTIONS", "PATCH"):
        plain, boxed = client.request(method, "/journals"), client.request(method, f"//@box{BASE}/journals")
        assert (boxed.status, boxed.headers, boxed.content) == (plain.status, plain.headers, plain.content)
    assert [client.request(each, f"//@box{BASE}/journals").status for each in ("HEAD", "OPTIONS", "PATCH")] == [
        200,
        204,
        405,
    ]


def test_a_path_of_segments_that_are_percent_encoded_means_what_it_did(app: MockServer) -> None:
    client = Client(app, app.token("vendor"))
    for path in ("/journals/BJO%2D1000%2D0001", "/journals/..%2F..", "/journals/%00", "/journals/%FF"):
        plain = ask(app, "GET", path, caller="vendor")
        assert ask(app, "GET", f"//@box{BASE}{path}", caller="vendor").status == plain.status
    assert client.get(f"//@box{BASE}/journals/BJO-1000-0001").status == 200


def test_a_prefix_whose_at_is_percent_encoded_is_read_as_one(app: MockServer) -> None:
    assert ask(app, "GET", f"//%40box{BASE}/journals", caller="vendor").status == 200
    assert ask(app, "GET", f"//@bo%78{BASE}/journals", caller="vendor").status == 200
    assert names(app) == ["default", "box"]


def test_a_prefix_alone_is_the_front_page_of_the_sandbox(app: MockServer, anybody: Client) -> None:
    for path in ("//@box", "//@box/"):
        answer = anybody.get(path)
        assert (answer.status, answer.headers["location"]) == (307, "/@box/docs")
    assert anybody.get("//@box/docs").status == 200
    assert anybody.get("//").headers["location"] == "/docs"


def test_the_docs_of_a_sandbox_offer_tokens_that_lead_there(app: MockServer, anybody: Client) -> None:
    page, boxed = anybody.get("//docs").text, anybody.get("//@box/docs").text
    assert '"token":"vendor-token"' in page
    assert '"token":"vendor-token@box"' in boxed
    assert boxed.count("-token@box") == page.count('-token"')


def test_a_second_prefix_is_a_path_that_is_not_there(app: MockServer, anybody: Client) -> None:
    assert anybody.get(f"//@box/@other{BASE}/journals").status == 404
    assert names(app) == ["default", "box"]


# What is no name


BAD = ["", "-", ".", "..", "-a", "a-", "a b", "a,b", "a/b", "a%2Fb", "%00", "a\\b", "a@b", "a" * 64, "a" * 5000]


@pytest.mark.parametrize("name", [*BAD, "\u00e9", "a;b", "~a", "_a"])
@pytest.mark.parametrize("api", APIS)
def test_a_header_that_is_no_name_is_refused_in_the_apis_own_envelope(app: MockServer, api: str, name: str) -> None:
    answer = by_header(app, CALLERS[api], name)("GET", PATHS[api])
    assert answer.status == 400
    assert "a name has 1 to 63 letters, digits and - . _ between them." in BODIES[api](answer.json)
    assert len(answer.content) < 1000
    assert names(app) == ["default"]


@pytest.mark.parametrize("name", [each for each in BAD if "/" not in each and each != "a@b"])
def test_a_prefix_that_is_no_name_is_refused(app: MockServer, name: str) -> None:
    for path in (f"//@{name}{BASE}/journals", f"//@{name}/__mock__/clock", f"//@{name}/docs", f"//@{name}"):
        answer = ask(app, "GET", path, caller="vendor")
        assert answer.status == 400, path
        assert "1 to 63 letters" in answer.text
    assert names(app) == ["default"]


@pytest.mark.parametrize("name", ["", "-", "..", "a" * 64])
def test_a_token_that_ends_in_no_name_is_refused(app: MockServer, name: str) -> None:
    assert by_token(app, "vendor", name)("GET", f"/{BASE}/journals").status == 400
    assert names(app) == ["default"]


@pytest.mark.parametrize("name", ["a", "0", "a" * 63, "a.b_c-d", "Build-71", "1.2.3"])
def test_what_is_a_name_makes_a_sandbox(app: MockServer, name: str) -> None:
    for way in WAYS:
        assert way(app, "vendor", name)("GET", f"/{BASE}/journals").status == 200
    assert names(app) == ["default", name]


PAIRS = {
    "a path and a header": ("//@a", None, [b"b"]),
    "a path and a token": ("//@a", "b", []),
    "a header and a token": ("/", "b", [b"a"]),
    "two headers": ("/", None, [b"a", b"b"]),
    "one and the default one": ("/", "a", [b"default"]),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("pair", PAIRS)
def test_two_that_differ_are_refused_in_the_apis_own_envelope(app: MockServer, pair: str, api: str) -> None:
    prefix, suffix, sent = PAIRS[pair]
    token = app.token(CALLERS[api]) + (f"@{suffix}" if suffix else "")
    headers = [(b"authorization", f"Bearer {token}".encode()), *((b"mock-sandbox", each) for each in sent)]
    path, _, query = PATHS[api].partition("?")
    answer = ask(app, "GET", f"{prefix}{path[1:]}", caller=None, query=query.encode(), headers=headers)
    assert answer.status == 400
    assert "two sandboxes in one request: " in BODIES[api](answer.json).lower()
    assert "name one" in BODIES[api](answer.json)
    assert names(app) == ["default"]


def test_a_refused_choice_is_worded_as_its_operation_words_what_it_refuses(app: MockServer, anybody: Client) -> None:
    answer = anybody.post(f"//@a{TOKEN[1:]}", {}, headers={"Mock-Sandbox": "b"})
    assert answer.status == 400
    assert answer.json["error_domain"] == "apps-auth"
    assert "name one" in answer.json["developer_message"]


def test_a_refused_choice_of_one_of_our_own_pages_is_a_problem(app: MockServer, anybody: Client) -> None:
    answer = anybody.get("//@a/__mock__/clock", headers={"Mock-Sandbox": "b"})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["detail"] == "Two sandboxes in one request: a and b; name one."


def test_requests_that_choose_none_that_can_be_leave_the_default_one_as_it_is(app: MockServer) -> None:
    vendor = Client(app, app.token("vendor"))
    first = vendor.get("/journals/BJO-0").content
    app.reset()
    for _ in range(3):
        vendor.get("/journals", headers={"Mock-Sandbox": "-"})
    assert vendor.get("/journals/BJO-0").content == first


# Who calls


@pytest.mark.parametrize(
    "token", ["nobody@box", "@box", "vendor-token@x@box", "vendor-toke@nbox", "nobody@", "@", "#@#", "a@b@\u00e9"]
)
@pytest.mark.parametrize("prefix", ["", "//@other"])
def test_a_token_of_nobody_is_unknown_in_whatever_sandbox(app: MockServer, token: str, prefix: str) -> None:
    assert Client(app, token).get(f"{prefix}{BASE}/journals" if prefix else "/journals").status == 401
    assert names(app) == ["default"]


def test_a_token_with_a_sandbox_is_never_told(app: MockServer) -> None:
    told: list[Any] = []
    app_ = create_app("billing", log=lambda *line: told.append(line))
    Client(app_, f"{app_.token('vendor')}@box").get("/journals")
    Client(app_, "secret-of-mine@box").get("/journals")
    assert [(line[0], line[3]) for line in told] == [("vendor", 200), ("-", 401)]
    assert "secret" not in str(told) and "token@" not in str(told)


def test_another_scheme_of_authorization_is_refused_as_ever(app: MockServer) -> None:
    headers = {"authorization": "Basic dXNlcjpwYXNz@box"}
    assert Client(app, None).get("/journals", headers=headers).status == 401


# An end, and a new beginning


def test_a_reset_returns_to_the_seed_and_not_to_an_empty_world_and_touches_no_other(
    app: MockServer, anybody: Client
) -> None:
    seeded = prints(app)
    for name in ("a", "b", "default"):
        Client(app, f"{app.token('vendor')}@{name}").post("/journals", JOURNAL)
    changed = prints(app, "b")
    assert changed != seeded
    assert anybody.post("//@a/__mock__/reset").json == {"reset": True}
    assert [prints(app, name) for name in ("a", "b", "default")] == [seeded, changed, changed]
    listed = Client(app, f"{app.token('vendor')}@a").get("/journals?limit=0").json
    assert listed["$meta"]["pagination"]["total"] > 10
    app.reset()
    assert [prints(app, name) for name in ("b", "default")] == [changed, seeded]


def test_after_a_reset_ids_and_traces_begin_anew(app: MockServer) -> None:
    vendor = Client(app, f"{app.token('vendor')}@box")

    def asked() -> list[bytes]:
        return [vendor.post("/journals", JOURNAL).content, vendor.get("/journals/BJO-0").content]

    first = asked()
    assert asked() != first
    vendor.post("//__mock__/reset")
    assert asked() == first


def test_one_that_is_dropped_begins_anew_when_it_is_named_again(app: MockServer, anybody: Client) -> None:
    vendor = Client(app, f"{app.token('vendor')}@box")
    id = vendor.post("/journals", JOURNAL).json["id"]
    assert anybody.delete("//__mock__/sandboxes/box").status == 204
    assert names(app) == ["default"]
    assert anybody.delete("//__mock__/sandboxes/box").status == 404
    assert vendor.get(f"/journals/{id}").status == 404
    assert names(app) == ["default", "box"]


def test_the_default_one_is_not_dropped(app: MockServer, anybody: Client) -> None:
    answer = anybody.delete("//__mock__/sandboxes/default")
    assert (answer.status, answer.json["detail"]) == (409, "The default sandbox stays; reset it instead.")


def test_all_are_dropped_at_once_but_the_default_one(app: MockServer, anybody: Client) -> None:
    Client(app, app.token("vendor")).post("/journals", JOURNAL)
    before = prints(app)
    for name in ("a", "b"):
        app.sandbox(name)
    assert anybody.delete("//__mock__/sandboxes").json == {"dropped": 2}
    assert names(app) == ["default"]
    assert prints(app) == before


def test_one_is_made_told_and_listed_by_name(app: MockServer, anybody: Client) -> None:
    told = {
        "name": "box",
        "scenario": "default",
        "now": "2026-03-16T09:00:00.000Z",
        "changes": 0,
        "jobs": 0,
        "prefix": "/@box",
    }
    made = anybody.post("//__mock__/sandboxes", {"name": "box"})
    assert made.status == 201
    assert {key: made.json[key] for key in told} == told
    assert anybody.get("//__mock__/sandboxes/box").json == made.json
    listed = anybody.get("//__mock__/sandboxes").json
    assert [each["name"] for each in listed["sandboxes"]] == ["default", "box"]
    assert (listed["most"], listed["rest"]) == (1000, 0.0)
    for name, status in (("box", 409), ("default", 409), ("-", 400), ("a" * 64, 400)):
        assert anybody.post("//__mock__/sandboxes", {"name": name}).status == status
    assert anybody.get("//__mock__/sandboxes/nothing").status == 404


# How many, and how long


class Rest:
    """Real time that passes as a test says, over the sandboxes of a server."""

    def __init__(self, app: MockServer, most: int = 1000, rest: float = 0.0) -> None:
        self.now = 0.0
        self.boxes = Sandboxes(app.sandboxes.base, app.services, Limits(most, rest), elapsed=lambda: self.now)

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.boxes]


def test_beyond_the_limit_the_one_that_rests_longest_goes(app: MockServer) -> None:
    rest = Rest(app, most=3)
    for name in ("a", "b", "c", "a", "d"):
        rest.boxes.use(name)
    assert rest.names == ["default", "c", "a", "d"]
    rest.boxes.create("e")
    assert rest.names == ["default", "a", "d", "e"]
    assert len(rest.boxes) == 4


def test_one_that_is_only_looked_at_is_not_used(app: MockServer) -> None:
    rest = Rest(app, most=2)
    for name in ("a", "b"):
        rest.boxes.use(name)
    rest.boxes.find("a")
    assert list(rest.boxes)
    rest.boxes.use("c")
    assert rest.names == ["default", "b", "c"]


def test_one_that_rests_too_long_goes_and_the_default_one_stays(app: MockServer) -> None:
    rest = Rest(app, rest=60)
    first = rest.boxes.use("a")
    rest.now = 30
    rest.boxes.use("b")
    rest.now = 60
    assert rest.names == ["default", "a", "b"]
    rest.now = 61
    assert rest.names == ["default", "b"]
    assert rest.boxes.use("a") is not first
    rest.now = 1000
    assert rest.names == ["default"]


def test_one_that_has_gone_may_be_made_at_once(app: MockServer) -> None:
    rest = Rest(app, rest=60)
    first = rest.boxes.create("a")
    rest.now = 61
    assert rest.boxes.create("a") is not first


def test_a_limit_of_none_leaves_the_default_one_alone() -> None:
    app = create_app("billing", sandboxes=0)
    vendor = Client(app, app.token("vendor"))
    assert vendor.get("/journals").status == 200
    answer = vendor.get(f"//@box{BASE}/journals")
    assert answer.status == 400
    assert "start it with --sandboxes" in answer.json["detail"]
    assert vendor.post("//__mock__/sandboxes", {"name": "box"}).status == 409
    assert len(app.sandboxes) == 1


def test_a_limit_is_kept_over_http() -> None:
    app = create_app("billing", sandboxes=2)
    for name in ("a", "b", "c"):
        assert Client(app, f"{app.token('vendor')}@{name}").post("/journals", JOURNAL).status == 201
    assert names(app) == ["default", "b", "c"]
    total = Client(app, f"{app.token('vendor')}@a").get("/journals?limit=0").json["$meta"]["pagination"]["total"]
    assert total == Client(app, app.token("vendor")).get("/journals?limit=0").json["$meta"]["pagination"]["total"]
