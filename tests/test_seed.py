"""The default world: whole, adding up, complete, and the same wherever it is built."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mockserver import scenario, seed, wire
from mockserver.apis.billing.plugin import PLUGIN
from mockserver.apis.billing.rules import rounded
from mockserver.domain.machine import state_of
from mockserver.service import Service
from mockserver.store import Record, at
from mockserver.work import Actor
from mockserver.world import Processing, World
from specs import tables

API = tables.load("billing")
APIS = {"billing": (API, PLUGIN)}
ROOT = Path(__file__).parent.parent


def build(name: str | Path = "default", **options: Any) -> World:
    return seed.build(scenario.load(name), apis=APIS, **options)["billing"]


@pytest.fixture(scope="module")
def world() -> World:
    return build()


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(API, PLUGIN)


def rows(world: World, entity: str) -> list[Record]:
    return [row.record for row in world.layer.all(entity)]


def digest(world: World) -> str:
    """A fingerprint of everything in a world, the bytes of its files included."""
    hashed = hashlib.sha256()
    for entity, id, row in world.layer.changed():
        assert row is not None
        content = dict(row.record)
        content = {name: value.hex() if isinstance(value, bytes) else value for name, value in content.items()}
        hashed.update(f"{entity}/{id}/".encode() + wire.dump(content))
    return hashed.hexdigest()


def total(records: list[Record], path: str) -> Decimal:
    return sum((Decimal(at(record, path)) for record in records), Decimal(0))


def members(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every member of a record, with its dotted path."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield f"{path}.{name}".lstrip("."), each
            yield from members(each, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from members(each, path)


# Whole


def test_every_reference_leads_to_a_record(world: World) -> None:
    references = {**API.conventions.references, "parent": None, "by": None}
    missing = []
    for entity in API.visibility:
        for record in rows(world, entity):
            for path, value in members(record):
                name = path.rpartition(".")[2]
                if name not in references or not isinstance(value, Mapping) or "id" not in value:
                    continue
                target = references[name] or entity
                if name == "by":
                    target = "Token" if value["id"].startswith("TKN") else "User"
                if world.layer.get(target, value["id"]) is None:
                    missing.append(f"{entity} {record['id']}: {path} {value['id']}")
    assert missing == []


def test_a_reference_shows_its_record_as_it_is(world: World) -> None:
    for entity in API.visibility:
        for record in rows(world, entity):
            for name in record:
                target = API.conventions.references.get(name)
                if target is None or not isinstance(record[name], Mapping):
                    continue
                other = world.layer.get(target, record[name]["id"])
                assert other is not None
                core = {key: other[key] for key in API.conventions.core[target] if key in other}
                assert record[name] == core, f"{entity} {record['id']} {name}"


@pytest.mark.parametrize("role", API.roles)
def test_every_record_is_valid_as_every_role_sees_it(world: World, service: Service, role: str) -> None:
    work = world.work(Actor({"id": "USR-0000-0000", "name": "System"}, role, ""))
    for entity in API.visibility:
        validator = service.validators.compiled({"$ref": f"#/components/schemas/{entity}"})
        view = service.view(entity, role, "read", (), work)
        for record in rows(world, entity):
            value = wire.plain(view.project(record, meta=True))
            error = next(iter(validator.iter_errors(value)), None)
            assert error is None, f"{entity} {record['id']}: {error}"


def test_no_record_holds_none_and_every_amount_is_exact(world: World) -> None:
    for entity in (*API.visibility, *API.conventions.ids):
        for record in rows(world, entity):
            for path, value in members(record):
                assert value is not None, f"{entity} {record['id']} {path}"
                assert not isinstance(value, float), f"{entity} {record['id']} {path}"


def test_the_world_is_at_rest(world: World) -> None:
    assert list(world.jobs()) == []
    assert not world.waiting
    assert world.clock.now() == scenario.load("default").now


def test_nothing_happened_after_the_world_starts(world: World) -> None:
    now = wire.instant(world.clock.now())
    for entity in API.visibility:
        for record in rows(world, entity):
            for event in record.get("audit", {}).values():
                assert event["at"] <= now, f"{entity} {record['id']}"


def test_audit_follows_the_states_that_a_record_went_through(world: World) -> None:
    for journal in rows(world, "Journal"):
        if journal["status"] == "Completed":
            order = ["created", "validating", "validated", "review", "generating", "generated", "queued", "completed"]
            instants = [journal["audit"][key]["at"] for key in order]
            assert instants == sorted(instants)


# Adding up


def charges_of(world: World, path: str, id: str) -> list[Record]:
    return [row.record for row in world.layer.where("Charge", path, id)]


def test_statements_and_ledgers_come_to_their_charges(world: World) -> None:
    for entity, path in (("Ledger", "ledger.id"), ("Statement", "statement.id")):
        for record in rows(world, entity):
            charges = charges_of(world, path, record["id"])
            if record.get("billingType") == "Consolidated":
                continue
            assert charges, f"{entity} {record['id']} has charges"
            for name, side in (("totalPP", "PPx1"), ("totalSP", "SPx1"), ("totalBSP", "BSPx1")):
                assert record["price"][name] == rounded(total(charges, f"price.{side}"), 5)
            assert record["processing"]["total"] == len(charges)


def test_a_journal_comes_to_its_ledgers_and_its_ledgers_to_its_billable_charges(world: World) -> None:
    for journal in rows(world, "Journal"):
        charges = charges_of(world, "journal.id", journal["id"])
        ledgers = [row.record for row in world.layer.where("Ledger", "journal.id", journal["id"])]
        billable = [charge for charge in charges if charge["processing"]["status"] == "Ready"]
        if ledgers:
            for name in ("totalPP", "totalSP", "totalBSP"):
                assert journal["price"][name] == total(ledgers, f"price.{name}")
            assert {charge["ledger"]["id"] for charge in billable} == {ledger["id"] for ledger in ledgers}
        elif journal["status"] not in ("Validating", "Draft"):
            assert journal["price"]["totalPP"] == rounded(total(billable, "price.PPx1"), 5)


def test_custom_ledgers_come_to_their_charges(world: World) -> None:
    for ledger in rows(world, "CustomLedger"):
        charges = charges_of(world, "customLedger.id", ledger["id"])
        ready = [charge for charge in charges if charge["processing"]["status"] == "Ready"]
        assert ledger["price"]["totalSP"] == rounded(total(ready, "price.SPx1"), 5)
        assert ledger["processing"]["total"] == len(charges)


def test_consolidated_statements_come_to_their_children(world: World) -> None:
    shells = [each for each in rows(world, "Statement") if each["billingType"] == "Consolidated"]
    assert shells
    for parent in shells:
        children = [row.record for row in world.layer.where("Statement", "parent.id", parent["id"])]
        assert children
        assert parent["price"]["totalSP"] == total(children, "price.totalSP")
        assert parent["statistics"]["statements"] == len(children)


def test_counters_count_each_charge_once_by_its_status(world: World) -> None:
    for journal in rows(world, "Journal"):
        charges = charges_of(world, "journal.id", journal["id"])
        counts: dict[str, int] = defaultdict(int)
        for charge in charges:
            counts[charge["processing"]["status"].lower()] += 1
        for name in ("ready", "error", "split", "skipped", "ignored"):
            if journal["status"] not in ("Reconciling", "Resetting"):
                assert journal["processing"][name] == counts[name], f"{journal['id']} {name}"


def test_shares_of_a_split_charge_come_to_the_whole(world: World) -> None:
    parents = [charge for charge in rows(world, "Charge") if charge["processing"]["status"] == "Split"]
    assert parents
    for parent in parents:
        shares = charges_of(world, "parent.id", parent["id"])
        assert total(shares, "price.PPx1") == parent["price"]["PPx1"]
        assert total(shares, "split.percentage") == 100


MONEY = ("unitPrice", "discountAmount", "amount", "lineAmount", "vatBaseAmount", "amountIncludingVat")


@pytest.mark.parametrize(("entity", "amount"), [("Invoice", "amount"), ("CreditMemo", "price.amount")])
def test_documents_come_to_their_lines_and_to_their_statement(world: World, entity: str, amount: str) -> None:
    prefix = amount.removesuffix("amount")
    for document in rows(world, entity):
        price, lines = document["price"], list(document["lines"])
        assert total(lines, amount) == price["totalSP"]
        assert total(lines, f"{prefix}amountIncludingVat") == price["totalGT"] == price["totalSP"] + price["totalST"]
        amounts = [price[name] for name in ("totalSP", "totalST", "totalGT")]
        for line in lines:
            amounts += [at(line, f"{prefix}{name}") for name in MONEY]
            one = {
                name: at(line, f"{prefix}{name}") for name in ("quantity", "unitPrice", "discountAmount", "lineAmount")
            }
            assert one["lineAmount"] == one["quantity"] * one["unitPrice"] - one["discountAmount"]
        statement = world.layer.get("Statement", document["statement"]["id"])
        assert statement is not None
        sign = -1 if entity == "CreditMemo" else 1
        assert [amount for amount in amounts if amount != rounded(amount, 2)] == []
        assert rounded(statement["price"]["totalSP"], 2) == sign * price["totalSP"]
        assert rounded(statement["price"]["totalGT"], 2) == sign * price["totalGT"]
        assert statement["invoice" if entity == "Invoice" else "creditMemo"]["id"] == document["id"]


# Complete


@pytest.mark.parametrize("entity", API.machines)
def test_every_state_of_every_machine_is_there(world: World, entity: str) -> None:
    machine = API.machines[entity]
    states = {state_of(machine, record) for record in rows(world, entity)}
    # What is Deleted is gone; that it was there, the next test shows.
    assert set(machine.states) - {"Deleted"} == states


@pytest.mark.parametrize("entity", ["Journal", "CustomLedger"])
def test_what_was_deleted_is_gone_and_its_number_is_not_used_again(world: World, entity: str) -> None:
    drawn = world.layer.get("Counter", entity)
    assert drawn is not None
    there = [record for record in rows(world, entity) if not record["id"].startswith(f"{record['id'][:3]}-1000-")]
    assert drawn["last"] > len(there)
    new = world.work().new_id(entity)
    assert world.layer.get(entity, new) is None


def test_the_default_world_is_rich(world: World) -> None:
    least = {"Journal": 12, "Charge": 200, "Statement": 40, "Invoice": 15, "CreditMemo": 6, "Ledger": 20}
    for entity, count in least.items():
        assert len(rows(world, entity)) >= count, entity
    sellers = defaultdict(set)
    for ledger in rows(world, "Ledger"):
        sellers[ledger["journal"]["id"]].add(ledger["seller"]["id"])
    assert max(map(len, sellers.values())) > 1, "a journal with several ledgers"
    assert any(len(seller["currencies"]) > 1 for seller in rows(world, "Seller")), "a seller with several currencies"
    rates = {charge["price"]["currency"].get("rate", 1) for charge in rows(world, "Charge")}
    assert len(rates) > 1, "charges with an exchange rate"
    assert {each["type"] for each in rows(world, "Statement")} == {"Debit", "Credit"}
    assert {each["billingType"] for each in rows(world, "Statement")} == {"Automated", "Manual", "Consolidated"}


@pytest.mark.parametrize("entity", [name for name in API.visibility if name.endswith("Attachment")])
def test_every_kind_of_object_has_a_file(world: World, entity: str) -> None:
    attachments = rows(world, entity)
    assert "Attachment" in {each["type"] for each in attachments}
    for each in attachments:
        file = world.layer.get("File", each["id"])
        if each["isDeleted"]:
            assert file is None
        elif not each.get("isExternal"):
            assert file is not None
            assert len(file["content"]) == each["size"]


SCOPED = [
    (entity, role, table.rows[role])
    for entity, table in API.visibility.items()
    if not isinstance(table.rows, str)
    for role in table.rows
    if table.rows[role] != "all"
]


@pytest.mark.parametrize(("entity", "role", "member"), SCOPED)
def test_every_caller_has_rows_and_is_kept_from_others(world: World, entity: str, role: str, member: str) -> None:
    for caller in seed.callers(world).values():
        if caller.role == role:
            owners = [at(record, member) for record in rows(world, entity)]
            assert caller.account in owners, f"{caller.name} has a {entity}"
            assert {owner for owner in owners if owner != caller.account}, f"{caller.name} has no foreign {entity}"


@pytest.mark.parametrize("entity", ["Journal", "Statement", "Invoice", "CreditMemo"])
def test_something_belongs_to_nobody_who_calls(world: World, entity: str) -> None:
    member = "vendor.id" if entity == "Journal" else "client.id"
    cast = {caller.account for caller in seed.callers(world).values()}
    assert any(at(record, member) not in cast for record in rows(world, entity))


def test_the_cast_is_as_promised(world: World) -> None:
    cast = seed.callers(world)
    assert [caller.name for caller in cast.values()] == [
        "operations",
        "vendor",
        "vendor-other",
        "client",
        "client-other",
        "expired",
    ]
    now = wire.instant(world.clock.now())
    expired = next(caller for caller in cast.values() if caller.name == "expired")
    assert expired.expires is not None
    assert expired.expires < now
    for caller in cast.values():
        token = world.layer.get("Token", caller.token_id)
        account = world.layer.get("Account", caller.account)
        assert token is not None
        assert account is not None
        assert token["account"]["id"] == account["id"]
        assert account["type"].lower() == caller.role


# The same everywhere


def test_the_same_seed_gives_the_same_world(world: World) -> None:
    assert digest(build()) == digest(world)


def test_another_seed_gives_another_world_with_the_same_pins(world: World) -> None:
    other = build(seed=2)
    assert digest(other) != digest(world)
    for id in ("BJO-1000-0005", "BJO-1000-0012"):
        record = other.layer.get("Journal", id)
        assert record is not None
        assert record["name"] == world.layer.get("Journal", id)["name"]  # type: ignore[index]  # it is there


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_hash_seeds_change_nothing(world: World, hash_seed: str) -> None:
    program = "from tests.test_seed import build, digest; print(digest(build()))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == digest(world)


@pytest.mark.parametrize("given", range(3, 9))
def test_any_seed_makes_a_world(given: int) -> None:
    world = build(seed=given)
    assert {state_of(API.machines["Journal"], each) for each in rows(world, "Journal")} >= {"Review", "Completed"}


def test_everything_moves_with_the_start() -> None:
    now = datetime(2031, 7, 1, 12, tzinfo=UTC)
    world = build(now=now)
    assert world.clock.now() == now
    newest = max(each["audit"]["created"]["at"] for each in rows(world, "Journal"))
    assert newest[:4] == "2031"


@pytest.mark.parametrize(("mode", "runs"), [("immediate", False), ("after:2", True), ("manual", False)])
def test_the_clock_runs_only_where_jobs_wait_for_it(mode: str, runs: bool) -> None:
    world = build(processing=Processing.parse(mode))
    assert world.processing.mode == mode.partition(":")[0]
    assert world.clock.runs is runs


def test_a_thousand_journals_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(
        "extends: default\nsizes: {billing: {journals: 1000, lines: 3, agreements: 60}}\n", encoding="utf-8"
    )
    world = build(path)
    assert len(rows(world, "Journal")) >= 1000


# Believable


def test_no_journal_is_one_huge_amount(world: World) -> None:
    for charge in rows(world, "Charge"):
        assert abs(charge["price"]["PPx1"]) < 40_000, charge["id"]
    credits = [charge for charge in rows(world, "Charge") if charge["description"]["value1"].startswith("Credit for ")]
    assert credits
    assert all(charge["price"]["PPx1"] < 0 for charge in credits)


def test_buyers_and_licensees_are_told_apart(world: World) -> None:
    names = [each["name"] for entity in ("Buyer", "Licensee") for each in rows(world, entity)]
    assert len(set(names)) == len(names)


def test_a_seller_of_a_country_without_locale_lives_there(tmp_path: Path) -> None:
    path = tmp_path / "fjord.yaml"
    path.write_text("extends: default\npins: [{entity: Seller, id: SEL-1234-0001, externalId: NO}]\n", encoding="utf-8")
    seller = build(path).layer.get("Seller", "SEL-1234-0001")
    assert seller is not None
    assert seller["address"]["country"] == "NO"
    assert re.fullmatch(r"\d{4}", seller["address"]["postCode"]), "as in Norway, not as in Britain"


@pytest.mark.parametrize(
    ("sizes", "told"), [("journals: 3", []), ("journals: 300, lines: 1", ["making 300 journals of billing ..."])]
)
def test_a_long_start_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, sizes: str, told: list[str]) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(f"extends: default\nsizes: {{billing: {{{sizes}}}}}\n", encoding="utf-8")
    with caplog.at_level("INFO", "mockserver.seed"):
        build(path)
    assert caplog.messages == told


@pytest.mark.parametrize("now", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_a_start_without_past_or_future_is_refused(now: datetime) -> None:
    with pytest.raises(scenario.ScenarioError, match=r"^now: .* a world starts between 1970 and 2200\.$"):
        build(now=now)
