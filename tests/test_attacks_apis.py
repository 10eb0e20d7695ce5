"""What would break a server that trusts its callers, at the doors of accounts and credits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mockserver import MockServer, create_app
from tests.driver import Answer, Client

TENANT = "10000000-0000-4000-8000-000000000001"
TOKENS, PAYMENTS, JOURNALS = "//oauth2/v1/token", f"//billing/{TENANT}/payments", "/journals"
CALLERS = {TOKENS: None, PAYMENTS: "clerk", JOURNALS: "vendor"}


@pytest.fixture(scope="module")
def built() -> MockServer:
    return create_app()


@pytest.fixture
def app(built: MockServer) -> Iterator[MockServer]:
    built.reset()
    yield built
    built.reset()


def ask(app: MockServer, path: str, content: bytes, method: str = "POST") -> Answer:
    name = CALLERS.get(path)
    client = Client(app, None if name is None else app.token(name))
    return client.request(method, path, content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize("path", CALLERS)
@pytest.mark.parametrize("deep", [101, 300, 1_000, 100_000])
@pytest.mark.parametrize("shape", ["[%s]", '{"data":%s}', '{"client_id":[%s]}'])
def test_a_body_nested_without_end_is_refused(app: MockServer, path: str, deep: int, shape: str) -> None:
    opened, closed = shape.split("%s")
    answer = ask(app, path, (opened * deep + closed * deep).replace(":}", ":0}").encode())
    assert answer.status == 400, answer


def test_data_may_nest_as_deep_as_a_body_may_and_comes_back(app: MockServer) -> None:
    data: Any = {"a": "leaf"}
    for _ in range(90):
        data = {"a": data}
    body = {"type": "StandardPayment", "amount": 1, "data": data, "targets": [], "currency": "USD"}
    answer = Client(app, app.token("clerk")).request("POST", PAYMENTS, body=body)
    assert answer.status == 200, answer
    assert answer.json["data"] == data


@pytest.mark.parametrize("path", ["//v1/finance//accounts", "//v1/finance/accounts//700100"])
def test_a_path_with_slashes_too_many_is_no_path(app: MockServer, path: str) -> None:
    assert Client(app, app.token("finance")).get(path).status == 404


def test_a_tenant_is_the_same_in_capitals(app: MockServer) -> None:
    world = app.worlds["credits"]
    tenant = "abcdef00-0000-4000-8000-00000000000a"
    world.layer.put("Tenant", {**world.layer.get("Tenant", TENANT), "id": tenant, "locator": tenant})
    admin = Client(app, app.token("admin"))
    for spelled in (tenant, tenant.upper()):
        assert admin.get(f"//billing/{spelled}/credits/list").json == {"listCompleted": True, "items": []}


@pytest.mark.parametrize("query", ["limit=%2B5", "limit=010", "limit=5.0", "limit=", "limit=%D9%A5", "limit=1e1"])
def test_a_number_that_is_spelled_otherwise_is_none(app: MockServer, query: str) -> None:
    answer = Client(app, app.token("finance")).get(f"//v1/finance/accounts?{query}")
    assert answer.status == 400
    assert answer.json["errors"][0]["fields"] == ["limit"]


def test_a_query_that_cannot_be_read_names_no_parameter(app: MockServer) -> None:
    answer = Client(app, app.token("finance")).get("//v1/finance/accounts?limit=%ff")
    assert answer.status == 400
    assert "fields" not in answer.json["errors"][0]


def test_a_refusal_repeats_no_more_of_an_id_than_one_reads(app: MockServer) -> None:
    answer = Client(app, app.token("finance")).get("//v1/finance/accounts/" + "7" * 3_000)
    assert (answer.status, len(answer.content) < 400) == (403, True)


@pytest.mark.parametrize("path", ["//oauth2/v1/token", "//oauth2/v1/refreshaccesstoken"])
def test_the_token_paths_refuse_a_method_in_their_own_words(app: MockServer, path: str) -> None:
    answer = Client(app, None).get(path)
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert answer.json["error_domain"] == "apps-auth"


def test_an_answer_with_a_token_is_not_to_be_stored(app: MockServer) -> None:
    body = {"client_id": "finance-client", "client_secret": "finance-secret", "grant_type": "client_credentials"}
    issued = Client(app, None).post("//oauth2/v1/token", body)
    assert (issued.status, issued.headers["cache-control"]) == (200, "no-store")


def test_a_path_that_is_no_apis_is_told_where_they_are(app: MockServer) -> None:
    answer = Client(app, None).get("//v2/invoices")
    assert answer.status == 404
    assert "/v1/finance" in answer.json["detail"]
    assert "/public/v1/billing" in answer.json["detail"]
    assert "/docs" in answer.json["detail"]


@pytest.mark.parametrize("path", ["//v1/finance/openapi.json", "//billing/openapi.json"])
def test_a_document_is_read_and_nothing_else(app: MockServer, path: str) -> None:
    assert Client(app, None).get(path).status == 200
    answer = Client(app, None).post(path, {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
