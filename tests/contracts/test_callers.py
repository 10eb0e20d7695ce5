"""Who calls: files, environment and command line, and mistakes in one line that never tells a token."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contracts import callers
from contracts.callers import Given, exported, given, merged, read, token, with_tokens
from contracts.mistakes import Mistake
from contracts.wire import Caller

ROLES = {"billing": ("client", "vendor", "operations"), "credits": ("admin", "billing-clerk")}
VENDOR = Caller("acme", "billing", "vendor", "t-1")
CLERK = Caller("clerk", "credits", "billing-clerk", "t-2")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mockserver callers --json` prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "mockserver", "callers", "--json"], capture_output=True, text=True, check=True
    )
    return write(tmp_path_factory.mktemp("cast") / "callers.json", printed.stdout)


def test_what_mockserver_prints_is_read_as_it_is(cast: Path) -> None:
    people = {each.name: each for each in read(cast, {})}
    assert people["vendor"].account == "ACC-1000-0002"
    assert people["clerk"].grants == ("10000000-0000-4000-8000-000000000001",)
    assert people["finance"].credentials["clientId"] == "finance-client"
    assert [each.name for each in people.values() if each.kind == "expired"] == [
        "finance-expired",
        "expired",
        "credits-expired",
    ]


def test_the_callers_of_our_own_server_are_those_of_the_fixture(cast: Path) -> None:
    from contracts import config

    fixture = config.read(Path(__file__).parents[2] / "fixtures" / "contracts.toml", {})
    assert {(each.api, each.name): each for each in fixture.callers} == {
        (each.api, each.name): each for each in read(cast, {})
    }


def test_toml_tells_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path / "callers.toml",
        '[[callers]]\nname = "acme"\napi = "billing"\nrole = "vendor"\ntoken = "env:ACME"\naccount = "ACC-1"\n'
        'credentials = { clientSecret = "file:secret" }\n',
    )
    write(tmp_path / "secret", "s3cret\n")
    (acme,) = read(path, {"ACME": "t-9"})
    assert (acme.token, acme.account, acme.credentials) == ("t-9", "ACC-1", {"clientSecret": "s3cret"})


ROW = {"name": "acme", "api": "billing", "role": "vendor", "token": "t"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{**ROW, "rolle": "x"}], "callers.json: [0].rolle: no such key; did you mean role?"),
        ([{"name": "acme", "api": "billing"}], "callers.json: [0]: no 'role'; the matrix is told by roles"),
        ([{"api": "billing", "role": "vendor"}], "callers.json: [0]: no 'name'; add it."),
        ([ROW, ROW], "callers.json: [1].name: billing has a caller 'acme' already; rename one."),
        ([{**ROW, "grants": "all"}], "callers.json: [0].grants: 'all'; a list of texts"),
        ([{**ROW, "account": 7}], "callers.json: [0].account: 7 is no text; put it in quotes."),
        ([{**ROW, "kind": "garbage"}], "callers.json: [0].kind: 'garbage'; there are: known, expired."),
        ([{**ROW, "token": "env:NOWHERE"}], "callers.json: [0].token: the environment has no NOWHERE; export it."),
        ([{**ROW, "token": "file:none"}], "No such file or directory; name a file that can be read."),
        ([{**ROW, "credentials": ["x"]}], "[0].credentials: a table of texts"),
        ({"people": []}, "callers.json: callers: no list of callers"),
        ([7], "callers.json: no list of callers"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_its_place(tmp_path: Path, rows: object, says: str) -> None:
    path = write(tmp_path / "callers.json", json.dumps(rows))
    with pytest.raises(Mistake) as caught:
        read(path, {})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["callers.json", "callers.toml"])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(Mistake, match="No such file"):
        read(tmp_path / name, {})
    with pytest.raises(Mistake, match="not valid"):
        read(write(tmp_path / name, "{[name"), {})
    (tmp_path / name).write_bytes(b"\xff\xfe")
    with pytest.raises(Mistake, match="UTF-8"):
        read(tmp_path / name, {})


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "naïve", " ", "tab\there"])
def test_what_is_no_token_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(Mistake) as caught:
        token("env:T", "--caller vendor", {"T": bad})
    assert bad.strip() == "" or bad.strip() not in str(caught.value)


def test_a_source_without_a_name_shows_nothing_of_what_may_be_a_token() -> None:
    with pytest.raises(Mistake) as caught:
        given("s3cret-token", {})
    assert "s3cret" not in str(caught.value)


def test_the_end_of_a_line_is_no_part_of_a_token(tmp_path: Path) -> None:
    write(tmp_path / "t", "abc\r\n")
    assert token("file:t", "", {}, tmp_path) == "abc"
    assert token("env:T", "", {"T": "abc\n"}) == "abc"


def test_a_token_by_name_goes_to_the_caller_of_that_name() -> None:
    (acme, clerk) = with_tokens([VENDOR, CLERK], [Given("acme", "new", "--caller acme")], ROLES)
    assert (acme.token, clerk.token) == ("new", "t-2")


def test_a_token_by_role_goes_to_the_only_caller_with_it_or_makes_one() -> None:
    people = with_tokens([VENDOR], [Given("vendor", "a", ""), Given("client", "b", "")], ROLES)
    assert [(each.name, each.role, each.token) for each in people] == [
        ("acme", "vendor", "a"),
        ("client", "client", "b"),
    ]


def test_one_with_an_expired_token_is_not_who_a_role_means() -> None:
    old = Caller("old", "billing", "vendor", "x", kind="expired")
    people = with_tokens([old], [Given("vendor", "a", "")], ROLES)
    assert [(each.name, each.token) for each in people] == [("old", "x"), ("vendor", "a")]


def test_of_two_callers_with_a_role_the_name_must_tell_which() -> None:
    people = [VENDOR, Caller("other", "billing", "vendor", "t")]
    with pytest.raises(
        Mistake, match=r"--caller vendor: more than one may be meant; say billing/acme or billing/other."
    ):
        with_tokens(people, [Given("vendor", "a", "--caller vendor")], ROLES)
    assert with_tokens(people, [Given("billing/other", "a", "")], ROLES)[1].token == "a"


def test_a_name_that_is_nobody_s_is_told_with_near_ones() -> None:
    with pytest.raises(Mistake, match="--caller vendr: no caller and no role 'vendr'; did you mean vendor"):
        with_tokens([], [Given("vendr", "a", "--caller vendr")], ROLES)


def test_variables_name_callers_as_shells_can_spell_them() -> None:
    tokens = exported({"CONTRACTS_TOKEN_BILLING_CLERK": "x", "CONTRACTS_TOKEN_": "y", "OTHER": "z"})
    assert [each.name for each in tokens] == ["BILLING_CLERK"]
    (clerk,) = with_tokens([], tokens, ROLES)
    assert (clerk.name, clerk.api, clerk.token) == ("billing-clerk", "credits", "x")


def test_the_later_file_goes_first() -> None:
    newer = Caller("acme", "billing", "vendor", "t-3")
    assert merged([VENDOR, CLERK], [newer]) == (newer, CLERK)


def test_no_representation_shows_a_token() -> None:
    assert "t-1" not in repr(VENDOR)
    assert callers.shell("billing-clerk") == "BILLING_CLERK"
