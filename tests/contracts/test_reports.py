"""Reports tell the run, fit their schemas, hold no secret, and are written whole or not at all."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from contracts import reports
from contracts.codes import CODES
from contracts.findings import Result, Unchecked, Verdict
from contracts.reports import FORMATS, ReportError, coverage, render, telling, text
from contracts.wire import Answer
from specs.tables import load
from tests.contracts.made_up import CALLERS, HOSTILE, SECRETS, call, finding, whole
from tests.contracts.test_redaction import forms, seen

SCHEMAS = Path(__file__).parent / "schemas"
RESULT = Path(reports.__file__).with_name("result.schema.json")


@pytest.fixture(scope="module")
def run() -> Result:
    return whole()


@pytest.fixture(scope="module")
def told(run: Result) -> dict[str, str]:
    """Every format, and the text for a terminal."""
    return {**{kind: render(kind, run).decode() for kind in FORMATS}, "text": text.write(run, colour=True)}


def empty(**said: Any) -> Result:
    """A run that found nothing."""
    return Result("http://h", "read-only", 1, (), **{"requests": 3, **said})


# Schemas


def valid(instance: Any, schema: Path) -> None:
    from jsonschema import Draft4Validator, Draft202012Validator

    rules = json.loads(schema.read_text())
    kind = Draft4Validator if "draft-04" in rules["$schema"] else Draft202012Validator
    kind.check_schema(rules)
    assert [f"{error.json_path}: {error.message}" for error in kind(rules).iter_errors(instance)] == []


@pytest.mark.parametrize("result", [whole(), empty(), empty(requests=0), empty(stopped="interrupted.")])
def test_json_fits_the_schema_that_is_kept_beside_it(result: Result) -> None:
    valid(json.loads(render("json", result)), RESULT)


def test_the_schema_of_json_knows_every_member() -> None:
    wrong = json.loads(render("json", whole()))
    wrong["findings"][0]["another"] = 1
    with pytest.raises(AssertionError, match="another"):
        valid(wrong, RESULT)


@pytest.mark.parametrize("result", [whole(), empty(), empty(requests=0), empty(stopped="interrupted.")])
def test_sarif_fits_its_schema(result: Result) -> None:
    valid(json.loads(render("sarif", result)), SCHEMAS / "sarif-2.1.0-rtm.5.json")


@pytest.mark.parametrize("result", [whole(), empty(), empty(requests=0), empty(stopped="interrupted.")])
def test_junit_fits_its_schema(result: Result) -> None:
    etree = pytest.importorskip("lxml.etree", reason="lxml reads XML schemas")
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))
    schema.assertValid(etree.fromstring(render("junit", result)))


# What each says


def test_json_tells_the_same_twice(run: Result, told: dict[str, str]) -> None:
    shuffled = replace(run, findings=run.findings[::-1], unchecked=run.unchecked[::-1])
    shuffled.statuses, shuffled.transitions = (
        dict(reversed(run.statuses.items())),
        dict(reversed(run.transitions.items())),
    )
    assert render("json", shuffled).decode() == told["json"]


def test_a_curl_to_an_application_that_nobody_serves_says_so(run: Result, told: dict[str, str]) -> None:
    note = "the application was called in this process; for the curl lines, serve it at http://127.0.0.1:8000 first."
    unserved = replace(run, served=False)
    assert note in text.write(unserved) and note in render("html", unserved).decode()
    assert note.partition(";")[0] in render("markdown", unserved).decode()
    assert not any("in this process" in each for each in told.values())
    assert "in this process" not in text.write(empty(served=False)), "nothing was found, so there are no curl lines"


def test_json_tells_what_was_found(told: dict[str, str]) -> None:
    said = json.loads(told["json"])
    assert (said["version"], said["verdict"], said["exitStatus"]) == (1, "broken", 1)
    assert [each["code"] for each in said["findings"]] == ["A102", "R204", "S305", "W406", "Q510", "S303"]
    first = said["findings"][0]
    assert first["why"] == CODES["A102"].why and first["severity"] == "defect"
    assert first["steps"][0]["request"]["body"] == '{"name": "it\'s"}'
    assert "$TOKEN_CLIENT" in first["steps"][0]["curl"]


def test_junit_has_a_suite_for_each_check_and_a_case_for_each_case(told: dict[str, str]) -> None:
    root = ElementTree.fromstring(told["junit"])
    suites = {each.get("name"): each for each in root}
    access = suites["billing.access.matrix"]
    names = {each.get("name"): each for each in access.findall("testcase")}
    assert names["createJournal"].find("failure").get("type") == "A102"  # type: ignore[union-attr]  # it is there
    assert names["getJournal"].find("failure") is None
    assert (root.get("failures"), root.get("errors")) == ("3", "1")
    assert suites["billing.effects.journal"].find("testcase/skipped") is not None
    assert suites["credits.access.matrix"].find("testcase/error") is not None


def test_questions_and_accepted_findings_fail_no_case_unless_the_run_is_strict(run: Result) -> None:
    def outcome(result: Result) -> tuple[bool, str]:
        case = ElementTree.fromstring(render("junit", result)).find("testsuite[@name='billing.paging.zero']/testcase")
        assert case is not None
        return case.find("failure") is not None, case.findtext("system-out") or ""

    assert outcome(run)[0] is False and "Q510" in outcome(run)[1]
    assert outcome(replace(run, strict=True))[0] is True


def test_sarif_tells_levels_fingerprints_and_where(told: dict[str, str]) -> None:
    run = json.loads(told["sarif"])["runs"][0]
    results = {each["ruleId"]: each for each in run["results"]}
    assert {code: each["level"] for code, each in results.items()} == {
        "A102": "error", "R204": "error", "S305": "error", "W406": "error", "Q510": "warning", "S303": "note",
    }  # fmt: skip
    assert results["S303"]["suppressions"][0]["justification"] == "known, mended in May"
    prints = [each["partialFingerprints"]["contractFinding/v1"] for each in run["results"]]
    assert len(set(prints)) == len(prints)
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])


def test_sarif_names_the_line_of_the_table(told: dict[str, str]) -> None:
    found = json.loads(told["sarif"])["runs"][0]["results"][0]["locations"][0]
    place = found["physicalLocation"]
    lines = Path("specs/billing/access.yaml").read_text().splitlines()
    assert place["artifactLocation"]["uri"] == "specs/billing/access.yaml"
    assert lines[place["region"]["startLine"] - 1].strip().startswith("createJournal:")
    assert found["logicalLocations"][0]["fullyQualifiedName"] == "billing.createJournal"


def test_a_fingerprint_stays_when_only_the_answer_changes() -> None:
    def fingerprint(came: str) -> str:
        said = json.loads(render("sarif", empty(findings=[finding(came=came)])))
        return str(said["runs"][0]["results"][0]["partialFingerprints"])

    assert fingerprint("201 a") == fingerprint("500 b")


def test_a_terminal_sees_finding_expectation_answer_and_the_line_that_repeats_it(told: dict[str, str]) -> None:
    plain = re.sub(r"\x1b\[\d+m", "", told["text"])
    assert (
        """\
A102 access.matrix: createJournal as client: a caller who may not is let through
  expected 403 (specs/billing/access.yaml, RM)
  got      201 {"id": "BJO-1000-0001"}
  again    curl -i -X POST http://127.0.0.1:8000/public/v1/billing/journals -H "Authorization: Bearer $TOKEN_CLIENT\""""
        in plain
    )
    assert plain.splitlines()[-1].startswith("exit 1: the contract is broken; again: contracts run --target http://")
    assert "\nquestions (" in plain and plain.index("A102") < plain.index("Q510") < plain.index("not checked: 3")


@pytest.mark.parametrize(
    ("result", "start"),
    [
        (empty(), "exit 0: the contract is kept"),
        (empty(findings=[finding(source="M")]), "exit 0: the contract is kept"),
        (empty(findings=[finding(source="M")], strict=True), "exit 1: the contract is broken"),
        (empty(findings=[finding()]), "exit 1: the contract is broken"),
        (empty(findings=[finding(accepted="known")]), "exit 0: the contract is kept"),
        (empty(requests=0), "exit 2: it could not be checked"),
        (empty(stopped="interrupted."), "exit 2: it could not be checked"),
        (empty(unchecked=[Unchecked("billing", "a.b", "", "no way", fatal=True)]), "exit 2: it could not be checked"),
    ],
)
def test_the_last_line_tells_what_the_exit_status_means(result: Result, start: str) -> None:
    assert text.write(result).splitlines()[-1].startswith(start)


def test_the_command_of_the_user_is_the_one_to_repeat() -> None:
    assert text.write(empty(again="contracts run --app a:b")).endswith("again: contracts run --app a:b\n")


def test_all_that_is_missing_is_named_and_no_more(run: Result) -> None:
    billing = next(each for each in coverage.coverage(run) if each.api == "billing")
    assert (billing.operations.done, billing.operations.whole) == (1, 100)
    assert {each.group for each in billing.transitions.missing} == {"Journal Review"} | {
        f"Statement {state}" for state in load("billing").machines["Statement"].states
    }
    assert [each.why for each in billing.transitions.missing if each.group == "Journal Review"] == [
        "no charges in the file"
    ]
    missing = {(each.group, each.name) for each in billing.cells.missing}
    assert {("deleteJournal", "vendor"), ("submitJournal", "operations")} <= missing and len(missing) == 2 + 6 * 4
    assert ("getJournal", "404") not in {(each.group, each.name) for each in billing.statuses.missing}


# Colours, control letters, markup


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream: io.StringIO, environ: dict[str, str], wanted: bool) -> None:
    assert text.coloured(stream, environ) is wanted


def test_without_colour_no_letter_is_one_that_a_terminal_obeys(run: Result) -> None:
    assert all(letter.isprintable() or letter == "\n" for letter in text.write(run))


def test_an_answer_cannot_colour_a_terminal(told: dict[str, str]) -> None:
    assert set(re.findall(r"\x1b\[[^m]*m", told["text"])) <= {f"\x1b[{number}m" for number in (0, 1, 2, 31, 32, 33)}
    assert "\x00" not in told["text"] and "\u202e" not in told["text"]


class Elements(HTMLParser):
    """The elements of a page, and what they lead to."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_whole_and_what_an_implementation_answers_stays_text(told: dict[str, str]) -> None:
    page = Elements(told["html"])
    assert page.open == []
    assert page.names.count("script") == 1 and "img" not in page.names
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert any("<script>alert(1)</script><img src=x onerror=alert(1)>" in each for each in page.texts)


def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(told: dict[str, str]) -> None:
    page = Elements(told["html"])
    ids = [value for name, value in page.attributes if name == "id"]
    links = [value for name, value in page.attributes if name == "href"]
    assert len(set(ids)) == len(ids)
    assert links and {link.removeprefix("#") for link in links} <= set(ids)
    assert not any(name in ("src", "srcset", "data", "action") for name, _ in page.attributes)
    assert "@import" not in told["html"] and "url(" not in told["html"]


def test_the_page_shows_every_cell_and_every_pair_with_a_letter_and_words(told: dict[str, str]) -> None:
    page = Elements(told["html"])
    tips = [value for name, value in page.attributes if name == "title"]
    assert "createJournal as client: let through, must not be; expected 403, came 200 (RM)" in tips
    assert "accept in Draft: accepted, must not be; is no way out of it" in tips
    assert "accept in Review: not tried (no charges in the file); leads to Generating" in tips
    assert "disableManualOverride as vendor: not looked at" in tips


def test_of_several_verdicts_about_a_cell_the_worst_is_shown(run: Result) -> None:
    cell = next(each for each in run.cells if (each.capability, each.caller) == ("getJournal", "vendor"))
    for verdicts in (
        [Verdict.ALLOWED, Verdict.UNEXPECTED_DENY, Verdict.SKIPPED],
        [Verdict.UNEXPECTED_DENY, Verdict.BLOCKED, Verdict.ALLOWED],
    ):
        several = replace(run, cells=[replace(cell, verdict=verdict) for verdict in verdicts])
        assert "getJournal as vendor: refused, must not be" in render("html", several).decode()


def test_the_policy_of_the_page_allows_its_own_script_alone(told: dict[str, str]) -> None:
    import base64
    import hashlib

    script = told["html"].partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in told["html"] and "default-src &#x27;none&#x27;" in told["html"]


def test_markdown_keeps_what_an_implementation_answers_in_code(told: dict[str, str]) -> None:
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", told["markdown"])
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "<script>" not in outside and "<img" not in outside
    rows = [line for line in told["markdown"].splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {4 + 1, 5 + 1, 6 + 1}


def test_an_answer_cannot_end_the_block_that_it_stands_in() -> None:
    steps = (call(CALLERS[0], "GET", "/journals", 200, b"```\n<script>alert(1)</script>\n````\n<img>\n"),)
    said = render("markdown", empty(findings=[finding(steps=steps)])).decode()
    assert "<img>" in said
    assert "<" not in re.sub(r"</?(details|summary)>", "", re.sub(r"(?ms)^(`{3,})(bash)?$.*?^\1$", "", said))


def test_markdown_tells_no_more_in_full_than_a_summary_holds() -> None:
    many = empty(findings=[finding(subject=f"{number}") for number in range(300)])
    said = render("markdown", many).decode()
    assert said.count("<details>") == 50 and "250 more" in said and len(said) < 500_000


# Secrets


@pytest.fixture(scope="module")
def echoed() -> dict[str, str]:
    """All reports of a run against a deployment that says every secret again, wherever it can."""
    said = [form for secret in SECRETS for form in forms(secret)]
    everything = "\n".join(said)
    headers = {"www-authenticate": f"Bearer {SECRETS[0]}", "x-echo": " ".join(said), "content-type": "text/plain"}
    steps = []
    for caller in CALLERS:
        one = call(caller, "POST", "/journals", 500, content=everything.encode(), query=f"token={caller.token}")
        steps.append(replace(one, answer=Answer(500, headers, everything.encode())))
    result = whole()
    breach = finding(
        subject=f"id {SECRETS[0]}",
        came=everything,
        expected=SECRETS[1],
        steps=tuple(steps),
        accepted=SECRETS[2],
        case=SECRETS[0],
    )
    open_ = replace(breach, accepted="")
    result.findings = [breach, replace(open_, code="A101"), replace(open_, code="Q501", source="M")]
    result.cells = [replace(each, came=everything, reason=everything) for each in result.cells[:4]]
    result.unchecked = [Unchecked("billing", "access.matrix", SECRETS[0], everything, fatal=True)]
    result.transitions = {("billing", "Journal", "Draft", "accept"): everything}
    result.stopped, result.left, result.again = everything, [everything], f"contracts run --caller vendor={SECRETS[0]}"
    result.target = f"http://h/{SECRETS[0]}"
    result.checks[0].names.append(SECRETS[0])
    return {**{kind: render(kind, result).decode() for kind in FORMATS}, "text": text.write(result)}


@pytest.mark.parametrize("kind", [*FORMATS, "text"])
def test_no_report_holds_a_secret_that_was_said_again(kind: str, echoed: dict[str, str]) -> None:
    assert [secret for secret in SECRETS if seen(secret, echoed[kind])] == []
    assert "$TOKEN_VENDOR" in echoed[kind]


def test_secrets_of_callers_that_only_steps_know_are_taken_out_too() -> None:
    known = finding(came=str(CALLERS[0].token), steps=(call(CALLERS[0], "GET", "/journals", 500),))
    assert str(CALLERS[0].token) not in text.write(empty(findings=[known]))


# Files


def test_a_report_is_written_to_its_file_with_the_rights_that_files_get(tmp_path: Path, run: Result) -> None:
    path, other = tmp_path / "report.json", tmp_path / "other"
    reports.write("json", path, run)
    other.touch()
    assert json.loads(path.read_bytes())["version"] == 1
    assert path.stat().st_mode == other.stat().st_mode
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other", "report.json"]


def test_a_file_that_was_there_keeps_its_rights_and_a_link_stays_one(tmp_path: Path, run: Result) -> None:
    path, link = tmp_path / "report.xml", tmp_path / "latest.xml"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    reports.write("junit", link, run)
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o640 and path.read_text().startswith("<?xml")


def test_the_file_that_was_there_stays_if_the_new_one_cannot_be_made(
    tmp_path: Path, run: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.md"
    path.write_text("old")
    monkeypatch.setattr("contracts.reports.os.replace", full)
    with pytest.raises(ReportError, match="no space left on device"):
        reports.write("markdown", path, run)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["none/report.html", ".", "file/report.html"])
def test_a_place_that_cannot_be_written_to_is_one_clear_line(name: str, tmp_path: Path, run: Result) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError) as caught:
        reports.write("html", tmp_path / name, run)
    assert str(caught.value).startswith("--report html=") and "\n" not in str(caught.value)
    assert "cannot be written" in str(caught.value)


def test_a_format_that_there_is_not_is_one_clear_line(run: Result) -> None:
    with pytest.raises(ReportError, match="no report format 'pdf'; there are: html, json, junit, markdown, sarif"):
        render("pdf", run)


def test_a_report_can_go_to_a_device(run: Result) -> None:
    reports.write("markdown", Path("/dev/null"), run)
    assert Path("/dev/null").is_char_device()


def test_a_hostile_text_is_told_as_one_line() -> None:
    assert "\n" not in telling.plain(HOSTILE + "\n\u2028x") and telling.plain("\x1b") == "\\x1b"
