"""Overlays change the cells that they name, say why, and change nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from specs.expand import Cell, cells, main, page
from specs.tables import HERE, Api, TableError, load, names

PLAIN = load("billing")
GARAGE = str(Path(__file__).parent / "apis/garage")
NAMES = ", ".join(names())
SHIPPED = HERE.parent / "fixtures" / "overlays" / "vendor-tests.yaml"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Overlaid = Callable[..., Api]


@pytest.fixture
def overlaid(tmp_path: Path) -> Overlaid:
    """The API under overlays of these texts, in this order."""

    def made(*texts: str, name: str = "billing") -> Api:
        files = [tmp_path / f"overlay-{number}.yaml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8")
        return load(name, overlays=files)

    return made


def changed(api: Api, plain: Api = PLAIN) -> dict[tuple[str, str], Cell]:
    """The cells that differ in anything from those without overlays, by capability and caller."""
    return {
        (now.capability.id, now.caller): now
        for before, now in zip(cells(plain), cells(api), strict=True)
        if (before.allowed, before.status, before.source, before.method, before.path)
        != (now.allowed, now.status, now.source, now.method, now.path)
    }


def one(verb: str, operation: str, role: str, reason: str = "it is so") -> str:
    return f"billing: {{{verb}: [{{operation: {operation}, role: {role}, reason: {reason}}}]}}"


CELLS = [
    pytest.param(
        "deny" if cell.allowed else "grant", cell.capability.id, cell.caller, id=f"{cell.capability.id}-{cell.caller}"
    )
    for cell in cells(PLAIN)
    if cell.caller != "nobody"
]


@pytest.mark.parametrize(("verb", "operation", "role"), CELLS)
def test_any_cell_can_be_turned_and_turns_alone(overlaid: Overlaid, verb: str, operation: str, role: str) -> None:
    api = overlaid(one(verb, operation, role))
    ((key, cell),) = changed(api).items()
    assert key == (operation, role)
    assert cell.allowed is (verb == "grant")
    assert (cell.status == 403) is (verb == "deny")
    assert cell.source == "overlay: it is so"


def test_a_grant_answers_as_the_operation_does(overlaid: Overlaid) -> None:
    assert changed(overlaid(one("grant", "createJournal", "operations")))["createJournal", "operations"].status == 201
    assert changed(overlaid(one("grant", "deleteJournal", "client")))["deleteJournal", "client"].status == 204


def test_a_denial_answers_403(overlaid: Overlaid) -> None:
    assert changed(overlaid(one("deny", "updateInvoice", "client")))["updateInvoice", "client"].status == 403


def test_a_capability_that_shares_its_operation_turns_without_it(overlaid: Overlaid) -> None:
    api = overlaid(one("deny", "getJournalChargesFile", "vendor"))
    assert list(changed(api)) == [("getJournalChargesFile", "vendor")]
    assert "vendor" in api.operations["listJournalCharges"].roles


def test_everything_but_the_matrix_stays_as_it_was(overlaid: Overlaid) -> None:
    api = overlaid(one("grant", "createJournal", "operations"))
    assert (api.machines, api.visibility, api.document) == (PLAIN.machines, PLAIN.visibility, PLAIN.document)
    assert (api.roles, api.refusals, api.conventions) == (PLAIN.roles, PLAIN.refusals, PLAIN.conventions)
    # What was loaded without an overlay does not know of it.
    assert load("billing") == PLAIN


def test_a_cell_that_is_so_already_is_not_shown_as_changed(overlaid: Overlaid) -> None:
    api = overlaid(one("grant", "listJournals", "vendor"))
    assert changed(api) == {}
    assert page(api) == page(PLAIN)


def test_several_cells_of_one_row_turn_together(overlaid: Overlaid) -> None:
    rows = ", ".join(f"{{operation: listJournals, role: {role}, reason: closed}}" for role in ("vendor", "operations"))
    assert set(changed(overlaid(f"billing: {{deny: [{rows}]}}"))) == {
        ("listJournals", "vendor"),
        ("listJournals", "operations"),
    }


def test_a_later_overlay_has_the_last_word(overlaid: Overlaid) -> None:
    there, back = one("grant", "createJournal", "client", "first"), one("deny", "createJournal", "client", "second")
    assert changed(overlaid(there, back)) == {}
    assert page(overlaid(there, back)) == page(PLAIN)
    again = changed(overlaid(there, back, one("grant", "createJournal", "client", "third")))
    assert [cell.source for cell in again.values()] == ["overlay: third"]


def test_an_overlay_of_another_api_changes_nothing_here(overlaid: Overlaid) -> None:
    with pytest.raises(TableError, match=f"no API 'bicycles'; there are: {NAMES}"):
        overlaid("bicycles: {grant: []}")
    other = next((name for name in names() if name != "billing"), "billing")
    assert changed(overlaid(f"{other}: {{grant: []}}")) == {}
    assert changed(overlaid("billing: {}")) == {}


def test_a_refused_medium_is_the_only_one_that_goes(overlaid: Overlaid) -> None:
    api = overlaid("billing: {refuse: [{operation: uploadJournalCharges, media: text/csv, reason: no CSV there}]}")
    assert changed(api) == {}
    before, now = PLAIN.conventions.uploads, api.conventions.uploads
    assert set(before["uploadJournalCharges"]["accepts"]) - set(now["uploadJournalCharges"]["accepts"]) == {"text/csv"}
    assert now["uploadJournalCharges"]["accepts"] == ["application/jsonl", XLSX]
    assert now["uploadCustomLedgerCharges"] == before["uploadCustomLedgerCharges"]
    assert "- `uploadJournalCharges`, text/csv: refused; no CSV there\n" in page(api)
    assert "text/csv" in load("billing").conventions.uploads["uploadJournalCharges"]["accepts"]


def test_the_page_marks_the_cell_and_gives_the_reason(overlaid: Overlaid) -> None:
    api = overlaid(one("grant", "createJournal", "operations", "they do it in our deployment"))
    before, now = page(PLAIN).splitlines(), page(api).splitlines()
    row = next(line for line in now if "`createJournal`" in line)
    assert row.endswith("| 401 | 403 | 201 | 201 ± | RM |")
    assert [line for line in now if line not in before] == [
        row,
        "## Changed by an overlay",
        "- `createJournal`, operations: granted; they do it in our deployment",
    ]
    assert sum("±" in line for line in now if line.startswith("|")) == 1


def test_a_reason_of_several_lines_is_shown_in_one(overlaid: Overlaid) -> None:
    api = overlaid(one("deny", "listJournals", "vendor", '"first\\n second"'))
    assert "- `listJournals`, vendor: denied; first second\n" in page(api)


def test_the_command_shows_the_page_under_an_overlay(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["billing", "--overlay", str(SHIPPED)]) == 0
    assert capsys.readouterr().out == page(load("billing", overlays=[SHIPPED]))


def test_the_shipped_example_lets_operations_add_and_delete_journal_attachments() -> None:
    api = load("billing", overlays=[SHIPPED])
    assert {key: cell.status for key, cell in changed(api).items()} == {
        ("createJournalAttachment", "operations"): 201,
        ("deleteJournalAttachment", "operations"): 204,
    }
    assert "text/csv" not in api.conventions.uploads["uploadJournalCharges"]["accepts"]
    assert len([line for line in page(api).splitlines() if line.startswith("- ")]) == 3


ROW = "operation: createJournal, role: operations, reason: so"
MEDIUM = "operation: uploadJournalCharges, media: text/csv, reason: so"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", f": empty; name an API ({NAMES}) and what to grant, deny or refuse."),
        ("- 1", f": empty; name an API ({NAMES}) and what to grant, deny or refuse."),
        ("bill: {}", f": no API 'bill'; there are: {NAMES}."),
        ("1: {}", f": no API 1; there are: {NAMES}."),
        ("billing:", ": billing: say what to grant, deny or refuse; a list stands under each."),
        ("billing: [1]", ": billing: say what to grant, deny or refuse; a list stands under each."),
        ("billing: {allow: []}", ": billing: no 'allow'; there are: grant, deny, refuse, rule."),
        ("billing: {rule: all}", ": billing.rule: say {is, reason}."),
        ("billing: {rule: {is: all}}", ": billing.rule: no `reason`; say {is, reason}."),
        (
            "billing: {rule: {is: all, reason: so}}",
            ": billing.rule: the roles of billing are no sets of permissions; grant or deny single cells.",
        ),
        ("billing: {grant: }", ": billing.grant: a list of {operation, role, reason} stands here."),
        ("billing: {grant: {a: 1}}", ": billing.grant: a list of {operation, role, reason} stands here."),
        ("billing: {deny: [x]}", ": billing.deny[0]: say {operation, role, reason}."),
        (
            f"billing: {{grant: [{{{ROW}}}, {{{ROW.replace('createJournal', 'createJurnal')}}}]}}",
            ": billing.grant[1]: no operation 'createJurnal'; did you mean createJournal...",
        ),
        (f"billing: {{grant: [{{{ROW.replace('createJournal', 'zzz')}}}]}}", ": billing.grant[0]: no operation 'zzz'."),
        (
            f"billing: {{deny: [{{{ROW.replace('operations', 'ops')}}}]}}",
            ": billing.deny[0]: no role 'ops'; there are: client, vendor, operations.",
        ),
        (
            f"billing: {{grant: [{{{ROW.replace('operations', 'nobody')}}}]}}",
            ": billing.grant[0]: no role 'nobody'; there are: client, vendor, operations.",
        ),
        (
            f"billing: {{grant: [{{{ROW.replace(', reason: so', '')}}}]}}",
            ": billing.grant[0]: no `reason`; say {operation, role, reason}.",
        ),
        (
            f"billing: {{grant: [{{{ROW.replace('so', '')}}}]}}",
            ": billing.grant[0]: no `reason`; say {operation, role, reason}.",
        ),
        (
            f"billing: {{grant: [{{{ROW.replace('so', repr('  '))}}}]}}",
            ": billing.grant[0]: no `reason`; say {operation, role, reason}.",
        ),
        (
            f"billing: {{grant: [{{{ROW.replace('role: operations', 'role: [vendor]')}}}]}}",
            ": billing.grant[0]: no `role`; say {operation, role, reason}.",
        ),
        (
            f"billing: {{grant: [{{{ROW}, until: tomorrow}}]}}",
            ": billing.grant[0]: no 'until' belongs here; say {operation, role, reason}.",
        ),
        (
            f"billing: {{grant: [{{{ROW}}}], deny: [{{{ROW}}}]}}",
            ": billing.deny[0]: ...billing.grant[0] names the same cell; keep one.",
        ),
        (
            f"billing: {{refuse: [{{{MEDIUM.replace('text/csv', 'text/html')}}}]}}",
            ": billing.refuse[0]: uploadJournalCharges does not read text/html; there are: uploadJournalCharges "
            "application/jsonl, ...",
        ),
        (
            f"billing: {{refuse: [{{{MEDIUM.replace('uploadJournalCharges', 'createJournal')}}}]}}",
            ": billing.refuse[0]: createJournal does not read text/csv; there are: uploadJournalCharges ...",
        ),
        (
            f"billing: {{refuse: [{{{MEDIUM}}}, {{{MEDIUM}}}]}}",
            ": billing.refuse[1]: uploadJournalCharges does not read text/csv; there are: ...",
        ),
        (
            f"billing: {{refuse: [{{{MEDIUM.replace(', reason: so', '')}}}]}}",
            ": billing.refuse[0]: no `reason`; say {operation, media, reason}.",
        ),
        ("billing: {grant: [", ": line ..., column ...: not valid YAML: ..."),
    ],
)
def test_a_wrong_overlay_is_refused_in_one_line_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "overlay.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TableError) as refused:
        load("billing", overlays=[file])
    pattern = re.escape(f"{file}{says}").replace(re.escape("..."), ".*")
    assert re.fullmatch(pattern, str(refused.value)), refused.value


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"billing: {grant: \xff}", "not readable as UTF-8 text"), (None, "no such file")],
    ids=["not UTF-8", "gone"],
)
def test_an_overlay_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "overlay.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TableError, match=f"^{re.escape(str(file))}: .*{says}.*$"):
        load("billing", overlays=[file])


# Roles that are sets of permissions.

OPEN = load(GARAGE)
ALL = "garage: {rule: {is: all, reason: they ask for both}"


def test_the_other_rule_turns_the_cells_in_which_they_differ(overlaid: Overlaid) -> None:
    api = overlaid(ALL + "}", name=GARAGE)
    turned = changed(api, OPEN)
    assert set(turned) == {
        ("listBays", "visitor"),
        ("replaceBay", "warden"),
        ("listStays", "warden"),
        ("listStays", "visitor"),
    }
    assert {(cell.status, cell.source) for cell in turned.values()} == {(403, "overlay: they ask for both")}
    assert (OPEN.rule, api.rule) == ("any", "all")


def test_the_page_shows_the_rule_and_what_it_turned(overlaid: Overlaid) -> None:
    text = page(overlaid(ALL + "}", name=GARAGE))
    assert "all of them are needed" in text
    assert text.endswith(
        "## Changed by an overlay\n\n"
        "- rule: all; they ask for both\n"
        "- `listBays`, visitor: denied; they ask for both\n"
        "- `replaceBay`, warden: denied; they ask for both\n"
        "- `listStays`, warden: denied; they ask for both\n"
        "- `listStays`, visitor: denied; they ask for both\n"
    )


def test_the_rule_that_holds_already_changes_nothing(overlaid: Overlaid) -> None:
    assert overlaid("garage: {rule: {is: any, reason: so}}", name=GARAGE) == OPEN


def test_a_rule_that_is_turned_back_leaves_nothing(overlaid: Overlaid) -> None:
    api = overlaid(ALL + "}", "garage: {rule: {is: any, reason: they do not}}", name=GARAGE)
    assert api == OPEN
    assert page(api) == page(OPEN)


def test_what_is_granted_beside_the_rule_has_the_last_word(overlaid: Overlaid) -> None:
    grant = "grant: [{operation: listBays, role: visitor, reason: they may}]"
    for texts in ([f"{ALL}, {grant}}}"], [ALL + "}", f"garage: {{{grant}}}"]):
        api = overlaid(*texts, name=GARAGE)
        assert "visitor" in api.operations["listBays"].roles
        assert "visitor" not in api.operations["listStays"].roles


def test_what_was_granted_before_the_rule_stays(overlaid: Overlaid) -> None:
    grant = "garage: {grant: [{operation: getLoad, role: warden, reason: they may}]}"
    api = overlaid(grant, ALL + "}", name=GARAGE)
    assert changed(api, OPEN)["getLoad", "warden"].source == "overlay: they may"


def test_a_cell_of_a_set_of_permissions_turns_alone(overlaid: Overlaid) -> None:
    api = overlaid("garage: {deny: [{operation: getBay, role: owner, reason: not there}]}", name=GARAGE)
    assert {key: cell.status for key, cell in changed(api, OPEN).items()} == {("getBay", "owner"): 403}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("garage: {rule: {is: some, reason: so}}", ": garage.rule: no 'some'; there are: any, all."),
        (
            "garage: {deny: [{operation: createToken, role: owner, reason: so}]}",
            ": garage.deny[0]: createToken asks nobody for a token; there is nothing to grant or deny.",
        ),
    ],
)
def test_an_overlay_that_a_set_of_permissions_cannot_follow_is_refused(
    overlaid: Overlaid, tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(TableError) as refused:
        overlaid(text, name=GARAGE)
    assert str(refused.value) == f"{tmp_path / 'overlay-0.yaml'}{says}"
