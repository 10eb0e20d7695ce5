"""The pytest plugin: an item for each check and case, a fixture for tests of one's own, and nothing when not asked."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import config, items, registry, run
from contracts.asking import settle
from contracts.target import Unreachable
from contracts.using import Calls

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
README = (ROOT / "contracts" / "README.md").read_text(encoding="utf-8")
# In one word: of a path by itself pytest thinks that it tells where the project lies.
FILE = (f"--contract-config={ROOT / 'fixtures' / 'contracts.toml'}",)
APP = ("--contract-app", "mockserver:create_app", "--contract-api", "billing", "-p", "no:randomly")
ACCEPT = ("--contract-only", "check:access.matrix", "--contract-only", "operation:*cceptJournal")

# The server with a defect: clients may accept journals.
FAULTY = """
from mockserver import create_app

sound = create_app("billing")

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"].endswith("/accept"):
        headers = [(name, value.replace(b"client-", b"operations-")) for name, value in scope["headers"]]
        scope = {**scope, "headers": headers}
    await sound(scope, receive, send)
"""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Everything that sessions read: each forgets what it was first to import, and two of one module do not mix."""
    assert registry.checks()
    assert issubclass(items.Item, pytest.Item)
    settings = settle({"app": "mockserver:create_app", "apis": ("billing",)}, environ={}).settings
    with run.running(settings) as made:
        Calls.of(made, "billing", check="").call("listJournals", "vendor")
    away = settle({"target": "http://127.0.0.1:1", "apis": ("billing",)}, environ={}).settings
    with pytest.raises(Unreachable):
        run.run(replace(away, callers=settings.callers))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_it_reads_nothing_of_the_toolkit_until_it_is_asked() -> None:
    code = (
        "import sys, contracts.plugin\n"
        "print(sorted(each for each in sys.modules if each.startswith(('contracts', 'specs', 'schemathesis'))))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out == "['contracts', 'contracts.plugin']\n"


def test_without_its_options_it_collects_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(): pass")
    result = pytester.runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*contract*::*")


def test_an_item_a_check_and_case_is_collected_without_a_call(pytester: pytest.Pytester) -> None:
    # Nobody listens there.
    away = ("--contract-target", "http://127.0.0.1:1", "--contract-api", "billing")
    result = pytester.runpytest(*away, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["contracts::billing::access.matrix[[]createJournal]"])
    assert result.ret == 0


def test_sound_cells_pass_beside_tests_of_one_s_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(): pass")
    result = pytester.runpytest(*APP, *ACCEPT, "-v")
    result.stdout.fnmatch_lines(
        ["*test_mine PASSED*", "contracts::billing::access.matrix[[]acceptJournal] PASSED*", "*requests in*"]
    )
    pytester.runpytest(*APP, *ACCEPT, "-m", "contract").assert_outcomes(passed=1, deselected=1)


def test_a_breach_fails_its_item_with_the_text_of_the_finding(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(faulty_app=FAULTY)
    result = pytester.runpytest("--contract-app", "faulty_app:app", *FILE, *APP[2:], *ACCEPT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*billing access.matrix[[]acceptJournal]*", "A102 access.matrix: acceptJournal as client: *", "*again *curl *"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*client-token*")


def test_what_is_accepted_passes_and_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(faulty_app=FAULTY)
    fixture = (ROOT / "fixtures" / "contracts.toml").read_text(encoding="utf-8")
    row = '\n[[accepted]]\ncode = "A102"\nreason = "mended in June"\nuntil = 2999-01-01\n'
    pytester.makefile(".toml", contracts=fixture + row)
    result = pytester.runpytest("--contract-app", "faulty_app:app", *APP[2:], *ACCEPT)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*accepted mended in June*"])


def test_what_needs_more_than_the_mode_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        *APP, "--contract-only", "check:machines.*", "--contract-only", "operation:submitJournal", "-rs"
    )
    assert result.ret == 0
    assert not {"passed", "failed", "errors"} & result.parseoutcomes().keys()
    result.stdout.fnmatch_lines(["*needs --contract-mode own*"])


def test_a_target_that_does_not_answer_ends_the_session_as_failed(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--contract-target", "http://127.0.0.1:1", "--contract-api", "billing")
    assert result.ret == 1
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["could not check: target did not answer at http://127.0.0.1:1*"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--contract-target", "nowhere"], "is no address"),
        (["--contract-target", "http://127.0.0.1:1", "--contract-only", "createJournal"], "say KIND:NAME"),
        (["--contract-target", "http://127.0.0.1:1", "--contract-mode", "all"], "--contract-mode: 'all'; say one of"),
        (
            ["--contract-target", "http://127.0.0.1:1", "--contract-rate", "x"],
            "--contract-rate: 'x'; say calls a second",
        ),
        (["--contract-target", "http://127.0.0.1:1", "--contract-api", "biling"], "no API 'biling'"),
        (["--contract-config", "none.toml"], "none.toml: No such file"),
        (["--contract-app", "nowhere:app"], "no module 'nowhere'"),
        (["--contract-target", "https://a.invalid"], "allow it by name"),
    ],
)
def test_a_wrong_call_is_a_usage_error_in_one_line(pytester: pytest.Pytester, words: list[str], says: str) -> None:
    result = pytester.runpytest(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{says}*"])


def test_writes_elsewhere_are_not_asked_for_by_a_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --contract-mode=full")
    there = ("--contract-target", "https://billing.invalid", "--contract-allow-host", "billing.invalid")
    result = pytester.runpytest(*there, "--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*must be said on the command line: --mode full*"])
    assert pytester.runpytest(*there, "--collect-only", "--contract-mode=full", "-q").ret == 0


@pytest.mark.slow
def test_workers_of_xdist_share_the_work_and_tell_what_they_sent(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess(
        *APP, "--contract-only", "check:access.matrix", "--contract-only", "operation:list*", "-n", "2"
    )
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] > 9
    told = re.findall(r"([\d,]+) requests in", result.stdout.str())
    assert len(told) == 2
    assert all(int(each.replace(",", "")) > 9 for each in told)


# The fixture


def test_the_examples_of_the_readme_pass(pytester: pytest.Pytester) -> None:
    (example,) = blocks("python")
    pytester.makepyfile(example)
    pytester.runpytest(*APP, "--contract-mode", "own", "--contract-skip", "check:*").assert_outcomes(passed=3)


def test_without_a_deployment_tests_with_the_fixture_are_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(contract): contract('billing')")
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no deployment is named: say --contract-target URL*"])


WRONG = {
    "call('listJournals', 'vendr')": "no caller 'vendr'; did you mean vendor",
    "call('listJurnals', 'vendor')": "no operation 'listJurnals' in billing; did you mean listJournals",
    "call('submitJournal', 'vendor', {'id': 'BJO-1000-0001'})": "a write on what may exist; read-only sends none.",
    "make('Journal')": "read-only sends none.",
    "call('getJournalCharge', 'vendor')": "no value for",
}


def test_a_call_that_cannot_be_made_fails_the_test_in_one_line(pytester: pytest.Pytester) -> None:
    tests = [f"def test_{number}(contract): contract('billing').{call}" for number, call in enumerate(WRONG)]
    pytester.makepyfile("\n".join(tests))
    result = pytester.runpytest(*APP, "--contract-skip", "check:*", "--tb=line")
    result.assert_outcomes(failed=len(WRONG))
    for says in WRONG.values():
        assert says in result.stdout.str()


def test_an_answer_that_breaks_the_spec_fails_every_test_that_gets_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        untrue_app="""
        from mockserver import create_app
        sound = create_app("billing")
        async def app(scope, receive, send):
            async def sent(message):
                if message["type"] == "http.response.body":
                    body = message.get("body", b"").replace(b'"total":', b'"totals":')
                    message = {**message, "body": body}
                elif message["type"] == "http.response.start":
                    headers = [each for each in message["headers"] if each[0] != b"content-length"]
                    message = {**message, "headers": headers}
                await send(message)
            await sound(scope, receive, sent)
        """,
        test_mine="""
        def test_one(contract): contract("billing").call("listJournals", "vendor", query="limit=1")
        def test_two(contract): contract("billing").call("listJournals", "vendor", query="limit=2")
        """,
    )
    result = pytester.runpytest("--contract-app", "untrue_app:app", *FILE, *APP[2:], "--contract-skip", "check:*")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *listJournals as vendor breaks the spec: S304*"])


# What else the README says


def test_the_file_of_the_readme_is_right_and_says_everything(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "contracts.toml").write_text(text, encoding="utf-8")
    found = config.read(tmp_path / "contracts.toml", {"ACME_TOKEN": "t"})
    assert {*config.OPTIONS, "reports"} - set(found.options) == {"app"}
    assert set(config.TABLES) <= set(tomllib.loads(text))
    assert found.accepted
    assert found.known


def test_every_command_and_option_of_the_readme_is_there() -> None:
    from contracts.cli import command

    known = {option for each in command.commands.values() for it in each.params for option in it.opts}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert {each for each in told if not each.startswith("--contract-")} - known == {"--json", "--help"}
    assert set(re.findall(r"`contracts ([a-z]+)", README)) == set(command.commands)
