"""What Schemathesis judges and generates: each breach told once and by its place, and silence on a sound server."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts import oracle
from contracts.conformance.accepted import ROWS, accepted
from contracts.conformance.generating import Cases, can_be_wrong, changed, grafted
from contracts.drawing import drawn
from contracts.oracle import Oracle, Reading
from contracts.target import InProcess
from contracts.wire import Answer, Caller, Exchange, Request
from mockserver import MockServer
from specs.tables import load, names
from tests.contracts.driver import silent, told, verify
from tests.faulty import DEFECTS

Sound = Callable[..., MockServer]
BASE = "/public/v1/billing"
READS, WRITES, IDS = "conformance.reads", "conformance.writes", "conformance.ids"


def answer(app: MockServer, operation: str, path: str, spoil: Callable[[Any], Any] | None = None) -> Exchange:
    """What billing answers, with its body spoilt."""
    target = InProcess(app)
    caller = Caller("operations", "billing", "operations", app.token("operations"))
    request = Request("GET", BASE + path, "", {"authorization": f"Bearer {caller.token}"})
    came = target.send(request)
    target.close()
    if spoil is not None:
        body = json.loads(came.content)
        spoil(body)
        came = Answer(came.status, came.headers, json.dumps(body).encode())
    return Exchange(1, "billing", operation, caller, request, came, "test", "read")


def put(*way: Any) -> Callable[[Any], None]:
    """Set the member at the end of a way, or take it away where the last of it is None."""

    def spoil(body: Any) -> None:
        *steps, name, value = way
        for step in steps:
            body = body[step]
        if value is None:
            del body[name]
        else:
            body[name] = value

    return spoil


LIST, ONE, NONE = (
    ("listJournals", "/journals"),
    ("listInvoices", "/invoices"),
    ("getJournal", "/journals/BJO-0000-0000"),
)


@pytest.mark.parametrize(
    ("where", "spoil", "subject"),
    [
        (LIST, put("data", 2, "status", "Nix"), "Journal status"),
        (LIST, put("data", 0, "id", None), "Journal id"),
        (LIST, put("data", 1, "vendor", "id", 7), "AccountRef id"),
        (LIST, put("$meta", "pagination", "total", None), "Pagination total"),
        (ONE, put("$meta", "pagination", "total", None), "Pagination total"),
        (NONE, put("title", None), "Problem title"),
    ],
)
def test_a_broken_body_is_told_by_the_member_of_its_component(
    sound_of: Sound, where: tuple[str, str], spoil: Any, subject: str
) -> None:
    oracle = Oracle(load("billing"))
    (breach,) = oracle.judge(answer(sound_of("billing"), *where, spoil))
    assert (breach.code, breach.subject, breach.operation) == ("S304", subject, where[0])


def test_what_several_operations_share_is_broken_once(sound_of: Sound) -> None:
    oracle, spoil = Oracle(load("billing")), put("$meta", "pagination", "total", None)
    (first,) = oracle.judge(answer(sound_of("billing"), *LIST, spoil))
    (second,) = oracle.judge(answer(sound_of("billing"), *ONE, spoil))
    assert (second.code, second.subject, second.operation) == (first.code, first.subject, "listJournals")


def test_a_body_that_is_right_for_one_answer_is_looked_at_anew_where_another_has_it(sound_of: Sound) -> None:
    journals, invoices = (answer(sound_of("billing"), *each) for each in (LIST, ONE))
    judge = Oracle(load("billing")).judge
    assert [*judge(journals), *judge(invoices)] == []
    (breach,) = judge(replace(invoices, answer=journals.answer))
    assert (breach.code, breach.subject.partition(" ")[0], breach.operation) == ("S304", "Invoice", "listInvoices")


def test_bodies_that_were_right_are_known_to_the_next_run_and_bounded(
    sound_of: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle.reading.cache_clear()
    exchanges = [answer(sound_of("billing"), *each) for each in (LIST, ONE, NONE)]
    looked: list[Answer] = []
    is_kept = oracle.Documented.is_kept
    monkeypatch.setattr(oracle, "BODIES", 2)

    def noted(documented: Any, came: Answer) -> bool:
        looked.append(came)
        return is_kept(documented, came)

    monkeypatch.setattr(oracle.Documented, "is_kept", noted)
    for each in (exchanges[0], exchanges[1], exchanges[1], exchanges[0], exchanges[2], exchanges[0]):
        assert list(Oracle(load("billing")).judge(each)) == []
    assert looked == [exchanges[at].answer for at in (0, 1, 2, 0)]


@pytest.mark.parametrize(
    ("change", "code", "subject"),
    [
        ({"status": 418}, "S301", "418"),
        ({"headers": {"content-type": "text/html"}}, "S302", "text/html"),
        ({"headers": {}}, "S302", "no content type"),
        ({"content": b"{"}, "S304", "200 JSON deserialization error"),
        ({"status": 503}, "S305", "503"),
    ],
)
def test_other_breaches_are_told_by_what_came(sound_of: Sound, change: dict[str, Any], code: str, subject: str) -> None:
    exchange = answer(sound_of("billing"), *LIST)
    broken = replace(exchange, answer=replace(exchange.answer, **change))
    (breach,) = Oracle(load("billing")).judge(broken)
    assert (breach.code, breach.subject) == (code, subject)


def test_stray_settings_of_schemathesis_are_not_read(
    sound_of: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schemathesis.toml").write_text("nothing = 'like this'\n")
    monkeypatch.chdir(tmp_path)
    assert list(Oracle(load("billing")).judge(answer(sound_of("billing"), *LIST))) == []


def test_generated_readings_find_nothing_and_are_few(sound_app: MockServer, tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    result = verify(sound_app, *names(), only=[READS, IDS], seed=4, wire=wire)
    assert silent(result) == []
    assert result.requests <= 1500
    assert {json.loads(line)["method"] for line in wire.read_text().splitlines()} == {"GET"}
    assert {id for _, id in result.statuses} >= {
        each.id for name in names() for each in load(name).operations.values() if each.method == "GET"
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("mode", ["own", "full"])
@pytest.mark.parametrize("api", names())
def test_generated_writes_find_nothing(sound_of: Sound, api: str, mode: str, seed: int) -> None:
    result = verify(sound_of(api), api, mode=mode, only=[WRITES, IDS], seed=seed)
    assert told(result.findings) == []
    assert [each for each in result.unchecked if each.fatal] == []


def test_an_own_run_generates_nothing_that_lasts(sound_of: Sound) -> None:
    result = verify(sound_of("billing"), "billing", mode="own", only=[WRITES, "operation:createInvoices"])
    assert [each.reason for each in result.unchecked] == ["createInvoices: nothing takes it back; needs --mode full"]
    assert sum(each.requests for each in result.checks) == 0


def test_nothing_is_written_into_the_working_directory(
    sound_of: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = sound_of("accounts")
    monkeypatch.chdir(tmp_path)
    verify(app, "accounts", mode="full", only=["conformance.*"])
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_sends_the_same(sound_of: Sound, tmp_path: Path) -> None:
    sent = []
    for name in ("one", "two"):
        wire = tmp_path / name
        verify(sound_of("credits"), "credits", only=[READS, "operation:fetchMultiplePayments"], seed=9, wire=wire)
        sent.append([json.loads(line)["target"] for line in wire.read_text().splitlines()])
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("name", "check", "code", "subject"),
    [
        ("name-not-needed", WRITES, "S306", "name required"),
        ("name-may-be-number", WRITES, "S306", "name type"),
        ("negative-payment", WRITES, "S306", "amount minimum"),
        ("thirds-of-cents", WRITES, "S306", "amount multipleOf"),
        ("sorts-unknown", READS, "S306", "sorts enum"),
        ("null-refused", WRITES, "S307", "notes null"),
    ],
)
def test_a_planted_mistake_of_validation_is_told_by_its_place(name: str, check: str, code: str, subject: str) -> None:
    defect = next(each for each in DEFECTS if each.name == name)
    result = verify(defect.plant(), defect.api, mode="full", only=[check, f"operation:{defect.at}"])
    assert {(each.code, each.operation) for each in result.findings} == {(code, defect.at)}, told(result.findings)
    assert subject in {each.subject for each in result.findings}, told(result.findings)


def test_ids_of_another_form_are_told_of_what_makes_them() -> None:
    defect = next(each for each in DEFECTS if each.name == "id-of-another-form")
    result = verify(defect.plant(), "billing", mode="own", only=[WRITES, IDS, "entity:CustomLedger"])
    (found,) = result.findings
    assert (found.code, found.operation, found.subject) == ("S310", "createCustomLedger", "CustomLedger")


def test_a_header_of_a_redirection_is_asked_for() -> None:
    defect = next(each for each in DEFECTS if each.name == "location-missing")
    result = verify(defect.plant(), "billing", only=[READS, "operation:getJournalAttachment"])
    assert [(each.code, each.subject) for each in result.findings] == [("S303", "Location")]


@pytest.mark.parametrize(
    ("sound", "before", "after", "made"),
    [
        ({"a": 1, "b": 2}, {"a": 5, "b": 6}, {"a": "x", "b": 6}, {"a": "x", "b": 2}),
        ({"a": 1, "b": 2}, {"a": 5, "b": 6}, {"b": 6}, {"b": 2}),
        ({"a": {"id": 1, "c": 2}}, {"a": {"id": 9}}, {"a": {"id": 0}}, {"a": {"id": 0, "c": 2}}),
        ({"a": 1}, {"a": 5, "d": 1}, {"a": 5, "d": 2}, {"a": 1, "d": 2}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, {"a": [{"b": None}]}, {"a": [{"b": None}]}),
        ({"a": 1}, {"a": 5}, [], []),
        ({"a": 1}, {"a": 1}, {"a": True}, {"a": True}),
    ],
)
def test_what_was_changed_is_changed_in_a_sound_body(sound: Any, before: Any, after: Any, made: Any) -> None:
    assert json.dumps(grafted(sound, before, after)) == json.dumps(made)


def test_the_way_to_a_change_is_as_deep_as_both_have_it() -> None:
    assert changed({"a": {"b": 1}}, {"a": {"b": 2}}) == ("a", "b")
    assert changed({"a": {"b": 1}}, {"a": 7}) == ("a",)
    assert changed({"a": [{"b": 1}]}, {"a": [{"b": 2}]}) == ("a", "0", "b")
    assert changed({"a": 1}, {"a": 1}) == ()


def test_every_accepted_failure_is_of_an_api_and_has_a_reason() -> None:
    assert {row["api"] for row in ROWS} <= set(names())
    assert all(row["reason"] and row["code"] in ("ST201", "ST202") for row in ROWS)


@pytest.mark.parametrize(("text", "is_right"), [("", True), ("a name", False)])
def test_a_text_beside_a_file_is_accepted_only_where_it_is_empty(text: str, is_right: bool) -> None:
    broken = "- violates `type` at /properties/attachment/anyOf/0 (was object, became string)"
    failure = SimpleNamespace(code="ST201", message=f"Invalid component: in body\n  {broken}")
    case = SimpleNamespace(
        operation=SimpleNamespace(label="POST /credit-memos/{id}/attachments"),
        body={"file": "", "attachment": text},
        query={},
    )
    answer = SimpleNamespace(status_code=201, content=b'{"name":"file","type":"Attachment","filename":"file"}')

    assert (accepted("billing", failure, case, answer) is not None) is is_right


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "with blanks"])
def test_a_right_refusal_is_known_however_its_json_is_written(separators: tuple[str, str]) -> None:
    failure = SimpleNamespace(code="ST202", message="")
    case = SimpleNamespace(
        operation=SimpleNamespace(label="PATCH /billing/acme/invoices/{locator}/reverse"), body={}, query={}
    )
    body = {"status": 400, "message": "Cannot reverse when draft; from draft: discard, validate"}
    answer = SimpleNamespace(status_code=400, content=json.dumps(body, separators=separators).encode())

    row = accepted("credits", failure, case, answer)

    assert row is not None and row["name"] == "state-is-400"


def test_a_refusal_that_is_no_json_is_matched_as_it_came() -> None:
    failure = SimpleNamespace(code="ST202", message="")
    case = SimpleNamespace(operation=SimpleNamespace(label="POST /auth/users/tokens"), body={}, query={})
    answer = SimpleNamespace(status_code=400, content=b"There are 3 access tokens, which is the most.")

    row = accepted("credits", failure, case, answer)

    assert row is not None and row["name"] == "tokens-are-few"


# What is judged quickly


def spoilt(came: Answer) -> list[Answer]:
    """An answer as it came, and as it should not have come."""
    bodies = [b"", b"{", b"[]", b"null", b"{}", came.content + b" ", came.content.replace(b'":', b'x":', 1)]
    bodies += [
        came.content.replace(b'"', b"'"),
        came.content.decode("latin-1").encode("utf-16"),
        b"\xef\xbb\xbf" + came.content,
    ]
    heads = [{}, {"content-type": "text/html"}, {"content-type": "application/json; charset=latin-1"}]
    return [
        came,
        *(replace(came, content=body) for body in bodies),
        *(replace(came, headers=headers) for headers in heads),
        *(replace(came, status=status) for status in (200, 204, 401, 418)),
    ]


@pytest.mark.parametrize("api", names())
def test_answers_are_judged_alike_whether_most_of_them_are_judged_quickly_or_none(
    sound_of: Sound, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[tuple[str, int, str], Exchange] = {}
    judge, quickly = Oracle.judge, Reading._is_as_documented

    def noted(oracle: Oracle, exchange: Exchange) -> Any:
        seen.setdefault((exchange.operation, exchange.status, exchange.answer.media), exchange)
        return judge(oracle, exchange)

    monkeypatch.setattr(Oracle, "judge", noted)
    verify(sound_of(api), api, mode="full", only=["access.allowed", "order.*", "strangers.*", "validation.accepted"])
    assert len({operation for operation, _, _ in seen}) > 4
    quick, whole = Oracle(load(api)), Oracle(load(api))
    cases = [replace(each, answer=came) for each in list(seen.values())[:40] for came in spoilt(each.answer)]
    found = [[list(judge(quick, each)) for each in cases] for _ in range(2)]
    monkeypatch.setattr(Reading, "_is_as_documented", lambda reading, exchange: False)
    assert found[0] == found[1] == [list(judge(whole, each)) for each in cases]
    assert sum(quickly(quick._reading, each) for each in cases) > len(cases) / 20


@pytest.mark.parametrize("api", names())
def test_where_nothing_can_be_wrong_nothing_wrong_is_found(api: str) -> None:
    from schemathesis import GenerationMode

    operations = Oracle(load(api)).operations
    right = [each for each in operations.values() if not can_be_wrong(each)]
    assert len(right) < len(operations) / 5
    for each in right:
        assert drawn(each.as_strategy(generation_mode=GenerationMode.NEGATIVE), 1, 1) == [], each.label


def test_chance_draws_only_what_is_taken_of_it() -> None:
    drawings = iter([["third", "fourth"]])
    cases = Cases(["first", "second"], lambda: next(drawings))
    assert (cases.first(1), cases.first(2)) == (["first"], ["first", "second"])
    assert len(list(copy(drawings))) == 1
    assert (cases.first(3), cases.first(9)) == (["first", "second", "third"], ["first", "second", "third", "fourth"])
