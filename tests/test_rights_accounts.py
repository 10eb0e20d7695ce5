"""Who may see which account, cell by cell on the running server; a refusal tells and changes nothing (accounts 8)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from mockserver import MockServer, create_app
from mockserver.scenario import HOME
from tests import rights
from tests.accounts import ACCOUNTS, REFRESH, TOKEN, download, listed, numbers
from tests.driver import Answer, Client
from tests.rights import STRANGERS, assert_documented, blank, changes, fingerprints
from tests.valid import Request

API = "accounts"
OPERATIONS = rights.operations(API)
ROWS: dict[str, dict[str, Any]] = rights.table(API)["operations"]
READS = [id for id, row in ROWS.items() if not row.get("open")]
OPEN = [id for id, row in ROWS.items() if row.get("open")]
CAST: dict[str, dict[str, Any]] = {
    name: row
    for name, row in rights.plain(HOME / "default.yaml")["callers"].items()
    if row["role"] in rights.table(API)["roles"]
}
CALLERS = [name for name, row in CAST.items() if "expires" not in row]
NOWHERE = "999999"


@cache
def built() -> MockServer:
    """The application, with another API beside it so that there are tokens of another."""
    return create_app("accounts", "billing")


@pytest.fixture
def app() -> Iterator[MockServer]:
    with rights.reset(built()) as app:
        yield app


As = Callable[[str], Client]


@pytest.fixture
def as_(app: MockServer) -> As:
    return lambda name: Client(app, CAST[name]["token"])


def every_account(app: MockServer) -> list[str]:
    return [row.record["id"] for row in app.worlds[API].layer.all("Account")]


def granted(app: MockServer, caller: str) -> list[str]:
    """The accounts that the scenario's file grants a caller."""
    words = CAST[caller].get("accounts", [])
    found = every_account(app) if "all" in words else [word for word in words if not word.startswith("-")]
    return [number for number in found if f"-{number}" not in words]


def role(app: MockServer, caller: str) -> str:
    """What a caller's grants make of it (accounts 8): the permission on no account is none at all."""
    return "holder" if granted(app, caller) else "outsider"


def invoices(app: MockServer, account: str) -> list[dict[str, Any]]:
    layer = app.worlds[API].layer
    return [dict(row.record) for row in layer.all("Invoice") if row.record["account"]["id"] == account]


def window(app: MockServer) -> tuple[str, str]:
    """The first and the last day that is shown (accounts 7)."""
    today = app.worlds[API].clock.now().date()
    return (date(today.year - 1, today.month, today.day).isoformat(), today.isoformat())


def shown(app: MockServer, account: str) -> list[dict[str, Any]]:
    first, last = window(app)
    return [each for each in invoices(app, account) if first <= each["date"] <= last and each["documents"]]


def with_documents(app: MockServer, among: list[str]) -> str:
    """One of these accounts, which has documents to show."""
    return next(number for number in among if shown(app, number))


# Every operation by every caller on what is its own, another's, or not there

RELATIONS = {
    "listFinanceAccounts": ("-",),
    "getFinanceAccount": ("own", "other", "missing", "odd"),
    "downloadInvoiceDocument": (
        *("own", "own, unknown document", "own, missing invoice", "own, invoice of another own", "own, too old"),
        *(
            "own, invoice of an other",
            "other",
            "other, unknown document",
            "other, missing invoice",
            "other, own invoice",
        ),
        *("missing", "missing, own invoice"),
    ),
}
CELLS = [(id, caller, relation) for id in READS for caller in CALLERS for relation in RELATIONS[id]]


def request(app: MockServer, id: str, caller: str, relation: str) -> Request:
    """A request that is right in every respect but for the relation of the caller to what it names."""
    operation = OPERATIONS[id]
    if relation == "-":
        return Request(operation.method, operation.at())
    # Who has nothing asks for what somebody has: it must not matter to him whose it is.
    mine = granted(app, caller) or granted(app, "finance-two")
    others = [number for number in every_account(app) if number not in granted(app, caller)]
    own, other = with_documents(app, mine), with_documents(app, others)
    account, _, rest = relation.partition(", ")
    number = {"own": own, "other": other, "missing": NOWHERE, "odd": "no-account"}[account]
    if id == "getFinanceAccount":
        return Request(operation.method, operation.at(accountNumber=number))
    home = {"own": own, "other": other, "missing": own}[account]
    if rest == "own, too old" or rest == "too old":
        first, _ = window(app)
        number = next(each for each in mine if any(one["date"] < first for one in invoices(app, each)))
        invoice = next(one for one in invoices(app, number) if one["date"] < first)
    elif rest == "invoice of another own":
        invoice = shown(app, with_documents(app, [each for each in mine if each != own] or [other]))[0]
    elif rest == "invoice of an other":
        invoice = shown(app, other)[0]
    elif rest == "own invoice":
        invoice = shown(app, own)[0]
    else:
        invoice = shown(app, home)[0]
    told = "999999999" if rest == "missing invoice" else invoice["id"]
    document = "SUMMARY_PDF_XX" if rest == "unknown document" else invoice["documents"][0]["documentId"]
    return Request(operation.method, operation.at(accountNumber=number, invoiceId=told) + f"?documentId={document}")


def expected(app: MockServer, id: str, caller: str, relation: str) -> int:
    """What the table and accounts 8 say, whichever comes first."""
    faults = {}
    if role(app, caller) not in ROWS[id]["who"]:
        faults["role"] = rights.status(API, "role")
    account, _, rest = relation.partition(", ")
    if account in ("other", "missing", "odd"):
        faults["find"] = rights.status(API, "find", "Account")
    elif rest:
        faults["find"] = rights.status(API, "find", "Invoice")
    return faults[rights.first(API, faults)] if faults else 200


def test_every_operation_has_its_cells() -> None:
    assert set(READS) == set(RELATIONS)
    assert set(READS) | set(OPEN) == set(OPERATIONS)
    assert {caller: len(CAST[caller].get("accounts", [])) > 0 for caller in CALLERS} == {
        "finance": True,
        "finance-two": True,
        "finance-none": False,
    }


@pytest.mark.parametrize(("id", "caller", "relation"), CELLS)
def test_a_cell_answers_as_the_table_says(app: MockServer, as_: As, id: str, caller: str, relation: str) -> None:
    asked = request(app, id, caller, relation)
    before = fingerprints(app)
    answer = asked.send(as_(caller))
    assert answer.status == expected(app, id, caller, relation), answer
    assert_documented(app, API, OPERATIONS[id], answer)
    # Nothing here writes, so a success changes as little as a refusal.
    assert fingerprints(app) == before


def test_the_statuses_are_those_of_the_reference(app: MockServer) -> None:
    """The table of accounts 8, so that a wrong table does not prove itself."""
    table = {
        "listFinanceAccounts": {"finance-none": {"-": 403}, "finance-two": {"-": 200}},
        "getFinanceAccount": {
            "finance-none": dict.fromkeys(RELATIONS["getFinanceAccount"], 403),
            "finance-two": {"own": 200, "other": 403, "missing": 403, "odd": 403},
        },
        "downloadInvoiceDocument": {
            "finance-none": dict.fromkeys(RELATIONS["downloadInvoiceDocument"], 403),
            "finance-two": {
                each: 200 if each == "own" else 404 if each.startswith("own") else 403
                for each in RELATIONS["downloadInvoiceDocument"]
            },
        },
    }
    for id, rows in table.items():
        for caller, cells in rows.items():
            assert {each: expected(app, id, caller, each) for each in cells} == cells
    statuses = {check: rights.status(API, check) for check in rights.order(API)}
    assert statuses == {"token": 401, "media": 415, "query": 400, "body": 400, "role": 403, "find": 404}
    # 401, then parameters 400, then 403, then 404 (accounts 10).
    assert [check for check in rights.order(API) if check not in ("media", "body")] == [
        "token",
        "query",
        "role",
        "find",
    ]


@pytest.mark.parametrize("caller", CALLERS)
def test_a_list_shows_the_permitted_accounts_and_counts_only_them(app: MockServer, as_: As, caller: str) -> None:
    if not granted(app, caller):
        assert as_(caller).get(ACCOUNTS).status == 403
        return
    page = as_(caller).get(f"{ACCOUNTS}?limit=100").json
    assert [each["accountNumber"] for each in page["data"]] == sorted(granted(app, caller))
    assert page["page"]["total"] == len(granted(app, caller))


@pytest.mark.parametrize("caller", CALLERS)
def test_every_account_outside_of_the_list_is_403_and_every_one_in_it_is_200(
    app: MockServer, as_: As, caller: str
) -> None:
    for number in every_account(app):
        wanted = 200 if number in granted(app, caller) else 403
        assert as_(caller).get(f"{ACCOUNTS}/{number}").status == wanted


# Strangers


def tokens() -> dict[str, str]:
    return {
        "known": CAST["finance"]["token"],
        "second": CAST["finance-two"]["token"],
        "other": "operations-token",
        "expired": CAST["finance-expired"]["token"],
    }


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("id", READS)
def test_who_is_nobody_is_told_so_before_anything_else(app: MockServer, id: str, kind: str) -> None:
    before = fingerprints(app)
    for relation in RELATIONS[id]:
        asked = request(app, id, "finance-two", relation)
        for path in (asked.path, asked.path.partition("?")[0] + "?limit=-1&months=x&documentId="):
            answer = rights.sent_by_stranger(app, Request(asked.method, path), kind, tokens())
            assert answer.status == rights.status(API, "token") == 401, answer
            assert answer.headers["www-authenticate"] == "Bearer"
            assert_documented(app, API, OPERATIONS[id], answer)
    assert fingerprints(app) == before


@pytest.mark.parametrize("kind", ["nothing wrong", *STRANGERS])
@pytest.mark.parametrize("id", OPEN)
def test_who_asks_for_a_token_needs_none(app: MockServer, id: str, kind: str) -> None:
    credentials = {"client_id": "finance-client", "client_secret": "finance-secret"}
    if id == "GetOAuth2AccessToken":
        body = {**credentials, "grant_type": "client_credentials"}
    else:
        body = {**credentials, "refresh_token": "finance-refresh"}
    content = str(body).replace("'", '"').encode()
    asked = Request("POST", OPERATIONS[id].at(), content=content, headers={"content-type": "application/json"})
    if kind == "nothing wrong":
        answer = asked.send(Client(app, CAST["finance-none"]["token"]))
    else:
        answer = rights.sent_by_stranger(app, asked, kind, tokens())
    assert answer.status == 200, answer
    assert_documented(app, API, OPERATIONS[id], answer)


def test_a_token_of_another_api_is_told_where_it_belongs(app: MockServer) -> None:
    answer = Client(app, "operations-token").get(ACCOUNTS)
    message = answer.json["errors"][0]["message"]
    assert "billing" in message
    assert "mockserver callers" in message
    assert Client(app, CAST["finance"]["token"]).get("/journals").status == 401


def test_two_headers_that_agree_are_one(app: MockServer) -> None:
    pair = [(b"authorization", b"Bearer finance-token")] * 2
    assert rights.ask(app, "GET", ACCOUNTS, caller=None, headers=pair).status == 200


# What is told apart by nothing


@pytest.mark.parametrize("caller", CALLERS)
def test_an_unknown_and_an_unpermitted_account_look_alike(app: MockServer, as_: As, caller: str) -> None:
    others = [number for number in every_account(app) if number not in granted(app, caller)]
    unknown = blank(as_(caller).get(f"{ACCOUNTS}/{NOWHERE}"), NOWHERE)
    for number in others:
        assert blank(as_(caller).get(f"{ACCOUNTS}/{number}"), number) == unknown
        months = "?months=2026-02-01"
        assert blank(as_(caller).get(f"{ACCOUNTS}/{number}{months}"), number) == unknown


@pytest.mark.parametrize("caller", CALLERS)
def test_a_document_of_an_unpermitted_account_looks_like_one_of_an_unknown_account(
    app: MockServer, as_: As, caller: str
) -> None:
    others = [number for number in every_account(app) if number not in granted(app, caller)]
    unknown = blank(download(as_(caller), NOWHERE, "810000001", "DETAILED_PDF_EN"), NOWHERE, "810000001")
    for number in others:
        for invoice in [*[each["id"] for each in invoices(app, number)][:3], "999999999"]:
            for document in ("DETAILED_PDF_EN", "nothing"):
                answer = download(as_(caller), number, invoice, document)
                assert blank(answer, number, invoice) == unknown


def test_an_invoice_of_another_account_one_too_old_and_one_that_is_not_there_look_alike(
    app: MockServer, as_: As
) -> None:
    own = "700100"
    first, _ = window(app)
    foreign = shown(app, "700190")[0]["id"]
    another = shown(app, "700102")[0]["id"]
    old = next(each["id"] for each in invoices(app, own) if each["date"] < first)
    found = {
        blank(download(as_("finance"), own, id, "DETAILED_PDF_EN"), own, id)[0::2]
        for id in (foreign, another, old, "999999999")
    }
    assert len(found) == 1
    assert found.pop()[0] == 404


@pytest.mark.parametrize(
    "spell", ["%37%30%30%31%39%30", "700190%20", "%20700190", "700190%00", "700190;x=1", "./700190"]
)
def test_an_account_is_not_reached_by_another_spelling_of_it(app: MockServer, as_: As, spell: str) -> None:
    invoice = shown(app, "700190")[0]
    for path in (spell, f"{spell}/{invoice['id']}?documentId={invoice['documents'][0]['documentId']}"):
        answer = as_("finance-two").get(f"{ACCOUNTS}/{path}")
        assert answer.status in (400, 403, 404), answer
        assert b"Quillmark Labs" not in answer.content


@pytest.mark.parametrize(("id", "caller", "relation"), CELLS)
def test_asking_for_the_head_alone_is_refused_as_asking_for_all_of_it(
    app: MockServer, as_: As, id: str, caller: str, relation: str
) -> None:
    whole = request(app, id, caller, relation)
    first, second = (replace(whole, method=method).send(as_(caller)) for method in ("GET", "HEAD"))
    assert (second.status, second.content) == (first.status, b"")
    assert second.headers["content-type"] == first.headers["content-type"]


# The order of refusals: every set of faults at once, the first in the table's order answers, and like it alone


def faulty(app: MockServer, id: str, faults: frozenset[str]) -> Answer:
    """The answer to a request in which these checks have something to refuse."""
    operation, headers = OPERATIONS[id], {}
    if operation.is_open:
        content, media = b'{"client_id": 7}' if "body" in faults else b"", "application/json"
        if not content:
            credentials = '"client_id": "finance-client", "client_secret": "finance-secret"'
            more = (
                '"grant_type": "client_credentials"' if id.startswith("Get") else '"refresh_token": "finance-refresh"'
            )
            content = f"{{{credentials}, {more}}}".encode()
        headers["content-type"] = "text/plain" if "media" in faults else media
        return Request("POST", operation.at(), content=content, headers=headers).send(Client(app, None))
    caller = "finance-none" if "role" in faults else "finance-two"
    relation = {"listFinanceAccounts": "-", "getFinanceAccount": "missing"}.get(id, "own, missing invoice")
    if "find" not in faults:
        relation = "-" if id == "listFinanceAccounts" else "own"
    path = request(app, id, caller, relation).path
    if "query" in faults:
        path = path.partition("?")[0] + {"getFinanceAccount": "?months=soon", "listFinanceAccounts": "?limit=101"}.get(
            id, ""
        )
    return Request("GET", path).send(Client(app, None if "token" in faults else CAST[caller]["token"]))


CAN_FAIL = {
    "listFinanceAccounts": ("token", "query", "role"),
    "getFinanceAccount": ("token", "query", "role", "find"),
    "downloadInvoiceDocument": ("token", "query", "role", "find"),
    "GetOAuth2AccessToken": ("media", "body"),
    "RefreshOAuth2AccessToken": ("media", "body"),
}


@pytest.mark.parametrize("id", CAN_FAIL)
def test_of_several_faults_the_first_in_the_order_answers(app: MockServer, id: str) -> None:
    before = fingerprints(app)
    alone = {check: blank(faulty(app, id, frozenset([check])), *every_account(app), NOWHERE) for check in CAN_FAIL[id]}
    entity = {"getFinanceAccount": "Account"}.get(id)
    assert {check: said[0] for check, said in alone.items()} == {
        check: rights.status(API, check, entity) for check in CAN_FAIL[id]
    }
    for size in range(2, len(CAN_FAIL[id]) + 1):
        for faults in itertools.combinations(CAN_FAIL[id], size):
            answer = faulty(app, id, frozenset(faults))
            assert blank(answer, *every_account(app), NOWHERE) == alone[rights.first(API, faults)], faults
    assert fingerprints(app) == before
    assert faulty(app, id, frozenset()).status == 200


def test_every_pair_of_neighbours_that_can_meet_was_tried() -> None:
    checks = rights.order(API)
    tried = {pair for each in CAN_FAIL.values() for pair in itertools.combinations(sorted(each, key=checks.index), 2)}
    assert {("token", "query"), ("query", "role"), ("role", "find"), ("media", "body")} <= tried
    # What has a body asks nobody for a token, so that these never meet.
    assert all(OPERATIONS[id].is_open == OPERATIONS[id].has_body for id in OPERATIONS)


def test_unknown_parameters_are_ignored_also_by_refusals(app: MockServer, as_: As) -> None:
    assert as_("finance-two").get(f"{ACCOUNTS}?colour=red&eq((").status == 200
    assert as_("finance-none").get(f"{ACCOUNTS}?colour=red").status == 403


# Grants, the window and tokens move with the world


def grant(app: MockServer, caller: str, values: list[str]) -> None:
    work = app.worlds[API].work()
    work.put("Grant", {"id": caller, "values": values})
    work.commit()


def test_a_grant_that_is_taken_away_changes_the_next_answer(app: MockServer, as_: As) -> None:
    client = as_("finance-two")
    assert numbers(client.get(ACCOUNTS)) == ["700102", "700191"]
    invoice = shown(app, "700102")[0]
    document = invoice["documents"][0]["documentId"]
    assert download(client, "700102", invoice["id"], document).status == 200
    grant(app, "finance-two", ["700191"])
    assert numbers(client.get(ACCOUNTS)) == ["700191"]
    assert client.get(ACCOUNTS).json["page"]["total"] == 1
    gone = client.get(f"{ACCOUNTS}/700102")
    assert blank(gone, "700102") == blank(client.get(f"{ACCOUNTS}/{NOWHERE}"), NOWHERE)
    assert download(client, "700102", invoice["id"], document).status == 403
    assert client.get(f"{ACCOUNTS}/700191").status == 200


def test_without_the_last_grant_the_methods_may_not_be_used_and_with_a_first_they_may(app: MockServer, as_: As) -> None:
    grant(app, "finance-two", [])
    for path in ("", "/700102", "/700102/810000001?documentId=x"):
        assert as_("finance-two").get(ACCOUNTS + path).status == 403
    listing = as_("finance-two").get(ACCOUNTS)
    assert blank(listing)[0::2] == (
        403,
        blank(as_("finance-none").get(ACCOUNTS))[2].replace("finance-none", "finance-two"),
    )
    assert as_("finance-two").get(f"{ACCOUNTS}?limit=101").status == 400
    grant(app, "finance-two", ["700190"])
    assert numbers(as_("finance-two").get(ACCOUNTS)) == ["700190"]


def test_issued_tokens_lose_what_their_user_loses(app: MockServer) -> None:
    body = {
        "grant_type": "client_credentials",
        "client_id": "finance-two-client",
        "client_secret": "finance-two-secret",
    }
    token = Client(app, None).post(TOKEN, body).json["access_token"]
    mine = Client(app, token)
    assert numbers(mine.get(ACCOUNTS)) == ["700102", "700191"]
    grant(app, "finance-two", ["700102"])
    assert numbers(mine.get(ACCOUNTS)) == ["700102"]
    grant(app, "finance-two", [])
    assert mine.get(ACCOUNTS).status == 403


def test_a_reset_gives_back_what_was_taken_away(app: MockServer, as_: As) -> None:
    grant(app, "finance-two", [])
    app.reset()
    assert numbers(as_("finance-two").get(ACCOUNTS)) == ["700102", "700191"]


EDGE = {"810000002": date(2025, 3, 16), "810000001": date(2025, 4, 16)}


@pytest.mark.parametrize("id", EDGE)
def test_the_window_moves_on_with_the_clock_day_by_day(app: MockServer, as_: As, id: str) -> None:
    clock, client, born = app.worlds[API].clock, as_("finance"), EDGE[id]
    last = datetime(born.year + 1, born.month, born.day, 23, 59, 59, 999000, tzinfo=UTC)
    document = next(each for each in invoices(app, "700100") if each["id"] == id)["documents"][0]["documentId"]

    def seen() -> tuple[bool, int]:
        found = client.get(f"{ACCOUNTS}/700100").json["invoices"]
        return id in [each["invoiceId"] for each in found], download(client, "700100", id, document).status

    clock.advance(last - clock.now())
    assert seen() == (True, 200)
    clock.advance(timedelta(milliseconds=1))
    assert seen() == (False, 404)


def test_the_window_moves_for_payments_too_and_what_lies_ahead_is_not_shown(app: MockServer, as_: As) -> None:
    clock, client = app.worlds[API].clock, as_("finance")

    def payments() -> set[str]:
        return {each["paymentId"] for each in client.get(f"{ACCOUNTS}/700100").json["payments"]}

    # Made ten months, three days and thirteen months before the first day.
    older, newer, oldest = "PMT1000000000001", "PMT1000000000002", "PMT1000000000003"
    assert payments() == {older, newer}
    clock.set(datetime(2026, 5, 16, 23, 59, 59, 999000, tzinfo=UTC))
    assert payments() == {older, newer}
    clock.advance(timedelta(milliseconds=1))
    assert payments() == {newer}
    clock.set(datetime(2026, 3, 12, 23, 59, 59, 999000, tzinfo=UTC))
    assert payments() == {older}
    clock.set(datetime(2026, 2, 16, tzinfo=UTC))
    assert payments() == {older, oldest}


def test_months_never_reach_beyond_the_window(app: MockServer, as_: As) -> None:
    for month in ("2025-02-01", "2025-03-01", "2025-03-31", "2026-03-31", "2026-04-01"):
        found = as_("finance").get(f"{ACCOUNTS}/700100?months={month}").json
        first, last = window(app)
        for each in (*found["invoices"], *found["payments"]):
            assert each["date"][:7] == month[:7]
            assert first <= each["date"] <= last


def test_an_issued_token_ends_at_exactly_its_second(app: MockServer) -> None:
    body = {"grant_type": "client_credentials", "client_id": "finance-client", "client_secret": "finance-secret"}
    clock = app.worlds[API].clock
    at = clock.now()
    told = Client(app, None).post(TOKEN, body).json
    client, ends = Client(app, told["access_token"]), at + timedelta(seconds=int(told["token_timeout"]))
    clock.set(ends - timedelta(milliseconds=1))
    assert client.get(ACCOUNTS).status == 200
    clock.set(ends)
    late = client.get(ACCOUNTS)
    assert (late.status, late.headers["www-authenticate"]) == (401, "Bearer")
    assert Client(app, CAST["finance"]["token"]).get(ACCOUNTS).status == 200


def test_a_callers_token_ends_at_exactly_its_second(app: MockServer) -> None:
    clock, client = app.worlds[API].clock, Client(app, CAST["finance-expired"]["token"])
    ended = clock.now() - timedelta(days=30)
    clock.set(ended - timedelta(milliseconds=1))
    assert client.get(ACCOUNTS).status == 200
    clock.set(ended)
    assert client.get(ACCOUNTS).status == 401


def test_the_fifth_wrong_secret_in_a_row_locks_the_user_and_nobody_else(app: MockServer) -> None:
    anybody = Client(app, None)

    def attempt(secret: str, client: str = "finance-two", path: str = TOKEN) -> Answer:
        body = {"client_id": f"{client}-client", "client_secret": secret}
        more = {"grant_type": "client_credentials"} if path == TOKEN else {"refresh_token": f"{client}-refresh"}
        return anybody.post(path, body | more)

    for _ in range(2):
        for _ in range(4):
            assert attempt("guess").status == 400
        assert attempt("finance-two-secret").status == 200
    held = attempt("finance-two-secret").json["access_token"]
    for path in (TOKEN, REFRESH, TOKEN, REFRESH):
        answer = attempt("guess", path=path)
        assert answer.status == 400
        assert_documented(app, API, OPERATIONS["GetOAuth2AccessToken"], answer)
    assert attempt("guess").status == 400
    for path in (TOKEN, REFRESH):
        locked = attempt("finance-two-secret", path=path)
        assert locked.status == 400
        assert "locked" in locked.json["developer_message"]
    assert attempt("finance-secret", "finance").status == 200
    # Tokens that are out already go on working; the lock is on getting new ones.
    assert Client(app, held).get(ACCOUNTS).status == 200
    # The only thing that refused requests leave behind is their number.
    assert {entity for _, entity, _ in changes(app)} <= {"Attempts", "IssuedToken", "RefreshToken", "Counter"}
    app.reset()
    assert attempt("finance-two-secret").status == 200


def test_refusals_of_one_caller_are_told_apart_by_their_number_alone(app: MockServer, as_: As) -> None:
    first, second = (as_("finance-two").get(f"{ACCOUNTS}/{NOWHERE}") for _ in range(2))
    assert first.json["ticketId"] != second.json["ticketId"]
    assert blank(first) == blank(second)
    assert listed(as_("finance-two"))
