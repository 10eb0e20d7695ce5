"""The accounts API over HTTP: lists and links, the window, permissions, refusals and their order."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mockserver import MockServer
from mockserver.apis.accounts.rules import months_before
from tests.accounts import ACCOUNTS, TOKEN, As, anybody, app, as_, detail, download, finance, listed, numbers
from tests.driver import Answer, Client

__all__ = ["anybody", "app", "as_", "finance"]
SORTS = ("ACCOUNT_NUMBER", "PARENT_ACCOUNT_NUMBER", "ACCOUNT_NAME")
MEMBERS = {
    "ACCOUNT_NUMBER": "accountNumber",
    "PARENT_ACCOUNT_NUMBER": "parentAccountNumber",
    "ACCOUNT_NAME": "accountName",
}


def refused(answer: Answer, status: int, *fields: str) -> dict[str, Any]:
    """The one error of a refusal, whose body is found right."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert sorted(body) == ["errors", "ticketId"]
    assert re.fullmatch(r"\d+", body["ticketId"])
    code = "EQX-700-1001" if status == 400 else f"EQX-700-{status}"
    assert [each["code"] for each in body["errors"]] == [code] * len(body["errors"])
    assert all(each["message"] for each in body["errors"])
    assert [name for each in body["errors"] for name in each.get("fields", ())] == list(fields)
    found: dict[str, Any] = body["errors"][0]
    return found


def months_of(app: MockServer) -> list[str]:
    """A day of each month of the window."""
    today = app.world.clock.now().date()
    return [months_before(today.replace(day=1), back).isoformat() for back in range(13)]


# The list


def test_a_list_holds_accounts_a_page_and_links(finance: Client) -> None:
    answer = finance.get(ACCOUNTS)
    assert answer.status == 200
    body = answer.json
    assert sorted(body) == ["_links", "data", "page"]
    assert body["page"] == {"total": 27, "limit": 10, "offset": 0}
    assert len(body["data"]) == 10
    for each in body["data"]:
        assert set(each) <= {"accountName", "accountNumber", "parentAccountNumber", "accountIbxs"}
        assert all(value is not None for value in each.values())


@pytest.mark.parametrize("limit", [1, 2, 7, 10, 27, 28, 100])
def test_walking_next_gives_every_account_once_and_in_order(finance: Client, limit: int) -> None:
    walked, path = [], f"/accounts?limit={limit}"
    while path:
        answer = finance.get(f"//v1/finance{path}")
        assert len(answer.json["data"]) <= limit
        walked += numbers(answer)
        path = answer.json["_links"].get("next", {}).get("href", "")
    assert walked == sorted(walked) == numbers(finance.get(f"{ACCOUNTS}?limit=100"))
    assert len(walked) == answer.json["page"]["total"]


@pytest.mark.parametrize(
    ("query", "previous", "here", "following"),
    [
        ("limit=10&offset=0", None, (10, 0), (10, 10)),
        ("limit=10&offset=10", (10, 0), (10, 10), (10, 20)),
        ("limit=10&offset=20", (10, 10), (10, 20), None),
        ("limit=10&offset=4", (10, 0), (10, 4), (10, 14)),
        ("limit=9&offset=18", (9, 9), (9, 18), None),
        ("limit=100", None, (100, 0), None),
        ("", None, (10, 0), (10, 10)),
        ("offset=50", (10, 40), (10, 50), None),
    ],
)
def test_links_lead_to_the_pages_before_and_after(
    finance: Client, query: str, previous: tuple[int, int] | None, here: tuple[int, int], following: Any
) -> None:
    body = finance.get(f"{ACCOUNTS}?{query}").json
    wanted = {"prev": previous, "self": here, "next": following}
    assert body["_links"] == {
        name: {"href": f"/accounts?limit={at[0]}&offset={at[1]}"} for name, at in wanted.items() if at is not None
    }
    assert (body["page"]["limit"], body["page"]["offset"]) == here


def test_sorts_stands_in_links_only_where_it_was_sent(finance: Client) -> None:
    links = finance.get(f"{ACCOUNTS}?limit=5&offset=5&sorts=-ACCOUNT_NAME").json["_links"]
    for each in links.values():
        assert parse_qs(urlsplit(each["href"]).query)["sorts"] == ["-ACCOUNT_NAME"]
        assert each["href"].index("limit=") < each["href"].index("offset=") < each["href"].index("sorts=")
    assert "sorts" in finance.get(f"{ACCOUNTS}?sorts=ACCOUNT_NUMBER").json["_links"]["self"]["href"]
    assert "sorts" not in finance.get(ACCOUNTS).json["_links"]["self"]["href"]


def test_a_limit_of_0_only_counts(finance: Client) -> None:
    for query, href in {
        "limit=0": "/accounts?limit=0&offset=0",
        "limit=0&offset=5": "/accounts?limit=0&offset=5",
    }.items():
        body = finance.get(f"{ACCOUNTS}?{query}").json
        assert body["data"] == []
        assert body["page"]["total"] == 27
        assert body["_links"] == {"self": {"href": href}}


def test_past_the_end_the_page_is_empty(finance: Client) -> None:
    for offset in (27, 28, 1000, 2147483647):
        answer = finance.get(f"{ACCOUNTS}?offset={offset}")
        assert (answer.status, answer.json["data"]) == (200, [])
        assert answer.json["page"] == {"total": 27, "limit": 10, "offset": offset}


@pytest.mark.parametrize("sorts", SORTS)
def test_each_order_goes_both_ways(finance: Client, sorts: str) -> None:
    up, down = (finance.get(f"{ACCOUNTS}?limit=100&sorts={sign}{sorts}").json["data"] for sign in ("", "-"))
    member = MEMBERS[sorts]
    values = [each.get(member) for each in up]
    there = [each for each in values if each is not None]
    assert there == sorted(there)
    assert values == there + [None] * (len(values) - len(there))  # without a parent: last ascending
    assert [each.get(member) for each in down] == values[::-1]
    for rows in (up, down):
        for value in set(values):
            tied = [each["accountNumber"] for each in rows if each.get(member) == value]
            assert tied == sorted(tied)


def test_with_distinct_keys_the_other_sign_is_the_other_way_round(finance: Client) -> None:
    for sorts in ("ACCOUNT_NUMBER", "ACCOUNT_NAME"):
        up, down = (numbers(finance.get(f"{ACCOUNTS}?limit=100&sorts={sign}{sorts}")) for sign in ("", "-"))
        assert up == down[::-1]
        assert len(set(up)) == 27


def test_the_default_order_is_by_number(finance: Client) -> None:
    assert numbers(finance.get(ACCOUNTS)) == numbers(finance.get(f"{ACCOUNTS}?sorts=ACCOUNT_NUMBER"))


# One account


def test_a_list_and_the_account_itself_say_the_same(finance: Client) -> None:
    for account in listed(finance):
        summary = detail(finance, account["accountNumber"])
        assert {name: summary.get(name) for name in account} == account
        assert ("parentAccountNumber" in summary) == ("parentAccountNumber" in account)


def test_every_account_says_all_that_it_has(finance: Client) -> None:
    for account in listed(finance):
        summary = detail(finance, account["accountNumber"])
        assert set(summary) - {"parentAccountNumber"} == {
            *("accountNumber", "accountName", "billingFrequency", "currencyCode", "invoiceLanguage", "invoiceFormat"),
            *("invoices", "payments", "billingContact", "accountIbxs"),
        }
        assert set(summary["billingContact"]) == {"firstName", "lastName", "email"}
        assert re.fullmatch("[A-Z]{3}", summary["currencyCode"])
        for invoice in summary["invoices"]:
            assert invoice["transactionNumber"] == invoice["invoiceId"]
            assert (invoice["amount"] < 0) == (invoice["type"] == "CREDIT_MEMO")
            assert invoice["amount"] != 0
            assert Decimal(str(invoice["amount"])) == round(Decimal(str(invoice["amount"])), 2)
            ids = [each["documentId"] for each in invoice["documents"]]
            assert len(set(ids)) == len(ids) > 0
            assert {each["type"] for each in invoice["documents"]} == {invoice["type"]}
        for payment in summary["payments"]:
            assert payment["amount"] > 0
            assert re.fullmatch(r"[A-Z]{3}\d{13}", payment["paymentId"])


def test_the_newest_comes_first_then_the_smaller_id(finance: Client) -> None:
    for account in listed(finance):
        summary = detail(finance, account["accountNumber"])
        for what, id in (("invoices", "invoiceId"), ("payments", "paymentId")):
            keys = [(-date.fromisoformat(each["date"]).toordinal(), each[id]) for each in summary[what]]
            assert keys == sorted(keys)


# The window


def test_everything_lies_in_the_window_whatever_the_day(app: MockServer, finance: Client) -> None:
    for days in (0, 1, 30, 200):
        app.world.clock.advance(timedelta(days=days))
        today = app.world.clock.now().date()
        first = months_before(today, 12).isoformat()
        for account in listed(finance):
            summary = detail(finance, account["accountNumber"])
            for each in (*summary["invoices"], *summary["payments"]):
                assert first <= each["date"] <= today.isoformat()


def test_twelve_months_are_in_and_a_day_more_is_out(app: MockServer, finance: Client) -> None:
    ids = [each["invoiceId"] for each in detail(finance, "700100")["invoices"]]
    assert {"810000001", "810000002"} <= set(ids)
    assert not {"810000003", "810000004"} & set(ids)
    app.world.clock.advance(timedelta(days=1))
    assert "810000002" not in [each["invoiceId"] for each in detail(finance, "700100")["invoices"]]


def test_the_clock_takes_everything_out_but_the_account(app: MockServer, finance: Client) -> None:
    before = detail(finance, "700100")
    app.world.clock.advance(timedelta(days=400))
    after = detail(finance, "700100")
    assert (after["invoices"], after["payments"]) == ([], [])
    assert {**before, "invoices": [], "payments": []} == after


def test_the_months_of_the_window_together_are_the_whole_answer(app: MockServer, finance: Client) -> None:
    for number in ("700100", "700102", "700103", "700111"):
        whole = detail(finance, number)
        parts = [detail(finance, number, month) for month in months_of(app)]
        for what in ("invoices", "payments"):
            joined = [each for part in parts for each in part[what]]
            assert sorted(map(str, joined)) == sorted(map(str, whole[what]))
        assert detail(finance, number, ",".join(months_of(app))) == whole


def test_months_choose_by_month_and_not_by_day_and_repetitions_change_nothing(app: MockServer, finance: Client) -> None:
    one, other = months_of(app)[1], months_of(app)[2]
    both = detail(finance, "700102", f"{one},{other}")
    assert {each["date"][:7] for each in both["invoices"]} == {one[:7], other[:7]}
    assert both == detail(finance, "700102", f"{other},{one},{one[:7]}-28")
    assert {name: both[name] for name in ("accountName", "billingContact")}.items() <= detail(finance, "700102").items()


@pytest.mark.parametrize("query", ["", "?months=", "?months"])
def test_no_month_at_all_is_the_whole_window(finance: Client, query: str) -> None:
    assert finance.get(f"{ACCOUNTS}/700102{query}").json == detail(finance, "700102")


def test_a_month_outside_the_window_adds_nothing(finance: Client) -> None:
    empty = detail(finance, "700100", "2020-01-01,2199-12-31")
    assert (empty["invoices"], empty["payments"]) == ([], [])
    # Of the month that the window begins in, what lies before its first day stays out.
    edge = detail(finance, "700100", "2025-03-31")
    assert [each["invoiceId"] for each in edge["invoices"]] == ["810000002"]


@pytest.mark.parametrize(
    "months",
    ["2025-13-01", "2025-05", "05/2025", "2025-02-29", "x", "2025-05-01,,2025-06-01", "2025-05-01,", "2025-5-1"],
)
def test_what_is_no_date_is_refused_by_its_name(finance: Client, months: str) -> None:
    refused(finance.get(f"{ACCOUNTS}/700100?months={months}"), 400, "months")


def test_a_leap_day_is_a_date(finance: Client) -> None:
    assert detail(finance, "700100", "2024-02-29")["invoices"] == []


# Permission


@pytest.mark.parametrize("caller", ["finance", "finance-two"])
def test_what_is_listed_can_be_seen_and_nothing_else(as_: As, caller: str) -> None:
    client = as_(caller)
    mine = {each["accountNumber"] for each in listed(client)}
    everyone = {each["accountNumber"] for name in ("finance", "finance-two") for each in listed(as_(name))} | {"700190"}
    assert everyone - mine
    for number in everyone:
        assert client.get(f"{ACCOUNTS}/{number}").status == (200 if number in mine else 403)


def test_a_foreign_account_and_none_at_all_look_alike(as_: As) -> None:
    client = as_("finance-two")
    bodies = []
    for path in ("700100", "123456", "x", "700100/810000001?documentId=DETAILED_PDF_EN", "123456/1?documentId=x"):
        answer = client.get(f"{ACCOUNTS}/{path}")
        error = refused(answer, 403)
        bodies.append({**error, "message": re.sub(r"700100|123456|\bx\b", "N", error["message"])})
    assert all(each == bodies[0] for each in bodies)


def test_a_parent_that_one_cannot_see_is_named_and_stays_unseen(as_: As) -> None:
    client = as_("finance-two")
    assert [each["parentAccountNumber"] for each in listed(client)] == ["700101", "700190"]
    refused(client.get(f"{ACCOUNTS}/700190"), 403)


def test_a_caller_without_the_permission_may_not_call_at_all(as_: As) -> None:
    client = as_("finance-none")
    for path in ("", "/700100", "/123456", "/700100/810000001?documentId=DETAILED_PDF_EN"):
        refused(client.get(f"{ACCOUNTS}{path}"), 403)


def test_an_invoice_of_another_account_is_not_found_below_mine(finance: Client) -> None:
    refused(download(finance, "700102", "810000001", "DETAILED_PDF_EN"), 404)
    refused(download(finance, "700100", "999999999", "DETAILED_PDF_EN"), 404)


def test_a_revoked_grant_changes_the_next_answer(app: MockServer, as_: As) -> None:
    client = as_("finance-two")
    grant = app.world.layer.get("Grant", "finance-two")
    assert grant is not None
    app.world.layer.put("Grant", {**grant, "values": ["700191"]})
    assert numbers(client.get(ACCOUNTS)) == ["700191"]
    refused(client.get(f"{ACCOUNTS}/700102"), 403)
    app.world.layer.put("Grant", {**grant, "values": []})
    refused(client.get(ACCOUNTS), 403)
    app.reset()
    assert numbers(client.get(ACCOUNTS)) == ["700102", "700191"]


# Refusals


@pytest.mark.parametrize("path", ["", "/700100", "/700100/810000001?documentId=DETAILED_PDF_EN"])
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic ZmluYW5jZTp4", "finance-token", "Bearer nobody", "Bearer vendor-token"],
)
def test_a_read_without_a_good_token_is_401(app: MockServer, path: str, header: str | None) -> None:
    sent = {} if header is None else {"authorization": header}
    answer = Client(app, None).get(f"{ACCOUNTS}{path}", headers=sent)
    refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_token_is_401(as_: As) -> None:
    refused(as_("finance-expired").get(ACCOUNTS), 401)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("offset=2147483648", "offset"),
        ("offset=99999999999999999999999999", "offset"),
        ("sorts=account_number", "sorts"),
        ("sorts=", "sorts"),
        ("sorts=ACCOUNT_NUMBER,ACCOUNT_NAME", "sorts"),
        ("sorts=%2BACCOUNT_NUMBER", "sorts"),
        ("sorts=--ACCOUNT_NUMBER", "sorts"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(finance: Client, query: str, field: str) -> None:
    refused(finance.get(f"{ACCOUNTS}?{query}"), 400, field)


def test_parameters_that_are_not_declared_are_ignored(finance: Client) -> None:
    assert finance.get(f"{ACCOUNTS}?productType=x&Limit=3&eq(id,1)").json == finance.get(ACCOUNTS).json
    assert finance.get(f"{ACCOUNTS}/700100?startDate=2025-01-01").json == detail(finance, "700100")


def test_any_accept_and_any_content_type_will_do(finance: Client) -> None:
    for headers in ({"accept": "text/html"}, {"content-type": "application/json"}, {"content-type": "text/plain"}):
        for path in (ACCOUNTS, f"{ACCOUNTS}/700100"):
            answer = finance.get(path, headers=headers)
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


def test_a_token_is_asked_for_before_parameters_are_read_and_those_before_rights(as_: As, anybody: Client) -> None:
    refused(anybody.get(f"{ACCOUNTS}?limit=x"), 401)
    outsider, holder = as_("finance-none"), as_("finance-two")
    refused(outsider.get(f"{ACCOUNTS}?limit=x"), 400, "limit")
    refused(outsider.get(f"{ACCOUNTS}/700100?months=x"), 400, "months")
    refused(holder.get(f"{ACCOUNTS}/123456?months=x"), 400, "months")
    refused(holder.get(f"{ACCOUNTS}/123456/1"), 400, "documentId")
    refused(holder.get(f"{ACCOUNTS}/123456/1?documentId=x"), 403)
    refused(holder.get(f"{ACCOUNTS}/700102/1?documentId=x"), 404)


@pytest.mark.parametrize(
    "path", ["//v1/finance", "//v1/finance/", "//v1/finance/users", "//v1/finance/accounts/1/2/3", "//oauth2/v1/keys"]
)
def test_an_unknown_path_is_404_in_the_api_s_words(finance: Client, path: str) -> None:
    refused(finance.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_405_and_told_which_there_are(finance: Client, method: str) -> None:
    for path in (ACCOUNTS, f"{ACCOUNTS}/700100", f"{ACCOUNTS}/700100/810000001"):
        answer = finance.request(method, path)
        refused(answer, 405)
        assert "GET" in answer.headers["allow"]


def test_a_token_cannot_be_got(anybody: Client) -> None:
    answer = anybody.get(TOKEN)
    assert answer.status == 405
    assert "POST" in answer.headers["allow"]


def test_tickets_are_told_apart(finance: Client) -> None:
    tickets = [finance.get(f"{ACCOUNTS}/123456").json["ticketId"] for _ in range(3)]
    assert len(set(tickets)) == 3
