"""The catalogue of planted defects, and what is told of runs against it."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import pytest

from contracts import selftest
from contracts.codes import CODES
from contracts.findings import Finding
from contracts.target import InProcess
from mockserver import MockServer, create_app
from specs.tables import Api, load
from tests.contracts import traffic
from tests.faulty import DEFECTS, sound
from tests.faulty.defects import Defect

KINDS = (
    *("rights", "rows", "visibility", "schema", "workflow", "paging", "filter", "order", "select", "arithmetic"),
    *("validation", "files", "errors", "audit", "concurrency", "robustness"),
)
APIS = ("billing", "credits", "accounts")
ASKED = {
    "billing": ("/public/v1/billing/journals", "operations-token"),
    "credits": ("/auth/users/whoami", "admin-token"),
    "accounts": ("/v1/finance/accounts", "finance-token"),
}
BY_NAME = {each.name: each for each in DEFECTS}


@pytest.fixture(scope="module")
def apis() -> dict[str, Api]:
    return {name: load(name) for name in APIS}


def answer(server: Any, api: str) -> Any:
    path, token = ASKED[api]
    target = InProcess(server)
    try:
        return target.send(traffic.made("GET", path, token))
    finally:
        target.close()


# The catalogue


def test_every_defect_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(DEFECTS)


def test_there_are_enough_defects_of_every_api_and_of_every_class() -> None:
    assert len(DEFECTS) >= 150
    assert {each.kind for each in DEFECTS} == set(KINDS)
    assert sum(each.api == "credits" for each in DEFECTS) >= 35
    assert sum(each.api == "accounts" for each in DEFECTS) >= 20


def test_every_defect_says_what_is_wrong_in_one_sentence_and_is_found_under_three_codes_at_most() -> None:
    for each in DEFECTS:
        assert re.fullmatch(r"(?s)[A-Z`0-9].*\.", each.says), each
        assert 1 <= len(each.codes) <= 3 and set(each.codes) <= set(CODES), each


def test_a_finding_must_name_something_that_there_is(apis: dict[str, Api]) -> None:
    for each in DEFECTS:
        api = apis[each.api]
        known = {capability.id for capability in api.capabilities} | set(api.operations) | set(api.visibility)
        assert each.at in ("", "Attachment", *known), each


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_server_answers_and_leaves_the_code_of_others_as_it_was(kind: str) -> None:
    before = _code()
    for each in DEFECTS:
        if each.kind == kind:
            assert answer(each.plant(), each.api).status == 200, each
    after = _code()
    assert [place for place, found in before.items() if after[place] is not found] == []


def _code() -> dict[tuple[str, str], Any]:
    """Everything that the server's modules and their classes hold."""
    found = {}
    for module in [each for name, each in sys.modules.items() if name.startswith("mockserver")]:
        for name, value in vars(module).items():
            found[module.__name__, name] = value
            if isinstance(value, type) and value.__module__ == module.__name__:
                members = vars(value).items()
                found |= {(module.__name__, f"{name}.{member}"): inner for member, inner in members}
    return found


@pytest.fixture(scope="module")
def sounds() -> dict[str, tuple[MockServer, list[tuple[str, Any]]]]:
    made = {api: create_app(api) for api in APIS}
    return {api: (app, list(traffic.transcript(sound(api), app))) for api, app in made.items()}


def test_the_sound_server_answers_alike_each_time(sounds: dict[str, Any]) -> None:
    app, before = sounds["accounts"]
    assert list(traffic.transcript(sound("accounts"), app)) == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_defect_shows(kind: str, sounds: dict[str, Any]) -> None:
    assert [each.name for each in DEFECTS if each.kind == kind and not _shows(each, *sounds[each.api])] == []


def _shows(defect: Defect, app: MockServer, before: list[tuple[str, Any]]) -> bool:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.closing(traffic.transcript(defect.plant(), app)) as now:
        # As far as the first difference: the rest would be much the same.
        return any(one != other for one, other in zip_longest(before, now))


# What a finding names


def found(code: str, operation: str, subject: str = "", cell: str = "") -> Finding:
    return Finding(code, "billing", operation, subject, "", "", "DOC", "", "", cell=cell)


@pytest.mark.parametrize(
    ("defect", "finding", "is_named"),
    [
        ("accept-journal-by-vendor", found("A102", "acceptJournal"), True),
        ("accept-journal-by-vendor", found("A101", "acceptJournal"), False),
        ("accept-journal-by-vendor", found("A102", "submitJournal"), False),
        ("ledger-file-for-vendor", found("A102", "listLedgerCharges", cell="getLedgerChargesFile/vendor"), True),
        ("any-token-will-do", found("A105", "listJournals"), True),
        ("notes-hidden", found("R208", "getJournal"), True),
        ("notes-hidden", found("R208", "getLedger"), False),
    ],
)
def test_a_finding_names_a_defect_by_its_code_and_its_place(defect: str, finding: Finding, is_named: bool) -> None:
    assert selftest.names(BY_NAME[defect], finding) is is_named


# What is told


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(catalog: str, **options: Any) -> tuple[int, str, str]:
        out = io.StringIO()
        status = selftest.selftest(catalog, out=out, **options)
        return status, out.getvalue(), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("catalog", "only", "says"),
    [
        ("tests.nowhere:DEFECTS", (), "--catalog tests.nowhere:DEFECTS: no module 'tests.nowhere'"),
        ("tests.faulty", (), "--catalog tests.faulty: say module:attribute"),
        ("tests.faulty:NONE", (), "--catalog tests.faulty:NONE: no 'NONE' there"),
        ("tests.faulty:DEFECTS", ("pagin",), "--only pagin: no such defect or class; did you mean paging?"),
    ],
)
def test_a_catalogue_that_is_not_there_is_told_in_one_line(told: Any, catalog: str, only: Any, says: str) -> None:
    status, out, err = told(catalog, only=only)
    assert (status, out) == (2, "")
    assert err.startswith(says) and err.count("\n") == 1


@pytest.mark.slow
def test_what_was_found_is_told_class_by_class_and_what_was_not_by_name(told: Any) -> None:
    status, out, _ = told("tests.contracts.small_catalog:DEFECTS", jobs=2)
    assert status == 1
    assert "sound accounts, seed 1: nothing found" in out
    assert re.search(r"^paging +3 +2 +1 +0 ", out, re.MULTILINE), out
    assert "1 of 3 found under their right name, 33.3 %." in out
    assert re.search(r"misnamed \(paging, accounts\) F704 .*\n +Q502 listFinanceAccounts", out), out
    assert "nothing (paging, accounts) Q502 : Nothing is wrong." in out
