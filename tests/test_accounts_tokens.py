"""Tokens: issued, renewed, expired, refused, and the lock."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from mockserver import MockServer
from tests.accounts import ACCOUNTS, REFRESH, TOKEN, As, anybody, app, as_, finance, numbers
from tests.driver import Answer, Client

__all__ = ["anybody", "app", "as_", "finance"]
RIGHT = {"grant_type": "client_credentials", "client_id": "finance-client", "client_secret": "finance-secret"}
RENEWAL = {"client_id": "finance-client", "client_secret": "finance-secret", "refresh_token": "finance-refresh"}
MEMBERS = ["developer_message", "error_code", "error_domain", "error_message", "error_title"]


def refused(answer: Answer, *said: str, code: str = "S1006") -> None:
    assert answer.status == 400
    assert sorted(answer.json) == MEMBERS
    assert all(isinstance(value, str) and value for value in answer.json.values())
    assert answer.json["error_code"] == code, answer
    for each in said:
        assert each in answer.json["developer_message"].lower(), answer


def issued(client: Client, body: dict[str, Any] = RIGHT) -> dict[str, str]:
    answer = client.post(TOKEN, body)
    assert answer.status == 200, answer
    found: dict[str, str] = answer.json
    return found


def test_client_credentials_give_a_token_of_the_client_s_user(app: MockServer, anybody: Client) -> None:
    told = issued(anybody)
    assert sorted(told) == ["access_token", "token_timeout", "token_type", "user_name"]
    assert told["token_timeout"] == "3599"
    assert told["token_type"] == "Bearer"
    assert told["user_name"] == "finance@example.org"
    mine = Client(app, told["access_token"]).get(f"{ACCOUNTS}?limit=100")
    assert numbers(mine) == numbers(Client(app, app.token("finance")).get(f"{ACCOUNTS}?limit=100"))


def test_each_client_s_token_carries_its_own_user_s_grants(app: MockServer, anybody: Client) -> None:
    token = issued(anybody, {**RIGHT, "client_id": "finance-two-client", "client_secret": "finance-two-secret"})
    assert numbers(Client(app, token["access_token"]).get(ACCOUNTS)) == ["700102", "700191"]
    token = issued(anybody, {**RIGHT, "client_id": "finance-none-client", "client_secret": "finance-none-secret"})
    assert Client(app, token["access_token"]).get(ACCOUNTS).status == 403


def test_every_token_is_another_one_and_all_of_them_will_do(app: MockServer, anybody: Client) -> None:
    tokens = [issued(anybody)["access_token"] for _ in range(3)]
    assert len(set(tokens)) == 3
    assert all(Client(app, token).get(ACCOUNTS).status == 200 for token in tokens)


def test_after_a_reset_the_same_calls_get_the_same_tokens(app: MockServer, anybody: Client) -> None:
    first = issued(anybody)["access_token"]
    app.reset()
    assert Client(app, first).get(ACCOUNTS).status == 401
    assert issued(anybody)["access_token"] == first


def test_a_token_stops_working_after_exactly_its_timeout(app: MockServer, anybody: Client) -> None:
    start = app.world.clock.now()
    client = Client(app, issued(anybody)["access_token"])
    app.world.clock.set(start + timedelta(seconds=3599) - timedelta(milliseconds=1))
    assert client.get(ACCOUNTS).status == 200
    app.world.clock.set(start + timedelta(seconds=3599))
    late = client.get(ACCOUNTS)
    assert late.status == 401
    assert "expired" in late.json["errors"][0]["message"]


def test_the_token_of_an_expired_caller_is_refused_and_its_client_gets_a_new_one(as_: As, app: MockServer) -> None:
    old = as_("finance-expired")
    assert old.get(ACCOUNTS).status == 401
    new = issued(old, {**RIGHT, "client_id": "finance-expired-client", "client_secret": "finance-expired-secret"})
    assert numbers(Client(app, new["access_token"]).get(ACCOUNTS)) == ["700100"]


def test_a_wrong_bearer_does_not_matter_where_no_token_is_asked_for(app: MockServer) -> None:
    assert issued(Client(app, "nonsense"))["token_type"] == "Bearer"


# What is refused


def test_without_a_grant_type_the_password_grant_is_meant_and_refused(anybody: Client) -> None:
    body = {name: value for name, value in RIGHT.items() if name != "grant_type"}
    refused(anybody.post(TOKEN, body), "password", "end of life", "client_credentials", code="EQX-700-1001")


def test_the_password_grant_is_refused_with_its_reason(anybody: Client) -> None:
    body = {**RIGHT, "grant_type": "password", "user_name": "finance@example.org", "user_password": "finance-password"}
    refused(anybody.post(TOKEN, body), "end of life", code="EQX-700-1001")


def test_an_unknown_grant_is_refused(anybody: Client) -> None:
    refused(anybody.post(TOKEN, {**RIGHT, "grant_type": "implicit"}), code="EQX-700-1001")


@pytest.mark.parametrize(("path", "body"), [(TOKEN, RIGHT), (REFRESH, RENEWAL)], ids=["token", "refresh"])
def test_every_required_member_is_asked_for(anybody: Client, path: str, body: dict[str, str]) -> None:
    for name in body:
        if name != "grant_type":
            answer = anybody.post(path, {other: value for other, value in body.items() if other != name})
            refused(answer, code="EQX-700-1001")
    refused(anybody.post(path, []), code="EQX-700-1001")
    refused(
        anybody.request("POST", path, content=b"{", headers={"content-type": "application/json"}), code="EQX-700-1001"
    )


@pytest.mark.parametrize("path", [TOKEN, REFRESH])
def test_a_form_is_not_read(anybody: Client, path: str) -> None:
    form = anybody.request(
        "POST",
        path,
        content=b"grant_type=client_credentials&client_id=finance-client&client_secret=finance-secret",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert form.status == 415
    assert sorted(form.json) == MEMBERS


def test_an_unknown_client_is_refused_and_counts_for_nobody(anybody: Client) -> None:
    for _ in range(7):
        refused(anybody.post(TOKEN, {**RIGHT, "client_id": "nobody"}), "no client_id 'nobody' is known")
    issued(anybody)


def test_a_wrong_secret_is_refused_and_says_how_many_are_left(anybody: Client) -> None:
    refused(anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"}), "client_secret is wrong", "4 more in a row")


# The lock


def test_five_wrong_attempts_in_a_row_lock_the_user_until_the_world_is_reset(app: MockServer, anybody: Client) -> None:
    for _ in range(4):
        refused(anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"}), "client_secret is wrong")
    refused(anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"}), "locked", "__mock__/reset")
    refused(anybody.post(TOKEN, RIGHT), "locked", "__mock__/reset")
    refused(anybody.post(REFRESH, RENEWAL), "locked")
    app.world.clock.advance(timedelta(days=3))
    refused(anybody.post(TOKEN, RIGHT), "locked")
    app.reset()
    issued(anybody)


def test_others_are_not_locked_with_one(anybody: Client) -> None:
    for _ in range(5):
        anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"})
    issued(anybody, {**RIGHT, "client_id": "finance-two-client", "client_secret": "finance-two-secret"})


def test_tokens_issued_before_go_on_working(app: MockServer, anybody: Client) -> None:
    token = issued(anybody)["access_token"]
    for _ in range(5):
        anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"})
    assert Client(app, token).get(ACCOUNTS).status == 200


def test_a_right_attempt_in_between_sets_the_count_back(anybody: Client) -> None:
    for _ in range(3):
        for _ in range(4):
            refused(anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"}), "client_secret is wrong")
        issued(anybody)


def test_both_operations_count_together(anybody: Client) -> None:
    for _ in range(2):
        refused(anybody.post(TOKEN, {**RIGHT, "client_secret": "guess"}))
        refused(anybody.post(REFRESH, {**RENEWAL, "refresh_token": "guess"}), "refresh_token")
    refused(anybody.post(REFRESH, {**RENEWAL, "client_secret": "guess"}), "locked")


def test_what_is_no_attempt_does_not_count(anybody: Client) -> None:
    for _ in range(6):
        refused(anybody.post(TOKEN, {"client_id": "finance-client"}), code="EQX-700-1001")
        refused(anybody.post(TOKEN, {**RIGHT, "grant_type": "password"}), code="EQX-700-1001")
    issued(anybody)


# Refresh tokens


def test_a_ready_made_refresh_token_gives_an_access_token_and_another_refresh_token(
    app: MockServer, anybody: Client
) -> None:
    answer = anybody.post(REFRESH, RENEWAL)
    assert answer.status == 200
    told = answer.json
    members = ["access_token", "refresh_token", "refresh_token_timeout", "token_timeout", "token_type", "user_name"]
    assert sorted(told) == members
    assert (told["refresh_token_timeout"], told["token_timeout"]) == ("5182560", "3599")
    assert Client(app, told["access_token"]).get(ACCOUNTS).status == 200
    assert told["refresh_token"] != RENEWAL["refresh_token"]
    for token in (told["refresh_token"], RENEWAL["refresh_token"]):
        assert anybody.post(REFRESH, {**RENEWAL, "refresh_token": token}).status == 200


def test_a_refresh_token_stops_working_after_exactly_its_timeout(app: MockServer, anybody: Client) -> None:
    start = app.world.clock.now()
    app.world.clock.set(start + timedelta(seconds=5182560) - timedelta(milliseconds=1))
    later = anybody.post(REFRESH, RENEWAL)
    assert later.status == 200
    app.world.clock.set(start + timedelta(seconds=5182560))
    refused(anybody.post(REFRESH, RENEWAL), "refresh_token has expired")
    assert anybody.post(REFRESH, {**RENEWAL, "refresh_token": later.json["refresh_token"]}).status == 200


def test_a_refresh_token_is_of_use_to_its_own_client_alone(anybody: Client) -> None:
    other = {**RENEWAL, "client_id": "finance-two-client", "client_secret": "finance-two-secret"}
    refused(anybody.post(REFRESH, other), "none of this client's")


# The password grant, where a deployment serves it


@pytest.fixture
def passwords(app: MockServer) -> Iterator[Client]:
    """A client of a server whose table serves the password grant, too."""
    service, world = app.services["accounts"], app.world
    api = world.api
    rules = MappingProxyType({**api.conventions.rules, "grants": ["client_credentials", "password"]})
    world.api = service.api = replace(api, conventions=replace(api.conventions, rules=rules))
    yield Client(app, None)
    world.api = service.api = api


PASSWORD = {
    "client_id": "finance-client",
    "client_secret": "finance-secret",
    "user_name": "finance@example.org",
    "user_password": "finance-password",
}


@pytest.mark.parametrize("said", [{}, {"grant_type": "password"}], ids=["meant", "said"])
def test_a_password_gives_a_token_that_can_be_renewed(app: MockServer, passwords: Client, said: dict[str, str]) -> None:
    told = issued(passwords, {**PASSWORD, **said})
    assert told["refresh_token_timeout"] == "5182560"
    assert told["user_name"] == "finance@example.org"
    assert Client(app, told["access_token"]).get(ACCOUNTS).status == 200
    renewed = passwords.post(REFRESH, {**RENEWAL, "refresh_token": told["refresh_token"]})
    assert renewed.json["user_name"] == "finance@example.org"


def test_any_client_may_ask_for_any_user(app: MockServer, passwords: Client) -> None:
    two = {**PASSWORD, "user_name": "finance-two@example.org", "user_password": "finance-two-password"}
    told = issued(passwords, two)
    assert numbers(Client(app, told["access_token"]).get(ACCOUNTS)) == ["700102", "700191"]
    renewed = passwords.post(REFRESH, {**RENEWAL, "refresh_token": told["refresh_token"]})
    assert renewed.json["user_name"] == "finance-two@example.org"


def test_a_password_may_be_sent_as_md5_in_base64(passwords: Client) -> None:
    digest = base64.b64encode(hashlib.md5(b"finance-password").digest()).decode()
    issued(passwords, {**PASSWORD, "user_password": digest, "password_encoding": "md5-b64"})
    refused(passwords.post(TOKEN, {**PASSWORD, "user_password": digest}), "user_password is wrong")
    refused(passwords.post(TOKEN, {**PASSWORD, "password_encoding": "md5-b64"}), "user_password is wrong")
    refused(passwords.post(TOKEN, {**PASSWORD, "password_encoding": "sha1"}), code="EQX-700-1001")


def test_wrong_passwords_lock_the_user_they_are_tried_on(passwords: Client) -> None:
    for _ in range(5):
        passwords.post(TOKEN, {**PASSWORD, "user_name": "finance-two@example.org"})
    two = {"client_id": "finance-two-client", "client_secret": "finance-two-secret"}
    refused(passwords.post(TOKEN, {**RIGHT, **two}), "finance-two@example.org is locked")
    issued(passwords)


def test_an_unknown_user_and_a_missing_name_are_refused(passwords: Client) -> None:
    refused(passwords.post(TOKEN, {**PASSWORD, "user_name": "x@example.org"}), "no user_name 'x@example.org' is known")
    for name in ("user_name", "user_password"):
        body = {other: value for other, value in PASSWORD.items() if other != name}
        refused(passwords.post(TOKEN, body), f"needs a {name}", code="EQX-700-1001")
