"""The request journal: what was asked, why it was refused, whether it was asked as expected, and never a token."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver import MockServer, create_app, wire
from mockserver.bodies import Form
from mockserver.domain.errors import Invalid, NotFound
from mockserver.matching import glob_fits, parts
from mockserver.recording import BODY, BYTES, PATH, QUERY, Journal
from mockserver.redaction import HIDDEN, Redactor
from mockserver.work import Upload
from tests import rights
from tests.driver import Answer, Client
from tests.valid import FORM, Part, form

JOURNAL = "//__mock__/journal"
NOW = datetime(2026, 3, 16, 9, tzinfo=UTC)
STAGING, TRAINING = (f"10000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
PAYMENTS = f"//billing/{STAGING}/payments"
ACCOUNTS = "//v1/finance/accounts"
TOKENS, ISSUE = "//oauth2/v1/token", "//auth/users/tokens"
MINE, THEIRS = "/journals/BJO-1000-0001", "/journals/BJO-1000-0014"
Told = dict[str, Any]


@cache
def whole() -> MockServer:
    """All three APIs in one server, built once."""
    return create_app("accounts", "billing", "credits")


@pytest.fixture
def every() -> Iterator[MockServer]:
    """All three APIs as seeded, with a journal as a new server has it."""
    for _ in range(2):
        whole().sandboxes.clear()
        whole().sandboxes.default.journal.set(most=1_000, bodies=False)
        whole().reset()
        if _ == 0:
            yield whole()


def as_(app: MockServer, name: str | None) -> Client:
    return Client(app, None if name is None else app.token(name))


def ask(app: MockServer, path: str = "", base: str = JOURNAL) -> Any:
    answer = Client(app, None).get(base + path)
    assert answer.status == 200, answer
    return answer.json


def verify(app: MockServer, match: Mapping[str, Any], **counts: int) -> Told:
    answer = Client(app, None).post(f"{JOURNAL}/verify", {"match": match, **counts})
    assert answer.status == 200, answer
    told: Told = answer.json
    return told


def at(api: str, operation: rights.Operation, **params: str) -> str:
    """The path of an operation as clients of the tests take it: the document of billing leaves its base out."""
    path = operation.at(**params)
    return path[1:] if api == "billing" else path


def last(app: MockServer) -> Told:
    """The latest request, with its decision."""
    told: Told = ask(app, f"/{ask(app)['last']}")
    return told


def keep_bodies(app: MockServer) -> None:
    assert Client(app, None).put(JOURNAL, {"bodies": True}).status == 200


# What is kept


def test_every_request_to_an_api_is_kept_with_who_what_and_what_came_of_it(every: MockServer) -> None:
    as_(every, "vendor").get("/journals?limit=1")
    as_(every, "client").get("/journals")
    Client(every, None).get("/nothing")
    told = ask(every)
    first, second, third = told["requests"]
    assert {**first, "seconds": 0, "size": 0} == {
        "number": 1,
        "at": wire.instant(every.world.clock.now()),
        "method": "GET",
        "path": "/public/v1/billing/journals",
        "query": "limit=1",
        "api": "billing",
        "operation": "listJournals",
        "caller": "vendor",
        "role": "vendor",
        "cell": "listJournals",
        "status": 200,
        "said": None,
        "fault": None,
        "seconds": 0,
        "size": 0,
        "sent": None,
        "body": None,
        "headers": None,
    }
    assert first["size"] > 100
    assert first["seconds"] > 0
    assert (second["caller"], second["role"], second["status"]) == ("client", "client", 403)
    assert second["said"] == "listJournals is for vendor, operations, not for client."
    assert (third["number"], third["operation"], third["caller"], third["status"]) == (3, None, None, 404)
    assert (told["total"], told["kept"], told["forgotten"], told["last"]) == (3, 3, 0, 3)


def test_the_servers_own_pages_are_not_in_the_journal(every: MockServer) -> None:
    for path in (JOURNAL, "//__mock__/sandboxes", "//docs", "//nothing"):
        Client(every, None).get(path)
    assert ask(every)["last"] == 0


def test_each_sandbox_has_a_journal_of_its_own_and_a_reset_clears_it(every: MockServer) -> None:
    as_(every, "vendor").get("//@box/public/v1/billing/journals")
    assert ask(every)["last"] == 0
    (told,) = ask(every, base="//@box/__mock__/journal")["requests"]
    assert told["path"] == "/public/v1/billing/journals"
    Client(every, None).post("//@box/__mock__/reset")
    assert ask(every, base="//@box/__mock__/journal")["last"] == 0


def test_a_clear_begins_anew(every: MockServer) -> None:
    for _ in range(3):
        as_(every, "vendor").get("/journals")
    assert Client(every, None).delete(JOURNAL).status == 204
    as_(every, "vendor").get("/journals")
    assert [each["number"] for each in ask(every)["requests"]] == [1]


def test_a_journal_that_is_off_keeps_nothing(every: MockServer) -> None:
    as_(every, "vendor").get("/journals")
    assert Client(every, None).put(JOURNAL, {"most": 0}).json["kept"] == 0
    as_(every, "vendor").get("/journals")
    assert ask(every)["requests"] == []
    assert Client(every, None).post(f"{JOURNAL}/verify", {"match": {}}).status == 400


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("operation=getJournal", [1, 2]),
        ("caller=client", [3]),
        ("role=vendor", [1, 2]),
        ("status=404", [2, 4]),
        ("status=4xx", [2, 3, 4]),
        ("status=2xx", [1]),
        ("api=accounts", []),
        ("method=get", [1, 2, 3, 4]),
        ("method=POST", []),
        ("path=*/journals/*", [1, 2]),
        ("path=*/journals", [3]),
        ("path=*", [1, 2, 3, 4]),
        ("since=2", [3, 4]),
        ("limit=2", [3, 4]),
        ("since=1&limit=2", [2, 3]),
        ("since=99", []),
        ("status=4xx&limit=1", [4]),
    ],
)
def test_requests_are_chosen_by_what_they_were(every: MockServer, query: str, numbers: list[int]) -> None:
    as_(every, "vendor").get(MINE)
    as_(every, "vendor").get(THEIRS)
    as_(every, "client").get("/journals")
    Client(every, None).get("/nothing")
    assert [each["number"] for each in ask(every, f"?{query}")["requests"]] == numbers


@pytest.mark.parametrize(
    "query", ["status=9", "status=4x", "limit=0", "limit=1001", "since=-1", "since=x", "statuss=404", "path=a&path=b"]
)
def test_a_filter_that_means_nothing_is_refused(every: MockServer, query: str) -> None:
    assert Client(every, None).get(f"{JOURNAL}?{query}").status == 400


@pytest.mark.parametrize(
    ("number", "status"), [("2", 404), ("0", 404), ("x", 400), ("-1", 400), ("1" * 400, 400), ("%D9%A1", 400)]
)
def test_a_number_that_is_none_is_refused(every: MockServer, number: str, status: int) -> None:
    as_(every, "vendor").get("/journals")
    assert Client(every, None).get(f"{JOURNAL}/{number}").status == status


@pytest.mark.parametrize(
    "body", [{"most": -1}, {"most": 20_001}, {"most": 1.5}, {"bodies": 1}, {"body": True}, [], "x", None]
)
def test_a_setting_that_is_none_is_refused_and_changes_nothing(every: MockServer, body: Any) -> None:
    before = ask(every)
    assert Client(every, None).put(JOURNAL, content=orjson.dumps(body), headers={"content-type": "application/json"})
    assert ask(every) == before


# Why it was refused. (caller, method, path, body or headers) -> (status, check, what the words say, facts)

JSON = {"content-type": "application/json"}
REFUSALS: list[tuple[str | None, str, str, Mapping[str, Any], int, str, tuple[str, ...]]] = [
    # billing
    (None, "GET", "/journals", {}, 401, "token", ("check 1 of 8", "no Authorization header", "vendor")),
    ("finance", "GET", "/journals", {}, 401, "token", ("one of accounts",)),
    ("expired", "GET", "/statements", {}, 401, "token", ("has expired",)),
    ("client", "GET", "/journals", {}, 403, "role", ("check 2 of 8", "listJournals x client (RM) says deny", "vendor")),
    ("client", "GET", "/credit-memos/CRM-9", {}, 404, "find", ("there is no CreditMemo CRM-9", "take one")),
    ("vendor", "GET", "/journals/BJO-9", {}, 404, "find", ("check 3 of 8", "there is no Journal BJO-9")),
    (
        "vendor",
        "GET",
        THEIRS,
        {},
        404,
        "find",
        ("BJO-1000-0014 is there, but vendor sees", "ask as operations, vendor-"),
    ),
    ("vendor", "GET", f"{MINE}/charges", {"headers": {"accept": "image/png"}}, 406, "accept", ("accept one of",)),
    ("vendor", "POST", f"{MINE}/submit", {"content": b"x"}, 415, "media", ("application/json",)),
    ("vendor", "GET", "/journals?eq(((", {}, 400, "query", ("never closed",)),
    ("vendor", "GET", "/journals?eq(nothing,1)", {}, 400, "query", ("nothing",)),
    ("vendor", "GET", "/journals?" + "x" * 9000, {}, 400, "query", ()),
    ("vendor", "POST", f"{MINE}/submit", {"body": {"name": 7}}, 400, "body", ("must be a string", "mend `name`")),
    ("vendor", "POST", f"{MINE}/submit", {"content": b"{", "headers": JSON}, 400, "body", ("not valid JSON",)),
    ("vendor", "POST", "/journals", {"body": {}}, 400, "body", ()),
    ("vendor", "POST", f"{MINE}/submit", {"content": b"x" * 10_000_001, "headers": JSON}, 413, "body", ("10000000",)),
    (
        "vendor",
        "POST",
        f"{MINE}/submit",
        {"body": {}},
        409,
        "state",
        ("J5 submit from Validated, Enquiring (CAN (Q27))", "upload (uploadJournalCharges)"),
    ),
    ("operations", "POST", f"{MINE}/regenerate", {"body": {}}, 409, "state", ("J7 regenerate from Review",)),
    # credits
    (
        None,
        "GET",
        PAYMENTS[:-1],
        {},
        404,
        "",
        ("no operation of credits", "did you mean /billing/{tenantLocator}/payments"),
    ),
    (None, "GET", f"{PAYMENTS}/list", {}, 401, "token", ()),
    (
        "clerk",
        "GET",
        PAYMENTS.replace(STAGING, TRAINING) + "/list",
        {},
        403,
        "scope",
        (f"Tenant {TRAINING} is there, but the rights of clerk hold in {STAGING}", "admin"),
    ),
    (
        "clerk",
        "GET",
        PAYMENTS.replace(STAGING, STAGING[:-1] + "9") + "/list",
        {},
        403,
        "scope",
        ("check 2 of 8", "there is no Tenant"),
    ),
    (
        "clerk",
        "GET",
        f"//billing/{STAGING}/credits/list",
        {},
        403,
        "role",
        ("credits.read or credits.list", "fetchCredits x billing-clerk (S, O) says deny", "admin"),
    ),
    ("admin", "GET", f"{PAYMENTS}/x", {}, 400, "query", ("check 4 of 8", "mend `locator`")),
    (
        "admin",
        "GET",
        f"{PAYMENTS}/01KHG8EDM010000000000P0020",
        {},
        404,
        "find",
        ("01KHG8EDM010000000000P0020 is there, but admin sees those whose tenantLocator",),
    ),
    ("admin", "GET", f"{PAYMENTS}/01KHG8EDM010000000000P9999", {}, 404, "find", ("there is no Payment",)),
    ("admin", "POST", PAYMENTS, {"content": b"x", "headers": {"content-type": "text/plain"}}, 400, "media", ()),
    ("admin", "POST", PAYMENTS, {"body": {}}, 400, "body", ()),
    (
        "admin",
        "PATCH",
        f"{PAYMENTS}/01KJPWD6M010000000000P0007/post",
        {},
        400,
        "state",
        ("check 8 of 8", "P5 post from validated (D)", "validate (validatePayment)"),
    ),
    # accounts
    (None, "GET", ACCOUNTS, {}, 401, "token", ()),
    ("finance", "GET", f"{ACCOUNTS}?limit=101", {}, 400, "query", ("check 3 of 6", "mend `limit`")),
    (
        "finance-none",
        "GET",
        ACCOUNTS,
        {},
        403,
        "role",
        ("listFinanceAccounts x outsider (S, D, M) says deny", "finance"),
    ),
    ("finance-two", "GET", f"{ACCOUNTS}/700190", {}, 403, "find", ("700190 is there, but finance-two sees",)),
    ("finance", "GET", f"{ACCOUNTS}/999999", {}, 403, "find", ("there is no Account 999999",)),
    ("finance", "GET", f"{ACCOUNTS}/700100/9?documentId=DETAILED_PDF_EN", {}, 404, "find", ("there is no Invoice 9",)),
    (
        "finance",
        "GET",
        f"{ACCOUNTS}/700100/810000001?documentId=DETAILED_PDF_DE",
        {},
        404,
        "find",
        ("no document DETAILED_PDF_DE", "Invoice 810000001 is there"),
    ),
    (None, "POST", TOKENS, {"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "media", ()),
    (None, "POST", TOKENS, {"body": {}}, 400, "body", ()),
    # no operation's
    ("vendor", "PATCH", "/journals", {}, 405, "", ("there are: GET, POST",)),
    ("vendor", "GET", "/journal", {}, 404, "", ("did you mean /public/v1/billing/journals",)),
]


@pytest.mark.parametrize(
    ("caller", "method", "path", "sent", "status", "check", "words"),
    REFUSALS,
    ids=[f"{status}-{check}-{path[-40:]}" for _, _, path, _, status, check, _ in REFUSALS],
)
def test_every_refusal_is_explained(
    every: MockServer,
    caller: str | None,
    method: str,
    path: str,
    sent: Mapping[str, Any],
    status: int,
    check: str,
    words: tuple[str, ...],
) -> None:
    answer = as_(every, caller).request(method, path, **sent)
    assert answer.status == status, answer
    told = last(every)
    decision = told["decision"]
    assert (told["status"], decision["verdict"]) == (status, "refused")
    assert decision.get("check", {}).get("name", "") == check
    assert decision["words"].startswith(str(status))
    for each in words:
        assert each.casefold() in decision["words"].casefold()
    if check and status != 413:
        order = rights.table(told["api"])["refusals"]
        row = order[decision["check"]["number"] - 1]
        assert row["check"] == check
        assert decision["check"]["source"] == row["source"]
        assert decision["check"]["order"] == [each["check"] for each in order]


def test_each_denied_cell_is_told_with_its_source_and_each_call_of_every_operation_has_a_reason(
    every: MockServer,
) -> None:
    Client(every, None).put(JOURNAL, {"most": 20_000})
    for api in ("accounts", "billing", "credits"):
        names = [name for name, each in every.callers.items() if each.api == api]
        for operation in rights.operations(api).values():
            path = at(api, operation, **dict.fromkeys(operation.params, "NOT-0000") | {"tenantLocator": STAGING})
            for name in [None, *names]:
                as_(every, name).request(operation.method, path)
    told = ask(every, "?limit=1000")
    assert told["total"] == told["last"] > 500
    denied = 0
    for number in range(1, told["last"] + 1):
        call = ask(every, f"/{number}")
        decision = call["decision"]
        assert decision["words"]
        if decision.get("check", {}).get("name") == "role":
            row = rights.table(call["api"])["operations"][call["cell"]]
            assert decision["cell"]["source"] == row.get("source", "RM")
            assert (decision["cell"]["role"], decision["cell"]["allowed"]) == (call["role"], False)
            denied += 1
        else:
            assert call["status"] < 400 or decision["verdict"] == "refused"
    assert denied > 100


MACHINES = [
    (api, entity, caller)
    for api, caller in (("billing", "operations"), ("billing", "vendor"), ("credits", "admin"))
    for entity in rights.table(api, "machines")
]


@pytest.mark.parametrize(("api", "entity", "caller"), MACHINES)
def test_what_a_state_does_not_allow_is_told_with_the_rows_of_the_machine(
    every: MockServer, api: str, entity: str, caller: str
) -> None:
    machine = rights.table(api, "machines")[entity]
    rows = machine["rows"]
    acts = [
        each
        for each in rights.operations(api).values()
        if each.row["entity"] == entity and each.row["does"] == "act" and len({*each.params, "tenantLocator"}) == 2
    ]
    found: dict[Any, str] = {}
    for row in every.worlds[api].layer.all(entity):
        if row.record.get("tenantLocator", STAGING) == STAGING:
            found.setdefault(row.record.get(machine.get("field", "status")), row.record["id"])
    told_of = 0
    for operation in acts:
        for state, id in found.items():
            every.reset()
            (name,) = {*operation.params} - {"tenantLocator"}
            path = at(api, operation, **{name: id, "tenantLocator": STAGING})
            as_(every, caller).request(operation.method, path, body={})
            told = last(every)
            event = operation.row["event"]
            if told["decision"].get("check", {}).get("name") == "state" and not any(
                row["event"] == event and state in row["from"] for row in rows
            ):
                known = told["decision"]["state"]
                assert (known["state"], known["event"], known["entity"]) == (state, event, entity)
                assert [row["id"] for row in known["rows"]] == [row["id"] for row in rows if row["event"] == event]
                ways = [row["event"] for row in rows if state in row["from"] and row.get("by") != "system"]
                assert [way["event"] for way in known["allowed"]] == ways
                for row in (row for row in rows if row["event"] == event):
                    assert f"{row['id']} {event} from" in told["decision"]["words"]
                told_of += 1
    assert told_of or not acts or caller == "vendor"


def test_a_row_that_is_below_another_parent_is_told_to_be_elsewhere(every: MockServer) -> None:
    layer = every.worlds["billing"].layer
    attachment = next(row.record for row in layer.all("JournalAttachment"))
    home = attachment["journal"]["id"]
    other = next(row.record["id"] for row in layer.all("Journal") if row.record["id"] != home)
    answer = as_(every, "operations").get(f"/journals/{other}/attachments/{attachment['id']}")
    assert answer.status == 404
    assert last(every)["decision"]["object"] == {
        "entity": "JournalAttachment",
        "id": attachment["id"],
        "is": "elsewhere",
        "below": home,
    }


def test_what_was_removed_is_told_to_have_been_there(every: MockServer) -> None:
    work = every.worlds["billing"].work()
    work.remove("Journal", "BJO-1000-0001")
    work.commit()
    assert as_(every, "vendor").get(MINE).status == 404
    decision = last(every)["decision"]
    assert decision["object"] == {"entity": "Journal", "id": "BJO-1000-0001", "is": "removed"}
    assert "was in the seed and has been removed" in decision["words"]


def test_what_an_overlay_decided_is_told_with_its_reason(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "billing:\n"
        "  deny: [{operation: listJournals, role: vendor, reason: closed books}]\n"
        "  grant: [{operation: listJournals, role: client, reason: an audit}]\n"
    )
    app = create_app("billing", overlay=overlay)
    as_(app, "vendor").get("/journals")
    decision = last(app)["decision"]
    assert (decision["cell"]["overlay"], decision["cell"]["source"]) == ("closed books", "overlay")
    assert "(an overlay: closed books) says deny" in decision["words"]
    assert "leave the overlay out" in decision["mend"]
    as_(app, "client").get("/journals")
    decision = last(app)["decision"]
    assert (decision["verdict"], decision["cell"]["overlay"]) == ("allowed", "an audit")


def test_only_callers_that_may_are_named_as_those_to_ask_as(every: MockServer) -> None:
    as_(every, "clerk").get(f"//billing/{TRAINING}/payments/list")
    mend = last(every)["decision"]["mend"]
    # auditor-other is at home there, but has no right to payments.
    assert "ask as admin, reader" in mend
    assert "auditor" not in mend


def test_a_token_that_carries_less_than_its_user_is_told_to(every: MockServer) -> None:
    admin = as_(every, "admin")
    body = {"name": "small", "permissions": ["payments.read"], "tenants": [STAGING], "expiresAt": None}
    token = admin.post(ISSUE, body).json
    assert Client(every, token).get(f"//billing/{STAGING}/credits/list").status == 403
    decision = last(every)["decision"]
    assert "the token carries rights of its own" in decision["words"]
    assert decision["cell"]["allowed"] is True
    assert Client(every, token).get(f"//billing/{TRAINING}/payments/list").status == 403
    assert "the token was issued for less" in last(every)["decision"]["words"]


@pytest.mark.parametrize(
    ("caller", "path", "cell", "mark"),
    [
        ("vendor", MINE, "getJournal", "RM"),
        ("operations", f"{MINE}/sellers", "listJournalSellers", "RM"),
        ("admin", f"{PAYMENTS}/list", "fetchMultiplePayments", "O"),
        ("finance", ACCOUNTS, "listFinanceAccounts", "S, D, M"),
    ],
)
def test_what_was_allowed_is_told_with_the_cell_that_did(
    every: MockServer, caller: str, path: str, cell: str, mark: str
) -> None:
    assert as_(every, caller).get(path).status == 200
    decision = last(every)["decision"]
    assert decision["verdict"] == "allowed"
    assert (decision["cell"]["capability"], decision["cell"]["allowed"], decision["cell"]["source"]) == (
        cell,
        True,
        mark,
    )
    assert cell in decision["words"]


def test_a_fault_that_answered_is_told_to_have_done_so(every: MockServer) -> None:
    journal = every.sandboxes.default.journal
    said: Told = {"method": "GET", "path": "/public/v1/billing/journals", "query": "", "api": "billing"}
    who: Told = {"operation": "listJournals", "caller": "client", "role": "client", "cell": "listJournals"}
    journal.record(at=NOW, **said, **who, refusal=None, status=503, seconds=0.1, size=1, fault="gateway")
    assert last(every)["decision"]["verdict"] == "fault"
    assert "the fault gateway" in last(every)["decision"]["words"]
    journal.record(at=NOW, **said, **who, refusal=NotFound("no."), status=429, seconds=0.1, size=1, fault="limit")
    assert last(every)["decision"]["verdict"] == "fault"
    journal.record(at=NOW, **said, **who, refusal=NotFound("no."), status=404, seconds=0.1, size=1, fault="slow")
    assert last(every)["decision"]["verdict"] == "refused"
    assert "slow" in last(every)["decision"]["words"]


# Verifying


@pytest.fixture
def called(every: MockServer) -> MockServer:
    """Bodies are kept; three journals were asked for, and one list."""
    keep_bodies(every)
    vendor = as_(every, "vendor")
    for name, notes in (("March", "a"), ("March", "b"), ("April", "a")):
        body = {"name": name, "notes": notes, "authorization": {"id": "AUT-1000-0001"}}
        assert vendor.post("/journals", body).status == 201
    vendor.get("/journals?eq(status,Draft)&limit=3")
    return every


@pytest.mark.parametrize(
    ("match", "numbers"),
    [
        ({}, [1, 2, 3, 4]),
        ({"operation": "createJournal"}, [1, 2, 3]),
        ({"operation": "createJournal", "body": {"name": "March"}}, [1, 2]),
        ({"body": {"name": "March", "notes": "b"}}, [2]),
        ({"body": {"authorization": {"id": "AUT-1000-0001"}}}, [1, 2, 3]),
        ({"body": {"authorization": {}}}, [1, 2, 3]),
        ({"body": {"authorization": []}}, []),
        ({"body": {"nothing": None}}, []),
        ({"path": "*/journals", "method": "get"}, [4]),
        ({"query": "*limit=3"}, [4]),
        ({"query": "eq(status,Draft)*"}, [4]),
        ({"status": 201}, [1, 2, 3]),
        ({"status": "2xx"}, [1, 2, 3, 4]),
        ({"status": "404"}, []),
        ({"caller": "vendor", "role": "vendor", "api": "billing"}, [1, 2, 3, 4]),
    ],
)
def test_calls_that_match_are_counted(called: MockServer, match: Mapping[str, Any], numbers: list[int]) -> None:
    told = verify(called, match, times=len(numbers))
    assert told["verified"] is True
    assert told["numbers"] == numbers
    assert told["nearest"] == []
    assert verify(called, match, times=len(numbers) + 1)["verified"] is False


@pytest.mark.parametrize(
    ("counts", "verified", "expected"),
    [
        ({}, True, "at least 1"),
        ({"times": 3}, True, "exactly 3"),
        ({"times": 2}, False, "exactly 2"),
        ({"times": 0}, False, "exactly 0"),
        ({"atLeast": 3}, True, "at least 3"),
        ({"atLeast": 4}, False, "at least 4"),
        ({"atMost": 3}, True, "at most 3"),
        ({"atMost": 2}, False, "at most 2"),
        ({"atLeast": 2, "atMost": 3}, True, "at least 2 and at most 3"),
        ({"atLeast": 0}, True, "at least 0"),
    ],
)
def test_how_often_is_said_in_three_ways(
    called: MockServer, counts: Mapping[str, int], verified: bool, expected: str
) -> None:
    told = verify(called, {"operation": "createJournal"}, **counts)
    assert (told["verified"], told["count"], told["expected"]) == (verified, 3, expected)


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ({"operation": "createJurnal"}, "did you mean createJournal?"),
        ({"caller": "vender"}, "did you mean vendor?"),
        ({"api": "biling"}, "did you mean billing?"),
        ({"role": "xyz*"}, "there is no such role here."),
    ],
)
def test_a_name_that_there_is_not_verifies_nothing(every: MockServer, match: Told, says: str) -> None:
    answer = Client(every, None).post(f"{JOURNAL}/verify", {"match": match, "times": 0})
    assert answer.status == 400 and says in answer.json["detail"]
    assert verify(every, {"operation": "create*"}, times=0)["verified"] is True


def test_nothing_is_verified_where_nothing_was_asked(every: MockServer) -> None:
    told = verify(every, {"operation": "createJournal"})
    assert (told["verified"], told["count"], told["nearest"]) == (False, 0, [])
    assert verify(every, {"operation": "createJournal"}, times=0)["verified"] is True


def test_the_nearest_misses_are_told_with_what_differs_the_best_first(called: MockServer) -> None:
    told = verify(called, {"operation": "createJournal", "body": {"name": "May", "notes": "a"}}, times=1)
    assert (told["verified"], told["count"]) == (False, 0)
    assert [each["number"] for each in told["nearest"]] == [3, 1, 2]
    assert told["nearest"][0]["differs"] == [
        {"what": "body.name", "expected": "May", "found": "April", "missing": False}
    ]
    assert [each["what"] for each in told["nearest"][2]["differs"]] == ["body.name", "body.notes"]


def test_a_member_that_is_not_there_differs_from_one_that_is_null(called: MockServer) -> None:
    (first, *_) = verify(called, {"operation": "createJournal", "body": {"due": None}})["nearest"]
    assert first["differs"] == [{"what": "body.due", "expected": None, "found": None, "missing": True}]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"match": {"operations": "x"}},
        {"match": {}, "times": -1},
        {"match": {}, "times": 1, "atLeast": 1},
        {"match": {}, "atLeast": 2, "atMost": 1},
        {"match": {"status": 99}},
        {"match": {"path": "x" * 2001}},
        {"match": {}, "time": 1},
    ],
)
def test_a_question_that_cannot_be_is_refused(every: MockServer, body: Any) -> None:
    assert Client(every, None).post(f"{JOURNAL}/verify", body).status == 400


def test_bodies_are_not_asked_for_where_none_are_kept(every: MockServer) -> None:
    answer = Client(every, None).post(f"{JOURNAL}/verify", {"match": {"body": {}}})
    assert answer.status == 400
    assert "bodies: true" in answer.json["detail"]


def test_a_verdict_says_that_requests_were_forgotten(every: MockServer) -> None:
    Client(every, None).put(JOURNAL, {"most": 2})
    for _ in range(5):
        as_(every, "vendor").get("/journals")
    told = verify(every, {}, times=5)
    assert (told["verified"], told["count"], told["forgotten"]) == (False, 2, 3)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*b*", "abc", True),
        ("*b*c*", "acb", False),
        ("*[x]*", "a[x]b", True),
        ("a?c", "abc", False),
        ("a b", "a%20b", True),
        ("*ab*ab*", "xabx", False),
        ("*" * 1000 + "y", "x" * 2000, False),
    ],
)
def test_a_star_stands_for_anything_and_nothing_else_does(pattern: str, text: str, fits: bool) -> None:
    assert glob_fits(pattern, text) is fits


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
@example(1, True)
@example(False, 0)
def test_every_value_is_a_part_of_itself_and_of_what_has_more_and_equals_nothing_else(one: Any, other: Any) -> None:
    assert list(parts(one, one, "body")) == []
    if isinstance(one, dict):
        assert list(parts(one, {"more": other, **one}, "body")) == []
    if isinstance(one, list):
        assert list(parts(one, [*one, other], "body")) == []
    if not isinstance(one, dict | list) and orjson.dumps(one) != orjson.dumps(other):
        assert [each.what for each in parts(one, other, "body")] == ["body"]


# Bounds


def recorded(journal: Journal, **more: Any) -> None:
    said: Told = {"at": NOW, "method": "GET", "path": "/x", "query": "", "status": 200, "seconds": 0.0, "size": 0}
    said |= dict.fromkeys(("api", "operation", "caller", "role", "cell", "refusal"))
    journal.record(**said | more)


@given(st.lists(st.one_of(st.just("call"), st.just("clear"), st.integers(0, 5)), max_size=40), st.integers(0, 5))
def test_the_ring_keeps_the_latest_and_knows_how_many_it_has_forgotten(steps: list[str | int], most: int) -> None:
    journal, model, last = Journal(most), list[int](), 0
    for step in steps:
        if step == "call":
            recorded(journal)
            if most:
                last += 1
                model.append(last)
        elif step == "clear":
            journal.clear()
            model, last = [], 0
        else:
            most = int(step)
            journal.set(most=most)
        model = model[len(model) - most :] if len(model) > most else model
        assert [call.number for call in journal] == model
        assert journal.forgotten == last - len(model)
        for number in range(-1, last + 2):
            if number in model:
                assert journal.find(number).number == number
            else:
                with pytest.raises(NotFound):
                    journal.find(number)


def test_what_one_request_brings_is_cut() -> None:
    journal = Journal(bodies=True)
    refusal = Invalid("x" * 9000, {f"{'y' * 9000}{n}": ["z" * 9000] * 50 for n in range(50)})
    headers = {b"n%d" % n + b"n" * 9000: b"v" * 9000 for n in range(500)}
    recorded(
        journal,
        path="p" * 90_000,
        query="q" * 90_000,
        method="M" * 9000,
        body=b"b" * (BODY + 1),
        refusal=refusal,
        headers=headers,
    )
    (call,) = journal
    assert (len(call.path), len(call.query), len(call.method)) == (PATH, QUERY, 40)
    assert (call.body, call.sent) == (None, BODY + 1)
    assert call.weight < 100_000
    assert len(orjson.dumps([call.refused.said, call.refused.faults] if call.refused else None)) < 10_000


@pytest.mark.parametrize("flood", [{"body": b"b" * BODY}, {"path": "p" * 100_000, "query": "q" * 100_000}])
def test_a_flood_of_the_largest_requests_stays_within_memory(flood: Mapping[str, Any]) -> None:
    journal = Journal(20_000, bodies=True)
    tracemalloc.start()
    try:
        for n in range(4_000):
            # New bytes each time, as a client would send them.
            fresh = {name: value[:-4] + (b"%04d" if name == "body" else "%04d") % n for name, value in flood.items()}
            recorded(journal, **fresh)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.3 * BYTES
    assert journal.forgotten > 0
    assert len(journal) > 200
    journal.set(bodies=False)
    journal.clear()
    recorded(journal)
    assert len(journal) == 1


def test_bodies_that_are_kept_no_more_make_room() -> None:
    journal = Journal(20_000, bodies=True)
    for _ in range(200):
        recorded(journal, body=b"b" * BODY, headers={b"x": b"y"})
    journal.set(bodies=False)
    assert all(call.body is None and call.headers is None for call in journal)
    assert sum(call.weight for call in journal) == 200 * len("/x")
    journal.set(bodies=True)
    for _ in range(100):
        recorded(journal, body=b"b" * BODY)
    assert len(journal) == 300


def test_a_refusal_is_not_kept_alive_with_all_that_it_holds() -> None:
    journal = Journal()

    def refuse() -> weakref.ref[Exception]:
        refusal = Invalid("no.")
        try:
            raise refusal
        except Invalid:
            recorded(journal, refusal=refusal)
        return weakref.ref(refusal)

    kept = refuse()
    gc.collect()
    assert kept() is None
    assert next(iter(journal)).refused is not None


# Tokens


def everything(app: MockServer) -> str:
    """All that the journal tells, also percent-decoded."""
    told = [ask(app, "?limit=1000"), verify(app, {"operation": "executePayment", "body": {"client_secret": "?"}})]
    told += [verify(app, {"path": "/nowhere", "query": "nothing"})]
    told += [ask(app, f"/{number}") for number in range(1, told[0]["last"] + 1)]
    text = orjson.dumps(told).decode()
    return text + unquote(text)


SECRETS = ("vendor-token", "finance-secret", "finance-password", "finance-refresh", "admin-token")
PLACES: Mapping[str, Callable[[Client, str], Answer]] = {
    "path": lambda client, secret: client.get(f"/journals/{secret}"),
    "path in the middle": lambda client, secret: client.get(f"/journals/{secret}/attachments/x{secret}x"),
    "encoded path": lambda client, secret: client.get(f"/journals/{secret.replace('-', '%2d')}"),
    "query": lambda client, secret: client.get(f"/journals?eq(id,{secret})"),
    "parameter": lambda client, secret: client.get(f"//v1/finance/accounts?limit={secret}&access_token=unknown"),
    "encoded query": lambda client, secret: client.get(f"/journals?eq(id,{secret.replace('-', '%2D')})"),
    "unknown member": lambda client, secret: client.get(f"/journals?eq({secret},1)"),
    "no path": lambda client, secret: client.get(f"/{secret}"),
    "header": lambda client, secret: client.get("/journals", headers={"x-note": secret, "cookie": f"a={secret}"}),
    "header name": lambda client, secret: client.get("/journals", headers={f"x-{secret}": "1"}),
    "token": lambda client, secret: Client(client.app, secret).get("/journals"),
    "token of a box": lambda client, secret: Client(client.app, f"{secret}@default").get("/journals"),
    "no scheme": lambda client, secret: client.get("/journals", headers={"authorization": secret}),
    "member": lambda client, secret: client.post("/journals", {"name": secret, secret: 1}),
    "wrong member": lambda client, secret: client.post("/journals", {"name": {"x": [f"a {secret} b"]}}),
    "broken body": lambda client, secret: client.post(
        "/journals", content=b'{"name": "%s' % secret.encode(), headers=JSON
    ),
    "password": lambda client, secret: client.post(
        TOKENS,
        {
            "grant_type": "password",
            "client_id": "finance-client",
            "client_secret": secret,
            "user_name": "finance@example.org",
            "user_password": secret,
        },
    ),
    "wrong grant": lambda client, secret: client.post(TOKENS, {"grant_type": secret, "client_id": secret}),
    "method": lambda client, secret: client.request(secret, "/journals"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_not_shown_wherever_it_was_sent(every: MockServer, place: str, secret: str) -> None:
    keep_bodies(every)
    PLACES[place](as_(every, "operations"), secret)
    assert ask(every)["last"] == 1
    shown = everything(every)
    assert secret not in shown.replace("x-note", "")
    assert "operations-token" not in shown
    assert "unknown" not in ask(every)["requests"][0]["query"]


def test_tokens_that_were_issued_are_not_shown_wherever_they_are_sent(every: MockServer) -> None:
    keep_bodies(every)
    body = {"name": "small", "permissions": ["payments.read"], "tenants": [STAGING], "expiresAt": None}
    right = {"grant_type": "client_credentials", "client_id": "finance-client", "client_secret": "finance-secret"}
    issued = [
        as_(every, "admin").post(ISSUE, body).json,
        Client(every, None).post(TOKENS, right).json["access_token"],
    ]
    for token in issued:
        for send in PLACES.values():
            if send is not PLACES["method"]:
                send(as_(every, "operations"), token)
        as_(every, "operations").get(f"/journals/abc{token}def")
    shown = everything(every)
    for secret in (*issued, "finance-secret"):
        assert secret not in shown


def test_of_very_many_tokens_each_is_hidden() -> None:
    tokens = [f"pat_{n:040x}" for n in range(1_000)]
    redactor = Redactor({"vendor-token"}, tokens)
    assert (
        redactor.text(f"x{tokens[0]}{tokens[999]}y vendor-token {tokens[5]}") == f"x{HIDDEN}{HIDDEN}y {HIDDEN} {HIDDEN}"
    )
    assert redactor.text(f"pat_{2_000:040x}") == f"pat_{2_000:040x}"


def test_a_long_body_is_shown_with_its_request_alone(every: MockServer) -> None:
    keep_bodies(every)
    as_(every, "vendor").post("/journals", {"name": "x" * 5_000})
    assert [each["body"] for each in ask(every)["requests"]] == [None]
    assert last(every)["body"] == {"name": "x" * 5_000}


def test_what_is_no_secret_is_shown_as_it_was_sent(called: MockServer) -> None:
    (first, *_, fourth) = ask(called)["requests"]
    assert first["body"] == {"name": "March", "notes": "a", "authorization": {"id": "AUT-1000-0001"}}
    assert first["sent"] > 20
    assert first["headers"]["content-type"] == "application/json"
    assert first["headers"]["authorization"] == HIDDEN
    assert fourth["query"] == "eq(status,Draft)&limit=3"
    assert fourth["body"] is None


def test_a_secret_that_differs_is_told_to_differ_and_no_more(every: MockServer) -> None:
    keep_bodies(every)
    right = {"grant_type": "client_credentials", "client_id": "finance-client", "client_secret": "finance-secret"}
    Client(every, None).post(TOKENS, right)
    (near,) = verify(every, {"body": {"client_secret": "a guess"}})["nearest"]
    assert near["differs"] == [{"what": "body.client_secret", "expected": HIDDEN, "found": HIDDEN, "missing": False}]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b'{"client_secret": "abc', f'{{"client_secret": "{HIDDEN}"'),
        (b"client_secret=abc&name=x", f"client_secret={HIDDEN}&name=x"),
        (b"grant=x&user_password=a%20b", f"grant=x&user_password={HIDDEN}"),
        (b"password: abc and more", f'password: "{HIDDEN}" and more'),
        (b"Authorization: Bearer abcdefghij", f"Authorization: Bearer {HIDDEN}"),
        (b"the Basic plan", "the Basic plan"),
        (b'{"a": {"refreshToken": {"b": 1}, "tokens": ["x"]}}', {"a": {"refreshToken": HIDDEN, "tokens": HIDDEN}}),
        (b'{"token_type": "Bearer"}', {"token_type": "Bearer"}),
        (b"\xff\xfe", None),
        (b"[" * 500 + b"]" * 500, None),
    ],
)
def test_members_of_certain_names_are_hidden_even_where_the_body_is_broken(sent: bytes, shown: Any) -> None:
    found = Redactor(()).body(sent)
    orjson.dumps(found)
    assert found == shown or (shown is None and sent.startswith(b"["))


def test_a_short_secret_is_hidden_as_a_word_alone() -> None:
    redactor = Redactor({"abc", "", "abc-def-ghi"})
    assert redactor.text("abc abcd xabc abc-def-ghi abc.") == f"{HIDDEN} abcd xabc {HIDDEN} {HIDDEN}."


# Forms

ATTACH = "/journals/BJO-1000-0005/attachments"
DESCRIBED = Part("attachment", b'{"name": "Checks", "tags": []}', None, "application/json")
FILE = Part("file", b"no,amount\n1,2.50\n", "checks.csv", "text/csv")
TOLD: Told = {
    "attachment": {
        "filename": None,
        "type": "application/json",
        "size": 30,
        "value": {"name": "Checks", "tags": []},
    },
    "file": {"filename": "checks.csv", "type": "text/csv", "size": 17, "text": "no,amount\n1,2.50\n"},
}


def send(app: MockServer, *sent: Part) -> Answer:
    return as_(app, "vendor").request("POST", ATTACH, content=form(*sent), headers={"content-type": FORM})


def test_of_a_form_its_parts_are_kept(every: MockServer) -> None:
    keep_bodies(every)
    assert send(every, DESCRIBED, FILE).status == 201
    told = last(every)
    assert (told["body"], told["sent"]) == (TOLD, len(form(DESCRIBED, FILE)))
    assert ask(every)["requests"][0]["body"] == TOLD


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Part("note", b"a note"), {"filename": None, "type": None, "size": 6, "text": "a note"}),
        (Part("note", b"7"), {"filename": None, "type": None, "size": 1, "text": "7"}),
        (Part("note", b'{"a": 1}'), {"filename": None, "type": None, "size": 8, "value": {"a": 1}}),
        (Part("note", b'{"a": 1}', None, "text/plain"), {"type": "text/plain", "text": '{"a": 1}'}),
        (Part("note", b'{"a"', None, "application/json"), {"type": "application/json", "text": '{"a"'}),
        (Part("note", "Müller".encode()), {"size": 7, "text": "Müller"}),
        (Part("note", b"M\xfcller"), {"size": 6, "text": "Müller"}),
        (Part("note", b"{}", "a.json", "application/hal+json; v=1"), {"filename": "a.json", "value": {}}),
        (Part("note", b"{}\n", "a.jsonl", "application/jsonl"), {"type": "application/jsonl", "text": "{}\n"}),
        (Part("note", b"\xff\xfe", "a.bin", "application/pdf"), {"filename": "a.bin", "size": 2}),
        (Part("note", b"", "", ""), {"filename": "", "type": None, "size": 0, "text": ""}),
        (Part("note", b"[" * 500 + b"]" * 500), {"size": 1_000, "text": "[" * 500 + "]" * 500}),
    ],
)
def test_a_part_is_told_by_what_it_is(every: MockServer, part: Part, told: Told) -> None:
    keep_bodies(every)
    send(every, part, FILE)
    found = last(every)["body"]["note"]
    assert {name: found[name] for name in told} == told
    assert ({"text", "value"} & set(found)) == ({"text", "value"} & set(told))


def test_where_no_bodies_are_kept_only_the_size_of_a_form_is(every: MockServer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Form, "told", None)
        assert send(every, DESCRIBED, FILE).status == 201
    assert (last(every)["body"], last(every)["sent"]) == (None, len(form(DESCRIBED, FILE)))


def test_of_a_form_that_cannot_be_read_nothing_is_kept(every: MockServer) -> None:
    keep_bodies(every)
    as_(every, "vendor").request("POST", ATTACH, content=b"nonsense", headers={"content-type": FORM})
    assert (last(every)["status"], last(every)["body"], last(every)["sent"]) == (400, None, None)


def test_of_a_form_that_a_fault_answers_its_parts_are_kept_as_of_any_other(every: MockServer) -> None:
    keep_bodies(every)
    for rule in ({"kind": "status", "status": 503, "count": 1}, {"kind": "drop", "count": 1}):
        assert Client(every, None).post("//__mock__/faults", rule).status == 201
    statuses = []
    for _ in range(3):
        with suppress(Exception):
            statuses.append(send(every, DESCRIBED, FILE).status)
    assert statuses[0] == 503 and statuses[-1] == 201
    assert [each["body"] for each in ask(every)["requests"]] == [TOLD] * 3
    assert verify(every, {"operation": "createJournalAttachment", "body": {"file": {"filename": "checks.csv"}}})[
        "numbers"
    ] == [1, 2, 3]


@pytest.mark.parametrize(
    ("match", "count"),
    [
        ({"body": {"file": {"text": "no,amount\n1,2.50\n"}}}, 1),
        ({"body": {"file": {"filename": "checks.csv", "type": "text/csv", "size": 17}}}, 1),
        ({"body": {"attachment": {"value": {"name": "Checks"}}}}, 2),
        ({"body": {"file": {}}}, 2),
        ({"body": {"file": {"text": "no,amount\n"}}}, 0),
        ({"body": {"other": {}}}, 0),
    ],
)
def test_forms_are_matched_by_their_parts(every: MockServer, match: Mapping[str, Any], count: int) -> None:
    keep_bodies(every)
    send(every, DESCRIBED, FILE)
    send(every, DESCRIBED, Part("file", b"%PDF\xff", "checks.pdf", "application/pdf"))
    assert verify(every, match, times=count)["verified"] is True


def test_a_form_that_nearly_matches_is_told_with_the_part_that_differs(every: MockServer) -> None:
    keep_bodies(every)
    send(every, DESCRIBED, FILE)
    (near,) = verify(every, {"body": {"file": {"text": "no\n"}}})["nearest"]
    assert near["differs"] == [
        {"what": "body.file.text", "expected": "no\n", "found": "no,amount\n1,2.50\n", "missing": False}
    ]


SECRET_PARTS: Mapping[str, Callable[[bytes], Part]] = {
    "text": lambda secret: Part("note", b"it is " + secret),
    "JSON": lambda secret: Part("attachment", b'{"name": "%s"}' % secret),
    "member": lambda secret: Part("attachment", b'{"%s": 1}' % secret),
    "name": lambda secret: Part(f"x-{secret.decode()}", b"x"),
    "filename": lambda secret: Part("file", b"x", f"{secret.decode()}.txt", "text/plain"),
    "media type": lambda secret: Part("file", b"x", "x.txt", f"text/{secret.decode()}"),
    "file": lambda secret: Part("file", b"a,b\n1,%s\n" % secret, "x.csv", "text/csv"),
    "name of a secret": lambda _: Part("client_secret", b"hidden-by-name"),
    "member of a secret": lambda _: Part("attachment", b'{"client_secret": "hidden-by-name"}'),
    "member of a line": lambda _: Part("file", b'{"a": 1}\n{"password": "hidden-by-name"}\n', "x.jsonl", "text/plain"),
    "assignment": lambda _: Part("note", b"the password: hidden-by-name"),
}


@pytest.mark.parametrize("place", SECRET_PARTS)
@pytest.mark.parametrize("secret", SECRETS[:2])
def test_a_secret_in_a_form_is_not_shown(every: MockServer, place: str, secret: str) -> None:
    keep_bodies(every)
    part = SECRET_PARTS[place](secret.encode())
    send(every, part, *([] if part.name == "file" else [FILE]))
    assert HIDDEN in orjson.dumps(last(every)["body"]).decode()
    shown = everything(every) + orjson.dumps(verify(every, {"body": {part.name: "?"}})).decode()
    shown += orjson.dumps(verify(every, {"body": "?"})).decode()
    assert secret not in shown
    assert "hidden-by-name" not in shown


def test_a_secret_in_a_text_is_not_shown_as_what_differs(every: MockServer) -> None:
    keep_bodies(every)
    as_(every, "vendor").post("/journals", content=b"client_secret=guess&name=x", headers=JSON)
    (near,) = verify(every, {"body": "password=wanted"})["nearest"]
    assert near["differs"] == [
        {
            "what": "body",
            "expected": f"password={HIDDEN}",
            "found": f"client_secret={HIDDEN}&name=x",
            "missing": False,
        }
    ]


def test_of_a_large_form_the_parts_are_kept_and_what_fits_of_their_text(every: MockServer) -> None:
    keep_bodies(every)
    large = b"x" * (BODY - 400)
    for sent in ((DESCRIBED, Part("file", large * 3, "x.txt", "text/plain")), (Part("note", large), FILE)):
        send(every, *sent)
        told = last(every)
        assert told["sent"] == len(form(*sent))
        sizes = {part.name: len(part.content) for part in sent}
        assert {name: part["size"] for name, part in told["body"].items()} == sizes
        assert len(orjson.dumps(told["body"])) <= BODY
    (first, second) = (ask(every, f"/{number}")["body"] for number in (1, 2))
    assert first["attachment"]["value"] == TOLD["attachment"]["value"] and "text" not in first["file"]
    assert second["note"]["text"] == large.decode() and second["file"]["text"] == TOLD["file"]["text"]


TEXTS = st.text(max_size=60)


@given(
    st.dictionaries(TEXTS, st.tuples(TEXTS, TEXTS, st.binary(max_size=200)), max_size=5),
    st.dictionaries(TEXTS, st.tuples(TEXTS, st.text(max_size=200)), max_size=5),
    st.integers(0, 600),
)
@example({"f": ("a", "application/json", b"[" * 200 + b"]" * 200)}, {"t": ("", '{"a": 1e999}')}, 5_000)
@example({"f": ("a", "", b'"\\ud800"')}, {"t": ("", '["\\ud800"]')}, 5_000)
def test_what_is_told_of_any_form_fits_and_can_be_read(
    files: dict[str, tuple[str, str, bytes]], texts: dict[str, tuple[str, str]], most: int
) -> None:
    made = Form(
        {name: Upload(*said) for name, said in files.items()},
        {name: said for name, (_, said) in texts.items()},
        {name: (media, len(said.encode())) for name, (media, said) in texts.items()},
    )
    told = made.told(most)
    assert told is None or len(told) <= most
    if told is not None:
        assert set(orjson.loads(told)) == set(files) | set(texts)
        assert set(Redactor(()).body(told)) <= set(files) | set(texts) | {HIDDEN}


def test_a_flood_of_the_largest_forms_stays_within_memory() -> None:
    journal = Journal(20_000, bodies=True)
    for n in range(1_000):
        text = f"{n:04d}" * 12_000
        recorded(journal, body=Form({}, {f"n{n}": text}, {f"n{n}": ("", len(text))}, len(text)))
    # Counted by hand: tracemalloc does not see that what JSON is written into is cut to its length.
    assert sum(sys.getsizeof(call.body) for call in journal) < BYTES
    assert 200 < len(journal) < 1_000
    journal.set(bodies=False)
    assert sum(call.weight for call in journal) == len(journal) * len("/x")
