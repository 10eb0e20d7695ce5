"""Contract checks as pytest items, and a fixture for tests of one's own. Without its options it does nothing.

    pytest --contract-target http://127.0.0.1:8000 --contract-config=contracts.toml

collects `contracts::billing::access.matrix[createJournal]` and its like: an item for each check and case.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from contracts.run import Running
    from contracts.settings import Settings
    from contracts.using import Calls

_KEY = pytest.StashKey["Contract"]()
_NAMED = "contract_mode_named"
_TOLD = "contract_told"
# Option -> its name in contracts.toml, how its text is read there, and what it says.
_OPTIONS: Sequence[tuple[str, str, Any, str]] = (
    ("target", "target", str, "address of the deployment that the contract checks are for"),
    ("app", "app", str, "an ASGI application in this process, module:attribute, instead of an address"),
    ("mode", "mode", str, "what the checks may do there: read-only (default), own or full"),
    ("callers", "callers_file", Path, "who calls: JSON or TOML"),
    ("seed", "seed", int, "seed of what is drawn"),
    ("rate", "rate", str, "calls a second, at most, of all workers together: 5, 5/s, 300/m"),
    ("budget", "budget", int, "calls, at most, of all workers together"),
    ("timeout", "timeout", float, "seconds that a call may take"),
    ("patience", "patience", float, "seconds that background work may take"),
    ("journal", "journal", Path, "folder that tells what was made, for `contracts clean`"),
)
_LISTS: Sequence[tuple[str, str, Any, str]] = (
    ("api", "apis", str, "an API, by name or folder, or all"),
    ("only", "only", str, "what to look at: check:ID, operation:ID, cell:CAPABILITY/ROLE, ..."),
    ("skip", "skip", str, "what not to look at"),
    ("allow-host", "allow_hosts", str, "a host that may be called, where it is not this machine"),
    ("overlay", "overlays", Path, "a file that changes single cells"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "contract checks of a deployment (doubleentry)")
    for name, _, kind, says in _OPTIONS:
        group.addoption(f"--contract-{name}", type=kind, default=None, help=says)
    for name, _, kind, says in _LISTS:
        group.addoption(f"--contract-{name}", type=kind, action="append", default=None, help=f"{says}; may be repeated")
    group.addoption("--contract-caller", action="append", default=[], help="NAME=env:VARIABLE or NAME=file:PATH")
    group.addoption("--contract-config", type=Path, default=None, help="contracts.toml of the deployment")
    group.addoption("--contract-strict", action="store_true", help="let broken conventions of ours fail, too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "contract: a contract check, collected by --contract-target or --contract-app")
    option = config.option
    if option.contract_target or option.contract_app or option.contract_config:
        contract = Contract(config, _settings(config))
        config.stash[_KEY] = contract
        config.pluginmanager.register(contract, "contract-checks")


def _settings(config: pytest.Config) -> Settings:
    """What the options, the environment and contracts.toml ask for; this worker's share of it."""
    from contracts import asking, callers
    from contracts import config as files
    from contracts.mistakes import Mistake
    from specs.tables import TableError

    option = config.option
    given: dict[str, Any] = {}
    for name, key, _, _ in (*_OPTIONS, *_LISTS):
        value = getattr(option, "contract_" + name.replace("-", "_"))
        if value is not None:
            given[key] = tuple(value) if isinstance(value, list) else value
    if option.contract_strict:
        given["strict"] = True
    try:
        for key in ("mode", "rate", "budget", "timeout", "patience", "seed"):
            if key in given:
                given[key] = files.option(f"--contract-{key}", key, given[key])
        settings = asking.settle(
            given,
            environ=os.environ,
            tokens=[callers.given(text, os.environ) for text in option.contract_caller],
            path=option.contract_config,
            named=_is_named(config),
        ).settings
    except (Mistake, TableError) as error:
        raise pytest.UsageError(str(error)) from None
    worker = _worker(config)
    return asking.divided(settings, worker["workercount"], worker["workerid"]) if worker else settings


def _worker(config: pytest.Config) -> Mapping[str, Any]:
    """What pytest-xdist tells one of its workers; empty elsewhere."""
    return getattr(config, "workerinput", {})


def _is_named(config: pytest.Config) -> bool:
    """Whether the mode was said on the command line, not in a file or a variable that pytest reads options from."""
    worker = _worker(config)
    said = any(str(each).startswith("--contract-mode") for each in config.invocation_params.args)
    return bool(worker[_NAMED]) if worker else said


class Contract:
    """The run of one process: set up when the first item needs it, cleaned up when the session ends."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.stopped = ""
        self._made: Running | None = None
        self._stack = ExitStack()
        self._told: list[str] = []

    @property
    def running(self) -> Running:
        """The run, set up. Raises target.Unreachable."""
        if self._made is None:
            from contracts.redaction import Redaction
            from contracts.run import running

            self._made = self._stack.enter_context(running(self.settings, Redaction.of(self.settings.callers)))
        return self._made

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        from contracts.items import Item, Place
        from contracts.run import plan
        from specs.tables import load

        apis = [load(name, overlays=self.settings.overlays) for name in self.settings.apis]
        root = Place.from_parent(session, name="contracts", nodeid="contracts")
        places = {api.name: Place.from_parent(root, name=api.name) for api in apis}
        for check, api, cases in plan(self.settings, apis):
            items += [Item.of(places[api.name], self, check, api, case) for case in cases]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # Any: a worker of pytest-xdist
        node.workerinput[_NAMED] = _is_named(self.config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._told += getattr(node, "workeroutput", {}).get(_TOLD, [])

    def pytest_sessionfinish(self) -> None:
        """Take away what was made, and keep what the end of the session tells."""
        self._stack.close()
        if self._made is not None:
            self._told += _summary(self._made)
        if _worker(self.config):
            self.config.workeroutput[_TOLD] = self._told  # type: ignore[attr-defined]  # pytest-xdist adds it

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._told:
            terminalreporter.section("contract")
            for line in self._told:
                terminalreporter.line(line)


def _summary(made: Running) -> list[str]:
    from contracts.findings import Severity
    from contracts.reports import clean, text

    result = clean(made.result)
    told = [f"{result.target}: {result.requests:,} requests in {result.seconds:.1f} s"]
    for each in result.findings:
        if each.accepted or (each.severity is Severity.QUESTION and not result.strict):
            told += text.finding(each, result).splitlines()
    return told + [f"left on the deployment: {line}" for line in result.left]


@pytest.fixture
def contract(request: pytest.FixtureRequest) -> Callable[[str], Calls]:
    """Calls to the deployment of --contract-target: `contract("billing").call("listJournals", "vendor")`.

    Each answer is held to the spec: one that breaks it fails the test.
    """
    from contracts.using import Calls

    run = request.config.stash.get(_KEY, None)
    if run is None:
        pytest.skip("no deployment is named: say --contract-target URL, or --contract-app module:attribute")
    return lambda api: Calls.of(run.running, api, check=request.node.nodeid)
