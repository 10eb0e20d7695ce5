"""Many new rows taken over at once: the world is as if they had come one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockserver import store
from mockserver.portions import at_once
from mockserver.store import EVERY, Batch, Changes, Layer, Record

INDEXES = {"Charge": ["journal.id", "ledger.id"]}
IDS = [f"C{number:02}" for number in range(31)]
PLACES = [("journal.id", "J1"), ("journal.id", "J2"), ("ledger.id", "L1"), ("ledger.id", "L2")]


@st.composite
def charges(draw: st.DrawFn) -> list[Record]:
    """Charges with ids of their own; neighbours often share the very object that an index looks into."""
    journals = [{"id": "J1"}, {"id": "J2"}]
    made: list[Record] = []
    for id in draw(st.lists(st.sampled_from(IDS), unique=True, max_size=12)):
        charge: dict[str, Any] = {"id": id, "journal": journals[draw(st.integers(0, 1))]}
        if (ledger := draw(st.sampled_from([None, "L1", "L2"]))) is not None:
            charge["ledger"] = {"id": ledger}
        made.append(charge)
    return made


def seen(layer: Layer) -> list[list[Record]]:
    """All that can be asked of a layer, in the order in which it tells."""
    everything = [[row.record for row in layer.all("Charge")]]
    return everything + [[row.record for row in layer.where("Charge", path, value)] for path, value in PLACES]


def begun(seeded: Sequence[Record], before: Sequence[Record], gone: Sequence[Record], *, listed: bool) -> Layer:
    layer = Layer(INDEXES)
    for record in seeded:
        layer.put("Charge", record)
    layer = Layer(INDEXES, layer)
    for record in before:
        layer.put("Charge", record)
    for record in gone:
        layer.remove("Charge", record["id"])
    if listed:
        _ = [layer.watched(("Charge", path, value)).listed for path, value in PLACES]
    return layer


@settings(deadline=None)
@given(seeded=charges(), before=charges(), gone=charges(), new=charges(), after=charges(), listed=st.booleans())
def test_a_batch_leaves_what_one_after_another_leaves(
    seeded: list[Record],
    before: list[Record],
    gone: list[Record],
    new: list[Record],
    after: list[Record],
    listed: bool,
) -> None:
    one, other = (begun(seeded, before, gone, listed=listed) for _ in range(2))
    batch, at_once, each = Batch("Charge", INDEXES), Changes(one), Changes(other)
    for record in new:
        batch.add(record)
        each.put("Charge", record)
    at_once.add(batch)
    for record in after:
        at_once.put("Charge", record)
        each.put("Charge", record)
    assert [row.record for row in at_once.all("Charge")] == [row.record for row in each.all("Charge")]
    replaced, expected = one.absorb(at_once), other.absorb(each)
    assert seen(one) == seen(other)
    assert {id: row and row.record for id, row in replaced.get("Charge", {}).items()} == {
        id: row and row.record for id, row in expected.get("Charge", {}).items()
    }
    for path, value in PLACES:
        bucket = one.bucket(("Charge", path, value))
        assert bucket.listed == list(bucket)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seeded=charges(),
    before=charges(),
    gone=charges(),
    own=charges(),
    after=charges(),
    place=st.sampled_from(PLACES),
    lies=st.booleans(),
    ahead=st.booleans(),
)
def test_rows_that_go_at_once_leave_what_one_after_another_leaves(
    seeded: list[Record],
    before: list[Record],
    gone: list[Record],
    own: list[Record],
    after: list[Record],
    place: tuple[str, str],
    lies: bool,
    ahead: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "MANY", 1)
    one, other = (begun(seeded, before, gone, listed=True) for _ in range(2))
    if not lies:
        one, other = Layer(INDEXES), Layer(INDEXES)
        for record in before:
            one.put("Charge", record)
            other.put("Charge", record)
    # What was found ahead of a unit of work that has changed rows of its own must not count.
    removal = at_once(one.removal("Charge", one.bucket(("Charge", *place)).listed)) if ahead else None
    together, each = Changes(one), Changes(other)
    for record in own:
        together.put("Charge", record)
        each.put("Charge", record)
    expected = [row.record["id"] for row in each.where("Charge", *place)]
    for id in expected:
        each.remove("Charge", id)
    assert list(together.clear("Charge", *place, removal)) == expected
    for record in after:
        together.put("Charge", record)
        each.put("Charge", record)
    assert [row.record for row in together.all("Charge")] == [row.record for row in each.all("Charge")]
    replaced = {id: row and row.record for id, row in one.absorb(together).get("Charge", {}).items()}
    with monkeypatch.context() as slowly:
        slowly.setattr(store, "MANY", 1_000)
        were = other.absorb(each).get("Charge", {})
    assert replaced == {id: row and row.record for id, row in were.items()}
    assert seen(one) == seen(other)
    assert {id: one.get("Charge", id) for id in IDS} == {id: other.get("Charge", id) for id in IDS}
    for path, value in [(EVERY, None), *PLACES]:
        assert one.bucket(("Charge", path, value)).listed == other.bucket(("Charge", path, value)).listed


def test_rows_that_were_made_and_are_gone_are_no_change() -> None:
    layer = Layer(INDEXES, Layer(INDEXES))
    for count in (1, store.MANY):
        changes = Changes(layer)
        for number in range(count):
            changes.put("Charge", {"id": f"C{number}", "journal": {"id": "J1"}})
        layer.absorb(changes)
        changes = Changes(layer)
        changes.clear("Charge", "journal.id", "J1")
        layer.absorb(changes)
        assert list(layer.changed()) == []


def test_a_batch_of_new_rows_is_taken_over_without_a_look_at_each() -> None:
    layer, batch = Layer(INDEXES), Batch("Charge", INDEXES)
    for number in range(10):
        batch.add({"id": f"C{number}", "journal": {"id": "J1"}})
    changes = Changes(layer)
    changes.add(batch)
    assert changes.batches == {"Charge": batch}
    changes.remove("Charge", "C3")
    assert changes.batches == {}, "what is changed afterwards goes the slow way"
    layer.absorb(changes)
    assert layer.count("Charge", "journal.id", "J1") == 9


def test_rows_that_come_again_after_they_were_removed_are_taken_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(INDEXES, Layer(INDEXES))
    records: list[Record] = [{"id": f"C{number}", "journal": {"id": "J1"}} for number in range(10)]
    for record in records:
        layer.put("Charge", record)
        layer.remove("Charge", record["id"])
    batch, changes = Batch("Charge", INDEXES), Changes(layer)
    for record in records:
        batch.add(record)
    changes.add(batch)
    monkeypatch.setattr(Layer, "set", None)
    layer.absorb(changes)
    assert seen(layer)[:2] == [records, records]
