"""Views: what a role sees of a record, and what `select` changes about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mockserver.rql.reading import parse
from mockserver.views import View
from specs.shapes import shape

# The first example loads the grammar, and machines that build others have slow moments.
PATIENT = settings(deadline=None)

TEXT = {"type": "string"}
NUMBER = {"type": "number"}


def schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


DOCUMENT = {
    "components": {
        "schemas": {
            "Statement": schema(
                **{"id": TEXT, "$meta": {"type": "object"}},
                name=TEXT,
                externalIds=schema(client=TEXT, operations=TEXT),
                seller=ref("SellerRef"),
                ledger=ref("LedgerRef"),
                price=schema(currency=schema(sale=TEXT, rate=NUMBER), totalSP=NUMBER, totalPP=NUMBER),
                processing=schema(total={"type": "integer"}),
                lines={"type": "array", "items": schema(id=TEXT, itemNo=TEXT, amount=NUMBER, margin=NUMBER)},
                currencies={"type": "array", "items": TEXT},
                audit=schema(created=schema(at=TEXT, by=ref("UserRef"))),
            ),
            "SellerRef": schema(id=TEXT, name=TEXT, erpLink=TEXT, address=schema(country=TEXT, city=TEXT)),
            "LedgerRef": schema(id=TEXT),
            "UserRef": schema(id=TEXT, name=TEXT),
        }
    }
}
REFERENCES = {"seller": "Seller", "owner": "Seller", "ledger": "Ledger", "by": "User"}
STATEMENT = shape(DOCUMENT, "Statement", REFERENCES)
HIDDEN = frozenset({"externalIds.operations", "price.totalPP", "price.currency.rate", "processing", "lines.margin"})
OMITTED = ("lines", "currencies", "audit")

RECORD: dict[str, Any] = {
    "id": "SOM-1",
    "name": "June",
    "externalIds": {"client": "mine", "operations": "HIDDEN"},
    "seller": {"id": "SEL-1", "name": "Nordland"},
    "ledger": {"id": "BLE-1"},
    "price": {
        "currency": {"sale": "EUR", "rate": Decimal("9.1")},
        "totalSP": Decimal("10.50"),
        "totalPP": Decimal("9.2"),
    },
    "processing": {"total": 93},
    "lines": [{"id": "L-1", "itemNo": "X1", "amount": Decimal(30), "margin": Decimal("9.4")}],
    "currencies": ["EUR"],
    "audit": {"created": {"at": "2025-06-03T08:15:00.120Z", "by": {"id": "USR-1", "name": "Ada"}}},
}
WORLD: dict[tuple[str, str], dict[str, Any]] = {
    ("Seller", "SEL-1"): {
        "id": "SEL-1",
        "name": "Nordland",
        "status": "Active",
        "erpLink": "HIDDEN",
        "currencies": ["EUR"],
        "address": {"country": "NL", "city": "Haven"},
        "audit": {"created": {"at": "2024-01-01T00:00:00.000Z"}},
    },
    ("Ledger", "BLE-1"): {
        "id": "BLE-1",
        "status": "Review",
        "owner": {"id": "SEL-1", "name": "Nordland"},
        "price": {"totalPP": "HIDDEN", "totalSP": Decimal(4)},
    },
}
HIDDEN_THERE = {"Seller": frozenset({"erpLink"}), "Ledger": frozenset({"price.totalPP"}), "User": frozenset({"*"})}


def view(select: str = "", *, omitted: tuple[str, ...] = OMITTED, hidden: frozenset[str] = HIDDEN) -> View:
    return View(
        STATEMENT,
        hidden=hidden,
        omitted=omitted,
        select=parse(f"select={select}").select,
        expand=lambda entity, id: WORLD.get((entity, id)),
        references=REFERENCES,
        hidden_of=lambda entity: HIDDEN_THERE.get(entity, frozenset()),
    )


DEFAULT: dict[str, Any] = {
    "id": "SOM-1",
    "name": "June",
    "externalIds": {"client": "mine"},
    "seller": {"id": "SEL-1", "name": "Nordland"},
    "ledger": {"id": "BLE-1"},
    "price": {"currency": {"sale": "EUR"}, "totalSP": 10.5},
}
LINES = [{"id": "L-1", "itemNo": "X1", "amount": 30}]
SELLER = {
    "id": "SEL-1",
    "name": "Nordland",
    "status": "Active",
    "address": {"country": "NL", "city": "Haven"},
}


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in DEFAULT.items() if name not in names} | more


@pytest.mark.parametrize(
    ("select", "shown", "omitted"),
    [
        ("", DEFAULT, ["lines", "currencies", "audit"]),
        ("name", DEFAULT, ["lines", "currencies", "audit"]),
        ("lines", without(lines=LINES), ["currencies", "audit"]),
        ("%2BLINES,+currencies", without(lines=LINES, currencies=["EUR"]), ["audit"]),
        ("audit", without(audit=RECORD["audit"]), ["lines", "currencies"]),
        ("-name,-price", without("name", "price"), ["name", "price", "lines", "currencies", "audit"]),
        ("-id", DEFAULT, ["lines", "currencies", "audit"]),
        ("-value,-period,nosuch,seller.nosuch", DEFAULT, ["lines", "currencies", "audit"]),
        ("*", without(lines=LINES, currencies=["EUR"], audit=RECORD["audit"]), []),
        ("*,-audit", without(lines=LINES, currencies=["EUR"]), ["audit"]),
        ("processing,price.totalPP", DEFAULT, ["lines", "currencies", "audit"]),
        ("seller", without(seller=SELLER), ["lines", "currencies", "audit"]),
        (
            "seller.address.country",
            without(seller={"id": "SEL-1", "name": "Nordland", "address": {"country": "NL"}}),
            ["lines", "currencies", "audit"],
        ),
        (
            "ledger.owner",
            without(ledger={"id": "BLE-1", "owner": SELLER}),
            ["lines", "currencies", "audit"],
        ),
        (
            "ledger",
            without(
                ledger={
                    "id": "BLE-1",
                    "status": "Review",
                    "owner": {"id": "SEL-1", "name": "Nordland"},
                    "price": {"totalSP": 4},
                }
            ),
            ["lines", "currencies", "audit"],
        ),
        ("-seller.name", without(seller={"id": "SEL-1"}), ["lines", "currencies", "audit"]),
        ("-seller.id,-price.currency", without(price={"totalSP": 10.5}), ["lines", "currencies", "audit"]),
        ("seller,-seller.address.city", without(seller=SELLER | {"address": {"country": "NL"}}), [*OMITTED]),
        ("-seller,seller.name", DEFAULT, [*OMITTED]),
        ("-price,price.totalSP", without(price={"totalSP": 10.5}), [*OMITTED]),
        ("lines,-lines", DEFAULT, [*OMITTED]),
        ("-lines,lines", without(lines=LINES), ["currencies", "audit"]),
        ("lines.amount", without(lines=[{"id": "L-1", "amount": 30}]), ["currencies", "audit"]),
        ("audit.created.by", without(audit={"created": {"by": {"id": "USR-1", "name": "Ada"}}}), [*OMITTED[:2]]),
        ("-audit.created", DEFAULT, [*OMITTED]),
        (
            "seller.audit.created.at",
            without(seller=RECORD["seller"] | {"audit": WORLD["Seller", "SEL-1"]["audit"]}),
            [*OMITTED],
        ),
    ],
)
def test_select_changes_the_default_view(select: str, shown: dict[str, Any], omitted: list[str]) -> None:
    seen = view(select)
    assert seen.project(RECORD) == shown
    assert list(seen.omitted) == omitted
    assert seen.project(RECORD, meta=True) == (shown | {"$meta": {"omitted": omitted}} if omitted else shown)


@pytest.mark.parametrize(
    ("select", "shown"),
    [
        ("-*", {"id": "SOM-1"}),
        ("-*,id,name", {"id": "SOM-1", "name": "June"}),
        ("name,-*", {"id": "SOM-1", "name": "June"}),
        ("-*,+price.totalSP", {"id": "SOM-1", "price": {"totalSP": 10.5}}),
        ("-*,price.totalPP,price.nosuch,processing", {"id": "SOM-1"}),
        ("-*,seller", {"id": "SOM-1", "seller": SELLER}),
        ("-*,seller.name", {"id": "SOM-1", "seller": {"id": "SEL-1", "name": "Nordland"}}),
        ("-*,seller.id", {"id": "SOM-1", "seller": {"id": "SEL-1"}}),
        ("-*,seller.erpLink", {"id": "SOM-1"}),
        (
            "-*,ledger.owner.address.city",
            {"id": "SOM-1", "ledger": {"id": "BLE-1", "owner": {"id": "SEL-1", "address": {"city": "Haven"}}}},
        ),
        ("-*,lines.itemNo", {"id": "SOM-1", "lines": [{"id": "L-1", "itemNo": "X1"}]}),
        ("-*,name.first", {"id": "SOM-1"}),
    ],
)
def test_select_may_start_from_nothing(select: str, shown: dict[str, Any]) -> None:
    seen = view(select)
    assert seen.project(RECORD) == shown
    for name in ("name", "price", "lines"):
        assert (name in seen.omitted) != (name in shown)
    assert "processing" not in seen.omitted


def test_members_keep_the_order_of_the_record_and_meta_comes_last() -> None:
    shown = view("audit,lines").project(RECORD, meta=True)
    assert list(shown) == [name for name in RECORD if name not in ("processing", "currencies")] + ["$meta"]


def test_a_member_that_the_spec_does_not_know_is_never_shown() -> None:
    assert view("*").project(RECORD | {"secret": 1}).get("secret") is None


def test_an_entity_that_hides_everything_is_not_expanded() -> None:
    shown = view("audit,audit.created.by").project(RECORD)
    assert shown["audit"]["created"]["by"] == {"id": "USR-1", "name": "Ada"}


def test_a_reference_to_nothing_keeps_its_core_members() -> None:
    assert view("seller").project({"id": "SOM-2", "seller": {"id": "SEL-9", "name": "Gone"}}) == {
        "id": "SOM-2",
        "seller": {"id": "SEL-9", "name": "Gone"},
    }


def test_a_hidden_name_hides_what_lies_below_it_whatever_else_is_hidden() -> None:
    seen = view("*,price.totalSP", hidden=frozenset({"price", "price.totalPP"}))
    assert "price" not in seen.project(RECORD)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("1200.00000", "1200"), ("10.50", "10.5"), ("0", "0"), ("-0.00001", "-1e-05"), ("1E+3", "1000")],
)
def test_amounts_become_plain_numbers(amount: str, shown: str) -> None:
    record = {"id": "SOM-1", "price": {"totalSP": Decimal(amount)}}
    assert json.dumps(view().project(record)["price"]["totalSP"]) == shown


NAMES = ["*", "id", "seller", "ledger", "owner", "lines", "price", "totalPP", "currency", "rate", "processing"]
NAMES += ["externalIds", "operations", "erpLink", "margin", "audit", "created", "by", "address", "nosuch"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(".".join)
SELECTS = st.lists(st.tuples(st.sampled_from(["", "-", "%2B"]), PATHS).map("".join), max_size=6).map(",".join)


@PATIENT
@given(SELECTS)
@example("*,price,ledger,seller,lines")
@example("ledger.price.totalPP,seller.erpLink,ledger.owner.erpLink,lines.margin")
def test_no_select_shows_what_is_hidden_changes_the_record_or_loses_the_id(select: str) -> None:
    before = deepcopy(RECORD)
    seen = view(select)
    shown = seen.project(RECORD, meta=True)
    told = json.dumps(shown)
    for secret in ("HIDDEN", "9.1", "9.2", "93", "9.4", "processing"):
        assert secret not in told
    assert shown["id"] == "SOM-1"
    assert not {*seen.omitted} & {*shown}
    assert before == RECORD


@PATIENT
@given(SELECTS)
def test_every_reference_that_is_shown_keeps_its_id(select: str) -> None:
    shown = view(select).project(RECORD)
    for value in objects(shown):
        if "name" in value or "owner" in value:
            assert "id" in value


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)
