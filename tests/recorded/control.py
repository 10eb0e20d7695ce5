"""The server's own API: what it tells of a sandbox in which something has happened."""

from __future__ import annotations

from typing import Any

from mockserver import MockServer, create_app
from tests.recorded.recorder import NOBODY, Recorder, session

JOURNAL = "/journals/BJO-1000-0001"


def alone() -> MockServer:
    """A server of its own: its lists name every sandbox there is."""
    return create_app()


@session("control", app=alone)
def control(r: Recorder) -> None:
    """Reads before and after a change, a snapshot, time and a reset; and what is refused."""
    vendor, nobody = r.as_("vendor"), r.as_(NOBODY)

    def look() -> None:
        for path in ("sandboxes", "sandboxes/control", "clock", "processing", "jobs", "snapshots", "state", "faults"):
            nobody.get(f"//__mock__/{path}")
        nobody.get("//__mock__/state/billing/Journal?limit=4")
        nobody.get("//__mock__/state/billing/Charge?offset=100&limit=3")
        nobody.get("//__mock__/state/billing/Journal/BJO-1000-0001")
        nobody.get("//__mock__/journal?limit=20")

    for path in ("callers", "scenarios", "openapi.json", "export"):
        nobody.get(f"//__mock__/{path}")
    look()
    nobody.put("//__mock__/journal", {"bodies": True})
    vendor.put(JOURNAL, {"name": "Another", "notes": "x"})
    vendor.post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}})
    vendor.delete(JOURNAL)
    r.as_("client").get(JOURNAL)
    vendor.get("/journals/BJO-1000-0014")
    r.as_("operations").post("/ledgers/BLE-0/accept")
    look()
    for number in range(1, 9):
        nobody.get(f"//__mock__/journal/{number}")
    nobody.post("//__mock__/journal/verify", {"match": {"operation": "updateJournal"}, "times": 1})
    nobody.post("//__mock__/journal/verify", {"match": {"operation": "updateJournal", "caller": "client"}, "times": 2})
    nobody.post("//__mock__/snapshots", {"name": "one"})
    nobody.put("//__mock__/processing", {"processing": "manual"})
    r.as_("vendor").post("/journals/BJO-1000-0003/submit")
    nobody.post("//__mock__/clock/advance", {"by": "P3D"})
    nobody.post("//__mock__/faults", {"kind": "status", "status": 503, "operation": "getJournal", "count": 1})
    look()
    vendor.get("/journals/BJO-1000-0003")
    nobody.post("//__mock__/jobs/release", {})
    vendor.get("/journals/BJO-1000-0003")
    nobody.get("//__mock__/export")
    nobody.post("//__mock__/snapshots/one/restore")
    look()
    for api, world in r.worlds.items():
        for entity in world.layer.entities():
            nobody.get(f"//__mock__/state/{api}/{entity}?limit=2&offset=1")
        for entity in world.api.visibility:
            nobody.get(f"//__mock__/state/{api}/{entity}/nothing")
    for path in (
        "state/billing/Nothing",
        "state/none/Journal",
        "snapshots/none/restore",
        "nothing",
        "",
        "journal/x",
        "clock/",
    ):
        nobody.get(f"//__mock__/{path}")
        nobody.post(f"//__mock__/{path}", {})
    wrong: tuple[Any, ...] = ({}, {"by": "x"}, {"seconds": -1}, {"by": "P1D", "seconds": 3}, [], None)
    for body in wrong:
        nobody.post("//__mock__/clock/advance", body)
    nobody.post("//__mock__/reset")
    look()
    saved = nobody.get("//__mock__/export")
    vendor.put(JOURNAL, {"name": "Another yet"})
    nobody.request("POST", "//__mock__/import", content=saved.content, headers={"content-type": "application/json"})
    vendor.get(JOURNAL)
    look()
    nobody.put("//__mock__/clock", {"now": "2026-04-01T00:00:00Z", "running": False})
    for rule in ({"kind": "rate-limit", "retryAfter": 30, "caller": "vendor"}, {"kind": "stale"}, {"kind": "nothing"}):
        made = nobody.post("//__mock__/faults", rule)
        vendor.get(JOURNAL)
        nobody.delete(f"//__mock__/faults/{made.json.get('id', 'none')}")
    for path in ("faults", "snapshots/one", "snapshots/one", "journal"):
        nobody.delete(f"//__mock__/{path}")
    for name in ("beside", "beside", "no/name", "-", "x" * 64):
        nobody.post("//__mock__/sandboxes", {"name": name, "scenario": "empty"})
    nobody.post("//__mock__/sandboxes", {"name": "other", "scenario": "nothing"})
    look()
    nobody.delete("//__mock__/sandboxes/beside")
    nobody.delete("//__mock__/sandboxes/beside")
    look()
    nobody.delete("//__mock__/sandboxes")
    look()
