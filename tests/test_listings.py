"""Large lists: what is looked up by members is what a look at every row finds, whatever happened before."""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver import buckets, lists
from mockserver.buckets import Bucket, Grouped
from mockserver.listings import Listing
from mockserver.paging import page, span
from mockserver.rql.filtering import predicate
from mockserver.rql.ordering import ordering
from mockserver.rql.reading import parse
from mockserver.service import Rows
from mockserver.store import EVERY, Changes, Layer, Record
from specs.shapes import shape

DOCUMENT = {
    "components": {
        "schemas": {
            "Charge": {
                "properties": {
                    "id": {"type": "string"},
                    "status": {"type": "string", "enum": ["Ready", "Error", "Split"]},
                    "quantity": {"type": "number"},
                    "period": {"type": "object", "properties": {"start": {"type": "string", "format": "date-time"}}},
                    "parent": {"$ref": "#/components/schemas/Parent"},
                    "journal": {"$ref": "#/components/schemas/Parent"},
                }
            },
            "Parent": {"properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
        }
    }
}
SHAPE = shape(DOCUMENT, "Charge", {"parent": "Parent", "journal": "Parent"})
INDEXES = {"Charge": ["journal.id"]}
HOME = ("Charge", "journal.id", "J1")
FILTERS = (
    "",
    "eq(status,Error)",
    "in(status,(Ready,Split))",
    "eq(status,null())",
    "ne(status,Error)",
    "gt(quantity,2)",
    "ge(quantity,1)&lt(quantity,3)",
    "le(quantity,0)",
    "eq(quantity,2)&eq(status,Ready)",
    "eq(quantity,2)&gt(quantity,1)",
    "gt(quantity,1)&like(id,*1*)",
    "ge(period.start,2026-02-01)",
    "eq(parent.id,P1)",
    "eq(parent.name,One)",
    "or(eq(status,Ready),gt(quantity,3))",
)
ORDERS = ("", "quantity", "-quantity", "status,-quantity", "-period.start", "parent.name", "-status")
PAGES = ("", "limit=2", "limit=3&offset=4", "offset=1&limit=100", "limit=0")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a handful of rows treated as thousands are."""
    monkeypatch.setattr(lists, "MANY", 1)
    monkeypatch.setattr(lists, "LONG", 5)
    monkeypatch.setattr(buckets, "PORTION", 2)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A charge; few values, so that many are equal."""
    made: dict[str, Any] = {
        "id": f"C{draw(st.integers(0, 19)):02}",
        "journal": {"id": draw(st.sampled_from(["J1", "J1", "J2"]))},
    }
    if (status := draw(st.sampled_from(["Ready", "Error", "Split", None]))) is not None:
        made["status"] = status
    if (quantity := draw(st.sampled_from([None, 0, 1, Decimal("1.5"), 2, 3, 4]))) is not None:
        made["quantity"] = quantity
    if (month := draw(st.sampled_from([None, 1, 2, 3]))) is not None:
        made["period"] = {"start": f"2026-{month:02}-01T00:00:00.000Z"}
    if (parent := draw(st.sampled_from([None, "P1", "P2"]))) is not None:
        made["parent"] = {"id": parent}
    return made


def steps(layer: Layer, query: str, place: tuple[str, str, Any]) -> Generator[None, None, Rows]:
    """What a list does, a portion at a time."""
    parsed = parse(query)
    work = SimpleNamespace(layer=Changes(layer))
    service = SimpleNamespace(
        shape=lambda entity: SHAPE,
        hidden=lambda entity, role: frozenset(),
        expand=lambda work, role: parents(layer),
        api=SimpleNamespace(conventions=SimpleNamespace(paging={"default": 3, "cap": 10})),
    )
    x: Any = SimpleNamespace(
        operation=SimpleNamespace(entity="Charge"), service=service, work=work, query=parsed, role="", media=None
    )
    return lists._found(x, Rows.at(x.work, place))


def asked(layer: Layer, query: str, place: tuple[str, str, Any]) -> list[str]:
    """What a list answers: ids of the page, and the total."""
    found = lists._at_once(steps(layer, query, place))
    shown, _ = page(found, found.total, parse(query), default=3, cap=10)
    return [*(row.record["id"] for row in shown), f"of {found.total}"]


def parents(layer: Layer) -> Any:
    return lambda entity, id: layer.get(entity, id)


def looked_at(layer: Layer, query: str, place: tuple[str, str, Any]) -> list[str]:
    """The same, by a look at each row."""
    parsed = parse(query)
    kept = [row.record for row in layer.where(*place)]
    if parsed.filter is not None:
        keeps = predicate(parsed.filter, SHAPE, expand=parents(layer))
        kept = [record for record in kept if keeps(record)]
    kept = ordering(parsed.order, SHAPE, expand=parents(layer))(kept)
    offset, limit = span(parsed, default=3, cap=10)
    return [*(record["id"] for record in kept[offset : offset + limit]), f"of {len(kept)}"]


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), records()),
        st.tuples(st.just("put"), records()),
        st.tuples(st.just("remove"), st.integers(0, 19)),
        st.tuples(st.just("above"), st.none()),
    ),
    max_size=12,
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(FILTERS), st.sampled_from(ORDERS), st.sampled_from(PAGES)), min_size=1, max_size=3
)


@settings(deadline=None, max_examples=200)
@given(seeded=st.lists(records(), min_size=6, max_size=20), changes=CHANGES, queries=QUERIES)
def test_an_index_answers_as_a_look_at_every_row_does_whatever_happened_before(
    seeded: list[Record], changes: list[tuple[str, Any]], queries: list[tuple[str, str, str]]
) -> None:
    layer = Layer(INDEXES)
    layer.put("Parent", {"id": "P1", "name": "Two"})
    layer.put("Parent", {"id": "P2", "name": "One"})
    for record in seeded:
        layer.put("Charge", record)
    layer = Layer(INDEXES, layer)
    for change, said in [("above", None), *changes]:
        if change == "put":
            layer.put("Charge", said)
        elif change == "remove":
            layer.remove("Charge", f"C{said:02}")
        else:
            layer = Layer(INDEXES, layer)
        for filter, order, part_of in queries:
            query = "&".join(part for part in (filter, f"order={order}" if order else "", part_of) if part)
            for place in (HOME, ("Charge", EVERY, None)):
                for _ in range(2):  # the first may look at all, the second finds what the first has made
                    assert asked(layer, query, place) == looked_at(layer, query, place), query


def test_a_span_of_many_rows_looks_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(INDEXES)
    for number in range(5_000):
        layer.put("Charge", {"id": f"C{number:05}", "journal": {"id": "J1"}, "quantity": number % 7})
    looked: list[int] = []
    at = Layer.at

    def counted(self: Layer, entity: str, ids: Any) -> Any:
        rows = at(self, entity, ids)
        looked.append(len(rows))
        return rows

    for _ in range(3):  # what is kept by a member is made
        asked(layer, "order=-quantity&limit=3", HOME)
        asked(layer, "gt(quantity,5)&limit=3", HOME)
        asked(layer, "eq(quantity,3)&limit=3", HOME)
    monkeypatch.setattr(Layer, "at", counted)
    asked(layer, "limit=3&offset=2500", HOME)
    asked(layer, "order=-quantity&limit=3&offset=2500", HOME)
    asked(layer, "eq(quantity,3)&limit=3&offset=300", HOME)
    asked(layer, "gt(quantity,5)&limit=3", HOME)
    assert sum(looked) < 200


def test_what_a_lower_layer_keeps_serves_those_above_until_they_change_something() -> None:
    seed = Layer(INDEXES)
    for number in range(30):
        seed.put("Charge", {"id": f"C{number:02}", "journal": {"id": "J1"}, "quantity": number % 3})
    one, other = Layer(INDEXES, seed), Layer(INDEXES, seed)
    assert asked(one, "eq(quantity,1)", HOME)[-1] == "of 10"
    made = seed.bucket(HOME).made[Grouped, "quantity", False]
    assert asked(other, "eq(quantity,1)", HOME)[-1] == "of 10"
    assert seed.bucket(HOME).made[Grouped, "quantity", False] is made, "the second finds what the first has made"
    one.put("Charge", {"id": "C01", "journal": {"id": "J1"}, "quantity": 2})
    assert asked(one, "eq(quantity,1)", HOME)[-1] == "of 9"
    assert asked(other, "eq(quantity,1)", HOME)[-1] == "of 10"


@pytest.mark.parametrize("query", ["eq(quantity,1)", "order=-quantity", "like(id,*C*)&ne(quantity,2)"])
def test_what_was_made_while_rows_changed_is_not_kept(query: str) -> None:
    layer = Layer(INDEXES)
    for number in range(30):
        record = {"id": f"C{number:02}", "journal": {"id": "J1"}, "quantity": number % 3, "status": "Error"}
        layer.put("Charge", record)
    begun = steps(layer, query, HOME)
    for _ in range(3):
        next(begun)
    layer.put("Charge", {"id": "C00", "journal": {"id": "J1"}, "quantity": 1, "status": "Ready"})
    layer.put("Charge", {"id": "C99", "journal": {"id": "J1"}, "quantity": 1, "status": "Error"})
    lists._at_once(begun)
    assert asked(layer, query, HOME) == looked_at(layer, query, HOME)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["append", "extend", "remove", "list"]), st.integers(0, 5)), max_size=20))
def test_a_bucket_has_its_ids_in_the_order_in_which_they_came(steps: list[tuple[str, int]]) -> None:
    bucket, expected = Bucket(["a", "b"]), ["a", "b"]
    lists: list[tuple[list[str], list[str]]] = []
    for number, (step, at) in enumerate(steps):
        if step == "append":
            bucket.append(f"{number}", {})
            expected.append(f"{number}")
        elif step == "extend":
            bucket.extend(new := [f"{number}.{each}" for each in range(at)], {})
            expected += new
        elif step == "remove" and expected:
            bucket.remove(expected.pop(at % len(expected)))
        elif step == "list":
            lists.append((bucket.listed, expected.copy()))
        assert (len(bucket), list(bucket)) == (len(expected), expected)
    assert all(listed[: len(then)] == then for listed, then in lists), "what was listed only ever grows"


def test_a_listing_is_refused_where_the_unit_of_work_changes_the_rows_itself() -> None:
    changes = Changes(Layer(INDEXES))
    assert Listing.of(changes, HOME) is not None
    changes.put("Charge", {"id": "C01", "journal": {"id": "J1"}})
    assert Listing.of(changes, HOME) is None
