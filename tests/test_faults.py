"""Faults on demand: which calls they strike, what a caller sees of them, and that they stay in their sandbox."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from mockserver import MockServer, connections, create_app, fault_kinds, faults
from mockserver.clock import Clock
from mockserver.domain.errors import Conflict
from mockserver.faults import Faults
from mockserver.reply import Reply
from mockserver.strikes import Strike, Switch, deliver
from tests.credits_stage import STAGING
from tests.driver import BASE, Answer, Client
from tests.fingerprint import fingerprint

START = datetime(2026, 3, 16, 9, tzinfo=UTC)
DRAFT = "/journals/BJO-1000-0001"
NEW = {"name": "One", "authorization": {"id": "AUT-1000-0001"}}

JOURNAL = {"name": "Asked once", "authorization": {"id": "AUT-1000-0001"}}


def made(*rules: Mapping[str, Any], seed: int = 1) -> Faults:
    """Faults of a sandbox whose clock stands at START."""
    made = Faults(seed, Clock(START))
    for rule in rules:
        made.add(rule)
    return made


def call(faults: Faults, operation: str = "listJournals", method: str = "GET", caller: str = "vendor") -> Strike | None:
    return faults.strike(api="billing", operation=operation, method=method, caller=lambda: caller)


def pattern(faults: Faults, calls: int = 60) -> list[tuple[str, ...]]:
    """Which rules strike each of so many calls."""
    return [() if (strike := call(faults)) is None else tuple(strike.rules) for _ in range(calls)]


@cache
def everything() -> MockServer:
    return create_app()


# Which calls are struck


def test_without_rules_there_is_nothing_to_ask() -> None:
    assert not made().active
    assert call(made()) is None


def test_the_same_seed_and_calls_meet_the_same_faults_and_another_seed_others() -> None:
    rule = {"kind": "drop", "share": 0.5}
    assert pattern(made(rule)) == pattern(made(rule))
    assert pattern(made(rule)) != pattern(made(rule, seed=2))


def test_two_rules_alike_draw_apart() -> None:
    found = pattern(
        made({"kind": "latency", "seconds": 1, "share": 0.5}, {"kind": "latency", "seconds": 1, "share": 0.5})
    )
    assert {("fault-1",), ("fault-2",), ("fault-1", "fault-2"), ()} == set(found)


def test_what_a_rule_strikes_does_not_hang_on_other_rules_or_calls_of_others() -> None:
    mine = {"kind": "stale", "share": 0.5, "operation": "listJournals"}
    alone = made({"kind": "drop", "operation": "none*"}, mine)
    beside = made({"kind": "latency", "seconds": 1, "share": 0.7}, mine)
    found = []
    for _ in range(60):
        call(beside, operation="listLedgers")
        strike = call(beside)
        found.append(strike is not None and strike.stale)
    assert found == [bool(each) for each in pattern(alone)]


def test_about_the_share_of_the_calls_is_struck() -> None:
    struck = sum(map(bool, pattern(made({"kind": "drop", "share": 0.2}), 2_000)))
    assert 320 < struck < 480


def test_so_many_calls_are_spared_and_so_many_struck() -> None:
    faults = made({"kind": "drop", "after": 2, "count": 3})
    assert [bool(each) for each in pattern(faults, 8)] == [False, False, True, True, True, False, False, False]
    (rule,) = faults
    assert (rule.calls, rule.struck) == (8, 3)


def test_the_first_rule_that_strikes_does_and_the_next_follow_when_it_is_done() -> None:
    faults = made({"kind": "status", "status": 503, "count": 2}, {"kind": "drop", "count": 1})
    assert pattern(faults, 4) == [("fault-1",), ("fault-1",), ("fault-2",), ()]


def test_latency_adds_up_to_a_limit_and_leaves_the_call_to_others() -> None:
    faults = made(
        {"kind": "latency", "seconds": 1}, {"kind": "latency", "seconds": 2.5}, {"kind": "slow", "bytesPerSecond": 9}
    )
    strike = call(faults)
    assert strike is not None
    assert (strike.delay, strike.rate, strike.rules) == (3.5, 9, ["fault-1", "fault-2", "fault-3"])
    strike = call(made({"kind": "latency", "seconds": 200}, {"kind": "latency", "seconds": 200}))
    assert strike is not None and strike.delay == 300


def test_latency_is_drawn_from_its_spread() -> None:
    rule = {"kind": "latency", "least": 0.5, "most": 3}
    delays = [strike.delay for faults in [made(rule)] for _ in range(200) if (strike := call(faults)) is not None]
    again = [strike.delay for faults in [made(rule)] for _ in range(200) if (strike := call(faults)) is not None]
    assert delays == again
    assert 0.5 <= min(delays) < 0.7 and 2.8 < max(delays) < 3 and len(set(delays)) > 190


@pytest.mark.parametrize(
    ("rule", "strikes"),
    [
        ({"operation": "list*"}, {"listJournals", "listLedgers"}),
        ({"operation": "list?ournals"}, {"listJournals"}),
        ({"operation": "LIST*"}, set()),
        ({"operation": "list.*"}, set()),
        ({"method": "POST"}, {"createJournal"}),
        ({"caller": "vend*"}, {"listJournals", "createJournal"}),
        ({"caller": "*"}, {"listJournals", "createJournal", "listLedgers"}),
        ({"api": "credits"}, set()),
        ({"api": "billing", "operation": "*", "method": "GET", "caller": "client"}, {"listLedgers"}),
    ],
)
def test_calls_are_chosen_by_who_calls_what(rule: Mapping[str, Any], strikes: set[str]) -> None:
    faults = made({"kind": "drop", **rule})
    calls = [
        ("listJournals", "GET", "vendor"),
        ("createJournal", "POST", "vendor"),
        ("listLedgers", "GET", "client"),
        ("readLedger", "DELETE", ""),
    ]
    assert {each[0] for each in calls if call(faults, *each) is not None} == strikes


def test_who_calls_is_asked_only_where_a_rule_wants_it_and_only_once() -> None:
    asked: list[int] = []

    def caller() -> str:
        asked.append(1)
        return "vendor"

    plain = made({"kind": "drop", "operation": "listJournals"}, {"kind": "drop", "caller": "vendor", "method": "PUT"})
    plain.strike(api="billing", operation="listJournals", method="GET", caller=caller)
    assert asked == []
    both = made({"kind": "stale", "caller": "client"}, {"kind": "drop", "caller": "vendor"})
    assert both.strike(api="billing", operation="listJournals", method="GET", caller=caller) is not None
    assert asked == [1]


def test_a_window_opens_and_closes_by_the_clock_of_the_sandbox() -> None:
    clock = Clock(START)
    faults = Faults(1, clock)
    faults.add({"kind": "drop", "from": "2026-03-16T10:00:00+01:00", "until": "2026-03-16T09:30:00Z"})
    faults.add({"kind": "latency", "seconds": 1, "from": "2026-03-17"})
    assert pattern(faults, 1) == [("fault-1",)]
    clock.advance(timedelta(minutes=30))
    assert pattern(faults, 1) == [()]
    clock.advance(timedelta(days=1))
    assert pattern(faults, 1) == [("fault-2",)]


def test_only_readings_are_stale() -> None:
    faults = made({"kind": "stale"})
    assert call(faults, method="POST") is None
    assert call(faults, method="HEAD") is not None


def test_a_reset_keeps_what_stays_and_begins_it_anew() -> None:
    faults = made({"kind": "drop", "share": 0.5}, {"kind": "drop", "share": 0.5, "stays": True, "count": 4})
    first = [each[-1:] == ("fault-2",) for each in pattern(faults)]
    faults.reset()
    (kept,) = faults
    assert (kept.id, kept.calls, kept.struck) == ("fault-2", 0, 0)
    assert faults.add({"kind": "drop"}).id == "fault-3"
    faults.drop("fault-3")
    alone = [bool(each) for each in pattern(faults)]
    assert sum(alone) == 4 and any(first)
    assert faults.clear() == 1
    assert faults.add({"kind": "drop"}).id == "fault-1"


def test_there_is_room_for_so_many_rules_and_so_many_bytes() -> None:
    full = made(*[{"kind": "drop"}] * faults.MOST)
    with pytest.raises(Conflict, match=r"^there are 100 faults already; switch some off"):
        full.add({"kind": "drop"})
    heavy = made(*[{"kind": "status", "status": 500, "body": "x" * fault_kinds.BODY}] * 10)
    with pytest.raises(Conflict, match="together may have 1000000 bytes"):
        heavy.add({"kind": "status", "status": 500, "body": "x"})
    heavy.drop("fault-3")
    heavy.add({"kind": "status", "status": 500, "body": "x"})


# By the server's own API


@pytest.fixture
def box(app: MockServer, vendor: Client) -> Iterator[Client]:
    """A client in a sandbox of this test's own."""
    yield Client(app, f"{app.token('vendor')}@own")
    assert vendor.delete("//__mock__/sandboxes/own").status == 204


def on(client: Client, **rule: Any) -> Answer:
    """Switch a fault on; the answer of the server."""
    rule = {name.rstrip("_"): value for name, value in rule.items()}
    answer = client.post("//__mock__/faults", rule)
    assert answer.status == 201, answer
    return answer


def test_faults_are_listed_with_how_often_they_struck_and_switched_off(vendor: Client) -> None:
    said = {"kind": "status", "status": 503, "operation": "listJournals", "count": 1, "from": "2020-01-01"}
    assert vendor.post("//__mock__/faults", said).json == {"id": "fault-1", "calls": 0, "struck": 0, "rule": said}
    on(vendor, kind="rate-limit", operation="get*")
    assert [vendor.get("/journals").status for _ in range(3)] == [503, 200, 200]
    listed = vendor.get("//__mock__/faults").json["faults"]
    assert [(each["id"], each["calls"], each["struck"]) for each in listed] == [("fault-1", 3, 1), ("fault-2", 0, 0)]
    assert vendor.delete("//__mock__/faults/fault-1").status == 204
    assert vendor.delete("//__mock__/faults/fault-1").status == 404
    assert vendor.delete("//__mock__/faults").json == {"dropped": 1}
    assert vendor.get("//__mock__/faults").json == {"faults": []}


def test_a_fault_stays_in_its_sandbox(app: MockServer, vendor: Client) -> None:
    box = Client(app, f"{app.token('vendor')}@faulty")
    on(box, kind="status", status=500)
    assert (box.get("/journals").status, vendor.get("/journals").status) == (500, 200)
    assert vendor.get("//__mock__/faults").json == {"faults": []}
    vendor.delete("//__mock__/faults")
    assert box.get("/journals").status == 500
    box.post("//__mock__/reset")
    assert box.get("/journals").status == 200


def test_the_pages_of_the_server_itself_meet_no_fault(vendor: Client) -> None:
    on(vendor, kind="drop")
    assert vendor.get("//__mock__/jobs").status == 200
    assert vendor.get("/openapi.json").status == 200
    assert vendor.get("/nothing").status == 404
    assert vendor.request("OPTIONS", "/journals").status == 204


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("kind", {}),
        ("kind", {"kind": "flood"}),
        ("kind", {"kind": "latency"}),
        ("kind", {"kind": "latency", "least": 1}),
        ("kind", {"kind": "latency", "seconds": 1, "least": 1, "most": 2}),
        ("kind", {"kind": "status"}),
        ("kind", {"kind": "slow"}),
        ("body", {"kind": "drop", "typo": 1}),
        ("body", {"kind": "drop", "body": "x"}),
        ("seconds", {"kind": "drop", "seconds": 1}),
        ("seconds", {"kind": "latency", "seconds": 300.1}),
        ("seconds", {"kind": "latency", "seconds": -1}),
        ("seconds", {"kind": "latency", "seconds": "1"}),
        ("least", {"kind": "latency", "least": 2, "most": 1}),
        ("most", {"kind": "latency", "least": 2, "most": 1e99}),
        ("status", {"kind": "status", "status": 100}),
        ("status", {"kind": "status", "status": 304}),
        ("status", {"kind": "status", "status": 600}),
        ("status", {"kind": "status", "status": True}),
        ("status", {"kind": "status", "status": 503.5}),
        ("body", {"kind": "status", "status": 204, "body": "x"}),
        ("body", {"kind": "status", "status": 500, "body": "x" * 100_001}),
        ("body", {"kind": "status", "status": 500, "body": ["ä" * 50_000]}),
        ("headers", {"kind": "status", "status": 500, "headers": []}),
        ("headers", {"kind": "status", "status": 500, "headers": {f"X-{n}": "" for n in range(21)}}),
        ("headers.X-A", {"kind": "status", "status": 500, "headers": {"X-A": "a\r\nX-B: b"}}),
        ("headers.X-A", {"kind": "status", "status": 500, "headers": {"X-A": "a\0"}}),
        ("headers.X-A", {"kind": "status", "status": 500, "headers": {"X-A": " a"}}),
        ("headers.X-A", {"kind": "status", "status": 500, "headers": {"X-A": "\u0141"}}),
        ("headers.X-A", {"kind": "status", "status": 500, "headers": {"X-A": 1}}),
        ("headers", {"kind": "status", "status": 500, "headers": {"X A": "a"}}),
        ("headers", {"kind": "status", "status": 500, "headers": {"X:\r\n": "a"}}),
        ("headers", {"kind": "status", "status": 500, "headers": {"": "a"}}),
        ("headers.x-a", {"kind": "status", "status": 500, "headers": {"X-A": "a", "x-a": "b"}}),
        ("headers.Content-Length", {"kind": "status", "status": 500, "headers": {"Content-Length": "1"}}),
        ("headers.connection", {"kind": "status", "status": 500, "headers": {"connection": "close"}}),
        ("headers.Transfer-Encoding", {"kind": "status", "status": 500, "headers": {"Transfer-Encoding": "chunked"}}),
        ("headers.Content-Type", {"kind": "status", "status": 500, "headers": {"Content-Type": "text/html"}}),
        ("retryAfter", {"kind": "rate-limit", "retryAfter": -1}),
        ("part", {"kind": "cut", "part": 1}),
        ("bytesPerSecond", {"kind": "slow", "bytesPerSecond": 0}),
        ("api", {"kind": "drop", "api": "biling"}),
        ("operation", {"kind": "drop", "operation": "listJurnals"}),
        ("operation", {"kind": "drop", "operation": "*" * 101}),
        ("operation", {"kind": "drop", "operation": ""}),
        ("operation", {"kind": "drop", "operation": "[[a&&b--~~"}),
        ("caller", {"kind": "drop", "caller": "nobody-known"}),
        ("caller", {"kind": "drop", "caller": "*a" * 50}),
        ("method", {"kind": "drop", "method": "get"}),
        ("method", {"kind": "drop", "method": "PATCH"}),
        ("method", {"kind": "drop", "operation": "list*", "method": "POST"}),
        ("kind", {"kind": "stale", "operation": "createJournal"}),
        ("kind", {"kind": "stale", "method": "POST"}),
        ("kind", {"kind": "stale", "operation": "*", "method": "DELETE"}),
        ("operation", {"kind": "drop", "operation": "fetchCredits"}),
        ("caller", {"kind": "drop", "caller": "auditor"}),
        ("share", {"kind": "drop", "share": 0}),
        ("share", {"kind": "drop", "share": 1.1}),
        ("after", {"kind": "drop", "after": 0.5}),
        ("count", {"kind": "drop", "count": 0}),
        ("from", {"kind": "drop", "from": "tomorrow"}),
        ("from", {"kind": "drop", "from": "9999-12-31T23:59:59-23:59"}),
        ("until", {"kind": "drop", "from": "2026-03-17", "until": "2026-03-17"}),
        ("until", {"kind": "drop", "until": "2026-03-16T09:00:00Z"}),
        ("from", {"kind": "drop", "from": "2200-01-01"}),
        ("stays", {"kind": "drop", "stays": "yes"}),
        ("kind", {"kind": "rate-limit", "calls": 1}),
        ("kind", {"kind": "rate-limit", "window": 60}),
        ("kind", {"kind": "rate-limit", "shared": True}),
        ("calls", {"kind": "drop", "calls": 1, "window": 60}),
        ("calls", {"kind": "rate-limit", "calls": 0, "window": 60}),
        ("window", {"kind": "rate-limit", "calls": 1, "window": 0}),
        ("window", {"kind": "rate-limit", "calls": 1, "window": 1e99}),
        ("window", {"kind": "rate-limit", "calls": 1, "window": 0.5}),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_place(vendor: Client, place: str, rule: Mapping[str, Any]) -> None:
    answer = vendor.post("//__mock__/faults", rule)
    assert answer.status == 400
    assert place in answer.json["errors"], answer.json
    assert "\r" not in answer.json["detail"]
    assert vendor.get("//__mock__/faults").json == {"faults": []}


@pytest.mark.parametrize(
    ("rule", "mend"),
    [
        ({"kind": "latency", "status": 503}, "Status: a fault of the kind latency has no such member; it has seconds"),
        ({"kind": "latency"}, "Kind: latency wants seconds, or least and most."),
        (
            {"kind": "drop", "operation": "listJurnals"},
            "Operation: no operation of billing is 'listJurnals'; did you mean listJournals?",
        ),
        ({"kind": "drop", "api": "biling"}, "Api: 'biling' is not served; did you mean billing?"),
        ({"kind": "drop", "caller": "vendr"}, "Caller: no caller of billing is 'vendr'; did you mean vendor?"),
        (
            {"kind": "drop", "operation": "createJournal", "method": "GET"},
            "Method: the operations of the rule are POST, not GET; say one of these, or leave it out.",
        ),
        (
            {"kind": "stale", "operation": "createJournal"},
            "Kind: stale strikes GET alone, and the operations of the rule are POST; name others.",
        ),
        (
            {"kind": "drop", "until": "2026-03-16T10:00:00+01:00"},
            "Until: 2026-03-16T09:00:00.000Z is past, the clock of the sandbox shows 2026-03-16T09:00:00.000Z; say",
        ),
        ({"kind": "rate-limit", "calls": 5}, "Kind: rate-limit wants nothing, or calls and window, or calls and"),
        ({"kind": "drop", "from": "noon"}, "From: must be a date-time, such as 2026-03-31T09:00:00Z, or a date."),
    ],
)
def test_a_refusal_tells_the_mend(vendor: Client, rule: Mapping[str, Any], mend: str) -> None:
    assert mend in vendor.post("//__mock__/faults", rule).json["detail"]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        # Each is there, but not where the rest of the rule is.
        ({"operation": "listJournals", "api": "credits"}, "operation"),
        ({"operation": "listJournals", "caller": "auditor"}, "caller"),
        ({"api": "accounts", "method": "PUT"}, "method"),
    ],
)
def test_the_parts_of_a_rule_must_meet_in_one_call(rule: Mapping[str, Any], place: str) -> None:
    caller = Client(everything(), "vendor-token@meet")
    answer = caller.post("//__mock__/faults", {"kind": "drop", **rule})
    assert (answer.status, list(answer.json["errors"])) == (400, [place])


def test_what_may_strike_is_not_refused_for_a_part_that_does_not() -> None:
    caller = Client(everything(), "vendor-token@may")
    on(caller, kind="stale", operation="*Journal")
    on(caller, kind="drop", caller="*", method="PATCH")
    on(caller, kind="drop", operation="*redit*", caller="a*")


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        ({"kind": "drop", "from": "2026-03-17"}, "The clock stands at 2026-03-16T09:00:00.000Z, before `from`; POST"),
        (
            {"kind": "drop", "until": "2026-03-16", "stays": True},
            "The clock shows 2026-03-16T09:00:00.000Z, not before `until`; POST /__mock__/reset",
        ),
        ({"kind": "rate-limit", "calls": 9, "window": 60}, "so that no window of calls ends by itself; POST"),
        ({"kind": "drop", "caller": "exp*"}, "The token of expired has expired, so that nobody knows who calls"),
        ({"kind": "drop"}, None),
        ({"kind": "drop", "from": "2026-03-16"}, None),
        ({"kind": "drop", "until": "2026-03-17"}, None),
        ({"kind": "rate-limit"}, None),
        ({"kind": "drop", "caller": "*"}, None),
    ],
)
def test_a_rule_that_cannot_strike_as_things_are_is_there_with_a_warning(
    box: Client, rule: Mapping[str, Any], warning: str | None
) -> None:
    told = on(box, **rule).json.get("warning")
    assert told is None if warning is None else warning in told
    assert "warning" not in box.get("//__mock__/faults").json["faults"][0]


def test_a_running_clock_comes_to_every_window_by_itself(box: Client) -> None:
    assert box.put("//__mock__/clock", {"running": True}).status == 200
    for rule in (
        {"kind": "latency", "seconds": 1, "from": "2026-03-17"},
        {"kind": "rate-limit", "calls": 9, "window": 9},
    ):
        assert "warning" not in on(box, **rule).json


LISTS = {"kind": "drop", "operation": "list*"}


@pytest.mark.parametrize(
    ("first", "then", "warned"),
    [
        (LISTS, {"operation": "listJournals"}, True),
        (LISTS, {"operation": "list*", "method": "GET", "caller": "vendor"}, True),
        ({"kind": "status", "status": 500, "caller": "v*"}, {"caller": "vendor"}, True),
        ({"kind": "rate-limit"}, {"share": 0.5}, True),
        (LISTS, {}, False),
        (LISTS, {"operation": "*Journals"}, True),
        (LISTS, {"operation": "*Journal*"}, False),
        (LISTS | {"caller": "vendor"}, {"operation": "listJournals"}, False),
        (LISTS | {"caller": "vendor"}, {"operation": "listJournals", "caller": "*"}, False),
        (LISTS | {"share": 0.9}, {"operation": "listJournals"}, False),
        (LISTS | {"count": 1}, {"operation": "listJournals"}, False),
        (LISTS | {"after": 1}, {"operation": "listJournals"}, False),
        (LISTS | {"from": "2026-03-17"}, {"operation": "listJournals"}, False),
        (LISTS | {"until": "2026-03-17"}, {"operation": "listJournals"}, False),
        ({"kind": "rate-limit", "calls": 1, "window": 60}, {"operation": "listJournals"}, False),
        ({"kind": "latency", "seconds": 1}, {"operation": "listJournals"}, False),
        ({"kind": "stale"}, {"operation": "createJournal"}, False),
    ],
)
def test_a_rule_that_stands_behind_another_is_there_with_a_warning(
    vendor: Client, first: Mapping[str, Any], then: Mapping[str, Any], warned: bool
) -> None:
    on(vendor, **first)
    told = on(vendor, kind="status", status=503, **then).json.get("warning", "")
    assert told.startswith("fault-1 strikes each of its calls first; DELETE /__mock__/faults/fault-1") is warned


# What a caller sees


PAGES = {
    "billing": ("operations", "//public/v1/billing/journals"),
    "accounts": ("finance", "//v1/finance/accounts"),
    "credits": ("auditor", f"//billing/{STAGING}/credits/list"),
}


@pytest.mark.parametrize("status", [400, 418, 429, 500, 503, 599])
@pytest.mark.parametrize("api", PAGES)
def test_a_status_comes_in_the_envelope_of_its_api_documented_or_not(api: str, status: int) -> None:
    app = everything()
    name, path = PAGES[api]
    caller = Client(app, f"{app.token(name)}@envelope-{status}")
    refused = Client(app, "no-such-token").get(path)
    on(caller, kind="status", status=status, api=api, headers={"X-Served-By": "gateway-2"}, count=1)
    answer = caller.get(path)
    assert (answer.status, answer.headers["x-served-by"]) == (status, "gateway-2")
    assert answer.headers["content-type"] == refused.headers["content-type"]
    assert set(answer.json) <= set(refused.json) | {"errors"}
    assert caller.get(path).status != status


@pytest.mark.parametrize(
    ("rule", "content", "media"),
    [
        (
            {"status": 502, "body": "<h1>Bad gateway</h1>", "headers": {"Content-Type": "text/html"}},
            b"<h1>",
            "text/html",
        ),
        ({"status": 500, "body": "späť"}, "späť".encode(), "text/plain; charset=utf-8"),
        ({"status": 500, "body": {"a": [1.5, None]}}, b'{"a":[1.5,null]}', "application/json"),
        (
            {"status": 200, "body": "{not json", "headers": {"content-type": "application/json"}},
            b"{not",
            "application/json",
        ),
        ({"status": 500, "body": ""}, b"", None),
        ({"status": 202}, b"", None),
        ({"status": 204}, b"", None),
    ],
)
def test_an_answer_of_ones_own_comes_as_it_is(
    vendor: Client, rule: Mapping[str, Any], content: bytes, media: str | None
) -> None:
    on(vendor, kind="status", **rule)
    answer = vendor.get("/journals")
    assert (answer.status, answer.headers.get("content-type")) == (rule["status"], media)
    assert answer.content.startswith(content) and bool(answer.content) is bool(content)


def test_a_rate_limit_says_when_to_come_again(vendor: Client) -> None:
    on(vendor, kind="rate-limit", retryAfter=30, after=1)
    assert [vendor.get("/journals").status for _ in range(2)] == [200, 429]
    assert vendor.get("/journals").headers["retry-after"] == "30"
    vendor.delete("//__mock__/faults")
    on(vendor, kind="rate-limit")
    assert vendor.get("/journals").headers["retry-after"] == "1"


def limited(calls: int = 2, window: int = 60, **more: Any) -> Mapping[str, Any]:
    return {"kind": "rate-limit", "calls": calls, "window": window, **more}


def retry(faults: Faults, caller: str = "vendor") -> str | None:
    """When a call is to come again; None where it passes."""
    strike = call(faults, caller=caller)
    return None if strike is None or strike.reply is None else strike.reply.headers["Retry-After"]


def test_so_many_calls_of_each_caller_pass_in_a_window_of_the_clock(vendor: Client, operations: Client) -> None:
    on(vendor, **limited(operation="listJournals"))
    assert [vendor.get("/journals").status for _ in range(4)] == [200, 200, 429, 429]
    assert operations.get("/journals").status == 200
    assert vendor.get(DRAFT).status == 200
    assert vendor.get("/journals").headers["retry-after"] == "60"
    vendor.post("//__mock__/clock/advance", {"seconds": 20.5})
    assert vendor.get("/journals").headers["retry-after"] == "40"
    vendor.post("//__mock__/clock/advance", {"seconds": 39})
    assert vendor.get("/journals").headers["retry-after"] == "1"
    vendor.post("//__mock__/clock/advance", {"seconds": 1})
    assert [vendor.get("/journals").status for _ in range(3)] == [200, 200, 429]
    assert vendor.get("/journals").headers["retry-after"] == "60"


def test_callers_share_one_limit_where_the_rule_says_so(vendor: Client, operations: Client) -> None:
    on(vendor, **limited(3, shared=True))
    assert [each.get("/journals").status for each in (vendor, operations) * 2] == [200, 200, 200, 429]


def test_a_limit_that_a_call_exceeds_leaves_it_undone(vendor: Client) -> None:
    on(vendor, **limited(1, method="POST"))
    total = vendor.get("/journals").json["$meta"]["pagination"]["total"]
    assert [vendor.post("/journals", NEW).status for _ in range(3)] == [201, 429, 429]
    assert vendor.get("/journals").json["$meta"]["pagination"]["total"] == total + 1


def test_a_window_begins_with_the_first_call_of_each() -> None:
    clock = Clock(START)
    faults = Faults(1, clock)
    faults.add(limited(1))
    assert retry(faults) is None
    clock.advance(timedelta(seconds=45))
    assert (retry(faults, "client"), retry(faults, "client"), retry(faults)) == (None, "60", "15")
    clock.advance(timedelta(seconds=15))
    assert (retry(faults), retry(faults, "client"), retry(faults)) == (None, "45", "60")
    clock.advance(timedelta(hours=1))
    assert (retry(faults), retry(faults)) == (None, "60")


@given(window=st.integers(1, 100), steps=st.lists(st.integers(0, 40_000), min_size=1, max_size=30), runs=st.booleans())
def test_whoever_comes_again_when_told_to_passes_and_no_second_sooner(
    window: int, steps: list[int], runs: bool
) -> None:
    elapsed = 0.0

    def passed() -> Clock:
        clock = Clock(START, running=runs, elapsed=lambda: elapsed)
        if not runs:
            clock.advance(timedelta(seconds=elapsed))
        return clock

    faults = Faults(1, passed())
    faults.add(limited(1, window))
    for step in steps:
        elapsed += step / 1000
        faults._clock = passed() if not runs else faults._clock
        if (told := retry(faults)) is not None:
            assert 1 <= int(told) <= window
            elapsed += int(told) - 1
            faults._clock = passed() if not runs else faults._clock
            assert retry(faults) == "1"
            elapsed += 1
            faults._clock = passed() if not runs else faults._clock
            assert retry(faults) is None


def test_a_clock_that_is_set_back_leaves_the_window() -> None:
    clock = Clock(START)
    faults = Faults(1, clock)
    clock.advance(timedelta(days=1))
    faults.add(limited(1))
    assert (retry(faults), retry(faults)) == (None, "60")
    clock.restart(START)
    assert (retry(faults), retry(faults)) == (None, "60")


def test_a_limit_leaves_what_other_rules_draw_as_it_is_and_counts_what_they_strike() -> None:
    drawn = {"kind": "latency", "seconds": 1, "share": 0.5}
    alone = pattern(made({"kind": "drop", "operation": "none*"}, drawn))
    beside = pattern(made(limited(40), drawn))
    assert beside == alone[:40] + [("fault-1",)] * 20
    assert [each[:1] == ("fault-1",) for each in pattern(made(drawn, limited(5)))] == [
        bool(each) for each in pattern(made(drawn))
    ]
    struck = pattern(made({"kind": "drop", "count": 4}, limited(5)), 8)
    assert struck == [("fault-1",)] * 4 + [()] + [("fault-2",)] * 3


def test_a_limit_that_stays_begins_anew_with_a_reset() -> None:
    faults = made(limited(1, stays=True))
    assert (retry(faults), retry(faults)) == (None, "60")
    faults.reset()
    assert (retry(faults), retry(faults)) == (None, "60")


def test_a_limit_may_tell_another_time_and_strike_only_so_often() -> None:
    faults = made(limited(1, retryAfter=7, count=2))
    assert [retry(faults) for _ in range(4)] == [None, "7", "7", None]


def test_those_whom_nobody_knows_are_one_caller(app: MockServer, vendor: Client) -> None:
    on(vendor, **limited(2))
    strangers = [Client(app, f"stranger-{number}") for number in range(3)]
    assert [each.get("/journals").status for each in strangers] == [401, 401, 429]
    assert vendor.get("/journals").status == 200


def test_what_is_refused_by_a_fault_is_not_done_and_what_is_lost_is(app: MockServer, vendor: Client) -> None:
    before = fingerprint(app.world)
    on(vendor, kind="status", status=503, method="POST", count=1)
    on(vendor, kind="drop", method="POST", count=1)
    assert vendor.post("/journals", NEW).status == 503
    with pytest.raises(ConnectionResetError):
        vendor.post("/journals", NEW)
    assert fingerprint(app.world) == before
    total = vendor.get("/journals").json["$meta"]["pagination"]["total"]
    on(vendor, kind="status", status=504, method="POST", count=1, lost=True)
    on(vendor, kind="drop", method="POST", count=1, lost=True)
    assert vendor.post("/journals", NEW).status == 504
    with pytest.raises(ConnectionResetError):
        vendor.post("/journals", NEW)
    assert vendor.get("/journals").json["$meta"]["pagination"]["total"] == total + 2


def test_faults_are_chosen_by_the_name_behind_the_token(app: MockServer, vendor: Client, operations: Client) -> None:
    on(vendor, kind="status", status=503, caller="vend*")
    assert (vendor.get("/journals").status, operations.get("/journals").status) == (503, 200)
    assert Client(app, "no-such-token").get("/journals").status == 401


def test_the_same_calls_in_two_sandboxes_meet_the_same_bytes(app: MockServer) -> None:
    seen = []
    for name in ("left", "right"):
        box = Client(app, f"{app.token('vendor')}@{name}")
        on(box, kind="status", status=503, share=0.5)
        seen.append([box.get("/journals?limit=1").content for _ in range(20)])
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 1


# Stale readings


@pytest.mark.parametrize("kind", [{"kind": "status", "status": 503}, {"kind": "rate-limit"}])
def test_the_journal_knows_what_was_asked_where_a_fault_answered(vendor: Client, kind: Mapping[str, Any]) -> None:
    assert vendor.post("//@told/__mock__/reset").status == 200
    assert vendor.put("//@told/__mock__/journal", {"bodies": True}).status == 200
    assert vendor.post("//@told/__mock__/faults", {**kind, "operation": "createJournal", "count": 2}).status == 201
    for _ in range(3):
        vendor.post("//@told/public/v1/billing/journals", JOURNAL)
    match = {"operation": "createJournal", "caller": "vendor", "role": "vendor", "body": JOURNAL}
    told = vendor.post("//@told/__mock__/journal/verify", {"match": match, "times": 3}).json
    assert (told["verified"], told["count"]) == (True, 3)


def test_what_a_client_sent_is_done_though_it_waits_no_longer(app: MockServer, vendor: Client) -> None:
    assert vendor.post("//@waited/__mock__/faults", {"kind": "latency", "seconds": 0.01}).status == 201
    body = json.dumps(JOURNAL).encode()
    asyncio.run(_asked_and_left(app, "/@waited/public/v1/billing/journals", body))
    assert vendor.delete("//@waited/__mock__/faults").status == 200
    found = vendor.get("//@waited/public/v1/billing/journals?limit=100").json["data"]
    assert [each["name"] for each in found].count("Asked once") == 1


ENDS = {
    "all are switched off": ("DELETE", "/@early/__mock__/faults"),
    "the one is switched off": ("DELETE", "/@early/__mock__/faults/fault-1"),
    "the sandbox is dropped": ("DELETE", "/__mock__/sandboxes/early"),
    "all sandboxes are dropped": ("DELETE", "/__mock__/sandboxes"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_waits_goes_on_at_once_when(app: MockServer, vendor: Client, end: str) -> None:
    assert vendor.post("//@early/__mock__/faults", {"kind": "latency", "seconds": 250}).status == 201
    sandbox = app.sandbox("early")

    async def ended() -> None:
        waiting = [
            asyncio.create_task(_asked_and_left(app, "/@early/public/v1/billing/journals", json.dumps(NEW).encode()))
            for _ in range(3)
        ]
        await asyncio.sleep(0.01)
        assert not any(each.done() for each in waiting)
        assert vendor.request(ENDS[end][0], "/" + ENDS[end][1]).status in (200, 204)
        await asyncio.wait_for(asyncio.gather(*waiting), 20)

    def journals() -> int:
        return len(list(sandbox.worlds["billing"].layer.all("Journal")))

    before = journals()
    asyncio.run(ended())
    assert journals() == before + 3


@pytest.mark.parametrize("order", [("fault-1", "fault-2"), ("fault-2", "fault-1")])
def test_a_call_waits_on_for_the_rules_that_are_left(order: tuple[str, str]) -> None:
    faults = made({"kind": "latency", "seconds": 200}, {"kind": "latency", "seconds": 50})

    async def relieved(strike: Strike) -> None:
        waiting = asyncio.create_task(strike.wait())
        for id in order:
            await asyncio.sleep(0.01)
            assert not waiting.done()
            faults.drop(id)
        await asyncio.wait_for(waiting, 20)

    strike = call(faults)
    assert strike is not None
    asyncio.run(relieved(strike))
    assert not strike.drop


@pytest.mark.parametrize("stays", [False, True])
def test_a_call_that_waits_for_a_world_that_is_reset_is_dropped_undone(
    app: MockServer, vendor: Client, stays: bool
) -> None:
    assert vendor.post("//@anew/__mock__/reset").status == 200
    seed = [fingerprint(each) for each in app.sandbox("anew").worlds.values()]
    rule = {"kind": "latency", "seconds": 250, "stays": stays}
    assert vendor.post("//@anew/__mock__/faults", rule).status == 201

    async def reset() -> None:
        waiting = asyncio.create_task(
            _asked_and_left(app, "/@anew/public/v1/billing/journals", json.dumps(NEW).encode())
        )
        await asyncio.sleep(0.01)
        assert vendor.post("//@anew/__mock__/reset").status == 200
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(waiting, 20)

    asyncio.run(reset())
    assert [fingerprint(each) for each in app.sandbox("anew").worlds.values()] == seed
    assert vendor.get("//@anew/__mock__/journal").json["requests"] == []
    assert len(vendor.get("//@anew/__mock__/faults").json["faults"]) == stays
    vendor.delete("//@anew/__mock__/faults")


def test_what_stays_delays_the_calls_after_a_reset_and_lets_them_go_when_it_is_off() -> None:
    faults = made({"kind": "latency", "seconds": 250, "stays": True})
    faults.reset()

    async def relieved(strike: Strike) -> None:
        waiting = asyncio.create_task(strike.wait())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        faults.clear()
        await asyncio.wait_for(waiting, 20)

    strike = call(faults)
    assert strike is not None
    asyncio.run(relieved(strike))
    assert not strike.drop


def test_a_slow_answer_comes_at_once_when_its_rule_is_switched_off() -> None:
    faults = made({"kind": "slow", "bytesPerSecond": 100})
    body = bytes(range(250)) * 40
    pieces: list[bytes] = []

    async def send(message: Any) -> None:
        pieces.append(message.get("body", b""))
        if len(pieces) == 3:
            faults.clear()

    strike = call(faults)
    assert strike is not None
    asyncio.run(asyncio.wait_for(deliver(send, {"method": "GET"}, Reply(200, body), strike), 20))
    assert [len(each) for each in pieces] == [0, 10, 10, len(body) - 20]
    assert b"".join(pieces) == body


def test_a_call_that_waits_when_the_server_ends_is_ended_in_silence(app: MockServer, vendor: Client) -> None:
    assert vendor.post("//@ends/__mock__/faults", {"kind": "latency", "seconds": 60}).status == 201

    async def ended() -> None:
        task = asyncio.create_task(_asked_and_left(app, "/@ends/public/v1/billing/journals", b"{}"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(ConnectionResetError):  # as any dropped call, where no server is
            await task

    asyncio.run(ended())


async def _asked_and_left(app: MockServer, path: str, body: bytes) -> None:
    """A POST whose client goes away once it has sent all of it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return left.pop() if left else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    headers = {"authorization": "Bearer vendor-token", "content-type": "application/json"}
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()]
        + [(b"content-length", b"%d" % len(body))],
    }
    await app(scope, receive, send)


def test_a_stale_reading_shows_what_was_before_the_last_change(app: MockServer, vendor: Client) -> None:
    first = vendor.get(DRAFT).content
    vendor.put(DRAFT, {"name": "Second"})
    second = vendor.get(DRAFT).content
    vendor.put(DRAFT, {"name": "Third"})
    after = fingerprint(app.world)
    on(vendor, kind="stale")
    assert first != second
    assert [vendor.get(DRAFT).content for _ in range(2)] == [second, second]
    assert vendor.put(DRAFT, {"name": "Fourth"}).json["name"] == "Fourth"
    assert vendor.get(DRAFT).json["name"] == "Third"
    vendor.delete("//__mock__/faults")
    assert vendor.get(DRAFT).json["name"] == "Fourth"
    assert fingerprint(app.world) != after


def test_what_was_just_created_or_deleted_is_not_yet_seen_to_be(vendor: Client) -> None:
    def listed() -> set[str]:
        return {each["id"] for each in vendor.get("/journals?limit=1000").json["data"]}

    created = vendor.post("/journals", NEW).json["id"]
    on(vendor, kind="stale")
    assert vendor.get(f"/journals/{created}").status == 404
    assert created not in listed()
    assert vendor.delete(f"/journals/{created}").status == 204
    assert vendor.get(f"/journals/{created}").status == 200
    assert created in listed()
    vendor.delete("//__mock__/faults")
    assert vendor.get(f"/journals/{created}").status == 404
    assert created not in listed()


def test_nothing_of_a_stale_reading_is_kept(app: MockServer, vendor: Client, operations: Client) -> None:
    vendor.put(DRAFT, {"name": "Second"})
    before = fingerprint(app.world)
    on(vendor, kind="stale")
    for path in (DRAFT, "/journals", f"{DRAFT}/charges", "/journals/BJO-0000-0000", "/ledgers?limit=3", "/statements"):
        operations.get(path)
    assert fingerprint(app.world) == before
    vendor.delete("//__mock__/faults")
    assert vendor.get(DRAFT).json["name"] == "Second"


def test_refusals_of_stale_readings_are_told_apart_as_others_are(vendor: Client) -> None:
    on(vendor, kind="stale", count=2)
    assert len({vendor.get("/journals/BJO-0000-0000").json["traceId"] for _ in range(4)}) == 4


def test_a_stale_reading_after_a_reset_shows_the_seed(app: MockServer, vendor: Client) -> None:
    seed = vendor.get(DRAFT).content
    vendor.put(DRAFT, {"name": "Second"})
    vendor.put(DRAFT, {"name": "Third"})
    vendor.post("//__mock__/reset")
    on(vendor, kind="stale")
    assert vendor.get(DRAFT).content == seed


def rating(processing: str) -> tuple[MockServer, Client, str]:
    """A server on which a ledger is being rated: who did it, and the path of the ledger."""
    app = create_app("billing", processing=processing)
    operations = Client(app, app.token("operations"))
    id = next(row.record["id"] for row in app.world.layer.all("Ledger") if row.record["status"] == "Review")
    assert operations.post(f"/ledgers/{id}/recalculate").json["status"] == "Rating"
    return app, operations, f"/ledgers/{id}"


@pytest.mark.parametrize("processing", ["immediate", "reads:1"])
def test_a_stale_reading_runs_no_job_and_counts_as_none(processing: str) -> None:
    app, operations, path = rating(processing)
    before = fingerprint(app.world)
    on(operations, kind="stale", count=3)
    assert [operations.get(path).json["status"] for _ in range(3)] == ["Review"] * 3
    assert fingerprint(app.world) == before
    assert len(operations.get("//__mock__/jobs").json["jobs"]) == 1


def test_a_job_that_is_due_is_left_to_a_request_that_is_not_stale() -> None:
    app, operations, path = rating("after:60")
    assert Client(app, app.token("vendor")).put(DRAFT, {"name": "Second"}).status == 200
    app.world.clock.freeze()
    app.world.clock.advance(timedelta(minutes=2))
    before = fingerprint(app.world)
    on(operations, kind="stale", count=1)
    assert operations.get(path).json["status"] == "Rating"
    assert fingerprint(app.world) == before
    assert operations.get(path).json["status"] == "Review"


def test_a_reading_is_no_change_that_a_stale_one_could_take_back() -> None:
    _, operations, path = rating("reads:9")
    assert operations.get(path).json["status"] == "Rating"
    on(operations, kind="stale")
    assert operations.get(path).json["status"] == "Review"


def test_a_job_in_the_past_is_not_read_nearer_to_its_end_and_nobody_keeps_it() -> None:
    app, operations, path = rating("reads:2")
    assert Client(app, app.token("vendor")).put(DRAFT, {"name": "Second"}).status == 200
    told: list[object] = []
    app.world.keeper = lambda *said: told.append(said)
    on(operations, kind="stale", count=5)
    assert [operations.get(path).json["status"] for _ in range(5)] == ["Rating"] * 5
    assert told == []
    assert [operations.get(path).json["status"] for _ in range(3)] == ["Rating", "Rating", "Review"]
    assert told


# On the wire


async def _delivered(reply: Reply, strike: Strike, method: str = "GET") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await deliver(send, {"method": method}, reply, strike)
    except ConnectionResetError:
        sent.append({"type": "reset"})
    return sent


@pytest.mark.parametrize(
    ("strike", "reply", "method", "types", "content"),
    [
        (Strike(drop=True), Reply(200, b"12345678"), "GET", ["reset"], b""),
        (Strike(cut=0.5), Reply(200, b"12345678"), "GET", ["start", "body", "reset"], b"1234"),
        (Strike(cut=0.99), Reply(200, b"1"), "GET", ["start", "body", "reset"], b""),
        (Strike(cut=0.5), Reply(204, b"", None), "DELETE", ["reset"], b""),
        (Strike(cut=0.5), Reply(200, b"12345678"), "HEAD", ["reset"], b""),
        (Strike(rate=1000), Reply(200, b"12"), "GET", ["start", "body"], b"12"),
        (Strike(rate=10), Reply(200, b"12"), "GET", ["start", "body", "body"], b"12"),
        (Strike(rate=1), Reply(200, b"12"), "HEAD", ["start", "body"], b""),
        (Strike(rate=1), Reply(204, b"", None), "GET", ["start", "body"], b""),
        (Strike(delays=[(1, Switch())]), Reply(200, b"12"), "GET", ["start", "body"], b"12"),
    ],
)
def test_without_a_connection_to_close_an_answer_is_broken_off_all_the_same(
    strike: Strike, reply: Reply, method: str, types: list[str], content: bytes
) -> None:
    sent = asyncio.run(_delivered(reply, strike, method))
    assert [each["type"].rpartition(".")[2] for each in sent] == types
    assert b"".join(each.get("body", b"") for each in sent) == content
    if types[-1] == "body":
        assert not sent[-1].get("more_body", False)
    if types[0] == "start" and reply.status != 204:
        assert (b"content-length", b"%d" % len(reply.body)) in sent[0]["headers"]


def test_no_slow_answer_takes_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def pause(switch: Switch, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(Switch, "pause", pause)
    sent = asyncio.run(_delivered(Reply(200, b"x" * 1_000_000), Strike(rate=1)))
    assert sum(slept) == pytest.approx(300)
    assert len(sent) < 3_100


class Connection:
    """A request as uvicorn knows it, which tells what became of its connection."""

    def __init__(self, *, stays: int = 100) -> None:
        self.transport = self
        self.disconnected = False
        self.heard: list[str] = []
        self._stays = stays

    async def send(self, message: Any) -> None:
        self.heard.append(message["type"].rpartition(".")[2])
        self.disconnected = len(self.heard) >= self._stays

    def close(self) -> None:
        self.heard.append("close")

    def abort(self) -> None:
        self.heard.append("abort")


@pytest.mark.parametrize(
    ("strike", "stays", "heard"),
    [
        (Strike(drop=True), 100, ["abort"]),
        # Closed, not aborted: what was written and is not yet on its way must still arrive.
        (Strike(cut=0.5), 100, ["start", "body", "close"]),
        (Strike(rate=1000), 3, ["start", "body", "body"]),
    ],
)
def test_a_connection_is_closed_as_the_fault_wants_it_and_not_written_to_when_it_is_gone(
    strike: Strike, stays: int, heard: list[str]
) -> None:
    connection = Connection(stays=stays)
    asyncio.run(deliver(connection.send, {"method": "GET"}, Reply(200, b"x" * 1_000), strike))
    assert connection.heard == heard
    assert connection.disconnected


PROTOCOLS: list[Any] = ["httptools", "h11", connections.Connection]
SERVERS = [(protocol, loop) for loop in ("asyncio", "uvloop") for protocol in PROTOCOLS]


@pytest.fixture(scope="module", params=SERVERS, ids=lambda each: f"{getattr(each[0], '__name__', each[0])}-{each[1]}")
def address(built: MockServer, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The application behind a real server, on a free port of the loopback."""
    protocol, loop = request.param
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        built, http=protocol, loop=loop, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[:2]
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def wire(address: tuple[str, int], app: MockServer) -> Iterator[httpx.Client]:
    """A client of the server, of whose own pages it asks as of the APIs'."""
    headers = {"Authorization": f"Bearer {app.token('vendor')}"}
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", headers=headers, timeout=20, trust_env=False) as it:
        yield it
        it.delete("/__mock__/faults")


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the server says of itself on its terminal."""
    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, logger = Heard(), logging.getLogger("uvicorn.error")
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


def switch(wire: httpx.Client, **rule: Any) -> None:
    assert wire.post("/__mock__/faults", json=rule).status_code == 201


def test_a_dropped_connection_is_seen_as_one(wire: httpx.Client, complaints: list[str]) -> None:
    switch(wire, kind="drop", operation="listJournals", count=2)
    for _ in range(2):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            wire.get(f"{BASE}/journals")
    assert wire.get(f"{BASE}/journals").status_code == 200
    assert complaints == []


def test_a_dropped_upload_is_seen_as_one_and_done_where_only_the_answer_is_lost(
    wire: httpx.Client, complaints: list[str]
) -> None:
    total = wire.get(f"{BASE}/journals").json()["$meta"]["pagination"]["total"]
    switch(wire, kind="drop", method="POST", count=1)
    switch(wire, kind="drop", method="POST", count=1, lost=True)
    for _ in range(2):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
            wire.post(f"{BASE}/journals", json=NEW)
    assert wire.get(f"{BASE}/journals").json()["$meta"]["pagination"]["total"] == total + 1
    assert complaints == []


@pytest.mark.parametrize("part", [0, 0.25, 0.999])
def test_a_cut_body_says_how_long_it_was_to_be(
    wire: httpx.Client, address: tuple[str, int], complaints: list[str], part: float
) -> None:
    whole = wire.get(f"{BASE}/journals?limit=1000").content
    switch(wire, kind="cut", part=part, count=2)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        wire.get(f"{BASE}/journals?limit=1000")
    connection = http.client.HTTPConnection(*address, timeout=20)
    connection.request("GET", f"{BASE}/journals?limit=1000", headers=dict(wire.headers) | {"Accept-Encoding": ""})
    answer = connection.getresponse()
    assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(whole))
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert caught.value.partial == whole[: int(len(whole) * part)]
    connection.close()
    assert wire.get(f"{BASE}/journals?limit=1000").content == whole
    assert complaints == []


def test_a_slow_body_is_whole_and_takes_its_time(wire: httpx.Client) -> None:
    whole = wire.get(f"{BASE}{DRAFT}").content
    switch(wire, kind="slow", bytesPerSecond=len(whole) * 2, count=1)
    begun = time.monotonic()
    with wire.stream("GET", f"{BASE}{DRAFT}") as answer:
        pieces = list(answer.iter_raw())
    assert b"".join(pieces) == whole
    assert len(pieces) > 2
    assert time.monotonic() - begun >= 0.45
    assert wire.get(f"{BASE}{DRAFT}").content == whole


def test_whoever_waits_keeps_nobody_waiting(wire: httpx.Client) -> None:
    switch(wire, kind="latency", seconds=1.5, operation="listJournals", count=1)
    taken: list[float] = []
    begun = time.monotonic()

    def wait() -> None:
        assert httpx.get(f"{wire.base_url}{BASE}/journals", headers=wire.headers, trust_env=False).status_code == 200
        taken.append(time.monotonic() - begun)

    thread = threading.Thread(target=wait)
    thread.start()
    while not wire.get("/__mock__/faults").json()["faults"][0]["struck"]:
        pass
    assert wire.get(f"{BASE}{DRAFT}").status_code == 200
    others = time.monotonic() - begun
    thread.join(20)
    assert taken[0] >= 1.5 > others


def test_a_client_that_leaves_a_slow_answer_hurts_nobody(
    wire: httpx.Client, address: tuple[str, int], complaints: list[str]
) -> None:
    switch(wire, kind="slow", bytesPerSecond=100, count=1)
    with socket.create_connection(address, timeout=5) as connection:
        token = wire.headers["Authorization"]
        connection.sendall(f"GET {BASE}{DRAFT} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode())
        assert connection.recv(20).startswith(b"HTTP/1.1 200")
    assert wire.get(f"{BASE}{DRAFT}").status_code == 200
    assert complaints == []


def test_headers_that_a_rule_may_have_reach_the_client(wire: httpx.Client) -> None:
    headers = {"X-Empty": "", "X-Odd!#$%&'*+.^_`|~": "a\tb c", "Set-Cookie": "a=b; Path=/"}
    switch(wire, kind="status", status=599, body={"a": 1}, headers=headers, count=1)
    answer = wire.get(f"{BASE}/journals")
    assert (answer.status_code, json.loads(answer.content)) == (599, {"a": 1})
    assert {name: answer.headers[name] for name in headers} == headers
