"""One scenario file for all APIs: whose each caller, pin and size is, and what an API that is not served costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mockserver import MockServer, create_app, scenario
from mockserver.scenario import ScenarioError
from mockserver.sharing import share
from specs import tables
from specs.tables import Api
from tests.driver import Client
from tests.fingerprint import fingerprint

ROOT = Path(__file__).parent.parent
PARKING = f"{ROOT}/tests/apis/parking"
BILLING, LOTS = tables.load("billing"), tables.load(PARKING)
BOTH = {"billing": BILLING, "parking": LOTS}

Write = Callable[[str], Path]

CAST = """
callers:
  vendor: {token: vendor-token, role: vendor}
  warden: {token: warden-token, role: warden}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str) -> Path:
        path = tmp_path / "my-world.yaml"
        path.write_text(text)
        return path

    return _write


def shares(path: Path, served: dict[str, Api]) -> dict[str, tuple[list[str], list[str], dict[str, int]]]:
    """API -> names of its callers, entities of its pins, its sizes."""
    return {
        name: ([each.name for each in part.callers], [each.entity for each in part.pins], dict(part.sizes[name]))
        for name, part in share(scenario.load(path), served).items()
    }


ALL_SORTS = f"""{CAST}
sizes: {{billing: {{journals: 2}}, parking: {{}}}}
pins:
  - {{entity: Journal}}
  - {{entity: Lot, id: '0007', name: Yard, places: 3, kind: street}}
  - {{api: billing, entity: Account, id: ACC-1000-0001}}
"""


def test_each_api_gets_what_is_its_own(write: Write) -> None:
    assert shares(write(ALL_SORTS), BOTH) == {
        "billing": (["vendor"], ["Journal", "Account"], {"journals": 2}),
        "parking": (["warden"], ["Lot"], {}),
    }


def test_what_an_api_that_is_not_served_would_get_is_left_out(write: Write) -> None:
    assert shares(write(ALL_SORTS), {"parking": LOTS}) == {"parking": (["warden"], ["Lot"], {})}


def test_a_caller_may_name_its_api(write: Write) -> None:
    path = write("callers:\n  a: {token: a, role: vendor, api: billing}\n  b: {token: b, role: driver, api: parking}\n")
    assert {name: each[0] for name, each in shares(path, BOTH).items()} == {"billing": ["a"], "parking": ["b"]}


def test_an_id_tells_whose_a_pin_is_where_several_apis_have_the_entity(write: Write) -> None:
    twin = tables.load(PARKING)
    ids = {**twin.conventions.ids, "Journal": twin.conventions.ids["Lot"]}
    twin = replaced(twin, ids)
    served = {"billing": BILLING, "parking": twin}
    pins = "pins:\n  - {entity: Journal, id: '0007'}\n  - {entity: Journal, id: BJO-1234-5678}\n"
    found = share(scenario.load(write(CAST + pins)), served)
    assert [pin.id for pin in found["parking"].pins] == ["0007"]
    assert [pin.id for pin in found["billing"].pins] == ["BJO-1234-5678"]
    with pytest.raises(ScenarioError, match="several APIs have an entity Journal; say `api: billing`, or parking"):
        share(scenario.load(write(CAST + "pins:\n  - {entity: Journal}\n")), served)
    with pytest.raises(ScenarioError, match="'X-1' is no Journal id of billing or parking; mend it, or say `api: bill"):
        share(scenario.load(write(CAST + "pins:\n  - {entity: Journal, id: X-1}\n")), served)


def replaced(api: Api, ids: dict[str, tables.Identifier]) -> Api:
    from dataclasses import replace

    return replace(api, conventions=replace(api.conventions, ids=ids))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("callers:\n  a: {token: x, role: vendor, api: bill}\n", "my-world.yaml:2: callers.a.api: no API 'bill'; did"),
        (
            "callers:\n  a: {token: x, role: warden, api: billing}\n",
            "my-world.yaml:2: callers.a: billing: no role 'warden'; there are: client, operations, vendor.",
        ),
        (
            "callers:\n  a: {token: x, role: warder}\n",
            "no role 'warder'; did you mean warden? there are: client, driver, operations, vendor, warden.",
        ),
        ("callers:\n  a: {token: x, rolle: vendor}\n", "my-world.yaml:2: callers.a.rolle: unknown; did you mean role?"),
        ("callers:\n  a: {tokn: x, role: vendor}\n", "my-world.yaml:2: callers.a.tokn: unknown; did you mean token?"),
        (
            "callers:\n  a: {token: x, permissions: [credits.read], api: billing}\n",
            "my-world.yaml:2: callers.a: billing: no role; add one.",
        ),
        (CAST + "pins:\n  - {api: park, entity: Lot}\n", "my-world.yaml:6: pins[0].api: no API 'park'; did you mean"),
        (CAST + "pins:\n  - {api: parking, entity: Journal}\n", "no entity 'Journal'; there are: Lot, Permit."),
        (CAST + "pins:\n  - {entity: Lott}\n", "pins[0].entity: no entity 'Lott'; did you mean Lot?"),
        (CAST + "sizes: {parkin: {}}\n", "my-world.yaml:5: sizes.parkin: no such API; did you mean parking?"),
    ],
)
def test_what_nobody_could_understand_is_told_in_one_line(write: Write, text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as error:
        share(scenario.load(write(text)), BOTH)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_where_nobody_could_call_what_is_served_it_says_so(write: Write) -> None:
    with pytest.raises(
        ScenarioError, match=r"^my-world.yaml: callers: nobody could call parking; name one with a role"
    ):
        share(scenario.load(write("callers:\n  a: {token: x, role: vendor}\n")), {"parking": LOTS})


# Worlds beside each other


@pytest.fixture(scope="module")
def both() -> MockServer:
    return create_app("billing", PARKING, scenario=f"{PARKING}/beside.yaml")


def test_a_world_is_the_same_whichever_others_are_served_beside_it(both: MockServer) -> None:
    both.reset()
    assert fingerprint(both.worlds["billing"]) == fingerprint(create_app("billing").world)
    alone = create_app(PARKING, scenario=f"{PARKING}/beside.yaml")
    assert fingerprint(both.worlds["parking"]) == fingerprint(alone.world)


def test_entities_of_one_name_never_meet_and_one_clock_serves_all(both: MockServer) -> None:
    both.reset()
    assert both.worlds["billing"].clock is both.worlds["parking"].clock
    assert both.worlds["billing"].layer.get("Lot", "0001") is None
    assert both.world is both.worlds["billing"]
    before = fingerprint(both.worlds["parking"])
    at = both.world.clock.now()
    vendor = Client(both, both.token("vendor"))
    assert vendor.post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}}).status == 201
    assert both.world.clock.now() > at
    both.world.clock.set(at)
    assert fingerprint(both.worlds["parking"]) == before
    both.reset()


def test_a_token_opens_the_door_of_its_own_api_alone(both: MockServer) -> None:
    both.reset()
    assert Client(both, both.token("vendor")).get("/journals").status == 200
    assert Client(both, both.token("vendor")).get("//parking/v2/lots").status == 401
    assert Client(both, both.token("warden")).get("//parking/v2/lots").status == 200
    assert Client(both, both.token("warden")).get("/journals").status == 401
    assert [(each.name, each.api) for each in both.callers.values()][-2:] == [("warden", "parking"), ("ada", "parking")]


def test_reset_returns_every_world_to_its_seed(both: MockServer) -> None:
    both.reset()
    before = {name: fingerprint(world) for name, world in both.worlds.items()}
    work = both.worlds["parking"].work()
    work.put("Lot", {"id": "0009", "name": "New"})
    work.commit()
    Client(both, both.token("vendor")).post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}})
    assert all(fingerprint(world) != before[name] for name, world in both.worlds.items())
    assert Client(both, both.token("warden")).post("//__mock__/reset").json == {"reset": True}
    assert {name: fingerprint(world) for name, world in both.worlds.items()} == before


# An API without a seeding of its own


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{entity: Lot, id: '0007', name: Yard, kind: street}", "pins[0].places: Places is required; mend it as Lot"),
        ("{entity: Lot, name: Yard, places: x, kind: street}", "pins[0].places: must be a whole number, not a string;"),
        ("{entity: Lot, nam: Yard}", "pins[0].nam: unknown; did you mean name?"),
        ("{entity: Lot, id: L-7}", "pins[0].id: 'L-7' is no Lot id; write it like 1234."),
        ("{entity: Permit, plate: X, state: askd}", "pins[0].state: no state 'askd'; did you mean asked?"),
        ("{entity: Permit, plate: X, lot: {id: '0001'}}", "pins[0]: no driver; add one: it says whose the Permit is."),
        (
            "{entity: Permit, plate: X, driver: ada, lot: {id: '0009'}}",
            "pins[0]: no lot.id of a Lot that is pinned before it; add one.",
        ),
    ],
)
def test_a_pin_that_no_record_can_come_of_is_told_in_one_line(write: Write, text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as error:
        create_app(PARKING, scenario=write(f"{CAST}pins:\n  - {text}\n"))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_that_the_api_does_not_know_is_told_with_those_there_are(write: Write) -> None:
    with pytest.raises(
        ScenarioError, match=r"callers\.a\.acount: unknown; did you mean account\? there are: account, api"
    ):
        create_app(PARKING, scenario=write("callers:\n  a: {token: x, role: warden, acount: town}\n"))


def test_ids_are_drawn_and_states_are_the_first_where_a_pin_says_none(write: Write) -> None:
    text = f"""{CAST}
pins:
  - {{entity: Lot, name: Yard, places: 3, kind: street, id: '0001'}}
  - {{entity: Permit, plate: X-1, driver: ada, lot: {{id: '0001'}}}}
"""
    world = create_app(PARKING, scenario=write(text)).world
    (permit,) = (row.record for row in world.layer.all("Permit"))
    assert permit["state"] == "asked"
    assert permit["id"].startswith("PRM-")


# An API whose roles are sets of permissions


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("permissions: ['*.write']", "callers.a.permissions: '*.write' is no permission; write resource.action,"),
        ("permissions: [credits.read], tenant: any", "callers.a.tenant: unknown; did you mean tenants? there are:"),
        ("permissions: [credits.read], tenants: [{a: b}]", "callers.a.tenants[0]: {'a': 'b'} is no text;"),
    ],
)
def test_what_a_caller_cannot_hold_is_told_in_one_line(write: Write, said: str, says: str) -> None:
    with pytest.raises(ScenarioError) as error:
        create_app("credits", scenario=write(f"callers:\n  a: {{token: x, {said}}}\n"))
    assert says in str(error.value)
    assert str(error.value).startswith("my-world.yaml:2: ")


def test_a_caller_may_list_permissions_in_place_of_a_role(write: Write) -> None:
    said = "{token: x, permissions: [credits.read, credits.list], tenants: 'type:test'}"
    app = create_app("credits", scenario=write(f"callers:\n  a: {said}\n"))
    assert (app.callers["a"].api, app.callers["a"].role) == ("credits", "")
    assert sorted(app.callers["a"].rights) == ["credits.list", "credits.read"]
    assert app.world.layer.get("Grant", "a") == {"id": "a", "values": ["type:test"]}
