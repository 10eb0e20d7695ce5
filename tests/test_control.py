"""The server's own pages: waiting jobs, the way back to the seed, and what is told of each request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from mockserver import MockServer, create_app
from mockserver.app import Options
from tests.driver import Client
from tests.fingerprint import fingerprint

PARKING = f"{Path(__file__).parent}/apis/parking"


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


def test_jobs_of_every_world_are_shown_and_released_and_reset() -> None:
    app = create_app("billing", PARKING, scenario=f"{PARKING}/beside.yaml", processing="manual")
    warden = Client(app, app.token("warden"))
    for api, entity, id in (("billing", "Journal", "BJO-1000-0003"), ("parking", "Lot", "0001")):
        app.worlds[api].workflows.jobs["nothing"] = lambda work, subject: None
        work = app.worlds[api].work()
        work.later("nothing", entity, id)
        work.commit()
    shown = warden.get("//__mock__/jobs").json["jobs"]
    assert [(job["api"], job["subject"]) for job in shown] == [("billing", "BJO-1000-0003"), ("parking", "0001")]
    assert warden.post("//__mock__/jobs/release?subject=0001").json == {"ran": 1}
    assert [job["api"] for job in warden.get("//__mock__/jobs").json["jobs"]] == ["billing"]
    assert warden.post("//__mock__/jobs/release").json == {"ran": 1}
    assert warden.get("//__mock__/jobs").json["jobs"] == []


def test_a_file_of_an_api_that_is_not_there_is_gone(app: MockServer, vendor: Client) -> None:
    assert vendor.get("//files/biling/JAT-1?expires=9&signature=x").status == 404


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
    overlay = Path(str(tmp_path)) / "mine.yaml"
    overlay.write_text("billing: {deny: [{operation: deleteJournal, role: vendor, reason: closed books}]}")
    app = create_app("billing", overlay=overlay)
    answer = Client(app, app.token("vendor")).delete("/journals/BJO-1000-0001")
    assert answer.status == 403
    assert "(by an overlay: closed books)" in answer.json["detail"]


def test_the_docs_offer_every_api_and_each_callers_own() -> None:
    app = create_app("billing", PARKING, scenario=f"{PARKING}/beside.yaml")
    page = Client(app, "").get("//docs").content.decode()
    found = re.search(r"const cast = (\[.*?\]), urls = (\[.*?\]);\n", page)
    assert found is not None
    cast, urls = orjson.loads(found[1]), orjson.loads(found[2])
    assert [(url["api"], url["url"]) for url in urls] == [
        ("billing", "/public/v1/billing/openapi.json"),
        ("parking", "/parking/v2/openapi.json"),
        ("", "/__mock__/openapi.json"),
    ]
    assert [url["schemes"] for url in urls] == [["bearerAuth"], ["bearerAuth"], []]
    assert [each["name"] for each in cast if each["api"] == "parking"] == ["warden", "ada"]
    assert {each["name"]: each["token"] for each in cast} == {name: app.token(name) for name in app.callers}
    for url in urls:
        assert Client(app, "").get("/" + url["url"]).status == 200


def test_a_log_shows_no_token_wherever_it_stood() -> None:
    told: list[tuple[Any, ...]] = []
    app = create_app("billing", log=lambda *line: told.append(line))
    Client(app, "vendor-token").get("/journals/vendor-token?token=whatever&limit=1&name=vendor-token")
    (line,) = told
    assert "vendor-token" not in "".join(map(str, line[1:]))
    assert "whatever" not in line[2]
    assert "limit=1" in line[2]
