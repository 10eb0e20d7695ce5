"""Snapshots: a sandbox goes back to what it was, as often as one likes, and nothing after it changes that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mockserver import MockServer, create_app, snapshots, store
from mockserver.store import Changes, Layer
from tests.driver import Client
from tests.fingerprint import fingerprint

JOURNAL = {"name": "One", "authorization": {"id": "AUT-1000-0001"}}


@pytest.fixture(scope="module")
def built() -> MockServer:
    return create_app("billing", processing="manual")


@pytest.fixture
def c(built: MockServer) -> Iterator[Client]:
    built.sandboxes.clear()
    yield Client(built, "vendor-token@box")
    built.sandboxes.clear()


def digest(c: Client) -> str:
    return fingerprint(c.app.sandbox("box").worlds["billing"])


def make(c: Client, name: str = "One") -> str:
    answer = c.post("/journals", JOURNAL | {"name": name})
    assert answer.status == 201, answer
    return str(answer.json["id"])


def take(c: Client, name: str) -> Any:
    answer = c.post("//@box/__mock__/snapshots", {"name": name})
    assert answer.status == 201, answer
    return answer.json


def restore(c: Client, name: str) -> None:
    answer = c.post(f"//@box/__mock__/snapshots/{name}/restore")
    assert answer.status == 200, answer


def test_a_restored_sandbox_is_what_it_was_twice_over(c: Client) -> None:
    make(c, "before")
    told = take(c, "here")
    there = digest(c)
    first = make(c, "after")
    assert digest(c) != there
    restore(c, "here")
    assert digest(c) == there
    assert c.get(f"/journals/{first}").status == 404
    # The counters came back, too: the same call makes the same object.
    again = make(c, "after")
    assert again == first
    c.put(f"/journals/{again}", {"name": "changed"})
    restore(c, "here")
    assert digest(c) == there
    assert c.get("//@box/__mock__/snapshots").json["snapshots"] == [told]


def test_jobs_clock_and_refusals_come_back(c: Client) -> None:
    id = make(c)
    line = b'{"search": 1}\n'
    assert c.upload(f"/journals/{id}/upload", line).status < 300
    world = c.app.sandbox("box").worlds["billing"]
    take(c, "waiting")
    jobs, now, refusals = [dict(each) for each in world.jobs()], world.clock.now(), world.refusals
    assert jobs
    c.post("//@box/__mock__/jobs/release")
    c.get("/journals/none")
    c.post("//@box/__mock__/clock/advance", {"seconds": 60})
    assert (list(world.jobs()), world.clock.now(), world.refusals) != (jobs, now, refusals)
    restore(c, "waiting")
    assert ([dict(each) for each in world.jobs()], world.clock.now(), world.refusals) == (jobs, now, refusals)
    assert world.waiting


def test_snapshots_are_of_one_sandbox_alone(c: Client) -> None:
    take(c, "here")
    assert Client(c.app, None).get("//@other/__mock__/snapshots").json["snapshots"] == []
    assert Client(c.app, None).post("//@other/__mock__/snapshots/here/restore").status == 404


def test_reset_keeps_the_snapshots(c: Client) -> None:
    id = make(c)
    take(c, "here")
    c.post("//@box/__mock__/reset")
    assert c.get(f"/journals/{id}").status == 404
    restore(c, "here")
    assert c.get(f"/journals/{id}").status == 200
    c.post("//@box/__mock__/reset")
    assert c.get(f"/journals/{id}").status == 404


def test_a_snapshot_of_another_scenario_brings_its_callers_back(c: Client) -> None:
    id = make(c)
    take(c, "here")
    assert c.post("//@box/__mock__/reset", {"scenario": "empty"}).status == 200
    assert c.get("/journals").json["$meta"]["pagination"]["total"] == 0
    restore(c, "here")
    assert c.get(f"/journals/{id}").status == 200


def test_deep_stacks_are_one_layer_again_and_list_in_the_same_order(c: Client) -> None:
    made = [make(c, f"first {number}") for number in range(3)]
    for number in range(3 * store.HIGHEST):
        take(c, f"s{number}")
        if number % 3 == 0:
            made.append(make(c, f"later {number}"))
        elif number % 3 == 1:
            c.delete(f"/journals/{made.pop(0)}")
        else:
            c.put(f"/journals/{made[0]}", {"name": f"changed {number}"})
    world = c.app.sandbox("box").worlds["billing"]
    depth, layer = 0, world.layer
    while layer.below is not None:
        depth, layer = depth + 1, layer.below
    assert depth <= store.HIGHEST + 2
    listed = [each["id"] for each in c.get("/journals?limit=100").json["data"]]
    assert [each for each in listed if each in made] == made
    restore(c, "s0")
    assert not any(each in made[3:] for each in (row["id"] for row in c.get("/journals?limit=100").json["data"]))


def test_taking_one_looks_at_no_record(c: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make(c)
    monkeypatch.setattr(Layer, "all", None)
    monkeypatch.setattr(Layer, "changed", None)
    take(c, "cheap")


def test_a_snapshot_with_nothing_done_since_the_last_adds_no_layer(c: Client) -> None:
    make(c)
    take(c, "one")
    take(c, "two")
    one, two = snapshots.of(c.app.sandbox("box"))
    assert one.worlds["billing"].layer is two.worlds["billing"].layer


def test_a_flattened_stack_shows_what_the_stack_showed() -> None:
    indexes = {"Thing": ("kind",)}
    seed = Layer(indexes)
    for number in range(4):
        seed.put("Thing", {"id": f"s{number}", "kind": "a"})
    layer = Layer(indexes, seed)
    for number in range(store.HIGHEST + 1):
        layer.put("Thing", {"id": f"n{number}", "kind": "ab"[number % 2]})
        layer.put("Thing", {"id": f"s{number % 4}", "kind": "ba"[number % 2]})
        layer.remove("Thing", f"n{number - 3}")
        shown = _shown(layer)
        flat = layer.frozen(seed)
        assert _shown(flat) == shown
        layer = Layer(indexes, flat)
        assert _shown(layer) == shown
    assert layer.below is not None
    assert layer.below.below is seed


def _shown(layer: Layer | Changes) -> Any:
    return (
        [row.record for row in layer.all("Thing")],
        {kind: [row.record["id"] for row in layer.where("Thing", "kind", kind)] for kind in "ab"},
        {kind: layer.count("Thing", "kind", kind) for kind in "ab"},
    )


def test_there_are_so_many_and_no_more(c: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MOST", 2)
    take(c, "one")
    take(c, "two")
    refused = c.post("//@box/__mock__/snapshots", {"name": "three"})
    assert refused.status == 409
    assert "2 snapshots, which is the most; delete one" in refused.json["detail"]
    assert c.delete("//@box/__mock__/snapshots/one").status == 204
    take(c, "three")
    assert [each["name"] for each in c.get("//@box/__mock__/snapshots").json["snapshots"]] == ["two", "three"]


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "é", ".x", "a\n", 7, None])
def test_a_name_that_is_none_is_refused(c: Client, name: Any) -> None:
    refused = c.post("//@box/__mock__/snapshots", {"name": name})
    assert refused.status == 400
    if isinstance(name, str):
        assert refused.json["errors"] == {
            "name": ["Say 1 to 64 letters and digits, with - . _ between them: before-close."]
        }


@pytest.mark.parametrize("name", ["a", "7", "a.b-c_d", "x" * 64])
def test_a_name_that_the_refusal_would_mend_is_taken(c: Client, name: str) -> None:
    assert take(c, name)["name"] == name


def test_what_is_not_there_is_said_so(c: Client) -> None:
    take(c, "here")
    assert c.post("//@box/__mock__/snapshots", {"name": "here"}).status == 409
    assert c.post("//@box/__mock__/snapshots/none/restore").status == 404
    assert c.delete("//@box/__mock__/snapshots/none").status == 404
