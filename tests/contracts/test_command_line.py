"""The command `contracts`: what it prints, what it refuses in one line, and how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts import cli, extra
from contracts.codes import CODES
from contracts.examples import EXAMPLES, example
from contracts.findings import CheckResult
from contracts.progress import showing
from contracts.registry import checks

ROOT = Path(__file__).parents[2]

# Our own server with a defect: clients may accept journals; or with a hand on Ctrl-C at the nth call.
FAULTY = """
import os, signal
from mockserver import create_app

sound = create_app("billing")
count = 0
async def granted(scope, receive, send):
    if scope["type"] == "http" and scope["path"].endswith("/accept"):
        headers = [(name, value.replace(b"client-", b"operations-")) for name, value in scope["headers"]]
        scope = {**scope, "headers": headers}
    await sound(scope, receive, send)

def stop(when):
    async def app(scope, receive, send):
        global count
        count += scope["type"] == "http"
        if scope["type"] == "http" and when():
            os.kill(os.getpid(), signal.SIGINT)
        await sound(scope, receive, send)
    return app

once = stop(lambda: count == 20)
ever = stop(lambda: count >= 20)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment that says nothing of contracts."""
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("CONTRACTS_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def contracts(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in this process."""

    def call(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["contracts", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Ended(int(ended.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def apart(here: Path) -> Command:
    """The command, in a process of its own that finds faulty.py."""
    (here / "faulty.py").write_text(FAULTY)

    def call(*words: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "contracts", *words],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return call


CONFIG = ("--config", str(ROOT / "fixtures" / "contracts.toml"), "--api", "billing")
MATRIX = ("--only", "check:access.matrix", "--only", "operation:*cceptJournal")


# What it costs


def test_help_reads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom contracts.cli import command\n"
        "for name in ('run', 'clean', 'list', 'explain', 'matrix', 'selftest'):\n"
        "    command([name, '--help'], standalone_mode=False)\n"
        "print({'schemathesis', 'hypothesis', 'httpx', 'rich', 'yaml', 'pytest', 'specs'} & set(sys.modules), 'read')"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.endswith("set() read\n")


def test_every_command_is_named_in_the_help(contracts: Command) -> None:
    told = contracts("--help").out
    for name in ("run", "list", "explain", "matrix", "clean", "selftest"):
        assert re.search(rf"^  {name} ", told, re.MULTILINE)


# Mistakes


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run"], "no target; say --target http://127.0.0.1:8000, or --app module:attribute."),
        (["run", "--tarket", "x"], "No such option"),
        (["run", "--target", "x"], "is no address"),
        (["run", "--target", "https://a.example", "--caller", "vendor=env:X"], "the environment has no X"),
        (["run", "--target", "http://h", "--caller", "s3cret"], "--caller: say NAME=SOURCE"),
        (["run", "--target", "http://h", "--rate", "fast"], "'fast': say a number above 0, or 5/s, 300/m"),
        (["run", "--target", "http://h", "--budget", "0"], "0 is not in the range x>=1"),
        (["run", "--target", "http://h", "--timeout", "0"], "0.0 is not in the range x>0"),
        (["run", "--target", "http://h", "--mode", "all"], "'all' is not one of 'read-only', 'own', 'full'"),
        (["run", "--target", "http://h", "--report", "junit"], "'junit': say FORMAT=FILE"),
        (
            ["run", "--target", "http://127.0.0.1:1", "--report", "pdf=x"],
            "--report pdf=x: no format 'pdf'; there are: html",
        ),
        (["run", "--target", "http://127.0.0.1:1", "--report", "json=no/x"], "cannot be written there"),
        (["run", "--target", "http://127.0.0.1:1", "--wire", "."], "--wire .: cannot be written there"),
        (["run", "--target", "http://127.0.0.1:1", "--api", "biling"], "no API 'biling'"),
        (["run", "--target", "http://127.0.0.1:1", "--overlay", "none.yaml"], "none.yaml"),
        (["run", "--target", "http://127.0.0.1:1", "--only", "createJournal"], "say KIND:NAME"),
        (["run", "--target", "http://127.0.0.1:1", "--ca", "none.pem"], "none.pem"),
        (["run", "--target", "http://127.0.0.1:1", "--config", "none.toml"], "none.toml: No such file"),
        (["run", "--target", "http://127.0.0.1:1", "--callers", "none.json"], "none.json: No such file"),
        (["run", "--app", "nowhere:app"], "no module 'nowhere'"),
        (["run", "--app", "json:dumps"], "neither an ASGI application"),
        (["explain", "A999"], "no code 'A999'; there are: A101, A102"),
        (["matrix", "biling"], "no API 'biling'"),
        (["list", "--api", "biling"], "no API 'biling'"),
        (["verify"], "No such command 'verify'"),
    ],
)
def test_a_wrong_call_ends_in_one_line_with_2(contracts: Command, words: list[str], says: str) -> None:
    ended = contracts(*words)
    assert says in ended.err
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("contracts: ")
    assert "s3cret" not in ended.err


@pytest.mark.parametrize("words", [["run", "--target", "http://127.0.0.1:1"], ["clean"], ["selftest"]])
def test_without_the_extra_one_line_says_how_to_install_it(
    contracts: Command, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    for name in ("schemathesis", "openpyxl"):
        monkeypatch.setitem(sys.modules, name, None)  # as where there is none
    ended = contracts(*words)
    assert "not installed: openpyxl, schemathesis; they come with pip install 'doubleentry[contracts]'." in ended.err
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)


def test_the_extra_brings_what_runs_need() -> None:
    brought = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["contracts"]
    assert {*extra.MODULES} <= {re.split(r"\W", each)[0] for each in brought}


def test_a_target_that_does_not_answer_is_told_in_one_line(contracts: Command) -> None:
    ended = contracts("run", "--target", "http://127.0.0.1:1", *CONFIG, "-q")
    assert "target did not answer at http://127.0.0.1:1" in ended.err
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)


def test_writes_elsewhere_are_not_asked_for_by_the_environment(
    contracts: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRACTS_MODE", "full")
    there = ("run", "--target", "https://billing.invalid", "--allow-host", "billing.invalid", *CONFIG, "-q")
    assert "must be said on the command line: --mode full" in contracts(*there).err
    assert "did not answer" in contracts(*there, "--mode", "full").err


def test_a_catalogue_that_is_not_there_is_told_in_one_line(contracts: Command) -> None:
    ended = contracts("selftest", "--catalog", "nowhere:DEFECTS")
    assert "no module 'nowhere'" in ended.err
    assert (ended.status, ended.err.count("\n")) == (2, 1)


# A run


def test_a_kept_contract_ends_with_0_and_a_line_for_each_check(contracts: Command) -> None:
    ended = contracts("run", "--app", "mockserver:create_app", "--api", "billing", *MATRIX)
    assert ended.status == 0
    assert re.search(r"1/1 billing +access.matrix +1 case +\d+ requests +[\d.]+ s  nothing found", ended.err)
    assert "kept: 0 defects" in ended.out


def test_quiet_shows_no_progress(contracts: Command) -> None:
    assert contracts("run", "--app", "mockserver:create_app", "--api", "billing", *MATRIX, "-q").err == ""


def test_a_broken_one_ends_with_1_and_a_command_that_shows_it_again(apart: Command, here: Path) -> None:
    reports = [f"{kind}={kind}.out" for kind in ("json", "junit", "html", "sarif", "markdown")]
    flags = [word for each in reports for word in ("--report", each)]
    ended = apart("run", "--app", "faulty:granted", *CONFIG, *MATRIX, "-q", *flags)
    assert ended.status == 1
    assert "A102 access.matrix: acceptJournal as client" in ended.out
    assert "contracts run --app faulty:granted" in ended.out.splitlines()[-1]
    assert json.loads((here / "json.out").read_text())
    assert all((here / f"{each}.out").stat().st_size for each in ("junit", "html", "sarif", "markdown"))


def test_the_command_that_shows_it_again_names_the_variables_that_options_were_read_from(
    contracts: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRACTS_SEED", "9")
    monkeypatch.setenv("CONTRACTS_OTHER", "s3cret")
    ended = contracts("run", "--app", "mockserver:create_app", "--api", "billing", *MATRIX, "-q")
    assert "again: CONTRACTS_SEED=9 contracts run --app mockserver:create_app" in ended.out.splitlines()[-1]
    assert "CONTRACTS_OTHER" not in ended.out


ACCEPTED = """
[[accepted]]
code = "A102"
operation = "acceptJournal"
reason = "mended in June"
until = {until}
"""


def accepted(until: str) -> str:
    """contracts.toml of the faulty server, its defect accepted."""
    fixture = (ROOT / "fixtures" / "contracts.toml").read_text(encoding="utf-8")
    return f'app = "faulty:granted"\n{fixture}{ACCEPTED.format(until=until)}'


def test_what_is_accepted_does_not_fail_the_run_until_it_is_over(apart: Command, here: Path) -> None:
    (here / "contracts.toml").write_text(accepted("2999-12-31"))
    ended = apart("run", "--api", "billing", *MATRIX, "-q")
    assert ended.status == 0, ended.out
    assert "mended in June" in ended.out
    (here / "contracts.toml").write_text(accepted("2020-12-31"))
    ended = apart("run", "--api", "billing", *MATRIX, "-q")
    assert ended.status == 1
    assert "A102 was accepted until 2020-12-31" in ended.err


def test_an_overlay_says_what_is_meant_to_differ(contracts: Command, here: Path) -> None:
    (here / "overlay.yaml").write_text(
        "billing: {grant: [{operation: acceptJournal, role: client, reason: a trial}]}\n", encoding="utf-8"
    )
    ended = contracts("run", "--app", "mockserver:create_app", *CONFIG, *MATRIX, "--overlay", "overlay.yaml", "-q")
    assert ended.status == 1
    assert "A101 access.matrix: acceptJournal as client" in ended.out


def test_nothing_sent_is_no_pass(contracts: Command) -> None:
    ended = contracts("run", "--app", "mockserver:create_app", *CONFIG, *MATRIX, "--skip", "check:*", "-q")
    assert ended.status == 2
    assert "nothing was sent" in ended.out


def test_a_budget_that_is_used_up_ends_the_run_with_2(contracts: Command) -> None:
    ended = contracts(
        "run", "--app", "mockserver:create_app", *CONFIG, "--only", "check:access.*", "--budget", "9", "-q"
    )
    assert ended.status == 2
    assert "the budget of 9 requests is used up" in ended.out


def test_a_token_on_the_command_line_is_warned_of_and_never_shown(contracts: Command, here: Path) -> None:
    words = ["run", "--app", "mockserver:create_app", *CONFIG, *MATRIX, "--caller", "vendor=wr0ng-t0ken", "--wire", "w"]
    ended = contracts(*words, "--report", "json=r", "-q")
    assert "--caller vendor: a token on a command line is seen by everybody" in ended.err
    told = ended.out + ended.err + (here / "w").read_text() + (here / "r").read_text()
    assert "wr0ng" not in told
    assert "vendor=$TOKEN_VENDOR" in ended.out


def test_the_environment_says_what_the_command_line_does_not(
    contracts: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"APP": "mockserver:create_app", "SEED": "7", "TOKEN_VENDOR": "vendor-token"}.items():
        monkeypatch.setenv(f"CONTRACTS_{name}", value)
    assert contracts("run", "--api", "billing", *MATRIX, "-q").status == 0


# Interrupted


def test_an_interrupt_ends_the_run_with_2_and_tells_what_was_found_so_far(apart: Command) -> None:
    ended = apart("run", "--app", "faulty:once", *CONFIG, "--only", "check:access.matrix")
    assert ended.status == 2
    assert "interrupted; taking away what was made" in ended.err
    assert "interrupted" in ended.out.splitlines()[-2]
    assert "exit 2" in ended.out.splitlines()[-1]


def test_a_second_interrupt_leaves_at_once_and_the_journal_tells_what_is_left(apart: Command, here: Path) -> None:
    own = ("--mode", "own", "--only", "check:machines.declared", "--journal", "kept")
    ended = apart("run", "--app", "faulty:ever", *CONFIG, *own)
    assert ended.status == 130
    (journal,) = (here / "kept").glob("*.jsonl")
    assert "intent" in journal.read_text(encoding="utf-8")


class Terminal(io.StringIO):
    """What a terminal would be written."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars_that_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream, check = Terminal(), checks()[0]
    with showing(quiet=False, stream=stream) as progress:
        progress.begin(2)
        progress.start(check, "billing", 3)
        progress.step(4, 1)
        time.sleep(0.2)  # the bars are drawn ten times a second
        progress.done(CheckResult(check.id, "billing", cases=3, requests=4, findings=1))
    told = stream.getvalue()
    assert f"billing {check.id}" in told
    assert "4 requests, 1 finding" in told
    assert told.endswith("\x1b[2K")  # the last line is taken away


def test_a_log_gets_a_line_for_each_check_when_it_ends() -> None:
    stream = io.StringIO()
    with showing(quiet=False, stream=stream) as progress:
        progress.begin(10)
        progress.start(checks()[0], "billing", 3)
        progress.step(4, 1)
        assert stream.getvalue() == ""
        progress.done(CheckResult("rows.lists", "billing", cases=1, requests=1400, seconds=2.25, findings=2))
    line = " ".join(stream.getvalue().split())
    assert line == "1/10 billing rows.lists 1 case 1,400 requests 2.2 s 2 findings"


def test_a_check_that_could_send_nothing_is_not_told_as_one_that_found_nothing() -> None:
    stream = io.StringIO()
    with showing(quiet=False, stream=stream) as progress:
        progress.begin(2)
        progress.done(CheckResult("rows.lists", "billing", cases=2, unchecked=2))
        progress.done(CheckResult("rows.lists", "billing", cases=2, requests=3, unchecked=1))
    first, second = stream.getvalue().splitlines()
    assert first.endswith("  not checked")
    assert second.endswith("  nothing found")


def test_without_a_command_it_prints_its_help_as_it_is(contracts: Command) -> None:
    ended = contracts()
    assert ended.status == 2
    assert ended.err.startswith("Usage: contracts ")
    assert ended.err.rstrip().splitlines()[-1].startswith("  selftest ")


# What it teaches


def test_every_check_is_listed_with_what_it_proves(contracts: Command) -> None:
    told = contracts("list").out
    for check in checks():
        assert f"{check.id}  ({check.mode})" in told
    assert "billing 10" in told
    assert contracts("list", "--api", "accounts").out != told


def test_every_code_is_explained(contracts: Command) -> None:
    assert set(EXAMPLES) == set(CODES)
    for id in CODES:
        finding, _ = example(id, "check")
        assert (finding.code, finding.steps[-1].operation) == (id, finding.operation)
    told = contracts("explain", "a102").out
    assert "A102  a caller who may not is let through" in told
    assert "found by: access.matrix (read-only)" in told
    assert "again    curl -i -X POST https://billing.example.org/public/v1/billing/journals/" in told


def test_the_matrix_is_that_of_the_tables_with_the_cells_of_an_overlay(contracts: Command, here: Path) -> None:
    told = contracts("matrix", "billing").out
    assert told == (ROOT / "specs" / "billing" / "matrix.md").read_text()
    overlay = str(ROOT / "fixtures" / "overlays" / "vendor-tests.yaml")
    assert "Changed by an overlay" in contracts("matrix", "billing", "--overlay", overlay).out


def test_cleaning_without_a_journal_says_so(contracts: Command) -> None:
    ended = contracts("clean", "--target", "http://127.0.0.1:1", *CONFIG)
    assert ended.status == 0
    assert "no journal" in ended.out
