"""The server in users' tests: the pytest plugin as a suite of theirs sees it, and what is shown of it, run."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from shutil import which

import httpx
import pytest

from mockserver.testing import MockError, Sandbox, Server
from mockserver.testing.calls import Calls
from mockserver.testing.serving import Serving

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(Path(__file__).parent.joinpath("examples").glob("test_*.py"))
PLUGIN = "mockserver.testing.plugin"
INSTALLED = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
NAMED = () if INSTALLED else ("-p", PLUGIN)
PLUGINS = [word for name in (PLUGIN, "xdist", "randomly") for word in ("-p", name)]
README = (ROOT / "fixtures" / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("<!-- testing -->")[2].partition("<!-- /testing -->")[0]
BILLING = "/public/v1/billing"
ADMIN = "only-for-the-owner"
SERVED_AT = "http://127.0.0.1:8000"

# Many tests, each of which would fail if it saw what another one did.
MANY = """
import pathlib
import pytest

@pytest.mark.parametrize("turn", range({count}))
def test_apart(mock_server, mock_sandbox, turn):
    with pathlib.Path({seen!r}).open("a") as seen:
        seen.write(mock_server.url + "\\n")
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    assert vendor.delete("/journals/BJO-1000-0001").status_code == 204
    made = vendor.post("/journals", json={{"name": f"J {{turn}}", "authorization": {{"id": "AUT-1000-0001"}}}}).json()
    names = [each["name"] for each in vendor.get("/journals?limit=100").json()["data"]]
    assert [name for name in names if name.startswith("J ")] == [f"J {{turn}}"]
    mock_sandbox.journal.assert_called(operation="createJournal", times=1)
"""


@pytest.fixture(autouse=True)
def their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_ADDOPTS", "MOCKSERVER_URL", "MOCKSERVER_ADMIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The address of a server that the sessions below can be told of."""
    serving = Serving({})
    yield serving.url
    serving.close()


@pytest.fixture
def sandbox(served: str) -> Iterator[Sandbox]:
    with Server(served).sandbox("mine") as made:
        yield made


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """A session in a process of its own, with no more plugins than it is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return pytester.runpytest_subprocess(*PLUGINS, "-p", "no:cacheprovider", *options, timeout=300)


def run_here(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """A session in this process, which saves the start; for those whose server is elsewhere."""
    return pytester.runpytest_inprocess(*NAMED, "-p", "no:cacheprovider", *options)


def said(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def is_up(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def names(url: str) -> list[str]:
    return [each["name"] for each in Calls(url).get("/sandboxes")["sandboxes"]]


# What it costs


def test_it_reads_nothing_of_the_server_until_it_is_asked() -> None:
    code = (
        f"import sys, {PLUGIN}\n"
        "print(*sorted(each for each in sys.modules if each.startswith(('mockserver', 'specs', 'uvicorn', 'httpx'))))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.split() == ["mockserver", "mockserver.testing", PLUGIN]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_suite_that_does_not_use_it_has_no_server(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makeconftest(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    assert not {'uvicorn', 'mockserver.app', 'httpx'} & set(sys.modules)\n"
    )
    pytester.makepyfile("def test_mine(): pass")
    result = run(pytester, "-n", workers)
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert "AssertionError" not in said(result)


# Worlds apart, one server


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_two_workers_share_one_server_and_no_world_in_any_order(pytester: pytest.Pytester, count: int) -> None:
    seen = pytester.path / "seen.txt"
    pytester.makepyfile(MANY.format(count=count, seen=str(seen)))
    result = run(pytester, "-n", "2", "-W", "error")
    result.assert_outcomes(passed=count)
    assert "random seed" in said(result) or "randomly" in said(result)
    (url,) = set(seen.read_text().split())
    assert not is_up(url), "the server outlives the session"


def test_without_workers_the_server_is_in_this_process_and_ends_with_it(pytester: pytest.Pytester) -> None:
    seen = pytester.path / "seen.txt"
    pytester.makepyfile(MANY.format(count=3, seen=str(seen)))
    run(pytester, "-W", "error").assert_outcomes(passed=3)
    (url,) = set(seen.read_text().split())
    assert not is_up(url)


def test_a_server_that_runs_already_is_used_and_left_clean(
    pytester: pytest.Pytester, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = pytester.path / "seen.txt"
    pytester.makepyfile(MANY.format(count=4, seen=str(seen)))
    before = names(served)
    run(pytester, "-n", "2", "--mock-url", served).assert_outcomes(passed=4)
    monkeypatch.setenv("MOCKSERVER_URL", f"{served}/")
    run_here(pytester).assert_outcomes(passed=4)
    assert set(seen.read_text().split()) == {served}
    assert names(served) == before


def test_any_name_of_a_test_makes_a_name_of_a_sandbox(pytester: pytest.Pytester, served: str) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("odd", ["../../etc", "ä ö ü", "x" * 200, "@/%2e", "-._", "\\r\\n"])
        def test_é(mock_sandbox, odd):
            assert len(mock_sandbox.name) <= 63
            assert mock_sandbox.client("vendor").get("/public/v1/billing/journals").status_code == 200
        """
    )
    run_here(pytester, "--mock-url", served).assert_outcomes(passed=6)


def test_a_suite_may_have_a_fixture_of_its_own_by_the_same_name(pytester: pytest.Pytester, served: str) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def mock_server():
            return "mine"

        def test_both(mock_server, mock_sandbox):
            assert mock_server == "mine"
            assert mock_sandbox.calls.get("/jobs")["jobs"] == []
        """
    )
    run_here(pytester, "--mock-url", served).assert_outcomes(passed=1)


# What a failure tells


def test_a_failure_shows_what_was_sent_and_keeps_its_sandbox_on_a_server_that_goes_on(
    pytester: pytest.Pytester, served: str
) -> None:
    pytester.makepyfile(
        """
        def test_mine(mock_sandbox):
            vendor = mock_sandbox.client("vendor", "/public/v1/billing")
            vendor.delete("/journals/BJO-1000-0001")
            vendor.get("/journals/BJO-1000-0001?select=id")
            assert False
        """
    )
    result = run_here(pytester, "--mock-url", served)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"-* requests to mock sandbox test_mine-\w+ -*",
            r" +1  204  vendor  DELETE  /\S*/journals/BJO-1000-0001$",
            r" +2  404  vendor  GET  /\S*/journals/BJO-1000-0001\?select=id  .*BJO-1000-0001.*",
            rf"It stays as it is: {served}/@test_mine-\w+$",
        ]
    )
    (kept,) = (name for name in names(served) if name.startswith("test_mine-"))
    Server(served).calls.delete(f"/sandboxes/{kept}")


def test_on_a_server_of_the_session_a_failure_promises_nothing_that_ends_with_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(mock_sandbox): assert False")
    result = run(pytester, "-n", "2", "--mock-api", "accounts")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*requests to mock sandbox test_mine-*", "no request came."])
    assert "It stays" not in said(result)


def test_what_was_not_called_is_told_with_what_nearly_was(sandbox: Sandbox) -> None:
    sandbox.client("vendor", BILLING).post("/journals", json={"name": "May", "authorization": {"id": "AUT-1000-0001"}})
    sandbox.journal.assert_called(operation="createJournal", caller="vendor", body={"name": "May"})
    with pytest.raises(
        AssertionError, match=r"operation='createJournal', body=\{'name': 'June'\}: .*\n  near: "
    ) as told:
        sandbox.journal.assert_called(operation="createJournal", body={"name": "June"})
    assert "June" in str(told.value).split("near:")[1]
    with pytest.raises(AssertionError):
        sandbox.journal.assert_not_called(operation="createJournal")
    with pytest.raises(AssertionError):
        sandbox.journal.assert_called(operation="createJournal", times=2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-n", "2", "--mock-scenario", "overdu"), "the mock server cannot start: no scenario 'overdu'"),
        (("--mock-url", "http://127.0.0.1:9"), "no mock server answers at http://127.0.0.1:9"),
        (("--mock-url", "here"), "--mock-url here: say http://HOST:PORT"),
        (("--mock-url", "http://127.0.0.1:9", "--mock-seed", "7"), "--mock-seed is about a server that is started"),
    ],
)
def test_a_server_that_cannot_be_is_told_in_one_line(
    pytester: pytest.Pytester, options: tuple[str, ...], told: str
) -> None:
    pytester.makepyfile("def test_mine(mock_sandbox): pass")
    result = run(pytester, *options)
    assert result.ret != 0
    assert told in said(result)
    assert "INTERNALERROR" not in said(result)
    assert "Traceback" not in said(result)


# What can be chosen


def test_a_marker_chooses_scenario_and_processing_and_the_nearest_one_goes_first(
    pytester: pytest.Pytester, served: str
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def told(box):
            here = next(each for each in box.server.calls.get("/sandboxes")["sandboxes"] if each["name"] == box.name)
            return here["scenario"], box.calls.get("/processing")["processing"]

        @pytest.mark.mock(scenario="overdue", processing="manual")
        class TestOverdue:
            def test_of_its_class(self, mock_sandbox):
                assert told(mock_sandbox) == ("overdue", "manual")
                mock_sandbox.reset()
                assert told(mock_sandbox) == ("overdue", "manual")
                mock_sandbox.scenario("default")
                assert told(mock_sandbox) == ("default", "manual")

            @pytest.mark.mock(processing="after:2.5")
            def test_of_its_own(self, mock_sandbox):
                assert told(mock_sandbox) == ("overdue", "after:2.5")

        def test_plain(mock_sandbox):
            assert told(mock_sandbox) == ("default", "reads:2")

        @pytest.mark.mock(scenari="overdue")
        def test_a_slip(mock_sandbox):
            pass

        @pytest.mark.mock
        def test_that_means_another_mock():
            pass
        """
    )
    result = run_here(pytester, "--mock-url", served, "--mock-processing", "reads:2", "--strict-markers")
    result.assert_outcomes(passed=4, errors=1)
    assert "no 'scenari'; there are, by keyword: scenario, processing" in said(result)


def test_the_ini_file_says_what_is_served(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nmock_api = accounts credits\nmock_seed = 7\nmock_processing = manual\nmock_now = 2026-05-04\n"
    )
    pytester.makepyfile(
        """
        def test_mine(mock_sandbox):
            assert {each["api"] for each in mock_sandbox.callers()} == {"accounts", "credits"}
            assert mock_sandbox.calls.get("/jobs")["processing"] == "manual"
            assert f"{mock_sandbox.clock.now:%Y-%m-%d}" == "2026-05-04"
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_an_admin_token_is_borne_where_one_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_mine(mock_sandbox):
            assert mock_sandbox.client("finance").get("/v1/finance/invoices").status_code < 500
        """
    )
    serving = Serving({"apis": ["accounts"], "admin": ADMIN})
    try:
        run_here(pytester, "--mock-url", serving.url, "--mock-admin", ADMIN).assert_outcomes(passed=1)
        refused = run_here(pytester, "--mock-url", serving.url)
        refused.assert_outcomes(errors=1)
        assert "admin token" in said(refused)
    finally:
        serving.close()


def test_without_httpx_everything_but_client_is_there(pytester: pytest.Pytester, served: str) -> None:
    pytester.makepyfile(
        """
        import sys, urllib.request
        import pytest

        def test_mine(mock_sandbox, monkeypatch):
            monkeypatch.setitem(sys.modules, "httpx", None)
            with pytest.raises(RuntimeError, match="pip install httpx"):
                mock_sandbox.client("vendor")
            token = mock_sandbox.token("vendor")
            request = urllib.request.Request(
                mock_sandbox.url + "/public/v1/billing/journals", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request) as answer:
                assert answer.status == 200
        """
    )
    run_here(pytester, "--mock-url", served).assert_outcomes(passed=1)


# The handles


def test_a_token_leads_to_its_sandbox_and_an_unknown_caller_is_told_who_there_is(sandbox: Sandbox) -> None:
    made = sandbox.client("vendor", BILLING).post(
        "/journals", json={"name": "Mine", "authorization": {"id": "AUT-1000-0001"}}
    )
    headers = {"Authorization": f"Bearer {sandbox.token('vendor')}"}
    url = f"{sandbox.server.url}{BILLING}/journals/{made.json()['id']}"
    assert httpx.get(url, headers=headers).status_code == 200
    assert httpx.get(url, headers={"Authorization": "Bearer vendor-token"}).status_code == 404
    with pytest.raises(LookupError, match=r"no caller 'vender' in mine-\w+; there are: .*vendor"):
        sandbox.token("vender")


def test_the_clock_is_read_moved_stopped_and_let_run(sandbox: Sandbox) -> None:
    start = sandbox.clock.now
    assert start == datetime(2026, 3, 16, 9, tzinfo=UTC)
    assert sandbox.clock.advance(days=1, hours=2) == start + timedelta(days=1, hours=2)
    assert sandbox.clock.advance(to=datetime(2026, 4, 1, tzinfo=UTC)) == datetime(2026, 4, 1, tzinfo=UTC)
    sandbox.clock.run()
    assert sandbox.clock.runs
    sandbox.clock.freeze("2026-05-01T00:00:00Z")
    assert (sandbox.clock.now, sandbox.clock.runs) == (datetime(2026, 5, 1, tzinfo=UTC), False)
    with pytest.raises(MockError, match="409") as refused:
        sandbox.clock.advance(to=start)
    assert refused.value.status == 409
    for wrong in ({}, {"to": start, "days": 1}):
        with pytest.raises(TypeError, match="either"):
            sandbox.clock.advance(**wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="advance\\(\\) knows no minute; a span has days, hours"):
        sandbox.clock.advance(minute=1)
    with pytest.raises(TypeError, match="no zone"):
        sandbox.clock.freeze(datetime(2026, 6, 1))


def test_faults_are_added_listed_and_taken_away(sandbox: Sandbox) -> None:
    vendor = sandbox.client("vendor", BILLING)
    first = sandbox.faults.add("status", status=503, operation="listJournals", from_="2026-01-01T00:00:00Z")
    sandbox.faults.add("status", status=418, operation="getJournal*")
    assert vendor.get("/journals").status_code == 503
    assert [rule["struck"] for rule in sandbox.faults.list()] == [1, 0]
    sandbox.faults.remove(first)
    assert vendor.get("/journals").status_code == 200
    sandbox.faults.clear()
    assert sandbox.faults.list() == []


def test_a_reset_a_snapshot_and_a_scenario_are_there_by_name(sandbox: Sandbox) -> None:
    vendor = sandbox.client("vendor", BILLING)

    def there() -> int:
        return vendor.get("/journals/BJO-1000-0001").status_code

    sandbox.snapshot("before")
    vendor.delete("/journals/BJO-1000-0001")
    assert there() == 404
    sandbox.restore("before")
    assert there() == 200
    vendor.delete("/journals/BJO-1000-0001")
    sandbox.reset()
    assert there() == 200
    sandbox.scenario("empty")
    assert there() == 404
    with pytest.raises(MockError, match=r"400: .*[Nn]o scenario"):
        sandbox.scenario("nothing-like-it")


def test_the_state_is_counted_listed_and_shown(sandbox: Sandbox) -> None:
    assert "billing" in str(sandbox.state())
    assert "BJO-1000-0001" in str(sandbox.state("billing", "Journal", limit=100))
    assert "January usage" in str(sandbox.state("billing", "Journal", "BJO-1000-0001"))


def test_the_journal_is_filtered_explained_and_forgotten(sandbox: Sandbox) -> None:
    vendor = sandbox.client("vendor", BILLING)
    vendor.get("/journals")
    vendor.post("/journals/BJO-1000-0014/accept")
    (refused,) = sandbox.journal.entries(status=403)
    assert refused["operation"] == "acceptJournal"
    assert "acceptJournal" in sandbox.journal.why(refused["number"])
    sandbox.journal.clear()
    assert sandbox.journal.entries() == []


def test_a_sandbox_that_is_gone_can_be_dropped(served: str) -> None:
    with Server(served).sandbox("brief") as made:
        Server(served).calls.delete(f"/sandboxes/{made.name}")
    assert made.name not in names(served)


@pytest.mark.parametrize("calls", [0, 1])
def test_a_server_ends_whether_or_not_it_was_called(calls: int) -> None:
    serving = Serving({"apis": ["accounts"]})
    for _ in range(calls):
        assert Calls(serving.url).get("/jobs")["jobs"] == []
    assert is_up(serving.url)
    serving.close()
    assert not is_up(serving.url)
    assert not any(thread.name == f"mockserver {serving.url}" for thread in threading.enumerate())


# What is shown


def alone(*options: str) -> subprocess.CompletedProcess[str]:
    """A session in this folder, with no more plugins than it is about."""
    command = [sys.executable, "-m", "pytest", *PLUGINS, "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, env=environment)


def test_every_example_passes_over_two_workers() -> None:
    result = alone("-n", "2", "-vv", "tests/examples")
    assert result.returncode == 0, result.stdout[-3000:]
    for example in EXAMPLES:
        assert re.search(rf"(PASSED|SKIPPED) \S*{example.name}::", result.stdout), result.stdout[-3000:]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_ten_lines_and_is_shown(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line]) <= 10
    assert f"```python\n{text}```" in SECTION, "paste it into fixtures/README.md, between the marks of testing"


def test_the_readme_shows_no_other_example() -> None:
    shown = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    assert sorted(shown) == sorted(path.read_text(encoding="utf-8") for path in EXAMPLES)


@pytest.mark.skipif(which("curl") is None, reason="the examples for a shell call curl")
def test_the_lines_for_a_shell_print_what_is_shown(served: str) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        lines = block.replace(SERVED_AT, served).splitlines()
        script = "".join(f"echo {quoted(line)}\n{line[2:]}\n" if line[:2] == "$ " else "" for line in lines)
        out = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert (out.stdout.splitlines(), out.stderr) == (lines, "")


def quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


def requests(text: str, variables: Mapping[str, str]) -> Iterator[tuple[str, str, str, dict[str, str], str]]:
    """(title, method, URL, headers, body) of each request of a .http file."""
    found = dict(re.findall(r"^@(\w+) = (.*)$", text, re.MULTILINE)) | variables
    for name, value in found.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    assert "{{" not in text
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n\n")
        title, first, *rest = head.splitlines()
        method, _, url = first.partition(" ")
        yield title, method, url, dict(line.split(": ", 1) for line in rest), body.strip()


def test_the_requests_for_an_editor_are_answered_as_they_say(served: str) -> None:
    text = (ROOT / "fixtures" / "mock.http").read_text(encoding="utf-8")
    sent = list(requests(text, {"host": served}))
    assert len(sent) > 15
    for title, method, url, headers, body in sent:
        answer = httpx.request(method, url, headers=headers, content=body or None)
        expected = re.search(r"\((\d{3})\)$", title)
        assert answer.status_code == int(expected[1] if expected else 200), f"{title}: {answer.text[:300]}"


def test_the_section_names_every_option() -> None:
    result = alone("--help")
    options = set(re.findall(r"--mock-[a-z]+", result.stdout))
    assert options
    assert options == set(re.findall(r"--mock-[a-z]+", SECTION))
