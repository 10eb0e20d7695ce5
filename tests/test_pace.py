"""When background work is done, as one sandbox is told while the server runs."""

from __future__ import annotations

import pytest

from mockserver import MockServer, create_app
from tests.driver import Client

JOURNAL = "/journals/BJO-1000-0014"


@pytest.fixture(scope="module")
def server() -> MockServer:
    return create_app("billing")


@pytest.fixture
def box(server: MockServer) -> Client:
    """Calls as operations, in a sandbox in which nothing has happened yet."""
    server.sandboxes.clear()
    return Client(server, f"{server.token('operations')}@box")


def processing(client: Client, said: object) -> int:
    return client.put("//@box/__mock__/processing", {"processing": said}).status


def status(client: Client) -> str:
    return str(client.get(JOURNAL).json["status"])


def test_manual_work_waits_for_its_release(box: Client) -> None:
    assert processing(box, "manual") == 200
    box.post(f"{JOURNAL}/accept")
    assert [status(box), status(box)] == ["Generating", "Generating"]
    box.post("//@box/__mock__/jobs/release")
    assert status(box) == "Generated"


def test_work_is_done_when_its_time_has_come(box: Client) -> None:
    assert processing(box, "after:2.5") == 200
    box.post(f"{JOURNAL}/accept")
    box.post("//@box/__mock__/clock/advance", {"seconds": 2})
    assert status(box) == "Generating"
    box.post("//@box/__mock__/clock/advance", {"seconds": 1})
    assert status(box) == "Generated"


def test_work_is_done_after_so_many_readings(box: Client) -> None:
    assert processing(box, "reads:2") == 200
    box.post(f"{JOURNAL}/accept")
    assert [status(box) for _ in range(3)] == ["Generating", "Generating", "Generated"]


@pytest.mark.parametrize("said", ["immediate", "manual", "after:2.5", "after:123456789", "reads:3"])
def test_it_is_told_as_it_was_said(box: Client, said: str) -> None:
    assert processing(box, said) == 200
    assert box.get("//@box/__mock__/processing").json == {"processing": said}


def test_no_reading_at_all_is_refused_with_what_would_do(box: Client) -> None:
    for said in ("reads:0", "reads:000"):
        refused = box.put("//@box/__mock__/processing", {"processing": said})
        assert (refused.status, "say reads:1, or immediate" in refused.json["detail"]) == (400, True)
    assert box.get("//@box/__mock__/processing").json == {"processing": "immediate"}


def test_a_reset_returns_to_the_servers_own_mode(box: Client) -> None:
    processing(box, "manual")
    box.post("//@box/__mock__/reset")
    assert box.get("//@box/__mock__/processing").json == {"processing": "immediate"}


def test_a_snapshot_returns_to_the_mode_of_its_time(box: Client) -> None:
    processing(box, "manual")
    box.post("//@box/__mock__/snapshots", {"name": "slow"})
    processing(box, "immediate")
    box.post("//@box/__mock__/snapshots/slow/restore")
    assert box.get("//@box/__mock__/processing").json == {"processing": "manual"}


def test_another_sandbox_never_hears_of_it(box: Client, server: MockServer) -> None:
    processing(box, "manual")
    for other in ("", "/@other"):
        answer = Client(server, server.token("operations")).get(f"/{other}/__mock__/processing")
        assert answer.json == {"processing": "immediate"}


def test_it_is_not_changed_under_work_that_waits(box: Client) -> None:
    processing(box, "manual")
    box.post(f"{JOURNAL}/accept")
    refused = box.put("//@box/__mock__/processing", {"processing": "reads:1"})
    assert (refused.status, "release them, or reset" in refused.json["detail"]) == (409, True)
    assert status(box) == "Generating"
    box.post("//@box/__mock__/reset")
    assert processing(box, "reads:1") == 200


@pytest.mark.parametrize("said", ["", "sometimes", "after:", "after:-1", "after:1e9", "reads:x", 3, None, "a" * 41])
def test_a_mode_that_is_none_is_refused(box: Client, said: object) -> None:
    assert processing(box, said) == 400
    assert box.get("//@box/__mock__/processing").json == {"processing": "immediate"}


def test_work_that_waits_for_a_clock_that_stands_is_told_how_it_goes_on(box: Client) -> None:
    answer = box.put("//@box/__mock__/processing", {"processing": "after:1"})
    assert answer.json["warning"].startswith("the clock stands: POST /__mock__/clock/advance")
    assert box.put("//@box/__mock__/clock", {"running": True}).status == 200
    assert "warning" not in box.put("//@box/__mock__/processing", {"processing": "after:1"}).json
