"""Charges of an uploaded file, made ahead of the reply: the same as if the job made them, and others are not kept."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest

from mockserver import MockServer, lists, store, wire
from mockserver.apis.billing import WORKFLOWS, charge_files, recall
from mockserver.apis.billing.building import Ahead
from mockserver.domain.errors import Invalid, NoSuchTransition
from mockserver.work import Upload
from tests.billing_world import LINED, PLAIN, SPLIT, VENDOR, Small, line
from tests.driver import BASE, Client
from tests.fingerprint import fingerprint
from tests.valid import Valid

AGREEMENT = "AGR-1000-0000-0001"
JOURNAL = "BJO-1000-0001"  # a draft


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What kind of file was read, each time that one was."""
    seen: list[str] = []
    read = charge_files.portions

    def noted(content: bytes, kind: Any, **options: Any) -> Any:
        seen.append(kind)
        return read(content, kind, **options)

    monkeypatch.setattr(charge_files, "portions", noted)
    return seen


def several(count: int = 300) -> list[dict[str, Any]]:
    """Lines of every sort: plain, with a markup of their own, split, in error by their file or by the catalog."""
    wrong: list[dict[str, Any]] = [line(SPLIT), line("nobody"), {**line(), "quantity": "many"}, line(LINED, 7)]
    return [line(PLAIN, number) if number % 5 else wrong[number // 5 % 4] for number in range(1, count + 1)]


def prepare(
    small: Small, id: str, lines: Sequence[dict[str, Any]], between: Callable[[], None] = lambda: None
) -> Upload:
    """Read lines ahead, as the engine does it. between: what others do between two portions"""
    content = b"\n".join(orjson.dumps(wire.plain(each)) for each in lines)
    file, work = Upload("march.jsonl", "application/jsonl", content), small.work(VENDOR)
    preparing = WORKFLOWS.preparers["Journal"](work, work.need("Journal", id), file)
    while True:
        try:
            next(preparing)
        except StopIteration as end:
            return replace(file, ahead=end.value)
        between()


def upload(
    small: Small,
    id: str,
    lines: Sequence[dict[str, Any]],
    *,
    between: Callable[[], None] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> None:
    """Upload lines that were read ahead. after: what others do before the file is taken"""
    file = prepare(small, id, lines, between)
    after()
    small.load("Journal", id, file, VENDOR, settle=False)


def once(step: Callable[[], None]) -> Callable[[], None]:
    left = [step]
    return lambda: left.pop()() if left else None


def markups(small: Small, id: str) -> set[Any]:
    return {charge["price"].get("markup") for charge in small.charges(id)}


def test_a_file_is_read_once(small: Small, readings: list[str]) -> None:
    id = small.journal()
    upload(small, id, several())
    small.world.run()
    assert readings == ["jsonl"]
    assert len(small.charges(id)) == 300 + 2 * 15


def test_what_was_made_ahead_is_what_the_job_makes() -> None:
    worlds = []
    for forgets in (False, True):
        small = Small()
        id = small.journal()
        upload(small, id, several())
        if forgets:
            small.world.prepared = None
        small.world.run()
        worlds.append(fingerprint(small.world))
    assert worlds[0] == worlds[1]


def test_what_was_forgotten_is_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = []
    for most in (recall.MOST, 2):
        monkeypatch.setattr(recall, "MOST", most)
        small = Small()
        upload(small, small.journal(), several())
        small.world.run()
        worlds.append(fingerprint(small.world))
    assert worlds[0] == worlds[1]


def test_no_more_is_recalled_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "MOST", 5)
    known: recall.Recall[int, str] = recall.Recall()
    assert [known.keep(number, str(number)) for number in range(12)] == [str(number) for number in range(12)]
    assert dict(known) == {10: "10", 11: "11"}


@pytest.mark.parametrize("when", ["between", "after"])
def test_what_changes_while_a_file_is_read_counts(small: Small, when: str, readings: list[str]) -> None:
    id = small.journal()
    change = once(lambda: small.put("Agreement", AGREEMENT, markup=Decimal(99)))
    upload(small, id, [line()] * 300, **{when: change})
    small.world.run()
    assert markups(small, id) == {99}
    assert readings == ["jsonl"] * 2


def test_what_changes_before_the_job_counts(small: Small, readings: list[str]) -> None:
    id = small.journal()
    upload(small, id, [line()])
    small.put("Agreement", AGREEMENT, markup=Decimal(99))
    small.world.run()
    assert markups(small, id) == {99}
    assert readings == ["jsonl"] * 2


def test_each_journal_gets_the_charges_of_its_own_file(small: Small) -> None:
    first, second = small.journal(), small.journal()
    upload(small, first, [line(amount=1)])
    upload(small, second, [line(amount=2)])
    small.world.run()
    assert [charge["price"]["PPx1"] for id in (first, second) for charge in small.charges(id)] == [1, 2]


def test_of_two_files_at_once_each_counts_for_its_own_journal(small: Small) -> None:
    first, second = small.journal(), small.journal()
    upload(small, first, [line(amount=1)], after=lambda: upload(small, second, [line(amount=2)]))
    small.world.run()
    assert [charge["price"]["PPx1"] for id in (first, second) for charge in small.charges(id)] == [1, 2]


def test_a_file_that_others_have_read_meanwhile_is_not_taken_for_ones_own(small: Small) -> None:
    first, second = small.journal(), small.journal()
    upload(small, first, [line(amount=1)], after=lambda: prepare(small, second, [line(amount=2)]))
    small.world.run()
    assert [charge["price"]["PPx1"] for charge in small.charges(first)] == [1]


def test_a_file_that_was_refused_leaves_the_one_before_it(small: Small, readings: list[str]) -> None:
    id = small.journal()
    upload(small, id, [line(amount=1)])
    with pytest.raises(NoSuchTransition):
        upload(small, id, [line(amount=2)])
    small.world.run()
    assert [charge["price"]["PPx1"] for charge in small.charges(id)] == [1]
    assert readings == ["jsonl"] * 2, "each was read ahead, and neither again"


def test_of_a_file_that_was_refused_nothing_is_kept(small: Small) -> None:
    id = small.journal()
    small.put("Journal", id, status="Accepted")
    with pytest.raises(NoSuchTransition):
        upload(small, id, several())
    assert small.world.prepared is None


@pytest.mark.parametrize("when", ["between", "after"])
def test_what_charges_do_not_depend_on_may_change_meanwhile(small: Small, when: str, readings: list[str]) -> None:
    id, other = small.journal(), small.journal()

    def change() -> None:
        small.put("Journal", other, name="Another")
        small.journal()

    upload(small, id, [line()] * 300, **{when: once(change)})
    change()
    small.world.run()
    assert len(small.charges(id)) == 300
    assert readings == ["jsonl"]


@pytest.mark.parametrize("when", ["between", "after"])
def test_a_journal_that_is_renamed_meanwhile_gives_its_new_name(small: Small, when: str) -> None:
    id = small.journal()
    upload(small, id, [line()] * 300, **{when: once(lambda: small.put("Journal", id, name="Later"))})
    small.world.run()
    assert {charge["journal"]["name"] for charge in small.charges(id)} == {"Later"}


def test_what_is_read_while_the_world_is_reset_counts_as_it_is_then(small: Small) -> None:
    id = small.journal()
    small.world.settle_seed()
    small.put("Agreement", AGREEMENT, markup=Decimal(99))
    upload(small, id, [line()] * 300, between=once(small.world.reset))
    small.world.run()
    assert 99 not in markups(small, id)


def test_no_more_is_kept_ahead_than_one_file(small: Small) -> None:
    for _ in range(3):
        upload(small, small.journal(), [line()])
    assert isinstance(small.world.prepared, Ahead)
    small.world.run()
    assert small.world.prepared is None


def test_a_place_deep_in_a_file_that_cannot_be_read_is_named_and_nothing_kept(small: Small) -> None:
    lines = b"\n".join([orjson.dumps(wire.plain(line()))] * 500)
    file, work = Upload("march.jsonl", "application/jsonl", lines + b"\n{"), small.work(VENDOR)
    with pytest.raises(Invalid) as caught:
        for _ in WORKFLOWS.preparers["Journal"](work, work.need("Journal", small.journal()), file):
            pass
    assert "line 501" in caught.value.errors["file"][0]
    assert small.world.prepared is None


@pytest.mark.parametrize("kind", ["jsonl", "csv", "xlsx"])
def test_a_long_file_comes_in_short_portions(kind: charge_files.Kind) -> None:
    write = {"jsonl": charge_files.write_jsonl, "csv": charge_files.write_csv, "xlsx": charge_files.write_xlsx}[kind]
    portions = list(charge_files.portions(write([line()] * 2_000), kind))
    assert sum(map(len, portions)) == 2_000
    assert max(map(len, portions)) < 300


async def beside(app: MockServer, long: Callable[[httpx.AsyncClient], Any], others: Callable[[int], str]) -> list[int]:
    """The statuses of reads that are answered while a long call is, and at last of that. others: the n-th one's path"""
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": f"Bearer {app.token('vendor')}"}
    async with httpx.AsyncClient(transport=transport, base_url=f"http://test{BASE}", headers=headers) as client:
        under_way, answered = asyncio.create_task(long(client)), list[int]()
        while not under_way.done():
            answered.append((await client.get(others(len(answered)))).status_code)
            await asyncio.sleep(0)
        return [*answered, under_way.result().status_code]


def test_others_are_answered_while_a_file_is_read(app: MockServer) -> None:
    content = charge_files.write_jsonl([line()] * 2_000)

    file = {"file": ("march.jsonl", content, "application/jsonl")}

    async def long(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(f"/journals/{JOURNAL}/upload", files=file)

    answered = asyncio.run(beside(app, long, lambda count: "/journals?limit=1"))
    assert len(answered) > 10
    assert set(answered) == {200}


@pytest.mark.parametrize("again", [True, False], ids=["a file that comes again", "the journal's end"])
def test_others_are_answered_while_what_leaves_is_found(
    app: MockServer, vendor: Client, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LONG", 100)
    vendor.upload(f"/journals/{JOURNAL}/upload", charge_files.write_jsonl([line()] * 1_000))
    assert vendor.get(f"/journals/{JOURNAL}").json["upload"]["total"] == 1_000
    monkeypatch.setattr(store, "PORTION", 20)
    file = {"file": ("march.jsonl", charge_files.write_jsonl([line()]), "application/jsonl")}

    async def long(client: httpx.AsyncClient) -> httpx.Response:
        path = f"/journals/{JOURNAL}"
        return await (client.post(f"{path}/upload", files=file) if again else client.delete(path))

    *answered, status = asyncio.run(beside(app, long, lambda count: "/journals?limit=1"))
    assert (status, set(answered)) == (200 if again else 204, {200})
    assert len(answered) > 10
    vendor.get("/journals?limit=1")
    assert app.world.layer.count("Charge", "journal.id", JOURNAL) == (1 if again else 0)


def test_what_comes_while_what_leaves_is_found_leaves_too(
    app: MockServer, vendor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LONG", 100)
    vendor.upload(f"/journals/{JOURNAL}/upload", charge_files.write_jsonl([line()] * 200))
    vendor.get(f"/journals/{JOURNAL}")
    monkeypatch.setattr(store, "PORTION", 20)

    def meanwhile(count: int) -> str:
        if count == 2:
            vendor.upload(f"/journals/{JOURNAL}/upload", charge_files.write_jsonl([line()] * 300))
        return f"/journals/{JOURNAL}"

    *answered, status = asyncio.run(beside(app, lambda client: client.delete(f"/journals/{JOURNAL}"), meanwhile))
    assert (status, len(answered) > 3) == (204, True)
    assert app.world.layer.count("Charge", "journal.id", JOURNAL) == 0


def test_in_a_process_that_is_not_the_servers_own_nothing_is_kept_from_the_collector(vendor: Client) -> None:
    before = gc.get_freeze_count()
    assert vendor.upload(f"/journals/{JOURNAL}/upload", charge_files.write_jsonl([line()] * 4_000)).status == 200
    assert gc.get_freeze_count() == before


def test_a_charge_takes_at_most_three_kilobytes(app: MockServer, vendor: Client) -> None:
    valid, count = Valid(app, "vendor"), 4_000
    content = charge_files.write_jsonl(valid.lines(valid.work.need("Journal", JOURNAL), count))
    vendor.get(f"/journals/{JOURNAL}")
    tracemalloc.start()
    try:
        assert vendor.upload(f"/journals/{JOURNAL}/upload", content).status == 200
        assert vendor.get(f"/journals/{JOURNAL}").json["upload"] == {
            "total": count,
            "ready": count,
            "split": 0,
            "error": 0,
        }
        assert (tracemalloc.get_traced_memory()[0] - len(content)) / count < 3_000
    finally:
        tracemalloc.stop()
