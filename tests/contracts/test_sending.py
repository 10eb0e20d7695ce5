"""How calls leave a run: counted, paced, repeated when told to come later, and ended when nobody knows the tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from contracts.sending import LONGEST, PATIENCE, REFUSED, Sender, Stopped
from contracts.target import nothing
from contracts.wire import Answer, Caller, Request

VENDOR = Caller("vendor", "billing", "vendor", "s3cret-token")
READ = Request("GET", "/journals")


class Scripted:
    """A target that answers what it was told to, the last of it for ever."""

    address = "http://127.0.0.1:1"

    def __init__(self, *answers: tuple[int, Mapping[str, str]]) -> None:
        self.answers, self.got = list(answers), []

    def send(self, request: Request, meanwhile: Callable[[], None] = nothing) -> Answer:
        self.got.append(request)
        status, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Answer(status, headers, b"{}")

    def at_once(self, requests: Sequence[Request]) -> list[Answer]:
        return [self.send(request) for request in requests]

    def close(self) -> None: ...


def call(sender: Sender, caller: Caller = VENDOR) -> int:
    return sender.send(READ, caller, api="billing", operation="listJournals", check="c", safety="read").status


def test_no_call_leaves_beyond_the_budget() -> None:
    target = Scripted((200, {}))
    sender = Sender(target, budget=3)
    for _ in range(3):
        call(sender)
    with pytest.raises(Stopped, match=r"budget of 3 requests is used up; raise --budget"):
        call(sender)
    assert len(target.got) == 3


def test_what_cleaning_up_needs_is_kept_back_from_the_budget() -> None:
    sender = Sender(Scripted((200, {})), budget=5)
    sender.spare = 3
    call(sender), call(sender)
    with pytest.raises(Stopped):
        call(sender)
    sender.spare = 0
    assert [call(sender) for _ in range(3)] == [200, 200, 200]


def test_calls_are_paced_by_the_rate() -> None:
    slept: list[float] = []
    sender = Sender(Scripted((200, {})), rate=10, sleep=slept.append)
    for _ in range(4):
        call(sender)
    # Nobody really slept, so each wait is one tenth longer than the last.
    assert [round(each, 1) for each in slept] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_is_repeated_after_the_seconds_that_the_target_asks_for(status: int) -> None:
    slept: list[float] = []
    target = Scripted((status, {"retry-after": "2"}), (200, {}))
    assert call(Sender(target, sleep=slept.append)) == 200
    assert slept == [2.0]
    assert len(target.got) == 2


def test_repeats_count_against_the_budget_and_come_to_an_end() -> None:
    target = Scripted((429, {"retry-after": "0"}))
    sender = Sender(target, sleep=lambda _: None)
    assert call(sender) == 429
    assert sender.count == len(target.got) == PATIENCE + 1


def test_a_target_that_wants_a_long_rest_ends_the_run() -> None:
    with pytest.raises(Stopped, match="come back in 3600 s"):
        call(Sender(Scripted((503, {"retry-after": "3600"}))))
    assert LONGEST < 3600


def test_a_retry_after_that_is_no_time_is_no_reason_to_wait() -> None:
    assert call(Sender(Scripted((429, {"retry-after": "soon"})))) == 429


def test_a_date_is_a_time_to_come_back() -> None:
    slept: list[float] = []
    target = Scripted((503, {"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}), (200, {}))
    assert call(Sender(target, sleep=slept.append)) == 200
    assert slept == [0.0]


def test_a_mass_of_401_ends_the_run_with_one_line_that_names_the_caller() -> None:
    sender = Sender(Scripted((401, {})))
    for _ in range(REFUSED - 1):
        call(sender)
    with pytest.raises(Stopped) as caught:
        call(sender)
    assert str(caught.value).startswith(f"vendor: {REFUSED} calls, all answered 401; the token is wrong or has expired")
    assert "s3cret" not in str(caught.value)


def test_a_caller_who_was_let_in_once_may_be_refused_later() -> None:
    sender = Sender(Scripted((200, {}), (401, {})))
    assert [call(sender) for _ in range(REFUSED + 3)][-1] == 401


@pytest.mark.parametrize("kind", ["nobody", "garbage", "expired"])
def test_strangers_are_meant_to_be_refused(kind: str) -> None:
    sender = Sender(Scripted((401, {})))
    stranger = Caller(kind, "billing", "", None if kind == "nobody" else "x", kind=kind)
    assert {call(sender, stranger) for _ in range(REFUSED + 3)} == {401}


def test_the_wire_log_has_a_line_a_call_and_no_token(tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    sender = Sender(Scripted((200, {})), wire=wire)
    call(sender)
    sender.close()
    (line,) = wire.read_text().splitlines()
    assert "s3cret" not in line
    said = json.loads(line)
    assert (said["method"], said["target"], said["caller"], said["safety"]) == ("GET", "/journals", "vendor", "read")


def test_the_token_goes_out_and_stays_out_of_what_is_kept() -> None:
    target = Scripted((200, {}))
    exchange = Sender(target).send(READ, VENDOR, api="billing", operation="", check="", safety="read")
    assert target.got[0].headers["authorization"] == "Bearer s3cret-token"
    assert "authorization" not in exchange.request.headers
    assert "s3cret" not in repr(exchange)
