"""Scenarios laid over one another, and what the server tells of scenarios and callers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest

from mockserver import MockServer, create_app, scenario
from mockserver.banner import cast
from mockserver.scenario import MAX_BASES, ScenarioError
from tests.credits_invariants import check
from tests.driver import Client
from tests.fingerprint import fingerprint

BASE = """
about: Base.
seed: 5
sizes: {billing: {sellers: 2, buyers: 2}}
callers:
  operations: {token: operations-token, role: operations}
pins:
  - {entity: Seller, id: SEL-1111-0001, name: First, externalId: NL}
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes scenario files; `write(left="extends: ...", right=...)` gives the path of the last."""

    def writing(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path / f"{name}.yaml"

    return writing


def both(left: str, right: str, over: str = "") -> dict[str, str]:
    """Two files over one base that know nothing of each other, and one over both."""
    return {
        "base": BASE,
        "left": f"extends: ./base.yaml\n{left}",
        "right": f"extends: ./base.yaml\n{right}",
        "over": f"extends: [./left.yaml, ./right.yaml]\n{over}",
    }


def refused(path: Path | str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# In a file


def test_what_two_files_add_to_one_base_is_there_together_and_the_base_once(write: Write) -> None:
    left = "callers: {ann: {token: ann-token, role: client}}\npins: [{entity: Seller, id: SEL-1111-0002, name: Second}]"
    right = "callers: {bob: {token: bob-token, role: client}}\npins: [{entity: Seller, id: SEL-1111-0003, name: Third}]"
    found = scenario.load(write(**both(left, right)))
    assert [part.name for part in found.callers] == ["operations", "ann", "bob"]
    assert [pin.members["name"] for pin in found.pins] == ["First", "Second", "Third"]
    assert (found.name, found.seed) == ("over.yaml", 5)


def test_two_files_may_say_different_members_of_one_pin(write: Write) -> None:
    left, right = (f"pins: [{{entity: Seller, id: SEL-1111-0001, {said}}}]" for said in ("name: One", "externalId: DE"))
    (pin,) = scenario.load(write(**both(left, right))).pins
    assert dict(pin.members) == {"name": "One", "externalId": "DE"}


def test_two_files_may_say_the_same(write: Write) -> None:
    said = "now: 2030-01-01\ncallers: {ann: {token: ann-token, role: client}}\n"
    said += "pins: [{entity: Seller, id: SEL-1111-0001, name: X}]\n"
    found = scenario.load(write(**both(said, said)))
    assert [part.name for part in found.callers] == ["operations", "ann"]
    assert [pin.members["name"] for pin in found.pins] == ["X"]


def test_of_two_sizes_the_larger_is_taken_and_a_file_over_them_goes_first(write: Write) -> None:
    left, right = "sizes: {billing: {sellers: 9}}", "sizes: {billing: {sellers: 4, buyers: 1}}"
    assert scenario.load(write(**both(left, right))).sizes["billing"] == {"sellers": 9, "buyers": 1}
    over = "sizes: {billing: {sellers: 3}}"
    assert scenario.load(write(**both(left, right, over))).sizes["billing"] == {"sellers": 3, "buyers": 1}


def test_what_a_file_is_about_is_its_own_word_or_those_of_what_it_lies_over(write: Write) -> None:
    files = both("about: Left.", "about: Right.")
    assert scenario.load(write(**files)).about == "Left.\nRight."
    assert scenario.load(write(**files, top="extends: ./over.yaml\nabout: All.\n")).about == "All."
    assert scenario.load(write(**both("about: Left.", "seed: 5"))).about == "Left."
    assert scenario.load(write(**both("seed: 5", "seed: 5"))).about == "Base."


CONFLICTS = {
    "now": ("now: 2030-01-01", "now: 2031-01-01", "right.yaml:2: now: left.yaml:2 says otherwise"),
    "seed": ("seed: 6", "seed: 7", "right.yaml:2: seed: left.yaml:2 says otherwise"),
    "locale": ("locale: en_GB", "locale: [de_DE]", "right.yaml:2: locale: left.yaml:2 says otherwise"),
    "a pin": (
        "pins: [{entity: Seller, id: SEL-1111-0001, name: One}]",
        "pins:\n  - {entity: Seller, id: SEL-1111-0001, name: Two}",
        "right.yaml:3: pins[0].name: Seller SEL-1111-0001: left.yaml:2 says otherwise",
    ),
    "a caller": (
        "callers: {ann: {token: ann-token, role: client}}",
        "callers: {ann: {token: ann-token, role: vendor}}",
        "right.yaml:2: callers.ann: left.yaml:2 says otherwise",
    ),
}


@pytest.mark.parametrize(("left", "right", "told"), list(CONFLICTS.values()), ids=list(CONFLICTS))
def test_two_files_that_say_one_thing_otherwise_are_refused(write: Write, left: str, right: str, told: str) -> None:
    mend = "; mend one of them, or say it in a file over both."
    assert refused(write(**both(left, right))) == told + mend


@pytest.mark.parametrize(("left", "right", "_"), list(CONFLICTS.values()), ids=list(CONFLICTS))
def test_a_file_over_both_settles_it(write: Write, left: str, right: str, _: str) -> None:
    scenario.load(write(**both(left, right, over=left)))


def test_a_file_over_the_base_does_not_contradict_it_beside_another(write: Write) -> None:
    files = both("pins: [{entity: Seller, id: SEL-1111-0001, name: Mine}]\nseed: 9", "about: Nothing more.")
    found = scenario.load(write(**files))
    assert (found.seed, found.pins[0].members["name"]) == (9, "Mine")


def test_two_callers_with_one_token_are_refused_wherever_they_stand(write: Write) -> None:
    left, right = (f"callers: {{{name}: {{token: one-token, role: client}}}}" for name in ("ann", "bob"))
    assert refused(write(**both(left, right))) == (
        "right.yaml:2: callers.bob: has the token of ann; give each a token of its own."
    )
    scenario.load(write(**both(left, right, "callers: {bob: {token: bob-token, role: client}}")))


@pytest.mark.parametrize(
    ("extends", "told"),
    [
        ("[]", "over.yaml:1: extends: names 0; name 1 to"),
        (f"[{', '.join(['./base.yaml'] * (MAX_BASES + 1))}]", f"over.yaml:1: extends: names {MAX_BASES + 1}; name 1"),
        ("[./base.yaml, 7]", "over.yaml:1: extends[1]: 7 is no text"),
        ("[./base.yaml, odd]", "over.yaml:1: extends: no scenario 'odd'; there are: "),
        ("default+odd", "over.yaml:1: extends: no scenario 'odd'; there are: "),
        ("[./base.yaml, ./over.yaml]", "over.yaml: extends: goes round in a circle (over.yaml -> over.yaml)"),
        ("{base: 1}", "over.yaml:1: extends: {'base': 1} is no text"),
    ],
)
def test_a_list_that_cannot_be_is_told_in_one_line(write: Write, extends: str, told: str) -> None:
    assert refused(write(base=BASE, over=f"extends: {extends}\n")).startswith(told)


def test_what_one_file_pins_twice_is_refused_by_its_api(write: Write) -> None:
    pin = "{{api: accounts, entity: Account, id: '700500', accountName: {}}}"
    path = write(over=f"extends: default\npins: [{pin.format('One')}, {pin.format('Two')}]\n")
    with pytest.raises(ScenarioError, match=r"^over\.yaml:2: pins\[1\]\.id: 700500 is pinned twice; keep one\.$"):
        create_app("accounts", scenario=path)


def test_a_file_named_twice_is_laid_once(write: Write) -> None:
    found = scenario.load(write(base=BASE, over="extends: [./base.yaml, ./base.yaml]\n"))
    assert len(found.pins) == 1


def test_a_deep_pile_of_diamonds_is_read_in_no_time(write: Write) -> None:
    files = {"a0": BASE, "b0": BASE}
    for at in range(1, 40):
        files |= {f"{side}{at}": f"extends: [./a{at - 1}.yaml, ./b{at - 1}.yaml]\n" for side in "ab"}
    assert len(scenario.load(write(**files)).pins) == 1


# By name


LAID = [each for each in scenario.names() if each != "empty"]


@pytest.mark.parametrize("pair", [*combinations(LAID, 2)], ids="+".join)
def test_any_two_that_come_with_the_project_go_together(pair: tuple[str, str]) -> None:
    scenario.load("+".join(pair))


def test_the_order_of_the_names_makes_no_difference() -> None:
    names = ("shortfalls", "declined-cards", "many-accounts")
    first, *others = (scenario.load("+".join(each)) for each in permutations(names))
    assert all(each == first for each in others)
    assert first.name == "declined-cards+many-accounts+shortfalls"
    assert len(first.tries) == 9
    assert first.sizes["accounts"] == {"accounts": 1200, "months": 3}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("default+odd", "no scenario 'odd'; there are: "),
        ("default+", "no scenario ''; there are: "),
        ("default+shortfals", "no scenario 'shortfals'; did you mean shortfalls? "),
        (
            "+".join(f"s{at}" for at in range(MAX_BASES + 1)),
            f"{MAX_BASES + 1} scenarios at once; {MAX_BASES} is the most",
        ),
    ],
)
def test_a_name_that_is_none_is_told_in_one_line(name: str, told: str) -> None:
    assert refused(name).startswith(told)


@pytest.mark.parametrize(
    "name", ["../fixtures/default", "default+../default", "./default.yaml", "/etc/passwd", "default.yaml"]
)
def test_a_name_from_a_caller_is_never_a_path(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"^no scenario "):
        scenario.named(name)


def test_one_that_comes_with_the_project_has_one_name() -> None:
    assert scenario.named("default") == "default"
    assert scenario.named("shortfalls+declined-cards") == scenario.named("declined-cards+shortfalls+shortfalls")


@cache
def composed() -> MockServer:
    return create_app("accounts", "credits", scenario="declined-cards+expired-windows+overpayment+shortfalls")


@pytest.fixture
def app() -> Iterator[MockServer]:
    yield composed()
    composed().sandboxes.clear()


def test_a_server_may_begin_with_several(app: MockServer) -> None:
    check(app.worlds["credits"])
    layer = app.worlds["credits"].layer
    ids = ("01JVPEQMM010000000000A0101", "01JVPEQMM010000000000A0201", "01JVPEQMM010000000000A0301")
    names = {row.record["id"]: row.record["name"] for row in layer.all("Account")}
    assert [names[id] for id in ids] == ["Fern Calder", "Wren & Daughters", "Tobin Marsh"]
    assert app.worlds["accounts"].layer.get("Account", "700300") is not None


# Over HTTP


def ask(app: MockServer, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = Client(app, None).request(method, f"/{path}", body=body)
    assert answer.status == status, answer
    return answer.json


def test_a_sandbox_goes_on_with_several_whatever_their_order(app: MockServer) -> None:
    boxes = [app.sandbox(name) for name in ("one", "two")]
    for box, names in zip(boxes, permutations(("shortfalls", "declined-cards")), strict=True):
        ask(app, "POST", f"/@{box.name}/__mock__/reset", {"scenario": "+".join(names)})
        assert set(box.base.scenario.split("+")) == {"declined-cards", "shortfalls"}
    one, two = ([fingerprint(world) for world in box.worlds.values()] for box in boxes)
    assert one == two
    assert boxes[0].worlds["accounts"].layer.get("Account", "700300") is None


def test_a_sandbox_cannot_go_on_with_what_is_not_there(app: MockServer) -> None:
    before = fingerprint(app.sandbox("one").worlds["credits"])
    for name in ("odd", "default+odd", "../default", "default+./default.yaml"):
        told = ask(app, "POST", "/@one/__mock__/reset", {"scenario": name}, status=400)
        assert told["detail"].startswith("No scenario ")
        ask(app, "POST", "/__mock__/sandboxes", {"name": "new", "scenario": name}, status=400)
    assert fingerprint(app.sandbox("one").worlds["credits"]) == before
    assert [each.name for each in app.sandboxes] == ["default", "one"]


def test_scenarios_are_listed_with_what_to_try_and_which_is_running(app: MockServer) -> None:
    told = ask(app, "GET", "/__mock__/scenarios")
    assert told["running"] == "declined-cards+expired-windows+overpayment+shortfalls"
    assert [each["name"] for each in told["scenarios"]] == list(scenario.names())
    assert {each["name"] for each in told["scenarios"] if each["running"]} == set(told["running"].split("+"))
    for each in told["scenarios"]:
        found = scenario.load(each["name"])
        assert each["tries"] == list(found.tries)
        assert each["about"] and "Try:" not in each["about"] and "\n" not in each["about"]
    assert sum(len(each["tries"]) for each in told["scenarios"] if each["running"]) == 12


def test_callers_are_listed_with_tokens_that_lead_to_the_sandbox(app: MockServer) -> None:
    told = {each["name"]: each for each in ask(app, "GET", "/@box/__mock__/callers")["callers"]}
    assert list(told) == list(app.callers)
    for each in cast(app):
        assert told[each["name"]] == {**each, "token": f"{each['token']}@box"}
    assert told["kestrel"]["grants"] == ["700300"]
    token = told["kestrel"]["token"]
    assert Client(app, token).get("//v1/finance/accounts").json["page"]["total"] == 1
    assert ask(app, "GET", "/__mock__/callers") == {"callers": cast(app)}


def test_who_has_expired_is_told_by_the_clock_of_the_sandbox(app: MockServer) -> None:
    def expired(prefix: str) -> set[str]:
        people = ask(app, "GET", f"{prefix}/__mock__/callers")["callers"]
        return {each["name"] for each in people if each["expired"] and each["api"] == "accounts"}

    late = {"finance-expired", "kestrel-late"}
    assert expired("") == expired("/@box") == late
    ask(app, "POST", "/@box/__mock__/clock/advance", {"seconds": 600})
    assert expired("/@box") == {*late, "kestrel-brief"}
    assert expired("") == late


def test_a_sandbox_of_another_scenario_tells_its_own_callers(app: MockServer) -> None:
    ask(app, "POST", "/@box/__mock__/reset", {"scenario": "shortfalls"})
    names = {each["name"] for each in ask(app, "GET", "/@box/__mock__/callers")["callers"]}
    assert "clerk" in names and "kestrel" not in names
    assert ask(app, "GET", "/@box/__mock__/scenarios")["running"] == "shortfalls"


@pytest.mark.parametrize("named", ["empty+overdue", "default+empty"])
def test_a_world_that_does_not_begin_as_the_others_do_stays_alone(named: str) -> None:
    with pytest.raises(ScenarioError, match="empty stays alone: it does not begin with the default world"):
        scenario.load(named)
