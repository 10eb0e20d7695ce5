"""The server in users' tests: the pytest plugin as a suite of theirs sees it, and what is shown of it, run."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from shutil import which

import httpx
import pytest

from mockserver.control import document
from mockserver.testing import MockError, Sandbox, Server, handles
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
OURS = ("--mock-scenario", "month-end", "--mock-processing", "reads:2")
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


def test_what_may_have_been_forgotten_is_not_said_to_be_absent(sandbox: Sandbox) -> None:
    vendor = sandbox.client("vendor", BILLING)
    sandbox.calls.put("/journal", {"most": 1})
    vendor.delete("/journals/BJO-1000-0001")
    sandbox.journal.assert_not_called(operation="listJournals")
    vendor.get("/journals")
    sandbox.journal.assert_called(operation="listJournals")
    for times in ({"times": 0}, {"atMost": 1}):
        with pytest.raises(
            AssertionError, match=r"got 0 among those that are kept; 1 before them are forgotten: clear"
        ):
            sandbox.journal.assert_called(operation="deleteJournal", **times)
    with pytest.raises(
        AssertionError, match=r"at least 1, got 0\n(.*\n)*  forgotten: the 1 before those that are kept"
    ):
        sandbox.journal.assert_called(operation="deleteJournal")
    sandbox.journal.clear()
    sandbox.journal.assert_not_called(operation="deleteJournal")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-n", "2", "--mock-scenario", "overdu"), "the mock server cannot start: no scenario 'overdu'"),
        (
            ("--mock-url", "http://127.0.0.1:9"),
            "no mock server answers at http://127.0.0.1:9 (Connection refused); start it: mockserver --port 9; or",
        ),
        (
            ("-n", "2", "--mock-url", "http://mock.invalid:9"),
            "no mock server answers at http://mock.invalid:9 (",
        ),
    ],
)
def test_a_server_that_cannot_be_is_told_in_one_line(
    pytester: pytest.Pytester, options: tuple[str, ...], told: str
) -> None:
    pytester.makepyfile("def test_mine(mock_sandbox): pass\ndef test_without(): pass")
    result = run(pytester, *options)
    result.assert_outcomes(passed=1, errors=1)
    assert told in said(result)
    assert "INTERNALERROR" not in said(result)
    assert "Traceback" not in said(result)


STARTS = "is about a server that the tests start, and {} names one that runs already: drop one"


@pytest.mark.parametrize(
    ("options", "url", "told"),
    [
        (("--mock-url", "here"), None, "--mock-url here: say http://HOST:PORT, as the server's banner shows it."),
        (("--mock-url", "localhost:8000"), None, "--mock-url localhost:8000: say http://localhost:8000, as"),
        (("--mock-url", ""), None, "--mock-url (empty): say http://HOST:PORT"),
        (("--mock-url", "http://127.0.0.1:80000"), None, "--mock-url http://127.0.0.1:80000: say http://HOST:PORT"),
        (("--mock-url", "http://me@127.0.0.1:9"), None, "say http://HOST:PORT"),
        (("--mock-url", "http://127.0.0.1:9?x=1"), None, "say http://HOST:PORT"),
        (("--mock-url", "http://127.0.0.1:9", "--mock-admin", "a\nb"), None, "--mock-admin (not shown): no header can"),
        (("--mock-admin", ADMIN), None, "--mock-admin is for a server that runs already: name it by --mock-url"),
        (("--mock-url", SERVED_AT, "--mock-seed", "7"), None, "--mock-seed " + STARTS.format("--mock-url")),
        (("--mock-url", SERVED_AT, "--mock-api", "credits"), None, "--mock-api " + STARTS.format("--mock-url")),
        (("--mock-now", "2026-05-04"), SERVED_AT, "--mock-now " + STARTS.format("MOCKSERVER_URL")),
        (("-o", "mock_seed=seven"), None, "mock_seed = seven: this is no whole number."),
    ],
)
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_what_cannot_be_meant_is_told_before_any_test_runs(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    url: str | None,
    told: str,
    workers: tuple[str, ...],
) -> None:
    if url is not None:
        monkeypatch.setenv("MOCKSERVER_URL", url)
    pytester.makepyfile("def test_mine(): pass")
    result = run_here(pytester, *(("-p", "xdist", *workers) if workers else ()), *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.stderr.lines if line)
    assert told in line
    assert "a\nb" not in said(result)


def test_an_environment_that_is_meant_for_others_stops_no_suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKSERVER_URL", "mocks:1080")
    pytester.makepyfile("def test_mine(): pass\ndef test_ours(mock_sandbox): pass\ndef test_too(mock_server): pass")
    result = run_here(pytester, "-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=2)
    assert (
        said(result).count("\nMOCKSERVER_URL mocks:1080: say http://mocks:1080, as the server's banner shows it.") == 2
    )


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The address of what sends this to everybody, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    with caller:
                        heard.append(caller.recv(65536))
                        caller.sendall(answer)
                        # A body may come apart from its head: closed with it unread, the answer would be lost.
                        caller.shutdown(socket.SHUT_WR)
                        while caller.recv(65536):
                            pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
            "is no mock server (POST /__mock__/sandboxes: 200",
        ),
        (
            b"HTTP/1.1 308 Moved\r\nLocation: https://elsewhere/\r\n\r\n",
            "is no mock server (POST /__mock__/sandboxes: 308",
        ),
        (b"220 smtp\r\n", "no mock server answers at"),
        (b"", "no mock server answers at"),
    ],
)
def test_what_is_another_server_is_told_as_that(pytester: pytest.Pytester, answer: bytes, told: str) -> None:
    pytester.makepyfile("def test_mine(mock_sandbox): pass")
    with answering(answer) as (url, _):
        result = run_here(pytester, "--mock-url", url)
    result.assert_outcomes(errors=1)
    assert told in said(result)
    assert "Traceback" not in said(result)


def test_a_server_that_never_answered_is_asked_but_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('turn', range(5))\ndef test_mine(mock_sandbox, turn): pass"
    )
    with answering(b"") as (url, heard):
        run_here(pytester, "--mock-url", url).assert_outcomes(errors=5)
    assert len(heard) == 1


def test_what_the_ini_file_says_of_the_start_is_told_to_be_idle_where_the_server_runs_already(
    pytester: pytest.Pytester, served: str
) -> None:
    pytester.makeini("[pytest]\nmock_seed = 7\nmock_scenario = overdue\n")
    pytester.makepyfile("def test_mine(mock_sandbox): assert mock_sandbox.clock.now is None")
    result = run_here(pytester, "--mock-url", served)
    idle = "(mock_seed of the ini file: not heeded, the server has its own)"
    result.stdout.fnmatch_lines([f"mock server: {served} {idle}", f"It stays as it is: {served}/@test_mine-* {idle}"])
    Server(served).calls.delete("/sandboxes")


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

        def test_plain(mock_sandbox, mock_server):
            assert told(mock_sandbox) == ("month-end", "reads:2")
            with mock_server.sandbox("ours") as ours, mock_server.sandbox("its", scenario="overdue") as its:
                assert told(ours) == ("month-end", "reads:2")
                assert told(its) == ("overdue", "reads:2")

        @pytest.mark.mock(scenari="overdue")
        def test_a_slip(mock_sandbox):
            pass

        @pytest.mark.mock
        def test_that_means_another_mock():
            pass
        """
    )
    result = run_here(pytester, "--mock-url", served, *OURS, "--strict-markers")
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
        run_here(pytester, "--mock-url", serving.url, "--mock-admin", f" {ADMIN}\n").assert_outcomes(passed=1)
        for given, what in (((), "none was given"), (("--mock-admin", "wrong"), "what was given is another one")):
            refused = run_here(pytester, "--mock-url", serving.url, *given)
            refused.assert_outcomes(errors=1)
            told = f"{serving.url} asks for its admin token, and {what}: say --mock-admin TOKEN, MOCKSERVER_ADMIN in"
            assert told in said(refused)
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
    with pytest.raises(LookupError, match=r"no caller 'vender' in mine-\w+; did you mean vendor\? there are: .*client"):
        sandbox.token("vender")


def test_the_clock_is_read_moved_stopped_and_let_run(sandbox: Sandbox) -> None:
    start = sandbox.clock.now
    assert start == datetime(2026, 3, 16, 9, tzinfo=UTC)
    assert sandbox.clock.advance(days=1, hours=2) == start + timedelta(days=1, hours=2)
    assert sandbox.clock.advance(timedelta(hours=1)) == start + timedelta(days=1, hours=3)
    assert sandbox.clock.advance(to=datetime(2026, 4, 1, tzinfo=UTC)) == datetime(2026, 4, 1, tzinfo=UTC)
    assert sandbox.clock.advance(by="P1M") == datetime(2026, 5, 1, tzinfo=UTC)
    assert sandbox.clock.advance(to=date(2026, 5, 4)) == datetime(2026, 5, 4, tzinfo=UTC)
    sandbox.clock.run()
    assert sandbox.clock.runs
    sandbox.clock.freeze("2026-06-01T00:00:00Z")
    assert (sandbox.clock.now, sandbox.clock.runs) == (datetime(2026, 6, 1, tzinfo=UTC), False)
    with pytest.raises(MockError, match="409") as refused:
        sandbox.clock.advance(to=start)
    assert refused.value.status == 409
    with pytest.raises(TypeError, match="either"):
        sandbox.clock.advance()
    with pytest.raises(TypeError, match="either"):
        sandbox.clock.advance(to=start, days=1)
    with pytest.raises(TypeError, match="days='5' is no span; say days=40, hours=2, or a timedelta"):
        sandbox.clock.advance(days="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="5 is no instant; say a datetime with a zone"):
        sandbox.clock.advance(to=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no zone"):
        sandbox.clock.freeze(datetime(2026, 7, 1))


def test_faults_are_added_listed_and_taken_away(sandbox: Sandbox) -> None:
    vendor = sandbox.client("vendor", BILLING)
    since = sandbox.clock.now
    first = sandbox.faults.add("status", status=503, operation="listJournals", from_=since, until=date(2027, 1, 1))
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
    assert sandbox.journal.why() == sandbox.journal.why(refused["number"])
    vendor.get("/journals")
    assert sandbox.journal.why() != sandbox.journal.why(refused["number"])
    sandbox.journal.clear()
    assert sandbox.journal.entries() == []


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        (lambda box: box.faults.add("status", opration="x"), "faults.add() has no opration; did you mean operation? "),
        (
            lambda box: box.faults.add("rate-limit", retry_after=5),
            "no retry_after; did you mean retryAfter? there are:",
        ),
        (
            lambda box: box.faults.add("status", form="x"),
            "faults.add() has no form; did you mean from_? there are: sec",
        ),
        (
            lambda box: box.journal.verify(calller="x"),
            "journal.verify() has no calller; did you mean caller? there are",
        ),
        (
            lambda box: box.journal.assert_called(at_least=2),
            "journal.assert_called() has no at_least; did you mean atLe",
        ),
        (lambda box: box.journal.assert_not_called(times=1), "journal.assert_not_called() has no times; there are: op"),
        (lambda box: box.journal.entries(since_=1), "journal.entries() has no since_; did you mean since? there are:"),
        (
            lambda box: box.clock.advance(minute=1),
            "clock.advance() has no minute; did you mean minutes? there are: to,",
        ),
        (
            lambda box: box.state("billing", "Journal", limt=1),
            "state() has no limt; did you mean limit? there are: off",
        ),
        (lambda box: box.state("billing"), "state() takes an API and an entity, and perhaps an id, not 1 words."),
    ],
)
def test_a_slip_in_a_keyword_is_told_with_the_nearest_before_anything_is_asked(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, slip: Callable[[Sandbox], object], told: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Calls, "_ask", None)
        with pytest.raises(TypeError, match=re.escape(told)):
            slip(sandbox)


def test_the_keywords_are_those_of_the_servers_own_document() -> None:
    described = document()
    rule = described["components"]["schemas"]["FaultRule"]["properties"]
    assert ["kind", *(each.rstrip("_") for each in handles.RULE)] == list(rule)
    body = described["paths"]["/journal/verify"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(handles.MATCH) == set(body["properties"]["match"]["properties"])
    assert {*handles.OFTEN, "match"} == set(body["properties"])
    assert [each["name"] for each in described["paths"]["/journal"]["get"]["parameters"]] == list(handles.FILTERS)
    state = described["paths"]["/state/{api}/{entity}"]
    named = [*state.get("parameters", ()), *state["get"].get("parameters", ())]
    assert {each["name"] for each in named if each["in"] == "query"} == set(handles.PAGE)


def test_a_failure_by_a_slip_shows_the_line_of_the_test_and_none_of_the_plugin(
    pytester: pytest.Pytester, served: str
) -> None:
    pytester.makepyfile(
        """
        def test_fault(mock_sandbox): mock_sandbox.faults.add("status", opration="x")
        def test_clock(mock_sandbox): mock_sandbox.clock.advance(day=1)
        def test_status(mock_sandbox): mock_sandbox.journal.assert_called(status="4x")
        def test_gone(mock_server):
            with mock_server.sandbox("mine") as mine: pass
            mine.state()
        """
    )
    result = run_here(pytester, "--mock-url", served, "-p", "no:randomly")
    result.assert_outcomes(failed=4)
    assert "handles.py" not in said(result)
    assert "calls.py" not in said(result)
    Server(served).calls.delete("/sandboxes")


def test_what_a_test_has_at_hand_is_sent_as_json_and_anything_else_is_told(sandbox: Sandbox) -> None:
    assert sandbox.journal.verify(body={"price": Decimal("1.50"), "at": sandbox.clock.now}, times=0)["verified"]
    with pytest.raises(TypeError, match=r"\{1\} \(set\) is nothing that JSON can say"):
        sandbox.journal.verify(body={1})


def test_a_client_reads_certificates_only_where_tls_is_spoken(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda **options: read.append(options))
    assert sandbox.client("vendor", BILLING).get("/journals").status_code == 200
    assert read == []
    sandbox.server.url = "https://127.0.0.1:9"
    sandbox.client("vendor")
    assert len(read) == 1


def test_a_path_of_a_client_may_do_without_its_slash(sandbox: Sandbox) -> None:
    assert sandbox.client("vendor", BILLING.lstrip("/")).get("journals").status_code == 200


@pytest.mark.parametrize(
    "use",
    [
        lambda box: box.url,
        lambda box: box.token("vendor"),
        lambda box: box.client("vendor"),
        lambda box: box.state(),
        lambda box: box.reset(),
        lambda box: box.clock.now,
        lambda box: box.faults.add("drop"),
        lambda box: box.journal.entries(),
        lambda box: box.jobs.release(),
    ],
)
def test_a_sandbox_whose_block_has_ended_is_gone_and_is_not_made_anew(
    served: str, use: Callable[[Sandbox], object]
) -> None:
    with Server(served).sandbox("brief") as made:
        client = made.client("vendor", BILLING)
    with pytest.raises(MockError, match=f"sandbox {made.name} is gone: the test, or the `with` block, that it was for"):
        use(made)
    with pytest.raises(RuntimeError, match="closed"):
        client.get("/journals")
    assert repr(made) == f"<Sandbox {served}/@{made.name} (gone)>"
    assert made.name not in names(served)


def test_a_sandbox_is_gone_after_its_test_even_where_the_server_keeps_it(
    pytester: pytest.Pytester, served: str
) -> None:
    pytester.makepyfile(
        """
        import pytest

        KEPT = []

        def test_first(mock_sandbox):
            KEPT.append(mock_sandbox)
            assert False

        def test_second():
            KEPT[0].state()
        """
    )
    result = run_here(pytester, "--mock-url", served, "-p", "no:randomly")
    result.assert_outcomes(failed=2)
    result.stdout.re_match_lines([r"E .*MockError: sandbox test_first-\w+ is gone: the test, or the `with` block, .*"])
    Server(served).calls.delete("/sandboxes")


def test_a_sandbox_that_cannot_be_as_asked_for_is_not_left_behind(served: str) -> None:
    before = names(served)
    with pytest.raises(MockError, match="Processing 'manul': say immediate"):
        Server(served).create("mine", processing="manul")
    assert names(served) == before


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
    found = {**dict(re.findall(r"^@(\w+) = (.*)$", text, re.MULTILINE)), **variables}
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
