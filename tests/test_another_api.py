"""A fourth API is a folder: parking permits, which nobody has, served without a line of code of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver import MockServer, create_app
from specs import tables
from specs.expand import page
from tests.driver import Client

ROOT = Path(__file__).parent.parent
FOLDER = f"{ROOT}/tests/apis/parking"
WORLD = f"{FOLDER}/world.yaml"
BASE = "//parking/v2"


@pytest.fixture(scope="module")
def built() -> MockServer:
    return create_app(FOLDER, scenario=WORLD)


@pytest.fixture
def app(built: MockServer) -> Iterator[MockServer]:
    built.reset()
    yield built
    built.reset()


def test_lists_are_worded_paged_sorted_and_linked_as_its_tables_say(app: MockServer) -> None:
    ada = Client(app, "ada-token")
    first = ada.get(f"{BASE}/lots?sort=-PLACES&size=2").json
    assert list(first) == ["page", "lots"]
    assert [lot["name"] for lot in first["lots"]] == ["Harbour", "Market"]
    assert first["page"] == {"of": 5, "from": 0, "more": "/lots?size=2&from=2&sort=-PLACES"}
    last = ada.get("//parking/v2" + first["page"]["more"]).json
    # Abbey and Old Mill have as many places, and stand in the order of their ids whichever way the rest goes.
    assert [lot["name"] for lot in last["lots"]] == ["Abbey", "Old Mill"]
    assert last["page"] == {"of": 5, "from": 2, "more": "/lots?size=2&from=4&sort=-PLACES"}
    assert [lot["name"] for lot in ada.get(f"{BASE}/lots?sort=PLACES&size=1").json["lots"]] == ["Closed"]
    assert [lot["name"] for lot in ada.get(f"{BASE}/lots?kind=garage").json["lots"]] == ["Harbour", "Old Mill"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("size=51", "size: 51 is greater than the maximum of 50."),
        ("size=many", "size: must be a whole number, not 'many'."),
        ("from=-1", "from: -1 is less than the minimum of 0."),
        ("sort=COLOUR", "sort: must be one of NAME, -NAME, PLACES, -PLACES."),
        ("kind=street&kind=garage", "kind: stands 2 times; say it once."),
        ("kind=%ff", "The query string is not UTF-8; percent-encode UTF-8 bytes."),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_in_its_words(app: MockServer, query: str, why: str) -> None:
    answer = Client(app, "ada-token").get(f"{BASE}/lots?{query}")
    assert (answer.status, answer.json) == (400, {"oops": {"number": 400, "why": why}})


def test_a_permit_is_asked_for_granted_and_revoked_and_no_other_way(app: MockServer) -> None:
    ada, warden = Client(app, "ada-token"), Client(app, "warden-token")
    made = ada.post(f"{BASE}/lots/0002/permits", {"plate": "CD 56"})
    assert made.status == 201
    permit = made.json
    assert permit == {"plate": "CD 56", "id": permit["id"], "state": "asked", "lot": {"id": "0002"}}
    assert ada.post(f"{BASE}/permits/{permit['id']}/grant").status == 403
    granted = warden.post(f"{BASE}/permits/{permit['id']}/grant")
    assert (granted.json["state"], granted.json["driver"]) == ("granted", "ada")
    again = warden.post(f"{BASE}/permits/{permit['id']}/grant")
    assert (again.status, again.json["oops"]["why"]) == (422, "Cannot grant when granted; from granted: revoke.")
    assert warden.post(f"{BASE}/permits/{permit['id']}/revoke").json["state"] == "revoked"
    assert [each["plate"] for each in warden.get(f"{BASE}/lots/0002/permits").json["lots"]] == ["CD 56"]


def test_rows_of_others_are_as_unknown_as_those_that_are_not_there(app: MockServer) -> None:
    ben = Client(app, "ben-token")
    foreign, missing = (ben.get(f"{BASE}/permits/PRM-100-{number}") for number in ("001", "009"))
    assert (foreign.status, missing.status) == (404, 404)
    assert foreign.json["oops"]["why"].replace("001", "009") == missing.json["oops"]["why"]
    assert ben.put(f"{BASE}/permits/PRM-100-001", {"plate": "mine"}).status == 404


def test_a_put_makes_what_is_not_there_and_changes_what_is(app: MockServer) -> None:
    ben = Client(app, "ben-token")
    path = f"{BASE}/permits/PRM-777-777"
    assert ben.get(path).status == 404
    made = ben.put(path, {"plate": "NEW 1", "Plate": "unread", "state": "granted"})
    assert (made.status, made.json) == (200, {"plate": "NEW 1", "id": "PRM-777-777", "state": "asked"})
    assert ben.put(path, {"plate": "NEW 2"}).json["plate"] == "NEW 2"
    assert ben.get(path).json == {"plate": "NEW 2", "id": "PRM-777-777", "state": "asked"}


def test_refusals_come_in_the_order_of_its_table(app: MockServer) -> None:
    nobody, ada = Client(app, None), Client(app, "ada-token")
    assert nobody.get(f"{BASE}/lots?size=51").status == 401
    assert ada.get(f"{BASE}/lots/nowhere/permits?size=51").status == 403
    assert ada.post(f"{BASE}/lots/nowhere/permits", {"plate": ""}).status == 400
    assert ada.post(f"{BASE}/lots/0009/permits", {"plate": ""}).status == 404
    assert ada.post(f"{BASE}/lots/0001/permits", {"plate": ""}).status == 400
    assert ada.delete(f"{BASE}/lots").status == 405
    assert ada.get(f"{BASE}/nothing").json == {"oops": {"number": 404, "why": "No such path: /parking/v2/nothing."}}


def test_its_matrix_can_be_read() -> None:
    shown = page(tables.load(FOLDER))
    assert "| Grant a permit | `grantPermit` | `POST /permits/{permit}/grant` | 401 | 200 | 403 | invented |" in shown


def test_it_stands_beside_the_others() -> None:
    app = create_app("billing", FOLDER, scenario=WORLD_WITH_ALL)
    assert Client(app, app.token("ada")).get(f"{BASE}/lots").status == 200
    assert Client(app, app.token("operations")).get("/journals?limit=1").status == 200
    refused = Client(app, app.token("operations")).get(f"{BASE}/lots")
    assert refused.status == 401
    assert "one of billing" in refused.json["oops"]["why"]


WORLD_WITH_ALL = f"{FOLDER}/beside.yaml"


def test_no_code_but_its_own_knows_an_api_by_name() -> None:
    """Every text in the code that is an API's name, but for the words of documentation and of examples."""
    common = [path for path in ROOT.glob("mockserver/**/*.py") if "apis" not in path.relative_to(ROOT).parts]
    assert not [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted([*common, *ROOT.glob("specs/*.py")])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in tables.names()
    ]
