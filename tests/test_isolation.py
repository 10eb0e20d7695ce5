"""Several APIs in one server: none of them knows of the others, but for the one clock that they share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
import pytest

from mockserver import MockServer, create_app
from tests.credits_stage import ACCOUNTS, STAGING, Stage, body
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint
from tests.raw import ask
from tests.rights import reset, table
from tests.valid import Valid, status

APIS = ("accounts", "billing", "credits")
CHOICES = [chosen for size in (1, 2, 3) for chosen in itertools.combinations(APIS, size)]
DRAFTS = f"//billing/{STAGING}/payments"

# What each API is asked, by whom: lists, objects, refusals of every kind, unknown paths; nothing that changes anything.
QUESTIONS: Mapping[str, list[tuple[str | None, str, str]]] = {
    "accounts": [
        ("finance", "GET", "//v1/finance/accounts?limit=100"),
        ("finance", "GET", "//v1/finance/accounts?sorts=-ACCOUNT_NAME&limit=7&offset=3"),
        ("finance-two", "GET", "//v1/finance/accounts/700102"),
        ("finance", "GET", "//v1/finance/accounts/700111?months=2026-02-01,2026-01-01"),
        ("finance-two", "GET", "//v1/finance/accounts/700190"),
        ("finance-none", "GET", "//v1/finance/accounts"),
        ("finance", "GET", "//v1/finance/accounts?limit=101"),
        ("finance", "GET", "//v1/finance/accounts/700100/810000001"),
        ("finance", "GET", "//v1/finance/accounts/700100/810000001?documentId=DETAILED_PDF_EN"),
        (None, "GET", "//v1/finance/accounts"),
        ("finance", "DELETE", "//v1/finance/accounts"),
        ("finance", "GET", "//v1/finance/nothing"),
        ("finance", "GET", "//oauth2/v1/nothing"),
        ("finance", "GET", "//v1/finance/openapi.json"),
    ],
    "billing": [
        ("operations", "GET", "/journals?limit=50"),
        ("operations", "GET", "/statements?limit=50&order=-id"),
        ("client", "GET", "/invoices"),
        ("vendor", "GET", "/journals/BJO-1000-0001"),
        ("vendor", "GET", "/journals/BJO-1000-0014"),
        ("client", "GET", "/journals"),
        ("client", "GET", "/statements?eq((("),
        ("operations", "GET", "/journals/BJO-1000-0005/charges"),
        (None, "GET", "/journals"),
        ("vendor", "PATCH", "/journals"),
        ("vendor", "GET", "/nothing"),
        ("vendor", "GET", "/openapi.json"),
    ],
    "credits": [
        ("admin", "GET", f"//billing/{STAGING}/credits/list?count=1000"),
        ("auditor", "GET", f"//billing/{STAGING}/shortfallCredits/list"),
        ("clerk", "GET", f"//billing/{STAGING}/payments/list?count=7&offset=3"),
        ("clerk", "GET", f"//billing/{STAGING}/payments/01KJPWD6M010000000000P0007"),
        ("clerk", "GET", f"//billing/{STAGING}/payments/01KHG8EDM010000000000P0020"),
        ("treasurer", "GET", f"//billing/{STAGING}/credits/list"),
        ("auditor-other", "GET", f"//billing/{STAGING}/credits/list"),
        ("admin", "GET", f"//billing/{STAGING}/credits/list?count=0"),
        ("reader", "GET", "//auth/users/whoami"),
        (None, "GET", f"//billing/{STAGING}/credits/list"),
        ("admin", "POST", f"//billing/{STAGING}/credits/list"),
        ("admin", "GET", "//billing/nothing"),
        ("admin", "GET", "//auth/nothing"),
        ("admin", "GET", "//billing/openapi.json"),
    ],
}


@cache
def served(*apis: str) -> MockServer:
    return create_app(*apis)


@pytest.fixture
def app() -> Iterator[MockServer]:
    """All of them in one server."""
    with reset(served(*APIS)) as app:
        yield app


def raw(answer: Answer) -> bytes:
    return orjson.dumps([answer.status, sorted(answer.headers.items())]) + answer.content


def asked(app: MockServer, api: str) -> list[bytes]:
    """The answers of an API to its questions, byte for byte."""
    found = []
    for caller, method, path in QUESTIONS[api]:
        client = Client(app, None if caller is None else app.token(caller))
        found.append(raw(client.request(method, path)))
    return found


@cache
def alone(api: str) -> list[bytes]:
    """What an API answers when it is the only one."""
    served(api).reset()
    return asked(served(api), api)


def told_apart(found: list[bytes], wanted: list[bytes]) -> list[bytes]:
    return [each for each, other in zip(found, wanted, strict=True) if each != other]


# The same, whichever are served


@pytest.mark.parametrize("chosen", CHOICES, ids="+".join)
def test_an_api_answers_the_same_bytes_whichever_others_are_served(chosen: tuple[str, ...]) -> None:
    app = served(*chosen)
    for api in chosen:
        app.reset()
        assert told_apart(asked(app, api), alone(api)) == []


@pytest.mark.parametrize("api", APIS)
def test_the_world_of_an_api_is_the_same_whichever_others_are_served(api: str) -> None:
    worlds = set()
    for chosen in CHOICES:
        if api in chosen:
            served(*chosen).reset()
            worlds.add(fingerprint(served(*chosen).worlds[api]))
    assert len(worlds) == 1


def test_in_which_order_they_are_named_does_not_matter() -> None:
    app = create_app(*reversed(APIS))
    for api in APIS:
        app.reset()
        assert told_apart(asked(app, api), alone(api)) == []


def test_all_there_are_is_what_is_served_without_a_choice() -> None:
    app = create_app()
    assert sorted(app.worlds) == sorted(APIS)
    assert told_apart(asked(app, "credits"), alone("credits")) == []


@pytest.mark.parametrize("chosen", [each for each in CHOICES if len(each) < 3], ids="+".join)
def test_what_is_not_served_is_not_there(chosen: tuple[str, ...]) -> None:
    for api in set(APIS) - set(chosen):
        for base in table(api, "conventions")["bases"]:
            answer = ask(served(*chosen), "GET", f"/{base}/openapi.json", caller=None)
            assert answer.status == 404
            assert b'"openapi"' not in answer.content


# Whatever is done to the others


def disturb(app: MockServer, api: str) -> int:
    """Do to an API what there is to do: writes, uploads, tokens, refusals of every kind; how many calls."""
    before = app.worlds[api].commits
    for _ in range(5):
        asked(app, api)
    Client(app, "garbage").get(QUESTIONS[api][0][2])
    if api == "accounts":
        for secret in ("finance-secret", "guess", "guess", "guess", "guess", "guess"):
            said = {"grant_type": "client_credentials", "client_id": "finance-client", "client_secret": secret}
            Client(app, None).post("//oauth2/v1/token", said)
        work = app.worlds[api].work()
        work.put("Grant", {"id": "finance-two", "values": []})
        work.commit()
    elif api == "billing":
        vendor = Client(app, app.token("vendor"))
        # Valid reads the one world of an application; here it is given that of its API.
        valid = Valid.__new__(Valid)
        valid.app, valid.caller = app, app.callers["vendor"]
        valid.service, valid.work = app.services[api], app.worlds[api].work()
        journal = valid.one("Journal", status("Draft"))["id"]
        assert vendor.put(f"/journals/{journal}", {"name": "Renamed"}).status == 200
        assert vendor.upload(f"/journals/{journal}/upload", b"{}\n").status in (200, 400)
        assert vendor.delete(f"/journals/{journal}").status in (204, 409)
    else:
        stage = Stage(app)
        payment = {**body("Payment", STAGING), "targets": []}
        locator = stage.call("POST", "payments", payment).json["locator"]
        for step in ("validate", "post"):
            stage.call("PATCH", f"payments/{locator}/{step}")
        stage.call("PATCH", f"payments/{locator}/reverse", {"reversalType": "nsf"})
        stage.call("PATCH", "payments/01KJSESXM010000000000P0008/request")
        stage.client.post(
            "//auth/users/tokens", {"name": "x", "tenants": ["any"], "permissions": ["*.*"], "expiresAt": None}
        )
    return app.worlds[api].commits - before


@pytest.mark.parametrize("disturbed", APIS)
def test_nothing_that_is_done_to_one_is_seen_in_the_others(app: MockServer, disturbed: str) -> None:
    others = [api for api in APIS if api != disturbed]
    before = {api: content(app, api) for api in APIS}
    assert disturb(app, disturbed) > 3
    assert content(app, disturbed) != before[disturbed]
    for api in others:
        assert content(app, api) == before[api]
        assert told_apart(asked(app, api), alone(api)) == []


def test_they_do_not_disturb_each_other_when_they_are_asked_in_turns(app: MockServer) -> None:
    found: dict[str, list[bytes]] = {api: [] for api in APIS}
    for turn in itertools.zip_longest(*([(api, each) for each in QUESTIONS[api]] for api in APIS)):
        for api, (caller, method, path) in filter(None, turn):
            client = Client(app, None if caller is None else app.token(caller))
            found[api].append(raw(client.request(method, path)))
    for api in APIS:
        assert told_apart(found[api], alone(api)) == []


def content(app: MockServer, api: str) -> str:
    """Every record of a world, whatever time it is."""
    world = app.worlds[api]
    at = world.clock.now()
    world.clock.set(datetime(2020, 1, 1, tzinfo=UTC))
    found = fingerprint(world)
    world.clock.set(at)
    return found


def test_ids_and_counters_of_one_do_not_move_with_the_others(app: MockServer) -> None:
    lone = served("credits")
    lone.reset()
    first = Client(lone, "admin-token").post(DRAFTS, body("Payment", STAGING) | {"targets": []}).json
    for api in ("accounts", "billing"):
        disturb(app, api)
    app.worlds["credits"].clock.set(lone.world.clock.now() - timedelta(milliseconds=1))
    second = Client(app, "admin-token").post(DRAFTS, body("Payment", STAGING) | {"targets": []}).json
    assert first == second
    lone.reset()


def test_the_same_id_in_two_apis_is_of_two_things(app: MockServer) -> None:
    work = app.worlds["credits"].work()
    work.put("Account", {"id": "700102", "tenantLocator": STAGING, "name": "another"})
    work.commit()
    found = Client(app, app.token("finance")).get("//v1/finance/accounts/700102").json
    assert found["accountName"] == "Harbour & Finch Analytics"
    work = app.worlds["accounts"].work()
    work.remove("Account", ACCOUNTS[STAGING])
    work.put("IssuedToken", {"id": "admin-token", "caller": "finance", "expires": "2020-01-01T00:00:00.000Z"})
    work.commit()
    assert Client(app, "admin-token").get(f"//billing/{STAGING}/credits/list").status == 200


def test_they_share_one_clock_which_moves_for_all_of_them_at_once(app: MockServer) -> None:
    clocks = {id(world.clock) for world in app.worlds.values()}
    assert len(clocks) == 1
    app.world.clock.advance(timedelta(days=400))
    assert Client(app, app.token("finance")).get("//v1/finance/accounts/700100").json["invoices"] == []
    made = Client(app, "admin-token").post(DRAFTS, body("Payment", STAGING) | {"targets": []})
    assert made.json["createdAt"].startswith("2027-04-20")


def test_a_reset_puts_all_of_them_back(app: MockServer) -> None:
    for api in APIS:
        disturb(app, api)
    assert Client(app, None).post("//__mock__/reset").status == 200
    for api in APIS:
        app.worlds[api].refusals = 0
        assert told_apart(asked(app, api), alone(api)) == []


# Tokens


READS = {"accounts": "//v1/finance/accounts", "billing": "/journals", "credits": "//auth/users/whoami"}


@pytest.mark.parametrize("door", APIS)
def test_tokens_of_one_api_are_unknown_to_the_others_which_say_where_they_belong(app: MockServer, door: str) -> None:
    before = fingerprint(app.worlds[door])
    for caller in app.callers.values():
        answer = Client(app, caller.token).get(READS[door])
        is_expired = "expired" in caller.name
        assert (answer.status == 401) == (caller.api != door or is_expired), caller.name
        if answer.status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"
        if caller.api != door:
            said = answer.text
            assert f"one of {caller.api}" in said, said
            assert "mockserver callers" in said
            assert caller.token not in said
    assert fingerprint(app.worlds[door]) == before


def issued(app: MockServer) -> dict[str, str]:
    """API -> a token that it has issued."""
    said = {"grant_type": "client_credentials", "client_id": "finance-client", "client_secret": "finance-secret"}
    mine: dict[str, Any] = {"name": "x", "tenants": ["any"], "permissions": ["*.*"], "expiresAt": None}
    return {
        "accounts": Client(app, None).post("//oauth2/v1/token", said).json["access_token"],
        "credits": Client(app, "admin-token").post("//auth/users/tokens", mine).json,
    }


def test_issued_tokens_open_the_door_of_their_own_api_alone(app: MockServer) -> None:
    for home, token in issued(app).items():
        assert {api for api, path in READS.items() if Client(app, token).get(path).status == 200} == {home}
        for api in APIS:
            if api != home:
                answer = Client(app, token).get(READS[api])
                assert answer.status == 401
                assert "mockserver callers" in answer.text


def test_who_may_everything_here_may_nothing_there(app: MockServer) -> None:
    for door, questions in QUESTIONS.items():
        for caller in app.callers.values():
            if caller.api == door:
                continue
            for asker, method, path in questions:
                answer = Client(app, caller.token).request(method, path)
                if asker is not None and "nothing" not in path and method == "GET" and "openapi" not in path:
                    assert answer.status == 401, (caller.name, path)
