"""Slips in what the server's own pages are asked: each is told with what there is, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mockserver import MockServer, control, create_app
from tests.driver import Client

VERIFY = "//__mock__/journal/verify"
FORMS = "is none; say one, such as 404, or a class of them: 1xx, 2xx, 3xx, 4xx, 5xx."


@pytest.fixture(scope="module")
def whole() -> MockServer:
    return create_app("billing")


@pytest.fixture
def anyone(whole: MockServer) -> Iterator[Client]:
    """Somebody who asks the server, where the vendor has listed the journals, and the client was not let."""
    for caller in ("vendor", "client"):
        Client(whole, whole.token(caller)).get("/journals")
    yield Client(whole, None)
    whole.sandbox("default").reset()


@pytest.mark.parametrize(
    "status", ["4x", "abc", "", "4xxx", "999", "4Xx", "٤٠٤", 99, 600, -404, 4.04, True, None, [404], {}]
)
def test_a_status_that_is_none_is_told_with_its_forms(anyone: Client, status: Any) -> None:
    answer = anyone.post(VERIFY, {"match": {"status": status}})
    assert (answer.status, answer.json["detail"]) == (400, f"Match.status: {str(status)!r} {FORMS}")
    assert list(answer.json["errors"]) == ["match.status"]


def test_a_status_that_is_none_filters_nothing(anyone: Client) -> None:
    answer = anyone.get("//__mock__/journal?status=4x")
    assert (answer.status, answer.json["detail"]) == (400, f"Status: '4x' {FORMS}")


@pytest.mark.parametrize(("status", "count"), [(200, 1), ("200", 1), ("2xx", 1), ("4XX", 1), (403, 1), ("5xx", 0)])
def test_a_status_is_one_or_a_class_in_small_letters_or_large(anyone: Client, status: Any, count: int) -> None:
    assert anyone.post(VERIFY, {"match": {"status": status}}).json["count"] == count
    assert anyone.get(f"//__mock__/journal?status={status}").json["total"] == count


@pytest.mark.parametrize(
    ("name", "slip", "meant"),
    [("operation", "listJournal", "listJournals"), ("caller", "vender", "vendor"), ("api", "biling", "billing")],
)
def test_a_filter_for_what_there_is_none_of_is_refused_as_it_is_in_a_verification(
    anyone: Client, name: str, slip: str, meant: str
) -> None:
    answer = anyone.get(f"//__mock__/journal?{name}={slip}")
    assert answer.json["detail"] == f"{name.capitalize()}: {slip!r}: did you mean {meant}?"
    answer = anyone.post(VERIFY, {"match": {name: slip}})
    assert answer.json["detail"] == f"Match.{name}: {slip!r}: did you mean {meant}?"


@pytest.mark.parametrize(
    ("match", "count"),
    [
        ({"operation": "list*"}, 2),
        ({"operation": "*Journals", "caller": "vend*"}, 1),
        ({"operation": "create*"}, 0),
        ({"caller": "*"}, 2),
        ({"api": "bill*", "role": "c*t"}, 1),
    ],
)
def test_a_star_stands_for_anything_in_names_too(anyone: Client, match: dict[str, str], count: int) -> None:
    assert anyone.post(VERIFY, {"match": match}).json["count"] == count
    query = "&".join(f"{name}={value}" for name, value in match.items())
    assert anyone.get(f"//__mock__/journal?{query}").json["total"] == count


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("faults", {"kind": "status", "opration": "x"}, "Body: has no 'opration'; did you mean operation? there are: "),
        ("faults", {"opration": "x"}, "Body: has no 'opration'; did you mean operation? there are: after, api, "),
        ("journal/verify", {"match": {"opration": "x"}}, "Match: has no 'opration'; did you mean operation? there are"),
        ("journal/verify", {"match": {}, "time": 1}, "Body: has no 'time'; did you mean times? there are: atLeast, "),
        ("clock/advance", {"second": 1}, "Body: has no 'second'; did you mean seconds? there are: by, seconds, to."),
        ("sandboxes", {"x" * 100_000: 1}, f"Body: has no '{'x' * 80}'; there are: name, scenario."),
    ],
)
def test_a_member_that_is_none_is_told_with_the_nearest(anyone: Client, path: str, body: Any, told: str) -> None:
    answer = anyone.post(f"//__mock__/{path}", body)
    assert answer.status == 400
    assert answer.json["detail"].startswith(told)


def test_of_many_members_that_are_none_the_first_is_told_at_once(
    anyone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def nearest(name: str, known: object) -> str:
        looked.append(name)
        return ""

    monkeypatch.setattr(control, "nearest", nearest)
    assert anyone.post("//__mock__/faults", {f"n{n}": n for n in range(10_000)}).status == 400
    assert looked == ["n0"]
