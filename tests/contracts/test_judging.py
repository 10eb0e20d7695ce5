"""When answers are judged: while the next call is under way, and never later than it would matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from contracts.findings import Finding
from contracts.oracle import Breach
from contracts.probe import Blocked, Probe
from contracts.registry import Check
from contracts.run import Running, running
from contracts.settings import Mode
from contracts.wire import Exchange
from mockserver import MockServer
from tests.contracts.driver import settings

JOURNALS = "/public/v1/billing/journals"
READING, WRITING = ("sent", "GET"), ("sent", "POST")


@contextmanager
def watched(app: MockServer) -> Iterator[tuple[Running, list[tuple[str, Any]]]]:
    """A run that writes, and what happens in it: which method is sent, and the status of which answer is judged.

    Each answer is found to break the spec.
    """
    with running(settings(app, "billing", mode="own")) as made:
        happened: list[tuple[str, Any]] = []
        oracle, target = made.probes["billing"].oracle, made.sender.target
        send = target.send

        def judge(exchange: Exchange) -> Iterator[Breach]:
            happened.append(("judged", exchange.status))
            yield Breach("S304", f"call {exchange.number}", "nothing right", exchange.operation)

        def sent(request: Any, meanwhile: Callable[[], None]) -> Any:
            happened.append(("sent", request.method))
            return send(request, meanwhile)

        oracle.judge, target.send = judge, sent  # type: ignore[method-assign]
        yield made, happened
        del oracle.judge, target.send


def test_an_answer_is_judged_once_the_next_reading_is_sent_and_before_any_write(sound_app: MockServer) -> None:
    with watched(sound_app) as (made, happened):
        p = made.probes["billing"]
        vendor = p.who("vendor")
        with p.judging_late():
            p.call("listJournals", vendor)
            p.call("getJournal", vendor, {"id": "BJO-0000-0000"})
            assert happened == [READING, READING, ("judged", 200)]
            p.call("createJournal", vendor, body={})
            assert happened[3:] == [("judged", 404), WRITING]
        assert happened[5:] == [("judged", 400)]


def test_outside_of_checks_an_answer_is_judged_at_once(sound_app: MockServer) -> None:
    with watched(sound_app) as (made, happened):
        made.probes["billing"].call("listJournals", made.probes["billing"].who("vendor"))
        assert happened == [READING, ("judged", 200)]


def test_what_is_found_is_told_of_its_own_case_and_before_what_the_check_makes_of_it(sound_app: MockServer) -> None:
    def look(p: Probe, case: str) -> Iterator[Finding]:
        exchange = p.call("listJournals", p.who("vendor"))
        yield p.finding("R201", exchange, expected="nothing", source="M", subject=case)
        p.call("listLedgers", p.who("operations"))

    check = Check("made.up", "nothing", ("R201",), Mode.READ_ONLY, look, lambda api: ["one", "two"])
    with watched(sound_app) as (made, _):
        for case in ("one", "two"):
            made.run(check, made.probes["billing"].api, case)
    assert [(each.case, each.code, each.operation) for each in made.result.findings] == [
        (case, *found)
        for case in ("one", "two")
        for found in (("S304", "listJournals"), ("R201", "listJournals"), ("S304", "listLedgers"))
    ]


def test_a_server_that_fails_is_judged_at_once(sound_app: MockServer) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") == JOURNALS:
            raise RuntimeError
        await sound_app(scope, receive, send)

    with watched(failing) as (made, happened):  # type: ignore[arg-type]  # an application is all that is asked for
        p = made.probes["billing"]
        with p.judging_late():
            with pytest.raises(Blocked, match="listJournals failed with 500"):
                p.call("listJournals", p.who("vendor"))
            assert happened == [READING, ("judged", 500)]
