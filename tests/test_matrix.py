"""The golden matrix, and the laws that it obeys whoever wrote the tables."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import Counter
from pathlib import Path

import pytest

from specs.expand import ANONYMOUS, Cell, cells, main, page, successes
from specs.tables import HERE, Capability, Operation, load, names

API = load("billing")
GARAGE = str(Path(__file__).parent / "apis/garage")
SMALL = load(GARAGE)
CELLS = list(cells(API))
CAPABILITIES = list(API.capabilities)
GIVEN = [each for each in CAPABILITIES if each.given]
OPERATIONS = list(API.operations.values())
# As the matrix came; a change of it is a change of the contract, and no one's to make here.
SHA256 = "5897a6d7b8a1ed04d88ef6460ee8a067dbfade7a0a98887026cd308831de29b9"
# What a vendor may do and Operations may not (billing a).
VENDORS_ALONE = {
    "createJournal",
    "deleteJournal",
    "uploadJournalCharges",
    "submitJournal",
    "createJournalAttachment",
    "deleteJournalAttachment",
}
# Who may call what has no row in the given matrix; all that is not named is for Operations alone (billing a.2).
BEYOND = {
    frozenset({"client", "operations"}): {
        "listCreditMemos",
        "getCreditMemo",
        "listStatementAttachments",
        "getStatementAttachment",
    },
    frozenset({"vendor", "operations"}): {"getJournalSeller", "updateJournalAttachment"},
}
# What an operation answers, by what it does (billing a, b.8).
ANSWERS = {
    "list": (200,),
    "read": (200,),
    "download": (200,),
    "update": (200,),
    "act": (200,),
    "upload": (200,),
    "create": (201,),
    "attach": (201,),
    "delete": (204,),
    "sync": (201, 202),
}


def documented(operation: Operation) -> set[int]:
    """Every status that the spec documents for an operation."""
    path = operation.path.removeprefix(API.document["servers"][0]["url"])
    return {int(status) for status in API.document["paths"][path][operation.method.lower()]["responses"]}


def csv_rows() -> list[dict[str, str]]:
    with (HERE / "billing" / "role-matrix.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", names())
def test_the_golden_page_is_what_the_tables_say(name: str) -> None:
    golden = (HERE / name / "matrix.md").read_text(encoding="utf-8")
    again = f"rewrite it with: python -m specs.expand {name} --write, then read the difference"
    assert page(load(name)) == golden, again


def test_the_given_matrix_is_as_it_came() -> None:
    assert hashlib.sha256((HERE / "billing" / "role-matrix.csv").read_bytes()).hexdigest() == SHA256


def test_the_given_matrix_has_67_capabilities_over_64_operations() -> None:
    assert len(GIVEN) == len(csv_rows()) == 67
    assert len({(API.operations[each.operation].method, API.operations[each.operation].path) for each in GIVEN}) == 64
    assert len({each.operation for each in GIVEN}) == 64
    shared = {each.id for each in GIVEN if each.id != each.operation}
    assert shared == {"getJournalChargesFile", "getLedgerChargesFile", "getCustomLedgerChargesFile"}


@pytest.mark.parametrize("row", csv_rows(), ids=lambda row: row["operation_id"])
def test_a_given_row_says_here_what_it_said_there(row: dict[str, str]) -> None:
    by = {cell.caller: cell for cell in CELLS if cell.capability.id == row["operation_id"]}
    assert {role: by[role].allowed for role in API.roles} == {role: row[role] == "allow" for role in API.roles}
    assert {(cell.method, cell.path) for cell in by.values()} == {(row["method"], row["path"])}
    assert {(cell.capability.collection, cell.capability.title) for cell in by.values()} == {
        (row["collection"], row["capability"])
    }


def test_the_given_rows_fall_into_four_kinds() -> None:
    assert Counter("".join(sorted(role[0] for role in each.roles)) for each in GIVEN) == {
        "o": 37,
        "co": 15,
        "ov": 9,
        "v": 6,
    }


def test_operations_may_do_whatever_a_client_may() -> None:
    assert [each.id for each in CAPABILITIES if "client" in each.roles and "operations" not in each.roles] == []


def test_operations_may_do_whatever_a_vendor_may_but_for_six_rows() -> None:
    assert {
        each.id for each in CAPABILITIES if "vendor" in each.roles and "operations" not in each.roles
    } == VENDORS_ALONE


def test_no_capability_is_shared_by_client_and_vendor() -> None:
    assert [each.id for each in CAPABILITIES if {"client", "vendor"} <= each.roles] == []


def test_no_capability_is_nobodys() -> None:
    assert [each.id for each in CAPABILITIES if not each.roles] == []


@pytest.mark.parametrize("capability", [each for each in CAPABILITIES if not each.given], ids=lambda each: each.id)
def test_a_capability_beyond_the_given_matrix_is_for_those_whom_a_source_names(capability: Capability) -> None:
    named = next((roles for roles, ids in BEYOND.items() if capability.id in ids), frozenset({"operations"}))
    assert capability.roles == named
    assert capability.source


def test_reading_an_object_is_for_those_who_may_list_it() -> None:
    lists = {(each.entity, each.below): each.roles for each in OPERATIONS if each.does == "list"}
    reads = {(each.entity, each.below): each.roles for each in OPERATIONS if each.does in ("read", "download")}
    assert reads == lists


def test_every_capability_has_a_cell_for_every_caller() -> None:
    assert [(cell.capability.id, cell.caller) for cell in CELLS] == [
        (each.id, caller) for each in CAPABILITIES for caller in (ANONYMOUS, *API.roles)
    ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_an_operation_documents_the_success_that_fits_what_it_does(operation: Operation) -> None:
    found = successes(API, operation.id)
    # A file is elsewhere: 301 beside the object that describes it (billing b.9).
    file = operation.does == "download"
    assert found == ((200, 301) if file else ANSWERS[operation.does])


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.capability.id}-{cell.caller}")
def test_a_cell_promises_a_status_that_the_spec_documents(cell: Cell) -> None:
    assert cell.status in documented(API.operations[cell.capability.operation])
    assert cell.allowed is (cell.status < 400)
    assert cell.source


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_an_operation_documents_the_refusals_that_its_tables_give_it(operation: Operation) -> None:
    refusals = documented(operation)
    assert (API.status("find") in refusals) is ("{" in operation.path)
    if operation.event is not None:
        assert API.status("state") in refusals
    assert max(refusals) < 500


@pytest.mark.parametrize("name", names())
def test_a_cell_of_any_api_promises_a_status_that_its_spec_documents(name: str) -> None:
    api = load(name)
    prefix = api.document["servers"][0]["url"].rstrip("/")
    for cell in cells(api):
        responses = api.document["paths"][cell.path.removeprefix(prefix)][cell.method.lower()]["responses"]
        assert str(cell.status) in responses, f"{cell.capability.id} as {cell.caller}: {cell.status}"
        assert cell.allowed is (cell.status < 400)


def test_nobody_is_refused_everywhere_before_anything_else() -> None:
    assert {(cell.allowed, cell.status) for cell in CELLS if cell.caller == ANONYMOUS} == {(False, 401)}
    assert [row["check"] for row in API.refusals][:3] == ["token", "role", "find"]


def test_a_role_without_the_right_gets_403() -> None:
    assert {cell.status for cell in CELLS if cell.caller != ANONYMOUS and not cell.allowed} == {403}


def test_the_page_shows_every_capability_once() -> None:
    lines = page(API).splitlines()
    for each in CAPABILITIES:
        assert sum(f"| `{each.id}` |" in line for line in lines) == 1
    assert sum(" ◦ |" in line for line in lines) == len(CAPABILITIES) - len(GIVEN)
    assert "±" not in "".join(line for line in lines if line.startswith("|"))


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["billing"]) == 0
    assert capsys.readouterr().out == page(API)


def test_the_command_prints_the_pages_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["billing", GARAGE]) == 0
    assert capsys.readouterr().out == page(API) + page(SMALL)


def test_the_command_rewrites_the_page_of_a_folder(tmp_path: Path) -> None:
    copy = shutil.copytree(GARAGE, tmp_path / "garage")
    assert main([f"{copy}/", "--write"]) == 0
    assert (copy / "matrix.md").read_text(encoding="utf-8") == page(SMALL)


def test_nobody_is_let_into_an_open_operation_and_into_no_other() -> None:
    let = {cell.capability.id for cell in cells(SMALL) if cell.caller == ANONYMOUS and cell.allowed}
    assert let == {"createToken"}
    assert {cell.status for cell in cells(SMALL) if cell.capability.id == "createToken"} == {200}


def test_the_page_says_what_a_role_is_a_set_of_and_what_an_operation_needs() -> None:
    lines = page(SMALL).splitlines()
    assert "| `visitor` | `bays.read`, `load.read` |" in lines
    row = "| List bays | `listBays` | `GET /garage/v1/sites/{siteId}/bays` | 401 | 200 | 200 | 200 |"
    assert f"{row} `bays.read`, `bays.list` | M |" in lines
    assert "Where a path has `{siteId}`, it is one of the caller's own; for others it is 403." in lines
    # Without a given matrix there is nothing to be beyond.
    assert "◦" not in page(SMALL)


def test_the_command_answers_an_unknown_api_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bills"]) == 2
    assert capsys.readouterr().err == f"no API 'bills'; there are: {', '.join(names())}.\n"


@pytest.mark.parametrize("arguments", [[], ["--rewrite"], ["billing", "-x"], ["billing", "--write", "--overlay", "x"]])
def test_the_command_refuses_options_that_it_lacks(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m specs.expand" in capsys.readouterr().err
