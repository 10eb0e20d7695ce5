"""The server's own pages: waiting jobs, the way back to the seed, and what is told of each request."""

from __future__ import annotations

import pytest

from mockserver import MockServer, create_app
from mockserver.app import Options
from tests.driver import Client
from tests.fingerprint import fingerprint


def test_reset_returns_to_the_seed(app: MockServer, vendor: Client) -> None:
    before = fingerprint(app.world)
    vendor.post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}})
    assert fingerprint(app.world) != before
    assert vendor.post("//__mock__/reset").json == {"reset": True}
    assert fingerprint(app.world) == before


def test_a_job_is_released_by_its_subject() -> None:
    app = create_app("billing", processing="manual")
    operations = Client(app, app.token("operations"))
    ids = [
        row.record["id"]
        for row in app.world.layer.all("Ledger")
        if row.record["status"] == "Review"
        and operations.post(f"/ledgers/{row.record['id']}/recalculate").status == 200
    ]
    assert len(ids) > 1
    assert [job["subject"] for job in operations.get("//__mock__/jobs").json["jobs"]] == ids
    assert operations.post(f"//__mock__/jobs/release?subject={ids[1]}").json == {"ran": 1}
    assert operations.get(f"/ledgers/{ids[1]}").json["status"] == "Review"
    assert operations.get(f"/ledgers/{ids[0]}").json["status"] == "Rating"
    assert operations.post("//__mock__/jobs/release?subject=BLE-0").status == 404
    assert operations.post("//__mock__/jobs/release").json == {"ran": len(ids) - 1}


def test_an_action_that_comes_too_early_is_told_to_ask_again() -> None:
    app = create_app("billing", processing="manual")
    answer = Client(app, app.token("vendor")).post("/journals/BJO-1000-0002/submit")
    assert answer.json["detail"] == (
        "Cannot submit when Validating; from Validating: nothing until the system is done, ask again."
    )


def test_the_log_tells_who_what_and_why_not_and_never_a_token() -> None:
    told: list[tuple[str, str, str, int, str]] = []
    app = create_app("billing", log=lambda *line: told.append(line))
    Client(app, app.token("vendor")).get("/journals?limit=1")
    Client(app, app.token("client")).get("/journals")
    Client(app, "no-such-token").get("/journals")
    base = "/public/v1/billing/journals"
    assert told[0] == ("vendor", "GET", base + "?limit=1", 200, "")
    assert told[1] == ("client", "GET", base, 403, "listJournals is for vendor, operations, not for client.")
    assert told[2][:4] == ("-", "GET", base, 401)
    assert "token" not in told[2][4].replace("the token is unknown", "").replace("The token is unknown", "")


@pytest.mark.parametrize("seed", [-1, "x", 1.5, True])
def test_a_seed_that_is_none_is_told_in_one_line(seed: object) -> None:
    with pytest.raises(Options, match=r"^seed: .* is no whole number from 0 on\.$"):
        create_app("billing", seed=seed)  # type: ignore[arg-type]


def test_a_refusal_by_an_overlay_gives_its_reason(tmp_path: object) -> None:
    from pathlib import Path

    overlay = Path(str(tmp_path)) / "mine.yaml"
    overlay.write_text("billing: {deny: [{operation: deleteJournal, role: vendor, reason: closed books}]}")
    app = create_app("billing", overlay=overlay)
    answer = Client(app, app.token("vendor")).delete("/journals/BJO-1000-0001")
    assert answer.status == 403
    assert "(by an overlay: closed books)" in answer.json["detail"]
