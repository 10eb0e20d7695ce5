"""The pytest plugin of the server: a real server for a session, a sandbox for each test. Unused, it costs nothing.

def test_a_journal_is_made(mock_sandbox):
    vendor = mock_sandbox.client("vendor", "/public/v1/billing")
    assert vendor.get("/journals").status_code == 200
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockserver.testing.handles import Sandbox, Server
    from mockserver.testing.serving import Serving

_SERVER: pytest.StashKey[Server] = pytest.StashKey()
_SERVING: pytest.StashKey[Serving] = pytest.StashKey()
_SANDBOX: pytest.StashKey[Sandbox] = pytest.StashKey()
_FAILED = pytest.StashKey[bool]()
_REACHED = pytest.StashKey[bool]()
_ABSENT = pytest.StashKey[str]()
_HANDED = "mock_server_url"
# Option of the server that is started -> how its text is read, and what it says. Each can stand in the ini file, too:
# `mock_scenario = overdue`.
_OPTIONS: Mapping[str, tuple[type, str]] = {
    "scenario": (str, "a named world, or a file, that every sandbox begins with"),
    "seed": (int, "seed of the data"),
    "processing": (str, "when background work is done: immediate, after:SECONDS, reads:N or manual"),
    "now": (str, "the instant at which the clocks start"),
}
_MARKED = ("scenario", "processing")
# A matter of the start alone; of a server that runs already, each sandbox is given the others.
_STARTED = ("seed", "now", "api")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mock", "mock server (doubleentry)")
    group.addoption("--mock-url", metavar="URL", help="a server that runs already, http://HOST:PORT; or MOCKSERVER_URL")
    group.addoption("--mock-admin", metavar="TOKEN", help="its admin token, if it has one; or MOCKSERVER_ADMIN")
    for name, (kind, says) in _OPTIONS.items():
        group.addoption(f"--mock-{name}", type=kind, metavar=name.upper(), help=says)
        parser.addini(f"mock_{name}", says)
    group.addoption(
        "--mock-api",
        action="append",
        metavar="API",
        help="an API to serve, by name or folder; all there are by default",
    )
    parser.addini("mock_api", "the APIs to serve, by name or folder", type="args")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "mock(scenario, processing): what mock_sandbox is like in this test")
    for name in _OPTIONS:
        _option(config, name)
    said = [name for name in ("url", "admin", *_OPTIONS, "api") if config.getoption(f"mock_{name}") is not None]
    # The environment may be meant for others, until a test asks for a server; a word of the command line is for us.
    if not said:
        return
    place, url = _named(config, "url")
    if url is not None:
        started = [name for name in said if name in _STARTED]
        if started:
            raise pytest.UsageError(
                f"--mock-{started[0]} is about a server that the tests start, and {place} names one that runs already: "
                "drop one of them, and start that server as it shall be."
            )
        try:
            _server(config)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    elif "admin" in said:
        raise pytest.UsageError("--mock-admin is for a server that runs already: name it by --mock-url, or drop it.")


def pytest_report_header(config: pytest.Config) -> list[str]:
    url = config.getoption("mock_url")
    return [] if url is None else [f"mock server: {url}{_unheeded(config)}"]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # Any: a worker of pytest-xdist
    """Hand the workers one address; what listens there makes the server once one of them calls."""
    if _elsewhere(node.config) is None:
        node.workerinput[_HANDED] = _served(node.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    serving = config.stash.get(_SERVING, None)
    if serving is not None:
        serving.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in the report of a failure what the sandbox was sent last."""
    report = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if sandbox is not None and report.failed and call.when != "teardown":
        from mockserver.testing.handles import told

        item.stash[_FAILED] = True
        try:
            said = told(sandbox)
        except Exception as error:
            # A failure must be reported whatever becomes of the server.
            said = f"not to be had: {error!r}"
        kept = "" if _elsewhere(item.config) is None else f"\nIt stays as it is: {sandbox.url}{_unheeded(item.config)}"
        report.sections.append((f"requests to mock sandbox {sandbox.name}", said + kept))
    return report


@pytest.fixture(scope="session")
def mock_server(pytestconfig: pytest.Config) -> Server:
    """The mock server of this session: `.url`, and `.sandbox(...)` for sandboxes that live longer than a test."""
    try:
        return _server(pytestconfig)
    except ValueError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def mock_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A world of this test's own, dropped after it; `@pytest.mark.mock(scenario=..., processing=...)` chooses it."""
    item, config = request.node, request.config
    sandbox = _created(config, item.name, _marked(item))
    item.stash[_FAILED] = False  # whatever an earlier attempt at the same test came to
    item.stash[_SANDBOX] = sandbox
    yield sandbox
    del item.stash[_SANDBOX]
    if item.stash[_FAILED] and _elsewhere(config) is not None:
        sandbox.close()
    else:
        sandbox.drop()


def _created(config: pytest.Config, label: str, asked: Mapping[str, str]) -> Sandbox:
    """A sandbox of the session's server; where there can be none, the test fails in one line."""
    from mockserver.testing.calls import MockError

    said = config.stash.get(_ABSENT, None)
    if said is None:
        try:
            # By way of the configuration, not of `mock_server`: a suite may have a fixture of that name.
            made = _server(config).create(label, **asked)
            config.stash[_REACHED] = True
            return made
        except (MockError, ValueError) as error:
            said = str(error)
            # Some hosts keep callers waiting: not every test shall find out by itself that nothing ever answers.
            if isinstance(error, MockError) and error.status is None and _REACHED not in config.stash:
                config.stash[_ABSENT] = said
    raise pytest.fail.Exception(said, pytrace=False)


def _server(config: pytest.Config) -> Server:
    """The server of this session, in this process, in that which started this one, or elsewhere.

    Raises ValueError, which says what names it, where its address or its token can be none.
    """
    if _SERVER not in config.stash:
        from mockserver.testing.calls import address, bearable
        from mockserver.testing.handles import Server

        url = _read(config, "url", address)
        if url is None:
            handed = getattr(config, "workerinput", {}).get(_HANDED)
            config.stash[_SERVER] = Server(handed or _served(config))
        else:
            # It has a scenario and a mode of its own; each sandbox is given ours.
            ours = {name: _option(config, name) for name in _MARKED}
            config.stash[_SERVER] = Server(url, admin=_read(config, "admin", bearable), **ours)
    return config.stash[_SERVER]


def _served(config: pytest.Config) -> str:
    """The address of a server of our own."""
    if _SERVING not in config.stash:
        from mockserver.testing.serving import Serving

        options = {name: found for name in _OPTIONS if (found := _option(config, name)) is not None}
        config.stash[_SERVING] = Serving({**options, "apis": _option(config, "api") or ()})
    return config.stash[_SERVING].url


def _elsewhere(config: pytest.Config) -> str | None:
    """The address of a server that runs already, as it was said, if one was."""
    return _named(config, "url")[1]


def _named(config: pytest.Config, name: str) -> tuple[str, str | None]:
    """What an option says, or the environment, after the name of the one that does."""
    option, variable = f"--mock-{name}", f"MOCKSERVER_{name.upper()}"
    said: str | None = config.getoption(f"mock_{name}")
    return (option, said) if said is not None else (variable, os.environ.get(variable) or None)


def _read(config: pytest.Config, name: str, read: Callable[[str], str]) -> str | None:
    place, said = _named(config, name)
    try:
        return None if said is None else read(said)
    except ValueError as error:
        raise ValueError(f"{place} {error}.") from None


def _unheeded(config: pytest.Config) -> str:
    """What of the ini file a server that runs already cannot be told."""
    said = [f"mock_{name}" for name in _STARTED if config.getini(f"mock_{name}")]
    return f" ({', '.join(said)} of the ini file: not heeded, the server has its own)" if said else ""


def _option(config: pytest.Config, name: str) -> Any:  # Any: a text, a number or a list
    """An option, or what the ini file says of it; None where neither does."""
    said = config.getoption(f"mock_{name}")
    if said is not None:
        return said
    written = config.getini(f"mock_{name}")
    if not written:
        return None
    kind = _OPTIONS[name][0] if name in _OPTIONS else list
    try:
        return kind(written)
    except ValueError:
        raise pytest.UsageError(f"mock_{name} = {written}: this is no whole number.") from None


def _marked(item: pytest.Item) -> dict[str, str]:
    """What the markers of a test ask for; the nearest one goes first."""
    asked: dict[str, str] = {}
    for mark in item.iter_markers("mock"):
        unknown: Sequence[object] = [*mark.args, *(name for name in mark.kwargs if name not in _MARKED)]
        if unknown:
            there = ", ".join(_MARKED)
            pytest.fail(f"@pytest.mark.mock: no {unknown[0]!r}; there are, by keyword: {there}.", pytrace=False)
        asked = {**mark.kwargs, **asked}
    return asked
