"""Long work in portions: by turns with others where there are any, at once where not."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mockserver import portions, world
from mockserver.clock import Clock
from mockserver.portions import by_and_by
from mockserver.store import Changes
from mockserver.work import Workflows
from mockserver.world import World
from specs import tables


def counting(done: list[int]) -> Iterator[None]:
    for number in range(5):
        done.append(number)
        yield


def test_without_a_loop_it_is_done_at_once() -> None:
    done: list[int] = []
    by_and_by(counting(done))
    assert done == [0, 1, 2, 3, 4]


def test_in_a_loop_others_have_their_turns_between_two_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "LONGEST", 0)
    done: list[int] = []

    async def turns() -> list[int]:
        by_and_by(counting(done))
        seen = []
        while len(done) < 5:
            seen.append(len(done))
            await asyncio.sleep(0)
        return seen

    assert asyncio.run(turns()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ends", ["by another change", "by a reset"])
def test_many_rows_that_nobody_sees_any_more_are_forgotten_a_portion_at_a_time(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "LONGEST", 0)
    monkeypatch.setattr(world, "PORTION", 10)
    place = World(seed=1, clock=Clock(datetime.now(UTC)), indexes={}, api=tables.load("billing"), workflows=Workflows())
    place.settle_seed()

    class Watched(dict[str, str]):
        pass

    def change(name: str, count: int) -> list[weakref.ref[Watched]]:
        changes, made = Changes(place.layer), []
        for number in range(count):
            record = Watched(id=f"C{number}", name=name)
            made.append(weakref.ref(record))
            changes.put("Charge", record)
        place.keep(changes)
        return made

    async def turns() -> list[int]:
        old = change("old", 100)
        if ends == "by another change":
            change("new", 100)  # a stale reading would still show the old ones
        alive = [sum(each() is not None for each in old)]
        if ends == "by another change":
            change("newest", 1)
        else:
            place.reset()
        while alive[-1]:
            await asyncio.sleep(0)
            alive.append(sum(each() is not None for each in old))
        return alive

    assert asyncio.run(turns()) == [100, *range(90, -1, -10)]
