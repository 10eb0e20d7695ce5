"""Scenario files: read, laid over one another, refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mockserver import plugins, scenario, seed
from mockserver.apis.billing.pinning import MEMBERS
from mockserver.apis.billing.wishes import CHARGES, WAYS
from mockserver.scenario import ScenarioError
from mockserver.store import Record
from mockserver.world import World
from specs import tables
from specs.tables import Api
from tests.test_seed import API, APIS

EVERY = tuple(tables.load(name) for name in tables.names())
README = (scenario.HOME / "README.md").read_text(encoding="utf-8")
CAST = "callers:\n  operations: {token: operations-token, role: operations}\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a scenario file; `write(text, name="base.yaml")`."""

    def writing(text: str, name: str = "my-world.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return writing


def build(path: str | Path, **options: Any) -> World:
    return seed.build(scenario.load(path), apis=APIS, **options)["billing"]


def record(world: World, entity: str, id: str) -> Record:
    found = world.layer.get(entity, id)
    assert found is not None, f"{entity} {id}"
    return found


def refused(path: str | Path) -> str:
    """What the file is refused with: always one line."""
    with pytest.raises(ScenarioError) as caught:
        build(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What the documentation promises


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_an_example_of_the_readme_makes_a_world(write: Write, text: str) -> None:
    worlds = seed.build(scenario.load(write(text)), apis={api.name: (api, plugins.plugin(api)) for api in EVERY})
    assert any(seed.callers(world) for world in worlds.values())


def test_the_readme_lists_every_entity_that_can_be_pinned() -> None:
    rows = " ".join(line for line in README.splitlines() if line.startswith("|"))
    for entity in MEMBERS:
        assert entity in rows or (entity.endswith("Attachment") and "JournalAttachment" in rows)


@pytest.mark.parametrize("api", EVERY, ids=lambda api: api.name)
def test_the_readme_lists_every_size_role_and_key_of_a_caller(api: Api) -> None:
    module = plugins.brought(api.name, "seeding")
    assert module is not None
    row = next(line for line in README.splitlines() if line.startswith(f"| {api.name} |"))
    assert [name for name in module.Seeding.SIZES if f"`{name}`" not in README] == []
    assert [name for name in module.Seeding.KEYS if f"`{name}`" not in row + README] == []
    assert [role for role in api.roles if role not in row] == []


@pytest.mark.parametrize(("id", "state"), re.findall(r"^\| (BJO-[\d-]+) \| (\w+)", README, re.MULTILINE))
def test_a_pinned_journal_is_as_the_readme_says(default: World, id: str, state: str) -> None:
    assert record(default, "Journal", id)["status"] == state


@pytest.mark.parametrize(("entity", "prefix"), [("CustomLedger", "CLE"), ("Statement", "SOM"), ("Invoice", "INV")])
def test_pinned_objects_are_as_the_readme_says(default: World, entity: str, prefix: str) -> None:
    line = next(line for line in README.splitlines() if line.startswith(f"| {prefix}-"))
    first, states = line.split("|")[1].split()[0], line.split("|")[2].split(", ")
    for number, state in enumerate(states, 1):
        assert record(default, entity, f"{first[:-1]}{number}")["status"] == state.strip()


def test_the_cast_is_as_the_readme_says(default: World) -> None:
    told = re.findall(r"^\| ([\w-]+) \| `([\w-]+)` \| (\w+) \| .*?(ACC-[\d-]+)", README, re.MULTILINE)
    assert told == [(each.name, each.token, each.role, each.account) for each in seed.callers(default).values()]


@pytest.fixture(scope="module")
def default() -> World:
    return build("default")


# Laid over one another


def test_a_file_lies_over_its_base(write: Write) -> None:
    write(CAST + "now: 2030-01-01\nseed: 3\nsizes: {billing: {sellers: 2, buyers: 2}}\n", "base.yaml")
    path = write(
        "extends: ./base.yaml\nseed: 4\nsizes: {billing: {buyers: 5}}\n"
        "callers:\n  operations: {token: another, role: operations}\n  me: {token: me-token, role: client}\n"
    )
    loaded = scenario.load(path)
    assert loaded.now == datetime(2030, 1, 1, tzinfo=UTC)
    assert loaded.seed == 4
    assert loaded.sizes["billing"] == {"sellers": 2, "buyers": 5}
    assert [(part.name, part.token) for part in loaded.callers] == [("operations", "another"), ("me", "me-token")]


def test_a_pin_lies_over_the_base_pin_with_its_id_member_by_member(write: Write) -> None:
    write(
        CAST + "pins:\n  - {entity: Seller, id: SEL-1111-2222, name: Old, externalId: NL}\n"
        "  - {entity: Seller, name: Kept}\n",
        "base.yaml",
    )
    path = write("extends: base.yaml\npins:\n  - {entity: Seller, id: SEL-1111-2222, name: New}\n")
    assert [dict(pin.members) for pin in scenario.load(path).pins] == [
        {"name": "New", "externalId": "NL"},
        {"name": "Kept"},
    ]


def test_a_journal_of_the_base_stays_with_its_vendor(write: Write) -> None:
    pin = "{entity: Journal, id: BJO-1000-0001, status: Review, name: Mine}"
    journal = record(build(write(f"extends: default\npins: [{pin}]\n")), "Journal", "BJO-1000-0001")
    assert (journal["name"], journal["status"]) == ("Mine", "Review")
    assert journal["vendor"]["name"] == "Tidewater Software"


def test_what_comes_from_the_base_is_blamed_on_the_base(write: Write) -> None:
    write(CAST + "pins:\n  - {entity: Journal, id: BJO-1111-2222, status: Reviewed}\n", "base.yaml")
    path = write("extends: base.yaml\npins:\n  - {entity: Journal, id: BJO-1111-2222, name: New}\n")
    assert refused(path).startswith("base.yaml:4: pins[0].status: no state 'Reviewed'")


def test_a_token_of_the_base_is_blamed_on_the_file_that_repeats_it(write: Write) -> None:
    path = write("extends: default\ncallers:\n  operations: {token: vendor-token, role: operations}\n")
    assert refused(path) == (
        "my-world.yaml:3: callers.operations: has the token of vendor; give each a token of its own."
    )


@pytest.mark.parametrize(
    "sizes",
    [
        "lines: 0",
        "lines: 1",
        "agreements: 1",
        "lines: 2, agreements: 0",
        "agreements: 0, buyers: 0, sellers: 0, journals: 0, customLedgers: 0, subscriptions: 0, assets: 0",
    ],
)
@pytest.mark.parametrize("given", [1, 5])
def test_small_sizes_leave_what_is_pinned_whole(write: Write, sizes: str, given: int) -> None:
    world = build(write(f"extends: default\nsizes: {{billing: {{{sizes}}}}}\n"), seed=given)
    assert record(world, "Statement", "SOM-1000-0001-0000-0010")["status"] == "Pending"


def test_a_base_is_looked_for_beside_the_file_that_names_it(tmp_path: Path, write: Write) -> None:
    (tmp_path / "deep").mkdir()
    write(CAST, "base.yaml")
    path = write("extends: ../base.yaml\n", "deep/world.yaml")
    assert scenario.load(path).callers


def test_a_circle_of_bases_is_refused(write: Write) -> None:
    write("extends: ./two.yaml\n", "one.yaml")
    path = write("extends: ./one.yaml\n", "two.yaml")
    assert (
        refused(path)
        == "two.yaml: extends: goes round in a circle (two.yaml -> one.yaml -> two.yaml); take one of them out."
    )


# What pins do


def test_a_pinned_charge_brings_everything_it_needs_into_being(write: Write) -> None:
    world = build(write(CAST + "pins:\n  - {entity: Charge, id: CHG-1001-2002-0000-0000-0300}\n"))
    charge = record(world, "Charge", "CHG-1001-2002-0000-0000-0300")
    assert charge["journal"]["id"] == "BJO-1001-2002"
    assert record(world, "Journal", "BJO-1001-2002")["status"] == "Validated"
    for name in ("authorization", "agreement", "buyer", "seller", "client", "vendor", "item"):
        assert charge[name]["id"]


def charges_of(world: World, parent: str) -> list[Record]:
    member = "journal" if parent.startswith("BJO") else "customLedger"
    found = (row.record for row in world.layer.all("Charge"))
    return [each for each in found if each.get(member, {}).get("id") == parent]


def test_a_charge_below_a_journal_of_the_base_takes_effect(write: Write) -> None:
    pin = "{entity: Charge, id: CHG-1000-0003-0000-0000-0100, quantity: 3, price: {unitPP: 5}}"
    world = build(write(f"extends: default\npins: [{pin}]\n"))
    assert [(each["id"], each["quantity"]) for each in charges_of(world, "BJO-1000-0003")] == [
        ("CHG-1000-0003-0000-0000-0100", 3)
    ]
    assert record(world, "Journal", "BJO-1000-0003")["price"]["totalPP"] == 15


def test_a_charge_that_the_base_pins_can_be_changed(write: Write) -> None:
    pin = "{entity: Charge, id: CHG-1000-0005-0000-0000-0100, quantity: 3, price: {unitPP: 5}}"
    charge = record(build(write(f"extends: default\npins: [{pin}]\n")), "Charge", "CHG-1000-0005-0000-0000-0100")
    assert (charge["price"]["PPx1"], charge["processing"]["status"]) == (15, "Ready")


@pytest.mark.parametrize("numbers", [(1, 2), (3, 7), (9999999999,), (2, 9999999999)])
@pytest.mark.parametrize("parent", ["{entity: Journal, id: BJO-1234-5678, status: Review,", "custom"])
def test_a_journal_has_exactly_the_charges_that_are_pinned(write: Write, parent: str, numbers: tuple[int, ...]) -> None:
    parent = "{entity: CustomLedger, id: CLE-1234-5678, status: Validated," if parent == "custom" else parent
    found = [re.sub(r"(\d{4})", r"-\1", f"12345678{number * 100:012d}") for number in numbers]
    charges = "".join(f"{{id: CHG{id}, quantity: {at}, price: {{unitPP: 5}}}}, " for at, id in enumerate(found, 1))
    world = build(write(f"extends: default\npins: [{parent} charges: [{charges}]}}]\n"))
    id = "CLE-1234-5678" if "Custom" in parent else "BJO-1234-5678"
    assert {each["id"]: each["quantity"] for each in charges_of(world, id)} == {
        f"CHG{each}": at for at, each in enumerate(found, 1)
    }


def test_a_split_charge_comes_with_its_shares_wherever_it_is(write: Write) -> None:
    charges = "[{id: CHG-1234-5678-0000-0000-0700, status: Split}, {id: CHG-1234-5678-0000-0000-0900, status: Error}]"
    pin = f"{{entity: Journal, id: BJO-1234-5678, status: Review, charges: {charges}}}"
    world = build(write(f"extends: default\npins: [{pin}]\n"))
    assert sorted(each["id"][-4:] for each in charges_of(world, "BJO-1234-5678")) == ["0700", "0701", "0702", "0900"]


def test_a_pin_may_ask_for_more_charges_than_it_names(write: Write) -> None:
    pin = "{entity: Journal, id: BJO-1234-5678, lines: 6, charges: [{id: CHG-1234-5678-0000-0000-0300, quantity: 3}]}"
    world = build(write(CAST + f"pins: [{pin}]\n"))
    assert len([each for each in charges_of(world, "BJO-1234-5678") if "parent" not in each]) == 6


@pytest.mark.parametrize(
    "id", ["CHG-1001-2002-9999-9999-9900", "CHG-1001-2002-9999-9999-9901", "CHG-1001-2002-0000-0000-0101"]
)
def test_a_charge_may_have_any_id(write: Write, id: str) -> None:
    pin = f"{{entity: Charge, id: {id}, journal: BJO-1001-2002}}"
    world = build(write(CAST + f"pins:\n  - {pin}\n"))
    assert record(world, "Charge", id)["journal"]["id"] == "BJO-1001-2002"


def test_a_pinned_charge_says_what_its_line_says(write: Write) -> None:
    members = "quantity: 10, price: {unitPP: 40.5}, externalIds: {vendor: row-1}, description: {value1: Seats}"
    world = build(write(CAST + f"pins:\n  - {{entity: Charge, id: CHG-1001-2002-0000-0000-0100, {members}}}\n"))
    charge = record(world, "Charge", "CHG-1001-2002-0000-0000-0100")
    assert charge["price"]["PPx1"] == Decimal(405)
    assert charge["externalIds"]["vendor"] == "row-1"
    assert charge["description"]["value1"] == "Seats"


@pytest.mark.parametrize("status", CHARGES)
def test_a_charge_can_be_in_every_state(write: Write, status: str) -> None:
    path = write(CAST + f"pins:\n  - {{entity: Charge, id: CHG-1001-2002-0000-0000-0200, status: {status}}}\n")
    assert record(build(path), "Charge", "CHG-1001-2002-0000-0000-0200")["processing"]["status"] == status


IDS = {
    "Journal": "BJO-1111-2222",
    "Ledger": "BLE-1111-2222-3333-4444",
    "CustomLedger": "CLE-1111-2222",
    "Statement": "SOM-1111-2222-3333-4444",
    "Invoice": "INV-1111-2222-3333-4444",
    "CreditMemo": "CRD-1111-2222-3333-4444",
    "ManualOverride": "BOV-1111-2222",
}


@pytest.mark.parametrize(("entity", "status"), [(entity, state) for entity, states in WAYS.items() for state in states])
def test_an_object_alone_can_be_in_every_state(write: Write, entity: str, status: str) -> None:
    path = write(CAST + f"pins:\n  - {{entity: {entity}, id: {IDS[entity]}, status: {status}}}\n")
    assert record(build(path), entity, IDS[entity])["status"] == status


@pytest.mark.parametrize("entity", WAYS)
def test_every_state_of_the_machine_can_be_wished_but_deleted(entity: str) -> None:
    assert set(API.machines[entity].states) - {"Deleted"} == set(WAYS[entity])


def test_a_manual_statement_and_a_consolidated_one_can_be_pinned(write: Write) -> None:
    world = build(
        write(
            CAST + "pins:\n"
            "  - {entity: Statement, id: SOM-1111-1111-1111-1111, billingType: Manual, status: Issued}\n"
            "  - {entity: Statement, id: SOM-2222-2222-2222-2222, billingType: Consolidated, status: Pending}\n"
        )
    )
    manual = record(world, "Statement", "SOM-1111-1111-1111-1111")
    assert (manual["billingType"], manual["status"]) == ("Manual", "Issued")
    assert record(world, "Statement", "SOM-2222-2222-2222-2222")["billingType"] == "Consolidated"


@pytest.mark.parametrize("parent", ["Journal", "Ledger", "CustomLedger", "Statement", "Invoice", "CreditMemo"])
def test_an_attachment_brings_its_parent_into_being(write: Write, parent: str) -> None:
    shape = API.conventions.ids[f"{parent}Attachment"]
    id, member = shape.shape("5" * sum(shape.groups)), parent[:1].lower() + parent[1:]
    path = write(
        CAST
        + f"pins:\n  - {{entity: {parent}Attachment, id: {id}, {member}: {IDS[parent]}, "
        + "content: Grüße, filename: a.txt}\n"
    )
    if parent in ("Invoice", "CreditMemo"):  # documents of the ERP must be pinned themselves
        path.write_text(
            path.read_text(encoding="utf-8") + f"  - {{entity: {parent}, id: {IDS[parent]}}}\n", encoding="utf-8"
        )
    world = build(path)
    assert record(world, f"{parent}Attachment", id)[member]["id"] == IDS[parent]
    assert record(world, "File", id)["content"] == "Grüße".encode()


def test_names_serve_as_references(write: Write) -> None:
    world = build(
        write(
            CAST + "pins:\n"
            "  - {entity: Journal, id: BJO-1111-1111, name: June, status: Generated, vendor: Acme, assignee: Ida}\n"
            "  - {entity: Account, name: Acme, type: Vendor}\n"
            "  - {entity: User, name: Ida}\n"
            "  - {entity: JournalAttachment, id: JOA-1111-1111, journal: June}\n"
        )
    )
    journal = record(world, "Journal", "BJO-1111-1111")
    assert (journal["vendor"]["name"], journal["assignee"]["name"]) == ("Acme", "Ida")
    assert record(world, "JournalAttachment", "JOA-1111-1111")["journal"]["name"] == "June"


def test_a_country_code_that_yaml_takes_for_a_boolean_is_text(write: Write) -> None:
    world = build(write(CAST + "pins:\n  - {entity: Seller, id: SEL-1111-2222, externalId: NO}\n"))
    assert record(world, "Seller", "SEL-1111-2222")["externalId"] == "NO"


def test_pins_keep_their_ids_from_being_drawn(write: Write) -> None:
    free = build(write(CAST + "sizes: {billing: {sellers: 1}}\n"))
    drawn = next(free.layer.all("Seller")).record["id"]
    path = write(CAST + f"sizes: {{billing: {{sellers: 2}}}}\npins:\n  - {{entity: Seller, id: {drawn}, name: Mine}}\n")
    sellers = [row.record for row in build(path).layer.all("Seller")]
    assert [each["name"] == "Mine" for each in sellers] == [True, False]


# Callers


def test_a_caller_can_have_an_account_a_user_and_an_end(write: Write) -> None:
    path = write("callers:\n  me: {token: t, role: vendor, account: ACC-9999-0001, user: Ida Noor, expires: +2h}\n")
    world = build(path)
    me = seed.callers(world)["t"]
    assert me.account == "ACC-9999-0001"
    assert me.user["name"] == "Ida Noor"
    assert me.expires == "2026-03-16T11:00:00.000Z"
    assert record(world, "Account", me.account)["type"] == "Vendor"


# Refused


PINNED = CAST + "pins:\n  - "
REFUSED = {
    "a key it does not know": (CAST + "seeds: 2\n", "my-world.yaml:3: seeds: unknown; did you mean seed?"),
    "a caller without role": ("callers:\n  a: {token: x}\n", "my-world.yaml:2: callers.a: no role; add one."),
    "an unknown role": (
        "callers:\n  a: {token: x, role: clerk}\n",
        "callers.a: no role 'clerk'; there are: client, op",
    ),
    "an unknown account": (
        "callers:\n  a: {token: x, role: client, account: Nobody}\n",
        "my-world.yaml:2: callers.a: no account 'Nobody'; ",
    ),
    "an account of another kind": (
        "callers:\n  a: {token: x, role: client, account: B}\npins:\n  - {entity: Account, name: B, type: Vendor}\n",
        "callers.a: B is a Vendor, the role is client; name a Client account.",
    ),
    "two callers with one token": (
        "callers:\n  a: {token: x, role: client}\n  b: {token: x, role: vendor}\n",
        "my-world.yaml:3: callers.b: has the token of a; give each a token of its own.",
    ),
    "a token that cannot be sent": ("callers:\n  a: {token: a b, role: client}\n", "callers.a.token: cannot be sent"),
    "no caller": ("seed: 1\n", "my-world.yaml: callers: nobody could call;"),
    "an unknown base": ("extends: defualt\n", "my-world.yaml:1: extends: no scenario 'defualt'; did you mean default?"),
    "a base that is not there": (
        "extends: ./nowhere.yaml\n",
        "nowhere.yaml: cannot be read (No such file or directory)",
    ),
    "a size it does not know": (
        CAST + "sizes: {billing: {journal: 2}}\n",
        "sizes.billing.journal: unknown; did you mean",
    ),
    "an API it does not know": (
        CAST + "sizes: {biling: {}}\n",
        "my-world.yaml:3: sizes.biling: no such API; did you mean billing?",
    ),
    "a negative size": (CAST + "sizes: {billing: {journals: -1}}\n", "sizes.billing.journals: -1 will not do;"),
    "no instant": (CAST + "now: yesterday\n", "my-world.yaml:3: now: 'yesterday' is no date or date-time;"),
    "a locale that is none": (CAST + "locale: English\n", "locale: 'English' is none; write it like en_GB."),
    "a locale that Faker lacks": (
        CAST + "locale: xx_XX\nsizes: {billing: {sellers: 1}}\n",
        "my-world.yaml:3: locale: Faker has no xx_XX;",
    ),
    "a key twice": (CAST + "seed: 1\nseed: 2\n", "my-world.yaml:4: seed: said twice; keep one."),
    "broken YAML": ("callers: {", "my-world.yaml:"),
    "a list": ("- a\n", "my-world.yaml: holds no `key: value` pairs at its top;"),
    "an empty file": ("", "my-world.yaml: empty;"),
    "an unknown entity": (
        PINNED + "{entity: Jornal}\n",
        "my-world.yaml:4: pins[0].entity: no entity 'Jornal'; did you mean Journal?",
    ),
    "a pin without entity": (PINNED + "{id: BJO-1-1}\n", "my-world.yaml:4: pins[0]: names no entity;"),
    "an unknown member": (
        PINNED + "{entity: Journal, nam: x}\n",
        "my-world.yaml:4: pins[0].nam: cannot be pinned; did you mean name?",
    ),
    "a computed member": (PINNED + "{entity: Journal, price: {totalPP: 3}}\n", "pins[0].price: cannot be pinned;"),
    "an unknown state": (
        PINNED + "{entity: Journal, status: Reviewed}\n",
        "pins[0].status: no state 'Reviewed'; did you mean Review?",
    ),
    "an id with a wrong prefix": (
        PINNED + "{entity: Journal, id: BLE-1234-5678}\n",
        "pins[0].id: 'BLE-1234-5678' is no Journal id; write it like BJO-1234-5678.",
    ),
    "an id with a wrong shape": (
        PINNED + "{entity: Seller, id: SEL-12-34}\n",
        "pins[0].id: 'SEL-12-34' is no Seller id;",
    ),
    "a reference of a wrong kind": (
        PINNED + "{entity: Journal, authorization: SEL-1234-5678}\n",
        "pins[0].authorization: no Authorization called 'SEL-1234-5678'",
    ),
    "a name that nobody has": (
        PINNED + "{entity: Journal, vendor: Nobody}\n",
        "pins[0].vendor: no Account called 'Nobody'",
    ),
    "a number as text": (
        PINNED + "{entity: Journal, name: 7}\n",
        "pins[0].name: 7 will not do; write a text, in quotes",
    ),
    "a member that says nothing": (PINNED + "{entity: Journal, name: }\n", "pins[0].name: says nothing;"),
    "a split that does not add up": (
        PINNED + "{entity: Agreement, split: {allocations: [{buyer: BUY-1111-1111, percentage: 60}]}}\n",
        "pins[0].split: the percentages do not add up to 100; mend them.",
    ),
    "a state that what is pinned below does not allow": (
        PINNED + "{entity: Journal, id: BJO-1111-1111, status: Validated, "
        "charges: [{id: CHG-1111-1111-0000-0000-0100, status: Ignored}]}\n",
        "pins[0].charges[0].status: came out as Ready, not Ignored",
    ),
    "a ledger of a journal that has none yet": (
        PINNED
        + "{entity: Journal, id: BJO-1111-1111, status: Draft}\n  - {entity: Ledger, id: BLE-1111-1111-2222-2222}\n",
        "pins[1].id: did not come into being;",
    ),
    "a journal pinned twice": (
        PINNED + "{entity: Journal, id: BJO-1111-1111}\n  - {entity: Journal, id: BJO-1111-1111}\n",
        "pins[1].id: BJO-1111-1111 is pinned twice; keep one.",
    ),
    "an override of a pair that has one": (
        PINNED + "{entity: ManualOverride, client: ACC-1111-1111, vendor: ACC-2222-2222}\n"
        "  - {entity: ManualOverride, client: ACC-1111-1111, vendor: ACC-2222-2222}\n",
        "pins[1]: cannot be:",
    ),
    "a charge with the digits of another journal": (
        PINNED + "{entity: Journal, id: BJO-1234-5678, charges: [{id: CHG-1234-9999-0000-0000-0100}]}\n",
        "pins[0].charges[0].id: CHG-1234-9999-0000-0000-0100 is no charge of BJO-1234-5678: its digits come first;",
    ),
    "a share of a charge that is not split": (
        PINNED + "{entity: Journal, id: BJO-1234-5678, charges: "
        "[{id: CHG-1234-5678-0000-0000-0100, status: Ready}, {id: CHG-1234-5678-0000-0000-0101}]}\n",
        "CHG-1234-5678-0000-0000-0101 is a share by its last digits, but CHG-1234-5678-0000-0000-0100 is not split;",
    ),
    "a share that nobody has": (
        PINNED + "{entity: Charge, id: CHG-1234-5678-0000-0000-0150}\n",
        "CHG-1234-5678-0000-0000-0150 is a share by its last digits, and CHG-1234-5678-0000-0000-0100 is split into 2;",
    ),
    "a charge pinned twice": (
        PINNED + "{entity: Charge, id: CHG-1234-5678-0000-0000-0100}\n"
        "  - {entity: Charge, id: CHG-1234-5678-0000-0000-0100}\n",
        "my-world.yaml:5: pins[1].id: CHG-1234-5678-0000-0000-0100 is pinned twice; keep one.",
    ),
    "fewer lines than charges": (
        PINNED + "{entity: Journal, lines: 1, charges: [{quantity: 1}, {quantity: 2}]}\n",
        "my-world.yaml:4: pins[0].lines: what is pinned below it takes 2; ask for more.",
    ),
    "an authorization of another vendor": (
        "extends: default\npins:\n  - {entity: Journal, id: BJO-1000-0001, vendor: Copperline Systems}\n",
        "my-world.yaml:3: pins[0].vendor: Copperline Systems cannot have it: the authorization AUT-1000-0001 is of",
    ),
    "a vendor that nobody is": (
        "extends: default\npins:\n  - {entity: Journal, vendor: Nobody}\n",
        "no Account called 'Nobody'; there are: Tidewater Software, Copperline Systems, Quillmark Labs; name one of",
    ),
    "a start in the year 1": (CAST + "now: 0001-01-01\n", "my-world.yaml:3: now: "),
    "an end further than anybody lives": (
        "callers:\n  a: {token: x, role: client, expires: -999999d}\n",
        "my-world.yaml:2: callers.a.expires: -999999d is further than 36500 days;",
    ),
    "a number out of range": (
        PINNED + "{entity: Charge, quantity: 1000000000000000000000}\n",
        "pins[0].quantity: a number out of range;",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_for(write: Write, case: str) -> None:
    text, message = REFUSED[case]
    assert message in refused(write(text))


def test_a_name_that_no_scenario_has_is_refused() -> None:
    assert refused("defalt").startswith("no scenario 'defalt'; did you mean default?")


@pytest.mark.parametrize("name", [".", "..", " "])
def test_no_nonsense_is_suggested_for_a_name_that_is_none(name: str) -> None:
    assert "/." not in refused(name)


def test_a_large_file_is_refused(write: Write) -> None:
    assert "larger than 1000000 bytes" in refused(write("#" * 1_000_001))


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 5_000,
        "- " * 50_000,
        "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [{', '.join(['*a'] * 40)}]\n" for n in range(5)),
        "a: &a [*a]\n",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
    ],
    ids=["brackets", "dashes", "aliases", "endless", "billion"],
)
def test_what_would_be_dear_to_read_is_refused(write: Write, text: str) -> None:
    refused(write(text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"about: \xff\xfe\n")
    assert refused(path) == "bytes.yaml: not UTF-8 at byte 7; save it as UTF-8."
    path.write_bytes(b"about: \x00\n")
    assert refused(path).startswith("bytes.yaml")


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.text(max_size=8), st.sampled_from(["Review", "BJO-1111-2222"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["status", "name", "id", "charges", "split", "price", "vendor", "journal", "content", "quantity", "search"]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entity=st.sampled_from([*MEMBERS, "File"]),
    members=st.dictionaries(KEYS, VALUES, max_size=3),
    top=st.dictionaries(st.sampled_from(["sizes", "now", "seed", "locale", "about", "extends"]), VALUES, max_size=1),
)
@example(entity="Charge", members={"id": "CHG-1111-2222-0000-0000-0100", "quantity": 0}, top={})
@example(entity="Charge", members={}, top={"sizes": {"\n": None}})
@example(entity="Charge", members={"search": {"source": {"value": "x"}}}, top={})
def test_whatever_a_file_says_there_is_a_world_or_one_line(
    write: Write, entity: str, members: dict[str, Any], top: dict[str, Any]
) -> None:
    import json

    text = json.dumps(
        {"callers": {"a": {"token": "t", "role": "operations"}}, "pins": [{**members, "entity": entity}], **top}
    )
    said = ""
    try:
        build(write(text))
    except ScenarioError as error:
        said = str(error)
    assert "\n" not in said
